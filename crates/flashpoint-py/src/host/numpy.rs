//! NumPy's scalars and arrays, read and written where they lie.
//!
//! The layouts are those of NumPy 2's public headers (`ndarraytypes.h`, `arrayscalars.h`), whose ABI is stable: a scalar
//! is an object header followed by its value, an array a header followed by [`ArrayFields`]. Only exact types are touched;
//! whatever is unusual (subclasses, foreign byte order, misaligned memory, object elements) is left to NumPy itself.
//!
//! Unsafe, because it follows pointers. The pointers come from live objects of exactly the types checked before, under
//! the GIL; an array's memory is reached only through indices compared with its extents.
#![allow(unsafe_code, reason = "reads and writes NumPy's memory")]

use flashpoint_ir::dtype::DType;
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::array_api::ArrayApi;

/// `PyArrayObject_fields`.
#[repr(C)]
pub struct ArrayFields {
    head: ffi::PyObject,
    pub data: *mut u8,
    pub n_dims: i32,
    pub extents: *mut isize,
    pub strides: *mut isize,
    base: *mut ffi::PyObject,
    descr: *mut DescrFields,
    pub flags: i32,
}

/// The head of `PyArray_Descr` that NumPy 1 and 2 share.
#[repr(C)]
struct DescrFields {
    head: ffi::PyObject,
    type_object: *mut ffi::PyTypeObject,
    kind: i8,
    type_char: i8,
    byte_order: i8,
    former_flags: i8,
    type_num: i32,
}

/// What an array's head must say for its elements to be touched as those of one type: see [`NumPy::head_of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayHead {
    type_num: i32,
    n_dims: i32,
    mask: i32,
    flags: i32,
}

const ALIGNED: i32 = 0x100;
pub(super) const WRITEABLE: i32 = 0x400;
const WARN_ON_WRITE: i32 = 1 << 31;
/// Beyond `NPY_VSTRING`, the last of NumPy's own type numbers.
const N_TYPE_NUMS: usize = 32;

/// NumPy's types, looked up once.
pub struct NumPy {
    pub array_type: *mut ffi::PyTypeObject,
    /// The base class of all scalars, `numpy.generic`.
    pub generic_type: *mut ffi::PyTypeObject,
    scalar_types: [*mut ffi::PyTypeObject; DType::ALL.len()],
    dtype_of_num: [Option<DType>; N_TYPE_NUMS],
    pub(super) api: ArrayApi,
    /// `numpy.False_`, `numpy.True_`.
    bools: [*mut ffi::PyObject; 2],
}

// SAFETY: the pointers are addresses of objects that are never freed (each keeps a reference for ever), used only by
// threads that hold the GIL.
unsafe impl Send for NumPy {}
// SAFETY: as above; the table is never written after it was made.
unsafe impl Sync for NumPy {}

