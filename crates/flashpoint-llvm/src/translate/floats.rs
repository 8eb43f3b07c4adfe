//! Float arithmetic. IEEE, no contraction, unless the function's licences say otherwise.
//!
//! `fastmath` grants reassociation, contraction, reciprocals and the loss of a zero's sign. It does not let LLVM treat NaN
//! and infinity as poison, although the licence would: a poisoned index would defeat its bounds check.

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{BinaryOp, FloatCC, Lane, Type, UnaryOp};

use super::Translator;
use crate::ir::{RealPredicate, Val};

impl<'a> Translator<'a> {
    pub(super) fn float_unary(&self, op: UnaryOp, a: Val<'a>) -> Val<'a> {
        let name = match op {
            UnaryOp::Fneg => return self.ir.fneg(a),
            UnaryOp::Fabs => "llvm.fabs",
            UnaryOp::Sqrt => "llvm.sqrt",
            UnaryOp::Floor => "llvm.floor",
            UnaryOp::Ceil => "llvm.ceil",
            UnaryOp::Trunc => "llvm.trunc",
            UnaryOp::Nearest => "llvm.roundeven",
            _ => unreachable!("{op:?} is an integer operation"),
        };
        self.ir.intrinsic(name, &[self.ir.type_of(a)], &[a])
    }

    pub(super) fn float_binary(&self, op: BinaryOp, a: Val<'a>, b: Val<'a>) -> Val<'a> {
        let ir = self.ir;
        let value = match op {
            BinaryOp::Fadd => ir.fadd(a, b),
            BinaryOp::Fsub => ir.fsub(a, b),
            BinaryOp::Fmul => ir.fmul(a, b),
            BinaryOp::Fdiv => ir.fdiv(a, b),
            BinaryOp::Fcopysign => return ir.intrinsic("llvm.copysign", &[ir.type_of(a)], &[a, b]),
            _ => unreachable!("{op:?} is an integer operation"),
        };
        if self.func.licences.fastmath || planted(Defect::LlvmReassociates) {
            ir.set_fast_math(value);
        }
        value
    }

    pub(super) fn float_compare(&self, cc: FloatCC, a: Val<'a>, b: Val<'a>) -> Val<'a> {
        let predicate = match cc {
            FloatCC::Eq => RealPredicate::LLVMRealOEQ,
            FloatCC::Ne => RealPredicate::LLVMRealUNE,
            FloatCC::Lt => RealPredicate::LLVMRealOLT,
            FloatCC::Le => RealPredicate::LLVMRealOLE,
            FloatCC::Gt => RealPredicate::LLVMRealOGT,
            FloatCC::Ge if planted(Defect::LlvmGreaterUnordered) => RealPredicate::LLVMRealUGE,
            FloatCC::Ge => RealPredicate::LLVMRealOGE,
        };
        self.ir.fcmp(predicate, a, b)
    }

    /// A constant in every lane of `ty`, whose lanes can hold it exactly.
    pub(super) fn float_like(&self, ty: Type, value: f64) -> Val<'a> {
        let ir = self.ir;
        let (bits, word) = match ty.lane {
            Lane::F32 => (32, i128::from((value as f32).to_bits())),
            _ => (64, i128::from(value.to_bits())),
        };
        let int = ir.int_ty(bits);
        let int = if ty.lanes == 1 { int } else { ir.vector_ty(int, ty.lanes.into()) };
        ir.const_bit_cast(ir.int_like(int, word), self.types.of(ty))
    }
}
