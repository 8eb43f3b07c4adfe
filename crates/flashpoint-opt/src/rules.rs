//! Rewrite rules as data: one line, one name, one law each.
//!
//! A rule never makes code worse. Integer rules are tested exhaustively at small widths below; a float rule names the
//! licence it needs, and without one it must hold bit for bit (NaN payloads apart, which the IR leaves unspecified).
//! Pattern variables: `x`, `y`, `z` match any value, `c`, `d` integer or float constants, `(int N)` and `(float F)` one constant.

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

/// What stands at a node of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// See [`BinaryOp`].
    Binary(BinaryOp),
    /// See [`UnaryOp`].
    Unary(UnaryOp),
    /// A comparison of integers.
    Icmp(IntCC),
    /// A choice.
    Select,
    /// An address plus bytes.
    PtrAdd,
}

impl Op {
    /// The node that an instruction is, if rules speak of it.
    pub fn of(kind: &InstKind) -> Option<Op> {
        Some(match kind {
            InstKind::Binary(op, ..) => Op::Binary(*op),
            InstKind::Unary(op, _) => Op::Unary(*op),
            InstKind::Icmp(cc, ..) => Op::Icmp(*cc),
            InstKind::Select(..) => Op::Select,
            InstKind::PtrAdd(..) => Op::PtrAdd,
            _ => return None,
        })
    }

    /// The instruction with these operands.
    pub fn inst(self, args: &[Value]) -> InstKind {
        match self {
            Op::Binary(op) => InstKind::Binary(op, args[0], args[1]),
            Op::Unary(op) => InstKind::Unary(op, args[0]),
            Op::Icmp(cc) => InstKind::Icmp(cc, args[0], args[1]),
            Op::Select => InstKind::Select(args[0], args[1], args[2]),
            Op::PtrAdd => InstKind::PtrAdd(args[0], args[1]),
        }
    }
}

/// A pattern, or what it is rewritten to.
#[derive(Clone, Copy, Debug)]
pub enum Pat {
    /// Any value, the same wherever the number is the same.
    Var(usize),
    /// A constant. Numbers go on after those of the variables.
    Const(usize),
    /// This integer, sign-extended.
    Int(i128),
    /// This float.
    Float(f64),
    /// An operation.
    Node(Op, &'static [Pat]),
    /// On the right-hand side: an integer computed from a constant (its number) and the width.
    Compute(usize, fn(i128, u32) -> i128),
    /// On the right-hand side: a float computed from a float constant.
    ComputeFloat(usize, fn(f64) -> f64),
}

/// Number of variables and constants that a rule can name.
pub const N_BINDINGS: usize = 5;

/// What a rule may ask about a match: the type at the root of its left operand, and the constants.
#[derive(Clone, Copy, Debug)]
pub struct Match {
    /// Type of the variable `x`.
    pub ty: Type,
    /// Type of the result.
    pub result: Type,
    /// Integer constants by number.
    pub ints: [Option<i128>; N_BINDINGS],
    /// Float constants by number.
    pub floats: [Option<f64>; N_BINDINGS],
}

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it matches.
    pub from: Pat,
    /// What it makes.
    pub to: Pat,
    /// Whether only `fastmath` allows it.
    pub fastmath: bool,
    /// A further condition.
    pub when: fn(&Match) -> bool,
}

