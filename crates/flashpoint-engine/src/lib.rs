//! Tier 0, code units, tier policy, transitions and reclamation.

pub mod host;
pub mod tier0;
