//! Compiling versions: passes, back end, loading, publishing; and the threads that do it behind the program.
//!
//! Tier 1 is compiled at once, on the thread that asks: it takes less time than the interpreter would lose. Tier 2 is
//! queued for background threads of low priority, one fewer than there are cores, which are started as requests come. Where
//! no thread may run (tests), [`Compiler::step`] takes one request by hand.
//!
//! A back end that fails, or a function beyond its budget, leaves the cell without better code and with the reason, which
//! `explain()` shows; nothing asks again for that code.
//!
//! Invariants:
//! - A request holds no host object, so that it may be dropped on any thread.
//! - The threads are counted under the queue's lock: `n_threads` of this process, `n_idle` of which wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use flashpoint_codegen::{Backend, CodegenError, CompileOptions, Cranelift, Llvm, Loader};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{Lane, TypedFunction};
use flashpoint_opt::{PassOptions, optimize};

use crate::queue::Queue;
use crate::unit::{CodeCell, Compiled};

/// How long a process waits before a fork for the compile that is under way.
const GRACE: Duration = Duration::from_millis(500);
/// At the end of the process, a thread inside LLVM would find LLVM's statics destroyed. Compiles are bounded by instructions,
/// and take longer than this only where the machine stands still.
const LAST_GRACE: Duration = Duration::from_secs(20);
/// Bytes of executable memory.
const CODE_BUDGET: usize = 256 << 20;
/// Instructions after the passes beyond which a function is left on its lower tier, by tier: LLVM's time grows faster than
/// Cranelift's.
const MAX_INSTS: [usize; 2] = [50_000, 20_000];

/// A version to compile.
#[derive(Debug)]
pub struct Job {
    /// Where the code goes.
    pub cell: Arc<CodeCell>,
    /// The typed form, as the lowering made it.
    pub func: TypedFunction,
    /// 1 or 2; 0 for a stub.
    pub tier: u8,
    /// Number of the code, as its exits will report it.
    pub number: u64,
    /// Cells of the units it calls, by link number.
    pub callees: Vec<Arc<CodeCell>>,
    /// Whether guards count down the stress counter.
    pub stress: bool,
    /// Whether strips are of a few iterations: under stress, where loops are short.
    pub short_strips: bool,
    /// Whether LLVM emits machine code quickly.
    pub quick_emit: bool,
}

impl Job {
    /// Whether somebody will enter the code, and there is none as good.
    pub fn is_wanted(&self) -> bool {
        self.cell.is_wanted() && self.cell.peek(|best| best.is_none_or(|best| best.tier < self.tier))
    }
}

/// Back ends, code memory and the queue.
pub struct Compiler {
    loader: Loader,
    tier1: OnceLock<Result<Cranelift, CodegenError>>,
    tier2: OnceLock<Box<dyn Backend>>,
    next_number: AtomicU64,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Compiles under way on background threads.
    running: AtomicU32,
    stop: AtomicBool,
    /// Set while the process forks.
    paused: AtomicBool,
    /// Set in a child that was forked while its parent compiled.
    without_tier2: AtomicBool,
}

/// What waits: requests for threads, and threads for requests.
#[derive(Default)]
struct Waiting {
    queue: Queue,
    n_threads: usize,
    n_idle: usize,
}

impl Compiler {
    /// A compiler without requests.
    pub fn new() -> Arc<Compiler> {
        Arc::new(Compiler {
            loader: Loader::new(CODE_BUDGET),
            tier1: OnceLock::new(),
            tier2: OnceLock::new(),
            next_number: AtomicU64::new(1),
            waiting: Mutex::default(),
            wake: Condvar::new(),
            running: AtomicU32::new(0),
            stop: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            without_tier2: AtomicBool::new(false),
        })
    }

    /// Where tier 2's library is. Only the first back end that is set counts.
    pub fn set_llvm_path(&self, path: PathBuf) {
        if path.exists() {
            self.set_tier2(Box::new(Llvm::new(path)));
        }
    }

    /// The back end of tier 2. Only the first one that is set counts.
    pub fn set_tier2(&self, backend: Box<dyn Backend>) {
        let _ = self.tier2.set(backend);
    }

    /// Whether tier 2 can be had: its library is there. Does not open it.
    pub fn has_tier2(&self) -> bool {
        self.tier2.get().is_some() && !self.without_tier2.load(Ordering::Acquire)
    }

