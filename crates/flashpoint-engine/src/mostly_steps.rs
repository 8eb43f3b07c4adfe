//! Loops that are left to tier 0, because most of what they do are steps ([`crate::steps`]).
//!
//! A step does what tier 0 does, and has to be handed its operands besides. Where nothing but a little arithmetic stands
//! between the steps, that costs more than machine code saves. What is weighed is what is sure to run in each iteration: a step
//! behind a condition may be rare, and one on a number's operator may be there for large numbers only.

use std::collections::HashSet;

use flashpoint_ir::generic::{GenericFunction, GenericOp, Pc};
use flashpoint_ir::liveness::{Liveness, LoopInfo};

use flashpoint_frontend::lower::Step;

/// What a step costs more than the operation does in tier 0; in units of 10 ns, as all weights.
const STEP: u32 = 10;

/// Whether tier 0 runs every innermost loop of the code from `entry` at least as fast: of the loop there, or of the whole
/// function. `steps` are those of that code.
pub(crate) fn of_all_loops(function: &GenericFunction, liveness: &Liveness, entry: Pc, steps: &[Step]) -> bool {
    let loops = liveness.loops();
    let within = liveness.loop_at(entry).filter(|_| entry != Pc(0)).map(|index| &loops[index]);
    let mut innermost = loops
        .iter()
        .filter(|looped| within.is_none_or(|outer| outer.contains(looped.header)))
        .filter(|looped| !loops.iter().any(|other| other.header != looped.header && looped.contains(other.header)))
        .peekable();
    !steps.is_empty() && innermost.peek().is_some() && innermost.all(|looped| is_mostly_steps(function, looped, steps))
}

fn is_mostly_steps(function: &GenericFunction, looped: &LoopInfo, steps: &[Step]) -> bool {
    // Of an inlined function nothing is known here.
    let is_inlined = |step: &Step| step.callers.first().is_some_and(|(_, call)| looped.contains(*call));
    if steps.iter().any(is_inlined) {
        return false;
    }
    let steps: HashSet<Pc> = steps.iter().filter(|step| looped.contains(step.pc)).map(|step| step.pc).collect();
    let counts = |pc: &&Pc| !is_operator(&function.ops[pc.idx()]) && runs_always(function, looped, **pc);
    let lost = STEP * steps.iter().filter(counts).count() as u32;
    let ops = (0..function.ops.len() as u32).map(Pc).filter(|pc| looped.contains(*pc) && !steps.contains(pc));
    lost > ops.map(|pc| weight(&function.ops[pc.idx()])).sum()
}

/// Operators and branches: steps on large numbers, typed on small ones.
fn is_operator(op: &GenericOp) -> bool {
    use GenericOp as O;
    matches!(op, O::Binary { .. } | O::InPlace { .. } | O::Unary { .. } | O::Compare { .. } | O::Branch { .. })
}

/// What tier 0 takes at least for an operation that has typed form.
fn weight(op: &GenericOp) -> u32 {
    use GenericOp as O;
    match op {
        O::Const { .. }
        | O::Move { .. }
        | O::Jump { .. }
        | O::Drop { .. }
        | O::Delete { .. }
        | O::CheckBound { .. } => 0,
        O::LoadGlobal { .. } => 1,
        O::ForNext { .. } => 2,
        op if is_operator(op) => 2,
        O::LoadAttr { .. } => 4,
        _ => STEP,
    }
}

/// Whether no iteration comes round without this operation.
fn runs_always(function: &GenericFunction, looped: &LoopInfo, pc: Pc) -> bool {
    let mut seen = HashSet::from([pc]);
    let mut left = vec![looped.header];
    while let Some(at) = left.pop() {
        if !looped.contains(at) || !seen.insert(at) {
            continue;
        }
        if looped.back_edges.contains(&at) {
            return false;
        }
        let op = &function.ops[at.idx()];
        left.extend(op.targets());
        if op.falls_through() {
            left.push(Pc(at.0 + 1));
        }
    }
    true
}
