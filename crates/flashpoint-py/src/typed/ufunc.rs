//! NumPy's universal functions on scalars: the loop that NumPy itself would run, called over one element.
//!
//! So the bits are NumPy's own, whatever its loops use on this processor. Which loop that is, for which types of operands
//! and results, is asked of the function (`_resolve_dtypes_and_context`, `_get_strided_loop`: the interface that NumPy offers
//! compilers since 1.24). NumPy looks at the processor's float status behind a loop, and so does this: where NumPy might
//! warn, the operation is left to it.
//!
//! Invariants: a loop needs neither the GIL nor a Python object (asked of NumPy), and raises nothing (integer powers, which
//! may, are tested first).
#![allow(unsafe_code, reason = "calls NumPy's loops by address")]

use std::ffi::{c_char, c_int, c_void};

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_ir::abi::SCRATCH_WORDS;
use flashpoint_ir::dtype::DType;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyComplex, PyFloat, PyInt, PyTuple};

use crate::host::numpy::NumPy;

/// Operands and results of a loop at most.
const MAX_OPERANDS: usize = 8;

/// Memory of an operand or result. Aligned, and apart from the next one, as NumPy's own memory is: some loops do without their
/// vector form, which has other bits, where operands are not aligned or look as if they overlapped.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Element([u64; 4]);

type StridedLoop =
    unsafe extern "C" fn(*mut c_void, *const *mut c_char, *const isize, *const isize, *mut c_void) -> c_int;

/// What NumPy's capsule of a resolved call holds.
#[repr(C)]
struct CallInfo {
    strided_loop: Option<StridedLoop>,
    context: *mut c_void,
    auxdata: *mut c_void,
    requires_pyapi: u8,
    no_floatingpoint_errors: u8,
}

/// A loop of NumPy.
pub struct Loop {
    strided_loop: StridedLoop,
    context: *mut c_void,
    auxdata: *mut c_void,
    /// Whether NumPy looks at the float status behind it.
    may_warn: bool,
    /// Whether its second operand must not be negative.
    non_negative_second: bool,
    strides: [isize; MAX_OPERANDS],
    dtypes: Vec<DType>,
    n_operands: usize,
    /// Keeps what the addresses lead to.
    _capsule: Py<PyAny>,
}

// SAFETY: the loop reads its context and auxiliary data, which the capsule keeps, and writes neither; it needs
// no GIL.
unsafe impl Send for Loop {}
// SAFETY: as above.
unsafe impl Sync for Loop {}

impl Loop {
    /// The loop that a call of `ufunc` on scalars of these types runs.
    pub fn find(numpy: &NumPy, ufunc: &Bound<'_, PyAny>, args: &[SlotType]) -> Option<Loop> {
        let py = ufunc.py();
        let module = py.import("numpy").ok()?;
        if !ufunc.is_exact_instance(&module.getattr("ufunc").ok()?) || !ufunc.getattr("signature").ok()?.is_none() {
            return None;
        }
        let name: String = ufunc.getattr("__name__").ok()?.extract().ok()?;
        // Functions of others may do anything.
        if !module.getattr(name.as_str()).ok()?.is(ufunc) {
            return None;
        }
        let (n_in, n_out): (usize, usize) =
            (ufunc.getattr("nin").ok()?.extract().ok()?, ufunc.getattr("nout").ok()?.extract().ok()?);
        if n_in != args.len() || n_in + n_out > MAX_OPERANDS {
            return None;
        }
        let mut asked = Vec::new();
        for ty in args {
            asked.push(match ty {
                SlotType::Int => py.get_type::<PyInt>().into_any(),
                SlotType::Float => py.get_type::<PyFloat>().into_any(),
                SlotType::Complex => py.get_type::<PyComplex>().into_any(),
                SlotType::Bool => module.call_method1("dtype", ("bool",)).ok()?,
                SlotType::Numpy(dtype) => module.call_method1("dtype", (dtype.name(),)).ok()?,
                _ => return None,
            });
        }
        asked.extend((0..n_out).map(|_| py.None().into_bound(py)));
        let asked = PyTuple::new(py, asked).ok()?;
        let (resolved, capsule): (Bound<'_, PyTuple>, Bound<'_, PyAny>) =
            ufunc.call_method1("_resolve_dtypes_and_context", (asked,)).ok()?.extract().ok()?;
        let mut dtypes = Vec::new();
        for descr in &resolved {
            if !descr.getattr("isnative").ok()?.extract().ok()? {
                return None;
            }
            dtypes.push(numpy.dtype_of_num(descr.getattr("num").ok()?.extract().ok()?)?);
        }
        // Some loops choose their form by the strides, and with it their bits. For scalars NumPy gives operands none, and the
        // result of several operands that of an array; checked by `tests/test_host_functions.py`.
        let mut strides = [0; MAX_OPERANDS];
        if n_in > 1 {
            strides.iter_mut().zip(&dtypes).skip(n_in).for_each(|(stride, dtype)| *stride = dtype.size() as isize);
        }
        let fixed = PyTuple::new(py, &strides[..dtypes.len()]).ok()?;
        let keywords = pyo3::types::PyDict::new(py);
        keywords.set_item("fixed_strides", fixed).ok()?;
        ufunc.call_method("_get_strided_loop", (&capsule,), Some(&keywords)).ok()?;
        // SAFETY: NumPy names the capsule so, and fills it with these fields before the method returns.
        let info = unsafe {
            let name = c"numpy_1.24_ufunc_call_info".as_ptr();
            let info = ffi::PyCapsule_GetPointer(capsule.as_ptr(), name).cast::<CallInfo>();
            if info.is_null() {
                drop(PyErr::take(py));
                return None;
            }
            &*info
        };
        let strided_loop = info.strided_loop.filter(|_| info.requires_pyapi == 0)?;
        let found = Loop {
            strided_loop,
            context: info.context,
            auxdata: info.auxdata,
            may_warn: info.no_floatingpoint_errors == 0,
            non_negative_second: name == "power" && dtypes.last().is_some_and(|dtype| dtype.is_signed_int()),
            strides,
            dtypes,
            n_operands: n_in,
            _capsule: capsule.unbind(),
        };
        Some(found)
    }

