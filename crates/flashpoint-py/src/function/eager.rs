//! The option `signature`: code before the first call.
#![allow(unsafe_code, reason = "default values are borrowed from a Python function")]

use flashpoint_engine::python::Python as _;
use flashpoint_frontend::lower::types::SlotType;
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::slot::Slot;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::host::convert::unbox_borrowed;
use crate::host::numpy::NumPy;
use crate::signature::ArgType;
use crate::typed::{EngineHost, engine, engine_host};
use crate::unit::Unit;

/// Compiles a function for calls with arguments of these types; the other parameters have their default values. What the
/// function names and does not find yet is looked for again at its calls.
pub fn compile_for(py: Python<'_>, unit: &Unit, py_func: &Bound<'_, PyAny>, signature: &[ArgType]) -> PyResult<()> {
    let mut host = engine_host(py, NumPy::get(py)?);
    if let Some(types) = entry_types(&mut host, unit, py_func, signature)? {
        engine().compile_for(&mut host, &unit.engine, types);
    }
    Ok(())
}

/// The types of the parameters' slots; `None` for a function that gathers arguments.
fn entry_types(
    host: &mut EngineHost,
    unit: &Unit,
    py_func: &Bound<'_, PyAny>,
    signature: &[ArgType],
) -> PyResult<Option<Vec<(SlotIdx, SlotType)>>> {
    let py = host.py;
    let params = &unit.params;
    let n_positional = params.n_positional as usize;
    if signature.len() > n_positional && !params.has_varargs {
        let (n, name) = (signature.len(), unit.engine.qualname());
        let plural = if n_positional == 1 { "" } else { "s" };
        let text = format!("signature: {n} types, but `{name}` takes {n_positional} positional argument{plural}");
        return Err(PyValueError::new_err(text));
    }
    if params.has_varargs || params.has_varkw {
        return Ok(None);
    }
    let defaults = py_func.getattr(intern!(py, "__defaults__"))?.cast_into::<PyTuple>().ok();
    let n_defaults = defaults.as_ref().map_or(0, |defaults| defaults.len());
    let keyword_defaults = py_func.getattr(intern!(py, "__kwdefaults__"))?.cast_into::<PyDict>().ok();
    let mut types = Vec::new();
    for (i, name) in unit.param_names.iter().enumerate() {
        let place = SlotIdx(i as u32);
        let ty = match signature.get(i).filter(|_| i < n_positional) {
            Some(ty) => ty.slot_type(place),
            None => {
                let default = match i < n_positional {
                    true => {
                        (i + n_defaults).checked_sub(n_positional).zip(defaults.as_ref()).map(|(at, d)| d.get_item(at))
                    }
                    false => match &keyword_defaults {
                        Some(defaults) => defaults.get_item(name)?.map(Ok),
                        None => None,
                    },
                };
                let Some(default) = default.transpose()? else {
                    let text = format!(
                        "signature: no type for the parameter {:?} of `{}`",
                        name.to_str(py)?,
                        unit.engine.qualname()
                    );
                    return Err(PyValueError::new_err(text));
                };
                // SAFETY: a live object, which the slot borrows for the length of the question.
                let slot = unsafe { unbox_borrowed(host.numpy, default.as_ptr()) };
                host.slot_type(&slot.unwrap_or(Slot::object(default.as_ptr() as u64)), place)
            }
        };
        types.push((place, ty));
    }
    Ok(Some(types))
}
