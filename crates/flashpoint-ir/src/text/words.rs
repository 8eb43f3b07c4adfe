//! The words of operations and their parts, in both directions. Compilation fails where a variant has no word.

use crate::generic::{BinOp, CmpOp, Conversion, SlotKind, UnOp};
use crate::typed::{BinaryOp, ConvertOp, FloatCC, Helper, IntCC, Lane, LibFunc, OverflowOp, Region, Type, UnaryOp};

/// Something that is one word in the text.
pub(super) trait Word: Copy + 'static {
    /// The word.
    fn word(self) -> &'static str;
    /// What the word stands for.
    fn from_word(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($($ty:ident { $($variant:ident = $word:literal,)* })*) => {
        $(impl Word for $ty {
            fn word(self) -> &'static str {
                match self { $($ty::$variant => $word,)* }
            }
            fn from_word(word: &str) -> Option<$ty> {
                match word { $($word => Some($ty::$variant),)* _ => None }
            }
        })*
    };
}

words! {
    UnaryOp {
        Ineg = "ineg", Not = "not", Clz = "clz", Ctz = "ctz", Popcnt = "popcnt", Fneg = "fneg", Fabs = "fabs",
        Sqrt = "sqrt", Floor = "floor", Ceil = "ceil", Trunc = "trunc", Nearest = "nearest",
    }
    BinaryOp {
        Iadd = "iadd", Isub = "isub", Imul = "imul", Sdiv = "sdiv", Srem = "srem", Udiv = "udiv", Urem = "urem",
        SdivFloor = "sdiv_floor", SremFloor = "srem_floor", And = "and", Or = "or", Xor = "xor", Shl = "shl",
        Ashr = "ashr", Lshr = "lshr", Smin = "smin", Smax = "smax", Umin = "umin", Umax = "umax", Fadd = "fadd",
        Fsub = "fsub", Fmul = "fmul", Fdiv = "fdiv", Fcopysign = "fcopysign",
    }
    OverflowOp {
        SaddOverflow = "sadd_overflow", SsubOverflow = "ssub_overflow", SmulOverflow = "smul_overflow",
        UaddOverflow = "uadd_overflow", UsubOverflow = "usub_overflow", UmulOverflow = "umul_overflow",
    }
    IntCC {
        Eq = "eq", Ne = "ne", Slt = "slt", Sle = "sle", Sgt = "sgt", Sge = "sge", Ult = "ult", Ule = "ule", Ugt = "ugt",
        Uge = "uge",
    }
    FloatCC { Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge", }
    ConvertOp {
        Sext = "sext", Zext = "zext", Trunc = "itrunc", SintToFloat = "sint_to_float", UintToFloat = "uint_to_float",
        FloatToSint = "float_to_sint", FloatToUint = "float_to_uint", FloatExtend = "float_extend",
        FloatDemote = "float_demote", Bitcast = "bitcast",
    }
    LibFunc {
        Sin = "sin", Cos = "cos", Tan = "tan", Asin = "asin", Acos = "acos", Atan = "atan", Atan2 = "atan2",
        Sinh = "sinh", Cosh = "cosh", Tanh = "tanh", Asinh = "asinh", Acosh = "acosh", Atanh = "atanh", Exp = "exp",
        Exp2 = "exp2", Expm1 = "expm1", Log = "log", Log2 = "log2", Log10 = "log10", Log1p = "log1p", Pow = "pow",
        Fmod = "fmod", Hypot = "hypot", Cbrt = "cbrt", Erf = "erf", Erfc = "erfc", Gamma = "gamma", Lgamma = "lgamma",
        Fma = "fma", Ldexp = "ldexp", Remainder = "remainder", SinF32 = "sin_f32", CosF32 = "cos_f32",
        TanF32 = "tan_f32", ExpF32 = "exp_f32", LogF32 = "log_f32", PowF32 = "pow_f32", FmodF32 = "fmod_f32", HypotF32 = "hypot_f32",
    }
    Region { Array = "array", Context = "context", Frame = "frame", Constant = "constant", }
    Helper {
        GenericStep = "generic_step", Release = "release", Retain = "retain", NewArray = "new_array",
        FinishCall = "finish_call", Poll = "poll", FloatPow = "float_pow", RoundDigits = "round_digits",
        IntPow = "int_pow", HostFunction = "host_function",
    }
    Lane {
        I1 = "i1", I8 = "i8", I16 = "i16", I32 = "i32", I64 = "i64", I128 = "i128", F32 = "f32", F64 = "f64",
        Ptr = "ptr",
    }
    BinOp {
        Add = "add", Sub = "sub", Mul = "mul", TrueDiv = "true_div", FloorDiv = "floor_div", Mod = "mod", Pow = "pow",
        LShift = "lshift", RShift = "rshift", And = "and", Or = "or", Xor = "xor", MatMul = "matmul",
    }
    UnOp { Neg = "neg", Pos = "pos", Invert = "invert", Not = "not", }
    CmpOp {
        Lt = "lt", Le = "le", Eq = "eq", Ne = "ne", Gt = "gt", Ge = "ge", Is = "is", IsNot = "is_not", In = "in",
        NotIn = "not_in",
    }
    Conversion { None = "none", Str = "str", Repr = "repr", Ascii = "ascii", }
    SlotKind { Param = "param", Local = "local", Cell = "cell", Free = "free", Temp = "temp", Pinned = "pinned", }
}

/// A type from its name: `f64`, `i32x8`.
pub(super) fn type_from_word(word: &str) -> Option<Type> {
    match word.split_once('x') {
        None => Lane::from_word(word).map(Type::scalar),
        Some((lane, lanes)) => {
            let lanes = lanes.parse().ok().filter(|lanes| *lanes > 1)?;
            Some(Type { lane: Lane::from_word(lane)?, lanes })
        }
    }
}
