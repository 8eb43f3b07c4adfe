//! Objects of a frame that compiled code takes over in the middle of a loop, and looks into: cells, nested functions,
//! `enumerate`, `zip` and `reversed` objects.
//!
//! Compiled code holds what lies in them as values, so it may do that only with objects that nobody else can reach. The host
//! says which those are ([`crate::python::Python::open`]); what lies in them are further entry slots, behind those of the
//! frame. At the exit cells get their contents back, and iterators are made anew ([`crate::exits`]).

use flashpoint_frontend::lower::types::SlotType;
use flashpoint_ir::generic::{GenericFunction, SlotIdx, SlotKind};
use flashpoint_ir::slot::Slot;

/// What lies in objects that only this frame can reach.
#[derive(Debug, Default)]
pub struct Opened {
    /// Types of entry slots: of those of the frame that hold such objects, and of all further ones.
    pub types: Vec<(SlotIdx, SlotType)>,
    /// The further entry slots; owned.
    pub beyond: Vec<Slot>,
}

impl Opened {
    /// Whether a frame with these live slots may hold any.
    pub fn concern(function: &GenericFunction, live: &[(SlotIdx, SlotType)]) -> bool {
        let is_iterator = |(slot, ty): &(SlotIdx, SlotType)| {
            matches!(ty, SlotType::Opaque(_)) && function.slot_kind(*slot) == SlotKind::Pinned
        };
        !function.nested.is_empty() || live.iter().any(is_iterator)
    }

    /// Puts the types in the place of those of the live slots, and adds what they lead to.
    pub fn complete(&self, live: &mut Vec<(SlotIdx, SlotType)>, n_slots: usize) {
        let mut wanted: Vec<u32> = live.iter().map(|(slot, _)| slot.0).collect();
        let mut at = 0;
        while at < wanted.len() {
            let place = wanted[at];
            at += 1;
            let Some((_, ty)) = self.types.iter().find(|(slot, _)| slot.0 == place) else { continue };
            for further in further_places(ty, place, n_slots as u32) {
                if !wanted.contains(&further) {
                    wanted.push(further);
                }
            }
        }
        live.retain(|(slot, _)| !self.types.iter().any(|(known, _)| known == slot));
        live.extend(self.types.iter().filter(|(slot, _)| wanted.contains(&slot.0)).cloned());
    }
}

/// The entry slots that belong to the content of one.
fn further_places(ty: &SlotType, place: u32, n_slots: u32) -> Vec<u32> {
    match ty {
        SlotType::EntryCell => vec![place + n_slots],
        SlotType::EntryAlias(of) => vec![*of],
        SlotType::EntryFunction(function) => {
            let named = function.keyword_defaults.iter().map(|(_, place)| place);
            function.closure.iter().chain(&function.defaults).chain(named).copied().collect()
        }
        SlotType::EntryEnumerate(iterator, count) => vec![*iterator, *count],
        SlotType::EntryReversed(sequence, index) => vec![*sequence, *index],
        SlotType::EntryZip(iterators, _) => iterators.clone(),
        _ => Vec::new(),
    }
}
