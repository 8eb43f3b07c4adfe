//! The typed form (the kernel IR): SSA over basic blocks with block parameters.
//!
//! Derived from the generic form under guards; passes and back ends work on it alone. Integers are signless, as in LLVM
//! and Cranelift: operations say whether they are signed. Python's and NumPy's complex numbers are pairs of floats, and
//! arrays are a pointer with extents and byte strides, from the lowering on, so that every pass sees plain scalars.
//!
//! Invariants, checked by `verify`:
//! - Every block ends with exactly one terminator ([`InstKind::is_terminator`]); terminators stand nowhere else.
//! - Every use is dominated by its definition; block arguments agree with block parameters in number and type.
//! - Values named by a snapshot dominate the guard that names it.
//! - Integer division and shifts are executed only where they are defined (divisor not zero, quotient in range, count
//!   below the width): the lowering guards them, and passes keep the guard before the operation unless they prove it.

use serde::{Deserialize, Serialize};

use crate::snapshot::Snapshot;

macro_rules! entity {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub u32);
        impl $name {
            /// Position in the table of its kind.
            #[inline]
            pub fn index(self) -> usize { self.0 as usize }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, concat!($prefix, "{}"), self.0) }
        }
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, concat!($prefix, "{}"), self.0) }
        }
    };
}
entity!(/// An SSA value.
    Value, "v");
entity!(/// A basic block.
    Block, "block");
entity!(/// An instruction.
    Inst, "inst");
entity!(/// A snapshot: its number is the number of the exit.
    SnapshotId, "exit");

/// A machine type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Lane {
    I1 = 0,
    I8 = 1,
    I16 = 2,
    I32 = 3,
    I64 = 4,
    I128 = 5,
    F32 = 6,
    F64 = 7,
    /// An address. 64 bits; arithmetic only through [`InstKind::PtrAdd`].
    Ptr = 8,
}

/// The type of a value: a lane, or a vector of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Type {
    /// The element.
    pub lane: Lane,
    /// 1 for a scalar.
    pub lanes: u16,
}

#[allow(missing_docs)]
impl Type {
    pub const I1: Type = Type::scalar(Lane::I1);
    pub const I8: Type = Type::scalar(Lane::I8);
    pub const I16: Type = Type::scalar(Lane::I16);
    pub const I32: Type = Type::scalar(Lane::I32);
    pub const I64: Type = Type::scalar(Lane::I64);
    pub const I128: Type = Type::scalar(Lane::I128);
    pub const F32: Type = Type::scalar(Lane::F32);
    pub const F64: Type = Type::scalar(Lane::F64);
    pub const PTR: Type = Type::scalar(Lane::Ptr);

    pub const fn scalar(lane: Lane) -> Type {
        Type { lane, lanes: 1 }
    }

    pub fn is_int(self) -> bool {
        matches!(self.lane, Lane::I1 | Lane::I8 | Lane::I16 | Lane::I32 | Lane::I64 | Lane::I128)
    }

    pub fn is_float(self) -> bool {
        matches!(self.lane, Lane::F32 | Lane::F64)
    }

    /// Width of a lane in bits.
    pub fn lane_bits(self) -> u32 {
        match self.lane {
            Lane::I1 => 1,
            Lane::I8 => 8,
            Lane::I16 => 16,
            Lane::I32 | Lane::F32 => 32,
            Lane::I64 | Lane::F64 | Lane::Ptr => 64,
            Lane::I128 => 128,
        }
    }
}

/// Licences to change floating-point results, and to wrap integers: what the user granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Licences {
    /// Sums and products may be reassociated, contracted, and reciprocals used; NaN and infinity may be assumed absent.
    pub fastmath: bool,
    /// Python integers wrap at 64 bits.
    pub wrap: bool,
}

/// A function of the typed form: one version of a code unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TypedFunction {
    /// Symbol name, unique in the process.
    pub name: String,
    /// What the user allowed.
    pub licences: Licences,
    /// Type of the register result of [`InstKind::Return`]; `None` if every return is an exit.
    pub result: Option<Type>,
    /// Blocks in layout order; the first is the entry, whose parameters are the function's.
    pub layout: Vec<Block>,
    /// All blocks, by number.
    pub blocks: Vec<BlockData>,
    /// All instructions, by number.
    pub insts: Vec<InstData>,
    /// The type of each value, by number.
    pub value_types: Vec<Type>,
    /// All exits, by number.
    pub snapshots: Vec<Snapshot>,
}

/// Parameters and instructions of a block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockData {
    /// Block parameters.
    pub params: Vec<Value>,
    /// Instructions in order; the last one is the terminator.
    pub insts: Vec<Inst>,
}

