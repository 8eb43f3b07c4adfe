//! Texts for users: what, where (their own line), why, and what to do.

use std::fmt::Write;

use flashpoint_ir::generic::Span;
use flashpoint_ir::reason::Reason;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// One message about a place in a user's function.
pub struct Diagnostic {
    pub reason: Reason,
    /// What happened, naming the user's construct.
    pub what: String,
    pub file: String,
    /// `__qualname__` of the function.
    pub function: String,
    /// The construct. Columns count UTF-8 bytes.
    pub span: Span,
    /// Stands under the carets. If empty, the line is named but not shown: it may not be what it was.
    pub label: String,
}

impl Diagnostic {
    /// The whole text, without the name of the exception's class.
    pub fn text(&self, py: Python<'_>) -> String {
        let mut text = format!("[{}] {}", self.reason.code(), self.what);
        let source = self.source_line(py);
        let Span { line, col, end_line, end_col } = self.span;
        let column = source.as_deref().map_or(0, |source| n_chars(source, col));
        let _ = write!(text, "\n  --> {}:{line}", self.file);
        if source.is_some() {
            let _ = write!(text, ":{}", column + 1);
        }
        let _ = write!(text, " in `{}`", self.function);
        if let Some(source) = source {
            let end = if end_line == line { n_chars(&source, end_col) } else { source.chars().count() };
            let carets = "^".repeat(end.saturating_sub(column).max(1));
            let gutter = line.to_string().len();
            let _ = write!(text, "\n {line} | {source}");
            let _ = write!(text, "\n {:gutter$} | {:column$}{carets} {}", "", "", self.label);
        }
        let _ = write!(text, "\n   = help: {}", self.reason.help());
        text
    }

    /// Raises `flashpoint.Unsupported`.
    pub fn into_unsupported(self, py: Python<'_>) -> PyErr {
        match class(py, "Unsupported") {
            Ok(class) => PyErr::from_type(class, self.text(py)),
            Err(error) => error,
        }
    }

    fn source_line(&self, py: Python<'_>) -> Option<String> {
        if self.label.is_empty() {
            return None;
        }
        let linecache = py.import("linecache").ok()?;
        let line: String = linecache.call_method1("getline", (&self.file, self.span.line)).ok()?.extract().ok()?;
        let line = line.trim_end();
        (!line.is_empty()).then(|| line.to_owned())
    }
}

/// A class of the Python package `flashpoint._errors`.
pub fn class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyType>> {
    Ok(py.import("flashpoint._errors")?.getattr(name)?.cast_into::<PyType>()?)
}

/// The source text of a construct that stands on one line.
pub fn source_of(py: Python<'_>, file: &str, span: Span) -> Option<String> {
    let linecache = py.import("linecache").ok()?;
    let line: String = linecache.call_method1("getline", (file, span.line)).ok()?.extract().ok()?;
    let text = line.get(span.col as usize..span.end_col as usize).filter(|_| span.end_line == span.line)?;
    Some(text.to_owned())
}

fn n_chars(text: &str, n_bytes: u32) -> usize {
    text.char_indices().take_while(|(at, _)| *at < n_bytes as usize).count()
}
