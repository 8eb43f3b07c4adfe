//! Tier 1: Cranelift. Start at [`Cranelift::compile`].
//!
//! Each thread keeps one compiler state and the entry wrappers it has made, which depend on the signature alone, so that
//! compiling a small function takes tens of microseconds.

mod arith;
mod convert;
mod entry;
mod exits;
mod lower;
mod types;

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{ExternalName, LibCall};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, FinalizedRelocTarget};
use cranelift_frontend::FunctionBuilderContext;
use flashpoint_ir::abi::LINKS_SYMBOL;
use flashpoint_ir::typed::TypedFunction;

use crate::backend::{Backend, CompileOptions, VERSION_SYMBOL, check_limits};
use crate::code_object::{Arch, LineEntry, Object, Place, Relocation, RelocationKind, Section, SectionKind, Symbol};
use crate::error::{CodegenError, CodegenResult};
use crate::legalise::{Legality, legalise};

/// External names of generated code: the index in user namespace 0.
pub(crate) mod external {
    pub(crate) const LINKS: u32 = 0;
    pub(crate) const VERSION: u32 = 1;
    pub(crate) const INNER: u32 = 2;
}

/// The tier-1 back end for the machine this process runs on.
pub struct Cranelift {
    isa: Arc<dyn TargetIsa>,
    /// The same machine, without Cranelift's own optimiser.
    plain_isa: Arc<dyn TargetIsa>,
    max_optimised: usize,
    arch: Arch,
    identity: String,
}

impl std::fmt::Debug for Cranelift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cranelift").field(&self.identity).finish()
    }
}

impl Cranelift {
    /// The back end for this machine.
    pub fn new() -> CodegenResult<Cranelift> {
        let failed = |what: String| CodegenError::Compiler(what);
        let arch = Arch::host().ok_or_else(|| failed("no code for this machine".to_string()))?;
        let isa = make_isa("speed").map_err(failed)?;
        let plain_isa = make_isa("none").map_err(failed)?;
        let mut features: Vec<String> =
            isa.isa_flags().iter().filter(|f| f.as_bool() == Some(true)).map(|f| f.to_string()).collect();
        features.sort();
        let identity = format!("cranelift {} {} {}", cranelift_codegen::VERSION, isa.triple(), features.join(","));
        Ok(Cranelift { isa, plain_isa, max_optimised: MAX_OPTIMISED, arch, identity })
    }

    /// Has Cranelift's own optimiser left out for functions of more than `n_insts` instructions.
    #[must_use]
    pub fn optimising_up_to(self, n_insts: usize) -> Cranelift {
        Cranelift { max_optimised: n_insts, ..self }
    }

    fn isa_for(&self, func: &TypedFunction) -> &dyn TargetIsa {
        let n_insts: usize = func.layout.iter().map(|block| func.blocks[block.index()].insts.len()).sum();
        if n_insts > self.max_optimised { &*self.plain_isa } else { &*self.isa }
    }
}

/// Above so many instructions, Cranelift's optimiser takes half of the time (4 of 8 ms for the 324 of `spectral_norm`), for
/// code that runs a tenth faster until tier 2 replaces it. Ours has been there before.
const MAX_OPTIMISED: usize = 200;

fn make_isa(opt_level: &str) -> Result<Arc<dyn TargetIsa>, String> {
    let mut flags = settings::builder();
    let verify = if cfg!(any(test, debug_assertions)) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", opt_level),
        ("is_pic", "true"),
        ("enable_verifier", verify),
        ("enable_probestack", "false"),
        ("unwind_info", "false"),
        ("use_colocated_libcalls", "false"),
    ] {
        flags.set(name, value).map_err(|error| error.to_string())?;
    }
    let builder = cranelift_native::builder()?;
    builder.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
}

/// What a thread keeps between compilations.
struct State {
    context: Context,
    builder_context: FunctionBuilderContext,
    entries: HashMap<entry::EntryKey, Compiled>,
}

