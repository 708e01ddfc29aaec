"""Functions that a layer calls around its own work: before and after a call, around its gradient and its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flambeau.nn.backward_hooks import BackwardHooks

Hook = Callable[..., Any]


class RemovableHandle:
    """What registering a hook gives: `remove()` takes the hook away; so does leaving a `with`.

    >>> from flambeau import nn
    >>> import flambeau as fl
    >>> layer = nn.ReLU()
    >>> with layer.register_forward_hook(lambda layer, args, output: output + 1):
    ...     layer(fl.tensor([2.0])).tolist()
    [3.0]
    >>> layer(fl.tensor([2.0])).tolist()
    [2.0]
    """

    def __init__(self, hooks: list[tuple[Hook, bool]], entry: tuple[Hook, bool]) -> None:
        self._hooks = hooks
        self._entry = entry

    def remove(self) -> None:
        """Take the hook away; nothing happens if it is gone."""
        self._hooks[:] = [entry for entry in self._hooks if entry is not self._entry]

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Hooked:
    """The part of Module that keeps hooks: each `register_...` gives a handle that removes it."""

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(layer, args) before the layer; what it gives, unless None, takes the place of the arguments.

        with_kwargs: hook(layer, args, kwargs), which gives None or (args, kwargs).
        """
        return self._register("forward_pre", hook, with_kwargs, prepend)

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(layer, args, output) after the layer; what it gives, unless None, takes the place of the output.

        with_kwargs: hook(layer, args, kwargs, output).
        """
        return self._register("forward", hook, with_kwargs, prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(layer, grad_output) when the gradients of the layer's results are known.

        grad_output is a tuple; what the hook gives, unless None, takes its place (a tensor, or a tuple as long).
        """
        return self._register("backward_pre", hook, False, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(layer, grad_input, grad_output) when the gradients of the layer's inputs are known.

        Both are tuples, of the tensors among the positional arguments (None for one that needs no gradient) and of the
        results. What the hook gives, unless None, takes the place of grad_input. Without an input that needs a gradient
        it is called when those of the results are known, with None for the inputs.

        >>> from flambeau import nn
        >>> import flambeau as fl
        >>> layer = nn.Linear(2, 3)
        >>> with layer.register_full_backward_hook(lambda layer, inputs, outputs: print(inputs[0].shape, outputs)):
        ...     layer(fl.tensor([[1.0, 1.0]], requires_grad=True)).sum().backward()
        (1, 2) (tensor([[1.0, 1.0, 1.0]]),)
        """
        return self._register("backward", hook, False, prepend)

    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(layer, prefix, keep_vars) before the layer's state is read."""
        return self._register("state_pre", hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(layer, state, prefix, metadata) after the layer's state was read; it changes `state` in place."""
        return self._register("state_post", hook)

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(layer, state, prefix, metadata, strict, missing, unexpected, errors) before values are compared.

        It may rename or drop entries of `state`, which is a copy, and append to the three lists.
        """
        return self._register("load_pre", hook)

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Call hook(layer, incompatible_keys) when names are compared, before values are copied.

        It may take names out of the two lists.

        The lists are of the whole module that is loaded, each name with its path.
        """
        return self._register("load_post", hook)

    def _register(self, kind: str, hook: Hook, option: bool = False, prepend: bool = False) -> RemovableHandle:
        if not callable(hook):
            raise TypeError(f"{type(self).__name__}: the hook is {hook!r}, not a function")
        kept = self.__dict__.setdefault("_hooks", {}).setdefault(kind, [])
        entry = (hook, option)
        kept.insert(0 if prepend else len(kept), entry)
        return RemovableHandle(kept, entry)

    def _hooks_of(self, kind: str) -> list[tuple[Hook, bool]]:
        return list(self.__dict__.get("_hooks", {}).get(kind, ()))


def call_with_hooks(call: Callable[..., Any], layer: Hooked, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """call(layer, *args, **kwargs) between the layer's hooks."""
    for hook, takes_kwargs in layer._hooks_of("forward_pre"):
        given = hook(layer, args, kwargs) if takes_kwargs else hook(layer, args)
        if given is None:
            continue
        if takes_kwargs:
            if not (isinstance(given, tuple) and len(given) == 2):
                raise TypeError(f"forward pre-hook: it gave {given!r}; with_kwargs asks for None or (args, kwargs)")
            args, kwargs = given
        else:
            args = given if isinstance(given, tuple) else (given,)
    backward = [[hook for hook, _ in layer._hooks_of(kind)] for kind in ("backward_pre", "backward")]
    around = BackwardHooks(layer, *backward) if any(backward) else None
    output = call(layer, *(around.before(args) if around else args), **kwargs)
    for hook, takes_kwargs in layer._hooks_of("forward"):
        given = hook(layer, args, kwargs, output) if takes_kwargs else hook(layer, args, output)
        output = output if given is None else given
    return around.after(output) if around else output
