//! Code units: a function, its versions by entry types, and what has been learnt about it.
//!
//! A *unit* is one Python function definition bound to its globals and closure. A *version* is the typed form of the unit
//! for one entry (operation 0, or a loop header) and one set of slot types. Its [`CodeCell`] holds the best machine code
//! that exists for it; whoever enters takes a counted reference, so replaced code lives as long as someone runs it.
//!
//! Invariants:
//! - Slots of host objects in [`Tables`] are owned by the version and released by [`Unit::release`] or by
//!   [`Unit::drop_stale`], with the host at hand; a version is never dropped elsewhere with objects in it.
//! - A version is entered only while its assumptions hold and its epoch is the unit's.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};

use arc_swap::ArcSwapOption;
use flashpoint_codegen::LoadedCode;
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::world::{Feedback, Seen};
use flashpoint_frontend::lower::{EntryParam, Lowered};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{NestedIdx, Pc, SlotIdx};
use flashpoint_ir::liveness::Liveness;
use flashpoint_ir::reason::Reason;
use flashpoint_ir::slot::{Slot, Tag};
use flashpoint_ir::snapshot::Snapshot;
use flashpoint_ir::typed::{Licences, TypedFunction};

use crate::python::Python;
use crate::tier0::{Code, Kinds};

/// Entries and polls after which a version has paid for its making.
const PAID_FOR: u32 = 32;
/// Versions set aside before their time until the next one has to wait: for one question, then two, four ...
const FREE_RETIREMENTS: u32 = 4;

/// Options of one function, as the user gave them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitOptions {
    /// Licences.
    pub licences: Licences,
    /// The tier everything runs on, if forced for this function.
    pub tier: Option<u8>,
    /// Whether operations without typed form run in tier 0 instead of being an error.
    pub fallback: bool,
}

/// A function definition bound to its globals and closure.
pub struct Unit<H: Python> {
    /// Tier 0's code.
    pub code: Arc<Code>,
    /// What the host keeps for the function.
    pub function: H::Function,
    /// The user's options.
    pub options: UnitOptions,
    /// Live slots and loops.
    pub liveness: Liveness,
    /// Versions, the most recently used first.
    versions: RwLock<Vec<Arc<Version<H>>>>,
    /// Versions that are no longer entered, until they are released.
    stale: Mutex<Vec<Arc<Version<H>>>>,
    feedback: RwLock<Vec<Feedback>>,
    epoch: AtomicU32,
    /// Units of nested definitions that were copied into compiled code, and which cannot be.
    nested: RwLock<HashMap<NestedIdx, Option<Arc<Unit<H>>>>>,
    /// Times that results of its operations turned out to have other types than it was compiled for.
    pub n_retyped: AtomicU32,
    /// Versions set aside, because what they took for granted did not hold any more, before they had run for long.
    n_retired: AtomicU32,
    /// Questions for a version left that are answered by "not yet".
    to_wait: AtomicU32,
    /// Whether one of its loops was compiled, or the user asked for code: then a further call is worth code of its own at
    /// once.
    pub has_hot_loop: AtomicBool,
    /// Head of the slot that was returned last by other ways than a register: its tag, and above it, for a NumPy scalar, its
    /// dtype.
    returned: AtomicU32,
    /// Exits of versions that are gone.
    former_exits: Mutex<Vec<ExitCount>>,
    /// Whether a call has gone past the test for operations that the user did not allow.
    pub(crate) was_accepted: AtomicBool,
    /// Whether one of its compiled loops, entered from tier 0, has run for long since this was last reset.
    pub loop_ran_long: AtomicBool,
    /// What happened so far.
    pub stats: Stats,
}

/// Counts of what happened to a unit.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Stats {
    pub deopts: AtomicU64,
    pub osr_entries: AtomicU64,
    pub tier_changes_in_loop: AtomicU64,
    pub exceptions: AtomicU64,
    pub compiles: AtomicU64,
    /// The highest tier that ran.
    pub best_tier: AtomicU32,
}

