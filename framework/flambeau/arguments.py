"""What is said to a call whose arguments do not fit, where PyTorch's would: the way it is written here."""

from __future__ import annotations

import functools

from ._core import Tensor

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

_KEYWORDS = {
    "dim": "it is named axis here, as in the Python Array API",
    "dims": "it is named axis here, as in the Python Array API",
    "keepdim": "it is named keepdims here, as in the Python Array API",
    "unbiased": "correction=1 divides by one less than the count, as PyTorch does unless told otherwise",
    "diagonal": "it is named k here, as in the Python Array API",
    "size": "the shape comes first: {name}((2, 3))",
    "requires_grad": "write {name}(...).requires_grad_()",
    "out": "a result is a new tensor; x[...] = {name}(...) writes it into x",
}
_SHAPED = ("zeros", "ones", "empty", "full")


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose refusal of a call's arguments says how the call is written.

    >>> import flambeau as fl
    >>> fl.zeros(2, 3)
    Traceback (most recent call last):
    TypeError: zeros() takes 1 positional argument but 2 were given; the shape is one argument: fl.zeros((2, 3))
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # from inside the function, which took the arguments
            said = f"{error}{_advice(function.__name__, args, kwargs)}"
        raise TypeError(said)

    return call


def _advice(name: str, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    for keyword, advice in _KEYWORDS.items():
        if keyword in kwargs:
            return f"; {advice.format(name=f'fl.{name}')}"
    if len(args) < 2:
        return ""
    sizes, value = (args[:-1], f", {args[-1]!r}") if name == "full" else (args, "")
    if name in _SHAPED and len(sizes) > 1 and all(isinstance(size, int) for size in sizes):
        return f"; the shape is one argument: fl.{name}({sizes}{value})"
    if isinstance(args[0], Tensor):
        return "; what follows the tensor is written by name, as in axis=0"
    return "; the others are written by name, as in dtype=fl.float32"
