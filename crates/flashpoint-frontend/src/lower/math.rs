//! `math`, `cmath` and NumPy's functions of scalars.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::BinOp;
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, FloatCC, IntCC, LibFunc, Type, UnaryOp, Value};

use super::state::Val;
use super::types::SlotType;
use super::world::{CmathFunc, MathFunc, NumpyFunc};
use super::{Low, Lowering, Stop, untyped};

impl Lowering<'_> {
    fn math_operand(&mut self, val: &Val) -> Low<Value> {
        match &val.ty {
            SlotType::Numpy(DType::F64) => Ok(val.word()),
            SlotType::Numpy(_) => self.to_dtype(val, DType::F64),
            _ => self.to_float(val),
        }
    }

    pub(super) fn call_math(&mut self, func: MathFunc, args: &[Val]) -> Low<Val> {
        let wanted = match func {
            MathFunc::Lib(LibFunc::Atan2 | LibFunc::Pow | LibFunc::Fmod | LibFunc::Remainder | LibFunc::Ldexp)
            | MathFunc::Copysign => 2,
            MathFunc::Gcd | MathFunc::Isqrt => return untyped("this function of math"),
            MathFunc::Hypot if args.len() != 2 => return untyped("hypot() of other than two numbers"),
            MathFunc::Hypot => return untyped("math.hypot()"),
            MathFunc::Log if args.len() == 2 => return untyped("log() with a base"),
            MathFunc::Lib(LibFunc::Fma) => return untyped("math.fma()"),
            _ => 1,
        };
        if args.len() != wanted {
            return Err(Stop::Leave(Reason::Raise));
        }
        // Whole numbers are themselves to floor, ceil and trunc.
        if matches!(func, MathFunc::Floor | MathFunc::Ceil | MathFunc::Trunc) {
            if matches!(args[0].ty, SlotType::Int | SlotType::Bool) {
                return Ok(Val::int(self.to_i64(&args[0])));
            }
            if let SlotType::Numpy(dtype) = args[0].ty
                && dtype != DType::F64
            {
                return untyped(format!("this function of math on {}", dtype.name()));
            }
        }
        if matches!(func, MathFunc::Lib(LibFunc::Ldexp)) {
            return untyped("math.ldexp()");
        }
        let operands = args.iter().map(|arg| self.math_operand(arg)).collect::<Low<Vec<_>>>()?;
        let x = operands[0];
        Ok(match func {
            MathFunc::Sqrt => {
                let zero = self.b.f64(0.0);
                let negative = self.b.fcmp(FloatCC::Lt, x, zero);
                self.guard_not(negative, Reason::MathDomain);
                Val::float(self.b.unary(UnaryOp::Sqrt, x))
            }
            MathFunc::Fabs => Val::float(self.b.unary(UnaryOp::Fabs, x)),
            MathFunc::Floor | MathFunc::Ceil | MathFunc::Trunc => {
                let op = match func {
                    MathFunc::Floor => UnaryOp::Floor,
                    MathFunc::Ceil => UnaryOp::Ceil,
                    _ => UnaryOp::Trunc,
                };
                let whole = self.b.unary(op, x);
                self.float_to_int(whole)?
            }
            MathFunc::Copysign => Val::float(self.b.binary(BinaryOp::Fcopysign, x, operands[1])),
            MathFunc::Isnan => Val::bool(self.b.fcmp(FloatCC::Ne, x, x)),
            MathFunc::Isinf => Val::bool(self.has_magnitude(FloatCC::Eq, x)),
            MathFunc::Isfinite => Val::bool(self.has_magnitude(FloatCC::Lt, x)),
            MathFunc::Degrees => {
                let factor = self.b.f64(180.0 / std::f64::consts::PI);
                Val::float(self.b.binary(BinaryOp::Fmul, x, factor))
            }
            MathFunc::Radians => {
                let factor = self.b.f64(std::f64::consts::PI / 180.0);
                Val::float(self.b.binary(BinaryOp::Fmul, x, factor))
            }
            MathFunc::Log => Val::float(self.math_log(LibFunc::Log, x)),
            MathFunc::Lib(func @ (LibFunc::Log2 | LibFunc::Log10)) => Val::float(self.math_log(func, x)),
            MathFunc::Lib(func) => Val::float(self.math_lib(func, &operands)),
            MathFunc::Isqrt | MathFunc::Gcd | MathFunc::Hypot => return untyped("this function of math"),
        })
    }

    /// `log` of what has one: others raise.
    fn math_log(&mut self, func: LibFunc, x: Value) -> Value {
        let zero = self.b.f64(0.0);
        let at_most_zero = self.b.fcmp(FloatCC::Le, x, zero);
        self.guard_not(at_most_zero, Reason::MathDomain);
        self.b.libm(func, vec![x])
    }

    /// A libm function. CPython raises where a finite operand gives an infinite result or NaN (but lets results underflow).
    fn math_lib(&mut self, func: LibFunc, operands: &[Value]) -> Value {
        let value = self.b.libm(func, operands.to_vec());
        if !matches!(
            func,
            LibFunc::Atan
                | LibFunc::Atan2
                | LibFunc::Tanh
                | LibFunc::Asinh
                | LibFunc::Erf
                | LibFunc::Erfc
                | LibFunc::Cbrt
        ) {
            let mut fine = self.has_magnitude(FloatCC::Lt, value);
            // With an operand that is NaN the result is; with an infinite one, tier 0 decides unless the result is finite.
            for operand in operands {
                let nan = self.b.fcmp(FloatCC::Ne, *operand, *operand);
                fine = self.b.binary(BinaryOp::Or, fine, nan);
            }
            self.guard(fine, Reason::MathDomain);
        }
        value
    }

    /// Compares the magnitude of a float with infinity.
    pub(super) fn has_magnitude(&mut self, cc: FloatCC, value: Value) -> Value {
        let ty = self.b.ty(value);
        let infinity = self.float_const(ty, f64::INFINITY);
        let magnitude = self.b.unary(UnaryOp::Fabs, value);
        self.b.fcmp(cc, magnitude, infinity)
    }

    pub(super) fn call_cmath(&mut self, func: CmathFunc, args: &[Val]) -> Low<Val> {
        let [val] = args else { return Err(Stop::Leave(Reason::Raise)) };
        if val.ty != SlotType::Complex {
            return untyped("a function of cmath on a real number");
        }
        let test = |this: &mut Self, word| match func {
            CmathFunc::Isnan => this.b.fcmp(FloatCC::Ne, word, word),
            CmathFunc::Isinf => this.has_magnitude(FloatCC::Eq, word),
            CmathFunc::Isfinite => this.has_magnitude(FloatCC::Lt, word),
        };
        let re = test(self, val.words[0]);
        let im = test(self, val.words[1]);
        let op = if func == CmathFunc::Isfinite { BinaryOp::And } else { BinaryOp::Or };
        Ok(Val::bool(self.b.binary(op, re, im)))
    }

    pub(super) fn call_numpy_type(&mut self, dtype: DType, args: &[Val]) -> Low<Val> {
        let [val] = args else { return untyped("a NumPy scalar type with these arguments") };
        if dtype.is_complex() {
            let (re, im) = self.to_complex_parts(val, dtype)?;
            return Ok(Val::of(SlotType::Numpy(dtype), vec![re, im]));
        }
        let value = match &val.ty {
            // A Python integer must fit; a float is truncated, which warns or raises where it does not fit.
            SlotType::Int if dtype == DType::Bool => self.truth(val)?,
            SlotType::Bool | SlotType::Int | SlotType::Float | SlotType::Numpy(_) => self.to_dtype(val, dtype)?,
            other => return untyped(format!("np.{}() of {}", dtype.name(), other.describe())),
        };
        Ok(Val::new(SlotType::Numpy(dtype), value))
    }

    pub(super) fn numpy_abs(&mut self, dtype: DType, val: &Val) -> Low<Val> {
        let value = match dtype {
            DType::F32 | DType::F64 => self.b.unary(UnaryOp::Fabs, val.word()),
            DType::F16 => {
                let magnitude = self.b.iconst(Type::I16, 0x7fff);
                self.b.binary(BinaryOp::And, val.word(), magnitude)
            }
            _ if dtype.is_complex() => return Ok(self.numpy_complex_abs(dtype, val)),
            _ if dtype.is_unsigned_int() || dtype == DType::Bool => val.word(),
            _ if dtype.is_signed_int() => {
                let ty = self.b.ty(val.word());
                let zero = self.b.iconst(ty, 0);
                let negative = self.b.icmp(IntCC::Slt, val.word(), zero);
                let negated = self.b.unary(UnaryOp::Ineg, val.word());
                let magnitude = self.b.select(negative, negated, val.word());
                let fits = self.b.icmp(IntCC::Sge, magnitude, zero);
                self.guard(fits, Reason::NumpyWarning);
                magnitude
            }
            _ => return untyped(format!("abs() of {}", dtype.name())),
        };
        Ok(Val::new(SlotType::Numpy(dtype), value))
    }

    /// `np.minimum` and `np.maximum` of two scalars. NaN wins; of 0.0 and -0.0 NumPy chooses.
    fn numpy_extremum(&mut self, is_minimum: bool, a: &Val, b: &Val) -> Low<Val> {
        let dtype = match (&a.ty, &b.ty) {
            (SlotType::Int, SlotType::Int) => DType::I64,
            (SlotType::Float | SlotType::Int, SlotType::Float | SlotType::Int) => DType::F64,
            _ => match self.common_dtype(a, b) {
                Some(dtype) => dtype,
                None => return untyped("this NumPy function"),
            },
        };
        let (x, y) = (self.to_dtype(a, dtype)?, self.to_dtype(b, dtype)?);
        let value = match dtype {
            DType::F32 | DType::F64 => {
                let ordered = self.b.fcmp(if is_minimum { FloatCC::Lt } else { FloatCC::Gt }, x, y);
                let is_nan = self.b.fcmp(FloatCC::Ne, x, x);
                let first = self.b.binary(BinaryOp::Or, ordered, is_nan);
                let equal = self.b.fcmp(FloatCC::Eq, x, y);
                let bits = if dtype == DType::F32 { Type::I32 } else { Type::I64 };
                let (p, q) = (self.b.convert(ConvertOp::Bitcast, x, bits), self.b.convert(ConvertOp::Bitcast, y, bits));
                let differ = self.b.icmp(IntCC::Ne, p, q);
                let zeros = self.b.binary(BinaryOp::And, equal, differ);
                self.guard_not(zeros, Reason::Untyped);
                self.b.select(first, x, y)
            }
            _ if dtype.is_int() => {
                let op = match (is_minimum, dtype.is_signed_int()) {
                    (true, true) => BinaryOp::Smin,
                    (true, false) => BinaryOp::Umin,
                    (false, true) => BinaryOp::Smax,
                    (false, false) => BinaryOp::Umax,
                };
                self.b.binary(op, x, y)
            }
            _ => return untyped("this NumPy function"),
        };
        Ok(Val::new(SlotType::Numpy(dtype), value))
    }

    /// NumPy's functions of a scalar: on Python floats and ints they give `float64`.
    pub(super) fn call_numpy(&mut self, func: NumpyFunc, args: &[Val]) -> Low<Val> {
        if let (NumpyFunc::Minimum | NumpyFunc::Maximum, [a, b]) = (func, args) {
            return self.numpy_extremum(func == NumpyFunc::Minimum, a, b);
        }
        if args.len() != 1 {
            return untyped("this NumPy function");
        }
        let val = &args[0];
        let dtype = match &val.ty {
            SlotType::Float => DType::F64,
            SlotType::Numpy(dtype @ (DType::F32 | DType::F64)) => *dtype,
            other => return untyped(format!("a NumPy function of {}", other.describe())),
        };
        let x = val.word();
        let op = match func {
            NumpyFunc::Sqrt => {
                let zero = self.float_const(self.b.ty(x), 0.0);
                let negative = self.b.fcmp(FloatCC::Lt, x, zero);
                self.guard_not(negative, Reason::NumpyWarning);
                UnaryOp::Sqrt
            }
            NumpyFunc::Absolute | NumpyFunc::Fabs => UnaryOp::Fabs,
            NumpyFunc::Rint => UnaryOp::Nearest,
            NumpyFunc::Floor => UnaryOp::Floor,
            NumpyFunc::Ceil => UnaryOp::Ceil,
            NumpyFunc::Trunc => UnaryOp::Trunc,
            NumpyFunc::Isnan | NumpyFunc::Isinf | NumpyFunc::Isfinite => {
                let test = match func {
                    NumpyFunc::Isnan => self.b.fcmp(FloatCC::Ne, x, x),
                    NumpyFunc::Isinf => self.has_magnitude(FloatCC::Eq, x),
                    _ => self.has_magnitude(FloatCC::Lt, x),
                };
                return Ok(Val::new(SlotType::Numpy(DType::Bool), test));
            }
            NumpyFunc::Square => {
                let value = self.numpy_float_binary(BinOp::Mul, x, x).expect("floats have products");
                return Ok(Val::new(SlotType::Numpy(dtype), value));
            }
            NumpyFunc::Minimum | NumpyFunc::Maximum => return untyped("this NumPy function"),
        };
        Ok(Val::new(SlotType::Numpy(dtype), self.b.unary(op, x)))
    }
}
