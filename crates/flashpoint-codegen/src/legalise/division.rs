//! Division: floor division at any width, and everything at 128 bits.

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{BinaryOp, ConvertOp, InstKind, IntCC, Lane, Type, UnaryOp, Value};

use super::expander::Expander;

/// Expands a division or remainder into `result`.
pub(super) fn expand(x: &mut Expander, op: BinaryOp, a: Value, b: Value, result: Value) {
    let ty = x.ty(a);
    if ty.lane == Lane::I1 {
        // The only defined divisor of a single bit is 1, which to a signed division is -1, and then the dividend is 0.
        return x.define(result, InstKind::Binary(BinaryOp::Xor, a, a));
    }
    let is_floor = matches!(op, BinaryOp::SdivFloor | BinaryOp::SremFloor);
    if is_floor && expand_power_of_two(x, op, a, b, result) {
        return;
    }
    let is_quotient = matches!(op, BinaryOp::Sdiv | BinaryOp::Udiv | BinaryOp::SdivFloor);
    let (quotient, remainder) = if ty.lane == Lane::I128 {
        match op {
            BinaryOp::Udiv | BinaryOp::Urem => divide_unsigned_i128(x, a, b),
            _ => divide_signed_i128(x, a, b),
        }
    } else {
        let quotient = x.binary(BinaryOp::Sdiv, a, b);
        let product = x.binary(BinaryOp::Imul, quotient, b);
        (quotient, x.binary(BinaryOp::Isub, a, product))
    };
    if !is_floor {
        // A bitwise or with itself names the value: the original result must be defined by an instruction.
        let value = if is_quotient { quotient } else { remainder };
        x.define(result, InstKind::Binary(BinaryOp::Or, value, value));
        return;
    }

    // Truncation differs from the floor if the remainder is not zero and its sign is not the divisor's.
    let signs = x.binary(BinaryOp::Xor, remainder, b);
    let differ = x.icmp_const(IntCC::Slt, signs, 0);
    let inexact = x.icmp_const(IntCC::Ne, remainder, 0);
    let adjust = if planted(Defect::FloorAdjustsExact) { differ } else { x.binary(BinaryOp::And, differ, inexact) };
    if is_quotient {
        let minus_one = x.convert(ConvertOp::Sext, adjust, ty);
        x.define(result, InstKind::Binary(BinaryOp::Iadd, quotient, minus_one));
    } else {
        let zero = x.iconst(ty, 0);
        let correction = x.select(adjust, b, zero);
        x.define(result, InstKind::Binary(BinaryOp::Iadd, remainder, correction));
    }
}

/// Floor division by a positive power of two is a shift, its remainder a mask.
fn expand_power_of_two(x: &mut Expander, op: BinaryOp, a: Value, b: Value, result: Value) -> bool {
    let ty = x.ty(a);
    let Some(divisor) = x.constant(b) else { return false };
    if divisor <= 0 || divisor & (divisor - 1) != 0 {
        return false;
    }
    let kind = if op == BinaryOp::SdivFloor {
        let shift = x.iconst(ty, i128::from(divisor.trailing_zeros()));
        InstKind::Binary(BinaryOp::Ashr, a, shift)
    } else {
        let mask = x.iconst(ty, divisor - 1);
        InstKind::Binary(BinaryOp::And, a, mask)
    };
    x.define(result, kind);
    true
}

/// Truncating division: magnitudes are divided, then the signs put back.
fn divide_signed_i128(x: &mut Expander, a: Value, b: Value) -> (Value, Value) {
    let a_negative = x.icmp_const(IntCC::Slt, a, 0);
    let b_negative = x.icmp_const(IntCC::Slt, b, 0);
    let a_magnitude = negate_if(x, a_negative, a);
    let b_magnitude = negate_if(x, b_negative, b);
    let (quotient, remainder) = divide_unsigned_i128(x, a_magnitude, b_magnitude);
    let differ = x.binary(BinaryOp::Xor, a_negative, b_negative);
    let quotient = negate_if(x, differ, quotient);
    let remainder = negate_if(x, a_negative, remainder);
    (quotient, remainder)
}

