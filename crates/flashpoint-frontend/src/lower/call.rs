//! Calls: built-in functions, methods, user functions inlined or called as units.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{CmpOp, GenericFunction, GenericOp, Pc, SlotIdx, SlotKind};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::Recipe;
use flashpoint_ir::typed::{
    BinaryOp, ConvertOp, FloatCC, Helper, Inst, InstKind, IntCC, OverflowOp, Region, Type, UnaryOp, UnitRef, Value,
};

use super::state::{ArrayParts, FrameVals, Val};
use super::types::{Direction, SlotType};
use super::world::{Builtin, CallTarget, KnownKind};
use super::{Flow, FunctionInfo, Low, Lowering, Stop, untyped};

/// Operations of a function that is inlined at most.
const MAX_INLINE_OPS: usize = 80;
/// Operations of a nested function that is inlined at most.
const MAX_NESTED_OPS: usize = 400;
/// Frames of a state at most.
const MAX_INLINE_DEPTH: usize = 4;
/// Operations of a function that is inlined into itself at most: each level may double what is copied.
const MAX_RECURSIVE_OPS: usize = 24;
/// Copies of itself that a function gets at most.
const MAX_RECURSIVE_COPIES: usize = 14;

pub(super) type Keywords<'a> = &'a [(String, Val)];

