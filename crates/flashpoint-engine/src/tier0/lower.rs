//! Loading: checks a generic function and makes its compact form.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use flashpoint_ir::generic::{BinOp, CmpOp, Const, GenericFunction, GenericOp, Pc, SlotIdx, SlotInfo, SlotKind};
use flashpoint_ir::slot::Slot;

use super::code::{CallArg, Code, LoadError, Loop, Op, OpCode, Protected, flag};
use super::exec::MAX_INDICES;
use super::liveness::dead_at_handlers;
use super::operands::{for_each_read, for_each_successor, for_each_write};
use super::profile::Profile;

/// Makes the compact form of `generic`.
pub(super) fn lower(generic: Arc<GenericFunction>, trips: u32) -> Result<Code, LoadError> {
    check(&generic)?;
    let mut lowering = Lowering::new(&generic);
    let n_ops = generic.ops.len();
    for pc in 0..n_ops {
        let op = lowering.lower_sequence(pc);
        lowering.ops.push(op);
    }
    for pc in 0..n_ops {
        lowering.route_back_edges(pc);
    }
    let Lowering { ops, call_args, constants, constant_regs, is_temp, headers, .. } = lowering;
    let handlers = generic.handlers.iter().zip(dead_at_handlers(&generic)).map(|(handler, dead)| Protected {
        start: handler.start,
        end: handler.end,
        target: handler.target,
        dead: dead.into(),
    });
    let arm = |&header: &u32| Loop::new(Pc(header), trips.max(1));
    Ok(Code {
        wraps: false,
        ops: ops.into(),
        call_args: call_args.into(),
        frame_image: std::iter::repeat_n(Slot::UNBOUND, generic.slots.len()).chain(constants).collect(),
        constant_regs: constant_regs.into(),
        is_temp: is_temp.into(),
        n_variables: n_variables(&generic),
        handlers: handlers.collect(),
        loops: headers.iter().map(arm).collect(),
        profile: Profile::new(n_ops),
        free_slots: free_slots(&generic),
        generic,
    })
}

/// Checks what the interpreter relies on for memory safety: slots, targets, names and constants exist.
fn check(function: &GenericFunction) -> Result<(), LoadError> {
    let error = |pc: usize, what: String| Err(LoadError { pc: Pc(pc as u32), what });
    let (n_slots, n_ops) = (function.slots.len() as u32, function.ops.len() as u32);
    if function.ops.is_empty() {
        return error(0, "there are no operations".into());
    }
    if function.params.n_slots() > n_slots {
        return error(0, "a parameter has no slot".into());
    }
    if function.spans.len() != function.ops.len() {
        return error(0, "there are not as many spans as operations".into());
    }
    for (pc, op) in function.ops.iter().enumerate() {
        let mut bad_slot = None;
        let mut note = |slot: SlotIdx| {
            if slot.0 >= n_slots {
                bad_slot = Some(slot);
            }
        };
        for_each_read(op, &mut note);
        for_each_write(op, &mut note);
        // A cell is read before it is written, which liveness need not know.
        if let GenericOp::MakeCell { cell, .. } = op {
            note(*cell);
        }
        if let Some(slot) = bad_slot {
            return error(pc, format!("slot {} does not exist", slot.0));
        }
        let mut bad_target = None;
        for_each_successor(op, Pc(pc as u32), &mut |target| {
            if target.0 >= n_ops {
                bad_target = Some(target);
            }
        });
        if let Some(target) = bad_target {
            return error(pc, format!("it goes on at {}, which does not exist", target.0));
        }
        if let GenericOp::Const { value, .. } = op
            && value.0 as usize >= function.consts.len()
        {
            return error(pc, format!("constant {} does not exist", value.0));
        }
    }
    for handler in &function.handlers {
        if handler.target.0 >= n_ops {
            return error(handler.target.0 as usize, "a handler does not exist".into());
        }
    }
    Ok(())
}

/// The number of slots up to the last one that is no temporary.
fn n_variables(function: &GenericFunction) -> usize {
    let is_variable = |slot: &SlotInfo| !matches!(slot.kind, SlotKind::Temp | SlotKind::Pinned);
    function.slots.iter().rposition(is_variable).map_or(0, |last| last + 1)
}

