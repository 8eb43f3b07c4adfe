//! Bounds of integers computed at run time, in front of a loop, for all of its iterations.
//!
//! Interval arithmetic whose ends are values: a counter runs from its first value to its last, and operations on bounded
//! values are bounded by operations on the ends, each checked for overflow. The conditions under which the bounds are true
//! are collected; whoever uses a bound tests them first. Everything emitted is pure, so what is not used is dead code.
//!
//! Invariant: where all conditions of a bound hold, the value lies between `lo` and `hi` in every iteration that reaches a
//! block behind the loops' own tests. Kept case by case in `compute`; tested by the random loops in `tests/`.
//! Does not know about: how loops are copied, memory.

use std::collections::HashMap;

use flashpoint_ir::analysis::LoopIdx;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::counted::{Counter, Shape, counter, step_of};
use crate::edit::{Def, Emitter, targets, terminator};
use crate::fold::signed_range;
use crate::intervals::plain;
use crate::ranges::checked_value;

/// Both ends of a value, and what must hold for them to be true.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Not above the value.
    pub lo: Value,
    /// Not below it.
    pub hi: Value,
    /// Conditions (`i1`) under which this is so.
    pub conds: Vec<Value>,
    /// Loops whose counters it depends on, as bits.
    deps: u64,
    /// Whether the ends are likely far off, since operands move together.
    pub loose: bool,
}

/// What is known in addition about one strip of an innermost loop.
#[derive(Clone, Debug, Default)]
pub struct Strip {
    /// First and last value of the counter.
    pub counter: Option<(Value, Value)>,
    /// The largest number of iterations.
    pub max_trips: i128,
    /// The value of each header parameter at the strip's start.
    pub starts: HashMap<Value, Value>,
    /// Ends of loaded values.
    pub loads: HashMap<Value, (Value, Value)>,
}

/// Computes bounds for one loop nest.
pub struct Bounds<'a, 'b> {
    /// Where code goes.
    pub emit: &'b mut Emitter<'a>,
    shape: &'b Shape,
    root: LoopIdx,
    counters: HashMap<Block, Counter>,
    strip: Option<Strip>,
    memo: HashMap<Value, Option<Bound>>,
    /// Loads whose bounds were asked for and are not known: in a strip, a pass over memory can find them.
    pub wanted_loads: Vec<Value>,
    /// Comparisons found false where all conditions hold: tests for negative indices.
    pub false_tests: Vec<(Value, Vec<Value>)>,
}

impl<'a, 'b> Bounds<'a, 'b> {
    /// For the iterations of `root` and of the loops inside, or of one strip of it.
    pub fn new(emit: &'b mut Emitter<'a>, shape: &'b Shape, root: LoopIdx, strip: Option<Strip>) -> Bounds<'a, 'b> {
        let outer = shape.forest.get(root);
        let counters = shape
            .forest
            .loops()
            .iter()
            .filter(|info| outer.contains(info.header))
            .filter_map(|info| Some((info.header, counter(emit.func, shape, info)?)))
            .collect();
        Bounds {
            emit,
            shape,
            root,
            counters,
            strip,
            memo: HashMap::new(),
            wanted_loads: Vec::new(),
            false_tests: Vec::new(),
        }
    }

    /// Whether `block` runs only behind the tests of the counted loops around it, up to the root.
    pub fn is_behind_tests(&self, block: Block) -> bool {
        let mut at = self.shape.forest.innermost(block);
        while let Some(idx) = at {
            let info = self.shape.forest.get(idx);
            if let Some(counter) = self.counters.get(&info.header)
                && !self.shape.doms.dominates(counter.stay, block)
            {
                return false;
            }
            if idx == self.root {
                return true;
            }
            at = info.parent;
        }
        false
    }

