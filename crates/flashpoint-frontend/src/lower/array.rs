//! NumPy arrays: attributes, element reads and writes, and basic slices as views.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::SlotIdx;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, FloatCC, IntCC, Region, Type, UnaryOp, Value};

use super::state::{ArrayParts, Val};
use super::types::{ArrayType, Layout, SlotType, machine_type};
use super::world::KnownKind;
use super::{Flow, Low, Lowering, Stop, untyped};

impl Lowering<'_> {
    /// Whether elements of this type have typed reads and writes.
    pub(super) fn can_load(&self, dtype: DType) -> bool {
        dtype != DType::BF16
    }

    /// Byte strides of every axis.
    pub(super) fn strides(&mut self, parts: &ArrayParts) -> Vec<Value> {
        parts.byte_strides(&mut self.b)
    }

    // ---- attributes

    pub(super) fn load_attr(&mut self, object: &Val, name: &str) -> Low<Val> {
        match &object.ty {
            SlotType::Known(number) => {
                let known = self.world.attribute(*number, name);
                self.known_val(known, name)
            }
            SlotType::Array(ty, _) => self.array_attr(object, *ty, name),
            SlotType::Complex => match name {
                "real" => Ok(Val::float(object.words[0])),
                "imag" => Ok(Val::float(object.words[1])),
                "conjugate" => Ok(method(object, name)),
                _ => untyped(format!("the attribute `{name}` of a complex")),
            },
            SlotType::Numpy(dtype) => self.numpy_scalar_attr(object, *dtype, name),
            SlotType::Float => match name {
                "real" => Ok(object.clone()),
                "imag" => Ok(Val::float(self.b.f64(0.0))),
                "is_integer" | "conjugate" => Ok(method(object, name)),
                _ => untyped(format!("the attribute `{name}` of a float")),
            },
            SlotType::Int => match name {
                "real" | "numerator" => Ok(object.clone()),
                "imag" => Ok(Val::int(self.b.i64(0))),
                "denominator" => Ok(Val::int(self.b.i64(1))),
                "bit_length" | "bit_count" | "conjugate" => Ok(method(object, name)),
                _ => untyped(format!("the attribute `{name}` of an int")),
            },
            other => untyped(format!("the attribute `{name}` of {}", other.describe())),
        }
    }

    fn array_attr(&mut self, object: &Val, ty: ArrayType, name: &str) -> Low<Val> {
        let parts = ArrayParts::of(object).expect("an array");
        Ok(match name {
            "shape" => Val::tuple(parts.extents.iter().map(|extent| Val::int(*extent)).collect()),
            "strides" => {
                // Of a contiguous array, only axes of two elements or more have strides that follow from the extents.
                if ty.layout != Layout::Strided {
                    let two = self.b.i64(2);
                    for extent in &parts.extents {
                        let follows = self.b.icmp(IntCC::Sge, *extent, two);
                        self.guard(follows, Reason::ShapeMismatch);
                    }
                }
                Val::tuple(self.strides(&parts).into_iter().map(Val::int).collect())
            }
            "ndim" => Val::int(self.b.i64(i64::from(ty.rank))),
            "itemsize" => Val::int(self.b.i64(ty.dtype.size() as i64)),
            "size" | "nbytes" => {
                let start = if name == "size" { 1 } else { ty.dtype.size() as i64 };
                let mut product = self.b.i64(start);
                for extent in &parts.extents {
                    product = self.b.binary(BinaryOp::Imul, product, *extent);
                }
                Val::int(product)
            }
            "T" if ty.rank < 2 => object.clone(),
            "T" => {
                let strides =
                    if ty.layout == Layout::Strided { parts.strides.iter().rev().copied().collect() } else { vec![] };
                let layout = match ty.layout {
                    Layout::C => Layout::F,
                    Layout::F => Layout::C,
                    Layout::Strided => Layout::Strided,
                };
                ArrayParts {
                    ty: ArrayType { layout, ..ty },
                    owner: parts.owner.view(),
                    extents: parts.extents.iter().rev().copied().collect(),
                    strides,
                    ..parts
                }
                .into_val()
            }
            "copy" => method(object, name),
            _ => return untyped(format!("the attribute `{name}` of an array")),
        })
    }

    // ---- indexing

    pub(super) fn get_item(&mut self, dst: SlotIdx, object: &Val, index: &Val) -> Low<Flow> {
        match &object.ty {
            SlotType::Tuple(_) => return self.tuple_item(dst, object, index),
            SlotType::Array(..) => {
                let val = self.array_item(object, index)?;
                self.state.set(dst, val);
            }
            SlotType::Range => {
                let [start, _, step] = object.words[..] else { return untyped("range()") };
                let len = self.range_len(object)?;
                let index = self.index_value(index)?;
                let index = self.in_bounds(index, len);
                let offset = self.b.binary(BinaryOp::Imul, index, step);
                let value = self.b.binary(BinaryOp::Iadd, start, offset);
                self.state.set(dst, Val::int(value));
            }
            other => return untyped(format!("indexing {}", other.describe())),
        }
        Ok(Flow::Next)
    }

    fn tuple_item(&mut self, dst: SlotIdx, object: &Val, index: &Val) -> Low<Flow> {
        let items = object.items();
        if let SlotType::Slice(_) = &index.ty {
            let picked = self.tuple_slice(&items, index)?;
            self.state.set(dst, Val::tuple(picked));
            return Ok(Flow::Next);
        }
        let index = self.index_value(index)?;
        if let Some(known) = self.const_of(index) {
            let at = if known < 0 { known + items.len() as i128 } else { known };
            let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) else {
                return Err(Stop::Leave(Reason::IndexOutOfBounds));
            };
            self.state.set(dst, item.clone());
            return Ok(Flow::Next);
        }
        let len = self.b.i64(items.len() as i64);
        let index = self.in_bounds(index, len);
        let Some((last, rest)) = items.split_last() else { return Err(Stop::Leave(Reason::IndexOutOfBounds)) };
        if rest.iter().all(|item| item.ty == last.ty) {
            let mut words = last.words.clone();
            for (i, item) in rest.iter().enumerate().rev() {
                let i = self.b.i64(i as i64);
                let this = self.b.icmp(IntCC::Eq, index, i);
                for (word, other) in words.iter_mut().zip(&item.words) {
                    *word = self.b.select(this, *other, *word);
                }
            }
            self.state.set(dst, Val::of(last.ty.clone(), words));
            return Ok(Flow::Next);
        }
        // Items of different types: one way on for each.
        let state = self.state.clone();
        let next = flashpoint_ir::generic::Pc(self.pc.0 + 1);
        for (i, item) in rest.iter().enumerate() {
            let i = self.b.i64(i as i64);
            let this = self.b.icmp(IntCC::Eq, index, i);
            let (hit, miss) = (self.b.create_block(), self.b.create_block());
            self.b.branch(this, (hit, vec![]), (miss, vec![]));
            self.b.switch_to(hit);
            self.state.set(dst, item.clone());
            self.goto_inner(next, false);
            self.state = state.clone();
            self.b.switch_to(miss);
        }
        self.state.set(dst, last.clone());
        self.goto_inner(next, false);
        Ok(Flow::Done)
    }

    fn tuple_slice(&mut self, items: &[Val], index: &Val) -> Low<Vec<Val>> {
        let parts: Vec<Option<i64>> = index
            .items()
            .iter()
            .map(|part| match part.ty {
                SlotType::None => Ok(None),
                SlotType::Int => match self.const_of(part.word()) {
                    Some(value) => Ok(i64::try_from(value).ok()),
                    None => untyped("a tuple slice with bounds that are not constants"),
                },
                _ => untyped("a tuple slice"),
            })
            .collect::<Low<_>>()?;
        let (n, step) = (items.len() as i64, parts[2].unwrap_or(1));
        if step == 0 {
            return Err(Stop::Leave(Reason::Raise));
        }
        let (lowest, highest) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let clamp = |bound: Option<i64>, default| match bound {
            None => default,
            Some(at) => (if at < 0 { at + n } else { at }).clamp(lowest, highest),
        };
        let start = clamp(parts[0], if step > 0 { 0 } else { n - 1 });
        let stop = clamp(parts[1], if step > 0 { n } else { -1 });
        let mut picked = Vec::new();
        let mut at = start;
        while (step > 0 && at < stop) || (step < 0 && at > stop) {
            picked.push(items[at as usize].clone());
            at += step;
        }
        Ok(picked)
    }

    /// An index as `i64`.
    fn index_value(&mut self, index: &Val) -> Low<Value> {
        match &index.ty {
            SlotType::Int => Ok(index.word()),
            SlotType::Int128 => Ok(self.fitting_i64(index.word(), Reason::IndexOutOfBounds)),
            SlotType::Numpy(dtype) if dtype.is_int() && *dtype != DType::U64 => {
                self.convert_dtype(index.word(), *dtype, DType::I64)
            }
            other => untyped(format!("an index of type {}", other.describe())),
        }
    }

    /// An index with negative values counted from the end, under a guard that it is in range.
    fn in_bounds(&mut self, index: Value, extent: Value) -> Value {
        let wrapped = match self.const_of(index) {
            Some(known) if known >= 0 => index,
            Some(_) => self.b.binary(BinaryOp::Iadd, index, extent),
            None => {
                let zero = self.b.i64(0);
                let negative = self.b.icmp(IntCC::Slt, index, zero);
                let from_end = self.b.binary(BinaryOp::Iadd, index, extent);
                self.b.select(negative, from_end, index)
            }
        };
        let cc = match () {
            () if planted(Defect::BoundsOffByOne) => IntCC::Ule,
            () if planted(Defect::IndexFarNegative) => IntCC::Slt,
            () => IntCC::Ult,
        };
        let ok = self.b.icmp(cc, wrapped, extent);
        self.guard(ok, Reason::IndexOutOfBounds);
        wrapped
    }

    fn array_item(&mut self, object: &Val, index: &Val) -> Low<Val> {
        let parts = self.index_array(object, index)?;
        if parts.ty.rank > 0 {
            return Ok(parts.into_val());
        }
        self.guard_can_load(parts.ty.dtype)?;
        Ok(self.load_element(parts.ty.dtype, parts.data))
    }

    fn guard_can_load(&self, dtype: DType) -> Low<()> {
        if self.can_load(dtype) { Ok(()) } else { untyped(format!("an element of type {}", dtype.name())) }
    }

    /// The view that an index picks; of rank 0 if that is one element.
    fn index_array(&mut self, object: &Val, index: &Val) -> Low<ArrayParts> {
        let parts = ArrayParts::of(object).expect("an array");
        let indices = if let SlotType::Tuple(_) = index.ty { index.items() } else { vec![index.clone()] };
        let rank = parts.ty.rank as usize;
        let n_axes = indices.iter().filter(|index| !matches!(index.ty, SlotType::None | SlotType::Const(..))).count();
        if n_axes > rank {
            return Err(Stop::Leave(Reason::IndexOutOfBounds));
        }
        let strides = self.strides(&parts);
        let itemsize = parts.ty.dtype.size() as i64;
        let mut data = parts.data;
        let (mut extents, mut view_strides) = (Vec::new(), Vec::new());
        let mut axis = 0;
        let mut keeps_layout = parts.ty.layout == Layout::C;
        let mut sliced = false;
        for index in &indices {
            match &index.ty {
                SlotType::Slice(_) => {
                    let (start, extent, step) = self.slice_bounds(index, parts.extents[axis])?;
                    let offset = self.b.binary(BinaryOp::Imul, start, strides[axis]);
                    data = self.b.ptr_add(data, offset);
                    extents.push(extent);
                    let unit = self.const_of(step) == Some(1);
                    view_strides.push(if unit {
                        strides[axis]
                    } else {
                        self.b.binary(BinaryOp::Imul, step, strides[axis])
                    });
                    // A C-contiguous array stays so if only its first kept axis is narrowed.
                    keeps_layout &= unit && !sliced;
                    sliced = true;
                    axis += 1;
                }
                SlotType::None => return untyped("a new axis"),
                SlotType::Const(..) => return untyped("`...` or text as an index"),
                _ => {
                    if sliced {
                        keeps_layout = false;
                    }
                    let value = self.index_value(index)?;
                    let value = self.in_bounds(value, parts.extents[axis]);
                    let offset = self.b.binary(BinaryOp::Imul, value, strides[axis]);
                    data = self.b.ptr_add(data, offset);
                    axis += 1;
                }
            }
        }
        extents.extend(&parts.extents[axis..]);
        view_strides.extend(&strides[axis..]);
        let rank = extents.len();
        let unit_stride =
            rank == 1 && view_strides.last().is_some_and(|s| self.const_of(*s) == Some(i128::from(itemsize)));
        let layout = if keeps_layout || unit_stride || rank == 0 { Layout::C } else { Layout::Strided };
        let ty = ArrayType { rank: rank as u8, layout, ..parts.ty };
        let strides = if layout == Layout::Strided { view_strides } else { vec![] };
        Ok(ArrayParts { ty, owner: parts.owner.view(), data, extents, strides, object: parts.object })
    }

    /// Start, number of elements and step of a slice of an axis, as `slice.indices` computes them.
    fn slice_bounds(&mut self, slice: &Val, extent: Value) -> Low<(Value, Value, Value)> {
        let [start, stop, step]: [Val; 3] = slice.items().try_into().map_err(|_| Stop::Untyped("this slice".into()))?;
        let step = match &step.ty {
            SlotType::None => 1,
            SlotType::Int => match self.const_of(step.word()).and_then(|value| i64::try_from(value).ok()) {
                Some(0) => return Err(Stop::Leave(Reason::Raise)),
                Some(value) => value,
                None => return untyped("a slice whose step is not a constant"),
            },
            other => return untyped(format!("a slice step of type {}", other.describe())),
        };
        let zero = self.b.i64(0);
        let minus_one = self.b.i64(-1);
        let last = self.b.binary(BinaryOp::Iadd, extent, minus_one);
        let (lowest, highest) = if step > 0 { (zero, extent) } else { (minus_one, last) };
        let clamp = |this: &mut Self, bound: &Val, default: Value| -> Low<Value> {
            if bound.ty == SlotType::None {
                return Ok(default);
            }
            let value = this.index_value(bound)?;
            let negative = this.b.icmp(IntCC::Slt, value, zero);
            let from_end = this.b.binary(BinaryOp::Iadd, value, extent);
            let value = this.b.select(negative, from_end, value);
            let value = this.b.binary(BinaryOp::Smax, value, lowest);
            if planted(Defect::SliceStopNotClamped) {
                return Ok(value);
            }
            Ok(this.b.binary(BinaryOp::Smin, value, highest))
        };
        let end = if planted(Defect::NegativeStepStart) { extent } else { last };
        let start = clamp(self, &start, if step > 0 { zero } else { end })?;
        let stop = clamp(self, &stop, if step > 0 { extent } else { minus_one })?;
        let span = if step > 0 {
            self.b.binary(BinaryOp::Isub, stop, start)
        } else {
            self.b.binary(BinaryOp::Isub, start, stop)
        };
        let magnitude = step.unsigned_abs().min(i64::MAX as u64) as i64;
        let count = if magnitude == 1 {
            span
        } else {
            let round = self.b.i64(magnitude - 1);
            let width = self.b.i64(magnitude);
            let up = self.b.binary(BinaryOp::Iadd, span, round);
            let up = self.b.binary(BinaryOp::Smax, up, zero);
            self.b.binary(BinaryOp::Sdiv, up, width)
        };
        let count = self.b.binary(BinaryOp::Smax, count, zero);
        let step = self.b.i64(step);
        Ok((start, count, step))
    }

    /// The item at `index` of the first axis, which is in bounds: an element, or a view.
    pub(super) fn element_or_view(&mut self, parts: &ArrayParts, index: Value) -> Val {
        let strides = self.strides(parts);
        let offset = self.b.binary(BinaryOp::Imul, index, strides[0]);
        let data = self.b.ptr_add(parts.data, offset);
        if parts.ty.rank == 1 {
            return self.load_element(parts.ty.dtype, data);
        }
        let layout = if parts.ty.layout == Layout::C { Layout::C } else { Layout::Strided };
        let from = usize::from(!planted(Defect::RowViewStrides));
        let strides = if layout == Layout::Strided { strides[from..][..strides.len() - 1].to_vec() } else { vec![] };
        let ty = ArrayType { rank: parts.ty.rank - 1, layout, ..parts.ty };
        let extents = parts.extents[1..].to_vec();
        ArrayParts { ty, owner: parts.owner.view(), data, extents, strides, object: parts.object }.into_val()
    }

    pub(super) fn load_element(&mut self, dtype: DType, addr: Value) -> Val {
        let words = match dtype {
            DType::Bool => {
                let byte = self.b.load(Type::I8, addr, 0, Region::Array);
                let zero = self.b.iconst(Type::I8, 0);
                vec![self.b.icmp(IntCC::Ne, byte, zero)]
            }
            DType::C64 | DType::C128 => {
                let ty = machine_type(dtype);
                let re = self.b.load(ty, addr, 0, Region::Array);
                vec![re, self.b.load(ty, addr, dtype.size() as i32 / 2, Region::Array)]
            }
            _ => vec![self.b.load(machine_type(dtype), addr, 0, Region::Array)],
        };
        Val::of(SlotType::Numpy(dtype), words)
    }

    pub(super) fn set_item(&mut self, object: &Val, index: &Val, src: &Val) -> Low<()> {
        let SlotType::Array(ty, _) = &object.ty else {
            return untyped(format!("assigning an item of {}", object.ty.describe()));
        };
        if !ty.writable {
            return Err(Stop::Leave(Reason::ReadOnly));
        }
        self.guard_can_load(ty.dtype)?;
        let parts = self.index_array(object, index)?;
        if parts.ty.rank > 0 {
            return self.assign_slice(&parts, src);
        }
        let words = self.element_words(src, parts.ty.dtype)?;
        self.store_words_at(&words, parts.data);
        Ok(())
    }

    /// A number as an element of an array, under a guard that NumPy would neither raise nor warn.
    pub(super) fn to_element(&mut self, src: &Val, dtype: DType) -> Low<Value> {
        match src.ty {
            // A NumPy integer must fit, as a Python integer must.
            SlotType::Numpy(from) if from.is_int() && dtype.is_int() && from != dtype => {
                if from == DType::U64 || dtype == DType::U64 {
                    let ty = machine_type(from);
                    let zero = self.b.iconst(ty, 0);
                    if from == DType::U64 || from.is_signed_int() {
                        let fits = self.b.icmp(IntCC::Sge, src.word(), zero);
                        self.guard(fits, Reason::StoreOutOfRange);
                    }
                }
                let wide = self.convert_dtype(src.word(), from, DType::I64)?;
                self.to_dtype(&Val::int(wide), dtype)
            }
            _ => self.to_dtype(src, dtype),
        }
    }

    /// Leaves if a float overflows in a narrower type: NumPy warns.
    pub(super) fn guard_finite_demotion(&mut self, narrow: Value, wide: Value) {
        let infinity = self.b.f64(f64::INFINITY);
        let back = self.b.convert(ConvertOp::FloatExtend, narrow, Type::F64);
        let magnitude = self.b.unary(UnaryOp::Fabs, back);
        let overflowed = self.b.fcmp(FloatCC::Eq, magnitude, infinity);
        let magnitude = self.b.unary(UnaryOp::Fabs, wide);
        let finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
        let warns = self.b.binary(BinaryOp::And, overflowed, finite);
        self.guard_not(warns, Reason::NumpyWarning);
    }

    /// What is known of an object that a slot stands for.
    pub(super) fn known_kind(&self, val: &Val) -> Option<KnownKind> {
        match val.ty {
            SlotType::Known(object) => self.known.get(&object).map(|known| known.kind.clone()),
            _ => None,
        }
    }
}

pub(super) fn method(receiver: &Val, name: &str) -> Val {
    Val::of(SlotType::Method(Box::new(receiver.ty.clone()), name.to_owned()), receiver.words.clone())
}
