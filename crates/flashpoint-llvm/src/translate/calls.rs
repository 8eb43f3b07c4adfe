//! Calls: engine routines and libm through the context's table, other units through the link table.

use flashpoint_ir::abi::{LINKS_SYMBOL, helper_index, lib_func_index, offset};
use flashpoint_ir::typed::*;

use super::{Translated, Translator};
use crate::ir::{Ty, Val};

impl<'a> Translator<'a> {
    /// Calls position `index` of the context's table. `pure`: reads and writes nothing that the program can see.
    pub(super) fn call_table(&self, index: usize, ty: Ty<'a>, args: &[Val<'a>], pure: bool) -> Val<'a> {
        let table = self.load_constant_ptr(self.ctx, offset::HELPERS);
        let callee = self.load_constant_ptr(table, (index * size_of::<usize>()) as i32);
        let call = self.ir.call(ty, callee, args);
        self.ir.add_call_attr(call, self.ir.attr("nounwind", 0));
        if pure {
            self.ir.add_call_attr(call, self.ir.attr("memory", 0));
            self.ir.add_call_attr(call, self.ir.attr("willreturn", 0));
        }
        call
    }

    pub(super) fn call_libm(&self, func: LibFunc, args: &[Value]) -> Val<'a> {
        let ty = self.types.of(func.ty());
        let args: Vec<_> = args.iter().map(|arg| self.value(*arg)).collect();
        let signature = self.ir.function_ty(&vec![ty; args.len()], ty);
        self.call_table(lib_func_index(func), signature, &args, true)
    }

    pub(super) fn call_helper(&self, helper: Helper, args: &[Value]) -> Translated<Vec<Val<'a>>> {
        let (params, results) = helper.signature();
        let mut types = vec![self.types.ptr];
        types.extend(params.iter().map(|ty| self.types.of(*ty)));
        let results: Vec<_> = results.iter().map(|ty| self.types.of(*ty)).collect();
        let result = match results[..] {
            [] => self.ir.void_ty(),
            [one] => one,
            _ => self.ir.struct_ty(&results),
        };
        let mut values = vec![self.ctx];
        values.extend(args.iter().map(|arg| self.value(*arg)));
        // Functions of their numbers alone.
        let pure = matches!(helper, Helper::FloatPow | Helper::RoundDigits | Helper::IntPow);
        let call = self.call_table(helper_index(helper), self.ir.function_ty(&types, result), &values, pure);
        Ok(match results.len() {
            0 => vec![],
            1 => vec![call],
            n => (0..n as u32).map(|field| self.ir.extract_value(call, field)).collect(),
        })
    }

    pub(super) fn call_unit(&mut self, unit: UnitRef, args: &[Value], results: &[Value]) -> Translated<Vec<Val<'a>>> {
        let params: Vec<Type> = args.iter().map(|arg| self.ty(*arg)).collect();
        let result = if results.len() == 2 { Some(self.ty(results[0])) } else { None };
        if let Some(ty) = params.iter().chain(&result).find(|ty| ty.lanes != 1) {
            return Err(self.unsupported(format!("a call that passes {ty}")));
        }
        if result.is_some_and(|ty| ty.lane == Lane::I128) {
            return Err(self.unsupported("a register result of type i128"));
        }
        let links = match self.links {
            Some(links) => links,
            None => self.ir.add_external_constant(LINKS_SYMBOL, self.ir.array_ty(self.types.ptr, 0)),
        };
        self.links = Some(links);
        let cell = self.load_constant_ptr(links, (unit.0 as usize * size_of::<usize>()) as i32);
        let callee = self.load_cell(cell);
        let mut values = vec![self.ctx];
        values.extend(args.iter().flat_map(|arg| self.pack(self.ty(*arg), self.value(*arg))));
        let call = self.ir.call(self.types.inner_ty(&params, result), callee, &values);
        self.ir.add_call_attr(call, self.ir.attr("nounwind", 0));
        Ok(match result {
            None => vec![call],
            Some(ty) => {
                let value = self.unpack(ty, &[self.ir.extract_value(call, 0)]);
                vec![value, self.ir.extract_value(call, 1)]
            }
        })
    }
}
