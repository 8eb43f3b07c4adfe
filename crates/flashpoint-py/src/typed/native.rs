//! Functions of `math` and `cmath` in machine numbers, by CPython's formulas: without the GIL and without objects.
//!
//! Each gives exactly what CPython gives, or nothing: then CPython's own function is called. Left to that are errors, results
//! beyond 64 bits, and in `cmath` what is not finite, overflows or needs scaling. The mathematics library is the one that
//! CPython calls.
//!
//! Checked by comparing random calls with CPython's (`tests/test_host_functions.py`).
//!
//! References: W. Kahan, "Branch cuts for complex elementary functions", 1987.

use std::f64::consts::LN_10;

use flashpoint_frontend::lower::types::SlotType;

/// Computes the words of a function's result from those of its operands, in place.
pub type Native = fn(&mut [u64], usize) -> Option<()>;

/// Magnitude of a real part beyond which exponentials need scaling: a little below the logarithm of the largest float.
const LARGE_EXPONENT: f64 = 707.0;

/// The native form of a function for operands of these types.
pub fn find(module: &str, name: &str, args: &[SlotType]) -> Option<Native> {
    use SlotType::{Bool, Complex, Float, Int};
    let ints = args.iter().all(|ty| matches!(ty, Int | Bool));
    Some(match (module, name, args) {
        ("math", "gcd", _) if ints => gcd_all,
        ("math", "lcm", _) if ints => lcm_all,
        ("math", "isqrt", [_]) if ints => isqrt,
        ("math", "factorial", [_]) if ints => factorial,
        ("math", "comb", [_, _]) if ints => comb,
        ("math", "perm", [_, _]) if ints => perm,
        ("math", "isclose", [Float, Float]) => is_close,
        ("math", "ulp", [Float]) => ulp,
        ("math", "nextafter", [Float, Float]) => next_after,
        ("math", "frexp", [Float]) => frexp,
        ("math", "modf", [Float]) => modf,
        ("math", "ldexp", [Float, Int]) => ldexp,
        ("cmath", "phase", [Complex]) => phase,
        ("cmath", "sqrt", [Complex]) => |words, _| of_complex(words, sqrt),
        ("cmath", "exp", [Complex]) => |words, _| of_complex(words, exp),
        ("cmath", "log", [Complex]) => |words, _| of_complex(words, log),
        ("cmath", "log10", [Complex]) => {
            |words, _| of_complex(words, |z| log(z).map(|(re, im)| (re / LN_10, im / LN_10)))
        }
        ("cmath", "sinh", [Complex]) => |words, _| of_complex(words, sinh),
        ("cmath", "cosh", [Complex]) => |words, _| of_complex(words, cosh),
        ("cmath", "tanh", [Complex]) => |words, _| of_complex(words, tanh),
        // The circular functions are the hyperbolic ones, a quarter turned.
        ("cmath", "sin", [Complex]) => |words, _| of_complex(words, |z| sinh(turned(z)).map(turned_back)),
        ("cmath", "cos", [Complex]) => |words, _| of_complex(words, |z| cosh(turned(z))),
        ("cmath", "tan", [Complex]) => |words, _| of_complex(words, |z| tanh(turned(z)).map(turned_back)),
        _ => return None,
    })
}

fn float(words: &[u64], at: usize) -> f64 {
    f64::from_bits(words[at])
}

// ---- integers

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn gcd_all(words: &mut [u64], n: usize) -> Option<()> {
    let value = words[..n].iter().fold(0, |all, word| gcd((*word as i64).unsigned_abs(), all));
    words[0] = i64::try_from(value).ok()? as u64;
    Some(())
}

fn lcm_all(words: &mut [u64], n: usize) -> Option<()> {
    let value = words[..n].iter().try_fold(1u64, |all, word| match (*word as i64).unsigned_abs() {
        0 => Some(0),
        _ if all == 0 => Some(0),
        value => (all / gcd(all, value)).checked_mul(value),
    })?;
    words[0] = i64::try_from(value).ok()? as u64;
    Some(())
}

fn isqrt(words: &mut [u64], _: usize) -> Option<()> {
    words[0] = u64::try_from(words[0] as i64).ok()?.isqrt();
    Some(())
}

fn factorial(words: &mut [u64], _: usize) -> Option<()> {
    let n = u64::try_from(words[0] as i64).ok().filter(|n| *n <= 20)?;
    words[0] = (1..=n).product();
    Some(())
}

fn perm(words: &mut [u64], _: usize) -> Option<()> {
    let [n, k] = [u64::try_from(words[0] as i64).ok()?, u64::try_from(words[1] as i64).ok()?];
    let value = if k > n { 0 } else { (n - k + 1..=n).rev().try_fold(1u64, |all, factor| all.checked_mul(factor))? };
    words[0] = i64::try_from(value).ok()? as u64;
    Some(())
}

fn comb(words: &mut [u64], _: usize) -> Option<()> {
    let [n, k] = [u64::try_from(words[0] as i64).ok()?, u64::try_from(words[1] as i64).ok()?];
    let mut value = u128::from(k <= n);
    for i in 0..k.min(n.saturating_sub(k)) {
        // The product of i + 1 numbers in a row is divisible by (i + 1)!.
        value = value * u128::from(n - i) / u128::from(i + 1);
        if value > i64::MAX as u128 {
            return None;
        }
    }
    words[0] = value as u64;
    Some(())
}

// ---- floats

fn is_close(words: &mut [u64], _: usize) -> Option<()> {
    let (a, b) = (float(words, 0), float(words, 1));
    let difference = (b - a).abs();
    let near = difference <= (1e-9 * b).abs() || difference <= (1e-9 * a).abs() || difference <= 0.0;
    words[0] = u64::from(a == b || (!a.is_infinite() && !b.is_infinite() && near));
    Some(())
}

