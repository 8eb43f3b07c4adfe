//! Counted objects.

use std::rc::Rc;

use flashpoint_ir::slot::{Slot, Tag};

use super::object::Object;

struct Entry {
    count: u32,
    object: Rc<Object>,
}

/// All objects of a host. An object's number is never 0, and is used again only after its last reference is gone.
#[derive(Default)]
pub struct Heap {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
}

impl Heap {
    /// Puts an object on the heap, with one reference.
    pub fn new_object(&mut self, object: Object) -> Slot {
        let entry = Some(Entry { count: 1, object: Rc::new(object) });
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
        };
        Slot::object(index as u64 + 1)
    }

    /// Number of objects alive.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether no object is alive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(&mut self, slot: &Slot) -> &mut Entry {
        self.entries[slot.a as usize - 1].as_mut().expect("the object was released")
    }

    /// The object of a slot that owns one.
    pub fn get(&self, slot: &Slot) -> Option<Rc<Object>> {
        if !slot.owns() {
            return None;
        }
        let entry = self.entries[slot.a as usize - 1].as_ref().expect("the object was released");
        Some(entry.object.clone())
    }

    /// Takes another reference.
    pub fn retain(&mut self, slot: &Slot) {
        if slot.owns() {
            self.entry(slot).count += 1;
        }
    }

    /// Gives up a reference; the last one takes the object away, and what it owns.
    pub fn release(&mut self, slot: &Slot) {
        let mut dropped = vec![*slot];
        while let Some(slot) = dropped.pop() {
            if !slot.owns() {
                continue;
            }
            let entry = self.entry(&slot);
            entry.count -= 1;
            if entry.count == 0 {
                let index = slot.a as usize - 1;
                if let Some(entry) = self.entries[index].take() {
                    entry.object.for_each_owned(&mut |owned| dropped.push(*owned));
                }
                self.free.push(index);
            }
        }
    }

    /// Changes an object in place. Whoever holds the object's `Rc` for reading keeps the old state.
    pub fn replace(&mut self, slot: &Slot, object: Object) {
        debug_assert_eq!(slot.tag, Tag::Object);
        self.entry(slot).object = Rc::new(object);
    }

    /// Changes an object in place, if nobody reads it meanwhile.
    pub fn get_mut(&mut self, slot: &Slot) -> &mut Object {
        Rc::get_mut(&mut self.entry(slot).object).expect("the object is being read")
    }
}