    /// Conditions under which `cond` holds in every iteration; whether they are likely too strict.
    pub fn prove(&mut self, cond: Value) -> Option<(Vec<Value>, bool)> {
        if !self.is_inside(cond) {
            return Some((vec![cond], false));
        }
        match self.inst(cond)? {
            InstKind::Binary(BinaryOp::And, a, b) => {
                let (mut conds, loose) = self.prove(a)?;
                let (more, also) = self.prove(b)?;
                merge(&mut conds, &more);
                Some((conds, loose | also))
            }
            InstKind::Binary(BinaryOp::Or, a, b) => match (self.prove(a), self.prove(b)) {
                (Some((a, x)), Some((b, y))) => {
                    let (a, b) = (self.all(&a), self.all(&b));
                    Some((vec![self.emit.binary(BinaryOp::Or, a, b)], x | y))
                }
                (one, other) => one.or(other),
            },
            InstKind::Icmp(cc, a, b) => {
                if let Some(value) = checked_value(self.emit.func, &self.shape.defs, cond) {
                    let bound = self.bound(value)?;
                    return Some((bound.conds, bound.loose));
                }
                if !is_counted(self.emit.ty(a)) {
                    return None;
                }
                let (x, y) = (self.bound(a)?, self.bound(b)?);
                let loose = x.loose | y.loose | (x.deps & y.deps != 0);
                let mut conds = x.conds;
                merge(&mut conds, &y.conds);
                let ty = self.emit.ty(a);
                let (low, high, cc, unsigned) = match cc {
                    IntCC::Slt => (x.hi, y.lo, IntCC::Slt, None),
                    IntCC::Sle => (x.hi, y.lo, IntCC::Sle, None),
                    IntCC::Sgt => (y.hi, x.lo, IntCC::Slt, None),
                    IntCC::Sge => (y.hi, x.lo, IntCC::Sle, None),
                    // From 0 <= low < high it follows that high is positive too.
                    IntCC::Ult => (x.hi, y.lo, IntCC::Slt, Some(x.lo)),
                    IntCC::Ule => (x.hi, y.lo, IntCC::Sle, Some(x.lo)),
                    IntCC::Ugt => (y.hi, x.lo, IntCC::Slt, Some(y.lo)),
                    IntCC::Uge => (y.hi, x.lo, IntCC::Sle, Some(y.lo)),
                    IntCC::Ne => {
                        let below = self.emit.icmp(IntCC::Slt, x.hi, y.lo);
                        let above = self.emit.icmp(IntCC::Slt, y.hi, x.lo);
                        conds.push(self.emit.binary(BinaryOp::Or, below, above));
                        return Some((conds, loose));
                    }
                    IntCC::Eq if x.lo == x.hi && y.lo == y.hi => (x.lo, y.lo, IntCC::Eq, None),
                    IntCC::Eq => return None,
                };
                if let Some(lowest) = unsigned.filter(|_| !planted(Defect::VersionNegativeIndex)) {
                    let zero = self.emit.iconst(ty, 0);
                    conds.push(self.emit.icmp(IntCC::Sge, lowest, zero));
                }
                conds.push(self.emit.icmp(cc, low, high));
                Some((conds, loose))
            }
            _ => None,
        }
    }

    /// One condition from many.
    pub fn all(&mut self, conds: &[Value]) -> Value {
        let mut all = self.emit.i1(true);
        for (i, cond) in conds.iter().enumerate() {
            if !conds[..i].contains(cond) {
                all = self.emit.binary(BinaryOp::And, all, *cond);
            }
        }
        all
    }

    /// The bound of an integer.
    pub fn bound(&mut self, value: Value) -> Option<Bound> {
        if !self.is_inside(value) {
            return Some(Bound { lo: value, hi: value, conds: vec![], deps: 0, loose: false });
        }
        if let Some(known) = self.memo.get(&value) {
            return known.clone();
        }
        // What is asked for while it is being computed depends on itself.
        self.memo.insert(value, None);
        let bound = if is_counted(self.emit.ty(value)) { self.compute(value) } else { None };
        self.memo.insert(value, bound.clone());
        bound
    }

    fn is_inside(&self, value: Value) -> bool {
        self.shape.is_inside(self.shape.forest.get(self.root), value)
    }

    fn inst(&self, value: Value) -> Option<InstKind> {
        self.shape.defs.inst(self.emit.func, value).cloned()
    }