/// An instruction with its results and source line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstData {
    /// What it does.
    pub kind: InstKind,
    /// What it defines.
    pub results: Vec<Value>,
    /// Line of the user's source, 0 if none.
    pub line: u32,
}

/// A jump's target with the arguments for its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct BlockCall {
    pub block: Block,
    pub args: Vec<Value>,
}

/// Two operands of one type, one result of the same type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum BinaryOp {
    /// Wrapping addition.
    Iadd,
    /// Wrapping subtraction.
    Isub,
    /// Wrapping multiplication.
    Imul,
    /// Signed division, truncating. Undefined for a zero divisor and for MIN / -1.
    Sdiv,
    /// Signed remainder, sign of the dividend. Undefined like `Sdiv`.
    Srem,
    /// Unsigned division. Undefined for a zero divisor.
    Udiv,
    /// Unsigned remainder. Undefined for a zero divisor.
    Urem,
    /// Signed division rounding to minus infinity (Python's `//`). Undefined like `Sdiv`.
    SdivFloor,
    /// Remainder with the sign of the divisor (Python's `%`). Undefined like `Sdiv`.
    SremFloor,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift left. Undefined for a count of the width or more.
    Shl,
    /// Arithmetic shift right. Undefined for a count of the width or more.
    Ashr,
    /// Logical shift right. Undefined for a count of the width or more.
    Lshr,
    /// Signed minimum.
    Smin,
    /// Signed maximum.
    Smax,
    /// Unsigned minimum.
    Umin,
    /// Unsigned maximum.
    Umax,
    /// IEEE addition.
    Fadd,
    /// IEEE subtraction.
    Fsub,
    /// IEEE multiplication.
    Fmul,
    /// IEEE division.
    Fdiv,
    /// Magnitude of the first, sign of the second.
    Fcopysign,
}

/// One operand, one result of the same type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum UnaryOp {
    /// Wrapping negation.
    Ineg,
    /// Bitwise not.
    Not,
    /// Number of leading zero bits.
    Clz,
    /// Number of trailing zero bits.
    Ctz,
    /// Number of one bits.
    Popcnt,
    /// Flips the sign bit.
    Fneg,
    /// Clears the sign bit.
    Fabs,
    /// IEEE square root; NaN below zero.
    Sqrt,
    /// Rounds to minus infinity.
    Floor,
    /// Rounds to plus infinity.
    Ceil,
    /// Rounds to zero.
    Trunc,
    /// Rounds to nearest, ties to even.
    Nearest,
}

/// Two integer operands of one type; results: the wrapped value, and an `i1` that is set if the exact one does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum OverflowOp {
    SaddOverflow,
    SsubOverflow,
    SmulOverflow,
    UaddOverflow,
    UsubOverflow,
    UmulOverflow,
}

/// Integer comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum IntCC {
    Eq,
    Ne,
    Slt,
    Sle,
    Sgt,
    Sge,
    Ult,
    Ule,
    Ugt,
    Uge,
}

/// Float comparisons: all false on NaN except `Ne`, which is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum FloatCC {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Conversions between types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ConvertOp {
    /// Wider integer, sign-extended.
    Sext,
    /// Wider integer, zero-extended.
    Zext,
    /// Narrower integer, low bits.
    Trunc,
    /// Signed integer to float, rounded to nearest even.
    SintToFloat,
    /// Unsigned integer to float, rounded to nearest even.
    UintToFloat,
    /// Float to signed integer, truncating; out of range or NaN gives the minimum of the type, as x86 does.
    FloatToSint,
    /// Float to unsigned integer, truncating; out of range or NaN gives an unspecified value.
    FloatToUint,
    /// `f32` to `f64`, exact.
    FloatExtend,
    /// `f64` to `f32`, rounded to nearest even.
    FloatDemote,
    /// Same bits: `f64` and `i64`, `f32` and `i32`, `ptr` and `i64`.
    Bitcast,
}

/// A function of the platform's mathematics library, `f64` operands and result. Never folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum LibFunc {
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Atan2,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Exp,
    Exp2,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Pow,
    Fmod,
    Hypot,
    Cbrt,
    Erf,
    Erfc,
    /// As CPython's `math.gamma` computes it.
    Gamma,
    /// As CPython's `math.lgamma` computes it.
    Lgamma,
    Fma,
    Ldexp,
    Remainder,
    /// `f32` functions for NumPy's `float32` scalars follow.
    SinF32,
    CosF32,
    TanF32,
    ExpF32,
    LogF32,
    PowF32,
    FmodF32,
    HypotF32,
}

