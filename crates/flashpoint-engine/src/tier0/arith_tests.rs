//! Properties of `arith`, against `num-bigint` and exact rationals.

use std::cmp::Ordering;

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Pow, Signed, ToPrimitive, Zero};

use super::*;

/// A small generator, so that the tests need nothing and repeat exactly.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Integers of all magnitudes up to `bits` bits, often near powers of two and at the ends.
    fn int(&mut self, bits: u32) -> i128 {
        let width = (self.bits() % u64::from(bits)) as u32;
        let base = if width == 0 { 0 } else { 1i128 << (width - 1) };
        let raw = ((u128::from(self.bits()) << 64) | u128::from(self.bits())) as i128;
        let value = match self.bits() % 4 {
            0 => base + (raw & 3) - 1,
            1 => base.wrapping_mul(2).wrapping_sub(1 + (raw & 1)),
            _ => raw >> (128 - bits.min(127) + width.min(bits.min(127) - 1)),
        };
        if self.bits() & 1 == 0 { value } else { value.wrapping_neg() }
    }

    /// Floats of all kinds: any bits, small integers, near integers, special values.
    fn float(&mut self) -> f64 {
        const SPECIAL: [f64; 12] = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MAX,
            f64::MIN_POSITIVE,
            9007199254740992.0,
            -9223372036854775808.0,
            0.5,
        ];
        match self.bits() % 4 {
            0 => SPECIAL[(self.bits() % 12) as usize],
            1 => f64::from_bits(self.bits()),
            2 => (self.bits() % 2001) as f64 - 1000.0,
            _ => self.int(127) as f64,
        }
    }
}

const ROUNDS: usize = 100_000;

/// The exact value of a finite float as a fraction with a power of two below.
fn exact(x: f64) -> (BigInt, BigInt) {
    let bits = x.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let mantissa = BigInt::from(mantissa) * if x.is_sign_negative() { -1 } else { 1 };
    if exponent >= 0 { (mantissa << exponent, BigInt::from(1)) } else { (mantissa, BigInt::from(1) << -exponent) }
}

#[test]
fn integer_division_floors() {
    let mut random = Random(1);
    for _ in 0..ROUNDS {
        let (a, b) = (random.int(127), random.int(127));
        if b == 0 {
            assert_eq!((floor_div(a, b), floor_mod(a, b)), (None, None));
            continue;
        }
        let (quotient, remainder) = BigInt::from(a).div_mod_floor(&BigInt::from(b));
        assert_eq!(floor_div(a, b), quotient.to_i128(), "{a} // {b}");
        assert_eq!(floor_mod(a, b), remainder.to_i128(), "{a} % {b}");
        let (a, b) = (a as i64, b as i64);
        if b != 0 && (a, b) != (i64::MIN, -1) {
            assert_eq!(i128::from(floor_div_i64(a, b)), floor_div(a.into(), b.into()).unwrap());
        }
        if b != 0 {
            assert_eq!(i128::from(floor_mod_i64(a, b)), floor_mod(a.into(), b.into()).unwrap());
        }
    }
    assert_eq!(floor_mod_i64(i64::MIN, -1), 0);
    assert_eq!(floor_div(i128::MIN, -1), None);
    assert_eq!(floor_mod(i128::MIN, -1), Some(0));
}

#[test]
fn shifts_and_powers_are_exact_or_refused() {
    let mut random = Random(2);
    for _ in 0..ROUNDS {
        let a = random.int(127);
        let n = (random.bits() % 140) as i128 - 4;
        let wide = |value: BigInt| value.to_i128();
        if n < 0 {
            assert_eq!((shift_left(a, n), shift_right(a, n), int_pow(a, n)), (None, None, None));
            continue;
        }
        let left = wide(BigInt::from(a) << n);
        // A value that just fits may be refused only in the extreme case of -2^127.
        assert!(shift_left(a, n) == left || left == Some(i128::MIN), "{a} << {n}");
        assert_eq!(shift_right(a, n), wide(BigInt::from(a) >> n), "{a} >> {n}");
        let base = a >> (random.bits() % 128);
        assert_eq!(int_pow(base, n), wide(BigInt::from(base).pow(n as u32)), "{base} ** {n}");
    }
    assert_eq!(int_pow(-1, i128::MAX), Some(-1));
    assert_eq!(int_pow(0, 0), Some(1));
    assert_eq!(int_pow(2, 1 << 40), None);
}

