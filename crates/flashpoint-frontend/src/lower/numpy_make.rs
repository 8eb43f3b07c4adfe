//! NumPy functions that make arrays.

use flashpoint_ir::abi;
use flashpoint_ir::dtype::DType;
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, FloatCC, Helper, InstKind, IntCC, Region, Type, UnaryOp, Value};

use super::call::Keywords;
use super::state::{ArrayParts, Val};
use super::types::{ArrayType, Layout, Owner, SlotType, machine_type};
use super::world::{Builtin, KnownKind, NumpyMake};
use super::{Low, Lowering, Stop, untyped};

/// Axes of an array that compiled code makes, at most.
const MAX_RANK: usize = 8;

impl Lowering<'_> {
    pub(super) fn call_numpy_make(&mut self, func: NumpyMake, args: &[Val], keywords: Keywords) -> Low<Val> {
        let mut dtype = None;
        for (name, val) in keywords {
            if name != "dtype" {
                return untyped(format!("the argument `{name}` of this NumPy function"));
            }
            dtype = Some(self.dtype_of(val)?);
        }
        let (shape, rest) = args.split_first().ok_or(Stop::Leave(Reason::Raise))?;
        match func {
            NumpyMake::Empty | NumpyMake::Zeros | NumpyMake::Ones => {
                if let [val] = rest {
                    dtype = Some(self.dtype_of(val)?);
                } else if !rest.is_empty() {
                    return untyped("this NumPy function with these arguments");
                }
                let extents = self.extents_of(shape)?;
                self.make_array(func, dtype.unwrap_or(DType::F64), extents)
            }
            NumpyMake::EmptyLike | NumpyMake::ZerosLike | NumpyMake::OnesLike => {
                let Some(parts) = ArrayParts::of(shape) else {
                    return untyped("this NumPy function of other than an array");
                };
                if parts.ty.layout != Layout::C || !rest.is_empty() {
                    return untyped("this NumPy function of an array that is not C-contiguous");
                }
                let func = match func {
                    NumpyMake::EmptyLike => NumpyMake::Empty,
                    NumpyMake::ZerosLike => NumpyMake::Zeros,
                    _ => NumpyMake::Ones,
                };
                self.make_array(func, dtype.unwrap_or(parts.ty.dtype), parts.extents)
            }
            NumpyMake::Full | NumpyMake::FullLike => {
                let ([value], true) = (rest, keywords.len() <= 1) else {
                    return untyped("this NumPy function with these arguments");
                };
                let (extents, like) = match ArrayParts::of(shape) {
                    Some(parts) if func == NumpyMake::FullLike && parts.ty.layout == Layout::C => {
                        (parts.extents, Some(parts.ty.dtype))
                    }
                    _ if func == NumpyMake::FullLike => return untyped("full_like() of this"),
                    _ => (self.extents_of(shape)?, None),
                };
                let natural = match &value.ty {
                    SlotType::Bool => DType::Bool,
                    SlotType::Int => DType::I64,
                    SlotType::Float => DType::F64,
                    SlotType::Numpy(dtype) if !dtype.is_complex() => *dtype,
                    other => return untyped(format!("an array filled with {}", other.describe())),
                };
                let dtype = dtype.or(like).unwrap_or(natural);
                let element = self.to_dtype(value, dtype)?;
                let made = self.make_array(NumpyMake::Empty, dtype, extents)?;
                self.fill(&made, |_, _| element);
                Ok(made)
            }
            NumpyMake::Arange => self.make_arange(args, dtype),
            NumpyMake::Linspace => self.make_linspace(args, dtype),
        }
    }

    /// `arange` of integers.
    fn make_arange(&mut self, args: &[Val], dtype: Option<DType>) -> Low<Val> {
        let dtype = dtype.unwrap_or(DType::I64);
        if args.iter().any(|arg| arg.ty != SlotType::Int) || !matches!(dtype, DType::I64 | DType::F64) {
            return untyped("np.arange() of these");
        }
        let words: Vec<Value> = args.iter().map(Val::word).collect();
        let (start, stop, step) = match words[..] {
            [stop] => (self.b.i64(0), stop, self.b.i64(1)),
            [start, stop] => (start, stop, self.b.i64(1)),
            [start, stop, step] if self.const_of(step).is_some() => (start, stop, step),
            _ => return untyped("np.arange() with a step that is not a constant"),
        };
        let range = Val::of(SlotType::Range, vec![start, stop, step]);
        let count = self.range_len(&range)?;
        let made = self.make_array(NumpyMake::Empty, dtype, vec![count])?;
        self.fill(&made, |this, index| {
            let offset = this.b.binary(BinaryOp::Imul, index, step);
            let value = this.b.binary(BinaryOp::Iadd, start, offset);
            if dtype == DType::F64 { this.b.convert(ConvertOp::SintToFloat, value, Type::F64) } else { value }
        });
        Ok(made)
    }

    /// `linspace` with its end point: `start + i * step`, and the stop itself last, as NumPy computes it.
    fn make_linspace(&mut self, args: &[Val], dtype: Option<DType>) -> Low<Val> {
        let ([start, stop, count], None) = (args, dtype) else { return untyped("np.linspace() with these arguments") };
        if count.ty != SlotType::Int {
            return untyped("np.linspace() with these arguments");
        }
        let start = self.to_float(start)?;
        let stop = self.to_float(stop)?;
        let count = count.word();
        let two = self.b.i64(2);
        let several = self.b.icmp(IntCC::Sge, count, two);
        self.guard(several, Reason::ShapeMismatch);
        let one = self.b.i64(1);
        let last = self.b.binary(BinaryOp::Isub, count, one);
        let intervals = self.b.convert(ConvertOp::SintToFloat, last, Type::F64);
        let delta = self.b.binary(BinaryOp::Fsub, stop, start);
        // Ends that are not finite, or too far apart, make NumPy warn.
        let infinity = self.b.f64(f64::INFINITY);
        let magnitude = self.b.unary(UnaryOp::Fabs, delta);
        let finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
        self.guard(finite, Reason::NumpyWarning);
        let step = self.b.binary(BinaryOp::Fdiv, delta, intervals);
        // NumPy takes another way where the step vanishes.
        self.guard_nonzero(step, Reason::NumpyWarning);
        let made = self.make_array(NumpyMake::Empty, DType::F64, vec![count])?;
        self.fill(&made, |this, index| {
            let position = this.b.convert(ConvertOp::SintToFloat, index, Type::F64);
            let offset = this.b.binary(BinaryOp::Fmul, position, step);
            let value = this.b.binary(BinaryOp::Fadd, offset, start);
            let is_last = this.b.icmp(IntCC::Eq, index, last);
            this.b.select(is_last, stop, value)
        });
        Ok(made)
    }

    /// `a.copy()` of a C-contiguous array, which keeps the layout.
    pub(super) fn copy_array(&mut self, array: &Val) -> Low<Val> {
        let Some(parts) = ArrayParts::of(array) else { return untyped("copy() of this") };
        if parts.ty.layout != Layout::C || !self.can_load(parts.ty.dtype) || parts.ty.dtype.is_complex() {
            return untyped("copy() of this array");
        }
        let made = self.make_array(NumpyMake::Empty, parts.ty.dtype, parts.extents.clone())?;
        let machine = storage_type(parts.ty.dtype);
        let size = self.b.i64(parts.ty.dtype.size() as i64);
        self.fill_storage(&made, |this, index| {
            let offset = this.b.binary(BinaryOp::Imul, index, size);
            let addr = this.b.ptr_add(parts.data, offset);
            this.b.load(machine, addr, 0, Region::Array)
        });
        Ok(made)
    }

    /// Writes every element of a new array in order; `element` makes the value for a position.
    fn fill(&mut self, array: &Val, mut element: impl FnMut(&mut Self, Value) -> Value) {
        let is_bool = matches!(array.ty, SlotType::Array(ArrayType { dtype: DType::Bool, .. }, _));
        self.fill_storage(array, |this, index| {
            let value = element(this, index);
            if is_bool { this.b.convert(ConvertOp::Zext, value, Type::I8) } else { value }
        });
    }

    /// As [`Self::fill`], with elements as they lie in memory.
    fn fill_storage(&mut self, array: &Val, mut element: impl FnMut(&mut Self, Value) -> Value) {
        let parts = ArrayParts::of(array).expect("a new array");
        let mut count = self.b.i64(1);
        for extent in &parts.extents {
            count = self.b.binary(BinaryOp::Imul, count, *extent);
        }
        let header = self.b.create_block();
        let body = self.b.create_block();
        let done = self.b.create_block();
        let index = self.b.append_param(header, Type::I64);
        let zero = self.b.i64(0);
        self.b.jump(header, vec![zero]);
        self.b.switch_to(header);
        let more = self.b.icmp(IntCC::Slt, index, count);
        self.b.branch(more, (body, vec![]), (done, vec![]));
        self.b.switch_to(body);
        let value = element(self, index);
        let size = self.b.i64(parts.ty.dtype.size() as i64);
        let offset = self.b.binary(BinaryOp::Imul, index, size);
        let addr = self.b.ptr_add(parts.data, offset);
        self.b.store(value, addr, 0, Region::Array);
        let one = self.b.i64(1);
        let next = self.b.binary(BinaryOp::Iadd, index, one);
        self.b.jump(header, vec![next]);
        self.b.switch_to(done);
    }

    /// The element type that an argument names.
    fn dtype_of(&mut self, val: &Val) -> Low<DType> {
        match self.known_kind(val) {
            Some(KnownKind::Builtin(Builtin::NumpyType(dtype))) => Ok(dtype),
            Some(KnownKind::Builtin(Builtin::Float)) => Ok(DType::F64),
            Some(KnownKind::Builtin(Builtin::Int)) => Ok(DType::I64),
            Some(KnownKind::Builtin(Builtin::Bool)) => Ok(DType::Bool),
            _ => untyped("this dtype"),
        }
    }

    fn extents_of(&mut self, shape: &Val) -> Low<Vec<Value>> {
        let items = if let SlotType::Tuple(_) = shape.ty { shape.items() } else { vec![shape.clone()] };
        if items.len() > MAX_RANK {
            return untyped("an array of so many axes");
        }
        items
            .iter()
            .map(|item| match &item.ty {
                SlotType::Int => {
                    let zero = self.b.i64(0);
                    let valid = self.b.icmp(IntCC::Sge, item.word(), zero);
                    self.guard(valid, Reason::Raise);
                    Ok(item.word())
                }
                other => untyped(format!("a shape of {}", other.describe())),
            })
            .collect()
    }

    fn make_array(&mut self, func: NumpyMake, dtype: DType, extents: Vec<Value>) -> Low<Val> {
        if !self.can_load(dtype) {
            return untyped(format!("an array of {}", dtype.name()));
        }
        let rank = extents.len();
        let ctx = self.b.context();
        for (i, extent) in extents.iter().enumerate() {
            self.b.store(*extent, ctx, abi::offset::SCRATCH + 8 * i as i32, Region::Context);
        }
        let scratch = self.b.i64(i64::from(abi::offset::SCRATCH));
        let scratch = self.b.ptr_add(ctx, scratch);
        let out_offset = abi::offset::SCRATCH + 8 * MAX_RANK as i32;
        let out = self.b.i64(i64::from(out_offset));
        let out = self.b.ptr_add(ctx, out);
        let fill = match func {
            NumpyMake::Zeros => 1,
            NumpyMake::Ones => 2,
            _ => 0,
        };
        let words = [dtype as i64, rank as i64, fill, 0].map(|word| self.b.i64(word));
        let mut args = words.to_vec();
        args.extend([scratch, out]);
        let inst = self.b.push(InstKind::CallHelper(Helper::NewArray, args), &[Type::I64]);
        let status = self.b.results(inst)[0];
        let zero = self.b.i64(0);
        let made = self.b.icmp(IntCC::Eq, status, zero);
        // The helper has dropped its exception: tier 0 makes the array again, and raises by itself.
        self.guard(made, Reason::OutOfMemory);
        let object = self.b.load(Type::PTR, ctx, out_offset, Region::Context);
        let data = self.b.load(Type::PTR, ctx, out_offset + 8, Region::Context);
        let ty = ArrayType { dtype, rank: rank as u8, layout: Layout::C, writable: true };
        let parts = ArrayParts { ty, owner: Owner::Made, data, extents, strides: vec![], object: Some(object) };
        Ok(parts.into_val())
    }
}

/// The machine type of an element in memory.
pub(super) fn storage_type(dtype: DType) -> Type {
    if dtype == DType::Bool { Type::I8 } else { machine_type(dtype) }
}
