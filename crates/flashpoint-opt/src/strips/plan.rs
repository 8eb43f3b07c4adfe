//! How the guards of a loop are answered per strip: which of them bounds decide, and from what that has to be read.

use std::collections::HashMap;

use flashpoint_ir::analysis::{Loop, LoopIdx};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::*;

use super::Lengths;
use super::later::Later;
use super::memory::is_linear;
use super::reduction::is_vectorisable;
use crate::bounds::{Bounds, Strip};
use crate::counted::{Counter, Shape};
use crate::edit::{Emitter, targets, terminator};
use crate::float_guards::soft_guard;

/// Loads that a check loop may read.
const MAX_CHECKED_LOADS: usize = 6;

/// A load whose values a check loop bounds.
pub(super) struct CheckedLoad {
    pub(super) result: Value,
    pub(super) addr: Value,
    pub(super) offset: i32,
    pub(super) ty: Type,
}

/// How the guards of a loop are answered per strip.
pub(super) struct Plan {
    pub(super) guards: Vec<Inst>,
    pub(super) loads: Vec<CheckedLoad>,
    pub(super) stores: Vec<(Block, Inst)>,
    /// Loads from addresses that do not change: made once per strip.
    pub(super) fixed: Vec<(Inst, Value)>,
    /// Guards tested after the strip.
    pub(super) later: Option<Later>,
}

impl Plan {
    /// A plan that leaves no guard in the loop, or else one that leaves them where they are; `None` if neither gains a thing.
    pub(super) fn of(
        func: &mut TypedFunction,
        shape: &Shape,
        root: LoopIdx,
        counter: &Counter,
        lengths: Lengths,
    ) -> Option<Plan> {
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
    pub(super) fn dropped(&self) -> Vec<Inst> {
        let later = self.later.iter().flat_map(Later::guards);
        self.guards.iter().copied().chain(later).collect()
    }

    /// Whether the strip may run only under conditions, beside the checked version.
    pub(super) fn has_conditions(&self) -> bool {
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
