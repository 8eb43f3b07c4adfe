"""Functions of NumPy, `math` and `cmath` on scalars: the loops and functions themselves, called by compiled code."""

import cmath
import concurrent.futures
import gc
import itertools
import linecache
import math
import random
import sys
import traceback
import warnings

import numpy as np
import pytest

import flashpoint
from describe import describe

# Functions of one or two numbers.
UFUNCS = sorted(
    (
        f
        for name, f in vars(np).items()
        if isinstance(f, np.ufunc) and f.signature is None and f.__name__ == name and f.nin <= 2 and f is not np.isnat
    ),
    key=lambda f: f.__name__,
)
TIERS = [1, 2] if flashpoint.tier2_available() else [1]
DTYPES = [np.bool_, np.int8, np.int32, np.int64, np.uint8, np.uint64, np.float32, np.float64, np.complex128]
KINDS = [int, float, bool, complex, *DTYPES]
EDGES = [0.0, -0.0, 0.5, -1.0, 1.0, 2.0, 1e-310, 710.0, 1e300, -1e300, math.inf, -math.inf, math.nan]


def random_value(kind, rng):
    """A scalar of a type: small, large, or one at which something ends."""
    if kind in (bool, np.bool_):
        return kind(rng.random() < 0.5)
    if kind is int or np.issubdtype(kind, np.integer):
        info = np.iinfo(np.int64 if kind is int else kind)
        small = rng.randint(max(info.min, -9), 9)
        return kind(rng.choice([small, small, info.min, info.max, rng.randint(info.min, info.max)]))
    real = rng.choice(
        [rng.choice(EDGES), rng.uniform(-1, 1), rng.uniform(-30, 30), rng.gauss(0, 1) * 10 ** rng.randint(-300, 300)]
    )
    with np.errstate(all="ignore"):
        if kind is complex or np.issubdtype(kind, np.complexfloating):
            return kind(complex(real, rng.choice([0.0, rng.uniform(-3, 3), rng.choice(EDGES)])))
        if kind is np.float16:
            real = rng.choice([real, rng.uniform(-1e-5, 1e-5), rng.uniform(-7e4, 7e4)])
        return kind(real)


