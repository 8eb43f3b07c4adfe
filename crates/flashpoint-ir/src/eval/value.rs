//! Values: a type, and the bits of each lane, zero-extended.

use crate::typed::{Lane, Type};

/// A value of any type. Bits above the lane's width are zero; an `i1` is 0 or 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalValue {
    ty: Type,
    lanes: Lanes,
}

/// Scalars without a heap allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lanes {
    One(u128),
    Many(Vec<u128>),
}

impl EvalValue {
    /// A scalar from its bits; those above the width are dropped.
    pub fn new(ty: Type, bits: u128) -> EvalValue {
        EvalValue { ty, lanes: Lanes::One(bits & mask(ty.lane)) }
    }

    /// A vector from the bits of its lanes.
    pub fn vector(ty: Type, lanes: Vec<u128>) -> EvalValue {
        assert_eq!(lanes.len(), usize::from(ty.lanes), "one entry for each lane");
        EvalValue { ty, lanes: Lanes::Many(lanes.into_iter().map(|bits| bits & mask(ty.lane)).collect()) }
    }

    /// An `i64`.
    pub fn i64(value: i64) -> EvalValue {
        EvalValue::new(Type::I64, value as u128)
    }

    /// An `f64`.
    pub fn f64(value: f64) -> EvalValue {
        EvalValue::new(Type::F64, u128::from(value.to_bits()))
    }

    /// An `i1`.
    pub fn i1(value: bool) -> EvalValue {
        EvalValue::new(Type::I1, u128::from(value))
    }

    /// An address.
    pub fn ptr(address: u64) -> EvalValue {
        EvalValue::new(Type::PTR, u128::from(address))
    }

    /// A scalar from its words, as arguments and exits have them.
    pub fn from_words(ty: Type, words: &[u64]) -> EvalValue {
        let high = words.get(1).copied().unwrap_or(0);
        EvalValue::new(ty, u128::from(high) << 64 | u128::from(words[0]))
    }

    /// The type.
    pub fn ty(&self) -> Type {
        self.ty
    }

    /// The bits of a scalar, or of a vector's first lane.
    pub fn bits(&self) -> u128 {
        match &self.lanes {
            Lanes::One(bits) => *bits,
            Lanes::Many(lanes) => lanes[0],
        }
    }

    /// The bits of each lane.
    pub fn lanes(&self) -> impl Iterator<Item = u128> + '_ {
        match &self.lanes {
            Lanes::One(bits) => std::slice::from_ref(bits).iter().copied(),
            Lanes::Many(lanes) => lanes.iter().copied(),
        }
    }

    /// A scalar integer, sign-extended.
    pub fn as_signed(&self) -> i128 {
        sign_extend(self.ty.lane, self.bits())
    }

    /// A scalar `f64`.
    pub fn as_f64(&self) -> f64 {
        f64::from_bits(self.bits() as u64)
    }

    /// A scalar `f32`.
    pub fn as_f32(&self) -> f32 {
        f32::from_bits(self.bits() as u32)
    }

    /// Whether an `i1` is set.
    pub fn is_true(&self) -> bool {
        self.bits() != 0
    }

    /// The words of a scalar, as arguments and exits have them: two for an `i128`, low first, one for all others.
    pub fn words(&self) -> Vec<u64> {
        let bits = self.bits();
        if self.ty.lane == Lane::I128 { vec![bits as u64, (bits >> 64) as u64] } else { vec![bits as u64] }
    }

    /// Whether the values are the same, bit for bit but for the bits of NaNs.
    pub fn agrees_with(&self, other: &EvalValue) -> bool {
        self.ty == other.ty
            && self
                .lanes()
                .zip(other.lanes())
                .all(|(a, b)| a == b || (is_nan(self.ty.lane, a) && is_nan(self.ty.lane, b)))
    }

    /// The same bits, as another type of as many lanes.
    pub(super) fn with_type(self, ty: Type) -> EvalValue {
        match self.lanes {
            Lanes::One(bits) => EvalValue::new(ty, bits),
            Lanes::Many(lanes) => EvalValue::vector(ty, lanes),
        }
    }

    /// Each lane through `f`, whose results may be wider: see [`EvalValue::with_type`].
    pub(super) fn map(&self, f: impl Fn(Lane, u128) -> u128) -> EvalValue {
        let lanes = match &self.lanes {
            Lanes::One(bits) => Lanes::One(f(self.ty.lane, *bits)),
            Lanes::Many(lanes) => Lanes::Many(lanes.iter().map(|bits| f(self.ty.lane, *bits)).collect()),
        };
        EvalValue { ty: self.ty, lanes }
    }

    /// The lanes of two values of one type through `f`.
    pub(super) fn zip(
        &self,
        other: &EvalValue,
        f: impl Fn(Lane, u128, u128) -> Result<u128, String>,
    ) -> Result<EvalValue, String> {
        if let (Lanes::One(a), Lanes::One(b)) = (&self.lanes, &other.lanes) {
            return Ok(EvalValue { ty: self.ty, lanes: Lanes::One(f(self.ty.lane, *a, *b)?) });
        }
        let lanes = self.lanes().zip(other.lanes()).map(|(a, b)| f(self.ty.lane, a, b)).collect::<Result<_, _>>()?;
        Ok(EvalValue { ty: self.ty, lanes: Lanes::Many(lanes) })
    }
}

/// As in the text: integers signed, `i1` as `true` and `false`, floats as the shortest decimal, NaNs without their bits.
impl std::fmt::Display for EvalValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lanes: Vec<String> = self.lanes().map(|bits| lane_text(self.ty.lane, bits)).collect();
        if self.ty.lanes == 1 { f.write_str(&lanes[0]) } else { write!(f, "<{}>", lanes.join(", ")) }
    }
}

fn lane_text(lane: Lane, bits: u128) -> String {
    match lane {
        _ if is_nan(lane, bits) => "nan".into(),
        Lane::I1 => (bits != 0).to_string(),
        Lane::F32 => format!("{:?}", f32::from_bits(bits as u32)),
        Lane::F64 => format!("{:?}", f64::from_bits(bits as u64)),
        Lane::Ptr => format!("{bits:#x}"),
        _ => sign_extend(lane, bits).to_string(),
    }
}

fn is_nan(lane: Lane, bits: u128) -> bool {
    match lane {
        Lane::F32 => f32::from_bits(bits as u32).is_nan(),
        Lane::F64 => f64::from_bits(bits as u64).is_nan(),
        _ => false,
    }
}

/// The bits that a lane has.
pub(super) fn mask(lane: Lane) -> u128 {
    u128::MAX >> (128 - Type::scalar(lane).lane_bits())
}

/// The bits of a lane as a signed number.
pub(super) fn sign_extend(lane: Lane, bits: u128) -> i128 {
    let unused = 128 - Type::scalar(lane).lane_bits();
    (bits << unused) as i128 >> unused
}
