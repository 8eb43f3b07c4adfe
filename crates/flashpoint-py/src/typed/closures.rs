//! Cells and nested functions of a frame: which of them nobody but the frame can reach.
//!
//! References are counted: a cell belongs to the frame if its references are the frame's slot and the closures of nested
//! functions that belong to the frame; a nested function does if its references are slots of the frame and cells that
//! belong to it. What has one more may be seen by others, and so may all that is reached from it. A function with weak
//! references, or whose closure or keyword-only defaults somebody else holds, is none of the frame's own.
#![allow(unsafe_code, reason = "counts references of objects that slots hold")]

use flashpoint_engine::opened::Opened;
use flashpoint_frontend::lower::types::{EntryFunction, SlotType};
use flashpoint_ir::generic::{NameIdx, NestedIdx, SlotIdx, SlotKind};
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;

use super::{EngineHost, EngineUnit, words};
use crate::host::convert::unbox_borrowed;

type Object = *mut ffi::PyObject;

/// A cell in a slot of the frame.
struct FoundCell {
    slot: u32,
    object: Object,
    /// Null if the cell is empty.
    content: Object,
    is_own: bool,
}

/// A nested function in slots of the frame, or in cells of it.
struct FoundFunction {
    /// Slots of the frame, and contents of cells in them, that hold it.
    places: Vec<u32>,
    object: Object,
    nested: NestedIdx,
    closure: Vec<Object>,
    is_own: bool,
}

/// What of this kind the frame of `unit` with these slots holds, and nobody else can reach.
pub fn closures(host: &mut EngineHost, unit: &EngineUnit, slots: &[Slot]) -> Opened {
    let generic = unit.code.generic();
    let n_slots = slots.len() as u32;
    let mut cells = Vec::new();
    let mut outer = Vec::new();
    let mut functions: Vec<FoundFunction> = Vec::new();
    for (at, slot) in slots.iter().enumerate() {
        let Some(object) = object_in(slot) else { continue };
        // SAFETY: a slot of tag `Object` holds a live object; the GIL is held in this whole module.
        unsafe {
            if generic.slots[at].kind == SlotKind::Free {
                outer.push((at as u32, object));
            } else if generic.slots[at].kind == SlotKind::Cell {
                let content = ffi::PyCell_Get(object);
                // Borrowed from the cell.
                ffi::Py_XDECREF(content);
                cells.push(FoundCell { slot: at as u32, object, content, is_own: true });
                note_function(unit, content, n_slots + at as u32, &mut functions);
            } else {
                note_function(unit, object, at as u32, &mut functions);
            }
        }
    }
    // What captures a cell that is none of the frame's is not looked into.
    functions.retain(|function| {
        let is_known = |object: &Object| {
            cells.iter().any(|cell| cell.object == *object) || outer.iter().any(|(_, outer)| outer == object)
        };
        function.closure.iter().all(is_known)
    });
    settle(&mut cells, &mut functions, n_slots);
    describe(host, unit, n_slots, &cells, &functions, &outer)
}

fn object_in(slot: &Slot) -> Option<Object> {
    (slot.tag == Tag::Object && slot.a != 0).then_some(slot.a as Object)
}

/// Notes that `place` holds a function, if it is one that `unit` defines.
///
/// # Safety
/// `object` is a live object or null; the GIL is held.
unsafe fn note_function(unit: &EngineUnit, object: Object, place: u32, functions: &mut Vec<FoundFunction>) {
    if let Some(known) = functions.iter_mut().find(|known| known.object == object) {
        known.places.push(place);
        return;
    }
    // SAFETY: by this function's contract; the parts of a function are borrowed from it.
    unsafe {
        if object.is_null() || ffi::Py_TYPE(object) != &raw mut ffi::PyFunction_Type {
            return;
        }
        let Some(nested) = unit.function.nested_of(ffi::PyFunction_GetCode(object)) else { return };
        // Through a weak reference others can set what it is made of, through the dictionary they can change a default.
        let named = ffi::PyFunction_GetKwDefaults(object);
        let is_watched = !(*object.cast::<ffi::PyFunctionObject>()).func_weakreflist.is_null();
        if is_watched || (!named.is_null() && ffi::Py_REFCNT(named) != 1) {
            return;
        }
        let mut closure = Vec::new();
        let cells = ffi::PyFunction_GetClosure(object);
        if !cells.is_null() {
            if ffi::Py_REFCNT(cells) != 1 {
                return;
            }
            closure.extend((0..ffi::PyTuple_GET_SIZE(cells)).map(|i| ffi::PyTuple_GET_ITEM(cells, i)));
        }
        functions.push(FoundFunction { places: vec![place], object, nested, closure, is_own: true });
    }
}

