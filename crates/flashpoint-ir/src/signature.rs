//! Operand and result types of every instruction and helper: one table for the verifier, the parser and the evaluator.
//!
//! [`check_inst`] knows nothing of blocks; jumps, returns and snapshots are the verifier's own.

use crate::dtype::DType;
use crate::snapshot::Recipe;
use crate::typed::*;

impl Helper {
    /// Every helper, in the order of their numbers.
    pub const ALL: [Helper; 10] = [
        Helper::GenericStep,
        Helper::Release,
        Helper::Retain,
        Helper::NewArray,
        Helper::FinishCall,
        Helper::Poll,
        Helper::FloatPow,
        Helper::RoundDigits,
        Helper::IntPow,
        Helper::HostFunction,
    ];

    /// Types of the operands (the context, passed by the back end, apart) and of the results.
    pub fn signature(self) -> (&'static [Type], &'static [Type]) {
        const PTR: Type = Type::PTR;
        const I64: Type = Type::I64;
        const F64: Type = Type::F64;
        match self {
            Helper::GenericStep | Helper::FinishCall | Helper::HostFunction => (&[I64], &[I64]),
            Helper::Release => (&[I64, I64], &[I64]),
            Helper::Retain => (&[I64, I64], &[]),
            Helper::NewArray => (&[I64, I64, I64, I64, PTR, PTR], &[I64]),
            Helper::Poll => (&[], &[I64]),
            Helper::FloatPow => (&[F64, F64], &[F64]),
            Helper::RoundDigits => (&[F64, I64], &[F64]),
            Helper::IntPow => (&[I64, I64], &[I64, I64]),
        }
    }
}

impl LibFunc {
    /// Number of operands.
    pub fn arity(self) -> usize {
        use LibFunc::*;
        match self {
            Atan2 | Pow | Fmod | Hypot | Ldexp | Remainder | PowF32 | FmodF32 | HypotF32 => 2,
            Fma => 3,
            _ => 1,
        }
    }

    /// Type of the operands and of the result.
    pub fn ty(self) -> Type {
        use LibFunc::*;
        match self {
            SinF32 | CosF32 | TanF32 | ExpF32 | LogF32 | PowF32 | FmodF32 | HypotF32 => Type::F32,
            _ => Type::F64,
        }
    }
}

impl UnaryOp {
    /// Whether operand and result are floats; they are integers otherwise.
    pub fn is_float(self) -> bool {
        use UnaryOp::*;
        matches!(self, Fneg | Fabs | Sqrt | Floor | Ceil | Trunc | Nearest)
    }
}

impl BinaryOp {
    /// Whether operands and result are floats; they are integers otherwise.
    pub fn is_float(self) -> bool {
        use BinaryOp::*;
        matches!(self, Fadd | Fsub | Fmul | Fdiv | Fcopysign)
    }
}

impl Type {
    /// Number of bytes in memory; an `i1` has none of its own.
    pub fn bytes(self) -> usize {
        (self.lane_bits() / 8) as usize * usize::from(self.lanes)
    }

    /// The type of one lane.
    pub fn scalar_of(self) -> Type {
        Type::scalar(self.lane)
    }

    /// As many lanes of `i1`.
    pub fn mask(self) -> Type {
        Type { lane: Lane::I1, lanes: self.lanes }
    }

    /// Number of words in the exit buffer.
    pub fn exit_words(self) -> usize {
        if self.lane == Lane::I128 { 2 } else { 1 }
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Lane::I1 => "i1",
            Lane::I8 => "i8",
            Lane::I16 => "i16",
            Lane::I32 => "i32",
            Lane::I64 => "i64",
            Lane::I128 => "i128",
            Lane::F32 => "f32",
            Lane::F64 => "f64",
            Lane::Ptr => "ptr",
        })
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.lane)?;
        if self.lanes == 1 { Ok(()) } else { write!(f, "x{}", self.lanes) }
    }
}

/// Whether an integer constant is written as its type asks: sign-extended.
pub fn is_sign_extended(ty: Type, value: i128) -> bool {
    let unused = 128 - ty.lane_bits();
    value << unused >> unused == value
}