/// Something that happened, for `explain()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExitCount {
    /// The unit's name in which the operation stands.
    pub function: String,
    /// The user's line.
    pub line: u32,
    /// Why code was left.
    pub reason: Reason,
    /// How often.
    pub count: u64,
}

/// One typed version of a unit.
pub struct Version<H: Python> {
    /// Number in the process.
    pub number: u64,
    /// The unit it is a version of.
    pub unit: Weak<Unit<H>>,
    /// Where it is entered.
    pub entry: Pc,
    /// The types of the slots at entry.
    pub slots: Vec<(SlotIdx, SlotType)>,
    /// What the lowering said: parameters, result, operations without typed form.
    pub lowered: Lowered,
    /// Its parameters that hold arrays: their numbers, and where their words stand among those of all parameters.
    pub arrays: Vec<(usize, Range<usize>)>,
    /// Whether tier 0 runs its loops at least as fast ([`crate::mostly_steps`]), and no switch asks for code all the same.
    pub left_to_tier0: bool,
    /// Functions and objects it names.
    pub tables: Tables<H>,
    /// The code, shared with whoever compiles it.
    pub cell: Arc<CodeCell>,
    /// The unit's epoch when it was made.
    pub epoch: u32,
    /// Times it was entered while it had no code.
    pub misses: AtomicU32,
    /// Times it left by a guard.
    pub exits: AtomicU32,
    /// Of a version for calls: the last call that tier 0 ran spent its time in compiled loops.
    pub in_loops: AtomicBool,
}

/// Functions and objects that a version names by number, and what it assumes of the world.
pub struct Tables<H: Python> {
    /// Functions: number 0 is the unit itself, and not in the list.
    pub functions: Vec<Arc<Unit<H>>>,
    /// Known objects; owned.
    pub objects: Vec<Slot>,
    /// Cells of the units that the version calls, by link number.
    pub callees: Vec<Arc<CodeCell>>,
    /// The versions those cells belong to, its own left out: their exits need them, and what they take for granted this
    /// version does too. All were made earlier, so this makes no cycle.
    pub linked: Vec<Arc<Version<H>>>,
    /// What must hold for the version to be entered.
    pub assumptions: H::Assumptions,
}

/// The best machine code of a version.
#[derive(Debug)]
pub struct CodeCell {
    best: ArcSwapOption<Compiled>,
    /// All code ever published here. Kept, because units that call this one in registers may be running any of it.
    all: Mutex<Vec<Arc<Compiled>>>,
    /// Address of the best `inner`, for direct calls: the word that link tables point to.
    pub inner: AtomicUsize,
    /// Set when nobody will enter the code any more.
    closed: AtomicBool,
    /// Set when the version is not entered from outside any more.
    superseded: AtomicBool,
    /// Set when other units call the code in registers.
    linked: AtomicBool,
    /// Polls of its loops so far, and entries the general way.
    heat: AtomicU32,
    /// Tier that has been asked for.
    pub requested: AtomicU32,
    /// Why there is no better code, if there is a reason: its number.
    pub refused: Mutex<Option<(Reason, String)>>,
}

/// Machine code of one version on one tier.
#[derive(Debug)]
pub struct Compiled {
    /// Number in the process, as exits report it.
    pub number: u64,
    /// 1 or 2; 0 for a stub that leaves at once.
    pub tier: u8,
    /// The code.
    pub code: LoadedCode,
    /// Exits by number.
    pub snapshots: Vec<Snapshot>,
    /// Number of words that each exit stores.
    pub exit_words: Vec<usize>,
    /// Times each exit was taken.
    pub exit_counts: Vec<AtomicU32>,
    /// The typed form after the passes, for `inspect`.
    pub func: TypedFunction,
    /// Cells of the units it calls, kept alive.
    pub callees: Vec<Arc<CodeCell>>,
    /// Nanoseconds from request to object.
    pub compile_ns: u64,
    /// What the passes said of each loop, for `explain()`.
    pub loops: Vec<flashpoint_opt::LoopReport>,
    /// Headers of its loops that hardly ever run.
    pub cold_loops: Vec<flashpoint_ir::typed::Block>,
    /// Whether a warning may come after stores that stand behind it.
    pub warns_late: bool,
}

