//! What the facts decide: each instruction, replaced or dropped, and the interval of its result.

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use super::Ranges;
use crate::edit::new_inst;
use crate::fold::canonical;
use crate::intervals::{Interval, exact, interval_of, is_counted, plain};

impl Ranges<'_> {
    pub(super) fn inst(&mut self, inst: Inst, out: &mut Vec<Inst>) {
        let mut kind = std::mem::replace(&mut self.func.insts[inst.index()].kind, InstKind::Context);
        self.subst.apply_to(&mut kind);
        self.func.insts[inst.index()].kind = kind.clone();
        let results = self.func.insts[inst.index()].results.clone();
        match kind {
            InstKind::Guard(cond, _) => {
                if self.truth(cond) == Some(true) {
                    self.changed = true;
                    return;
                }
                out.push(inst);
                self.assume(cond, true);
                return;
            }
            InstKind::Branch(cond, ..) if self.defs.int(self.func, cond).is_none() => {
                if let Some(truth) = self.truth(cond) {
                    let constant = self.constant(truth, out);
                    if let InstKind::Branch(cond, ..) = &mut self.func.insts[inst.index()].kind {
                        *cond = constant;
                    }
                    self.changed = true;
                }
            }
            InstKind::Icmp(..) => {
                if let Some(truth) = self.truth(results[0]) {
                    let constant = self.constant(truth, out);
                    self.subst.replace(results[0], constant);
                    self.changed = true;
                    return;
                }
            }
            InstKind::Overflow(op, a, b) => {
                let ty = self.func.value_types[a.index()];
                if let Some(op) = plain(op).filter(|_| ty.lanes == 1) {
                    let exact = exact(op, self.interval(a), self.interval(b)).filter(|i| i.fits(ty));
                    if let Some(interval) = exact.or_else(|| self.step_interval(op, a, b)) {
                        let flag = self.constant(false, out);
                        self.subst.replace(results[1], flag);
                        let data = &mut self.func.insts[inst.index()];
                        data.kind = InstKind::Binary(op, a, b);
                        data.results.truncate(1);
                        self.set_interval(results[0], interval);
                        self.mark_exact(results[0]);
                        self.changed = true;
                    }
                }
            }
            InstKind::Binary(
                op @ (BinaryOp::SdivFloor | BinaryOp::SremFloor | BinaryOp::Sdiv | BinaryOp::Srem),
                a,
                b,
            ) => {
                let (ia, ib) = (self.interval(a), self.interval(b));
                if (ia.lo >= 0 || planted(Defect::FloorDivisionUnsigned)) && ib.lo > 0 {
                    let op = if matches!(op, BinaryOp::SdivFloor | BinaryOp::Sdiv) {
                        BinaryOp::Udiv
                    } else {
                        BinaryOp::Urem
                    };
                    self.func.insts[inst.index()].kind = InstKind::Binary(op, a, b);
                    self.changed = true;
                }
                if let Some(interval) = self.binary(op, a, b, results[0]) {
                    self.set_interval(results[0], interval);
                }
            }
            InstKind::Binary(op, a, b) => {
                if let Some(interval) = self.binary(op, a, b, results[0]) {
                    self.set_interval(results[0], interval);
                }
            }
            InstKind::Convert(op, a, ty) if is_counted(ty) => {
                let from = self.func.value_types[a.index()];
                let interval = match op {
                    ConvertOp::Sext if is_counted(from) => Some(self.interval(a)),
                    ConvertOp::Zext if from.lanes == 1 && from.lane_bits() < 127 => {
                        let known = self.interval(a);
                        let full = Interval { lo: 0, hi: (1 << from.lane_bits()) - 1 };
                        Some(if is_counted(from) && known.lo >= 0 { known } else { full })
                    }
                    ConvertOp::Trunc => Some(self.interval(a)).filter(|i| i.fits(ty)),
                    _ => None,
                };
                if let Some(interval) = interval {
                    self.set_interval(results[0], interval);
                }
            }
            InstKind::Select(cond, a, b) if self.truth(cond).is_some() => {
                let kept = if self.truth(cond) == Some(true) { a } else { b };
                self.subst.replace(results[0], kept);
                self.changed = true;
                return;
            }
            InstKind::Select(cond, a, b) if is_counted(self.func.value_types[a.index()]) => {
                let mark = self.trail.len();
                self.assume(cond, true);
                let if_true = self.interval(a);
                self.undo_to(mark);
                self.assume(cond, false);
                let if_false = self.interval(b);
                self.undo_to(mark);
                self.set_interval(results[0], if_true.hull(if_false));
            }
            InstKind::Unary(UnaryOp::Clz | UnaryOp::Ctz | UnaryOp::Popcnt, a) => {
                let bits = self.func.value_types[a.index()].lane_bits();
                if canonical(i128::from(bits), bits) == i128::from(bits) {
                    self.set_interval(results[0], Interval { lo: 0, hi: i128::from(bits) });
                }
            }
            _ => {}
        }
        out.push(inst);
    }

    fn constant(&mut self, truth: bool, out: &mut Vec<Inst>) -> Value {
        let value = if truth { -1 } else { 0 };
        let inst = new_inst(self.func, InstKind::Iconst { ty: Type::I1, value }, &[Type::I1], 0);
        self.defs.add(self.func, inst);
        out.push(inst);
        self.func.insts[inst.index()].results[0]
    }

    /// `a + 1` fits where `a` is less than something, `a - 1` where it is greater.
    fn step_interval(&self, op: BinaryOp, a: Value, b: Value) -> Option<Interval> {
        if op != BinaryOp::Iadd {
            return None;
        }
        let step = self.defs.int(self.func, b)?;
        let full = Interval::full(self.func.value_types[a.index()]);
        let base = self.interval(a);
        // Some `y` with `a - y <= -step`, or `y - a <= step`: `a + step` is between `a` and `y`.
        let (root, offset) = self.base(a);
        let between = self.differences.iter().any(|((x, y), d)| {
            (*x == root && step > 0 && d.saturating_add(offset) <= -step)
                || (*y == root && step < 0 && d.saturating_sub(offset) <= step)
        });
        between.then(|| {
            let moved = Interval { lo: base.lo.saturating_add(step), hi: base.hi.saturating_add(step) };
            Interval { lo: moved.lo.max(full.lo), hi: moved.hi.min(full.hi) }
        })
    }

    fn binary(&mut self, op: BinaryOp, a: Value, b: Value, result: Value) -> Option<Interval> {
        let ty = self.func.value_types[result.index()];
        if !is_counted(ty) {
            return None;
        }
        let (ia, ib) = (self.interval(a), self.interval(b));
        if !matches!(op, BinaryOp::Iadd | BinaryOp::Isub | BinaryOp::Imul) {
            return interval_of(op, ia, ib, ty);
        }
        let interval = interval_of(op, ia, ib, ty).or_else(|| self.step_interval(op, a, b));
        if interval.is_some() {
            self.mark_exact(result);
        }
        interval
    }
}
