//! Values, names, operators, objects, calls.

use flashpoint_ir::generic::{Arg, BinOp, CmpOp, Const, Conversion, GenericOp, UnOp};
use flashpoint_ir::slot::Slot;

use super::{Builder, MakeArgs, check};

fn no_args(_: &mut crate::rust_host::RustHost) -> Vec<Slot> {
    Vec::new()
}

/// `def f(a, b): return a op b`, in all forms that loading knows: plain, in place, with a constant, into a local.
#[track_caller]
fn check_binary(op: BinOp, a: Slot, b: Slot, expected: &str) {
    let args: MakeArgs = &|_| vec![a, b];
    let mut plain = Builder::new("f", &["a", "b"]);
    let result = plain.binary(op, plain.param(0), plain.param(1));
    plain.ret(result);
    check(plain.finish(), args, expected);

    let mut into_local = Builder::new("f", &["a", "b"]);
    let (x, dst) = (into_local.local("x"), into_local.temp());
    into_local.op(GenericOp::InPlace { op, dst, lhs: into_local.param(0), rhs: into_local.param(1) });
    into_local.move_to(x, dst);
    into_local.ret(x);
    check(into_local.finish(), args, expected);

    let Some(constant) = as_constant(b) else { return };
    let mut with_constant = Builder::new("f", &["a", "b"]);
    let x = with_constant.local("x");
    with_constant.constant_to(x, Const::Str("old".into()));
    let rhs = with_constant.constant(constant);
    let result = with_constant.binary(op, with_constant.param(0), rhs);
    with_constant.move_to(x, result);
    with_constant.ret(x);
    check(with_constant.finish(), args, expected);
}

fn as_constant(slot: Slot) -> Option<Const> {
    use flashpoint_ir::slot::Tag;
    match slot.tag {
        Tag::Int => Some(Const::Int(slot.as_i64())),
        Tag::Float => Some(Const::Float(slot.a)),
        Tag::Bool => Some(Const::Bool(slot.a != 0)),
        _ => None,
    }
}

#[test]
fn integers_never_overflow() {
    let int = Slot::int;
    check_binary(BinOp::Add, int(1 << 62), int(1 << 62), "9223372036854775808");
    check_binary(BinOp::Sub, int(i64::MIN), int(1), "-9223372036854775809");
    check_binary(BinOp::Mul, int(1 << 40), int(1 << 40), "1208925819614629174706176");
    check_binary(BinOp::Mul, Slot::int128(1 << 100), int(1 << 40), "1393796574908163946345982392040522594123776");
    check_binary(BinOp::FloorDiv, int(i64::MIN), int(-1), "9223372036854775808");
    check_binary(BinOp::Mod, int(i64::MIN), int(-1), "0");
    check_binary(BinOp::Sub, Slot::int128(1 << 63), int(1), "9223372036854775807");
    check_binary(BinOp::LShift, int(1), int(63), "9223372036854775808");
    check_binary(BinOp::LShift, int(1), int(200), "1606938044258990275541962092341162602522202993782792835301376");
    check_binary(BinOp::LShift, int(-1), int(63), "-9223372036854775808");
    check_binary(BinOp::RShift, int(-5), int(1000), "-1");
    check_binary(BinOp::Pow, int(3), int(50), "717897987691852588770249");
    check_binary(BinOp::Pow, int(2), int(-1), "0.5");
    check_binary(BinOp::Add, Slot::TRUE, Slot::TRUE, "2");
    check_binary(BinOp::And, Slot::TRUE, Slot::FALSE, "False");
    check_binary(BinOp::Xor, Slot::TRUE, int(3), "2");
}

#[test]
fn division_floors_and_rounds() {
    let (int, float) = (Slot::int, Slot::float);
    check_binary(BinOp::FloorDiv, int(-7), int(2), "-4");
    check_binary(BinOp::Mod, int(-7), int(2), "1");
    check_binary(BinOp::Mod, int(7), int(-2), "-1");
    check_binary(BinOp::TrueDiv, int((1 << 53) + 1), int(3), "3002399751580331.0");
    check_binary(BinOp::FloorDiv, float(-7.5), float(2.0), "-4.0");
    check_binary(BinOp::Mod, float(-7.5), int(2), "0.5");
    check_binary(BinOp::TrueDiv, int(1), float(4.0), "0.25");
    check_binary(BinOp::TrueDiv, int(1), int(0), "ZeroDivisionError: division by zero @1");
    check_binary(BinOp::FloorDiv, int(1), int(0), "ZeroDivisionError: integer division or modulo by zero @1");
    check_binary(BinOp::Mod, int(1), int(0), "ZeroDivisionError: integer division or modulo by zero @1");
    check_binary(BinOp::TrueDiv, float(1.0), float(0.0), "ZeroDivisionError: float division by zero @1");
    check_binary(BinOp::LShift, int(1), int(-1), "ValueError: negative shift count @1");
    check_binary(BinOp::Pow, float(0.0), float(-1.0), "ZeroDivisionError: 0.0 cannot be raised to a negative power @1");
    check_binary(BinOp::Pow, float(10.0), float(400.0), "OverflowError: (34, 'Numerical result out of range') @1");
    check_binary(BinOp::Mul, Slot::complex(1.0, 2.0), Slot::complex(3.0, -1.0), "(5.0+5.0j)");
    check_binary(BinOp::Add, Slot::complex(1.0, 2.0), int(1), "(2.0+2.0j)");
}

