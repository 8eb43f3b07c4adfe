"""Operations without typed form inside compiled loops: tier 0 runs them one at a time, and the loop stays compiled.

First what a step promises, one thing at a time; then whole programs, with and without objects, under stress too.
"""

import collections
import math
import random
import sys
import traceback
import warnings

import numpy as np
import pytest

import flashpoint
from harness import check

TIERS = [1, 2] if flashpoint.tier2_available() else [1]


def warm(fn, *args, n=4):
    """Calls that let tier 0 see the operations' types, and the versions made before that go."""
    for _ in range(n):
        fn(*args)


def stays_compiled(fn, *args):
    """Whether a further call leaves compiled code nowhere."""
    before = fn.counters()["deopts"]
    fn(*args)
    return fn.counters()["deopts"] == before


def mixed(a):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * np.cbrt(a[i]) + math.gcd(i, 12)
    return total


def floats(a):
    total = 0.0
    for i in range(len(a)):
        total += np.sin(a[i]) * math.gamma(2.5) + np.hypot(a[i], 3.0)
    return total


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("fn", [mixed, floats])
def test_a_loop_with_foreign_functions_stays_compiled(fn, tier):
    f = flashpoint.njit(fn, tier=tier)
    a = np.linspace(0.0, 9.0, 2000)
    warm(f, a)
    assert stays_compiled(f, a)
    assert f(a) == fn(a)


@pytest.mark.parametrize("tier", TIERS)
def test_every_kind_of_operand_arrives(tier):
    seen = []

    def note(*values):
        seen.append(values)
        return len(values)

    @flashpoint.njit(tier=tier)
    def f(a, x, flag, n):
        total = 0
        for i in range(n):
            wide = (i + 1) * 2**62 * 8
            total += note(
                a[i], a[1:3], np.float32(x), np.int8(i), flag, i > 1, wide, (i, x), complex(x, i), None, range(i)
            )
        return total

    def shown(values):
        return [(type(v), v.tolist() if isinstance(v, np.ndarray) else v) for v in values]

    args = (np.arange(5.0), 0.5, True, 4)
    warm(f, *args)
    seen.clear()
    assert f(*args) == 44
    compiled = [shown(values) for values in seen]
    seen.clear()
    f.py_func(*args)
    assert compiled == [shown(values) for values in seen]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("kind", [int, float, bool, complex, np.float64, np.float32, np.int16, np.uint64, np.bool_])
def test_every_kind_of_result_comes_back(tier, kind):
    def make(i):
        return kind(i % 2 == 0) if kind in (bool, np.bool_) else kind(i)

    @flashpoint.njit(tier=tier)
    def f(n):
        total = 0
        for i in range(n):
            if make(i):
                total += i
        last = make(n)
        return total, last

    warm(f, 6)
    result, expected = f(6), f.py_func(6)
    assert result == expected
    assert type(result[1]) is type(expected[1])


@pytest.mark.parametrize("tier", TIERS)
def test_wide_integers_come_back(tier):
    def shifted(i):
        return i << 70

    @flashpoint.njit(tier=tier)
    def f(n):
        total = 0
        for i in range(n):
            total ^= shifted(i) if i != 3 else i
        return total

    warm(f, 6)
    assert f(6) == f.py_func(6)


@pytest.mark.parametrize("tier", TIERS)
def test_an_exception_has_its_line_and_the_state_it_left(tier):
    @flashpoint.njit(tier=tier)
    def f(a, bad):
        for i in range(len(a)):
            a[i] += 1
            a[i] = math.gcd(i, bad if i == 3 else 2)
        return 0

    a = np.zeros(6, dtype=np.int64)
    warm(f, a, 4)
    outcomes = []
    for fn in (f, f.py_func):
        a = np.zeros(6, dtype=np.int64)
        with pytest.raises(TypeError) as caught:
            fn(a, 1.5)
        frame = traceback.extract_tb(caught.value.__traceback__)[-1]
        outcomes.append((str(caught.value), frame.lineno, frame.name, a.tolist()))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("tier", TIERS)
def test_an_exception_is_caught_in_the_same_function(tier):
    @flashpoint.njit(tier=tier)
    def f(n):
        caught = 0
        for i in range(n):
            try:
                caught += math.gcd(i, 2) if i % 3 else math.gcd(i, 0.5)
            except TypeError:
                caught += 100
        return caught

    warm(f, 9)
    assert f(9) == f.py_func(9)


@pytest.mark.parametrize("tier", TIERS)
def test_a_result_of_another_type_is_that_result(tier):
    values = [1, 2, 3, 0.5, "text", None, 2**200]

    def pick(i):
        return values[i]

    @flashpoint.njit(tier=tier)
    def f(i, n):
        last = 0
        for _ in range(n):
            last = pick(i)
        return last

    warm(f, 0, 3)
    for i, value in enumerate(values):
        assert f(i, 3) == value
        assert type(f(i, 3)) is type(value)


