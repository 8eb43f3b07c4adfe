//! Elements: subscripts and iteration, with the arrays, lists and tuples of numerical code read where they lie.
//!
//! Everything unusual — an index out of range, a foreign byte order, a subclass — goes to CPython, which raises the
//! right exception. Unsafe, because it follows the addresses in slots; see [`super::numpy`].
#![allow(unsafe_code, reason = "reads lists, tuples and arrays where they lie")]

use flashpoint_engine::host::{HostResult, Raised};
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::prelude::*;

use super::convert::{object_of, unbox_borrowed};
use super::numpy::{convert_exactly, read_element, write_element};
use super::{CPythonHost, Objects};

impl CPythonHost<'_> {
    pub(super) fn read_item(&mut self, object: &Slot, index: &Slot) -> HostResult<Slot> {
        if let Some(container) = object_of(object) {
            // SAFETY: slots of tag `Object` hold live objects; the GIL is held.
            if let Some(item) = unsafe { self.item_in_place(container, index) } {
                return Ok(item);
            }
        }
        let mut objects = Objects::new(self);
        objects.push(object)?;
        objects.push(index)?;
        let (at, _) = objects.vectorcall_args();
        // SAFETY: two live objects.
        let item = unsafe { ffi::PyObject_GetItem(*at, *at.add(1)) };
        drop(objects);
        self.owned(item)
    }

    /// `container[index]` without CPython's help; `None` if it wants help.
    ///
    /// # Safety
    /// `container` is a live object; the GIL is held.
    #[inline]
    unsafe fn item_in_place(&self, container: *mut ffi::PyObject, index: &Slot) -> Option<Slot> {
        // SAFETY: each container is read as what its exact type says; indices are compared with its length.
        unsafe {
            if let Some((array, dtype)) = self.numpy.plain_array(container) {
                let at = match index.tag {
                    Tag::Object => array.element(tuple_indices(index.a as *mut ffi::PyObject)?)?,
                    _ => array.element_1d(self::index(index)?)?,
                };
                return Some(read_element(at, dtype));
            }
            if index.tag != Tag::Int {
                return None;
            }
            let item = if ffi::PyList_CheckExact(container) != 0 {
                let at = wrap(index.as_i64(), ffi::PyList_GET_SIZE(container))?;
                ffi::PyList_GET_ITEM(container, at)
            } else if ffi::PyTuple_CheckExact(container) != 0 {
                let at = wrap(index.as_i64(), ffi::PyTuple_GET_SIZE(container))?;
                ffi::PyTuple_GET_ITEM(container, at)
            } else {
                return None;
            };
            Some(self.new_slot(item))
        }
    }

    /// `object[indices]`, an element of an array.
    pub(super) fn read_element_in_place(&mut self, object: &Slot, indices: &[Slot]) -> Option<Slot> {
        // SAFETY: slots of tag `Object` hold live objects; the GIL is held. `element` compares the indices.
        unsafe {
            let (array, dtype) = self.numpy.plain_array(object_of(object)?)?;
            Some(read_element(array.element(indices.iter().map(index))?, dtype))
        }
    }

    /// `object[indices] = value`, an element of an array; `None` if nothing was done.
    pub(super) fn write_element_in_place(&mut self, object: &Slot, indices: &[Slot], value: &Slot) -> Option<()> {
        // SAFETY: as above; only writable memory is written.
        unsafe {
            let (array, dtype) = self.numpy.plain_array(object_of(object)?)?;
            if !array.is_writable() {
                return None;
            }
            let (a, b) = convert_exactly(value, dtype)?;
            write_element(array.element(indices.iter().map(index))?, dtype, a, b);
            Some(())
        }
    }

    pub(super) fn write_item(&mut self, object: &Slot, index: &Slot, value: &Slot) -> HostResult<()> {
        if let Some(container) = object_of(object) {
            // SAFETY: slots of tag `Object` hold live objects; the GIL is held.
            if unsafe { self.set_in_place(container, index, value) }.is_some() {
                return Ok(());
            }
        }
        if self.is_numpy(object) {
            // NumPy may warn about the conversion.
            let done = self.snippet("def f(a, i, x): a[i] = x", &[*object, *index, *value])?;
            debug_assert_eq!(done, Slot::NONE);
            return Ok(());
        }
        let mut objects = Objects::new(self);
        for operand in [object, index, value] {
            objects.push(operand)?;
        }
        let (at, _) = objects.vectorcall_args();
        // SAFETY: three live objects.
        let status = unsafe { ffi::PyObject_SetItem(*at, *at.add(1), *at.add(2)) };
        if status < 0 { Err(Raised) } else { Ok(()) }
    }

    /// # Safety
    /// As for `item_in_place`.
    #[inline]
    unsafe fn set_in_place(&mut self, container: *mut ffi::PyObject, index: &Slot, value: &Slot) -> Option<()> {
        // SAFETY: as for `item_in_place`; only writable memory is written.
        unsafe {
            if let Some((array, dtype)) = self.numpy.plain_array(container) {
                if !array.is_writable() {
                    return None;
                }
                let (a, b) = convert_exactly(value, dtype)?;
                let at = match index.tag {
                    Tag::Object => array.element(tuple_indices(index.a as *mut ffi::PyObject)?)?,
                    _ => array.element_1d(self::index(index)?)?,
                };
                write_element(at, dtype, a, b);
                return Some(());
            }
            if index.tag != Tag::Int || ffi::PyList_CheckExact(container) == 0 {
                return None;
            }
            let at = wrap(index.as_i64(), ffi::PyList_GET_SIZE(container))?;
            let object = super::convert::box_slot(self.py, self.numpy, value);
            if object.is_null() {
                // What was pending comes again when CPython does it.
                ffi::PyErr_Clear();
                return None;
            }
            let old = ffi::PyList_GET_ITEM(container, at);
            ffi::PyList_SET_ITEM(container, at, object);
            ffi::Py_XDECREF(old);
            Some(())
        }
    }

    /// A slot for a borrowed reference.
    ///
    /// # Safety
    /// `object` is a live object; the GIL is held.
    #[inline]
    unsafe fn new_slot(&self, object: *mut ffi::PyObject) -> Slot {
        // SAFETY: by this function's contract.
        unsafe {
            unbox_borrowed(self.numpy, object).unwrap_or_else(|| {
                ffi::Py_INCREF(object);
                Slot::object(object as u64)
            })
        }
    }

    /// `iter(iterable)`
    pub(super) fn new_iterator(&mut self, iterable: &Slot) -> HostResult<Slot> {
        let Some(object) = object_of(iterable) else {
            if matches!(iterable.tag, Tag::RangeIter | Tag::SeqIter) {
                // SAFETY: a slot that owns a reference holds a live object.
                unsafe {
                    ffi::Py_XINCREF(if iterable.owns() {
                        iterable.a as *mut ffi::PyObject
                    } else {
                        std::ptr::null_mut()
                    })
                };
                return Ok(*iterable);
            }
            return self.python_iterator(iterable);
        };
        // SAFETY: a live object, read as what its exact type says.
        unsafe {
            let ty = ffi::Py_TYPE(object);
            let by_position = ffi::PyList_CheckExact(object) != 0
                || ffi::PyTuple_CheckExact(object) != 0
                || self.numpy.plain_array(object).is_some_and(|(array, _)| array.n_dims > 0);
            if by_position {
                ffi::Py_INCREF(object);
                return Ok(Slot::seq_iter(object as u64, 0));
            }
            if ty == &raw mut ffi::PyRange_Type
                && let Some(slot) = self.range_iterator(iterable)
            {
                return Ok(slot);
            }
        }
        self.python_iterator(iterable)
    }

    /// A range whose values fit, as a slot.
    fn range_iterator(&self, range: &Slot) -> Option<Slot> {
        let range = super::convert::to_bound(self.py, self.numpy, range).ok()?;
        let number = |name: &str| range.getattr(name).ok()?.extract::<i64>().ok();
        let (start, stop, step) = (number("start")?, number("stop")?, number("step")?);
        let distance = i128::from(stop) - i128::from(start);
        let n = (distance + i128::from(step) - i128::from(step.signum())) / i128::from(step);
        let n = u64::try_from(n.max(0)).ok()?;
        // Past its end the iterator's next value must still fit.
        i64::try_from(i128::from(start) + i128::from(n) * i128::from(step)).ok()?;
        Some(Slot::range_iter(start, n, i32::try_from(step).ok()?))
    }

    fn python_iterator(&mut self, iterable: &Slot) -> HostResult<Slot> {
        let mut objects = Objects::new(self);
        objects.push(iterable)?;
        let (at, _) = objects.vectorcall_args();
        // SAFETY: a live object.
        let iterator = unsafe { ffi::PyObject_GetIter(*at) };
        drop(objects);
        self.owned(iterator)
    }

    /// The next value of an iterator.
    pub(super) fn advance(&mut self, iterator: &mut Slot) -> HostResult<Option<Slot>> {
        let object = iterator.a as *mut ffi::PyObject;
        if iterator.tag == Tag::Object {
            // SAFETY: a live object that `iter()` gave; `tp_iternext` of its type is not null then.
            let next = unsafe { ffi::PyIter_Next(object) };
            if !next.is_null() {
                return self.owned(next).map(Some);
            }
            return if PyErr::occurred(self.py) { Err(Raised) } else { Ok(None) };
        }
        if object.is_null() {
            return Ok(None);
        }
        let index = iterator.b as isize;
        // SAFETY: a live list, tuple or array (`new_iterator`); the index is compared with its present length.
        let item = unsafe {
            if ffi::PyList_CheckExact(object) != 0 {
                (index < ffi::PyList_GET_SIZE(object)).then(|| self.new_slot(ffi::PyList_GET_ITEM(object, index)))
            } else if ffi::PyTuple_CheckExact(object) != 0 {
                (index < ffi::PyTuple_GET_SIZE(object)).then(|| self.new_slot(ffi::PyTuple_GET_ITEM(object, index)))
            } else {
                match self.numpy.plain_array(object) {
                    Some((array, dtype)) if array.n_dims == 1 => {
                        array.element_1d(index as i64).map(|at| read_element(at, dtype))
                    }
                    Some((array, _)) if array.length().is_some_and(|length| index >= length) => None,
                    _ => Some(self.owned(ffi::PySequence_GetItem(object, index))?),
                }
            }
        };
        if item.is_some() {
            iterator.b += 1;
        } else {
            iterator.a = 0;
            // SAFETY: the slot's own reference, which it no longer names.
            unsafe { ffi::Py_DECREF(object) };
        }
        Ok(item)
    }
}

