use proptest::prelude::*;

use super::*;
use crate::testing::{BUFFER_BYTES, Choices, Style, random_args, random_typed};
use crate::text::parse_typed;

fn run(text: &str, args: &[EvalValue]) -> Result<Outcome, EvalError> {
    let func = parse_typed(text).unwrap();
    crate::verify::verify(&func).unwrap();
    Evaluator::default().run(&func, args, &mut Memory::new(), &mut PureEnv)
}

fn complaint(text: &str, args: &[EvalValue]) -> String {
    run(text, args).unwrap_err().to_string()
}

#[test]
fn what_is_undefined_is_an_error() {
    let divide = "func @f(v0: i64, v1: i64) -> i64 {\nblock0:\n v2 = sdiv.i64 v0, v1 @7\n return v2\n}";
    let by = |divisor| [EvalValue::i64(i64::MIN), EvalValue::i64(divisor)];
    assert_eq!(complaint(divide, &by(0)), "undefined in line 7, `v2 = sdiv.i64 v0, v1`: division by zero");
    assert!(complaint(divide, &by(-1)).ends_with("the quotient is out of range"));
    let shift = "func @f(v0: i64) -> i64 {\nblock0:\n v2 = shl.i64 v0, v0\n return v2\n}";
    assert!(complaint(shift, &[EvalValue::i64(64)]).ends_with("shift of 64 bits by 64"));
    assert!(complaint(shift, &[EvalValue::i64(-1)]).contains("shift of 64 bits by"));
    let load = "func @f(v0: ptr) -> i64 {\nblock0:\n v1 = load.i64.array v0+8\n return v1\n}";
    let mut memory = Memory::new();
    let object = memory.add(Region::Array, vec![7; 20]);
    let frame = memory.add(Region::Frame, vec![0; 20]);
    let func = parse_typed(load).unwrap();
    let mut at = |address: u64| Evaluator::default().run(&func, &[EvalValue::ptr(address)], &mut memory, &mut PureEnv);
    assert_eq!(at(object), Ok(Outcome::Returned(Some(EvalValue::i64(0x0707_0707_0707_0707)))));
    for (address, message) in [
        (0, "no object is there"),
        (object.wrapping_neg(), "no object is there"),
        (object + 8, "the object has 20 bytes"),
        (object + 4, "not aligned"),
        (frame, "the object is of region Frame"),
    ] {
        assert!(at(address).unwrap_err().to_string().ends_with(message), "{address:#x}");
    }
}

#[test]
fn fuel_ends_a_run() {
    let text = "func @f() {\nblock0:\n jump block1\nblock1:\n jump block1\n}";
    assert_eq!(run(text, &[]), Err(EvalError::OutOfFuel));
}

#[test]
fn arguments_are_checked() {
    let text = "func @f(v0: i64) {\nblock0:\n exit exit0\n exit0 = Raise resume { frame 0 @0: }\n}";
    assert!(matches!(run(text, &[EvalValue::f64(1.0)]), Err(EvalError::BadArguments(_))));
}

#[test]
fn exits_give_the_words_of_their_values() {
    let text = "func @f(v0: i128, v1: f32, v2: i1) {
        block0:
            exit exit0
            exit0 = Raise resume { frame 0 @0: s1 = int128 v0, s0 = numpy float32 v1, s2 = bool v2 }
        }";
    let args = [EvalValue::new(Type::I128, u128::MAX - 1), EvalValue::new(Type::F32, 0x3f80_0000), EvalValue::i1(true)];
    let outcome = run(text, &args).unwrap();
    assert_eq!(outcome.exit_words(), [u64::MAX - 1, u64::MAX, 0x3f80_0000, 1]);
    assert_eq!(outcome.to_string(), "exit0(-2, 1.0, true)");
}

#[test]
fn polls_ask_the_environment() {
    struct Leaves(i64);
    impl EvalEnv for Leaves {
        fn poll(&mut self, memory: &mut Memory) -> Result<i64, String> {
            memory.set_poll_word(0);
            Ok(self.0)
        }
    }
    let text = "func @f() -> i64 {\nblock0:\n poll exit0\n v0 = iconst.i64 5\n return v0\n
        exit0 = Swap resume { frame 0 @3: }\n}";
    let func = parse_typed(text).unwrap();
    let run = |word, answer| {
        let mut memory = Memory::new();
        memory.set_poll_word(word);
        Evaluator::default().run(&func, &[], &mut memory, &mut Leaves(answer)).unwrap().to_string()
    };
    assert_eq!((run(0, 1), run(1, 0), run(1, 1)), ("5".into(), "5".into(), "exit0()".into()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// The generator keeps its promise, and a run is a function of its inputs.
    #[test]
    fn executable_functions_run(bytes in prop::collection::vec(any::<u8>(), 0..600), seed in any::<u64>()) {
        let func = random_typed(&mut Choices::new(&bytes), Style::Executable);
        prop_assert_eq!(crate::verify::verify(&func), Ok(()), "{}", func);
        let words = random_args(&mut Choices::from_seed(seed), &func);
        let run = || {
            let mut memory = Memory::new();
            let types = func.blocks[func.entry().index()].params.iter().map(|v| func.value_types[v.index()]);
            let args: Vec<EvalValue> = types
                .zip(&words)
                .map(|(ty, words)| match ty {
                    Type::PTR => EvalValue::ptr(memory.add(Region::Array, (0..BUFFER_BYTES as u8).collect())),
                    _ => EvalValue::from_words(ty, words),
                })
                .collect();
            let outcome = Evaluator::default().run(&func, &args, &mut memory, &mut PureEnv);
            (outcome, memory)
        };
        let (first, second) = (run(), run());
        prop_assert!(first.0.is_ok(), "{}\n{}", first.0.unwrap_err(), func);
        prop_assert_eq!(first, second);
    }
}
