//! What each operation computes, on the bits of one lane.
//!
//! Integers up to 64 bits are computed in 128 and cut; only `i128` itself needs wrapping arithmetic.

use super::value::{mask, sign_extend};
use crate::typed::{BinaryOp, ConvertOp, FloatCC, IntCC, Lane, OverflowOp, Type, UnaryOp};

pub(super) fn unary(op: UnaryOp, lane: Lane, a: u128) -> u128 {
    let width = Type::scalar(lane).lane_bits();
    match op {
        UnaryOp::Ineg => a.wrapping_neg() & mask(lane),
        UnaryOp::Not => !a & mask(lane),
        UnaryOp::Clz => u128::from(a.leading_zeros() - (128 - width)) & mask(lane),
        UnaryOp::Ctz => u128::from(a.trailing_zeros().min(width)) & mask(lane),
        UnaryOp::Popcnt => u128::from(a.count_ones()) & mask(lane),
        UnaryOp::Fneg => a ^ sign_bit(lane),
        UnaryOp::Fabs => a & !sign_bit(lane),
        UnaryOp::Sqrt => float(lane, a, f64::sqrt, f32::sqrt),
        UnaryOp::Floor => float(lane, a, f64::floor, f32::floor),
        UnaryOp::Ceil => float(lane, a, f64::ceil, f32::ceil),
        UnaryOp::Trunc => float(lane, a, f64::trunc, f32::trunc),
        UnaryOp::Nearest => float(lane, a, f64::round_ties_even, f32::round_ties_even),
    }
}

pub(super) fn binary(op: BinaryOp, lane: Lane, a: u128, b: u128) -> Result<u128, String> {
    let (signed_a, signed_b) = (sign_extend(lane, a), sign_extend(lane, b));
    let bits = match op {
        BinaryOp::Iadd => a.wrapping_add(b),
        BinaryOp::Isub => a.wrapping_sub(b),
        BinaryOp::Imul => a.wrapping_mul(b),
        BinaryOp::Sdiv => divide(lane, signed_a, signed_b)?.0 as u128,
        BinaryOp::Srem => divide(lane, signed_a, signed_b)?.1 as u128,
        BinaryOp::SdivFloor => {
            let (quotient, remainder) = divide(lane, signed_a, signed_b)?;
            let rounds_down = remainder != 0 && (remainder < 0) != (signed_b < 0);
            (if rounds_down { quotient - 1 } else { quotient }) as u128
        }
        BinaryOp::SremFloor => {
            let (_, remainder) = divide(lane, signed_a, signed_b)?;
            let rounds_down = remainder != 0 && (remainder < 0) != (signed_b < 0);
            (if rounds_down { remainder + signed_b } else { remainder }) as u128
        }
        BinaryOp::Udiv => a.checked_div(b).ok_or("division by zero")?,
        BinaryOp::Urem => a.checked_rem(b).ok_or("division by zero")?,
        BinaryOp::And => a & b,
        BinaryOp::Or => a | b,
        BinaryOp::Xor => a ^ b,
        BinaryOp::Shl => a << shift_count(lane, b)?,
        BinaryOp::Ashr => (signed_a >> shift_count(lane, b)?) as u128,
        BinaryOp::Lshr => a >> shift_count(lane, b)?,
        BinaryOp::Smin => signed_a.min(signed_b) as u128,
        BinaryOp::Smax => signed_a.max(signed_b) as u128,
        BinaryOp::Umin => a.min(b),
        BinaryOp::Umax => a.max(b),
        BinaryOp::Fadd => float2(lane, a, b, |a, b| a + b, |a, b| a + b),
        BinaryOp::Fsub => float2(lane, a, b, |a, b| a - b, |a, b| a - b),
        BinaryOp::Fmul => float2(lane, a, b, |a, b| a * b, |a, b| a * b),
        BinaryOp::Fdiv => float2(lane, a, b, |a, b| a / b, |a, b| a / b),
        BinaryOp::Fcopysign => a & !sign_bit(lane) | b & sign_bit(lane),
    };
    Ok(bits & mask(lane))
}

/// Truncated quotient and remainder.
fn divide(lane: Lane, a: i128, b: i128) -> Result<(i128, i128), String> {
    if b == 0 {
        return Err("division by zero".into());
    }
    if b == -1 && a == sign_extend(lane, sign_bit(lane)) {
        return Err("the quotient is out of range".into());
    }
    Ok((a / b, a % b))
}

fn shift_count(lane: Lane, count: u128) -> Result<u32, String> {
    let width = Type::scalar(lane).lane_bits();
    if count < u128::from(width) { Ok(count as u32) } else { Err(format!("shift of {width} bits by {count}")) }
}

