//! A small machine to run compiled code on, for tests of several crates: all back ends, a context, plain helpers.
//!
//! Unsafe code: [`Machine::enter`] calls what a back end made.
#![allow(unsafe_code, reason = "compiled functions are called, and pass raw pointers to their helpers")]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

use flashpoint_ir::abi::{
    Context, EXIT_WORDS, HELPER_TABLE_WORDS, PRESERVING_POLL, SCRATCH_WORDS, STATUS_EXIT, STATUS_OK, helper_index,
    lib_func_index,
};
use flashpoint_ir::eval::{EvalValue, Outcome};
use flashpoint_ir::slot::Slot;
use flashpoint_ir::typed::{Helper, LibFunc, SnapshotId, TypedFunction};

use crate::{Backend, Cranelift, Llvm, LoadedCode, Loader};

/// The number every test loads its code as.
pub const VERSION: u64 = 0x1234_5678_9abc;

/// All back ends of this build: every test body runs on each.
///
/// # Panics
/// If there is no Cranelift, or no tier-2 library where `FLASHPOINT_TIER2` says.
pub fn backends() -> &'static [Box<dyn Backend>] {
    static BACKENDS: OnceLock<Vec<Box<dyn Backend>>> = OnceLock::new();
    BACKENDS.get_or_init(|| {
        let cranelift = || Cranelift::new().expect("code for this machine");
        let mut backends: Vec<Box<dyn Backend>> =
            vec![Box::new(cranelift()), Box::new(cranelift().optimising_up_to(0))];
        backends.extend(llvm());
        backends
    })
}

/// Tier 2, if its library has been built: the one `FLASHPOINT_TIER2` names, or the one beside this test's own binary,
/// which lies in target/release/deps.
fn llvm() -> Option<Box<dyn Backend>> {
    let path = std::env::var_os("FLASHPOINT_TIER2").map(PathBuf::from).or_else(|| {
        let target = std::env::current_exe().ok()?.parent()?.parent()?.to_path_buf();
        Some(target.join("libflashpoint_llvm.so"))
    })?;
    let llvm = Llvm::new(path);
    match llvm.open() {
        Ok(()) => Some(Box::new(llvm)),
        Err(error) => {
            assert!(std::env::var_os("FLASHPOINT_TIER2").is_none(), "{error}");
            eprintln!("without tier 2: {error}");
            None
        }
    }
}

/// The loader of all tests.
pub fn loader() -> &'static Loader {
    static LOADER: OnceLock<Loader> = OnceLock::new();
    LOADER.get_or_init(|| Loader::new(1 << 30))
}

/// A context with its exit buffer.
#[derive(Debug)]
pub struct Machine {
    /// The context. Its first scratch word says at which call [`Helper::Poll`] says to leave: 1 is the next.
    pub ctx: Box<Context>,
    exits: Box<[u64; EXIT_WORDS]>,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine::new()
    }
}

impl Machine {
    /// A machine on which nothing has run.
    pub fn new() -> Machine {
        let mut exits = Box::new([0xdead_beef; EXIT_WORDS]);
        let ctx = Box::new(Context {
            poll: AtomicU32::new(0),
            calls_left: 1000,
            stress: 0,
            result: 0,
            poll_answer: 0,
            exit_buffer: exits.as_mut_ptr(),
            exit_version: 0,
            frame: std::ptr::null_mut(),
            helpers: helper_table().as_ptr(),
            inside: AtomicU32::new(0),
            engine: std::ptr::null_mut(),
            result_slot: Slot::UNBOUND,
            scratch: [0; SCRATCH_WORDS],
        });
        Machine { ctx, exits }
    }

    /// Calls the entry of `code`: the status.
    ///
    /// # Safety
    /// `args` are as many words as the function takes; the memory they point to is as the function wants it; what the code
    /// is linked to is alive.
    pub unsafe fn enter(&mut self, code: &LoadedCode, args: &[u64]) -> u64 {
        // SAFETY: `entry` is the address of a function of this type (the loader's promise), alive while `code` is borrowed.
        // The rest is this function's contract.
        unsafe {
            let entry: extern "C" fn(*mut Context, *const u64) -> u64 = std::mem::transmute(code.entry());
            entry(&mut *self.ctx, args.as_ptr())
        }
    }

    /// The words of the last exit.
    pub fn exit_words(&self, count: usize) -> &[u64] {
        &self.exits[..count]
    }

    /// What the run that gave `status` did, in the evaluator's terms. `func` is the function as it was compiled.
    ///
    /// # Panics
    /// If the code broke its contract: an unknown status, the number of other code, words that are not zero-extended.
    pub fn outcome(&self, func: &TypedFunction, status: u64) -> Outcome {
        if status == STATUS_OK {
            return Outcome::Returned(func.result.map(|ty| EvalValue::from_words(ty, &[self.ctx.result])));
        }
        assert!(status >= STATUS_EXIT, "status {status}");
        assert_eq!(self.ctx.exit_version, VERSION, "the exit names the version it belongs to");
        let number = SnapshotId((status - STATUS_EXIT) as u32);
        let mut at = 0;
        let mut values = Vec::new();
        for value in func.snapshots[number.index()].values() {
            let ty = func.value_types[value.index()];
            let words = &self.exits[at..at + ty.exit_words()];
            values.push(EvalValue::from_words(ty, words));
            assert_eq!(values[values.len() - 1].words(), words, "{value} of {ty} in {number}");
            at += ty.exit_words();
        }
        Outcome::Exit { number, values }
    }
}

