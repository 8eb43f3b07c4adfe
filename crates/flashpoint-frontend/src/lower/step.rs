//! Steps: operations without typed form that compiled code hands to tier 0 one at a time, and goes on behind.
//!
//! The operands' words travel through the context's scratch words, in the order in which an exit would store them; a
//! [`Step`] says how slots are made of them. The results come back there as slots. Where tier 0 has always seen one type, a
//! guard on the slot's head makes it a content of that type; otherwise it stays held ([`super::held`]).
//!
//! A step that raises has changed nothing: what was held is still the code's, and the exit hands it on. One that succeeds
//! has consumed held temporaries, and has released what its destinations held.

use flashpoint_ir::abi;
use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{GenericOp, Pc, SlotIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::slot::Tag;
use flashpoint_ir::snapshot::Recipe;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, Helper, InstKind, IntCC, Region, Type, Value};

use super::state::Val;
use super::types::SlotType;
use super::world::Seen;
use super::{Flow, Low, Lowering, Stop};

/// An operation that compiled code has tier 0 run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The function it stands in, by its number in the version's table.
    pub function: u32,
    /// The operation.
    pub pc: Pc,
    /// The calls around it that were inlined, from the outermost in: the caller's number and where it calls.
    pub callers: Vec<(u32, Pc)>,
    /// The slots that it finds filled: those it reads, and those it writes that are held. The recipes' values are not those of
    /// the code any more: words are taken in order.
    pub operands: Vec<(SlotIdx, Recipe)>,
    /// Number of words in the context's scratch.
    pub n_words: usize,
    /// The slots whose contents come back, in order. Those of a branch or of `ForNext` follow a bool: the condition, or
    /// whether there was a value.
    pub results: Vec<SlotIdx>,
}

/// Slots that a step finds filled, and how they are made.
type Operands = Vec<(SlotIdx, Recipe)>;

/// Bits of a step's number in the helper's operand; the version's number stands above them.
pub const STEP_BITS: u32 = 16;
/// Words of a slot in the context's scratch words.
pub const SLOT_WORDS: usize = 3;

/// What an operation is expected to give.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// A value of this type.
    One(SlotType),
    /// An integer of 64 bits, or something that stays held.
    IntOrHeld,
    /// Anything.
    Held,
}

