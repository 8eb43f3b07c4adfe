"""Globals and closures are live: rebinding, global arrays, cells, nonlocal, late binding."""

# Tables of arguments read best with few lines.
# fmt: off

import math
import sys

import numpy as np

from harness import probe, scenario

G = 10
COUNTER = 0
SCALE = 2.5
ARRAY = np.zeros(4)
TUPLE = (1, 2.5)


def reset():
    global G, COUNTER, SCALE
    G, COUNTER, SCALE = 10, 0, 2.5
    ARRAY[:] = 0.0
    for name in ("FRESH", "abs"):
        globals().pop(name, None)


@probe((1,), (2.5,), setup=reset)
def read_globals(x):
    return x + G, x * SCALE, TUPLE[0] + TUPLE[1], len(TUPLE)


@probe((1,), setup=reset)
def write_global(n):
    global COUNTER
    COUNTER += n
    return COUNTER


@probe((3,), setup=reset)
def write_global_in_loop_then_read(n):
    global COUNTER
    for i in range(n):
        COUNTER = COUNTER + i
    return COUNTER * 10 + n


@scenario((), setup=reset)
def global_is_rebound(njit):
    global G

    @njit
    def add(x):
        return x + G

    out = [add(1)]
    G = 20
    out.append(add(1))
    G = 0.5
    out.append(add(1))
    G = 2**70
    out.append(add(1))
    return out


@scenario((), raises=NameError, setup=reset)
def global_is_deleted(njit):
    global FRESH
    FRESH = 5

    @njit
    def read(x):
        return x + FRESH  # noqa: F821

    assert read(1) == 6
    del FRESH
    return read(1)


@scenario((), setup=reset)
def global_appears_later(njit):
    global FRESH

    @njit(fallback=True)
    def read(x):
        try:
            return x + FRESH
        except NameError:
            return -1

    out = [read(1)]
    FRESH = 5
    return [*out, read(1)]


@scenario((), setup=reset)
def global_array_is_written(njit):
    @njit
    def read():
        return ARRAY[0]

    out = [read()]
    ARRAY[0] = 9.0
    return [*out, read()]


@probe((2.0,), setup=reset)
def write_into_global_array(x):
    for i in range(len(ARRAY)):
        ARRAY[i] += x * i
    return ARRAY[3], ARRAY.sum() if False else ARRAY[1]


@scenario((), setup=reset)
def builtin_is_shadowed(njit):
    @njit
    def f(x):
        return abs(x)

    out = [f(-3)]
    globals()["abs"] = lambda x: x * 100
    out.append(f(-3))
    del globals()["abs"]
    return [*out, f(-3)]


@scenario(())
def module_attribute_is_replaced(njit):
    @njit(fallback=True)
    def f(x):
        return math.sqrt(x)

    out, original = [f(4.0)], math.sqrt
    math.sqrt = lambda x: -x
    try:
        out.append(f(4.0))
    finally:
        math.sqrt = original
    return [*out, f(4.0)]


@scenario(())
def global_function_is_rebound(njit):
    def helper(x):
        return x + 1

    @njit
    def f(x):
        return helper(x)

    out = [f(1)]

    def helper(x):  # noqa: F811
        return x * 10

    return [*out, f(1)]


@scenario(())
def closure_cell_is_rebound(njit):
    k = 5

    @njit
    def f(x):
        return x + k

    out = [f(1)]
    k = 7
    out.append(f(1))
    k = 2.5
    return [*out, f(1)]


@scenario(())
def one_code_many_closures(njit):
    def make(k):
        @njit
        def f(x):
            return x * k

        return f

    fs = [make(k) for k in (2, 3.5, True, 2**70)]
    return [f(3) for f in fs] + [f(0.5) for f in fs]


@scenario((), raises=NameError)
def empty_cell(njit):
    @njit
    def f(x):
        return x + later

    if f is None:
        later = 1
    return f(1)


@probe((3,))
def nested_function(n):
    def square(x):
        return x * x

    return square(n) + square(n + 0.5)


@probe((3,))
def nested_function_sees_later_binding(n):
    def scaled(x):
        return x * factor

    factor = 2
    a = scaled(n)
    factor = 2.5
    return a, scaled(n)


@probe((4,))
def nonlocal_counter(n):
    count = 0

    def bump(by):
        nonlocal count
        count += by
        return count

    for i in range(n):
        bump(i)
    return count, bump(10)


@probe((3,), needs_fallback=True)
def lambdas_bind_late(n):
    fs = [lambda x: x + i for i in range(n)]  # noqa: B023
    return [f(10) for f in fs], [(lambda x, i=i: x + i)(10) for i in range(n)]


@probe((3,), (2.5,))
def lambda_in_a_local(x):
    double = lambda v: v * 2  # noqa: E731
    return double(x) + double(1)


@probe((5,), needs_fallback=True)
def make_adder_and_return_it(n):
    def add(x):
        return x + n

    return add(1), add.__name__


@probe((2,), needs_fallback=True)
def import_inside(n):
    import math as m
    from math import floor

    return m.sqrt(n), floor(2.5)


@probe((2,), setup=reset)
def name_local_although_global_exists(n):
    G = n
    return G + 1


@scenario((), setup=reset)
def callee_rebinds_a_global_in_the_loop(njit):
    def rebind(i):
        global G
        if i == 2:
            G = 0.5

    @njit(fallback=True)
    def loop(n):
        out = 0
        for i in range(n):
            rebind(i)
            out += G
        return out

    return loop(5)


@probe((1,), needs_fallback=True)
def locals_and_frame(n):
    m = n + 1
    return sorted(locals()), sys._getframe().f_code.co_name, m
