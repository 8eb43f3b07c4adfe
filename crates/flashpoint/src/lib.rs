//! Flashpoint for Rust users.
//!
//! The parts are re-exported under short names: [`ir`] (the generic and the typed form, their text, verifier and reference
//! evaluator) and [`engine`] (tier 0 and the `Host` trait, with a host in plain Rust). A function in generic form runs
//! without any Python, with Python's meaning: its integers do not overflow.
//!
//! ```
//! use std::sync::Arc;
//!
//! use flashpoint::engine::rust_host::RustHost;
//! use flashpoint::ir::{slot::Slot, text};
//!
//! let source = r#"
//! generic "square_often" qualname "square_often" file "example.py" line 1 {
//!     params positional_only 0 positional 2 keyword_only 0
//!     slots {
//!         s0: param "x"
//!         s1: param "times"
//!         s2: temp
//!         s3: temp
//!     }
//!     consts {
//!         c0 = int 0
//!         c1 = int 1
//!     }
//!     ops {
//!     L0:
//!         s2 = const c0
//!         s3 = compare gt, s1, s2
//!         branch s3, L3, L7
//!     L3:
//!         s0 = binary mul, s0, s0
//!         s2 = const c1
//!         s1 = binary sub, s1, s2
//!         jump L0
//!     L7:
//!         return s0
//!     }
//! }
//! "#;
//! let function = text::parse_generic(source)?;
//! let mut host = RustHost::new();
//! let function = host.function(Arc::new(function))?;
//! let result = host.call_function(&function, &[Slot::int(3), Slot::int(6)]).expect("raises nothing");
//! // 3 to the power of 64 needs 102 bits.
//! assert_eq!(result, Slot::int128(3i128.pow(64)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use flashpoint_engine as engine;
pub use flashpoint_ir as ir;
