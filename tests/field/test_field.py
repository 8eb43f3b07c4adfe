"""The field programs and the demo's loops, at small sizes, in every mode: the answers must be plain CPython's.

Each example of `examples/` has a `run(small)` that returns its answers. It is loaded twice: as it stands, and with
`njit` replaced by the identity, which is what CPython alone would do.
"""

import contextlib
import importlib.util
import io
import sys
from pathlib import Path

import pytest

import flashpoint
import harness
from describe import describe

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("l[0-9]*.py"))
ROWS = {f"l{row}" for row in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11)}
ORACLE = ROOT / "tests" / "oracle" / "flashpoint.py"
MODES = [pytest.param(mode, id=mode.name) for mode in harness.MODES]


def load(path, package):
    """A new copy of the module at `path`, which sees `package` when it imports flashpoint."""
    before = sys.modules.get("flashpoint")
    sys.modules["flashpoint"] = package
    sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "bench")]
    try:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del sys.path[:2]
        sys.modules["flashpoint"] = before
    return module


@pytest.fixture(scope="module")
def identity():
    spec = importlib.util.spec_from_file_location("identity_flashpoint", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def running_in(mode):
    if mode.skip_reason():
        pytest.skip(mode.skip_reason())
    with harness.active(mode):
        yield


def test_every_row_has_an_example():
    assert ROWS == {path.stem.split("_")[0] for path in EXAMPLES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_answers_as_cpython(path, mode, identity):
    expected = describe(load(path, identity).run(small=True))
    with running_in(mode):
        example = load(path, flashpoint)
        for call in range(mode.calls):
            assert describe(example.run(small=True)) == expected, f"run {call + 1}"


def load_programs():
    """`bench/programs.py`, a new copy each time, because compiled functions replace the plain ones in it."""
    return load(ROOT / "bench" / "programs.py", flashpoint)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(load_programs().CASES))
def test_loop_program_answers_as_cpython(name, mode):
    plain, programs = load_programs(), load_programs()
    case = programs.CASES[name]
    with running_in(mode):
        compiled = flashpoint.njit(case.fn)
        setattr(programs, name, compiled)
        for seed in range(mode.calls):
            # The sequence ends with the second dtype, which the function then meets as a stranger.
            for change in (lambda args: args, case.other_dtype):
                args = change(case.make_args(case.small + seed, seed))
                expected_args, actual_args = plain.fresh(args), plain.fresh(args)
                expected = describe(plain.CASES[name].fn(*expected_args), expected_args)
                assert describe(compiled(*actual_args), actual_args) == expected
                assert describe(actual_args) == describe(expected_args)


@pytest.mark.needs_extension
@pytest.mark.parametrize("name", ["l4_tiny_calls", "l6_changing_types", "l7_int_to_float"])
def test_example_as_a_script(name, capsys):
    """The shorter examples run to their end, `explain()` included."""
    load(ROOT / "examples" / f"{name}.py", flashpoint).main()
    assert capsys.readouterr().out


@pytest.mark.needs_extension
def test_demo_runs_small(tmp_path):
    spec = importlib.util.spec_from_file_location("demo_main", ROOT / "demo" / "__main__.py")
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    out = io.StringIO()
    assert demo.main(["--small", "--out", str(tmp_path)], out) == 0
    assert (tmp_path / "mandelbrot.png").read_bytes().startswith(b"\x89PNG")
    assert "DIFFERS" not in out.getvalue()