impl NumPy {
    /// The table; imports NumPy the first time.
    pub fn get(py: Python<'_>) -> PyResult<&'static NumPy> {
        static TABLE: PyOnceLock<NumPy> = PyOnceLock::new();
        TABLE.get_or_try_init(py, || NumPy::look_up(py))
    }

    fn look_up(py: Python<'_>) -> PyResult<NumPy> {
        let numpy = py.import("numpy")?;
        let leak_type = |name: &str| -> PyResult<*mut ffi::PyTypeObject> {
            Ok(numpy.getattr(name)?.cast_into::<PyType>()?.into_ptr().cast())
        };
        let mut scalar_types = [std::ptr::null_mut(); DType::ALL.len()];
        let mut dtype_of_num = [None; N_TYPE_NUMS];
        for dtype in DType::ALL {
            if dtype == DType::BF16 {
                continue;
            }
            let descr = numpy.call_method1("dtype", (dtype.name(),))?;
            let number: usize = descr.getattr("num")?.extract()?;
            dtype_of_num[number] = Some(dtype);
            scalar_types[dtype as usize] = descr.getattr("type")?.into_ptr().cast();
        }
        let bools = [numpy.getattr("False_")?.into_ptr(), numpy.getattr("True_")?.into_ptr()];
        let (array_type, generic_type) = (leak_type("ndarray")?, leak_type("generic")?);
        let api = ArrayApi::look_up(py)?;
        Ok(NumPy { array_type, generic_type, scalar_types, dtype_of_num, api, bools })
    }

    /// The element type whose scalars are exactly of type `ty`.
    #[inline]
    pub fn scalar_dtype(&self, ty: *mut ffi::PyTypeObject) -> Option<DType> {
        self.scalar_types.iter().position(|&t| t == ty).map(|number| DType::ALL[number])
    }

    /// The element type that NumPy numbers so.
    pub fn dtype_of_num(&self, number: usize) -> Option<DType> {
        self.dtype_of_num.get(number).copied().flatten()
    }

    /// NumPy's number of an element type, its number of none if it has no such type.
    pub(super) fn type_num(&self, dtype: DType) -> i32 {
        let number = self.dtype_of_num.iter().position(|&known| known == Some(dtype));
        number.unwrap_or(N_TYPE_NUMS) as i32
    }

    /// The type of this element type's scalars.
    pub fn scalar_type(&self, dtype: DType) -> *mut ffi::PyTypeObject {
        self.scalar_types[dtype as usize]
    }

    /// Whether `object` is an array or a scalar of NumPy, of a subclass too.
    ///
    /// # Safety
    /// `object` is a live object; the GIL is held.
    pub unsafe fn is_numpy(&self, object: *mut ffi::PyObject) -> bool {
        // SAFETY: by this function's contract.
        unsafe {
            let ty = ffi::Py_TYPE(object);
            ffi::PyType_IsSubtype(ty, self.array_type) != 0 || ffi::PyType_IsSubtype(ty, self.generic_type) != 0
        }
    }

    /// The value of a scalar.
    ///
    /// # Safety
    /// `object` is a live scalar of exactly the type of `dtype`.
    #[inline]
    pub unsafe fn read_scalar(&self, object: *mut ffi::PyObject, dtype: DType) -> Slot {
        // SAFETY: the value follows the header, at its natural alignment (at most 8 bytes).
        unsafe { read_element(object.cast::<u8>().add(size_of::<ffi::PyObject>()), dtype) }
    }

    /// A new scalar; null with an exception pending if memory is short.
    pub fn new_scalar(&self, _py: Python<'_>, dtype: DType, slot: &Slot) -> *mut ffi::PyObject {
        // SAFETY: the GIL is held. The types are live; their `tp_alloc` gives an object large enough for the value, as
        // NumPy's own `PyArrayScalar_New` relies on.
        unsafe {
            if dtype == DType::Bool {
                let object = self.bools[usize::from(slot.a != 0)];
                ffi::Py_INCREF(object);
                return object;
            }
            let ty = self.scalar_types[dtype as usize];
            let Some(allocate) = (if ty.is_null() { None } else { (*ty).tp_alloc }) else {
                return std::ptr::null_mut();
            };
            let object = allocate(ty, 0);
            if !object.is_null() {
                write_element(object.cast::<u8>().add(size_of::<ffi::PyObject>()), dtype, slot.a, slot.b);
            }
            object
        }
    }

    /// The fields of an exact array, if its elements can be read where they lie.
    ///
    /// # Safety
    /// `object` is a live object; the result is used only while it lives and the GIL is held.
    #[inline]
    pub unsafe fn plain_array<'a>(&self, object: *mut ffi::PyObject) -> Option<(&'a ArrayFields, DType)> {
        // SAFETY: an exact array has these fields, whose descriptor is never null.
        unsafe {
            if ffi::Py_TYPE(object) != self.array_type {
                return None;
            }
            let fields = &*object.cast::<ArrayFields>();
            let descr = &*fields.descr;
            if fields.flags & ALIGNED == 0 || !matches!(descr.byte_order as u8, b'=' | b'|') {
                return None;
            }
            let dtype = (*self.dtype_of_num.get(usize::try_from(descr.type_num).ok()?)?)?;
            Some((fields, dtype))
        }
    }
}

impl NumPy {
    /// The head of arrays like this one, of which the flags in `mask` matter beside those that [`NumPy::plain_array`]
    /// looks at.
    pub fn head_of(&self, array: &ArrayFields, mask: i32) -> ArrayHead {
        let mask = mask | ALIGNED | WRITEABLE | WARN_ON_WRITE;
        // SAFETY: an array's descriptor is never null.
        let type_num = unsafe { (*array.descr).type_num };
        ArrayHead { type_num, n_dims: array.n_dims, mask, flags: array.flags & mask }
    }

