//! The inner loops of the field's programs come out clean, and compute what they computed.

mod common;

use common::*;
use flashpoint_ir::eval::{EvalEnv, EvalValue, Evaluator, Memory, Outcome};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ExitKind, Snapshot};
use flashpoint_ir::typed::*;
use flashpoint_opt::PassOptions;

fn sum_elements() -> TypedFunction {
    let mut low = Low::new("sum_elements");
    let a = low.array(Type::I64, 1);
    let n = a.extents[0];
    low.slots = vec![a.data, n];
    let (zero, total) = (low.i64(0), low.i64(0));
    let total = low.for_range(zero, n, &[total], |low, i, vars| {
        let a = Array { data: low.slots[0], extents: vec![low.slots[1]], ty: Type::I64 };
        let x = low.get(&a, &[i]);
        vec![low.add(vars[0], x)]
    });
    low.finish(Some(total[0]))
}

fn add_arrays() -> TypedFunction {
    let mut low = Low::new("add_arrays");
    let arrays: Vec<Array> = (0..3).map(|_| low.array(Type::I64, 1)).collect();
    low.slots = arrays.iter().flat_map(|a| [a.data, a.extents[0]]).collect();
    let (zero, n) = (low.i64(0), arrays[0].extents[0]);
    low.for_range(zero, n, &[], |low, i, _| {
        let array =
            |low: &Low, k: usize| Array { data: low.slots[2 * k], extents: vec![low.slots[2 * k + 1]], ty: Type::I64 };
        let (a, b, c) = (array(low, 0), array(low, 1), array(low, 2));
        let x = low.get(&a, &[i]);
        let y = low.get(&b, &[i]);
        let sum = low.add(x, y);
        low.set(&c, &[i], sum);
        vec![]
    });
    low.finish(None)
}

fn dot(ty: Type) -> TypedFunction {
    let mut low = Low::new("dot");
    let arrays: Vec<Array> = (0..2).map(|_| low.array(ty, 1)).collect();
    low.slots = arrays.iter().flat_map(|a| [a.data, a.extents[0]]).collect();
    let (zero, n) = (low.i64(0), arrays[0].extents[0]);
    let total = if ty == Type::F64 { low.b.f64(0.0) } else { low.i64(0) };
    let total = low.for_range(zero, n, &[total], |low, i, vars| {
        let array = |low: &Low, k: usize| Array { data: low.slots[2 * k], extents: vec![low.slots[2 * k + 1]], ty };
        let (a, b) = (array(low, 0), array(low, 1));
        let x = low.get(&a, &[i]);
        let y = low.get(&b, &[i]);
        if ty == Type::F64 {
            let product = low.float(BinaryOp::Fmul, x, y);
            vec![low.float(BinaryOp::Fadd, vars[0], product)]
        } else {
            let product = low.mul(x, y);
            vec![low.add(vars[0], product)]
        }
    });
    low.finish(Some(total[0]))
}

fn matmul() -> TypedFunction {
    let mut low = Low::new("matmul");
    let arrays: Vec<Array> = (0..3).map(|_| low.array(Type::F64, 2)).collect();
    low.slots = arrays.iter().flat_map(|a| [a.data, a.extents[0], a.extents[1]]).collect();
    fn array(low: &Low, k: usize) -> Array {
        Array { data: low.slots[3 * k], extents: low.slots[3 * k + 1..3 * k + 3].to_vec(), ty: Type::F64 }
    }
    let zero = low.i64(0);
    let rows = arrays[0].extents[0];
    low.for_range(zero, rows, &[], |low, i, _| {
        let zero = low.i64(0);
        let cols = array(low, 1).extents[1];
        low.slots.push(i);
        let i_slot = low.slots.len() - 1;
        low.for_range(zero, cols, &[], |low, j, _| {
            let zero = low.i64(0);
            let inner = array(low, 0).extents[1];
            low.slots.push(j);
            let j_slot = low.slots.len() - 1;
            let total = low.b.f64(0.0);
            let total = low.for_range(zero, inner, &[total], |low, k, vars| {
                let (i, j) = (low.slots[i_slot], low.slots[j_slot]);
                let (a, b) = (array(low, 0), array(low, 1));
                let x = low.get(&a, &[i, k]);
                let y = low.get(&b, &[k, j]);
                let product = low.float(BinaryOp::Fmul, x, y);
                vec![low.float(BinaryOp::Fadd, vars[0], product)]
            });
            let (i, j) = (low.slots[i_slot], low.slots[j_slot]);
            let c = array(low, 2);
            low.set(&c, &[i, j], total[0]);
            low.slots.truncate(j_slot);
            vec![]
        });
        low.slots.truncate(i_slot);
        vec![]
    });
    low.finish(None)
}

