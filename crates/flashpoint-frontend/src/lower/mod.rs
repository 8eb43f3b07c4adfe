//! The typed lowering: generic form in, typed form under guards out.
//!
//! The lowering runs the generic form abstractly, forward, from an entry whose slots have known types. Each arrival at an
//! operation that several paths reach is keyed by the types of its live slots ([`state::Key`]): equal keys share one block,
//! different ones get a block each. So a variable that changes its type on the way is peeled or versioned, and never
//! converted. What cannot be typed becomes an exit to tier 0, before the operation; so does everything that raises, since
//! tier 0 then raises it with Python's own words.
//!
//! On-stack replacement enters at a loop header. The code for such an entry ends where a loop around it comes round: its
//! header is an entry of its own, with a version of its own ([`Reason::HandOver`]). So every loop keeps one entry, and no
//! version holds a loop twice.
//!
//! Invariants:
//! - All guards of an operation come before its first effect, and name the snapshot before the operation.
//! - A typed integer never wraps unless the licence says so; a guard on the overflow flag, or a proof, precedes its use.
//! - Nothing is assumed of the world that is not either guarded here or listed in [`Lowered::known`].
//!
//! Reading order: [`types`], [`state`], [`world`], this file, then one module per kind of operation.

#![allow(clippy::wrong_self_convention, reason = "`to_float` and its like emit a conversion into the code being built")]

pub mod state;
pub mod types;
pub mod world;

mod arith;
mod array;
mod assign;
mod builtin;
mod call;
mod compare;
mod complex;
mod control;
mod exits;
mod function_info;
mod half;
mod held;
mod host_function;
mod lend;
mod math;
mod missing;
mod numpy;
mod numpy_complex;
mod numpy_make;
mod objects;
mod step;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use flashpoint_ir::builder::Builder;
use flashpoint_ir::generic::*;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{Block, Inst, InstKind, Licences, SnapshotId, TypedFunction, Value};

pub use step::{SLOT_WORDS, STEP_BITS, Step};

use function_info::FunctionInfo;
use state::{FrameVals, Key, Origin, State, Val};
use types::SlotType;
use world::{Feedback, Known, World};

/// Different sets of types at one operation before the lowering gives up on further ones.
const MAX_VERSIONS: usize = 12;
/// Further ones whose slots of varying type are held.
const MORE_VERSIONS: usize = 4;
/// Operations lowered before a function counts as too large.
const MAX_OPS: usize = 40_000;

/// What to lower.
#[derive(Clone, Debug)]
pub struct Request {
    /// Symbol name of the result, unique in the process.
    pub name: String,
    /// Number of the version, unique in the process: by it [`Lowered::steps`] are found.
    pub version: u64,
    /// The function.
    pub function: Arc<GenericFunction>,
    /// Where to enter: operation 0, or a loop header for on-stack replacement.
    pub entry: Pc,
    /// The type of each slot at entry; slots not named hold nothing.
    pub slots: Vec<(SlotIdx, SlotType)>,
    /// What the function promises to return in a register, if something was promised to callers.
    pub promised: Option<SlotType>,
    /// What the user allowed.
    pub licences: Licences,
}

/// A function of the typed form with everything the engine needs to enter and leave it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The typed form.
    pub func: TypedFunction,
    /// Where the parameters come from, in order.
    pub params: Vec<EntryParam>,
    /// What a register result stands for; `None` if no return travels in a register.
    pub result: Option<SlotType>,
    /// Operations without typed form, in the order met.
    pub untyped: Vec<Untyped>,
    /// Operations that the code has tier 0 run, by number.
    pub steps: Vec<Step>,
    /// Whether it does float arithmetic of NumPy, or calls what does. Guards leave to tier 0 where NumPy warns by default
    /// (overflow, division by zero, invalid values), but not at an underflow: see `np.errstate`.
    pub has_numpy_floats: bool,
}

/// One logical parameter of a typed function: the words of a slot's or known object's content.
#[derive(Clone, Debug, PartialEq)]
pub struct EntryParam {
    /// Where the content comes from.
    pub source: EntrySource,
    /// What it is.
    pub ty: SlotType,
}

