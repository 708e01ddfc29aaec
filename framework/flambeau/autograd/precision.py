"""autocast: ops that may run in half precision do, and those that want float32 get it."""

from __future__ import annotations

import functools

from flambeau.arguments import Explained

from .. import _core
from .modes import _Mode

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


class autocast(_Mode, Explained):
    """Inside, products and convolutions run in `dtype`, losses and linear algebra in float32, by the op table's policy.

    `with fl.autocast(dtype=fl.bfloat16):` around the forward pass and the loss, or `@fl.autocast()`; backward() is
    called outside and gives each gradient in the dtype of its tensor. Parameters stay float32: what an op takes is
    cast, and casts of parameters are kept until the outermost autocast is left (cache_enabled=False: never). float64
    is left alone, and so is a device that does not hold `dtype`. enabled=False switches an outer one off. Of this
    thread alone.

    Raises: DTypeError for another dtype than bfloat16 and float16.

    >>> import flambeau as fl
    >>> w = fl.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> with fl.autocast(dtype=fl.bfloat16):
    ...     y = fl.matmul(w, w)
    >>> y.dtype
    flambeau.bfloat16
    >>> y.sum().backward()
    >>> w.grad.dtype
    flambeau.float32
    """

    def __init__(
        self, *given: Never, dtype: _core.DTypeLike = _core.bfloat16, enabled: bool = True, cache_enabled: bool = True
    ) -> None:
        super().__init__()
        if given:
            raise TypeError(f"autocast: it takes keywords alone, not {given[0]!r}, and is for every device: write "
                            "fl.autocast(dtype=fl.bfloat16), or as a decorator @fl.autocast()")
        if _core.dtype(dtype) not in (_core.bfloat16, _core.float16):
            raise _core.DTypeError(f"autocast: dtype is {_core.dtype(dtype)}; it is fl.bfloat16 or fl.float16")
        self._mode = bool(enabled), _core.dtype(dtype), bool(cache_enabled)

    def _enter(self) -> tuple[bool, _core.DType, bool]:
        return _core.enter_autocast(*self._mode)

    def _leave(self, before: tuple[bool, _core.DType, bool]) -> None:
        _core.leave_autocast(*before)

    def _another(self) -> autocast:
        enabled, dtype, cached = self._mode
        return autocast(dtype=dtype, enabled=enabled, cache_enabled=cached)


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run in float32 where autocast is on: for what is several ops here and one to PyTorch's policy."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _core.autocast_enabled():
            return function(*args, **kwargs)
        with autocast(enabled=False):
            return function(*map(_widened, args), **{name: _widened(value) for name, value in kwargs.items()})

    return inside


def _widened(value: Any) -> Any:
    if isinstance(value, _core.Tensor) and value.dtype in (_core.bfloat16, _core.float16):
        return value.astype(_core.float32)
    return value
