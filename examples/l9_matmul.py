"""L9: a triple-loop matrix product with sizes known only at run time.

Shows the loop as one writes it first, `c[i, j] += a[i, k] * b[k, j]`, for any size, shape, memory order and dtype, with
the bits CPython gives.
"""

import time

import numpy as np

import flashpoint


@flashpoint.njit
def matmul(a, b, c):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


def product(rows, inner, cols, dtype=np.float64, order="C"):
    rng = np.random.default_rng(rows * 10_000 + inner * 100 + cols)
    a = np.asarray(rng.integers(-9, 9, (rows, inner)) / 4, dtype=dtype, order=order)
    b = np.asarray(rng.integers(-9, 9, (inner, cols)) / 4, dtype=dtype, order=order)
    c = np.zeros((rows, cols), dtype=dtype)
    matmul(a, b, c)
    return c


def run(small=False):
    n = 8 if small else 40
    shapes = [(n, n, n), (n, 1, n + 3), (1, n + 5, 1), (n, 0, n), (0, n, n)]
    answers = [product(*shape) for shape in shapes]
    return [*answers, product(n, n, n, np.float32), product(n, n, n, np.int64), product(n, n, n, order="F")]


def main():
    for n in (100, 200, 200, 300, 301):
        a, b, c = np.random.default_rng(0).random((3, n, n))
        c[:] = 0.0
        begin = time.perf_counter()
        matmul(a, b, c)
        seconds = time.perf_counter() - begin
        print(
            f"{n} x {n}: {seconds * 1e3:8.2f} ms, {2 * n**3 / seconds / 1e9:.2f} GFLOP/s, error {abs(c - a @ b).max():.1e}"
        )
    print(matmul.explain())


if __name__ == "__main__":
    main()
