//! Random typed functions, for property tests here and of passes and back ends.
//!
//! Every function that [`random_typed`] gives verifies. With [`Style::Executable`] it also runs to an end on any arguments
//! (see [`random_args`]) without doing anything undefined, calls nothing but libm and helpers that need no engine, and
//! touches only the [`BUFFER_BYTES`] behind each `ptr` parameter; so two ways of running it must agree. [`Style::Any`] has
//! every operation, whether or not it could run.

use crate::builder::Builder;
use crate::dtype::DType;
use crate::generic::{ConstIdx, NameIdx, NestedIdx, Pc, SlotIdx};
use crate::reason::Reason;
use crate::snapshot::{ExitKind, FrameState, ObjectRecipe, Recipe, Snapshot};
use crate::typed::*;

/// Size of the memory behind each `ptr` parameter of an executable function.
pub const BUFFER_BYTES: usize = 64;

/// A stream of choices: bytes from a property test or fuzzer, so that shrinking them shrinks the function; zeros after
/// their end.
#[derive(Debug)]
pub struct Choices<'a> {
    bytes: &'a [u8],
    seed: Option<u64>,
}

impl<'a> Choices<'a> {
    /// Choices made by `bytes`.
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices { bytes, seed: None }
    }

    /// Choices without end.
    pub fn from_seed(seed: u64) -> Choices<'static> {
        Choices { bytes: &[], seed: Some(seed) }
    }

    fn byte(&mut self) -> u8 {
        if let Some(state) = &mut self.seed {
            // SplitMix64.
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            return (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8;
        }
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    /// Whether all that follows is zeros.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.seed.is_none()
    }

    /// A number below `n`, which is at most 256.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) * n / 256
    }

    /// True once in `n` times; false when the choices have run out.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) + 1 == n
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Any 64 bits, the special ones more often.
    pub fn bits(&mut self) -> u64 {
        match self.below(10) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => i64::MAX as u64,
            4 => i64::MIN as u64,
            5 | 6 => u64::from(self.byte()),
            7 => -i64::from(self.byte()) as u64,
            _ => (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.byte())),
        }
    }

    /// The bits of an `f64`.
    pub fn float(&mut self) -> u64 {
        const SPECIAL: [f64; 12] = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            0.5,
            1e300,
            9.223_372_036_854_776e18,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            5e-324,
            3.0,
        ];
        if self.once_in(4) { self.bits() } else { self.pick(&SPECIAL).to_bits() }
    }

    /// A sign-extended integer of the type.
    pub fn int(&mut self, ty: Type) -> i128 {
        let unused = 128 - ty.lane_bits();
        let wide =
            if ty == Type::I128 { (self.bits() as i128) << 64 | self.bits() as i128 } else { self.bits() as i128 };
        wide << unused >> unused
    }
}

/// What may be in a random function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Only what runs anywhere, and is defined.
    Executable,
    /// Every operation.
    Any,
}

/// A random function that verifies.
pub fn random_typed(choices: &mut Choices, style: Style) -> TypedFunction {
    let mut b = Builder::new("random");
    let entry = b.create_block();
    let mut scope = vec![b.append_param(entry, Type::PTR)];
    for _ in 0..choices.below(5) {
        let ty = choices.pick(&SCALARS);
        scope.push(b.append_param(entry, ty));
    }
    let result = if choices.once_in(5) { None } else { Some(choices.pick(&SCALARS)) };
    b.func.result = result;
    b.func.licences = Licences { fastmath: choices.once_in(8), wrap: choices.once_in(8) };
    b.switch_to(entry);
    let mut gen_ = Generator { b, c: choices, scope, n_objects: 0, style, budget: 60 };
    gen_.region(0);
    gen_.leave();
    gen_.b.func
}

/// Arguments for an executable function, one per parameter: words as in the exit buffer (two for an `i128`, low first).
/// Addresses are left 0.
pub fn random_args(choices: &mut Choices, func: &TypedFunction) -> Vec<Vec<u64>> {
    let params = &func.blocks[func.layout[0].index()].params;
    let mut words_of = |ty: Type| match ty.lane {
        Lane::Ptr => vec![0],
        Lane::F64 => vec![choices.float()],
        Lane::F32 => vec![u64::from((f64::from_bits(choices.float()) as f32).to_bits())],
        Lane::I128 => {
            let value = choices.int(ty);
            vec![value as u64, (value >> 64) as u64]
        }
        _ => vec![choices.int(ty) as u64 & (u64::MAX >> (64 - ty.lane_bits()))],
    };
    params.iter().map(|param| words_of(func.value_types[param.index()])).collect()
}

