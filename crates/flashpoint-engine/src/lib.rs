//! Tier 0, code units, tier policy, transitions and reclamation.
//!
//! Reading order: [`host`] (the door to Python), [`tier0`] (the interpreter of the generic form), [`python`] (what the
//! engine asks of Python besides), [`words`] (what it need not ask), [`unit`] (functions, versions, code), [`run`] (calls
//! and transitions), `interpret` (their part in tier 0), `osr` (loops), [`opened`] (objects that entries in loops look into), [`ready`] (calls
//! like the last one), [`links`] (calls between units), `exits` (from compiled code back to frames), [`compile`] (back ends and the queue), [`policy`] and [`events`]. [`rust_host`] is a host
//! without Python, for tests and Rust users.

pub mod host;
pub mod tier0;

pub mod rust_host;

pub mod python;
pub mod unit;
pub mod words;

mod context;
mod exits;
mod helpers;
mod interpret;
pub mod links;
mod mostly_steps;
mod number_steps;
pub mod opened;
mod osr;
pub mod ready;
pub mod run;
mod steps;

pub mod compile;
pub mod events;
pub mod policy;
mod queue;
pub mod threads;

#[cfg(test)]
mod transitions;

pub use context::{announce_better_code, request_poll};
pub use helpers::unary_lib_func;