    /// The fields of an exact array with this head.
    ///
    /// # Safety
    /// As for [`NumPy::plain_array`].
    #[inline]
    pub unsafe fn array_like<'a>(&self, object: *mut ffi::PyObject, head: &ArrayHead) -> Option<&'a ArrayFields> {
        // SAFETY: an exact array has these fields, whose descriptor is never null.
        unsafe {
            if ffi::Py_TYPE(object) != self.array_type {
                return None;
            }
            let fields = &*object.cast::<ArrayFields>();
            let descr = &*fields.descr;
            let same = fields.flags & head.mask == head.flags
                && fields.n_dims == head.n_dims
                && descr.type_num == head.type_num
                && matches!(descr.byte_order as u8, b'=' | b'|');
            same.then_some(fields)
        }
    }
}

impl ArrayFields {
    /// Address of the element of a one-dimensional array, a negative index counted from the end.
    #[inline]
    pub fn element_1d(&self, index: i64) -> Option<*mut u8> {
        if self.n_dims != 1 {
            return None;
        }
        // SAFETY: `extents` and `strides` have `n_dims` entries.
        let (extent, stride) = unsafe { (*self.extents, *self.strides) };
        let index = wrap(index, extent)?;
        Some(self.data.wrapping_offset(index * stride))
    }

    /// Address of the element whose indices the iterator gives, one for each axis.
    #[inline]
    pub fn element(&self, indices: impl ExactSizeIterator<Item = Option<i64>>) -> Option<*mut u8> {
        if indices.len() != usize::try_from(self.n_dims).ok()? || self.n_dims == 0 {
            return None;
        }
        let mut at = self.data;
        for (axis, index) in indices.enumerate() {
            // SAFETY: `axis < n_dims`.
            let (extent, stride) = unsafe { (*self.extents.add(axis), *self.strides.add(axis)) };
            at = at.wrapping_offset(wrap(index?, extent)? * stride);
        }
        Some(at)
    }

    /// Whether elements can be written without NumPy having a say.
    pub fn is_writable(&self) -> bool {
        self.flags & WRITEABLE != 0 && self.flags & WARN_ON_WRITE == 0
    }

    /// The extent of the first axis; `None` without axes.
    pub fn length(&self) -> Option<isize> {
        // SAFETY: `extents` has `n_dims` entries.
        if self.n_dims > 0 { Some(unsafe { *self.extents }) } else { None }
    }
}

#[inline]
fn wrap(index: i64, extent: isize) -> Option<isize> {
    let index = if index < 0 { index + extent as i64 } else { index };
    (0 <= index && index < extent as i64).then_some(index as isize)
}

/// The element at `at` as a NumPy scalar.
///
/// # Safety
/// `at` points to a live element of `dtype`, aligned for it.
#[inline]
pub unsafe fn read_element(at: *const u8, dtype: DType) -> Slot {
    // SAFETY: by this function's contract.
    let (a, b) = unsafe {
        match dtype {
            DType::Bool => (u64::from(*at != 0), 0),
            DType::U8 => (u64::from(*at), 0),
            DType::I8 => (*at.cast::<i8>() as i64 as u64, 0),
            DType::I16 => (*at.cast::<i16>() as i64 as u64, 0),
            DType::I32 => (*at.cast::<i32>() as i64 as u64, 0),
            DType::U16 | DType::F16 | DType::BF16 => (u64::from(*at.cast::<u16>()), 0),
            DType::U32 | DType::F32 => (u64::from(*at.cast::<u32>()), 0),
            DType::I64 | DType::U64 | DType::F64 => (*at.cast::<u64>(), 0),
            DType::C64 => (u64::from(*at.cast::<u32>()), u64::from(*at.cast::<u32>().add(1))),
            DType::C128 => (*at.cast::<u64>(), *at.cast::<u64>().add(1)),
        }
    };
    Slot::numpy(dtype, a, b)
}

