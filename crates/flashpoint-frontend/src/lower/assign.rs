//! Assignment to basic slices of arrays: a number, or an array that is broadcast, under NumPy's rules.
//!
//! NumPy assigns as if the source were copied first. Where the two do not overlap, which is asked before, that makes no
//! difference; where they do, one axis with equal steps is copied from the right end.
//!
//! The copies that overlap otherwise are steps: tier 0 does them, and the loop goes on.
//!
//! Invariant: all guards come before the first store. So only conversions that cannot warn are made here.

use flashpoint_ir::dtype::DType;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, IntCC, Region, Type, Value};

use super::numpy_make::storage_type;
use super::state::{ArrayParts, Val};
use super::types::SlotType;
use super::{Low, Lowering, untyped};

/// An array as a loop nest walks over it: its first element and the byte stride of each axis.
struct Walk {
    data: Value,
    strides: Vec<Value>,
}

impl Lowering<'_> {
    /// `to[...] = src`, where `to` is the view that the index names.
    pub(super) fn assign_slice(&mut self, to: &ArrayParts, src: &Val) -> Low<()> {
        if let SlotType::Array(..) = src.ty {
            let from = ArrayParts::of(src).expect("an array");
            return self.assign_array(to, &from);
        }
        let words = self.element_words(src, to.ty.dtype)?;
        let walk = Walk { data: to.data, strides: self.strides(to) };
        self.nest(&to.extents, &[walk], &mut |this, at| this.store_words_at(&words, at[0]));
        Ok(())
    }

    /// The words of a number as an element lies in memory, under a guard that NumPy would neither raise nor warn.
    pub(super) fn element_words(&mut self, src: &Val, dtype: DType) -> Low<Vec<Value>> {
        if dtype.is_complex() {
            let (re, im) = self.to_complex_parts(src, dtype)?;
            return Ok(vec![re, im]);
        }
        let word = self.to_element(src, dtype)?;
        Ok(vec![if dtype == DType::Bool { self.b.convert(ConvertOp::Zext, word, Type::I8) } else { word }])
    }

    /// Stores the words of an element.
    pub(super) fn store_words_at(&mut self, words: &[Value], address: Value) {
        let mut offset = 0;
        for word in words {
            self.b.store(*word, address, offset, Region::Array);
            offset += self.b.ty(*word).lane_bits() as i32 / 8;
        }
    }

    fn assign_array(&mut self, to: &ArrayParts, from: &ArrayParts) -> Low<()> {
        let (source, target) = (from.ty.dtype, to.ty.dtype);
        if from.ty.rank > to.ty.rank || !self.can_load(source) || !converts_silently(source, target) {
            return untyped(format!("assigning an array of {} to a slice of {}", source.name(), target.name()));
        }
        // Broadcast: an axis of one element is read again and again, and so is a missing one.
        let missing = (to.ty.rank - from.ty.rank) as usize;
        let zero = self.b.i64(0);
        let one = self.b.i64(1);
        let own_strides = self.strides(from);
        let mut strides = vec![zero; missing];
        let mut fits = self.b.i1(true);
        for (axis, (extent, stride)) in from.extents.iter().zip(own_strides).enumerate() {
            let wanted = to.extents[missing + axis];
            let same = self.b.icmp(IntCC::Eq, *extent, wanted);
            let is_one = self.b.icmp(IntCC::Eq, *extent, one);
            let either = self.b.binary(BinaryOp::Or, same, is_one);
            fits = self.b.binary(BinaryOp::And, fits, either);
            let again = if planted(Defect::SliceBroadcastStride) { stride } else { zero };
            strides.push(self.b.select(is_one, again, stride));
        }
        self.guard(fits, Reason::ShapeMismatch);

        let to_strides = self.strides(to);
        let (low, high) = self.memory_of(to);
        let (from_low, from_high) = self.memory_of(from);
        let before = self.b.icmp(IntCC::Ule, high, from_low);
        let behind = self.b.icmp(IntCC::Ule, from_high, low);
        let apart = self.b.binary(BinaryOp::Or, before, behind);
        let plain = self.b.create_block();
        let overlapping = self.b.create_block();
        let done = self.b.create_block();
        self.b.branch(apart, (plain, vec![]), (overlapping, vec![]));

        self.b.switch_to(plain);
        let walks =
            [Walk { data: to.data, strides: to_strides.clone() }, Walk { data: from.data, strides: strides.clone() }];
        self.copy_elements(&to.extents, &walks, source, target);
        self.b.jump(done, vec![]);

        self.b.switch_to(overlapping);
        if let ([stride], [to_stride], true) = (&strides[..], &to_strides[..], source == target) {
            let moved = self.b.create_block();
            let rest = self.b.create_block();
            let same_steps = self.b.icmp(IntCC::Eq, *stride, *to_stride);
            self.b.branch(same_steps, (moved, vec![]), (rest, vec![]));
            self.b.switch_to(moved);
            self.move_elements(to, from.data, *to_stride);
            self.b.jump(done, vec![]);
            self.b.switch_to(rest);
        }
        match self.step("assigning an array to a slice that overlaps it".into()) {
            Ok(_) => self.b.jump(done, vec![]),
            Err(stop) => self.leave(stop),
        }
        self.b.switch_to(done);
        Ok(())
    }

    /// Copies the elements of one axis, from addresses that are as far apart as those they go to, in the order in which none
    /// is overwritten before it is read.
    fn move_elements(&mut self, to: &ArrayParts, from: Value, stride: Value) {
        let zero = self.b.i64(0);
        let one = self.b.i64(1);
        let last = self.b.binary(BinaryOp::Isub, to.extents[0], one);
        let to_end = self.b.binary(BinaryOp::Imul, last, stride);
        let back = self.b.binary(BinaryOp::Isub, zero, stride);
        // From the end if the target lies further on in the direction of the steps.
        let above = self.b.icmp(IntCC::Ugt, to.data, from);
        let upward = self.b.icmp(IntCC::Sgt, stride, zero);
        let towards = if planted(Defect::SliceMoveDirection) { IntCC::Ne } else { IntCC::Eq };
        let from_end = self.b.icmp(towards, above, upward);
        let offset = self.b.select(from_end, to_end, zero);
        let stride = self.b.select(from_end, back, stride);
        let walks = [to.data, from].map(|data| Walk { data: self.b.ptr_add(data, offset), strides: vec![stride] });
        self.copy_elements(&to.extents, &walks, to.ty.dtype, to.ty.dtype);
    }

    /// Copies elements of the second array to the places in the first.
    fn copy_elements(&mut self, extents: &[Value], walks: &[Walk], source: DType, target: DType) {
        self.nest(extents, walks, &mut |this, at| {
            if source == target {
                let ty = storage_type(source);
                let n_words = if source.is_complex() { 2 } else { 1 };
                let size = ty.lane_bits() as i32 / 8;
                let words: Vec<Value> = (0..n_words).map(|i| this.b.load(ty, at[1], i * size, Region::Array)).collect();
                this.store_words_at(&words, at[0]);
                return;
            }
            let element = this.load_element(source, at[1]);
            // Such conversions have no guards.
            if let Ok(value) = this.convert_dtype(element.word(), source, target) {
                let value =
                    if target == DType::Bool { this.b.convert(ConvertOp::Zext, value, Type::I8) } else { value };
                this.store_words_at(&[value], at[0]);
            }
        });
    }

    /// A loop nest over `extents`; `body` is given the element's address in each array.
    fn nest(&mut self, extents: &[Value], walks: &[Walk], body: &mut dyn FnMut(&mut Self, &[Value])) {
        let Some((count, inner)) = extents.split_first() else {
            let at: Vec<Value> = walks.iter().map(|walk| walk.data).collect();
            return body(self, &at);
        };
        let header = self.b.create_block();
        let inside = self.b.create_block();
        let done = self.b.create_block();
        let index = self.b.append_param(header, Type::I64);
        let zero = self.b.i64(0);
        self.b.jump(header, vec![zero]);
        self.b.switch_to(header);
        let more = self.b.icmp(IntCC::Slt, index, *count);
        self.b.branch(more, (inside, vec![]), (done, vec![]));
        self.b.switch_to(inside);
        let mut rows = Vec::with_capacity(walks.len());
        for walk in walks {
            let offset = self.b.binary(BinaryOp::Imul, index, walk.strides[0]);
            rows.push(Walk { data: self.b.ptr_add(walk.data, offset), strides: walk.strides[1..].to_vec() });
        }
        self.nest(inner, &rows, body);
        let one = self.b.i64(1);
        let next = self.b.binary(BinaryOp::Iadd, index, one);
        self.b.jump(header, vec![next]);
        self.b.switch_to(done);
    }

    /// The addresses between which an array's elements lie.
    fn memory_of(&mut self, parts: &ArrayParts) -> (Value, Value) {
        let zero = self.b.i64(0);
        let one = self.b.i64(1);
        let strides = self.strides(parts);
        let (mut low, mut high) = (zero, self.b.i64(parts.ty.dtype.size() as i64));
        for (extent, stride) in parts.extents.iter().zip(strides) {
            let last = self.b.binary(BinaryOp::Isub, *extent, one);
            let span = self.b.binary(BinaryOp::Imul, last, stride);
            let down = self.b.binary(BinaryOp::Smin, span, zero);
            let up = self.b.binary(BinaryOp::Smax, span, zero);
            low = self.b.binary(BinaryOp::Iadd, low, down);
            high = self.b.binary(BinaryOp::Iadd, high, up);
        }
        (self.b.ptr_add(parts.data, low), self.b.ptr_add(parts.data, high))
    }
}

/// Whether elements become others without a guard: nothing overflows with a warning, and nothing is lost that is warned of.
fn converts_silently(from: DType, to: DType) -> bool {
    let is_whole = |dtype: DType| dtype == DType::Bool || dtype.is_int();
    from == to
        || (is_whole(from) && is_whole(to))
        || (is_whole(from) && matches!(to, DType::F32 | DType::F64))
        || (from == DType::F32 && to == DType::F64)
}
