//! On-stack replacement: which loop of a nest to enter compiled code at, and when.
//!
//! A version for an entry at a loop's header holds that loop and what follows it within the iteration of the loop around
//! it, and hands over where that one comes round ([`Reason::HandOver`]): there the enclosing loop is entered in turn. Three
//! rules keep the number of compiles small:
//! - Where the loop's remaining iterations are known and few, tier 0 does them, and asks again at the loop around it.
//! - Tier 2 is asked for code that hands over only once it has run for some polls: as a rule it is left before.
//! - A call that spends its time in loops for which there is code goes to them by tier 0, which asks at the entry of an
//!   outermost loop too; a version for the whole call, with the same loops in it, is compiled only if calls go on
//!   ([`Version::is_in_loops`]), and only if it has no more steps in those loops than their own code ([`loops_know_more`]).
//!
//! [`Reason::HandOver`]: flashpoint_ir::reason::Reason::HandOver

use std::cell::OnceCell;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flashpoint_frontend::lower::Step;
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_ir::generic::{GenericOp, Pc, SlotIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::slot::{Slot, Tag};

use crate::host::HostResult;
use crate::opened::Opened;
use crate::python::Python;
use crate::run::{Engine, code_for};
use crate::tier0::{BackEdge, Callable, Code, Hooks};
use crate::unit::{Compiled, Unit, Version};

/// Tier 0 does the rest of an inner loop if that takes at most so many times the back edges after which a loop is compiled:
/// about what the compile would cost.
const PATIENCE: u64 = 25;
/// Polls after which code that hands over is worth tier 2.
pub(crate) const POLLS_BEFORE_TIER2: u32 = 3;
/// Times that code may leave by a guard soon after it was entered before it is entered less often.
const MAX_EXITS: u32 = 2;

/// Back edges of a loop that is left to tier 0 until it asks again: its values may have other types then.
const TRIPS_IN_TIER0: u32 = 100_000;

/// Whether the code of a version ends where a loop around its entry comes round.
pub(crate) fn hands_over<H: Python>(unit: &Unit<H>, version: &Version<H>) -> bool {
    let of_entry = unit.liveness.loop_at(version.entry).filter(|_| version.entry != Pc(0));
    of_entry.is_some_and(|index| unit.liveness.loops()[index].parent.is_some())
}

/// Whether the code of one of the function's loops does without steps that this version for calls has in the same loop: where
/// the loop is entered, it knows the array that an item, an attribute or a call gave, which is held in the version. `None` if
/// the version has steps in loops, and none of these has code yet.
pub(crate) fn loops_know_more<H: Python>(unit: &Unit<H>, version: &Version<H>) -> Option<bool> {
    let has_steps = version.lowered.steps.iter().any(|step| unit.liveness.innermost_loop(outermost(step)).is_some());
    if !has_steps {
        return Some(false);
    }
    let of_other_arguments = |looped: &Version<H>| {
        looped.slots.iter().any(|(slot, ty)| version.slots.iter().any(|(arg, other)| arg == slot && other != ty))
    };
    let versions = unit.versions();
    let of_loops = versions.iter().filter(|looped| {
        looped.entry != Pc(0)
            && looped.epoch == unit.epoch()
            && looped.cell.peek(|code| code.is_some())
            && !of_other_arguments(looped)
    });
    let n_steps = of_loops.map(|looped| [version, looped].map(|version| n_steps(unit, version, looped.entry)));
    n_steps.filter(|[of_calls, _]| *of_calls > 0).map(|[of_calls, of_loop]| of_loop < of_calls).max()
}

/// The number of operations in the loop with this header that are steps of the version.
fn n_steps<H: Python>(unit: &Unit<H>, version: &Version<H>, header: Pc) -> usize {
    let Some(looped) = unit.liveness.loop_at(header).map(|index| &unit.liveness.loops()[index]) else { return 0 };
    let steps = version.lowered.steps.iter().filter(|step| looped.contains(outermost(step)));
    // An operation is a step of its own for each set of types that reach it.
    steps.map(|step| (&step.callers, step.pc)).collect::<HashSet<_>>().len()
}

/// Where a step stands in the function itself: the operation, or the call in which it was inlined.
fn outermost(step: &Step) -> Pc {
    step.callers.first().map_or(step.pc, |(_, call)| *call)
}

impl<H: Python> Engine<H> {
    /// Asks for tier 2 behind a loop of this version's code that has polled often enough. With the host attached: who forks
    /// must not find the engine's locks taken.
    pub(crate) fn has_polled(&self, version: &Arc<Version<H>>) {
        if version.cell.heat() > POLLS_BEFORE_TIER2
            && version.cell.requested.load(Ordering::Relaxed) == 1
            && let Some(unit) = version.unit.upgrade()
            && self.forced_tier(&unit).is_none()
        {
            self.request_tier2(&unit, version);
        }
    }
}

/// What the engine does at tier 0's back edges and calls: enters compiled code once a loop or function is warm.
pub(crate) struct EngineHooks<'u, H: Python> {
    pub engine: &'u Engine<H>,
    /// The functions whose calls it runs.
    pub units: &'u Units<H>,
}

