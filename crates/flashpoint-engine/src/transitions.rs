//! Scripted transitions: each test says when a compile is done, when a loop polls and what the clock says.
//!
//! Tier 2 is a second Cranelift here, so that the tests need no library. One test runs at a time, because a compile that
//! is done is announced to all threads of the process.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use flashpoint_codegen::{Backend, CodegenError, CompileOptions, Cranelift, Object};
use flashpoint_ir::generic::{BinOp, CmpOp, Const, GenericFunction, Pc};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::slot::Slot;
use flashpoint_ir::typed::{InstKind, TypedFunction};

use crate::host::Host;
use crate::run::Engine;
use crate::rust_host::RustHost;
use crate::tier0::tests::Builder;
use crate::unit::{Unit, UnitOptions};

type TestUnit = Arc<Unit<RustHost>>;

struct Script {
    engine: Rc<Engine<RustHost>>,
    host: RustHost,
    _alone: MutexGuard<'static, ()>,
}

impl Script {
    fn new() -> Script {
        Script::with_tier2(Box::new(Cranelift::new().expect("this machine has a back end")))
    }

    /// Functions are compiled at their third call, loops after ten back edges, tier 2 when [`Script::step`] says so.
    fn with_tier2(tier2: Box<dyn Backend>) -> Script {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let engine = Rc::new(Engine::<RustHost>::new());
        engine.compiler.set_tier2(tier2);
        engine.policy.set_background(false);
        engine.policy.set_ticking(false);
        engine.policy.set_thresholds(2, 10);
        engine.policy.clock.stop_at(Duration::ZERO);
        Script { engine, host: RustHost::new(), _alone: alone }
    }

    fn define(&mut self, function: GenericFunction) -> TestUnit {
        let name = function.name.clone();
        self.host.define(&self.engine, &name, Arc::new(function), UnitOptions::default()).expect("the function loads")
    }

    /// Calls a unit; gives the result in text.
    fn call(&mut self, unit: &TestUnit, args: &[Slot]) -> String {
        match self.engine.clone().call(&mut self.host, unit, args) {
            Ok(value) => {
                let text = self.host.repr(&value);
                self.host.release(value);
                text
            }
            Err(_) => self.host.take_error().expect("an exception is pending").class.to_string(),
        }
    }

    /// Has loops poll at every back edge, and does something at each poll, by its number from 1 on.
    fn at_polls(&mut self, script: impl Fn(&mut RustHost, u64) + 'static) {
        let count = Cell::new(0);
        self.host.on_poll = Some(Rc::new(move |host| {
            count.set(count.get() + 1);
            crate::request_poll();
            script(host, count.get());
        }));
        // A thread's context, which holds the poll word, is made at its first entry.
        crate::context::current();
        crate::request_poll();
    }

    fn step(&self) -> bool {
        self.engine.compiler.step()
    }
}

