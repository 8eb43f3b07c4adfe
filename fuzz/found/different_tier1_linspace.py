"""Found by the fuzzer: different in mode tier1, seed 1000134.

[tier1] step 0: warned differs
  CPython    frozenset({('RuntimeWarning', 'invalid value encountered in add', False), ('RuntimeWarning', 'invalid value encountered in multiply', False)})
  flashpoint frozenset()

Replay: python -m fuzz.compare fuzz/found/different_tier1_linspace.py
"""

import math

import numpy as np


@njit
def f(p0):
    z = np.linspace(p0, 1.0, 4)
    return z[1]


STEPS = [("call", "f", "[math.inf]"), ("call", "f", "[math.nan]"), ("call", "f", "[-1.7e308]"), ("call", "f", "[0.5]")]
