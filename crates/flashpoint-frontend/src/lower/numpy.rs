//! NumPy scalars: promotion by NEP 50, wrapping arithmetic, and exits wherever NumPy would warn.
//!
//! References: NEP 50, "Promotion rules for Python scalars".

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, CmpOp, Pc, UnOp};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, FloatCC, IntCC, LibFunc, OverflowOp, Type, UnaryOp, Value};

use super::arith::{bit_op, symbol};
use super::compare::{float_cc, int_cc};
use super::numpy_complex::part_of;
use super::state::Val;
use super::types::{SlotType, machine_type};
use super::{Low, Lowering, untyped};

/// The type that two array types promote to.
pub(super) fn promote(a: DType, b: DType) -> DType {
    use DType::*;
    if a == b {
        return a;
    }
    match (a, b) {
        (Bool, x) | (x, Bool) => x,
        _ if a.is_complex() || b.is_complex() => {
            let wide = |d: DType| matches!(d, F64 | C128 | I32 | I64 | U32 | U64);
            if wide(a) || wide(b) { C128 } else { C64 }
        }
        _ if a.is_float() && b.is_float() => {
            if a.size() == b.size() {
                F32
            } else if a.size() > b.size() {
                a
            } else {
                b
            }
        }
        _ if a.is_float() || b.is_float() => {
            let (float, int) = if a.is_float() { (a, b) } else { (b, a) };
            let needed = match int.size() {
                1 => F16,
                2 => F32,
                _ => F64,
            };
            if float == BF16 { if needed == F64 { F64 } else { F32 } } else { promote(float, needed) }
        }
        _ if a.is_signed_int() == b.is_signed_int() => {
            if a.size() >= b.size() {
                a
            } else {
                b
            }
        }
        _ => {
            let (signed, unsigned) = if a.is_signed_int() { (a, b) } else { (b, a) };
            if signed.size() > unsigned.size() {
                return signed;
            }
            match unsigned {
                U8 => I16,
                U16 => I32,
                U32 => I64,
                _ => F64,
            }
        }
    }
}

/// The type of an operation between a NumPy scalar and a Python number, by the kind of the Python number.
fn promote_weak(dtype: DType, python: &SlotType) -> Option<DType> {
    Some(match python {
        SlotType::Bool => dtype,
        SlotType::Int if dtype == DType::Bool => DType::I64,
        SlotType::Int => dtype,
        SlotType::Float if dtype == DType::Bool || dtype.is_int() => DType::F64,
        SlotType::Float => dtype,
        SlotType::Complex if matches!(dtype, DType::F16 | DType::F32 | DType::C64) => DType::C64,
        SlotType::Complex => DType::C128,
        _ => return None,
    })
}

