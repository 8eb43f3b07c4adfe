//! Applies the [rules](crate::rules) to a fixed point, folds constants, and brings code into the shape that later passes
//! expect: constants on the right, subtraction of a constant as addition, a guard on a conjunction as two guards.
//!
//! Reads definitions; changes instructions in place and adds new ones in front of them. Never changes edges, except that a
//! branch on a negation swaps its targets. Invariant: a guard that is split keeps its exit, and both halves stay where it
//! was. Checked by `rules::tests` at small widths and by the random functions in `tests/`.
//! Does not know about: loops, ranges, memory.

use std::sync::OnceLock;

use flashpoint_ir::analysis::Cfg;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::edit::{Defs, FastMap, Subst, new_inst};
use crate::fold::{self, Constant};
use crate::pipeline::PassContext;
use crate::rules::{FLOAT, INTEGER, Match, N_BINDINGS, Op, Pat, Rule};

/// Sweeps over the function before simplification settles for what it has.
const MAX_SWEEPS: usize = 4;
/// Rewrites of one instruction in a row.
const MAX_REWRITES: usize = 8;

/// Applies rewrite rules to a fixed point.
pub fn simplify(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    let mut changed = false;
    for _ in 0..MAX_SWEEPS {
        let cfg = Cfg::of(func);
        let mut pass = Simplify {
            defs: Defs::of(func),
            subst: Subst::new(func),
            fastmath: context.fastmath,
            changed: false,
            out: Vec::new(),
            func,
        };
        for &block in cfg.reverse_post_order() {
            pass.block(block);
        }
        let Simplify { subst, changed: rewritten, .. } = pass;
        let swept = subst.apply(func) | rewritten;
        changed |= swept;
        if !swept {
            break;
        }
    }
    changed
}

struct Simplify<'a> {
    func: &'a mut TypedFunction,
    defs: Defs,
    subst: Subst,
    fastmath: bool,
    changed: bool,
    /// The block being rewritten, up to the instruction at hand.
    out: Vec<Inst>,
}

/// What becomes of an instruction.
enum Rewritten {
    /// Its only result is this value.
    Value(Value),
    /// It does this instead.
    Kind(InstKind),
}

