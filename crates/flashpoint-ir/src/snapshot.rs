//! How typed code leaves for the generic form: snapshots.
//!
//! A snapshot names a resume point and a recipe for every live slot, for the function itself and for each caller that was
//! inlined around it. When typed code takes an exit it stores the *values* named by the recipes, one or two 64-bit words
//! each in the order of [`Snapshot::values`], into the context's exit buffer, and returns the exit's number. The engine
//! rebuilds the generic frames from the recipes and those words; so a back end knows nothing of slots, and code for an
//! exit is a handful of stores.
//!
//! Objects that several slots or other objects refer to, and that may be changed (closure cells, the functions over them),
//! are made once: [`Snapshot::objects`] holds their recipes, and [`Recipe::Shared`] refers to them.
//!
//! Invariant: the recipes of a frame name every slot that is live at its resume point, and no slot twice. Kept by the
//! lowering, checked by `typed::verify` (no slot twice, value dominance) and by deoptimising at every guard in tests.

use serde::{Deserialize, Serialize};

use crate::dtype::DType;
use crate::generic::{ConstIdx, NameIdx, NestedIdx, Pc, SlotIdx};
use crate::reason::Reason;
use crate::typed::Value;

/// An exit from typed code: where the generic form goes on, and with what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Why the exit is taken.
    pub reason: Reason,
    /// What happens at the exit.
    pub exit: ExitKind,
    /// Objects with an identity that recipes refer to by number.
    pub objects: Vec<ObjectRecipe>,
    /// Frames from the outermost (the compiled function itself) to the innermost inlined one.
    pub frames: Vec<FrameState>,
}

/// What the engine does after it has rebuilt the frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ExitKind {
    /// Goes on in tier 0 at the innermost frame's resume point.
    Resume,
    /// A host exception is pending: it is raised at the innermost frame's resume point.
    Raise,
    /// Returns this value from the outermost frame (`frames` is empty).
    Return(Recipe),
}

/// One generic frame at a resume point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameState {
    /// Which generic function: an index into the compiled version's table of functions; 0 is the function itself.
    pub function: u32,
    /// The innermost frame goes on *before* this operation. In every other frame this is the call that is under way: when
    /// the callee returns, its result goes to the call's `dst` and the frame goes on after it.
    pub pc: Pc,
    /// Every live slot. Slots not named are unbound.
    pub slots: Vec<(SlotIdx, Recipe)>,
}

/// How to make an object that is referred to by [`Recipe::Shared`]. All cells are made first, empty; then the functions, in
/// order, so that a function's defaults may name earlier ones; then the cells are filled. So cycles (a nested function that
/// calls itself) are no difficulty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ObjectRecipe {
    /// A closure cell: the one that slot `entry` held when the code was entered, or a new one.
    Cell {
        /// Where it was at entry, if it existed.
        entry: Option<SlotIdx>,
        /// What it is to hold.
        content: Recipe,
    },
    /// A function: the one that slot `entry` held when the code was entered, or a new one.
    Function {
        /// Where it was at entry, if it existed.
        entry: Option<SlotIdx>,
        /// The function that defines it: an index into the compiled version's table of functions.
        owner: u32,
        /// Which definition of that function.
        nested: NestedIdx,
        /// Values of positional defaults.
        defaults: Vec<Recipe>,
        /// Values of keyword-only defaults.
        keyword_defaults: Vec<(NameIdx, Recipe)>,
        /// The cells captured.
        closure: Vec<Recipe>,
    },
}

