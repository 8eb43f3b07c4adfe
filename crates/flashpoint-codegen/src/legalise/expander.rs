//! Emits the instructions of expansions into a copy of the function.

use std::collections::HashMap;

use flashpoint_ir::typed::*;

/// Rebuilds the blocks of a function one after the other. New values and blocks get new numbers; the expansion of an
/// instruction ends by defining the instruction's own results, so that their users need no change.
pub(super) struct Expander {
    func: TypedFunction,
    layout: Vec<Block>,
    current: Block,
    insts: Vec<Inst>,
    line: u32,
    constants: HashMap<Value, i128>,
}

impl Expander {
    pub(super) fn new(func: TypedFunction) -> Expander {
        let mut constants = HashMap::new();
        for inst in &func.insts {
            if let InstKind::Iconst { value, .. } = inst.kind {
                constants.insert(inst.results[0], value);
            }
        }
        let current = func.layout[0];
        Expander { func, layout: Vec::new(), current, insts: Vec::new(), line: 0, constants }
    }

    /// Starts on an existing block.
    pub(super) fn start_block(&mut self, block: Block) {
        self.layout.push(block);
        self.current = block;
        self.insts.clear();
    }

    /// Everything of the current block has been emitted.
    pub(super) fn finish_block(&mut self) {
        self.func.blocks[self.current.index()].insts = std::mem::take(&mut self.insts);
    }

    /// Everything has been emitted.
    pub(super) fn finish(mut self) -> TypedFunction {
        self.func.layout = self.layout;
        self.func
    }

    /// Emits an instruction of the original as it is.
    pub(super) fn keep(&mut self, inst: Inst) {
        self.insts.push(inst);
    }

    pub(super) fn set_line(&mut self, line: u32) {
        self.line = line;
    }

    pub(super) fn ty(&self, value: Value) -> Type {
        self.func.value_types[value.index()]
    }

    /// The value of an integer constant.
    pub(super) fn constant(&self, value: Value) -> Option<i128> {
        self.constants.get(&value).copied()
    }

    fn new_value(&mut self, ty: Type) -> Value {
        self.func.value_types.push(ty);
        Value(self.func.value_types.len() as u32 - 1)
    }

    fn push(&mut self, kind: InstKind, results: Vec<Value>) {
        self.insts.push(Inst(self.func.insts.len() as u32));
        self.func.insts.push(InstData { kind, results, line: self.line });
    }

    /// Emits an instruction with one new result.
    pub(super) fn emit(&mut self, kind: InstKind, ty: Type) -> Value {
        let value = self.new_value(ty);
        self.push(kind, vec![value]);
        value
    }

    /// Emits an instruction that defines `result`, a result of the original.
    pub(super) fn define(&mut self, result: Value, kind: InstKind) {
        self.push(kind, vec![result]);
    }

    /// An integer constant, in every lane of a vector.
    pub(super) fn iconst(&mut self, ty: Type, value: i128) -> Value {
        if ty.lanes > 1 {
            let scalar = self.iconst(ty.scalar_of(), value);
            return self.emit(InstKind::Splat(scalar, ty), ty);
        }
        let result = self.emit(InstKind::Iconst { ty, value }, ty);
        self.constants.insert(result, value);
        result
    }

    pub(super) fn unary(&mut self, op: UnaryOp, a: Value) -> Value {
        self.emit(InstKind::Unary(op, a), self.ty(a))
    }

    pub(super) fn binary(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        self.emit(InstKind::Binary(op, a, b), self.ty(a))
    }

    /// A binary instruction whose second operand is a constant.
    pub(super) fn binary_const(&mut self, op: BinaryOp, a: Value, b: i128) -> Value {
        let b = self.iconst(self.ty(a), b);
        self.binary(op, a, b)
    }

    pub(super) fn icmp(&mut self, cc: IntCC, a: Value, b: Value) -> Value {
        self.emit(InstKind::Icmp(cc, a, b), self.ty(a).mask())
    }

    pub(super) fn icmp_const(&mut self, cc: IntCC, a: Value, b: i128) -> Value {
        let b = self.iconst(self.ty(a), b);
        self.icmp(cc, a, b)
    }

    pub(super) fn select(&mut self, cond: Value, a: Value, b: Value) -> Value {
        self.emit(InstKind::Select(cond, a, b), self.ty(a))
    }

    pub(super) fn convert(&mut self, op: ConvertOp, a: Value, to: Type) -> Value {
        self.emit(InstKind::Convert(op, a, to), to)
    }

    /// Low 64 bits of an `i128`.
    pub(super) fn low(&mut self, a: Value) -> Value {
        self.convert(ConvertOp::Trunc, a, Type::I64)
    }

    /// High 64 bits of an `i128`.
    pub(super) fn high(&mut self, a: Value) -> Value {
        let shifted = self.binary_const(BinaryOp::Lshr, a, 64);
        self.low(shifted)
    }

    /// An `i128` from an unsigned `i64`.
    pub(super) fn wide(&mut self, a: Value) -> Value {
        self.convert(ConvertOp::Zext, a, Type::I128)
    }

    /// A block to be emitted later, with parameters of these types.
    pub(super) fn new_block(&mut self, params: &[Type]) -> (Block, Vec<Value>) {
        let params: Vec<Value> = params.iter().map(|ty| self.new_value(*ty)).collect();
        let block = Block(self.func.blocks.len() as u32);
        self.func.blocks.push(BlockData { params: params.clone(), insts: Vec::new() });
        (block, params)
    }

    /// Ends the current block by going to `block`.
    pub(super) fn jump(&mut self, block: Block, args: &[Value]) {
        self.push(InstKind::Jump(BlockCall { block, args: args.to_vec() }), Vec::new());
    }

    /// Ends the current block by going to one of two.
    pub(super) fn branch(&mut self, cond: Value, if_true: (Block, &[Value]), if_false: (Block, &[Value])) {
        let call = |(block, args): (Block, &[Value])| BlockCall { block, args: args.to_vec() };
        self.push(InstKind::Branch(cond, call(if_true), call(if_false)), Vec::new());
    }

    /// Goes on in a new block. The current one has its terminator.
    pub(super) fn switch_to(&mut self, block: Block) {
        self.finish_block();
        self.layout.push(block);
        self.current = block;
    }
}
