//! Loops that are not counted, `while x != 1: ...; length += 1`: polls and overflow checks once per strip.
//!
//! [`strip_mine`](crate::strips::strip_mine) wants a limit. Here the loop ends whenever it likes, and is wrapped in a loop
//! over strips of a constant number of iterations: a count ends the strip at the back edge, and the poll stands between
//! strips. In front of a strip one test of the variables answers the overflow checks of all its iterations:
//! - a sum that steps by a constant cannot overflow in many iterations, unless it is near the end already;
//! - for other arithmetic, intervals are computed through a few iterations, from variables of limited size.
//!
//! Where the test fails, the checked version finishes the loop.
//!
//! Changes the graph: a header for the strips in front of the loop, a copy of the loop, a block between strips.
//! Invariants:
//! - A guard is dropped only if it held in each simulated iteration, hence in every iteration of the strip.
//! - The poll keeps its exit, whose values are those at the back edge.
//!
//! Does not know about: memory, floats, why the loop ends.

use flashpoint_ir::analysis::Loop;
use flashpoint_ir::typed::*;

use crate::counted::{Shape, step_of};
use crate::edit::{Copies, Emitter, append_param, new_block, targets, terminate, terminator, terminator_mut};
use crate::intervals::{Interval, exact, interval_of, is_counted, plain};
use crate::loops::transform_loops;
use crate::pipeline::PassContext;
use crate::version::{drop_guards, make_version};

/// Iterations of a strip in which only sums by constants were checked, and where tests ask for short strips.
const LONG: i128 = 1 << 14;
const SHORT: i128 = 8;
/// Iterations of a strip whose intervals are computed; a back end may write them out one after the other.
const SIMULATED: i128 = 8;
/// Steps beyond which a sum is not taken for a count.
const MAX_STEP: i128 = 1 << 20;
/// Instructions of a loop whose intervals are computed.
const MAX_INSTS: usize = 160;
/// Variables are limited to so many bits at the start of a strip; the first that answers most guards is taken.
const SIZES: [u32; 5] = [56, 48, 40, 31, 20];

/// Takes polls, and overflow checks where one test answers them, out of innermost loops that are not counted.
pub fn count_trips(func: &mut TypedFunction, context: &mut PassContext) -> bool {
    // A guard that fails on its own is not answered by a test.
    if context.guards_fail_freely {
        return false;
    }
    transform_loops(func, context, Loop::is_innermost, |func, context, shape, idx| {
        let info = shape.forest.get(idx);
        let open = Open::of(func, shape, info)?;
        let plan = Plan::of(func, shape, info, &open, context.short_strips)?;
        Some(open.wrap(func, context, plan))
    })
}

/// A loop with one back edge, behind its only poll.
struct Open {
    preheader: Block,
    header: Block,
    latch: Block,
    poll: Inst,
}

impl Open {
    fn of(func: &TypedFunction, shape: &Shape, info: &Loop) -> Option<Open> {
        let preheader = info.preheader(&shape.cfg)?;
        let &[latch] = &info.latches[..] else { return None };
        let InstKind::Jump(_) = terminator(func, latch) else { return None };
        let mut poll = None;
        for &block in &info.blocks {
            for &inst in &func.blocks[block.index()].insts {
                match func.insts[inst.index()].kind {
                    InstKind::Poll(_) if poll.is_some() || block != latch => return None,
                    InstKind::Poll(_) => poll = Some(inst),
                    // A call may take any time, so its iteration is polled.
                    InstKind::CallUnit(..) | InstKind::CallHelper(..) => return None,
                    _ => {}
                }
            }
        }
        let poll = poll?;
        // What stands between the poll and the back edge then stands in front of the poll.
        let behind = func.blocks[latch.index()].insts.iter().skip_while(|inst| **inst != poll).skip(1);
        let mut kinds = behind.map(|inst| &func.insts[inst.index()].kind);
        kinds.all(|kind| kind.is_pure() || kind.is_terminator()).then_some(Open {
            preheader,
            header: info.header,
            latch,
            poll,
        })
    }

