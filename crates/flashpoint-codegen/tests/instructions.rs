//! Every instruction on every back end and type, at the boundaries, against the reference evaluator; and the evaluator's
//! answers for the delicate ones against plain Rust.

mod common;

use common::{check, evaluate, exiting};
use flashpoint_ir::builder::Builder;
use flashpoint_ir::eval::Outcome;
use flashpoint_ir::typed::{
    BinaryOp, ConvertOp, FloatCC, InstKind, IntCC, Lane, OverflowOp, Region, Type, UnaryOp, Value,
};

const INTS: [Type; 6] = [Type::I1, Type::I8, Type::I16, Type::I32, Type::I64, Type::I128];
const FLOATS: [Type; 2] = [Type::F32, Type::F64];

/// Bits at which something may go wrong.
fn boundary(ty: Type) -> Vec<u128> {
    match ty.lane {
        Lane::F64 => floats().into_iter().map(|x| u128::from(x.to_bits())).collect(),
        Lane::F32 => {
            let mut bits: Vec<u128> = floats().into_iter().map(|x| u128::from((x as f32).to_bits())).collect();
            bits.extend([0x4eff_ffff, 0x4f00_0000, 0xcf00_0000, 0xcf00_0001, 0x5eff_ffff, 0x5f00_0000, 0xdf00_0001, 1]);
            bits
        }
        _ => {
            let width = ty.lane_bits();
            let top = 1u128 << (width - 1);
            let mut bits = vec![0, 1, 2, 3, 7, 10, top, top - 1, top + 1, u128::MAX, u128::MAX - 1, u128::MAX - 6];
            bits.extend(
                (1..width).step_by((width as usize / 4).max(1)).flat_map(|n| [1 << n, (1 << n) - 1, !(1 << n)]),
            );
            if width == 128 {
                bits.extend([0x1234_5678_9abc_def0_0fed_cba9_8765_4321, 10u128.pow(30), (1 << 64) + 1, !0 >> 1 << 32]);
            }
            let mask = u128::MAX >> (128 - width);
            bits.iter_mut().for_each(|bits| *bits &= mask);
            bits.sort_unstable();
            bits.dedup();
            bits
        }
    }
}

fn floats() -> Vec<f64> {
    let mut floats = vec![
        0.0,
        0.3,
        0.5,
        1.0,
        1.5,
        2.5,
        127.0,
        127.9,
        128.0,
        128.9,
        129.0,
        32767.5,
        32768.0,
        32768.9,
        2147483647.0,
        2147483647.9,
        2147483648.0,
        2147483648.5,
        2147483649.0,
        4503599627370495.5,
        4503599627370497.0,
        9223372036854774784.0,
        9223372036854775808.0,
        9223372036854777856.0,
        18446744073709551616.0,
        1e30,
        1.7014118346046923e38,
        1.701411834604692e38,
        3.4e38,
        1e300,
        5e-324,
        1e-40,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::INFINITY,
    ];
    floats.extend(floats.clone().into_iter().map(|x| -x));
    floats.push(f64::NAN);
    floats
}

fn pairs(ty: Type) -> impl Iterator<Item = Vec<u128>> {
    let values = boundary(ty);
    values.clone().into_iter().flat_map(move |a| values.clone().into_iter().map(move |b| vec![a, b]))
}

fn singles(ty: Type) -> impl Iterator<Item = Vec<u128>> {
    boundary(ty).into_iter().map(|a| vec![a])
}

#[test]
fn binary_integers() {
    use BinaryOp::*;
    for ty in INTS {
        // What is defined everywhere goes into one function, the rest into one each.
        let total = [Iadd, Isub, Imul, And, Or, Xor, Smin, Smax, Umin, Umax];
        let func = exiting("total", &[ty, ty], |b, p| total.iter().map(|op| b.binary(*op, p[0], p[1])).collect());
        check(&func, pairs(ty));
        for op in [Sdiv, Srem, Udiv, Urem, SdivFloor, SremFloor, Shl, Ashr, Lshr] {
            let func = exiting("partial", &[ty, ty], |b, p| vec![b.binary(op, p[0], p[1])]);
            let n_defined = check(&func, pairs(ty));
            assert!(n_defined > 0, "{op:?} of {ty}");
        }
    }
}

#[test]
fn binary_integers_with_constants() {
    use BinaryOp::*;
    for ty in [Type::I8, Type::I32, Type::I64, Type::I128] {
        let top = (1i128 << (ty.lane_bits() - 1)).wrapping_neg();
        for constant in [1, 2, 3, 7, 10, 64, 100, -1, -2, -7, top, -(top + 1)] {
            let func = exiting("by_constant", &[ty], |b, p| {
                let c = b.iconst(ty, constant);
                [Sdiv, Srem, SdivFloor, SremFloor, Udiv, Urem].iter().map(|op| b.binary(*op, p[0], c)).collect()
            });
            check(&func, singles(ty));
        }
    }
}

