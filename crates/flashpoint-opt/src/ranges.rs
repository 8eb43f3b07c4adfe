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

mod facts;
mod rewrite;

use std::collections::HashSet;

use flashpoint_ir::analysis::{Cfg, DomTree};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::edit::{Defs, FastMap, Subst, targets, terminator};
use crate::intervals::{Interval, is_counted};
use crate::pipeline::PassContext;
use facts::Undo;

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
}
