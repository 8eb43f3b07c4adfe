//! A small machine to run compiled code on: a context, an exit buffer and a table of test helpers.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use flashpoint_codegen::{Backend, CompileOptions, Cranelift, Llvm, LoadedCode, Loader};
use flashpoint_ir::abi::{
    Context, EXIT_WORDS, HELPER_TABLE_WORDS, SCRATCH_WORDS, STATUS_OK, helper_index, lib_func_index,
};
use flashpoint_ir::builder::Builder;
use flashpoint_ir::reason::Reason;
use flashpoint_ir::slot::Slot;
use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
use flashpoint_ir::typed::{Helper, LibFunc, Type, TypedFunction, Value};

/// The number every test loads its code as.
pub const VERSION: u64 = 0x1234_5678_9abc;

/// All back ends of this build: every test body runs on each.
pub fn backends() -> &'static [Box<dyn Backend>] {
    static BACKENDS: OnceLock<Vec<Box<dyn Backend>>> = OnceLock::new();
    BACKENDS.get_or_init(|| {
        let mut backends: Vec<Box<dyn Backend>> = vec![Box::new(Cranelift::new().expect("code for this machine"))];
        if let Some(llvm) = llvm() {
            backends.push(llvm);
        }
        backends
    })
}

/// Tier 2, if its library has been built: the one `FLASHPOINT_TIER2` names, or the one beside this test's own binary.
fn llvm() -> Option<Box<dyn Backend>> {
    let path = std::env::var_os("FLASHPOINT_TIER2").map(PathBuf::from).or_else(|| {
        let target = std::env::current_exe().ok()?.parent()?.parent()?.to_path_buf();
        Some(target.join("libflashpoint_llvm.so"))
    })?;
    let llvm = Llvm::new(path);
    match llvm.open() {
        Ok(()) => Some(Box::new(llvm)),
        Err(error) => {
            eprintln!("without tier 2: {error}");
            None
        }
    }
}

pub fn loader() -> &'static Loader {
    static LOADER: OnceLock<Loader> = OnceLock::new();
    LOADER.get_or_init(|| Loader::new(1 << 30))
}

/// What the test helpers saw.
pub static POLLS: AtomicI64 = AtomicI64::new(0);

extern "C" fn poll(ctx: *mut Context) -> i64 {
    // SAFETY: compiled code passes the context it was called with.
    let ctx = unsafe { &mut *ctx };
    POLLS.fetch_add(1, Ordering::Relaxed);
    // The scratch word says how often the loop may go on.
    ctx.scratch[0] = ctx.scratch[0].wrapping_sub(1);
    i64::from(ctx.scratch[0] == 0)
}

#[repr(C)]
struct Pair(i64, i64);

extern "C" fn int_pow(_ctx: *mut Context, base: i64, exponent: i64) -> Pair {
    match base.checked_pow(exponent as u32) {
        Some(value) => Pair(value, 0),
        None => Pair(0, 1),
    }
}

extern "C" fn float_pow(_ctx: *mut Context, base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

extern "C" fn round_digits(_ctx: *mut Context, value: f64, digits: i64) -> f64 {
    value * digits as f64
}

extern "C" fn finish_call(ctx: *mut Context, status: i64) -> i64 {
    // SAFETY: compiled code passes the context it was called with.
    unsafe { (*ctx).result = status as u64 * 10 };
    0
}

extern "C" fn sin(x: f64) -> f64 {
    x.sin()
}

extern "C" fn atan2(y: f64, x: f64) -> f64 {
    y.atan2(x)
}

extern "C" fn exp_f32(x: f32) -> f32 {
    x.exp()
}

fn helper_table() -> &'static [usize; HELPER_TABLE_WORDS] {
    static TABLE: OnceLock<[usize; HELPER_TABLE_WORDS]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [0; HELPER_TABLE_WORDS];
        table[helper_index(Helper::Poll)] = poll as *const () as usize;
        table[helper_index(Helper::IntPow)] = int_pow as *const () as usize;
        table[helper_index(Helper::FloatPow)] = float_pow as *const () as usize;
        table[helper_index(Helper::RoundDigits)] = round_digits as *const () as usize;
        table[helper_index(Helper::FinishCall)] = finish_call as *const () as usize;
        table[lib_func_index(LibFunc::Sin)] = sin as *const () as usize;
        table[lib_func_index(LibFunc::Atan2)] = atan2 as *const () as usize;
        table[lib_func_index(LibFunc::ExpF32)] = exp_f32 as *const () as usize;
        table
    })
}

