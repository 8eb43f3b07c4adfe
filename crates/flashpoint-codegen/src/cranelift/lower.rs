//! Typed form to Cranelift's: one function.
//!
//! Blocks are visited in reverse postorder, so that every value is defined before it is used; blocks that cannot be
//! reached are left out.

use cranelift_codegen::ir::{self, BlockArg, InstBuilder, SourceLoc, UserExternalName, UserFuncName, types};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use flashpoint_ir::abi::{PRESERVING_POLL, helper_index, lib_func_index, offset};
use flashpoint_ir::typed::{
    Block, BlockCall, Helper, Inst, InstKind, Lane, Region, SnapshotId, TypedFunction, UnaryOp, UnitRef, Value,
};

use super::external;
use super::types::{RegionFlags, clif_type, inner_signature, is_supported};
use crate::backend::{CompileOptions, may_fail_freely};
use crate::error::{CodegenError, CodegenResult};

/// Lowers `func` into the empty `out`.
pub(crate) fn lower_function(
    out: &mut ir::Function,
    builder_context: &mut FunctionBuilderContext,
    frontend_config: TargetFrontendConfig,
    func: &TypedFunction,
    options: &CompileOptions,
) -> CodegenResult<()> {
    let entry = func.layout[0];
    let params = &func.blocks[entry.index()].params;
    out.signature =
        inner_signature(params.iter().map(|v| func.value_types[v.index()].lane), func.result.map(|ty| ty.lane));
    out.name = UserFuncName::user(0, external::INNER);
    if let Some(ty) = func.value_types.iter().find(|ty| !is_supported(**ty)) {
        return Err(CodegenError::unsupported(format!("vectors of {} lanes", ty.lanes), 0));
    }
    let regions = RegionFlags::declare(out);
    let mut b = FunctionBuilder::new(out, builder_context);
    let prologue = b.create_block();
    b.append_block_params_for_function_params(prologue);
    b.switch_to_block(prologue);
    let ctx = b.block_params(prologue)[0];

    let mut lowering = Lowering {
        func,
        b,
        ctx,
        regions,
        values: vec![None; func.value_types.len()],
        negated: vec![None; func.value_types.len()],
        blocks: vec![None; func.blocks.len()],
        exit_blocks: vec![None; func.snapshots.len()],
        used_exits: Vec::new(),
        symbols: [None; 2],
        helper_signatures: Vec::new(),
        stress: options.stress,
        line: 0,
    };
    lowering.lower_body(prologue)?;
    lowering.emit_exits();
    lowering.b.seal_all_blocks();
    lowering.b.finalize(frontend_config);
    Ok(())
}

/// The state of lowering one function.
pub(super) struct Lowering<'a, 'b> {
    pub(super) func: &'a TypedFunction,
    pub(super) b: FunctionBuilder<'b>,
    pub(super) ctx: ir::Value,
    pub(super) regions: RegionFlags,
    values: Vec<Option<ir::Value>>,
    /// For each `i1` that is the negation of another: that other, so that branches on it swap their targets instead.
    negated: Vec<Option<Value>>,
    blocks: Vec<Option<ir::Block>>,
    pub(super) exit_blocks: Vec<Option<ir::Block>>,
    pub(super) used_exits: Vec<SnapshotId>,
    symbols: [Option<ir::GlobalValue>; 2],
    helper_signatures: Vec<ir::SigRef>,
    stress: bool,
    pub(super) line: u32,
}

