//! Helpers shared by the passes: looking up definitions, replacing values, adding code, cloning regions, repairing SSA.
//!
//! Invariant: whoever clones blocks calls [`repair_ssa`] for every value that is used outside and now has two
//! definitions. Kept by the loop passes; checked by the verifier after each pass.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use flashpoint_ir::analysis::Cfg;
use flashpoint_ir::typed::*;

use crate::fold;

/// A map with a hash that is quick for the small keys of passes. It does not resist chosen keys, which nobody chooses here.
pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// See [`FastMap`].
#[derive(Clone, Copy, Debug, Default)]
pub struct FastHasher(u64);

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Def {
    /// It is not defined in any block of the layout.
    None,
    /// The n-th parameter of a block.
    Param(Block, u32),
    /// The n-th result of an instruction.
    Result(Inst, u32),
}

/// The definition of each value of the blocks in the layout.
#[derive(Clone, Debug)]
pub struct Defs {
    table: Vec<Def>,
}

impl Defs {
    /// The definitions of `func`.
    pub fn of(func: &TypedFunction) -> Defs {
        let mut table = vec![Def::None; func.value_types.len()];
        for &block in &func.layout {
            let data = &func.blocks[block.index()];
            for (i, param) in data.params.iter().enumerate() {
                table[param.index()] = Def::Param(block, i as u32);
            }
            for &inst in &data.insts {
                for (i, result) in func.insts[inst.index()].results.iter().enumerate() {
                    table[result.index()] = Def::Result(inst, i as u32);
                }
            }
        }
        Defs { table }
    }

    /// Where `value` comes from; [`Def::None`] for a value made after the table.
    pub fn get(&self, value: Value) -> Def {
        self.table.get(value.index()).copied().unwrap_or(Def::None)
    }

    /// Enters the results of a new instruction.
    pub fn add(&mut self, func: &TypedFunction, inst: Inst) {
        self.table.resize(func.value_types.len(), Def::None);
        for (i, result) in func.insts[inst.index()].results.iter().enumerate() {
            self.table[result.index()] = Def::Result(inst, i as u32);
        }
    }

    /// The instruction whose result `value` is.
    pub fn inst<'a>(&self, func: &'a TypedFunction, value: Value) -> Option<&'a InstKind> {
        match self.get(value) {
            Def::Result(inst, _) => Some(&func.insts[inst.index()].kind),
            _ => None,
        }
    }

    /// The value of an integer constant.
    pub fn int(&self, func: &TypedFunction, value: Value) -> Option<i128> {
        match self.inst(func, value) {
            Some(InstKind::Iconst { value, .. }) => Some(*value),
            _ => None,
        }
    }
}

/// The block that defines each value.
pub fn blocks_of_values(func: &TypedFunction) -> Vec<Option<Block>> {
    let mut blocks = vec![None; func.value_types.len()];
    for &block in &func.layout {
        for param in &func.blocks[block.index()].params {
            blocks[param.index()] = Some(block);
        }
        for inst in &func.blocks[block.index()].insts {
            for result in &func.insts[inst.index()].results {
                blocks[result.index()] = Some(block);
            }
        }
    }
    blocks
}

/// Calls `f` on everything an instruction uses: operands, block arguments, and the values of its exit.
pub fn visit_uses(func: &TypedFunction, kind: &InstKind, f: &mut impl FnMut(Value)) {
    kind.for_each_operand(f);
    if let Some(exit) = kind.snapshot() {
        func.snapshots[exit.index()].for_each_value(f);
    }
}

/// The targets of a terminator.
pub fn targets(kind: &InstKind) -> impl Iterator<Item = &BlockCall> {
    let (a, b) = match kind {
        InstKind::Jump(call) => (Some(call), None),
        InstKind::Branch(_, a, b) => (Some(a), Some(b)),
        _ => (None, None),
    };
    a.into_iter().chain(b)
}

/// The terminator of a block that has one.
pub fn terminator(func: &TypedFunction, block: Block) -> &InstKind {
    let last = func.blocks[block.index()].insts.last().expect("a block ends with a terminator");
    &func.insts[last.index()].kind
}

/// The terminator of a block that has one.
pub fn terminator_mut(func: &mut TypedFunction, block: Block) -> &mut InstKind {
    let last = func.blocks[block.index()].insts.last().expect("a block ends with a terminator");
    &mut func.insts[last.index()].kind
}

