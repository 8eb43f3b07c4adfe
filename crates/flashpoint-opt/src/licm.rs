//! Loop-invariant code motion: pure instructions whose operands do not change in a loop move in front of it.
//!
//! [`normalize_loops`] gives every loop a preheader: a block whose only successor is the header, and the header's only
//! predecessor outside. [`licm`] moves instructions there, outer loops first, so that each goes as far out as it can.
//! Loads, guards and calls stay; so does what is undefined for some operands (divisions, shifts) unless the operand that
//! decides is a constant.
//!
//! Invariant: what is moved is defined for all operands, since it now runs even if the loop does not.

use flashpoint_ir::analysis::{Cfg, DomTree, LoopForest};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::edit::{Defs, append_param, blocks_of_values, new_block, terminate, terminator, terminator_mut};
use crate::pipeline::PassContext;

/// Gives every loop a preheader.
pub fn normalize_loops(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    let cfg = Cfg::of(func);
    let doms = DomTree::of(func, &cfg);
    let forest = LoopForest::of(func, &cfg, &doms);
    let mut changed = false;
    for info in forest.loops() {
        if info.preheader(&cfg).is_some() {
            continue;
        }
        let header = info.header;
        let outside: Vec<Block> = cfg.predecessors(header).iter().copied().filter(|b| !info.contains(*b)).collect();
        let before =
            func.layout.iter().position(|b| *b == header).map_or(header, |at| func.layout[at.saturating_sub(1)]);
        let preheader = new_block(func, before);
        let types: Vec<Type> = func.blocks[header.index()].params.iter().map(|p| func.value_types[p.index()]).collect();
        let params: Vec<Value> = types.into_iter().map(|ty| append_param(func, preheader, ty)).collect();
        for pred in outside {
            terminator_mut(func, pred).for_each_target_mut(&mut |call| {
                if call.block == header {
                    call.block = preheader;
                }
            });
        }
        terminate(func, preheader, InstKind::Jump(BlockCall { block: header, args: params }), 0);
        changed = true;
    }
    changed
}

/// Moves loop-invariant code in front of loops.
pub fn licm(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    let cfg = Cfg::of(func);
    let doms = DomTree::of(func, &cfg);
    let forest = LoopForest::of(func, &cfg, &doms);
    if forest.loops().is_empty() {
        return false;
    }
    let defs = Defs::of(func);
    let mut homes = blocks_of_values(func);
    let mut changed = false;
    for info in forest.loops() {
        let Some(preheader) = info.preheader(&cfg) else { continue };
        for &block in &info.blocks {
            let insts = std::mem::take(&mut func.blocks[block.index()].insts);
            let (mut kept, mut moved) = (Vec::with_capacity(insts.len()), Vec::new());
            for inst in insts {
                let data = &func.insts[inst.index()];
                let mut is_invariant = is_total(func, &defs, &data.kind)
                    || (planted(Defect::LicmMovesLoads) && matches!(data.kind, InstKind::Load { .. }));
                if is_invariant {
                    data.kind.for_each_operand(&mut |v| {
                        is_invariant &= homes[v.index()].is_some_and(|home| !info.contains(home));
                    });
                }
                if is_invariant {
                    data.results.iter().for_each(|v| homes[v.index()] = Some(preheader));
                    moved.push(inst);
                } else {
                    kept.push(inst);
                }
            }
            func.blocks[block.index()].insts = kept;
            if !moved.is_empty() {
                changed = true;
                let target = &mut func.blocks[preheader.index()].insts;
                let at = target.len() - 1;
                target.splice(at..at, moved);
                debug_assert!(terminator(func, preheader).is_terminator());
            }
        }
    }
    changed
}

/// Whether an instruction is pure and defined for all operands.
pub fn is_total(func: &TypedFunction, defs: &Defs, kind: &InstKind) -> bool {
    use BinaryOp::*;
    match kind {
        InstKind::Binary(..) if planted(Defect::LicmMovesDivision) => true,
        InstKind::Binary(Sdiv | Srem | SdivFloor | SremFloor, _, b) => {
            defs.int(func, *b).is_some_and(|divisor| divisor != 0 && divisor != -1)
        }
        InstKind::Binary(Udiv | Urem, _, b) => defs.int(func, *b).is_some_and(|divisor| divisor != 0),
        InstKind::Binary(Shl | Ashr | Lshr, a, b) => {
            let bits = i128::from(func.value_types[a.index()].lane_bits());
            defs.int(func, *b).is_some_and(|count| (0..bits).contains(&count))
        }
        kind => kind.is_pure(),
    }
}
