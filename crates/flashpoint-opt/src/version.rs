//! Loop versioning: guards that one test in front of a loop can answer for all iterations leave the loop.
//!
//! For each loop, outermost first, the guards in it and in the loops inside are asked for conditions that imply them in
//! every iteration ([`crate::bounds`]). If some are found, the nest is copied: where all conditions hold, the copy runs,
//! without these guards; otherwise the original, which is left alone from then on. Exits stay exact, because the original
//! takes them. If the conditions turn out constant, nothing is copied.
//!
//! Invariants:
//! - The copy computes what the original computes, except that proved guards are gone and tests for negative indices that
//!   were proved false are constants.
//! - Values used behind the loop get parameters where both versions meet (`repair_ssa`).
//!
//! Does not know about: polls, memory.

use flashpoint_ir::analysis::{Loop, LoopIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::bounds::{Bounds, merge};
use crate::counted::Shape;
use crate::edit::{Copies, Def, Emitter, clone_blocks, repair_ssa, targets, terminator, terminator_mut, visit_uses};
use crate::loops::transform_loops;
use crate::pipeline::PassContext;

/// Instructions beyond which no more loops are copied.
const MAX_INSTS: usize = 12_000;
/// Copies per function.
const MAX_COPIES: usize = 24;

/// Moves guards in front of loops, keeping a checked version of each.
pub fn version_loops(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    let mut n_copies = 0;
    transform_loops(
        func,
        context,
        |_| true,
        |func, context, shape, root| {
            let n_insts: usize = func.layout.iter().map(|b| func.blocks[b.index()].insts.len()).sum();
            if n_insts > MAX_INSTS || n_copies >= MAX_COPIES {
                return None;
            }
            let copy = version_loop(func, context, shape, root)?;
            n_copies += usize::from(copy.is_some());
            Some(copy.into_iter().collect())
        },
    )
}

/// Versions one nest; the header of the copy if one was made, or `Some(None)` if guards could just be removed.
fn version_loop(
    func: &mut TypedFunction,
    context: &mut PassContext,
    shape: &Shape,
    root: LoopIdx,
) -> Option<Option<Block>> {
    let info = shape.forest.get(root);
    let preheader = info.preheader(&shape.cfg)?;
    let guards: Vec<(Block, Inst, Value)> = info
        .blocks
        .iter()
        .flat_map(|block| func.blocks[block.index()].insts.iter().map(|inst| (*block, *inst)))
        .filter_map(|(block, inst)| match func.insts[inst.index()].kind {
            InstKind::Guard(cond, _) => Some((block, inst, cond)),
            _ => None,
        })
        .collect();
    if guards.is_empty() {
        return None;
    }
    let line = func.insts[guards[0].1.index()].line;
    let mut defs = shape.defs.clone();
    let mut emit = Emitter::new(func, &mut defs, preheader, line);
    let mut bounds = Bounds::new(&mut emit, shape, root, None);
    let mut proved: Vec<Inst> = Vec::new();
    let mut conds: Vec<Value> = Vec::new();
    let mut helps = false;
    for (block, inst, cond) in &guards {
        if !bounds.is_behind_tests(*block) {
            continue;
        }
        let Some((needed, loose)) = bounds.prove(*cond) else { continue };
        let innermost = shape.forest.innermost(*block).expect("the block is in a loop");
        // Ends that are far off would fail here; closer in, they are sharper.
        if loose && innermost != root {
            continue;
        }
        helps |= shape.forest.get(innermost).is_innermost();
        proved.push(*inst);
        merge(&mut conds, &needed);
    }
    if proved.is_empty() || !helps {
        return None;
    }
    let false_tests: Vec<Value> = bounds
        .false_tests
        .clone()
        .into_iter()
        .filter(|(_, needed)| needed.iter().all(|cond| conds.contains(cond)))
        .map(|(test, _)| test)
        .collect();
    let all = bounds.all(&conds);
    let known = bounds.emit.const_of(all);
    if known == Some(0) {
        return None;
    }
    if known.is_some() {
        drop_guards(func, &info.blocks, &proved, &false_tests);
        return Some(None);
    }
    let copies = make_version(func, context, shape, root, preheader, all)?;
    let copied: Vec<Block> = info.blocks.iter().map(|b| copies.blocks[b]).collect();
    let proved: Vec<Inst> = proved.iter().map(|inst| copies.insts[inst]).collect();
    let false_tests: Vec<Value> = false_tests.iter().map(|v| copies.value(*v)).collect();
    drop_guards(func, &copied, &proved, &false_tests);
    Some(Some(copies.blocks[&info.header]))
}

/// Copies a nest; the preheader goes to the copy where `cond` holds, else to the original, which is left alone from then on.
pub fn make_version(
    func: &mut TypedFunction,
    context: &mut PassContext,
    shape: &Shape,
    root: LoopIdx,
    preheader: Block,
    cond: Value,
) -> Option<Copies> {
    let info = shape.forest.get(root);
    let InstKind::Jump(slow) = terminator(func, preheader).clone() else { return None };
    let copies = clone_blocks(func, &info.blocks);
    let fast = BlockCall { block: copies.blocks[&info.header], args: slow.args.clone() };
    *terminator_mut(func, preheader) = InstKind::Branch(cond, fast, slow);

    // What is used behind the loop may now come from either version.
    let is_home = |block: Block| info.contains(block) || copies.blocks.values().any(|copy| *copy == block);
    let mut used: Vec<Value> = Vec::new();
    for &block in &func.layout {
        if is_home(block) {
            continue;
        }
        for inst in &func.blocks[block.index()].insts {
            visit_uses(func, &func.insts[inst.index()].kind, &mut |v| {
                if copies.values.contains_key(&v) && !used.contains(&v) {
                    used.push(v);
                }
            });
        }
    }
    let variables: Vec<Vec<(Block, Value)>> = used
        .into_iter()
        .map(|v| {
            let home = shape.homes[v.index()].expect("it was copied, so it has a block");
            vec![(home, v), (copies.blocks[&home], copies.value(v))]
        })
        .collect();
    repair_ssa(func, &variables, &is_home);
    for block in &info.blocks {
        if shape.forest.with_header(*block).is_some() {
            context.checked_versions.insert(*block);
        }
    }
    Some(copies)
}

/// Gives loops over a range whose step is a variable a version for a step of one. On-stack replacement enters in the middle
/// of a loop with whatever step its iterator has, and that is nearly always one.
pub fn specialize_steps(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    let mut n_copies = 0;
    transform_loops(
        func,
        context,
        |_| true,
        |func, context, shape, root| {
            let info = shape.forest.get(root);
            let (step, unit) = variable_step(func, shape, info)?;
            let preheader = info.preheader(&shape.cfg)?;
            n_copies += 1;
            if n_copies > MAX_COPIES {
                return None;
            }
            let mut defs = shape.defs.clone();
            let ty = func.value_types[step.index()];
            let mut emit = Emitter::new(func, &mut defs, preheader, 0);
            let one = emit.iconst(ty, unit);
            let cc = if planted(Defect::StepSpecialised) { IntCC::Sge } else { IntCC::Eq };
            let cond = emit.icmp(cc, step, one);
            let copies = make_version(func, context, shape, root, preheader, cond)?;
            for copy in copies.insts.values() {
                func.insts[copy.index()].kind.for_each_operand_mut(&mut |v| {
                    if *v == step {
                        *v = one;
                    }
                });
            }
            Some(vec![])
        },
    )
}

/// The step of a counter that is no constant, and the step of one in its direction.
fn variable_step(func: &TypedFunction, shape: &Shape, info: &Loop) -> Option<(Value, i128)> {
    let InstKind::Branch(cond, ..) = terminator(func, info.header) else { return None };
    let &InstKind::Icmp(cc, param, limit) = shape.defs.inst(func, *cond)? else { return None };
    let unit = match cc {
        IntCC::Slt => 1,
        IntCC::Sgt => -1,
        _ => return None,
    };
    let Def::Param(header, index) = shape.defs.get(param) else { return None };
    if header != info.header || shape.is_inside(info, limit) {
        return None;
    }
    let latch = *info.latches.first()?;
    let next = targets(terminator(func, latch)).find(|call| call.block == header)?.args[index as usize];
    let &InstKind::Binary(BinaryOp::Iadd, a, step) = shape.defs.inst(func, next)? else { return None };
    (a == param && !shape.is_inside(info, step) && shape.defs.int(func, step).is_none()).then_some((step, unit))
}

/// Removes guards, and makes tests constants.
pub fn drop_guards(func: &mut TypedFunction, blocks: &[Block], guards: &[Inst], false_tests: &[Value]) {
    for block in blocks {
        func.blocks[block.index()].insts.retain(|inst| !guards.contains(inst));
        for inst in func.blocks[block.index()].insts.clone() {
            let data = &func.insts[inst.index()];
            if data.results.first().is_some_and(|v| false_tests.contains(v)) {
                func.insts[inst.index()].kind = InstKind::Iconst { ty: Type::I1, value: 0 };
            }
        }
    }
}
