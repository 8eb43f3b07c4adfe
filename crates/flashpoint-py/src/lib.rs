//! The CPython extension module.
