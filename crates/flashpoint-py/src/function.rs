//! `flashpoint.Function`: what `njit` returns.
//!
//! A call binds its arguments to slots ([`binding`]) and runs the function's [`Unit`], which is made from source at the
//! first call; a function that cannot be had runs in CPython. The Python type itself is in [`object`].
#![allow(unsafe_code, reason = "arguments and results of a call are addresses")]

pub mod binding;
pub mod object;

mod cache;
mod eager;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flashpoint_engine::host::{Host, HostResult};
use flashpoint_engine::unit::UnitOptions;
use flashpoint_ir::slot::{Slot, Tag};
use flashpoint_ir::typed::Licences;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyFunction, PyString, PyTuple, PyType};

use self::binding::{Arguments, bind};
use self::cache::Cache;
use crate::host::CPythonHost;
use crate::host::convert::box_slot;
use crate::host::numpy::NumPy;
use crate::host::vectorcall::vectorcall;
use crate::report::Report;
use crate::signature::ArgType;
use crate::typed::{EngineHost, EngineUnit, engine, engine_host};
use crate::unit::{Plain, Unit, prepare};

/// Options of `njit`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub fastmath: bool,
    pub overflow_wraps: bool,
    pub tier: Option<u8>,
    pub fallback: bool,
    /// Types of arguments to compile for at once.
    pub signature: Option<Vec<ArgType>>,
}

impl Options {
    fn for_unit(&self) -> UnitOptions {
        let licences = Licences { fastmath: self.fastmath, wrap: self.overflow_wraps };
        UnitOptions { licences, tier: self.tier, fallback: self.fallback }
    }
}

/// What came of the function's source.
#[derive(Clone)]
enum Compiled {
    Untried,
    Ready(Rc<Unit>),
    Plain(Rc<Plain>),
}

/// The Rust side of a function object.
pub struct FunctionState {
    pub options: Options,
    compiled: RefCell<Compiled>,
    /// The code object that `compiled` was made from, as an address.
    code: Cell<*mut ffi::PyObject>,
    n_calls: Cell<u64>,
    /// The number of arguments of a plain call, one for each parameter slot; none if there is no unit.
    n_plain_args: Cell<Option<usize>>,
    signatures: RefCell<Vec<String>>,
    /// What the last calls entered.
    cache: Cache,
}

/// Calls whose argument types are noted, and how many different ones.
const N_NOTED_CALLS: u64 = 64;
const N_NOTED_SIGNATURES: usize = 16;
const N_INLINE_SLOTS: usize = 8;

/// Calls the function. Gives an owned reference, or null with an exception pending.
///
/// # Safety
/// `py_func` and `arguments` are those of a running vectorcall of the function object whose state this is.
pub unsafe fn call(
    py: Python<'_>,
    state: &FunctionState,
    py_func: *mut ffi::PyObject,
    arguments: Arguments,
) -> *mut ffi::PyObject {
    // SAFETY: `py_func` is a live Python function.
    let code = unsafe { ffi::PyFunction_GET_CODE(py_func) };
    if state.code.get() == code {
        // SAFETY: by this function's contract.
        if let Some(result) = unsafe { state.cache.call(py, arguments) } {
            state.n_calls.set(state.n_calls.get() + 1);
            return result;
        }
    }
    let known = if state.code.get() == code { state.compiled.borrow().clone() } else { Compiled::Untried };
    let unit = match known {
        Compiled::Ready(unit) => unit,
        // SAFETY: by this function's contract.
        Compiled::Plain(_) => return unsafe { call_python(py_func, arguments) },
        Compiled::Untried => match state.prepare(py, py_func) {
            Ok(Compiled::Ready(unit)) => unit,
            // SAFETY: by this function's contract.
            Ok(_) => return unsafe { call_python(py_func, arguments) },
            Err(error) => {
                error.restore(py);
                return std::ptr::null_mut();
            }
        },
    };
    let numpy = match NumPy::get(py) {
        Ok(numpy) => numpy,
        Err(error) => {
            error.restore(py);
            return std::ptr::null_mut();
        }
    };
    let n_calls = state.n_calls.get();
    state.n_calls.set(n_calls + 1);

    let n_slots = unit.param_names.len();
    let mut inline = [Slot::UNBOUND; N_INLINE_SLOTS];
    let mut spilled = Vec::new();
    let slots = match inline.get_mut(..n_slots) {
        Some(slots) => slots,
        None => {
            spilled.resize(n_slots, Slot::UNBOUND);
            &mut spilled[..]
        }
    };
    let mut host = engine_host(py, numpy);
    // SAFETY: by this function's contract.
    if unsafe { bind(&unit, py_func, &mut host, arguments, slots) }.is_err() {
        if PyErr::occurred(py) {
            return std::ptr::null_mut();
        }
        // SAFETY: by this function's contract. CPython raises its own TypeError.
        return unsafe { call_python(py_func, arguments) };
    }
    if n_calls < N_NOTED_CALLS {
        state.note_signature(&mut host, slots);
    }
    let result = engine().call(&mut host, &unit.engine, slots);
    if n_calls >= N_NOTED_CALLS && arguments.names.is_null() && arguments.n_positional == n_slots {
        state.cache.note(&mut host, &unit.engine, slots);
    }
    release_all(&mut host, slots);
    boxed(&mut host, result)
}

