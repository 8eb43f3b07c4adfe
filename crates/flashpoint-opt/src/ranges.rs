//! Range analysis: intervals of integers, and differences between them, along the dominator tree.
//!
//! What a branch or a guard has decided is known in all blocks it dominates: the interval of either side, and the largest
//! difference between them (`i < n - 1` becomes `i - n <= -2`), so that `i + 1 < n` follows without either being a constant.
//! Counters of loops start at their first value and stay on its side as long as their step does not wrap, which the test
//! in the header or the guard on the step shows.
//!
//! Decides comparisons (and with them bounds checks and the wrapping of negative indices), drops guards on overflow that
//! cannot happen, and turns floor division of non-negative numbers into unsigned division. Never changes edges.
//!
//! Invariants:
//! - A checked sum counts as exact only where its guard has been passed (`exact`); kept by `assume`.
//! - Facts are dropped when the walk leaves the subtree they hold in; kept by `run`.
//!
//! Does not know about: memory, floats, what the loop does in total.

use std::collections::HashSet;

use flashpoint_ir::analysis::{Cfg, DomTree};
use flashpoint_ir::factor::exact_factors;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::edit::{Defs, FastMap, Subst, new_inst, targets, terminator};
use crate::fold::{canonical, compare};
use crate::intervals::{Interval, exact, interval_of, is_counted, plain};
use crate::pipeline::PassContext;
use crate::simplify::opposite;

/// Removes checks that intervals prove.
pub fn analyze_ranges(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    let cfg = Cfg::of(func);
    let doms = DomTree::of(func, &cfg);
    let defs = Defs::of(func);
    let guarded = guarded_sums(func, &defs);
    let mut ranges = Ranges {
        intervals: vec![None; func.value_types.len()],
        differences: FastMap::default(),
        exact: HashSet::new(),
        incoming: FastMap::default(),
        trail: Vec::new(),
        subst: Subst::new(func),
        changed: false,
        guarded,
        defs,
        cfg: &cfg,
        doms: &doms,
        func,
    };
    ranges.run();
    let Ranges { subst, changed, .. } = ranges;
    subst.apply(func) | changed
}

/// The block of the guard on each checked result's flag.
fn guarded_sums(func: &TypedFunction, defs: &Defs) -> FastMap<Value, Block> {
    let mut guarded = FastMap::default();
    for &block in &func.layout {
        for inst in &func.blocks[block.index()].insts {
            if let InstKind::Guard(cond, _) = func.insts[inst.index()].kind
                && let Some(value) = checked_value(func, defs, cond)
            {
                guarded.entry(value).or_insert(block);
            }
        }
    }
    guarded
}

/// The checked result that a condition says did not overflow.
pub fn checked_value(func: &TypedFunction, defs: &Defs, cond: Value) -> Option<Value> {
    let &InstKind::Icmp(IntCC::Eq, flag, zero) = defs.inst(func, cond)? else { return None };
    if defs.int(func, zero) != Some(0) {
        return None;
    }
    match defs.get(flag) {
        crate::edit::Def::Result(inst, 1) => {
            let data = &func.insts[inst.index()];
            matches!(data.kind, InstKind::Overflow(..)).then(|| data.results[0])
        }
        _ => None,
    }
}

/// Something to take back when the walk leaves a subtree.
enum Undo {
    Interval(Value, Option<Interval>),
    Difference((Value, Value), Option<i128>),
    Exact(Value),
}

struct Ranges<'a> {
    func: &'a mut TypedFunction,
    cfg: &'a Cfg,
    doms: &'a DomTree,
    defs: Defs,
    guarded: FastMap<Value, Block>,
    intervals: Vec<Option<Interval>>,
    /// The largest known value of the first minus the second.
    differences: FastMap<(Value, Value), i128>,
    /// Sums that are known not to wrap here.
    exact: HashSet<Value>,
    /// Hull of what edges seen so far bring to each block's parameters, and the number of those edges.
    incoming: FastMap<Block, Vec<Interval>>,
    trail: Vec<Undo>,
    subst: Subst,
    changed: bool,
}

