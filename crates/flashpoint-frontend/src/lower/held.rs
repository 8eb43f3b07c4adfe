//! Held values: whatever has no type of its own travels through compiled code as tier 0's slot of it.
//!
//! A held value is three words ([`SlotType::Held`]), of which the code owns what a slot of tier 0 would own. Operations on
//! it are steps; moving it, ending it and returning it are done here. Its types are tier 0's: integers of any size, text,
//! lists, bound methods and iterators are all the same to the code.
//!
//! Invariants:
//! - Each bound slot of the state that is held owns its value, and no other value of the code does. So a copy takes a
//!   reference, a consumed temporary is unbound in the state, and what is overwritten is released behind the operation
//!   ([`State::doomed`](super::state::State::doomed)).
//! - Held slots are named by every key and snapshot, live or not: a local keeps its object until it is overwritten or the
//!   function ends, as in Python, and an exit hands it on. Kept by [`Lowering::bound_slots`].
//! - Held values are operands of steps and nothing else: no tuple, iterator or method of the typed form contains one.

use flashpoint_ir::generic::{BinOp, CmpOp, GenericOp, Pc, SlotIdx, SlotKind};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::slot::Tag;
use flashpoint_ir::typed::{BinaryOp, ConvertOp, Helper, InstKind, IntCC, OverflowOp, Type, Value};

use super::control::describe_op;
use super::state::{Key, Val};
use super::step::{Outcome, can_step};
use super::types::SlotType;
use super::{Flow, Low, Lowering, Stop};

