//! What a compiler of typed functions looks like from outside.
//!
//! The calling convention of the code it makes is `flashpoint_ir::abi`'s, with these details fixed here for every back
//! end, so that code of different tiers calls each other freely:
//! - `inner` takes the context, then the parameters, in the platform's C registers and stack slots. An `i1` travels as an
//!   8-bit integer 0 or 1; bits of a register above an integer's width are unspecified. An `i128` travels as two `i64`,
//!   low first, wherever they fall.
//! - `inner` returns its result in the first result register of its class (x86-64: rax or xmm0; aarch64: x0 or d0) and the
//!   status in the first integer register that is left (rax/rdx, x0/x1). On x86-64 that is how C returns a struct of the
//!   two; on aarch64 C does so too, except for floats. An `i128` is never a register result.
//! - `entry` reads and writes words: integers zero-extended, floats as their bits.
//! - Exits read the version's number from the word named [`VERSION_SYMBOL`], which the loader fills in, so that an object
//!   does not depend on the process it was made in.

use flashpoint_ir::abi::EXIT_WORDS;
use flashpoint_ir::snapshot::{ExitKind, Recipe, Snapshot};
use flashpoint_ir::typed::{Block, InstKind, Lane, TypedFunction, Value};

use crate::code_object::Object;
use crate::error::{CodegenError, CodegenResult};

pub use flashpoint_ir::bytes::VERSION_SYMBOL;

/// Makes machine code of typed functions. May be used from several threads at once.
pub trait Backend: Send + Sync {
    /// `"cranelift"` or `"llvm"`.
    fn name(&self) -> &'static str;

    /// Compiler, its version, the machine and its features: what a cached object's key must hold besides the function.
    fn identity(&self) -> String;

    /// Compiles `func` to relocatable code. Never panics.
    fn compile(&self, func: &TypedFunction, options: &CompileOptions) -> CodegenResult<Object>;
}

/// How to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// More instructions than this are refused as [`CodegenError::TooLarge`].
    pub max_insts: usize,
    /// Every guard that may fail without need also fails when the context's stress counter reaches zero.
    pub stress: bool,
    /// LLVM: emit machine code without optimising it further; see `CompileRequest::quick_emit`.
    pub quick_emit: bool,
    /// Keep the machine code's text in [`Object::asm`].
    pub want_asm: bool,
    /// Keep the compiler's own intermediate text in [`Object::ir`].
    pub want_ir: bool,
    /// Headers of loops that hardly ever run: checked versions beside faster ones.
    pub cold_loops: Vec<Block>,
}

impl Default for CompileOptions {
    fn default() -> CompileOptions {
        CompileOptions {
            max_insts: 50_000,
            stress: false,
            quick_emit: false,
            want_asm: false,
            want_ir: false,
            cold_loops: Vec::new(),
        }
    }
}

/// Limits that every back end shares. Returns the words of the largest exit, and the length of the link table.
pub(crate) fn check_limits(func: &TypedFunction, options: &CompileOptions) -> CodegenResult<(u32, u32)> {
    let n_insts = func.layout.iter().map(|block| func.blocks[block.index()].insts.len()).sum();
    if n_insts > options.max_insts {
        return Err(CodegenError::TooLarge { what: "instructions", size: n_insts, limit: options.max_insts });
    }
    if let Some(result) = func.result
        && (result.lane == Lane::I128 || result.lanes != 1)
    {
        return Err(CodegenError::unsupported("a register result wider than 64 bits", 0));
    }
    let mut exit_words = 0;
    for snapshot in &func.snapshots {
        let words_of = |v: &Value| if func.value_types[v.index()].lane == Lane::I128 { 2 } else { 1 };
        exit_words = exit_words.max(snapshot.values().iter().map(words_of).sum());
    }
    if exit_words > EXIT_WORDS {
        return Err(CodegenError::TooLarge { what: "words in an exit", size: exit_words, limit: EXIT_WORDS });
    }
    let mut n_links = 0;
    for block in &func.layout {
        for inst in &func.blocks[block.index()].insts {
            if let InstKind::CallUnit(unit, _) = &func.insts[inst.index()].kind {
                n_links = n_links.max(unit.0 + 1);
            }
        }
    }
    Ok((exit_words as u32, n_links))
}

/// Whether a guard with this snapshot may fail although its condition holds: it goes on in tier 0 before an operation that
/// has not happened yet. Not so if the snapshot tells of an exception or result that only a true failure provides.
pub fn may_fail_freely(snapshot: &Snapshot) -> bool {
    fn has_result(recipe: &Recipe) -> bool {
        match recipe {
            Recipe::Result => true,
            Recipe::Tuple(items) | Recipe::Zip(items, _) => items.iter().any(has_result),
            Recipe::Slice(parts) => parts.iter().any(has_result),
            Recipe::Attribute(inner, _) | Recipe::SeqIter(inner, _) | Recipe::Enumerate(_, inner) => has_result(inner),
            Recipe::View { owner, .. } => has_result(owner),
            _ => false,
        }
    }
    matches!(snapshot.exit, ExitKind::Resume)
        && !snapshot.frames.iter().any(|frame| frame.slots.iter().any(|(_, recipe)| has_result(recipe)))
}
