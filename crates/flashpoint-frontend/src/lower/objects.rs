//! Closure cells and nested functions that compiled code holds in pieces.
//!
//! Both have an identity and cells change, so a slot holds no more than a number ([`SlotType::Shared`]) of an [`Object`] in
//! the state, whose contents are typed values like those of slots. A cell that nobody else sees is thus an SSA variable, and
//! a function that is only called is never made. Exits make the objects, or store into those that existed at entry.
//!
//! Invariants:
//! - Nobody but the frames of this code can reach an object: new ones never leave it but by exits, which make them; those
//!   that existed at entry are reached from the frame alone, which whoever types the entry checks
//!   ([`SlotType::EntryCell`]). So no call, step or other thread can see or change a content.
//! - [`State::renumber`] comes before each key and snapshot: equal states have equal numbers.

use flashpoint_ir::generic::{GenericFunction, NameIdx, NestedIdx, SlotIdx, SlotKind};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ObjectRecipe, Recipe};

use super::call::Keywords;
use super::state::{ArrayParts, State, Val};
use super::types::SlotType;
use super::{Flow, Low, Lowering, Stop, untyped};

/// An object with an identity. `V` is what its contents are: values in a state, types in a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object<V> {
    /// A closure cell.
    Cell {
        /// The slot that held it at entry, if it existed.
        entry: Option<SlotIdx>,
        /// What it holds.
        content: V,
    },
    /// A nested function.
    Function {
        /// The slot that held it at entry, if it existed.
        entry: Option<SlotIdx>,
        /// The function that defines it, by its number in the version's table.
        owner: u32,
        /// Which definition of that function.
        nested: NestedIdx,
        /// Values of positional defaults.
        defaults: Vec<V>,
        /// Values of keyword-only defaults.
        keyword_defaults: Vec<(NameIdx, V)>,
        /// The cells captured.
        closure: Vec<V>,
    },
}

impl<V> Object<V> {
    /// The contents: a function's defaults and cells, or a cell's content.
    pub fn contents(&self) -> Vec<&V> {
        match self {
            Object::Cell { content, .. } => vec![content],
            Object::Function { defaults, keyword_defaults, closure, .. } => {
                defaults.iter().chain(keyword_defaults.iter().map(|(_, val)| val)).chain(closure).collect()
            }
        }
    }

    /// The contents, to be changed in place.
    pub fn contents_mut(&mut self) -> Vec<&mut V> {
        match self {
            Object::Cell { content, .. } => vec![content],
            Object::Function { defaults, keyword_defaults, closure, .. } => {
                defaults.iter_mut().chain(keyword_defaults.iter_mut().map(|(_, val)| val)).chain(closure).collect()
            }
        }
    }

    /// The object with other contents, made one after the other in the order of [`Object::contents`].
    pub fn map<W>(&self, mut f: impl FnMut(&V) -> W) -> Object<W> {
        match self {
            Object::Cell { entry, content } => Object::Cell { entry: *entry, content: f(content) },
            Object::Function { entry, owner, nested, defaults, keyword_defaults, closure } => Object::Function {
                entry: *entry,
                owner: *owner,
                nested: *nested,
                defaults: defaults.iter().map(&mut f).collect(),
                keyword_defaults: keyword_defaults.iter().map(|(name, val)| (*name, f(val))).collect(),
                closure: closure.iter().map(&mut f).collect(),
            },
        }
    }
}

impl SlotType {
    /// Calls `f` with the number of every object that a content of this type refers to.
    fn for_each_shared(&self, f: &mut impl FnMut(u32)) {
        match self {
            SlotType::Shared(object) => f(*object),
            SlotType::Tuple(items) | SlotType::Zip(items, _) | SlotType::TupleIter(items, _) => {
                items.iter().for_each(|item| item.for_each_shared(f));
            }
            SlotType::SeqIter(inner) | SlotType::Enumerate(inner) | SlotType::Method(inner, _) => {
                inner.for_each_shared(f);
            }
            SlotType::Slice(parts) => parts.iter().for_each(|part| part.for_each_shared(f)),
            _ => {}
        }
    }

    /// Gives every object that a content of this type refers to another number.
    fn renumber(&mut self, f: &impl Fn(u32) -> u32) {
        match self {
            SlotType::Shared(object) => *object = f(*object),
            SlotType::Tuple(items) | SlotType::Zip(items, _) | SlotType::TupleIter(items, _) => {
                items.iter_mut().for_each(|item| item.renumber(f));
            }
            SlotType::SeqIter(inner) | SlotType::Enumerate(inner) | SlotType::Method(inner, _) => inner.renumber(f),
            SlotType::Slice(parts) => parts.iter_mut().for_each(|part| part.renumber(f)),
            _ => {}
        }
    }

