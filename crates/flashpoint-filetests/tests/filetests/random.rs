//! Random functions: the evaluator is the oracle of the passes, and of every back end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flashpoint_codegen::CodegenError;
use flashpoint_filetests::{CompiledUnits, MachineRun, backends, run_pass};
use flashpoint_ir::eval::{EvalValue, Evaluator, Memory, Outcome, PureEnv};
use flashpoint_ir::testing::{BUFFER_BYTES, Choices, Style, random_args, random_typed};
use flashpoint_ir::typed::{Region, SnapshotId, Type, TypedFunction, Value};
use flashpoint_opt::pipeline::{Pass, PassContext};
use flashpoint_opt::{TIER1, TIER2};
use proptest::prelude::*;

/// An outcome, and the buffer afterwards.
type Result = (Outcome, Vec<u8>);

fn evaluate(func: &TypedFunction, words: &[Vec<u64>]) -> std::result::Result<Result, String> {
    let mut memory = Memory::new();
    let buffer = memory.add(Region::Array, (0..BUFFER_BYTES as u8).collect());
    let args: Vec<EvalValue> = types(func)
        .zip(words)
        .map(|(ty, words)| if ty == Type::PTR { EvalValue::ptr(buffer) } else { EvalValue::from_words(ty, words) })
        .collect();
    let outcome =
        Evaluator::default().run(func, &args, &mut memory, &mut PureEnv).map_err(|error| error.to_string())?;
    Ok((outcome, memory.bytes(buffer).to_vec()))
}

fn execute(
    units: &CompiledUnits,
    func: &TypedFunction,
    words: &[Vec<u64>],
) -> std::result::Result<Result, CodegenError> {
    let mut run = MachineRun::default();
    let buffer = run.add_array(&(0..BUFFER_BYTES as u8).collect::<Vec<u8>>());
    let args = types(func).zip(words);
    run.args = args
        .map(|(ty, words)| if ty == Type::PTR { Err(buffer) } else { Ok(EvalValue::from_words(ty, words)) })
        .collect();
    let mut outcome = units.run(0, func, &mut run)?;
    // Addresses count from where the evaluator has the buffer.
    if let Outcome::Exit { values, .. } = &mut outcome {
        for value in values.iter_mut().filter(|value| value.ty() == Type::PTR) {
            let offset = (value.bits() as u64).wrapping_sub(run.arrays[buffer].as_ptr() as u64);
            *value = EvalValue::ptr(offset.wrapping_add(Memory::new().add(Region::Array, Vec::new())));
        }
    }
    Ok((outcome, run.bytes(buffer, BUFFER_BYTES)))
}

fn types(func: &TypedFunction) -> impl Iterator<Item = Type> + '_ {
    func.blocks[func.entry().index()].params.iter().map(|v| func.value_types[v.index()])
}

/// The same memory; the bits of NaNs apart.
fn same_memory(a: &[u8], b: &[u8]) -> bool {
    let same_bytes = |(a, b): (&[u8], &[u8])| {
        let [a, b] = [a, b].map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
        let halves = |bits: u64| [f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32)];
        a == b
            || (f64::from_bits(a).is_nan() && f64::from_bits(b).is_nan())
            || (halves(a).iter().zip(halves(b)).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())))
    };
    a.chunks(8).zip(b.chunks(8)).all(same_bytes)
}

/// The same outcome, where an exit may be a copy of the other: what the engine makes of it is the same.
fn same_outcome(func: &TypedFunction, a: &Outcome, other_func: &TypedFunction, b: &Outcome) -> bool {
    match (a, b) {
        (Outcome::Exit { number, values }, Outcome::Exit { number: other_number, values: other_values }) => {
            let shape = |func: &TypedFunction, number: &SnapshotId| {
                let mut snapshot = func.snapshots[number.index()].clone();
                let mut numbers = 0..;
                snapshot.for_each_value_mut(&mut |v| *v = Value(numbers.next().unwrap()));
                snapshot
            };
            shape(func, number) == shape(other_func, other_number)
                && values.iter().zip(other_values).all(|(a, b)| a.agrees_with(b))
        }
        _ => a.agrees_with(b),
    }
}

/// Passes that may take an exit earlier, from which tier 0 gives the same answer.
const LEAVE_EARLIER: &[&str] = &[];

/// The function after each pass does what it did before.
fn check_passes(func: &TypedFunction, words: &[Vec<u64>], pipeline: &[Pass]) -> std::result::Result<(), String> {
    let expected = evaluate(func, words)?;
    let mut current = func.clone();
    let mut context = PassContext::default();
    let mut may_leave_earlier = false;
    for pass in pipeline {
        let before = current.clone();
        may_leave_earlier |= LEAVE_EARLIER.contains(&pass.name);
        let ran = catch_unwind(AssertUnwindSafe(|| run_pass(&mut current, pass, &mut context)));
        ran.map_err(|_| format!("`{}` panicked on\n{before}", pass.name))?
            .map_err(|error| format!("{error}\nwas\n{before}"))?;
        let found = evaluate(&current, words)
            .map_err(|error| format!("`{}`: {error}\n{before}\nbecame\n{current}", pass.name))?;
        let same = same_outcome(func, &expected.0, &current, &found.0) && same_memory(&expected.1, &found.1);
        let left_earlier = matches!(found.0, Outcome::Exit { .. }) && may_leave_earlier;
        if !same && !left_earlier {
            let answers = format!("{} became {}", expected.0, found.0);
            return Err(format!(
                "`{}` changed the answer for {words:x?}: {answers}\n{before}\nbecame\n{current}",
                pass.name
            ));
        }
    }
    Ok(())
}

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("FLASHPOINT_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default);
    ProptestConfig { failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn passes_keep_the_answer(bytes in prop::collection::vec(any::<u8>(), 0..600), seed in any::<u64>()) {
        let mut func = random_typed(&mut Choices::new(&bytes), Style::Executable);
        // What a licence may change is not for this test.
        func.licences = Default::default();
        let words = random_args(&mut Choices::from_seed(seed), &func);
        for pipeline in [TIER1, TIER2] {
            if let Err(message) = check_passes(&func, &words, pipeline) {
                return Err(TestCaseError::fail(message));
            }
        }
    }

    #[test]
    fn back_ends_agree_with_the_evaluator(bytes in prop::collection::vec(any::<u8>(), 0..600), seed in any::<u64>()) {
        let mut func = random_typed(&mut Choices::new(&bytes), Style::Executable);
        func.licences = Default::default();
        let words = random_args(&mut Choices::from_seed(seed), &func);
        let expected = evaluate(&func, &words).map_err(TestCaseError::fail)?;
        for backend in backends() {
            let units = CompiledUnits::compile(backend.as_ref(), std::slice::from_ref(&func));
            match execute(&units, &func, &words) {
                Ok(found) => prop_assert!(
                    expected.0.agrees_with(&found.0) && same_memory(&expected.1, &found.1),
                    "{} gives {} for {:x?}, not {}\n{}", backend.name(), found.0, words, expected.0, func
                ),
                Err(CodegenError::Unsupported { .. }) => {}
                Err(error) => return Err(TestCaseError::fail(format!("{}: {error}\n{func}", backend.name()))),
            }
        }
    }
}
