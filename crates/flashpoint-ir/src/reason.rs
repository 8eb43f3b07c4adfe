//! Why something happened: one closed table feeds exceptions, logs, `explain()` and the documentation.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$meta:meta])* $name:ident = $number:literal, $code:literal, $what:literal, help: $help:literal;)*) => {
        /// A reason. Numbers are part of the IR's bytes and of profiles: never reuse one (309, 310, 403 and 405 are used up).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[repr(u16)]
        pub enum Reason {
            $(#[doc = $what] $(#[$meta])* $name = $number,)*
        }

        impl Reason {
            /// Every reason, in the order of their numbers.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// The stable code, e.g. `FP201`.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)* }
            }

            /// The identifier used in IR text and logs.
            pub fn name(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)* }
            }

            /// What happened, in one sentence.
            pub fn what(self) -> &'static str {
                match self { $(Reason::$name => $what,)* }
            }

            /// What the user can do about it, or what the engine did.
            pub fn help(self) -> &'static str {
                match self { $(Reason::$name => $help,)* }
            }
        }
    };
}

reasons! {
    // 1xx: leaving compiled code by design.
    Return = 100, "FP100", "the function returned a value that does not travel in a register", help: "nothing to do";
    Swap = 101, "FP101", "the poll handed the loop to better code", help: "nothing to do";
    Signal = 102, "FP102", "a signal or another thread asked for attention", help: "nothing to do";
    Stress = 103, "FP103", "a stress switch forced the exit", help: "unset FLASHPOINT_STRESS";
    Raise = 104, "FP104", "the code raises an exception here", help: "nothing to do";
    Untyped = 105, "FP105", "the operation has no typed form", help: "it runs in tier 0, with Python's own meaning";
    NoCode = 106, "FP106", "the called function has no machine code yet", help: "nothing to do";
    HandOver = 107, "FP107", "the loop around the one that was entered goes on in code of its own", help: "nothing to do";

    // 2xx: guards.
    IntOverflow = 200, "FP200", "an integer no longer fits the type it had so far", help: "the code is widened; use a float if rounding is acceptable";
    DivisionByZero = 201, "FP201", "a divisor is zero", help: "raised as Python's ZeroDivisionError, or warned about as NumPy does";
    IndexOutOfBounds = 202, "FP202", "an index is out of range", help: "raised as Python's IndexError";
    ShiftOutOfRange = 203, "FP203", "a shift count is negative, or bits are lost", help: "the operation is done exactly, or raises ValueError";
    NegativeExponent = 204, "FP204", "an integer is raised to a negative power", help: "the result is a float";
    MathDomain = 205, "FP205", "a function of `math` left its domain or its range", help: "raised as Python's ValueError or OverflowError";
    FloatToInt = 206, "FP206", "a float does not fit an integer", help: "done exactly by tier 0, or raised";
    InexactCompare = 207, "FP207", "an integer is too large to compare with a float in floating point", help: "compared exactly by tier 0";
    TypeChanged = 208, "FP208", "a value has another type than before", help: "a version for the new type is compiled when it is hot";
    GlobalChanged = 209, "FP209", "a global name or closure cell was bound to something else", help: "pass what changes as an argument";
    UnboundLocal = 210, "FP210", "a local variable may be unbound here", help: "raised as Python's UnboundLocalError";
    ReadOnly = 211, "FP211", "the array cannot be written", help: "raised as Python's ValueError";
    NumpyWarning = 212, "FP212", "NumPy warns about this operation", help: "the warning is given by tier 0";
    StoreOutOfRange = 213, "FP213", "a value does not fit the array's element type", help: "raised or converted as NumPy does";
    CalleeResult = 214, "FP214", "a called function gave a result of another type", help: "a version for the new type is compiled when it is hot";
    BadRange = 215, "FP215", "range() got a step of zero or too many values", help: "done by tier 0";
    ShapeMismatch = 216, "FP216", "lengths do not agree", help: "raised as Python does";
    InexactDivision = 217, "FP217", "integers are too large to divide in floating point", help: "divided exactly by tier 0";
    OutOfMemory = 218, "FP218", "an array could not be allocated", help: "raised as Python's MemoryError";
    NonFinite = 219, "FP219", "a float result is infinite or not a number", help: "the code is made again with tests for what NumPy warns of";

    // 3xx: why code is not better than it is.
    NoTypedForm = 300, "FP300", "the operation has no typed form, and works on objects", help: "rewrite it, or let the interpreter run it: `@njit(fallback=True)`";
    TooManyVersions = 301, "FP301", "a variable takes too many types in one loop", help: "convert once, before the loop";
    TooManyDeopts = 302, "FP302", "a guard failed too often", help: "see which one in `explain()`";
    TooLarge = 303, "FP303", "the function is larger than the compiler's budget", help: "split it";
    CompilerFailed = 304, "FP304", "a compiler gave up on the function", help: "it stays on its lower tier; please report it";
    NoTier2 = 305, "FP305", "tier 2 is not part of this build", help: "install LLVM 22 and build again";
    LoopHasGuard = 306, "FP306", "a guard inside the loop could not be hoisted", help: "see the expression it protects";
    LoopHasCall = 307, "FP307", "a call inside the loop keeps it from being vectorised", help: "nothing to do";
    LoopCarried = 308, "FP308", "each iteration depends on the one before", help: "`fastmath=True` allows sums to be reassociated";
    MostlySteps = 311, "FP311", "most of what the loop does has no typed form", help: "it runs in tier 0, which is as fast there";

    // 4xx: why CPython runs the function.
    NoSource = 400, "FP400", "no source code was found", help: "define the function in a file, or register its source with linecache";
    SourceChanged = 401, "FP401", "the source no longer matches the function's code", help: "reload the module";
    Generator = 402, "FP402", "generators and coroutines are run by CPython", help: "return the values in a list";
    NestedClass = 404, "FP404", "a function with a nested class is run by CPython", help: "move the class out of the function";
    OwnFrame = 406, "FP406", "the function looks at its own frame, which only CPython can give it", help: "pass what it needs as arguments";
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name())
    }
}