/// The slots of kind `Free`, which are adjacent.
fn free_slots(function: &GenericFunction) -> Range<usize> {
    let is_free = |index: &usize| function.slots[*index].kind == SlotKind::Free;
    let start = (0..function.slots.len()).find(is_free).unwrap_or(0);
    let len = (start..function.slots.len()).take_while(is_free).count();
    start..start + len
}

/// The slot of a constant that needs no host.
fn unboxed(value: &Const) -> Option<Slot> {
    match value {
        Const::None => Some(Slot::NONE),
        Const::Bool(value) => Some(Slot::bool(*value)),
        Const::Int(value) => Some(Slot::int(*value)),
        Const::Float(bits) => Some(Slot::float(f64::from_bits(*bits))),
        Const::Complex(re, im) => Some(Slot::complex(f64::from_bits(*re), f64::from_bits(*im))),
        Const::BigInt(_) | Const::Ellipsis | Const::Str(_) | Const::Bytes(_) | Const::Tuple(_) => None,
    }
}

struct Lowering<'a> {
    function: &'a GenericFunction,
    ops: Vec<Op>,
    call_args: Vec<CallArg>,
    constants: Vec<Slot>,
    constant_regs: Vec<Option<u32>>,
    is_temp: Vec<bool>,
    /// Headers of loops, sorted.
    headers: Vec<u32>,
}

