"""The loops that Flashpoint is measured on: ordinary Python, written as a user of Numba would write it.

`CASES` maps a name to a `Case`: the function, how to make its arguments, and the sizes. Nothing here is decorated:
each peer compiles the same function objects, and plain CPython is the reference for the answer. `exact` and `calls`
below hold the small kernels of two further bars, the cost of exactness and of one call.

This module is imported inside measured processes, so it imports nothing but `math` and NumPy.
"""

import math

import numpy as np


def sum_of_squares(n):
    total = 0
    for i in range(n):
        total += i * i
    return total


def dot_self(a):
    total = 0.0
    for i in range(len(a)):
        total += a[i] * a[i]
    return total


def mandelbrot(width, height, x_min, x_max, y_min, y_max, max_iter):
    counts = np.zeros((height, width), dtype=np.int64)
    for row in range(height):
        ci = y_min + (y_max - y_min) * row / height
        for col in range(width):
            cr = x_min + (x_max - x_min) * col / width
            zr = 0.0
            zi = 0.0
            n = 0
            while n < max_iter:
                zr2 = zr * zr
                zi2 = zi * zi
                if zr2 + zi2 > 4.0:
                    break
                zi = 2.0 * zr * zi + ci
                zr = zr2 - zi2 + cr
                n += 1
            counts[row, col] = n
    return counts


def nbody(position, velocity, mass, steps, dt):
    """Moves the bodies in place and returns the total energy."""
    n = len(mass)
    for _ in range(steps):
        for i in range(n):
            for j in range(i + 1, n):
                dx = position[i, 0] - position[j, 0]
                dy = position[i, 1] - position[j, 1]
                dz = position[i, 2] - position[j, 2]
                d2 = dx * dx + dy * dy + dz * dz
                magnitude = dt / (d2 * math.sqrt(d2))
                velocity[i, 0] -= dx * mass[j] * magnitude
                velocity[i, 1] -= dy * mass[j] * magnitude
                velocity[i, 2] -= dz * mass[j] * magnitude
                velocity[j, 0] += dx * mass[i] * magnitude
                velocity[j, 1] += dy * mass[i] * magnitude
                velocity[j, 2] += dz * mass[i] * magnitude
        for i in range(n):
            position[i, 0] += dt * velocity[i, 0]
            position[i, 1] += dt * velocity[i, 1]
            position[i, 2] += dt * velocity[i, 2]
    energy = 0.0
    for i in range(n):
        vx, vy, vz = velocity[i, 0], velocity[i, 1], velocity[i, 2]
        energy += 0.5 * mass[i] * (vx * vx + vy * vy + vz * vz)
        for j in range(i + 1, n):
            dx = position[i, 0] - position[j, 0]
            dy = position[i, 1] - position[j, 1]
            dz = position[i, 2] - position[j, 2]
            energy -= mass[i] * mass[j] / math.sqrt(dx * dx + dy * dy + dz * dz)
    return energy