#[inline]
fn wrap(index: i64, length: isize) -> Option<isize> {
    let index = if index < 0 { index + length as i64 } else { index };
    (0 <= index && index < length as i64).then_some(index as isize)
}

/// The value of an integer of Python or NumPy, if it fits an index.
#[inline]
fn index(slot: &Slot) -> Option<i64> {
    match slot.tag {
        Tag::Int => Some(slot.as_i64()),
        Tag::Numpy if slot.dtype()?.is_signed_int() => Some(slot.as_i64()),
        Tag::Numpy if slot.dtype()?.is_int() => i64::try_from(slot.a).ok(),
        _ => None,
    }
}

/// The indices in an exact tuple.
///
/// # Safety
/// `object` is a live object that outlives the iterator; the GIL is held.
unsafe fn tuple_indices(object: *mut ffi::PyObject) -> Option<impl ExactSizeIterator<Item = Option<i64>>> {
    // SAFETY: by this function's contract; positions are below the tuple's length.
    unsafe {
        if ffi::PyTuple_CheckExact(object) == 0 {
            return None;
        }
        let length = ffi::PyTuple_GET_SIZE(object) as usize;
        Some((0..length).map(move |position| {
            let item = ffi::PyTuple_GET_ITEM(object, position as isize);
            if ffi::PyLong_CheckExact(item) == 0 {
                return None;
            }
            let mut overflow = 0;
            let value = ffi::PyLong_AsLongLongAndOverflow(item, &mut overflow);
            (overflow == 0).then_some(value)
        }))
    }
}
