//! Calls of Python objects, from which a thread may never come back.
//!
//! While the interpreter is taken down, CPython up to 3.13 ends a thread that waits for the GIL by unwinding its stack
//! (`pthread_exit`). Rust's frames must not be unwound by others: where one holds something, the process is aborted, or
//! references are given up without the GIL. So the unwinding ends here, in the innermost of our frames, where the thread
//! waits for the process to end, as CPython itself has it do from 3.14 on. PyO3 does the same where it takes the GIL.
//! What comes from its other calls, as when a function is prepared, ends in the outermost frame (`function::object`), if it
//! gets there.
#![allow(unsafe_code, reason = "calls CPython")]

use pyo3::ffi;

unsafe extern "C-unwind" {
    /// As in `pyo3::ffi`, but known to unwind.
    fn PyObject_Vectorcall(
        callable: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        n_flagged: usize,
        names: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// Runs `inner`; a thread whose stack is unwound from below it by others than Rust waits here for the process to end.
#[inline]
pub fn staying<R>(inner: impl FnOnce() -> R) -> R {
    struct Wait;
    impl Drop for Wait {
        fn drop(&mut self) {
            while !std::thread::panicking() {
                std::thread::park();
            }
        }
    }
    let wait = Wait;
    let result = inner();
    std::mem::forget(wait);
    result
}

/// `PyObject_Vectorcall`: an owned reference, or null with an exception pending.
///
/// # Safety
/// The GIL is held; `callable`, the arguments and `names` (or null) are live objects, `n_flagged` says how many.
#[inline]
pub unsafe fn vectorcall(
    callable: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    n_flagged: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: by this function's contract.
    staying(|| unsafe { PyObject_Vectorcall(callable, args, n_flagged, names) })
}
