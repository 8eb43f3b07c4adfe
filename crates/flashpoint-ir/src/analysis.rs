//! The shape of a typed function: control-flow graph, dominator tree, loop forest.
//!
//! Shared by the verifier and all passes. Each analysis is a snapshot of the function it was made from: whoever changes
//! jumps makes new ones. Blocks that cannot be reached from the entry are in the tables but have no edges, no dominators
//! and no loop; passes may leave them standing, and [`Cfg::is_reachable`] tells.
//!
//! Invariants, kept by the constructors: every edge of the graph starts in a reachable block; a loop's header dominates
//! all its blocks; an outer loop stands before the loops inside it.

use crate::liveness::BitSet;
use crate::typed::{Block, Inst, InstKind, TypedFunction};

impl TypedFunction {
    /// The block whose parameters are the function's.
    pub fn entry(&self) -> Block {
        self.layout[0]
    }

    /// The instruction that ends `block`, if it has been built.
    pub fn terminator(&self, block: Block) -> Option<Inst> {
        let last = *self.blocks[block.index()].insts.last()?;
        self.insts[last.index()].kind.is_terminator().then_some(last)
    }

    /// Whether a block ends by leaving the code.
    pub fn leaves(&self, block: Block) -> bool {
        self.terminator(block).is_some_and(|inst| matches!(self.insts[inst.index()].kind, InstKind::Exit(_)))
    }

    /// Calls `f` on the target of every edge that leaves `block`: twice if both edges of a branch lead to one block.
    pub fn for_each_successor(&self, block: Block, mut f: impl FnMut(Block)) {
        match self.terminator(block).map(|inst| &self.insts[inst.index()].kind) {
            Some(InstKind::Jump(call)) => f(call.block),
            Some(InstKind::Branch(_, if_true, if_false)) => {
                f(if_true.block);
                f(if_false.block);
            }
            _ => {}
        }
    }
}

/// Predecessors, successors and reverse post-order.
#[derive(Clone, Debug)]
pub struct Cfg {
    predecessors: Vec<Vec<Block>>,
    successors: Vec<Vec<Block>>,
    reverse_post_order: Vec<Block>,
    /// Position in `reverse_post_order`, [`UNREACHABLE`] for blocks that are not in it.
    positions: Vec<u32>,
}

const UNREACHABLE: u32 = u32::MAX;

impl Cfg {
    /// The graph of `func`, which must have an entry and jump only to blocks that exist.
    pub fn of(func: &TypedFunction) -> Cfg {
        let n_blocks = func.blocks.len();
        let mut cfg = Cfg {
            predecessors: vec![Vec::new(); n_blocks],
            successors: vec![Vec::new(); n_blocks],
            reverse_post_order: Vec::new(),
            positions: vec![UNREACHABLE; n_blocks],
        };
        if func.layout.is_empty() {
            return cfg;
        }
        // Depth first with a stack of our own: lowered functions may have very long chains of blocks.
        let mut visited = BitSet::new(n_blocks);
        visited.insert(func.entry().index());
        cfg.read_successors(func, func.entry());
        let mut stack = vec![(func.entry(), 0)];
        while let Some((block, next)) = stack.last_mut() {
            let block = *block;
            if let Some(&successor) = cfg.successors[block.index()].get(*next) {
                *next += 1;
                if !visited.contains(successor.index()) {
                    visited.insert(successor.index());
                    cfg.read_successors(func, successor);
                    stack.push((successor, 0));
                }
            } else {
                cfg.reverse_post_order.push(block);
                stack.pop();
            }
        }
        cfg.reverse_post_order.reverse();
        for (position, &block) in cfg.reverse_post_order.iter().enumerate() {
            cfg.positions[block.index()] = position as u32;
            for &successor in &cfg.successors[block.index()] {
                cfg.predecessors[successor.index()].push(block);
            }
        }
        cfg
    }

    fn read_successors(&mut self, func: &TypedFunction, block: Block) {
        let successors = &mut self.successors[block.index()];
        func.for_each_successor(block, |successor| {
            if !successors.contains(&successor) {
                successors.push(successor);
            }
        });
    }

    /// The reachable blocks with an edge to `block`, each once, in reverse post-order.
    pub fn predecessors(&self, block: Block) -> &[Block] {
        &self.predecessors[block.index()]
    }

    /// The blocks that `block` may go to, each once; none for an unreachable block.
    pub fn successors(&self, block: Block) -> &[Block] {
        &self.successors[block.index()]
    }

    /// Every reachable block: the entry first, and each block before its successors, back edges apart.
    pub fn reverse_post_order(&self) -> &[Block] {
        &self.reverse_post_order
    }

