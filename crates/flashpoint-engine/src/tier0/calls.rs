//! Calls and returns: which calls go on the stack, and what goes to and fro.

use flashpoint_ir::generic::{GenericOp, Pc, SlotIdx};
use flashpoint_ir::slot::Slot;

use super::call_stack::{CallStack, Callable};
use super::code::{CallArg, Reg, flag};
use super::frame::Registers;
use super::interp::{CALLS_BETWEEN_POLLS, Entry, Fault, Hooks, Machine};
use super::operands::for_each_write;
use crate::host::{Host, HostResult};

/// What became of a call.
pub(super) enum Called {
    /// It is done.
    Done,
    /// It is on the stack, and the machine stands at its beginning.
    Entered,
}

impl<'u, H: Host> Machine<'u, '_, H> {
    /// A call with positional arguments.
    #[inline(always)]
    pub(super) fn call<K: Hooks<'u, H>>(
        &mut self,
        calls: &mut CallStack<'u, K::Unit>,
        hooks: &mut K,
        pc: Pc,
    ) -> Result<Called, Fault> {
        let (code, registers) = (self.code, self.registers);
        let op = &code.ops[pc.0 as usize];
        let args = code.args_of(op);
        let Some(unit) = hooks.unit_of(self.host, &registers.get(op.reg_b()), args.len()) else {
            return self.call_host(pc).map(|()| Called::Done);
        };
        self.host.set_position(pc);
        if !hooks.is_interpreted(unit)
            && let Some(result) = self.call_compiled(hooks, unit, pc)
        {
            self.finish_call(pc, result?);
            return Ok(Called::Done);
        }
        self.calls_to_poll -= 1;
        if self.calls_to_poll == 0 {
            self.poll()?;
        }
        if calls.is_full() {
            return Err(self.host.raise_too_deep().into());
        }
        self.host.enter_inner_frame(unit.function())?;
        self.function = unit.function();
        (self.code, self.registers) = calls.push(pc, unit);
        for (param, arg) in (0..).zip(args) {
            let value = registers.get(arg.reg());
            if value.owns() {
                self.pass_owned(registers, *arg, &value);
            }
            self.registers.put(self.code.reg(SlotIdx(param)), value);
        }
        let free = self.code.free_slots();
        if !free.is_empty() {
            self.host.load_closure(self.function, &mut calls.slots_mut()[free]);
        }
        Ok(Called::Entered)
    }

    /// A recursion without a loop, too, lets signals be handled and other threads run.
    #[cold]
    #[inline(never)]
    fn poll(&mut self) -> HostResult<()> {
        self.calls_to_poll = CALLS_BETWEEN_POLLS;
        self.host.poll()
    }

    /// What becomes of an argument in the caller. A temporary moves, as in CPython: the function may give up the last
    /// reference.
    #[inline(never)]
    fn pass_owned(&mut self, caller: Registers, arg: CallArg, value: &Slot) {
        if arg.is_temp() {
            caller.put(arg.reg(), Slot::UNBOUND);
        } else {
            self.host.retain(value);
        }
    }

    #[inline(never)]
    fn call_compiled<K: Hooks<'u, H>>(&mut self, hooks: &mut K, unit: &'u K::Unit, pc: Pc) -> Option<HostResult<Slot>> {
        let GenericOp::Call { args, .. } = &self.code.generic.ops[pc.0 as usize] else { unreachable!() };
        self.with_slots(args, |host, args| hooks.call(host, unit, args))
    }

    /// The innermost of several calls returns what is in `src`: the position behind the call in its caller.
    #[inline(always)]
    pub(super) fn return_to_caller<U: Callable<H>>(&mut self, calls: &mut CallStack<'u, U>, src: Reg) -> usize {
        let value = self.registers.get(src);
        if value.owns() {
            self.registers.put(src, Slot::UNBOUND);
        }
        let (unit, pc, (code, registers)) = calls.pop(self.host);
        (self.function, self.code, self.registers) = (unit.function(), code, registers);
        let op = &code.ops[pc.0 as usize];
        code.profile.record(pc, &value);
        // The arguments have been passed: temporaries own nothing any more.
        self.consume_reg(op.flags & flag::B_TEMP != 0, op.reg_b(), registers.get(op.reg_b()));
        self.write(registers, op, value);
        pc.0 as usize + 1
    }

    /// Goes over to the innermost call.
    #[inline(always)]
    pub(super) fn select<U: Callable<H>>(&mut self, calls: &mut CallStack<'u, U>) {
        self.function = calls.unit().function();
        (self.code, self.registers) = calls.running();
    }

    /// Where to begin.
    pub(super) fn enter(&mut self, entry: Entry) -> Result<usize, (Pc, Fault)> {
        match entry {
            Entry::At(pc) => Ok(pc.0 as usize),
            Entry::Raise(pc) => Err((pc, self.fault_of(pc))),
            Entry::AfterCall { pc, result } => {
                self.finish_call(pc, result);
                Ok(pc.0 as usize + 1)
            }
        }
    }

    /// A call that is the host's.
    #[inline(never)]
    pub(super) fn call_host(&mut self, pc: Pc) -> Result<(), Fault> {
        let GenericOp::Call { callee, args, .. } = &self.code.generic.ops[pc.0 as usize] else { unreachable!() };
        self.host.set_position(pc);
        let of = self.get(*callee);
        let value = self.with_slots(args, |host, args| host.call(&of, args))?;
        self.finish_call(pc, value);
        Ok(())
    }

    /// The operation at `pc` has called a function, which gave `value`.
    fn finish_call(&mut self, pc: Pc, value: Slot) {
        let op = &self.code.generic.ops[pc.0 as usize];
        self.code.profile.record(pc, &value);
        self.consume_reads(op);
        for_each_write(op, &mut |dst| self.set(dst, value));
    }
}
