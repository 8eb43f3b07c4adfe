//! What is asked in front of each strip: whether it may run without its guards.
//!
//! In order: fixed loads, and where a store would hit one, an earlier end of the strip; that no store of the strip touches
//! what is read before it; the check loop over what the strip reads; and the bounds that follow.

use std::collections::HashMap;

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use super::build::{Asked, Build};
use super::memory::{copy_slice, ends, is_behind, precedes, stride_of};
use super::plan::{CheckedLoad, Plan};
use crate::bounds::{Bounds, Strip, merge};
use crate::edit::{Def, Emitter, append_param, new_block, terminate};

/// Writes the questions, from the end of `emit`'s block on. The strip ends at `stop` at the latest.
pub(super) fn ask(build: &Build, plan: &Plan, mut emit: Emitter, mut stop: Value) -> Asked {
    let fixed = cut_at_stores(build, plan, &mut emit, &mut stop);
    let ty = build.counter_type;
    let first = build.at_start(build.counter.param);
    // The last value of the counter in this strip, or somewhat beyond it.
    let last = match build.counter.cc {
        IntCC::Slt | IntCC::Sgt => {
            let one = emit.iconst(ty, if build.is_up() { 1 } else { -1 });
            emit.binary(BinaryOp::Isub, stop, one)
        }
        _ => stop,
    };
    let moving: Vec<&CheckedLoad> =
        plan.loads.iter().filter(|load| !fixed.iter().any(|(_, result)| *result == load.result)).collect();
    let mut conds = Vec::new();
    need_apart(build, plan, &mut emit, &moving, (first, last), &mut conds);
    if let Some(later) = &plan.later {
        let at_counter = |emit: &mut Emitter, value: Value, at: Value| build.at_counter(emit, value, at);
        later.need_untouched(&mut emit, &at_counter, &plan.stores, (first, last), &mut conds);
    }

    let mut once = Vec::new();
    let mut known: HashMap<Value, (Value, Value)> = HashMap::new();
    for (inst, result) in fixed {
        let kind = emit.func.insts[inst.index()].kind.clone();
        let ty = emit.ty(result);
        let copy = emit.push(kind, &[ty]);
        let copy = emit.func.insts[copy.index()].results[0];
        once.push((result, copy));
        if ty == Type::I64 {
            known.insert(result, (copy, copy));
        }
    }
    let mut block = build.setup;
    let mut check_header = None;
    if !moving.is_empty() {
        let check = CheckLoop::write(build, emit, &moving, first, stop);
        (emit, block, check_header) = (check.emit, check.done, Some(check.header));
        let ones = emit.iconst(Type::I64, -1);
        for (load, magnitude) in moving.iter().zip(&check.magnitudes) {
            let lowest = emit.binary(BinaryOp::Xor, *magnitude, ones);
            known.insert(load.result, (lowest, *magnitude));
        }
    }
    let holds = plan.has_conditions().then(|| decide(build, plan, &mut emit, (first, last), known, conds));
    Asked { stop, block, check_header, once, holds }
}

/// Fixed loads that can be made once, the strip being cut where a store would hit one.
fn cut_at_stores(build: &Build, plan: &Plan, emit: &mut Emitter, stop: &mut Value) -> Vec<(Inst, Value)> {
    let counter = &build.counter;
    let first = build.at_start(counter.param);
    let ty = build.counter_type;
    let mut fixed = Vec::new();
    for (inst, result) in &plan.fixed {
        let InstKind::Load { addr, offset, .. } = emit.func.insts[inst.index()].kind.clone() else { continue };
        let mut possible = true;
        let mut cuts = Vec::new();
        for (_, store) in &plan.stores {
            let InstKind::Store { addr: target, offset: at, value, .. } = emit.func.insts[store.index()].kind.clone()
            else {
                continue;
            };
            let stride = stride_of(emit.func, build.shape, build.info, counter, target).unwrap_or(0);
            let size = emit.ty(value).lane_bits();
            // Accesses of one size, aligned to it, overlap only where they are the same.
            possible = ty == Type::I64
                && matches!(counter.cc, IntCC::Slt | IntCC::Sgt)
                && size == emit.ty(*result).lane_bits()
                && stride >= i128::from(size / 8)
                && stride & (stride - 1) == 0
                && precedes(emit.func, build.shape, *inst, *store);
            if !possible {
                break;
            }
            let from = build.at_counter(emit, target, first);
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
            let limit = emit.iconst(ty, build.lengths.long);
            let inside = emit.icmp(IntCC::Ult, iteration, limit);
            let nearer = emit.icmp(if build.is_up() { IntCC::Slt } else { IntCC::Sgt }, hit, *stop);
            let cut_here = if planted(Defect::StripFixedLoad) {
                emit.i1(false)
            } else {
                emit.binary(BinaryOp::And, inside, nearer)
            };
            *stop = emit.select(cut_here, hit, *stop);
        }
        fixed.push((*inst, *result));
    }
    fixed
}

