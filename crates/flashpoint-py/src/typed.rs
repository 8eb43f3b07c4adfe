//! CPython as typed code sees it: types of values, machine words, and what may be taken for granted.
//!
//! Reading order: [`words`] (types and words of slots), [`assume`] (what a version takes for granted, and whether it still
//! holds), [`closures`] (cells and nested functions of a frame), [`iterators`] (`enumerate` objects and their like),
//! [`float_errors`] (NumPy's error state), [`known`] (callables whose meaning the lowering knows), [`host_functions`] (functions
//! that code calls by number), [`ufunc`] (NumPy's loops), [`native`] (functions of `math` and `cmath`), [`world`] (the
//! lowering's questions).
#![allow(unsafe_code, reason = "reads Python's objects where they lie")]

mod assume;
mod closures;
mod float_errors;
pub mod host_functions;
mod iterators;
pub mod known;
mod native;
mod ufunc;
pub mod words;
mod world;

use std::sync::{Arc, OnceLock};

use flashpoint_engine::host::Raised;
use flashpoint_engine::opened::Opened;
use flashpoint_engine::python::{HostFunctionStatus, Python as TypedPython};
use flashpoint_engine::run::Engine;
use flashpoint_engine::unit::{CodeCell, Tables, Unit, Version};
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_frontend::lower::{LowerError, Lowered, Request, lower};
use flashpoint_ir::abi::SCRATCH_WORDS;
use flashpoint_ir::generic::{GenericFunction, NestedIdx, SlotIdx};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::prelude::*;

pub use self::assume::Assumptions;
use crate::errors::Diagnostic;
use crate::function;
use crate::host::CPythonHost;
use crate::host::convert::object_of;
use crate::host::data::FunctionData;
use crate::host::exceptions;
use crate::host::numpy::NumPy;
use crate::host::stack;
use crate::unit::own_frame_use;

/// The host as the engine knows it: the token's lifetime is that of the call, which the engine never outlives.
pub type EngineHost = CPythonHost<'static>;
/// A unit of the engine on CPython.
pub type EngineUnit = Unit<EngineHost>;
/// One of its versions.
pub type EngineVersion = Version<EngineHost>;

/// The engine of the process. Its tables hold what belongs to the interpreter, so it is used only with the GIL held; the
/// threads of its own touch none of that.
struct GilBound(Engine<EngineHost>);

// SAFETY: every use goes through `engine`, which callers reach only with the GIL held (they have a host or a token).
unsafe impl Send for GilBound {}
// SAFETY: as above.
unsafe impl Sync for GilBound {}

/// The engine of the process.
pub fn engine() -> &'static Engine<EngineHost> {
    static ENGINE: OnceLock<GilBound> = OnceLock::new();
    &ENGINE.get_or_init(|| GilBound(Engine::new())).0
}

/// A host for the engine, for one call.
#[inline]
pub fn engine_host(_: Python<'_>, numpy: &'static NumPy) -> EngineHost {
    // SAFETY: the caller's token proves that the GIL is held; the host does not outlive the call that makes it.
    CPythonHost::new(unsafe { Python::assume_attached() }, numpy)
}

/// Weak references to these arrays, in a list; null if there are none, `None` if they cannot be made. NumPy does not move the
/// memory of an array to which there is a weak reference: `resize` raises then, also with `refcheck=False`.
///
/// # Safety
/// These are live objects; the GIL is held.
unsafe fn pin(arrays: &[*mut ffi::PyObject]) -> Option<*mut ffi::PyObject> {
    if arrays.is_empty() {
        return Some(std::ptr::null_mut());
    }
    // SAFETY: by this function's contract; the list is this function's own, and steals each reference.
    unsafe {
        let pinned = ffi::PyList_New(arrays.len() as isize);
        for (i, array) in arrays.iter().enumerate().filter(|_| !pinned.is_null()) {
            let weak = ffi::PyWeakref_NewRef(*array, std::ptr::null_mut());
            if weak.is_null() {
                ffi::Py_DECREF(pinned);
                ffi::PyErr_Clear();
                return None;
            }
            ffi::PyList_SET_ITEM(pinned, i as isize, weak);
        }
        if pinned.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        Some(pinned)
    }
}

/// Stack that a compiled call may use, in bytes: more leave to tier 0, which looks at the stack itself.
const COMPILED_FRAME: usize = 512;

impl TypedPython for EngineHost {
    type Assumptions = Assumptions;

    #[inline]
    fn unit_of<R>(&mut self, callee: &Slot, n_args: usize, look: impl FnOnce(&Arc<EngineUnit>) -> R) -> Option<R> {
        let object = object_of(callee)?;
        // SAFETY: a slot of tag `Object` holds a live object; the GIL is held.
        unsafe { function::object::unit_of(self.py, object, n_args, look) }
    }

    fn slot_type(&mut self, slot: &Slot, place: SlotIdx) -> SlotType {
        words::slot_type(self, slot, place)
    }

    #[inline]
    fn has_type(&mut self, slot: &Slot, place: SlotIdx, ty: &SlotType) -> bool {
        words::has_type(self, slot, place, ty)
    }

    fn push_words(&mut self, slot: &Slot, ty: &SlotType, out: &mut Vec<u64>) {
        words::push_words(self, slot, ty, out);
    }

    fn push_array_words(&mut self, array: &Slot, out: &mut Vec<u64>) {
        words::push_array_words(self, array, out);
    }