#[test]
fn comparisons_are_exact() {
    let two_53 = Slot::float(9007199254740992.0);
    for (op, a, b, expected) in [
        (CmpOp::Eq, Slot::int((1 << 53) + 1), two_53, false),
        (CmpOp::Gt, Slot::int((1 << 53) + 1), two_53, true),
        (CmpOp::Lt, two_53, Slot::int((1 << 53) + 1), true),
        (CmpOp::Ne, Slot::float(f64::NAN), Slot::float(f64::NAN), true),
        (CmpOp::Le, Slot::float(f64::NAN), Slot::int(0), false),
        (CmpOp::Lt, Slot::int128(1 << 64), Slot::float(f64::INFINITY), true),
        (CmpOp::Ge, Slot::int(-3), Slot::int(-3), true),
        (CmpOp::Eq, Slot::TRUE, Slot::float(1.0), true),
        (CmpOp::Is, Slot::NONE, Slot::NONE, true),
        (CmpOp::IsNot, Slot::int(1), Slot::TRUE, true),
    ] {
        // As a value, and as a branch in both directions.
        let mut value = Builder::new("f", &["a", "b"]);
        let result = value.compare(op, value.param(0), value.param(1));
        value.ret(result);
        check(value.finish(), &|_| vec![a, b], if expected { "True" } else { "False" });
        for jump_if_true in [false, true] {
            let mut branch = Builder::new("f", &["a", "b"]);
            let (yes, no) = (branch.label(), branch.label());
            let cond = branch.compare(op, branch.param(0), branch.param(1));
            branch.branch(cond, yes, no);
            for (label, answer) in if jump_if_true { [(no, 0), (yes, 1)] } else { [(yes, 1), (no, 0)] } {
                branch.place(label);
                let answer = branch.int(answer);
                branch.ret(answer);
            }
            check(branch.finish(), &|_| vec![a, b], if expected { "1" } else { "0" });
        }
    }
}

#[test]
fn unary_operators() {
    for (op, operand, expected) in [
        (UnOp::Neg, Slot::int(i64::MIN), "9223372036854775808"),
        (UnOp::Neg, Slot::float(0.0), "-0.0"),
        (UnOp::Neg, Slot::TRUE, "-1"),
        (UnOp::Pos, Slot::TRUE, "1"),
        (UnOp::Invert, Slot::TRUE, "-2"),
        (UnOp::Invert, Slot::int(5), "-6"),
        (UnOp::Not, Slot::float(f64::NAN), "False"),
        (UnOp::Not, Slot::NONE, "True"),
    ] {
        let mut b = Builder::new("f", &["a"]);
        let (x, dst) = (b.local("x"), b.temp());
        b.op(GenericOp::Unary { op, dst, src: b.param(0) });
        b.move_to(x, dst);
        b.ret(x);
        check(b.finish(), &|_| vec![operand], expected);
    }
}

#[test]
fn displays_items_and_unpacking() {
    // x = [1, *t, (2, 'a')]; x[0] += 5; first, *rest, last = x; return (first, rest, last, {'k': x[-1]})
    let mut b = Builder::new("f", &["t"]);
    let (x, first, rest, last) = (b.local("x"), b.local("first"), b.local("rest"), b.local("last"));
    let one = b.int(1);
    let (two, a, pair) = (b.int(2), b.str("a"), b.temp());
    b.op(GenericOp::BuildTuple { dst: pair, items: [two, a].into() });
    let items = [Arg::Plain(one), Arg::Star(b.param(0)), Arg::Plain(pair)];
    b.op(GenericOp::BuildList { dst: x, items: items.into() });
    let (zero, old, new) = (b.int(0), b.temp(), b.temp());
    b.op(GenericOp::GetItem { dst: old, object: x, index: zero });
    let five = b.int(5);
    b.op(GenericOp::InPlace { op: BinOp::Add, dst: new, lhs: old, rhs: five });
    let zero = b.int(0);
    b.op(GenericOp::SetItem { object: x, index: zero, src: new });
    b.op(GenericOp::Unpack { src: x, before: [first].into(), star: Some(rest), after: [last].into() });
    let (k, minus_one, value, dict) = (b.str("k"), b.int(-1), b.temp(), b.temp());
    b.op(GenericOp::GetItem { dst: value, object: x, index: minus_one });
    b.op(GenericOp::BuildDict { dst: dict, items: [(Some(k), value)].into() });
    let all = b.temp();
    b.op(GenericOp::BuildTuple { dst: all, items: [first, rest, last, dict].into() });
    b.ret(all);
    let args: MakeArgs =
        &|host| vec![host.object(crate::rust_host::Object::Tuple(vec![Slot::int(7), Slot::float(0.5)]))];
    check(b.finish(), args, "(6, [7, 0.5], (2, 'a'), {'k': (2, 'a')})");
}

