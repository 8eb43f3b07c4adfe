//! NumPy functions that make arrays.

use flashpoint_ir::abi;
use flashpoint_ir::dtype::DType;
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{Helper, InstKind, IntCC, Region, Type, Value};

use super::call::Keywords;
use super::state::{ArrayParts, Val};
use super::types::{ArrayType, Layout, Owner, SlotType};
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
                let Some(parts) = ArrayParts::of(shape) else { return untyped("this NumPy function of other than an array") };
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
            _ => untyped("this NumPy function"),
        }
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