#[allow(non_upper_case_globals, dead_code, reason = "the operations as patterns write them, used or not")]
mod op {
    use super::Op;
    use flashpoint_ir::typed::{BinaryOp::*, IntCC::*, UnaryOp};
    macro_rules! ops { ($($name:ident = $op:expr;)*) => { $(pub const $name: Op = $op;)* }; }
    ops! {
        iadd = Op::Binary(Iadd); isub = Op::Binary(Isub); imul = Op::Binary(Imul);
        sdiv = Op::Binary(Sdiv); udiv = Op::Binary(Udiv); sdiv_floor = Op::Binary(SdivFloor);
        srem = Op::Binary(Srem); urem = Op::Binary(Urem); srem_floor = Op::Binary(SremFloor);
        and = Op::Binary(And); or = Op::Binary(Or); xor = Op::Binary(Xor);
        shl = Op::Binary(Shl); ashr = Op::Binary(Ashr); lshr = Op::Binary(Lshr);
        smin = Op::Binary(Smin); smax = Op::Binary(Smax); umin = Op::Binary(Umin); umax = Op::Binary(Umax);
        fadd = Op::Binary(Fadd); fsub = Op::Binary(Fsub); fmul = Op::Binary(Fmul); fdiv = Op::Binary(Fdiv);
        ineg = Op::Unary(UnaryOp::Ineg); not = Op::Unary(UnaryOp::Not);
        fneg = Op::Unary(UnaryOp::Fneg); fabs = Op::Unary(UnaryOp::Fabs);
        icmp_eq = Op::Icmp(Eq); icmp_ne = Op::Icmp(Ne);
        icmp_slt = Op::Icmp(Slt); icmp_sle = Op::Icmp(Sle); icmp_sgt = Op::Icmp(Sgt); icmp_sge = Op::Icmp(Sge);
        icmp_ult = Op::Icmp(Ult); icmp_ule = Op::Icmp(Ule); icmp_ugt = Op::Icmp(Ugt); icmp_uge = Op::Icmp(Uge);
        select = Op::Select; ptr_add = Op::PtrAdd;
    }
}

macro_rules! pat {
    (x) => { Pat::Var(0) };
    (y) => { Pat::Var(1) };
    (z) => { Pat::Var(2) };
    (c) => { Pat::Const(3) };
    (d) => { Pat::Const(4) };
    ((int $n:expr)) => { Pat::Int($n) };
    ((float $n:expr)) => { Pat::Float($n) };
    ((of c, $f:expr)) => { Pat::Compute(3, $f) };
    ((float_of c, $f:expr)) => { Pat::ComputeFloat(3, $f) };
    (($op:ident $($arg:tt)*)) => { Pat::Node(op::$op, &[$(pat!($arg)),*]) };
}

macro_rules! rules {
    ($($name:ident: $from:tt => $to:tt $(, when $when:expr)? $(, licence $licence:ident)?;)*) => {
        &[$(Rule {
            name: stringify!($name),
            from: pat!($from),
            to: pat!($to),
            fastmath: rules!(@licence $($licence)?),
            when: rules!(@when $($when)?),
        }),*]
    };
    (@licence) => { false };
    (@licence fastmath) => { true };
    (@when) => { |_| true };
    (@when $when:expr) => { $when };
}

fn is_power_of_two(m: &Match) -> bool {
    m.ints[3].is_some_and(|c| c > 0 && (c & (c - 1)) == 0)
}

fn is_i1(m: &Match) -> bool {
    m.ty == Type::I1
}

fn is_number(m: &Match) -> bool {
    m.ty.lanes == 1 && matches!(m.ty.lane, Lane::I8 | Lane::I16 | Lane::I32 | Lane::I64)
}

fn has_exact_reciprocal(m: &Match) -> bool {
    // A power of two whose reciprocal is normal too.
    m.ty == Type::F64
        && m.floats[3].is_some_and(|c| c.is_normal() && (1.0 / c).is_normal() && c.to_bits() & ((1 << 52) - 1) == 0)
}

fn log2(c: i128, _: u32) -> i128 {
    i128::from(c.trailing_zeros() + u32::from(planted(Defect::PowerOfTwoShift)))
}

fn minus_one(c: i128, _: u32) -> i128 {
    c - 1
}

fn negated(c: i128, _: u32) -> i128 {
    if planted(Defect::SubtractedConstantSign) { c } else { c.wrapping_neg() }
}

