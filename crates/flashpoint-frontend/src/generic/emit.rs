//! The state of one function being built: slots, labels, handlers, and the operations so far.

use std::collections::HashMap;

use flashpoint_ir::generic::*;
use flashpoint_ir::reason::Reason;

use super::{ModuleInfo, NotCompiled};
use crate::scope::{Binding, Scope, Scopes, mangle};
use crate::syntax::Stmt;

/// Result of building a part.
pub(super) type Build<T = ()> = Result<T, NotCompiled>;

/// What a function shares with those nested in it.
pub(super) struct Shared<'a> {
    pub scopes: &'a Scopes,
    pub module: &'a ModuleInfo,
}

/// A jump target whose position may not be known yet. Operations hold its number as their [`Pc`] until the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Label(u32);

impl Label {
    /// As the operand of a jump.
    pub fn pc(self) -> Pc {
        Pc(self.0)
    }
}

/// Where a variable lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Variable {
    /// In a slot of its own.
    Local(SlotIdx),
    /// In a cell, of this function or of one around it.
    Cell(SlotIdx),
    /// In the module or among the built-ins.
    Global(NameIdx),
}

/// What surrounds the statement being built and must be unwound by a jump out of it.
#[derive(Clone, Debug)]
pub(super) enum Block<'a> {
    Loop {
        break_to: Label,
        continue_to: Label,
        iter: Option<SlotIdx>,
    },
    /// The body of a `try` with `except` clauses; `outer` protects what is outside.
    Try {
        outer: Option<Label>,
    },
    /// The body of a `try` with a `finally` clause.
    Finally {
        body: &'a [Stmt],
        outer: Option<Label>,
    },
    With {
        exit: SlotIdx,
        outer: Option<Label>,
        span: Span,
    },
    /// A handler that has been entered; `name` is the variable of `except ... as name`.
    Handler {
        exc: SlotIdx,
        saved: SlotIdx,
        name: Option<&'a str>,
        outer: Option<Label>,
    },
    /// A pinned value that is held while other statements run.
    Held(SlotIdx),
}

/// One function being built.
pub(super) struct Builder<'a> {
    pub shared: &'a Shared<'a>,
    pub scope: &'a Scope,
    pub qualname: String,
    /// The position that the next operation gets.
    pub loc: Span,
    pub blocks: Vec<Block<'a>>,
    /// The handler of the next operation.
    pub handler: Option<Label>,
    pub nested: Vec<NestedFunction>,
    pub nested_by_node: HashMap<usize, NestedIdx>,
    pub slots: Vec<SlotInfo>,
    variables: HashMap<String, SlotIdx>,
    free_temps: Vec<SlotIdx>,
    free_pinned: Vec<SlotIdx>,
    /// Every pinned slot in the order of handing out: a handler drops those of its body.
    pinned_log: Vec<SlotIdx>,
    consts: Vec<Const>,
    names: Vec<String>,
    name_idx: HashMap<String, NameIdx>,
    ops: Vec<GenericOp>,
    spans: Vec<Span>,
    op_handlers: Vec<Option<Label>>,
    labels: Vec<Option<Pc>>,
    loop_headers: Vec<Pc>,
}

