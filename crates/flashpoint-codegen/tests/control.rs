//! Exits, polls, helpers, units and the entry wrapper, on every back end.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use common::{
    Call, Machine, VERSION, backends, exiting, load, load_with, loader, recipe, resume, run, straight_line, words,
};
use flashpoint_codegen::{Backend, CodegenError, CompileOptions, Cranelift, LoadedCode};
use flashpoint_ir::abi::{Context, STATUS_EXIT, STATUS_OK};
use flashpoint_ir::builder::Builder;
use flashpoint_ir::snapshot::{ExitKind, Recipe, Snapshot};
use flashpoint_ir::typed::{
    BinaryOp, ConvertOp, Helper, InstKind, IntCC, Lane, LibFunc, OverflowOp, Type, TypedFunction, UnitRef, Value,
};

const SCALARS: [Type; 7] = [Type::I1, Type::I8, Type::I16, Type::I32, Type::I64, Type::F32, Type::F64];

#[test]
fn a_guard_leaves_its_words_and_the_version() {
    let mut b = Builder::new("guarded");
    let block = b.create_block();
    let types = [Type::I64, Type::I1, Type::I8, Type::F32, Type::F64, Type::I128, Type::PTR];
    let params: Vec<Value> = types.iter().map(|ty| b.append_param(block, *ty)).collect();
    b.switch_to(block);
    let hundred = b.i64(100);
    let (sum, overflow) = b.overflow(OverflowOp::SaddOverflow, params[0], hundred);
    let fits = b.unary(flashpoint_ir::typed::UnaryOp::Not, overflow);
    let recipes = params.iter().zip(types).map(|(value, ty)| recipe(ty, *value)).collect();
    let unused = b.snapshot(resume(vec![]));
    let exit = b.snapshot(resume(recipes));
    b.guard(fits, exit);
    b.guard(params[1], exit);
    b.func.result = Some(Type::I64);
    b.ret(Some(sum));
    assert_eq!(unused.0, 0);
    for backend in backends() {
        let code = load(&**backend, &b.func);
        let mut machine = Machine::new();
        let args = |first: i64, second: u64| {
            let [low, high] = words(-5 << 70);
            [first as u64, second, 0xfe, 0x3f80_0000, 0x4000_0000_0000_0000, low, high, 0x7fff_1234]
        };
        assert_eq!(machine.call(&code, &args(7, 1)), STATUS_OK);
        assert_eq!((machine.ctx.result, machine.ctx.exit_version), (107, 0));
        for args in [args(i64::MAX - 50, 1), args(7, 0)] {
            assert_eq!(machine.call(&code, &args), STATUS_EXIT + 1);
            assert_eq!(machine.exit_words(8), args);
            assert_eq!(machine.ctx.exit_version, VERSION);
        }
    }
}

/// Counts to `limit`, polling at the back edge.
fn counting_loop() -> TypedFunction {
    let mut b = Builder::new("count");
    let entry = b.create_block();
    let limit = b.append_param(entry, Type::I64);
    b.switch_to(entry);
    let header = b.create_block();
    let body = b.create_block();
    let done = b.create_block();
    let i = b.append_param(header, Type::I64);
    let zero = b.i64(0);
    b.jump(header, vec![zero]);
    b.switch_to(header);
    let goes_on = b.icmp(IntCC::Slt, i, limit);
    b.branch(goes_on, (body, vec![]), (done, vec![]));
    b.switch_to(body);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    let exit = b.snapshot(resume(vec![Recipe::Int(next)]));
    b.poll(exit);
    b.jump(header, vec![next]);
    b.switch_to(done);
    b.func.result = Some(Type::I64);
    b.ret(Some(i));
    b.func
}

#[test]
fn a_poll_asks_only_if_its_word_is_set_and_leaves_only_if_told_to() {
    for backend in backends() {
        let code = load(&**backend, &counting_loop());
        let mut machine = Machine::new();
        assert_eq!(machine.call(&code, &[1000]), STATUS_OK);
        assert_eq!(machine.ctx.result, 1000);
        assert_eq!(machine.ctx.scratch[0], 0, "nobody asked");
        machine.ctx.poll.store(1, Ordering::Relaxed);
        machine.ctx.scratch[0] = 10;
        assert_eq!(machine.call(&code, &[1000]), STATUS_EXIT);
        assert_eq!(machine.exit_words(1), [10]);
    }
}