#[test]
fn true_division_is_correctly_rounded() {
    let mut random = Random(3);
    for _ in 0..ROUNDS {
        let (a, b) = (random.int(127), random.int(64));
        let Some(quotient) = true_div(a, b) else {
            assert!(b == 0 || b.unsigned_abs() >> 64 != 0);
            continue;
        };
        if a == 0 {
            assert_eq!(quotient, 0.0);
            continue;
        }
        // The error of a neighbour must not be smaller: |a/b - q| <= |a/b - q'|, compared as fractions.
        let error = |q: f64| {
            let (n, d) = exact(q);
            ((BigInt::from(a) * &d - BigInt::from(b) * &n).abs(), d)
        };
        let (mine, d) = error(quotient);
        for neighbour in [quotient.next_up(), quotient.next_down()] {
            let (other, e) = error(neighbour);
            let (mine, other) = (&mine * &e, other * &d);
            assert!(mine < other || (mine == other && quotient.to_bits() & 1 == 0), "{a} / {b} = {quotient}");
        }
    }
    assert_eq!(true_div((1 << 53) + 1, 3), Some(3002399751580331.0));
    assert!(true_div(0, -7).unwrap().is_sign_negative());
    assert!(true_div(0, -(1 << 60)).unwrap().is_sign_negative());
}

#[test]
fn comparison_of_int_and_float_is_exact() {
    let mut random = Random(4);
    for _ in 0..ROUNDS {
        let b = random.float();
        let a = if random.bits() & 1 == 0 { random.int(127) } else { (b as i128).saturating_add(random.int(3)) };
        let expected = if b.is_nan() {
            None
        } else if b.is_infinite() {
            Some(if b > 0.0 { Ordering::Less } else { Ordering::Greater })
        } else {
            let (n, d) = exact(b);
            Some((BigInt::from(a) * d).cmp(&n))
        };
        assert_eq!(compare_int_float(a, b), expected, "{a} <=> {b}");
    }
    assert_eq!(compare_int_float((1 << 53) + 1, 9007199254740992.0), Some(Ordering::Greater));
}

#[test]
fn float_division_floors_as_python() {
    let mut random = Random(5);
    for _ in 0..ROUNDS {
        let (a, b) = (random.float(), random.float());
        if b == 0.0 || b.is_nan() || a.is_nan() || a.is_infinite() {
            continue;
        }
        let (quotient, remainder) = (float_floor_div(a, b), float_mod(a, b));
        assert!(remainder == 0.0 || b.is_infinite() || remainder.abs() <= b.abs(), "{a} % {b} = {remainder}");
        assert_eq!(remainder.is_sign_negative(), b.is_sign_negative(), "{a} % {b} = {remainder}");
        assert!(quotient == quotient.floor(), "{a} // {b} = {quotient}");
    }
    // Values computed by CPython 3.11.
    assert_eq!(float_floor_div(-7.5, 2.0), -4.0);
    assert_eq!(float_mod(-7.5, 2.0), 0.5);
    assert_eq!(float_mod(-1e-20, 1.0), 1.0);
    assert_eq!(float_floor_div(-1e-20, 1.0), -1.0);
    assert_eq!(float_floor_div(1.0, 0.1), 9.0);
    assert!(float_floor_div(-0.0, 1.0).is_sign_negative());
    assert!(float_mod(4.0, -2.0).is_sign_negative());
    assert_eq!(float_mod(1.0, f64::NEG_INFINITY), f64::NEG_INFINITY);
    assert_eq!(float_floor_div(1.0, f64::NEG_INFINITY), -1.0);
}

