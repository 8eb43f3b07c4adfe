//! Slots ↔ Python objects.
//!
//! Unsafe, because a slot holds an object's address. The engine's contract (`flashpoint_engine::host`) makes it good: the
//! address in a slot of tag `Object` or `SeqIter` came from this host and owns a reference, or is borrowed from one
//! that does.
#![allow(unsafe_code, reason = "slots hold addresses of Python objects")]

use flashpoint_ir::slot::{Slot, Tag};
use pyo3::exceptions::{PyMemoryError, PySystemError};
use pyo3::ffi;
use pyo3::prelude::*;

use super::numpy::NumPy;

/// The object's slot in canonical form. Takes the reference.
///
/// # Safety
/// `object` is an owned reference; the GIL is held.
#[inline]
pub unsafe fn unbox_owned(numpy: &NumPy, object: *mut ffi::PyObject) -> Slot {
    // SAFETY: by this function's contract.
    unsafe {
        match unbox_borrowed(numpy, object) {
            Some(slot) => {
                ffi::Py_DECREF(object);
                slot
            }
            None => Slot::object(object as u64),
        }
    }
}

/// The object's slot if it needs no reference.
///
/// # Safety
/// `object` is a live object; the GIL is held.
#[inline]
pub unsafe fn unbox_borrowed(numpy: &NumPy, object: *mut ffi::PyObject) -> Option<Slot> {
    // SAFETY: each object is read as what its exact type says it is.
    unsafe {
        let ty = ffi::Py_TYPE(object);
        if ty == &raw mut ffi::PyFloat_Type {
            return Some(Slot::float(ffi::PyFloat_AS_DOUBLE(object)));
        }
        if ty == &raw mut ffi::PyLong_Type {
            return int_of(object).map(Slot::int);
        }
        if ty == &raw mut ffi::PyBool_Type {
            return Some(Slot::bool(object == ffi::Py_True()));
        }
        if object == ffi::Py_None() {
            return Some(Slot::NONE);
        }
        if ty == &raw mut ffi::PyComplex_Type {
            return Some(Slot::complex(ffi::PyComplex_RealAsDouble(object), ffi::PyComplex_ImagAsDouble(object)));
        }
        if ty == numpy.array_type {
            return None;
        }
        numpy.scalar_dtype(ty).map(|dtype| numpy.read_scalar(object, dtype))
    }
}

/// The value of an integer, if it fits 64 bits.
///
/// # Safety
/// `object` is a live exact `int`; the GIL is held.
#[inline]
pub unsafe fn int_of(object: *mut ffi::PyObject) -> Option<i64> {
    // SAFETY: by this function's contract. Up to Python 3.11 an integer is a header, the number of its 30-bit digits with
    // the integer's sign, and the digits.
    #[cfg(not(Py_3_12))]
    unsafe {
        let n_digits = (*object.cast::<ffi::PyVarObject>()).ob_size;
        let digits = object.cast::<u8>().add(size_of::<ffi::PyVarObject>()).cast::<u32>();
        if n_digits.unsigned_abs() <= 1 {
            return Some(n_digits as i64 * i64::from(*digits));
        }
        if n_digits.unsigned_abs() == 2 {
            let magnitude = i64::from(*digits) | i64::from(*digits.add(1)) << 30;
            return Some(if n_digits < 0 { -magnitude } else { magnitude });
        }
    }
    let mut overflow = 0;
    // SAFETY: by this function's contract; no exception, because it is an integer.
    let value = unsafe { ffi::PyLong_AsLongLongAndOverflow(object, &mut overflow) };
    (overflow == 0).then_some(value)
}

/// A new reference of the slot's object; null with an exception pending if there is no memory. Iterators of tag
/// `RangeIter` become range iterators, `SeqIter` iterators of the sequence.
pub fn box_slot(py: Python<'_>, numpy: &NumPy, slot: &Slot) -> *mut ffi::PyObject {
    // SAFETY: the GIL is held; addresses in slots are live objects.
    unsafe {
        match slot.tag {
            Tag::Object => {
                let object = slot.a as *mut ffi::PyObject;
                ffi::Py_INCREF(object);
                object
            }
            Tag::Int => ffi::PyLong_FromLongLong(slot.as_i64()),
            Tag::Float => ffi::PyFloat_FromDouble(slot.as_f64()),
            Tag::None => owned_singleton(ffi::Py_None()),
            Tag::Bool => owned_singleton(if slot.a != 0 { ffi::Py_True() } else { ffi::Py_False() }),
            Tag::Complex => ffi::PyComplex_FromDoubles(slot.as_f64(), f64::from_bits(slot.b)),
            Tag::Numpy => match slot.dtype() {
                Some(dtype) => numpy.new_scalar(py, dtype, slot),
                None => std::ptr::null_mut(),
            },
            Tag::Int128 => into_ptr(py, slot.as_i128().into_pyobject(py).map(Bound::into_any).map_err(PyErr::from)),
            Tag::RangeIter => into_ptr(py, range_iterator(py, slot)),
            Tag::SeqIter => into_ptr(py, sequence_iterator(py, slot)),
            Tag::Unbound => {
                PySystemError::new_err("flashpoint: an unbound slot was read").restore(py);
                std::ptr::null_mut()
            }
        }
    }
}

/// As [`box_slot`], for code that uses PyO3's types.
pub fn to_bound<'py>(py: Python<'py>, numpy: &NumPy, slot: &Slot) -> PyResult<Bound<'py, PyAny>> {
    let object = box_slot(py, numpy, slot);
    if object.is_null() && !PyErr::occurred(py) {
        return Err(PyMemoryError::new_err(()));
    }
    // SAFETY: `object` is null with an exception pending, or an owned reference.
    unsafe { Bound::from_owned_ptr_or_err(py, object) }
}

/// The slot of `object`, whose reference it takes.
pub fn from_bound(numpy: &NumPy, object: Bound<'_, PyAny>) -> Slot {
    // SAFETY: `into_ptr` gives an owned reference; a `Bound` proves that the GIL is held.
    unsafe { unbox_owned(numpy, object.into_ptr()) }
}

/// A borrowed view of the object in a slot of tag `Object`.
pub fn object_of(slot: &Slot) -> Option<*mut ffi::PyObject> {
    (slot.tag == Tag::Object).then_some(slot.a as *mut ffi::PyObject)
}

unsafe fn owned_singleton(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: singletons live as long as the interpreter.
    unsafe { ffi::Py_INCREF(object) };
    object
}

fn into_ptr(py: Python<'_>, result: PyResult<Bound<'_, PyAny>>) -> *mut ffi::PyObject {
    match result {
        Ok(object) => object.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}

fn range_iterator<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Bound<'py, PyAny>> {
    let (next, step) = (i128::from(slot.as_i64()), i128::from(slot.aux as i32));
    let step = if step == 0 { 1 } else { step };
    let stop = next + step * i128::from(slot.b);
    py.import("builtins")?.call_method1("range", (next, stop, step))?.try_iter().map(|iter| iter.into_any())
}

fn sequence_iterator<'py>(py: Python<'py>, slot: &Slot) -> PyResult<Bound<'py, PyAny>> {
    if slot.a == 0 {
        return Ok(pyo3::types::PyTuple::empty(py).try_iter()?.into_any());
    }
    // SAFETY: the slot owns a reference of its sequence.
    let sequence = unsafe { Bound::from_borrowed_ptr(py, slot.a as *mut ffi::PyObject) };
    let iterator = sequence.try_iter()?;
    iterator.call_method1("__setstate__", (slot.b,))?;
    Ok(iterator.into_any())
}
