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

mod ask;
mod build;
mod later;
pub mod memory;
mod plan;
mod reduction;

use flashpoint_ir::analysis::{Loop, LoopIdx};
use flashpoint_ir::typed::*;

use crate::counted::{Shape, counter};
use crate::edit::{targets, terminator};
use crate::loops::transform_loops;
use crate::pipeline::PassContext;
use build::{Found, wrap};
use plan::Plan;
pub use plan::{is_about_numbers, runs_always};

/// Iterations of a strip without a check loop: short enough for a poll every few milliseconds at worst.
const LONG_STRIP: i128 = 1 << 14;
/// Iterations of a strip that touches no memory: so few strips that a sum in closed form costs nothing to speak of, and still
/// no longer than the others, which wait for memory.
const LONG_STRIP_OF_ARITHMETIC: i128 = 1 << 17;
/// Iterations of a strip with a check loop: what it reads should still be in the first-level cache for the second pass.
const CHECKED_STRIP: i128 = 1 << 10;
/// Lengths of strips, without and with a check loop.
#[derive(Clone, Copy)]
struct Lengths {
    long: i128,
    checked: i128,
}

impl Lengths {
    fn of(func: &TypedFunction, context: &PassContext, info: &Loop) -> Lengths {
        if context.short_strips {
            return Lengths { long: 8, checked: 4 };
        }
        let is_cheap = |inst: &Inst| match &func.insts[inst.index()].kind {
            InstKind::Load { .. } | InstKind::Store { .. } => false,
            InstKind::Binary(op, ..) => {
                use BinaryOp as B;
                !op.is_float() && !matches!(op, B::Sdiv | B::Srem | B::Udiv | B::Urem | B::SdivFloor | B::SremFloor)
            }
            kind => kind.is_pure() || kind.is_terminator() || matches!(kind, InstKind::Guard(..) | InstKind::Poll(_)),
        };
        let is_arithmetic = info.blocks.iter().all(|block| func.blocks[block.index()].insts.iter().all(is_cheap));
        Lengths { long: if is_arithmetic { LONG_STRIP_OF_ARITHMETIC } else { LONG_STRIP }, checked: CHECKED_STRIP }
    }
}

/// Takes polls, and guards on data where that makes the loop clean, out of innermost loops.
pub fn strip_mine(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    transform_loops(func, context, Loop::is_innermost, strip_loop)
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
    let lengths = Lengths::of(func, context, info);
    let plan = Plan::of(func, shape, root, &counter, lengths);
    if !has_poll && plan.is_none() {
        return None;
    }
    Some(wrap(func, context, Found { shape, root, preheader, counter, lengths, poll, plan }))
}

/// The exit of the polls, and the header parameter that each of its values is; values defined outside stay.
type PollExit = (SnapshotId, Vec<Option<usize>>);

fn poll_at_header(func: &TypedFunction, info: &Loop) -> Option<PollExit> {
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