/// Functions that one interpreter loop runs by itself; others are called by way of the engine.
const N_UNITS: usize = 32;

/// Keeps the units of the calls under way alive, and in their places, as long as the interpreter loop runs.
pub(crate) struct Units<H: Python>([OnceCell<Arc<Unit<H>>>; N_UNITS]);

impl<H: Python> Units<H> {
    pub fn new() -> Units<H> {
        Units([const { OnceCell::new() }; N_UNITS])
    }

    /// The unit among those kept; `None` if there is no room.
    #[inline]
    pub fn keep(&self, unit: &Arc<Unit<H>>) -> Option<&Arc<Unit<H>>> {
        for place in &self.0 {
            let kept = place.get_or_init(|| unit.clone());
            if Arc::ptr_eq(kept, unit) {
                return Some(kept);
            }
        }
        None
    }
}

impl<H: Python> Callable<H> for Arc<Unit<H>> {
    #[inline]
    fn code(&self) -> &Code {
        &self.code
    }

    #[inline]
    fn function(&self) -> &H::Function {
        &self.function
    }
}

/// Code to enter a loop with.
pub(crate) struct LoopCode<H: Python> {
    pub version: Arc<Version<H>>,
    pub compiled: Arc<Compiled>,
    /// Entry slots beyond those of the frame; owned.
    pub beyond: Vec<Slot>,
}

impl<'u, H: Python> Hooks<'u, H> for EngineHooks<'u, H> {
    type Unit = Arc<Unit<H>>;
    type Exit = LoopCode<H>;

    #[inline]
    fn unit_of(&mut self, host: &mut H, callee: &Slot, n_args: usize) -> Option<&'u Arc<Unit<H>>> {
        host.unit_of(callee, n_args, |unit| self.units.keep(unit))?
    }

    #[inline]
    fn is_interpreted(&self, unit: &'u Arc<Unit<H>>) -> bool {
        self.engine.forced_tier(unit) == Some(0)
    }

    fn call(&mut self, host: &mut H, unit: &'u Arc<Unit<H>>, args: &[Slot]) -> Option<HostResult<Slot>> {
        self.engine.call_by_version(host, unit, args)
    }

    fn on_raise(&mut self, unit: &'u Arc<Unit<H>>) {
        unit.stats.exceptions.fetch_add(1, Ordering::Relaxed);
    }

    fn on_back_edge(
        &mut self,
        host: &mut H,
        unit: &'u Arc<Unit<H>>,
        loop_index: usize,
        frame: &mut [Slot],
    ) -> BackEdge<Self::Exit> {
        let engine = self.engine;
        let forced = engine.forced_tier(unit);
        if forced == Some(0) {
            return BackEdge::Continue { trips: 10_000 };
        }
        let is_scripted = forced.is_some() || engine.policy.osr_every() != 0;
        if !is_scripted && let Some(trips) = self.wait_for_outer_loop(unit, loop_index, frame) {
            return BackEdge::Continue { trips };
        }
        self.enter(host, unit, loop_index, frame, forced)
    }

    fn on_entry(
        &mut self,
        host: &mut H,
        unit: &'u Arc<Unit<H>>,
        loop_index: usize,
        frame: &mut [Slot],
    ) -> Option<Self::Exit> {
        if self.engine.forced_tier(unit).is_some() || self.engine.policy.osr_every() != 0 {
            return None;
        }
        let header = unit.code.loops()[loop_index].header;
        let (live, beyond) = self.live_slots(host, unit, header, frame);
        let found = unit.find(header, |slots| *slots == live).filter(|version| version.holds(host));
        let code = found.and_then(|version| {
            let pays = version.exits.load(Ordering::Relaxed) <= MAX_EXITS;
            code_for(host, &version).filter(|_| pays).map(|compiled| (version, compiled))
        });
        match code {
            Some((version, compiled)) => Some(LoopCode { version, compiled, beyond }),
            None => {
                beyond.into_iter().for_each(|slot| host.release(slot));
                None
            }
        }
    }
}

