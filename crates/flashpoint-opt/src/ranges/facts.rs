//! What is known at one point of the walk: intervals, differences, sums that are exact; what a condition adds to that
//! ([`Ranges::assume`]), and what it is known to be ([`Ranges::truth`]).
//!
//! Invariant: whatever is learnt goes on the trail; `undo_to` takes it back.

use flashpoint_ir::factor::exact_factors;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use super::{Ranges, checked_value};
use crate::fold::compare;
use crate::intervals::{Interval, exact, is_counted, plain};
use crate::simplify::opposite;

/// Something to take back when the walk leaves a subtree.
pub(super) enum Undo {
    Interval(Value, Option<Interval>),
    Difference((Value, Value), Option<i128>),
    Exact(Value),
}

impl Ranges<'_> {
    pub(super) fn undo_to(&mut self, mark: usize) {
        while self.trail.len() > mark {
            match self.trail.pop().expect("longer than the mark") {
                Undo::Interval(value, old) => self.intervals[value.index()] = old,
                Undo::Difference(key, Some(old)) => drop(self.differences.insert(key, old)),
                Undo::Difference(key, None) => drop(self.differences.remove(&key)),
                Undo::Exact(value) => drop(self.exact.remove(&value)),
            }
        }
    }

    pub(super) fn interval(&self, value: Value) -> Interval {
        let ty = self.func.value_types.get(value.index()).copied().unwrap_or(Type::I128);
        match self.intervals.get(value.index()).copied().flatten() {
            Some(interval) => interval,
            None => match self.defs.int(self.func, value) {
                Some(constant) => Interval::point(constant),
                None => Interval::full(ty),
            },
        }
    }

    pub(super) fn set_interval(&mut self, value: Value, interval: Interval) {
        if self.intervals.len() <= value.index() {
            self.intervals.resize(value.index() + 1, None);
        }
        self.trail.push(Undo::Interval(value, self.intervals[value.index()]));
        self.intervals[value.index()] = Some(interval);
    }

    fn refine(&mut self, value: Value, interval: Interval) {
        if self.defs.int(self.func, value).is_some() {
            return;
        }
        let old = self.interval(value);
        let new = old.meet(interval);
        if new != old {
            self.set_interval(value, new);
            // What holds for an exact sum with a constant holds for its other operand, shifted.
            if let Some((base, offset)) = self.base_once(value) {
                self.refine(base, Interval { lo: new.lo.saturating_sub(offset), hi: new.hi.saturating_sub(offset) });
            }
        }
    }

    pub(super) fn mark_exact(&mut self, value: Value) {
        if self.exact.insert(value) {
            self.trail.push(Undo::Exact(value));
        }
    }

    fn base_once(&self, value: Value) -> Option<(Value, i128)> {
        if !self.exact.contains(&value) {
            return None;
        }
        match self.defs.inst(self.func, value)? {
            InstKind::Binary(BinaryOp::Iadd, a, b) | InstKind::Overflow(OverflowOp::SaddOverflow, a, b) => {
                Some((*a, self.defs.int(self.func, *b)?))
            }
            _ => None,
        }
    }

    /// A value as another one plus a constant, exactly.
    pub(super) fn base(&self, value: Value) -> (Value, i128) {
        let (mut base, mut offset) = (value, 0i128);
        for _ in 0..8 {
            match self.base_once(base) {
                Some((next, more)) => {
                    base = next;
                    offset = offset.saturating_add(more);
                }
                None => break,
            }
        }
        (base, offset)
    }

    /// The largest possible `a - b`.
    fn max_difference(&self, a: Value, b: Value) -> i128 {
        let ((x, p), (y, q)) = (self.base(a), self.base(b));
        let by_interval = self.interval(a).hi.saturating_sub(self.interval(b).lo);
        let known = if x == y { Some(0) } else { self.differences.get(&(x, y)).copied() };
        known.map_or(by_interval, |d| by_interval.min(d.saturating_add(p).saturating_sub(q)))
    }

    /// `a - b <= limit` holds from here on.
    fn assume_difference(&mut self, a: Value, b: Value, limit: i128) {
        let ((x, p), (y, q)) = (self.base(a), self.base(b));
        let limit = limit.saturating_sub(p).saturating_add(q);
        let old = self.differences.get(&(x, y)).copied();
        if x != y && old.is_none_or(|old| limit < old) {
            self.differences.insert((x, y), limit);
            self.trail.push(Undo::Difference((x, y), old));
        }
        // Intervals follow.
        let (ia, ib) = (self.interval(x), self.interval(y));
        self.refine(x, Interval { lo: i128::MIN, hi: ib.hi.saturating_add(limit) });
        self.refine(y, Interval { lo: ia.lo.saturating_sub(limit), hi: i128::MAX });
        let (ia, ib) = (self.interval(a), self.interval(b));
        let limit = limit.saturating_add(p).saturating_sub(q);
        self.refine(a, Interval { lo: i128::MIN, hi: ib.hi.saturating_add(limit) });
        self.refine(b, Interval { lo: ia.lo.saturating_sub(limit), hi: i128::MAX });
    }

    /// `cond` is known from here on.
    pub(super) fn assume(&mut self, cond: Value, truth: bool) {
        match self.defs.inst(self.func, cond).cloned() {
            Some(InstKind::Binary(BinaryOp::And, a, b)) if truth => {
                self.assume(a, true);
                self.assume(b, true);
            }
            Some(InstKind::Binary(BinaryOp::Or, a, b)) if !truth => {
                self.assume(a, false);
                self.assume(b, false);
            }
            Some(InstKind::Icmp(cc, a, b)) => {
                let ty = self.func.value_types[a.index()];
                if ty == Type::I1 {
                    if truth && let Some(value) = checked_value(self.func, &self.defs, cond) {
                        self.assume_exact(value);
                    }
                    return;
                }
                if !is_counted(ty) {
                    return;
                }
                match if truth { cc } else { opposite(cc) } {
                    IntCC::Slt => self.assume_difference(a, b, -1),
                    IntCC::Sle => self.assume_difference(a, b, -i128::from(planted(Defect::RangeComparisonStrict))),
                    IntCC::Sgt => self.assume_difference(b, a, -1),
                    IntCC::Sge => self.assume_difference(b, a, 0),
                    IntCC::Eq => {
                        self.assume_difference(a, b, 0);
                        self.assume_difference(b, a, 0);
                    }
                    IntCC::Ne => {
                        let (ia, ib) = (self.interval(a), self.interval(b));
                        if ib.lo == ib.hi && ia.lo == ib.lo {
                            self.refine(a, Interval { lo: ia.lo.saturating_add(1), hi: i128::MAX });
                        } else if ib.lo == ib.hi && ia.hi == ib.hi {
                            self.refine(a, Interval { lo: i128::MIN, hi: ia.hi.saturating_sub(1) });
                        }
                    }
                    IntCC::Ult if self.interval(b).lo >= 0 => {
                        self.assume_difference(a, b, -1);
                        self.refine(a, Interval { lo: 0, hi: i128::MAX });
                    }
                    IntCC::Ule if self.interval(b).lo >= 0 => {
                        self.assume_difference(a, b, 0);
                        self.refine(a, Interval { lo: 0, hi: i128::MAX });
                    }
                    IntCC::Ugt if self.interval(a).lo >= 0 => {
                        self.assume_difference(b, a, -1);
                        self.refine(b, Interval { lo: 0, hi: i128::MAX });
                    }
                    IntCC::Uge if self.interval(a).lo >= 0 => {
                        self.assume_difference(b, a, 0);
                        self.refine(b, Interval { lo: 0, hi: i128::MAX });
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The guard on a checked result has been passed.
    fn assume_exact(&mut self, value: Value) {
        let Some(&InstKind::Overflow(op, a, b)) = self.defs.inst(self.func, value) else { return };
        let Some(op) = plain(op) else { return };
        self.mark_exact(value);
        let ty = self.func.value_types[value.index()];
        let full = Interval::full(ty);
        if op == BinaryOp::Imul
            && let Some(factor) = self.defs.int(self.func, b).filter(|factor| *factor != 0)
            && ty.lane_bits() <= 64
        {
            let (lo, hi) = exact_factors(factor, ty.lane_bits());
            self.refine(a, Interval { lo, hi });
        }
        let (ia, ib) = (self.interval(a), self.interval(b));
        if let Some(result) = exact(op, ia, ib) {
            self.refine(value, result);
        }
        match op {
            BinaryOp::Iadd => {
                self.refine(a, Interval { lo: full.lo.saturating_sub(ib.hi), hi: full.hi.saturating_sub(ib.lo) });
                self.refine(b, Interval { lo: full.lo.saturating_sub(ia.hi), hi: full.hi.saturating_sub(ia.lo) });
            }
            BinaryOp::Isub => {
                self.refine(a, Interval { lo: full.lo.saturating_add(ib.lo), hi: full.hi.saturating_add(ib.hi) });
            }
            _ => {}
        }
    }

    /// What a condition is known to be here.
    pub(super) fn truth(&self, cond: Value) -> Option<bool> {
        match self.defs.inst(self.func, cond)? {
            InstKind::Iconst { value, .. } => Some(*value != 0),
            InstKind::Binary(BinaryOp::And, a, b) => match (self.truth(*a), self.truth(*b)) {
                (Some(true), Some(true)) => Some(true),
                (Some(false), _) | (_, Some(false)) => Some(false),
                _ => None,
            },
            InstKind::Binary(BinaryOp::Or, a, b) => match (self.truth(*a), self.truth(*b)) {
                (Some(false), Some(false)) => Some(false),
                (Some(true), _) | (_, Some(true)) => Some(true),
                _ => None,
            },
            InstKind::Icmp(cc, a, b) => {
                let ty = self.func.value_types[a.index()];
                if let (Some(a), Some(b)) = (self.defs.int(self.func, *a), self.defs.int(self.func, *b)) {
                    return Some(compare(*cc, a, b, 128));
                }
                if ty == Type::I1 {
                    let value = checked_value(self.func, &self.defs, cond)?;
                    let InstKind::Overflow(op, a, b) = self.defs.inst(self.func, value)? else { return None };
                    let ty = self.func.value_types[a.index()];
                    let fits = exact(plain(*op)?, self.interval(*a), self.interval(*b))?.fits(ty);
                    return fits.then_some(true);
                }
                if !is_counted(ty) {
                    return None;
                }
                let (a, b) = (*a, *b);
                let less = || self.max_difference(a, b) < 0;
                let greater = || self.max_difference(b, a) < 0;
                let at_most = || self.max_difference(a, b) <= 0;
                let at_least = || self.max_difference(b, a) <= 0;
                let both_positive = || self.interval(a).lo >= 0 && self.interval(b).lo >= 0;
                let decide = |yes: bool, no: bool| {
                    if yes {
                        Some(true)
                    } else if no {
                        Some(false)
                    } else {
                        None
                    }
                };
                match cc {
                    IntCC::Slt => decide(less(), at_least()),
                    IntCC::Sle => decide(at_most(), greater()),
                    IntCC::Sgt => decide(greater(), at_most()),
                    IntCC::Sge => decide(at_least(), less()),
                    IntCC::Eq => decide(at_most() && at_least(), less() || greater()),
                    IntCC::Ne => decide(less() || greater(), at_most() && at_least()),
                    // From 0 <= a < b it follows that b is positive too.
                    IntCC::Ult => decide(self.interval(a).lo >= 0 && less(), both_positive() && at_least()),
                    IntCC::Ule => decide(self.interval(a).lo >= 0 && at_most(), both_positive() && greater()),
                    IntCC::Ugt => decide(self.interval(b).lo >= 0 && greater(), both_positive() && at_most()),
                    IntCC::Uge => decide(self.interval(b).lo >= 0 && at_least(), both_positive() && less()),
                }
            }
            _ => None,
        }
    }
}
