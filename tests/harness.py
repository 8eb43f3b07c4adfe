"""Runs one function in plain CPython and under `njit` in every mode, and compares the answers. Start at `check`.

    @probe((7, 2), (-7, 2), (1, 0), raises=ZeroDivisionError)
    def floor_division(a, b):
        return a // b

registers a function with its argument tuples; `test_probes.py` hands each to `check`. The oracle is CPython in the
same process, never a constant. What is compared: value (see describe.py), exact type, exception class, text, cause
and the lines of the traceback inside the function's file, the arguments after the call, what was printed, and the
warnings (category and text, at least once, at a line of the function).

Environment: FLASHPOINT_TESTS_ORACLE=1 replaces flashpoint by oracle/flashpoint.py (njit is the identity);
FLASHPOINT_TESTS_MODES=tier0,tier1-osr selects modes.
"""

import contextlib
import dataclasses
import functools
import io
import os
import types
import warnings

import flashpoint
from describe import describe, fresh_copy

ORACLE = os.environ.get("FLASHPOINT_TESTS_ORACLE") == "1"


@dataclasses.dataclass(frozen=True)
class Mode:
    """One way to run: a forced tier (None: the engine decides), stress switches, and how often to call."""

    name: str
    tier: int | None = None
    stress: str = ""
    calls: int = 2

    def skip_reason(self):
        if self.tier == 2 and not flashpoint.tier2_available():
            return f"{self.name}: the tier-2 library is absent"
        return None


ALL_MODES = [
    Mode("tier0", tier=0),
    Mode("tier1", tier=1),
    Mode("tier2", tier=2),
    Mode("tier1-deopt", tier=1, stress="deopt:1"),
    Mode("tier1-osr", tier=1, stress="osr:1"),
    Mode("tier2-deopt-osr", tier=2, stress="deopt:1,osr:1"),
    Mode("default", calls=4),
]
# In oracle mode all modes are plain CPython, so two of them say all there is to say.
_chosen = os.environ.get("FLASHPOINT_TESTS_MODES") or ("tier0,default" if ORACLE else "")
MODES = [mode for mode in ALL_MODES if not _chosen or mode.name in _chosen.split(",")]


LONG_TABLE = 20  # above so many cases, one wrapper serves all of them and each case is called once


@dataclasses.dataclass
class Probe:
    """A function, the argument tuples to try (or callables making one), and how to run it."""

    fn: types.FunctionType
    cases: list
    raises: tuple = ()  # what CPython may raise; each must be raised by at least one case
    needs_fallback: bool = False  # uses a construct without typed lowering, so runs with fallback=True
    options: dict = dataclasses.field(default_factory=dict)
    setup: object = None  # called before each sequence of calls, to reset module state
    one_wrapper: bool = False  # all cases go through one wrapper, which sees their types in turn
    scenario: bool = False  # fn takes `njit` as its first argument and decorates functions itself
    name: str = ""

    @property
    def njit_options(self):
        return {"fallback": True, **self.options} if self.needs_fallback else self.options


PROBES: dict[str, Probe] = {}


def probe(*cases, raises=(), **how):
    """Registers the decorated function under `module.function`; it stays a plain function."""

    def register(fn):
        name = f"{fn.__module__.rpartition('.')[2]}.{fn.__name__}"
        assert name not in PROBES, f"two probes are called {name}"
        classes = raises if isinstance(raises, tuple) else (raises,)
        PROBES[name] = Probe(fn, list(cases) or [()], classes, name=name, **how)
        return fn

    return register


def scenario(*cases, **how):
    """Like `probe`, for a function that decorates others itself: its first argument is `njit`."""
    return probe(*cases, scenario=True, **how)


def check(fn, *args, **how):
    """Fails unless `fn(*args)` gives CPython's answer in every mode; options are the fields of `Probe`."""
    raises = how.pop("raises", ())
    raises = raises if isinstance(raises, tuple) else (raises,)
    check_probe(Probe(fn, [args], raises, name=fn.__qualname__, **how))


def check_probe(probe, modes=None):
    """Runs every case of `probe` in every mode and raises one AssertionError that lists all differences."""
    references = [reference_outcomes(probe, case) for case in probe.cases]
    problems = list(_soundness(probe, references))
    for mode in MODES if modes is None else modes:
        if mode.skip_reason():
            continue
        with active(mode):
            problems += _differences(probe, mode, references)
    assert not problems, _report(probe, problems)


