"""A short, deterministic slice of `make fuzz`, and every past finding of it."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from fuzz import compare, minimise  # noqa: E402
from fuzz.generate import generate  # noqa: E402

# Few programs in every mode, more in two modes each: about forty seconds.
N_SEEDS, CHUNK = 40, 10
N_ROTA_SEEDS, ROTA_CHUNK = 400, 50
FOUND = sorted((ROOT / "fuzz" / "found").glob("*.py"))


def expect_same(text, where, modes=None):
    report = compare.check(text, modes or compare.modes("all"))
    assert report.status in ("same", "unsupported", "slow"), f"{where}: {report.reason}\n{report.difference}\n{text}"
    return report.status


@pytest.mark.parametrize("start", range(0, N_SEEDS, CHUNK))
def test_slice_agrees_with_cpython_in_every_mode(start):
    for seed in range(start, start + CHUNK):
        expect_same(generate(seed).text, f"seed {seed}")


@pytest.mark.parametrize("start", range(1000, 1000 + N_ROTA_SEEDS, ROTA_CHUNK))
def test_slice_agrees_with_cpython_in_two_modes_each(start):
    for seed in range(start, start + ROTA_CHUNK):
        program = generate(seed)
        expect_same(program.text, f"seed {seed}", compare.modes("rota", seed, program.shape))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_past_finding_stays_fixed(path):
    if expect_same(path.read_text(), path.name) == "unsupported":
        pytest.skip("has no typed form yet; with fallback=True it agrees")


def test_same_seed_gives_same_text():
    for seed in range(0, 400, 7):
        assert generate(seed) == generate(seed)
    assert len({generate(seed).text for seed in range(200)}) == 200


def test_every_program_compiles_runs_and_ends():
    statuses = [compare.check(generate(seed).text, []).status for seed in range(1000, 1300)]
    assert statuses.count("same") >= 298, statuses
    assert "invalid" not in statuses


PROGRAM = """
@njit
def f(a, b):
    c = {body}
    if b > 100:
        c = a
    return c
STEPS = [("call", "f", "[3, 4]", "{{}}"), ("call", "f", "[3.5, 0]", "{{}}")]
"""


def test_minimiser_keeps_what_fails_and_drops_the_rest():
    # The failure stands in for a real one: the second step divides by zero in an expression of `b`.
    def check(text):
        try:
            loaded = compare.Loaded(text)
            space = loaded.namespace(compare.identity)
            outcomes = [loaded.step(space, step) for step in space["STEPS"]]
        except Exception:
            return None
        return "fails" if any(o and o.error and o.error[0] == "ZeroDivisionError" for o in outcomes) else None

    text = minimise.minimise(PROGRAM.format(body="(a + 1) * (7 if a < 0 else a // b)"), "fails", check, seconds=20)
    assert check(text) == "fails"
    assert len(text.splitlines()) <= 6 and "if" not in text.replace("def f", ""), text


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("1", "1.0"), ("0.0", "-0.0"), ("True", "1"), ("np.int64(1)", "1"), ("np.float32(1)", "np.float64(1)"),
     ("(1, 2)", "[1, 2]"), ("np.zeros(2)", "np.zeros(2, 'f4')"), ("np.zeros(2)", "-np.zeros(2)")],
)  # fmt: skip
def test_comparison_tells_apart(mine, theirs):
    scope = {"np": compare.np}
    assert compare.image(eval(mine, scope), ()) != compare.image(eval(theirs, scope), ())


def test_comparison_ignores_sign_and_payload_of_nan():
    nan = float("nan")
    assert compare.image((nan, complex(0, nan)), ()) == compare.image((-nan, complex(0, -nan)), ())
    assert compare.image(compare.np.array([nan]), ()) == compare.image(compare.np.array([-nan]), ())


@pytest.mark.parametrize("plant", ["swapped-sub", "line-off-by-one", "crash", "hang"])
def test_fuzzer_finds_a_planted_defect(plant):
    """End to end on the stand-in for the extension, which can be made to answer wrongly, crash or hang."""
    timeout = "2" if plant == "hang" else "30"  # on a busy machine a program may take seconds
    command = ["-m", "fuzz", "--seconds", "60", "--jobs", "1", "--seed", "1", "--max-findings", "1", "--minimise", "0",
               "--timeout", timeout, "--modes", "tier0", "--quiet"]  # fmt: skip
    environment = os.environ | {"FLASHPOINT_TESTS_ORACLE": "1", "FLASHPOINT_PLANT": plant}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    kind = plant if plant in ("crash", "hang") else "different"
    assert f"1 × {kind} in tier0" in done.stdout
