//! The generic form: a Python function as written, as a register machine over slots.
//!
//! Every value is *any*; every operation has exactly Python's meaning, exceptions included. The form is made once from
//! source, covers Python's function-level syntax and is never optimised: tier 0 runs it, and each deoptimisation resumes
//! in it. The index of an operation ([`Pc`]) is a resume point: "before this operation".
//!
//! Invariants, kept by the front end and checked by [`verify`](crate::generic_verify::verify):
//! - Slots are laid out parameters, other locals, cells, free variables, then temporaries ([`SlotKind`]).
//! - A slot of kind [`SlotKind::Temp`] is dead after the operation that reads it (the operation *consumes* it): on every
//!   path it is written before it is read, and read exactly once. [`SlotKind::Pinned`] slots are read any number of times
//!   and end with an explicit [`GenericOp::Drop`].
//! - A local that may be unbound where it is read is preceded by [`GenericOp::CheckBound`].
//! - A backward jump is a loop's back edge; its target is the loop's header.
//! - The last operation does not fall through.

use serde::{Deserialize, Serialize};

/// Position of an operation: the resume point before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pc(pub u32);

/// Index of a slot in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotIdx(pub u32);

/// Index into [`GenericFunction::consts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConstIdx(pub u32);

/// Index into [`GenericFunction::names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NameIdx(pub u32);

/// Index into [`GenericFunction::nested`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NestedIdx(pub u32);

/// A Python function body and everything needed to run it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenericFunction {
    /// `__name__`.
    pub name: String,
    /// `__qualname__`, as tracebacks of newer Pythons print it.
    pub qualname: String,
    /// The file that the source came from.
    pub filename: String,
    /// Line of the `def`.
    pub first_line: u32,
    /// How arguments map to the first slots.
    pub params: Params,
    /// All slots of the frame.
    pub slots: Vec<SlotInfo>,
    /// Constants, host-independent.
    pub consts: Vec<Const>,
    /// Global, attribute, keyword and module names.
    pub names: Vec<String>,
    /// Function definitions, lambdas and comprehensions inside this one.
    pub nested: Vec<NestedFunction>,
    /// The operations.
    pub ops: Vec<GenericOp>,
    /// Source position of each operation; as long as `ops`.
    pub spans: Vec<Span>,
    /// Exception handlers; the first entry that covers an operation is the innermost.
    pub handlers: Vec<Handler>,
}

/// The parameter list. Slots are in the order of `co_varnames`: positional-only, positional, keyword-only, `*args`, `**kwargs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    /// Number of positional-only parameters.
    pub n_positional_only: u32,
    /// Number of positional parameters, positional-only ones included.
    pub n_positional: u32,
    /// Number of keyword-only parameters.
    pub n_keyword_only: u32,
    /// Whether there is a `*args` slot (after the keyword-only ones).
    pub has_varargs: bool,
    /// Whether there is a `**kwargs` slot (the last parameter slot).
    pub has_varkw: bool,
}

impl Params {
    /// Number of parameter slots.
    pub fn n_slots(&self) -> u32 {
        self.n_positional + self.n_keyword_only + u32::from(self.has_varargs) + u32::from(self.has_varkw)
    }
}

/// What a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SlotKind {
    /// A parameter.
    Param,
    /// Another local variable.
    Local,
    /// A local captured by a nested function: holds a host cell object. Filled by [`GenericOp::MakeCell`] at entry.
    Cell,
    /// A variable of an enclosing function: holds a host cell object, filled at entry from the closure.
    Free,
    /// An expression temporary, consumed by the operation that reads it.
    Temp,
    /// A temporary that is read several times (iterators, context managers' exits, saved exception state).
    Pinned,
}

/// A slot's name and kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotInfo {
    /// The variable's name; empty for temporaries.
    pub name: String,
    /// What the slot is for.
    pub kind: SlotKind,
}

/// A host-independent constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Const {
    None,
    Ellipsis,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, in decimal.
    BigInt(String),
    /// The bits of an `f64`.
    Float(u64),
    /// The bits of the real and the imaginary part.
    Complex(u64, u64),
    Str(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Const>),
}

/// A function defined inside another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NestedFunction {
    /// `co_name` of its code object: a name, `<lambda>`, `<listcomp>`, `<genexpr>`, ...
    pub name: String,
    /// `co_firstlineno` of its code object.
    pub first_line: u32,
    /// Which one of the parent's code constants of the same name and line it is, counted from 0 in source order.
    pub ordinal: u32,
    /// Its own generic form; `None` for generators and coroutines, which the host runs.
    pub body: Option<Box<GenericFunction>>,
}

