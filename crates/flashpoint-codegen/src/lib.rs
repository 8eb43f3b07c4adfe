//! Back ends: typed functions in, callable machine code out.
//!
//! Reading order: [`backend`] (the trait, and the calling convention in detail), [`code_object`] (relocatable code, the unit of
//! caching), [`legalise`] (what every back end leaves to typed code), [`cranelift`] (tier 1), [`llvm`] (tier 2, in a
//! library of its own), [`elf`], [`loader`] and [`memory`] (code becomes callable), [`preserving`] (the
//! poll of tier 1), [`testing`] (a machine to run it on without an engine).
//! This crate knows neither Python nor policy.
#![deny(unsafe_code)]

pub mod backend;
pub mod code_object;
pub mod error;

pub mod cranelift;
pub mod legalise;
pub mod llvm;

pub mod elf;
pub mod loader;
pub mod memory;
pub mod preserving;

pub mod testing;

pub use backend::{Backend, CompileOptions};
pub use code_object::Object;
pub use cranelift::Cranelift;
pub use error::{CodegenError, CodegenResult};
pub use llvm::Llvm;
pub use loader::{LoadedCode, Loader};
