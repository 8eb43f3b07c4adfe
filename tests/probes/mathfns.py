"""math and cmath: values to the last bit, domain and range errors, integer results; complex numbers."""

# Tables of arguments read best with few lines.
# fmt: off

import cmath
import math
from math import sqrt as imported_sqrt

from harness import probe

INF, NAN = math.inf, math.nan
REALS = [(x,) for x in (0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, 3.7, -100.25, 1e-10, 1e10, 710.0, 1000.0, INF, -INF, NAN, 3, True)]
ERRORS = (ValueError, OverflowError)


@probe(*REALS, raises=ValueError)
def sqrt(x):
    return math.sqrt(x)


@probe(*REALS, raises=ValueError)
def log_family(x):
    return math.log(x), math.log2(x), math.log10(x)


@probe(*REALS, raises=ValueError)
def log1p(x):
    return math.log1p(x)


@probe((8, 2), (100.0, 10), (2.0, 1), (2.0, 0), (2.0, -1), (2**2000, 2), raises=(ValueError, ZeroDivisionError))
def log_with_base(x, base):
    return math.log(x, base)


@probe((0,), (-5,), (2**2000,), (10**400,), raises=ValueError)
def log_of_int(n):
    return math.log(n), math.log2(n), math.log10(n)


@probe(*REALS, raises=OverflowError)
def exp_family(x):
    return math.exp(x), math.expm1(x)


@probe(*REALS, raises=ValueError)
def sin_cos_tan(x):
    return math.sin(x), math.cos(x), math.tan(x)


@probe(*REALS, raises=ValueError)
def asin_acos(x):
    return math.asin(x), math.acos(x)


@probe(*REALS)
def atan_and_tanh(x):
    return math.atan(x), math.tanh(x), math.asinh(x)


@probe(*REALS, raises=OverflowError)
def sinh_cosh(x):
    return math.sinh(x), math.cosh(x)


@probe(*REALS, raises=ValueError)
def acosh(x):
    return math.acosh(x)


@probe(*REALS, raises=ValueError)
def atanh(x):
    return math.atanh(x)


@probe(*REALS)
def erf_family(x):
    return math.erf(x), math.erfc(x), math.fabs(x), math.degrees(x), math.radians(x)


@probe((0.0,), (-1.0,), (0.5,), (5,), (171.0,), (172.0,), (-INF,), (NAN,), raises=ERRORS)
def gamma(x):
    return math.gamma(x), math.lgamma(x)


@probe(*[(a, b) for a in (0.0, -0.0, 1.0, -1.0, INF, NAN) for b in (0.0, -0.0, 2.0, -3.0, -INF)])
def atan2_copysign_hypot(a, b):
    return math.atan2(a, b), math.copysign(a, b), math.hypot(a, b)


@probe((2.0, 0.5), (-8.0, 1 / 3), (0.0, -1.0), (10.0, 400.0), (2, 3), (NAN, 0), (1, NAN), raises=ERRORS)
def pow_(a, b):
    return math.pow(a, b)


@probe((7.0, 0.0), (INF, 1.0), (5.5, INF), (-7.5, 2), raises=ValueError)
def fmod(a, b):
    return math.fmod(a, b)


@probe((7.0, 2.0), (-7.5, 2), (5.0, INF), (1.0, 0.0), (INF, 1.0), raises=ValueError)
def remainder(a, b):
    return math.remainder(a, b)


@probe((3.75,), (-0.0,), (INF,), (NAN,), (-2.5,))
def modf_frexp(x):
    return math.modf(x), math.frexp(x)


@probe((0.5, 3), (1.0, 1024), (1.0, -2000), (0.0, 10**30), (-1.0, 5000), raises=OverflowError)
def ldexp(x, n):
    return math.ldexp(x, n)


@probe((1.0,), (INF,), (NAN,), (5,))
def classify(x):
    return math.isnan(x), math.isinf(x), math.isfinite(x)


@probe((1.0, 1.0 + 1e-10), (0.0, 1e-12), (INF, INF), (NAN, NAN), (1, 2))
def isclose(a, b):
    return math.isclose(a, b), math.isclose(a, b, abs_tol=1e-9), math.isclose(a, b, rel_tol=1.0)


@probe((1.0, 1.0, -0.5), raises=ValueError)
def isclose_negative_tolerance(a, b, tol):
    return math.isclose(a, b, rel_tol=tol)


@probe((0,), (5,), (20,), (21,), (30,), (-1,), raises=ValueError)
def factorial(n):
    return math.factorial(n)


@probe((48, 18), (0, 0), (-4, 6), (2**70, 2**65), (2**63, -(2**63)))
def gcd_lcm(a, b):
    return math.gcd(a, b), math.lcm(a, b)