/// Laws of two's complement integers of any width.
pub const INTEGER: &[Rule] = rules! {
    iadd_zero: (iadd x (int 0)) => x;
    isub_zero: (isub x (int 0)) => x;
    isub_self: (isub x x) => (int 0);
    isub_const: (isub x c) => (iadd x (of c, negated));
    iadd_iadd: (iadd (iadd x c) d) => (iadd x (iadd c d));
    iadd_isub: (iadd (isub x y) y) => x;
    isub_iadd: (isub (iadd x y) y) => x;
    isub_iadd_left: (isub (iadd x y) x) => y;
    imul_zero: (imul x (int 0)) => (int 0);
    imul_one: (imul x (int 1)) => x;
    imul_imul: (imul (imul x c) d) => (imul x (imul c d));
    ineg_ineg: (ineg (ineg x)) => x;
    isub_from_zero: (isub (int 0) x) => (ineg x);
    sdiv_one: (sdiv x (int 1)) => x, when |m| !is_i1(m);
    udiv_one: (udiv x (int 1)) => x, when |m| !is_i1(m);
    sdiv_floor_one: (sdiv_floor x (int 1)) => x, when |m| !is_i1(m);
    sdiv_floor_power: (sdiv_floor x c) => (ashr x (of c, log2)), when is_power_of_two;
    srem_floor_power: (srem_floor x c) => (and x (of c, minus_one)), when is_power_of_two;
    and_zero: (and x (int 0)) => (int 0);
    and_ones: (and x (int -1)) => x;
    and_self: (and x x) => x;
    and_and: (and (and x c) d) => (and x (and c d));
    or_zero: (or x (int 0)) => x;
    or_ones: (or x (int -1)) => (int -1);
    or_self: (or x x) => x;
    xor_zero: (xor x (int 0)) => x;
    xor_self: (xor x x) => (int 0);
    not_not: (not (not x)) => x;
    xor_ones: (xor x (int -1)) => (not x), when |m| !is_i1(m);
    shl_zero: (shl x (int 0)) => x;
    ashr_zero: (ashr x (int 0)) => x;
    lshr_zero: (lshr x (int 0)) => x;
    smin_self: (smin x x) => x;
    smax_self: (smax x x) => x;
    umin_self: (umin x x) => x;
    umax_self: (umax x x) => x;
    smin_const: (smin (smin x c) d) => (smin x (smin c d));
    smax_const: (smax (smax x c) d) => (smax x (smax c d));
    smax_smin: (smax (smin x y) y) => y;
    smin_smax: (smin (smax x y) y) => y;
    select_same: (select x y y) => y;
    select_is: (select x (int -1) (int 0)) => x, when |m| m.result == Type::I1;
    select_smaller: (select (icmp_slt x y) x y) => (smin x y), when is_number;
    select_smaller_second: (select (icmp_sgt x y) y x) => (smin x y), when is_number;
    select_larger: (select (icmp_sgt x y) x y) => (smax x y), when is_number;
    select_larger_second: (select (icmp_slt x y) y x) => (smax x y), when is_number;
    select_not: (select (icmp_eq x (int 0)) y z) => (select x z y), when is_i1;
    icmp_ne_false: (icmp_ne x (int 0)) => x, when is_i1;
    icmp_eq_true: (icmp_eq x (int -1)) => x, when is_i1;
    icmp_eq_not: (icmp_eq (icmp_eq x (int 0)) (int 0)) => x, when is_i1;
    icmp_eq_iadd: (icmp_eq (iadd x c) d) => (icmp_eq x (isub d c));
    icmp_ne_iadd: (icmp_ne (iadd x c) d) => (icmp_ne x (isub d c));
    icmp_eq_isub: (icmp_eq (isub x y) (int 0)) => (icmp_eq x y);
    icmp_ne_isub: (icmp_ne (isub x y) (int 0)) => (icmp_ne x y);
    icmp_ult_zero: (icmp_ult x (int 0)) => (int 0);
    icmp_uge_zero: (icmp_uge x (int 0)) => (int -1);
    icmp_ult_one: (icmp_ult x (int 1)) => (icmp_eq x (int 0)), when |m| !is_i1(m);
    ptr_add_zero: (ptr_add x (int 0)) => x;
    ptr_add_const: (ptr_add (ptr_add x c) d) => (ptr_add x (iadd c d));
};

