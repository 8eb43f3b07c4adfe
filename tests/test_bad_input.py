"""What is not a plain numeric function in a file gets its documented answer or a clear error."""

import copy
import doctest
import importlib.util
import inspect
import linecache
import pickle
import types
import warnings

import numpy as np
import pytest

import flashpoint
from harness import ORACLE, Probe, check, check_default_policy, plain_njit
from subprocesses import run_script

needs_extension = pytest.mark.needs_extension


def total(x, n):
    out = x
    for i in range(n):
        out += i * x
    return out


@flashpoint.njit
def module_level(x):
    return x * 2 + 1


def call_and_collect(fn, *args, calls=2):
    """The results of a few calls, and all warnings of decorating and calling."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compiled = flashpoint.njit(fn)
        results = [compiled(*args) for _ in range(calls)]
    return results, [str(w.message) for w in caught]


def assert_one_source_warning(messages):
    if not ORACLE:
        assert len(messages) == 1 and "source" in messages[0].lower(), messages


def assert_compiled(fn, *args):
    """Tier 1 is reached, so the source was found."""
    compiled = flashpoint.njit(fn, tier=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = compiled(*args)
    assert ORACLE or compiled.explain().tier >= 1, str(compiled.explain())
    return result


# --- What njit is applied to ---


@needs_extension
@pytest.mark.parametrize("thing", [len, int, None, 3, "text", np.sin, object(), types.SimpleNamespace, [].append])
def test_njit_of_something_else_says_what_to_do(thing):
    with pytest.raises(TypeError) as caught:
        flashpoint.njit(thing)
    assert "function" in str(caught.value), "the text says that njit takes a Python function"


@needs_extension
@pytest.mark.parametrize(
    "options",
    [
        {"teir": 1},
        {"tier": 7},
        {"tier": "fast"},
        {"overflow": "clamp"},
        {"signature": 5},
        {"fastmath": {"nsz"}},
        {"fallback": "no"},
        {"tier": True},
    ],
)
def test_wrong_options_are_named(options):
    with pytest.raises((TypeError, ValueError)) as caught:
        flashpoint.njit(total, **options)
    assert next(iter(options)) in str(caught.value)


@needs_extension
@pytest.mark.parametrize("option", ["parallel", "cache", "nogil", "error_model"])
def test_an_option_of_numba_is_answered(option):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}': leave it out"):
        flashpoint.njit(**{option: True})


@needs_extension
@pytest.mark.parametrize("signature", [[{}], ({1: 2}, []), [[1]], "no such type", [object()]])
def test_unhashable_or_unknown_signature(signature):
    with pytest.raises((TypeError, ValueError), match="signature"):
        flashpoint.njit(total, signature=signature)


def test_decorated_twice():
    once = flashpoint.njit(total)
    twice = flashpoint.njit(once)
    assert twice(2, 5) == once(2, 5) == total(2, 5)
    assert ORACLE or twice.py_func is total


@needs_extension
def test_wrapper_shows_the_function():
    compiled = flashpoint.njit(total)
    assert compiled.py_func is total and compiled.__wrapped__ is total
    assert compiled.__name__ == "total" and compiled.__module__ == total.__module__
    assert inspect.signature(compiled) == inspect.signature(total)


def test_bound_method_and_classmethod():
    class Model:
        k = 3

        @flashpoint.njit(fallback=True)
        def scaled(self, x):
            return self.k * x

        @classmethod
        @flashpoint.njit(fallback=True)
        def of_class(cls, x):
            return cls.k + x

    assert (Model().scaled(2), Model.of_class(2), Model.scaled(Model(), 2)) == (6, 5, 6)


# --- Arguments ---


class Unhashable:
    __hash__ = None

    def __init__(self, value):
        self.value = value

    def __mul__(self, other):
        return self.value * other

    __rmul__ = __mul__

    def __radd__(self, other):
        return other + self.value


class UnhashableType(type):
    __hash__ = None


class Strange(metaclass=UnhashableType):
    """An object whose very type cannot be a key of a table of signatures."""


STRANGE_ARGUMENTS = [("x", 3), (None, 3), ([1, 2], 2), ({}, 2), ({1}, 2), (Unhashable(2), 3), (Strange(), 2), (2, "3")]


@pytest.mark.parametrize("args", STRANGE_ARGUMENTS, ids=lambda args: "-".join(type(a).__name__ for a in args))
def test_wrong_and_unhashable_argument_types(args):
    raised = ()
    try:
        total(*copy.deepcopy(args))
    except Exception as error:
        raised = type(error)
    check(total, *args, raises=raised, needs_fallback=True)
    check_default_policy(Probe(total, [args], name="total"))


@pytest.mark.parametrize(
    "array",
    [
        np.array([1, None, "x"], object), np.array(["a", "b"]), np.zeros(2, [("x", "i4")]), np.array(["2020"], "M8[D]"),
        np.ma.masked_array([1.0, 2.0], [True, False]), np.zeros(3, "g"), np.array(5.0), np.zeros((2, 2)), np.zeros(0),
    ],
    ids=lambda a: f"{type(a).__name__}-{a.dtype}-{a.ndim}d",
)  # fmt: skip
def test_unusual_arrays_are_right_or_a_clear_error(array):
    def first(a):
        return a[0] if len(a) else None

    check_default_policy(Probe(first, [(array,)], name="first"))


def test_subclasses_of_numbers_keep_their_methods():
    class Loud(int):
        def __mul__(self, other):
            return "loud"

    class Warm(float):
        def __add__(self, other):
            return Warm(float(self) - other)

    check(lambda x: x * 2, Loud(3), needs_fallback=True)
    check(lambda x: x + 1.0, Warm(3.0), needs_fallback=True)
    check(lambda x: x + x, type("Plain", (np.float64,), {})(2.0), needs_fallback=True)


# --- Source that is missing, changed or unusual ---


def import_from(path, source):
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_source_file_deleted(tmp_path):
    module = import_from(tmp_path / "gone.py", "def f(x):\n    return x + 1\n")
    (tmp_path / "gone.py").unlink()
    linecache.clearcache()
    results, messages = call_and_collect(module.f, 4)
    assert results == [5, 5]
    assert_one_source_warning(messages)


@pytest.mark.parametrize(
    "edited", ["def f(x):\n    return x - 1\n", "# moved\ndef f(x):\n    return x + 1\n", "1 +", ""]
)
def test_source_edited_after_import(tmp_path, edited):
    module = import_from(tmp_path / "edited.py", "def f(x):\n    return x + 1\n")
    (tmp_path / "edited.py").write_text(edited)
    linecache.clearcache()
    results, messages = call_and_collect(module.f, 4)
    assert results == [5, 5]
    assert_one_source_warning(messages)


def test_exec_without_source_runs_in_python_with_one_warning():
    namespace = {}
    exec("def f(x):\n    return x // 2\n", namespace)
    results, messages = call_and_collect(namespace["f"], 9, calls=3)
    assert results == [4, 4, 4]
    assert_one_source_warning(messages)


def test_a_lambda():
    assert assert_compiled(lambda x: x + 0.5, 1) == 1.5


def test_several_lambdas_on_one_line():
    fs = [lambda x: x + 1, lambda x: x * 10, lambda x: x - 1, lambda x: x + 2]; gs = [lambda x: x + 1, lambda y: y + 1]  # noqa: E702  # fmt: skip
    assert [assert_compiled(f, 5) for f in fs] == [6, 50, 4, 7]
    assert [assert_compiled(g, 5) for g in gs] == [6, 6]


def test_lambda_over_several_lines_and_in_a_call():
    # fmt: off
    f, g = (lambda x:
            x *
            2), dict(key=lambda x, y=3: x + y)["key"]
    # fmt: on
    assert (assert_compiled(f, 4), assert_compiled(g, 4)) == (8, 7)


def register_cell(name, source):
    """Puts source where notebooks put it, and runs it."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace = {"njit": plain_njit, "np": np}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def test_source_registered_with_linecache():
    f = register_cell("<generated 1>", "def f(x):\n    return x % 7\n")["f"]
    assert assert_compiled(f, 30) == 2


