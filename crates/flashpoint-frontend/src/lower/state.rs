//! The abstract state of the lowering: what every live slot holds, as typed values.

use flashpoint_ir::builder::Builder;
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::snapshot::Recipe;
use flashpoint_ir::typed::{BinaryOp, Type, Value};

use super::objects::Object;
use super::types::{ArrayType, Layout, Owner, SlotType};

/// A slot's content: its type, and the machine values that hold it ([`SlotType::machine_types`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Val {
    /// What it is.
    pub ty: SlotType,
    /// The machine values.
    pub words: Vec<Value>,
    /// Whence a tuple comes, if that is known.
    pub origin: Option<Origin>,
}

/// Whence a tuple comes: exits give the object that it was at entry, not an equal one.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// This slot of the outermost frame held it at entry.
    Slot(SlotIdx),
    /// It was made here, of items that may have an origin.
    Items(Vec<Option<Origin>>),
}

impl Val {
    /// Nothing.
    pub const UNBOUND: Val = Val::of(SlotType::Unbound, Vec::new());

    /// A content of these machine values.
    pub const fn of(ty: SlotType, words: Vec<Value>) -> Val {
        Val { ty, words, origin: None }
    }

    /// A content of one machine value.
    pub fn new(ty: SlotType, word: Value) -> Val {
        Val::of(ty, vec![word])
    }

    /// A content without machine values.
    pub fn bare(ty: SlotType) -> Val {
        Val::of(ty, Vec::new())
    }

    /// `None`.
    pub fn none() -> Val {
        Val::bare(SlotType::None)
    }

    /// A Python `int`.
    pub fn int(value: Value) -> Val {
        Val::new(SlotType::Int, value)
    }

    /// A Python `float`.
    pub fn float(value: Value) -> Val {
        Val::new(SlotType::Float, value)
    }

    /// A Python `bool`.
    pub fn bool(value: Value) -> Val {
        Val::new(SlotType::Bool, value)
    }

    /// A Python `complex`.
    pub fn complex(re: Value, im: Value) -> Val {
        Val::of(SlotType::Complex, vec![re, im])
    }

    /// A tuple of contents.
    pub fn tuple(items: Vec<Val>) -> Val {
        let words = items.iter().flat_map(|item| item.words.iter().copied()).collect();
        let origins: Vec<Option<Origin>> = items.iter().map(|item| item.origin.clone()).collect();
        let origin = origins.iter().any(Option::is_some).then_some(Origin::Items(origins));
        let ty = SlotType::Tuple(items.into_iter().map(|item| item.ty).collect());
        Val { ty, words, origin }
    }

    /// The only machine value.
    pub fn word(&self) -> Value {
        debug_assert_eq!(self.words.len(), 1);
        self.words[0]
    }

    /// The contents that types describe, one after the other in `words`.
    pub fn split(types: &[SlotType], words: &[Value]) -> Vec<Val> {
        let mut at = 0;
        types
            .iter()
            .map(|ty| {
                let n = ty.machine_types().len();
                at += n;
                Val::of(ty.clone(), words[at - n..at].to_vec())
            })
            .collect()
    }

    /// The items of a tuple or zip.
    pub fn items(&self) -> Vec<Val> {
        match &self.ty {
            SlotType::Tuple(types) | SlotType::Zip(types, _) | SlotType::TupleIter(types, _) => {
                let mut items = Val::split(types, &self.words);
                if let Some(Origin::Items(origins)) = &self.origin {
                    items.iter_mut().zip(origins).for_each(|(item, origin)| item.origin.clone_from(origin));
                }
                items
            }
            SlotType::Slice(types) => Val::split(&types[..], &self.words),
            _ => Vec::new(),
        }
    }

    /// The content inside an iterator or method, and the words after it.
    pub fn inner(&self) -> Option<(Val, &[Value])> {
        match &self.ty {
            SlotType::SeqIter(inner) | SlotType::Enumerate(inner) | SlotType::Method(inner, _) => {
                let n = inner.machine_types().len();
                Some((Val::of((**inner).clone(), self.words[..n].to_vec()), &self.words[n..]))
            }
            _ => None,
        }
    }
}

/// An array's parts as machine values.
#[derive(Clone, Debug)]
pub struct ArrayParts {
    /// The type.
    pub ty: ArrayType,
    /// What keeps it alive.
    pub owner: Owner,
    /// Address of the first element.
    pub data: Value,
    /// Extent of each axis.
    pub extents: Vec<Value>,
    /// Byte strides, if they do not follow from the extents.
    pub strides: Vec<Value>,
    /// Address of the object, if it travels along.
    pub object: Option<Value>,
}

