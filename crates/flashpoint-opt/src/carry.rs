//! What an iteration stores and the next one loads stays in a register: `c[j + 1] = min(c[j] + 1, ...)`.
//!
//! In an innermost counted loop whose only store writes, in each iteration, the element that a load reads in the next,
//! the load becomes a parameter of the header: at first what memory holds, then what was stored. Store and load through
//! memory cost several cycles, in the middle of what one iteration needs from the one before.
//! For the same reason, the minimum (or maximum) of several values takes the one that comes from the iteration before last.
//!
//! Changes the graph: a block that loads the first element, entered only if the loop runs.
//! Invariants:
//! - Addresses are compared as sums of values times constants, modulo 2^64, which is how they are computed.
//! - The first element is loaded early only if no guard of the loop could have left before the load.
//!
//! Does not know about: what else is in memory, since the only store cannot hit the element between the two.

use flashpoint_ir::analysis::Loop;
use flashpoint_ir::typed::*;

use crate::counted::{Counter, Shape, counter};
use crate::edit::{Defs, Emitter, Subst, append_param, new_block, new_inst, terminate, terminator, terminator_mut};
use crate::float_guards::soft_guard;
use crate::loops::transform_loops;
use crate::pipeline::PassContext;
use crate::strips::memory::copy_slice;
use crate::strips::{is_about_numbers, runs_always};

/// Hands what an iteration stores to the load of the next.
pub fn carry_stores(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    let carried = transform_loops(func, context, Loop::is_innermost, |func, _, shape, idx| {
        let info = shape.forest.get(idx);
        Carried::of(func, shape, info)?.carry(func, shape, info);
        Some(vec![])
    });
    carried | take_carried_last(func)
}

/// A load that reads what the iteration before has stored.
struct Carried {
    counter: Counter,
    preheader: Block,
    latch: Block,
    load: Inst,
    stored: Value,
}

impl Carried {
    fn of(func: &TypedFunction, shape: &Shape, info: &Loop) -> Option<Carried> {
        let counter = counter(func, shape, info)?;
        let preheader = info.preheader(&shape.cfg)?;
        let &[latch] = &info.latches[..] else { return None };
        let (InstKind::Jump(_), InstKind::Jump(_)) = (terminator(func, preheader), terminator(func, latch)) else {
            return None;
        };
        // What is behind another way out may not be there in the first iteration.
        if info.exits.len() != 1 {
            return None;
        }
        let mut loads = Vec::new();
        let mut store = None;
        for &block in &info.blocks {
            for &inst in &func.blocks[block.index()].insts {
                match func.insts[inst.index()].kind {
                    // Before it, the first element may not be there.
                    InstKind::Guard(_, exit)
                        if soft_guard(func, &shape.defs, inst).is_none()
                            && !is_about_numbers(func.snapshots[exit.index()].reason) =>
                    {
                        return None;
                    }
                    InstKind::Guard(..) if block == info.header => return None,
                    InstKind::Load { ty, addr, offset, region: Region::Array } if runs_always(shape, info, block) => {
                        loads.push((inst, ty, addr, offset));
                    }
                    InstKind::Store { value, addr, offset, region: Region::Array } => {
                        let only = store.is_none() && runs_always(shape, info, block);
                        store = only.then_some((value, addr, offset));
                        if !only {
                            return None;
                        }
                    }
                    InstKind::Store { .. } | InstKind::CallHelper(..) | InstKind::CallUnit(..) => return None,
                    _ => {}
                }
            }
        }
        let (stored, target, at) = store?;
        let written = Sum::of(func, shape, info, &counter, target, i128::from(at))?;
        loads.into_iter().find_map(|(load, ty, addr, offset)| {
            let mut read = Sum::of(func, shape, info, &counter, addr, i128::from(offset))?;
            let stride = read.factor(counter.param) * counter.step;
            read.constant += stride;
            let reads_it = ty == func.value_types[stored.index()]
                && stride.abs() >= i128::from(ty.lane_bits() / 8)
                && read.is_equal(&written);
            reads_it.then_some(Carried { counter, preheader, latch, load, stored })
        })
    }

