//! What each operation of the generic form reads, writes and where it goes: one table that tier 0, liveness, the
//! verifier and the typed lowering share.
//!
//! *Consuming* is not part of the table: a read consumes exactly when the slot is a [`SlotKind::Temp`]
//! (see [`GenericFunction::consumes`]).

use crate::generic::{Arg, GenericFunction, GenericOp, Handler, NameIdx, Pc, SlotIdx, SlotKind};

impl Pc {
    /// As an index into `ops`.
    #[inline]
    pub fn idx(self) -> usize {
        self.0 as usize
    }

    /// The operation after this one.
    #[inline]
    pub fn next(self) -> Pc {
        Pc(self.0 + 1)
    }
}

impl SlotIdx {
    /// As an index into `slots`.
    #[inline]
    pub fn idx(self) -> usize {
        self.0 as usize
    }
}

impl GenericOp {
    /// Calls `f` with every slot the operation reads, in evaluation order; a slot that is read twice is given twice.
    ///
    /// `Delete`, `Drop`, `LeaveHandler` and `Reraise` read the slots that they end.
    pub fn for_each_read(&self, mut f: impl FnMut(SlotIdx)) {
        use GenericOp::*;
        match self {
            Const { .. }
            | LoadGlobal { .. }
            | DeleteGlobal { .. }
            | Jump { .. }
            | Import { .. }
            | EnterHandler { .. } => {}
            Move { src, .. }
            | StoreGlobal { src, .. }
            | Unary { src, .. }
            | Return { src }
            | GetIter { src, .. }
            | Unpack { src, .. } => f(*src),
            CheckBound { slot } | Delete { slot } | Drop { slot } => f(*slot),
            MakeCell { initial, .. } => initial.iter().copied().for_each(f),
            LoadCell { cell, .. } | DeleteCell { cell } => f(*cell),
            StoreCell { cell, src } => {
                f(*cell);
                f(*src);
            }
            Binary { lhs, rhs, .. } | InPlace { lhs, rhs, .. } | Compare { lhs, rhs, .. } => {
                f(*lhs);
                f(*rhs);
            }
            Branch { cond, .. } => f(*cond),
            ForNext { iter, .. } => f(*iter),
            LoadAttr { object, .. } | DeleteAttr { object, .. } => f(*object),
            StoreAttr { object, src, .. } => {
                f(*object);
                f(*src);
            }
            GetItem { object, index, .. } | DeleteItem { object, index } => {
                f(*object);
                f(*index);
            }
            SetItem { object, index, src } => {
                f(*object);
                f(*index);
                f(*src);
            }
            Call { callee, args, .. } => {
                f(*callee);
                args.iter().copied().for_each(f);
            }
            CallEx { callee, args, .. } => {
                f(*callee);
                args.iter().for_each(|arg| f(arg.slot()));
            }
            MakeFunction { defaults, keyword_defaults, closure, .. } => {
                defaults.iter().copied().for_each(&mut f);
                keyword_defaults.iter().for_each(|(_, slot)| f(*slot));
                closure.iter().copied().for_each(f);
            }
            BuildTuple { items, .. } | BuildString { parts: items, .. } => items.iter().copied().for_each(f),
            BuildList { items, .. } | BuildSet { items, .. } | BuildTupleEx { items, .. } => {
                items.iter().for_each(|arg| f(arg.slot()));
            }
            BuildDict { items, .. } => {
                for (key, value) in items {
                    key.iter().copied().for_each(&mut f);
                    f(*value);
                }
            }
            BuildSlice { start, stop, step, .. } => {
                f(*start);
                f(*stop);
                f(*step);
            }
            FormatValue { src, spec, .. } => {
                f(*src);
                spec.iter().copied().for_each(f);
            }
            Append { into, src } => {
                f(*into);
                f(*src);
            }
            Insert { into, key, value } => {
                f(*into);
                f(*key);
                f(*value);
            }
            ImportFrom { module, .. } => f(*module),
            Raise { exc, cause } => exc.iter().chain(cause).copied().for_each(f),
            RaiseAssertion { message } => message.iter().copied().for_each(f),
            LeaveHandler { exc, saved } | Reraise { exc, saved } => {
                f(*exc);
                f(*saved);
            }
            MatchException { exc, class, .. } => {
                f(*exc);
                f(*class);
            }
            WithEnter { manager, .. } => f(*manager),
            WithExit { exit, exc, .. } => {
                f(*exit);
                exc.iter().copied().for_each(f);
            }
        }
    }

