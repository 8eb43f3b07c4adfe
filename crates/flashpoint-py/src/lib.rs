//! The CPython extension module.
#![deny(unsafe_code)]

mod source;

mod ast;

mod host;

mod function { #![allow(missing_docs)]
pub fn is_compiled_function(_: *mut pyo3::ffi::PyObject) -> bool { false } }

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use super::*;

    /// For tests: the syntax tree of a function.
    #[pyfunction]
    fn _locate(function: &Bound<'_, PyAny>) -> PyResult<String> {
        Ok(match source::locate(function)? {
            Ok(located) => {
                let d = ast::convert(&located.node)?;
                format!("{:?} {:?}", located.class_name, d.source())
            }
            Err(reason) => reason.name().to_owned(),
        })
    }
}
