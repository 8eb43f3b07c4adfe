//! CPython as the engine's [`Host`].
//!
//! Reading order: [`convert`] (slots ↔ objects), [`numpy`] (scalars and arrays where they lie), [`data`] (what is kept per
//! function), [`globals`] (names), [`snippet`] and [`calls`] (calls out, with a frame where one can be seen), [`quick`] (calls that need none), [`items`], [`exceptions`],
//! [`operators`] (which implements the trait), [`remat`].
//!
//! A host belongs to one call from outside: it holds the GIL's token, and which functions run inside that call. Compiled
//! loops give the GIL up (`detach`) and use nothing of the host until they have it again.
#![allow(unsafe_code, reason = "frames are recorded by address")]

mod arith;
mod array_api;
mod calls;
pub mod convert;
pub mod data;
pub mod exceptions;
pub mod globals;
mod items;
pub mod numpy;
mod operators;
mod protocols;
mod quick;
mod remat;
mod snippet;
pub mod stack;
pub mod vectorcall;

use std::ffi::c_int;
use std::ptr::NonNull;

use flashpoint_engine::host::{HostResult, Raised};
use flashpoint_ir::generic::Pc;
use flashpoint_ir::slot::Slot;
use pyo3::ffi;
use pyo3::prelude::*;

use self::convert::box_slot;
use self::data::FunctionData;
use self::numpy::NumPy;

/// The running thread's Python.
pub struct CPythonHost<'py> {
    pub py: Python<'py>,
    pub numpy: &'static NumPy,
    /// The running frame: its function and position. Null outside of any.
    frame: (*const FunctionData, Pc),
    /// The frames around it.
    callers: Vec<(*const FunctionData, Pc)>,
    /// The thread's counter of calls that may yet be nested, once it was asked for; see [`stack::calls_left`].
    calls_left: Option<NonNull<c_int>>,
    /// The thread's state while the thread does without the GIL; else null.
    pub detached: *mut ffi::PyThreadState,
    /// Weak references to the arrays that the thread uses meanwhile: a list, or null. Owned.
    pub pinned: *mut ffi::PyObject,
}

impl<'py> CPythonHost<'py> {
    #[inline]
    pub fn new(py: Python<'py>, numpy: &'static NumPy) -> Self {
        CPythonHost {
            py,
            numpy,
            frame: (std::ptr::null(), Pc(0)),
            callers: Vec::new(),
            calls_left: None,
            detached: std::ptr::null_mut(),
            pinned: std::ptr::null_mut(),
        }
    }

    /// The function of the running frame. The engine keeps it alive from `enter_frame` to `leave_frame`.
    fn running(&self) -> Option<&'py FunctionData> {
        // SAFETY: set by `enter_frame` from a reference that the engine holds until `leave_frame`, which resets it.
        unsafe { self.frame.0.as_ref() }
    }

    fn position(&self) -> Pc {
        self.frame.1
    }

    #[inline]
    fn push_frame(&mut self, function: &FunctionData) {
        if !self.frame.0.is_null() {
            self.callers.push(self.frame);
        }
        self.frame = (function, Pc(0));
    }

    /// Counts a call that begins in an interpreter loop; raises `RecursionError` if it must not.
    #[inline(always)]
    fn count_call(&mut self) -> HostResult<()> {
        if let Some(counter) = self.calls_left {
            // SAFETY: the thread's own, and this is the thread.
            let left = unsafe { counter.read() };
            if left > 0 {
                // SAFETY: as above.
                unsafe { counter.write(left - 1) };
                return Ok(());
            }
        }
        self.count_call_by_python()
    }

    #[cold]
    #[inline(never)]
    fn count_call_by_python(&mut self) -> HostResult<()> {
        self.calls_left = stack::calls_left(self.py);
        stack::enter(self.py)
    }

    /// A call ends that [`Self::count_call`] has counted.
    #[inline(always)]
    fn uncount_call(&mut self) {
        match self.calls_left {
            // SAFETY: as above.
            Some(counter) => unsafe { counter.write(counter.read() + 1) },
            None => stack::leave(),
        }
    }

    #[inline]
    fn pop_frame(&mut self) {
        self.frame = self.callers.pop().unwrap_or((std::ptr::null(), Pc(0)));
    }
}

/// Makes the exception of a failed step pending.
pub fn raised<T>(py: Python<'_>, result: PyResult<T>) -> HostResult<T> {
    result.map_err(|error| {
        error.restore(py);
        Raised
    })
}

const N_INLINE: usize = 8;

/// Arguments of one call: owned references, in an array with a free entry before the first one (vectorcall's offset).
pub struct Objects<'py> {
    py: Python<'py>,
    numpy: &'static NumPy,
    inline: [*mut ffi::PyObject; N_INLINE + 1],
    n_inline: usize,
    spilled: Vec<*mut ffi::PyObject>,
}

impl<'py> Objects<'py> {
    #[inline]
    pub fn new(host: &CPythonHost<'py>) -> Self {
        let inline = [std::ptr::null_mut(); N_INLINE + 1];
        Objects { py: host.py, numpy: host.numpy, inline, n_inline: 0, spilled: Vec::new() }
    }

    #[inline]
    pub fn push(&mut self, slot: &Slot) -> HostResult<()> {
        let object = box_slot(self.py, self.numpy, slot);
        if object.is_null() {
            return Err(Raised);
        }
        if self.spilled.is_empty() && self.n_inline < N_INLINE {
            self.n_inline += 1;
            self.inline[self.n_inline] = object;
        } else {
            if self.spilled.is_empty() {
                self.spilled.extend_from_slice(&self.inline[..=self.n_inline]);
                self.n_inline = 0;
            }
            self.spilled.push(object);
        }
        Ok(())
    }

    /// What `PyObject_Vectorcall` takes: the address of the first argument, and their number with the offset flag.
    pub fn vectorcall_args(&mut self) -> (*const *mut ffi::PyObject, usize) {
        let all: &mut [_] =
            if self.spilled.is_empty() { &mut self.inline[..=self.n_inline] } else { &mut self.spilled };
        let n = all.len() - 1;
        // SAFETY: there is at least the free entry.
        (unsafe { all.as_mut_ptr().add(1) }, n | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET)
    }
}

impl Drop for Objects<'_> {
    fn drop(&mut self) {
        let inline = &self.inline[1..=self.n_inline];
        let spilled = self.spilled.get(1..).unwrap_or_default();
        for &object in inline.iter().chain(spilled) {
            // SAFETY: owned references, given up once; the GIL is held (`py`).
            unsafe { ffi::Py_DECREF(object) };
        }
    }
}
