//! Operators on NumPy scalars: what needs no host.
//!
//! As in [`super::operators`], `None` leaves the case to the host, and an answer is exactly NumPy's: the promotion is NEP
//! 50's, and only cases are answered in which no floating-point condition but "inexact" arises, so that there is nothing to
//! warn of or to raise, whatever `np.errstate` says. Half precision, complex numbers, powers and floor division of floats
//! are left to NumPy.

use std::cmp::Ordering;

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, CmpOp, UnOp};
use flashpoint_ir::slot::{Slot, Tag};

use super::arith;

/// Integers up to here are exact in `f32`.
const EXACT_IN_F32: i128 = 1 << 24;
/// Integers up to here are exact in `f64`.
const EXACT_IN_F64: i128 = 1 << 53;

/// An operand. Python's own numbers are weak: they take the type of the other operand.
#[derive(Clone, Copy)]
enum Operand {
    Bool(bool),
    Int(DType, i128),
    F32(f32),
    F64(f64),
    PyBool(bool),
    PyInt(i128),
    PyFloat(f64),
}

fn operand(slot: &Slot) -> Option<Operand> {
    Some(match slot.tag {
        Tag::Bool => Operand::PyBool(slot.a != 0),
        Tag::Int => Operand::PyInt(slot.as_i64().into()),
        Tag::Float => Operand::PyFloat(slot.as_f64()),
        Tag::Numpy => match slot.dtype()? {
            DType::Bool => Operand::Bool(slot.a != 0),
            DType::F32 => Operand::F32(f32::from_bits(slot.a as u32)),
            DType::F64 => Operand::F64(slot.as_f64()),
            dtype if dtype.is_signed_int() => Operand::Int(dtype, slot.as_i64().into()),
            dtype if dtype.is_int() => Operand::Int(dtype, slot.a.into()),
            _ => return None,
        },
        _ => return None,
    })
}

/// Two operands after promotion.
enum Pair {
    Bool(bool, bool),
    Int(DType, i128, i128),
    F32(f32, f32),
    F64(f64, f64),
}

fn promote(lhs: Operand, rhs: Operand) -> Option<Pair> {
    use Operand::{Bool, F32, F64, Int, PyBool, PyFloat, PyInt};
    Some(match (lhs, rhs) {
        (F64(a), b) => Pair::F64(a, to_f64(b)?),
        (a, F64(b)) => Pair::F64(to_f64(a)?, b),
        (F32(a), b) => Pair::F32(a, to_f32(b)?),
        (a, F32(b)) => Pair::F32(to_f32(a)?, b),
        (Int(dtype, a), Int(other, b)) if dtype == other => Pair::Int(dtype, a, b),
        (Int(dtype, a), Int(other, b)) if dtype.is_signed_int() && other.is_signed_int() => {
            Pair::Int(if dtype.size() > other.size() { dtype } else { other }, a, b)
        }
        (Int(dtype, a), PyInt(b)) if fits(b, dtype) => Pair::Int(dtype, a, b),
        (PyInt(a), Int(dtype, b)) if fits(a, dtype) => Pair::Int(dtype, a, b),
        (Int(DType::I32 | DType::I64, a), PyFloat(b)) => Pair::F64(a as f64, b),
        (PyFloat(a), Int(DType::I32 | DType::I64, b)) => Pair::F64(a, b as f64),
        (Bool(a), Bool(b) | PyBool(b)) | (PyBool(a), Bool(b)) => Pair::Bool(a, b),
        _ => return None,
    })
}

fn to_f64(value: Operand) -> Option<f64> {
    match value {
        Operand::F64(value) | Operand::PyFloat(value) => Some(value),
        Operand::F32(value) => Some(value.into()),
        Operand::PyInt(value) => Some(value as f64),
        Operand::Int(dtype, value) if dtype.is_signed_int() => Some(value as f64),
        _ => None,
    }
}

/// What stays a number of single precision beside one, converted without a condition.
fn to_f32(value: Operand) -> Option<f32> {
    match value {
        Operand::F32(value) => Some(value),
        Operand::PyFloat(value) if value == 0.0 || (value as f32).is_normal() => Some(value as f32),
        Operand::PyInt(value) if value.abs() <= EXACT_IN_F32 => Some(value as f32),
        _ => None,
    }
}

