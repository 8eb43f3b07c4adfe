//! Tier 2: LLVM, in a dynamic library of its own, which is opened at the first compilation.
//!
//! The library's interface is `flashpoint_ir::bytes::tier2`: encoded requests in, encoded answers out. It compiles what
//! [`legalise`] leaves, so that `i128` is divided in the same way on both tiers.
//! Invariants: the library's functions are called only after it has named the ABI version of this build; once opened it
//! stays, because LLVM keeps state per thread that must be able to run its destructors.
#![allow(unsafe_code, reason = "opens a dynamic library and calls its C functions")]

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flashpoint_ir::bytes::tier2::{self, ForeignBytes};
use flashpoint_ir::bytes::{self, CompileAnswer, CompileFailure, CompileRequest};
use flashpoint_ir::typed::TypedFunction;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};

use crate::backend::{Backend, CompileOptions, check_limits, may_fail_freely};
use crate::code_object::Object;
use crate::error::{CodegenError, CodegenResult};
use crate::legalise::{Legality, legalise};

/// The tier-2 back end: a path, and the library there once somebody has needed it.
#[derive(Debug)]
pub struct Llvm {
    path: PathBuf,
    library: OnceLock<Result<Tier2, String>>,
}

/// The functions of an open library.
struct Tier2 {
    identity: Symbol<tier2::IdentityFn>,
    compile: Symbol<tier2::CompileFn>,
    free: Symbol<tier2::FreeFn>,
    _library: ManuallyDrop<Library>,
}

impl std::fmt::Debug for Tier2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tier2")
    }
}

impl Llvm {
    /// The back end whose library lies at `path`. Does not look whether it is there.
    pub fn new(path: impl Into<PathBuf>) -> Llvm {
        Llvm { path: path.into(), library: OnceLock::new() }
    }

    /// Opens the library if that has not been tried. Takes milliseconds: call it off the caller's thread.
    pub fn open(&self) -> CodegenResult<()> {
        self.tier2().map(|_| ())
    }

    /// Compiles an arbitrary request, whose function has been legalised: for widths, processors and levels that
    /// [`Backend::compile`] does not ask for.
    pub fn compile_request(&self, request: &CompileRequest) -> CodegenResult<bytes::CompileReply> {
        let tier2 = self.tier2()?;
        let bytes = bytes::encode(request);
        // SAFETY: the bytes can be read for the length of the call; the library is open and of this build's ABI.
        let answer = tier2.call(|out| unsafe { (tier2.compile)(bytes.as_ptr(), bytes.len(), out) })?;
        let answer =
            bytes::decode::<CompileAnswer>(&answer).map_err(|error| CodegenError::NoTier2(error.to_string()))?;
        answer.map_err(|failure| match failure {
            CompileFailure::Unsupported { what, line } => CodegenError::Unsupported { what, line },
            CompileFailure::BadRequest(what) => CodegenError::Compiler(format!("bad request: {what}")),
            CompileFailure::Compiler(what) => CodegenError::Compiler(what),
        })
    }

    fn tier2(&self) -> CodegenResult<&Tier2> {
        let library = self.library.get_or_init(|| Tier2::open(&self.path));
        library.as_ref().map_err(|why| CodegenError::NoTier2(why.clone()))
    }
}

impl Backend for Llvm {
    fn name(&self) -> &'static str {
        "llvm"
    }

    fn identity(&self) -> String {
        let identity = self.tier2().and_then(|tier2| {
            // SAFETY: the library is open and of this build's ABI.
            tier2.call(|out| unsafe { (tier2.identity)(out) })
        });
        identity.map_or("llvm absent".to_string(), |text| String::from_utf8_lossy(&text).into_owned())
    }

    fn compile(&self, func: &TypedFunction, options: &CompileOptions) -> CodegenResult<Object> {
        let (exit_words, n_links) = check_limits(func, options)?;
        let mut request = CompileRequest::new(legalise(func, Legality::LLVM).into_owned());
        (request.want_asm, request.want_ir) = (options.want_asm, options.want_ir);
        request.cold_loops = options.cold_loops.clone();
        request.quick_emit = options.quick_emit;
        if options.stress {
            request.stress = true;
            request.free_exits = func.snapshots.iter().map(may_fail_freely).collect();
        }
        let reply = self.compile_request(&request)?;
        let mut object = Object::from_elf(&func.name, &reply.object)?;
        (object.exit_words, object.n_links) = (exit_words, n_links);
        (object.asm, object.ir) = (reply.asm, reply.ir);
        Ok(object)
    }
}

impl Tier2 {
    fn open(path: &Path) -> Result<Tier2, String> {
        let at = |error: libloading::Error| format!("{}: {error}", path.display());
        // SAFETY: opening runs the library's initialisers: ours has LLVM's, which only register things. The symbols have
        // the types of `tier2`, which the ABI version vouches for; that of the version itself never changes.
        unsafe {
            let library = Library::open(Some(path), RTLD_NOW | RTLD_LOCAL).map_err(at)?;
            let version: Symbol<tier2::AbiVersionFn> = library.get(tier2::ABI_VERSION_SYMBOL.as_bytes()).map_err(at)?;
            let version = version();
            if version != tier2::ABI_VERSION {
                return Err(format!("{}: has ABI {version}, this build {}", path.display(), tier2::ABI_VERSION));
            }
            Ok(Tier2 {
                identity: library.get(tier2::IDENTITY_SYMBOL.as_bytes()).map_err(at)?,
                compile: library.get(tier2::COMPILE_SYMBOL.as_bytes()).map_err(at)?,
                free: library.get(tier2::FREE_SYMBOL.as_bytes()).map_err(at)?,
                _library: ManuallyDrop::new(library),
            })
        }
    }

    /// Calls a function that gives bytes, and copies them.
    fn call(&self, function: impl FnOnce(*mut ForeignBytes) -> u32) -> CodegenResult<Vec<u8>> {
        let mut bytes = ForeignBytes { ptr: std::ptr::null_mut(), len: 0, capacity: 0 };
        match function(&mut bytes) {
            tier2::STATUS_OK => {
                // SAFETY: status 0: `len` bytes at `ptr` are ours until we free them, which we do once.
                let copy = unsafe { std::slice::from_raw_parts(bytes.ptr, bytes.len) }.to_vec();
                // SAFETY: as above.
                unsafe { (self.free)(bytes) };
                Ok(copy)
            }
            tier2::STATUS_PANIC => Err(CodegenError::Compiler("tier 2 panicked".to_string())),
            status => Err(CodegenError::Compiler(format!("tier 2 answered with status {status}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use flashpoint_ir::builder::Builder;
    use flashpoint_ir::reason::Reason;

    use super::*;

    #[test]
    fn an_absent_library_is_a_reason_and_not_a_panic() {
        let llvm = Llvm::new("/nowhere/_tier2.so");
        let mut b = Builder::new("f");
        let block = b.create_block();
        b.switch_to(block);
        b.ret(None);
        let error = llvm.compile(&b.func, &CompileOptions::default()).unwrap_err();
        assert_eq!(error.reason(), Reason::NoTier2);
        assert_eq!(llvm.identity(), "llvm absent");
    }
}
