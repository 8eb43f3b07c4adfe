"""Calls in registers whose arguments are arrays: large functions that compiled loops call without boxing anything."""

import linecache
import sys
import traceback

import numpy as np
import pytest

import flashpoint
from harness import check

TIERS = [1, 2] if flashpoint.tier2_available() else [1]
PADDING = "".join(f"    if k == {1000 + i}: k += {i}\n" for i in range(60))  # beyond what is inlined


def large(decorate, source):
    """A decorated function that is too large to be inlined; `PAD` in its source stands for statements that do nothing."""
    scope = {"np": np}
    name = source.split("(")[0].split()[-1]
    source = source.replace("    PAD\n", "    k = 0\n" + PADDING)
    file = f"<{name} {abs(hash(source))}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec"), scope)
    return decorate(scope[name])


WEIGHTED = """
def weighted(a, i, w):
    PAD
    s = 0.0
    for j in range(len(a)):
        s += a[j] * w[i, j]
    a[0] = s
    return s
"""


def calls(decorate, arrays, n):
    g = large(decorate, WEIGHTED)

    def f(a, w, n):
        s = 0.0
        for i in range(n):
            s += g(a, i % w.shape[0], w)
            s -= g(a[1:], i % w.shape[0], w)
            row = w[i % w.shape[0]]
            s += g(row, 0, w.T)
        return s

    results = [decorate(f)(a, w, n) for a, w in arrays for _ in range(3)]
    return results, arrays


def float_arrays(dtype, order):
    a = np.linspace(0.1, 1.0, 5).astype(dtype)
    w = np.asarray(np.arange(25.0).reshape(5, 5) / 100, dtype=dtype, order=order)
    return a, w


@pytest.mark.parametrize("order", ["C", "F"])
def test_arguments_of_the_caller_and_views(order):
    strided = np.arange(100.0).reshape(10, 10)[::2, 1::2] / 1000
    check(calls, [float_arrays("f8", order), float_arrays("f4", order), (strided[0], strided)], 40, scenario=True)


KEEPS = """
def keeps(a, i):
    PAD
    if i == 190:
        KEPT.append(a)
    return a[0] + i
"""


def views_and_arrays(decorate, n):
    g = large(decorate, KEEPS)
    kept = g.__globals__["KEPT"] = []

    def f(a, n):
        s = 0.0
        for i in range(n):
            s += g(a[:], i % 150)
        return s

    f = decorate(f)
    a = np.arange(4.0)
    results = [f(a, n) for _ in range(3)] + [g(a, i) for i in range(200)]
    return results, [array is a for array in kept]


def test_a_version_for_views_is_not_entered_with_an_array():
    check(views_and_arrays, 300, scenario=True, needs_fallback=True)


MADE = """
def fill(t, i):
    PAD
    for j in range(len(t)):
        t[j] += i * j
    return t[-1]
"""


def made(decorate, n):
    g = large(decorate, MADE)

    def f(n):
        s = 0.0
        for i in range(n):
            t = np.zeros(4)
            g(t, i)
            g(t[1:3], i)
            s += t[2]
        return s, t

    return [decorate(f)(n) for _ in range(3)]


def test_arrays_made_by_the_caller():
    check(made, 150, scenario=True)


GLOBAL = np.arange(6.0)


def of_a_global(decorate, n):
    g = large(decorate, MADE)
    GLOBAL[:] = 0

    def f(n):
        s = 0.0
        for i in range(n):
            s += g(GLOBAL, i) + g(GLOBAL[::2], 1)
        return s

    return [decorate(f)(n) for _ in range(3)], GLOBAL.copy()


def test_a_global_array():
    check(of_a_global, 60, scenario=True)


LEAVES = """
def leaves(a, i, big):
    PAD
    a[i % len(a)] += 1
    x = int(a[i]) + big
    a[0] += 1
    return x * 1.0
"""


