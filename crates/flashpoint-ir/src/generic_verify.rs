//! Checks the invariants that [`crate::generic`] promises. Start at [`verify`].

use crate::generic::{Arg, GenericFunction, GenericOp, Pc, SlotIdx, SlotKind};
use crate::liveness::Liveness;

/// Checks `function` and those nested in it; every violation is one line that names the operation.
///
/// # Errors
/// All violations found. Indices and jump targets come first; what depends on them is looked at only if they are right.
pub fn verify(function: &GenericFunction) -> Result<(), Vec<String>> {
    let mut verifier = Verifier { function, errors: Vec::new() };
    verifier.check_tables();
    verifier.check_operands();
    verifier.check_handlers();
    if verifier.errors.is_empty() {
        verifier.check_flow();
    }
    let mut errors = verifier.errors;
    for nested in function.nested.iter().filter_map(|nested| nested.body.as_deref()) {
        if let Err(inner) = verify(nested) {
            errors.extend(inner.into_iter().map(|error| format!("in `{}`: {error}", nested.name)));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

struct Verifier<'f> {
    function: &'f GenericFunction,
    errors: Vec<String>,
}

impl Verifier<'_> {
    fn fail(&mut self, at: usize, what: impl std::fmt::Display) {
        let name = self.function.ops.get(at).map_or("end", |op| op.mnemonic());
        self.errors.push(format!("op {at} ({name}): {what}"));
    }

    fn kind(&self, slot: SlotIdx) -> Option<SlotKind> {
        self.function.slots.get(slot.idx()).map(|info| info.kind)
    }

    /// The layout of slots, and the ends of the lists.
    fn check_tables(&mut self) {
        let function = self.function;
        let order = |kind: SlotKind| match kind {
            SlotKind::Param => 0,
            SlotKind::Local => 1,
            SlotKind::Cell => 2,
            SlotKind::Free => 3,
            SlotKind::Temp | SlotKind::Pinned => 4,
        };
        if !function.slots.is_sorted_by_key(|slot| order(slot.kind)) {
            self.errors
                .push("slots are not in the order parameters, locals, cells, free variables, temporaries".into());
        }
        let n_params = function.slots.iter().filter(|slot| slot.kind == SlotKind::Param).count();
        if n_params != function.params.n_slots() as usize
            || function.params.n_positional_only > function.params.n_positional
        {
            self.errors.push(format!("{n_params} parameter slots do not fit the parameter list"));
        }
        if function.spans.len() != function.ops.len() {
            self.errors.push("there is not one span per operation".into());
        }
        match function.ops.last() {
            None => self.errors.push("there are no operations".into()),
            Some(last) if last.falls_through() => self.fail(function.ops.len() - 1, "the last operation falls through"),
            Some(_) => {}
        }
    }

    /// Every index in range, and every slot of a kind that the operation works on.
    fn check_operands(&mut self) {
        let function = self.function;
        for (at, op) in function.ops.iter().enumerate() {
            let mut wrong = Vec::new();
            let mut check_slot = |slot: SlotIdx| {
                if slot.idx() >= function.slots.len() {
                    wrong.push(format!("slot {} does not exist", slot.0));
                }
            };
            op.for_each_read(&mut check_slot);
            op.for_each_write(&mut check_slot);
            op.for_each_name(|name| {
                if name.0 as usize >= function.names.len() {
                    wrong.push(format!("name {} does not exist", name.0));
                }
            });
            for target in op.targets() {
                if target.idx() >= function.ops.len() {
                    wrong.push(format!("target {} does not exist", target.0));
                }
            }
            if let GenericOp::Const { value, .. } = op
                && value.0 as usize >= function.consts.len()
            {
                wrong.push(format!("constant {} does not exist", value.0));
            }
            for error in wrong {
                self.fail(at, error);
            }
            self.check_kinds(at, op);
        }
    }

    fn check_kinds(&mut self, at: usize, op: &GenericOp) {
        use SlotKind::{Cell, Free, Local, Param, Pinned, Temp};
        let mut expected: Vec<(SlotIdx, &[SlotKind])> = Vec::new();
        match op {
            GenericOp::CheckBound { slot } | GenericOp::Delete { slot } => expected.push((*slot, &[Param, Local])),
            // A parameter is dropped when its value has moved to a cell.
            GenericOp::Drop { slot } => expected.push((*slot, &[Param, Temp, Pinned])),
            GenericOp::MakeCell { cell, initial } => {
                expected.push((*cell, &[Cell]));
                expected.extend(initial.map(|slot| (slot, &[Param][..])));
            }
            GenericOp::LoadCell { cell, .. } | GenericOp::StoreCell { cell, .. } | GenericOp::DeleteCell { cell } => {
                expected.push((*cell, &[Cell, Free]));
            }
            GenericOp::MakeFunction { function, closure, .. } => {
                expected.extend(closure.iter().map(|&slot| (slot, &[Cell, Free][..])));
                match self.function.nested.get(function.0 as usize) {
                    None => self.fail(at, format!("nested function {} does not exist", function.0)),
                    Some(nested) => {
                        let n_free =
                            nested.body.as_ref().map(|body| body.slots.iter().filter(|slot| slot.kind == Free).count());
                        if n_free.is_some_and(|n_free| n_free != closure.len()) {
                            self.fail(at, "the closure does not fit the function's free variables");
                        }
                    }
                }
            }
            GenericOp::ForNext { iter, .. } => expected.push((*iter, &[Param, Local, Pinned])),
            GenericOp::Append { into, .. } | GenericOp::Insert { into, .. } => expected.push((*into, &[Local, Pinned])),
            GenericOp::EnterHandler { exc, saved }
            | GenericOp::LeaveHandler { exc, saved }
            | GenericOp::Reraise { exc, saved } => {
                expected.push((*exc, &[Pinned]));
                expected.push((*saved, &[Pinned]));
            }
            GenericOp::MatchException { exc, .. } => expected.push((*exc, &[Pinned])),
            GenericOp::WithEnter { exit, .. } => expected.push((*exit, &[Pinned])),
            GenericOp::WithExit { exit, exc, .. } => {
                expected.push((*exit, &[Pinned]));
                expected.extend(exc.map(|slot| (slot, &[Pinned][..])));
            }
            GenericOp::BuildList { items, .. }
            | GenericOp::BuildSet { items, .. }
            | GenericOp::BuildTupleEx { items, .. }
                if items.iter().any(|arg| matches!(arg, Arg::Keyword(..) | Arg::DoubleStar(_))) =>
            {
                self.fail(at, "a display has keyword items");
            }
            _ => {}
        }
        for (slot, kinds) in expected {
            if let Some(kind) = self.kind(slot)
                && !kinds.contains(&kind)
            {
                self.fail(at, format!("slot {} is a {kind:?}", slot.0));
            }
        }
    }

    /// Handlers begin with `EnterHandler`, and nothing else does.
    fn check_handlers(&mut self) {
        let function = self.function;
        let n_ops = function.ops.len();
        for handler in &function.handlers {
            let (start, end, target) = (handler.start.idx(), handler.end.idx(), handler.target.idx());
            if start >= end || end > n_ops || target >= n_ops {
                self.errors.push(format!("the handler for {start}..{end} at {target} is out of range"));
            } else if !matches!(function.ops[target], GenericOp::EnterHandler { .. }) {
                self.fail(target, "a handler begins without `enter_handler`");
            } else if (start..end).contains(&target) {
                self.fail(target, "a handler protects itself");
            }
        }
        for (at, op) in function.ops.iter().enumerate() {
            let is_target = function.handlers.iter().any(|handler| handler.target.idx() == at);
            let is_jumped_to = function.ops.iter().any(|op| op.targets().any(|target| target.idx() == at));
            let is_fallen_into = at > 0 && function.ops[at - 1].falls_through();
            if matches!(op, GenericOp::EnterHandler { .. }) && (!is_target || is_jumped_to || is_fallen_into) {
                self.fail(at, "`enter_handler` is reached other than by an exception");
            }
        }
    }

    /// What depends on paths: values are there when read, temporaries are read once, loops have one entry.
    fn check_flow(&mut self) {
        let function = self.function;
        let liveness = Liveness::of(function);
        for (at, op) in function.ops.iter().enumerate() {
            let pc = Pc(at as u32);
            if !liveness.is_reachable(pc) {
                self.fail(at, "it is never reached");
                continue;
            }
            let mut consumed = Vec::new();
            op.for_each_read(|slot| {
                let checks_itself =
                    matches!(op, GenericOp::CheckBound { .. } | GenericOp::Delete { .. } | GenericOp::Drop { .. });
                let copes = checks_itself && liveness.may_hold_or_named(function, pc, slot);
                if !copes && !liveness.must_hold(pc, slot) {
                    self.fail(at, format!("slot {} may be empty where it is read", slot.0));
                }
                if function.consumes(slot) {
                    if consumed.contains(&slot) {
                        self.fail(at, format!("temporary {} is read twice", slot.0));
                    }
                    consumed.push(slot);
                }
            });
            op.for_each_write(|slot| {
                let is_temporary = matches!(function.slot_kind(slot), SlotKind::Temp | SlotKind::Pinned);
                if is_temporary && liveness.may_hold(pc, slot) && !consumed.contains(&slot) {
                    self.fail(at, format!("temporary {} is written while it may hold a value", slot.0));
                }
            });
            if let GenericOp::Return { src } = op {
                for (idx, info) in function.slots.iter().enumerate() {
                    let slot = SlotIdx(idx as u32);
                    let is_temporary = matches!(info.kind, SlotKind::Temp | SlotKind::Pinned);
                    if is_temporary && slot != *src && liveness.may_hold(pc, slot) {
                        self.fail(at, format!("temporary {idx} may still hold a value"));
                    }
                }
            }
        }
        self.check_loops(&liveness);
    }

    fn check_loops(&mut self, liveness: &Liveness) {
        let function = self.function;
        for info in liveness.loops() {
            for at in (0..function.ops.len()).filter(|&at| !info.contains(Pc(at as u32))) {
                let mut enters = Vec::new();
                function.for_each_successor(Pc(at as u32), |to| {
                    if to != info.header && info.contains(to) {
                        enters.push(to);
                    }
                });
                for to in enters {
                    self.fail(at, format!("it enters the loop at {} past its header, at {}", info.header.0, to.0));
                }
            }
        }
    }
}

impl Liveness {
    /// Whether an operation that copes with an empty slot may name it: a variable always, a temporary if some path fills it.
    fn may_hold_or_named(&self, function: &GenericFunction, pc: Pc, slot: SlotIdx) -> bool {
        match function.slot_kind(slot) {
            SlotKind::Temp => false,
            SlotKind::Pinned => self.may_hold(pc, slot),
            _ => true,
        }
    }
}
