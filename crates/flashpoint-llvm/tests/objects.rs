//! What tier 2's objects look like from outside: symbols, relocations, instructions. That they compute the right thing is
//! tested on all back ends at once, in `flashpoint-codegen`.

use flashpoint_ir::builder::Builder;
use flashpoint_ir::bytes::{CompileFailure, CompileReply, CompileRequest};
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
use flashpoint_ir::typed::*;
use flashpoint_llvm::compile;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

fn compiled(func: TypedFunction) -> CompileReply {
    let name = func.name.clone();
    let mut request = CompileRequest::new(func);
    (request.want_asm, request.want_ir) = (true, true);
    compile(&request).unwrap_or_else(|failure| panic!("{name}: {failure}"))
}

fn asm(func: TypedFunction) -> String {
    compiled(func).asm.expect("asked for")
}

/// `for i in range(n): body`, where `body` gets the addresses of elements `i` of two arrays and the carried value, and
/// returns the next.
fn loop_over(name: &str, carried: Type, body: impl FnOnce(&mut Builder, [Value; 2], Value) -> Value) -> TypedFunction {
    let mut b = Builder::new(name);
    let [entry, head, inside, done] = [(); 4].map(|()| b.create_block());
    let arrays = [(); 2].map(|()| b.append_param(entry, Type::PTR));
    let (n, start) = (b.append_param(entry, Type::I64), b.append_param(entry, carried));
    let (i, value) = (b.append_param(head, Type::I64), b.append_param(head, carried));
    b.switch_to(entry);
    let zero = b.i64(0);
    b.jump(head, vec![zero, start]);
    b.switch_to(head);
    let more = b.icmp(IntCC::Slt, i, n);
    b.branch(more, (inside, vec![]), (done, vec![]));
    b.switch_to(inside);
    let three = b.i64(3);
    let bytes = b.binary(BinaryOp::Shl, i, three);
    let at = arrays.map(|array| b.ptr_add(array, bytes));
    let next_value = body(&mut b, at, value);
    let one = b.i64(1);
    let next = b.binary(BinaryOp::Iadd, i, one);
    b.jump(head, vec![next, next_value]);
    b.switch_to(done);
    b.func.result = Some(carried);
    b.ret(Some(value));
    b.func
}

/// Uses exits, polls, helpers, libm and another unit.
fn busy_function() -> TypedFunction {
    let mut b = Builder::new("mod.busy<1>");
    let block = b.create_block();
    let (x, flag) = (b.append_param(block, Type::F64), b.append_param(block, Type::I1));
    let slots = vec![(SlotIdx(0), Recipe::Float(x)), (SlotIdx(1), Recipe::Bool(flag))];
    let frames = vec![FrameState { function: 0, pc: Pc(0), slots }];
    let exit = b.snapshot(Snapshot { reason: Reason::IntOverflow, exit: ExitKind::Resume, objects: vec![], frames });
    b.switch_to(block);
    b.poll(exit);
    b.guard(flag, exit);
    let y = b.libm(LibFunc::Sin, vec![x]);
    let call = b.push(InstKind::CallUnit(UnitRef(1), vec![y, flag]), &[Type::F64, Type::I64]);
    let (z, status) = (b.results(call)[0], b.results(call)[1]);
    let zero = b.i64(0);
    let returned = b.icmp(IntCC::Eq, status, zero);
    b.guard(returned, exit);
    b.push(InstKind::CallHelper(Helper::FinishCall, vec![status]), &[Type::I64]);
    b.func.result = Some(Type::F64);
    b.ret(Some(z));
    b.func
}

