//! Calls: choosing a version, entering it, and going on wherever it leaves.
//!
//! [`Engine::call`] is the way in. A call runs compiled code if there is some for its argument types, else tier 0, which
//! enters compiled code at a loop's back edge as soon as that pays (on-stack replacement). Whatever compiled code leaves,
//! goes on in tier 0 with rebuilt frames, and may come back at the next back edge.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::{EntryParam, EntrySource, Request};
use flashpoint_ir::abi::{Context, HELPER_TABLE_WORDS, STATUS_EXIT, STATUS_OK};
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::slot::{Slot, Tag};
use flashpoint_ir::snapshot::ExitKind;
use flashpoint_ir::typed::TypedFunction;

use crate::compile::{Compiler, Job};
use crate::context::{self, Activation, EntryState, Left};
use crate::events::{self, Topic};
use crate::exits::{Rebuilder, Resumed, held_words, numpy_slot};
use crate::host::{HostResult, Raised};
use crate::links::BeingMade;
use crate::mostly_steps;
use crate::osr;
use crate::policy::Policy;
use crate::python::Python;
use crate::tier0::Entry;
use crate::unit::{CodeCell, Compiled, Unit, Version};

/// Code that ran longer than this before it left by a guard has paid for its entry.
const WORTHWHILE: Duration = Duration::from_micros(100);
/// Guard failures at one operation before the code is made without the speculation.
const GIVE_UP: u32 = 1000;
/// Results of another type than a version returns in a register before the next one returns that type so.
const OTHER_RESULTS: u32 = 32;
/// Times that a function is compiled anew because results had types that were not seen before.
const MAX_RETYPED: u32 = 4;

/// The engine: one per process.
pub struct Engine<H: Python> {
    /// Switches.
    pub policy: Policy,
    /// Back ends and the queue.
    pub compiler: Arc<Compiler>,
    pub(crate) helpers: Box<[usize; HELPER_TABLE_WORDS]>,
    /// Who made the code of each number.
    versions: Mutex<Numbers<H>>,
}

thread_local! {
    /// Room for the words of an entry, so that a call need not allocate.
    static WORDS: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
}

/// Versions by the numbers of their code.
struct Numbers<H: Python> {
    versions: HashMap<u64, Weak<Version<H>>>,
    /// Entries at which those of dropped versions are thrown out.
    sweep_at: usize,
}

impl<H: Python> Default for Numbers<H> {
    fn default() -> Numbers<H> {
        Numbers { versions: HashMap::new(), sweep_at: 1024 }
    }
}

impl<H: Python> Numbers<H> {
    fn insert(&mut self, number: u64, version: &Arc<Version<H>>) {
        if self.versions.len() >= self.sweep_at {
            self.versions.retain(|_, version| version.strong_count() > 0);
            self.sweep_at = 1024.max(2 * self.versions.len());
        }
        self.versions.insert(number, Arc::downgrade(version));
    }

    fn get(&self, number: u64) -> Option<Arc<Version<H>>> {
        self.versions.get(&number)?.upgrade()
    }
}

/// The parameters that hold arrays, and where their words stand among those of all.
fn array_words(params: &[EntryParam]) -> Vec<(usize, Range<usize>)> {
    let mut arrays = Vec::new();
    let mut at = 0;
    for (number, param) in params.iter().enumerate() {
        let begin = at;
        at += param.ty.machine_types().iter().map(|ty| ty.exit_words()).sum::<usize>();
        if param.ty.holds_arrays() {
            arrays.push((number, begin..at));
        }
    }
    arrays
}

/// How running a version ended.
pub(crate) enum Ran<H: Python> {
    /// The function returned this; owned.
    Returned(Slot),
    /// It goes on in tier 0: frames from the outermost in; the innermost enters as said.
    Resume(Vec<Resumed<H>>, Entry),
    /// It goes on in this frame, before the header of a loop around the one that was entered.
    HandOver(Resumed<H>),
}

impl<H: Python> Default for Engine<H> {
    fn default() -> Engine<H> {
        Engine::new()
    }
}

impl<H: Python> Engine<H> {
    /// An engine that has compiled nothing.
    pub fn new() -> Engine<H> {
        Engine {
            policy: Policy::default(),
            compiler: Compiler::new(),
            helpers: crate::helpers::table::<H>(),
            versions: Mutex::new(Numbers::default()),
        }
    }

