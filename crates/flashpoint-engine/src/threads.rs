//! The priority of the compile thread, and the ticker that makes running loops look up.
#![allow(unsafe_code, reason = "scheduling is set through the C library")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::policy::Policy;

/// How often threads inside compiled code are asked to poll: as often as CPython switches threads.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Compile threads that may run at once: one core is the program's own.
pub(crate) fn budget() -> usize {
    n_cores().saturating_sub(1).max(1)
}

fn n_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Lets the calling thread run only where nothing else would. Failing that, nothing changes.
pub fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let policy = if n_cores() == 1 { libc::SCHED_IDLE } else { libc::SCHED_BATCH };
        let param = libc::sched_param { sched_priority: 0 };
        // SAFETY: a system call on the calling thread with a valid argument.
        unsafe { libc::sched_setscheduler(0, policy, &raw const param) };
    }
}

/// Whether the ticker runs. A child of a fork has none: [`forget_ticker`].
static TICKING: AtomicBool = AtomicBool::new(false);

/// Starts the ticker if it does not run. It ends by itself when no thread has been inside compiled code for a while.
#[inline]
pub(crate) fn ensure_ticker(policy: &Policy) {
    if !TICKING.load(Ordering::Relaxed) && policy.ticks() {
        start_ticker();
    }
}

/// In the child of a fork: the ticker stayed in the parent.
pub fn forget_ticker() {
    TICKING.store(false, Ordering::Release);
}

#[cold]
fn start_ticker() {
    if TICKING.swap(true, Ordering::AcqRel) {
        return;
    }
    let spawned = std::thread::Builder::new().name("flashpoint-ticker".into()).stack_size(64 << 10).spawn(|| {
        let mut quiet = 0;
        while quiet < 40 {
            std::thread::sleep(TICK);
            if crate::context::somebody_inside() {
                quiet = 0;
                crate::context::request_poll();
            } else {
                quiet += 1;
            }
        }
        TICKING.store(false, Ordering::Release);
    });
    if spawned.is_err() {
        TICKING.store(false, Ordering::Release);
    }
}
