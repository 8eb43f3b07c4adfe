//! Functions shaped as the lowering shapes them, and the check that optimising one changes nothing that can be seen.
#![allow(dead_code, reason = "each test file uses its part")]

use flashpoint_ir::builder::Builder;
use flashpoint_ir::eval::{EvalValue, Evaluator, Memory, Outcome, PureEnv};
use flashpoint_ir::generic::{Pc, SlotIdx};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::{ExitKind, FrameState, Recipe, Snapshot};
use flashpoint_ir::typed::*;
use flashpoint_ir::verify::verify;
use flashpoint_opt::{PassOptions, Report, optimize};

/// Options of a tier with the verifier on.
pub fn verifying(options: PassOptions) -> PassOptions {
    PassOptions { verify: true, ..options }
}

/// A C-contiguous array's parts.
#[derive(Clone)]
pub struct Array {
    pub data: Value,
    pub extents: Vec<Value>,
    pub ty: Type,
}

/// Builds code as the lowering does: every live slot is a block parameter, every check a guard with a full snapshot.
pub struct Low {
    pub b: Builder,
    /// Slots: what a snapshot names.
    pub slots: Vec<Value>,
    pub pc: u32,
}

impl Low {
    pub fn new(name: &str) -> Low {
        let mut b = Builder::new(name);
        let entry = b.create_block();
        b.switch_to(entry);
        b.set_line(1);
        Low { b, slots: Vec::new(), pc: 0 }
    }

    pub fn param(&mut self, ty: Type) -> Value {
        let entry = self.b.func.layout[0];
        self.b.append_param(entry, ty)
    }

    pub fn array(&mut self, ty: Type, rank: usize) -> Array {
        let data = self.param(Type::PTR);
        let extents = (0..rank).map(|_| self.param(Type::I64)).collect();
        Array { data, extents, ty }
    }

    pub fn exit(&mut self, reason: Reason) -> SnapshotId {
        self.exit_with(reason, &self.slots.clone())
    }

    pub fn exit_with(&mut self, reason: Reason, slots: &[Value]) -> SnapshotId {
        let recipes = slots
            .iter()
            .enumerate()
            .map(|(i, v)| {
                let recipe = match self.b.ty(*v) {
                    Type::F64 => Recipe::Float(*v),
                    Type::I1 => Recipe::Bool(*v),
                    Type::I128 => Recipe::Int128(*v),
                    Type::PTR => Recipe::Borrowed(*v),
                    _ => Recipe::Int(*v),
                };
                (SlotIdx(i as u32), recipe)
            })
            .collect();
        let frames = vec![FrameState { function: 0, pc: Pc(self.pc), slots: recipes }];
        self.b.snapshot(Snapshot { reason, exit: ExitKind::Resume, objects: vec![], frames })
    }

    pub fn guard(&mut self, cond: Value, reason: Reason) {
        let exit = self.exit(reason);
        self.b.guard(cond, exit);
    }

