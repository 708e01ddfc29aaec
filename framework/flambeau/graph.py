"""Functions written down as graphs."""

from __future__ import annotations

from . import _core
from ._core import Graph, Tensor

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def record(function: Callable[..., Any], *inputs: Tensor) -> Graph:
    """Call the function once with value-less tensors and give what it did as a graph.

    Ops are written down and not computed; reading a value inside raises. Tensors that the function uses without
    getting them as arguments are captured.

    >>> import flambeau as fl
    >>> graph = fl.record(lambda x: x + x, fl.ones(2))
    >>> print(graph.text)
    graph(%0: float32[2]) {
      %1: float32[2] = add.1(%0, %0)
      return %1
    }
    <BLANKLINE>
    >>> graph.run(fl.tensor([1.0, 2.0]))
    tensor([2.0, 4.0])
    """
    recorder = _core.Recorder()
    try:
        result = function(*(recorder.argument(x) for x in inputs))
        results = [result] if isinstance(result, Tensor) else list(result)
        for x in results:
            if not isinstance(x, Tensor):
                raise TypeError(f"record: the function gave {type(x).__name__} and must give tensors")
        return recorder.finish(results)
    finally:
        recorder.stop()


def _run(self: Graph, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
    """The results for these inputs, op by op; one tensor, or a tuple of several."""
    results = self._run(list(inputs))
    return results[0] if len(results) == 1 else tuple(results)


Graph.run = _run  # type: ignore[method-assign]  # the native class gets its Python part