extern "C" fn poll(ctx: *mut Context) -> i64 {
    // SAFETY: compiled code passes the context it was called with.
    let ctx = unsafe { &mut *ctx };
    ctx.scratch[0] = ctx.scratch[0].wrapping_sub(1);
    change_registers();
    i64::from(ctx.scratch[0] == 0)
}

/// Changes all registers that a C function may change.
#[cfg(target_arch = "x86_64")]
fn change_registers() {
    // SAFETY: the registers are named as changed.
    unsafe {
        std::arch::asm!(
            "mov rax, -1",
            "mov rcx, rax",
            "mov rdx, rax",
            "mov rsi, rax",
            "mov rdi, rax",
            "mov r8, rax",
            "mov r9, rax",
            "mov r10, rax",
            "mov r11, rax",
            "pcmpeqd xmm0, xmm0",
            "pcmpeqd xmm1, xmm1",
            "pcmpeqd xmm2, xmm2",
            "pcmpeqd xmm3, xmm3",
            "pcmpeqd xmm4, xmm4",
            "pcmpeqd xmm5, xmm5",
            "pcmpeqd xmm6, xmm6",
            "pcmpeqd xmm7, xmm7",
            "pcmpeqd xmm8, xmm8",
            "pcmpeqd xmm9, xmm9",
            "pcmpeqd xmm10, xmm10",
            "pcmpeqd xmm11, xmm11",
            "pcmpeqd xmm12, xmm12",
            "pcmpeqd xmm13, xmm13",
            "pcmpeqd xmm14, xmm14",
            "pcmpeqd xmm15, xmm15",
            clobber_abi("C"),
        );
    }
}

/// Changes all registers that a C function may change.
#[cfg(target_arch = "aarch64")]
fn change_registers() {
    // SAFETY: the registers are named as changed.
    unsafe {
        std::arch::asm!(
            "mov x0, #-1",
            "mov x1, x0",
            "mov x8, x0",
            "mov x9, x0",
            "mov x15, x0",
            "mov x17, x0",
            "movi v0.16b, #255",
            "movi v7.16b, #255",
            "movi v16.16b, #255",
            "movi v31.16b, #255",
            clobber_abi("C"),
        );
    }
}

#[repr(C)]
struct Pair(i64, i64);

extern "C" fn int_pow(_: *mut Context, base: i64, exponent: i64) -> Pair {
    let (value, overflow) = base.overflowing_pow(exponent as u32);
    Pair(value, overflow.into())
}

extern "C" fn float_pow(_: *mut Context, base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

extern "C" fn round_digits(_: *mut Context, value: f64, digits: i64) -> f64 {
    value * digits as f64
}

extern "C" fn finish_call(ctx: *mut Context, status: i64) -> i64 {
    // SAFETY: compiled code passes the context it was called with.
    unsafe { (*ctx).result = status as u64 * 10 };
    0
}

macro_rules! lib_funcs {
    ($table:ident: $($func:ident($($x:ident),*: $ty:ty) = $value:expr;)*) => {
        $({
            extern "C" fn call($($x: $ty),*) -> $ty { $value }
            $table[lib_func_index(LibFunc::$func)] = call as *const () as usize;
        })*
    };
}

/// The evaluator's functions, as far as tests use them.
fn helper_table() -> &'static [usize; HELPER_TABLE_WORDS] {
    static TABLE: OnceLock<[usize; HELPER_TABLE_WORDS]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [0; HELPER_TABLE_WORDS];
        table[helper_index(Helper::Poll)] = poll as *const () as usize;
        table[PRESERVING_POLL] = crate::preserving::poll as *const () as usize;
        table[helper_index(Helper::IntPow)] = int_pow as *const () as usize;
        table[helper_index(Helper::FloatPow)] = float_pow as *const () as usize;
        table[helper_index(Helper::RoundDigits)] = round_digits as *const () as usize;
        table[helper_index(Helper::FinishCall)] = finish_call as *const () as usize;
        lib_funcs! { table:
            Sin(x: f64) = x.sin();
            Cos(x: f64) = x.cos();
            Exp(x: f64) = x.exp();
            Log(x: f64) = x.ln();
            Atan2(x, y: f64) = x.atan2(y);
            Pow(x, y: f64) = x.powf(y);
            Fmod(x, y: f64) = x % y;
            Hypot(x, y: f64) = x.hypot(y);
            Fma(x, y, z: f64) = x.mul_add(y, z);
            ExpF32(x: f32) = x.exp();
            PowF32(x, y: f32) = x.powf(y);
            FmodF32(x, y: f32) = x % y;
            HypotF32(x, y: f32) = x.hypot(y);
        }
        table
    })
}
