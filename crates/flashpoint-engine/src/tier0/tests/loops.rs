//! Loops: iteration, back edges, hooks, polls, profiles, resuming after a call.

use std::sync::Arc;

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, CmpOp, Const, GenericFunction, GenericOp, Pc};
use flashpoint_ir::slot::Slot;

use super::{Builder, check};
use crate::host::Host;
use crate::rust_host::{Array, Object, RustFunction, RustHost};
use crate::tier0::{Alone, BackEdge, CallStack, Code, Entry, Frame, Hooks, Kinds, Outcome, run};

/// `r = 0; for i in range(n): r = (r * 31 + i) % 1000003; return r`
pub(crate) fn hash_loop() -> GenericFunction {
    let mut b = Builder::new("f", &["n"]);
    let (r, i) = (b.local("r"), b.local("i"));
    b.constant_to(r, Const::Int(0));
    let range = b.global("range");
    let iterable = b.call(range, &[b.param(0)]);
    b.for_each(i, iterable, |b| {
        let c31 = b.int(31);
        let product = b.binary(BinOp::Mul, r, c31);
        let sum = b.binary(BinOp::Add, product, i);
        let modulus = b.int(1_000_003);
        let rest = b.binary(BinOp::Mod, sum, modulus);
        b.move_to(r, rest);
    });
    b.ret(r);
    b.finish()
}

fn hash(n: i64) -> i64 {
    (0..n).fold(0, |r, i| (r * 31 + i) % 1_000_003)
}

#[test]
fn counted_loops() {
    for n in [-1, 0, 1, 2, 1000] {
        check(hash_loop(), &|_| vec![Slot::int(n)], &hash(n).to_string());
    }
}

#[test]
fn iteration_over_everything() {
    // s = init; for x in t: s = s + x; return s
    let mut b = Builder::new("f", &["t", "s"]);
    let (x, s, t) = (b.local("x"), b.param(1), b.param(0));
    b.for_each(x, t, |b| {
        let sum = b.binary(BinOp::Add, s, x);
        b.move_to(s, sum);
    });
    b.ret(s);
    let function = b.finish();
    type Make = fn(&mut RustHost) -> Slot;
    let cases: [(Make, Slot, &str); 5] = [
        (|host| host.list(vec![Slot::int(1), Slot::float(2.5), Slot::TRUE]), Slot::int(0), "4.5"),
        (|host| host.object(Object::Tuple(vec![Slot::int(i64::MAX); 3])), Slot::int(0), "27670116110564327421"),
        (
            |host| {
                let words = [1.5f64, 2.0].map(f64::to_bits).to_vec();
                host.object(Object::Array(Array::new(DType::F64, &[2], words)))
            },
            Slot::int(0),
            "3.5",
        ),
        (|_| Slot::int(3), Slot::int(0), "TypeError: 'int' object is not iterable @1"),
        (|host| host.object(Object::Range { start: 10, stop: 0, step: -3 }), Slot::int(0), "22"),
    ];
    for (make, start, expected) in cases {
        check(function.clone(), &|host| vec![make(host), start], expected);
    }
    check(function, &|host| vec![host.str("abc"), host.str("<")], "'<abc'");
}

#[test]
fn conditional_back_edges() {
    // while True: n -= 1; if n > 0: continue (a backward branch); break
    let mut b = Builder::new("f", &["n"]);
    let (header, exit, n) = (b.label(), b.label(), b.param(0));
    b.place(header);
    let one = b.int(1);
    let less = b.binary(BinOp::Sub, n, one);
    b.move_to(n, less);
    let zero = b.int(0);
    let more = b.compare(CmpOp::Gt, n, zero);
    b.branch(more, header, exit);
    b.place(exit);
    b.ret(n);
    let function = b.finish();
    check(function.clone(), &|_| vec![Slot::int(50)], "0");
    let code = Code::load(Arc::new(function), 10).unwrap();
    assert_eq!(code.loops().iter().map(|l| l.header).collect::<Vec<_>>(), [Pc(0)]);
}