/// Which value stands for which: collected during a pass, applied once at its end.
#[derive(Clone, Debug)]
pub struct Subst {
    to: Vec<Value>,
    changed: bool,
}

impl Subst {
    /// Every value stands for itself.
    pub fn new(func: &TypedFunction) -> Subst {
        Subst { to: (0..func.value_types.len() as u32).map(Value).collect(), changed: false }
    }

    /// What `value` is to be replaced by in the end.
    pub fn find(&mut self, value: Value) -> Value {
        let mut root = value;
        while let Some(&next) = self.to.get(root.index()).filter(|next| **next != root) {
            root = next;
        }
        let mut at = value;
        while at != root {
            at = std::mem::replace(&mut self.to[at.index()], root);
        }
        root
    }

    /// Uses of `from` become uses of `to`.
    pub fn replace(&mut self, from: Value, to: Value) {
        let (from, to) = (self.find(from), self.find(to));
        if from != to {
            let len = self.to.len().max(from.index() + 1);
            self.to.extend((self.to.len()..len).map(|i| Value(i as u32)));
            self.to[from.index()] = to;
            self.changed = true;
        }
    }

    /// Renames the operands of one instruction.
    pub fn apply_to(&mut self, kind: &mut InstKind) {
        if self.changed {
            kind.for_each_operand_mut(&mut |v| *v = self.find(*v));
        }
    }

    /// Renames every use, in snapshots too. Returns whether anything was replaced.
    pub fn apply(mut self, func: &mut TypedFunction) -> bool {
        if !self.changed {
            return false;
        }
        for block in &func.layout {
            for inst in &func.blocks[block.index()].insts {
                func.insts[inst.index()].kind.for_each_operand_mut(&mut |v| *v = self.find(*v));
            }
        }
        for snapshot in &mut func.snapshots {
            snapshot.for_each_value_mut(&mut |v| *v = self.find(*v));
        }
        true
    }
}

/// A new value, defined by nothing yet.
pub fn new_value(func: &mut TypedFunction, ty: Type) -> Value {
    func.value_types.push(ty);
    Value(func.value_types.len() as u32 - 1)
}

/// A new instruction, in no block yet.
pub fn new_inst(func: &mut TypedFunction, kind: InstKind, types: &[Type], line: u32) -> Inst {
    let results = types.iter().map(|ty| new_value(func, *ty)).collect();
    func.insts.push(InstData { kind, results, line });
    Inst(func.insts.len() as u32 - 1)
}

/// A new block behind `after` in the layout.
pub fn new_block(func: &mut TypedFunction, after: Block) -> Block {
    let block = Block(func.blocks.len() as u32);
    func.blocks.push(BlockData::default());
    let at = func.layout.iter().position(|b| *b == after).map_or(func.layout.len(), |at| at + 1);
    func.layout.insert(at, block);
    block
}

/// Adds a parameter to a block.
pub fn append_param(func: &mut TypedFunction, block: Block, ty: Type) -> Value {
    let value = new_value(func, ty);
    func.blocks[block.index()].params.push(value);
    value
}

/// Ends a block.
pub fn terminate(func: &mut TypedFunction, block: Block, kind: InstKind, line: u32) {
    let inst = new_inst(func, kind, &[], line);
    func.blocks[block.index()].insts.push(inst);
}

/// Adds pure code in front of a block's terminator (or to the end of a block that has none), folding constants and the
/// obvious identities as it goes.
pub struct Emitter<'a> {
    /// The function.
    pub func: &'a mut TypedFunction,
    /// Definitions, kept up to date.
    pub defs: &'a mut Defs,
    block: Block,
    line: u32,
}

