//! Builds a typed function, block by block.

use std::collections::HashMap;

use crate::snapshot::Snapshot;
use crate::typed::*;

/// Appends instructions to a [`TypedFunction`]. Types of results follow from the operands.
#[derive(Debug)]
pub struct Builder {
    /// What has been built so far.
    pub func: TypedFunction,
    current: Option<Block>,
    line: u32,
    constants: HashMap<Value, i128>,
}

impl Builder {
    /// Starts a function without blocks.
    pub fn new(name: impl Into<String>) -> Builder {
        Builder {
            func: TypedFunction {
                name: name.into(),
                licences: Licences::default(),
                result: None,
                layout: Vec::new(),
                blocks: Vec::new(),
                insts: Vec::new(),
                value_types: Vec::new(),
                snapshots: Vec::new(),
            },
            current: None,
            line: 0,
            constants: HashMap::new(),
        }
    }

    /// Adds an empty block at the end of the layout.
    pub fn create_block(&mut self) -> Block {
        let block = Block(self.func.blocks.len() as u32);
        self.func.blocks.push(BlockData::default());
        self.func.layout.push(block);
        block
    }

    /// Adds a parameter to a block.
    pub fn append_param(&mut self, block: Block, ty: Type) -> Value {
        let value = self.new_value(ty);
        self.func.blocks[block.index()].params.push(value);
        value
    }

    /// Further instructions go to the end of `block`.
    pub fn switch_to(&mut self, block: Block) {
        self.current = Some(block);
    }

    /// The block that instructions go to.
    pub fn current(&self) -> Option<Block> {
        self.current
    }

    /// Further instructions come from this line of the user's source.
    pub fn set_line(&mut self, line: u32) {
        self.line = line;
    }

    /// Whether the current block has its terminator.
    pub fn is_terminated(&self) -> bool {
        let Some(block) = self.current else { return true };
        let last = self.func.blocks[block.index()].insts.last();
        last.is_some_and(|inst| self.func.insts[inst.index()].kind.is_terminator())
    }