LIMIT = 3


def lower_the_limit(i):
    global LIMIT
    if i == 2:
        LIMIT = 1
    return i


@pytest.mark.parametrize("tier", TIERS)
def test_what_an_operation_changes_is_seen_behind_it(tier):
    @flashpoint.njit(tier=tier)
    def f(n):
        total = 0
        for i in range(n):
            total += lower_the_limit(i) * LIMIT
        return total

    global LIMIT
    for _ in range(4):
        LIMIT = 3
        f(2)
    LIMIT = 3
    result = f(5)
    LIMIT = 3
    assert result == f.py_func(5)
    LIMIT = 3


@pytest.mark.parametrize("tier", TIERS)
def test_lists_and_dicts_under_fallback(tier):
    @flashpoint.njit(tier=tier, fallback=True)
    def f(out, table, n):
        for i in range(n):
            out.append(i * i)
            table[i % 3] = table.get(i % 3, 0) + i
        return n

    warm(f, [], {}, 5)
    results = []
    for fn in (f, f.py_func):
        out, table = [], {}
        fn(out, table, 7)
        results.append((out, table))
    assert results[0] == results[1]


@pytest.mark.parametrize("tier", TIERS)
def test_inside_inlined_and_recursive_functions(tier):
    @flashpoint.njit
    def helper(i):
        return math.gcd(i, 6)

    @flashpoint.njit(tier=tier)
    def f(n):
        total = 0
        for i in range(n):
            total += helper(i)
        return total

    @flashpoint.njit(tier=tier)
    def g(n):
        if n < 1:
            return 0
        return g(n - 1) + math.gcd(n, 6)

    warm(f, 10)
    warm(g, 10)
    assert f(10) == sum(math.gcd(i, 6) for i in range(10))
    assert g(30) == sum(math.gcd(i, 6) for i in range(1, 31))
    with pytest.raises(TypeError) as caught:
        f(1.5)
    assert "integer" in str(caught.value)


def objects(n):
    seen = {}
    out = []
    text = ""
    for i in range(n):
        seen[i % 7] = seen.get(i % 7, 0) + i
        out.append(i * 0.5)
        if i % 100 == 0:
            text = f"{text}{i},"
    return seen, sum(out), text


def big(n):
    x = 1
    for i in range(1, n):
        x = x * i + 1
        if x > 10**60:
            x %= 10**45 + 7
    return x


def raises(n, at):
    values = [1] * at
    total = 0
    for i in range(n):
        try:
            total += values[i]
        except IndexError as error:
            total += len(str(error))
    return total, values[at]


def attribute(points, n):
    total = 0
    for i in range(n):
        p = points[i % 3]
        total += p.real + p.imag
    return total


CASES = [
    (objects, (3000,), True), (floats, (np.linspace(0, 9, 2000),), False), (big, (1500,), False),
    (raises, (900, 800), True), (attribute, ([1 + 2j, 3, 4.5], 1000), True),
]  # fmt: skip


def outcome(fn, args):
    try:
        return repr(fn(*args))
    except Exception as error:
        lines, tb = [], error.__traceback__
        while tb:
            lines.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
            tb = tb.tb_next
        return repr(error), [line for line in lines if line[0] != "outcome"]


