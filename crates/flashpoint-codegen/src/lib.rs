//! Back ends: Cranelift, and the loader of executable code.
