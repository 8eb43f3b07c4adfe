//! The interpreter's loop: the fast paths, jumps, back edges, and the way to handlers.
//!
//! Invariants: an operation that raises has changed no slot but those it consumed; what a consumed temporary owned is
//! released and the slot made unbound, but a consumed number stays where it is, since it owns nothing. On every way out
//! but [`Outcome::Left`] all slots are released and all calls have ended.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use flashpoint_ir::generic::{BinOp, CmpOp, GenericOp, Pc, UnOp};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::slot::{Slot, Tag};

use super::arith;
use super::call_stack::{Alone, CallStack, Callable};
use super::calls::Called;
use super::code::{Code, Op, OpCode, flag};
use super::frame::{Registers, StepFrame};
use crate::host::{Host, HostResult, Raised};

/// Where [`run`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Before this operation.
    At(Pc),
    /// A host exception is pending; it is raised by this operation, which gets a traceback entry unless it is a `Reraise`.
    Raise(Pc),
    /// The call at `pc` was made elsewhere and gave `result` (owned): it goes to the call's `dst`, and the run goes on after
    /// it. Operands of the call that are still in their slots are released.
    AfterCall {
        /// The call.
        pc: Pc,
        /// What it gave.
        result: Slot,
    },
}

impl Entry {
    /// The beginning of the function.
    pub const START: Entry = Entry::At(Pc(0));

    /// Behind the call at `pc`, which was made elsewhere.
    pub fn after_call(pc: Pc, result: HostResult<Slot>) -> Entry {
        match result {
            Ok(result) => Entry::AfterCall { pc, result },
            Err(Raised) if planted(Defect::CallerLine) => Entry::Raise(Pc(pc.0.saturating_sub(4))),
            Err(Raised) => Entry::Raise(pc),
        }
    }
}

/// How [`run`] ends, other than by an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<E> {
    /// The outermost call returned.
    Returned(Slot),
    /// The hook left at a back edge: the innermost frame stands before `header`.
    Left {
        /// The loop's header.
        header: Pc,
        /// What the hook said.
        exit: E,
    },
}

/// What a hook decides at a back edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackEdge<E> {
    /// Stay in tier 0, and ask again after `trips` more back edges of this loop.
    Continue {
        /// At least 1.
        trips: u32,
    },
    /// Leave; `run` ends with [`Outcome::Left`].
    Leave(E),
}

/// What the engine does at back edges and calls.
pub trait Hooks<'u, H: Host> {
    /// The functions that run.
    type Unit: Callable<H> + 'u;
    /// What a leaving hook passes to whoever called [`run`].
    type Exit;

    /// Whether the thread is asked for attention. Read at every back edge; if so, the host is polled.
    #[inline(always)]
    fn poll_requested(&self) -> bool {
        false
    }

    /// The function that `callee` is, if the engine runs it by itself and a call with `n_args` positional arguments fills its
    /// parameters, one each. A call of it follows.
    #[inline(always)]
    fn unit_of(&mut self, host: &mut H, callee: &Slot, n_args: usize) -> Option<&'u Self::Unit> {
        let _ = (host, callee, n_args);
        None
    }

    /// Whether a call of the function runs in tier 0, whatever its arguments.
    #[inline(always)]
    fn is_interpreted(&self, unit: &'u Self::Unit) -> bool {
        let _ = unit;
        true
    }

    /// Calls the function, as a rule in compiled code; `None` if it is to run in this interpreter loop.
    fn call(&mut self, host: &mut H, unit: &'u Self::Unit, args: &[Slot]) -> Option<HostResult<Slot>> {
        let _ = (host, unit, args);
        None
    }

    /// An exception leaves a call.
    fn on_raise(&mut self, unit: &'u Self::Unit) {
        let _ = unit;
    }

    /// The frame stands before the header of loop `loop_index`, in front of the first iteration; asked if the loop
    /// [asks](super::Loop::ask_at_entry). What to leave with, if the hook leaves.
    fn on_entry(
        &mut self,
        host: &mut H,
        unit: &'u Self::Unit,
        loop_index: usize,
        frame: &mut [Slot],
    ) -> Option<Self::Exit> {
        let _ = (host, unit, loop_index, frame);
        None
    }

    /// The counter of loop `loop_index` has run out. The host has just been polled; the frame stands before the loop's
    /// header. Its slots may be changed as deoptimisation does.
    fn on_back_edge(
        &mut self,
        host: &mut H,
        unit: &'u Self::Unit,
        loop_index: usize,
        frame: &mut [Slot],
    ) -> BackEdge<Self::Exit>;
}

/// Stays in tier 0 for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHooks;

