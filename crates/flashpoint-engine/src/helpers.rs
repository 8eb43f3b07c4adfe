//! The routines that compiled code calls: the table behind [`Context::helpers`].
//!
//! Unsafe code of the engine's boundary. Every routine is called by compiled code on the thread that entered it, with that
//! thread's context, whose `engine` field points to the entry's [`Activation`]; both outlive the call. No routine unwinds:
//! a panic inside one ends the process, since compiled frames cannot be unwound.
#![allow(unsafe_code, reason = "compiled code passes raw pointers")]

use flashpoint_ir::abi::{Context, HELPER_TABLE_WORDS, PRESERVING_POLL, helper_index, lib_func_index};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{Helper, LibFunc};

use crate::context::{Activation, Made, swap_generation};
use crate::exits::held_slot;
use crate::host::{ArrayFill, ArrayOrder};
use crate::python::{HostFunctionStatus, Python};
use crate::run::Engine;
use crate::threads::TICK;
use crate::tier0::arith;

/// Polls that pass without a look at signals, at most.
const MAX_POLLS_SKIPPED: u128 = 20;

/// Addresses of helpers and of libm, for hosts of type `H`.
pub(crate) fn table<H: Python>() -> Box<[usize; HELPER_TABLE_WORDS]> {
    let mut table = Box::new([missing as *const () as usize; HELPER_TABLE_WORDS]);
    let helpers: [(Helper, usize); 10] = [
        (Helper::GenericStep, generic_step::<H> as *const () as usize),
        (Helper::Release, release::<H> as *const () as usize),
        (Helper::Retain, retain::<H> as *const () as usize),
        (Helper::NewArray, new_array::<H> as *const () as usize),
        (Helper::FinishCall, finish_call::<H> as *const () as usize),
        (Helper::Poll, poll::<H> as *const () as usize),
        (Helper::FloatPow, float_pow as *const () as usize),
        (Helper::RoundDigits, round_digits as *const () as usize),
        (Helper::IntPow, int_pow as *const () as usize),
        (Helper::HostFunction, host_function::<H> as *const () as usize),
    ];
    for (helper, address) in helpers {
        table[helper_index(helper)] = address;
    }
    table[PRESERVING_POLL] = flashpoint_codegen::preserving::poll as *const () as usize;
    for (func, address) in lib_funcs() {
        table[lib_func_index(func)] = address;
    }
    table
}

extern "C" fn missing() {
    eprintln!("flashpoint: compiled code called a routine that does not exist");
    std::process::abort();
}

/// What the running activation knows, with its host attached.
///
/// # Safety
/// `ctx` is the context that compiled code was entered with, and `H` the host type it was entered for.
unsafe fn activation<'a, H: Python>(ctx: *mut Context) -> (&'a mut Activation<H>, &'a mut H) {
    // SAFETY: by this function's contract.
    let (activation, host) = unsafe { activation_as_is::<H>(ctx) };
    host.attach();
    (activation, host)
}

/// What the running activation knows. Its host may be detached.
///
/// # Safety
/// As for [`activation`].
unsafe fn activation_as_is<'a, H: Python>(ctx: *mut Context) -> (&'a mut Activation<H>, &'a mut H) {
    // SAFETY: `enter` put the address of a live activation there, whose host outlives it; compiled code runs on the same
    // thread and holds no reference to either.
    unsafe {
        let activation: &mut Activation<H> = &mut *(*ctx).engine.cast();
        let host = &mut *activation.host;
        (activation, host)
    }
}

unsafe extern "C" fn release<H: Python>(ctx: *mut Context, head: u64, a: u64) -> i64 {
    let slot = held_slot(head, a, 0);
    if !slot.owns() {
        return 0;
    }
    // SAFETY: compiled code passes the context of the entry under way, and owns the reference it gives up.
    let (activation, host) = unsafe { activation::<H>(ctx) };
    let is_quiet = host.releases_quietly(&slot);
    host.release(slot);
    i64::from(!is_quiet && !activation.may_go_on(host))
}

unsafe extern "C" fn retain<H: Python>(ctx: *mut Context, head: u64, a: u64) {
    let slot = held_slot(head, a, 0);
    if slot.owns() {
        // SAFETY: compiled code passes the context of the entry under way, and owns a reference already.
        let (_, host) = unsafe { activation::<H>(ctx) };
        host.retain(&slot);
    }
}

