//! Exceptions: handlers, what is released on the way to them, tracebacks, context managers.

use std::cell::RefCell;
use std::rc::Rc;

use flashpoint_ir::generic::{Arg, BinOp, Const, GenericOp, SlotIdx};
use flashpoint_ir::slot::Slot;

use super::{Builder, check};
use crate::rust_host::{Object, RustHost};

fn no_args(_: &mut RustHost) -> Vec<Slot> {
    Vec::new()
}

/// `raise class(text)`
fn raise(b: &mut Builder, class: &str, text: &str) {
    let (class, text) = (b.global(class), b.str(text));
    let exc = b.call(class, &[text]);
    b.op(GenericOp::Raise { exc: Some(exc), cause: None });
}

#[test]
fn an_exception_leaves_with_its_line() {
    // t = ('a', 1 // n), with an operand pending
    let mut b = Builder::new("f", &["n"]);
    let text = b.str("a");
    b.line(4);
    let one = b.int(1);
    let quotient = b.binary(BinOp::FloorDiv, one, b.param(0));
    let pair = b.temp();
    b.op(GenericOp::BuildTuple { dst: pair, items: [text, quotient].into() });
    b.ret(pair);
    let function = b.finish();
    check(function.clone(), &|_| vec![Slot::int(0)], "ZeroDivisionError: integer division or modulo by zero @4");
    check(function, &|_| vec![Slot::int(1)], "('a', 1)");
}

#[test]
fn a_handler_catches_what_matches() {
    // try: 1 // n; return 'fine'
    // except (ValueError, ArithmeticError) as e: return ('caught', e.args[0])
    // else passes on
    let mut b = Builder::new("f", &["n"]);
    let e = b.local("e");
    b.try_except(
        |b| {
            b.line(2);
            let kept = b.str("pending");
            let one = b.int(1);
            let quotient = b.binary(BinOp::FloorDiv, one, b.param(0));
            let pair = b.temp();
            b.op(GenericOp::BuildTuple { dst: pair, items: [kept, quotient].into() });
            b.ret(pair);
        },
        |b, exc, saved| {
            b.line(3);
            let (first, second, classes) = (b.global("ValueError"), b.global("ArithmeticError"), b.temp());
            b.op(GenericOp::BuildTuple { dst: classes, items: [first, second].into() });
            let matches = b.temp();
            b.op(GenericOp::MatchException { dst: matches, exc, class: classes });
            let (yes, no) = (b.label(), b.label());
            b.branch(matches, yes, no);
            b.place(yes);
            b.move_to(e, exc);
            b.op(GenericOp::LeaveHandler { exc, saved });
            let (args, name) = (b.temp(), b.name("args"));
            b.op(GenericOp::LoadAttr { dst: args, object: e, name });
            b.op(GenericOp::Delete { slot: e });
            b.ret(args);
            b.place(no);
            b.op(GenericOp::Reraise { exc, saved });
        },
    );
    let function = b.finish();
    check(function.clone(), &|_| vec![Slot::int(0)], "('integer division or modulo by zero',)");
    check(function.clone(), &|_| vec![Slot::int(2)], "('pending', 0)");
    // A TypeError passes through: one traceback entry, at the line that raised.
    check(function, &|host| vec![host.str("x")], "TypeError: unsupported operand type(s) for //: 'int' and 'str' @2");
}

#[test]
fn a_loop_left_by_an_exception_drops_its_iterator() {
    // for i in t:
    //     try:
    //         for c in 'ab': raise ValueError(c)
    //     except ValueError: count += i
    // return count
    let mut b = Builder::new("f", &["t"]);
    let (count, i, c) = (b.local("count"), b.local("i"), b.local("c"));
    b.constant_to(count, Const::Int(0));
    let t = b.param(0);
    b.for_each(i, t, |b| {
        b.try_except(
            |b| {
                let text = b.str("ab");
                b.for_each(c, text, |b| {
                    let class = b.global("ValueError");
                    let exc = b.call(class, &[c]);
                    b.op(GenericOp::Raise { exc: Some(exc), cause: None });
                });
            },
            |b, exc, saved| {
                b.op(GenericOp::LeaveHandler { exc, saved });
                let sum = b.binary(BinOp::Add, count, i);
                b.move_to(count, sum);
            },
        );
    });
    b.ret(count);
    let args = |host: &mut RustHost| vec![host.list(vec![Slot::int(1), Slot::int(2), Slot::int(39)])];
    check(b.finish(), &args, "42");
}

