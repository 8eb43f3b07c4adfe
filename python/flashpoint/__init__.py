"""Flashpoint: a just-in-time compiler for numerical Python that gives CPython's own answers.

>>> import flashpoint
>>> @flashpoint.njit
... def sum_of_squares(n):
...     total = 0
...     for i in range(n):
...         total += i * i
...     return total
>>> sum_of_squares(1000)
332833500
"""

from ._config import config, interpret
from ._core import Function, Report
from ._errors import FlashpointError, NotCompiledWarning, Unsupported
from ._njit import njit, tier2_available

__version__ = "0.1.0"

__all__ = [
    "FlashpointError",
    "Function",
    "NotCompiledWarning",
    "Report",
    "Unsupported",
    "config",
    "interpret",
    "njit",
    "tier2_available",
]
