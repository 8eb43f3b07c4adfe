"""Calls of compiled functions from tier 0, which run on the interpreter's own stack: as CPython's in every respect."""

import builtins
import gc
import linecache
import sys
import threading
import traceback
import types
import weakref

import pytest

import flashpoint
from subprocesses import interrupt_script, run_script

MANY = 100  # calls after which those from tier 0 go straight to the function


def njit(function=None, **options):
    options = {"tier": 0, "fallback": True, **options}
    return flashpoint.njit(**options)(function) if function else flashpoint.njit(**options)


def warm(function, *args):
    for _ in range(MANY):
        function(*args)


def both(source, **names):
    """What `source` defines, once compiled for tier 0 and once by CPython: two modules."""
    modules = []
    filename = f"<{hash(source)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    for make in (njit, lambda function: function):
        module = types.SimpleNamespace()
        vars(module).update(names, njit=make)
        exec(compile(source, filename, "exec"), vars(module))
        modules.append(module)
    return modules


def test_recursion_gives_what_cpython_gives():
    ours, plain = both("@njit\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)")
    warm(ours.fib, 3)
    assert [ours.fib(n) for n in range(16)] == [plain.fib(n) for n in range(16)]
    assert ours.fib(True) is True and ours.fib(2.5) == plain.fib(2.5)


NESTED = """
@njit
def inner(n):
    if n == 0:
        return 1 // n
    return inner(
        n - 1
    )

@njit
def middle(n):
    try:
        return inner(n)
    finally:
        n += 1

@njit
def outer(n):
    total = 0
    total += middle(n)
    return total
"""


def test_every_frame_has_its_traceback_entry():
    def lines(function):
        try:
            function(3)
        except ZeroDivisionError as error:
            return [(frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)][1:]

    ours, plain = both(NESTED)
    for _ in range(MANY):
        assert lines(ours.outer) == lines(plain.outer)
    assert len(lines(ours.outer)) == 6


def test_an_exception_is_caught_in_a_caller_and_the_run_goes_on():
    @njit
    def fail(n):
        if n % 3 == 0:
            raise ValueError(n)
        return n

    @njit
    def deeper(n):
        return fail(n) + 1

    @njit
    def caught(n):
        out = []
        for i in range(n):
            try:
                out.append(deeper(i))
            except ValueError as error:
                out.append(str(error))
        return out

    expected = [str(i) if i % 3 == 0 else i + 1 for i in range(300)]
    assert caught(300) == expected == caught(300)
    assert sys.exc_info() == (None, None, None)


def test_the_recursion_limit_holds_and_all_works_after():
    @njit
    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    warm(down, 1)
    for _ in range(3):
        with pytest.raises(RecursionError, match="maximum recursion depth exceeded"):
            down(10**6)
        assert down(500) == 500
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(60_000)
    try:
        assert down(50_000) == 50_000
    finally:
        sys.setrecursionlimit(limit)
    with pytest.raises(RecursionError):
        down(10_000)


class Token:
    pass


GIVEN_UP = """
@njit
def use(token, seen):
    reference = weakref.ref(token)
    alive.append(reference() is not None)
    del token
    alive.append(reference() is not None)
    return seen

@njit
def caller(n):
    for _ in range(n):
        use(Token(), Token())
        kept = Token()
        use(kept, 1)
"""


def test_arguments_and_variables_are_given_up_when_cpython_gives_them_up():
    found = []
    for module in both(GIVEN_UP, weakref=weakref, Token=Token):
        module.alive = []
        module.caller(2 * MANY)
        found.append(module.alive[-4:])
    assert found == [[True, False, True, True]] * 2


def test_no_reference_leaks_through_calls_and_exceptions():
    @njit
    def pick(a, b, fail):
        c = [a, b]
        if fail:
            raise KeyError(c)
        return b

    @njit
    def caller(x, y, n):
        out = None
        for i in range(n):
            try:
                out = pick(x, y, i % 2)
            except KeyError:
                pass
        return out

    x, y = Token(), Token()
    caller(x, y, MANY)
    gc.collect()
    before = sys.getrefcount(x), sys.getrefcount(y)
    assert caller(x, y, MANY) is y
    gc.collect()
    assert (sys.getrefcount(x), sys.getrefcount(y)) == before


