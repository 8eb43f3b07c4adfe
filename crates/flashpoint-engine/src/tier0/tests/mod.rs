//! Tier 0 on the Rust host: what each class of operation does, exceptions and handlers, resuming, back edges, profiles.
//!
//! Every program is run through [`check`], which also resumes it at each operation and asserts that no object leaked.

mod builder;
mod exceptions;
mod loops;
mod values;

pub(crate) use builder::Builder;

use std::sync::Arc;

use flashpoint_ir::generic::{GenericFunction, GenericOp, Pc};
use flashpoint_ir::slot::Slot;

use super::{Alone, BackEdge, CallStack, Entry, Frame, Hooks, Outcome, StepFrame, run, step};
use crate::host::{Host, HostResult};
use crate::rust_host::{ErrorInfo, RustFunction, RustHost};

/// What a call gave, in text: the result's `repr`, or the exception's class, message and lines, the innermost first.
fn outcome_text(host: &mut RustHost, outcome: HostResult<Slot>) -> String {
    match outcome {
        Ok(value) => {
            let text = host.repr(&value);
            host.release(value);
            text
        }
        Err(_) => {
            let ErrorInfo { class, message, traceback } = host.take_error().expect("an exception is pending");
            let lines: Vec<String> = traceback.iter().map(|(_, line)| line.to_string()).collect();
            format!("{class}: {message} @{}", lines.join(","))
        }
    }
}

/// Makes the arguments of one call.
pub(crate) type MakeArgs<'a> = &'a dyn Fn(&mut RustHost) -> Vec<Slot>;

/// Runs the function and compares with `expected`; then again, stopping before each operation and going on in a copy of
/// the frame, and again with single steps where possible. Nothing may leak.
#[track_caller]
pub(crate) fn check(generic: GenericFunction, args: MakeArgs, expected: &str) {
    let generic = Arc::new(generic);
    for mode in [Mode::Straight, Mode::Stepped] {
        let mut host = RustHost::new();
        let function = host.function(generic.clone()).expect("the function loads");
        // The first call makes the constants, which live as long as the host.
        let text = call(&mut host, &function, args, mode);
        assert_eq!(text, expected, "{mode:?}");
        let alive = host.n_objects();
        assert_eq!(call(&mut host, &function, args, mode), expected, "{mode:?}, second call");
        assert_eq!(host.n_objects(), alive, "objects leaked, {mode:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// `run` does all.
    Straight,
    /// The frame is moved into another one before every operation; single operations go through `step`.
    Stepped,
}

fn call(host: &mut RustHost, function: &RustFunction, args: MakeArgs, mode: Mode) -> String {
    let args = args(host);
    let outcome = match mode {
        Mode::Straight => host.call_function(function, &args),
        Mode::Stepped => call_stepped(host, function, &args),
    };
    let text = outcome_text(host, outcome);
    args.into_iter().for_each(|arg| host.release(arg));
    text
}

/// Steps through the function; every operation finds its slots in a fresh frame.
fn call_stepped(host: &mut RustHost, function: &RustFunction, args: &[Slot]) -> HostResult<Slot> {
    let code = &function.definition.code;
    let mut frame = Frame::new(code);
    let mut bound = args.to_vec();
    bound.iter().for_each(|arg| host.retain(arg));
    bound.resize(code.generic().params.n_slots() as usize, Slot::UNBOUND);
    frame.slots_mut()[..bound.len()].copy_from_slice(&bound);
    host.enter_frame(function)?;
    let unit = Alone { code, function };
    let mut calls = CallStack::of::<RustHost>(&unit, frame);
    let mut pc = Pc(0);
    loop {
        let mut alone = StepFrame::new(code);
        alone.slots_mut().copy_from_slice(calls.slots_mut());
        let op = &code.generic().ops[pc.0 as usize];
        let single = !matches!(
            op,
            GenericOp::Jump { .. } | GenericOp::Branch { .. } | GenericOp::ForNext { .. } | GenericOp::Return { .. }
        );
        let stepped = single && step(&mut alone, function, host, pc).is_ok();
        let mut frame = Frame::new(code);
        frame.slots_mut().copy_from_slice(alone.slots_mut());
        drop(alone);
        calls = CallStack::of::<RustHost>(&unit, frame);
        if stepped {
            pc.0 += 1;
            continue;
        }
        // Jumps, and what follows an exception, are run to the next back edge.
        let entry = if single { Entry::Raise(pc) } else { Entry::At(pc) };
        code.loops().iter().for_each(|looping| looping.arm(1));
        match run(&mut calls, host, &mut LeaveAtOnce, entry)? {
            Outcome::Returned(value) => return Ok(value),
            Outcome::Left { header, .. } => pc = header,
        }
    }
}

/// Leaves at every back edge.
struct LeaveAtOnce;

impl<'u> Hooks<'u, RustHost> for LeaveAtOnce {
    type Unit = Alone<'u, RustFunction>;
    type Exit = ();

    fn on_back_edge(&mut self, _: &mut RustHost, _: &'u Self::Unit, _: usize, _: &mut [Slot]) -> BackEdge<()> {
        BackEdge::Leave(())
    }
}
