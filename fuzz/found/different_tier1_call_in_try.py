"""Found by the fuzzer: different in mode tier1.

[tier1] step 0: error differs
  CPython    None
  flashpoint SystemError: flashpoint: an unbound slot was read

An exit inside an inlined call forgot the variable that the call would write, which the handler of the call reads.

Replay: python -m fuzz.compare fuzz/found/different_tier1_call_in_try.py
"""

@njit
def f(n):
    r = 0
    def g(x, by):
        if x == 11:
            raise ValueError(x)
        return by
    for i in range(n):
        try:
            pair = (i + 1, 3)
            r = g(*pair)
        except ValueError:
            r += 1000
    return r
STEPS = [("call", "f", "[30]", "{}")]
