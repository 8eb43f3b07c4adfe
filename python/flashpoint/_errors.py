"""Exceptions and warnings of Flashpoint. Each text names the user's line and says what to do."""

__all__ = ["FlashpointError", "NotCompiledWarning", "Unsupported"]


class FlashpointError(Exception):
    """Base class of all errors that Flashpoint itself raises."""

    __module__ = "flashpoint"


class Unsupported(FlashpointError, NotImplementedError):
    """A construct has no typed form yet, and `fallback` is off."""

    __module__ = "flashpoint"


class NotCompiledWarning(UserWarning):
    """A decorated function runs in CPython, because its source cannot be had."""

    __module__ = "flashpoint"
