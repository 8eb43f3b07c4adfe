//! Running calls in tier 0: interpreter loops, the compiled loops they enter, and what those leave.
//!
//! An interpreter loop runs a call and all calls that it makes in tier 0. Compiled code is called natively from it; the
//! frames that such code leaves go on in loops of their own, inside it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flashpoint_frontend::lower::EntrySource;
use flashpoint_ir::slot::{Slot, Tag};

use crate::events::{self, Topic};
use crate::exits::Resumed;
use crate::host::{HostResult, Raised};
use crate::osr;
use crate::python::Python;
use crate::run::{Engine, Ran};
use crate::tier0::frame::release;
use crate::tier0::{self, CallStack, Entry, Frame, Outcome};
use crate::unit::Unit;

impl<H: Python> Engine<H> {
    /// Runs a call in tier 0.
    pub(crate) fn interpret(&self, host: &mut H, unit: &Arc<Unit<H>>, args: &[Slot]) -> HostResult<Slot> {
        host.enter_frame(&unit.function)?;
        let units = osr::Units::new();
        let mut calls = CallStack::new::<H>(unit);
        let slots = calls.slots_mut();
        for (slot, arg) in slots.iter_mut().zip(args) {
            host.retain(arg);
            *slot = *arg;
        }
        let free = unit.code.free_slots();
        if !free.is_empty() {
            host.load_closure(&unit.function, &mut slots[free]);
        }
        self.run_calls(host, &units, calls, Entry::START).inspect(|value| unit.note_returned(value))
    }

    /// Goes on with frames that no tier-0 call holds yet.
    pub(crate) fn resume_call(&self, host: &mut H, mut frames: Vec<Resumed<H>>, entry: Entry) -> HostResult<Slot> {
        enter_frames(host, &mut frames)?;
        // The innermost is run first, by an interpreter loop of its own, then each that waits for it.
        let mut entry = entry;
        loop {
            let Some(Resumed { unit, frame, .. }) = frames.pop() else { return Err(Raised) };
            let units = osr::Units::new();
            let result = self.run_calls(host, &units, CallStack::of::<H>(&unit, frame), entry);
            let Some(caller) = frames.last() else { return result };
            entry = Entry::after_call(caller.pc, result);
        }
    }