/// Where a parameter's content comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntrySource {
    /// A slot of the generic frame (an argument, if the entry is operation 0).
    Slot(SlotIdx),
    /// A known object (an array).
    Known(u32),
    /// The array of a slot that is a parameter already, to be lent to callees: with its address.
    Lent(SlotIdx),
}

/// An operation without typed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untyped {
    /// The function it stands in, by its number in the version's table.
    pub function: u32,
    /// The operation.
    pub pc: Pc,
    /// What is missing, in the user's words.
    pub what: String,
    /// Why, if it is not that the lowering lacks it.
    pub reason: Reason,
    /// Whether what it gives is held.
    pub holds: bool,
}

/// Why a function could not be lowered at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowerError {
    /// The reason.
    pub reason: Reason,
}

/// Lowers a function for one set of entry types.
///
/// # Errors
/// If the function is larger than the compiler's budget.
pub fn lower(request: &Request, world: &mut dyn World) -> Result<Lowered, LowerError> {
    let mut lowering = Lowering::new(request, world);
    lowering.run(request)?;
    Ok(lowering.finish())
}

/// Why the lowering of an operation stops.
enum Stop {
    /// No typed form; the text says of what.
    Untyped(String),
    /// Left to tier 0 for this reason.
    Leave(Reason),
}

type Low<T> = Result<T, Stop>;

fn untyped<T>(what: impl Into<String>) -> Low<T> {
    Err(Stop::Untyped(what.into()))
}

/// Where the lowering goes on after an operation.
enum Flow {
    /// At the next operation.
    Next,
    /// Nowhere: the block is complete.
    Done,
}

struct Lowering<'a> {
    b: Builder,
    world: &'a mut dyn World,
    functions: HashMap<u32, FunctionInfo>,
    known: HashMap<u32, Known>,
    params: Vec<EntryParam>,
    param_values: Vec<Vec<Value>>,
    entry_block: Block,
    /// Headers of the loops around the entry, from the outermost in.
    around_entry: Vec<Pc>,
    /// How often the function was copied into itself.
    recursive_copies: usize,
    result: Option<SlotType>,
    untyped: Vec<Untyped>,
    /// Operations on objects, with the block they stand in, if no held value was made in it before.
    objects: Vec<(Untyped, Option<Block>)>,
    /// Blocks that make held values of what was none.
    holding: HashSet<Block>,
    version: u64,
    steps: Vec<Step>,
    has_numpy_floats: bool,
    /// Calls of the function itself. They lack the parameters that are not slots until all of those are known.
    own_calls: Vec<Inst>,
    /// The exit before the first operation, for a poll.
    first_exit: Option<SnapshotId>,

    blocks: HashMap<Key, Block>,
    n_versions: HashMap<(Pc, state::Path), usize>,
    queue: VecDeque<(Key, Block)>,
    n_ops: usize,

    /// The state before the operation being lowered.
    state: State,
    pc: Pc,
    /// Exits made for the operation being lowered, by reason.
    exits: Vec<(Reason, SnapshotId)>,
}

