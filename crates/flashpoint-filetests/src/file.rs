//! Runs one file. Start at [`run_file`].

use flashpoint_codegen::CodegenError;
use flashpoint_codegen::testing::backends;
use flashpoint_ir::eval::{EvalEnv, EvalError, EvalValue, Evaluator, Memory, Outcome};
use flashpoint_ir::text::{self, Item};
use flashpoint_ir::typed::{Region, TypedFunction, UnitRef};
use flashpoint_ir::verify::{verify, verify_after};
use flashpoint_opt::pipeline::{Pass, PassContext};
use flashpoint_opt::{TIER1, TIER2};

use crate::claims::{Arg, Claims, RunClaim, array_text};
use crate::machine::{CompiledUnits, MachineRun};

/// What became of a file.
#[derive(Debug)]
pub enum Answer {
    /// All claims hold.
    Passed {
        /// Runs that a back end has no code for.
        n_skipped: usize,
    },
    /// All but the expected text, and the file with the text that was found.
    Differs {
        /// A message for the reader.
        message: String,
        /// The whole file as blessing would write it.
        blessed: String,
    },
    /// A claim does not hold.
    Failed(String),
}

/// Checks every claim of a file.
pub fn run_file(text: &str) -> Answer {
    match check_file(text) {
        Ok(answer) => answer,
        Err(message) => Answer::Failed(message),
    }
}

fn check_file(text: &str) -> Result<Answer, String> {
    let claims = Claims::of(text)?;
    let items = text::parse(text).map_err(|error| error.to_string()).and_then(|items| match check_items(&items) {
        Ok(()) => Ok(items),
        Err(message) => Err(message),
    });
    let items = match (items, &claims.error) {
        (Ok(items), None) => items,
        (Ok(_), Some(expected)) => return Err(format!("expected the error `{expected}`, found none")),
        (Err(found), Some(expected)) if found == *expected => return Ok(Answer::Passed { n_skipped: 0 }),
        (Err(found), _) => return Err(found),
    };
    let before: Vec<TypedFunction> = items.iter().filter_map(typed).cloned().collect();
    let mut after = before.clone();
    for func in &mut after {
        for name in &claims.passes {
            run_passes(func, name)?;
        }
    }
    let n_skipped = check_runs(&claims.runs, &before, &after)?;

    let mut results = after.into_iter();
    let replaced: Vec<Item> = items
        .into_iter()
        .map(|item| match item {
            Item::Typed(_) => Item::Typed(results.next().expect("one result for each function")),
            generic => generic,
        })
        .collect();
    let result = text::print(&replaced);
    check_text(&claims, &result)?;
    match claims.expected {
        Some((start, expected)) if expected != result => {
            let commented: String =
                result.lines().map(|line| format!("; {line}").trim_end().to_string() + "\n").collect();
            let blessed = format!("{}{commented}", &text[..start]);
            Ok(Answer::Differs { message: format!("expected\n{expected}\nfound\n{result}"), blessed })
        }
        _ => Ok(Answer::Passed { n_skipped }),
    }
}

fn typed(item: &Item) -> Option<&TypedFunction> {
    match item {
        Item::Typed(func) => Some(func),
        Item::Generic(_) => None,
    }
}

/// Verifies, and parses back what is printed.
fn check_items(items: &[Item]) -> Result<(), String> {
    for func in items.iter().filter_map(typed) {
        verify(func).map_err(|error| error.to_string())?;
    }
    let printed = text::print(items);
    match text::parse(&printed) {
        Ok(again) if again == items => Ok(()),
        Ok(_) => Err(format!("does not parse back as it was:\n{printed}")),
        Err(error) => Err(format!("does not parse back: {error}\n{printed}")),
    }
}

/// Runs the passes of a name: one, or a pipeline's.
fn run_passes(func: &mut TypedFunction, name: &str) -> Result<(), String> {
    let mut context = PassContext { fastmath: func.licences.fastmath, ..PassContext::default() };
    let pipeline: Vec<&Pass> = match name {
        "tier1" => TIER1.iter().collect(),
        "tier2" => TIER2.iter().collect(),
        _ => TIER2.iter().chain(TIER1).filter(|pass| pass.name == name).take(1).collect(),
    };
    if pipeline.is_empty() {
        return Err(format!("no pass is called `{name}`"));
    }
    pipeline.into_iter().try_for_each(|pass| run_pass(func, pass, &mut context))
}

/// Runs a pass and verifies what it leaves.
pub fn run_pass(func: &mut TypedFunction, pass: &Pass, context: &mut PassContext) -> Result<(), String> {
    (pass.run)(func, context);
    verify_after(pass.name, func).map_err(|error| format!("{error}\n{func}"))
}

fn check_text(claims: &Claims, result: &str) -> Result<(), String> {
    let mut lines = result.lines();
    for check in &claims.checks {
        if !lines.any(|line| line.contains(check.as_str())) {
            return Err(format!("`{check}` is not in the result (after what was checked before it):\n{result}"));
        }
    }
    match claims.nots.iter().find(|not| result.contains(not.as_str())) {
        Some(not) => Err(format!("`{not}` is in the result:\n{result}")),
        None => Ok(()),
    }
}

