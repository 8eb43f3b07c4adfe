"""The option `signature` compiles at decoration; `inspect` shows the version for a signature."""

import numpy as np
import pytest

import flashpoint
from harness import ORACLE

pytestmark = pytest.mark.skipif(ORACLE, reason="tests of the engine")


def total(a, factor=1.0, *, start=0.0):
    s = start
    for i in range(len(a)):
        s += a[i] * factor
    return s


@pytest.mark.parametrize("signature", ["float64[:]", ["float64[:]"], ("float64[:]", float), "(float64[:], float)"])
def test_code_is_there_before_the_first_call(signature):
    compiled = flashpoint.njit(total, signature=signature)
    assert compiled.counters()["compiles"] >= 1
    assert compiled.explain().versions, "compiled at decoration"
    assert compiled(np.arange(4.0)) == total(np.arange(4.0))
    report = compiled.explain()
    assert report.tier >= 1 and report.n_calls == 1
    assert compiled(np.arange(4)[::2], 2) == total(np.arange(4)[::2], 2), "other types work as always"


def test_python_numbers_and_numpy_scalars_are_different_types():
    def next_of(x):
        return x + 1

    compiled = flashpoint.njit(next_of, signature="int")
    n = compiled.counters()["compiles"]
    assert compiled(2**63 - 1) == 2**63
    with np.errstate(over="ignore"):
        assert compiled(np.int8(127)).dtype == np.int8
    assert n >= 1
    assert "no ir code" in flashpoint.njit(next_of, signature="int64").inspect("ir", signature="int")


def test_a_function_that_names_itself_before_it_is_bound():
    @flashpoint.njit(signature="int")
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(15) == 610
    assert fib.explain().tier >= 1


@pytest.mark.parametrize(
    "signature, message",
    [
        ("int, int, int", "3 types, but .* takes 2 positional"),
        ("", 'no type for the parameter "a"'),
    ],
)
def test_a_signature_that_does_not_fit(signature, message):
    with pytest.raises(ValueError, match=f"signature: {message}"):
        flashpoint.njit(total, signature=signature)


def test_functions_that_gather_arguments_wait_for_a_call():
    compiled = flashpoint.njit(lambda *values: values[0], signature="int, int", fallback=True)
    assert compiled.counters()["compiles"] == 0
    assert compiled(3, 4) == 3


@pytest.mark.parametrize("signature", ["float16", "complex64", "float32[:, :, :, :, :, :, :, :, :]", "float16[:]"])
def test_types_without_typed_form(signature):
    def same(x):
        return x

    compiled = flashpoint.njit(same, signature=signature)
    assert compiled(np.float16(1.5)) == 1.5


def test_inspect_shows_the_version_of_a_signature():
    def square(x):
        return x * x

    compiled = flashpoint.njit(square, signature="float")
    whole = compiled.inspect("ir", signature="float")
    assert "fmul" in whole and "f64" in whole
    assert "no ir code" in compiled.inspect("ir", signature="int")
    for _ in range(100):
        compiled(3)
    assert "fmul" not in compiled.inspect("ir", signature=[int])
    assert compiled.inspect("ir", signature="float") == whole
    assert compiled.inspect("asm", signature="int") != compiled.inspect("asm", signature="float")
    assert "square" in compiled.inspect("ir"), "the generic form, without a signature"
    with pytest.raises(ValueError, match="signature"):
        compiled.inspect("ir", signature="no such type")


@pytest.mark.parametrize("name", ["locals", "vars", "dir", "eval"])
def test_a_function_that_looks_at_its_own_frame_says_so(name):
    texts = {"locals": "sorted(locals())", "vars": "sorted(vars())", "dir": "dir()", "eval": "eval('x + 1')"}
    source = f"def looks(x):\n    return {texts[name]}\n"
    import linecache

    linecache.cache[f"<{name}>"] = (len(source), None, source.splitlines(True), f"<{name}>")
    scope = {}
    exec(compile(source, f"<{name}>", "exec"), scope)
    compiled = flashpoint.njit(scope["looks"])
    assert compiled(3) == scope["looks"](3)
    report = compiled.explain()
    assert report.tier is None
    assert any("FP406" in reason and f"`{name}`" in reason for reason in report.reasons), report
