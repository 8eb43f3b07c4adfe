//! From a request to an answer: translate, optimise, emit.

use flashpoint_ir::bytes::{self, CompileAnswer, CompileFailure, CompileReply, CompileRequest};
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

    let machine = Machine::get(request.target.as_ref(), request.opt_level).map_err(failed)?;
    let ir = Ir::new(&func.name);
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
    let ir = Ir::new(&request.function.name);
    machine.prepare(&ir);
    translate(&ir, request)?;
    machine.run_passes(&ir, passes(request)).map_err(failed)?;
    let text = machine.emit(&ir, Emit::Assembly).map_err(failed)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn passes(request: &CompileRequest) -> &'static str {
    match request.opt_level {
        0 => "default<O0>",
        1 => "default<O1>",
        2 => "default<O2>",
        _ => "default<O3>",
    }
}
