"""Found by the fuzzer: different in mode tier2-osr:2, seed 1795270463733.

[tier2-osr:2] step 0: value differs
  CPython    ('float64', '000000000000f07f')
  flashpoint ('float64', '0000000000000000')

Replay: python -m fuzz.compare fuzz/found/different_tier2_osr_2_781511f2.py
"""

import numpy as np

@njit
def f(x, y, u, v):
    r0 = np.sqrt(x) if x else 1 * y
    return r0
STEPS = [('call', 'f', '[0.0, np.float64(math.inf), 0.0, math.inf]')]
