//! Which slots an operation of the generic form reads and writes, and where it goes on.

use flashpoint_ir::generic::{GenericOp, Pc, SlotIdx};

/// Calls `f` on every slot that `op` reads, ends or drops.
pub(super) fn for_each_read(op: &GenericOp, f: &mut impl FnMut(SlotIdx)) {
    use GenericOp as O;
    match op {
        O::Const { .. }
        | O::LoadGlobal { .. }
        | O::DeleteGlobal { .. }
        | O::Jump { .. }
        | O::Import { .. }
        | O::EnterHandler { .. } => {}
        O::Move { src, .. }
        | O::StoreGlobal { src, .. }
        | O::Unary { src, .. }
        | O::Return { src }
        | O::GetIter { src, .. }
        | O::Unpack { src, .. } => f(*src),
        O::CheckBound { slot } | O::Delete { slot } | O::Drop { slot } => f(*slot),
        O::MakeCell { initial, .. } => initial.iter().copied().for_each(f),
        O::LoadCell { cell, .. } | O::DeleteCell { cell } => f(*cell),
        O::StoreCell { cell, src } => {
            f(*cell);
            f(*src);
        }
        O::Binary { lhs, rhs, .. } | O::InPlace { lhs, rhs, .. } | O::Compare { lhs, rhs, .. } => {
            f(*lhs);
            f(*rhs);
        }
        O::Branch { cond, .. } => f(*cond),
        O::ForNext { iter, .. } => f(*iter),
        O::LoadAttr { object, .. } | O::DeleteAttr { object, .. } => f(*object),
        O::StoreAttr { object, src, .. } => {
            f(*object);
            f(*src);
        }
        O::GetItem { object, index, .. } | O::DeleteItem { object, index } => {
            f(*object);
            f(*index);
        }
        O::SetItem { object, index, src } => {
            f(*object);
            f(*index);
            f(*src);
        }
        O::Call { callee, args, .. } => {
            f(*callee);
            args.iter().copied().for_each(f);
        }
        O::CallEx { callee, args, .. } => {
            f(*callee);
            args.iter().for_each(|arg| f(arg.slot()));
        }
        O::MakeFunction { defaults, keyword_defaults, closure, .. } => {
            defaults.iter().copied().for_each(&mut *f);
            keyword_defaults.iter().for_each(|(_, slot)| f(*slot));
            closure.iter().copied().for_each(f);
        }
        O::BuildTuple { items, .. } | O::BuildString { parts: items, .. } => items.iter().copied().for_each(f),
        O::BuildList { items, .. } | O::BuildSet { items, .. } | O::BuildTupleEx { items, .. } => {
            items.iter().for_each(|item| f(item.slot()));
        }
        O::BuildDict { items, .. } => {
            for (key, value) in items {
                key.iter().copied().for_each(&mut *f);
                f(*value);
            }
        }
        O::BuildSlice { start, stop, step, .. } => {
            f(*start);
            f(*stop);
            f(*step);
        }
        O::FormatValue { src, spec, .. } => {
            f(*src);
            spec.iter().copied().for_each(f);
        }
        O::Append { into, src } => {
            f(*into);
            f(*src);
        }
        O::Insert { into, key, value } => {
            f(*into);
            f(*key);
            f(*value);
        }
        O::ImportFrom { module, .. } => f(*module),
        O::Raise { exc, cause } => exc.iter().chain(cause).copied().for_each(f),
        O::RaiseAssertion { message } => message.iter().copied().for_each(f),
        O::LeaveHandler { exc, saved } | O::Reraise { exc, saved } => {
            f(*exc);
            f(*saved);
        }
        O::MatchException { exc, class, .. } => {
            f(*exc);
            f(*class);
        }
        O::WithEnter { manager, .. } => f(*manager),
        O::WithExit { exit, exc, .. } => {
            f(*exit);
            exc.iter().copied().for_each(f);
        }
    }
}

/// Calls `f` on every slot that `op` writes when it succeeds.
pub(super) fn for_each_write(op: &GenericOp, f: &mut impl FnMut(SlotIdx)) {
    use GenericOp as O;
    match op {
        O::Const { dst, .. }
        | O::Move { dst, .. }
        | O::LoadGlobal { dst, .. }
        | O::LoadCell { dst, .. }
        | O::Binary { dst, .. }
        | O::InPlace { dst, .. }
        | O::Unary { dst, .. }
        | O::Compare { dst, .. }
        | O::ForNext { dst, .. }
        | O::LoadAttr { dst, .. }
        | O::GetItem { dst, .. }
        | O::GetIter { dst, .. }
        | O::Call { dst, .. }
        | O::CallEx { dst, .. }
        | O::MakeFunction { dst, .. }
        | O::BuildTuple { dst, .. }
        | O::BuildList { dst, .. }
        | O::BuildSet { dst, .. }
        | O::BuildTupleEx { dst, .. }
        | O::BuildDict { dst, .. }
        | O::BuildSlice { dst, .. }
        | O::FormatValue { dst, .. }
        | O::BuildString { dst, .. }
        | O::Import { dst, .. }
        | O::ImportFrom { dst, .. }
        | O::MatchException { dst, .. }
        | O::WithExit { dst, .. } => f(*dst),
        O::MakeCell { cell, .. } => f(*cell),
        O::Unpack { before, star, after, .. } => {
            before.iter().chain(star).chain(after.iter()).copied().for_each(f);
        }
        O::EnterHandler { exc, saved } => {
            f(*exc);
            f(*saved);
        }
        O::WithEnter { dst, exit, .. } => {
            f(*exit);
            f(*dst);
        }
        O::CheckBound { .. }
        | O::Delete { .. }
        | O::Drop { .. }
        | O::StoreGlobal { .. }
        | O::DeleteGlobal { .. }
        | O::StoreCell { .. }
        | O::DeleteCell { .. }
        | O::Jump { .. }
        | O::Branch { .. }
        | O::Return { .. }
        | O::StoreAttr { .. }
        | O::DeleteAttr { .. }
        | O::SetItem { .. }
        | O::DeleteItem { .. }
        | O::Append { .. }
        | O::Insert { .. }
        | O::Raise { .. }
        | O::RaiseAssertion { .. }
        | O::LeaveHandler { .. }
        | O::Reraise { .. } => {}
    }
}

/// Calls `f` on every operation that may follow `op` at `pc`, handlers aside.
pub(super) fn for_each_successor(op: &GenericOp, pc: Pc, f: &mut impl FnMut(Pc)) {
    let next = Pc(pc.0 + 1);
    match op {
        GenericOp::Jump { target } => f(*target),
        GenericOp::Branch { if_true, if_false, .. } => {
            f(*if_true);
            f(*if_false);
        }
        GenericOp::ForNext { exhausted, .. } => {
            f(next);
            f(*exhausted);
        }
        GenericOp::Return { .. }
        | GenericOp::Raise { .. }
        | GenericOp::RaiseAssertion { .. }
        | GenericOp::Reraise { .. } => {}
        _ => f(next),
    }
}
