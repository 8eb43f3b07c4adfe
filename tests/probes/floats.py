"""Python floats: IEEE bits, signed zeros, comparison with integers, conversions, rounding, powers."""

# Tables of arguments read best with few lines.
# fmt: off

import math

from harness import probe

INF, NAN = math.inf, math.nan
EDGES = [0.0, -0.0, 1.0, -1.0, 0.1, -2.5, 1e-308, 5e-324, 1e308, -1.7976931348623157e308, 2.0**53, 2.0**63, INF, -INF, NAN]
PAIRS = [(a, b) for a in EDGES for b in EDGES]
NEAR = [2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63, 2**63 - 1, -(2**63), 2**64, 10**400, 0, 3]
MIXED = [(i, f) for i in NEAR for f in (2.0**53, -(2.0**53), 2.0**63, 2.0**64, 0.0, -0.0, 3.0, 3.5, INF, -INF, NAN)]


@probe(*PAIRS)
def arithmetic(a, b):
    return a + b, a - b, a * b


@probe(*PAIRS, raises=ZeroDivisionError)
def divide(a, b):
    return a / b


@probe(*PAIRS)
def compare(a, b):
    return a < b, a <= b, a == b, a != b, a > b, a >= b, not a < b


@probe(*MIXED, *[(f, i) for i, f in MIXED])
def compare_int_with_float(a, b):
    return a == b, a != b, a < b, a <= b, a > b, a >= b


@probe((1, 2.5), (2**53 + 1, 1.0), (2**64, 0.5), (-3, -0.0), (0, -0.0), (True, 0.5))
def int_with_float_arithmetic(a, b):
    return a + b, b - a, a * b, b + a


@probe((10**400, 1.0), (1.0, 10**400), raises=OverflowError)
def huge_int_with_float(a, b):
    return a + b


@probe(*[(f,) for f in EDGES])
def unary(a):
    return -a, +a, abs(a), bool(a), not a


@probe(
    *[(f,) for f in EDGES], (1e20,), (9223372036854774784.0,), (-9223372036854775808.0,), (-2.9,), (2.9,),
    raises=(ValueError, OverflowError),
)
def int_of_float(a):
    return int(a)


@probe(*[(f,) for f in EDGES], (1e20,), (-0.5,), (2.5,), (1e300,), raises=(ValueError, OverflowError))
def floor_ceil_trunc(a):
    return math.floor(a), math.ceil(a), math.trunc(a)


@probe(
    *[(f,) for f in EDGES], (0.5,), (1.5,), (2.5,), (-0.5,), (1e20,), (0.49999999999999994,), (4503599627370497.5,),
    raises=(ValueError, OverflowError),
)
def round_to_int(a):
    return round(a)


@probe(
    (2.675, 2), (1.5, 0), (-0.0, 1), (2.5, 0), (1234.5678, -2), (1e300, 5), (5e-324, 400), (NAN, 2), (INF, 2),
    (0.15, 1), (1e22, -22), (1.7976931348623157e308, -308), raises=OverflowError,
)
def round_to_digits(a, n):
    return round(a, n)


@probe((12345, -2), (15, -1), (25, -1), (-25, -1), (5, 3), (2**70, -3), (0, 0))
def round_of_int(a, n):
    return round(a, n), round(a), round(a, None)


@probe(*[(f,) for f in EDGES], (3.0,), (1e300,), (0.5,))
def is_integer(a):
    return a.is_integer()


@probe((0.5,), (-0.0,), (1e300,), (NAN,), (INF,), raises=(ValueError, OverflowError))
def float_methods(a):
    return a.hex(), a.real, a.imag, a.conjugate(), a.as_integer_ratio()


@probe(
    *[(a, b) for a in (0.0, -0.0, 1.0, -1.0, 2.0, -8.0, 0.5, INF, -INF, NAN) for b in (0.0, -0.0, 1.0, 2.0, 3.0, 0.5, 1 / 3, -1.0, -0.5, INF, -INF, NAN)],
    raises=ZeroDivisionError,
)
def power(a, b):
    return a**b


