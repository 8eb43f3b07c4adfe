//! The target machine, the passes and the emission of objects.
//!
//! Each thread keeps the machines it has made: making one parses the processor's feature list, a large part of what a
//! small kernel costs.
#![allow(unsafe_code, reason = "calls LLVM's C interface")]

use std::cell::RefCell;
use std::ptr;
use std::rc::Rc;
use std::sync::OnceLock;

use inkwell::OptimizationLevel;
use inkwell::llvm_sys::core::{LLVMDisposeMemoryBuffer, LLVMGetBufferSize, LLVMGetBufferStart, LLVMGetVersion};
use inkwell::llvm_sys::core::{LLVMSetDataLayout, LLVMSetTarget};
use inkwell::llvm_sys::error::{LLVMDisposeErrorMessage, LLVMGetErrorMessage};
use inkwell::llvm_sys::support::LLVMParseCommandLineOptions;
use inkwell::llvm_sys::target_machine::{LLVMCodeGenFileType, LLVMTargetMachineEmitToMemoryBuffer};
use inkwell::llvm_sys::transforms::pass_builder::*;
use inkwell::targets::{CodeModel, InitializationConfig, RelocMode, Target, TargetMachine};

use crate::ir::{Ir, take_message};

/// A processor with its features, ready to compile for. Belongs to one thread.
pub(crate) struct Machine {
    machine: TargetMachine,
    layout: std::ffi::CString,
    triple: std::ffi::CString,
}

/// What [`Machine::emit`] makes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emit {
    Object,
    Assembly,
}

struct Host {
    cpu: String,
    features: String,
}

/// Key of a kept machine: processor, features, level.
type MachineKey = (String, String, u8);

thread_local! {
    static MACHINES: RefCell<Vec<(MachineKey, Rc<Machine>)>> = const { RefCell::new(Vec::new()) };
}

/// Machines kept per thread. More than one only where tests or cross-compilation ask for it.
const MACHINES_KEPT: usize = 4;

/// LLVM's version, the processor and its features.
pub(crate) fn identity() -> String {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: writes three integers of ours.
    unsafe { LLVMGetVersion(&mut major, &mut minor, &mut patch) };
    let host = host();
    format!("llvm {major}.{minor}.{patch} {} {}", host.cpu, host.features)
}

impl Machine {
    /// The machine for a processor and its features (`None`: this one and all it has).
    pub(crate) fn get(target: Option<&(String, String)>, opt_level: u8) -> Result<Rc<Machine>, String> {
        initialize()?;
        let (cpu, features) = match target {
            Some((cpu, features)) => (cpu.as_str(), features.as_str()),
            None => (host().cpu.as_str(), host().features.as_str()),
        };
        MACHINES.with_borrow_mut(|machines| {
            let known = machines.iter().find(|(key, _)| key.0 == cpu && key.1 == features && key.2 == opt_level);
            if let Some((_, machine)) = known {
                return Ok(Rc::clone(machine));
            }
            let machine = Rc::new(Machine::new(cpu, features, opt_level)?);
            machines.truncate(MACHINES_KEPT - 1);
            machines.insert(0, ((cpu.into(), features.into(), opt_level), Rc::clone(&machine)));
            Ok(machine)
        })
    }

    fn new(cpu: &str, features: &str, opt_level: u8) -> Result<Machine, String> {
        let triple = TargetMachine::get_default_triple();
        let target = Target::from_triple(&triple).map_err(|error| error.to_string())?;
        let level = match opt_level {
            0 => OptimizationLevel::None,
            1 => OptimizationLevel::Less,
            2 => OptimizationLevel::Default,
            _ => OptimizationLevel::Aggressive,
        };
        let machine = target
            .create_target_machine(&triple, cpu, features, level, RelocMode::PIC, CodeModel::Small)
            .ok_or_else(|| format!("no code for `{cpu}`"))?;
        let layout = machine.get_target_data().get_data_layout().as_str().to_owned();
        Ok(Machine { machine, layout, triple: triple.as_str().to_owned() })
    }