/// Runs every claim everywhere; the number of runs without machine code.
fn check_runs(runs: &[RunClaim], before: &[TypedFunction], after: &[TypedFunction]) -> Result<usize, String> {
    let mut n_skipped = 0;
    for (funcs, when, applies) in [
        (before, "before the passes", (|run: &RunClaim| run.before) as fn(&RunClaim) -> bool),
        (after, "after the passes", |run: &RunClaim| run.after),
    ] {
        let runs: Vec<&RunClaim> = runs.iter().filter(|run| applies(run)).collect();
        if runs.is_empty() {
            continue;
        }
        let mut compiled: Vec<(&str, CompiledUnits)> = Vec::new();
        for backend in backends() {
            compiled.push((backend.name(), CompiledUnits::compile(backend.as_ref(), funcs)));
        }
        for run in runs {
            let fail = |place: &str, found: &str| {
                let memory = run.memory.as_ref().map(|memory| format!(" with {memory}")).unwrap_or_default();
                format!("line {}, {place}, {when}: expected {}{memory}, found {found}", run.line, run.outcome)
            };
            let idx = funcs.iter().position(|func| func.name == run.func);
            let idx = idx.ok_or_else(|| format!("line {}: no function is called @{}", run.line, run.func))?;
            let args = parse_args(run, &funcs[idx])?;
            let expected = [Some(run.outcome.clone()), run.memory.clone()];
            let (outcome, arrays) = evaluate(run, &args, funcs, idx)?;
            let is_defined = outcome.is_ok();
            let found = [Some(outcome.unwrap_or_else(|message| message)), run.memory.as_ref().map(|_| arrays.clone())];
            if found != expected {
                return Err(fail("evaluator", &format!("{} with {arrays}", found[0].as_ref().unwrap())));
            }
            for (name, units) in compiled.iter().filter(|_| is_defined) {
                match execute(run, &args, units, idx, &funcs[idx]) {
                    Ok((outcome, arrays)) => {
                        if [Some(outcome.clone()), run.memory.as_ref().map(|_| arrays.clone())] != expected {
                            return Err(fail(name, &format!("{outcome} with {arrays}")));
                        }
                    }
                    Err(CodegenError::Unsupported { .. }) => n_skipped += 1,
                    Err(error) => return Err(fail(name, &error.to_string())),
                }
            }
        }
    }
    Ok(n_skipped)
}

fn parse_args(run: &RunClaim, func: &TypedFunction) -> Result<Vec<Arg>, String> {
    let params = &func.blocks[func.entry().index()].params;
    if params.len() != run.args.len() {
        return Err(format!("line {}: @{} takes {} arguments", run.line, run.func, params.len()));
    }
    let parse = |(text, param): (&String, &flashpoint_ir::typed::Value)| {
        Arg::parse(text, func.value_types[param.index()]).map_err(|message| format!("line {}: {message}", run.line))
    };
    run.args.iter().zip(params).map(parse).collect()
}

/// The file's functions as units of each other.
struct Units<'a> {
    funcs: &'a [TypedFunction],
}

impl EvalEnv for Units<'_> {
    fn poll(&mut self, _: &mut Memory) -> Result<i64, String> {
        Ok(1)
    }

    fn unit(&mut self, unit: UnitRef, args: &[EvalValue], memory: &mut Memory) -> Option<(Option<EvalValue>, u64)> {
        let func = self.funcs.get(unit.0 as usize)?;
        match Evaluator::default().run(func, args, memory, self).ok()? {
            Outcome::Returned(value) => Some((value, flashpoint_ir::abi::STATUS_OK)),
            Outcome::Exit { number, .. } => Some((None, flashpoint_ir::abi::STATUS_EXIT + u64::from(number.0))),
        }
    }
}

/// The outcome (or what is undefined) and the arrays, as text.
fn evaluate(
    run: &RunClaim,
    args: &[Arg],
    funcs: &[TypedFunction],
    idx: usize,
) -> Result<(Result<String, String>, String), String> {
    let mut memory = Memory::new();
    memory.set_poll_word(run.polled.into());
    let mut arrays = Vec::new();
    let values: Vec<EvalValue> = args
        .iter()
        .map(|arg| match arg {
            Arg::Scalar(value) => value.clone(),
            Arg::Array(ty, bytes) => {
                let address = memory.add(Region::Array, bytes.clone());
                arrays.push((*ty, address));
                EvalValue::ptr(address)
            }
        })
        .collect();
    let outcome = match Evaluator::default().run(&funcs[idx], &values, &mut memory, &mut Units { funcs }) {
        Ok(outcome) => Ok(outcome.to_string()),
        Err(EvalError::Undefined { message, .. }) => Err(format!("undefined: {message}")),
        Err(EvalError::OutOfFuel) => Err("out of fuel".into()),
        Err(error) => return Err(format!("line {}: {error}", run.line)),
    };
    let arrays = arrays.into_iter().map(|(ty, address)| array_text(ty, memory.bytes(address)));
    Ok((outcome, arrays.collect::<Vec<_>>().join(", ")))
}

fn execute(
    run: &RunClaim,
    args: &[Arg],
    units: &CompiledUnits,
    idx: usize,
    func: &TypedFunction,
) -> Result<(String, String), CodegenError> {
    let mut machine = MachineRun { polled: run.polled, ..MachineRun::default() };
    let mut arrays = Vec::new();
    for arg in args {
        let arg = match arg {
            Arg::Scalar(value) => Ok(value.clone()),
            Arg::Array(ty, bytes) => {
                let array = machine.add_array(bytes);
                arrays.push((*ty, array, bytes.len()));
                Err(array)
            }
        };
        machine.args.push(arg);
    }
    let outcome = units.run(idx, func, &mut machine)?;
    let arrays = arrays.into_iter().map(|(ty, array, len)| array_text(ty, &machine.bytes(array, len)));
    Ok((outcome.to_string(), arrays.collect::<Vec<_>>().join(", ")))
}