    pub fn checked(&mut self, op: OverflowOp, a: Value, b: Value) -> Value {
        self.pc += 1;
        let (value, flag) = self.b.overflow(op, a, b);
        let no = self.b.i1(false);
        let ok = self.b.icmp(IntCC::Eq, flag, no);
        self.guard(ok, Reason::IntOverflow);
        value
    }

    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.checked(OverflowOp::SaddOverflow, a, b)
    }

    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.checked(OverflowOp::SsubOverflow, a, b)
    }

    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.checked(OverflowOp::SmulOverflow, a, b)
    }

    pub fn i64(&mut self, value: i64) -> Value {
        self.b.i64(value)
    }

    /// The address of an element, with a check of every index.
    pub fn element(&mut self, array: &Array, index: &[Value]) -> Value {
        self.pc += 1;
        let mut strides = vec![self.b.i64(i64::from(array.ty.lane_bits() / 8)); index.len()];
        for axis in (0..index.len() - 1).rev() {
            strides[axis] = self.b.binary(BinaryOp::Imul, strides[axis + 1], array.extents[axis + 1]);
        }
        let mut addr = array.data;
        for (axis, i) in index.iter().enumerate() {
            let zero = self.b.i64(0);
            let negative = self.b.icmp(IntCC::Slt, *i, zero);
            let from_end = self.b.binary(BinaryOp::Iadd, *i, array.extents[axis]);
            let wrapped = self.b.select(negative, from_end, *i);
            let ok = self.b.icmp(IntCC::Ult, wrapped, array.extents[axis]);
            self.guard(ok, Reason::IndexOutOfBounds);
            let offset = self.b.binary(BinaryOp::Imul, wrapped, strides[axis]);
            addr = self.b.ptr_add(addr, offset);
        }
        addr
    }

    pub fn get(&mut self, array: &Array, index: &[Value]) -> Value {
        let addr = self.element(array, index);
        self.b.load(array.ty, addr, 0, Region::Array)
    }

    pub fn set(&mut self, array: &Array, index: &[Value], value: Value) {
        let addr = self.element(array, index);
        self.b.store(value, addr, 0, Region::Array);
    }

    pub fn float(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        self.b.binary(op, a, b)
    }

    /// `for i in range(start, stop, 1)`: `carried` are the variables the body changes; gives their values behind the loop.
    pub fn for_range(
        &mut self,
        start: Value,
        stop: Value,
        carried: &[Value],
        body: impl FnOnce(&mut Low, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        self.for_step(start, stop, 1, carried, body)
    }

    pub fn for_step(
        &mut self,
        start: Value,
        stop: Value,
        step: i64,
        carried: &[Value],
        body: impl FnOnce(&mut Low, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let step_value = self.b.i64(step);
        self.for_by(start, stop, step_value, step > 0, carried, body)
    }

    /// A loop whose step is a value, upwards or downwards.
    pub fn for_by(
        &mut self,
        start: Value,
        stop: Value,
        step_value: Value,
        up: bool,
        carried: &[Value],
        body: impl FnOnce(&mut Low, Value, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let outer_slots = self.slots.clone();
        // Parameters: every slot live outside, the variables, next, stop, step.
        let mut args = outer_slots.clone();
        args.extend(carried);
        args.extend([start, stop, step_value]);
        let header = self.b.create_block();
        let params: Vec<Value> = args
            .iter()
            .map(|v| self.b.ty(*v))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|ty| self.b.append_param(header, ty))
            .collect();
        self.b.jump(header, args.clone());
        self.b.switch_to(header);
        let n = outer_slots.len();
        let m = n + carried.len();
        let (next, stop, step_value) = (params[m], params[m + 1], params[m + 2]);
        let more = self.b.icmp(if up { IntCC::Slt } else { IntCC::Sgt }, next, stop);
        let (in_body, done) = (self.b.create_block(), self.b.create_block());
        self.b.branch(more, (in_body, vec![]), (done, vec![]));
        self.b.switch_to(in_body);
        let after = self.b.binary(BinaryOp::Iadd, next, step_value);
        let header_pc = self.pc;
        self.slots = params.clone();
        self.slots[m] = after;
        let changed = body(self, next, &params[n..m]);
        let mut back = self.slots[..n].to_vec();
        back.extend(changed);
        back.extend([after, stop, step_value]);
        let pc = std::mem::replace(&mut self.pc, header_pc);
        let exit = self.exit_with(Reason::Swap, &back);
        self.pc = pc + 1;
        self.b.poll(exit);
        self.b.jump(header, back);
        self.b.switch_to(done);
        self.slots = params[..n].to_vec();
        params[n..m].to_vec()
    }

    pub fn finish(mut self, value: Option<Value>) -> TypedFunction {
        self.b.func.result = value.map(|v| self.b.ty(v));
        self.b.ret(value);
        verify(&self.b.func).expect("the test's own function verifies");
        self.b.func
    }
}

/// What a run shows: the outcome with exits by content, and memory.
#[derive(Debug)]
pub struct Seen {
    pub outcome: Outcome,
    pub exit: Option<Snapshot>,
    pub buffers: Vec<Vec<u8>>,
}

/// Runs a function. Array arguments are given as bytes: each becomes a `ptr`.
pub fn run(func: &TypedFunction, args: &[Arg]) -> Result<Seen, String> {
    let mut memory = Memory::new();
    let mut bases = Vec::new();
    let mut values = Vec::new();
    for arg in args {
        match arg {
            Arg::Int(v) => values.push(EvalValue::i64(*v)),
            Arg::Float(v) => values.push(EvalValue::f64(*v)),
            Arg::Value(v) => values.push(v.clone()),
            Arg::Bytes(bytes) => {
                let base = memory.add(Region::Array, bytes.clone());
                bases.push(base);
                values.push(EvalValue::ptr(base));
            }
            Arg::Same(n) => values.push(EvalValue::ptr(bases[*n])),
        }
    }
    let outcome = Evaluator::default().run(func, &values, &mut memory, &mut PureEnv).map_err(|e| e.to_string())?;
    let exit = match &outcome {
        Outcome::Exit { number, .. } => {
            let mut snapshot = func.snapshots[number.index()].clone();
            snapshot.for_each_value_mut(&mut |v| *v = Value(0));
            Some(snapshot)
        }
        Outcome::Returned(_) => None,
    };
    let buffers = bases.iter().map(|base| memory.bytes(*base).to_vec()).collect();
    Ok(Seen { outcome, exit, buffers })
}

#[derive(Clone, Debug)]
pub enum Arg {
    Int(i64),
    Float(f64),
    Value(EvalValue),
    Bytes(Vec<u8>),
    /// The n-th buffer again.
    Same(usize),
}

pub fn ints(values: &[i64]) -> Arg {
    Arg::Bytes(values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

pub fn floats(values: &[f64]) -> Arg {
    Arg::Bytes(values.iter().flat_map(|v| v.to_le_bytes()).collect())
}

/// Optimises a copy and compares runs on all arguments.
pub fn check(func: &TypedFunction, options: PassOptions, all_args: &[Vec<Arg>]) -> (TypedFunction, Report) {
    let mut optimized = func.clone();
    let report = optimize(&mut optimized, &verifying(options));
    for args in all_args {
        let before = run(func, args).expect("the test's own function runs");
        let after = run(&optimized, args).unwrap_or_else(|e| panic!("{e}\n{optimized}"));
        assert_same(&before, &after, &optimized, args);
    }
    (optimized, report)
}

pub fn assert_same(before: &Seen, after: &Seen, optimized: &TypedFunction, args: &[Arg]) {
    let same = match (&before.outcome, &after.outcome) {
        (Outcome::Exit { values: a, .. }, Outcome::Exit { values: b, .. }) => {
            before.exit == after.exit && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.agrees_with(b))
        }
        (a, b) => a.agrees_with(b),
    };
    assert!(
        same && before.buffers == after.buffers,
        "{args:?}\nbefore: {} {:?}\nafter: {} {:?}\nbuffers equal: {}\n{optimized}",
        before.outcome,
        before.exit,
        after.outcome,
        after.exit,
        before.buffers == after.buffers,
    );
}
