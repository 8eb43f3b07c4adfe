//! The host: the only door through which tier 0 and the engine reach Python.
//!
//! `flashpoint-py` implements [`Host`] on CPython, [`crate::rust_host`] in plain Rust. Dispatch is static: tier 0 is
//! generic over `H: Host`. A host value is a handle to the running thread's Python; methods take `&mut self`, and a call
//! out to Python that comes back into the engine makes (or reborrows) its own handle.
//!
//! # Ownership
//! One rule for all methods: **a slot passed by reference is borrowed, a slot passed by value is given, a returned slot is
//! owned by the caller.** Slots inside a borrowed slice, [`HostArg`] or pair are borrowed, too. A method that fails has
//! kept nothing and taken nothing but what was passed by value. The caller keeps borrowed slots alive for the whole call,
//! also when the call runs Python code that rebinds variables: the engine holds its own reference of every operand.
//!
//! # Canonical values
//! A slot made by the host is in the narrowest form, so that a value's tag tells its type: `None`, `bool`, `float`,
//! `complex`, an `int` that fits 64 bits and a NumPy scalar of a known [`DType`] are *never* `Object` (exact types only:
//! an instance of a subclass is an object). An `int` beyond 64 bits may be `Int128`, if it fits, or an object. The engine
//! passes any tag to any method, except `Unbound` (never) and `RangeIter`/`SeqIter` (only where a method says so).
//!
//! # Exceptions
//! A method that raises leaves the exception pending in the host (CPython: in the thread state) and returns [`Raised`].
//! At most one is pending, and none when the engine calls a method, unless the method says so. The *handled* exception
//! (`sys.exception()`) is another thing, changed only by [`Host::enter_handler`], [`Host::leave_handler`] and
//! [`Host::reraise`].
//!
//! Does not know about: operations of the generic form (only their indices), tiers, profiles.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, CmpOp, ConstIdx, Conversion, NameIdx, NestedIdx, Pc, SlotIdx, UnOp};
use flashpoint_ir::slot::Slot;

/// The host has a pending exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a pending exception must be handled or passed on"]
pub struct Raised;

/// What a host method gives that may raise.
pub type HostResult<T> = Result<T, Raised>;

/// One argument of a general call or display. The value is borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostArg {
    /// `x`
    Plain(Slot),
    /// `*x`
    Star(Slot),
    /// `name=x`
    Keyword(NameIdx, Slot),
    /// `**x`
    DoubleStar(Slot),
}

/// What tier 0 needs of Python. See the module's text for ownership, canonical values and exceptions.
pub trait Host {
    /// What the host keeps for one Python function object or definition: globals, code object, constants and names as host
    /// objects, closure, caches. Made by the host, handed back by the engine with each operation that needs it. The names,
    /// constants and slots it is asked for are those of the `GenericFunction` it was made for.
    type Function: 'static;

    // ---- references

    /// Takes another reference of what `slot` owns; nothing for slots that own nothing. Any tag.
    fn retain(&mut self, slot: &Slot);

    /// Gives up what `slot` owns; nothing for slots that own nothing. Any tag. May run finalizers, which may run Python
    /// code; never raises (CPython: unraisable hook), and keeps a pending exception pending.
    fn release(&mut self, slot: Slot);

    /// The value of a constant. Called only for constants that no slot holds unboxed: `Str`, `Bytes`, `Tuple`, `BigInt`,
    /// `Ellipsis`. The same object each time, as in CPython.
    fn constant(&mut self, function: &Self::Function, value: ConstIdx) -> Slot;

    // ---- frames

    /// A Python-level call begins: counts the recursion depth, and records `function` as running (for warnings and
    /// tracebacks). Raises `RecursionError`; then [`Host::leave_frame`] is not called.
    fn enter_frame(&mut self, function: &Self::Function) -> HostResult<()>;

    /// As [`Host::enter_frame`], for a call that takes none of the processor's stack, and whose end
    /// [`Host::leave_inner_frame`] tells.
    fn enter_inner_frame(&mut self, function: &Self::Function) -> HostResult<()>;

    /// The call begun last ends, and its caller, at `pc` of `caller`, goes on.
    fn leave_inner_frame(&mut self, caller: &Self::Function, pc: Pc);

    /// Raises `RecursionError`: there is no room for another call.
    fn raise_too_deep(&mut self) -> Raised;