/// Checks operands and results of an instruction that is no terminator. `ty` gives the type of a value that exists.
pub fn check_inst(data: &InstData, ty: impl Fn(Value) -> Type) -> Result<(), String> {
    let expect = |results: &[Type]| -> Result<(), String> {
        let found: Vec<Type> = data.results.iter().map(|v| ty(*v)).collect();
        if found == results {
            Ok(())
        } else {
            Err(format!("results are ({}), should be ({})", list(&found), list(results)))
        }
    };
    let same = |a: Value, b: Value| -> Result<Type, String> {
        let (first, second) = (ty(a), ty(b));
        if first == second { Ok(first) } else { Err(format!("operands {a}: {first} and {b}: {second} differ in type")) }
    };
    let is = |v: Value, wanted: Type| -> Result<(), String> {
        if ty(v) == wanted { Ok(()) } else { Err(format!("operand {v} is {}, should be {wanted}", ty(v))) }
    };
    match &data.kind {
        InstKind::Iconst { ty, value } => {
            require(ty.lanes == 1 && (ty.is_int() || ty.lane == Lane::Ptr), || format!("no integer constant is {ty}"))?;
            require(is_sign_extended(*ty, *value), || format!("{value} is no sign-extended {ty}"))?;
            expect(&[*ty])
        }
        InstKind::Fconst { ty, bits } => {
            require(ty.lanes == 1 && ty.is_float(), || format!("no float constant is {ty}"))?;
            require(ty.lane == Lane::F64 || *bits <= u64::from(u32::MAX), || format!("{bits:#x} is wider than {ty}"))?;
            expect(&[*ty])
        }
        InstKind::Unary(op, a) => {
            numeric(ty(*a), op.is_float())?;
            expect(&[ty(*a)])
        }
        InstKind::Binary(op, a, b) => {
            let ty = same(*a, *b)?;
            numeric(ty, op.is_float())?;
            expect(&[ty])
        }
        InstKind::Overflow(_, a, b) => {
            let ty = same(*a, *b)?;
            numeric(ty, false)?;
            expect(&[ty, ty.mask()])
        }
        InstKind::Icmp(_, a, b) => {
            let ty = same(*a, *b)?;
            require(ty.is_int() || ty.lane == Lane::Ptr, || format!("{ty} is no integer or address"))?;
            expect(&[ty.mask()])
        }
        InstKind::Fcmp(_, a, b) => {
            let ty = same(*a, *b)?;
            numeric(ty, true)?;
            expect(&[ty.mask()])
        }
        InstKind::Select(cond, a, b) => {
            let result = same(*a, *b)?;
            let mask = ty(*cond);
            require(mask == Type::I1 || mask == result.mask(), || format!("condition {cond} is {mask}"))?;
            expect(&[result])
        }
        InstKind::Convert(op, a, to) => {
            let from = ty(*a);
            require(convertible(*op, from, *to), || format!("no such conversion from {from} to {to}"))?;
            expect(&[*to])
        }
        InstKind::Splat(a, to) => {
            require(to.lanes > 1, || format!("{to} is no vector"))?;
            is(*a, to.scalar_of())?;
            expect(&[*to])
        }
        InstKind::ExtractLane(a, lane) => {
            let from = ty(*a);
            require(from.lanes > 1 && *lane < from.lanes, || format!("{from} has no lane {lane}"))?;
            expect(&[from.scalar_of()])
        }
        InstKind::PtrAdd(addr, bytes) => {
            is(*addr, Type::PTR)?;
            is(*bytes, Type::I64)?;
            expect(&[Type::PTR])
        }
        InstKind::Load { ty, addr, .. } => {
            is(*addr, Type::PTR)?;
            require(ty.lane != Lane::I1, || format!("{ty} has no form in memory"))?;
            expect(&[*ty])
        }
        InstKind::Store { value, addr, region, .. } => {
            is(*addr, Type::PTR)?;
            require(ty(*value).lane != Lane::I1, || format!("{} has no form in memory", ty(*value)))?;
            require(*region != Region::Constant, || "constant memory is not written".into())?;
            expect(&[])
        }
        InstKind::Context => expect(&[Type::PTR]),
        InstKind::Libm(func, args) => {
            operands(args, &vec![func.ty(); func.arity()], &ty)?;
            expect(&[func.ty()])
        }
        InstKind::CallHelper(helper, args) => {
            let (params, results) = helper.signature();
            operands(args, params, &ty)?;
            expect(results)
        }
        InstKind::CallUnit(..) => match &data.results[..] {
            [status] if ty(*status) == Type::I64 => Ok(()),
            [_, status] if ty(*status) == Type::I64 => Ok(()),
            _ => Err("results are not an optional value and an i64 status".into()),
        },
        InstKind::Guard(cond, _) => {
            is(*cond, Type::I1)?;
            expect(&[])
        }
        InstKind::Branch(cond, ..) => {
            is(*cond, Type::I1)?;
            expect(&[])
        }
        InstKind::Poll(_) | InstKind::Jump(_) | InstKind::Return(_) | InstKind::Exit(_) => expect(&[]),
    }
}