@pytest.mark.parametrize("stress", ["", "deopt:3", "osr:2"])
@pytest.mark.parametrize("tier", [*TIERS, None])
@pytest.mark.parametrize(("fn", "args", "fallback"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_program_gives_the_same_answer(fn, args, fallback, tier, stress, monkeypatch):
    expected = outcome(fn, args)
    monkeypatch.setattr(flashpoint.config, "stress", stress)
    compiled = flashpoint.njit(fn, tier=tier, fallback=fallback)
    for _ in range(4):
        assert outcome(compiled, args) == expected


def warned(x):
    warnings.warn(f"of {x}", UserWarning, stacklevel=2)
    return x


def calls_what_warns(x):
    y = warned(x)
    y += len([frame for frame in traceback.extract_stack()[-3:] if frame.name == "warns_in_a_loop"])
    return y


def warns_in_a_loop(n):
    s = 0
    for i in range(n):
        s += calls_what_warns(i)
        if i == n - 1:
            s += warned(i)
    return s


def test_python_code_sees_the_frames_of_inlined_callers():
    check(warns_in_a_loop, 30, needs_fallback=True)


def draws(generator, n):
    total = 0.0
    for _ in range(n):
        total += generator.random() + generator.getrandbits(8)
    return total


def queues(queue, n):
    for i in range(n):
        queue.append(i)
        queue.rotate(1)
        queue.popleft()
    return queue


def frames_made(fn, *args):
    """Calls of Python frames while `fn` runs."""
    calls = []
    sys.setprofile(lambda frame, event, arg: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        fn(*args)
    finally:
        sys.setprofile(None)
    return len(calls)


@pytest.mark.parametrize("tier", [0, *TIERS])
@pytest.mark.parametrize(("fn", "make"), [(draws, random.Random), (queues, collections.deque)])
def test_methods_that_look_at_no_frame_are_given_none(fn, make, tier):
    f = flashpoint.njit(fn, tier=tier, fallback=True)
    warm(f, make([1]) if make is collections.deque else make(1), 50)
    left, right = (make([1]), make([1])) if make is collections.deque else (make(1), make(1))
    assert f(left, 1000) == fn(right, 1000)
    assert frames_made(f, left, 100) <= 1


@pytest.mark.parametrize("tier", [0, *TIERS])
def test_an_argument_that_is_an_object_may_look_at_frames(tier):
    class Bits:
        def __index__(self):
            return len(sys._getframe(1).f_code.co_name)

    def named(generator, bits, n):
        total = 0
        for _ in range(n):
            total += generator.getrandbits(bits)
        return total

    f = flashpoint.njit(named, tier=tier, fallback=True)
    warm(f, random.Random(1), Bits(), 50)
    assert f(random.Random(1), Bits(), 500) == named(random.Random(1), Bits(), 500)


@pytest.mark.parametrize("tier", TIERS)
def test_a_step_runs_compiled_code_that_has_steps(tier):
    @flashpoint.njit(tier=tier, fallback=True)
    def inner(values, n):
        for i in range(n):
            values.append(math.gcd(i, 12))
        if n == 7:
            raise KeyError(n)
        return (values[-1], 2**70 + n, n * 0.5, "text")

    class Calls:
        def __call__(self, values, n):
            return inner(values, n)

    def outer(calls, values, n):
        seen = []
        caught = 0
        for i in range(n):
            try:
                seen.append((i, calls(values, i % 9 + 1)))
            except KeyError:
                caught += 1
            seen.append(len(values) + i * 0.5)
        return seen, caught

    f = flashpoint.njit(outer, tier=tier, fallback=True)
    warm(f, Calls(), [], 40)
    assert f(Calls(), [], 200) == outer(Calls(), [], 200)


def appends(values, n):
    for i in range(n):
        values.append(i * 0.5)
    return len(values)


def counts(table, n):
    for i in range(n):
        table[i % 50] = table.get(i % 50, 0) + i
    return table


def rare(values, n):
    total = 0
    for i in range(n):
        total += i * i
        if i % 1000 == 0:
            values.append(total)
    return total


def busy(values, n):
    total = 0.0
    for i in range(n):
        x = i * 0.5
        y = x * x - 3.0 * x + 1.0
        total += y / (x + 1.0) if y > 2.0 else y * x
        values.append(total)
    return total


def wide(values, n):
    total = 1
    for i in range(n):
        total = (total * 3 + i) % (2**89 - 1)
    return total


def nest(values, n):
    total = 0
    for i in range(n // 50):
        for j in range(50):
            total += i * j
        values.append(values.pop())
    return total


def inlined(values, n):
    def add(x):
        values.append(x)

    for i in range(n):
        add(i)
    return len(values)


@pytest.mark.parametrize(
    ("fn", "make", "is_left"),
    [
        (appends, list, True),
        (counts, dict, True),
        (rare, list, False),
        (busy, list, False),
        (wide, list, False),
        (nest, lambda: [1], False),
        (inlined, list, False),
    ],
)
def test_a_loop_that_is_mostly_steps_is_left_to_tier_0(fn, make, is_left):
    f = flashpoint.njit(fn, fallback=True)
    for _ in range(80):
        assert f(make(), 5000) == fn(make(), 5000)
    assert ("FP311" in str(f.explain())) == is_left
    # Code for calls may have been made before the first one was seen to run.
    before = f.counters()
    for _ in range(80):
        assert f(make(), 5000) == fn(make(), 5000)
    after = f.counters()
    if is_left:
        assert [after[of] for of in ("compiles", "osr_entries", "deopts")] == [
            before[of] for of in ("compiles", "osr_entries", "deopts")
        ]
    else:
        assert after["compiles"] > 0


def test_a_tier_that_is_asked_for_compiles_a_loop_of_steps():
    f = flashpoint.njit(appends, tier=1, fallback=True)
    warm(f, [], 2000)
    assert f([], 2000) == 2000
    assert f.counters()["compiles"] > 0