impl CodeCell {
    /// An empty cell.
    pub fn new() -> Arc<CodeCell> {
        Arc::new(CodeCell {
            best: ArcSwapOption::empty(),
            all: Mutex::new(Vec::new()),
            inner: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            superseded: AtomicBool::new(false),
            linked: AtomicBool::new(false),
            heat: AtomicU32::new(0),
            requested: AtomicU32::new(0),
            refused: Mutex::new(None),
        })
    }

    /// The best code there is.
    pub fn best(&self) -> Option<Arc<Compiled>> {
        self.best.load_full()
    }

    /// The best code there is, for a short look.
    pub fn peek<R>(&self, look: impl FnOnce(Option<&Compiled>) -> R) -> R {
        look(self.best.load().as_deref())
    }

    /// The code with this number.
    pub fn by_number(&self, number: u64) -> Option<Arc<Compiled>> {
        let all = self.all.lock().expect("no panic while locked");
        all.iter().find(|compiled| compiled.number == number).cloned()
    }

    /// Visits all code ever published here.
    fn for_each(&self, mut visit: impl FnMut(&Compiled)) {
        self.all.lock().expect("no panic while locked").iter().for_each(|compiled| visit(compiled));
    }

    /// Nobody will enter the code any more: a compile that waits for it need not start.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// The version is not entered from outside any more.
    fn supersede(&self) {
        self.superseded.store(true, Ordering::Release);
    }

    /// Other units call the code in registers, also when the version is not entered from outside any more.
    pub fn link(&self) {
        self.linked.store(true, Ordering::Release);
    }

    /// Whether somebody may enter the code yet.
    pub fn is_wanted(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
            && (!self.superseded.load(Ordering::Acquire) || self.linked.load(Ordering::Acquire))
    }

    /// Counts an entry or a poll.
    pub fn warm(&self) {
        self.heat.fetch_add(1, Ordering::Relaxed);
    }

    /// How often [`CodeCell::warm`] was told.
    pub fn heat(&self) -> u32 {
        self.heat.load(Ordering::Relaxed)
    }

    /// The code of a tier.
    pub fn of_tier(&self, tier: u8) -> Option<Arc<Compiled>> {
        let all = self.all.lock().expect("no panic while locked");
        all.iter().find(|compiled| compiled.tier == tier).cloned()
    }

    /// Publishes better code; worse code is dropped. A stub (tier 0) is for calls in registers only.
    pub fn publish(&self, compiled: Arc<Compiled>) {
        let mut all = self.all.lock().expect("no panic while locked");
        all.push(compiled.clone());
        if compiled.tier == 0 {
            let _ = self.inner.compare_exchange(0, compiled.code.inner(), Ordering::AcqRel, Ordering::Relaxed);
            return;
        }
        if self.best.load().as_deref().is_some_and(|old| old.tier > compiled.tier) {
            return;
        }
        self.inner.store(compiled.code.inner(), Ordering::Release);
        self.best.store(Some(compiled));
    }
}

