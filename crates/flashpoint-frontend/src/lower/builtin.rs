//! Built-in functions of Python: `range`, `len`, `abs`, `min`, `int`, `round`, `enumerate` and their like.
//!
//! What the typed form of one lacks stays untyped, and becomes a step or an exit ([`super::step`]).

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{CmpOp, GenericOp, SlotIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, FloatCC, Helper, InstKind, IntCC, OverflowOp, Type, UnaryOp, Value};

use super::call::Keywords;
use super::state::{ArrayParts, Val};
use super::types::{Direction, SlotType};
use super::world::Builtin;
use super::{Flow, Low, Lowering, Stop, untyped};

impl Lowering<'_> {
    /// The magnitude of an integer as an unsigned word; right for the minimum too.
    pub(super) fn int_abs_bits(&mut self, value: Value) -> Value {
        let zero = self.b.i64(0);
        let negative = self.b.icmp(IntCC::Slt, value, zero);
        let negated = self.b.unary(UnaryOp::Ineg, value);
        self.b.select(negative, negated, value)
    }

    // ---- built-in functions

    pub(super) fn call_builtin(
        &mut self,
        dst: SlotIdx,
        builtin: Builtin,
        args: &[Val],
        keywords: Keywords,
    ) -> Low<Flow> {
        if !keywords.is_empty() && !matches!(builtin, Builtin::NumpyMake(_) | Builtin::Enumerate | Builtin::Zip) {
            return untyped("a call of a built-in function with keyword arguments");
        }
        let val = match builtin {
            Builtin::Range => self.call_range(args)?,
            Builtin::Len => self.call_len(args)?,
            Builtin::Abs => self.call_abs(args)?,
            Builtin::Min | Builtin::Max => return self.call_min_max(dst, builtin == Builtin::Min, args),
            Builtin::Int => self.call_int(args)?,
            Builtin::Float => match args {
                [] => Val::float(self.b.f64(0.0)),
                [val] if matches!(val.ty, SlotType::Numpy(_)) => Val::float(self.to_dtype(val, DType::F64)?),
                [val] => Val::float(self.to_float(val)?),
                _ => return Err(Stop::Leave(Reason::Raise)),
            },
            Builtin::Bool => match args {
                [] => Val::bool(self.b.i1(false)),
                [val] => Val::bool(self.truth(val)?),
                _ => return Err(Stop::Leave(Reason::Raise)),
            },
            Builtin::Complex => self.call_complex(args)?,
            Builtin::Round => self.call_round(args)?,
            Builtin::Divmod => match args {
                [a, b] => {
                    use flashpoint_ir::generic::BinOp::{FloorDiv, Mod};
                    let quotient = self.binary(FloorDiv, a, b)?;
                    Val::tuple(vec![quotient, self.binary(Mod, a, b)?])
                }
                _ => return Err(Stop::Leave(Reason::Raise)),
            },
            Builtin::Pow => match args {
                [a, b] => self.binary(flashpoint_ir::generic::BinOp::Pow, a, b)?,
                _ => return untyped("pow() with three arguments"),
            },
            Builtin::Sum => self.call_sum(args)?,
            Builtin::Enumerate => self.call_enumerate(args, keywords)?,
            Builtin::Zip => self.call_zip(args, keywords)?,
            Builtin::Reversed => self.call_reversed(dst, args)?,
            Builtin::Isinstance => return untyped("isinstance()"),
            Builtin::Host => return untyped("this function"),
            Builtin::Exception => return untyped("an exception as a value"),
            Builtin::Math(func) => self.call_math(func, args)?,
            Builtin::Cmath(func) => self.call_cmath(func, args)?,
            Builtin::NumpyType(dtype) => self.call_numpy_type(dtype, args)?,
            Builtin::Numpy(func) => self.call_numpy(func, args)?,
            Builtin::NumpyMake(func) => self.call_numpy_make(func, args, keywords)?,
        };
        self.state.set(dst, val);
        Ok(Flow::Next)
    }

    fn call_range(&mut self, args: &[Val]) -> Low<Val> {
        let mut words = Vec::new();
        for arg in args {
            words.push(match &arg.ty {
                SlotType::Int | SlotType::Bool => self.to_i64(arg),
                SlotType::Int128 => self.fitting_i64(arg.word(), Reason::BadRange),
                SlotType::Numpy(dtype) if dtype.is_int() && *dtype != DType::U64 => {
                    self.convert_dtype(arg.word(), *dtype, DType::I64)?
                }
                other => return untyped(format!("range() of {}", other.describe())),
            });
        }
        let words = match words[..] {
            [stop] => vec![self.b.i64(0), stop, self.b.i64(1)],
            [start, stop] => vec![start, stop, self.b.i64(1)],
            [start, stop, step] => {
                if self.const_of(step) == Some(0) {
                    return Err(Stop::Leave(Reason::BadRange));
                }
                if self.const_of(step).is_none() {
                    let zero = self.b.i64(0);
                    let nonzero = self.b.icmp(IntCC::Ne, step, zero);
                    self.guard(nonzero, Reason::BadRange);
                }
                vec![start, stop, step]
            }
            _ => return Err(Stop::Leave(Reason::Raise)),
        };
        Ok(Val::of(SlotType::Range, words))
    }

    /// The number of values of a range with a known step of 1 or -1, or any other constant.
    pub(super) fn range_len(&mut self, range: &Val) -> Low<Value> {
        let [start, stop, step] = range.words[..] else { return untyped("range()") };
        let Some(known) = self.const_of(step).filter(|step| *step != 0 && *step != i128::from(i64::MIN)) else {
            return untyped("the length of a range whose step is not a constant");
        };
        let (high, low) = if known > 0 { (stop, start) } else { (start, stop) };
        let (span, overflow) = self.b.overflow(OverflowOp::SsubOverflow, high, low);
        self.guard_not(overflow, Reason::BadRange);
        let zero = self.b.i64(0);
        let span = self.b.binary(BinaryOp::Smax, span, zero);
        let magnitude = self.b.iconst(Type::I64, known.abs());
        // ceil(span / magnitude), without leaving 64 bits.
        let whole = self.b.binary(BinaryOp::Sdiv, span, magnitude);
        let rest = self.b.binary(BinaryOp::Srem, span, magnitude);
        let partial = self.b.icmp(IntCC::Ne, rest, zero);
        let more = self.b.convert(ConvertOp::Zext, partial, Type::I64);
        Ok(self.b.binary(BinaryOp::Iadd, whole, more))
    }

    fn call_len(&mut self, args: &[Val]) -> Low<Val> {
        let [val] = args else { return Err(Stop::Leave(Reason::Raise)) };
        Ok(Val::int(match &val.ty {
            SlotType::Array(ty, _) if ty.rank > 0 => ArrayParts::of(val).expect("an array").extents[0],
            SlotType::Tuple(items) => self.b.i64(items.len() as i64),
            SlotType::Range => self.range_len(val)?,
            other => return untyped(format!("len() of {}", other.describe())),
        }))
    }

    fn call_abs(&mut self, args: &[Val]) -> Low<Val> {
        let [val] = args else { return Err(Stop::Leave(Reason::Raise)) };
        match &val.ty {
            SlotType::Bool => Ok(Val::int(self.to_i64(val))),
            SlotType::Int => {
                let zero = self.b.i64(0);
                let negative = self.b.icmp(IntCC::Slt, val.word(), zero);
                if self.feedback().widen && !self.b.func.licences.wrap {
                    return untyped("abs() beyond 64 bits");
                }
                let negated = self.b.unary(UnaryOp::Ineg, val.word());
                let magnitude = self.b.select(negative, negated, val.word());
                if !self.b.func.licences.wrap && !planted(Defect::AbsOfMinimum) {
                    let fits = self.b.icmp(IntCC::Sge, magnitude, zero);
                    self.guard(fits, Reason::IntOverflow);
                }
                Ok(Val::int(magnitude))
            }
            SlotType::Float => Ok(Val::float(self.b.unary(UnaryOp::Fabs, val.word()))),
            SlotType::Complex => Ok(Val::float(self.complex_abs(val.words[0], val.words[1]))),
            SlotType::Numpy(dtype) => self.numpy_abs(*dtype, val),
            other => untyped(format!("abs() of {}", other.describe())),
        }
    }

    fn call_min_max(&mut self, dst: SlotIdx, is_min: bool, args: &[Val]) -> Low<Flow> {
        let items = match args {
            [val] if matches!(val.ty, SlotType::Tuple(_)) => val.items(),
            [_] => return untyped("min() or max() of an iterable"),
            _ => args.to_vec(),
        };
        // As CPython: a later item wins only if it is strictly smaller (or larger).
        let op = match is_min {
            true if planted(Defect::MinOfEquals) => CmpOp::Le,
            false if planted(Defect::MinOfEquals) => CmpOp::Ge,
            true => CmpOp::Lt,
            false => CmpOp::Gt,
        };
        let Some((first, rest)) = items.split_first() else { return Err(Stop::Leave(Reason::Raise)) };
        let mut best = first.clone();
        for (i, item) in rest.iter().enumerate() {
            let better = self.compare(op, item, &best)?;
            let better = self.truth(&better)?;
            if item.ty == best.ty {
                let words = item.words.iter().zip(&best.words).map(|(a, b)| self.b.select(better, *a, *b)).collect();
                best = Val::of(item.ty.clone(), words);
            } else if i + 1 == rest.len() {
                return Ok(self.fork_result(better, dst, item.clone(), best));
            } else {
                return untyped("min() or max() of several types");
            }
        }
        self.state.set(dst, best);
        Ok(Flow::Next)
    }

    fn call_int(&mut self, args: &[Val]) -> Low<Val> {
        let [val] = args else {
            return if args.is_empty() { Ok(Val::int(self.b.i64(0))) } else { untyped("int() with a base") };
        };
        match &val.ty {
            SlotType::Int | SlotType::Int128 => Ok(val.clone()),
            SlotType::Bool => Ok(Val::int(self.to_i64(val))),
            SlotType::Float => self.float_to_int(val.word()),
            SlotType::Numpy(dtype) => self.numpy_to_int(*dtype, val),
            other => untyped(format!("int() of {}", other.describe())),
        }
    }

    /// A NumPy scalar as a Python `int`.
    pub(super) fn numpy_to_int(&mut self, dtype: DType, val: &Val) -> Low<Val> {
        match dtype {
            DType::F64 => self.float_to_int(val.word()),
            DType::F32 | DType::F16 => {
                let wide = self.convert_dtype(val.word(), dtype, DType::F64)?;
                self.float_to_int(wide)
            }
            DType::Bool => Ok(Val::int(self.b.convert(ConvertOp::Zext, val.word(), Type::I64))),
            DType::U64 => {
                let zero = self.b.i64(0);
                let fits = self.b.icmp(IntCC::Sge, val.word(), zero);
                self.guard(fits, Reason::IntOverflow);
                Ok(Val::int(val.word()))
            }
            _ if dtype.is_int() => Ok(Val::int(self.convert_dtype(val.word(), dtype, DType::I64)?)),
            _ => untyped(format!("int() of {}", dtype.name())),
        }
    }

    /// A float truncated to a Python `int`, where that fits 64 bits.
    pub(super) fn float_to_int(&mut self, value: Value) -> Low<Val> {
        let low = self.b.f64(-(2f64.powi(63)));
        let high = self.b.f64(2f64.powi(63));
        let above = self.b.fcmp(FloatCC::Ge, value, low);
        let cc = if planted(Defect::FloatToIntLimit) { FloatCC::Le } else { FloatCC::Lt };
        let below = self.b.fcmp(cc, value, high);
        let fits = self.b.binary(BinaryOp::And, above, below);
        self.guard(fits, Reason::FloatToInt);
        Ok(Val::int(self.b.convert(ConvertOp::FloatToSint, value, Type::I64)))
    }

    fn call_complex(&mut self, args: &[Val]) -> Low<Val> {
        let zero = self.b.f64(0.0);
        match args {
            [] => Ok(Val::complex(zero, zero)),
            [val] if val.ty == SlotType::Complex => Ok(val.clone()),
            [val] if matches!(val.ty, SlotType::Numpy(_)) => {
                let (re, im) = self.to_complex_parts(val, DType::C128)?;
                Ok(Val::complex(re, im))
            }
            [re] => Ok(Val::complex(self.to_float(re)?, zero)),
            [re, im] => {
                let re = self.to_float(re)?;
                Ok(Val::complex(re, self.to_float(im)?))
            }
            _ => Err(Stop::Leave(Reason::Raise)),
        }
    }

    fn call_round(&mut self, args: &[Val]) -> Low<Val> {
        match args {
            [val] => match &val.ty {
                SlotType::Int | SlotType::Bool => Ok(Val::int(self.to_i64(val))),
                SlotType::Float => {
                    let nearest = if planted(Defect::RoundHalfUp) {
                        let half = self.b.f64(0.5);
                        let more = self.b.binary(BinaryOp::Fadd, val.word(), half);
                        self.b.unary(UnaryOp::Floor, more)
                    } else {
                        self.b.unary(UnaryOp::Nearest, val.word())
                    };
                    self.float_to_int(nearest)
                }
                other => untyped(format!("round() of {}", other.describe())),
            },
            [val, digits] if val.ty == SlotType::Float && digits.ty == SlotType::Int => {
                let args = vec![val.word(), digits.word()];
                let inst = self.b.push(InstKind::CallHelper(Helper::RoundDigits, args), &[Type::F64]);
                let value = self.b.results(inst)[0];
                self.guard_finite_or(value, val.word());
                Ok(Val::float(value))
            }
            _ => untyped("round() of these"),
        }
    }

    /// Leaves if a result is infinite or NaN though the operand is not.
    fn guard_finite_or(&mut self, value: Value, operand: Value) {
        let infinity = self.b.f64(f64::INFINITY);
        let finite = |this: &mut Self, value| {
            let magnitude = this.b.unary(UnaryOp::Fabs, value);
            this.b.fcmp(FloatCC::Lt, magnitude, infinity)
        };
        let result = finite(self, value);
        let operand = finite(self, operand);
        let not_operand = self.is_false(operand);
        let ok = self.b.binary(BinaryOp::Or, result, not_operand);
        self.guard(ok, Reason::MathDomain);
    }

    fn call_sum(&mut self, args: &[Val]) -> Low<Val> {
        let (items, start) = match args {
            [items] => (items, Val::int(self.b.i64(0))),
            [items, start] => (items, start.clone()),
            _ => return Err(Stop::Leave(Reason::Raise)),
        };
        let SlotType::Tuple(types) = &items.ty else { return untyped(format!("sum() of {}", items.ty.describe())) };
        // Newer Pythons sum floats with compensation.
        if types.iter().any(|ty| !matches!(ty, SlotType::Int | SlotType::Bool)) || start.ty != SlotType::Int {
            return untyped("sum() of anything but integers");
        }
        items
            .items()
            .iter()
            .try_fold(start, |total, item| self.binary(flashpoint_ir::generic::BinOp::Add, &total, item))
    }

    fn call_enumerate(&mut self, args: &[Val], keywords: Keywords) -> Low<Val> {
        let (iterable, start) = match (args, keywords) {
            ([iterable], []) => (iterable, self.b.i64(0)),
            ([iterable, start], []) if start.ty == SlotType::Int => (iterable, start.word()),
            ([iterable], [(name, start)]) if name == "start" && start.ty == SlotType::Int => (iterable, start.word()),
            _ => return untyped("enumerate() with these arguments"),
        };
        // Far from the limit the count cannot overflow in any time that a loop may take.
        if self.const_of(start).is_none_or(|known| known.abs() > 1 << 62) {
            let limit = self.b.i64(1 << 62);
            let near = self.b.icmp(IntCC::Slt, start, limit);
            self.guard(near, Reason::BadRange);
        }
        let iter = self.iterator_of(iterable)?;
        let mut words = iter.words.clone();
        let start = if planted(Defect::EnumerateFromZero) { self.b.i64(0) } else { start };
        words.push(start);
        Ok(Val::of(SlotType::Enumerate(Box::new(iter.ty)), words))
    }

    fn call_zip(&mut self, args: &[Val], keywords: Keywords) -> Low<Val> {
        let strict = match keywords {
            [] => false,
            [(name, flag)] if name == "strict" && flag.ty == SlotType::Bool => match self.const_of(flag.word()) {
                Some(strict) => strict != 0,
                None => return untyped("zip(strict=...) that is not a constant"),
            },
            _ => return untyped("zip() with these arguments"),
        };
        let iters = args.iter().map(|arg| self.iterator_of(arg)).collect::<Low<Vec<_>>>()?;
        let words = iters.iter().flat_map(|iter| iter.words.clone()).collect();
        Ok(Val::of(SlotType::Zip(iters.into_iter().map(|iter| iter.ty).collect(), strict), words))
    }

    fn call_reversed(&mut self, dst: SlotIdx, args: &[Val]) -> Low<Val> {
        let [val] = args else { return Err(Stop::Leave(Reason::Raise)) };
        match &val.ty {
            SlotType::Range => {
                let [start, _, step] = val.words[..] else { return untyped("range()") };
                let len = self.range_len(val)?;
                // The values from the last to the first; one step before the first must fit.
                let (before, overflow) = self.b.overflow(OverflowOp::SsubOverflow, start, step);
                self.guard_not(overflow, Reason::BadRange);
                let distance = self.b.binary(BinaryOp::Imul, len, step);
                let last = self.b.binary(BinaryOp::Iadd, before, distance);
                let back = self.b.unary(UnaryOp::Ineg, step);
                let down = self.const_of(step).is_some_and(|step| step > 0);
                let direction = if down { Direction::Down } else { Direction::Up };
                Ok(Val::of(SlotType::RangeIter(direction), vec![last, before, back]))
            }
            // The object itself is none that compiled code could make again, so it may only be looped over.
            SlotType::Array(ty, _) if ty.rank > 0 && self.is_looped_over(dst) => {
                let parts = ArrayParts::of(val).expect("an array");
                Ok(self.reversed_iter(&parts, None))
            }
            other => untyped(format!("reversed() of {}", other.describe())),
        }
    }

    /// Whether the next operation makes an iterator of what the present one puts into `dst`.
    fn is_looped_over(&self, dst: SlotIdx) -> bool {
        let ops = &self.info().generic.ops;
        matches!(ops.get(self.pc.idx() + 1), Some(GenericOp::GetIter { src, .. }) if *src == dst)
    }
}