/// A range of source text. Lines count from 1, columns (UTF-8 bytes) from 0, as in Python's `ast`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Span {
    pub line: u32,
    pub col: u32,
    pub end_line: u32,
    pub end_col: u32,
}

/// `start..end` is protected; a raise there jumps to `target` with the exception pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Handler {
    pub start: Pc,
    pub end: Pc,
    pub target: Pc,
}

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    TrueDiv,
    FloorDiv,
    Mod,
    Pow,
    LShift,
    RShift,
    And,
    Or,
    Xor,
    MatMul,
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum UnOp {
    Neg,
    Pos,
    Invert,
    Not,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum CmpOp {
    Lt,
    Le,
    Eq,
    Ne,
    Gt,
    Ge,
    Is,
    IsNot,
    In,
    NotIn,
}

/// The conversion of an f-string field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Conversion {
    None,
    Str,
    Repr,
    Ascii,
}

/// One argument of a general call or display: plain, `*x`, `name=x` or `**x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Arg {
    Plain(SlotIdx),
    Star(SlotIdx),
    Keyword(NameIdx, SlotIdx),
    DoubleStar(SlotIdx),
}

impl Arg {
    /// The slot whose value is passed.
    pub fn slot(self) -> SlotIdx {
        match self {
            Arg::Plain(s) | Arg::Star(s) | Arg::Keyword(_, s) | Arg::DoubleStar(s) => s,
        }
    }
}

