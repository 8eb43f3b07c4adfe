"""One program in every mode, against plain CPython. Start at [`check`].

Compared per step, bit for bit: the result (exact types; views by where they point), the exception
(class, message, its context and cause, the program's own frames by function and line), the
arguments and global arrays afterwards, the warnings (category and message, each at least once, at
a line of the program).
Sign and payload of a NaN are not compared (docs/differences.md).

Used by the fuzzer, the minimiser and `tests/test_fuzz_slice.py`, so that all mean the same by
"equal". Does not know how programs are made.
"""

import contextlib
import functools
import linecache
import math
import os
import signal
import sys
import threading
import warnings
from typing import Any, NamedTuple

import numpy as np

from .values import Rng, Table

REFERENCE_LIMIT_S = 1.0  # the minimiser lowers it: it makes endless loops


# CPython before 3.12, once warm, fuses a store with the load after it, and then blames an unbound
# local on the line of the store: its own answer differs from one call to the next.
_UNBOUND_LINE_IS_LOOSE = sys.version_info < (3, 12)


class Mode(NamedTuple):
    """How the functions of a program are compiled: options of `njit`, and the stress switch."""

    name: str
    tier: int | None = None
    stress: str = ""
    rounds: int = 1  # how often the steps are run, so that default tiering gets somewhere
    scripted: bool = False  # low thresholds, and tier 2 is compiled by hand between steps
    fallback: bool = False
    share: float = 1  # how often `rota` draws it, among the modes with tier 2 or among the others

    def uses_tier2(self) -> bool:
        return self.tier == 2 or self.scripted

    def is_available(self) -> bool:
        return (self.tier != 2 or api().tier2_available()) and (
            not self.scripted or hasattr(api()._core, "step_compiler")
        )

    def options(self) -> dict:
        """For `njit`."""
        options = {"fallback": True} if self.fallback else {}
        return options if self.tier is None else options | {"tier": self.tier}


MODES = (
    Mode("tier0", 0, share=2),
    Mode("tier1", 1, share=4),
    Mode("tier2", 2, share=4),
    Mode("osr:1", 1, "osr:1", share=3),
    Mode("osr:3", None, "osr:3", share=0.4),
    Mode("deopt:1", 1, "deopt:1", share=2),
    Mode("deopt:7", 1, "deopt:7", share=2),
    Mode("tier1-deopt:5,osr:2", 1, "deopt:5,osr:2", share=2),
    # About exits and entries, not about what LLVM does last: its code generator is the greater part of its time.
    Mode("tier2-deopt:1", 2, "deopt:1,quick:1", share=1),
    Mode("tier2-deopt:7", 2, "deopt:7,quick:1", share=1),
    Mode("tier2-osr:2", 2, "osr:2,quick:1", share=2.5),
    Mode("deopt:5,osr:2", None, "deopt:5,osr:2", share=0.2),
    Mode("default", rounds=3, share=0.2),
    Mode("scripted", rounds=3, scripted=True, share=1),
    Mode("fallback", 1, fallback=True, share=0.7),
)
# Run on what is `Unsupported` otherwise: it must not answer wrongly either.
FALLBACK = MODES[-1]
# How often one of a program's two modes is one with tier 2: LLVM takes much longer than all the rest, and what its loop
# passes do shows in kernels.
TIER2_CHANCES = {"kernel": 0.55, "idiom": 0.25, "scalars": 0.35, "small": 0.3, "large": 0.08}


class Outcome(NamedTuple):
    """All that a step did, as plain comparable data."""

    value: Any
    error: Any
    warned: frozenset
    arguments: Any
    globals: Any


class Difference(NamedTuple):
    mode: str
    step: int
    what: str  # a field of Outcome
    expected: Any
    got: Any

    def __str__(self) -> str:
        return (
            f"[{self.mode}] step {self.step}: {self.what} differs\n"
            f"  CPython    {self.expected!r:.600}\n  flashpoint {self.got!r:.600}"
        )


class Report(NamedTuple):
    """What became of one program. `status`: same, different, unsupported, slow, invalid."""

    status: str
    difference: Difference | None = None
    reason: str = ""
    raised: bool = False  # some step raised under CPython
    guard_exit: bool = False
    tier_change: bool = False
    n_modes: int = 0


@functools.cache
def api():
    """`flashpoint`, or the stand-in under FLASHPOINT_TESTS_ORACLE=1."""
    if os.environ.get("FLASHPOINT_TESTS_ORACLE") == "1":
        from . import oracle

        return oracle
    import flashpoint

    return flashpoint


def modes(names: str = "all", seed: int = 0, shape: str = "") -> list:
    """`all`; `rota`: two drawn by `seed` according to their shares, at most one of them with tier 2; or a list of names."""
    present = present_modes()
    if names == "all":
        return present
    if names == "rota":
        rng = Rng(~seed)  # not the numbers that the program was made from
        with_tier2 = rng.chance(TIER2_CHANCES.get(shape, 0.5))
        drawn = []
        for tier2 in (False, with_tier2):
            shares = {m: m.share for m in present if m.uses_tier2() == tier2 and m not in drawn}
            drawn += [rng.draw(Table(shares))] if shares else []
        return sorted(drawn, key=present.index)
    wanted = set(split_names(names))
    return [m for m in present if m.name in wanted]


