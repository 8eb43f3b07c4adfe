//! Tier 2: LLVM, as a dynamic library of its own.
