//! Python's complex numbers as pairs of floats, by CPython's formulas (not C99's).
//!
//! Since 3.14 CPython gives products and quotients that come out as NaN a second look, as C99 does, and does not convert a
//! real operand ([`World::complex_as_in_c99`]): there a NaN leaves, and so does what mixes complex and real operands.
//!
//! [`World::complex_as_in_c99`]: super::world::World::complex_as_in_c99

use flashpoint_ir::generic::BinOp;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, FloatCC, LibFunc, UnaryOp, Value};

use super::arith::symbol;
use super::state::Val;
use super::types::SlotType;
use super::{Low, Lowering, untyped};

/// Whole exponents up to here are taken by multiplications in line, where CPython does so too (up to 100).
const MAX_INLINE_POWER: i64 = 8;

/// What Smith's method divides: both numerators, and the denominator, which is not zero.
pub(super) struct Smith {
    pub re: Value,
    pub im: Value,
    pub denominator: Value,
}

impl Lowering<'_> {
    fn to_complex(&mut self, val: &Val) -> Low<(Value, Value)> {
        if val.ty == SlotType::Complex {
            return Ok((val.words[0], val.words[1]));
        }
        let re = self.to_float(val)?;
        Ok((re, self.b.f64(0.0)))
    }

    pub(super) fn complex_binary(&mut self, op: BinOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        let (ar, ai) = self.to_complex(lhs)?;
        let (br, bi) = self.to_complex(rhs)?;
        let as_in_c99 = self.world.complex_as_in_c99();
        if as_in_c99 && lhs.ty != rhs.ty && op != BinOp::Pow {
            return untyped(format!("`{}` between {} and {}", symbol(op), lhs.ty.describe(), rhs.ty.describe()));
        }
        let (re, im) = match op {
            BinOp::Add => (self.b.binary(BinaryOp::Fadd, ar, br), self.b.binary(BinaryOp::Fadd, ai, bi)),
            BinOp::Sub => (self.b.binary(BinaryOp::Fsub, ar, br), self.b.binary(BinaryOp::Fsub, ai, bi)),
            BinOp::Mul => self.complex_mul(ar, ai, br, bi),
            BinOp::TrueDiv => self.complex_div(ar, ai, br, bi),
            BinOp::Pow => match self.small_power(rhs) {
                Some(n) => self.complex_power(ar, ai, n),
                None => return self.call_host_operator(op, &[lhs.clone(), rhs.clone()]),
            },
            _ => return untyped(format!("`{}` on complex numbers", symbol(op))),
        };
        if as_in_c99 && !matches!(op, BinOp::Add | BinOp::Sub) {
            for part in [re, im] {
                let number = self.b.fcmp(FloatCC::Eq, part, part);
                self.guard(number, Reason::MathDomain);
            }
        }
        Ok(Val::complex(re, im))
    }

    pub(super) fn complex_mul(&mut self, ar: Value, ai: Value, br: Value, bi: Value) -> (Value, Value) {
        let rr = self.b.binary(BinaryOp::Fmul, ar, br);
        let ii = self.b.binary(BinaryOp::Fmul, ai, bi);
        let ri = self.b.binary(BinaryOp::Fmul, ar, bi);
        let ir = self.b.binary(BinaryOp::Fmul, ai, br);
        let minus = if planted(Defect::ComplexProductSign) { BinaryOp::Fadd } else { BinaryOp::Fsub };
        (self.b.binary(minus, rr, ii), self.b.binary(BinaryOp::Fadd, ri, ir))
    }

    fn complex_div(&mut self, ar: Value, ai: Value, br: Value, bi: Value) -> (Value, Value) {
        let s = self.smith(ar, ai, br, bi);
        (self.b.binary(BinaryOp::Fdiv, s.re, s.denominator), self.b.binary(BinaryOp::Fdiv, s.im, s.denominator))
    }

    /// Smith's method, which divides by the larger part of the divisor first. Leaves if the divisor is zero. If a part of it
    /// is NaN, all is.
    pub(super) fn smith(&mut self, ar: Value, ai: Value, br: Value, bi: Value) -> Smith {
        let zero = self.float_const(self.b.ty(br), 0.0);
        let re_nonzero = self.b.fcmp(FloatCC::Ne, br, zero);
        let im_nonzero = self.b.fcmp(FloatCC::Ne, bi, zero);
        let nonzero = self.b.binary(BinaryOp::Or, re_nonzero, im_nonzero);
        self.guard(nonzero, Reason::DivisionByZero);
        let (re_size, im_size) = (self.b.unary(UnaryOp::Fabs, br), self.b.unary(UnaryOp::Fabs, bi));
        let by_re = self.b.fcmp(FloatCC::Ge, re_size, im_size);
        let (large, small) = (self.b.select(by_re, br, bi), self.b.select(by_re, bi, br));
        let ratio = self.b.binary(BinaryOp::Fdiv, small, large);
        let rest = self.b.binary(BinaryOp::Fmul, small, ratio);
        let denominator = self.b.binary(BinaryOp::Fadd, large, rest);
        let (first, second) = (self.b.select(by_re, ar, ai), self.b.select(by_re, ai, ar));
        let product = self.b.binary(BinaryOp::Fmul, second, ratio);
        let re = self.b.binary(BinaryOp::Fadd, first, product);
        // `ai - ar * ratio` or `ai * ratio - ar`: two differences, since the sign of a zero depends on the order.
        let product = self.b.binary(BinaryOp::Fmul, first, ratio);
        let by_re_im = self.b.binary(BinaryOp::Fsub, second, product);
        let by_im_im = self.b.binary(BinaryOp::Fsub, product, second);
        Smith { re, im: self.b.select(by_re, by_re_im, by_im_im), denominator }
    }

    /// The exponent, if it is a small whole constant.
    fn small_power(&self, val: &Val) -> Option<i64> {
        let n = match val.ty {
            SlotType::Int => i64::try_from(self.const_of(val.word())?).ok()?,
            _ => return None,
        };
        (-MAX_INLINE_POWER..=MAX_INLINE_POWER).contains(&n).then_some(n)
    }

    /// A whole power by squaring, from a factor of `1+0j` on, which matters to the signs of zeros. Leaves if it overflows.
    fn complex_power(&mut self, re: Value, im: Value, n: i64) -> (Value, Value) {
        let (one, zero) = (self.b.f64(1.0), self.b.f64(0.0));
        let mut power = (one, zero);
        let mut square = (re, im);
        let mut bits = n.unsigned_abs();
        while bits > 0 {
            if bits & 1 != 0 {
                power = self.complex_mul(power.0, power.1, square.0, square.1);
            }
            bits >>= 1;
            if bits > 0 {
                square = self.complex_mul(square.0, square.1, square.0, square.1);
            }
        }
        if n <= 0 {
            power = self.complex_div(one, zero, power.0, power.1);
        }
        for part in [power.0, power.1] {
            let infinite = self.has_magnitude(FloatCC::Eq, part);
            self.guard_not(infinite, Reason::MathDomain);
        }
        power
    }

    /// `abs(z)`: the library's `hypot`; an infinite result of finite parts raises.
    pub(super) fn complex_abs(&mut self, re: Value, im: Value) -> Value {
        let value = self.b.libm(LibFunc::Hypot, vec![re, im]);
        let infinity = self.b.f64(f64::INFINITY);
        let finite = self.b.fcmp(FloatCC::Lt, value, infinity);
        self.guard(finite, Reason::MathDomain);
        value
    }
}
