//! What the lowering may ask about the world outside the function: globals, known callables, other units.

use flashpoint_ir::generic::{BinOp, Const, GenericFunction, NestedIdx, Pc};
use flashpoint_ir::typed::{LibFunc, UnitRef};
use std::sync::Arc;

use super::types::{ArrayType, SlotType};

/// A host object as the lowering sees it. Asking for one makes the version depend on the name staying bound to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its number in the version's table of objects.
    pub object: u32,
    /// What the lowering can do with it.
    pub kind: KnownKind,
}

/// What the lowering can do with a known object.
#[derive(Clone, Debug, PartialEq)]
pub enum KnownKind {
    /// A number, `None`, a bool, or a tuple of such: its value may be used.
    Value(Const),
    /// A NumPy array.
    Array(ArrayType),
    /// A callable whose meaning the lowering knows.
    Builtin(Builtin),
    /// A number, array or function without typed form: operations on it are left to tier 0.
    Untyped,
    /// A Python function that may be inlined or called.
    Function,
    /// A module, class or anything else.
    Object,
}

/// A callable whose meaning the lowering knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Builtin {
    Range,
    Len,
    Abs,
    Min,
    Max,
    Int,
    Float,
    Bool,
    Complex,
    Round,
    Divmod,
    Pow,
    Sum,
    Enumerate,
    Zip,
    Reversed,
    Isinstance,
    /// A class of exceptions: its call makes a value to raise.
    Exception,
    /// A function of the host without typed form, which tier 0 calls.
    Host,
    /// A function of `math`.
    Math(MathFunc),
    /// A function of `cmath`, by name, one complex operand.
    Cmath(CmathFunc),
    /// A NumPy scalar type, called to convert: `np.int32(x)`.
    NumpyType(flashpoint_ir::dtype::DType),
    /// A NumPy function on scalars.
    Numpy(NumpyFunc),
    /// A NumPy function that makes an array.
    NumpyMake(NumpyMake),
}

/// Functions of `math` with a typed lowering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum MathFunc {
    /// One or two floats through libm, with CPython's domain and range checks.
    Lib(LibFunc),
    Sqrt,
    Fabs,
    Floor,
    Ceil,
    Trunc,
    Copysign,
    Isnan,
    Isinf,
    Isfinite,
    Degrees,
    Radians,
    Isqrt,
    Gcd,
    Hypot,
    Log,
}

/// Functions of `cmath` with a typed lowering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CmathFunc {
    Isnan,
    Isinf,
    Isfinite,
}

/// NumPy functions of scalars with a typed lowering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum NumpyFunc {
    Sqrt,
    Absolute,
    Floor,
    Ceil,
    Trunc,
    Isnan,
    Isinf,
    Isfinite,
    Fabs,
    Rint,
    Square,
    Minimum,
    Maximum,
}

/// NumPy functions that make arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum NumpyMake {
    Empty,
    Zeros,
    Ones,
    Full,
    Arange,
    Linspace,
    EmptyLike,
    ZerosLike,
    OnesLike,
    FullLike,
}

/// The types of an operation's results in tier 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It gave none yet.
    Nothing,
    /// All were of this type: a number, bool or `None`.
    One(SlotType),
    /// Several types, or objects.
    Other {
        /// Whether one of them was an integer of 64 bits.
        ints: bool,
    },
}

/// What tier 0 has seen at an operation, and what compiled code has learnt by leaving there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// The result of the integer operation did not fit 64 bits.
    pub widen: bool,
    /// Nor 128 bits: the operation is left to tier 0.
    pub big: bool,
    /// A call here gave a result of a type that was not known.
    pub called: bool,
    /// The guards of this operation failed too often: the operation is left to tier 0.
    pub give_up: bool,
    /// Of a function's first operation: NumPy's float arithmetic in it has given an infinity or NaN. Before that, every such
    /// result is a reason to leave; from then on only what NumPy warns of.
    pub non_finite: bool,
}

/// A call that is made in registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Callee {
    /// The unit to call, by its number in the version's table of cells.
    pub unit: UnitRef,
    /// What it promises to return in a register.
    pub result: SlotType,
    /// Whether it is the function being lowered, entered with the same types.
    pub is_own: bool,
    /// Its [`super::Lowered::has_numpy_floats`].
    pub has_numpy_floats: bool,
}

/// Whether a call can be made in registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CallTarget {
    /// It can.
    Unit(Callee),
    /// Not before it is known what the callee returns.
    Unknown,
    /// It has no typed form.
    Untyped,
}

/// A function of the host without effects that compiled code calls by number: what it gives depends on its operands alone.
/// Where it raises, warns or gives something else than promised, tier 0 does the operation again.
#[derive(Clone, Debug, PartialEq)]
pub struct HostFunction {
    /// Its number in the process.
    pub number: u64,
    /// What it takes: scalars, to which the operands are converted.
    pub params: Vec<SlotType>,
    /// What it gives: a scalar, or a tuple of scalars.
    pub result: SlotType,
    /// Whether it does float arithmetic of NumPy.
    pub is_numpy: bool,
}

/// Answers of the engine and the host. `function` numbers index the version's table of functions; 0 is the outermost.
pub trait World {
    /// The value of a global (or builtin) name as `function` sees it now.
    fn global(&mut self, function: u32, name: &str) -> Option<Known>;
    /// The content of a free variable of `function`.
    fn free_variable(&mut self, function: u32, name: &str) -> Option<Known>;
    /// An attribute of a known object (a module's function, say).
    fn attribute(&mut self, object: u32, name: &str) -> Option<Known>;
    /// The body of a known function, entered into the version's table of functions; with default values of its parameters.
    fn function_body(&mut self, object: u32) -> Option<(u32, Arc<GenericFunction>, Vec<Option<Known>>)>;
    /// The body of a nested definition of `function`, entered into the version's table of functions. `None` if CPython must
    /// run it.
    fn nested_function(&mut self, function: u32, nested: NestedIdx) -> Option<(u32, Arc<GenericFunction>)>;
    /// The number in the table of objects of the cell of a free variable of `function`.
    fn free_cell(&mut self, function: u32, name: &str) -> Option<u32>;
    /// The number in the table of objects of a constant of a function.
    fn constant(&mut self, function: u32, index: u32) -> u32;
    /// What tier 0 has seen an operation give.
    fn seen(&self, function: u32, pc: Pc) -> Seen;
    /// How to call a known function with these argument types, at this operation. `promised` is the type that returns of
    /// the function being lowered have so far: what a call of itself gives, as long as none has been seen to return.
    fn callee(
        &mut self,
        object: u32,
        args: &[SlotType],
        function: u32,
        pc: Pc,
        promised: Option<&SlotType>,
    ) -> CallTarget;
    /// How to call a known function of the host on scalars of these types, if it has no effects.
    fn host_function(&mut self, object: u32, args: &[SlotType]) -> Option<HostFunction> {
        let _ = (object, args);
        None
    }
    /// How to have the host do an operation of Python on scalars of these types, if it has no effects.
    fn host_operator(&mut self, op: BinOp, args: &[SlotType]) -> Option<HostFunction> {
        let _ = (op, args);
        None
    }
    /// Whether complex arithmetic recovers infinities from NaN, and treats real operands, as C99 does: CPython since 3.14.
    fn complex_as_in_c99(&self) -> bool {
        false
    }
    /// What has been learnt about an operation.
    fn feedback(&self, function: u32, pc: Pc) -> Feedback;
}