impl<H: Python> Unit<H> {
    /// A unit without versions.
    pub fn new(code: Arc<Code>, function: H::Function, options: UnitOptions) -> Arc<Unit<H>> {
        let liveness = Liveness::of(code.generic());
        let n_ops = code.generic().ops.len();
        Arc::new(Unit {
            code,
            function,
            options,
            liveness,
            versions: RwLock::new(Vec::new()),
            stale: Mutex::new(Vec::new()),
            feedback: RwLock::new(vec![Feedback::default(); n_ops]),
            epoch: AtomicU32::new(0),
            n_retyped: AtomicU32::new(0),
            n_retired: AtomicU32::new(0),
            to_wait: AtomicU32::new(0),
            nested: RwLock::default(),
            has_hot_loop: AtomicBool::new(false),
            returned: AtomicU32::new(0),
            former_exits: Mutex::default(),
            was_accepted: AtomicBool::new(false),
            loop_ran_long: AtomicBool::new(false),
            stats: Stats::default(),
        })
    }

    /// The function's name, as Python qualifies it.
    pub fn qualname(&self) -> &str {
        &self.code.generic().qualname
    }

    /// The unit of a nested definition, for the frames that exits make of it. It is entered by no calls of its own: cells of
    /// enclosing functions come from the frames that hold them.
    pub fn nested(&self, host: &mut H, nested: NestedIdx, trips: u32) -> Option<Arc<Unit<H>>> {
        if let Some(known) = self.nested.read().expect("no panic while locked").get(&nested) {
            return known.clone();
        }
        let make = |host: &mut H| {
            let body = self.code.generic().nested[nested.0 as usize].body.as_deref()?;
            let generic = Arc::new(body.clone());
            let function = host.nested_function(&self.function, nested, &generic)?;
            let code = Code::load(generic, trips).ok()?.with_wrap(self.options.licences.wrap);
            Some(Unit::new(Arc::new(code), function, self.options))
        };
        let unit = make(host);
        self.nested.write().expect("no panic while locked").insert(nested, unit.clone());
        unit
    }

    /// What has been learnt about an operation.
    pub fn feedback(&self, pc: Pc) -> Feedback {
        self.feedback.read().expect("no panic while locked")[pc.0 as usize]
    }

    /// The types of an operation's results in tier 0.
    pub fn seen(&self, pc: Pc) -> Seen {
        let profile = self.code.profile();
        Seen::One(match profile.kinds(pc) {
            Kinds::NOTHING => return Seen::Nothing,
            Kinds::INT => SlotType::Int,
            Kinds::FLOAT => SlotType::Float,
            Kinds::COMPLEX => SlotType::Complex,
            Kinds::BOOL => SlotType::Bool,
            Kinds::NONE => SlotType::None,
            kinds if kinds == Kinds::WIDE || kinds == Kinds::WIDE | Kinds::INT => SlotType::Int128,
            Kinds::NUMPY => match profile.dtype(pc) {
                Some(dtype) if !matches!(dtype, DType::F16 | DType::BF16 | DType::C64) => SlotType::Numpy(dtype),
                _ => return Seen::Other { ints: false },
            },
            kinds => return Seen::Other { ints: kinds.contains(Kinds::INT) },
        })
    }

    /// The one type that a call in this function has given in tier 0, if it travels in a register. Where nothing was seen,
    /// what the function being lowered promises: a call of itself gives no other.
    pub fn seen_result(&self, pc: Pc, promised: Option<&SlotType>) -> Option<SlotType> {
        match self.seen(pc) {
            Seen::Nothing => promised.cloned(),
            Seen::One(ty) => (ty.machine_types().len() <= 1 && ty != SlotType::Int128).then_some(ty),
            Seen::Other { .. } => None,
        }
    }

    /// Notes what a call returned otherwise than in a register.
    pub fn note_returned(&self, value: &Slot) {
        let dtype = if value.tag == Tag::Numpy { value.aux } else { 0 };
        self.returned.store(value.tag as u32 | dtype << 8, Ordering::Relaxed);
    }

