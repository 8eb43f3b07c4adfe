//! The call stack: the calls under way that one interpreter loop runs.
//!
//! A call of a function that tier 0 runs by itself is pushed, and the loop goes on in it; its return pops it. So such calls
//! nest in the loop's own stack, not in the processor's.
//!
//! Invariants: the host has been told of each call ([`Host::enter_frame`], [`Host::enter_inner_frame`]) before it is pushed,
//! and is told when it is popped. All but the last wait for a call that they make, whose position is theirs. When the
//! outermost call has ended, the stack is of no use any more.

use std::ops::ControlFlow;
use std::rc::Rc;

use flashpoint_ir::generic::Pc;
use flashpoint_ir::slot::Slot;

use super::code::Code;
use super::frame::{Frame, Registers, Window, WindowStack, release};
use super::interp::Entry;
use crate::host::{Host, HostResult};

/// A function that tier 0 can run.
pub trait Callable<H: Host> {
    /// Its loaded code.
    fn code(&self) -> &Code;
    /// What the host keeps for it.
    fn function(&self) -> &H::Function;
}

/// A function of which nothing but code and host function is known.
#[derive(Debug)]
pub struct Alone<'a, F> {
    /// See [`Callable::code`].
    pub code: &'a Code,
    /// See [`Callable::function`].
    pub function: &'a F,
}

impl<H: Host> Callable<H> for Alone<'_, H::Function> {
    fn code(&self) -> &Code {
        self.code
    }

    fn function(&self) -> &H::Function {
        self.function
    }
}

/// One call under way.
#[derive(Debug)]
struct Call<'u, U> {
    unit: &'u U,
    window: Window<'u>,
    /// The call that it waits for; of the last call, nothing.
    pc: Pc,
}

/// Calls under way, the outermost first.
#[derive(Debug)]
pub struct CallStack<'u, U> {
    calls: Vec<Call<'u, U>>,
    stack: Rc<WindowStack>,
    /// The frame of the outermost, if that is not on the stack.
    outermost: Option<Frame>,
}

impl<'u, U> CallStack<'u, U> {
    /// One call, of which the host has been told; all slots are unbound.
    pub fn new<H: Host>(unit: &'u U) -> CallStack<'u, U>
    where
        U: Callable<H>,
    {
        let stack = WindowStack::current();
        let window = stack.push(unit.code());
        CallStack { calls: vec![Call { unit, window, pc: Pc(0) }], stack, outermost: None }
    }

    /// One call in a frame that exists, of which the host has been told.
    pub fn of<H: Host>(unit: &'u U, mut frame: Frame) -> CallStack<'u, U>
    where
        U: Callable<H>,
    {
        let window = frame.window(unit.code());
        let calls = vec![Call { unit, window, pc: Pc(0) }];
        CallStack { calls, stack: WindowStack::current(), outermost: Some(frame) }
    }

    #[inline(always)]
    fn last(&self) -> &Call<'u, U> {
        self.calls.last().expect("a call is under way")
    }

    /// The function of the innermost call.
    ///
    /// # Panics
    /// This and the following, if all calls have ended.
    #[inline(always)]
    pub fn unit(&self) -> &'u U {
        self.last().unit
    }

    /// The slots of the innermost call.
    #[inline(always)]
    pub fn slots_mut(&mut self) -> &mut [Slot] {
        self.calls.last_mut().expect("a call is under way").window.slots_mut()
    }

    /// The code and the registers of the innermost call.
    #[inline(always)]
    pub(super) fn running(&self) -> (&'u Code, Registers) {
        let window = &self.last().window;
        (window.code, window.registers())
    }

    /// Whether only one call is left.
    #[inline(always)]
    pub(super) fn is_outermost(&self) -> bool {
        self.calls.len() == 1
    }

    /// Whether calls should go no deeper.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.stack.is_full()
    }

    /// A call begins that the innermost call makes at `pc`. The host has been told; all slots are unbound. Gives the
    /// code and the registers of the call.
    #[inline(always)]
    pub(super) fn push<H: Host>(&mut self, pc: Pc, unit: &'u U) -> (&'u Code, Registers)
    where
        U: Callable<H>,
    {
        self.calls.last_mut().expect("a call is under way").pc = pc;
        let window = self.stack.push(unit.code());
        let running = (window.code, window.registers());
        self.calls.push(Call { unit, window, pc: Pc(0) });
        running
    }

    /// The innermost call, which is not the outermost, returns. Gives its caller: the function, where it stands, code and
    /// registers.
    #[inline(always)]
    pub(super) fn pop<H: Host>(&mut self, host: &mut H) -> (&'u U, Pc, (&'u Code, Registers))
    where
        U: Callable<H>,
    {
        let [.., caller, ended] = &mut self.calls[..] else { panic!("the outermost call has no caller") };
        // Temporaries hold nothing at a return.
        let n_variables = ended.window.code.n_variables();
        release(&mut ended.window.slots_mut()[..n_variables], host);
        let (unit, pc) = (caller.unit, caller.pc);
        let running = (caller.window.code, caller.window.registers());
        host.leave_inner_frame(unit.function(), pc);
        self.stack.pop(&ended.window);
        self.calls.truncate(self.calls.len() - 1);
        (unit, pc, running)
    }

    /// The innermost call has ended elsewhere, with this result: where its caller goes on, or the result if there is none.
    pub fn end<H: Host>(&mut self, host: &mut H, result: HostResult<Slot>) -> ControlFlow<HostResult<Slot>, Entry>
    where
        U: Callable<H>,
    {
        release(self.slots_mut(), host);
        if self.is_outermost() {
            host.leave_frame();
            return ControlFlow::Break(result);
        }
        let (_, pc, _) = self.pop(host);
        ControlFlow::Continue(Entry::after_call(pc, result))
    }
}

impl<U> Drop for CallStack<'_, U> {
    fn drop(&mut self) {
        // More than one are left only if there was a panic; then what their slots own is lost.
        for (index, call) in self.calls.iter().enumerate().rev() {
            if index > 0 || self.outermost.is_none() {
                self.stack.pop(&call.window);
            }
        }
    }
}
