//! Passes over the typed form.
//!
//! [`optimize`] runs a [pipeline](pipeline): [`TIER1`] is linear and cheap, [`TIER2`] ends with innermost loops that a
//! back end can vectorise. Reading order: [`pipeline`], [`cleanup`], then one module per pass, in the order of the list.
//! This crate knows nothing of Python, threads or machine code.
#![forbid(unsafe_code)]

pub mod pipeline;
pub mod report;

pub mod cleanup;

mod edit;
mod fold;
mod intervals;

pub mod gvn;
pub mod rules;
pub mod simplify;

pub mod ranges;

pub mod licm;
pub mod version;

pub mod carry;
pub mod jam;
pub mod strips;

pub mod if_convert;
pub mod trips;

pub mod float_guards;

mod bounds;
mod counted;
mod loops;

pub use pipeline::{Pass, PassOptions, Report, TIER1, TIER2, optimize};
pub use report::LoopReport;
