//! Exceptions: pending, handled, raised, and their tracebacks.
//!
//! Unsafe, because the pending and the handled exception live in the thread state, which only the C API reaches.
#![allow(unsafe_code, reason = "reads and sets the thread's exception state")]

use flashpoint_engine::host::Raised;
use flashpoint_ir::generic::Pc;
use pyo3::exceptions::{
    PyAssertionError, PyBaseException, PyNameError, PyRuntimeError, PyTypeError, PyUnboundLocalError,
};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyTraceback, PyType};

use super::data::FunctionData;

/// Takes the pending exception, normalised, its traceback set.
pub fn take_pending(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the GIL is held; each function gives owned references (or null).
    unsafe {
        #[cfg(Py_3_12)]
        {
            Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetRaisedException())
        }
        #[cfg(not(Py_3_12))]
        {
            let (mut ty, mut value, mut traceback) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
            ffi::PyErr_Fetch(&mut ty, &mut value, &mut traceback);
            if ty.is_null() {
                return None;
            }
            ffi::PyErr_NormalizeException(&mut ty, &mut value, &mut traceback);
            if !traceback.is_null() {
                ffi::PyException_SetTraceback(value, traceback);
            }
            ffi::Py_XDECREF(ty);
            ffi::Py_XDECREF(traceback);
            Bound::from_owned_ptr_or_opt(py, value)
        }
    }
}

/// Makes `exc` pending, with its traceback as it is.
pub fn set_pending(exc: Bound<'_, PyAny>) {
    // SAFETY: the GIL is held; the references given are owned.
    unsafe {
        #[cfg(Py_3_12)]
        {
            ffi::PyErr_SetRaisedException(exc.into_ptr());
        }
        #[cfg(not(Py_3_12))]
        {
            let traceback = ffi::PyException_GetTraceback(exc.as_ptr());
            let ty = exc.get_type().into_ptr();
            ffi::PyErr_Restore(ty, exc.into_ptr(), traceback);
        }
    }
}

/// The handled exception (`sys.exception()`), if any.
pub fn handled(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the GIL is held; the functions give owned references (or null).
    let exc = unsafe {
        #[cfg(Py_3_11)]
        {
            Bound::from_owned_ptr_or_opt(py, ffi::PyErr_GetHandledException())
        }
        #[cfg(not(Py_3_11))]
        {
            let (mut ty, mut value, mut traceback) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
            ffi::PyErr_GetExcInfo(&mut ty, &mut value, &mut traceback);
            ffi::Py_XDECREF(ty);
            ffi::Py_XDECREF(traceback);
            Bound::from_owned_ptr_or_opt(py, value)
        }
    };
    exc.filter(|exc| !exc.is_none())
}

/// Makes `exc` the handled exception.
pub fn set_handled(py: Python<'_>, exc: Option<&Bound<'_, PyAny>>) {
    let _ = py;
    // SAFETY: the GIL is held. The first function takes no reference, the second one takes three.
    unsafe {
        #[cfg(Py_3_11)]
        {
            ffi::PyErr_SetHandledException(exc.map_or(std::ptr::null_mut(), Bound::as_ptr));
        }
        #[cfg(not(Py_3_11))]
        {
            match exc {
                None => ffi::PyErr_SetExcInfo(std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut()),
                Some(exc) => ffi::PyErr_SetExcInfo(
                    exc.get_type().into_ptr(),
                    exc.clone().into_ptr(),
                    ffi::PyException_GetTraceback(exc.as_ptr()),
                ),
            }
        }
    }
}

/// `raise exc from cause`: makes it pending, the handled exception its context.
pub fn raise(exc: &Bound<'_, PyAny>, cause: Option<&Bound<'_, PyAny>>) -> Raised {
    if let Err(error) = try_raise(exc, cause) {
        error.restore(exc.py());
    }
    Raised
}

fn try_raise(exc: &Bound<'_, PyAny>, cause: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let value = instance_of(exc, "exceptions must derive from BaseException")?;
    if let Some(cause) = cause {
        let cause = if cause.is_none() {
            None
        } else {
            Some(instance_of(cause, "exception causes must derive from BaseException")?)
        };
        // SAFETY: `value` is an exception; the reference of the cause is given.
        unsafe {
            ffi::PyException_SetCause(value.as_ptr(), cause.map_or(std::ptr::null_mut(), Bound::into_ptr));
        }
    }
    set_with_context(&value);
    Ok(())
}

/// The exception that `raise what` raises.
fn instance_of<'py>(what: &Bound<'py, PyAny>, else_text: &'static str) -> PyResult<Bound<'py, PyAny>> {
    let py = what.py();
    let base = py.get_type::<PyBaseException>();
    if what.is_instance(&base)? {
        return Ok(what.clone());
    }
    if let Ok(class) = what.cast::<PyType>()
        && class.is_subclass(&base)?
    {
        let value = what.call0()?;
        if !value.is_instance(&base)? {
            return Err(PyTypeError::new_err(format!(
                "calling {} should have returned an instance of BaseException, not {}",
                what.repr()?,
                value.get_type().repr()?
            )));
        }
        return Ok(value);
    }
    Err(PyTypeError::new_err(else_text))
}

fn set_with_context(value: &Bound<'_, PyAny>) {
    // SAFETY: both are live objects; no reference is taken.
    unsafe { ffi::PyErr_SetObject(value.get_type().as_ptr(), value.as_ptr()) };
}