fn floyd_warshall(ty: Type) -> TypedFunction {
    let mut low = Low::new("floyd_warshall");
    let d = low.array(ty, 2);
    low.slots = vec![d.data, d.extents[0], d.extents[1]];
    let array = move |low: &Low| Array { data: low.slots[0], extents: low.slots[1..3].to_vec(), ty };
    let (zero, n) = (low.i64(0), d.extents[0]);
    low.for_range(zero, n, &[], |low, k, _| {
        let (zero, n) = (low.i64(0), low.slots[1]);
        low.slots.push(k);
        let k_slot = low.slots.len() - 1;
        low.for_range(zero, n, &[], |low, i, _| {
            let (zero, n) = (low.i64(0), low.slots[1]);
            low.slots.push(i);
            let i_slot = low.slots.len() - 1;
            low.for_range(zero, n, &[], |low, j, _| {
                let (k, i, d) = (low.slots[k_slot], low.slots[i_slot], array(low));
                let x = low.get(&d, &[i, k]);
                let y = low.get(&d, &[k, j]);
                let through = if ty == Type::F64 { low.float(BinaryOp::Fadd, x, y) } else { low.add(x, y) };
                let old = low.get(&d, &[i, j]);
                let less = if ty == Type::F64 {
                    low.b.fcmp(FloatCC::Lt, through, old)
                } else {
                    low.b.icmp(IntCC::Slt, through, old)
                };
                let (then, join) = (low.b.create_block(), low.b.create_block());
                low.b.branch(less, (then, vec![]), (join, vec![]));
                low.b.switch_to(then);
                low.set(&d, &[i, j], through);
                low.b.jump(join, vec![]);
                low.b.switch_to(join);
                vec![]
            });
            low.slots.truncate(i_slot);
            vec![]
        });
        low.slots.truncate(k_slot);
        vec![]
    });
    low.finish(None)
}

fn heat2d() -> TypedFunction {
    let mut low = Low::new("heat2d");
    let (rows, cols) = (low.param(Type::I64), low.param(Type::I64));
    let (old, new) = (low.param(Type::PTR), low.param(Type::PTR));
    low.slots = vec![rows, cols, old, new];
    fn array(low: &Low, k: usize) -> Array {
        Array { data: low.slots[2 + k], extents: low.slots[0..2].to_vec(), ty: Type::F64 }
    }
    let one = low.i64(1);
    let stop = low.sub(rows, one);
    low.for_range(one, stop, &[], |low, i, _| {
        let one = low.i64(1);
        let stop = low.sub(low.slots[1], one);
        low.slots.push(i);
        let i_slot = low.slots.len() - 1;
        low.for_range(one, stop, &[], |low, j, _| {
            let i = low.slots[i_slot];
            let one = low.i64(1);
            let (old, new) = (array(low, 0), array(low, 1));
            let up = low.sub(i, one);
            let a = low.get(&old, &[up, j]);
            let down = low.add(i, one);
            let b = low.get(&old, &[down, j]);
            let left = low.sub(j, one);
            let c = low.get(&old, &[i, left]);
            let right = low.add(j, one);
            let d = low.get(&old, &[i, right]);
            let sum = low.float(BinaryOp::Fadd, a, b);
            let sum = low.float(BinaryOp::Fadd, sum, c);
            let sum = low.float(BinaryOp::Fadd, sum, d);
            low.set(&new, &[i, j], sum);
            vec![]
        });
        low.slots.truncate(i_slot);
        vec![]
    });
    low.finish(None)
}

fn sum_of_squares() -> TypedFunction {
    let mut low = Low::new("sum_of_squares");
    let n = low.param(Type::I64);
    low.slots = vec![n];
    let (zero, total) = (low.i64(0), low.i64(0));
    let total = low.for_range(zero, n, &[total], |low, i, vars| {
        let square = low.mul(i, i);
        vec![low.add(vars[0], square)]
    });
    low.finish(Some(total[0]))
}

