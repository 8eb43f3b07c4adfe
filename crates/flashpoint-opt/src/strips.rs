//! Strip-mining: polls leave innermost loops, and guards on data are answered strip by strip.
//!
//! An innermost counted loop is wrapped in a loop over strips. Between strips stands the poll, whose exit names the state at
//! the header. If the guards that are left can be implied by bounds of what the strip reads and of how much each variable
//! can grow in one strip, then
//! 1. a *check loop* runs over the strip and only combines the magnitudes of what is read (no store, so nothing is visible),
//! 2. the bounds decide ([`crate::bounds`]), together with a test that no store of the strip overlaps what was read,
//! 3. and the strip runs without guards; if the bounds do not suffice, the checked version finishes the loop instead.
//!
//! So exits stay exact and sums wrap nowhere, while the loop that runs is one a back end vectorises.
//! Guards on floats are tested after the strip instead ([`later`]): if one may have failed, the checked version does the
//! strip again, which is possible as no store of it changed what it read.
//!
//! A load from an address that does not change is made once per strip, if no store of the strip can hit it; strips are cut
//! short where a store would.
//!
//! Invariants:
//! - The strip's own header instructions are pure; they are repeated in the strip loop's header.
//! - What the check loop reads, the strip reads too, in every iteration; so it reads nothing that was not guarded.
//! - A load and a store that overlap are the same address in the same iteration, the load first.
//!
//! Does not know about: vectors, Python.

use std::collections::HashMap;

