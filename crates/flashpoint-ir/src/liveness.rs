//! Which slots of a generic function matter at which operation, and where its loops are.
//!
//! A slot is *live* before an operation if a path from there reads it before writing it, **and** it may hold something:
//! some path that leads there has filled it. So a snapshot that names exactly the live slots restores all that tier 0
//! will look at, and no recipe is asked for a pinned slot that a handler will only drop if it was reached.
//!
//! Every operation is taken to be able to raise, since a signal may be delivered at any poll: the state that a handler
//! finds is the one *before* the operation.

use crate::generic::{GenericFunction, GenericOp, Pc, SlotIdx, SlotKind};
use crate::planted::{Defect, planted};

/// A set of small numbers: slots of a frame, or operations of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// The empty set, with room for numbers below `len`.
    pub fn new(len: usize) -> BitSet {
        BitSet { words: vec![0; len.div_ceil(64)] }
    }

    /// All numbers below `len`.
    pub fn full(len: usize) -> BitSet {
        let mut set = BitSet::new(len);
        (0..len).for_each(|idx| set.insert(idx));
        set
    }

    /// Whether `idx` is a member.
    #[inline]
    pub fn contains(&self, idx: usize) -> bool {
        self.words.get(idx / 64).is_some_and(|word| word >> (idx % 64) & 1 != 0)
    }

    /// Adds `idx`, which must be below the set's `len`.
    #[inline]
    pub fn insert(&mut self, idx: usize) {
        self.words[idx / 64] |= 1 << (idx % 64);
    }

    /// Takes `idx` out.
    #[inline]
    pub fn remove(&mut self, idx: usize) {
        self.words[idx / 64] &= !(1 << (idx % 64));
    }

    /// Adds the members of `other`; says whether that changed anything.
    pub fn union_with(&mut self, other: &BitSet) -> bool {
        let mut changed = false;
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            changed |= more & !*word != 0;
            *word |= more;
        }
        changed
    }

    /// Keeps only what `other` has too; says whether that changed anything.
    pub fn intersect_with(&mut self, other: &BitSet) -> bool {
        let mut changed = false;
        for (word, keep) in self.words.iter_mut().zip(&other.words) {
            changed |= *word & !keep != 0;
            *word &= keep;
        }
        changed
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(word_idx, &word)| {
            std::iter::successors((word != 0).then_some(word), |rest| {
                let rest = rest & (rest - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |rest| word_idx * 64 + rest.trailing_zeros() as usize)
        })
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }
}

/// A loop of the generic form.
#[derive(Clone, Debug, PartialEq)]
pub struct LoopInfo {
    /// The target of the back edges, and the only way in.
    pub header: Pc,
    /// The backward jumps, in ascending order.
    pub back_edges: Vec<Pc>,
    /// The operations from which the header is reached again; what only leaves the loop (`break`, `return`) is not in it.
    pub ops: BitSet,
    /// The next loop out, as an index into [`Liveness::loops`].
    pub parent: Option<usize>,
    /// 1 for an outermost loop.
    pub depth: u32,
}

impl LoopInfo {
    /// Whether the operation is part of the loop.
    pub fn contains(&self, pc: Pc) -> bool {
        self.ops.contains(pc.idx())
    }
}

/// Live slots and loops of one function.
#[derive(Clone, Debug)]
pub struct Liveness {
    live: Vec<BitSet>,
    may_hold: Vec<BitSet>,
    must_hold: Vec<BitSet>,
    reachable: BitSet,
    loops: Vec<LoopInfo>,
}

impl Liveness {
    /// Analyses `function`, which must have jump targets and slots in range (the verifier's first checks).
    pub fn of(function: &GenericFunction) -> Liveness {
        let handlers = handler_targets(function);
        let (may_hold, must_hold, reachable) = solve_forward(function, &handlers);
        let mut live = solve_backward(function, &handlers);
        for (set, may) in live.iter_mut().zip(&may_hold) {
            set.intersect_with(may);
        }
        let loops = find_loops(function, &handlers, &reachable);
        Liveness { live, may_hold, must_hold, reachable, loops }
    }

