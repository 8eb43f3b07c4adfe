//! Python's arithmetic on bool, int and float.
//!
//! Integers are `i64` under a guard on overflow; where a guard has failed before ([`Feedback::widen`]), they are `i128`.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, UnOp};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{
    BinaryOp, ConvertOp, FloatCC, Helper, InstKind, IntCC, LibFunc, OverflowOp, Type, UnaryOp, Value,
};

use super::state::Val;
use super::types::SlotType;
use super::{Low, Lowering, untyped};

/// Magnitude up to which every integer is a float.
const EXACT_IN_FLOAT: i64 = 1 << 53;

impl Lowering<'_> {
    pub(super) fn binary(&mut self, op: BinOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        use SlotType::{Bool, Complex, Float, Int, Int128, Numpy, Tuple};
        match (&lhs.ty, &rhs.ty) {
            (Bool, Bool) if matches!(op, BinOp::And | BinOp::Or | BinOp::Xor) => {
                Ok(Val::bool(self.b.binary(bit_op(op), lhs.word(), rhs.word())))
            }
            (Bool | Int | Int128, Bool | Int | Int128) => self.int_binary(op, lhs, rhs),
            (Bool | Int | Int128 | Float, Bool | Int | Int128 | Float) => {
                let lhs = self.to_float(lhs)?;
                let rhs = self.to_float(rhs)?;
                self.float_binary(op, lhs, rhs)
            }
            (Complex, Bool | Int | Float | Complex) | (Bool | Int | Float, Complex) => {
                self.complex_binary(op, lhs, rhs)
            }
            // A `float64` is a Python float to a complex number on its left.
            (Complex, Numpy(DType::F64)) => self.complex_binary(op, lhs, &Val::float(rhs.word())),
            (Numpy(_), Numpy(_) | Bool | Int | Float | Complex) | (Bool | Int | Float | Complex, Numpy(_)) => {
                self.numpy_binary(op, lhs, rhs)
            }
            // An empty operand makes the other one the result: the same object.
            (Tuple(a), Tuple(b)) if op == BinOp::Add && a.is_empty() == b.is_empty() => {
                let mut items = lhs.items();
                items.extend(rhs.items());
                Ok(Val::tuple(items))
            }
            _ => untyped(format!("`{}` between {} and {}", symbol(op), lhs.ty.describe(), rhs.ty.describe())),
        }
    }

    pub(super) fn unary(&mut self, op: UnOp, src: &Val) -> Low<Val> {
        if op == UnOp::Not {
            let truth = self.truth(src)?;
            let no = self.b.i1(false);
            return Ok(Val::bool(self.b.icmp(IntCC::Eq, truth, no)));
        }
        match &src.ty {
            SlotType::Bool | SlotType::Int => {
                let value = self.to_i64(src);
                match op {
                    UnOp::Pos => Ok(Val::int(value)),
                    UnOp::Invert => Ok(Val::int(self.b.unary(UnaryOp::Not, value))),
                    _ => {
                        let zero = Val::int(self.b.i64(0));
                        self.int_binary(BinOp::Sub, &zero, &Val::int(value))
                    }
                }
            }
            SlotType::Int128 => match op {
                UnOp::Pos => Ok(src.clone()),
                UnOp::Invert => Ok(Val::new(SlotType::Int128, self.b.unary(UnaryOp::Not, src.word()))),
                _ => {
                    let zero = Val::int(self.b.i64(0));
                    self.int_binary(BinOp::Sub, &zero, src)
                }
            },
            SlotType::Float => match op {
                UnOp::Pos => Ok(src.clone()),
                UnOp::Neg => Ok(Val::float(self.b.unary(UnaryOp::Fneg, src.word()))),
                _ => untyped("`~` on a float"),
            },
            SlotType::Complex => match op {
                UnOp::Pos => Ok(src.clone()),
                UnOp::Neg => {
                    let re = self.b.unary(UnaryOp::Fneg, src.words[0]);
                    let im = self.b.unary(UnaryOp::Fneg, src.words[1]);
                    Ok(Val::complex(re, im))
                }
                _ => untyped("`~` on a complex"),
            },
            SlotType::Numpy(dtype) => self.numpy_unary(op, *dtype, src),
            other => untyped(format!("a unary operator on {}", other.describe())),
        }
    }

    /// Whether Python takes the content for true, as an `i1`.
    pub(super) fn truth(&mut self, val: &Val) -> Low<Value> {
        Ok(match &val.ty {
            SlotType::None => self.b.i1(false),
            SlotType::Bool => val.word(),
            SlotType::Int | SlotType::Int128 => {
                let ty = self.b.ty(val.word());
                let zero = self.b.iconst(ty, 0);
                self.b.icmp(IntCC::Ne, val.word(), zero)
            }
            SlotType::Float => {
                let zero = self.b.f64(0.0);
                self.b.fcmp(FloatCC::Ne, val.word(), zero)
            }
            SlotType::Complex => {
                let zero = self.b.f64(0.0);
                let re = self.b.fcmp(FloatCC::Ne, val.words[0], zero);
                let im = self.b.fcmp(FloatCC::Ne, val.words[1], zero);
                self.b.binary(BinaryOp::Or, re, im)
            }
            SlotType::Numpy(dtype) => self.numpy_truth(*dtype, val)?,
            SlotType::Tuple(items) => self.b.i1(!items.is_empty()),
            SlotType::Range => {
                let len = self.range_len(val)?;
                let zero = self.b.i64(0);
                self.b.icmp(IntCC::Ne, len, zero)
            }
            other => return untyped(format!("the truth of {}", other.describe())),
        })
    }

    // ---- integers

    /// A bool or an int of 64 bits as `i64`.
    pub(super) fn to_i64(&mut self, val: &Val) -> Value {
        match val.ty {
            SlotType::Bool => self.b.convert(ConvertOp::Zext, val.word(), Type::I64),
            _ => val.word(),
        }
    }

    /// An `i128` as `i64`, under a guard that it fits.
    pub(super) fn fitting_i64(&mut self, wide: Value, reason: Reason) -> Value {
        let narrow = self.b.convert(ConvertOp::Trunc, wide, Type::I64);
        let back = self.b.convert(ConvertOp::Sext, narrow, Type::I128);
        let fits = self.b.icmp(IntCC::Eq, back, wide);
        self.guard(fits, reason);
        narrow
    }

    pub(super) fn to_i128(&mut self, val: &Val) -> Value {
        match val.ty {
            SlotType::Int128 => val.word(),
            _ => {
                let narrow = self.to_i64(val);
                self.b.convert(ConvertOp::Sext, narrow, Type::I128)
            }
        }
    }

    fn int_binary(&mut self, op: BinOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        let feedback = self.feedback();
        if feedback.big && !self.b.func.licences.wrap {
            return untyped(format!("`{}` beyond 128 bits", symbol(op)));
        }
        let wide = lhs.ty == SlotType::Int128 || rhs.ty == SlotType::Int128;
        let may_widen = matches!(op, BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::LShift);
        let widens = may_widen && feedback.widen && !self.b.func.licences.wrap;
        if wide || widens {
            return self.wide_int_binary(op, lhs, rhs);
        }
        let (a, b) = (self.to_i64(lhs), self.to_i64(rhs));
        match op {
            BinOp::Add => self.checked(OverflowOp::SaddOverflow, BinaryOp::Iadd, a, b),
            BinOp::Sub => self.checked(OverflowOp::SsubOverflow, BinaryOp::Isub, a, b),
            BinOp::Mul => self.checked(OverflowOp::SmulOverflow, BinaryOp::Imul, a, b),
            BinOp::And | BinOp::Or | BinOp::Xor => Ok(Val::int(self.b.binary(bit_op(op), a, b))),
            BinOp::FloorDiv => {
                self.guard_division(a, b);
                Ok(Val::int(self.b.binary(BinaryOp::SdivFloor, a, b)))
            }
            BinOp::Mod => {
                self.guard_division(a, b);
                Ok(Val::int(self.b.binary(BinaryOp::SremFloor, a, b)))
            }
            BinOp::TrueDiv => self.int_true_div(a, b),
            BinOp::LShift => self.int_shift_left(a, b),
            BinOp::RShift => {
                let zero = self.b.i64(0);
                let max = self.b.i64(63);
                let positive = self.b.icmp(IntCC::Sge, b, zero);
                self.guard(positive, Reason::ShiftOutOfRange);
                let count =
                    if planted(Defect::ShiftCountNotClamped) { b } else { self.b.binary(BinaryOp::Umin, b, max) };
                Ok(Val::int(self.b.binary(BinaryOp::Ashr, a, count)))
            }
            BinOp::Pow => self.int_pow(a, b),
            BinOp::MatMul => untyped("`@` between integers"),
        }
    }

    fn checked(&mut self, op: OverflowOp, wrapping: BinaryOp, a: Value, b: Value) -> Low<Val> {
        if self.b.func.licences.wrap {
            return Ok(Val::int(self.b.binary(wrapping, a, b)));
        }
        let (value, overflow) = self.b.overflow(op, a, b);
        let unchecked = match op {
            OverflowOp::SaddOverflow => Defect::SumUnchecked,
            _ => Defect::ProductUnchecked,
        };
        if !planted(unchecked) {
            self.guard_not(overflow, Reason::IntOverflow);
        }
        Ok(Val::int(value))
    }

    fn wide_int_binary(&mut self, op: BinOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        let checked = match op {
            BinOp::Add => Some(OverflowOp::SaddOverflow),
            BinOp::Sub => Some(OverflowOp::SsubOverflow),
            BinOp::Mul => Some(OverflowOp::SmulOverflow),
            BinOp::And | BinOp::Or | BinOp::Xor | BinOp::FloorDiv | BinOp::Mod | BinOp::LShift | BinOp::RShift => None,
            BinOp::TrueDiv | BinOp::Pow | BinOp::MatMul => {
                return untyped(format!("`{}` of integers of 128 bits", symbol(op)));
            }
        };
        let (a, b) = (self.to_i128(lhs), self.to_i128(rhs));
        match op {
            BinOp::FloorDiv => {
                self.guard_division(a, b);
                return Ok(Val::new(SlotType::Int128, self.b.binary(BinaryOp::SdivFloor, a, b)));
            }
            BinOp::Mod => {
                self.guard_division(a, b);
                let rest = self.b.binary(BinaryOp::SremFloor, a, b);
                // A remainder is smaller than the divisor.
                return Ok(match rhs.ty {
                    SlotType::Int128 => Val::new(SlotType::Int128, rest),
                    _ => Val::int(self.b.convert(ConvertOp::Trunc, rest, Type::I64)),
                });
            }
            BinOp::LShift => {
                let limit = self.b.iconst(Type::I128, 127);
                let in_range = self.b.icmp(IntCC::Ule, b, limit);
                self.guard(in_range, Reason::ShiftOutOfRange);
                let value = self.b.binary(BinaryOp::Shl, a, b);
                let back = self.b.binary(BinaryOp::Ashr, value, b);
                let kept = self.b.icmp(IntCC::Eq, back, a);
                self.guard(kept, Reason::IntOverflow);
                return Ok(Val::new(SlotType::Int128, value));
            }
            BinOp::RShift => {
                let zero = self.b.iconst(Type::I128, 0);
                let max = self.b.iconst(Type::I128, 127);
                let positive = self.b.icmp(IntCC::Sge, b, zero);
                self.guard(positive, Reason::ShiftOutOfRange);
                let beyond = self.b.icmp(IntCC::Sgt, b, max);
                let count = self.b.select(beyond, max, b);
                return Ok(Val::new(SlotType::Int128, self.b.binary(BinaryOp::Ashr, a, count)));
            }
            _ => {}
        }
        let value = match checked {
            Some(op) => {
                let (value, overflow) = self.b.overflow(op, a, b);
                self.guard_not(overflow, Reason::IntOverflow);
                value
            }
            None => self.b.binary(bit_op(op), a, b),
        };
        Ok(Val::new(SlotType::Int128, value))
    }

    /// Guards that `a / b` is defined: `b` is not zero, and the quotient fits.
    pub(super) fn guard_division(&mut self, a: Value, b: Value) {
        let ty = self.b.ty(b);
        match self.const_of(b) {
            Some(0) | None => {
                let zero = self.b.iconst(ty, 0);
                let nonzero = self.b.icmp(IntCC::Ne, b, zero);
                self.guard(nonzero, Reason::DivisionByZero);
            }
            _ => {}
        }
        if matches!(self.const_of(b), Some(-1) | None) && !planted(Defect::MinimumByMinusOne) {
            let minus_one = self.b.iconst(ty, -1);
            let minimum = self.b.iconst(ty, -1 << (ty.lane_bits() - 1));
            let ordinary = self.b.icmp(IntCC::Ne, b, minus_one);
            let fits = self.b.icmp(IntCC::Ne, a, minimum);
            let fits = self.b.binary(BinaryOp::Or, ordinary, fits);
            self.guard(fits, Reason::IntOverflow);
        }
    }

    fn int_true_div(&mut self, a: Value, b: Value) -> Low<Val> {
        if !matches!(self.const_of(b), Some(value) if value != 0) {
            let zero = self.b.i64(0);
            let nonzero = self.b.icmp(IntCC::Ne, b, zero);
            self.guard(nonzero, Reason::DivisionByZero);
        }
        let a = self.exact_float(a, Reason::InexactDivision);
        let b = self.exact_float(b, Reason::InexactDivision);
        Ok(Val::float(self.b.binary(BinaryOp::Fdiv, a, b)))
    }

    /// An `i64` as a float, under a guard that this is exact.
    pub(super) fn exact_float(&mut self, value: Value, reason: Reason) -> Value {
        if !matches!(self.const_of(value), Some(known) if known.unsigned_abs() <= EXACT_IN_FLOAT as u128) {
            let most = if planted(Defect::ExactFloatLimit) { 2 * EXACT_IN_FLOAT } else { EXACT_IN_FLOAT };
            let offset = self.b.i64(most);
            let limit = self.b.i64(2 * most);
            let shifted = self.b.binary(BinaryOp::Iadd, value, offset);
            let exact = self.b.icmp(IntCC::Ule, shifted, limit);
            self.guard(exact, reason);
        }
        self.b.convert(ConvertOp::SintToFloat, value, Type::F64)
    }

    fn int_shift_left(&mut self, a: Value, b: Value) -> Low<Val> {
        let limit = self.b.i64(63);
        let in_range = self.b.icmp(IntCC::Ule, b, limit);
        self.guard(in_range, Reason::ShiftOutOfRange);
        let value = self.b.binary(BinaryOp::Shl, a, b);
        if !self.b.func.licences.wrap && !planted(Defect::ShiftedOutBits) {
            let back = self.b.binary(BinaryOp::Ashr, value, b);
            let kept = self.b.icmp(IntCC::Eq, back, a);
            self.guard(kept, Reason::IntOverflow);
        }
        Ok(Val::int(value))
    }

    fn int_pow(&mut self, a: Value, b: Value) -> Low<Val> {
        match self.const_of(b) {
            Some(0) => return Ok(Val::int(self.b.i64(1))),
            Some(1) => return Ok(Val::int(a)),
            Some(n @ 2..=4) => {
                let mut power = Val::int(a);
                for _ in 1..n {
                    power = self.checked(OverflowOp::SmulOverflow, BinaryOp::Imul, power.word(), a)?;
                }
                return Ok(power);
            }
            _ => {}
        }
        let zero = self.b.i64(0);
        let positive = self.b.icmp(IntCC::Sge, b, zero);
        self.guard(positive, Reason::NegativeExponent);
        let inst = self.b.push(InstKind::CallHelper(Helper::IntPow, vec![a, b]), &[Type::I64, Type::I64]);
        let (value, overflow) = (self.b.results(inst)[0], self.b.results(inst)[1]);
        if !self.b.func.licences.wrap {
            let fits = self.b.icmp(IntCC::Eq, overflow, zero);
            self.guard(fits, Reason::IntOverflow);
        }
        Ok(Val::int(value))
    }

    // ---- floats

    /// A bool, int or float as `f64`, rounded to nearest even.
    pub(super) fn to_float(&mut self, val: &Val) -> Low<Value> {
        match val.ty {
            SlotType::Float => Ok(val.word()),
            SlotType::Bool | SlotType::Int => {
                let narrow = self.to_i64(val);
                Ok(self.b.convert(ConvertOp::SintToFloat, narrow, Type::F64))
            }
            SlotType::Int128 => Ok(self.b.convert(ConvertOp::SintToFloat, val.word(), Type::F64)),
            _ => untyped(format!("{} as a float", val.ty.describe())),
        }
    }

    pub(super) fn float_binary(&mut self, op: BinOp, a: Value, b: Value) -> Low<Val> {
        let plain = match op {
            BinOp::Add => BinaryOp::Fadd,
            BinOp::Sub => BinaryOp::Fsub,
            BinOp::Mul => BinaryOp::Fmul,
            BinOp::TrueDiv => {
                self.guard_nonzero(b, Reason::DivisionByZero);
                BinaryOp::Fdiv
            }
            BinOp::FloorDiv => {
                self.guard_nonzero(b, Reason::DivisionByZero);
                return Ok(Val::float(self.float_divmod(a, b).0));
            }
            BinOp::Mod => {
                self.guard_nonzero(b, Reason::DivisionByZero);
                return Ok(Val::float(self.float_divmod(a, b).1));
            }
            BinOp::Pow => return Ok(Val::float(self.float_pow(a, b))),
            _ => return untyped(format!("`{}` between floats", symbol(op))),
        };
        Ok(Val::float(self.b.binary(plain, a, b)))
    }

    /// Guards that a float is not zero.
    pub(super) fn guard_nonzero(&mut self, value: Value, reason: Reason) {
        let zero = self.float_const(self.b.ty(value), 0.0);
        let nonzero = self.b.fcmp(FloatCC::Ne, value, zero);
        self.guard(nonzero, reason);
    }

    /// A float constant of type `f32` or `f64`.
    pub(super) fn float_const(&mut self, ty: Type, value: f64) -> Value {
        if ty == Type::F32 { self.b.f32(value as f32) } else { self.b.f64(value) }
    }

    /// Quotient and remainder of floats, the divisor not zero: the algorithm of CPython's `float_divmod`, which takes the
    /// remainder by `fmod`, gives it the divisor's sign, and rounds the quotient that belongs to it.
    pub(super) fn float_divmod(&mut self, a: Value, b: Value) -> (Value, Value) {
        let ty = self.b.ty(a);
        let zero = self.float_const(ty, 0.0);
        let half = self.float_const(ty, 0.5);
        let one = self.float_const(ty, 1.0);
        let fmod = if ty == Type::F32 { LibFunc::FmodF32 } else { LibFunc::Fmod };
        let raw = self.b.libm(fmod, vec![a, b]);
        // A remainder of zero takes the divisor's sign; another one moves by the divisor if the signs differ.
        let is_zero = self.b.fcmp(FloatCC::Eq, raw, zero);
        let signed_zero = self.b.binary(BinaryOp::Fcopysign, zero, b);
        let b_negative = self.b.fcmp(FloatCC::Lt, b, zero);
        let raw_negative = self.b.fcmp(FloatCC::Lt, raw, zero);
        let differ = if planted(Defect::FloatRemainderSign) {
            raw_negative
        } else {
            self.b.binary(BinaryOp::Xor, b_negative, raw_negative)
        };
        let moved = self.b.binary(BinaryOp::Fadd, raw, b);
        let adjusted = self.b.select(differ, moved, raw);
        let rem = self.b.select(is_zero, signed_zero, adjusted);

        let whole = self.b.binary(BinaryOp::Fsub, a, raw);
        let quotient = self.b.binary(BinaryOp::Fdiv, whole, b);
        let less = self.b.binary(BinaryOp::Fsub, quotient, one);
        let shift = self.b.select(is_zero, quotient, less);
        let no_shift_needed = self.b.select(differ, shift, quotient);
        let quotient = no_shift_needed;
        let floor = self.b.unary(UnaryOp::Floor, quotient);
        let fraction = self.b.binary(BinaryOp::Fsub, quotient, floor);
        let up = self.b.fcmp(FloatCC::Gt, fraction, half);
        let next = self.b.binary(BinaryOp::Fadd, floor, one);
        let rounded = self.b.select(up, next, floor);
        // A quotient of zero takes the sign of the true quotient.
        let true_quotient = self.b.binary(BinaryOp::Fdiv, a, b);
        let zero_quotient = self.b.binary(BinaryOp::Fcopysign, zero, true_quotient);
        let quotient_zero = self.b.fcmp(FloatCC::Eq, quotient, zero);
        (self.b.select(quotient_zero, zero_quotient, rounded), rem)
    }

    /// `a ** b` where it is a float and does not overflow; the other cases leave.
    fn float_pow(&mut self, a: Value, b: Value) -> Value {
        let zero = self.b.f64(0.0);
        let infinity = self.b.f64(f64::INFINITY);
        // Zero to a negative power raises.
        let a_nonzero = self.b.fcmp(FloatCC::Ne, a, zero);
        let b_negative = self.b.fcmp(FloatCC::Lt, b, zero);
        let not_negative = self.is_false(b_negative);
        let defined = self.b.binary(BinaryOp::Or, a_nonzero, not_negative);
        self.guard(defined, Reason::DivisionByZero);
        // A negative base to a fractional power is complex.
        let a_negative = self.b.fcmp(FloatCC::Lt, a, zero);
        let floor = self.b.unary(UnaryOp::Floor, b);
        let fractional = self.b.fcmp(FloatCC::Lt, floor, b);
        let a_abs = self.b.unary(UnaryOp::Fabs, a);
        let a_finite = self.b.fcmp(FloatCC::Lt, a_abs, infinity);
        let complex = self.b.binary(BinaryOp::And, a_negative, fractional);
        let complex = self.b.binary(BinaryOp::And, complex, a_finite);
        let real = self.is_false(complex);
        if !planted(Defect::FractionalPowerOfNegative) {
            self.guard(real, Reason::MathDomain);
        }
        let value = self.b.libm(LibFunc::Pow, vec![a, b]);
        // An infinite result of finite operands raises.
        let magnitude = self.b.unary(UnaryOp::Fabs, value);
        let result_infinite = self.b.fcmp(FloatCC::Eq, magnitude, infinity);
        let b_abs = self.b.unary(UnaryOp::Fabs, b);
        let b_finite = self.b.fcmp(FloatCC::Lt, b_abs, infinity);
        let overflow = self.b.binary(BinaryOp::And, result_infinite, a_finite);
        let overflow = self.b.binary(BinaryOp::And, overflow, b_finite);
        let fits = self.is_false(overflow);
        self.guard(fits, Reason::MathDomain);
        value
    }

    /// The opposite of an `i1`.
    pub(super) fn is_false(&mut self, value: Value) -> Value {
        let no = self.b.i1(false);
        self.b.icmp(IntCC::Eq, value, no)
    }
}

/// The bitwise operation of an operator.
pub(super) fn bit_op(op: BinOp) -> BinaryOp {
    match op {
        BinOp::And => BinaryOp::And,
        BinOp::Or => BinaryOp::Or,
        _ => BinaryOp::Xor,
    }
}

/// How the operator is written.
pub(super) fn symbol(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "+",
        BinOp::Sub => "-",
        BinOp::Mul => "*",
        BinOp::TrueDiv => "/",
        BinOp::FloorDiv => "//",
        BinOp::Mod => "%",
        BinOp::Pow => "**",
        BinOp::LShift => "<<",
        BinOp::RShift => ">>",
        BinOp::And => "&",
        BinOp::Or => "|",
        BinOp::Xor => "^",
        BinOp::MatMul => "@",
    }
}
