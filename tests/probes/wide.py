"""Integers between 64 and 128 bits, and beyond, in loops: division, remainder, shifts, floats."""

import numpy as np

from harness import probe


@probe((500, 10**18 + 9), (500, -(10**15) - 37), (40, 2**70 + 1), (3, 0), raises=(ZeroDivisionError,))
def products_modulo(n, m):
    x = 3
    for _ in range(n):
        x = (x * x + 1) % m
    return x


@probe((300, 7), (300, -7), (300, 10**19), raises=())
def quotients(n, d):
    total = 0
    x = 2**62
    for i in range(n):
        big = x * (i + 1) * 3
        total += big // d - (-big) // d
    return total


@probe((130,), (200,))
def shifts(n):
    out = 0
    for i in range(n):
        x = (2**61 + i) * 5
        out ^= (x >> (i % 70)) + (x << (i % 9)) + ((-x) >> i)
    return out


@probe((126,), (140,))
def powers_of_two(n):
    total = 0
    for i in range(n):
        total += 1 << i
    return total


@probe((400,))
def as_floats(n):
    total = 0.0
    for i in range(n):
        x = (2**62 + i * 12345677) * (i + 3)
        total += x * 1.5 + float(x) - (x + 0.5)
    return total


@probe((np.array([0.0, -0.0, 1.5, np.nan, -np.inf, 2.0]), 1.5), (np.array([3, -4, 5], dtype=np.int32), 4))
def extrema(a, b):
    last = a[0]
    for i in range(len(a)):
        last = np.maximum(a[i], np.minimum(b, 2))
    low = np.minimum(last, a[1])
    return last, low, np.maximum(3, 4), np.minimum(2.5, 1)
