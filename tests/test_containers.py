"""Loops over `enumerate`, `zip`, `reversed` are entered in their middle; they and stores to slices stay compiled."""

import numpy as np
import pytest

import flashpoint


def by_enumerate(a, n):
    total = 0.0
    for i, x in enumerate(a, start=3):
        total += i * x
    return total


def by_zip(a, n):
    total = 0.0
    for x, (i, y), k in zip(a, enumerate(a[::-1]), range(0, 7 * n, 7), strict=True):
        total += x * i + y * k
    return total


def by_reversed(a, n):
    total = 0.0
    for x in reversed(a):
        total = total * 0.5 + x
    for i in reversed(range(n)):
        total += i
    return total


def rows(a, n):
    total = 0.0
    b = a.reshape(-1, 2)
    for i, row in enumerate(b):
        for x, y in zip(row, row[::-1]):  # noqa: B905
            total += x * y + i
    return total


@pytest.mark.parametrize("fn", [by_enumerate, by_zip, by_reversed, rows])
def test_one_long_call_enters_compiled_code(fn):
    n = 60_000
    a = np.linspace(0.0, 1.0, n)
    f = flashpoint.njit(fn)
    if fn is rows:
        f = flashpoint.njit(fallback=True)(fn)
    assert f(a, n) == fn(a, n)
    counters = f.counters()
    assert counters["osr_entries"] > 0, counters
    assert counters["deopts"] < 10, counters


def test_an_iterator_that_others_hold_is_left_alone():
    held = []

    def hold(iterator):
        held.append(iterator)
        return iterator

    def f(n):
        total = 0
        it = hold(enumerate(range(n)))
        for i, x in it:
            total += i * x
            if i % 1000 == 0:
                total += advance()
        return total

    def advance():
        return next(held[-1])[0]

    n = 20_000
    expected = f(n)
    assert flashpoint.njit(fallback=True)(f)(n) == expected


def test_slices_are_assigned_without_leaving():
    @flashpoint.njit(tier=1)
    def f(a, b, n):
        for i in range(1, n):
            a[i:] = b[: a.shape[0] - i]
            a[:i] = 2.0
            a[1:] = a[:-1]
        return a

    args = (np.zeros(50), np.arange(50.0), 40)
    for _ in range(4):
        expected = f.py_func(np.zeros(50), *args[1:])
        assert f(np.zeros(50), *args[1:]).tolist() == expected.tolist()
    assert f.counters()["deopts"] == 0
