//! Builds the loop over strips around a loop that was found to fit.
//!
//! ```text
//! preheader → strip header ─(no more)→ behind the loop
//!                │
//!              setup … the strip's end, what is asked in front of it ([`super::ask`])
//!                │                                  └─(bounds do not suffice)→ checked version → behind the loop
//!              the loop, to the strip's end
//!                │
//!             strip end ─(a guard on floats may have failed)→ checked version, from the strip's start
//!                │
//!              tail: poll → strip header
//! ```

use std::collections::HashMap;

use flashpoint_ir::analysis::{Loop, LoopIdx};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::*;

use super::ask::ask;
use super::memory::copy_slice;
use super::plan::Plan;
use super::{Lengths, PollExit};
use crate::counted::{Counter, Shape};
use crate::edit::{
    Copies, Emitter, clone_blocks, clone_snapshot, new_block, new_inst, repair_ssa, targets, terminate, terminator,
    terminator_mut, visit_uses,
};
use crate::pipeline::PassContext;
use crate::version::drop_guards;

/// A loop, and what was found out about it.
pub(super) struct Found<'a> {
    pub(super) shape: &'a Shape,
    pub(super) root: LoopIdx,
    pub(super) preheader: Block,
    pub(super) counter: Counter,
    pub(super) lengths: Lengths,
    pub(super) poll: Option<PollExit>,
    pub(super) plan: Option<Plan>,
}

/// The strip loop on its way.
pub(super) struct Build<'a> {
    pub(super) shape: &'a Shape,
    pub(super) root: LoopIdx,
    pub(super) info: &'a Loop,
    pub(super) counter: Counter,
    pub(super) counter_type: Type,
    pub(super) lengths: Lengths,
    pub(super) line: u32,
    /// The loop's own header parameters.
    pub(super) params: Vec<Value>,
    /// The version that keeps all guards: finishes the loop where bounds do not suffice.
    checked: Option<Copies>,
    /// The header of the strip loop repeats the header's instructions on its own parameters: names at a strip's start.
    outer: Copies,
    strip_header: Block,
    /// What is asked in front of a strip begins here.
    pub(super) setup: Block,
}

/// What stands in front of a strip.
pub(super) struct Asked {
    /// The counter's value at which the strip ends.
    pub(super) stop: Value,
    /// The block that goes on to the strip.
    pub(super) block: Block,
    /// The header of the check loop.
    pub(super) check_header: Option<Block>,
    /// Loads of the loop, and the values loaded once instead.
    pub(super) once: Vec<(Value, Value)>,
    /// Whether the strip may run without its guards, if it has a checked version.
    pub(super) holds: Option<Value>,
}

/// Builds the strip loop; the headers of the new loops.
pub(super) fn wrap(func: &mut TypedFunction, context: &mut PassContext, found: Found) -> Vec<Block> {
    let Found { shape, root, preheader, counter, lengths, poll, plan } = found;
    let build = Build::new(func, context, shape, root, counter, lengths, plan.as_ref());
    build.enter_from(func, preheader);
    let mut defs = shape.defs.clone();
    let mut emit = Emitter::new(func, &mut defs, build.setup, build.line);
    let stop = build.strip_end(&mut emit, plan.as_ref());
    let asked = match &plan {
        Some(plan) => ask(&build, plan, emit, stop),
        None => Asked { stop, block: build.setup, once: vec![], check_header: None, holds: None },
    };
    build.go(func, &asked);
    let strip_end = build.cut_loop(func, plan.as_ref(), &asked);
    let tail = build.test_later(func, context, plan.as_ref(), asked.block, strip_end);
    build.poll_and_repeat(func, poll, tail);
    build.repair(func, &asked, strip_end, tail)
}

