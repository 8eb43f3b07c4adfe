//! Random functions: every back end agrees with the reference evaluator, bit for bit but for the bits of NaNs.

mod common;

use common::{agree, backends, evaluate, load, observe};
use flashpoint_ir::testing::{Choices, Style, random_args, random_typed};
use flashpoint_ir::typed::{Licences, Type, TypedFunction};
use proptest::prelude::*;

/// Compares all back ends on a few random arguments. `Err` holds the difference as text.
fn compare(func: &TypedFunction, seed: u64) -> Result<(), String> {
    let codes: Vec<_> = backends().iter().map(|backend| (backend.name(), load(&**backend, func))).collect();
    let mut choices = Choices::from_seed(seed);
    for _ in 0..4 {
        let args = random_args(&mut choices, func);
        let expected = evaluate(func, &args).map_err(|error| format!("{error}\n{func}"))?;
        for (name, code) in &codes {
            let found = observe(code, func, &args);
            if !agree(&expected, &found) {
                return Err(format!(
                    "{name} on {args:x?}\nexpected {} {:?}\nfound    {} {:?}\n{func}",
                    expected.0, expected.1, found.0, found.1
                ));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn back_ends_agree_with_the_evaluator(bytes in prop::collection::vec(any::<u8>(), 0..600), seed in any::<u64>()) {
        let mut func = random_typed(&mut Choices::new(&bytes), Style::Executable);
        // Licences to change results are not granted here, and a register result has at most 64 bits.
        func.licences = Licences::default();
        if func.result != Some(Type::I128) && let Err(difference) = compare(&func, seed) {
            return Err(TestCaseError::fail(difference));
        }
    }
}