@functools.cache
def present_modes() -> list:
    return [m for m in MODES if m.is_available()]


def split_names(names: str) -> list:
    """Mode names separated by spaces or semicolons (a name may hold a comma)."""
    return names.replace(";", " ").split()


# -- running ------------------------------------------------------------------------------------------


class _TooSlow(BaseException):
    """CPython itself exceeded the limit: such a program is skipped."""


@contextlib.contextmanager
def _time_limit(seconds: float):
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum, frame):
        raise _TooSlow

    previous = signal.signal(signal.SIGVTALRM, stop)
    # Of processor time, since others may use the machine. Repeats: the first may land where it is swallowed.
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def identity(fn=None, **options):
    """What `njit` is for CPython."""
    return fn or identity


class Loaded:
    """A program compiled once; each run gets a fresh module namespace."""

    _serial = 0

    def __init__(self, text: str):
        Loaded._serial += 1
        self.filename = f"<fuzz {os.getpid()}-{Loaded._serial}>"
        # A cache entry without a time stamp is one that `linecache.checkcache` keeps.
        linecache.cache[self.filename] = (len(text), None, text.splitlines(keepends=True), self.filename)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.code = compile(text, self.filename, "exec", dont_inherit=True)
            rewrite = getattr(api(), "plant_in", None)  # the stand-in only
            self.planted = rewrite and rewrite(text, self.filename) or self.code
        self._argument_code: dict = {}

    def close(self) -> None:
        linecache.cache.pop(self.filename, None)

    def namespace(self, njit) -> dict:
        space = {"__name__": "fuzzed", "__builtins__": __builtins__, "njit": njit}
        exec(self.code if njit is identity else self.planted, space)
        return space

    def evaluate(self, text: str, scope: dict):
        code = self._argument_code.get(text)
        if code is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                code = self._argument_code[text] = compile(text, "<argument>", "eval", dont_inherit=True)
        return eval(code, scope)

    def step(self, space: dict, step: tuple) -> Outcome | None:
        kind, name, first, *rest = step
        # One scope for all arguments of a step, so that `(_a := …)` can be passed twice.
        scope = {"np": np, "math": math, "__builtins__": __builtins__}
        if kind == "set":
            space[name] = self.evaluate(first, scope)
            return None
        args = self.evaluate(first, scope)
        kwargs = self.evaluate(rest[0], scope) if rest else {}
        inputs = [*args, *kwargs.values()]
        value = error = None
        # Sets `errno` to 0: CPython's abs() of a complex NaN looks at it without having set it.
        math.fmod(1.0, 1.0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                value = image(space[name](*args, **kwargs), inputs)
            except (KeyboardInterrupt, _TooSlow, api().Unsupported):
                raise
            except BaseException as e:
                error = self.error_image(e)
        warned = frozenset((w.category.__name__, str(w.message), w.filename == self.filename) for w in caught)
        kept = {n: image(v, ()) for n, v in space.items() if n[0] == "G"}
        return Outcome(value, error, warned, tuple(image(x, ()) for x in inputs), kept)

    def error_image(self, e: BaseException, depth: int = 4):
        frames = []
        tb = e.__traceback__
        while tb is not None:
            if tb.tb_frame.f_code.co_filename == self.filename:
                frames.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
            tb = tb.tb_next
        if _UNBOUND_LINE_IS_LOOSE and type(e) is UnboundLocalError and frames:
            frames[-1] = (frames[-1][0], None)
        link = e.__cause__ or (None if e.__suppress_context__ else e.__context__)
        return (
            type(e).__name__,
            str(e),
            image(e.args, ()),
            tuple(frames),
            self.error_image(link, depth - 1) if link is not None and depth else None,
        )


def image(value: Any, inputs) -> Any:
    """`value` as plain data that compares bit for bit; arrays say which of `inputs` they look into."""
    t = type(value)
    if t is float:
        return ("float", "nan" if value != value else value.hex())
    if t is int or t is bool or t is str or value is None:
        return (t.__name__, value)
    if t is complex:
        return ("complex", image(value.real, ()), image(value.imag, ()))
    if t is tuple or t is list:
        return (t.__name__, *(image(v, inputs) for v in value))
    if t is np.ndarray:
        found = None
        if value.size:
            start = value.__array_interface__["data"][0]
            for i, other in enumerate(inputs):
                if type(other) is np.ndarray and np.may_share_memory(value, other):
                    found = (i, value is other, start - other.__array_interface__["data"][0])
                    break
        strides = tuple(s for s, n in zip(value.strides, value.shape) if n > 1) if value.size else ()
        return (
            "array",
            value.dtype.str,
            value.shape,
            strides if found else None,
            value.flags.writeable,
            found,
            _bits(value),
        )
    if isinstance(value, np.generic):
        return (t.__name__, _bits(np.asarray(value)))
    if isinstance(value, dict):
        return (t.__name__, *((k, image(v, inputs)) for k, v in value.items()))
    return (t.__name__, repr(value) if isinstance(value, (range, bytes, slice, type, np.dtype)) else None)


def _bits(value: np.ndarray) -> str:
    if value.dtype.kind == "O":
        return repr(value.tolist())
    value = np.array(value, order="C")
    if value.dtype.kind in "fc":
        parts = value.reshape(-1).view(value.real.dtype)
        parts[parts != parts] = np.nan
    return value.tobytes().hex()


# -- comparing ----------------------------------------------------------------------------------------


def check(text: str, mode_list: list, on_mode=lambda name: None) -> Report:
    """Runs `text` plainly and in each mode; the first difference ends it.

    `on_mode` hears each mode's name before it starts: after a crash its last word says where.
    """
    try:
        loaded = Loaded(text)
    except (SyntaxError, ValueError) as e:
        return Report("invalid", reason=str(e))
    try:
        return _check(loaded, mode_list, on_mode)
    finally:
        loaded.close()


def _check(loaded: Loaded, mode_list: list, on_mode) -> Report:
    on_mode("cpython")
    rounds = max((m.rounds for m in mode_list), default=1)
    try:
        with _time_limit(REFERENCE_LIMIT_S):
            space = loaded.namespace(identity)
            steps = space["STEPS"]
            expected = [loaded.step(space, s) for _ in range(rounds) for s in steps]
    except (_TooSlow, MemoryError):
        return Report("slow")
    except Exception as e:  # only the minimiser makes such programs
        return Report("invalid", reason=f"{type(e).__name__}: {e}")
    errors = [o.error[0] for o in expected if o is not None and o.error is not None]
    if "MemoryError" in errors:  # says how much memory there is, not what Python means
        return Report("slow")
    raised = bool(errors)
    guard_exit = tier_change = False
    for n, mode in enumerate(mode_list):
        on_mode(mode.name)
        refused = ""
        try:
            difference, counts = _run_mode(loaded, mode, expected, steps)
        except api().Unsupported as e:
            refused = f"{mode.name}: {e}"
        if refused:  # behind the handler: what the program raises there would have that exception as its context
            on_mode(FALLBACK.name)
            try:
                difference, _ = _run_mode(loaded, FALLBACK, expected, steps)
            except api().Unsupported as again:
                difference = Difference(FALLBACK.name, 0, "unsupported", None, str(again))
            status = "different" if difference else "unsupported"
            return Report(status, difference, refused, raised, n_modes=n)
        guard_exit |= counts.get("deopts", 0) > 0  # those that stress forced are not counted
        tier_change |= counts.get("osr_entries", 0) + counts.get("tier_changes_in_loop", 0) > 0
        if difference:
            return Report("different", difference, "", raised, guard_exit, tier_change, n + 1)
    return Report("same", None, "", raised, guard_exit, tier_change, len(mode_list))


def _run_mode(loaded: Loaded, mode: Mode, expected: list, steps: list):
    made = []
    fp = api()

    def njit(fn=None, **options):
        if fn is None:
            return functools.partial(njit, **options)
        wrapper = fp.njit(fn, **(options | mode.options()))
        made.append(wrapper)
        return wrapper

    fp.config.stress = mode.stress
    if mode.scripted:
        fp._core.set_background(False)
        fp._core.set_thresholds(2, 20)
    try:
        space = loaded.namespace(njit)
        for i, step in enumerate(s for _ in range(mode.rounds) for s in steps):
            got = loaded.step(space, step)
            while mode.scripted and fp._core.step_compiler():
                pass
            if got != expected[i]:
                if "Unsupported" in repr(got.error):  # the program caught it and raised another
                    raise fp.Unsupported(str(got.error))
                return _difference(mode.name, i, expected[i], got), _counters(made)
        return None, _counters(made)
    finally:
        fp.config.stress = ""
        if mode.scripted:
            fp._core.set_background(True)
            fp._core.set_thresholds(60, 400)


def _difference(mode: str, i: int, expected: Outcome, got: Outcome) -> Difference:
    # An exception where there was none says more than the missing value.
    for what in ("error", "value", "warned", "arguments", "globals"):
        a, b = getattr(expected, what), getattr(got, what)
        if a != b:
            return Difference(mode, i, what, a, b)
    raise AssertionError("unequal outcomes with equal parts")


def _counters(wrappers: list) -> dict:
    total: dict = {}
    for wrapper in wrappers:
        counters = getattr(wrapper, "counters", None)
        for key, n in (counters() if callable(counters) else {}).items():
            if isinstance(n, int):
                total[key] = total.get(key, 0) + n
    return total


def main(argv: list) -> int:
    """`python -m fuzz.compare FILE…`: replays reproducers in all modes, or those given by --modes=…"""
    names = next((a[8:] for a in argv if a.startswith("--modes=")), "all")
    worst = 0
    for path in (a for a in argv if not a.startswith("--")):
        with open(path) as f:
            report = check(f.read(), modes(names))
        print(f"{path}: {report.status} {report.reason}")
        if report.difference:
            print(report.difference)
        worst |= report.status != "same"
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

__all__ = ["FALLBACK", "MODES", "Difference", "Mode", "Report", "check", "modes"]
