//! Unroll and jam: several iterations of an outer loop go through its inner loop together.
//!
//! `for j: total = 0.0; for k: total += a[i, k] * b[k, j]; c[i, j] = total` waits for one addition after the other, since
//! the order of a sum decides its last bits. Sums of several `j` do not wait for each other. So [`COPIES`] iterations of
//! the outer loop are done at once, each in its own order: the result is the same, and a back end can put the sums into
//! one vector.
//!
//! The new loop stands in front of the old one, which does what is left over, and everything where the question in front
//! of each round says no: fewer iterations left than copies, an inner loop too long to go without a poll, or a store of
//! one iteration that may hit what another reads.
//!
//! Only nests of a plain shape: the outer loop's body is a straight line but for branches on what does not change in it,
//! and holds one loop, a straight line itself, with bounds that do not change; no guards are left but those on floats, no
//! calls, and stores only behind the inner loop. The guards on floats are tested once, in front of a round's stores: an
//! infinity or NaN is in the sum by then. If one may have failed, the old loop does these iterations again.
//! Invariants:
//! - Every copy does what its iteration did, in that order; copies differ only in the order among each other.
//! - The poll behind a round has the exit of the last copy's poll, in the state of that copy.
//!
//! Does not know about: vectors, Python.

use std::collections::HashMap;

use flashpoint_ir::analysis::{Loop, LoopIdx};
use flashpoint_ir::typed::*;

use crate::counted::{Counter, Shape, counter, step_of};
use crate::edit::{
    Emitter, append_param, clone_snapshot, new_block, new_inst, targets, terminate, terminator, terminator_mut,
};
use crate::float_guards::{Soft, all_finite, roots, soft_guard};
use crate::loops::transform_loops;
use crate::pipeline::PassContext;
use crate::strips::memory::copy_slice;

/// Iterations done together: two registers of four floats each, so that one waits while the other is added to.
const COPIES: usize = 8;
/// Instructions of an iteration, inner loop included, that are worth eight copies.
const MAX_INSTS: usize = 64;
/// Iterations of an inner loop without a poll.
const MAX_TRIPS: i128 = 1 << 17;

/// Does iterations of outer loops together, where the inner loop is a sum that waits for itself.
pub fn jam(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    if context.fastmath || context.guards_fail_freely {
        return false;
    }
    transform_loops(
        func,
        context,
        |_| true,
        |func, _, shape, idx| {
            let nest = Nest::of(func, shape, idx)?;
            Some(nest.build(func, shape))
        },
    )
}

/// An outer loop with one inner loop, as straight lines.
struct Nest<'a> {
    outer: &'a Loop,
    header: Block,
    preheader: Block,
    counter: Counter,
    inner: Counter,
    /// Branches on what does not change, and the side on which the inner loop is.
    conds: Vec<(Value, bool)>,
    /// Instructions in front of the inner loop, in it and behind it.
    before: Vec<Inst>,
    inside: Vec<Inst>,
    behind: Vec<Inst>,
    /// Parameters of blocks on the way, and what they receive.
    names: Vec<(Value, Value)>,
    /// The inner header's parameters, what they start with, and what the back edge hands over.
    params: Vec<Value>,
    starts: Vec<Value>,
    next: Vec<Value>,
    /// The exit of the poll at the outer back edge, and what that hands over.
    poll: Option<SnapshotId>,
    back: Vec<Value>,
    /// Values whose being finite says that the guards on floats hold.
    telling: Vec<Value>,
}