impl Lowering<'_> {
    /// The common type of two operands of which at least one is a NumPy scalar.
    pub(super) fn common_dtype(&self, lhs: &Val, rhs: &Val) -> Option<DType> {
        let dtype = match (&lhs.ty, &rhs.ty) {
            (SlotType::Numpy(a), SlotType::Numpy(b)) => promote(*a, *b),
            (SlotType::Numpy(a), python) | (python, SlotType::Numpy(a)) => promote_weak(*a, python)?,
            _ => return None,
        };
        (dtype != DType::BF16).then_some(dtype)
    }

    /// A number converted to a NumPy type, as NumPy converts an operand: a Python integer must fit.
    pub(super) fn to_dtype(&mut self, val: &Val, to: DType) -> Low<Value> {
        let target = machine_type(to);
        match &val.ty {
            SlotType::Numpy(from) => self.convert_dtype(val.word(), *from, to),
            SlotType::Bool => self.convert_dtype(val.word(), DType::Bool, to),
            SlotType::Int if to.is_int() => {
                self.guard_fits(val.word(), to);
                Ok(if target == Type::I64 { val.word() } else { self.b.convert(ConvertOp::Trunc, val.word(), target) })
            }
            SlotType::Int | SlotType::Float => {
                let float = self.to_float(val)?;
                self.convert_dtype(float, DType::F64, to)
            }
            other => untyped(format!("{} as {}", other.describe(), to.name())),
        }
    }

    /// Guards that a Python integer of 64 bits fits an integer type.
    fn guard_fits(&mut self, value: Value, to: DType) {
        let (low, high): (i128, i128) = match to {
            DType::I64 => return,
            DType::U64 => (0, i64::MAX as i128),
            _ => {
                let bits = to.size() as u32 * 8;
                if to.is_signed_int() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
            }
        };
        if matches!(self.const_of(value), Some(known) if (low..=high).contains(&known)) {
            return;
        }
        let low_value = self.b.iconst(Type::I64, low);
        let width = self.b.iconst(Type::I64, high - low + i128::from(planted(Defect::StoreRangeOffByOne)));
        let offset = self.b.binary(BinaryOp::Isub, value, low_value);
        let fits = self.b.icmp(IntCC::Ule, offset, width);
        self.guard(fits, Reason::StoreOutOfRange);
    }

    /// A scalar of one element type as another. Floats become integers only where they fit.
    pub(super) fn convert_dtype(&mut self, value: Value, from: DType, to: DType) -> Low<Value> {
        let target = machine_type(to);
        let from_int = from == DType::Bool || from.is_int();
        let from_float = matches!(from, DType::F32 | DType::F64);
        let to_float = matches!(to, DType::F32 | DType::F64);
        let from_bits = if from == DType::Bool { 1 } else { from.size() as u32 * 8 };
        Ok(match (from, to) {
            _ if from == to => value,
            (DType::F16, DType::Bool) => {
                let float = self.half_to_float(value);
                self.convert_dtype(float, DType::F32, to)?
            }
            (DType::F16, _) if to_float || to.is_int() => {
                let float = self.half_to_float(value);
                self.convert_dtype(float, DType::F32, to)?
            }
            (DType::F32, DType::F16) => self.half_of_float(value),
            (DType::F64, DType::F16) => self.half_of_double(value),
            (_, DType::F16) if from_int => {
                let float = self.convert_dtype(value, from, DType::F32)?;
                self.half_of_float(float)
            }
            (_, DType::Bool) if from_int => {
                let zero = self.b.iconst(machine_type(from), 0);
                self.b.icmp(IntCC::Ne, value, zero)
            }
            (_, DType::Bool) if from_float => {
                let zero = self.float_const(machine_type(from), 0.0);
                self.b.fcmp(FloatCC::Ne, value, zero)
            }
            _ if from_int && to.is_int() => {
                let to_bits = to.size() as u32 * 8;
                if to_bits == from_bits {
                    value
                } else if to_bits < from_bits {
                    self.b.convert(ConvertOp::Trunc, value, target)
                } else {
                    let is_signed =
                        from.is_signed_int() || (planted(Defect::UnsignedWidensSigned) && from == DType::U32);
                    let op = if is_signed { ConvertOp::Sext } else { ConvertOp::Zext };
                    self.b.convert(op, value, target)
                }
            }
            _ if from_int && to_float => {
                let wide = if from == DType::Bool { self.b.convert(ConvertOp::Zext, value, Type::I8) } else { value };
                let op = if from.is_signed_int() { ConvertOp::SintToFloat } else { ConvertOp::UintToFloat };
                self.b.convert(op, wide, target)
            }
            (DType::F32, DType::F64) => self.b.convert(ConvertOp::FloatExtend, value, target),
            (DType::F64, DType::F32) => {
                let narrow = self.b.convert(ConvertOp::FloatDemote, value, target);
                self.guard_finite_demotion(narrow, value);
                narrow
            }
            _ if from_float && to.is_int() && to != DType::U64 => {
                // Both bounds are powers of two, hence exact.
                let bits = to.size() as i32 * 8;
                let ty = machine_type(from);
                let (low, high) = if to.is_signed_int() {
                    (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1))
                } else {
                    (0.0, 2f64.powi(bits))
                };
                let whole = self.b.unary(UnaryOp::Trunc, value);
                let low = self.float_const(ty, low);
                let high = self.float_const(ty, high);
                let above = self.b.fcmp(FloatCC::Ge, whole, low);
                let below = self.b.fcmp(FloatCC::Lt, whole, high);
                let fits = self.b.binary(BinaryOp::And, above, below);
                self.guard(fits, Reason::StoreOutOfRange);
                let wide = self.b.convert(ConvertOp::FloatToSint, value, Type::I64);
                if target == Type::I64 { wide } else { self.b.convert(ConvertOp::Trunc, wide, target) }
            }
            _ => return untyped(format!("converting {} to {}", from.name(), to.name())),
        })
    }

    pub(super) fn numpy_truth(&mut self, dtype: DType, val: &Val) -> Low<Value> {
        if dtype.is_complex() {
            let re = self.convert_dtype(val.words[0], part_of(dtype), DType::Bool)?;
            let im = self.convert_dtype(val.words[1], part_of(dtype), DType::Bool)?;
            return Ok(self.b.binary(BinaryOp::Or, re, im));
        }
        self.convert_dtype(val.word(), dtype, DType::Bool)
    }

    pub(super) fn numpy_binary(&mut self, op: BinOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        let describe = || format!("`{}` between {} and {}", symbol(op), lhs.ty.describe(), rhs.ty.describe());
        let Some(mut dtype) = self.common_dtype(lhs, rhs) else { return untyped(describe()) };
        if op == BinOp::TrueDiv && (dtype.is_int() || dtype == DType::Bool) {
            dtype = DType::F64;
        }
        // A scalar whose own type is not the result's hands the operation to the array loop, whose power differs in its last
        // bit from that of the scalars.
        let first = if matches!(lhs.ty, SlotType::Numpy(_)) { &lhs.ty } else { &rhs.ty };
        if op == BinOp::Pow && !dtype.is_int() && *first != SlotType::Numpy(dtype) {
            return untyped(describe());
        }
        if dtype.is_complex() {
            return self.numpy_complex_binary(op, dtype, lhs, rhs);
        }
        let a = self.to_dtype(lhs, dtype)?;
        let b = self.to_dtype(rhs, dtype)?;
        let value = if dtype == DType::Bool {
            match op {
                BinOp::And | BinOp::Or | BinOp::Xor => self.b.binary(bit_op(op), a, b),
                BinOp::Add => self.b.binary(BinaryOp::Or, a, b),
                BinOp::Mul => self.b.binary(BinaryOp::And, a, b),
                _ => return untyped(describe()),
            }
        } else if dtype.is_int() {
            match self.numpy_int_binary(op, dtype, a, b) {
                Some(value) => value,
                None => return untyped(describe()),
            }
        } else if dtype == DType::F16 {
            let (a, b) = (self.half_to_float(a), self.half_to_float(b));
            if op == BinOp::Mod {
                // NumPy rounds the quotient too, and warns if that overflows.
                let quotient = self.float_divmod(a, b).0;
                self.half_of_float(quotient);
            }
            match self.numpy_float_binary(op, a, b) {
                Some(value) => self.half_of_float(value),
                None => return untyped(describe()),
            }
        } else {
            match self.numpy_float_binary(op, a, b) {
                Some(value) => value,
                None => return untyped(describe()),
            }
        };
        Ok(Val::new(SlotType::Numpy(dtype), value))
    }

    fn numpy_int_binary(&mut self, op: BinOp, dtype: DType, a: Value, b: Value) -> Option<Value> {
        let signed = dtype.is_signed_int();
        let checked = |this: &mut Self, signed_op, unsigned_op| {
            let (value, overflow) = {
                let as_signed = signed || planted(Defect::UnsignedOverflowSigned);
                this.b.overflow(if as_signed { signed_op } else { unsigned_op }, a, b)
            };
            this.guard_not(overflow, Reason::NumpyWarning);
            value
        };
        let ty = machine_type(dtype);
        Some(match op {
            BinOp::Add => checked(self, OverflowOp::SaddOverflow, OverflowOp::UaddOverflow),
            BinOp::Sub => checked(self, OverflowOp::SsubOverflow, OverflowOp::UsubOverflow),
            BinOp::Mul => checked(self, OverflowOp::SmulOverflow, OverflowOp::UmulOverflow),
            BinOp::And | BinOp::Or | BinOp::Xor => self.b.binary(bit_op(op), a, b),
            BinOp::FloorDiv | BinOp::Mod => {
                let zero = self.b.iconst(ty, 0);
                let nonzero = self.b.icmp(IntCC::Ne, b, zero);
                self.guard(nonzero, Reason::NumpyWarning);
                if signed {
                    self.guard_division(a, b);
                }
                let op = match (op, signed) {
                    (BinOp::FloorDiv, true) => BinaryOp::SdivFloor,
                    (BinOp::FloorDiv, false) => BinaryOp::Udiv,
                    (_, true) => BinaryOp::SremFloor,
                    (_, false) => BinaryOp::Urem,
                };
                self.b.binary(op, a, b)
            }
            BinOp::LShift | BinOp::RShift => {
                let bits = self.b.iconst(ty, i128::from(ty.lane_bits()));
                let in_range = self.b.icmp(IntCC::Ult, b, bits);
                if !planted(Defect::NumpyShiftUnguarded) {
                    self.guard(in_range, Reason::ShiftOutOfRange);
                }
                let op = match (op, signed) {
                    (BinOp::LShift, _) => BinaryOp::Shl,
                    (_, true) => BinaryOp::Ashr,
                    (_, false) => BinaryOp::Lshr,
                };
                self.b.binary(op, a, b)
            }
            _ => return None,
        })
    }

    pub(super) fn numpy_float_binary(&mut self, op: BinOp, a: Value, b: Value) -> Option<Value> {
        self.has_numpy_floats = true;
        let ty = self.b.ty(a);
        Some(match op {
            BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::TrueDiv => {
                let plain = match op {
                    BinOp::Add => BinaryOp::Fadd,
                    BinOp::Sub => BinaryOp::Fsub,
                    BinOp::Mul => BinaryOp::Fmul,
                    _ => {
                        self.guard_nonzero(b, Reason::NumpyWarning);
                        BinaryOp::Fdiv
                    }
                };
                let value = self.b.binary(plain, a, b);
                self.guard_quiet(value, a, b);
                value
            }
            BinOp::FloorDiv | BinOp::Mod => {
                self.guard_nonzero(b, Reason::NumpyWarning);
                let (quotient, rem) = self.float_divmod(a, b);
                let value = if op == BinOp::Mod { rem } else { quotient };
                self.guard_quiet(value, a, b);
                value
            }
            BinOp::Pow => {
                // Zero to a negative power warns, to that of minus infinity too.
                let zero = self.float_const(ty, 0.0);
                let nonzero = self.b.fcmp(FloatCC::Ne, a, zero);
                let not_negative = self.b.fcmp(FloatCC::Ge, b, zero);
                let quiet = self.b.binary(BinaryOp::Or, nonzero, not_negative);
                self.guard(quiet, Reason::NumpyWarning);
                let func = if ty == Type::F32 { LibFunc::PowF32 } else { LibFunc::Pow };
                let value = self.b.libm(func, vec![a, b]);
                self.guard_finite_result(value, &[a, b]);
                value
            }
            _ => return None,
        })
    }

    /// Leaves if NumPy would warn of the arithmetic: an infinite result of finite operands, or NaN of ones that are not.
    /// The condition is "finite, or exactly this": passes may test the first half alone, where a spurious failure is only
    /// slow. A function that has not met an infinity or NaN yet does with the first half.
    fn guard_quiet(&mut self, value: Value, a: Value, b: Value) {
        let infinity = self.float_const(self.b.ty(value), f64::INFINITY);
        let magnitude = self.b.unary(UnaryOp::Fabs, value);
        let is_finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
        if !self.world.feedback(0, Pc(0)).non_finite {
            self.guard(is_finite, Reason::NonFinite);
            return;
        }
        let mut overflow = self.b.fcmp(FloatCC::Eq, magnitude, infinity);
        let mut invalid = self.b.fcmp(FloatCC::Ne, value, value);
        for operand in [a, b] {
            let magnitude = self.b.unary(UnaryOp::Fabs, operand);
            let finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
            overflow = self.b.binary(BinaryOp::And, overflow, finite);
            let number = self.b.fcmp(FloatCC::Eq, operand, operand);
            invalid = self.b.binary(BinaryOp::And, invalid, number);
        }
        let warns = self.b.binary(BinaryOp::Or, overflow, invalid);
        let silent = self.is_false(warns);
        let quiet = self.b.binary(BinaryOp::Or, is_finite, silent);
        self.guard(quiet, Reason::NumpyWarning);
    }

    /// Leaves if a function of NumPy would warn: the result is infinite or NaN though the operands are finite.
    pub(super) fn guard_finite_result(&mut self, value: Value, operands: &[Value]) {
        let ty = self.b.ty(value);
        let infinity = self.float_const(ty, f64::INFINITY);
        let magnitude = self.b.unary(UnaryOp::Fabs, value);
        let mut quiet = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
        for operand in operands {
            let magnitude = self.b.unary(UnaryOp::Fabs, *operand);
            let finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
            let not_finite = self.is_false(finite);
            quiet = self.b.binary(BinaryOp::Or, quiet, not_finite);
        }
        self.guard(quiet, Reason::NumpyWarning);
    }

    pub(super) fn numpy_unary(&mut self, op: UnOp, dtype: DType, src: &Val) -> Low<Val> {
        if dtype.is_complex() {
            return self.numpy_complex_unary(op, dtype, src);
        }
        let value = src.word();
        let ty = machine_type(dtype);
        let result = match op {
            UnOp::Pos if dtype != DType::Bool => value,
            UnOp::Neg if dtype == DType::F16 => {
                let sign = self.b.iconst(ty, 0x8000);
                self.b.binary(BinaryOp::Xor, value, sign)
            }
            UnOp::Neg if matches!(dtype, DType::F32 | DType::F64) => self.b.unary(UnaryOp::Fneg, value),
            UnOp::Neg if dtype.is_int() => {
                let zero = self.b.iconst(ty, 0);
                let op = if dtype.is_signed_int() { OverflowOp::SsubOverflow } else { OverflowOp::UsubOverflow };
                let (negated, overflow) = self.b.overflow(op, zero, value);
                self.guard_not(overflow, Reason::NumpyWarning);
                negated
            }
            UnOp::Invert if dtype == DType::Bool => self.is_false(value),
            UnOp::Invert if dtype.is_int() => self.b.unary(UnaryOp::Not, value),
            _ => return untyped(format!("a unary operator on {}", dtype.name())),
        };
        Ok(Val::new(SlotType::Numpy(dtype), result))
    }

    pub(super) fn numpy_compare(&mut self, op: CmpOp, lhs: &Val, rhs: &Val) -> Low<Val> {
        let Some(dtype) = self.common_dtype(lhs, rhs) else {
            return untyped(format!("comparing {} with {}", lhs.ty.describe(), rhs.ty.describe()));
        };
        if let (SlotType::Numpy(a), SlotType::Numpy(b)) = (&lhs.ty, &rhs.ty)
            && a.is_int()
            && b.is_int()
            && !dtype.is_int()
        {
            return untyped("comparing uint64 with a signed integer");
        }
        if dtype.is_complex() {
            return self.numpy_complex_compare(op, dtype, lhs, rhs);
        }
        let mut a = self.to_dtype(lhs, dtype)?;
        let mut b = self.to_dtype(rhs, dtype)?;
        if dtype == DType::F16 {
            (a, b) = (self.half_to_float(a), self.half_to_float(b));
        }
        let value = if dtype.is_float() {
            self.b.fcmp(float_cc(op), a, b)
        } else {
            let cc = match (int_cc(op), dtype.is_signed_int()) {
                (cc, true) => cc,
                (IntCC::Slt, false) => IntCC::Ult,
                (IntCC::Sle, false) => IntCC::Ule,
                (IntCC::Sgt, false) => IntCC::Ugt,
                (IntCC::Sge, false) => IntCC::Uge,
                (cc, false) => cc,
            };
            self.b.icmp(cc, a, b)
        };
        Ok(Val::new(SlotType::Numpy(DType::Bool), value))
    }
}
