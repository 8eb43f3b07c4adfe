"""Found by the fuzzer: different in mode osr:1, seed 1795258544145.

[osr:1] step 0: error differs
  CPython    None
  flashpoint ('AttributeError', "'iterator' object has no attribute 'flags'", ('tuple', ('str', "'iterator' object has no attribute 'flags'")), (), None)

Replay: python -m fuzz.compare fuzz/found/different_osr_1_ae01e8c9.py
"""


@njit
def f(p0, p1, p2, p3):
    for i2 in p2:
        pass
    return i2


STEPS = [("call", "f", "[1, 0.0, np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 'c8').reshape(2, 2, 2), 0]")]
