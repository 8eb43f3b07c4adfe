//! The facade crate for Rust users.