/// Gives up the references that `bind` took.
fn release_all(host: &mut EngineHost, slots: &[Slot]) {
    for slot in slots {
        host.release(*slot);
    }
}

/// The result of a call as an owned reference; null if it raised.
#[inline]
fn boxed(host: &mut EngineHost, result: HostResult<Slot>) -> *mut ffi::PyObject {
    match result {
        Ok(value) if value.tag == Tag::Object => value.a as *mut ffi::PyObject,
        Ok(value) => {
            let object = box_slot(host.py, host.numpy, &value);
            host.release(value);
            object
        }
        Err(_) => std::ptr::null_mut(),
    }
}

/// Hands the call to CPython.
unsafe fn call_python(py_func: *mut ffi::PyObject, arguments: Arguments) -> *mut ffi::PyObject {
    let Arguments { values, n_positional, names } = arguments;
    // SAFETY: the arguments are live for the whole call.
    unsafe { vectorcall(py_func, values, n_positional, names) }
}

/// Whether `object` is a function that `njit` made. The GIL is held.
///
/// # Safety
/// `object` is a live object.
pub unsafe fn is_compiled_function(py: Python<'_>, object: *mut ffi::PyObject) -> bool {
    // SAFETY: by this function's contract.
    unsafe { object::is_function(py, object) }
}

impl FunctionState {
    fn new(options: Options) -> Self {
        FunctionState {
            options,
            compiled: RefCell::new(Compiled::Untried),
            code: Cell::new(std::ptr::null_mut()),
            n_calls: Cell::new(0),
            n_plain_args: Cell::new(None),
            signatures: RefCell::default(),
            cache: Cache::default(),
        }
    }

    /// Shows the unit for a plain call from tier 0, once calls are not noted any more. Counts the call.
    #[inline]
    fn unit_of<R>(
        &self,
        code: *mut ffi::PyObject,
        n_args: usize,
        look: impl FnOnce(&Arc<EngineUnit>) -> R,
    ) -> Option<R> {
        let n_calls = self.n_calls.get();
        if self.code.get() != code || n_calls < N_NOTED_CALLS || self.n_plain_args.get() != Some(n_args) {
            return None;
        }
        let compiled = self.compiled.borrow();
        let Compiled::Ready(unit) = &*compiled else { return None };
        self.n_calls.set(n_calls + 1);
        Some(look(&unit.engine))
    }

    /// Visits the objects that the compiled versions own; false as soon as `visit` says so.
    fn visit_objects(&self, visit: impl FnMut(Slot) -> bool) -> bool {
        match self.compiled.try_borrow().as_deref() {
            Ok(Compiled::Ready(unit)) => unit.engine.visit_objects(visit),
            _ => true,
        }
    }

    /// Drops what was compiled; for the garbage collector.
    fn clear(&self) {
        self.code.set(std::ptr::null_mut());
        self.cache.clear();
        self.n_plain_args.set(None);
        drop(self.compiled.replace(Compiled::Untried));
    }