/// No value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

/// Back edges between polls when no hook says otherwise.
const TRIPS_BETWEEN_POLLS: u32 = 1000;
/// Calls of one interpreter loop between polls.
pub(super) const CALLS_BETWEEN_POLLS: u32 = 1000;

impl<'u, H: Host> Hooks<'u, H> for NoHooks {
    type Unit = Alone<'u, H::Function>;
    type Exit = Never;

    fn on_back_edge(&mut self, _: &mut H, _: &'u Self::Unit, _: usize, _: &mut [Slot]) -> BackEdge<Never> {
        BackEdge::Continue { trips: TRIPS_BETWEEN_POLLS }
    }
}

/// Goes on in the innermost call until the outermost returns, an exception leaves it, or a hook leaves.
pub fn run<'u, H: Host, K: Hooks<'u, H>>(
    calls: &mut CallStack<'u, K::Unit>,
    host: &mut H,
    hooks: &mut K,
    entry: Entry,
) -> HostResult<Outcome<K::Exit>> {
    let (function, (code, registers)) = (calls.unit().function(), calls.running());
    let mut machine = Machine { code, function, host, registers, calls_to_poll: CALLS_BETWEEN_POLLS };
    let mut start = machine.enter(entry);
    loop {
        let stop = match start {
            Ok(pc) => machine.execute(calls, hooks, pc),
            Err((pc, fault)) => Stop::Fault(pc, fault),
        };
        let (pc, fault) = match stop {
            Stop::Returned(value) => {
                let _ = calls.end(machine.host, Ok(value));
                return Ok(Outcome::Returned(value));
            }
            Stop::Left(header, exit) => return Ok(Outcome::Left { header, exit }),
            Stop::Fault(pc, fault) => (pc, fault),
        };
        start = match machine.unwind(pc, fault) {
            Some(target) => Ok(target.0 as usize),
            None => {
                hooks.on_raise(calls.unit());
                match calls.end(machine.host, Err(Raised)) {
                    ControlFlow::Break(_) => return Err(Raised),
                    ControlFlow::Continue(entry) => {
                        machine.select(calls);
                        machine.enter(entry)
                    }
                }
            }
        };
    }
}

/// What a single operation says of where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    /// Behind it.
    Behind,
    /// A branch, whose condition is true or false.
    Branch(bool),
    /// A `ForNext`: whether there was a value.
    Next(bool),
}

/// Runs the one operation at `pc`, which must not be a jump or `Return`; for compiled code that leaves single operations to
/// tier 0. If it raises, the exception has no traceback entry of this frame yet: going on with [`Entry::Raise`] adds it.
pub fn step<H: Host>(frame: &mut StepFrame<'_>, function: &H::Function, host: &mut H, pc: Pc) -> HostResult<Stepped> {
    let (code, registers) = (frame.code(), frame.registers());
    let mut machine = Machine { code, function, host, registers, calls_to_poll: CALLS_BETWEEN_POLLS };
    let stepped = match code.generic.ops[pc.0 as usize] {
        GenericOp::Branch { cond, .. } => machine.truth(pc.0 as usize, code.reg(cond)).map(Stepped::Branch),
        GenericOp::ForNext { .. } => {
            let op = &code.ops[pc.0 as usize];
            match machine.next_in_range(registers, op) {
                Some(more) => Ok(more),
                None => machine.next_value(op, pc.0 as usize),
            }
            .map(Stepped::Next)
        }
        _ => machine.exec(pc).map(|()| Stepped::Behind),
    };
    stepped.map_err(|_| Raised)
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It raised: the traceback gets an entry.
    Raised,
    /// It raised again what was raised before: the traceback stays.
    RaisedAgain,
}

impl From<Raised> for Fault {
    fn from(_: Raised) -> Fault {
        Fault::Raised
    }
}

/// How a stretch of execution ends.
pub(super) enum Stop<E> {
    Returned(Slot),
    Left(Pc, E),
    Fault(Pc, Fault),
}

/// The running call, as the operations see it.
pub(super) struct Machine<'u, 'h, H: Host> {
    pub(super) code: &'u Code,
    pub(super) function: &'u H::Function,
    pub(super) host: &'h mut H,
    pub(super) registers: Registers,
    /// Calls left until the next poll.
    pub(super) calls_to_poll: u32,
}

