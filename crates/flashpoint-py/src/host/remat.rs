//! Objects that compiled code had taken apart, and values in a few words.
#![allow(unsafe_code, reason = "makes views of arrays and describes objects by address")]

use std::ffi::CStr;

use flashpoint_engine::host::{ArrayFill, ArrayOrder, Host, HostResult, Rematerialize};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::convert::{from_bound, to_bound};
use super::{CPythonHost, raised};

impl Rematerialize for CPythonHost<'_> {
    fn make_range(&mut self, start: i64, stop: i64, step: i64) -> HostResult<Slot> {
        let made = self.py.import("builtins").and_then(|b| b.call_method1("range", (start, stop, step)));
        raised(self.py, made).map(|range| from_bound(self.numpy, range))
    }

    fn make_iterator(&mut self, iterator: &Slot) -> HostResult<Slot> {
        let made = to_bound(self.py, self.numpy, iterator);
        raised(self.py, made).map(|made| from_bound(self.numpy, made))
    }

    fn make_enumerate(&mut self, count: i64, iterator: &Slot) -> HostResult<Slot> {
        let make = || -> PyResult<_> {
            let iterator = to_bound(self.py, self.numpy, iterator)?;
            self.py.import("builtins")?.call_method1("enumerate", (iterator, count))
        };
        raised(self.py, make()).map(|made| from_bound(self.numpy, made))
    }

    fn make_zip(&mut self, iterators: &[Slot], strict: bool) -> HostResult<Slot> {
        let make = || -> PyResult<_> {
            let iterators = self.tuple(iterators)?;
            let kwargs = PyDict::new(self.py);
            if strict {
                kwargs.set_item("strict", true)?;
            }
            self.py.import("builtins")?.getattr("zip")?.call(iterators, Some(&kwargs))
        };
        raised(self.py, make()).map(|made| from_bound(self.numpy, made))
    }

    fn make_view(
        &mut self,
        owner: &Slot,
        dtype: DType,
        data: u64,
        extents: &[i64],
        strides: &[i64],
    ) -> HostResult<Slot> {
        // SAFETY: the owner is an exact array, of whose memory the view is a part: compiled code made it so.
        let view =
            unsafe { self.numpy.new_view(owner.a as *mut ffi::PyObject, dtype, data as *mut u8, extents, strides) };
        self.owned(view)
    }

    fn fill_cell(&mut self, cell: &Slot, content: &Slot) {
        if content.tag != Tag::Unbound {
            return self.store_cell(cell, content);
        }
        // SAFETY: the slot holds a cell; the GIL is held.
        unsafe { ffi::PyCell_Set(cell.a as *mut ffi::PyObject, std::ptr::null_mut()) };
    }

    fn get_attr_named(&mut self, object: &Slot, name: &str) -> HostResult<Slot> {
        let value = to_bound(self.py, self.numpy, object).and_then(|object| object.getattr(name));
        raised(self.py, value).map(|value| from_bound(self.numpy, value))
    }

    fn new_array(&mut self, dtype: DType, extents: &[i64], fill: ArrayFill, order: ArrayOrder) -> HostResult<Slot> {
        let is_fortran = order == ArrayOrder::Fortran;
        if fill != ArrayFill::Ones {
            let made = self.numpy.new_array(self.py, dtype, extents, fill == ArrayFill::Zeros, is_fortran);
            return self.owned(made);
        }
        let make = || -> PyResult<_> {
            let shape = PyTuple::new(self.py, extents)?;
            let order = if is_fortran { "F" } else { "C" };
            self.py.import("numpy")?.call_method1("ones", (shape, dtype.name(), order))
        };
        raised(self.py, make()).map(|made| from_bound(self.numpy, made))
    }
}

/// The slot's value in a few words; runs no Python code.
pub(super) fn describe(host: &CPythonHost<'_>, slot: &Slot) -> String {
    match slot.tag {
        Tag::Unbound => "nothing".to_owned(),
        Tag::None => "None".to_owned(),
        Tag::Bool => format!("bool {}", if slot.a != 0 { "True" } else { "False" }),
        Tag::Int | Tag::Int128 => format!("int {}", slot.as_i128()),
        Tag::Float => format!("float {:?}", slot.as_f64()),
        Tag::Complex => format!("complex ({:?}, {:?})", slot.as_f64(), f64::from_bits(slot.b)),
        Tag::Numpy => slot.dtype().map_or("?", DType::name).to_owned(),
        Tag::RangeIter => format!("range iterator, {} left", slot.b),
        Tag::SeqIter => "sequence iterator".to_owned(),
        Tag::Object => {
            let object = slot.a as *mut ffi::PyObject;
            // SAFETY: a live object; the name of its type is a C string that lives as long as the type.
            unsafe {
                if let Some((array, dtype)) = host.numpy.plain_array(object) {
                    return format!("ndarray {} {}-d", dtype.name(), array.n_dims);
                }
                CStr::from_ptr((*ffi::Py_TYPE(object)).tp_name).to_string_lossy().into_owned()
            }
        }
    }
}
