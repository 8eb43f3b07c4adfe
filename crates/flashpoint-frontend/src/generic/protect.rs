//! `try`, `with`, and jumps out of them.
//!
//! Every handler begins with `EnterHandler`, drops what the protected part may have pinned, and runs under a cleanup
//! handler that makes the exception handled before it current again. The bodies of `finally` clauses are emitted once
//! per way out, as CPython does, so that no path carries a "where to go next".

use flashpoint_ir::generic::*;

use super::emit::{Block, Build, Builder, Label};
use crate::syntax::*;

/// The state before an unwinding, to go on with the statements after the jump.
pub(super) struct Outside<'a> {
    blocks: Vec<Block<'a>>,
    handler: Option<Label>,
    loc: Span,
}

/// A protected part and the slots of its handler.
struct Region {
    handler: Label,
    outer: Option<Label>,
    exc: SlotIdx,
    saved: SlotIdx,
    mark: usize,
}

impl<'a> Builder<'a> {
    /// Emits what has to happen on the way out of all blocks but the outermost `down_to`, holding the value in `held`.
    /// The caller emits its jump and calls [`Builder::rewind`].
    pub fn unwind(&mut self, down_to: usize, held: Option<SlotIdx>) -> Build<Outside<'a>> {
        let outside = Outside { blocks: self.blocks.clone(), handler: self.handler, loc: self.loc };
        while self.blocks.len() > down_to {
            match self.blocks.pop() {
                None => break,
                Some(Block::Loop { iter, .. }) => {
                    if let Some(slot) = iter {
                        self.emit(GenericOp::Drop { slot });
                    }
                }
                Some(Block::Try { outer }) => self.handler = outer,
                Some(Block::Finally { body, outer }) => {
                    self.handler = outer;
                    if let Some(held) = held {
                        self.blocks.push(Block::Held(held));
                    }
                    self.stmts(body)?;
                    if held.is_some() {
                        self.blocks.pop();
                    }
                    self.loc = outside.loc;
                }
                Some(Block::With { exit, outer, span }) => {
                    self.handler = outer;
                    self.loc = span;
                    self.with_exit(exit);
                    self.emit(GenericOp::Drop { slot: exit });
                    self.loc = outside.loc;
                }
                Some(Block::Handler { exc, saved, name, outer }) => {
                    self.handler = outer;
                    self.emit(GenericOp::LeaveHandler { exc, saved });
                    self.unbind(name);
                }
                Some(Block::Held(slot)) => self.emit(GenericOp::Drop { slot }),
            }
        }
        Ok(outside)
    }

    /// Goes back to where an unwinding started; what follows there is only reached otherwise.
    pub fn rewind(&mut self, outside: Outside<'a>) {
        self.blocks = outside.blocks;
        self.handler = outside.handler;
        self.loc = outside.loc;
    }

    /// `try`: a `finally` clause surrounds the rest.
    pub fn try_stmt(
        &mut self,
        body: &'a [Stmt],
        handlers: &'a [ExceptHandler],
        orelse: &'a [Stmt],
        finalbody: &'a [Stmt],
    ) -> Build {
        if finalbody.is_empty() {
            return self.try_except(body, handlers, orelse);
        }
        let loc = self.loc;
        let region = self.protect();
        self.blocks.push(Block::Finally { body: finalbody, outer: region.outer });
        match handlers.is_empty() {
            true => self.stmts(body).and_then(|()| self.stmts(orelse))?,
            false => self.try_except(body, handlers, orelse)?,
        }
        self.blocks.pop();
        self.unprotect(&region);

        let end = self.label();
        self.stmts(finalbody)?;
        self.jump(end);

        self.loc = loc;
        let cleanup = self.enter_handler(&region, None);
        self.stmts(finalbody)?;
        self.blocks.pop();
        self.reraise(&region);
        self.cleanup_handler(&region, cleanup, &[], None);
        self.place(end);
        Ok(())
    }

    fn try_except(&mut self, body: &'a [Stmt], handlers: &'a [ExceptHandler], orelse: &'a [Stmt]) -> Build {
        let loc = self.loc;
        let region = self.protect();
        self.blocks.push(Block::Try { outer: region.outer });
        self.stmts(body)?;
        self.blocks.pop();
        self.unprotect(&region);
        let end = self.label();
        self.stmts(orelse)?;
        self.jump(end);

        self.loc = loc;
        let cleanup = self.enter_handler(&region, None);
        let mut catches_all = false;
        for handler in handlers {
            self.loc = handler.span;
            let next = self.label();
            if let Some(class) = &handler.r#type {
                let class = self.operand(class)?;
                let dst = self.temp();
                self.emit(GenericOp::MatchException { dst, exc: region.exc, class });
                let matches = self.label();
                self.branch(dst, matches, next);
                self.place(matches);
            } else {
                catches_all = true;
            }
            self.except_body(handler, &region, cleanup, end)?;
            self.place(next);
        }
        self.blocks.pop();
        if !catches_all {
            self.loc = loc;
            self.reraise(&region);
        }
        self.cleanup_handler(&region, cleanup, &[], None);
        self.place(end);
        Ok(())
    }

    /// The body of one `except` clause, which has been selected.
    fn except_body(&mut self, clause: &'a ExceptHandler, region: &Region, cleanup: Label, end: Label) -> Build {
        let Some(name) = clause.name.as_deref() else {
            self.stmts(&clause.body)?;
            self.handler = region.outer;
            self.emit(GenericOp::LeaveHandler { exc: region.exc, saved: region.saved });
            self.jump(end);
            self.handler = Some(cleanup);
            return Ok(());
        };
        // The variable is unbound on every way out; this clause has a cleanup handler of its own that does so.
        self.store_name(name, region.exc);
        let mark = self.pinned_mark();
        let unbinding = self.label();
        let outer_block = self.blocks.pop();
        self.blocks.push(Block::Handler {
            exc: region.exc,
            saved: region.saved,
            name: Some(name),
            outer: region.outer,
        });
        self.handler = Some(unbinding);
        self.stmts(&clause.body)?;
        self.blocks.pop();
        self.blocks.extend(outer_block);
        self.handler = region.outer;
        self.loc = clause.span;
        self.emit(GenericOp::LeaveHandler { exc: region.exc, saved: region.saved });
        self.unbind(Some(name));
        self.jump(end);
        let inner = Region { mark, ..*region };
        self.cleanup_handler(&inner, unbinding, &[], Some(name));
        self.handler = Some(cleanup);
        Ok(())
    }

    /// `with a as x, b as y:`, the first item outermost.
    pub fn with_stmt(&mut self, items: &'a [WithItem], body: &'a [Stmt]) -> Build {
        let Some((item, rest)) = items.split_first() else { return self.stmts(body) };
        let loc = self.loc;
        let manager = self.operand(&item.context_expr)?;
        let exit = self.pinned();
        let dst = self.temp();
        self.emit(GenericOp::WithEnter { dst, exit, manager });
        let region = self.protect();
        self.blocks.push(Block::With { exit, outer: region.outer, span: loc });
        match &item.optional_vars {
            Some(target) => self.store(target, dst)?,
            None => self.emit(GenericOp::Drop { slot: dst }),
        }
        self.loc = loc;
        self.with_stmt(rest, body)?;
        self.blocks.pop();
        self.unprotect(&region);

        self.loc = loc;
        let end = self.label();
        self.with_exit(exit);
        self.emit(GenericOp::Drop { slot: exit });
        self.jump(end);

        let cleanup = self.enter_handler(&region, None);
        let suppresses = self.temp();
        self.emit(GenericOp::WithExit { dst: suppresses, exit, exc: Some(region.exc) });
        let (swallowed, passed_on) = (self.label(), self.label());
        self.branch(suppresses, swallowed, passed_on);
        self.blocks.pop();
        self.handler = region.outer;
        self.place(passed_on);
        self.emit(GenericOp::Drop { slot: exit });
        self.emit(GenericOp::Reraise { exc: region.exc, saved: region.saved });
        self.place(swallowed);
        self.emit(GenericOp::LeaveHandler { exc: region.exc, saved: region.saved });
        self.emit(GenericOp::Drop { slot: exit });
        self.jump(end);
        self.cleanup_handler(&region, cleanup, &[exit], None);
        self.free_pinned(exit);
        self.place(end);
        Ok(())
    }

    /// Calls the `__exit__` of a block that ended without an exception.
    fn with_exit(&mut self, exit: SlotIdx) {
        let dst = self.temp();
        self.emit(GenericOp::WithExit { dst, exit, exc: None });
        self.emit(GenericOp::Drop { slot: dst });
    }

    /// `name = None; del name`, which cannot fail.
    fn unbind(&mut self, name: Option<&str>) {
        let Some(name) = name else { return };
        let none = self.constant(Const::None, None);
        self.store_name(name, none);
        self.delete_name(name);
    }

    // ---- regions and their handlers

    /// What follows is protected by a new handler, whose slots are reserved from here on.
    fn protect(&mut self) -> Region {
        let (exc, saved) = (self.pinned(), self.pinned());
        let region = Region { handler: self.label(), outer: self.handler, exc, saved, mark: self.pinned_mark() };
        self.handler = Some(region.handler);
        region
    }

    fn unprotect(&mut self, region: &Region) {
        self.handler = region.outer;
    }

    /// Starts the handler of a region and its block. Returns the label of the cleanup handler that protects it.
    fn enter_handler(&mut self, region: &Region, name: Option<&'a str>) -> Label {
        self.handler = region.outer;
        self.place(region.handler);
        self.emit(GenericOp::EnterHandler { exc: region.exc, saved: region.saved });
        let cleanup = self.label();
        self.handler = Some(cleanup);
        self.drop_pinned_since(region.mark);
        self.blocks.push(Block::Handler { exc: region.exc, saved: region.saved, name, outer: region.outer });
        cleanup
    }

    fn reraise(&mut self, region: &Region) {
        self.handler = region.outer;
        self.emit(GenericOp::Reraise { exc: region.exc, saved: region.saved });
    }

    /// An exception left the handler of `region`: the one handled before becomes current, then it travels on.
    fn cleanup_handler(&mut self, region: &Region, cleanup: Label, drops: &[SlotIdx], name: Option<&str>) {
        self.handler = region.outer;
        self.place(cleanup);
        let left_over = self.pinned_since(region.mark);
        let (exc, saved) = (self.pinned_outside(region.mark), self.pinned_outside(region.mark));
        self.emit(GenericOp::EnterHandler { exc, saved });
        left_over.into_iter().for_each(|slot| self.emit(GenericOp::Drop { slot }));
        self.unbind(name);
        self.emit(GenericOp::Drop { slot: saved });
        self.emit(GenericOp::Drop { slot: region.exc });
        for &slot in drops {
            self.emit(GenericOp::Drop { slot });
        }
        self.emit(GenericOp::Reraise { exc, saved: region.saved });
        self.free_pinned(exc);
        self.free_pinned(saved);
        if name.is_none() {
            self.free_pinned(region.exc);
            self.free_pinned(region.saved);
        }
    }
}
