//! Random functions compute the same before and after every pipeline, exits and memory included.

mod common;

use common::*;
use flashpoint_ir::eval::EvalValue;
use flashpoint_ir::testing::{BUFFER_BYTES, Choices, Style, random_args, random_typed};
use flashpoint_ir::typed::{Lane, TypedFunction};
use flashpoint_opt::{PassOptions, optimize};

fn args_for(func: &TypedFunction, seed: u64) -> Vec<Arg> {
    let mut choices = Choices::from_seed(seed);
    let words = random_args(&mut choices, func);
    let params = &func.blocks[func.layout[0].index()].params;
    params
        .iter()
        .zip(words)
        .map(|(param, words)| {
            let ty = func.value_types[param.index()];
            if ty.lane == Lane::Ptr {
                Arg::Bytes((0..BUFFER_BYTES).map(|_| choices.below(256) as u8).collect())
            } else {
                Arg::Value(EvalValue::from_words(ty, &words))
            }
        })
        .collect()
}

fn check_seed(seed: u64, options: PassOptions) {
    let mut func = random_typed(&mut Choices::from_seed(seed), Style::Executable);
    // With that licence a product with zero may be zero where it was NaN: its rules have tests of their own.
    func.licences.fastmath = false;
    let mut optimized = func.clone();
    optimize(&mut optimized, &verifying(options));
    for round in 0..4 {
        let args = args_for(&func, seed * 31 + round);
        let Ok(before) = run(&func, &args) else { continue };
        let after =
            run(&optimized, &args).unwrap_or_else(|e| panic!("seed {seed}: {e}\nbefore:\n{func}\nafter:\n{optimized}"));
        let same = std::panic::catch_unwind(|| assert_same(&before, &after, &optimized, &args));
        if same.is_err() {
            panic!("seed {seed}, before:\n{func}");
        }
    }
}

fn n_seeds() -> u64 {
    std::env::var("FLASHPOINT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500)
}

#[test]
fn random_functions_through_tier1() {
    for seed in 0..n_seeds() {
        check_seed(seed, PassOptions::tier1());
    }
}

#[test]
fn random_functions_through_tier2() {
    for seed in 0..n_seeds() {
        check_seed(seed, PassOptions::tier2());
    }
}