def spectral_norm(n, rounds):
    u = np.ones(n)
    v = np.zeros(n)
    w = np.zeros(n)
    for _ in range(rounds):
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += u[j] / ((i + j) * (i + j + 1) // 2 + i + 1)
            w[i] = total
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += w[j] / ((i + j) * (i + j + 1) // 2 + j + 1)
            v[i] = total
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += v[j] / ((i + j) * (i + j + 1) // 2 + i + 1)
            w[i] = total
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += w[j] / ((i + j) * (i + j + 1) // 2 + j + 1)
            u[i] = total
    uv = 0.0
    vv = 0.0
    for i in range(n):
        uv += u[i] * v[i]
        vv += v[i] * v[i]
    return math.sqrt(uv / vv)


def floyd_warshall(dist):
    """Replaces the edge lengths by the lengths of the shortest paths, in place."""
    n = dist.shape[0]
    for k in range(n):
        for i in range(n):
            for j in range(n):
                through = dist[i, k] + dist[k, j]
                if through < dist[i, j]:
                    dist[i, j] = through


def levenshtein(a, b):
    n = len(b)
    previous = np.arange(n + 1)
    current = np.zeros(n + 1, dtype=np.int64)
    for i in range(len(a)):
        current[0] = i + 1
        for j in range(n):
            cost = 0 if a[i] == b[j] else 1
            current[j + 1] = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
        previous, current = current, previous
    return previous[n]


def collatz(limit):
    """Returns the start below `limit` with the longest chain, and the length of that chain."""
    best = 1
    longest = 0
    for start in range(1, limit):
        x = start
        length = 0
        while x != 1:
            if x % 2 == 0:
                x //= 2
            else:
                x = 3 * x + 1
            length += 1
        if length > longest:
            longest = length
            best = start
    return best, longest


def black_scholes(spot, strike, years, rate, volatility, call):
    """Writes the price of a European call option for each element into `call`."""
    for i in range(len(spot)):
        root = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / root
        d2 = d1 - root
        n1 = 0.5 * (1.0 + math.erf(d1 / math.sqrt(2.0)))
        n2 = 0.5 * (1.0 + math.erf(d2 / math.sqrt(2.0)))
        call[i] = spot[i] * n1 - strike[i] * math.exp(-rate * years[i]) * n2


def heat2d(u, steps, alpha):
    """Five-point stencil with a fixed border; returns the new temperatures and leaves `u` alone."""
    rows, cols = u.shape
    old = u.copy()
    new = u.copy()
    for _ in range(steps):
        for i in range(1, rows - 1):
            for j in range(1, cols - 1):
                around = old[i - 1, j] + old[i + 1, j] + old[i, j - 1] + old[i, j + 1]
                new[i, j] = old[i, j] + alpha * (around - 4.0 * old[i, j])
        old, new = new, old
    return old


def fib(n):
    if n < 2:
        return n
    return fib(n - 1) + fib(n - 2)


def matmul_naive(a, b, c):
    rows, inner = a.shape
    cols = b.shape[1]
    for i in range(rows):
        for j in range(cols):
            total = 0.0
            for k in range(inner):
                total += a[i, k] * b[k, j]
            c[i, j] = total


class Case:
    """One program: `make_args(size, seed)` gives fresh arguments; `size` is for measuring, `small` for tests."""

    def __init__(self, fn, make_args, size, small, other_dtype, step=1):
        self.name = fn.__name__
        self.fn = fn
        self.make_args = make_args
        self.size = size
        self.small = small
        self.other_dtype = other_dtype  # maps arguments to arguments of another dtype, for the "new dtype" bar
        self.step = step  # how much the size differs from one round to the next

    def size_in_round(self, round_idx):
        """Sizes of different rounds differ, so that nothing can be tuned to one extent."""
        return self.size + self.step * (round_idx % 5 - 2)


def jitter(seed):
    """Yields reproducible floats in [0, 1) without importing a random number generator into a measured start."""
    state = (seed * 2654435761 + 12345) % 2**32
    while True:
        state = (state * 1664525 + 1013904223) % 2**32
        yield state / 2**32


def _sum_args(size, seed):
    return (size + seed % 10,)


def _dot_args(size, seed):
    return (np.random.default_rng(seed).standard_normal(size),)


def _mandelbrot_args(size, seed):
    shift = 0.001 * next(jitter(seed))
    return size, size, -2.0 + shift, 0.5 + shift, -1.25, 1.25, 200


PLANETS = (  # mass, position, velocity of sun, Jupiter, Saturn, Uranus, Neptune (Computer Language Benchmarks Game)
    (39.47841760435743, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    (0.03769367487038949, 4.841431442464721, -1.1603200440274284, -0.10362204447112311,
     0.606326392995832, 2.81198684491626, -0.02521836165988763),
    (0.011286326131968767, 8.34336671824458, 4.124798564124305, -0.4035234171143214,
     -1.0107743461787924, 1.8256623712304119, 0.008415761376584154),
    (0.0017237240570597112, 12.894369562139131, -15.111151401698631, -0.22330757889265573,
     1.0827910064415354, 0.8687130181696082, -0.010832637401363636),
    (0.0020336868699246304, 15.379697114850917, -25.919314609987964, 0.17925877295037118,
     0.979090732243898, 0.5946989986476762, -0.034755955550407805),
)  # fmt: skip


def _nbody_args(size, seed):
    table = np.array(PLANETS)
    noise = jitter(seed)
    for row in range(1, len(table)):
        for col in range(1, 4):
            table[row, col] *= 1.0 + 0.01 * next(noise)
    table[0, 4:] = -(table[1:, 4:] * table[1:, :1]).sum(axis=0) / table[0, 0]
    return table[:, 1:4].copy(), table[:, 4:].copy(), table[:, 0].copy(), size, 0.01


def _spectral_args(size, seed):
    return size + seed % 3, 10


def _floyd_args(size, seed):
    rng = np.random.default_rng(seed)
    dist = rng.integers(1, 1000, (size, size))
    dist[rng.random((size, size)) < 0.8] = 10**9
    np.fill_diagonal(dist, 0)
    return (dist,)


def _levenshtein_args(size, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 26, size), rng.integers(0, 26, size + 7)


def _collatz_args(size, seed):
    return (size + seed % 100,)


def _black_scholes_args(size, seed):
    rng = np.random.default_rng(seed)
    spot, strike = rng.uniform(5.0, 30.0, size), rng.uniform(1.0, 100.0, size)
    return spot, strike, rng.uniform(0.25, 10.0, size), 0.02, 0.3, np.zeros(size)


def _heat_args(size, seed):
    return np.random.default_rng(seed).uniform(0.0, 100.0, (size, size + 3)), min(10, size), 0.1


def _fib_args(size, seed):
    return (size,)


def _matmul_args(size, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((size, size + 1)), rng.standard_normal((size + 1, size))
    return a, b, np.zeros((size, size))


def _narrow(args):
    """Arrays of float64 become float32 and those of int64 int32; scalars stay."""
    narrower = {"d": np.float32, "l": np.int32}
    return tuple(a.astype(narrower[a.dtype.char]) if isinstance(a, np.ndarray) else a for a in args)


def _first_as_int32(args):
    return (np.int32(args[0]), *args[1:])


def _floyd_int32(args):
    return (np.minimum(args[0], 10**8).astype(np.int32),)


CASES = {
    case.name: case
    for case in (
        Case(sum_of_squares, _sum_args, 1_000_000, 1000, _first_as_int32, step=20_000),
        Case(dot_self, _dot_args, 1_000_000, 1000, _narrow, step=20_000),
        Case(mandelbrot, _mandelbrot_args, 320, 24, _first_as_int32, step=4),
        Case(nbody, _nbody_args, 8_000, 20, _narrow, step=100),
        Case(spectral_norm, _spectral_args, 340, 12, _first_as_int32, step=6),
        Case(floyd_warshall, _floyd_args, 200, 12, _floyd_int32, step=2),
        Case(levenshtein, _levenshtein_args, 1000, 25, _narrow, step=10),
        Case(collatz, _collatz_args, 100_000, 300, _first_as_int32, step=1000),
        Case(black_scholes, _black_scholes_args, 100_000, 50, _narrow, step=1000),
        Case(heat2d, _heat_args, 512, 12, _narrow, step=5),
        Case(fib, _fib_args, 30, 12, _first_as_int32, step=0),
        Case(matmul_naive, _matmul_args, 208, 12, _narrow, step=3),
    )
}


def fresh(args):
    """Copies the arrays among `args`, because some programs write into them."""
    return tuple(a.copy() if hasattr(a, "copy") else a for a in args)