#[test]
fn strings_and_in_place_lists() {
    // x = []; y = x; x += [1]; return f"{y!r}-{1.5}"
    let mut b = Builder::new("f", &[]);
    let (x, y, dst) = (b.local("x"), b.local("y"), b.temp());
    b.op(GenericOp::BuildList { dst: x, items: [].into() });
    b.move_to(y, x);
    let (one, list) = (b.int(1), b.temp());
    b.op(GenericOp::BuildList { dst: list, items: [Arg::Plain(one)].into() });
    b.op(GenericOp::InPlace { op: BinOp::Add, dst, lhs: x, rhs: list });
    b.move_to(x, dst);
    let (left, right) = (b.temp(), b.temp());
    b.op(GenericOp::FormatValue { dst: left, src: y, conversion: Conversion::Repr, spec: None });
    let dash = b.str("-");
    let number = b.constant(Const::Float(1.5f64.to_bits()));
    b.op(GenericOp::FormatValue { dst: right, src: number, conversion: Conversion::None, spec: None });
    let text = b.temp();
    b.op(GenericOp::BuildString { dst: text, parts: [left, dash, right].into() });
    b.ret(text);
    check(b.finish(), &no_args, "'[1]-1.5'");
}

#[test]
fn closures_keep_cells_alive() {
    // def f(n):
    //     def g(k=10): nonlocal n; n = n + k; return n
    //     g(); return g(1) + n
    let mut inner = Builder::new("g", &["k"]);
    let n = inner.free("n");
    let loaded = inner.temp();
    inner.op(GenericOp::LoadCell { dst: loaded, cell: n });
    let sum = inner.binary(BinOp::Add, loaded, inner.param(0));
    inner.op(GenericOp::StoreCell { cell: n, src: sum });
    let loaded = inner.temp();
    inner.op(GenericOp::LoadCell { dst: loaded, cell: n });
    inner.ret(loaded);

    let mut b = Builder::new("f", &["n"]);
    let (g, n) = (b.local("g"), b.cell("n"));
    b.op(GenericOp::MakeCell { cell: n, initial: Some(b.param(0)) });
    let function = b.nested(inner.finish());
    let default = b.int(10);
    b.op(GenericOp::MakeFunction {
        dst: g,
        function,
        defaults: [default].into(),
        keyword_defaults: [].into(),
        closure: [n].into(),
    });
    let ignored = b.call(g, &[]);
    b.op(GenericOp::Drop { slot: ignored });
    let one = b.int(1);
    let (last, k) = (b.temp(), b.name("k"));
    b.op(GenericOp::CallEx { dst: last, callee: g, args: [Arg::Keyword(k, one)].into() });
    let loaded = b.temp();
    b.op(GenericOp::LoadCell { dst: loaded, cell: n });
    let sum = b.binary(BinOp::Add, last, loaded);
    b.ret(sum);
    check(b.finish(), &|_| vec![Slot::int(100)], "222");
}

#[test]
fn unbound_variables() {
    // def f(): x = 'a'; del x; return x
    let mut b = Builder::new("f", &[]);
    let x = b.local("x");
    b.constant_to(x, Const::Str("a".into()));
    b.op(GenericOp::Delete { slot: x });
    b.line(3);
    b.op(GenericOp::CheckBound { slot: x });
    b.ret(x);
    let text = "cannot access local variable 'x' where it is not associated with a value";
    check(b.finish(), &no_args, &format!("UnboundLocalError: {text} @3"));

    let mut b = Builder::new("f", &[]);
    let (x, dst) = (b.cell("x"), b.temp());
    b.op(GenericOp::MakeCell { cell: x, initial: None });
    b.op(GenericOp::LoadCell { dst, cell: x });
    b.ret(dst);
    check(b.finish(), &no_args, &format!("UnboundLocalError: {text} @1"));

    let mut b = Builder::new("f", &[]);
    let dst = b.global("nowhere");
    b.ret(dst);
    check(b.finish(), &no_args, "NameError: name 'nowhere' is not defined @1");
}

