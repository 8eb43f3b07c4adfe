//! Tier 2: LLVM, as a dynamic library of its own. (Tier 2; under construction by the LLVM engineer, who also writes
//! `flashpoint-codegen/src/llvm.rs`.)
