//! What the lowering knows of a function beforehand: where its blocks begin, what is live, what is written.

use std::sync::Arc;

use flashpoint_ir::generic::{GenericFunction, GenericOp, Pc, SlotIdx, SlotKind};
use flashpoint_ir::liveness::{Liveness, LoopInfo};
use flashpoint_ir::planted::{Defect, planted};

/// A function of which operations are lowered.
pub(super) struct FunctionInfo {
    pub(super) generic: Arc<GenericFunction>,
    pub(super) liveness: Liveness,
    pub(super) is_leader: Vec<bool>,
    /// Whether the operation is followed, in straight line, by a raise.
    pub(super) leads_to_raise: Vec<bool>,
    /// Whether some operation writes the slot or ends it.
    pub(super) is_written: Vec<bool>,
}

impl FunctionInfo {
    pub(super) fn new(generic: Arc<GenericFunction>) -> FunctionInfo {
        let liveness = Liveness::of(&generic);
        let n = generic.ops.len();
        let mut is_leader = vec![false; n];
        for op in &generic.ops {
            op.targets().for_each(|pc| is_leader[pc.idx()] = true);
        }
        let mut leads_to_raise = vec![false; n];
        let mut raising = false;
        for pc in (0..n).rev() {
            let op = &generic.ops[pc];
            raising = match op {
                GenericOp::Raise { .. } | GenericOp::RaiseAssertion { .. } => true,
                GenericOp::Jump { .. }
                | GenericOp::Branch { .. }
                | GenericOp::ForNext { .. }
                | GenericOp::Return { .. } => false,
                _ => raising,
            };
            leads_to_raise[pc] = raising;
            if is_leader[pc] {
                raising = false;
            }
        }
        let mut is_written = vec![false; generic.slots.len()];
        for op in &generic.ops {
            op.for_each_write(|slot| is_written[slot.idx()] = true);
            op.for_each_end(|slot| is_written[slot.idx()] = true);
        }
        FunctionInfo { generic, liveness, is_leader, leads_to_raise, is_written }
    }

    /// Headers of the loops around a loop's header, from the outermost in.
    pub(super) fn headers_around(&self, header: Pc) -> Vec<Pc> {
        let loops = self.liveness.loops();
        let mut around: Vec<&LoopInfo> = loops.iter().filter(|l| l.header != header && l.contains(header)).collect();
        around.sort_by_key(|l| l.depth);
        around.into_iter().map(|l| l.header).collect()
    }

    /// The slots of a frame that matter while one of its calls is under way.
    pub(super) fn live_around_call(&self, call: Pc) -> Vec<SlotIdx> {
        let op = &self.generic.ops[call.0 as usize];
        let handler = self.generic.handlers.iter().find(|handler| (handler.start..handler.end).contains(&call));
        let mut gone = Vec::new();
        op.for_each_write(|slot| {
            // A call that raises writes nothing: a handler finds what was there before.
            let is_read = handler.is_some_and(|handler| self.liveness.is_live_before(handler.target, slot));
            if !is_read || planted(Defect::HandlerForgetsTarget) {
                gone.push(slot);
            }
        });
        op.for_each_read(|slot| {
            if self.generic.slots[slot.0 as usize].kind == SlotKind::Temp {
                gone.push(slot);
            }
        });
        let mut live: Vec<SlotIdx> =
            self.liveness.live_before(call).chain(self.liveness.live_before(Pc(call.0 + 1))).collect();
        live.sort();
        live.dedup();
        live.retain(|slot| !gone.contains(slot));
        live
    }
}