#[test]
fn nested_handlers_and_contexts() {
    // try:
    //     try: raise ValueError('inner')                      line 2
    //     except ValueError: raise KeyError('outer')          line 3
    // except KeyError as e: return (e.__context__.args, raised again at the end)
    let mut b = Builder::new("f", &["again"]);
    let (cleanup, context) = (b.label(), b.local("context"));
    b.try_except(
        |b| {
            let (inner_exc, inner_saved) = (b.pinned(), b.pinned());
            let (caught, start) = (b.label(), b.here());
            b.line(2);
            raise(b, "ValueError", "inner");
            b.protect(start, caught);
            b.place(caught);
            b.op(GenericOp::EnterHandler { exc: inner_exc, saved: inner_saved });
            b.line(3);
            // What is raised inside a handler goes through a clean-up that makes the older exception the handled one.
            let start = b.here();
            raise(b, "KeyError", "outer");
            b.protect(start, cleanup);
            b.place(cleanup);
            let (exc, saved) = (b.pinned(), b.pinned());
            b.op(GenericOp::EnterHandler { exc, saved });
            b.op(GenericOp::LeaveHandler { exc: inner_exc, saved });
            b.op(GenericOp::Reraise { exc, saved: inner_saved });
        },
        |b, exc, saved| {
            b.line(4);
            let (inner, args) = (b.temp(), b.temp());
            let (name, args_name) = (b.name("__context__"), b.name("args"));
            b.op(GenericOp::LoadAttr { dst: inner, object: exc, name });
            b.op(GenericOp::LoadAttr { dst: args, object: inner, name: args_name });
            b.move_to(context, args);
            let (yes, no) = (b.label(), b.label());
            b.branch(b.param(0), yes, no);
            b.place(yes);
            b.line(5);
            b.op(GenericOp::Reraise { exc, saved });
            b.place(no);
            b.op(GenericOp::LeaveHandler { exc, saved });
            b.ret(context);
        },
    );
    let function = b.finish();
    check(function.clone(), &|_| vec![Slot::FALSE], "('inner',)");
    check(function, &|_| vec![Slot::TRUE], "KeyError: outer @3");
}

#[test]
fn bare_raise_without_exception() {
    let mut b = Builder::new("f", &[]);
    b.op(GenericOp::Raise { exc: None, cause: None });
    check(b.finish(), &no_args, "RuntimeError: No active exception to reraise @1");
}

#[test]
fn assertions() {
    let mut b = Builder::new("f", &[]);
    let message = b.int(3);
    b.line(7);
    b.op(GenericOp::RaiseAssertion { message: Some(message) });
    check(b.finish(), &no_args, "AssertionError: 3 @7");
}

#[test]
fn truth_raises_at_the_branch() {
    // if a == a is decided by the host: arrays are ambiguous.
    let mut b = Builder::new("f", &["a"]);
    let (yes, no) = (b.label(), b.label());
    b.line(2);
    let start = b.here();
    b.branch(b.param(0), yes, no);
    assert_eq!(start.0, 0);
    b.place(yes);
    b.place(no);
    let args = |host: &mut RustHost| {
        let array = crate::rust_host::Array::new(flashpoint_ir::dtype::DType::F64, &[2], vec![0, 0]);
        vec![host.object(Object::Array(array))]
    };
    let text = "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()";
    check(b.finish(), &args, &format!("ValueError: {text} @2"));
}

#[test]
fn recursion_is_limited_and_lines_pile_up() {
    // def f(n): return 0 if n == 0 else f(n - 1), through a global
    let mut b = Builder::new("f", &["g", "n"]);
    let (yes, no) = (b.label(), b.label());
    b.branch(b.param(1), yes, no);
    b.place(yes);
    b.line(2);
    let one = b.int(1);
    let less = b.binary(BinOp::Sub, b.param(1), one);
    let deeper = b.call(b.param(0), &[b.param(0), less]);
    b.ret(deeper);
    b.place(no);
    let zero = b.int(0);
    b.ret(zero);
    let function = std::sync::Arc::new(b.finish());
    let mut host = RustHost::new();
    let f = host.function(function).unwrap();
    let callee = host.object(Object::Function(f.clone()));
    assert_eq!(host.call_function(&f, &[callee, Slot::int(900)]), Ok(Slot::int(0)));
    assert!(host.call_function(&f, &[callee, Slot::int(5000)]).is_err());
    let error = host.take_error().unwrap();
    assert_eq!((error.class, error.traceback.len()), ("RecursionError", 1000));
    assert!(error.traceback.iter().all(|(_, line)| *line == 2));
}

