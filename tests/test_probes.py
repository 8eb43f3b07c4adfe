"""Every probe gives CPython's answer in every mode. The probes are the functions in probes/, one file per topic."""

import importlib
import pathlib

import pytest

import harness
from harness import PROBES, check_default_policy, check_probe

HERE = pathlib.Path(__file__).parent
for path in sorted((HERE / "probes").glob("*.py")):
    importlib.import_module(f"probes.{path.stem}")


def read_list(text):
    """{name: missing construct} from the text of not_yet_covered.toml (tomllib exists only from Python 3.11)."""
    entries, current = {}, {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if line.strip() == "[[probe]]":
            current = {}
        elif key.strip() in ("name", "missing"):
            current[key.strip()] = value.strip().strip('"')
            if len(current) == 2:
                entries[current["name"]] = current["missing"]
        else:
            assert not line.strip() or line.startswith("#"), f"not_yet_covered.toml: cannot read {line!r}"
    return entries


NOT_YET_COVERED = read_list((HERE / "not_yet_covered.toml").read_text())


@pytest.mark.parametrize("name", PROBES)
def test_same_answer(name):
    try:
        check_probe(PROBES[name])
    except AssertionError:
        if name in NOT_YET_COVERED and not harness.ORACLE:
            pytest.xfail(NOT_YET_COVERED[name])
        raise
    complete = len(harness.MODES) == len(harness.ALL_MODES) and not any(m.skip_reason() for m in harness.MODES)
    if name in NOT_YET_COVERED and complete and not harness.ORACLE:
        pytest.fail(f"{name} passes now: remove its entry from tests/not_yet_covered.toml")


@pytest.mark.parametrize("name", [name for name, probe in PROBES.items() if probe.needs_fallback])
def test_default_is_right_or_a_clear_error(name):
    check_default_policy(PROBES[name])


@pytest.mark.parametrize("mode", harness.MODES, ids=lambda mode: mode.name)
def test_mode_is_available(mode):
    if mode.skip_reason():
        pytest.skip(mode.skip_reason())


def test_not_yet_covered_names_existing_probes():
    assert set(NOT_YET_COVERED) <= set(PROBES), set(NOT_YET_COVERED) - set(PROBES)
    assert all(NOT_YET_COVERED.values()), "each entry names the missing construct"


def test_not_yet_covered_is_read():
    text = '# why\n[[probe]]\nname = "ints.add"\nmissing = "a = b"\n\n[[probe]]\nname = "x.y"\nmissing = "z"\n'
    assert read_list(text) == {"ints.add": "a = b", "x.y": "z"}
