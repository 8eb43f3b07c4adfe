"""Found by the fuzzer: different in mode tier0, seed 1795258544143.

[tier0] step 0: warned differs
  CPython    frozenset()
  flashpoint frozenset({('NotCompiledWarning', "[FP401] `f` runs in CPython, uncompiled: the source no longer matches the function's code\\n  --> <fuzz 27325-136>:1 in `f`\\n   = help: reload the module", False)})

Replay: python -m fuzz.compare fuzz/found/different_tier0_2997ece7.py
"""


@njit
def f(p0, p1):
    v8 = 76.7494 * 1.7976931348623157e308 // 1.0


STEPS = [("call", "f", "{}")]
