//! Settings of the process: the forced tier and the stress switches. Python's `flashpoint.config` reads and sets them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI8, AtomicU32, Ordering};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::typed::engine;

static TIER: AtomicI8 = AtomicI8::new(-1);
static N_INTERPRETING: AtomicU32 = AtomicU32::new(0);
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What can be logged.
const TOPICS: [&str; 3] = ["compile", "deopt", "osr"];

/// Tells the engine which tier is forced now.
fn apply_tier() {
    let interpreting = N_INTERPRETING.load(Ordering::Relaxed) > 0;
    let tier = if interpreting { Some(0) } else { u8::try_from(TIER.load(Ordering::Relaxed)).ok() };
    engine().policy.force_tier(tier);
}

/// A tier as users write it: `None`, 0, 1 or 2.
pub fn parse_tier(tier: &Bound<'_, PyAny>) -> PyResult<Option<u8>> {
    match tier.extract::<Option<u8>>() {
        Ok(number @ (None | Some(0..=2))) if !tier.is_instance_of::<PyBool>() => Ok(number),
        _ => Err(PyValueError::new_err(format!("tier must be None, 0, 1 or 2, not {}", tier.repr()?))),
    }
}

/// Python's side of the settings, as functions of the extension module.
#[pymodule]
pub mod settings {
    use super::*;

    #[pyfunction]
    fn get_tier() -> Option<u8> {
        u8::try_from(TIER.load(Ordering::Relaxed)).ok()
    }

    #[pyfunction]
    fn set_tier(tier: &Bound<'_, PyAny>) -> PyResult<()> {
        let tier = parse_tier(tier)?;
        TIER.store(tier.map_or(-1, |tier| tier as i8), Ordering::Relaxed);
        apply_tier();
        Ok(())
    }

    #[pyfunction]
    fn get_stress() -> String {
        let policy = &engine().policy;
        let switches =
            [("deopt", policy.deopt_every()), ("osr", policy.osr_every()), ("quick", u32::from(policy.quick_emit()))];
        let on = switches.iter().filter(|(_, every)| *every > 0).map(|(name, every)| format!("{name}:{every}"));
        on.collect::<Vec<_>>().join(",")
    }

    /// Sets switches from a text such as `deopt:3,osr:1` or `quick:1`; the empty text switches them off.
    #[pyfunction]
    fn set_stress(text: &str) -> PyResult<()> {
        engine().policy.set_stress(text).map_err(|wrong| {
            PyValueError::new_err(format!("stress must be like 'deopt:N,osr:N,quick:1', not {wrong:?}"))
        })
    }

    #[pyfunction]
    fn get_log() -> String {
        LOG.lock().map_or_else(|_| String::new(), |topics| topics.join(","))
    }

    /// Sets what is logged, a list with commas.
    #[pyfunction]
    fn set_log(text: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(text) = text.extract::<String>() else {
            return Err(PyTypeError::new_err(format!(
                "log must be a text such as 'compile,deopt', not {}",
                text.repr()?
            )));
        };
        let topics: Vec<_> = text.split(',').map(str::trim).filter(|topic| !topic.is_empty()).collect();
        if let Some(wrong) = topics.iter().find(|topic| **topic != "all" && !TOPICS.contains(topic)) {
            let topics = TOPICS.join(", ");
            return Err(PyValueError::new_err(format!("log must list some of {topics}, or be 'all', not {wrong:?}")));
        }
        let set = flashpoint_engine::events::set(&topics.join(","));
        if let (Ok(()), Ok(mut log)) = (set, LOG.lock()) {
            *log = topics.into_iter().map(str::to_owned).collect();
        }
        Ok(())
    }

    /// Begins (`True`) or ends (`False`) a stretch in which everything runs in tier 0.
    #[pyfunction]
    fn interpret(begin: bool) {
        if begin {
            N_INTERPRETING.fetch_add(1, Ordering::Relaxed);
        } else {
            N_INTERPRETING.fetch_sub(1, Ordering::Relaxed);
        }
        apply_tier();
    }
}
