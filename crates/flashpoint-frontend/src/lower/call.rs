//! Calls: methods, user functions inlined or called as units; [`super::builtin`] has the built-in functions.

use flashpoint_ir::generic::{GenericFunction, GenericOp, Pc, SlotIdx, SlotKind};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::reason::Reason;
use flashpoint_ir::snapshot::Recipe;
use flashpoint_ir::typed::{BinaryOp, FloatCC, Helper, Inst, InstKind, IntCC, Region, Type, UnaryOp, UnitRef, Value};

use super::state::{FrameVals, Val};
use super::types::SlotType;
use super::world::{CallTarget, KnownKind};
use super::{Flow, FunctionInfo, Low, Lowering, Stop, untyped};

/// Operations of a function that is inlined at most.
const MAX_INLINE_OPS: usize = 80;
/// Operations of a nested function that is inlined at most.
const MAX_NESTED_OPS: usize = 400;
/// Frames of a state at most.
const MAX_INLINE_DEPTH: usize = 4;
/// Operations of a function that is inlined into itself at most: each level may double what is copied.
const MAX_RECURSIVE_OPS: usize = 24;
/// Copies of itself that a function gets at most.
const MAX_RECURSIVE_COPIES: usize = 14;

pub(super) type Keywords<'a> = &'a [(String, Val)];