    /// The slots that the operation at `pc`, or one after it, will read as they are now, in ascending order.
    pub fn live_before(&self, pc: Pc) -> impl Iterator<Item = SlotIdx> + '_ {
        self.live[pc.idx()].iter().map(|idx| SlotIdx(idx as u32))
    }

    /// Whether `slot` is live before the operation at `pc`.
    pub fn is_live_before(&self, pc: Pc, slot: SlotIdx) -> bool {
        self.live[pc.idx()].contains(slot.idx())
    }

    /// Whether `slot` holds something before `pc` on some path.
    pub fn may_hold(&self, pc: Pc, slot: SlotIdx) -> bool {
        self.may_hold[pc.idx()].contains(slot.idx())
    }

    /// Whether `slot` holds something before `pc` on every path.
    pub fn must_hold(&self, pc: Pc, slot: SlotIdx) -> bool {
        self.must_hold[pc.idx()].contains(slot.idx())
    }

    /// Whether any path from the entry leads to `pc`.
    pub fn is_reachable(&self, pc: Pc) -> bool {
        self.reachable.contains(pc.idx())
    }

    /// All loops; an outer loop comes before the loops inside it.
    pub fn loops(&self) -> &[LoopInfo] {
        &self.loops
    }

    /// Whether `pc` is the header of a loop.
    pub fn is_loop_header(&self, pc: Pc) -> bool {
        self.loops.iter().any(|info| info.header == pc)
    }

    /// The loop whose header is `pc`, as an index into [`Liveness::loops`].
    pub fn loop_at(&self, header: Pc) -> Option<usize> {
        self.loops.iter().position(|info| info.header == header)
    }

    /// The innermost loop that contains `pc`, as an index into [`Liveness::loops`].
    pub fn innermost_loop(&self, pc: Pc) -> Option<usize> {
        self.loops.iter().rposition(|info| info.contains(pc))
    }
}

/// The handler of every operation.
fn handler_targets(function: &GenericFunction) -> Vec<Option<Pc>> {
    let mut targets = vec![None; function.ops.len()];
    for handler in &function.handlers {
        for target in &mut targets[handler.start.idx()..handler.end.idx()] {
            target.get_or_insert(handler.target);
        }
    }
    targets
}

/// Backward: what will be read. Iterated from the end until nothing changes.
fn solve_backward(function: &GenericFunction, handlers: &[Option<Pc>]) -> Vec<BitSet> {
    let n_slots = function.slots.len();
    let mut live = vec![BitSet::new(n_slots); function.ops.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for at in (0..function.ops.len()).rev() {
            let op = &function.ops[at];
            let mut now = BitSet::new(n_slots);
            if op.falls_through() && at + 1 < live.len() {
                now.union_with(&live[at + 1]);
                op.for_each_write(|slot| now.remove(slot.idx()));
            }
            for target in op.targets() {
                now.union_with(&live[target.idx()]);
            }
            if let Some(target) = handlers[at]
                && !planted(Defect::LivenessIgnoresHandlers)
            {
                now.union_with(&live[target.idx()]);
            }
            op.for_each_read(|slot| now.insert(slot.idx()));
            changed |= live[at].union_with(&now);
        }
        changed &= !planted(Defect::LivenessOneSweep);
    }
    live
}

