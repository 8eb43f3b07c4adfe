//! Building functions, and comparing what runs on the [machine](flashpoint_codegen::testing) with the evaluator.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub use flashpoint_codegen::testing::{Machine, VERSION, backends, loader};
use flashpoint_codegen::{Backend, CompileOptions, LoadedCode};
use flashpoint_ir::abi::STATUS_OK;
use flashpoint_ir::builder::Builder;
use flashpoint_ir::eval::{EvalError, EvalValue, Evaluator, Memory, Outcome, PureEnv};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
use flashpoint_ir::testing::BUFFER_BYTES;
use flashpoint_ir::typed::{Lane, Region, Type, TypedFunction, Value};

/// Calls, in tests that give the words their functions take.
pub trait Call {
    /// Calls the entry of `code`: the status.
    fn call(&mut self, code: &LoadedCode, args: &[u64]) -> u64;
}

impl Call for Machine {
    fn call(&mut self, code: &LoadedCode, args: &[u64]) -> u64 {
        // SAFETY: the arguments are as many words as the test's function takes, and what they point to the test owns.
        unsafe { self.enter(code, args) }
    }
}

/// Compiles and loads; the test fails if either does.
pub fn load(backend: &dyn Backend, func: &TypedFunction) -> LoadedCode {
    load_with(backend, func, &CompileOptions::default())
}

pub fn load_with(backend: &dyn Backend, func: &TypedFunction, options: &CompileOptions) -> LoadedCode {
    let object = backend.compile(func, options).unwrap_or_else(|e| panic!("{} on {}: {e}", func.name, backend.name()));
    loader().load(&object, VERSION).unwrap_or_else(|e| panic!("{} on {}: {e}", func.name, backend.name()))
}

/// Calls code that must return; gives the result word.
pub fn run(code: &LoadedCode, args: &[u64]) -> u64 {
    let mut machine = Machine::new();
    assert_eq!(machine.call(code, args), STATUS_OK);
    machine.ctx.result
}

/// A function of one block: `body` gets the parameters and returns the result, of which `result` is the type.
pub fn straight_line(name: &str, params: &[Type], body: impl FnOnce(&mut Builder, &[Value]) -> Value) -> TypedFunction {
    let mut b = Builder::new(name);
    let block = b.create_block();
    let params: Vec<Value> = params.iter().map(|ty| b.append_param(block, *ty)).collect();
    b.switch_to(block);
    let value = body(&mut b, &params);
    b.func.result = Some(b.ty(value));
    b.ret(Some(value));
    b.func
}

/// The two words of a 128-bit integer.
pub fn words(value: i128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

/// A snapshot that goes on in tier 0 with these values.
pub fn resume(recipes: Vec<Recipe>) -> Snapshot {
    let slots = recipes.into_iter().enumerate().map(|(idx, recipe)| (slot(idx), recipe)).collect();
    Snapshot {
        reason: Reason::IntOverflow,
        exit: ExitKind::Resume,
        objects: vec![],
        frames: vec![FrameState { function: 0, pc: flashpoint_ir::generic::Pc(0), slots }],
    }
}

fn slot(idx: usize) -> flashpoint_ir::generic::SlotIdx {
    flashpoint_ir::generic::SlotIdx(idx as u32)
}

/// The memory behind each `ptr` parameter, at the start of a run.
pub fn buffer() -> Vec<u8> {
    (0..BUFFER_BYTES as u8).collect()
}

/// What a run left: how it ended, and the buffers.
pub type Observed = (Outcome, Vec<Vec<u8>>);

/// Runs `func` on the reference evaluator.
pub fn evaluate(func: &TypedFunction, args: &[Vec<u64>]) -> Result<Observed, EvalError> {
    let mut memory = Memory::new();
    let mut buffers = Vec::new();
    let types = param_types(func);
    let values: Vec<EvalValue> = types
        .iter()
        .zip(args)
        .map(|(ty, words)| {
            if *ty != Type::PTR {
                return EvalValue::from_words(*ty, words);
            }
            buffers.push(memory.add(Region::Array, buffer()));
            EvalValue::ptr(buffers[buffers.len() - 1])
        })
        .collect();
    let mut outcome = Evaluator::default().run(func, &values, &mut memory, &mut PureEnv)?;
    let bases: Vec<u64> = buffers.clone();
    relocate(&mut outcome, &bases);
    Ok((outcome, buffers.iter().map(|address| memory.bytes(*address).to_vec()).collect()))
}

/// Runs compiled code of `func`.
pub fn observe(code: &LoadedCode, func: &TypedFunction, args: &[Vec<u64>]) -> Observed {
    let mut words = Vec::new();
    let mut buffers: Vec<Box<Aligned>> = Vec::new();
    let mut bases = Vec::new();
    for (ty, arg) in param_types(func).iter().zip(args) {
        if *ty == Type::PTR {
            let mut memory = Box::new(Aligned([0; BUFFER_BYTES]));
            memory.0.copy_from_slice(&buffer());
            bases.push(memory.0.as_mut_ptr().expose_provenance() as u64);
            words.push(bases[bases.len() - 1]);
            buffers.push(memory);
        } else {
            words.extend(arg);
        }
    }
    let mut machine = Machine::new();
    let status = machine.call(code, &words);
    let mut outcome = machine.outcome(func, status);
    relocate(&mut outcome, &bases);
    (outcome, buffers.iter().map(|memory| memory.0.to_vec()).collect())
}

#[repr(align(64))]
struct Aligned([u8; BUFFER_BYTES]);

/// Makes addresses comparable: each becomes its distance from the buffer it points into.
fn relocate(outcome: &mut Outcome, bases: &[u64]) {
    let Outcome::Exit { values, .. } = outcome else { return };
    for value in values.iter_mut().filter(|value| value.ty() == Type::PTR) {
        let address = value.bits() as u64;
        if let Some(base) = bases.iter().rev().find(|base| (**base..**base + 4096).contains(&address)) {
            *value = EvalValue::ptr(address - base);
        }
    }
}

/// The types of a function's parameters.
pub fn param_types(func: &TypedFunction) -> Vec<Type> {
    func.blocks[func.layout[0].index()].params.iter().map(|v| func.value_types[v.index()]).collect()
}

/// Whether two observations agree, bit for bit but for the bits of NaNs.
pub fn agree(a: &Observed, b: &Observed) -> bool {
    // Buffers may hold NaNs: compare as the generator lays them out, integers, then `f64`, then `f32`.
    let same_bytes = |a: &[u8], b: &[u8]| {
        let f64s = |bytes: &[u8]| [32, 40].map(|at| f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()));
        let f32s = |bytes: &[u8]| [48, 52, 56, 60].map(|at| f32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
        a[..32] == b[..32]
            && f64s(a).iter().zip(f64s(b)).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
            && f32s(a).iter().zip(f32s(b)).all(|(a, b)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()))
    };
    a.0.agrees_with(&b.0) && a.1.len() == b.1.len() && a.1.iter().zip(&b.1).all(|(a, b)| same_bytes(a, b))
}

