//! Cheap tests for guards on float arithmetic: one comparison for many operations.
//!
//! The lowering guards each of NumPy's float operations by "the result is finite, or nothing happened that NumPy warns of".
//! An infinity or a NaN travels through sums, differences, products and numerators, so the results at the end of such a
//! chain tell of all of it, and the sum of several results is finite only if each is. This pass gathers the guards of a
//! straight line of code into one test of one sum at its end. Where that fails, a cold block evaluates the conditions
//! exactly; if one does not hold, it gives the elements that were stored meanwhile their old values back and leaves by
//! the *first* guard's exit, from where tier 0 does everything again.
//!
//! Invariants:
//! - Between the first guard of a test and the test stand no call, poll or other exit, and only stores to elements that
//!   were read there before: so the old value is at hand, and nothing but those elements needs undoing.
//! - Gathered guards test floats alone, and no address was proved valid by one: what is read before the test is readable.
//!
//! Does not know about: loops. See [`crate::strips`] for tests put off over many iterations.

use std::collections::{HashMap, HashSet};

use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::*;

use crate::edit::{Def, Defs, Emitter, new_block, new_inst, terminate};
use crate::pipeline::PassContext;

/// A guard that may be tested later than it stands.
#[derive(Clone, Copy, Debug)]
pub struct Soft {
    /// The guard.
    pub guard: Inst,
    /// The exact condition.
    pub cond: Value,
    /// A value of which "it is finite" implies the condition.
    pub finite: Option<Value>,
}

/// The guard as a soft one, if it is about floats alone.
pub fn soft_guard(func: &TypedFunction, defs: &Defs, guard: Inst) -> Option<Soft> {
    let InstKind::Guard(cond, exit) = func.insts[guard.index()].kind else { return None };
    let reason = func.snapshots[exit.index()].reason;
    let is_soft =
        matches!(reason, Reason::NonFinite | Reason::NumpyWarning | Reason::DivisionByZero | Reason::MathDomain);
    if !is_soft {
        return None;
    }
    is_about_floats(func, defs, cond, 12).then(|| Soft { guard, cond, finite: finite_part(func, defs, cond) })
}

/// The value of a disjunct "its magnitude is below infinity".
fn finite_part(func: &TypedFunction, defs: &Defs, cond: Value) -> Option<Value> {
    let is_infinity = |v: Value| match defs.inst(func, v) {
        Some(InstKind::Fconst { ty: Type::F64, bits }) => *bits == f64::INFINITY.to_bits(),
        Some(InstKind::Fconst { ty: Type::F32, bits }) => *bits == u64::from(f32::INFINITY.to_bits()),
        _ => false,
    };
    let magnitude_of = |v: Value| match defs.inst(func, v) {
        Some(InstKind::Unary(UnaryOp::Fabs, x)) => Some(*x),
        _ => None,
    };
    match defs.inst(func, cond)? {
        InstKind::Binary(BinaryOp::Or, a, b) => finite_part(func, defs, *a).or_else(|| finite_part(func, defs, *b)),
        InstKind::Fcmp(FloatCC::Lt, a, b) if is_infinity(*b) => magnitude_of(*a),
        InstKind::Fcmp(FloatCC::Gt, a, b) if is_infinity(*a) => magnitude_of(*b),
        _ => None,
    }
}

/// Whether a condition is made of comparisons of floats.
fn is_about_floats(func: &TypedFunction, defs: &Defs, cond: Value, depth: u32) -> bool {
    let part = |v: &Value| is_about_floats(func, defs, *v, depth - 1);
    match defs.inst(func, cond) {
        _ if depth == 0 => false,
        Some(InstKind::Fcmp(..) | InstKind::Iconst { .. }) => true,
        Some(InstKind::Binary(BinaryOp::And | BinaryOp::Or | BinaryOp::Xor, a, b) | InstKind::Icmp(_, a, b)) => {
            part(a) && part(b)
        }
        Some(InstKind::Unary(UnaryOp::Not, a)) => part(a),
        _ => false,
    }
}

/// The values whose finiteness implies that of all of `soft`, which stand in this order in one straight line: those that
/// do not travel on into another.
pub fn roots(func: &TypedFunction, defs: &Defs, soft: &[Soft]) -> Vec<Value> {
    let values: Vec<Value> = soft.iter().filter_map(|guard| guard.finite).collect();
    let travels = |v: Value| {
        values.iter().any(|other| match defs.inst(func, *other) {
            Some(InstKind::Binary(BinaryOp::Fadd | BinaryOp::Fsub | BinaryOp::Fmul, a, b)) => *a == v || *b == v,
            Some(InstKind::Binary(BinaryOp::Fdiv, a, _)) => *a == v,
            _ => false,
        })
    };
    let mut ends: Vec<Value> = values.iter().copied().filter(|v| !travels(*v)).collect();
    ends.sort_unstable();
    ends.dedup();
    ends
}