    /// Makes the unit; warns if CPython has to run the function.
    fn prepare(&self, py: Python<'_>, py_func: *mut ffi::PyObject) -> PyResult<Compiled> {
        // SAFETY: a live object, by the contract of `call`.
        let function = unsafe { Bound::from_borrowed_ptr(py, py_func) };
        let code = function.getattr(intern!(py, "__code__"))?.as_ptr();
        let compiled = match prepare(&function, self.options.for_unit())? {
            Ok(unit) => Compiled::Ready(Rc::new(unit)),
            Err(plain) => Compiled::Plain(Rc::new(plain)),
        };
        self.cache.clear();
        self.n_plain_args.set(match &compiled {
            Compiled::Ready(unit) => Some(unit.param_names.len()).filter(|n| *n == unit.params.n_positional as usize),
            _ => None,
        });
        self.compiled.replace(compiled.clone());
        self.code.set(code);
        if let Compiled::Plain(plain) = &compiled {
            plain.warn(&function)?;
        }
        Ok(compiled)
    }

    #[cold]
    fn note_signature(&self, host: &mut CPythonHost<'_>, slots: &[Slot]) {
        let kinds = slots.iter().map(|slot| {
            let text = host.describe(slot);
            // Of a number only its type.
            match text.split_once(' ') {
                Some((kind @ ("bool" | "int" | "float" | "complex"), _)) => kind.to_owned(),
                _ => text,
            }
        });
        let signature = format!("({})", kinds.collect::<Vec<_>>().join(", "));
        let mut signatures = self.signatures.borrow_mut();
        if signatures.len() < N_NOTED_SIGNATURES && !signatures.contains(&signature) {
            signatures.push(signature);
        }
    }
}

/// The function object's Python function, if `object` is one of ours.
pub fn parts_of<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    object::parts(object).ok().map(|(_, py_func)| py_func)
}

/// The unit of a function object of ours, made if need be; `None` if CPython runs the function.
pub fn unit_of_compiled<'py>(object: &Bound<'py, PyAny>) -> Option<(Arc<EngineUnit>, Bound<'py, PyAny>)> {
    let (state, py_func) = object::parts(object).ok()?;
    if matches!(&*state.compiled.borrow(), Compiled::Untried) {
        state.prepare(object.py(), py_func.as_ptr()).ok()?;
    }
    match &*state.compiled.borrow() {
        Compiled::Ready(unit) => Some((unit.engine.clone(), py_func)),
        _ => None,
    }
}

/// A Python function's unit, by the address of its code and globals.
type InlineUnits = HashMap<usize, (Py<PyAny>, Arc<EngineUnit>)>;

/// Functions kept for inlining, at most.
const N_INLINE_UNITS: usize = 256;

/// The unit of a function that may be inlined: one of ours, or a plain Python function, and its Python function.
pub fn unit_for_inlining<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<(Arc<EngineUnit>, Bound<'py, PyAny>)>> {
    thread_local! {
        static UNITS: RefCell<InlineUnits> = RefCell::default();
    }
    if object::parts(object).is_ok() {
        return Ok(unit_of_compiled(object));
    }
    if !object.is_exact_instance_of::<PyFunction>() {
        return Ok(None);
    }
    let address = object.as_ptr() as usize;
    let code = object.getattr(intern!(object.py(), "__code__"))?;
    let known = UNITS.with_borrow(|units| units.get(&address).map(|(_, unit)| unit.clone()));
    if let Some(unit) = known.filter(|unit| unit.function.code(object.py()).is(&code)) {
        return Ok(Some((unit, object.clone())));
    }
    let Ok(unit) = prepare(object, UnitOptions::default())? else { return Ok(None) };
    let unit = unit.engine.clone();
    UNITS.with_borrow_mut(|units| {
        if units.len() >= N_INLINE_UNITS {
            units.clear();
        }
        units.insert(address, (object.clone().unbind(), unit.clone()));
    });
    Ok(Some((unit, object.clone())))
}

/// Makes a function object from a Python function (or from a function object, with other options).
pub fn compile<'py>(function: &Bound<'py, PyAny>, options: Options) -> PyResult<Bound<'py, PyAny>> {
    let py = function.py();
    if let Ok((_, py_func)) = object::parts(function) {
        return compile(&py_func, options);
    }
    if !function.is_exact_instance_of::<PyFunction>() {
        return Err(not_a_function(function)?);
    }
    let made = object::new(function, FunctionState::new(options))?;
    // As `functools.update_wrapper`, without importing anything.
    let dict = made.getattr(intern!(py, "__dict__"))?.cast_into::<PyDict>()?;
    dict.update(function.getattr(intern!(py, "__dict__"))?.cast::<PyDict>()?.as_mapping())?;
    for name in ["__module__", "__name__", "__qualname__", "__doc__"] {
        dict.set_item(name, function.getattr(name)?)?;
    }
    dict.set_item(intern!(py, "__wrapped__"), function)?;
    compile_signature(&made)?;
    Ok(made)
}

