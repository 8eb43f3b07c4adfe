//! What the host keeps for one Python function: [`FunctionData`].
//!
//! Invariant: globals, builtins and closure are borrowed from the Python function, which whoever owns the
//! `FunctionData` keeps alive as long; so the garbage collector, which sees that owner, sees all cycles.
#![allow(unsafe_code, reason = "borrows the dictionaries of a Python function")]

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use flashpoint_ir::generic::{Const, ConstIdx, GenericFunction, NameIdx, NestedIdx, Pc, SlotIdx, SlotKind, Span};
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use super::globals::SeenGlobal;
use super::snippet;
use crate::source::nested_codes;

/// Code, names and constants of a function, as Python objects.
pub struct FunctionData {
    pub generic: Arc<GenericFunction>,
    pub code: Py<PyAny>,
    pub globals: *mut ffi::PyObject,
    pub builtins: *mut ffi::PyObject,
    /// A tuple of cells, or null.
    closure: *mut ffi::PyObject,
    names: Vec<Py<PyString>>,
    /// What the names led to as global ones.
    seen_globals: Vec<SeenGlobal>,
    /// Whether globals and builtins are dictionaries.
    pub has_plain_scopes: bool,
    constants: RefCell<Vec<Option<Py<PyAny>>>>,
    nested: Vec<Py<PyAny>>,
    /// Snippets made for this function, by the address of the template and the line.
    snippets: RefCell<HashMap<(usize, u32), Py<PyAny>>>,
    /// The last snippet of each operation, with its source if that is a constant.
    last_snippets: RefCell<Vec<Option<LastSnippet>>>,
    /// The code object of traceback frames, and the instruction that stands for each position.
    trace: OnceCell<TraceTable>,
}

