//! Pipelines: readable lists of passes, and the loop that runs them.
//!
//! [`optimize`] times every pass, can print the function after each, stops when the fuel is used up (to bisect: the last
//! pass that was allowed to run is the culprit), and verifies after every pass in debug builds or when asked.
//! `FLASHPOINT_PASS_FUEL=N` runs the first N passes of the process only, `FLASHPOINT_PASS_DUMP=1` prints after each.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use flashpoint_ir::typed::TypedFunction;
use flashpoint_ir::verify::verify_after;

use crate::report::{LoopReport, report_loops};

/// One pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its function's name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
    /// Runs it; whether it changed anything.
    pub run: fn(&mut TypedFunction, &mut PassContext) -> bool,
}

/// What passes share while a pipeline runs.
#[derive(Debug, Default)]
pub struct PassContext {
    /// Headers of loops that are the checked version beside a faster one: loop passes leave them alone.
    pub checked_versions: std::collections::HashSet<flashpoint_ir::typed::Block>,
    /// Guards that stood on one side of a branch and are now asked on both: their exits hold only where that side is taken.
    pub converted_guards: std::collections::HashSet<flashpoint_ir::typed::Inst>,
    /// Licence to reassociate, from the function.
    pub fastmath: bool,
    /// See [`Report::stores_before_test`].
    pub stores_before_test: bool,
    /// See [`PassOptions::short_strips`].
    pub short_strips: bool,
    /// See [`PassOptions::guards_fail_freely`].
    pub guards_fail_freely: bool,
}

macro_rules! pass {
    ($run:path, $name:literal, $what:literal) => {
        Pass { name: $name, what: $what, run: $run }
    };
}

use crate::carry::carry_stores;
use crate::cleanup::{pool_constants, remove_dead_code, remove_redundant_params, simplify_cfg};
use crate::float_guards::gather_float_guards;
use crate::gvn::gvn;
use crate::if_convert::if_convert;
use crate::jam::jam;
use crate::licm::{licm, normalize_loops};
use crate::ranges::analyze_ranges;
use crate::simplify::simplify;
use crate::strips::strip_mine;
use crate::trips::count_trips;
use crate::version::{specialize_steps, version_loops};

/// What every function goes through before tier 1: linear in its size.
pub const TIER1: &[Pass] = &[
    pass!(pool_constants, "pool_constants", "keep one instruction per constant"),
    pass!(simplify_cfg, "simplify_cfg", "thread jumps, merge straight lines"),
    pass!(remove_redundant_params, "remove_redundant_params", "remove parameters that always receive one value"),
    pass!(simplify, "simplify", "apply rewrite rules, fold constants"),
    pass!(gvn, "gvn", "one computation of each value, one guard of each condition"),
    pass!(analyze_ranges, "analyze_ranges", "remove checks that intervals prove"),
    pass!(simplify_cfg, "simplify_cfg", "decide branches and guards on constants"),
    pass!(gather_float_guards, "gather_float_guards", "one test for the float arithmetic of a straight line"),
    pass!(remove_dead_code, "remove_dead_code", "drop what nobody uses"),
];

/// What a hot function goes through before tier 2.
pub const TIER2: &[Pass] = &[
    pass!(pool_constants, "pool_constants", "keep one instruction per constant"),
    pass!(simplify_cfg, "simplify_cfg", "thread jumps, merge straight lines"),
    pass!(remove_redundant_params, "remove_redundant_params", "remove parameters that always receive one value"),
    pass!(simplify, "simplify", "apply rewrite rules, fold constants"),
    pass!(pool_constants, "pool_constants", "keep one instruction per constant"),
    pass!(gvn, "gvn", "one computation of each value, one guard of each condition"),
    pass!(analyze_ranges, "analyze_ranges", "remove checks that intervals prove"),
    pass!(simplify, "simplify", "apply rewrite rules, fold constants"),
    pass!(simplify_cfg, "simplify_cfg", "decide branches and guards on constants"),
    pass!(remove_redundant_params, "remove_redundant_params", "remove parameters that always receive one value"),
    pass!(remove_dead_code, "remove_dead_code", "drop what nobody uses"),
    pass!(normalize_loops, "normalize_loops", "give every loop a preheader"),
    pass!(licm, "licm", "move invariant code in front of loops"),
    pass!(pool_constants, "pool_constants", "keep one instruction per constant"),
    pass!(gvn, "gvn", "one computation of each value, one guard of each condition"),
    pass!(specialize_steps, "specialize_steps", "a version for a step of one where the step is a variable"),
    pass!(version_loops, "version_loops", "answer guards for all iterations in front of the loop"),
    pass!(simplify, "simplify", "apply rewrite rules, fold constants"),
    pass!(pool_constants, "pool_constants", "keep one instruction per constant"),
    pass!(gvn, "gvn", "one computation of each value, one guard of each condition"),
    pass!(simplify_cfg, "simplify_cfg", "decide branches and guards on constants"),
    pass!(remove_redundant_params, "remove_redundant_params", "remove parameters that always receive one value"),
    pass!(remove_dead_code, "remove_dead_code", "drop what nobody uses"),
    pass!(normalize_loops, "normalize_loops", "give every loop a preheader"),
    pass!(licm, "licm", "move invariant code in front of loops"),
    pass!(carry_stores, "carry_stores", "hand what an iteration stores to the load of the next"),
    pass!(jam, "jam", "do iterations together whose inner loop is a sum that waits for itself"),
    pass!(strip_mine, "strip_mine", "take polls, and guards on data, out of innermost loops"),
    pass!(if_convert, "if_convert", "do both sides of small branches that hold guards"),
    pass!(count_trips, "count_trips", "take polls, and overflow checks, out of innermost loops that are not counted"),
    pass!(simplify, "simplify", "apply rewrite rules, fold constants"),
    pass!(pool_constants, "pool_constants", "keep one instruction per constant"),
    pass!(gvn, "gvn", "one computation of each value, one guard of each condition"),
    pass!(simplify_cfg, "simplify_cfg", "decide branches and guards on constants"),
    pass!(remove_redundant_params, "remove_redundant_params", "remove parameters that always receive one value"),
    pass!(remove_dead_code, "remove_dead_code", "drop what nobody uses"),
    pass!(normalize_loops, "normalize_loops", "give every loop a preheader"),
    pass!(licm, "licm", "move invariant code in front of loops"),
    pass!(gather_float_guards, "gather_float_guards", "one test for the float arithmetic of a straight line"),
    pass!(remove_dead_code, "remove_dead_code", "drop what nobody uses"),
];