use flashpoint_ir::analysis::{Loop, LoopIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::*;

mod later;
pub mod memory;
mod reduction;

use crate::bounds::{Bounds, Strip, merge};
use crate::counted::{Counter, Shape, counter};
use crate::edit::{
    Copies, Def, Emitter, append_param, clone_blocks, clone_snapshot, new_block, new_inst, repair_ssa, targets,
    terminate, terminator, terminator_mut, visit_uses,
};
use crate::float_guards::soft_guard;
use crate::licm::normalize_loops;
use crate::pipeline::PassContext;
use crate::version::drop_guards;
use later::Later;
use memory::{copy_slice, ends, is_behind, is_linear, precedes, stride_of};
use reduction::is_vectorisable;

/// Iterations of a strip without a check loop: short enough for a poll every few milliseconds at worst.
const LONG_STRIP: i128 = 1 << 14;
/// Iterations of a strip with a check loop: what it reads should still be in the first-level cache for the second pass.
const CHECKED_STRIP: i128 = 1 << 10;
/// Lengths of strips, without and with a check loop.
#[derive(Clone, Copy)]
struct Lengths {
    long: i128,
    checked: i128,
}

impl Lengths {
    fn of(context: &PassContext) -> Lengths {
        if context.short_strips {
            Lengths { long: 8, checked: 4 }
        } else {
            Lengths { long: LONG_STRIP, checked: CHECKED_STRIP }
        }
    }
}

/// Loads that a check loop may read.
const MAX_CHECKED_LOADS: usize = 6;

/// Takes polls, and guards on data where that makes the loop clean, out of innermost loops.
pub fn strip_mine(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    let mut changed = normalize_loops(func, context);
    let mut done: Vec<Block> = Vec::new();
    loop {
        let shape = Shape::of(func);
        let next = shape.forest.loops().iter().position(|info| {
            info.is_innermost() && !done.contains(&info.header) && !context.checked_versions.contains(&info.header)
        });
        let Some(next) = next else { break };
        done.push(shape.forest.loops()[next].header);
        if let Some(strip_loop) = strip_loop(func, context, &shape, LoopIdx(next)) {
            done.extend(strip_loop);
            changed = true;
            normalize_loops(func, context);
        }
    }
    changed
}

/// A load whose values a check loop bounds.
struct CheckedLoad {
    result: Value,
    addr: Value,
    offset: i32,
    ty: Type,
}

/// Wraps one loop; the headers of the new loops.
fn strip_loop(func: &mut TypedFunction, context: &mut PassContext, shape: &Shape, root: LoopIdx) -> Option<Vec<Block>> {
    let info = shape.forest.get(root);
    let counter = counter(func, shape, info)?;
    let preheader = info.preheader(&shape.cfg)?;
    let is_pure_header = func.blocks[info.header.index()].insts.iter().all(|inst| {
        let kind = &func.insts[inst.index()].kind;
        kind.is_pure() || kind.is_terminator()
    });
    if !is_pure_header {
        return None;
    }
    let poll = poll_at_header(func, info);
    let has_poll = info.blocks.iter().any(|b| {
        func.blocks[b.index()].insts.iter().any(|inst| matches!(func.insts[inst.index()].kind, InstKind::Poll(_)))
    });
    if has_poll && poll.is_none() {
        return None;
    }
    let lengths = Lengths::of(context);
    let plan = Plan::of(func, shape, root, &counter, lengths);
    if !has_poll && plan.is_none() {
        return None;
    }
    Some(wrap(func, context, shape, root, preheader, counter, poll, plan))
}

/// The exit of the polls, as (snapshot, the header parameter that each of its values is); values defined outside stay.
fn poll_at_header(func: &TypedFunction, info: &Loop) -> Option<(SnapshotId, Vec<Option<usize>>)> {
    let mut polls: Vec<(SnapshotId, &[Value])> = Vec::new();
    for &latch in &info.latches {
        let exit =
            func.blocks[latch.index()].insts.iter().rev().find_map(|inst| match func.insts[inst.index()].kind {
                InstKind::Poll(exit) => Some(exit),
                _ => None,
            })?;
        for call in targets(terminator(func, latch)).filter(|call| call.block == info.header) {
            polls.push((exit, &call.args));
        }
    }
    let values_of = |exit: SnapshotId| {
        let mut values = Vec::new();
        func.snapshots[exit.index()].for_each_value(&mut |v| values.push(v));
        values
    };
    let (first, _) = *polls.first()?;
    let shape_of = |exit: SnapshotId| {
        let mut snapshot = func.snapshots[exit.index()].clone();
        snapshot.for_each_value_mut(&mut |v| *v = Value(0));
        snapshot
    };
    let all: Vec<Vec<Value>> = polls.iter().map(|(exit, _)| values_of(*exit)).collect();
    if polls.iter().any(|(exit, _)| shape_of(*exit) != shape_of(first)) {
        return None;
    }
    let inside: Vec<Value> = info
        .blocks
        .iter()
        .flat_map(|b| {
            let data = &func.blocks[b.index()];
            data.params.iter().copied().chain(data.insts.iter().flat_map(|i| func.insts[i.index()].results.clone()))
        })
        .collect();
    let n_params = func.blocks[info.header.index()].params.len();
    let mut params = Vec::new();
    for j in 0..all[0].len() {
        let param = (0..n_params).find(|k| polls.iter().zip(&all).all(|((_, args), values)| args[*k] == values[j]));
        let same_outside = all.iter().all(|values| values[j] == all[0][j]) && !inside.contains(&all[0][j]);
        if param.is_none() && !same_outside {
            return None;
        }
        params.push(param);
    }
    Some((first, params))
}

/// How the guards of a loop are answered per strip.
struct Plan {
    guards: Vec<Inst>,
    loads: Vec<CheckedLoad>,
    stores: Vec<(Block, Inst)>,
    /// Loads from addresses that do not change: made once per strip.
    fixed: Vec<(Inst, Value)>,
    /// Guards tested after the strip.
    later: Option<Later>,
}

impl Plan {
    /// A plan that leaves no guard in the loop, or else one that leaves them where they are; `None` if neither gains a thing.
    fn of(func: &mut TypedFunction, shape: &Shape, root: LoopIdx, counter: &Counter, lengths: Lengths) -> Option<Plan> {
        Plan::without_guards(func, shape, root, counter, lengths)
            .or_else(|| Plan::fixed_loads(func, shape, root, counter))
    }

    /// A plan that only makes fixed loads once per strip, cut where a store would hit one.
    fn fixed_loads(func: &TypedFunction, shape: &Shape, root: LoopIdx, counter: &Counter) -> Option<Plan> {
        let info = shape.forest.get(root);
        if info.exits.len() != 1 {
            return None;
        }
        let (mut stores, mut fixed) = (Vec::new(), Vec::new());
        for &block in &info.blocks {
            for &inst in &func.blocks[block.index()].insts {
                let data = &func.insts[inst.index()];
                match data.kind {
                    InstKind::Guard(_, exit)
                        if soft_guard(func, &shape.defs, inst).is_none()
                            && !is_about_numbers(func.snapshots[exit.index()].reason) =>
                    {
                        return None;
                    }
                    InstKind::Store { region: Region::Array, .. } => stores.push((block, inst)),
                    InstKind::Store { .. } | InstKind::CallHelper(..) | InstKind::CallUnit(..) => return None,
                    InstKind::Load { region: Region::Array, addr, .. }
                        if !shape.is_inside(info, addr) && runs_always(shape, info, block) =>
                    {
                        fixed.push((inst, data.results[0]));
                    }
                    _ => {}
                }
            }
        }
        let plan = Plan { guards: vec![], loads: vec![], stores, fixed, later: None };
        let useful = !plan.fixed.is_empty() && !plan.stores.is_empty();
        (useful && plan.strides_known(func, shape, info, counter)).then_some(plan)
    }

    /// A plan that leaves no guard in the loop.
    fn without_guards(
        func: &mut TypedFunction,
        shape: &Shape,
        root: LoopIdx,
        counter: &Counter,
        lengths: Lengths,
    ) -> Option<Plan> {
        let info = shape.forest.get(root);
        // Only the header leaves: what a strip reads in its last iteration is then read in all.
        if info.exits.len() != 1 {
            return None;
        }
        let mut guards = Vec::new();
        let mut soft = Vec::new();
        let mut stores = Vec::new();
        let mut fixed = Vec::new();
        for &block in &info.blocks {
            for &inst in &func.blocks[block.index()].insts {
                if let Some(guard) = soft_guard(func, &shape.defs, inst) {
                    soft.push((block, guard));
                    continue;
                }
                match &func.insts[inst.index()].kind {
                    // What is read may rely on these.
                    InstKind::Guard(_, exit) if !is_about_numbers(func.snapshots[exit.index()].reason) => return None,
                    InstKind::Guard(cond, _) => guards.push((block, inst, *cond)),
                    InstKind::Store { region: Region::Array, .. } => stores.push((block, inst)),
                    InstKind::Store { .. } | InstKind::Libm(..) | InstKind::CallHelper(..) | InstKind::CallUnit(..) => {
                        return None;
                    }
                    InstKind::Load { region: Region::Array, addr, .. }
                        if !shape.is_inside(info, *addr) && runs_always(shape, info, block) =>
                    {
                        fixed.push((inst, func.insts[inst.index()].results[0]));
                    }
                    _ => {}
                }
            }
        }
        if !is_vectorisable(func, shape, info, counter, !soft.is_empty()) {
            return None;
        }
        let later = match soft.is_empty() {
            true => None,
            false => Some(Later::of(func, shape, info, counter, soft, &stores)?),
        };
        if guards.is_empty() && later.is_none() {
            return None;
        }
        // Ask with placeholders until no more loads are wanted.
        let preheader = info.preheader(&shape.cfg)?;
        let mut known: HashMap<Value, (Value, Value)> = HashMap::new();
        let mut defs = shape.defs.clone();
        let mut emit = Emitter::new(func, &mut defs, preheader, 0);
        let placeholder = emit.iconst(Type::I64, 0);
        let starts: HashMap<Value, Value> = emit.func.blocks[info.header.index()]
            .params
            .iter()
            .zip(&targets(terminator(emit.func, preheader)).next()?.args)
            .map(|(param, arg)| (*param, *arg))
            .collect();
        loop {
            let strip = Strip {
                counter: Some((counter.first, counter.limit)),
                max_trips: lengths.checked,
                starts: starts.clone(),
                loads: known.clone(),
            };
            let mut bounds = Bounds::new(&mut emit, shape, root, Some(strip));
            let proved = guards
                .iter()
                .filter(|(block, _, cond)| bounds.is_behind_tests(*block) && bounds.prove(*cond).is_some())
                .count();
            let wanted: Vec<Value> = bounds.wanted_loads.iter().copied().filter(|v| !known.contains_key(v)).collect();
            if proved == guards.len() {
                break;
            }
            if wanted.is_empty() || known.len() + wanted.len() > 2 * MAX_CHECKED_LOADS {
                return None;
            }
            known.extend(wanted.into_iter().map(|v| (v, (placeholder, placeholder))));
        }
        let mut loads = Vec::new();
        for block in &info.blocks {
            for inst in &func.blocks[block.index()].insts {
                let data = &func.insts[inst.index()];
                let InstKind::Load { ty, addr, offset, .. } = data.kind else { continue };
                if !known.contains_key(&data.results[0]) {
                    continue;
                }
                if !runs_always(shape, info, *block) || !is_linear(func, shape, info, counter, addr) {
                    return None;
                }
                loads.push(CheckedLoad { result: data.results[0], addr, offset, ty });
            }
        }
        let guards = guards.into_iter().map(|(_, inst, _)| inst).collect();
        let plan = Plan { guards, loads, stores, fixed, later };
        (plan.loads.len() <= MAX_CHECKED_LOADS && plan.strides_known(func, shape, info, counter)).then_some(plan)
    }

    /// The guards that do not stand in the strip.
    fn dropped(&self) -> Vec<Inst> {
        let later = self.later.iter().flat_map(Later::guards);
        self.guards.iter().copied().chain(later).collect()
    }

    /// Whether the strip may run only under conditions, beside the checked version.
    fn has_conditions(&self) -> bool {
        !self.guards.is_empty() || self.later.is_some()
    }

    /// Whether the addresses of all stores, and of all checked loads, move by constants.
    fn strides_known(&self, func: &TypedFunction, shape: &Shape, info: &Loop, counter: &Counter) -> bool {
        self.stores.iter().all(|(_, inst)| match func.insts[inst.index()].kind {
            InstKind::Store { addr, .. } => is_linear(func, shape, info, counter, addr),
            _ => false,
        })
    }
}

/// Whether a guard with this reason protects a number, not an address.
pub fn is_about_numbers(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::IntOverflow
            | Reason::NumpyWarning
            | Reason::StoreOutOfRange
            | Reason::InexactCompare
            | Reason::InexactDivision
            | Reason::DivisionByZero
    )
}

