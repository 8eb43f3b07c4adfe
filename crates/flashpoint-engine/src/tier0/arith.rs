//! Python's arithmetic on machine numbers: pure functions, no host, no slots.
//!
//! Each function gives exactly what CPython gives, or `None` where CPython raises or the result does not fit the type; the
//! caller then asks the host, which raises the exact exception or continues with big integers. Tier 0 and the helper
//! routines of compiled code share them.
//!
//! Checked by property tests against `num-bigint` (integers) and against exact rational arithmetic (rounding).

use flashpoint_ir::planted::{Defect, planted};
use std::cmp::Ordering;

// ---- integers

/// `base ** exponent` modulo 2^64.
pub fn wrapping_pow(mut base: i64, mut exponent: u64) -> i64 {
    let mut value = 1i64;
    while exponent > 0 {
        if exponent & 1 != 0 {
            value = value.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    value
}

/// `a // b`: rounds down. Requires `b != 0`, and not `MIN // -1`.
#[inline]
pub fn floor_div_i64(a: i64, b: i64) -> i64 {
    let (quotient, remainder) = (a / b, a % b);
    quotient - i64::from(remainder != 0 && (remainder < 0) != (b < 0))
}

/// `a % b`: has the sign of `b`. Requires `b != 0`.
#[inline]
pub fn floor_mod_i64(a: i64, b: i64) -> i64 {
    // MIN % -1 overflows in machine arithmetic although its result is 0.
    if b == -1 {
        return 0;
    }
    let remainder = a % b;
    if planted(Defect::TierZeroFloorMod) {
        return remainder;
    }
    if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder }
}

/// `a // b`, or `None` if `b` is 0 or the quotient does not fit.
pub fn floor_div(a: i128, b: i128) -> Option<i128> {
    let quotient = a.checked_div(b)?;
    let remainder = a.wrapping_rem(b);
    Some(quotient - i128::from(remainder != 0 && (remainder < 0) != (b < 0)))
}

/// `a % b`, or `None` if `b` is 0.
pub fn floor_mod(a: i128, b: i128) -> Option<i128> {
    if b == 0 {
        return None;
    }
    let remainder = a.wrapping_rem(b);
    Some(if remainder != 0 && (remainder < 0) != (b < 0) { remainder + b } else { remainder })
}

/// `a / b` of integers, correctly rounded, or `None` if `b` is 0 or beyond 64 bits.
pub fn true_div(a: i128, b: i128) -> Option<f64> {
    const EXACT: u128 = 1 << 53;
    let (n, d) = (a.unsigned_abs(), b.unsigned_abs());
    if d == 0 || d >> 64 != 0 {
        return None;
    }
    if (n <= EXACT && d <= EXACT) || planted(Defect::TierZeroTrueDivision) {
        return Some(a as f64 / b as f64);
    }
    if n == 0 {
        return Some(if b < 0 { -0.0 } else { 0.0 });
    }
    // With the numerator's top bit at 127 and a divisor below 2^64 the quotient has at least 64 bits: more than the 53 kept
    // and the rounding bit, so a remainder can be folded into its lowest bit. The scaling is exact: no subnormals here.
    let shift = n.leading_zeros();
    let n = n << shift;
    let quotient = (n / d) | u128::from(n % d != 0);
    let magnitude = quotient as f64 * power_of_two(-(shift as i32));
    Some(if (a < 0) != (b < 0) { -magnitude } else { magnitude })
}

/// `2.0 ** exponent` for exponents of normal numbers.
fn power_of_two(exponent: i32) -> f64 {
    debug_assert!((-1022..=1023).contains(&exponent));
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// `a << n`, or `None` if `n` is negative or the result does not fit.
pub fn shift_left(a: i128, n: i128) -> Option<i128> {
    if n < 0 {
        return None;
    }
    if a == 0 {
        return Some(0);
    }
    if n > 126 {
        return None;
    }
    let shifted = a << n;
    (shifted >> n == a).then_some(shifted)
}

/// `a >> n`, or `None` if `n` is negative.
pub fn shift_right(a: i128, n: i128) -> Option<i128> {
    if n < 0 { None } else { Some(a >> n.min(127)) }
}

/// `base ** exponent`, or `None` if the exponent is negative or the result does not fit.
pub fn int_pow(base: i128, exponent: i128) -> Option<i128> {
    match (base, exponent) {
        (_, ..0) => None,
        (_, 0) | (1, _) => Some(1),
        (0, _) => Some(0),
        (-1, _) => Some(if exponent & 1 == 0 { 1 } else { -1 }),
        (_, 1..=127) => base.checked_pow(exponent as u32),
        _ => None,
    }
}

/// Compares an integer with a float exactly; `None` if the float is a NaN.
pub fn compare_int_float(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    // 2^127 is a float; from there on every float exceeds every i128.
    const LIMIT: f64 = 170141183460469231731687303715884105728.0;
    if b >= LIMIT {
        return Some(Ordering::Less);
    }
    if b < -LIMIT {
        return Some(Ordering::Greater);
    }
    if planted(Defect::TierZeroIntFloatOrder) {
        return (a as f64).partial_cmp(&b);
    }
    let whole = b.trunc();
    Some(a.cmp(&(whole as i128)).then_with(|| whole.partial_cmp(&b).unwrap_or(Ordering::Equal)))
}

// ---- floats

/// `a // b` as CPython's `float_floor_div` computes it. Requires `b != 0`.
pub fn float_floor_div(a: f64, b: f64) -> f64 {
    let remainder = a % b;
    let mut quotient = (a - remainder) / b;
    if remainder != 0.0 && (b < 0.0) != (remainder < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// `a % b` as CPython's `float_rem` computes it. Requires `b != 0`.
pub fn float_mod(a: f64, b: f64) -> f64 {
    let remainder = a % b;
    if remainder == 0.0 {
        return 0.0f64.copysign(b);
    }
    if (b < 0.0) != (remainder < 0.0) { remainder + b } else { remainder }
}

/// `base ** exponent` as CPython's `float_pow` computes it, where the result is a float; `None` where it is complex, or
/// `ZeroDivisionError` or `OverflowError` is raised.
pub fn float_pow(base: f64, exponent: f64) -> Option<f64> {
    // Like CPython, leaves only finite arguments to the C library: libraries differ on the special ones.
    if exponent == 0.0 {
        return Some(1.0);
    }
    if base.is_nan() {
        return Some(base);
    }
    if exponent.is_nan() {
        return Some(if base == 1.0 { 1.0 } else { exponent });
    }
    let odd = exponent.abs() % 2.0 == 1.0;
    if exponent.is_infinite() {
        let magnitude = base.abs();
        return Some(if magnitude == 1.0 {
            1.0
        } else if (exponent > 0.0) == (magnitude > 1.0) {
            f64::INFINITY
        } else {
            0.0
        });
    }
    if base.is_infinite() {
        return Some(match (exponent > 0.0, odd) {
            (true, true) => base,
            (true, false) => f64::INFINITY,
            (false, true) => 0.0f64.copysign(base),
            (false, false) => 0.0,
        });
    }
    if base == 0.0 {
        return if exponent < 0.0 { None } else { Some(if odd { base } else { 0.0 }) };
    }
    let mut negate = false;
    if base < 0.0 {
        if exponent != exponent.floor() {
            return None;
        }
        negate = odd;
    }
    let magnitude = base.abs();
    if magnitude == 1.0 {
        return Some(if negate { -1.0 } else { 1.0 });
    }
    let power = magnitude.powf(exponent);
    if power.is_infinite() {
        return None;
    }
    Some(if negate { -power } else { power })
}

/// `round(x, ndigits)` of a float, correctly rounded in decimal, ties to even; `None` if the result overflows.
pub fn round_digits(x: f64, ndigits: i64) -> Option<f64> {
    // CPython's NDIGITS_MAX and NDIGITS_MIN: beyond them nothing, or everything, is rounded away.
    if !x.is_finite() || ndigits > 323 {
        return Some(x);
    }
    if ndigits < -308 {
        return Some(0.0 * x);
    }
    let rounded = if ndigits >= 0 {
        DecimalText::format(x, ndigits as usize).parse()
    } else {
        round_to_power_of_ten(x, -ndigits as u32)
    };
    rounded.is_finite().then_some(rounded)
}

/// `x` with its last `digits` integer digits rounded away.
fn round_to_power_of_ten(x: f64, digits: u32) -> f64 {
    use num_bigint::BigUint;
    use num_integer::Integer;

    // |x| < 1 rounds to zero for every digits >= 1; so the fraction matters only for breaking ties.
    let magnitude = x.abs();
    let whole = magnitude.trunc();
    let fraction = magnitude - whole;
    let bits = whole.to_bits();
    let (mantissa, exponent) = match (bits >> 52) as i32 {
        0 => return 0.0f64.copysign(x),
        biased => ((bits & ((1 << 52) - 1)) | (1 << 52), biased - 1075),
    };
    let whole = if exponent >= 0 { BigUint::from(mantissa) << exponent } else { BigUint::from(mantissa >> -exponent) };
    let unit = BigUint::from(10u32).pow(digits);
    let (mut quotient, remainder) = whole.div_rem(&unit);
    let up = match (remainder * 2u32).cmp(&unit) {
        Ordering::Less => false,
        Ordering::Equal => fraction > 0.0 || quotient.is_odd(),
        Ordering::Greater => true,
    };
    if up {
        quotient += 1u32;
    }
    // Parsing rounds correctly, and gives infinity on overflow.
    let text = format!("{quotient}e{digits}");
    text.parse::<f64>().unwrap_or(f64::INFINITY).copysign(x)
}

/// A float written out with a fixed number of decimals, without allocating: at most 309 integer digits, 323 decimals, sign
/// and point.
struct DecimalText {
    bytes: [u8; 640],
    len: usize,
}

impl DecimalText {
    fn format(x: f64, decimals: usize) -> DecimalText {
        use std::io::Write;

        let mut text = DecimalText { bytes: [0; 640], len: 0 };
        let mut rest = &mut text.bytes[..];
        let written = write!(rest, "{x:.decimals$}");
        debug_assert!(written.is_ok());
        let unused = rest.len();
        text.len = text.bytes.len() - unused;
        text
    }

    fn parse(&self) -> f64 {
        let text = std::str::from_utf8(&self.bytes[..self.len]).unwrap_or("");
        text.parse().unwrap_or(f64::NAN)
    }
}

// ---- complex numbers, as (real, imaginary)

/// `a * b`, or `None` if a part is a NaN: Python versions differ on those.
pub fn complex_mul(a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    not_nan((a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0))
}

/// `a / b` as CPython's `_Py_c_quot` computes it, or `None` if `b` is 0 or a part of the result is a NaN.
pub fn complex_div(a: (f64, f64), b: (f64, f64)) -> Option<(f64, f64)> {
    // Smith's method: divides by the larger part of the divisor first.
    if b.0.abs() >= b.1.abs() {
        if b.0 == 0.0 {
            return None;
        }
        let ratio = b.1 / b.0;
        let denominator = b.0 + b.1 * ratio;
        not_nan(((a.0 + a.1 * ratio) / denominator, (a.1 - a.0 * ratio) / denominator))
    } else if b.1.abs() >= b.0.abs() {
        let ratio = b.0 / b.1;
        let denominator = b.0 * ratio + b.1;
        not_nan(((a.0 * ratio + a.1) / denominator, (a.1 * ratio - a.0) / denominator))
    } else {
        None
    }
}

fn not_nan(z: (f64, f64)) -> Option<(f64, f64)> {
    if z.0.is_nan() || z.1.is_nan() { None } else { Some(z) }
}

#[cfg(test)]
#[path = "arith_tests.rs"]
mod tests;
