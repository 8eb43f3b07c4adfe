//! What a version takes for granted, and the check at its entry.
//!
//! Each assumption says that a name, cell or function attribute still leads to the same object. The version keeps those
//! objects alive, so equal addresses mean the same object. Dictionaries tell by a version tag that nothing changed, which
//! makes the usual check a few loads (CPython up to 3.11; later ones have no tag, and every name is looked up).

use std::cell::Cell;

use flashpoint_frontend::lower::types::ArrayType;
use pyo3::ffi;
use pyo3::prelude::*;

use super::EngineHost;
use crate::host::globals::dict_version;

/// Objects are held as addresses of what the version's table of objects keeps alive, or of what the unit's function does.
#[derive(Default)]
pub struct Assumptions {
    /// What dictionaries hold: looked at again only if one of them has changed.
    items: Vec<Check>,
    /// Everything else.
    checks: Vec<Check>,
    dicts: Vec<(*mut ffi::PyObject, Cell<u64>)>,
}

struct Check {
    what: What,
    /// The object it leads to; null for none.
    expected: *mut ffi::PyObject,
}

enum What {
    /// A key of a dictionary.
    Item(*mut ffi::PyObject, Py<PyAny>),
    /// The content of a cell.
    Cell(*mut ffi::PyObject),
    /// The code of a function.
    Code(*mut ffi::PyObject),
    /// The defaults of a function.
    Defaults(*mut ffi::PyObject),
    /// The keyword-only defaults of a function.
    KwDefaults(*mut ffi::PyObject),
    /// The layout of an array.
    Layout(*mut ffi::PyObject, ArrayType),
}

impl Assumptions {
    /// `dict[key]` is `expected`, or missing if that is null.
    pub fn item(&mut self, dict: *mut ffi::PyObject, key: &Bound<'_, PyAny>, expected: *mut ffi::PyObject) {
        if !self.dicts.iter().any(|(known, _)| *known == dict) {
            self.dicts.push((dict, Cell::new(dict_version(dict))));
        }
        self.items.push(Check { what: What::Item(dict, key.clone().unbind()), expected });
    }

    /// The cell holds `expected`.
    pub fn cell(&mut self, cell: *mut ffi::PyObject, expected: *mut ffi::PyObject) {
        self.checks.push(Check { what: What::Cell(cell), expected });
    }

    /// The array has this layout.
    pub fn layout(&mut self, array: *mut ffi::PyObject, ty: ArrayType) {
        self.checks.push(Check { what: What::Layout(array, ty), expected: std::ptr::null_mut() });
    }

    /// The function is what it is now.
    pub fn function(&mut self, function: *mut ffi::PyObject) {
        for what in [What::Code(function), What::Defaults(function), What::KwDefaults(function)] {
            let expected = what.now();
            self.checks.push(Check { what, expected });
        }
    }

    /// Whether everything still holds.
    #[inline]
    pub fn hold(&self, host: &mut EngineHost) -> bool {
        let quiet = cfg!(not(Py_3_12)) && self.dicts.iter().all(|(dict, seen)| dict_version(*dict) == seen.get());
        self.checks.iter().all(|check| check.holds(host)) && (quiet || self.items_hold(host))
    }

    #[cold]
    fn items_hold(&self, host: &mut EngineHost) -> bool {
        if !self.items.iter().all(|check| check.holds(host)) {
            return false;
        }
        for (dict, seen) in &self.dicts {
            seen.set(dict_version(*dict));
        }
        true
    }
}

impl Check {
    fn holds(&self, host: &mut EngineHost) -> bool {
        match &self.what {
            What::Layout(array, ty) => super::words::has_layout(host, *array as u64, *ty),
            what => what.now() == self.expected,
        }
    }
}

impl What {
    /// What it leads to now: borrowed, or null.
    fn now(&self) -> *mut ffi::PyObject {
        // SAFETY: the version keeps these objects alive; the GIL is held. A failed look-up of an interned text leaves no
        // exception worth keeping.
        unsafe {
            match self {
                What::Item(dict, key) => {
                    let found = ffi::PyDict_GetItemWithError(*dict, key.as_ptr());
                    if found.is_null() {
                        ffi::PyErr_Clear();
                    }
                    found
                }
                What::Cell(cell) => {
                    let content = ffi::PyCell_Get(*cell);
                    if !content.is_null() {
                        // Borrowed from the cell.
                        ffi::Py_DECREF(content);
                    }
                    content
                }
                What::Code(function) => ffi::PyFunction_GetCode(*function),
                What::Defaults(function) => ffi::PyFunction_GetDefaults(*function),
                What::KwDefaults(function) => ffi::PyFunction_GetKwDefaults(*function),
                What::Layout(..) => std::ptr::null_mut(),
            }
        }
    }
}