/// Optimises for tier 2, compares runs, and asks that every innermost loop (checked versions apart) is clean, and that the
/// first arguments never need a checked version.
fn check_clean(func: &TypedFunction, all_args: &[Vec<Arg>]) {
    check(func, PassOptions::tier1(), all_args);
    let (optimized, report) = check(func, PassOptions::tier2(), all_args);
    let mut without_checked = optimized.clone();
    for header in &report.checked_versions {
        let last = *without_checked.blocks[header.index()].insts.last().unwrap();
        without_checked.snapshots.push(Snapshot {
            reason: Reason::Stress,
            exit: ExitKind::Resume,
            objects: vec![],
            frames: vec![],
        });
        let exit = SnapshotId(without_checked.snapshots.len() as u32 - 1);
        without_checked.insts[last.index()].kind = InstKind::Exit(exit);
    }
    let seen = run(&without_checked, &all_args[0]).expect("runs");
    assert_same(&run(func, &all_args[0]).expect("runs"), &seen, &optimized, &all_args[0]);
    for info in report.loops.iter().filter(|info| info.innermost) {
        assert_eq!(info.obstacle, None, "{info:?} of\n{optimized}");
    }
    assert!(report.loops.iter().any(|info| info.innermost), "no loop is left in\n{optimized}");
}

fn ramp(n: usize) -> Vec<i64> {
    (0..n as i64).map(|i| (i * 37) % 101 - 50).collect()
}

fn waves(n: usize) -> Vec<f64> {
    (0..n).map(|i| ((i * 37) % 101) as f64 * 0.25 - 10.0).collect()
}

#[test]
fn sum_of_elements_is_clean() {
    let long: Vec<i64> = (0..3000).collect();
    let mut hits: Vec<i64> = vec![1; 3000];
    hits[2500] = i64::MAX;
    let large: Vec<i64> = (0..3000).map(|i| if i % 2 == 0 { i64::MAX - 5 } else { -i64::MAX }).collect();
    check_clean(
        &sum_elements(),
        &[
            vec![ints(&long), Arg::Int(3000)],
            vec![ints(&[]), Arg::Int(0)],
            vec![ints(&hits), Arg::Int(3000)],
            vec![ints(&large), Arg::Int(3000)],
        ],
    );
}

#[test]
fn adding_arrays_is_clean() {
    let (a, b, c) = (ramp(3000), ramp(3000), vec![0; 3000]);
    let mut overflowing = ramp(3000);
    overflowing[2900] = i64::MAX;
    let mut other = vec![1; 3000];
    other[17] = 5;
    let n = Arg::Int(3000);
    check_clean(
        &add_arrays(),
        &[
            vec![ints(&a), n.clone(), ints(&b), n.clone(), ints(&c), n.clone()],
            vec![ints(&overflowing), n.clone(), ints(&other), n.clone(), ints(&c), n.clone()],
            // In place, and with an output too short.
            vec![ints(&a), n.clone(), ints(&b), n.clone(), Arg::Same(0), n.clone()],
            vec![ints(&a), n.clone(), Arg::Same(0), n.clone(), Arg::Same(0), n.clone()],
            vec![ints(&a), n.clone(), ints(&b), n.clone(), ints(&c), Arg::Int(100)],
            vec![ints(&a), n.clone(), ints(&b), Arg::Int(-3), ints(&c), n],
        ],
    );
}

#[test]
fn dot_of_integers_is_clean() {
    let n = Arg::Int(2500);
    let mut large = ramp(2500);
    large[2000] = 1 << 62;
    check_clean(
        &dot(Type::I64),
        &[
            vec![ints(&ramp(2500)), n.clone(), ints(&ramp(2500)), n.clone()],
            vec![ints(&large), n.clone(), ints(&ramp(2500)), n],
        ],
    );
}

#[test]
fn dot_of_floats_is_clean() {
    let n = Arg::Int(100);
    check_clean(&dot(Type::F64), &[vec![floats(&waves(100)), n.clone(), floats(&waves(100)), n]]);
}

