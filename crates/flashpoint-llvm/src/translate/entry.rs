//! The wrapper called from outside: arguments from words, result to the context.

use flashpoint_ir::abi::{ENTRY_SUFFIX, offset};
use flashpoint_ir::typed::{Lane, Region, Type};

use super::{Translator, set_common_attrs};
use crate::ir::{Ty, Val};

/// Adds the wrapper of `inner`.
pub(super) fn add_entry<'a>(translator: &Translator<'a>, inner: Val<'a>, inner_ty: Ty<'a>, params: &[Type]) {
    let (ir, types) = (translator.ir, translator.types);
    let name = format!("{}{ENTRY_SUFFIX}", translator.func.name);
    let entry = ir.add_function(&name, ir.function_ty(&[types.ptr, types.ptr], types.i64));
    ir.add_function_attr(entry, ir.attr("nounwind", 0));
    set_common_attrs(ir, entry, 0);
    ir.switch_to(ir.append_block(entry));
    let (ctx, args) = (ir.param(entry, 0), ir.param(entry, 1));

    let mut passed = vec![ctx];
    let mut at = 0;
    for ty in params {
        // Little-endian: the low bits of a word come first. An i1 is read as the byte it travels as.
        let words = match ty.lane {
            Lane::I1 => vec![Type::I8],
            Lane::I128 => vec![Type::I64, Type::I64],
            _ => vec![*ty],
        };
        for word in words {
            passed.push(translator.load(word, args, at, Region::Constant));
            at += 8;
        }
    }
    let call = ir.call(inner_ty, inner, &passed);
    let status = match translator.func.result {
        None => call,
        Some(ty) => {
            let travelled = if ty.lane == Lane::I1 { Type::I8 } else { ty };
            let (ty, word) = translator.word_of(travelled, ir.extract_value(call, 0));
            translator.store(ty, word, ctx, offset::RESULT, Region::Context);
            ir.extract_value(call, 1)
        }
    };
    ir.ret(status);
}
