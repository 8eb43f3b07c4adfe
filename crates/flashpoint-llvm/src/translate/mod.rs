//! Typed function → LLVM IR: the inner function and its entry wrapper, in one module.
//!
//! Reading order: this file (blocks, constants, control flow), [`ints`], [`floats`], [`memory`], [`calls`],
//! [`exits`], [`entry`].
//! Invariants: the function has been verified, and legalised by `flashpoint-codegen` (floor division, division of `i128`
//! and its conversion from and to floats are refused: one expansion serves all back ends); every value is translated before its uses, because blocks come in reverse
//! post-order; no instruction traps, has a poison result or promises more (`nsw`, `nnan` …) than the typed form says.

mod calls;
mod entry;
mod exits;
mod floats;
mod ints;
mod memory;

use flashpoint_ir::analysis::{Cfg, DomTree, LoopForest};
use flashpoint_ir::bytes::{CompileFailure, CompileRequest, VERSION_SYMBOL};
use flashpoint_ir::typed::*;
use flashpoint_ir::verify::why_not_clean;

use crate::ir::{Bb, Ir, Ty, Val};
use memory::Tags;

/// What translating gives.
type Translated<T> = Result<T, CompileFailure>;

/// Adds the functions of `request` to the module.
pub(crate) fn translate(ir: &Ir, request: &CompileRequest) -> Translated<()> {
    let func = &request.function;
    if let Some(result) = func.result
        && (result.lane == Lane::I128 || result.lanes != 1)
    {
        return Err(unsupported(format!("a register result of type {result}"), 0));
    }
    let params: Vec<Type> =
        func.blocks[func.entry().index()].params.iter().map(|v| func.value_types[v.index()]).collect();
    if let Some(ty) = params.iter().find(|ty| ty.lanes != 1) {
        return Err(unsupported(format!("a parameter of type {ty}"), 0));
    }

    let types = Types::new(ir);
    let inner_ty = types.inner_ty(&params, func.result);
    let inner = ir.add_function(&func.name, inner_ty);
    for attr in ["nounwind", "noinline"] {
        ir.add_function_attr(inner, ir.attr(attr, 0));
    }
    set_common_attrs(ir, inner, request.vector_bits);

    let cfg = Cfg::of(func);
    let mut translator = Translator {
        ir,
        func,
        request,
        types,
        tags: Tags::new(ir),
        function: inner,
        ctx: ir.param(inner, 0),
        blocks: vec![None; func.blocks.len()],
        values: vec![None; func.value_types.len()],
        defs: definitions(func),
        in_clean_loop: clean_blocks(func, &cfg),
        order: (0..func.blocks.len()).map(|block| cfg.position(Block(block as u32)).unwrap_or(0)).collect(),
        exits: vec![None; func.snapshots.len()],
        links: None,
        line: 0,
    };
    translator.function_body(&cfg)?;
    entry::add_entry(&translator, inner, inner_ty, &params);
    Ok(())
}

/// Attributes of both functions.
fn set_common_attrs(ir: &Ir, function: Val<'_>, vector_bits: u16) {
    // Calls to the C library would need addresses that the loader does not give.
    ir.add_function_attr(function, ir.string_attr("no-builtins", ""));
    if vector_bits != 0 {
        ir.add_function_attr(function, ir.string_attr("prefer-vector-width", &vector_bits.to_string()));
    }
    // The context is always there and always aligned, so loads from it may be moved out of loops.
    let size = size_of::<flashpoint_ir::abi::Context>() as u64;
    for (name, value) in [("nonnull", 0), ("noundef", 0), ("align", 8), ("dereferenceable", size)] {
        ir.add_param_attr(function, 0, ir.attr(name, value));
    }
}

/// LLVM's types of ours.
#[derive(Clone, Copy)]
struct Types<'a> {
    ir: &'a Ir,
    i8: Ty<'a>,
    i32: Ty<'a>,
    i64: Ty<'a>,
    i128: Ty<'a>,
    ptr: Ty<'a>,
}

impl<'a> Types<'a> {
    fn new(ir: &'a Ir) -> Types<'a> {
        let [i8, i32, i64, i128] = [8, 32, 64, 128].map(|bits| ir.int_ty(bits));
        Types { ir, i8, i32, i64, i128, ptr: ir.ptr_ty() }
    }

    /// The type of a value.
    fn of(&self, ty: Type) -> Ty<'a> {
        let lane = match ty.lane {
            Lane::F32 => self.ir.f32_ty(),
            Lane::F64 => self.ir.f64_ty(),
            Lane::Ptr => self.ptr,
            _ => self.ir.int_ty(ty.lane_bits()),
        };
        if ty.lanes == 1 { lane } else { self.ir.vector_ty(lane, ty.lanes.into()) }
    }

