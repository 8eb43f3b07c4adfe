//! Calls of well-known functions on numbers that tier 0 computes by itself.
//!
//! `None` leaves the call to CPython: other types, and whatever raises, warns or depends on the version of Python. An answer
//! is exactly CPython's.

use flashpoint_engine::tier0::{numpy_scalars, operators};
use flashpoint_engine::unary_lib_func;
use flashpoint_frontend::lower::world::{Builtin, MathFunc};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{CmpOp, UnOp};
use flashpoint_ir::slot::{Slot, Tag};
use flashpoint_ir::typed::LibFunc;

/// `builtin(args...)`
pub fn call(builtin: Builtin, args: &[Slot]) -> Option<Slot> {
    match (builtin, args) {
        (Builtin::Min, [first, rest @ ..]) if !rest.is_empty() => extreme(CmpOp::Lt, first, rest),
        (Builtin::Max, [first, rest @ ..]) if !rest.is_empty() => extreme(CmpOp::Gt, first, rest),
        (Builtin::Float, [x]) => Some(Slot::float(as_float(x)?)),
        (Builtin::Int, [x]) => int(x),
        (Builtin::Abs, [x]) => absolute(x),
        (Builtin::Math(func), [x]) => math(func, as_float(x)?).map(Slot::float),
        _ => None,
    }
}

/// The first of the values that none is before, as `min` and `max` compare.
fn extreme(before: CmpOp, first: &Slot, rest: &[Slot]) -> Option<Slot> {
    let mut best = first;
    for value in rest {
        let is_before = operators::compare(before, value, best)
            .or_else(|| operators::truth(&numpy_scalars::compare(before, value, best)?))?;
        if is_before {
            best = value;
        }
    }
    Some(*best)
}

/// What `float()` and the functions of `math` make of a number, if that is exact.
fn as_float(x: &Slot) -> Option<f64> {
    const EXACT: i64 = 1 << 53;
    let of_int = |x: i64| (-EXACT..=EXACT).contains(&x).then_some(x as f64);
    match x.tag {
        Tag::Float => Some(x.as_f64()),
        Tag::Int => of_int(x.as_i64()),
        Tag::Numpy => match x.dtype()? {
            DType::F64 => Some(x.as_f64()),
            DType::F32 => Some(f32::from_bits(x.a as u32).into()),
            dtype if dtype.is_signed_int() => of_int(x.as_i64()),
            dtype if dtype.is_int() => of_int(i64::try_from(x.a).ok()?),
            _ => None,
        },
        _ => None,
    }
}

fn int(x: &Slot) -> Option<Slot> {
    match x.tag {
        Tag::Int => Some(*x),
        Tag::Numpy if x.dtype()?.is_signed_int() => Some(Slot::int(x.as_i64())),
        Tag::Numpy if x.dtype()?.is_int() => Some(Slot::int(i64::try_from(x.a).ok()?)),
        _ => {
            let x = as_float(x)?;
            (x.abs() < 9.0e18).then(|| Slot::int(x as i64))
        }
    }
}

fn absolute(x: &Slot) -> Option<Slot> {
    match x.tag {
        Tag::Int => x.as_i64().checked_abs().map(Slot::int),
        Tag::Float => Some(Slot::float(x.as_f64().abs())),
        Tag::Complex => {
            // CPython looks at `errno` here without having set it (3.11): after an overflow elsewhere it would raise.
            let parts = [x.as_f64(), f64::from_bits(x.b)];
            let is_nan = parts.iter().any(|part| part.is_nan()) && !parts.iter().any(|part| part.is_infinite());
            is_nan.then(|| Slot::float(f64::NAN))
        }
        Tag::Numpy => match x.dtype()? {
            DType::F64 => Some(Slot::numpy(DType::F64, x.as_f64().abs().to_bits(), 0)),
            dtype if dtype.is_signed_int() && x.as_i64() < 0 => numpy_scalars::unary(UnOp::Neg, x),
            dtype if dtype.is_int() => Some(*x),
            _ => None,
        },
        _ => None,
    }
}

/// A function of `math` on a number for which it gives one.
fn math(func: MathFunc, x: f64) -> Option<f64> {
    let value = match func {
        MathFunc::Sqrt if x >= 0.0 => x.sqrt(),
        MathFunc::Fabs => x.abs(),
        MathFunc::Log if x > 0.0 => unary_lib_func(LibFunc::Log)?(x),
        MathFunc::Lib(func) => unary_lib_func(func)?(x),
        _ => return None,
    };
    (x.is_finite() && value.is_finite()).then_some(value)
}