    /// Runs a call that the host has been told of until it returns, by way of compiled loops where that pays, and the calls
    /// that it makes in tier 0.
    fn run_calls<'u>(
        &'u self,
        host: &mut H,
        units: &'u osr::Units<H>,
        mut calls: CallStack<'u, Arc<Unit<H>>>,
        entry: Entry,
    ) -> HostResult<Slot> {
        let mut hooks = osr::EngineHooks { engine: self, units };
        let mut entry = entry;
        loop {
            let code = match tier0::run(&mut calls, host, &mut hooks, entry)? {
                Outcome::Returned(result) => return Ok(result),
                Outcome::Left { exit, .. } => exit,
            };
            let unit = calls.unit();
            entry = match self.run_loop(host, &mut hooks, unit, calls.slots_mut(), code) {
                LoopRan::Resume(entry) => entry,
                LoopRan::Ended(result) => match calls.end(host, result) {
                    ControlFlow::Continue(entry) => entry,
                    ControlFlow::Break(result) => return result,
                },
            };
        }
    }

    /// Goes on with a frame in the compiled code of a loop, and of those that the loop hands it over to.
    fn run_loop(
        &self,
        host: &mut H,
        hooks: &mut osr::EngineHooks<H>,
        unit: &Arc<Unit<H>>,
        frame: &mut [Slot],
        mut code: osr::LoopCode<H>,
    ) -> LoopRan {
        loop {
            let osr::LoopCode { version, compiled, beyond } = code;
            unit.stats.osr_entries.fetch_add(1, Ordering::Relaxed);
            if events::enabled(Topic::Osr) {
                let line = unit.code.generic().spans.get(version.entry.0 as usize).map_or(0, |span| span.line);
                let (name, tier) = (unit.qualname(), compiled.tier);
                events::log("osr", format_args!("`{name}` enters tier {tier} at the loop at line {line}"));
            }
            let mut slots = frame.to_vec();
            slots.extend(&beyond);
            let address = frame.as_mut_ptr();
            for param in version.params().iter().filter(|param| param.ty.is_held()) {
                if let EntrySource::Slot(slot) = param.source {
                    frame[slot.0 as usize] = Slot::UNBOUND;
                }
            }
            let ran = self.run_version(host, unit, &version, &compiled, &slots, Some(address));
            beyond.into_iter().for_each(|slot| host.release(slot));
            match ran {
                Err(raised) => return LoopRan::Ended(Err(raised)),
                Ok(Ran::Returned(result)) => return LoopRan::Ended(Ok(result)),
                Ok(Ran::HandOver(mut rebuilt)) => {
                    let header = rebuilt.pc;
                    replace_frame(host, unit, frame, &mut rebuilt);
                    match hooks.at_header(host, unit, header, frame) {
                        Some(next) => code = next,
                        None => return LoopRan::Resume(Entry::At(header)),
                    }
                }
                Ok(Ran::Resume(mut frames, resume_at)) => {
                    let swap = self.is_swap(unit, &frames);
                    let mut outer = frames.remove(0);
                    replace_frame(host, unit, frame, &mut outer);
                    if swap {
                        unit.stats.tier_changes_in_loop.fetch_add(1, Ordering::Relaxed);
                    }
                    if frames.is_empty() {
                        return LoopRan::Resume(resume_at);
                    }
                    let result = self.resume_call(host, frames, resume_at);
                    return LoopRan::Resume(Entry::after_call(outer.pc, result));
                }
            }
        }
    }

    /// Whether the frames stand at a loop's header, left for better code; the loop then looks for it at once.
    fn is_swap(&self, unit: &Arc<Unit<H>>, frames: &[Resumed<H>]) -> bool {
        let [only] = frames else { return false };
        let Some(looped) = unit.code.loops().iter().find(|l| l.header == only.pc) else { return false };
        looped.arm(1);
        true
    }
}

/// How the compiled code of a loop was left.
enum LoopRan {
    /// The frame goes on in tier 0.
    Resume(Entry),
    /// The call has ended.
    Ended(HostResult<Slot>),
}

/// Tells the host of frames that an exit has made, the outermost first. If it raises, they are released.
fn enter_frames<H: Python>(host: &mut H, frames: &mut Vec<Resumed<H>>) -> HostResult<()> {
    for (entered, frame) in frames.iter_mut().enumerate() {
        load_free(host, &frame.unit, &mut frame.frame);
        if let Err(raised) = host.enter_frame(&frame.unit.function) {
            for _ in 0..entered {
                host.leave_frame();
            }
            for mut frame in frames.drain(..) {
                frame.frame.release(host);
            }
            return Err(raised);
        }
        host.set_position(frame.pc);
    }
    Ok(())
}

/// Puts the rebuilt slots in the place of the old ones, whose references they have doubled.
fn replace_frame<H: Python>(host: &mut H, unit: &Unit<H>, frame: &mut [Slot], rebuilt: &mut Resumed<H>) {
    load_free(host, unit, &mut rebuilt.frame);
    release(frame, host);
    frame.copy_from_slice(rebuilt.frame.slots());
    rebuilt.frame.slots_mut().fill(Slot::UNBOUND);
}

/// Fills the free slots of a frame that an exit has made, where it has not.
fn load_free<H: Python>(host: &mut H, unit: &Unit<H>, frame: &mut Frame) {
    let free = unit.code.free_slots();
    if free.is_empty() {
        return;
    }
    let mut cells = vec![Slot::UNBOUND; free.len()];
    host.load_closure(&unit.function, &mut cells);
    for (slot, cell) in frame.slots_mut()[free].iter_mut().zip(cells) {
        match slot.tag {
            Tag::Unbound => *slot = cell,
            _ => host.release(cell),
        }
    }
}
