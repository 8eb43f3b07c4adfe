//! The sticky flags of the floating-point unit: what compiled arithmetic has met since they were cleared.
//!
//! Where the processor's flags cannot be read here, nothing is ever reported.
#![allow(unsafe_code, reason = "reads a control register")]

use flashpoint_ir::generic::{BinOp, Pc};

use crate::host::HostResult;
use crate::python::Python;
use crate::run::Engine;
use crate::unit::{Unit, Version};

/// Conditions of arithmetic, as NumPy reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// A result was too large.
    pub overflow: bool,
    /// A result is not defined.
    pub invalid: bool,
}

impl Conditions {
    /// Whether there is one.
    pub fn any(self) -> bool {
        self.overflow || self.invalid
    }

    /// These and those.
    pub fn and(self, other: Conditions) -> Conditions {
        Conditions { overflow: self.overflow || other.overflow, invalid: self.invalid || other.invalid }
    }
}

impl<H: Python> Engine<H> {
    /// Gives NumPy's warnings for conditions that a version's float arithmetic met. The flags do not tell which operation
    /// it was, so every kind of operation that the version holds is named; versions made from now on find out.
    pub(crate) fn warn_floats(
        &self,
        host: &mut H,
        unit: &Unit<H>,
        version: &Version<H>,
        conditions: Conditions,
    ) -> HostResult<()> {
        unit.learn(Pc(0), |feedback| feedback.check_floats = true);
        let pending = host.take_pending();
        for float in &version.lowered.float_ops {
            let name = match float.op {
                BinOp::Add => "add",
                BinOp::Sub => "subtract",
                BinOp::Mul => "multiply",
                _ => "divide",
            };
            let met = [(conditions.overflow, "overflow"), (conditions.invalid, "invalid value")];
            for (_, condition) in met.into_iter().filter(|(met, _)| *met) {
                let message = format!("{condition} encountered in scalar {name}");
                if let Err(raised) = host.warn_at(unit, float.pc, &message) {
                    host.release(pending);
                    return Err(raised);
                }
            }
        }
        host.restore_pending(pending);
        Ok(())
    }
}

/// The conditions met since the last call, which are cleared.
#[inline]
pub(crate) fn take() -> Conditions {
    let flags = register::read();
    if flags & register::ALL != 0 {
        register::write(flags & !register::ALL);
    }
    Conditions { overflow: flags & register::OVERFLOW != 0, invalid: flags & register::INVALID != 0 }
}

#[cfg(target_arch = "x86_64")]
mod register {
    use std::arch::asm;

    pub const INVALID: u64 = 1;
    pub const OVERFLOW: u64 = 1 << 3;
    pub const ALL: u64 = 0x3f;

    pub fn read() -> u64 {
        let mut word = 0u32;
        // SAFETY: stores MXCSR to a local variable.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        u64::from(word)
    }

    pub fn write(word: u64) {
        let word = word as u32;
        // SAFETY: loads MXCSR as it was read, but for sticky flags, which change no result.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags, readonly)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod register {
    use std::arch::asm;

    pub const INVALID: u64 = 1;
    pub const OVERFLOW: u64 = 1 << 2;
    pub const ALL: u64 = 0x9f;

    pub fn read() -> u64 {
        let word: u64;
        // SAFETY: reads FPSR.
        unsafe { asm!("mrs {}, fpsr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        word
    }

    pub fn write(word: u64) {
        // SAFETY: writes FPSR as it was read, but for sticky flags, which change no result.
        unsafe { asm!("msr fpsr, {}", in(reg) word, options(nomem, nostack, preserves_flags)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod register {
    pub const INVALID: u64 = 0;
    pub const OVERFLOW: u64 = 0;
    pub const ALL: u64 = 0;

    pub fn read() -> u64 {
        0
    }

    pub fn write(_: u64) {}
}
