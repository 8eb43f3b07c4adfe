//! Legalisation: rewrites instructions that no machine has into ones that every back end has, in the typed form itself, so
//! that there is one expansion for all back ends. Start at [`legalise`].
//!
//! Changes: floor division and its remainder (branch-free); division, multiplication with overflow check, and float
//! conversion of `i128`. Values, exits and existing blocks keep their numbers; an expansion that branches splits its block.
//! Invariant: the result calls nothing that the original did not (no compiler runtime is linked).

mod division;
mod expander;
mod int128;

use std::borrow::Cow;

use flashpoint_ir::typed::{BinaryOp, ConvertOp, InstKind, Lane, OverflowOp, Type, TypedFunction, Value};

use expander::Expander;

/// What a back end can do by itself.
#[derive(Clone, Copy, Debug)]
pub struct Legality {
    /// Multiplication of `i128` with overflow check.
    pub mul_overflow_i128: bool,
}

impl Legality {
    /// Cranelift's.
    pub const CRANELIFT: Legality = Legality { mul_overflow_i128: false };
    /// LLVM's: it expands the multiplication in line, and knows when it cannot overflow.
    pub const LLVM: Legality = Legality { mul_overflow_i128: true };
}

/// Rewrites what `legality` does not include. Borrows the function if there is nothing to do.
pub fn legalise(func: &TypedFunction, legality: Legality) -> Cow<'_, TypedFunction> {
    if !func.insts.iter().any(|inst| is_illegal(func, &inst.kind, legality)) {
        return Cow::Borrowed(func);
    }
    let mut expander = Expander::new(func.clone());
    for block in func.layout.clone() {
        expander.start_block(block);
        for inst in func.blocks[block.index()].insts.clone() {
            let data = &func.insts[inst.index()];
            if is_illegal(func, &data.kind, legality) {
                expander.set_line(data.line);
                expand(&mut expander, &data.kind, &data.results);
            } else {
                expander.keep(inst);
            }
        }
        expander.finish_block();
    }
    Cow::Owned(expander.finish())
}

fn is_illegal(func: &TypedFunction, kind: &InstKind, legality: Legality) -> bool {
    // Vectors of i128 stay as they are, for the back end to refuse: their expansions branch.
    let is_i128 = |value: Value| func.value_types[value.index()] == Type::I128;
    match kind {
        InstKind::Binary(BinaryOp::SdivFloor | BinaryOp::SremFloor, a, _) => {
            let ty = func.value_types[a.index()];
            ty.lane != Lane::I128 || ty.lanes == 1
        }
        InstKind::Binary(BinaryOp::Sdiv | BinaryOp::Srem | BinaryOp::Udiv | BinaryOp::Urem, a, _) => is_i128(*a),
        InstKind::Overflow(OverflowOp::SmulOverflow | OverflowOp::UmulOverflow, a, _) => {
            is_i128(*a) && !legality.mul_overflow_i128
        }
        InstKind::Convert(ConvertOp::SintToFloat | ConvertOp::UintToFloat, a, _) => is_i128(*a),
        InstKind::Convert(ConvertOp::FloatToSint | ConvertOp::FloatToUint, _, to) => *to == Type::I128,
        _ => false,
    }
}

fn expand(x: &mut Expander, kind: &InstKind, results: &[Value]) {
    match kind {
        InstKind::Binary(op, a, b) => division::expand(x, *op, *a, *b, results[0]),
        InstKind::Overflow(op, a, b) => int128::expand_mul_overflow(x, *op, *a, *b, results[0], results[1]),
        InstKind::Convert(op @ (ConvertOp::SintToFloat | ConvertOp::UintToFloat), a, to) => {
            int128::expand_to_float(x, *op, *a, *to, results[0]);
        }
        InstKind::Convert(op, a, _) => int128::expand_from_float(x, *op, *a, results[0]),
        _ => unreachable!("is_illegal names nothing else"),
    }
}
