//! Requests that wait for a compile thread.
//!
//! The next one is the hottest: the code whose loops have polled most since it was made, since a thread sits in them now.
//! Among equals it is the newest, because what was asked for last is what the program does now. Requests whose code nobody
//! would enter any more are dropped, at the latest when they are reached.

use crate::compile::Job;

/// Requests at which those nobody wants are looked for.
const SWEEP_AT: usize = 64;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The newest last.
    jobs: Vec<Job>,
    sweep_at: usize,
}

impl Default for Queue {
    fn default() -> Queue {
        Queue { jobs: Vec::new(), sweep_at: SWEEP_AT }
    }
}

impl Queue {
    pub fn push(&mut self, job: Job) {
        if self.jobs.len() >= self.sweep_at {
            self.jobs.retain(Job::is_wanted);
            self.sweep_at = SWEEP_AT.max(2 * self.jobs.len());
        }
        self.jobs.push(job);
    }

    /// Takes the next request that somebody wants.
    pub fn pop(&mut self) -> Option<Job> {
        loop {
            // Of several, `max_by_key` gives the last.
            let (at, _) = self.jobs.iter().enumerate().max_by_key(|(_, job)| job.cell.heat())?;
            let job = self.jobs.remove(at);
            if job.is_wanted() {
                return Some(job);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    pub fn clear(&mut self) {
        self.jobs.clear();
    }
}