/// A constant source, and the code object made of it. Compared by where it lies and how long it is: constants may share
/// memory, the beginning of one being another.
type LastSnippet = (&'static str, Py<PyAny>);

struct TraceTable {
    code: Py<PyAny>,
    exact: HashMap<Span, i32>,
    by_line: HashMap<u32, i32>,
}

impl FunctionData {
    /// `None` if a nested function has no code object of its own in this version of Python.
    pub fn new(function: &Bound<'_, PyAny>, generic: Arc<GenericFunction>) -> PyResult<Option<Self>> {
        let py = function.py();
        let code = function.getattr(intern!(py, "__code__"))?;
        let borrow = |name: &str| -> PyResult<*mut ffi::PyObject> {
            let value = function.getattr(name)?;
            Ok(if value.is_none() { std::ptr::null_mut() } else { value.as_ptr() })
        };
        let from = (borrow("__globals__")?, borrow("__builtins__")?, borrow("__closure__")?);
        Self::of_code(&code, from, generic)
    }

    /// What is kept for a nested definition of this function, whose body is `generic`. It has no closure: cells come from the
    /// frames that hold them.
    pub fn nested(&self, py: Python<'_>, nested: NestedIdx, generic: Arc<GenericFunction>) -> PyResult<Option<Self>> {
        Self::of_code(self.nested_code(py, nested), (self.globals, self.builtins, std::ptr::null_mut()), generic)
    }

    fn of_code(
        code: &Bound<'_, PyAny>,
        (globals, builtins, closure): (*mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject),
        generic: Arc<GenericFunction>,
    ) -> PyResult<Option<Self>> {
        let py = code.py();
        // SAFETY: live objects of the Python function, if any.
        let is_dict = |scope: *mut ffi::PyObject| !scope.is_null() && unsafe { ffi::PyDict_Check(scope) != 0 };
        let mut nested = Vec::new();
        for definition in &generic.nested {
            let wanted = (definition.name.as_str(), definition.first_line);
            match find_nested(code, wanted, definition.ordinal as usize)? {
                Some(code) => nested.push(code.unbind()),
                None => return Ok(None),
            }
        }
        Ok(Some(FunctionData {
            code: code.clone().unbind(),
            globals,
            builtins,
            closure,
            names: generic.names.iter().map(|name| PyString::intern(py, name).unbind()).collect(),
            seen_globals: generic.names.iter().map(|_| SeenGlobal::default()).collect(),
            has_plain_scopes: is_dict(globals) && is_dict(builtins),
            constants: RefCell::new((0..generic.consts.len()).map(|_| None).collect()),
            nested,
            snippets: RefCell::default(),
            last_snippets: RefCell::new((0..generic.ops.len()).map(|_| None).collect()),
            trace: OnceCell::new(),
            generic,
        }))
    }

    pub fn name<'py>(&self, py: Python<'py>, name: NameIdx) -> &Bound<'py, PyString> {
        self.names[name.0 as usize].bind(py)
    }

    #[inline]
    pub fn seen_global(&self, name: NameIdx) -> &SeenGlobal {
        &self.seen_globals[name.0 as usize]
    }

    pub fn code<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.code.bind(py)
    }

    pub fn globals<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        // SAFETY: the dictionary belongs to the Python function, which is alive (the module's invariant).
        unsafe { Bound::from_borrowed_ptr(py, self.globals) }
    }

    pub fn builtins<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        // SAFETY: as for `globals`.
        unsafe { Bound::from_borrowed_ptr(py, self.builtins) }
    }

    /// The cells of the closure.
    pub fn closure<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyTuple>> {
        if self.closure.is_null() {
            return None;
        }
        // SAFETY: as for `globals`; `__closure__` is a tuple or None.
        unsafe { Bound::from_borrowed_ptr(py, self.closure) }.cast_into().ok()
    }

    /// A constant as an object, the same one each time.
    pub fn constant<'py>(&self, py: Python<'py>, index: ConstIdx) -> PyResult<Bound<'py, PyAny>> {
        let index = index.0 as usize;
        if let Some(object) = &self.constants.borrow()[index] {
            return Ok(object.bind(py).clone());
        }
        let object = constant_object(py, &self.generic.consts[index])?;
        self.constants.borrow_mut()[index] = Some(object.clone().unbind());
        Ok(object)
    }

    pub fn nested_code<'py>(&self, py: Python<'py>, nested: NestedIdx) -> &Bound<'py, PyAny> {
        self.nested[nested.0 as usize].bind(py)
    }

    /// The nested definition whose code object this is.
    pub fn nested_of(&self, code: *mut ffi::PyObject) -> Option<NestedIdx> {
        let found = self.nested.iter().position(|nested| nested.as_ptr() == code);
        found.map(|at| NestedIdx(at as u32))
    }

    pub fn slot_name(&self, slot: SlotIdx) -> &str {
        &self.generic.slots[slot.0 as usize].name
    }

    pub fn is_free(&self, slot: SlotIdx) -> bool {
        self.generic.slots[slot.0 as usize].kind == SlotKind::Free
    }

    pub fn span(&self, pc: Pc) -> Span {
        self.generic.spans.get(pc.0 as usize).copied().unwrap_or_default()
    }

    /// The code object of a snippet that looks as if it stood at `pc`.
    pub fn snippet<'py>(&self, py: Python<'py>, source: Cow<'static, str>, pc: Pc) -> PyResult<Bound<'py, PyAny>> {
        let Cow::Borrowed(text) = source else { return self.snippet_by_line(py, source, pc) };
        if let Some(Some((last, code))) = self.last_snippets.borrow().get(pc.0 as usize)
            && std::ptr::eq(*last, text)
        {
            return Ok(code.bind(py).clone());
        }
        let code = self.snippet_by_line(py, source, pc)?;
        if let Some(last) = self.last_snippets.borrow_mut().get_mut(pc.0 as usize) {
            *last = Some((text, code.clone().unbind()));
        }
        Ok(code)
    }

    fn snippet_by_line<'py>(&self, py: Python<'py>, source: Cow<'static, str>, pc: Pc) -> PyResult<Bound<'py, PyAny>> {
        let template = snippet::template(py, source)?.into_bound(py);
        let line = self.span(pc).line;
        let key = (template.as_ptr() as usize, line);
        if let Some(code) = self.snippets.borrow().get(&key) {
            return Ok(code.bind(py).clone());
        }
        let code = snippet::at_line(&template, self.code(py), line)?;
        self.snippets.borrow_mut().insert(key, code.clone().unbind());
        Ok(code)
    }

    /// The code object, instruction offset and line that a traceback entry for `pc` shows.
    pub fn trace_entry<'py>(&self, py: Python<'py>, pc: Pc) -> PyResult<(Bound<'py, PyAny>, i32, u32)> {
        let table = match self.trace.get() {
            Some(table) => table,
            None => {
                let table = TraceTable::new(self.code(py))?;
                self.trace.get_or_init(|| table)
            }
        };
        let span = self.span(pc);
        let lasti = table.exact.get(&span).or_else(|| table.by_line.get(&span.line)).copied().unwrap_or(-1);
        Ok((table.code.bind(py).clone(), lasti, span.line))
    }
}

