//! Arguments of a call → parameter slots, as CPython binds them.
//!
//! A call that does not fit is not diagnosed here: the underlying Python function is called with the same arguments, and
//! CPython raises. Unsafe, because arguments come as addresses (vectorcall).
#![allow(unsafe_code, reason = "vectorcall's arguments are addresses")]

use flashpoint_engine::host::Host;
use flashpoint_ir::slot::Slot;
use pyo3::ffi;

use crate::host::CPythonHost;
use crate::host::convert::unbox_borrowed;
use crate::unit::Unit;

/// What vectorcall hands over. All references are borrowed from the caller for the whole call.
#[derive(Clone, Copy)]
pub struct Arguments {
    pub values: *const *mut ffi::PyObject,
    pub n_positional: usize,
    /// A tuple of names, or null.
    pub names: *mut ffi::PyObject,
}

/// The call does not fit the parameters, or an exception is pending.
pub struct Mismatch;

/// Fills `slots`, one for each parameter, all unbound before. On a mismatch they are unbound again.
///
/// # Safety
/// `arguments` are those of a running vectorcall of a function whose Python function is `function`.
#[inline]
pub unsafe fn bind(
    unit: &Unit,
    function: *mut ffi::PyObject,
    host: &mut CPythonHost<'_>,
    arguments: Arguments,
    slots: &mut [Slot],
) -> Result<(), Mismatch> {
    let params = &unit.params;
    let simple = arguments.names.is_null()
        && arguments.n_positional == params.n_positional as usize
        && slots.len() == arguments.n_positional;
    if simple {
        for (i, slot) in slots.iter_mut().enumerate() {
            // SAFETY: vectorcall gives this many live arguments.
            *slot = unsafe { slot_of(host, *arguments.values.add(i)) };
        }
        return Ok(());
    }
    // SAFETY: by this function's contract.
    let bound = unsafe { bind_any(unit, function, host, arguments, slots) };
    if bound.is_err() {
        for slot in slots {
            host.release(std::mem::replace(slot, Slot::UNBOUND));
        }
    }
    bound
}

/// A slot for a borrowed reference.
#[inline]
unsafe fn slot_of(host: &CPythonHost<'_>, object: *mut ffi::PyObject) -> Slot {
    // SAFETY: a live object; the GIL is held.
    unsafe {
        unbox_borrowed(host.numpy, object).unwrap_or_else(|| {
            ffi::Py_INCREF(object);
            Slot::object(object as u64)
        })
    }
}

unsafe fn bind_any(
    unit: &Unit,
    function: *mut ffi::PyObject,
    host: &CPythonHost<'_>,
    arguments: Arguments,
    slots: &mut [Slot],
) -> Result<(), Mismatch> {
    let params = &unit.params;
    let n_positional = params.n_positional as usize;
    let n_named = n_positional + params.n_keyword_only as usize;
    let n_direct = arguments.n_positional.min(n_positional);
    // SAFETY: vectorcall gives `n_positional` values, then one for each name. The parameters' names are unicode objects,
    // `__defaults__` is a tuple or None, `__kwdefaults__` a dict or None.
    unsafe {
        for (i, slot) in slots[..n_direct].iter_mut().enumerate() {
            *slot = slot_of(host, *arguments.values.add(i));
        }
        if params.has_varargs {
            let rest = ffi::PyTuple_New((arguments.n_positional - n_direct) as isize);
            if rest.is_null() {
                return Err(Mismatch);
            }
            for i in n_direct..arguments.n_positional {
                let value = *arguments.values.add(i);
                ffi::Py_INCREF(value);
                ffi::PyTuple_SET_ITEM(rest, (i - n_direct) as isize, value);
            }
            slots[n_named] = Slot::object(rest as u64);
        } else if arguments.n_positional > n_positional {
            return Err(Mismatch);
        }

        let varkw = if params.has_varkw {
            let dict = ffi::PyDict_New();
            if dict.is_null() {
                return Err(Mismatch);
            }
            slots[n_named + usize::from(params.has_varargs)] = Slot::object(dict as u64);
            dict
        } else {
            std::ptr::null_mut()
        };
        let n_names = if arguments.names.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(arguments.names) as usize };
        for i in 0..n_names {
            let name = ffi::PyTuple_GET_ITEM(arguments.names, i as isize);
            let value = *arguments.values.add(arguments.n_positional + i);
            match find_name(unit, name, params.n_positional_only as usize..n_named)? {
                Some(at) if slots[at] == Slot::UNBOUND => slots[at] = slot_of(host, value),
                None if !varkw.is_null() => {
                    if ffi::PyDict_SetItem(varkw, name, value) < 0 {
                        return Err(Mismatch);
                    }
                }
                _ => return Err(Mismatch),
            }
        }

        let defaults = ffi::PyFunction_GetDefaults(function);
        let n_defaults = if defaults.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(defaults) as usize };
        for (i, slot) in slots[..n_positional].iter_mut().enumerate() {
            if *slot == Slot::UNBOUND {
                let Some(at) = (i + n_defaults).checked_sub(n_positional) else { return Err(Mismatch) };
                *slot = slot_of(host, ffi::PyTuple_GET_ITEM(defaults, at as isize));
            }
        }
        let keyword_defaults = ffi::PyFunction_GetKwDefaults(function);
        for (slot, name) in slots.iter_mut().zip(&unit.param_names).take(n_named).skip(n_positional) {
            if *slot == Slot::UNBOUND {
                if keyword_defaults.is_null() {
                    return Err(Mismatch);
                }
                let value = ffi::PyDict_GetItemWithError(keyword_defaults, name.as_ptr());
                if value.is_null() {
                    return Err(Mismatch);
                }
                *slot = slot_of(host, value);
            }
        }
    }
    Ok(())
}

/// The parameter called `name`.
unsafe fn find_name(
    unit: &Unit,
    name: *mut ffi::PyObject,
    among: std::ops::Range<usize>,
) -> Result<Option<usize>, Mismatch> {
    if let Some(at) = among.clone().find(|&i| unit.param_names[i].as_ptr() == name) {
        return Ok(Some(at));
    }
    for i in among {
        // SAFETY: both are live objects.
        match unsafe { ffi::PyObject_RichCompareBool(name, unit.param_names[i].as_ptr(), ffi::Py_EQ) } {
            0 => {}
            1 => return Ok(Some(i)),
            _ => return Err(Mismatch),
        }
    }
    Ok(None)
}
