//! What one iteration takes from the one before: counters, and sums and the like that may be done in any order.

use flashpoint_ir::analysis::Loop;
use flashpoint_ir::typed::*;

use crate::counted::{Counter, Shape, step_of};
use crate::edit::{Def, targets, terminator};
use crate::intervals::plain;

/// Whether iterations depend on each other only through counters and integer sums, products and the like; and, if they may,
/// through floats, which no back end vectorises, but which cost nothing more without guards.
pub(super) fn is_vectorisable(
    func: &TypedFunction,
    shape: &Shape,
    info: &Loop,
    counter: &Counter,
    floats_may: bool,
) -> bool {
    let header = info.header;
    func.blocks[header.index()].params.iter().enumerate().all(|(k, param)| {
        if *param == counter.param {
            return true;
        }
        let ty = func.value_types[param.index()];
        info.latches.iter().all(|latch| {
            targets(terminator(func, *latch)).filter(|call| call.block == header).all(|call| {
                let next = call.args[k];
                next == *param
                    || step_of(func, &shape.defs, *param, next).is_some()
                    || (ty.is_int() && is_reduction(func, shape, *param, next, &mut None, 4))
                    || (floats_may && ty.is_float())
            })
        })
    })
}

/// Whether a value is made of `param` by operations of one kind, which may then be done in any order.
fn is_reduction(
    func: &TypedFunction,
    shape: &Shape,
    param: Value,
    next: Value,
    kind: &mut Option<BinaryOp>,
    depth: u32,
) -> bool {
    if next == param {
        return true;
    }
    if depth == 0 {
        return false;
    }
    use BinaryOp::*;
    let op = match shape.defs.inst(func, next) {
        Some(InstKind::Overflow(op, ..)) => plain(*op),
        Some(InstKind::Binary(op, ..)) => Some(*op),
        _ => None,
    };
    let op = op.map(|op| if op == Isub { Iadd } else { op });
    match shape.defs.inst(func, next) {
        Some(&(InstKind::Overflow(_, a, b) | InstKind::Binary(_, a, b))) => {
            let Some(op) = op.filter(|op| matches!(op, Iadd | Imul | And | Or | Xor | Smin | Smax | Umin | Umax))
            else {
                return false;
            };
            *kind.get_or_insert(op) == op
                && (is_reduction(func, shape, param, a, kind, depth - 1)
                    || is_reduction(func, shape, param, b, kind, depth - 1))
        }
        Some(&InstKind::Select(_, a, b)) => {
            is_reduction(func, shape, param, a, kind, depth - 1) && is_reduction(func, shape, param, b, kind, depth - 1)
        }
        _ => match shape.defs.get(next) {
            Def::Param(block, k) if shape.forest.with_header(block).is_none() => {
                shape.cfg.predecessors(block).iter().all(|pred| {
                    targets(terminator(func, *pred))
                        .filter(|call| call.block == block)
                        .all(|call| is_reduction(func, shape, param, call.args[k as usize], kind, depth - 1))
                })
            }
            _ => false,
        },
    }
}
