"""Nested functions in compiled loops: the loop stays compiled, and what an exit makes of cells and functions is live."""

import gc
import threading
import weakref

import numpy as np
import pytest

import flashpoint
from test_steps import TIERS, stays_compiled, warm


@pytest.mark.parametrize("tier", TIERS)
def test_a_loop_over_nested_functions_stays_compiled(tier):
    @flashpoint.njit(tier=tier)
    def f(n, a):
        total = 0
        scale = 2.0

        def add(x, by=1):
            nonlocal total
            total += x * by

        def at(i):
            return a[i] * scale

        s = 0.0
        for i in range(n):
            add(i)
            add(i, by=3)
            s += at(i) + (lambda x: x + scale)(1.0)
        return total, s

    a = np.linspace(0.0, 1.0, 300)
    warm(f, 300, a)
    assert stays_compiled(f, 300, a)
    assert f(300, a) == f.py_func(300, a)


def test_one_long_call_enters_compiled_code():
    @flashpoint.njit
    def f(n):
        total = 0
        last = None

        def add(x, *, by=2):
            nonlocal total, last
            total += x * by
            last = x
            return helper(x)

        def helper(x):
            return x & 1

        odd = 0
        for i in range(n):
            odd += add(i)
        return total, last, odd

    assert f(200_000) == f.py_func(200_000)
    assert f.counters()["osr_entries"] > 0
    assert f.counters()["deopts"] < 10


@pytest.mark.parametrize("stress", ["deopt:1,osr:1", "deopt:3,osr:2", "osr:1"])
def test_objects_keep_their_identity_through_exits(stress):
    @flashpoint.njit(tier=1, fallback=True)
    def f(n):
        count = 0

        def bump(by=1):
            nonlocal count
            count += by
            return count

        alias = bump
        kept = []
        for i in range(n):
            bump(i)
            if i % 5 == 4:
                kept.append(bump)
            if alias is not bump:
                return "another function"
        return count, len({id(g) for g in kept}), kept[0] is bump, kept[0](), bump(10), count

    before = flashpoint.config.stress
    flashpoint.config.stress = stress
    try:
        assert f(30) == f.py_func(30)
        assert f(30) == f.py_func(30)
    finally:
        flashpoint.config.stress = before


def test_an_escaped_function_is_seen_and_sees():
    """A function that another thread or a list has may be called any time: its cells are read and written as they are."""
    box = []

    def keep(g):
        box.append(g)
        return 0

    def read():
        return box[-1]()

    @flashpoint.njit
    def f(n):
        x = 0

        def get():
            return x

        keep(get)
        total = 0
        for i in range(n):
            x = i
            total += read()
        return total

    assert f(3000) == sum(range(3000))


def test_a_cell_written_by_another_thread_ends_the_loop():
    stop = []

    def keep(g):
        stop.append(g)

    @flashpoint.njit
    def f():
        going = True

        def halt():
            nonlocal going
            going = False

        keep(halt)
        n = 0
        while going:
            n += 1
        return n

    thread = threading.Timer(0.2, lambda: stop[0]())
    thread.start()
    assert f() > 0
    thread.join()


@pytest.mark.parametrize("tier", TIERS)
def test_arrays_in_cells_are_released(tier):
    @flashpoint.njit(tier=tier)
    def f(a, n):
        def put(i):
            a[i % 3] += 1.0
            return a

        for i in range(n):
            b = put(i)
        return b, put

    class Watched(np.ndarray):
        pass

    a = np.zeros(3)
    warm(f, a, 9)
    base = len(gc.get_referrers(a))
    for _ in range(5):
        b, put = f(a, 9)
        assert b is a
        assert put(0) is a
        del b, put
    gc.collect()
    assert len(gc.get_referrers(a)) == base