impl Lowering<'_> {
    pub(super) fn call(&mut self, dst: SlotIdx, callee: &Val, args: &[Val], keywords: Keywords) -> Low<Flow> {
        if let SlotType::Method(_, name) = &callee.ty {
            let (receiver, _) = callee.inner().expect("a method has a receiver");
            let val = self.call_method(&receiver, name, args)?;
            self.state.set(dst, val);
            return Ok(Flow::Next);
        }
        if let SlotType::Shared(object) = callee.ty {
            return self.call_nested(object, args, keywords);
        }
        match self.known_kind(callee) {
            Some(KnownKind::Builtin(builtin)) => match self.call_builtin(dst, builtin, args, keywords) {
                Err(Stop::Untyped(what)) if keywords.is_empty() => {
                    let val = self.call_host_function(callee, args, what)?;
                    self.state.set(dst, val);
                    Ok(Flow::Next)
                }
                flow => flow,
            },
            Some(KnownKind::Function) => {
                let SlotType::Known(object) = callee.ty else { return untyped("this call") };
                self.call_function(dst, object, args, keywords)
            }
            _ => untyped("a call of this object"),
        }
    }

    fn call_method(&mut self, receiver: &Val, name: &str, args: &[Val]) -> Low<Val> {
        if !args.is_empty() {
            return untyped(format!("the method `{name}` with arguments"));
        }
        match (&receiver.ty, name) {
            (SlotType::Int, "bit_length") => {
                let negative = self.int_abs_bits(receiver.word());
                let zeros = self.b.unary(UnaryOp::Clz, negative);
                let width = self.b.i64(64);
                Ok(Val::int(self.b.binary(BinaryOp::Isub, width, zeros)))
            }
            (SlotType::Int, "bit_count") => {
                let magnitude = self.int_abs_bits(receiver.word());
                Ok(Val::int(self.b.unary(UnaryOp::Popcnt, magnitude)))
            }
            (SlotType::Int | SlotType::Float, "conjugate") => Ok(receiver.clone()),
            (SlotType::Complex, "conjugate") => {
                let im = self.b.unary(UnaryOp::Fneg, receiver.words[1]);
                Ok(Val::complex(receiver.words[0], im))
            }
            (SlotType::Float, "is_integer") => {
                let infinity = self.b.f64(f64::INFINITY);
                let magnitude = self.b.unary(UnaryOp::Fabs, receiver.word());
                let finite = self.b.fcmp(FloatCC::Lt, magnitude, infinity);
                let floor = self.b.unary(UnaryOp::Floor, receiver.word());
                let whole = self.b.fcmp(FloatCC::Eq, floor, receiver.word());
                Ok(Val::bool(self.b.binary(BinaryOp::And, finite, whole)))
            }
            (SlotType::Numpy(dtype), _) => self.numpy_scalar_method(receiver, *dtype, name),
            (SlotType::Array(..), "copy") => self.copy_array(receiver),
            (other, _) => untyped(format!("the method `{name}` of {}", other.describe())),
        }
    }

    // ---- user functions

    fn call_function(&mut self, dst: SlotIdx, object: u32, args: &[Val], keywords: Keywords) -> Low<Flow> {
        let Some((function, body, defaults)) = self.world.function_body(object) else {
            return untyped("a call of a function that CPython runs");
        };
        let default = |this: &mut Self, at: usize| match defaults.get(at).cloned().flatten() {
            Some(known) => this.known_val(Some(known), &body.slots[at].name).map(Some),
            None => Ok(None),
        };
        let args = self.bind(&body, args, keywords, default)?;
        let recursive = self.state.frames.iter().any(|frame| frame.function == function);
        if self.state.frames.len() < MAX_INLINE_DEPTH && can_inline(&body) {
            if !recursive {
                self.inline(function, body, args, &[]);
                return Ok(Flow::Done);
            }
            if body.ops.len() <= MAX_RECURSIVE_OPS && self.recursive_copies < MAX_RECURSIVE_COPIES {
                self.recursive_copies += 1;
                self.guard_depth();
                self.inline(function, body, args, &[]);
                return Ok(Flow::Done);
            }
        }
        let args: Vec<Val> = args.iter().map(|arg| self.lent(arg)).collect();
        let types: Vec<SlotType> = args.iter().map(|arg| arg.ty.clone()).collect();
        let callee = match self.world.callee(object, &types, self.function(), self.pc, self.result.as_ref()) {
            CallTarget::Unit(callee) => callee,
            CallTarget::Unknown => return Err(Stop::Leave(Reason::CalleeResult)),
            CallTarget::Untyped => return untyped("a call of this function"),
        };
        self.has_numpy_floats |= callee.has_numpy_floats;
        // What the function promises itself, it must keep.
        if callee.is_own && *self.result.get_or_insert_with(|| callee.result.clone()) != callee.result {
            return Err(Stop::Leave(Reason::CalleeResult));
        }
        let inst = self.call_unit(dst, callee.unit, &callee.result, &args);
        if callee.is_own {
            self.own_calls.push(inst);
        }
        Ok(Flow::Next)
    }

    /// The parameters' contents, in slot order. `default` gives that of a parameter, by slot.
    pub(super) fn bind(
        &mut self,
        body: &GenericFunction,
        args: &[Val],
        keywords: Keywords,
        mut default: impl FnMut(&mut Self, usize) -> Low<Option<Val>>,
    ) -> Low<Vec<Val>> {
        let params = &body.params;
        let n_positional = params.n_positional as usize;
        let n = n_positional + params.n_keyword_only as usize;
        if params.has_varkw {
            return untyped("a call of a function with `**`");
        }
        if args.len() > n_positional && !params.has_varargs {
            return Err(Stop::Leave(Reason::Raise));
        }
        let (args, more) = args.split_at(args.len().min(n_positional));
        let mut bound: Vec<Option<Val>> = args.iter().cloned().map(Some).collect();
        bound.resize(n, None);
        for (name, val) in keywords {
            let at = (params.n_positional_only as usize..n).find(|i| body.slots[*i].name == *name);
            match at {
                Some(at) if bound[at].is_none() => bound[at] = Some(val.clone()),
                _ => return Err(Stop::Leave(Reason::Raise)),
            }
        }
        let mut vals = Vec::with_capacity(n + 1);
        for (at, val) in bound.into_iter().enumerate() {
            vals.push(match val {
                Some(val) => val,
                None => default(self, at)?.ok_or(Stop::Leave(Reason::Raise))?,
            });
        }
        if params.has_varargs {
            let lost = usize::from(planted(Defect::StarArgsLoseLast)).min(more.len());
            vals.push(Val::tuple(more[..more.len() - lost].to_vec()));
        }
        Ok(vals)
    }

    /// Goes on in the body of a function, with these parameters and cells of enclosing functions.
    pub(super) fn inline(
        &mut self,
        function: u32,
        body: std::sync::Arc<GenericFunction>,
        args: Vec<Val>,
        closure: &[Val],
    ) {
        let call = self.pc;
        self.state.frame_mut().call = Some(call);
        let mut vals = vec![Val::UNBOUND; body.slots.len()];
        for (slot, arg) in vals.iter_mut().zip(args) {
            *slot = arg;
        }
        let is_free = |slot: &usize| body.slots[*slot].kind == SlotKind::Free;
        for (slot, cell) in (0..body.slots.len()).filter(is_free).zip(closure) {
            vals[slot] = cell.clone();
        }
        self.functions.entry(function).or_insert_with(|| FunctionInfo::new(body));
        self.state.frames.push(FrameVals { function, call: None, vals });
        self.goto_inner(Pc(0), false);
    }

    /// Whether a nested function may be copied here. There is no other way to call it, so the limits are wider.
    pub(super) fn can_inline_nested(&self, body: &GenericFunction) -> bool {
        self.state.frames.len() < 2 * MAX_INLINE_DEPTH && body.ops.len() <= MAX_NESTED_OPS && is_simple(body)
    }

    /// Leaves where Python would not nest another call: tier 0 then raises. Returns how many more there may be, and how
    /// many frames stand here that were inlined, hence not counted.
    fn guard_depth(&mut self) -> (Value, Value) {
        let ctx = self.b.context();
        let left = self.b.load(Type::I32, ctx, flashpoint_ir::abi::offset::CALLS_LEFT, Region::Context);
        let inlined = self.b.iconst(Type::I32, self.state.frames.len() as i128 - 1);
        let allowed = self.b.icmp(IntCC::Sgt, left, inlined);
        self.guard(allowed, Reason::Raise);
        (left, inlined)
    }

    fn call_unit(&mut self, dst: SlotIdx, unit: UnitRef, result: &SlotType, args: &[Val]) -> Inst {
        let (left, inlined) = self.guard_depth();
        let ctx = self.b.context();
        let one = self.b.iconst(Type::I32, 1);
        let used = self.b.binary(BinaryOp::Iadd, inlined, one);
        let fewer = self.b.binary(BinaryOp::Isub, left, used);
        self.b.store(fewer, ctx, flashpoint_ir::abi::offset::CALLS_LEFT, Region::Context);

        let words = args.iter().flat_map(|arg| arg.words.clone()).collect();
        let register = result.machine_types();
        let mut types = register.clone();
        types.push(Type::I64);
        let call = self.b.push(InstKind::CallUnit(unit, words), &types);
        let results = self.b.results(call).to_vec();
        let status = results[results.len() - 1];
        self.b.store(left, ctx, flashpoint_ir::abi::offset::CALLS_LEFT, Region::Context);

        let ok = self.b.create_block();
        let rest = self.b.create_block();
        let done = self.b.create_block();
        let done_params: Vec<Value> = register.iter().map(|ty| self.b.append_param(done, *ty)).collect();
        let zero = self.b.i64(0);
        let succeeded = self.b.icmp(IntCC::Eq, status, zero);
        self.b.branch(succeeded, (ok, vec![]), (rest, vec![]));
        self.b.switch_to(ok);
        self.b.jump(done, results[..register.len()].to_vec());

        // The callee left compiled code: it is completed, and if its result is not as promised, so does the caller.
        self.b.switch_to(rest);
        let inst = self.b.push(InstKind::CallHelper(Helper::FinishCall, vec![status]), &[Type::I64]);
        let finished = self.b.results(inst)[0];
        let raised = self.b.i64(1);
        let no_raise = self.b.icmp(IntCC::Ne, finished, raised);
        let exit = self.raise_exit();
        self.b.guard(no_raise, exit);
        let as_promised = self.b.icmp(IntCC::Eq, finished, zero);
        let exit = self.result_exit(dst);
        self.b.guard(as_promised, exit);
        let loaded: Vec<Value> = register
            .iter()
            .map(|ty| {
                let ty = if *ty == Type::I1 { Type::I8 } else { *ty };
                let word = self.b.load(ty, ctx, flashpoint_ir::abi::offset::RESULT, Region::Context);
                if ty == Type::I8 && register[0] == Type::I1 {
                    let zero = self.b.iconst(Type::I8, 0);
                    self.b.icmp(IntCC::Ne, word, zero)
                } else {
                    word
                }
            })
            .collect();
        self.b.jump(done, loaded);
        self.b.switch_to(done);
        self.exits.clear();
        self.state.set(dst, Val::of(result.clone(), done_params));
        call
    }

    /// The exit of a call whose callee raised: the exception is raised again at the call.
    pub(super) fn raise_exit(&mut self) -> flashpoint_ir::typed::SnapshotId {
        let exit = self.snapshot_at(self.pc, Reason::Raise);
        self.b.func.snapshots[exit.index()].exit = flashpoint_ir::snapshot::ExitKind::Raise;
        exit
    }

    /// The exit behind a call whose result is not of the promised type: it is in the context's tagged slot.
    pub(super) fn result_exit(&mut self, dst: SlotIdx) -> flashpoint_ir::typed::SnapshotId {
        let before = self.state.clone();
        let next = Pc(self.pc.0 + 1);
        self.state.set(dst, Val::UNBOUND);
        let exit = self.snapshot_at(next, Reason::CalleeResult);
        let frame = self.b.func.snapshots[exit.index()].frames.last_mut().expect("a snapshot has a frame");
        frame.slots.push((dst, Recipe::Result));
        self.state = before;
        exit
    }
}

/// Whether a body is small and simple enough to be copied into its caller.
fn can_inline(body: &GenericFunction) -> bool {
    body.ops.len() <= MAX_INLINE_OPS && is_simple(body)
}

/// Whether a body can be copied into its caller at all.
fn is_simple(body: &GenericFunction) -> bool {
    body.handlers.is_empty() && !body.ops.iter().any(|op| matches!(op, GenericOp::WithEnter { .. }))
}
