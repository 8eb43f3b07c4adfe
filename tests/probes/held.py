"""Values without a type of their own inside compiled loops: large integers, text, lists, dicts, methods, iterators."""

import numpy as np

from harness import probe


@probe((40,), (60,), (200,))
def factorial(n):
    product = 1
    for i in range(1, n + 1):
        product *= i
    return product


@probe((90,), (200,), (700,))
def fibonacci(n):
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


@probe((300, 2**200 + 235), (300, -(2**129) - 3), (300, 2**127 - 1), (3, 0), raises=ZeroDivisionError)
def squares_modulo(n, m):
    x = 3
    for i in range(n):
        x = (x * x + i) % m
    return x


@probe((400,), (3,))
def grows_and_shrinks(n):
    x = 1
    n_large = 0
    for i in range(1, n):
        x = x * i + 1
        if x > 10**60:
            x %= 10**9 + 7
            n_large += 1
    return x, n_large


@probe((2**300, 50), (-(2**300), 50), (2**64, 50), (5, 50))
def halves(x, n):
    steps = 0
    while x not in (0, -1) and steps < 400:
        x >>= 1
        steps += 1
    return x, steps, n


@probe((150,), (0,))
def large_operators(n):
    out = 0
    x = 1 << 130
    for i in range(n):
        x = x * 3 + i
        out ^= x // (i + 1) - x % (i + 7) + (x & (2**140 - 1)) - (~x | i) + abs(-x) % 1000
        if x == out or x < 0:
            out += 1
    return out


@probe((200, 2.5), (200, float("nan")), (200, float("inf")), (200, 1e300), (400, 1e-300))
def large_and_float(n, limit):
    x = 1
    hits = 0
    for i in range(1, n):
        x = x * i % (2**150 + 1) + 2**100
        hits += x > limit
        hits += (x / 2**90 < 1e9) + (float(x) == x)
    return hits


@probe((300,))
def wide_powers(n):
    total = 0
    for i in range(n):
        w = (2**62 + i) * 3
        total += w**2 % 1000 + w**0 + (w / 7.0 > 1e18) + int(w / 3 > 6e17)
    return total


@probe((300, tuple(range(10))))
def wide_index(n, items):
    total = 0
    for i in range(n):
        w = (2**62 + i) * 5
        total += items[w - 2**62 * 5 - i * 5] + items[(w >> 64) % 3]
        for k in range((w >> 62) % 4):
            total += k
    return total


@probe((100, 3), (100, 200), raises=IndexError)
def wide_index_outside(n, at):
    items = (1, 2, 3)
    total = 0
    for i in range(n):
        w = 2**62 * 4 * (i + 1)
        total += items[0]
        if i == at:
            total += items[w]
    return total


@probe((200,), needs_fallback=True)
def appends(n):
    out = []
    push = out.append
    for i in range(n):
        out.append(i * 0.5)
        push(i)
        if len(out) > 150:
            out.pop()
    return out


@probe((120,), needs_fallback=True)
def text(n):
    s = ""
    for i in range(n):
        s += f"{i:>3}," if i % 3 else "x" * (i % 5)
        if s.endswith("9,"):
            s = s[:-1]
    return s, len(s)


@probe((200,), needs_fallback=True)
def counts(n):
    seen = {}
    for i in range(n):
        k = i * i % 11
        seen[k] = seen.get(k, 0) + 1
        if k in seen and seen[k] > 30:
            del seen[k]
    return seen


@probe((list(range(120)),), ([1, 2.5, 3, None] * 30,), ([2**70, 1] * 40,), ([],), needs_fallback=True)
def over_a_list(xs):
    total = 0
    last = None
    for x in xs:
        if x is not None:
            total += x
        last = x
    return total, last


@probe((80,), needs_fallback=True)
def displays(n):
    out = []
    for i in range(n):
        row = [i, i + 1]
        a, *b = row
        t = (row, a)
        for j, v in enumerate(t[0]):
            a += j * v
        out.append((t, {a, i}, {i: b}, [k * k for k in row]))
    return out[-3:]


@probe((list(range(60)), 150), ([], 100), needs_fallback=True)
def caught(xs, n):
    total = 0
    for i in range(n):
        try:
            total += xs[i]
        except IndexError as error:
            total += len(str(error))
    return total


@probe(([1, 2, "three"], 60), ([1, 2, 3], 60), needs_fallback=True, raises=TypeError)
def raises_late(xs, n):
    total = 0
    for i in range(n):
        x = xs[0]
        if i == n - 1:
            x = xs[2]
        total = total + x
    return total


@probe((90,), needs_fallback=True)
def changes_its_type(n):
    x = 0
    seen = []
    for i in range(n):
        k = i % 6
        if k == 0:
            x = 1
        elif k == 1:
            x = 1.5
        elif k == 2:
            x = None
        elif k == 3:
            x = 2**200
        elif k == 4:
            x = "text"
        else:
            x = (x, k)
        if i > n - 8:
            seen.append(x)
    return seen


@probe((64,))
def varies_too_much(n):
    a, b, c = 0, 0, 0
    for i in range(n):
        if i % 2:
            a, b = 0.5 * i, c
        elif i % 3:
            a, c = 2**70 * i, b
        else:
            b, c = i % 5 == 0, a
        if i % 7 == 0:
            a = None
        if a is None:
            a = i
    return a, b, c


@probe((np.uint64(1), 7), (np.uint64(3), 3), (np.int8(-5), 2**70))
def range_that_is_held(start, stop):
    total = 0
    for i in range(start, min(stop, 40)):
        total += i
    for i in range(2**66, 2**66 + 5):
        total += i
    return total
