"""Python code that runs from compiled code may give an array another header; the code goes on as CPython would."""

import resource

import numpy as np
import pytest

import flashpoint
from harness import check


def reshape_in_loop(n):
    a = np.arange(12.0).reshape(3, 4)
    s = 0.0
    for i in range(n):
        if i % 100 == 99:
            a.shape = (4, 3) if i % 200 == 199 else (3, 4)
        s += a[1, 0]
    return s


def reshape_argument(n, a):
    s = 0.0
    for i in range(n):
        if i % 100 == 99:
            a.shape = (4, 3) if i % 200 == 199 else (3, 4)
        s += a[1, 0]
    return s


def flip(a):
    a.shape = a.shape[::-1]


def helper_reshapes(n, a):
    s = 0.0
    for i in range(n):
        if i % 100 == 99:
            flip(a)
        s += a[1, 0]
    return s


def toggles_writability(n, a):
    s = 0
    for i in range(n):
        a.flags.writeable = i % 2 == 0
        try:
            a[0, 0] = i
            s += 1
        except ValueError:
            s += 100
    a.flags.writeable = True
    return s


def view_gets_a_shape(n, a):
    s = 0.0
    for i in range(n):
        row = a[i % 3]
        row.shape = (2, 2)
        s += row[1, 0]
    return s


def view_is_made_read_only(n, a):
    s = 0
    for i in range(n):
        row = a[i % 3]
        row.flags.writeable = False
        try:
            row[0] = 1.0
            s += 1
        except ValueError:
            s += 100
    return s


def underflow_is_raised(n, a):
    x = np.float64(1e-300)
    k = 0
    for _ in range(n):
        with np.errstate(under="raise"):
            try:
                a[0, 0] = x * x
            except FloatingPointError:
                k += 1
    return k


@pytest.mark.parametrize(
    "function",
    [
        reshape_argument,
        helper_reshapes,
        toggles_writability,
        view_gets_a_shape,
        view_is_made_read_only,
        underflow_is_raised,
    ],
    ids=lambda function: function.__name__,
)
def test_headers(function):
    check(function, 900, np.arange(12.0).reshape(3, 4), needs_fallback=True)


def test_an_array_made_by_the_code():
    check(reshape_in_loop, 900)


def test_arrays_made_in_a_loop_are_given_back():
    def makes(n):
        s = 0.0
        for i in range(n):
            t = np.empty(100_000)
            t[7] = i
            s += t[7]
        return s

    compiled = flashpoint.njit(makes, tier=1)
    assert compiled(100) == makes(100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert compiled(3000) == makes(3000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # One page of each array is touched: all of them alive at once would be the address space of 2.4 GB, and 12 MB.
    assert grown < 6_000, f"{grown} KB"
