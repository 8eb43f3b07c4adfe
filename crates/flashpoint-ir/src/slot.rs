//! The slot: how tier 0 holds any Python value, and the layout through which all transitions pass.
//!
//! A generic frame is an array of slots, one per local, temporary and iterator of the generic form. Small values are
//! held unboxed; everything else is an owned reference to a host object.
//!
//! Invariants: a slot of tag [`Tag::Object`] or [`Tag::SeqIter`] owns one reference of the host object in `a`. Kept and
//! checked by the engine, which retains and releases through the host; a `Slot` itself is plain data and copies bits.

use crate::dtype::DType;

/// What a [`Slot`] holds. The numbers are known to compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Tag {
    /// No value: an unbound local, or a dead temporary. All zero.
    Unbound = 0,
    /// Python's `None`.
    None = 1,
    /// Python's `bool`; `a` is 0 or 1.
    Bool = 2,
    /// Python's `int`, if it fits: `a` is an `i64`. Larger ones are objects, or `Int128` on the way through compiled code.
    Int = 3,
    /// Python's `float`; `a` holds the bits of an `f64`.
    Float = 4,
    /// Python's `complex`; `a` and `b` hold the bits of the real and the imaginary part.
    Complex = 5,
    /// A NumPy scalar; `aux` is the number of its [`DType`], `a` (and `b` for `complex128`) hold the value: integers
    /// sign- or zero-extended to 64 bits, `float32` and `float16` as the bits of an `f32`/`f16` in the low bits,
    /// `complex64` as two `f32` bit patterns, real part low in `a`, imaginary part low in `b`.
    Numpy = 6,
    /// An owned reference to a host object in `a`.
    Object = 7,
    /// An iterator over a `range`: `a` is the next value (`i64`), `b` the number of values left (`u64`), `aux` the step
    /// as `i32`. Ranges that do not fit are iterated as objects.
    RangeIter = 8,
    /// An iterator over a list, tuple or array by position: `a` owns the sequence (a host object), `b` is the next
    /// index. When exhausted, `a` is 0.
    SeqIter = 9,
    /// Python's `int` of up to 128 bits: `a` low, `b` high word. Never of a value that fits `Int`.
    Int128 = 10,
}

impl Tag {
    /// Every tag, in the order of their numbers.
    pub const ALL: [Tag; 11] = [
        Tag::Unbound,
        Tag::None,
        Tag::Bool,
        Tag::Int,
        Tag::Float,
        Tag::Complex,
        Tag::Numpy,
        Tag::Object,
        Tag::RangeIter,
        Tag::SeqIter,
        Tag::Int128,
    ];
}

/// One value of the generic form. 24 bytes, plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Slot {
    /// What `aux`, `a` and `b` mean.
    pub tag: Tag,
    /// Small extra information: the dtype of a NumPy scalar, the step of a range iterator.
    pub aux: u32,
    /// First payload word.
    pub a: u64,
    /// Second payload word.
    pub b: u64,
}

impl Slot {
    /// No value.
    pub const UNBOUND: Slot = Slot { tag: Tag::Unbound, aux: 0, a: 0, b: 0 };
    /// Python's `None`.
    pub const NONE: Slot = Slot { tag: Tag::None, aux: 0, a: 0, b: 0 };
    /// Python's `True`.
    pub const TRUE: Slot = Slot { tag: Tag::Bool, aux: 0, a: 1, b: 0 };
    /// Python's `False`.
    pub const FALSE: Slot = Slot { tag: Tag::Bool, aux: 0, a: 0, b: 0 };

    /// A Python `bool`.
    #[inline]
    pub fn bool(value: bool) -> Slot {
        if value { Slot::TRUE } else { Slot::FALSE }
    }

    /// A Python `int` that fits 64 bits.
    #[inline]
    pub fn int(value: i64) -> Slot {
        Slot { tag: Tag::Int, aux: 0, a: value as u64, b: 0 }
    }

    /// A Python `int` of up to 128 bits, in the narrowest form.
    #[inline]
    pub fn int128(value: i128) -> Slot {
        match i64::try_from(value) {
            Ok(small) => Slot::int(small),
            Err(_) => Slot { tag: Tag::Int128, aux: 0, a: value as u64, b: (value >> 64) as u64 },
        }
    }

    /// A Python `float`.
    #[inline]
    pub fn float(value: f64) -> Slot {
        Slot { tag: Tag::Float, aux: 0, a: value.to_bits(), b: 0 }
    }

    /// A Python `complex`.
    #[inline]
    pub fn complex(re: f64, im: f64) -> Slot {
        Slot { tag: Tag::Complex, aux: 0, a: re.to_bits(), b: im.to_bits() }
    }

    /// A NumPy scalar of `dtype` whose payload words are as [`Tag::Numpy`] says.
    #[inline]
    pub fn numpy(dtype: DType, a: u64, b: u64) -> Slot {
        Slot { tag: Tag::Numpy, aux: dtype as u32, a, b }
    }

    /// An owned reference to the host object at `address`.
    #[inline]
    pub fn object(address: u64) -> Slot {
        Slot { tag: Tag::Object, aux: 0, a: address, b: 0 }
    }

    /// An iterator over `remaining` values from `next` by `step`.
    #[inline]
    pub fn range_iter(next: i64, remaining: u64, step: i32) -> Slot {
        Slot { tag: Tag::RangeIter, aux: step as u32, a: next as u64, b: remaining }
    }

    /// An iterator over the sequence whose owned reference is `address`, from `index`.
    #[inline]
    pub fn seq_iter(address: u64, index: u64) -> Slot {
        Slot { tag: Tag::SeqIter, aux: 0, a: address, b: index }
    }

    /// Whether the slot owns a host reference.
    #[inline]
    pub fn owns(self) -> bool {
        matches!(self.tag, Tag::Object | Tag::SeqIter) && self.a != 0
    }

    /// `a` as a signed integer.
    #[inline]
    pub fn as_i64(self) -> i64 {
        self.a as i64
    }

    /// `a` as a float.
    #[inline]
    pub fn as_f64(self) -> f64 {
        f64::from_bits(self.a)
    }

    /// The value of an `Int` or `Int128`.
    #[inline]
    pub fn as_i128(self) -> i128 {
        match self.tag {
            Tag::Int128 => ((self.b as i64 as i128) << 64) | self.a as i128,
            _ => self.a as i64 as i128,
        }
    }

    /// The element type of a NumPy scalar.
    #[inline]
    pub fn dtype(self) -> Option<DType> {
        if self.tag == Tag::Numpy { DType::from_number(self.aux) } else { None }
    }
}