/// No store of the strip may hit what was read before it, but in the same iteration.
fn need_apart(
    build: &Build,
    plan: &Plan,
    emit: &mut Emitter,
    moving: &[&CheckedLoad],
    (first, last): (Value, Value),
    conds: &mut Vec<Value>,
) {
    let at_counter = |emit: &mut Emitter, value: Value, at: Value| build.at_counter(emit, value, at);
    for load in moving {
        for (_, store) in &plan.stores {
            let InstKind::Store { addr: target, offset: at, value, .. } = emit.func.insts[store.index()].kind.clone()
            else {
                continue;
            };
            let read = ends(emit, &at_counter, load.addr, load.offset, first, last);
            let written = ends(emit, &at_counter, target, at, first, last);
            let read_size = i128::from(load.ty.lane_bits() / 8);
            let written_size = i128::from(emit.ty(value).lane_bits() / 8);
            let behind = is_behind(emit, read, written, written_size);
            let before = is_behind(emit, written, read, read_size);
            let mut apart = emit.binary(BinaryOp::Or, behind, before);
            let Def::Result(load_inst, _) = build.shape.defs.get(load.result) else { continue };
            if precedes(emit.func, build.shape, load_inst, *store) {
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
}

/// The loop that runs ahead over what a strip reads, and combines magnitudes.
struct CheckLoop<'a> {
    header: Block,
    /// The block behind it, to which `emit` adds.
    done: Block,
    emit: Emitter<'a>,
    /// Of each load: a number that is at least `x ^ (x >> 63)` for all `x` read, that is `x` or `~x`, whichever is not
    /// negative.
    magnitudes: Vec<Value>,
}

impl<'a> CheckLoop<'a> {
    fn write(build: &Build, mut emit: Emitter<'a>, loads: &[&CheckedLoad], first: Value, stop: Value) -> CheckLoop<'a> {
        let Build { counter, line, setup, .. } = *build;
        let ty = build.counter_type;
        let zero = emit.iconst(Type::I64, 0);
        let header = new_block(emit.func, setup);
        let body = new_block(emit.func, header);
        let done = new_block(emit.func, body);
        let at = append_param(emit.func, header, ty);
        let magnitudes: Vec<Value> = loads.iter().map(|_| append_param(emit.func, header, Type::I64)).collect();
        let mut args = vec![first];
        args.extend(loads.iter().map(|_| zero));
        terminate(emit.func, setup, InstKind::Jump(BlockCall { block: header, args }), line);

        let mut emit = Emitter::new(emit.func, emit.defs, header, line);
        let end = if planted(Defect::StripCheckMissesLast) {
            let step = emit.iconst(ty, counter.step);
            emit.binary(BinaryOp::Isub, stop, step)
        } else {
            stop
        };
        let more = emit.icmp(counter.cc, at, end);
        let (stay, leave) = (BlockCall { block: body, args: vec![] }, BlockCall { block: done, args: vec![] });
        terminate(emit.func, header, InstKind::Branch(more, stay, leave), line);

        let mut emit = Emitter::new(emit.func, emit.defs, body, line);
        let mut names = HashMap::from([(counter.param, at)]);
        let step = emit.iconst(ty, counter.step);
        let next = emit.binary(BinaryOp::Iadd, at, step);
        let mut args = vec![next];
        for (load, magnitude) in loads.iter().zip(&magnitudes) {
            let addr = copy_slice(&mut emit, build.shape, build.info, load.addr, &mut names);
            let kind = InstKind::Load { ty: load.ty, addr, offset: load.offset, region: Region::Array };
            let read = emit.push(kind, &[load.ty]);
            let read = emit.func.insts[read.index()].results[0];
            let count = emit.iconst(Type::I64, 63);
            let sign = emit.binary(BinaryOp::Ashr, read, count);
            let size = emit.binary(BinaryOp::Xor, read, sign);
            args.push(emit.binary(BinaryOp::Or, *magnitude, size));
        }
        terminate(emit.func, body, InstKind::Jump(BlockCall { block: header, args }), line);
        CheckLoop { header, done, emit: Emitter::new(emit.func, emit.defs, done, line), magnitudes }
    }
}

/// Whether all conditions hold, and the bounds imply the guards. `known`: the least and the greatest value of loads.
fn decide(
    build: &Build,
    plan: &Plan,
    emit: &mut Emitter,
    (first, last): (Value, Value),
    known: HashMap<Value, (Value, Value)>,
    mut conds: Vec<Value>,
) -> Value {
    let range = if build.is_up() { (first, last) } else { (last, first) };
    let starts = build.params.iter().map(|param| (*param, build.at_start(*param))).collect();
    // One more, since a limit that is included adds one.
    let max_trips = build.max_trips(Some(plan)) + 1;
    let strip = Strip { counter: Some(range), max_trips, starts, loads: known };
    let mut bounds = Bounds::new(emit, build.shape, build.root, Some(strip));
    for guard in &plan.guards {
        let InstKind::Guard(cond, _) = bounds.emit.func.insts[guard.index()].kind else { continue };
        match bounds.prove(cond) {
            Some((needed, _)) => merge(&mut conds, &needed),
            None => conds.push(bounds.emit.i1(false)),
        }
    }
    bounds.all(&conds)
}
