//! The inline cache of a function object: what its last calls entered, and how their arguments become machine words.
//!
//! An [`Entry`] tests the arguments' types where they lie and writes their words to the stack; it neither allocates nor
//! takes a lock. A call that fits no entry takes the general way, which makes or renews one. Only plain calls are cached:
//! positional arguments, one for each parameter, of types that travel in a few words.
//!
//! Invariant: the cache is read and written with the GIL held only. A call holds a counted reference of its entry, so that
//! the entry may be replaced while the call runs.
#![allow(unsafe_code, reason = "arguments are addresses")]

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::sync::Arc;

use flashpoint_engine::ready::Ready;
use flashpoint_frontend::lower::EntrySource;
use flashpoint_frontend::lower::types::{ArrayType, Layout, SlotType};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::slot::Slot;
use pyo3::ffi;
use pyo3::prelude::*;

use super::binding::Arguments;
use super::boxed;
use crate::host::convert::{int_of, unbox_borrowed};
use crate::host::numpy::{ArrayHead, NumPy};
use crate::typed::{EngineHost, EngineUnit, engine, engine_host, words};

/// Entries of one function: as many sets of types as calls may alternate between.
const N_ENTRIES: usize = 4;
/// Words of all arguments of a cached call, at most.
const N_WORDS: usize = 48;
/// Arguments of a cached call, at most.
const N_ARGS: usize = 16;

#[derive(Default)]
pub struct Cache {
    /// The most recently made first.
    entries: RefCell<Vec<Rc<Entry>>>,
}

struct Entry {
    numpy: &'static NumPy,
    args: Box<[Arg]>,
    /// Arrays whose words come last.
    more: Box<[(Array, Arg)]>,
    ready: Ready<crate::typed::EngineHost>,
}

/// An array whose words the code wants besides those of the arguments.
#[derive(Clone, Copy)]
enum Array {
    /// No argument.
    Known(*mut ffi::PyObject),
    /// The argument at this place, once more: it is lent to callees.
    Lent(usize),
}

/// What an argument must be, and how it becomes words.
enum Arg {
    Int,
    Float,
    Bool,
    None,
    Complex,
    Scalar(*mut ffi::PyTypeObject, DType),
    /// `is_lent`: the array's address is wanted too, as the version was made for calls in registers.
    Array {
        head: ArrayHead,
        is_strided: bool,
        is_lent: bool,
    },
}

/// Words, written from the first one on.
struct Words {
    words: [MaybeUninit<u64>; N_WORDS],
    n: usize,
}

impl Words {
    #[inline]
    fn push(&mut self, word: u64) {
        // An entry is made only if its words fit.
        self.words[self.n].write(word);
        self.n += 1;
    }

    fn all(&self) -> &[u64] {
        // SAFETY: the first `n` words have been written.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.n) }
    }
}

impl Cache {
    /// Runs a call that fits an entry: an owned reference, or null with an exception pending. `None` if it fits none.
    ///
    /// # Safety
    /// `arguments` are those of a running vectorcall of the function object that owns this.
    #[inline]
    pub unsafe fn call(&self, py: Python<'_>, arguments: Arguments) -> Option<*mut ffi::PyObject> {
        if !arguments.names.is_null() {
            return None;
        }
        let mut words = Words { words: [const { MaybeUninit::uninit() }; N_WORDS], n: 0 };
        let entries = self.entries.borrow();
        for entry in &*entries {
            words.n = 0;
            // SAFETY: by this function's contract.
            if unsafe { entry.fits(arguments, &mut words) } {
                let entry = entry.clone();
                drop(entries);
                // SAFETY: by this function's contract.
                return unsafe { entry.call(py, arguments, &mut words) };
            }
        }
        None
    }

    /// Has calls with such arguments go the short way from now on, if there is one.
    pub fn note(&self, host: &mut EngineHost, unit: &Arc<EngineUnit>, slots: &[Slot]) {
        let Some(entry) = Entry::new(host, unit, slots) else { return };
        let mut entries = self.entries.borrow_mut();
        entries.retain(|old| old.ready.types() != entry.ready.types());
        entries.truncate(N_ENTRIES - 1);
        entries.insert(0, Rc::new(entry));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let entries = self.entries.take();
        drop(entries);
    }
}

impl Entry {
    fn new(host: &mut EngineHost, unit: &Arc<EngineUnit>, slots: &[Slot]) -> Option<Entry> {
        if slots.len() > N_ARGS {
            return None;
        }
        let ready = engine().ready(host, unit, slots)?;
        let mut args = Vec::new();
        for ((_, ty), slot) in ready.types().iter().zip(slots) {
            args.push(Arg::new(host, ty, slot)?);
        }
        // The words of the arguments in order, then those of other arrays.
        let (params, n) = (ready.params(), args.len());
        let in_order = params.len() >= n
            && params[..n].iter().enumerate().all(|(i, param)| param.source == EntrySource::Slot(slot_idx(i)));
        if !in_order {
            return None;
        }
        let mut more = Vec::new();
        for param in &params[n..] {
            let (array, slot) = match param.source {
                EntrySource::Known(object) => {
                    let known = ready.known(object);
                    (Array::Known(known.a as *mut ffi::PyObject), known)
                }
                EntrySource::Lent(slot) => (Array::Lent(slot.idx()), *slots.get(slot.idx())?),
                EntrySource::Slot(_) => return None,
            };
            more.push((array, Arg::new(host, &param.ty, &slot)?));
        }
        let n_words: usize = params.iter().map(|param| param.ty.machine_types().len()).sum();
        let entry = Entry { numpy: host.numpy, args: args.into(), more: more.into(), ready };
        (n_words <= N_WORDS).then_some(entry)
    }

