"""Found by the fuzzer: different in mode scripted, seed 4001188: a guard behind a converted branch left by the exit of the
guard inside of it.

[scripted] step 3: value differs
  CPython    ('float64', '000000000000f03f')
  flashpoint ('float64', '0000000000000040')

Replay: python -m fuzz.compare fuzz/found/different_scripted_14f2d96a.py
"""


@njit
def f(x, y):
    r0 = x + 1 if y else x
    r1 = 1 // y
    return r0, r1


STEPS = [("call", "f", "[np.float64(0.0), np.float64(1.0)]"), ("call", "f", "[np.float64(1.0), np.float64(0.0)]")]