impl TraceTable {
    fn new(code: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = code.py();
        let (mut exact, mut by_line) = (HashMap::new(), HashMap::new());
        if let Some(positions) = code.getattr_opt(intern!(py, "co_positions"))? {
            for (instruction, position) in positions.call0()?.try_iter()?.enumerate() {
                let (line, end_line, col, end_col): (Option<u32>, Option<u32>, Option<u32>, Option<u32>) =
                    position?.extract()?;
                let lasti = 2 * instruction as i32;
                if let Some(line) = line {
                    by_line.entry(line).or_insert(lasti);
                    if let (Some(end_line), Some(col), Some(end_col)) = (end_line, col, end_col) {
                        exact.entry(Span { line, col, end_line, end_col }).or_insert(lasti);
                    }
                }
            }
        } else {
            for range in code.call_method0(intern!(py, "co_lines"))?.try_iter()? {
                let (start, _, line): (i32, i32, Option<u32>) = range?.extract()?;
                if let Some(line) = line {
                    by_line.entry(line).or_insert(start);
                }
            }
        }
        // Reading the locals of a frame that never ran would look for a closure that is not there.
        let code = if code.getattr(intern!(py, "co_freevars"))?.len()? > 0 {
            let changes = PyDict::new(py);
            changes.set_item("co_freevars", PyTuple::empty(py))?;
            code.call_method(intern!(py, "replace"), (), Some(&changes))?
        } else {
            code.clone()
        };
        Ok(TraceTable { code: code.unbind(), exact, by_line })
    }
}

/// The code object of the `ordinal`-th nested function of that name and line; comprehensions are searched too, because
/// their bodies are part of the generic form.
fn find_nested<'py>(
    code: &Bound<'py, PyAny>,
    (name, line): (&str, u32),
    ordinal: usize,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = code.py();
    let mut found = Vec::new();
    let mut stack = vec![code.clone()];
    while let Some(parent) = stack.pop() {
        let mut inner = Vec::new();
        for nested in nested_codes(&parent)? {
            let nested_name: String = nested.getattr(intern!(py, "co_name"))?.extract()?;
            if matches!(nested_name.as_str(), "<listcomp>" | "<setcomp>" | "<dictcomp>") {
                inner.push(nested.clone());
            }
            if nested_name == name && nested.getattr(intern!(py, "co_firstlineno"))?.extract::<u32>()? == line {
                found.push(nested);
            }
        }
        inner.reverse();
        stack.extend(inner);
    }
    // Equal code objects are one constant, so there may be fewer than the source has definitions.
    let last = found.len().checked_sub(1);
    Ok(last.map(|last| found.swap_remove(ordinal.min(last))))
}

fn constant_object<'py>(py: Python<'py>, value: &Const) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Const::None => py.None().into_bound(py),
        Const::Ellipsis => py.Ellipsis().into_bound(py),
        Const::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Const::Int(value) => value.into_pyobject(py)?.into_any(),
        Const::BigInt(digits) => {
            let magnitude = digits.trim_start_matches('-');
            let mut value = 0i64.into_pyobject(py)?.into_any();
            // In pieces, because `int()` refuses long texts.
            for piece in magnitude.as_bytes().chunks(18) {
                let piece_value: i64 = std::str::from_utf8(piece)
                    .ok()
                    .and_then(|p| p.parse().ok())
                    .ok_or_else(|| PySystemError::new_err("flashpoint: a constant is not in decimal"))?;
                value = value.mul(10i64.pow(piece.len() as u32))?.add(piece_value)?;
            }
            if digits.starts_with('-') { value.neg()? } else { value }
        }
        Const::Float(bits) => f64::from_bits(*bits).into_pyobject(py)?.into_any(),
        Const::Complex(re, im) => {
            pyo3::types::PyComplex::from_doubles(py, f64::from_bits(*re), f64::from_bits(*im)).into_any()
        }
        // Short texts that look like names are interned by CPython's compiler as well.
        Const::Str(text) if text.len() < 64 => PyString::intern(py, text).into_any(),
        Const::Str(text) => PyString::new(py, text).into_any(),
        Const::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
        Const::Tuple(items) => {
            let items = items.iter().map(|item| constant_object(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyTuple::new(py, items)?.into_any()
        }
    })
}
