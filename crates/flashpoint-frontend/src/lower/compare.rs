//! Comparisons.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{CmpOp, Const};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, FloatCC, IntCC, Type};

use super::state::Val;
use super::types::SlotType;
use super::{Low, Lowering, untyped};

impl Lowering<'_> {
    pub(super) fn compare(&mut self, op: CmpOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        use SlotType::{Bool, Complex, Float, Int, Int128, None as PyNone, Numpy, Tuple};
        match (op, &lhs.ty, &rhs.ty) {
            (CmpOp::Is | CmpOp::IsNot, _, _) => self.compare_identity(op, lhs, rhs),
            (CmpOp::In | CmpOp::NotIn, _, Tuple(_)) => {
                let mut found = self.b.i1(false);
                for item in rhs.items() {
                    let equal = self.compare(CmpOp::Eq, lhs, &item)?;
                    let equal = self.truth(&equal)?;
                    found = self.b.binary(BinaryOp::Or, found, equal);
                }
                Ok(Val::bool(if op == CmpOp::In { found } else { self.is_false(found) }))
            }
            (CmpOp::In | CmpOp::NotIn, _, other) => untyped(format!("`in` on {}", other.describe())),
            (_, Bool | Int, Bool | Int) => {
                let (a, b) = (self.to_i64(lhs), self.to_i64(rhs));
                Ok(Val::bool(self.b.icmp(int_cc(op), a, b)))
            }
            (_, Bool | Int | Int128, Bool | Int | Int128) => {
                let widen = |this: &mut Self, val: &Val| match val.ty {
                    Int128 => val.word(),
                    _ => {
                        let narrow = this.to_i64(val);
                        this.b.convert(ConvertOp::Sext, narrow, Type::I128)
                    }
                };
                let (a, b) = (widen(self, lhs), widen(self, rhs));
                Ok(Val::bool(self.b.icmp(int_cc(op), a, b)))
            }
            (_, Float, Float) => Ok(Val::bool(self.b.fcmp(float_cc(op), lhs.word(), rhs.word()))),
            (_, Bool | Int, Float) => {
                let narrow = self.to_i64(lhs);
                let a = self.exact_float(narrow, Reason::InexactCompare);
                Ok(Val::bool(self.b.fcmp(float_cc(op), a, rhs.word())))
            }
            (_, Float, Bool | Int) => {
                let narrow = self.to_i64(rhs);
                let b = self.exact_float(narrow, Reason::InexactCompare);
                Ok(Val::bool(self.b.fcmp(float_cc(op), lhs.word(), b)))
            }
            (_, Int128, Float) | (_, Float, Int128) => untyped("comparing an integer of 128 bits with a float"),
            (CmpOp::Eq | CmpOp::Ne, Complex, Complex) => {
                let re = self.b.fcmp(FloatCC::Eq, lhs.words[0], rhs.words[0]);
                let im = self.b.fcmp(FloatCC::Eq, lhs.words[1], rhs.words[1]);
                let equal = self.b.binary(BinaryOp::And, re, im);
                Ok(Val::bool(if op == CmpOp::Eq { equal } else { self.is_false(equal) }))
            }
            (CmpOp::Eq | CmpOp::Ne, Complex, Float | Int | Bool)
            | (CmpOp::Eq | CmpOp::Ne, Float | Int | Bool, Complex) => {
                let (complex, real) = if lhs.ty == Complex { (lhs, rhs) } else { (rhs, lhs) };
                let re = Val::float(complex.words[0]);
                let same = self.compare(CmpOp::Eq, &re, real)?;
                let zero = self.b.f64(0.0);
                let no_im = self.b.fcmp(FloatCC::Eq, complex.words[1], zero);
                let equal = self.b.binary(BinaryOp::And, same.word(), no_im);
                Ok(Val::bool(if op == CmpOp::Eq { equal } else { self.is_false(equal) }))
            }
            // A `float64` is a Python float to a complex number on its left.
            (CmpOp::Eq | CmpOp::Ne, Complex, Numpy(DType::F64)) => self.compare(op, lhs, &Val::float(rhs.word())),
            (_, Numpy(_), Numpy(_) | Bool | Int | Float | Complex) | (_, Bool | Int | Float | Complex, Numpy(_)) => {
                self.numpy_compare(op, lhs, rhs)
            }
            (CmpOp::Eq | CmpOp::Ne, PyNone, Bool | Int | Int128 | Float | Complex)
            | (CmpOp::Eq | CmpOp::Ne, Bool | Int | Int128 | Float | Complex, PyNone) => {
                Ok(Val::bool(self.b.i1(op == CmpOp::Ne)))
            }
            (CmpOp::Eq | CmpOp::Ne, PyNone, PyNone) => Ok(Val::bool(self.b.i1(op == CmpOp::Eq))),
            (CmpOp::Eq | CmpOp::Ne, SlotType::Const(..), SlotType::Const(..)) => {
                let Some(same) = self.same_text(lhs, rhs) else { return untyped("comparing constants") };
                Ok(Val::bool(self.b.i1(same == (op == CmpOp::Eq))))
            }
            (CmpOp::Eq | CmpOp::Ne, Tuple(a), Tuple(b)) => {
                let mut equal = self.b.i1(a.len() == b.len());
                if a.len() == b.len() {
                    for (x, y) in lhs.items().iter().zip(&rhs.items()) {
                        let same = self.compare(CmpOp::Eq, x, y)?;
                        let same = self.truth(&same)?;
                        let both = if planted(Defect::TupleEqualityAny) { BinaryOp::Or } else { BinaryOp::And };
                        equal = self.b.binary(both, equal, same);
                    }
                }
                Ok(Val::bool(if op == CmpOp::Eq { equal } else { self.is_false(equal) }))
            }
            (_, a, b) => untyped(format!("comparing {} with {}", a.describe(), b.describe())),
        }
    }

    /// Whether two text constants are equal.
    fn same_text(&self, lhs: &Val, rhs: &Val) -> Option<bool> {
        let text = |val: &Val| match val.ty {
            SlotType::Const(function, index) => match &self.functions[&function].generic.consts[index as usize] {
                Const::Str(text) => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        Some(text(lhs)? == text(rhs)?)
    }

    fn compare_identity(&mut self, op: CmpOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        use SlotType::{Bool, None as PyNone};
        let same = match (&lhs.ty, &rhs.ty) {
            (PyNone, PyNone) => self.b.i1(true),
            (Bool, Bool) => self.b.icmp(IntCC::Eq, lhs.word(), rhs.word()),
            (SlotType::Shared(a), SlotType::Shared(b)) => self.b.i1(a == b),
            (SlotType::Opaque(_) | SlotType::Untyped(_) | SlotType::Known(_) | SlotType::Const(..), _)
            | (_, SlotType::Opaque(_) | SlotType::Untyped(_) | SlotType::Known(_) | SlotType::Const(..)) => {
                return untyped("`is` between objects");
            }
            // Types of one value each, or of values that are never the same object.
            (PyNone | Bool, _) | (_, PyNone | Bool) => self.b.i1(false),
            _ => return untyped("`is` between numbers or arrays"),
        };
        Ok(Val::bool(if op == CmpOp::Is { same } else { self.is_false(same) }))
    }
}

/// The signed comparison of an operator.
pub(super) fn int_cc(op: CmpOp) -> IntCC {
    match op {
        CmpOp::Lt => IntCC::Slt,
        CmpOp::Le => IntCC::Sle,
        CmpOp::Gt => IntCC::Sgt,
        CmpOp::Ge => IntCC::Sge,
        CmpOp::Ne => IntCC::Ne,
        _ => IntCC::Eq,
    }
}

/// The float comparison of an operator.
pub(super) fn float_cc(op: CmpOp) -> FloatCC {
    match op {
        CmpOp::Lt => FloatCC::Lt,
        CmpOp::Le => FloatCC::Le,
        CmpOp::Gt => FloatCC::Gt,
        CmpOp::Ge => FloatCC::Ge,
        CmpOp::Ne => FloatCC::Ne,
        _ => FloatCC::Eq,
    }
}