    /// Says in the module what it is for, as passes ask.
    pub(crate) fn prepare(&self, ir: &Ir) {
        // SAFETY: the module is live, the strings are C strings and are copied.
        unsafe {
            LLVMSetTarget(ir.module(), self.triple.as_ptr());
            LLVMSetDataLayout(ir.module(), self.layout.as_ptr());
        }
    }

    /// Runs passes, given in the notation of LLVM's `opt -passes=`.
    pub(crate) fn run_passes(&self, ir: &Ir, passes: &str) -> Result<(), String> {
        let passes = std::ffi::CString::new(passes).map_err(|error| error.to_string())?;
        // SAFETY: module and machine are live; options are made and disposed of here; the error, if any, is taken.
        unsafe {
            let options = LLVMCreatePassBuilderOptions();
            LLVMPassBuilderOptionsSetLoopInterleaving(options, 1);
            LLVMPassBuilderOptionsSetLoopVectorization(options, 1);
            LLVMPassBuilderOptionsSetSLPVectorization(options, 1);
            LLVMPassBuilderOptionsSetLoopUnrolling(options, 1);
            LLVMPassBuilderOptionsSetCallGraphProfile(options, 0);
            let error = LLVMRunPasses(ir.module(), passes.as_ptr(), self.machine.as_mut_ptr(), options);
            LLVMDisposePassBuilderOptions(options);
            if error.is_null() {
                return ir.complaint().map_or(Ok(()), Err);
            }
            let message = LLVMGetErrorMessage(error);
            let text = std::ffi::CStr::from_ptr(message).to_string_lossy().into_owned();
            LLVMDisposeErrorMessage(message);
            Err(text)
        }
    }

    /// Makes machine code. Changes the module: what is emitted second comes out different.
    pub(crate) fn emit(&self, ir: &Ir, what: Emit) -> Result<Vec<u8>, String> {
        let kind = match what {
            Emit::Object => LLVMCodeGenFileType::LLVMObjectFile,
            Emit::Assembly => LLVMCodeGenFileType::LLVMAssemblyFile,
        };
        let (mut message, mut buffer) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: module and machine are live; on success the buffer is ours, its bytes are copied before it goes.
        unsafe {
            let (machine, module) = (self.machine.as_mut_ptr(), ir.module());
            if LLVMTargetMachineEmitToMemoryBuffer(machine, module, kind, &mut message, &mut buffer) != 0 {
                return Err(take_message(message));
            }
            let len = LLVMGetBufferSize(buffer);
            let bytes = std::slice::from_raw_parts(LLVMGetBufferStart(buffer).cast::<u8>(), len).to_vec();
            LLVMDisposeMemoryBuffer(buffer);
            ir.complaint().map_or(Ok(bytes), Err)
        }
    }
}

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host {
        cpu: TargetMachine::get_host_cpu_name().to_string(),
        features: TargetMachine::get_host_cpu_features().to_string(),
    })
}

fn initialize() -> Result<(), String> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    let config = InitializationConfig { asm_parser: false, disassembler: false, ..InitializationConfig::default() };
    DONE.get_or_init(|| {
        Target::initialize_native(&config)?;
        let mut args = vec![c"flashpoint".as_ptr()];
        args.extend(OPTIONS.map(std::ffi::CStr::as_ptr));
        if SLOW_AT_BOUNDARIES.contains(&host().cpu.as_str()) {
            args.push(c"-x86-branches-within-32B-boundaries".as_ptr());
        }
        // SAFETY: an array of C strings with its length; LLVM copies them. Runs once, before any machine is made.
        unsafe { LLVMParseCommandLineOptions(args.len() as i32, args.as_ptr(), ptr::null()) };
        Ok(())
    })
    .clone()
}

/// What LLVM's interface has no setting for. Loop strength reduction looks at each use of each loop variable, in every exit
/// too: up to a third of the emission's time. Of the loops of the benchmarks one ran faster for it, `matmul` by 8 %.
const OPTIONS: [&std::ffi::CStr; 1] = [c"-disable-lsr"];

/// Processors that decode a jump across or to the end of 32 bytes anew each time it runs: up to a third of the time of a
/// loop with many guards. The assembler then moves such jumps.
const SLOW_AT_BOUNDARIES: [&str; 3] = ["skylake", "skylake-avx512", "cascadelake"];