/// `-a` if `cond`, else `a`.
pub(super) fn negate_if(x: &mut Expander, cond: Value, a: Value) -> Value {
    let negated = x.unary(UnaryOp::Ineg, a);
    x.select(cond, negated, a)
}

/// Unsigned division by size: both operands of 64 bits (one division), a divisor of 64 bits (a division of 128 by 64 bits
/// in two steps), or a large divisor (bit by bit: at most 64 rounds).
fn divide_unsigned_i128(x: &mut Expander, a: Value, b: Value) -> (Value, Value) {
    let wide = [Type::I128, Type::I128];
    let (join, results) = x.new_block(&wide);
    let (short, _) = x.new_block(&[]);
    let (long, _) = x.new_block(&[]);
    let (by_word, _) = x.new_block(&[]);
    let (by_more, _) = x.new_block(&[]);

    let (a_low, a_high) = (x.low(a), x.high(a));
    let (b_low, b_high) = (x.low(b), x.high(b));
    let highs = x.binary(BinaryOp::Or, a_high, b_high);
    let is_short = x.icmp_const(IntCC::Eq, highs, 0);
    x.branch(is_short, (short, &[]), (long, &[]));

    x.switch_to(short);
    let quotient = x.binary(BinaryOp::Udiv, a_low, b_low);
    let product = x.binary(BinaryOp::Imul, quotient, b_low);
    let remainder = x.binary(BinaryOp::Isub, a_low, product);
    let (quotient, remainder) = (x.wide(quotient), x.wide(remainder));
    x.jump(join, &[quotient, remainder]);

    x.switch_to(long);
    let is_word = x.icmp_const(IntCC::Eq, b_high, 0);
    x.branch(is_word, (by_word, &[]), (by_more, &[]));

    x.switch_to(by_word);
    let high_quotient = x.binary(BinaryOp::Udiv, a_high, b_low);
    let product = x.binary(BinaryOp::Imul, high_quotient, b_low);
    let high_remainder = x.binary(BinaryOp::Isub, a_high, product);
    let (low_quotient, remainder) = divide_128_by_64(x, high_remainder, a_low, b_low);
    let (high_quotient, low_quotient) = (x.wide(high_quotient), x.wide(low_quotient));
    let high_quotient = x.binary_const(BinaryOp::Shl, high_quotient, 64);
    let quotient = x.binary(BinaryOp::Or, high_quotient, low_quotient);
    let remainder = x.wide(remainder);
    x.jump(join, &[quotient, remainder]);

    x.switch_to(by_more);
    divide_by_bits(x, a, b, join);

    x.switch_to(join);
    (results[0], results[1])
}

/// Shift and subtract. Ends the block; goes to `join` with quotient and remainder.
fn divide_by_bits(x: &mut Expander, a: Value, b: Value, join: flashpoint_ir::typed::Block) {
    let (rounds, params) = x.new_block(&[Type::I128, Type::I128, Type::I128]);
    let a_zeros = x.unary(UnaryOp::Clz, a);
    let b_zeros = x.unary(UnaryOp::Clz, b);
    let zero = x.iconst(Type::I128, 0);
    let is_less = x.icmp(IntCC::Ult, b_zeros, a_zeros);
    let shift = x.binary(BinaryOp::Isub, b_zeros, a_zeros);
    x.branch(is_less, (join, &[zero, a]), (rounds, &[shift, a, zero]));

    x.switch_to(rounds);
    let &[shift, rest, quotient] = params.as_slice() else { unreachable!("the block has three parameters") };
    let part = x.binary(BinaryOp::Shl, b, shift);
    let fits = x.icmp(IntCC::Uge, rest, part);
    let zero = x.iconst(Type::I128, 0);
    let part = x.select(fits, part, zero);
    let rest = x.binary(BinaryOp::Isub, rest, part);
    let bit = x.convert(ConvertOp::Zext, fits, Type::I128);
    let doubled = x.binary_const(BinaryOp::Shl, quotient, 1);
    let quotient = x.binary(BinaryOp::Or, doubled, bit);
    let is_last = x.icmp(IntCC::Eq, shift, zero);
    let next = x.binary_const(BinaryOp::Isub, shift, 1);
    x.branch(is_last, (join, &[quotient, rest]), (rounds, &[next, rest, quotient]));
}

