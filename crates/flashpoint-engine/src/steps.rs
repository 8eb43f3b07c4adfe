//! Steps: operations without typed form that compiled code has tier 0 run, without leaving ([`Helper::GenericStep`]).
//!
//! [`Helper::GenericStep`]: flashpoint_ir::typed::Helper::GenericStep

use std::sync::Arc;

use flashpoint_frontend::lower::{STEP_BITS, Step};
use flashpoint_ir::abi::Context;
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::slot::Slot;
use flashpoint_ir::snapshot::Recipe;

use crate::context::{self, Activation};
use crate::exits::{Rebuilder, held_words};
use crate::host::HostResult;
use crate::number_steps;
use crate::python::Python;
use crate::run::Engine;
use crate::tier0::{self, Frame, Stepped};
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
        let (version, entry, is_told) = if entered.number == number >> STEP_BITS {
            (entered, activation.entry(), activation.is_told)
        } else {
            // Code called in registers: what its steps need travelled in registers, too. Its caller keeps it.
            found = self.version_by_number(number >> STEP_BITS).expect("running code has a version");
            (&*found, &[][..], false)
        };
        let unit = version.unit.upgrade().expect("running code has a unit");
        let step = &version.lowered.steps[number as usize & ((1 << STEP_BITS) - 1)];
        let done = match number_steps::run(host, version, version.unit(&unit, step.function), step, entry, ctx) {
            Some(Ok(false)) => return GO_ON,
            Some(done) => done.map(|_| ()),
            None => self.do_step(host, &unit, version, step, entry, is_told, ctx),
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
        let owner = version.unit(unit, step.function).clone();
        let words = context::scratch(ctx, step.n_words).into_iter();
        let mut rebuilder = Rebuilder { version, unit, entry, words, result_slot: Slot::UNBOUND, objects: Vec::new() };
        let mut frame = Frame::new(&owner.code);
        let done = step.operands.iter().try_for_each(|(slot, recipe)| {
            frame.slots_mut()[slot.0 as usize] = rebuilder.make(host, &owner, recipe)?;
            Ok(())
        });
        let calls = step.callers.iter().copied().chain([(step.function, step.pc)]);
        let calls: Vec<_> = calls.map(|(function, pc)| (&version.unit(unit, function).function, pc)).collect();
        let done = done.and_then(|()| {
            within(host, &calls, is_told, |host| tier0::step(&owner.code, &owner.function, &mut frame, host, step.pc))
        });
        if let Ok(stepped) = done {
            let mut words = Vec::with_capacity(3 * step.results.len() + 3);
            if let Stepped::Branch(value) | Stepped::Next(value) = stepped {
                words.extend(held_words(Slot::bool(value)));
            }
            for result in &step.results {
                words.extend(held_words(take(&mut frame, *result)));
            }
            context::set_scratch(ctx, &words);
        }
        // What was held and is not consumed is the code's.
        for (slot, recipe) in &step.operands {
            if matches!(recipe, Recipe::Held(..)) {
                take(&mut frame, *slot);
            }
        }
        frame.release(host);
        done.map(|_| ())
    }
}

/// Does something in the innermost of calls under way, of which the host is told. `is_told`: of the first it was.
fn within<H: Python, T>(
    host: &mut H,
    calls: &[(&H::Function, Pc)],
    is_told: bool,
    what: impl FnOnce(&mut H) -> HostResult<T>,
) -> HostResult<T> {
    let mut n_entered = 0;
    let mut entered = Ok(());
    for (i, (function, pc)) in calls.iter().enumerate() {
        if i > 0 || !is_told {
            entered = host.enter_frame(function);
            if entered.is_err() {
                break;
            }
            n_entered += 1;
        }
        host.set_position(*pc);
    }
    let done = entered.and_then(|()| what(host));
    (0..n_entered).for_each(|_| host.leave_frame());
    done
}

fn take(frame: &mut Frame, slot: SlotIdx) -> Slot {
    std::mem::replace(&mut frame.slots_mut()[slot.0 as usize], Slot::UNBOUND)
}