    /// The operands' types.
    pub fn operands(&self) -> &[DType] {
        &self.dtypes[..self.n_operands]
    }

    /// The results' types.
    pub fn results(&self) -> &[DType] {
        &self.dtypes[self.n_operands..]
    }

    /// Runs the loop on the operands whose words stand in `words`, and puts the results' there. False, and no result, if
    /// NumPy would look at the float status.
    pub fn call(&self, words: &mut [u64; SCRATCH_WORDS]) -> bool {
        if self.non_negative_second && self.is_negative(words[1]) {
            return false;
        }
        let mut memory = [Element([0; 4]); MAX_OPERANDS];
        let mut at = 0;
        for (element, dtype) in memory.iter_mut().zip(self.operands()) {
            match dtype {
                DType::C128 => element.0[..2].copy_from_slice(&words[at..at + 2]),
                DType::C64 => element.0[0] = words[at] | words[at + 1] << 32,
                _ => element.0[0] = words[at],
            }
            at += if dtype.is_complex() { 2 } else { 1 };
        }
        let mut data = [std::ptr::null_mut::<c_char>(); MAX_OPERANDS];
        for (address, element) in data.iter_mut().zip(&mut memory) {
            *address = element.0.as_mut_ptr().cast();
        }
        float_status::clear();
        // SAFETY: each operand and result has room for an element of its type, at its alignment; one element is asked for.
        let status =
            unsafe { (self.strided_loop)(self.context, data.as_ptr(), &1, self.strides.as_ptr(), self.auxdata) };
        if status != 0 || (self.may_warn && float_status::is_raised()) {
            return false;
        }
        let mut at = 0;
        for (element, dtype) in memory[self.n_operands..].iter().zip(self.results()) {
            match dtype {
                DType::C128 => words[at..at + 2].copy_from_slice(&element.0[..2]),
                DType::C64 => words[at..at + 2].copy_from_slice(&[element.0[0] & 0xffff_ffff, element.0[0] >> 32]),
                _ => words[at] = element.0[0],
            }
            at += if dtype.is_complex() { 2 } else { 1 };
        }
        true
    }

    fn is_negative(&self, word: u64) -> bool {
        let bits = self.dtypes[1].size() * 8;
        self.dtypes[1].is_signed_int() && word >> (bits - 1) & 1 != 0
    }
}

/// The processor's float status: what NumPy looks at behind a loop. Underflow, which NumPy ignores by default, does not
/// count; see `Lowered::has_numpy_floats`.
mod float_status {
    use std::ffi::c_int;

    unsafe extern "C" {
        fn feclearexcept(which: c_int) -> c_int;
        fn fetestexcept(which: c_int) -> c_int;
    }

    #[cfg(target_arch = "x86_64")]
    const WATCHED: c_int = 0x01 | 0x04 | 0x08;
    #[cfg(not(target_arch = "x86_64"))]
    const WATCHED: c_int = 0x01 | 0x02 | 0x04;

    /// Clears invalid, division by zero and overflow.
    pub fn clear() {
        // Clearing is slow and seldom needed.
        if is_raised() {
            // SAFETY: takes any set of flags.
            unsafe { feclearexcept(WATCHED) };
        }
    }

    /// Whether one of them was raised since.
    pub fn is_raised() -> bool {
        // SAFETY: takes any set of flags.
        unsafe { fetestexcept(WATCHED) != 0 }
    }
}