def check_default_policy(probe):
    """Without `fallback`, a construct that has no typed lowering is the right answer or the one clear error."""
    problems = []
    for mode in [m for m in MODES if m.name in ("tier1", "default")]:
        for case in probe.cases:
            expected = reference_outcomes(probe, case)[0]
            with active(mode):
                _reset(probe)
                actual = run(bind(dataclasses.replace(probe, needs_fallback=False), mode), case, probe.fn)
            if actual.unsupported is not None:
                problems += [(mode, case, text) for text in _unclear(actual.unsupported, probe.fn)]
            else:
                problems += [(mode, case, text) for text in compare(expected, actual, probe.fn)]
    assert not problems, _report(probe, problems)


@contextlib.contextmanager
def active(mode):
    """Forces the mode's tier and stress switches for all functions called inside."""
    config = flashpoint.config
    before = config.tier, config.stress
    config.tier, config.stress = mode.tier, mode.stress
    try:
        yield
    finally:
        config.tier, config.stress = before


def bind(probe, mode):
    """The callable to run in `mode`: the wrapped function, or the scenario with a decorator for that mode."""
    options = dict(probe.njit_options)
    if mode.tier is not None:
        options["tier"] = mode.tier
    decorate = functools.partial(_decorate, options)
    return functools.partial(probe.fn, decorate) if probe.scenario else decorate(probe.fn)


def _decorate(mode_options, fn=None, **options):
    if fn is None:
        return functools.partial(_decorate, mode_options, **options)
    return flashpoint.njit(fn, **{**mode_options, **options})


def plain_njit(fn=None, **_options):
    """What a scenario gets in the reference run."""
    return fn if fn is not None else (lambda decorated: decorated)


@dataclasses.dataclass
class Outcome:
    """All that a caller of one call can observe."""

    returned: object = None
    raised: object = None  # (class, text, args, cause, context) or None
    trace: tuple = ()  # (function, line) of each traceback entry inside the function's file
    args_after: object = None
    printed: str = ""
    warned: list = dataclasses.field(default_factory=list)  # (category, text, file, line)
    shown: str = ""  # for people
    unsupported: Exception | None = None


def reference_outcomes(probe, case):
    """The answers of plain CPython for as many calls in sequence as any mode makes."""
    _reset(probe)
    target = functools.partial(probe.fn, plain_njit) if probe.scenario else probe.fn
    return [run(target, case, probe.fn) for _ in range(max(_n_calls(mode, probe) for mode in ALL_MODES))]


def _n_calls(mode, probe):
    return mode.calls if len(probe.cases) <= LONG_TABLE else 1


def run(target, case, fn):
    """Calls `target` with fresh copies of the arguments and records everything observable."""
    args = case() if callable(case) else fresh_copy(case)
    outcome, printed, error = Outcome(), io.StringIO(), None
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(printed):
        warnings.simplefilter("always")
        try:
            result = target(*args)
        except Exception as raised:
            error = raised
    if error is None:
        outcome.returned, outcome.shown = describe(result, args), f"{type(result).__name__} {result!r}"
    else:
        outcome.raised, outcome.trace = _describe_error(error), _lines_in(error.__traceback__, fn.__code__.co_filename)
        outcome.shown = f"{type(error).__name__}: {str(error)[:2000]} at {outcome.trace[-3:]}"
        if isinstance(error, flashpoint.Unsupported):
            outcome.unsupported = error
    if not isinstance(error, RecursionError):
        outcome.args_after = describe(args, args)
    outcome.printed = printed.getvalue()
    outcome.warned = [(w.category, str(w.message), w.filename, w.lineno) for w in caught]
    return outcome


def _describe_error(error):
    if isinstance(error, RecursionError):  # where the limit is met decides the end of the text and the depth
        return (RecursionError, str(error)[:32])
    chain = (type(error.__cause__), type(error.__context__), error.__suppress_context__)
    return (type(error), str(error), describe(error.args), *chain)


def _lines_in(traceback, filename):
    entries = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == filename:
            entries.append((code.co_name, traceback.tb_lineno))
        traceback = traceback.tb_next
    return tuple(entries)


