//! Expressions: names, operators, attributes, items, f-strings. Each yields a slot.

use flashpoint_ir::generic::*;

use super::emit::{Build, Builder, Variable};
use crate::syntax::*;

/// A value that is read several times. A constant is loaded again at each read.
#[derive(Clone, Debug)]
pub(super) enum Multi {
    Named(SlotIdx),
    Const(Const),
    Pinned(SlotIdx),
}

impl<'a> Builder<'a> {
    /// The value as an operand: the variable's own slot where nothing can change it before the operation reads it, else
    /// a temporary.
    pub fn operand(&mut self, expr: &'a Expr) -> Build<SlotIdx> {
        if let ExprKind::Name { id } = &expr.kind
            && let Some(slot) = self.stable_local(id)
        {
            self.emit_at(expr.span, GenericOp::CheckBound { slot });
            return Ok(slot);
        }
        self.expr(expr, None)
    }

    /// The value for several reads; ends with [`Builder::end_multi`].
    pub fn multi(&mut self, expr: &'a Expr) -> Build<Multi> {
        if let Some(value) = self.const_of(expr) {
            return Ok(Multi::Const(value));
        }
        if let ExprKind::Name { id } = &expr.kind
            && let Some(slot) = self.stable_local(id)
        {
            self.emit_at(expr.span, GenericOp::CheckBound { slot });
            return Ok(Multi::Named(slot));
        }
        let dst = self.pinned();
        self.expr(expr, Some(dst))?;
        Ok(Multi::Pinned(dst))
    }

    /// A slot to read the value from, once.
    pub fn read_multi(&mut self, multi: &Multi) -> SlotIdx {
        match multi {
            Multi::Named(slot) | Multi::Pinned(slot) => *slot,
            Multi::Const(value) => self.constant(value.clone(), None),
        }
    }

    /// The value is not read again on this path.
    pub fn drop_multi(&mut self, multi: &Multi) {
        if let Multi::Pinned(slot) = *multi {
            self.emit(GenericOp::Drop { slot });
        }
    }

    /// The value is not read again on any path; it was dropped on all.
    pub fn free_multi(&mut self, multi: &Multi) {
        if let Multi::Pinned(slot) = *multi {
            self.free_pinned(slot);
        }
    }

    /// Drops the value for good.
    pub fn end_multi(&mut self, multi: &Multi) {
        self.drop_multi(multi);
        self.free_multi(multi);
    }

    /// Evaluates for the effects alone.
    pub fn discard(&mut self, expr: &'a Expr) -> Build {
        if self.const_of(expr).is_some() {
            return Ok(());
        }
        let slot = self.operand(expr)?;
        if self.is_temp(slot) {
            self.emit(GenericOp::Drop { slot });
        }
        Ok(())
    }

    /// Evaluates into `dst` if given, else into a temporary (or, for names, without a copy where that is safe).
    /// Operations between take the expression's own position; the position before is restored.
    pub fn expr(&mut self, expr: &'a Expr, dst: Option<SlotIdx>) -> Build<SlotIdx> {
        let loc = std::mem::replace(&mut self.loc, expr.span);
        let slot = self.expr_here(expr, dst);
        self.loc = loc;
        slot
    }