impl ArrayParts {
    /// The parts of an array's content.
    pub fn of(val: &Val) -> Option<ArrayParts> {
        let SlotType::Array(ty, owner) = val.ty else { return None };
        let rank = ty.rank as usize;
        let strided = if ty.layout == Layout::Strided { rank } else { 0 };
        Some(ArrayParts {
            ty,
            owner,
            data: val.words[0],
            extents: val.words[1..1 + rank].to_vec(),
            strides: val.words[1 + rank..1 + rank + strided].to_vec(),
            object: owner.has_object_word().then(|| val.words[1 + rank + strided]),
        })
    }

    /// The stride of each axis in bytes.
    pub fn byte_strides(&self, b: &mut Builder) -> Vec<Value> {
        let rank = self.ty.rank as usize;
        let mut strides = vec![b.i64(self.ty.dtype.size() as i64); rank];
        match self.ty.layout {
            Layout::Strided => return self.strides.clone(),
            Layout::C => {
                for axis in (0..rank.saturating_sub(1)).rev() {
                    strides[axis] = b.binary(BinaryOp::Imul, strides[axis + 1], self.extents[axis + 1]);
                }
            }
            Layout::F => {
                for axis in 1..rank {
                    let extent = self.extents[if planted(Defect::FortranStrides) { axis } else { axis - 1 }];
                    strides[axis] = b.binary(BinaryOp::Imul, strides[axis - 1], extent);
                }
            }
        }
        strides
    }

    /// How to make the array outside: it is what `owner` makes, or a view into that.
    pub fn recipe(&self, b: &mut Builder, owner: Recipe) -> Recipe {
        if !self.owner.is_view() {
            return owner;
        }
        Recipe::View {
            owner: Box::new(owner),
            dtype: self.ty.dtype,
            data: self.data,
            extents: self.extents.clone(),
            strides: self.byte_strides(b),
        }
    }

    /// The content made of these parts.
    pub fn into_val(self) -> Val {
        let mut words = vec![self.data];
        words.extend(&self.extents);
        words.extend(&self.strides);
        words.extend(self.object);
        Val::of(SlotType::Array(self.ty, self.owner), words)
    }
}

/// One generic frame of the state.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameVals {
    /// Number of the function in the version's table.
    pub function: u32,
    /// In every frame but the innermost: the call under way.
    pub call: Option<Pc>,
    /// Every slot.
    pub vals: Vec<Val>,
}

/// What is known before an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Frames, from the outermost in; the last one is executing.
    pub frames: Vec<FrameVals>,
    /// Held values that were overwritten: to be released once the operation is done.
    pub doomed: Vec<Val>,
    /// Cells and nested functions, by number.
    pub objects: Vec<Object<Val>>,
}

/// Function and call of each frame, from the outermost in.
pub type Path = Vec<(u32, Option<Pc>)>;

/// What makes two arrivals at an operation share one block: position, inline path and the types of live slots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The operation.
    pub pc: Pc,
    /// Function and call of each frame.
    pub path: Path,
    /// Live slots of each frame with their types.
    pub live: Vec<Vec<(SlotIdx, SlotType)>>,
    /// The objects that live slots lead to.
    pub objects: Vec<Object<SlotType>>,
}

impl Key {
    /// Machine types of the block's parameters.
    pub fn machine_types(&self) -> Vec<Type> {
        let slots = self.live.iter().flatten().map(|(_, ty)| ty);
        let contents = self.objects.iter().flat_map(Object::contents);
        slots.chain(contents).flat_map(SlotType::machine_types).collect()
    }
}

impl State {
    /// The executing frame.
    pub fn frame(&self) -> &FrameVals {
        self.frames.last().expect("a state has a frame")
    }

    /// The executing frame.
    pub fn frame_mut(&mut self) -> &mut FrameVals {
        self.frames.last_mut().expect("a state has a frame")
    }

    /// The content of a slot of the executing frame.
    pub fn get(&self, slot: SlotIdx) -> Val {
        self.frame().vals[slot.0 as usize].clone()
    }

    /// Puts a content into a slot of the executing frame. A held value that was there is to be released.
    pub fn set(&mut self, slot: SlotIdx, val: Val) {
        let old = self.replace(slot, val);
        if old.ty.is_held() {
            self.doomed.push(old);
        }
    }

    /// Puts a content into a slot of the executing frame, and gives what was there.
    pub fn replace(&mut self, slot: SlotIdx, val: Val) -> Val {
        std::mem::replace(&mut self.frame_mut().vals[slot.0 as usize], val)
    }
}