fn fits(value: i128, dtype: DType) -> bool {
    let n_bits = 8 * dtype.size() as u32;
    if dtype.is_signed_int() {
        (-(1 << (n_bits - 1))..1 << (n_bits - 1)).contains(&value)
    } else {
        (0..1 << n_bits).contains(&value)
    }
}

/// `lhs op rhs`, where at least one operand is a NumPy scalar. Scalars are immutable, so this is also the in-place form.
pub fn binary(op: BinOp, lhs: &Slot, rhs: &Slot) -> Option<Slot> {
    if lhs.tag != Tag::Numpy && rhs.tag != Tag::Numpy {
        return None;
    }
    if let (Some(a), Some(b)) = (double(lhs), double(rhs)) {
        return double_binary(op, a, b).or_else(|| general_binary(op, lhs, rhs));
    }
    general_binary(op, lhs, rhs)
}

/// A number of double precision, of Python or NumPy: the common case.
#[inline(always)]
fn double(slot: &Slot) -> Option<f64> {
    let is_double = slot.tag == Tag::Float || (slot.tag == Tag::Numpy && slot.aux == DType::F64 as u32);
    is_double.then(|| slot.as_f64())
}

#[inline(always)]
fn double_binary(op: BinOp, a: f64, b: f64) -> Option<Slot> {
    let value = match op {
        BinOp::Add => a + b,
        BinOp::Sub => a - b,
        BinOp::Mul => a * b,
        BinOp::TrueDiv => a / b,
        _ => return None,
    };
    // A finite result other than zero comes of finite operands, and of no division by zero.
    let is_quiet = value.abs() > f64::MIN_POSITIVE && value.abs() < f64::INFINITY;
    is_quiet.then(|| Slot::numpy(DType::F64, value.to_bits(), 0))
}

fn general_binary(op: BinOp, lhs: &Slot, rhs: &Slot) -> Option<Slot> {
    match promote(operand(lhs)?, operand(rhs)?)? {
        Pair::F64(a, b) => float_binary(op, a, b, |x| x.is_finite() && x.abs() > f64::MIN_POSITIVE)
            .map(|x| Slot::numpy(DType::F64, x.to_bits(), 0)),
        Pair::F32(a, b) => {
            // Twice the digits and more: rounding the result of one operation in double precision is rounding it once.
            let is_normal = |x| (x as f32).is_finite() && (x as f32).abs() > f32::MIN_POSITIVE;
            float_binary(op, a.into(), b.into(), is_normal)
                .map(|x| Slot::numpy(DType::F32, (x as f32).to_bits().into(), 0))
        }
        Pair::Int(dtype, a, b) => int_binary(op, dtype, a, b),
        Pair::Bool(a, b) => {
            let value = match op {
                BinOp::And => a & b,
                BinOp::Or => a | b,
                BinOp::Xor => a ^ b,
                _ => return None,
            };
            Some(Slot::numpy(DType::Bool, value.into(), 0))
        }
    }
}

/// `None` if a condition may arise; `is_normal` judges the result in its own precision. The smallest normal number may be
/// rounded from below, and so does not count.
fn float_binary(op: BinOp, a: f64, b: f64, is_normal: impl Fn(f64) -> bool) -> Option<f64> {
    let (value, is_zero) = match op {
        // A sum that is subnormal or zero is exact.
        BinOp::Add => (a + b, true),
        BinOp::Sub => (a - b, true),
        BinOp::Mul => (a * b, a == 0.0 || b == 0.0),
        BinOp::TrueDiv if b != 0.0 => (a / b, a == 0.0),
        _ => return None,
    };
    let is_quiet = a.is_finite() && b.is_finite() && (is_normal(value) || (is_zero && value.abs() < 1.0));
    is_quiet.then_some(value)
}

