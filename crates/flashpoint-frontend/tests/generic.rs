//! The generic form of whole functions. The trees come from `tests/trees/*.ast`, which `tests/trees/make.py` writes.

use flashpoint_frontend::generic::{ModuleInfo, NotCompiled, build_generic};
use flashpoint_frontend::syntax::{FunctionSource, Stmt, StmtKind, dump};
use flashpoint_ir::generic::{GenericFunction, GenericOp, Pc, SlotKind};
use flashpoint_ir::generic_verify::verify;
use flashpoint_ir::liveness::Liveness;
use flashpoint_ir::reason::Reason;

const STATEMENTS: &str = include_str!("trees/statements.ast");
const LINES: &str = include_str!("trees/lines.ast");

fn build_all(text: &str) -> Vec<(String, Result<GenericFunction, NotCompiled>)> {
    let stmts = dump::parse(text).expect("the dump is written by ast.dump");
    let build = |stmt: &Stmt| match &stmt.kind {
        StmtKind::FunctionDef(def) => {
            let module = ModuleInfo::new("trees.py", def.name.clone());
            Some((def.name.clone(), build_generic(FunctionSource::FunctionDef(def), &module)))
        }
        _ => None,
    };
    stmts.iter().filter_map(build).collect()
}

fn function(name: &str) -> GenericFunction {
    let found = build_all(STATEMENTS).into_iter().find(|(known, _)| known == name);
    found.expect("the function is in statements.py").1.expect("it is compiled")
}

fn mnemonics(function: &GenericFunction) -> Vec<&'static str> {
    function.ops.iter().map(GenericOp::mnemonic).collect()
}

#[test]
fn every_kind_of_statement_verifies() {
    let mut n_built = 0;
    for (name, built) in build_all(STATEMENTS) {
        let Ok(function) = built else { continue };
        if let Err(errors) = verify(&function) {
            panic!("`{name}`:\n{}\n{:#?}", errors.join("\n"), function.ops);
        }
        n_built += 1;
    }
    assert!(n_built >= 40, "only {n_built} functions were built");
}

#[test]
fn what_stays_with_cpython_says_why() {
    let refused = build_all(STATEMENTS).into_iter().filter_map(|(name, built)| Some((name, built.err()?.reason)));
    let expected = [("nested_class", Reason::NestedClass), ("generator", Reason::Generator)];
    assert_eq!(refused.collect::<Vec<_>>(), expected.map(|(name, reason)| (name.to_owned(), reason)));
}

