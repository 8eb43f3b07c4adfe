//! Types and machine words of slots.

use flashpoint_engine::words::{plain_type, push_plain_words};
use flashpoint_frontend::lower::types::{ArrayType, Layout, Owner, SlotType};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;

use super::EngineHost;
use crate::host::convert::unbox_borrowed;
use crate::host::numpy::ArrayFields;

/// Axes of an array that typed code looks into.
pub const MAX_RANK: i32 = 8;
/// Items of a tuple that typed code looks into.
const MAX_ITEMS: isize = 16;
/// `NPY_ARRAY_C_CONTIGUOUS`, `NPY_ARRAY_F_CONTIGUOUS`.
const C_CONTIGUOUS: i32 = 1;
const F_CONTIGUOUS: i32 = 2;

/// The flags that tell arrays of this layout from others.
pub fn layout_mask(layout: Layout) -> i32 {
    if layout == Layout::C { C_CONTIGUOUS } else { C_CONTIGUOUS | F_CONTIGUOUS }
}

/// The type of a slot's content.
pub fn slot_type(host: &mut EngineHost, slot: &Slot, place: SlotIdx) -> SlotType {
    if let Some(ty) = plain_type(slot, place) {
        return ty;
    }
    match slot.tag {
        Tag::Numpy => match slot.dtype() {
            Some(dtype) if dtype != DType::BF16 => SlotType::Numpy(dtype),
            _ => SlotType::Untyped(place.0),
        },
        Tag::SeqIter => match array_type(host, slot.a) {
            Some(ty) if ty.rank > 0 => SlotType::SeqIter(Box::new(SlotType::Array(ty, Owner::Entry(place.0)))),
            _ => SlotType::Opaque(place.0),
        },
        _ => object_type(host, slot.a, place),
    }
}

fn object_type(host: &mut EngineHost, address: u64, place: SlotIdx) -> SlotType {
    if let Some(ty) = array_type(host, address) {
        return SlotType::Array(ty, Owner::Entry(place.0));
    }
    let object = address as *mut ffi::PyObject;
    // SAFETY: the slot holds a live object; an exact tuple has `ob_size` items. The GIL is held.
    unsafe {
        if ffi::Py_TYPE(object) == &raw mut ffi::PyTuple_Type {
            let n = ffi::PyTuple_GET_SIZE(object);
            if n > MAX_ITEMS {
                return SlotType::Opaque(place.0);
            }
            let items: Vec<SlotType> = (0..n)
                .map(|i| match unbox_borrowed(host.numpy, ffi::PyTuple_GET_ITEM(object, i)) {
                    Some(item) => slot_type(host, &item, place),
                    // Arrays inside a tuple would need an owner of their own; nested tuples are looked into.
                    None => match object_type(host, ffi::PyTuple_GET_ITEM(object, i) as u64, place) {
                        inner @ (SlotType::Tuple(_) | SlotType::Untyped(_)) => inner,
                        SlotType::Array(..) => SlotType::Untyped(place.0),
                        _ => SlotType::Opaque(place.0),
                    },
                })
                .collect();
            if items.iter().any(|item| matches!(item, SlotType::Opaque(_))) {
                return SlotType::Opaque(place.0);
            }
            let untyped = items.iter().any(|item| matches!(item, SlotType::Untyped(_)));
            return if untyped { SlotType::Untyped(place.0) } else { SlotType::Tuple(items) };
        }
        if is_numeric(host, object) { SlotType::Untyped(place.0) } else { SlotType::Opaque(place.0) }
    }
}

/// Whether an object is what numerical code works with, though not in typed form: an integer of any size, an array of
/// unusual memory, a scalar without machine type, a function or class.
///
/// # Safety
/// `object` is a live object; the GIL is held.
pub unsafe fn is_numeric(host: &EngineHost, object: *mut ffi::PyObject) -> bool {
    // SAFETY: by this function's contract.
    unsafe {
        ffi::Py_TYPE(object) == &raw mut ffi::PyLong_Type
            || host.numpy.is_numpy(object)
            || ffi::PyCallable_Check(object) != 0
    }
}

