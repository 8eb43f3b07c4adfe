//! Assignment: to names, attributes, items and nested targets; augmented assignment; `del`.

use flashpoint_ir::generic::*;

use super::call::is_starred;
use super::emit::{Build, Builder, Variable};
use crate::syntax::*;

impl<'a> Builder<'a> {
    /// `a = b = value`.
    pub fn assign(&mut self, targets: &'a [Expr], value: &'a Expr) -> Build {
        if let [target] = targets {
            return self.assign_one(target, value);
        }
        // A constant is loaded for every target: that is cheaper than keeping it.
        if let Some(value) = self.const_of(value) {
            for target in targets {
                let dst = self.direct_target(target);
                let src = self.constant(value.clone(), dst);
                if dst.is_none() {
                    self.store(target, src)?;
                }
            }
            return Ok(());
        }
        let held = self.pinned();
        self.expr(value, Some(held))?;
        for target in targets {
            self.store(target, held)?;
        }
        self.drop_pinned(held);
        Ok(())
    }

    fn assign_one(&mut self, target: &'a Expr, value: &'a Expr) -> Build {
        if let Some(dst) = self.direct_target(target) {
            self.expr(value, Some(dst))?;
            return Ok(());
        }
        if let (ExprKind::Tuple { elts: targets } | ExprKind::List { elts: targets }, ExprKind::Tuple { elts: values }) =
            (&target.kind, &value.kind)
            && targets.len() == values.len()
            && !targets.iter().chain(values).any(is_starred)
        {
            return self.assign_parallel(targets, values);
        }
        let src = self.operand(value)?;
        self.store(target, src)
    }

    /// `a, b = x, y` without making a tuple: all values first, then all stores in order.
    fn assign_parallel(&mut self, targets: &'a [Expr], values: &'a [Expr]) -> Build {
        let mut sources = Vec::new();
        for (idx, value) in values.iter().enumerate() {
            let src = self.operand(value)?;
            // A variable that an earlier store of this statement changes is copied.
            let is_changed = !self.is_temp(src) && targets[..idx].iter().any(|target| self.binds(target, src));
            sources.push(match is_changed {
                true => {
                    let copy = self.temp();
                    self.emit(GenericOp::Move { dst: copy, src });
                    copy
                }
                false => src,
            });
        }
        for (target, src) in targets.iter().zip(sources) {
            self.store(target, src)?;
        }
        Ok(())
    }

    /// Whether storing to `target` changes the local in `slot`.
    fn binds(&mut self, target: &Expr, slot: SlotIdx) -> bool {
        match &target.kind {
            ExprKind::Name { id } => self.variable(id) == Variable::Local(slot),
            ExprKind::Tuple { elts } | ExprKind::List { elts } => elts.iter().any(|elt| self.binds(elt, slot)),
            ExprKind::Starred { value } => self.binds(value, slot),
            _ => false,
        }
    }

    /// The slot of a target that is a plain local variable.
    pub fn direct_target(&mut self, target: &Expr) -> Option<SlotIdx> {
        let ExprKind::Name { id } = &target.kind else { return None };
        match self.variable(id) {
            Variable::Local(slot) => Some(slot),
            _ => None,
        }
    }

    /// Binds a name to the value in `src`.
    pub fn store_name(&mut self, id: &str, src: SlotIdx) {
        match self.variable(id) {
            Variable::Local(dst) => self.emit(GenericOp::Move { dst, src }),
            Variable::Cell(cell) => self.emit(GenericOp::StoreCell { cell, src }),
            Variable::Global(name) => self.emit(GenericOp::StoreGlobal { name, src }),
        }
    }

    /// Unbinds a name.
    pub fn delete_name(&mut self, id: &str) {
        match self.variable(id) {
            Variable::Local(slot) => self.emit(GenericOp::Delete { slot }),
            Variable::Cell(cell) => self.emit(GenericOp::DeleteCell { cell }),
            Variable::Global(name) => self.emit(GenericOp::DeleteGlobal { name }),
        }
    }

    /// Stores the value in `src` to a target.
    pub fn store(&mut self, target: &'a Expr, src: SlotIdx) -> Build {
        let loc = std::mem::replace(&mut self.loc, target.span);
        match &target.kind {
            ExprKind::Name { id } => self.store_name(id, src),
            ExprKind::Attribute { value, attr } => {
                let object = self.operand(value)?;
                self.move_to_attr(target, attr);
                let name = self.name(attr);
                self.emit(GenericOp::StoreAttr { object, name, src });
            }
            ExprKind::Subscript { value, slice } => {
                let object = self.operand(value)?;
                let index = self.operand(slice)?;
                self.emit(GenericOp::SetItem { object, index, src });
            }
            ExprKind::Tuple { elts } | ExprKind::List { elts } => self.unpack(elts, src)?,
            _ => return Err(self.refuse("this assignment target")),
        }
        self.loc = loc;
        Ok(())
    }

