"""// and % and divmod over floats and mixed types: CPython's fmod-based floor, signed zeros, and all error texts."""

# Tables of arguments read best with few lines.
# fmt: off

import math

from harness import probe

INF, NAN = math.inf, math.nan
VALUES = [0.0, -0.0, 1.0, -1.0, 7.0, -7.0, 0.1, -0.3, 2.5, 1e308, -1e308, 5e-324, 1e16, INF, -INF, NAN]
DIVISORS = [1.0, -1.0, 2.0, -2.0, 3.0, 0.1, -0.3, 4.0, 0.5, 1e-308, 1e308, INF, -INF, NAN, 7.5]
PAIRS = [(a, b) for a in VALUES for b in DIVISORS]


@probe(*PAIRS)
def float_floor(a, b):
    return a // b


@probe(*PAIRS)
def float_mod(a, b):
    return a % b


@probe(*PAIRS)
def float_divmod(a, b):
    return divmod(a, b)


@probe(*PAIRS, raises=ValueError)
def float_fmod_differs_from_mod(a, b):
    return math.fmod(a, b)


@probe((7, 2.0), (-7, 2.0), (7.5, -2), (-7.5, 2), (2**53 + 1, 2.0), (0, -3.0), (-0.0, 3), (True, 2.0))
def mixed(a, b):
    return a // b, a % b, a / b, divmod(a, b)


@probe((7, True), (True, 2), (False, 3), (-7, True), (True, True))
def with_bools(a, b):
    return a // b, a % b, a / b


@probe((1.0, 0.0), (0.0, 0.0), (-1.0, -0.0), (1, 0.0), (1.0, 0), (NAN, 0.0), raises=ZeroDivisionError)
def text_true(a, b):
    return a / b


@probe((1.0, 0.0), (1, 0.0), (1.0, 0), (1.0, False), raises=ZeroDivisionError)
def text_floor(a, b):
    return a // b


@probe((1.0, 0.0), (1, 0.0), (INF, 0), raises=ZeroDivisionError)
def text_mod(a, b):
    return a % b


@probe((1.0, 0.0), (1, 0.0), raises=ZeroDivisionError)
def text_divmod(a, b):
    return divmod(a, b)


@probe((1, False), (True, False), raises=ZeroDivisionError)
def text_bools(a, b):
    return a % b


@probe((1 + 2j, 0j), (1 + 2j, 0), (1, 0j), (1.5, -0j), raises=ZeroDivisionError)
def text_complex(a, b):
    return a / b


@probe((1 + 2j, 2), raises=TypeError)
def complex_floor(a, b):
    return a // b


@probe((1 + 2j, 2), raises=TypeError)
def complex_mod(a, b):
    return a % b


@probe((5,), (0,), raises=ZeroDivisionError)
def zero_in_the_middle_of_a_loop(n):
    total = 0
    for i in range(10):
        total += 100 // (n - i)
    return total


@probe((10, 3), (10, 0), raises=ZeroDivisionError)
def line_of_the_failing_operand(a, b):
    first = a + b
    second = (
        first
        + a // b
        + 1
    )
    return second


@probe((7.5,), (-7.5,), (-0.0,), (1e300,), (INF,), (NAN,))
def constant_float_divisors(a):
    return a // 2.0, a % 2.0, a // -0.5, a % 1.0, a % -1.0, a // 3, a % 3


@probe((17, 5), (-17, 5), (17, -5), (-17, -5), (15, 5), (-15, 5))
def loops_agree_with_divmod(a, b):
    out = 0
    for i in range(-5, 6):
        q, r = divmod(a + i, b)
        out += (q * b + r - a) * 100 + r
    return out