/// How to run a pipeline.
#[derive(Clone, Copy, Debug)]
pub struct PassOptions {
    /// The passes, in order.
    pub pipeline: &'static [Pass],
    /// Verify after every pass, and panic with the culprit's name.
    pub verify: bool,
    /// Guards may fail although their condition holds (stress): a guard then stays on the path it was made for.
    pub guards_fail_freely: bool,
    /// Say in the report of each loop what keeps it from being clean.
    pub report_loops: bool,
    /// Strips of a few iterations, so that tests cross many with short loops.
    pub short_strips: bool,
}

impl PassOptions {
    /// The options for tier 1.
    pub fn tier1() -> PassOptions {
        PassOptions {
            pipeline: TIER1,
            verify: cfg!(debug_assertions) || always_verify(),
            report_loops: false,
            short_strips: false,
            guards_fail_freely: false,
        }
    }

    /// The options for tier 2.
    pub fn tier2() -> PassOptions {
        PassOptions { pipeline: TIER2, report_loops: true, ..PassOptions::tier1() }
    }
}

/// What a pipeline did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Each pass that ran: its name, its time, and whether it changed anything.
    pub passes: Vec<(&'static str, Duration, bool)>,
    /// Each loop of the result (checked versions beside a faster one apart).
    pub loops: Vec<LoopReport>,
    /// Headers of the checked versions: loops that run only where the faster one beside them may not. They are cold.
    pub checked_versions: Vec<flashpoint_ir::typed::Block>,
    /// Whether a strip's guards are tested behind stores of it that, run in order, would come later: the exit is right, but
    /// elements are stored already that would not be yet.
    pub stores_before_test: bool,
}

/// Runs a pipeline over a function.
///
/// # Panics
/// If a pass leaves a function that the verifier refuses, where verification is on.
pub fn optimize(func: &mut TypedFunction, options: &PassOptions) -> Report {
    let mut report = Report::default();
    let mut context = PassContext {
        fastmath: func.licences.fastmath,
        short_strips: options.short_strips,
        guards_fail_freely: options.guards_fail_freely,
        ..PassContext::default()
    };
    for pass in options.pipeline {
        if !take_fuel() {
            break;
        }
        let start = Instant::now();
        let changed = (pass.run)(func, &mut context);
        report.passes.push((pass.name, start.elapsed(), changed));
        if dump() {
            eprintln!("; {} after {} ({:?})", func.name, pass.name, start.elapsed());
            eprintln!("{func}");
        }
        if options.verify
            && let Err(error) = verify_after(pass.name, func)
        {
            panic!("{error}");
        }
    }
    report.checked_versions = context.checked_versions.iter().copied().filter(|b| func.layout.contains(b)).collect();
    report.checked_versions.sort_unstable();
    report.stores_before_test = context.stores_before_test;
    if options.report_loops {
        report.loops = report_loops(func, &context);
    }
    report
}

/// Passes that may still run in this process, for bisection.
static FUEL: OnceLock<AtomicI64> = OnceLock::new();

fn take_fuel() -> bool {
    let fuel = FUEL.get_or_init(|| {
        let limit = std::env::var("FLASHPOINT_PASS_FUEL").ok().and_then(|text| text.parse().ok());
        AtomicI64::new(limit.unwrap_or(i64::MAX))
    });
    fuel.load(Ordering::Relaxed) == i64::MAX || fuel.fetch_sub(1, Ordering::Relaxed) > 0
}

fn dump() -> bool {
    static DUMP: OnceLock<bool> = OnceLock::new();
    *DUMP.get_or_init(|| std::env::var_os("FLASHPOINT_PASS_DUMP").is_some())
}

fn always_verify() -> bool {
    static VERIFY: OnceLock<bool> = OnceLock::new();
    *VERIFY.get_or_init(|| std::env::var_os("FLASHPOINT_PASS_VERIFY").is_some())
}
