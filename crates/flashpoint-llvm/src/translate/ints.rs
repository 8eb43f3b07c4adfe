//! Integer arithmetic, and conversions.

use flashpoint_ir::factor::exact_factors;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use super::{Translated, Translator};
use crate::ir::{IntPredicate, RealPredicate, Val};

impl<'a> Translator<'a> {
    pub(super) fn int_unary(&self, op: UnaryOp, a: Val<'a>) -> Val<'a> {
        let ir = self.ir;
        let ty = ir.type_of(a);
        match op {
            UnaryOp::Ineg => ir.neg(a),
            UnaryOp::Not => ir.not(a),
            // Defined at zero, where they give the width.
            UnaryOp::Clz => ir.intrinsic("llvm.ctlz", &[ty], &[a, ir.int(ir.int_ty(1), 0)]),
            UnaryOp::Ctz => ir.intrinsic("llvm.cttz", &[ty], &[a, ir.int(ir.int_ty(1), 0)]),
            UnaryOp::Popcnt => ir.intrinsic("llvm.ctpop", &[ty], &[a]),
            _ => unreachable!("{op:?} is a float operation"),
        }
    }

    pub(super) fn int_binary(&self, op: BinaryOp, lhs: Value, rhs: Value) -> Translated<Val<'a>> {
        let ir = self.ir;
        let (a, b) = (self.value(lhs), self.value(rhs));
        let intrinsic = |name: &str| ir.intrinsic(name, &[ir.type_of(a)], &[a, b]);
        Ok(match op {
            BinaryOp::Iadd => ir.add(a, b),
            BinaryOp::Isub => ir.sub(a, b),
            BinaryOp::Imul => ir.mul(a, b),
            BinaryOp::And => ir.and(a, b),
            BinaryOp::Or => ir.or(a, b),
            BinaryOp::Xor => ir.xor(a, b),
            BinaryOp::Shl => ir.shl(a, b),
            BinaryOp::Ashr => ir.ashr(a, b),
            BinaryOp::Lshr if planted(Defect::LlvmShiftSigned) => ir.ashr(a, b),
            BinaryOp::Lshr => ir.lshr(a, b),
            BinaryOp::Smin => intrinsic("llvm.smin"),
            BinaryOp::Smax => intrinsic("llvm.smax"),
            BinaryOp::Umin => intrinsic("llvm.umin"),
            BinaryOp::Umax => intrinsic("llvm.umax"),
            // LLVM would call the compiler's library for the division of `i128`.
            BinaryOp::Sdiv | BinaryOp::Srem | BinaryOp::Udiv | BinaryOp::Urem if self.ty(lhs).lane != Lane::I128 => {
                match op {
                    BinaryOp::Sdiv => ir.sdiv(a, b),
                    BinaryOp::Srem => ir.srem(a, b),
                    BinaryOp::Udiv => ir.udiv(a, b),
                    _ => ir.urem(a, b),
                }
            }
            _ => return Err(self.unsupported(format!("{op:?} of {}, which is to be legalised", self.ty(lhs)))),
        })
    }

    /// The wrapped value, and whether it wrapped. Where LLVM is to vectorise, additions are written so that it can: it
    /// has no vector form of its overflow intrinsics.
    pub(super) fn overflow(&self, op: OverflowOp, lhs: Value, rhs: Value, vectorise: bool) -> (Val<'a>, Val<'a>) {
        let ir = self.ir;
        let (a, b) = (self.value(lhs), self.value(rhs));
        let ty = ir.type_of(a);
        let bits = self.ty(lhs).lane_bits();
        let negative = |value| ir.icmp(IntPredicate::LLVMIntSLT, value, ir.int_like(ty, 0));
        if op == OverflowOp::SmulOverflow
            && bits <= 64
            && self.ty(lhs).lanes == 1
            && let Some(&InstKind::Iconst { value: factor, .. }) = self.defs[rhs.index()]
            && factor != 0
        {
            // One unsigned comparison says whether the operand lies between the ends, and the product need not be exact.
            let (lo, hi) = exact_factors(factor, bits);
            let above = ir.sub(a, ir.int(ty, lo));
            return (ir.mul(a, b), ir.icmp(IntPredicate::LLVMIntUGT, above, ir.int(ty, hi - lo)));
        }
        if op == OverflowOp::SaddOverflow
            && bits <= 64
            && self.ty(lhs).lanes == 1
            && let Some(&InstKind::Iconst { value: added, .. }) = self.defs[rhs.index()]
        {
            // Likewise: which operands are too near the end is known before the sum is, and needs no copy of them.
            let flag = if added >= 0 {
                let highest = (1i128 << (bits - 1)) - 1 - added;
                ir.icmp(IntPredicate::LLVMIntSGT, a, ir.int(ty, highest))
            } else {
                let lowest = (-1i128 << (bits - 1)) - added;
                ir.icmp(IntPredicate::LLVMIntSLT, a, ir.int(ty, lowest))
            };
            return (ir.add(a, b), flag);
        }
        if vectorise || self.ty(lhs).lanes != 1 {
            match op {
                OverflowOp::SaddOverflow => {
                    let sum = ir.add(a, b);
                    return (sum, negative(ir.and(ir.xor(a, sum), ir.xor(b, sum))));
                }
                OverflowOp::SsubOverflow => {
                    let difference = ir.sub(a, b);
                    return (difference, negative(ir.and(ir.xor(a, b), ir.xor(a, difference))));
                }
                OverflowOp::SmulOverflow if bits <= 32 => {
                    let mut wide = self.ty(lhs);
                    wide.lane = Lane::I64;
                    let wide = self.types.of(wide);
                    let exact = ir.mul(ir.sext(a, wide), ir.sext(b, wide));
                    let product = ir.trunc(exact, ty);
                    return (product, ir.icmp(IntPredicate::LLVMIntNE, ir.sext(product, wide), exact));
                }
                _ => {}
            }
        }
        let name = match op {
            OverflowOp::SaddOverflow => "llvm.sadd.with.overflow",
            OverflowOp::SsubOverflow => "llvm.ssub.with.overflow",
            OverflowOp::SmulOverflow => "llvm.smul.with.overflow",
            OverflowOp::UaddOverflow => "llvm.uadd.with.overflow",
            OverflowOp::UsubOverflow => "llvm.usub.with.overflow",
            OverflowOp::UmulOverflow => "llvm.umul.with.overflow",
        };
        let pair = ir.intrinsic(name, &[ty], &[a, b]);
        (ir.extract_value(pair, 0), ir.extract_value(pair, 1))
    }

