//! Cleans up the control-flow graph and drops what nobody uses.
//!
//! - [`pool_constants`] keeps one instruction per constant, in the entry block.
//! - [`remove_redundant_params`] removes parameters that always receive one value.
//! - [`simplify_cfg`] removes unreachable blocks, decides branches on constants, threads jumps through empty blocks, and
//!   merges a block into its only predecessor.
//! - [`remove_dead_code`] removes pure instructions, loads and parameters without uses.
//!
//! Reads and changes everything but snapshots' recipes, whose values count as uses.
//! Invariant: the entry block keeps its parameters and stays first. Kept here; checked by the verifier.
//! Does not know what instructions compute; it needs only to know which are pure.

use flashpoint_ir::analysis::Cfg;
use flashpoint_ir::typed::*;

use crate::edit::{FastMap, Subst, targets, terminator, terminator_mut};
use crate::pipeline::PassContext;

/// Keeps one instruction per constant, at the start of the entry block. Back ends materialise constants where they like.
pub fn pool_constants(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    #[derive(PartialEq, Eq, Hash)]
    enum Key {
        Int(Type, i128),
        Float(Type, u64),
        Context,
    }
    let entry = func.entry();
    let mut pool: FastMap<Key, Value> = FastMap::default();
    let mut pooled = Vec::new();
    let mut subst = Subst::new(func);
    for b in 0..func.layout.len() {
        let block = func.layout[b];
        let mut insts = std::mem::take(&mut func.blocks[block.index()].insts);
        insts.retain(|inst| {
            let data = &func.insts[inst.index()];
            let key = match &data.kind {
                InstKind::Iconst { ty, value } => Key::Int(*ty, *value),
                InstKind::Fconst { ty, bits } => Key::Float(*ty, *bits),
                InstKind::Context => Key::Context,
                _ => return true,
            };
            let value = data.results[0];
            match pool.get(&key) {
                Some(first) => subst.replace(value, *first),
                None => {
                    pool.insert(key, value);
                    pooled.push(*inst);
                }
            }
            false
        });
        func.blocks[block.index()].insts = insts;
    }
    let insts = &mut func.blocks[entry.index()].insts;
    insts.splice(0..0, pooled);
    subst.apply(func)
}

/// Removes block parameters that always receive one and the same value, or themselves.
///
/// First optimistically, so that parameters of nested loops that only feed each other are seen through: all parameters
/// start undecided, and a parameter becomes itself only when two different values are seen to arrive. What that keeps
/// because it decided too early is then removed one by one.
pub fn remove_redundant_params(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    let mut changed = remove_params_once(func, true);
    while remove_params_once(func, false) {
        changed = true;
    }
    changed
}

fn remove_params_once(func: &mut TypedFunction, optimistic: bool) -> bool {
    let cfg = Cfg::of(func);
    let n = func.value_types.len();
    const UNDECIDED: u32 = u32::MAX;
    let mut root: Vec<u32> = (0..n as u32).collect();
    // Argument lists that reach each block.
    let mut incoming: Vec<Vec<&[Value]>> = vec![Vec::new(); func.blocks.len()];
    for &block in cfg.reverse_post_order() {
        for call in targets(terminator(func, block)) {
            incoming[call.block.index()].push(&call.args);
        }
    }
    let order: Vec<Block> =
        cfg.reverse_post_order()[1..].iter().copied().filter(|b| !func.blocks[b.index()].params.is_empty()).collect();
    if optimistic {
        for &block in &order {
            for param in &func.blocks[block.index()].params {
                root[param.index()] = UNDECIDED;
            }
        }
    }
    let mut again = true;
    while again {
        again = false;
        for &block in &order {
            for (i, param) in func.blocks[block.index()].params.iter().enumerate() {
                if optimistic && root[param.index()] == param.0 {
                    continue;
                }
                let mut seen = UNDECIDED;
                for args in &incoming[block.index()] {
                    let arg = root[args[i].index()];
                    if args[i] == *param || arg == UNDECIDED || arg == param.0 {
                        continue;
                    }
                    if seen == UNDECIDED {
                        seen = arg;
                    } else if seen != arg {
                        seen = param.0;
                        break;
                    }
                }
                if seen != UNDECIDED && root[param.index()] != seen {
                    root[param.index()] = seen;
                    again = true;
                }
            }
        }
        again &= optimistic;
    }
    let mut subst = Subst::new(func);
    let mut dropped: Vec<(Block, Vec<bool>)> = Vec::new();
    for &block in &order {
        let params = &func.blocks[block.index()].params;
        let keep: Vec<bool> = params.iter().map(|p| root[p.index()] == p.0 || root[p.index()] == UNDECIDED).collect();
        if keep.iter().all(|k| *k) {
            continue;
        }
        for (param, keep) in params.iter().zip(&keep) {
            if !keep {
                subst.replace(*param, Value(root[param.index()]));
            }
        }
        dropped.push((block, keep));
    }
    drop_params(func, &cfg, &dropped);
    subst.apply(func)
}

