//! What compiled code and the engine agree on: the context, statuses and symbols.
//!
//! A version of a code unit has two symbols. `entry` is called from outside: `extern "C" fn(ctx: *mut Context, args:
//! *const u64) -> u64`, where `args` holds the function's parameters as words (an `i128` takes two words, low first; a
//! float its bits); it calls `inner` and writes the register result, as a word, to [`Context::result`]. `inner` is called
//! between units: `extern "C" fn(ctx, parameters...) -> (result, status: i64)` in the platform's C convention for a
//! two-field struct (just the status if the function has no register result).
//!
//! Statuses: [`STATUS_OK`]; [`STATUS_EXCEPTION`]: a host exception is pending; [`STATUS_EXIT`]` + n`: exit number `n` was
//! taken, its words lie in the exit buffer and [`Context::exit_version`] names the version whose table it is.
//!
//! Compiled code contains no absolute address. Helpers and libm are reached through [`Context::helpers`]; other units
//! through the version's link table, an external symbol named [`LINKS_SYMBOL`] that the loader places near the code: word
//! `i` is the address of the cell that holds the address of the callee's current `inner`.

use std::sync::atomic::AtomicU32;

use crate::slot::Slot;
use crate::typed::{Helper, LibFunc};

/// The call succeeded.
pub const STATUS_OK: u64 = 0;
/// A host exception is pending.
pub const STATUS_EXCEPTION: u64 = 1;
/// Exit `n` is status `STATUS_EXIT + n`.
pub const STATUS_EXIT: u64 = 2;

/// Number of words of the exit buffer; a function that needs more in one snapshot is not compiled.
pub const EXIT_WORDS: usize = 1024;
/// Number of scratch words for arguments of helpers that take arrays.
pub const SCRATCH_WORDS: usize = 64;

/// The link table's symbol.
pub const LINKS_SYMBOL: &str = "flashpoint_links";
/// Suffix of the symbol called from outside.
pub const ENTRY_SUFFIX: &str = ".entry";

/// Per-thread state shared with compiled code. One exists per thread and nesting of host calls does not need another.
#[repr(C)]
#[derive(Debug)]
pub struct Context {
    /// Nonzero asks compiled code to call [`Helper::Poll`] at its next poll.
    pub poll: AtomicU32,
    /// How many more Python-level calls may be nested before RecursionError.
    pub calls_left: i32,
    /// Counts down at every guard of code compiled under `FLASHPOINT_STRESS=deopt:N`; the guard that reaches 0 fails.
    pub stress: i64,
    /// The register result of the last `entry` or of [`Helper::FinishCall`], as a word.
    pub result: u64,
    /// What [`Helper::Poll`] answered to a poll that preserves registers; see [`PRESERVING_POLL`].
    pub poll_answer: u64,
    /// Where exits store their words: [`EXIT_WORDS`] words.
    pub exit_buffer: *mut u64,
    /// Number of the version whose exit was taken.
    pub exit_version: u64,
    /// The generic frame of the running activation.
    pub frame: *mut Slot,
    /// Addresses of helpers and of libm functions; see [`helper_index`] and [`lib_func_index`].
    pub helpers: *const usize,
    /// How many entries from outside are under way on the thread; other threads read it.
    pub inside: AtomicU32,
    /// The engine's own state.
    pub engine: *mut std::ffi::c_void,
    /// A tagged result that does not fit `result`.
    pub result_slot: Slot,
    /// Arguments of helpers that take arrays, operands and results of steps.
    pub scratch: [u64; SCRATCH_WORDS],
}

/// Byte offsets of the fields of [`Context`] that compiled code reads and writes.
#[allow(missing_docs)]
pub mod offset {
    use super::Context;
    use std::mem::offset_of;

    pub const POLL: i32 = offset_of!(Context, poll) as i32;
    pub const CALLS_LEFT: i32 = offset_of!(Context, calls_left) as i32;
    pub const STRESS: i32 = offset_of!(Context, stress) as i32;
    pub const RESULT: i32 = offset_of!(Context, result) as i32;
    pub const POLL_ANSWER: i32 = offset_of!(Context, poll_answer) as i32;
    pub const EXIT_BUFFER: i32 = offset_of!(Context, exit_buffer) as i32;
    pub const EXIT_VERSION: i32 = offset_of!(Context, exit_version) as i32;
    pub const FRAME: i32 = offset_of!(Context, frame) as i32;
    pub const HELPERS: i32 = offset_of!(Context, helpers) as i32;
    pub const RESULT_SLOT: i32 = offset_of!(Context, result_slot) as i32;
    pub const SCRATCH: i32 = offset_of!(Context, scratch) as i32;
}

/// Position of a helper in the table at [`Context::helpers`].
pub const fn helper_index(helper: Helper) -> usize {
    helper as usize
}

/// Position of a libm function in the table at [`Context::helpers`].
pub fn lib_func_index(func: LibFunc) -> usize {
    LIB_FUNC_BASE + func as usize
}

const LIB_FUNC_BASE: usize = 128;
/// Position in the table of a routine that calls [`Helper::Poll`], leaves the answer in [`Context::poll_answer`] and
/// preserves all registers.
pub const PRESERVING_POLL: usize = LIB_FUNC_BASE - 1;
/// Number of words of the table at [`Context::helpers`].
pub const HELPER_TABLE_WORDS: usize = 256;
