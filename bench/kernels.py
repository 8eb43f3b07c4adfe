"""The small kernels behind two bars: the cost of one call, and the cost of Python's exact answers.

The inputs of `EXACT` never overflow, so that both sides of a pair compute the same numbers and only the checks differ.
"""

import numpy as np


def add_one(x):
    return x + 1


def extent(a):
    return a.shape[0]


def add_int64(a, b, c):
    for i in range(len(a)):
        c[i] = a[i] + b[i]


def sum_ints(a):
    total = 0
    for i in range(len(a)):
        total += int(a[i])
    return total


def dot_ints(a, b):
    total = 0
    for i in range(len(a)):
        total += int(a[i]) * int(b[i])
    return total


def dot_numpy_ints(a, b):
    total = np.int64(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


def scale_and_add(a, b, c):
    for i in range(len(a)):
        c[i] = 1.5 * a[i] + b[i]


def dot_floats(a, b):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


def _two_ints(size, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(-(2**20), 2**20, size), rng.integers(-(2**20), 2**20, size)


def _two_floats(size, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(size), rng.standard_normal(size)


EXACT = {
    "add_int64": (add_int64, lambda size, seed: (*_two_ints(size, seed), np.zeros(size, dtype=np.int64))),
    "sum_ints": (sum_ints, lambda size, seed: _two_ints(size, seed)[:1]),
    "dot_ints": (dot_ints, _two_ints),
    "dot_numpy_ints": (dot_numpy_ints, _two_ints),
    "scale_and_add": (scale_and_add, lambda size, seed: (*_two_floats(size, seed), np.zeros(size))),
    "dot_floats": (dot_floats, _two_floats),
}
