//! What the lowering knows of a slot's content at compile time.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{NameIdx, NestedIdx};
use flashpoint_ir::typed::Type;

/// How an array lies in memory, as far as code depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// Contiguous, last axis fastest. The strides follow from the extents.
    C,
    /// Contiguous, first axis fastest. The strides follow from the extents.
    F,
    /// Any byte strides, negative ones included.
    Strided,
}

/// The type of an array: everything about it that compiled code is specialised on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArrayType {
    /// Element type, native byte order, aligned.
    pub dtype: DType,
    /// Number of axes.
    pub rank: u8,
    /// Memory layout.
    pub layout: Layout,
    /// Whether elements may be assigned.
    pub writable: bool,
}

impl ArrayType {
    /// Number of words that describe an array of this type: data pointer, extents, and strides if they do not follow.
    pub fn n_words(self) -> usize {
        let strides = if self.layout == Layout::Strided { self.rank as usize } else { 0 };
        1 + self.rank as usize + strides
    }
}

/// Direction of a range iterator's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Direction {
    Up,
    Down,
}

/// The type of a slot's content: the machine values that hold it follow from it ([`SlotType::words`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotType {
    /// Nothing is bound.
    Unbound,
    /// `None`.
    None,
    /// Python's `bool`: `i1`.
    Bool,
    /// Python's `int` of 64 bits: `i64`.
    Int,
    /// Python's `int` of 128 bits: `i128`.
    Int128,
    /// Python's `float`: `f64`.
    Float,
    /// Python's `complex`: two `f64`.
    Complex,
    /// A NumPy scalar.
    Numpy(DType),
    /// A NumPy array that the call's arguments, a known object or the context keep alive.
    Array(ArrayType, Owner),
    /// A tuple.
    Tuple(Vec<SlotType>),
    /// A `range`: start, stop, step.
    Range,
    /// A range iterator: next value, stop, step. Next value and step never overflow before the stop is passed.
    RangeIter(Direction),
    /// An iterator over an array's first axis: the array and the next index.
    SeqIter(Box<SlotType>),
    /// An iterator over a tuple at a position known to the compiler: loops over tuples are unrolled.
    TupleIter(Vec<SlotType>, u32),
    /// An `enumerate` object: the next count and the iterator inside.
    Enumerate(Box<SlotType>),
    /// A `zip` object.
    Zip(Vec<SlotType>, bool),
    /// A cell or nested function, by its number among the state's objects.
    Shared(u32),
    /// A variable of a function around function number `.0`: the cell of that function's free slot `.1`.
    OuterCell(u32, u32),
    /// At entry only: a closure cell that nobody but the frame can reach. Its content is another entry slot, as many further
    /// on as the frame has slots.
    EntryCell,
    /// At entry only: a nested function that nobody but the frame can reach.
    EntryFunction(Box<EntryFunction>),
    /// At entry only: the object of this other slot.
    EntryAlias(u32),
    /// At entry only: an `enumerate` object that only the frame can reach; entry slots of its iterator and its next count.
    EntryEnumerate(u32, u32),
    /// At entry only: a `zip` object that only the frame can reach; entry slots of its iterators, and whether it is strict.
    EntryZip(Vec<u32>, bool),
    /// At entry only: a `reversed` object over an array; entry slots of the array and of the next index.
    EntryReversed(u32, u32),
    /// A `slice` object: start, stop, step.
    Slice(Box<[SlotType; 3]>),
    /// A constant of the function (a string, say): its number in the inline frame's function.
    Const(u32, u32),
    /// A host object known when the code is made, by its number in the version's table of objects.
    Known(u32),
    /// A method of a typed value, not yet called: the receiver and the method's name.
    Method(Box<SlotType>, String),
    /// An object that typed code does not look into: what this slot of the outermost frame held at entry.
    Opaque(u32),
    /// What has no machine form but is no container either (an integer beyond 128 bits, a half-precision scalar, an array of
    /// unusual memory, a function): what this slot of the outermost frame held at entry. Tier 0 works with it.
    Untyped(u32),
    /// Any value, as tier 0's slot of it: head (tag and `aux`) and two payload words. The code owns what the slot owns, and
    /// the slot holds it until it is overwritten, as in tier 0.
    Held {
        /// Whether it may be an object that typed code does not look into: see [`SlotType::Opaque`].
        foreign: bool,
    },
}

