"""Assignment to slices of arrays: numbers and arrays, broadcast, overlapping, converted, read-only, in hot loops."""

import numpy as np

from harness import probe


def grid(dtype=np.float64):
    return (np.arange(30, dtype=dtype).reshape(5, 6),)


@probe(grid, lambda: grid(np.int8), lambda: grid(np.complex128), lambda: (np.zeros((5, 6), bool),))
def numbers(a):
    for i in range(5):
        a[i, 1:3] = i
        a[:, i] = 7
        a[i:, i:] = True
        a[1:1] = 3
    a[:, ::-2] = 2.0
    a[::2] = np.float32(1.5)
    return a


@probe(
    grid,
    lambda: (np.asfortranarray(np.arange(30.0).reshape(5, 6)),),
    lambda: (np.arange(120.0)[::2].reshape(10, 6)[::-2],),
)
def arrays(a):
    b = a.copy()
    for i in range(4):
        a[i] = b[i + 1]
        a[:, i] = b[:, i + 1]
        a[i:, ::2] = b[i:, 1::2]
        a[i, 1:4] = b[2, 3:0:-1]
    return a


@probe(grid)
def broadcast(a):
    b = np.arange(6.0)
    for i in range(3):
        a[:] = b
        a[1:3, :2] = b[i : i + 1]
        a[i:] = a[i]
        a[:, :] = b[2:3]
        a[0, :] = b[::-1]
    return a


@probe(lambda: (np.arange(20.0),), lambda: (np.arange(40)[::-2],), lambda: (np.arange(20.0) * 1j,))
def overlapping(a):
    for i in range(1, 5):
        a[i:] = a[:-i]
        a[:-i] = a[i:]
        a[::-1] = a
        a[::2] = a[:10]
        a[1:] = a[2:3]
        a[10:2:-1] = a[8:0:-1]
        a[2:10] = a[4:12]
        a[3:3] = a[5:5]
        a[:] = a
        a[i] = i
    return a


@probe(grid, lambda: grid(np.uint8))
def overlapping_rows(a):
    for i in range(4):
        a[1:, :] = a[:-1, :]
        a[:, 1:] = a[:, :-1]
        a[i] = a[i + 1]
        a[:] = a[:, ::-1]
        a[i, 0] = i * 3
    return a


DTYPES = [np.bool_, np.int8, np.uint8, np.int32, np.int64, np.uint64, np.float32, np.float64, np.complex128]


def pairs():
    values = [0, 1, 200, -3, 2**31, 5]
    return [
        (np.zeros(6, to), np.array(values).astype(of))
        for to in DTYPES
        for of in DTYPES
        if not (of is np.complex128 and to is not np.complex128)
    ]


@probe(*pairs())
def conversions(a, b):
    for i in range(3):
        a[i:] = b[i:]
        a[: i + 1] = b[5:6]
    return a


@probe(
    lambda: (np.zeros(4, np.float32), np.array([1.0, 1e300, np.nan, -np.inf])),
    lambda: (np.zeros(4, np.int32), np.array([1.0, 1e300, np.nan, 2.7])),
    lambda: (np.zeros(4, np.float64), np.array([1 + 2j, 1, 2, 3])),
)
def conversions_that_warn(a, b):
    for i in range(3):
        a[i:] = b[i:]
    return a


@probe(
    lambda: (np.zeros(6), 7, np.zeros(6)),
    lambda: (np.zeros(6), 5, np.zeros(6)),
    lambda: (np.zeros(6), 0, np.zeros((2, 6))),
    lambda: (np.broadcast_to(np.zeros(1), (6,)), 5, np.zeros(1)),
    lambda: (np.zeros(6, np.int8), 0, 300),
    lambda: (np.zeros(6, np.int64), 0, np.nan),
    raises=(ValueError, OverflowError),
)
def errors(a, n, b):
    for i in range(4):
        a[i : n - 1] = b
    return a


@probe(lambda: (np.zeros(6), np.arange(5)), (3, 4), raises=(ValueError, TypeError))
def errors_after_stores(a, b):
    for i in range(5):
        a[i:5] = b[i:]
        a[i:] = b[i : 4 + (i == 3)]
    return a


@probe(
    lambda: (np.zeros(0), 5),
    lambda: (np.zeros(5), np.zeros(0)),
    lambda: (np.zeros((3, 0)), np.zeros(0)),
    raises=ValueError,
)
def empty(a, b):
    for _ in range(3):
        a[:0] = 1.0
        a[3:1] = b
        a[:] = b
    return a


@probe(grid)
def zero_dimensional_source(a):
    b = a.reshape(-1)
    for i in range(3):
        a[i] = b[i + 4 :][:1].reshape(())
        a[i, 1:] = a[1:2, 2]
    return a
