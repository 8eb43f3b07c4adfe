//! What a run may call.

use super::{EvalValue, Memory, Stop};
use crate::typed::{Helper, LibFunc, UnitRef};

/// The routines around typed code. The default methods do what needs no engine and refuse the rest.
pub trait EvalEnv {
    /// [`Helper::Poll`]: 0 to go on, anything else to leave.
    fn poll(&mut self, _memory: &mut Memory) -> Result<i64, String> {
        Ok(0)
    }

    /// A helper that is not pure; `None` if it is not offered.
    fn helper(&mut self, _helper: Helper, _args: &[EvalValue], _memory: &mut Memory) -> Option<Vec<EvalValue>> {
        None
    }

    /// Another unit: its result and status; `None` if it is not offered.
    fn unit(&mut self, _unit: UnitRef, _args: &[EvalValue], _memory: &mut Memory) -> Option<(Option<EvalValue>, u64)> {
        None
    }
}

/// An environment with nothing but pure routines.
#[derive(Clone, Copy, Debug, Default)]
pub struct PureEnv;

impl EvalEnv for PureEnv {}

impl dyn EvalEnv + '_ {
    pub(super) fn call_helper(
        &mut self,
        helper: Helper,
        args: &[EvalValue],
        memory: &mut Memory,
    ) -> Result<Vec<EvalValue>, Stop> {
        if let Some(results) = self.helper(helper, args, memory) {
            return Ok(results);
        }
        match (helper, args) {
            (Helper::FloatPow, [base, exponent]) => Ok(vec![EvalValue::f64(base.as_f64().powf(exponent.as_f64()))]),
            (Helper::IntPow, [base, exponent]) => {
                let exponent =
                    u32::try_from(exponent.as_signed()).map_err(|_| "the exponent is out of range".to_string())?;
                let (value, overflow) = (base.as_signed() as i64).overflowing_pow(exponent);
                Ok(vec![EvalValue::i64(value), EvalValue::i64(overflow.into())])
            }
            _ => Err(Stop::Unsupported(format!("the helper {helper:?}"))),
        }
    }

    pub(super) fn call_unit(
        &mut self,
        unit: UnitRef,
        args: &[EvalValue],
        memory: &mut Memory,
    ) -> Result<(Option<EvalValue>, u64), Stop> {
        self.unit(unit, args, memory).ok_or_else(|| Stop::Unsupported(format!("unit{}", unit.0)))
    }

    /// The platform's mathematics library, as far as Rust's standard library reaches it.
    pub(super) fn libm(&mut self, func: LibFunc, args: &[EvalValue]) -> Result<EvalValue, Stop> {
        use LibFunc::*;
        let narrow = |value: f32| Ok(EvalValue::new(func.ty(), u128::from(value.to_bits())));
        let [x32, y32] = [0, 1].map(|idx| args.get(idx).map_or(0.0, EvalValue::as_f32));
        let [x, y, z] = [0, 1, 2].map(|idx| args.get(idx).map_or(0.0, EvalValue::as_f64));
        let value = match func {
            Sin => x.sin(),
            Cos => x.cos(),
            Tan => x.tan(),
            Asin => x.asin(),
            Acos => x.acos(),
            Atan => x.atan(),
            Atan2 => x.atan2(y),
            Sinh => x.sinh(),
            Cosh => x.cosh(),
            Tanh => x.tanh(),
            Exp => x.exp(),
            Exp2 => x.exp2(),
            Expm1 => x.exp_m1(),
            Log => x.ln(),
            Log2 => x.log2(),
            Log10 => x.log10(),
            Log1p => x.ln_1p(),
            Pow => x.powf(y),
            Fmod => x % y,
            Hypot => x.hypot(y),
            Cbrt => x.cbrt(),
            Fma => x.mul_add(y, z),
            Remainder => ieee_remainder(x, y),
            SinF32 => return narrow(x32.sin()),
            CosF32 => return narrow(x32.cos()),
            TanF32 => return narrow(x32.tan()),
            ExpF32 => return narrow(x32.exp()),
            LogF32 => return narrow(x32.ln()),
            PowF32 => return narrow(x32.powf(y32)),
            FmodF32 => return narrow(x32 % y32),
            HypotF32 => return narrow(x32.hypot(y32)),
            Asinh | Acosh | Atanh | Erf | Erfc | Gamma | Lgamma | Ldexp => {
                return Err(Stop::Unsupported(format!("the function {func:?}")));
            }
        };
        Ok(EvalValue::f64(value))
    }
}

/// `x - n*y` for the integer `n` nearest to `x/y`, the even one of two; computed without rounding, as CPython does.
fn ieee_remainder(x: f64, y: f64) -> f64 {
    if x.is_nan() || y.is_nan() || x.is_infinite() || y == 0.0 {
        return f64::NAN;
    }
    if y.is_infinite() {
        return x;
    }
    let (abs_x, abs_y) = (x.abs(), y.abs());
    let m = abs_x % abs_y;
    let complement = abs_y - m;
    let result = if m < complement {
        m
    } else if m > complement {
        -complement
    } else {
        m - 2.0 * ((0.5 * (abs_x - m)) % abs_y)
    };
    1f64.copysign(x) * result
}