/// A nested function that exists when code is entered. Its values are further entry slots, beyond those of the frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryFunction {
    /// Which definition of the function.
    pub nested: NestedIdx,
    /// The frame's slots that hold the cells captured.
    pub closure: Vec<u32>,
    /// Entry slots of the positional defaults.
    pub defaults: Vec<u32>,
    /// Entry slots of the keyword-only defaults.
    pub keyword_defaults: Vec<(NameIdx, u32)>,
}

/// What keeps an array's memory alive, and what object the slot stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// The object in this slot of the outermost frame when the code was entered.
    Entry(u32),
    /// A known object, by its number.
    Known(u32),
    /// An array made by this code: its address travels along (`ptr`); the context owns it until the call ends.
    Made,
    /// A view into memory of the inner owner: boxing makes a new array object.
    ViewOfEntry(u32),
    /// A view into a known object's memory.
    ViewOfKnown(u32),
    /// A view into the memory of an array made by this code.
    ViewOfMade,
    /// An array that the caller has, or a tuple at entry: its address travels along (`ptr`), and it lives as long as the call.
    Lent,
    /// A view into the memory of such an array, whose address travels along.
    ViewOfLent,
}

impl Owner {
    /// The owner of a view into this array.
    pub fn view(self) -> Owner {
        match self {
            Owner::Entry(slot) | Owner::ViewOfEntry(slot) => Owner::ViewOfEntry(slot),
            Owner::Known(known) | Owner::ViewOfKnown(known) => Owner::ViewOfKnown(known),
            Owner::Made | Owner::ViewOfMade => Owner::ViewOfMade,
            Owner::Lent | Owner::ViewOfLent => Owner::ViewOfLent,
        }
    }

    /// Whether boxing makes a new array object.
    pub fn is_view(self) -> bool {
        self == self.view()
    }

    /// Whether the array's address travels with it.
    pub fn has_object_word(self) -> bool {
        matches!(self, Owner::Made | Owner::ViewOfMade | Owner::Lent | Owner::ViewOfLent)
    }
}

/// The machine type of a NumPy scalar's part.
pub fn machine_type(dtype: DType) -> Type {
    match dtype {
        DType::Bool => Type::I1,
        DType::I8 | DType::U8 => Type::I8,
        DType::I16 | DType::U16 | DType::F16 | DType::BF16 => Type::I16,
        DType::I32 | DType::U32 => Type::I32,
        DType::I64 | DType::U64 => Type::I64,
        DType::F32 | DType::C64 => Type::F32,
        DType::F64 | DType::C128 => Type::F64,
    }
}

impl SlotType {
    /// The machine types of the values that hold such a content, in order.
    pub fn machine_types(&self) -> Vec<Type> {
        let mut types = Vec::new();
        self.push_machine_types(&mut types);
        types
    }

    fn push_machine_types(&self, out: &mut Vec<Type>) {
        match self {
            SlotType::Unbound
            | SlotType::None
            | SlotType::Const(..)
            | SlotType::Known(_)
            | SlotType::Shared(_)
            | SlotType::OuterCell(..)
            | SlotType::EntryCell
            | SlotType::EntryFunction(_)
            | SlotType::EntryAlias(_)
            | SlotType::EntryEnumerate(..)
            | SlotType::EntryZip(..)
            | SlotType::EntryReversed(..)
            | SlotType::Opaque(_)
            | SlotType::Untyped(_) => {}
            SlotType::Bool => out.push(Type::I1),
            SlotType::Int => out.push(Type::I64),
            SlotType::Int128 => out.push(Type::I128),
            SlotType::Float => out.push(Type::F64),
            SlotType::Complex => out.extend([Type::F64, Type::F64]),
            SlotType::Numpy(dtype) => {
                out.push(machine_type(*dtype));
                if dtype.is_complex() {
                    out.push(machine_type(*dtype));
                }
            }
            SlotType::Array(ty, owner) => {
                out.push(Type::PTR);
                out.extend(std::iter::repeat_n(Type::I64, ty.n_words() - 1));
                if owner.has_object_word() {
                    out.push(Type::PTR);
                }
            }
            SlotType::Tuple(items) | SlotType::Zip(items, _) | SlotType::TupleIter(items, _) => {
                items.iter().for_each(|item| item.push_machine_types(out))
            }
            SlotType::Range | SlotType::RangeIter(_) | SlotType::Held { .. } => out.extend([Type::I64; 3]),
            SlotType::SeqIter(inner) | SlotType::Enumerate(inner) => {
                inner.push_machine_types(out);
                out.push(Type::I64);
            }
            SlotType::Slice(parts) => parts.iter().for_each(|part| part.push_machine_types(out)),
            SlotType::Method(receiver, _) => receiver.push_machine_types(out),
        }
    }

