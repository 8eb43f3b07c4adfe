//! Multiplication with overflow check, and conversion from and to floats, of `i128`.

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{BinaryOp, ConvertOp, InstKind, IntCC, Lane, OverflowOp, Type, UnaryOp, Value};

use super::division::negate_if;
use super::expander::Expander;

/// The product of two `i128`, and whether it is too large.
pub(super) fn expand_mul_overflow(
    x: &mut Expander,
    op: OverflowOp,
    a: Value,
    b: Value,
    product: Value,
    overflow: Value,
) {
    x.define(product, InstKind::Binary(BinaryOp::Imul, a, b));
    if op == OverflowOp::UmulOverflow {
        let (_, too_large) = multiply_magnitudes(x, a, b);
        x.define(overflow, InstKind::Binary(BinaryOp::Or, too_large, too_large));
        return;
    }
    let a_negative = x.icmp_const(IntCC::Slt, a, 0);
    let b_negative = x.icmp_const(IntCC::Slt, b, 0);
    let a_magnitude = negate_if(x, a_negative, a);
    let b_magnitude = negate_if(x, b_negative, b);
    let (magnitude, too_large) = multiply_magnitudes(x, a_magnitude, b_magnitude);
    // A negative product may have the magnitude 2^127, a positive one must stay below.
    let differ = x.binary(BinaryOp::Xor, a_negative, b_negative);
    let one_more = x.convert(ConvertOp::Zext, differ, Type::I128);
    let limit = x.binary_const(BinaryOp::Iadd, one_more, i128::MAX);
    let beyond = x.icmp(IntCC::Ugt, magnitude, limit);
    x.define(overflow, InstKind::Binary(BinaryOp::Or, too_large, beyond));
}

/// The unsigned product of two `i128` modulo 2^128, and whether that is not the exact one.
fn multiply_magnitudes(x: &mut Expander, a: Value, b: Value) -> (Value, Value) {
    let (a_low, a_high) = (x.low(a), x.high(a));
    let (b_low, b_high) = (x.low(b), x.high(b));
    let [a0, a1, b0, b1] = [a_low, a_high, b_low, b_high].map(|half| x.wide(half));
    let low = x.binary(BinaryOp::Imul, a0, b0);
    let cross1 = x.binary(BinaryOp::Imul, a1, b0);
    let cross2 = x.binary(BinaryOp::Imul, a0, b1);

    // If both high halves are set the product has more than 128 bits; else one of the cross products is zero.
    let a_is_long = x.icmp_const(IntCC::Ne, a_high, 0);
    let b_is_long = x.icmp_const(IntCC::Ne, b_high, 0);
    let both = x.binary(BinaryOp::And, a_is_long, b_is_long);
    let cross = x.binary(BinaryOp::Or, cross1, cross2);
    let cross_high = x.high(cross);
    let cross_is_long = x.icmp_const(IntCC::Ne, cross_high, 0);
    let shifted = x.binary_const(BinaryOp::Shl, cross, 64);
    let sum = x.binary(BinaryOp::Iadd, low, shifted);
    let carries = x.icmp(IntCC::Ult, sum, low);
    let too_large = if planted(Defect::Int128ProductHigh) { both } else { x.binary(BinaryOp::Or, both, cross_is_long) };
    (sum, x.binary(BinaryOp::Or, too_large, carries))
}