impl Ranges<'_> {
    fn run(&mut self) {
        let mut stack: Vec<(Block, usize, usize)> = Vec::new();
        let entry = self.func.entry();
        let mark = self.trail.len();
        self.block(entry);
        stack.push((entry, 0, mark));
        while let Some((block, next, _)) = stack.last_mut() {
            let block = *block;
            if let Some(&child) = self.doms.children(block).get(*next) {
                *next += 1;
                let mark = self.trail.len();
                self.assume_edge(block, child);
                self.block(child);
                stack.push((child, 0, mark));
            } else {
                let (_, _, mark) = stack.pop().expect("the loop's own");
                if !planted(Defect::RangeFactsLeak) {
                    self.undo_to(mark);
                }
            }
        }
    }

    fn undo_to(&mut self, mark: usize) {
        while self.trail.len() > mark {
            match self.trail.pop().expect("longer than the mark") {
                Undo::Interval(value, old) => self.intervals[value.index()] = old,
                Undo::Difference(key, Some(old)) => drop(self.differences.insert(key, old)),
                Undo::Difference(key, None) => drop(self.differences.remove(&key)),
                Undo::Exact(value) => drop(self.exact.remove(&value)),
            }
        }
    }

    /// A branch tells its only successor what it decided.
    fn assume_edge(&mut self, parent: Block, child: Block) {
        if let [pred] = self.cfg.predecessors(child)
            && *pred == parent
            && let InstKind::Branch(cond, if_true, if_false) = terminator(self.func, parent)
            && if_true.block != if_false.block
        {
            let (cond, truth) = (*cond, if_true.block == child);
            self.assume(cond, truth);
        }
    }

    fn block(&mut self, block: Block) {
        self.params(block);
        let insts = std::mem::take(&mut self.func.blocks[block.index()].insts);
        let mut out = Vec::with_capacity(insts.len());
        for inst in insts {
            self.inst(inst, &mut out);
        }
        self.func.blocks[block.index()].insts = out;
        self.edges(block);
    }

    // ---- block parameters

    fn params(&mut self, block: Block) {
        let params = self.func.blocks[block.index()].params.clone();
        if params.is_empty() || block == self.func.entry() {
            return;
        }
        let position = self.cfg.position(block);
        let back: Vec<Block> =
            self.cfg.predecessors(block).iter().copied().filter(|pred| self.cfg.position(*pred) >= position).collect();
        let Some(first) = self.incoming.remove(&block) else { return };
        for (i, param) in params.into_iter().enumerate() {
            let ty = self.func.value_types[param.index()];
            if !is_counted(ty) {
                continue;
            }
            let mut interval = Some(first[i]);
            for latch in &back {
                for call in targets(terminator(self.func, *latch)) {
                    if call.block == block {
                        let next = self.next_interval(block, *latch, param, call.args[i], first[i]);
                        interval = interval.zip(next).map(|(a, b)| a.hull(b));
                    }
                }
            }
            if let Some(interval) = interval {
                self.set_interval(param, interval);
            }
        }
    }

    /// What a back edge brings, given what comes from outside the loop.
    fn next_interval(
        &self,
        header: Block,
        latch: Block,
        param: Value,
        arg: Value,
        first: Interval,
    ) -> Option<Interval> {
        if arg == param {
            return Some(first);
        }
        let ty = self.func.value_types[param.index()];
        let full = Interval::full(ty);
        let step = |a: Value, b: Value| (a == param).then(|| self.defs.int(self.func, b)).flatten();
        match self.defs.inst(self.func, arg) {
            Some(&InstKind::Overflow(OverflowOp::SaddOverflow, a, b)) => {
                let step = step(a, b)?;
                let guard = *self.guarded.get(&arg)?;
                if !self.doms.dominates(guard, latch) {
                    return None;
                }
                Some(if step >= 0 {
                    Interval { lo: first.lo, hi: full.hi }
                } else {
                    Interval { lo: full.lo, hi: first.hi }
                })
            }
            Some(&InstKind::Binary(BinaryOp::Iadd, a, b)) => {
                let step = step(a, b)?;
                let InstKind::Branch(cond, stay, leave) = terminator(self.func, header) else { return None };
                let &InstKind::Icmp(cc, x, limit) = self.defs.inst(self.func, *cond)? else { return None };
                // The counter's test is the header's, and the loop goes on only if it holds.
                let only_way = self.cfg.predecessors(stay.block) == [header] && stay.block != leave.block;
                if x != param || !only_way || !self.doms.dominates(stay.block, latch) {
                    return None;
                }
                let limit = self.interval(limit);
                match cc {
                    IntCC::Slt if step > 0 && limit.hi - 1 + step <= full.hi => {
                        Some(Interval { lo: first.lo, hi: first.hi.max(limit.hi - 1 + step) })
                    }
                    IntCC::Sgt if step < 0 && limit.lo + 1 + step >= full.lo => {
                        Some(Interval { lo: first.lo.min(limit.lo + 1 + step), hi: first.hi })
                    }
                    _ => None,
                }
            }
            _ => self.structural(arg, 4),
        }
    }

    /// An interval that follows from what computes a value, wherever it is.
    fn structural(&self, value: Value, depth: u32) -> Option<Interval> {
        let ty = self.func.value_types[value.index()];
        match self.defs.inst(self.func, value) {
            Some(InstKind::Iconst { value, .. }) => Some(Interval::point(*value)),
            Some(InstKind::Convert(ConvertOp::Zext, from, _)) => {
                let bits = self.func.value_types[from.index()].lane_bits();
                Some(Interval { lo: 0, hi: (1 << bits) - 1 })
            }
            Some(InstKind::Convert(ConvertOp::Sext, from, _)) => {
                Some(Interval::full(self.func.value_types[from.index()]))
            }
            Some(InstKind::Binary(BinaryOp::And, _, mask)) => {
                self.defs.int(self.func, *mask).filter(|mask| *mask >= 0).map(|mask| Interval { lo: 0, hi: mask })
            }
            Some(InstKind::Binary(BinaryOp::SremFloor, _, divisor)) => {
                self.defs.int(self.func, *divisor).filter(|d| *d > 0).map(|d| Interval { lo: 0, hi: d - 1 })
            }
            Some(InstKind::Select(_, a, b)) if depth > 0 => {
                Some(self.structural(*a, depth - 1)?.hull(self.structural(*b, depth - 1)?))
            }
            _ => self.intervals.get(value.index()).copied().flatten().filter(|_| is_counted(ty)),
        }
    }

    fn edges(&mut self, block: Block) {
        let kind = terminator(self.func, block).clone();
        let (cond, calls): (Option<Value>, Vec<(BlockCall, bool)>) = match kind {
            InstKind::Jump(call) => (None, vec![(call, true)]),
            InstKind::Branch(cond, a, b) => (Some(cond), vec![(a, true), (b, false)]),
            _ => return,
        };
        for (call, truth) in calls {
            if call.args.is_empty() || self.cfg.position(call.block) <= self.cfg.position(block) {
                continue;
            }
            let mark = self.trail.len();
            if let Some(cond) = cond {
                self.assume(cond, truth);
            }
            let arriving: Vec<Interval> = call.args.iter().map(|arg| self.interval(*arg)).collect();
            self.undo_to(mark);
            match self.incoming.get_mut(&call.block) {
                Some(hulls) => hulls.iter_mut().zip(arriving).for_each(|(hull, new)| *hull = hull.hull(new)),
                None => drop(self.incoming.insert(call.block, arriving)),
            }
        }
    }

    // ---- facts

    fn interval(&self, value: Value) -> Interval {
        let ty = self.func.value_types.get(value.index()).copied().unwrap_or(Type::I128);
        match self.intervals.get(value.index()).copied().flatten() {
            Some(interval) => interval,
            None => match self.defs.int(self.func, value) {
                Some(constant) => Interval::point(constant),
                None => Interval::full(ty),
            },
        }
    }

    fn set_interval(&mut self, value: Value, interval: Interval) {
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

    fn mark_exact(&mut self, value: Value) {
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
    fn base(&self, value: Value) -> (Value, i128) {
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
    fn assume(&mut self, cond: Value, truth: bool) {
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

    // ---- instructions

    fn inst(&mut self, inst: Inst, out: &mut Vec<Inst>) {
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

    /// What a condition is known to be here.
    fn truth(&self, cond: Value) -> Option<bool> {
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
