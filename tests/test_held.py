"""Held values: who owns what on every way through and out of compiled code, when finalizers run, threads and signals."""

import gc
import sys

import pytest

import flashpoint
from harness import check
from subprocesses import interrupt_script, run_script

TIERS = [1, 2, None] if flashpoint.tier2_available() else [1, None]


class Thing:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Thing(self.value + other)

    def get(self):
        return self.value


class Boom(Exception):
    pass


SHARED = Thing(7)


def make(i, at=-1):
    if i == at:
        raise Boom(i)
    return Thing(i)


def overwrites(n):
    x = make(0)
    for i in range(n):
        x = make(i)
        y = x
        z = y + i  # noqa: F841
    return x


def raises(n, at):
    x = make(0)
    keep = x
    for i in range(n):
        x = make(i, at)
        keep = x
    return keep


def catches(n, at):
    x = make(0)
    count = 0
    for i in range(n):
        try:
            x = make(i % 50, at)
        except Boom:
            count += 1
    return count, x.value


def returns_inside(n):
    x = make(0)
    for i in range(n):
        x = x + i
        if i == n - 1:
            return x
    return None


def deletes(n):
    for i in range(n):
        x = make(i)
        del x
    return 0


def replaces_its_parameter(p, n):
    for i in range(n):
        p = p + i
    return 0


def iterates(things):
    total = 0
    for thing in things:
        total += thing.get()
        last = thing  # noqa: F841
    return total


def packs(n):
    total = 0
    for i in range(n):
        a, b = (make(i), make(i + 1))
        both = (a, b)
        total += len(both)
    return total


def helper(i):
    thing = make(i)
    other = thing
    return other.get()


def inlines(n):
    total = 0
    for i in range(n):
        total += helper(i)
    return total


CASES = [
    (overwrites, (300,)),
    (raises, (300, 200)),
    (raises, (300, -1)),
    (catches, (300, 7)),
    (returns_inside, (300,)),
    (deletes, (300,)),
    (replaces_its_parameter, (SHARED, 300)),
    (iterates, ([SHARED] * 300,)),
    (packs, (300,)),
    (inlines, (300,)),
]


def n_things():
    gc.collect()
    return sum(isinstance(o, (Thing, Boom)) for o in gc.get_objects())


@pytest.mark.parametrize("stress", ["", "deopt:1", "deopt:3", "osr:1", "deopt:2,osr:3"])
@pytest.mark.parametrize("tier", TIERS)
def test_nothing_is_kept_and_nothing_released_twice(tier, stress, monkeypatch):
    monkeypatch.setattr(flashpoint.config, "stress", stress)
    for fn, args in CASES:
        compiled = flashpoint.njit(fn, tier=tier, fallback=True)
        things, references = n_things(), sys.getrefcount(SHARED)
        for _ in range(6):
            try:
                compiled(*args)
            except Boom:
                pass
        assert n_things() == things, fn.__name__
        assert sys.getrefcount(SHARED) == references, fn.__name__


def test_objects_end_when_python_ends_them():
    events = []

    class Noisy:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            events.append(self.name)

    def f(n):
        last = None
        for i in range(n):
            x = Noisy(("x", i))
            y = x  # noqa: F841
            events.append(("made", i))
            x = Noisy(("again", i))
            last = i
        events.append("end")
        return last

    compiled = flashpoint.njit(f, tier=1, fallback=True)
    for _ in range(5):
        events.clear()
        compiled(30)
    found = events[:]
    events.clear()
    f(30)
    assert found == events


FACTOR = 1


def test_a_finalizer_that_rebinds_a_global_is_seen_behind_it():
    class Rebinds:
        def __init__(self, i):
            self.i = i

        def __del__(self):
            global FACTOR
            if self.i == 50:
                FACTOR = 10

    def f(n):
        total = 0
        for i in range(n):
            x = Rebinds(i)
            x = None  # noqa: F841
            total += FACTOR
        return total

    global FACTOR
    compiled = flashpoint.njit(f, tier=1, fallback=True)
    results = []
    for fn in (f, compiled, compiled, compiled, compiled, f):
        FACTOR = 1
        results.append(fn(80))
    FACTOR = 1
    assert set(results) == {results[0]}


@pytest.mark.parametrize("tier", TIERS)
def test_loops_with_held_values_stay_compiled(tier):
    def factorial(n):
        product = 1
        for i in range(1, n):
            product *= i
        return product

    def modular(n):
        x = 3
        for i in range(n):
            x = (x * x + i) % (2**200 + 235)
        return x

    def appends(n):
        out = []
        text = ""
        table = {}
        for i in range(n):
            out.append(i)
            text += "x"
            table[i % 3] = i
        return len(out) + len(text) + len(table)

    def over(things):
        total = 0
        for x in things:
            total += x
        return total

    for fn, arg in ((factorial, 100), (modular, 200), (appends, 200), (over, list(range(200)))):
        compiled = flashpoint.njit(fn, tier=tier, fallback=True)
        for _ in range(6):
            assert compiled(arg) == fn(arg)
        before = compiled.counters()["deopts"]
        assert compiled(arg) == fn(arg)
        assert compiled.counters()["deopts"] == before, fn.__name__


def test_a_result_of_two_types_settles():
    """The guard on a result's type fails a few times; then the result is held."""
    values = [1, 2.5]

    def f(n):
        total = 0
        for i in range(n):
            total = values[i % 2] + total * 0
        return total

    compiled = flashpoint.njit(f, tier=1, fallback=True)
    for _ in range(8):
        assert compiled(40) == f(40)
    before = compiled.counters()["deopts"]
    compiled(40)
    assert compiled.counters()["deopts"] == before


LARGE = 3**250


