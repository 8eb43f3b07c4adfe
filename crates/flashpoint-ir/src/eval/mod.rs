//! The reference evaluator of the typed form: slow, and written so that each operation can be compared with its
//! definition. It is the oracle of passes and back ends.
//!
//! What the IR leaves undefined (division by zero, a shift by the width or more, an access outside the memory given, to the
//! wrong region, misaligned, or to constant memory) is an [`EvalError`], never an answer: a pass that makes a function do
//! such a thing has a defect. What the IR leaves *unspecified* has some answer here: the sign and payload of a computed NaN,
//! and [`ConvertOp::FloatToUint`](crate::typed::ConvertOp::FloatToUint) out of range. [`Outcome::agrees_with`] looks past the
//! former.
//!
//! Does not know about: machine code, the engine, Python. Helpers and other units are the [`EvalEnv`]'s.

mod env;
mod memory;
mod ops;
mod value;

#[cfg(test)]
mod tests;

pub use env::{EvalEnv, PureEnv};
pub use memory::Memory;
pub use value::EvalValue;

use crate::abi::offset;
use crate::signature::check_inst;
use crate::typed::*;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// [`InstKind::Return`] was reached.
    Returned(Option<EvalValue>),
    /// An exit was taken.
    Exit {
        /// Which one.
        number: SnapshotId,
        /// What the snapshot's values were, in the order of [`Snapshot::values`](crate::snapshot::Snapshot::values).
        values: Vec<EvalValue>,
    },
}

impl Outcome {
    /// The words that compiled code leaves in the exit buffer; empty for a return.
    pub fn exit_words(&self) -> Vec<u64> {
        match self {
            Outcome::Returned(_) => Vec::new(),
            Outcome::Exit { values, .. } => values.iter().flat_map(EvalValue::words).collect(),
        }
    }

    /// Whether the outcomes are the same, bit for bit but for the bits of NaNs.
    pub fn agrees_with(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Returned(Some(a)), Outcome::Returned(Some(b))) => a.agrees_with(b),
            (Outcome::Exit { number, values }, Outcome::Exit { number: other_number, values: other_values }) => {
                number == other_number
                    && values.len() == other_values.len()
                    && values.iter().zip(other_values).all(|(a, b)| a.agrees_with(b))
            }
            (a, b) => a == b,
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Returned(None) => f.write_str("()"),
            Outcome::Returned(Some(value)) => write!(f, "{value}"),
            Outcome::Exit { number, values } => {
                let values: Vec<String> = values.iter().map(EvalValue::to_string).collect();
                write!(f, "{number}({})", values.join(", "))
            }
        }
    }
}

/// Why a run has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// The function did what the IR leaves undefined, or does not verify.
    Undefined {
        /// The instruction, as text.
        inst: String,
        /// The line of the user's source.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// The run took more instructions than it was given.
    OutOfFuel,
    /// The arguments are not the function's.
    BadArguments(String),
    /// The environment does not offer what was called.
    Unsupported(String),
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EvalError::Undefined { inst, line, message } => write!(f, "undefined in line {line}, `{inst}`: {message}"),
            EvalError::OutOfFuel => f.write_str("out of fuel"),
            EvalError::BadArguments(message) => f.write_str(message),
            EvalError::Unsupported(what) => write!(f, "the environment does not offer {what}"),
        }
    }
}

impl std::error::Error for EvalError {}

/// Runs typed functions.
#[derive(Clone, Copy, Debug)]
pub struct Evaluator {
    /// How many instructions a run may take.
    pub fuel: u64,
}

impl Default for Evaluator {
    fn default() -> Evaluator {
        Evaluator { fuel: 10_000_000 }
    }
}

impl Evaluator {
    /// Runs `func` on `args`, one per parameter, in `memory`.
    pub fn run(
        &self,
        func: &TypedFunction,
        args: &[EvalValue],
        memory: &mut Memory,
        env: &mut dyn EvalEnv,
    ) -> Result<Outcome, EvalError> {
        let mut run = Run { func, memory, env, values: vec![None; func.value_types.len()] };
        let entry = func.entry();
        let params = &func.blocks[entry.index()].params;
        let wanted: Vec<Type> = params.iter().map(|v| func.value_types[v.index()]).collect();
        let given: Vec<Type> = args.iter().map(EvalValue::ty).collect();
        if wanted != given {
            return Err(EvalError::BadArguments(format!("@{} takes {wanted:?}, not {given:?}", func.name)));
        }
        run.enter(entry, args.to_vec());
        let mut block = entry;
        let mut fuel = self.fuel;
        loop {
            let mut next = None;
            for &inst in &func.blocks[block.index()].insts {
                fuel = fuel.checked_sub(1).ok_or(EvalError::OutOfFuel)?;
                match run.step(&func.insts[inst.index()]).map_err(|stop| stop.at(func, inst))? {
                    Step::Next => {}
                    Step::Go(to, args) => {
                        run.enter(to, args);
                        next = Some(to);
                        break;
                    }
                    Step::End(outcome) => return Ok(outcome),
                }
            }
            block = next.ok_or_else(|| EvalError::Undefined {
                inst: String::new(),
                line: 0,
                message: format!("{block} has no terminator"),
            })?;
        }
    }
}

