"""What is said to a call whose arguments do not fit, where PyTorch's would: the way it is written here."""

from __future__ import annotations

import functools

from ._core import Tensor

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from inspect import Parameter
    from typing import Any, Never, NoReturn, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

_AXIS = "it is named axis here, as in the Python Array API"
_ONE_STEP = "a step is one native call over all parameters, so leave it out"
_READS = "a file is read into the CPU's memory and nothing in it is run, so leave it out; net.to(device) moves"
_DEVICES = "it is for every device, so leave it out"
_PINS = "memory needs no pinning, so leave it out"
# By keyword; {name} is what was called. What several places take, they may mean differently: see `explained`.
_KEYWORDS = {
    "dim": _AXIS, "dims": _AXIS,
    "keepdim": "it is named keepdims here, as in the Python Array API",
    "unbiased": "correction=1 divides by one less than the count, as PyTorch does unless told otherwise",
    "diagonal": "it is named k here, as in the Python Array API",
    "size": "the shape comes first: {name}((2, 3))", "random.randint size": "it is named shape here",
    "requires_grad": "write {name}(...).requires_grad_()",
    "out": "a result is a new tensor; x[...] = {name}(...) writes it into x",
    "alpha": "multiply first: x + 2 * y",
    "to copy": "x.copy() is one",
    "as_tuple": "fl.nonzero gives a tuple of places by axis, fl.argwhere one matrix",
    "memory_format": "memory is laid out row by row; convolutions turn channels last inside by themselves",
    "non_blocking": "a copy is done when the call returns, so leave it out",
    "inplace": "a function gives a new tensor; x[...] = f(x) writes it into x",
    "device": "make it, then move it: {name}(...).to(device)",
    "dtype": "make it, then cast it: {name}(...).to(fl.float64)",
    "foreach": _ONE_STEP, "fused": _ONE_STEP, "capturable": _ONE_STEP, "differentiable": _ONE_STEP,
    "learning_rate": "it is named lr",
    "verbose": "schedule.get_last_lr() tells the rates",
    "size_average": "reduction='mean', 'sum' or 'none' says it", "reduce": "reduction='mean', 'sum' or 'none' says it",
    "pin_memory": _PINS, "pin_memory_device": _PINS,
    "persistent_workers": "workers live as long as the loader is walked, so leave it out",
    "layout": "a tensor has strides and no other layout, so leave it out",
    "multiprocessing_context": "workers='processes' instead of threads, which start at once",
    "device_type": _DEVICES,
    "map_location": _READS, "weights_only": _READS, "mmap": "fl.load(path, mmap=True) reads safetensors so",
    "pickle_protocol": "files are safetensors, so leave it out",
    "use_reentrant": "there is one kind of checkpoint, so leave it out",
    "in_dims": "it is named in_axes", "out_dims": "it is named out_axes",
    "create_graph": "what these functions give can be differentiated again as it is, so leave it out",
}  # fmt: skip
_OF_FL = ("dim", "dims", "keepdim", "diagonal", "size", "alpha")  # in fl.nn they are PyTorch's, or mean another thing
_DIM = "it is named dim in fl.nn, as in PyTorch"
_SHAPED = ("zeros", "ones", "empty", "full", "random.normal", "random.uniform")
_WRITTEN = {"axis": "axis=0", "dtype": "dtype=fl.float32"}


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """The function, whose refusal of a call's arguments says how the call is written.

    >>> import flambeau as fl
    >>> fl.zeros(2, 3)
    Traceback (most recent call last):
    TypeError: zeros() takes 1 positional argument but 2 were given; the shape is one argument: fl.zeros((2, 3))
    """

    function.__qualname__ = function.__qualname__.lstrip("_")  # what the refusal names; a method's stands as _name

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # from inside the function, which took the arguments
            said = f"{error}{_advice(function, args, kwargs)}"
        raise TypeError(said)

    return call