#[test]
fn unary_integers() {
    use UnaryOp::*;
    for ty in INTS {
        let func =
            exiting("unary", &[ty], |b, p| [Ineg, Not, Clz, Ctz, Popcnt].iter().map(|op| b.unary(*op, p[0])).collect());
        check(&func, singles(ty));
    }
}

#[test]
fn overflow_checks() {
    use OverflowOp::*;
    for ty in INTS {
        for op in [SaddOverflow, SsubOverflow, SmulOverflow, UaddOverflow, UsubOverflow, UmulOverflow] {
            let func = exiting("overflow", &[ty, ty], |b, p| <[Value; 2]>::from(b.overflow(op, p[0], p[1])).into());
            check(&func, pairs(ty));
        }
    }
}

#[test]
fn integer_comparisons() {
    use IntCC::*;
    for ty in INTS {
        let func = exiting("icmp", &[ty, ty], |b, p| {
            [Eq, Ne, Slt, Sle, Sgt, Sge, Ult, Ule, Ugt, Uge].iter().map(|cc| b.icmp(*cc, p[0], p[1])).collect()
        });
        check(&func, pairs(ty));
    }
}

#[test]
fn floats_add_compare_and_round() {
    for ty in FLOATS {
        let func = exiting("binary", &[ty, ty], |b, p| {
            use BinaryOp::*;
            let number = not_nan(b, p[1]);
            let mut results: Vec<Value> = [Fadd, Fsub, Fmul, Fdiv].iter().map(|op| b.binary(*op, p[0], p[1])).collect();
            results.push(b.binary(Fcopysign, p[0], number));
            use FloatCC::*;
            results.extend([Eq, Ne, Lt, Le, Gt, Ge].iter().map(|cc| b.fcmp(*cc, p[0], p[1])).collect::<Vec<_>>());
            results
        });
        check(&func, pairs(ty));
        let func = exiting("unary", &[ty], |b, p| {
            use UnaryOp::*;
            [Fneg, Fabs, Sqrt, Floor, Ceil, Trunc, Nearest].iter().map(|op| b.unary(*op, p[0])).collect()
        });
        check(&func, singles(ty));
    }
}

/// The sign of a NaN is unspecified once it has been computed with, and must not be copied.
fn not_nan(b: &mut Builder, value: Value) -> Value {
    let ty = b.ty(value);
    let is_nan = b.fcmp(FloatCC::Ne, value, value);
    let one = if ty == Type::F32 { b.f32(1.0) } else { b.f64(1.0) };
    b.select(is_nan, one, value)
}

#[test]
fn conversions() {
    use ConvertOp::*;
    let mut cases = vec![(FloatExtend, Type::F32, Type::F64), (FloatDemote, Type::F64, Type::F32)];
    cases.extend([(Bitcast, Type::I64, Type::F64), (Bitcast, Type::F64, Type::I64)]);
    cases.extend([(Bitcast, Type::I32, Type::F32), (Bitcast, Type::F32, Type::I32)]);
    for from in INTS {
        for to in INTS {
            if from.lane_bits() < to.lane_bits() {
                cases.extend([(Sext, from, to), (Zext, from, to), (Trunc, to, from)]);
            }
        }
        for to in FLOATS {
            cases.extend([(SintToFloat, from, to), (UintToFloat, from, to)]);
            if from != Type::I1 {
                cases.push((FloatToSint, to, from));
            }
        }
    }
    for (op, from, to) in cases {
        let func = exiting("convert", &[from], |b, p| vec![b.convert(op, p[0], to)]);
        check(&func, singles(from));
    }
}

#[test]
fn unsigned_conversion_of_floats_in_range() {
    for from in FLOATS {
        for to in [Type::I8, Type::I16, Type::I32, Type::I64, Type::I128] {
            let func = exiting("convert", &[from], |b, p| vec![b.convert(ConvertOp::FloatToUint, p[0], to)]);
            let limit = 2f64.powi(to.lane_bits() as i32);
            let in_range = singles(from).filter(|bits| {
                let x = if from == Type::F64 {
                    f64::from_bits(bits[0] as u64)
                } else {
                    f32::from_bits(bits[0] as u32).into()
                };
                x > -1.0 && x < limit
            });
            assert!(check(&func, in_range) > 10);
        }
    }
}

