//! The verifier of the typed form: what every pass may rely on and must leave behind.
//!
//! [`verify`] checks structure (each block of the layout once, with one terminator, at its end; each value defined once),
//! types, block arguments, that every use is dominated by its definition, and every exit that is taken: its values
//! dominate the guard and have the types their recipes ask for, no slot is named twice, and the words fit the buffer.
//! What it cannot see: whether a division is guarded (the evaluator reports those that run undefined), and whether a
//! snapshot names *every* live slot (the engine's tests deoptimise at every guard).
//!
//! Snapshots that no instruction names are not looked at, so that passes may drop guards and leave their exits.

use std::collections::HashMap;

use crate::abi::EXIT_WORDS;
use crate::analysis::{Cfg, DomTree, Loop};
use crate::generic::SlotIdx;
use crate::reason::Reason;
use crate::signature::{check_inst, check_recipe};
use crate::snapshot::{ExitKind, Recipe, Snapshot};
use crate::text::print_inst;
use crate::typed::*;

/// What is wrong with a function, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// Name of the function.
    pub function: String,
    /// The pass after which it was found.
    pub pass: Option<String>,
    /// The block.
    pub block: Option<Block>,
    /// The instruction, as text.
    pub inst: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(pass) = &self.pass {
            write!(f, "pass `{pass}` broke ")?;
        }
        write!(f, "@{}", self.function)?;
        if let Some(block) = self.block {
            write!(f, ", {block}")?;
        }
        if let Some(inst) = &self.inst {
            write!(f, ", `{inst}`")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for VerifyError {}

/// Checks every invariant of the typed form that a function alone can show.
pub fn verify(func: &TypedFunction) -> Result<(), VerifyError> {
    let mut verifier = Verifier::of_structure(func)?;
    verifier.check_definitions()?;
    verifier.check_types()?;
    verifier.check_uses()
}

/// [`verify`], where an error names the pass that ran last.
pub fn verify_after(pass_name: &str, func: &TypedFunction) -> Result<(), VerifyError> {
    verify(func).map_err(|error| VerifyError { pass: Some(pass_name.into()), ..error })
}

/// Why a loop is not clean (no guard, poll or call inside), and the instruction that is to blame. A back end vectorises
/// only clean innermost loops; whether memory accesses may overlap is for the passes to say.
pub fn why_not_clean(func: &TypedFunction, info: &Loop) -> Option<(Reason, Inst)> {
    let insts = info.blocks.iter().flat_map(|block| &func.blocks[block.index()].insts);
    insts.copied().find_map(|inst| match func.insts[inst.index()].kind {
        InstKind::Guard(..) | InstKind::Exit(_) => Some((Reason::LoopHasGuard, inst)),
        InstKind::Poll(_) | InstKind::Libm(..) | InstKind::CallHelper(..) | InstKind::CallUnit(..) => {
            Some((Reason::LoopHasCall, inst))
        }
        _ => None,
    })
}

/// Where a value is defined: its block, and the position in it (0 for a parameter, from 1 for instructions).
#[derive(Clone, Copy)]
struct Definition {
    block: Block,
    position: usize,
}

struct Verifier<'a> {
    func: &'a TypedFunction,
    in_layout: Vec<bool>,
    definitions: Vec<Option<Definition>>,
    checked_exits: HashMap<SnapshotId, Vec<Value>>,
}

