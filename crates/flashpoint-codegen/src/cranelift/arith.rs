//! Integer and float arithmetic.

use cranelift_codegen::ir::condcodes::{FloatCC as ClifFloatCC, IntCC as ClifIntCC};
use cranelift_codegen::ir::{self, InstBuilder, types};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{BinaryOp, FloatCC, IntCC, Lane, OverflowOp, UnaryOp, Value};

use super::lower::Lowering;
use crate::error::{CodegenError, CodegenResult};

impl Lowering<'_, '_> {
    pub(super) fn lower_unary(&mut self, op: UnaryOp, value: Value) -> CodegenResult<ir::Value> {
        let lane = self.lane(value);
        let a = self.value(value);
        let ins = self.b.ins();
        Ok(match op {
            // In one bit, negation changes nothing.
            UnaryOp::Ineg if lane == Lane::I1 => a,
            UnaryOp::Ineg => ins.ineg(a),
            UnaryOp::Not if lane == Lane::I1 => ins.bxor_imm_u(a, 1),
            UnaryOp::Not => ins.bnot(a),
            UnaryOp::Clz | UnaryOp::Ctz if lane == Lane::I1 => ins.bxor_imm_u(a, 1),
            UnaryOp::Popcnt if lane == Lane::I1 => a,
            UnaryOp::Clz => ins.clz(a),
            UnaryOp::Ctz => ins.ctz(a),
            UnaryOp::Popcnt => ins.popcnt(a),
            UnaryOp::Fneg => ins.fneg(a),
            UnaryOp::Fabs => ins.fabs(a),
            UnaryOp::Sqrt => ins.sqrt(a),
            UnaryOp::Floor => ins.floor(a),
            UnaryOp::Ceil => ins.ceil(a),
            UnaryOp::Trunc => ins.trunc(a),
            UnaryOp::Nearest => ins.nearest(a),
        })
    }

    pub(super) fn lower_binary(&mut self, op: BinaryOp, lhs: Value, rhs: Value) -> CodegenResult<ir::Value> {
        let lane = self.lane(lhs);
        let (a, b) = (self.value(lhs), self.value(rhs));
        if lane == Lane::I1 {
            return self.lower_binary_i1(op, a, b);
        }
        Ok(match op {
            BinaryOp::Iadd => self.b.ins().iadd(a, b),
            BinaryOp::Isub => self.b.ins().isub(a, b),
            BinaryOp::Imul => self.b.ins().imul(a, b),
            BinaryOp::Sdiv => self.b.ins().sdiv(a, b),
            BinaryOp::Srem => self.b.ins().srem(a, b),
            BinaryOp::Udiv => self.b.ins().udiv(a, b),
            BinaryOp::Urem => self.b.ins().urem(a, b),
            BinaryOp::SdivFloor | BinaryOp::SremFloor => unreachable!("legalised: {op:?}"),
            BinaryOp::And => self.b.ins().band(a, b),
            BinaryOp::Or => self.b.ins().bor(a, b),
            BinaryOp::Xor => self.b.ins().bxor(a, b),
            BinaryOp::Shl => self.b.ins().ishl(a, b),
            BinaryOp::Ashr => self.b.ins().sshr(a, b),
            BinaryOp::Lshr => self.b.ins().ushr(a, b),
            BinaryOp::Smin => self.choose(ClifIntCC::SignedLessThan, a, b),
            BinaryOp::Smax => self.choose(ClifIntCC::SignedGreaterThan, a, b),
            BinaryOp::Umin => self.choose(ClifIntCC::UnsignedLessThan, a, b),
            BinaryOp::Umax => self.choose(ClifIntCC::UnsignedGreaterThan, a, b),
            BinaryOp::Fadd => self.b.ins().fadd(a, b),
            BinaryOp::Fsub => self.b.ins().fsub(a, b),
            BinaryOp::Fmul => self.b.ins().fmul(a, b),
            BinaryOp::Fdiv => self.b.ins().fdiv(a, b),
            BinaryOp::Fcopysign => self.b.ins().fcopysign(a, b),
        })
    }

    /// `a` if `a cc b`, else `b`.
    fn choose(&mut self, cc: ClifIntCC, a: ir::Value, b: ir::Value) -> ir::Value {
        let cond = self.b.ins().icmp(cc, a, b);
        self.select(cond, a, b)
    }

