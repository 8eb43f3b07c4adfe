//! Defects that can be planted on purpose: does the fuzzer find them?
//!
//! One closed table. Where a defect belongs, the code asks [`planted`]; in an ordinary build the answer is the constant
//! `false`, and nothing is left of it. Built with the Cargo feature `planted`, the variable FLASHPOINT_PLANT arms one defect
//! by name for the process. `make fuzz-selftest` (`fuzz/selftest.py`) builds so, and hunts each of them.
//!
//! Each is a mistake that somebody could make: a check dropped, operands swapped, an end off by one, a fact kept too long.

macro_rules! defects {
    ($($name:ident: $what:literal;)*) => {
        /// A defect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Defect {
            $(#[doc = $what] $name,)*
        }

        impl Defect {
            /// Every defect.
            pub const ALL: &[Defect] = &[$(Defect::$name,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Defect::$name => stringify!($name),)* }
            }

            /// What goes wrong.
            pub fn what(self) -> &'static str {
                match self { $(Defect::$name => $what,)* }
            }
        }
    };
}

defects! {
    SumUnchecked: "the sum of two ints is not checked for overflow";
    ProductUnchecked: "products and differences of ints are not checked for overflow";
    MinimumByMinusOne: "the smallest int may be divided by -1";
    ShiftedOutBits: "a left shift does not look at the bits it loses";
    ShiftCountNotClamped: "a right shift by 64 or more shifts by the count's low bits";
    ExactFloatLimit: "ints up to 2^54 are taken for exact floats";
    FloatRemainderSign: "a float remainder does not take a negative divisor's sign";
    FractionalPowerOfNegative: "a negative float to a fractional power is NaN instead of complex";
    BoundsOffByOne: "the index just past the end is in bounds";
    IndexFarNegative: "an index below the first element is in bounds";
    FortranStrides: "the strides of a Fortran array come from the wrong extents";
    SliceStopNotClamped: "a slice may end beyond its axis";
    NegativeStepStart: "a slice with a negative step starts one past the end";
    RowViewStrides: "a row of a strided array keeps the strides of the leading axes";
    TupleEqualityAny: "tuples are equal if any of their items are";
    RangeStopWraps: "a range that ends near 2^63 is not left to tier 0";
    DownwardRangeInclusive: "a range with a negative step includes its stop";
    ZipFollowsFirst: "a zip goes on as long as its first iterator does";
    IteratorCopied: "a loop over an iterator in a variable does not advance the variable's";
    CellNotStored: "an exit does not store into the cells that existed at entry";
    EnumerateFromZero: "enumerate() forgets where it starts";
    MinOfEquals: "min() and max() give the last of several equal items";
    FloatToIntLimit: "2.0^63 is taken for an int of 64 bits";
    RoundHalfUp: "round() of a float takes halves up";
    AbsOfMinimum: "abs() of the smallest int stays negative";
    ComplexProductSign: "the real part of a complex product is a sum";
    UnsignedWidensSigned: "a uint32 is widened with its sign";
    UnsignedOverflowSigned: "overflow of unsigned NumPy integers is tested as if they were signed";
    StoreRangeOffByOne: "an int one too large fits a small NumPy type";
    NumpyShiftUnguarded: "NumPy shifts by the width or more are done by the machine";
    SnapshotBoolAsInt: "exits rebuild a bool as an int";
    SnapshotSlotsSwapped: "exits swap the first two slots of a frame";
    PollOmitsSlot: "the exit of a poll leaves out a live slot";
    StaleExit: "an operation's guards leave to an earlier operation";
    LivenessIgnoresHandlers: "what only an exception handler reads is dead";
    LivenessOneSweep: "what only a later iteration reads is dead";
    SubtractedConstantSign: "rule isub_const: `x - c` becomes `x + c`";
    PowerOfTwoShift: "rule sdiv_floor_power: shifts by one too many";
    SubtractedMinimum: "a checked subtraction of the minimum becomes an addition of it";
    FoldedRemainderSign: "constant folding gives a remainder the dividend's sign";
    GvnSubtractionCommutes: "value numbering takes `a - b` for `b - a`";
    GvnFactsLeak: "value numbering keeps what one branch decided for the other";
    RangeFactsLeak: "range analysis keeps facts beyond the blocks they hold in";
    RangeComparisonStrict: "range analysis takes `<=` for `<`";
    RangeSumUpperEnd: "range analysis takes the wrong upper end of a sum";
    FloorDivisionUnsigned: "floor division becomes unsigned although the dividend may be negative";
    LicmMovesDivision: "a division moves in front of the loop that guards it";
    LicmMovesLoads: "reads of arrays move in front of loops that write them";
    VersionLastIteration: "loop versioning takes the last but one iteration for the last";
    VersionNegativeIndex: "loop versioning takes every index for positive, untested";
    StripGrowth: "a sum is bounded for one iteration of a strip, not for all";
    StripAliasUntested: "a strip does not test whether its stores hit what it read";
    StripCheckMissesLast: "the check loop of a strip leaves out its last element";
    StripPollState: "the poll between strips resumes at the strip that is done";
    StripFixedLoad: "a strip is not cut short where a store hits a read that is done once";
    IfConvertGuardSide: "a converted guard is asked on the other side of its branch";
    StepSpecialised: "a loop with any positive step takes the version for a step of one";
    FloorAdjustsExact: "an exact quotient of different signs is rounded down as well";
    Int128ProductHigh: "a product of 128 bits is not checked for what its high halves add";
    CraneliftLessUnordered: "Cranelift: `<` holds for NaN";
    CraneliftNarrowToFloat: "Cranelift: an int8 or int16 becomes a float without its sign";
    CraneliftExitWords: "Cranelift: exits store the halves of 128 bits in the wrong order";
    LlvmShiftSigned: "LLVM: a logical right shift keeps the sign";
    LlvmGreaterUnordered: "LLVM: `>=` holds for NaN";
    LlvmReassociates: "LLVM: float arithmetic is always fast";
    LlvmInvariantLoads: "LLVM: array elements are taken never to change";
    LlvmSignedWidening: "LLVM: signed integers are widened without their sign";
    LoaderAddendLost: "the loader forgets the addend of references to constants";
    LinkTableReversed: "the link table names the callees in reverse";
    Int128HighWord: "exits lose the high half of 128 bits";
    ResumedRangeLength: "a range iterator resumes with one item too many unless its step divides its length";
    NarrowIntZeroExtended: "exits rebuild an int8 without its sign";
    ViewStridesReversed: "exits rebuild a view with its strides reversed";
    EnumerateResumesLate: "an enumerate object resumes with its count one too high";
    ComplexPartsSwapped: "exits swap the parts of a complex number";
    OsrTypesUnchecked: "on-stack replacement enters code made for other types";
    FirstArgumentUnchecked: "a call does not look at the type of its first argument";
    StaleGlobals: "code is entered although a global it relies on was bound anew";
    CallerLine: "an exception passes a call in tier 0 at an operation before it";
    CalleeResultUnchecked: "a caller takes a result of another type than promised";
    PowerOverflow: "an int power that does not fit is given back wrapped";
    TierZeroFloorMod: "tier 0: `%` of ints has the dividend's sign";
    TierZeroIntFloatOrder: "tier 0: ints are rounded before they are compared with floats";
    TierZeroTrueDivision: "tier 0: ints are rounded before they are divided";
    HandlerForgetsTarget: "an exception handler does not find what the call that raised would have overwritten";
    IteratorUnboxed: "an exit leaves an iterator in a variable that each loop over it copies";
    SliceBroadcastStride: "an axis of one element goes on through memory when it is assigned to a slice";
    SliceMoveDirection: "a slice that overlaps its source is copied from the wrong end";
    StepResultUnchecked: "the result of a step is taken for the type that was seen before";
    HeldCopyUncounted: "a held value that a second variable keeps is not counted";
    NestedDefaultsReversed: "a nested function's defaults are taken from the last to the first";
    StarArgsLoseLast: "`*args` loses its last argument";
    ArrayHeaderKept: "an array that Python code reshaped or made read-only is used as it was";
}

/// Whether this defect is armed.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn planted(_: Defect) -> bool {
    false
}

/// Whether this defect is armed.
#[cfg(feature = "planted")]
pub fn planted(defect: Defect) -> bool {
    use std::sync::OnceLock;
    static ARMED: OnceLock<Option<Defect>> = OnceLock::new();
    let armed = || {
        let name = std::env::var("FLASHPOINT_PLANT").ok()?;
        Defect::ALL.iter().copied().find(|defect| defect.name() == name)
    };
    *ARMED.get_or_init(armed) == Some(defect)
}

/// The defects that this build can arm.
pub fn plantable() -> &'static [Defect] {
    if cfg!(feature = "planted") { Defect::ALL } else { &[] }
}
