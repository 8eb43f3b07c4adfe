//! What is logged: `FLASHPOINT_LOG=compile,deopt,osr`.

use std::sync::atomic::{AtomicU32, Ordering};

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum Topic {
    Compile = 1,
    Deopt = 2,
    Osr = 4,
}

/// Writes one line to standard error, by one write: lines of several threads do not mix.
pub fn log(topic: &str, text: std::fmt::Arguments<'_>) {
    let line = format!("flashpoint: {topic}: {text}\n");
    // Nobody reads it: nothing to be done about that here.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

static ENABLED: AtomicU32 = AtomicU32::new(0);

/// Whether events of this kind are written to standard error.
#[inline]
pub fn enabled(topic: Topic) -> bool {
    ENABLED.load(Ordering::Relaxed) & topic as u32 != 0
}

/// Chooses the kinds to log, by their names separated by commas; `all` for all.
///
/// # Errors
/// The name that is not known.
pub fn set(topics: &str) -> Result<(), String> {
    let mut bits = 0;
    for topic in topics.split(',').map(str::trim).filter(|topic| !topic.is_empty()) {
        bits |= match topic {
            "compile" => Topic::Compile as u32,
            "deopt" => Topic::Deopt as u32,
            "osr" => Topic::Osr as u32,
            "all" => 7,
            _ => return Err(topic.to_owned()),
        };
    }
    ENABLED.store(bits, Ordering::Relaxed);
    Ok(())
}