    /// Calls `f` with every slot that holds a new value when the operation is done.
    ///
    /// `ForNext` writes only on the way into the loop, and nothing is written by an operation that raises.
    pub fn for_each_write(&self, mut f: impl FnMut(SlotIdx)) {
        use GenericOp::*;
        match self {
            MakeCell { cell, .. } => f(*cell),
            EnterHandler { exc, saved } => {
                f(*exc);
                f(*saved);
            }
            WithEnter { dst, exit, .. } => {
                f(*exit);
                f(*dst);
            }
            Unpack { before, star, after, .. } => {
                before.iter().copied().for_each(&mut f);
                star.iter().copied().for_each(&mut f);
                after.iter().copied().for_each(f);
            }
            _ => self.dst().into_iter().for_each(f),
        }
    }

    /// Calls `f` with every slot that the operation leaves empty (consumed temporaries apart).
    pub fn for_each_end(&self, mut f: impl FnMut(SlotIdx)) {
        match self {
            GenericOp::Delete { slot } | GenericOp::Drop { slot } => f(*slot),
            GenericOp::LeaveHandler { exc, saved } | GenericOp::Reraise { exc, saved } => {
                f(*exc);
                f(*saved);
            }
            _ => {}
        }
    }

    /// The slots read; see [`GenericOp::for_each_read`].
    pub fn reads(&self) -> Vec<SlotIdx> {
        let mut slots = Vec::new();
        self.for_each_read(|slot| slots.push(slot));
        slots
    }

    /// The slots written; see [`GenericOp::for_each_write`].
    pub fn writes(&self) -> Vec<SlotIdx> {
        let mut slots = Vec::new();
        self.for_each_write(|slot| slots.push(slot));
        slots
    }

    /// The `dst` of operations that have one.
    pub fn dst(&self) -> Option<SlotIdx> {
        use GenericOp::*;
        match self {
            Const { dst, .. }
            | Move { dst, .. }
            | LoadGlobal { dst, .. }
            | LoadCell { dst, .. }
            | Binary { dst, .. }
            | InPlace { dst, .. }
            | Unary { dst, .. }
            | Compare { dst, .. }
            | ForNext { dst, .. }
            | LoadAttr { dst, .. }
            | GetItem { dst, .. }
            | GetIter { dst, .. }
            | Call { dst, .. }
            | CallEx { dst, .. }
            | MakeFunction { dst, .. }
            | BuildTuple { dst, .. }
            | BuildList { dst, .. }
            | BuildSet { dst, .. }
            | BuildTupleEx { dst, .. }
            | BuildDict { dst, .. }
            | BuildSlice { dst, .. }
            | FormatValue { dst, .. }
            | BuildString { dst, .. }
            | Import { dst, .. }
            | ImportFrom { dst, .. }
            | MatchException { dst, .. }
            | WithEnter { dst, .. }
            | WithExit { dst, .. } => Some(*dst),
            CheckBound { .. }
            | Delete { .. }
            | Drop { .. }
            | StoreGlobal { .. }
            | DeleteGlobal { .. }
            | MakeCell { .. }
            | StoreCell { .. }
            | DeleteCell { .. }
            | Jump { .. }
            | Branch { .. }
            | Return { .. }
            | StoreAttr { .. }
            | DeleteAttr { .. }
            | SetItem { .. }
            | DeleteItem { .. }
            | Append { .. }
            | Insert { .. }
            | Unpack { .. }
            | Raise { .. }
            | RaiseAssertion { .. }
            | EnterHandler { .. }
            | LeaveHandler { .. }
            | Reraise { .. } => None,
        }
    }

