//! Runs machine code: the only module of this crate that may use `unsafe`.
#![allow(unsafe_code, reason = "calls compiled functions, with memory that belongs to the run")]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use flashpoint_codegen::{Backend, CodegenError, CompileOptions, LoadedCode, Loader};
use flashpoint_ir::abi::{
    Context, EXIT_WORDS, HELPER_TABLE_WORDS, SCRATCH_WORDS, STATUS_EXIT, STATUS_OK, helper_index, lib_func_index,
};
use flashpoint_ir::eval::{EvalValue, Outcome};
use flashpoint_ir::slot::Slot;
use flashpoint_ir::typed::{Helper, LibFunc, SnapshotId, TypedFunction};

/// The functions of a file, compiled and linked to each other: unit `i` is function `i`.
#[derive(Debug)]
pub struct CompiledUnits {
    code: Vec<Result<LoadedCode, CodegenError>>,
    /// What link tables point to; unit `i`'s inner function is in cell `i`.
    _cells: Box<[AtomicU64]>,
}

impl CompiledUnits {
    /// Compiles every function; what has no machine code stays an error until somebody runs it.
    pub fn compile(backend: &dyn Backend, funcs: &[TypedFunction]) -> CompiledUnits {
        let compile = |func| {
            let object = backend.compile(func, &CompileOptions::default())?;
            loader().load(&object, VERSION)
        };
        let code: Vec<Result<LoadedCode, CodegenError>> = funcs.iter().map(compile).collect();
        let inner = |code: &Result<LoadedCode, _>| AtomicU64::new(code.as_ref().map_or(0, |code| code.inner() as u64));
        let cells: Box<[AtomicU64]> = code.iter().map(inner).collect();
        for loaded in code.iter().flatten() {
            for (link, cell) in loaded.links().iter().zip(&cells) {
                link.store(std::ptr::from_ref(cell) as u64, Ordering::Release);
            }
        }
        CompiledUnits { code, _cells: cells }
    }

    /// Runs function `idx`, which is `func`. `arrays` are addressed by the words of `args` that are indices into them:
    /// for each argument, either its words, or the index of an array.
    ///
    /// The error is the compiler's.
    pub fn run(&self, idx: usize, func: &TypedFunction, run: &mut MachineRun) -> Result<Outcome, CodegenError> {
        let code = self.code[idx].as_ref().map_err(Clone::clone)?;
        let mut exits = vec![0u64; EXIT_WORDS];
        let mut context = Context {
            poll: AtomicU32::new(run.polled.into()),
            calls_left: 1000,
            stress: 0,
            result: 0,
            exit_buffer: exits.as_mut_ptr(),
            exit_version: 0,
            frame: std::ptr::null_mut(),
            helpers: helper_table().as_ptr(),
            inside: AtomicU32::new(0),
            engine: std::ptr::null_mut(),
            result_slot: Slot::UNBOUND,
            scratch: [0; SCRATCH_WORDS],
        };
        let mut words = Vec::new();
        for arg in &run.args {
            match arg {
                Ok(value) => words.extend(value.words()),
                Err(array) => words.push(run.arrays[*array].as_mut_ptr() as u64),
            }
        }
        // SAFETY: `entry` is the address of a function of this type (the loader's promise), alive while `code` is borrowed,
        // and its units are alive with it. It reads as many words as the function has parameters, which is what `words`
        // holds, since the evaluator ran the same arguments first; that run also showed that all accesses stay inside
        // the arrays, which live in `run` and which nobody else sees.
        let status = unsafe {
            let entry: extern "C" fn(*mut Context, *const u64) -> u64 = std::mem::transmute(code.entry());
            entry(&mut context, words.as_ptr())
        };
        if status == STATUS_OK {
            let result = func.result.map(|ty| EvalValue::from_words(ty, &[context.result]));
            return Ok(Outcome::Returned(result));
        }
        assert!(status >= STATUS_EXIT, "status {status}");
        assert_eq!(context.exit_version, VERSION, "the exit names the version it belongs to");
        let number = SnapshotId((status - STATUS_EXIT) as u32);
        let mut at = 0;
        let mut values = Vec::new();
        for value in func.snapshots[number.index()].values() {
            let ty = func.value_types[value.index()];
            values.push(EvalValue::from_words(ty, &exits[at..at + ty.exit_words()]));
            // What is narrower than its word is zero-extended there.
            assert_eq!(values[values.len() - 1].words(), exits[at..at + ty.exit_words()], "{value} in {number}");
            at += ty.exit_words();
        }
        Ok(Outcome::Exit { number, values })
    }
}

/// Arguments and memory of a run.
#[derive(Clone, Debug, Default)]
pub struct MachineRun {
    /// Each argument: a scalar, or the index of an array whose address is passed.
    pub args: Vec<Result<EvalValue, usize>>,
    /// The arrays; they are aligned for every type.
    pub arrays: Vec<Vec<u128>>,
    /// Whether the poll word is set.
    pub polled: bool,
}

impl MachineRun {
    /// Adds an array of these bytes.
    pub fn add_array(&mut self, bytes: &[u8]) -> usize {
        let words = bytes.chunks(16).map(|chunk| {
            let mut wide = [0; 16];
            wide[..chunk.len()].copy_from_slice(chunk);
            u128::from_le_bytes(wide)
        });
        self.arrays.push(words.collect());
        self.arrays.len() - 1
    }

    /// The first bytes of an array.
    pub fn bytes(&self, array: usize, len: usize) -> Vec<u8> {
        self.arrays[array].iter().flat_map(|word| word.to_le_bytes()).take(len).collect()
    }
}

const VERSION: u64 = 0x1234_5678_9abc;

fn loader() -> &'static Loader {
    static LOADER: OnceLock<Loader> = OnceLock::new();
    LOADER.get_or_init(|| Loader::new(1 << 30))
}

extern "C" fn poll(_: *mut Context) -> i64 {
    1
}

extern "C" fn float_pow(_: *mut Context, base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

extern "C" fn int128_to_float(_: *mut Context, low: u64, high: u64) -> f64 {
    ((u128::from(high) << 64 | u128::from(low)) as i128) as f64
}

#[repr(C)]
struct Pair(i64, i64);

extern "C" fn int_pow(_: *mut Context, base: i64, exponent: i64) -> Pair {
    let (value, overflow) = base.overflowing_pow(exponent as u32);
    Pair(value, overflow.into())
}

macro_rules! lib_funcs {
    ($table:ident: $($func:ident($($x:ident),*: $ty:ty) = $value:expr;)*) => {
        $({
            extern "C" fn call($($x: $ty),*) -> $ty { $value }
            $table[lib_func_index(LibFunc::$func)] = call as *const () as usize;
        })*
    };
}

fn helper_table() -> &'static [usize; HELPER_TABLE_WORDS] {
    static TABLE: OnceLock<[usize; HELPER_TABLE_WORDS]> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = [0; HELPER_TABLE_WORDS];
        table[helper_index(Helper::Poll)] = poll as *const () as usize;
        table[helper_index(Helper::FloatPow)] = float_pow as *const () as usize;
        table[helper_index(Helper::Int128ToFloat)] = int128_to_float as *const () as usize;
        table[helper_index(Helper::IntPow)] = int_pow as *const () as usize;
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
