"""Four networks and their training, written once and built of PyTorch's layers or of ours."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Training:
    """What a network learns from, and how.

    network: from a library (`torch` or `flambeau`) and a width; batches: from a seed and a size, without end.
    optimizer: from the library's `optim` and parameters; dtype matters to inputs that are floats.
    """

    network: Callable[[Any, int], Any]
    batches: Callable[[int, int], Iterator[Batch]]
    optimizer: Callable[[Any, Any], Any]
    width: int


def layers(library: Any) -> tuple[Any, Any]:
    """The library's nn, and a base of modules: `forward` is what a call computes, in both."""
    nn = library.nn

    class Base(nn.Module):  # type: ignore[misc,name-defined]  # of whichever library is given
        if library.__name__ != "torch":

            def __call__(self, *inputs: Any) -> Any:
                return self.forward(*inputs)

    return nn, Base


def mlp(library: Any, width: int) -> Any:
    nn, _ = layers(library)
    return nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, 10)
    )


def cnn(library: Any, width: int) -> Any:
    nn, _ = layers(library)
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
        nn.GroupNorm(4, 2 * width),
        nn.SiLU(),
        nn.ConvTranspose2d(2 * width, width, 2, stride=2),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


def lstm(library: Any, width: int) -> Any:
    nn, base = layers(library)

    class Lstm(base):  # type: ignore[misc,valid-type]  # of whichever library is given
        def __init__(self) -> None:
            super().__init__()
            self.symbols = nn.Embedding(SYMBOLS, width)
            self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
            self.head = nn.Linear(width, SYMBOLS)

        def forward(self, codes: Any) -> Any:
            return self.head(self.lstm(self.symbols(codes))[0]).reshape(-1, SYMBOLS)

    return Lstm()


def gpt(library: Any, width: int) -> Any:
    nn, base = layers(library)
    permute = getattr(library, "permute_dims", None) or library.permute

    class Block(base):  # type: ignore[misc,valid-type]  # of whichever library is given
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            n, length, _ = x.shape
            parts = self.attend(self.norm1(x)).reshape(n, length, 3, 4, width // 4)
            query, key, value = (permute(parts[:, :, i], (0, 2, 1, 3)) for i in range(3))
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = x + self.project(permute(mixed, (0, 2, 1, 3)).reshape(n, length, width))
            return x + self.feed(self.norm2(x))

    class Gpt(base):  # type: ignore[misc,valid-type]  # of whichever library is given
        def __init__(self) -> None:
            super().__init__()
            self.symbols, self.places = nn.Embedding(SYMBOLS, width), nn.Embedding(LENGTH, width)
            self.blocks = nn.Sequential(Block(), Block())
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, SYMBOLS, bias=False)

        def forward(self, codes: Any) -> Any:
            x = self.symbols(codes) + self.places(library.arange(codes.shape[1]))
            return self.head(self.norm(self.blocks(x))).reshape(-1, SYMBOLS)

    return Gpt()


LENGTH = 24
TEXT = " ".join(sorted(sys.stdlib_module_names))
LETTERS = sorted(set(TEXT))
SYMBOLS = len(LETTERS)


def digits(seed: int, size: int) -> Iterator[Batch]:
    """Images (size, 64) and classes (size,) in an order drawn anew for each epoch."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(images))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            yield images[chosen] / 16.0, classes[chosen]


def text(seed: int, size: int) -> Iterator[Batch]:
    """Pieces of names of Python's modules (size, LENGTH) and the letters that follow (size * LENGTH,)."""
    codes = np.array([LETTERS.index(letter) for letter in TEXT])
    random = np.random.default_rng(seed)
    while True:
        starts = random.integers(0, len(codes) - LENGTH, size)
        pieces = np.stack([codes[start : start + LENGTH + 1] for start in starts])
        yield pieces[:, :-1], pieces[:, 1:].reshape(-1)


TRAININGS = {
    "mlp": Training(mlp, digits, lambda optim, p: optim.AdamW(p, lr=1e-3), 64),
    "cnn": Training(cnn, digits, lambda optim, p: optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True), 8),
    "lstm": Training(lstm, text, lambda optim, p: optim.Adam(p, lr=2e-3), 32),
    "gpt": Training(gpt, text, lambda optim, p: optim.AdamW(p, lr=1e-3, betas=(0.9, 0.95)), 32),
}


def losses(library: Any, net: Any, training: Training, *, dtype: str, steps: int, size: int) -> list[float]:
    """The loss of each step of training this network, with gradients clipped; seed 0 gives the order of the data."""
    optimizer = training.optimizer(library.optim, net.parameters())
    found = []
    for _, (inputs, targets) in zip(range(steps), training.batches(0, size), strict=False):
        x = library.tensor(inputs.astype(dtype) if inputs.dtype.kind == "f" else inputs)
        loss = library.nn.functional.cross_entropy(net(x), library.tensor(targets))
        optimizer.zero_grad()
        loss.backward()
        library.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        found.append(loss.item())
    return found
