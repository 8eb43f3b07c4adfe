//! Guards on floats that are tested after a strip.
//!
//! The strip runs without them and only notes whether all results that could tell were finite
//! ([`crate::float_guards::roots`]). If one was not, the checked version starts again where the strip did, takes the exact
//! exit, or finds that an infinity or NaN came from what was read, and finishes the loop.
//!
//! Invariants:
//! - Doing the strip again gives what the checked version would have given: no store of it touched what it read
//!   ([`Later::need_untouched`] tests this in front of each strip), so the same values are stored a second time.
//! - A sum that runs through the loop is looked at behind the strip only: it stays infinite or NaN once it is.

use flashpoint_ir::analysis::Loop;
use flashpoint_ir::typed::*;

use super::memory::{ends, is_behind, is_linear};
use crate::counted::{Counter, Shape};
use crate::edit::{Defs, Emitter, append_param, targets, terminator, terminator_mut};
use crate::float_guards::{Soft, all_finite, roots};

/// Pairs of a read and a store that are compared in front of each strip.
const MAX_PAIRS: usize = 24;

/// The guards to test after a strip.
pub(super) struct Later {
    soft: Vec<(Block, Soft)>,
    /// Header parameters to look at behind the strip, with the value of each in the next iteration.
    sums: Vec<(Value, Value)>,
    /// Everything the loop reads, if it stores something: address, offset, type.
    reads: Vec<(Value, i32, Type)>,
}

impl Later {
    /// The guards `soft` of a loop, if the loop can be done again.
    pub(super) fn of(
        func: &TypedFunction,
        shape: &Shape,
        info: &Loop,
        counter: &Counter,
        soft: Vec<(Block, Soft)>,
        stores: &[(Block, Inst)],
    ) -> Option<Later> {
        let mut reads = Vec::new();
        for inst in info.blocks.iter().flat_map(|block| &func.blocks[block.index()].insts) {
            let InstKind::Load { ty, addr, offset, region: Region::Array } = func.insts[inst.index()].kind else {
                continue;
            };
            if !reads.contains(&(addr, offset, ty)) {
                reads.push((addr, offset, ty));
            }
        }
        let is_in_place = |(addr, offset, _): &(Value, i32, Type)| {
            stores.iter().any(|(_, store)| match func.insts[store.index()].kind {
                InstKind::Store { addr: target, offset: at, .. } => target == *addr && at == *offset,
                _ => false,
            })
        };
        let fits = stores.is_empty()
            || (reads.len() * stores.len() <= MAX_PAIRS
                && reads.iter().all(|(addr, ..)| is_linear(func, shape, info, counter, *addr))
                && !reads.iter().any(is_in_place));
        if !fits {
            return None;
        }
        let params = &func.blocks[info.header.index()].params;
        let sums = params.iter().enumerate().filter_map(|(k, param)| {
            let mut nexts = info.latches.iter().flat_map(|latch| {
                targets(terminator(func, *latch)).filter(|call| call.block == info.header).map(|call| call.args[k])
            });
            let next = nexts.next()?;
            let travels = match shape.defs.inst(func, next)? {
                InstKind::Binary(BinaryOp::Fadd | BinaryOp::Fsub | BinaryOp::Fmul, a, b) => a == param || b == param,
                _ => false,
            };
            (travels && nexts.all(|other| other == next)).then_some((*param, next))
        });
        let sums = sums.filter(|(_, next)| soft.iter().any(|(_, soft)| soft.finite == Some(*next))).collect();
        if stores.is_empty() {
            reads.clear();
        }
        Some(Later { soft, sums, reads })
    }

    /// The guards.
    pub(super) fn guards(&self) -> impl Iterator<Item = Inst> {
        self.soft.iter().map(|(_, soft)| soft.guard)
    }

    /// Adds the conditions under which no store of a strip touches what the strip reads.
    pub(super) fn need_untouched(
        &self,
        emit: &mut Emitter,
        at_counter: &impl Fn(&mut Emitter, Value, Value) -> Value,
        stores: &[(Block, Inst)],
        (first, last): (Value, Value),
        conds: &mut Vec<Value>,
    ) {
        for (addr, offset, ty) in &self.reads {
            for (_, store) in stores {
                let InstKind::Store { addr: target, offset: at, value, .. } =
                    emit.func.insts[store.index()].kind.clone()
                else {
                    continue;
                };
                let read = ends(emit, at_counter, *addr, *offset, first, last);
                let written = ends(emit, at_counter, target, at, first, last);
                let written_size = i128::from(emit.ty(value).lane_bits() / 8);
                let behind = is_behind(emit, read, written, written_size);
                let before = is_behind(emit, written, read, i128::from(ty.lane_bits() / 8));
                let apart = emit.binary(BinaryOp::Or, behind, before);
                conds.push(apart);
            }
        }
    }

    /// Lets the loop note whether all is well, and asks at its end: the answer, in `end`. The loop is entered from `start`.
    pub(super) fn weave(&self, func: &mut TypedFunction, info: &Loop, start: Block, end: Block) -> Value {
        let header = info.header;
        let mut defs = Defs::of(func);
        let notes: Vec<Value> = info.blocks.iter().map(|block| append_param(func, *block, Type::I1)).collect();
        for (block, note) in info.blocks.iter().zip(&notes) {
            let here: Vec<Soft> = self.soft.iter().filter(|(home, _)| home == block).map(|(_, soft)| *soft).collect();
            let line = func.insts[func.blocks[block.index()].insts.last().expect("a terminator").index()].line;
            let mut ends = roots(func, &defs, &here);
            ends.retain(|value| !self.sums.iter().any(|(_, next)| next == value));
            let mut emit = Emitter::new(func, &mut defs, *block, line);
            let mut note = *note;
            if !ends.is_empty() {
                let finite = all_finite(&mut emit, &ends);
                note = emit.binary(BinaryOp::And, note, finite);
            }
            for soft in here.iter().filter(|soft| soft.finite.is_none()) {
                note = emit.binary(BinaryOp::And, note, soft.cond);
            }
            terminator_mut(func, *block).for_each_target_mut(&mut |call| {
                if info.contains(call.block) {
                    call.args.push(note);
                }
            });
        }
        let mut emit = Emitter::new(func, &mut defs, start, 0);
        let well = emit.i1(true);
        terminator_mut(func, start).for_each_target_mut(&mut |call| {
            if call.block == header {
                call.args.push(well);
            }
        });
        let at_header = info.blocks.iter().position(|block| *block == header).expect("a loop holds its header");
        let sums: Vec<Value> = self.sums.iter().map(|(param, _)| *param).collect();
        let mut emit = Emitter::new(func, &mut defs, end, 0);
        let finite = all_finite(&mut emit, &sums);
        emit.binary(BinaryOp::And, notes[at_header], finite)
    }
}
