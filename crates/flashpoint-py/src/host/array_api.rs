//! New arrays and views, by NumPy's C interface.
//!
//! The table of functions is the one that `import_array()` gives to extensions written in C. Which function stands where in
//! it is part of NumPy's stable ABI (`__multiarray_api.h`), the same in versions 1 and 2.
//!
//! Unsafe, because it calls through addresses. Each function is called as the header declares it, with the GIL held.
#![allow(unsafe_code, reason = "calls NumPy's C functions")]

use std::ffi::{c_int, c_void};

use flashpoint_ir::dtype::DType;
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::numpy::{ArrayFields, NumPy, WRITEABLE};

/// NumPy's sizes are words of the machine; ours are of 64 bits.
const _: () = assert!(size_of::<isize>() == size_of::<i64>());

type DescrFromType = unsafe extern "C" fn(c_int) -> *mut ffi::PyObject;
type NewFromDescr = unsafe extern "C" fn(
    *mut ffi::PyTypeObject,
    *mut ffi::PyObject,
    c_int,
    *const i64,
    *const i64,
    *mut c_void,
    c_int,
    *mut ffi::PyObject,
) -> *mut ffi::PyObject;
type SetBaseObject = unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> c_int;
type New = unsafe extern "C" fn(c_int, *const i64, *mut ffi::PyObject, c_int) -> *mut ffi::PyObject;

/// The functions that are used.
pub struct ArrayApi {
    descr_from_type: DescrFromType,
    new_from_descr: NewFromDescr,
    set_base_object: SetBaseObject,
    zeros: New,
    empty: New,
}

impl ArrayApi {
    /// Looks the functions up.
    pub fn look_up(py: Python<'_>) -> PyResult<ArrayApi> {
        // Its place before version 2.
        let module =
            py.import("numpy._core._multiarray_umath").or_else(|_| py.import("numpy.core._multiarray_umath"))?;
        let capsule = module.getattr("_ARRAY_API")?.cast_into::<PyCapsule>()?;
        let table = capsule.pointer_checked(None)?.cast::<*const c_void>().as_ptr();
        // SAFETY: the table has more than 282 entries since NumPy 1.7 and is never freed; the types are those of the header.
        let api = unsafe {
            if [45, 94, 183, 184, 282].iter().any(|&at| (*table.add(at)).is_null()) {
                return Err(PySystemError::new_err("flashpoint: NumPy's C interface lacks a function"));
            }
            ArrayApi {
                descr_from_type: std::mem::transmute::<*const c_void, DescrFromType>(*table.add(45)),
                new_from_descr: std::mem::transmute::<*const c_void, NewFromDescr>(*table.add(94)),
                zeros: std::mem::transmute::<*const c_void, New>(*table.add(183)),
                empty: std::mem::transmute::<*const c_void, New>(*table.add(184)),
                set_base_object: std::mem::transmute::<*const c_void, SetBaseObject>(*table.add(282)),
            }
        };
        Ok(api)
    }
}

impl NumPy {
    /// A view of memory that `owner` keeps alive, as writable as `owner` is; its base is the array that owns the memory, as
    /// of any view that NumPy makes. An owned reference, or null with an exception pending.
    ///
    /// # Safety
    /// `owner` is a live, exact array, of whose memory the view is a part; the GIL is held.
    pub unsafe fn new_view(
        &self,
        owner: *mut ffi::PyObject,
        dtype: DType,
        data: *mut u8,
        extents: &[i64],
        strides: &[i64],
    ) -> *mut ffi::PyObject {
        let (n_dims, api) = (extents.len() as c_int, &self.api);
        // SAFETY: by this function's contract. `new_from_descr` takes over the descriptor's reference, `set_base_object` that
        // of the owner, also where they fail.
        unsafe {
            let descr = (api.descr_from_type)(self.type_num(dtype));
            if descr.is_null() {
                return descr;
            }
            let flags = (*owner.cast::<ArrayFields>()).flags & WRITEABLE;
            let view = (api.new_from_descr)(
                self.array_type,
                descr,
                n_dims,
                extents.as_ptr(),
                strides.as_ptr(),
                data.cast(),
                flags,
                std::ptr::null_mut(),
            );
            if view.is_null() {
                return view;
            }
            ffi::Py_INCREF(owner);
            if (api.set_base_object)(view, owner) < 0 {
                ffi::Py_DECREF(view);
                return std::ptr::null_mut();
            }
            view
        }
    }

    /// What `numpy.zeros` or `numpy.empty` gives: an owned reference, or null with an exception pending.
    pub fn new_array(
        &self,
        _py: Python<'_>,
        dtype: DType,
        extents: &[i64],
        is_zeroed: bool,
        is_fortran: bool,
    ) -> *mut ffi::PyObject {
        let new = if is_zeroed { self.api.zeros } else { self.api.empty };
        // SAFETY: the GIL is held; `new` takes over the descriptor's reference and checks the extents.
        unsafe {
            let descr = (self.api.descr_from_type)(self.type_num(dtype));
            if descr.is_null() {
                return descr;
            }
            new(extents.len() as c_int, extents.as_ptr(), descr, c_int::from(is_fortran))
        }
    }
}
