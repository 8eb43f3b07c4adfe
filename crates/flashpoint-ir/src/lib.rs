//! The two forms of Flashpoint's intermediate representation: generic and typed.
