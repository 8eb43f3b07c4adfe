//! Leaving compiled code: from an exit's words to the frames of the generic form.

use std::sync::Arc;

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{Pc, SlotIdx, SlotKind};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::slot::{Slot, Tag};
use flashpoint_ir::snapshot::{ObjectRecipe, Recipe, Snapshot};
use flashpoint_ir::typed::TypedFunction;

use crate::host::{HostResult, Raised};
use crate::python::Python;
use crate::tier0::Frame;
use crate::unit::{Unit, Version};

/// A frame that goes on in tier 0.
pub(crate) struct Resumed<H: Python> {
    /// Whose frame it is.
    pub unit: Arc<Unit<H>>,
    /// The frame.
    pub frame: Frame,
    /// The resume point, or the call under way.
    pub pc: Pc,
}

/// Makes contents from recipes.
pub(crate) struct Rebuilder<'a, H: Python> {
    pub version: &'a Version<H>,
    pub unit: &'a Arc<Unit<H>>,
    /// What the slots held when the code was entered; borrowed.
    pub entry: &'a [Slot],
    pub words: std::iter::Copied<std::slice::Iter<'a, u64>>,
    /// The tagged result; taken by the recipe that wants it.
    pub result_slot: Slot,
    /// The snapshot's objects; owned.
    pub objects: Vec<Slot>,
}

