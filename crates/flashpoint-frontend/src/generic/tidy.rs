//! Removes what turned out to be needless once the whole function is known: unreachable operations, `CheckBound` where
//! every path has assigned, `Drop` where no path has filled, and jumps to the next operation.

use flashpoint_ir::generic::{GenericFunction, GenericOp, Pc};
use flashpoint_ir::liveness::Liveness;

/// Repeats [`remove_needless`] until it finds nothing.
pub(super) fn tidy(function: &mut GenericFunction) {
    while remove_needless(function) {}
}

fn remove_needless(function: &mut GenericFunction) -> bool {
    let liveness = Liveness::of(function);
    let is_needless = |at: usize, op: &GenericOp| {
        let pc = Pc(at as u32);
        if !liveness.is_reachable(pc) {
            return true;
        }
        match *op {
            GenericOp::CheckBound { slot } => liveness.must_hold(pc, slot),
            GenericOp::Drop { slot } => !liveness.may_hold(pc, slot),
            // A loop's header stays, so that no two loops share one.
            GenericOp::Jump { target } => target == pc.next() && !liveness.is_loop_header(pc),
            _ => false,
        }
    };
    let keep: Vec<bool> = function.ops.iter().enumerate().map(|(at, op)| !is_needless(at, op)).collect();
    if keep.iter().all(|keep| *keep) {
        return false;
    }
    compact(function, &keep);
    true
}

/// Deletes the operations that are not kept; positions move to the next one that is.
fn compact(function: &mut GenericFunction, keep: &[bool]) {
    let mut new_pc = Vec::with_capacity(keep.len() + 1);
    let mut n_kept = 0;
    for keep in keep {
        new_pc.push(Pc(n_kept));
        n_kept += u32::from(*keep);
    }
    new_pc.push(Pc(n_kept));

    let mut at = 0;
    function.ops.retain(|_| {
        at += 1;
        keep[at - 1]
    });
    at = 0;
    function.spans.retain(|_| {
        at += 1;
        keep[at - 1]
    });
    for op in &mut function.ops {
        op.for_each_target_mut(|target| *target = new_pc[target.idx()]);
    }
    for handler in &mut function.handlers {
        handler.start = new_pc[handler.start.idx()];
        handler.end = new_pc[handler.end.idx()];
        handler.target = new_pc[handler.target.idx()];
    }
    function.handlers.retain(|handler| handler.start < handler.end);
}
