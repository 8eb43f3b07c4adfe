//! Python protocols that the C API has no single function for, with CPython's own texts.
#![allow(unsafe_code, reason = "`PyDict_Update` has no safe wrapper that takes any object")]

use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// The bound special method, looked up on the type.
pub(super) fn special<'py>(object: &Bound<'py, PyAny>, name: &'static str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    let ty = object.get_type();
    // The type's own resolution order, not its metaclass's.
    for class in ty.mro().iter() {
        let dict = class.getattr(intern!(py, "__dict__"))?;
        let Ok(attribute) = dict.get_item(name) else { continue };
        return match attribute.get_type().getattr_opt(intern!(py, "__get__"))? {
            Some(get) => get.call1((&attribute, object, &ty)).map(Some),
            None => Ok(Some(attribute)),
        };
    }
    Ok(None)
}

pub(super) fn not_a_manager(manager: &Bound<'_, PyAny>, lacks_enter: bool) -> PyResult<PyErr> {
    let class = manager.get_type();
    let py = manager.py();
    if !cfg!(Py_3_11) {
        return Ok(PyAttributeError::new_err(if lacks_enter { "__enter__" } else { "__exit__" }));
    }
    let name = class.getattr(intern!(py, "__qualname__"))?;
    let module = class.getattr(intern!(py, "__module__"))?.to_string();
    let full = if module == "builtins" { name.to_string() } else { format!("{module}.{name}") };
    let why = if lacks_enter { "" } else { " (missed __exit__ method)" };
    Ok(PyTypeError::new_err(format!("'{full}' object does not support the context manager protocol{why}")))
}

pub(super) fn extend(list: &Bound<'_, PyList>, iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    let is_iterable = |object: &Bound<'_, PyAny>| -> PyResult<bool> {
        Ok(object.get_type().getattr_opt("__iter__")?.is_some()
            || object.get_type().getattr_opt("__getitem__")?.is_some())
    };
    match list.call_method1(intern!(list.py(), "extend"), (iterable,)) {
        Ok(_) => Ok(()),
        Err(error) if error.is_instance_of::<PyTypeError>(list.py()) && !is_iterable(iterable)? => {
            Err(PyTypeError::new_err(format!("Value after * must be an iterable, not {}", iterable.get_type().name()?)))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn update(dict: &Bound<'_, PyDict>, mapping: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = dict.py();
    // SAFETY: live objects; the first one is a dict.
    if unsafe { ffi::PyDict_Update(dict.as_ptr(), mapping.as_ptr()) } == 0 {
        return Ok(());
    }
    let error = PyErr::fetch(py);
    if error.is_instance_of::<PyAttributeError>(py) {
        return Err(PyTypeError::new_err(format!("'{}' object is not a mapping", mapping.get_type().name()?)));
    }
    Err(error)
}