const INTS: [Type; 5] = [Type::I64, Type::I32, Type::I128, Type::I8, Type::I16];
const FLOATS: [Type; 2] = [Type::F64, Type::F32];
const MEMORY: [Type; 6] = [Type::I64, Type::F64, Type::I32, Type::F32, Type::I8, Type::I16];
const SCALARS: [Type; 8] = [Type::I64, Type::F64, Type::I1, Type::I32, Type::I128, Type::F32, Type::I8, Type::I16];

struct Generator<'c, 'a> {
    b: Builder,
    c: &'c mut Choices<'a>,
    /// Values that dominate the current place.
    scope: Vec<Value>,
    /// Objects of the snapshot being made.
    n_objects: usize,
    style: Style,
    budget: u32,
}

impl Generator<'_, '_> {
    fn region(&mut self, depth: u32) {
        let n_steps = 1 + self.c.below(12);
        for _ in 0..n_steps {
            if self.budget == 0 || self.c.is_empty() {
                return;
            }
            self.budget -= 1;
            self.b.set_line(if self.c.once_in(2) { 1 + self.c.below(40) as u32 } else { 0 });
            match self.c.below(12) {
                10 if depth < 3 => self.diamond(depth),
                11 if depth < 3 => self.counted_loop(depth),
                _ => self.inst(),
            }
        }
    }

    /// Ends the current block and the function's path.
    fn leave(&mut self) {
        match self.b.func.result {
            Some(ty) if !self.c.once_in(6) => {
                let value = self.value(ty);
                self.b.ret(Some(value));
            }
            _ => {
                let exit = self.snapshot();
                self.b.exit(exit);
            }
        }
    }

    fn diamond(&mut self, depth: u32) {
        let cond = self.value(Type::I1);
        let (yes, no, join) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let types: Vec<Type> = (0..self.c.below(3)).map(|_| self.c.pick(&SCALARS)).collect();
        let params: Vec<Value> = types.iter().map(|ty| self.b.append_param(join, *ty)).collect();
        let visible = self.scope.len();
        self.b.branch(cond, (yes, vec![]), (no, vec![]));
        for (arm, may_leave) in [(yes, true), (no, false)] {
            self.b.switch_to(arm);
            self.region(depth + 1);
            if may_leave && self.c.once_in(6) {
                self.leave();
            } else {
                let args = types.iter().map(|ty| self.value(*ty)).collect();
                self.b.jump(join, args);
            }
            self.scope.truncate(visible);
        }
        self.b.switch_to(join);
        self.scope.extend(params);
    }

    fn counted_loop(&mut self, depth: u32) {
        let (header, body, after) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let types: Vec<Type> = (0..self.c.below(3)).map(|_| self.c.pick(&SCALARS)).collect();
        let zero = self.b.i64(0);
        let mut args = vec![zero];
        args.extend(types.iter().map(|ty| self.value(*ty)).collect::<Vec<_>>());
        self.b.jump(header, args);
        let counter = self.b.append_param(header, Type::I64);
        let carried: Vec<Value> = types.iter().map(|ty| self.b.append_param(header, *ty)).collect();
        self.b.switch_to(header);
        let n_trips = self.c.below(6) as i64;
        let limit = self.b.i64(n_trips);
        let goes_on = self.b.icmp(IntCC::Slt, counter, limit);
        self.b.branch(goes_on, (body, vec![]), (after, vec![]));
        self.scope.push(counter);
        self.scope.extend(carried);
        let visible = self.scope.len();

        self.b.switch_to(body);
        self.region(depth + 1);
        if self.c.once_in(3) {
            let exit = self.snapshot();
            self.b.poll(exit);
        }
        let one = self.b.i64(1);
        let next = self.b.binary(BinaryOp::Iadd, counter, one);
        let mut args = vec![next];
        args.extend(types.iter().map(|ty| self.value(*ty)).collect::<Vec<_>>());
        if self.c.once_in(3) {
            let cond = self.value(Type::I1);
            self.b.branch(cond, (header, args), (after, vec![]));
        } else {
            self.b.jump(header, args);
        }
        self.scope.truncate(visible);
        self.b.switch_to(after);
    }

