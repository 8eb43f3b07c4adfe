"""The twelve loop programs of the benchmarks, at small sizes, in every mode. Their sources live in bench/programs.py."""

import pathlib
import sys

import pytest

import flashpoint
from harness import ALL_MODES, MODES, Probe, active, check_probe

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "bench"))
from programs import CASES, black_scholes, dot_self, mandelbrot, nbody, sum_of_squares  # noqa: E402


@pytest.mark.parametrize("name", CASES)
def test_program(name):
    case = CASES[name]
    args = [case.make_args(size, seed) for size, seed in ((case.small, 1), (case.small + 1, 2))]
    check_probe(Probe(case.fn, args, name=name))


@pytest.mark.parametrize("name", CASES)
def test_program_with_another_dtype(name):
    case = CASES[name]
    check_probe(Probe(case.fn, [case.other_dtype(case.make_args(case.small, 3))], name=name))


@pytest.mark.parametrize("name", CASES)
def test_program_of_smallest_size(name):
    case = CASES[name]
    args = [case.make_args(size, 0) for size in (2, 3)]
    check_probe(Probe(case.fn, args, name=name))


@pytest.mark.parametrize("name", CASES)
def test_dtypes_take_turns(name):
    """One wrapper that sees two dtypes in turn keeps a version for each, and mixes none up."""
    case = CASES[name]
    first = case.make_args(case.small // 2 + 1, 4)
    other = case.other_dtype(first)
    default = [mode for mode in MODES if mode.name == "default"]
    check_probe(Probe(case.fn, [first, other, first], name=name, one_wrapper=True), default)


@pytest.mark.needs_extension
@pytest.mark.parametrize("mode", ALL_MODES, ids=lambda mode: mode.name)
def test_sum_of_squares_outgrows_64_bits(mode):
    """The closed formula stands in for CPython, which would need seconds; 3.1 million is the first such size."""
    if mode not in MODES or mode.skip_reason():
        pytest.skip(mode.skip_reason() or "mode not chosen")
    if mode.stress or mode.tier == 0:
        pytest.skip("minutes under stress")
    with active(mode):
        compiled = flashpoint.njit(sum_of_squares)
        for n in (3_024_616, 3_024_617, 3_024_618, 3_100_000, 1000):
            assert compiled(n) == (n - 1) * n * (2 * n - 1) // 6


def test_long_enough_to_change_tier_inside():
    """Default tiering on a call that runs long enough to be compiled while it runs."""
    default = [mode for mode in MODES if mode.name == "default"]
    check_probe(Probe(mandelbrot, [CASES["mandelbrot"].make_args(40, 1)], name="mandelbrot"), default)
    check_probe(Probe(nbody, [CASES["nbody"].make_args(100, 1)], name="nbody"), default)
    check_probe(Probe(dot_self, [CASES["dot_self"].make_args(20_000, 1)], name="dot_self"), default)
    check_probe(Probe(black_scholes, [CASES["black_scholes"].make_args(3000, 1)], name="black_scholes"), default)
