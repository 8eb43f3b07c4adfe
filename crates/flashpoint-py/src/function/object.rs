//! The type `flashpoint.Function`, made by hand: PyO3's classes have no vectorcall, and a call must not allocate.
//!
//! An object is a C struct ([`FunctionObject`]): header, vectorcall pointer, the Python function, `__dict__`, weak
//! references, and a box with the Rust side. Invariants: `py_func` and `state` are set by [`new`] before anybody sees the
//! object; `py_func` becomes null only in `tp_clear`, when nobody can call it any more; everything that can be part of a
//! reference cycle is visited by `tp_traverse` (the Rust side borrows from `py_func`, see `host::data`).
#![allow(unsafe_code, reason = "implements a type with the C API")]

use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ptr;
use std::sync::Arc;

use flashpoint_ir::slot::Tag;
use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use super::binding::Arguments;
use super::{FunctionState, call};
use crate::host::vectorcall::staying;
use crate::typed::EngineUnit;

#[repr(C)]
struct FunctionObject {
    head: ffi::PyObject,
    vectorcall: Option<ffi::vectorcallfunc>,
    py_func: *mut ffi::PyObject,
    dict: *mut ffi::PyObject,
    weak_references: *mut ffi::PyObject,
    state: *mut FunctionState,
}

static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The type object.
pub fn function_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    TYPE.get_or_try_init(py, || make_type(py)).map(|ty| ty.bind(py))
}

/// Whether `object` is a `flashpoint.Function`.
///
/// # Safety
/// `object` is a live object; the GIL is held.
#[inline]
pub unsafe fn is_function(py: Python<'_>, object: *mut ffi::PyObject) -> bool {
    // SAFETY: by this function's contract.
    TYPE.get(py).is_some_and(|ty| unsafe { ffi::Py_TYPE(object) }.cast() == ty.as_ptr())
}

/// A new function object around `py_func`.
pub fn new<'py>(py_func: &Bound<'py, PyAny>, state: FunctionState) -> PyResult<Bound<'py, PyAny>> {
    let py = py_func.py();
    let ty = function_type(py)?;
    // SAFETY: the type is a heap type with `GC`, so that `PyType_GenericAlloc` gives zeroed, tracked memory for the struct
    // and takes a reference of the type. The garbage collector copes with null fields until they are set.
    unsafe {
        let object = ffi::PyType_GenericAlloc(ty.as_ptr().cast(), 0);
        let bound = Bound::from_owned_ptr_or_err(py, object)?;
        let this = object.cast::<FunctionObject>();
        (*this).state = Box::into_raw(Box::new(state));
        (*this).py_func = py_func.clone().into_ptr();
        (*this).dict = PyDict::new(py).into_any().into_ptr();
        (*this).vectorcall = Some(vectorcall);
        Ok(bound)
    }
}

/// The Rust side of a function object, and its Python function.
pub fn parts<'a, 'py>(object: &'a Bound<'py, PyAny>) -> PyResult<(&'a FunctionState, Bound<'py, PyAny>)> {
    // SAFETY: a live object; of our exact type it is a `FunctionObject`, whose state lives as long as the object.
    unsafe {
        if !is_function(object.py(), object.as_ptr()) {
            return Err(PyTypeError::new_err("expected a flashpoint.Function"));
        }
        let this = object.as_ptr().cast::<FunctionObject>();
        if (*this).py_func.is_null() {
            return Err(PySystemError::new_err("flashpoint: the function was cleared by the garbage collector"));
        }
        Ok((&*(*this).state, Bound::from_borrowed_ptr(object.py(), (*this).py_func)))
    }
}

/// Shows the unit of a `flashpoint.Function` for a call with positional arguments only that fills its parameters exactly.
///
/// # Safety
/// `object` is a live object; the GIL is held.
#[inline]
pub unsafe fn unit_of<R>(
    py: Python<'_>,
    object: *mut ffi::PyObject,
    n_args: usize,
    look: impl FnOnce(&Arc<EngineUnit>) -> R,
) -> Option<R> {
    // SAFETY: by this function's contract; an object of our type is a `FunctionObject`, cleared or with a Python function.
    unsafe {
        if !is_function(py, object) {
            return None;
        }
        let this = &*object.cast::<FunctionObject>();
        if this.py_func.is_null() {
            return None;
        }
        (*this.state).unit_of(ffi::PyFunction_GET_CODE(this.py_func), n_args, look)
    }
}

unsafe extern "C" fn vectorcall(
    callable: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    n_flagged: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with the GIL held, for an object of our type that the caller keeps alive.
    unsafe {
        let py = Python::assume_attached();
        let this = callable.cast::<FunctionObject>();
        let (state, py_func) = ((*this).state, (*this).py_func);
        let n_positional = ffi::PyVectorcall_NARGS(n_flagged) as usize;
        let arguments = Arguments { values, n_positional, names };
        let run = || staying(|| call(py, &*state, py_func, arguments));
        // No panic may cross into C.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|_| {
            PySystemError::new_err("flashpoint: internal error; please report it").restore(py);
            ptr::null_mut()
        })
    }
}