    /// What a scalar travels as between functions: an `i1` as a byte, an `i128` as two words.
    fn passed(&self, ty: Type) -> Vec<Ty<'a>> {
        match ty.lane {
            Lane::I1 => vec![self.i8],
            Lane::I128 => vec![self.i64, self.i64],
            _ => vec![self.of(ty)],
        }
    }

    /// The signature of an inner function.
    fn inner_ty(&self, params: &[Type], result: Option<Type>) -> Ty<'a> {
        let mut passed = vec![self.ptr];
        passed.extend(params.iter().flat_map(|ty| self.passed(*ty)));
        let result = match result {
            Some(ty) => self.ir.struct_ty(&[self.passed(ty)[0], self.i64]),
            None => self.i64,
        };
        self.ir.function_ty(&passed, result)
    }
}

/// State of the translation of one function.
struct Translator<'a> {
    ir: &'a Ir,
    func: &'a TypedFunction,
    request: &'a CompileRequest,
    types: Types<'a>,
    tags: Tags<'a>,
    function: Val<'a>,
    ctx: Val<'a>,
    blocks: Vec<Option<Bb<'a>>>,
    values: Vec<Option<Val<'a>>>,
    /// What computes each value that is an instruction's first result.
    defs: Vec<Option<&'a InstKind>>,
    in_clean_loop: Vec<bool>,
    /// Positions of the blocks in reverse post-order.
    order: Vec<usize>,
    exits: Vec<Option<Bb<'a>>>,
    links: Option<Val<'a>>,
    line: u32,
}

impl<'a> Translator<'a> {
    fn function_body(&mut self, cfg: &Cfg) -> Translated<()> {
        let order = cfg.reverse_post_order();
        for &block in order {
            let bb = self.ir.append_block(self.function);
            self.blocks[block.index()] = Some(bb);
            self.ir.switch_to(bb);
            if block == self.func.entry() {
                self.receive_params();
                continue;
            }
            // Before any jump, which hands its arguments to them.
            for &param in &self.func.blocks[block.index()].params {
                self.values[param.index()] = Some(self.ir.phi(self.types.of(self.ty(param))));
            }
        }
        for &block in order {
            self.ir.switch_to(self.block(block));
            for &inst in &self.func.blocks[block.index()].insts {
                let data = &self.func.insts[inst.index()];
                self.line = data.line;
                self.instruction(block, data)?;
            }
        }
        self.emit_exits();
        Ok(())
    }

    /// The function's parameters, unpacked.
    fn receive_params(&mut self) {
        let mut index = 1;
        for &param in &self.func.blocks[self.func.entry().index()].params {
            let ty = self.ty(param);
            let words: Vec<_> =
                (0..self.types.passed(ty).len() as u32).map(|i| self.ir.param(self.function, index + i)).collect();
            index += words.len() as u32;
            self.values[param.index()] = Some(self.unpack(ty, &words));
        }
    }

    fn ty(&self, value: Value) -> Type {
        self.func.value_types[value.index()]
    }