    /// Adds an exit.
    pub fn snapshot(&mut self, snapshot: Snapshot) -> SnapshotId {
        self.func.snapshots.push(snapshot);
        SnapshotId(self.func.snapshots.len() as u32 - 1)
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> Type {
        self.func.value_types[value.index()]
    }

    /// Appends an instruction with results of the given types.
    pub fn push(&mut self, kind: InstKind, result_types: &[Type]) -> Inst {
        let block = self.current.expect("a block to append to");
        debug_assert!(!self.is_terminated(), "{block} already has its terminator");
        let results = result_types.iter().map(|ty| self.new_value(*ty)).collect();
        let inst = Inst(self.func.insts.len() as u32);
        self.func.insts.push(InstData { kind, results, line: self.line });
        self.func.blocks[block.index()].insts.push(inst);
        inst
    }

    fn push_one(&mut self, kind: InstKind, ty: Type) -> Value {
        let inst = self.push(kind, &[ty]);
        self.func.insts[inst.index()].results[0]
    }

    fn new_value(&mut self, ty: Type) -> Value {
        self.func.value_types.push(ty);
        Value(self.func.value_types.len() as u32 - 1)
    }

    /// The results of an instruction.
    pub fn results(&self, inst: Inst) -> &[Value] {
        &self.func.insts[inst.index()].results
    }

    /// An integer constant.
    pub fn iconst(&mut self, ty: Type, value: i128) -> Value {
        let constant = self.push_one(InstKind::Iconst { ty, value }, ty);
        self.constants.insert(constant, value);
        constant
    }

    /// The value of an integer that an [`InstKind::Iconst`] made.
    pub fn iconst_value(&self, value: Value) -> Option<i128> {
        self.constants.get(&value).copied()
    }

    /// An `i64` constant.
    pub fn i64(&mut self, value: i64) -> Value {
        self.iconst(Type::I64, i128::from(value))
    }

    /// An `i1` constant.
    pub fn i1(&mut self, value: bool) -> Value {
        self.iconst(Type::I1, if value { -1 } else { 0 })
    }

    /// An `f64` constant.
    pub fn f64(&mut self, value: f64) -> Value {
        self.push_one(InstKind::Fconst { ty: Type::F64, bits: value.to_bits() }, Type::F64)
    }

    /// An `f32` constant.
    pub fn f32(&mut self, value: f32) -> Value {
        self.push_one(InstKind::Fconst { ty: Type::F32, bits: u64::from(value.to_bits()) }, Type::F32)
    }

    /// See [`UnaryOp`].
    pub fn unary(&mut self, op: UnaryOp, value: Value) -> Value {
        self.push_one(InstKind::Unary(op, value), self.ty(value))
    }

    /// See [`BinaryOp`].
    pub fn binary(&mut self, op: BinaryOp, lhs: Value, rhs: Value) -> Value {
        self.push_one(InstKind::Binary(op, lhs, rhs), self.ty(lhs))
    }

    /// See [`OverflowOp`]: the wrapped value, and whether the exact one does not fit.
    pub fn overflow(&mut self, op: OverflowOp, lhs: Value, rhs: Value) -> (Value, Value) {
        let inst = self.push(InstKind::Overflow(op, lhs, rhs), &[self.ty(lhs), Type::I1]);
        let results = &self.func.insts[inst.index()].results;
        (results[0], results[1])
    }

    /// Compares integers.
    pub fn icmp(&mut self, cc: IntCC, lhs: Value, rhs: Value) -> Value {
        self.push_one(InstKind::Icmp(cc, lhs, rhs), Type::I1)
    }

    /// Compares floats.
    pub fn fcmp(&mut self, cc: FloatCC, lhs: Value, rhs: Value) -> Value {
        self.push_one(InstKind::Fcmp(cc, lhs, rhs), Type::I1)
    }

    /// Chooses a value.
    pub fn select(&mut self, cond: Value, if_true: Value, if_false: Value) -> Value {
        self.push_one(InstKind::Select(cond, if_true, if_false), self.ty(if_true))
    }

    /// Converts a value.
    pub fn convert(&mut self, op: ConvertOp, value: Value, to: Type) -> Value {
        self.push_one(InstKind::Convert(op, value, to), to)
    }

    /// Address plus bytes.
    pub fn ptr_add(&mut self, addr: Value, bytes: Value) -> Value {
        self.push_one(InstKind::PtrAdd(addr, bytes), Type::PTR)
    }

    /// Reads memory.
    pub fn load(&mut self, ty: Type, addr: Value, offset: i32, region: Region) -> Value {
        self.push_one(InstKind::Load { ty, addr, offset, region }, ty)
    }

    /// Writes memory.
    pub fn store(&mut self, value: Value, addr: Value, offset: i32, region: Region) {
        self.push(InstKind::Store { value, addr, offset, region }, &[]);
    }

    /// The context's address.
    pub fn context(&mut self) -> Value {
        self.push_one(InstKind::Context, Type::PTR)
    }

    /// Calls libm; the result has the type of the operands.
    pub fn libm(&mut self, func: LibFunc, args: Vec<Value>) -> Value {
        let ty = self.ty(args[0]);
        self.push_one(InstKind::Libm(func, args), ty)
    }

    /// Takes the exit unless `cond`.
    pub fn guard(&mut self, cond: Value, exit: SnapshotId) {
        self.push(InstKind::Guard(cond, exit), &[]);
    }

    /// A back edge's poll.
    pub fn poll(&mut self, exit: SnapshotId) {
        self.push(InstKind::Poll(exit), &[]);
    }

    /// Goes to a block.
    pub fn jump(&mut self, block: Block, args: Vec<Value>) {
        self.push(InstKind::Jump(BlockCall { block, args }), &[]);
    }

    /// Goes to one of two blocks.
    pub fn branch(&mut self, cond: Value, if_true: (Block, Vec<Value>), if_false: (Block, Vec<Value>)) {
        let if_true = BlockCall { block: if_true.0, args: if_true.1 };
        let if_false = BlockCall { block: if_false.0, args: if_false.1 };
        self.push(InstKind::Branch(cond, if_true, if_false), &[]);
    }

    /// Returns.
    pub fn ret(&mut self, value: Option<Value>) {
        self.push(InstKind::Return(value), &[]);
    }

    /// Takes the exit.
    pub fn exit(&mut self, exit: SnapshotId) {
        self.push(InstKind::Exit(exit), &[]);
    }
}