@probe((10.0, 400.0), (-10.0, 401.0), (1e200, 2.0), (10.0, 308.0), raises=OverflowError)
def power_overflow(a, b):
    return a**b


@probe((2.0, 3), (2, 0.5), (-2, 0.5), (2.0, -1), (0.0, 0), (10, -3.0), (1e-200, 2))
def power_mixed(a, b):
    return a**b


@probe((0.0, -1), (0, -1.0), (-0.0, -1.0), raises=ZeroDivisionError)
def power_of_zero(a, b):
    return a**b


@probe((1.5,), (-0.0,), (NAN,), (1e200,), raises=OverflowError)
def power_by_literal(a):
    return a**0.5 if a > 0 else a**0, a**1, a**-0, a**2


@probe((0.1, 10), (1e16, 3), (-0.0, 3))
def running_sum(x, n):
    total = -0.0
    for _ in range(n):
        total += x
    return total


@probe((0.1, 1000), (1e-9, 5))
def no_reassociation(x, n):
    a = b = c = 0.0
    for i in range(n):
        a = a + x * i
        b = (b + 1.0) + -1.0
        c = c + x - x + 0.0
    return a, b, c


@probe((1.0000000000000002, 1.0000000000000002, -1.0000000000000004), (0.1, 10.0, -1.0), (1e308, 10.0, -INF))
def no_contraction(a, b, c):
    return a * b + c, c - a * b, a * a - b * b


@probe((0.0,), (-0.0,), (5.0,), (NAN,), (INF,))
def no_algebra(x):
    return x + 0.0, x - 0.0, 0.0 - x, x * 0.0, x - x, x * 1.0, x * -1.0, 0.0 + x, x == x, x != x


@probe((1.0, NAN), (NAN, 1.0), (0.0, -0.0), (-0.0, 0.0), (1, 1.0), (1.0, 1), (2, 1.5), (True, 1))
def min_max(a, b):
    return min(a, b), max(a, b), min(b, a), max(b, a)


@probe((3, 1.0, NAN), (NAN, 1, 2.5), (0.0, -0.0, 0))
def min_max_of_three(a, b, c):
    return min(a, b, c), max(a, b, c), min((a, b, c)), max((c, b, a))


@probe((0.1, 0.2, 0.3), (1, 0.5, 2), (1e16, 1.0, -1e16), (1, 2, 3), (True, True, 0.0), (2**60, 2**60 + 1, 0.5))
def sum_builtin(a, b, c):
    return sum((a, b, c)), sum((a, b, c), 0.5), sum((a, b, c), 1)


@probe((1, 1.0), (2.5, 2), (0, False), (2**53 + 1, 2.0**53), (INF, NAN))
def equality_chain(a, b):
    return a == b == a, a <= b <= a, a < b or b < a


@probe((3,), (2.5,), (True,), (2**60 + 1,), (10**400,), raises=OverflowError)
def float_of(a):
    return float(a)


@probe((2**1023,), (2**1024 - 2**970,), (2**1024 - 2**970 - 1,), raises=OverflowError)
def float_of_int_near_largest(a):
    return float(a)


@probe((2**53 + 1,), (2**54 + 2,), (2**54 + 6,), (-(2**53) - 3,), (2**63 + 1025,), (2**64 + 2049,))
def float_of_int_rounds_half_even(a):
    return float(a), a + 0.0, a * 1.0, a / 1


@probe((1.5, "x"), ("x", 1.5), (None, 2.0), raises=TypeError)
def unsupported_operands(a, b):
    return a * b


@probe((1.5, 2), raises=TypeError)
def bit_operation_on_float(a, b):
    return a & b


@probe((5e-324, 10), (1e-310, 100))
def subnormals_are_kept(x, n):
    total = 0.0
    for i in range(n):
        total += x / 2 + x * i
    return total
