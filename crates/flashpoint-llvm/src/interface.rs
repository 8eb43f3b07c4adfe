//! The exported functions. See `flashpoint_ir::bytes::tier2` for what each promises.
//!
//! Invariant: no panic leaves them. A panic drops what the compilation held; machines kept by the thread are not changed
//! by compiling, so the next request finds them whole.
#![allow(unsafe_code, reason = "the C interface")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use flashpoint_ir::bytes::tier2::{ABI_VERSION, ForeignBytes, STATUS_OK, STATUS_PANIC};

use crate::{compile, machine};

/// Returns the version of this interface.
#[unsafe(no_mangle)]
pub extern "C" fn flashpoint_llvm_abi_version() -> u32 {
    ABI_VERSION
}

/// Names the compiler, the processor and its features.
///
/// # Safety
/// `out` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flashpoint_llvm_identity(out: *mut ForeignBytes) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { answer(out, || machine::identity().into_bytes()) }
}

/// Compiles an encoded request.
///
/// # Safety
/// `len` bytes at `request` can be read, `out` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flashpoint_llvm_compile(request: *const u8, len: usize, out: *mut ForeignBytes) -> u32 {
    // SAFETY: as the caller promises; the bytes are not kept.
    unsafe {
        let request = std::slice::from_raw_parts(request, len);
        answer(out, || compile::compile_bytes(request))
    }
}

/// Frees bytes that this library gave.
///
/// # Safety
/// `bytes` came from a function of this library and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flashpoint_llvm_free(bytes: ForeignBytes) {
    // SAFETY: made from such a vector by `answer`, and given back once.
    drop(unsafe { Vec::from_raw_parts(bytes.ptr, bytes.len, bytes.capacity) });
}

/// Hands the result of `make` to the caller.
///
/// # Safety
/// `out` can be written to.
unsafe fn answer(out: *mut ForeignBytes, make: impl FnOnce() -> Vec<u8>) -> u32 {
    let Ok(bytes) = catch_unwind(AssertUnwindSafe(make)) else { return STATUS_PANIC };
    let mut bytes = std::mem::ManuallyDrop::new(bytes);
    // SAFETY: as the caller promises.
    unsafe { out.write(ForeignBytes { ptr: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity() }) };
    STATUS_OK
}