/// Compiles for the types that the option `signature` names.
fn compile_signature(object: &Bound<'_, PyAny>) -> PyResult<()> {
    let (state, py_func) = object::parts(object)?;
    let Some(signature) = &state.options.signature else { return Ok(()) };
    match state.prepare(object.py(), py_func.as_ptr())? {
        Compiled::Ready(unit) => eager::compile_for(object.py(), &unit, &py_func, signature),
        _ => Ok(()),
    }
}

fn not_a_function(thing: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let class = thing.get_type();
    let class_name = class.name()?;
    let help = if thing.is_instance_of::<PyType>() {
        "decorate its methods instead"
    } else if class_name == "method" {
        "decorate the function in the class, or pass its `__func__`"
    } else if matches!(class_name.to_str()?, "staticmethod" | "classmethod") {
        "put `@njit` below `@staticmethod` or `@classmethod`"
    } else if thing.is_instance_of::<PyString>() {
        "types go by name: `@njit(signature=\"float64[:], int\")`, those of the arguments only"
    } else if class
        .getattr_opt(intern!(thing.py(), "__call__"))?
        .is_some_and(|call| call.is_instance_of::<PyFunction>())
    {
        "decorate its class's `__call__`"
    } else if thing.is_instance_of::<PyCFunction>() || thing.is_callable() {
        "it is not written in Python, or wraps a function: wrap the call in a `def` of your own, or decorate the function itself"
    } else {
        "write `@njit` above a `def`, and options by name: `@njit(fastmath=True)`"
    };
    Ok(PyTypeError::new_err(format!("njit takes a Python function, not {} ({help})", thing.repr()?)))
}

/// Functions that become methods and properties of `flashpoint.Function`.
#[pymodule]
mod methods {
    use super::*;

    /// Says what became of the function: tiers, signatures seen, and why things are as they are.
    #[pyfunction]
    fn explain(function: &Bound<'_, PyAny>) -> PyResult<Report> {
        let (state, py_func) = object::parts(function)?;
        let name: String = py_func.getattr("__qualname__")?.extract()?;
        let mut report = Report {
            name,
            tier: Some(0),
            n_calls: state.n_calls.get(),
            signatures: state.signatures.borrow().clone(),
            ..Report::default()
        };
        match &*state.compiled.borrow() {
            Compiled::Plain(plain) => {
                report.tier = None;
                report.reasons.push(format!("[{}] {}", plain.reason.code(), plain.sentence()));
            }
            Compiled::Ready(unit) => report.fill(&unit.engine),
            Compiled::Untried => {}
        }
        Ok(report)
    }

    /// One stage of the function as text: "python", "ir", "llvm" or "asm". With a signature, as `njit` takes it, of the
    /// versions for such arguments.
    #[pyfunction]
    #[pyo3(signature = (function, stage = "ir", signature = None))]
    fn inspect(function: &Bound<'_, PyAny>, stage: &str, signature: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
        let signature = signature.map(crate::signature::parse).transpose()?.flatten();
        let py = function.py();
        let (state, py_func) = object::parts(function)?;
        if !matches!(stage, "python" | "ir" | "llvm" | "asm") {
            let text = format!("stage must be 'python', 'ir', 'llvm' or 'asm', not {stage:?}");
            return Err(PyValueError::new_err(text));
        }
        if stage == "python" {
            return py.import("inspect")?.call_method1("getsource", (&py_func,))?.extract();
        }
        if matches!(&*state.compiled.borrow(), Compiled::Untried) {
            state.prepare(py, py_func.as_ptr())?;
        }
        let compiled = state.compiled.borrow().clone();
        match (compiled, stage) {
            (Compiled::Ready(unit), "ir") if signature.is_none() => Ok(unit.engine.code.generic().to_string()),
            (Compiled::Ready(unit), _) => Ok(crate::report::stage_text(&unit.engine, stage, signature.as_deref())),
            (Compiled::Plain(plain), _) => Ok(format!("nothing was compiled: {}\n", plain.sentence())),
            (Compiled::Untried, _) => Ok(String::new()),
        }
    }