#[test]
fn an_object_defines_two_functions_and_needs_two_symbols() {
    let reply = compiled(busy_function());
    let file = object::File::parse(&*reply.object).expect("ELF");
    let names = |defined: bool| {
        let symbols = file.symbols().filter(|s| s.is_global() && s.is_undefined() != defined);
        let mut names: Vec<String> = symbols.map(|s| s.name().expect("UTF-8").to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(names(true), ["mod.busy<1>", "mod.busy<1>.entry"]);
    assert_eq!(names(false), ["flashpoint_links", "flashpoint_version"]);
}

#[test]
fn nothing_is_writable_and_nothing_unwinds() {
    let reply = compiled(busy_function());
    let file = object::File::parse(&*reply.object).expect("ELF");
    for section in file.sections().filter(|section| section.size() > 0) {
        let name = section.name().expect("UTF-8");
        assert!(
            !matches!(section.kind(), SectionKind::Data | SectionKind::UninitializedData | SectionKind::Tls),
            "{name}"
        );
        assert!(!name.starts_with(".eh_frame"), "unwinding tables");
    }
}

#[test]
fn loops_that_fill_and_copy_stay_loops() {
    let fill = loop_over("fill", Type::I64, |b, at, v| {
        let zero = b.i64(0);
        b.store(zero, at[0], 0, Region::Array);
        v
    });
    let copy = loop_over("copy", Type::I64, |b, at, v| {
        let x = b.load(Type::I64, at[1], 0, Region::Array);
        b.store(x, at[0], 0, Region::Array);
        v
    });
    for func in [fill, copy] {
        let text = asm(func);
        assert!(!text.contains("mem"), "calls a routine of the C library:\n{text}");
    }
}

/// `s += a[i] * b[i]`.
fn dot(fastmath: bool) -> TypedFunction {
    let mut func = loop_over("dot", Type::F64, |b, at, sum| {
        let [x, y] = at.map(|addr| b.load(Type::F64, addr, 0, Region::Array));
        let product = b.binary(BinaryOp::Fmul, x, y);
        b.binary(BinaryOp::Fadd, sum, product)
    });
    func.licences.fastmath = fastmath;
    func
}

#[test]
fn strict_sums_keep_their_order_and_are_not_contracted() {
    let text = compiled(dot(false)).ir.expect("asked for");
    assert!(!text.contains("fmuladd") && !text.contains("llvm.vector.reduce"), "{text}");
    assert!(!asm(dot(false)).contains("fmadd"));
    let text = compiled(dot(true)).ir.expect("asked for");
    assert!(text.contains("llvm.vector.reduce.fadd"), "{text}");
}

#[test]
fn clean_loops_are_vectorised_also_with_sticky_overflow() {
    for op in [OverflowOp::SaddOverflow, OverflowOp::SsubOverflow] {
        let func = loop_over("sticky", Type::I1, |b, at, sticky| {
            let [x, y] = at.map(|addr| b.load(Type::I64, addr, 0, Region::Array));
            let (sum, overflow) = b.overflow(op, x, y);
            b.store(sum, at[0], 0, Region::Array);
            b.binary(BinaryOp::Or, sticky, overflow)
        });
        let text = compiled(func).ir.expect("asked for");
        assert!(text.contains("vector.body"), "{text}");
    }
    let convert = loop_over("convert", Type::I64, |b, at, v| {
        let x = b.load(Type::F64, at[0], 0, Region::Array);
        let x = b.convert(ConvertOp::FloatToSint, x, Type::I64);
        b.store(x, at[1], 0, Region::Array);
        v
    });
    let text = compiled(convert).ir.expect("asked for");
    assert!(text.contains("vector.body"), "{text}");
}

#[test]
fn polls_read_the_word_at_every_turn() {
    let func = {
        let mut b = Builder::new("spin");
        let [entry, head] = [(); 2].map(|()| b.create_block());
        let frames = vec![FrameState { function: 0, pc: Pc(0), slots: vec![] }];
        let exit =
            b.snapshot(Snapshot { reason: Reason::IntOverflow, exit: ExitKind::Resume, objects: vec![], frames });
        b.switch_to(entry);
        b.jump(head, vec![]);
        b.switch_to(head);
        b.poll(exit);
        b.poll(exit);
        b.jump(head, vec![]);
        b.func
    };
    let text = compiled(func).ir.expect("asked for");
    let after = text.split("after optimisation").nth(1).expect("two halves");
    assert!(after.matches("load atomic volatile i32").count() >= 2, "{after}");
}

#[test]
fn compiling_is_deterministic_and_safe_on_many_threads() {
    let expected = compile(&CompileRequest::new(busy_function())).expect("compiles").object;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let reply = compile(&CompileRequest::new(busy_function())).expect("compiles");
                    assert_eq!(reply.object, expected);
                }
            });
        }
    });
}

#[test]
fn bad_requests_are_told_from_what_has_no_code() {
    let mut func = busy_function();
    func.result = None;
    let failure = compile(&CompileRequest::new(func)).unwrap_err();
    assert!(matches!(&failure, CompileFailure::BadRequest(what) if what.contains("returns f64")), "{failure}");

    let mut func = busy_function();
    func.name = "zero\0".into();
    assert!(matches!(compile(&CompileRequest::new(func)), Err(CompileFailure::BadRequest(_))));

    let func = loop_over("wide", Type::I128, |b, _, v| {
        b.set_line(7);
        b.binary(BinaryOp::Sdiv, v, v)
    });
    let failure = compile(&CompileRequest::new(func)).unwrap_err();
    assert!(matches!(failure, CompileFailure::Unsupported { .. }), "{failure}");

    let mut request = CompileRequest::new(busy_function());
    request.target = Some(("x86-64".into(), String::new()));
    assert!(compile(&request).is_ok());
}
