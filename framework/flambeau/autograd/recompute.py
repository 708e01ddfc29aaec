"""checkpoint: less memory for more time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flambeau.arguments import otherwise

from .. import _core, random
from . import trees


def checkpoint(function: Callable[..., Any], *args: Any, preserve_rng_state: bool = True, **kwargs: Any) -> Any:
    """function(*args, **kwargs), keeping nothing of what happens inside for backward(), which calls it again.

    The second call sees flambeau's random numbers from the same place, so that dropout drops the same elements
    (preserve_rng_state=False does without), and the same autocast. Derivatives of any order, and with regard to tensors
    that the function closes over, are those of a plain call. A checkpoint inside another is part of it. What a Function
    saves for its own backward is kept.

    Raises: RuntimeError in backward if the second call does other ops than the first, or if a tensor that it needs was
    written in place meanwhile.

    >>> import flambeau as fl
    >>> x = fl.tensor([1.0, 2.0], requires_grad=True)
    >>> fl.checkpoint(lambda x: fl.square(x) * x, x).sum().backward()
    >>> x.grad
    tensor([3.0, 12.0])
    """
    if "use_reentrant" in kwargs:
        raise TypeError(f"checkpoint: there is no argument 'use_reentrant'{otherwise('checkpoint', 'use_reentrant')}")
    if not _core.grad_enabled() or _core.recording() or _core.in_checkpoint():
        return function(*args, **kwargs)
    levels = _core.vmap_levels()
    # Outside the vmaps that this is called in, arguments are kept as whole batches.
    kept, kept_words = ((args, kwargs) if not levels else trees.map_tensors(
        lambda x: _core.without_levels(x, 0), (args, kwargs)))
    generator = random.default_generator
    state = generator.get_state()
    mode = _core.autocast_mode()

    def call(given: tuple[Any, ...], words: dict[str, Any]) -> Any:
        if levels:
            given, words = trees.map_tensors(lambda x: _core.with_levels(x, 0), (given, words))
        return function(*given, **words)

    def again() -> None:
        before = generator.get_state()
        if preserve_rng_state:
            generator.set_state(state)
        mode_before = _core.enter_autocast(*mode)
        entered = [_core.enter_vmap(size, randomness) for size, randomness in levels]
        try:
            call(kept, kept_words)
        finally:
            for number in reversed(entered):
                _core.leave_vmap(number)
            _core.leave_autocast(*mode_before)
            generator.set_state(before)

    return _core.Checkpoint(again).run(lambda: call(kept, kept_words))
