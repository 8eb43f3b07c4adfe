"""The decorator `njit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

from . import _core

__all__ = ["njit", "tier2_available"]

if TYPE_CHECKING:
    from ._core import Function

_P = ParamSpec("_P")
_R = TypeVar("_R")
_MISSING: Any = object()


@overload
def njit(function: Callable[_P, _R], /) -> Function[_P, _R]: ...
@overload
def njit(
    *,
    fastmath: bool = False,
    overflow: Literal["exact", "wrap"] = "exact",
    tier: Literal[0, 1, 2] | None = None,
    fallback: bool = False,
    signature: str | Sequence[Any] | None = None,
) -> Callable[[Callable[_P, _R]], Function[_P, _R]]: ...
@overload
def njit(
    function: Callable[_P, _R],
    /,
    *,
    fastmath: bool = False,
    overflow: Literal["exact", "wrap"] = "exact",
    tier: Literal[0, 1, 2] | None = None,
    fallback: bool = False,
    signature: str | Sequence[Any] | None = None,
) -> Function[_P, _R]: ...
def njit(
    function: Any = _MISSING,
    /,
    *,
    fastmath: bool = False,
    overflow: str = "exact",
    tier: int | None = None,
    fallback: bool = False,
    signature: str | Sequence[Any] | None = None,
    **unknown: Any,
) -> Any:
    """Compiles a Python function as written; the answers stay those of CPython and NumPy.

    The first call answers without waiting for a compiler; better code takes over while it runs. Usable bare
    (``@njit``) and with options (``@njit(fastmath=True)``). Applied to a function that `njit` made, it gives a new
    one with the new options.

    Parameters
    ----------
    function : function
        A function written in Python, with its source at hand: in a file, a notebook, a doctest, ``python -c``, or
        registered with `linecache`. Without source it runs in CPython, with a `NotCompiledWarning`.
    fastmath : bool
        Licence to reorder floating-point arithmetic. Results may then differ from CPython's in their last bits.
    overflow : {"exact", "wrap"}
        Whether the sum, difference, product, power or left shift of two Python integers of 64 bits stays exact, as in
        CPython, or wraps around at 64 bits. It is about the function's own operations: those of a helper without the
        option stay exact in the interpreter and may wrap in compiled code that the helper is copied into.
    tier : {None, 0, 1, 2}
        Tier to run in; None lets the engine decide.
    fallback : bool
        Whether a function with operations that are known to have no compiled form runs them as CPython does, instead
        of being refused at its first call. What turns out later runs so in any case; `explain()` lists it.
    signature : str or sequence, optional
        Types of the arguments, to compile for at decoration: a text such as ``"int64, float64[:]"`` or a sequence of
        types (``int``, ``numpy.float64``, ``"float64[:]"``). ``int`` and ``float`` are Python's, names with a size are
        NumPy's; arrays are C-contiguous and writable. Parameters beyond have their default values. Calls with other
        types work as always.

    Returns
    -------
    Function
        A callable with the function's name, docstring and signature; ``py_func`` is the function itself.

    Raises
    ------
    TypeError
        If `function` is not a Python function: a class, a built-in, a callable object; or if an option is not listed
        above: the text says what takes the place of Numba's.
    ValueError
        If an option has a value that is not listed above, or `signature` does not fit the parameters.

    Examples
    --------
    >>> import flashpoint
    >>> @flashpoint.njit
    ... def power(x, n=2):
    ...     result = 1
    ...     for _ in range(n):
    ...         result *= x
    ...     return result
    >>> power(3, n=50)
    717897987691852588770249
    >>> power.py_func(2.0)
    4.0
    """
    if unknown:
        raise TypeError(_about_unknown(next(iter(unknown))))
    if function is _MISSING:

        def decorate(function: Any) -> Any:
            return _core.compile(
                function, fastmath=fastmath, overflow=overflow, tier=tier, fallback=fallback, signature=signature
            )

        # Options that are wrong are wrong at once, not when a function follows.
        _core.check_options(fastmath=fastmath, overflow=overflow, tier=tier, fallback=fallback, signature=signature)
        return decorate
    return _core.compile(
        function, fastmath=fastmath, overflow=overflow, tier=tier, fallback=fallback, signature=signature
    )


# What takes the place of the options of `numba.njit`.
_ALWAYS = "leave it out: {}"
_NUMBA_OPTIONS = {
    "nopython": _ALWAYS.format("what cannot be compiled is an error, unless `fallback=True`"),
    "forceobj": _ALWAYS.format("`fallback=True` runs what cannot be compiled as CPython does"),
    "nogil": _ALWAYS.format("compiled loops give up the GIL by themselves"),
    "boundscheck": _ALWAYS.format("indices are always checked"),
    "error_model": _ALWAYS.format("errors are always Python's"),
    "inline": _ALWAYS.format("small functions are inlined"),
    "locals": _ALWAYS.format("variables have the types of their values"),
    "debug": _ALWAYS.format("`flashpoint.interpret()` runs everything in the interpreter"),
    "looplift": _ALWAYS.format("loops are always compiled by themselves"),
    "target": _ALWAYS.format("code is made for the processor it runs on"),
    "cache": _ALWAYS.format("the first call does not wait for a compiler"),
    "parallel": "leave it out: loops run on one thread; call the function from several, they run side by side",
}


def _about_unknown(option: str) -> str:
    what = _NUMBA_OPTIONS.get(option, "the options are fastmath, overflow, tier, fallback and signature")
    return f"njit() got an unexpected keyword argument {option!r}: {what}"


def tier2_available() -> bool:
    """Whether this build has tier 2 (LLVM).

    Examples
    --------
    >>> import flashpoint
    >>> isinstance(flashpoint.tier2_available(), bool)
    True
    """
    return _core.has_tier2()