impl Lowering<'_, '_> {
    fn lower_body(&mut self, prologue: ir::Block) -> CodegenResult<()> {
        let order = reverse_postorder(self.func);
        for block in &order {
            let clif_block = self.b.create_block();
            self.blocks[block.index()] = Some(clif_block);
            for param in &self.func.blocks[block.index()].params {
                let ty = clif_type(self.lane(*param));
                self.values[param.index()] = Some(self.b.append_block_param(clif_block, ty));
            }
        }

        // The typed entry may be a loop header, Cranelift's may not: hence a block of its own for the parameters.
        let words = self.b.block_params(prologue)[1..].to_vec();
        let mut words = words.iter().copied();
        let mut args = Vec::new();
        for param in &self.func.blocks[order[0].index()].params {
            let word = words.next().expect("the signature has a word for each parameter");
            let value = match self.lane(*param) {
                Lane::I128 => {
                    let high = words.next().expect("an i128 takes two words");
                    self.b.ins().iconcat(word, high)
                }
                // Bits above the lowest are unspecified only above the 8 that travel, but a caller in C may differ.
                Lane::I1 => self.b.ins().band_imm_u(word, 1),
                _ => word,
            };
            args.push(BlockArg::Value(value));
        }
        let entry = self.block(order[0]);
        self.b.ins().jump(entry, &args);

        for block in order {
            let clif_block = self.block(block);
            self.b.switch_to_block(clif_block);
            for inst in &self.func.blocks[block.index()].insts {
                self.lower_inst(*inst)?;
            }
        }
        Ok(())
    }

    /// The lane of a value.
    pub(super) fn lane(&self, value: Value) -> Lane {
        self.func.value_types[value.index()].lane
    }

    /// Cranelift's value.
    pub(super) fn value(&self, value: Value) -> ir::Value {
        self.values[value.index()].expect("definitions come before uses in reverse postorder")
    }

    fn block(&self, block: Block) -> ir::Block {
        self.blocks[block.index()].expect("targets of reachable blocks are reachable")
    }

    /// A zero of any type.
    pub(super) fn zero(&mut self, ty: ir::Type) -> ir::Value {
        match ty {
            types::F32 => self.b.ins().f32const(0.0),
            types::F64 => self.b.ins().f64const(0.0),
            types::I128 => self.int_const(types::I128, 0),
            _ => self.b.ins().iconst(ty, 0),
        }
    }

    /// An integer constant of any width.
    pub(super) fn int_const(&mut self, ty: ir::Type, value: i128) -> ir::Value {
        if ty == types::I128 {
            let low = self.b.ins().iconst(types::I64, value as i64);
            let high = self.b.ins().iconst(types::I64, (value >> 64) as i64);
            return self.b.ins().iconcat(low, high);
        }
        // Cranelift wants the bits above the type to be clear.
        let bits = value as i64 & (-1i64 as u64 >> (64 - ty.bits())) as i64;
        self.b.ins().iconst(ty, bits)
    }

    /// The address of one of the loader's symbols.
    pub(super) fn symbol(&mut self, index: u32) -> ir::Value {
        let global = match self.symbols[index as usize] {
            Some(global) => global,
            None => {
                let name = self.b.func.declare_imported_user_function(UserExternalName { namespace: 0, index });
                let global = self.b.create_global_value(ir::GlobalValueData::Symbol {
                    name: ir::ExternalName::user(name),
                    offset: 0.into(),
                    colocated: true,
                    tls: false,
                });
                self.symbols[index as usize] = Some(global);
                global
            }
        };
        self.b.ins().symbol_value(types::I64, global)
    }

    /// `a` if `cond` is set, else `b`. An `i128` is chosen by halves: Cranelift would make a minimum or maximum of a
    /// comparison and a choice, and has no code for those at 128 bits.
    pub(super) fn select(&mut self, cond: ir::Value, a: ir::Value, b: ir::Value) -> ir::Value {
        if self.b.func.dfg.value_type(a) != types::I128 {
            return self.b.ins().select(cond, a, b);
        }
        let (a_low, a_high) = self.b.ins().isplit(a);
        let (b_low, b_high) = self.b.ins().isplit(b);
        let low = self.b.ins().select(cond, a_low, b_low);
        let high = self.b.ins().select(cond, a_high, b_high);
        self.b.ins().iconcat(low, high)
    }

    fn define(&mut self, inst: Inst, value: ir::Value) {
        let result = self.func.insts[inst.index()].results[0];
        self.values[result.index()] = Some(value);
    }