def callee_leaves(decorate, a, big, n):
    g = large(decorate, LEAVES)

    def f(a, big, n):
        s = 0.0
        for i in range(n):
            s += g(a, i, big)
        return s

    f = decorate(f)
    out = []
    for at, limit in ((0, n), (0, n), (2**63 - 5, n), (0, n + 3)):
        try:
            out.append(f(a, at + big, limit))
        except IndexError as error:
            out.append((str(error), [entry.lineno for entry in traceback.extract_tb(error.__traceback__)[1:]]))
    return out, a


def test_a_callee_that_leaves_finds_its_arrays():
    check(callee_leaves, np.arange(50), 0, 50, scenario=True)


RESHAPES = """
def reshapes(a, i, how):
    PAD
    x = a[1, 0]
    if i % 30 == 29:
        how(a, i)
    return x + a[1, 0]
"""


def callee_changes_a_header(decorate, how, n):
    g = large(decorate, RESHAPES)

    def f(a, n, how):
        s = 0.0
        for i in range(n):
            s += g(a, i, how) + a[1, 0] + a[1, 1]
        return s

    f = decorate(f)
    return [f(np.arange(12.0).reshape(3, 4).copy(), n, how) for _ in range(3)]


def flip(a, i):
    a.shape = a.shape[::-1]


def move(a, i):
    a[1, 0] = i
    a.resize((a.shape[0] + 1, a.shape[1] + 100), refcheck=False)


@pytest.mark.parametrize("how", [flip, move])
def test_a_callee_that_changes_the_array_itself(how):
    check(callee_changes_a_header, how, 200, scenario=True, needs_fallback=True)


def from_a_loop_and_from_outside(decorate, n):
    g = large(decorate, WEIGHTED)

    def f(a, w, n):
        s = 0.0
        for i in range(n):
            s += g(a, i % 5, w)
        return s

    f = decorate(f)
    a, w = float_arrays("f8", "C")
    # The code that the loop calls serves calls from outside too, which come by the inline cache.
    return [(f(a, w, n), [g(a, i % 5, w) for i in range(n)]) for _ in range(3)], a


def test_a_callee_is_called_from_outside_too():
    check(from_a_loop_and_from_outside, 100, scenario=True)


RECURSIVE = """
def total(a, lo, hi):
    PAD
    if hi - lo < 2:
        return a[lo] if hi > lo else 0.0
    mid = (lo + hi) // 2
    return total(a, lo, mid) + total(a, mid, hi)
"""


def recursive(decorate, a):
    total = large(decorate, RECURSIVE)
    total.__globals__["total"] = total
    return [total(a, 0, len(a)) for _ in range(4)]


def test_recursion_over_an_array():
    check(recursive, np.arange(300.0), scenario=True)


@pytest.mark.parametrize("tier", TIERS)
def test_calls_with_arrays_stay_compiled_and_keep_no_reference(tier):
    def decorate(function):
        return flashpoint.njit(function, tier=tier)

    g = large(decorate, WEIGHTED)

    @decorate
    def f(a, w, n):
        s = 0.0
        for i in range(n):
            s += g(a, i % 5, w) + g(w[0], 1, w)
        return s

    a, w = float_arrays("f8", "C")
    for _ in range(4):
        f(a, w, 100)
    before = f.counters()["deopts"], g.counters()["calls"], sys.getrefcount(a), sys.getrefcount(w)
    for _ in range(4):
        f(a, w, 100)
    assert (f.counters()["deopts"], g.counters()["calls"], sys.getrefcount(a), sys.getrefcount(w)) == before


DOT = WEIGHTED.replace("    a[0] = s\n", "")


@pytest.mark.parametrize("tier", TIERS)
def test_a_result_of_the_common_type_comes_in_a_register(tier):
    # The sum is Python's float if the array is empty, NumPy's if not.
    g = large(lambda function: flashpoint.njit(function, tier=tier), DOT)

    @flashpoint.njit(tier=tier)
    def f(a, w, n):
        s = 0.0
        for i in range(n):
            s += g(a, i % 5, w)
        return s

    a, w = float_arrays("f8", "C")
    for _ in range(4):
        f(a, w, 100)
    before = f.counters()["deopts"], g.counters()["deopts"]
    f(a, w, 100)
    assert (f.counters()["deopts"], g.counters()["deopts"]) == before
    assert f(a[:0], w, 100) == 0.0