    /// Counts of what happened to the function so far.
    ///
    /// `calls` through the engine; `deopts`, exits of compiled code by a guard; `osr_entries` into compiled code at a loop;
    /// `tier_changes_in_loop`, running loops that better code took over; `exceptions` raised in the function;
    /// `compiles`, pieces of machine code made.
    #[pyfunction]
    fn counters<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let (state, _) = object::parts(function)?;
        let counters = PyDict::new(function.py());
        counters.set_item("calls", state.n_calls.get())?;
        let compiled = state.compiled.borrow();
        let stats = match &*compiled {
            Compiled::Ready(unit) => Some(&unit.engine.stats),
            _ => None,
        };
        let read = |count: fn(&flashpoint_engine::unit::Stats) -> u64| stats.map_or(0, count);
        counters.set_item("deopts", read(|s| s.deopts.load(Ordering::Relaxed)))?;
        counters.set_item("osr_entries", read(|s| s.osr_entries.load(Ordering::Relaxed)))?;
        counters.set_item("tier_changes_in_loop", read(|s| s.tier_changes_in_loop.load(Ordering::Relaxed)))?;
        counters.set_item("exceptions", read(|s| s.exceptions.load(Ordering::Relaxed)))?;
        counters.set_item("compiles", read(|s| s.compiles.load(Ordering::Relaxed)))?;
        Ok(counters)
    }

    /// Pickles by qualified name, as Python's functions are.
    #[pyfunction]
    fn __reduce__<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        function.getattr("__qualname__")
    }

    /// The Python function itself.
    #[pyfunction]
    fn py_func<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        Ok(object::parts(function)?.1)
    }

    #[pyfunction]
    fn __signature__<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py_func = object::parts(function)?.1;
        function.py().import("inspect")?.call_method1("signature", (py_func,))
    }

    /// The options it was made with, by name.
    #[pyfunction]
    fn options<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let (state, _) = object::parts(function)?;
        let dict = PyDict::new(function.py());
        let Options { fastmath, overflow_wraps, tier, fallback, signature } = &state.options;
        dict.set_item("fastmath", fastmath)?;
        dict.set_item("overflow", if *overflow_wraps { "wrap" } else { "exact" })?;
        dict.set_item("tier", tier)?;
        dict.set_item("fallback", fallback)?;
        let signature = signature.as_ref().map(|types| types.iter().map(ArgType::to_string).collect::<Vec<_>>());
        dict.set_item("signature", signature)?;
        Ok(dict)
    }
}

/// Attributes that are those of the Python function.
const FORWARDED: [&str; 8] = [
    "__code__",
    "__defaults__",
    "__kwdefaults__",
    "__closure__",
    "__globals__",
    "__builtins__",
    "__annotations__",
    "__type_params__",
];

/// Gives the type its methods and properties.
fn attach_methods(ty: &Bound<'_, PyType>) -> PyResult<()> {
    let py = ty.py();
    let module = pyo3::wrap_pymodule!(methods)(py).into_bound(py);
    for name in ["explain", "inspect", "counters", "__reduce__"] {
        ty.setattr(name, object::instance_method(&module.getattr(name)?)?)?;
    }
    let property = py.import("builtins")?.getattr("property")?;
    for name in ["py_func", "__signature__", "options"] {
        ty.setattr(name, property.call1((module.getattr(name)?,))?)?;
    }
    let get = module.getattr("py_func")?;
    for name in FORWARDED {
        let (owner, key) = (get.clone().unbind(), PyString::intern(py, name).unbind());
        let getter = PyCFunction::new_closure(
            py,
            None,
            None,
            move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
                let py = args.py();
                owner.bind(py).call1(args)?.getattr(key.bind(py)).map(Bound::unbind)
            },
        )?;
        let (owner, key) = (get.clone().unbind(), PyString::intern(py, name).unbind());
        let setter = PyCFunction::new_closure(
            py,
            None,
            None,
            move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
                let py = args.py();
                let function = owner.bind(py).call1((args.get_item(0)?,))?;
                function.setattr(key.bind(py), args.get_item(1)?)
            },
        )?;
        ty.setattr(name, property.call1((getter, setter))?)?;
    }
    Ok(())
}
