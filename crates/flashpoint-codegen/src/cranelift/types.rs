//! Machine types, signatures and memory flags in Cranelift's terms.
//!
//! Invariant: an `i1` lives as an `i8` that is 0 or 1. Every instruction that makes one keeps that; loads normalise.

use std::borrow::Cow;

use cranelift_codegen::ir::{self, AbiParam, AliasRegion, AliasRegionData, MemFlagsData, Signature, types};
use cranelift_codegen::isa::CallConv;
use flashpoint_ir::typed::{Lane, Region, Type};

/// The type that holds a lane.
pub(crate) fn clif_type(lane: Lane) -> ir::Type {
    match lane {
        Lane::I1 | Lane::I8 => types::I8,
        Lane::I16 => types::I16,
        Lane::I32 => types::I32,
        Lane::I64 | Lane::Ptr => types::I64,
        Lane::I128 => types::I128,
        Lane::F32 => types::F32,
        Lane::F64 => types::F64,
    }
}

/// Whether a value of the type is in Cranelift's reach.
pub(crate) fn is_supported(ty: Type) -> bool {
    ty.lanes == 1
}

/// Adds a parameter of the type: an `i128` is two words.
pub(crate) fn push_param(signature: &mut Signature, lane: Lane) {
    if lane == Lane::I128 {
        signature.params.extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
    } else {
        signature.params.push(AbiParam::new(clif_type(lane)));
    }
}

/// The signature of an inner function.
pub(crate) fn inner_signature(params: impl Iterator<Item = Lane>, result: Option<Lane>) -> Signature {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.push(AbiParam::new(types::I64));
    for lane in params {
        push_param(&mut signature, lane);
    }
    if let Some(lane) = result {
        signature.returns.push(AbiParam::new(clif_type(lane)));
    }
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

/// Flags of the accesses to each region.
#[derive(Clone, Copy)]
pub(crate) struct RegionFlags([MemFlagsData; 4]);

impl RegionFlags {
    /// Declares the regions in `func`.
    pub(crate) fn declare(func: &mut ir::Function) -> RegionFlags {
        let trusted = MemFlagsData::trusted();
        let mut region = |user_id: u32, description: &'static str| -> Option<AliasRegion> {
            let data = AliasRegionData { user_id, description: Cow::Borrowed(description) };
            Some(func.dfg.alias_regions.insert(data))
        };
        RegionFlags([
            trusted.with_alias_region(region(0, "array")),
            trusted.with_alias_region(region(1, "context")),
            trusted.with_alias_region(region(2, "frame")),
            trusted.with_readonly(),
        ])
    }

    /// The flags of an access.
    pub(crate) fn of(&self, region: Region) -> MemFlagsData {
        self.0[region as usize]
    }

    /// The flags of reading what never changes in this process and is always there: the context's table of helpers.
    pub(crate) fn helper_table(&self) -> MemFlagsData {
        self.of(Region::Constant).with_can_move()
    }
}