fn stat(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn best_tier(unit: &TestUnit) -> Option<u8> {
    unit.versions().iter().filter_map(|version| version.cell.best()).map(|code| code.tier).max()
}

/// `def add_one(x): return x + 1`
fn add_one() -> GenericFunction {
    let mut b = Builder::new("add_one", &["x"]);
    let one = b.int(1);
    let sum = b.binary(BinOp::Add, b.param(0), one);
    b.ret(sum);
    b.finish()
}

/// `s = 0`, `for i in range(n): s = s + i * step`, `return s`; a loop of which versions differ by the name.
fn total(name: &str) -> GenericFunction {
    let mut b = Builder::new(name, &["n", "step"]);
    let (s, i) = (b.local("s"), b.local("i"));
    b.constant_to(s, Const::Int(0));
    let range = b.global("range");
    let iterable = b.call(range, &[b.param(0)]);
    b.for_each(i, iterable, |b| {
        let product = b.binary(BinOp::Mul, i, b.param(1));
        let sum = b.binary(BinOp::Add, s, product);
        b.move_to(s, sum);
    });
    b.ret(s);
    b.finish()
}

/// `s = 1`, `for i in range(n): s = s * factor`, `return s`
fn power() -> GenericFunction {
    let mut b = Builder::new("power", &["n", "factor"]);
    let (s, i) = (b.local("s"), b.local("i"));
    b.constant_to(s, Const::Int(1));
    let range = b.global("range");
    let iterable = b.call(range, &[b.param(0)]);
    b.for_each(i, iterable, |b| {
        let product = b.binary(BinOp::Mul, s, b.param(1));
        b.move_to(s, product);
    });
    b.ret(s);
    b.finish()
}

/// `s = 0`, `for i in range(n): for j in range(m): s = s + j`, `return s`
fn nest() -> GenericFunction {
    let mut b = Builder::new("nest", &["n", "m"]);
    let (s, i, j) = (b.local("s"), b.local("i"), b.local("j"));
    b.constant_to(s, Const::Int(0));
    let range = b.global("range");
    let outer = b.call(range, &[b.param(0)]);
    b.for_each(i, outer, |b| {
        let range = b.global("range");
        let inner = b.call(range, &[b.param(1)]);
        b.for_each(j, inner, |b| {
            let sum = b.binary(BinOp::Add, s, j);
            b.move_to(s, sum);
        });
    });
    b.ret(s);
    b.finish()
}

/// A function of `x` that is too long to be inlined: adds 1 a hundred times.
fn long(name: &str) -> GenericFunction {
    let mut b = Builder::new(name, &["x"]);
    let x = b.param(0);
    for _ in 0..100 {
        let one = b.int(1);
        let sum = b.binary(BinOp::Add, x, one);
        b.move_to(x, sum);
    }
    b.ret(x);
    b.finish()
}

/// `s = 0`, `for i in range(n): if i < rare: s = s + callee(i)`, `return s`
fn caller(callee: &str) -> GenericFunction {
    let mut b = Builder::new("caller", &["n", "rare"]);
    let (s, i) = (b.local("s"), b.local("i"));
    b.constant_to(s, Const::Int(0));
    let range = b.global("range");
    let iterable = b.call(range, &[b.param(0)]);
    b.for_each(i, iterable, |b| {
        let (then, after) = (b.label(), b.label());
        let is_rare = b.compare(CmpOp::Lt, i, b.param(1));
        b.branch(is_rare, then, after);
        b.place(then);
        let function = b.global(callee);
        let result = b.call(function, &[i]);
        let sum = b.binary(BinOp::Add, s, result);
        b.move_to(s, sum);
        b.place(after);
    });
    b.ret(s);
    b.finish()
}

#[test]
fn calls_climb_from_tier_0_to_1_to_2() {
    let mut script = Script::new();
    let unit = script.define(add_one());
    let mut tiers = Vec::new();
    for n in 0..5 {
        assert_eq!(script.call(&unit, &[Slot::int(n)]), (n + 1).to_string());
        tiers.push(best_tier(&unit));
    }
    assert_eq!(tiers, [None, None, Some(1), Some(1), Some(1)]);
    assert_eq!(script.engine.compiler.n_waiting(), 1);
    assert!(script.step() && !script.step());
    assert_eq!(best_tier(&unit), Some(2));
    assert_eq!(script.call(&unit, &[Slot::int(41)]), "42");
    assert_eq!(unit.stats.best_tier.load(Ordering::Relaxed), 2);
    assert_eq!((stat(&unit.stats.compiles), stat(&unit.stats.deopts)), (2, 0));
}

#[test]
fn a_running_loop_climbs_from_tier_0_to_1_to_2() {
    let mut script = Script::new();
    let unit = script.define(total("total"));
    let engine = script.engine.clone();
    script.at_polls(move |_, n| {
        if n == 5 {
            assert!(engine.compiler.step(), "the loop in tier 1 has asked for tier 2");
        }
    });
    assert_eq!(script.call(&unit, &[Slot::int(100), Slot::int(3)]), (3 * 4950).to_string());
    assert_eq!(best_tier(&unit), Some(2));
    assert_eq!(unit.stats.best_tier.load(Ordering::Relaxed), 2);
    assert_eq!(stat(&unit.stats.osr_entries), 2, "into tier 1 and into tier 2");
    assert_eq!(stat(&unit.stats.tier_changes_in_loop), 1);
    assert_eq!(stat(&unit.stats.deopts), 0);
}

/// Headers at which versions are entered in the middle of a call, and how often one left for the loop around.
fn entries(unit: &TestUnit) -> (Vec<u32>, u64) {
    let mut headers: Vec<u32> = unit.versions().iter().map(|version| version.entry.0).filter(|pc| *pc != 0).collect();
    headers.sort_unstable();
    let handed_over =
        unit.exit_counts().into_iter().filter(|exit| exit.reason == Reason::HandOver).map(|exit| exit.count);
    (headers, handed_over.sum())
}

#[test]
fn an_inner_loop_hands_over_to_the_loop_around_it() {
    let mut script = Script::new();
    let unit = script.define(nest());
    // Ten back edges are soon done, and too many are left for tier 0.
    assert_eq!(script.call(&unit, &[Slot::int(5), Slot::int(1000)]), (5 * 499_500).to_string());
    let (headers, handed_over) = entries(&unit);
    assert_eq!((headers.len(), handed_over), (2, 1), "the inner loop once, then the outer one");
    assert_eq!(stat(&unit.stats.osr_entries), 2);
    for version in unit.versions() {
        let n_polls = version.lowered.func.insts.iter().filter(|inst| matches!(inst.kind, InstKind::Poll(_))).count();
        assert!(n_polls <= 2, "a version holds no loop twice");
    }
    assert_eq!(script.engine.compiler.n_waiting(), 1, "only the outer loop's code has asked for tier 2");
    assert_eq!(stat(&unit.stats.deopts), 0);
}

/// The code of the version for whole calls.
fn tier_of_calls(unit: &TestUnit) -> Option<u8> {
    let version = unit.versions().into_iter().find(|version| version.entry == Pc(0)).expect("calls were counted");
    version.cell.best().map(|code| code.tier)
}

#[test]
fn calls_go_to_the_code_of_a_loop_that_runs_long() {
    let mut script = Script::new();
    let unit = script.define(total("total"));
    let engine = script.engine.clone();
    script.at_polls(move |_, n| engine.policy.clock.stop_at(Duration::from_millis(n)));
    assert_eq!(script.call(&unit, &[Slot::int(50), Slot::int(1)]), "1225");
    assert_eq!((stat(&unit.stats.osr_entries), stat(&unit.stats.compiles)), (1, 2));
    // Fewer iterations than make a loop hot: it is entered in front of the first one.
    assert_eq!(script.call(&unit, &[Slot::int(5), Slot::int(1)]), "10");
    assert_eq!((stat(&unit.stats.osr_entries), stat(&unit.stats.compiles)), (2, 2), "nothing is compiled");
    assert_eq!((best_tier(&unit), tier_of_calls(&unit)), (Some(1), None));
    assert!(script.step());
    assert_eq!(script.call(&unit, &[Slot::int(50), Slot::int(1)]), "1225");
    assert_eq!(unit.stats.best_tier.load(Ordering::Relaxed), 2, "better code of the loop serves calls at once");
    // Called often enough for code of its own.
    assert!(script.step(), "tier 2 is asked for");
    assert_eq!(tier_of_calls(&unit), Some(2), "tier 1 was not needed");
    let entries = stat(&unit.stats.osr_entries);
    assert_eq!(script.call(&unit, &[Slot::int(50), Slot::int(1)]), "1225");
    assert_eq!(stat(&unit.stats.osr_entries), entries);
}

#[test]
fn calls_whose_loops_are_short_get_code_of_their_own_at_once() {
    let mut script = Script::new();
    let unit = script.define(total("total"));
    script.at_polls(|_, _| {});
    assert_eq!(script.call(&unit, &[Slot::int(50), Slot::int(1)]), "1225");
    assert_eq!(tier_of_calls(&unit), None);
    assert_eq!(script.call(&unit, &[Slot::int(5), Slot::int(1)]), "10");
    assert_eq!(tier_of_calls(&unit), Some(1));
    assert_eq!(stat(&unit.stats.osr_entries), 1);
}

#[test]
fn few_iterations_of_an_inner_loop_are_left_to_tier_0() {
    let mut script = Script::new();
    let unit = script.define(nest());
    assert_eq!(script.call(&unit, &[Slot::int(200), Slot::int(6)]), (200 * 15).to_string());
    let (headers, handed_over) = entries(&unit);
    assert_eq!((headers.len(), handed_over), (1, 0), "only the outer loop was entered");
}

#[test]
fn an_inner_loop_that_runs_on_gets_tier_2() {
    let mut script = Script::new();
    let unit = script.define(nest());
    let engine = script.engine.clone();
    script.at_polls(move |_, n| {
        if n < 20 {
            // The first poll is tier 0's, at its tenth back edge.
            assert_eq!(engine.compiler.n_waiting() > 0, n > 3, "poll {n}");
        }
    });
    assert_eq!(script.call(&unit, &[Slot::int(1), Slot::int(1000)]), "499500");
    assert_eq!(script.engine.compiler.n_waiting(), 2, "the loop around it has asked too");
    assert!(script.step());
    assert_eq!(best_tier(&unit), Some(2));
}

#[test]
fn a_guard_that_fails_goes_on_in_tier_0_and_is_learnt_from() {
    let mut script = Script::new();
    let unit = script.define(add_one());
    for n in 0..3 {
        script.call(&unit, &[Slot::int(n)]);
    }
    let epoch = unit.epoch();
    assert_eq!(script.call(&unit, &[Slot::int(i64::MAX)]), "9223372036854775808");
    assert_eq!(stat(&unit.stats.deopts), 1);
    assert!(unit.epoch() > epoch, "the overflow was learnt");
    for _ in 0..4 {
        assert_eq!(script.call(&unit, &[Slot::int(i64::MAX)]), "9223372036854775808");
    }
    assert_eq!(best_tier(&unit), Some(1));
    assert_eq!(stat(&unit.stats.deopts), 1, "the next version is wider");
}

#[test]
fn a_running_loop_leaves_at_an_overflow_and_comes_back_wider() {
    let mut script = Script::new();
    let unit = script.define(total("total"));
    let step = i64::MAX / 1000;
    let wanted: i128 = (0..100).map(|i| i128::from(step) * i).sum();
    assert_eq!(script.call(&unit, &[Slot::int(100), Slot::int(step)]), wanted.to_string());
    assert_eq!(stat(&unit.stats.deopts), 1);
    assert_eq!(stat(&unit.stats.osr_entries), 2, "with 64 bits, then with 128");
}

#[test]
fn integers_beyond_128_bits_are_held_in_the_loop() {
    let mut script = Script::new();
    let unit = script.define(power());
    let ten_to = |n: usize| format!("1{}", "0".repeat(n));
    assert_eq!(script.call(&unit, &[Slot::int(200), Slot::int(10)]), ten_to(200));
    assert_eq!(stat(&unit.stats.deopts), 2, "beyond 64 bits, and beyond 128");
    let n_objects = script.host.n_objects();
    for n in [200, 39, 5] {
        assert_eq!(script.call(&unit, &[Slot::int(n), Slot::int(10)]), ten_to(n as usize));
    }
    assert_eq!(stat(&unit.stats.deopts), 2, "the loop stays compiled");
    assert_eq!(script.host.n_objects(), n_objects, "every product was released");
}

#[test]
fn a_handler_that_raises_ends_what_the_loop_holds() {
    let mut script = Script::new();
    let unit = script.define(power());
    script.call(&unit, &[Slot::int(200), Slot::int(10)]);
    let n_objects = script.host.n_objects();
    script.at_polls(|host, n| host.interrupt = n == 150);
    assert_eq!(script.call(&unit, &[Slot::int(1000), Slot::int(10)]), "KeyboardInterrupt");
    assert_eq!(script.host.n_objects(), n_objects);
}

#[test]
fn an_exit_without_memory_ends_what_the_loop_holds() {
    // `range` objects are made at the exit, before what the loop holds is handed on.
    let mut b = Builder::new("f", &["n", "factor"]);
    let (r, s, i) = (b.local("r"), b.local("s"), b.local("i"));
    b.constant_to(s, Const::Int(1));
    let range = b.global("range");
    let iterable = b.call(range, &[b.param(0)]);
    b.move_to(r, iterable);
    for _ in 0..2 {
        b.for_each(i, r, |b| {
            let product = b.binary(BinOp::Mul, s, b.param(1));
            b.move_to(s, product);
        });
    }
    b.ret(s);
    let mut script = Script::new();
    let unit = script.define(b.finish());
    let args = [Slot::int(100), Slot::int(10)];
    for _ in 0..2 {
        assert_eq!(script.call(&unit, &args), format!("1{}", "0".repeat(200)));
    }
    let n_objects = script.host.n_objects();
    script.at_polls(|host, n| {
        host.out_of_memory = n == 80;
        host.interrupt = n == 80;
    });
    assert_eq!(script.call(&unit, &args), "RuntimeError");
    assert_eq!(script.host.n_objects(), n_objects);
}

#[test]
fn a_loop_asks_for_tier_2_with_the_host_attached() {
    // Without it, a fork on another thread could find the engine's locks taken.
    let mut script = Script::new();
    let unit = script.define(nest());
    let (at_attach, n_asked) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (engine, waiting) = (script.engine.clone(), at_attach.clone());
    script.host.on_attach = Some(Rc::new(move |_| waiting.set(engine.compiler.n_waiting())));
    let (engine, asked) = (script.engine.clone(), n_asked.clone());
    script.at_polls(move |_, _| asked.set(asked.get() + usize::from(engine.compiler.n_waiting() > at_attach.get())));
    assert_eq!(script.call(&unit, &[Slot::int(1), Slot::int(1000)]), "499500");
    assert_eq!(n_asked.get(), 1, "between the attach and the look at signals of one poll");
}

#[test]
fn a_loop_hands_what_it_holds_to_better_code() {
    let mut script = Script::new();
    let unit = script.define(power());
    script.call(&unit, &[Slot::int(200), Slot::int(10)]);
    let n_objects = script.host.n_objects();
    let engine = script.engine.clone();
    script.at_polls(move |_, n| {
        if n == 120 {
            while engine.compiler.step() {}
        }
    });
    assert_eq!(script.call(&unit, &[Slot::int(300), Slot::int(10)]), format!("1{}", "0".repeat(300)));
    assert_eq!(best_tier(&unit), Some(2));
    assert_eq!(script.host.n_objects(), n_objects);
}

#[test]
fn a_handler_raises_in_a_running_loop() {
    let mut script = Script::new();
    let unit = script.define(total("total"));
    script.at_polls(|host, n| host.interrupt = n == 4);
    assert_eq!(script.call(&unit, &[Slot::int(1000), Slot::int(1)]), "KeyboardInterrupt");
    assert_eq!(stat(&unit.stats.osr_entries), 1);
    assert_eq!(script.call(&unit, &[Slot::int(100), Slot::int(1)]), "4950");
}

#[test]
fn a_name_that_is_rebound_is_seen_in_a_running_loop() {
    let mut b = Builder::new("f", &["n"]);
    let (s, i) = (b.local("s"), b.local("i"));
    b.constant_to(s, Const::Int(0));
    let range = b.global("range");
    let iterable = b.call(range, &[b.param(0)]);
    b.for_each(i, iterable, |b| {
        let step = b.global("step");
        let sum = b.binary(BinOp::Add, s, step);
        b.move_to(s, sum);
    });
    b.ret(s);
    let mut script = Script::new();
    script.host.set_global("step", Slot::int(1));
    let unit = script.define(b.finish());
    script.at_polls(|host, n| {
        if n == 20 {
            host.set_global("step", Slot::int(1000));
        }
    });
    let total: i64 = script.call(&unit, &[Slot::int(100)]).parse().expect("an integer");
    let (before, after) = (total % 1000, total / 1000);
    assert_eq!(before + after, 100);
    assert!((1..99).contains(&after), "{total}");
    assert_eq!(stat(&unit.stats.osr_entries), 2, "the second version knows the new value");
}

#[test]
fn a_call_of_a_function_without_code_is_linked_to_it_later() {
    let mut script = Script::new();
    let callee = script.define(long("callee"));
    let unit = script.define(caller("callee"));
    let sum = |n: i64| (0..n).map(|i| i + 100).sum::<i64>().to_string();
    // The loop is hot, the call in it is not.
    assert_eq!(script.call(&unit, &[Slot::int(100), Slot::int(1)]), sum(1));
    assert_eq!((best_tier(&unit), best_tier(&callee)), (Some(1), None));
    let compiles = stat(&unit.stats.compiles);
    assert_eq!(script.call(&unit, &[Slot::int(100), Slot::int(2)]), sum(2));
    let deopts = stat(&unit.stats.deopts);
    for n in 1..10 {
        assert_eq!(script.call(&unit, &[Slot::int(100), Slot::int(n)]), sum(n));
    }
    assert_eq!(best_tier(&callee), Some(1), "stubs count calls");
    assert_eq!(stat(&unit.stats.deopts), deopts, "the caller stays in its code: {:?}", unit.exit_counts());
    assert!(stat(&unit.stats.compiles) <= compiles + 2, "at most a version for calls besides that of the loop");
}

#[test]
fn a_caller_takes_up_what_its_callee_has_learnt() {
    let mut script = Script::new();
    let callee = script.define(long("callee"));
    let mut b = Builder::new("caller", &["x"]);
    let function = b.global("callee");
    let result = b.call(function, &[b.param(0)]);
    let (then, after) = (b.label(), b.label());
    let zero = b.int(0);
    let positive = b.compare(CmpOp::Gt, result, zero);
    b.branch(positive, then, after);
    b.place(then);
    let one = b.int(1);
    b.ret(one);
    b.place(after);
    let unit = script.define(b.finish());
    for n in 0..6 {
        assert_eq!(script.call(&unit, &[Slot::int(n)]), "1");
    }
    assert_eq!((best_tier(&unit), best_tier(&callee)), (Some(1), Some(1)));
    for _ in 0..8 {
        assert_eq!(script.call(&unit, &[Slot::int(i64::MAX - 5)]), "1");
    }
    assert!(stat(&callee.stats.deopts) <= 2, "{:?}", callee.exit_counts());
    assert_eq!(script.call(&unit, &[Slot::int(1)]), "1");
}

/// A back end that cannot.
struct Failing;

impl Backend for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn identity(&self) -> String {
        "failing".into()
    }

    fn compile(&self, _: &TypedFunction, _: &CompileOptions) -> Result<Object, CodegenError> {
        Err(CodegenError::Compiler("it was told to fail".into()))
    }
}