/// Where CPython 3.11 places the instructions of `lines.py` that can raise (`dis`, with positions).
#[test]
fn lines_are_those_of_cpython() {
    let (_, built) = build_all(LINES).remove(0);
    let function = built.expect("it is compiled");
    let is_traced =
        |op: &GenericOp| !matches!(op.mnemonic(), "const" | "move" | "jump" | "drop" | "load_global" | "return");
    let found: Vec<(&str, u32)> = function
        .ops
        .iter()
        .zip(&function.spans)
        .filter(|(op, _)| is_traced(op))
        .map(|(op, span)| (op.mnemonic(), span.line))
        .collect();
    let expected = [
        ("binary", 2),
        ("load_attr", 5),
        ("call", 5),
        ("load_attr", 7),
        ("call", 7),
        ("compare", 11),
        ("call", 15),
        ("get_iter", 14),
        ("for_next", 14),
        ("get_item", 17),
        ("in_place", 17),
        ("set_item", 17),
        ("branch", 22),
        ("compare", 24),
        ("branch", 24),
        ("load_attr", 26),
        ("store_attr", 27),
        ("compare", 29),
        ("branch", 29),
        ("raise_assertion", 29),
        ("call", 33),
        ("build_list", 32),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_hot_loop_is_tight() {
    let text = "Module(body=[FunctionDef(name='f', args=arguments(posonlyargs=[], args=[arg(arg='n')], kwonlyargs=[], \
        kw_defaults=[], defaults=[]), body=[Assign(targets=[Name(id='s', ctx=Store())], value=Constant(value=0)), \
        For(target=Name(id='i', ctx=Store()), iter=Call(func=Name(id='range', ctx=Load()), args=[Name(id='n', \
        ctx=Load())], keywords=[]), body=[AugAssign(target=Name(id='s', ctx=Store()), op=Add(), \
        value=BinOp(left=Name(id='i', ctx=Load()), op=Mult(), right=Name(id='i', ctx=Load())))], orelse=[]), \
        Return(value=Name(id='s', ctx=Load()))], decorator_list=[])], type_ignores=[])";
    let (_, built) = build_all(text).remove(0);
    let function = built.expect("it is compiled");
    let expected =
        ["const", "load_global", "call", "get_iter", "for_next", "binary", "in_place", "jump", "drop", "return"];
    assert_eq!(mnemonics(&function), expected);

    let liveness = Liveness::of(&function);
    let [only] = liveness.loops() else { panic!("one loop") };
    assert_eq!((only.header, only.back_edges.as_slice(), only.depth), (Pc(4), [Pc(7)].as_slice(), 1));
    let live: Vec<&str> = liveness.live_before(Pc(4)).map(|slot| function.slots[slot.idx()].name.as_str()).collect();
    assert_eq!(live, ["s", ""], "the sum and the iterator are live at the header, `n` and `i` are not");
}

#[test]
fn nested_loops_have_headers_of_their_own() {
    let function = function("loops_share_no_header");
    let liveness = Liveness::of(&function);
    let depths: Vec<u32> = liveness.loops().iter().map(|info| info.depth).collect();
    assert!(depths.contains(&2), "the inner `while` is a loop inside the outer one: {depths:?}");
    assert!(liveness.loops().iter().all(|info| info.back_edges.iter().all(|&pc| info.contains(pc))));
}

#[test]
fn unpacking_a_swap_makes_no_tuple() {
    let function = function("parallel_assignment");
    let n_tuples = mnemonics(&function).iter().filter(|name| **name == "build_tuple").count();
    assert_eq!(n_tuples, 1, "only the returned one");
}

#[test]
fn only_variables_that_may_be_unbound_are_checked() {
    for (name, n_checks) in [("unbound_raised", 1), ("loops_with_else", 0), ("nested_finally", 0)] {
        let found = mnemonics(&function(name)).iter().filter(|name| **name == "check_bound").count();
        assert_eq!(found, n_checks, "{name}");
    }
}

#[test]
fn closures_are_captured_in_the_order_of_co_freevars() {
    let function = function("closures");
    let nested: Vec<&str> = function.nested.iter().map(|nested| nested.name.as_str()).collect();
    assert_eq!(nested, ["inner", "outer", "<lambda>"]);
    let outer = function.nested[1].body.as_deref().expect("it is compiled");
    let frees: Vec<&str> =
        outer.slots.iter().filter(|slot| slot.kind == SlotKind::Free).map(|slot| slot.name.as_str()).collect();
    assert_eq!(frees, ["c", "x"]);
    assert_eq!(
        outer.nested[0].body.as_deref().map(|deep| deep.qualname.as_str()),
        Some("closures.<locals>.outer.<locals>.deep")
    );
}

#[test]
fn two_functions_of_one_line_are_told_apart() {
    let text = "Module(body=[FunctionDef(name='f', args=arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], \
        defaults=[]), body=[Return(value=Tuple(elts=[Lambda(args=arguments(posonlyargs=[], args=[], kwonlyargs=[], \
        kw_defaults=[], defaults=[]), body=Constant(value=1)), Lambda(args=arguments(posonlyargs=[], args=[], \
        kwonlyargs=[], kw_defaults=[], defaults=[]), body=Constant(value=2))], ctx=Load()))], decorator_list=[])])";
    let (_, built) = build_all(text).remove(0);
    let ordinals: Vec<u32> = built.expect("it is compiled").nested.iter().map(|nested| nested.ordinal).collect();
    assert_eq!(ordinals, [0, 1]);
}

#[test]
fn a_dump_that_is_none_is_an_error() {
    for text in ["", "Module(", "Module(body=[Pass()]) x", "Name(id='x')", "Module(body=[Return(value='x)])"] {
        assert!(dump::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn the_verifier_names_the_operation() {
    let mut function = function("loops_with_else");
    let drop_at =
        function.ops.iter().position(|op| matches!(op, GenericOp::Drop { .. })).expect("the iterator is dropped");
    function.ops[drop_at] = GenericOp::Jump { target: Pc(drop_at as u32 + 1) };
    let errors = verify(&function).expect_err("the iterator is left over");
    assert!(errors.iter().any(|error| error.contains("may still hold a value")), "{errors:?}");
}
