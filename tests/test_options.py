"""What the options of `njit` mean, whichever tier runs."""

import numpy as np
import pytest

import flashpoint
from harness import ORACLE

TIERS = [0, 1, *([2] if flashpoint.tier2_available() else []), None]


def wrapped(value):
    return (value + 2**63) % 2**64 - 2**63


def generator(n):
    x = 12345
    for i in range(n):
        x = x * 6364136223846793005 + 1442695040888963407
        x ^= x << 7
        x = -x - i
    return x


def powers(x, k):
    return x**k, x**3, x << k, -x, x - 2**62 - 2**62


@pytest.mark.parametrize("tier", TIERS)
def test_integers_wrap_on_every_tier(tier):
    compiled = flashpoint.njit(generator, overflow="wrap", tier=tier)
    x = 12345
    for i in range(2000):
        x = wrapped(x * 6364136223846793005 + 1442695040888963407)
        x = wrapped(x ^ wrapped(x << 7))
        x = wrapped(-x - i)
    assert [compiled(2000) for _ in range(4)] == [x] * 4

    compiled = flashpoint.njit(powers, overflow="wrap", tier=tier)
    for base in (3, -7, 2**40 + 1, -(2**63), 2**63 - 1):
        for k in (0, 1, 5, 41, 63):
            wanted = tuple(map(wrapped, (base**k, base**3, base << k, -base, base - 2**63)))
            assert [compiled(base, k) for _ in range(3)] == [wanted] * 3


def test_a_small_function_wraps_from_the_first_call_to_the_last():
    square = flashpoint.njit(lambda n: n * n, overflow="wrap")
    assert {square(2**40 + 3) for _ in range(300)} == {wrapped((2**40 + 3) ** 2)}


def with_text(n, lines):
    total = 0
    for i in range(n):
        total += i
    lines.append(f"{total}")
    print("total", total)
    return lines[-1] + "!"


@pytest.mark.skipif(ORACLE, reason="is about code, which that mode has none of")
def test_what_has_run_once_is_never_refused(capsys):
    """It runs on, and `explain()` says which operations have no compiled form."""
    lines = []
    compiled = flashpoint.njit(lambda n: print("total", n))
    for n in range(200):
        compiled(n)
    assert capsys.readouterr().out == "".join(f"total {n}\n" for n in range(200))
    assert any("FP300" in reason for reason in compiled.explain().reasons)

    compiled = flashpoint.njit(with_text, fallback=True)
    for n in [3000] * 5 + [3] * 100:
        assert compiled(n, lines) == with_text(n, lines)


def test_what_is_known_at_the_first_call_is_refused_there():
    @flashpoint.njit
    def collect(a):
        return [x for x in a]

    for _ in range(2):
        with pytest.raises(flashpoint.Unsupported):
            collect(np.arange(3))


@pytest.mark.skipif(ORACLE, reason="is about code, which that mode has none of")
def test_exits_of_code_that_was_replaced_are_told():
    def squares(n):
        total = 0
        for i in range(n):
            total += i * i
        return total

    compiled = flashpoint.njit(squares)
    assert compiled(10**7) == sum(i * i for i in range(10**7))
    told = [line for line in compiled.explain().deopts if "FP200" in line]
    assert len(told) == 1 and f"line {squares.__code__.co_firstlineno + 3}" in told[0]
