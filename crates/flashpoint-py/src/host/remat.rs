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
        let make = || -> PyResult<_> {
            let py = self.py;
            let owner = to_bound(py, self.numpy, owner)?;
            if let Some(view) = view_of_root(&owner, dtype, data, extents, strides)? {
                return Ok(view);
            }
            // Through NumPy's array interface, which takes an address and a base that stays alive.
            let interface = PyDict::new(py);
            let read_only = !owner.getattr("flags")?.getattr("writeable")?.extract::<bool>()?;
            interface.set_item("data", (data, read_only))?;
            interface.set_item("shape", PyTuple::new(py, extents)?)?;
            interface.set_item("strides", PyTuple::new(py, strides)?)?;
            interface
                .set_item("typestr", py.import("numpy")?.call_method1("dtype", (dtype.name(),))?.getattr("str")?)?;
            interface.set_item("version", 3)?;
            let namespace = py.import("types")?.getattr("SimpleNamespace")?;
            let kwargs = PyDict::new(py);
            kwargs.set_item("__array_interface__", interface)?;
            kwargs.set_item("owner", owner)?;
            let holder = namespace.call((), Some(&kwargs))?;
            py.import("numpy")?.call_method1("asarray", (holder,))
        };
        raised(self.py, make()).map(|made| from_bound(self.numpy, made))
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
        let make = || -> PyResult<_> {
            let name = match fill {
                ArrayFill::Uninitialised => "empty",
                ArrayFill::Zeros => "zeros",
                ArrayFill::Ones => "ones",
            };
            let order = match order {
                ArrayOrder::C => "C",
                ArrayOrder::Fortran => "F",
            };
            let shape = PyTuple::new(self.py, extents)?;
            self.py.import("numpy")?.call_method1(name, (shape, dtype.name(), order))
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

/// A view whose base is the array that owns the memory, as of any view that NumPy makes; `None` if the memory is not one
/// stretch.
fn view_of_root<'py>(
    owner: &Bound<'py, PyAny>,
    dtype: DType,
    data: u64,
    extents: &[i64],
    strides: &[i64],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = owner.py();
    let array_type = owner.get_type();
    let mut root = owner.clone();
    loop {
        let base = root.getattr("base")?;
        if !base.get_type().is(&array_type) {
            break;
        }
        root = base;
    }
    let flags = root.getattr("flags")?;
    let buffer = match (flags.getattr("c_contiguous")?.extract()?, flags.getattr("f_contiguous")?.extract()?) {
        (true, _) => root.clone(),
        (_, true) => root.getattr("T")?,
        _ => return Ok(None),
    };
    let begin: u64 = root.getattr("__array_interface__")?.get_item("data")?.get_item(0)?.extract()?;
    let kwargs = PyDict::new(py);
    kwargs.set_item("shape", PyTuple::new(py, extents)?)?;
    kwargs.set_item("dtype", dtype.name())?;
    kwargs.set_item("buffer", buffer)?;
    kwargs.set_item("offset", data.wrapping_sub(begin))?;
    kwargs.set_item("strides", PyTuple::new(py, strides)?)?;
    let Ok(view) = array_type.call((), Some(&kwargs)) else { return Ok(None) };
    if !owner.getattr("flags")?.getattr("writeable")?.extract::<bool>()? {
        view.getattr("flags")?.setattr("writeable", false)?;
    }
    Ok(Some(view))
}
