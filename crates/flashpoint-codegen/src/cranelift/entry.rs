//! The entry wrapper: words in, a word and a status out.

use cranelift_codegen::ir::{
    self, AbiParam, InstBuilder, MemFlagsData, Signature, UserExternalName, UserFuncName, types,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use flashpoint_ir::abi::offset;
use flashpoint_ir::typed::{Lane, TypedFunction};

use super::external;
use super::types::{clif_type, inner_signature};

/// All that the code of a wrapper depends on.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct EntryKey {
    params: Vec<Lane>,
    result: Option<Lane>,
}

impl EntryKey {
    pub(crate) fn of(func: &TypedFunction) -> EntryKey {
        let entry = &func.blocks[func.layout[0].index()];
        EntryKey {
            params: entry.params.iter().map(|v| func.value_types[v.index()].lane).collect(),
            result: func.result.map(|ty| ty.lane),
        }
    }
}

/// Builds `extern "C" fn(ctx, args: *const u64) -> status` around the inner function of this signature.
pub(crate) fn build_entry(
    func: &mut ir::Function,
    builder_context: &mut FunctionBuilderContext,
    frontend_config: TargetFrontendConfig,
    key: &EntryKey,
) {
    let mut signature = Signature::new(CallConv::SystemV);
    signature.params.extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
    signature.returns.push(AbiParam::new(types::I64));
    func.signature = signature;
    func.name = UserFuncName::user(0, external::INNER + 1);

    let mut b = FunctionBuilder::new(func, builder_context);
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    let &[ctx, args] = b.block_params(block) else { unreachable!("the signature has two parameters") };

    let flags = MemFlagsData::trusted();
    let mut words = vec![ctx];
    let mut at = 0;
    for lane in &key.params {
        // Little-endian: the low bytes of a word come first, so that a narrow value is read where its word begins.
        let n_words = if *lane == Lane::I128 { 2 } else { 1 };
        let ty = if *lane == Lane::I128 { types::I64 } else { clif_type(*lane) };
        for _ in 0..n_words {
            words.push(b.ins().load(ty, flags, args, at));
            at += 8;
        }
    }
    let inner_signature = inner_signature(key.params.iter().copied(), key.result);
    let signature = b.import_signature(inner_signature);
    let name = b.func.declare_imported_user_function(UserExternalName { namespace: 0, index: external::INNER });
    let inner = b.import_function(ir::ExtFuncData {
        name: ir::ExternalName::user(name),
        signature,
        colocated: true,
        patchable: false,
    });
    let call = b.ins().call(inner, &words);
    let results = b.inst_results(call).to_vec();
    if let Some(lane) = key.result {
        let value = results[0];
        let word = match lane {
            Lane::I1 | Lane::I8 | Lane::I16 | Lane::I32 => b.ins().uextend(types::I64, value),
            Lane::F32 => {
                let bits = b.ins().bitcast(types::I32, MemFlagsData::new(), value);
                b.ins().uextend(types::I64, bits)
            }
            _ => value,
        };
        b.ins().store(flags, word, ctx, offset::RESULT);
    }
    let status = results[results.len() - 1];
    b.ins().return_(&[status]);
    b.seal_all_blocks();
    b.finalize(frontend_config);
}