/// An operator on two numbers of one machine type; else off the fast path. The integer form gives an `Option`: `None` is
/// left to the slow path as well.
macro_rules! arithmetic {
    ($self:ident, $registers:ident, $op:ident, $pc:ident, $binop:expr, |$a:ident, $b:ident| $int:expr $(, |$x:ident, $y:ident| $float:expr)?) => {{
        let (lhs, rhs) = ($registers.get($op.reg_b()), $registers.get($op.reg_c()));
        'done: {
            if lhs.tag == Tag::Int && rhs.tag == Tag::Int {
                let ($a, $b) = (lhs.as_i64(), rhs.as_i64());
                if let Some(value) = $int {
                    $self.write($registers, $op, Slot::int(value));
                    break 'done;
                }
            }
            $(else if lhs.tag == Tag::Float && rhs.tag == Tag::Float {
                let ($x, $y) = (lhs.as_f64(), rhs.as_f64());
                if let Some(value) = $float {
                    $self.write($registers, $op, Slot::float(value));
                    break 'done;
                }
            })?
            if let Err(fault) = $self.binary_slow($op, $pc, $binop) {
                return fault_at($op, $pc, fault);
            }
        }
        $pc += usize::from($op.next);
    }};
}

/// Whether a comparison of two numbers of one machine type holds; else off the fast path.
macro_rules! comparison {
    ($registers:ident, $op:ident, $operator:tt) => {{
        let (lhs, rhs) = ($registers.get($op.reg_b()), $registers.get($op.reg_c()));
        if lhs.tag == Tag::Int && rhs.tag == Tag::Int {
            Some(lhs.as_i64() $operator rhs.as_i64())
        } else if lhs.tag == Tag::Float && rhs.tag == Tag::Float {
            Some(lhs.as_f64() $operator rhs.as_f64())
        } else {
            None
        }
    }};
}

macro_rules! compare {
    ($self:ident, $registers:ident, $op:ident, $pc:ident, $cmp:expr, $operator:tt) => {{
        match comparison!($registers, $op, $operator) {
            Some(value) => $self.write($registers, $op, Slot::bool(value)),
            None => {
                if let Err(fault) = $self.compare_slow($op, $pc, $cmp) {
                    return fault_at($op, $pc, fault);
                }
            }
        }
        $pc += usize::from($op.next);
    }};
}

macro_rules! compare_and_branch {
    ($self:ident, $registers:ident, $op:ident, $pc:ident, $cmp:expr, $operator:tt) => {{
        let value = match comparison!($registers, $op, $operator) {
            Some(value) => value,
            None => match $self.compare_truth($op, $pc, $cmp) {
                Ok(value) => value,
                Err((pc, fault)) => return Stop::Fault(pc, fault),
            },
        };
        let next = $pc + usize::from($op.next);
        $pc = if value == ($op.flags & flag::IF_TRUE != 0) { $op.a() } else { next };
    }};
}

/// An operation that runs from the generic form.
macro_rules! single {
    ($self:ident, $pc:ident, $method:ident) => {{
        if let Err(fault) = $self.$method(Pc($pc as u32)) {
            return Stop::Fault(Pc($pc as u32), fault);
        }
        $pc += 1;
    }};
}