    /// Position in [`Cfg::reverse_post_order`].
    pub fn position(&self, block: Block) -> Option<usize> {
        let position = self.positions[block.index()];
        (position != UNREACHABLE).then_some(position as usize)
    }

    /// Whether a path leads from the entry to `block`.
    pub fn is_reachable(&self, block: Block) -> bool {
        self.positions[block.index()] != UNREACHABLE
    }
}

/// The dominator tree of the reachable blocks, by Cooper, Harvey and Kennedy's algorithm.
#[derive(Clone, Debug)]
pub struct DomTree {
    /// The immediate dominator; `None` for the entry and for unreachable blocks.
    parents: Vec<Option<Block>>,
    children: Vec<Vec<Block>>,
    preorder: Vec<Block>,
    /// The interval of preorder positions of each block's subtree; empty for unreachable blocks.
    intervals: Vec<(u32, u32)>,
}

impl DomTree {
    /// The dominator tree of `func`, whose graph is `cfg`.
    pub fn of(func: &TypedFunction, cfg: &Cfg) -> DomTree {
        let n_blocks = func.blocks.len();
        let order = cfg.reverse_post_order();
        // In positions of the reverse post-order, where a dominator's number is smaller than that of what it dominates.
        let mut idoms: Vec<Option<usize>> = vec![None; order.len()];
        if !order.is_empty() {
            idoms[0] = Some(0);
        }
        let mut changed = true;
        while changed {
            changed = false;
            for (position, &block) in order.iter().enumerate().skip(1) {
                let mut idom = None;
                for &predecessor in cfg.predecessors(block) {
                    let predecessor = cfg.positions[predecessor.index()] as usize;
                    if idoms[predecessor].is_some() {
                        idom = Some(idom.map_or(predecessor, |other| intersect(&idoms, other, predecessor)));
                    }
                }
                if idoms[position] != idom {
                    idoms[position] = idom;
                    changed = true;
                }
            }
        }
        let mut tree = DomTree {
            parents: vec![None; n_blocks],
            children: vec![Vec::new(); n_blocks],
            preorder: Vec::with_capacity(order.len()),
            intervals: vec![(0, 0); n_blocks],
        };
        for (position, &block) in order.iter().enumerate().skip(1) {
            let parent = order[idoms[position].expect("a reachable block has a dominator")];
            tree.parents[block.index()] = Some(parent);
            tree.children[parent.index()].push(block);
        }
        tree.number_blocks(order.first().copied());
        tree
    }

    fn number_blocks(&mut self, entry: Option<Block>) {
        let mut stack: Vec<(Block, usize)> = Vec::new();
        let mut enter = entry;
        loop {
            if let Some(block) = enter.take() {
                self.intervals[block.index()].0 = self.preorder.len() as u32;
                self.preorder.push(block);
                stack.push((block, 0));
            }
            let Some((block, next)) = stack.last_mut() else { break };
            if let Some(&child) = self.children[block.index()].get(*next) {
                *next += 1;
                enter = Some(child);
            } else {
                self.intervals[block.index()].1 = self.preorder.len() as u32;
                stack.pop();
            }
        }
    }

    /// Whether every path from the entry to `inner` passes `outer`; a block dominates itself. False if either is
    /// unreachable.
    pub fn dominates(&self, outer: Block, inner: Block) -> bool {
        let (outer, inner) = (self.intervals[outer.index()], self.intervals[inner.index()]);
        inner.0 < inner.1 && outer.0 <= inner.0 && inner.1 <= outer.1
    }

    /// The closest block that dominates `block` and is another one.
    pub fn idom(&self, block: Block) -> Option<Block> {
        self.parents[block.index()]
    }

    /// The blocks whose [`DomTree::idom`] is `block`.
    pub fn children(&self, block: Block) -> &[Block] {
        &self.children[block.index()]
    }

    /// Every reachable block, each before those it dominates.
    pub fn preorder(&self) -> &[Block] {
        &self.preorder
    }
}

/// The closest common dominator of two blocks, by position.
fn intersect(idoms: &[Option<usize>], mut a: usize, mut b: usize) -> usize {
    while a != b {
        let further = if a > b { &mut a } else { &mut b };
        *further = idoms[*further].expect("walks up from blocks that have a dominator");
    }
    a
}

/// Index of a loop in [`LoopForest::loops`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopIdx(pub usize);

