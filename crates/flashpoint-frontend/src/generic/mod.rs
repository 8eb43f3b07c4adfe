//! Syntax trees to the generic form. Start at [`build_generic`].
//!
//! Covers Python's function-level syntax with Python's order of evaluation. Each operation carries the position that
//! CPython 3.11 gives to its instruction, so that tracebacks show the same lines. What stays with CPython comes back as
//! [`NotCompiled`]; a *nested* function that cannot be built merely has no body, and the host makes it from its code.
//!
//! Invariants (checked by `flashpoint_ir::generic_verify` in tests):
//! - no temporary is live across a statement, or where a handler begins;
//! - pinned slots are dropped on every path, by the handlers too;
//! - `CheckBound` stands only where a path without an assignment exists.

use flashpoint_ir::generic::{GenericFunction, Span};
use flashpoint_ir::reason::Reason;

use crate::scope::{Scopes, class_of_qualname, node_key};
use crate::syntax::{Expr, FunctionSource};

mod emit;
mod function;

mod expr;

mod call;
mod condition;
mod display;

mod assign;
mod stmt;

mod pattern;
mod protect;

mod tidy;

/// What a function's source alone does not say.
#[derive(Clone, Debug, PartialEq)]
pub struct ModuleInfo {
    /// `co_filename`.
    pub filename: String,
    /// `__qualname__` of the function.
    pub qualname: String,
    /// `co_freevars`: the variables of enclosing functions, in the order of `__closure__`.
    pub free_vars: Vec<String>,
    /// `__debug__`: whether assertions are compiled.
    pub debug: bool,
    /// Whether the module has `from __future__ import annotations`.
    pub future_annotations: bool,
}

impl ModuleInfo {
    /// A function in `filename` without closure, with assertions.
    pub fn new(filename: impl Into<String>, qualname: impl Into<String>) -> ModuleInfo {
        ModuleInfo {
            filename: filename.into(),
            qualname: qualname.into(),
            free_vars: Vec::new(),
            debug: true,
            future_annotations: false,
        }
    }
}

/// Why a function has no generic form, and which part of it is the reason.
#[derive(Clone, Debug, PartialEq)]
pub struct NotCompiled {
    /// From the closed table.
    pub reason: Reason,
    /// The source that the reason stands for.
    pub span: Span,
    /// That construct in Python's words, e.g. "`except*`"; empty if the reason says it all.
    pub what: String,
}

impl std::fmt::Display for NotCompiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.span.line, self.reason.what())?;
        if self.what.is_empty() { Ok(()) } else { write!(f, ": {}", self.what) }
    }
}

impl std::error::Error for NotCompiled {}

impl NotCompiled {
    pub(crate) fn new(reason: Reason, span: Span, what: impl Into<String>) -> NotCompiled {
        NotCompiled { reason, span, what: what.into() }
    }
}

/// Builds the generic form of a `def` or `lambda`. Decorators, defaults and annotations of the function itself were
/// evaluated when it was defined, and are not part of it.
///
/// # Errors
/// Generators and coroutines, functions with a nested class, and what has no generic operations (`except*`, zero-argument
/// `super()`, type parameters of nested definitions) are left to CPython.
pub fn build_generic(source: FunctionSource<'_>, module: &ModuleInfo) -> Result<GenericFunction, NotCompiled> {
    if let FunctionSource::AsyncFunctionDef(def) = source {
        return Err(NotCompiled::new(Reason::Generator, def.span, ""));
    }
    let private = class_of_qualname(&module.qualname);
    let scopes = Scopes::of(source, &module.free_vars, private);
    if let Some(name) = scopes.root().frees.iter().find(|name| !module.free_vars.contains(name)) {
        let what = format!("`{name}` is no variable of an enclosing function");
        return Err(NotCompiled::new(Reason::SourceChanged, source.span(), what));
    }
    let shared = emit::Shared { scopes: &scopes, module };
    let parts = function::Parts::of(source);
    function::build(&shared, scopes.root(), &module.free_vars, module.qualname.clone(), &parts)
}

/// The key of a comprehension in [`Scopes`].
pub(crate) fn comprehension_key(expr: &Expr) -> usize {
    node_key(expr)
}