#[test]
fn a_poll_keeps_what_registers_hold() {
    // More values than there are registers, of each kind.
    let types = [[Type::F64; 18], [Type::I64; 18]].concat();
    let mut b = Builder::new("keeps");
    let entry = b.create_block();
    let params: Vec<Value> = types.iter().map(|ty| b.append_param(entry, *ty)).collect();
    b.switch_to(entry);
    // Made here, so that they come in registers.
    let made: Vec<Value> = params
        .iter()
        .zip(&types)
        .map(|(x, ty)| b.binary(if *ty == Type::F64 { BinaryOp::Fadd } else { BinaryOp::Iadd }, *x, *x))
        .collect();
    let exits: Vec<_> = (0..3)
        .map(|_| b.snapshot(resume(made.iter().zip(&types).map(|(value, ty)| recipe(*ty, *value)).collect())))
        .collect();
    b.poll(exits[0]);
    b.poll(exits[1]);
    b.exit(exits[2]);
    let args: Vec<u64> = (1..=18u64).map(|i| (i as f64).to_bits()).chain(1..=18).collect();
    let wanted: Vec<u64> = (1..=18u64).map(|i| (2.0 * i as f64).to_bits()).chain((1..=18).map(|i| 2 * i)).collect();
    for backend in backends() {
        let code = load(&**backend, &b.func);
        for leave_at in 1..=3 {
            let mut machine = Machine::new();
            machine.ctx.poll.store(1, Ordering::Relaxed);
            machine.ctx.scratch[0] = leave_at;
            assert_eq!(machine.call(&code, &args), STATUS_EXIT + leave_at - 1, "{}", backend.name());
            assert_eq!(machine.exit_words(36), wanted, "{}", backend.name());
        }
    }
}

#[test]
fn a_poll_word_set_by_another_thread_ends_a_loop() {
    for backend in backends() {
        let code = load(&**backend, &counting_loop());
        let mut machine = Machine::new();
        machine.ctx.scratch[0] = 1;
        let poll = std::ptr::from_ref(&machine.ctx.poll).expose_provenance();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(5));
                // SAFETY: the context outlives the scope, and the poll word is only accessed atomically.
                let poll = unsafe { &*std::ptr::with_exposed_provenance::<std::sync::atomic::AtomicU32>(poll) };
                poll.store(1, Ordering::Release);
            });
            assert_eq!(machine.call(&code, &[i64::MAX as u64]), STATUS_EXIT);
        });
    }
}

#[test]
fn helpers_and_libm() {
    let func = exiting("helpers", &[Type::I64, Type::F64, Type::F32], |b, p| {
        let pow = b.push(InstKind::CallHelper(Helper::IntPow, vec![p[0], p[0]]), &[Type::I64, Type::I64]);
        let pow = b.results(pow).to_vec();
        let float_pow = b.push(InstKind::CallHelper(Helper::FloatPow, vec![p[1], p[1]]), &[Type::F64]);
        let round = b.push(InstKind::CallHelper(Helper::RoundDigits, vec![p[1], p[0]]), &[Type::F64]);
        let (float_pow, round) = (b.results(float_pow)[0], b.results(round)[0]);
        let atan2 = b.libm(LibFunc::Atan2, vec![p[1], round]);
        let exp = b.libm(LibFunc::ExpF32, vec![p[2]]);
        vec![pow[0], pow[1], float_pow, round, atan2, exp]
    });
    for backend in backends() {
        let code = load(&**backend, &func);
        let mut machine = Machine::new();
        assert_eq!(machine.call(&code, &[5, 2.5f64.to_bits(), 1.5f32.to_bits().into()]), STATUS_EXIT);
        let expected = [
            3125,
            0,
            2.5f64.powf(2.5).to_bits(),
            12.5f64.to_bits(),
            2.5f64.atan2(12.5).to_bits(),
            1.5f32.exp().to_bits().into(),
        ];
        assert_eq!(machine.exit_words(6), expected);
        assert_eq!(machine.call(&code, &[50, 0, 0]), STATUS_EXIT);
        assert_eq!(machine.exit_words(2), [50i64.wrapping_pow(50) as u64, 1]);
    }
}

/// Links unit 0 of `caller` to `callee`.
fn link(caller: &LoadedCode, cell: &AtomicU64, callee: &LoadedCode) {
    cell.store(callee.inner() as u64, Ordering::Release);
    caller.links()[0].store(cell.as_ptr() as u64, Ordering::Release);
}

