//! Division of `i128`. LLVM would call a routine of the compiler's library; here it is a function in the module.

use flashpoint_ir::typed::BinaryOp;

use super::Translator;
use crate::ir::{Bb, IntPredicate, Val};

impl<'a> Translator<'a> {
    pub(super) fn wide_division(&mut self, op: BinaryOp, a: Val<'a>, b: Val<'a>) -> Val<'a> {
        let ir = self.ir;
        let divide = self.divide_function();
        let quotient = |a, b| {
            let ty = ir.function_ty(&[self.types.i128, self.types.i128], self.types.i128);
            ir.call(ty, divide, &[a, b])
        };
        let remainder = |q| ir.sub(a, ir.mul(q, b));
        if matches!(op, BinaryOp::Udiv | BinaryOp::Urem) {
            let q = quotient(a, b);
            return if op == BinaryOp::Udiv { q } else { remainder(q) };
        }
        // All ones for a negative value, else zero: `(v ^ sign) - sign` is the magnitude, and gives a magnitude its sign.
        let bits = ir.int(self.types.i128, 127);
        let (sign_a, sign_b) = (ir.ashr(a, bits), ir.ashr(b, bits));
        let with_sign = |v, sign| ir.sub(ir.xor(v, sign), sign);
        let q = with_sign(quotient(with_sign(a, sign_a), with_sign(b, sign_b)), ir.xor(sign_a, sign_b));
        match op {
            BinaryOp::Sdiv => q,
            BinaryOp::Srem => remainder(q),
            BinaryOp::SdivFloor => self.floor_quotient(q, remainder(q), b),
            _ => self.floor_remainder(remainder(q), b),
        }
    }

    /// The module's function that divides two unsigned 128-bit integers, made at its first use.
    fn divide_function(&mut self) -> Val<'a> {
        if let Some(divide) = self.divide {
            return divide;
        }
        let ir = self.ir;
        let i128 = self.types.i128;
        let came_from = ir.current_block();
        let function = ir.add_function("flashpoint.udiv128", ir.function_ty(&[i128, i128], i128));
        ir.set_internal(function);
        for (name, value) in [("nounwind", 0), ("noinline", 0), ("memory", 0), ("willreturn", 0)] {
            ir.add_function_attr(function, ir.attr(name, value));
        }
        ir.add_function_attr(function, ir.string_attr("no-builtins", ""));
        self.divide_body(function);
        ir.switch_to(came_from);
        self.divide = Some(function);
        function
    }

    /// Three cases: both fit 64 bits; the divisor fits 32 bits (long division by digits); shift and subtract.
    fn divide_body(&self, function: Val<'a>) {
        let ir = self.ir;
        let [entry, narrow, not_narrow, digits, general] = [(); 5].map(|()| ir.append_block(function));
        let (a, b) = (ir.param(function, 0), ir.param(function, 1));
        let c = |value| ir.int(self.types.i128, value);
        let below = |v, bits: u32| ir.icmp(IntPredicate::LLVMIntULT, v, c(1 << bits));

        ir.switch_to(entry);
        ir.cond_br(below(ir.or(a, b), 64), narrow, not_narrow);

        ir.switch_to(narrow);
        let [low_a, low_b] = [a, b].map(|v| ir.trunc(v, self.types.i64));
        ir.ret(ir.zext(ir.udiv(low_a, low_b), self.types.i128));

        ir.switch_to(not_narrow);
        ir.cond_br(below(b, 32), digits, general);

        // The remainder stays below 2^32, so remainder and next digit fit 64 bits.
        ir.switch_to(digits);
        let divisor = ir.trunc(b, self.types.i64);
        let mut rem = self.i64(0);
        let mut quotient = c(0);
        for shift in [96, 64, 32, 0] {
            let digit = ir.and(ir.trunc(ir.lshr(a, c(shift)), self.types.i64), self.i64(u32::MAX.into()));
            let dividend = ir.or(ir.shl(rem, self.i64(32)), digit);
            let q = ir.udiv(dividend, divisor);
            rem = ir.urem(dividend, divisor);
            quotient = ir.or(quotient, ir.shl(ir.zext(q, self.types.i128), c(shift)));
        }
        ir.ret(quotient);

        ir.switch_to(general);
        self.shift_and_subtract(function, general, a, b);
    }

    /// Continues in `block`. Each turn of the loop finds one bit of the quotient, from the highest that can be set.
    fn shift_and_subtract(&self, function: Val<'a>, block: Bb<'a>, a: Val<'a>, b: Val<'a>) {
        let ir = self.ir;
        let i128 = self.types.i128;
        let [start, turn, done] = [(); 3].map(|()| ir.append_block(function));
        let c = |value| ir.int(i128, value);
        let zeros = |v| ir.intrinsic("llvm.ctlz", &[i128], &[v, ir.int(ir.int_ty(1), 0)]);
        ir.cond_br(ir.icmp(IntPredicate::LLVMIntULT, a, b), done, start);

        // Here `b <= a`, so `b` has at least as many leading zeros.
        ir.switch_to(start);
        let shift = ir.sub(zeros(b), zeros(a));
        let first = ir.shl(b, shift);
        ir.br(turn);

        ir.switch_to(turn);
        let [rem, divisor, quotient, left] = [(); 4].map(|()| ir.phi(i128));
        let fits = ir.icmp(IntPredicate::LLVMIntUGE, rem, divisor);
        let next_rem = ir.select(fits, ir.sub(rem, divisor), rem);
        let next_quotient = ir.or(ir.shl(quotient, c(1)), ir.zext(fits, i128));
        let next_divisor = ir.lshr(divisor, c(1));
        let next_left = ir.sub(left, c(1));
        for (phi, initial, next) in [
            (rem, a, next_rem),
            (divisor, first, next_divisor),
            (quotient, c(0), next_quotient),
            (left, shift, next_left),
        ] {
            ir.add_incoming(phi, initial, start);
            ir.add_incoming(phi, next, turn);
        }
        ir.cond_br(ir.icmp(IntPredicate::LLVMIntEQ, left, c(0)), done, turn);

        ir.switch_to(done);
        let result = ir.phi(i128);
        ir.add_incoming(result, c(0), block);
        ir.add_incoming(result, next_quotient, turn);
        ir.ret(result);
    }
}
