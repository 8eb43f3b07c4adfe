"""Found by the fuzzer: hang in mode deopt:7, seed 2001898: a version was made for each value of the global.

Replay: python -m fuzz.compare fuzz/found/hang_deopt_7_global.py
"""

G0 = 2


@njit
def f(n):
    global G0
    total = 0
    for i in range(n):
        G0 += i & 3
        total += G0
    return total


STEPS = [("call", "f", "[4000]"), ("set", "G0", "7"), ("call", "f", "[3000]")]
