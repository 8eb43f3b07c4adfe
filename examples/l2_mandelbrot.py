"""L2: `mandelbrot(c, max_iter)` on a complex scalar, then on a grid, then with `fastmath`.

Shows complex arithmetic with CPython's own formulas, bit for bit; a compiled function that calls another; and that
a licence to differ is written down where it is granted. Points on the edge of the set may change with it.
"""

import time

import numpy as np

import flashpoint


@flashpoint.njit
def mandelbrot(c, max_iter):
    z = 0j
    for n in range(max_iter):
        if abs(z) > 2.0:
            return n
        z = z * z + c
    return max_iter


@flashpoint.njit
def mandelbrot_grid(width, height, max_iter):
    counts = np.zeros((height, width), dtype=np.int64)
    for row in range(height):
        for col in range(width):
            c = complex(-2.0 + 2.5 * col / width, -1.25 + 2.5 * row / height)
            counts[row, col] = mandelbrot(c, max_iter)
    return counts


@flashpoint.njit(fastmath=True)
def mandelbrot_fast(c, max_iter):
    z = 0j
    for n in range(max_iter):
        if z.real * z.real + z.imag * z.imag > 4.0:
            return n
        z = z * z + c
    return max_iter


def run(small=False):
    size = 20 if small else 200
    points = [mandelbrot(c, 50) for c in (0j, 1 + 1j, -0.75 + 0.1j, 0.25, -2)]
    return [*points, mandelbrot_grid(size, size, 30 if small else 200)]


def main():
    for _ in range(3):
        begin = time.perf_counter()
        counts = mandelbrot_grid(400, 400, 200)
        print(f"400 x 400 points: {time.perf_counter() - begin:.4f} s, mean {counts.mean():.3f} iterations")
    grid = [complex(x, y) for x in np.linspace(-2, 0.5, 60) for y in np.linspace(-1.25, 1.25, 60)]
    differing = sum(mandelbrot(c, 200) != mandelbrot_fast(c, 200) for c in grid)
    print(f"fastmath changes the count of {differing} of {len(grid)} points")
    print(mandelbrot_grid.explain())


if __name__ == "__main__":
    main()
