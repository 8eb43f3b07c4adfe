//! Half precision: values travel as their 16 bits, arithmetic is done in `f32` and rounded, as NumPy does it.
//!
//! References: IEEE 754-2019, binary16; S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded sums: proved
//! algorithms using rounding to odd", 2008 (why an odd `f32` in between rounds an `f64` correctly).

use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, FloatCC, IntCC, Type, UnaryOp, Value};

use super::Lowering;

/// Bits of 2^112, which moves a half's exponent to where that of an `f32` begins.
const TWO_TO_112: f64 = 5192296858534827628530496329220096.0;
/// Bits of 2^-14, the smallest normal half, as an `f32`.
const SMALLEST_NORMAL: i128 = 0x3880_0000;
/// Bits of 65520, the smallest magnitude that rounds to infinity, as an `f32`.
const OVERFLOWS: i128 = 0x477f_f000;
/// Bits of infinity as an `f32`.
const INFINITY: i128 = 0x7f80_0000;

impl Lowering<'_> {
    /// A half as an `f32`: exact.
    pub(super) fn half_to_float(&mut self, half: Value) -> Value {
        let bits = self.b.convert(ConvertOp::Zext, half, Type::I32);
        let magnitude = self.and(bits, 0x7fff);
        let shifted = self.shift(BinaryOp::Shl, magnitude, 13);
        // The exponent is too small by 112; multiplying adds that, and makes subnormal halves normal.
        let small = self.b.convert(ConvertOp::Bitcast, shifted, Type::F32);
        let scale = self.float_const(Type::F32, TWO_TO_112);
        let scaled = self.b.binary(BinaryOp::Fmul, small, scale);
        let scaled = self.b.convert(ConvertOp::Bitcast, scaled, Type::I32);
        let limit = self.b.iconst(Type::I32, 0x7c00);
        let is_special = self.b.icmp(IntCC::Uge, magnitude, limit);
        let infinity = self.b.iconst(Type::I32, INFINITY);
        let special = self.b.binary(BinaryOp::Or, shifted, infinity);
        let value = self.b.select(is_special, special, scaled);
        let sign = self.and(bits, 0x8000);
        let sign = self.shift(BinaryOp::Shl, sign, 16);
        let value = self.b.binary(BinaryOp::Or, value, sign);
        self.b.convert(ConvertOp::Bitcast, value, Type::F32)
    }

    /// An `f32` rounded to half precision, to nearest even. Leaves at an overflow, of which NumPy warns.
    pub(super) fn half_of_float(&mut self, value: Value) -> Value {
        let bits = self.b.convert(ConvertOp::Bitcast, value, Type::I32);
        let magnitude = self.and(bits, 0x7fff_ffff);
        let overflows = self.b.iconst(Type::I32, OVERFLOWS);
        let infinity = self.b.iconst(Type::I32, INFINITY);
        let below = self.b.icmp(IntCC::Ult, magnitude, overflows);
        let is_special = self.b.icmp(IntCC::Uge, magnitude, infinity);
        let quiet = self.b.binary(BinaryOp::Or, below, is_special);
        self.guard(quiet, Reason::NumpyWarning);

        // Normal: the 13 bits that go are rounded away, then the exponent is made smaller by 112.
        let odd = self.shift(BinaryOp::Lshr, magnitude, 13);
        let odd = self.and(odd, 1);
        let round = self.b.iconst(Type::I32, 0xfff - (112 << 23));
        let rounded = self.b.binary(BinaryOp::Iadd, magnitude, round);
        let rounded = self.b.binary(BinaryOp::Iadd, rounded, odd);
        let normal = self.shift(BinaryOp::Lshr, rounded, 13);
        // Subnormal: in the sum with 0.5 the last bit is worth 2^-24, as that of the half; the addition rounds.
        let half = self.float_const(Type::F32, 0.5);
        let small = self.b.convert(ConvertOp::Bitcast, magnitude, Type::F32);
        let sum = self.b.binary(BinaryOp::Fadd, small, half);
        let sum = self.b.convert(ConvertOp::Bitcast, sum, Type::I32);
        let subnormal = self.and(sum, 0x007f_ffff);
        let limit = self.b.iconst(Type::I32, SMALLEST_NORMAL);
        let is_subnormal = self.b.icmp(IntCC::Ult, magnitude, limit);
        let finite = self.b.select(is_subnormal, subnormal, normal);
        // Infinity, or a NaN, which must keep a bit of its payload.
        let payload = self.shift(BinaryOp::Lshr, magnitude, 13);
        let payload = self.and(payload, 0x3ff);
        let zero = self.b.iconst(Type::I32, 0);
        let lost = self.b.icmp(IntCC::Eq, payload, zero);
        let nan = self.b.icmp(IntCC::Ugt, magnitude, infinity);
        let lost = self.b.binary(BinaryOp::And, lost, nan);
        let lost = self.b.convert(ConvertOp::Zext, lost, Type::I32);
        let special = self.b.iconst(Type::I32, 0x7c00);
        let special = self.b.binary(BinaryOp::Or, special, payload);
        let special = self.b.binary(BinaryOp::Or, special, lost);
        let value = self.b.select(is_special, special, finite);

        let sign = self.shift(BinaryOp::Lshr, bits, 16);
        let sign = self.and(sign, 0x8000);
        let value = self.b.binary(BinaryOp::Or, value, sign);
        self.b.convert(ConvertOp::Trunc, value, Type::I16)
    }

    /// An `f64` rounded to half precision, once: by way of an `f32` rounded to odd. Leaves at an overflow.
    pub(super) fn half_of_double(&mut self, value: Value) -> Value {
        let near = self.b.convert(ConvertOp::FloatDemote, value, Type::F32);
        let back = self.b.convert(ConvertOp::FloatExtend, near, Type::F64);
        let bits = self.b.convert(ConvertOp::Bitcast, near, Type::I32);
        let (back_magnitude, magnitude) = (self.b.unary(UnaryOp::Fabs, back), self.b.unary(UnaryOp::Fabs, value));
        let too_big = self.b.fcmp(FloatCC::Gt, back_magnitude, magnitude);
        let too_small = self.b.fcmp(FloatCC::Lt, back_magnitude, magnitude);
        let inexact = self.b.binary(BinaryOp::Or, too_big, too_small);
        let step = self.b.convert(ConvertOp::Zext, too_big, Type::I32);
        let truncated = self.b.binary(BinaryOp::Isub, bits, step);
        let sticky = self.b.convert(ConvertOp::Zext, inexact, Type::I32);
        let odd = self.b.binary(BinaryOp::Or, truncated, sticky);
        let odd = self.b.convert(ConvertOp::Bitcast, odd, Type::F32);
        self.half_of_float(odd)
    }

    fn and(&mut self, value: Value, mask: i128) -> Value {
        let mask = self.b.iconst(self.b.ty(value), mask);
        self.b.binary(BinaryOp::And, value, mask)
    }

    fn shift(&mut self, op: BinaryOp, value: Value, count: i128) -> Value {
        let count = self.b.iconst(self.b.ty(value), count);
        self.b.binary(op, value, count)
    }
}