impl<'a> Builder<'a> {
    /// An empty function with the slots of its variables; `frees` are its free variables in closure order.
    pub fn new(shared: &'a Shared<'a>, scope: &'a Scope, frees: &[String], qualname: String, loc: Span) -> Builder<'a> {
        let mut this = Builder {
            shared,
            scope,
            qualname,
            loc,
            blocks: Vec::new(),
            handler: None,
            nested: Vec::new(),
            nested_by_node: HashMap::new(),
            slots: Vec::new(),
            variables: HashMap::new(),
            free_temps: Vec::new(),
            free_pinned: Vec::new(),
            pinned_log: Vec::new(),
            consts: Vec::new(),
            names: Vec::new(),
            name_idx: HashMap::new(),
            ops: Vec::new(),
            spans: Vec::new(),
            op_handlers: Vec::new(),
            labels: Vec::new(),
            loop_headers: Vec::new(),
        };
        let of_binding = |binding: Binding| {
            let names = scope.params.iter().chain(&scope.locals);
            names.filter(move |name| scope.binding(name) == binding)
        };
        for name in &scope.params {
            this.add_slot(name, SlotKind::Param);
        }
        for name in of_binding(Binding::Local).filter(|name| !scope.params.contains(name)) {
            this.add_slot(name, SlotKind::Local);
        }
        let mut cells = Vec::new();
        for name in of_binding(Binding::Cell) {
            // A parameter's value arrives in its own slot and moves into the cell.
            let initial = scope.params.contains(name).then(|| this.variables[name]);
            cells.push((this.add_slot(name, SlotKind::Cell), initial));
        }
        for name in frees {
            this.add_slot(name, SlotKind::Free);
        }
        for (cell, initial) in cells {
            this.emit(GenericOp::MakeCell { cell, initial });
            if let Some(slot) = initial {
                this.emit(GenericOp::Drop { slot });
            }
        }
        this
    }

    fn add_slot(&mut self, name: &str, kind: SlotKind) -> SlotIdx {
        let slot = SlotIdx(self.slots.len() as u32);
        self.slots.push(SlotInfo { name: name.to_owned(), kind });
        if !name.is_empty() {
            self.variables.insert(name.to_owned(), slot);
        }
        slot
    }

    // ---- names, constants, slots

    /// A name as it is.
    pub fn raw_name(&mut self, name: &str) -> NameIdx {
        if let Some(&idx) = self.name_idx.get(name) {
            return idx;
        }
        let idx = NameIdx(self.names.len() as u32);
        self.names.push(name.to_owned());
        self.name_idx.insert(name.to_owned(), idx);
        idx
    }

    /// A name, mangled if it is private.
    pub fn name(&mut self, name: &str) -> NameIdx {
        let name = mangle(self.scope.private.as_deref(), name).into_owned();
        self.raw_name(&name)
    }

    /// Where the variable `name` lives.
    pub fn variable(&mut self, name: &str) -> Variable {
        let name = mangle(self.scope.private.as_deref(), name).into_owned();
        match (self.scope.binding(&name), self.variables.get(&name)) {
            (Binding::Local, Some(&slot)) => Variable::Local(slot),
            (Binding::Cell | Binding::Free, Some(&slot)) => Variable::Cell(slot),
            _ => Variable::Global(self.raw_name(&name)),
        }
    }

    /// The local slot of `name`, if it has one and no expression can change it between two reads.
    pub fn stable_local(&mut self, name: &str) -> Option<SlotIdx> {
        match self.variable(name) {
            Variable::Local(slot) if !self.scope.walrus.contains(&self.slots[slot.idx()].name) => Some(slot),
            _ => None,
        }
    }

    /// The cell or free variable that a nested function captures under `name` (mangled).
    pub fn captured(&mut self, name: &str) -> Build<SlotIdx> {
        match self.variables.get(name) {
            Some(&slot) if matches!(self.slots[slot.idx()].kind, SlotKind::Cell | SlotKind::Free) => Ok(slot),
            _ => Err(self.refuse(format!("capture of `{name}`"))),
        }
    }

    /// The index of a constant.
    pub fn add_const(&mut self, value: Const) -> ConstIdx {
        let idx = self.consts.iter().position(|known| *known == value).unwrap_or_else(|| {
            self.consts.push(value);
            self.consts.len() - 1
        });
        ConstIdx(idx as u32)
    }

    /// A temporary, to be read once.
    pub fn temp(&mut self) -> SlotIdx {
        self.free_temps.pop().unwrap_or_else(|| self.add_slot("", SlotKind::Temp))
    }

    /// `dst`, or a temporary.
    pub fn or_temp(&mut self, dst: Option<SlotIdx>) -> SlotIdx {
        dst.unwrap_or_else(|| self.temp())
    }

    /// A pinned temporary; it ends with [`Builder::drop_pinned`], or `Drop`s and [`Builder::free_pinned`].
    pub fn pinned(&mut self) -> SlotIdx {
        let slot = self.free_pinned.pop().unwrap_or_else(|| self.add_slot("", SlotKind::Pinned));
        self.pinned_log.push(slot);
        slot
    }

    /// Drops a pinned temporary and gives its slot back.
    pub fn drop_pinned(&mut self, slot: SlotIdx) {
        self.emit(GenericOp::Drop { slot });
        self.free_pinned(slot);
    }

    /// Gives a pinned slot back that has been dropped on all paths.
    pub fn free_pinned(&mut self, slot: SlotIdx) {
        if !self.free_pinned.contains(&slot) {
            self.free_pinned.push(slot);
        }
    }

    /// A mark for [`Builder::drop_pinned_since`].
    pub fn pinned_mark(&self) -> usize {
        self.pinned_log.len()
    }

    /// The pinned slots handed out since a mark.
    pub fn pinned_since(&self, mark: usize) -> Vec<SlotIdx> {
        let mut slots = self.pinned_log[mark..].to_vec();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// A pinned temporary that was not handed out since a mark, so that nothing protected since then can have filled it.
    pub fn pinned_outside(&mut self, mark: usize) -> SlotIdx {
        let used = self.pinned_since(mark);
        let slot = match self.free_pinned.iter().position(|slot| !used.contains(slot)) {
            Some(at) => self.free_pinned.remove(at),
            None => self.add_slot("", SlotKind::Pinned),
        };
        self.pinned_log.push(slot);
        slot
    }

    /// In a handler: drops whatever pinned values the protected operations may have left. Tidying removes the drops of
    /// slots that hold nothing there.
    pub fn drop_pinned_since(&mut self, mark: usize) {
        for slot in self.pinned_since(mark) {
            self.emit(GenericOp::Drop { slot });
        }
    }

    /// Whether the slot is a temporary that its read consumes.
    pub fn is_temp(&self, slot: SlotIdx) -> bool {
        self.slots[slot.idx()].kind == SlotKind::Temp
    }

    // ---- operations and labels

    /// Appends an operation at the current position, under the current handler.
    pub fn emit(&mut self, op: GenericOp) {
        op.for_each_read(|slot| {
            if self.slots[slot.idx()].kind == SlotKind::Temp && !self.free_temps.contains(&slot) {
                self.free_temps.push(slot);
            }
        });
        self.ops.push(op);
        self.spans.push(self.loc);
        self.op_handlers.push(self.handler);
    }

    /// Appends an operation at `span`.
    pub fn emit_at(&mut self, span: Span, op: GenericOp) {
        let loc = std::mem::replace(&mut self.loc, span);
        self.emit(op);
        self.loc = loc;
    }

    /// A label to be placed later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() as u32 - 1)
    }

    /// The next operation is where `label` is.
    pub fn place(&mut self, label: Label) {
        self.labels[label.0 as usize] = Some(Pc(self.ops.len() as u32));
    }

    /// Starts a loop here: a header of its own, even where another loop's header is.
    pub fn place_loop_header(&mut self, label: Label) {
        let here = Pc(self.ops.len() as u32);
        if self.loop_headers.contains(&here) {
            let next = self.label();
            self.jump(next);
            self.place(next);
        }
        self.loop_headers.push(Pc(self.ops.len() as u32));
        self.place(label);
    }

    /// Goes on at `label`.
    pub fn jump(&mut self, label: Label) {
        self.emit(GenericOp::Jump { target: label.pc() });
    }

    /// Branches on `cond`.
    pub fn branch(&mut self, cond: SlotIdx, if_true: Label, if_false: Label) {
        self.emit(GenericOp::Branch { cond, if_true: if_true.pc(), if_false: if_false.pc() });
    }

    /// Loads a constant.
    pub fn constant(&mut self, value: Const, dst: Option<SlotIdx>) -> SlotIdx {
        let value = self.add_const(value);
        let dst = self.or_temp(dst);
        self.emit(GenericOp::Const { dst, value });
        dst
    }

    /// A value into a slot of its own choice: `src` itself without `dst`, else a copy.
    pub fn move_to(&mut self, src: SlotIdx, dst: Option<SlotIdx>) -> SlotIdx {
        match dst {
            Some(dst) if dst != src => {
                self.emit(GenericOp::Move { dst, src });
                dst
            }
            _ => src,
        }
    }

    /// A refusal of what stands at the current position.
    pub fn refuse(&self, what: impl Into<String>) -> NotCompiled {
        NotCompiled::new(Reason::NoTypedForm, self.loc, what)
    }

    /// The finished function, tidied.
    pub fn finish(mut self, name: String, first_line: u32, params: Params) -> Build<GenericFunction> {
        let (labels, loc) = (&self.labels, self.loc);
        let resolve = |label: Pc| labels.get(label.idx()).copied().flatten();
        let lost = || NotCompiled::new(Reason::SourceChanged, loc, "a jump leads nowhere");
        for op in &mut self.ops {
            let mut missing = false;
            op.for_each_target_mut(|target| match resolve(*target) {
                Some(pc) => *target = pc,
                None => missing = true,
            });
            if missing {
                return Err(lost());
            }
        }
        let mut handlers: Vec<Handler> = Vec::new();
        for (at, label) in self.op_handlers.iter().enumerate() {
            let Some(label) = label else { continue };
            let target = resolve(label.pc()).ok_or_else(lost)?;
            let (start, end) = (Pc(at as u32), Pc(at as u32 + 1));
            match handlers.last_mut() {
                Some(last) if last.end == start && last.target == target => last.end = end,
                _ => handlers.push(Handler { start, end, target }),
            }
        }
        let mut function = GenericFunction {
            name,
            qualname: self.qualname,
            filename: self.shared.module.filename.clone(),
            first_line,
            params,
            slots: self.slots,
            consts: self.consts,
            names: self.names,
            nested: self.nested,
            ops: self.ops,
            spans: self.spans,
            handlers,
        };
        super::tidy::tidy(&mut function);
        Ok(function)
    }
}