/// "All of these are finite", or not known to be.
pub fn all_finite(emit: &mut Emitter, values: &[Value]) -> Value {
    let mut all = emit.i1(true);
    for ty in [Type::F64, Type::F32] {
        let mut sums: Vec<Value> = values.iter().copied().filter(|value| emit.ty(*value) == ty).collect();
        // A tree: an iteration is not done before its test is, so the test must not wait long.
        while sums.len() > 1 {
            let pairs = sums.chunks(2).map(|pair| match pair {
                [a, b] => emit.binary(BinaryOp::Fadd, *a, *b),
                rest => rest[0],
            });
            sums = pairs.collect();
        }
        let Some(sum) = sums.pop() else { continue };
        let is_finite = is_finite(emit, sum);
        all = emit.binary(BinaryOp::And, all, is_finite);
    }
    all
}

/// `x - x` is zero, or NaN where `x` is not finite: no constant, no detour through integer registers.
fn is_finite(emit: &mut Emitter, value: Value) -> Value {
    let nothing = emit.binary(BinaryOp::Fsub, value, value);
    first_result(emit, InstKind::Fcmp(FloatCC::Eq, nothing, nothing), Type::I1)
}

/// Whether the condition is "the divisor is not zero" of a quotient whose finiteness is tested: it then is.
fn is_implied_by_quotient(func: &TypedFunction, defs: &Defs, cond: Value, soft: &[Soft]) -> bool {
    let is_zero = |v: Value| matches!(defs.inst(func, v), Some(InstKind::Fconst { bits: 0, .. }));
    let divisor = match defs.inst(func, cond) {
        Some(InstKind::Fcmp(FloatCC::Ne, a, b)) if is_zero(*b) => *a,
        Some(InstKind::Fcmp(FloatCC::Ne, a, b)) if is_zero(*a) => *b,
        _ => return false,
    };
    soft.iter().filter_map(|guard| guard.finite).any(
        |quotient| matches!(defs.inst(func, quotient), Some(InstKind::Binary(BinaryOp::Fdiv, _, b)) if *b == divisor),
    )
}

fn first_result(emit: &mut Emitter, kind: InstKind, ty: Type) -> Value {
    let inst = emit.push(kind, &[ty]);
    emit.func.insts[inst.index()].results[0]
}

/// Gathers the guards on floats of each straight line.
pub fn gather_float_guards(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    // Under stress each guard is to fail at its own place.
    if context.guards_fail_freely {
        return false;
    }
    let mut changed = false;
    let mut defs = Defs::of(func);
    for block in func.layout.clone() {
        let mut at = block;
        while let Some(run) = Run::first(func, &defs, at, &context.converted_guards) {
            at = run.gather(func, &mut defs, at);
            changed = true;
        }
    }
    changed
}

/// Guards of one straight line that one test answers.
struct Run {
    soft: Vec<Soft>,
    /// Stores behind the first of them, with the element's value before, if it is still at hand.
    stores: Vec<(Inst, Option<Value>)>,
    /// The position of the test.
    end: usize,
}

impl Run {
    /// The first run of a block that is worth a test.
    fn first(func: &TypedFunction, defs: &Defs, block: Block, converted: &HashSet<Inst>) -> Option<Run> {
        let insts = &func.blocks[block.index()].insts;
        let mut run = Run { soft: Vec::new(), stores: Vec::new(), end: 0 };
        // What was read, and whether nothing was stored since.
        let mut read: Vec<(Value, i32, Value, bool)> = Vec::new();
        for (at, inst) in insts.iter().copied().enumerate() {
            // A converted guard's exit lies on one side of a branch: the others may not leave by it.
            if let Some(soft) =
                soft_guard(func, defs, inst).filter(|_| !run.soft.is_empty() || !converted.contains(&inst))
            {
                run.soft.push(soft);
                continue;
            }
            let goes_on = match func.insts[inst.index()].kind {
                InstKind::Load { addr, offset, region: Region::Array, .. } => {
                    read.push((addr, offset, func.insts[inst.index()].results[0], true));
                    true
                }
                InstKind::Store { value, addr, offset, region: Region::Array } => {
                    let ty = func.value_types[value.index()];
                    let same = read
                        .iter()
                        .rev()
                        .find(|(a, o, old, _)| (*a, *o, func.value_types[old.index()]) == (addr, offset, ty));
                    let old = same.map(|(_, _, old, is_fresh)| is_fresh.then_some(*old));
                    if let Some(old) = old
                        && !run.soft.is_empty()
                    {
                        run.stores.push((inst, old));
                    }
                    read.iter_mut().for_each(|(.., is_fresh)| *is_fresh = false);
                    old.is_some()
                }
                // What is alive during a call is kept in memory: less is, if the test comes first.
                InstKind::Libm(..) => false,
                ref kind => kind.is_pure() || matches!(kind, InstKind::Load { .. }),
            };
            if !goes_on {
                // The stores at the end need no undoing if the test stands before them.
                if run.is_worthwhile() {
                    run.end = at;
                    return Some(run);
                }
                run = Run { soft: Vec::new(), stores: Vec::new(), end: 0 };
            }
        }
        None
    }

