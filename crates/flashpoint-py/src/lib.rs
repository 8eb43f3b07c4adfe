//! The CPython extension module.
//!
//! Reading order: [`function`] (what users call), [`unit`] (what it becomes at the first call), [`source`] and [`ast`]
//! (where its syntax tree comes from), [`host`] (Python, as the engine sees it), [`config`], [`report`], [`errors`].
#![deny(unsafe_code)]

mod function;
mod unit;

mod ast;
mod source;

mod host;
mod typed;

mod config;
mod errors;
mod report;
mod signature;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use pyo3::exceptions::{PyTypeError, PyValueError};
    use pyo3::types::PyBool;

    use super::*;
    use crate::function::Options;

    #[pymodule_export]
    use super::config::settings;
    #[pymodule_export]
    use super::report::Report;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("Function", function::object::function_type(module.py())?)
    }

    /// Makes a `Function` from a Python function.
    #[pyfunction]
    #[pyo3(signature = (function, *, fastmath, overflow, tier, fallback, signature))]
    fn compile<'py>(
        function: &Bound<'py, PyAny>,
        fastmath: &Bound<'py, PyAny>,
        overflow: &Bound<'py, PyAny>,
        tier: &Bound<'py, PyAny>,
        fallback: &Bound<'py, PyAny>,
        signature: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = parse_options(fastmath, overflow, tier, fallback, signature)?;
        function::compile(function, options)
    }

    /// Raises what `compile` would raise for these options.
    #[pyfunction]
    #[pyo3(signature = (*, fastmath, overflow, tier, fallback, signature))]
    fn check_options(
        fastmath: &Bound<'_, PyAny>,
        overflow: &Bound<'_, PyAny>,
        tier: &Bound<'_, PyAny>,
        fallback: &Bound<'_, PyAny>,
        signature: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        parse_options(fastmath, overflow, tier, fallback, signature).map(|_| ())
    }

    fn parse_options(
        fastmath: &Bound<'_, PyAny>,
        overflow: &Bound<'_, PyAny>,
        tier: &Bound<'_, PyAny>,
        fallback: &Bound<'_, PyAny>,
        signature: &Bound<'_, PyAny>,
    ) -> PyResult<Options> {
        let overflow_wraps = match overflow.extract::<String>().as_deref() {
            Ok("exact") => false,
            Ok("wrap") => true,
            _ => {
                let text = format!("overflow must be 'exact' or 'wrap', not {}", overflow.repr()?);
                return Err(PyValueError::new_err(text));
            }
        };
        let (fastmath, fallback) = (parse_switch("fastmath", fastmath)?, parse_switch("fallback", fallback)?);
        let (tier, signature) = (config::parse_tier(tier)?, signature::parse(signature)?);
        Ok(Options { fastmath, overflow_wraps, tier, fallback, signature })
    }

    fn parse_switch(name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        let wrong = |_| PyTypeError::new_err(format!("{name} must be True or False, not {value}"));
        value.cast::<PyBool>().map_err(wrong).map(|value| value.is_true())
    }

    /// For tests: the name of the reason why a function has no syntax tree, or of the tree's class.
    #[pyfunction]
    fn _locate(function: &Bound<'_, PyAny>) -> PyResult<String> {
        Ok(match source::locate(function)? {
            Ok(node) => node.get_type().name()?.to_string(),
            Err(reason) => reason.name().to_owned(),
        })
    }

    /// Tells where tier 2's library is.
    #[pyfunction]
    fn set_tier2_path(path: std::path::PathBuf) {
        typed::engine().compiler.set_llvm_path(path);
    }

    /// Whether tier 2 can be had in this build.
    #[pyfunction]
    fn has_tier2() -> bool {
        typed::engine().compiler.has_tier2()
    }

    /// Stops background compiles, for the end of the process.
    #[pyfunction]
    fn shut_down() {
        typed::engine().compiler.shut_down();
    }

    /// Before a fork: no compile starts.
    #[pyfunction]
    fn before_fork() {
        typed::engine().compiler.before_fork();
    }

    /// After a fork, in the parent: compiles may start.
    #[pyfunction]
    fn after_fork_in_parent() {
        typed::engine().compiler.after_fork_in_parent();
    }

    /// After a fork, in the child: the engine's threads are gone.
    #[pyfunction]
    fn after_fork_in_child() {
        typed::engine().compiler.after_fork_in_child();
    }

    /// Bytes of executable memory in use.
    #[pyfunction]
    fn code_bytes() -> usize {
        typed::engine().compiler.code_bytes()
    }

    /// Compiles one queued request on this thread; says whether there was one. For tests.
    #[pyfunction]
    fn step_compiler() -> bool {
        typed::engine().compiler.step()
    }

    /// Number of requests that wait or are under way.
    #[pyfunction]
    fn n_waiting() -> usize {
        typed::engine().compiler.n_waiting()
    }

    /// Switches the compile thread on or off. For tests.
    #[pyfunction]
    fn set_background(on: bool) {
        typed::engine().policy.set_background(on);
    }

    /// Thresholds for tier 1: calls of a function, back edges of a loop. For tests.
    #[pyfunction]
    fn set_thresholds(calls: u32, trips: u32) {
        typed::engine().policy.set_thresholds(calls, trips);
    }

    /// How many functions compiled code may call by number; more are left to tier 0. `None` for the usual. For tests.
    #[pyfunction]
    fn set_host_function_limit(limit: Option<usize>) {
        typed::host_functions::set_limit(limit);
    }

    /// Names and descriptions of the defects that FLASHPOINT_PLANT can arm in this build; none in an ordinary one.
    #[pyfunction]
    fn planted_defects() -> Vec<(&'static str, &'static str)> {
        flashpoint_ir::planted::plantable().iter().map(|defect| (defect.name(), defect.what())).collect()
    }
}