    fn carry(self, func: &mut TypedFunction, shape: &Shape, info: &Loop) {
        let data = &func.insts[self.load.index()];
        let InstKind::Load { ty, addr, offset, region } = data.kind else { unreachable!("it is a load") };
        let (loaded, line) = (data.results[0], data.line);

        // The first element, if there is a first iteration.
        let mut defs = shape.defs.clone();
        let mut emit = Emitter::new(func, &mut defs, self.preheader, line);
        let runs = emit.icmp(self.counter.cc, self.counter.first, self.counter.limit);
        let zero = if ty.is_float() { InstKind::Fconst { ty, bits: 0 } } else { InstKind::Iconst { ty, value: 0 } };
        let zero = emit.push(zero, &[ty]);
        let zero = emit.func.insts[zero.index()].results[0];
        let ahead = new_block(func, self.preheader);
        let mut emit = Emitter::new(func, &mut defs, ahead, line);
        let mut names = std::collections::HashMap::from([(self.counter.param, self.counter.first)]);
        let addr = copy_slice(&mut emit, shape, info, addr, &mut names);
        let first = emit.push(InstKind::Load { ty, addr, offset, region }, &[ty]);
        let first = emit.func.insts[first.index()].results[0];
        let InstKind::Jump(into) = terminator(func, self.preheader).clone() else { unreachable!("it jumps") };
        let with = |value: Value| {
            let mut call = into.clone();
            call.args.push(value);
            call
        };
        terminate(func, ahead, InstKind::Jump(with(first)), line);
        let enter = BlockCall { block: ahead, args: vec![] };
        *terminator_mut(func, self.preheader) = InstKind::Branch(runs, enter, with(zero));

        // From then on, what was stored.
        let param = append_param(func, info.header, ty);
        terminator_mut(func, self.latch).for_each_target_mut(&mut |call| call.args.push(self.stored));
        let home = shape.homes[loaded.index()].expect("it is in the loop");
        func.blocks[home.index()].insts.retain(|inst| *inst != self.load);
        let mut subst = Subst::new(func);
        subst.replace(loaded, param);
        subst.apply(func);
    }
}

/// An address as values times constants, and a constant.
struct Sum {
    terms: Vec<(Value, i128)>,
    constant: i128,
}

impl Sum {
    /// The sum behind an address that depends on nothing inside the loop but its counter.
    fn of(func: &TypedFunction, shape: &Shape, info: &Loop, counter: &Counter, addr: Value, at: i128) -> Option<Sum> {
        let mut sum = Sum { terms: Vec::new(), constant: at };
        sum.add(func, &shape.defs, addr, 1, 16)?;
        let is_known = |value: Value| value == counter.param || !shape.is_inside(info, value);
        sum.terms.iter().all(|(value, _)| is_known(*value)).then_some(sum)
    }

    fn add(&mut self, func: &TypedFunction, defs: &Defs, value: Value, factor: i128, depth: u32) -> Option<()> {
        if depth == 0 || factor.abs() > 1 << 32 {
            return None;
        }
        let mut both = |a: Value, b: Value, sign: i128| {
            self.add(func, defs, a, factor, depth - 1)?;
            self.add(func, defs, b, sign * factor, depth - 1)
        };
        match defs.inst(func, value) {
            Some(&InstKind::Iconst { value, .. }) => self.constant += value * factor,
            Some(&(InstKind::PtrAdd(a, b) | InstKind::Binary(BinaryOp::Iadd, a, b))) => both(a, b, 1)?,
            Some(&InstKind::Overflow(OverflowOp::SaddOverflow, a, b)) if is_first(defs, value) => both(a, b, 1)?,
            Some(&InstKind::Binary(BinaryOp::Isub, a, b)) => both(a, b, -1)?,
            Some(&InstKind::Binary(BinaryOp::Imul, a, b)) if defs.int(func, b).is_some() => {
                self.add(func, defs, a, factor.checked_mul(defs.int(func, b)?)?, depth - 1)?;
            }
            Some(&InstKind::Binary(BinaryOp::Shl, a, b)) if matches!(defs.int(func, b), Some(0..=32)) => {
                self.add(func, defs, a, factor.checked_mul(1 << defs.int(func, b)?)?, depth - 1)?;
            }
            _ => match self.terms.iter_mut().find(|(term, _)| *term == value) {
                Some((_, total)) => *total += factor,
                None => self.terms.push((value, factor)),
            },
        }
        Some(())
    }

