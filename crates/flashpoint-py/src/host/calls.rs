//! Calls out to Python: plain, with starred and keyword arguments, and as snippets with a frame of their own.
//!
//! Which calls need a frame: see [`needs_frame`]. Unsafe, because arguments travel as addresses (vectorcall).
#![allow(unsafe_code, reason = "vectorcall takes addresses of arguments")]

use std::borrow::Cow;
use std::fmt::Write;

use flashpoint_engine::host::{HostArg, HostResult, Raised};
use flashpoint_ir::generic::{NameIdx, NestedIdx};
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyCFunction, PyDict, PyString, PyTuple};

use super::convert::{object_of, to_bound, unbox_owned};
use super::data::FunctionData;
use super::exceptions::strip_frame;
use super::vectorcall::vectorcall;
use super::{CPythonHost, Objects, quick, raised};
use crate::function::is_compiled_function;
use crate::typed::known;

/// A call under way as who looks at frames sees it.
const PASS_ON: &str = "lambda f, *args: f(*args)";
/// Frames of callers that are shown at most; each is a call of CPython's more.
const CALLERS_SHOWN: usize = 4;

impl<'py> CPythonHost<'py> {
    /// `callee(args...)`
    pub(super) fn call_plain(&mut self, callee: &Slot, args: &[Slot]) -> HostResult<Slot> {
        let Some(callable) = object_of(callee) else {
            return self.snippet_call_with_callee(callee, args);
        };
        if args.iter().all(|arg| matches!(arg.tag, Tag::Int | Tag::Float | Tag::Complex | Tag::Numpy))
            && let Some(builtin) = known::builtin_at(self.py, callable as usize)
            && let Some(value) = quick::call(builtin, args)
        {
            return Ok(value);
        }
        if self.needs_frame(callable, args) {
            return self.snippet_call_with_callee(callee, args);
        }
        let mut objects = Objects::new(self);
        for arg in args {
            objects.push(arg)?;
        }
        // SAFETY: `callable` and the arguments are live objects; the result is owned or null.
        let result = unsafe {
            let (at, n) = objects.vectorcall_args();
            vectorcall(callable, at, n, std::ptr::null_mut())
        };
        drop(objects);
        self.owned(result)
    }

    fn snippet_call_with_callee(&mut self, callee: &Slot, args: &[Slot]) -> HostResult<Slot> {
        let mut all = Vec::with_capacity(args.len() + 1);
        all.push(*callee);
        all.extend_from_slice(args);
        self.snippet(call_source(args.len()), &all)
    }

    /// Runs the function that `source` defines on `args`, in a frame that looks like the running one, inside frames that look
    /// like those of its callers.
    pub(super) fn snippet(&mut self, source: impl Into<Cow<'static, str>>, args: &[Slot]) -> HostResult<Slot> {
        let py = self.py;
        let Some(running) = self.running() else {
            let code = raised(py, super::snippet::template(py, source.into()))?.into_bound(py);
            let globals = raised(py, py.import("builtins"))?.dict().into_ptr();
            let result = self.snippet_in(&[(code, globals)], args);
            // SAFETY: the reference taken two lines above.
            unsafe { ffi::Py_DECREF(globals) };
            return result;
        };
        let code = raised(py, running.snippet(py, source.into(), self.position()))?;
        if self.callers.is_empty() {
            return self.snippet_in(&[(code, running.globals)], args);
        }
        let mut frames = Vec::new();
        for (caller, pc) in self.callers.iter().skip(self.callers.len().saturating_sub(CALLERS_SHOWN)) {
            // SAFETY: like that of the running frame, it lives until its `leave_frame`.
            let caller = unsafe { &**caller };
            frames.push((raised(py, caller.snippet(py, Cow::Borrowed(PASS_ON), *pc))?, caller.globals));
        }
        frames.push((code, running.globals));
        self.snippet_in(&frames, args)
    }

