"""What `explain()` and messages say. Every text names what the user wrote: lines, functions, types."""

import numpy as np
import pytest

import flashpoint

# Loops are reported of the code that could vectorise them.
needs_tier2 = pytest.mark.skipif(not flashpoint.tier2_available(), reason="tier 2 is not in this build")


def compiled(signature):
    return flashpoint.njit(signature=signature, tier=2 if flashpoint.tier2_available() else 1)


def total(a):
    t = 0.0
    for i in range(len(a)):
        t += a[i]
    return t


def double_all(a):
    for i in range(len(a)):
        a[i] = a[i] * 2


@flashpoint.njit
def inner(a, x):
    n = 0
    for i in range(len(a)):
        if a[i] > x:
            n += 1
    return n


def outer(a):
    return inner(a, 1.5)


def line_of(fn, offset):
    return fn.__code__.co_firstlineno + offset


@needs_tier2
def test_sum_waits_for_itself():
    """A float sum cannot be reordered without the licence: FP308, with its line."""
    f = compiled("float64[:]")(total)
    f(np.arange(100.0))
    text = str(f.explain())
    assert f"[FP308] each iteration depends on the one before (line {line_of(total, 3)};" in text
    licensed = flashpoint.njit(signature="float64[:]", fastmath=True)(total)
    licensed(np.arange(100.0))
    assert "FP308" not in str(licensed.explain())


@needs_tier2
def test_loop_without_recurrence():
    f = compiled("float64[:]")(double_all)
    f(np.arange(100.0))
    assert any("no guard or call inside" in version for version in f.explain().versions), f.explain()
    assert "FP308" not in str(f.explain())
    assert "can be vectorised" not in str(f.explain())


@needs_tier2
def test_loop_of_another_function_is_named_once():
    f = compiled("float64[:]")(outer)
    f(np.arange(100.0))
    loops = [line for line in f.explain().versions if line.startswith("  innermost loop")]
    assert loops and all(" of `inner`" in line for line in loops), f.explain()
    assert len(loops) == len(set(loops))


def test_versions_have_signatures_and_lines():
    @flashpoint.njit
    def count(n):
        t = 0
        for i in range(n):
            t += i
        return t

    assert str(count.explain()) == f"{count.__qualname__}: not called yet"
    for _ in range(3):
        count(20000)
    versions = count.explain().versions
    line = line_of(count, 3)
    assert any(v.startswith(f"loop at line {line} with (") and "t: int" in v for v in versions), versions
    report = count.explain()
    assert "after 3 calls" in str(report) and not str(report).endswith("\n")
    assert not any(code in str(report) for code in ("FP101", "FP106", "FP107"))


def test_call_version_has_its_types():
    f = compiled("float64[:]")(total)
    assert any(v.startswith("call with (float64[:]") for v in f.explain().versions), f.explain()


def test_operation_is_a_sentence():
    @flashpoint.njit
    def f(a):
        t = 0.0
        for i in range(5000):
            t += a[i % 3] + len("x" * 3)
            a + 1
        return t

    f(np.arange(3.0))
    told = [r for r in f.explain().reasons if "FP105" in r]
    assert any(f"line {line_of(f, 5)}: `+` between float64[:] and int: the operation has" in r for r in told), told


def test_function_of_the_host_is_named():
    @flashpoint.njit(tier=1)
    def f(a):
        t = 0.0
        for i in range(3):
            t += a[i] * np.linalg.norm(a)
        return t

    for _ in range(3):
        f(np.arange(3.0))
    assert "np.linalg.norm(a)" in str(f.explain()), f.explain()


def test_unsupported_says_what_to_write():
    @flashpoint.njit
    def f(n):
        return [n]

    with pytest.raises(flashpoint.Unsupported, match=r"@njit\(fallback=True\)"):
        f(1)


@pytest.mark.parametrize(
    "signature, words",
    [
        ("float64(float64)", "the arguments only"),
        ("int64(int64)", "the arguments only"),
        ("float64[::1]", "means C-contiguous"),
        ("i8", "write int, float"),
    ],
)
def test_signature_in_numbas_way(signature, words):
    with pytest.raises(ValueError, match=words):
        flashpoint.njit(signature=signature)


def test_not_a_function():
    class Callable:
        def __call__(self):
            pass

    with pytest.raises(TypeError, match="signature="):
        flashpoint.njit("int64(int64)")
    with pytest.raises(TypeError, match="decorate its class's `__call__`"):
        flashpoint.njit(Callable())
    with pytest.raises(ValueError, match="takes 1 positional argument$"):
        flashpoint.njit(signature="int, int")(lambda x: x)


@pytest.mark.parametrize("option", ["locals", "debug", "looplift", "target", "parallel", "cache"])
def test_options_of_numba(option):
    with pytest.raises(TypeError, match="leave it out"):
        flashpoint.njit(**{option: True})


def test_settings_name_themselves():
    with pytest.raises(TypeError, match="log must be a text"):
        flashpoint.config.log = 3
    with pytest.raises(ValueError, match="'all'"):
        flashpoint.config.log = "x"
    with pytest.raises(ValueError, match="quick:1"):
        flashpoint.config.stress = "x"


def test_members_have_docstrings():
    for name in ("options", "py_func", "counters", "explain", "inspect"):
        assert getattr(flashpoint.Function, name).__doc__, name
    assert "osr_entries" in flashpoint.Function.counters.__doc__


def test_log_names_the_loop(capfd):
    @flashpoint.njit
    def spin(n):
        t = 0
        for i in range(n):
            t ^= i
        return t

    flashpoint.config.log = "osr"
    try:
        spin(50000)
    finally:
        flashpoint.config.log = ""
    assert f"at the loop at line {line_of(spin, 3)}" in capfd.readouterr().err
