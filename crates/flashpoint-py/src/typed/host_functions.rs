//! Functions without effects that compiled code calls by number: NumPy's loops, functions of `math` and `cmath`.
//!
//! A function is entered once per set of operand types and stays for the life of the process: code that was compiled for it
//! may run at any time, on threads that do not hold the GIL. So the table is read without a lock.
#![allow(unsafe_code, reason = "calls Python's functions by address")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use flashpoint_engine::python::{HostFunctionStatus, Python as _};
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::world::HostFunction;
use flashpoint_ir::abi::SCRATCH_WORDS;
use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, SlotIdx};
use flashpoint_ir::slot::Slot;
use pyo3::exceptions::{PyArithmeticError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::EngineHost;
use super::native::{self, Native};
use super::ufunc::Loop;
use crate::host::Objects;
use crate::host::convert::unbox_borrowed;
use crate::host::vectorcall::vectorcall;

/// Functions of different operand types that a process calls at most; further ones are left to tier 0.
const MAX_FUNCTIONS: usize = 4096;
/// As [`MAX_FUNCTIONS`], for tests.
static LIMIT: AtomicUsize = AtomicUsize::new(MAX_FUNCTIONS);
/// Operands of a function at most.
const MAX_OPERANDS: usize = 8;

/// How to call a function.
enum Routine {
    /// A loop of NumPy, over one element.
    Loop(Loop),
    /// A function of CPython on objects made of the operands, and its form in machine numbers for what that answers.
    Function { native: Option<Native>, callable: Address, params: Vec<SlotType>, result: SlotType },
}

/// The address of an object that is never freed: the table keeps a reference.
#[derive(Clone, Copy)]
struct Address(*mut ffi::PyObject);
// SAFETY: the object is used with the GIL held only, and lives for ever.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

static TABLE: [OnceLock<Box<Routine>>; MAX_FUNCTIONS] = [const { OnceLock::new() }; MAX_FUNCTIONS];

/// What was asked for before, by the callable's address and the operands' types. The callables of the table are never
/// freed, and the others are asked for again.
static FOUND: Mutex<Option<Found>> = Mutex::new(None);
type Found = HashMap<(usize, Vec<SlotType>), HostFunction>;

/// Has further functions be left to tier 0 from this number of them on. For tests; `None` for what the table holds.
pub fn set_limit(limit: Option<usize>) {
    LIMIT.store(limit.unwrap_or(MAX_FUNCTIONS), Ordering::Relaxed);
}

/// How compiled code calls `callable` on scalars of these types.
pub fn find(host: &EngineHost, callable: &Bound<'_, PyAny>, args: &[SlotType]) -> Option<HostFunction> {
    if args.len() > MAX_OPERANDS {
        return None;
    }
    let key = (callable.as_ptr() as usize, args.to_vec());
    // Not locked while Python runs: that may wait for another thread.
    {
        let mut found = FOUND.lock().ok()?;
        let found = found.get_or_insert_default();
        if let Some(function) = found.get(&key) {
            return Some(function.clone());
        }
        if found.len() >= LIMIT.load(Ordering::Relaxed) {
            return None;
        }
    }
    let (routine, params, result) = make(host, callable, args)?;
    let is_numpy = matches!(routine, Routine::Loop(_));
    let mut found = FOUND.lock().ok()?;
    let found = found.get_or_insert_default();
    let number = found.len();
    match found.entry(key) {
        Entry::Occupied(other) => Some(other.get().clone()),
        Entry::Vacant(place) => {
            TABLE.get(number)?.set(Box::new(routine)).ok()?;
            // The reference is kept for ever.
            let _ = callable.clone().into_ptr();
            Some(place.insert(HostFunction { number: number as u64, params, result, is_numpy }).clone())
        }
    }
}

/// How compiled code has an operation done on scalars of these types: a power of complex numbers. NumPy's scalars have their
/// function's.
pub fn find_operator(host: &EngineHost, op: BinOp, args: &[SlotType]) -> Option<HostFunction> {
    let (module, name) = match args {
        _ if op != BinOp::Pow => return None,
        [SlotType::Numpy(_), _] | [_, SlotType::Numpy(_)] => ("numpy", "power"),
        _ => ("operator", "pow"),
    };
    let callable = host.py.import(module).and_then(|module| module.getattr(name)).ok()?;
    find(host, &callable, args)
}

fn make(
    host: &EngineHost,
    callable: &Bound<'_, PyAny>,
    args: &[SlotType],
) -> Option<(Routine, Vec<SlotType>, SlotType)> {
    if let Some(found) = Loop::find(host.numpy, callable, args) {
        let params = found.operands().iter().map(|dtype| SlotType::Numpy(*dtype)).collect();
        let results: Vec<SlotType> = found.results().iter().map(|dtype| SlotType::Numpy(*dtype)).collect();
        let result = if let [one] = &results[..] { one.clone() } else { SlotType::Tuple(results) };
        return Some((Routine::Loop(found), params, result));
    }
    let (native, result) = known_function(callable, args)?;
    let routine = Routine::Function {
        native,
        callable: Address(callable.as_ptr()),
        params: args.to_vec(),
        result: result.clone(),
    };
    Some((routine, args.to_vec(), result))
}

/// Calls a function; see [`flashpoint_engine::python::Python::call_host_function`].
pub fn call(host: &mut EngineHost, number: u64, words: &mut [u64; SCRATCH_WORDS]) -> HostFunctionStatus {
    match TABLE.get(number as usize).and_then(OnceLock::get).map(Box::as_ref) {
        Some(Routine::Loop(found)) if found.call(words) => HostFunctionStatus::Done,
        Some(Routine::Function { native, callable, params, result }) => {
            if native.is_some_and(|native| native(words, params.len()).is_some()) {
                return HostFunctionStatus::Done;
            }
            host.attach();
            match call_function(host, callable.0, params, words) {
                Some(value) if take_result(host, &value, result, words) => HostFunctionStatus::Called,
                Some(_) => HostFunctionStatus::Leave,
                None => left_by(host),
            }
        }
        _ => HostFunctionStatus::Leave,
    }
}

/// What becomes of the pending exception. The function's own is raised when tier 0 does the call again.
fn left_by(host: &EngineHost) -> HostFunctionStatus {
    let py = host.py;
    match PyErr::take(py) {
        Some(error)
            if !error.is_instance_of::<PyArithmeticError>(py)
                && !error.is_instance_of::<PyValueError>(py)
                && !error.is_instance_of::<PyTypeError>(py) =>
        {
            error.restore(py);
            HostFunctionStatus::Raised
        }
        _ => HostFunctionStatus::Leave,
    }
}

fn call_function(
    host: &EngineHost,
    callable: *mut ffi::PyObject,
    params: &[SlotType],
    words: &[u64],
) -> Option<Bound<'static, PyAny>> {
    let mut objects = Objects::new(host);
    let mut words = words.iter().copied();
    for ty in params {
        objects.push(&slot_of(ty, &mut words)).ok()?;
    }
    // SAFETY: `callable` and the arguments are live objects, the GIL is held; the result is owned or null.
    unsafe {
        let (at, n) = objects.vectorcall_args();
        Bound::from_owned_ptr_or_opt(host.py, vectorcall(callable, at, n, std::ptr::null_mut()))
    }
}

