//! Evaluates operations on constants.
//!
//! Integers are kept sign-extended in `i128`, as [`InstKind::Iconst`] holds them. Undefined operations (a division by zero,
//! a shift by the width) are not folded, nor is anything whose floating-point result is NaN or raises more than the
//! inexact flag, nor any call of the mathematics library.

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::edit::Defs;

/// A constant of any type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    /// An integer, sign-extended.
    Int(i128),
    /// An `f64`, by its bits.
    F64(u64),
    /// An `f32`, by its bits.
    F32(u64),
}

impl Constant {
    /// The instruction that makes it.
    pub fn into_inst(self, ty: Type) -> InstKind {
        match self {
            Constant::Int(value) => InstKind::Iconst { ty, value: canonical(value, ty.lane_bits()) },
            Constant::F64(bits) | Constant::F32(bits) => InstKind::Fconst { ty, bits },
        }
    }

    fn int(self) -> Option<i128> {
        match self {
            Constant::Int(value) => Some(value),
            Constant::F64(_) | Constant::F32(_) => None,
        }
    }
}

/// The constant that a value is.
pub fn constant(func: &TypedFunction, defs: &Defs, value: Value) -> Option<Constant> {
    match defs.inst(func, value) {
        Some(InstKind::Iconst { value, .. }) => Some(Constant::Int(*value)),
        Some(InstKind::Fconst { ty, bits }) if *ty == Type::F64 => Some(Constant::F64(*bits)),
        Some(InstKind::Fconst { bits, .. }) => Some(Constant::F32(*bits)),
        _ => None,
    }
}

/// The low `bits` of a number, sign-extended.
pub fn canonical(value: i128, bits: u32) -> i128 {
    if bits >= 128 { value } else { value << (128 - bits) >> (128 - bits) }
}

/// The low `bits` of a number, zero-extended.
pub fn unsigned(value: i128, bits: u32) -> u128 {
    if bits >= 128 { value as u128 } else { value as u128 & ((1 << bits) - 1) }
}

/// The smallest and largest signed number of a width.
pub fn signed_range(bits: u32) -> (i128, i128) {
    if bits >= 128 { (i128::MIN, i128::MAX) } else { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) }
}

/// The result of an instruction with one result of type `ty`, if its operands are constants and it may be folded.
pub fn fold(kind: &InstKind, ty: Type, constant: &dyn Fn(Value) -> Option<Constant>) -> Option<Constant> {
    if ty.lanes != 1 {
        return None;
    }
    let int = |v: Value| constant(v).and_then(Constant::int);
    let bits = ty.lane_bits();
    Some(match kind {
        InstKind::Unary(op, a) => match constant(*a)? {
            Constant::Int(a) => Constant::Int(unary(*op, a, bits)?),
            Constant::F64(a) => Constant::F64(float_unary(*op, a)?),
            Constant::F32(_) => return None,
        },
        InstKind::Binary(op, a, b) => match (constant(*a)?, constant(*b)?) {
            (Constant::Int(a), Constant::Int(b)) => Constant::Int(binary(*op, a, b, bits)?),
            (Constant::F64(a), Constant::F64(b)) => Constant::F64(float_binary(*op, a, b)?),
            _ => return None,
        },
        InstKind::Icmp(cc, a, b) if a == b => truth(compare(*cc, 0, 0, 64)),
        // Signed order and equality do not depend on the width; the unsigned one is that of the sign-extended words.
        InstKind::Icmp(cc, a, b) => truth(compare(*cc, int(*a)?, int(*b)?, 128)),
        InstKind::Fcmp(cc, a, b) => {
            let (Constant::F64(a), Constant::F64(b)) = (constant(*a)?, constant(*b)?) else { return None };
            let (a, b) = (f64::from_bits(a), f64::from_bits(b));
            truth(match cc {
                FloatCC::Eq => a == b,
                FloatCC::Ne => a != b,
                FloatCC::Lt => a < b,
                FloatCC::Le => a <= b,
                FloatCC::Gt => a > b,
                FloatCC::Ge => a >= b,
            })
        }
        InstKind::Select(cond, a, b) => constant(if int(*cond)? != 0 { *a } else { *b })?,
        InstKind::Convert(op, a, _) => match (op, constant(*a)?) {
            (ConvertOp::Sext | ConvertOp::Trunc, Constant::Int(a)) => Constant::Int(canonical(a, bits)),
            (ConvertOp::SintToFloat, Constant::Int(a)) if ty == Type::F64 && i64::try_from(a).is_ok() => {
                Constant::F64((a as f64).to_bits())
            }
            (ConvertOp::FloatExtend, Constant::F32(a)) => Constant::F64(f64::from(f32::from_bits(a as u32)).to_bits()),
            _ => return None,
        },
        _ => return None,
    })
}

fn truth(value: bool) -> Constant {
    Constant::Int(if value { -1 } else { 0 })
}

/// A unary operation on integers of a width.
pub fn unary(op: UnaryOp, a: i128, bits: u32) -> Option<i128> {
    let plain = unsigned(a, bits);
    Some(canonical(
        match op {
            UnaryOp::Ineg => a.wrapping_neg(),
            UnaryOp::Not => !a,
            UnaryOp::Clz => i128::from(plain.leading_zeros() - (128 - bits)),
            UnaryOp::Ctz => i128::from(plain.trailing_zeros().min(bits)),
            UnaryOp::Popcnt => i128::from(plain.count_ones()),
            _ => return None,
        },
        bits,
    ))
}

