//! Operators on numbers in slots: what needs no host.
//!
//! Every function answers `None` where the host must be asked: other types, cases that raise, results beyond 128 bits, and
//! cases on which Python versions differ. An answer is exactly CPython's.

use std::cmp::Ordering;

use flashpoint_ir::generic::{BinOp, CmpOp, UnOp};
use flashpoint_ir::slot::{Slot, Tag};

use super::{arith, numpy_scalars};

/// A Python number held in a slot. `bool` counts as `int`, except where noted.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
    Complex(f64, f64),
}

#[inline]
fn number(slot: &Slot) -> Option<Number> {
    match slot.tag {
        Tag::Int | Tag::Int128 => Some(Number::Int(slot.as_i128())),
        Tag::Bool => Some(Number::Int(slot.a.into())),
        Tag::Float => Some(Number::Float(slot.as_f64())),
        Tag::Complex => Some(Number::Complex(slot.as_f64(), f64::from_bits(slot.b))),
        _ => None,
    }
}

/// `lhs op rhs`. Numbers are immutable, so this is also the in-place form.
pub fn binary(op: BinOp, lhs: &Slot, rhs: &Slot) -> Option<Slot> {
    use Number::{Complex, Float, Int};

    match (number(lhs)?, number(rhs)?) {
        (Int(a), Int(b)) => {
            let both_bool = lhs.tag == Tag::Bool && rhs.tag == Tag::Bool;
            int_binary(op, a, b).map(|value| match (op, value.tag) {
                (BinOp::And | BinOp::Or | BinOp::Xor, Tag::Int) if both_bool => Slot::bool(value.a != 0),
                _ => value,
            })
        }
        (Float(a), Float(b)) => float_binary(op, a, b),
        (Int(a), Float(b)) => float_binary(op, a as f64, b),
        (Float(a), Int(b)) => float_binary(op, a, b as f64),
        (Complex(re, im), Complex(re2, im2)) => {
            complex_binary(op, (re, im), (re2, im2)).map(|(re, im)| Slot::complex(re, im))
        }
        (Complex(re, im), other) => mixed_complex_binary(op, (re, im), (real_part(other), 0.0)),
        (other, Complex(re, im)) => mixed_complex_binary(op, (real_part(other), 0.0), (re, im)),
    }
}

/// `lhs op rhs` between integers of 64 bits where the user had them wrap; `None` for what cannot overflow.
pub fn wrapping(op: BinOp, lhs: &Slot, rhs: &Slot) -> Option<Slot> {
    let int = |slot: &Slot| matches!(slot.tag, Tag::Int | Tag::Bool).then(|| slot.as_i64());
    let (a, b) = (int(lhs)?, int(rhs)?);
    Some(Slot::int(match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::LShift if b >= 0 => a.checked_shl(u32::try_from(b).unwrap_or(u32::MAX)).unwrap_or(0),
        BinOp::Pow if b >= 0 => arith::wrapping_pow(a, b as u64),
        _ => return None,
    }))
}

fn real_part(number: Number) -> f64 {
    match number {
        Number::Int(value) => value as f64,
        Number::Float(value) | Number::Complex(value, _) => value,
    }
}

fn int_binary(op: BinOp, a: i128, b: i128) -> Option<Slot> {
    Some(Slot::int128(match op {
        BinOp::Add => a.checked_add(b)?,
        BinOp::Sub => a.checked_sub(b)?,
        BinOp::Mul => a.checked_mul(b)?,
        BinOp::FloorDiv => arith::floor_div(a, b)?,
        BinOp::Mod => arith::floor_mod(a, b)?,
        BinOp::Pow if b >= 0 => arith::int_pow(a, b)?,
        BinOp::LShift => arith::shift_left(a, b)?,
        BinOp::RShift => arith::shift_right(a, b)?,
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::TrueDiv => return arith::true_div(a, b).map(Slot::float),
        // Python converts both to float for a negative exponent.
        BinOp::Pow => return arith::float_pow(a as f64, b as f64).map(Slot::float),
        BinOp::MatMul => return None,
    }))
}

fn float_binary(op: BinOp, a: f64, b: f64) -> Option<Slot> {
    Some(Slot::float(match op {
        BinOp::Add => a + b,
        BinOp::Sub => a - b,
        BinOp::Mul => a * b,
        BinOp::TrueDiv if b != 0.0 => a / b,
        BinOp::FloorDiv if b != 0.0 => arith::float_floor_div(a, b),
        BinOp::Mod if b != 0.0 => arith::float_mod(a, b),
        BinOp::Pow => arith::float_pow(a, b)?,
        _ => return None,
    }))
}

