//! Writes generic functions by hand.

use flashpoint_ir::generic::{
    BinOp, CmpOp, Const, ConstIdx, GenericFunction, GenericOp, Handler, NameIdx, NestedFunction, NestedIdx, Params, Pc,
    SlotIdx, SlotInfo, SlotKind, Span,
};

/// A label: the position is known when it is placed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label(u32);

/// Builds a function operation by operation. Each operation stands on the line set last.
pub(crate) struct Builder {
    function: GenericFunction,
    line: u32,
    labels: Vec<Option<Pc>>,
    handlers: Vec<(Pc, Pc, Label)>,
}

/// Targets are labels until [`Builder::finish`]: they are counted from here.
const LABEL_BASE: u32 = 1 << 30;

impl Builder {
    pub(crate) fn new(name: &str, params: &[&str]) -> Builder {
        let slots = params.iter().map(|name| SlotInfo { name: (*name).into(), kind: SlotKind::Param }).collect();
        let function = GenericFunction {
            name: name.into(),
            qualname: name.into(),
            filename: "test.py".into(),
            first_line: 1,
            params: Params { n_positional: params.len() as u32, ..Params::default() },
            slots,
            consts: Vec::new(),
            names: Vec::new(),
            nested: Vec::new(),
            ops: Vec::new(),
            spans: Vec::new(),
            handlers: Vec::new(),
        };
        Builder { function, line: 1, labels: Vec::new(), handlers: Vec::new() }
    }

    fn slot(&mut self, name: &str, kind: SlotKind) -> SlotIdx {
        self.function.slots.push(SlotInfo { name: name.into(), kind });
        SlotIdx(self.function.slots.len() as u32 - 1)
    }

    pub(crate) fn param(&self, index: u32) -> SlotIdx {
        SlotIdx(index)
    }

    pub(crate) fn local(&mut self, name: &str) -> SlotIdx {
        self.slot(name, SlotKind::Local)
    }

    pub(crate) fn cell(&mut self, name: &str) -> SlotIdx {
        self.slot(name, SlotKind::Cell)
    }

    pub(crate) fn free(&mut self, name: &str) -> SlotIdx {
        self.slot(name, SlotKind::Free)
    }

    pub(crate) fn temp(&mut self) -> SlotIdx {
        self.slot("", SlotKind::Temp)
    }

    pub(crate) fn pinned(&mut self) -> SlotIdx {
        self.slot("", SlotKind::Pinned)
    }

    pub(crate) fn name(&mut self, name: &str) -> NameIdx {
        self.function.names.push(name.into());
        NameIdx(self.function.names.len() as u32 - 1)
    }

    pub(crate) fn line(&mut self, line: u32) {
        self.line = line;
    }

    pub(crate) fn op(&mut self, op: GenericOp) -> Pc {
        let span = Span { line: self.line, ..Span::default() };
        self.function.ops.push(op);
        self.function.spans.push(span);
        Pc(self.function.ops.len() as u32 - 1)
    }

    pub(crate) fn here(&self) -> Pc {
        Pc(self.function.ops.len() as u32)
    }