    fn lower_inst(&mut self, inst: Inst) -> CodegenResult<()> {
        let data = &self.func.insts[inst.index()];
        if data.line != self.line {
            self.line = data.line;
            self.b.set_srcloc(SourceLoc::new(data.line));
        }
        match &data.kind {
            InstKind::Iconst { ty, value } => {
                let value = if ty.lane == Lane::I1 { value & 1 } else { *value };
                let value = self.int_const(clif_type(ty.lane), value);
                self.define(inst, value);
            }
            InstKind::Fconst { ty, bits } => {
                let value = match ty.lane {
                    Lane::F32 => self.b.ins().f32const(ir::immediates::Ieee32::with_bits(*bits as u32)),
                    _ => self.b.ins().f64const(ir::immediates::Ieee64::with_bits(*bits)),
                };
                self.define(inst, value);
            }
            InstKind::Unary(op, a) => {
                if *op == UnaryOp::Not && self.lane(*a) == Lane::I1 {
                    self.negated[data.results[0].index()] = Some(*a);
                }
                let value = self.lower_unary(*op, *a)?;
                self.define(inst, value);
            }
            InstKind::Binary(op, a, b) => {
                let value = self.lower_binary(*op, *a, *b)?;
                self.define(inst, value);
            }
            InstKind::Overflow(op, a, b) => {
                let (value, overflow) = self.lower_overflow(*op, *a, *b);
                self.values[data.results[0].index()] = Some(value);
                self.values[data.results[1].index()] = Some(overflow);
            }
            InstKind::Icmp(cc, a, b) => {
                let value = self.lower_icmp(*cc, *a, *b);
                self.define(inst, value);
            }
            InstKind::Fcmp(cc, a, b) => {
                let value = self.lower_fcmp(*cc, *a, *b);
                self.define(inst, value);
            }
            InstKind::Select(cond, a, b) => {
                let (cond, a, b) = (self.value(*cond), self.value(*a), self.value(*b));
                let value = self.select(cond, a, b);
                self.define(inst, value);
            }
            InstKind::Convert(op, a, to) => {
                let value = self.lower_convert(*op, *a, *to)?;
                self.define(inst, value);
            }
            InstKind::Splat(a, _) | InstKind::ExtractLane(a, _) => {
                let value = self.value(*a);
                self.define(inst, value);
            }
            InstKind::PtrAdd(a, bytes) => {
                let (a, bytes) = (self.value(*a), self.value(*bytes));
                let value = self.b.ins().iadd(a, bytes);
                self.define(inst, value);
            }
            InstKind::Load { ty, addr, offset, region } => {
                let addr = self.value(*addr);
                let flags = self.regions.of(*region);
                let mut value = self.b.ins().load(clif_type(ty.lane), flags, addr, *offset);
                if ty.lane == Lane::I1 {
                    value = self.b.ins().icmp_imm_u(ir::condcodes::IntCC::NotEqual, value, 0);
                }
                self.define(inst, value);
            }
            InstKind::Store { value, addr, offset, region } => {
                let (value, addr) = (self.value(*value), self.value(*addr));
                self.b.ins().store(self.regions.of(*region), value, addr, *offset);
            }
            InstKind::Context => self.define(inst, self.ctx),
            InstKind::Libm(func, args) => {
                let args: Vec<_> = args.iter().map(|arg| self.value(*arg)).collect();
                let results = [clif_type(self.lane(data.results[0]))];
                let call = self.call_table(lib_func_index(*func), CallConv::SystemV, &args, &results);
                let value = self.b.inst_results(call)[0];
                self.define(inst, value);
            }
            InstKind::CallHelper(helper, args) => self.lower_call_helper(*helper, args, &data.results)?,
            InstKind::CallUnit(unit, args) => self.lower_call_unit(*unit, args, &data.results),
            InstKind::Guard(cond, exit) => self.lower_guard(*cond, *exit),
            InstKind::Poll(exit) => self.lower_poll(*exit),
            InstKind::Jump(call) => {
                let (block, args) = self.block_call(call);
                self.b.ins().jump(block, &args);
            }
            InstKind::Branch(cond, if_true, if_false) => {
                let (if_true, if_false) =
                    if self.negated[cond.index()].is_some() { (if_false, if_true) } else { (if_true, if_false) };
                let cond = self.value(self.negated[cond.index()].unwrap_or(*cond));
                let (true_block, true_args) = self.block_call(if_true);
                let (false_block, false_args) = self.block_call(if_false);
                self.b.ins().brif(cond, true_block, &true_args, false_block, &false_args);
            }
            InstKind::Return(value) => {
                let mut results = Vec::with_capacity(2);
                if self.func.result.is_some() {
                    let value =
                        value.ok_or_else(|| CodegenError::Compiler("a return without its value".to_string()))?;
                    results.push(self.value(value));
                }
                results.push(self.b.ins().iconst(types::I64, 0));
                self.b.ins().return_(&results);
            }
            InstKind::Exit(exit) => {
                let block = self.exit_block(*exit);
                self.b.ins().jump(block, &[]);
            }
        }
        Ok(())
    }