    fn value(&self, value: Value) -> Val<'a> {
        self.values[value.index()].expect("reverse post-order: definitions come first")
    }

    fn block(&self, block: Block) -> Bb<'a> {
        self.blocks[block.index()].expect("a reachable block jumps to reachable blocks")
    }

    fn i64(&self, value: i64) -> Val<'a> {
        self.ir.int(self.types.i64, value.into())
    }

    /// From what travels between functions.
    fn unpack(&self, ty: Type, words: &[Val<'a>]) -> Val<'a> {
        match ty.lane {
            Lane::I1 => self.ir.trunc(words[0], self.ir.int_ty(1)),
            Lane::I128 => self.join_words(words[0], words[1]),
            _ => words[0],
        }
    }

    /// To what travels between functions.
    fn pack(&self, ty: Type, value: Val<'a>) -> Vec<Val<'a>> {
        match ty.lane {
            Lane::I1 => vec![self.ir.zext(value, self.types.i8)],
            Lane::I128 => self.split_words(value).to_vec(),
            _ => vec![value],
        }
    }

    fn join_words(&self, low: Val<'a>, high: Val<'a>) -> Val<'a> {
        let i128 = self.types.i128;
        let high = self.ir.shl(self.ir.zext(high, i128), self.ir.int(i128, 64));
        self.ir.or(self.ir.zext(low, i128), high)
    }

    fn split_words(&self, value: Val<'a>) -> [Val<'a>; 2] {
        let high = self.ir.lshr(value, self.ir.int(self.types.i128, 64));
        [value, high].map(|word| self.ir.trunc(word, self.types.i64))
    }

    fn unsupported(&self, what: impl Into<String>) -> CompileFailure {
        unsupported(what, self.line)
    }

    fn instruction(&mut self, block: Block, data: &'a InstData) -> Translated<()> {
        let value = match &data.kind {
            InstKind::Iconst { ty, value } => self.int_constant(*ty, *value),
            InstKind::Fconst { ty, bits } => {
                let word = self.ir.int(self.ir.int_ty(ty.lane_bits()), i128::from(*bits));
                self.ir.const_bit_cast(word, self.types.of(*ty))
            }
            InstKind::Unary(op, a) if op.is_float() => self.float_unary(*op, self.value(*a)),
            InstKind::Unary(op, a) => self.int_unary(*op, self.value(*a)),
            InstKind::Binary(op, a, b) if op.is_float() => self.float_binary(*op, self.value(*a), self.value(*b)),
            InstKind::Binary(op, a, b) => self.int_binary(*op, *a, *b)?,
            InstKind::Overflow(op, a, b) => {
                let (value, flag) = self.overflow(*op, *a, *b, self.in_clean_loop[block.index()]);
                self.values[data.results[0].index()] = Some(value);
                self.values[data.results[1].index()] = Some(flag);
                return Ok(());
            }
            InstKind::Icmp(cc, a, b) => self.ir.icmp(ints::predicate(*cc), self.value(*a), self.value(*b)),
            InstKind::Fcmp(cc, a, b) => self.float_compare(*cc, self.value(*a), self.value(*b)),
            InstKind::Select(cond, a, b) => self.ir.select(self.value(*cond), self.value(*a), self.value(*b)),
            InstKind::Convert(op, a, to) => self.convert(*op, *a, *to)?,
            InstKind::Splat(a, to) => self.splat(self.value(*a), *to),
            InstKind::ExtractLane(a, lane) => {
                self.ir.extract_element(self.value(*a), self.ir.int(self.types.i32, (*lane).into()))
            }
            InstKind::PtrAdd(addr, bytes) => self.ir.ptr_add(self.value(*addr), self.value(*bytes)),
            InstKind::Load { ty, addr, offset, region } => self.load(*ty, self.value(*addr), *offset, *region),
            InstKind::Store { value, addr, offset, region } => {
                let (ty, value, addr) = (self.ty(*value), self.value(*value), self.value(*addr));
                if self.func.leaves(block) {
                    self.store_leaving(ty, value, addr, *offset, *region);
                } else {
                    self.store(ty, value, addr, *offset, *region);
                }
                return Ok(());
            }
            InstKind::Context => self.ctx,
            InstKind::Libm(func, args) => self.call_libm(*func, args),
            InstKind::CallHelper(helper, args) => {
                let results = self.call_helper(*helper, args)?;
                self.define(&data.results, &results);
                return Ok(());
            }
            InstKind::CallUnit(unit, args) => {
                let results = self.call_unit(*unit, args, &data.results)?;
                self.define(&data.results, &results);
                return Ok(());
            }
            InstKind::Guard(cond, exit) => {
                self.guard(*cond, *exit);
                return Ok(());
            }
            InstKind::Poll(exit) => {
                self.poll(*exit);
                return Ok(());
            }
            InstKind::Jump(call) => {
                let target = self.jump_target(call);
                let jump = self.ir.br(target);
                if self.is_cold_back_edge(block, call.block) {
                    self.set_cold_loop(jump);
                }
                return Ok(());
            }
            InstKind::Branch(cond, if_true, if_false) => {
                self.branch(block, self.value(*cond), if_true, if_false);
                return Ok(());
            }
            InstKind::Return(value) => {
                self.return_value(*value);
                return Ok(());
            }
            InstKind::Exit(exit) => {
                let target = self.exit_block(*exit);
                self.ir.br(target);
                return Ok(());
            }
        };
        self.values[data.results[0].index()] = Some(value);
        Ok(())
    }

    fn define(&mut self, results: &[Value], values: &[Val<'a>]) {
        for (result, value) in results.iter().zip(values) {
            self.values[result.index()] = Some(*value);
        }
    }

    fn int_constant(&self, ty: Type, value: i128) -> Val<'a> {
        match ty.lane {
            Lane::Ptr => self.ir.const_int_to_ptr(self.ir.int(self.types.i64, value)),
            _ => self.ir.int(self.types.of(ty), value),
        }
    }

    fn splat(&self, value: Val<'a>, to: Type) -> Val<'a> {
        let vector = self.ir.poison(self.types.of(to));
        let first = self.ir.insert_element(vector, value, self.ir.int(self.types.i32, 0));
        let mask = self.ir.int_like(self.ir.vector_ty(self.types.i32, to.lanes.into()), 0);
        self.ir.shuffle_vector(first, vector, mask)
    }

    /// The target of a jump from the current block, with its arguments handed over.
    fn jump_target(&self, call: &BlockCall) -> Bb<'a> {
        let from = self.ir.current_block();
        let params = &self.func.blocks[call.block.index()].params;
        for (param, arg) in params.iter().zip(&call.args) {
            self.ir.add_incoming(self.value(*param), self.value(*arg), from);
        }
        self.block(call.block)
    }

    /// Whether a jump closes a loop that hardly ever runs.
    fn is_cold_back_edge(&self, from: Block, to: Block) -> bool {
        self.request.cold_loops.contains(&to) && self.order[from.index()] >= self.order[to.index()]
    }

    fn branch(&self, from: Block, cond: Val<'a>, if_true: &BlockCall, if_false: &BlockCall) {
        let blocks = [if_true.block, if_false.block];
        if if_true.block == if_false.block && !if_true.args.is_empty() {
            // LLVM wants one value per predecessor; here they differ by edge.
            let from = self.ir.current_block();
            let params = &self.func.blocks[if_true.block.index()].params;
            for (param, (a, b)) in params.iter().zip(if_true.args.iter().zip(&if_false.args)) {
                let value = self.ir.select(cond, self.value(*a), self.value(*b));
                self.ir.add_incoming(self.value(*param), value, from);
            }
            self.ir.br(self.block(if_true.block));
            return;
        }
        let (if_true, if_false) = (self.jump_target(if_true), self.jump_target(if_false));
        let branch = self.ir.cond_br(cond, if_true, if_false);
        if blocks.iter().any(|to| self.is_cold_back_edge(from, *to)) {
            self.set_cold_loop(branch);
            return;
        }
        // Into a cold loop, where the other way leads to a warm one.
        let cold = &self.request.cold_loops;
        let is_cold = blocks.map(|to| {
            let next = self.func.terminator(to).map(|inst| &self.func.insts[inst.index()].kind);
            cold.contains(&to) || matches!(next, Some(InstKind::Jump(call)) if cold.contains(&call.block))
        });
        if is_cold[0] != is_cold[1] {
            self.set_unlikely(branch, is_cold[0]);
        }
    }

    fn return_value(&self, value: Option<Value>) {
        match value {
            Some(value) => self.ir.ret_struct(&[self.pack(self.ty(value), self.value(value))[0], self.i64(0)]),
            None => self.ir.ret(self.i64(0)),
        }
    }

    fn version(&self) -> Val<'a> {
        self.ir.add_external_constant(VERSION_SYMBOL, self.types.i64)
    }
}

/// What computes each value that is an instruction's first result.
fn definitions(func: &TypedFunction) -> Vec<Option<&InstKind>> {
    let mut defs = vec![None; func.value_types.len()];
    for inst in func.layout.iter().flat_map(|block| &func.blocks[block.index()].insts) {
        let data = &func.insts[inst.index()];
        if let Some(result) = data.results.first() {
            defs[result.index()] = Some(&data.kind);
        }
    }
    defs
}

/// Which blocks belong to a clean innermost loop.
fn clean_blocks(func: &TypedFunction, cfg: &Cfg) -> Vec<bool> {
    let mut clean = vec![false; func.blocks.len()];
    if func.insts.iter().any(|data| matches!(data.kind, InstKind::Overflow(..))) {
        let forest = LoopForest::of(func, cfg, &DomTree::of(func, cfg));
        for info in forest.loops().iter().filter(|info| info.is_innermost() && why_not_clean(func, info).is_none()) {
            info.blocks.iter().for_each(|block| clean[block.index()] = true);
        }
    }
    clean
}

fn unsupported(what: impl Into<String>, line: u32) -> CompileFailure {
    CompileFailure::Unsupported { what: what.into(), line }
}