/// Removes the parameters marked false, and the arguments for them.
fn drop_params(func: &mut TypedFunction, cfg: &Cfg, dropped: &[(Block, Vec<bool>)]) {
    if dropped.is_empty() {
        return;
    }
    let mut kept: Vec<Option<&[bool]>> = vec![None; func.blocks.len()];
    for (block, keep) in dropped {
        kept[block.index()] = Some(keep);
        let mut marks = keep.iter();
        func.blocks[block.index()].params.retain(|_| *marks.next().expect("a mark for each parameter"));
    }
    for &block in cfg.reverse_post_order() {
        terminator_mut(func, block).for_each_target_mut(&mut |call| {
            if let Some(keep) = kept[call.block.index()] {
                let mut marks = keep.iter();
                call.args.retain(|_| *marks.next().expect("a mark for each argument"));
            }
        });
    }
}

/// Removes unreachable blocks, decides branches on constants, threads jumps through empty blocks, merges straight lines.
pub fn simplify_cfg(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    let mut changed = false;
    loop {
        let mut again = decide_branches(func);
        again |= thread_jumps(func);
        again |= merge_blocks(func);
        if !again {
            return changed;
        }
        changed = true;
    }
}

fn decide_branches(func: &mut TypedFunction) -> bool {
    let mut constants: FastMap<Value, i128> = FastMap::default();
    for block in &func.layout {
        for inst in &func.blocks[block.index()].insts {
            let data = &func.insts[inst.index()];
            if let InstKind::Iconst { ty: Type::I1, value } = data.kind {
                constants.insert(data.results[0], value);
            }
        }
    }
    let mut changed = false;
    for b in 0..func.layout.len() {
        let block = func.layout[b];
        let mut insts = std::mem::take(&mut func.blocks[block.index()].insts);
        // A guard that always holds goes; one that never does ends the block.
        let mut end = None;
        insts.retain(|inst| {
            if end.is_some() {
                return false;
            }
            let InstKind::Guard(cond, exit) = func.insts[inst.index()].kind else { return true };
            match constants.get(&cond) {
                None => true,
                Some(0) => {
                    func.insts[inst.index()].kind = InstKind::Exit(exit);
                    end = Some(());
                    changed = true;
                    true
                }
                Some(_) => {
                    changed = true;
                    false
                }
            }
        });
        func.blocks[block.index()].insts = insts;
        let kind = terminator_mut(func, block);
        if let InstKind::Branch(cond, if_true, if_false) = kind {
            let taken = match constants.get(cond) {
                Some(0) => Some(if_false.clone()),
                Some(_) => Some(if_true.clone()),
                None if if_true == if_false => Some(if_true.clone()),
                None => None,
            };
            if let Some(call) = taken {
                *kind = InstKind::Jump(call);
                changed = true;
            }
        }
    }
    let cfg = Cfg::of(func);
    let n = func.layout.len();
    func.layout.retain(|block| cfg.is_reachable(*block));
    changed | (func.layout.len() != n)
}

/// Jumps to a block that only jumps on lead to where it jumps.
fn thread_jumps(func: &mut TypedFunction) -> bool {
    let entry = func.entry();
    // Where an empty block leads, if its parameters are used nowhere else.
    let mut through: FastMap<Block, BlockCall> = FastMap::default();
    for &block in &func.layout {
        let data = &func.blocks[block.index()];
        if block == entry || data.insts.len() != 1 {
            continue;
        }
        if let InstKind::Jump(call) = &func.insts[data.insts[0].index()].kind
            && call.block != block
        {
            through.insert(block, call.clone());
        }
    }
    if through.is_empty() {
        return false;
    }
    let with_params: Vec<Block> =
        through.keys().copied().filter(|b| !func.blocks[b.index()].params.is_empty()).collect();
    if !with_params.is_empty() {
        let mut owner: FastMap<Value, Block> = FastMap::default();
        for block in &with_params {
            for param in &func.blocks[block.index()].params {
                owner.insert(*param, *block);
            }
        }
        for &block in &func.layout {
            for inst in &func.blocks[block.index()].insts {
                let mut check = |v: Value| {
                    if let Some(home) = owner.get(&v)
                        && *home != block
                    {
                        through.remove(home);
                    }
                };
                let kind = &func.insts[inst.index()].kind;
                kind.for_each_operand(&mut check);
                if let Some(exit) = kind.snapshot() {
                    func.snapshots[exit.index()].for_each_value(&mut check);
                }
            }
        }
    }
    let mut changed = false;
    for b in 0..func.layout.len() {
        let block = func.layout[b];
        let mut kind = std::mem::replace(terminator_mut(func, block), InstKind::Return(None));
        kind.for_each_target_mut(&mut |call| {
            // A bound, since empty blocks may form a loop.
            for _ in 0..16 {
                let Some(next) = through.get(&call.block) else { break };
                if next.block == block && through.contains_key(&block) {
                    break;
                }
                let params = &func.blocks[call.block.index()].params;
                let args = next
                    .args
                    .iter()
                    .map(|arg| match params.iter().position(|p| p == arg) {
                        Some(i) => call.args[i],
                        None => *arg,
                    })
                    .collect();
                *call = BlockCall { block: next.block, args };
                changed = true;
            }
        });
        *terminator_mut(func, block) = kind;
    }
    changed
}

