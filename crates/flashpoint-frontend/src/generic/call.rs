//! Calls. The callee is evaluated first, then positional arguments, then keyword arguments.

use flashpoint_ir::generic::*;

use super::emit::{Build, Builder};
use crate::scope::Binding;
use crate::syntax::*;

/// CPython 3.11 calls methods in its own way up to this many arguments.
const METHOD_CALL_LIMIT: usize = 30;

impl<'a> Builder<'a> {
    /// `func(args, keywords)`; `call` is the whole expression.
    pub fn call(
        &mut self,
        call: &'a Expr,
        func: &'a Expr,
        args: &'a [Expr],
        keywords: &'a [Keyword],
        dst: Option<SlotIdx>,
    ) -> Build<SlotIdx> {
        let is_super = matches!(&func.kind, ExprKind::Name { id } if id == "super");
        if is_super && args.is_empty() && self.scope.binding("__class__") == Binding::Free {
            return Err(self.refuse("`super()` without arguments"));
        }
        let has_stars = args.iter().any(is_starred) || keywords.iter().any(|keyword| keyword.arg.is_none());
        let callee = self.operand(func)?;
        let (args, mut plain) = self.arguments(args, keywords)?;
        plain &= keywords.is_empty();
        // A method call stands on the line of the method's name.
        if let ExprKind::Attribute { attr, .. } = &func.kind
            && !has_stars
            && args.len() + usize::from(!keywords.is_empty()) < METHOD_CALL_LIMIT
        {
            self.loc = call.span;
            self.move_to_attr(func, attr);
        }
        let dst = self.or_temp(dst);
        self.emit(match plain {
            true => GenericOp::Call { dst, callee, args: args.iter().map(|arg| arg.slot()).collect() },
            false => GenericOp::CallEx { dst, callee, args: args.into() },
        });
        Ok(dst)
    }

    /// The arguments of a call, and whether all are plain.
    fn arguments(&mut self, args: &'a [Expr], keywords: &'a [Keyword]) -> Build<(Vec<Arg>, bool)> {
        // A single `*args` is handed to the call as it is; among others it is unpacked where it stands.
        let (mut all, plain) = match args {
            [Expr { kind: ExprKind::Starred { value }, .. }] => (vec![Arg::Star(self.operand(value)?)], false),
            _ => {
                let has_stars = args.iter().any(is_starred);
                let keywords_matter = keywords.iter().any(|keyword| !self.is_inert(&keyword.value));
                (self.starred_items(args, keywords_matter, Collect::List)?, !has_stars)
            }
        };
        for keyword in keywords {
            let slot = self.operand(&keyword.value)?;
            all.push(match &keyword.arg {
                // Not mangled, unlike a parameter of the same name: CPython does the same.
                Some(name) => Arg::Keyword(self.raw_name(name), slot),
                None => Arg::DoubleStar(slot),
            });
        }
        Ok((all, plain))
    }

    /// Items with stars, in order. Where code runs after a star, what came so far is collected first, so that the
    /// iteration happens in its place. `more_follows` says that code runs after the last item.
    pub fn starred_items(&mut self, items: &'a [Expr], more_follows: bool, collect: Collect) -> Build<Vec<Arg>> {
        let mut args = Vec::new();
        for (idx, item) in items.iter().enumerate() {
            let ExprKind::Starred { value } = &item.kind else {
                args.push(Arg::Plain(self.operand(item)?));
                continue;
            };
            args.push(Arg::Star(self.operand(value)?));
            if more_follows || items[idx + 1..].iter().any(|later| !self.is_inert(later)) {
                let dst = self.temp();
                let items = std::mem::take(&mut args).into();
                self.emit(match collect {
                    Collect::List => GenericOp::BuildList { dst, items },
                    Collect::Set => GenericOp::BuildSet { dst, items },
                });
                args.push(Arg::Star(dst));
            }
        }
        Ok(args)
    }

    /// Whether evaluating can neither raise nor be seen: a constant, or a parameter.
    pub fn is_inert(&mut self, expr: &Expr) -> bool {
        if self.const_of(expr).is_some() {
            return true;
        }
        let ExprKind::Name { id } = &expr.kind else { return false };
        self.stable_local(id).is_some_and(|slot| self.slots[slot.idx()].kind == SlotKind::Param)
    }
}

/// What starred items are collected in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collect {
    List,
    Set,
}

/// Whether the item is `*x`.
pub(super) fn is_starred(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Starred { .. })
}