    /// A value of the type: one in scope, or a constant.
    fn value(&mut self, ty: Type) -> Value {
        let found: Vec<Value> = self.scope.iter().copied().filter(|v| self.b.ty(*v) == ty).collect();
        if !found.is_empty() && !self.c.once_in(6) {
            // The latest ones more often, which gives longer chains.
            return found[found.len() - 1 - self.c.below(found.len()).min(self.c.below(found.len()))];
        }
        if ty.lanes > 1 {
            let scalar = self.value(ty.scalar_of());
            return self.b.push_result(InstKind::Splat(scalar, ty), ty);
        }
        match ty.lane {
            Lane::F64 => self.b.push_result(InstKind::Fconst { ty, bits: self.c.float() }, ty),
            Lane::F32 => {
                let value = f64::from_bits(self.c.float()) as f32;
                self.b.f32(value)
            }
            Lane::Ptr => self.scope[0],
            _ => {
                let value = self.c.int(ty);
                self.b.iconst(ty, value)
            }
        }
    }

    /// A value with bits cleared or set, so that an operation on it is defined.
    fn masked(&mut self, ty: Type, keep: i128, set: i128) -> Value {
        let value = self.value(ty);
        let keep = self.b.iconst(ty, keep);
        let value = self.b.binary(BinaryOp::And, value, keep);
        let set = self.b.iconst(ty, set);
        self.b.binary(BinaryOp::Or, value, set)
    }

    fn inst(&mut self) {
        let n_kinds = if self.style == Style::Any { 19 } else { 15 };
        let before = self.b.func.value_types.len();
        match self.c.below(n_kinds) {
            0..=2 => self.int_binary(),
            3 => {
                use BinaryOp::*;
                let (ty, op) = (self.c.pick(&FLOATS), self.c.pick(&[Fadd, Fsub, Fmul, Fdiv, Fcopysign]));
                let (a, b) = (self.value(ty), self.value(ty));
                // The sign of a computed NaN is unspecified and must not be copied.
                let b = if op == Fcopysign {
                    let zero = self.b.push_result(InstKind::Fconst { ty, bits: 0 }, ty);
                    let is_nan = self.b.fcmp(FloatCC::Ne, b, b);
                    self.b.select(is_nan, zero, b)
                } else {
                    b
                };
                self.b.binary(op, a, b);
            }
            4 => {
                use UnaryOp::*;
                let (ty, op) = if self.c.once_in(2) {
                    (self.c.pick(&FLOATS), self.c.pick(&[Fneg, Fabs, Sqrt, Floor, Ceil, Trunc, Nearest]))
                } else {
                    (self.c.pick(&INTS), self.c.pick(&[Ineg, Not, Clz, Ctz, Popcnt]))
                };
                let a = self.value(ty);
                self.b.unary(op, a);
            }
            5 => {
                use OverflowOp::*;
                let ops = [SaddOverflow, SsubOverflow, SmulOverflow, UaddOverflow, UsubOverflow, UmulOverflow];
                let (ty, op) = (self.c.pick(&INTS), self.c.pick(&ops));
                let (a, b) = (self.value(ty), self.value(ty));
                self.b.overflow(op, a, b);
            }
            6 => {
                use IntCC::*;
                let (ty, cc) = (self.c.pick(&INTS), self.c.pick(&[Eq, Ne, Slt, Sle, Sgt, Sge, Ult, Ule, Ugt, Uge]));
                let (a, b) = (self.value(ty), self.value(ty));
                self.b.icmp(cc, a, b);
            }
            7 => {
                use FloatCC::*;
                let (ty, cc) = (self.c.pick(&FLOATS), self.c.pick(&[Eq, Ne, Lt, Le, Gt, Ge]));
                let (a, b) = (self.value(ty), self.value(ty));
                self.b.fcmp(cc, a, b);
            }
            8 => {
                let ty = self.c.pick(&SCALARS);
                let (cond, a, b) = (self.value(Type::I1), self.value(ty), self.value(ty));
                self.b.select(cond, a, b);
            }
            9 => self.convert(),
            10 => {
                let ty = self.c.pick(&MEMORY);
                let (addr, offset) = self.address(ty);
                self.b.load(ty, addr, offset, Region::Array);
            }
            11 => {
                let ty = self.c.pick(&MEMORY);
                let value = self.value(ty);
                let (addr, offset) = self.address(ty);
                self.b.store(value, addr, offset, Region::Array);
            }
            12 => {
                let cond = self.value(Type::I1);
                let exit = self.snapshot();
                self.b.guard(cond, exit);
            }
            13 => {
                let func = self.c.pick(&[LibFunc::Fmod, LibFunc::Fma, LibFunc::Exp, LibFunc::Sin, LibFunc::FmodF32]);
                let args = (0..func.arity()).map(|_| self.value(func.ty())).collect();
                self.b.libm(func, args);
            }
            14 => self.call(&[Helper::FloatPow]),
            15 => self.call(&Helper::ALL),
            16 => {
                let unit = UnitRef(self.c.below(3) as u32);
                let args = (0..self.c.below(3)).map(|_| self.c.pick(&SCALARS)).collect::<Vec<_>>();
                let args = args.into_iter().map(|ty| self.value(ty)).collect();
                let types = [self.c.pick(&SCALARS), Type::I64];
                let skipped = self.c.below(2);
                self.b.push(InstKind::CallUnit(unit, args), &types[skipped..]);
            }
            17 => {
                let vector = Type { lane: self.c.pick(&[Lane::F64, Lane::I32]), lanes: self.c.pick(&[4, 8]) };
                let a = self.value(vector);
                let lane = self.c.below(usize::from(vector.lanes)) as u16;
                self.b.push(InstKind::ExtractLane(a, lane), &[vector.scalar_of()]);
            }
            _ => {
                let context = self.b.context();
                let region = self.c.pick(&[Region::Context, Region::Frame, Region::Constant]);
                let offset = self.c.bits() as i32;
                self.b.load(Type::I64, context, offset, region);
            }
        }
        let defined = (before..self.b.func.value_types.len()).map(|number| Value(number as u32));
        self.scope.extend(defined);
    }