impl<'a> Lowering<'a> {
    fn new(function: &'a GenericFunction) -> Lowering<'a> {
        let n_slots = function.slots.len() as u32;
        let mut constants = Vec::new();
        let mut constant_regs = Vec::new();
        for value in &function.consts {
            let slot = unboxed(value);
            constant_regs.push(slot.map(|_| n_slots + constants.len() as u32));
            constants.extend(slot);
        }
        let mut headers = BTreeSet::new();
        for (pc, op) in function.ops.iter().enumerate() {
            for_each_successor(op, Pc(pc as u32), &mut |target| {
                if target.0 <= pc as u32 {
                    headers.insert(target.0);
                }
            });
        }
        Lowering {
            function,
            ops: Vec::with_capacity(function.ops.len()),
            call_args: Vec::new(),
            constants,
            constant_regs,
            is_temp: function.slots.iter().map(|slot| slot.kind == SlotKind::Temp).collect(),
            headers: headers.into_iter().collect(),
        }
    }

    fn is_temp(&self, slot: SlotIdx) -> bool {
        self.is_temp[slot.0 as usize]
    }

    /// The operation at `pc`, doing the work of those that follow where that is possible.
    fn lower_sequence(&mut self, pc: usize) -> Op {
        let function = self.function;
        let ops = &function.ops;
        let (mut op, mut last) = (self.lower_single(pc), pc);
        // A constant operand: read where it lies.
        if let GenericOp::Const { dst, value } = &ops[pc]
            && let Some(constant) = self.constant_regs[value.0 as usize]
            && self.is_temp(*dst)
            && let Some(next) = ops.get(pc + 1)
            && matches!(next, GenericOp::Binary { .. } | GenericOp::InPlace { .. } | GenericOp::Compare { .. })
        {
            let mut fused = self.lower_single(pc + 1);
            let [_, lhs, rhs] = fused.operands_mut();
            if *lhs == dst.0 {
                *lhs = constant;
                (op, last) = (fused.with_flag(flag::B_TEMP, false), pc + 1);
            } else if *rhs == dst.0 {
                *rhs = constant;
                (op, last) = (fused.with_flag(flag::C_TEMP, false), pc + 1);
            }
        }
        // A tuple that is an index.
        if let GenericOp::BuildTuple { dst, items } = &ops[pc]
            && let Some(GenericOp::GetItem { index, .. } | GenericOp::SetItem { index, .. }) = ops.get(pc + 1)
            && dst == index
            && self.is_temp(*dst)
            && items.len() <= MAX_INDICES
        {
            op.code = OpCode::Element;
        }
        let fault = last;
        match (&ops[last], ops.get(last + 1)) {
            // A result that goes to a variable: written there at once.
            (
                GenericOp::Binary { dst, .. } | GenericOp::InPlace { dst, .. } | GenericOp::Unary { dst, .. },
                Some(GenericOp::Move { dst: variable, src }),
            ) if dst == src && self.is_temp(*dst) => {
                *op.operands_mut()[0] = variable.0;
                op = op.with_flag(flag::DROP_DST, !self.is_temp(*variable));
                last += 1;
            }
            // A comparison that decides a branch of which one side comes next.
            (GenericOp::Compare { op: cmp, dst, .. }, Some(GenericOp::Branch { cond, if_true, if_false }))
                if dst == cond && self.is_temp(*dst) =>
            {
                let after = last as u32 + 2;
                if let Some((target, if_true)) = match (if_true.0 == after, if_false.0 == after) {
                    (true, _) => Some((if_false.0, false)),
                    (_, true) => Some((if_true.0, true)),
                    _ => None,
                } {
                    op.code = branch_code(*cmp);
                    *op.operands_mut()[0] = target;
                    op = op.with_flag(flag::IF_TRUE, if_true);
                    last += 1;
                }
            }
            _ => {}
        }
        if last != pc {
            op.fault = (fault - pc) as u8;
            op.next = (last + 1 - pc) as u8;
        }
        op
    }

    /// The operation at `pc` alone.
    fn lower_single(&mut self, pc: usize) -> Op {
        let function = self.function;
        match &function.ops[pc] {
            GenericOp::Const { dst, value } => match self.constant_regs[value.0 as usize] {
                Some(constant) => self.writing(Op::new(OpCode::Const, dst.0, constant, 0), *dst),
                None => Op::new(OpCode::Host, 0, 0, 0),
            },
            GenericOp::Move { dst, src } => {
                let op = Op::new(OpCode::Move, dst.0, src.0, 0).with_flag(flag::B_TEMP, self.is_temp(*src));
                self.writing(op, *dst)
            }
            GenericOp::CheckBound { slot } => Op::new(OpCode::CheckBound, slot.0, 0, 0),
            GenericOp::Binary { op, dst, lhs, rhs } => self.operator(binary_code(*op), *dst, *lhs, *rhs),
            GenericOp::InPlace { op, dst, lhs, rhs } => {
                self.operator(binary_code(*op), *dst, *lhs, *rhs).with_flag(flag::IN_PLACE, true)
            }
            GenericOp::Compare { op, dst, lhs, rhs } => self.operator(compare_code(*op), *dst, *lhs, *rhs),
            GenericOp::Unary { op, dst, src } => {
                let op = Op::new(OpCode::Unary, dst.0, src.0, *op as u32);
                self.writing(op.with_flag(flag::B_TEMP, self.is_temp(*src)), *dst)
            }
            GenericOp::Jump { target } => Op::new(OpCode::Jump, target.0, 0, 0),
            GenericOp::Branch { cond, if_true, if_false } => Op::new(OpCode::Branch, cond.0, if_true.0, if_false.0),
            GenericOp::ForNext { dst, iter, exhausted } => {
                self.writing(Op::new(OpCode::ForNext, dst.0, iter.0, exhausted.0), *dst)
            }
            GenericOp::Return { src } => Op::new(OpCode::Return, src.0, 0, 0),
            GenericOp::Call { dst, callee, args } => {
                let Ok(n_args) = u8::try_from(args.len()) else { return Op::new(OpCode::Host, 0, 0, 0) };
                let first = self.call_args.len() as u32;
                for arg in args {
                    self.call_args.push(CallArg::new(*arg, self.is_temp(*arg)));
                }
                let op = Op::call(dst.0, callee.0, first, n_args).with_flag(flag::B_TEMP, self.is_temp(*callee));
                self.writing(op, *dst)
            }
            GenericOp::LoadGlobal { dst, name } => self.writing(Op::new(OpCode::LoadGlobal, dst.0, name.0, 0), *dst),
            GenericOp::GetItem { .. } => Op::new(OpCode::GetItem, 0, 0, 0),
            GenericOp::SetItem { .. } => Op::new(OpCode::SetItem, 0, 0, 0),
            GenericOp::GetIter { .. } if self.headers.binary_search(&(pc as u32 + 1)).is_ok() => {
                Op::new(OpCode::GetIter, loop_of(&self.headers, pc as u32 + 1), 0, 0)
            }
            _ => Op::new(OpCode::Host, 0, 0, 0),
        }
    }

    fn operator(&self, code: OpCode, dst: SlotIdx, lhs: SlotIdx, rhs: SlotIdx) -> Op {
        let op = Op::new(code, dst.0, lhs.0, rhs.0)
            .with_flag(flag::B_TEMP, self.is_temp(lhs))
            .with_flag(flag::C_TEMP, self.is_temp(rhs));
        self.writing(op, dst)
    }

    /// A temporary is dead when it is written; anything else may own what it holds.
    fn writing(&self, op: Op, dst: SlotIdx) -> Op {
        op.with_flag(flag::DROP_DST, !self.is_temp(dst))
    }

    /// Sends the backward targets of the operation at `pc` through `JumpBack` operations.
    fn route_back_edges(&mut self, pc: usize) {
        let op = self.ops[pc];
        // A fused branch jumps from where its `Branch` stands.
        let from = pc + usize::from(op.next) - 1;
        match op.code {
            OpCode::Jump if op.a() <= pc => {
                let [target, index, origin] = self.ops[pc].operands_mut();
                *index = loop_of(&self.headers, *target);
                *origin = pc as u32;
                self.ops[pc].code = OpCode::JumpBack;
            }
            OpCode::Branch => {
                self.route(pc, from, 1);
                self.route(pc, from, 2);
            }
            OpCode::ForNext => self.route(pc, from, 2),
            code if code as u8 >= OpCode::BranchLt as u8 && code as u8 <= OpCode::BranchNotIn as u8 => {
                self.route(pc, from, 0);
            }
            _ => {}
        }
    }

    /// Replaces one backward target by a `JumpBack` behind the function's operations.
    fn route(&mut self, pc: usize, from: usize, operand: usize) {
        let target = *self.ops[pc].operands_mut()[operand];
        if target as usize <= from {
            let index = loop_of(&self.headers, target);
            *self.ops[pc].operands_mut()[operand] = self.ops.len() as u32;
            self.ops.push(Op::new(OpCode::JumpBack, target, index, from as u32));
        }
    }
}

fn loop_of(headers: &[u32], header: u32) -> u32 {
    headers.partition_point(|&other| other < header) as u32
}

fn binary_code(op: BinOp) -> OpCode {
    match op {
        BinOp::Add => OpCode::Add,
        BinOp::Sub => OpCode::Sub,
        BinOp::Mul => OpCode::Mul,
        BinOp::TrueDiv => OpCode::TrueDiv,
        BinOp::FloorDiv => OpCode::FloorDiv,
        BinOp::Mod => OpCode::Mod,
        BinOp::Pow => OpCode::Pow,
        BinOp::LShift => OpCode::LShift,
        BinOp::RShift => OpCode::RShift,
        BinOp::And => OpCode::And,
        BinOp::Or => OpCode::Or,
        BinOp::Xor => OpCode::Xor,
        BinOp::MatMul => OpCode::MatMul,
    }
}

fn compare_code(op: CmpOp) -> OpCode {
    match op {
        CmpOp::Lt => OpCode::Lt,
        CmpOp::Le => OpCode::Le,
        CmpOp::Eq => OpCode::Eq,
        CmpOp::Ne => OpCode::Ne,
        CmpOp::Gt => OpCode::Gt,
        CmpOp::Ge => OpCode::Ge,
        CmpOp::Is => OpCode::Is,
        CmpOp::IsNot => OpCode::IsNot,
        CmpOp::In => OpCode::In,
        CmpOp::NotIn => OpCode::NotIn,
    }
}

fn branch_code(op: CmpOp) -> OpCode {
    match op {
        CmpOp::Lt => OpCode::BranchLt,
        CmpOp::Le => OpCode::BranchLe,
        CmpOp::Eq => OpCode::BranchEq,
        CmpOp::Ne => OpCode::BranchNe,
        CmpOp::Gt => OpCode::BranchGt,
        CmpOp::Ge => OpCode::BranchGe,
        CmpOp::Is => OpCode::BranchIs,
        CmpOp::IsNot => OpCode::BranchIsNot,
        CmpOp::In => OpCode::BranchIn,
        CmpOp::NotIn => OpCode::BranchNotIn,
    }
}