/// The wrapped result, and whether the exact one does not fit.
pub(super) fn overflow(op: OverflowOp, lane: Lane, a: u128, b: u128) -> (u128, bool) {
    let (signed_a, signed_b) = (sign_extend(lane, a), sign_extend(lane, b));
    let signed = |(exact, beyond): (i128, bool)| {
        let wrapped = exact as u128 & mask(lane);
        (wrapped, beyond || sign_extend(lane, wrapped) != exact)
    };
    let unsigned = |(exact, beyond): (u128, bool)| (exact & mask(lane), beyond || exact & mask(lane) != exact);
    match op {
        OverflowOp::SaddOverflow => signed(signed_a.overflowing_add(signed_b)),
        OverflowOp::SsubOverflow => signed(signed_a.overflowing_sub(signed_b)),
        OverflowOp::SmulOverflow => signed(signed_a.overflowing_mul(signed_b)),
        OverflowOp::UaddOverflow => unsigned(a.overflowing_add(b)),
        OverflowOp::UsubOverflow => unsigned(a.overflowing_sub(b)),
        OverflowOp::UmulOverflow => unsigned(a.overflowing_mul(b)),
    }
}

pub(super) fn icmp(cc: IntCC, lane: Lane, a: u128, b: u128) -> bool {
    let (signed_a, signed_b) = (sign_extend(lane, a), sign_extend(lane, b));
    match cc {
        IntCC::Eq => a == b,
        IntCC::Ne => a != b,
        IntCC::Slt => signed_a < signed_b,
        IntCC::Sle => signed_a <= signed_b,
        IntCC::Sgt => signed_a > signed_b,
        IntCC::Sge => signed_a >= signed_b,
        IntCC::Ult => a < b,
        IntCC::Ule => a <= b,
        IntCC::Ugt => a > b,
        IntCC::Uge => a >= b,
    }
}

pub(super) fn fcmp(cc: FloatCC, lane: Lane, a: u128, b: u128) -> bool {
    let (a, b) = (to_f64(lane, a), to_f64(lane, b));
    match cc {
        FloatCC::Eq => a == b,
        FloatCC::Ne => a != b,
        FloatCC::Lt => a < b,
        FloatCC::Le => a <= b,
        FloatCC::Gt => a > b,
        FloatCC::Ge => a >= b,
    }
}

pub(super) fn convert(op: ConvertOp, from: Lane, to: Lane, a: u128) -> u128 {
    match op {
        ConvertOp::Sext => sign_extend(from, a) as u128 & mask(to),
        ConvertOp::Zext | ConvertOp::Bitcast => a,
        ConvertOp::Trunc => a & mask(to),
        // Straight to the narrower type: by way of the wider one it would be rounded twice.
        ConvertOp::SintToFloat if to == Lane::F32 => u128::from((sign_extend(from, a) as f32).to_bits()),
        ConvertOp::SintToFloat => u128::from((sign_extend(from, a) as f64).to_bits()),
        ConvertOp::UintToFloat if to == Lane::F32 => u128::from((a as f32).to_bits()),
        ConvertOp::UintToFloat => u128::from((a as f64).to_bits()),
        ConvertOp::FloatToSint => {
            let value = to_f64(from, a).trunc();
            let minimum = sign_extend(to, sign_bit(to));
            // The bounds are powers of two, hence exact; the comparison is false for a NaN.
            let fits = value >= minimum as f64 && value < -(minimum as f64);
            (if fits { value as i128 } else { minimum }) as u128 & mask(to)
        }
        // Unspecified out of range; here it saturates.
        ConvertOp::FloatToUint => (to_f64(from, a) as u128).min(mask(to)),
        ConvertOp::FloatExtend => u128::from(f64::from(f32::from_bits(a as u32)).to_bits()),
        ConvertOp::FloatDemote => u128::from((f64::from_bits(a as u64) as f32).to_bits()),
    }
}

fn sign_bit(lane: Lane) -> u128 {
    1 << (Type::scalar(lane).lane_bits() - 1)
}

/// Every `f32` is an `f64`.
fn to_f64(lane: Lane, bits: u128) -> f64 {
    if lane == Lane::F32 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits as u64) }
}

fn float(lane: Lane, a: u128, wide: impl Fn(f64) -> f64, narrow: impl Fn(f32) -> f32) -> u128 {
    if lane == Lane::F32 {
        u128::from(narrow(f32::from_bits(a as u32)).to_bits())
    } else {
        u128::from(wide(f64::from_bits(a as u64)).to_bits())
    }
}

fn float2(lane: Lane, a: u128, b: u128, wide: impl Fn(f64, f64) -> f64, narrow: impl Fn(f32, f32) -> f32) -> u128 {
    float(lane, a, |a| wide(a, f64::from_bits(b as u64)), |a| narrow(a, f32::from_bits(b as u32)))
}
