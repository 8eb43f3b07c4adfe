//! Recognises counted loops: a header that tests a counter against a limit, with a constant step.

use std::collections::HashMap;

use flashpoint_ir::analysis::{Cfg, DomTree, Loop, LoopForest};
use flashpoint_ir::typed::*;

use crate::edit::{Def, Defs, Emitter, targets, terminator};
use crate::licm::is_total;
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

/// Whether a block runs in every iteration.
pub fn runs_always(shape: &Shape, info: &Loop, block: Block) -> bool {
    info.latches.iter().all(|latch| shape.doms.dominates(block, *latch))
}

/// By how many bytes an address moves in one iteration, if that is a constant.
pub fn stride_of(func: &TypedFunction, shape: &Shape, info: &Loop, counter: &Counter, value: Value) -> Option<i128> {
    if value == counter.param {
        return Some(counter.step);
    }
    if !shape.is_inside(info, value) {
        return Some(0);
    }
    let of = |v: Value| stride_of(func, shape, info, counter, v);
    match shape.defs.inst(func, value)? {
        InstKind::PtrAdd(a, b)
        | InstKind::Binary(BinaryOp::Iadd, a, b)
        | InstKind::Overflow(OverflowOp::SaddOverflow, a, b) => of(*a)?.checked_add(of(*b)?),
        InstKind::Binary(BinaryOp::Isub, a, b) | InstKind::Overflow(OverflowOp::SsubOverflow, a, b) => {
            of(*a)?.checked_sub(of(*b)?)
        }
        InstKind::Binary(BinaryOp::Imul, a, b) => of(*a)?.checked_mul(shape.defs.int(func, *b)?),
        _ => None,
    }
}

/// Copies the pure instructions of a loop that compute `value`, under other names for some of its values.
pub fn copy_slice(
    emit: &mut Emitter,
    shape: &Shape,
    info: &Loop,
    value: Value,
    names: &mut HashMap<Value, Value>,
) -> Value {
    if let Some(copy) = names.get(&value) {
        return *copy;
    }
    if !shape.is_inside(info, value) {
        return value;
    }
    let Def::Result(inst, _) = shape.defs.get(value) else { return value };
    let data = emit.func.insts[inst.index()].clone();
    debug_assert!(is_total(emit.func, &shape.defs, &data.kind));
    // A checked step of an address is an ordinary one here: the guard on it has been answered.
    let mut kind = match data.kind {
        InstKind::Overflow(op, a, b) => InstKind::Binary(crate::cleanup::unchecked(op), a, b),
        kind => kind,
    };
    kind.for_each_operand_mut(&mut |v| *v = copy_slice(emit, shape, info, *v, names));
    let ty = emit.ty(value);
    let copy = match kind {
        InstKind::Binary(op, a, b) => emit.binary(op, a, b),
        kind => {
            let copy = emit.push(kind, &[ty]);
            emit.func.insts[copy.index()].results[0]
        }
    };
    names.insert(value, copy);
    copy
}