impl<'a> Nest<'a> {
    fn of(func: &TypedFunction, shape: &'a Shape, idx: LoopIdx) -> Option<Nest<'a>> {
        let outer = shape.forest.get(idx);
        let &[inner] = &outer.children[..] else { return None };
        let inner = shape.forest.get(inner);
        if !inner.is_innermost() || inner.exits.len() != 1 || outer.exits.len() != 1 {
            return None;
        }
        let (outer_counter, inner_counter) = (counter(func, shape, outer)?, counter(func, shape, inner)?);
        let is_plain = |c: &Counter| matches!(c.cc, IntCC::Slt | IntCC::Sgt) && c.step.abs() == 1;
        let stays = |value: Value| !shape.is_inside(outer, value);
        if !is_plain(&outer_counter)
            || !is_plain(&inner_counter)
            || !stays(inner_counter.first)
            || !stays(inner_counter.limit)
        {
            return None;
        }
        let mut nest = Nest {
            outer,
            header: outer.header,
            preheader: outer.preheader(&shape.cfg)?,
            counter: outer_counter,
            inner: inner_counter,
            conds: Vec::new(),
            before: body_of(func, outer.header),
            inside: body_of(func, inner.header),
            behind: Vec::new(),
            names: Vec::new(),
            params: func.blocks[inner.header.index()].params.clone(),
            starts: Vec::new(),
            next: Vec::new(),
            poll: None,
            back: Vec::new(),
            telling: Vec::new(),
        };
        nest.walk(func, shape, inner)?;
        nest.is_worth_it(func).then_some(())?;
        nest.is_legal(func, shape).then_some(nest)
    }

    /// Follows the straight line from header to header.
    fn walk(&mut self, func: &TypedFunction, shape: &Shape, inner: &Loop) -> Option<()> {
        let mut part = 0;
        let mut block = self.counter.stay;
        for _ in 0..self.outer.blocks.len() + 2 {
            let insts = body_of(func, block);
            match part {
                0 => self.before.extend(insts),
                1 => self.inside.extend(insts),
                _ => self.behind.extend(insts),
            }
            let call = match terminator(func, block) {
                InstKind::Jump(call) => call,
                InstKind::Branch(cond, a, b) if part == 0 && !shape.is_inside(self.outer, *cond) => {
                    let truth = shape.doms.dominates(a.block, inner.header);
                    self.conds.push((*cond, truth));
                    if truth { a } else { b }
                }
                _ => return None,
            };
            if call.block == inner.header && part == 0 {
                self.starts = call.args.clone();
                part = 1;
                block = self.inner.stay;
                continue;
            }
            if call.block == inner.header && part == 1 {
                self.next = call.args.clone();
                part = 2;
                let leave = targets(terminator(func, inner.header)).find(|call| !inner.contains(call.block))?;
                self.enter(func, leave);
                block = leave.block;
                continue;
            }
            if call.block == self.header && part == 2 {
                self.back = call.args.clone();
                return Some(());
            }
            if shape.cfg.predecessors(call.block) != [block] {
                return None;
            }
            self.enter(func, call);
            block = call.block;
        }
        None
    }

    fn enter(&mut self, func: &TypedFunction, call: &BlockCall) {
        let params = &func.blocks[call.block.index()].params;
        self.names.extend(params.iter().copied().zip(call.args.iter().copied()));
    }

    /// Whether the inner loop carries floats that wait for each other.
    fn is_worth_it(&self, func: &TypedFunction) -> bool {
        let n_insts = self.before.len() + self.inside.len() + self.behind.len();
        let waits = self.params.iter().zip(&self.next).any(|(param, next)| {
            let adds = self.inside.iter().any(|inst| {
                let data = &func.insts[inst.index()];
                data.results.first() == Some(next)
                    && matches!(data.kind, InstKind::Binary(BinaryOp::Fadd | BinaryOp::Fsub | BinaryOp::Fmul, a, b)
                        if a == *param || b == *param)
            });
            func.value_types[param.index()].is_float() && adds
        });
        waits && n_insts <= MAX_INSTS
    }

    fn is_legal(&mut self, func: &TypedFunction, shape: &Shape) -> bool {
        let kind = |inst: &Inst| &func.insts[inst.index()].kind;
        for inst in &self.behind {
            if let InstKind::Poll(exit) = kind(inst) {
                self.poll = Some(*exit);
            }
        }
        let is_load = |kind: &InstKind| matches!(kind, InstKind::Load { region: Region::Array, .. });
        let is_store = |kind: &InstKind| matches!(kind, InstKind::Store { region: Region::Array, .. });
        let is_poll = |kind: &InstKind| matches!(kind, InstKind::Poll(_));
        let Some(telling) = self.telling_values(func, shape) else { return false };
        self.telling = telling;
        let is_soft = |inst: &Inst| soft_guard(func, &shape.defs, *inst).is_some();
        let moves =
            |kind: &InstKind| kind.is_pure() && !matches!(kind, InstKind::Libm(..)) || is_load(kind) || is_poll(kind);
        let ok = self.before.iter().chain(&self.inside).all(|inst| moves(kind(inst)) || is_soft(inst))
            && self.behind.iter().all(|inst| moves(kind(inst)) || is_store(kind(inst)));
        // An iteration may know of those before it only by counting.
        let header_params = &func.blocks[self.header.index()].params;
        let counts = |index: usize, param: Value| {
            param == self.counter.param || step_of(func, &shape.defs, param, self.back[index]).is_some()
        };
        let mut waits = false;
        let unknown: Vec<Value> = header_params
            .iter()
            .enumerate()
            .filter(|(index, param)| !counts(*index, **param))
            .map(|(_, param)| *param)
            .collect();
        for inst in self.insts() {
            kind(&inst).for_each_operand(&mut |v| waits |= unknown.contains(&v));
        }
        let handed = self.names.iter().map(|(_, arg)| arg).chain(&self.starts).chain(&self.next);
        waits |= handed.into_iter().any(|v| unknown.contains(v));
        // Behind the inner loop only its parameters are known, which each copy has.
        let local: Vec<Value> =
            self.inside.iter().flat_map(|inst| func.insts[inst.index()].results.iter().copied()).collect();
        for inst in &self.behind {
            kind(inst).for_each_operand(&mut |v| waits |= local.contains(&v));
        }
        waits |= self.back.iter().chain(self.names.iter().map(|(_, arg)| arg)).any(|v| local.contains(v));
        if let Some(exit) = self.poll {
            waits |= func.snapshots[exit.index()].values().iter().any(|v| local.contains(v));
        }
        let addresses_known = self.accesses(func).iter().all(|access| self.is_affine(func, shape, access.addr, 12));
        ok && !waits && addresses_known && self.poll.is_some()
    }

    /// Values, known behind the inner loop, whose being finite says that the guards on floats held; `None` if there are
    /// other guards.
    fn telling_values(&self, func: &TypedFunction, shape: &Shape) -> Option<Vec<Value>> {
        let soft_of = |insts: &[Inst]| -> Option<Vec<Soft>> {
            let guards = insts.iter().filter(|inst| matches!(func.insts[inst.index()].kind, InstKind::Guard(..)));
            guards.map(|inst| soft_guard(func, &shape.defs, *inst).filter(|soft| soft.finite.is_some())).collect()
        };
        let mut telling = roots(func, &shape.defs, &soft_of(&self.before)?);
        for value in roots(func, &shape.defs, &soft_of(&self.inside)?) {
            // It runs through the loop: infinite or NaN once, it stays so.
            let (param, _) = self.params.iter().zip(&self.next).find(|(_, next)| **next == value)?;
            let travels = matches!(shape.defs.inst(func, value)?,
                InstKind::Binary(BinaryOp::Fadd | BinaryOp::Fsub | BinaryOp::Fmul, a, b) if a == param || b == param);
            telling.push(travels.then_some(*param)?);
        }
        Some(telling)
    }

    fn insts(&self) -> impl Iterator<Item = Inst> {
        self.before.iter().chain(&self.inside).chain(&self.behind).copied()
    }

    fn accesses(&self, func: &TypedFunction) -> Vec<Access> {
        self.insts()
            .filter_map(|inst| match func.insts[inst.index()].kind {
                InstKind::Load { ty, addr, offset, .. } => Some(Access { addr, offset, ty, is_store: false }),
                InstKind::Store { value, addr, offset, .. } => {
                    Some(Access { addr, offset, ty: func.value_types[value.index()], is_store: true })
                }
                _ => None,
            })
            .collect()
    }

    /// Whether an address moves evenly with each counter, so that its ends are those of the counters.
    fn is_affine(&self, func: &TypedFunction, shape: &Shape, value: Value, depth: u32) -> bool {
        if value == self.counter.param || value == self.inner.param || !shape.is_inside(self.outer, value) {
            return true;
        }
        let affine = |v: Value| depth > 0 && self.is_affine(func, shape, v, depth - 1);
        let stays = |v: Value| !shape.is_inside(self.outer, v);
        match shape.defs.inst(func, value) {
            Some(InstKind::PtrAdd(a, b) | InstKind::Binary(BinaryOp::Iadd | BinaryOp::Isub, a, b)) => {
                affine(*a) && affine(*b)
            }
            Some(InstKind::Overflow(OverflowOp::SaddOverflow | OverflowOp::SsubOverflow, a, b)) => {
                affine(*a) && affine(*b)
            }
            Some(InstKind::Binary(BinaryOp::Imul, a, b)) => (affine(*a) && stays(*b)) || (affine(*b) && stays(*a)),
            Some(InstKind::Binary(BinaryOp::Shl, a, b)) => affine(*a) && stays(*b),
            _ => false,
        }
    }

    /// Builds the loop of rounds; the headers of the new loops.
    fn build(&self, func: &mut TypedFunction, shape: &Shape) -> Vec<Block> {
        let line = func.insts[func.blocks[self.header.index()].insts.last().expect("a terminator").index()].line;
        let header_params = func.blocks[self.header.index()].params.clone();
        let types: Vec<Type> = header_params.iter().map(|param| func.value_types[param.index()]).collect();

        let rounds = new_block(func, self.preheader);
        let begin = new_block(func, rounds);
        let inner_header = new_block(func, begin);
        let inner_body = new_block(func, inner_header);
        let end = new_block(func, inner_body);
        let params: Vec<Value> = types.into_iter().map(|ty| append_param(func, rounds, ty)).collect();
        terminator_mut(func, self.preheader).for_each_target_mut(&mut |call| {
            if call.block == self.header {
                call.block = rounds;
            }
        });

        let here = |value: Value| header_params.iter().position(|param| *param == value).map(|at| params[at]);
        let first = here(self.counter.param).expect("the counter is a parameter");
        let go = self.question(func, shape, rounds, first, line);
        let enter = BlockCall { block: begin, args: vec![] };
        let rest = BlockCall { block: self.header, args: params.clone() };
        terminate(func, rounds, InstKind::Branch(go, enter, rest), line);

        // In front of the inner loop: each copy counts on from the last.
        let mut copies: Vec<HashMap<Value, Value>> = Vec::new();
        for copy in 0..COPIES {
            let mut defs = shape.defs.clone();
            let mut emit = Emitter::new(func, &mut defs, begin, line);
            let mut names = HashMap::new();
            for (index, param) in header_params.iter().enumerate() {
                let step = if *param == self.counter.param {
                    Some(self.counter.step)
                } else {
                    step_of(emit.func, &shape.defs, *param, self.back[index])
                };
                let mut value = params[index];
                if let Some(step) = step.filter(|_| copy > 0) {
                    let ty = emit.ty(value);
                    let distance = emit.iconst(ty, step * copy as i128);
                    value = emit.binary(BinaryOp::Iadd, value, distance);
                }
                names.insert(*param, value);
            }
            self.copy_into(func, begin, &self.before, &mut names);
            copies.push(names);
        }

        // The inner loop, with one counter for all.
        let at = append_param(func, inner_header, func.value_types[self.inner.param.index()]);
        let mut into = vec![self.inner.first];
        let mut again = Vec::new();
        for names in &mut copies {
            for (param, start) in self.params.iter().zip(&self.starts) {
                if *param == self.inner.param {
                    names.insert(*param, at);
                    continue;
                }
                into.push(self.name(names, *start));
                let carried = append_param(func, inner_header, func.value_types[param.index()]);
                names.insert(*param, carried);
            }
        }
        terminate(func, begin, InstKind::Jump(BlockCall { block: inner_header, args: into }), line);
        let mut defs = shape.defs.clone();
        let mut emit = Emitter::new(func, &mut defs, inner_header, line);
        let more = emit.icmp(self.inner.cc, at, self.inner.limit);
        let call = |block| BlockCall { block, args: vec![] };
        terminate(func, inner_header, InstKind::Branch(more, call(inner_body), call(end)), line);
        let mut emit = Emitter::new(func, &mut defs, inner_body, line);
        let step = emit.iconst(emit.ty(at), self.inner.step);
        again.push(emit.binary(BinaryOp::Iadd, at, step));
        let outside: Vec<HashMap<Value, Value>> = copies.clone();
        for names in &mut copies {
            self.copy_into(func, inner_body, &self.inside, names);
            for (param, next) in self.params.iter().zip(&self.next) {
                if *param != self.inner.param {
                    again.push(self.name(names, *next));
                }
            }
        }
        terminate(func, inner_body, InstKind::Jump(BlockCall { block: inner_header, args: again }), line);

        // The guards on floats, of all copies.
        let mut defs = shape.defs.clone();
        let mut emit = Emitter::new(func, &mut defs, end, line);
        let telling: Vec<Value> =
            outside.iter().flat_map(|names| self.telling.iter().map(|value| self.name(names, *value))).collect();
        let well = all_finite(&mut emit, &telling);
        let commit = new_block(func, end);
        let enter = BlockCall { block: commit, args: vec![] };
        let again = BlockCall { block: self.header, args: params.clone() };
        terminate(func, end, InstKind::Branch(well, enter, again), line);

        // Behind it, copy after copy.
        let mut names = HashMap::new();
        let mut back = Vec::new();
        for (copy, outside) in outside.into_iter().enumerate() {
            names = outside;
            if copy > 0 {
                for (param, handed) in header_params.iter().zip(&back) {
                    names.insert(*param, *handed);
                }
            }
            self.copy_into(func, commit, &self.behind, &mut names);
            back = self.back.iter().map(|value| self.name(&names, *value)).collect();
        }
        let exit = self.poll.expect("legality asks for one");
        let exit = clone_snapshot(func, exit, &|value| self.name(&names, value));
        terminate(func, commit, InstKind::Poll(exit), line);
        terminate(func, commit, InstKind::Jump(BlockCall { block: rounds, args: back }), line);
        vec![rounds, inner_header]
    }

    /// Whether a round may start at this value of the counter.
    fn question(&self, func: &mut TypedFunction, shape: &Shape, block: Block, first: Value, line: u32) -> Value {
        let mut defs = shape.defs.clone();
        let mut emit = Emitter::new(func, &mut defs, block, line);
        let ty = emit.ty(first);
        // Enough iterations left.
        let goes_on = emit.icmp(self.counter.cc, first, self.counter.limit);
        let up = self.counter.step > 0;
        let (far, near) = if up { (self.counter.limit, first) } else { (first, self.counter.limit) };
        let left = emit.binary(BinaryOp::Isub, far, near);
        let wanted = emit.iconst(ty, COPIES as i128);
        let enough = emit.icmp(IntCC::Uge, left, wanted);
        let mut all = emit.binary(BinaryOp::And, goes_on, enough);
        // Few enough in the inner loop.
        let (far, near) = if self.inner.step > 0 {
            (self.inner.limit, self.inner.first)
        } else {
            (self.inner.first, self.inner.limit)
        };
        let trips = emit.binary(BinaryOp::Isub, far, near);
        let most = emit.iconst(emit.ty(trips), MAX_TRIPS);
        let short = emit.icmp(IntCC::Ule, trips, most);
        all = emit.binary(BinaryOp::And, all, short);
        for (cond, truth) in &self.conds {
            let holds = if *truth {
                *cond
            } else {
                let no = emit.i1(false);
                emit.icmp(IntCC::Eq, *cond, no)
            };
            all = emit.binary(BinaryOp::And, all, holds);
        }
        // No store hits what is read.
        let distance = emit.iconst(ty, self.counter.step * (COPIES as i128 - 1));
        let last = emit.binary(BinaryOp::Iadd, first, distance);
        let inner_ty = emit.ty(self.inner.limit);
        let inner_step = emit.iconst(inner_ty, self.inner.step);
        let inner_last = emit.binary(BinaryOp::Isub, self.inner.limit, inner_step);
        let accesses = self.accesses(emit.func);
        let corners = [(first, self.inner.first), (first, inner_last), (last, self.inner.first), (last, inner_last)];
        for store in accesses.iter().filter(|access| access.is_store) {
            let written = self.ends(&mut emit, shape, store, &corners);
            for load in accesses.iter().filter(|access| !access.is_store) {
                let read = self.ends(&mut emit, shape, load, &corners);
                let behind = emit.icmp(IntCC::Sge, read.0, written.1);
                let before = emit.icmp(IntCC::Sge, written.0, read.1);
                let apart = emit.binary(BinaryOp::Or, behind, before);
                all = emit.binary(BinaryOp::And, all, apart);
            }
        }
        all
    }

    /// The lowest address of an access, and the one behind its highest.
    fn ends(&self, emit: &mut Emitter, shape: &Shape, access: &Access, corners: &[(Value, Value)]) -> (Value, Value) {
        let mut ends: Option<(Value, Value)> = None;
        for (outer, inner) in corners {
            let mut names = HashMap::from([(self.counter.param, *outer), (self.inner.param, *inner)]);
            let addr = copy_slice(emit, shape, self.outer, access.addr, &mut names);
            let addr = emit.convert(ConvertOp::Bitcast, addr, Type::I64);
            // Addresses of user space are positive as integers.
            ends = Some(match ends {
                None => (addr, addr),
                Some((lo, hi)) => (emit.binary(BinaryOp::Smin, lo, addr), emit.binary(BinaryOp::Smax, hi, addr)),
            });
        }
        let (lo, hi) = ends.expect("there are corners");
        let begin = emit.iconst(Type::I64, i128::from(access.offset));
        let end = emit.iconst(Type::I64, i128::from(access.offset) + i128::from(access.ty.lane_bits().div_ceil(8)));
        (emit.binary(BinaryOp::Iadd, lo, begin), emit.binary(BinaryOp::Iadd, hi, end))
    }

    /// The copy's name of a value.
    fn name(&self, names: &HashMap<Value, Value>, value: Value) -> Value {
        if let Some(name) = names.get(&value) {
            return *name;
        }
        match self.names.iter().find(|(param, _)| *param == value) {
            Some((_, arg)) => self.name(names, *arg),
            None => value,
        }
    }

    /// Copies instructions to the end of a block, polls and guards left out.
    fn copy_into(&self, func: &mut TypedFunction, block: Block, insts: &[Inst], names: &mut HashMap<Value, Value>) {
        for inst in insts {
            let data = func.insts[inst.index()].clone();
            if matches!(data.kind, InstKind::Poll(_) | InstKind::Guard(..)) {
                continue;
            }
            let mut kind = data.kind;
            kind.for_each_operand_mut(&mut |v| *v = self.name(names, *v));
            let types: Vec<Type> = data.results.iter().map(|v| func.value_types[v.index()]).collect();
            let copy = new_inst(func, kind, &types, data.line);
            for (old, new) in data.results.iter().zip(&func.insts[copy.index()].results) {
                names.insert(*old, *new);
            }
            func.blocks[block.index()].insts.push(copy);
        }
    }
}

/// A load or a store.
struct Access {
    addr: Value,
    offset: i32,
    ty: Type,
    is_store: bool,
}

/// A block's instructions but its terminator.
fn body_of(func: &TypedFunction, block: Block) -> Vec<Inst> {
    let insts = &func.blocks[block.index()].insts;
    insts[..insts.len() - 1].to_vec()
}