    fn expr_here(&mut self, expr: &'a Expr, dst: Option<SlotIdx>) -> Build<SlotIdx> {
        if let Some(value) = self.const_of(expr) {
            return Ok(self.constant(value, dst));
        }
        match &expr.kind {
            ExprKind::Constant { value } => Ok(self.constant(value.clone(), dst)),
            ExprKind::Name { id } => Ok(self.load_name(id, dst)),
            ExprKind::NamedExpr { target, value } => self.named_expr(target, value, dst),
            ExprKind::BinOp { left, op, right } => {
                let lhs = self.operand(left)?;
                let rhs = self.operand(right)?;
                let dst = self.or_temp(dst);
                self.emit(GenericOp::Binary { op: *op, dst, lhs, rhs });
                Ok(dst)
            }
            ExprKind::UnaryOp { op, operand } => {
                let src = self.operand(operand)?;
                let dst = self.or_temp(dst);
                self.emit(GenericOp::Unary { op: *op, dst, src });
                Ok(dst)
            }
            ExprKind::BoolOp { op, values } => self.bool_op(*op, values, dst),
            ExprKind::Compare { left, ops, comparators } => self.compare(left, ops, comparators, dst),
            ExprKind::IfExp { test, body, orelse } => self.if_exp(test, body, orelse, dst),
            ExprKind::Attribute { value, attr } => {
                let object = self.operand(value)?;
                self.move_to_attr(expr, attr);
                let name = self.name(attr);
                let dst = self.or_temp(dst);
                self.emit(GenericOp::LoadAttr { dst, object, name });
                Ok(dst)
            }
            ExprKind::Subscript { value, slice } => {
                let object = self.operand(value)?;
                let index = self.operand(slice)?;
                let dst = self.or_temp(dst);
                self.emit(GenericOp::GetItem { dst, object, index });
                Ok(dst)
            }
            ExprKind::Slice { lower, upper, step } => {
                let start = self.operand_or_none(lower.as_deref())?;
                let stop = self.operand_or_none(upper.as_deref())?;
                let step = self.operand_or_none(step.as_deref())?;
                let dst = self.or_temp(dst);
                self.emit(GenericOp::BuildSlice { dst, start, stop, step });
                Ok(dst)
            }
            ExprKind::Call { func, args, keywords } => self.call(expr, func, args, keywords, dst),
            ExprKind::Tuple { elts } => self.tuple_display(elts, dst),
            ExprKind::List { elts } => self.list_display(elts, dst),
            ExprKind::Set { elts } => self.set_display(elts, dst),
            ExprKind::Dict { keys, values } => self.dict_display(keys, values, dst),
            ExprKind::JoinedStr { values } => self.joined_str(values, dst),
            ExprKind::FormattedValue { value, conversion, format_spec } => {
                self.formatted_value(value, *conversion, format_spec.as_deref(), dst)
            }
            ExprKind::Lambda(lambda) => {
                let function = self.lambda(lambda)?;
                Ok(self.move_to(function, dst))
            }
            ExprKind::ListComp { generators, .. }
            | ExprKind::SetComp { generators, .. }
            | ExprKind::DictComp { generators, .. }
            | ExprKind::GeneratorExp { generators, .. } => self.comprehension(expr, generators, dst),
            ExprKind::Await { .. } | ExprKind::Yield { .. } | ExprKind::YieldFrom { .. } => {
                Err(super::NotCompiled::new(flashpoint_ir::reason::Reason::Generator, expr.span, ""))
            }
            ExprKind::Starred { .. } => Err(self.refuse("a starred expression here")),
            ExprKind::Unknown { kind } => Err(self.refuse(format!("`ast.{kind}`"))),
        }
    }

    fn operand_or_none(&mut self, expr: Option<&'a Expr>) -> Build<SlotIdx> {
        match expr {
            Some(expr) => self.operand(expr),
            None => Ok(self.constant(Const::None, None)),
        }
    }

    /// The value of an expression that Python's own compiler makes a constant of: literals, negated numbers, tuples of
    /// constants, `__debug__`.
    pub fn const_of(&self, expr: &Expr) -> Option<Const> {
        match &expr.kind {
            ExprKind::Constant { value } => Some(value.clone()),
            ExprKind::Name { id } if id == "__debug__" => Some(Const::Bool(self.shared.module.debug)),
            ExprKind::UnaryOp { op: UnOp::Neg, operand } => negated(&self.const_of(operand)?),
            ExprKind::Tuple { elts } => {
                elts.iter().map(|elt| self.const_of(elt)).collect::<Option<Vec<_>>>().map(Const::Tuple)
            }
            _ => None,
        }
    }