    pub(super) fn convert(&self, op: ConvertOp, value: Value, to: Type) -> Translated<Val<'a>> {
        let ir = self.ir;
        let from = self.ty(value);
        let a = self.value(value);
        let ty = self.types.of(to);
        if (from.is_float() || to.is_float()) && (from.lane == Lane::I128 || to.lane == Lane::I128) {
            return Err(self.unsupported(format!("{op:?} of {from} to {to}, which is to be legalised")));
        }
        Ok(match op {
            ConvertOp::Sext if planted(Defect::LlvmSignedWidening) => ir.zext(a, ty),
            ConvertOp::Sext => ir.sext(a, ty),
            ConvertOp::Zext => ir.zext(a, ty),
            ConvertOp::Trunc => ir.trunc(a, ty),
            ConvertOp::SintToFloat => ir.sint_to_fp(a, ty),
            ConvertOp::UintToFloat => ir.uint_to_fp(a, ty),
            ConvertOp::FloatToSint => self.float_to_sint(a, from, to),
            // Out of range LLVM's result is poison, ours merely unspecified.
            ConvertOp::FloatToUint => ir.freeze(ir.fp_to_uint(a, ty)),
            ConvertOp::FloatExtend => ir.fp_ext(a, ty),
            ConvertOp::FloatDemote => ir.fp_trunc(a, ty),
            ConvertOp::Bitcast => match (from.lane, to.lane) {
                (Lane::Ptr, _) => ir.ptr_to_int(a, ty),
                (_, Lane::Ptr) => ir.int_to_ptr(a, ty),
                _ => ir.bit_cast(a, ty),
            },
        })
    }

    /// Truncates; the minimum of the type where the result does not fit. One comparison decides: `-MIN` is a power of two,
    /// exact in both float types, and of the values at or above it in magnitude only `MIN` itself fits, which is the
    /// answer anyway. NaN compares false.
    fn float_to_sint(&self, a: Val<'a>, from: Type, to: Type) -> Val<'a> {
        let ir = self.ir;
        let magnitude = ir.intrinsic("llvm.fabs", &[ir.type_of(a)], &[a]);
        let limit = 2f64.powi(to.lane_bits() as i32 - 1);
        let limit = self.float_like(from, limit);
        let fits = ir.fcmp(RealPredicate::LLVMRealOLT, magnitude, limit);
        let ty = self.types.of(to);
        let minimum = ir.int_like(ty, -1i128 << (to.lane_bits() - 1));
        ir.select(fits, ir.fp_to_sint(a, ty), minimum)
    }
}

/// LLVM's name of a comparison.
pub(super) fn predicate(cc: IntCC) -> IntPredicate {
    match cc {
        IntCC::Eq => IntPredicate::LLVMIntEQ,
        IntCC::Ne => IntPredicate::LLVMIntNE,
        IntCC::Slt => IntPredicate::LLVMIntSLT,
        IntCC::Sle => IntPredicate::LLVMIntSLE,
        IntCC::Sgt => IntPredicate::LLVMIntSGT,
        IntCC::Sge => IntPredicate::LLVMIntSGE,
        IntCC::Ult => IntPredicate::LLVMIntULT,
        IntCC::Ule => IntPredicate::LLVMIntULE,
        IntCC::Ugt => IntPredicate::LLVMIntUGT,
        IntCC::Uge => IntPredicate::LLVMIntUGE,
    }
}
