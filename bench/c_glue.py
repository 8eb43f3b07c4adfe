"""Calls the C versions of the programs through ctypes, with the same arguments and results as the Python ones."""

import ctypes

import numpy as np

I, D = ctypes.c_int64, ctypes.c_double


def _p(array):
    kind = I if array.dtype == np.int64 else D
    return array.ctypes.data_as(ctypes.POINTER(kind))


class Programs:
    """`Programs(path).mandelbrot(*args)` takes what `programs.mandelbrot` takes."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        for name in ("dot_self", "nbody", "spectral_norm"):
            getattr(self.lib, name).restype = D
        for name in ("sum_of_squares", "levenshtein", "fib"):
            getattr(self.lib, name).restype = I

    def sum_of_squares(self, n):
        return self.lib.sum_of_squares(I(n))

    def dot_self(self, a):
        return self.lib.dot_self(_p(a), I(len(a)))

    def mandelbrot(self, width, height, x_min, x_max, y_min, y_max, max_iter):
        counts = np.zeros((height, width), dtype=np.int64)
        window = (D(x_min), D(x_max), D(y_min), D(y_max))
        self.lib.mandelbrot(I(width), I(height), *window, I(max_iter), _p(counts))
        return counts

    def nbody(self, position, velocity, mass, steps, dt):
        return self.lib.nbody(_p(position), _p(velocity), _p(mass), I(len(mass)), I(steps), D(dt))

    def spectral_norm(self, n, rounds):
        return self.lib.spectral_norm(I(n), I(rounds))

    def floyd_warshall(self, dist):
        self.lib.floyd_warshall(_p(dist), I(len(dist)))

    def levenshtein(self, a, b):
        return self.lib.levenshtein(_p(a), I(len(a)), _p(b), I(len(b)))

    def collatz(self, limit):
        answer = np.zeros(2, dtype=np.int64)
        self.lib.collatz(I(limit), _p(answer))
        return int(answer[0]), int(answer[1])

    def black_scholes(self, spot, strike, years, rate, volatility, call):
        self.lib.black_scholes(_p(spot), _p(strike), _p(years), D(rate), D(volatility), _p(call), I(len(spot)))

    def heat2d(self, u, steps, alpha):
        result = np.empty_like(u)
        self.lib.heat2d(_p(u), I(u.shape[0]), I(u.shape[1]), I(steps), D(alpha), _p(result))
        return result

    def fib(self, n):
        return self.lib.fib(I(n))

    def matmul_naive(self, a, b, c):
        self.lib.matmul_naive(_p(a), _p(b), _p(c), I(a.shape[0]), I(a.shape[1]), I(b.shape[1]))
