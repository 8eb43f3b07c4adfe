//! Operators on values that tier 0 has no fast path for.
//!
//! NumPy's operands go through a snippet, because NumPy's warnings name the line of the running frame.
#![allow(unsafe_code, reason = "slots hold addresses of Python objects")]

use flashpoint_engine::host::{Host, HostResult, Raised};
use flashpoint_ir::generic::{BinOp, CmpOp, UnOp};
use flashpoint_ir::slot::{Slot, Tag};
use pyo3::ffi;
use pyo3::prelude::*;

use super::snippet::{binary_source, compare_source, in_place_source};
use super::{CPythonHost, Objects};

impl CPythonHost<'_> {
    /// Applies a function of the C API to the operands.
    #[inline]
    pub(super) fn apply<const N: usize>(
        &mut self,
        operands: [&Slot; N],
        function: impl FnOnce([*mut ffi::PyObject; N]) -> *mut ffi::PyObject,
    ) -> HostResult<Slot> {
        let mut objects = Objects::new(self);
        for operand in operands {
            objects.push(operand)?;
        }
        let (at, _) = objects.vectorcall_args();
        // SAFETY: `at` points to `N` live objects.
        let result = function(std::array::from_fn(|i| unsafe { *at.add(i) }));
        drop(objects);
        self.owned(result)
    }

    pub(super) fn apply_binary(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        if self.is_numpy(lhs) || self.is_numpy(rhs) {
            return self.snippet(binary_source(op), &[*lhs, *rhs]);
        }
        // SAFETY: live objects.
        self.apply([lhs, rhs], |[a, b]| unsafe {
            match op {
                BinOp::Add => ffi::PyNumber_Add(a, b),
                BinOp::Sub => ffi::PyNumber_Subtract(a, b),
                BinOp::Mul => ffi::PyNumber_Multiply(a, b),
                BinOp::TrueDiv => ffi::PyNumber_TrueDivide(a, b),
                BinOp::FloorDiv => ffi::PyNumber_FloorDivide(a, b),
                BinOp::Mod => ffi::PyNumber_Remainder(a, b),
                BinOp::Pow => ffi::PyNumber_Power(a, b, ffi::Py_None()),
                BinOp::LShift => ffi::PyNumber_Lshift(a, b),
                BinOp::RShift => ffi::PyNumber_Rshift(a, b),
                BinOp::And => ffi::PyNumber_And(a, b),
                BinOp::Or => ffi::PyNumber_Or(a, b),
                BinOp::Xor => ffi::PyNumber_Xor(a, b),
                BinOp::MatMul => ffi::PyNumber_MatrixMultiply(a, b),
            }
        })
    }

    pub(super) fn apply_in_place(&mut self, op: BinOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        if self.is_numpy(lhs) || self.is_numpy(rhs) {
            return self.snippet(in_place_source(op), &[*lhs, *rhs]);
        }
        // SAFETY: live objects.
        self.apply([lhs, rhs], |[a, b]| unsafe {
            match op {
                BinOp::Add => ffi::PyNumber_InPlaceAdd(a, b),
                BinOp::Sub => ffi::PyNumber_InPlaceSubtract(a, b),
                BinOp::Mul => ffi::PyNumber_InPlaceMultiply(a, b),
                BinOp::TrueDiv => ffi::PyNumber_InPlaceTrueDivide(a, b),
                BinOp::FloorDiv => ffi::PyNumber_InPlaceFloorDivide(a, b),
                BinOp::Mod => ffi::PyNumber_InPlaceRemainder(a, b),
                BinOp::Pow => ffi::PyNumber_InPlacePower(a, b, ffi::Py_None()),
                BinOp::LShift => ffi::PyNumber_InPlaceLshift(a, b),
                BinOp::RShift => ffi::PyNumber_InPlaceRshift(a, b),
                BinOp::And => ffi::PyNumber_InPlaceAnd(a, b),
                BinOp::Or => ffi::PyNumber_InPlaceOr(a, b),
                BinOp::Xor => ffi::PyNumber_InPlaceXor(a, b),
                BinOp::MatMul => ffi::PyNumber_InPlaceMatrixMultiply(a, b),
            }
        })
    }

    pub(super) fn apply_unary(&mut self, op: UnOp, operand: &Slot) -> HostResult<Slot> {
        if op == UnOp::Not {
            return self.truth(operand).map(|truth| Slot::bool(!truth));
        }
        // `~True` warns as well.
        if self.is_numpy(operand) || (op == UnOp::Invert && operand.tag == Tag::Bool) {
            let source = match op {
                UnOp::Neg => "lambda a: -a",
                UnOp::Pos => "lambda a: +a",
                UnOp::Invert | UnOp::Not => "lambda a: ~a",
            };
            return self.snippet(source, &[*operand]);
        }
        // SAFETY: live objects.
        self.apply([operand], |[a]| unsafe {
            match op {
                UnOp::Neg => ffi::PyNumber_Negative(a),
                UnOp::Pos => ffi::PyNumber_Positive(a),
                UnOp::Invert | UnOp::Not => ffi::PyNumber_Invert(a),
            }
        })
    }

    pub(super) fn apply_compare(&mut self, op: CmpOp, lhs: &Slot, rhs: &Slot) -> HostResult<Slot> {
        if self.is_numpy(lhs) || self.is_numpy(rhs) {
            return self.snippet(compare_source(op), &[*lhs, *rhs]);
        }
        let code = match op {
            CmpOp::Lt => ffi::Py_LT,
            CmpOp::Le => ffi::Py_LE,
            CmpOp::Eq => ffi::Py_EQ,
            CmpOp::Ne => ffi::Py_NE,
            CmpOp::Gt => ffi::Py_GT,
            CmpOp::Ge => ffi::Py_GE,
            // Integers of different size differ.
            CmpOp::Is => return Ok(Slot::bool(self.bound(lhs)?.is(&self.bound(rhs)?))),
            CmpOp::IsNot => return Ok(Slot::bool(!self.bound(lhs)?.is(&self.bound(rhs)?))),
            CmpOp::In | CmpOp::NotIn => {
                let (item, container) = (self.bound(lhs)?, self.bound(rhs)?);
                // SAFETY: live objects.
                let found = unsafe { ffi::PySequence_Contains(container.as_ptr(), item.as_ptr()) };
                return if found < 0 { Err(Raised) } else { Ok(Slot::bool((found == 1) == (op == CmpOp::In))) };
            }
        };
        // SAFETY: live objects.
        self.apply([lhs, rhs], |[a, b]| unsafe { ffi::PyObject_RichCompare(a, b, code) })
    }
}