/// `with manager: body`, as the front end lowers it.
fn with(b: &mut Builder, manager: SlotIdx, body: impl FnOnce(&mut Builder)) {
    let (exit, entered) = (b.pinned(), b.temp());
    b.op(GenericOp::WithEnter { dst: entered, exit, manager });
    b.op(GenericOp::Drop { slot: entered });
    let (caught, after) = (b.label(), b.label());
    let start = b.here();
    body(b);
    b.protect(start, caught);
    let ignored = b.temp();
    b.op(GenericOp::WithExit { dst: ignored, exit, exc: None });
    b.op(GenericOp::Drop { slot: ignored });
    b.jump(after);
    b.place(caught);
    let (exc, saved, handled) = (b.pinned(), b.pinned(), b.temp());
    b.op(GenericOp::EnterHandler { exc, saved });
    b.op(GenericOp::WithExit { dst: handled, exit, exc: Some(exc) });
    let (swallow, pass) = (b.label(), b.label());
    b.branch(handled, swallow, pass);
    b.place(pass);
    b.op(GenericOp::Reraise { exc, saved });
    b.place(swallow);
    b.op(GenericOp::LeaveHandler { exc, saved });
    b.place(after);
    b.op(GenericOp::Drop { slot: exit });
}

#[test]
fn context_managers() {
    // with m: log.append(1); if fail: raise ValueError('x')
    // return log
    let mut b = Builder::new("f", &["m", "log", "fail"]);
    let (manager, log, fail) = (b.param(0), b.param(1), b.param(2));
    with(&mut b, manager, |b| {
        let one = b.int(1);
        b.op(GenericOp::Append { into: log, src: one });
        let (yes, no) = (b.label(), b.label());
        b.branch(fail, yes, no);
        b.place(yes);
        b.line(2);
        raise(b, "ValueError", "x");
        b.place(no);
    });
    b.ret(log);
    let function = b.finish();
    for (fail, swallow, expected) in
        [(false, false, "[0, 1, None]"), (true, true, "[0, 1, 'ValueError: x']"), (true, false, "ValueError: x @2")]
    {
        let args = move |host: &mut RustHost| {
            let log = host.list(Vec::new());
            let enter = host.native(move |host, _| {
                crate::host::Host::append(host, &log, &Slot::int(0))?;
                Ok(Slot::NONE)
            });
            let exit = host.native(move |host, args| {
                let seen = match host.error_info(&args[1]) {
                    Some(error) => host.str(&format!("{}: {}", error.class, error.message)),
                    None => Slot::NONE,
                };
                crate::host::Host::append(host, &log, &seen)?;
                crate::host::Host::release(host, seen);
                Ok(Slot::bool(swallow))
            });
            let manager = host.object(Object::Manager { enter, exit });
            vec![manager, log, Slot::bool(fail)]
        };
        check(function.clone(), &args, expected);
    }
}

#[test]
fn temporaries_are_released_before_the_handler_runs() {
    // The handler sees that the object pending in an expression is gone.
    let alive = Rc::new(RefCell::new(Vec::new()));
    let mut b = Builder::new("f", &[]);
    b.try_except(
        |b| {
            let (one, list, pair) = (b.int(1), b.temp(), b.temp());
            b.op(GenericOp::BuildList { dst: list, items: [Arg::Plain(one)].into() });
            let probe = b.global("probe");
            let probed = b.call(probe, &[]);
            let quotient = b.temp();
            let zero = b.int(0);
            b.op(GenericOp::Binary { op: BinOp::Mod, dst: quotient, lhs: probed, rhs: zero });
            b.op(GenericOp::BuildTuple { dst: pair, items: [list, quotient].into() });
            b.ret(pair);
        },
        |b, exc, saved| {
            b.op(GenericOp::LeaveHandler { exc, saved });
            let probe = b.global("probe");
            let probed = b.call(probe, &[]);
            b.ret(probed);
        },
    );
    let mut host = RustHost::new();
    let seen = alive.clone();
    let probe = host.native(move |host, _| {
        seen.borrow_mut().push(host.n_objects());
        Ok(Slot::int(1))
    });
    host.set_global("probe", probe);
    let function = host.function(std::sync::Arc::new(b.finish())).unwrap();
    assert_eq!(host.call_function(&function, &[]), Ok(Slot::int(1)));
    let alive = alive.borrow();
    assert_eq!(alive[0], alive[1] + 1, "the list is still alive in the handler");
}
