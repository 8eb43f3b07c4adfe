//! How deep the calls of a thread may nest: Python's recursion limit, and the thread's native stack.
//!
//! Up to 3.11, Python's own counter counts our calls together with Python's. From 3.12 on that counter is out of reach
//! of extensions, so ours are counted here and compared with `sys.getrecursionlimit()`.
#![allow(unsafe_code, reason = "asks the C library and CPython about the thread's stack")]

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use flashpoint_engine::host::{HostResult, Raised};
use pyo3::exceptions::PyRecursionError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// Stack that must be left when a function is entered: enough for CPython's own calls out of it.
const RESERVE: usize = 256 * 1024;
/// What is assumed where the C library does not tell.
const ASSUMED: usize = 1024 * 1024;

thread_local! {
    static LOWEST: Cell<usize> = const { Cell::new(0) };
    static DEPTH: Cell<i32> = const { Cell::new(0) };
}

/// Raises `RecursionError` if there is not enough of the native stack left for a call.
#[inline]
pub fn check(py: Python<'_>) -> HostResult<()> {
    let here = &raw const py as usize;
    if here < lowest_address() { Err(raise(py)) } else { Ok(()) }
}

/// A call begins; raises `RecursionError` if it must not.
#[inline]
pub fn enter(py: Python<'_>) -> HostResult<()> {
    if cfg!(Py_3_12) {
        let depth = DEPTH.get() + 1;
        // SAFETY: the GIL is held.
        if depth > unsafe { ffi::Py_GetRecursionLimit() } {
            return Err(raise(py));
        }
        DEPTH.set(depth);
        return Ok(());
    }
    // SAFETY: the GIL is held.
    if unsafe { ffi::Py_EnterRecursiveCall(c"".as_ptr()) } == 0 { Ok(()) } else { Err(Raised) }
}

/// The thread's counter of calls that may yet be nested, if it is where CPython 3.11 has it. A step of it is then what
/// [`enter`] and [`leave`] do, without calls into CPython.
pub fn calls_left(py: Python<'_>) -> Option<NonNull<c_int>> {
    static IS_THERE: PyOnceLock<bool> = PyOnceLock::new();
    /// The head of `PyThreadState` in 3.11.
    #[repr(C)]
    struct Head {
        links: [*mut c_void; 3],
        flags: [c_int; 2],
        recursion_remaining: c_int,
    }
    if cfg!(Py_3_12) || !cfg!(Py_3_11) {
        return None;
    }
    // SAFETY: the GIL is held, so there is a thread state, larger than the head; it lives as long as the thread.
    let counter = unsafe { &raw mut (*ffi::PyThreadState_Get().cast::<Head>()).recursion_remaining };
    // Seen to count, since a build of CPython may differ.
    let counts = IS_THERE.get_or_init(py, || {
        // SAFETY: as above.
        let before = unsafe { counter.read() };
        if enter(py).is_err() {
            return false;
        }
        // SAFETY: as above.
        let within = unsafe { counter.read() };
        leave();
        // SAFETY: as above.
        before > 1 && within == before - 1 && unsafe { counter.read() } == before
    });
    NonNull::new(counter).filter(|_| *counts)
}

/// Raises `RecursionError`.
#[cold]
pub fn raise(py: Python<'_>) -> Raised {
    PyRecursionError::new_err("maximum recursion depth exceeded").restore(py);
    Raised
}

/// The call begun last ends.
#[inline]
pub fn leave() {
    if cfg!(Py_3_12) {
        DEPTH.set(DEPTH.get() - 1);
    } else {
        // SAFETY: the GIL is held, and `enter` succeeded.
        unsafe { ffi::Py_LeaveRecursiveCall() };
    }
}

/// The lowest address of this thread's stack that may be used.
#[inline]
pub fn lowest_address() -> usize {
    match LOWEST.get() {
        0 => {
            let lowest = find_lowest();
            LOWEST.set(lowest);
            lowest
        }
        lowest => lowest,
    }
}

#[cfg(target_os = "linux")]
fn find_lowest() -> usize {
    let on_stack = 0u8;
    let on_stack = &raw const on_stack as usize;
    // SAFETY: `attributes` is initialised by the first call if that succeeds, and destroyed afterwards.
    unsafe {
        let mut attributes = std::mem::zeroed::<libc::pthread_attr_t>();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return on_stack.saturating_sub(ASSUMED) + RESERVE;
        }
        let (mut lowest, mut size) = (std::ptr::null_mut(), 0);
        let known = libc::pthread_attr_getstack(&attributes, &mut lowest, &mut size) == 0;
        libc::pthread_attr_destroy(&mut attributes);
        if !known {
            return on_stack.saturating_sub(ASSUMED) + RESERVE;
        }
        // Small stacks keep a quarter in reserve.
        lowest as usize + RESERVE.min(size / 4)
    }
}

#[cfg(not(target_os = "linux"))]
fn find_lowest() -> usize {
    let on_stack = 0u8;
    (&raw const on_stack as usize).saturating_sub(ASSUMED / 2)
}
