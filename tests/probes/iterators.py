"""`enumerate`, `zip` and `reversed` in loops: nested, strict, over ranges, arrays and tuples, and used twice."""

import numpy as np

from harness import probe


def arrays():
    return np.arange(12.0), np.arange(12)[::-1].copy(), np.arange(24.0).reshape(12, 2)


@probe(arrays, lambda: (np.zeros(0), np.zeros(0, dtype=int), np.zeros((0, 2))))
def nested_iterators(a, b, c):
    total = 0.0
    for i, (x, (j, y)) in enumerate(zip(a, enumerate(b, start=5)), 100):  # noqa: B905
        total += i * x + j * y
    for row, k in zip(c, range(3, 50, 4)):  # noqa: B905
        for l, z in enumerate(row):
            total += z * k + l
    for x, y, z in zip(a[::-1], b[1:], range(10**18, 0, -7)):  # noqa: B905
        total += x + y + z % 5
    return total


@probe(arrays)
def outer_loop_over_an_iterator(a, b, c):
    total = 0.0
    for i, row in enumerate(c):
        for j in range(3):
            for x in row:
                total += x * i + j
    for (i, x), y in zip(enumerate(a), reversed(b)):  # noqa: B905
        n = 0
        while n < 3:
            total += i * x + y
            n += 1
    return total


@probe(arrays)
def reversed_sequences(a, b, c):
    total = 0
    for x in reversed(a):
        total += x
        a[0] = 100
    for i in reversed(range(3, 20, 4)):
        total = total * 3 + i
    for i in reversed(range(20, -3, -5)):
        total = total * 3 + i
    for i in reversed(range(5, 5)):
        total = total * 3 + i
    return total


@probe(arrays)
def reversed_rows(a, b, c):
    total = 0.0
    for row in reversed(c):
        for x in reversed(row):
            total = total * 1.5 + x
    return total


@probe((2**63 - 1, 2**63 - 4), (-(2**63), -(2**63) + 3), (2**63 - 2, -(2**63)), (0, 5))
def reversed_ranges_at_the_limits(a, b):
    total = 0
    step = 1 if a < b else -1
    n = 0
    for i in reversed(range(a, b, step)):
        total += i
        n += 1
        if n > 20:
            break
    for i in reversed(range(a, b)):
        total += i
        n += 1
        if n > 40:
            break
    return total, n


@probe((5, 5), (4, 5), (5, 4), (0, 0), (0, 1), raises=ValueError)
def strict_zip(n, m):
    total = 0
    for i, j in zip(range(n), range(m), strict=True):
        total += i * j
    return total


@probe((3, 3, 3), (3, 3, 2), (3, 2, 3), (2, 3, 3), (3, 4, 4), raises=ValueError)
def strict_zip_of_three(n, m, k):
    total = 0
    for i, (x, y, z) in enumerate(zip(range(n), np.arange(m), range(k), strict=True)):
        total += i * x * y * z
    return total


@probe((3, 3), (4, 3), raises=ValueError)
def strict_and_loose(n, m):
    total = 0
    for (i, j), x in zip(zip(range(n), range(m), strict=True), range(100)):  # noqa: B905
        total += i * j + x
    return total


@probe(arrays)
def iterator_used_twice(a, b, c):
    pairs = enumerate(a)
    total = 0.0
    for i, x in pairs:
        total += i * x
        if i == 3:
            break
    for i, x in pairs:
        total += 100 * i
    both = zip(a, b)  # noqa: B905
    for (x, y), (z, w) in zip(both, both):  # noqa: B905
        total += x * 2 + y * 3 + z * 5 + w * 7
    return total


@probe(arrays)
def iterator_left_over(a, b, c):
    first = enumerate(a)
    total = 0.0
    for x, (i, y) in zip(b, first):  # noqa: B905
        if x == 6:
            break
        total += x * i + y
    return total, next(first)[0]


@probe((3,), (0,))
def tuples_in_zip(n):
    total = 0
    for i in range(n):
        for x, y in zip((1, 2.5, 3), (i, i + 1, 4)):  # noqa: B905
            total += x * y
        for j, x in enumerate((i, 2, True)):
            total += j * x
        for x in reversed((1, 2, 3)):
            total = total * 2 + x
    return total


@probe(lambda: (np.arange(6.0),))
def array_changes_under_the_iterator(a):
    total = 0.0
    for i, x in enumerate(a):
        total += x
        a[(i + 1) % 6] += total
    return total


@probe((np.float32(2.0), 40))
def enumerate_start_near_the_limit(x, n):
    total = 0
    for i, j in enumerate(range(n), 2**62 - 3):
        total ^= i + j
    for i, j in enumerate(range(n), 2**70):
        total ^= i + j
    return total, x
