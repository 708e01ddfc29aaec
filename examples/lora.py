"""Teach a pretrained transformer a new task with few numbers (LoRA): `python examples/lora.py`.

The task: from which module of Python's standard library is a docstring? all-MiniLM-L6-v2 (minilm.py) stays as it is;
beside some of its linear layers small products of two thin matrices are learned, a 300th as many numbers. They are
saved to safetensors and in the end added to the weights, which costs nothing in use.
Source: Hu and others, arXiv:2106.09685.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import flambeau as fl
from docstrings import MODULES, Example, docstrings
from flambeau import nn, optim
from flambeau.data import DataLoader
from flambeau.nn import functional
from minilm import WIDTH, Attention, MiniLm, load
from terminal import progress


class Lora(nn.Module):
    """A linear layer that stays, and beside it up @ down, which is learned and begins as zero."""

    def __init__(self, linear: nn.Linear, rank: int, scale: float = 2.0) -> None:
        self.linear, self.scale = linear, scale
        self.down = nn.Parameter(fl.random.normal((rank, linear.in_features)) / linear.in_features**0.5)
        self.up = nn.Parameter(fl.zeros((linear.out_features, rank)))

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return self.linear(x) + functional.linear(functional.linear(x, self.down), self.up) * self.scale

    @fl.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that gives the same."""
        self.linear.weight[...] = self.linear.weight + self.up @ self.down * self.scale
        return self.linear


class Reader(nn.Module):
    """Logits of the modules for a batch of codes."""

    def __init__(self, body: MiniLm) -> None:
        self.body = body.requires_grad_(False)
        self.head = nn.Linear(WIDTH, len(MODULES), bias=False)

    def __call__(self, codes: fl.Tensor) -> fl.Tensor:
        return self.head(self.body(codes) * 20.0)  # vectors of length 1 alone would hold every class likely

    def attentions(self) -> list[Attention]:
        """Those of the transformer's layers, in their order."""
        return [layer for layer in self.body.modules() if isinstance(layer, Attention)]

    def adapt(self, rank: int) -> None:
        """Put Lora beside the queries and values of every layer."""
        for attention in self.attentions():
            attention.query, attention.value = Lora(attention.query, rank), Lora(attention.value, rank)

    def merge(self) -> None:
        """Add what was learned to the weights: the layers are those of before again."""
        for attention in self.attentions():
            attention.query, attention.value = attention.query.merged(), attention.value.merged()

    def learned(self) -> dict[str, fl.Tensor]:
        """The part of the state that was not frozen: all that has to be saved."""
        learned = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: value for name, value in self.state_dict().items() if name in learned}


@fl.no_grad()
def begin(net: Reader, loader: DataLoader) -> None:
    """Give each module the mean of its docstrings' vectors: the nearest mean is what a frozen network can say."""
    batches = [(net.body(codes), modules) for codes, modules in progress(loader, "means")]
    vectors, modules = (fl.concat(parts) for parts in zip(*batches, strict=True))
    for module in range(len(MODULES)):
        net.head.weight[module] = functional.normalize(fl.mean(vectors[modules == module], axis=0), dim=0)


def train(net: Reader, loader: DataLoader, *, epochs: int) -> None:
    """Learn what is not frozen, at a rate that falls to zero."""
    optimizer = optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=4e-3, weight_decay=0.01)
    schedule = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=epochs * len(loader))
    for epoch in range(epochs):
        bar = progress(loader, f"epoch {epoch + 1} of {epochs}")
        for codes, modules in bar:
            loss = functional.cross_entropy(net(codes), modules)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.note = f"loss {loss.item():.3f}"


@fl.no_grad()
def logits_of(net: Reader, loader: DataLoader) -> fl.Tensor:
    """What the network says to all examples: (n, modules)."""
    return fl.concat([net(codes) for codes, _ in loader])


def main(arguments: list[str] | None = None) -> tuple[tuple[float, float], tuple[float, float]]:
    """The share of right answers and the loss on docstrings not seen, before and after."""
    parser = argparse.ArgumentParser(description="Fine-tune a pretrained transformer by LoRA.")
    parser.add_argument("--each", type=int, default=150, help="how many docstrings of a module, at most")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, default=Path(tempfile.gettempdir()) / "lora.safetensors")
    options = parser.parse_args(arguments)
    fl.manual_seed(options.seed)
    start = time.monotonic()
    body, tokenizer = load(longest=40)

    def together(examples: list[Example]) -> tuple[fl.Tensor, fl.Tensor]:
        return tokenizer.batch([text for text, _ in examples]), fl.tensor([module for _, module in examples])

    training, testing = docstrings(options.each, options.seed)
    loader = DataLoader(training, 32, shuffle=True, seed=options.seed, collate_fn=together)
    unseen = DataLoader(testing, 64, collate_fn=together)
    modules = fl.tensor([module for _, module in testing])

    def judged(logits: fl.Tensor) -> tuple[float, float]:
        right = fl.mean((fl.argmax(logits, axis=1) == modules).to(fl.float32)).item()
        return right, functional.cross_entropy(logits, modules).item()

    net = Reader(body)
    begin(net, loader)
    before = judged(logits_of(net, unseen))
    net.adapt(options.rank)
    train(net, loader, epochs=options.epochs)
    logits = logits_of(net, unseen)
    after = judged(logits)
    fl.save(net.learned(), options.save)
    print(f"right of {len(testing)} docstrings not seen: {before[0]:.1%} with the frozen network, {after[0]:.1%} with "
          f"LoRA ({len(training)} learned from, {time.monotonic() - start:.0f} s)")

    other = Reader(load()[0])
    other.adapt(options.rank)
    other.load_state_dict(fl.load(options.save), strict=False)
    other.merge()
    fl.testing.assert_close(logits_of(other, unseen), logits, rtol=1e-3, atol=1e-3)
    print(f"{options.save}, {options.save.stat().st_size / 1e3:.0f} kB, merged into the weights says the same")
    return before, after


if __name__ == "__main__":
    main()
