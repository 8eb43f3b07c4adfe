"""Tuples that hold arrays, as parameters and where loops are entered: compiled code knows the arrays in them."""

import sys

import numpy as np
import pytest

import flashpoint
from harness import check
from test_lent_arrays import TIERS, WEIGHTED, large


def arrays(dtype="f8", order="C"):
    a = np.linspace(0.5, 2.0, 6).astype(dtype)
    w = np.asarray(np.arange(12.0).reshape(3, 4) + 1, dtype=dtype, order=order)
    return a, w


def unpacked(t, n):
    s = 0.0
    a, w = t
    for i in range(n):
        s += a[i % 3] * w[i % 3, 1]
        w[i % 3, 0] += 1
    return s


def indexed(t, n):
    s = 0.0
    for i in range(n):
        s += t[0][i % 3] * t[-1][i % 3, 1] + len(t)
    return s, t[1].shape


def chosen(t, n):
    s = 0.0
    for i in range(n):
        s += t[i % len(t)][i % 3]
    return s


def chosen_of_several_types(t, n):
    s = 0.0
    for i in range(n):
        item = t[i % 2]
        s += item[0] if i % 2 == 0 else item[1, 1]
    return s


def looped_over(t, n):
    s = 0.0
    for i in range(n):
        for array in t:
            s += array[i % 3].sum() if array.ndim > 1 else array[i % 3]
    return s


def nested(t, n):
    (a, scale), (w, (flag, k)) = t
    s = 0.0
    for i in range(n):
        s += a[i % 3] * scale + w[1, i % 4]
        if flag:
            k += 1
    return s, k, scale


def swapped(t, n):
    a, b = t
    for i in range(n):
        a[i % 3] += b[(i + 1) % 3]
        a, b = b, a
    return a is t[0], b is t[0], a is t[1], a, b


def views(t, n):
    s = 0.0
    a, w = t
    for i in range(n):
        row = w[i % 3]
        tail = a[1:]
        tail[0] = row[i % 4]
        s += tail[i % 2] + w.T[1, 2]
    return s, row, tail


def with_both(t, n, a):
    for i in range(n):
        a[i % 3] = t[0][i % 3] + i
        t[0][(i + 1) % 3] += a[i % 3]
    return a


def helper(pair, i):
    x, y = pair
    return x[i % 3] - y[i % 3, 0]


def inlined(t, n):
    s = 0.0
    for i in range(n):
        s += helper(t, i) + helper((t[0], t[1]), i)
    return s


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "c16"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "function", [unpacked, indexed, chosen_of_several_types, looped_over, views, inlined], ids=lambda f: f.__name__
)
def test_values(function, dtype, order):
    check(function, arrays(dtype, order), 40)


def test_values_of_other_shapes():
    a, w = arrays()
    check(chosen, (a, a[::-1], a + 1), 40, needs_fallback=True)
    check(chosen, (a, a + 1, a + 2), 40)
    check(nested, ((a, 2.5), (w, (True, 2**63 - 5))), 40)
    check(swapped, (a, a + 1), 41)
    check(swapped, (a, a), 41)
    check(with_both, (a, w), 40, a)
    check(with_both, (a,), 40, a[::2])
    check(unpacked, (a[::2], w[:, ::-1]), 40)


def all_of(*t, n=40):
    s = 0.0
    for i in range(n):
        for array in t:
            s += array[i % 3]
    return s, len(t)


def test_starred_parameters():
    a, w = arrays()
    for t in [(), (a,), (a, a[::2]), (a, a.astype("f4"), a + 1)]:
        check(all_of, *t)


def given_back(t, n):
    s = 0.0
    for i in range(n):
        s += t[0][i % 3]
    return t, t[1], [t[0]], s


def test_what_is_given_back_is_what_was_given():
    def identities(decorate, t):
        f = decorate(given_back)
        results = [f(t, 40) for _ in range(4)]
        return [(u is t, u[0] is t[0], b is t[1], c[0] is t[0], s) for u, b, c, s in results]

    check(identities, arrays(), scenario=True, needs_fallback=True)


def leaves(t, n, start):
    a, w = t
    k = start
    for i in range(n):
        k += 1
        a[i % 6] += k
        w[i % 3, 0] = a[i]
    return k


def test_exits_find_the_arrays():
    check(leaves, arrays(), 6, 2**63 - 3)
    check(leaves, arrays(), 40, 0, raises=IndexError)


def sequence(decorate, function, cases):
    """One wrapper sees all cases in turn, often enough for code of each."""
    f = decorate(function)
    results = []
    for _ in range(3):
        for case in cases:
            try:
                results.append(f(*case))
            except (TypeError, ValueError, IndexError) as error:
                results.append((type(error), str(error)))
    return results, cases


