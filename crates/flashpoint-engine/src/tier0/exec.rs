//! Single operations, from the generic form: all that have no fast path, and, for [`super::step`], those that have.

use flashpoint_ir::generic::{Arg, BinOp, CmpOp, GenericOp, NameIdx, Pc, SlotIdx, SlotKind, UnOp};
use flashpoint_ir::slot::{Slot, Tag};

use super::code::Op;
use super::interp::{Fault, Machine};
use super::numpy_scalars;
use super::operands::for_each_read;
use super::operators;
use super::profile::Kinds;
use crate::host::{Host, HostArg, HostResult};

/// Calls with up to so many arguments gather them without allocating.
const FEW: usize = 8;
/// Longer index tuples are made.
pub(super) const MAX_INDICES: usize = 4;

impl<H: Host> Machine<'_, '_, H> {
    /// Runs the operation at `pc`, which neither jumps nor returns.
    #[inline(never)]
    pub(super) fn exec(&mut self, pc: Pc) -> Result<(), Fault> {
        use GenericOp as O;

        // The operation outlives the borrow of `self`: it belongs to the code.
        let code = self.code;
        let op = &code.generic.ops[pc.0 as usize];
        self.host.set_position(pc);
        match op {
            O::Const { dst, value } => {
                let value = match code.constant(*value) {
                    Some(slot) => slot,
                    None => self.host.constant(self.function, *value),
                };
                self.set(*dst, value);
            }
            O::Move { dst, src } => {
                let value = self.get(*src);
                if value.owns() {
                    if code.is_temp(*src) {
                        self.put(*src, Slot::UNBOUND);
                    } else {
                        self.host.retain(&value);
                    }
                }
                self.set(*dst, value);
            }
            O::CheckBound { slot } => self.check_bound(*slot)?,
            O::Delete { slot } => {
                if !matches!(code.kind(*slot), SlotKind::Temp | SlotKind::Pinned) {
                    self.check_bound(*slot)?;
                }
                self.end(*slot);
            }
            O::Drop { slot } => self.end(*slot),

            O::LoadGlobal { .. } => return self.load_global(&code.ops[pc.0 as usize], pc),
            O::StoreGlobal { name, src } => {
                let value = self.get(*src);
                self.host.store_global(self.function, *name, &value)?;
            }
            O::DeleteGlobal { name } => self.host.delete_global(self.function, *name)?,
            O::MakeCell { cell, initial } => {
                let value = initial.map(|slot| self.get(slot)).filter(|value| value.tag != Tag::Unbound);
                let new = self.host.make_cell(value.as_ref())?;
                // The cell holds the variable from now on: the parameter's slot must not keep it alive.
                if let Some(slot) = initial {
                    self.end(*slot);
                }
                self.set(*cell, new);
            }
            O::LoadCell { dst, cell } => {
                let holder = self.get(*cell);
                let value = self.host.load_cell(self.function, *cell, &holder);
                self.finish_seen(pc, *dst, value)?;
            }
            O::StoreCell { cell, src } => {
                let (holder, value) = (self.get(*cell), self.get(*src));
                self.host.store_cell(&holder, &value);
            }
            O::DeleteCell { cell } => {
                let holder = self.get(*cell);
                self.host.delete_cell(self.function, *cell, &holder)?;
            }

            O::Binary { op, dst, lhs, rhs } | O::InPlace { op, dst, lhs, rhs } => {
                let (l, r) = (self.get(*lhs), self.get(*rhs));
                let in_place = matches!(code.generic.ops[pc.0 as usize], O::InPlace { .. });
                let value = self.binary_value(pc, *op, in_place, &l, &r)?;
                self.consume(*lhs);
                self.consume(*rhs);
                self.set(*dst, value);
                return Ok(());
            }
            O::Unary { op, dst, src } => {
                let operand = self.get(*src);
                let value = self.unary_value(pc, *op, &operand)?;
                self.consume(*src);
                self.set(*dst, value);
                return Ok(());
            }
            O::Compare { op, dst, lhs, rhs } => {
                let (l, r) = (self.get(*lhs), self.get(*rhs));
                let value = self.compare_value(pc, *op, &l, &r)?;
                self.consume(*lhs);
                self.consume(*rhs);
                self.set(*dst, value);
                return Ok(());
            }

            O::LoadAttr { dst, object, name } => {
                let of = self.get(*object);
                let value = self.host.get_attr(self.function, &of, *name)?;
                self.code.profile.record(pc, &value);
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::StoreAttr { object, name, src } => {
                let (of, value) = (self.get(*object), self.get(*src));
                self.host.set_attr(self.function, &of, *name, &value)?;
            }
            O::DeleteAttr { object, name } => {
                let of = self.get(*object);
                self.host.del_attr(self.function, &of, *name)?;
            }
            O::GetItem { .. } => return self.get_item(pc),
            O::SetItem { .. } => return self.set_item(pc),
            O::DeleteItem { object, index } => {
                let (of, at) = (self.get(*object), self.get(*index));
                self.host.del_item(&of, &at)?;
            }
            O::GetIter { dst, src } => {
                let of = self.get(*src);
                let value = self.host.iter(&of)?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::Call { .. } => return self.call_host(pc),
            O::CallEx { dst, callee, args } => {
                let of = self.get(*callee);
                let args = self.host_args(args);
                let value = self.host.call_ex(self.function, &of, &args)?;
                self.code.profile.record(pc, &value);
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::MakeFunction { dst, function, defaults, keyword_defaults, closure } => {
                let defaults: Vec<Slot> = defaults.iter().map(|slot| self.get(*slot)).collect();
                let keyword_defaults: Vec<(NameIdx, Slot)> =
                    keyword_defaults.iter().map(|(name, slot)| (*name, self.get(*slot))).collect();
                let closure: Vec<Slot> = closure.iter().map(|slot| self.get(*slot)).collect();
                let value =
                    self.host.make_function(self.function, *function, &defaults, &keyword_defaults, &closure)?;
                self.finish(op, *dst, value);
                return Ok(());
            }

            O::BuildTuple { dst, items } => {
                let value = self.with_slots(items, |host, items| host.build_tuple(items))?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::BuildTupleEx { dst, items } => {
                let items = self.host_args(items);
                let value = self.host.build_tuple_ex(&items)?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::BuildList { dst, items } => {
                let items = self.host_args(items);
                let value = self.host.build_list(&items)?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::BuildSet { dst, items } => {
                let items = self.host_args(items);
                let value = self.host.build_set(&items)?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::BuildDict { dst, items } => {
                let items: Vec<(Option<Slot>, Slot)> =
                    items.iter().map(|(key, value)| (key.map(|key| self.get(key)), self.get(*value))).collect();
                let value = self.host.build_dict(&items)?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::BuildSlice { dst, start, stop, step } => {
                let (start, stop, step) = (self.get(*start), self.get(*stop), self.get(*step));
                let value = self.host.build_slice(&start, &stop, &step)?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::FormatValue { dst, src, conversion, spec } => {
                let (of, spec) = (self.get(*src), spec.map(|spec| self.get(spec)));
                let value = self.host.format_value(&of, *conversion, spec.as_ref())?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::BuildString { dst, parts } => {
                let value = self.with_slots(parts, |host, parts| host.build_string(parts))?;
                self.finish(op, *dst, value);
                return Ok(());
            }
            O::Append { into, src } => {
                let (into, value) = (self.get(*into), self.get(*src));
                self.host.append(&into, &value)?;
            }
            O::Insert { into, key, value } => {
                let (into, key, value) = (self.get(*into), self.get(*key), self.get(*value));
                self.host.insert(&into, &key, &value)?;
            }
            O::Unpack { src, before, star, after } => return self.unpack(pc, *src, before, *star, after),

            O::Import { dst, module, from_names, level } => {
                let value = self.host.import(self.function, *module, from_names, *level)?;
                self.set(*dst, value);
            }
            O::ImportFrom { dst, module, name } => {
                let of = self.get(*module);
                let value = self.host.import_from(self.function, &of, *name)?;
                self.finish(op, *dst, value);
                return Ok(());
            }

            O::Raise { exc: None, .. } => {
                return Err(if self.host.raise_handled() { Fault::RaisedAgain } else { Fault::Raised });
            }
            O::Raise { exc: Some(exc), cause } => {
                let (exc, cause) = (self.get(*exc), cause.map(|cause| self.get(cause)));
                let raised = self.host.raise(&exc, cause.as_ref());
                return Err(raised.into());
            }
            O::RaiseAssertion { message } => {
                let message = message.map(|message| self.get(message));
                let raised = self.host.raise_assertion(message.as_ref());
                return Err(raised.into());
            }
            O::EnterHandler { exc, saved } => {
                let (raised, before) = self.host.enter_handler();
                self.set(*exc, raised);
                self.set(*saved, before);
            }
            O::LeaveHandler { exc, saved } => {
                let before = self.take(*saved);
                self.host.leave_handler(before);
                self.end(*exc);
                return Ok(());
            }
            O::Reraise { exc, saved } => {
                let (exc, before) = (self.take(*exc), self.take(*saved));
                let _pending = self.host.reraise(exc, before);
                return Err(Fault::RaisedAgain);
            }
            O::MatchException { dst, exc, class } => {
                let (raised, classes) = (self.get(*exc), self.get(*class));
                let value = self.host.match_exception(&raised, &classes)?;
                self.consume(*class);
                self.set(*dst, Slot::bool(value));
                return Ok(());
            }
            O::WithEnter { dst, exit, manager } => {
                let of = self.get(*manager);
                let (bound_exit, value) = self.host.with_enter(&of)?;
                self.consume(*manager);
                self.set(*exit, bound_exit);
                self.set(*dst, value);
                return Ok(());
            }
            O::WithExit { dst, exit, exc } => {
                let (bound_exit, raised) = (self.get(*exit), exc.map(|exc| self.get(exc)));
                let value = self.host.with_exit(&bound_exit, raised.as_ref())?;
                self.set(*dst, value);
                return Ok(());
            }
            O::Jump { .. } | O::Branch { .. } | O::ForNext { .. } | O::Return { .. } => {
                unreachable!("jumps and returns are not single operations")
            }
        }
        self.consume_reads(op);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn load_global(&mut self, op: &Op, pc: Pc) -> Result<(), Fault> {
        // Apart from the look-up, whose result goes through memory.
        if let Some(value) = self.host.known_global(self.function, op.name()) {
            self.host.retain(&value);
            self.code.profile.record(pc, &value);
            self.write(self.registers, op, value);
            return Ok(());
        }
        self.look_up_global(op, pc)
    }

    #[inline(never)]
    fn look_up_global(&mut self, op: &Op, pc: Pc) -> Result<(), Fault> {
        self.host.set_position(pc);
        let value = self.host.load_global(self.function, op.name())?;
        self.code.profile.record(pc, &value);
        self.write(self.registers, op, value);
        Ok(())
    }

    #[inline(never)]
    pub(super) fn get_item(&mut self, pc: Pc) -> Result<(), Fault> {
        let code = self.code;
        let GenericOp::GetItem { dst, object, index } = &code.generic.ops[pc.0 as usize] else { unreachable!() };
        self.host.set_position(pc);
        let (of, at) = (self.get(*object), self.get(*index));
        let value = self.host.get_item(&of, &at)?;
        code.profile.record(pc, &value);
        self.consume(*object);
        self.consume(*index);
        self.set(*dst, value);
        Ok(())
    }

    #[inline(never)]
    pub(super) fn set_item(&mut self, pc: Pc) -> Result<(), Fault> {
        let code = self.code;
        let GenericOp::SetItem { object, index, src } = &code.generic.ops[pc.0 as usize] else { unreachable!() };
        self.host.set_position(pc);
        let (of, at, value) = (self.get(*object), self.get(*index), self.get(*src));
        self.host.set_item(&of, &at, &value)?;
        self.consume(*object);
        self.consume(*index);
        self.consume(*src);
        Ok(())
    }

    /// The `BuildTuple` at `pc` and the subscript after it, in one; `false` if nothing was done.
    #[inline(never)]
    pub(super) fn element(&mut self, pc: Pc) -> bool {
        let code = self.code;
        let GenericOp::BuildTuple { items, .. } = &code.generic.ops[pc.0 as usize] else { unreachable!() };
        let mut indices = [Slot::UNBOUND; MAX_INDICES];
        for (index, slot) in indices.iter_mut().zip(items) {
            *index = self.get(*slot);
        }
        let indices = &indices[..items.len()];
        let subscript = Pc(pc.0 + 1);
        match &code.generic.ops[subscript.0 as usize] {
            GenericOp::GetItem { dst, object, .. } => {
                let Some(value) = self.host.get_element(&self.get(*object), indices) else { return false };
                code.profile.record(subscript, &value);
                self.consume(*object);
                self.set(*dst, value);
            }
            GenericOp::SetItem { object, src, .. } => {
                if !self.host.set_element(&self.get(*object), indices, &self.get(*src)) {
                    return false;
                }
                self.consume(*object);
                self.consume(*src);
            }
            _ => unreachable!("`Element` is lowered before a subscript only"),
        }
        true
    }

    /// The result of a binary or in-place operator, owned, and what it tells the profile.
    pub(super) fn binary_value(
        &mut self,
        pc: Pc,
        op: BinOp,
        in_place: bool,
        lhs: &Slot,
        rhs: &Slot,
    ) -> HostResult<Slot> {
        let profile = &self.code.profile;
        if self.code.wraps
            && let Some(value) = operators::wrapping(op, lhs, rhs)
        {
            return Ok(value);
        }
        if let Some(value) = operators::binary(op, lhs, rhs).or_else(|| numpy_scalars::binary(op, lhs, rhs)) {
            profile.record(pc, &value);
            return Ok(value);
        }
        self.host.set_position(pc);
        let value = if in_place { self.host.in_place(op, lhs, rhs) } else { self.host.binary(op, lhs, rhs) }?;
        profile.record(pc, &value);
        let is_int = |slot: &Slot| matches!(slot.tag, Tag::Bool | Tag::Int | Tag::Int128);
        if value.tag == Tag::Object && is_int(lhs) && is_int(rhs) {
            profile.record_kinds(pc, Kinds::WIDE | Kinds::OBJECT);
        }
        Ok(value)
    }

    /// The result of a unary operator, owned.
    pub(super) fn unary_value(&mut self, pc: Pc, op: UnOp, operand: &Slot) -> HostResult<Slot> {
        if self.code.wraps
            && op == UnOp::Neg
            && let Some(value) = operators::wrapping(BinOp::Sub, &Slot::int(0), operand)
        {
            return Ok(value);
        }
        let value = match operators::unary(op, operand).or_else(|| numpy_scalars::unary(op, operand)) {
            Some(value) => value,
            None => {
                self.host.set_position(pc);
                self.host.unary(op, operand)?
            }
        };
        if !matches!(operand.tag, Tag::Int | Tag::Float) || value.tag != operand.tag {
            self.code.profile.record(pc, &value);
        }
        Ok(value)
    }

    /// The result of a comparison, owned.
    pub(super) fn compare_value(&mut self, pc: Pc, op: CmpOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        if let Some(value) = operators::compare(op, lhs, rhs) {
            return Ok(Slot::bool(value));
        }
        let value = match numpy_scalars::compare(op, lhs, rhs) {
            Some(value) => value,
            None => {
                self.host.set_position(pc);
                self.host.compare(op, lhs, rhs)?
            }
        };
        self.code.profile.record(pc, &value);
        Ok(value)
    }

    #[inline(never)]
    fn unpack(
        &mut self,
        pc: Pc,
        src: SlotIdx,
        before: &[SlotIdx],
        star: Option<SlotIdx>,
        after: &[SlotIdx],
    ) -> Result<(), Fault> {
        let source = self.get(src);
        let n_out = before.len() + usize::from(star.is_some()) + after.len();
        let (mut few, mut many) = ([Slot::UNBOUND; FEW], Vec::new());
        let out = if n_out <= FEW {
            &mut few[..n_out]
        } else {
            many.resize(n_out, Slot::UNBOUND);
            &mut many[..]
        };
        self.host.unpack(&source, before.len(), star.is_some(), out)?;
        self.consume(src);
        for (dst, value) in before.iter().chain(&star).chain(after).zip(out.iter()) {
            self.code.profile.record(pc, value);
            self.set(*dst, *value);
        }
        Ok(())
    }

    fn check_bound(&mut self, slot: SlotIdx) -> HostResult<()> {
        if self.get(slot).tag == Tag::Unbound {
            return Err(self.host.raise_unbound_local(self.function, slot));
        }
        Ok(())
    }

    /// Gathers slots for the host: borrowed copies. Not inlined, so that the buffer is not in every caller's stack frame.
    #[inline(never)]
    pub(super) fn with_slots<R>(&mut self, slots: &[SlotIdx], f: impl FnOnce(&mut H, &[Slot]) -> R) -> R {
        if slots.len() <= FEW {
            let mut few = [Slot::UNBOUND; FEW];
            for (value, slot) in few.iter_mut().zip(slots) {
                *value = self.get(*slot);
            }
            f(self.host, &few[..slots.len()])
        } else {
            let many: Vec<Slot> = slots.iter().map(|slot| self.get(*slot)).collect();
            f(self.host, &many)
        }
    }

    fn host_args(&self, args: &[Arg]) -> Vec<HostArg> {
        let convert = |arg: &Arg| {
            let value = self.get(arg.slot());
            match arg {
                Arg::Plain(_) => HostArg::Plain(value),
                Arg::Star(_) => HostArg::Star(value),
                Arg::Keyword(name, _) => HostArg::Keyword(*name, value),
                Arg::DoubleStar(_) => HostArg::DoubleStar(value),
            }
        };
        args.iter().map(convert).collect()
    }

    /// Consumes the operands of `op`, then writes its result.
    fn finish(&mut self, op: &GenericOp, dst: SlotIdx, value: Slot) {
        self.consume_reads(op);
        self.set(dst, value);
    }

    /// Writes a result that the profile notes, of an operation that consumes nothing.
    fn finish_seen(&mut self, pc: Pc, dst: SlotIdx, value: HostResult<Slot>) -> HostResult<()> {
        let value = value?;
        self.code.profile.record(pc, &value);
        self.set(dst, value);
        Ok(())
    }

    pub(super) fn consume_reads(&mut self, op: &GenericOp) {
        for_each_read(op, &mut |slot| self.consume(slot));
    }

    #[inline]
    pub(super) fn get(&self, slot: SlotIdx) -> Slot {
        self.registers.get(self.code.reg(slot))
    }

    #[inline]
    pub(super) fn put(&self, slot: SlotIdx, value: Slot) {
        self.registers.put(self.code.reg(slot), value);
    }

    fn take(&mut self, slot: SlotIdx) -> Slot {
        let value = self.get(slot);
        self.put(slot, Slot::UNBOUND);
        value
    }

    /// Writes an owned value and releases what was there.
    #[inline]
    pub(super) fn set(&mut self, dst: SlotIdx, value: Slot) {
        let old = self.get(dst);
        self.put(dst, value);
        if old.owns() {
            self.host.release(old);
        }
    }

    /// Ends a slot: releases what it holds and makes it unbound.
    pub(super) fn end(&mut self, slot: SlotIdx) {
        let old = self.take(slot);
        if old.owns() {
            self.host.release(old);
        }
    }

    /// Ends an operand if it is a temporary.
    #[inline]
    pub(super) fn consume(&mut self, slot: SlotIdx) {
        if self.code.is_temp(slot) && self.get(slot).owns() {
            self.end(slot);
        }
    }
}