    /// The number of the next code.
    pub fn next_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// Bytes of executable memory in use.
    pub fn code_bytes(&self) -> usize {
        self.loader.bytes_in_use()
    }

    fn backend(&self, tier: u8) -> Result<&dyn Backend, CodegenError> {
        if tier < 2 {
            let made = self.tier1.get_or_init(Cranelift::new);
            return made.as_ref().map(|b| b as &dyn Backend).map_err(Clone::clone);
        }
        match self.tier2.get() {
            Some(backend) => Ok(&**backend),
            None => Err(CodegenError::NoTier2("this build has none".into())),
        }
    }

    /// Compiles now and publishes. A failure leaves the cell as it is, with the reason.
    pub fn compile(&self, job: Job) {
        let cell = job.cell.clone();
        let tier = job.tier;
        let compiled = catch_unwind(AssertUnwindSafe(|| self.try_compile(job)))
            .unwrap_or_else(|_| Err(CodegenError::Compiler("a pass panicked".into())));
        match compiled {
            Ok(compiled) => cell.publish(Arc::new(compiled)),
            Err(error) => {
                let reason = error.reason();
                if crate::events::enabled(crate::events::Topic::Compile) {
                    crate::events::log("compile", format_args!("tier {tier}: {reason}: {error}"));
                }
                *cell.refused.lock().expect("no panic while locked") = Some((reason, error.to_string()));
            }
        }
    }

    fn try_compile(&self, job: Job) -> Result<Compiled, CodegenError> {
        let started = Instant::now();
        let mut func = job.func;
        let passes = if job.tier < 2 { PassOptions::tier1() } else { PassOptions::tier2() };
        let report = optimize(
            &mut func,
            &PassOptions { guards_fail_freely: job.stress, short_strips: job.short_strips, ..passes },
        );
        let options = CompileOptions {
            stress: job.stress,
            quick_emit: job.quick_emit,
            max_insts: MAX_INSTS[usize::from(job.tier >= 2)],
            cold_loops: report.checked_versions.clone(),
            ..CompileOptions::default()
        };
        let object = self.backend(job.tier)?.compile(&func, &options)?;
        let code = self.loader.load(&object, job.number)?;
        for (i, link) in code.links().iter().enumerate().take(job.callees.len()) {
            let callee = &job.callees[if planted(Defect::LinkTableReversed) { job.callees.len() - 1 - i } else { i }];
            link.store(std::ptr::from_ref(&callee.inner) as u64, Ordering::Release);
        }
        let exit_words = func.snapshots.iter().map(|snapshot| n_words(&func, snapshot)).collect();
        let exit_counts = func.snapshots.iter().map(|_| AtomicU32::new(0)).collect();
        let compiled = Compiled {
            number: job.number,
            tier: job.tier,
            code,
            snapshots: func.snapshots.clone(),
            exit_words,
            exit_counts,
            // Its own cell holds the code, not the other way round.
            callees: job.callees.into_iter().filter(|callee| !Arc::ptr_eq(callee, &job.cell)).collect(),
            compile_ns: started.elapsed().as_nanos() as u64,
            loops: report.loops,
            cold_loops: report.checked_versions,
            warns_late: report.stores_before_test,
            func,
        };
        if crate::events::enabled(crate::events::Topic::Compile) {
            let micros = compiled.compile_ns / 1000;
            let passes: Duration = report.passes.iter().map(|(_, time, _)| *time).sum();
            let n_insts: usize = compiled.func.layout.iter().map(|b| compiled.func.blocks[b.index()].insts.len()).sum();
            let (name, tier, in_passes) = (&compiled.func.name, compiled.tier, passes.as_micros());
            crate::events::log(
                "compile",
                format_args!(
                    "`{name}` for tier {tier} in {micros} us, {in_passes} us of them in passes; {n_insts} instructions"
                ),
            );
        }
        Ok(compiled)
    }

    /// The compiler's own text (`"llvm"`) or the machine code's (`"asm"`) of code that was made.
    pub fn text_of(&self, compiled: &Compiled, stage: &str) -> String {
        let options = CompileOptions {
            want_asm: stage == "asm",
            want_ir: stage != "asm",
            cold_loops: compiled.cold_loops.clone(),
            ..CompileOptions::default()
        };
        let object = self.backend(compiled.tier).and_then(|backend| backend.compile(&compiled.func, &options));
        match object {
            Ok(object) => if stage == "asm" { object.asm } else { object.ir }.unwrap_or_default(),
            Err(error) => format!("{error}\n"),
        }
    }

