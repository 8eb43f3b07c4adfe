//! Which temporaries are dead when a handler begins.
//!
//! An exception may come while temporaries hold values: operands of an expression, the iterator of a loop that is left.
//! Python drops them when it unwinds to the handler. Those that the handler's code still reads (an outer loop's iterator,
//! the exception handled before) stay. Backward liveness tells them apart, at load time.

use flashpoint_ir::generic::{GenericFunction, GenericOp, Pc, SlotIdx, SlotKind};

use super::operands::{for_each_read, for_each_successor, for_each_write};

/// For each handler, the `Temp` and `Pinned` slots that are not live at its target.
pub(super) fn dead_at_handlers(function: &GenericFunction) -> Vec<Vec<SlotIdx>> {
    if function.handlers.is_empty() {
        return Vec::new();
    }
    let live = live_before(function);
    let temporaries: Vec<u32> = (0..function.slots.len() as u32).filter(|&slot| is_temporary(function, slot)).collect();
    let dead_at = |target: Pc| {
        let live = &live[target.0 as usize];
        temporaries.iter().filter(|&&slot| !live.contains(slot)).map(|&slot| SlotIdx(slot)).collect()
    };
    function.handlers.iter().map(|handler| dead_at(handler.target)).collect()
}

fn is_temporary(function: &GenericFunction, slot: u32) -> bool {
    matches!(function.slots[slot as usize].kind, SlotKind::Temp | SlotKind::Pinned)
}

/// The slots live before each operation, by iteration to the fixed point.
fn live_before(function: &GenericFunction) -> Vec<BitSet> {
    let n_slots = function.slots.len();
    let mut live = vec![BitSet::new(n_slots); function.ops.len()];
    let mut changed = true;
    while changed {
        changed = false;
        for (index, op) in function.ops.iter().enumerate().rev() {
            let now = live_before_op(function, &live, Pc(index as u32), op);
            if now != live[index] {
                live[index] = now;
                changed = true;
            }
        }
    }
    live
}

fn live_before_op(function: &GenericFunction, live: &[BitSet], pc: Pc, op: &GenericOp) -> BitSet {
    let mut set = BitSet::new(function.slots.len());
    for_each_successor(op, pc, &mut |next| set.union(&live[next.0 as usize]));
    for_each_write(op, &mut |slot| set.remove(slot.0));
    // An operation that raises has written nothing, so the handler's needs are not hidden by its writes.
    if let Some(handler) = function.handlers.iter().find(|h| h.start <= pc && pc < h.end) {
        set.union(&live[handler.target.0 as usize]);
    }
    for_each_read(op, &mut |slot| set.insert(slot.0));
    set
}

#[derive(Clone, PartialEq)]
struct BitSet(Box<[u64]>);

impl BitSet {
    fn new(len: usize) -> BitSet {
        BitSet(vec![0; len.div_ceil(64)].into_boxed_slice())
    }

    fn contains(&self, index: u32) -> bool {
        self.0[index as usize / 64] >> (index % 64) & 1 != 0
    }

    fn insert(&mut self, index: u32) {
        self.0[index as usize / 64] |= 1 << (index % 64);
    }

    fn remove(&mut self, index: u32) {
        self.0[index as usize / 64] &= !(1 << (index % 64));
    }

    fn union(&mut self, other: &BitSet) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }
}
