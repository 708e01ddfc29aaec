"""Whether ops are kept for derivatives, and whether they are watched for NaNs: contexts and decorators."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod

from .. import _core

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Mode(ABC):
    """A context and a decorator that sets something of this thread and puts it back."""

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._before: list[Any] = []
        if function is not None:
            raise TypeError(f"{type(self).__name__} is called first: write @fl.{type(self).__name__}()")

    @abstractmethod
    def _enter(self) -> object:
        """Set it; what it was before."""

    @abstractmethod
    def _leave(self, before: Any) -> None:
        """Put back what it was before."""

    def _another(self) -> _Mode:
        """One that sets the same, for a call that may come from another thread."""
        return type(self)()

    def __enter__(self) -> None:
        self._before.append(self._enter())

    def __exit__(self, *error: object) -> None:
        self._leave(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self._another():
                return function(*args, **kwargs)

        return inside


class _Gradients(_Mode):
    """Sets whether ops are kept."""

    _on: bool

    def _enter(self) -> bool:
        before = _core.grad_enabled()
        _core.set_grad_enabled(self._on)
        return before

    def _leave(self, before: bool) -> None:
        _core.set_grad_enabled(before)


class no_grad(_Gradients):
    """Nothing inside is kept for backward(): `with fl.no_grad():` or `@fl.no_grad()`.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> with fl.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    _on = False


class enable_grad(_Gradients):
    """The opposite, inside a no_grad().

    Raises: RuntimeError inside inference(), which it cannot undo.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0], requires_grad=True)
    >>> with fl.no_grad(), fl.enable_grad():
    ...     (x * 2).requires_grad
    True
    """

    _on = True


class inference(_Mode):
    """A no_grad() that nothing inside can undo: enable_grad(), requires_grad=True and fl.grad raise there.

    For code that must not keep graphs whatever it calls.

    >>> import flambeau as fl
    >>> with fl.inference():
    ...     fl.tensor([1.0], requires_grad=True)
    Traceback (most recent call last):
    RuntimeError: requires_grad: inside fl.inference() nothing can have a gradient; leave it first
    """

    def _enter(self) -> tuple[bool, bool]:
        before = _core.grad_enabled(), _core.inference_enabled()
        _core.set_grad_enabled(False)
        _core.set_inference_enabled(True)
        return before

    def _leave(self, before: tuple[bool, bool]) -> None:
        _core.set_inference_enabled(before[1])
        _core.set_grad_enabled(before[0])


class detect_anomaly(_Mode):
    """The op that makes a NaN raises, going forward or backward, and says where in your program it was called.

    An op makes a NaN if a result has one and no input had. Slow (every result is looked at) and of this thread alone.

    >>> import flambeau as fl
    >>> with fl.detect_anomaly():
    ...     fl.log(fl.tensor([1.0, -1.0]))
    Traceback (most recent call last):
    RuntimeError: log made a NaN of inputs without one, of shapes (2,); called at <doctest ...
    """

    def _enter(self) -> bool:
        before = _core.anomaly_enabled()
        _core.set_anomaly(True)
        return before

    def _leave(self, before: bool) -> None:
        _core.set_anomaly(before)