/// Takes the mark off what others can reach, until nothing changes.
fn settle(cells: &mut [FoundCell], functions: &mut [FoundFunction], n_slots: u32) {
    loop {
        let mut changed = false;
        for function in functions.iter_mut().filter(|function| function.is_own) {
            let is_held = |place: &&u32| {
                **place < n_slots || cells.iter().any(|cell| cell.is_own && cell.slot + n_slots == **place)
            };
            let n_known = function.places.iter().filter(is_held).count();
            // Cells of functions around this one may be anybody's; those of the frame must be the frame's own.
            let sees_others = cells.iter().any(|cell| !cell.is_own && function.closure.contains(&cell.object));
            // SAFETY: a live object.
            if unsafe { ffi::Py_REFCNT(function.object) } != n_known as isize || sees_others {
                function.is_own = false;
                changed = true;
            }
        }
        for cell in cells.iter_mut().filter(|cell| cell.is_own) {
            let own = functions.iter().filter(|function| function.is_own);
            let n_captured: usize =
                own.map(|function| function.closure.iter().filter(|object| **object == cell.object).count()).sum();
            // SAFETY: a live object.
            if unsafe { ffi::Py_REFCNT(cell.object) } != 1 + n_captured as isize {
                cell.is_own = false;
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Types and values of what is left. `outer` are the frame's variables of enclosing functions.
fn describe(
    host: &mut EngineHost,
    unit: &EngineUnit,
    n_slots: u32,
    cells: &[FoundCell],
    functions: &[FoundFunction],
    outer: &[(u32, Object)],
) -> Opened {
    let py = host.py;
    let mut found = Opened { types: Vec::new(), beyond: vec![Slot::UNBOUND; n_slots as usize] };
    for cell in cells.iter().filter(|cell| cell.is_own) {
        found.types.push((SlotIdx(cell.slot), SlotType::EntryCell));
        if cell.content.is_null() {
            continue;
        }
        // SAFETY: the cell holds its content.
        let slot = unsafe { owned_slot(host, cell.content) };
        found.beyond[cell.slot as usize] = slot;
        if !functions.iter().any(|function| function.is_own && function.object == cell.content) {
            let place = SlotIdx(n_slots + cell.slot);
            let ty = words::slot_type(host, &slot, place);
            found.types.push((place, ty));
        }
    }
    for function in functions.iter().filter(|function| function.is_own) {
        let mut defaults = Vec::new();
        let mut keyword_defaults = Vec::new();
        let mut add = |found: &mut Opened, object: Object| {
            // SAFETY: the function holds its defaults.
            let slot = unsafe { owned_slot(host, object) };
            let place = n_slots + found.beyond.len() as u32;
            found.beyond.push(slot);
            let ty = words::slot_type(host, &slot, SlotIdx(place));
            found.types.push((SlotIdx(place), ty));
            place
        };
        // SAFETY: a live function; its parts are borrowed from it: a tuple and a dictionary, or null. Looking up a text runs
        // no Python code.
        unsafe {
            let values = ffi::PyFunction_GetDefaults(function.object);
            if !values.is_null() {
                for at in 0..ffi::PyTuple_GET_SIZE(values) {
                    defaults.push(add(&mut found, ffi::PyTuple_GET_ITEM(values, at)));
                }
            }
            let named = ffi::PyFunction_GetKwDefaults(function.object);
            for at in (0..unit.code.generic().names.len() as u32).map(NameIdx).filter(|_| !named.is_null()) {
                let value = ffi::PyDict_GetItem(named, unit.function.name(py, at).as_ptr());
                if !value.is_null() {
                    keyword_defaults.push((at, add(&mut found, value)));
                }
            }
        }
        let slot_of = |object: &Object| {
            let own = cells.iter().find(|cell| cell.object == *object).map(|cell| cell.slot);
            own.or_else(|| outer.iter().find(|(_, outer)| outer == object).map(|(slot, _)| *slot))
        };
        let closure = function.closure.iter().filter_map(slot_of).collect();
        let [first, rest @ ..] = &function.places[..] else { continue };
        let ty = EntryFunction { nested: function.nested, closure, defaults, keyword_defaults };
        found.types.push((SlotIdx(*first), SlotType::EntryFunction(Box::new(ty))));
        found.types.extend(rest.iter().map(|place| (SlotIdx(*place), SlotType::EntryAlias(*first))));
    }
    found
}

/// An object as a slot with a reference of its own.
///
/// # Safety
/// `object` is alive; the GIL is held.
unsafe fn owned_slot(host: &EngineHost, object: Object) -> Slot {
    // SAFETY: by this function's contract.
    unsafe {
        unbox_borrowed(host.numpy, object).unwrap_or_else(|| {
            ffi::Py_INCREF(object);
            Slot::object(object as u64)
        })
    }
}