/// `raise AssertionError(message)`.
pub fn raise_assertion(py: Python<'_>, message: Option<&Bound<'_, PyAny>>) -> Raised {
    let class = py.get_type::<PyAssertionError>();
    let made = match message {
        Some(message) => class.call1((message,)),
        None => class.call0(),
    };
    match made {
        Ok(value) => set_with_context(&value),
        Err(error) => error.restore(py),
    }
    Raised
}

/// `raise` without an exception.
pub fn raise_handled(py: Python<'_>) -> bool {
    match handled(py) {
        Some(exc) => {
            set_pending(exc);
            true
        }
        None => {
            PyRuntimeError::new_err("No active exception to reraise").restore(py);
            false
        }
    }
}

/// `UnboundLocalError` for `name`.
pub fn raise_unbound_local(py: Python<'_>, name: &str) -> Raised {
    let text = if cfg!(Py_3_11) {
        format!("cannot access local variable '{name}' where it is not associated with a value")
    } else {
        format!("local variable '{name}' referenced before assignment")
    };
    raise_with_context(py, PyUnboundLocalError::new_err(text))
}

/// `NameError` for an empty cell of an enclosing function.
pub fn raise_unbound_free(py: Python<'_>, name: &str) -> Raised {
    let text = if cfg!(Py_3_11) {
        format!("cannot access free variable '{name}' where it is not associated with a value in enclosing scope")
    } else {
        format!("free variable '{name}' referenced before assignment in enclosing scope")
    };
    raise_name_error(py, name, text)
}

/// `NameError` for a global name.
pub fn raise_undefined(py: Python<'_>, name: &str) -> Raised {
    raise_name_error(py, name, format!("name '{name}' is not defined"))
}

fn raise_name_error(py: Python<'_>, name: &str, text: String) -> Raised {
    let error = PyNameError::new_err(text);
    // For "did you mean" of tracebacks. Without it the exception is just as good.
    let _ = error.value(py).setattr(intern!(py, "name"), name);
    raise_with_context(py, error)
}

/// Makes `error` pending with the handled exception as its context.
pub fn raise_with_context(py: Python<'_>, error: PyErr) -> Raised {
    set_with_context(error.into_value(py).into_bound(py).as_any());
    Raised
}

/// Whether `exc` matches `class` in an `except` clause.
pub fn matches(exc: &Bound<'_, PyAny>, class: &Bound<'_, PyAny>) -> PyResult<bool> {
    let check = |class: &Bound<'_, PyAny>| -> PyResult<()> {
        let is_exception = match class.cast::<PyType>() {
            Ok(class) => class.is_subclass_of::<PyBaseException>()?,
            Err(_) => false,
        };
        if is_exception {
            return Ok(());
        }
        let text = "catching classes that do not inherit from BaseException is not allowed";
        Err(PyTypeError::new_err(text))
    };
    match class.cast::<pyo3::types::PyTuple>() {
        Ok(classes) => classes.iter().try_for_each(|class| check(&class))?,
        Err(_) => check(class)?,
    }
    // SAFETY: both are live objects.
    let matches = unsafe { ffi::PyErr_GivenExceptionMatches(exc.as_ptr(), class.as_ptr()) };
    Ok(matches != 0)
}

/// Takes the entry of a snippet's frame off the pending exception's traceback.
pub fn strip_frame(py: Python<'_>, code: &Bound<'_, PyAny>) {
    let Some(exc) = take_pending(py) else { return };
    let strip = || -> PyResult<()> {
        let traceback = exc.getattr(intern!(py, "__traceback__"))?;
        if !traceback.is_none() && traceback.getattr(intern!(py, "tb_frame"))?.getattr(intern!(py, "f_code"))?.is(code)
        {
            let next = traceback.getattr(intern!(py, "tb_next"))?;
            // SAFETY: `exc` is an exception, `next` a traceback or None.
            unsafe { ffi::PyException_SetTraceback(exc.as_ptr(), next.as_ptr()) };
        }
        Ok(())
    };
    // If it fails, the traceback has an entry too many, at the right line.
    let _ = strip();
    set_pending(exc);
}

/// Adds the entry of `function` at `pc` to the pending exception's traceback.
pub fn add_traceback(py: Python<'_>, function: &FunctionData, pc: Pc) {
    let Some(exc) = take_pending(py) else { return };
    let add = || -> PyResult<()> {
        let (code, lasti, line) = function.trace_entry(py, pc)?;
        // SAFETY: the code object and the dictionary are live; the frame is owned or null with an exception pending.
        let frame = unsafe {
            let (tstate, code) = (ffi::PyThreadState_Get(), code.as_ptr().cast());
            let frame = ffi::PyFrame_New(tstate, code, function.globals, std::ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, frame.cast())?
        };
        let next = exc.getattr(intern!(py, "__traceback__"))?;
        let entry = py.get_type::<PyTraceback>().call1((next, frame, lasti, line))?;
        // SAFETY: `exc` is an exception, `entry` a traceback.
        unsafe { ffi::PyException_SetTraceback(exc.as_ptr(), entry.as_ptr()) };
        Ok(())
    };
    // Only memory can be short here; the exception itself is what matters.
    let _ = add();
    set_pending(exc);
}