/// A binary operation on integers of a width; `None` where it is undefined.
pub fn binary(op: BinaryOp, a: i128, b: i128, bits: u32) -> Option<i128> {
    use BinaryOp::*;
    let (ua, ub) = (unsigned(a, bits), unsigned(b, bits));
    let (min, _) = signed_range(bits);
    let value = match op {
        Iadd => a.wrapping_add(b),
        Isub => a.wrapping_sub(b),
        Imul => a.wrapping_mul(b),
        Sdiv | Srem | SdivFloor | SremFloor if b == 0 || (b == -1 && a == min) => return None,
        Sdiv => a / b,
        Srem => a % b,
        SdivFloor => a / b - i128::from(a % b != 0 && (a < 0) != (b < 0)),
        SremFloor if planted(Defect::FoldedRemainderSign) => a % b,
        SremFloor => a % b + if a % b != 0 && (a < 0) != (b < 0) { b } else { 0 },
        Udiv | Urem if ub == 0 => return None,
        Udiv => (ua / ub) as i128,
        Urem => (ua % ub) as i128,
        And => a & b,
        Or => a | b,
        Xor => a ^ b,
        Shl | Ashr | Lshr if ub >= u128::from(bits) => return None,
        Shl => a.wrapping_shl(ub as u32),
        Ashr => a >> ub,
        Lshr => (ua >> ub) as i128,
        Smin => a.min(b),
        Smax => a.max(b),
        Umin => ua.min(ub) as i128,
        Umax => ua.max(ub) as i128,
        Fadd | Fsub | Fmul | Fdiv | Fcopysign => return None,
    };
    Some(canonical(value, bits))
}

/// An addition, subtraction or multiplication with its overflow flag.
pub fn overflow(op: OverflowOp, a: i128, b: i128, bits: u32) -> (i128, bool) {
    use OverflowOp::*;
    let signed = matches!(op, SaddOverflow | SsubOverflow | SmulOverflow);
    if signed {
        let exact = match op {
            SaddOverflow => a.checked_add(b),
            SsubOverflow => a.checked_sub(b),
            _ => a.checked_mul(b),
        };
        let wrapped = match op {
            SaddOverflow => a.wrapping_add(b),
            SsubOverflow => a.wrapping_sub(b),
            _ => a.wrapping_mul(b),
        };
        let wrapped = canonical(wrapped, bits);
        return (wrapped, exact != Some(wrapped));
    }
    let (ua, ub) = (unsigned(a, bits), unsigned(b, bits));
    let exact = match op {
        UaddOverflow => ua.checked_add(ub),
        UsubOverflow => ua.checked_sub(ub),
        _ => ua.checked_mul(ub),
    };
    let wrapped = match op {
        UaddOverflow => ua.wrapping_add(ub),
        UsubOverflow => ua.wrapping_sub(ub),
        _ => ua.wrapping_mul(ub),
    };
    let wrapped = canonical(wrapped as i128, bits);
    (wrapped, exact != Some(unsigned(wrapped, bits)))
}

/// An integer comparison; both numbers sign-extended, so that any width at least theirs will do.
pub fn compare(cc: IntCC, a: i128, b: i128, bits: u32) -> bool {
    let (ua, ub) = (unsigned(a, bits), unsigned(b, bits));
    match cc {
        IntCC::Eq => a == b,
        IntCC::Ne => a != b,
        IntCC::Slt => a < b,
        IntCC::Sle => a <= b,
        IntCC::Sgt => a > b,
        IntCC::Sge => a >= b,
        IntCC::Ult => ua < ub,
        IntCC::Ule => ua <= ub,
        IntCC::Ugt => ua > ub,
        IntCC::Uge => ua >= ub,
    }
}

fn float_unary(op: UnaryOp, a: u64) -> Option<u64> {
    let value = f64::from_bits(a);
    Some(match op {
        UnaryOp::Fneg => a ^ (1 << 63),
        UnaryOp::Fabs => a & !(1 << 63),
        _ if value.is_nan() => return None,
        UnaryOp::Sqrt if value >= 0.0 => value.sqrt().to_bits(),
        UnaryOp::Floor => value.floor().to_bits(),
        UnaryOp::Ceil => value.ceil().to_bits(),
        UnaryOp::Trunc => value.trunc().to_bits(),
        UnaryOp::Nearest => value.round_ties_even().to_bits(),
        _ => return None,
    })
}

fn float_binary(op: BinaryOp, a: u64, b: u64) -> Option<u64> {
    let (x, y) = (f64::from_bits(a), f64::from_bits(b));
    let value = match op {
        BinaryOp::Fadd => x + y,
        BinaryOp::Fsub => x - y,
        BinaryOp::Fmul => x * y,
        BinaryOp::Fdiv if y != 0.0 => x / y,
        BinaryOp::Fcopysign => return Some((a & !(1 << 63)) | (b & (1 << 63))),
        _ => return None,
    };
    // Overflow, underflow and invalid operations raise flags that NumPy's warnings are read from.
    let quiet =
        x.is_finite() && y.is_finite() && value.is_finite() && (value.abs() >= f64::MIN_POSITIVE || value == 0.0);
    quiet.then_some(value.to_bits())
}