    fn factor(&self, value: Value) -> i128 {
        self.terms.iter().find(|(term, _)| *term == value).map_or(0, |(_, factor)| *factor)
    }

    fn is_equal(&self, other: &Sum) -> bool {
        let all = self.terms.iter().chain(&other.terms);
        (self.constant - other.constant) as i64 == 0
            && all.into_iter().all(|(value, _)| self.factor(*value) == other.factor(*value))
    }
}

/// Whether a value is an instruction's first result.
fn is_first(defs: &Defs, value: Value) -> bool {
    matches!(defs.get(value), crate::edit::Def::Result(_, 0))
}

/// In innermost loops, `min(min(a, carried), b)` becomes `min(min(a, b), carried)`.
fn take_carried_last(func: &mut TypedFunction) -> bool {
    let shape = Shape::of(func);
    let mut changed = false;
    for info in shape.forest.loops().iter().filter(|info| info.is_innermost()) {
        let counts = counter(func, &shape, info).map(|counter| counter.param);
        let params: Vec<Value> =
            func.blocks[info.header.index()].params.iter().copied().filter(|param| Some(*param) != counts).collect();
        for &block in &info.blocks {
            for inst in func.blocks[block.index()].insts.clone() {
                let InstKind::Binary(op, a, b) = func.insts[inst.index()].kind else { continue };
                if !matches!(op, BinaryOp::Smin | BinaryOp::Smax | BinaryOp::Umin | BinaryOp::Umax) {
                    continue;
                }
                let is_carried = |func: &TypedFunction, value| depends(func, &shape, info, &params, value, 8);
                let inner = |func: &TypedFunction, value| match shape.defs.inst(func, value) {
                    Some(&InstKind::Binary(inner, x, y)) if inner == op && shape.is_inside(info, value) => Some((x, y)),
                    _ => None,
                };
                let found = [(a, b), (b, a)].into_iter().find_map(|(chain, free)| {
                    let (x, y) = inner(func, chain).filter(|_| !is_carried(func, free))?;
                    match (is_carried(func, x), is_carried(func, y)) {
                        (true, false) => Some((y, free, x)),
                        (false, true) => Some((x, free, y)),
                        _ => None,
                    }
                });
                let Some((x, y, carried)) = found else { continue };
                let ty = func.value_types[a.index()];
                let line = func.insts[inst.index()].line;
                let free = new_inst(func, InstKind::Binary(op, x, y), &[ty], line);
                let free_value = func.insts[free.index()].results[0];
                func.insts[inst.index()].kind = InstKind::Binary(op, free_value, carried);
                let insts = &mut func.blocks[block.index()].insts;
                let at = insts.iter().position(|i| *i == inst).expect("its block");
                insts.insert(at, free);
                changed = true;
            }
        }
    }
    changed
}

/// Whether a value is computed from parameters of the header. Values made since then are not.
fn depends(func: &TypedFunction, shape: &Shape, info: &Loop, params: &[Value], value: Value, depth: u32) -> bool {
    if params.contains(&value) {
        return true;
    }
    if depth == 0 || !shape.is_inside(info, value) {
        return false;
    }
    let Some(kind) = shape.defs.inst(func, value) else { return false };
    let mut found = false;
    kind.for_each_operand(&mut |operand| found |= depends(func, shape, info, params, operand, depth - 1));
    found
}