/// What an instruction leads to.
enum Step {
    Next,
    Go(Block, Vec<EvalValue>),
    End(Outcome),
}

/// Why an operation has no result.
pub(crate) enum Stop {
    Undefined(String),
    Unsupported(String),
}

impl Stop {
    fn at(self, func: &TypedFunction, inst: Inst) -> EvalError {
        match self {
            Stop::Undefined(message) => {
                let text = crate::text::print_inst(func, inst);
                EvalError::Undefined { inst: text, line: func.insts[inst.index()].line, message }
            }
            Stop::Unsupported(what) => EvalError::Unsupported(what),
        }
    }
}

impl From<String> for Stop {
    fn from(message: String) -> Stop {
        Stop::Undefined(message)
    }
}

struct Run<'a> {
    func: &'a TypedFunction,
    memory: &'a mut Memory,
    env: &'a mut dyn EvalEnv,
    values: Vec<Option<EvalValue>>,
}

impl Run<'_> {
    fn enter(&mut self, block: Block, args: Vec<EvalValue>) {
        for (param, arg) in self.func.blocks[block.index()].params.iter().zip(args) {
            self.values[param.index()] = Some(arg);
        }
    }

    fn value(&self, v: Value) -> Result<EvalValue, Stop> {
        let value = self.values.get(v.index()).cloned().flatten();
        value.ok_or_else(|| Stop::Undefined(format!("{v} has no value")))
    }

    fn all(&self, values: &[Value]) -> Result<Vec<EvalValue>, Stop> {
        values.iter().map(|v| self.value(*v)).collect()
    }

    fn exit(&self, number: SnapshotId) -> Result<Step, Stop> {
        let values = self.all(&self.func.snapshots[number.index()].values())?;
        Ok(Step::End(Outcome::Exit { number, values }))
    }

    fn go(&self, call: &BlockCall) -> Result<Step, Stop> {
        Ok(Step::Go(call.block, self.all(&call.args)?))
    }

    fn step(&mut self, data: &InstData) -> Result<Step, Stop> {
        check_inst(data, |v| self.func.value_types[v.index()])?;
        match &data.kind {
            InstKind::Guard(cond, exit) if !self.value(*cond)?.is_true() => return self.exit(*exit),
            InstKind::Guard(..) => {}
            InstKind::Poll(exit) => {
                if self.memory.poll_word() != 0 && self.env.poll(self.memory)? != 0 {
                    return self.exit(*exit);
                }
            }
            InstKind::Jump(call) => return self.go(call),
            InstKind::Branch(cond, a, b) => return self.go(if self.value(*cond)?.is_true() { a } else { b }),
            InstKind::Return(value) => {
                let value = value.map(|v| self.value(v)).transpose()?;
                return Ok(Step::End(Outcome::Returned(value)));
            }
            InstKind::Exit(exit) => return self.exit(*exit),
            InstKind::Store { value, addr, offset, region } => {
                let (value, addr) = (self.value(*value)?, self.address(*addr, *offset)?);
                self.memory.store(addr, *region, &value)?;
            }
            kind => {
                let results = self.compute(kind, data)?;
                let types: Vec<Type> = data.results.iter().map(|v| self.func.value_types[v.index()]).collect();
                if results.iter().map(EvalValue::ty).ne(types) {
                    return Err(Stop::Undefined("the results have other types than promised".into()));
                }
                for (v, result) in data.results.iter().zip(results) {
                    self.values[v.index()] = Some(result);
                }
            }
        }
        Ok(Step::Next)
    }

    fn address(&self, addr: Value, offset: i32) -> Result<u64, Stop> {
        Ok(self.value(addr)?.bits().wrapping_add(i128::from(offset) as u128) as u64)
    }

    /// The results of an instruction that only computes or calls.
    fn compute(&mut self, kind: &InstKind, data: &InstData) -> Result<Vec<EvalValue>, Stop> {
        let one = |value: EvalValue| Ok(vec![value]);
        match kind {
            InstKind::Iconst { ty, value } => one(EvalValue::new(*ty, *value as u128)),
            InstKind::Fconst { ty, bits } => one(EvalValue::new(*ty, u128::from(*bits))),
            InstKind::Unary(op, a) => one(self.value(*a)?.map(|lane, a| ops::unary(*op, lane, a))),
            InstKind::Binary(op, a, b) => {
                one(self.value(*a)?.zip(&self.value(*b)?, |lane, a, b| ops::binary(*op, lane, a, b))?)
            }
            InstKind::Overflow(op, a, b) => {
                let (a, b) = (self.value(*a)?, self.value(*b)?);
                let wrapped = a.zip(&b, |lane, a, b| Ok(ops::overflow(*op, lane, a, b).0))?;
                let flag = a.zip(&b, |lane, a, b| Ok(u128::from(ops::overflow(*op, lane, a, b).1)))?;
                Ok(vec![wrapped, flag.with_type(a.ty().mask())])
            }
            InstKind::Icmp(cc, a, b) => {
                let (a, b) = (self.value(*a)?, self.value(*b)?);
                let flag = a.zip(&b, |lane, a, b| Ok(u128::from(ops::icmp(*cc, lane, a, b))))?;
                one(flag.with_type(a.ty().mask()))
            }
            InstKind::Fcmp(cc, a, b) => {
                let (a, b) = (self.value(*a)?, self.value(*b)?);
                let flag = a.zip(&b, |lane, a, b| Ok(u128::from(ops::fcmp(*cc, lane, a, b))))?;
                one(flag.with_type(a.ty().mask()))
            }
            InstKind::Select(cond, a, b) => {
                let (cond, a, b) = (self.value(*cond)?, self.value(*a)?, self.value(*b)?);
                if cond.ty() == Type::I1 {
                    return one(if cond.is_true() { a } else { b });
                }
                let chosen = cond.lanes().zip(a.lanes().zip(b.lanes()));
                let chosen = chosen.map(|(cond, (a, b))| if cond != 0 { a } else { b }).collect();
                one(EvalValue::vector(a.ty(), chosen))
            }
            InstKind::Convert(op, a, to) => {
                let a = self.value(*a)?;
                one(a.map(|from, bits| ops::convert(*op, from, to.lane, bits)).with_type(*to))
            }
            InstKind::Splat(a, to) => one(EvalValue::vector(*to, vec![self.value(*a)?.bits(); usize::from(to.lanes)])),
            InstKind::ExtractLane(a, lane) => {
                let a = self.value(*a)?;
                let bits = a.lanes().nth(usize::from(*lane)).expect("checked with the types");
                one(EvalValue::new(a.ty().scalar_of(), bits))
            }
            InstKind::PtrAdd(addr, bytes) => {
                let (addr, bytes) = (self.value(*addr)?, self.value(*bytes)?);
                one(EvalValue::new(Type::PTR, addr.bits().wrapping_add(bytes.bits())))
            }
            InstKind::Load { ty, addr, offset, region } => {
                let addr = self.address(*addr, *offset)?;
                one(self.memory.load(addr, *region, *ty)?)
            }
            InstKind::Context => one(EvalValue::new(Type::PTR, u128::from(self.memory.context()))),
            InstKind::Libm(func, args) => {
                let args = self.all(args)?;
                one(self.env.libm(*func, &args)?)
            }
            InstKind::CallHelper(helper, args) => {
                let args = self.all(args)?;
                self.env.call_helper(*helper, &args, self.memory)
            }
            InstKind::CallUnit(unit, args) => {
                let args = self.all(args)?;
                let (result, status) = self.env.call_unit(*unit, &args, self.memory)?;
                let mut results = Vec::new();
                if let [v, _] = data.results[..] {
                    // A call that did not succeed has a result of no particular value.
                    let ty = self.func.value_types[v.index()];
                    results.push(result.unwrap_or_else(|| EvalValue::new(ty, 0)));
                }
                results.push(EvalValue::i64(status as i64));
                Ok(results)
            }
            InstKind::Store { .. }
            | InstKind::Guard(..)
            | InstKind::Poll(_)
            | InstKind::Jump(_)
            | InstKind::Branch(..)
            | InstKind::Return(_)
            | InstKind::Exit(_) => unreachable!("taken by `step`"),
        }
    }
}

/// Where the fields of the context lie that the evaluator itself reads.
const POLL_OFFSET: usize = offset::POLL as usize;