impl<'a> Build<'a> {
    fn new(
        func: &mut TypedFunction,
        context: &mut PassContext,
        shape: &'a Shape,
        root: LoopIdx,
        counter: Counter,
        lengths: Lengths,
        plan: Option<&Plan>,
    ) -> Build<'a> {
        let info = shape.forest.get(root);
        let header = info.header;
        let line = func.insts[func.blocks[header.index()].insts.last().expect("a terminator").index()].line;
        let params = func.blocks[header.index()].params.clone();
        let checked = plan.filter(|plan| plan.has_conditions()).map(|_| clone_blocks(func, &info.blocks));
        if let Some(copies) = &checked {
            context.checked_versions.insert(copies.blocks[&header]);
        }
        let outer = clone_blocks(func, &[header]);
        let strip_header = outer.blocks[&header];
        let setup = new_block(func, strip_header);
        Build {
            shape,
            root,
            info,
            counter_type: func.value_types[counter.param.index()],
            counter,
            lengths,
            line,
            params,
            checked,
            outer,
            strip_header,
            setup,
        }
    }

    /// Leads the preheader into the strip loop.
    fn enter_from(&self, func: &mut TypedFunction, preheader: Block) {
        terminator_mut(func, self.strip_header).for_each_target_mut(&mut |call| {
            if self.info.contains(call.block) {
                *call = BlockCall { block: self.setup, args: vec![] };
            }
        });
        terminator_mut(func, preheader).for_each_target_mut(&mut |call| {
            if call.block == self.info.header {
                call.block = self.strip_header;
            }
        });
    }

    /// The name of a value of the header at the start of a strip.
    pub(super) fn at_start(&self, value: Value) -> Value {
        self.outer.value(value)
    }

    /// A call of `block` with the state at the start of the strip.
    fn call_at_start(&self, block: Block) -> BlockCall {
        BlockCall { block, args: self.params.iter().map(|param| self.at_start(*param)).collect() }
    }

    pub(super) fn is_up(&self) -> bool {
        self.counter.step > 0
    }

    /// The most iterations of a strip.
    pub(super) fn max_trips(&self, plan: Option<&Plan>) -> i128 {
        if plan.is_some_and(|plan| !plan.loads.is_empty()) { self.lengths.checked } else { self.lengths.long }
    }

    /// How far a strip goes at most.
    fn strip_end(&self, emit: &mut Emitter, plan: Option<&Plan>) -> Value {
        let ty = self.counter_type;
        let max_trips = self.max_trips(plan);
        let first = self.at_start(self.counter.param);
        let (up, limit) = (self.is_up(), self.counter.limit);
        let size = emit.iconst(ty, self.counter.step.abs() * max_trips);
        let (far, near) = if up { (limit, first) } else { (first, limit) };
        let distance = emit.binary(BinaryOp::Isub, far, near);
        let is_long = emit.icmp(IntCC::Ugt, distance, size);
        let cut = emit.binary(if up { BinaryOp::Iadd } else { BinaryOp::Isub }, first, size);
        emit.select(is_long, cut, limit)
    }

    /// A value of the loop that follows the counter, as it is when the counter is `at`.
    pub(super) fn at_counter(&self, emit: &mut Emitter, value: Value, at: Value) -> Value {
        let mut names = HashMap::from([(self.counter.param, at)]);
        copy_slice(emit, self.shape, self.info, value, &mut names)
    }

    /// Enters the strip, or the checked version.
    fn go(&self, func: &mut TypedFunction, asked: &Asked) {
        let go = self.call_at_start(self.info.header);
        let kind = match (asked.holds, &self.checked) {
            (Some(holds), Some(copies)) => {
                let redo = BlockCall { block: copies.blocks[&self.info.header], args: go.args.clone() };
                InstKind::Branch(holds, go, redo)
            }
            _ => InstKind::Jump(go),
        };
        terminate(func, asked.block, kind, self.line);
    }

    /// The loop itself: to the strip's end, without polls and without what was answered. The block behind a strip.
    fn cut_loop(&self, func: &mut TypedFunction, plan: Option<&Plan>, asked: &Asked) -> Block {
        let Build { info, counter, line, .. } = *self;
        let header = info.header;
        let strip_end = new_block(func, *info.blocks.last().expect("a loop has blocks"));
        let test = new_inst(func, InstKind::Icmp(counter.cc, counter.param, asked.stop), &[Type::I1], line);
        let more = func.insts[test.index()].results[0];
        let at = func.blocks[header.index()].insts.len() - 1;
        func.blocks[header.index()].insts.insert(at, test);
        let stay = targets(terminator(func, header)).find(|call| call.block == counter.stay).expect("the body").clone();
        *terminator_mut(func, header) = InstKind::Branch(more, stay, BlockCall { block: strip_end, args: vec![] });
        for block in &info.blocks {
            func.blocks[block.index()].insts.retain(|inst| !matches!(func.insts[inst.index()].kind, InstKind::Poll(_)));
        }
        if let Some(plan) = plan {
            drop_guards(func, &info.blocks, &plan.dropped(), &[]);
        }
        for (loaded, once) in &asked.once {
            for block in &info.blocks {
                for inst in func.blocks[block.index()].insts.clone() {
                    func.insts[inst.index()].kind.for_each_operand_mut(&mut |v| {
                        if v == loaded {
                            *v = *once;
                        }
                    });
                }
            }
        }
        strip_end
    }

    /// Behind the strip: the guards that were put off. The block behind them.
    fn test_later(
        &self,
        func: &mut TypedFunction,
        context: &mut PassContext,
        plan: Option<&Plan>,
        start: Block,
        strip_end: Block,
    ) -> Block {
        let (Some(plan), Some(copies)) = (plan, &self.checked) else { return strip_end };
        let Some(later) = &plan.later else { return strip_end };
        let tail = new_block(func, strip_end);
        context.stores_before_test |= !plan.stores.is_empty();
        let all = later.weave(func, self.info, start, strip_end);
        let redo = self.call_at_start(copies.blocks[&self.info.header]);
        let branch = InstKind::Branch(all, BlockCall { block: tail, args: vec![] }, redo);
        terminate(func, strip_end, branch, self.line);
        tail
    }

    /// Between strips: the poll, in the state at the header.
    fn poll_and_repeat(&self, func: &mut TypedFunction, poll: Option<PollExit>, tail: Block) {
        if let Some((exit, params)) = poll {
            let mut position = 0;
            let exit = clone_snapshot(func, exit, &|v| v);
            let mut snapshot = func.snapshots[exit.index()].clone();
            snapshot.for_each_value_mut(&mut |v| {
                if let Some(k) = params[position] {
                    *v = if planted(Defect::StripPollState) { self.at_start(self.params[k]) } else { self.params[k] };
                }
                position += 1;
            });
            func.snapshots[exit.index()] = snapshot;
            terminate(func, tail, InstKind::Poll(exit), self.line);
        }
        let again = BlockCall { block: self.strip_header, args: self.params.clone() };
        terminate(func, tail, InstKind::Jump(again), self.line);
    }

    /// Behind the loop, what the header defined now comes from the strip loop's header, or from the checked version.
    /// The headers of the new loops.
    fn repair(self, func: &mut TypedFunction, asked: &Asked, strip_end: Block, tail: Block) -> Vec<Block> {
        let Build { shape, info, checked, outer, .. } = self;
        let mut new_headers = vec![self.strip_header];
        new_headers.extend(asked.check_header);
        let mut homes: Vec<Block> = info.blocks.clone();
        homes.extend([self.strip_header, self.setup, strip_end, tail]);
        homes.extend(new_headers.iter().copied());
        if let Some(copies) = &checked {
            homes.extend(copies.blocks.values().copied());
        }
        let mut used: Vec<Value> = Vec::new();
        for &block in &func.layout {
            if homes.contains(&block) {
                continue;
            }
            for inst in &func.blocks[block.index()].insts {
                visit_uses(func, &func.insts[inst.index()].kind, &mut |v| {
                    let inside = outer.values.contains_key(&v) || (checked.is_some() && shape.is_inside(info, v));
                    if inside && !used.contains(&v) {
                        used.push(v);
                    }
                });
            }
        }
        let variables: Vec<Vec<(Block, Value)>> = used
            .into_iter()
            .map(|v| {
                let home = shape.homes[v.index()].expect("it is defined in the loop");
                let mut definitions = vec![(home, v)];
                if home == info.header {
                    definitions.push((self.strip_header, outer.value(v)));
                }
                if let Some(copies) = &checked {
                    definitions.push((copies.blocks[&home], copies.value(v)));
                }
                definitions
            })
            .collect();
        repair_ssa(func, &variables, &|block| homes.contains(&block));
        new_headers.extend(checked.map(|copies| copies.blocks[&info.header]));
        new_headers
    }
}