/// What a memory access touches; accesses of different regions do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Region {
    /// Elements of arrays.
    Array = 0,
    /// The context: poll word, result, exit buffer. Never read by user code.
    Context = 1,
    /// Slots of the generic frame.
    Frame = 2,
    /// Memory that does not change while the function runs.
    Constant = 3,
}

/// A routine of the engine or the host, reached through the link table. The numbers are known to cached code.
///
/// Signatures are given as C sees them; `ctx` is passed first by the back end. A routine that can raise returns a status
/// word (0 for success) as its only or last result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u16)]
pub enum Helper {
    /// `(step: i64) -> i64`: has tier 0 run an operation that has no typed form. Words of its operands are in the context's
    /// scratch, and its results are put there, as slots. Result 0: go on; 1: an exception is pending, and nothing has changed;
    /// 2: leave behind the operation, whose results are there all the same.
    GenericStep = 0,
    /// `(head: i64, a: i64) -> i64`: gives up what a held value of these words owns. Nonzero: leave, since a finalizer has
    /// changed what the code takes for granted.
    Release = 1,
    /// `(head: i64, a: i64)`: takes another reference of what a held value owns.
    Retain = 2,
    /// `(dtype: i64, rank: i64, fill: i64, order: i64, extents: ptr, out: ptr) -> i64`: a new array. `extents` points to
    /// `rank` words in the context's scratch; `fill` is 0 for uninitialised, 1 for zeros, 2 for ones. `out` receives
    /// object, data, extents, strides. Nonzero if it raised.
    NewArray = 3,
    /// `(status: i64) -> i64`: completes a callee that returned a status other than 0. Result 0: it returned a value of the
    /// promised type, now in `ctx.result`; 1: an exception is pending; 2: its value is in `ctx.result_slot`.
    FinishCall = 4,
    /// `() -> i64`: signals, tier changes: 0 to go on, 1 to leave through the poll's snapshot, 2 if an exception is pending.
    Poll = 5,
    /// `(base: f64, exponent: f64) -> f64`: CPython's `float.__pow__` for the real-valued cases.
    FloatPow = 6,
    /// `(x: f64, ndigits: i64) -> f64`: CPython's `round(x, ndigits)`, correctly rounded in decimal.
    RoundDigits = 7,
    /// `(base: i64, exponent: i64) -> (value: i64, overflow: i64)`: an integer power; `overflow` is set if it does not fit.
    IntPow = 10,
    /// `(function: i64) -> i64`: calls a function of the host that has no effects, by its number. Words of its operands are
    /// in the context's scratch. Result 0: it gave a result of the promised type, whose words are there; 1: it did not, and
    /// tier 0 has to run the operation; 2: an exception is pending.
    HostFunction = 20,
}

/// Another compiled function, called in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UnitRef(pub u32);

/// What an instruction does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum InstKind {
    /// An integer constant of type `ty`, sign-extended here.
    Iconst {
        #[allow(missing_docs)]
        ty: Type,
        #[allow(missing_docs)]
        value: i128,
    },
    /// A float constant of type `ty`, by its bits.
    Fconst {
        #[allow(missing_docs)]
        ty: Type,
        #[allow(missing_docs)]
        bits: u64,
    },
    /// See [`UnaryOp`].
    Unary(UnaryOp, Value),
    /// See [`BinaryOp`].
    Binary(BinaryOp, Value, Value),
    /// See [`OverflowOp`].
    Overflow(OverflowOp, Value, Value),
    /// Compares two integers (or addresses) of one type; `i1`.
    Icmp(IntCC, Value, Value),
    /// Compares two floats of one type; `i1`.
    Fcmp(FloatCC, Value, Value),
    /// The second operand if the first (`i1`) is set, else the third.
    Select(Value, Value, Value),
    /// Converts to `Type`.
    Convert(ConvertOp, Value, Type),
    /// The same scalar in every lane.
    Splat(Value, Type),
    /// A lane of a vector.
    ExtractLane(Value, u16),
    /// Address plus a number of bytes (`i64`). Stays inside the object that the address points into.
    PtrAdd(Value, Value),
    /// Reads a `ty` at `addr + offset`, aligned to its size. Never traps: the lowering guards what it reads.
    Load {
        /// Type of the result.
        ty: Type,
        /// Address.
        addr: Value,
        /// Constant number of bytes.
        offset: i32,
        /// What it touches.
        region: Region,
    },
    /// Writes `value` at `addr + offset`.
    Store {
        /// What to write.
        value: Value,
        /// Address.
        addr: Value,
        /// Constant number of bytes.
        offset: i32,
        /// What it touches.
        region: Region,
    },
    /// The context's address.
    Context,
    /// Calls the mathematics library.
    Libm(LibFunc, Vec<Value>),
    /// Calls a routine of the engine. `results` types are the routine's.
    CallHelper(Helper, Vec<Value>),
    /// Calls another unit in registers; results: its result (if any), and a status (`i64`). Status 0: the result is valid.
    /// Any other: the typed code passes it to [`Helper::FinishCall`], which completes the callee.
    CallUnit(UnitRef, Vec<Value>),
    /// Takes the exit if the `i1` is *not* set.
    Guard(Value, SnapshotId),
    /// Reads the context's poll word; if it is set, calls [`Helper::Poll`] and takes the exit if that says so.
    Poll(SnapshotId),

    /// Goes to a block.
    Jump(BlockCall),
    /// Goes to the first block if the `i1` is set, else to the second.
    Branch(Value, BlockCall, BlockCall),
    /// Returns from the function with the register result (if [`TypedFunction::result`] has a type).
    Return(Option<Value>),
    /// Takes the exit.
    Exit(SnapshotId),
}