    /// Builds the strips; the headers of the new loops.
    fn wrap(self, func: &mut TypedFunction, context: &mut PassContext, plan: Plan) -> Vec<Block> {
        let line = func.insts[self.poll.index()].line;
        let types: Vec<Type> =
            func.blocks[self.header.index()].params.iter().map(|param| func.value_types[param.index()]).collect();

        // In front of a strip: may it run without its checks?
        let strip_header = new_block(func, self.preheader);
        let params: Vec<Value> = types.into_iter().map(|ty| append_param(func, strip_header, ty)).collect();
        terminator_mut(func, self.preheader).for_each_target_mut(&mut |call| {
            if call.block == self.header {
                call.block = strip_header;
            }
        });
        let into = BlockCall { block: self.header, args: params.clone() };
        terminate(func, strip_header, InstKind::Jump(into), line);
        let shape = Shape::of(func);
        let root = shape.forest.with_header(self.header).expect("it is a loop still");
        let mut defs = shape.defs.clone();
        let mut emit = Emitter::new(func, &mut defs, strip_header, line);
        let mut cond = emit.i1(true);
        for (index, limits) in &plan.limits {
            let ty = emit.ty(params[*index]);
            let lowest = emit.iconst(ty, limits.lo);
            let above = emit.binary(BinaryOp::Isub, params[*index], lowest);
            let size = emit.iconst(ty, limits.hi - limits.lo);
            let fits = emit.icmp(IntCC::Ule, above, size);
            cond = emit.binary(BinaryOp::And, cond, fits);
        }
        let copies = if plan.limits.is_empty() {
            Copies::default()
        } else {
            make_version(func, context, &shape, root, strip_header, cond).expect("the strip header jumps to the loop")
        };
        let block_of = |block: Block| copies.blocks.get(&block).copied().unwrap_or(block);
        let inst_of = |inst: Inst| copies.insts.get(&inst).copied().unwrap_or(inst);
        let fast: Vec<Block> = shape.forest.get(root).blocks.iter().map(|block| block_of(*block)).collect();
        let guards: Vec<Inst> = plan.guards.iter().map(|inst| inst_of(*inst)).collect();
        drop_guards(func, &fast, &guards, &[]);

        // At the back edge: another iteration, or the end of the strip.
        let (header, latch, poll) = (block_of(self.header), block_of(self.latch), inst_of(self.poll));
        let strip_end = new_block(func, latch);
        let insts = &mut func.blocks[latch.index()].insts;
        insts.retain(|inst| *inst != poll);
        let jump = insts.pop().expect("a terminator");
        let InstKind::Jump(again) = func.insts[jump.index()].kind.clone() else { unreachable!("it was a jump") };
        let counts = plan.count.map(|(index, step)| (params[index], again.args[index], step));
        let (from, next, step) = counts.unwrap_or_else(|| {
            let mut emit = Emitter::new(func, &mut defs, strip_header, line);
            let zero = emit.iconst(Type::I64, 0);
            let at = append_param(func, header, Type::I64);
            terminator_mut(func, strip_header).for_each_target_mut(&mut |call| {
                if call.block == header {
                    call.args.push(zero);
                }
            });
            let mut emit = Emitter::new(func, &mut defs, latch, line);
            let one = emit.iconst(Type::I64, 1);
            (zero, emit.binary(BinaryOp::Iadd, at, one), 1)
        });
        let mut emit = Emitter::new(func, &mut defs, strip_header, line);
        let length = emit.iconst(Type::I64, step * plan.trips);
        let stop = emit.binary(BinaryOp::Iadd, from, length);
        let mut emit = Emitter::new(func, &mut defs, latch, line);
        let ends = emit.icmp(IntCC::Eq, next, stop);
        let mut stay = again.clone();
        if plan.count.is_none() {
            stay.args.push(next);
        }
        let between = BlockCall { block: strip_end, args: vec![] };
        terminate(func, latch, InstKind::Branch(ends, between, stay), line);

        // Between strips.
        func.blocks[strip_end.index()].insts.push(poll);
        terminate(func, strip_end, InstKind::Jump(BlockCall { block: strip_header, args: again.args }), line);
        vec![strip_header, header]
    }
}

/// How long a strip is, and what must hold in front of it.
struct Plan {
    trips: i128,
    /// The parameter of the header that counts, and its step; one is made if there is none.
    count: Option<(usize, i128)>,
    /// Parameters of the header, and what they must lie between.
    limits: Vec<(usize, Interval)>,
    /// Guards that hold in the whole strip then.
    guards: Vec<Inst>,
}