    /// The call begun last ends, with a result or with a pending exception.
    fn leave_frame(&mut self);

    /// The running frame is at `pc`. Called before operations that reach the host, so that warnings and introspection see
    /// the right line; must be as cheap as a store.
    #[inline]
    fn set_position(&mut self, pc: Pc) {
        let _ = pc;
    }

    /// Writes the cells of the function's closure into `free`, in the order of `co_freevars`: one owned reference each.
    /// `free` holds `Unbound` slots, one for each slot of kind `Free`.
    fn load_closure(&mut self, function: &Self::Function, free: &mut [Slot]);

    /// Handles signals and other requests to the thread; raises what a signal handler raises. Called at back edges.
    fn poll(&mut self) -> HostResult<()>;

    // ---- names

    /// A global name, then a built-in one; `NameError: name 'x' is not defined`.
    fn load_global(&mut self, function: &Self::Function, name: NameIdx) -> HostResult<Slot>;
    /// What [`Host::load_global`] would give, if that is known without a look-up: borrowed.
    #[inline]
    fn known_global(&self, function: &Self::Function, name: NameIdx) -> Option<Slot> {
        let _ = (function, name);
        None
    }
    /// Binds a global name.
    fn store_global(&mut self, function: &Self::Function, name: NameIdx, value: &Slot) -> HostResult<()>;
    /// Unbinds a global name, or `NameError`.
    fn delete_global(&mut self, function: &Self::Function, name: NameIdx) -> HostResult<()>;

    /// A new cell, empty or with a value.
    fn make_cell(&mut self, initial: Option<&Slot>) -> HostResult<Slot>;
    /// The cell's content. `slot` is the frame slot that holds the cell: an empty one raises `UnboundLocalError` if its
    /// kind is `Cell`, `NameError` if it is `Free`.
    fn load_cell(&mut self, function: &Self::Function, slot: SlotIdx, cell: &Slot) -> HostResult<Slot>;
    /// Sets the cell's content.
    fn store_cell(&mut self, cell: &Slot, value: &Slot);
    /// Empties the cell; raises as [`Host::load_cell`] if it is empty.
    fn delete_cell(&mut self, function: &Self::Function, slot: SlotIdx, cell: &Slot) -> HostResult<()>;

    // ---- operators

