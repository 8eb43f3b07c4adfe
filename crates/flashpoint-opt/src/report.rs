//! Says of each loop whether it is clean, and if not, why, and whether it waits for itself: what `explain()` shows.

use std::collections::HashSet;

use flashpoint_ir::analysis::{Cfg, DomTree, Loop, LoopForest};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{BinaryOp, Block, InstKind, TypedFunction, Value};
use flashpoint_ir::verify::why_not_clean;

use crate::pipeline::PassContext;

/// One loop of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopReport {
    /// Its header.
    pub header: Block,
    /// Line of the user's source.
    pub line: u32,
    /// Number of loops around it, itself included.
    pub depth: u32,
    /// Whether no other loop is inside.
    pub innermost: bool,
    /// What keeps it from being clean (no guard, poll or call inside), and on which line; `None` if it is clean.
    pub obstacle: Option<(Reason, u32)>,
    /// The line of a float operation that waits for its own result of the iteration before, without the licence to
    /// reassociate; only the plain case, an accumulator, is found.
    pub carried: Option<u32>,
}

/// The loops of `func`, checked versions beside a faster one apart.
pub fn report_loops(func: &TypedFunction, context: &PassContext) -> Vec<LoopReport> {
    let cfg = Cfg::of(func);
    let doms = DomTree::of(func, &cfg);
    let forest = LoopForest::of(func, &cfg, &doms);
    forest
        .loops()
        .iter()
        .filter(|info| !context.checked_versions.contains(&info.header))
        .map(|info| {
            let lines = info.blocks.iter().flat_map(|b| &func.blocks[b.index()].insts);
            let line = lines.map(|inst| func.insts[inst.index()].line).find(|line| *line != 0).unwrap_or(0);
            LoopReport {
                header: info.header,
                line,
                depth: info.depth,
                innermost: info.is_innermost(),
                obstacle: why_not_clean(func, info).map(|(reason, inst)| (reason, func.insts[inst.index()].line)),
                carried: carried(func, info),
            }
        })
        .collect()
}

/// The line of a float operation from a parameter of the loop's header to the value that comes round for it.
fn carried(func: &TypedFunction, info: &Loop) -> Option<u32> {
    if func.licences.fastmath {
        return None;
    }
    let in_loop = || info.blocks.iter().flat_map(|block| &func.blocks[block.index()].insts);
    let definition = |value: Value| {
        let mut all = in_loop().map(|inst| &func.insts[inst.index()]);
        all.find(|data| data.results.contains(&value))
    };
    let params = &func.blocks[info.header.index()].params;
    for inst in in_loop() {
        let InstKind::Jump(call) = &func.insts[inst.index()].kind else { continue };
        if call.block != info.header {
            continue;
        }
        for (&param, &arg) in params.iter().zip(&call.args) {
            let Some(last) = definition(arg) else { continue };
            let (mut work, mut seen) = (vec![arg], HashSet::new());
            while let Some(value) = work.pop() {
                if value == param {
                    return Some(last.line);
                }
                if !seen.insert(value) {
                    continue;
                }
                if let Some(InstKind::Binary(op, a, b)) = definition(value).map(|data| &data.kind)
                    && matches!(op, BinaryOp::Fadd | BinaryOp::Fsub | BinaryOp::Fmul | BinaryOp::Fdiv)
                {
                    work.extend([*a, *b]);
                }
            }
        }
    }
    None
}