    fn call(&mut self, helpers: &[Helper]) {
        let helper = self.c.pick(helpers);
        let (params, results) = helper.signature();
        let args = params.iter().map(|ty| self.value(*ty)).collect();
        self.b.push(InstKind::CallHelper(helper, args), results);
    }

    fn int_binary(&mut self) {
        use BinaryOp::*;
        let ops = [
            Iadd, Isub, Imul, And, Or, Xor, Smin, Smax, Umin, Umax, Sdiv, Srem, Udiv, Urem, SdivFloor, SremFloor, Shl,
            Ashr, Lshr,
        ];
        let (ty, op) = (self.c.pick(&INTS), self.c.pick(&ops));
        let a = self.value(ty);
        let b = match op {
            Sdiv | Srem | SdivFloor | SremFloor if self.c.once_in(2) => self.masked(ty, 63, -64),
            Sdiv | Srem | Udiv | Urem | SdivFloor | SremFloor => self.masked(ty, 63, 1),
            Shl | Ashr | Lshr => self.masked(ty, i128::from(ty.lane_bits() - 1), 0),
            _ => self.value(ty),
        };
        // The divisors -64..=-1 include -1, whose quotient may be out of range.
        let b = if matches!(op, Sdiv | Srem | SdivFloor | SremFloor) {
            let minus_one = self.b.iconst(ty, -1);
            let is_minus_one = self.b.icmp(IntCC::Eq, b, minus_one);
            let two = self.b.iconst(ty, 2);
            self.b.select(is_minus_one, two, b)
        } else {
            b
        };
        self.b.binary(op, a, b);
    }

    fn convert(&mut self) {
        use ConvertOp::*;
        let ints = [Type::I1, Type::I8, Type::I16, Type::I32, Type::I64, Type::I128];
        let (narrow, wide) = (self.c.below(5), 1 + self.c.below(5));
        let (narrow, wide) = if narrow < wide { (narrow, wide) } else { (0, wide) };
        let (from, op, to) = match self.c.below(8) {
            0 => (ints[narrow], Sext, ints[wide]),
            1 => (ints[narrow], Zext, ints[wide]),
            2 => (ints[wide], Trunc, ints[narrow]),
            3 => (ints[narrow], self.c.pick(&[SintToFloat, UintToFloat]), self.c.pick(&FLOATS)),
            // Out of range, the unsigned conversion is unspecified: two ways of running it may differ.
            4 => (self.c.pick(&FLOATS), FloatToSint, self.c.pick(&[Type::I64, Type::I32, Type::I16, Type::I8])),
            5 => (Type::F32, FloatExtend, Type::F64),
            6 => (Type::F64, FloatDemote, Type::F32),
            _ => {
                let pairs = [(Type::I64, Type::F64), (Type::I32, Type::F32)];
                let (from, to) = self.c.pick(&pairs);
                (from, Bitcast, to)
            }
        };
        let value = self.value(from);
        self.b.convert(op, value, to);
    }

    /// An aligned address inside the buffer of a `ptr` parameter. Integers and the two kinds of floats lie apart, so that
    /// the unspecified bits of a computed NaN are never read as a number.
    fn address(&mut self, ty: Type) -> (Value, i32) {
        let base = self.scope[0];
        let (start, n_words) = match ty.lane {
            Lane::F64 => (32, 2),
            Lane::F32 => (48, 2),
            _ => (0, 4),
        };
        if self.c.once_in(2) {
            let bytes = self.masked(Type::I64, (n_words - 1) * 8, 0);
            return (self.b.ptr_add(base, bytes), start);
        }
        (base, start + 8 * self.c.below(n_words as usize) as i32)
    }