    #[inline]
    pub(crate) fn forced_tier(&self, unit: &Unit<H>) -> Option<u8> {
        self.policy.forced_tier().or(unit.options.tier)
    }

    /// Calls a function with its bound parameters, one slot each; borrowed.
    pub fn call(&self, host: &mut H, unit: &Arc<Unit<H>>, args: &[Slot]) -> HostResult<Slot> {
        match self.call_by_version(host, unit, args) {
            Some(result) => result,
            None => self.interpret(host, unit, args),
        }
    }

    /// Calls a function for which there is a version, or may be one; `None` if tier 0 is to run it without further ado.
    pub(crate) fn call_by_version(&self, host: &mut H, unit: &Arc<Unit<H>>, args: &[Slot]) -> Option<HostResult<Slot>> {
        let forced = self.forced_tier(unit);
        if forced == Some(0) {
            return None;
        }
        let version = match self.call_version(host, unit, args, forced) {
            Ok(version) => version,
            Err(raised) => return Some(Err(raised)),
        };
        unit.was_accepted.store(true, Ordering::Relaxed);
        let version = version?;
        if let Some(compiled) = code_for(host, &version)
            && (compiled.tier > 1 || !version.is_in_loops())
        {
            let ran = self.run_version(host, unit, &version, &compiled, args, None);
            return Some(ran.and_then(|ran| self.go_on(host, ran)));
        }
        unit.loop_ran_long.store(false, Ordering::Relaxed);
        let result = self.interpret(host, unit, args);
        if forced.is_none() {
            version.in_loops.store(unit.loop_ran_long.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Some(result)
    }

    // ---- choosing a version

    /// The version for a call with these arguments, with code if it is worth some. An error only if the function may not
    /// be called with such arguments.
    fn call_version(
        &self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        args: &[Slot],
        forced: Option<u8>,
    ) -> HostResult<Option<Arc<Version<H>>>> {
        let found = unit.find(Pc(0), |slots| {
            let n_unchecked = usize::from(planted(Defect::FirstArgumentUnchecked));
            slots.len() == args.len()
                && slots.iter().zip(args).skip(n_unchecked).all(|((slot, ty), arg)| host.has_type(arg, *slot, ty))
        });
        let version = match found {
            Some(version) if version.holds(host) || planted(Defect::StaleGlobals) => version,
            found => {
                if let Some(old) = found {
                    unit.retire(&old);
                    unit.drop_stale(host);
                }
                if forced.is_none() && unit.waits() {
                    return Ok(None);
                }
                let slots = args
                    .iter()
                    .enumerate()
                    .map(|(i, arg)| (SlotIdx(i as u32), host.slot_type(arg, SlotIdx(i as u32))))
                    .collect();
                match self.make_version(host, unit, Pc(0), slots) {
                    Some(version) => version,
                    None => return Ok(None),
                }
            }
        };
        if version.is_refused(unit) {
            return Err(host.raise_unsupported(unit, &version));
        }
        self.count_call(unit, &version, forced);
        Ok(Some(version))
    }

    /// Makes code for calls whose arguments have these types before there is one; further calls with other types get code
    /// of their own at once.
    pub fn compile_for(&self, host: &mut H, unit: &Arc<Unit<H>>, types: Vec<(SlotIdx, SlotType)>) {
        unit.has_hot_loop.store(true, Ordering::Relaxed);
        let forced = self.forced_tier(unit);
        if forced == Some(0) {
            return;
        }
        let version = match unit.find(Pc(0), |slots| *slots == types) {
            Some(version) => version,
            None => match self.make_version(host, unit, Pc(0), types) {
                Some(version) => version,
                None => return,
            },
        };
        if !version.is_refused(unit) && version.cell.requested.load(Ordering::Relaxed) == 0 {
            self.request_code(unit, &version, forced);
        }
    }

    /// Counts a call of a version that has no code, and asks for some when it pays.
    fn count_call(&self, unit: &Arc<Unit<H>>, version: &Arc<Version<H>>, forced: Option<u8>) {
        let is_left = version.left_to_tier0 && forced.is_none();
        if is_left || version.cell.requested.load(Ordering::Relaxed) != 0 {
            return;
        }
        let calls_before = if forced.is_some() { 0 } else { self.policy.calls_before_tier1() };
        let is_called_often = version.misses.fetch_add(1, Ordering::Relaxed) >= calls_before;
        let in_loops = version.is_in_loops();
        let is_hot = unit.has_hot_loop.load(Ordering::Relaxed) && !in_loops;
        if !is_called_often && !is_hot {
            return;
        }
        if forced.is_none() {
            match osr::loops_know_more(unit, version) {
                Some(true) => return,
                None if !is_called_often => return,
                _ => {}
            }
        }
        if is_called_often && in_loops && forced.is_none() && self.compiler.has_tier2() {
            // Its loops have code already: nobody needs to wait for tier 1.
            version.cell.requested.store(1, Ordering::Relaxed);
            self.request_tier2(unit, version);
        } else {
            self.request_code(unit, version, forced);
        }
    }

    pub(crate) fn make_version(
        &self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        entry: Pc,
        slots: Vec<(SlotIdx, SlotType)>,
    ) -> Option<Arc<Version<H>>> {
        let cell = CodeCell::new();
        let number = self.compiler.next_number();
        let request = Request {
            name: format!("{}.{number}", unit.qualname()),
            version: number,
            function: unit.code.generic().clone(),
            entry,
            slots: slots.clone(),
            promised: unit.returned(),
            licences: unit.options.licences,
        };
        let epoch = unit.epoch();
        let _being_made = BeingMade::begin(unit, &slots);
        let (lowered, tables) = host.lower(self, unit, &request, &cell).ok()?;
        let is_scripted =
            self.forced_tier(unit).is_some() || self.policy.osr_every() != 0 || self.policy.deopt_every() != 0;
        let generic = unit.code.generic();
        let left_to_tier0 = !is_scripted && mostly_steps::of_all_loops(generic, &unit.liveness, entry, &lowered.steps);
        if left_to_tier0 {
            let line = generic.spans[entry.idx()].line;
            *cell.refused.lock().expect("no panic while locked") = Some((Reason::MostlySteps, format!("line {line}")));
        }
        let version = Arc::new(Version {
            number,
            left_to_tier0,
            unit: Arc::downgrade(unit),
            entry,
            slots,
            arrays: array_words(&lowered.params),
            lowered,
            tables,
            cell,
            epoch,
            misses: AtomicU32::new(0),
            exits: AtomicU32::new(0),
            in_loops: AtomicBool::new(false),
        });
        if !version.lowered.steps.is_empty() {
            self.versions.lock().expect("no panic while locked").insert(number, &version);
        }
        unit.add(version.clone());
        unit.drop_stale(host);
        Some(version)
    }

    /// Asks for code of a version: tier 1 at once, tier 2 behind.
    pub(crate) fn request_code(&self, unit: &Arc<Unit<H>>, version: &Arc<Version<H>>, forced: Option<u8>) {
        let tier = forced.unwrap_or(1);
        version.cell.requested.store(u32::from(tier), Ordering::Relaxed);
        self.request_tier(version, tier, version.lowered.func.clone());
        unit.stats.compiles.fetch_add(1, Ordering::Relaxed);
        if forced.is_none() && !osr::hands_over(unit, version) {
            self.request_tier2(unit, version);
        }
    }

    /// Asks for tier 2's code behind tier 1's.
    pub(crate) fn request_tier2(&self, unit: &Arc<Unit<H>>, version: &Arc<Version<H>>) {
        if self.compiler.has_tier2() && version.cell.requested.swap(2, Ordering::Relaxed) == 1 {
            unit.stats.compiles.fetch_add(1, Ordering::Relaxed);
            let job = self.job(version, 2, version.lowered.func.clone());
            self.compiler.request(job, self.policy.background());
        }
    }

    /// Compiles code of a version now.
    pub(crate) fn request_tier(&self, version: &Arc<Version<H>>, tier: u8, func: TypedFunction) {
        self.compiler.compile(self.job(version, tier, func));
    }

    fn job(&self, version: &Arc<Version<H>>, tier: u8, func: TypedFunction) -> Job {
        let number = self.compiler.next_number();
        self.versions.lock().expect("no panic while locked").insert(number, version);
        Job {
            cell: version.cell.clone(),
            func,
            tier,
            number,
            callees: version.tables.callees.clone(),
            stress: self.policy.deopt_every() != 0,
            short_strips: self.policy.deopt_every() != 0 || self.policy.osr_every() != 0,
            quick_emit: self.policy.quick_emit(),
        }
    }

    // ---- running compiled code

    /// Enters a version. `slots` are its unit's slots at entry (the arguments, or the frame's); borrowed.
    pub(crate) fn run_version(
        &self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        version: &Arc<Version<H>>,
        compiled: &Arc<Compiled>,
        slots: &[Slot],
        frame: Option<*mut Slot>,
    ) -> HostResult<Ran<H>> {
        let mut words = WORDS.take();
        words.clear();
        for param in version.params() {
            match param.source {
                // Of a frame, the code takes the slot over; of a call, its argument is the caller's.
                EntrySource::Slot(slot) if param.ty.is_held() => {
                    let slot = slots[slot.0 as usize];
                    if frame.is_none() {
                        host.retain(&slot);
                    }
                    words.extend(held_words(slot));
                }
                EntrySource::Slot(slot) | EntrySource::Lent(slot) => {
                    host.push_words(&slots[slot.0 as usize], &param.ty, &mut words)
                }
                EntrySource::Known(object) => {
                    let object = version.tables.objects[object as usize];
                    host.push_words(&object, &param.ty, &mut words);
                }
            }
        }
        version.cell.warm();
        crate::threads::ensure_ticker(&self.policy);
        if unit.stats.best_tier.load(Ordering::Relaxed) < u32::from(compiled.tier) {
            unit.stats.best_tier.store(u32::from(compiled.tier), Ordering::Relaxed);
        }
        let osr_every = self.policy.osr_every();
        // Better code may be published at any time. The generation is read first and the code looked at then, so that what
        // comes in between is either entered now or noticed at the first poll.
        let generation = context::swap_generation();
        let is_best = version.cell.inner.load(Ordering::Acquire) == compiled.code.inner();
        let renewed = if is_best { None } else { code_for(host, version) };
        let compiled = renewed.as_ref().unwrap_or(compiled);
        let mut activation = Activation {
            host: std::ptr::from_mut(host),
            engine: std::ptr::from_ref(self).cast(),
            version: Arc::as_ptr(version),
            unit: std::ptr::from_ref(unit),
            entry: slots,
            is_told: frame.is_some(),
            arguments: &[],
            polls_to_skip: 0,
            generation,
            polls_left: osr_every,
            raised: false,
            words: &raw const words[..],
            made: Vec::new(),
            now: Vec::new(),
        };
        if osr_every > 0 {
            context::request_poll();
        }
        // Only loops are entered so often, and for so short, that it matters how long they ran.
        let started = frame.map(|_| self.policy.clock.now());
        let state = EntryState {
            frame: frame.unwrap_or(std::ptr::null_mut()),
            helpers: self.helpers.as_ptr(),
            calls_left: host.calls_left(),
            stress: self.policy.deopt_every(),
        };
        let left = context::enter(compiled, &words, &state, &mut activation);
        WORDS.set(words);
        let long = started.is_some_and(|started| self.policy.clock.now() - started > WORTHWHILE);
        if long {
            unit.loop_ran_long.store(true, Ordering::Relaxed);
        }
        let ran = if left.status == STATUS_OK {
            Ok(Ran::Returned(result_slot(version.lowered.result.as_ref(), left.result)))
        } else if left.status < STATUS_EXIT {
            Err(Raised)
        } else {
            self.leave(host, unit, version, compiled, slots, left, activation.raised, long)
        };
        for made in activation.made {
            host.release(made.array);
        }
        ran
    }

    /// Goes on where a call's code has left it: `slots` are the arguments, borrowed.
    #[cold]
    pub(crate) fn go_on(&self, host: &mut H, ran: Ran<H>) -> HostResult<Slot> {
        match ran {
            Ran::Returned(result) => Ok(result),
            Ran::Resume(frames, entry) => self.resume_call(host, frames, entry),
            Ran::HandOver(frame) => {
                let entry = Entry::At(frame.pc);
                self.resume_call(host, vec![frame], entry)
            }
        }
    }

    /// Rebuilds the frames of an exit.
    #[expect(clippy::too_many_arguments, reason = "one exit, told in full")]
    #[cold]
    pub(crate) fn leave(
        &self,
        host: &mut H,
        unit: &Arc<Unit<H>>,
        version: &Arc<Version<H>>,
        compiled: &Arc<Compiled>,
        slots: &[Slot],
        left: Left,
        raised: bool,
        long: bool,
    ) -> HostResult<Ran<H>> {
        let exit = (left.status - STATUS_EXIT) as usize;
        let snapshot = &compiled.snapshots[exit];
        compiled.exit_counts[exit].fetch_add(1, Ordering::Relaxed);
        self.learn(unit, version, compiled, exit, left.stressed, long);
        let pending = matches!(snapshot.exit, ExitKind::Raise) || raised;
        let exception = if pending { host.take_pending() } else { Slot::UNBOUND };
        let mut rebuilder = Rebuilder {
            version,
            unit,
            entry: slots,
            words: left.words.iter().copied(),
            result_slot: left.result_slot,
            objects: Vec::new(),
        };
        let ran = rebuilder.with_objects(host, snapshot, |rebuilder, host| match &snapshot.exit {
            ExitKind::Return(recipe) => {
                let value = rebuilder.make(host, unit, recipe)?;
                self.learn_returned(unit, version, &value, compiled.exit_counts[exit].load(Ordering::Relaxed));
                Ok(Ran::Returned(value))
            }
            _ => rebuilder.frames(host, snapshot).map(|mut frames| {
                if snapshot.reason == Reason::HandOver && frames.len() == 1 {
                    return Ran::HandOver(frames.remove(0));
                }
                let pc = frames.last().map_or(Pc(0), |frame| frame.pc);
                Ran::Resume(frames, if pending { Entry::Raise(pc) } else { Entry::At(pc) })
            }),
        });
        if ran.is_err() {
            rebuilder.release_untaken(host, &compiled.func, snapshot, compiled.exit_words[exit]);
        }
        if rebuilder.result_slot.tag != Tag::Unbound {
            host.release(rebuilder.result_slot);
        }
        if pending {
            host.restore_pending(exception);
        }
        ran
    }

    /// Learns from a result that did not come in a register, for the `count`th time.
    fn learn_returned(&self, unit: &Arc<Unit<H>>, version: &Version<H>, value: &Slot, count: u32) {
        unit.note_returned(value);
        if count == OTHER_RESULTS
            && unit.returned().is_some_and(|ty| version.lowered.result.as_ref() != Some(&ty))
            && unit.n_retyped.fetch_add(1, Ordering::Relaxed) < MAX_RETYPED
        {
            unit.bump_epoch();
        }
    }

    /// Learns from an exit what the next version should do otherwise.
    fn learn(
        &self,
        unit: &Arc<Unit<H>>,
        version: &Arc<Version<H>>,
        compiled: &Compiled,
        exit: usize,
        stressed: bool,
        long: bool,
    ) {
        let snapshot = &compiled.snapshots[exit];
        let reason = snapshot.reason;
        if events::enabled(Topic::Deopt) && !matches!(reason, Reason::Return | Reason::NoCode) {
            let line = snapshot
                .frames
                .last()
                .map_or(0, |frame| version.unit(unit, frame.function).code.generic().spans[frame.pc.0 as usize].line);
            let (name, what) = (unit.qualname(), reason.what());
            events::log("deopt", format_args!("`{name}` line {line}: {reason}: {what}"));
        }
        let by_design =
            matches!(reason, Reason::Return | Reason::Swap | Reason::HandOver | Reason::Signal | Reason::NoCode);
        if by_design || stressed {
            return;
        }
        unit.stats.deopts.fetch_add(1, Ordering::Relaxed);
        if !long {
            version.exits.fetch_add(1, Ordering::Relaxed);
        }
        let Some(frame) = snapshot.frames.last() else { return };
        let owner = version.unit(unit, frame.function);
        let count = compiled.exit_counts[exit].load(Ordering::Relaxed);
        let before = owner.epoch();
        match reason {
            Reason::IntOverflow => owner.learn(frame.pc, |feedback| {
                if feedback.widen {
                    feedback.big = true;
                }
                feedback.widen = true;
            }),
            Reason::NonFinite => unit.learn(Pc(0), |feedback| feedback.non_finite = true),
            Reason::CalleeResult => {
                owner.learn(frame.pc, |feedback| {
                    feedback.called = true;
                    feedback.give_up |= count == GIVE_UP;
                });
                // Types that were not seen before have been by now; but a result may go on changing its type for ever.
                if count == 2 && owner.n_retyped.fetch_add(1, Ordering::Relaxed) < MAX_RETYPED {
                    owner.bump_epoch();
                }
            }
            Reason::Raise | Reason::Untyped => {}
            _ if count == GIVE_UP => owner.learn(frame.pc, |feedback| feedback.give_up = true),
            _ => {}
        }
        // A version holds the inlined functions' operations too.
        if owner.epoch() != before && !Arc::ptr_eq(owner, unit) {
            unit.bump_epoch();
        }
    }

    /// Completes a callee that was called in registers and left. See [`flashpoint_ir::typed::Helper::FinishCall`].
    pub(crate) fn finish_call(
        &self,
        host: &mut H,
        activation: &mut Activation<H>,
        ctx: *mut Context,
        status: u64,
    ) -> i64 {
        let (version, compiled, left) = match self.callee_exit(ctx, status) {
            Some(found) => found,
            None => {
                activation.raised = true;
                return 1;
            }
        };
        let Some(unit) = version.unit.upgrade() else {
            activation.raised = true;
            return 1;
        };
        if compiled.tier == 0 {
            self.count_call(&unit, &version, self.forced_tier(&unit));
        }
        let raised = std::mem::take(&mut activation.raised);
        let left = self.leave(host, &unit, &version, &compiled, &[], left, raised, false);
        let result = left.and_then(|ran| self.go_on(host, ran)).inspect(|value| unit.note_returned(value));
        if unit.epoch() != version.epoch {
            activation.relink(self, &version);
        }
        // What ran in tier 0 may have changed what the code that goes on takes for granted.
        let goes_on = activation.may_go_on(host);
        match result {
            Ok(slot)
                if goes_on
                    && version.lowered.result.as_ref().is_some_and(|ty| {
                        planted(Defect::CalleeResultUnchecked) || host.has_type(&slot, SlotIdx(0), ty)
                    }) =>
            {
                let mut words = Vec::with_capacity(1);
                let ty = version.lowered.result.as_ref().expect("tested above");
                host.push_words(&slot, ty, &mut words);
                context::set_result(ctx, words.first().copied().unwrap_or(0));
                host.release(slot);
                0
            }
            Ok(slot) => {
                context::set_result_slot(ctx, slot);
                2
            }
            Err(_) => {
                activation.raised = true;
                1
            }
        }
    }

    fn callee_exit(&self, ctx: *mut Context, status: u64) -> Option<(Arc<Version<H>>, Arc<Compiled>, Left)> {
        if status < STATUS_EXIT {
            return None;
        }
        let number = context::exit_version(ctx);
        let version = self.version_by_number(number)?;
        let compiled = version.cell.by_number(number)?;
        let left = context::left_of(ctx, &compiled, status, self.policy.deopt_every() != 0);
        Some((version, compiled, left))
    }

    /// The version that a number was given to.
    pub(crate) fn version_by_number(&self, number: u64) -> Option<Arc<Version<H>>> {
        self.versions.lock().expect("no panic while locked").get(number)
    }
}

/// The code to enter a version with, if there is some that does what NumPy and `warnings` are told to do.
pub(crate) fn code_for<H: Python>(host: &mut H, version: &Version<H>) -> Option<Arc<Compiled>> {
    let best = version.cell.best()?;
    if !version.lowered.has_numpy_floats {
        return Some(best);
    }
    if !host.ignores_underflow() {
        return None;
    }
    if version.warns_late() && host.warnings_raise() {
        return version.cell.of_tier(1).filter(|_| !version.tables.linked.iter().any(|callee| callee.warns_late()));
    }
    Some(best)
}

/// A register result as a slot.
#[inline]
pub(crate) fn result_slot(ty: Option<&SlotType>, word: u64) -> Slot {
    match ty {
        Some(SlotType::Bool) => Slot::bool(word & 1 != 0),
        Some(SlotType::Int) => Slot::int(word as i64),
        Some(SlotType::Float) => Slot::float(f64::from_bits(word)),
        Some(SlotType::Numpy(dtype)) => numpy_slot(*dtype, word, 0),
        _ => Slot::NONE,
    }
}
