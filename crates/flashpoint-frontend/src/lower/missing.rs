//! What has no typed form: noted for `explain()`, and an error where it is about objects that the user did not allow.

use std::collections::HashSet;

use flashpoint_ir::generic::{CmpOp, GenericOp, SlotIdx};
use flashpoint_ir::reason::Reason;

use super::types::SlotType;
use super::world::{Builtin, Known, KnownKind};
use super::{Lowering, Untyped};

impl Lowering<'_> {
    /// Whether the operation is about objects that typed code does not look into: containers, text, foreign objects. Those
    /// are an error unless the user allows them; operations on numbers, arrays and functions just run in tier 0, and so
    /// does what mixes a number or an array with an object, which as a rule raises.
    pub(super) fn touches_objects(&self) -> bool {
        let op = &self.info().generic.ops[self.pc.idx()];
        let is_object = |slot: &SlotIdx| match &self.state.frame().vals[slot.idx()].ty {
            SlotType::Opaque(_) | SlotType::Const(..) | SlotType::Held { foreign: true } => true,
            SlotType::Known(object) => matches!(self.known.get(object), Some(Known { kind: KnownKind::Object, .. })),
            _ => false,
        };
        match op {
            GenericOp::BuildList { .. }
            | GenericOp::BuildSet { .. }
            | GenericOp::BuildDict { .. }
            | GenericOp::FormatValue { .. }
            | GenericOp::BuildString { .. }
            | GenericOp::Append { .. }
            | GenericOp::Insert { .. }
            | GenericOp::Import { .. }
            | GenericOp::ImportFrom { .. }
            | GenericOp::WithEnter { .. }
            | GenericOp::WithExit { .. } => true,
            GenericOp::Binary { lhs, rhs, .. } | GenericOp::InPlace { lhs, rhs, .. } => {
                is_object(lhs) && is_object(rhs)
            }
            GenericOp::Compare { op: CmpOp::In | CmpOp::NotIn, rhs, .. } => is_object(rhs),
            GenericOp::Compare { .. } => false,
            GenericOp::GetItem { object, .. }
            | GenericOp::SetItem { object, .. }
            | GenericOp::DeleteItem { object, .. }
            | GenericOp::StoreAttr { object, .. }
            | GenericOp::LoadAttr { object, .. } => {
                // A missing attribute of a module raises.
                is_object(object) && !matches!(self.state.get(*object).ty, SlotType::Known(_))
            }
            GenericOp::Call { callee, args, .. } => {
                let takes_numbers = matches!(
                    self.known_kind(&self.state.get(*callee)),
                    Some(KnownKind::Builtin(
                        Builtin::Math(_)
                            | Builtin::Cmath(_)
                            | Builtin::Numpy(_)
                            | Builtin::NumpyType(_)
                            | Builtin::Int
                            | Builtin::Float
                            | Builtin::Bool
                            | Builtin::Complex
                            | Builtin::Abs
                            | Builtin::Round
                    ))
                );
                is_object(callee) || (!takes_numbers && args.iter().any(is_object))
            }
            other => other.reads().iter().any(is_object),
        }
    }

    /// Notes that the operation has no typed form, and whether what it gives is held.
    pub(super) fn note_missing(&mut self, what: String, holds: bool) {
        let reason = if self.touches_objects() { Reason::NoTypedForm } else { Reason::Untyped };
        self.note(Untyped { function: self.function(), pc: self.pc, what, reason, holds });
    }

    pub(super) fn note_untyped(&mut self, what: String, reason: Reason) {
        self.note(Untyped { function: self.function(), pc: self.pc, what, reason, holds: false });
    }

    pub(super) fn note(&mut self, note: Untyped) {
        if note.reason == Reason::NoTypedForm {
            self.note_object(note);
        } else if !self.untyped.contains(&note) {
            self.untyped.push(note);
        }
    }

    // ---- objects that the user did not allow

    /// Notes an operation on objects, which is an error unless the user allows it.
    pub(super) fn note_object(&mut self, note: Untyped) {
        let block = self.b.current().filter(|block| !self.holding.contains(block));
        if !self.objects.contains(&(note.clone(), block)) {
            self.objects.push((note, block));
        }
    }

    /// Decides which operations on objects are errors: those that are reached without passing an operation that gave a held
    /// value. Behind one, the program has run in tier 0 before without an error, and goes on doing so.
    pub(super) fn judge_objects(&mut self) {
        let mut reached = HashSet::from([self.entry_block]);
        let mut queue = vec![self.entry_block];
        while let Some(block) = queue.pop() {
            if self.holding.contains(&block) {
                continue;
            }
            self.b.func.for_each_successor(block, |next| {
                if reached.insert(next) {
                    queue.push(next);
                }
            });
        }
        let objects = std::mem::take(&mut self.objects);
        let is_error = |block: &Option<_>| block.is_some_and(|block| reached.contains(&block));
        for (note, _) in objects.iter().filter(|(_, block)| is_error(block)) {
            if !self.untyped.contains(note) {
                self.untyped.push(note.clone());
            }
        }
        for (note, _) in objects.iter().filter(|(_, block)| !is_error(block)) {
            let same = |known: &Untyped| known.function == note.function && known.pc == note.pc;
            if !self.untyped.iter().any(same) {
                self.untyped.push(Untyped { reason: Reason::Untyped, ..note.clone() });
            }
        }
    }
}
