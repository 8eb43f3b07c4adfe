"""Stands in for the real package when FLASHPOINT_TESTS_ORACLE=1: `njit` is the identity.

With it the tests compare CPython with CPython, which proves that the tests themselves are sound
(no probe depends on an address, on hash order or on state left behind by the run before).
"""

from contextlib import contextmanager
from types import SimpleNamespace

config = SimpleNamespace(tier=None, stress="")


class Unsupported(TypeError):
    """Never raised here: plain Python supports all of Python."""


def njit(fn=None, **_options):
    return fn if fn is not None else (lambda decorated: decorated)


def tier2_available():
    return True


@contextmanager
def interpret():
    yield
