"""Settings of the process, and how the environment sets them."""

import atexit
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from . import _core
from ._core import settings

__all__ = ["config", "interpret"]


class Config:
    """Settings of the process; the instance is `flashpoint.config`.

    Attributes
    ----------
    tier : {None, 0, 1, 2}
        Tier forced for all functions; None lets the engine decide. Set at start by the environment variable
        ``FLASHPOINT_TIER``.
    stress : str
        Switches for tests, such as ``"deopt:3,osr:1"``: leave compiled code at every third guard, change tier at
        every back edge; ``"quick:1"``: tier 2 emits machine code without optimising it further. Set at start by
        ``FLASHPOINT_STRESS``.
    log : str
        What is logged to standard error, a comma-separated list of ``compile``, ``deopt``, ``osr``, or ``all``. Set at
        start by ``FLASHPOINT_LOG``.

    Examples
    --------
    >>> import flashpoint
    >>> flashpoint.config.tier = 0
    >>> flashpoint.config
    Config(tier=0, stress='', log='')
    >>> flashpoint.config.tier = None
    """

    __slots__ = ()

    @property
    def tier(self) -> int | None:
        return settings.get_tier()

    @tier.setter
    def tier(self, value: int | None) -> None:
        settings.set_tier(value)

    @property
    def stress(self) -> str:
        return settings.get_stress()

    @stress.setter
    def stress(self, value: str) -> None:
        settings.set_stress(value)

    @property
    def log(self) -> str:
        return settings.get_log()

    @log.setter
    def log(self, value: str) -> None:
        settings.set_log(value)

    def __repr__(self) -> str:
        return f"Config(tier={self.tier!r}, stress={self.stress!r}, log={self.log!r})"


config = Config()


@contextmanager
def interpret() -> Iterator[None]:
    """Runs everything in tier 0, the interpreter, for the length of a `with` block.

    Examples
    --------
    >>> import flashpoint
    >>> @flashpoint.njit
    ... def square(x):
    ...     return x * x
    >>> with flashpoint.interpret():
    ...     square(3)
    9
    """
    settings.interpret(True)
    try:
        yield
    finally:
        settings.interpret(False)


def _read_environment() -> None:
    """Sets `config` from the environment. A wrong value must not keep a program from starting, so it is a warning."""
    for name, attribute in (("FLASHPOINT_TIER", "tier"), ("FLASHPOINT_STRESS", "stress"), ("FLASHPOINT_LOG", "log")):
        text = os.environ.get(name, "").strip()
        if not text:
            continue
        try:
            setattr(config, attribute, int(text) if attribute == "tier" and text.isdecimal() else text)
        except (TypeError, ValueError, OverflowError) as error:
            warnings.warn(f"the environment variable {name}={text} is ignored: {error}", RuntimeWarning, stacklevel=2)


def _start() -> None:
    """Tells the engine where tier 2 is, and of forks; has it stop its compiles before the interpreter is taken down."""
    _core.set_tier2_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_tier2.so"))
    atexit.register(_core.shut_down)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_core.before_fork,
            after_in_parent=_core.after_fork_in_parent,
            after_in_child=_core.after_fork_in_child,
        )
    _read_environment()


_start()
