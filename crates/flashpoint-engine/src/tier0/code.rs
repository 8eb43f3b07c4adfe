//! The compact form that tier 0 runs: one 16-byte operation per operation of the generic form, at the same index.
//!
//! Operations with a fast path are decoded; all others are `Host` and run from the generic form itself. Where a sequence is
//! common (constant operand, result moved to a local, comparison that decides a branch), the first operation of the
//! sequence does the work of all; the others stay in their places, so that every [`Pc`] remains a resume point.
//!
//! Invariants, kept by `lower`: every register is below the frame's length; every target is an index into `ops`; a
//! backward edge goes through a `JumpBack`, which alone counts.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use flashpoint_ir::generic::{ConstIdx, GenericFunction, NameIdx, Pc, SlotIdx, SlotKind};
use flashpoint_ir::slot::Slot;

use super::lower;
use super::profile::Profile;

/// A register: a slot of the function, or a constant behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg(u32);

impl Reg {
    #[inline(always)]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an [`Op`] does. Comments give the operands `a`, `b`, `c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum OpCode {
    /// As the generic form says; takes more than the fast path is worth.
    Host,
    /// dst, callee, index of the first argument in `Code::call_args`.
    Call,
    /// dst, name.
    LoadGlobal,
    // Frequent ones of those of `Host`, dispatched at once.
    GetItem,
    SetItem,
    /// loop: makes the iterator of the loop whose header comes next.
    GetIter,
    /// A tuple that the next operation uses as an index: does the work of both if the host finds an element.
    Element,
    /// dst, constant.
    Const,
    /// dst, src.
    Move,
    /// slot.
    CheckBound,
    // dst, lhs, rhs: binary and in-place operators, in the order of `BinOp`.
    Add,
    Sub,
    Mul,
    TrueDiv,
    FloorDiv,
    Mod,
    Pow,
    LShift,
    RShift,
    And,
    Or,
    Xor,
    MatMul,
    /// dst, src, operator (`UnOp`).
    Unary,
    // dst, lhs, rhs: in the order of `CmpOp`.
    Lt,
    Le,
    Eq,
    Ne,
    Gt,
    Ge,
    Is,
    IsNot,
    In,
    NotIn,
    // target, lhs, rhs: goes to the target if false (with `IF_TRUE`: if true), else to the next operation.
    BranchLt,
    BranchLe,
    BranchEq,
    BranchNe,
    BranchGt,
    BranchGe,
    BranchIs,
    BranchIsNot,
    BranchIn,
    BranchNotIn,
    /// target.
    Jump,
    /// target, index of the loop, position of the operation that jumps.
    JumpBack,
    /// cond, if true, if false.
    Branch,
    /// dst, iterator, exhausted.
    ForNext,
    /// src.
    Return,
}

/// What is known of an operation's operands.
pub(super) mod flag {
    /// The `b` operand is consumed.
    pub const B_TEMP: u8 = 1;
    /// The `c` operand is consumed.
    pub const C_TEMP: u8 = 2;
    /// What `dst` holds must be released: it is no temporary.
    pub const DROP_DST: u8 = 4;
    /// The operator is in-place.
    pub const IN_PLACE: u8 = 8;
    /// Branches if the comparison is true.
    pub const IF_TRUE: u8 = 16;
}

/// One operation of the compact form.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Op {
    pub(super) code: OpCode,
    pub(super) flags: u8,
    /// The operation that raises, if one does, is this many places on. Of a `Call`: the number of its arguments.
    pub(super) fault: u8,
    /// The next operation is this many places on.
    pub(super) next: u8,
    a: u32,
    b: u32,
    c: u32,
}

const _: () = assert!(size_of::<Op>() == 16);

impl Op {
    pub(super) fn new(code: OpCode, a: u32, b: u32, c: u32) -> Op {
        Op { code, flags: 0, fault: 0, next: 1, a, b, c }
    }

