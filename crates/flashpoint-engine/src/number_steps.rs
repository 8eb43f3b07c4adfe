//! Steps on numbers: operators whose operands are Python's own numbers need no frame to be run in.
//!
//! Integers beyond 128 bits are held, and every operator on them is a step ([`crate::steps`]); so is what the typed form lacks
//! for 128 bits. Such an operator runs no Python code, so neither a frame nor a look at what the code takes for granted is
//! due behind it, unless what the destination held before may have a finalizer.
//!
//! Invariant: a step that is done here has done to the scratch words and to what was held just what [`crate::steps`] would
//! have done. Checked by `tests/test_held.py` and the probes of wide integers, against CPython.

use flashpoint_frontend::lower::Step;
use flashpoint_ir::abi::Context;
use flashpoint_ir::generic::{BinOp, CmpOp, GenericOp, Pc, SlotIdx, SlotKind, UnOp};
use flashpoint_ir::slot::{Slot, Tag};
use flashpoint_ir::snapshot::Recipe;

use crate::context;
use crate::exits::{held_slot, held_words};
use crate::host::HostResult;
use crate::python::Python;
use crate::tier0::{Kinds, operators};
use crate::unit::{Unit, Version};

/// The operands of an operator, and its destination.
const MAX_SLOTS: usize = 3;

/// An operator and the slots it reads.
#[derive(Clone, Copy)]
enum Operator {
    Binary { op: BinOp, in_place: bool, reads: [SlotIdx; 2] },
    Compare { op: CmpOp, reads: [SlotIdx; 2] },
    Unary { op: UnOp, reads: [SlotIdx; 1] },
}

impl Operator {
    /// The operator of an operation and its destination; `None` if it is something else, or about more than values.
    fn of(op: &GenericOp) -> Option<(Operator, SlotIdx)> {
        Some(match *op {
            GenericOp::Binary { op, dst, lhs, rhs } => {
                (Operator::Binary { op, in_place: false, reads: [lhs, rhs] }, dst)
            }
            GenericOp::InPlace { op, dst, lhs, rhs } => {
                (Operator::Binary { op, in_place: true, reads: [lhs, rhs] }, dst)
            }
            GenericOp::Compare { op: CmpOp::Is | CmpOp::IsNot | CmpOp::In | CmpOp::NotIn, .. } => return None,
            GenericOp::Compare { op, dst, lhs, rhs } => (Operator::Compare { op, reads: [lhs, rhs] }, dst),
            GenericOp::Unary { op: op @ (UnOp::Neg | UnOp::Pos | UnOp::Invert), dst, src } => {
                (Operator::Unary { op, reads: [src] }, dst)
            }
            _ => return None,
        })
    }

    fn reads(&self) -> &[SlotIdx] {
        match self {
            Operator::Binary { reads, .. } | Operator::Compare { reads, .. } => reads,
            Operator::Unary { reads, .. } => reads,
        }
    }

    /// Whether CPython looks at signals in the middle of it, if an operand is large.
    fn looks_at_signals(&self) -> bool {
        use BinOp::{FloorDiv, Mod, Mul, Pow, TrueDiv};
        matches!(self, Operator::Binary { op: FloorDiv | Mod | Mul | Pow | TrueDiv, .. })
    }
}

/// A slot that the step finds filled.
#[derive(Clone, Copy)]
struct Filled {
    slot: SlotIdx,
    content: Slot,
    /// Who owns it.
    owner: Owner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The code holds it.
    Code,
    /// It was made for this step.
    Step,
    /// Something else, or nobody.
    Other,
}

/// Runs a step of `unit` whose operands stand in the context's scratch; `entry` are the slots that `version` was entered with.
/// `None`, and nothing has happened, if it is no operator on numbers; else whether other code may have run. If it raises, what
/// was held is still the code's.
pub(crate) fn run<H: Python>(
    host: &mut H,
    version: &Version<H>,
    unit: &Unit<H>,
    step: &Step,
    entry: &[Slot],
    ctx: *mut Context,
) -> Option<HostResult<bool>> {
    let generic = unit.code.generic();
    let (operator, dst) = Operator::of(&generic.ops[step.pc.idx()])?;
    let reader = Reader { version, unit, entry, ctx };
    let (filled, n) = reader.read(host, step)?;
    let filled = &filled[..n];
    let done = apply(host, unit, step.pc, operator, filled);
    let owned_by = |owner| filled.iter().filter(move |filled: &&Filled| filled.owner == owner);
    owned_by(Owner::Step).for_each(|filled| host.release(filled.content));
    let (result, mut other_code) = match done? {
        Ok(done) => done,
        Err(raised) => return Some(Err(raised)),
    };
    for Filled { slot, content, .. } in owned_by(Owner::Code) {
        if *slot == dst || generic.slots[slot.idx()].kind == SlotKind::Temp {
            other_code |= !host.releases_quietly(content);
            host.release(*content);
        }
    }
    // Finalizers may have run compiled code, which has scratch words of its own here.
    context::set_scratch(ctx, &held_words(result));
    Some(Ok(other_code))
}