/// A scalar of this type, from its words as compiled code stores them.
fn slot_of(ty: &SlotType, words: &mut impl Iterator<Item = u64>) -> Slot {
    let mut word = || words.next().unwrap_or(0);
    match ty {
        SlotType::Bool => Slot::bool(word() != 0),
        SlotType::Int => Slot::int(word() as i64),
        SlotType::Float => Slot::float(f64::from_bits(word())),
        SlotType::Complex => Slot::complex(f64::from_bits(word()), f64::from_bits(word())),
        SlotType::Numpy(dtype) => {
            let a = match dtype {
                DType::I8 => i64::from(word() as i8) as u64,
                DType::I16 => i64::from(word() as i16) as u64,
                DType::I32 => i64::from(word() as i32) as u64,
                _ => word(),
            };
            Slot::numpy(*dtype, a, if dtype.is_complex() { word() } else { 0 })
        }
        _ => Slot::NONE,
    }
}

/// Puts the words of a function's result where they go, if it is of the promised type.
fn take_result(host: &mut EngineHost, value: &Bound<'static, PyAny>, ty: &SlotType, words: &mut [u64]) -> bool {
    // SAFETY: a live object, the GIL is held.
    let slot = unsafe { unbox_borrowed(host.numpy, value.as_ptr()) }.unwrap_or(Slot::object(value.as_ptr() as u64));
    if !host.has_type(&slot, SlotIdx(0), ty) {
        return false;
    }
    let mut result = Vec::with_capacity(2);
    host.push_words(&slot, ty, &mut result);
    words[..result.len()].copy_from_slice(&result);
    true
}

