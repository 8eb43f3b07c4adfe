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
const MAX_ITEMS: usize = 16;
/// Words of a tuple, nested ones included: each is a parameter of every block where the tuple lives.
const MAX_TUPLE_WORDS: usize = 64;
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
    // SAFETY: the slot holds a live object; the GIL is held.
    unsafe {
        match tuple_items(object) {
            Some(items) if items.len() > MAX_ITEMS => SlotType::Opaque(place.0),
            Some(items) => tuple_type(host, items, place),
            None if is_numeric(host, object) => SlotType::Untyped(place.0),
            None => SlotType::Opaque(place.0),
        }
    }
}

/// The type of a tuple of these items. An array in it brings its own address along ([`Owner::Lent`]): it lives as long as
/// the tuple, which whoever enters keeps.
///
/// # Safety
/// The items are live objects; the GIL is held.
unsafe fn tuple_type(host: &mut EngineHost, items: &[*mut ffi::PyObject], place: SlotIdx) -> SlotType {
    let mut types = Vec::with_capacity(items.len());
    let mut is_typed = true;
    for item in items {
        // SAFETY: by this function's contract.
        let item = unsafe { item_slot(host, *item) };
        match slot_type(host, &item, place) {
            SlotType::Array(ty, _) => types.push(SlotType::Array(ty, Owner::Lent)),
            SlotType::Opaque(_) => return SlotType::Opaque(place.0),
            SlotType::Untyped(_) => is_typed = false,
            ty => types.push(ty),
        }
    }
    let ty = SlotType::Tuple(types);
    if is_typed && ty.machine_types().len() <= MAX_TUPLE_WORDS { ty } else { SlotType::Untyped(place.0) }
}

/// The items of an exact tuple, borrowed from it.
///
/// # Safety
/// `object` is a live object, which outlives the items; the GIL is held.
unsafe fn tuple_items<'a>(object: *mut ffi::PyObject) -> Option<&'a [*mut ffi::PyObject]> {
    // SAFETY: by this function's contract; an exact tuple has `ob_size` items, and they never change.
    unsafe {
        if ffi::PyTuple_CheckExact(object) == 0 {
            return None;
        }
        let items = &raw const (*object.cast::<ffi::PyTupleObject>()).ob_item;
        Some(std::slice::from_raw_parts(items.cast(), ffi::PyTuple_GET_SIZE(object) as usize))
    }
}

/// The slot of a tuple's item, borrowed.
///
/// # Safety
/// `item` is a live object; the GIL is held.
#[inline]
unsafe fn item_slot(host: &EngineHost, item: *mut ffi::PyObject) -> Slot {
    // SAFETY: by this function's contract.
    unsafe { unbox_borrowed(host.numpy, item).unwrap_or(Slot::object(item as u64)) }
}

/// The arrays that a slot holds, or those in its tuple, nested ones included.
pub fn push_arrays(host: &EngineHost, slot: &Slot, out: &mut Vec<*mut ffi::PyObject>) {
    if !matches!(slot.tag, Tag::Object | Tag::SeqIter) {
        return;
    }
    let object = slot.a as *mut ffi::PyObject;
    // SAFETY: such a slot holds a live object, or its iterator's; the GIL is held.
    unsafe {
        match tuple_items(object) {
            Some(items) => items.iter().for_each(|item| push_arrays(host, &item_slot(host, *item), out)),
            None if array_type(host, slot.a).is_some() => out.push(object),
            None => {}
        }
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
        // An exit would make a new object of it.
        (SlotType::Array(_, Owner::ViewOfLent), _) => false,
        // Of an iterator over an array, that array may be lent.
        (SlotType::Array(wanted, _), Tag::Object | Tag::SeqIter) => array_type(host, slot.a).as_ref() == Some(wanted),
        (SlotType::Tuple(types), Tag::Object) => {
            // SAFETY: the slot holds a live object, and a tuple its items; the GIL is held.
            unsafe {
                tuple_items(slot.a as *mut ffi::PyObject).is_some_and(|items| {
                    items.len() == types.len()
                        && items.iter().zip(types).all(|(item, ty)| has_type(host, &item_slot(host, *item), place, ty))
                })
            }
        }
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
        SlotType::Tuple(types) => {
            // SAFETY: the slot holds a live tuple of as many items, as its type says; the GIL is held.
            unsafe {
                let items = tuple_items(slot.a as *mut ffi::PyObject).unwrap_or_default();
                for (item, ty) in items.iter().zip(types) {
                    push_words(host, &item_slot(host, *item), ty, out);
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