/// One operation. `dst` is written, everything else read. An operation that raises leaves `dst` as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum GenericOp {
    // ---- values
    Const {
        dst: SlotIdx,
        value: ConstIdx,
    },
    /// Copies; a `Temp` source is moved.
    Move {
        dst: SlotIdx,
        src: SlotIdx,
    },
    /// Raises `UnboundLocalError` if the local holds nothing.
    CheckBound {
        slot: SlotIdx,
    },
    /// `del x` of a local (bound, or an `UnboundLocalError`), or the end of a pinned temporary (never raises).
    Delete {
        slot: SlotIdx,
    },
    /// Ends a pinned temporary; never raises.
    Drop {
        slot: SlotIdx,
    },

    // ---- names
    LoadGlobal {
        dst: SlotIdx,
        name: NameIdx,
    },
    StoreGlobal {
        name: NameIdx,
        src: SlotIdx,
    },
    DeleteGlobal {
        name: NameIdx,
    },
    /// Puts a new cell into `cell`, holding what `initial` (a parameter of the same name) held, if given.
    MakeCell {
        cell: SlotIdx,
        initial: Option<SlotIdx>,
    },
    LoadCell {
        dst: SlotIdx,
        cell: SlotIdx,
    },
    StoreCell {
        cell: SlotIdx,
        src: SlotIdx,
    },
    DeleteCell {
        cell: SlotIdx,
    },

    // ---- operators
    Binary {
        op: BinOp,
        dst: SlotIdx,
        lhs: SlotIdx,
        rhs: SlotIdx,
    },
    /// The augmented form (`+=`): may change `lhs`'s object in place.
    InPlace {
        op: BinOp,
        dst: SlotIdx,
        lhs: SlotIdx,
        rhs: SlotIdx,
    },
    Unary {
        op: UnOp,
        dst: SlotIdx,
        src: SlotIdx,
    },
    Compare {
        op: CmpOp,
        dst: SlotIdx,
        lhs: SlotIdx,
        rhs: SlotIdx,
    },

    // ---- control
    Jump {
        target: Pc,
    },
    /// Goes on at `if_true` if `cond` is true as Python sees it, else at `if_false`.
    Branch {
        cond: SlotIdx,
        if_true: Pc,
        if_false: Pc,
    },
    /// Takes the next value of `iter` (not consumed) into `dst`, or jumps to `exhausted`.
    ForNext {
        dst: SlotIdx,
        iter: SlotIdx,
        exhausted: Pc,
    },
    Return {
        src: SlotIdx,
    },

    // ---- objects
    LoadAttr {
        dst: SlotIdx,
        object: SlotIdx,
        name: NameIdx,
    },
    StoreAttr {
        object: SlotIdx,
        name: NameIdx,
        src: SlotIdx,
    },
    DeleteAttr {
        object: SlotIdx,
        name: NameIdx,
    },
    GetItem {
        dst: SlotIdx,
        object: SlotIdx,
        index: SlotIdx,
    },
    SetItem {
        object: SlotIdx,
        index: SlotIdx,
        src: SlotIdx,
    },
    DeleteItem {
        object: SlotIdx,
        index: SlotIdx,
    },
    GetIter {
        dst: SlotIdx,
        src: SlotIdx,
    },
    /// Positional arguments only.
    Call {
        dst: SlotIdx,
        callee: SlotIdx,
        args: Box<[SlotIdx]>,
    },
    /// Any arguments, in source order.
    CallEx {
        dst: SlotIdx,
        callee: SlotIdx,
        args: Box<[Arg]>,
    },
    MakeFunction {
        dst: SlotIdx,
        function: NestedIdx,
        /// Values of positional defaults, in order.
        defaults: Box<[SlotIdx]>,
        /// Values of keyword-only defaults.
        keyword_defaults: Box<[(NameIdx, SlotIdx)]>,
        /// The cells (or free variables) captured, in the order of the nested code's `co_freevars`; not consumed.
        closure: Box<[SlotIdx]>,
    },

    // ---- displays
    BuildTuple {
        dst: SlotIdx,
        items: Box<[SlotIdx]>,
    },
    /// `[..]`, with starred items.
    BuildList {
        dst: SlotIdx,
        items: Box<[Arg]>,
    },
    BuildSet {
        dst: SlotIdx,
        items: Box<[Arg]>,
    },
    /// `(a, *b)`: a tuple with starred items.
    BuildTupleEx {
        dst: SlotIdx,
        items: Box<[Arg]>,
    },
    /// `{k: v, **m}`; a missing key stands for `**`.
    BuildDict {
        dst: SlotIdx,
        items: Box<[(Option<SlotIdx>, SlotIdx)]>,
    },
    BuildSlice {
        dst: SlotIdx,
        start: SlotIdx,
        stop: SlotIdx,
        step: SlotIdx,
    },
    FormatValue {
        dst: SlotIdx,
        src: SlotIdx,
        conversion: Conversion,
        spec: Option<SlotIdx>,
    },
    BuildString {
        dst: SlotIdx,
        parts: Box<[SlotIdx]>,
    },
    /// Appends to the list or set in `into` (pinned, not consumed): comprehension bodies that are inlined.
    Append {
        into: SlotIdx,
        src: SlotIdx,
    },
    /// Sets `into[key] = value` in the dict of a comprehension (pinned, not consumed).
    Insert {
        into: SlotIdx,
        key: SlotIdx,
        value: SlotIdx,
    },
    /// Unpacks `src` into `before`, then (if given) a list into `star`, then `after`.
    Unpack {
        src: SlotIdx,
        before: Box<[SlotIdx]>,
        star: Option<SlotIdx>,
        after: Box<[SlotIdx]>,
    },

    // ---- imports
    Import {
        dst: SlotIdx,
        module: NameIdx,
        from_names: Box<[NameIdx]>,
        level: u32,
    },
    ImportFrom {
        dst: SlotIdx,
        module: SlotIdx,
        name: NameIdx,
    },

    // ---- exceptions
    /// `raise exc from cause`; without `exc`, raises the current exception again.
    Raise {
        exc: Option<SlotIdx>,
        cause: Option<SlotIdx>,
    },
    /// `raise AssertionError(message)`.
    RaiseAssertion {
        message: Option<SlotIdx>,
    },
    /// First operation of every handler: the pending exception becomes the handled one and goes to `exc` (pinned); the
    /// one handled before goes to `saved` (pinned).
    EnterHandler {
        exc: SlotIdx,
        saved: SlotIdx,
    },
    /// Makes `saved` the handled exception again, and ends both pinned slots.
    LeaveHandler {
        exc: SlotIdx,
        saved: SlotIdx,
    },
    /// Whether `exc` (not consumed) matches the class or tuple `class`.
    MatchException {
        dst: SlotIdx,
        exc: SlotIdx,
        class: SlotIdx,
    },
    /// Raises the exception in `exc` (pinned) again with its traceback as it is, restoring `saved` first.
    Reraise {
        exc: SlotIdx,
        saved: SlotIdx,
    },
    /// Calls `manager.__enter__()` into `dst` and keeps the bound `__exit__` in `exit` (pinned).
    WithEnter {
        dst: SlotIdx,
        exit: SlotIdx,
        manager: SlotIdx,
    },
    /// Calls `exit(type, exc, traceback)` for `exc`, or `exit(None, None, None)` without; `dst` is the result. Not consumed.
    WithExit {
        dst: SlotIdx,
        exit: SlotIdx,
        exc: Option<SlotIdx>,
    },
}
