"""Repeated calls: the inline cache of a function object answers as the general way does."""

import gc
import sys

import numpy as np
import pytest

import flashpoint

MANY = 200  # calls after which a function's calls are cached


@pytest.fixture(autouse=True)
def two_calls_are_enough():
    flashpoint._core.set_thresholds(2, 50)
    yield
    flashpoint._core.set_thresholds(60, 400)


def warm(function, *args):
    for _ in range(MANY):
        function(*args)


def compiled(function):
    return flashpoint.njit(function)


def add_one(x):
    return x + 1


def first(a):
    return a[0]


def extents(a):
    return a.shape


def test_the_type_of_an_argument_may_change():
    add = compiled(add_one)
    for value in (3, 2.5, True, 1 + 2j, np.float32(1.5), np.int8(4), 2**62, -(2**62), 0, -1, 2**31, -(2**31)):
        warm(add, value)
        for other in (3, 2.5, True, 1 + 2j, np.int8(100), 2**100, -(2**63), 2**63 - 1, 2**60, -(2**30), 2**30):
            got, wanted = add(other), add_one(other)
            assert (type(got), got) == (type(wanted), wanted)


def test_the_layout_of_an_array_may_change():
    a = np.arange(24.0).reshape(4, 6)
    arrays = [
        a,
        a.T,
        a[::2],
        a[:, 1:3],
        a[:0],
        a.astype(np.int32),
        a[0],
        a.astype(">f8"),
        a.view(np.ndarray),
        np.zeros(()),
    ]
    read_only = a.copy()
    read_only.flags.writeable = False
    arrays.append(read_only)

    def total(a):
        return a.shape, a.ndim, a.size

    calls = compiled(total)
    for array in arrays:
        warm(calls, array)
        for other in arrays:
            assert calls(other) == total(other)


def test_an_argument_is_given_back():
    arrays = [np.arange(3.0), [1, 2], "text", 2**80, (1, 2.0)]

    def takes(a):
        return 1

    function = compiled(takes)
    for argument in arrays:
        warm(function, argument)
        before = sys.getrefcount(argument)
        warm(function, argument)
        for _ in range(10):
            function(a=argument)
        assert sys.getrefcount(argument) == before


def test_a_cached_call_raises_at_its_line():
    function = compiled(first)
    warm(function, np.arange(3.0))
    with pytest.raises(IndexError, match="out of bounds") as caught:
        function(np.arange(0.0))
    frame = caught.traceback[-1]
    assert (frame.frame.code.name, frame.lineno + 1) == ("first", first.__code__.co_firstlineno + 1)
    assert function(np.arange(1.0)) == 0.0


def test_an_overflow_of_a_cached_call():
    function = compiled(add_one)
    warm(function, 1)
    assert function(2**63 - 1) == 2**63
    warm(function, 2**63 - 1)
    assert function(2**63 - 1) == 2**63
    assert function(-(2**63) - 1) == -(2**63)


step = 1


def test_a_global_is_rebound():
    global step

    def add_step(x):
        return x + step

    function = compiled(add_step)
    try:
        for step in (1, 2, 2.5, 1):
            assert function(1) == 1 + step
            warm(function, 1)
            assert function(1) == 1 + step
        del step
        with pytest.raises(NameError):
            function(1)
        step = 7
        assert function(1) == 8
    finally:
        step = 1


def test_the_code_is_replaced():
    def one(x):
        return x + 1

    def two(x):
        return x + 2

    function = compiled(one)
    warm(function, 1)
    function.__code__ = two.__code__
    assert function(1) == 3
    warm(function, 1)
    assert function(1) == 3


def test_a_call_within_a_cached_call():
    """The entry is replaced while a call of it runs: by a deoptimised one that calls itself with other types."""

    def descend(x, depth):
        if depth == 0:
            return x
        return function(x + 1, depth - 1) if depth % 2 else function(float(x), depth - 1)

    function = compiled(descend)
    for depth in range(9):
        for _ in range(MANY):
            assert function(1, depth) == descend(1, depth)


def test_dropped_functions_are_freed():
    def make(i):
        def takes(a):
            return a.shape[0] + i

        return compiled(takes)

    a = np.arange(3.0)
    warm(make(0), a)
    gc.collect()
    before = len(gc.get_objects())
    for i in range(20):
        warm(make(i), a)
    gc.collect()
    assert len(gc.get_objects()) < before + 50


def test_more_arguments_than_a_call_is_cached_for():
    scope = {}
    names = [f"a{i}" for i in range(20)]
    source = f"def many({', '.join(names)}):\n    return {' + '.join(names)}\n"
    import linecache

    linecache.cache["<many>"] = (len(source), None, source.splitlines(True), "<many>")
    exec(compile(source, "<many>", "exec"), scope)
    function = compiled(scope["many"])
    warm(function, *range(20))
    assert function(*range(20)) == 190
    del linecache.cache["<many>"]