#[test]
fn matmul_is_clean() {
    let sizes = [3, 4, 4, 5, 3, 5].map(Arg::Int);
    let args = |c: usize| {
        vec![
            floats(&waves(12)),
            sizes[0].clone(),
            sizes[1].clone(),
            floats(&waves(20)),
            sizes[2].clone(),
            sizes[3].clone(),
            floats(&[0.0; 15]),
            Arg::Int(c as i64),
            sizes[5].clone(),
        ]
    };
    check_clean(&matmul(), &[args(3), args(2)]);
}

#[test]
fn floyd_warshall_is_clean() {
    for n in [1usize, 5, 9] {
        let size = Arg::Int(n as i64);
        let distances: Vec<i64> = (0..n * n).map(|i| ((i * 7919) % 23) as i64 - 2).collect();
        let mut large = distances.clone();
        large[n * n / 2] = i64::MAX;
        check_clean(
            &floyd_warshall(Type::I64),
            &[vec![ints(&distances), size.clone(), size.clone()], vec![ints(&large), size.clone(), size.clone()]],
        );
        let floating: Vec<f64> = distances.iter().map(|d| *d as f64).collect();
        check_clean(&floyd_warshall(Type::F64), &[vec![floats(&floating), size.clone(), size]]);
    }
}

#[test]
fn heat2d_is_clean() {
    check_clean(
        &heat2d(),
        &[
            vec![Arg::Int(6), Arg::Int(7), floats(&waves(42)), floats(&[0.0; 42])],
            vec![Arg::Int(6), Arg::Int(7), floats(&waves(42)), Arg::Same(0)],
            vec![Arg::Int(i64::MIN), Arg::Int(7), floats(&waves(42)), Arg::Same(0)],
        ],
    );
}

#[test]
fn sum_of_squares_is_clean() {
    check_clean(
        &sum_of_squares(),
        &[vec![Arg::Int(40_000)], vec![Arg::Int(0)], vec![Arg::Int(-5)], vec![Arg::Int(100)]],
    );
}

/// As on-stack replacement enters a loop: the counter, its end and its step are parameters.
#[test]
fn a_variable_step_of_one_is_clean() {
    let mut low = Low::new("entered");
    let a = low.array(Type::I64, 1);
    let (start, stop, step, total) =
        (low.param(Type::I64), low.param(Type::I64), low.param(Type::I64), low.param(Type::I64));
    low.slots = vec![a.data, a.extents[0]];
    let total = low.for_by(start, stop, step, true, &[total], |low, i, vars| {
        let a = Array { data: low.slots[0], extents: vec![low.slots[1]], ty: Type::I64 };
        let x = low.get(&a, &[i]);
        vec![low.add(vars[0], x)]
    });
    let func = low.finish(Some(total[0]));
    let args = |start: i64, stop: i64, step: i64| {
        vec![ints(&ramp(50)), Arg::Int(50), Arg::Int(start), Arg::Int(stop), Arg::Int(step), Arg::Int(7)]
    };
    check_clean(
        &func,
        &[args(3, 50, 1), args(3, 50, 2), args(-3, 20, 1), args(60, 50, 1), args(40, 53, 1), args(0, 49, 7)],
    );
}

/// Other steps and directions: all ends are tried around the array's.
#[test]
fn other_steps_are_exact() {
    for step in [-3i64, -2, -1, 1, 2, 3, 5] {
        let mut low = Low::new("stepping");
        let a = low.array(Type::I64, 1);
        let (start, stop) = (low.param(Type::I64), low.param(Type::I64));
        low.slots = vec![a.data, a.extents[0]];
        let total = low.i64(0);
        let total = low.for_step(start, stop, step, &[total], |low, i, vars| {
            let a = Array { data: low.slots[0], extents: vec![low.slots[1]], ty: Type::I64 };
            let two = low.i64(2);
            let at = low.sub(i, two);
            let x = low.get(&a, &[at]);
            vec![low.add(vars[0], x)]
        });
        let func = low.finish(Some(total[0]));
        let mut all = Vec::new();
        for start in -2..15 {
            for stop in -2..15 {
                all.push(vec![ints(&ramp(10)), Arg::Int(10), Arg::Int(start), Arg::Int(stop)]);
            }
        }
        check(&func, PassOptions::tier1(), &all);
        check(&func, PassOptions::tier2(), &all);
    }
}

