"""Found by the fuzzer: different in mode tier1, seed 1005.

[tier1] step 0: value differs
  CPython    ('complex', ('float', '0x0.0p+0'), ('float', '0x0.0p+0'))
  flashpoint ('complex', ('float', '0x0.0p+0'), ('float', '-0x0.0p+0'))

Replay: python -m fuzz.compare fuzz/found/different_tier1_7e7cad70.py
"""


@njit
def f(x):
    return x**2


STEPS = [("call", "f", "[complex(0.0, -0.0)]"), ("call", "f", "[complex(-1.5, 0.0)]"), ("call", "f", "[2j]")]