def arithmetic(n, p, q):
    """On integers that are held, constant, parameters, small and bool."""
    x, results = LARGE + p, []
    for i in range(n):
        y = x // (i + 1) + (p * q if i % 2 else -p)
        results.append((x + i, x * y, x // 10**90, -y % (i + 7), x / (y or 1), (y % 97) ** i))
        x = x * 5 - y
        x += i
    return results, x


def bits_and_comparisons(n, p, q):
    x, results = LARGE + p, []
    for i in range(n):
        y = x % q - i
        results.append((x << i, y >> (i % 5), x & LARGE, y | i, ~x, -y, x < y, y <= p, x == LARGE, y >= 1e300))
        x ^= y
    return results, x


def wide(n):
    results = []
    for i in range(n):
        w = 10**25 + i
        results.append((w / 3, w**2, w < 1e26, w == 1e25, w * w, w**-1))
    return results


def raises_at(n, what):
    x, y = LARGE, 0
    for i in range(n):
        z = x + i
        if i == n - 2:
            if what == 0:
                y = z // (i - i)
            elif what == 1:
                y = z << -z
            elif what == 2:
                y = z**40 / 3
            elif what == 3:
                y = z % (y * z)
            elif what == 4:
                y = z < "text"
            elif what == 5:
                y = z * 1e300 * z**9
        y = y + z
        y = 0
    return y


@pytest.mark.parametrize("function", [arithmetic, bits_and_comparisons])
def test_operators_on_large_integers(function):
    check(function, 12, 7**120, 11**60, needs_fallback=True)


def test_operators_on_integers_of_128_bits():
    check(wide, 12, needs_fallback=True)


@pytest.mark.parametrize("what", range(6))
def test_operators_on_large_integers_that_raise(what):
    raised = (ZeroDivisionError, ValueError, OverflowError, ZeroDivisionError, TypeError, OverflowError)[what]
    check(raises_at, 40, what, needs_fallback=True, raises=raised)


class SetsTheStep:
    def __init__(self, step):
        self.step = step

    def __del__(self):
        global STEP
        if self.step % 16 == 15:
            STEP = self.step


STEP = 0


def overwrites_by_an_operator(n):
    s, large = 0, LARGE
    for i in range(n):
        x = SetsTheStep(i)
        x = large + i
        s += STEP
        large = x - i
    return s, large


@pytest.mark.parametrize("tier", TIERS)
def test_a_finalizer_of_what_an_operator_overwrites_is_seen_behind_it(tier, monkeypatch):
    compiled = flashpoint.njit(overwrites_by_an_operator, tier=tier, fallback=True)
    for n in (10, 60, 100):
        monkeypatch.setattr(sys.modules[__name__], "STEP", 0)
        expected = overwrites_by_an_operator(n)
        monkeypatch.setattr(sys.modules[__name__], "STEP", 0)
        assert compiled(n) == expected


def test_operators_on_large_integers_keep_nothing():
    def work(n, m):
        x, y = LARGE, 1
        for i in range(n):
            y = x % m
            x = x * 3 + y
            x = x % (m * m)
            y = -y
            if y > x:
                return None
        return y

    m = 7**200
    compiled = flashpoint.njit(work, tier=1)
    assert compiled(1000, m) == work(1000, m)
    gc.collect()
    before = sys.getallocatedblocks()
    compiled(5000, m)
    assert sys.getallocatedblocks() - before < 500
    assert sys.getrefcount(m) < 10


def test_explain_names_what_is_held():
    def f(n):
        out = []
        for i in range(n):
            out.append(i)
        return out

    compiled = flashpoint.njit(f, tier=1, fallback=True)
    for _ in range(3):
        compiled(50)
    text = str(compiled.explain())
    assert "the attribute `append` of a held value" in text
    assert "a list: the operation has no typed form" in text and "(what it gives is held)" in text


def test_objects_behind_a_held_value_are_no_error_by_default():
    pick = [None, object()].__getitem__

    def behind(n):
        kept = pick(n)
        return [kept is None]

    def before(n):
        return [n], pick(n)

    compiled = flashpoint.njit(behind, tier=1)
    assert [compiled(n) for n in (1, 1, 0, 1, 1, 0)] == [[False], [False], [True], [False], [False], [True]]
    refused = flashpoint.njit(before)
    for _ in range(3):
        with pytest.raises(flashpoint.Unsupported, match="a list has no compiled form"):
            refused(3)


@pytest.mark.parametrize("loop", ["x = x * 3 % (2**150 + 1)", "out.append(1); out.pop()"])
def test_ctrl_c_inside_such_a_loop(loop, tmp_path):
    script = f"""\
import traceback
import flashpoint

@flashpoint.njit(fallback=True)
def spin(x, out, n):
    for _ in range(n):
        {loop}
    return x

for _ in range(4):
    spin(2**140, [], 1000)
print("looping", flush=True)
try:
    spin(2**140, [], 10**12)
except KeyboardInterrupt as error:
    print(traceback.extract_tb(error.__traceback__)[-1].name)
"""
    status, output, errors, seconds = interrupt_script(script, tmp_path)
    assert (status, output) == (0, "spin\n"), errors
    assert seconds < 10


def test_threads_share_what_is_held(tmp_path):
    script = """
import sys, threading
import flashpoint

sys.setswitchinterval(1e-4)

@flashpoint.njit(fallback=True)
def work(out, n):
    x = 1
    for i in range(n):
        x = (x * 3 + i) % (2**140 + 7)
        out.append(x)
        if len(out) > 1000:
            out.clear()
    return x

out = []
expected = work.py_func([], 3000)
results = []
threads = [threading.Thread(target=lambda: results.append(work(out, 3000))) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(results == [expected] * 4)
"""
    assert run_script(script, tmp_path=tmp_path)[0] == "True\n"