/// Compiles `func` on every back end and compares each with the evaluator on all of `inputs`, which are bits, one per
/// parameter. Inputs for which the function is undefined are skipped; returns how many were not.
pub fn check(func: &TypedFunction, inputs: impl Iterator<Item = Vec<u128>>) -> usize {
    flashpoint_ir::verify::verify(func).unwrap_or_else(|error| panic!("{error:?}\n{func}"));
    let codes: Vec<_> = backends().iter().map(|backend| (backend.name(), load(&**backend, func))).collect();
    let types = param_types(func);
    let mut n_defined = 0;
    for bits in inputs {
        let args: Vec<Vec<u64>> =
            types.iter().zip(&bits).map(|(ty, bits)| EvalValue::new(*ty, *bits).words()).collect();
        let expected = match evaluate(func, &args) {
            Ok(expected) => expected,
            Err(EvalError::Undefined { .. }) => continue,
            Err(error) => panic!("{error}\n{func}"),
        };
        n_defined += 1;
        for (name, code) in &codes {
            let found = observe(code, func, &args);
            assert!(
                agree(&expected, &found),
                "{name} on {args:x?}\nexpected {} {:?}\nfound    {} {:?}\n{func}",
                expected.0,
                expected.1,
                found.0,
                found.1
            );
        }
    }
    n_defined
}

/// A recipe that stores a value of any scalar type.
pub fn recipe(ty: Type, value: Value) -> Recipe {
    use flashpoint_ir::dtype::DType;
    match ty.lane {
        Lane::I1 => Recipe::Bool(value),
        Lane::I8 => Recipe::Numpy(DType::I8, value, None),
        Lane::I16 => Recipe::Numpy(DType::I16, value, None),
        Lane::I32 => Recipe::Numpy(DType::I32, value, None),
        Lane::I64 => Recipe::Int(value),
        Lane::I128 => Recipe::Int128(value),
        Lane::F32 => Recipe::Numpy(DType::F32, value, None),
        Lane::F64 => Recipe::Float(value),
        Lane::Ptr => Recipe::Borrowed(value),
    }
}

/// A function of one block that leaves by an exit with all values that `body` returns, of any types.
pub fn exiting(name: &str, params: &[Type], body: impl FnOnce(&mut Builder, &[Value]) -> Vec<Value>) -> TypedFunction {
    let mut b = Builder::new(name);
    let block = b.create_block();
    let params: Vec<Value> = params.iter().map(|ty| b.append_param(block, *ty)).collect();
    b.switch_to(block);
    let values = body(&mut b, &params);
    let recipes = values.into_iter().map(|value| recipe(b.ty(value), value)).collect();
    let exit = b.snapshot(resume(recipes));
    b.exit(exit);
    b.func
}
