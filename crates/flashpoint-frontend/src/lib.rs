//! Python syntax trees to the generic form, and the generic form to the typed form.
//!
//! Reading order: [`syntax`] (the tree that comes in, as Python's `ast` has it).
//! This crate knows no Python process: trees are plain data, and so is everything it makes of them.
#![forbid(unsafe_code)]

pub mod syntax;

pub mod lower;
