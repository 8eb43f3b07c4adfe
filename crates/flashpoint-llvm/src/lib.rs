//! Tier 2: LLVM, as a dynamic library of its own.
//!
//! Versioned bytes of typed code go in, the bytes of an ELF object come out, over the C interface that
//! `flashpoint_ir::bytes::tier2` describes; nothing else is exported. The library knows the IR and nothing above it.
//!
//! Reading order: this file (the interface), [`compile`], `translate` (typed code to LLVM IR), `machine` (passes and
//! emission), `ir` (LLVM's builder behind safe methods).
#![deny(unsafe_code)]

mod compile;
mod interface;
mod machine;
mod translate;

mod ir;

pub use compile::compile;