/// The bytes of one function.
#[derive(Clone)]
pub(crate) struct Compiled {
    bytes: Vec<u8>,
    align: u32,
    relocations: Vec<(u32, RelocationKind, Target, i64)>,
    lines: Vec<LineEntry>,
    asm: Option<String>,
}

/// What a relocation of a single function refers to.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    Links,
    Version,
    Inner,
    LibCall(&'static str),
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

impl Backend for Cranelift {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn compile(&self, func: &TypedFunction, options: &CompileOptions) -> CodegenResult<Object> {
        let (exit_words, n_links) = check_limits(func, options)?;
        let func = legalise(func, Legality::CRANELIFT);
        STATE.with_borrow_mut(|state| {
            // Taken out, so that a compilation that panics leaves nothing half-built behind.
            let mut current = state.take().unwrap_or_else(|| State {
                context: Context::new(),
                builder_context: FunctionBuilderContext::new(),
                entries: HashMap::new(),
            });
            let compile = AssertUnwindSafe(|| self.compile_with(&mut current, &func, options, exit_words, n_links));
            let result = catch_unwind(compile).map_err(|panic| CodegenError::Compiler(panic_text(&*panic)))?;
            if result.is_ok() {
                *state = Some(current);
            }
            result
        })
    }
}

impl Cranelift {
    fn compile_with(
        &self,
        state: &mut State,
        func: &TypedFunction,
        options: &CompileOptions,
        exit_words: u32,
        n_links: u32,
    ) -> CodegenResult<Object> {
        let State { context, builder_context, entries } = state;
        context.clear();
        lower::lower_function(&mut context.func, builder_context, self.isa.frontend_config(), func, options)?;
        let ir = options.want_ir.then(|| context.func.display().to_string());
        let inner = self.emit(context, self.isa_for(func), options.want_asm)?;

        let key = entry::EntryKey::of(func);
        if !entries.contains_key(&key) {
            context.clear();
            entry::build_entry(&mut context.func, builder_context, self.isa.frontend_config(), &key);
            let wrapper = self.emit(context, &*self.isa, false)?;
            entries.insert(key.clone(), wrapper);
        }
        let mut object = self.assemble(func, inner, &entries[&key])?;
        object.exit_words = exit_words;
        object.n_links = n_links;
        object.ir = ir;
        Ok(object)
    }

    /// Compiles the function in `context`.
    fn emit(&self, context: &mut Context, isa: &dyn TargetIsa, want_asm: bool) -> CodegenResult<Compiled> {
        context.set_disasm(want_asm);
        context
            .compile(isa, &mut ControlPlane::default())
            .map_err(|error| CodegenError::Compiler(format!("{:?}", error.inner)))?;
        let code = context.take_compiled_code().expect("compile leaves the code in the context");
        let mut relocations = Vec::new();
        for reloc in code.buffer.relocs() {
            let FinalizedRelocTarget::ExternalName(name) = &reloc.target else {
                return Err(CodegenError::Compiler("a relocation into the function itself".to_string()));
            };
            let target = match name {
                ExternalName::User(name) => match context.func.params.user_named_funcs()[*name].index {
                    external::LINKS => Target::Links,
                    external::VERSION => Target::Version,
                    _ => Target::Inner,
                },
                ExternalName::LibCall(call) => Target::LibCall(lib_call_name(*call)?),
                other => return Err(CodegenError::Compiler(format!("a relocation to {other:?}"))),
            };
            relocations.push((reloc.offset, relocation_kind(reloc.kind)?, target, reloc.addend));
        }
        let mut lines: Vec<LineEntry> = Vec::new();
        for range in code.buffer.get_srclocs_sorted() {
            let line = if range.loc.is_default() { 0 } else { range.loc.bits() };
            if lines.last().is_none_or(|last| last.line != line) {
                lines.push(LineEntry { offset: range.start, line });
            }
        }
        Ok(Compiled {
            bytes: code.code_buffer().to_vec(),
            align: code.buffer.alignment.max(16),
            relocations,
            lines,
            asm: code.vcode,
        })
    }

    /// Puts the inner function and its entry into one object. The entry follows the inner function in the same section.
    fn assemble(&self, func: &TypedFunction, inner: Compiled, entry: &Compiled) -> CodegenResult<Object> {
        let mut bytes = inner.bytes;
        let align = inner.align.max(entry.align);
        bytes.resize(bytes.len().next_multiple_of(align as usize), 0);
        let entry_offset = bytes.len() as u64;
        bytes.extend_from_slice(&entry.bytes);

        let text = |offset| Place::Section { section: 0, offset };
        let mut symbols = vec![Symbol { name: func.name.clone(), place: text(0) }];
        symbols.push(Symbol {
            name: format!("{}{}", func.name, flashpoint_ir::abi::ENTRY_SUFFIX),
            place: text(entry_offset),
        });
        let mut relocations = Vec::new();
        for (base, list) in [(0, &inner.relocations), (entry_offset, &entry.relocations)] {
            for (offset, kind, target, addend) in list {
                let symbol = match target {
                    Target::Inner => 0,
                    Target::Links => undefined(&mut symbols, LINKS_SYMBOL),
                    Target::Version => undefined(&mut symbols, VERSION_SYMBOL),
                    Target::LibCall(name) => undefined(&mut symbols, name),
                };
                let offset = base + u64::from(*offset);
                relocations.push(Relocation { section: 0, offset, kind: *kind, symbol, addend: *addend });
            }
        }
        Ok(Object {
            name: func.name.clone(),
            arch: self.arch,
            sections: vec![Section { kind: SectionKind::Text, align, bytes }],
            symbols,
            relocations,
            n_links: 0,
            exit_words: 0,
            lines: inner.lines,
            asm: inner.asm,
            ir: None,
        })
    }
}

/// The number of the undefined symbol `name`, which is added if it is new.
fn undefined(symbols: &mut Vec<Symbol>, name: &str) -> u32 {
    let found = symbols.iter().position(|symbol| symbol.name == name);
    found.unwrap_or_else(|| {
        symbols.push(Symbol { name: name.to_string(), place: Object::place_of_undefined(name) });
        symbols.len() - 1
    }) as u32
}

fn relocation_kind(kind: Reloc) -> CodegenResult<RelocationKind> {
    Ok(match kind {
        Reloc::X86PCRel4 => RelocationKind::Pc32,
        Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => RelocationKind::X64Call,
        Reloc::X86GOTPCRel4 => RelocationKind::X64GotPc32,
        Reloc::Arm64Call => RelocationKind::A64Call26,
        Reloc::Aarch64AdrPrelPgHi21 => RelocationKind::A64AdrpPage,
        Reloc::Aarch64AddAbsLo12Nc => RelocationKind::A64AddLo12,
        Reloc::Aarch64AdrGotPage21 => RelocationKind::A64GotPage,
        Reloc::Aarch64Ld64GotLo12Nc => RelocationKind::A64GotLo12,
        other => return Err(CodegenError::Compiler(format!("relocation {other:?}"))),
    })
}

/// Rounding without SSE4.1 is all that Cranelift calls out for.
fn lib_call_name(call: LibCall) -> CodegenResult<&'static str> {
    Ok(match call {
        LibCall::CeilF32 => "ceilf",
        LibCall::CeilF64 => "ceil",
        LibCall::FloorF32 => "floorf",
        LibCall::FloorF64 => "floor",
        LibCall::TruncF32 => "truncf",
        LibCall::TruncF64 => "trunc",
        LibCall::NearestF32 => "nearbyintf",
        LibCall::NearestF64 => "nearbyint",
        other => return Err(CodegenError::Compiler(format!("a call of {other:?}"))),
    })
}

/// The message of a panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_string())
}