    /// Unpacks `src` into targets. Plain locals are written at once as long as no other target comes before them.
    fn unpack(&mut self, targets: &'a [Expr], src: SlotIdx) -> Build {
        let mut slots = Vec::new();
        let mut stores = Vec::new();
        let mut direct = true;
        for target in targets {
            let inner = match &target.kind {
                ExprKind::Starred { value } => &**value,
                _ => target,
            };
            let slot = match self.direct_target(inner) {
                Some(slot) if direct => slot,
                _ => {
                    direct = false;
                    let slot = self.temp();
                    stores.push((inner, slot));
                    slot
                }
            };
            slots.push(slot);
        }
        let star_at = targets.iter().position(is_starred);
        let (before, star, after) = match star_at {
            Some(at) => (&slots[..at], Some(slots[at]), &slots[at + 1..]),
            None => (&slots[..], None, &slots[..0]),
        };
        self.emit(GenericOp::Unpack { src, before: before.into(), star, after: after.into() });
        for (target, slot) in stores {
            self.store(target, slot)?;
        }
        Ok(())
    }

    /// Takes the next value of `iter` straight into the target of a loop.
    pub fn for_target(&mut self, target: &'a Expr, iter: SlotIdx, exhausted: super::emit::Label) -> Build {
        let direct = self.direct_target(target);
        let dst = self.or_temp(direct);
        self.emit(GenericOp::ForNext { dst, iter, exhausted: exhausted.pc() });
        if direct.is_none() {
            self.store(target, dst)?;
        }
        Ok(())
    }

    /// `target op= value`: the target's parts are evaluated once.
    pub fn aug_assign(&mut self, target: &'a Expr, op: BinOp, value: &'a Expr) -> Build {
        let statement = self.loc;
        self.loc = target.span;
        match &target.kind {
            ExprKind::Name { id } => {
                let lhs = self.load_name(id, None);
                let rhs = self.operand(value)?;
                self.loc = statement;
                let direct = self.direct_target(target);
                let dst = self.or_temp(direct);
                self.emit(GenericOp::InPlace { op, dst, lhs, rhs });
                if direct.is_none() {
                    self.store_name(id, dst);
                }
            }
            ExprKind::Attribute { value: object, attr } => {
                let object = self.multi(object)?;
                let name = self.name(attr);
                let read = self.read_multi(&object);
                self.move_to_attr(target, attr);
                let lhs = self.temp();
                self.emit(GenericOp::LoadAttr { dst: lhs, object: read, name });
                let src = self.in_place(op, lhs, value, statement)?;
                self.loc = target.span;
                self.move_to_attr(target, attr);
                let read = self.read_multi(&object);
                self.emit(GenericOp::StoreAttr { object: read, name, src });
                self.end_multi(&object);
            }
            ExprKind::Subscript { value: object, slice } => {
                let object = self.multi(object)?;
                let index = self.multi(slice)?;
                let (read, at) = (self.read_multi(&object), self.read_multi(&index));
                let lhs = self.temp();
                self.emit(GenericOp::GetItem { dst: lhs, object: read, index: at });
                let src = self.in_place(op, lhs, value, statement)?;
                self.loc = target.span;
                let (read, at) = (self.read_multi(&object), self.read_multi(&index));
                self.emit(GenericOp::SetItem { object: read, index: at, src });
                self.end_multi(&index);
                self.end_multi(&object);
            }
            _ => return Err(self.refuse("this target of an augmented assignment")),
        }
        self.loc = statement;
        Ok(())
    }

    fn in_place(&mut self, op: BinOp, lhs: SlotIdx, value: &'a Expr, statement: Span) -> Build<SlotIdx> {
        let rhs = self.operand(value)?;
        let dst = self.temp();
        self.emit_at(statement, GenericOp::InPlace { op, dst, lhs, rhs });
        Ok(dst)
    }

    /// `target: annotation = value`. Annotations of locals are not evaluated; without a value, the parts of an attribute
    /// or item are.
    pub fn ann_assign(&mut self, target: &'a Expr, value: Option<&'a Expr>) -> Build {
        if let Some(value) = value {
            return self.assign_one(target, value);
        }
        match &target.kind {
            ExprKind::Attribute { value, .. } => self.discard(value),
            ExprKind::Subscript { value, slice } => {
                self.discard(value)?;
                self.discard_index(slice)
            }
            _ => Ok(()),
        }
    }

    fn discard_index(&mut self, index: &'a Expr) -> Build {
        match &index.kind {
            ExprKind::Slice { lower, upper, step } => {
                [lower, upper, step].into_iter().flatten().try_for_each(|part| self.discard(part))
            }
            ExprKind::Tuple { elts } => elts.iter().try_for_each(|elt| self.discard_index(elt)),
            _ => self.discard(index),
        }
    }

    /// `del target`.
    pub fn delete(&mut self, target: &'a Expr) -> Build {
        let loc = std::mem::replace(&mut self.loc, target.span);
        match &target.kind {
            ExprKind::Name { id } => self.delete_name(id),
            ExprKind::Attribute { value, attr } => {
                let object = self.operand(value)?;
                self.move_to_attr(target, attr);
                let name = self.name(attr);
                self.emit(GenericOp::DeleteAttr { object, name });
            }
            ExprKind::Subscript { value, slice } => {
                let object = self.operand(value)?;
                let index = self.operand(slice)?;
                self.emit(GenericOp::DeleteItem { object, index });
            }
            ExprKind::Tuple { elts } | ExprKind::List { elts } => {
                elts.iter().try_for_each(|elt| self.delete(elt))?;
            }
            _ => return Err(self.refuse("this target of `del`")),
        }
        self.loc = loc;
        Ok(())
    }
}
