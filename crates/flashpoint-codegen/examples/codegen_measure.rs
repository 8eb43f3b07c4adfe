//! What tier 1 costs: `cargo run --release -p flashpoint-codegen --example codegen_measure [LIBRARY OF TIER 2]`.
//!
//! Prints the time of the first compilation of a thread, of later ones, and of loading, for functions of several sizes;
//! and the time of divisions of `i128` on each back end.

use std::time::{Duration, Instant};

use flashpoint_codegen::{Backend, CompileOptions, Cranelift, Llvm, Loader};
use flashpoint_ir::builder::Builder;
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
use flashpoint_ir::typed::{BinaryOp, IntCC, OverflowOp, Type, TypedFunction, UnaryOp, Value};

fn main() {
    let start = Instant::now();
    let cranelift = Cranelift::new().expect("code for this machine");
    println!("set-up {:?}", start.elapsed());
    let loader = Loader::new(64 << 20);
    if std::env::var_os("ASM").is_some() {
        let options = CompileOptions { want_asm: true, want_ir: true, ..CompileOptions::default() };
        let object = cranelift.compile(&checked_sum(2), &options).expect("code");
        println!("{}\n{}", object.ir.expect("asked for"), object.asm.expect("asked for"));
        return;
    }
    if let Ok(n_times) = std::env::var("PROFILE") {
        let func = checked_sum(std::env::var("ADDS").map_or(25, |adds| adds.parse().expect("a number")));
        for _ in 0..n_times.parse().expect("a number") {
            cranelift.compile(&func, &CompileOptions::default()).expect("code");
        }
        return;
    }
    for n_adds in [5, 5, 25, 100, 1000] {
        let func = checked_sum(n_adds);
        let options = CompileOptions::default();
        let first = time(1, || drop(cranelift.compile(&func, &options).expect("code")));
        let later = time(21, || drop(cranelift.compile(&func, &options).expect("code")));
        let object = cranelift.compile(&func, &options).expect("code");
        let load = time(21, || drop(loader.load(&object, 1).expect("memory")));
        let n_insts = func.insts.len();
        println!("{n_insts:5} instructions: first {first:?}, later {later:?}, {} bytes, load {load:?}", object.size());
    }
    let mut backends: Vec<Box<dyn Backend>> = vec![Box::new(cranelift)];
    backends.extend(std::env::args().nth(1).map(|path| Box::new(Llvm::new(path)) as Box<dyn Backend>));
    for backend in backends {
        for (bits, divisor) in [(40, 1_000_003), (100, 1_000_003), (100, (1 << 61) - 1), (120, (1 << 90) + 7)] {
            let object = backend.compile(&remainders(), &CompileOptions::default()).expect("code");
            let code = loader.load(&object, 1).expect("memory");
            let words = |value: i128| [value as u64, (value >> 64) as u64];
            let ([a, b], [c, d]) = (words((1 << bits) + 12345), words(divisor));
            let n_rounds = 100_000;
            // SAFETY: the function takes these words, and does not use its context.
            let elapsed = time(7, || unsafe {
                let mut context = [0u64; 256];
                let entry: extern "C" fn(*mut u64, *const u64) -> u64 = std::mem::transmute(code.entry());
                entry(context.as_mut_ptr(), [n_rounds, a, b, c, d].as_ptr());
            });
            let ns = elapsed.as_secs_f64() * 1e9 / n_rounds as f64;
            println!("{:9}: {bits} bits modulo {divisor}: {ns:.1} ns", backend.name());
        }
    }
}

/// The best: other work on the machine only adds to it.
fn time(n_times: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..n_times)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[0]
}

/// `i + i*i + ...`, each sum and product guarded, in a loop that polls.
fn checked_sum(n_adds: usize) -> TypedFunction {
    let mut b = Builder::new("checked_sum");
    let (entry, header) = (b.create_block(), b.create_block());
    let (body, done) = (b.create_block(), b.create_block());
    let n = b.append_param(entry, Type::I64);
    b.switch_to(entry);
    let zero = b.i64(0);
    b.jump(header, vec![zero, zero]);
    let (i, sum) = (b.append_param(header, Type::I64), b.append_param(header, Type::I64));
    b.switch_to(header);
    let goes_on = b.icmp(IntCC::Slt, i, n);
    b.branch(goes_on, (body, vec![]), (done, vec![]));
    b.switch_to(body);
    let mut total = sum;
    for idx in 0..n_adds {
        b.set_line(idx as u32 + 1);
        let op = if idx % 2 == 0 { OverflowOp::SaddOverflow } else { OverflowOp::SmulOverflow };
        let (next, overflow) = b.overflow(op, total, i);
        let fits = b.unary(UnaryOp::Not, overflow);
        let exit = snapshot(&mut b, &[total, i, n]);
        b.guard(fits, exit);
        total = next;
    }
    let exit = snapshot(&mut b, &[total, i]);
    b.poll(exit);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(header, vec![next, total]);
    b.switch_to(done);
    b.func.result = Some(Type::I64);
    b.ret(Some(sum));
    b.func
}

/// A chain of `x = (x % d) + x0`, `n` times.
fn remainders() -> TypedFunction {
    let mut b = Builder::new("remainders");
    let (entry, header) = (b.create_block(), b.create_block());
    let (body, done) = (b.create_block(), b.create_block());
    let n = b.append_param(entry, Type::I64);
    let (x0, d) = (b.append_param(entry, Type::I128), b.append_param(entry, Type::I128));
    b.switch_to(entry);
    let zero = b.i64(0);
    b.jump(header, vec![zero, x0]);
    let (i, x) = (b.append_param(header, Type::I64), b.append_param(header, Type::I128));
    b.switch_to(header);
    let goes_on = b.icmp(IntCC::Slt, i, n);
    b.branch(goes_on, (body, vec![]), (done, vec![]));
    b.switch_to(body);
    let remainder = b.binary(BinaryOp::SremFloor, x, d);
    let sum = b.binary(BinaryOp::Iadd, remainder, x0);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(header, vec![next, sum]);
    b.switch_to(done);
    b.func.result = Some(Type::I64);
    let low = b.convert(flashpoint_ir::typed::ConvertOp::Trunc, x, Type::I64);
    b.ret(Some(low));
    b.func
}

fn snapshot(b: &mut Builder, values: &[Value]) -> flashpoint_ir::typed::SnapshotId {
    let slots = values.iter().enumerate().map(|(idx, value)| (SlotIdx(idx as u32), Recipe::Int(*value))).collect();
    let frames = vec![FrameState { function: 0, pc: Pc(0), slots }];
    b.snapshot(Snapshot { reason: Reason::IntOverflow, exit: ExitKind::Resume, objects: vec![], frames })
}
