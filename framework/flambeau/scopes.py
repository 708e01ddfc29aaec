"""Named stretches of a program, for the profiler: what users name, and layers by their paths."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager, nullcontext
from typing import Any

from . import _core

# What names layers while a profile runs. A layer's call looks at it first, so nothing else may be asked there.
layers: LayerNames | None = None


class record_function(ContextDecorator):
    """Name a stretch of the program in a profile; as a decorator, a function. Costs little where no profile runs.

    >>> import flambeau as fl
    >>> with fl.profiler.profile() as prof:
    ...     with fl.profiler.record_function("doubling"):
    ...         y = fl.ones(3) * 2
    >>> [row.count for row in prof.key_averages() if row.key == "doubling"]
    [1]
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"record_function: the name is {name!r} and must be a string")
        self.name = name
        self._open = threading.local()  # a decorated function may run in several threads, and call itself

    def __enter__(self) -> record_function:
        self._tokens().append(_core.begin_scope(self.name) if _core.profiling() else 0)
        return self

    def __exit__(self, *error: object) -> None:
        token = self._tokens().pop()
        if token:
            _core.end_scope(token)

    def _tokens(self) -> list[int]:
        tokens: list[int] = self._open.__dict__.setdefault("tokens", [])
        return tokens


_NOTHING = nullcontext()


def part(name: str) -> AbstractContextManager[object]:
    """A scope of the package's own; nothing where no profile runs."""
    return _NOTHING if layers is None else record_function(name)


class LayerNames:
    """Scopes around the calls of layers, named as errors name them: "net.2: Linear(32, 64)"."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self._inside = threading.local()  # the layers that are being called, the outermost first
        self._paths: dict[int, tuple[Any, dict[int, str]]] = {}  # by outermost layer, which is kept alive with it

    @contextmanager
    def inside(self, layer: Any) -> Iterator[None]:
        """While this layer is called."""
        trail: list[Any] = self._inside.__dict__.setdefault("trail", [])
        name = self._name(trail[0] if trail else layer, layer)
        trail.append(layer)
        token = _core.begin_scope(name)
        try:
            yield
        finally:
            _core.end_scope(token)
            trail.pop()

    def _name(self, outermost: Any, layer: Any) -> str:
        _, names = self._paths.setdefault(id(outermost), (outermost, {}))
        if id(layer) not in names:
            for path, inner in outermost.named_modules():
                text = repr(inner)
                short = type(inner).__name__ if "\n" in text else text
                names[id(inner)] = f"{path}: {short}" if path else short
            names.setdefault(id(layer), type(layer).__name__)  # made on the way, and part of nothing
            self.known.update(names.values())
        return names[id(layer)]
