//! `match` statements: patterns become tests, item and attribute reads and generic calls of built-ins.
//!
//! Names are bound only when a whole pattern has matched, so captured values are pinned until then. Every slot that a
//! case pins is dropped where it fails and where it succeeds.

use flashpoint_ir::generic::*;

use super::emit::{Build, Builder, Label};
use crate::syntax::*;

/// `Py_TPFLAGS_SEQUENCE`, `Py_TPFLAGS_MAPPING`, `_Py_TPFLAGS_MATCH_SELF`: what `type.__flags__` says of a class.
const IS_SEQUENCE: i64 = 1 << 5;
const IS_MAPPING: i64 = 1 << 6;
const MATCHES_SELF: i64 = 1 << 22;

/// One case being built.
struct Case<'a> {
    fails: Label,
    captures: Vec<(&'a str, SlotIdx)>,
    pinned: Vec<SlotIdx>,
}

impl<'a> Builder<'a> {
    /// `match subject:`
    pub fn match_stmt(&mut self, subject: &'a Expr, cases: &'a [MatchCase]) -> Build {
        let end = self.label();
        let held = self.pinned();
        self.expr(subject, Some(held))?;
        for case in cases {
            self.loc = case.pattern.span;
            let mut state = Case { fails: self.label(), captures: Vec::new(), pinned: Vec::new() };
            self.pattern(&case.pattern, held, &mut state)?;
            for (name, src) in std::mem::take(&mut state.captures) {
                self.store_name(name, src);
            }
            if let Some(guard) = &case.guard {
                let go_on = self.label();
                self.jump_if(guard, go_on, state.fails)?;
                self.place(go_on);
            }
            self.drop_all(&state.pinned);
            self.emit(GenericOp::Drop { slot: held });
            self.stmts(&case.body)?;
            self.jump(end);
            self.place(state.fails);
            self.drop_all(&state.pinned);
            state.pinned.iter().for_each(|&slot| self.free_pinned(slot));
        }
        self.drop_pinned(held);
        self.place(end);
        Ok(())
    }

    fn drop_all(&mut self, slots: &[SlotIdx]) {
        slots.iter().for_each(|&slot| self.emit(GenericOp::Drop { slot }));
    }

    fn case_slot(&mut self, case: &mut Case<'a>) -> SlotIdx {
        let slot = self.pinned();
        case.pinned.push(slot);
        slot
    }

    /// Goes on if `subject` (pinned) matches, else at the case's failure label.
    fn pattern(&mut self, pattern: &'a Pattern, subject: SlotIdx, case: &mut Case<'a>) -> Build {
        let loc = std::mem::replace(&mut self.loc, pattern.span);
        match &pattern.kind {
            PatternKind::MatchValue { value } => {
                let rhs = self.operand(value)?;
                self.require_compare(CmpOp::Eq, subject, rhs, case);
            }
            PatternKind::MatchSingleton { value } => {
                let rhs = self.constant(value.clone(), None);
                self.require_compare(CmpOp::Is, subject, rhs, case);
            }
            PatternKind::MatchAs { pattern, name } => {
                if let Some(pattern) = pattern {
                    self.pattern(pattern, subject, case)?;
                }
                if let Some(name) = name {
                    case.captures.push((name, subject));
                }
            }
            PatternKind::MatchStar { .. } => return Err(self.refuse("a starred pattern here")),
            PatternKind::MatchOr { patterns } => self.or_pattern(patterns, subject, case)?,
            PatternKind::MatchSequence { patterns } => self.sequence_pattern(patterns, subject, case)?,
            PatternKind::MatchMapping { keys, patterns, rest } => {
                self.mapping_pattern(keys, patterns, rest.as_deref(), subject, case)?;
            }
            PatternKind::MatchClass { cls, patterns, kwd_attrs, kwd_patterns } => {
                self.class_pattern(cls, patterns, kwd_attrs, kwd_patterns, subject, case)?;
            }
            PatternKind::Unknown { kind } => return Err(self.refuse(format!("`ast.{kind}`"))),
        }
        self.loc = loc;
        Ok(())
    }

