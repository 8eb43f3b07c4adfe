//! What tier 0 saw: the kinds of results whose types typed lowering cannot know.
//!
//! One 16-bit word per operation. Low byte: the set of [`Kinds`] of its results. High byte: the dtype of its NumPy scalars:
//! 0 for none seen, `1 + dtype` for one, 255 for several. Recorded for calls, loads of globals, cells, attributes and
//! items, unpacking (all targets together), `ForNext` (but not over a `RangeIter`), and operators whose result was *not*
//! computed by a fast path on two `Int` or two `Float` operands (`**` has none, nor has `/` of integers). So, for an
//! operator: an empty word means that only plain 64-bit integers and floats were seen, or nothing; [`Kinds::WIDE`] that an
//! integer result was beyond 64 bits; [`Kinds::WIDE`] with [`Kinds::OBJECT`] that one was beyond 128 bits.
//!
//! Updates are plain loads and stores of atomics: threads may lose one another's news, which comes again if it matters.

use std::sync::atomic::{AtomicU16, Ordering};

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::Pc;
use flashpoint_ir::slot::{Slot, Tag};

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Kinds(pub u8);

#[allow(missing_docs)]
impl Kinds {
    pub const NOTHING: Kinds = Kinds(0);
    pub const NONE: Kinds = Kinds(1);
    pub const BOOL: Kinds = Kinds(2);
    /// A Python `int` within 64 bits.
    pub const INT: Kinds = Kinds(4);
    pub const FLOAT: Kinds = Kinds(8);
    pub const COMPLEX: Kinds = Kinds(16);
    /// A NumPy scalar.
    pub const NUMPY: Kinds = Kinds(32);
    /// Any other object.
    pub const OBJECT: Kinds = Kinds(64);
    /// A Python `int` beyond 64 bits.
    pub const WIDE: Kinds = Kinds(128);

    /// The kind of a value.
    #[inline]
    pub fn of(slot: &Slot) -> Kinds {
        const BY_TAG: [Kinds; Tag::ALL.len()] = {
            let mut kinds = [Kinds::NOTHING; Tag::ALL.len()];
            let mut i = 0;
            while i < Tag::ALL.len() {
                kinds[i] = match Tag::ALL[i] {
                    Tag::Unbound => Kinds::NOTHING,
                    Tag::None => Kinds::NONE,
                    Tag::Bool => Kinds::BOOL,
                    Tag::Int => Kinds::INT,
                    Tag::Float => Kinds::FLOAT,
                    Tag::Complex => Kinds::COMPLEX,
                    Tag::Numpy => Kinds::NUMPY,
                    Tag::Object | Tag::RangeIter | Tag::SeqIter => Kinds::OBJECT,
                    Tag::Int128 => Kinds::WIDE,
                };
                i += 1;
            }
            kinds
        };
        BY_TAG[slot.tag as usize]
    }

    /// Whether all of `other` are in the set.
    pub fn contains(self, other: Kinds) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for Kinds {
    type Output = Kinds;

    fn bitor(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}

/// The dtype byte when several were seen.
const SEVERAL: u8 = 255;

/// See the module's text.
#[derive(Debug)]
pub struct Profile {
    words: Box<[AtomicU16]>,
}

impl Profile {
    /// An empty profile of `n_ops` operations.
    pub(super) fn new(n_ops: usize) -> Profile {
        Profile { words: (0..n_ops).map(|_| AtomicU16::new(0)).collect() }
    }

    /// The kinds of results seen at `pc`.
    pub fn kinds(&self, pc: Pc) -> Kinds {
        Kinds(self.words[pc.0 as usize].load(Ordering::Relaxed) as u8)
    }

    /// The dtype of the NumPy scalars seen at `pc`, if all had one.
    pub fn dtype(&self, pc: Pc) -> Option<DType> {
        match (self.words[pc.0 as usize].load(Ordering::Relaxed) >> 8) as u8 {
            0 | SEVERAL => None,
            number => DType::from_number(u32::from(number) - 1),
        }
    }

    /// Forgets what was seen at `pc`: the types of a program may change for good.
    pub fn forget(&self, pc: Pc) {
        self.words[pc.0 as usize].store(0, Ordering::Relaxed);
    }

    /// Notes a result. Usually a load and a test.
    #[inline]
    pub fn record(&self, pc: Pc, result: &Slot) {
        let kind = Kinds::of(result);
        if kind == Kinds::NUMPY {
            self.record_numpy(pc, result.aux);
        } else {
            self.record_kinds(pc, kind);
        }
    }

    /// Notes kinds.
    #[inline]
    pub fn record_kinds(&self, pc: Pc, kinds: Kinds) {
        let word = &self.words[pc.0 as usize];
        let seen = word.load(Ordering::Relaxed);
        if seen & u16::from(kinds.0) != u16::from(kinds.0) {
            word.store(seen | u16::from(kinds.0), Ordering::Relaxed);
        }
    }

    fn record_numpy(&self, pc: Pc, dtype: u32) {
        let word = &self.words[pc.0 as usize];
        let seen = word.load(Ordering::Relaxed);
        let dtype = match (seen >> 8) as u8 {
            0 => dtype as u8 + 1,
            one if u32::from(one) == dtype + 1 => one,
            _ => SEVERAL,
        };
        let now = seen & 0xff | u16::from(Kinds::NUMPY.0) | u16::from(dtype) << 8;
        if now != seen {
            word.store(now, Ordering::Relaxed);
        }
    }
}
