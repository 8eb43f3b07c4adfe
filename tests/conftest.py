"""Picks the package under test, and ends a test that hangs in compiled code with a traceback of all threads."""

import faulthandler
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ORACLE = os.environ.get("FLASHPOINT_TESTS_ORACLE") == "1"
HANG_SECONDS = int(os.environ.get("FLASHPOINT_TESTS_HANG", "120"))

if ORACLE:
    sys.path.insert(0, os.path.join(HERE, "oracle"))
    os.environ["PYTHONPATH"] = os.path.join(HERE, "oracle") + os.pathsep + os.environ.get("PYTHONPATH", "")

try:
    import flashpoint
except ImportError as error:
    raise pytest.UsageError(
        f"cannot import flashpoint ({error}): run `make test`, which builds it, "
        "or set FLASHPOINT_TESTS_ORACLE=1 to try the tests against plain CPython"
    ) from error


def pytest_configure(config):
    config.addinivalue_line("markers", "needs_extension: means nothing when njit is the identity (oracle mode)")


def pytest_report_header(config):
    import harness

    modes = ", ".join(mode.name for mode in harness.MODES if not mode.skip_reason())
    skipped = [mode.skip_reason() for mode in harness.MODES if mode.skip_reason()]
    return [f"flashpoint: {flashpoint.__file__}", f"modes: {modes}", *skipped]


def pytest_runtest_setup(item):
    if ORACLE and item.get_closest_marker("needs_extension"):
        pytest.skip("oracle mode: needs the extension")


@pytest.fixture(autouse=True)
def hang_guard():
    """A loop that never polls cannot be interrupted from Python, so the whole run ends and says where it was."""
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
