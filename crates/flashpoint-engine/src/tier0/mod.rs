//! Tier 0: the interpreter of the generic form.
//!
//! It gives every operation exactly Python's meaning, with fast paths for machine numbers and the [`Host`] for all else; it
//! is the first tier of every function and the one in which every deoptimisation lands.
//!
//! Reading order: [`arith`] (numbers), [`operators`] and [`numpy_scalars`] (numbers in slots), [`frame`] (where slots live), [`code`] (the
//! compact form that is run), [`profile`] (what was seen), [`call_stack`] (the calls under way), [`interp`] (the loop),
//! `calls` (calls and returns), `fallback` and `exec` (everything off the fast path).
//!
//! A function is loaded once ([`Code::load`]) and run any number of times, from any thread. To call it: tell the host, make
//! a [`Frame`], move the arguments into its first slots, then [`run`] from [`Entry::START`]. To go on after leaving compiled
//! code: rebuild the frame's slots and [`run`] from [`Entry::At`], [`Entry::Raise`] or [`Entry::AfterCall`]. [`call`] does
//! the first, with recursion check and closure.

pub mod arith;
pub mod numpy_scalars;
pub mod operators;

pub mod frame;
mod liveness;
mod operands;

pub mod code;
mod lower;
pub mod profile;

pub mod call_stack;
mod calls;
mod exec;
mod fallback;
pub mod interp;

pub use call_stack::{Alone, CallStack, Callable};
pub use code::{Code, LoadError, Loop};
pub use frame::{Frame, StepFrame};
pub use interp::{BackEdge, Entry, Hooks, NoHooks, Outcome, Stepped, run, step};
pub use profile::{Kinds, Profile};

use flashpoint_ir::slot::Slot;

use crate::host::{Host, HostResult};

/// Calls a function: enters and leaves the host's frame, checks recursion, loads the closure, runs from the start. `args`
/// are the parameter slots in order, given (also if this raises).
pub fn call<H: Host>(code: &Code, function: &H::Function, host: &mut H, args: &[Slot]) -> HostResult<Slot> {
    debug_assert_eq!(args.len(), code.generic().params.n_slots() as usize);
    if let Err(raised) = host.enter_frame(function) {
        for arg in args {
            host.release(*arg);
        }
        return Err(raised);
    }
    let mut frame = Frame::new(code);
    frame.slots_mut()[..args.len()].copy_from_slice(args);
    host.load_closure(function, &mut frame.slots_mut()[code.free_slots()]);
    let unit = Alone { code, function };
    match run(&mut CallStack::of::<H>(&unit, frame), host, &mut NoHooks, Entry::START)? {
        Outcome::Returned(value) => Ok(value),
        Outcome::Left { exit, .. } => match exit {},
    }
}

#[cfg(test)]
pub(crate) mod tests;
