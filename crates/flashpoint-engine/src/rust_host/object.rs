//! What objects there are.

use std::cell::RefCell;
use std::rc::Rc;

use flashpoint_ir::dtype::DType;
use flashpoint_ir::slot::Slot;
use num_bigint::BigInt;

use super::RustHost;
use super::function::RustFunction;
use crate::host::HostResult;

/// A function written in Rust.
#[derive(Clone)]
#[allow(clippy::type_complexity)]
pub struct Native(pub Rc<dyn Fn(&mut RustHost, &[Slot]) -> HostResult<Slot>>);

/// An object. Slots inside are owned.
#[allow(missing_docs)]
pub enum Object {
    BigInt(BigInt),
    Ellipsis,
    Str(Rc<str>),
    Bytes(Rc<[u8]>),
    Tuple(Vec<Slot>),
    List(Vec<Slot>),
    Set(Vec<Slot>),
    Dict(Vec<(Slot, Slot)>),
    Range {
        start: i64,
        stop: i64,
        step: i64,
    },
    Slice(Slot, Slot, Slot),
    Cell(Slot),
    Function(Rc<RustFunction>),
    Native(Native),
    /// `receiver.name`, to be called.
    Method {
        receiver: Slot,
        name: Rc<str>,
    },
    /// An exception class and its base (0: none).
    Class {
        name: &'static str,
        base: Slot,
    },
    Exception(Exception),
    Array(Array),
    Enumerate {
        count: i64,
        inner: Slot,
    },
    Zip {
        inner: Vec<Slot>,
        strict: bool,
    },
    /// An iterator made of a `RangeIter` or `SeqIter` slot.
    Iterator(Slot),
    /// A context manager: what `__enter__` and `__exit__` call.
    Manager {
        enter: Slot,
        exit: Slot,
    },
}

/// An exception.
pub struct Exception {
    /// The class, owned.
    pub class: Slot,
    /// The arguments, owned.
    pub args: Vec<Slot>,
    /// `__cause__`.
    pub cause: Slot,
    /// `__context__`.
    pub context: Slot,
    /// Function and line of each frame that the exception passed, the innermost first.
    pub traceback: Vec<(String, u32)>,
}

/// An array, or a view of one: elements are 64-bit words.
#[derive(Clone)]
pub struct Array {
    /// `I64` or `F64`.
    pub dtype: DType,
    /// The memory, shared by views.
    pub data: Rc<RefCell<Vec<u64>>>,
    /// Index of the first element.
    pub offset: i64,
    /// Extent of each axis.
    pub shape: Vec<i64>,
    /// Elements between neighbours on each axis.
    pub strides: Vec<i64>,
}

impl Array {
    /// An array in C order of these words.
    pub fn new(dtype: DType, shape: &[i64], data: Vec<u64>) -> Array {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        Array { dtype, data: Rc::new(RefCell::new(data)), offset: 0, shape: shape.to_vec(), strides }
    }

    /// The view at `index` of the first axis, which is in range.
    pub(super) fn at(&self, index: i64) -> Array {
        Array {
            dtype: self.dtype,
            data: self.data.clone(),
            offset: self.offset + index * self.strides[0],
            shape: self.shape[1..].to_vec(),
            strides: self.strides[1..].to_vec(),
        }
    }

    /// The one element of a view without axes.
    pub(super) fn element(&self) -> Slot {
        Slot::numpy(self.dtype, self.data.borrow()[self.offset as usize], 0)
    }
}

impl Object {
    /// The name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Object::BigInt(_) => "int",
            Object::Ellipsis => "ellipsis",
            Object::Str(_) => "str",
            Object::Bytes(_) => "bytes",
            Object::Tuple(_) => "tuple",
            Object::List(_) => "list",
            Object::Set(_) => "set",
            Object::Dict(_) => "dict",
            Object::Range { .. } => "range",
            Object::Slice(..) => "slice",
            Object::Cell(_) => "cell",
            Object::Function(_) => "function",
            Object::Native(_) | Object::Method { .. } => "builtin_function_or_method",
            Object::Class { .. } => "type",
            Object::Exception(_) => "exception",
            Object::Array(_) => "numpy.ndarray",
            Object::Enumerate { .. } => "enumerate",
            Object::Zip { .. } => "zip",
            Object::Iterator(_) => "iterator",
            Object::Manager { .. } => "manager",
        }
    }

    /// Calls `f` on every slot that the object owns.
    pub(super) fn for_each_owned(&self, f: &mut impl FnMut(&Slot)) {
        match self {
            Object::Tuple(items) | Object::List(items) | Object::Set(items) | Object::Zip { inner: items, .. } => {
                items.iter().for_each(f);
            }
            Object::Dict(items) => {
                for (key, value) in items {
                    f(key);
                    f(value);
                }
            }
            Object::Slice(start, stop, step) => {
                f(start);
                f(stop);
                f(step);
            }
            Object::Cell(slot)
            | Object::Method { receiver: slot, .. }
            | Object::Class { base: slot, .. }
            | Object::Enumerate { inner: slot, .. }
            | Object::Iterator(slot) => f(slot),
            Object::Function(function) => function.for_each_owned(f),
            Object::Exception(exception) => {
                f(&exception.class);
                exception.args.iter().for_each(&mut *f);
                f(&exception.cause);
                f(&exception.context);
            }
            Object::Manager { enter, exit } => {
                f(enter);
                f(exit);
            }
            Object::BigInt(_)
            | Object::Ellipsis
            | Object::Str(_)
            | Object::Bytes(_)
            | Object::Range { .. }
            | Object::Native(_)
            | Object::Array(_) => {}
        }
    }
}