    /// Whether the arguments are what the entry takes; their words, if so.
    #[inline]
    unsafe fn fits(&self, arguments: Arguments, words: &mut Words) -> bool {
        // SAFETY: vectorcall gives this many live arguments.
        let values = unsafe { std::slice::from_raw_parts(arguments.values, arguments.n_positional) };
        values.len() == self.args.len()
            // SAFETY: as above.
            && self.args.iter().zip(values).all(|(arg, value)| unsafe { arg.push(self.numpy, *value, words) })
    }

    #[inline]
    unsafe fn call(&self, py: Python<'_>, arguments: Arguments, words: &mut Words) -> Option<*mut ffi::PyObject> {
        let mut host = engine_host(py, self.numpy);
        if !engine().is_current(&mut host, &self.ready) {
            return None;
        }
        for (array, arg) in &self.more {
            // SAFETY: by this function's contract; there are as many arguments as the entry takes, and a current version's
            // known objects live.
            let fits = unsafe {
                let object = match array {
                    Array::Known(object) => *object,
                    Array::Lent(at) => *arguments.values.add(*at),
                };
                arg.push(self.numpy, object, words)
            };
            if !fits {
                return None;
            }
        }
        // SAFETY: vectorcall gives this many live arguments, whose addresses are words.
        let args = unsafe { std::slice::from_raw_parts(arguments.values.cast(), arguments.n_positional) };
        let result = match engine().enter_ready(&mut host, &self.ready, words.all(), args) {
            Ok(value) => Ok(value),
            Err(unfinished) => {
                let mut slots = [Slot::UNBOUND; N_ARGS];
                let slots = &mut slots[..self.args.len()];
                for (i, slot) in slots.iter_mut().enumerate() {
                    // SAFETY: by this function's contract; the caller holds the arguments for the whole call.
                    *slot = unsafe {
                        let object = *arguments.values.add(i);
                        unbox_borrowed(self.numpy, object).unwrap_or(Slot::object(object as u64))
                    };
                }
                engine().leave_ready(&mut host, &self.ready, unfinished, slots)
            }
        };
        Some(boxed(&mut host, result))
    }
}

fn slot_idx(i: usize) -> flashpoint_ir::generic::SlotIdx {
    flashpoint_ir::generic::SlotIdx(i as u32)
}

impl Arg {
    /// What `slot` is, whose type is `ty`; `None` for what does not travel in a few words.
    fn new(host: &EngineHost, ty: &SlotType, slot: &Slot) -> Option<Arg> {
        Some(match ty {
            SlotType::Int => Arg::Int,
            SlotType::Float => Arg::Float,
            SlotType::Bool => Arg::Bool,
            SlotType::None => Arg::None,
            SlotType::Complex => Arg::Complex,
            SlotType::Numpy(dtype) => Arg::Scalar(host.numpy.scalar_type(*dtype), *dtype),
            SlotType::Array(ArrayType { layout, .. }, owner) => {
                // SAFETY: the slot holds a live array, as its type says.
                let (array, _) = unsafe { host.numpy.plain_array(slot.a as *mut ffi::PyObject) }?;
                let mask = words::layout_mask(*layout);
                Arg::Array {
                    head: host.numpy.head_of(array, mask),
                    is_strided: *layout == Layout::Strided,
                    is_lent: owner.has_object_word(),
                }
            }
            _ => return None,
        })
    }

    /// Appends the words of an argument; false if it is not what it must be.
    ///
    /// # Safety
    /// `object` is a live object; the GIL is held.
    #[inline]
    unsafe fn push(&self, numpy: &NumPy, object: *mut ffi::PyObject, words: &mut Words) -> bool {
        // SAFETY: each object is read as what its exact type says it is.
        unsafe {
            let ty = ffi::Py_TYPE(object);
            match self {
                Arg::Int => {
                    if ty != &raw mut ffi::PyLong_Type {
                        return false;
                    }
                    let Some(value) = int_of(object) else { return false };
                    words.push(value as u64);
                }
                Arg::Float => {
                    if ty != &raw mut ffi::PyFloat_Type {
                        return false;
                    }
                    words.push(ffi::PyFloat_AS_DOUBLE(object).to_bits());
                }
                Arg::Bool => {
                    if ty != &raw mut ffi::PyBool_Type {
                        return false;
                    }
                    words.push(u64::from(object == ffi::Py_True()));
                }
                Arg::None => return object == ffi::Py_None(),
                Arg::Complex => {
                    if ty != &raw mut ffi::PyComplex_Type {
                        return false;
                    }
                    words.push(ffi::PyComplex_RealAsDouble(object).to_bits());
                    words.push(ffi::PyComplex_ImagAsDouble(object).to_bits());
                }
                Arg::Scalar(wanted, dtype) => {
                    if ty != *wanted {
                        return false;
                    }
                    let slot = numpy.read_scalar(object, *dtype);
                    words.push(slot.a);
                    if dtype.is_complex() {
                        words.push(slot.b);
                    }
                }
                Arg::Array { head, is_strided, is_lent } => {
                    let Some(array) = numpy.array_like(object, head) else { return false };
                    words.push(array.data as u64);
                    let n_dims = array.n_dims as usize;
                    // `extents` and `strides` have `n_dims` entries.
                    for axis in 0..n_dims {
                        words.push(*array.extents.add(axis) as u64);
                    }
                    if *is_strided {
                        for axis in 0..n_dims {
                            words.push(*array.strides.add(axis) as u64);
                        }
                    }
                    if *is_lent {
                        words.push(object as u64);
                    }
                }
            }
        }
        true
    }
}
