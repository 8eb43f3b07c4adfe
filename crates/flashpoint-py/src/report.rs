//! What `explain()` and `inspect()` say.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flashpoint_ir::reason::Reason;
use pyo3::prelude::*;

use crate::signature::ArgType;
use crate::typed::{EngineUnit, EngineVersion, engine};

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
    /// Places where compiled code was left, but for handing over to other code.
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
        let _ = match (self.tier, self.n_calls) {
            (Some(0), 0) => write!(text, "not called yet"),
            (Some(tier), 0) => write!(text, "tier {tier}, not called yet"),
            (Some(tier), 1) => write!(text, "tier {tier} after 1 call"),
            (Some(tier), n_calls) => write!(text, "tier {tier} after {n_calls} calls"),
            (None, _) => write!(text, "runs in CPython"),
        };
        for (title, lines) in [
            ("called with", &self.signatures),
            ("compiled:", &self.versions),
            ("left compiled code", &self.deopts),
            ("because", &self.reasons),
        ] {
            for line in lines {
                let _ = write!(text, "\n  {title} {line}");
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
    pub fn fill(&mut self, unit: &Arc<EngineUnit>) {
        self.tier = Some(unit.stats.best_tier.load(Ordering::Relaxed) as u8);
        for exit in unit.exit_counts().into_iter().filter(|exit| !HAND_OVERS.contains(&exit.reason)) {
            let (code, what) = (exit.reason.code(), exit.reason.what());
            let times = if exit.count == 1 { "once".to_owned() } else { format!("{} times", exit.count) };
            let help = match exit.reason.help() {
                "nothing to do" => String::new(),
                help => format!(" ({help})"),
            };
            self.deopts.push(format!("{times} in `{}` at line {}: [{code}] {what}{help}", exit.function, exit.line));
        }
        for version in unit.versions() {
            let entry = entry_text(unit, &version);
            version.cell.peek(|compiled| {
                let Some(compiled) = compiled else { return };
                let micros = compiled.compile_ns / 1000;
                self.versions.push(format!("{entry}: tier {}, compiled in {micros} us", compiled.tier));
                let first = self.versions.len();
                for l in compiled.loops.iter().filter(|l| l.innermost) {
                    let place = format!("  innermost loop at line {}{}", l.line, inlined_from(unit, &version, l.line));
                    let text = match (l.obstacle, l.carried) {
                        (Some((reason, line)), _) => {
                            format!("{place}: [{}] {} (line {line})", reason.code(), reason.what())
                        }
                        (None, Some(line)) => {
                            let reason = Reason::LoopCarried;
                            let (code, what, help) = (reason.code(), reason.what(), reason.help());
                            format!("{place}: no guard or call inside, but [{code}] {what} (line {line}; {help})")
                        }
                        (None, None) => format!("{place}: no guard or call inside"),
                    };
                    // A loop may stand in the code several times: peeled, in strips, inlined.
                    if !self.versions[first..].contains(&text) {
                        self.versions.push(text);
                    }
                }
            });
            if let Some((reason, text)) = &*version.cell.refused.lock().expect("no panic while locked") {
                self.reasons.push(format!("[{}] {}: {text}", reason.code(), reason.what()));
            }
            for untyped in &version.lowered.untyped {
                let generic = version.unit(unit, untyped.function).code.generic();
                let line = generic.spans.get(untyped.pc.0 as usize).map_or(0, |span| span.line);
                let inside = match untyped.function {
                    0 => String::new(),
                    _ => format!(" in `{}`", generic.qualname),
                };
                let held = if untyped.holds { " (what it gives is held)" } else { "" };
                let subject = if untyped.what.is_empty() { String::new() } else { format!("{}: ", untyped.what) };
                let (code, why) = (untyped.reason.code(), untyped.reason.what());
                let text = format!("[{code}] line {line}{inside}: {subject}{why}{held}");
                if !self.reasons.contains(&text) {
                    self.reasons.push(text);
                }
            }
        }
    }
}

/// Ways out of compiled code into other code of the same function, or into tier 0 until there is some: part of normal work.
const HAND_OVERS: [Reason; 5] = [Reason::Return, Reason::Swap, Reason::HandOver, Reason::NoCode, Reason::Signal];

/// Where a version is entered, and with what types.
fn entry_text(unit: &EngineUnit, version: &EngineVersion) -> String {
    let generic = unit.code.generic();
    let is_call = version.entry.0 == 0;
    let mut types = Vec::new();
    for (slot, ty) in &version.slots {
        match generic.slots.get(slot.0 as usize).map_or("", |info| &info.name) {
            name if !is_call && !name.is_empty() => types.push(format!("{name}: {}", ty.describe())),
            _ if is_call => types.push(ty.describe()),
            _ => {}
        }
    }
    let types = types.join(", ");
    let line = generic.spans.get(version.entry.0 as usize).map_or(0, |span| span.line);
    if is_call { format!("call with ({types})") } else { format!("loop at line {line} with ({types})") }
}

/// Names the function that a line of a version's code belongs to, if that is another one and there is no doubt.
fn inlined_from(unit: &EngineUnit, version: &EngineVersion, line: u32) -> String {
    let has_line = |unit: &EngineUnit| unit.code.generic().spans.iter().any(|span| span.line == line);
    if has_line(unit) {
        return String::new();
    }
    let mut others = version.tables.functions.iter().filter(|other| has_line(other));
    match (others.next(), others.next()) {
        (Some(other), None) => format!(" of `{}`", other.qualname()),
        _ => String::new(),
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