fn ulp(words: &mut [u64], _: usize) -> Option<()> {
    let x = float(words, 0).abs();
    let value = match x {
        _ if !x.is_finite() => x,
        f64::MAX => x - x.next_down(),
        _ => x.next_up() - x,
    };
    words[0] = value.to_bits();
    Some(())
}

fn next_after(words: &mut [u64], _: usize) -> Option<()> {
    let (x, y) = (float(words, 0), float(words, 1));
    let value = match x.partial_cmp(&y) {
        None => x + y,
        Some(std::cmp::Ordering::Less) => x.next_up(),
        Some(std::cmp::Ordering::Equal) => y,
        Some(std::cmp::Ordering::Greater) => x.next_down(),
    };
    words[0] = value.to_bits();
    Some(())
}

fn frexp(words: &mut [u64], _: usize) -> Option<()> {
    let x = float(words, 0);
    if x == 0.0 || !x.is_finite() {
        words[1] = 0;
        return Some(());
    }
    // A subnormal number is made normal first.
    let (bits, lifted) = if x.is_subnormal() { ((x * 2f64.powi(64)).to_bits(), 64) } else { (x.to_bits(), 0) };
    let exponent = (bits >> 52 & 0x7ff) as i64 - 1022 - lifted;
    words[0] = bits & !(0x7ff << 52) | 1022 << 52;
    words[1] = exponent as u64;
    Some(())
}

fn modf(words: &mut [u64], _: usize) -> Option<()> {
    let x = float(words, 0);
    let whole = x.trunc();
    let fraction = if x.is_infinite() { 0.0 } else { x - whole };
    words[0] = if x.is_nan() { x } else { fraction.copysign(x) }.to_bits();
    words[1] = whole.to_bits();
    Some(())
}

fn ldexp(words: &mut [u64], _: usize) -> Option<()> {
    unsafe extern "C" {
        #[link_name = "ldexp"]
        safe fn scaled(x: f64, exponent: std::ffi::c_int) -> f64;
    }
    let x = float(words, 0);
    // Beyond that nothing changes but the result of a conversion to the library's type.
    let value = scaled(x, (words[1] as i64).clamp(-10_000, 10_000) as std::ffi::c_int);
    words[0] = (value.is_finite() || !x.is_finite()).then(|| value.to_bits())?;
    Some(())
}

// ---- complex numbers

type Complex = (f64, f64);

fn of_complex(words: &mut [u64], function: fn(Complex) -> Option<Complex>) -> Option<()> {
    let z = (float(words, 0), float(words, 1));
    let (re, im) = if z.0.is_finite() && z.1.is_finite() { function(z)? } else { return None };
    if !re.is_finite() || !im.is_finite() {
        return None;
    }
    words[..2].copy_from_slice(&[re.to_bits(), im.to_bits()]);
    Some(())
}

fn turned((re, im): Complex) -> Complex {
    (-im, re)
}

fn turned_back((re, im): Complex) -> Complex {
    (im, -re)
}

fn is_tiny((re, im): Complex) -> bool {
    re.abs() < f64::MIN_POSITIVE && im.abs() < f64::MIN_POSITIVE
}

fn phase(words: &mut [u64], _: usize) -> Option<()> {
    let (re, im) = (float(words, 0), float(words, 1));
    if !re.is_finite() || !im.is_finite() {
        return None;
    }
    words[0] = im.atan2(re).to_bits();
    Some(())
}

fn sqrt(z: Complex) -> Option<Complex> {
    let (re, im) = z;
    if re == 0.0 && im == 0.0 {
        return Some((0.0, im));
    }
    if is_tiny(z) {
        return None;
    }
    let (ax, ay) = (re.abs() / 8.0, im.abs());
    let s = 2.0 * (ax + ax.hypot(ay / 8.0)).sqrt();
    let d = ay / (2.0 * s);
    Some(if re >= 0.0 { (s, d.copysign(im)) } else { (d, s.copysign(im)) })
}

fn exp((re, im): Complex) -> Option<Complex> {
    if re > LARGE_EXPONENT {
        return None;
    }
    let size = re.exp();
    Some((size * im.cos(), size * im.sin()))
}

fn log(z: Complex) -> Option<Complex> {
    let (ax, ay) = (z.0.abs(), z.1.abs());
    if is_tiny(z) || ax > f64::MAX / 4.0 || ay > f64::MAX / 4.0 {
        return None;
    }
    let size = ax.hypot(ay);
    // Near the unit circle the logarithm of the size would lose what distinguishes it from 1.
    let re = if (0.71..=1.73).contains(&size) {
        let (larger, smaller) = if ax > ay { (ax, ay) } else { (ay, ax) };
        ((larger - 1.0) * (larger + 1.0) + smaller * smaller).ln_1p() / 2.0
    } else {
        size.ln()
    };
    Some((re, z.1.atan2(z.0)))
}

fn sinh((re, im): Complex) -> Option<Complex> {
    (re.abs() <= LARGE_EXPONENT).then(|| (im.cos() * re.sinh(), im.sin() * re.cosh()))
}

fn cosh((re, im): Complex) -> Option<Complex> {
    (re.abs() <= LARGE_EXPONENT).then(|| (im.cos() * re.cosh(), im.sin() * re.sinh()))
}

fn tanh((re, im): Complex) -> Option<Complex> {
    if re.abs() > LARGE_EXPONENT {
        return None;
    }
    let (tx, ty, cx) = (re.tanh(), im.tan(), 1.0 / re.cosh());
    let product = tx * ty;
    let denominator = 1.0 + product * product;
    Some((tx * (1.0 + ty * ty) / denominator, (ty / denominator) * cx * cx))
}
