//! Python syntax trees to the generic form, and the generic form to the typed form.
//!
//! Reading order: [`syntax`] (the tree that comes in, as Python's `ast` has it), [`scope`] (which variable a name means),
//! [`generic`] (the tree to the generic form), [`lower`] (the generic form to the typed form).
//! This crate knows no Python process: trees are plain data, and so is everything it makes of them.
#![forbid(unsafe_code)]

pub mod syntax;

pub mod scope;

pub mod generic;

pub mod lower;
