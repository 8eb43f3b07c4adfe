//! On-stack replacement: which loop of a nest to enter compiled code at, and when.
//!
//! A version for an entry at a loop's header holds that loop and what follows it within the iteration of the loop around
//! it, and hands over where that one comes round ([`Reason::HandOver`]): there the enclosing loop is entered in turn. Three
//! rules keep the number of compiles small:
//! - Where the loop's remaining iterations are known and few, tier 0 does them, and asks again at the loop around it.
//! - Tier 2 is asked for code that hands over only once it has run for some polls: as a rule it is left before.
//! - A call that spends its time in loops for which there is code goes to them by tier 0, which asks at the entry of an
//!   outermost loop too; a version for the whole call, with the same loops in it, is compiled only if calls go on
//!   ([`Version::is_in_loops`]).
//!
//! [`Reason::HandOver`]: flashpoint_ir::reason::Reason::HandOver

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_ir::generic::{GenericOp, Pc, SlotIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::slot::{Slot, Tag};

use crate::events::{self, Topic};
use crate::host::HostResult;
use crate::opened::Opened;
use crate::python::Python;
use crate::run::{Engine, code_for};
use crate::tier0::{BackEdge, Code, Frame, Hooks};
use crate::unit::{Compiled, Unit, Version};

/// Tier 0 does the rest of an inner loop if that takes at most so many times the back edges after which a loop is compiled:
/// about what the compile would cost.
const PATIENCE: u64 = 25;
/// Polls after which code that hands over is worth tier 2.
pub(crate) const POLLS_BEFORE_TIER2: u32 = 3;
/// Times that code may leave by a guard soon after it was entered before it is entered less often.
const MAX_EXITS: u32 = 2;

/// Whether the code of a version ends where a loop around its entry comes round.
pub(crate) fn hands_over<H: Python>(unit: &Unit<H>, version: &Version<H>) -> bool {
    let of_entry = unit.liveness.loop_at(version.entry).filter(|_| version.entry != Pc(0));
    of_entry.is_some_and(|index| unit.liveness.loops()[index].parent.is_some())
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

/// What the engine does at tier 0's back edges: enters compiled code once a loop is warm.
pub(crate) struct EngineHooks<'a, H: Python> {
    pub engine: &'a Engine<H>,
    pub unit: &'a Arc<Unit<H>>,
}

/// Code to enter a loop with.
pub(crate) struct LoopCode<H: Python> {
    pub version: Arc<Version<H>>,
    pub compiled: Arc<Compiled>,
    /// Entry slots beyond those of the frame; owned.
    pub beyond: Vec<Slot>,
}

impl<H: Python> Hooks<H> for EngineHooks<'_, H> {
    type Exit = LoopCode<H>;

    fn call(&mut self, host: &mut H, callee: &Slot, args: &[Slot]) -> Option<HostResult<Slot>> {
        let unit = host.unit_of(callee, args.len())?;
        Some(self.engine.call(host, &unit, args))
    }

    fn on_back_edge(
        &mut self,
        host: &mut H,
        code: &Code,
        loop_index: usize,
        frame: &mut Frame,
    ) -> BackEdge<Self::Exit> {
        let (engine, unit) = (self.engine, self.unit);
        let forced = engine.forced_tier(unit);
        if forced == Some(0) {
            return BackEdge::Continue { trips: 10_000 };
        }
        let is_scripted = forced.is_some() || engine.policy.osr_every() != 0;
        if !is_scripted && let Some(trips) = self.wait_for_outer_loop(code, loop_index, frame) {
            return BackEdge::Continue { trips };
        }
        self.enter(host, code, loop_index, frame, forced)
    }

    fn on_entry(&mut self, host: &mut H, code: &Code, loop_index: usize, frame: &mut Frame) -> Option<Self::Exit> {
        if self.engine.forced_tier(self.unit).is_some() || self.engine.policy.osr_every() != 0 {
            return None;
        }
        let header = code.loops()[loop_index].header;
        let (live, beyond) = self.live_slots(host, code, header, frame);
        let found = self.unit.find(header, |slots| *slots == live).filter(|version| version.holds(host));
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
    pub fn at_header(&mut self, host: &mut H, header: Pc, frame: &mut Frame) -> Option<LoopCode<H>> {
        let code = &self.unit.code;
        let loop_index = code.loops().iter().position(|looped| looped.header == header)?;
        match self.enter(host, code, loop_index, frame, self.engine.forced_tier(self.unit)) {
            BackEdge::Leave(next) => Some(next),
            BackEdge::Continue { trips } => {
                code.loops()[loop_index].arm(trips);
                None
            }
        }
    }

    /// If little is left of the loop, the loop around it is to ask at its next back edge; the back edges until this one asks
    /// again.
    fn wait_for_outer_loop(&self, code: &Code, loop_index: usize, frame: &Frame) -> Option<u32> {
        let loops = self.unit.liveness.loops();
        let looped = &code.loops()[loop_index];
        let index = self.unit.liveness.loop_at(looped.header)?;
        let outer = loops[index].parent?;
        let outer = code.loops().iter().find(|l| l.header == loops[outer].header)?;
        let GenericOp::ForNext { iter, .. } = code.generic().ops[looped.header.0 as usize] else { return None };
        let iter = frame.slots()[iter.0 as usize];
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
        code: &Code,
        loop_index: usize,
        frame: &mut Frame,
        forced: Option<u8>,
    ) -> BackEdge<LoopCode<H>> {
        let (live, beyond) = self.live_slots(host, code, code.loops()[loop_index].header, frame);
        match self.enter_with(host, code, loop_index, live, forced) {
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
        code: &Code,
        header: Pc,
        frame: &Frame,
    ) -> (Vec<(SlotIdx, SlotType)>, Vec<Slot>) {
        let slots = frame.slots();
        let mut live: Vec<(SlotIdx, SlotType)> = self
            .unit
            .liveness
            .live_before(header)
            .filter(|slot| slots[slot.0 as usize].tag != Tag::Unbound)
            .map(|slot| (slot, host.slot_type(&slots[slot.0 as usize], slot)))
            .collect();
        let mut beyond = Vec::new();
        if Opened::concern(code.generic(), &live) {
            let opened = host.open(self.unit, slots, &live);
            opened.complete(&mut live, slots.len());
            beyond = opened.beyond;
        }
        (live, beyond)
    }

    /// As [`Self::enter`], with entry slots of these types.
    fn enter_with(
        &self,
        host: &mut H,
        code: &Code,
        loop_index: usize,
        live: Vec<(SlotIdx, SlotType)>,
        forced: Option<u8>,
    ) -> BackEdge<(Arc<Version<H>>, Arc<Compiled>)> {
        let (engine, unit) = (self.engine, self.unit);
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
        if version.cell.requested.load(Ordering::Relaxed) == 0 {
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
                if events::enabled(Topic::Osr) {
                    eprintln!("flashpoint: osr: `{}` enters tier {} at a loop", unit.qualname(), compiled.tier);
                }
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