unsafe extern "C" fn new_array<H: Python>(
    ctx: *mut Context,
    dtype: i64,
    rank: i64,
    fill: i64,
    order: i64,
    extents: *const i64,
    out: *mut u64,
) -> i64 {
    // SAFETY: compiled code passes the context of the entry under way.
    let (activation, host) = unsafe { activation::<H>(ctx) };
    // SAFETY: `extents` points to `rank` words in the context's scratch.
    let extents = unsafe { std::slice::from_raw_parts(extents, rank as usize) };
    let fill = match fill {
        0 => ArrayFill::Uninitialised,
        1 => ArrayFill::Zeros,
        _ => ArrayFill::Ones,
    };
    let order = if order == 0 { ArrayOrder::C } else { ArrayOrder::Fortran };
    let Some(dtype) = DType::from_number(dtype as u32) else { return 1 };
    let made = host.new_array(dtype, extents, fill, order);
    if let Ok(array) = made
        && !activation.may_go_on(host)
    {
        // Collecting garbage runs finalizers, which may do anything. The exit that follows makes the array again.
        host.release(array);
        return 1;
    }
    match made {
        Ok(array) => {
            let mut words = Vec::new();
            host.push_array_words(&array, &mut words);
            let ty = host.slot_type(&array, SlotIdx(0));
            activation.made.push(Made { array, ty, words: words.clone() });
            if activation.has_made_many() {
                // SAFETY: the context is alive while code runs on it.
                unsafe { &(*ctx).poll }.store(1, std::sync::atomic::Ordering::Release);
            }
            // SAFETY: `out` points to room for two words in the context's scratch.
            unsafe {
                *out = array.a;
                *out.add(1) = words[0];
            }
            0
        }
        Err(_) => {
            // The exit that follows makes the array again, and raises by itself.
            let exception = host.take_pending();
            host.release(exception);
            1
        }
    }
}

unsafe extern "C" fn finish_call<H: Python>(ctx: *mut Context, status: i64) -> i64 {
    // SAFETY: the activation is that of the entry under way.
    let (activation, host) = unsafe { activation::<H>(ctx) };
    // SAFETY: the engine outlives every entry.
    let engine: &Engine<H> = unsafe { &*activation.engine.cast() };
    engine.finish_call(host, activation, ctx, status as u64)
}

unsafe extern "C" fn generic_step<H: Python>(ctx: *mut Context, number: u64) -> i64 {
    // SAFETY: the activation is that of the entry under way.
    let (activation, host) = unsafe { activation::<H>(ctx) };
    // SAFETY: the engine outlives every entry.
    let engine: &Engine<H> = unsafe { &*activation.engine.cast() };
    engine.run_step(host, activation, ctx, number)
}

unsafe extern "C" fn host_function<H: Python>(ctx: *mut Context, number: u64) -> i64 {
    // SAFETY: the activation is that of the entry under way.
    let (activation, host) = unsafe { activation_as_is::<H>(ctx) };
    // SAFETY: the context is alive while code runs on it; nothing else refers to its scratch words now.
    let words = unsafe { &mut (*ctx).scratch };
    match host.call_host_function(number, words) {
        HostFunctionStatus::Done => 0,
        HostFunctionStatus::Called => i64::from(!activation.may_go_on(host)),
        HostFunctionStatus::Leave => 1,
        HostFunctionStatus::Raised => {
            activation.raised = true;
            2
        }
    }
}

unsafe extern "C" fn poll<H: Python>(ctx: *mut Context) -> i64 {
    // SAFETY: the activation is that of the entry under way.
    let (activation, host) = unsafe { activation_as_is::<H>(ctx) };
    // SAFETY: the engine outlives every entry.
    let engine: &Engine<H> = unsafe { &*activation.engine.cast() };
    // SAFETY: the context is alive while code runs on it. The word is reset before the host is asked, so that no request
    // is lost.
    let poll_word = unsafe { &(*ctx).poll };
    poll_word.store(0, std::sync::atomic::Ordering::Release);
    if activation.polls_left > 0 {
        poll_word.store(1, std::sync::atomic::Ordering::Release);
        activation.polls_left -= 1;
        if activation.polls_left == 0 {
            activation.polls_left = engine.policy.osr_every();
            return 1;
        }
    }
    activation.version().cell.warm();
    let swap = swap_generation() != activation.generation || activation.has_made_many();
    if activation.polls_to_skip > 0 && !swap {
        activation.polls_to_skip -= 1;
        return 0;
    }
    let asked = engine.policy.clock.now();
    host.attach();
    // Where other threads are busy, most of the time is to go into the loop, not into waiting for them.
    activation.polls_to_skip =
        (10 * (engine.policy.clock.now() - asked).as_micros() / TICK.as_micros()).min(MAX_POLLS_SKIPPED) as u32;
    engine.has_polled(&activation.counted_version());
    if host.poll().is_err() {
        activation.raised = true;
        return 2;
    }
    if swap || !activation.may_go_on(host) {
        return 1;
    }
    if activation.polls_left == 0 {
        host.detach(&activation.arrays());
    }
    0
}