/// What the operator gives, owned, and whether other code may have run; `None` if an operand is no number.
fn apply<H: Python>(
    host: &mut H,
    unit: &Unit<H>,
    pc: Pc,
    operator: Operator,
    filled: &[Filled],
) -> Option<HostResult<(Slot, bool)>> {
    let mut operands = [Slot::UNBOUND; 2];
    let mut some_object = false;
    for (operand, slot) in operands.iter_mut().zip(operator.reads()) {
        *operand = filled.iter().find(|filled| filled.slot == *slot)?.content;
        let is_object = operand.tag == Tag::Object;
        some_object |= is_object;
        let is_number = matches!(operand.tag, Tag::Bool | Tag::Int | Tag::Int128 | Tag::Float | Tag::Complex);
        if !(is_number || is_object && host.is_exact_int(operand)) {
            return None;
        }
    }
    let [lhs, rhs] = operands;
    let profile = unit.code.profile();
    let result = match operator {
        Operator::Binary { op, in_place, .. } => {
            let done = operators::binary(op, &lhs, &rhs).map(Ok);
            let done = done
                .unwrap_or_else(|| if in_place { host.in_place(op, &lhs, &rhs) } else { host.binary(op, &lhs, &rhs) });
            done.inspect(|value| {
                profile.record(pc, value);
                let is_int = |slot: &Slot| matches!(slot.tag, Tag::Bool | Tag::Int | Tag::Int128);
                if value.tag == Tag::Object && is_int(&lhs) && is_int(&rhs) {
                    profile.record_kinds(pc, Kinds::WIDE | Kinds::OBJECT);
                }
            })
        }
        Operator::Compare { op, .. } => match operators::compare(op, &lhs, &rhs) {
            Some(truth) => Ok(Slot::bool(truth)),
            None => host.compare(op, &lhs, &rhs).inspect(|value| profile.record(pc, value)),
        },
        // `~True` warns in some versions of Python, with the line of the frame.
        Operator::Unary { op: UnOp::Invert, .. } if lhs.tag == Tag::Bool => return None,
        Operator::Unary { op, .. } => operators::unary(op, &lhs)
            .map_or_else(|| host.unary(op, &lhs), Ok)
            .inspect(|value| profile.record(pc, value)),
    };
    Some(result.map(|value| (value, some_object && operator.looks_at_signals())))
}

/// Where the operands of a step come from.
struct Reader<'a, H: Python> {
    version: &'a Version<H>,
    unit: &'a Unit<H>,
    entry: &'a [Slot],
    ctx: *mut Context,
}

impl<H: Python> Reader<'_, H> {
    /// What the step's operands are; `None` if one of them is neither an object nor a number.
    fn read(&self, host: &mut H, step: &Step) -> Option<([Filled; MAX_SLOTS], usize)> {
        let none = Filled { slot: SlotIdx(0), content: Slot::UNBOUND, owner: Owner::Other };
        let (mut filled, mut at) = ([none; MAX_SLOTS], 0);
        let is_known = |recipe: &Recipe| {
            use Recipe::{Bool, Complex, Const, Entry, Float, Held, Int, Int128, Known};
            matches!(
                recipe,
                Held(..) | Bool(_) | Int(_) | Int128(_) | Float(_) | Complex(..) | Entry(_) | Known(_) | Const(_)
            )
        };
        if step.operands.len() > MAX_SLOTS || !step.operands.iter().all(|(_, recipe)| is_known(recipe)) {
            return None;
        }
        let mut word = || {
            at += 1;
            context::scratch_word(self.ctx, at - 1)
        };
        for (filled, (slot, recipe)) in filled.iter_mut().zip(&step.operands) {
            let mut owner = Owner::Other;
            let content = match recipe {
                Recipe::Held(..) => {
                    owner = Owner::Code;
                    held_slot(word(), word(), word())
                }
                Recipe::Bool(_) => Slot::bool(word() & 1 != 0),
                Recipe::Int(_) => Slot::int(word() as i64),
                Recipe::Int128(_) => {
                    let (low, high) = (word(), word());
                    Slot::int128(((high as i128) << 64) | low as i128)
                }
                Recipe::Float(_) => Slot::float(f64::from_bits(word())),
                Recipe::Complex(..) => Slot::complex(f64::from_bits(word()), f64::from_bits(word())),
                Recipe::Entry(slot) => self.entry.get(slot.idx()).copied().unwrap_or(Slot::UNBOUND),
                Recipe::Known(object) => self.version.tables.objects[*object as usize],
                Recipe::Const(value) => self.unit.code.constant(*value).unwrap_or_else(|| {
                    owner = Owner::Step;
                    host.constant(&self.unit.function, *value)
                }),
                _ => unreachable!("tested above"),
            };
            *filled = Filled { slot: *slot, content, owner };
        }
        Some((filled, step.operands.len()))
    }
}