impl<H: Python> EngineHooks<'_, H> {
    /// The code to go on with before a header to which other code has handed the frame over; if there is none, tier 0 does.
    pub fn at_header(
        &mut self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        header: Pc,
        frame: &mut [Slot],
    ) -> Option<LoopCode<H>> {
        let code = &unit.code;
        let loop_index = code.loops().iter().position(|looped| looped.header == header)?;
        match self.enter(host, unit, loop_index, frame, self.engine.forced_tier(unit)) {
            BackEdge::Leave(next) => Some(next),
            BackEdge::Continue { trips } => {
                code.loops()[loop_index].arm(trips);
                None
            }
        }
    }

    /// If little is left of the loop, the loop around it is to ask at its next back edge; the back edges until this one asks
    /// again.
    fn wait_for_outer_loop(&self, unit: &Unit<H>, loop_index: usize, frame: &[Slot]) -> Option<u32> {
        let (code, loops) = (&unit.code, unit.liveness.loops());
        let looped = &code.loops()[loop_index];
        let index = unit.liveness.loop_at(looped.header)?;
        let outer = loops[index].parent?;
        let outer = code.loops().iter().find(|l| l.header == loops[outer].header)?;
        let GenericOp::ForNext { iter, .. } = code.generic().ops[looped.header.0 as usize] else { return None };
        let iter = frame[iter.0 as usize];
        if iter.tag != Tag::RangeIter {
            return None;
        }
        let inner_trips: u64 = code
            .loops()
            .iter()
            .filter(|inner| inner.header != looped.header && loops[index].contains(inner.header))
            .map(|inner| u64::from(inner.taken()))
            .sum();
        let per_trip = 1 + inner_trips / u64::from(looped.taken().max(1));
        let patience = PATIENCE * u64::from(self.engine.policy.trips_before_tier1());
        if iter.b.saturating_mul(per_trip) > patience {
            return None;
        }
        outer.arm(1);
        Some(u32::try_from(patience).unwrap_or(u32::MAX))
    }

    /// Enters the loop before whose header the frame stands, if that pays.
    fn enter(
        &mut self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        loop_index: usize,
        frame: &mut [Slot],
        forced: Option<u8>,
    ) -> BackEdge<LoopCode<H>> {
        let (live, beyond) = self.live_slots(host, unit, unit.code.loops()[loop_index].header, frame);
        match self.enter_with(host, unit, loop_index, live, forced) {
            BackEdge::Leave((version, compiled)) => BackEdge::Leave(LoopCode { version, compiled, beyond }),
            BackEdge::Continue { trips } => {
                beyond.into_iter().for_each(|slot| host.release(slot));
                BackEdge::Continue { trips }
            }
        }
    }

    /// The types of the slots that live before a header at which the frame stands, and the slots beyond the frame's, owned.
    fn live_slots(
        &self,
        host: &mut H,
        unit: &Unit<H>,
        header: Pc,
        slots: &[Slot],
    ) -> (Vec<(SlotIdx, SlotType)>, Vec<Slot>) {
        let mut live: Vec<(SlotIdx, SlotType)> = unit
            .liveness
            .live_before(header)
            .filter(|slot| slots[slot.0 as usize].tag != Tag::Unbound)
            .map(|slot| (slot, host.slot_type(&slots[slot.0 as usize], slot)))
            .collect();
        let mut beyond = Vec::new();
        if Opened::concern(unit.code.generic(), &live) {
            let opened = host.open(unit, slots, &live);
            opened.complete(&mut live, slots.len());
            beyond = opened.beyond;
        }
        (live, beyond)
    }

    /// As [`Self::enter`], with entry slots of these types.
    fn enter_with(
        &self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        loop_index: usize,
        live: Vec<(SlotIdx, SlotType)>,
        forced: Option<u8>,
    ) -> BackEdge<(Arc<Version<H>>, Arc<Compiled>)> {
        let (engine, code) = (self.engine, &unit.code);
        let trips =
            if forced.is_some() && engine.policy.osr_every() == 0 { 1 } else { engine.policy.trips_before_tier1() };
        let header = code.loops()[loop_index].header;
        let found = unit
            .find(header, |slots| *slots == live || (planted(Defect::OsrTypesUnchecked) && slots.len() == live.len()));
        let version = match found {
            Some(version) if version.holds(host) => version,
            found => {
                if let Some(old) = found {
                    unit.retire(&old);
                }
                if forced.is_none() && engine.policy.osr_every() == 0 && unit.waits() {
                    return BackEdge::Continue { trips };
                }
                match engine.make_version(host, unit, header, live) {
                    Some(version) => version,
                    None => return BackEdge::Continue { trips: u32::MAX },
                }
            }
        };
        let is_requested = version.cell.requested.load(Ordering::Relaxed) != 0;
        if version.left_to_tier0 && forced.is_none() && !is_requested {
            return BackEdge::Continue { trips: TRIPS_IN_TIER0 };
        }
        if !is_requested {
            unit.has_hot_loop.store(true, Ordering::Relaxed);
            engine.request_code(unit, &version, forced);
        }
        // Code that keeps leaving soon after it was entered is entered less and less often.
        let exits = version.exits.load(Ordering::Relaxed);
        if exits > MAX_EXITS
            && engine.policy.osr_every() == 0
            && version.misses.fetch_add(1, Ordering::Relaxed) % 2 == 0
        {
            let wait = 1u32 << exits.min(16);
            return BackEdge::Continue { trips: trips.max(wait) };
        }
        match code_for(host, &version) {
            Some(compiled) => {
                // The next visit of the loop in tier 0 asks again soon; that of an outermost loop, at once.
                let looped = &code.loops()[loop_index];
                looped.arm(trips);
                if !hands_over(unit, &version) {
                    looped.ask_at_entry();
                }
                BackEdge::Leave((version, compiled))
            }
            None => BackEdge::Continue { trips: 100_000 },
        }
    }
}
