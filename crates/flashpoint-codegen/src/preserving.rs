//! A poll that leaves every register as it was.
//!
//! Cranelift keeps a value that lives across a call in one of the registers that callees save, and there is none for floats:
//! for the sake of a call that is made every few milliseconds, a loop's sums would go through memory in every iteration. So
//! tier 1 calls [`poll`] by the convention `preserve_all`, under which the callee saves what it changes. It calls the
//! ordinary [`Helper::Poll`] and leaves the answer in [`Context::poll_answer`], since that convention returns nothing.
//!
//! Unsafe code: two pieces of assembler. They keep the stack aligned to 16 bytes, as both conventions ask, and store and
//! load exactly the registers that the platform's C convention lets a callee change; of vector registers the 128 bits that
//! Cranelift's code uses.
//!
//! [`Helper::Poll`]: flashpoint_ir::typed::Helper::Poll
//! [`Context::poll_answer`]: flashpoint_ir::abi::Context::poll_answer
#![allow(unsafe_code, reason = "assembler")]

use std::arch::naked_asm;

use flashpoint_ir::abi::{Context, helper_index, offset};
use flashpoint_ir::typed::Helper;

/// Calls [`Helper::Poll`] and changes no register but the flags.
///
/// # Safety
/// `ctx` is the context that compiled code was entered with. To be called by the convention `preserve_all`, of which `"C"`
/// is the half that Rust can name.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub unsafe extern "C" fn poll(ctx: *mut Context) {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rdi",
        // Nine words are pushed: one more keeps the stack aligned.
        "sub rsp, 264",
        "movups [rsp], xmm0",
        "movups [rsp + 16], xmm1",
        "movups [rsp + 32], xmm2",
        "movups [rsp + 48], xmm3",
        "movups [rsp + 64], xmm4",
        "movups [rsp + 80], xmm5",
        "movups [rsp + 96], xmm6",
        "movups [rsp + 112], xmm7",
        "movups [rsp + 128], xmm8",
        "movups [rsp + 144], xmm9",
        "movups [rsp + 160], xmm10",
        "movups [rsp + 176], xmm11",
        "movups [rsp + 192], xmm12",
        "movups [rsp + 208], xmm13",
        "movups [rsp + 224], xmm14",
        "movups [rsp + 240], xmm15",
        "mov rax, [rdi + {helpers}]",
        "call [rax + {poll}]",
        "movups xmm0, [rsp]",
        "movups xmm1, [rsp + 16]",
        "movups xmm2, [rsp + 32]",
        "movups xmm3, [rsp + 48]",
        "movups xmm4, [rsp + 64]",
        "movups xmm5, [rsp + 80]",
        "movups xmm6, [rsp + 96]",
        "movups xmm7, [rsp + 112]",
        "movups xmm8, [rsp + 128]",
        "movups xmm9, [rsp + 144]",
        "movups xmm10, [rsp + 160]",
        "movups xmm11, [rsp + 176]",
        "movups xmm12, [rsp + 192]",
        "movups xmm13, [rsp + 208]",
        "movups xmm14, [rsp + 224]",
        "movups xmm15, [rsp + 240]",
        "add rsp, 264",
        "pop rdi",
        "mov [rdi + {answer}], rax",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "pop rbp",
        "ret",
        helpers = const offset::HELPERS,
        poll = const helper_index(Helper::Poll) * 8,
        answer = const offset::POLL_ANSWER,
    )
}

/// Calls [`Helper::Poll`] and changes no register but the flags and the two that belong to calls.
///
/// # Safety
/// As on the other processor.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
pub unsafe extern "C" fn poll(ctx: *mut Context) {
    naked_asm!(
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        "stp x0, x1, [sp, #-16]!",
        "stp x2, x3, [sp, #-16]!",
        "stp x4, x5, [sp, #-16]!",
        "stp x6, x7, [sp, #-16]!",
        "stp x8, x9, [sp, #-16]!",
        "stp x10, x11, [sp, #-16]!",
        "stp x12, x13, [sp, #-16]!",
        "stp x14, x15, [sp, #-16]!",
        "stp x16, x17, [sp, #-16]!",
        "stp q0, q1, [sp, #-32]!",
        "stp q2, q3, [sp, #-32]!",
        "stp q4, q5, [sp, #-32]!",
        "stp q6, q7, [sp, #-32]!",
        // A C callee saves the lower half of q8 to q15 only.
        "stp q8, q9, [sp, #-32]!",
        "stp q10, q11, [sp, #-32]!",
        "stp q12, q13, [sp, #-32]!",
        "stp q14, q15, [sp, #-32]!",
        "stp q16, q17, [sp, #-32]!",
        "stp q18, q19, [sp, #-32]!",
        "stp q20, q21, [sp, #-32]!",
        "stp q22, q23, [sp, #-32]!",
        "stp q24, q25, [sp, #-32]!",
        "stp q26, q27, [sp, #-32]!",
        "stp q28, q29, [sp, #-32]!",
        "stp q30, q31, [sp, #-32]!",
        "ldr x9, [x0, #{helpers}]",
        "ldr x9, [x9, #{poll}]",
        "blr x9",
        // The context lies where x0 was pushed first, below the frame record.
        "ldr x9, [x29, #-16]",
        "str x0, [x9, #{answer}]",
        "ldp q30, q31, [sp], #32",
        "ldp q28, q29, [sp], #32",
        "ldp q26, q27, [sp], #32",
        "ldp q24, q25, [sp], #32",
        "ldp q22, q23, [sp], #32",
        "ldp q20, q21, [sp], #32",
        "ldp q18, q19, [sp], #32",
        "ldp q16, q17, [sp], #32",
        "ldp q14, q15, [sp], #32",
        "ldp q12, q13, [sp], #32",
        "ldp q10, q11, [sp], #32",
        "ldp q8, q9, [sp], #32",
        "ldp q6, q7, [sp], #32",
        "ldp q4, q5, [sp], #32",
        "ldp q2, q3, [sp], #32",
        "ldp q0, q1, [sp], #32",
        "ldp x16, x17, [sp], #16",
        "ldp x14, x15, [sp], #16",
        "ldp x12, x13, [sp], #16",
        "ldp x10, x11, [sp], #16",
        "ldp x8, x9, [sp], #16",
        "ldp x6, x7, [sp], #16",
        "ldp x4, x5, [sp], #16",
        "ldp x2, x3, [sp], #16",
        "ldp x0, x1, [sp], #16",
        "ldp x29, x30, [sp], #16",
        "ret",
        helpers = const offset::HELPERS,
        poll = const helper_index(Helper::Poll) * 8,
        answer = const offset::POLL_ANSWER,
    )
}