    /// Every alternative binds the same names; they end in the same slots.
    fn or_pattern(&mut self, patterns: &'a [Pattern], subject: SlotIdx, case: &mut Case<'a>) -> Build {
        let matched = self.label();
        let mut shared: Vec<(&'a str, SlotIdx)> = Vec::new();
        for (idx, pattern) in patterns.iter().enumerate() {
            let is_last = idx + 1 == patterns.len();
            let fails = if is_last { case.fails } else { self.label() };
            let mut alternative = Case { fails, captures: Vec::new(), pinned: Vec::new() };
            self.pattern(pattern, subject, &mut alternative)?;
            for (name, src) in alternative.captures {
                let dst = match shared.iter().find(|(known, _)| *known == name) {
                    Some(&(_, slot)) => slot,
                    None => {
                        let slot = self.case_slot(case);
                        shared.push((name, slot));
                        slot
                    }
                };
                self.emit(GenericOp::Move { dst, src });
            }
            self.jump(matched);
            case.pinned.extend(&alternative.pinned);
            if !is_last {
                self.place(fails);
                // A later alternative, or a later turn of a loop, finds them empty.
                self.drop_all(&alternative.pinned);
            }
        }
        self.place(matched);
        case.captures.extend(shared);
        Ok(())
    }

    fn sequence_pattern(&mut self, patterns: &'a [Pattern], subject: SlotIdx, case: &mut Case<'a>) -> Build {
        self.require_flag(subject, IS_SEQUENCE, case);
        let is_star = |pattern: &Pattern| matches!(pattern.kind, PatternKind::MatchStar { .. });
        let is_wildcard = |pattern: &Pattern| {
            matches!(
                pattern.kind,
                PatternKind::MatchAs { pattern: None, name: None } | PatternKind::MatchStar { name: None }
            )
        };
        let star_at = patterns.iter().position(is_star);
        let n_needed = patterns.len() - usize::from(star_at.is_some());
        if star_at.is_none() || n_needed > 0 {
            let op = if star_at.is_some() { CmpOp::Ge } else { CmpOp::Eq };
            let lhs = self.call_builtin("len", &[subject]);
            let rhs = self.constant(Const::Int(n_needed as i64), None);
            self.require_compare(op, lhs, rhs, case);
        }
        if patterns.iter().all(is_wildcard) {
            return Ok(());
        }

        // With a wildcard star, only the items that matter are read, by index.
        if let Some(at) = star_at.filter(|&at| is_wildcard(&patterns[at])) {
            for (idx, pattern) in patterns.iter().enumerate() {
                if idx == at || is_wildcard(pattern) {
                    continue;
                }
                let index = match idx < at {
                    true => self.constant(Const::Int(idx as i64), None),
                    false => {
                        let lhs = self.call_builtin("len", &[subject]);
                        let rhs = self.constant(Const::Int((patterns.len() - idx) as i64), None);
                        let dst = self.temp();
                        self.emit(GenericOp::Binary { op: BinOp::Sub, dst, lhs, rhs });
                        dst
                    }
                };
                let dst = self.case_slot(case);
                self.emit(GenericOp::GetItem { dst, object: subject, index });
                self.pattern(pattern, dst, case)?;
            }
            return Ok(());
        }

        let slots: Vec<SlotIdx> = patterns.iter().map(|_| self.case_slot(case)).collect();
        let (before, star, after) = match star_at {
            Some(at) => (&slots[..at], Some(slots[at]), &slots[at + 1..]),
            None => (&slots[..], None, &slots[..0]),
        };
        self.emit(GenericOp::Unpack { src: subject, before: before.into(), star, after: after.into() });
        for (pattern, slot) in patterns.iter().zip(slots) {
            match &pattern.kind {
                PatternKind::MatchStar { name } => case.captures.extend(name.as_deref().map(|name| (name, slot))),
                _ => self.pattern(pattern, slot, case)?,
            }
        }
        Ok(())
    }

    fn mapping_pattern(
        &mut self,
        keys: &'a [Expr],
        patterns: &'a [Pattern],
        rest: Option<&'a str>,
        subject: SlotIdx,
        case: &mut Case<'a>,
    ) -> Build {
        // Keys that are not literals could be equal, which is an error of its own.
        if keys.len() > 1 && keys.iter().any(|key| self.const_of(key).is_none()) {
            return Err(self.refuse("a mapping pattern with several keys that are not literals"));
        }
        self.require_flag(subject, IS_MAPPING, case);
        if !keys.is_empty() {
            let lhs = self.call_builtin("len", &[subject]);
            let rhs = self.constant(Const::Int(keys.len() as i64), None);
            self.require_compare(CmpOp::Ge, lhs, rhs, case);
        }
        let mut key_slots = Vec::new();
        for key in keys {
            let slot = self.case_slot(case);
            self.expr(key, Some(slot))?;
            key_slots.push(slot);
        }
        let mut values = Vec::new();
        if !keys.is_empty() {
            let missing = self.case_slot(case);
            self.missing_marker(missing);
            let get = self.case_slot(case);
            let name = self.raw_name("get");
            self.emit(GenericOp::LoadAttr { dst: get, object: subject, name });
            for &key in &key_slots {
                let value = self.case_slot(case);
                self.emit(GenericOp::Call { dst: value, callee: get, args: Box::new([key, missing]) });
                self.require_present(value, missing, case);
                values.push(value);
            }
        }
        for (pattern, value) in patterns.iter().zip(values) {
            self.pattern(pattern, value, case)?;
        }
        if let Some(name) = rest {
            let dst = self.case_slot(case);
            self.emit(GenericOp::BuildDict { dst, items: Box::new([(None, subject)]) });
            for index in key_slots {
                self.emit(GenericOp::DeleteItem { object: dst, index });
            }
            case.captures.push((name, dst));
        }
        Ok(())
    }

    fn class_pattern(
        &mut self,
        cls: &'a Expr,
        patterns: &'a [Pattern],
        kwd_attrs: &'a [Identifier],
        kwd_patterns: &'a [Pattern],
        subject: SlotIdx,
        case: &mut Case<'a>,
    ) -> Build {
        let class = self.case_slot(case);
        self.expr(cls, Some(class))?;
        let type_class = self.builtin("type");
        let is_class = self.call_builtin("isinstance", &[class, type_class]);
        let (good, bad) = (self.label(), self.label());
        self.branch(is_class, good, bad);
        self.place(bad);
        let text = self.constant(Const::Str("called match pattern must be a class".into()), None);
        self.raise_type_error(text);
        self.place(good);
        let is_instance = self.call_builtin("isinstance", &[subject, class]);
        self.require(is_instance, case);

        let missing = self.case_slot(case);
        self.missing_marker(missing);
        let mut values = self.positional_attributes(class, patterns.len(), missing, subject, case);
        for attr in kwd_attrs {
            let name = crate::scope::mangle(self.scope.private.as_deref(), attr).into_owned();
            let name = self.constant(Const::Str(name), None);
            values.push(self.attribute_or_fail(subject, name, missing, case));
        }
        for (pattern, value) in patterns.iter().chain(kwd_patterns).zip(values) {
            self.pattern(pattern, value, case)?;
        }
        Ok(())
    }

    /// The values for positional sub-patterns: attributes named by `__match_args__`, or the subject itself for built-in
    /// classes that match that way.
    fn positional_attributes(
        &mut self,
        class: SlotIdx,
        n_given: usize,
        missing: SlotIdx,
        subject: SlotIdx,
        case: &mut Case<'a>,
    ) -> Vec<SlotIdx> {
        if n_given == 0 {
            return Vec::new();
        }
        let values: Vec<SlotIdx> = (0..n_given).map(|_| self.case_slot(case)).collect();
        let match_args = self.case_slot(case);
        let name = self.constant(Const::Str("__match_args__".into()), None);
        let callee = self.builtin("getattr");
        self.emit(GenericOp::Call { dst: match_args, callee, args: Box::new([class, name, missing]) });
        let (named, unnamed, done) = (self.label(), self.label(), self.label());
        let is_missing = self.temp();
        self.emit(GenericOp::Compare { op: CmpOp::Is, dst: is_missing, lhs: match_args, rhs: missing });
        self.branch(is_missing, unnamed, named);

        self.place(unnamed);
        let flags = self.class_flag(class, MATCHES_SELF);
        let (itself, nothing) = (self.label(), self.label());
        self.branch(flags, itself, nothing);
        self.place(nothing);
        let none = self.constant(Const::Int(0), None);
        self.raise_too_many(class, none, n_given);
        self.place(itself);
        if n_given == 1 {
            self.emit(GenericOp::Move { dst: values[0], src: subject });
            self.jump(done);
        } else {
            let one = self.constant(Const::Int(1), None);
            self.raise_too_many(class, one, n_given);
        }

        self.place(named);
        let allowed = self.case_slot(case);
        let callee = self.builtin("len");
        self.emit(GenericOp::Call { dst: allowed, callee, args: Box::new([match_args]) });
        let rhs = self.constant(Const::Int(n_given as i64), None);
        let enough = self.temp();
        self.emit(GenericOp::Compare { op: CmpOp::Ge, dst: enough, lhs: allowed, rhs });
        let (good, bad) = (self.label(), self.label());
        self.branch(enough, good, bad);
        self.place(bad);
        self.raise_too_many(class, allowed, n_given);
        self.place(good);
        for (idx, &dst) in values.iter().enumerate() {
            let index = self.constant(Const::Int(idx as i64), None);
            let name = self.temp();
            self.emit(GenericOp::GetItem { dst: name, object: match_args, index });
            let callee = self.builtin("getattr");
            self.emit(GenericOp::Call { dst, callee, args: Box::new([subject, name, missing]) });
            self.require_present(dst, missing, case);
        }
        self.place(done);
        values
    }

    fn attribute_or_fail(&mut self, object: SlotIdx, name: SlotIdx, missing: SlotIdx, case: &mut Case<'a>) -> SlotIdx {
        let value = self.case_slot(case);
        let callee = self.builtin("getattr");
        self.emit(GenericOp::Call { dst: value, callee, args: Box::new([object, name, missing]) });
        self.require_present(value, missing, case);
        value
    }

    // ---- tests and errors

    fn require(&mut self, cond: SlotIdx, case: &Case<'a>) {
        let next = self.label();
        self.branch(cond, next, case.fails);
        self.place(next);
    }

    fn require_compare(&mut self, op: CmpOp, lhs: SlotIdx, rhs: SlotIdx, case: &Case<'a>) {
        let dst = self.temp();
        self.emit(GenericOp::Compare { op, dst, lhs, rhs });
        self.require(dst, case);
    }

    fn require_present(&mut self, value: SlotIdx, missing: SlotIdx, case: &Case<'a>) {
        self.require_compare(CmpOp::IsNot, value, missing, case);
    }

    fn require_flag(&mut self, subject: SlotIdx, flag: i64, case: &Case<'a>) {
        let class = self.call_builtin("type", &[subject]);
        let cond = self.class_flag(class, flag);
        self.require(cond, case);
    }

    fn class_flag(&mut self, class: SlotIdx, flag: i64) -> SlotIdx {
        let name = self.raw_name("__flags__");
        let lhs = self.temp();
        self.emit(GenericOp::LoadAttr { dst: lhs, object: class, name });
        let rhs = self.constant(Const::Int(flag), None);
        let dst = self.temp();
        self.emit(GenericOp::Binary { op: BinOp::And, dst, lhs, rhs });
        dst
    }

    /// A built-in whatever its name means in the module.
    fn builtin(&mut self, name: &str) -> SlotIdx {
        let module = self.raw_name("builtins");
        let object = self.temp();
        self.emit(GenericOp::Import { dst: object, module, from_names: Box::default(), level: 0 });
        let name = self.raw_name(name);
        let dst = self.temp();
        self.emit(GenericOp::LoadAttr { dst, object, name });
        dst
    }

    fn call_builtin(&mut self, name: &str, args: &[SlotIdx]) -> SlotIdx {
        let callee = self.builtin(name);
        let dst = self.temp();
        self.emit(GenericOp::Call { dst, callee, args: args.into() });
        dst
    }

    /// A new object that no attribute or item can be.
    fn missing_marker(&mut self, dst: SlotIdx) {
        let callee = self.builtin("object");
        self.emit(GenericOp::Call { dst, callee, args: Box::default() });
    }

    fn raise_type_error(&mut self, text: SlotIdx) {
        let exc = self.call_builtin("TypeError", &[text]);
        self.emit(GenericOp::Raise { exc: Some(exc), cause: None });
    }

    fn raise_too_many(&mut self, class: SlotIdx, allowed: SlotIdx, n_given: usize) {
        let held = self.pinned();
        self.emit(GenericOp::Move { dst: held, src: allowed });
        let name = self.raw_name("__name__");
        let class_name = self.temp();
        self.emit(GenericOp::LoadAttr { dst: class_name, object: class, name });
        let class_name = self.formatted(class_name);
        let middle = self.constant(Const::Str("() accepts ".into()), None);
        let number = self.formatted(held);
        let one = self.constant(Const::Int(1), None);
        let is_one = self.temp();
        self.emit(GenericOp::Compare { op: CmpOp::Eq, dst: is_one, lhs: held, rhs: one });
        let noun = self.temp();
        let (single, several, end) = (self.label(), self.label(), self.label());
        self.branch(is_one, single, several);
        self.place(single);
        self.constant(Const::Str(" positional sub-pattern".into()), Some(noun));
        self.jump(end);
        self.place(several);
        self.constant(Const::Str(" positional sub-patterns".into()), Some(noun));
        self.place(end);
        let tail = self.constant(Const::Str(format!(" ({n_given} given)")), None);
        let text = self.temp();
        let parts = Box::new([class_name, middle, number, noun, tail]);
        self.emit(GenericOp::BuildString { dst: text, parts });
        self.raise_type_error(text);
        self.free_pinned(held);
    }

    fn formatted(&mut self, src: SlotIdx) -> SlotIdx {
        let dst = self.temp();
        self.emit(GenericOp::FormatValue { dst, src, conversion: Conversion::None, spec: None });
        dst
    }
}