    /// The type of what was returned last otherwise than in a register, if it could travel in one: what code that is made
    /// now had better return there.
    pub fn returned(&self) -> Option<SlotType> {
        let head = self.returned.load(Ordering::Relaxed);
        let value = Slot { tag: Tag::ALL[(head & 0xff) as usize], aux: head >> 8, a: 0, b: 0 };
        match value.tag {
            Tag::Bool => Some(SlotType::Bool),
            Tag::Int => Some(SlotType::Int),
            Tag::Float => Some(SlotType::Float),
            Tag::Numpy => value
                .dtype()
                .filter(|dtype| !dtype.is_complex() && !matches!(dtype, DType::F16 | DType::BF16))
                .map(SlotType::Numpy),
            _ => None,
        }
    }

    /// Learns something about an operation: versions made without it are not entered any more.
    pub fn learn(&self, pc: Pc, change: impl FnOnce(&mut Feedback)) {
        let mut all = self.feedback.write().expect("no panic while locked");
        let before = all[pc.0 as usize];
        change(&mut all[pc.0 as usize]);
        if all[pc.0 as usize] != before {
            self.epoch.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Versions made so far are not entered any more.
    pub fn bump_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }

    /// The number that changes whenever something is learnt.
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// The version for these entry types, if there is one that may still be entered.
    pub fn find(&self, entry: Pc, mut types: impl FnMut(&[(SlotIdx, SlotType)]) -> bool) -> Option<Arc<Version<H>>> {
        let epoch = self.epoch();
        let versions = self.versions.read().expect("no panic while locked");
        versions.iter().find(|v| v.entry == entry && v.epoch == epoch && types(&v.slots)).cloned()
    }

    /// Adds a version; versions that may not be entered any more are set aside.
    pub fn add(&self, version: Arc<Version<H>>) {
        let epoch = self.epoch();
        let mut versions = self.versions.write().expect("no panic while locked");
        let (keep, old): (Vec<_>, Vec<_>) = versions.drain(..).partition(|v| v.epoch == epoch);
        *versions = keep;
        versions.insert(0, version);
        old.iter().for_each(|version| version.cell.supersede());
        self.stale.lock().expect("no panic while locked").extend(old);
    }

    /// Sets a version aside: its assumptions do not hold any more.
    pub fn retire(&self, version: &Arc<Version<H>>) {
        let mut versions = self.versions.write().expect("no panic while locked");
        versions.retain(|v| !Arc::ptr_eq(v, version));
        version.cell.supersede();
        self.stale.lock().expect("no panic while locked").push(version.clone());
        if version.cell.heat() < PAID_FOR {
            let n = self.n_retired.fetch_add(1, Ordering::Relaxed) + 1;
            self.to_wait.store((1 << n.saturating_sub(FREE_RETIREMENTS).min(12)) >> 1, Ordering::Relaxed);
        }
    }

    /// Whether it is too early for another version: what versions take for granted has changed again and again before they
    /// had paid for their making. Each question counts.
    pub fn waits(&self) -> bool {
        let left = self.to_wait.load(Ordering::Relaxed);
        self.to_wait.store(left.saturating_sub(1), Ordering::Relaxed);
        left > 0
    }

    /// All versions that may be entered.
    pub fn versions(&self) -> Vec<Arc<Version<H>>> {
        self.versions.read().expect("no panic while locked").clone()
    }

    /// Visits the objects that the unit's versions own, for a garbage collector; false as soon as `visit` says so. What is
    /// being changed at the moment is left out, which keeps it alive.
    pub fn visit_objects(&self, mut visit: impl FnMut(Slot) -> bool) -> bool {
        let (Ok(versions), Ok(stale)) = (self.versions.try_read(), self.stale.try_lock()) else { return true };
        versions.iter().chain(stale.iter()).flat_map(|version| &version.tables.objects).all(|object| visit(*object))
    }

    /// Releases the objects of versions set aside that nobody runs any more.
    pub fn drop_stale(&self, host: &mut H) {
        let mut gone = Vec::new();
        {
            let mut stale = self.stale.lock().expect("no panic while locked");
            let mut i = 0;
            while i < stale.len() {
                if Arc::strong_count(&stale[i]) == 1 { gone.push(stale.swap_remove(i)) } else { i += 1 }
            }
        }
        for version in gone {
            self.add_exits(&version, &mut self.former_exits.lock().expect("no panic while locked"));
            release_objects(&version, host);
        }
    }

    /// Releases what the unit's versions own; for a unit that is about to be dropped.
    pub fn release(&self, host: &mut H) {
        let mut all: Vec<_> = self.versions.write().expect("no panic while locked").drain(..).collect();
        all.append(&mut self.stale.lock().expect("no panic while locked"));
        for unit in self.nested.write().expect("no panic while locked").drain().filter_map(|(_, unit)| unit) {
            unit.release(host);
        }
        for version in all {
            release_objects(&version, host);
        }
    }

    /// How often code of this unit was left, by line and reason: any it ever had.
    pub fn exit_counts(&self) -> Vec<ExitCount> {
        let mut counts = self.former_exits.lock().expect("no panic while locked").clone();
        let stale = self.stale.lock().expect("no panic while locked").clone();
        for version in self.versions().iter().chain(&stale) {
            self.add_exits(version, &mut counts);
        }
        counts
    }

    fn add_exits(&self, version: &Version<H>, counts: &mut Vec<ExitCount>) {
        version.cell.for_each(|compiled| {
            for (snapshot, count) in compiled.snapshots.iter().zip(&compiled.exit_counts) {
                let count = u64::from(count.load(Ordering::Relaxed));
                let Some(frame) = snapshot.frames.last().filter(|_| count > 0) else { continue };
                let unit =
                    version.tables.functions.get((frame.function as usize).wrapping_sub(1)).map_or(self, |unit| unit);
                let line = unit.code.generic().spans[frame.pc.0 as usize].line;
                let function = unit.qualname().to_owned();
                let same = |c: &&mut ExitCount| c.function == function && c.line == line && c.reason == snapshot.reason;
                match counts.iter_mut().find(same) {
                    Some(known) => known.count += count,
                    None => counts.push(ExitCount { function, line, reason: snapshot.reason, count }),
                }
            }
        });
    }
}

fn release_objects<H: Python>(version: &Arc<Version<H>>, host: &mut H) {
    version.cell.close();
    for object in &version.tables.objects {
        host.release(*object);
    }
}

impl<H: Python> Version<H> {
    /// The unit of a function number.
    pub fn unit<'a>(&'a self, own: &'a Arc<Unit<H>>, function: u32) -> &'a Arc<Unit<H>> {
        if function == 0 { own } else { &self.tables.functions[function as usize - 1] }
    }

