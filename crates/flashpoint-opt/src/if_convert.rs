//! If-conversion of small branches that LLVM cannot convert by itself, because a side holds a guard.
//!
//! `if c { x // 2 } else { 3 * x + 1 }` over checked integers has a guard on the else side. Where the branch is hard to
//! predict, doing both sides and selecting is faster: the guard moves in front as "its condition holds, or `c`".
//!
//! Reads the control-flow graph. Changes it: the two sides disappear into the block that branches.
//! Invariants: only instructions that are defined for all operands move, so no division, no shift by an unknown count, no
//! load, no call. A guard keeps its snapshot, whose values dominate it as before. Checked by the verifier and by random
//! functions.
//! Does not know about: profiles; the sides are small enough that doing both costs no more than a misprediction.

use flashpoint_ir::analysis::Cfg;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::edit::{Defs, Emitter, terminator};
use crate::pipeline::PassContext;

/// Instructions that may be done in vain, constants apart.
const MAX_INSTS: usize = 10;

/// Converts branches until none is left that pays.
///
/// A converted guard is executed on both paths, and may fail on its own only: not under stress.
pub fn if_convert(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    if context.guards_fail_freely {
        return false;
    }
    let mut changed = false;
    loop {
        let cfg = Cfg::of(func);
        let found = func.layout.iter().find_map(|block| Diamond::at(func, &cfg, *block));
        let Some(diamond) = found else { return changed };
        diamond.convert(func, context);
        changed = true;
    }
}

/// A branch whose sides meet again at once.
struct Diamond {
    block: Block,
    cond: Value,
    /// The sides: a block of their own, or none if the branch goes to the meeting point directly.
    sides: [Option<Block>; 2],
    join: Block,
    args: [Vec<Value>; 2],
}

impl Diamond {
    fn at(func: &TypedFunction, cfg: &Cfg, block: Block) -> Option<Diamond> {
        let InstKind::Branch(cond, if_true, if_false) = terminator(func, block) else { return None };
        let side = |call: &BlockCall| -> (Option<Block>, Block, Vec<Value>) {
            let own = cfg.predecessors(call.block).len() == 1 && func.blocks[call.block.index()].params.is_empty();
            match terminator(func, call.block) {
                InstKind::Jump(next) if own => (Some(call.block), next.block, next.args.clone()),
                _ => (None, call.block, call.args.clone()),
            }
        };
        let (true_side, true_join, true_args) = side(if_true);
        let (false_side, false_join, false_args) = side(if_false);
        if true_join != false_join || true_join == block || (true_side.is_none() && false_side.is_none()) {
            return None;
        }
        let sides = [true_side, false_side];
        let mut n_insts = 0;
        let mut n_guards = 0;
        for side in sides.iter().flatten() {
            let insts = &func.blocks[side.index()].insts;
            for inst in &insts[..insts.len() - 1] {
                let kind = &func.insts[inst.index()].kind;
                match kind {
                    InstKind::Guard(..) => n_guards += 1,
                    InstKind::Iconst { .. } | InstKind::Fconst { .. } => continue,
                    _ if is_always_defined(func, kind) => {}
                    _ => return None,
                }
                n_insts += 1;
            }
        }
        if n_guards == 0 || n_insts > MAX_INSTS {
            return None;
        }
        Some(Diamond { block, cond: *cond, sides, join: true_join, args: [true_args, false_args] })
    }

    fn convert(self, func: &mut TypedFunction, context: &mut PassContext) {
        let branch = func.blocks[self.block.index()].insts.pop().expect("a terminator");
        let line = func.insts[branch.index()].line;
        for (side, taken_if) in self.sides.into_iter().zip([true, false]) {
            let Some(side) = side else { continue };
            let mut insts = std::mem::take(&mut func.blocks[side.index()].insts);
            // The jump goes with the block.
            insts.pop();
            func.layout.retain(|block| *block != side);
            for inst in insts {
                if let InstKind::Guard(holds, exit) = func.insts[inst.index()].kind.clone() {
                    let mut defs = Defs::of(func);
                    let mut emit = Emitter::new(func, &mut defs, self.block, line);
                    let other_side = if taken_if != planted(Defect::IfConvertGuardSide) {
                        let no = emit.i1(false);
                        emit.icmp(IntCC::Eq, self.cond, no)
                    } else {
                        self.cond
                    };
                    // What nearly always holds comes first: a back end tests it alone, and the other only where it fails.
                    let holds = emit.binary(BinaryOp::Or, holds, other_side);
                    func.insts[inst.index()].kind = InstKind::Guard(holds, exit);
                    context.converted_guards.insert(inst);
                }
                func.blocks[self.block.index()].insts.push(inst);
            }
        }
        let mut defs = Defs::of(func);
        let mut emit = Emitter::new(func, &mut defs, self.block, line);
        let [true_args, false_args] = &self.args;
        let args = true_args
            .iter()
            .zip(false_args)
            .map(|(a, b)| if a == b { *a } else { emit.select(self.cond, *a, *b) })
            .collect();
        emit.push(InstKind::Jump(BlockCall { block: self.join, args }), &[]);
    }
}

/// Whether an instruction without effect is defined for all values of its operands.
fn is_always_defined(func: &TypedFunction, kind: &InstKind) -> bool {
    match kind {
        InstKind::Binary(op, _, count) => match op {
            BinaryOp::Sdiv
            | BinaryOp::Srem
            | BinaryOp::Udiv
            | BinaryOp::Urem
            | BinaryOp::SdivFloor
            | BinaryOp::SremFloor => false,
            BinaryOp::Shl | BinaryOp::Ashr | BinaryOp::Lshr => {
                let width = i128::from(func.value_types[count.index()].lane_bits());
                Defs::of(func).int(func, *count).is_some_and(|count| (0..width).contains(&count))
            }
            _ => true,
        },
        InstKind::Unary(..)
        | InstKind::Overflow(..)
        | InstKind::Icmp(..)
        | InstKind::Fcmp(..)
        | InstKind::Select(..)
        | InstKind::Convert(..) => true,
        _ => false,
    }
}
