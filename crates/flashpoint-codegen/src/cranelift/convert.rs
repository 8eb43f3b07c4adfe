//! Conversions between types.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, types};
use flashpoint_ir::planted::{Defect, planted};
use flashpoint_ir::typed::{ConvertOp, Lane, Type, Value};

use super::lower::Lowering;
use super::types::clif_type;
use crate::error::{CodegenError, CodegenResult};

impl Lowering<'_, '_> {
    pub(super) fn lower_convert(&mut self, op: ConvertOp, value: Value, to: Type) -> CodegenResult<ir::Value> {
        let from = self.lane(value);
        let a = self.value(value);
        let to = to.lane;
        let ty = clif_type(to);
        Ok(match op {
            ConvertOp::Sext if from == Lane::I1 => {
                let wide = self.zero_extend(a, ty);
                self.b.ins().ineg(wide)
            }
            ConvertOp::Sext => self.b.ins().sextend(ty, a),
            ConvertOp::Zext => self.zero_extend(a, ty),
            ConvertOp::Trunc => {
                let low = if self.b.func.dfg.value_type(a) == ty { a } else { self.b.ins().ireduce(ty, a) };
                if to == Lane::I1 { self.b.ins().band_imm_u(low, 1) } else { low }
            }
            ConvertOp::SintToFloat => {
                let a = match from {
                    Lane::I1 => {
                        let wide = self.b.ins().uextend(types::I32, a);
                        self.b.ins().ineg(wide)
                    }
                    Lane::I8 | Lane::I16 if planted(Defect::CraneliftNarrowToFloat) => {
                        self.b.ins().uextend(types::I32, a)
                    }
                    Lane::I8 | Lane::I16 => self.b.ins().sextend(types::I32, a),
                    _ => a,
                };
                self.b.ins().fcvt_from_sint(ty, a)
            }
            ConvertOp::UintToFloat => match from {
                Lane::I1 | Lane::I8 | Lane::I16 => {
                    let wide = self.b.ins().uextend(types::I32, a);
                    self.b.ins().fcvt_from_sint(ty, wide)
                }
                Lane::I32 => {
                    let wide = self.b.ins().uextend(types::I64, a);
                    self.b.ins().fcvt_from_sint(ty, wide)
                }
                _ => self.b.ins().fcvt_from_uint(ty, a),
            },
            ConvertOp::FloatToSint => self.float_to_sint(from, a, to)?,
            ConvertOp::FloatToUint => match to {
                Lane::I32 | Lane::I64 => self.b.ins().fcvt_to_uint_sat(ty, a),
                Lane::I1 | Lane::I8 | Lane::I16 => {
                    let wide = self.b.ins().fcvt_to_uint_sat(types::I32, a);
                    let low = self.b.ins().ireduce(ty, wide);
                    if to == Lane::I1 { self.b.ins().band_imm_u(low, 1) } else { low }
                }
                _ => return Err(CodegenError::unsupported(format!("{op:?} to {to:?}"), self.line)),
            },
            ConvertOp::FloatExtend => self.b.ins().fpromote(ty, a),
            ConvertOp::FloatDemote => self.b.ins().fdemote(ty, a),
            ConvertOp::Bitcast if self.b.func.dfg.value_type(a) == ty => a,
            ConvertOp::Bitcast => self.b.ins().bitcast(ty, MemFlagsData::new(), a),
        })
    }

    fn zero_extend(&mut self, a: ir::Value, ty: ir::Type) -> ir::Value {
        if self.b.func.dfg.value_type(a) == ty { a } else { self.b.ins().uextend(ty, a) }
    }

    /// Truncates; out of range or NaN gives the minimum. Cranelift's saturating conversion differs at the top and for NaN.
    fn float_to_sint(&mut self, from: Lane, a: ir::Value, to: Lane) -> CodegenResult<ir::Value> {
        let wide_ty = if to == Lane::I64 { types::I64 } else { types::I32 };
        let top_exponent = wide_ty.bits() - 1;
        let top = match from {
            Lane::F32 => self.b.ins().f32const(2f32.powi(top_exponent as i32)),
            _ => self.b.ins().f64const(2f64.powi(top_exponent as i32)),
        };
        let saturated = self.b.ins().fcvt_to_sint_sat(wide_ty, a);
        let below_top = self.b.ins().fcmp(FloatCC::LessThan, a, top);
        let min = self.int_const(wide_ty, -1 << top_exponent);
        let wide = self.b.ins().select(below_top, saturated, min);
        Ok(match to {
            Lane::I32 | Lane::I64 => wide,
            Lane::I8 | Lane::I16 => {
                let ty = clif_type(to);
                let low = self.b.ins().ireduce(ty, wide);
                let back = self.b.ins().sextend(types::I32, low);
                let fits = self.b.ins().icmp(IntCC::Equal, back, wide);
                let min = self.int_const(ty, -1 << (ty.bits() - 1));
                self.b.ins().select(fits, low, min)
            }
            // One bit holds 0 and -1, and -1 is the minimum.
            Lane::I1 => self.b.ins().icmp_imm_s(IntCC::NotEqual, wide, 0),
            _ => return Err(CodegenError::unsupported(format!("FloatToSint to {to:?}"), self.line)),
        })
    }
}