fn int_binary(op: BinOp, dtype: DType, a: i128, b: i128) -> Option<Slot> {
    let n_bits = 8 * dtype.size() as i128;
    let value = match op {
        BinOp::Add => a + b,
        BinOp::Sub => a - b,
        BinOp::Mul => a.checked_mul(b)?,
        BinOp::FloorDiv if b != 0 => match (i64::try_from(a), i64::try_from(b)) {
            (Ok(a), Ok(b)) if b != -1 => arith::floor_div_i64(a, b).into(),
            _ => arith::floor_div(a, b)?,
        },
        BinOp::Mod if b != 0 => match (i64::try_from(a), i64::try_from(b)) {
            (Ok(a), Ok(b)) if b != -1 => arith::floor_mod_i64(a, b).into(),
            _ => arith::floor_mod(a, b)?,
        },
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::RShift if (0..n_bits).contains(&b) => a >> b,
        BinOp::TrueDiv if b != 0 && matches!(dtype, DType::I32 | DType::I64) => {
            return Some(Slot::numpy(DType::F64, (a as f64 / b as f64).to_bits(), 0));
        }
        _ => return None,
    };
    fits(value, dtype).then(|| Slot::numpy(dtype, value as u64, 0))
}

/// `lhs op rhs` where at least one operand is a NumPy scalar: a `numpy.bool`.
pub fn compare(op: CmpOp, lhs: &Slot, rhs: &Slot) -> Option<Slot> {
    if lhs.tag != Tag::Numpy && rhs.tag != Tag::Numpy {
        return None;
    }
    if let (Some(a), Some(b)) = (double(lhs), double(rhs)) {
        return ordered(op, a.partial_cmp(&b)?);
    }
    let is_exact = |operand: Operand| !matches!(operand, Operand::PyInt(value) if value.abs() > EXACT_IN_F64);
    let (lhs, rhs) = (operand(lhs)?, operand(rhs)?);
    let ordering = match promote(lhs, rhs)? {
        Pair::F64(a, b) if is_exact(lhs) && is_exact(rhs) => a.partial_cmp(&b)?,
        Pair::F64(..) => return None,
        // A NaN may raise the condition "invalid".
        Pair::F32(a, b) => a.partial_cmp(&b)?,
        Pair::Int(_, a, b) => a.cmp(&b),
        Pair::Bool(a, b) => a.cmp(&b),
    };
    ordered(op, ordering)
}

#[inline]
fn ordered(op: CmpOp, ordering: Ordering) -> Option<Slot> {
    let value = match op {
        CmpOp::Lt => ordering == Ordering::Less,
        CmpOp::Le => ordering != Ordering::Greater,
        CmpOp::Eq => ordering == Ordering::Equal,
        CmpOp::Ne => ordering != Ordering::Equal,
        CmpOp::Gt => ordering == Ordering::Greater,
        CmpOp::Ge => ordering != Ordering::Less,
        CmpOp::Is | CmpOp::IsNot | CmpOp::In | CmpOp::NotIn => return None,
    };
    Some(Slot::numpy(DType::Bool, value.into(), 0))
}

/// `op slot` for a NumPy scalar.
pub fn unary(op: UnOp, slot: &Slot) -> Option<Slot> {
    if slot.tag != Tag::Numpy {
        return None;
    }
    match (op, operand(slot)?) {
        (UnOp::Not, _) => truth(slot).map(|value| Slot::bool(!value)),
        (UnOp::Neg, Operand::F64(value)) => Some(Slot::numpy(DType::F64, (-value).to_bits(), 0)),
        (UnOp::Neg, Operand::F32(value)) => Some(Slot::numpy(DType::F32, (-value).to_bits().into(), 0)),
        (UnOp::Neg, Operand::Int(dtype, value)) if dtype.is_signed_int() && fits(-value, dtype) => {
            Some(Slot::numpy(dtype, -value as u64, 0))
        }
        (UnOp::Invert, Operand::Int(dtype, value)) if dtype.is_signed_int() => {
            Some(Slot::numpy(dtype, !value as u64, 0))
        }
        (UnOp::Invert, Operand::Bool(value)) => Some(Slot::numpy(DType::Bool, (!value).into(), 0)),
        (UnOp::Pos, Operand::Int(..) | Operand::F32(_) | Operand::F64(_)) => Some(*slot),
        _ => None,
    }
}

/// `bool(slot)` for a NumPy scalar.
pub fn truth(slot: &Slot) -> Option<bool> {
    match operand(slot)? {
        Operand::Bool(value) => Some(value),
        Operand::Int(_, value) => Some(value != 0),
        Operand::F32(value) => Some(value != 0.0),
        Operand::F64(value) => Some(value != 0.0),
        Operand::PyBool(_) | Operand::PyInt(_) | Operand::PyFloat(_) => None,
    }
}
