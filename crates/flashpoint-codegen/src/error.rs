//! What can go wrong between typed code and a function that can be called.

use std::fmt;

use flashpoint_ir::reason::Reason;

/// The result of compiling or loading.
pub type CodegenResult<T> = Result<T, CodegenError>;

/// Why there is no code. The unit stays on its lower tier, and the engine says so once, with [`CodegenError::reason`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodegenError {
    /// The function is beyond a limit: instructions, exit words, links.
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        size: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// The back end has no code for an instruction. `line` is the user's line, 0 if unknown.
    Unsupported {
        /// The instruction or type, as the printer names it.
        what: String,
        /// Line of the user's source.
        line: u32,
    },
    /// The compiler failed: a bug of ours or of the compiler's.
    Compiler(String),
    /// The tier-2 library is absent or does not fit this build.
    NoTier2(String),
    /// An object refers to something the loader does not provide, or is damaged.
    BadObject(String),
    /// No executable memory: the budget is used up, or the system refused.
    OutOfMemory(String),
}

impl CodegenError {
    /// The entry of the closed table that says what this means to the user.
    pub fn reason(&self) -> Reason {
        match self {
            CodegenError::TooLarge { .. } => Reason::TooLarge,
            CodegenError::NoTier2(_) => Reason::NoTier2,
            CodegenError::Unsupported { .. }
            | CodegenError::Compiler(_)
            | CodegenError::BadObject(_)
            | CodegenError::OutOfMemory(_) => Reason::CompilerFailed,
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>, line: u32) -> CodegenError {
        CodegenError::Unsupported { what: what.into(), line }
    }
}

impl fmt::Display for CodegenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodegenError::TooLarge { what, size, limit } => write!(f, "{size} {what}, the limit is {limit}"),
            CodegenError::Unsupported { what, line: 0 } => write!(f, "no machine code for {what}"),
            CodegenError::Unsupported { what, line } => write!(f, "no machine code for {what} (line {line})"),
            CodegenError::Compiler(message) => write!(f, "the compiler failed: {message}"),
            CodegenError::NoTier2(why) => write!(f, "tier 2 is not available: {why}"),
            CodegenError::BadObject(what) => write!(f, "the object cannot be loaded: {what}"),
            CodegenError::OutOfMemory(what) => write!(f, "no memory for code: {what}"),
        }
    }
}

impl std::error::Error for CodegenError {}