/// Forward: what may hold something and what must, and what is reached at all.
fn solve_forward(function: &GenericFunction, handlers: &[Option<Pc>]) -> (Vec<BitSet>, Vec<BitSet>, BitSet) {
    let (n_slots, n_ops) = (function.slots.len(), function.ops.len());
    let mut may = vec![BitSet::new(n_slots); n_ops];
    let mut must = vec![BitSet::full(n_slots); n_ops];
    let mut reachable = BitSet::new(n_ops);
    if n_ops == 0 {
        return (may, must, reachable);
    }
    let mut entry = BitSet::new(n_slots);
    for (idx, slot) in function.slots.iter().enumerate() {
        if matches!(slot.kind, SlotKind::Param | SlotKind::Free) {
            entry.insert(idx);
        }
    }
    may[0] = entry.clone();
    must[0] = entry;
    reachable.insert(0);

    let mut worklist = vec![0usize];
    let flow = |may_now: &BitSet,
                must_now: &BitSet,
                to: usize,
                may: &mut [BitSet],
                must: &mut [BitSet],
                reached: &mut BitSet| {
        let mut changed = !reached.contains(to);
        reached.insert(to);
        changed |= may[to].union_with(may_now);
        changed |= must[to].intersect_with(must_now);
        changed
    };
    while let Some(at) = worklist.pop() {
        let op = &function.ops[at];
        let (mut may_now, mut must_now) = (may[at].clone(), must[at].clone());
        if let Some(target) = handlers[at] {
            // Whatever temporaries an interrupted expression held, the engine releases before the handler runs.
            let (mut may_raise, mut must_raise) = (may_now.clone(), must_now.clone());
            for (idx, slot) in function.slots.iter().enumerate() {
                if slot.kind == SlotKind::Temp {
                    may_raise.remove(idx);
                    must_raise.remove(idx);
                }
            }
            if flow(&may_raise, &must_raise, target.idx(), &mut may, &mut must, &mut reachable) {
                worklist.push(target.idx());
            }
        }
        op.for_each_read(|slot| {
            if function.consumes(slot) {
                may_now.remove(slot.idx());
                must_now.remove(slot.idx());
            }
        });
        op.for_each_end(|slot| {
            may_now.remove(slot.idx());
            must_now.remove(slot.idx());
        });
        if let GenericOp::CheckBound { slot } = op {
            must_now.insert(slot.idx());
        }
        for target in op.targets() {
            if flow(&may_now, &must_now, target.idx(), &mut may, &mut must, &mut reachable) {
                worklist.push(target.idx());
            }
        }
        if op.falls_through() && at + 1 < n_ops {
            op.for_each_write(|slot| {
                may_now.insert(slot.idx());
                must_now.insert(slot.idx());
            });
            if flow(&may_now, &must_now, at + 1, &mut may, &mut must, &mut reachable) {
                worklist.push(at + 1);
            }
        }
    }
    (may, must, reachable)
}

/// The natural loop of every target of backward jumps, outer loops first.
fn find_loops(function: &GenericFunction, handlers: &[Option<Pc>], reachable: &BitSet) -> Vec<LoopInfo> {
    let n_ops = function.ops.len();
    let mut predecessors: Vec<Vec<usize>> = vec![Vec::new(); n_ops];
    let mut loops: Vec<LoopInfo> = Vec::new();
    for (at, op) in function.ops.iter().enumerate().filter(|(at, _)| reachable.contains(*at)) {
        if op.falls_through() && at + 1 < n_ops {
            predecessors[at + 1].push(at);
        }
        for target in op.targets() {
            predecessors[target.idx()].push(at);
            if target.idx() <= at {
                match loops.iter_mut().find(|info| info.header == target) {
                    Some(info) => info.back_edges.push(Pc(at as u32)),
                    None => loops.push(LoopInfo {
                        header: target,
                        back_edges: vec![Pc(at as u32)],
                        ops: BitSet::new(n_ops),
                        parent: None,
                        depth: 1,
                    }),
                }
            }
        }
        if let Some(target) = handlers[at] {
            predecessors[target.idx()].push(at);
        }
    }
    for info in &mut loops {
        info.ops.insert(info.header.idx());
        let mut worklist: Vec<usize> = info.back_edges.iter().map(|pc| pc.idx()).collect();
        while let Some(at) = worklist.pop() {
            if !info.ops.contains(at) {
                info.ops.insert(at);
                worklist.extend(&predecessors[at]);
            }
        }
    }
    // An outer loop is larger than those inside it, and its header comes first.
    loops.sort_by_key(|info| (std::cmp::Reverse(info.ops.len()), info.header));
    for inner in 0..loops.len() {
        let parent = (0..inner).rev().find(|&outer| loops[outer].contains(loops[inner].header));
        loops[inner].parent = parent;
        loops[inner].depth = parent.map_or(1, |outer| loops[outer].depth + 1);
    }
    loops
}
