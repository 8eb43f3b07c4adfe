"""What the engine keeps alive and what it lets go: callees of compiled code, code of dropped functions, forks."""

import gc
import linecache
import os
import sys

import pytest

import flashpoint
from harness import ORACLE
from subprocesses import run_script

pytestmark = pytest.mark.skipif(ORACLE, reason="tests of the engine")


def function_from(text, name="g"):
    """A compiled function of a module of its own, whose globals are returned too."""
    filename = f"<transitions {hash(text)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    module = {}
    exec(compile(text, filename, "exec"), module)
    module[name] = flashpoint.njit(module[name], tier=1)
    return module


RECURSIVE = "def g(n):\n    return n if n < 2 else g(n - 1) + {k}\n"
LOOP = "def g(n):\n    t = 0\n    for i in range(n):\n        t += i * {k}\n    return t\n"


@pytest.mark.parametrize("text", [LOOP, RECURSIVE], ids=["loop", "recursive"])
def test_code_of_dropped_functions_is_given_back(text):
    def drop_some():
        for k in range(300):
            module = function_from(text.format(k=k))
            assert module["g"](5) == module["g"].py_func(5)
            linecache.cache.pop(module["g"].__code__.co_filename)
            module.clear()
        gc.collect()
        return flashpoint._core.code_bytes()

    first = drop_some()
    assert drop_some() <= first


def test_callee_that_learns_is_left_by_a_caller_that_knows_its_old_code():
    """The caller goes on calling the version it was compiled for, after the callee has made a better one."""

    @flashpoint.njit(tier=1)
    def power(x, n):
        y = x
        for _ in range(n):
            y = y * x
        return y

    @flashpoint.njit(tier=1)
    def total(x, n, m):
        s = 0
        for i in range(m):
            s += power(x, n) + i
        return s

    def expected(x, n, m):
        return sum(x ** (n + 1) + i for i in range(m))

    for _ in range(3):
        assert power(3, 4) == 3**5
        assert total(3, 4, 5) == expected(3, 4, 5)
    for _ in range(5):
        assert power(3, 80) == 3**81
        gc.collect()
        assert total(3, 80, 30) == expected(3, 80, 30)
        assert total(3, 4, 5) == expected(3, 4, 5)


def test_caller_sees_a_global_of_its_callee_rebound():
    module = function_from(
        "SCALE = 2\n"
        "def scaled(n):\n    t = 0\n    for i in range(n):\n        t += i * SCALE\n    return t\n"
        "def g(n):\n    return scaled(n) + scaled(n + 1)\n"
    )
    module["scaled"] = flashpoint.njit(module["scaled"], tier=1)
    for scale in (2, 3, 2, 5):
        module["SCALE"] = scale
        for _ in range(3):
            assert module["g"](10) == scale * (45 + 55)


def test_constant_folded_to_nan_does_not_hide_the_source(recwarn):
    def folded(x):
        return (1e308 * 10.0 // 1.0, x)

    compiled = flashpoint.njit(folded)
    result = compiled(3)
    assert result[0] != result[0] and result[1] == 3
    assert not recwarn.list


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "win32", reason="no fork on this system")
def test_forks_while_compiles_are_under_way(tmp_path):
    """Each child calls old and new functions, makes compiles of its own, and ends; none finds a lock taken."""
    script = """
    import os, warnings
    import flashpoint

    warnings.simplefilter("ignore", DeprecationWarning)

    def make(k):
        @flashpoint.njit
        def f(n):
            t = 0
            for i in range(n):
                t += i * i + k
            return t
        return f

    functions = [make(k) for k in range(12)]
    for k, f in enumerate(functions):
        assert f(20_000) == f.py_func(20_000)
        child = os.fork()
        if child == 0:
            g = make(k + 100)
            good = g(20_000) == g.py_func(20_000) and f(5) == f.py_func(5) and functions[0](30_000) > 0
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0, k
    print("all well")
    """
    output, _ = run_script(script, tmp_path=tmp_path)
    assert output == "all well\n"


CALLER = """
def g(n, m):
    t = 0
    for i in range(n):
        t += i
        if i % m == 0:
            t += callee(i, 2.5)
    return t
"""
CALLEE = (
    "def callee(i, x):\n"
    + "".join(f"    i = i + {k} if i % {k + 2} else i - {k}\n" for k in range(20))
    + "    return i\n"
)


def test_a_call_of_a_function_without_code_does_not_leave_the_caller():
    """The callee runs in tier 0, and the caller goes on in compiled code; later calls find the callee's code."""
    plain = function_from(CALLEE, "callee")["callee"].py_func
    g = function_from(CALLER)["g"]
    g.__globals__["callee"] = callee = flashpoint.njit(plain)
    wanted = sum(range(2000)) + sum(plain(i, 2.5) for i in range(0, 2000, 400))
    assert g(2000, 400) == wanted
    left = g.counters()["deopts"], g.counters()["osr_entries"]
    assert g(2000, 400) == wanted
    assert (g.counters()["deopts"], g.counters()["osr_entries"]) == left, g.explain()
    assert callee.counters()["compiles"] == 0
    for _ in range(30):
        g(2000, 400)
    assert callee.counters()["compiles"] >= 1, "stubs count calls"
    assert g(2000, 400) == wanted
    assert g.counters()["deopts"] == left[0], g.explain()


def test_a_caller_links_to_the_version_that_its_callee_has_learnt_to_make():
    text = """
def power(x, n):
    y = x
    for _ in range(n):
        y = y * x
        y = y - 1 if y > 5 else y + 1
        y = y + 2 if y > 6 else y - 1
        y = y - 3 if y > 7 else y + 1
        y = y + 4 if y > 8 else y - 1
        y = y - 5 if y > 9 else y + 1
        y = y + 6 if y > 8 else y - 1
        y = y - 7 if y > 9 else y + 1
        y = y + 4 if y > 8 else y - 1
        y = y - 4 if y > 9 else y + 1
    return 1 if y > 5 else 0

def g(x, n, m):
    s = 0
    for i in range(m):
        s += power(x, n) + i
    return s
"""
    module = function_from(text)
    wanted = module["g"].py_func(3, 45, 50)
    module["power"] = power = flashpoint.njit(module["power"], tier=1)
    g = module["g"]
    for _ in range(3):
        g(3, 3, 50)
    for _ in range(5):
        assert g(3, 45, 50) == wanted
    exits = power.counters()["deopts"]
    assert g(3, 45, 50) == wanted
    assert power.counters()["deopts"] == exits, "the caller calls the version that does not overflow"


def test_recursion_is_compiled_on_the_promise_of_the_first_return():
    @flashpoint.njit(tier=1)
    def fib(n):
        if n < 2:
            return n
        return fib(n - 1) + fib(n - 2)

    assert fib(15) == 610
    counters = fib.counters()
    assert counters["deopts"] == 0, counters
    assert counters["compiles"] == 1, counters


def test_a_broken_promise_of_recursion_costs_no_answer():
    @flashpoint.njit(tier=1)
    def halves(n):
        if n == 0:
            return 0
        return halves(n - 1) + 0.5

    for _ in range(3):
        assert [halves(n) for n in range(5)] == [0, 0.5, 1.0, 1.5, 2.0]
        assert type(halves(0)) is int