impl Lowering<'_> {
    pub(super) fn call(&mut self, dst: SlotIdx, callee: &Val, args: &[Val], keywords: Keywords) -> Low<Flow> {
        if let SlotType::Method(_, name) = &callee.ty {
            let (receiver, _) = callee.inner().expect("a method has a receiver");
            let val = self.call_method(&receiver, name, args)?;
            self.state.set(dst, val);
            return Ok(Flow::Next);
        }
        if let SlotType::Shared(object) = callee.ty {
            return self.call_nested(object, args, keywords);
        }
        match self.known_kind(callee) {
            Some(KnownKind::Builtin(builtin)) => match self.call_builtin(dst, builtin, args, keywords) {
                Err(Stop::Untyped(what)) if keywords.is_empty() => {
                    let val = self.call_host_function(callee, args, what)?;
                    self.state.set(dst, val);
                    Ok(Flow::Next)
                }
                flow => flow,
            },
            Some(KnownKind::Function) => {
                let SlotType::Known(object) = callee.ty else { return untyped("this call") };
                self.call_function(dst, object, args, keywords)
            }
            _ => untyped("a call of this object"),
        }
    }

    fn call_method(&mut self, receiver: &Val, name: &str, args: &[Val]) -> Low<Val> {
        if !args.is_empty() {
            return untyped(format!("the method `{name}` with arguments"));
        }
        match (&receiver.ty, name) {
            (SlotType::Int, "bit_length") => {
                let negative = self.int_abs_bits(receiver.word());
                let zeros = self.b.unary(UnaryOp::Clz, negative);
                let width = self.b.i64(64);
                Ok(Val::int(self.b.binary(BinaryOp::Isub, width, zeros)))
            }
            (SlotType::Int, "bit_count") => {
                let magnitude = self.int_abs_bits(receiver.word());
                Ok(Val::int(self.b.unary(UnaryOp::Popcnt, magnitude)))
            }
            (SlotType::Int | SlotType::Float, "conjugate") => Ok(receiver.clone()),
            (SlotType::Complex, "conjugate") => {
                let im = self.b.unary(UnaryOp::Fneg, receiver.words[1]);
                Ok(Val::complex(receiver.words[0], im))
            }
            (SlotType::Float, "is_integer") => {
                let infinity = self.b.f64(f64::INFINITY);
                let magnitude = self.b.unary(UnaryOp::Fabs, receiver.word());
                let finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
                let floor = self.b.unary(UnaryOp::Floor, receiver.word());
                let whole = self.b.fcmp(FloatCC::Eq, floor, receiver.word());
                Ok(Val::bool(self.b.binary(BinaryOp::And, finite, whole)))
            }
            (SlotType::Numpy(dtype), _) => self.numpy_scalar_method(receiver, *dtype, name),
            (SlotType::Array(..), "copy") => self.copy_array(receiver),
            (other, _) => untyped(format!("the method `{name}` of {}", other.describe())),
        }
    }

    /// The magnitude of an integer as an unsigned word; right for the minimum too.
    fn int_abs_bits(&mut self, value: Value) -> Value {
        let zero = self.b.i64(0);
        let negative = self.b.icmp(IntCC::Slt, value, zero);
        let negated = self.b.unary(UnaryOp::Ineg, value);
        self.b.select(negative, negated, value)
    }

    // ---- built-in functions

    fn call_builtin(&mut self, dst: SlotIdx, builtin: Builtin, args: &[Val], keywords: Keywords) -> Low<Flow> {
        if !keywords.is_empty() && !matches!(builtin, Builtin::NumpyMake(_) | Builtin::Enumerate | Builtin::Zip) {
            return untyped("keyword arguments of a built-in function");
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

    // ---- user functions

    fn call_function(&mut self, dst: SlotIdx, object: u32, args: &[Val], keywords: Keywords) -> Low<Flow> {
        let Some((function, body, defaults)) = self.world.function_body(object) else {
            return untyped("a call of a function that CPython runs");
        };
        let default = |this: &mut Self, at: usize| match defaults.get(at).cloned().flatten() {
            Some(known) => this.known_val(Some(known), &body.slots[at].name).map(Some),
            None => Ok(None),
        };
        let args = self.bind(&body, args, keywords, default)?;
        let recursive = self.state.frames.iter().any(|frame| frame.function == function);
        if self.state.frames.len() < MAX_INLINE_DEPTH && can_inline(&body) {
            if !recursive {
                self.inline(function, body, args, &[]);
                return Ok(Flow::Done);
            }
            if body.ops.len() <= MAX_RECURSIVE_OPS && self.recursive_copies < MAX_RECURSIVE_COPIES {
                self.recursive_copies += 1;
                self.guard_depth();
                self.inline(function, body, args, &[]);
                return Ok(Flow::Done);
            }
        }
        let args: Vec<Val> = args.iter().map(|arg| self.lent(arg)).collect();
        let types: Vec<SlotType> = args.iter().map(|arg| arg.ty.clone()).collect();
        let callee = match self.world.callee(object, &types, self.function(), self.pc, self.result.as_ref()) {
            CallTarget::Unit(callee) => callee,
            CallTarget::Unknown => return Err(Stop::Leave(Reason::CalleeResult)),
            CallTarget::Untyped => return untyped("a call of this function"),
        };
        self.has_numpy_floats |= callee.has_numpy_floats;
        // What the function promises itself, it must keep.
        if callee.is_own && *self.result.get_or_insert_with(|| callee.result.clone()) != callee.result {
            return Err(Stop::Leave(Reason::CalleeResult));
        }
        let inst = self.call_unit(dst, callee.unit, &callee.result, &args);
        if callee.is_own {
            self.own_calls.push(inst);
        }
        Ok(Flow::Next)
    }

    /// The parameters' contents, in slot order. `default` gives that of a parameter, by slot.
    pub(super) fn bind(
        &mut self,
        body: &GenericFunction,
        args: &[Val],
        keywords: Keywords,
        mut default: impl FnMut(&mut Self, usize) -> Low<Option<Val>>,
    ) -> Low<Vec<Val>> {
        let params = &body.params;
        let n_positional = params.n_positional as usize;
        let n = n_positional + params.n_keyword_only as usize;
        if params.has_varkw {
            return untyped("a call of a function with `**`");
        }
        if args.len() > n_positional && !params.has_varargs {
            return Err(Stop::Leave(Reason::Raise));
        }
        let (args, more) = args.split_at(args.len().min(n_positional));
        let mut bound: Vec<Option<Val>> = args.iter().cloned().map(Some).collect();
        bound.resize(n, None);
        for (name, val) in keywords {
            let at = (params.n_positional_only as usize..n).find(|i| body.slots[*i].name == *name);
            match at {
                Some(at) if bound[at].is_none() => bound[at] = Some(val.clone()),
                _ => return Err(Stop::Leave(Reason::Raise)),
            }
        }
        let mut vals = Vec::with_capacity(n + 1);
        for (at, val) in bound.into_iter().enumerate() {
            vals.push(match val {
                Some(val) => val,
                None => default(self, at)?.ok_or(Stop::Leave(Reason::Raise))?,
            });
        }
        if params.has_varargs {
            let lost = usize::from(planted(Defect::StarArgsLoseLast)).min(more.len());
            vals.push(Val::tuple(more[..more.len() - lost].to_vec()));
        }
        Ok(vals)
    }

    /// Goes on in the body of a function, with these parameters and cells of enclosing functions.
    pub(super) fn inline(
        &mut self,
        function: u32,
        body: std::sync::Arc<GenericFunction>,
        args: Vec<Val>,
        closure: &[Val],
    ) {
        let call = self.pc;
        self.state.frame_mut().call = Some(call);
        let mut vals = vec![Val::UNBOUND; body.slots.len()];
        for (slot, arg) in vals.iter_mut().zip(args) {
            *slot = arg;
        }
        let is_free = |slot: &usize| body.slots[*slot].kind == SlotKind::Free;
        for (slot, cell) in (0..body.slots.len()).filter(is_free).zip(closure) {
            vals[slot] = cell.clone();
        }
        self.functions.entry(function).or_insert_with(|| FunctionInfo::new(body));
        self.state.frames.push(FrameVals { function, call: None, vals });
        self.goto_inner(Pc(0), false);
    }

    /// Whether a nested function may be copied here. There is no other way to call it, so the limits are wider.
    pub(super) fn can_inline_nested(&self, body: &GenericFunction) -> bool {
        self.state.frames.len() < 2 * MAX_INLINE_DEPTH && body.ops.len() <= MAX_NESTED_OPS && is_simple(body)
    }

    /// Leaves where Python would not nest another call: tier 0 then raises. Returns how many more there may be, and how
    /// many frames stand here that were inlined, hence not counted.
    fn guard_depth(&mut self) -> (Value, Value) {
        let ctx = self.b.context();
        let left = self.b.load(Type::I32, ctx, flashpoint_ir::abi::offset::CALLS_LEFT, Region::Context);
        let inlined = self.b.iconst(Type::I32, self.state.frames.len() as i128 - 1);
        let allowed = self.b.icmp(IntCC::Sgt, left, inlined);
        self.guard(allowed, Reason::Raise);
        (left, inlined)
    }

    fn call_unit(&mut self, dst: SlotIdx, unit: UnitRef, result: &SlotType, args: &[Val]) -> Inst {
        let (left, inlined) = self.guard_depth();
        let ctx = self.b.context();
        let one = self.b.iconst(Type::I32, 1);
        let used = self.b.binary(BinaryOp::Iadd, inlined, one);
        let fewer = self.b.binary(BinaryOp::Isub, left, used);
        self.b.store(fewer, ctx, flashpoint_ir::abi::offset::CALLS_LEFT, Region::Context);

        let words = args.iter().flat_map(|arg| arg.words.clone()).collect();
        let register = result.machine_types();
        let mut types = register.clone();
        types.push(Type::I64);
        let call = self.b.push(InstKind::CallUnit(unit, words), &types);
        let results = self.b.results(call).to_vec();
        let status = results[results.len() - 1];
        self.b.store(left, ctx, flashpoint_ir::abi::offset::CALLS_LEFT, Region::Context);

        let ok = self.b.create_block();
        let rest = self.b.create_block();
        let done = self.b.create_block();
        let done_params: Vec<Value> = register.iter().map(|ty| self.b.append_param(done, *ty)).collect();
        let zero = self.b.i64(0);
        let succeeded = self.b.icmp(IntCC::Eq, status, zero);
        self.b.branch(succeeded, (ok, vec![]), (rest, vec![]));
        self.b.switch_to(ok);
        self.b.jump(done, results[..register.len()].to_vec());

        // The callee left compiled code: it is completed, and if its result is not as promised, so does the caller.
        self.b.switch_to(rest);
        let inst = self.b.push(InstKind::CallHelper(Helper::FinishCall, vec![status]), &[Type::I64]);
        let finished = self.b.results(inst)[0];
        let raised = self.b.i64(1);
        let no_raise = self.b.icmp(IntCC::Ne, finished, raised);
        let exit = self.raise_exit();
        self.b.guard(no_raise, exit);
        let as_promised = self.b.icmp(IntCC::Eq, finished, zero);
        let exit = self.result_exit(dst);
        self.b.guard(as_promised, exit);
        let loaded: Vec<Value> = register
            .iter()
            .map(|ty| {
                let ty = if *ty == Type::I1 { Type::I8 } else { *ty };
                let word = self.b.load(ty, ctx, flashpoint_ir::abi::offset::RESULT, Region::Context);
                if ty == Type::I8 && register[0] == Type::I1 {
                    let zero = self.b.iconst(Type::I8, 0);
                    self.b.icmp(IntCC::Ne, word, zero)
                } else {
                    word
                }
            })
            .collect();
        self.b.jump(done, loaded);
        self.b.switch_to(done);
        self.exits.clear();
        self.state.set(dst, Val::of(result.clone(), done_params));
        call
    }

    /// The exit of a call whose callee raised: the exception is raised again at the call.
    pub(super) fn raise_exit(&mut self) -> flashpoint_ir::typed::SnapshotId {
        let exit = self.snapshot_at(self.pc, Reason::Raise);
        self.b.func.snapshots[exit.index()].exit = flashpoint_ir::snapshot::ExitKind::Raise;
        exit
    }

    /// The exit behind a call whose result is not of the promised type: it is in the context's tagged slot.
    pub(super) fn result_exit(&mut self, dst: SlotIdx) -> flashpoint_ir::typed::SnapshotId {
        let before = self.state.clone();
        let next = Pc(self.pc.0 + 1);
        self.state.set(dst, Val::UNBOUND);
        let exit = self.snapshot_at(next, Reason::CalleeResult);
        let frame = self.b.func.snapshots[exit.index()].frames.last_mut().expect("a snapshot has a frame");
        frame.slots.push((dst, Recipe::Result));
        self.state = before;
        exit
    }
}

/// Whether a body is small and simple enough to be copied into its caller.
fn can_inline(body: &GenericFunction) -> bool {
    body.ops.len() <= MAX_INLINE_OPS && is_simple(body)
}

/// Whether a body can be copied into its caller at all.
fn is_simple(body: &GenericFunction) -> bool {
    body.handlers.is_empty() && !body.ops.iter().any(|op| matches!(op, GenericOp::WithEnter { .. }))
}