@probe((0,), (17,), (2**53 + 1,), (10**40,), (-1,), raises=ValueError)
def isqrt(n):
    return math.isqrt(n)


@probe((5, 2), (60, 30), (5, 6), (70, 35), (-1, 2), raises=ValueError)
def comb_perm(n, k):
    return math.comb(n, k), math.perm(n, k)


@probe((1e16, 1.0, -1e16), (0.1, 0.2, 0.3))
def fsum_dist(a, b, c):
    return math.fsum((a, b, c)), math.dist((a, b), (b, c)), math.prod((a, b, c)), math.hypot(a, b, c)


@probe((1.0, 2.0), (0.0, -1.0), (INF, 0.0))
def nextafter_ulp(a, b):
    return math.nextafter(a, b), math.ulp(a)


@probe((2.0,))
def constants(x):
    return math.pi, math.e, math.tau, math.inf, math.nan, x * math.pi


@probe((4.0,), (-4.0,), raises=ValueError)
def name_imported_from_math(x):
    return imported_sqrt(x)


@probe(("x",), (None,), (1j,), raises=TypeError)
def wrong_type(x):
    return math.sin(x)


@probe((0.3, 100), (2.0, 10))
def loop_of_transcendentals(x, n):
    for i in range(n):
        x = math.sin(x) * math.exp(-x * x) + math.log(1.0 + abs(x)) + i * 0.01
    return x


@probe((5,), (-3,), raises=ValueError)
def domain_error_in_the_middle_of_a_loop(n):
    total = 0.0
    for i in range(10):
        total += math.sqrt(n - i + 3)
    return total


Z = [0j, complex(-0.0, 0.0), 1 + 2j, -1.5 - 0j, complex(0, -2), complex(INF, 1), complex(NAN, 0), complex(-INF, NAN), 1e200 + 1e200j]
ZPAIRS = [(a, b) for a in Z for b in Z]


@probe(*ZPAIRS, (1.5, 2 + 1j), (2 + 1j, 3), (True, 1j), (-0.0, 1j), (2, complex(0, -0.0)))
def complex_arithmetic(a, b):
    return a + b, a - b, a * b, a == b, a != b


@probe(*ZPAIRS, (1.5, 2 + 1j), (2 + 1j, 3), (1 + 1j, 1e-320j), raises=ZeroDivisionError)
def complex_divide(a, b):
    return a / b


@probe(
    (1 + 2j, 2), (1 + 2j, -3), (1j, 0.5), (2, 1j), (0j, 2), (0j, 0), (1 + 1j, 100), (1 + 1j, 101), (-8 + 0j, 1 / 3),
    (2.5, 1 - 1j),
)
def complex_power(a, b):
    return a**b


@probe((0j, -1), (0j, 1j), raises=ZeroDivisionError)
def complex_power_of_zero(a, b):
    return a**b


@probe((1e200 + 1e200j, 3), (1e300 + 0j, 2.5), raises=OverflowError)
def complex_power_overflow(a, b):
    return a**b


@probe(*[(z,) for z in Z])
def complex_unary(z):
    return -z, +z, z.conjugate(), z.real, z.imag, bool(z), abs(z)


@probe((3 + 4j,), (1.7e308 + 1.7e308j,), raises=OverflowError)
def complex_abs(z):
    return abs(z)


@probe((1, 2.5), (-0.0, -0.0), (1 + 2j, 3j), (True, 0))
def complex_constructor(a, b):
    return complex(a, b), complex(a), complex()


@probe((1j, 2j), raises=TypeError)
def complex_ordering(a, b):
    return a < b


@probe((1j,), raises=TypeError)
def float_of_complex(z):
    return float(z)


@probe((1 + 2j,), (-1 + 0j,), (complex(-1, -0.0),), (2.0,), (0j,), raises=ValueError)
def cmath_functions(z):
    return cmath.sqrt(z), cmath.exp(z), cmath.log(z), cmath.phase(z), cmath.polar(z), cmath.sin(z), cmath.isnan(z)


@probe((0j,), (complex(1000, 0),), raises=ERRORS)
def cmath_errors(z):
    return cmath.log(z) if z == 0 else cmath.exp(z)


@probe((-0.5 + 0.5j, 50), (0.3 + 0.1j, 50), (2 + 2j, 50))
def mandelbrot_point(c, limit):
    z = 0j
    for i in range(limit):
        z = z * z + c
        if abs(z) > 2.0:
            return i, z
    return limit, z


@probe((3,), (0,))
def imaginary_literals(n):
    z = 0j
    for i in range(n):
        z += 1j * i - 2.5j
        z *= -1j
    return z