    fn snapshot(&mut self) -> SnapshotId {
        let reason = self.c.pick(Reason::ALL);
        self.n_objects = self.c.below(5);
        let objects: Vec<_> = (0..self.n_objects).map(|_| self.object()).collect();
        if self.c.once_in(6) {
            let recipe = self.recipe(0);
            return self.b.snapshot(Snapshot { reason, exit: ExitKind::Return(recipe), objects, frames: vec![] });
        }
        let exit = if self.c.once_in(4) { ExitKind::Raise } else { ExitKind::Resume };
        let mut frames = Vec::new();
        for function in 0..=self.c.below(2) {
            let pc = Pc(self.c.below(99) as u32);
            let slots = (0..self.c.below(4)).map(|slot| (SlotIdx(slot as u32 * 3), self.recipe(0))).collect();
            frames.push(FrameState { function: function as u32, pc, slots });
        }
        self.b.snapshot(Snapshot { reason, exit, objects, frames })
    }

    fn object(&mut self) -> ObjectRecipe {
        let entry = self.c.once_in(2).then_some(SlotIdx(4));
        if self.c.once_in(2) {
            return ObjectRecipe::Cell { entry, content: self.recipe(1) };
        }
        ObjectRecipe::Function {
            entry,
            owner: self.c.below(3) as u32,
            nested: NestedIdx(self.c.below(3) as u32),
            defaults: (0..self.c.below(3)).map(|_| self.recipe(1)).collect(),
            keyword_defaults: (0..self.c.below(2)).map(|name| (NameIdx(name as u32), self.recipe(1))).collect(),
            closure: (0..self.c.below(2)).map(|_| Recipe::Known(7)).collect(),
        }
    }

    fn recipe(&mut self, depth: u32) -> Recipe {
        // The flat ones come first: nesting ends.
        let kind = self.c.below(if depth < 2 { 23 } else { 16 });
        let number = self.c.below(9) as u32;
        let items = |this: &mut Self| (0..number % 3).map(|_| this.recipe(depth + 1)).collect::<Vec<_>>();
        let i64s = |this: &mut Self| [0; 3].map(|_| this.value(Type::I64));
        match kind {
            0 => Recipe::Unbound,
            1 => Recipe::None,
            2 => Recipe::Const(ConstIdx(number)),
            3 => Recipe::Known(number),
            4 if (number as usize) < self.n_objects => Recipe::Shared(number),
            4 => Recipe::Entry(SlotIdx(number)),
            5 => Recipe::Bool(self.value(Type::I1)),
            6 => Recipe::Int(self.value(Type::I64)),
            7 => Recipe::Int128(self.value(Type::I128)),
            8 => Recipe::Float(self.value(Type::F64)),
            9 => Recipe::Complex(self.value(Type::F64), self.value(Type::F64)),
            10 => Recipe::Numpy(DType::C64, self.value(Type::F32), Some(self.value(Type::F32))),
            11 => Recipe::Numpy(DType::U16, self.value(Type::I16), None),
            12 => {
                let [a, b, c] = i64s(self);
                Recipe::Range(a, b, c)
            }
            13 => {
                let [a, b, c] = i64s(self);
                Recipe::RangeIter(a, b, c)
            }
            14 => Recipe::Borrowed(self.value(Type::PTR)),
            15 => {
                let [a, b, c] = i64s(self);
                Recipe::Held(a, b, c)
            }
            16 => Recipe::Tuple(items(self)),
            17 => Recipe::Zip(items(self), number % 2 == 1),
            18 => Recipe::Slice(Box::new([0; 3].map(|_| self.recipe(depth + 1)))),
            19 => Recipe::Attribute(Box::new(self.recipe(depth + 1)), "a\"b\n\u{e9}".into()),
            20 => Recipe::SeqIter(Box::new(self.recipe(depth + 1)), self.value(Type::I64)),
            21 => Recipe::Enumerate(self.value(Type::I64), Box::new(self.recipe(depth + 1))),
            _ => {
                let owner = Box::new(self.recipe(depth + 1));
                let [a, b, _] = i64s(self);
                let data = self.value(Type::PTR);
                Recipe::View { owner, dtype: DType::I32, data, extents: vec![a], strides: vec![b] }
            }
        }
    }
}

impl Builder {
    fn push_result(&mut self, kind: InstKind, ty: Type) -> Value {
        let inst = self.push(kind, &[ty]);
        self.results(inst)[0]
    }
}