extern "C" fn float_pow(_: *mut Context, base: f64, exponent: f64) -> f64 {
    arith::float_pow(base, exponent).unwrap_or(f64::NAN)
}

extern "C" fn round_digits(_: *mut Context, x: f64, ndigits: i64) -> f64 {
    arith::round_digits(x, ndigits).unwrap_or(f64::INFINITY)
}

/// Two words, as C returns them.
#[repr(C)]
struct Pair {
    value: i64,
    overflow: i64,
}

extern "C" fn int_pow(_: *mut Context, base: i64, exponent: i64) -> Pair {
    match base.checked_pow(u32::try_from(exponent).unwrap_or(u32::MAX)) {
        Some(value) if exponent <= i64::from(u32::MAX) => Pair { value, overflow: 0 },
        _ => {
            let small = matches!(base, -1..=1);
            let value = arith::wrapping_pow(base, exponent.max(0) as u64);
            Pair { value, overflow: i64::from(!small && !planted(Defect::PowerOverflow)) }
        }
    }
}

fn lib_funcs() -> Vec<(LibFunc, usize)> {
    // The platform's own library: the same functions that CPython's `math` calls.
    use libc_math as m;
    macro_rules! address {
        ($($variant:ident => $function:path),* $(,)?) => {
            vec![$((LibFunc::$variant, $function as *const () as usize)),*]
        };
    }
    address! {
        Sin => m::sin, Cos => m::cos, Tan => m::tan, Asin => m::asin, Acos => m::acos, Atan => m::atan, Atan2 => m::atan2,
        Sinh => m::sinh, Cosh => m::cosh, Tanh => m::tanh, Asinh => m::asinh, Acosh => m::acosh, Atanh => m::atanh,
        Exp => m::exp, Exp2 => m::exp2, Expm1 => m::expm1, Log => m::log, Log2 => m::log2, Log10 => m::log10,
        Log1p => m::log1p, Pow => m::pow, Fmod => m::fmod, Hypot => m::hypot, Cbrt => m::cbrt, Erf => m::erf,
        Erfc => m::erfc, Fma => m::fma, Remainder => m::remainder,
        SinF32 => m::sinf, CosF32 => m::cosf, TanF32 => m::tanf, ExpF32 => m::expf, LogF32 => m::logf, PowF32 => m::powf,
        FmodF32 => m::fmodf, HypotF32 => m::hypotf,
    }
}

/// A function of one number of the platform's mathematics library, for hosts that call it themselves.
pub fn unary_lib_func(func: LibFunc) -> Option<fn(f64) -> f64> {
    use libc_math as m;
    macro_rules! choose {
        ($($variant:ident => $function:path),* $(,)?) => {
            match func {
                // SAFETY: these functions take any number.
                $(LibFunc::$variant => Some(|x| unsafe { $function(x) }),)*
                _ => None,
            }
        };
    }
    choose! {
        Sin => m::sin, Cos => m::cos, Tan => m::tan, Asin => m::asin, Acos => m::acos, Atan => m::atan,
        Sinh => m::sinh, Cosh => m::cosh, Tanh => m::tanh, Asinh => m::asinh, Acosh => m::acosh, Atanh => m::atanh,
        Exp => m::exp, Expm1 => m::expm1, Log => m::log, Log2 => m::log2, Log10 => m::log10, Log1p => m::log1p,
        Erf => m::erf, Erfc => m::erfc,
    }
}

/// Declarations of the C mathematics library.
mod libc_math {
    macro_rules! declare {
        ($($name:ident: ($($arg:ident),*) -> $ty:ty;)*) => {
            unsafe extern "C" { $(pub fn $name($($arg: $ty),*) -> $ty;)* }
        };
    }
    declare! {
        sin: (x) -> f64; cos: (x) -> f64; tan: (x) -> f64; asin: (x) -> f64; acos: (x) -> f64; atan: (x) -> f64;
        atan2: (y, x) -> f64; sinh: (x) -> f64; cosh: (x) -> f64; tanh: (x) -> f64; asinh: (x) -> f64; acosh: (x) -> f64;
        atanh: (x) -> f64; exp: (x) -> f64; exp2: (x) -> f64; expm1: (x) -> f64; log: (x) -> f64; log2: (x) -> f64;
        log10: (x) -> f64; log1p: (x) -> f64; pow: (x, y) -> f64; fmod: (x, y) -> f64; hypot: (x, y) -> f64;
        cbrt: (x) -> f64; erf: (x) -> f64; erfc: (x) -> f64; fma: (x, y, z) -> f64; remainder: (x, y) -> f64;
        sinf: (x) -> f32; cosf: (x) -> f32; tanf: (x) -> f32; expf: (x) -> f32; logf: (x) -> f32; powf: (x, y) -> f32;
        fmodf: (x, y) -> f32; hypotf: (x, y) -> f32;
    }
}