    /// A `Call`; its arguments are those from `first` on of the code's.
    pub(super) fn call(dst: u32, callee: u32, first: u32, n_args: u8) -> Op {
        Op { fault: n_args, ..Op::new(OpCode::Call, dst, callee, first) }
    }

    pub(super) fn with_flag(mut self, flag: u8, set: bool) -> Op {
        if set {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
        self
    }

    /// The operands as lowering edits them.
    pub(super) fn operands_mut(&mut self) -> [&mut u32; 3] {
        [&mut self.a, &mut self.b, &mut self.c]
    }

    #[inline(always)]
    pub(super) fn reg_a(&self) -> Reg {
        Reg(self.a)
    }

    #[inline(always)]
    pub(super) fn reg_b(&self) -> Reg {
        Reg(self.b)
    }

    #[inline(always)]
    pub(super) fn reg_c(&self) -> Reg {
        Reg(self.c)
    }

    /// The name of a `LoadGlobal`.
    #[inline(always)]
    pub(super) fn name(&self) -> NameIdx {
        NameIdx(self.b)
    }

    #[inline(always)]
    pub(super) fn a(&self) -> usize {
        self.a as usize
    }

    #[inline(always)]
    pub(super) fn b(&self) -> usize {
        self.b as usize
    }

    #[inline(always)]
    pub(super) fn c(&self) -> usize {
        self.c as usize
    }
}

/// An argument of a `Call`: its register, and whether that is a temporary.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallArg(u32);

impl CallArg {
    pub(super) fn new(slot: SlotIdx, is_temp: bool) -> CallArg {
        CallArg(slot.0 << 1 | u32::from(is_temp))
    }

    #[inline(always)]
    pub(super) fn reg(self) -> Reg {
        Reg(self.0 >> 1)
    }

    #[inline(always)]
    pub(super) fn is_temp(self) -> bool {
        self.0 & 1 != 0
    }
}

/// A loop: its header and its counter.
#[derive(Debug)]
pub struct Loop {
    /// The target of the back edges.
    pub header: Pc,
    /// Back edges left until [`super::Hooks::on_back_edge`] is asked.
    pub(super) counter: AtomicU32,
    /// What the counter was set to last.
    armed: AtomicU32,
    /// Back edges taken before that.
    taken: AtomicU32,
    /// Whether [`super::Hooks::on_entry`] is asked before the first iteration.
    pub(super) asks_at_entry: AtomicBool,
}

impl Loop {
    pub(super) fn new(header: Pc, trips: u32) -> Loop {
        Loop {
            header,
            counter: AtomicU32::new(trips),
            armed: AtomicU32::new(trips),
            taken: AtomicU32::new(0),
            asks_at_entry: AtomicBool::new(false),
        }
    }

    /// From now on the hook is asked before the first iteration too, if the loop is a `for` loop.
    pub fn ask_at_entry(&self) {
        self.asks_at_entry.store(true, Ordering::Relaxed);
    }

    /// Sets the number of back edges until the hook is asked; at least 1.
    pub fn arm(&self, trips: u32) {
        self.taken.store(self.taken(), Ordering::Relaxed);
        self.armed.store(trips.max(1), Ordering::Relaxed);
        self.counter.store(trips.max(1), Ordering::Relaxed);
    }

    /// Back edges taken in tier 0 so far; roughly, if several threads are in the loop.
    pub fn taken(&self) -> u32 {
        let stretch = self.armed.load(Ordering::Relaxed).saturating_sub(self.remaining());
        self.taken.load(Ordering::Relaxed).saturating_add(stretch)
    }

    /// Back edges left.
    pub fn remaining(&self) -> u32 {
        self.counter.load(Ordering::Relaxed)
    }
}

/// A handler, and what its entry drops.
#[derive(Debug)]
pub(super) struct Protected {
    pub(super) start: Pc,
    pub(super) end: Pc,
    pub(super) target: Pc,
    pub(super) dead: Box<[SlotIdx]>,
}

/// Why a generic function cannot be loaded: it breaks an invariant of its form. A defect of the front end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The operation.
    pub pc: Pc,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "operation {}: {}", self.pc.0, self.what)
    }
}

