"""Python code that runs from compiled code may give an array another header; the code goes on as CPython would."""

import resource
import sys

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


STATE = {"how": "leave", "array": None}


def change_header():
    how, a = STATE["how"], STATE["array"]
    if how == "shape":
        a.shape = a.shape[::-1]
    elif how == "dtype":
        a.dtype = np.int64 if a.dtype == np.float64 else np.float64
    elif how == "writeable":
        a.flags.writeable = not a.flags.writeable
    elif how == "resize":
        a.resize((3, 4) if a.shape[0] > 3 else (5000, 40), refcheck=False)


def callee(n):
    """Too long to be inlined, so that it is called in registers; the call in it is a step."""
    x = n * 1.0
    x = (
        (((((((x * 2.0 + 1.0) * 2.0 - 1.0) * 2.0 + 1.0) * 2.0 - 1.0) * 2.0 + 1.0) * 2.0 - 1.0) * 2.0 + 1.0) * 2.0
    ) - 1.0
    x = (
        (((((((x * 0.5 + 1.0) * 0.5 - 1.0) * 0.5 + 1.0) * 0.5 - 1.0) * 0.5 + 1.0) * 0.5 - 1.0) * 0.5 + 1.0) * 0.5
    ) - 1.0
    x = (
        (((((((x * 2.0 + 1.0) * 2.0 - 1.0) * 2.0 + 1.0) * 2.0 - 1.0) * 2.0 + 1.0) * 2.0 - 1.0) * 2.0 + 1.0) * 2.0
    ) - 1.0
    x = (
        (((((((x * 0.5 + 1.0) * 0.5 - 1.0) * 0.5 + 1.0) * 0.5 - 1.0) * 0.5 + 1.0) * 0.5 - 1.0) * 0.5 + 1.0) * 0.5
    ) - 1.0
    if n % 50 == 49:
        change_header()
    return x


def calls(a, n):
    s = 0.0
    for i in range(n):
        s += a[1, 0] * 3.0
        s += callee(i)
        a[0, 1] = i
    return s


@pytest.mark.parametrize("how", ["shape", "dtype", "writeable", "resize"])
@pytest.mark.parametrize("tier", [None, 1, 2] if flashpoint.tier2_available() else [None, 1])
def test_a_callee_changes_an_array_of_a_cached_call(how, tier, monkeypatch):
    def run(function, how, n):
        STATE.update(how=how, array=np.arange(12.0).reshape(3, 4).copy())
        try:
            result = function(STATE["array"], n)
        except ValueError as error:
            result = str(error)
        a = STATE["array"]
        return result, a.shape, a.dtype, a.flags.writeable, a.tobytes()

    # With one change of the header, and with several.
    expected = [run(calls, how, n) for n in (60, 170)]
    monkeypatch.setattr(sys.modules[__name__], "callee", flashpoint.njit(callee, tier=tier, fallback=True))
    compiled = flashpoint.njit(calls, tier=tier, fallback=True)
    for _ in range(8):
        for _ in range(80):
            run(compiled, "leave", 60)
        assert [run(compiled, how, n) for n in (60, 170)] == expected


@pytest.mark.parametrize("tier", [1, 2] if flashpoint.tier2_available() else [1])
def test_the_base_of_a_view_is_the_array_that_owns_the_memory(tier):
    def views(a, n):
        taken = []
        for i in range(n):
            view = a[i % 2 :]
            taken.append(view)
        return taken

    whole = np.arange(24.0).reshape(4, 6)[:].copy()
    read_only = whole.copy()
    read_only.flags.writeable = False
    compiled = flashpoint.njit(views, tier=tier, fallback=True)
    for array in (
        whole,
        np.asfortranarray(whole),
        whole[1:, ::-2],
        whole.T,
        read_only,
        whole[:0],
        np.arange(3),
        np.arange(40.0)[::3],
    ):
        for got, wanted in zip(compiled(array, 4), views(array, 4), strict=True):
            assert got.base is wanted.base
            assert (got.strides, got.dtype, got.flags.writeable) == (
                wanted.strides,
                wanted.dtype,
                wanted.flags.writeable,
            )
            np.testing.assert_array_equal(got, wanted)