    /// Calls a function of the last of these code objects (each with its globals) on `args`, inside calls of the others.
    fn snippet_in(&mut self, frames: &[(Bound<'py, PyAny>, *mut ffi::PyObject)], args: &[Slot]) -> HostResult<Slot> {
        let mut functions = Vec::with_capacity(frames.len());
        for (code, globals) in frames {
            // SAFETY: code and globals are live.
            let function =
                unsafe { Bound::from_owned_ptr_or_opt(self.py, ffi::PyFunction_New(code.as_ptr(), *globals)) };
            functions.push(function.ok_or(Raised)?);
        }
        let mut objects = Objects::new(self);
        for function in &functions[1..] {
            objects.push(&Slot::object(function.as_ptr() as u64))?;
        }
        for arg in args {
            objects.push(arg)?;
        }
        // SAFETY: function and arguments are live.
        let result = unsafe {
            let (at, n) = objects.vectorcall_args();
            vectorcall(functions[0].as_ptr(), at, n, std::ptr::null_mut())
        };
        drop(objects);
        if result.is_null() {
            frames.iter().for_each(|(code, _)| strip_frame(self.py, code));
        }
        self.owned(result)
    }

    /// The slot of an owned reference, or of an exception.
    #[inline]
    pub(super) fn owned(&self, object: *mut ffi::PyObject) -> HostResult<Slot> {
        if object.is_null() {
            return Err(Raised);
        }
        // SAFETY: not null, so an owned reference.
        Ok(unsafe { unbox_owned(self.numpy, object) })
    }

    /// A call with starred and keyword arguments.
    pub(super) fn call_any(&mut self, function: &FunctionData, callee: &Slot, args: &[HostArg]) -> HostResult<Slot> {
        // The shape of the call, as source: CPython then does, and complains, as for the user's own line.
        let mut names = Vec::new();
        let mut values = vec![*callee];
        let mut list = String::new();
        for (i, arg) in args.iter().enumerate() {
            let _ = write!(names_of(&mut names), "a{i}");
            let _ = match arg {
                HostArg::Plain(_) => write!(list, "a{i}, "),
                HostArg::Star(_) => write!(list, "*a{i}, "),
                HostArg::Keyword(name, _) => write!(list, "{}=a{i}, ", function.name(self.py, *name)),
                HostArg::DoubleStar(_) => write!(list, "**a{i}, "),
            };
            values.push(slot_of(arg));
        }
        // A keyword may not be given twice in source, so this cannot fail to parse where the user's call parsed.
        let source = format!("lambda f{}: f({list})", names.iter().fold(String::new(), |all, n| all + ", " + n));
        self.snippet(source, &values)
    }

    /// A function object for a nested definition.
    pub(super) fn new_function(
        &mut self,
        function: &FunctionData,
        nested: NestedIdx,
        defaults: &[Slot],
        keyword_defaults: &[(NameIdx, Slot)],
        closure: &[Slot],
    ) -> PyResult<Slot> {
        let py = self.py;
        let code = function.nested_code(py, nested);
        let kwargs = PyDict::new(py);
        if !defaults.is_empty() {
            kwargs.set_item(intern!(py, "argdefs"), self.tuple(defaults)?)?;
        }
        if !closure.is_empty() {
            kwargs.set_item(intern!(py, "closure"), self.tuple(closure)?)?;
        }
        static FUNCTION_TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let function_type = FUNCTION_TYPE
            .get_or_try_init(py, || -> PyResult<_> { Ok(py.import("types")?.getattr("FunctionType")?.unbind()) })?;
        let made = function_type.bind(py).call((code, function.globals(py)), Some(&kwargs))?;
        if !cfg!(Py_3_11) {
            let name = code.getattr(intern!(py, "co_name"))?;
            let qualname = format!("{}.<locals>.{}", function.generic.qualname, name);
            made.setattr(intern!(py, "__qualname__"), qualname)?;
        }
        if !keyword_defaults.is_empty() {
            let dict = PyDict::new(py);
            for (name, value) in keyword_defaults {
                dict.set_item(function.name(py, *name), to_bound(py, self.numpy, value)?)?;
            }
            made.setattr(intern!(py, "__kwdefaults__"), dict)?;
        }
        Ok(Slot::object(made.into_ptr() as u64))
    }

    pub(super) fn tuple(&self, items: &[Slot]) -> PyResult<Bound<'py, PyTuple>> {
        let items = items.iter().map(|item| to_bound(self.py, self.numpy, item)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(self.py, items)
    }

    /// Whether somebody may look at the caller's frame: Python code may (`warnings.warn(..., stacklevel=2)`), NumPy does
    /// when it warns. Built-in functions and methods of built-in types do not, those of `QUIET`.
    fn needs_frame(&self, callable: *mut ffi::PyObject, args: &[Slot]) -> bool {
        // SAFETY: `callable` is a live object, read as what its exact type says.
        unsafe {
            let ty = ffi::Py_TYPE(callable);
            if is_compiled_function(self.py, callable) {
                return false;
            }
            if ty == &raw mut ffi::PyCFunction_Type {
                let owner = ffi::PyCFunction_GET_SELF(callable);
                if !owner.is_null() && ffi::PyModule_CheckExact(owner) == 0 {
                    return !is_plain_type(ffi::Py_TYPE(owner)) && !is_quiet_method(self.py, callable, args);
                }
            } else if ty != &raw mut ffi::PyType_Type {
                return true;
            }
        }
        match quiet(self.py, callable) {
            Quiet::Never => true,
            Quiet::Always => false,
            Quiet::NotOnNumPy => args.iter().any(|arg| self.is_numpy(arg)),
        }
    }

    /// Whether an operation on `slot` may run NumPy's code.
    pub(super) fn is_numpy(&self, slot: &Slot) -> bool {
        match slot.tag {
            Tag::Numpy => true,
            // SAFETY: a live object.
            Tag::Object => unsafe {
                let object = slot.a as *mut ffi::PyObject;
                !is_plain_type(ffi::Py_TYPE(object)) && self.numpy.is_numpy(object)
            },
            _ => false,
        }
    }
}

fn slot_of(arg: &HostArg) -> Slot {
    match arg {
        HostArg::Plain(slot) | HostArg::Star(slot) | HostArg::Keyword(_, slot) | HostArg::DoubleStar(slot) => *slot,
    }
}

/// A new name at the end of `names`, to be written to.
fn names_of(names: &mut Vec<String>) -> &mut String {
    names.push(String::new());
    let last = names.len() - 1;
    &mut names[last]
}

fn call_source(n_args: usize) -> Cow<'static, str> {
    const SOURCES: [&str; 5] = [
        "lambda f: f()",
        "lambda f, a: f(a)",
        "lambda f, a, b: f(a, b)",
        "lambda f, a, b, c: f(a, b, c)",
        "lambda f, a, b, c, d: f(a, b, c, d)",
    ];
    SOURCES.get(n_args).map_or(Cow::Borrowed("lambda f, *args: f(*args)"), |source| Cow::Borrowed(*source))
}

/// Built-in types whose methods and operators run no foreign code that looks at frames.
fn is_plain_type(ty: *mut ffi::PyTypeObject) -> bool {
    [
        &raw mut ffi::PyList_Type,
        &raw mut ffi::PyDict_Type,
        &raw mut ffi::PyTuple_Type,
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyFloat_Type,
        &raw mut ffi::PySet_Type,
        &raw mut ffi::PyFrozenSet_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyByteArray_Type,
        &raw mut ffi::PyComplex_Type,
        &raw mut ffi::PyRange_Type,
        &raw mut ffi::PySlice_Type,
    ]
    .contains(&ty)
}

/// Whether a method of a built-in type that is not plain may be called without a frame: those of `deque`, which is like a list,
/// and what draws numbers in `random`.
///
/// # Safety
/// `callable` is a live `PyCFunction` with an owner; the GIL is held.
unsafe fn is_quiet_method(py: Python<'_>, callable: *mut ffi::PyObject, args: &[Slot]) -> bool {
    /// The type `deque`, and the addresses of the C functions behind the methods of a generator. Kept for ever.
    static TABLE: PyOnceLock<(usize, [usize; 2])> = PyOnceLock::new();
    let fill = || -> PyResult<(usize, [usize; 2])> {
        let deque = py.import("collections")?.getattr("deque")?.into_ptr() as usize;
        let generator = py.import("_random")?.getattr("Random")?.call0()?;
        let address = |name| -> PyResult<usize> {
            let method = generator.getattr(name)?;
            // SAFETY: a live object, and only its own kind is asked.
            let function = unsafe { ffi::PyCFunction_GetFunction(method.as_ptr()) };
            if function.is_none() {
                PyErr::take(py);
            }
            Ok(function.map_or(0, |function| function as usize))
        };
        Ok((deque, [address("random")?, address("getrandbits")?]))
    };
    let Ok((deque, functions)) = TABLE.get_or_try_init(py, fill) else { return false };
    // SAFETY: by this function's contract.
    unsafe {
        if ffi::Py_TYPE(ffi::PyCFunction_GET_SELF(callable)) as usize == *deque {
            return true;
        }
        let function = ffi::PyCFunction_GetFunction(callable).map_or(0, |function| function as usize);
        function != 0 && functions.contains(&function) && args.iter().all(|arg| arg.tag == Tag::Int)
    }
}

/// Whether a function of `QUIET` may be called without a frame.
#[derive(Clone, Copy)]
enum Quiet {
    Never,
    NotOnNumPy,
    Always,
}

const QUIET_ALWAYS: &str = "len isinstance issubclass range enumerate zip type id iter reversed callable list tuple \
                            hash repr str print slice object";
const QUIET_NOT_ON_NUMPY: &str = "abs bool bytes chr complex divmod float hex int max min next ord pow round dict set \
                                  frozenset bin oct ascii format sorted";

/// Functions of `time`.
const CLOCKS: &str = "time perf_counter monotonic process_time thread_time time_ns perf_counter_ns monotonic_ns \
                      process_time_ns thread_time_ns";

fn quiet(py: Python<'_>, callable: *mut ffi::PyObject) -> Quiet {
    /// Addresses (in ascending order) of objects that are kept for ever.
    static TABLE: PyOnceLock<Vec<(usize, Quiet)>> = PyOnceLock::new();
    let fill = || -> PyResult<Vec<(usize, Quiet)>> {
        let mut table = Vec::new();
        let builtins = py.import("builtins")?;
        for (names, quiet) in [(QUIET_ALWAYS, Quiet::Always), (QUIET_NOT_ON_NUMPY, Quiet::NotOnNumPy)] {
            for name in names.split_whitespace() {
                table.push((builtins.getattr(name)?.into_ptr() as usize, quiet));
            }
        }
        for module in ["math", "cmath"] {
            for value in py.import(module)?.dict().values() {
                table.push((value.into_ptr() as usize, Quiet::Always));
            }
        }
        let time = py.import("time")?;
        for name in CLOCKS.split_whitespace() {
            // A test may have put a function of Python's in its place.
            if let Some(clock) = time.getattr_opt(name)?.filter(|clock| clock.is_instance_of::<PyCFunction>()) {
                table.push((clock.into_ptr() as usize, Quiet::Always));
            }
        }
        table.sort_unstable_by_key(|entry| entry.0);
        Ok(table)
    };
    let Ok(table) = TABLE.get_or_try_init(py, fill) else {
        return Quiet::Never;
    };
    match table.binary_search_by_key(&(callable as usize), |entry| entry.0) {
        Ok(position) => table[position].1,
        Err(_) => Quiet::Never,
    }
}

/// `from module import name` with CPython's own fallbacks and texts.
pub(super) fn import_from<'py>(module: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    let py = module.py();
    if let Some(value) = module.getattr_opt(name)? {
        return Ok(value);
    }
    // Lets CPython's own instruction find the submodule or raise: its `__import__` gives the module at hand.
    let source = format!("def bring(module):\n global __import__\n from module import {name} as found\n return found");
    let scope = PyDict::new(py);
    let builtins = PyDict::new(py);
    builtins.set_item("__import__", py.import("functools")?.getattr("partial")?.call1((identity(py)?, module))?)?;
    scope.set_item("__builtins__", builtins)?;
    let exec = py.import("builtins")?.getattr("exec")?;
    exec.call1((source, &scope))?;
    match scope.get_item("bring")? {
        Some(bring) => bring.call1((module,)).inspect_err(|error| error.set_traceback(py, None)),
        None => Ok(py.None().into_bound(py)),
    }
}

fn identity(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.eval(c"lambda module, *rest: module", None, None)
}
