//! How fast the loop is. Not part of the suite: `cargo test --release -p flashpoint-engine timing -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use flashpoint_ir::dtype::DType;
use flashpoint_ir::generic::{BinOp, CmpOp, Const, GenericFunction, GenericOp, UnOp};
use flashpoint_ir::slot::Slot;

use super::Builder;
use crate::rust_host::{Array, Object, RustHost};

fn time(name: &str, generic: GenericFunction, n: i64, ops: f64, args: impl Fn(&mut RustHost) -> Vec<Slot>) {
    let mut host = RustHost::new();
    let function = host.function(Arc::new(generic)).unwrap();
    let args = args(&mut host);
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let start = Instant::now();
        host.call_function(&function, &args).unwrap();
        best = best.min(start.elapsed().as_secs_f64());
    }
    let per_iteration = best * 1e9 / n as f64;
    println!("{name:32} {per_iteration:7.2} ns/iteration, {:5.2} ns/operation", per_iteration / ops);
}

/// `while i < n: x = x * 0.999 + 0.5; i += 1; if not x > 2: x = 1.0`
fn float_while() -> GenericFunction {
    let mut b = Builder::new("f", &["n"]);
    let (x, i) = (b.local("x"), b.local("i"));
    b.constant_to(x, Const::Float(1.0f64.to_bits()));
    b.constant_to(i, Const::Int(0));
    let (header, body, exit, keep, reset) = (b.label(), b.label(), b.label(), b.label(), b.label());
    b.place(header);
    let more = b.compare(CmpOp::Lt, i, b.param(0));
    b.branch(more, body, exit);
    b.place(body);
    let factor = b.constant(Const::Float(0.999f64.to_bits()));
    let product = b.binary(BinOp::Mul, x, factor);
    let half = b.constant(Const::Float(0.5f64.to_bits()));
    let sum = b.binary(BinOp::Add, product, half);
    b.move_to(x, sum);
    let one = b.int(1);
    let next = b.temp();
    b.op(GenericOp::InPlace { op: BinOp::Add, dst: next, lhs: i, rhs: one });
    b.move_to(i, next);
    let two = b.constant(Const::Float(1e6f64.to_bits()));
    let large = b.compare(CmpOp::Gt, x, two);
    let not = b.temp();
    b.op(GenericOp::Unary { op: UnOp::Not, dst: not, src: large });
    b.branch(not, keep, reset);
    b.place(reset);
    b.constant_to(x, Const::Float(1.0f64.to_bits()));
    b.place(keep);
    b.jump(header);
    b.place(exit);
    b.ret(x);
    b.finish()
}

/// `for x in t: s = s + x`
fn sum_items() -> GenericFunction {
    let mut b = Builder::new("f", &["t"]);
    let (s, x) = (b.local("s"), b.local("x"));
    b.constant_to(s, Const::Int(0));
    let t = b.param(0);
    b.for_each(x, t, |b| {
        let sum = b.binary(BinOp::Add, s, x);
        b.move_to(s, sum);
    });
    b.ret(s);
    b.finish()
}

#[test]
#[ignore = "measures; asserts nothing"]
fn timing() {
    let n = 3_000_000;
    time("r = (r*31+i) % 1000003", super::loops::hash_loop(), n, 5.0, |_| vec![Slot::int(n)]);
    time("float while", float_while(), n, 7.0, |_| vec![Slot::int(n)]);
    time("sum of a list of ints", sum_items(), 1_000_000, 3.0, |host| vec![host.list(vec![Slot::int(7); 1_000_000])]);
    time("sum of a float64 array", sum_items(), 1_000_000, 3.0, |host| {
        vec![host.object(Object::Array(Array::new(DType::F64, &[1_000_000], vec![0; 1_000_000])))]
    });
}