    fn block_call(&self, call: &BlockCall) -> (ir::Block, Vec<BlockArg>) {
        (self.block(call.block), call.args.iter().map(|arg| BlockArg::Value(self.value(*arg))).collect())
    }

    fn lower_guard(&mut self, cond: Value, exit: SnapshotId) {
        let exit_block = self.exit_block(exit);
        let next = self.b.create_block();
        let is_stressed = self.stress && may_fail_freely(&self.func.snapshots[exit.index()]);
        if let (Some(opposite), false) = (self.negated[cond.index()], is_stressed) {
            let opposite = self.value(opposite);
            self.b.ins().brif(opposite, exit_block, &[], next, &[]);
            self.b.switch_to_block(next);
            return;
        }
        let mut cond = self.value(cond);
        if is_stressed {
            let flags = self.regions.of(Region::Context);
            let count = self.b.ins().load(types::I64, flags, self.ctx, offset::STRESS);
            let count = self.b.ins().iadd_imm_s(count, -1);
            self.b.ins().store(flags, count, self.ctx, offset::STRESS);
            let goes_on = self.b.ins().icmp_imm_s(ir::condcodes::IntCC::NotEqual, count, 0);
            cond = self.b.ins().band(cond, goes_on);
        }
        self.b.ins().brif(cond, next, &[], exit_block, &[]);
        self.b.switch_to_block(next);
    }

    fn lower_poll(&mut self, exit: SnapshotId) {
        // An atomic load: a plain one would be merged with the load of an earlier poll.
        let addr = self.b.ins().iadd_imm_s(self.ctx, i64::from(offset::POLL));
        let word = self.b.ins().atomic_load(types::I32, self.regions.of(Region::Context), addr);
        let asked = self.b.create_block();
        let next = self.b.create_block();
        self.b.set_cold_block(asked);
        self.b.ins().brif(word, asked, &[], next, &[]);

        self.b.switch_to_block(asked);
        // Not by the C convention: see `crate::preserving`.
        self.call_table(PRESERVING_POLL, CallConv::PreserveAll, &[self.ctx], &[]);
        let flags = self.regions.of(Region::Context);
        let answer = self.b.ins().load(types::I64, flags, self.ctx, offset::POLL_ANSWER);
        let exit = self.exit_block(exit);
        self.b.ins().brif(answer, exit, &[], next, &[]);
        self.b.switch_to_block(next);
    }

    /// Calls a function by its position in the context's table.
    fn call_table(&mut self, index: usize, convention: CallConv, args: &[ir::Value], results: &[ir::Type]) -> ir::Inst {
        let mut signature = ir::Signature::new(convention);
        signature.params.extend(args.iter().map(|arg| ir::AbiParam::new(self.b.func.dfg.value_type(*arg))));
        signature.returns.extend(results.iter().map(|ty| ir::AbiParam::new(*ty)));
        let known = self.helper_signatures.iter().find(|known| self.b.func.dfg.signatures[**known] == signature);
        let signature = match known {
            Some(known) => *known,
            None => {
                let imported = self.b.import_signature(signature);
                self.helper_signatures.push(imported);
                imported
            }
        };
        let flags = self.regions.helper_table();
        let table = self.b.ins().load(types::I64, flags, self.ctx, offset::HELPERS);
        let callee = self.b.ins().load(types::I64, flags, table, (index * 8) as i32);
        self.b.ins().call_indirect(signature, callee, args)
    }