def test_a_function_that_is_replaced_or_changed_is_called_as_it_is_now():
    ours, _ = both("@njit\ndef callee(x):\n    return x + 1\n@njit\ndef caller(x):\n    return callee(x) * 10")
    other, _ = both("@njit\ndef callee(x):\n    return x + 2")
    warm(other.callee, 1)
    warm(ours.callee, 1)
    warm(ours.caller, 1)
    assert ours.caller(1) == 20
    ours.callee = other.callee  # Another function object under the same name.
    assert ours.caller(1) == 30
    other.callee.__code__ = (lambda x: x + 3).__code__  # The same object with other code.
    assert ours.caller(1) == 40
    ours.callee = lambda x: x + 4
    assert ours.caller(1) == 50
    del ours.callee
    with pytest.raises(NameError, match="name 'callee' is not defined"):
        ours.caller(1)
    ours.callee = other.callee
    assert ours.caller(1) == 40


GLOBALS = """
step = 0

@njit
def bump():
    global step
    step += 1
    return step

@njit
def total(n):
    out = 0
    for i in range(n):
        out += step + bump() + step + len([i])
    return out
"""


def test_a_global_that_changes_between_two_loads_is_seen():
    ours, plain = both(GLOBALS)
    assert ours.total(200) == plain.total(200)
    ours.len = plain.len = lambda _: 100  # A built-in name is covered up, and comes to light again.
    assert ours.total(200) == plain.total(200)
    del ours.len, plain.len
    assert ours.total(200) == plain.total(200)
    builtins.len, saved = (lambda _: 7), builtins.len
    try:
        found = ours.total(200), plain.total(200)
    finally:
        builtins.len = saved
    assert found[0] == found[1] and ours.total(200) == plain.total(200)


def test_many_functions_and_closures_call_one_another():
    def make(k):
        @njit
        def add(x):
            return x + k

        return add

    functions = [make(k) for k in range(50)]
    for function in functions:
        warm(function, 1)

    @njit
    def all_of(functions, x):
        for function in functions:
            x = function(x)
        return x

    assert all_of(functions, 0) == sum(range(50)) == all_of(functions, 0)


def test_loops_in_callees_reach_compiled_code_and_come_back():
    @flashpoint.njit(fallback=True)
    def inner(n, x):
        total = x
        for i in range(n):
            total += i
        return total

    @njit
    def outer(n):
        out = []
        for i in range(n):
            out.append(inner(i * 20, 0.5 if i % 7 == 0 else i))
        return out

    expected = [(0.5 if i % 7 == 0 else i) + sum(range(i * 20)) for i in range(150)]
    assert outer(150) == expected == outer(150)


def test_threads_take_turns_in_a_recursion_without_loops():
    """A thread that waits for another one's word gets it while it computes: calls let other threads run."""
    ours, _ = both(
        "@njit\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "@njit\ndef until(n):\n    while not done:\n        fib(n)\n    return True"
    )
    ours.done = False
    warm(ours.fib, 3)

    def say():
        ours.done = True

    timer = threading.Timer(0.05, say)
    timer.start()
    assert ours.until(20)
    timer.join()
    assert ours.fib(20) == 6765


def test_ctrl_c_ends_a_recursion_without_loops(tmp_path):
    script = """
    import flashpoint

    @flashpoint.njit(tier=0)
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    for _ in range(100):
        fib(3)
    print("looping", flush=True)
    fib(60)
    """
    code, _, errors, seconds = interrupt_script(script, tmp_path)
    assert code != 0 and "KeyboardInterrupt" in errors and seconds < 5


def test_a_huge_limit_ends_with_an_exception_or_an_answer(tmp_path):
    script = """
    import sys
    import flashpoint

    @flashpoint.njit(tier=0)
    def down(n):
        return 0 if n == 0 else down(n - 1) + 1

    @flashpoint.njit(tier=0)
    def wide(n):
        VARIABLES = n
        return 0 if n == 0 else wide(n - 1) + 1

    for _ in range(100):
        down(1)
        wide(1)
    sys.setrecursionlimit(2**31 - 1)
    print(down(300_000), wide(3000))
    try:
        wide(10**9)
    except RecursionError as error:
        print(error)
    print(down(300_000), wide(3000))
    """
    script = script.replace("VARIABLES", " = ".join(f"v{i}" for i in range(300)))
    output, _ = run_script(script, tmp_path=tmp_path, timeout=120)
    assert output == "300000 3000\nmaximum recursion depth exceeded\n300000 3000\n"