/// What a function of CPython without effects gives for scalars of these types, as a rule, and its native form.
fn known_function(callable: &Bound<'_, PyAny>, args: &[SlotType]) -> Option<(Option<Native>, SlotType)> {
    /// Module, name and result by address. The functions are never freed: a reference is kept of each.
    static KNOWN: PyOnceLock<HashMap<usize, (&str, &str, SlotType)>> = PyOnceLock::new();
    let py = callable.py();
    let known = KNOWN
        .get_or_try_init(py, || -> PyResult<_> {
            let mut known = HashMap::new();
            for (module, names, result) in results() {
                let functions = py.import(module)?;
                for name in names {
                    if let Some(function) = functions.getattr_opt(*name)? {
                        known.insert(function.into_ptr() as usize, (module, *name, result.clone()));
                    }
                }
            }
            Ok(known)
        })
        .ok()?;
    let (module, name, result) = known.get(&(callable.as_ptr() as usize))?;
    let is_int = |ty: &SlotType| matches!(ty, SlotType::Int | SlotType::Bool);
    match (*module, *name) {
        // Other powers have other forms, or other results.
        ("builtins", "pow") if args.len() != 3 || !args.iter().all(is_int) => None,
        ("operator", "pow") if !args.contains(&SlotType::Complex) => None,
        (module, name) => Some((native::find(module, name, args), result.clone())),
    }
}

/// Functions by module, with the type of their results. What a Python lacks is left out.
fn results() -> [(&'static str, &'static [&'static str], SlotType); 10] {
    use SlotType::{Bool, Complex, Float, Int, Tuple};
    [
        (
            "math",
            &[
                "acos",
                "acosh",
                "asin",
                "asinh",
                "atan",
                "atan2",
                "atanh",
                "cbrt",
                "copysign",
                "cos",
                "cosh",
                "degrees",
                "erf",
                "erfc",
                "exp",
                "exp2",
                "expm1",
                "fabs",
                "fma",
                "fmod",
                "gamma",
                "hypot",
                "ldexp",
                "lgamma",
                "log",
                "log10",
                "log1p",
                "log2",
                "nextafter",
                "pow",
                "radians",
                "remainder",
                "sin",
                "sinh",
                "sqrt",
                "tan",
                "tanh",
                "ulp",
            ],
            Float,
        ),
        ("math", &["ceil", "comb", "factorial", "floor", "gcd", "isqrt", "lcm", "perm", "trunc"], Int),
        ("math", &["isclose", "isfinite", "isinf", "isnan"], Bool),
        ("math", &["frexp"], Tuple(vec![Float, Int])),
        ("math", &["modf"], Tuple(vec![Float, Float])),
        (
            "cmath",
            &[
                "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "log", "log10", "rect", "sin",
                "sinh", "sqrt", "tan", "tanh",
            ],
            Complex,
        ),
        ("cmath", &["isclose", "isfinite", "isinf", "isnan"], Bool),
        ("cmath", &["phase"], Float),
        ("builtins", &["pow"], Int),
        ("operator", &["pow"], Complex),
    ]
}
