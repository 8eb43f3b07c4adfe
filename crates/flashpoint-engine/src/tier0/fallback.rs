//! Off the fast path: what the interpreter's loop does when operands are no machine numbers of one type, when it meets an
//! exception, and when a loop's counter runs out. None of it is inlined into the loop.

use flashpoint_ir::generic::{BinOp, CmpOp, GenericOp, Pc, UnOp};
use flashpoint_ir::slot::Slot;

use super::call_stack::CallStack;
use super::code::{Op, Reg, flag};
use super::interp::{BackEdge, Fault, Hooks, Machine, Stop, fault_pc};
use super::operators;
use crate::host::Host;

impl<'u, H: Host> Machine<'u, '_, H> {
    #[cold]
    #[inline(never)]
    pub(super) fn replace(&mut self, dst: Reg, old: Slot, value: Slot) {
        self.registers.put(dst, value);
        self.host.release(old);
    }

    #[inline(never)]
    pub(super) fn move_owned(&mut self, op: &Op, value: Slot) {
        if op.flags & flag::B_TEMP != 0 {
            self.registers.put(op.reg_b(), Slot::UNBOUND);
        } else {
            self.host.retain(&value);
        }
        self.write(self.registers, op, value);
    }

    /// Releases what a consumed operand owned, and ends it.
    #[inline]
    pub(super) fn consume_reg(&mut self, consumed: bool, reg: Reg, value: Slot) {
        if consumed && value.owns() {
            self.registers.put(reg, Slot::UNBOUND);
            self.host.release(value);
        }
    }

    /// Ends the operands of a two-operand operation.
    #[inline]
    pub(super) fn consume_operands(&mut self, op: &Op, lhs: Slot, rhs: Slot) {
        self.consume_reg(op.flags & flag::B_TEMP != 0, op.reg_b(), lhs);
        self.consume_reg(op.flags & flag::C_TEMP != 0, op.reg_c(), rhs);
    }

    #[inline(never)]
    pub(super) fn binary_slow(&mut self, op: &Op, pc: usize, operator: BinOp) -> Result<(), Fault> {
        let (lhs, rhs) = (self.registers.get(op.reg_b()), self.registers.get(op.reg_c()));
        let value = self.binary_value(fault_pc(op, pc), operator, op.flags & flag::IN_PLACE != 0, &lhs, &rhs)?;
        self.consume_operands(op, lhs, rhs);
        self.write(self.registers, op, value);
        Ok(())
    }

    #[inline(never)]
    pub(super) fn unary(&mut self, op: &Op, pc: usize) -> Result<(), Fault> {
        const OPERATORS: [UnOp; 4] = [UnOp::Neg, UnOp::Pos, UnOp::Invert, UnOp::Not];
        let operand = self.registers.get(op.reg_b());
        let value = self.unary_value(fault_pc(op, pc), OPERATORS[op.c()], &operand)?;
        self.consume_reg(op.flags & flag::B_TEMP != 0, op.reg_b(), operand);
        self.write(self.registers, op, value);
        Ok(())
    }

    #[inline(never)]
    pub(super) fn compare_slow(&mut self, op: &Op, pc: usize, operator: CmpOp) -> Result<(), Fault> {
        let (lhs, rhs) = (self.registers.get(op.reg_b()), self.registers.get(op.reg_c()));
        let value = self.compare_value(fault_pc(op, pc), operator, &lhs, &rhs)?;
        self.consume_operands(op, lhs, rhs);
        self.write(self.registers, op, value);
        Ok(())
    }

    /// A comparison and the branch after it. Says which of the two raised.
    #[inline(never)]
    pub(super) fn compare_truth(&mut self, op: &Op, pc: usize, operator: CmpOp) -> Result<bool, (Pc, Fault)> {
        let (lhs, rhs) = (self.registers.get(op.reg_b()), self.registers.get(op.reg_c()));
        let at = fault_pc(op, pc);
        let value = self.compare_value(at, operator, &lhs, &rhs).map_err(|raised| (at, raised.into()))?;
        self.consume_operands(op, lhs, rhs);
        if let Some(value) = operators::truth(&value) {
            return Ok(value);
        }
        let branch = Pc(at.0 + 1);
        self.host.set_position(branch);
        let truth = self.host.truth(&value);
        self.host.release(value);
        truth.map_err(|raised| (branch, raised.into()))
    }

    /// The truth of a branch's condition, which is consumed if it is a temporary.
    #[inline(never)]
    pub(super) fn truth(&mut self, pc: usize, reg: Reg) -> Result<bool, Fault> {
        let cond = self.registers.get(reg);
        if let Some(value) = operators::truth(&cond) {
            return Ok(value);
        }
        self.host.set_position(Pc(pc as u32));
        let value = self.host.truth(&cond)?;
        self.consume_reg(self.code.is_temp[reg.index()], reg, cond);
        Ok(value)
    }

    /// `ForNext` over anything but a range: whether there was a value.
    #[inline(never)]
    pub(super) fn next_value(&mut self, op: &Op, pc: usize) -> Result<bool, Fault> {
        let pc = Pc(pc as u32);
        let mut iter = self.registers.get(op.reg_b());
        self.host.set_position(pc);
        let next = self.host.iter_next(&mut iter);
        self.registers.put(op.reg_b(), iter);
        let Some(value) = next? else { return Ok(false) };
        self.code.profile.record(pc, &value);
        self.write(self.registers, op, value);
        Ok(true)
    }

    /// The counter of a loop has run out, or attention is asked for.
    #[cold]
    #[inline(never)]
    pub(super) fn back_edge<K: Hooks<'u, H>>(
        &mut self,
        calls: &mut CallStack<'u, K::Unit>,
        hooks: &mut K,
        op: &Op,
        left: u32,
    ) -> Option<Stop<K::Exit>> {
        let from = Pc(op.c() as u32);
        self.host.set_position(from);
        if let Err(raised) = self.host.poll() {
            return Some(Stop::Fault(from, raised.into()));
        }
        let looping = &self.code.loops[op.b()];
        if left > 1 {
            looping.arm(left - 1);
            return None;
        }
        match hooks.on_back_edge(self.host, calls.unit(), op.b(), calls.slots_mut()) {
            BackEdge::Continue { trips } => {
                looping.arm(trips);
                None
            }
            BackEdge::Leave(exit) => Some(Stop::Left(looping.header, exit)),
        }
    }

    /// Before the first iteration of the loop `op.a()`, which asks.
    #[cold]
    pub(super) fn loop_entry<K: Hooks<'u, H>>(
        &mut self,
        calls: &mut CallStack<'u, K::Unit>,
        hooks: &mut K,
        op: &Op,
    ) -> Option<Stop<K::Exit>> {
        let exit = hooks.on_entry(self.host, calls.unit(), op.a(), calls.slots_mut())?;
        Some(Stop::Left(self.code.loops[op.a()].header, exit))
    }

    #[cold]
    pub(super) fn unbound<E>(&mut self, pc: usize) -> Stop<E> {
        let pc = Pc(pc as u32);
        let GenericOp::CheckBound { slot } = self.code.generic.ops[pc.0 as usize] else {
            unreachable!("`CheckBound` is lowered from `CheckBound`")
        };
        self.host.set_position(pc);
        let raised = self.host.raise_unbound_local(self.function, slot);
        Stop::Fault(pc, raised.into())
    }

    /// What kind of fault an exception is that was raised elsewhere on behalf of the operation at `pc`.
    pub(super) fn fault_of(&self, pc: Pc) -> Fault {
        match self.code.generic.ops[pc.0 as usize] {
            GenericOp::Reraise { .. } => Fault::RaisedAgain,
            _ => Fault::Raised,
        }
    }

    /// An exception is pending that the operation at `pc` raised: the handler to go on at, if there is one. Releases the
    /// temporaries that the handler does not use.
    #[cold]
    #[inline(never)]
    pub(super) fn unwind(&mut self, pc: Pc, fault: Fault) -> Option<Pc> {
        if fault == Fault::Raised {
            self.host.add_traceback(self.function, pc);
        }
        let handler = self.code.handler_of(pc)?;
        for &slot in &handler.dead {
            self.end(slot);
        }
        Some(handler.target)
    }
}
