//! What a decorated function becomes when it is called the first time: a [`Unit`], or the reason why CPython runs it.

#![allow(unsafe_code, reason = "a unit is dropped with the GIL held")]

use std::sync::Arc;

use flashpoint_engine::tier0::Code;
use flashpoint_engine::unit::UnitOptions;
use flashpoint_frontend::generic::{ModuleInfo, NotCompiled, build_generic};
use flashpoint_ir::generic::{GenericFunction, GenericOp, Params, Span};
use flashpoint_ir::reason::Reason;
use pyo3::exceptions::PySystemError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::errors::{Diagnostic, class};
use crate::host::data::FunctionData;
use crate::host::numpy::NumPy;
use crate::typed::{EngineUnit, engine, engine_host};
use crate::{ast, source};

/// A function in generic form, ready to run.
pub struct Unit {
    pub engine: Arc<EngineUnit>,
    pub params: Params,
    /// Names of the parameter slots, interned.
    pub param_names: Vec<Py<PyString>>,
}

/// Why CPython runs a function.
#[derive(Clone, Debug)]
pub struct Plain {
    pub reason: Reason,
    pub what: String,
    pub span: Span,
}

impl From<NotCompiled> for Plain {
    fn from(error: NotCompiled) -> Self {
        Plain { reason: error.reason, what: error.what, span: error.span }
    }
}

impl Plain {
    fn new(reason: Reason) -> Self {
        Plain { reason, what: String::new(), span: Span::default() }
    }

    /// The sentence after the function's name.
    pub fn sentence(&self) -> String {
        let mut sentence = self.reason.what().to_owned();
        if !self.what.is_empty() {
            sentence += &format!(": {}", self.what);
        }
        if self.span.line > 0 {
            sentence += &format!(" (line {})", self.span.line);
        }
        sentence
    }

    /// Warns once that the function is not compiled. Generators and the like run in CPython by design, without a warning.
    pub fn warn(&self, function: &Bound<'_, PyAny>) -> PyResult<()> {
        if !matches!(self.reason, Reason::NoSource | Reason::SourceChanged | Reason::CompilerFailed) {
            return Ok(());
        }
        let py = function.py();
        let code = function.getattr(intern!(py, "__code__"))?;
        let qualname: String = function.getattr(intern!(py, "__qualname__"))?.extract()?;
        let line = code.getattr(intern!(py, "co_firstlineno"))?.extract()?;
        let diagnostic = Diagnostic {
            reason: self.reason,
            what: format!("`{qualname}` runs in CPython, uncompiled: {}", self.sentence()),
            file: code.getattr(intern!(py, "co_filename"))?.extract()?,
            function: qualname,
            span: Span { line, ..Span::default() },
            label: String::new(),
        };
        let category = class(py, "NotCompiledWarning")?;
        let text = std::ffi::CString::new(diagnostic.text(py).replace('\0', "?"))?;
        PyErr::warn(py, &category, &text, 1)
    }
}

/// Makes the unit of `function`, a Python function object.
pub fn prepare(function: &Bound<'_, PyAny>, options: UnitOptions) -> PyResult<Result<Unit, Plain>> {
    let py = function.py();
    let node = match source::locate(function)? {
        Ok(node) => node,
        Err(reason) => return Ok(Err(Plain::new(reason))),
    };
    let definition = ast::convert(&node)?;
    let module = module_info(function)?;
    let generic = match build_generic(definition.source(), &module) {
        Ok(generic) => Arc::new(generic),
        Err(why) => return Ok(Err(why.into())),
    };
    let globals = function.getattr(intern!(py, "__globals__"))?;
    if let Some((what, span)) = own_frame_use(&globals, &generic)? {
        return Ok(Err(Plain { reason: Reason::OwnFrame, what, span }));
    }
    let code = match Code::load(Arc::clone(&generic), engine().policy.trips_before_tier1()) {
        Ok(code) => code.with_wrap(options.licences.wrap),
        Err(error) => {
            let span = generic.spans.get(error.pc.0 as usize).copied().unwrap_or_default();
            return Ok(Err(Plain { reason: Reason::CompilerFailed, what: error.to_string(), span }));
        }
    };
    let Some(data) = FunctionData::new(function, Arc::clone(&generic))? else {
        // From 3.12 on, comprehensions are compiled into the function around them.
        let what = "a comprehension has no code object of its own in this version of Python".to_owned();
        return Ok(Err(Plain { reason: Reason::NoTypedForm, what, span: Span::default() }));
    };
    let param_names = param_names(py, &generic)?;
    let engine = EngineUnit::new(Arc::new(code), data, options);
    Ok(Ok(Unit { params: generic.params.clone(), param_names, engine }))
}

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: dropped with the function object, so with the GIL held, be it while the interpreter is taken down.
        let py = unsafe { Python::assume_attached() };
        if let Ok(numpy) = NumPy::get(py) {
            self.engine.release(&mut engine_host(py, numpy));
        }
    }
}

/// Whether the function looks at its own frame, which only CPython can give it: `locals()`, `eval`, ...
pub fn own_frame_use(globals: &Bound<'_, PyAny>, generic: &GenericFunction) -> PyResult<Option<(String, Span)>> {
    const NAMES: [&str; 6] = ["locals", "vars", "dir", "eval", "exec", "breakpoint"];
    const ATTRIBUTES: [&str; 2] = ["_getframe", "currentframe"];
    for (op, span) in generic.ops.iter().zip(&generic.spans) {
        let (name, looks) = match op {
            GenericOp::LoadGlobal { name, .. } => {
                let name = &generic.names[name.0 as usize];
                (name, NAMES.contains(&name.as_str()) && !globals.contains(name)?)
            }
            GenericOp::LoadAttr { name, .. } => {
                let name = &generic.names[name.0 as usize];
                (name, ATTRIBUTES.contains(&name.as_str()))
            }
            _ => continue,
        };
        if looks {
            return Ok(Some((format!("`{name}`"), *span)));
        }
    }
    Ok(None)
}

fn param_names(py: Python<'_>, generic: &GenericFunction) -> PyResult<Vec<Py<PyString>>> {
    let n_params = generic.params.n_slots() as usize;
    let slots = generic
        .slots
        .get(..n_params)
        .ok_or_else(|| PySystemError::new_err("flashpoint: the generic form has fewer slots than parameters"))?;
    Ok(slots.iter().map(|slot| PyString::intern(py, &slot.name).unbind()).collect())
}

fn module_info(function: &Bound<'_, PyAny>) -> PyResult<ModuleInfo> {
    const CO_FUTURE_ANNOTATIONS: u32 = 0x100_0000;
    let py = function.py();
    let code = function.getattr(intern!(py, "__code__"))?;
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    // The definition's name, not one given later.
    let qualname = match code.getattr_opt(intern!(py, "co_qualname"))? {
        Some(qualname) => qualname,
        None => function.getattr(intern!(py, "__qualname__"))?,
    };
    Ok(ModuleInfo {
        filename: code.getattr(intern!(py, "co_filename"))?.extract()?,
        qualname: qualname.extract()?,
        free_vars: code.getattr(intern!(py, "co_freevars"))?.extract()?,
        debug: py.import("builtins")?.getattr("__debug__")?.is_truthy()?,
        future_annotations: flags & CO_FUTURE_ANNOTATIONS != 0,
    })
}
