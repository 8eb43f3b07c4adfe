//! Displays: tuples, lists, sets and dicts written out.

use flashpoint_ir::generic::*;

use super::call::{Collect, is_starred};
use super::emit::{Build, Builder};
use crate::syntax::*;

impl<'a> Builder<'a> {
    /// `(a, *b)`.
    pub fn tuple_display(&mut self, elts: &'a [Expr], dst: Option<SlotIdx>) -> Build<SlotIdx> {
        let items = self.starred_items(elts, false, Collect::List)?;
        let dst = self.or_temp(dst);
        self.emit(match elts.iter().any(is_starred) {
            true => GenericOp::BuildTupleEx { dst, items: items.into() },
            false => GenericOp::BuildTuple { dst, items: items.iter().map(|arg| arg.slot()).collect() },
        });
        Ok(dst)
    }

    /// `[a, *b]`.
    pub fn list_display(&mut self, elts: &'a [Expr], dst: Option<SlotIdx>) -> Build<SlotIdx> {
        let items = self.starred_items(elts, false, Collect::List)?.into();
        let dst = self.or_temp(dst);
        self.emit(GenericOp::BuildList { dst, items });
        Ok(dst)
    }

    /// `{a, *b}`.
    pub fn set_display(&mut self, elts: &'a [Expr], dst: Option<SlotIdx>) -> Build<SlotIdx> {
        let items = self.starred_items(elts, false, Collect::Set)?.into();
        let dst = self.or_temp(dst);
        self.emit(GenericOp::BuildSet { dst, items });
        Ok(dst)
    }

    /// `{k: v, **m}`.
    pub fn dict_display(
        &mut self,
        keys: &'a [Option<Expr>],
        values: &'a [Expr],
        dst: Option<SlotIdx>,
    ) -> Build<SlotIdx> {
        let mut items = Vec::new();
        for (idx, (key, value)) in keys.iter().zip(values).enumerate() {
            if let Some(key) = key {
                let key = self.operand(key)?;
                items.push((Some(key), self.operand(value)?));
                continue;
            }
            items.push((None, self.operand(value)?));
            let later = keys[idx + 1..].iter().flatten().chain(&values[idx + 1..]);
            let later: Vec<&Expr> = later.collect();
            if later.into_iter().any(|expr| !self.is_inert(expr)) {
                let dst = self.temp();
                self.emit(GenericOp::BuildDict { dst, items: std::mem::take(&mut items).into() });
                items.push((None, dst));
            }
        }
        let dst = self.or_temp(dst);
        self.emit(GenericOp::BuildDict { dst, items: items.into() });
        Ok(dst)
    }
}