/// `a[i + 1] = a[i] + a[i]`: what one iteration writes the next one reads, so bounds of what was there before say nothing.
#[test]
fn a_store_that_a_later_iteration_reads_is_seen() {
    let mut low = Low::new("doubling");
    let a = low.array(Type::I64, 1);
    low.slots = vec![a.data, a.extents[0]];
    let (zero, one) = (low.i64(0), low.i64(1));
    let stop = low.sub(a.extents[0], one);
    low.for_range(zero, stop, &[], |low, i, _| {
        let a = Array { data: low.slots[0], extents: vec![low.slots[1]], ty: Type::I64 };
        let x = low.get(&a, &[i]);
        let double = low.add(x, x);
        let one = low.i64(1);
        let next = low.add(i, one);
        low.set(&a, &[next], double);
        vec![]
    });
    let func = low.finish(None);
    let all = [vec![ints(&[1; 50]), Arg::Int(50)], vec![ints(&[1; 100]), Arg::Int(100)]];
    check(&func, PassOptions::tier2(), &all);
    check(&func, PassOptions { short_strips: true, ..PassOptions::tier2() }, &all);
}

/// `b[i] = a[i]`, then `b[i] + b[i]`: the check loop would read `b` before it is written.
#[test]
fn a_store_before_a_load_is_seen() {
    let mut low = Low::new("copied");
    let (a, b) = (low.array(Type::I64, 1), low.array(Type::I64, 1));
    low.slots = vec![a.data, a.extents[0], b.data, b.extents[0]];
    let (zero, n, total) = (low.i64(0), a.extents[0], low.i64(0));
    let total = low.for_range(zero, n, &[total], |low, i, vars| {
        let a = Array { data: low.slots[0], extents: vec![low.slots[1]], ty: Type::I64 };
        let b = Array { data: low.slots[2], extents: vec![low.slots[3]], ty: Type::I64 };
        let x = low.get(&a, &[i]);
        low.set(&b, &[i], x);
        let y = low.get(&b, &[i]);
        let double = low.add(y, y);
        vec![low.add(vars[0], double)]
    });
    let func = low.finish(Some(total[0]));
    let mut large = ramp(40);
    large[33] = i64::MAX - 3;
    let n = Arg::Int(40);
    let all =
        [vec![ints(&ramp(40)), n.clone(), ints(&[0; 40]), n.clone()], vec![ints(&large), n.clone(), ints(&[0; 40]), n]];
    check(&func, PassOptions::tier2(), &all);
    check(&func, PassOptions { short_strips: true, ..PassOptions::tier2() }, &all);
}

/// Sums that overflow in the last iteration of a strip, and sums that just do not.
#[test]
fn sums_at_the_edge_are_exact() {
    for per_element in [1i64 << 60, (1 << 61) - 1, 1 << 61, i64::MAX / 4, i64::MAX / 8, i64::MIN / 4, i64::MIN / 8] {
        for n in 0..12 {
            let args = vec![ints(&vec![per_element; n]), Arg::Int(n as i64)];
            check(&sum_elements(), PassOptions { short_strips: true, ..PassOptions::tier2() }, &[args]);
        }
    }
}

/// The poll between strips leaves in the state at the loop's header.
#[test]
fn the_poll_between_strips_names_the_state() {
    struct Leaving;
    impl EvalEnv for Leaving {
        fn poll(&mut self, _: &mut Memory) -> Result<i64, String> {
            Ok(1)
        }
    }
    let mut func = sum_elements();
    flashpoint_opt::optimize(&mut func, &verifying(PassOptions { short_strips: true, ..PassOptions::tier2() }));
    let mut memory = Memory::new();
    let values: Vec<u8> = (1..=50i64).flat_map(i64::to_le_bytes).collect();
    let base = memory.add(Region::Array, values);
    memory.set_poll_word(1);
    let args = [EvalValue::ptr(base), EvalValue::i64(50)];
    let outcome = Evaluator::default().run(&func, &args, &mut memory, &mut Leaving).expect("runs");
    let Outcome::Exit { number, values } = outcome else { panic!("{outcome}") };
    assert_eq!(func.snapshots[number.index()].reason, Reason::Swap);
    // Slots: data, extent, total, next, stop, step.
    let (total, next) = (values[2].as_signed(), values[3].as_signed());
    assert!(next > 0 && next < 50, "{next}");
    assert_eq!(total, next * (next + 1) / 2);
}
