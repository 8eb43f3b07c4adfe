//! Callables whose meaning the lowering knows, by the identity of the object.

use std::collections::BTreeMap;

use flashpoint_frontend::lower::world::{Builtin, CmathFunc, MathFunc, NumpyFunc, NumpyMake};
use flashpoint_ir::dtype::DType;
use flashpoint_ir::typed::LibFunc;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// What an object means to the lowering.
pub fn builtin_of(object: &Bound<'_, PyAny>) -> Option<Builtin> {
    if let Some(builtin) = builtin_at(object.py(), object.as_ptr() as usize) {
        return Some(builtin);
    }
    if let Ok(class) = object.cast::<PyType>()
        && class.is_subclass_of::<PyBaseException>().ok()?
    {
        return Some(Builtin::Exception);
    }
    // Functions and types of these modules, whether of C or of Python, mean what they always mean.
    let module: String = object.getattr("__module__").and_then(|m| m.extract()).unwrap_or_default();
    let is_ufunc = || object.get_type().name().is_ok_and(|name| name == "ufunc");
    let known = matches!(module.as_str(), "builtins" | "math" | "cmath" | "operator") || module.starts_with("numpy");
    ((known && object.is_callable()) || is_ufunc()).then_some(Builtin::Host)
}

/// The meaning of a function by its address alone.
pub fn builtin_at(py: Python<'_>, address: usize) -> Option<Builtin> {
    /// Addresses in ascending order.
    static TABLE: PyOnceLock<Vec<(usize, Builtin)>> = PyOnceLock::new();
    let table = TABLE.get_or_try_init(py, || make_table(py).map(|table| table.into_iter().collect())).ok()?;
    table.binary_search_by_key(&address, |entry| entry.0).ok().map(|at| table[at].1)
}

/// The objects live as long as their modules; a reference is kept of each so that no other object takes its address.
fn make_table(py: Python<'_>) -> PyResult<BTreeMap<usize, Builtin>> {
    let mut table = BTreeMap::new();
    let mut add = |module: &str, name: &str, builtin: Builtin| -> PyResult<()> {
        if let Some(object) = py.import(module)?.getattr_opt(name)? {
            table.insert(object.into_ptr() as usize, builtin);
        }
        Ok(())
    };
    for (name, builtin) in BUILTINS {
        add("builtins", name, *builtin)?;
    }
    for (name, func) in MATH {
        add("math", name, Builtin::Math(*func))?;
    }
    for (name, func) in [("isnan", CmathFunc::Isnan), ("isinf", CmathFunc::Isinf), ("isfinite", CmathFunc::Isfinite)] {
        add("cmath", name, Builtin::Cmath(func))?;
    }
    for (name, func) in NUMPY {
        add("numpy", name, Builtin::Numpy(*func))?;
    }
    for (name, func) in NUMPY_MAKE {
        add("numpy", name, Builtin::NumpyMake(*func))?;
    }
    for dtype in DType::ALL {
        if dtype != DType::BF16 {
            let name = if dtype == DType::Bool { "bool_" } else { dtype.name() };
            add("numpy", name, Builtin::NumpyType(dtype))?;
        }
    }
    Ok(table)
}

const BUILTINS: &[(&str, Builtin)] = &[
    ("range", Builtin::Range),
    ("len", Builtin::Len),
    ("abs", Builtin::Abs),
    ("min", Builtin::Min),
    ("max", Builtin::Max),
    ("int", Builtin::Int),
    ("float", Builtin::Float),
    ("bool", Builtin::Bool),
    ("complex", Builtin::Complex),
    ("round", Builtin::Round),
    ("divmod", Builtin::Divmod),
    ("pow", Builtin::Pow),
    ("sum", Builtin::Sum),
    ("enumerate", Builtin::Enumerate),
    ("zip", Builtin::Zip),
    ("reversed", Builtin::Reversed),
    ("isinstance", Builtin::Isinstance),
];

const MATH: &[(&str, MathFunc)] = &[
    ("sqrt", MathFunc::Sqrt),
    ("fabs", MathFunc::Fabs),
    ("floor", MathFunc::Floor),
    ("ceil", MathFunc::Ceil),
    ("trunc", MathFunc::Trunc),
    ("copysign", MathFunc::Copysign),
    ("isnan", MathFunc::Isnan),
    ("isinf", MathFunc::Isinf),
    ("isfinite", MathFunc::Isfinite),
    ("degrees", MathFunc::Degrees),
    ("radians", MathFunc::Radians),
    ("log", MathFunc::Log),
    ("log2", MathFunc::Lib(LibFunc::Log2)),
    ("log10", MathFunc::Lib(LibFunc::Log10)),
    ("log1p", MathFunc::Lib(LibFunc::Log1p)),
    ("exp", MathFunc::Lib(LibFunc::Exp)),
    ("expm1", MathFunc::Lib(LibFunc::Expm1)),
    ("sin", MathFunc::Lib(LibFunc::Sin)),
    ("cos", MathFunc::Lib(LibFunc::Cos)),
    ("tan", MathFunc::Lib(LibFunc::Tan)),
    ("asin", MathFunc::Lib(LibFunc::Asin)),
    ("acos", MathFunc::Lib(LibFunc::Acos)),
    ("atan", MathFunc::Lib(LibFunc::Atan)),
    ("atan2", MathFunc::Lib(LibFunc::Atan2)),
    ("sinh", MathFunc::Lib(LibFunc::Sinh)),
    ("cosh", MathFunc::Lib(LibFunc::Cosh)),
    ("tanh", MathFunc::Lib(LibFunc::Tanh)),
    ("asinh", MathFunc::Lib(LibFunc::Asinh)),
    ("acosh", MathFunc::Lib(LibFunc::Acosh)),
    ("atanh", MathFunc::Lib(LibFunc::Atanh)),
    ("exp2", MathFunc::Lib(LibFunc::Exp2)),
    ("remainder", MathFunc::Lib(LibFunc::Remainder)),
    ("fmod", MathFunc::Lib(LibFunc::Fmod)),
    ("pow", MathFunc::Lib(LibFunc::Pow)),
    ("erf", MathFunc::Lib(LibFunc::Erf)),
    ("erfc", MathFunc::Lib(LibFunc::Erfc)),
];

const NUMPY: &[(&str, NumpyFunc)] = &[
    ("sqrt", NumpyFunc::Sqrt),
    ("absolute", NumpyFunc::Absolute),
    ("floor", NumpyFunc::Floor),
    ("ceil", NumpyFunc::Ceil),
    ("trunc", NumpyFunc::Trunc),
    ("isnan", NumpyFunc::Isnan),
    ("isinf", NumpyFunc::Isinf),
    ("isfinite", NumpyFunc::Isfinite),
    ("fabs", NumpyFunc::Fabs),
    ("rint", NumpyFunc::Rint),
    ("square", NumpyFunc::Square),
    ("minimum", NumpyFunc::Minimum),
    ("maximum", NumpyFunc::Maximum),
];

const NUMPY_MAKE: &[(&str, NumpyMake)] = &[
    ("empty", NumpyMake::Empty),
    ("zeros", NumpyMake::Zeros),
    ("ones", NumpyMake::Ones),
    ("full", NumpyMake::Full),
    ("arange", NumpyMake::Arange),
    ("linspace", NumpyMake::Linspace),
    ("empty_like", NumpyMake::EmptyLike),
    ("zeros_like", NumpyMake::ZerosLike),
    ("ones_like", NumpyMake::OnesLike),
    ("full_like", NumpyMake::FullLike),
];