    /// Whether a content of this type is or holds a cell or nested function that only compiled code knows.
    pub fn holds_shared(&self) -> bool {
        let mut found = matches!(self, SlotType::OuterCell(..));
        self.for_each_shared(&mut |_| found = true);
        found
    }
}

impl State {
    /// Adds an object and gives a reference to it.
    pub fn add_object(&mut self, object: Object<Val>) -> Val {
        self.objects.push(object);
        Val::bare(SlotType::Shared(self.objects.len() as u32 - 1))
    }

    /// Numbers the objects in the order in which the live slots of each frame lead to them, a function after those that its
    /// defaults name, and forgets the others along with the contents of the slots that are not live.
    pub fn renumber(&mut self, live: &[Vec<SlotIdx>]) {
        if self.objects.is_empty() {
            return;
        }
        let mut order = Order { objects: &self.objects, numbers: vec![None; self.objects.len()], found: Vec::new() };
        for (frame, live) in self.frames.iter().zip(live) {
            live.iter().for_each(|slot| order.visit(&frame.vals[slot.idx()]));
        }
        // The contents of cells may lead to further ones.
        let mut at = 0;
        while at < order.found.len() {
            for content in self.objects[order.found[at] as usize].contents() {
                order.visit(content);
            }
            at += 1;
        }
        let Order { numbers, found, .. } = order;
        let number_of = |object: u32| numbers[object as usize].expect("an object that is referred to was visited");
        self.objects = found.iter().map(|object| self.objects[*object as usize].clone()).collect();
        for object in &mut self.objects {
            object.contents_mut().into_iter().for_each(|content| content.ty.renumber(&number_of));
        }
        for (frame, live) in self.frames.iter_mut().zip(live) {
            for (slot, val) in frame.vals.iter_mut().enumerate() {
                if live.contains(&SlotIdx(slot as u32)) {
                    val.ty.renumber(&number_of);
                } else if val.ty.holds_shared() {
                    *val = Val::UNBOUND;
                }
            }
        }
    }
}

/// Objects in the order in which they are found.
struct Order<'a> {
    objects: &'a [Object<Val>],
    numbers: Vec<Option<u32>>,
    found: Vec<u32>,
}

impl Order<'_> {
    fn visit(&mut self, val: &Val) {
        let mut direct = Vec::new();
        val.ty.for_each_shared(&mut |object| direct.push(object));
        for object in direct {
            if self.numbers[object as usize].is_some() {
                continue;
            }
            // Defaults exist before their function, so this ends.
            if let Object::Function { defaults, keyword_defaults, .. } = &self.objects[object as usize] {
                defaults.iter().chain(keyword_defaults.iter().map(|(_, val)| val)).for_each(|val| self.visit(val));
            }
            self.numbers[object as usize] = Some(self.found.len() as u32);
            self.found.push(object);
        }
    }
}

