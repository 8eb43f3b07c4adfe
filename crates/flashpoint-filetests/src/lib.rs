//! Tests of the IR that are files of it: `filetests/**/*.fpir`.
//!
//! A file holds functions and, in comments, what is claimed of them:
//! ```text
//! ; test: opt simplify gvn                passes to run, or `opt tier1`, `opt tier2`; without the line: none
//! ; check: iadd.i64                       a line of the result has this text; checks match one after the other
//! ; not: imul                             no line of the result has it
//! ; error: 3:5: no operation is called `x.i64`     the parser's or the verifier's complaint, in full
//! ; run: @f(1, 2) == 3                    on the evaluator and on every back end, before and after the passes
//! ; run: @f(i64[1, 2], 5) == exit0(7) with i64[1, 5]     arrays, exits with their values, memory afterwards
//! ; run: @f(1) polled == exit1()          the poll word is set, and `Helper::Poll` says to leave
//! ; run: @f(0) == undefined: division by zero     on the evaluator alone
//! ; run-before: ..., ; run-after: ...     on the input only, on the result only (where a pass may leave earlier)
//! ; expect:                               the whole result, up to the end of the file, each line after `; `
//! ```
//! Two spaces end the text of a claim; what follows is for the reader. `FLASHPOINT_BLESS=1` writes what was found behind
//! every `; expect:`. Each file is also printed and parsed back, and verified before and after every pass. `unit0` is the
//! file's first function, and so on.
#![deny(unsafe_code)]

mod claims;
mod file;
mod machine;

pub use file::{Answer, run_file, run_pass};
pub use flashpoint_codegen::testing::backends;
pub use machine::{CompiledUnits, MachineRun};
