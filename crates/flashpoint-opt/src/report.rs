//! Says of each loop whether it is clean, and if not, why: what `explain()` shows.

use flashpoint_ir::analysis::{Cfg, DomTree, LoopForest};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{Block, TypedFunction};
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
            }
        })
        .collect()
}
