//! Statements, loops and jumps.

use flashpoint_ir::generic::*;
use flashpoint_ir::reason::Reason;

use super::NotCompiled;
use super::emit::{Block, Build, Builder};
use crate::syntax::*;

impl<'a> Builder<'a> {
    /// A sequence of statements.
    pub fn stmts(&mut self, body: &'a [Stmt]) -> Build {
        body.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn stmt(&mut self, stmt: &'a Stmt) -> Build {
        self.loc = stmt.span;
        match &stmt.kind {
            StmtKind::FunctionDef(def) => self.function_def(def, false),
            StmtKind::AsyncFunctionDef(def) => self.function_def(def, true),
            StmtKind::ClassDef(_) => Err(NotCompiled::new(Reason::NestedClass, stmt.span, "")),
            StmtKind::Return { value } => self.return_stmt(value.as_ref()),
            StmtKind::Delete { targets } => targets.iter().try_for_each(|target| self.delete(target)),
            StmtKind::Assign { targets, value } => self.assign(targets, value),
            StmtKind::AugAssign { target, op, value } => self.aug_assign(target, *op, value),
            StmtKind::AnnAssign { target, value, .. } => self.ann_assign(target, value.as_ref()),
            StmtKind::For { target, iter, body, orelse } => self.for_stmt(target, iter, body, orelse),
            StmtKind::While { test, body, orelse } => self.while_stmt(test, body, orelse),
            StmtKind::If { test, body, orelse } => self.if_stmt(test, body, orelse),
            StmtKind::With { items, body } => self.with_stmt(items, body),
            StmtKind::Match { subject, cases } => self.match_stmt(subject, cases),
            StmtKind::Raise { exc, cause } => self.raise_stmt(exc.as_ref(), cause.as_ref()),
            StmtKind::Try { body, handlers, orelse, finalbody } => self.try_stmt(body, handlers, orelse, finalbody),
            StmtKind::Assert { test, msg } => self.assert_stmt(test, msg.as_ref()),
            StmtKind::Import { names } => names.iter().try_for_each(|alias| self.import(alias)),
            StmtKind::ImportFrom { module, names, level } => self.import_from(module.as_deref(), names, *level),
            // Already known to the scope.
            StmtKind::Global { .. } | StmtKind::Nonlocal { .. } | StmtKind::Pass => Ok(()),
            StmtKind::Expr { value } => self.discard(value),
            StmtKind::Break => self.leave_loop(true),
            StmtKind::Continue => self.leave_loop(false),
            StmtKind::AsyncFor { .. } | StmtKind::AsyncWith { .. } => {
                Err(NotCompiled::new(Reason::Generator, stmt.span, ""))
            }
            StmtKind::TryStar { .. } => Err(self.refuse("`except*`")),
            StmtKind::TypeAlias { .. } => Err(self.refuse("a `type` statement")),
            StmtKind::Unknown { kind } => Err(self.refuse(format!("`ast.{kind}`"))),
        }
    }

    fn if_stmt(&mut self, test: &'a Expr, body: &'a [Stmt], orelse: &'a [Stmt]) -> Build {
        let (then, other) = (self.label(), self.label());
        self.jump_if(test, then, other)?;
        self.place(then);
        self.stmts(body)?;
        if orelse.is_empty() {
            self.place(other);
            return Ok(());
        }
        let end = self.label();
        self.jump(end);
        self.place(other);
        self.stmts(orelse)?;
        self.place(end);
        Ok(())
    }

    fn while_stmt(&mut self, test: &'a Expr, body: &'a [Stmt], orelse: &'a [Stmt]) -> Build {
        let loc = self.loc;
        let (header, then, other, end) = (self.label(), self.label(), self.label(), self.label());
        self.place_loop_header(header);
        self.jump_if(test, then, other)?;
        self.place(then);
        self.blocks.push(Block::Loop { break_to: end, continue_to: header, iter: None });
        self.stmts(body)?;
        self.blocks.pop();
        // CPython tests again at the end of the body, at the position of the statement.
        self.loc = loc;
        self.jump(header);
        self.place(other);
        self.stmts(orelse)?;
        self.place(end);
        Ok(())
    }

    fn for_stmt(&mut self, target: &'a Expr, iter: &'a Expr, body: &'a [Stmt], orelse: &'a [Stmt]) -> Build {
        let loc = self.loc;
        let src = self.operand(iter)?;
        let iter = self.pinned();
        self.emit(GenericOp::GetIter { dst: iter, src });
        let (header, exhausted, end) = (self.label(), self.label(), self.label());
        self.place_loop_header(header);
        self.for_target(target, iter, exhausted)?;
        self.blocks.push(Block::Loop { break_to: end, continue_to: header, iter: Some(iter) });
        self.stmts(body)?;
        self.blocks.pop();
        self.jump(header);
        self.loc = loc;
        self.place(exhausted);
        self.drop_pinned(iter);
        self.stmts(orelse)?;
        self.place(end);
        Ok(())
    }

    fn leave_loop(&mut self, is_break: bool) -> Build {
        let innermost = self.blocks.iter().rposition(|block| matches!(block, Block::Loop { .. }));
        let Some(at) = innermost else {
            return Err(NotCompiled::new(Reason::SourceChanged, self.loc, "a jump outside a loop"));
        };
        let Block::Loop { break_to, continue_to, iter } = self.blocks[at].clone() else { return Ok(()) };
        let outside = self.unwind(at + 1, None)?;
        if is_break {
            if let Some(slot) = iter {
                self.emit(GenericOp::Drop { slot });
            }
            self.jump(break_to);
        } else {
            self.jump(continue_to);
        }
        self.rewind(outside);
        Ok(())
    }

    fn return_stmt(&mut self, value: Option<&'a Expr>) -> Build {
        let constant = match value {
            Some(value) => self.const_of(value),
            None => Some(Const::None),
        };
        if let Some(constant) = constant {
            let outside = self.unwind(0, None)?;
            let src = self.constant(constant, None);
            self.emit(GenericOp::Return { src });
            self.rewind(outside);
            return Ok(());
        }
        let Some(value) = value else { return Ok(()) };
        let runs_code = |block: &Block| {
            matches!(block, Block::Finally { .. } | Block::With { .. } | Block::Handler { name: Some(_), .. })
        };
        if !self.blocks.iter().any(runs_code) {
            let src = self.operand(value)?;
            let outside = self.unwind(0, None)?;
            self.emit(GenericOp::Return { src });
            self.rewind(outside);
            return Ok(());
        }
        // The value is held while `finally` bodies and exits of `with` run.
        let held = self.pinned();
        self.expr(value, Some(held))?;
        let outside = self.unwind(0, Some(held))?;
        let src = self.temp();
        self.emit(GenericOp::Move { dst: src, src: held });
        self.drop_pinned(held);
        self.emit(GenericOp::Return { src });
        self.rewind(outside);
        Ok(())
    }

    fn raise_stmt(&mut self, exc: Option<&'a Expr>, cause: Option<&'a Expr>) -> Build {
        let exc = exc.map(|exc| self.operand(exc)).transpose()?;
        let cause = cause.map(|cause| self.operand(cause)).transpose()?;
        self.emit(GenericOp::Raise { exc, cause });
        Ok(())
    }

    fn assert_stmt(&mut self, test: &'a Expr, msg: Option<&'a Expr>) -> Build {
        if !self.shared.module.debug {
            return Ok(());
        }
        let (holds, fails) = (self.label(), self.label());
        self.jump_if(test, holds, fails)?;
        self.place(fails);
        let message = msg.map(|msg| self.operand(msg)).transpose()?;
        self.emit(GenericOp::RaiseAssertion { message });
        self.place(holds);
        Ok(())
    }

    /// `import a.b.c` binds `a`; `import a.b.c as d` binds the innermost module.
    fn import(&mut self, alias: &'a Alias) -> Build {
        let module = self.name(&alias.name);
        let mut parts = alias.name.split('.');
        let first = parts.next().unwrap_or_default();
        let mut src = self.temp();
        self.emit(GenericOp::Import { dst: src, module, from_names: Box::default(), level: 0 });
        match &alias.asname {
            None => self.store_name(first, src),
            Some(asname) => {
                for part in parts {
                    let dst = self.temp();
                    let name = self.name(part);
                    self.emit(GenericOp::ImportFrom { dst, module: src, name });
                    src = dst;
                }
                self.store_name(asname, src);
            }
        }
        Ok(())
    }

    fn import_from(&mut self, module: Option<&str>, names: &'a [Alias], level: u32) -> Build {
        let from_names = names.iter().map(|alias| self.raw_name(&alias.name)).collect();
        let module = self.name(module.unwrap_or(""));
        let held = self.pinned();
        self.emit(GenericOp::Import { dst: held, module, from_names, level });
        for alias in names {
            let name = self.name(&alias.name);
            let dst = self.temp();
            self.emit(GenericOp::ImportFrom { dst, module: held, name });
            self.store_name(alias.asname.as_deref().unwrap_or(&alias.name), dst);
        }
        self.drop_pinned(held);
        Ok(())
    }
}