def test_notebook_cells_that_define_the_same_name():
    first = register_cell("<ipython-input-1-a>", "import math\n\n@njit\ndef f(x):\n    return math.sqrt(x)\n")["f"]
    second = register_cell("<ipython-input-2-b>", "@njit\ndef f(x):\n    y = x\n    return y * y\n")["f"]
    assert (assert_compiled(first, 9.0), assert_compiled(second, 9.0)) == (3.0, 81.0)


def test_doctest():
    def example():
        """
        >>> import flashpoint
        >>> @flashpoint.njit
        ... def f(n):
        ...     out = 0
        ...     for i in range(n):
        ...         out += i
        ...     return out
        >>> f(10)
        45
        >>> g = flashpoint.njit(lambda x: x + 1)
        >>> g(1), f(3)
        (2, 3)
        """

    tests = doctest.DocTestFinder().find(example, "example", globs={})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert doctest.DocTestRunner().run(tests[0]).failed == 0


SCRIPT = """
import warnings
warnings.simplefilter("error")
import flashpoint

@flashpoint.njit
def f(n):
    out = 0
    for i in range(n):
        out += i * i
    return out

g = flashpoint.njit(lambda x: x + 1)
print(f(10), g(1), f(2**11))
"""


@pytest.mark.parametrize("how", ["file", "-c"])
def test_source_of_a_script_and_of_dash_c_is_found(how, tmp_path):
    assert run_script(SCRIPT, how=how, tmp_path=tmp_path, FLASHPOINT_TIER="1")[0] == "285 2 2861214720\n"