/// Whether a block runs in every iteration.
pub fn runs_always(shape: &Shape, info: &Loop, block: Block) -> bool {
    info.latches.iter().all(|latch| shape.doms.dominates(block, *latch))
}

/// Builds the strip loop; the headers of the new loops.
#[allow(clippy::too_many_arguments, reason = "what was found out about the loop, once")]
fn wrap(
    func: &mut TypedFunction,
    context: &mut PassContext,
    shape: &Shape,
    root: LoopIdx,
    preheader: Block,
    counter: Counter,
    poll: Option<(SnapshotId, Vec<Option<usize>>)>,
    plan: Option<Plan>,
) -> Vec<Block> {
    let lengths = Lengths::of(context);
    let info = shape.forest.get(root);
    let header = info.header;
    let line = func.insts[func.blocks[header.index()].insts.last().expect("a terminator").index()].line;
    let header_params = func.blocks[header.index()].params.clone();
    let header_values: Vec<Value> = header_params
        .iter()
        .copied()
        .chain(func.blocks[header.index()].insts.iter().flat_map(|inst| func.insts[inst.index()].results.clone()))
        .collect();
    let mut new_headers = Vec::new();

    // The checked version finishes the loop where bounds do not suffice.
    let checked: Option<Copies> =
        plan.as_ref().filter(|plan| plan.has_conditions()).map(|_| clone_blocks(func, &info.blocks));
    if let Some(copies) = &checked {
        context.checked_versions.insert(copies.blocks[&header]);
    }

    // The header of the strip loop repeats the header's instructions on its own parameters.
    let outer_copies = clone_blocks(func, &[header]);
    let strip_header = outer_copies.blocks[&header];
    new_headers.push(strip_header);
    let at_start = |v: Value| outer_copies.value(v);
    let setup = new_block(func, strip_header);
    terminator_mut(func, strip_header).for_each_target_mut(&mut |call| {
        if info.contains(call.block) {
            *call = BlockCall { block: setup, args: vec![] };
        }
    });
    terminator_mut(func, preheader).for_each_target_mut(&mut |call| {
        if call.block == header {
            call.block = strip_header;
        }
    });

    // How far this strip goes.
    let ty = func.value_types[counter.param.index()];
    let max_trips =
        if plan.as_ref().is_some_and(|plan| !plan.loads.is_empty()) { lengths.checked } else { lengths.long };
    // One more, since a limit that is included adds one.
    let max_trips_bound = max_trips + 1;
    let mut defs = shape.defs.clone();
    let mut emit = Emitter::new(func, &mut defs, setup, line);
    let up = counter.step > 0;
    let first = at_start(counter.param);
    let size = emit.iconst(ty, counter.step.abs() * max_trips);
    let (far, near) = if up { (counter.limit, first) } else { (first, counter.limit) };
    let distance = emit.binary(BinaryOp::Isub, far, near);
    let is_long = emit.icmp(IntCC::Ugt, distance, size);
    let cut = emit.binary(if up { BinaryOp::Iadd } else { BinaryOp::Isub }, first, size);
    let mut stop = emit.select(is_long, cut, counter.limit);

    let at_counter = |emit: &mut Emitter, value: Value, at: Value| {
        let mut names = HashMap::from([(counter.param, at)]);
        copy_slice(emit, shape, info, value, &mut names)
    };
    let mut conds: Vec<Value> = Vec::new();
    let mut work: Vec<(Value, Value)> = Vec::new();
    let mut current = setup;

    if let Some(plan) = &plan {
        // Fixed loads: cut the strip where a store would hit one.
        let mut hoisted: Vec<(Inst, Value)> = Vec::new();
        for (inst, result) in &plan.fixed {
            let InstKind::Load { addr, offset, .. } = emit.func.insts[inst.index()].kind.clone() else { continue };
            let mut possible = true;
            let mut cuts = Vec::new();
            for (_, store) in &plan.stores {
                let InstKind::Store { addr: target, offset: at, value, .. } =
                    emit.func.insts[store.index()].kind.clone()
                else {
                    continue;
                };
                let stride = stride_of(emit.func, shape, info, &counter, target).unwrap_or(0);
                let size = emit.ty(value).lane_bits();
                // Accesses of one size, aligned to it, overlap only where they are the same.
                possible = ty == Type::I64
                    && matches!(counter.cc, IntCC::Slt | IntCC::Sgt)
                    && size == emit.ty(*result).lane_bits()
                    && stride >= i128::from(size / 8)
                    && stride & (stride - 1) == 0
                    && precedes(emit.func, shape, *inst, *store);
                if !possible {
                    break;
                }
                let from = at_counter(&mut emit, target, first);
                let from = emit.convert(ConvertOp::Bitcast, from, Type::I64);
                let read = emit.convert(ConvertOp::Bitcast, addr, Type::I64);
                let shift = emit.iconst(Type::I64, i128::from(offset - at));
                let read = emit.binary(BinaryOp::Iadd, read, shift);
                let apart = emit.binary(BinaryOp::Isub, read, from);
                let log = emit.iconst(Type::I64, i128::from(stride.trailing_zeros()));
                let iteration = emit.binary(BinaryOp::Ashr, apart, log);
                cuts.push(iteration);
            }
            if !possible {
                continue;
            }
            for iteration in cuts {
                // Hit in the first iteration: a strip of one, in which the load still comes first. Hit later: stop there.
                let zero = emit.iconst(ty, 0);
                let one = emit.iconst(ty, 1);
                let is_first = emit.icmp(IntCC::Eq, iteration, zero);
                let moved = emit.select(is_first, one, iteration);
                let factor = emit.iconst(ty, counter.step);
                let offset = emit.binary(BinaryOp::Imul, moved, factor);
                let hit = emit.binary(BinaryOp::Iadd, first, offset);
                let limit = emit.iconst(ty, lengths.long);
                let inside = emit.icmp(IntCC::Ult, iteration, limit);
                let nearer = emit.icmp(if up { IntCC::Slt } else { IntCC::Sgt }, hit, stop);
                let cut_here = if planted(Defect::StripFixedLoad) {
                    emit.i1(false)
                } else {
                    emit.binary(BinaryOp::And, inside, nearer)
                };
                stop = emit.select(cut_here, hit, stop);
            }
            hoisted.push((*inst, *result));
        }
        let is_hoisted = |v: Value| hoisted.iter().any(|(_, result)| *result == v);

        // The last value of the counter in this strip, or somewhat beyond it.
        let last = match counter.cc {
            IntCC::Slt | IntCC::Sgt => {
                let one = emit.iconst(ty, if up { 1 } else { -1 });
                emit.binary(BinaryOp::Isub, stop, one)
            }
            _ => stop,
        };

        // No store of the strip may hit what was read before it, but in the same iteration.
        for load in plan.loads.iter().filter(|load| !is_hoisted(load.result)) {
            for (_, store) in &plan.stores {
                let InstKind::Store { addr: target, offset: at, value, .. } =
                    emit.func.insts[store.index()].kind.clone()
                else {
                    continue;
                };
                let read = ends(&mut emit, &at_counter, load.addr, load.offset, first, last);
                let written = ends(&mut emit, &at_counter, target, at, first, last);
                let read_size = i128::from(load.ty.lane_bits() / 8);
                let written_size = i128::from(emit.ty(value).lane_bits() / 8);
                let behind = is_behind(&mut emit, read, written, written_size);
                let before = is_behind(&mut emit, written, read, read_size);
                let mut apart = emit.binary(BinaryOp::Or, behind, before);
                let load_inst = match shape.defs.get(load.result) {
                    Def::Result(inst, _) => inst,
                    _ => continue,
                };
                if precedes(emit.func, shape, load_inst, *store) {
                    let same_start = emit.icmp(IntCC::Eq, read.0, written.0);
                    let same_end = emit.icmp(IntCC::Eq, read.1, written.1);
                    let moves = emit.icmp(IntCC::Ne, read.0, read.1);
                    let is_single = emit.icmp(IntCC::Eq, first, last);
                    let moves = emit.binary(BinaryOp::Or, moves, is_single);
                    let same = emit.binary(BinaryOp::And, same_start, same_end);
                    let same = emit.binary(BinaryOp::And, same, moves);
                    apart = emit.binary(BinaryOp::Or, apart, same);
                }
                if !planted(Defect::StripAliasUntested) {
                    conds.push(apart);
                }
            }
        }

        if let Some(later) = &plan.later {
            later.need_untouched(&mut emit, &at_counter, &plan.stores, (first, last), &mut conds);
        }

        // Fixed loads, once.
        let mut loads: HashMap<Value, (Value, Value)> = HashMap::new();
        for (inst, result) in &hoisted {
            let kind = emit.func.insts[inst.index()].kind.clone();
            let ty = emit.ty(*result);
            let copy = emit.push(kind, &[ty]);
            let copy = emit.func.insts[copy.index()].results[0];
            work.push((*result, copy));
            if ty == Type::I64 {
                loads.insert(*result, (copy, copy));
            }
        }

        // The check loop combines magnitudes: `x ^ (x >> 63)` is `x` or `~x`, whichever is not negative.
        let moving: Vec<&CheckedLoad> = plan.loads.iter().filter(|load| !is_hoisted(load.result)).collect();
        if !moving.is_empty() {
            let zero = emit.iconst(Type::I64, 0);
            let check_header = new_block(emit.func, setup);
            let check_body = new_block(emit.func, check_header);
            let check_done = new_block(emit.func, check_body);
            new_headers.push(check_header);
            let at = append_param(emit.func, check_header, ty);
            let magnitudes: Vec<Value> =
                moving.iter().map(|_| append_param(emit.func, check_header, Type::I64)).collect();
            let mut args = vec![first];
            args.extend(moving.iter().map(|_| zero));
            terminate(emit.func, setup, InstKind::Jump(BlockCall { block: check_header, args }), line);
            let mut emit_at = Emitter::new(emit.func, emit.defs, check_header, line);
            let end = if planted(Defect::StripCheckMissesLast) {
                let step = emit_at.iconst(ty, counter.step);
                emit_at.binary(BinaryOp::Isub, stop, step)
            } else {
                stop
            };
            let more = emit_at.icmp(counter.cc, at, end);
            let branch = InstKind::Branch(
                more,
                BlockCall { block: check_body, args: vec![] },
                BlockCall { block: check_done, args: vec![] },
            );
            terminate(emit_at.func, check_header, branch, line);
            let mut emit_at = Emitter::new(emit_at.func, emit_at.defs, check_body, line);
            let mut names = HashMap::from([(counter.param, at)]);
            let step = emit_at.iconst(ty, counter.step);
            let next = emit_at.binary(BinaryOp::Iadd, at, step);
            let mut args = vec![next];
            for (load, magnitude) in moving.iter().zip(&magnitudes) {
                let addr = copy_slice(&mut emit_at, shape, info, load.addr, &mut names);
                let kind = InstKind::Load { ty: load.ty, addr, offset: load.offset, region: Region::Array };
                let read = emit_at.push(kind, &[load.ty]);
                let read = emit_at.func.insts[read.index()].results[0];
                let count = emit_at.iconst(Type::I64, 63);
                let sign = emit_at.binary(BinaryOp::Ashr, read, count);
                let size = emit_at.binary(BinaryOp::Xor, read, sign);
                args.push(emit_at.binary(BinaryOp::Or, *magnitude, size));
            }
            terminate(emit_at.func, check_body, InstKind::Jump(BlockCall { block: check_header, args }), line);
            current = check_done;
            emit = Emitter::new(func, &mut defs, check_done, line);
            let ones = emit.iconst(Type::I64, -1);
            for (load, magnitude) in moving.iter().zip(&magnitudes) {
                let lowest = emit.binary(BinaryOp::Xor, *magnitude, ones);
                loads.insert(load.result, (lowest, *magnitude));
            }
        }

        // The bounds decide.
        if plan.has_conditions() {
            let range = if up { (first, last) } else { (last, first) };
            let starts = header_params.iter().map(|p| (*p, at_start(*p))).collect();
            let strip = Strip { counter: Some(range), max_trips: max_trips_bound, starts, loads };
            let mut bounds = Bounds::new(&mut emit, shape, root, Some(strip));
            for guard in &plan.guards {
                let InstKind::Guard(cond, _) = bounds.emit.func.insts[guard.index()].kind else { continue };
                match bounds.prove(cond) {
                    Some((needed, _)) => merge(&mut conds, &needed),
                    None => conds.push(bounds.emit.i1(false)),
                }
            }
            let all = bounds.all(&conds);
            let go = BlockCall { block: header, args: header_params.iter().map(|p| at_start(*p)).collect() };
            let copies = checked.as_ref().expect("there are guards");
            let redo = BlockCall { block: copies.blocks[&header], args: go.args.clone() };
            terminate(func, current, InstKind::Branch(all, go, redo), line);
        }
    }
    if func.blocks[current.index()].insts.last().is_none_or(|inst| !func.insts[inst.index()].kind.is_terminator()) {
        let go = BlockCall { block: header, args: header_params.iter().map(|p| at_start(*p)).collect() };
        terminate(func, current, InstKind::Jump(go), line);
    }

    // The loop itself: to the strip's end, without polls and without what was answered.
    let strip_end = new_block(func, *info.blocks.last().expect("a loop has blocks"));
    let test = new_inst(func, InstKind::Icmp(counter.cc, counter.param, stop), &[Type::I1], line);
    let test_value = func.insts[test.index()].results[0];
    let at = func.blocks[header.index()].insts.len() - 1;
    func.blocks[header.index()].insts.insert(at, test);
    let stay = targets(terminator(func, header)).find(|call| call.block == counter.stay).expect("the body").clone();
    *terminator_mut(func, header) = InstKind::Branch(test_value, stay, BlockCall { block: strip_end, args: vec![] });
    for block in &info.blocks {
        func.blocks[block.index()].insts.retain(|inst| !matches!(func.insts[inst.index()].kind, InstKind::Poll(_)));
    }
    if let Some(plan) = &plan {
        drop_guards(func, &info.blocks, &plan.dropped(), &[]);
    }
    for (loaded, once) in &work {
        for block in &info.blocks {
            for inst in func.blocks[block.index()].insts.clone() {
                func.insts[inst.index()].kind.for_each_operand_mut(&mut |v| {
                    if v == loaded {
                        *v = *once;
                    }
                });
            }
        }
    }

    // Behind the strip: the guards that were put off.
    let mut tail = strip_end;
    if let (Some(later), Some(copies)) = (plan.as_ref().and_then(|plan| plan.later.as_ref()), &checked) {
        tail = new_block(func, strip_end);
        context.stores_before_test |= plan.as_ref().is_some_and(|plan| !plan.stores.is_empty());
        let all = later.weave(func, info, current, strip_end);
        let redo =
            BlockCall { block: copies.blocks[&header], args: header_params.iter().map(|p| at_start(*p)).collect() };
        terminate(func, strip_end, InstKind::Branch(all, BlockCall { block: tail, args: vec![] }, redo), line);
    }

    // Between strips: the poll, in the state at the header.
    if let Some((exit, params)) = poll {
        let mut position = 0;
        let exit = clone_snapshot(func, exit, &|v| v);
        let mut snapshot = func.snapshots[exit.index()].clone();
        snapshot.for_each_value_mut(&mut |v| {
            if let Some(k) = params[position] {
                *v = if planted(Defect::StripPollState) { at_start(header_params[k]) } else { header_params[k] };
            }
            position += 1;
        });
        func.snapshots[exit.index()] = snapshot;
        terminate(func, tail, InstKind::Poll(exit), line);
    }
    let again = BlockCall { block: strip_header, args: header_params.clone() };
    terminate(func, tail, InstKind::Jump(again), line);

    // Behind the loop, what the header defined now comes from the strip loop's header, or from the checked version.
    let mut homes: Vec<Block> = info.blocks.clone();
    homes.extend([strip_header, setup, strip_end, tail]);
    homes.extend(new_headers.iter().copied());
    if let Some(copies) = &checked {
        homes.extend(copies.blocks.values().copied());
    }
    let mut used: Vec<Value> = Vec::new();
    for &block in &func.layout {
        if homes.contains(&block) {
            continue;
        }
        for inst in &func.blocks[block.index()].insts {
            visit_uses(func, &func.insts[inst.index()].kind, &mut |v| {
                let inside = header_values.contains(&v) || (checked.is_some() && shape.is_inside(info, v));
                if inside && !used.contains(&v) {
                    used.push(v);
                }
            });
        }
    }
    let variables: Vec<Vec<(Block, Value)>> = used
        .into_iter()
        .map(|v| {
            let home = shape.homes[v.index()].expect("it is defined in the loop");
            let mut definitions = vec![(home, v)];
            if home == header {
                definitions.push((strip_header, at_start(v)));
            }
            if let Some(copies) = &checked {
                definitions.push((copies.blocks[&home], copies.value(v)));
            }
            definitions
        })
        .collect();
    repair_ssa(func, &variables, &|block| homes.contains(&block));
    new_headers.extend(checked.map(|copies| copies.blocks[&header]));
    new_headers
}
