//! Iterator objects of a running loop, opened for code that enters in the middle of it: what CPython says of them
//! (`__reduce__`) as further entry slots.
//!
//! An iterator that something else refers to is left closed: it would not be seen to advance.
#![allow(unsafe_code, reason = "counts references of objects that slots hold")]

use flashpoint_engine::host::{Host, HostResult};
use flashpoint_engine::opened::Opened;
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_ir::generic::{SlotIdx, SlotKind};
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{EngineHost, EngineUnit, words};

/// Counts at which `enumerate` is left closed: they must not overflow in any time that a loop may take.
const MAX_COUNT: i64 = 1 << 62;

/// Opens the iterators among the live slots of a frame.
pub fn open(
    host: &mut EngineHost,
    unit: &EngineUnit,
    slots: &[Slot],
    live: &[(SlotIdx, SlotType)],
    opened: &mut Opened,
) {
    for (slot, ty) in live {
        let held = &slots[slot.0 as usize];
        if !matches!(ty, SlotType::Opaque(_))
            || held.tag != Tag::Object
            || unit.code.generic().slot_kind(*slot) != SlotKind::Pinned
        {
            continue;
        }
        // SAFETY: a slot of tag `Object` holds a live object; the GIL is held.
        let object = unsafe { Bound::from_borrowed_ptr(host.py, held.a as *mut ffi::PyObject) };
        let mut opening = Opening { host, n_slots: slots.len() as u32, opened, types: Vec::new() };
        // The slot's reference and this one's.
        if let Some(ty) = opening.iterator(&object, 2) {
            let types = opening.types;
            opened.types.push((*slot, ty));
            opened.types.extend(types);
        }
    }
}

struct Opening<'a> {
    host: &'a mut EngineHost,
    n_slots: u32,
    opened: &'a mut Opened,
    types: Vec<(SlotIdx, SlotType)>,
}

impl Opening<'_> {
    /// What an iterator object is made of; `n_refs` are the references to it that are accounted for.
    fn iterator(&mut self, object: &Bound<'static, PyAny>, n_refs: isize) -> Option<SlotType> {
        // SAFETY: a live object; the GIL is held.
        let ty = unsafe {
            if ffi::Py_REFCNT(object.as_ptr()) != n_refs {
                return None;
            }
            ffi::Py_TYPE(object.as_ptr())
        };
        let parts = |object: &Bound<'static, PyAny>| -> PyResult<Bound<'static, PyTuple>> {
            Ok(object.call_method0("__reduce__")?.cast_into::<PyTuple>()?)
        };
        let reduced = || parts(object).ok();
        if ty == &raw mut ffi::PyEnum_Type {
            let arguments = reduced()?.get_item(1).ok()?.cast_into::<PyTuple>().ok()?;
            let count: i64 = arguments.get_item(1).ok()?.extract().ok()?;
            if count >= MAX_COUNT {
                return None;
            }
            // The enumerate object's reference, the tuple's and this one's.
            let inner = arguments.get_item(0).ok()?;
            let inner = self.iterator(&inner, 3)?;
            let inner = self.place_of(inner);
            let count = self.add(Slot::int(count));
            Some(SlotType::EntryEnumerate(inner, count))
        } else if ty == &raw mut ffi::PyZip_Type {
            let reduced = reduced()?;
            let strict = reduced.len() > 2;
            // This tuple is the zip object's own.
            let inners = reduced.get_item(1).ok()?.cast_into::<PyTuple>().ok()?;
            let mut places = Vec::new();
            for inner in inners.iter() {
                let inner = self.iterator(&inner, 2)?;
                places.push(self.place_of(inner));
            }
            Some(SlotType::EntryZip(places, strict))
        } else if ty == &raw mut ffi::PyRangeIter_Type {
            let reduced = reduced()?;
            let range = reduced.get_item(1).ok()?.cast_into::<PyTuple>().ok()?.get_item(0).ok()?;
            let done = match reduced.get_item(2) {
                Ok(index) if !index.is_none() => index.extract::<u64>().ok()?,
                _ => 0,
            };
            let range = Slot::object(range.as_ptr() as u64);
            let mut iter = no_raise(self.host, |host| host.iter(&range))?;
            if iter.tag != Tag::RangeIter || done > iter.b {
                self.host.release(iter);
                return None;
            }
            iter.a = iter.a.wrapping_add(done.wrapping_mul(i64::from(iter.aux as i32) as u64));
            iter.b -= done;
            self.simple(iter, |ty| matches!(ty, SlotType::RangeIter(_)))
        } else if ty == &raw mut ffi::PySeqIter_Type || ty == &raw mut ffi::PyReversed_Type {
            let reduced = reduced()?;
            let sequence = reduced.get_item(1).ok()?.cast_into::<PyTuple>().ok()?.get_item(0).ok()?;
            let index: i64 = reduced.get_item(2).ok()?.extract().ok()?;
            let address = sequence.into_ptr() as u64;
            if ty == &raw mut ffi::PySeqIter_Type {
                return self.simple(Slot::seq_iter(address, index as u64), |ty| matches!(ty, SlotType::SeqIter(_)));
            }
            let array = self.simple(Slot::object(address), |ty| matches!(ty, SlotType::Array(ty, _) if ty.rank > 0))?;
            let array = self.place_of(array);
            let index = self.add(Slot::int(index));
            Some(SlotType::EntryReversed(array, index))
        } else {
            None
        }
    }

    /// A content that is a further entry slot, if its type is one of those that `accept` likes. Takes the reference.
    fn simple(&mut self, slot: Slot, accept: impl Fn(&SlotType) -> bool) -> Option<SlotType> {
        let place = self.add(slot);
        let (_, ty) = self.types.last()?;
        accept(ty).then_some(SlotType::EntryAlias(place))
    }

    /// Adds a further entry slot, and gives its place. Takes the reference.
    fn add(&mut self, slot: Slot) -> u32 {
        let place = self.n_slots + self.opened.beyond.len() as u32;
        self.opened.beyond.push(slot);
        let ty = words::slot_type(self.host, &slot, SlotIdx(place));
        self.types.push((SlotIdx(place), ty));
        place
    }

    /// The place of a content: that of the entry slot itself, or one that stands for it.
    fn place_of(&mut self, ty: SlotType) -> u32 {
        if let SlotType::EntryAlias(place) = ty {
            return place;
        }
        let place = self.n_slots + self.opened.beyond.len() as u32;
        self.opened.beyond.push(Slot::UNBOUND);
        self.types.push((SlotIdx(place), ty));
        place
    }
}

/// What the host gives, or nothing and no exception.
fn no_raise<T>(host: &mut EngineHost, act: impl FnOnce(&mut EngineHost) -> HostResult<T>) -> Option<T> {
    let result = act(host);
    if result.is_err() {
        drop(PyErr::take(host.py));
    }
    result.ok()
}