#[test]
fn constants_and_selection() {
    for ty in INTS.into_iter().chain(FLOATS) {
        let func = exiting("constants", &[Type::I1], |b, p| {
            let mut values: Vec<Value> = Vec::new();
            for bits in boundary(ty) {
                values.push(match ty {
                    Type::F32 => b.f32(f32::from_bits(bits as u32)),
                    Type::F64 => b.f64(f64::from_bits(bits as u64)),
                    _ => {
                        let unused = 128 - ty.lane_bits();
                        b.iconst(ty, (bits << unused) as i128 >> unused)
                    }
                });
            }
            let chosen = b.select(p[0], values[0], values[values.len() - 1]);
            values.push(chosen);
            values
        });
        check(&func, [vec![0], vec![1]].into_iter());
    }
}

#[test]
fn loads_and_stores() {
    for ty in [Type::I8, Type::I16, Type::I32, Type::I64, Type::F32, Type::F64] {
        let func = exiting("memory", &[Type::PTR, Type::I64], |b, p| {
            let start = if ty.is_float() { if ty == Type::F32 { 48 } else { 32 } } else { 0 };
            let addr = b.ptr_add(p[0], p[1]);
            let first = b.load(ty, addr, start, Region::Array);
            let second = b.load(ty, addr, start + 8, Region::Array);
            b.store(second, p[0], start, Region::Array);
            b.store(first, p[0], start + 8, Region::Array);
            let third = b.load(ty, p[0], start, Region::Array);
            vec![first, second, third, addr]
        });
        check(&func, [vec![0, 0]].into_iter());
    }
    let func = exiting("memory_i128", &[Type::PTR], |b, p| {
        let value = b.load(Type::I128, p[0], 0, Region::Array);
        let one = b.iconst(Type::I128, 1);
        let sum = b.binary(BinaryOp::Iadd, value, one);
        b.store(sum, p[0], 16, Region::Array);
        vec![sum]
    });
    check(&func, [vec![0]].into_iter());
}

/// What a function of [`exiting`] leaves, by the evaluator.
fn oracle(params: &[Type], args: &[u128], op: InstKind, to: Type) -> u128 {
    let func = exiting("oracle", params, |b, _| {
        let inst = b.push(op.clone(), &[to]);
        vec![b.results(inst)[0]]
    });
    let args: Vec<Vec<u64>> = args.iter().map(|bits| vec![*bits as u64, (*bits >> 64) as u64]).collect();
    let Ok((Outcome::Exit { values, .. }, _)) = evaluate(&func, &args) else { panic!("{func}") };
    values[0].bits()
}

#[test]
fn the_oracle_agrees_with_rust() {
    let (v0, v1) = (Value(0), Value(1));
    for args in pairs(Type::I128) {
        let [a, b] = [args[0] as i128, args[1] as i128];
        if let (Some(quotient), Some(remainder)) = (a.checked_div_euclid(b), a.checked_rem_euclid(b)) {
            // Euclid's remainder is never negative, Python's has the divisor's sign.
            let floors = b > 0 || remainder == 0;
            let expected = if floors { (quotient, remainder) } else { (quotient - 1, remainder + b) };
            let two = [Type::I128, Type::I128];
            let found = [BinaryOp::SdivFloor, BinaryOp::SremFloor]
                .map(|op| oracle(&two, &args, InstKind::Binary(op, v0, v1), Type::I128) as i128);
            assert_eq!((found[0], found[1]), expected, "{a} and {b}");
        }
    }
    for x in floats() {
        let bits = [u128::from(x.to_bits())];
        let to_sint = |to| oracle(&[Type::F64], &bits, InstKind::Convert(ConvertOp::FloatToSint, v0, to), to);
        let expected = if x >= 2f64.powi(63) || x.is_nan() { i64::MIN } else { x as i64 };
        assert_eq!(to_sint(Type::I64) as i64, expected, "{x}");
        let expected = if !(x > -129.0 && x < 128.0) { i8::MIN } else { x as i8 };
        assert_eq!(to_sint(Type::I8) as i8, expected, "{x}");
        let expected = if x >= 2f64.powi(127) || x.is_nan() { i128::MIN } else { x as i128 };
        assert_eq!(to_sint(Type::I128) as i128, expected, "{x}");
    }
    for args in singles(Type::I128) {
        let to_float = |op, to| oracle(&[Type::I128], &args, InstKind::Convert(op, v0, to), to);
        assert_eq!(to_float(ConvertOp::SintToFloat, Type::F64) as u64, (args[0] as i128 as f64).to_bits());
        assert_eq!(to_float(ConvertOp::UintToFloat, Type::F32) as u32, (args[0] as f32).to_bits());
    }
}