/// Laws of IEEE arithmetic, and those that need a licence. `x + 0.0` stays, since `-0.0 + 0.0` is `+0.0`.
pub const FLOAT: &[Rule] = rules! {
    fadd_neg_zero: (fadd x (float -0.0)) => x;
    fsub_zero: (fsub x (float 0.0)) => x;
    fmul_one: (fmul x (float 1.0)) => x;
    fdiv_one: (fdiv x (float 1.0)) => x;
    fdiv_power: (fdiv x c) => (fmul x (float_of c, |c| 1.0 / c)), when has_exact_reciprocal;
    fneg_fneg: (fneg (fneg x)) => x;
    fabs_fabs: (fabs (fabs x)) => (fabs x);
    fabs_fneg: (fabs (fneg x)) => (fabs x);
    fmul_fneg: (fmul (fneg x) (fneg y)) => (fmul x y);
    fsub_fneg: (fsub x (fneg y)) => (fadd x y);
    fadd_fneg: (fadd x (fneg y)) => (fsub x y);
    fadd_zero: (fadd x (float 0.0)) => x, licence fastmath;
    fmul_zero: (fmul x (float 0.0)) => (float 0.0), licence fastmath;
    fsub_self: (fsub x x) => (float 0.0), licence fastmath;
    fdiv_const: (fdiv x c) => (fmul x (float_of c, |c| 1.0 / c)), when |m| m.ty == Type::F64, licence fastmath;
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold;

    /// The width at which a pattern is computed, and its result; `None` where an operation is undefined.
    fn eval(pat: &Pat, bits: u32, vars: &[i128; N_BINDINGS]) -> Option<i128> {
        Some(match pat {
            Pat::Var(n) | Pat::Const(n) => vars[*n],
            Pat::Int(value) => fold::canonical(*value, bits),
            Pat::Compute(n, f) => fold::canonical(f(vars[*n], bits), bits),
            Pat::Node(Op::Binary(op), [a, b]) => fold::binary(*op, eval(a, bits, vars)?, eval(b, bits, vars)?, bits)?,
            Pat::Node(Op::PtrAdd, [a, b]) => {
                fold::binary(BinaryOp::Iadd, eval(a, bits, vars)?, eval(b, bits, vars)?, bits)?
            }
            Pat::Node(Op::Unary(op), [a]) => fold::unary(*op, eval(a, bits, vars)?, bits)?,
            Pat::Node(Op::Icmp(cc), [a, b]) => {
                let holds = fold::compare(*cc, eval(a, bits, vars)?, eval(b, bits, vars)?, bits);
                if holds { -1 } else { 0 }
            }
            // The condition of a select is an i1; the rules on it hold for any width with "not zero" for true.
            Pat::Node(Op::Select, [c, a, b]) => {
                if eval(c, bits, vars)? != 0 {
                    eval(a, bits, vars)?
                } else {
                    eval(b, bits, vars)?
                }
            }
            _ => unreachable!("not an integer pattern"),
        })
    }

    fn uses(pat: &Pat, n: usize) -> bool {
        match pat {
            Pat::Var(m) | Pat::Const(m) => *m == n,
            Pat::Node(_, args) => args.iter().any(|arg| uses(arg, n)),
            _ => false,
        }
    }

    /// Tries every value of every variable that the rule names, at 1 bit and at the widest width that stays quick.
    #[test]
    fn integer_rules_hold_for_all_values() {
        for rule in INTEGER {
            let named: Vec<usize> = (0..N_BINDINGS).filter(|n| uses(&rule.from, *n)).collect();
            let widest = match named.len() {
                0..=2 => 8,
                3 => 5,
                _ => 3,
            };
            let mut tried = 0;
            for bits in [1, widest] {
                let ty = if bits == 1 { Type::I1 } else { Type::I8 };
                let (min, max) = fold::signed_range(bits);
                let values: Vec<i128> = (min..=max).collect();
                let mut at = vec![0; named.len()];
                'all: loop {
                    let mut vars = [0; N_BINDINGS];
                    for (n, i) in named.iter().zip(&at) {
                        vars[*n] = values[*i];
                    }
                    let ints = std::array::from_fn(|n| Some(vars[n]));
                    if (rule.when)(&Match { ty, result: ty, ints, floats: [None; N_BINDINGS] })
                        && let Some(expected) = eval(&rule.from, bits, &vars)
                    {
                        tried += 1;
                        assert_eq!(
                            eval(&rule.to, bits, &vars),
                            Some(expected),
                            "{} at {bits} bits, {vars:?}",
                            rule.name
                        );
                    }
                    for i in &mut at {
                        *i += 1;
                        if *i < values.len() {
                            continue 'all;
                        }
                        *i = 0;
                    }
                    break;
                }
            }
            assert!(tried > 0, "{} was never tried", rule.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = INTEGER.iter().chain(FLOAT).map(|rule| rule.name).collect();
        names.sort_unstable();
        let n = names.len();
        names.dedup();
        assert_eq!(names.len(), n);
    }
}
