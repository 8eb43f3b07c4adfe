//! Global names: looked up in the dictionaries, or known from the last time.
//!
//! Up to CPython 3.11 a dictionary has a version tag that changes whenever its contents do, and which no other dictionary
//! ever had. What a name led to when both tags were as they are now, it leads to now, and the dictionary keeps it alive.
//! Later versions have no such tag (they have watchers, of which a process has eight), so there every name is looked up.
#![allow(unsafe_code, reason = "reads dictionaries of live functions")]

use std::cell::Cell;

use flashpoint_engine::host::{HostResult, Raised};
use flashpoint_ir::generic::NameIdx;
use flashpoint_ir::slot::Slot;
use pyo3::ffi;

use super::CPythonHost;
use super::data::FunctionData;

/// What a global name led to.
pub struct SeenGlobal {
    /// The version tags of globals and builtins at that time. No dictionary has 0.
    versions: Cell<(u64, u64)>,
    /// Whether globals alone told.
    in_globals: Cell<bool>,
    /// Borrowed from the dictionary.
    value: Cell<Slot>,
}

impl Default for SeenGlobal {
    fn default() -> SeenGlobal {
        SeenGlobal { versions: Cell::new((0, 0)), in_globals: Cell::new(true), value: Cell::new(Slot::UNBOUND) }
    }
}

/// What a global name leads to, borrowed, if it was looked up since anything changed.
#[inline(always)]
pub(super) fn known(function: &FunctionData, name: NameIdx) -> Option<Slot> {
    if cfg!(Py_3_12) {
        return None;
    }
    let seen = function.seen_global(name);
    let (globals, builtins) = seen.versions.get();
    // Nothing was ever seen where the scopes are no dictionaries.
    let same = globals != 0
        && dict_version(function.globals) == globals
        && (seen.in_globals.get() || dict_version(function.builtins) == builtins);
    same.then(|| seen.value.get())
}

impl CPythonHost<'_> {
    /// A global name, then a built-in one.
    pub(super) fn look_up_global(&mut self, function: &FunctionData, name: NameIdx) -> HostResult<Slot> {
        let key = function.name(self.py, name).as_ptr();
        // Before the look-up, which may run Python code: a key's `__eq__`.
        let versions = versions(function);
        // SAFETY: `__globals__` is a dict, `__builtins__` is one unless somebody replaced it; results are borrowed.
        unsafe {
            for scope in [function.globals, function.builtins] {
                if ffi::PyDict_Check(scope) == 0 {
                    let value = ffi::PyObject_GetItem(scope, key);
                    if value.is_null() && ffi::PyErr_ExceptionMatches(ffi::PyExc_KeyError) != 0 {
                        ffi::PyErr_Clear();
                        continue;
                    }
                    return self.owned(value);
                }
                let value = ffi::PyDict_GetItemWithError(scope, key);
                if !value.is_null() {
                    ffi::Py_INCREF(value);
                    let value = self.owned(value)?;
                    if let Some(versions) = versions {
                        let seen = function.seen_global(name);
                        seen.value.set(value);
                        seen.in_globals.set(scope == function.globals);
                        seen.versions.set(versions);
                    }
                    return Ok(value);
                }
                if !ffi::PyErr_Occurred().is_null() {
                    return Err(Raised);
                }
            }
        }
        Err(self.undefined(function, name))
    }
}

/// The version tags of the dictionaries in which a function's global names are looked up, if they have some.
#[inline]
fn versions(function: &FunctionData) -> Option<(u64, u64)> {
    if cfg!(not(Py_3_12)) && function.has_plain_scopes {
        Some((dict_version(function.globals), dict_version(function.builtins)))
    } else {
        None
    }
}

/// The tag that changes whenever the dictionary does; 0 where there is none.
#[cfg(not(Py_3_12))]
#[inline]
pub fn dict_version(dict: *mut ffi::PyObject) -> u64 {
    // SAFETY: `dict` is a live dictionary, whose head has this layout up to Python 3.11.
    unsafe { (*dict.cast::<ffi::PyDictObject>()).ma_version_tag }
}

#[cfg(Py_3_12)]
#[inline]
pub fn dict_version(_: *mut ffi::PyObject) -> u64 {
    0
}
