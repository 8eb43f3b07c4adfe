//! Steps: operations without typed form that compiled code has tier 0 run, without leaving ([`Helper::GenericStep`]).
//!
//! [`Helper::GenericStep`]: flashpoint_ir::typed::Helper::GenericStep

use std::sync::Arc;

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::{STEP_BITS, Step};
use flashpoint_ir::abi::Context;
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::slot::{Slot, Tag};

use crate::context::{self, Activation};
use crate::exits::Rebuilder;
use crate::host::HostResult;
use crate::python::Python;
use crate::run::Engine;
use crate::tier0::{self, Frame};
use crate::unit::{Unit, Version};

/// The result is of the expected type, and its words are in the context's scratch; or there is none.
const AS_EXPECTED: i64 = 0;
/// An exception is pending.
const RAISED: i64 = 1;
/// The code must leave behind the operation; a result is in the context's tagged slot.
const MUST_LEAVE: i64 = 2;

impl<H: Python> Engine<H> {
    /// Runs a step. `number` is the version's number and, in its low bits, that of the step.
    pub(crate) fn run_step(&self, host: &mut H, activation: &mut Activation<H>, ctx: *mut Context, number: u64) -> i64 {
        let found;
        let entered = activation.version();
        let (version, entry) = if entered.number == number >> STEP_BITS {
            (entered, activation.entry())
        } else {
            // Code called in registers: what its steps need travelled in registers, too. Its caller keeps it.
            found = self.version_by_number(number >> STEP_BITS).expect("running code has a version");
            (&*found, &[][..])
        };
        let unit = version.unit.upgrade().expect("running code has a unit");
        let step = &version.lowered.steps[number as usize & ((1 << STEP_BITS) - 1)];
        let result = self.step_result(host, &unit, version, step, entry, ctx);
        let goes_on = activation.may_go_on(host);
        let Ok(result) = result else {
            activation.raised = true;
            return RAISED;
        };
        match &step.result {
            None if goes_on => AS_EXPECTED,
            None => MUST_LEAVE,
            Some((_, ty)) if goes_on && is_of(host, &result, ty) => {
                let mut words = Vec::with_capacity(2);
                host.push_words(&result, ty, &mut words);
                context::set_scratch(ctx, &words);
                host.release(result);
                AS_EXPECTED
            }
            Some(_) => {
                context::set_result_slot(ctx, result);
                MUST_LEAVE
            }
        }
    }

    /// The result of the operation, owned; unbound if it gives none.
    fn step_result(
        &self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        version: &Version<H>,
        step: &Step,
        entry: &[Slot],
        ctx: *mut Context,
    ) -> HostResult<Slot> {
        let owner = version.unit(unit, step.function).clone();
        let words = context::scratch(ctx, step.n_words).into_iter();
        let mut rebuilder = Rebuilder { version, unit, entry, words, result_slot: Slot::UNBOUND, objects: Vec::new() };
        let mut frame = Frame::new(&owner.code);
        let done = step.operands.iter().try_for_each(|(slot, recipe)| {
            frame.slots_mut()[slot.0 as usize] = rebuilder.make(host, &owner, recipe)?;
            Ok(())
        });
        let done = done.and_then(|()| host.enter_frame(&owner.function)).and_then(|()| {
            let done = tier0::step(&owner.code, &owner.function, &mut frame, host, step.pc);
            host.leave_frame();
            done
        });
        let mut result = Slot::UNBOUND;
        if let (Ok(()), Some((dst, _))) = (done, &step.result) {
            std::mem::swap(&mut result, &mut frame.slots_mut()[dst.0 as usize]);
        }
        frame.release(host);
        done.map(|()| result)
    }
}

fn is_of<H: Python>(host: &mut H, result: &Slot, ty: &SlotType) -> bool {
    match ty {
        SlotType::Int128 => matches!(result.tag, Tag::Int | Tag::Int128),
        ty => host.has_type(result, SlotIdx(0), ty),
    }
}
