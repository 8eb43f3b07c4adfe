//! What tier 2 costs and what its code is worth: `cargo run --release -p flashpoint-llvm --example tier2_measure -- LIBRARY`.
//!
//! Options by environment: `ASM=1` prints texts, `LARGE=1` compiles large functions as well.
//! Prints the time from a request to an object, opening the library included, then of later requests; and the time per
//! element of a few loops at several preferred vector widths, on arrays that fit the second-level cache.

use std::time::Instant;

use flashpoint_codegen::{Llvm, LoadedCode, Loader, Object};
use flashpoint_ir::abi::{Context, EXIT_WORDS, HELPER_TABLE_WORDS, SCRATCH_WORDS};
use flashpoint_ir::builder::Builder;
use flashpoint_ir::bytes::CompileRequest;
use flashpoint_ir::slot::Slot;
use flashpoint_ir::typed::*;

fn main() {
    let path = std::env::args().nth(1).expect("the path of the tier-2 library");
    let level = std::env::args().nth(2).map_or(3, |level| level.parse().expect("a level"));
    let kernels = [
        ("add f64", loop_kernel("add_f64", add_f64), false),
        ("add i64", loop_kernel("add_i64", add_i64), false),
        ("add i64, sticky overflow", sticky_add(), false),
        ("stencil f64", loop_kernel("stencil", stencil), false),
        ("dot f64 strict", dot("dot", false), false),
        ("dot f64 fastmath", dot("dot_fast", true), false),
        ("mandelbrot-like, guarded", guarded("guarded"), true),
    ];
    let llvm = Llvm::new(path);
    for (name, func, _) in &kernels {
        let start = Instant::now();
        let mut request = CompileRequest::new(func.clone());
        request.opt_level = level;
        let reply = llvm.compile_request(&request).expect(name);
        let first = start.elapsed();
        let mut times: Vec<_> = (0..15)
            .map(|_| {
                let start = Instant::now();
                llvm.compile_request(&request).expect(name);
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("{name:28} first {first:>9.2?}  later {:>9.2?}  {} bytes", times[0], reply.object.len());
    }
    let large: &[usize] = if std::env::var_os("LARGE").is_some() { &[100, 300, 1200, 5000] } else { &[] };
    for &n_steps in large {
        let func = long(n_steps);
        for level in [3, 1] {
            let mut request = CompileRequest::new(func.clone());
            request.opt_level = level;
            let start = Instant::now();
            llvm.compile_request(&request).expect("long");
            println!("{} instructions at level {level}: {:.2?}", func.insts.len(), start.elapsed());
        }
    }
    let loader = Loader::new(64 << 20);
    for bits in [0u16, 128, 256, 512] {
        println!("-- vector width {bits}");
        for (name, func, scalar) in &kernels {
            let mut request = CompileRequest::new(func.clone());
            request.vector_bits = bits;
            request.opt_level = level;
            request.want_asm = std::env::var_os("ASM").is_some();
            request.want_ir = request.want_asm;
            let reply = llvm.compile_request(&request).expect(name);
            if let (Some(asm), Some(ir)) = (&reply.asm, &reply.ir) {
                println!("{ir}\n{asm}");
            }
            let mut object = Object::from_elf(&func.name, &reply.object).expect(name);
            (object.n_links, object.exit_words) = (0, 0);
            let code = loader.load(&object, 1).expect(name);
            println!("{name:28} {:7.3} ns per element", time(&code, *scalar));
        }
    }
}

/// Best time per element.
fn time(code: &LoadedCode, scalar: bool) -> f64 {
    let n = if scalar { 100_000 } else { 8192 };
    let mut arrays: Vec<Vec<f64>> =
        (0..3).map(|k| (0..n + 16).map(|i| 1.0 + (i * (k + 1)) as f64 * 1e-9).collect()).collect();
    let mut exits = vec![0u64; EXIT_WORDS];
    let helpers = vec![0usize; HELPER_TABLE_WORDS];
    let mut ctx = Context {
        poll: 0.into(),
        calls_left: 0,
        stress: 0,
        result: 0,
        poll_answer: 0,
        exit_buffer: exits.as_mut_ptr(),
        exit_version: 0,
        frame: std::ptr::null_mut(),
        helpers: helpers.as_ptr(),
        inside: 0.into(),
        engine: std::ptr::null_mut(),
        result_slot: Slot::UNBOUND,
        scratch: [0; SCRATCH_WORDS],
    };
    let args: Vec<u64> = arrays.iter_mut().map(|a| a.as_mut_ptr() as u64).chain([n as u64]).collect();
    // SAFETY: the code is an entry of this type, loaded while `code` is borrowed; the arrays are longer than `n`.
    let entry: extern "C" fn(*mut Context, *const u64) -> u64 = unsafe { std::mem::transmute(code.entry()) };
    let rounds = if scalar { 20 } else { 200 };
    let best = (0..rounds).map(|_| {
        let start = Instant::now();
        assert_eq!(entry(&mut ctx, args.as_ptr()), 0);
        start.elapsed()
    });
    best.min().expect("rounds").as_secs_f64() * 1e9 / n as f64
}

/// One loop whose body is long: guarded additions and array accesses, with a snapshot of all that is live.
fn long(n_steps: usize) -> TypedFunction {
    use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
    let mut b = Builder::new("long");
    let [entry, head, inside, done] = [(); 4].map(|()| b.create_block());
    let (array, n) = (b.append_param(entry, Type::PTR), b.append_param(entry, Type::I64));
    let i = b.append_param(head, Type::I64);
    b.switch_to(entry);
    let zero = b.i64(0);
    b.jump(head, vec![zero]);
    b.switch_to(head);
    let more = b.icmp(IntCC::Slt, i, n);
    b.branch(more, (inside, vec![]), (done, vec![]));
    b.switch_to(inside);
    let mut recent = [i; 8];
    for step in 0..n_steps {
        let slots = recent.iter().enumerate();
        let slots = slots.map(|(idx, v)| (flashpoint_ir::generic::SlotIdx(idx as u32), Recipe::Int(*v))).collect();
        let exit = b.snapshot(Snapshot {
            reason: flashpoint_ir::reason::Reason::IntOverflow,
            exit: ExitKind::Resume,
            objects: vec![],
            frames: vec![FrameState { function: 0, pc: flashpoint_ir::generic::Pc(0), slots }],
        });
        let x = b.load(Type::I64, array, (step % 64 * 8) as i32, Region::Array);
        let (sum, overflow) = b.overflow(OverflowOp::SaddOverflow, x, recent[step % 8]);
        let fits = b.unary(UnaryOp::Not, overflow);
        b.guard(fits, exit);
        b.store(sum, array, (step % 61 * 8) as i32, Region::Array);
        recent[step * 5 % 8] = sum;
    }
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(head, vec![next]);
    b.switch_to(done);
    b.ret(None);
    b.func
}

type Body = fn(&mut Builder, [Value; 3], Value);

/// `for i in range(n): body`, where `body` gets the addresses of elements `i` of three arrays.
fn loop_kernel(name: &str, body: Body) -> TypedFunction {
    let mut b = Builder::new(name);
    let [entry, head, inside, done] = [(); 4].map(|()| b.create_block());
    let arrays = [(); 3].map(|()| b.append_param(entry, Type::PTR));
    let n = b.append_param(entry, Type::I64);
    let i = b.append_param(head, Type::I64);
    b.switch_to(entry);
    let zero = b.i64(0);
    b.jump(head, vec![zero]);
    b.switch_to(head);
    let more = b.icmp(IntCC::Slt, i, n);
    b.branch(more, (inside, vec![]), (done, vec![]));
    b.switch_to(inside);
    let at = elements(&mut b, arrays, i);
    body(&mut b, at, i);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(head, vec![next]);
    b.switch_to(done);
    b.ret(None);
    b.func
}

fn elements(b: &mut Builder, arrays: [Value; 3], i: Value) -> [Value; 3] {
    let three = b.i64(3);
    let bytes = b.binary(BinaryOp::Shl, i, three);
    arrays.map(|array| b.ptr_add(array, bytes))
}

fn add_f64(b: &mut Builder, at: [Value; 3], _: Value) {
    let x = b.load(Type::F64, at[0], 0, Region::Array);
    let y = b.load(Type::F64, at[1], 0, Region::Array);
    let sum = b.binary(BinaryOp::Fadd, x, y);
    b.store(sum, at[2], 0, Region::Array);
}

fn add_i64(b: &mut Builder, at: [Value; 3], _: Value) {
    let x = b.load(Type::I64, at[0], 0, Region::Array);
    let y = b.load(Type::I64, at[1], 0, Region::Array);
    let sum = b.binary(BinaryOp::Iadd, x, y);
    b.store(sum, at[2], 0, Region::Array);
}

fn stencil(b: &mut Builder, at: [Value; 3], _: Value) {
    let [x, y, z] = [0, 8, 16].map(|offset| b.load(Type::F64, at[0], offset, Region::Array));
    let two = b.f64(2.0);
    let y = b.binary(BinaryOp::Fmul, two, y);
    let sum = b.binary(BinaryOp::Fsub, x, y);
    let sum = b.binary(BinaryOp::Fadd, sum, z);
    b.store(sum, at[2], 0, Region::Array);
}

/// Adds integers and remembers whether any sum overflowed; tested once after the loop.
fn sticky_add() -> TypedFunction {
    let mut b = Builder::new("sticky");
    let [entry, head, inside, done] = [(); 4].map(|()| b.create_block());
    let arrays = [(); 3].map(|()| b.append_param(entry, Type::PTR));
    let n = b.append_param(entry, Type::I64);
    let (i, sticky) = (b.append_param(head, Type::I64), b.append_param(head, Type::I1));
    b.switch_to(entry);
    let (zero, no) = (b.i64(0), b.i1(false));
    b.jump(head, vec![zero, no]);
    b.switch_to(head);
    let more = b.icmp(IntCC::Slt, i, n);
    b.branch(more, (inside, vec![]), (done, vec![]));
    b.switch_to(inside);
    let at = elements(&mut b, arrays, i);
    let x = b.load(Type::I64, at[0], 0, Region::Array);
    let y = b.load(Type::I64, at[1], 0, Region::Array);
    let (sum, overflow) = b.overflow(OverflowOp::SaddOverflow, x, y);
    b.store(sum, at[2], 0, Region::Array);
    let sticky_next = b.binary(BinaryOp::Or, sticky, overflow);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(head, vec![next, sticky_next]);
    b.switch_to(done);
    b.func.result = Some(Type::I1);
    b.ret(Some(sticky));
    b.func
}

fn dot(name: &str, fastmath: bool) -> TypedFunction {
    let mut b = Builder::new(name);
    b.func.licences.fastmath = fastmath;
    let [entry, head, inside, done] = [(); 4].map(|()| b.create_block());
    let arrays = [(); 3].map(|()| b.append_param(entry, Type::PTR));
    let n = b.append_param(entry, Type::I64);
    let (i, sum) = (b.append_param(head, Type::I64), b.append_param(head, Type::F64));
    b.switch_to(entry);
    let (zero, start) = (b.i64(0), b.f64(0.0));
    b.jump(head, vec![zero, start]);
    b.switch_to(head);
    let more = b.icmp(IntCC::Slt, i, n);
    b.branch(more, (inside, vec![]), (done, vec![]));
    b.switch_to(inside);
    let at = elements(&mut b, arrays, i);
    let x = b.load(Type::F64, at[0], 0, Region::Array);
    let y = b.load(Type::F64, at[1], 0, Region::Array);
    let product = b.binary(BinaryOp::Fmul, x, y);
    let next_sum = b.binary(BinaryOp::Fadd, sum, product);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(head, vec![next, next_sum]);
    b.switch_to(done);
    b.func.result = Some(Type::F64);
    b.ret(Some(sum));
    b.func
}

/// A scalar loop with an overflow guard, a bounds guard and a poll, as strict Python code has before any pass.
fn guarded(name: &str) -> TypedFunction {
    use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
    let mut b = Builder::new(name);
    let [entry, head, inside, done] = [(); 4].map(|()| b.create_block());
    let arrays = [(); 3].map(|()| b.append_param(entry, Type::PTR));
    let n = b.append_param(entry, Type::I64);
    let (i, sum) = (b.append_param(head, Type::I64), b.append_param(head, Type::I64));
    let slots = [i, sum].into_iter().enumerate();
    let slots = slots.map(|(idx, v)| (flashpoint_ir::generic::SlotIdx(idx as u32), Recipe::Int(v)));
    let exit = b.snapshot(Snapshot {
        reason: flashpoint_ir::reason::Reason::IntOverflow,
        exit: ExitKind::Resume,
        objects: vec![],
        frames: vec![FrameState { function: 0, pc: flashpoint_ir::generic::Pc(0), slots: slots.collect() }],
    });
    b.switch_to(entry);
    let zero = b.i64(0);
    b.jump(head, vec![zero, zero]);
    b.switch_to(head);
    let more = b.icmp(IntCC::Slt, i, n);
    b.branch(more, (inside, vec![]), (done, vec![]));
    b.switch_to(inside);
    b.poll(exit);
    let in_bounds = b.icmp(IntCC::Ult, i, n);
    b.guard(in_bounds, exit);
    let at = elements(&mut b, arrays, i);
    let x = b.load(Type::F64, at[0], 0, Region::Array);
    let x = b.convert(ConvertOp::FloatToSint, x, Type::I64);
    let three = b.i64(3);
    let r = b.binary(BinaryOp::Srem, i, three);
    let x = b.binary(BinaryOp::Iadd, x, r);
    let (next_sum, overflow) = b.overflow(OverflowOp::SaddOverflow, sum, x);
    let fits = b.unary(UnaryOp::Not, overflow);
    b.guard(fits, exit);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(head, vec![next, next_sum]);
    b.switch_to(done);
    b.func.result = Some(Type::I64);
    b.ret(Some(sum));
    b.func
}