/// Stores payload words of a NumPy scalar of `dtype`.
///
/// # Safety
/// `at` points to memory for an element of `dtype`, aligned for it, that may be written.
#[inline]
pub unsafe fn write_element(at: *mut u8, dtype: DType, a: u64, b: u64) {
    // SAFETY: by this function's contract.
    unsafe {
        match dtype {
            DType::Bool | DType::U8 | DType::I8 => *at = a as u8,
            DType::I16 | DType::U16 | DType::F16 | DType::BF16 => *at.cast::<u16>() = a as u16,
            DType::I32 | DType::U32 | DType::F32 => *at.cast::<u32>() = a as u32,
            DType::I64 | DType::U64 | DType::F64 => *at.cast::<u64>() = a,
            DType::C64 => {
                *at.cast::<u32>() = a as u32;
                *at.cast::<u32>().add(1) = b as u32;
            }
            DType::C128 => {
                *at.cast::<u64>() = a;
                *at.cast::<u64>().add(1) = b;
            }
        }
    }
}

/// The payload words of `value` converted to `dtype` as an assignment to an element converts it; `None` if that could
/// raise or warn, or is not worth knowing here.
#[inline]
pub fn convert_exactly(value: &Slot, dtype: DType) -> Option<(u64, u64)> {
    /// What is to be stored, in the widest type of its kind.
    enum Wide {
        Int(i128),
        Float(f64),
        Complex(f64, f64),
    }
    let f32_of = |bits: u64| f64::from(f32::from_bits(bits as u32));
    let wide = match value.tag {
        Tag::Bool => Wide::Int(i128::from(value.a)),
        Tag::Int => Wide::Int(i128::from(value.as_i64())),
        Tag::Float => Wide::Float(value.as_f64()),
        Tag::Complex => Wide::Complex(value.as_f64(), f64::from_bits(value.b)),
        Tag::Numpy => {
            let from = value.dtype()?;
            if from == dtype {
                return Some((value.a, value.b));
            }
            match from {
                DType::Bool => Wide::Int(i128::from(value.a)),
                DType::I8 | DType::I16 | DType::I32 | DType::I64 => Wide::Int(i128::from(value.as_i64())),
                DType::U8 | DType::U16 | DType::U32 | DType::U64 => Wide::Int(i128::from(value.a)),
                DType::F64 => Wide::Float(value.as_f64()),
                DType::F32 => Wide::Float(f32_of(value.a)),
                DType::C128 => Wide::Complex(value.as_f64(), f64::from_bits(value.b)),
                DType::C64 => Wide::Complex(f32_of(value.a), f32_of(value.b)),
                DType::F16 | DType::BF16 => return None,
            }
        }
        _ => return None,
    };
    let to_f32 = |x: f64| {
        let narrow = x as f32;
        let lossless_kind = narrow.is_normal() || x == 0.0 || x.is_infinite();
        lossless_kind.then_some(u64::from(narrow.to_bits()))
    };
    Some(match (wide, dtype) {
        (Wide::Int(x), DType::F64) => ((x as f64).to_bits(), 0),
        (Wide::Int(x), DType::C128) => ((x as f64).to_bits(), 0.0f64.to_bits()),
        (Wide::Float(x), DType::F64) => (x.to_bits(), 0),
        (Wide::Float(x), DType::C128) => (x.to_bits(), 0.0f64.to_bits()),
        (Wide::Complex(re, im), DType::C128) => (re.to_bits(), im.to_bits()),
        // By way of f64, as a Python number goes; a NumPy integer is converted at once, so it must be exact.
        (Wide::Int(x), DType::F32) if x.abs() <= 1 << 24 => (to_f32(x as f64)?, 0),
        (Wide::Float(x), DType::F32) => (to_f32(x)?, 0),
        (Wide::Complex(re, im), DType::C64) => (to_f32(re)?, to_f32(im)?),
        (Wide::Float(x), DType::C64) => (to_f32(x)?, 0),
        (Wide::Int(x @ 0..=1), DType::Bool) => (x as u64, 0),
        (Wide::Int(x), _) if dtype.is_int() && in_range(x, dtype) => (x as u64, 0),
        (Wide::Float(x), _) if dtype.is_int() && x.abs() < 9.0e18 && in_range(x.trunc() as i128, dtype) => {
            (x.trunc() as i128 as u64, 0)
        }
        _ => return None,
    })
}

fn in_range(x: i128, dtype: DType) -> bool {
    let bits = 8 * dtype.size() as u32;
    if dtype.is_signed_int() {
        (-(1i128 << (bits - 1))..1i128 << (bits - 1)).contains(&x)
    } else {
        (0..1i128 << bits).contains(&x)
    }
}
