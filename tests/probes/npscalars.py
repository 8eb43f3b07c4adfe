"""NumPy scalars: NEP 50 promotion, wrapping with RuntimeWarning, division by zero, scalar functions, errstate."""

# Tables of arguments read best with few lines.
# fmt: off

import warnings

import numpy as np

from harness import probe, scenario

I8, I16, I32, I64 = np.int8, np.int16, np.int32, np.int64
U8, U16, U32, U64 = np.uint8, np.uint16, np.uint32, np.uint64
F16, F32, F64, C64, C128 = np.float16, np.float32, np.float64, np.complex64, np.complex128
INTS = [I8, I16, I32, I64, U8, U16, U32, U64]
EVERY = [*INTS, F16, F32, F64, C64, C128]
EXTREMES = [(t(np.iinfo(t).max), t(1)) for t in INTS] + [(t(np.iinfo(t).min), t(1)) for t in INTS]
SAME_TYPE = [(t(7), t(2)) for t in EVERY] + EXTREMES
MIXED_TYPES = [(a(3), b(2)) for a in EVERY for b in EVERY]


@probe(*SAME_TYPE)
def same_type_arithmetic(a, b):
    return a + b, a - b, a * b


@probe(
    (I8(100), I8(100)), (U8(200), U8(100)), (I64(2**62), I64(2**62)), (I32(-(2**31)), I32(-1)),
    (U64(2**63), U64(2**63)), (I16(300), I16(300)),
)
def wraps_and_warns(a, b):
    return a + b, a * b


@probe((U8(5), U8(10)), (U64(5), U64(10)), (I8(-128), I8(1)))
def unsigned_subtraction_wraps(a, b):
    return a - b


@probe(*MIXED_TYPES)
def promotion_between_types(a, b):
    return a + b, a * b, a - b if a > b else b - a


@probe(*[(t(3),) for t in EVERY])
def promotion_with_python_numbers(a):
    return a + 1, 1 + a, a * 2, a + True, a * 1.5, 2.5 - a, a + 1j


@probe(
    (I8(1), 128), (U8(1), -1), (U8(1), 256), (I64(1), 2**63), (U64(1), -1), (I32(1), 2**40), (U64(5), 10),
    raises=OverflowError,
)
def python_int_out_of_bounds(a, b):
    return a + b


@probe((U64(5), 10), (U32(5), 10), (U8(0), 1))
def unsigned_minus_python_int(a, b):
    return a - b


@probe((F32(0.1), 3), (F32(0.1), 1.0), (F16(0.1), 2), (F32(1e38), 10), (F32(0.1), 1e300), (F16(65504), 2.0))
def small_floats_stay_small(a, b):
    return a * b, b * a, a + b


@probe((I8(-8), 3), (U8(7), 2), (I64(-7), I64(2)), (F32(7), 2), (I16(7), U16(3)), (I64(7), U64(2)), (I8(7), 2.0))
def division(a, b):
    return a / b, a // b, a % b, divmod(a, b)


@probe(*[(t(5), t(0)) for t in EVERY[:-2]], (I64(0), 0), (F64(0.0), F64(0.0)), (F64(-1.0), 0), (I64(-1), I64(0)))
def division_by_zero_warns(a, b):
    return a // b, a % b


@probe((I64(1), 0), (F32(1), 0.0), (F64(0), 0), (1.0, F64(0)), (1, I64(0)), (C128(1), 0), (F64(-1), F64(0.0)))
def true_division_by_zero_warns(a, b):
    return a / b


@probe((I8(-128), I8(-1)), (I64(-(2**63)), I64(-1)), (I32(-(2**31)), -1))
def smallest_divided_by_minus_one(a, b):
    return a // b, a % b


@probe(*[(t(np.iinfo(t).min),) for t in INTS], *[(t(2),) for t in INTS], (F32(-0.0),), (C64(-1j),))
def negate_and_absolute(a):
    return -a, abs(a), +a


@probe(
    *[(t(5), t(3)) for t in INTS], (I8(-1), U8(1)), (I64(-1), 5), (np.bool_(True), np.bool_(False)),
    (np.bool_(True), 1),
)
def bitwise(a, b):
    return a & b, a | b, a ^ b, ~a


@probe(
    (I8(1), 7), (I8(1), I8(8)), (I64(1), I64(64)), (U8(255), 1), (I64(-1), I64(100)), (I32(5), I32(-1)),
    (U64(1), U64(63)),
)
def shifts(a, n):
    return a << n, a >> n