impl Lowering<'_> {
    /// The objects that existed at entry, and the iterators that were opened. `beyond` are the contents beyond the frame's
    /// slots.
    pub(super) fn entry_objects(&mut self, slots: &[(SlotIdx, SlotType)], beyond: &[(SlotIdx, Val)]) {
        let n_slots = self.generic().slots.len() as u32;
        let has_number =
            |(_, ty): &&(SlotIdx, SlotType)| matches!(ty, SlotType::EntryCell | SlotType::EntryFunction(_));
        let numbered = slots.iter().filter(has_number).map(|(slot, _)| slot.0).collect();
        let entry = Entry { slots, beyond, numbered };
        for (slot, ty) in slots {
            match ty {
                SlotType::EntryCell => {
                    let content = entry.content(self, n_slots + slot.0);
                    self.state.objects.push(Object::Cell { entry: Some(*slot), content });
                }
                SlotType::EntryFunction(function) => {
                    let mut all = |places: &[u32]| places.iter().map(|place| entry.content(self, *place)).collect();
                    let defaults = all(&function.defaults);
                    let named: Vec<u32> = function.keyword_defaults.iter().map(|(_, place)| *place).collect();
                    let named: Vec<Val> = all(&named);
                    let names = function.keyword_defaults.iter().map(|(name, _)| *name);
                    let closure = function.closure.iter().map(|cell| match entry.number(*cell) {
                        Some(object) => Val::bare(SlotType::Shared(object)),
                        None => Val::bare(SlotType::OuterCell(0, *cell)),
                    });
                    self.state.objects.push(Object::Function {
                        entry: Some(*slot),
                        owner: 0,
                        nested: function.nested,
                        defaults,
                        keyword_defaults: names.zip(named).collect(),
                        closure: closure.collect(),
                    });
                }
                _ => {}
            }
            if slot.0 < n_slots && ty.is_opened() {
                let val = entry.content(self, slot.0);
                self.state.set(*slot, val);
            }
        }
    }

    /// The recipes of the state's objects, which are numbered as the snapshot will have them.
    pub(super) fn object_recipes(&mut self) -> Vec<ObjectRecipe> {
        let objects = self.state.objects.clone();
        let mut recipes = Vec::with_capacity(objects.len());
        for object in &objects {
            recipes.push(match object {
                Object::Cell { entry, content } => {
                    ObjectRecipe::Cell { entry: *entry, content: self.recipe(NO_FUNCTION, content) }
                }
                Object::Function { entry, owner, nested, defaults, keyword_defaults, closure } => {
                    let mut all = |vals: &[Val]| vals.iter().map(|val| self.recipe(NO_FUNCTION, val)).collect();
                    let (defaults, closure) = (all(defaults), all(closure));
                    let named = |(name, val): &(NameIdx, Val)| (*name, self.recipe(NO_FUNCTION, val));
                    let keyword_defaults = keyword_defaults.iter().map(named).collect();
                    ObjectRecipe::Function {
                        entry: *entry,
                        owner: *owner,
                        nested: *nested,
                        defaults,
                        keyword_defaults,
                        closure,
                    }
                }
            });
        }
        recipes
    }

    /// The recipe of a variable of an enclosing function, as a cell.
    pub(super) fn outer_cell_recipe(&mut self, function: u32, slot: u32) -> Recipe {
        let name = self.functions[&function].generic.slots[slot as usize].name.clone();
        match self.world.free_cell(function, &name) {
            Some(object) => Recipe::Known(object),
            None => Recipe::Unbound,
        }
    }

    // ---- cells

    pub(super) fn make_cell(&mut self, cell: SlotIdx, initial: Option<SlotIdx>) {
        let content = initial.map_or(Val::UNBOUND, |slot| self.state.get(slot));
        let val = self.state.add_object(Object::Cell { entry: None, content });
        self.state.set(cell, val);
    }

    pub(super) fn load_cell(&mut self, cell: SlotIdx, generic: &GenericFunction) -> Low<Val> {
        let info = &generic.slots[cell.idx()];
        match self.captured(cell, generic) {
            Some(SlotType::Shared(object)) => {
                let Object::Cell { content, .. } = &self.state.objects[object as usize] else {
                    return untyped("a cell");
                };
                if content.ty == SlotType::Unbound {
                    return Err(Stop::Leave(Reason::UnboundLocal));
                }
                Ok(content.clone())
            }
            Some(SlotType::OuterCell(function, slot)) => {
                let name = self.functions[&function].generic.slots[slot as usize].name.clone();
                let known = self.world.free_variable(function, &name);
                self.known_val(known, &name)
            }
            _ => untyped(format!("`{}`, a variable that a nested function captures,", info.name)),
        }
    }

    /// Puts a content into a cell, or empties it.
    pub(super) fn store_cell(&mut self, cell: SlotIdx, val: Val, generic: &GenericFunction) -> Low<()> {
        let info = &generic.slots[cell.idx()];
        let Some(SlotType::Shared(object)) = self.captured(cell, generic) else {
            let whose = if info.kind == SlotKind::Free {
                "of an enclosing function"
            } else {
                "that a nested function captures"
            };
            return untyped(format!("assigning `{}`, a variable {whose},", info.name));
        };
        let Object::Cell { content, .. } = &mut self.state.objects[object as usize] else { return untyped("a cell") };
        if val.ty == SlotType::Unbound && content.ty == SlotType::Unbound {
            return Err(Stop::Leave(Reason::UnboundLocal));
        }
        *content = val;
        Ok(())
    }

    /// What a slot of kind cell or free holds, if typed code can tell.
    fn captured(&self, cell: SlotIdx, generic: &GenericFunction) -> Option<SlotType> {
        match self.state.get(cell).ty {
            ty @ (SlotType::Shared(_) | SlotType::OuterCell(..)) => Some(ty),
            _ if generic.slots[cell.idx()].kind == SlotKind::Free => Some(SlotType::OuterCell(self.function(), cell.0)),
            _ => None,
        }
    }

    // ---- functions

    pub(super) fn make_function(
        &mut self,
        nested: NestedIdx,
        defaults: &[SlotIdx],
        keyword_defaults: &[(NameIdx, SlotIdx)],
        closure: &[SlotIdx],
        generic: &GenericFunction,
    ) -> Low<Val> {
        let cells = closure.iter().map(|cell| self.captured(*cell, generic).map(Val::bare)).collect::<Option<Vec<_>>>();
        let Some(closure) = cells else { return untyped("a nested function over variables that others may see") };
        for cell in &closure {
            if let SlotType::OuterCell(function, slot) = cell.ty
                && self.outer_cell_recipe(function, slot) == Recipe::Unbound
            {
                return untyped("a nested function over variables of enclosing functions");
            }
        }
        let defaults = defaults.iter().map(|slot| self.state.get(*slot)).collect();
        let keyword_defaults = keyword_defaults.iter().map(|(name, slot)| (*name, self.state.get(*slot))).collect();
        let owner = self.function();
        Ok(self.state.add_object(Object::Function { entry: None, owner, nested, defaults, keyword_defaults, closure }))
    }

    /// A call of a nested function: its body is copied here.
    pub(super) fn call_nested(&mut self, object: u32, args: &[Val], keywords: Keywords) -> Low<Flow> {
        let Object::Function { owner, nested, defaults, keyword_defaults, closure, .. } =
            self.state.objects[object as usize].clone()
        else {
            return untyped("a call of a cell");
        };
        let Some((function, body)) = self.world.nested_function(owner, nested) else {
            return untyped("a call of a nested function that CPython runs");
        };
        let names = self.functions[&owner].generic.names.clone();
        let n_positional = body.params.n_positional as usize;
        let first = n_positional.saturating_sub(defaults.len());
        let default = |_: &mut Self, at: usize| {
            Ok(match at < n_positional {
                true if planted(Defect::NestedDefaultsReversed) => {
                    at.checked_sub(first).and_then(|i| defaults.iter().rev().nth(i)).cloned()
                }
                true => at.checked_sub(first).and_then(|i| defaults.get(i)).cloned(),
                false => {
                    let name = &body.slots[at].name;
                    keyword_defaults.iter().find(|(idx, _)| names[idx.0 as usize] == *name).map(|(_, val)| val.clone())
                }
            })
        };
        let args = self.bind(&body, args, keywords, default)?;
        if self.state.frames.iter().any(|frame| frame.function == function) {
            return untyped("a nested function that calls itself");
        }
        if !self.can_inline_nested(&body) {
            return untyped("a call of a nested function of this size");
        }
        self.inline(function, body, args, &closure);
        Ok(Flow::Done)
    }
}