impl<'a> Emitter<'a> {
    /// Adds to `block`.
    pub fn new(func: &'a mut TypedFunction, defs: &'a mut Defs, block: Block, line: u32) -> Emitter<'a> {
        Emitter { func, defs, block, line }
    }

    /// Adds an instruction with results of these types.
    pub fn push(&mut self, kind: InstKind, types: &[Type]) -> Inst {
        let inst = new_inst(self.func, kind, types, self.line);
        self.defs.add(self.func, inst);
        let insts = &mut self.func.blocks[self.block.index()].insts;
        let terminated = insts.last().is_some_and(|i| self.func.insts[i.index()].kind.is_terminator());
        insts.insert(insts.len() - usize::from(terminated), inst);
        inst
    }

    fn one(&mut self, kind: InstKind, ty: Type) -> Value {
        if let Some(constant) = fold::fold(&kind, ty, &|v| fold::constant(self.func, self.defs, v)) {
            let kind = constant.into_inst(ty);
            let inst = self.push(kind, &[ty]);
            return self.func.insts[inst.index()].results[0];
        }
        if let Some(inst) = self.recent(&kind) {
            return self.func.insts[inst.index()].results[0];
        }
        let inst = self.push(kind, &[ty]);
        self.func.insts[inst.index()].results[0]
    }

    /// An equal pure instruction among the last ones of the block.
    fn recent(&self, kind: &InstKind) -> Option<Inst> {
        let insts = &self.func.blocks[self.block.index()].insts;
        insts.iter().rev().take(200).copied().find(|inst| self.func.insts[inst.index()].kind == *kind)
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> Type {
        self.func.value_types[value.index()]
    }

    /// The value of an integer constant.
    pub fn const_of(&self, value: Value) -> Option<i128> {
        self.defs.int(self.func, value)
    }

    /// An integer constant.
    pub fn iconst(&mut self, ty: Type, value: i128) -> Value {
        let kind = InstKind::Iconst { ty, value: fold::canonical(value, ty.lane_bits()) };
        let inst = self.recent(&kind).unwrap_or_else(|| self.push(kind, &[ty]));
        self.func.insts[inst.index()].results[0]
    }

    /// An `i1` constant.
    pub fn i1(&mut self, value: bool) -> Value {
        self.iconst(Type::I1, if value { -1 } else { 0 })
    }

    /// A binary operation.
    pub fn binary(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        match (op, self.const_of(a), self.const_of(b)) {
            (BinaryOp::Or, Some(0), _) | (BinaryOp::And, Some(-1), _) | (BinaryOp::Iadd, Some(0), _) => return b,
            (BinaryOp::Or, _, Some(0)) | (BinaryOp::And, _, Some(-1)) => return a,
            (BinaryOp::Iadd | BinaryOp::Isub | BinaryOp::Shl, _, Some(0)) => return a,
            (BinaryOp::Imul, Some(1), _) => return b,
            (BinaryOp::Imul, _, Some(1)) => return a,
            (BinaryOp::And | BinaryOp::Or | BinaryOp::Smin | BinaryOp::Smax, ..) if a == b => return a,
            _ => {}
        }
        let ty = self.ty(a);
        self.one(InstKind::Binary(op, a, b), ty)
    }

    /// An integer comparison.
    pub fn icmp(&mut self, cc: IntCC, a: Value, b: Value) -> Value {
        self.one(InstKind::Icmp(cc, a, b), Type::I1)
    }

    /// A choice.
    pub fn select(&mut self, cond: Value, a: Value, b: Value) -> Value {
        match self.const_of(cond) {
            Some(0) => b,
            Some(_) => a,
            None if a == b => a,
            None => {
                let ty = self.ty(a);
                self.one(InstKind::Select(cond, a, b), ty)
            }
        }
    }

    /// A conversion.
    pub fn convert(&mut self, op: ConvertOp, value: Value, to: Type) -> Value {
        self.one(InstKind::Convert(op, value, to), to)
    }

    /// The wrapped value, and whether the exact one does not fit.
    pub fn overflow(&mut self, op: OverflowOp, a: Value, b: Value) -> (Value, Value) {
        let ty = self.ty(a);
        let (x, y) = (self.const_of(a), self.const_of(b));
        if let (Some(x), Some(y)) = (x, y) {
            let (value, flag) = fold::overflow(op, x, y, ty.lane_bits());
            return (self.iconst(ty, value), self.i1(flag));
        }
        let keeps = match op {
            OverflowOp::SaddOverflow | OverflowOp::UaddOverflow if x == Some(0) => Some(b),
            OverflowOp::SaddOverflow
            | OverflowOp::UaddOverflow
            | OverflowOp::SsubOverflow
            | OverflowOp::UsubOverflow
                if y == Some(0) =>
            {
                Some(a)
            }
            OverflowOp::SmulOverflow | OverflowOp::UmulOverflow if y == Some(1) => Some(a),
            OverflowOp::SmulOverflow | OverflowOp::UmulOverflow if x == Some(1) => Some(b),
            _ => None,
        };
        if let Some(value) = keeps {
            return (value, self.i1(false));
        }
        let kind = InstKind::Overflow(op, a, b);
        let inst = self.recent(&kind).unwrap_or_else(|| self.push(kind, &[ty, Type::I1]));
        let results = &self.func.insts[inst.index()].results;
        (results[0], results[1])
    }
}