    /// `lhs op rhs`. The engine has fast paths for some operand types but leaves every raising case to this method, so it
    /// must be complete: all operators, all tags.
    fn binary(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot>;
    /// `lhs op= rhs`: the result may be the object of `lhs` itself (a new reference).
    fn in_place(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot>;
    /// `op operand`; `Not` gives a `bool`.
    fn unary(&mut self, op: UnOp, operand: &Slot) -> HostResult<Slot>;
    /// `lhs op rhs`, any result (NumPy arrays compare to arrays). `Is` and `IsNot` come here only if a tag is `Int128` and
    /// the tags differ.
    fn compare(&mut self, op: CmpOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot>;
    /// `bool(operand)`.
    fn truth(&mut self, operand: &Slot) -> HostResult<bool>;

    // ---- objects

    /// `object.name`
    fn get_attr(&mut self, function: &Self::Function, object: &Slot, name: NameIdx) -> HostResult<Slot>;
    /// `object.name = value`
    fn set_attr(&mut self, function: &Self::Function, object: &Slot, name: NameIdx, value: &Slot) -> HostResult<()>;
    /// `del object.name`
    fn del_attr(&mut self, function: &Self::Function, object: &Slot, name: NameIdx) -> HostResult<()>;
    /// `object[index]`
    fn get_item(&mut self, object: &Slot, index: &Slot) -> HostResult<Slot>;
    /// `object[indices]` with a tuple of indices that is never made; `None` leaves it to [`Host::get_item`].
    #[inline]
    fn get_element(&mut self, object: &Slot, indices: &[Slot]) -> Option<Slot> {
        let _ = (object, indices);
        None
    }
    /// `object[index] = value`
    fn set_item(&mut self, object: &Slot, index: &Slot, value: &Slot) -> HostResult<()>;
    /// `object[indices] = value` with a tuple of indices that is never made; `false`, with nothing done, leaves it to
    /// [`Host::set_item`].
    #[inline]
    fn set_element(&mut self, object: &Slot, indices: &[Slot], value: &Slot) -> bool {
        let _ = (object, indices, value);
        false
    }
    /// `del object[index]`
    fn del_item(&mut self, object: &Slot, index: &Slot) -> HostResult<()>;

    /// `iter(iterable)`. Gives `RangeIter` for a range whose values fit (the engine steps it by itself), `SeqIter` for an
    /// exact list, tuple or NumPy array if the host steps those by position in [`Host::iter_next`], else an iterator
    /// object. `iterable` itself may be any of the three.
    fn iter(&mut self, iterable: &Slot) -> HostResult<Slot>;
    /// The next value, or `None` if there is none. `iterator` is `SeqIter` or an iterator object, changed in place; it
    /// stays owned by the caller, and of the same tag. An exhausted `SeqIter` gives up its sequence (`a` becomes 0) and
    /// stays exhausted. A `SeqIter` reads its sequence's length at each step, as Python does.
    fn iter_next(&mut self, iterator: &mut Slot) -> HostResult<Option<Slot>>;

    /// `callee(args...)`
    fn call(&mut self, callee: &Slot, args: &[Slot]) -> HostResult<Slot>;
    /// A call with starred and keyword arguments, in source order. Duplicate keywords and arguments that are no mappings
    /// or iterables raise CPython's `TypeError`.
    fn call_ex(&mut self, function: &Self::Function, callee: &Slot, args: &[HostArg]) -> HostResult<Slot>;
    /// A function object of nested definition `nested`. `closure` holds cells, in the order of its `co_freevars`.
    fn make_function(
        &mut self,
        function: &Self::Function,
        nested: NestedIdx,
        defaults: &[Slot],
        keyword_defaults: &[(NameIdx, Slot)],
        closure: &[Slot],
    ) -> HostResult<Slot>;

    // ---- displays

    /// `(a, b)`
    fn build_tuple(&mut self, items: &[Slot]) -> HostResult<Slot>;
    /// `(a, *b)`; only `Plain` and `Star`.
    fn build_tuple_ex(&mut self, items: &[HostArg]) -> HostResult<Slot>;
    /// `[a, *b]`; only `Plain` and `Star`.
    fn build_list(&mut self, items: &[HostArg]) -> HostResult<Slot>;
    /// `{a, *b}`; only `Plain` and `Star`.
    fn build_set(&mut self, items: &[HostArg]) -> HostResult<Slot>;
    /// `{k: v, **m}`; a missing key stands for `**`.
    fn build_dict(&mut self, items: &[(Option<Slot>, Slot)]) -> HostResult<Slot>;
    /// `start:stop:step`
    fn build_slice(&mut self, start: &Slot, stop: &Slot, step: &Slot) -> HostResult<Slot>;
    /// One field of an f-string.
    fn format_value(&mut self, value: &Slot, conversion: Conversion, spec: Option<&Slot>) -> HostResult<Slot>;
    /// Joins strings.
    fn build_string(&mut self, parts: &[Slot]) -> HostResult<Slot>;
    /// Appends to an exact list or adds to an exact set, of a comprehension.
    fn append(&mut self, into: &Slot, value: &Slot) -> HostResult<()>;
    /// `into[key] = value` in an exact dict, of a comprehension.
    fn insert(&mut self, into: &Slot, key: &Slot, value: &Slot) -> HostResult<()>;
    /// Unpacks `source` into `out`: `before` values, then, if `star`, a list, then the `after` ones. `out` has exactly that
    /// many slots, all `Unbound`: all owned on success, all `Unbound` on failure.
    fn unpack(&mut self, source: &Slot, before: usize, star: bool, out: &mut [Slot]) -> HostResult<()>;

    // ---- imports

    /// `__import__(module, globals, None, from_names, level)`
    fn import(
        &mut self,
        function: &Self::Function,
        module: NameIdx,
        from_names: &[NameIdx],
        level: u32,
    ) -> HostResult<Slot>;
    /// `from module import name`, one name.
    fn import_from(&mut self, function: &Self::Function, module: &Slot, name: NameIdx) -> HostResult<Slot>;

    // ---- exceptions

    /// `raise exc from cause`: a class is instantiated, the context is the handled exception. Whatever goes wrong is the
    /// pending exception instead.
    fn raise(&mut self, exc: &Slot, cause: Option<&Slot>) -> Raised;
    /// `raise`: the handled exception becomes pending with its traceback as it is, and the result is true; without one,
    /// `RuntimeError` is pending and the result is false.
    fn raise_handled(&mut self) -> bool;
    /// `raise AssertionError(message)`, the built-in class whatever the name is bound to.
    fn raise_assertion(&mut self, message: Option<&Slot>) -> Raised;
    /// `UnboundLocalError` for a local variable.
    fn raise_unbound_local(&mut self, function: &Self::Function, slot: SlotIdx) -> Raised;
    /// An exception is pending: takes it (normalised, its traceback set as `__traceback__`) and makes it the handled one.
    /// Gives it, and the one handled before or `None`: both owned. CPython's `PUSH_EXC_INFO`.
    fn enter_handler(&mut self) -> (Slot, Slot);
    /// Makes `saved` (from [`Host::enter_handler`]) the handled exception again. CPython's `POP_EXCEPT`.
    fn leave_handler(&mut self, saved: Slot);
    /// Makes `saved` the handled exception again and `exc` pending, with its traceback as it is. CPython's `POP_EXCEPT`,
    /// `RERAISE`.
    fn reraise(&mut self, exc: Slot, saved: Slot) -> Raised;
    /// Whether `exc` is an instance of `class`, a class or a tuple of classes; else `TypeError: catching classes that do
    /// not inherit from BaseException is not allowed`. CPython's `CHECK_EXC_MATCH`.
    fn match_exception(&mut self, exc: &Slot, class: &Slot) -> HostResult<bool>;
    /// `manager.__enter__()`: gives the bound `__exit__`, then the result. Looks both up on the type before it calls.
    fn with_enter(&mut self, manager: &Slot) -> HostResult<(Slot, Slot)>;
    /// `exit(type(exc), exc, exc.__traceback__)`, or `exit(None, None, None)`.
    fn with_exit(&mut self, exit: &Slot, exc: Option<&Slot>) -> HostResult<Slot>;
    /// An exception is pending, raised by the operation at `pc` or by what it called: adds the entry of this frame to its
    /// traceback. Called once for each operation that raises, whether a handler of the same frame catches it or not; not
    /// after [`Host::reraise`] and a true [`Host::raise_handled`].
    fn add_traceback(&mut self, function: &Self::Function, pc: Pc);

    // ---- diagnostics

    /// The slot's value in a few words (`int 3`, `ndarray float64 2-d`), for logs and `explain()`. Runs no Python code. Any
    /// tag.
    fn describe(&mut self, slot: &Slot) -> String;
}

/// Order of a new array's axes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ArrayOrder {
    C,
    Fortran,
}

/// What a new array holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ArrayFill {
    Uninitialised,
    Zeros,
    Ones,
}

/// What deoptimisation needs of Python besides [`Host`]: making the objects that typed code had taken apart. Iterators may
/// be `RangeIter` and `SeqIter` slots here; they are borrowed, and the object made starts at their present position.
pub trait Rematerialize: Host {
    /// `range(start, stop, step)`
    fn make_range(&mut self, start: i64, stop: i64, step: i64) -> HostResult<Slot>;
    /// The object of a `RangeIter` or `SeqIter`, at its present position.
    fn make_iterator(&mut self, iterator: &Slot) -> HostResult<Slot>;
    /// An `enumerate` object that goes on with `count` and `iterator`.
    fn make_enumerate(&mut self, count: i64, iterator: &Slot) -> HostResult<Slot>;
    /// A `zip` object over `iterators`.
    fn make_zip(&mut self, iterators: &[Slot], strict: bool) -> HostResult<Slot>;
    /// A view into the memory of array `owner`. Extents and byte strides have one entry per axis.
    fn make_view(
        &mut self,
        owner: &Slot,
        dtype: DType,
        data: u64,
        extents: &[i64],
        strides: &[i64],
    ) -> HostResult<Slot>;
    /// Puts `content` into a cell, or empties it if that is unbound.
    fn fill_cell(&mut self, cell: &Slot, content: &Slot);
    /// `object.name`: a bound method that typed code had looked up but not called.
    fn get_attr_named(&mut self, object: &Slot, name: &str) -> HostResult<Slot>;
    /// A new array.
    fn new_array(&mut self, dtype: DType, extents: &[i64], fill: ArrayFill, order: ArrayOrder) -> HostResult<Slot>;
}