    fn compute(&mut self, value: Value) -> Option<Bound> {
        let ty = self.emit.ty(value);
        if let Def::Param(block, index) = self.shape.defs.get(value) {
            return self.param(value, block, index as usize);
        }
        match self.inst(value)? {
            InstKind::Binary(op, a, b) => self.binary(op, a, b, ty),
            InstKind::Overflow(op, a, b) => self.binary(plain(op)?, a, b, ty),
            InstKind::Select(cond, if_true, if_false) => {
                // An index that counts from the end if it is negative: taken as never negative.
                if let Some(InstKind::Icmp(IntCC::Slt, x, zero)) = self.inst(cond)
                    && x == if_false
                    && self.shape.defs.int(self.emit.func, zero) == Some(0)
                {
                    let mut bound = self.bound(x)?;
                    let positive = self.emit.icmp(IntCC::Sge, bound.lo, zero);
                    if !planted(Defect::VersionNegativeIndex) {
                        bound.conds.push(positive);
                    }
                    self.false_tests.push((cond, bound.conds.clone()));
                    return Some(bound);
                }
                let (a, b) = (self.bound(if_true)?, self.bound(if_false)?);
                Some(self.hull(a, b))
            }
            InstKind::Convert(op, a, _) => {
                let from = self.emit.ty(a);
                match op {
                    ConvertOp::Sext if is_counted(from) => {
                        let Some(mut bound) = self.bound(a) else {
                            let (lo, hi) = signed_range(from.lane_bits());
                            return Some(self.constant(ty, lo, hi));
                        };
                        let point = bound.lo == bound.hi;
                        bound.lo = self.emit.convert(ConvertOp::Sext, bound.lo, ty);
                        bound.hi = if point { bound.lo } else { self.emit.convert(ConvertOp::Sext, bound.hi, ty) };
                        Some(bound)
                    }
                    ConvertOp::Zext if from.lanes == 1 && from.lane_bits() < 64 => {
                        Some(self.constant(ty, 0, (1 << from.lane_bits()) - 1))
                    }
                    _ => None,
                }
            }
            InstKind::Load { .. } => {
                let strip = self.strip.as_ref()?;
                if let Some((lo, hi)) = strip.loads.get(&value).copied() {
                    return Some(Bound { lo, hi, conds: vec![], deps: 0, loose: false });
                }
                match ty.lane {
                    Lane::I64 => {
                        self.wanted_loads.push(value);
                        None
                    }
                    Lane::I8 | Lane::I16 | Lane::I32 => {
                        let (lo, hi) = signed_range(ty.lane_bits());
                        Some(self.constant(ty, lo, hi))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn constant(&mut self, ty: Type, lo: i128, hi: i128) -> Bound {
        let (lo, hi) = (self.emit.iconst(ty, lo), self.emit.iconst(ty, hi));
        Bound { lo, hi, conds: vec![], deps: 0, loose: false }
    }

    fn hull(&mut self, a: Bound, b: Bound) -> Bound {
        let mut conds = a.conds;
        merge(&mut conds, &b.conds);
        Bound {
            lo: self.emit.binary(BinaryOp::Smin, a.lo, b.lo),
            hi: self.emit.binary(BinaryOp::Smax, a.hi, b.hi),
            conds,
            deps: a.deps | b.deps,
            loose: a.loose | b.loose,
        }
    }

    /// A checked operation on ends.
    fn checked(&mut self, op: OverflowOp, a: Value, b: Value, conds: &mut Vec<Value>) -> Value {
        let (value, flag) = self.emit.overflow(op, a, b);
        let no = self.emit.i1(false);
        let fits = self.emit.icmp(IntCC::Eq, flag, no);
        if self.emit.const_of(fits) != Some(-1) {
            conds.push(fits);
        }
        value
    }

    fn binary(&mut self, op: BinaryOp, a: Value, b: Value, ty: Type) -> Option<Bound> {
        let known_b = self.shape.defs.int(self.emit.func, b);
        let bits = i128::from(ty.lane_bits());
        match (op, known_b) {
            (BinaryOp::And, Some(mask)) if mask >= 0 => return Some(self.constant(ty, 0, mask)),
            (BinaryOp::SremFloor | BinaryOp::Urem, Some(divisor)) if divisor > 0 => {
                return Some(self.constant(ty, 0, divisor - 1));
            }
            _ => {}
        }
        let x = self.bound(a)?;
        match (op, known_b) {
            (BinaryOp::SdivFloor, Some(c)) if c > 0 => return Some(self.each_end(x, BinaryOp::SdivFloor, b)),
            (BinaryOp::Ashr, Some(c)) if (0..bits).contains(&c) => return Some(self.each_end(x, BinaryOp::Ashr, b)),
            (BinaryOp::Udiv, Some(c)) if c > 0 => {
                let mut x = x;
                let zero = self.emit.iconst(ty, 0);
                x.conds.push(self.emit.icmp(IntCC::Sge, x.lo, zero));
                return Some(self.each_end(x, BinaryOp::Udiv, b));
            }
            (BinaryOp::Shl, Some(c)) if (0..bits - 1).contains(&c) => {
                let factor = self.emit.iconst(ty, 1 << c);
                let mut conds = x.conds;
                let lo = self.checked(OverflowOp::SmulOverflow, x.lo, factor, &mut conds);
                let hi = self.checked(OverflowOp::SmulOverflow, x.hi, factor, &mut conds);
                return Some(Bound { lo, hi, conds, ..x });
            }
            _ => {}
        }
        let y = self.bound(b)?;
        let together = x.deps & y.deps != 0;
        let deps = x.deps | y.deps;
        let mut loose = x.loose | y.loose;
        let points = x.lo == x.hi && y.lo == y.hi;
        let mut conds = x.conds.clone();
        merge(&mut conds, &y.conds);
        let (lo, hi) = match op {
            BinaryOp::Iadd => {
                let lo = self.checked(OverflowOp::SaddOverflow, x.lo, y.lo, &mut conds);
                let hi = if points { lo } else { self.checked(OverflowOp::SaddOverflow, x.hi, y.hi, &mut conds) };
                (lo, hi)
            }
            BinaryOp::Isub => {
                loose |= together;
                let lo = self.checked(OverflowOp::SsubOverflow, x.lo, y.hi, &mut conds);
                let hi = if points { lo } else { self.checked(OverflowOp::SsubOverflow, x.hi, y.lo, &mut conds) };
                (lo, hi)
            }
            BinaryOp::Imul => {
                let mul = OverflowOp::SmulOverflow;
                let sign = self.emit.const_of(y.lo).filter(|_| y.lo == y.hi);
                if points {
                    let product = self.checked(mul, x.lo, y.lo, &mut conds);
                    (product, product)
                } else if let Some(factor) = sign {
                    let low = self.checked(mul, x.lo, y.lo, &mut conds);
                    let high = self.checked(mul, x.hi, y.lo, &mut conds);
                    if factor >= 0 { (low, high) } else { (high, low) }
                } else if a == b {
                    let low = self.checked(mul, x.lo, x.lo, &mut conds);
                    let high = self.checked(mul, x.hi, x.hi, &mut conds);
                    (self.emit.iconst(ty, 0), self.emit.binary(BinaryOp::Smax, low, high))
                } else {
                    let corners = [(x.lo, y.lo), (x.lo, y.hi), (x.hi, y.lo), (x.hi, y.hi)];
                    let products = corners.map(|(p, q)| self.checked(mul, p, q, &mut conds));
                    let (mut lo, mut hi) = (products[0], products[0]);
                    for product in &products[1..] {
                        lo = self.emit.binary(BinaryOp::Smin, lo, *product);
                        hi = self.emit.binary(BinaryOp::Smax, hi, *product);
                    }
                    (lo, hi)
                }
            }
            BinaryOp::Smin | BinaryOp::Smax => (self.emit.binary(op, x.lo, y.lo), self.emit.binary(op, x.hi, y.hi)),
            _ => return None,
        };
        Some(Bound { lo, hi, conds, deps, loose })
    }

    fn each_end(&mut self, x: Bound, op: BinaryOp, by: Value) -> Bound {
        let lo = self.emit.binary(op, x.lo, by);
        let hi = if x.lo == x.hi { lo } else { self.emit.binary(op, x.hi, by) };
        Bound { lo, hi, ..x }
    }

    // ---- block parameters

    fn param(&mut self, value: Value, block: Block, index: usize) -> Option<Bound> {
        let Some(idx) = self.shape.forest.with_header(block) else { return self.join(block, index) };
        let info = self.shape.forest.get(idx);
        let dep = 1u64 << (idx.0 % 64);
        if let Some(strip) = &self.strip {
            if let Some((lo, hi)) = strip.counter
                && self.counters.get(&block).is_some_and(|counter| counter.param == value)
            {
                return Some(Bound { lo, hi, conds: vec![], deps: dep, loose: false });
            }
            return self.recurrence(value, block, index);
        }
        let counter = *self.counters.get(&block)?;
        let (first, limit) = (self.bound(counter.first)?, self.bound(counter.limit)?);
        let mut conds = first.conds;
        merge(&mut conds, &limit.conds);
        let (deps, loose) = (first.deps | limit.deps | dep, first.loose | limit.loose);
        let ty = self.emit.ty(counter.param);
        let up = counter.step > 0;
        // The end of the limit that lets the loop run longest, and the end of the first value where it starts.
        let (start, stop) = if up { (first.lo, limit.hi) } else { (first.hi, limit.lo) };
        let last = match counter.cc {
            IntCC::Slt => {
                let one = self.emit.iconst(ty, 1 + i128::from(planted(Defect::VersionLastIteration)));
                self.emit.binary(BinaryOp::Isub, stop, one)
            }
            IntCC::Sgt => {
                let one = self.emit.iconst(ty, 1);
                self.emit.binary(BinaryOp::Iadd, stop, one)
            }
            _ => stop,
        };
        // Behind the test the next value may not wrap, or the counter would come round. A step of one cannot wrap below
        // a limit.
        let strict = matches!(counter.cc, IntCC::Slt | IntCC::Sgt);
        if !strict || counter.step.abs() != 1 {
            let step = self.emit.iconst(ty, counter.step);
            self.checked(OverflowOp::SaddOverflow, last, step, &mut conds);
        }
        let single = first.lo == first.hi && limit.lo == limit.hi;
        let last = if single && counter.step.abs() != 1 {
            // The last value that the steps hit exactly.
            let size = self.emit.iconst(ty, counter.step.abs());
            let (low, high) = if up { (start, last) } else { (last, start) };
            let distance = self.emit.binary(BinaryOp::Isub, high, low);
            let rest = self.emit.binary(BinaryOp::Urem, distance, size);
            self.emit.binary(if up { BinaryOp::Isub } else { BinaryOp::Iadd }, last, rest)
        } else {
            last
        };
        if counter.param == value {
            let (lo, hi) = if up { (start, last) } else { (last, start) };
            return Some(Bound { lo, hi, conds, deps, loose });
        }
        // Another parameter that moves by a constant in each iteration.
        let preheader = info.preheader(&self.shape.cfg)?;
        let args = |from: Block| -> Vec<Value> {
            targets(terminator(self.emit.func, from))
                .filter(|call| call.block == block)
                .map(|call| call.args[index])
                .collect()
        };
        let outside = *args(preheader).first()?;
        let mut step = None;
        for latch in &info.latches {
            for arg in args(*latch) {
                let added = step_of(self.emit.func, &self.shape.defs, value, arg)?;
                if *step.get_or_insert(added) != added {
                    return None;
                }
            }
        }
        let step = step?;
        let start_value = self.bound(outside)?;
        if self.emit.ty(value) != ty {
            return None;
        }
        merge(&mut conds, &start_value.conds);
        let (high, low) = if up { (last, start) } else { (start, last) };
        let distance = self.checked(OverflowOp::SsubOverflow, high, low, &mut conds);
        let zero = self.emit.iconst(ty, 0);
        let distance = self.emit.binary(BinaryOp::Smax, distance, zero);
        let size = self.emit.iconst(ty, counter.step.abs());
        let trips = self.emit.binary(BinaryOp::Udiv, distance, size);
        let factor = self.emit.iconst(ty, step);
        let total = self.checked(OverflowOp::SmulOverflow, trips, factor, &mut conds);
        let (lo, hi) = if step >= 0 {
            (start_value.lo, self.checked(OverflowOp::SaddOverflow, start_value.hi, total, &mut conds))
        } else {
            (self.checked(OverflowOp::SaddOverflow, start_value.lo, total, &mut conds), start_value.hi)
        };
        // The step after the last iteration must not wrap either.
        self.checked(OverflowOp::SaddOverflow, if step >= 0 { hi } else { lo }, factor, &mut conds);
        Some(Bound { lo, hi, conds, deps: deps | start_value.deps, loose: loose | start_value.loose })
    }

    fn join(&mut self, block: Block, index: usize) -> Option<Bound> {
        let mut all: Option<Bound> = None;
        for pred in self.shape.cfg.predecessors(block).to_vec() {
            let args: Vec<Value> = targets(terminator(self.emit.func, pred))
                .filter(|call| call.block == block)
                .map(|call| call.args[index])
                .collect();
            for arg in args {
                let bound = self.bound(arg)?;
                all = Some(match all {
                    Some(other) => self.hull(other, bound),
                    None => bound,
                });
            }
        }
        all
    }

    /// A header parameter to which each iteration of the strip adds something bounded.
    fn recurrence(&mut self, param: Value, header: Block, index: usize) -> Option<Bound> {
        let strip = self.strip.as_ref()?;
        let (start, max_trips) = (*strip.starts.get(&param)?, strip.max_trips);
        let ty = self.emit.ty(param);
        let latches = self.shape.forest.get(self.shape.forest.with_header(header)?).latches.clone();
        let zero = self.emit.iconst(ty, 0);
        let mut delta = Bound { lo: zero, hi: zero, conds: vec![], deps: 0, loose: false };
        for latch in latches {
            let args: Vec<Value> = targets(terminator(self.emit.func, latch))
                .filter(|call| call.block == header)
                .map(|call| call.args[index])
                .collect();
            for arg in args {
                let more = self.delta(arg, param, 8)?;
                delta = self.hull(delta, more);
            }
        }
        if max_trips > signed_range(ty.lane_bits()).1 {
            return None;
        }
        let trips = self.emit.iconst(ty, if planted(Defect::StripGrowth) { 1 } else { max_trips });
        let mut conds = delta.conds;
        let down = self.checked(OverflowOp::SmulOverflow, delta.lo, trips, &mut conds);
        let up = self.checked(OverflowOp::SmulOverflow, delta.hi, trips, &mut conds);
        let lo = self.checked(OverflowOp::SaddOverflow, start, down, &mut conds);
        let hi = self.checked(OverflowOp::SaddOverflow, start, up, &mut conds);
        Some(Bound { lo, hi, conds, deps: delta.deps, loose: false })
    }

    /// The bound of `value - param`.
    fn delta(&mut self, value: Value, param: Value, depth: u32) -> Option<Bound> {
        let ty = self.emit.ty(param);
        if value == param {
            let zero = self.emit.iconst(ty, 0);
            return Some(Bound { lo: zero, hi: zero, conds: vec![], deps: 0, loose: false });
        }
        if depth == 0 || !self.is_inside(value) {
            return None;
        }
        if let Def::Param(block, index) = self.shape.defs.get(value) {
            if self.shape.forest.with_header(block).is_some() {
                return None;
            }
            let mut all: Option<Bound> = None;
            for pred in self.shape.cfg.predecessors(block).to_vec() {
                let args: Vec<Value> = targets(terminator(self.emit.func, pred))
                    .filter(|call| call.block == block)
                    .map(|call| call.args[index as usize])
                    .collect();
                for arg in args {
                    let bound = self.delta(arg, param, depth - 1)?;
                    all = Some(match all {
                        Some(other) => self.hull(other, bound),
                        None => bound,
                    });
                }
            }
            return all;
        }
        let (op, a, b) = match self.inst(value)? {
            InstKind::Binary(op, a, b) => (op, a, b),
            InstKind::Overflow(op, a, b) => (plain(op)?, a, b),
            InstKind::Select(_, a, b) => {
                let (a, b) = (self.delta(a, param, depth - 1)?, self.delta(b, param, depth - 1)?);
                return Some(self.hull(a, b));
            }
            _ => return None,
        };
        let (base, added, op) = match op {
            BinaryOp::Iadd => match self.delta(a, param, depth - 1) {
                Some(base) => (base, self.bound(b)?, OverflowOp::SaddOverflow),
                None => (self.delta(b, param, depth - 1)?, self.bound(a)?, OverflowOp::SaddOverflow),
            },
            BinaryOp::Isub => (self.delta(a, param, depth - 1)?, self.bound(b)?, OverflowOp::SsubOverflow),
            _ => return None,
        };
        let mut conds = base.conds;
        merge(&mut conds, &added.conds);
        let (low, high) = if op == OverflowOp::SaddOverflow { (added.lo, added.hi) } else { (added.hi, added.lo) };
        let lo = self.checked(op, base.lo, low, &mut conds);
        let hi = self.checked(op, base.hi, high, &mut conds);
        Some(Bound { lo, hi, conds, deps: base.deps | added.deps, loose: false })
    }
}

/// Adds conditions that are not there yet.
pub fn merge(conds: &mut Vec<Value>, more: &[Value]) {
    for cond in more {
        if !conds.contains(cond) {
            conds.push(*cond);
        }
    }
}

fn is_counted(ty: Type) -> bool {
    ty.lanes == 1 && matches!(ty.lane, Lane::I8 | Lane::I16 | Lane::I32 | Lane::I64 | Lane::I128)
}
