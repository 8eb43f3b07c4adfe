//! What `explain()` and `inspect()` say.

use std::fmt::Write;

use pyo3::prelude::*;

/// What became of a function, as `Function.explain()` tells it. `str(report)` is the text for people.
#[pyclass(frozen, module = "flashpoint", get_all)]
#[derive(Clone)]
pub struct Report {
    /// `__qualname__` of the function.
    pub name: String,
    /// The highest tier reached; `None` if CPython runs the function.
    pub tier: Option<u8>,
    /// Calls through the engine so far.
    pub n_calls: u64,
    /// Types of arguments seen.
    pub signatures: Vec<String>,
    /// Guards that failed.
    pub deopts: Vec<String>,
    /// Why things are as they are, each with its code.
    pub reasons: Vec<String>,
}

#[pymethods]
impl Report {
    fn __str__(&self) -> String {
        let mut text = format!("{}: ", self.name);
        let _ = match self.tier {
            Some(tier) => writeln!(text, "tier {tier} after {} calls", self.n_calls),
            None => writeln!(text, "runs in CPython"),
        };
        for (title, lines) in
            [("called with", &self.signatures), ("left compiled code", &self.deopts), ("because", &self.reasons)]
        {
            for line in lines {
                let _ = writeln!(text, "  {title} {line}");
            }
        }
        text
    }

    fn __repr__(&self) -> String {
        self.__str__()
    }
}