class Sub(np.ndarray):
    pass


def test_tuples_of_other_types_in_turn():
    a, w = arrays()
    read_only = w.copy()
    read_only.flags.writeable = False
    cases = [
        *((arrays(dtype, order), 20) for dtype in ("f8", "f4", "i4", "u1") for order in "CF"),
        ((a, read_only), 20),
        ((a, w[:, ::-1]), 20),
        ((a, w.astype(">f8")), 20),
        ((a, w.astype(object)), 20),
        ((a, w.view(Sub)), 20),
        ((a.tolist(), w), 20),
        ((a, w, a), 20),
        ((a,), 20),
        ((a, None), 20),
        ((w, a), 20),
        ([a, w], 20),
        ((a, w), 20),
    ]
    check(sequence, unpacked, cases, scenario=True, needs_fallback=True)


def test_many_items_and_words():
    a, _ = arrays()
    cube = np.arange(3.0**6).reshape((3,) * 6)[::2, :, ::-1]
    for t in [(a,) * 16, (a,) * 17, (a[::2],) * 16, (cube,) * 8, ((a,) * 16,) * 8, ((((a,),),),)]:

        def f(t, n):
            s = 0.0
            for i in range(n):
                x = t[i % len(t)]
                while type(x) is tuple:
                    x = x[0]
                s += x[0] if x.ndim == 1 else x[0, 0, 0, 0, 0, 1]
            return s

        check(f, t, 30, needs_fallback=True)


def between_calls(decorate, n):
    a, w = arrays()
    t = (a, w.copy())
    f = decorate(unpacked)
    results = []
    for how in range(9):
        for _ in range(3):
            try:
                results.append(f(t, n))
            except (ValueError, IndexError) as error:
                results.append(str(error))
        if how in (1, 4):
            t[1].shape = t[1].shape[::-1]
        elif how == 2:
            t[1].dtype = np.int64
        elif how == 3:
            t[1].dtype = np.float64
        elif how == 5:
            t[1].flags.writeable = False
        elif how == 6:
            t[1].flags.writeable = True
        elif how == 7:
            t[1].resize((500, 40), refcheck=False)
    return results, t


def test_headers_change_between_calls():
    check(between_calls, 30, scenario=True)


def flip(t):
    t[1].shape = t[1].shape[::-1]


def enlarge(t):
    t[1].resize((t[1].shape[0] + 1, t[1].shape[1] + 100), refcheck=False)


def retype(t):
    t[0].dtype = np.int64 if t[0].dtype == np.float64 else np.float64


def protect(t):
    t[1].flags.writeable = not t[1].flags.writeable


def inside(t, n, how):
    s = 0.0
    a, w = t
    for i in range(n):
        if i % 20 == 19:
            how(t)
        try:
            w[0, 1] = i
        except ValueError:
            s += 1000
        s += a[1] + w[1, 0] + w[0, 1] + t[1][1, 2]
    return s


@pytest.mark.parametrize("how", [flip, enlarge, retype, protect], ids=lambda how: how.__name__)
def test_headers_change_inside_a_call(how):
    def run(decorate, n):
        f = decorate(inside)
        results = []
        for _ in range(4):
            t = (np.arange(4.0), np.arange(12.0).reshape(3, 4).copy())
            results.append((f(t, n, how), t))
        return results

    check(run, 130, scenario=True, needs_fallback=True)


def test_arrays_of_a_tuple_are_lent():
    def run(decorate, t, n):
        g = large(decorate, WEIGHTED)

        def f(t, n):
            s = 0.0
            a, w = t
            for i in range(n):
                s += g(a, i % w.shape[0], w) - g(a[1:], i % 2, t[1])
            return s

        f = decorate(f)
        # The code that the loop calls serves calls from outside too, which come by the inline cache.
        return [(f(t, n), [g(t[0], i % 3, t[1]) for i in range(n)]) for _ in range(3)], t

    check(run, (np.linspace(0.1, 1.0, 4), np.arange(16.0).reshape(4, 4) / 100), 60, scenario=True)


@pytest.mark.parametrize("tier", [None, *TIERS])
def test_a_loop_stays_compiled_and_has_no_steps(tier):
    f = flashpoint.njit(unpacked, tier=tier)
    t = arrays()
    for _ in range(70):
        f(t, 1000)
    before = f.counters()["deopts"], *(sys.getrefcount(item) for item in (t, *t))
    for _ in range(4):
        f(t, 1000)
        f(arrays(), 1000)
    # With tiers chosen freely, a loop may be left for better code at any time.
    after = f.counters()["deopts"] if tier else before[0], *(sys.getrefcount(item) for item in (t, *t))
    assert after == before
    told = f.explain()
    assert told.tier >= 1
    assert "FP105" not in str(told), told