/// `(high, low) / d` for `high < d`: quotient and remainder, both of 64 bits. Knuth's algorithm D with digits of 32 bits
/// ("The Art of Computer Programming" 2, 4.3.1), the two corrections of each digit without branches.
fn divide_128_by_64(x: &mut Expander, high: Value, low: Value, d: Value) -> (Value, Value) {
    // Normalised so that the divisor's highest bit is set.
    let shift = x.unary(UnaryOp::Clz, d);
    let d = x.binary(BinaryOp::Shl, d, shift);
    let d1 = x.binary_const(BinaryOp::Lshr, d, 32);
    let d0 = x.binary_const(BinaryOp::And, d, 0xffff_ffff);
    // low >> (64 - shift), which is 0 for shift 0, in two defined shifts.
    let back = x.iconst(Type::I64, 63);
    let back = x.binary(BinaryOp::Isub, back, shift);
    let carried = x.binary_const(BinaryOp::Lshr, low, 1);
    let carried = x.binary(BinaryOp::Lshr, carried, back);
    let shifted = x.binary(BinaryOp::Shl, high, shift);
    let n32 = x.binary(BinaryOp::Or, shifted, carried);
    let n10 = x.binary(BinaryOp::Shl, low, shift);
    let n1 = x.binary_const(BinaryOp::Lshr, n10, 32);
    let n0 = x.binary_const(BinaryOp::And, n10, 0xffff_ffff);

    let (q1, n21) = divide_digit(x, n32, n1, d, d1, d0);
    let (q0, rest) = divide_digit(x, n21, n0, d, d1, d0);
    let q1 = x.binary_const(BinaryOp::Shl, q1, 32);
    let quotient = x.binary(BinaryOp::Or, q1, q0);
    let remainder = x.binary(BinaryOp::Lshr, rest, shift);
    (quotient, remainder)
}

/// One digit of the quotient of `top * 2^32 + next` by `d`, and what remains.
fn divide_digit(x: &mut Expander, top: Value, next: Value, d: Value, d1: Value, d0: Value) -> (Value, Value) {
    let mut q = x.binary(BinaryOp::Udiv, top, d1);
    let product = x.binary(BinaryOp::Imul, q, d1);
    let mut rest = x.binary(BinaryOp::Isub, top, product);
    let zero = x.iconst(Type::I64, 0);
    for _ in 0..2 {
        // Too large if q >= 2^32 or q * d0 > rest * 2^32 + next; `rest >= 2^32` says that it is not. The product may
        // wrap only where the first condition holds.
        let is_beyond = x.icmp_const(IntCC::Ugt, q, 0xffff_ffff);
        let product = x.binary(BinaryOp::Imul, q, d0);
        let estimate = x.binary_const(BinaryOp::Shl, rest, 32);
        let estimate = x.binary(BinaryOp::Or, estimate, next);
        let is_above = x.icmp(IntCC::Ugt, product, estimate);
        let is_large = x.binary(BinaryOp::Or, is_beyond, is_above);
        let is_open = x.icmp_const(IntCC::Ule, rest, 0xffff_ffff);
        let correct = x.binary(BinaryOp::And, is_large, is_open);
        let one = x.convert(ConvertOp::Zext, correct, Type::I64);
        q = x.binary(BinaryOp::Isub, q, one);
        let more = x.select(correct, d1, zero);
        rest = x.binary(BinaryOp::Iadd, rest, more);
    }
    let shifted = x.binary_const(BinaryOp::Shl, top, 32);
    let dividend = x.binary(BinaryOp::Or, shifted, next);
    let product = x.binary(BinaryOp::Imul, q, d);
    let remaining = x.binary(BinaryOp::Isub, dividend, product);
    (q, remaining)
}