#[test]
fn a_compiler_that_fails_leaves_the_function_on_its_tier() {
    let mut script = Script::with_tier2(Box::new(Failing));
    let unit = script.define(add_one());
    for n in 0..10 {
        assert_eq!(script.call(&unit, &[Slot::int(n)]), (n + 1).to_string());
    }
    assert!(script.step());
    for n in 0..10 {
        assert_eq!(script.call(&unit, &[Slot::int(n)]), (n + 1).to_string());
    }
    assert_eq!(best_tier(&unit), Some(1));
    assert_eq!(script.engine.compiler.n_waiting(), 0, "nobody asks again");
    let refused = unit.versions()[0].cell.refused.lock().expect("no panic while locked").clone();
    assert_eq!(refused.map(|(reason, _)| reason), Some(Reason::CompilerFailed));
}

#[test]
fn requests_are_taken_hottest_first_and_dropped_when_nobody_wants_them() {
    let mut script = Script::new();
    let units: Vec<TestUnit> = ["a", "b", "c"].map(|name| script.define(total(name))).into();
    for (unit, n) in units.iter().zip([30, 20, 20]) {
        script.at_polls(|_, _| {});
        script.call(unit, &[Slot::int(n), Slot::int(1)]);
    }
    assert_eq!(script.engine.compiler.n_waiting(), 3);
    // The second one is gone before its turn.
    units[1].release(&mut script.host);
    let tiers = || units.iter().map(best_tier).collect::<Vec<_>>();
    assert_eq!(tiers(), [Some(1), None, Some(1)]);
    assert!(script.step());
    assert_eq!(tiers(), [Some(2), None, Some(1)], "the loop that polled most");
    assert!(script.step());
    assert_eq!(tiers(), [Some(2), None, Some(2)]);
    assert!(!script.step());
}

#[test]
fn versions_that_break_again_and_again_are_made_less_and_less_often() {
    let mut b = Builder::new("f", &[]);
    let step = b.global("step");
    b.ret(step);
    let mut script = Script::new();
    let unit = script.define(b.finish());
    let call = |script: &mut Script, value: i64| {
        script.host.set_global("step", Slot::int(value));
        assert_eq!(script.call(&unit, &[]), value.to_string());
    };
    let before = script.engine.compiler.next_number();
    for value in 0..200 {
        call(&mut script, value);
    }
    // Five at once; then after 1, 2, 4 ... 64 calls more; the next one would be made after 128.
    assert_eq!(script.engine.compiler.next_number() - before - 1, 12, "versions made in 200 calls");
    for _ in 0..80 {
        call(&mut script, -1);
    }
    assert_eq!(best_tier(&unit), Some(1), "what stays as it is gets code in the end");
    // That version has run often enough to have paid for its making: the next one need not wait.
    for _ in 0..40 {
        call(&mut script, -1);
    }
    let before = script.engine.compiler.next_number();
    call(&mut script, -2);
    assert_eq!(script.engine.compiler.next_number() - before - 1, 1);
}