def test_variables_of_enclosing_functions_stay_live():
    rate = 2

    def outer():
        @flashpoint.njit
        def f(n):
            def g(x):
                return x * rate

            total = 0
            for i in range(n):
                total += g(i)
            return total, g

        return f

    f = outer()
    assert f(2000)[0] == 2 * sum(range(2000))
    rate = 3
    total, g = f(2000)
    assert total == 3 * sum(range(2000))
    rate = 4
    assert g(1) == 4


def in_kwdefaults_of_nested(n):
    def g(*, k=1):
        return k

    named = g.__kwdefaults__
    total = 0
    for i in range(n):
        total += g()
        if i == n // 2:
            named["k"] = 100
    return total


def through_a_weak_reference(n):
    def g(k=1):
        return k

    w = weakref.ref(g)
    total = 0
    for i in range(n):
        total += g()
        if i % 1000 == 999:
            w().__defaults__ = (i,)
    return total


def through_a_weak_reference_to_a_cell_content(n):
    def g(*, k=1):
        return k

    def h():
        return g()

    w = weakref.ref(g)
    total = 0
    for i in range(n):
        total += h()
        if i % 1000 == 999:
            w().__kwdefaults__ = {"k": i}
    return total


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(
    "f", [in_kwdefaults_of_nested, through_a_weak_reference, through_a_weak_reference_to_a_cell_content]
)
def test_defaults_of_nested_functions_that_others_change(f, tier):
    compiled = flashpoint.njit(tier=tier)(f)
    for _ in range(3):
        assert compiled(10_000) == f(10_000)


@pytest.mark.parametrize("tier", TIERS)
def test_a_default_changed_in_the_dictionary_of_a_known_function(tier):
    def plain(x, *, k=1, m=0):
        return x + k + m

    helper = flashpoint.njit(plain)

    @flashpoint.njit(tier=tier)
    def f(n):
        total = 0
        for i in range(n):
            total += helper(i)
        return total

    base = sum(range(3000))
    warm(f, 3000)
    assert f(3000) == base + 3000
    plain.__kwdefaults__["k"] = 100
    assert f(3000) == base + 300_000
    plain.__kwdefaults__["k"] = 0.5
    assert repr(f(3000)) == repr(base + 1500.0)
    plain.__kwdefaults__ = {"k": 2, "m": 1}
    assert f(3000) == base + 9000
    warm(f, 3000)
    del plain.__kwdefaults__["m"]
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'm'"):
        f(3000)
    plain.__kwdefaults__["m"] = 3
    assert f(3000) == base + 15_000


@pytest.mark.parametrize("tier", TIERS)
def test_a_default_changed_in_the_dictionary_by_the_loop(tier):
    def plain(x, *, k=1):
        return x + k

    helper = flashpoint.njit(plain)
    named = plain.__kwdefaults__

    @flashpoint.njit(tier=tier)
    def f(n):
        total = 0
        for i in range(n):
            total += helper(i)
            if i == n // 2:
                named["k"] += 1
        return total

    for _ in range(5):
        k = named["k"]
        assert f(3000) == sum(range(3000)) + 3000 * k + 1499


def test_explain_names_the_line_in_a_nested_function():
    @flashpoint.njit
    def f(n):
        def g(x):
            return [x]

        return g(n)

    with pytest.raises(flashpoint.Unsupported, match=r"test_closures.py:\d\d\d"):
        f(1)


def test_a_function_that_calls_itself_gets_other_defaults():
    def down(n, k=1):
        return k if n <= 0 else compiled(n - 1) + k

    compiled = flashpoint.njit(down)
    for _ in range(100):
        assert compiled(20) == 21
    down.__defaults__ = (7,)
    assert compiled(20) == 147


def test_defaults_that_come_and_go():
    def add(x, k=1):
        return x + k

    def total(n):
        s = 0
        for i in range(n):
            s += compiled(i)
        return s

    compiled, outer = flashpoint.njit(add), flashpoint.njit(total)
    assert outer(3000) == 4_501_500
    for k in range(2, 30):
        add.__defaults__ = None
        add.__defaults__ = tuple([k])
        assert outer(3000) == 4_498_500 + 3000 * k
