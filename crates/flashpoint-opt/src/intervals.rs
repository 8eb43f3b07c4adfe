//! Signed intervals of integers, and what operations make of them.

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::fold::signed_range;

/// A signed interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Smallest value.
    pub lo: i128,
    /// Largest value.
    pub hi: i128,
}

impl Interval {
    /// All values of a type.
    pub fn full(ty: Type) -> Interval {
        let (lo, hi) = signed_range(ty.lane_bits());
        Interval { lo, hi }
    }

    /// One value.
    pub fn point(value: i128) -> Interval {
        Interval { lo: value, hi: value }
    }

    /// The smallest interval around both.
    pub fn hull(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// What is in both; `self` if nothing is, since then the place is never reached.
    pub fn meet(self, other: Interval) -> Interval {
        let met = Interval { lo: self.lo.max(other.lo), hi: self.hi.min(other.hi) };
        if met.lo <= met.hi { met } else { self }
    }

    /// Whether all of it are values of a type.
    pub fn fits(self, ty: Type) -> bool {
        let full = Interval::full(ty);
        full.lo <= self.lo && self.hi <= full.hi
    }
}

/// The exact interval of a sum, difference or product.
pub fn exact(op: BinaryOp, a: Interval, b: Interval) -> Option<Interval> {
    Some(match op {
        BinaryOp::Iadd if planted(Defect::RangeSumUpperEnd) => Interval { lo: a.lo.checked_add(b.lo)?, hi: a.hi },
        BinaryOp::Iadd => Interval { lo: a.lo.checked_add(b.lo)?, hi: a.hi.checked_add(b.hi)? },
        BinaryOp::Isub => Interval { lo: a.lo.checked_sub(b.hi)?, hi: a.hi.checked_sub(b.lo)? },
        BinaryOp::Imul => {
            let mut products = [0; 4];
            for (i, (x, y)) in [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)].into_iter().enumerate() {
                products[i] = x.checked_mul(y)?;
            }
            Interval { lo: products.into_iter().min()?, hi: products.into_iter().max()? }
        }
        _ => return None,
    })
}

/// The wrapping operation behind a signed checked one.
pub fn plain(op: OverflowOp) -> Option<BinaryOp> {
    match op {
        OverflowOp::SaddOverflow => Some(BinaryOp::Iadd),
        OverflowOp::SsubOverflow => Some(BinaryOp::Isub),
        OverflowOp::SmulOverflow => Some(BinaryOp::Imul),
        _ => None,
    }
}

/// The interval of an operation's result; `None` if it may wrap, or nothing is known of it.
pub fn interval_of(op: BinaryOp, ia: Interval, ib: Interval, ty: Type) -> Option<Interval> {
    match op {
        BinaryOp::Iadd | BinaryOp::Isub | BinaryOp::Imul => exact(op, ia, ib).filter(|i| i.fits(ty)),
        BinaryOp::Smin => Some(Interval { lo: ia.lo.min(ib.lo), hi: ia.hi.min(ib.hi) }),
        BinaryOp::Smax => Some(Interval { lo: ia.lo.max(ib.lo), hi: ia.hi.max(ib.hi) }),
        BinaryOp::Umin if ib.lo >= 0 => Some(Interval { lo: 0, hi: if ia.lo >= 0 { ia.hi.min(ib.hi) } else { ib.hi } }),
        BinaryOp::And if ib.lo >= 0 => Some(Interval { lo: 0, hi: if ia.lo >= 0 { ia.hi.min(ib.hi) } else { ib.hi } }),
        BinaryOp::And if ia.lo >= 0 => Some(Interval { lo: 0, hi: ia.hi }),
        BinaryOp::Or | BinaryOp::Xor if ia.lo >= 0 && ib.lo >= 0 => {
            let bits = 128 - (ia.hi | ib.hi).leading_zeros();
            Some(Interval { lo: 0, hi: if bits >= 127 { i128::MAX } else { (1 << bits) - 1 } })
        }
        BinaryOp::SremFloor if ib.lo > 0 => {
            Some(Interval { lo: 0, hi: if ia.lo >= 0 { ia.hi.min(ib.hi - 1) } else { ib.hi - 1 } })
        }
        BinaryOp::Urem if ib.lo > 0 && ia.lo >= 0 => Some(Interval { lo: 0, hi: ia.hi.min(ib.hi - 1) }),
        BinaryOp::SdivFloor | BinaryOp::Sdiv | BinaryOp::Udiv if ib.lo > 0 && ia.lo >= 0 => {
            Some(Interval { lo: ia.lo / ib.hi, hi: ia.hi / ib.lo })
        }
        BinaryOp::SdivFloor if ib.lo > 0 => Some(Interval { lo: ia.lo.min(0), hi: ia.hi.max(0) }),
        BinaryOp::Ashr if ib.lo >= 0 && ib.hi < i128::from(ty.lane_bits()) => {
            Some(Interval { lo: (ia.lo >> ib.lo).min(ia.lo >> ib.hi), hi: (ia.hi >> ib.lo).max(ia.hi >> ib.hi) })
        }
        BinaryOp::Shl if ib.lo == ib.hi && (0..i128::from(ty.lane_bits()).min(100)).contains(&ib.lo) => {
            exact(BinaryOp::Imul, ia, Interval::point(1 << ib.lo)).filter(|i| i.fits(ty))
        }
        _ => None,
    }
}

/// Whether intervals are kept for a type.
pub fn is_counted(ty: Type) -> bool {
    ty.lanes == 1 && matches!(ty.lane, Lane::I8 | Lane::I16 | Lane::I32 | Lane::I64 | Lane::I128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold;

    /// Every operation on intervals between telling ends, with the telling values inside.
    #[test]
    fn intervals_hold_all_results() {
        let telling: [i128; 13] = [-128, -127, -65, -8, -3, -1, 0, 1, 2, 7, 64, 126, 127];
        let intervals: Vec<Interval> = telling
            .iter()
            .flat_map(|lo| telling.iter().filter(move |hi| lo <= *hi).map(move |hi| Interval { lo: *lo, hi: *hi }))
            .collect();
        use BinaryOp::*;
        for op in [
            Iadd, Isub, Imul, Smin, Smax, Umin, Umax, And, Or, Xor, SremFloor, Srem, Urem, SdivFloor, Sdiv, Udiv, Ashr,
            Lshr, Shl,
        ] {
            for a in &intervals {
                for b in &intervals {
                    let Some(result) = interval_of(op, *a, *b, Type::I8) else { continue };
                    for x in telling.iter().filter(|x| (a.lo..=a.hi).contains(x)) {
                        for y in telling.iter().filter(|y| (b.lo..=b.hi).contains(y)) {
                            let Some(value) = fold::binary(op, *x, *y, 8) else { continue };
                            assert!(
                                (result.lo..=result.hi).contains(&value),
                                "{op:?} {x} {y}: {value} not in {result:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
