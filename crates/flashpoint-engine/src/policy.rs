//! When code moves between tiers, and the switches that override it.
//!
//! Everything is a plain value, read at each decision, so that a test scripts every transition.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI8, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Process-wide switches. Defaults may be changed by the environment and by `flashpoint.config`.
#[derive(Debug)]
pub struct Policy {
    forced_tier: AtomicI8,
    deopt_every: AtomicU32,
    osr_every: AtomicU32,
    quick_emit: AtomicU32,
    calls_before_tier1: AtomicU32,
    trips_before_tier1: AtomicU32,
    background: AtomicU8,
    ticking: AtomicU8,
    /// Where the time comes from.
    pub clock: Clock,
    /// Counts changes of the tier forced and of the stress switches.
    generation: AtomicU32,
}

/// The time since some moment, or what a test says it is.
#[derive(Debug)]
pub struct Clock {
    /// Nanoseconds; [`Clock::RUNNING`] for the real time.
    stopped_at: AtomicU64,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { stopped_at: AtomicU64::new(Clock::RUNNING) }
    }
}

impl Clock {
    const RUNNING: u64 = u64::MAX;

    /// What the clock says.
    pub fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self.stopped_at.load(Ordering::Relaxed) {
            Clock::RUNNING => START.get_or_init(Instant::now).elapsed(),
            nanos => Duration::from_nanos(nanos),
        }
    }

    /// Stops the clock at a time.
    pub fn stop_at(&self, time: Duration) {
        self.stopped_at.store(time.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            forced_tier: AtomicI8::new(-1),
            deopt_every: AtomicU32::new(0),
            osr_every: AtomicU32::new(0),
            quick_emit: AtomicU32::new(0),
            calls_before_tier1: AtomicU32::new(60),
            trips_before_tier1: AtomicU32::new(400),
            background: AtomicU8::new(1),
            ticking: AtomicU8::new(1),
            clock: Clock::default(),
            generation: AtomicU32::new(0),
        }
    }
}

impl Policy {
    /// The tier that everything runs on, if one is forced.
    #[inline]
    pub fn forced_tier(&self) -> Option<u8> {
        u8::try_from(self.forced_tier.load(Ordering::Relaxed)).ok()
    }

    /// Forces a tier (0, 1 or 2), or lifts that. Compiles are then made at once, on the caller's thread.
    pub fn force_tier(&self, tier: Option<u8>) {
        self.forced_tier.store(tier.map_or(-1, |tier| tier as i8), Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that changes with the tier forced and the stress switches, so that what was decided under them is decided
    /// again.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Every how many guards one fails on purpose; 0 for never.
    pub fn deopt_every(&self) -> u32 {
        self.deopt_every.load(Ordering::Relaxed)
    }

    /// Every how many back edges code is left and entered on purpose; 0 for never.
    pub fn osr_every(&self) -> u32 {
        self.osr_every.load(Ordering::Relaxed)
    }

    /// Whether LLVM's code generator leaves machine code as it comes. Its optimisation is most of what tier 2 costs, and
    /// tests that force exits and entries are about other things.
    pub fn quick_emit(&self) -> bool {
        self.quick_emit.load(Ordering::Relaxed) != 0
    }

    /// Sets the stress switches from `deopt:N,osr:N,quick:1`; an empty text switches them off.
    ///
    /// # Errors
    /// The part that is not understood.
    pub fn set_stress(&self, text: &str) -> Result<(), String> {
        let (mut deopt, mut osr, mut quick) = (0, 0, 0);
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, count) = part.split_once(':').ok_or_else(|| part.to_owned())?;
            let count: u32 = count.trim().parse().map_err(|_| part.to_owned())?;
            match name.trim() {
                "deopt" => deopt = count,
                "osr" => osr = count,
                "quick" => quick = count,
                _ => return Err(part.to_owned()),
            }
        }
        self.deopt_every.store(deopt, Ordering::Relaxed);
        self.osr_every.store(osr, Ordering::Relaxed);
        self.quick_emit.store(quick, Ordering::Relaxed);
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Calls of a function with one signature before it is compiled for tier 1.
    pub fn calls_before_tier1(&self) -> u32 {
        if self.forced_tier().is_some() { 0 } else { self.calls_before_tier1.load(Ordering::Relaxed) }
    }

    /// Back edges of a loop in tier 0 before it is compiled for tier 1.
    pub fn trips_before_tier1(&self) -> u32 {
        match self.osr_every() {
            0 if self.forced_tier().is_some_and(|tier| tier > 0) => 1,
            0 => self.trips_before_tier1.load(Ordering::Relaxed),
            every => every,
        }
    }

    /// Sets the thresholds for tier 1: calls, and back edges.
    pub fn set_thresholds(&self, calls: u32, trips: u32) {
        self.calls_before_tier1.store(calls, Ordering::Relaxed);
        self.trips_before_tier1.store(trips.max(1), Ordering::Relaxed);
    }

    /// Whether running loops are asked to poll every few milliseconds. If not, they poll when a test asks them to.
    pub fn ticks(&self) -> bool {
        self.ticking.load(Ordering::Relaxed) != 0
    }

    /// Switches the ticker on or off, for entries from now on.
    pub fn set_ticking(&self, on: bool) {
        self.ticking.store(u8::from(on), Ordering::Relaxed);
    }

    /// Whether tier 2 compiles on a thread of its own. If not, queued compiles wait until a test steps them.
    pub fn background(&self) -> bool {
        self.background.load(Ordering::Relaxed) != 0
    }

    /// Switches the compile thread on or off.
    pub fn set_background(&self, on: bool) {
        self.background.store(u8::from(on), Ordering::Relaxed);
    }
}
