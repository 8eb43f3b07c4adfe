//! From a request to an answer: translate, optimise, emit.

use flashpoint_ir::bytes::{self, CompileAnswer, CompileFailure, CompileReply, CompileRequest};
use flashpoint_ir::typed::TypedFunction;
use flashpoint_ir::verify::verify;

use crate::ir::Ir;
use crate::machine::{Emit, Machine};
use crate::translate::translate;

/// Reads an encoded request and writes an encoded answer.
pub(crate) fn compile_bytes(request: &[u8]) -> Vec<u8> {
    let answer: CompileAnswer = match bytes::decode::<CompileRequest>(request) {
        Ok(request) => compile(&request),
        Err(error) => Err(CompileFailure::BadRequest(error.to_string())),
    };
    bytes::encode(&answer)
}

/// Compiles one function.
pub fn compile(request: &CompileRequest) -> CompileAnswer {
    let func = &request.function;
    if func.name.is_empty() || func.name.chars().any(char::is_control) {
        return Err(CompileFailure::BadRequest(format!("{:?} is no symbol's name", func.name)));
    }
    verify(func).map_err(|error| CompileFailure::BadRequest(error.to_string()))?;
    let failed = CompileFailure::Compiler;

    let emit_level = if request.quick_emit { 0 } else { request.opt_level };
    let machine = Machine::get(request.target.as_ref(), emit_level).map_err(failed)?;
    let ir = Ir::new(&func.name, request.want_ir);
    machine.prepare(&ir);
    translate(&ir, request)?;
    ir.verify().map_err(|error| failed(format!("the IR is not well-formed: {error}")))?;
    let mut text = request.want_ir.then(|| ir.text());
    machine.run_passes(&ir, passes(request)).map_err(failed)?;
    if let Some(text) = &mut text {
        *text = format!("; ---- before optimisation ----\n{text}\n; ---- after optimisation ----\n{}", ir.text());
    }

    let object = machine.emit(&ir, Emit::Object).map_err(failed)?;
    let asm = if request.want_asm { Some(assembly(request, &machine)?) } else { None };
    Ok(CompileReply { object, asm, ir: text })
}

/// The assembler text, from a module made anew: emission uses a module up.
fn assembly(request: &CompileRequest, machine: &Machine) -> Result<String, CompileFailure> {
    let failed = CompileFailure::Compiler;
    let ir = Ir::new(&request.function.name, false);
    machine.prepare(&ir);
    translate(&ir, request)?;
    machine.run_passes(&ir, passes(request)).map_err(failed)?;
    let text = machine.emit(&ir, Emit::Assembly).map_err(failed)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// What is run over the module.
fn passes(request: &CompileRequest) -> &'static str {
    match request.opt_level {
        0 => "default<O0>",
        _ if weight(&request.function) > FULL_PIPELINE_WEIGHT => LARGE_FUNCTION_PASSES,
        1 => "default<O1>",
        2 => "default<O2>",
        _ => PASSES,
    }
}

/// What is left of `default<O3>` where our own passes have been: one function without calls to inline, without memory of
/// its own, its checks and invariant code in place. `gvn`, `dse` and two of the `instcombine`s were left out one by one and
/// together: the loops of the benchmarks took the same time within the noise, and a tenth less to compile.
const PASSES: &str = "function<eager-inv>(early-cse<memssa>,simplifycfg,\
    loop-mssa(loop-instsimplify,loop-simplifycfg,licm,loop-rotate<header-duplication>,licm),simplifycfg,\
    instcombine<max-iterations=1;no-verify-fixpoint>,loop(indvars,loop-deletion,loop-unroll-full),\
    early-cse<memssa>,simplifycfg,\
    loop-rotate,loop-vectorize,loop-load-elim,instcombine<max-iterations=1;no-verify-fixpoint>,\
    simplifycfg<forward-switch-cond;switch-to-lookup;no-keep-loops;hoist-common-insts;sink-common-insts>,\
    slp-vectorizer,vector-combine,loop-unroll<O3>,\
    instcombine<max-iterations=1;no-verify-fixpoint>,loop-mssa(licm),simplifycfg)";

/// Above this the loop passes cost seconds: their closed form of a loop has a value per exit and live value, and several
/// of them are quadratic in exits.
const FULL_PIPELINE_WEIGHT: usize = 4000;

/// Removes what is redundant, block by block and along the dominator tree, and leaves loops as they are.
const LARGE_FUNCTION_PASSES: &str = "function<eager-inv>(early-cse<memssa>,simplifycfg,\
    instcombine<max-iterations=1;no-verify-fixpoint>,early-cse<memssa>,simplifycfg)";

/// Instructions, and words stored by the exits they may take.
fn weight(func: &TypedFunction) -> usize {
    let mut weight = 0;
    let mut seen = vec![false; func.snapshots.len()];
    for inst in func.layout.iter().flat_map(|block| &func.blocks[block.index()].insts) {
        weight += 1;
        if let Some(exit) = func.insts[inst.index()].kind.snapshot()
            && !std::mem::replace(&mut seen[exit.index()], true)
        {
            weight += func.snapshots[exit.index()].values().len();
        }
    }
    weight
}