/// Checks that the values of a recipe have the types it is written for.
pub fn check_recipe(recipe: &Recipe, ty: &impl Fn(Value) -> Type) -> Result<(), String> {
    let is = |v: &Value, wanted: Type| -> Result<(), String> {
        if ty(*v) == wanted { Ok(()) } else { Err(format!("{v} is {}, should be {wanted}", ty(*v))) }
    };
    match recipe {
        Recipe::Unbound
        | Recipe::None
        | Recipe::Const(_)
        | Recipe::Known(_)
        | Recipe::Entry(_)
        | Recipe::Shared(_)
        | Recipe::Result => Ok(()),
        Recipe::Bool(v) => is(v, Type::I1),
        Recipe::Int(v) => is(v, Type::I64),
        Recipe::Int128(v) => is(v, Type::I128),
        Recipe::Float(v) => is(v, Type::F64),
        Recipe::Complex(re, im) => is(re, Type::F64).and(is(im, Type::F64)),
        Recipe::Numpy(dtype, v, imaginary) => {
            let machine = machine_type(*dtype);
            // A NumPy bool may still be the byte it was loaded as.
            if !(*dtype == DType::Bool && ty(*v) == Type::I8) {
                is(v, machine)?;
            }
            require(imaginary.is_some() == dtype.is_complex(), || {
                format!("{} has one part too many or too few", dtype.name())
            })?;
            imaginary.iter().try_for_each(|v| is(v, machine))
        }
        Recipe::Tuple(items) | Recipe::Zip(items, _) => items.iter().try_for_each(|item| check_recipe(item, ty)),
        Recipe::Slice(parts) => parts.iter().try_for_each(|part| check_recipe(part, ty)),
        Recipe::Range(a, b, c) | Recipe::RangeIter(a, b, c) | Recipe::Held(a, b, c) => {
            [a, b, c].into_iter().try_for_each(|v| is(v, Type::I64))
        }
        Recipe::Attribute(object, _) => check_recipe(object, ty),
        Recipe::SeqIter(sequence, index) => check_recipe(sequence, ty).and(is(index, Type::I64)),
        Recipe::Enumerate(count, inner) => is(count, Type::I64).and(check_recipe(inner, ty)),
        Recipe::Borrowed(v) => is(v, Type::PTR),
        Recipe::View { owner, data, extents, strides, .. } => {
            check_recipe(owner, ty)?;
            is(data, Type::PTR)?;
            require(extents.len() == strides.len(), || "a view has as many extents as strides".into())?;
            extents.iter().chain(strides).try_for_each(|v| is(v, Type::I64))
        }
    }
}

/// What a NumPy scalar (or one part of a complex one) is in typed code; half-precision ones are their bits.
pub fn machine_type(dtype: DType) -> Type {
    match dtype {
        DType::Bool => Type::I1,
        DType::I8 | DType::U8 => Type::I8,
        DType::I16 | DType::U16 | DType::F16 | DType::BF16 => Type::I16,
        DType::I32 | DType::U32 => Type::I32,
        DType::I64 | DType::U64 => Type::I64,
        DType::F32 | DType::C64 => Type::F32,
        DType::F64 | DType::C128 => Type::F64,
    }
}

fn convertible(op: ConvertOp, from: Type, to: Type) -> bool {
    let (from_bits, to_bits) = (from.lane_bits(), to.lane_bits());
    let int_to_float = from.is_int() && to.is_float();
    let float_to_int = from.is_float() && to.is_int() && to.lane != Lane::I1;
    from.lanes == to.lanes
        && match op {
            ConvertOp::Sext | ConvertOp::Zext => from.is_int() && to.is_int() && from_bits < to_bits,
            ConvertOp::Trunc => from.is_int() && to.is_int() && from_bits > to_bits,
            ConvertOp::SintToFloat | ConvertOp::UintToFloat => int_to_float,
            ConvertOp::FloatToSint | ConvertOp::FloatToUint => float_to_int,
            ConvertOp::FloatExtend => from.lane == Lane::F32 && to.lane == Lane::F64,
            ConvertOp::FloatDemote => from.lane == Lane::F64 && to.lane == Lane::F32,
            ConvertOp::Bitcast => {
                let pair = |a: Lane, b: Lane| (from.lane, to.lane) == (a, b) || (to.lane, from.lane) == (a, b);
                pair(Lane::F64, Lane::I64) || pair(Lane::F32, Lane::I32) || pair(Lane::Ptr, Lane::I64)
            }
        }
}

fn operands(args: &[Value], params: &[Type], ty: &impl Fn(Value) -> Type) -> Result<(), String> {
    let found: Vec<Type> = args.iter().map(|v| ty(*v)).collect();
    require(found == params, || format!("operands are ({}), should be ({})", list(&found), list(params)))
}

fn numeric(ty: Type, float: bool) -> Result<(), String> {
    let fits = if float { ty.is_float() } else { ty.is_int() };
    require(fits, || format!("{ty} is no {}", if float { "float" } else { "integer" }))
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

fn list(types: &[Type]) -> String {
    types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ")
}
