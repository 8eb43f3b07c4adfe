//! Recognises counted loops: a header that tests a counter against a limit, with a constant step.

use flashpoint_ir::analysis::{Cfg, DomTree, Loop, LoopForest};
use flashpoint_ir::typed::*;

use crate::edit::{Def, Defs, targets, terminator};
use crate::simplify::{opposite, swapped};

/// The counter of a loop. The loop goes on while `param cc limit`; every back edge adds `step`.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// The header's parameter.
    pub param: Value,
    /// What comes in from the preheader.
    pub first: Value,
    /// What each iteration adds: positive for `Slt` and `Sle`, negative for `Sgt` and `Sge`.
    pub step: i128,
    /// The comparison that keeps the loop going: `Slt`, `Sle`, `Sgt` or `Sge`.
    pub cc: IntCC,
    /// Defined outside the loop.
    pub limit: Value,
    /// The first block of the body, reached only from the header.
    pub stay: Block,
}

/// The graph of a function with what the loop passes ask of it.
pub struct Shape {
    /// Edges.
    pub cfg: Cfg,
    /// Dominators.
    pub doms: DomTree,
    /// Loops.
    pub forest: LoopForest,
    /// Definitions.
    pub defs: Defs,
    /// The block of each value.
    pub homes: Vec<Option<Block>>,
}

impl Shape {
    /// The shape of `func` as it is now.
    pub fn of(func: &TypedFunction) -> Shape {
        let cfg = Cfg::of(func);
        let doms = DomTree::of(func, &cfg);
        let forest = LoopForest::of(func, &cfg, &doms);
        Shape { forest, doms, cfg, defs: Defs::of(func), homes: crate::edit::blocks_of_values(func) }
    }

    /// Whether a value is defined in a loop. Values made since are in preheaders, hence outside.
    pub fn is_inside(&self, info: &Loop, value: Value) -> bool {
        self.homes.get(value.index()).copied().flatten().is_some_and(|home| info.contains(home))
    }
}

/// The counter of a loop that has a preheader.
pub fn counter(func: &TypedFunction, shape: &Shape, info: &Loop) -> Option<Counter> {
    let preheader = info.preheader(&shape.cfg)?;
    let InstKind::Branch(cond, a, b) = terminator(func, info.header) else { return None };
    let (stay, negated) = match (info.contains(a.block), info.contains(b.block)) {
        (true, false) => (a.block, false),
        (false, true) => (b.block, true),
        _ => return None,
    };
    if shape.cfg.predecessors(stay) != [info.header] {
        return None;
    }
    let &InstKind::Icmp(cc, x, y) = shape.defs.inst(func, *cond)? else { return None };
    let cc = if negated { opposite(cc) } else { cc };
    let (param, limit, cc) = match (shape.is_inside(info, x), shape.is_inside(info, y)) {
        (true, false) => (x, y, cc),
        (false, true) => (y, x, swapped(cc)),
        _ => return None,
    };
    let Def::Param(header, index) = shape.defs.get(param) else { return None };
    let index = index as usize;
    let ty = func.value_types[param.index()];
    if header != info.header || !matches!(ty, Type::I64 | Type::I32) {
        return None;
    }
    let first = targets(terminator(func, preheader)).find(|call| call.block == header)?.args[index];
    let mut step = None;
    for latch in &info.latches {
        for call in targets(terminator(func, *latch)).filter(|call| call.block == header) {
            let added = step_of(func, &shape.defs, param, call.args[index])?;
            if *step.get_or_insert(added) != added {
                return None;
            }
        }
    }
    let step = step?;
    let fits = match cc {
        IntCC::Slt | IntCC::Sle => step > 0,
        IntCC::Sgt | IntCC::Sge => step < 0,
        _ => false,
    };
    (fits && step.abs() < 1 << 20).then_some(Counter { param, first, step, cc, limit, stay })
}

/// The constant that `next` adds to `param`.
pub fn step_of(func: &TypedFunction, defs: &Defs, param: Value, next: Value) -> Option<i128> {
    match defs.inst(func, next)? {
        InstKind::Binary(BinaryOp::Iadd, a, b) | InstKind::Overflow(OverflowOp::SaddOverflow, a, b) if *a == param => {
            defs.int(func, *b)
        }
        _ => None,
    }
}
