"""The harness itself: it must see every kind of difference, or a green run means nothing."""

import warnings

import numpy as np
import pytest

import harness
from describe import describe, fresh_copy
from harness import compare, run


def differs(ours, theirs, *args):
    return list(compare(run(theirs, args, theirs), run(ours, args, theirs), theirs))


def boom():
    raise ValueError("one")


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (1, True), (1, 1.0), (0.0, -0.0), (np.int64(1), 1), (np.float32(1), np.float64(1)), ((1, 2.0), (1, 2)),
        ([1], (1,)), (1.0, np.float64(1)), (1j, complex(-0.0, 1)), (np.zeros(2), np.zeros(2, "f4")), ({1: 2}, {1: 2.0}),
        (np.zeros((2, 3)), np.zeros((2, 3), order="F")), (np.zeros(2, "<i4"), np.zeros(2, ">i4")),
        (np.array([0.0]), np.array([-0.0])), ({1}, {1.0}), (np.zeros((0, 2)), np.zeros((0, 3))), ("1", b"1"),
    ],
)  # fmt: skip
def test_values_are_told_apart(ours, theirs):
    assert differs(lambda: ours, lambda: theirs)


def test_nans_are_alike():
    nan = float("nan")
    assert describe([nan, complex(nan, -nan)]) == describe([-nan, complex(-nan, nan)])
    assert describe(np.array([nan, 1])) == describe(np.array([-nan, 1]))
    assert describe(np.array([nan, 1], ">c8")) == describe(np.array([-nan, 1], ">c8"))
    assert describe(np.float16(nan)) == describe(-np.float16(nan))


def test_exceptions_are_told_apart():
    def other_text():
        raise ValueError("two")

    def other_line():
        pass
        raise ValueError("one")

    def chained():
        raise ValueError("one") from None

    assert differs(other_text, boom) and differs(other_line, boom) and differs(chained, boom)
    assert differs(lambda: None, boom) and not differs(boom, boom)


def test_warnings_are_told_apart():
    def warn(text="w"):
        warnings.warn(text, RuntimeWarning, stacklevel=1)

    assert differs(lambda: None, warn) and differs(lambda: warn("v"), warn) and not differs(warn, warn)
    assert any(
        "line of the function" in text for text in differs(lambda: warn(), lambda: warnings.warn("w", RuntimeWarning))
    )


def test_argument_state_and_aliasing_are_told_apart():
    assert differs(lambda a: None, lambda a: a.fill(1), np.zeros(2))
    assert differs(lambda a: a.copy(), lambda a: a[:], np.zeros(2))
    assert differs(lambda a: a[:], lambda a: a, np.zeros(2))
    assert differs(lambda a: list(a), lambda a: a, [1])
    assert differs(lambda: print("a"), lambda: None)


def test_copies_keep_the_layout():
    base = np.arange(24.0)
    readonly = base[:4].copy()
    readonly.flags.writeable = False
    odd = np.frombuffer(bytearray(33), np.uint8)[1:].view("f8")
    views = (
        base[::-2],
        base.reshape(4, 6).T,
        base[3:5],
        readonly,
        odd,
        base[:0],
        np.array(3.0),
        np.arange(3, dtype=">i2"),
    )
    copies = fresh_copy(views)
    for old, new in zip(views, copies):
        assert describe(old) == describe(new) and new is not old
        assert old.flags.aligned == new.flags.aligned and old.strides == new.strides
        assert not np.may_share_memory(old, new) or old.size == 0
    copies[0][0] = 99.0
    assert copies[1][5, 3] == 99.0 and base[23] == 23.0


def test_a_probe_that_raises_undeclared_is_wrong():
    with pytest.raises(AssertionError, match="probe is wrong"):
        harness.check(boom)
    harness.check(boom, raises=ValueError)
    with pytest.raises(AssertionError, match="no case raises"):
        harness.check(lambda: 1, raises=KeyError)


def test_modes_set_tier_and_stress():
    for mode in harness.ALL_MODES:
        with harness.active(mode):
            assert (harness.flashpoint.config.tier, harness.flashpoint.config.stress) == (mode.tier, mode.stress)


@pytest.mark.parametrize(
    "text, clear",
    [
        ("{file}:{line}:5 in `boom`\n = help: rewrite it", True),
        ("{file}:{line}:5 in `boom`", False),
        ("no such file:{line}\n = help: rewrite it", False),
    ],
)
def test_the_error_for_unsupported_constructs_must_be_clear(monkeypatch, text, clear):
    text = text.format(file="test_harness.py", line=boom.__code__.co_firstlineno + 1)

    def refuse(fn, **options):
        def call(*args):
            raise harness.flashpoint.Unsupported(text)

        return call

    monkeypatch.setattr(harness.flashpoint, "njit", refuse)
    refused = harness.Probe(boom, [()], raises=(ValueError,), name="boom", needs_fallback=True)
    if clear:
        harness.check_default_policy(refused)
    else:
        with pytest.raises(AssertionError):
            harness.check_default_policy(refused)
    with pytest.raises(AssertionError, match="answers"):
        harness.check_probe(refused)
