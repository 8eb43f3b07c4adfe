"""Operators and well-known functions on NumPy scalars in tier 0, which computes the common ones by itself: every pair of edge values and types gives
NumPy's value, type and warnings."""

import math
import operator
import warnings

import numpy as np
import pytest

import flashpoint

INT64_MAX = 2**63 - 1
VALUES = [
    *(np.float64(x) for x in (0.0, -0.0, 1.5, -3.0, 1e308, 2.2250738585072014e-308, 5e-324, np.inf, np.nan)),
    *(np.float32(x) for x in (0.0, -2.5, 0.1, 3e38, 1.17549435e-38, 1e-45, np.inf, np.nan)),
    *(np.int64(x) for x in (0, 1, -1, 7, -8, 63, INT64_MAX, -(2**63))),
    *(np.int32(x) for x in (0, 3, -1, 2**31 - 1, -(2**31))),
    *(np.int8(x) for x in (0, 5, -1, 127, -128)),
    *(np.uint8(x) for x in (0, 1, 8, 255)),
    *(np.uint64(x) for x in (0, 3, 2**64 - 1)),
    *(np.bool_(x) for x in (False, True)),
    np.float16(1.5),
    np.complex128(1 - 2j),
]
WEAK = [0, 1, -1, 3, 200, 2**24 + 1, 2**53 + 1, INT64_MAX, 2**70, 0.0, -0.0, 0.1, 2.5, 1e300, np.inf, np.nan, True]


def add(a, b):
    return a + b


def sub(a, b):
    return a - b


def mul(a, b):
    return a * b


def truediv(a, b):
    return a / b


def floordiv(a, b):
    return a // b


def mod(a, b):
    return a % b


def power(a, b):
    return a**b


def lshift(a, b):
    return a << b


def rshift(a, b):
    return a >> b


def bit_and(a, b):
    return a & b


def bit_or(a, b):
    return a | b


def xor(a, b):
    return a ^ b


def lt(a, b):
    return a < b


def le(a, b):
    return a <= b


def eq(a, b):
    return a == b


def ne(a, b):
    return a != b


def gt(a, b):
    return a > b


def ge(a, b):
    return a >= b


def decide(a, b):
    if a < b:
        return "less"
    return "not less" if a else "false"


def unaries(a, b):
    return -a, +a, not a, not b


def invert(a, b):
    return ~a


def extremes(a, b):
    return min(a, b), max(a, b), min(b, a, 1), max(b, a, 1)


def to_float(a, b):
    return float(a)


def to_int(a, b):
    return int(a)


def magnitude(a, b):
    return abs(a)


def roots(a, b):
    return math.sqrt(a), math.fabs(a), math.erf(a), math.tanh(a)


def logarithms(a, b):
    return math.log(a), math.log2(a), math.log1p(a)


def exponentials(a, b):
    return math.exp(a), math.sinh(a)


def angles(a, b):
    return math.asin(a), math.tan(a)


FUNCTIONS = [add, sub, mul, truediv, floordiv, mod, power, lshift, rshift, bit_and, bit_or, xor]
FUNCTIONS += [lt, le, eq, ne, gt, ge, decide, unaries, invert]
FUNCTIONS += [extremes, to_float, to_int, magnitude, roots, logarithms, exponentials, angles]


def outcome(fn, a, b):
    """Type and bits of the result, or class and text of the exception; and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = fn(a, b)
        except Exception as error:
            result = error
    return described(result), [(w.category, str(w.message)) for w in caught]


def described(result):
    if isinstance(result, tuple):
        return [described(part) for part in result]
    if isinstance(result, np.generic):
        return result.dtype, "nan" if result != result else result.tobytes()
    if isinstance(result, float):
        return float, "nan" if result != result else result.hex()
    return type(result), str(result)


@pytest.mark.parametrize("fn", FUNCTIONS, ids=operator.attrgetter("__name__"))
@pytest.mark.parametrize("errors", ["warn", "raise"])
def test_every_pair_gives_numpys_answer(fn, errors):
    compiled = flashpoint.njit(fn, tier=0, fallback=True)
    pairs = [(a, b) for a in VALUES for b in VALUES + WEAK] + [(a, b) for a in WEAK for b in VALUES]
    wrong = []
    with np.errstate(all=errors):
        for a, b in pairs:
            if not is_small_shift(fn, b):
                continue
            expected, answer = outcome(fn, a, b), outcome(compiled, a, b)
            if expected != answer:
                wrong.append(f"{a!r}, {b!r}: {answer}, NumPy: {expected}")
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ, such as\n" + "\n".join(wrong[:10])


def is_small_shift(fn, b):
    """Shifting a Python integer by a huge number, or raising it to one, takes for ever."""
    return fn not in (lshift, power) or (not isinstance(b, int) or b < 1000)


@pytest.mark.parametrize("tier", [0, 1])
def test_abs_of_complex_nan_does_not_hang_on_what_overflowed_before(tier):
    """CPython 3.11 looks at `errno` there without having set it: what raised long before would make this raise."""

    @flashpoint.njit(tier=tier)
    def magnitude(z):
        return abs(z)

    for z in (complex(-1.0, math.nan), complex(math.nan, 2.0)):
        with pytest.raises(OverflowError):
            1.5 ** complex(1e200, 1e200)
        assert math.isnan(magnitude(z))
    assert magnitude(complex(-math.inf, math.nan)) == math.inf
