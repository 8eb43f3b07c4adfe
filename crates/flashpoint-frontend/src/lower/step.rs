//! Steps: operations without typed form that compiled code hands to tier 0 one at a time, and goes on behind.
//!
//! The operands' words travel through the context's scratch words, in the order in which an exit would store them; a
//! [`Step`] says how slots are made of them. The result comes back the same way if it is of the type that tier 0 has seen
//! there; if it is of another, or if the operation raised, the code leaves.

use flashpoint_ir::abi;
use flashpoint_ir::generic::{GenericOp, Pc, SlotIdx};
use flashpoint_ir::reason::Reason;
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
    /// The slots it reads. The recipes' values are not those of the code any more: words are taken in order.
    pub operands: Vec<(SlotIdx, Recipe)>,
    /// Number of words in the context's scratch.
    pub n_words: usize,
    /// Where the result goes, and what it is expected to be.
    pub result: Option<(SlotIdx, SlotType)>,
}

/// Bits of a step's number in the helper's operand; the version's number stands above them.
pub const STEP_BITS: u32 = 16;

impl Lowering<'_> {
    /// Lowers an operation without typed form, of which `what` is missing, as a step.
    pub(super) fn step(&mut self, what: String) -> Low<Flow> {
        let give_up = |what| Err(Stop::Untyped(what));
        if self.b.is_terminated() || self.info().leads_to_raise[self.pc.idx()] || self.steps.len() >> STEP_BITS != 0 {
            return give_up(what);
        }
        let generic = self.generic();
        let op = &generic.ops[self.pc.idx()];
        if !can_step(op) {
            return give_up(what);
        }
        let result = match op.dst() {
            None => None,
            Some(dst) => match self.world.seen(self.function(), self.pc) {
                Seen::One(ty) => Some((dst, ty)),
                // Tier 0 will see one.
                Seen::Nothing if !self.feedback().called => return Err(Stop::Leave(Reason::CalleeResult)),
                Seen::Nothing | Seen::Other => return give_up(what),
            },
        };
        let mut reads = op.reads();
        reads.sort();
        reads.dedup();
        let mut operands = Vec::with_capacity(reads.len());
        for slot in reads {
            let val = self.state.get(slot);
            if holds_iterator(&val.ty) || val.ty.holds_shared() {
                return give_up(what);
            }
            operands.push((slot, self.recipe(self.function(), &val)));
        }
        let mut values = Vec::new();
        operands.iter().for_each(|(_, recipe)| recipe.for_each_value(&mut |value| values.push(value)));
        let n_words = values.iter().map(|value| self.b.ty(*value).exit_words()).sum();
        if n_words > abi::SCRATCH_WORDS {
            return give_up(what);
        }
        self.note_missing(what);
        self.store_words(&values);
        let number = (self.version << STEP_BITS) | self.steps.len() as u64;
        self.steps.push(Step { function: self.function(), pc: self.pc, operands, n_words, result: result.clone() });
        let number = self.b.i64(number as i64);
        let inst = self.b.push(InstKind::CallHelper(Helper::GenericStep, vec![number]), &[Type::I64]);
        let status = self.b.results(inst)[0];
        let one = self.b.i64(1);
        let no_raise = self.b.icmp(IntCC::Ne, status, one);
        let exit = self.raise_exit();
        self.b.guard(no_raise, exit);
        let zero = self.b.i64(0);
        let as_expected = self.b.icmp(IntCC::Eq, status, zero);
        let exit = match &result {
            Some((dst, _)) => self.result_exit(*dst),
            None => self.snapshot_at(Pc(self.pc.0 + 1), Reason::GlobalChanged),
        };
        self.b.guard(as_expected, exit);
        self.exits.clear();
        if let Some((dst, ty)) = result {
            let words = self.load_words(&ty);
            self.state.set(dst, Val::of(ty, words));
        }
        Ok(Flow::Next)
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

/// Whether an operation neither jumps nor makes anything but its result: what tier 0 can run alone.
fn can_step(op: &GenericOp) -> bool {
    use GenericOp::*;
    matches!(
        op,
        Binary { .. }
            | InPlace { .. }
            | Unary { .. }
            | Compare { .. }
            | LoadAttr { .. }
            | StoreAttr { .. }
            | GetItem { .. }
            | SetItem { .. }
            | DeleteItem { .. }
            | Call { .. }
            | CallEx { .. }
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