    fn is_worthwhile(&self) -> bool {
        self.soft.len() > 1 || self.soft.iter().any(|guard| guard.finite.is_some())
    }

    /// Puts the test where the run ends; the block that goes on behind it.
    fn gather(self, func: &mut TypedFunction, defs: &mut Defs, block: Block) -> Block {
        let line = func.insts[self.soft[0].guard.index()].line;
        let InstKind::Guard(_, exit) = func.insts[self.soft[0].guard.index()].kind else {
            unreachable!("a soft guard is a guard")
        };
        let behind = func.blocks[block.index()].insts.split_off(self.end);
        let go_on = new_block(func, block);
        func.blocks[go_on.index()].insts = behind;
        // Where no condition is wider than its quick test, failing that is failing.
        let is_exact = self
            .soft
            .iter()
            .all(|soft| soft.finite.is_none() || matches!(defs.inst(func, soft.cond), Some(InstKind::Fcmp(..))));
        let undo = new_block(func, go_on);

        let mut kept = Vec::new();
        let mut old: Vec<(Inst, Value)> = Vec::new();
        for inst in std::mem::take(&mut func.blocks[block.index()].insts) {
            let undone = self.stores.iter().find(|(store, _)| *store == inst);
            if let (Some((_, before)), InstKind::Store { value, addr, offset, region }) =
                (undone, func.insts[inst.index()].kind.clone())
            {
                let before = before.unwrap_or_else(|| {
                    let ty = func.value_types[value.index()];
                    let load = new_inst(func, InstKind::Load { ty, addr, offset, region }, &[ty], line);
                    defs.add(func, load);
                    kept.push(load);
                    func.insts[load.index()].results[0]
                });
                old.push((inst, before));
            }
            if !self.soft.iter().any(|soft| soft.guard == inst) {
                kept.push(inst);
            }
        }
        func.blocks[block.index()].insts = kept;

        let roots = roots(func, defs, &self.soft);
        let others: Vec<Value> = self
            .soft
            .iter()
            .filter(|soft| soft.finite.is_none() && !is_implied_by_quotient(func, defs, soft.cond, &self.soft))
            .map(|soft| soft.cond)
            .collect();
        let mut emit = Emitter::new(func, defs, block, line);
        let mut likely = all_finite(&mut emit, &roots);
        for cond in others {
            likely = emit.binary(BinaryOp::And, likely, cond);
        }
        let to = |block: Block| BlockCall { block, args: vec![] };
        if is_exact {
            terminate(func, block, InstKind::Branch(likely, to(go_on), to(undo)), line);
        } else {
            let cold = new_block(func, go_on);
            terminate(func, block, InstKind::Branch(likely, to(go_on), to(cold)), line);
            let mut emit = Emitter::new(func, defs, cold, line);
            let mut copies = HashMap::new();
            let mut all = emit.i1(true);
            for soft in &self.soft {
                let cond = copy_test(&mut emit, soft.cond, &mut copies);
                all = emit.binary(BinaryOp::And, all, cond);
            }
            terminate(func, cold, InstKind::Branch(all, to(go_on), to(undo)), line);
        }

        for (store, old) in old.into_iter().rev() {
            let InstKind::Store { addr, offset, region, .. } = func.insts[store.index()].kind else { continue };
            let restore = new_inst(func, InstKind::Store { value: old, addr, offset, region }, &[], line);
            func.blocks[undo.index()].insts.push(restore);
        }
        terminate(func, undo, InstKind::Exit(exit), line);
        go_on
    }
}

/// Copies a test down to the floats it compares, so that the hot path need not evaluate it.
fn copy_test(emit: &mut Emitter, value: Value, copies: &mut HashMap<Value, Value>) -> Value {
    if let Some(copy) = copies.get(&value) {
        return *copy;
    }
    let ty = emit.ty(value);
    let kind = match emit.defs.get(value) {
        Def::Result(inst, _) => emit.func.insts[inst.index()].kind.clone(),
        _ => return value,
    };
    let is_test = match kind {
        InstKind::Unary(UnaryOp::Fabs, _) | InstKind::Fconst { .. } | InstKind::Iconst { .. } => true,
        _ => ty == Type::I1 && kind.is_pure(),
    };
    if !is_test {
        return value;
    }
    let mut kind = kind;
    kind.for_each_operand_mut(&mut |v| *v = copy_test(emit, *v, copies));
    let copy = first_result(emit, kind, ty);
    copies.insert(value, copy);
    copy
}
