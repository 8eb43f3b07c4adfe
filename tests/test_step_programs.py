"""Whole programs whose loops hold operations without typed form, with and without objects, under stress too."""

import math

import numpy as np
import pytest

import flashpoint


def objects(n):
    seen = {}
    out = []
    text = ""
    for i in range(n):
        seen[i % 7] = seen.get(i % 7, 0) + i
        out.append(i * 0.5)
        if i % 100 == 0:
            text = f"{text}{i},"
    return seen, sum(out), text


def numbers(a):
    total = 0.0
    for i in range(len(a)):
        total += np.sin(a[i]) * math.gamma(2.5) + np.hypot(a[i], 3.0)
    return total


def big(n):
    x = 1
    for i in range(1, n):
        x = x * i + 1
        if x > 10**60:
            x %= 10**45 + 7
    return x


def raises(n, at):
    values = [1] * at
    total = 0
    for i in range(n):
        try:
            total += values[i]
        except IndexError as error:
            total += len(str(error))
    return total, values[at]


def attribute(points, n):
    total = 0
    for i in range(n):
        p = points[i % 3]
        total += p.real + p.imag
    return total


CASES = [
    (objects, (3000,), True), (numbers, (np.linspace(0, 9, 2000),), False), (big, (1500,), False),
    (raises, (900, 800), True), (attribute, ([1 + 2j, 3, 4.5], 1000), True),
]  # fmt: skip


def outcome(fn, args):
    try:
        return repr(fn(*args))
    except Exception as error:
        lines, tb = [], error.__traceback__
        while tb:
            lines.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
            tb = tb.tb_next
        return repr(error), [line for line in lines if line[0] != "outcome"]


@pytest.mark.parametrize("stress", ["", "deopt:3", "osr:2"])
@pytest.mark.parametrize("tier", [1, 2, None])
@pytest.mark.parametrize(("fn", "args", "fallback"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_same_answer(fn, args, fallback, tier, stress, monkeypatch):
    expected = outcome(fn, args)
    monkeypatch.setattr(flashpoint.config, "stress", stress)
    compiled = flashpoint.njit(fn, tier=tier, fallback=fallback)
    for _ in range(4):
        assert outcome(compiled, args) == expected


def test_the_loop_stays_compiled():
    compiled = flashpoint.njit(numbers, tier=1)
    a = np.linspace(0, 9, 2000)
    for _ in range(5):
        compiled(a)
    before = compiled.counters()["deopts"]
    compiled(a)
    assert compiled.counters()["deopts"] - before <= 1