    /// Where the operation jumps to, fall-through and handlers apart.
    pub fn targets(&self) -> impl Iterator<Item = Pc> + use<> {
        let (first, second) = match *self {
            GenericOp::Jump { target } => (Some(target), None),
            GenericOp::Branch { if_true, if_false, .. } => (Some(if_true), Some(if_false)),
            GenericOp::ForNext { exhausted, .. } => (Some(exhausted), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Calls `f` with every jump target, to be changed in place.
    pub fn for_each_target_mut(&mut self, mut f: impl FnMut(&mut Pc)) {
        match self {
            GenericOp::Jump { target } | GenericOp::ForNext { exhausted: target, .. } => f(target),
            GenericOp::Branch { if_true, if_false, .. } => {
                f(if_true);
                f(if_false);
            }
            _ => {}
        }
    }

    /// Whether the next operation may run after this one without a jump.
    pub fn falls_through(&self) -> bool {
        !matches!(
            self,
            GenericOp::Jump { .. }
                | GenericOp::Branch { .. }
                | GenericOp::Return { .. }
                | GenericOp::Raise { .. }
                | GenericOp::RaiseAssertion { .. }
                | GenericOp::Reraise { .. }
        )
    }

    /// Whether the operation can raise, for some values (a `MemoryError` where only a container is made included).
    pub fn may_raise(&self) -> bool {
        !matches!(
            self,
            GenericOp::Const { .. }
                | GenericOp::Move { .. }
                | GenericOp::Drop { .. }
                | GenericOp::StoreCell { .. }
                | GenericOp::Jump { .. }
                | GenericOp::Return { .. }
                | GenericOp::EnterHandler { .. }
                | GenericOp::LeaveHandler { .. }
        )
    }

    /// The name in IR text: `snake_case` of the variant.
    pub fn mnemonic(&self) -> &'static str {
        use GenericOp::*;
        match self {
            Const { .. } => "const",
            Move { .. } => "move",
            CheckBound { .. } => "check_bound",
            Delete { .. } => "delete",
            Drop { .. } => "drop",
            LoadGlobal { .. } => "load_global",
            StoreGlobal { .. } => "store_global",
            DeleteGlobal { .. } => "delete_global",
            MakeCell { .. } => "make_cell",
            LoadCell { .. } => "load_cell",
            StoreCell { .. } => "store_cell",
            DeleteCell { .. } => "delete_cell",
            Binary { .. } => "binary",
            InPlace { .. } => "in_place",
            Unary { .. } => "unary",
            Compare { .. } => "compare",
            Jump { .. } => "jump",
            Branch { .. } => "branch",
            ForNext { .. } => "for_next",
            Return { .. } => "return",
            LoadAttr { .. } => "load_attr",
            StoreAttr { .. } => "store_attr",
            DeleteAttr { .. } => "delete_attr",
            GetItem { .. } => "get_item",
            SetItem { .. } => "set_item",
            DeleteItem { .. } => "delete_item",
            GetIter { .. } => "get_iter",
            Call { .. } => "call",
            CallEx { .. } => "call_ex",
            MakeFunction { .. } => "make_function",
            BuildTuple { .. } => "build_tuple",
            BuildList { .. } => "build_list",
            BuildSet { .. } => "build_set",
            BuildTupleEx { .. } => "build_tuple_ex",
            BuildDict { .. } => "build_dict",
            BuildSlice { .. } => "build_slice",
            FormatValue { .. } => "format_value",
            BuildString { .. } => "build_string",
            Append { .. } => "append",
            Insert { .. } => "insert",
            Unpack { .. } => "unpack",
            Import { .. } => "import",
            ImportFrom { .. } => "import_from",
            Raise { .. } => "raise",
            RaiseAssertion { .. } => "raise_assertion",
            EnterHandler { .. } => "enter_handler",
            LeaveHandler { .. } => "leave_handler",
            MatchException { .. } => "match_exception",
            Reraise { .. } => "reraise",
            WithEnter { .. } => "with_enter",
            WithExit { .. } => "with_exit",
        }
    }

    /// Calls `f` with every name the operation uses (globals, attributes, keywords, modules).
    pub fn for_each_name(&self, mut f: impl FnMut(NameIdx)) {
        use GenericOp::*;
        match self {
            LoadGlobal { name, .. }
            | StoreGlobal { name, .. }
            | DeleteGlobal { name }
            | LoadAttr { name, .. }
            | StoreAttr { name, .. }
            | DeleteAttr { name, .. }
            | ImportFrom { name, .. } => f(*name),
            CallEx { args, .. } => args.iter().for_each(|arg| {
                if let Arg::Keyword(name, _) = arg {
                    f(*name);
                }
            }),
            MakeFunction { keyword_defaults, .. } => keyword_defaults.iter().for_each(|(name, _)| f(*name)),
            Import { module, from_names, .. } => {
                f(*module);
                from_names.iter().copied().for_each(f);
            }
            _ => {}
        }
    }
}

impl GenericFunction {
    /// What the slot is for.
    #[inline]
    pub fn slot_kind(&self, slot: SlotIdx) -> SlotKind {
        self.slots[slot.idx()].kind
    }

    /// Whether an operation that reads `slot` empties it.
    #[inline]
    pub fn consumes(&self, slot: SlotIdx) -> bool {
        self.slot_kind(slot) == SlotKind::Temp
    }

    /// The innermost handler of the operation at `pc`.
    pub fn handler_at(&self, pc: Pc) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.start <= pc && pc < handler.end)
    }

    /// The first slot of this kind and name, e.g. a parameter's cell.
    pub fn find_slot(&self, kind: SlotKind, name: &str) -> Option<SlotIdx> {
        let found = self.slots.iter().position(|slot| slot.kind == kind && slot.name == name);
        found.map(|idx| SlotIdx(idx as u32))
    }

    /// Calls `f` with every operation that may run right after the one at `pc` without raising.
    pub fn for_each_successor(&self, pc: Pc, mut f: impl FnMut(Pc)) {
        let op = &self.ops[pc.idx()];
        if op.falls_through() {
            f(pc.next());
        }
        op.targets().for_each(f);
    }
}
