//! Runs machine code: the only module of this crate that may use `unsafe`.
#![allow(unsafe_code, reason = "calls compiled functions, with memory that belongs to the run")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use flashpoint_codegen::testing::{Machine, VERSION, loader};
use flashpoint_codegen::{Backend, CodegenError, CompileOptions, LoadedCode};
use flashpoint_ir::eval::{EvalValue, Outcome};
use flashpoint_ir::typed::TypedFunction;

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
        let mut machine = Machine::new();
        machine.ctx.poll = AtomicU32::new(run.polled.into());
        machine.ctx.scratch[0] = 1;
        let mut words = Vec::new();
        for arg in &run.args {
            match arg {
                Ok(value) => words.extend(value.words()),
                Err(array) => words.push(run.arrays[*array].as_mut_ptr() as u64),
            }
        }
        // SAFETY: the function's units are alive with it. It reads as many words as it has parameters, which is what `words`
        // holds, since the evaluator ran the same arguments first; that run also showed that all accesses stay inside the
        // arrays, which live in `run` and which nobody else sees.
        let status = unsafe { machine.enter(code, &words) };
        Ok(machine.outcome(func, status))
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
