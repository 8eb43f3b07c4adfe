//! Calls of the host's functions on scalars, where typed code has no form of its own: NumPy's loops, `math`, `cmath`.
//!
//! The function is called with the operands' words, without a frame and without objects where the host can do so; it has no
//! effects, so whatever is not an ordinary result leaves, and tier 0 does the call again with all that belongs to it.

use flashpoint_ir::generic::BinOp;
use flashpoint_ir::reason::Reason;
use flashpoint_ir::typed::{Helper, InstKind, IntCC, Type, Value};

use super::arith::symbol;
use super::state::Val;
use super::types::SlotType;
use super::world::{HostFunction, Seen};
use super::{Low, Lowering, Stop, untyped};

impl Lowering<'_> {
    /// Calls a known function of the host; `what` is missing in typed form.
    pub(super) fn call_host_function(&mut self, callee: &Val, args: &[Val], what: String) -> Low<Val> {
        let SlotType::Known(object) = callee.ty else { return Err(Stop::Untyped(what)) };
        let types: Vec<SlotType> = args.iter().map(|arg| arg.ty.clone()).collect();
        if !types.iter().all(is_scalar) {
            return Err(Stop::Untyped(what));
        }
        match self.world.host_function(object, &types) {
            Some(function) => self.call_in_words(&function, args, what),
            None => Err(Stop::Untyped(what)),
        }
    }

    /// Has the host do an operation on scalars.
    pub(super) fn call_host_operator(&mut self, op: BinOp, operands: &[Val]) -> Low<Val> {
        let types: Vec<SlotType> = operands.iter().map(|operand| operand.ty.clone()).collect();
        let what = format!("`{}` between {} and {}", symbol(op), types[0].describe(), types[1].describe());
        match self.world.host_operator(op, &types) {
            Some(function) => self.call_in_words(&function, operands, what),
            None => Err(Stop::Untyped(what)),
        }
    }

    fn call_in_words(&mut self, function: &HostFunction, args: &[Val], what: String) -> Low<Val> {
        // A step takes whatever comes: big integers, say.
        match self.world.seen(self.function(), self.pc) {
            Seen::Nothing => {}
            Seen::One(ty) if ty == function.result => {}
            Seen::One(_) | Seen::Other { .. } => return Err(Stop::Untyped(what)),
        }
        let mut words = Vec::new();
        for (arg, ty) in args.iter().zip(&function.params) {
            words.extend(self.as_scalar(arg, ty)?);
        }
        self.has_numpy_floats |= function.is_numpy;
        self.store_words(&words);
        let number = self.b.i64(function.number as i64);
        let inst = self.b.push(InstKind::CallHelper(Helper::HostFunction, vec![number]), &[Type::I64]);
        let status = self.b.results(inst)[0];
        if !function.is_numpy {
            let two = self.b.i64(2);
            let no_raise = self.b.icmp(IntCC::Ne, status, two);
            let exit = self.raise_exit();
            self.b.guard(no_raise, exit);
        }
        let zero = self.b.i64(0);
        let done = self.b.icmp(IntCC::Eq, status, zero);
        self.guard(done, if function.is_numpy { Reason::NumpyWarning } else { Reason::MathDomain });
        let words = self.load_words(&function.result);
        Ok(Val::of(function.result.clone(), words))
    }

    /// The words of a number as one of type `ty`.
    fn as_scalar(&mut self, val: &Val, ty: &SlotType) -> Low<Vec<Value>> {
        match ty {
            _ if val.ty == *ty => Ok(val.words.clone()),
            SlotType::Numpy(dtype) if dtype.is_complex() => {
                let (re, im) = self.to_complex_parts(val, *dtype)?;
                Ok(vec![re, im])
            }
            SlotType::Numpy(dtype) => Ok(vec![self.to_dtype(val, *dtype)?]),
            other => untyped(format!("{} as {}", val.ty.describe(), other.describe())),
        }
    }
}

fn is_scalar(ty: &SlotType) -> bool {
    matches!(ty, SlotType::Bool | SlotType::Int | SlotType::Float | SlotType::Complex | SlotType::Numpy(_))
}
