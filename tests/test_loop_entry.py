"""Which code runs the loops of a function that is called again and again: that of its calls, or the loops' own."""

import time
import types

import numpy as np
import pytest

import flashpoint


def item(d, n):
    s = 0.0
    a = d["a"]
    for i in range(n):
        s += a[i % 3]
    return s


def attribute(d, n):
    s = 0.0
    a = d["object"].a
    for i in range(n):
        s += a[i % 3]
    return s


def converted(d, n):
    s = 0.0
    a = d["list"]
    a = np.array(a, dtype=np.float64).astype(np.float32)
    for i in range(n):
        s += a[i % 3]
    return s


def nest(d, n):
    s = 0.0
    a = d["a"]
    for i in range(n // 50):
        for j in range(50):
            s += a[j % 3] * i
    return s


def warm_up(f, *args):
    for _ in range(100):
        result = f(*args)
    return result


@pytest.mark.parametrize("function", [item, attribute, converted, nest], ids=lambda function: function.__name__)
def test_code_full_of_steps_does_not_replace_the_code_of_loops(function):
    """Entered in the middle, a loop knows an array that the call only holds, each access to which would be a step."""
    a = np.arange(3.0)
    d = {"a": a, "object": types.SimpleNamespace(a=a), "list": [0.5, 1.5, 2.5]}
    n = 30_000 if function is nest else 3000
    f = flashpoint.njit(function, fallback=True)
    assert warm_up(f, d, n) == function(d, n)
    before = f.counters()["osr_entries"]
    assert [f(d, n + 50 * k) for k in range(20)] == [function(d, n + 50 * k) for k in range(20)]
    assert f.counters()["osr_entries"] >= before + 20, f.explain()
    assert "call: tier" not in str(f.explain())


def test_code_for_calls_that_knows_as_much_replaces_that_of_loops():
    def plain(a, n):
        s = 0.0
        for i in range(n):
            s += a[i % 3]
        return s

    f = flashpoint.njit(plain)
    end = time.monotonic() + 30
    while "call: tier" not in str(f.explain()) and time.monotonic() < end:
        warm_up(f, np.arange(3.0), 3000)
    before = f.counters()["osr_entries"]
    f(np.arange(3.0), 3000)
    assert f.counters()["osr_entries"] == before, f.explain()


def test_every_entry_of_a_loop_is_logged(capfd):
    f = flashpoint.njit(item, fallback=True)
    d = {"a": np.arange(3.0)}
    flashpoint.config.log = "osr"
    try:
        warm_up(f, d, 3000)
    finally:
        flashpoint.config.log = ""
    told = [line for line in capfd.readouterr().err.splitlines() if "enters tier" in line]
    assert len(told) == f.counters()["osr_entries"] > 50
    assert all("`item`" in line for line in told)