    /// Arithmetic on single bits, where a set bit is -1 to signed operations. A shift is by 0, a division by 1 or -1.
    fn lower_binary_i1(&mut self, op: BinaryOp, a: ir::Value, b: ir::Value) -> CodegenResult<ir::Value> {
        let ins = self.b.ins();
        Ok(match op {
            BinaryOp::Iadd | BinaryOp::Isub | BinaryOp::Xor => ins.bxor(a, b),
            BinaryOp::Imul | BinaryOp::And | BinaryOp::Smax | BinaryOp::Umin => ins.band(a, b),
            BinaryOp::Or | BinaryOp::Smin | BinaryOp::Umax => ins.bor(a, b),
            BinaryOp::Shl | BinaryOp::Ashr | BinaryOp::Lshr | BinaryOp::Udiv | BinaryOp::Sdiv => a,
            BinaryOp::Urem | BinaryOp::Srem => ins.iconst(types::I8, 0),
            _ => return Err(CodegenError::unsupported(format!("{op:?} of i1"), self.line)),
        })
    }

    pub(super) fn lower_overflow(&mut self, op: OverflowOp, lhs: Value, rhs: Value) -> (ir::Value, ir::Value) {
        let (a, b) = (self.value(lhs), self.value(rhs));
        if self.lane(lhs) == Lane::I1 {
            return self.lower_overflow_i1(op, a, b);
        }
        let ins = self.b.ins();
        match op {
            OverflowOp::SaddOverflow => ins.sadd_overflow(a, b),
            OverflowOp::SsubOverflow => ins.ssub_overflow(a, b),
            OverflowOp::SmulOverflow => ins.smul_overflow(a, b),
            OverflowOp::UaddOverflow => ins.uadd_overflow(a, b),
            OverflowOp::UsubOverflow => ins.usub_overflow(a, b),
            OverflowOp::UmulOverflow => ins.umul_overflow(a, b),
        }
    }

    /// Truth tables of single-bit arithmetic: the result is a bit of the operands, and so is what does not fit.
    fn lower_overflow_i1(&mut self, op: OverflowOp, a: ir::Value, b: ir::Value) -> (ir::Value, ir::Value) {
        let both = self.b.ins().band(a, b);
        let differ = self.b.ins().bxor(a, b);
        match op {
            // -1 + -1 and 1 + 1 do not fit.
            OverflowOp::SaddOverflow | OverflowOp::UaddOverflow => (differ, both),
            // 0 - -1 and 0 - 1 do not fit.
            OverflowOp::SsubOverflow | OverflowOp::UsubOverflow => {
                let borrows = self.b.ins().band_not(b, a);
                (differ, borrows)
            }
            // -1 * -1 does not fit, 1 * 1 does.
            OverflowOp::SmulOverflow => (both, both),
            OverflowOp::UmulOverflow => {
                let never = self.b.ins().iconst(types::I8, 0);
                (both, never)
            }
        }
    }

    pub(super) fn lower_icmp(&mut self, cc: IntCC, lhs: Value, rhs: Value) -> ir::Value {
        let (mut a, mut b) = (self.value(lhs), self.value(rhs));
        let cc = match cc {
            IntCC::Eq => ClifIntCC::Equal,
            IntCC::Ne => ClifIntCC::NotEqual,
            IntCC::Slt => ClifIntCC::SignedLessThan,
            IntCC::Sle => ClifIntCC::SignedLessThanOrEqual,
            IntCC::Sgt => ClifIntCC::SignedGreaterThan,
            IntCC::Sge => ClifIntCC::SignedGreaterThanOrEqual,
            IntCC::Ult => ClifIntCC::UnsignedLessThan,
            IntCC::Ule => ClifIntCC::UnsignedLessThanOrEqual,
            IntCC::Ugt => ClifIntCC::UnsignedGreaterThan,
            IntCC::Uge => ClifIntCC::UnsignedGreaterThanOrEqual,
        };
        let is_signed = matches!(cc.unsigned(), unsigned if unsigned != cc);
        if self.lane(lhs) == Lane::I1 && is_signed {
            // To a signed comparison a set bit is -1, but it lives here as 1.
            std::mem::swap(&mut a, &mut b);
        }
        self.b.ins().icmp(cc, a, b)
    }

    pub(super) fn lower_fcmp(&mut self, cc: FloatCC, lhs: Value, rhs: Value) -> ir::Value {
        let (a, b) = (self.value(lhs), self.value(rhs));
        let cc = match cc {
            FloatCC::Eq => ClifFloatCC::Equal,
            FloatCC::Ne => ClifFloatCC::NotEqual,
            FloatCC::Lt if planted(Defect::CraneliftLessUnordered) => ClifFloatCC::UnorderedOrLessThan,
            FloatCC::Lt => ClifFloatCC::LessThan,
            FloatCC::Le => ClifFloatCC::LessThanOrEqual,
            FloatCC::Gt => ClifFloatCC::GreaterThan,
            FloatCC::Ge => ClifFloatCC::GreaterThanOrEqual,
        };
        self.b.ins().fcmp(cc, a, b)
    }
}
