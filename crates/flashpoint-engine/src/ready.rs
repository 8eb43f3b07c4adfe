//! Calls like the last one: a version that was found once, entered again without being looked for.
//!
//! The host keeps a [`Ready`] beside its own test of the arguments' types. [`Engine::is_current`] says whether the version
//! is still the one that [`Engine::call`] would choose; [`Engine::enter_ready`] runs it. What leaves compiled code goes on
//! in [`Engine::leave_ready`], as after any call.
//!
//! Invariant: a `Ready` names the best code that its cell had when it was made; the cell's word `inner` changes whenever
//! there is better.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flashpoint_frontend::lower::EntryParam;
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_ir::abi::{STATUS_EXIT, STATUS_OK};
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::slot::Slot;

use crate::context::{self, Activation, EntryState, Left, Made};
use crate::host::{HostResult, Raised};
use crate::python::Python;
use crate::run::{Engine, code_for, result_slot};
use crate::unit::{Compiled, Unit, Version};

/// A version with code, for calls whose arguments have its types.
pub struct Ready<H: Python> {
    unit: Arc<Unit<H>>,
    version: Arc<Version<H>>,
    compiled: Arc<Compiled>,
    policy: u32,
    /// Whether it calls other units, which count how deep calls nest.
    nests: bool,
}

/// A call that left compiled code: to be given to [`Engine::leave_ready`].
pub struct Unfinished(Box<(Left, bool, Vec<Made>)>);

impl<H: Python> Ready<H> {
    /// The types of the arguments, by slot.
    pub fn types(&self) -> &[(SlotIdx, SlotType)] {
        &self.version.slots
    }

    /// Where the words of the code's parameters come from.
    pub fn params(&self) -> &[EntryParam] {
        self.version.params()
    }

    /// An object that a parameter comes from; the version keeps it.
    pub fn known(&self, object: u32) -> Slot {
        self.version.tables.objects[object as usize]
    }
}

impl<H: Python> Engine<H> {
    /// What calls with such arguments are to enter from now on, if there is code for them.
    pub fn ready(&self, host: &mut H, unit: &Arc<Unit<H>>, args: &[Slot]) -> Option<Ready<H>> {
        if self.policy.deopt_every() != 0 || self.policy.osr_every() != 0 {
            return None;
        }
        let policy = self.policy.generation();
        let version = unit.find(Pc(0), |slots| {
            slots.len() == args.len() && slots.iter().zip(args).all(|((slot, ty), arg)| host.has_type(arg, *slot, ty))
        })?;
        // A step may need the slots of the call, which this way does not make; a held argument needs a reference.
        if !version.lowered.steps.is_empty() || version.params().iter().any(|param| param.ty.is_held()) {
            return None;
        }
        let compiled = version.cell.best().filter(|code| code.tier > 1 || !version.is_in_loops())?;
        let nests = !version.tables.callees.is_empty();
        Some(Ready { unit: unit.clone(), version, compiled, policy, nests })
    }

    /// Whether calls may still enter it.
    #[inline]
    pub fn is_current(&self, host: &mut H, ready: &Ready<H>) -> bool {
        let version = &ready.version;
        ready.policy == self.policy.generation()
            && version.epoch == ready.unit.epoch()
            && version.cell.inner.load(Ordering::Acquire) == ready.compiled.code.inner()
            && version.holds(host)
            && (!version.lowered.has_numpy_floats
                || code_for(host, version).is_some_and(|code| Arc::ptr_eq(&code, &ready.compiled)))
    }

    /// Enters a version that is current. `words` are its parameters, `args` the addresses of the call's arguments.
    ///
    /// # Errors
    /// If it left compiled code.
    #[inline]
    pub fn enter_ready(&self, host: &mut H, ready: &Ready<H>, words: &[u64], args: &[u64]) -> Result<Slot, Unfinished> {
        crate::threads::ensure_ticker(&self.policy);
        // As in `Engine::call`; what was published since the version was found current is noticed at the first poll.
        let generation = context::swap_generation();
        let is_best = ready.version.cell.inner.load(Ordering::Acquire) == ready.compiled.code.inner();
        let mut activation = Activation {
            host: std::ptr::from_mut(host),
            engine: std::ptr::from_ref(self).cast(),
            version: Arc::as_ptr(&ready.version),
            unit: std::ptr::from_ref(&ready.unit),
            entry: &[],
            is_told: false,
            arguments: args,
            polls_to_skip: 0,
            generation: if is_best { generation } else { generation.wrapping_sub(1) },
            polls_left: 0,
            raised: false,
            words,
            made: Vec::new(),
            now: Vec::new(),
        };
        let state = EntryState {
            frame: std::ptr::null_mut(),
            helpers: self.helpers.as_ptr(),
            calls_left: if ready.nests { host.calls_left() } else { 0 },
            stress: 0,
        };
        let left = context::enter(&ready.compiled, words, &state, &mut activation);
        if left.status == STATUS_OK {
            for made in activation.made {
                host.release(made.array);
            }
            return Ok(result_slot(ready.version.lowered.result.as_ref(), left.result));
        }
        Err(Unfinished(Box::new((left, activation.raised, activation.made))))
    }

    /// Goes on with a call that left compiled code; `args` are its arguments, borrowed.
    #[cold]
    pub fn leave_ready(
        &self,
        host: &mut H,
        ready: &Ready<H>,
        unfinished: Unfinished,
        args: &[Slot],
    ) -> HostResult<Slot> {
        let (left, raised, made) = *unfinished.0;
        let ran = if left.status < STATUS_EXIT {
            Err(Raised)
        } else {
            self.leave(host, &ready.unit, &ready.version, &ready.compiled, args, left, raised, false)
        };
        for made in made {
            host.release(made.array);
        }
        self.go_on(host, ran?)
    }
}