/// `i128` to float, rounded to nearest even: the top 64 bits, with everything below gathered in the lowest of them, are
/// rounded by the machine's conversion, then scaled by an exact power of two.
pub(super) fn expand_to_float(x: &mut Expander, op: ConvertOp, a: Value, to: Type, result: Value) {
    let is_signed = op == ConvertOp::SintToFloat;
    let negative = x.icmp_const(IntCC::Slt, a, 0);
    let magnitude = if is_signed { negate_if(x, negative, a) } else { a };
    let zeros = x.unary(UnaryOp::Clz, magnitude);
    let sixty_four = x.iconst(Type::I128, 64);
    let zeros = x.binary(BinaryOp::Umin, zeros, sixty_four);
    let shift = x.binary(BinaryOp::Isub, sixty_four, zeros);
    let top = x.binary(BinaryOp::Lshr, magnitude, shift);
    let back = x.binary(BinaryOp::Shl, top, shift);
    let is_inexact = x.icmp(IntCC::Ne, back, magnitude);
    let sticky = x.convert(ConvertOp::Zext, is_inexact, Type::I64);
    let top = x.low(top);
    let top = x.binary(BinaryOp::Or, top, sticky);
    let rounded = x.convert(ConvertOp::UintToFloat, top, to);

    let (bits_ty, bias, mantissa_bits) =
        if to.lane == Lane::F32 { (Type::I32, 127, 23) } else { (Type::I64, 1023, 52) };
    let exponent = x.convert(ConvertOp::Trunc, shift, bits_ty);
    let exponent = x.binary_const(BinaryOp::Iadd, exponent, bias);
    let bits = x.binary_const(BinaryOp::Shl, exponent, mantissa_bits);
    let scale = x.convert(ConvertOp::Bitcast, bits, to);
    if is_signed {
        let scaled = x.binary(BinaryOp::Fmul, rounded, scale);
        let negated = x.unary(UnaryOp::Fneg, scaled);
        x.define(result, InstKind::Select(negative, negated, scaled));
    } else {
        x.define(result, InstKind::Binary(BinaryOp::Fmul, rounded, scale));
    }
}

/// Float to `i128`, truncating; out of range or NaN gives the minimum.
pub(super) fn expand_from_float(x: &mut Expander, op: ConvertOp, a: Value, result: Value) {
    let a = if x.ty(a).lane == Lane::F32 { x.convert(ConvertOp::FloatExtend, a, Type::F64) } else { a };
    let bits = x.convert(ConvertOp::Bitcast, a, Type::I64);
    let exponent = x.binary_const(BinaryOp::Lshr, bits, 52);
    let exponent = x.binary_const(BinaryOp::And, exponent, 0x7ff);
    let fraction = x.binary_const(BinaryOp::And, bits, (1 << 52) - 1);
    let mantissa = x.binary_const(BinaryOp::Or, fraction, 1 << 52);
    let mantissa = x.wide(mantissa);

    // The value is mantissa * 2^(exponent - 1075). Shift counts are clamped to what is defined: a right shift by 53 or
    // more leaves nothing, and a left shift beyond 75 is out of range.
    let zero = x.iconst(Type::I64, 0);
    let up = x.binary_const(BinaryOp::Isub, exponent, 1075);
    let up = x.binary(BinaryOp::Smax, up, zero);
    let most = x.iconst(Type::I64, 75);
    let up = x.binary(BinaryOp::Smin, up, most);
    let middle = x.iconst(Type::I64, 1075);
    let down = x.binary(BinaryOp::Isub, middle, exponent);
    let down = x.binary(BinaryOp::Smax, down, zero);
    let most = x.iconst(Type::I64, 63);
    let down = x.binary(BinaryOp::Smin, down, most);
    let (up, down) = (x.wide(up), x.wide(down));
    let magnitude = x.binary(BinaryOp::Shl, mantissa, up);
    let magnitude = x.binary(BinaryOp::Lshr, magnitude, down);

    let negative = x.icmp_const(IntCC::Slt, bits, 0);
    let value = negate_if(x, negative, magnitude);
    // Signed: below 2^127 in magnitude. Unsigned: below 2^128, and a negative value is unspecified anyway.
    let limit = if op == ConvertOp::FloatToSint { 1023 + 127 } else { 1023 + 128 };
    let in_range = x.icmp_const(IntCC::Slt, exponent, limit);
    let min = x.iconst(Type::I128, i128::MIN);
    x.define(result, InstKind::Select(in_range, value, min));
}
