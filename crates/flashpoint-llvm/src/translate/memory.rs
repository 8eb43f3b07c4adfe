//! Loads and stores, and what LLVM may assume of them.
//!
//! Each region has a TBAA type of its own, so that accesses of different regions do not alias; within arrays anything may
//! alias (views of one buffer may differ in type).

use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{Lane, Region, Type};

use super::Translator;
use crate::ir::{Ir, Md, Val};

/// Metadata nodes, made once per module.
#[derive(Clone, Copy)]
pub(super) struct Tags<'a> {
    /// Access tags of the regions, and of the cells that hold other units' addresses.
    regions: [Md<'a>; 5],
    empty: Md<'a>,
    unlikely_false: Md<'a>,
    unlikely_true: Md<'a>,
    tbaa_kind: u32,
    invariant_kind: u32,
    weights_kind: u32,
    loop_kind: u32,
}

impl<'a> Tags<'a> {
    pub(super) fn new(ir: &'a Ir) -> Tags<'a> {
        let root = ir.md_node(&[ir.md_string("flashpoint")]);
        let zero = ir.md_int(64, 0);
        let regions = ["array", "context", "frame", "constant", "cell"].map(|name| {
            let ty = ir.md_node(&[ir.md_string(name), root, zero]);
            ir.md_node(&[ty, ty, zero])
        });
        let weights = |a, b| ir.md_node(&[ir.md_string("branch_weights"), ir.md_int(32, a), ir.md_int(32, b)]);
        Tags {
            regions,
            empty: ir.md_node(&[]),
            unlikely_false: weights(1 << 20, 1),
            unlikely_true: weights(1, 1 << 20),
            tbaa_kind: ir.md_kind("tbaa"),
            invariant_kind: ir.md_kind("invariant.load"),
            weights_kind: ir.md_kind("prof"),
            loop_kind: ir.md_kind("llvm.loop"),
        }
    }
}

impl<'a> Translator<'a> {
    pub(super) fn load(&self, ty: Type, addr: Val<'a>, offset: i32, region: Region) -> Val<'a> {
        let load = self.ir.load(self.types.of(ty), self.offset(addr, offset), natural_align(ty));
        self.tag(load, region);
        if region == Region::Constant || (planted(Defect::LlvmInvariantLoads) && region == Region::Array) {
            self.set_invariant(load);
        }
        load
    }

    pub(super) fn store(&self, ty: Type, value: Val<'a>, addr: Val<'a>, offset: i32, region: Region) -> Val<'a> {
        let store = self.ir.store(value, self.offset(addr, offset), natural_align(ty));
        self.tag(store, region);
        store
    }

    /// Stores on the way out, one by one. Were they gathered into vectors, the values would be too, and those are computed
    /// on the hot path: a wide load of what was just stored in parts waits for the stores to reach the cache.
    pub(super) fn store_leaving(&self, ty: Type, value: Val<'a>, addr: Val<'a>, offset: i32, region: Region) {
        let store = self.store(ty, value, addr, offset, region);
        self.ir.set_volatile(store);
    }

    /// Reads an address that never changes while the function runs.
    pub(super) fn load_constant_ptr(&self, addr: Val<'a>, offset: i32) -> Val<'a> {
        self.load(Type::PTR, addr, offset, Region::Constant)
    }

    /// Reads another unit's address, which may change at any time.
    pub(super) fn load_cell(&self, addr: Val<'a>) -> Val<'a> {
        let load = self.ir.load(self.types.ptr, addr, 8);
        self.ir.set_unordered(load, false);
        self.ir.set_metadata(load, self.tags.tbaa_kind, self.tags.regions[4]);
        load
    }

    /// Reads the context's poll word, which other threads write: at every poll anew.
    pub(super) fn load_poll_word(&self) -> Val<'a> {
        let load = self.ir.load(self.types.i32, self.offset(self.ctx, flashpoint_ir::abi::offset::POLL), 4);
        self.ir.set_unordered(load, true);
        self.tag(load, Region::Context);
        load
    }

    pub(super) fn offset(&self, addr: Val<'a>, offset: i32) -> Val<'a> {
        if offset == 0 { addr } else { self.ir.ptr_add(addr, self.i64(offset.into())) }
    }

    fn tag(&self, access: Val<'a>, region: Region) {
        self.ir.set_metadata(access, self.tags.tbaa_kind, self.tags.regions[region as usize]);
    }

    pub(super) fn set_invariant(&self, load: Val<'a>) {
        self.ir.set_metadata(load, self.tags.invariant_kind, self.tags.empty);
    }

    /// Asks for the loop of this back edge as it stands: not unrolled, not vectorised.
    pub(super) fn set_cold_loop(&self, branch: Val<'a>) {
        let ir = self.ir;
        let no_unroll = ir.md_node(&[ir.md_string("llvm.loop.unroll.disable")]);
        let no_vectors = ir.md_node(&[ir.md_string("llvm.loop.vectorize.enable"), ir.md_int(1, 0)]);
        let node = ir.md_distinct_node(&[no_unroll, no_vectors]);
        self.ir.set_metadata(branch, self.tags.loop_kind, node);
    }

    /// Marks a branch whose false (or true) side is hardly ever taken.
    pub(super) fn set_unlikely(&self, branch: Val<'a>, side: bool) {
        let weights = if side { self.tags.unlikely_true } else { self.tags.unlikely_false };
        self.ir.set_metadata(branch, self.tags.weights_kind, weights);
    }
}

/// Vectors are aligned like their lanes: they are pieces of arrays. An `i128` is aligned like its words.
fn natural_align(ty: Type) -> u32 {
    match ty.lane {
        Lane::I1 => 1,
        Lane::I128 => 8,
        _ => ty.lane_bits() / 8,
    }
}