/// The names of the copies that [`clone_blocks`] made.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    /// Original and copy of each block.
    pub blocks: HashMap<Block, Block>,
    /// Original and copy of each value defined in them.
    pub values: HashMap<Value, Value>,
    /// Original and copy of each instruction.
    pub insts: HashMap<Inst, Inst>,
}

impl Copies {
    /// The copy of a value defined inside, or the value itself.
    pub fn value(&self, value: Value) -> Value {
        self.values.get(&value).copied().unwrap_or(value)
    }
}

/// Copies blocks with their exits. Jumps between them lead to copies, jumps out of them where they led before.
pub fn clone_blocks(func: &mut TypedFunction, blocks: &[Block]) -> Copies {
    let mut copies = Copies::default();
    let mut after = *blocks.iter().max_by_key(|b| func.layout.iter().position(|l| l == *b)).expect("a block to copy");
    for &block in blocks {
        let copy = new_block(func, after);
        after = copy;
        copies.blocks.insert(block, copy);
        for param in func.blocks[block.index()].params.clone() {
            let ty = func.value_types[param.index()];
            let new = append_param(func, copy, ty);
            copies.values.insert(param, new);
        }
        for inst in func.blocks[block.index()].insts.clone() {
            let data = func.insts[inst.index()].clone();
            let types: Vec<Type> = data.results.iter().map(|v| func.value_types[v.index()]).collect();
            let new = new_inst(func, data.kind, &types, data.line);
            for (old, new) in data.results.iter().zip(func.insts[new.index()].results.clone()) {
                copies.values.insert(*old, new);
            }
            copies.insts.insert(inst, new);
            func.blocks[copy.index()].insts.push(new);
        }
    }
    // In order, so that one input gives one output: exits are numbered as they are met.
    let copied = blocks.iter().flat_map(|block| func.blocks[copies.blocks[block].index()].insts.clone());
    let new_insts: Vec<Inst> = copied.collect();
    let mut exits: HashMap<SnapshotId, SnapshotId> = HashMap::new();
    for inst in new_insts {
        let mut kind = func.insts[inst.index()].kind.clone();
        kind.for_each_operand_mut(&mut |v| *v = copies.value(*v));
        kind.for_each_target_mut(&mut |call| {
            if let Some(copy) = copies.blocks.get(&call.block) {
                call.block = *copy;
            }
        });
        if let InstKind::Guard(_, exit) | InstKind::Poll(exit) | InstKind::Exit(exit) = &mut kind {
            *exit = *exits.entry(*exit).or_insert_with(|| clone_snapshot(func, *exit, &|v| copies.value(v)));
        }
        func.insts[inst.index()].kind = kind;
    }
    copies
}

/// Copies an exit under other names for its values.
pub fn clone_snapshot(func: &mut TypedFunction, exit: SnapshotId, rename: &dyn Fn(Value) -> Value) -> SnapshotId {
    let mut snapshot = func.snapshots[exit.index()].clone();
    snapshot.for_each_value_mut(&mut |v| *v = rename(*v));
    func.snapshots.push(snapshot);
    SnapshotId(func.snapshots.len() as u32 - 1)
}