@probe(
    (I8(2), I8(7)), (I64(2), 63), (I64(3), 50), (F32(2), 0.5), (U8(2), 8), (F64(10), 400), (F64(0), -1),
    (F64(-8), 1 / 3), (U8(200), 2.5), (I32(2**31 - 1), F32(2.5)), (I32(7), F16(1.5)), (F32(3.3), F64(2.2)),
    (2.5, I16(7)), (F64(2.2), I64(7)), (3, F32(2.7)), (I64(7), C128(2 + 1j)), (C64(1 + 2j), F64(3.3)),
)
def power(a, b):
    return a**b


@probe((I64(2), I64(-1)), (I8(2), -1), raises=ValueError)
def integer_to_a_negative_power(a, b):
    return a**b


@probe(
    *[(t(3), t(4)) for t in EVERY[:-2]], (I8(-1), U64(1)), (U8(5), -1), (I64(2**53 + 1), 2.0**53),
    (U64(2**63), I64(-1)), (F32(0.1), 0.1), (U8(5), 300), (I8(1), True),
)
def compare(a, b):
    return a < b, a <= b, a == b, a != b, a > b, a >= b


@probe(
    (np.bool_(True), np.bool_(True)), (np.bool_(True), np.bool_(False)), (np.bool_(True), True),
    (np.bool_(False), 2),
)
def numpy_bool_arithmetic(a, b):
    return a + b, a * b, a == b, not a, a and b, 1 if a else 0


@probe((np.bool_(True), np.bool_(False)), raises=TypeError)
def numpy_bool_subtract(a, b):
    return a - b


@probe(*[(t(3),) for t in EVERY[:-2]], (np.bool_(True),), (F64(2.7),), (U64(2**64 - 1),))
def to_python(a):
    return int(a), float(a), bool(a), complex(a), a.item()


@probe((F64("nan"),), (F32("inf"),), raises=(ValueError, OverflowError))
def int_of_special(a):
    return int(a)


@probe((3,), (2.5,), (True,), (-1.7,))
def construct(x):
    return np.int64(x), np.float32(x), np.float64(x), np.complex128(x), np.bool_(x), np.int8(x)


@probe((300,), (-129,), (2**64,), raises=OverflowError)
def construct_out_of_bounds(x):
    return np.int8(x)


@probe((F64(2.5),), (F32(3.5),), (I64(7),), (F64(-0.5),), (F16(1.5),))
def round_and_format(a):
    return round(a), round(a, 1), a.dtype, a.real, a.imag, a.ndim, a.size, a.shape


@probe((F64(3.0),), (F64(3.5),), (F32(2.0),))
def is_integer(a):
    return a.is_integer()


@probe((I64(5), I64(3)), (F32(5), F32(3)), (I8(1), 1.0), (F64("nan"), 1.0))
def min_max(a, b):
    return min(a, b), max(a, b)


@probe(
    (np.arange(5, dtype=I8),), (np.full(4, 100, I8),), (np.full(4, 0.1, F32),), (np.full(3, 2**62),),
    (np.array([250, 5, 1], U8),),
)
def accumulate_elements(a):
    total = a[0]
    for i in range(1, len(a)):
        total += a[i]
    return total


@probe((np.arange(5, dtype=I8),), (np.full(4, 100, I8),), (np.full(40, 2**62),), (np.array([1.5, 2.5]),))
def accumulate_into_python_int(a):
    total = 0
    for i in range(len(a)):
        total += int(a[i])
    return total


@probe((np.full(4, 100, I8),), (np.full(4, 0.1, F32),), (np.full(3, 2**62),), (np.array([], I8),))
def accumulate_from_python_zero(a):
    total = 0
    for x in a:
        total += x
    return total


@probe(
    (np.full(300, 2**61), np.full(300, 3)), (np.arange(300), np.arange(300)),
    (np.full(9, 100, I8), np.full(9, 2, I8)),
)
def elementwise_multiply_warns(a, b):
    c = np.empty_like(a)
    for i in range(len(a)):
        c[i] = a[i] * b[i]
    return c


@probe(
    (np.array([1.0, 0.0, -1.0]), np.array([0.0, 0.0, 0.0])), (np.array([1e308]), np.array([1e-308])),
    (np.array([1e-308]), np.array([1e300])),
)
def elementwise_float_conditions_warn(a, b):
    out = np.zeros(len(a))
    for i in range(len(a)):
        out[i] = a[i] / b[i]
    return out


@probe((F64(1e308), F64(1e308)), (F32(3e38), F32(3e38)), (F64("inf"), F64("-inf")), (F64(1e-308), F64(1e-10)))
def float_overflow_and_invalid_warn(a, b):
    return a + b, a * b, a - b


@scenario((I8(100),), (F64(1e308),), (I64(2**63 - 1),))
def no_warning_under_errstate_ignore(njit, a):
    @njit
    def add(a, n):
        for _ in range(n):
            a = a + a
        return a

    with np.errstate(all="ignore"):
        quiet = add(a, 3)
    return quiet, add(a, 3)


