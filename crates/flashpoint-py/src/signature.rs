//! The option `signature` of `njit`: types of arguments, as users write them.
//!
//! A text (`"int, float64[:]"`) or a sequence of types (`int`, `numpy.float64`, `"float64[:, :]"`). `int`, `float`,
//! `complex` and `bool` are Python's types, names with a size are NumPy's.

use std::fmt;

use flashpoint_frontend::lower::types::{ArrayType, Layout, Owner, SlotType};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::SlotIdx;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::typed::words::MAX_RANK;

/// Type of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgType {
    Bool,
    Int,
    Float,
    Complex,
    /// A NumPy scalar.
    Scalar(DType),
    /// A NumPy array of this many axes.
    Array(DType, u32),
}

impl fmt::Display for ArgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgType::Bool => f.write_str("bool"),
            ArgType::Int => f.write_str("int"),
            ArgType::Float => f.write_str("float"),
            ArgType::Complex => f.write_str("complex"),
            ArgType::Scalar(dtype) => f.write_str(dtype.name()),
            ArgType::Array(dtype, n_axes) => {
                write!(f, "{}[{}]", dtype.name(), vec![":"; *n_axes as usize].join(", "))
            }
        }
    }
}

impl ArgType {
    /// The type of an argument's slot; an array is writable and C-contiguous.
    pub fn slot_type(self, place: SlotIdx) -> SlotType {
        match self {
            ArgType::Bool => SlotType::Bool,
            ArgType::Int => SlotType::Int,
            ArgType::Float => SlotType::Float,
            ArgType::Complex => SlotType::Complex,
            ArgType::Scalar(DType::F16 | DType::BF16 | DType::C64) => SlotType::Untyped(place.0),
            ArgType::Scalar(dtype) => SlotType::Numpy(dtype),
            ArgType::Array(_, n_axes) if n_axes > MAX_RANK as u32 => SlotType::Untyped(place.0),
            ArgType::Array(dtype, n_axes) => {
                let ty = ArrayType { dtype, rank: n_axes as u8, layout: Layout::C, writable: true };
                SlotType::Array(ty, Owner::Entry(place.0))
            }
        }
    }

    /// Whether a slot of that type takes such an argument, of whatever layout.
    pub fn is(self, ty: &SlotType) -> bool {
        match (self, ty) {
            (ArgType::Array(dtype, n_axes), SlotType::Array(ty, _)) => {
                (dtype, n_axes) == (ty.dtype, u32::from(ty.rank))
            }
            _ => self.slot_type(SlotIdx(0)) == *ty,
        }
    }
}

/// Reads the option.
pub fn parse(signature: &Bound<'_, PyAny>) -> PyResult<Option<Vec<ArgType>>> {
    if signature.is_none() {
        return Ok(None);
    }
    if let Ok(text) = signature.extract::<String>() {
        return split(&text).into_iter().map(parse_name).collect::<PyResult<Vec<_>>>().map(Some);
    }
    let Ok(items) = signature.try_iter() else {
        let text = format!("signature must be a text or a sequence of types, not {}", signature.repr()?);
        return Err(PyTypeError::new_err(text));
    };
    items.map(|item| parse_item(&item?)).collect::<PyResult<Vec<_>>>().map(Some)
}

fn parse_item(item: &Bound<'_, PyAny>) -> PyResult<ArgType> {
    if let Ok(text) = item.extract::<String>() {
        return parse_name(&text);
    }
    if let Ok(class) = item.cast::<PyType>() {
        let name = class.name()?;
        // NumPy's own name of a scalar type may be that of a C type.
        if class.getattr("__module__")?.eq("numpy")? {
            let name: String =
                item.py().import("numpy")?.call_method1("dtype", (class,))?.getattr("name")?.extract()?;
            return DType::from_name(&name).map(ArgType::Scalar).ok_or_else(|| unknown(&name));
        }
        return parse_name(name.to_str()?);
    }
    Err(PyTypeError::new_err(format!("signature: {} is not a type", item.repr()?)))
}

/// The parts between commas that stand outside of brackets.
fn split(text: &str) -> Vec<&str> {
    let text = text.trim();
    let text = text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(text);
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    if parts.last().is_some_and(|last| last.trim().is_empty()) {
        parts.pop();
    }
    parts
}

fn parse_name(text: &str) -> PyResult<ArgType> {
    let text = text.trim();
    if let Some((element, axes)) = text.split_once('[') {
        let axes = axes.strip_suffix(']').ok_or_else(|| unknown(text))?;
        let dtype = DType::from_name(element.trim()).ok_or_else(|| unknown(text))?;
        if axes.split(',').any(|axis| axis.trim() != ":") {
            return Err(unknown(text));
        }
        return Ok(ArgType::Array(dtype, axes.split(',').count() as u32));
    }
    Ok(match text {
        "bool" => ArgType::Bool,
        "int" => ArgType::Int,
        "float" => ArgType::Float,
        "complex" => ArgType::Complex,
        _ => ArgType::Scalar(DType::from_name(text).ok_or_else(|| unknown(text))?),
    })
}

fn unknown(text: &str) -> PyErr {
    let help = if text.contains('(') {
        "list the types of the arguments only, as in \"float64[:], int\"; the result's follows"
    } else if text.contains("::") {
        "an array type is written float64[:, :] and means C-contiguous"
    } else {
        "write int, float, complex, bool, a NumPy type such as float64, or an array type such as float64[:, :]"
    };
    PyValueError::new_err(format!("signature: {text:?} is no type known here; {help}"))
}