    fn lower_call_helper(&mut self, helper: Helper, args: &[Value], results: &[Value]) -> CodegenResult<()> {
        let mut words = vec![self.ctx];
        for arg in args {
            match self.lane(*arg) {
                Lane::I64 | Lane::Ptr | Lane::F64 | Lane::F32 => words.push(self.value(*arg)),
                // Helpers take words: the lowering says by an explicit conversion how a narrow integer becomes one.
                lane => {
                    return Err(CodegenError::unsupported(format!("a helper's argument of type {lane:?}"), self.line));
                }
            }
        }
        let mut result_types = Vec::with_capacity(results.len());
        for result in results {
            match self.lane(*result) {
                lane @ (Lane::I64 | Lane::Ptr | Lane::F64 | Lane::F32) => result_types.push(clif_type(lane)),
                lane => {
                    return Err(CodegenError::unsupported(format!("a helper's result of type {lane:?}"), self.line));
                }
            }
        }
        let call = self.call_table(helper_index(helper), CallConv::SystemV, &words, &result_types);
        self.define_call(call, results);
        Ok(())
    }

    fn lower_call_unit(&mut self, unit: UnitRef, args: &[Value], results: &[Value]) {
        let result = if results.len() == 2 { Some(self.lane(results[0])) } else { None };
        let signature = inner_signature(args.iter().map(|arg| self.lane(*arg)), result);
        let signature = self.b.import_signature(signature);
        let mut words = vec![self.ctx];
        for arg in args {
            let value = self.value(*arg);
            if self.lane(*arg) == Lane::I128 {
                let (low, high) = self.b.ins().isplit(value);
                words.extend([low, high]);
            } else {
                words.push(value);
            }
        }
        // The table does not change while this code lives; the cell it points to does.
        let links = self.symbol(external::LINKS);
        let constant = self.regions.of(Region::Constant);
        let cell = self.b.ins().load(types::I64, constant, links, (unit.0 * 8) as i32);
        let callee = self.b.ins().load(types::I64, self.regions.of(Region::Context), cell, 0);
        let call = self.b.ins().call_indirect(signature, callee, &words);
        self.define_call(call, results);
        if let (Some(Lane::I1), Some(result)) = (result, results.first()) {
            let value = self.value(*result);
            let value = self.b.ins().band_imm_u(value, 1);
            self.values[result.index()] = Some(value);
        }
    }

    fn define_call(&mut self, call: ir::Inst, results: &[Value]) {
        for (idx, result) in results.iter().enumerate() {
            self.values[result.index()] = Some(self.b.inst_results(call)[idx]);
        }
    }
}

/// Blocks that can be reached, each after at least one of its predecessors, and after all that dominate it.
pub(crate) fn reverse_postorder(func: &TypedFunction) -> Vec<Block> {
    let mut order = Vec::with_capacity(func.layout.len());
    let mut visited = vec![false; func.blocks.len()];
    let mut stack = vec![(func.layout[0], 0)];
    visited[func.layout[0].index()] = true;
    while let Some((block, next)) = stack.pop() {
        let last = func.blocks[block.index()].insts.last().map(|inst| &func.insts[inst.index()].kind);
        let target = match (last, next) {
            (Some(InstKind::Jump(call)), 0) => Some(call.block),
            // The second target first: the first one then follows its branch in the order.
            (Some(InstKind::Branch(_, _, call)), 0) | (Some(InstKind::Branch(_, call, _)), 1) => Some(call.block),
            _ => None,
        };
        let Some(target) = target else {
            order.push(block);
            continue;
        };
        stack.push((block, next + 1));
        if !std::mem::replace(&mut visited[target.index()], true) {
            stack.push((target, 0));
        }
    }
    order.reverse();
    order
}