/// Appends a block to its only predecessor, if that only jumps to it.
fn merge_blocks(func: &mut TypedFunction) -> bool {
    let mut n_preds = vec![0u32; func.blocks.len()];
    for &block in &func.layout {
        for call in targets(terminator(func, block)) {
            n_preds[call.block.index()] += 1;
        }
    }
    let entry = func.entry();
    let mut subst = Subst::new(func);
    let mut gone = vec![false; func.blocks.len()];
    let mut changed = false;
    for b in 0..func.layout.len() {
        let block = func.layout[b];
        if gone[block.index()] {
            continue;
        }
        while let InstKind::Jump(call) = terminator(func, block) {
            let next = call.block;
            if n_preds[next.index()] != 1 || next == block || next == entry {
                break;
            }
            for (param, arg) in func.blocks[next.index()].params.clone().into_iter().zip(call.args.clone()) {
                subst.replace(param, arg);
            }
            let moved = std::mem::take(&mut func.blocks[next.index()].insts);
            func.blocks[next.index()].params.clear();
            let insts = &mut func.blocks[block.index()].insts;
            insts.pop();
            insts.extend(moved);
            gone[next.index()] = true;
            changed = true;
        }
    }
    if changed {
        func.layout.retain(|block| !gone[block.index()]);
        subst.apply(func);
    }
    changed
}

/// Removes pure instructions, loads and block parameters whose results nobody needs.
pub fn remove_dead_code(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    let cfg = Cfg::of(func);
    let mut live = vec![false; func.value_types.len()];
    let mut work: Vec<Value> = Vec::new();
    let mut source: Vec<Option<Source>> = vec![None; func.value_types.len()];
    #[derive(Clone, Copy)]
    enum Source {
        Inst(Inst),
        Param(Block, u32),
    }
    let mut incoming: Vec<Vec<&[Value]>> = vec![Vec::new(); func.blocks.len()];
    for &block in &func.layout {
        for (i, param) in func.blocks[block.index()].params.iter().enumerate() {
            source[param.index()] = Some(Source::Param(block, i as u32));
        }
        for &inst in &func.blocks[block.index()].insts {
            let data = &func.insts[inst.index()];
            for result in &data.results {
                source[result.index()] = Some(Source::Inst(inst));
            }
            if is_removable(&data.kind) {
                continue;
            }
            match &data.kind {
                // Arguments are live if the parameters are.
                InstKind::Jump(_) => {}
                InstKind::Branch(cond, ..) => work.push(*cond),
                kind => kind.for_each_operand(&mut |v| work.push(v)),
            }
            if let Some(exit) = data.kind.snapshot() {
                func.snapshots[exit.index()].for_each_value(&mut |v| work.push(v));
            }
            for call in targets(&data.kind) {
                incoming[call.block.index()].push(&call.args);
            }
        }
    }
    while let Some(value) = work.pop() {
        if std::mem::replace(&mut live[value.index()], true) {
            continue;
        }
        match source[value.index()] {
            Some(Source::Inst(inst)) => {
                let kind = &func.insts[inst.index()].kind;
                if is_removable(kind) {
                    kind.for_each_operand(&mut |v| work.push(v));
                }
            }
            Some(Source::Param(block, i)) => {
                work.extend(incoming[block.index()].iter().map(|args| args[i as usize]));
            }
            None => {}
        }
    }
    let entry = func.entry();
    let mut dropped = Vec::new();
    let mut changed = false;
    for b in 0..func.layout.len() {
        let block = func.layout[b];
        let params = &func.blocks[block.index()].params;
        if block != entry && params.iter().any(|p| !live[p.index()]) {
            dropped.push((block, params.iter().map(|p| live[p.index()]).collect()));
        }
        let mut insts = std::mem::take(&mut func.blocks[block.index()].insts);
        let n = insts.len();
        insts.retain(|inst| {
            let data = &mut func.insts[inst.index()];
            // A checked operation whose flag nobody reads is an ordinary one.
            if let InstKind::Overflow(op, a, b) = data.kind
                && !live[data.results[1].index()]
            {
                data.kind = InstKind::Binary(unchecked(op), a, b);
                data.results.truncate(1);
            }
            !is_removable(&data.kind) || data.results.iter().any(|v| live[v.index()])
        });
        changed |= insts.len() != n;
        func.blocks[block.index()].insts = insts;
    }
    changed |= !dropped.is_empty();
    drop_params(func, &cfg, &dropped);
    changed
}

fn is_removable(kind: &InstKind) -> bool {
    kind.is_pure() || matches!(kind, InstKind::Load { .. })
}

/// The wrapping operation behind a checked one.
pub fn unchecked(op: OverflowOp) -> BinaryOp {
    match op {
        OverflowOp::SaddOverflow | OverflowOp::UaddOverflow => BinaryOp::Iadd,
        OverflowOp::SsubOverflow | OverflowOp::UsubOverflow => BinaryOp::Isub,
        OverflowOp::SmulOverflow | OverflowOp::UmulOverflow => BinaryOp::Imul,
    }
}