fn complex_binary(op: BinOp, a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    match op {
        BinOp::Add => Some((a.0 + b.0, a.1 + b.1)),
        BinOp::Sub => Some((a.0 - b.0, a.1 - b.1)),
        BinOp::Mul => arith::complex_mul(a, b),
        BinOp::TrueDiv => arith::complex_div(a, b),
        _ => None,
    }
}

/// One operand is real. From 3.14 on Python does not convert it to complex first; that shows only in the sign of a zero or
/// in a NaN, which are left to the host.
fn mixed_complex_binary(op: BinOp, a: (f64, f64), b: (f64, f64)) -> Option<Slot> {
    let (re, im) = complex_binary(op, a, b)?;
    let same_everywhere = |part: f64| part != 0.0 && !part.is_nan();
    (same_everywhere(re) && same_everywhere(im)).then(|| Slot::complex(re, im))
}

/// `op operand`.
pub fn unary(op: UnOp, operand: &Slot) -> Option<Slot> {
    if op == UnOp::Not {
        return truth(operand).map(|value| Slot::bool(!value));
    }
    match (op, number(operand)?) {
        (UnOp::Neg, Number::Int(value)) => value.checked_neg().map(Slot::int128),
        (UnOp::Neg, Number::Float(value)) => Some(Slot::float(-value)),
        (UnOp::Neg, Number::Complex(re, im)) => Some(Slot::complex(-re, -im)),
        (UnOp::Pos, Number::Int(value)) => Some(Slot::int128(value)),
        (UnOp::Pos, _) => Some(*operand),
        // `~True` warns in some versions of Python.
        (UnOp::Invert, Number::Int(value)) if operand.tag != Tag::Bool => Some(Slot::int128(!value)),
        _ => None,
    }
}

/// `lhs op rhs`, where the answer is a `bool`.
pub fn compare(op: CmpOp, lhs: &Slot, rhs: &Slot) -> Option<bool> {
    use Number::{Complex, Float, Int};

    match op {
        CmpOp::Is => return identical(lhs, rhs),
        CmpOp::IsNot => return identical(lhs, rhs).map(|same| !same),
        CmpOp::In | CmpOp::NotIn => return None,
        _ => {}
    }
    let ordering = match (number(lhs)?, number(rhs)?) {
        (Int(a), Int(b)) => Some(a.cmp(&b)),
        (Float(a), Float(b)) => a.partial_cmp(&b),
        (Int(a), Float(b)) => arith::compare_int_float(a, b),
        (Float(a), Int(b)) => arith::compare_int_float(b, a).map(Ordering::reverse),
        (Complex(re, im), Complex(re2, im2)) => return equality(op, re == re2 && im == im2),
        (Complex(re, im), Float(value)) | (Float(value), Complex(re, im)) => {
            return equality(op, re == value && im == 0.0);
        }
        (Complex(re, im), Int(value)) | (Int(value), Complex(re, im)) => {
            return equality(op, im == 0.0 && arith::compare_int_float(value, re) == Some(Ordering::Equal));
        }
    };
    // A NaN is unordered: only `!=` holds.
    Some(match ordering {
        None => op == CmpOp::Ne,
        Some(ordering) => match op {
            CmpOp::Lt => ordering.is_lt(),
            CmpOp::Le => ordering.is_le(),
            CmpOp::Eq => ordering.is_eq(),
            CmpOp::Ne => ordering.is_ne(),
            CmpOp::Gt => ordering.is_gt(),
            _ => ordering.is_ge(),
        },
    })
}

/// Complex numbers are not ordered.
fn equality(op: CmpOp, equal: bool) -> Option<bool> {
    match op {
        CmpOp::Eq => Some(equal),
        CmpOp::Ne => Some(!equal),
        _ => None,
    }
}

/// `lhs is rhs`. Unboxed values have no identity of their own: they are identical if they are the same bits of the same
/// type, as in PyPy.
pub fn identical(lhs: &Slot, rhs: &Slot) -> Option<bool> {
    if lhs.tag == rhs.tag {
        return Some(lhs == rhs);
    }
    // A wide integer may be held as an object, too.
    if lhs.tag == Tag::Int128 || rhs.tag == Tag::Int128 { None } else { Some(false) }
}

/// `bool(operand)`.
#[inline]
pub fn truth(operand: &Slot) -> Option<bool> {
    match operand.tag {
        Tag::None => Some(false),
        Tag::Bool | Tag::Int => Some(operand.a != 0),
        Tag::Float => Some(operand.as_f64() != 0.0),
        Tag::Complex => Some(operand.as_f64() != 0.0 || f64::from_bits(operand.b) != 0.0),
        Tag::Int128 => Some(true),
        Tag::Numpy => numpy_scalars::truth(operand),
        _ => None,
    }
}
