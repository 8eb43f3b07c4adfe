//! Global value numbering: one computation of each pure value, one guard of each condition.
//!
//! Walks the dominator tree with a scoped table, so a computation is replaced only by one that dominates it. Loads of
//! [`Region::Constant`] count as pure. A guard is dropped if the same condition was guarded, or branched on, on the way.
//! Inside what a branch on `cond` leads to, `cond` is known.
//!
//! Changes operands and removes instructions; never changes edges.
//! Invariant: a dropped guard is dominated by one with the same condition, whose exit is taken first. Checked by the random
//! functions in `tests/`, exits included.

use flashpoint_ir::analysis::{Cfg, DomTree};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use crate::edit::{Defs, FastMap, Subst, new_inst, terminator};
use crate::pipeline::PassContext;
use crate::simplify::{is_commutative, opposite, swapped};

/// Finds equal computations and redundant guards.
pub fn gvn(func: &mut TypedFunction, _: &mut PassContext) -> bool {
    let cfg = Cfg::of(func);
    let doms = DomTree::of(func, &cfg);
    let mut subst = Subst::new(func);
    let defs = Defs::of(func);
    let mut pass =
        Gvn { func, cfg: &cfg, doms: &doms, defs, subst: &mut subst, table: FastMap::default(), changed: false };
    pass.run();
    let changed = pass.changed;
    subst.apply(func) | changed
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Int(Type, i128),
    Float(Type, u64),
    Unary(UnaryOp, Value),
    Binary(BinaryOp, Value, Value),
    Overflow(OverflowOp, Value, Value),
    Icmp(IntCC, Value, Value),
    Fcmp(FloatCC, Value, Value),
    Select(Value, Value, Value),
    Convert(ConvertOp, Value, Type),
    Splat(Value, Type),
    ExtractLane(Value, u16),
    PtrAdd(Value, Value),
    Load(Type, Value, i32),
    Context,
    Libm(LibFunc, Vec<Value>),
    /// What an `i1` is known to be.
    Known(Value),
    /// What a comparison is known to be.
    KnownComparison(IntCC, Value, Value),
}

/// What a block entered into the table, with what that hid.
type Added = Vec<(Key, Option<Vec<Value>>)>;

struct Gvn<'a> {
    func: &'a mut TypedFunction,
    cfg: &'a Cfg,
    doms: &'a DomTree,
    defs: Defs,
    subst: &'a mut Subst,
    /// Results of a computation; for [`Key::Known`], one value: the constant is in its place.
    table: FastMap<Key, Vec<Value>>,
    changed: bool,
}

