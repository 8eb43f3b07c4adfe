//! Snippets: operations that are handed to CPython inside a frame that looks like the user's.
//!
//! Tier 0 has no Python frame of its own. Where one can be seen — a NumPy warning names the line of the running frame, a
//! called function may look at its caller — the operation runs as a one-line Python function with the file, name, line
//! and globals of the operation. A traceback entry of such a frame is taken off again: [`Host::add_traceback`] gives the
//! real one.
//!
//! [`Host::add_traceback`]: flashpoint_engine::host::Host::add_traceback

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Mutex;

use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyTuple};

/// The code object of the function that `source` defines: one line, `lambda a, b: a + b` or `def f(a): ...`. Cached.
pub fn template(py: Python<'_>, source: Cow<'static, str>) -> PyResult<Py<PyAny>> {
    static TEMPLATES: Mutex<Option<HashMap<Cow<'static, str>, Py<PyAny>>>> = Mutex::new(None);
    if let Ok(templates) = TEMPLATES.lock()
        && let Some(code) = templates.as_ref().and_then(|t| t.get(&source))
    {
        return Ok(code.clone_ref(py));
    }
    let kwargs = PyDict::new(py);
    kwargs.set_item("dont_inherit", true)?;
    let module = py.import("builtins")?.call_method(
        "compile",
        (source.as_ref(), "<flashpoint>", "exec"),
        Some(&kwargs),
    )?;
    let constants = module.getattr("co_consts")?;
    let code = constants.cast::<PyTuple>()?.iter().find(|c| c.is_instance_of::<PyCode>());
    let code = code.ok_or_else(|| PySystemError::new_err("flashpoint: a snippet defines no function"))?.unbind();
    if let Ok(mut templates) = TEMPLATES.lock() {
        templates.get_or_insert_default().insert(source, code.clone_ref(py));
    }
    Ok(code)
}

/// `template` as if it stood at `line` of the function whose code object is `code`.
pub fn at_line<'py>(template: &Bound<'py, PyAny>, code: &Bound<'py, PyAny>, line: u32) -> PyResult<Bound<'py, PyAny>> {
    let py = code.py();
    let changes = PyDict::new(py);
    for name in [intern!(py, "co_filename"), intern!(py, "co_name"), intern!(py, "co_qualname")] {
        if let Some(value) = code.getattr_opt(name)? {
            changes.set_item(name, value)?;
        }
    }
    changes.set_item(intern!(py, "co_firstlineno"), line)?;
    template.call_method(intern!(py, "replace"), (), Some(&changes))
}