impl Plan {
    fn of(func: &TypedFunction, shape: &Shape, info: &Loop, open: &Open, short: bool) -> Option<Plan> {
        let loop_ = Simulation::of(func, shape, info, open);
        let long = if short { SHORT } else { LONG };
        let sums: Vec<(usize, i128)> = loop_
            .params
            .iter()
            .enumerate()
            .filter(|(_, param)| func.value_types[param.index()] == Type::I64)
            .filter_map(|(index, param)| Some((index, step_of(func, &shape.defs, *param, loop_.back[index])?)))
            .filter(|(_, step)| (1..=MAX_STEP).contains(step))
            .collect();
        let count = sums.first().copied();
        let full = |index: usize| Interval::full(func.value_types[loop_.params[index].index()]);
        let everything: Vec<Interval> = (0..loop_.params.len()).map(full).collect();
        // What sums with room for a long strip at its start are in any of its iterations.
        let mut inside = everything.clone();
        sums.iter().for_each(|(index, step)| inside[*index].hi -= step);
        let by_sums = loop_.proved(&inside, 1);
        let (mut trips, mut start, mut runs, mut guards) = (long, inside, 1, by_sums);
        if guards.len() < loop_.n_guards() && loop_.n_insts <= MAX_INSTS {
            for bits in SIZES {
                let limited = |index: usize| Interval { lo: -1 << bits, hi: 1 << bits }.meet(full(index));
                let sizes: Vec<Interval> = (0..loop_.params.len()).map(limited).collect();
                let proved = loop_.proved(&sizes, SIMULATED);
                if proved.len() > guards.len() {
                    (trips, start, runs, guards) = (SIMULATED, sizes, SIMULATED, proved);
                }
                if guards.len() == loop_.n_guards() {
                    break;
                }
            }
        }
        if guards.is_empty() && count.is_none() {
            return None;
        }
        // Variables that no guard needs stay free.
        for index in 0..start.len() {
            let limited = std::mem::replace(&mut start[index], everything[index]);
            if limited != everything[index] && loop_.proved(&start, runs).len() < guards.len() {
                start[index] = limited;
            }
        }
        let mut limits: Vec<(usize, Interval)> =
            start.into_iter().enumerate().filter(|(index, limit)| *limit != everything[*index]).collect();
        if runs == 1 {
            // At the start of the strip, they have not taken its steps yet.
            for (index, limit) in &mut limits {
                let (_, step) = sums.iter().find(|(sum, _)| sum == index).expect("only sums are limited");
                limit.hi -= step * (trips - 1);
            }
        }
        Some(Plan { trips, count, limits, guards })
    }
}

/// A loop as intervals see it.
struct Simulation<'a> {
    func: &'a TypedFunction,
    shape: &'a Shape,
    info: &'a Loop,
    /// The loop's blocks, each before its successors.
    order: Vec<Block>,
    params: Vec<Value>,
    /// What the back edge hands to them.
    back: Vec<Value>,
    n_insts: usize,
}

/// What is known of the values of one iteration.
struct Facts {
    intervals: Vec<Option<Interval>>,
    truths: Vec<Option<bool>>,
}