/// A natural loop: its header dominates all its blocks.
#[derive(Clone, Debug)]
pub struct Loop {
    /// The only way in.
    pub header: Block,
    /// All blocks, inner loops' included, in reverse post-order; the header is the first.
    pub blocks: Vec<Block>,
    /// The sources of the back edges, in reverse post-order.
    pub latches: Vec<Block>,
    /// The edges that leave the loop, from a block of it to a block outside.
    pub exits: Vec<(Block, Block)>,
    /// The next loop out.
    pub parent: Option<LoopIdx>,
    /// The loops directly inside.
    pub children: Vec<LoopIdx>,
    /// 1 for an outermost loop.
    pub depth: u32,
    members: BitSet,
}

impl Loop {
    /// Whether `block` is in the loop or in a loop inside it.
    pub fn contains(&self, block: Block) -> bool {
        self.members.contains(block.index())
    }

    /// Whether no other loop is inside.
    pub fn is_innermost(&self) -> bool {
        self.children.is_empty()
    }

    /// The only predecessor of the header outside the loop, if its only successor is the header.
    pub fn preheader(&self, cfg: &Cfg) -> Option<Block> {
        let mut outside = cfg.predecessors(self.header).iter().filter(|block| !self.contains(**block));
        let (&block, None) = (outside.next()?, outside.next()) else { return None };
        (cfg.successors(block).len() == 1).then_some(block)
    }
}

/// All natural loops of a function.
#[derive(Clone, Debug)]
pub struct LoopForest {
    loops: Vec<Loop>,
    innermost: Vec<Option<LoopIdx>>,
    irreducible: bool,
}

impl LoopForest {
    /// The loops of `func`. Back edges with one header make one loop.
    pub fn of(func: &TypedFunction, cfg: &Cfg, doms: &DomTree) -> LoopForest {
        let n_blocks = func.blocks.len();
        let mut forest = LoopForest { loops: Vec::new(), innermost: vec![None; n_blocks], irreducible: false };
        for &header in cfg.reverse_post_order() {
            let (latches, retreating): (Vec<Block>, Vec<Block>) = cfg
                .predecessors(header)
                .iter()
                .filter(|block| cfg.position(**block) >= cfg.position(header))
                .partition(|block| doms.dominates(header, **block));
            forest.irreducible |= !retreating.is_empty();
            if !latches.is_empty() {
                forest.loops.push(natural_loop(header, latches, cfg, n_blocks));
            }
        }
        // Headers were met in reverse post-order, so a loop's parent stands before it, and the last one that contains a
        // block is its innermost.
        for inner in 0..forest.loops.len() {
            let header = forest.loops[inner].header;
            if let Some(outer) = forest.innermost[header.index()] {
                forest.loops[inner].parent = Some(outer);
                forest.loops[inner].depth = forest.loops[outer.0].depth + 1;
                forest.loops[outer.0].children.push(LoopIdx(inner));
            }
            for block in forest.loops[inner].members.iter() {
                forest.innermost[block] = Some(LoopIdx(inner));
            }
        }
        forest
    }

    /// All loops, outer ones before those inside them.
    pub fn loops(&self) -> &[Loop] {
        &self.loops
    }

    /// One loop.
    pub fn get(&self, idx: LoopIdx) -> &Loop {
        &self.loops[idx.0]
    }

    /// The innermost loop that contains `block`.
    pub fn innermost(&self, block: Block) -> Option<LoopIdx> {
        self.innermost[block.index()]
    }

    /// Number of loops around `block`.
    pub fn depth(&self, block: Block) -> u32 {
        self.innermost(block).map_or(0, |idx| self.get(idx).depth)
    }

    /// The loop whose header is `block`.
    pub fn with_header(&self, block: Block) -> Option<LoopIdx> {
        self.innermost(block).filter(|idx| self.get(*idx).header == block)
    }

    /// Whether some cycle has several ways in, so that it is no natural loop and not in the forest.
    pub fn is_irreducible(&self) -> bool {
        self.irreducible
    }
}

