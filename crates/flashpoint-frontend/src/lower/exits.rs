//! Exits and guards: snapshots of the present state, and the recipes that make slots' contents outside.

use flashpoint_ir::generic::{ConstIdx, Pc, SlotIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
use flashpoint_ir::typed::{IntCC, SnapshotId, Value};

use super::state::{ArrayParts, FrameVals, Origin, Val};
use super::types::{Owner, SlotType};
use super::{EntrySource, Lowering};

impl Lowering<'_> {
    /// The exit before the operation being lowered.
    pub(super) fn exit_here(&mut self, reason: Reason) -> SnapshotId {
        if let Some((_, exit)) = self.exits.iter().find(|(r, _)| *r == reason) {
            return *exit;
        }
        let exit = self.snapshot_at(self.pc, reason);
        self.exits.push((reason, exit));
        exit
    }

    /// An exit to an operation of the executing frame, in the present state.
    pub(super) fn snapshot_at(&mut self, pc: Pc, reason: Reason) -> SnapshotId {
        let live = self.live_at(pc);
        let before = self.state.clone();
        self.state.renumber(&live);
        let objects = self.object_recipes();
        let innermost = live.len() - 1;
        let mut frames = Vec::with_capacity(innermost + 1);
        for (i, live) in live.into_iter().enumerate() {
            let frame = self.state.frames[i].clone();
            let at = frame.call.filter(|_| i != innermost).unwrap_or(pc);
            let mut slots: Vec<_> = live
                .into_iter()
                .map(|slot| (slot, self.recipe(frame.function, &frame.vals[slot.0 as usize])))
                .collect();
            if planted(Defect::SnapshotSlotsSwapped)
                && let [(a, _), (b, _), ..] = &mut slots[..]
            {
                std::mem::swap(a, b);
            }
            if planted(Defect::PollOmitsSlot) && reason == Reason::Swap {
                slots.pop();
            }
            frames.push(FrameState { function: frame.function, pc: at, slots });
        }
        self.state = before;
        self.b.snapshot(Snapshot { reason, exit: ExitKind::Resume, objects, frames })
    }

    /// The exit that returns `val`, which does not travel in a register.
    pub(super) fn return_exit(&mut self, val: Val) -> SnapshotId {
        let function = self.function();
        let before = self.state.clone();
        self.state.frames = vec![FrameVals { function, call: None, vals: vec![val] }];
        self.state.renumber(&[vec![SlotIdx(0)]]);
        let objects = self.object_recipes();
        let val = self.state.get(SlotIdx(0));
        let recipe = self.recipe(function, &val);
        self.state = before;
        self.b.snapshot(Snapshot { reason: Reason::Return, exit: ExitKind::Return(recipe), objects, frames: vec![] })
    }

    /// Whether a slot of the outermost frame, with this type, holds the tuple that it held at entry.
    pub(super) fn is_entry_tuple(&self, slot: SlotIdx, ty: &SlotType) -> bool {
        matches!(ty, SlotType::Tuple(_))
            && self.params.iter().any(|param| param.source == EntrySource::Slot(slot))
            && !self.functions[&0].is_written[slot.idx()]
    }

    /// How to make a slot's content outside.
    pub(super) fn recipe(&mut self, function: u32, val: &Val) -> Recipe {
        let words = &val.words;
        if let Some(Origin::Slot(slot)) = val.origin {
            return Recipe::Entry(slot);
        }
        match &val.ty {
            SlotType::Unbound => Recipe::Unbound,
            SlotType::None => Recipe::None,
            SlotType::Bool if planted(Defect::SnapshotBoolAsInt) => Recipe::Int(words[0]),
            SlotType::Bool => Recipe::Bool(words[0]),
            SlotType::Int => Recipe::Int(words[0]),
            SlotType::Int128 => Recipe::Int128(words[0]),
            SlotType::Float => Recipe::Float(words[0]),
            SlotType::Complex => Recipe::Complex(words[0], words[1]),
            SlotType::Numpy(dtype) => Recipe::Numpy(*dtype, words[0], words.get(1).copied()),
            SlotType::Array(..) => self.array_recipe(val),
            SlotType::Tuple(_) => Recipe::Tuple(val.items().iter().map(|item| self.recipe(function, item)).collect()),
            SlotType::Range => Recipe::Range(words[0], words[1], words[2]),
            SlotType::RangeIter(_) => Recipe::RangeIter(words[0], words[1], words[2]),
            SlotType::SeqIter(_) => {
                let (seq, rest) = val.inner().expect("an iterator has a sequence");
                Recipe::SeqIter(Box::new(self.recipe(function, &seq)), rest[0])
            }
            SlotType::TupleIter(_, position) => {
                let items = val.items().iter().map(|item| self.recipe(function, item)).collect();
                let index = self.b.i64(i64::from(*position));
                Recipe::SeqIter(Box::new(Recipe::Tuple(items)), index)
            }
            SlotType::Enumerate(_) => {
                let (iter, rest) = val.inner().expect("an enumerate has an iterator");
                Recipe::Enumerate(rest[0], Box::new(self.recipe(function, &iter)))
            }
            SlotType::Zip(_, strict) => {
                Recipe::Zip(val.items().iter().map(|item| self.recipe(function, item)).collect(), *strict)
            }
            SlotType::Slice(_) => {
                let parts: Vec<Recipe> = val.items().iter().map(|item| self.recipe(function, item)).collect();
                let [a, b, c]: [Recipe; 3] = parts.try_into().expect("a slice has three parts");
                Recipe::Slice(Box::new([a, b, c]))
            }
            SlotType::Const(owner, index) if *owner == function => Recipe::Const(ConstIdx(*index)),
            SlotType::Const(owner, index) => Recipe::Known(self.world.constant(*owner, *index)),
            SlotType::Known(object) => Recipe::Known(*object),
            SlotType::Shared(object) => Recipe::Shared(*object),
            SlotType::OuterCell(owner, slot) => self.outer_cell_recipe(*owner, *slot),
            SlotType::Method(_, name) => {
                let (receiver, _) = val.inner().expect("a method has a receiver");
                Recipe::Attribute(Box::new(self.recipe(function, &receiver)), name.clone())
            }
            SlotType::Opaque(place) | SlotType::Untyped(place) => Recipe::Entry(SlotIdx(*place)),
            SlotType::Held { .. } => Recipe::Held(words[0], words[1], words[2]),
            SlotType::EntryCell
            | SlotType::EntryFunction(_)
            | SlotType::EntryAlias(_)
            | SlotType::EntryEnumerate(..)
            | SlotType::EntryZip(..)
            | SlotType::EntryReversed(..) => Recipe::Unbound,
        }
    }

    fn array_recipe(&mut self, val: &Val) -> Recipe {
        let parts = ArrayParts::of(val).expect("an array");
        let owner = match parts.owner {
            Owner::Entry(slot) | Owner::ViewOfEntry(slot) => Recipe::Entry(SlotIdx(slot)),
            Owner::Known(object) | Owner::ViewOfKnown(object) => Recipe::Known(object),
            Owner::Made | Owner::ViewOfMade | Owner::Lent | Owner::ViewOfLent => {
                Recipe::Borrowed(parts.object.expect("the object travels along"))
            }
        };
        parts.recipe(&mut self.b, owner)
    }

    /// Leaves before the operation unless `cond`.
    pub(super) fn guard(&mut self, cond: Value, reason: Reason) {
        let exit = self.exit_here(reason);
        self.b.guard(cond, exit);
    }

    /// Leaves before the operation if `cond`.
    pub(super) fn guard_not(&mut self, cond: Value, reason: Reason) {
        let no = self.b.i1(false);
        let ok = self.b.icmp(IntCC::Eq, cond, no);
        self.guard(ok, reason);
    }
}