@pytest.mark.parametrize("how", [["-"], ["-i", "-q"]], ids=["standard input", "interactive"])
def test_without_source_the_answer_still_comes(how):
    source = SCRIPT.replace('"error"', '"always"') + "\nprint('end')\n"
    output, errors = run_script(source, how=how)
    assert "285 2 2861214720" in output and "end" in output and "Traceback" not in errors


@needs_extension
@pytest.mark.parametrize("value", ["7", "fast"])
def test_wrong_environment_is_named(value):
    output, errors = run_script(SCRIPT.replace('"error"', '"always"'), how="-c", FLASHPOINT_TIER=value)
    assert "285" in output and "FLASHPOINT_TIER" in errors


# --- Copies ---


def test_pickle_and_copy():
    for again in (pickle.loads(pickle.dumps(module_level)), copy.copy(module_level), copy.deepcopy(module_level)):
        assert again(3) == 7 and again is module_level


def test_pickle_of_a_local_function_fails_as_in_python():
    local = flashpoint.njit(lambda x: x)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(local)


# --- Forcing and switching off ---


def test_interpret_runs_everything_in_tier_0():
    compiled = flashpoint.njit(total)
    with flashpoint.interpret():
        assert compiled(2.5, 10) == total(2.5, 10)
        if not ORACLE:
            assert compiled.explain().tier == 0
    assert compiled(2.5, 10) == total(2.5, 10)


@needs_extension
def test_explain_and_inspect_speak():
    compiled = flashpoint.njit(total, tier=1)
    compiled(2, 10)
    told = compiled.explain()
    assert "total" in str(told) and len(told.signatures) == 1 and told.deopts == []
    for stage in ("python", "ir", "asm"):
        assert compiled.inspect(stage).strip()
    with pytest.raises(ValueError, match="asm"):
        compiled.inspect("no such stage")