#[test]
fn an_inner_loop_may_end_at_the_outer_header() {
    // The inner loop's exit is the outer loop's header itself: a backward `exhausted`.
    let mut b = Builder::new("f", &["n"]);
    let (s, i, j) = (b.local("s"), b.local("i"), b.local("j"));
    b.constant_to(s, Const::Int(0));
    let (outer, inner) = (b.pinned(), b.pinned());
    let range = b.global("range");
    let iterable = b.call(range, &[b.param(0)]);
    b.op(GenericOp::GetIter { dst: outer, src: iterable });
    let header = b.here();
    let exhausted = Pc(header.0 + 8);
    b.op(GenericOp::ForNext { dst: i, iter: outer, exhausted });
    let range = b.global("range");
    let iterable = b.call(range, &[i]);
    b.op(GenericOp::GetIter { dst: inner, src: iterable });
    let inner_header = b.here();
    b.op(GenericOp::ForNext { dst: j, iter: inner, exhausted: header });
    let sum = b.binary(BinOp::Add, s, j);
    b.move_to(s, sum);
    b.op(GenericOp::Jump { target: inner_header });
    assert_eq!(b.here(), exhausted);
    b.op(GenericOp::Drop { slot: outer });
    b.ret(s);
    let expected: i64 = (0..20).map(|i| (0..i).sum::<i64>()).sum();
    check(b.finish(), &|_| vec![Slot::int(20)], &expected.to_string());
}

/// Counts, and leaves after so many calls.
struct Counting {
    calls: u32,
    leave_after: u32,
}

impl<'u> Hooks<'u, RustHost> for Counting {
    type Unit = Alone<'u, RustFunction>;
    type Exit = u32;

    fn on_back_edge(
        &mut self,
        _: &mut RustHost,
        unit: &'u Self::Unit,
        loop_index: usize,
        frame: &mut [Slot],
    ) -> BackEdge<u32> {
        let code = unit.code;
        self.calls += 1;
        assert_eq!(frame.len(), code.n_slots());
        if self.calls == self.leave_after {
            code.loops()[loop_index].arm(7);
            BackEdge::Leave(self.calls)
        } else {
            BackEdge::Continue { trips: 10 }
        }
    }
}

#[test]
fn hooks_count_leave_and_resume() {
    let mut host = RustHost::new();
    let function = host.function(Arc::new(hash_loop())).unwrap();
    let code = &function.definition.code;
    let alive = host.n_objects();
    let mut frame = Frame::new(code);
    frame.slots_mut()[0] = Slot::int(1000);
    code.loops()[0].arm(100);
    let mut hooks = Counting { calls: 0, leave_after: 3 };
    let unit = Alone { code, function: &*function };
    host.enter_frame(&function).unwrap();
    let mut calls = CallStack::of::<RustHost>(&unit, frame);
    let left = run(&mut calls, &mut host, &mut hooks, Entry::START).unwrap();
    let header = code.loops()[0].header;
    assert_eq!(left, Outcome::Left { header, exit: 3 });
    // 100 back edges, then twice 10: the loop variable holds the last index.
    let frame = calls.slots_mut();
    assert_eq!(frame[2], Slot::int(119));
    // The state may be changed as compiled code would: here 500 iterations are done at once.
    let iter = frame.iter().position(|s| s.tag == flashpoint_ir::slot::Tag::RangeIter).unwrap();
    let mut r = frame[1].as_i64();
    for i in 120..620 {
        r = (r * 31 + i) % 1_000_003;
    }
    frame[1] = Slot::int(r);
    frame[iter] = Slot::range_iter(620, 380, 1);
    let done = run(&mut calls, &mut host, &mut hooks, Entry::At(header)).unwrap();
    assert_eq!(done, Outcome::Returned(Slot::int(hash(1000))));
    assert_eq!(host.n_objects(), alive);
}

