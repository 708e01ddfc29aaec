"""What ours and PyTorch write alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from tests.speed.rows import Work


class Eager:
    """A library whose tensors have `backward()`; `nn`, `functional`, `optim` and `Module` are its own."""

    nn: Any
    functional: Any
    optim: Any
    Module: Any
    autocast: Callable[[str], AbstractContextManager[Any]]

    def compiled(self, function: Any) -> Any:
        """The function or network as it is called; PyTorch may compile it."""
        return function

    def laid_out(self, tensor_or_network: Any) -> Any:
        """In the memory format that is tried."""
        return tensor_or_network

    def optimizer(self, name: str, parameters: Any, **options: Any) -> Any:
        return getattr(self.optim, name)(parameters, **options)

    def work(self, function: Callable[..., object], *arguments: Any) -> Work:
        """One call of the function."""
        return partial(self.compiled(function), *arguments)

    def gradients(self, function: Callable[..., Any], inputs: Sequence[Any], g: Any = None) -> Work:
        """One call of the function, and its gradients for those inputs that need one."""
        function = self.compiled(function)
        leaves = [x for x in inputs if x.requires_grad]

        def step() -> None:
            for leaf in leaves:
                leaf.grad = None
            function(*inputs).backward(g)

        return step

    def training(
        self, net: Any, loss_of: Any, x: Any, y: Any, optimizer: str, *, autocast: str | None = None, **options: float
    ) -> Work:
        """One step of training: gradients set to zero, forward (in `autocast`'s dtype), backward, optimizer."""
        net = self.laid_out(net)
        steps = self.optimizer(optimizer, net.parameters(), **options)
        net = self.compiled(net)
        context = partial(self.autocast, autocast) if autocast else nullcontext

        def step() -> None:
            steps.zero_grad()
            with context():
                loss = loss_of(net(x), y)
            loss.backward()
            steps.step()

        return step

    def gelu(self, x: Any, approximate: str = "none") -> Any:
        return self.functional.gelu(x, approximate=approximate)

    def softmax(self, x: Any) -> Any:
        return self.functional.softmax(x, -1)

    def layer_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        return self.functional.layer_norm(x, weight.shape, weight, bias)

    def batch_norm(self, x: Any, weight: Any, bias: Any) -> Any:
        """While training, without running statistics."""
        return self.functional.batch_norm(x, None, None, weight, bias, True)

    def max_pool(self, x: Any) -> Any:
        return self.functional.max_pool2d(x, 2)

    def conv2d(self, x: Any, weight: Any, stride: int, padding: int, groups: int = 1) -> Any:
        return self.functional.conv2d(x, weight, None, stride, padding, 1, groups)

    def attention(self, query: Any, key: Any, value: Any) -> Any:
        return self.functional.scaled_dot_product_attention(query, key, value)

    def cross_entropy(self, logits: Any, classes: Any) -> Any:
        return self.functional.cross_entropy(logits, classes)