/// A context with its exit buffer.
pub struct Machine {
    pub ctx: Box<Context>,
    exits: Box<[u64; EXIT_WORDS]>,
}

impl Machine {
    pub fn new() -> Machine {
        let mut exits = Box::new([0xdead_beef; EXIT_WORDS]);
        let ctx = Box::new(Context {
            poll: AtomicU32::new(0),
            calls_left: 1000,
            stress: 0,
            result: 0,
            exit_buffer: exits.as_mut_ptr(),
            exit_version: 0,
            frame: std::ptr::null_mut(),
            helpers: helper_table().as_ptr(),
            stack_limit: 0,
            engine: std::ptr::null_mut(),
            result_slot: Slot::UNBOUND,
            scratch: [0; SCRATCH_WORDS],
        });
        Machine { ctx, exits }
    }

    /// Calls the entry of `code`.
    pub fn call(&mut self, code: &LoadedCode, args: &[u64]) -> u64 {
        // SAFETY: `entry` is the address of a function of this type, alive while `code` is borrowed; the arguments are as
        // many words as the test's function takes.
        unsafe {
            let entry: extern "C" fn(*mut Context, *const u64) -> u64 = std::mem::transmute(code.entry());
            entry(&mut *self.ctx, args.as_ptr())
        }
    }

    /// The words of the last exit.
    pub fn exit_words(&self, count: usize) -> &[u64] {
        &self.exits[..count]
    }
}

/// Compiles and loads; the test fails if either does.
pub fn load(backend: &dyn Backend, func: &TypedFunction) -> LoadedCode {
    load_with(backend, func, &CompileOptions::default())
}

pub fn load_with(backend: &dyn Backend, func: &TypedFunction, options: &CompileOptions) -> LoadedCode {
    let object = backend.compile(func, options).unwrap_or_else(|e| panic!("{} on {}: {e}", func.name, backend.name()));
    loader().load(&object, VERSION).unwrap_or_else(|e| panic!("{} on {}: {e}", func.name, backend.name()))
}

/// Calls code that must return; gives the result word.
pub fn run(code: &LoadedCode, args: &[u64]) -> u64 {
    let mut machine = Machine::new();
    assert_eq!(machine.call(code, args), STATUS_OK);
    machine.ctx.result
}

/// A function of one block: `body` gets the parameters and returns the result, of which `result` is the type.
pub fn straight_line(name: &str, params: &[Type], body: impl FnOnce(&mut Builder, &[Value]) -> Value) -> TypedFunction {
    let mut b = Builder::new(name);
    let block = b.create_block();
    let params: Vec<Value> = params.iter().map(|ty| b.append_param(block, *ty)).collect();
    b.switch_to(block);
    let value = body(&mut b, &params);
    b.func.result = Some(b.ty(value));
    b.ret(Some(value));
    b.func
}

/// A function of one block that stores its results, of any types, through its first parameter, 16 bytes each.
pub fn storing(name: &str, params: &[Type], body: impl FnOnce(&mut Builder, &[Value]) -> Vec<Value>) -> TypedFunction {
    use flashpoint_ir::typed::Region;
    let mut b = Builder::new(name);
    let block = b.create_block();
    let out = b.append_param(block, Type::PTR);
    let params: Vec<Value> = params.iter().map(|ty| b.append_param(block, *ty)).collect();
    b.switch_to(block);
    for (idx, value) in body(&mut b, &params).into_iter().enumerate() {
        b.store(value, out, idx as i32 * 16, Region::Array);
    }
    b.ret(None);
    b.func
}

/// Calls a function made by [`storing`].
pub fn run_storing<const N: usize>(code: &LoadedCode, args: &[u64]) -> [u128; N] {
    let mut out = [0u128; N];
    let mut words = vec![out.as_mut_ptr().expose_provenance() as u64];
    words.extend(args);
    // `out` is written behind the compiler's back, through its exposed address.
    assert_eq!(Machine::new().call(code, &words), STATUS_OK);
    out
}

/// The two words of a 128-bit integer.
pub fn words(value: i128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

/// A snapshot that goes on in tier 0 with these values.
pub fn resume(recipes: Vec<Recipe>) -> Snapshot {
    let slots = recipes.into_iter().enumerate().map(|(idx, recipe)| (slot(idx), recipe)).collect();
    Snapshot {
        reason: Reason::IntOverflow,
        exit: ExitKind::Resume,
        frames: vec![FrameState { function: 0, pc: flashpoint_ir::generic::Pc(0), slots }],
    }
}

fn slot(idx: usize) -> flashpoint_ir::generic::SlotIdx {
    flashpoint_ir::generic::SlotIdx(idx as u32)
}