#[test]
fn a_poll_can_interrupt() {
    let mut host = RustHost::new();
    let function = host.function(Arc::new(hash_loop())).unwrap();
    host.interrupt = true;
    assert!(host.call_function(&function, &[Slot::int(100_000)]).is_err());
    assert_eq!(host.take_error().unwrap().class, "KeyboardInterrupt");
    assert_eq!(host.n_polls, 1);
}

#[test]
fn going_on_after_a_call_made_elsewhere() {
    // x = g(a); return x + 1: the engine made the call.
    let mut b = Builder::new("f", &["g", "a"]);
    let x = b.local("x");
    let (callee, arg) = (b.temp(), b.temp());
    b.move_to(callee, b.param(0));
    b.move_to(arg, b.param(1));
    let call = b.here();
    b.op(GenericOp::Call { dst: x, callee, args: [arg].into() });
    let one = b.int(1);
    let sum = b.binary(BinOp::Add, x, one);
    b.ret(sum);
    let mut host = RustHost::new();
    let function = host.function(Arc::new(b.finish())).unwrap();
    let code = &function.definition.code;
    let alive = host.n_objects();
    let mut frame = Frame::new(code);
    frame.slots_mut()[callee.0 as usize] = host.str("still here");
    let mut hooks = Counting { calls: 0, leave_after: 0 };
    let entry = Entry::AfterCall { pc: call, result: Slot::int(41) };
    let unit = Alone { code, function: &*function };
    host.enter_frame(&function).unwrap();
    let done = run(&mut CallStack::of::<RustHost>(&unit, frame), &mut host, &mut hooks, entry).unwrap();
    assert_eq!(done, Outcome::Returned(Slot::int(42)));
    assert_eq!(host.n_objects(), alive);
    // The call raised instead.
    host.enter_frame(&function).unwrap();
    let mut calls = CallStack::of::<RustHost>(&unit, Frame::new(code));
    let _pending = host.error("ValueError", "elsewhere");
    assert!(run(&mut calls, &mut host, &mut hooks, Entry::Raise(call)).is_err());
    assert_eq!(host.take_error().unwrap().traceback, [("f".to_string(), 1)]);
}

#[test]
fn profiles_tell_what_typed_code_cannot_know() {
    // return f(a) * a
    let mut b = Builder::new("f", &["f", "a"]);
    let call_pc = b.here();
    let value = b.call(b.param(0), &[b.param(1)]);
    let binary_pc = b.here();
    let product = b.binary(BinOp::Mul, value, b.param(1));
    b.ret(product);
    let mut host = RustHost::new();
    let function = host.function(Arc::new(b.finish())).unwrap();
    let identity = host.native(|host, args| {
        host.retain(&args[0]);
        Ok(args[0])
    });
    let profile = function.definition.code.profile();
    let mut call = |arg: Slot| {
        let value = host.call_function(&function, &[identity, arg]).unwrap();
        host.release(value);
    };
    call(Slot::int(3));
    call(Slot::float(3.0));
    assert_eq!(profile.kinds(call_pc), Kinds::INT | Kinds::FLOAT);
    assert_eq!(profile.kinds(binary_pc), Kinds::NOTHING);
    call(Slot::int(1 << 40));
    assert_eq!(profile.kinds(binary_pc), Kinds::WIDE);
    call(Slot::int128(1 << 100));
    assert!(profile.kinds(binary_pc).contains(Kinds::WIDE | Kinds::OBJECT));
    assert_eq!(profile.dtype(call_pc), None);
    call(Slot::numpy(DType::I64, 5, 0));
    assert_eq!(profile.dtype(call_pc), Some(DType::I64));
    call(Slot::numpy(DType::F64, 0, 0));
    assert_eq!(profile.dtype(call_pc), None);
    profile.forget(binary_pc);
    assert_eq!(profile.kinds(binary_pc), Kinds::NOTHING);
}
