//! NumPy's complex scalars: pairs of `f32` or `f64`, by NumPy's formulas, which are not Python's.
//!
//! References: R. L. Smith, "Algorithm 116: Complex division", 1962.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, CmpOp, UnOp};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, FloatCC, LibFunc, UnaryOp, Value};

use super::arith::symbol;
use super::state::Val;
use super::types::{SlotType, machine_type};
use super::{Low, Lowering, untyped};

/// The type of a complex type's parts.
pub(super) fn part_of(dtype: DType) -> DType {
    if dtype == DType::C64 { DType::F32 } else { DType::F64 }
}

impl Lowering<'_> {
    /// The parts of a number as those of a complex type.
    pub(super) fn to_complex_parts(&mut self, val: &Val, dtype: DType) -> Low<(Value, Value)> {
        let part = part_of(dtype);
        let from = match &val.ty {
            SlotType::Complex => DType::F64,
            SlotType::Numpy(from) if from.is_complex() => part_of(*from),
            _ => {
                let re = self.to_dtype(val, part)?;
                let ty = machine_type(part);
                return Ok((re, self.float_const(ty, 0.0)));
            }
        };
        let re = self.convert_dtype(val.words[0], from, part)?;
        Ok((re, self.convert_dtype(val.words[1], from, part)?))
    }

    pub(super) fn numpy_complex_binary(&mut self, op: BinOp, dtype: DType, lhs: &Val, rhs: &Val) -> Low<Val> {
        if self.world.feedback(0, flashpoint_ir::generic::Pc(0)).non_finite {
            // What NumPy warns of is not worked out for infinities and NaN: tier 0 does it, one at a time.
            return untyped(format!("`{}` on complex numbers that are not finite", symbol(op)));
        }
        let (ar, ai) = self.to_complex_parts(lhs, dtype)?;
        let (br, bi) = self.to_complex_parts(rhs, dtype)?;
        let (re, im) = match op {
            BinOp::Add => (self.b.binary(BinaryOp::Fadd, ar, br), self.b.binary(BinaryOp::Fadd, ai, bi)),
            BinOp::Sub => (self.b.binary(BinaryOp::Fsub, ar, br), self.b.binary(BinaryOp::Fsub, ai, bi)),
            BinOp::Mul => self.complex_mul(ar, ai, br, bi),
            BinOp::TrueDiv => self.numpy_complex_div(ar, ai, br, bi),
            BinOp::Pow => {
                // The scalars' power is that of NumPy's function.
                let parts = [(lhs, ar, ai), (rhs, br, bi)];
                let operands = parts.map(|(_, re, im)| Val::of(SlotType::Numpy(dtype), vec![re, im]));
                return self.call_host_operator(op, &operands);
            }
            _ => return untyped(format!("`{}` on complex numbers", symbol(op))),
        };
        self.has_numpy_floats = true;
        self.guard_finite(re, Reason::NonFinite);
        self.guard_finite(im, Reason::NonFinite);
        Ok(Val::of(SlotType::Numpy(dtype), vec![re, im]))
    }

    /// NumPy's quotient: Smith's, with the reciprocal of the denominator.
    fn numpy_complex_div(&mut self, ar: Value, ai: Value, br: Value, bi: Value) -> (Value, Value) {
        let s = self.smith(ar, ai, br, bi);
        // An infinite denominator would make a quotient of zero, silently here.
        self.guard_finite(s.denominator, Reason::NonFinite);
        let one = self.float_const(self.b.ty(ar), 1.0);
        let scale = self.b.binary(BinaryOp::Fdiv, one, s.denominator);
        (self.b.binary(BinaryOp::Fmul, s.re, scale), self.b.binary(BinaryOp::Fmul, s.im, scale))
    }

    pub(super) fn guard_finite(&mut self, value: Value, reason: Reason) {
        let finite = self.has_magnitude(FloatCC::Lt, value);
        self.guard(finite, reason);
    }

    pub(super) fn numpy_complex_unary(&mut self, op: UnOp, dtype: DType, src: &Val) -> Low<Val> {
        match op {
            UnOp::Pos => Ok(src.clone()),
            UnOp::Neg => {
                let words = src.words.iter().map(|word| self.b.unary(UnaryOp::Fneg, *word)).collect();
                Ok(Val::of(SlotType::Numpy(dtype), words))
            }
            _ => untyped(format!("a unary operator on {}", dtype.name())),
        }
    }

    /// `==` and `!=`; NumPy orders complex numbers, which has no typed form.
    pub(super) fn numpy_complex_compare(&mut self, op: CmpOp, dtype: DType, lhs: &Val, rhs: &Val) -> Low<Val> {
        if !matches!(op, CmpOp::Eq | CmpOp::Ne) {
            return untyped(format!("ordering {}", dtype.name()));
        }
        let (ar, ai) = self.to_complex_parts(lhs, dtype)?;
        let (br, bi) = self.to_complex_parts(rhs, dtype)?;
        let re = self.b.fcmp(FloatCC::Eq, ar, br);
        let im = self.b.fcmp(FloatCC::Eq, ai, bi);
        let equal = self.b.binary(BinaryOp::And, re, im);
        let value = if op == CmpOp::Eq { equal } else { self.is_false(equal) };
        Ok(Val::new(SlotType::Numpy(DType::Bool), value))
    }

    /// `abs(z)`: the library's `hypot`. Leaves where that overflows.
    pub(super) fn numpy_complex_abs(&mut self, dtype: DType, val: &Val) -> Val {
        let func = if dtype == DType::C64 { LibFunc::HypotF32 } else { LibFunc::Hypot };
        let value = self.b.libm(func, val.words.clone());
        self.has_numpy_floats = true;
        self.guard_finite(value, Reason::NumpyWarning);
        Val::new(SlotType::Numpy(part_of(dtype)), value)
    }

    // ---- attributes and methods of scalars

    pub(super) fn numpy_scalar_attr(&mut self, object: &Val, dtype: DType, name: &str) -> Low<Val> {
        let part = SlotType::Numpy(part_of(dtype));
        Ok(match name {
            "real" if dtype.is_complex() => Val::new(part, object.words[0]),
            "imag" if dtype.is_complex() => Val::new(part, object.words[1]),
            "real" => object.clone(),
            "imag" if matches!(dtype, DType::F32 | DType::F64) => {
                let zero = self.float_const(machine_type(dtype), 0.0);
                Val::new(object.ty.clone(), zero)
            }
            "imag" => {
                let zero = self.b.iconst(machine_type(dtype), 0);
                Val::new(object.ty.clone(), zero)
            }
            "conjugate" | "conj" | "item" => super::array::method(object, name),
            _ => return untyped(format!("the attribute `{name}` of {}", dtype.name())),
        })
    }

    pub(super) fn numpy_scalar_method(&mut self, receiver: &Val, dtype: DType, name: &str) -> Low<Val> {
        match name {
            "conjugate" | "conj" if dtype.is_complex() => {
                let im = self.b.unary(UnaryOp::Fneg, receiver.words[1]);
                Ok(Val::of(receiver.ty.clone(), vec![receiver.words[0], im]))
            }
            "conjugate" | "conj" => Ok(receiver.clone()),
            "item" => self.numpy_item(receiver, dtype),
            _ => untyped(format!("the method `{name}` of {}", dtype.name())),
        }
    }

    /// A NumPy scalar as the Python number of its kind.
    fn numpy_item(&mut self, val: &Val, dtype: DType) -> Low<Val> {
        if dtype == DType::Bool {
            return Ok(Val::bool(val.word()));
        }
        if dtype.is_int() {
            return self.numpy_to_int(dtype, val);
        }
        if dtype.is_float() {
            return Ok(Val::float(self.to_dtype(val, DType::F64)?));
        }
        let (re, im) = self.to_complex_parts(val, DType::C128)?;
        Ok(Val::complex(re, im))
    }
}