/// What code finds at entry.
struct Entry<'a> {
    slots: &'a [(SlotIdx, SlotType)],
    beyond: &'a [(SlotIdx, Val)],
    /// Slots of the cells and functions, by their numbers as objects.
    numbered: Vec<u32>,
}

impl Entry<'_> {
    /// The number of the object in an entry slot.
    fn number(&self, place: u32) -> Option<u32> {
        self.numbered.iter().position(|known| *known == place).map(|at| at as u32)
    }

    /// The content of an entry slot that was opened, or that lies beyond the frame.
    fn content(&self, lowering: &mut Lowering<'_>, place: u32) -> Val {
        if let Some((_, val)) = self.beyond.iter().find(|(slot, _)| slot.0 == place) {
            return val.clone();
        }
        let ty = self.slots.iter().find(|(slot, _)| slot.0 == place).map(|(_, ty)| ty);
        match ty {
            Some(SlotType::EntryCell | SlotType::EntryFunction(_)) => {
                self.number(place).map_or(Val::UNBOUND, |object| Val::bare(SlotType::Shared(object)))
            }
            Some(SlotType::EntryAlias(of)) => self.content(lowering, *of),
            Some(SlotType::EntryEnumerate(iterator, count)) => {
                let (iterator, count) = (self.content(lowering, *iterator), self.content(lowering, *count));
                let mut words = iterator.words;
                words.extend(count.words);
                Val::of(SlotType::Enumerate(Box::new(iterator.ty)), words)
            }
            Some(SlotType::EntryZip(iterators, strict)) => {
                let iterators: Vec<Val> = iterators.iter().map(|place| self.content(lowering, *place)).collect();
                let words = iterators.iter().flat_map(|iterator| iterator.words.clone()).collect();
                Val::of(SlotType::Zip(iterators.into_iter().map(|iterator| iterator.ty).collect(), *strict), words)
            }
            Some(SlotType::EntryReversed(sequence, index)) => {
                let (sequence, index) = (self.content(lowering, *sequence), self.content(lowering, *index));
                match ArrayParts::of(&sequence) {
                    Some(parts) => lowering.reversed_iter(&parts, Some(index.word())),
                    None => Val::UNBOUND,
                }
            }
            _ => Val::UNBOUND,
        }
    }
}

/// Contents of objects belong to no frame: a constant among them is named as an object of its own.
const NO_FUNCTION: u32 = u32::MAX;