#[test]
fn float_power_special_cases() {
    let inf = f64::INFINITY;
    for (base, exponent, expected) in [
        (f64::NAN, 0.0, Some(1.0)),
        (1.0, f64::NAN, Some(1.0)),
        (-1.0, inf, Some(1.0)),
        (0.5, inf, Some(0.0)),
        (0.5, -inf, Some(inf)),
        (2.0, -inf, Some(0.0)),
        (-inf, 3.0, Some(-inf)),
        (-inf, 2.0, Some(inf)),
        (-inf, -3.0, Some(-0.0)),
        (inf, -0.5, Some(0.0)),
        (-0.0, 3.0, Some(-0.0)),
        (-0.0, 2.0, Some(0.0)),
        (0.0, -1.0, None),
        (-8.0, 1.0 / 3.0, None),
        (-2.0, 3.0, Some(-8.0)),
        (-1.0, 1e300, Some(1.0)),
        (10.0, 400.0, None),
        (-10.0, 401.0, None),
        (10.0, -400.0, Some(0.0)),
        (2.0, -1074.0, Some(5e-324)),
    ] {
        let power = float_pow(base, exponent);
        assert_eq!(power.map(f64::to_bits), expected.map(f64::to_bits), "{base} ** {exponent} = {power:?}");
    }
    assert!(float_pow(f64::NAN, 1.0).unwrap().is_nan());
}

#[test]
fn rounding_is_correct_in_decimal() {
    let mut random = Random(6);
    for _ in 0..20_000 {
        let x = if random.bits() & 1 == 0 {
            random.float()
        } else {
            // Exact ties: odd multiples of a half, quarter, ...
            (random.int(30) * 2 + 1) as f64 / power_of_two(-((random.bits() % 6) as i32)).recip()
        };
        let ndigits = (random.bits() % 40) as i64 - 12;
        let Some(rounded) = round_digits(x, ndigits) else {
            assert!(x.abs() > 1e307);
            continue;
        };
        if !x.is_finite() {
            continue;
        }
        let (n, d) = exact(x);
        let scale = BigInt::from(10).pow(ndigits.unsigned_abs() as u32);
        let (n, d) = if ndigits >= 0 { (n * &scale, d) } else { (n, d * &scale) };
        let (mut quotient, remainder) = n.div_mod_floor(&d);
        let twice: BigInt = remainder * 2;
        if twice > d || (twice == d && quotient.is_odd()) {
            quotient += 1;
        }
        let expected = format!("{quotient}e{}", -ndigits).parse::<f64>().unwrap();
        assert_eq!(rounded, expected, "round({x:e}, {ndigits})");
        assert_eq!(rounded.is_sign_negative(), x.is_sign_negative(), "round({x:e}, {ndigits})");
        assert!(!quotient.is_zero() || rounded == 0.0);
    }
    assert_eq!(round_digits(2.675, 2), Some(2.67));
    assert_eq!(round_digits(0.5, 0), Some(0.0));
    assert_eq!(round_digits(2.5, 0), Some(2.0));
    assert_eq!(round_digits(1250.0, -2), Some(1200.0));
    assert_eq!(round_digits(f64::MAX, -308), None);
    assert_eq!(round_digits(1e308, 400), Some(1e308));
}

#[test]
fn complex_arithmetic() {
    assert_eq!(complex_mul((1.0, 2.0), (3.0, -1.0)), Some((5.0, 5.0)));
    assert_eq!(complex_div((5.0, 5.0), (3.0, -1.0)), Some((1.0, 1.9999999999999998)));
    assert_eq!(complex_div((1.0, 1.0), (0.0, 2.0)), Some((0.5, -0.5)));
    assert_eq!(complex_div((1.0, 0.0), (0.0, 0.0)), None);
    assert_eq!(complex_mul((f64::INFINITY, 0.0), (0.0, 1.0)), None);
}