impl Lowering<'_> {
    /// Lowers an operation without typed form, of which `what` is missing, as a step.
    pub(super) fn step(&mut self, what: String) -> Low<Flow> {
        let generic = self.generic();
        let op = &generic.ops[self.pc.idx()];
        if self.b.is_terminated() || self.info().leads_to_raise[self.pc.idx()] || !can_step(op) {
            return Err(Stop::Untyped(what));
        }
        let outcome = self.outcome(op)?;
        self.step_for(what, outcome)
    }

    /// What tier 0 has seen the operation give.
    fn outcome(&self, op: &GenericOp) -> Low<Outcome> {
        use GenericOp as O;
        if Self::is_always_bool(op) {
            return Ok(Outcome::One(SlotType::Bool));
        }
        let is_profiled = matches!(
            op,
            O::Binary { .. }
                | O::InPlace { .. }
                | O::Unary { .. }
                | O::Compare { .. }
                | O::LoadGlobal { .. }
                | O::LoadAttr { .. }
                | O::GetItem { .. }
                | O::Call { .. }
                | O::CallEx { .. }
                | O::ForNext { .. }
                | O::Unpack { .. }
        );
        if !is_profiled {
            return Ok(Outcome::Held);
        }
        match self.world.seen(self.function(), self.pc) {
            Seen::One(ty) => Ok(Outcome::One(ty)),
            Seen::Other { ints: true } => Ok(Outcome::IntOrHeld),
            // Comparisons of numbers leave no trace.
            Seen::Nothing if matches!(op, O::Compare { .. }) => Ok(Outcome::One(SlotType::Bool)),
            // Tier 0 will see one.
            Seen::Nothing if !self.feedback().called => Err(Stop::Leave(Reason::CalleeResult)),
            Seen::Nothing | Seen::Other { ints: false } => Ok(Outcome::Held),
        }
    }

    /// Lowers an operation as a step whose result is expected to be `outcome`.
    pub(super) fn step_for(&mut self, what: String, outcome: Outcome) -> Low<Flow> {
        let generic = self.generic();
        let op = &generic.ops[self.pc.idx()];
        let (reads, writes) = (op.reads(), op.writes());
        let results: Vec<SlotIdx> = match op {
            GenericOp::ForNext { dst, iter, .. } => vec![*iter, *dst],
            _ => writes.clone(),
        };
        // Who is given an array may keep it, or change its header: that must be the one object the program knows.
        if !self.only_looks_at_arrays(op) && reads.iter().any(|slot| self.state.get(*slot).ty.holds_views()) {
            return Err(Stop::Untyped(what));
        }
        let has_flag = matches!(op, GenericOp::Branch { .. } | GenericOp::ForNext { .. });
        let n_result_words = SLOT_WORDS * (results.len() + usize::from(has_flag));
        let Some((operands, values)) = self.operands(&reads, &writes) else { return Err(Stop::Untyped(what)) };
        let n_words: usize = values.iter().map(|value| self.b.ty(*value).exit_words()).sum();
        if n_words.max(n_result_words) > abi::SCRATCH_WORDS || self.steps.len() >> STEP_BITS != 0 {
            return Err(Stop::Untyped(what));
        }
        self.note_missing(what, !writes.is_empty() && !matches!(outcome, Outcome::One(_)));
        self.store_words(&values);
        let number = (self.version << STEP_BITS) | self.steps.len() as u64;
        let calls = self.state.frames.iter().filter_map(|frame| Some((frame.function, frame.call?)));
        self.steps.push(Step {
            function: self.function(),
            pc: self.pc,
            callers: calls.collect(),
            operands,
            n_words,
            results: results.clone(),
        });
        let number = self.b.i64(number as i64);
        let inst = self.b.push(InstKind::CallHelper(Helper::GenericStep, vec![number]), &[Type::I64]);
        let status = self.b.results(inst)[0];
        let one = self.b.i64(1);
        let no_raise = self.b.icmp(IntCC::Ne, status, one);
        let exit = self.raise_exit();
        self.b.guard(no_raise, exit);
        self.exits.clear();
        let zero = self.b.i64(0);
        let goes_on = self.b.icmp(IntCC::Eq, status, zero);
        self.consume_held(&reads);
        match op {
            GenericOp::Branch { if_true, if_false, .. } => {
                let truth = self.load_bool(0);
                let (then_block, else_block) = (self.b.create_block(), self.b.create_block());
                self.b.branch(truth, (then_block, vec![]), (else_block, vec![]));
                let state = self.state.clone();
                for (block, target) in [(then_block, *if_true), (else_block, *if_false)] {
                    self.state = state.clone();
                    self.b.switch_to(block);
                    self.leave_unless(goes_on, target);
                    self.goto(target);
                }
                Ok(Flow::Done)
            }
            GenericOp::ForNext { dst, iter, exhausted } => {
                let more = self.load_bool(0);
                let foreign = self.state.get(*iter).ty == SlotType::Held { foreign: true };
                let rest = self.load_held(1, foreign);
                self.state.replace(*iter, rest);
                let (dst, at, next) = (*dst, *exhausted, Pc(self.pc.0 + 1));
                let before = self.state.get(dst);
                let (body, done) = (self.b.create_block(), self.b.create_block());
                self.b.branch(more, (body, vec![]), (done, vec![]));
                let state = self.state.clone();
                self.b.switch_to(done);
                if before.ty.is_held() {
                    let same = self.load_held(2, before.ty == SlotType::Held { foreign: true });
                    self.state.replace(dst, same);
                }
                self.leave_unless(goes_on, at);
                self.goto(at);
                self.state = state;
                self.b.switch_to(body);
                self.state.replace(dst, Val::UNBOUND);
                let flow = self.take_results(&[(dst, 2)], &outcome, goes_on);
                if let Flow::Next = flow
                    && self.info().is_leader[next.idx()]
                {
                    self.goto(next);
                    return Ok(Flow::Done);
                }
                Ok(flow)
            }
            _ => {
                let results: Vec<(SlotIdx, usize)> = results.into_iter().enumerate().map(|(i, dst)| (dst, i)).collect();
                for (dst, _) in &results {
                    self.state.replace(*dst, Val::UNBOUND);
                }
                Ok(self.take_results(&results, &outcome, goes_on))
            }
        }
    }

    /// Whether the operation reads or writes elements of arrays it is given, and does no more with them.
    fn only_looks_at_arrays(&self, op: &GenericOp) -> bool {
        use GenericOp as O;
        match op {
            O::Binary { .. }
            | O::InPlace { .. }
            | O::Unary { .. }
            | O::Compare { .. }
            | O::Branch { .. }
            | O::GetItem { .. }
            | O::Unpack { .. } => true,
            O::SetItem { object, .. } => matches!(self.state.get(*object).ty, SlotType::Array(..)),
            O::LoadAttr { name, .. } => !matches!(
                self.generic().names[name.0 as usize].as_str(),
                "flags" | "setflags" | "resize" | "__setattr__"
            ),
            _ => false,
        }
    }

    /// How the slots are made that a step finds filled, and the values of which; `None` if one cannot be made.
    fn operands(&mut self, reads: &[SlotIdx], writes: &[SlotIdx]) -> Option<(Operands, Vec<Value>)> {
        let is_held = |this: &Self, slot: SlotIdx| this.state.frame().vals[slot.idx()].ty.is_held();
        let mut slots = reads.to_vec();
        slots.extend(writes.iter().copied().filter(|slot| is_held(self, *slot)));
        slots.sort();
        slots.dedup();
        let mut operands = Vec::with_capacity(slots.len());
        for slot in slots {
            let val = self.state.get(slot);
            if holds_iterator(&val.ty) || val.ty.holds_shared() {
                return None;
            }
            operands.push((slot, self.recipe(self.function(), &val)));
        }
        let mut values = Vec::new();
        operands.iter().for_each(|(_, recipe)| recipe.for_each_value(&mut |value| values.push(value)));
        Some((operands, values))
    }

    /// A step has consumed its held temporaries.
    fn consume_held(&mut self, reads: &[SlotIdx]) {
        for slot in reads {
            if self.is_temp(*slot) && self.state.get(*slot).ty.is_held() {
                self.state.replace(*slot, Val::UNBOUND);
            }
        }
    }

    /// Leaves before `pc` unless `goes_on`.
    fn leave_unless(&mut self, goes_on: Value, pc: Pc) {
        let exit = self.snapshot_at(pc, Reason::GlobalChanged);
        self.b.guard(goes_on, exit);
    }

    /// Takes results, each with its place in the scratch words, into the state, whose slots for them are empty; leaves behind
    /// the operation if it must, or if a result is not as expected.
    fn take_results(&mut self, results: &[(SlotIdx, usize)], outcome: &Outcome, goes_on: Value) -> Flow {
        let next = Pc(self.pc.0 + 1);
        for (dst, place) in results {
            let val = self.load_held(*place, false);
            self.state.replace(*dst, val);
        }
        self.leave_unless(goes_on, next);
        match (outcome, results) {
            (Outcome::One(ty), _) => {
                let mut typed = Vec::with_capacity(results.len());
                for (dst, place) in results {
                    let head = self.state.get(*dst).words[0];
                    let (is_it, words) = self.as_type(*place, head, ty);
                    let exit = self.snapshot_at(next, Reason::CalleeResult);
                    if !planted(Defect::StepResultUnchecked) {
                        self.b.guard(is_it, exit);
                    }
                    typed.push((*dst, Val::of(ty.clone(), words)));
                }
                for (dst, val) in typed {
                    self.state.replace(dst, val);
                }
                Flow::Next
            }
            (Outcome::IntOrHeld, [(dst, _)]) => {
                self.note_held();
                let held = self.state.replace(*dst, Val::UNBOUND);
                let is_int = self.has_tag(held.words[0], Tag::Int);
                let int = Val::int(held.words[1]);
                self.fork_result(is_int, *dst, int, held)
            }
            (Outcome::IntOrHeld | Outcome::Held, _) => {
                if !results.is_empty() {
                    self.note_held();
                }
                Flow::Next
            }
        }
    }

    fn has_tag(&mut self, head: Value, tag: Tag) -> Value {
        let found = self.b.convert(ConvertOp::Trunc, head, Type::I32);
        let wanted = self.b.iconst(Type::I32, i128::from(tag as u32));
        self.b.icmp(IntCC::Eq, found, wanted)
    }

    /// Whether the slot at `place`, of this head, has a type, and its content as one of that type.
    fn as_type(&mut self, place: usize, head: Value, ty: &SlotType) -> (Value, Vec<Value>) {
        let offset = payload(place);
        let ctx = self.b.context();
        match ty {
            SlotType::None => (self.has_tag(head, Tag::None), vec![]),
            SlotType::Bool => (self.has_tag(head, Tag::Bool), vec![self.load_bool(place)]),
            SlotType::Int => (self.has_tag(head, Tag::Int), vec![self.b.load(Type::I64, ctx, offset, Region::Context)]),
            SlotType::Float => {
                (self.has_tag(head, Tag::Float), vec![self.b.load(Type::F64, ctx, offset, Region::Context)])
            }
            SlotType::Complex => {
                let words = [0, 8].map(|part| self.b.load(Type::F64, ctx, offset + part, Region::Context));
                (self.has_tag(head, Tag::Complex), words.to_vec())
            }
            SlotType::Int128 => {
                let (narrow, wide) = (self.has_tag(head, Tag::Int), self.has_tag(head, Tag::Int128));
                let low = self.b.load(Type::I64, ctx, offset, Region::Context);
                let high = self.b.load(Type::I64, ctx, offset + 8, Region::Context);
                let count = self.b.i64(63);
                let sign = self.b.binary(BinaryOp::Ashr, low, count);
                let high = self.b.select(narrow, sign, high);
                let low = self.b.convert(ConvertOp::Zext, low, Type::I128);
                let high = self.b.convert(ConvertOp::Sext, high, Type::I128);
                let count = self.b.iconst(Type::I128, 64);
                let high = self.b.binary(BinaryOp::Shl, high, count);
                let value = self.b.binary(BinaryOp::Or, low, high);
                (self.b.binary(BinaryOp::Or, narrow, wide), vec![value])
            }
            SlotType::Numpy(dtype) => {
                let wanted = self.b.i64(Tag::Numpy as i64 | (*dtype as i64) << 32);
                let is_it = self.b.icmp(IntCC::Eq, head, wanted);
                if *dtype == DType::Bool {
                    return (is_it, vec![self.load_bool(place)]);
                }
                let words = ty.machine_types().into_iter().enumerate();
                let load = |(i, machine)| self.b.load(machine, ctx, offset + 8 * i as i32, Region::Context);
                (is_it, words.map(load).collect())
            }
            _ => unreachable!("profiles know scalars only"),
        }
    }

    /// The slot at `place` of the scratch words.
    fn load_held(&mut self, place: usize, foreign: bool) -> Val {
        let ctx = self.b.context();
        let offset = payload(place) - 8;
        let words = [0, 8, 16].map(|part| self.b.load(Type::I64, ctx, offset + part, Region::Context));
        Val::of(SlotType::Held { foreign }, words.to_vec())
    }

    /// The bool at `place` of the scratch words.
    fn load_bool(&mut self, place: usize) -> Value {
        let ctx = self.b.context();
        let byte = self.b.load(Type::I8, ctx, payload(place), Region::Context);
        let zero = self.b.iconst(Type::I8, 0);
        self.b.icmp(IntCC::Ne, byte, zero)
    }

    /// Writes values to the scratch words, as exits do.
    pub(super) fn store_words(&mut self, values: &[Value]) {
        let ctx = self.b.context();
        let mut offset = abi::offset::SCRATCH;
        for &value in values {
            let words = match self.b.ty(value) {
                Type::I64 | Type::F64 | Type::PTR => vec![value],
                Type::F32 => {
                    let bits = self.b.convert(ConvertOp::Bitcast, value, Type::I32);
                    vec![self.b.convert(ConvertOp::Zext, bits, Type::I64)]
                }
                Type::I128 => {
                    let count = self.b.iconst(Type::I128, 64);
                    let high = self.b.binary(BinaryOp::Lshr, value, count);
                    [value, high].map(|part| self.b.convert(ConvertOp::Trunc, part, Type::I64)).to_vec()
                }
                _ => vec![self.b.convert(ConvertOp::Zext, value, Type::I64)],
            };
            for word in words {
                self.b.store(word, ctx, offset, Region::Context);
                offset += 8;
            }
        }
    }

    /// Reads a content of type `ty` from the scratch words.
    pub(super) fn load_words(&mut self, ty: &SlotType) -> Vec<Value> {
        let ctx = self.b.context();
        let mut offset = abi::offset::SCRATCH;
        let mut words = Vec::new();
        for machine in ty.machine_types() {
            words.push(match machine {
                Type::I1 => {
                    let byte = self.b.load(Type::I8, ctx, offset, Region::Context);
                    let zero = self.b.iconst(Type::I8, 0);
                    self.b.icmp(IntCC::Ne, byte, zero)
                }
                Type::I128 => {
                    let low = self.b.load(Type::I64, ctx, offset, Region::Context);
                    let high = self.b.load(Type::I64, ctx, offset + 8, Region::Context);
                    let low = self.b.convert(ConvertOp::Zext, low, Type::I128);
                    let high = self.b.convert(ConvertOp::Sext, high, Type::I128);
                    let count = self.b.iconst(Type::I128, 64);
                    let high = self.b.binary(BinaryOp::Shl, high, count);
                    self.b.binary(BinaryOp::Or, low, high)
                }
                machine => self.b.load(machine, ctx, offset, Region::Context),
            });
            offset += 8 * machine.exit_words() as i32;
        }
        words
    }
}