unsafe extern "C" fn traverse(object: *mut ffi::PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: the garbage collector calls this for an object of our type; null fields are skipped.
    unsafe {
        let this = object.cast::<FunctionObject>();
        for field in [ffi::Py_TYPE(object).cast(), (*this).py_func, (*this).dict] {
            if !field.is_null() {
                let status = visit(field, arg);
                if status != 0 {
                    return status;
                }
            }
        }
        let mut status = 0;
        if let Some(state) = (*this).state.as_ref() {
            state.visit_objects(|slot| {
                if slot.tag == Tag::Object {
                    status = visit(slot.a as *mut ffi::PyObject, arg);
                }
                status == 0
            });
        }
        status
    }
}

unsafe extern "C" fn clear(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: as for `traverse`; each reference is given up once.
    unsafe {
        let this = object.cast::<FunctionObject>();
        if let Some(state) = (*this).state.as_ref() {
            state.clear();
        }
        let py_func = std::mem::replace(&mut (*this).py_func, ptr::null_mut());
        let dict = std::mem::replace(&mut (*this).dict, ptr::null_mut());
        ffi::Py_XDECREF(py_func);
        ffi::Py_XDECREF(dict);
        0
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: the last reference is gone. The state is dropped before what it borrows from.
    unsafe {
        ffi::PyObject_GC_UnTrack(object.cast());
        let this = object.cast::<FunctionObject>();
        if !(*this).weak_references.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        let state = std::mem::replace(&mut (*this).state, ptr::null_mut());
        if !state.is_null() {
            drop(Box::from_raw(state));
        }
        clear(object);
        let ty = ffi::Py_TYPE(object);
        ffi::PyObject_GC_Del(object.cast());
        ffi::Py_DECREF(ty.cast());
    }
}

unsafe extern "C" fn descr_get(
    function: *mut ffi::PyObject,
    instance: *mut ffi::PyObject,
    _owner: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython gives live objects, or null for no instance.
    unsafe {
        if instance.is_null() || instance == ffi::Py_None() {
            ffi::Py_INCREF(function);
            return function;
        }
        PyMethod_New(function, instance)
    }
}

unsafe extern "C" fn repr(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: a live object of our type; the GIL is held.
    unsafe {
        let py = Python::assume_attached();
        let object = Bound::from_borrowed_ptr(py, object);
        let text = parts(&object).and_then(|(_, py_func)| {
            let name = py_func.getattr("__qualname__")?;
            Ok(pyo3::types::PyString::new(py, &format!("<flashpoint.Function {name}>")))
        });
        match text {
            Ok(text) => text.into_ptr(),
            Err(error) => {
                error.restore(py);
                ptr::null_mut()
            }
        }
    }
}

/// A table that CPython keeps pointers into for ever.
fn leak<T>(table: Vec<T>) -> *mut c_void {
    Box::leak(table.into_boxed_slice()).as_mut_ptr().cast()
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyType>> {
    let member = |name: &'static std::ffi::CStr, offset: usize| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        offset: offset as ffi::Py_ssize_t,
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    let members = vec![
        member(c"__vectorcalloffset__", offset_of!(FunctionObject, vectorcall)),
        member(c"__dictoffset__", offset_of!(FunctionObject, dict)),
        member(c"__weaklistoffset__", offset_of!(FunctionObject, weak_references)),
        ffi::PyMemberDef::default(),
    ];
    let getset = vec![
        ffi::PyGetSetDef {
            name: c"__dict__".as_ptr(),
            get: Some(ffi::PyObject_GenericGetDict),
            set: Some(ffi::PyObject_GenericSetDict),
            doc: ptr::null(),
            closure: ptr::null_mut(),
        },
        ffi::PyGetSetDef::default(),
    ];
    let doc = c"A compiled Python function; made by `flashpoint.njit`.";
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_doc, doc.as_ptr().cast_mut().cast()),
        slot(ffi::Py_tp_members, leak(members)),
        slot(ffi::Py_tp_getset, leak(getset)),
        slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_descr_get, descr_get as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_HAVE_GC
        | ffi::Py_TPFLAGS_HAVE_VECTORCALL
        | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR
        | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    let mut spec = ffi::PyType_Spec {
        name: c"flashpoint.Function".as_ptr(),
        basicsize: size_of::<FunctionObject>() as c_int,
        itemsize: 0,
        flags: flags as std::ffi::c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the specification and its tables are well-formed and end with a null entry; names and tables live for ever.
    let ty = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&mut spec))? };
    let ty = ty.cast_into::<PyType>()?;
    super::attach_methods(&ty)?;
    Ok(ty.unbind())
}

/// A Python-visible method made from a built-in function, which by itself does not bind `self`.
pub fn instance_method<'py>(function: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: a live object; the result is owned or null.
    unsafe { Bound::from_owned_ptr_or_err(function.py(), PyInstanceMethod_New(function.as_ptr())) }
}

// Not declared by pyo3-ffi.
unsafe extern "C" {
    fn PyMethod_New(function: *mut ffi::PyObject, instance: *mut ffi::PyObject) -> *mut ffi::PyObject;
    fn PyInstanceMethod_New(function: *mut ffi::PyObject) -> *mut ffi::PyObject;
}