/// More parameters of each kind than there are registers, in an order that mixes them.
fn many_params() -> Vec<Type> {
    use Type as T;
    let mut types =
        vec![T::I1, T::F64, T::I128, T::I8, T::F32, T::I64, T::I128, T::PTR, T::I32, T::I16, T::I128, T::I1];
    types.extend([T::F64; 9]);
    types.extend([T::F32, T::I8, T::I64]);
    types
}

#[test]
fn units_call_each_other_in_registers_across_back_ends() {
    let types = many_params();
    let callee = exiting("callee", &types, |_, p| p.to_vec());
    let mut b = Builder::new("caller");
    let block = b.create_block();
    let params: Vec<Value> = types.iter().map(|ty| b.append_param(block, *ty)).collect();
    b.switch_to(block);
    let call = b.push(InstKind::CallUnit(UnitRef(0), params), &[Type::I64]);
    let status = b.results(call)[0];
    b.func.result = Some(Type::I64);
    b.ret(Some(status));
    let args: Vec<u64> = types
        .iter()
        .enumerate()
        .flat_map(|(idx, ty)| match ty.lane {
            Lane::I128 => vec![idx as u64 + 1000, !(idx as u64)],
            Lane::I1 => vec![1],
            Lane::F32 => vec![(idx as f32).to_bits().into()],
            Lane::F64 => vec![(idx as f64).to_bits()],
            _ => vec![idx as u64 + 100],
        })
        .collect();
    for outer in backends() {
        for inner in backends() {
            let (caller, callee) = (load(&**outer, &b.func), load(&**inner, &callee));
            let cell = AtomicU64::new(0);
            link(&caller, &cell, &callee);
            let mut machine = Machine::new();
            assert_eq!(machine.call(&caller, &args), STATUS_OK, "{} calls {}", outer.name(), inner.name());
            assert_eq!(machine.ctx.result, STATUS_EXIT);
            assert_eq!(machine.exit_words(args.len()), args, "{} calls {}", outer.name(), inner.name());
        }
    }
}

#[test]
fn results_of_every_type_come_back_with_their_status() {
    for ty in SCALARS.into_iter().chain([Type::PTR]) {
        let mut b = Builder::new("callee");
        let block = b.create_block();
        let (go_on, value) = (b.append_param(block, Type::I1), b.append_param(block, ty));
        b.switch_to(block);
        let exit = b.snapshot(resume(vec![]));
        b.guard(go_on, exit);
        b.func.result = Some(ty);
        b.ret(Some(value));
        let callee = b.func;

        let caller = exiting("caller", &[Type::I1, ty], |b, p| {
            let call = b.push(InstKind::CallUnit(UnitRef(0), p.to_vec()), &[ty, Type::I64]);
            let [value, status] = b.results(call).try_into().expect("two results");
            let zero = b.i64(0);
            let is_ok = b.icmp(IntCC::Eq, status, zero);
            vec![value, status, is_ok]
        });
        let bits = match ty.lane {
            Lane::I1 => 1,
            _ => 0xdead_beef_1234_5678 >> (64 - ty.lane_bits()),
        };
        for outer in backends() {
            for inner in backends() {
                let (caller, callee) = (load(&**outer, &caller), load(&**inner, &callee));
                assert_eq!(run(&callee, &[1, bits]), bits, "the entry of {} gives {ty}", inner.name());
                let cell = AtomicU64::new(0);
                link(&caller, &cell, &callee);
                let mut machine = Machine::new();
                assert_eq!(machine.call(&caller, &[1, bits]), STATUS_EXIT);
                assert_eq!(machine.exit_words(3), [bits, 0, 1], "{} calls {} for {ty}", outer.name(), inner.name());
                assert_eq!(machine.call(&caller, &[0, bits]), STATUS_EXIT);
                assert_eq!(machine.exit_words(3)[1..], [STATUS_EXIT, 0]);
            }
        }
    }
}

/// The convention is C's for a struct of result and status, as Rust has it.
#[cfg(target_arch = "x86_64")]
#[test]
fn inner_functions_follow_the_c_convention() {
    #[repr(C)]
    struct Ints(i64, u64);
    #[repr(C)]
    struct Floats(f64, u64);
    let ints = straight_line("ints", &[Type::I64, Type::I64], |b, p| b.binary(BinaryOp::Isub, p[0], p[1]));
    let floats = straight_line("floats", &[Type::F64, Type::F64], |b, p| b.binary(BinaryOp::Fsub, p[0], p[1]));
    for backend in backends() {
        let (ints, floats) = (load(&**backend, &ints), load(&**backend, &floats));
        let mut machine = Machine::new();
        // SAFETY: the inner functions have these signatures, and the code is alive.
        let (ints, floats) = unsafe {
            let call: extern "C" fn(*mut Context, i64, i64) -> Ints = std::mem::transmute(ints.inner());
            let ints = call(&mut *machine.ctx, 10, 52);
            let call: extern "C" fn(*mut Context, f64, f64) -> Floats = std::mem::transmute(floats.inner());
            (ints, call(&mut *machine.ctx, 1.0, 0.25))
        };
        assert_eq!((ints.0, ints.1, floats.0, floats.1), (-42, 0, 0.75, 0));
    }
}