    fn lower(
        &mut self,
        engine: &Engine<Self>,
        unit: &Arc<Unit<Self>>,
        request: &Request,
        cell: &Arc<CodeCell>,
    ) -> Result<(Lowered, Tables<Self>), LowerError> {
        let mut world = world::CPythonWorld::new(self, engine, unit, request, cell);
        let lowered = lower(request, &mut world);
        let tables = world.into_tables();
        match lowered {
            Ok(lowered) => Ok((lowered, tables)),
            Err(error) => {
                for object in tables.objects {
                    flashpoint_engine::host::Host::release(self, object);
                }
                Err(error)
            }
        }
    }

    #[inline]
    fn assumptions_hold(&mut self, assumptions: &Assumptions) -> bool {
        assumptions.hold(self)
    }

    fn raise_unsupported(&mut self, unit: &Arc<Unit<Self>>, version: &Version<Self>) -> Raised {
        let py = self.py;
        let lowered = &version.lowered;
        let Some(first) = lowered.untyped.iter().find(|u| u.reason == Reason::NoTypedForm) else {
            return Raised;
        };
        // It may stand in a function that is copied into this one.
        let generic = version.unit(unit, first.function).code.generic();
        let span = generic.spans.get(first.pc.0 as usize).copied().unwrap_or_default();
        let signature: Vec<String> = lowered.params.iter().map(|param| param.ty.describe()).collect();
        let diagnostic = Diagnostic {
            reason: Reason::NoTypedForm,
            what: format!("{} has no compiled form", first.what),
            file: generic.filename.clone(),
            function: generic.qualname.clone(),
            span,
            label: format!("compiled for ({})", signature.join(", ")),
        };
        diagnostic.into_unsupported(py).restore(py);
        Raised
    }

    fn take_pending(&mut self) -> Slot {
        exceptions::take_pending(self.py).map_or(Slot::UNBOUND, |error| Slot::object(error.into_ptr() as u64))
    }

    fn restore_pending(&mut self, exception: Slot) {
        if exception.tag != Tag::Object {
            return;
        }
        // SAFETY: the slot owns the reference that `take_pending` gave.
        let value = unsafe { Bound::from_owned_ptr(self.py, exception.a as *mut ffi::PyObject) };
        if !PyErr::occurred(self.py) {
            exceptions::set_pending(value);
        }
    }

    fn ignores_underflow(&mut self) -> bool {
        float_errors::ignores_underflow(self.py)
    }

    fn warnings_raise(&mut self) -> bool {
        float_errors::warnings_raise(self.py).unwrap_or(true)
    }

    fn call_host_function(&mut self, number: u64, words: &mut [u64; SCRATCH_WORDS]) -> HostFunctionStatus {
        host_functions::call(self, number, words)
    }

    fn nested_function(
        &mut self,
        parent: &FunctionData,
        nested: NestedIdx,
        generic: &Arc<GenericFunction>,
    ) -> Option<FunctionData> {
        if own_frame_use(&parent.globals(self.py), generic).ok()?.is_some() {
            return None;
        }
        parent.nested(self.py, nested, generic.clone()).ok()?
    }

    fn open(&mut self, unit: &EngineUnit, slots: &[Slot], live: &[(SlotIdx, SlotType)]) -> Opened {
        let mut opened = if unit.code.generic().nested.is_empty() {
            Opened { types: Vec::new(), beyond: Vec::new() }
        } else {
            closures::closures(self, unit, slots)
        };
        iterators::open(self, unit, slots, live, &mut opened);
        opened.types.sort_by_key(|(slot, _)| *slot);
        opened
    }

    fn is_exact_int(&mut self, slot: &Slot) -> bool {
        // SAFETY: a slot of tag `Object` holds a live object; the GIL is held.
        slot.tag == Tag::Object && unsafe { ffi::PyLong_CheckExact(slot.a as *mut ffi::PyObject) != 0 }
    }

    fn releases_quietly(&mut self, slot: &Slot) -> bool {
        if !slot.owns() {
            return true;
        }
        // SAFETY: what a slot owns is a live object; the GIL is held.
        unsafe {
            let object = slot.a as *mut ffi::PyObject;
            let plain = [
                &raw mut ffi::PyLong_Type,
                &raw mut ffi::PyUnicode_Type,
                &raw mut ffi::PyFloat_Type,
                &raw mut ffi::PyBytes_Type,
            ];
            ffi::Py_REFCNT(object) > 1 || plain.contains(&ffi::Py_TYPE(object))
        }
    }

    fn detach(&mut self, arrays: &[Slot]) {
        if self.detached.is_null() {
            let mut objects = Vec::with_capacity(arrays.len());
            arrays.iter().for_each(|slot| words::push_arrays(self, slot, &mut objects));
            // SAFETY: the GIL is held, and the activation keeps the arrays; this thread touches no object until `attach`.
            unsafe {
                if let Some(pinned) = pin(&objects) {
                    self.pinned = pinned;
                    self.detached = ffi::PyEval_SaveThread();
                }
            }
        }
    }

    #[inline]
    fn attach(&mut self) {
        if !self.detached.is_null() {
            // SAFETY: the state that this thread has given up.
            unsafe { ffi::PyEval_RestoreThread(std::mem::replace(&mut self.detached, std::ptr::null_mut())) };
            // SAFETY: an owned list of weak references without callbacks, or null; the GIL is held again.
            unsafe { ffi::Py_XDECREF(std::mem::replace(&mut self.pinned, std::ptr::null_mut())) };
        }
    }

    fn calls_left(&mut self) -> i32 {
        let here = 0u8;
        let on_stack = (&raw const here as usize).saturating_sub(stack::lowest_address()) / COMPILED_FRAME;
        // SAFETY: the GIL is held.
        let limit = unsafe { ffi::Py_GetRecursionLimit() };
        limit.min(i32::try_from(on_stack).unwrap_or(i32::MAX))
    }
}