    // ---- the queue

    /// Asks for code behind the program.
    pub fn request(self: &Arc<Compiler>, job: Job, background: bool) {
        let mut waiting = self.waiting();
        waiting.queue.push(job);
        if background && !self.paused.load(Ordering::Acquire) {
            if waiting.n_idle == 0 && waiting.n_threads < crate::threads::budget() {
                self.start_thread(&mut waiting);
            }
            self.wake.notify_one();
        }
    }

    /// Takes one request and compiles it on this thread. Says whether there was one.
    pub fn step(&self) -> bool {
        let Some(job) = self.waiting().queue.pop() else { return false };
        self.compile(job);
        crate::context::announce_better_code();
        true
    }

    /// Number of requests that wait or are under way.
    pub fn n_waiting(&self) -> usize {
        self.waiting().queue.len() + self.running.load(Ordering::Acquire) as usize
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no panic while locked")
    }

    fn start_thread(self: &Arc<Compiler>, waiting: &mut Waiting) {
        let compiler = self.clone();
        let spawned = std::thread::Builder::new()
            .name("flashpoint-tier2".into())
            .stack_size(16 << 20)
            .spawn(move || compiler.run_thread());
        waiting.n_threads += usize::from(spawned.is_ok());
    }

    fn run_thread(&self) {
        crate::threads::lower_priority();
        let mut waiting = self.waiting();
        while !self.stop.load(Ordering::Acquire) {
            let job = if self.paused.load(Ordering::Acquire) { None } else { waiting.queue.pop() };
            let Some(job) = job else {
                waiting.n_idle += 1;
                waiting = self.wake.wait(waiting).expect("no panic while locked");
                waiting.n_idle -= 1;
                continue;
            };
            self.running.fetch_add(1, Ordering::AcqRel);
            drop(waiting);
            self.compile(job);
            crate::context::announce_better_code();
            waiting = self.waiting();
            self.running.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Stops the threads: no compile starts, and those under way are waited for. For the end of the process.
    pub fn shut_down(&self) {
        self.stop.store(true, Ordering::Release);
        self.waiting().queue.clear();
        self.wake.notify_all();
        self.wait_idle(LAST_GRACE);
    }

    /// Waits until no compile is under way, but no longer than `grace`; says whether that is so.
    fn wait_idle(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        while self.running.load(Ordering::Acquire) != 0 {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Before a fork, with the GIL held: no compile starts from now on, and those under way are waited for briefly. No lock
    /// is held meanwhile, since whoever waited for one with the GIL in hand would wait for ever.
    pub fn before_fork(&self) {
        self.paused.store(true, Ordering::Release);
        self.wait_idle(GRACE);
        // Idle threads give up the lock by going to sleep, and nothing wakes them now.
        drop(self.waiting());
    }

    /// After a fork, in the parent: compiles may start again.
    pub fn after_fork_in_parent(&self) {
        self.paused.store(false, Ordering::Release);
        self.wake.notify_all();
    }

    /// In the child of a fork: the threads are gone; the next request makes new ones. If the parent was in the middle of a
    /// compile, tier 2's library may hold locks that nobody will give up, and the child goes on without tier 2.
    pub fn after_fork_in_child(&self) {
        if self.running.load(Ordering::Acquire) != 0 {
            self.without_tier2.store(true, Ordering::Release);
            eprintln!("flashpoint: forked during a compile: this process runs without tier 2");
        }
        self.running.store(0, Ordering::Release);
        {
            let mut waiting = self.waiting();
            (waiting.n_threads, waiting.n_idle) = (0, 0);
        }
        crate::threads::forget_ticker();
        crate::context::forget_other_threads();
        self.paused.store(false, Ordering::Release);
    }
}

fn n_words(func: &TypedFunction, snapshot: &flashpoint_ir::snapshot::Snapshot) -> usize {
    snapshot.values().iter().map(|v| if func.value_types[v.index()].lane == Lane::I128 { 2 } else { 1 }).sum()
}