impl Lowering<'_> {
    /// The type under which a slot's content at entry is worked with: what may be overwritten is held, so that it ends when it
    /// is; what stays is the entry's own.
    pub(super) fn entry_type(&self, slot: SlotIdx, ty: &SlotType) -> SlotType {
        match ty {
            SlotType::Opaque(_) | SlotType::Untyped(_) if self.info().is_written[slot.idx()] => {
                SlotType::Held { foreign: matches!(ty, SlotType::Opaque(_)) }
            }
            ty => ty.clone(),
        }
    }

    /// The slots of a frame that keys and snapshots name: live ones, and all held ones. The executing frame stands before
    /// `pc`; every other one is in a call, which is given too.
    pub(super) fn bound_slots(&self, frame: usize, pc: Option<Pc>) -> (Option<Pc>, Vec<SlotIdx>) {
        let frame = &self.state.frames[frame];
        let info = &self.functions[&frame.function];
        let (call, mut slots): (_, Vec<SlotIdx>) = match (pc, frame.call) {
            (None, Some(call)) => (Some(call), info.live_around_call(call)),
            (pc, _) => (None, info.liveness.live_before(pc.expect("the executing frame stands somewhere")).collect()),
        };
        let held = |(_, val): &(usize, &Val)| val.ty.is_held();
        slots.extend(frame.vals.iter().enumerate().filter(held).map(|(i, _)| SlotIdx(i as u32)));
        slots.sort();
        slots.dedup();
        slots.retain(|slot| frame.vals[slot.idx()].ty != SlotType::Unbound);
        (call, slots)
    }

    fn is_held(&self, slot: SlotIdx) -> bool {
        self.state.frame().vals[slot.idx()].ty.is_held()
    }

    pub(super) fn is_temp(&self, slot: SlotIdx) -> bool {
        self.info().generic.slots[slot.idx()].kind == SlotKind::Temp
    }

    /// Whether only tier 0 can do the operation, since it touches a held value.
    pub(super) fn needs_step(&self, op: &GenericOp) -> bool {
        match op {
            GenericOp::Move { .. }
            | GenericOp::CheckBound { .. }
            | GenericOp::Delete { .. }
            | GenericOp::Drop { .. }
            | GenericOp::Jump { .. }
            | GenericOp::Return { .. }
            | GenericOp::Raise { .. }
            | GenericOp::RaiseAssertion { .. }
            | GenericOp::Reraise { .. } => false,
            // A call in registers that leaves has its result put into a slot that must be free.
            GenericOp::Call { dst, .. } | GenericOp::CallEx { dst, .. } if self.is_held(*dst) => true,
            op => op.reads().into_iter().any(|slot| self.is_held(slot)),
        }
    }

    /// An operation on a held value in the user's words.
    pub(super) fn describe_held(&self, op: &GenericOp) -> String {
        match op {
            GenericOp::Binary { op, .. } | GenericOp::InPlace { op, .. } => {
                format!("`{}` on a held value", super::arith::symbol(*op))
            }
            GenericOp::Unary { .. } => "a unary operator on a held value".into(),
            GenericOp::Compare { .. } => "comparing a held value".into(),
            GenericOp::Branch { .. } => "the truth of a held value".into(),
            GenericOp::GetIter { .. } | GenericOp::ForNext { .. } => "a loop over a held value".into(),
            GenericOp::GetItem { .. } | GenericOp::SetItem { .. } => "an item of, or at, a held value".into(),
            GenericOp::LoadAttr { name, .. } => {
                format!("the attribute `{}` of a held value", self.info().generic.names[name.0 as usize])
            }
            GenericOp::Call { .. } | GenericOp::CallEx { .. } => "a call that takes or replaces a held value".into(),
            op => format!("{} with a held value", describe_op(op, &self.info().generic)),
        }
    }

    /// An operation whose guards fail too often: tier 0 does it from now on, and the code goes on behind if it can.
    pub(super) fn give_up(&mut self, op: &GenericOp) -> Low<Flow> {
        if !can_step(op) {
            return Err(Stop::Leave(Reason::TooManyDeopts));
        }
        self.note_untyped(String::new(), Reason::TooManyDeopts);
        Err(Stop::Untyped("an operation whose guards failed too often".into()))
    }

    // ---- ownership

    /// The content of a slot, for another slot to keep: a held one is taken from a temporary, and copied otherwise.
    pub(super) fn read_to_keep(&mut self, src: SlotIdx) -> Val {
        let val = self.state.get(src);
        if val.ty.is_held() {
            if self.is_temp(src) {
                self.state.replace(src, Val::UNBOUND);
            } else if !planted(Defect::HeldCopyUncounted) {
                self.b.push(InstKind::CallHelper(Helper::Retain, val.words[..2].to_vec()), &[]);
            }
        }
        val
    }

    /// Ends the held values of the executing frame, which returns: in the order of its slots.
    pub(super) fn doom_locals(&mut self) {
        let held: Vec<usize> =
            (0..self.state.frame().vals.len()).filter(|i| self.is_held(SlotIdx(*i as u32))).collect();
        held.into_iter().for_each(|slot| self.state.set(SlotIdx(slot as u32), Val::UNBOUND));
    }

    /// Releases what was overwritten. The code stands before `pc` then, and leaves if a finalizer has changed what it takes for
    /// granted.
    pub(super) fn release_doomed(&mut self, pc: Pc) {
        if let Some(status) = self.release_all_doomed() {
            let zero = self.b.i64(0);
            let unchanged = self.b.icmp(IntCC::Eq, status, zero);
            let exit = self.snapshot_at(pc, Reason::GlobalChanged);
            self.b.guard(unchanged, exit);
            self.exits.clear();
        }
    }

    /// Releases what was overwritten. Gives what the helpers say, if there was anything.
    pub(super) fn release_all_doomed(&mut self) -> Option<Value> {
        let mut status = None;
        for val in std::mem::take(&mut self.state.doomed) {
            let inst = self.b.push(InstKind::CallHelper(Helper::Release, val.words[..2].to_vec()), &[Type::I64]);
            let one = self.b.results(inst)[0];
            status = Some(match status {
                Some(before) => self.b.binary(BinaryOp::Or, before, one),
                None => one,
            });
        }
        status
    }

    // ---- where types vary too much

    /// Makes held values of the numbers whose slots have had other types at this operation. Says whether there were any.
    pub(super) fn hold_what_varies(&mut self, key: &Key) -> bool {
        let others: Vec<&Key> = self.blocks.keys().filter(|k| k.pc == key.pc && k.path == key.path).collect();
        let mut varying = Vec::new();
        for (i, live) in key.live.iter().enumerate() {
            for (slot, ty) in live.iter().filter(|(_, ty)| !ty.is_held()) {
                let of = |other: &&Key| other.live[i].iter().any(|(s, t)| s == slot && t != ty);
                if others.iter().any(of) {
                    varying.push((i, slot.idx()));
                }
            }
        }
        let mut changed = false;
        for (frame, slot) in varying {
            let val = self.state.frames[frame].vals[slot].clone();
            if let Some(held) = self.as_held(&val) {
                self.state.frames[frame].vals[slot] = held;
                changed = true;
            }
        }
        changed
    }

    /// A number, bool or `None` as the slot that tier 0 would have for it.
    fn as_held(&mut self, val: &Val) -> Option<Val> {
        let (tag, a, b) = match &val.ty {
            SlotType::None => (Tag::None, None, None),
            SlotType::Bool => (Tag::Bool, Some(self.to_i64(val)), None),
            SlotType::Int => (Tag::Int, Some(val.word()), None),
            SlotType::Float => (Tag::Float, Some(self.b.convert(ConvertOp::Bitcast, val.word(), Type::I64)), None),
            SlotType::Complex => {
                let parts = [0, 1].map(|i| self.b.convert(ConvertOp::Bitcast, val.words[i], Type::I64));
                (Tag::Complex, Some(parts[0]), Some(parts[1]))
            }
            SlotType::Int128 => {
                let count = self.b.iconst(Type::I128, 64);
                let high = self.b.binary(BinaryOp::Lshr, val.word(), count);
                let [low, high] = [val.word(), high].map(|part| self.b.convert(ConvertOp::Trunc, part, Type::I64));
                let back = self.b.convert(ConvertOp::Sext, low, Type::I128);
                let is_narrow = self.b.icmp(IntCC::Eq, back, val.word());
                let (int, wide, zero) = (self.b.i64(Tag::Int as i64), self.b.i64(Tag::Int128 as i64), self.b.i64(0));
                let head = self.b.select(is_narrow, int, wide);
                let b = self.b.select(is_narrow, zero, high);
                return Some(Val::of(SlotType::Held { foreign: false }, vec![head, low, b]));
            }
            _ => return None,
        };
        let head = self.b.i64(tag as i64);
        let zero = self.b.i64(0);
        let words = vec![head, a.unwrap_or(zero), b.unwrap_or(zero)];
        Some(Val::of(SlotType::Held { foreign: false }, words))
    }

    // ---- integers beyond 128 bits

    /// Integer arithmetic that was seen to leave 128 bits: in 128 bits as long as that suffices, and held beyond. `None` if
    /// that is not the operation's case.
    pub(super) fn wide_or_held(&mut self, op: BinOp, dst: SlotIdx, lhs: &Val, rhs: &Val) -> Option<Low<Flow>> {
        let is_int = |val: &Val| matches!(val.ty, SlotType::Bool | SlotType::Int | SlotType::Int128);
        let checked = match op {
            BinOp::Add => OverflowOp::SaddOverflow,
            BinOp::Sub => OverflowOp::SsubOverflow,
            BinOp::Mul => OverflowOp::SmulOverflow,
            _ => return None,
        };
        if !self.feedback().big || self.b.func.licences.wrap || !is_int(lhs) || !is_int(rhs) {
            return None;
        }
        let (a, b) = (self.to_i128(lhs), self.to_i128(rhs));
        let (value, overflow) = self.b.overflow(checked, a, b);
        let wide = Val::new(SlotType::Int128, value);
        if lhs.ty != SlotType::Int128 && rhs.ty != SlotType::Int128 {
            self.state.set(dst, wide);
            return Some(Ok(Flow::Next));
        }
        let (beyond, within) = (self.b.create_block(), self.b.create_block());
        self.b.branch(overflow, (beyond, vec![]), (within, vec![]));
        let state = self.state.clone();
        let next = Pc(self.pc.0 + 1);
        self.b.switch_to(beyond);
        match self.step_for(format!("`{}` beyond 128 bits", super::arith::symbol(op)), Outcome::Held) {
            Ok(Flow::Next) => self.goto_inner(next, false),
            Ok(Flow::Done) => {}
            Err(stop) => self.leave(stop),
        }
        self.exits.clear();
        self.state = state;
        self.b.switch_to(within);
        self.state.set(dst, wide);
        self.goto_inner(next, false);
        Some(Ok(Flow::Done))
    }

    /// Notes that the present block makes a held value.
    pub(super) fn note_held(&mut self) {
        self.holding.extend(self.b.current());
    }

    /// What a comparison gives that no profile tells.
    pub(super) fn is_always_bool(op: &GenericOp) -> bool {
        matches!(op, GenericOp::Compare { op: CmpOp::Is | CmpOp::IsNot | CmpOp::In | CmpOp::NotIn, .. })
            || matches!(op, GenericOp::Unary { op: flashpoint_ir::generic::UnOp::Not, .. })
    }
}