impl<'a> Verifier<'a> {
    /// Blocks and instructions exist, stand in one place, and end as they should. The other checks index without asking.
    fn of_structure(func: &'a TypedFunction) -> Result<Verifier<'a>, VerifyError> {
        let mut verifier = Verifier {
            func,
            in_layout: vec![false; func.blocks.len()],
            definitions: vec![None; func.value_types.len()],
            checked_exits: HashMap::new(),
        };
        if func.layout.is_empty() {
            return Err(verifier.error(None, None, "has no blocks"));
        }
        for &block in &func.layout {
            match verifier.in_layout.get_mut(block.index()) {
                Some(seen @ false) => *seen = true,
                Some(true) => return Err(verifier.error(Some(block), None, "stands in the layout twice")),
                None => return Err(verifier.error(Some(block), None, "does not exist")),
            }
        }
        let mut placed = vec![false; func.insts.len()];
        for &block in &func.layout {
            let insts = &func.blocks[block.index()].insts;
            for (idx, &inst) in insts.iter().enumerate() {
                match placed.get_mut(inst.index()) {
                    Some(seen @ false) => *seen = true,
                    Some(true) => return Err(verifier.error(Some(block), Some(inst), "stands in two places")),
                    None => return Err(verifier.error(Some(block), None, format!("{inst} does not exist"))),
                }
                let kind = &func.insts[inst.index()].kind;
                let is_last = idx + 1 == insts.len();
                if kind.is_terminator() && !is_last {
                    return Err(verifier.error(Some(block), Some(inst), "a terminator stands before the block's end"));
                }
                if !kind.is_terminator() && is_last {
                    return Err(verifier.error(Some(block), Some(inst), "the block does not end with a terminator"));
                }
                let mut wrong = None;
                kind.clone().for_each_target_mut(&mut |call| {
                    if verifier.in_layout.get(call.block.index()) != Some(&true) {
                        wrong = Some(format!("{} is not in the layout", call.block));
                    } else if call.block == func.entry() {
                        wrong = Some("the entry block has no predecessors".into());
                    }
                });
                if let Some(exit) = kind.snapshot().filter(|exit| exit.index() >= func.snapshots.len()) {
                    wrong = Some(format!("{exit} does not exist"));
                }
                if let Some(message) = wrong {
                    return Err(verifier.error(Some(block), Some(inst), message));
                }
            }
            if insts.is_empty() {
                return Err(verifier.error(Some(block), None, "the block is empty"));
            }
        }
        Ok(verifier)
    }

    /// Each value has one definition, and whatever is used has one.
    fn check_definitions(&mut self) -> Result<(), VerifyError> {
        for &block in &self.func.layout {
            let data = &self.func.blocks[block.index()];
            for &param in &data.params {
                self.define(param, Definition { block, position: 0 }, None)?;
            }
            for (idx, &inst) in data.insts.iter().enumerate() {
                for &result in &self.func.insts[inst.index()].results {
                    self.define(result, Definition { block, position: idx + 1 }, Some(inst))?;
                }
            }
        }
        self.for_each_inst(|block, inst, kind| {
            let mut undefined = None;
            let mut look = |v: Value| {
                if !matches!(self.definitions.get(v.index()), Some(Some(_))) {
                    undefined = Some(v);
                }
            };
            kind.for_each_operand(&mut look);
            if let Some(exit) = kind.snapshot() {
                self.func.snapshots[exit.index()].values().into_iter().for_each(look);
            }
            match undefined {
                Some(v) => Err(self.error(Some(block), Some(inst), format!("{v} is not defined"))),
                None => Ok(()),
            }
        })
    }

    fn define(&mut self, value: Value, place: Definition, inst: Option<Inst>) -> Result<(), VerifyError> {
        let message = match self.definitions.get_mut(value.index()) {
            Some(definition @ None) => {
                *definition = Some(place);
                return Ok(());
            }
            Some(Some(_)) => format!("{value} is defined twice"),
            None => format!("{value} has no type"),
        };
        Err(self.error(Some(place.block), inst, message))
    }

    fn check_types(&mut self) -> Result<(), VerifyError> {
        let func = self.func;
        let ty = |v: Value| func.value_types[v.index()];
        if let Some(value) = func.value_types.iter().position(|ty| ty.lanes == 0) {
            return Err(self.error(None, None, format!("{} has no lanes", Value(value as u32))));
        }
        self.for_each_inst(|block, inst, kind| {
            let data = &func.insts[inst.index()];
            let mut result = check_inst(data, ty);
            kind.clone().for_each_target_mut(&mut |call| {
                if result.is_ok() {
                    result = check_block_call(func, call);
                }
            });
            if let InstKind::Return(value) = kind {
                let found = value.map(ty);
                if found != func.result {
                    let name = |ty: Option<Type>| ty.map_or("nothing".to_string(), |ty| ty.to_string());
                    result = Err(format!("returns {}, should be {}", name(found), name(func.result)));
                }
            }
            result.map_err(|message| self.error(Some(block), Some(inst), message))
        })?;
        let mut checked = HashMap::new();
        self.for_each_inst(|block, inst, kind| {
            let Some(exit) = kind.snapshot().filter(|exit| !checked.contains_key(exit)) else { return Ok(()) };
            let snapshot = &func.snapshots[exit.index()];
            let fail = |message| self.error(Some(block), Some(inst), format!("{exit}: {message}"));
            check_snapshot(snapshot, &ty).map_err(fail)?;
            checked.insert(exit, snapshot.values());
            Ok(())
        })?;
        self.checked_exits = checked;
        Ok(())
    }

    /// Dominance, in reachable blocks: code that never runs may use anything that is defined.
    fn check_uses(&self) -> Result<(), VerifyError> {
        let cfg = Cfg::of(self.func);
        let doms = DomTree::of(self.func, &cfg);
        for &block in cfg.reverse_post_order() {
            for (idx, &inst) in self.func.blocks[block.index()].insts.iter().enumerate() {
                let mut wrong = None;
                let mut look = |v: Value| {
                    let definition = self.definitions[v.index()].expect("checked before");
                    let comes_before = if definition.block == block {
                        definition.position < idx + 1
                    } else {
                        doms.dominates(definition.block, block)
                    };
                    if !comes_before {
                        wrong.get_or_insert(v);
                    }
                };
                let kind = &self.func.insts[inst.index()].kind;
                kind.for_each_operand(&mut look);
                if let Some(exit) = kind.snapshot() {
                    self.checked_exits[&exit].iter().copied().for_each(look);
                }
                if let Some(v) = wrong {
                    let definition = self.definitions[v.index()].expect("checked before");
                    let message = format!("{v}, defined in {}, does not dominate this use", definition.block);
                    return Err(self.error(Some(block), Some(inst), message));
                }
            }
        }
        Ok(())
    }

    fn for_each_inst(
        &self,
        mut f: impl FnMut(Block, Inst, &'a InstKind) -> Result<(), VerifyError>,
    ) -> Result<(), VerifyError> {
        for &block in &self.func.layout {
            for &inst in &self.func.blocks[block.index()].insts {
                f(block, inst, &self.func.insts[inst.index()].kind)?;
            }
        }
        Ok(())
    }

    fn error(&self, block: Option<Block>, inst: Option<Inst>, message: impl Into<String>) -> VerifyError {
        VerifyError {
            function: self.func.name.clone(),
            pass: None,
            block,
            inst: inst.map(|inst| print_inst(self.func, inst)),
            message: message.into(),
        }
    }
}

fn check_block_call(func: &TypedFunction, call: &BlockCall) -> Result<(), String> {
    let params = &func.blocks[call.block.index()].params;
    if params.len() != call.args.len() {
        return Err(format!("{} takes {} arguments, not {}", call.block, params.len(), call.args.len()));
    }
    for (param, arg) in params.iter().zip(&call.args) {
        let (wanted, found) = (func.value_types[param.index()], func.value_types[arg.index()]);
        if wanted != found {
            return Err(format!("{}'s parameter {param} is {wanted}, argument {arg} is {found}", call.block));
        }
    }
    Ok(())
}

fn check_snapshot(snapshot: &Snapshot, ty: &impl Fn(Value) -> Type) -> Result<(), String> {
    match &snapshot.exit {
        ExitKind::Resume | ExitKind::Raise if snapshot.frames.is_empty() => {
            return Err("there is no frame to go on in".into());
        }
        ExitKind::Return(_) if !snapshot.frames.is_empty() => return Err("a return leaves no frames".into()),
        ExitKind::Return(recipe) => check_recipe(recipe, ty)?,
        _ => {}
    }
    for (number, object) in snapshot.objects.iter().enumerate() {
        let checked = object.recipes().try_for_each(|recipe| check_recipe(recipe, ty));
        checked.map_err(|message| format!("object {number}: {message}"))?;
    }
    let in_frames = snapshot.frames.iter().flat_map(|frame| frame.slots.iter().map(|(_, recipe)| recipe));
    for recipe in in_frames.chain(snapshot.objects.iter().flat_map(|object| object.recipes())) {
        if let Recipe::Shared(number) = recipe
            && *number as usize >= snapshot.objects.len()
        {
            return Err(format!("there is no object {number}"));
        }
    }
    for (frame_idx, frame) in snapshot.frames.iter().enumerate() {
        let mut seen: Vec<SlotIdx> = Vec::with_capacity(frame.slots.len());
        for (slot, recipe) in &frame.slots {
            check_recipe(recipe, ty).map_err(|message| format!("frame {frame_idx}, s{}: {message}", slot.0))?;
            seen.push(*slot);
        }
        seen.sort();
        if let Some(pair) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("frame {frame_idx} names s{} twice", pair[0].0));
        }
    }
    let words: usize = snapshot.values().into_iter().map(|v| ty(v).exit_words()).sum();
    if words > EXIT_WORDS {
        return Err(format!("needs {words} words, the exit buffer has {EXIT_WORDS}"));
    }
    if let Some(v) = snapshot.values().into_iter().find(|v| ty(*v).lanes != 1) {
        return Err(format!("{v} is a vector"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_typed;

    /// The verifier's complaint about a function with this body; its parameters are v0: i64, v1: f64, v2: i1, v3: ptr.
    #[track_caller]
    fn complaint(body: &str) -> String {
        let func = parse_typed(&format!("func @f(v0: i64, v1: f64, v2: i1, v3: ptr) -> i64 {{\n{body}\n}}")).unwrap();
        verify_after("test", &func).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn each_rule_has_its_complaint() {
        for (body, expected) in [
            ("block0:\n return v0", ""),
            ("block0:", "block0: the block is empty"),
            ("block0:\n v4 = iconst.i64 1", "block0, `v4 = iconst.i64 1`: the block does not end with a terminator"),
            ("block0:\n return v0\n return v0", "`return v0`: a terminator stands before the block's end"),
            ("block0:\n jump block0", "`jump block0`: the entry block has no predecessors"),
            ("block0:\n return v9", "`return v9`: v9 is not defined"),
            ("block0:\n return v1", "`return v1`: returns f64, should be i64"),
            ("block0:\n return", "`return`: returns nothing, should be i64"),
            ("block0:\n jump block1\nblock1(v4: i64):\n return v4", "block1 takes 1 arguments, not 0"),
            ("block0:\n jump block1(v1)\nblock1(v4: i64):\n return v4", "parameter v4 is i64, argument v1 is f64"),
            ("block0:\n v4 = iadd.i64 v0, v1\n return v4", "operands v0: i64 and v1: f64 differ in type"),
            ("block0:\n v4 = iadd.f64 v1, v1\n return v0", "`v4 = iadd.f64 v1, v1`: f64 is no integer"),
            ("block0:\n v4 = fneg.i64 v0\n return v0", "i64 is no float"),
            ("block0:\n v4 = iadd.i32 v0, v0\n return v0", "results are (i32), should be (i64)"),
            ("block0:\n v4 = iconst.i8 200\n return v0", "200 is no sign-extended i8"),
            ("block0:\n v4 = sext.i64 v0\n return v0", "no such conversion from i64 to i64"),
            ("block0:\n v4 = select.i64 v0, v0, v0\n return v0", "condition v0 is i64"),
            ("block0:\n store.constant v0, v3\n return v0", "constant memory is not written"),
            ("block0:\n v4 = load.i64.array v0\n return v0", "operand v0 is i64, should be ptr"),
            ("block0:\n v4 = libm.pow v1\n return v0", "operands are (f64), should be (f64, f64)"),
            ("block0:\n call_helper release(v0)\n return v0", "operands are (i64), should be (ptr)"),
            ("block0:\n guard v0, exit0\n return v0\n exit0 = Raise resume { frame 0 @1: }", "v0 is i64, should be i1"),
            ("block0:\n branch v0, block1, block1\nblock1:\n return v0", "operand v0 is i64, should be i1"),
            ("block0:\n exit exit0\n exit0 = Raise resume {}", "exit0: there is no frame to go on in"),
            (
                "block0:\n exit exit0\n exit0 = Raise resume { frame 0 @1: s0 = int v1 }",
                "exit0: frame 0, s0: v1 is f64, should be i64",
            ),
            (
                "block0:\n exit exit0\n exit0 = Raise resume { frame 0 @1: s4 = none, s4 = none }",
                "exit0: frame 0 names s4 twice",
            ),
            ("block0:\n exit exit0\n exit0 = Raise resume { frame 0 @1: s4 = int v7 }", "v7 is not defined"),
            // Exits that nothing takes are not looked at.
            ("block0:\n return v0\n exit0 = Raise resume { frame 0 @1: s4 = int v7 }", ""),
            (
                "block0:\n v4 = iadd.i64 v5, v0\n v5 = iadd.i64 v0, v0\n return v4",
                "v5, defined in block0, does not dominate this use",
            ),
            (
                "block0:\n branch v2, block1, block2\nblock1:\n v4 = iconst.i64 1\n jump block2\nblock2:\n return v4",
                "pass `test` broke @f, block2, `return v4`: v4, defined in block1, does not dominate this use",
            ),
            (
                "block0:\n guard v2, exit0\n v4 = iconst.i64 1\n return v4\n exit0 = Raise resume { frame 0 @1: s0 = int v4 }",
                "`guard v2, exit0`: v4, defined in block0, does not dominate this use",
            ),
            // The layout need not be in the order of dominance.
            ("block0:\n jump block2\nblock1:\n return v4\nblock2:\n v4 = iconst.i64 1\n jump block1", ""),
        ] {
            let found = complaint(body);
            assert!(if expected.is_empty() { found.is_empty() } else { found.ends_with(expected) }, "{body}\n{found}");
        }
    }

    #[test]
    fn broken_tables_are_found_without_panic() {
        let good = parse_typed("func @f(v0: i64) -> i64 {\nblock0:\n return v0\n}").unwrap();
        let broken = |change: fn(&mut TypedFunction)| {
            let mut func = good.clone();
            change(&mut func);
            verify(&func).unwrap_err().message
        };
        assert_eq!(broken(|f| f.layout.clear()), "has no blocks");
        assert_eq!(broken(|f| f.layout.push(Block(0))), "stands in the layout twice");
        assert_eq!(broken(|f| f.layout.push(Block(7))), "does not exist");
        assert_eq!(broken(|f| f.blocks[0].insts.push(Inst(0))), "a terminator stands before the block's end");
        assert_eq!(broken(|f| f.blocks[0].insts[0] = Inst(9)), "inst9 does not exist");
        assert_eq!(broken(|f| f.blocks[0].params.push(Value(0))), "v0 is defined twice");
        assert_eq!(broken(|f| f.blocks[0].params.push(Value(5))), "v5 has no type");
        assert_eq!(broken(|f| f.insts[0].kind = InstKind::Exit(SnapshotId(3))), "exit3 does not exist");
        assert_eq!(broken(|f| f.value_types.clear()), "v0 has no type");
    }
}