impl Simplify<'_> {
    fn block(&mut self, block: Block) {
        let insts = std::mem::take(&mut self.func.blocks[block.index()].insts);
        for inst in insts {
            if self.inst(inst) {
                self.out.push(inst);
            }
        }
        self.func.blocks[block.index()].insts = std::mem::take(&mut self.out);
    }

    /// Rewrites one instruction; whether it stays.
    fn inst(&mut self, inst: Inst) -> bool {
        let mut kind = std::mem::replace(&mut self.func.insts[inst.index()].kind, InstKind::Context);
        self.subst.apply_to(&mut kind);
        self.func.insts[inst.index()].kind = kind;
        for _ in 0..MAX_REWRITES {
            let data = &self.func.insts[inst.index()];
            if let InstKind::Overflow(..) = data.kind {
                return self.overflow(inst);
            }
            let line = data.line;
            if let InstKind::Guard(cond, exit) = data.kind {
                if let Some(InstKind::Binary(BinaryOp::And, a, b)) = self.defs.inst(self.func, cond) {
                    let (a, b) = (self.subst.find(*a), self.subst.find(*b));
                    let first = new_inst(self.func, InstKind::Guard(a, exit), &[], line);
                    if self.inst(first) {
                        self.out.push(first);
                    }
                    self.func.insts[inst.index()].kind = InstKind::Guard(b, exit);
                    self.changed = true;
                    continue;
                }
                return true;
            }
            if let InstKind::Branch(cond, a, b) = &data.kind {
                if let Some(InstKind::Icmp(IntCC::Eq, x, y)) = self.defs.inst(self.func, *cond)
                    && self.func.value_types[x.index()] == Type::I1
                    && self.defs.int(self.func, *y) == Some(0)
                {
                    let kind = InstKind::Branch(*x, b.clone(), a.clone());
                    self.func.insts[inst.index()].kind = kind;
                    self.changed = true;
                    continue;
                }
                return true;
            }
            let &[result] = &data.results[..] else { return true };
            if !data.kind.is_pure() {
                return true;
            }
            match self.rewrite(inst, result) {
                None => return true,
                Some(Rewritten::Value(value)) => {
                    self.subst.replace(result, value);
                    self.changed = true;
                    return false;
                }
                Some(Rewritten::Kind(kind)) => {
                    self.func.insts[inst.index()].kind = kind;
                    self.changed = true;
                }
            }
        }
        true
    }

    fn rewrite(&mut self, inst: Inst, result: Value) -> Option<Rewritten> {
        let kind = self.func.insts[inst.index()].kind.clone();
        let ty = self.func.value_types[result.index()];
        if matches!(kind, InstKind::Iconst { .. } | InstKind::Fconst { .. } | InstKind::Context) {
            return None;
        }
        if let Some(constant) = fold::fold(&kind, ty, &|v| fold::constant(self.func, &self.defs, v)) {
            return Some(Rewritten::Kind(constant.into_inst(ty)));
        }
        self.shape(&kind, ty).or_else(|| self.apply_rules(inst, &kind))
    }

    /// Rules that a pattern cannot say.
    fn shape(&mut self, kind: &InstKind, ty: Type) -> Option<Rewritten> {
        let is_const = |this: &Self, v: Value| fold::constant(this.func, &this.defs, v).is_some();
        match kind {
            // constant_right: commutative operations keep a constant on the right.
            InstKind::Binary(op, a, b) if is_commutative(*op) && is_const(self, *a) && !is_const(self, *b) => {
                Some(Rewritten::Kind(InstKind::Binary(*op, *b, *a)))
            }
            InstKind::Icmp(cc, a, b) if is_const(self, *a) && !is_const(self, *b) => {
                Some(Rewritten::Kind(InstKind::Icmp(swapped(*cc), *b, *a)))
            }
            // select_known: a choice that is made.
            InstKind::Select(cond, a, b) => {
                let known = self.defs.int(self.func, *cond)?;
                Some(Rewritten::Value(self.subst.find(if known != 0 { *a } else { *b })))
            }
            // icmp_not: the negation of a comparison of integers is the opposite comparison.
            InstKind::Icmp(IntCC::Eq, a, b)
                if self.func.value_types[a.index()] == Type::I1 && self.defs.int(self.func, *b) == Some(0) =>
            {
                match self.defs.inst(self.func, *a) {
                    Some(&InstKind::Icmp(cc, x, y)) => {
                        let (x, y) = (self.subst.find(x), self.subst.find(y));
                        Some(Rewritten::Kind(InstKind::Icmp(opposite(cc), x, y)))
                    }
                    _ => None,
                }
            }
            // icmp_extended: comparing an extension with a constant that fits compares what was extended.
            InstKind::Icmp(cc, a, b) => {
                let constant = self.defs.int(self.func, *b)?;
                let &InstKind::Convert(op, x, _) = self.defs.inst(self.func, *a)? else { return None };
                let x = self.subst.find(x);
                let narrow = self.func.value_types[x.index()];
                if narrow.lanes != 1 {
                    return None;
                }
                let bits = narrow.lane_bits();
                let is_equality = matches!(cc, IntCC::Eq | IntCC::Ne);
                let is_signed = matches!(cc, IntCC::Slt | IntCC::Sle | IntCC::Sgt | IntCC::Sge);
                let fits = match op {
                    ConvertOp::Sext => (is_equality || is_signed) && fold::canonical(constant, bits) == constant,
                    ConvertOp::Zext => is_equality && constant >= 0 && constant < 1 << bits.min(120),
                    _ => false,
                };
                if !fits {
                    return None;
                }
                let narrow_constant =
                    self.emit(InstKind::Iconst { ty: narrow, value: fold::canonical(constant, bits) }, narrow);
                Some(Rewritten::Kind(InstKind::Icmp(*cc, x, narrow_constant)))
            }
            // fcmp_never_negative: squares and their sums, roots and magnitudes are not below zero, nor is NaN.
            InstKind::Fcmp(FloatCC::Lt, a, b) if self.is_zero(*b) && self.is_never_negative(*a, 6) => {
                Some(Rewritten::Kind(InstKind::Iconst { ty: Type::I1, value: 0 }))
            }
            // fcmp_of_int: rounding an integer to a float keeps its sign, and only zero becomes zero.
            InstKind::Fcmp(cc, a, b) => {
                let Some(Constant::F64(0 | 0x8000_0000_0000_0000)) = fold::constant(self.func, &self.defs, *b) else {
                    return None;
                };
                let &InstKind::Convert(ConvertOp::SintToFloat, x, _) = self.defs.inst(self.func, *a)? else {
                    return None;
                };
                let x = self.subst.find(x);
                let narrow = self.func.value_types[x.index()];
                if narrow.lanes != 1 {
                    return None;
                }
                let cc = match cc {
                    FloatCC::Eq => IntCC::Eq,
                    FloatCC::Ne => IntCC::Ne,
                    FloatCC::Lt => IntCC::Slt,
                    FloatCC::Le => IntCC::Sle,
                    FloatCC::Gt => IntCC::Sgt,
                    FloatCC::Ge => IntCC::Sge,
                };
                let zero = self.emit(InstKind::Iconst { ty: narrow, value: 0 }, narrow);
                Some(Rewritten::Kind(InstKind::Icmp(cc, x, zero)))
            }
            // convert_convert: chains of extensions and truncations become one conversion.
            InstKind::Convert(op, a, to) => {
                let &InstKind::Convert(inner, x, middle) = self.defs.inst(self.func, *a)? else { return None };
                let x = self.subst.find(x);
                let from = self.func.value_types[x.index()];
                let _ = ty;
                use ConvertOp::{Bitcast, Sext, Trunc, Zext};
                match (op, inner) {
                    (Bitcast, Bitcast) | (Trunc, Sext | Zext) if from == *to => Some(Rewritten::Value(x)),
                    (Trunc, Sext | Zext) if to.lane_bits() < from.lane_bits() => {
                        Some(Rewritten::Kind(InstKind::Convert(Trunc, x, *to)))
                    }
                    (Trunc, Sext | Zext) => Some(Rewritten::Kind(InstKind::Convert(inner, x, *to))),
                    (Sext, Sext) | (Zext, Zext) | (Trunc, Trunc) => {
                        Some(Rewritten::Kind(InstKind::Convert(*op, x, *to)))
                    }
                    (Sext, Zext) if middle.lane_bits() > from.lane_bits() => {
                        Some(Rewritten::Kind(InstKind::Convert(Zext, x, *to)))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn is_zero(&self, value: Value) -> bool {
        match fold::constant(self.func, &self.defs, value) {
            Some(Constant::F64(bits)) => f64::from_bits(bits) == 0.0,
            Some(Constant::F32(bits)) => f32::from_bits(bits as u32) == 0.0,
            _ => false,
        }
    }

    /// Whether a float is NaN, a zero of either sign, or above zero.
    fn is_never_negative(&mut self, value: Value, depth: u32) -> bool {
        let value = self.subst.find(value);
        let Some(kind) = self.defs.inst(self.func, value).cloned() else { return false };
        let is_constant = |bits: u64, ty: Type| match ty {
            Type::F64 => f64::from_bits(bits) >= 0.0,
            Type::F32 => f32::from_bits(bits as u32) >= 0.0,
            _ => false,
        };
        let mut both = |a: Value, b: Value| {
            depth > 0 && self.is_never_negative(a, depth - 1) && self.is_never_negative(b, depth - 1)
        };
        match kind {
            InstKind::Fconst { ty, bits } => is_constant(bits, ty),
            InstKind::Unary(UnaryOp::Fabs | UnaryOp::Sqrt, _) | InstKind::Convert(ConvertOp::UintToFloat, ..) => true,
            InstKind::Binary(BinaryOp::Fmul, a, b) if a == b => true,
            // Not quotients: one divided by a negative zero is below zero.
            InstKind::Binary(BinaryOp::Fadd | BinaryOp::Fmul, a, b) | InstKind::Select(_, a, b) => both(a, b),
            _ => false,
        }
    }

    /// Identities and constants of checked arithmetic; whether the instruction stays.
    fn overflow(&mut self, inst: Inst) -> bool {
        let data = &self.func.insts[inst.index()];
        let InstKind::Overflow(mut op, mut a, mut b) = data.kind else { return true };
        let (value, flag) = (data.results[0], data.results[1]);
        let ty = self.func.value_types[a.index()];
        if ty.lanes != 1 {
            return true;
        }
        let bits = ty.lane_bits();
        use OverflowOp::*;
        let int = |this: &Self, v: Value| this.defs.int(this.func, v);
        if int(self, a).is_some() && int(self, b).is_none() && !matches!(op, SsubOverflow | UsubOverflow) {
            std::mem::swap(&mut a, &mut b);
        }
        let (x, y) = (int(self, a), int(self, b));
        if let (Some(x), Some(y)) = (x, y) {
            let (result, overflows) = fold::overflow(op, x, y, bits);
            let result = self.emit(InstKind::Iconst { ty, value: result }, ty);
            return self.overflow_is(value, flag, result, overflows);
        }
        let keeps = match (op, y) {
            (SaddOverflow | UaddOverflow | SsubOverflow | UsubOverflow, Some(0))
            | (SmulOverflow | UmulOverflow, Some(1)) => Some(a),
            (SmulOverflow | UmulOverflow, Some(0)) => Some(b),
            _ => None,
        };
        if let Some(kept) = keeps.filter(|_| bits > 1) {
            return self.overflow_is(value, flag, kept, false);
        }
        // Subtracting a constant is adding its opposite, which exists for all but the minimum.
        if let (SsubOverflow, Some(y)) = (op, y)
            && (y != fold::signed_range(bits).0 || planted(Defect::SubtractedMinimum))
        {
            op = SaddOverflow;
            b = self.emit(InstKind::Iconst { ty, value: -y }, ty);
        }
        let new = InstKind::Overflow(op, a, b);
        if self.func.insts[inst.index()].kind != new {
            self.func.insts[inst.index()].kind = new;
            self.changed = true;
        }
        true
    }

    fn overflow_is(&mut self, value: Value, flag: Value, result: Value, overflows: bool) -> bool {
        let known = self.emit(InstKind::Iconst { ty: Type::I1, value: if overflows { -1 } else { 0 } }, Type::I1);
        self.subst.replace(value, result);
        self.subst.replace(flag, known);
        self.changed = true;
        false
    }

    fn emit(&mut self, kind: InstKind, ty: Type) -> Value {
        let inst = new_inst(self.func, kind, &[ty], 0);
        self.defs.add(self.func, inst);
        self.out.push(inst);
        self.func.insts[inst.index()].results[0]
    }

    // ---- rules as data

    fn apply_rules(&mut self, inst: Inst, kind: &InstKind) -> Option<Rewritten> {
        let root = Op::of(kind)?;
        let result = self.func.value_types[self.func.insts[inst.index()].results[0].index()];
        for rule in rules_for(root) {
            if rule.fastmath && !self.fastmath {
                continue;
            }
            let Pat::Node(_, args) = rule.from else { continue };
            let mut bound = [None; N_BINDINGS];
            if self.match_args(kind, args, &mut bound) && self.holds(rule, result, &bound) {
                return Some(self.build_root(inst, &rule.to, &bound));
            }
        }
        None
    }

    fn match_args(&mut self, kind: &InstKind, args: &[Pat], bound: &mut [Option<Value>; N_BINDINGS]) -> bool {
        let mut operands = [Value(0); 3];
        let mut n = 0;
        kind.for_each_operand(&mut |v| {
            operands[n] = v;
            n += 1;
        });
        args.len() == n && args.iter().zip(operands).all(|(pat, operand)| self.match_pat(pat, operand, bound))
    }

    fn match_pat(&mut self, pat: &Pat, value: Value, bound: &mut [Option<Value>; N_BINDINGS]) -> bool {
        let value = self.subst.find(value);
        match pat {
            Pat::Var(n) | Pat::Const(n) => {
                if matches!(pat, Pat::Const(_)) && fold::constant(self.func, &self.defs, value).is_none() {
                    return false;
                }
                *bound[*n].get_or_insert(value) == value
            }
            Pat::Int(expected) => self.defs.int(self.func, value) == Some(*expected),
            Pat::Float(expected) => match fold::constant(self.func, &self.defs, value) {
                Some(Constant::F64(bits)) => bits == expected.to_bits(),
                Some(Constant::F32(bits)) => bits == u64::from((*expected as f32).to_bits()),
                _ => false,
            },
            Pat::Node(op, args) => match self.defs.inst(self.func, value) {
                Some(kind) if Op::of(kind) == Some(*op) => {
                    let kind = kind.clone();
                    self.match_args(&kind, args, bound)
                }
                _ => false,
            },
            Pat::Compute(..) | Pat::ComputeFloat(..) => false,
        }
    }

    fn holds(&self, rule: &Rule, result: Type, bound: &[Option<Value>; N_BINDINGS]) -> bool {
        let ty = bound[0].map_or(Type::I64, |x| self.func.value_types[x.index()]);
        let constant = |n: usize| bound[n].and_then(|v| fold::constant(self.func, &self.defs, v));
        let ints = std::array::from_fn(|n| match constant(n) {
            Some(Constant::Int(value)) => Some(value),
            _ => None,
        });
        let floats = std::array::from_fn(|n| match constant(n) {
            Some(Constant::F64(bits)) => Some(f64::from_bits(bits)),
            _ => None,
        });
        (rule.when)(&Match { ty, result, ints, floats })
    }

    fn build_root(&mut self, inst: Inst, to: &Pat, bound: &[Option<Value>; N_BINDINGS]) -> Rewritten {
        let data = &self.func.insts[inst.index()];
        let ty = self.func.value_types[data.results[0].index()];
        match to {
            Pat::Var(n) | Pat::Const(n) => Rewritten::Value(bound[*n].expect("the left side binds it")),
            Pat::Node(op, args) => {
                // Constants have the type of the operands, which a comparison's result does not.
                let operand_ty = bound[0].map_or(ty, |x| self.func.value_types[x.index()]);
                let args: Vec<Value> = args.iter().map(|arg| self.build(arg, operand_ty, bound)).collect();
                Rewritten::Kind(op.inst(&args))
            }
            other => {
                let value = self.build(other, ty, bound);
                Rewritten::Value(value)
            }
        }
    }

    fn build(&mut self, pat: &Pat, ty: Type, bound: &[Option<Value>; N_BINDINGS]) -> Value {
        // The offset of an address is an integer.
        let int_ty = if ty == Type::PTR { Type::I64 } else { ty };
        let bits = ty.lane_bits();
        match pat {
            Pat::Var(n) | Pat::Const(n) => bound[*n].expect("the left side binds it"),
            Pat::Int(value) => self.emit(InstKind::Iconst { ty: int_ty, value: fold::canonical(*value, bits) }, int_ty),
            Pat::Compute(n, f) => {
                let constant = bound[*n].and_then(|v| self.defs.int(self.func, v)).expect("an integer constant");
                let value = fold::canonical(f(constant, bits), bits);
                self.emit(InstKind::Iconst { ty: int_ty, value }, int_ty)
            }
            Pat::Float(value) => {
                let bits = if ty == Type::F32 { u64::from((*value as f32).to_bits()) } else { value.to_bits() };
                self.emit(InstKind::Fconst { ty, bits }, ty)
            }
            Pat::ComputeFloat(n, f) => {
                let Some(Constant::F64(bits)) = bound[*n].and_then(|v| fold::constant(self.func, &self.defs, v)) else {
                    unreachable!("the rule asked for an f64 constant");
                };
                self.emit(InstKind::Fconst { ty, bits: f(f64::from_bits(bits)).to_bits() }, ty)
            }
            Pat::Node(op, args) => {
                let args: Vec<Value> = args.iter().map(|arg| self.build(arg, ty, bound)).collect();
                let kind = op.inst(&args);
                let result = if matches!(op, Op::Icmp(_)) { Type::I1 } else { self.func.value_types[args[0].index()] };
                match fold::fold(&kind, result, &|v| fold::constant(self.func, &self.defs, v)) {
                    Some(constant) => self.emit(constant.into_inst(result), result),
                    None => self.emit(kind, result),
                }
            }
        }
    }
}

/// The rules whose pattern starts with an operation.
fn rules_for(root: Op) -> &'static [&'static Rule] {
    static TABLE: OnceLock<FastMap<Op, Vec<&'static Rule>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table: FastMap<Op, Vec<&'static Rule>> = FastMap::default();
        for rule in INTEGER.iter().chain(FLOAT) {
            if let Pat::Node(op, _) = rule.from {
                table.entry(op).or_default().push(rule);
            }
        }
        table
    });
    table.get(&root).map_or(&[], |rules| rules)
}

/// Whether operands may be swapped.
pub fn is_commutative(op: BinaryOp) -> bool {
    use BinaryOp::*;
    matches!(op, Iadd | Imul | And | Or | Xor | Smin | Smax | Umin | Umax | Fadd | Fmul)
}

/// The comparison with its operands swapped.
pub fn swapped(cc: IntCC) -> IntCC {
    use IntCC::*;
    match cc {
        Eq | Ne => cc,
        Slt => Sgt,
        Sle => Sge,
        Sgt => Slt,
        Sge => Sle,
        Ult => Ugt,
        Ule => Uge,
        Ugt => Ult,
        Uge => Ule,
    }
}

/// The comparison that holds exactly where this one does not.
pub fn opposite(cc: IntCC) -> IntCC {
    use IntCC::*;
    match cc {
        Eq => Ne,
        Ne => Eq,
        Slt => Sge,
        Sle => Sgt,
        Sgt => Sle,
        Sge => Slt,
        Ult => Uge,
        Ule => Ugt,
        Ugt => Ule,
        Uge => Ult,
    }
}
