"""Found by the fuzzer: different in mode tier1.

[tier1] step 0: value differs
  CPython    ('int', 15)
  flashpoint ('int', 25)

An exit left the unboxed iterator in the variable, where each `for` copied it.

Replay: python -m fuzz.compare fuzz/found/different_tier1_reversed_in_variable.py
"""

@njit
def f(n):
    r = 0
    values = reversed(range(n))
    for i in range(5):
        for x in values:
            r += x
            if x > 2:
                break
    return r

STEPS = [("call", "f", "[6]", "{}"), ("call", "f", "[3]", "{}")]