impl<'u, H: Host> Machine<'u, '_, H> {
    fn execute<K: Hooks<'u, H>>(
        &mut self,
        calls: &mut CallStack<'u, K::Unit>,
        hooks: &mut K,
        mut pc: usize,
    ) -> Stop<K::Exit> {
        // Kept in machine registers, which fields of `self` are not across calls.
        let (mut code, mut registers) = (self.code, self.registers);
        let mut ops: &[Op] = &code.ops;
        loop {
            let op = &ops[pc];
            match op.code {
                OpCode::Host => single!(self, pc, exec),
                OpCode::Call => match self.call(calls, hooks, Pc(pc as u32)) {
                    Ok(Called::Done) => pc += 1,
                    Ok(Called::Entered) => {
                        (code, registers, pc) = (self.code, self.registers, 0);
                        ops = &code.ops;
                    }
                    Err(fault) => return Stop::Fault(Pc(pc as u32), fault),
                },
                OpCode::LoadGlobal => {
                    if let Err(fault) = self.load_global(op, Pc(pc as u32)) {
                        return Stop::Fault(Pc(pc as u32), fault);
                    }
                    pc += 1;
                }
                OpCode::GetItem => single!(self, pc, get_item),
                OpCode::SetItem => single!(self, pc, set_item),
                OpCode::GetIter => {
                    single!(self, pc, exec);
                    if code.loops[op.a()].asks_at_entry.load(Ordering::Relaxed)
                        && let Some(stop) = self.loop_entry(calls, hooks, op)
                    {
                        return stop;
                    }
                }
                OpCode::Element => {
                    if self.element(Pc(pc as u32)) {
                        pc += 2;
                    } else {
                        single!(self, pc, exec);
                    }
                }
                OpCode::Const => {
                    self.write(registers, op, registers.get(op.reg_b()));
                    pc += 1;
                }
                OpCode::Move => {
                    let value = registers.get(op.reg_b());
                    if value.owns() {
                        self.move_owned(op, value);
                    } else {
                        self.write(registers, op, value);
                    }
                    pc += 1;
                }
                OpCode::CheckBound => {
                    if registers.get(op.reg_a()).tag == Tag::Unbound {
                        return self.unbound(pc);
                    }
                    pc += 1;
                }

                OpCode::Add => {
                    arithmetic!(self, registers, op, pc, BinOp::Add, |a, b| a.checked_add(b), |x, y| Some(x + y))
                }
                OpCode::Sub => {
                    arithmetic!(self, registers, op, pc, BinOp::Sub, |a, b| a.checked_sub(b), |x, y| Some(x - y))
                }
                OpCode::Mul => {
                    arithmetic!(self, registers, op, pc, BinOp::Mul, |a, b| a.checked_mul(b), |x, y| Some(x * y))
                }
                OpCode::TrueDiv => {
                    arithmetic!(self, registers, op, pc, BinOp::TrueDiv, |_a, _b| None, |x, y| (y != 0.0)
                        .then(|| x / y))
                }
                OpCode::FloorDiv => arithmetic!(
                    self,
                    registers,
                    op,
                    pc,
                    BinOp::FloorDiv,
                    |a, b| (b != 0 && b != -1).then(|| arith::floor_div_i64(a, b)),
                    |x, y| (y != 0.0).then(|| arith::float_floor_div(x, y))
                ),
                OpCode::Mod => arithmetic!(
                    self,
                    registers,
                    op,
                    pc,
                    BinOp::Mod,
                    |a, b| (b != 0).then(|| arith::floor_mod_i64(a, b)),
                    |x, y| (y != 0.0).then(|| arith::float_mod(x, y))
                ),
                OpCode::LShift => arithmetic!(self, registers, op, pc, BinOp::LShift, |a, b| {
                    let shifted = a.wrapping_shl(b as u32);
                    ((0..64).contains(&b) && shifted >> b as u32 == a).then_some(shifted)
                }),
                OpCode::RShift => {
                    arithmetic!(self, registers, op, pc, BinOp::RShift, |a, b| (b >= 0).then(|| a >> b.min(63)))
                }
                OpCode::And => arithmetic!(self, registers, op, pc, BinOp::And, |a, b| Some(a & b)),
                OpCode::Or => arithmetic!(self, registers, op, pc, BinOp::Or, |a, b| Some(a | b)),
                OpCode::Xor => arithmetic!(self, registers, op, pc, BinOp::Xor, |a, b| Some(a ^ b)),
                OpCode::Pow | OpCode::MatMul => {
                    let operator = if op.code == OpCode::Pow { BinOp::Pow } else { BinOp::MatMul };
                    if let Err(fault) = self.binary_slow(op, pc, operator) {
                        return fault_at(op, pc, fault);
                    }
                    pc += usize::from(op.next);
                }
                OpCode::Unary => {
                    const NOT: usize = UnOp::Not as usize;
                    const NEG: usize = UnOp::Neg as usize;
                    let operand = registers.get(op.reg_b());
                    match (op.c(), operand.tag) {
                        (NOT, Tag::Bool) => self.write(registers, op, Slot::bool(operand.a == 0)),
                        (NEG, Tag::Float) => self.write(registers, op, Slot::float(-operand.as_f64())),
                        (NEG, Tag::Int) if operand.as_i64() != i64::MIN => {
                            self.write(registers, op, Slot::int(-operand.as_i64()));
                        }
                        _ => {
                            if let Err(fault) = self.unary(op, pc) {
                                return fault_at(op, pc, fault);
                            }
                        }
                    }
                    pc += usize::from(op.next);
                }

                OpCode::Lt => compare!(self, registers, op, pc, CmpOp::Lt, <),
                OpCode::Le => compare!(self, registers, op, pc, CmpOp::Le, <=),
                OpCode::Eq => compare!(self, registers, op, pc, CmpOp::Eq, ==),
                OpCode::Ne => compare!(self, registers, op, pc, CmpOp::Ne, !=),
                OpCode::Gt => compare!(self, registers, op, pc, CmpOp::Gt, >),
                OpCode::Ge => compare!(self, registers, op, pc, CmpOp::Ge, >=),
                OpCode::Is | OpCode::IsNot | OpCode::In | OpCode::NotIn => {
                    if let Err(fault) = self.compare_slow(op, pc, other_comparison(op.code)) {
                        return fault_at(op, pc, fault);
                    }
                    pc += usize::from(op.next);
                }
                OpCode::BranchLt => compare_and_branch!(self, registers, op, pc, CmpOp::Lt, <),
                OpCode::BranchLe => compare_and_branch!(self, registers, op, pc, CmpOp::Le, <=),
                OpCode::BranchEq => compare_and_branch!(self, registers, op, pc, CmpOp::Eq, ==),
                OpCode::BranchNe => compare_and_branch!(self, registers, op, pc, CmpOp::Ne, !=),
                OpCode::BranchGt => compare_and_branch!(self, registers, op, pc, CmpOp::Gt, >),
                OpCode::BranchGe => compare_and_branch!(self, registers, op, pc, CmpOp::Ge, >=),
                OpCode::BranchIs | OpCode::BranchIsNot | OpCode::BranchIn | OpCode::BranchNotIn => {
                    match self.compare_truth(op, pc, other_comparison(op.code)) {
                        Ok(value) if value == (op.flags & flag::IF_TRUE != 0) => pc = op.a(),
                        Ok(_) => pc += usize::from(op.next),
                        Err((pc, fault)) => return Stop::Fault(pc, fault),
                    }
                }

                OpCode::Jump => pc = op.a(),
                OpCode::JumpBack => {
                    let counter = &code.loops[op.b()].counter;
                    let left = counter.load(Ordering::Relaxed);
                    if left > 1 && !hooks.poll_requested() {
                        counter.store(left - 1, Ordering::Relaxed);
                    } else if let Some(stop) = self.back_edge(calls, hooks, op, left) {
                        return stop;
                    }
                    pc = op.a();
                }
                OpCode::Branch => {
                    let cond = registers.get(op.reg_a());
                    let value = match cond.tag {
                        Tag::Bool | Tag::Int => cond.a != 0,
                        _ => match self.truth(pc, op.reg_a()) {
                            Ok(value) => value,
                            Err(fault) => return Stop::Fault(Pc(pc as u32), fault),
                        },
                    };
                    pc = if value { op.b() } else { op.c() };
                }
                OpCode::ForNext => {
                    let more = match self.next_in_range(registers, op) {
                        Some(more) => Ok(more),
                        None => self.next_value(op, pc),
                    };
                    match more {
                        Ok(true) => pc += 1,
                        Ok(false) => pc = op.c(),
                        Err(fault) => return Stop::Fault(Pc(pc as u32), fault),
                    }
                }
                OpCode::Return => {
                    if calls.is_outermost() {
                        let value = registers.get(op.reg_a());
                        registers.put(op.reg_a(), Slot::UNBOUND);
                        return Stop::Returned(value);
                    }
                    pc = self.return_to_caller(calls, op.reg_a());
                    (code, registers) = (self.code, self.registers);
                    ops = &code.ops;
                }
            }
        }
    }

    /// `ForNext` over a range: whether there was a value. `None` if it is over something else.
    #[inline(always)]
    fn next_in_range(&mut self, registers: Registers, op: &Op) -> Option<bool> {
        let mut iter = registers.get(op.reg_b());
        if iter.tag != Tag::RangeIter {
            return None;
        }
        if iter.b == 0 {
            return Some(false);
        }
        let value = Slot::int(iter.as_i64());
        iter.a = iter.a.wrapping_add(i64::from(iter.aux as i32) as u64);
        iter.b -= 1;
        registers.put(op.reg_b(), iter);
        self.write(registers, op, value);
        Some(true)
    }

    /// Writes the result of `op`, an owned slot.
    #[inline(always)]
    pub(super) fn write(&mut self, registers: Registers, op: &Op, value: Slot) {
        if op.flags & flag::DROP_DST != 0 {
            let old = registers.get(op.reg_a());
            if old.owns() {
                return self.replace(op.reg_a(), old, value);
            }
        }
        registers.put(op.reg_a(), value);
    }
}

fn other_comparison(code: OpCode) -> CmpOp {
    match code {
        OpCode::Is | OpCode::BranchIs => CmpOp::Is,
        OpCode::IsNot | OpCode::BranchIsNot => CmpOp::IsNot,
        OpCode::In | OpCode::BranchIn => CmpOp::In,
        _ => CmpOp::NotIn,
    }
}

/// The operation that raises when `op` at `pc` does.
#[inline]
pub(super) fn fault_pc(op: &Op, pc: usize) -> Pc {
    Pc((pc + usize::from(op.fault)) as u32)
}

#[cold]
fn fault_at<E>(op: &Op, pc: usize, fault: Fault) -> Stop<E> {
    Stop::Fault(fault_pc(op, pc), fault)
}