/// How to make a slot's content from typed values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Recipe {
    /// Nothing.
    Unbound,
    /// Python's `None`.
    None,
    /// A constant of the frame's function.
    Const(ConstIdx),
    /// A host object known when the code was made: an index into the compiled version's table of objects.
    Known(u32),
    /// The object that argument slot or frame slot `SlotIdx` held when the code was entered.
    Entry(SlotIdx),
    /// An object of [`Snapshot::objects`], by number.
    Shared(u32),
    /// A Python `bool` from an `i1`.
    Bool(Value),
    /// A Python `int` from an `i64` (signed).
    Int(Value),
    /// A Python `int` from an `i128` (signed; two words).
    Int128(Value),
    /// A Python `float` from an `f64`.
    Float(Value),
    /// A Python `complex` from two `f64`.
    Complex(Value, Value),
    /// A NumPy scalar from a value of the dtype's machine type (and a second one, the imaginary part, if complex).
    Numpy(DType, Value, Option<Value>),
    /// A tuple.
    Tuple(Vec<Recipe>),
    /// A `range` object: start, stop, step (`i64`).
    Range(Value, Value, Value),
    /// A range iterator: next value, stop, step (`i64`). Exhausted if the next value is at or past the stop.
    RangeIter(Value, Value, Value),
    /// A `slice` object: start, stop, step.
    Slice(Box<[Recipe; 3]>),
    /// The attribute of this name of an object: a bound method that has not been called yet.
    Attribute(Box<Recipe>, String),
    /// An iterator over a sequence by position (`i64`).
    SeqIter(Box<Recipe>, Value),
    /// An `enumerate` object: the next count (`i64`) and the iterator inside.
    Enumerate(Value, Box<Recipe>),
    /// A `zip` object over these iterators; the flag is `strict`.
    Zip(Vec<Recipe>, bool),
    /// A held value: the slot's head (tag and `aux`) and payload words (`i64`). What the typed code owns by it passes on.
    Held(Value, Value, Value),
    /// A host object from its address (`ptr`), which something else keeps alive: the slot gets a reference of its own.
    Borrowed(Value),
    /// The tagged value in the context's `result_slot`: what a callee gave that is not of the promised type.
    Result,
    /// A view into the array `owner`: data pointer, extents and byte strides (`i64`).
    View {
        /// The array whose memory it is.
        owner: Box<Recipe>,
        /// Element type.
        dtype: DType,
        /// Address of the first element (`ptr`).
        data: Value,
        /// Extent of each axis.
        extents: Vec<Value>,
        /// Byte stride of each axis.
        strides: Vec<Value>,
    },
}

/// The walk over a recipe's values, written once for shared and for exclusive access: `$walk` and `$iter` are the methods of
/// that access, `$deref` is `*` where values are handed over by copy.
macro_rules! walk_recipe {
    ($recipe:expr, $f:ident, $walk:ident, $iter:ident, $($deref:tt)?) => {
        match $recipe {
            Recipe::Unbound
            | Recipe::None
            | Recipe::Const(_)
            | Recipe::Known(_)
            | Recipe::Entry(_)
            | Recipe::Shared(_)
            | Recipe::Result => {}
            Recipe::Bool(v)
            | Recipe::Int(v)
            | Recipe::Int128(v)
            | Recipe::Float(v)
            | Recipe::Borrowed(v) => $f($($deref)? v),
            Recipe::Complex(re, im) => {
                $f($($deref)? re);
                $f($($deref)? im);
            }
            Recipe::Numpy(_, v, imaginary) => {
                $f($($deref)? v);
                if let Some(imaginary) = imaginary {
                    $f($($deref)? imaginary);
                }
            }
            Recipe::Tuple(items) | Recipe::Zip(items, _) => items.$iter().for_each(|item| item.$walk($f)),
            Recipe::Range(a, b, c) | Recipe::RangeIter(a, b, c) | Recipe::Held(a, b, c) => {
                $f($($deref)? a);
                $f($($deref)? b);
                $f($($deref)? c);
            }
            Recipe::SeqIter(seq, index) => {
                seq.$walk($f);
                $f($($deref)? index);
            }
            Recipe::Slice(parts) => parts.$iter().for_each(|part| part.$walk($f)),
            Recipe::Attribute(object, _) => object.$walk($f),
            Recipe::Enumerate(count, inner) => {
                $f($($deref)? count);
                inner.$walk($f);
            }
            Recipe::View { owner, data, extents, strides, .. } => {
                owner.$walk($f);
                $f($($deref)? data);
                extents.$iter().chain(strides).for_each(|v| $f($($deref)? v));
            }
        }
    };
}

