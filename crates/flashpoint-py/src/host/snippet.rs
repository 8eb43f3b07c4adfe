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

use flashpoint_ir::generic::{BinOp, CmpOp};
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
    let module =
        py.import("builtins")?.call_method("compile", (source.as_ref(), "<flashpoint>", "exec"), Some(&kwargs))?;
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

/// The snippet for a binary operator.
pub fn binary_source(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "lambda a, b: a + b",
        BinOp::Sub => "lambda a, b: a - b",
        BinOp::Mul => "lambda a, b: a * b",
        BinOp::TrueDiv => "lambda a, b: a / b",
        BinOp::FloorDiv => "lambda a, b: a // b",
        BinOp::Mod => "lambda a, b: a % b",
        BinOp::Pow => "lambda a, b: a ** b",
        BinOp::LShift => "lambda a, b: a << b",
        BinOp::RShift => "lambda a, b: a >> b",
        BinOp::And => "lambda a, b: a & b",
        BinOp::Or => "lambda a, b: a | b",
        BinOp::Xor => "lambda a, b: a ^ b",
        BinOp::MatMul => "lambda a, b: a @ b",
    }
}

/// The snippet for an augmented assignment.
pub fn in_place_source(op: BinOp) -> &'static str {
    match op {
        BinOp::Add => "def f(a, b): a += b; return a",
        BinOp::Sub => "def f(a, b): a -= b; return a",
        BinOp::Mul => "def f(a, b): a *= b; return a",
        BinOp::TrueDiv => "def f(a, b): a /= b; return a",
        BinOp::FloorDiv => "def f(a, b): a //= b; return a",
        BinOp::Mod => "def f(a, b): a %= b; return a",
        BinOp::Pow => "def f(a, b): a **= b; return a",
        BinOp::LShift => "def f(a, b): a <<= b; return a",
        BinOp::RShift => "def f(a, b): a >>= b; return a",
        BinOp::And => "def f(a, b): a &= b; return a",
        BinOp::Or => "def f(a, b): a |= b; return a",
        BinOp::Xor => "def f(a, b): a ^= b; return a",
        BinOp::MatMul => "def f(a, b): a @= b; return a",
    }
}

/// The snippet for a comparison.
pub fn compare_source(op: CmpOp) -> &'static str {
    match op {
        CmpOp::Lt => "lambda a, b: a < b",
        CmpOp::Le => "lambda a, b: a <= b",
        CmpOp::Eq => "lambda a, b: a == b",
        CmpOp::Ne => "lambda a, b: a != b",
        CmpOp::Gt => "lambda a, b: a > b",
        CmpOp::Ge => "lambda a, b: a >= b",
        CmpOp::Is => "lambda a, b: a is b",
        CmpOp::IsNot => "lambda a, b: a is not b",
        CmpOp::In => "lambda a, b: a in b",
        CmpOp::NotIn => "lambda a, b: a not in b",
    }
}