impl<H: Python> Rebuilder<'_, H> {
    /// Makes the snapshot's objects, then what `make` makes, in which they may occur; then fills the cells among them.
    pub fn with_objects<T>(
        &mut self,
        host: &mut H,
        snapshot: &Snapshot,
        make: impl FnOnce(&mut Self, &mut H) -> HostResult<T>,
    ) -> HostResult<T> {
        if snapshot.objects.is_empty() {
            return make(self, host);
        }
        let mut contents = Vec::new();
        let made = self.make_objects(host, &snapshot.objects, &mut contents).and_then(|()| make(self, host));
        let objects = std::mem::take(&mut self.objects);
        if made.is_ok() && !planted(Defect::CellNotStored) {
            for (cell, content) in &contents {
                host.fill_cell(&objects[*cell], content);
            }
        }
        release_all(host, contents.into_iter().map(|(_, content)| content).collect());
        release_all(host, objects);
        made
    }

    /// Makes the objects, and gives the contents of the cells, to be put there in the end: what existed at entry may still
    /// be read as it was.
    fn make_objects(
        &mut self,
        host: &mut H,
        objects: &[ObjectRecipe],
        contents: &mut Vec<(usize, Slot)>,
    ) -> HostResult<()> {
        for object in objects {
            let cell = match object {
                ObjectRecipe::Cell { entry: Some(entry), .. } | ObjectRecipe::Function { entry: Some(entry), .. } => {
                    self.retained(host, self.entry.get(entry.idx()).copied())
                }
                ObjectRecipe::Cell { entry: None, .. } => host.make_cell(None)?,
                ObjectRecipe::Function { entry: None, .. } => Slot::UNBOUND,
            };
            self.objects.push(cell);
        }
        for (number, object) in objects.iter().enumerate() {
            let ObjectRecipe::Function { entry, owner, nested, defaults, keyword_defaults, closure } = object else {
                continue;
            };
            let owner = self.version.unit(self.unit, *owner).clone();
            let defaults = self.all(host, &owner, defaults)?;
            let (names, named): (Vec<_>, Vec<_>) = keyword_defaults.iter().cloned().unzip();
            let named = self.all(host, &owner, &named);
            let closure = named.as_ref().map_or(Err(Raised), |_| self.all(host, &owner, closure));
            let made = match (&named, &closure) {
                (Ok(named), Ok(closure)) if entry.is_none() => {
                    let named: Vec<_> = names.into_iter().zip(named.iter().copied()).collect();
                    host.make_function(&owner.function, *nested, &defaults, &named, closure).map(Some)
                }
                (Ok(_), Ok(_)) => Ok(None),
                _ => Err(Raised),
            };
            release_all(host, defaults);
            [named, closure].into_iter().flatten().for_each(|slots| release_all(host, slots));
            if let Some(function) = made? {
                self.objects[number] = function;
            }
        }
        for (number, object) in objects.iter().enumerate() {
            if let ObjectRecipe::Cell { content, .. } = object {
                let unit = self.unit.clone();
                contents.push((number, self.make(host, &unit, content)?));
            }
        }
        Ok(())
    }

    /// The frames of a snapshot from the outermost in. Slots of the outermost frame that stay are taken over from `entry`
    /// with references of their own.
    pub fn frames(&mut self, host: &mut H, snapshot: &Snapshot) -> HostResult<Vec<Resumed<H>>> {
        let mut frames: Vec<Resumed<H>> = Vec::with_capacity(snapshot.frames.len());
        for state in &snapshot.frames {
            let unit = self.version.unit(self.unit, state.function).clone();
            let mut frame = Frame::new(&unit.code);
            let mut failed = false;
            for (slot, recipe) in &state.slots {
                let made = self.make(host, &unit, recipe);
                match made.and_then(|value| Self::as_object(host, &unit, *slot, value)) {
                    Ok(value) => frame.slots_mut()[slot.0 as usize] = value,
                    Err(_) => {
                        failed = true;
                        break;
                    }
                }
            }
            if failed {
                frame.release(host);
                for mut made in frames {
                    made.frame.release(host);
                }
                return Err(Raised);
            }
            frames.push(Resumed { unit, frame, pc: state.pc });
        }
        Ok(frames)
    }

    /// Gives up what the code held at an exit whose making has failed: what no recipe has taken yet. `n_words` is the number
    /// of words that the exit stored.
    #[cold]
    pub fn release_untaken(&mut self, host: &mut H, func: &TypedFunction, snapshot: &Snapshot, n_words: usize) {
        let untaken: Vec<u64> = self.words.by_ref().collect();
        let n_taken = n_words - untaken.len();
        let mut at = 0;
        for recipe in snapshot.recipes() {
            if matches!(recipe, Recipe::Held(..)) && at >= n_taken {
                let words = &untaken[at - n_taken..];
                host.release(held_slot(words[0], words[1], words[2]));
            }
            recipe.for_each_value(&mut |value| at += func.value_types[value.index()].exit_words());
        }
    }

    /// `value` as it may stand in `slot`: a variable holds the iterator that all who read it advance, a temporary one of
    /// its own.
    fn as_object(host: &mut H, unit: &Unit<H>, slot: SlotIdx, value: Slot) -> HostResult<Slot> {
        let is_temporary = matches!(unit.code.generic().slot_kind(slot), SlotKind::Temp | SlotKind::Pinned);
        let is_left = is_temporary || planted(Defect::IteratorUnboxed);
        if is_left || !matches!(value.tag, Tag::RangeIter | Tag::SeqIter) {
            return Ok(value);
        }
        let made = host.make_iterator(&value);
        host.release(value);
        made
    }

    fn word(&mut self) -> u64 {
        self.words.next().unwrap_or(0)
    }

    /// The content that a recipe makes for a frame of `unit`: owned.
    pub fn make(&mut self, host: &mut H, unit: &Arc<Unit<H>>, recipe: &Recipe) -> HostResult<Slot> {
        Ok(match recipe {
            Recipe::Entry(entry) => self.retained(host, self.entry.get(entry.0 as usize).copied()),
            Recipe::Unbound => Slot::UNBOUND,
            Recipe::None => Slot::NONE,
            Recipe::Const(value) => match unit.code.constant(*value) {
                Some(value) => value,
                None => host.constant(&unit.function, *value),
            },
            Recipe::Shared(object) => self.retained(host, self.objects.get(*object as usize).copied()),
            Recipe::Known(object) => self.retained(host, self.version.tables.objects.get(*object as usize).copied()),
            Recipe::Bool(_) => Slot::bool(self.word() & 1 != 0),
            Recipe::Int(_) => Slot::int(self.word() as i64),
            Recipe::Int128(_) => {
                let low = self.word();
                let high = self.word();
                let high = if planted(Defect::Int128HighWord) { 0 } else { high };
                Slot::int128(((high as i128) << 64) | low as i128)
            }
            Recipe::Float(_) => Slot::float(f64::from_bits(self.word())),
            Recipe::Complex(..) => {
                let (re, im) = (self.word(), self.word());
                let (re, im) = if planted(Defect::ComplexPartsSwapped) { (im, re) } else { (re, im) };
                Slot { tag: Tag::Complex, aux: 0, a: re, b: im }
            }
            Recipe::Numpy(dtype, _, imaginary) => {
                let a = self.word();
                let b = if imaginary.is_some() { self.word() } else { 0 };
                numpy_slot(*dtype, a, b)
            }
            Recipe::Tuple(items) => {
                let items = self.all(host, unit, items)?;
                let made = host.build_tuple(&items);
                release_all(host, items);
                made?
            }
            Recipe::Range(..) => {
                let (start, stop, step) = (self.word() as i64, self.word() as i64, self.word() as i64);
                host.make_range(start, stop, step)?
            }
            Recipe::RangeIter(..) => {
                let (next, stop, step) = (self.word() as i64, self.word() as i64, self.word() as i64);
                let step_narrow = i32::try_from(step);
                match step_narrow {
                    Ok(narrow) => Slot::range_iter(next, range_len(next, stop, step), narrow),
                    Err(_) => {
                        let range = host.make_range(next, stop, step)?;
                        let iter = host.iter(&range);
                        host.release(range);
                        iter?
                    }
                }
            }
            Recipe::SeqIter(seq, _) => {
                let seq = self.make(host, unit, seq)?;
                Slot::seq_iter(seq.a, self.word())
            }
            Recipe::Enumerate(_, inner) => {
                let count = self.word() as i64 + i64::from(planted(Defect::EnumerateResumesLate));
                let inner = self.make(host, unit, inner)?;
                let made = host.make_enumerate(count, &inner);
                host.release(inner);
                made?
            }
            Recipe::Zip(iterators, strict) => {
                let iterators = self.all(host, unit, iterators)?;
                let made = host.make_zip(&iterators, *strict);
                release_all(host, iterators);
                made?
            }
            Recipe::Slice(parts) => {
                let parts = self.all(host, unit, &parts[..])?;
                let made = host.build_slice(&parts[0], &parts[1], &parts[2]);
                release_all(host, parts);
                made?
            }
            Recipe::Attribute(object, name) => {
                let object = self.make(host, unit, object)?;
                let made = host.get_attr_named(&object, name);
                host.release(object);
                made?
            }
            Recipe::Held(..) => {
                let head = self.word();
                let (a, b) = (self.word(), self.word());
                held_slot(head, a, b)
            }
            Recipe::Borrowed(_) => {
                let object = Slot::object(self.word());
                host.retain(&object);
                object
            }
            Recipe::Result => std::mem::replace(&mut self.result_slot, Slot::UNBOUND),
            Recipe::View { owner, dtype, extents, strides, .. } => {
                let mut owner = self.make(host, unit, owner)?;
                // Of an iterator over an array, the array.
                if owner.tag == Tag::SeqIter {
                    owner = Slot::object(owner.a);
                }
                let data = self.word();
                let extents: Vec<i64> = extents.iter().map(|_| self.word() as i64).collect();
                let mut strides: Vec<i64> = strides.iter().map(|_| self.word() as i64).collect();
                if planted(Defect::ViewStridesReversed) {
                    strides.reverse();
                }
                let made = host.make_view(&owner, *dtype, data, &extents, &strides);
                host.release(owner);
                made?
            }
        })
    }

    fn retained(&self, host: &mut H, slot: Option<Slot>) -> Slot {
        let slot = slot.unwrap_or(Slot::UNBOUND);
        host.retain(&slot);
        slot
    }

    fn all(&mut self, host: &mut H, unit: &Arc<Unit<H>>, recipes: &[Recipe]) -> HostResult<Vec<Slot>> {
        let mut made = Vec::with_capacity(recipes.len());
        for recipe in recipes {
            match self.make(host, unit, recipe) {
                Ok(value) => made.push(value),
                Err(raised) => {
                    release_all(host, made);
                    return Err(raised);
                }
            }
        }
        Ok(made)
    }
}