impl Gvn<'_> {
    fn run(&mut self) {
        // Scopes: what each block on the path from the root added, with what it hid.
        let mut scopes: Vec<(Block, usize, Added)> = Vec::new();
        let entry = self.func.entry();
        let scope = self.block(entry, None);
        scopes.push((entry, 0, scope));
        while let Some((block, next, _)) = scopes.last_mut() {
            let block = *block;
            if let Some(&child) = self.doms.children(block).get(*next) {
                *next += 1;
                let scope = self.block(child, Some(block));
                scopes.push((child, 0, scope));
            } else {
                let (_, _, added) = scopes.pop().expect("the loop's own");
                for (key, hidden) in added.into_iter().rev() {
                    if planted(Defect::GvnFactsLeak) && matches!(key, Key::Known(_) | Key::KnownComparison(..)) {
                        continue;
                    }
                    match hidden {
                        Some(old) => self.table.insert(key, old),
                        None => self.table.remove(&key),
                    };
                }
            }
        }
    }

    fn block(&mut self, block: Block, parent: Option<Block>) -> Added {
        let mut added = Vec::new();
        if let Some(parent) = parent
            && let [pred] = self.cfg.predecessors(block)
            && *pred == parent
            && let InstKind::Branch(cond, if_true, if_false) = terminator(self.func, parent)
            && if_true.block != if_false.block
        {
            let (cond, truth) = (*cond, if_true.block == block);
            let cond = self.subst.find(cond);
            self.know(cond, truth, &mut added);
        }
        let insts = std::mem::take(&mut self.func.blocks[block.index()].insts);
        let mut out = Vec::with_capacity(insts.len());
        for inst in insts {
            let mut kind = std::mem::replace(&mut self.func.insts[inst.index()].kind, InstKind::Context);
            self.subst.apply_to(&mut kind);
            match &mut kind {
                InstKind::Guard(cond, _) => {
                    let cond = *cond;
                    if self.known(cond) == Some(true) {
                        self.changed = true;
                        continue;
                    }
                    self.func.insts[inst.index()].kind = kind;
                    out.push(inst);
                    self.know(cond, true, &mut added);
                    continue;
                }
                InstKind::Branch(cond, ..) => {
                    if let Some(truth) = self.known(*cond) {
                        let value = if truth { -1 } else { 0 };
                        let constant = new_inst(self.func, InstKind::Iconst { ty: Type::I1, value }, &[Type::I1], 0);
                        out.push(constant);
                        *cond = self.func.insts[constant.index()].results[0];
                        self.changed = true;
                    }
                }
                _ => {}
            }
            let key = self.key(&kind);
            self.func.insts[inst.index()].kind = kind;
            if let Some(key) = key {
                let results = self.func.insts[inst.index()].results.clone();
                if let Some(earlier) = self.table.get(&key) {
                    for (result, earlier) in results.iter().zip(earlier.clone()) {
                        self.subst.replace(*result, earlier);
                    }
                    self.changed = true;
                    continue;
                }
                // A value that is known from a branch or guard stays an instruction: others may use it for what it is.
                let hidden = self.table.insert(key.clone(), results);
                added.push((key, hidden));
            }
            out.push(inst);
        }
        self.func.blocks[block.index()].insts = out;
        added
    }

    /// Enters that `cond` is known.
    fn know(&mut self, cond: Value, truth: bool, added: &mut Added) {
        let mut enter = |key: Key, truth: bool| {
            let hidden = self.table.insert(key.clone(), vec![Value(u32::from(truth))]);
            added.push((key, hidden));
        };
        enter(Key::Known(cond), truth);
        if let Some(&InstKind::Icmp(cc, a, b)) = self.defs.inst(self.func, cond) {
            let (key, polarity) = known_comparison(cc, a, b);
            enter(key, truth == polarity);
        }
    }

    /// What `cond` is known to be here.
    fn known(&self, cond: Value) -> Option<bool> {
        let truth = |key: &Key| self.table.get(key).map(|v| v[0] == Value(1));
        truth(&Key::Known(cond)).or_else(|| match self.defs.inst(self.func, cond) {
            Some(&InstKind::Icmp(cc, a, b)) => {
                let (key, polarity) = known_comparison(cc, a, b);
                truth(&key).map(|truth| truth == polarity)
            }
            _ => None,
        })
    }

    fn key(&self, kind: &InstKind) -> Option<Key> {
        let order = |a: Value, b: Value, commutes: bool| if commutes && b < a { (b, a) } else { (a, b) };
        Some(match kind {
            InstKind::Iconst { ty, value } => Key::Int(*ty, *value),
            InstKind::Fconst { ty, bits } => Key::Float(*ty, *bits),
            InstKind::Unary(op, a) => Key::Unary(*op, *a),
            InstKind::Binary(op, a, b) => {
                let (a, b) = order(*a, *b, is_commutative(*op));
                Key::Binary(*op, a, b)
            }
            InstKind::Overflow(op, a, b) => {
                let is_difference = matches!(op, OverflowOp::SsubOverflow | OverflowOp::UsubOverflow);
                let (a, b) = order(*a, *b, !is_difference || planted(Defect::GvnSubtractionCommutes));
                Key::Overflow(*op, a, b)
            }
            InstKind::Icmp(cc, a, b) if *b < *a => Key::Icmp(swapped(*cc), *b, *a),
            InstKind::Icmp(cc, a, b) => Key::Icmp(*cc, *a, *b),
            InstKind::Fcmp(cc, a, b) => Key::Fcmp(*cc, *a, *b),
            InstKind::Select(c, a, b) => Key::Select(*c, *a, *b),
            InstKind::Convert(op, a, ty) => Key::Convert(*op, *a, *ty),
            InstKind::Splat(a, ty) => Key::Splat(*a, *ty),
            InstKind::ExtractLane(a, lane) => Key::ExtractLane(*a, *lane),
            InstKind::PtrAdd(a, b) => Key::PtrAdd(*a, *b),
            InstKind::Load { ty, addr, offset, region: Region::Constant } => Key::Load(*ty, *addr, *offset),
            InstKind::Context => Key::Context,
            InstKind::Libm(func, args) => Key::Libm(*func, args.clone()),
            _ => return None,
        })
    }
}

/// The one key under which a comparison, its mirror image and its opposite are known; and whether it is the opposite.
fn known_comparison(cc: IntCC, a: Value, b: Value) -> (Key, bool) {
    let (cc, a, b) = if b < a { (swapped(cc), b, a) } else { (cc, a, b) };
    let positive = matches!(cc, IntCC::Eq | IntCC::Slt | IntCC::Sle | IntCC::Ult | IntCC::Ule);
    (Key::KnownComparison(if positive { cc } else { opposite(cc) }, a, b), positive)
}
