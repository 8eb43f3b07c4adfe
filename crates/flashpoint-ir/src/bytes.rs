//! Typed functions as bytes, for the tier-2 library and for caches.
//!
//! The bytes open with a magic number and a version. The version changes whenever a type that is serialised changes its
//! shape or an operation its number or meaning; bytes of another version are refused, never guessed at.
//!
//! [`tier2`] is the C interface of the tier-2 library, over which nothing else travels.

use serde::{Deserialize, Serialize};

use crate::typed::{Block, TypedFunction};

/// First bytes of every message.
pub const MAGIC: [u8; 4] = *b"FPIR";
/// Version of everything that is serialised.
pub const VERSION: u32 = 5;

/// The symbol of the word that holds the version's number, which exits store to `Context::exit_version`. Placed by the
/// loader, so that code depends on no process.
pub const VERSION_SYMBOL: &str = "flashpoint_version";

/// A function to compile, with the options that change the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompileRequest {
    /// What to compile.
    pub function: TypedFunction,
    /// Make guards count down the context's stress counter.
    pub stress: bool,
    /// Keep the assembler text.
    pub want_asm: bool,
    /// Keep the compiler's intermediate text, before and after optimisation.
    pub want_ir: bool,
    /// Exits whose guards may fail freely under stress, by number.
    pub free_exits: Vec<bool>,
    /// Headers of loops that hardly ever run, and are worth little code.
    pub cold_loops: Vec<Block>,
    /// Widest vectors to use, in bits; 0 for the best of the host.
    pub vector_bits: u16,
    /// Optimisation level, 0 to 3.
    pub opt_level: u8,
    /// Emit machine code without optimising it further, whatever the level: a fifth of the time, for tests.
    pub quick_emit: bool,
    /// Processor and features to compile for, as LLVM writes them; `None` for this machine and all it has.
    pub target: Option<(String, String)>,
}

impl CompileRequest {
    /// Asks for the best code for this machine, and nothing else.
    pub fn new(function: TypedFunction) -> CompileRequest {
        CompileRequest {
            function,
            stress: false,
            want_asm: false,
            want_ir: false,
            free_exits: Vec::new(),
            cold_loops: Vec::new(),
            vector_bits: 0,
            opt_level: 3,
            quick_emit: false,
            target: None,
        }
    }
}

/// What a compiler answers to a [`CompileRequest`].
pub type CompileAnswer = Result<CompileReply, CompileFailure>;

/// What a compiler made of a [`CompileRequest`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompileReply {
    /// A relocatable ELF object.
    pub object: Vec<u8>,
    /// Assembler text.
    pub asm: Option<String>,
    /// Intermediate text.
    pub ir: Option<String>,
}

/// Why there is no [`CompileReply`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompileFailure {
    /// The request cannot be read, or its function does not verify.
    BadRequest(String),
    /// There is no code for an instruction; `line` is the user's line, 0 if unknown.
    #[allow(missing_docs)]
    Unsupported { what: String, line: u32 },
    /// The compiler failed: a bug of ours or of the compiler's.
    Compiler(String),
}

impl std::fmt::Display for CompileFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CompileFailure::BadRequest(what) => write!(f, "bad request: {what}"),
            CompileFailure::Unsupported { what, line: 0 } => write!(f, "no machine code for {what}"),
            CompileFailure::Unsupported { what, line } => write!(f, "no machine code for {what} (line {line})"),
            CompileFailure::Compiler(what) => write!(f, "the compiler failed: {what}"),
        }
    }
}

impl std::error::Error for CompileFailure {}

/// The C interface of the tier-2 library. All of it may be called from several threads at once; none of it unwinds.
pub mod tier2 {
    /// What [`ABI_VERSION_SYMBOL`] returns. Changes with anything in this module; bytes have a version of their own.
    pub const ABI_VERSION: u32 = 2;

    /// Symbol of an [`AbiVersionFn`].
    pub const ABI_VERSION_SYMBOL: &str = "flashpoint_llvm_abi_version";
    /// Symbol of an [`IdentityFn`].
    pub const IDENTITY_SYMBOL: &str = "flashpoint_llvm_identity";
    /// Symbol of a [`CompileFn`].
    pub const COMPILE_SYMBOL: &str = "flashpoint_llvm_compile";
    /// Symbol of a [`FreeFn`].
    pub const FREE_SYMBOL: &str = "flashpoint_llvm_free";

    /// Status: the bytes are there.
    pub const STATUS_OK: u32 = 0;
    /// Status: the library panicked; there are no bytes.
    pub const STATUS_PANIC: u32 = 1;

    /// Bytes that the library owns until they are handed to its [`FreeFn`].
    #[repr(C)]
    #[derive(Debug)]
    #[allow(missing_docs)]
    pub struct ForeignBytes {
        pub ptr: *mut u8,
        pub len: usize,
        pub capacity: usize,
    }

    /// Returns the library's [`ABI_VERSION`]. The other functions may be called only if it is the caller's.
    pub type AbiVersionFn = unsafe extern "C" fn() -> u32;
    /// Writes UTF-8 text naming the compiler, its version, the processor and its features. Returns a status.
    pub type IdentityFn = unsafe extern "C" fn(out: *mut ForeignBytes) -> u32;
    /// Reads an encoded [`super::CompileRequest`] of `len` bytes at `request`, writes an encoded
    /// [`super::CompileAnswer`]. Returns a status.
    pub type CompileFn = unsafe extern "C" fn(request: *const u8, len: usize, out: *mut ForeignBytes) -> u32;
    /// Frees bytes that the library gave, once.
    pub type FreeFn = unsafe extern "C" fn(bytes: ForeignBytes);
}

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BytesError {
    /// They do not open with [`MAGIC`].
    NotOurs,
    /// They are of another version.
    OtherVersion(u32),
    /// They are damaged.
    Damaged(String),
}

impl std::fmt::Display for BytesError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BytesError::NotOurs => write!(f, "these bytes are not Flashpoint's"),
            BytesError::OtherVersion(version) => write!(f, "bytes of version {version}, this is version {VERSION}"),
            BytesError::Damaged(what) => write!(f, "damaged bytes: {what}"),
        }
    }
}

impl std::error::Error for BytesError {}

/// Writes `message` with magic number and version.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    postcard::to_extend(message, bytes).expect("plain data in memory always serialises")
}

/// Reads what [`encode`] wrote.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, BytesError> {
    let Some((head, body)) = bytes.split_at_checked(8) else { return Err(BytesError::NotOurs) };
    if head[..4] != MAGIC {
        return Err(BytesError::NotOurs);
    }
    let version = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if version != VERSION {
        return Err(BytesError::OtherVersion(version));
    }
    postcard::from_bytes(body).map_err(|error| BytesError::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;

    #[test]
    fn a_function_survives_the_round_trip_and_damage_is_an_error() {
        let mut b = Builder::new("f");
        let block = b.create_block();
        b.switch_to(block);
        let value = b.i64(-3);
        b.ret(Some(value));
        let bytes = encode(&b.func);
        assert_eq!(decode::<TypedFunction>(&bytes), Ok(b.func));
        assert_eq!(decode::<TypedFunction>(b"ELF?"), Err(BytesError::NotOurs));
        let mut other = bytes.clone();
        other[4] = 99;
        assert_eq!(decode::<TypedFunction>(&other), Err(BytesError::OtherVersion(99)));
        assert!(matches!(decode::<TypedFunction>(&bytes[..bytes.len() - 1]), Err(BytesError::Damaged(_))));
    }
}