/// The slot that a held value's words are.
pub(crate) fn held_slot(head: u64, a: u64, b: u64) -> Slot {
    Slot { tag: Tag::ALL[head as u32 as usize], aux: (head >> 32) as u32, a, b }
}

/// The words of a held value: what compiled code makes of a slot.
pub(crate) fn held_words(slot: Slot) -> [u64; 3] {
    [slot.tag as u64 | u64::from(slot.aux) << 32, slot.a, slot.b]
}

fn release_all<H: Python>(host: &mut H, slots: Vec<Slot>) {
    for slot in slots {
        host.release(slot);
    }
}

/// Number of values of a range.
fn range_len(next: i64, stop: i64, step: i64) -> u64 {
    let (next, stop, step) = (i128::from(next), i128::from(stop), i128::from(step));
    let span = if step > 0 { stop - next } else { next - stop };
    let span = if planted(Defect::ResumedRangeLength) { span + 1 } else { span };
    if span <= 0 { 0 } else { ((span - 1) / step.abs() + 1) as u64 }
}

/// A NumPy scalar from the words of its parts, as machine code leaves them (narrow integers zero-extended).
pub(crate) fn numpy_slot(dtype: DType, a: u64, b: u64) -> Slot {
    let a = match dtype {
        DType::Bool => a & 1,
        DType::I8 if planted(Defect::NarrowIntZeroExtended) => a & 0xff,
        DType::I8 => a as i8 as i64 as u64,
        DType::I16 => a as i16 as i64 as u64,
        DType::I32 => a as i32 as i64 as u64,
        DType::U8 => a & 0xff,
        DType::U16 | DType::F16 | DType::BF16 => a & 0xffff,
        DType::U32 | DType::F32 => a & 0xffff_ffff,
        _ => a,
    };
    Slot::numpy(dtype, a, b)
}
