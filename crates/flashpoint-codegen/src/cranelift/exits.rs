//! Exits: the cold blocks that store a snapshot's words and return its number.
//!
//! Guards and polls with the same snapshot share one block. That keeps dominance: a value the snapshot names dominates each
//! of them, hence everything they jump to. All exits share one tail, which stores the version and returns.

use cranelift_codegen::ir::{self, BlockArg, InstBuilder, MemFlagsData, types};
use flashpoint_ir::abi::{STATUS_EXIT, offset};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{Lane, Region, SnapshotId};

use super::external;
use super::lower::Lowering;
use super::types::clif_type;

impl Lowering<'_, '_> {
    /// The cold block of an exit.
    pub(super) fn exit_block(&mut self, exit: SnapshotId) -> ir::Block {
        if let Some(block) = self.exit_blocks[exit.index()] {
            return block;
        }
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        self.exit_blocks[exit.index()] = Some(block);
        self.used_exits.push(exit);
        block
    }

    /// Fills the blocks of all exits that were used.
    pub(super) fn emit_exits(&mut self) {
        if self.used_exits.is_empty() {
            return;
        }
        self.b.set_srcloc(ir::SourceLoc::default());
        let tail = self.b.create_block();
        self.b.set_cold_block(tail);
        let status = self.b.append_block_param(tail, types::I64);

        for exit in std::mem::take(&mut self.used_exits) {
            let block = self.exit_blocks[exit.index()].expect("used exits have blocks");
            self.b.switch_to_block(block);
            let values = self.func.snapshots[exit.index()].values();
            if !values.is_empty() {
                let flags = self.regions.of(Region::Context);
                let buffer = self.b.ins().load(types::I64, flags, self.ctx, offset::EXIT_BUFFER);
                let mut at = 0;
                for value in values {
                    let lane = self.lane(value);
                    let value = self.value(value);
                    for word in self.words_of(lane, value).into_iter().flatten() {
                        self.b.ins().store(flags, word, buffer, at);
                        at += 8;
                    }
                }
            }
            let number = self.b.ins().iconst(types::I64, (STATUS_EXIT + u64::from(exit.0)) as i64);
            self.b.ins().jump(tail, &[BlockArg::Value(number)]);
        }

        self.b.switch_to_block(tail);
        let flags = self.regions.of(Region::Context);
        let version_word = self.symbol(external::VERSION);
        let version = self.b.ins().load(types::I64, self.regions.of(Region::Constant), version_word, 0);
        self.b.ins().store(flags, version, self.ctx, offset::EXIT_VERSION);
        let mut results = Vec::with_capacity(2);
        if let Some(ty) = self.func.result {
            results.push(self.zero(clif_type(ty.lane)));
        }
        results.push(status);
        self.b.ins().return_(&results);
    }

    /// The one or two 64-bit words that stand for a value in the exit buffer.
    fn words_of(&mut self, lane: Lane, value: ir::Value) -> [Option<ir::Value>; 2] {
        match lane {
            Lane::I1 | Lane::I8 | Lane::I16 | Lane::I32 => [Some(self.b.ins().uextend(types::I64, value)), None],
            Lane::F32 => {
                let bits = self.b.ins().bitcast(types::I32, MemFlagsData::new(), value);
                [Some(self.b.ins().uextend(types::I64, bits)), None]
            }
            Lane::I64 | Lane::F64 | Lane::Ptr => [Some(value), None],
            Lane::I128 => {
                let (low, high) = self.b.ins().isplit(value);
                if planted(Defect::CraneliftExitWords) { [Some(high), Some(low)] } else { [Some(low), Some(high)] }
            }
        }
    }
}