def outcome(fn, args):
    """Result or exception, and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = describe(fn(*args))
        except Exception as error:
            result = (type(error), str(error))
    return result, {(w.category, str(w.message)) for w in caught}


def compiled(function, n_args, tier=1):
    if n_args == 1:
        return flashpoint.njit(lambda x: function(x), tier=tier)
    return flashpoint.njit(lambda x, y: function(x, y), tier=tier)


def check(function, kinds, n=40):
    """Compares compiled calls with plain ones, and fails if one is a step although the function can be called in words."""
    rng = random.Random(f"{function.__name__} {kinds}")
    fn = compiled(function, len(kinds))
    for _ in range(n):
        args = [random_value(kind, rng) for kind in kinds]
        assert outcome(fn, args) == outcome(function, args), args
    return fn


def has_step(fn):
    return "no typed form" in str(fn.explain())


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_numpy_functions_have_numpys_bits_and_warnings(ufunc):
    n_typed = 0
    rng = random.Random(ufunc.__name__)
    for kind in KINDS:
        seconds = [()] if ufunc.nin == 1 else [(kind,), (rng.choice(KINDS),)]
        for rest in seconds:
            n_typed += not has_step(check(ufunc, (kind, *rest), n=12))
    assert n_typed > 0


FLOAT_FUNCTIONS = "acos acosh asin asinh atan atanh cbrt cos cosh degrees erf erfc exp exp2 expm1 fabs gamma lgamma log log10 log1p log2 radians sin sinh sqrt tan tanh ulp frexp modf floor ceil trunc"
TWO_FLOATS = "atan2 copysign fmod hypot isclose log nextafter pow remainder"
INT_FUNCTIONS = "isqrt factorial"
TWO_INTS = "comb gcd lcm perm ldexp"
CMATH = "acos acosh asin asinh atan atanh cos cosh exp log log10 phase sin sinh sqrt tan tanh isnan isinf isfinite"


def cases():
    for names, kinds in [
        (FLOAT_FUNCTIONS, (float,)),
        (FLOAT_FUNCTIONS, (np.float64,)),
        (TWO_FLOATS, (float, float)),
        (TWO_FLOATS, (int, float)),
        (INT_FUNCTIONS, (int,)),
        (TWO_INTS, (int, int)),
        ("log hypot", (int, int)),
        ("ldexp", (float, int)),
    ]:
        yield from ((getattr(math, name), kinds) for name in names.split() if hasattr(math, name))
    yield from ((getattr(cmath, name), (kind,)) for name in CMATH.split() for kind in (complex, float))
    yield from ((getattr(cmath, name), (np.complex128,)) for name in CMATH.split())
    yield cmath.rect, (float, float)
    yield cmath.isclose, (complex, complex)


@pytest.mark.parametrize(
    ("function", "kinds"), list(cases()), ids=lambda x: x.__name__ if callable(x) else ",".join(k.__name__ for k in x)
)
def test_functions_of_math_and_cmath(function, kinds):
    """Small integers: what gives one beyond 64 bits is a step, or leaves."""
    rng = random.Random(f"{function} {kinds}")
    fn = compiled(function, len(kinds))
    for _ in range(60):
        args = [rng.randint(-3, 15) if kind is int else random_value(kind, rng) for kind in kinds]
        assert outcome(fn, args) == outcome(function, args), args
    assert not has_step(fn)


@pytest.mark.parametrize("tier", TIERS)
def test_loops_with_host_functions_leave_nowhere(tier):
    @flashpoint.njit(tier=tier)
    def f(a, x):
        total = 0.0
        for i in range(len(a)):
            total += np.exp(a[i]) + np.hypot(a[i], x) + np.cbrt(np.float32(i)) + math.gamma(a[i]) + math.gcd(i, 12)
            total += abs(cmath.exp(1j * x) ** x) + math.modf(a[i])[0] + np.divmod(i, 7)[1]
        return total

    a = np.linspace(0.5, 2.0, 50)
    assert f(a, 0.25) == f.py_func(a, 0.25)
    before = f.counters()["deopts"]
    assert f(a, 0.5) == f.py_func(a, 0.5)
    assert f.counters()["deopts"] == before
    assert not has_step(f)


@pytest.mark.parametrize("tier", TIERS)
def test_an_error_in_a_loop_has_its_line_and_state(tier):
    @flashpoint.njit(tier=tier)
    def f(a):
        for i in range(len(a)):
            a[i] += 1.0
            a[i] = math.gamma(a[i])
        return 0

    lines = []
    for fn in (f, f.py_func):
        a = np.array([1.0, 2.0, -3.0, 4.0])
        with pytest.raises(ValueError, match="math domain error") as caught:
            fn(a)
        lines.append((traceback.extract_tb(caught.value.__traceback__)[-1].lineno, a.tolist()))
    assert lines[0] == lines[1]


@pytest.mark.parametrize("tier", TIERS)
def test_results_beyond_the_promise_are_right(tier):
    fn = flashpoint.njit(lambda n: math.factorial(n), tier=tier)
    for n in [5, 20, 21, 30, 5, 40]:
        assert fn(n) == math.factorial(n)


def test_threads_call_the_same_loop():
    @flashpoint.njit(tier=1)
    def f(a):
        total = 0.0
        for i in range(len(a)):
            total += np.sin(a[i]) * math.lgamma(a[i])
        return total

    a = np.linspace(0.5, 20.0, 20_000)
    expected = f.py_func(a)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: f(a), range(12))) == {expected}


# ---- operators on complex numbers and NumPy scalars

BINARY = ["x + y", "x - y", "x * y", "x / y", "x ** y", "x // y", "x % y", "x == y", "x != y", "x < y", "x >= y"]
UNARY = [
    "-x", "+x", "abs(x)", "bool(x)", "complex(x)", "float(x)", "int(x)", "x.real", "x.imag", "x.conjugate()", "x.item()",
    "x ** 2", "x ** -3", "x ** 5", "x ** 0", "x ** 0.5", "np.float16(x)", "np.complex64(x)", "np.complex128(x)",
    "np.float32(x)", "np.int8(x)", "np.bool_(x)", "x * x + 1j", "1j * x", "x * 1.5 - 2", "x == 1j", "1j != x",
]  # fmt: skip
SMALL = [np.float16, np.complex64, np.complex128, complex]


def expression(text):
    """A function of one file of its own, as the source of a compiled function must be found."""
    lines = f"def f({'x, y' if 'y' in text else 'x'}):\n    return {text}\n"
    file = f"<expression {text}>"
    linecache.cache[file] = (len(lines), None, lines.splitlines(keepends=True), file)
    names = {"np": np}
    exec(compile(lines, file, "exec"), names)
    return names["f"]


@pytest.mark.parametrize("kind", SMALL, ids=lambda k: k.__name__)
@pytest.mark.parametrize("text", BINARY + UNARY)
def test_operators_on_complex_and_half(text, kind):
    function = expression(text)
    for others in [(other,) for other in [*KINDS, np.float16, np.complex64]] if text in BINARY else [()]:
        for kinds in {(kind, *others), (*others, kind)}:
            rng = random.Random(f"{text} {kinds}")
            fn = flashpoint.njit(function, tier=1)
            for _ in range(10):
                args = [random_value(kind, rng) for kind in kinds]
                if "**" in text:  # powers of big integers take all memory
                    args = [type(a)(int(a) % 7) if isinstance(a, (int, np.integer)) else a for a in args]
                assert outcome(fn, args) == outcome(function, args), args


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("dtype", [np.float16, np.complex64, np.complex128])
def test_arrays_in_place(tier, dtype):
    @flashpoint.njit(tier=tier)
    def f(a, b, k):
        total = b[0]
        for i in range(len(a)):
            a[i] *= k
            a[i] += b[i] / a[-1 - i]
            total += a[i] * b[i] - k
            if a[i] == b[i]:
                b[i] = i
        for x in b:
            total = total + x
        return total

    # Every quotient, power of ten and part is a value of the type.
    for n in (1, 9):
        outcomes = []
        for fn in (f, f.py_func):
            a, b = (np.linspace(1, 2, n) + 0.25).astype(dtype), np.linspace(-1, 3, n).astype(dtype)
            outcomes.append((describe(fn(a, b, dtype(1.5))), describe(a), describe(b)))
        assert outcomes[0] == outcomes[1]
    assert not has_step(f)


@pytest.mark.parametrize("tier", TIERS)
def test_every_half_and_its_neighbourhood(tier):
    """All halves as float32 and back, and what lies halfway between two."""

    @flashpoint.njit(tier=tier)
    def f(halves, doubles, out_single, out_half):
        for i in range(len(halves)):
            out_single[i] = np.float32(halves[i])
            out_half[i] = doubles[i]
        return 0

    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16)
    halves = np.concatenate([halves, -halves])
    step = np.nextafter(halves, np.float16(0), dtype=np.float16).astype(np.float64)
    middle = (halves.astype(np.float64) + step) / 2
    for doubles in (middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf), halves.astype(np.float64)):
        single, half = np.empty(len(halves), np.float32), np.empty(len(halves), np.float16)
        f(halves, doubles, single, half)
        assert single.tobytes() == halves.astype(np.float32).tobytes()
        assert half.tobytes() == doubles.astype(np.float16).tobytes()


COMPLEX_TOO = ["multiply", "square", "exp", "log", "sin", "tan", "power", "tanh", "divide", "absolute"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *itertools.product(["cbrt", "hypot", *COMPLEX_TOO], [np.float16, np.float32, np.float64]),
        *itertools.product(COMPLEX_TOO, [np.complex64, np.complex128]),
    ],
)
def test_many_values_have_numpys_bits(name, kind):
    """Vector forms of NumPy's loops have other last bits than scalar ones: which runs must be NumPy's choice."""
    ufunc = getattr(np, name)
    fn, rng = compiled(ufunc, ufunc.nin), random.Random(name)
    for _ in range(400):
        args = [
            kind(complex(rng.gauss(0, 2), rng.gauss(0, 2)))
            if kind in (np.complex64, np.complex128)
            else kind(abs(rng.gauss(0, 2)))
            for _ in range(ufunc.nin)
        ]
        assert describe(fn(*args)) == describe(ufunc(*args)), args


def test_functions_beyond_the_table_are_not_kept():
    """Each lowering used to keep one more reference of a function that the table has no room for."""
    n_references = []
    try:
        flashpoint._core.set_host_function_limit(0)
        for _ in range(5):
            compiled = flashpoint.njit(lambda x, y: np.logaddexp2(x, y), tier=1)
            assert compiled(np.uint8(3), np.int16(4)) == np.logaddexp2(np.uint8(3), np.int16(4))
            del compiled
            gc.collect()
            n_references.append(sys.getrefcount(np.logaddexp2))
    finally:
        flashpoint._core.set_host_function_limit(None)
    assert n_references[1:] == n_references[:1] * 4