/// Gives every use of a variable the definition that reaches it, adding block parameters where several do.
///
/// `variables` lists, for each variable, its definitions as (block, value at the block's end). Uses of any of these values
/// in blocks that `is_home` does not claim are renamed; in home blocks names are right already. All definitions together
/// must dominate every use.
pub fn repair_ssa(func: &mut TypedFunction, variables: &[Vec<(Block, Value)>], is_home: &dyn Fn(Block) -> bool) {
    let mut variable_of: HashMap<Value, usize> = HashMap::new();
    for (i, definitions) in variables.iter().enumerate() {
        for (_, value) in definitions {
            variable_of.insert(*value, i);
        }
    }
    if variable_of.is_empty() {
        return;
    }
    let cfg = Cfg::of(func);
    let types = variables
        .iter()
        .map(|definitions| definitions.first().map_or(Type::I1, |(_, value)| func.value_types[value.index()]))
        .collect();
    let mut repair = Repair { at_end: HashMap::new(), at_start: HashMap::new(), cfg: &cfg, added: Vec::new(), types };
    for (i, definitions) in variables.iter().enumerate() {
        for (block, value) in definitions {
            repair.at_end.insert((i, *block), *value);
        }
    }
    // An exit shared by guards of several blocks gets one copy per block, since names may differ.
    let mut exits: HashMap<SnapshotId, Block> = HashMap::new();
    for block in func.layout.clone() {
        if !cfg.is_reachable(block) || is_home(block) {
            for inst in &func.blocks[block.index()].insts {
                if let Some(exit) = func.insts[inst.index()].kind.snapshot() {
                    exits.entry(exit).or_insert(block);
                }
            }
            continue;
        }
        for inst in func.blocks[block.index()].insts.clone() {
            let mut needed = Vec::new();
            visit_uses(func, &func.insts[inst.index()].kind, &mut |v| {
                if let Some(variable) = variable_of.get(&v) {
                    needed.push((v, *variable));
                }
            });
            let exit = func.insts[inst.index()].kind.snapshot();
            if needed.is_empty() {
                if let Some(exit) = exit {
                    exits.entry(exit).or_insert(block);
                }
                continue;
            }
            let names: HashMap<Value, Value> =
                needed.into_iter().map(|(v, variable)| (v, repair.read_start(func, variable, block))).collect();
            let rename = |v: Value| names.get(&v).copied().unwrap_or(v);
            let mut kind = func.insts[inst.index()].kind.clone();
            kind.for_each_operand_mut(&mut |v| *v = rename(*v));
            if let InstKind::Guard(_, exit) | InstKind::Poll(exit) | InstKind::Exit(exit) = &mut kind {
                match exits.get(exit) {
                    // Renamed before, or another block's: names of this block are asked for again.
                    Some(owner) if *owner != block => *exit = clone_snapshot(func, *exit, &rename),
                    _ => {
                        func.snapshots[exit.index()].for_each_value_mut(&mut |v| *v = rename(*v));
                        exits.insert(*exit, block);
                    }
                }
            }
            func.insts[inst.index()].kind = kind;
        }
    }
    // New parameters get their arguments last, when every name is settled.
    let added = std::mem::take(&mut repair.added);
    let mut done = 0;
    let mut queue = added;
    while done < queue.len() {
        let (variable, block, _) = queue[done];
        done += 1;
        for &pred in cfg.predecessors(block) {
            let value = repair.read_end(func, variable, pred);
            terminator_mut(func, pred).for_each_target_mut(&mut |call| {
                if call.block == block {
                    call.args.push(value);
                }
            });
        }
        queue.append(&mut repair.added);
    }
}

struct Repair<'a> {
    at_end: HashMap<(usize, Block), Value>,
    at_start: HashMap<(usize, Block), Value>,
    cfg: &'a Cfg,
    types: Vec<Type>,
    /// New parameters in the order in which they were appended to their blocks.
    added: Vec<(usize, Block, Value)>,
}

impl Repair<'_> {
    fn read_end(&mut self, func: &mut TypedFunction, variable: usize, block: Block) -> Value {
        match self.at_end.get(&(variable, block)) {
            Some(value) => *value,
            None => self.read_start(func, variable, block),
        }
    }

    fn read_start(&mut self, func: &mut TypedFunction, variable: usize, block: Block) -> Value {
        // Walks up blocks with one predecessor; a join gets a parameter.
        let mut path = Vec::new();
        let mut at = block;
        let value = loop {
            if let Some(value) = self.at_start.get(&(variable, at)) {
                break *value;
            }
            path.push(at);
            if let &[pred] = self.cfg.predecessors(at) {
                if let Some(value) = self.at_end.get(&(variable, pred)) {
                    break *value;
                }
                at = pred;
                continue;
            }
            let param = append_param(func, at, self.types[variable]);
            self.added.push((variable, at, param));
            break param;
        };
        for at in path {
            self.at_start.insert((variable, at), value);
        }
        value
    }
}
