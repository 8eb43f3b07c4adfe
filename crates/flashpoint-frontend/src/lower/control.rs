//! Constants, names, branches, loops, unpacking and returns.

use flashpoint_ir::generic::*;
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, IntCC, OverflowOp, Type, UnaryOp, Value};

use super::state::{ArrayParts, Val};
use super::step::holds_iterator;
use super::types::{ArrayType, Direction, Layout, Owner, SlotType};
use super::world::{Known, KnownKind};
use super::{EntrySource, Flow, Low, Lowering, Stop, untyped};

impl Lowering<'_> {
    pub(super) fn lower_op(&mut self, op: &GenericOp) -> Low<Flow> {
        let generic = self.generic();
        let name = |idx: &NameIdx| generic.names[idx.0 as usize].as_str();
        self.guard_moved(op, &generic)?;
        match op {
            GenericOp::Const { dst, value } => {
                let val = self.constant(*value);
                self.state.set(*dst, val);
            }
            GenericOp::Move { dst, src } => {
                let val = self.state.get(*src);
                self.state.set(*dst, val);
            }
            GenericOp::CheckBound { slot } => {
                if self.state.get(*slot).ty == SlotType::Unbound {
                    return Err(Stop::Leave(Reason::UnboundLocal));
                }
            }
            GenericOp::Delete { slot } => {
                if self.state.get(*slot).ty == SlotType::Unbound {
                    return Err(Stop::Leave(Reason::UnboundLocal));
                }
                self.state.set(*slot, Val::UNBOUND);
            }
            GenericOp::Drop { slot } => self.state.set(*slot, Val::UNBOUND),

            GenericOp::LoadGlobal { dst, name: idx } => {
                // Code that relies on the value of a global is made anew when that is bound to another: not in every
                // iteration of a loop that does so.
                if generic
                    .ops
                    .iter()
                    .any(|op| matches!(op, GenericOp::StoreGlobal { name: to, .. } if name(to) == name(idx)))
                {
                    return untyped(format!("the global `{}`, which the function assigns,", name(idx)));
                }
                let known = self.world.global(self.function(), name(idx));
                let val = self.known_val(known, name(idx))?;
                self.state.set(*dst, val);
            }
            GenericOp::LoadCell { dst, cell } => {
                let val = self.load_cell(*cell, &generic)?;
                self.state.set(*dst, val);
            }
            GenericOp::MakeCell { cell, initial } => self.make_cell(*cell, *initial),
            GenericOp::StoreCell { cell, src } => {
                let val = self.state.get(*src);
                self.store_cell(*cell, val, &generic)?;
            }
            GenericOp::DeleteCell { cell } => self.store_cell(*cell, Val::UNBOUND, &generic)?,
            GenericOp::MakeFunction { dst, function, defaults, keyword_defaults, closure } => {
                let val = self.make_function(*function, defaults, keyword_defaults, closure, &generic)?;
                self.state.set(*dst, val);
            }

            GenericOp::Binary { op, dst, lhs, rhs } | GenericOp::InPlace { op, dst, lhs, rhs } => {
                let (lhs, rhs) = (self.state.get(*lhs), self.state.get(*rhs));
                let val = self.binary(*op, &lhs, &rhs)?;
                self.state.set(*dst, val);
            }
            GenericOp::Unary { op, dst, src } => {
                let src = self.state.get(*src);
                let val = self.unary(*op, &src)?;
                self.state.set(*dst, val);
            }
            GenericOp::Compare { op, dst, lhs, rhs } => {
                let (lhs, rhs) = (self.state.get(*lhs), self.state.get(*rhs));
                let val = self.compare(*op, &lhs, &rhs)?;
                self.state.set(*dst, val);
            }

            GenericOp::Jump { target } => {
                self.goto(*target);
                return Ok(Flow::Done);
            }
            GenericOp::Branch { cond, if_true, if_false } => {
                let cond = self.state.get(*cond);
                return self.lower_branch(&cond, *if_true, *if_false);
            }
            GenericOp::GetIter { dst, src } => {
                let src = self.state.get(*src);
                return self.get_iter(*dst, src);
            }
            GenericOp::ForNext { dst, iter, exhausted } => return self.for_next(*dst, *iter, *exhausted),
            GenericOp::Return { src } => {
                let val = self.state.get(*src);
                return self.lower_return(val);
            }

            GenericOp::LoadAttr { dst, object, name: idx } => {
                let object = self.state.get(*object);
                let val = self.load_attr(&object, name(idx))?;
                self.state.set(*dst, val);
            }
            GenericOp::GetItem { dst, object, index } => {
                let (object, index) = (self.state.get(*object), self.state.get(*index));
                return self.get_item(*dst, &object, &index);
            }
            GenericOp::SetItem { object, index, src } => {
                let (object, index, src) = (self.state.get(*object), self.state.get(*index), self.state.get(*src));
                self.set_item(&object, &index, &src)?;
            }
            GenericOp::Call { dst, callee, args } => {
                let callee = self.state.get(*callee);
                let args: Vec<Val> = args.iter().map(|arg| self.state.get(*arg)).collect();
                return self.call(*dst, &callee, &args, &[]);
            }
            GenericOp::CallEx { dst, callee, args } => {
                let callee = self.state.get(*callee);
                let mut positional = Vec::new();
                let mut keywords = Vec::new();
                for arg in args {
                    match arg {
                        Arg::Plain(slot) => positional.push(self.state.get(*slot)),
                        Arg::Keyword(idx, slot) => keywords.push((name(idx).to_owned(), self.state.get(*slot))),
                        Arg::Star(slot) if matches!(self.state.get(*slot).ty, SlotType::Tuple(_)) => {
                            positional.extend(self.state.get(*slot).items());
                        }
                        Arg::Star(_) | Arg::DoubleStar(_) => return untyped("a call with `*` or `**`"),
                    }
                }
                return self.call(*dst, &callee, &positional, &keywords);
            }

            GenericOp::BuildTuple { dst, items } => {
                let items = items.iter().map(|item| self.state.get(*item)).collect();
                self.state.set(*dst, Val::tuple(items));
            }
            GenericOp::BuildSlice { dst, start, stop, step } => {
                let parts = [self.state.get(*start), self.state.get(*stop), self.state.get(*step)];
                let words = parts.iter().flat_map(|part| part.words.clone()).collect();
                let ty = SlotType::Slice(Box::new(parts.map(|part| part.ty)));
                self.state.set(*dst, Val::of(ty, words));
            }
            GenericOp::Unpack { src, before, star: None, after } if after.is_empty() => {
                let items = self.unpack(&self.state.get(*src), before.len())?;
                for (dst, item) in before.iter().zip(items) {
                    self.state.set(*dst, item);
                }
            }
            GenericOp::Raise { .. } | GenericOp::RaiseAssertion { .. } | GenericOp::Reraise { .. } => {
                return Err(Stop::Leave(Reason::Raise));
            }
            other => return untyped(describe_op(other, &generic)),
        }
        Ok(Flow::Next)
    }

    /// Refuses to read an iterator that stays where it is: there is one of it, and both would advance it.
    fn guard_moved(&self, op: &GenericOp, generic: &GenericFunction) -> Low<()> {
        use GenericOp::{CheckBound, Delete, Drop, ForNext};
        if matches!(op, ForNext { .. } | Drop { .. } | Delete { .. } | CheckBound { .. }) {
            return Ok(());
        }
        let mut is_copied = false;
        op.for_each_read(|slot| {
            is_copied |= !generic.consumes(slot) && holds_iterator(&self.state.frame().vals[slot.idx()].ty);
        });
        if is_copied && !planted(Defect::IteratorCopied) {
            return untyped("an iterator in a variable");
        }
        Ok(())
    }

    fn constant(&mut self, idx: ConstIdx) -> Val {
        let generic = self.generic();
        self.const_val(&generic.consts[idx.0 as usize])
            .unwrap_or_else(|| Val::bare(SlotType::Const(self.function(), idx.0)))
    }

    /// A number, bool, `None` or tuple of them as typed values.
    pub(super) fn const_val(&mut self, value: &Const) -> Option<Val> {
        Some(match value {
            Const::None => Val::none(),
            Const::Bool(value) => Val::bool(self.b.i1(*value)),
            Const::Int(value) => Val::int(self.b.i64(*value)),
            Const::BigInt(text) => {
                let value: i128 = text.parse().ok()?;
                Val::new(SlotType::Int128, self.b.iconst(Type::I128, value))
            }
            Const::Float(bits) => Val::float(self.b.f64(f64::from_bits(*bits))),
            Const::Complex(re, im) => {
                let re = self.b.f64(f64::from_bits(*re));
                let im = self.b.f64(f64::from_bits(*im));
                Val::complex(re, im)
            }
            Const::Tuple(items) => Val::tuple(items.iter().map(|item| self.const_val(item)).collect::<Option<_>>()?),
            Const::Ellipsis | Const::Str(_) | Const::Bytes(_) => return None,
        })
    }

    pub(super) fn known_val(&mut self, known: Option<Known>, name: &str) -> Low<Val> {
        let Some(known) = known else { return untyped(format!("the name `{name}`")) };
        Ok(match &known.kind {
            KnownKind::Value(value) => match self.const_val(value) {
                Some(val) => val,
                None => self.known_object(known),
            },
            KnownKind::Array(ty) => {
                let ty = SlotType::Array(*ty, Owner::Known(known.object));
                self.entry_param(EntrySource::Known(known.object), ty)
            }
            _ => self.known_object(known),
        })
    }

    fn known_object(&mut self, known: Known) -> Val {
        let object = known.object;
        self.known.insert(object, known);
        Val::bare(SlotType::Known(object))
    }

    fn lower_branch(&mut self, cond: &Val, if_true: Pc, if_false: Pc) -> Low<Flow> {
        let truth = self.truth(cond)?;
        match self.const_of(truth) {
            Some(0) => self.goto(if_false),
            Some(_) => self.goto(if_true),
            None => self.branch_to(truth, if_true, if_false),
        }
        Ok(Flow::Done)
    }

    // ---- loops

    fn get_iter(&mut self, dst: SlotIdx, src: Val) -> Low<Flow> {
        // The direction of a range whose step is not a constant is a fork.
        if let (SlotType::Range, [_, stop, step]) = (&src.ty, &src.words[..])
            && self.const_of(*step).is_none()
        {
            let (stop, step) = (*stop, *step);
            let zero = self.b.i64(0);
            let (_, overflow) = self.b.overflow(OverflowOp::SaddOverflow, stop, step);
            self.guard_not(overflow, Reason::BadRange);
            let up = self.b.icmp(IntCC::Sgt, step, zero);
            let iter = |direction| Val::of(SlotType::RangeIter(direction), src.words.clone());
            return Ok(self.fork_result(up, dst, iter(Direction::Up), iter(Direction::Down)));
        }
        let iter = self.iterator_of(&src)?;
        self.state.set(dst, iter);
        Ok(Flow::Next)
    }

    /// The iterator that `iter()` gives.
    pub(super) fn iterator_of(&mut self, src: &Val) -> Low<Val> {
        Ok(match &src.ty {
            SlotType::Range => self.range_iter(src)?,
            SlotType::RangeIter(_)
            | SlotType::SeqIter(_)
            | SlotType::TupleIter(..)
            | SlotType::Enumerate(_)
            | SlotType::Zip(..) => src.clone(),
            SlotType::Array(ty, _) if ty.rank > 0 => {
                let mut words = src.words.clone();
                words.push(self.b.i64(0));
                Val::of(SlotType::SeqIter(Box::new(src.ty.clone())), words)
            }
            SlotType::Tuple(items) => Val::of(SlotType::TupleIter(items.clone(), 0), src.words.clone()),
            other => return untyped(format!("a loop over {}", other.describe())),
        })
    }

    fn range_iter(&mut self, range: &Val) -> Low<Val> {
        let [start, stop, step] = range.words[..] else { return untyped("range()") };
        let Some(step_value) = self.const_of(step) else { return untyped("a range whose step is not a constant here") };
        if step_value.abs() > 1 && !planted(Defect::RangeStopWraps) {
            // The value after the last one is at most a step past the stop: it must fit.
            let (_, overflow) = self.b.overflow(OverflowOp::SaddOverflow, stop, step);
            self.guard_not(overflow, Reason::BadRange);
        }
        let direction = if step_value > 0 { Direction::Up } else { Direction::Down };
        Ok(Val::of(SlotType::RangeIter(direction), vec![start, stop, step]))
    }

    /// An iterator over an array's first axis from the end, whose next index is `next`, or the last one.
    pub(super) fn reversed_iter(&mut self, parts: &ArrayParts, next: Option<Value>) -> Val {
        let mut strides = self.strides(parts);
        let one = self.b.i64(1);
        let last = self.b.binary(BinaryOp::Isub, parts.extents[0], one);
        let offset = self.b.binary(BinaryOp::Imul, last, strides[0]);
        let data = self.b.ptr_add(parts.data, offset);
        strides[0] = self.b.unary(UnaryOp::Ineg, strides[0]);
        let position = match next {
            Some(next) => self.b.binary(BinaryOp::Isub, last, next),
            None => self.b.i64(0),
        };
        let backward = ArrayParts {
            ty: ArrayType { layout: Layout::Strided, ..parts.ty },
            owner: parts.owner.view(),
            data,
            strides,
            ..parts.clone()
        };
        let backward = backward.into_val();
        let mut words = backward.words;
        words.push(position);
        Val::of(SlotType::SeqIter(Box::new(backward.ty)), words)
    }

    fn for_next(&mut self, dst: SlotIdx, slot: SlotIdx, exhausted: Pc) -> Low<Flow> {
        let iter = self.state.get(slot);
        let mut tests = Vec::new();
        let (item, rest) = self.iter_next(&iter, &mut tests)?;
        let next = Pc(self.pc.0 + 1);
        match &tests[..] {
            [] => {
                let (item, rest) = self.iter_item(&iter, item, rest);
                self.state.set(slot, rest);
                self.state.set(dst, item);
                return Ok(Flow::Next);
            }
            [test] if self.const_of(*test) == Some(0) => {
                self.goto(exhausted);
                return Ok(Flow::Done);
            }
            _ => {}
        }
        let mut more = tests[0];
        for test in &tests[1..] {
            if planted(Defect::ZipFollowsFirst) {
                break;
            }
            more = self.b.binary(BinaryOp::And, more, *test);
        }
        let body = self.b.create_block();
        let done = self.b.create_block();
        self.b.branch(more, (body, vec![]), (done, vec![]));
        let state = self.state.clone();
        self.b.switch_to(done);
        self.goto(exhausted);
        self.state = state;
        self.b.switch_to(body);
        // Items are read behind the test, which is what makes the reads safe.
        let (item, rest) = self.iter_item(&iter, item, rest);
        self.state.set(slot, rest);
        self.state.set(dst, item);
        if self.info().is_leader[next.0 as usize] {
            self.goto(next);
            return Ok(Flow::Done);
        }
        Ok(Flow::Next)
    }

    /// Whether all of these hold.
    fn all_of(&mut self, tests: &[Value]) -> Value {
        let yes = self.b.i1(true);
        tests.iter().fold(yes, |all, test| self.b.binary(BinaryOp::And, all, *test))
    }

    /// Tests whether the iterator has another item; gives the item as far as no memory is read for it, and the iterator
    /// after it.
    fn iter_next(&mut self, iter: &Val, tests: &mut Vec<Value>) -> Low<(Val, Val)> {
        match &iter.ty {
            SlotType::RangeIter(direction) => {
                let [next, stop, step] = iter.words[..] else { return untyped("range()") };
                let down = if planted(Defect::DownwardRangeInclusive) { IntCC::Sge } else { IntCC::Sgt };
                let cc = if *direction == Direction::Up { IntCC::Slt } else { down };
                tests.push(self.b.icmp(cc, next, stop));
                Ok((Val::int(next), Val::of(iter.ty.clone(), vec![next, stop, step])))
            }
            SlotType::SeqIter(_) => {
                let (seq, rest) = iter.inner().expect("an iterator has a sequence");
                let index = rest[0];
                let parts = ArrayParts::of(&seq).ok_or(Stop::Untyped("a loop over this".into()))?;
                if parts.ty.rank == 1 && !self.can_load(parts.ty.dtype) {
                    return untyped(format!("an element of type {}", parts.ty.dtype.name()));
                }
                tests.push(self.b.icmp(IntCC::Slt, index, parts.extents[0]));
                Ok((Val::UNBOUND, iter.clone()))
            }
            SlotType::TupleIter(items, position) => {
                let position = *position as usize;
                if position >= items.len() {
                    tests.push(self.b.i1(false));
                    return Ok((Val::UNBOUND, iter.clone()));
                }
                let item = iter.items().swap_remove(position);
                let rest = Val::of(SlotType::TupleIter(items.clone(), position as u32 + 1), iter.words.clone());
                Ok((item, rest))
            }
            SlotType::Enumerate(_) => {
                let (inner, rest) = iter.inner().expect("an enumerate has an iterator");
                let count = rest[0];
                let (_, inner) = self.iter_next(&inner, tests)?;
                let mut words = inner.words.clone();
                words.push(count);
                Ok((Val::UNBOUND, Val::of(SlotType::Enumerate(Box::new(inner.ty)), words)))
            }
            SlotType::Zip(_, strict) => {
                let mut rests = Vec::new();
                let mut has_next = Vec::new();
                for inner in iter.items() {
                    let from = tests.len();
                    rests.push(self.iter_next(&inner, tests)?.1);
                    if *strict {
                        let all = self.all_of(&tests[from..]);
                        has_next.push(all);
                    }
                }
                // One is shorter: tier 0 raises, in CPython's words.
                if let [first, others @ ..] = &has_next[..] {
                    for other in others {
                        let same = self.b.icmp(IntCC::Eq, *first, *other);
                        self.guard(same, Reason::Raise);
                    }
                }
                if rests.is_empty() {
                    tests.push(self.b.i1(false));
                }
                let words = rests.iter().flat_map(|rest| rest.words.clone()).collect();
                let ty = SlotType::Zip(rests.into_iter().map(|rest| rest.ty).collect(), *strict);
                Ok((Val::UNBOUND, Val::of(ty, words)))
            }
            other => untyped(format!("a loop over {}", other.describe())),
        }
    }

    /// The item and the advanced iterator, once it is known that there is one.
    fn iter_item(&mut self, iter: &Val, item: Val, rest: Val) -> (Val, Val) {
        match &iter.ty {
            SlotType::RangeIter(_) => {
                let next = self.b.binary(BinaryOp::Iadd, rest.words[0], rest.words[2]);
                let words = vec![next, rest.words[1], rest.words[2]];
                (item, Val::of(rest.ty, words))
            }
            SlotType::SeqIter(_) => {
                let (seq, words) = iter.inner().expect("an iterator has a sequence");
                let index = words[0];
                let parts = ArrayParts::of(&seq).expect("an array");
                let item = self.element_or_view(&parts, index);
                let one = self.b.i64(1);
                let next = self.b.binary(BinaryOp::Iadd, index, one);
                let mut words = seq.words.clone();
                words.push(next);
                (item, Val::of(rest.ty, words))
            }
            SlotType::Enumerate(_) => {
                let (inner, words) = iter.inner().expect("an enumerate has an iterator");
                let count = words[0];
                let (inner_rest, _) = rest.inner().expect("an enumerate has an iterator");
                let mut tests = Vec::new();
                let (item, _) = self.iter_next(&inner, &mut tests).unwrap_or((Val::UNBOUND, inner_rest.clone()));
                let (item, inner_rest) = self.iter_item(&inner, item, inner_rest);
                let one = self.b.i64(1);
                let next = self.b.binary(BinaryOp::Iadd, count, one);
                let mut words = inner_rest.words.clone();
                words.push(next);
                let rest = Val::of(SlotType::Enumerate(Box::new(inner_rest.ty)), words);
                (Val::tuple(vec![Val::int(count), item]), rest)
            }
            SlotType::Zip(_, strict) => {
                let mut items = Vec::new();
                let mut rests = Vec::new();
                for (inner, inner_rest) in iter.items().into_iter().zip(rest.items()) {
                    let mut tests = Vec::new();
                    let (item, _) = self.iter_next(&inner, &mut tests).unwrap_or((Val::UNBOUND, inner_rest.clone()));
                    let (item, inner_rest) = self.iter_item(&inner, item, inner_rest);
                    items.push(item);
                    rests.push(inner_rest);
                }
                let words = rests.iter().flat_map(|rest| rest.words.clone()).collect();
                let ty = SlotType::Zip(rests.into_iter().map(|rest| rest.ty).collect(), *strict);
                (Val::tuple(items), Val::of(ty, words))
            }
            _ => (item, rest),
        }
    }

    // ---- unpacking and returning

    fn unpack(&mut self, src: &Val, n: usize) -> Low<Vec<Val>> {
        match &src.ty {
            SlotType::Tuple(items) if items.len() == n => Ok(src.items()),
            SlotType::Tuple(_) => Err(Stop::Leave(Reason::ShapeMismatch)),
            SlotType::Array(ty, _) if ty.rank >= 1 && (ty.rank > 1 || self.can_load(ty.dtype)) => {
                let parts = ArrayParts::of(src).expect("an array");
                let wanted = self.b.i64(n as i64);
                let fits = self.b.icmp(IntCC::Eq, parts.extents[0], wanted);
                self.guard(fits, Reason::ShapeMismatch);
                Ok((0..n)
                    .map(|i| {
                        let index = self.b.i64(i as i64);
                        self.element_or_view(&parts, index)
                    })
                    .collect())
            }
            other => untyped(format!("unpacking {}", other.describe())),
        }
    }

    /// Returns `val`; if it does not travel in a register, by `recipe` or its own.
    fn lower_return(&mut self, val: Val) -> Low<Flow> {
        if self.state.frames.len() > 1 {
            self.state.frames.pop();
            let frame = self.state.frame_mut();
            let call = frame.call.take().expect("an outer frame has a call under way");
            let generic = self.generic();
            if let Some(dst) = generic.ops[call.idx()].dst() {
                self.state.set(dst, val);
            }
            self.pc = call;
            self.goto_inner(Pc(call.0 + 1), false);
            return Ok(Flow::Done);
        }
        let in_register = val.words.len() <= 1
            && matches!(val.ty, SlotType::None | SlotType::Bool | SlotType::Int | SlotType::Float | SlotType::Numpy(_));
        if in_register && *self.result.get_or_insert_with(|| val.ty.clone()) == val.ty {
            self.b.ret(val.words.first().copied());
        } else {
            let exit = self.return_exit(val);
            self.b.exit(exit);
        }
        Ok(Flow::Done)
    }
}

