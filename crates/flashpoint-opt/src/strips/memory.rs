//! Addresses in a counted loop: how they move, what ranges of memory a strip touches, copies of what computes them.

use std::collections::HashMap;

use flashpoint_ir::analysis::Loop;
use flashpoint_ir::typed::*;

use crate::counted::{Counter, Shape};
use crate::edit::{Def, Emitter};
use crate::licm::is_total;

/// Whether an address is the counter times something invariant plus something invariant.
pub(super) fn is_linear(func: &TypedFunction, shape: &Shape, info: &Loop, counter: &Counter, value: Value) -> bool {
    if value == counter.param || !shape.is_inside(info, value) {
        return true;
    }
    let linear = |v: Value| is_linear(func, shape, info, counter, v);
    match shape.defs.inst(func, value) {
        Some(InstKind::PtrAdd(a, b) | InstKind::Binary(BinaryOp::Iadd | BinaryOp::Isub, a, b)) => {
            linear(*a) && linear(*b)
        }
        Some(InstKind::Overflow(OverflowOp::SaddOverflow | OverflowOp::SsubOverflow, a, b)) => linear(*a) && linear(*b),
        Some(InstKind::Binary(BinaryOp::Imul, a, b)) => {
            (linear(*a) && !shape.is_inside(info, *b)) || (linear(*b) && !shape.is_inside(info, *a))
        }
        _ => false,
    }
}

/// First and last address of an access, as integers.
pub(super) fn ends(
    emit: &mut Emitter,
    at_counter: &impl Fn(&mut Emitter, Value, Value) -> Value,
    addr: Value,
    offset: i32,
    first: Value,
    last: Value,
) -> (Value, Value) {
    let mut end = |at: Value| {
        let addr = at_counter(emit, addr, at);
        let addr = emit.convert(ConvertOp::Bitcast, addr, Type::I64);
        let offset = emit.iconst(Type::I64, i128::from(offset));
        emit.binary(BinaryOp::Iadd, addr, offset)
    };
    (end(first), end(last))
}

/// Whether all of one access lies behind all of another, which reads or writes `size` bytes.
pub(super) fn is_behind(emit: &mut Emitter, access: (Value, Value), other: (Value, Value), size: i128) -> Value {
    // Addresses of user space are positive as integers.
    let lowest = emit.binary(BinaryOp::Smin, access.0, access.1);
    let highest = emit.binary(BinaryOp::Smax, other.0, other.1);
    let size = emit.iconst(Type::I64, size);
    let end = emit.binary(BinaryOp::Iadd, highest, size);
    emit.icmp(IntCC::Sge, lowest, end)
}

/// By how many bytes an address moves in one iteration, if that is a constant.
pub(super) fn stride_of(
    func: &TypedFunction,
    shape: &Shape,
    info: &Loop,
    counter: &Counter,
    value: Value,
) -> Option<i128> {
    if value == counter.param {
        return Some(counter.step);
    }
    if !shape.is_inside(info, value) {
        return Some(0);
    }
    let of = |v: Value| stride_of(func, shape, info, counter, v);
    match shape.defs.inst(func, value)? {
        InstKind::PtrAdd(a, b)
        | InstKind::Binary(BinaryOp::Iadd, a, b)
        | InstKind::Overflow(OverflowOp::SaddOverflow, a, b) => of(*a)?.checked_add(of(*b)?),
        InstKind::Binary(BinaryOp::Isub, a, b) | InstKind::Overflow(OverflowOp::SsubOverflow, a, b) => {
            of(*a)?.checked_sub(of(*b)?)
        }
        InstKind::Binary(BinaryOp::Imul, a, b) => of(*a)?.checked_mul(shape.defs.int(func, *b)?),
        _ => None,
    }
}

/// Whether one instruction comes before another in every iteration that reaches the other.
pub(super) fn precedes(func: &TypedFunction, shape: &Shape, first: Inst, second: Inst) -> bool {
    let place = |inst: Inst| {
        func.layout.iter().find_map(|block| {
            let at = func.blocks[block.index()].insts.iter().position(|i| *i == inst)?;
            Some((*block, at))
        })
    };
    match (place(first), place(second)) {
        (Some((a, i)), Some((b, j))) if a == b => i < j,
        (Some((a, _)), Some((b, _))) => shape.doms.dominates(a, b),
        _ => false,
    }
}

/// Copies the pure instructions of a loop that compute `value`, under other names for some of its values.
pub fn copy_slice(
    emit: &mut Emitter,
    shape: &Shape,
    info: &Loop,
    value: Value,
    names: &mut HashMap<Value, Value>,
) -> Value {
    if let Some(copy) = names.get(&value) {
        return *copy;
    }
    if !shape.is_inside(info, value) {
        return value;
    }
    let Def::Result(inst, _) = shape.defs.get(value) else { return value };
    let data = emit.func.insts[inst.index()].clone();
    debug_assert!(is_total(emit.func, &shape.defs, &data.kind));
    // A checked step of an address is an ordinary one here: the guard on it has been answered.
    let mut kind = match data.kind {
        InstKind::Overflow(op, a, b) => InstKind::Binary(crate::cleanup::unchecked(op), a, b),
        kind => kind,
    };
    kind.for_each_operand_mut(&mut |v| *v = copy_slice(emit, shape, info, *v, names));
    let ty = emit.ty(value);
    let copy = match kind {
        InstKind::Binary(op, a, b) => emit.binary(op, a, b),
        kind => {
            let copy = emit.push(kind, &[ty]);
            emit.func.insts[copy.index()].results[0]
        }
    };
    names.insert(value, copy);
    copy
}