    /// Moves the position to the line of the attribute's name, as CPython does for chains that span lines.
    pub fn move_to_attr(&mut self, attribute: &Expr, attr: &str) {
        let end = attribute.span;
        if self.loc.line != end.end_line {
            self.loc.line = end.end_line;
            let len = attr.chars().count() as u32;
            self.loc.col = end.end_col.saturating_sub(len);
        }
    }

    /// Loads a variable. Without `dst`, a local that no expression rebinds is given as it is.
    pub fn load_name(&mut self, id: &str, dst: Option<SlotIdx>) -> SlotIdx {
        match self.variable(id) {
            Variable::Local(src) => {
                self.emit(GenericOp::CheckBound { slot: src });
                if dst.is_none() && self.stable_local(id).is_some() {
                    return src;
                }
                let dst = self.or_temp(dst);
                self.emit(GenericOp::Move { dst, src });
                dst
            }
            Variable::Cell(cell) => {
                let dst = self.or_temp(dst);
                self.emit(GenericOp::LoadCell { dst, cell });
                dst
            }
            Variable::Global(name) => {
                let dst = self.or_temp(dst);
                self.emit(GenericOp::LoadGlobal { dst, name });
                dst
            }
        }
    }

    fn named_expr(&mut self, target: &'a Expr, value: &'a Expr, dst: Option<SlotIdx>) -> Build<SlotIdx> {
        let ExprKind::Name { id } = &target.kind else { return Err(self.refuse("this target of `:=`")) };
        if let Variable::Local(variable) = self.variable(id) {
            self.expr(value, Some(variable))?;
            let dst = self.or_temp(dst);
            self.emit(GenericOp::Move { dst, src: variable });
            return Ok(dst);
        }
        let held = self.multi(value)?;
        let src = self.read_multi(&held);
        self.store_name(id, src);
        let src = self.read_multi(&held);
        let dst = self.or_temp(dst);
        self.emit(GenericOp::Move { dst, src });
        self.end_multi(&held);
        Ok(dst)
    }

    fn joined_str(&mut self, values: &'a [Expr], dst: Option<SlotIdx>) -> Build<SlotIdx> {
        match values {
            [] => Ok(self.constant(Const::Str(String::new()), dst)),
            [single] => self.expr(single, dst),
            _ => {
                let mut parts = Vec::new();
                for value in values {
                    parts.push(self.operand(value)?);
                }
                let dst = self.or_temp(dst);
                self.emit(GenericOp::BuildString { dst, parts: parts.into() });
                Ok(dst)
            }
        }
    }

    fn formatted_value(
        &mut self,
        value: &'a Expr,
        conversion: i32,
        format_spec: Option<&'a Expr>,
        dst: Option<SlotIdx>,
    ) -> Build<SlotIdx> {
        let conversion = match u8::try_from(conversion) {
            Err(_) => Conversion::None,
            Ok(b's') => Conversion::Str,
            Ok(b'r') => Conversion::Repr,
            Ok(b'a') => Conversion::Ascii,
            Ok(_) => return Err(self.refuse("this conversion of an f-string")),
        };
        let src = self.operand(value)?;
        let spec = match format_spec {
            Some(spec) => Some(self.operand(spec)?),
            None => None,
        };
        let dst = self.or_temp(dst);
        self.emit(GenericOp::FormatValue { dst, src, conversion, spec });
        Ok(dst)
    }
}

/// `-value` for numbers.
fn negated(value: &Const) -> Option<Const> {
    let negate_bits = |bits: u64| (-f64::from_bits(bits)).to_bits();
    Some(match value {
        Const::Int(value) => match value.checked_neg() {
            Some(value) => Const::Int(value),
            None => Const::BigInt("9223372036854775808".into()),
        },
        Const::BigInt(digits) => match digits.strip_prefix('-') {
            Some(digits) => Const::BigInt(digits.into()),
            None if digits == "9223372036854775808" => Const::Int(i64::MIN),
            None => Const::BigInt(format!("-{digits}")),
        },
        Const::Float(bits) => Const::Float(negate_bits(*bits)),
        Const::Complex(re, im) => Const::Complex(negate_bits(*re), negate_bits(*im)),
        _ => return None,
    })
}