    /// Whether what it takes for granted still holds, its callees' part included.
    #[inline]
    pub fn holds(&self, host: &mut H) -> bool {
        host.assumptions_hold(&self.tables.assumptions) && self.tables.linked.iter().all(|callee| callee.holds(host))
    }

    /// Whether calls go to compiled loops by tier 0 as long as this version has no code of tier 2.
    pub fn is_in_loops(&self) -> bool {
        self.in_loops.load(Ordering::Relaxed)
    }

    /// Whether operations of it have no typed form, and the user did not allow for that. What turns out only when the
    /// function has run, in tier 0 and without an error, is no reason to refuse it then.
    pub fn is_refused(&self, unit: &Unit<H>) -> bool {
        !unit.options.fallback
            && !unit.was_accepted.load(Ordering::Relaxed)
            && self.lowered.untyped.iter().any(|untyped| untyped.reason == Reason::NoTypedForm)
    }

    /// Whether its code, or code it calls, may give a warning after stores that stand behind it. It matters only if
    /// warnings are raised.
    pub fn warns_late(&self) -> bool {
        self.cell.peek(|code| code.is_some_and(|code| code.warns_late))
            || self.tables.linked.iter().any(|callee| callee.warns_late())
    }

    /// Where the parameters come from.
    pub fn params(&self) -> &[EntryParam] {
        &self.lowered.params
    }
}