    /// Whether it is an array, or a tuple or iterator with one inside.
    pub fn holds_arrays(&self) -> bool {
        match self {
            SlotType::Array(..) => true,
            SlotType::SeqIter(inner) => inner.holds_arrays(),
            SlotType::Tuple(items) => items.iter().any(SlotType::holds_arrays),
            _ => false,
        }
    }

    /// Whether a view that compiled code has made is in it: outside, it becomes a new array object each time.
    pub fn holds_views(&self) -> bool {
        match self {
            SlotType::Array(_, owner) => owner.is_view(),
            SlotType::Tuple(items) => items.iter().any(SlotType::holds_views),
            _ => false,
        }
    }

    /// Whether it is [`SlotType::Held`].
    pub fn is_held(&self) -> bool {
        matches!(self, SlotType::Held { .. })
    }

    /// Whether it is a content at entry that is made of further entry slots.
    pub fn is_opened(&self) -> bool {
        use SlotType::{EntryAlias, EntryCell, EntryEnumerate, EntryFunction, EntryReversed, EntryZip};
        matches!(
            self,
            EntryCell | EntryFunction(_) | EntryAlias(_) | EntryEnumerate(..) | EntryZip(..) | EntryReversed(..)
        )
    }

    /// How a user would name the type.
    pub fn describe(&self) -> String {
        match self {
            SlotType::Unbound => "unbound".into(),
            SlotType::None => "None".into(),
            SlotType::Bool => "bool".into(),
            SlotType::Int => "int".into(),
            SlotType::Int128 => "int (128 bits)".into(),
            SlotType::Float => "float".into(),
            SlotType::Complex => "complex".into(),
            SlotType::Numpy(dtype) => dtype.name().into(),
            SlotType::Array(ty, _) => {
                let axes = vec![":"; ty.rank as usize].join(", ");
                let layout = match ty.layout {
                    Layout::C => "",
                    Layout::F => ", Fortran order",
                    Layout::Strided => ", strided",
                };
                let access = if ty.writable { "" } else { ", read-only" };
                format!("{}[{axes}{layout}{access}]", ty.dtype.name())
            }
            SlotType::Tuple(items) => {
                let items: Vec<_> = items.iter().map(SlotType::describe).collect();
                format!("tuple({})", items.join(", "))
            }
            SlotType::Range => "range".into(),
            SlotType::RangeIter(_) => "range iterator".into(),
            SlotType::SeqIter(_) | SlotType::TupleIter(..) => "iterator".into(),
            SlotType::Enumerate(_) => "enumerate".into(),
            SlotType::Zip(..) => "zip".into(),
            SlotType::Slice(_) => "slice".into(),
            SlotType::Const(..) => "constant".into(),
            SlotType::Known(_) | SlotType::Opaque(_) => "object".into(),
            SlotType::Shared(_) | SlotType::EntryFunction(_) | SlotType::EntryAlias(_) => "nested function".into(),
            SlotType::EntryEnumerate(..) | SlotType::EntryZip(..) | SlotType::EntryReversed(..) => "iterator".into(),
            SlotType::OuterCell(..) | SlotType::EntryCell => "captured variable".into(),
            SlotType::Untyped(_) => "untyped".into(),
            SlotType::Held { .. } => "held value".into(),
            SlotType::Method(_, name) => format!("method {name}"),
        }
    }
}