impl<'a> Lowering<'a> {
    fn new(request: &Request, world: &'a mut dyn World) -> Lowering<'a> {
        let mut b = Builder::new(request.name.clone());
        b.func.licences = request.licences;
        let entry_block = b.create_block();
        let n_slots = request.function.slots.len();
        Lowering {
            b,
            world,
            functions: HashMap::from([(0, FunctionInfo::new(request.function.clone()))]),
            known: HashMap::new(),
            params: Vec::new(),
            param_values: Vec::new(),
            entry_block,
            around_entry: Vec::new(),
            recursive_copies: 0,
            result: request.promised.clone(),
            untyped: Vec::new(),
            objects: Vec::new(),
            holding: HashSet::new(),
            version: request.version,
            steps: Vec::new(),
            has_numpy_floats: false,
            own_calls: Vec::new(),
            first_exit: None,
            blocks: HashMap::new(),
            n_versions: HashMap::new(),
            queue: VecDeque::new(),
            n_ops: 0,
            state: State {
                frames: vec![FrameVals { function: 0, call: None, vals: vec![Val::UNBOUND; n_slots] }],
                doomed: Vec::new(),
                objects: Vec::new(),
            },
            pc: request.entry,
            exits: Vec::new(),
        }
    }

    fn run(&mut self, request: &Request) -> Result<(), LowerError> {
        self.b.switch_to(self.entry_block);
        let mut beyond = Vec::new();
        for (slot, ty) in &request.slots {
            if ty.is_opened() {
                continue;
            }
            let ty = if slot.idx() < request.function.slots.len() { self.entry_type(*slot, ty) } else { ty.clone() };
            let val = self.entry_param(EntrySource::Slot(*slot), ty);
            match slot.idx() < request.function.slots.len() {
                true => self.state.set(*slot, val),
                false => beyond.push((*slot, val)),
            }
        }
        self.entry_objects(&request.slots, &beyond);
        if request.entry.0 != 0 {
            self.around_entry = self.functions[&0].headers_around(request.entry);
        }
        self.pc = request.entry;
        if request.entry == Pc(0) && request.function.ops.iter().any(|op| matches!(op, GenericOp::Call { .. })) {
            self.first_exit = Some(self.snapshot_at(Pc(0), Reason::Swap));
        }
        self.goto_inner(request.entry, false);
        while let Some((key, block)) = self.queue.pop_front() {
            self.lower_block(key, block);
            if self.n_ops > MAX_OPS {
                return Err(LowerError { reason: Reason::TooLarge });
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Lowered {
        self.judge_objects();
        self.poll_in_recursion();
        let beyond_slots: Vec<Value> = self
            .params
            .iter()
            .zip(&self.param_values)
            .filter(|(param, _)| !matches!(param.source, EntrySource::Slot(_)))
            .flat_map(|(_, words)| words.iter().copied())
            .collect();
        for inst in std::mem::take(&mut self.own_calls) {
            if let InstKind::CallUnit(_, args) = &mut self.b.func.insts[inst.index()].kind {
                args.extend(&beyond_slots);
            }
        }
        self.b.func.result = self.result.as_ref().and_then(|ty| ty.machine_types().first().copied());
        let result = self.result.clone();
        Lowered {
            func: self.b.func,
            params: self.params,
            result,
            untyped: self.untyped,
            steps: self.steps,
            has_numpy_floats: self.has_numpy_floats,
        }
    }

    /// A recursion need not come round a loop: code that calls itself polls where it begins.
    fn poll_in_recursion(&mut self) {
        if let Some(exit) = self.first_exit.filter(|_| !self.own_calls.is_empty()) {
            let entry = self.entry_block.index();
            let terminator = self.b.func.blocks[entry].insts.pop().expect("the block is complete");
            self.b.switch_to(self.entry_block);
            self.b.poll(exit);
            self.b.func.blocks[entry].insts.push(terminator);
        }
    }

    /// The content of a parameter, added to the entry block if it is new.
    fn entry_param(&mut self, source: EntrySource, ty: SlotType) -> Val {
        if let Some(i) = self.params.iter().position(|p| p.source == source && p.ty == ty) {
            return self.from_entry(source, Val::of(ty, self.param_values[i].clone()));
        }
        let words: Vec<Value> =
            ty.machine_types().into_iter().map(|machine| self.b.append_param(self.entry_block, machine)).collect();
        self.params.push(EntryParam { source, ty: ty.clone() });
        self.param_values.push(words.clone());
        self.from_entry(source, Val::of(ty, words))
    }

    /// The content, which is what an entry source held.
    fn from_entry(&self, source: EntrySource, val: Val) -> Val {
        let origin = match (source, &val.ty) {
            (EntrySource::Slot(slot), SlotType::Tuple(_)) => Some(Origin::Slot(slot)),
            _ => None,
        };
        Val { origin, ..val }
    }

    fn function(&self) -> u32 {
        self.state.frame().function
    }

    fn info(&self) -> &FunctionInfo {
        &self.functions[&self.function()]
    }

    fn generic(&self) -> Arc<GenericFunction> {
        self.info().generic.clone()
    }

    fn feedback(&self) -> Feedback {
        self.world.feedback(self.function(), self.pc)
    }

    // ---- blocks

    fn lower_block(&mut self, key: Key, block: Block) {
        self.b.switch_to(block);
        let params = self.b.func.blocks[block.index()].params.clone();
        let mut at = 0;
        let mut frames = Vec::with_capacity(key.path.len());
        for ((function, call), live) in key.path.iter().zip(&key.live) {
            let n_slots = self.functions[function].generic.slots.len();
            let mut vals = vec![Val::UNBOUND; n_slots];
            for (slot, ty) in live {
                let n = ty.machine_types().len();
                vals[slot.0 as usize] = Val::of(ty.clone(), params[at..at + n].to_vec());
                at += n;
            }
            frames.push(FrameVals { function: *function, call: *call, vals });
        }
        for (slot, _) in &key.live[0] {
            let val = &mut frames[0].vals[slot.idx()];
            val.origin = self.is_entry_tuple(*slot, &val.ty).then_some(Origin::Slot(*slot));
        }
        let objects = key
            .objects
            .iter()
            .map(|object| {
                object.map(|ty| {
                    at += ty.machine_types().len();
                    Val::of(ty.clone(), params[at - ty.machine_types().len()..at].to_vec())
                })
            })
            .collect();
        self.state = State { frames, objects, doomed: Vec::new() };
        self.pc = key.pc;
        let mut first = true;
        loop {
            if !planted(Defect::StaleExit) {
                self.exits.clear();
            }
            self.n_ops += 1;
            if !first && self.info().is_leader[self.pc.0 as usize] {
                self.goto_inner(self.pc, false);
                return;
            }
            first = false;
            let generic = self.generic();
            self.b.set_line(generic.spans[self.pc.0 as usize].line);
            let op = &generic.ops[self.pc.0 as usize];
            let flow = if self.feedback().give_up {
                self.give_up(op)
            } else if self.needs_step(op) {
                Err(Stop::Untyped(self.describe_held(op)))
            } else {
                self.lower_op(op)
            };
            let flow = match flow {
                Err(Stop::Untyped(what)) => self.step(what),
                flow => flow,
            };
            match flow {
                Ok(Flow::Next) => {
                    self.pc = Pc(self.pc.0 + 1);
                    self.release_doomed(self.pc);
                }
                Ok(Flow::Done) => return,
                Err(stop) => {
                    self.leave(stop);
                    return;
                }
            }
            if self.n_ops > MAX_OPS {
                self.leave(Stop::Leave(Reason::TooLarge));
                return;
            }
        }
    }

    /// Ends the block with an exit before the operation.
    fn leave(&mut self, stop: Stop) {
        if self.b.is_terminated() {
            return;
        }
        let reason = match stop {
            Stop::Untyped(_) if self.info().leads_to_raise[self.pc.idx()] => Reason::Raise,
            Stop::Untyped(what) => {
                self.note_missing(what, false);
                Reason::Untyped
            }
            Stop::Leave(reason) => {
                if matches!(reason, Reason::TooManyVersions | Reason::TooManyDeopts | Reason::TooLarge) {
                    self.note_untyped(String::new(), reason);
                }
                reason
            }
        };
        let exit = self.exit_here(reason);
        self.b.exit(exit);
    }

    /// Ends the block with a jump to an operation of the executing frame, by way of a poll if that is a back edge.
    fn goto(&mut self, pc: Pc) {
        let is_back_edge = pc <= self.pc && self.info().liveness.is_loop_header(pc);
        self.goto_inner(pc, is_back_edge);
    }

    fn goto_inner(&mut self, pc: Pc, is_back_edge: bool) {
        self.release_doomed(pc);
        if self.state.frames.len() == 1 && self.around_entry.contains(&pc) {
            let exit = self.snapshot_at(pc, Reason::HandOver);
            self.b.exit(exit);
            return;
        }
        let live = self.live_at(pc);
        self.state.renumber(&live);
        if is_back_edge {
            let exit = self.snapshot_at(pc, Reason::Swap);
            self.b.poll(exit);
        }
        let mut key = self.key(pc, &live);
        let mut block = self.block_for(&key, 0);
        if block.is_none() && self.hold_what_varies(&key) {
            key = self.key(pc, &live);
            block = self.block_for(&key, MORE_VERSIONS);
        }
        match block {
            Some(block) => {
                let args = self.live_words(&key);
                self.b.jump(block, args);
            }
            None => {
                self.note_untyped(String::new(), Reason::TooManyVersions);
                let exit = self.snapshot_at(pc, Reason::TooManyVersions);
                self.b.exit(exit);
            }
        }
    }

    /// Ends the block with a branch to two operations of the executing frame.
    fn branch_to(&mut self, cond: Value, if_true: Pc, if_false: Pc) {
        let then_block = self.b.create_block();
        let else_block = self.b.create_block();
        self.b.branch(cond, (then_block, vec![]), (else_block, vec![]));
        let state = self.state.clone();
        self.b.switch_to(then_block);
        self.goto(if_true);
        self.state = state;
        self.b.switch_to(else_block);
        self.goto(if_false);
    }

    /// Ends the block with a branch; each side gives the operation's result its own content and goes on behind it.
    fn fork_result(&mut self, cond: Value, dst: SlotIdx, if_true: Val, if_false: Val) -> Flow {
        let then_block = self.b.create_block();
        let else_block = self.b.create_block();
        self.b.branch(cond, (then_block, vec![]), (else_block, vec![]));
        let state = self.state.clone();
        let next = Pc(self.pc.0 + 1);
        self.b.switch_to(then_block);
        self.state.set(dst, if_true);
        self.goto_inner(next, false);
        self.state = state;
        self.b.switch_to(else_block);
        self.state.set(dst, if_false);
        self.goto_inner(next, false);
        Flow::Done
    }

    /// The live slots of each frame, if the executing one goes on at `pc`.
    fn live_at(&self, pc: Pc) -> Vec<Vec<SlotIdx>> {
        let innermost = self.state.frames.len() - 1;
        (0..=innermost).map(|i| self.bound_slots(i, (i == innermost).then_some(pc)).1).collect()
    }

    fn key(&self, pc: Pc, live: &[Vec<SlotIdx>]) -> Key {
        let with_types = |(frame, live): (&FrameVals, &Vec<SlotIdx>)| {
            let typed = live.iter().map(|slot| (*slot, frame.vals[slot.idx()].ty.clone()));
            typed.filter(|(_, ty)| *ty != SlotType::Unbound).collect()
        };
        Key {
            pc,
            path: self.state.frames.iter().map(|frame| (frame.function, frame.call)).collect(),
            live: self.state.frames.iter().zip(live).map(with_types).collect(),
            objects: self.state.objects.iter().map(|object| object.map(|val| val.ty.clone())).collect(),
        }
    }

    fn live_words(&self, key: &Key) -> Vec<Value> {
        let mut words = Vec::new();
        for (frame, live) in self.state.frames.iter().zip(&key.live) {
            for (slot, _) in live {
                words.extend(&frame.vals[slot.0 as usize].words);
            }
        }
        for content in self.state.objects.iter().flat_map(|object| object.contents()) {
            words.extend(&content.words);
        }
        words
    }

    /// The block of arrivals with this key; `None` if there were too many others, `more` of which are allowed.
    fn block_for(&mut self, key: &Key, more: usize) -> Option<Block> {
        if let Some(block) = self.blocks.get(key) {
            return Some(*block);
        }
        let n_versions = self.n_versions.entry((key.pc, key.path.clone())).or_insert(0);
        *n_versions += 1;
        // A loop over a tuple is unrolled, and each round is a version of its own.
        let unrolled = key.live.iter().flatten().any(|(_, ty)| matches!(ty, SlotType::TupleIter(..)));
        if *n_versions > MAX_VERSIONS + more && !(unrolled && *n_versions <= 64) {
            return None;
        }
        let block = self.b.create_block();
        for ty in key.machine_types() {
            self.b.append_param(block, ty);
        }
        self.blocks.insert(key.clone(), block);
        self.queue.push_back((key.clone(), block));
        Some(block)
    }

    /// The value of an integer made from a constant.
    fn const_of(&self, value: Value) -> Option<i128> {
        self.b.iconst_value(value)
    }
}
