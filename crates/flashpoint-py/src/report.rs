//! What `explain()` and `inspect()` say.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use crate::signature::ArgType;
use crate::typed::{EngineUnit, engine};

/// What became of a function, as `Function.explain()` tells it. `str(report)` is the text for people.
#[pyclass(frozen, module = "flashpoint", get_all)]
#[derive(Clone, Default)]
pub struct Report {
    /// `__qualname__` of the function.
    pub name: String,
    /// The highest tier reached; `None` if CPython runs the function.
    pub tier: Option<u8>,
    /// Calls through the engine so far.
    pub n_calls: u64,
    /// Types of arguments seen.
    pub signatures: Vec<String>,
    /// Guards that failed.
    pub deopts: Vec<String>,
    /// Versions and their loops: tier, compile time, and what keeps a loop from being vectorised.
    pub versions: Vec<String>,
    /// Why things are as they are, each with its code.
    pub reasons: Vec<String>,
}

#[pymethods]
impl Report {
    fn __str__(&self) -> String {
        let mut text = format!("{}: ", self.name);
        let _ = match self.tier {
            Some(tier) => writeln!(text, "tier {tier} after {} calls", self.n_calls),
            None => writeln!(text, "runs in CPython"),
        };
        for (title, lines) in [
            ("called with", &self.signatures),
            ("compiled:", &self.versions),
            ("left compiled code", &self.deopts),
            ("because", &self.reasons),
        ] {
            for line in lines {
                let _ = writeln!(text, "  {title} {line}");
            }
        }
        text
    }

    fn __repr__(&self) -> String {
        self.__str__()
    }
}

impl Report {
    /// What the engine knows of a unit.
    pub fn fill(&mut self, unit: &EngineUnit) {
        self.tier = Some(unit.stats.best_tier.load(Ordering::Relaxed) as u8);
        for exit in unit.exit_counts() {
            let help = exit.reason.help();
            self.deopts.push(format!(
                "{} times in `{}` at line {}: [{}] {} ({help})",
                exit.count,
                exit.function,
                exit.line,
                exit.reason.code(),
                exit.reason.what()
            ));
        }
        for version in unit.versions() {
            let entry = if version.entry.0 == 0 { "call".to_owned() } else { format!("loop at {}", version.entry.0) };
            version.cell.peek(|compiled| {
                let Some(compiled) = compiled else { return };
                let micros = compiled.compile_ns / 1000;
                self.versions.push(format!("{entry}: tier {}, compiled in {micros} us", compiled.tier));
                for l in compiled.loops.iter().filter(|l| l.innermost) {
                    self.versions.push(match &l.obstacle {
                        None => format!("  loop at line {}: clean, can be vectorised", l.line),
                        Some((reason, line)) => {
                            format!(
                                "  loop at line {}: not clean: [{}] {} (line {line})",
                                l.line,
                                reason.code(),
                                reason.what()
                            )
                        }
                    });
                }
            });
            if let Some((reason, text)) = &*version.cell.refused.lock().expect("no panic while locked") {
                self.reasons.push(format!("[{}] {}: {text}", reason.code(), reason.what()));
            }
            for untyped in &version.lowered.untyped {
                let line = unit.code.generic().spans.get(untyped.pc.0 as usize).map_or(0, |span| span.line);
                let held = if untyped.holds { " (what it gives is held)" } else { "" };
                let (code, why) = (untyped.reason.code(), untyped.reason.what());
                let text = format!("[{code}] line {line}: {why} {}{held}", untyped.what);
                if !self.reasons.contains(&text) {
                    self.reasons.push(text);
                }
            }
        }
    }
}

/// The typed form (`"ir"`), or machine code, of a unit's versions: of all, or of those for calls with such arguments.
pub fn stage_text(unit: &EngineUnit, stage: &str, signature: Option<&[ArgType]>) -> String {
    let mut text = String::new();
    for version in unit.versions() {
        let wanted = signature.is_none_or(|types| {
            version.entry.0 == 0
                && types.len() <= version.slots.len()
                && types.iter().zip(&version.slots).all(|(wanted, (_, ty))| wanted.is(ty))
        });
        if !wanted {
            continue;
        }
        version.cell.peek(|compiled| {
            if stage == "ir" {
                text.push_str(&compiled.map_or(&version.lowered.func, |compiled| &compiled.func).to_string());
                return;
            }
            if let Some(compiled) = compiled {
                let wanted_tier = if stage == "llvm" { 2 } else { compiled.tier };
                if compiled.tier == wanted_tier {
                    text.push_str(&engine().compiler.text_of(compiled, stage));
                }
            }
        });
    }
    if text.is_empty() { format!("no {stage} code was made yet\n") } else { text }
}
