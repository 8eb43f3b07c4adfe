//! Conditions: branches on expressions, and the operators that evaluate only some of their operands.
//!
//! The position of a branch follows CPython 3.11: that of the statement or expression whose condition it is, except that
//! a comparison moves it to itself, for all that follows up to the next statement.

use flashpoint_ir::generic::*;

use super::emit::{Build, Builder, Label};
use super::expr::Multi;
use crate::syntax::*;

impl<'a> Builder<'a> {
    /// Evaluates `test` and goes on at one of the labels. Without a value: nothing is copied for it.
    pub fn jump_if(&mut self, test: &'a Expr, if_true: Label, if_false: Label) -> Build {
        if let Some(value) = self.const_of(test) {
            self.jump(if is_true(&value) { if_true } else { if_false });
            return Ok(());
        }
        match &test.kind {
            ExprKind::UnaryOp { op: UnOp::Not, operand } => self.jump_if(operand, if_false, if_true),
            ExprKind::BoolOp { op, values } => {
                let Some((last, firsts)) = values.split_last() else { return Err(self.refuse("an empty operator")) };
                for value in firsts {
                    let next = self.label();
                    match op {
                        BoolOp::And => self.jump_if(value, next, if_false)?,
                        BoolOp::Or => self.jump_if(value, if_true, next)?,
                    }
                    self.place(next);
                }
                self.jump_if(last, if_true, if_false)
            }
            ExprKind::IfExp { test: inner, body, orelse } => {
                let (then, other) = (self.label(), self.label());
                self.jump_if(inner, then, other)?;
                self.place(then);
                self.jump_if(body, if_true, if_false)?;
                self.place(other);
                self.jump_if(orelse, if_true, if_false)
            }
            ExprKind::Compare { left, ops, comparators } => {
                self.loc = test.span;
                self.jump_compare(left, ops, comparators, if_true, if_false)
            }
            _ => {
                let cond = self.operand(test)?;
                self.branch(cond, if_true, if_false);
                Ok(())
            }
        }
    }

    /// `a < b < c` as a condition.
    fn jump_compare(
        &mut self,
        left: &'a Expr,
        ops: &'a [CmpOp],
        comparators: &'a [Expr],
        if_true: Label,
        if_false: Label,
    ) -> Build {
        let mut lhs = self.operand(left)?;
        let mut held: Option<Multi> = None;
        let n_links = ops.len().min(comparators.len());
        for (idx, (&op, comparator)) in ops.iter().zip(comparators).enumerate() {
            if idx + 1 == n_links {
                let rhs = self.operand(comparator)?;
                let cond = self.temp();
                self.emit(GenericOp::Compare { op, dst: cond, lhs, rhs });
                if let Some(held) = held.take() {
                    self.end_multi(&held);
                }
                self.branch(cond, if_true, if_false);
                break;
            }
            let middle = self.multi(comparator)?;
            let rhs = self.read_multi(&middle);
            let cond = self.temp();
            self.emit(GenericOp::Compare { op, dst: cond, lhs, rhs });
            if let Some(held) = held.take() {
                self.end_multi(&held);
            }
            let next = self.label();
            if let Multi::Pinned(_) = middle {
                let fails = self.label();
                self.branch(cond, next, fails);
                self.place(fails);
                self.drop_multi(&middle);
                self.jump(if_false);
            } else {
                self.branch(cond, next, if_false);
            }
            self.place(next);
            lhs = self.read_multi(&middle);
            held = Some(middle);
        }
        Ok(())
    }

    /// A comparison as a value; a chain gives the first false link's value, or the last one's.
    pub fn compare(
        &mut self,
        left: &'a Expr,
        ops: &'a [CmpOp],
        comparators: &'a [Expr],
        dst: Option<SlotIdx>,
    ) -> Build<SlotIdx> {
        let mut lhs = self.operand(left)?;
        let (Some((&last_op, first_ops)), Some((last, middles))) = (ops.split_last(), comparators.split_last()) else {
            return Err(self.refuse("a comparison without operators"));
        };
        if first_ops.is_empty() {
            let rhs = self.operand(last)?;
            let dst = self.or_temp(dst);
            self.emit(GenericOp::Compare { op: last_op, dst, lhs, rhs });
            return Ok(dst);
        }

        let dst = self.or_temp(dst);
        let end = self.label();
        let mut held: Option<Multi> = None;
        for (&op, comparator) in first_ops.iter().zip(middles) {
            let middle = self.multi(comparator)?;
            let rhs = self.read_multi(&middle);
            let link = self.pinned();
            self.emit(GenericOp::Compare { op, dst: link, lhs, rhs });
            if let Some(held) = held.take() {
                self.end_multi(&held);
            }
            let (next, fails) = (self.label(), self.label());
            self.branch(link, next, fails);
            self.place(fails);
            self.emit(GenericOp::Move { dst, src: link });
            self.emit(GenericOp::Drop { slot: link });
            self.drop_multi(&middle);
            self.jump(end);
            self.place(next);
            self.drop_pinned(link);
            lhs = self.read_multi(&middle);
            held = Some(middle);
        }
        let rhs = self.operand(last)?;
        self.emit(GenericOp::Compare { op: last_op, dst, lhs, rhs });
        if let Some(held) = held {
            self.end_multi(&held);
        }
        self.place(end);
        Ok(dst)
    }

    /// `and`, `or` as a value: that of the operand that decided.
    pub fn bool_op(&mut self, op: BoolOp, values: &'a [Expr], dst: Option<SlotIdx>) -> Build<SlotIdx> {
        let Some((last, firsts)) = values.split_last() else { return Err(self.refuse("an empty operator")) };
        let dst = self.or_temp(dst);
        let end = self.label();
        for value in firsts {
            let held = self.multi(value)?;
            let cond = self.read_multi(&held);
            let (next, decided) = (self.label(), self.label());
            match op {
                BoolOp::And => self.branch(cond, next, decided),
                BoolOp::Or => self.branch(cond, decided, next),
            }
            self.place(decided);
            let src = self.read_multi(&held);
            self.emit(GenericOp::Move { dst, src });
            self.drop_multi(&held);
            self.jump(end);
            self.place(next);
            self.end_multi(&held);
        }
        self.expr(last, Some(dst))?;
        self.place(end);
        Ok(dst)
    }

    /// `body if test else orelse`.
    pub fn if_exp(&mut self, test: &'a Expr, body: &'a Expr, orelse: &'a Expr, dst: Option<SlotIdx>) -> Build<SlotIdx> {
        let (then, other, end) = (self.label(), self.label(), self.label());
        let dst = self.or_temp(dst);
        self.jump_if(test, then, other)?;
        self.place(then);
        self.expr(body, Some(dst))?;
        self.jump(end);
        self.place(other);
        self.expr(orelse, Some(dst))?;
        self.place(end);
        Ok(dst)
    }
}

/// The truth of a constant.
pub(super) fn is_true(value: &Const) -> bool {
    match value {
        Const::None => false,
        Const::Ellipsis => true,
        Const::Bool(value) => *value,
        Const::Int(value) => *value != 0,
        Const::BigInt(_) => true,
        Const::Float(bits) => f64::from_bits(*bits) != 0.0,
        Const::Complex(re, im) => f64::from_bits(*re) != 0.0 || f64::from_bits(*im) != 0.0,
        Const::Str(text) => !text.is_empty(),
        Const::Bytes(bytes) => !bytes.is_empty(),
        Const::Tuple(items) => !items.is_empty(),
    }
}