/// Where the payload of the slot at `place` of the scratch words lies.
fn payload(place: usize) -> i32 {
    abi::offset::SCRATCH + 8 * (SLOT_WORDS * place + 1) as i32
}

/// Whether tier 0 can run the operation alone.
pub(super) fn can_step(op: &GenericOp) -> bool {
    use GenericOp::*;
    matches!(
        op,
        Binary { .. }
            | InPlace { .. }
            | Unary { .. }
            | Compare { .. }
            | Branch { .. }
            | GetIter { .. }
            | ForNext { .. }
            | LoadGlobal { .. }
            | StoreGlobal { .. }
            | DeleteGlobal { .. }
            | LoadAttr { .. }
            | StoreAttr { .. }
            | DeleteAttr { .. }
            | GetItem { .. }
            | SetItem { .. }
            | DeleteItem { .. }
            | Call { .. }
            | CallEx { .. }
            | BuildTuple { .. }
            | BuildTupleEx { .. }
            | BuildList { .. }
            | BuildSet { .. }
            | BuildDict { .. }
            | BuildSlice { .. }
            | FormatValue { .. }
            | BuildString { .. }
            | Append { .. }
            | Insert { .. }
            | Unpack { .. }
            | Import { .. }
            | ImportFrom { .. }
            | WithEnter { .. }
            | WithExit { .. }
    )
}

/// Whether a content is or holds an iterator, which the operation might advance: one made of words is another each time.
pub(super) fn holds_iterator(ty: &SlotType) -> bool {
    match ty {
        SlotType::RangeIter(_)
        | SlotType::SeqIter(_)
        | SlotType::TupleIter(..)
        | SlotType::Enumerate(_)
        | SlotType::Zip(..) => true,
        SlotType::Tuple(items) => items.iter().any(holds_iterator),
        SlotType::Method(receiver, _) => holds_iterator(receiver),
        _ => false,
    }
}