/// The walk over an instruction's operands, written once for shared and for exclusive access: `$iter` is the method of that
/// access, `$deref` is `*` where values are handed over by copy.
macro_rules! walk_operands {
    ($kind:expr, $f:ident, $iter:ident, $($deref:tt)?) => {
        match $kind {
            InstKind::Iconst { .. }
            | InstKind::Fconst { .. }
            | InstKind::Context
            | InstKind::Poll(_)
            | InstKind::Exit(_) => {}
            InstKind::Unary(_, a)
            | InstKind::Convert(_, a, _)
            | InstKind::Splat(a, _)
            | InstKind::ExtractLane(a, _)
            | InstKind::Load { addr: a, .. }
            | InstKind::Guard(a, _) => $f($($deref)? a),
            InstKind::Binary(_, a, b)
            | InstKind::Overflow(_, a, b)
            | InstKind::Icmp(_, a, b)
            | InstKind::Fcmp(_, a, b)
            | InstKind::PtrAdd(a, b)
            | InstKind::Store { value: a, addr: b, .. } => {
                $f($($deref)? a);
                $f($($deref)? b);
            }
            InstKind::Select(a, b, c) => {
                $f($($deref)? a);
                $f($($deref)? b);
                $f($($deref)? c);
            }
            InstKind::Libm(_, args) | InstKind::CallHelper(_, args) | InstKind::CallUnit(_, args) => {
                args.$iter().for_each(|v| $f($($deref)? v));
            }
            InstKind::Jump(call) => call.args.$iter().for_each(|v| $f($($deref)? v)),
            InstKind::Branch(cond, a, b) => {
                $f($($deref)? cond);
                a.args.$iter().chain(b.args.$iter()).for_each(|v| $f($($deref)? v));
            }
            InstKind::Return(value) => value.$iter().for_each(|v| $f($($deref)? v)),
        }
    };
}

impl InstKind {
    /// Whether this ends a block.
    pub fn is_terminator(&self) -> bool {
        matches!(self, InstKind::Jump(_) | InstKind::Branch(..) | InstKind::Return(_) | InstKind::Exit(_))
    }

    /// Whether the instruction may be removed if its results are unused, and repeated or moved freely where it is defined.
    pub fn is_pure(&self) -> bool {
        !self.is_terminator()
            && !matches!(
                self,
                InstKind::Store { .. }
                    | InstKind::CallHelper(..)
                    | InstKind::CallUnit(..)
                    | InstKind::Guard(..)
                    | InstKind::Poll(_)
                    | InstKind::Load { .. }
            )
    }

    /// The exit the instruction may take.
    pub fn snapshot(&self) -> Option<SnapshotId> {
        match self {
            InstKind::Guard(_, s) | InstKind::Poll(s) | InstKind::Exit(s) => Some(*s),
            _ => None,
        }
    }

    /// Calls `f` on every operand, block arguments included, snapshots not.
    pub fn for_each_operand(&self, f: &mut impl FnMut(Value)) {
        walk_operands!(self, f, iter, *)
    }

    /// Calls `f` on every operand, block arguments included, snapshots not, to rename it.
    pub fn for_each_operand_mut(&mut self, f: &mut impl FnMut(&mut Value)) {
        walk_operands!(self, f, iter_mut,)
    }

    /// Calls `f` on every jump target.
    pub fn for_each_target_mut(&mut self, f: &mut impl FnMut(&mut BlockCall)) {
        match self {
            InstKind::Jump(call) => f(call),
            InstKind::Branch(_, a, b) => {
                f(a);
                f(b);
            }
            _ => {}
        }
    }
}
