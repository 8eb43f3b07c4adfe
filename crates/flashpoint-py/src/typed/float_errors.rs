//! NumPy's error state (`np.errstate`), and whether warnings are exceptions.

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// The context variable that holds NumPy's error state, and its content where nobody has changed it.
struct State {
    variable: Py<PyAny>,
    default: Py<PyAny>,
}

/// Whether NumPy is told to ignore underflow now.
pub fn ignores_underflow(py: Python<'_>) -> bool {
    static STATE: PyOnceLock<Option<State>> = PyOnceLock::new();
    if let Some(state) = STATE.get_or_init(py, || find_state(py).ok()) {
        let mut content = std::ptr::null_mut();
        // SAFETY: the variable is a live context variable; the content comes as an owned reference.
        let content = unsafe {
            ffi::PyContextVar_Get(state.variable.as_ptr(), std::ptr::null_mut(), &mut content);
            Bound::from_owned_ptr_or_opt(py, content)
        };
        if content.is_some_and(|content| content.is(&state.default)) {
            return true;
        }
    }
    ask(py).unwrap_or_else(|error| {
        error.write_unraisable(py, None);
        false
    })
}

/// NumPy keeps the state in a variable of its own since 2.0. The default is trusted only if it means what it should.
fn find_state(py: Python<'_>) -> PyResult<State> {
    let variable = py.import("numpy._core.umath")?.getattr("_extobj_contextvar")?;
    let context = py.import("contextvars")?.getattr("Context")?.call0()?;
    let default = context.call_method1("run", (variable.getattr("get")?,))?;
    let is_usual = {
        let errors = context.call_method1("run", (py.import("numpy")?.getattr("geterr")?,))?;
        ignores(&errors)?
    };
    if !is_usual {
        return Err(pyo3::exceptions::PyLookupError::new_err("NumPy's default error state is unusual"));
    }
    Ok(State { variable: variable.unbind(), default: default.unbind() })
}

fn ask(py: Python<'_>) -> PyResult<bool> {
    ignores(&py.import("numpy")?.call_method0("geterr")?)
}

/// Whether what `numpy.geterr()` gives ignores underflow.
fn ignores(errors: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(errors.get_item("under")?.extract::<String>()? == "ignore")
}

/// Whether a filter of the `warnings` module turns warnings into exceptions.
pub fn warnings_raise(py: Python<'_>) -> PyResult<bool> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("warnings").map(Bound::unbind))?.bind(py);
    let is_error = |action: Bound<'_, PyAny>| action.extract::<&str>().map(|action| action == "error");
    if is_error(module.getattr(intern!(py, "defaultaction"))?)? {
        return Ok(true);
    }
    // Since 3.14, filters may be those of a context.
    let filters = match module.getattr_opt(intern!(py, "_get_filters"))? {
        Some(get) => get.call0()?,
        None => module.getattr(intern!(py, "filters"))?,
    };
    for filter in filters.try_iter()? {
        if is_error(filter?.get_item(0)?)? {
            return Ok(true);
        }
    }
    Ok(false)
}