/// The type of an array whose elements typed code may touch.
fn array_type(host: &EngineHost, address: u64) -> Option<ArrayType> {
    if address == 0 {
        return None;
    }
    // SAFETY: the slot holds a live object, used only under the GIL here.
    let (fields, dtype) = unsafe { host.numpy.plain_array(address as *mut ffi::PyObject) }?;
    if fields.n_dims > MAX_RANK || fields.n_dims < 0 {
        return None;
    }
    let layout = if fields.flags & C_CONTIGUOUS != 0 {
        Layout::C
    } else if fields.flags & F_CONTIGUOUS != 0 {
        Layout::F
    } else {
        Layout::Strided
    };
    Some(ArrayType { dtype, rank: fields.n_dims as u8, layout, writable: fields.is_writable() })
}

/// Whether [`slot_type`] gives this type; the common cases without making one.
#[inline]
pub fn has_type(host: &mut EngineHost, slot: &Slot, place: SlotIdx, ty: &SlotType) -> bool {
    match (ty, slot.tag) {
        (SlotType::Int, tag) => tag == Tag::Int,
        (SlotType::Float, tag) => tag == Tag::Float,
        (SlotType::Bool, tag) => tag == Tag::Bool,
        (SlotType::Numpy(dtype), Tag::Numpy) => slot.aux == *dtype as u32,
        (SlotType::Array(wanted, Owner::Entry(owner)), Tag::Object) => {
            *owner == place.0 && array_type(host, slot.a).as_ref() == Some(wanted)
        }
        // Of an iterator over an array, that array may be lent.
        (SlotType::Array(wanted, _), Tag::Object | Tag::SeqIter) => array_type(host, slot.a).as_ref() == Some(wanted),
        _ => slot_type(host, slot, place) == *ty,
    }
}

/// Appends the words of a content of type `ty`, which it has.
pub fn push_words(host: &mut EngineHost, slot: &Slot, ty: &SlotType, out: &mut Vec<u64>) {
    if push_plain_words(slot, ty, out) {
        return;
    }
    match ty {
        SlotType::Numpy(dtype) => {
            out.push(slot.a);
            if dtype.is_complex() {
                out.push(slot.b);
            }
        }
        SlotType::Array(array, owner) => {
            push_array(host, slot.a, *array, out);
            if owner.has_object_word() {
                out.push(slot.a);
            }
        }
        SlotType::SeqIter(inner) => {
            if let SlotType::Array(array, _) = **inner {
                push_array(host, slot.a, array, out);
            }
            out.push(slot.b);
        }
        SlotType::Tuple(items) => {
            let object = slot.a as *mut ffi::PyObject;
            for (i, item) in items.iter().enumerate() {
                // SAFETY: the slot holds a live tuple of as many items, as its type says.
                unsafe {
                    let value = ffi::PyTuple_GET_ITEM(object, i as isize);
                    let inner = unbox_borrowed(host.numpy, value).unwrap_or(Slot::object(value as u64));
                    push_words(host, &inner, item, out);
                }
            }
        }
        _ => {}
    }
}

fn push_array(host: &EngineHost, address: u64, ty: ArrayType, out: &mut Vec<u64>) {
    // SAFETY: the slot holds a live array of this type.
    let Some((fields, _)) = (unsafe { host.numpy.plain_array(address as *mut ffi::PyObject) }) else { return };
    push_fields(fields, out);
    if ty.layout == Layout::Strided {
        for axis in 0..fields.n_dims as usize {
            // SAFETY: `strides` has `n_dims` entries.
            out.push(unsafe { *fields.strides.add(axis) } as u64);
        }
    }
}

fn push_fields(fields: &ArrayFields, out: &mut Vec<u64>) {
    out.push(fields.data as u64);
    for axis in 0..fields.n_dims as usize {
        // SAFETY: `extents` has `n_dims` entries.
        out.push(unsafe { *fields.extents.add(axis) } as u64);
    }
}

/// Appends data pointer and extents of an array.
pub fn push_array_words(host: &EngineHost, array: &Slot, out: &mut Vec<u64>) {
    // SAFETY: the slot holds a live object.
    if let Some((fields, _)) = unsafe { host.numpy.plain_array(array.a as *mut ffi::PyObject) } {
        push_fields(fields, out);
    }
}

/// Whether an object is an array of this type.
pub fn has_layout(host: &EngineHost, address: u64, ty: ArrayType) -> bool {
    array_type(host, address) == Some(ty)
}

/// The type of an array object that a version knows.
pub fn known_array(host: &EngineHost, address: u64) -> Option<ArrayType> {
    array_type(host, address)
}
