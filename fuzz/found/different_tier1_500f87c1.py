"""Found by the fuzzer: different in mode tier1, seed 4032: calls of itself lacked the global array.

[tier1] step 0: value differs
  CPython    ('float64', '0000000000000000')
  flashpoint ('float64', '554889e54883ec10')

Replay: python -m fuzz.compare fuzz/found/different_tier1_500f87c1.py
"""

import numpy as np

GA = np.array([0.5, 2.0], "f8")


@njit
def r0(a0, a1):
    if a0 <= 0:
        return GA[0] + a1
    return r0(a0 - 1, a1) * GA[1]


@njit
def f(n):
    return r0(n, 3)


STEPS = [("call", "f", "[1]"), ("call", "f", "[5]"), ("call", "r0", "[4, 1]")]
