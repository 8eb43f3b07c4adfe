//! The driver of the passes that change one loop at a time.

use flashpoint_ir::analysis::{Loop, LoopIdx};
use flashpoint_ir::typed::*;

use crate::counted::Shape;
use crate::licm::normalize_loops;
use crate::pipeline::PassContext;

/// Hands each loop that `wanted` names to `transform`, outermost first, once. If that changed the function it returns the
/// headers of the loops it made that need no visit of their own; the graph is looked at again then.
///
/// Checked versions, which keep their guards on purpose, are left alone.
pub fn transform_loops(
    func: &mut TypedFunction,
    context: &mut PassContext,
    wanted: impl Fn(&Loop) -> bool,
    mut transform: impl FnMut(&mut TypedFunction, &mut PassContext, &Shape, LoopIdx) -> Option<Vec<Block>>,
) -> bool {
    let mut changed = normalize_loops(func, context);
    let mut done: Vec<Block> = Vec::new();
    'looks: loop {
        let shape = Shape::of(func);
        let n_insts = func.insts.len();
        for (idx, info) in shape.forest.loops().iter().enumerate() {
            if done.contains(&info.header) || context.checked_versions.contains(&info.header) || !wanted(info) {
                continue;
            }
            done.push(info.header);
            if let Some(made) = transform(func, context, &shape, LoopIdx(idx)) {
                done.extend(made);
                normalize_loops(func, context);
                changed = true;
                continue 'looks;
            }
            // A plan that came to nothing may leave instructions behind that nobody uses, and that `shape` does not know.
            if func.insts.len() != n_insts {
                continue 'looks;
            }
        }
        return changed;
    }
}