/// fib(n) by calls through its own link table; every status is tested.
fn fib() -> TypedFunction {
    let mut b = Builder::new("fib");
    let [entry, small, large, next, sum, failed] = [(); 6].map(|()| b.create_block());
    let n = b.append_param(entry, Type::I64);
    b.switch_to(entry);
    let two = b.i64(2);
    let is_small = b.icmp(IntCC::Slt, n, two);
    b.branch(is_small, (small, vec![]), (large, vec![]));
    b.switch_to(small);
    b.ret(Some(n));
    b.func.result = Some(Type::I64);
    let exit = b.snapshot(resume(vec![Recipe::Int(n)]));
    let zero_in = |b: &mut Builder| b.i64(0);
    let mut results = Vec::new();
    for (block, distance, after) in [(large, 1, next), (next, 2, sum)] {
        b.switch_to(block);
        let distance = b.i64(distance);
        let arg = b.binary(BinaryOp::Isub, n, distance);
        let call = b.push(InstKind::CallUnit(UnitRef(0), vec![arg]), &[Type::I64, Type::I64]);
        let [value, status] = b.results(call).try_into().expect("two results");
        let zero = zero_in(&mut b);
        let is_ok = b.icmp(IntCC::Eq, status, zero);
        b.branch(is_ok, (after, vec![]), (failed, vec![]));
        results.push(value);
    }
    b.switch_to(sum);
    let (value, overflow) = b.overflow(OverflowOp::SaddOverflow, results[0], results[1]);
    let fits = b.unary(flashpoint_ir::typed::UnaryOp::Not, overflow);
    b.guard(fits, exit);
    b.ret(Some(value));
    b.switch_to(failed);
    b.exit(exit);
    b.func
}

#[test]
fn a_unit_calls_itself_through_its_link_table() {
    for backend in backends() {
        let code = load(&**backend, &fib());
        let cell = AtomicU64::new(0);
        link(&code, &cell, &code);
        assert_eq!(run(&code, &[20]), 6765);
    }
}

#[test]
fn under_stress_every_nth_free_guard_fails() {
    let mut b = Builder::new("stressed");
    let block = b.create_block();
    let cond = b.append_param(block, Type::I1);
    b.switch_to(block);
    let exits: Vec<_> = (0..5).map(|_| b.snapshot(resume(vec![]))).collect();
    let raise = b.snapshot(Snapshot { exit: ExitKind::Raise, ..resume(vec![]) });
    let result = b.snapshot(resume(vec![Recipe::Tuple(vec![Recipe::Result])]));
    b.guard(cond, raise);
    for exit in exits {
        b.guard(cond, exit);
        b.guard(cond, result);
    }
    b.ret(None);
    for backend in backends() {
        let options = CompileOptions { stress: true, ..CompileOptions::default() };
        let code = load_with(&**backend, &b.func, &options);
        let mut machine = Machine::new();
        for n in 1..=5 {
            machine.ctx.stress = n;
            assert_eq!(machine.call(&code, &[1]), STATUS_EXIT + n as u64 - 1);
        }
        machine.ctx.stress = 6;
        assert_eq!((machine.call(&code, &[1]), machine.ctx.stress), (STATUS_OK, 1));
        machine.ctx.stress = 100;
        assert_eq!(machine.call(&code, &[0]), STATUS_EXIT + 5);
        let plain = load(&**backend, &b.func);
        machine.ctx.stress = 1;
        assert_eq!(machine.call(&plain, &[1]), STATUS_OK);
    }
}

