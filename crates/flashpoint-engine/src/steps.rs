//! Steps: operations without typed form that compiled code has tier 0 run, without leaving ([`Helper::GenericStep`]).
//!
//! [`Helper::GenericStep`]: flashpoint_ir::typed::Helper::GenericStep

use std::sync::Arc;

use flashpoint_frontend::lower::{SLOT_WORDS, STEP_BITS, Step};
use flashpoint_ir::abi::Context;
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::slot::Slot;
use flashpoint_ir::snapshot::Recipe;

use crate::context::{self, Activation, ScratchWords};
use crate::exits::{Rebuilder, held_words};
use crate::host::HostResult;
use crate::number_steps;
use crate::python::Python;
use crate::run::Engine;
use crate::tier0::{self, StepFrame, Stepped};
use crate::unit::{Unit, Version};

/// The results are in the context's scratch.
const GO_ON: i64 = 0;
/// An exception is pending.
const RAISED: i64 = 1;
/// As [`GO_ON`], but the code must leave behind the operation.
const MUST_LEAVE: i64 = 2;

impl<H: Python> Engine<H> {
    /// Runs a step. `number` is the version's number and, in its low bits, that of the step.
    pub(crate) fn run_step(&self, host: &mut H, activation: &mut Activation<H>, ctx: *mut Context, number: u64) -> i64 {
        let found;
        let entered = activation.version();
        let (version, unit, entry, is_told) = if entered.number == number >> STEP_BITS {
            (entered, activation.unit(), activation.entry(), activation.is_told)
        } else {
            // Code called in registers: what its steps need travelled in registers, too. Its caller keeps it.
            let version = self.version_by_number(number >> STEP_BITS).expect("running code has a version");
            let unit = version.unit.upgrade().expect("running code has a unit");
            found = (version, unit);
            (&*found.0, &found.1, &[][..], false)
        };
        let step = &version.lowered.steps[number as usize & ((1 << STEP_BITS) - 1)];
        let done = match number_steps::run(host, version, version.unit(unit, step.function), step, entry, ctx) {
            Some(Ok(false)) => return GO_ON,
            Some(done) => done.map(|_| ()),
            None => self.do_step(host, unit, version, step, entry, is_told, ctx),
        };
        if done.is_err() {
            activation.raised = true;
            return RAISED;
        }
        if activation.may_go_on(host) { GO_ON } else { MUST_LEAVE }
    }

    /// Runs the operation in a frame of its own, and puts what it gives into the context's scratch. If it raises, what was
    /// held is still the code's. `is_told`: whether the host knows of the outermost call already.
    #[expect(clippy::too_many_arguments, reason = "one step, told in full")]
    fn do_step(
        &self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        version: &Version<H>,
        step: &Step,
        entry: &[Slot],
        is_told: bool,
        ctx: *mut Context,
    ) -> HostResult<()> {
        let owner = version.unit(unit, step.function);
        let words = ScratchWords::new(ctx, step.n_words);
        let words = words.as_slice().iter().copied();
        let mut rebuilder = Rebuilder { version, unit, entry, words, result_slot: Slot::UNBOUND, objects: Vec::new() };
        let mut frame = StepFrame::new(&owner.code);
        let done = step.operands.iter().try_for_each(|(slot, recipe)| {
            frame.slots_mut()[slot.0 as usize] = rebuilder.make(host, owner, recipe)?;
            Ok(())
        });
        let done = done.and_then(|()| {
            let calls = step.callers.iter().copied().chain([(step.function, step.pc)]);
            let calls = calls.map(|(function, pc)| (&version.unit(unit, function).function, pc));
            within(host, calls, is_told, |host| tier0::step(&mut frame, &owner.function, host, step.pc))
        });
        if let Ok(stepped) = done {
            let mut at = 0;
            let mut put = |slot| {
                context::set_scratch_at(ctx, at, &held_words(slot));
                at += SLOT_WORDS;
            };
            if let Stepped::Branch(value) | Stepped::Next(value) = stepped {
                put(Slot::bool(value));
            }
            step.results.iter().for_each(|result| put(take(&mut frame, *result)));
        }
        // What was held and is not consumed is the code's.
        for (slot, recipe) in &step.operands {
            let left = take(&mut frame, *slot);
            if left.owns() && !matches!(recipe, Recipe::Held(..)) {
                host.release(left);
            }
        }
        if done.is_err() {
            frame.release(host);
        }
        debug_assert!(frame.slots_mut().iter().all(|slot| !slot.owns()), "a step leaves nothing but its results");
        done.map(|_| ())
    }
}

/// Does something in the innermost of calls under way, of which the host is told. `is_told`: of the first it was.
fn within<'a, H: Python + 'a, T>(
    host: &mut H,
    calls: impl Iterator<Item = (&'a H::Function, Pc)>,
    is_told: bool,
    what: impl FnOnce(&mut H) -> HostResult<T>,
) -> HostResult<T> {
    let mut n_entered = 0;
    let mut entered = Ok(());
    for (i, (function, pc)) in calls.enumerate() {
        if i > 0 || !is_told {
            entered = host.enter_frame(function);
            if entered.is_err() {
                break;
            }
            n_entered += 1;
        }
        host.set_position(pc);
    }
    let done = entered.and_then(|()| what(host));
    (0..n_entered).for_each(|_| host.leave_frame());
    done
}

#[inline]
fn take(frame: &mut StepFrame<'_>, slot: SlotIdx) -> Slot {
    std::mem::replace(&mut frame.slots_mut()[slot.0 as usize], Slot::UNBOUND)
}
