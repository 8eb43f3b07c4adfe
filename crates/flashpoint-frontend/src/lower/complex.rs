//! Python's complex numbers as pairs of floats, by CPython's formulas (not C99's).

use flashpoint_ir::generic::BinOp;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, FloatCC, LibFunc, UnaryOp, Value};

use super::arith::symbol;
use super::state::Val;
use super::types::SlotType;
use super::{Low, Lowering, untyped};

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
        match op {
            BinOp::Add | BinOp::Sub => {
                // Newer Pythons add a real operand to the real part alone; tier 0 asks the host, so only the common
                // case of two complex operands is typed.
                if lhs.ty != rhs.ty {
                    return self.mixed_complex_add(op, lhs, rhs);
                }
                let op = if op == BinOp::Add { BinaryOp::Fadd } else { BinaryOp::Fsub };
                let re = self.b.binary(op, ar, br);
                let im = self.b.binary(op, ai, bi);
                Ok(Val::complex(re, im))
            }
            BinOp::Mul if lhs.ty == rhs.ty => {
                let (re, im) = self.complex_mul(ar, ai, br, bi);
                Ok(Val::complex(re, im))
            }
            BinOp::Pow if self.is_small_square(rhs) && lhs.ty == SlotType::Complex => {
                // CPython takes small whole powers by repeated multiplication, and raises if the result is not finite.
                let (re, im) = self.complex_mul(ar, ai, ar, ai);
                let infinity = self.b.f64(f64::INFINITY);
                for part in [re, im] {
                    let magnitude = self.b.unary(UnaryOp::Fabs, part);
                    let finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
                    self.guard(finite, Reason::MathDomain);
                }
                // It begins with a factor of `1+0j`, which matters to the signs of zeros.
                let (one, zero) = (self.b.f64(1.0), self.b.f64(0.0));
                let (re, im) = self.complex_mul(one, zero, re, im);
                Ok(Val::complex(re, im))
            }
            _ => untyped(format!("`{}` on complex numbers", symbol(op))),
        }
    }

    fn mixed_complex_add(&mut self, op: BinOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        // `z + x`: the imaginary part is `z.imag + 0.0` in older Pythons and `z.imag` in newer ones; they differ for -0.0
        // alone, which leaves.
        let (complex, other) = if lhs.ty == SlotType::Complex { (lhs, rhs) } else { (rhs, lhs) };
        let (re, im) = (complex.words[0], complex.words[1]);
        let real = self.to_float(other)?;
        let zero = self.b.f64(0.0);
        let im_nonzero = self.b.fcmp(FloatCC::Ne, im, zero);
        self.guard(im_nonzero, Reason::InexactCompare);
        Ok(match (op, lhs.ty == SlotType::Complex) {
            (BinOp::Add, _) => Val::complex(self.b.binary(BinaryOp::Fadd, re, real), im),
            (_, true) => Val::complex(self.b.binary(BinaryOp::Fsub, re, real), im),
            (_, false) => {
                let re = self.b.binary(BinaryOp::Fsub, real, re);
                Val::complex(re, self.b.unary(UnaryOp::Fneg, im))
            }
        })
    }

    fn complex_mul(&mut self, ar: Value, ai: Value, br: Value, bi: Value) -> (Value, Value) {
        let rr = self.b.binary(BinaryOp::Fmul, ar, br);
        let ii = self.b.binary(BinaryOp::Fmul, ai, bi);
        let ri = self.b.binary(BinaryOp::Fmul, ar, bi);
        let ir = self.b.binary(BinaryOp::Fmul, ai, br);
        let minus = if planted(Defect::ComplexProductSign) { BinaryOp::Fadd } else { BinaryOp::Fsub };
        (self.b.binary(minus, rr, ii), self.b.binary(BinaryOp::Fadd, ri, ir))
    }

    fn is_small_square(&self, val: &Val) -> bool {
        val.ty == SlotType::Int && self.const_of(val.word()) == Some(2)
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
