//! NumPy's error state (`np.errstate`), and warnings at a line of a compiled function.

use flashpoint_engine::python::FloatErrors;
use pyo3::exceptions::PyRuntimeWarning;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::host::data::FunctionData;

/// The context variable that holds NumPy's error state, and its content where nobody has changed it.
struct State {
    variable: Py<PyAny>,
    default: Py<PyAny>,
}

/// What NumPy is to do with float conditions now.
pub fn now(py: Python<'_>) -> FloatErrors {
    static STATE: PyOnceLock<Option<State>> = PyOnceLock::new();
    if let Some(state) = STATE.get_or_init(py, || find_state(py).ok()) {
        let mut content = std::ptr::null_mut();
        // SAFETY: the variable is a live context variable; the content comes as an owned reference.
        let content = unsafe {
            ffi::PyContextVar_Get(state.variable.as_ptr(), std::ptr::null_mut(), &mut content);
            Bound::from_owned_ptr_or_opt(py, content)
        };
        if content.is_some_and(|content| content.is(&state.default)) {
            return FloatErrors::Warn;
        }
    }
    ask(py).unwrap_or_else(|error| {
        error.write_unraisable(py, None);
        FloatErrors::Other
    })
}

/// NumPy keeps the state in a variable of its own since 2.0. The default is trusted only if it means what it should.
fn find_state(py: Python<'_>) -> PyResult<State> {
    let variable = py.import("numpy._core.umath")?.getattr("_extobj_contextvar")?;
    let context = py.import("contextvars")?.getattr("Context")?.call0()?;
    let default = context.call_method1("run", (variable.getattr("get")?,))?;
    let is_usual = {
        let errors = context.call_method1("run", (py.import("numpy")?.getattr("geterr")?,))?;
        classify(&errors)? == FloatErrors::Warn
    };
    if !is_usual {
        return Err(pyo3::exceptions::PyLookupError::new_err("NumPy's default error state is unusual"));
    }
    Ok(State { variable: variable.unbind(), default: default.unbind() })
}

fn ask(py: Python<'_>) -> PyResult<FloatErrors> {
    classify(&py.import("numpy")?.call_method0("geterr")?)
}

/// The meaning of what `numpy.geterr()` gives.
fn classify(errors: &Bound<'_, PyAny>) -> PyResult<FloatErrors> {
    let kind = |name: &str| errors.get_item(name)?.extract::<String>();
    let (over, invalid, under) = (kind("over")?, kind("invalid")?, kind("under")?);
    Ok(match (over.as_str(), invalid.as_str(), under.as_str()) {
        ("warn", "warn", "ignore") => FloatErrors::Warn,
        ("ignore", "ignore", "ignore") => FloatErrors::Ignore,
        _ => FloatErrors::Other,
    })
}

/// Gives a `RuntimeWarning` at a line of a function, as `warnings.warn` called there would.
pub fn warn_at(py: Python<'_>, function: &FunctionData, line: u32, message: &str) -> PyResult<()> {
    let globals = function.globals(py);
    let globals = globals.cast::<PyDict>()?;
    let registry = match globals.get_item(intern!(py, "__warningregistry__"))? {
        Some(registry) => registry,
        None => {
            let registry = PyDict::new(py).into_any();
            globals.set_item(intern!(py, "__warningregistry__"), &registry)?;
            registry
        }
    };
    let module = globals.get_item(intern!(py, "__name__"))?;
    let args = (message, py.get_type::<PyRuntimeWarning>(), &function.generic.filename, line, module, registry);
    py.import(intern!(py, "warnings"))?.call_method1(intern!(py, "warn_explicit"), args)?;
    Ok(())
}
