//! Arrays as arguments of calls in registers: they are lent.
//!
//! A callee that is entered in registers has no slots of its caller to name an array by. So the address of the object that
//! keeps the memory alive travels with each array ([`Owner::Lent`]), and the callee's exits make its slots from that. The
//! object lives as long as the call: a slot of the outermost frame, a table or the context holds it.

use super::state::{ArrayParts, Val};
use super::types::{ArrayType, Owner, SlotType};
use super::{EntrySource, Lowering};
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::typed::Value;

impl Lowering<'_> {
    /// An argument as a call in registers gives it: an array with the address of its object.
    pub(super) fn lent(&mut self, arg: &Val) -> Val {
        let Some(parts) = ArrayParts::of(arg) else { return arg.clone() };
        let object = match parts.owner {
            Owner::Made | Owner::ViewOfMade | Owner::Lent | Owner::ViewOfLent => parts.object,
            Owner::Entry(slot) | Owner::ViewOfEntry(slot) => {
                let slot = SlotIdx(slot);
                self.object_word(EntrySource::Slot(slot), EntrySource::Lent(slot))
            }
            Owner::Known(object) | Owner::ViewOfKnown(object) => {
                self.object_word(EntrySource::Known(object), EntrySource::Known(object))
            }
        };
        let owner = if parts.owner.is_view() { Owner::ViewOfLent } else { Owner::Lent };
        match object {
            Some(_) => ArrayParts { owner, object, ..parts }.into_val(),
            None => arg.clone(),
        }
    }

    /// The address of the array of a parameter, by a parameter of its own.
    fn object_word(&mut self, source: EntrySource, lent: EntrySource) -> Option<Value> {
        let ty = self.params.iter().find(|param| param.source == source).and_then(|param| array_in(&param.ty))?;
        ArrayParts::of(&self.entry_param(lent, SlotType::Array(ty, Owner::Lent)))?.object
    }
}

/// The array that a slot holds, or that the iterator in it runs over.
fn array_in(ty: &SlotType) -> Option<ArrayType> {
    match ty {
        SlotType::Array(ty, _) => Some(*ty),
        SlotType::SeqIter(inner) => array_in(inner),
        _ => None,
    }
}