/// An operation in the user's words.
fn describe_op(op: &GenericOp, generic: &GenericFunction) -> String {
    let name = |idx: &NameIdx| &generic.names[idx.0 as usize];
    match op {
        GenericOp::StoreGlobal { name: idx, .. } | GenericOp::DeleteGlobal { name: idx } => {
            format!("assigning the global `{}`", name(idx))
        }
        GenericOp::MakeCell { .. }
        | GenericOp::StoreCell { .. }
        | GenericOp::LoadCell { .. }
        | GenericOp::DeleteCell { .. } => "a variable that a nested function captures".into(),
        GenericOp::StoreAttr { name: idx, .. } | GenericOp::DeleteAttr { name: idx, .. } => {
            format!("assigning the attribute `{}`", name(idx))
        }
        GenericOp::DeleteItem { .. } => "deleting an item".into(),
        GenericOp::MakeFunction { .. } => "a nested function".into(),
        GenericOp::BuildTupleEx { .. } | GenericOp::Unpack { .. } => "unpacking with `*`".into(),
        GenericOp::BuildList { .. } => "a list".into(),
        GenericOp::BuildSet { .. } => "a set".into(),
        GenericOp::BuildDict { .. } => "a dict".into(),
        GenericOp::FormatValue { .. } | GenericOp::BuildString { .. } => "formatting text".into(),
        GenericOp::Append { .. } | GenericOp::Insert { .. } => "a comprehension".into(),
        GenericOp::Import { .. } | GenericOp::ImportFrom { .. } => "an import".into(),
        GenericOp::WithEnter { .. } | GenericOp::WithExit { .. } => "a `with` statement".into(),
        _ => "this".into(),
    }
}