    pub(crate) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() as u32 - 1)
    }

    pub(crate) fn place(&mut self, label: Label) {
        self.labels[label.0 as usize] = Some(self.here());
    }

    fn target(label: Label) -> Pc {
        Pc(LABEL_BASE + label.0)
    }

    /// A temporary that holds a constant.
    pub(crate) fn constant(&mut self, value: Const) -> SlotIdx {
        let dst = self.temp();
        self.constant_to(dst, value);
        dst
    }

    pub(crate) fn constant_to(&mut self, dst: SlotIdx, value: Const) {
        self.function.consts.push(value);
        let value = ConstIdx(self.function.consts.len() as u32 - 1);
        self.op(GenericOp::Const { dst, value });
    }

    pub(crate) fn int(&mut self, value: i64) -> SlotIdx {
        self.constant(Const::Int(value))
    }

    pub(crate) fn str(&mut self, value: &str) -> SlotIdx {
        self.constant(Const::Str(value.into()))
    }

    pub(crate) fn global(&mut self, name: &str) -> SlotIdx {
        let (dst, name) = (self.temp(), self.name(name));
        self.op(GenericOp::LoadGlobal { dst, name });
        dst
    }

    pub(crate) fn binary(&mut self, op: BinOp, lhs: SlotIdx, rhs: SlotIdx) -> SlotIdx {
        let dst = self.temp();
        self.op(GenericOp::Binary { op, dst, lhs, rhs });
        dst
    }

    pub(crate) fn compare(&mut self, op: CmpOp, lhs: SlotIdx, rhs: SlotIdx) -> SlotIdx {
        let dst = self.temp();
        self.op(GenericOp::Compare { op, dst, lhs, rhs });
        dst
    }

    pub(crate) fn call(&mut self, callee: SlotIdx, args: &[SlotIdx]) -> SlotIdx {
        let dst = self.temp();
        self.op(GenericOp::Call { dst, callee, args: args.into() });
        dst
    }

    pub(crate) fn move_to(&mut self, dst: SlotIdx, src: SlotIdx) {
        self.op(GenericOp::Move { dst, src });
    }

    pub(crate) fn jump(&mut self, label: Label) {
        self.op(GenericOp::Jump { target: Self::target(label) });
    }

    pub(crate) fn branch(&mut self, cond: SlotIdx, if_true: Label, if_false: Label) {
        self.op(GenericOp::Branch { cond, if_true: Self::target(if_true), if_false: Self::target(if_false) });
    }

    pub(crate) fn ret(&mut self, src: SlotIdx) {
        self.op(GenericOp::Return { src });
    }

    /// `for dst in iterable: body`, with the iterator in a pinned slot.
    pub(crate) fn for_each(&mut self, dst: SlotIdx, iterable: SlotIdx, body: impl FnOnce(&mut Builder)) {
        let iter = self.pinned();
        self.op(GenericOp::GetIter { dst: iter, src: iterable });
        let (header, exit) = (self.label(), self.label());
        self.place(header);
        self.op(GenericOp::ForNext { dst, iter, exhausted: Self::target(exit) });
        body(self);
        self.jump(header);
        self.place(exit);
        self.op(GenericOp::Drop { slot: iter });
    }

    /// `try: body` with a handler that begins with `EnterHandler`; `handler` gets the exception and what was handled
    /// before.
    pub(crate) fn try_except(
        &mut self,
        body: impl FnOnce(&mut Builder),
        handler: impl FnOnce(&mut Builder, SlotIdx, SlotIdx),
    ) {
        let (caught, after) = (self.label(), self.label());
        let start = self.here();
        body(self);
        self.handlers.push((start, self.here(), caught));
        self.jump(after);
        self.place(caught);
        let (exc, saved) = (self.pinned(), self.pinned());
        self.op(GenericOp::EnterHandler { exc, saved });
        handler(self, exc, saved);
        self.place(after);
    }

    pub(crate) fn protect(&mut self, start: Pc, target: Label) {
        self.handlers.push((start, self.here(), target));
    }

    pub(crate) fn nested(&mut self, body: GenericFunction) -> NestedIdx {
        let name = body.name.clone();
        self.function.nested.push(NestedFunction { name, first_line: 1, ordinal: 0, body: Some(Box::new(body)) });
        NestedIdx(self.function.nested.len() as u32 - 1)
    }

    /// The function. A final `return None` is added.
    pub(crate) fn finish(mut self) -> GenericFunction {
        let none = self.constant(Const::None);
        self.ret(none);
        let labels = &self.labels;
        let resolve = |pc: &mut Pc| {
            if pc.0 >= LABEL_BASE {
                *pc = labels[(pc.0 - LABEL_BASE) as usize].expect("the label was placed");
            }
        };
        for op in &mut self.function.ops {
            match op {
                GenericOp::Jump { target } => resolve(target),
                GenericOp::Branch { if_true, if_false, .. } => {
                    resolve(if_true);
                    resolve(if_false);
                }
                GenericOp::ForNext { exhausted, .. } => resolve(exhausted),
                _ => {}
            }
        }
        for (start, end, target) in self.handlers {
            let target = labels[target.0 as usize].expect("the label was placed");
            self.function.handlers.push(Handler { start, end, target });
        }
        self.function
    }
}