impl std::error::Error for LoadError {}

/// A loaded function. Shared by all threads and all closures of the same definition.
#[derive(Debug)]
pub struct Code {
    pub(super) generic: Arc<GenericFunction>,
    pub(super) ops: Box<[Op]>,
    /// Arguments of the `Call`s, one after the other.
    pub(super) call_args: Box<[CallArg]>,
    /// What a frame holds in the beginning: unbound slots, and the constants behind them.
    pub(super) frame_image: Box<[Slot]>,
    /// Where each unboxed constant is.
    pub(super) constant_regs: Box<[Option<u32>]>,
    pub(super) is_temp: Box<[bool]>,
    pub(super) n_variables: usize,
    pub(super) handlers: Box<[Protected]>,
    pub(super) loops: Box<[Loop]>,
    pub(super) profile: Profile,
    pub(super) free_slots: Range<usize>,
    /// Whether integers wrap at 64 bits.
    pub(super) wraps: bool,
}

impl Code {
    /// Loads a function. Each loop's hook is asked after `trips` back edges.
    pub fn load(generic: Arc<GenericFunction>, trips: u32) -> Result<Code, LoadError> {
        lower::lower(generic, trips)
    }

    /// The same, with integers that wrap at 64 bits or do not, as the user had it.
    #[must_use]
    pub fn with_wrap(self, wraps: bool) -> Code {
        Code { wraps, ..self }
    }

    /// The function in generic form.
    #[inline]
    pub fn generic(&self) -> &Arc<GenericFunction> {
        &self.generic
    }

    /// Number of slots of the function.
    #[inline]
    pub fn n_slots(&self) -> usize {
        self.is_temp.len()
    }

    /// Number of slots that are no temporaries: those that may own something when the function returns.
    #[inline]
    pub(super) fn n_variables(&self) -> usize {
        self.n_variables
    }

    /// What a frame holds in the beginning.
    #[inline]
    pub(super) fn frame_image(&self) -> &[Slot] {
        &self.frame_image
    }

    /// The loops, in the order of their headers.
    #[inline]
    pub fn loops(&self) -> &[Loop] {
        &self.loops
    }

    /// What was seen.
    #[inline]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The slots of the closure's cells.
    #[inline]
    pub fn free_slots(&self) -> Range<usize> {
        self.free_slots.clone()
    }

    /// The value of a constant that a slot holds unboxed.
    pub fn constant(&self, value: ConstIdx) -> Option<Slot> {
        let reg = self.constant_regs[value.0 as usize]?;
        Some(self.frame_image[reg as usize])
    }

    /// The register of a constant that is held unboxed.
    #[cfg(test)]
    pub(super) fn constant_reg(&self, index: usize) -> Reg {
        Reg(self.constant_regs[index].expect("an unboxed constant"))
    }

    #[inline]
    pub(super) fn is_temp(&self, slot: SlotIdx) -> bool {
        self.is_temp[slot.0 as usize]
    }

    pub(super) fn kind(&self, slot: SlotIdx) -> SlotKind {
        self.generic.slots[slot.0 as usize].kind
    }

    /// The arguments of a `Call`.
    #[inline(always)]
    pub(super) fn args_of(&self, call: &Op) -> &[CallArg] {
        debug_assert_eq!(call.code, OpCode::Call);
        &self.call_args[call.c()..call.c() + usize::from(call.fault)]
    }

    /// A register for a slot of the generic form, which `lower` has checked.
    #[inline(always)]
    pub(super) fn reg(&self, slot: SlotIdx) -> Reg {
        debug_assert!((slot.0 as usize) < self.n_slots());
        Reg(slot.0)
    }

    /// The innermost handler that protects `pc`.
    pub(super) fn handler_of(&self, pc: Pc) -> Option<&Protected> {
        self.handlers.iter().find(|h| h.start <= pc && pc < h.end)
    }
}