def compare(expected, actual, fn):
    """Yields one sentence for each thing a caller could tell apart."""
    if actual.raised != expected.raised or actual.returned != expected.returned:
        yield f"answers\n        {actual.shown}\n      where CPython answers\n        {expected.shown}"
        if actual.shown == expected.shown:
            yield f"(they differ in {actual.returned or actual.raised}, not {expected.returned or expected.raised})"
        return
    if actual.trace != expected.trace and expected.raised and expected.raised[0] is not RecursionError:
        yield f"raises {actual.raised[0].__name__} at {actual.trace}, CPython at {expected.trace}"
    if actual.args_after != expected.args_after:
        yield f"leaves its arguments as {actual.args_after}, CPython as {expected.args_after}"
    if actual.printed != expected.printed:
        yield f"prints {actual.printed!r}, CPython {expected.printed!r}"
    yield from _compare_warnings(expected, actual, fn)


def _compare_warnings(expected, actual, fn):
    wanted = {w[:2]: w[2:] for w in expected.warned}
    given = {w[:2] for w in actual.warned}
    if given != set(wanted):
        yield f"warns {sorted(map(str, given))}, CPython {sorted(map(str, wanted))}"
        return
    own_file, own_lines = fn.__code__.co_filename, lines_of(fn.__code__)
    for key, (file, line) in wanted.items():
        if file == own_file and line in own_lines:
            places = {w[2:] for w in actual.warned if w[:2] == key}
            if not any(place[0] == own_file and place[1] in own_lines for place in places):
                yield f"gives the warning {key[1]!r} at {places}, not at a line of the function"


def lines_of(code):
    """All source lines of a code object and of those nested in it."""
    lines = {line for _, _, line in code.co_lines() if line} | {code.co_firstlineno}
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            lines |= lines_of(const)
    return lines


def _differences(probe, mode, references):
    # A table with few cases gets a new wrapper for each, so that every case meets code that never left by a guard;
    # a long table runs through one wrapper, which also tries the changes of type between its rows.
    one_wrapper, target = probe.one_wrapper or len(probe.cases) > LONG_TABLE, None
    for case, expected in zip(probe.cases, references):
        _reset(probe)
        if target is None or not one_wrapper:
            target = bind(probe, mode)
        for i in range(_n_calls(mode, probe)):
            actual = run(target, case, probe.fn)
            yield from ((mode, case, text) for text in compare(expected[i], actual, probe.fn))
        if mode.name == "tier1" and not probe.scenario and not probe.needs_fallback:
            yield from ((mode, case, text) for text in _not_compiled(target))


def _soundness(probe, references):
    """What CPython raises must be declared, and what is declared must be raised: a typing error is not an answer."""
    for case, (first, *_) in zip(probe.cases, references):
        if first.raised and first.raised[0] not in probe.raises:
            yield (None, case, f"the probe is wrong: CPython raises undeclared {first.shown}")
    unseen = set(probe.raises) - {outcomes[0].raised[0] for outcomes in references if outcomes[0].raised}
    if unseen:
        yield (None, (), f"the probe is wrong: no case raises {unseen}")


def _not_compiled(wrapper):
    """A forced tier that silently stayed in tier 0 would make every comparison empty."""
    if not ORACLE and wrapper.explain().tier < 1:
        yield f"tier 1 was forced, but ran in tier {wrapper.explain().tier}:\n{wrapper.explain()}"


def _unclear(error, fn):
    """What the error for an unsupported construct lacks: the user's file and line, and what to do (STYLE.md, 5)."""
    text, file = str(error), os.path.basename(fn.__code__.co_filename)
    if not any(f"{file}:{line}" in text for line in lines_of(fn.__code__)):
        yield f"the error names no line of the function: {text}"
    if "help" not in text:
        yield f"the error does not say what to do: {text}"


def _reset(probe):
    if probe.setup is not None:
        probe.setup()


def _report(probe, problems):
    lines = [f"{probe.name}: {len(problems)} differences from CPython"]
    for mode, case, text in problems[:12]:
        shown = "made by a function" if callable(case) else ", ".join(map(repr, case))
        lines.append(f"  in {mode.name if mode else 'CPython'}, with ({shown}):\n      {text}")
    if len(problems) > 12:
        lines.append(f"  ... and {len(problems) - 12} more")
    return "\n".join(lines)