#[test]
fn objects_carry_texts_lines_and_needs() {
    let mut b = Builder::new("texts");
    let block = b.create_block();
    let p = b.append_param(block, Type::I64);
    b.switch_to(block);
    b.set_line(7);
    let five = b.i64(5);
    let q = b.binary(BinaryOp::Sdiv, five, p);
    b.set_line(9);
    let r = b.binary(BinaryOp::Sdiv, q, p);
    let call = b.push(InstKind::CallUnit(UnitRef(2), vec![r]), &[Type::I64]);
    let status = b.results(call)[0];
    let exit = b.snapshot(resume(vec![Recipe::Int(status), Recipe::Int(r)]));
    b.exit(exit);
    for backend in backends() {
        let options = CompileOptions { want_asm: true, want_ir: true, ..CompileOptions::default() };
        let object = backend.compile(&b.func, &options).unwrap();
        assert_eq!((object.n_links, object.exit_words), (3, 2));
        assert!(object.asm.is_some_and(|asm| asm.contains("div")) && object.ir.is_some_and(|ir| ir.contains("sdiv")));
        let again = backend.compile(&b.func, &CompileOptions::default()).unwrap();
        assert_eq!((again.asm, again.ir), (None, None));
        assert_eq!(again.sections, object.sections, "texts do not change the code");
        assert!(!backend.identity().is_empty());
    }
    let cranelift = backends()[0].compile(&b.func, &CompileOptions::default()).unwrap();
    let lines: Vec<u32> = cranelift.lines.iter().map(|entry| entry.line).collect();
    assert!(lines.windows(2).any(|pair| pair == [7, 9]), "{lines:?}");
}

#[test]
fn what_cannot_be_compiled_is_an_error_with_a_reason() {
    let wide = straight_line("wide", &[Type::I128], |_, p| p[0]);
    let vector = Type { lane: Lane::F64, lanes: 4 };
    let mut b = Builder::new("vector");
    let block = b.create_block();
    let p = b.append_param(block, Type::F64);
    b.switch_to(block);
    b.push(InstKind::Splat(p, vector), &[vector]);
    b.ret(None);
    let large = exiting("large", &[Type::I64], |_, p| vec![p[0]; 1025]);
    let small = CompileOptions { max_insts: 1, ..CompileOptions::default() };
    for backend in backends() {
        let default = CompileOptions::default();
        assert!(matches!(backend.compile(&wide, &default), Err(CodegenError::Unsupported { .. })));
        assert!(matches!(backend.compile(&large, &default), Err(CodegenError::TooLarge { limit: 1024, .. })));
        let func = straight_line("f", &[Type::I64], |b, p| b.binary(BinaryOp::Iadd, p[0], p[0]));
        let error = backend.compile(&func, &small).unwrap_err();
        assert_eq!(error.reason(), flashpoint_ir::reason::Reason::TooLarge);
        assert_eq!(error.to_string(), "2 instructions, the limit is 1");
    }
    let refused = Cranelift::new().unwrap().compile(&b.func, &CompileOptions::default());
    assert!(matches!(refused, Err(CodegenError::Unsupported { what, .. }) if what.contains("vectors")));
}

#[test]
fn one_function_compiled_on_many_threads_gives_the_same_bytes() {
    for backend in backends() {
        let func = fib();
        let compile = || backend.compile(&func, &CompileOptions::default()).unwrap();
        let first = compile();
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..4).map(|_| scope.spawn(compile)).collect();
            handles.into_iter().for_each(|handle| assert_eq!(handle.join().unwrap(), first));
        });
        assert_eq!(loader().load(&first, 1).unwrap().links().len(), 1);
    }
}

#[test]
fn of_a_bool_only_the_lowest_bit_counts() {
    let leaves = exiting("leaves", &[Type::I1], |b, p| {
        let not = b.unary(flashpoint_ir::typed::UnaryOp::Not, p[0]);
        let (one, two) = (b.i64(1), b.i64(2));
        vec![p[0], not, b.convert(ConvertOp::Zext, p[0], Type::I64), b.select(p[0], one, two)]
    });
    let returns = straight_line("returns", &[Type::I1], |_, p| p[0]);
    for backend in backends() {
        let (leaves, returns) = (load(&**backend, &leaves), load(&**backend, &returns));
        for word in [0, 1, 2, 0xfe, 0xff, 0x100, 0x101, !0, !1, 0xffff_ff00] {
            let bit = word & 1;
            let mut machine = Machine::new();
            assert_eq!(machine.call(&leaves, &[word]), STATUS_EXIT);
            assert_eq!(machine.exit_words(4), [bit, 1 - bit, bit, 2 - bit], "{word:#x} on {}", backend.name());
            assert_eq!(run(&returns, &[word]), bit, "{word:#x} on {}", backend.name());
        }
    }
}
