//! Guards, polls and exits.
//!
//! Each snapshot has one exit block, shared by all guards that name it: its values dominate every one of them, hence the
//! block they all lead to. All exit blocks lead to one that stores the version and returns the status.

use flashpoint_ir::abi::{STATUS_EXIT, helper_index, offset};
use flashpoint_ir::typed::*;

use super::Translator;
use crate::ir::{Bb, IntPredicate, Val};

impl<'a> Translator<'a> {
    /// Leaves unless `cond` holds. "This or that" becomes two tests, of which the second only runs where the first fails.
    pub(super) fn guard(&mut self, cond: Value, exit: SnapshotId) {
        let ir = self.ir;
        if let Some(InstKind::Binary(BinaryOp::Or, a, b)) = self.defs[cond.index()]
            && !self.request.stress
        {
            let exit = self.exit_block(exit);
            let [second, next] = [ir.append_block(self.function), ir.append_block(self.function)];
            let branch = ir.cond_br(self.value(*a), next, second);
            self.set_unlikely(branch, false);
            ir.switch_to(second);
            let branch = ir.cond_br(self.value(*b), next, exit);
            self.set_unlikely(branch, false);
            ir.switch_to(next);
            return;
        }
        let mut cond = self.value(cond);
        if self.request.stress && self.request.free_exits.get(exit.index()) == Some(&true) {
            let count = self.load(Type::I64, self.ctx, offset::STRESS, Region::Context);
            let count = ir.sub(count, self.i64(1));
            self.store(Type::I64, count, self.ctx, offset::STRESS, Region::Context);
            cond = ir.and(cond, ir.icmp(IntPredicate::LLVMIntNE, count, self.i64(0)));
        }
        let exit = self.exit_block(exit);
        let next = ir.append_block(self.function);
        let branch = ir.cond_br(cond, next, exit);
        self.set_unlikely(branch, false);
        ir.switch_to(next);
    }

    pub(super) fn poll(&mut self, exit: SnapshotId) {
        let ir = self.ir;
        let word = self.load_poll_word();
        let (asked, next) = (ir.append_block(self.function), ir.append_block(self.function));
        let branch = ir.cond_br(ir.icmp(IntPredicate::LLVMIntNE, word, ir.int(self.types.i32, 0)), asked, next);
        self.set_unlikely(branch, true);

        ir.switch_to(asked);
        let signature = ir.function_ty(&[self.types.ptr], self.types.i64);
        let answer = self.call_table(helper_index(Helper::Poll), signature, &[self.ctx], false);
        let exit = self.exit_block(exit);
        let goes_on = ir.icmp(IntPredicate::LLVMIntEQ, answer, self.i64(0));
        let branch = ir.cond_br(goes_on, next, exit);
        self.set_unlikely(branch, false);
        ir.switch_to(next);
    }

    /// The block that takes an exit. It is filled by [`Translator::emit_exits`], when all values are there.
    pub(super) fn exit_block(&mut self, exit: SnapshotId) -> Bb<'a> {
        *self.exits[exit.index()].get_or_insert_with(|| self.ir.append_block(self.function))
    }

    /// Fills the exit blocks.
    pub(super) fn emit_exits(&mut self) {
        let exits: Vec<(usize, Bb<'a>)> =
            self.exits.iter().enumerate().filter_map(|(number, block)| block.map(|block| (number, block))).collect();
        if exits.is_empty() {
            return;
        }
        let ir = self.ir;
        let leave = ir.append_block(self.function);
        ir.switch_to(leave);
        let status = ir.phi(self.types.i64);
        let version = ir.load(self.types.i64, self.version(), 8);
        self.set_invariant(version);
        self.store(Type::I64, version, self.ctx, offset::EXIT_VERSION, Region::Context);
        match self.func.result {
            Some(ty) => ir.ret_struct(&[ir.poison(self.types.passed(ty)[0]), status]),
            None => ir.ret(status),
        }
        for (number, block) in exits {
            ir.switch_to(block);
            let values = self.func.snapshots[number].values();
            if !values.is_empty() {
                let buffer = self.load_constant_ptr(self.ctx, offset::EXIT_BUFFER);
                let words: Vec<_> = values.iter().flat_map(|value| self.exit_words(*value)).collect();
                for (idx, (ty, word)) in words.into_iter().enumerate() {
                    self.store_leaving(ty, word, buffer, (idx * 8) as i32, Region::Context);
                }
            }
            ir.add_incoming(status, self.i64((STATUS_EXIT + number as u64) as i64), block);
            ir.br(leave);
        }
    }

    /// A value as the exit buffer holds it.
    fn exit_words(&self, value: Value) -> Vec<(Type, Val<'a>)> {
        let ty = self.ty(value);
        let word = self.value(value);
        match ty.lane {
            Lane::I128 => self.split_words(word).map(|word| (Type::I64, word)).to_vec(),
            _ => vec![self.word_of(ty, word)],
        }
    }

    /// A value of at most 64 bits with its unused bits zero, as something that can be stored.
    pub(super) fn word_of(&self, ty: Type, value: Val<'a>) -> (Type, Val<'a>) {
        let ir = self.ir;
        match ty.lane {
            Lane::I64 | Lane::F64 | Lane::Ptr => (ty, value),
            Lane::F32 => (Type::I64, ir.zext(ir.bit_cast(value, self.types.i32), self.types.i64)),
            _ => (Type::I64, ir.zext(value, self.types.i64)),
        }
    }
}