/// The blocks from which a latch is reached without passing the header.
fn natural_loop(header: Block, latches: Vec<Block>, cfg: &Cfg, n_blocks: usize) -> Loop {
    let mut members = BitSet::new(n_blocks);
    members.insert(header.index());
    let mut worklist = latches.clone();
    while let Some(block) = worklist.pop() {
        if !members.contains(block.index()) {
            members.insert(block.index());
            worklist.extend(cfg.predecessors(block));
        }
    }
    let mut blocks: Vec<Block> = members.iter().map(|idx| Block(idx as u32)).collect();
    blocks.sort_by_key(|block| cfg.position(*block));
    let mut exits = Vec::new();
    for &block in &blocks {
        let leaving = cfg.successors(block).iter().filter(|to| !members.contains(to.index()));
        exits.extend(leaving.map(|to| (block, *to)));
    }
    Loop { header, blocks, latches, exits, parent: None, children: Vec::new(), depth: 1, members }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::Builder;
    use crate::typed::Type;

    /// A function whose block `i` goes to the blocks in `edges[i]`.
    fn graph(edges: &[&[u32]]) -> TypedFunction {
        let mut b = Builder::new("graph");
        let blocks: Vec<Block> = edges.iter().map(|_| b.create_block()).collect();
        let cond = b.append_param(blocks[0], Type::I1);
        for (block, targets) in blocks.iter().zip(edges) {
            b.switch_to(*block);
            match targets {
                [] => b.ret(None),
                [to] => b.jump(Block(*to), vec![]),
                [yes, no] => b.branch(cond, (Block(*yes), vec![]), (Block(*no), vec![])),
                _ => unreachable!(),
            }
        }
        b.func
    }

    #[test]
    fn a_diamond_joins_under_its_head() {
        let func = graph(&[&[1, 2], &[3], &[3], &[], &[3]]);
        let cfg = Cfg::of(&func);
        let doms = DomTree::of(&func, &cfg);
        assert_eq!(cfg.predecessors(Block(3)), &[Block(2), Block(1)]);
        assert_eq!(doms.idom(Block(3)), Some(Block(0)));
        assert!(doms.dominates(Block(0), Block(3)) && doms.dominates(Block(3), Block(3)));
        assert!(!doms.dominates(Block(1), Block(3)) && !doms.dominates(Block(3), Block(0)));
        assert!(!cfg.is_reachable(Block(4)) && !doms.dominates(Block(4), Block(4)));
        assert!(!doms.dominates(Block(0), Block(4)) && !doms.dominates(Block(4), Block(0)));
    }

    #[test]
    fn nested_loops_form_a_forest() {
        // 0 -> 1 { 2 { 3 } 4 } -> 5, and 3 also leaves both loops.
        let func = graph(&[&[1], &[2, 5], &[3, 4], &[2, 5], &[1], &[]]);
        let cfg = Cfg::of(&func);
        let doms = DomTree::of(&func, &cfg);
        let forest = LoopForest::of(&func, &cfg, &doms);
        let [outer, inner] = forest.loops() else { panic!("two loops: {forest:?}") };
        assert_eq!((outer.header, inner.header), (Block(1), Block(2)));
        assert_eq!(inner.parent, Some(LoopIdx(0)));
        assert_eq!((outer.depth, inner.depth, forest.depth(Block(5))), (1, 2, 0));
        assert_eq!(inner.blocks, [Block(2), Block(3)]);
        assert_eq!(inner.exits, [(Block(2), Block(4)), (Block(3), Block(5))]);
        assert_eq!((&outer.latches[..], &inner.latches[..]), (&[Block(4)][..], &[Block(3)][..]));
        assert_eq!(outer.preheader(&cfg), Some(Block(0)));
        assert_eq!(inner.preheader(&cfg), None, "block1 has another successor");
        assert_eq!(forest.innermost(Block(4)), Some(LoopIdx(0)));
        assert_eq!(forest.with_header(Block(2)), Some(LoopIdx(1)));
        assert!(!forest.is_irreducible());
    }

    #[test]
    fn a_cycle_with_two_ways_in_is_no_loop() {
        let func = graph(&[&[1, 2], &[2], &[1, 3], &[]]);
        let cfg = Cfg::of(&func);
        let forest = LoopForest::of(&func, &cfg, &DomTree::of(&func, &cfg));
        assert!(forest.loops().is_empty() && forest.is_irreducible());
    }

    /// `dominates` against its definition: without `outer`, `inner` is not reached.
    #[test]
    fn dominance_is_what_it_says() {
        let mut state = 7u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % below
        };
        for _ in 0..200 {
            let edges: Vec<Vec<u32>> = (0..8).map(|_| (0..random(3)).map(|_| 1 + random(7)).collect()).collect();
            let func = graph(&edges.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let cfg = Cfg::of(&func);
            let doms = DomTree::of(&func, &cfg);
            for outer in 0..8 {
                let mut reached = [false; 8];
                let mut worklist = if outer == 0 { vec![] } else { vec![0u32] };
                while let Some(block) = worklist.pop() {
                    if block != outer && !std::mem::replace(&mut reached[block as usize], true) {
                        worklist.extend(&edges[block as usize]);
                    }
                }
                for inner in 0..8 {
                    let both = cfg.is_reachable(Block(inner)) && cfg.is_reachable(Block(outer));
                    let expected = both && (inner == outer || !reached[inner as usize]);
                    assert_eq!(doms.dominates(Block(outer), Block(inner)), expected, "{outer} {inner} {edges:?}");
                }
            }
        }
    }
}