#[test]
fn globals_and_builtins() {
    // G = len('abc'); r = G * max(2, 1); del G; return r
    let mut b = Builder::new("f", &[]);
    let (r, name) = (b.local("r"), b.name("G"));
    let (len, text) = (b.global("len"), b.str("abc"));
    let length = b.call(len, &[text]);
    b.op(GenericOp::StoreGlobal { name, src: length });
    let g = b.global("G");
    let (max, two) = (b.global("max"), b.int(2));
    let one = b.int(1);
    let most = b.call(max, &[two, one]);
    let product = b.binary(BinOp::Mul, g, most);
    b.move_to(r, product);
    b.op(GenericOp::DeleteGlobal { name });
    b.ret(r);
    check(b.finish(), &no_args, "6");
}

#[test]
fn frames_may_be_dropped_in_any_order() {
    use std::sync::Arc;

    use crate::tier0::{Code, Frame};

    let mut b = Builder::new("f", &["a"]);
    for _ in 0..100 {
        b.temp();
    }
    let code = Code::load(Arc::new(b.finish()), 1).unwrap();
    let mut frames: Vec<Frame> = (0..200).map(|_| Frame::new(&code)).collect();
    for (index, frame) in frames.iter_mut().enumerate() {
        frame.slots_mut().fill(Slot::int(index as i64));
    }
    for (index, frame) in frames.iter().enumerate() {
        assert!(frame.slots().iter().all(|slot| *slot == Slot::int(index as i64)));
    }
    while !frames.is_empty() {
        frames.swap_remove(frames.len() / 2);
        let fresh = Frame::new(&code);
        assert!(fresh.slots().iter().all(|slot| *slot == Slot::UNBOUND));
    }
}

#[test]
fn calls_of_any_size_are_pushed_and_popped() {
    use std::sync::Arc;

    use flashpoint_ir::generic::Pc;

    use crate::host::Host;
    use crate::rust_host::RustHost;
    use crate::tier0::{Alone, CallStack};

    let mut host = RustHost::new();
    let mut sized = |n_temps: usize| {
        let mut b = Builder::new("f", &["a"]);
        (0..n_temps).for_each(|_| _ = b.temp());
        let seven = b.int(7);
        b.ret(seven);
        host.function(Arc::new(b.finish())).unwrap()
    };
    // Smaller than a chunk of the stack, about as large as one, and larger than several.
    let functions = [sized(3), sized(100), sized(5000), sized(100_000)];
    let units: Vec<_> =
        functions.iter().map(|function| Alone { code: &function.definition.code, function: &**function }).collect();
    for round in 0..3 {
        host.enter_frame(&functions[0]).unwrap();
        let mut calls = CallStack::new::<RustHost>(&units[0]);
        let mut pushed = vec![0];
        for step in 0..60 {
            let index = (step * step + round) % units.len();
            calls.slots_mut()[0] = Slot::int(step as i64);
            host.enter_inner_frame(&functions[index]).unwrap();
            calls.push::<RustHost>(Pc(0), &units[index]);
            pushed.push(index);
            assert!(calls.slots_mut().iter().all(|slot| *slot == Slot::UNBOUND));
            let (code, registers) = calls.running();
            assert_eq!(registers.get(code.constant_reg(0)), Slot::int(7));
            calls.slots_mut().fill(Slot::int(-1));
        }
        while let Some(index) = pushed.pop().filter(|_| !pushed.is_empty()) {
            assert_eq!(calls.slots_mut().len(), units[index].code.n_slots());
            calls.pop(&mut host);
            assert_eq!(calls.slots_mut()[0], Slot::int(pushed.len() as i64 - 1));
        }
        host.leave_frame();
    }
}

#[test]
fn broken_functions_are_refused() {
    use std::sync::Arc;

    use flashpoint_ir::generic::{Pc, SlotIdx};

    use crate::tier0::Code;

    let load = |op: GenericOp| {
        let mut b = Builder::new("f", &["a"]);
        b.op(op);
        Code::load(Arc::new(b.finish()), 1).map(|_| ()).map_err(|error| error.what)
    };
    assert!(load(GenericOp::Return { src: SlotIdx(9) }).is_err());
    assert!(load(GenericOp::Jump { target: Pc(99) }).is_err());
    assert!(load(GenericOp::MakeCell { cell: SlotIdx(7), initial: None }).is_err());
    let mut b = Builder::new("f", &["a"]);
    let x = b.param(0);
    b.op(GenericOp::Drop { slot: x });
    let mut function = b.finish();
    function.ops.pop();
    function.spans.pop();
    assert_eq!(Code::load(Arc::new(function), 1).unwrap_err().pc, Pc(1));
}