impl Recipe {
    /// Calls `f` on every value, in the order in which their words lie in the exit buffer.
    pub fn for_each_value(&self, f: &mut impl FnMut(Value)) {
        walk_recipe!(self, f, for_each_value, iter, *)
    }

    /// Calls `f` on every value, to rename it.
    pub fn for_each_value_mut(&mut self, f: &mut impl FnMut(&mut Value)) {
        walk_recipe!(self, f, for_each_value_mut, iter_mut,)
    }
}

impl Snapshot {
    /// The values to store, in the order of their words in the exit buffer. A value of `i128` takes two words (low first),
    /// every other value one: integers and `i1` zero-extended, `f32` as its 32 bits, `f64` as its 64 bits.
    pub fn values(&self) -> Vec<Value> {
        let mut values = Vec::new();
        self.for_each_value(&mut |v| values.push(v));
        values
    }

    /// Calls `f` on every value, in the order of [`Snapshot::values`].
    pub fn for_each_value(&self, f: &mut impl FnMut(Value)) {
        self.recipes().for_each(|recipe| recipe.for_each_value(f));
    }

    /// Functions first, then the cells' contents, then slots: the order in which they are made.
    pub fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        let returned = if let ExitKind::Return(recipe) = &self.exit { Some(recipe) } else { None };
        let functions = self.objects.iter().flat_map(ObjectRecipe::before_cells);
        let contents = self.objects.iter().filter_map(ObjectRecipe::content);
        let slots = self.frames.iter().flat_map(|frame| frame.slots.iter().map(|(_, recipe)| recipe));
        functions.chain(contents).chain(returned).chain(slots)
    }

    /// Calls `f` on every value, to rename it.
    pub fn for_each_value_mut(&mut self, f: &mut impl FnMut(&mut Value)) {
        for object in &mut self.objects {
            if let ObjectRecipe::Function { defaults, keyword_defaults, .. } = object {
                let named = keyword_defaults.iter_mut().map(|(_, recipe)| recipe);
                defaults.iter_mut().chain(named).for_each(|recipe| recipe.for_each_value_mut(f));
            }
        }
        for object in &mut self.objects {
            if let ObjectRecipe::Cell { content, .. } = object {
                content.for_each_value_mut(f);
            }
        }
        if let ExitKind::Return(recipe) = &mut self.exit {
            recipe.for_each_value_mut(f);
        }
        for frame in &mut self.frames {
            for (_, recipe) in &mut frame.slots {
                recipe.for_each_value_mut(f);
            }
        }
    }
}

impl ObjectRecipe {
    /// The recipes of a function's defaults.
    fn before_cells(&self) -> impl Iterator<Item = &Recipe> {
        let (defaults, named): (&[Recipe], &[(NameIdx, Recipe)]) = match self {
            ObjectRecipe::Function { defaults, keyword_defaults, .. } => (defaults, keyword_defaults),
            ObjectRecipe::Cell { .. } => (&[], &[]),
        };
        defaults.iter().chain(named.iter().map(|(_, recipe)| recipe))
    }

    /// The recipe of a cell's content.
    fn content(&self) -> Option<&Recipe> {
        match self {
            ObjectRecipe::Cell { content, .. } => Some(content),
            ObjectRecipe::Function { .. } => None,
        }
    }

    /// Every recipe of the object.
    pub fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        let closure: &[Recipe] = match self {
            ObjectRecipe::Function { closure, .. } => closure,
            ObjectRecipe::Cell { .. } => &[],
        };
        self.before_cells().chain(self.content()).chain(closure)
    }
}