impl<'a> Simulation<'a> {
    fn of(func: &'a TypedFunction, shape: &'a Shape, info: &'a Loop, open: &Open) -> Simulation<'a> {
        let mut order = info.blocks.clone();
        order.sort_by_key(|block| shape.cfg.position(*block));
        let n_insts = order.iter().map(|block| func.blocks[block.index()].insts.len()).sum();
        let back = targets(terminator(func, open.latch)).next().expect("it jumps").args.clone();
        Simulation { func, shape, info, order, params: func.blocks[info.header.index()].params.clone(), back, n_insts }
    }

    fn guards(&self) -> impl Iterator<Item = (Inst, Value)> {
        let insts = self.order.iter().flat_map(|block| &self.func.blocks[block.index()].insts);
        insts.filter_map(|inst| match self.func.insts[inst.index()].kind {
            InstKind::Guard(cond, _) => Some((*inst, cond)),
            _ => None,
        })
    }

    fn n_guards(&self) -> usize {
        self.guards().count()
    }

    /// The guards that hold in `n` iterations from parameters in these intervals.
    fn proved(&self, start: &[Interval], n: i128) -> Vec<Inst> {
        let mut proved: Vec<(Inst, Value)> = self.guards().collect();
        let mut at = start.to_vec();
        for _ in 0..n {
            let facts = self.iteration(&at);
            proved.retain(|(_, cond)| self.truth(&facts, *cond) == Some(true));
            at = self.back.iter().map(|value| self.interval(&facts, *value)).collect();
        }
        proved.into_iter().map(|(inst, _)| inst).collect()
    }

    fn interval(&self, facts: &Facts, value: Value) -> Interval {
        let ty = self.func.value_types[value.index()];
        facts.intervals[value.index()]
            .or_else(|| self.shape.defs.int(self.func, value).map(Interval::point))
            .unwrap_or_else(|| Interval::full(ty))
    }

    fn truth(&self, facts: &Facts, cond: Value) -> Option<bool> {
        facts.truths[cond.index()].or_else(|| self.shape.defs.int(self.func, cond).map(|known| known != 0))
    }

    fn iteration(&self, start: &[Interval]) -> Facts {
        let n = self.func.value_types.len();
        let mut facts = Facts { intervals: vec![None; n], truths: vec![None; n] };
        for (param, interval) in self.params.iter().zip(start) {
            facts.intervals[param.index()] = Some(*interval);
        }
        for &block in &self.order {
            if block != self.info.header {
                self.join(&mut facts, block);
            }
            for &inst in &self.func.blocks[block.index()].insts {
                self.inst(&mut facts, inst);
            }
        }
        facts
    }

    /// Parameters of a block inside: the hull of what arrives.
    fn join(&self, facts: &mut Facts, block: Block) {
        for (index, param) in self.func.blocks[block.index()].params.iter().enumerate() {
            if !is_counted(self.func.value_types[param.index()]) {
                continue;
            }
            let arriving = self.shape.cfg.predecessors(block).iter().flat_map(|pred| {
                targets(terminator(self.func, *pred)).filter(|call| call.block == block).map(|call| call.args[index])
            });
            facts.intervals[param.index()] = arriving.map(|arg| self.interval(facts, arg)).reduce(Interval::hull);
        }
    }

    fn inst(&self, facts: &mut Facts, inst: Inst) {
        let data = &self.func.insts[inst.index()];
        let Some(&result) = data.results.first() else { return };
        let ty = self.func.value_types[result.index()];
        let at = |facts: &Facts, value: Value| self.interval(facts, value);
        let interval = match data.kind {
            InstKind::Overflow(op, a, b) if is_counted(ty) => {
                let exact = plain(op).and_then(|op| exact(op, at(facts, a), at(facts, b))).filter(|i| i.fits(ty));
                facts.truths[data.results[1].index()] = exact.map(|_| false);
                exact
            }
            InstKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) if ty == Type::I1 => {
                let decisive = op == BinaryOp::Or;
                facts.truths[result.index()] = match (self.truth(facts, a), self.truth(facts, b)) {
                    (Some(x), _) | (_, Some(x)) if x == decisive => Some(decisive),
                    (Some(_), Some(_)) => Some(!decisive),
                    _ => None,
                };
                None
            }
            InstKind::Binary(op, a, b) if is_counted(ty) => interval_of(op, at(facts, a), at(facts, b), ty),
            InstKind::Icmp(IntCC::Eq, a, b) if self.func.value_types[a.index()] == Type::I1 => {
                facts.truths[result.index()] = self.truth(facts, a).zip(self.truth(facts, b)).map(|(x, y)| x == y);
                None
            }
            InstKind::Icmp(cc, a, b) if is_counted(self.func.value_types[a.index()]) => {
                facts.truths[result.index()] = decide(cc, at(facts, a), at(facts, b));
                None
            }
            InstKind::Select(_, a, b) if is_counted(ty) => Some(at(facts, a).hull(at(facts, b))),
            InstKind::Convert(ConvertOp::Sext, a, _) if is_counted(self.func.value_types[a.index()]) => {
                Some(at(facts, a))
            }
            _ => None,
        };
        facts.intervals[result.index()] = interval;
    }
}

/// A signed comparison of intervals.
fn decide(cc: IntCC, a: Interval, b: Interval) -> Option<bool> {
    let (yes, no) = match cc {
        IntCC::Slt => (a.hi < b.lo, a.lo >= b.hi),
        IntCC::Sle => (a.hi <= b.lo, a.lo > b.hi),
        IntCC::Sgt => (a.lo > b.hi, a.hi <= b.lo),
        IntCC::Sge => (a.lo >= b.hi, a.hi < b.lo),
        _ => return None,
    };
    if yes || no { Some(yes) } else { None }
}