class _OwnSignature:
    """What help() and editors show of a class is what its __init__ takes, not what __new__ lets through."""

    def __get__(self, instance: object, owner: Any) -> object:
        import inspect

        if instance is not None:
            raise AttributeError("__signature__")  # of an object that can be called: what its __call__ takes
        whole = inspect.signature(owner.__init__)
        return whole.replace(parameters=list(whole.parameters.values())[1:])


class Explained:
    """A class of which a call with PyTorch's keyword, where it takes none of that name, says how the call is written.

    >>> import flambeau as fl
    >>> fl.nn.Linear(2, 3, device="cpu")
    Traceback (most recent call last):
    TypeError: Linear: there is no argument 'device'; make it, then move it: Linear(...).to(device)
    """

    if not TYPE_CHECKING:
        __signature__ = _OwnSignature()

        def __new__(cls, *args, **kwargs):
            for keyword in kwargs:
                if keyword == "axis" and not _takes(cls, "axis") and _takes(cls, "dim"):
                    raise TypeError(f"{cls.__name__}: there is no argument 'axis'; {_DIM}")
                if keyword in _KEYWORDS and not _takes(cls, keyword):
                    to = _DEVICES if keyword == "device" and not hasattr(cls, "to") else _KEYWORDS[keyword]
                    raise TypeError(f"{cls.__name__}: there is no argument '{keyword}'; {to.format(name=cls.__name__)}")
            return super().__new__(cls)


@functools.lru_cache(256)  # a class whose keyword is PyTorch's too may be made in every step, as autocast(dtype=...) is
def _takes(function: Callable[..., object], keyword: str) -> bool:
    return any(one.name == keyword or one.kind is one.VAR_KEYWORD for one in _parameters(function))


def _parameters(function: Callable[..., object]) -> Iterable[Parameter]:
    import inspect  # takes some milliseconds too

    return inspect.signature(function).parameters.values()


def otherwise(name: str, keyword: str) -> str:
    """What follows an error about this keyword of fl's function of that name; nothing where PyTorch has none such.

    >>> otherwise("add", "alpha")
    '; multiply first: x + 2 * y'
    """
    said = _KEYWORDS.get(f"{name} {keyword}") or _KEYWORDS.get(keyword)
    return f"; {said.format(name=f'fl.{name}')}" if said else ""


def refuse(name: str, other: dict[str, Never]) -> NoReturn:
    """Raise for what fl.nn's function of that name was given by keywords that it does not take.

    >>> import flambeau as fl
    >>> fl.nn.functional.softmax(fl.ones(3), 0, axis=0)
    Traceback (most recent call last):
    TypeError: softmax: there is no argument 'axis'; it is named dim in fl.nn, as in PyTorch
    """
    keyword = next(iter(other))
    said = f"; {_DIM}" if keyword == "axis" else "" if keyword in _OF_FL else otherwise(name, keyword)
    raise TypeError(f"{name}: there is no argument '{keyword}'{said}")


def _advice(function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> str:
    place = function.__module__.removeprefix("flambeau.")
    name = f"{place}.{function.__name__}" if place in ("fft", "linalg", "random") else function.__name__
    for keyword in kwargs:
        if (said := otherwise(name, keyword)) and not _takes(function, keyword):
            return said
    if len(args) < 2:
        return ""
    sizes, value = (args[:-1], f", {args[-1]!r}") if name == "full" else (args, "")
    if name in _SHAPED and len(sizes) > 1 and all(isinstance(size, int) for size in sizes):
        return f"; the shape is one argument: fl.{name}({sizes}{value})"
    by_name = next((one.name for one in _parameters(function) if one.kind is one.KEYWORD_ONLY), None)
    if by_name is None:
        return ""
    others = "what follows the tensor is" if isinstance(args[0], Tensor) else "the others are"
    return f"; {others} written by name, as in {_WRITTEN.get(by_name, f'{by_name}=...')}"