@scenario((I8(100),), (F64(1e308),), raises=FloatingPointError)
def errstate_raise_around_the_call(njit, a):
    @njit
    def add(a):
        b = a * 0
        return b + a + a

    with np.errstate(all="raise"):
        return add(a)


@scenario((I8(100),), raises=RuntimeWarning)
def warnings_turned_into_errors(njit, a):
    @njit
    def add(a):
        b = a - 1
        return b + a

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return add(a)


@probe((I8(100), I8(100)), (F64(1), F64(0)), (I64(1), I64(0)), needs_fallback=True)
def errstate_ignore_inside(a, b):
    with np.errstate(all="ignore"):
        return a + b, a / b


@probe((F64(1), F64(0)), (F64(1e308), F64(1e308)), (I8(100), I8(100)), needs_fallback=True, raises=FloatingPointError)
def errstate_raise_inside(a, b):
    with np.errstate(all="raise"):
        return a * b / b


UNARY = [(x,) for x in (0.0, -0.0, 0.5, -1.0, 2.0, 1000.0, float("inf"), float("nan"), 3, F32(0.5), I8(2), True)]


@probe(*UNARY)
def np_sqrt(x):
    return np.sqrt(x)


@probe(*UNARY)
def np_log_family(x):
    return np.log(x), np.log2(x), np.log10(x), np.log1p(x)


@probe(*UNARY)
def np_exp_family(x):
    return np.exp(x), np.exp2(x), np.expm1(x)


@probe(*UNARY)
def np_trigonometry(x):
    return np.sin(x), np.cos(x), np.tan(x), np.arctan(x), np.arcsin(x), np.tanh(x)


@probe(*UNARY[:-1])
def np_rounding(x):
    return np.floor(x), np.ceil(x), np.trunc(x), np.rint(x), np.abs(x), np.sign(x), np.square(x)


@probe(*UNARY)
def np_classify(x):
    return np.isnan(x), np.isinf(x), np.isfinite(x)


@probe((1, 2), (1.5, 2), (F32(1), 2.0), (I8(100), I8(100)), (float("nan"), 1.0), (0.0, -0.0), (I64(-3), U8(2)))
def np_two_argument_functions(a, b):
    return np.add(a, b), np.multiply(a, b), np.minimum(a, b), np.maximum(a, b), np.hypot(a, b), np.arctan2(a, b), np.copysign(a, b)


@probe((7, 3), (-7, 3), (7.5, -2.0), (7, 0), (1.0, 0.0), (I8(-8), I8(3)))
def np_division_functions(a, b):
    return np.divide(a, b), np.floor_divide(a, b), np.remainder(a, b), np.fmod(a, b)


@probe((2, 3), (2.0, -1), (F32(2), 0.5), (10.0, 400.0))
def np_power(a, b):
    return np.power(a, b)


@probe(())
def np_constants():
    return np.pi, np.e, np.inf, np.nan, np.euler_gamma, np.iinfo(np.int32).max, np.finfo(np.float64).eps


@probe((F64(1.5), 2), (2, F64(1.5)), (1.5, F32(2)), (1, F64(2)))
def which_type_wins(a, b):
    return type(a + b) is np.float64, isinstance(a + b, float), a + b


@probe(
    (np.arange(4, dtype=F32), 0.1), (np.arange(4, dtype=F16), 0.1), (np.arange(4, dtype=I32), 2),
    (np.arange(4, dtype=U8), 100),
)
def axpy_in_small_types(a, k):
    out = np.zeros_like(a)
    for i in range(len(a)):
        out[i] = a[i] * k + a[i]
    return out


@probe((np.arange(4, dtype=U8),), (np.arange(4, dtype=I64),))
def numpy_integer_as_range_bound_and_index(a):
    out = 0
    for i in range(a[3]):
        out += a[i] * (i + 1)
    return out, type(out) is int


@probe((np.full(300, 1e200),), (np.arange(300.0),), (np.full(300, np.inf),), (np.array([1.0, np.nan, 2.0] * 100),))
def products_in_a_loop_warn(a):
    last = a[0]
    for _ in range(40):
        for i in range(len(a)):
            last = a[i] * a[i]
    return last


@probe((np.full(300, 1e200),), (np.arange(300.0),))
def loop_names_the_operation_that_overflows(a):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * a[i]
    return total


@probe((np.array([1.0, np.nan, -2.0] * 100),))
def comparing_nan_in_a_loop_is_quiet(a):
    out = np.zeros(len(a))
    for i in range(len(a)):
        out[i] = a[i] * 2 if a[i] > 0 else a[i] * 3
    return out


@probe((0.0, np.float64(np.inf)), (4.0, np.float64(2.0)), (-1.0, np.float64(3.0)))
def guards_on_both_sides_of_a_branch(x, y):
    return np.sqrt(x) if x else 1 * y
