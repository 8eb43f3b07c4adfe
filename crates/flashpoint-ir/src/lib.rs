//! The two forms of Flashpoint's intermediate representation.
//!
//! The [`generic`] form holds a Python function as written: every value is *any*, every operation has Python's meaning.
//! Tier 0 runs it, and every deoptimisation lands in it. The [`typed`] form (the kernel IR) is derived from it under
//! guards; passes and back ends work on it alone. Both share one text syntax ([`text`]) that parses back.
//!
//! Reading order: [`dtype`], [`slot`] (the one layout every transition passes through), [`generic`], [`typed`],
//! [`snapshot`] (how typed code leaves for the generic form), [`reason`] (the closed table of reasons).
//! This crate knows neither who makes the IR nor who runs it.
#![forbid(unsafe_code)]

pub mod dtype;
pub mod factor;
pub mod slot;

pub mod generic;
pub mod generic_ops;
pub mod generic_verify;
pub mod liveness;

pub mod snapshot;
pub mod typed;

pub mod analysis;
pub mod signature;
pub mod text;
pub mod verify;

pub mod reason;

pub mod abi;
pub mod builder;
pub mod bytes;

pub mod eval;
pub mod planted;
pub mod testing;
