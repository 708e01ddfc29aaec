"""Train a small GPT on this repository's own documents, then let it write: `python examples/gpt.py`.

Characters are the tokens. The text is docs/*.md, nine tenths to train and one tenth to test; the loss is in bits for
each character. The default setting shows that it learns; more steps and width make words of the letters.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import flambeau as fl
from flambeau import nn, optim
from flambeau.data import DataLoader, Dataset
from flambeau.nn import functional
from flambeau.optim import lr_scheduler
from terminal import progress

DOCS = Path(__file__).resolve().parents[1] / "docs"


class Text(Dataset[tuple[fl.Tensor, fl.Tensor]]):
    """Pieces of a text with what follows each of their characters."""

    def __init__(self, codes: list[int], length: int) -> None:
        self.codes = fl.tensor(codes)
        self.length = length

    def __len__(self) -> int:
        return (len(self.codes) - 1) // self.length

    def __getitem__(self, index: int) -> tuple[fl.Tensor, fl.Tensor]:
        start = index * self.length
        return self.codes[start : start + self.length], self.codes[start + 1 : start + self.length + 1]


class Block(nn.Module):
    """Attention to what came before, then two linear layers, each around a normalized input."""

    def __init__(self, width: int, heads: int) -> None:
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        n, length, width = x.shape
        parts = self.attend(self.norm1(x)).reshape(n, length, 3, self.heads, width // self.heads)
        query, key, value = (parts[:, :, i].permute_dims(0, 2, 1, 3) for i in range(3))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.project(mixed.permute_dims(0, 2, 1, 3).reshape(n, length, width))
        return x + self.feed(self.norm2(x))


class Gpt(nn.Module):
    """Logits of the next character at each place. Source: Radford and others, 2019."""

    def __init__(self, symbols: int, length: int, width: int, heads: int, layers: int) -> None:
        self.length = length
        self.symbols, self.places = nn.Embedding(symbols, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols, bias=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def __call__(self, codes: fl.Tensor) -> fl.Tensor:
        x = self.symbols(codes) + self.places(fl.arange(codes.shape[1]))
        return self.head(self.norm(self.blocks(x)))


def loss_of(net: Gpt, codes: fl.Tensor, following: fl.Tensor) -> fl.Tensor:
    logits = net(codes)
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), following.reshape(-1))


def forever(loader: DataLoader) -> Iterator[tuple[fl.Tensor, fl.Tensor]]:
    """Batch after batch, epoch after epoch, each in a new order."""
    while len(loader):
        yield from loader


def train(net: Gpt, text: Text, *, steps: int, batch: int, seed: int) -> list[float]:
    """The losses of all steps."""
    batches = forever(DataLoader(text, batch_size=batch, shuffle=True, drop_last=True, seed=seed))
    optimizer = optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.1)
    schedule = lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps + 1, cycle_momentum=False)
    losses: list[float] = []
    bar = progress(range(steps), "gpt")
    for _ in bar:
        loss = loss_of(net, *next(batches))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        bar.note = f"{losses[-1] / math.log(2.0):.2f} bits a character"
    return losses


@fl.no_grad()
def write(net: Gpt, codes: list[int], count: int, temperature: float = 0.8) -> list[int]:
    """The codes and `count` more, each drawn from what the network holds likely."""
    codes = list(codes)
    for _ in range(count):
        logits = net(fl.tensor([codes[-net.length :]]))[0, -1] / temperature
        codes.append(int(fl.random.multinomial(functional.softmax(logits, dim=0), 1).item()))
    return codes


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description="Train a GPT on this repository's documents.")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--write", type=int, default=200, help="how many characters to write in the end")
    options = parser.parse_args(arguments)
    text = "\n".join(path.read_text() for path in sorted(DOCS.glob("*.md")))
    symbols = sorted(set(text))
    codes = [symbols.index(character) for character in text]
    cut = len(codes) * 9 // 10
    fl.manual_seed(0)
    net = Gpt(len(symbols), options.length, options.width, 4, options.layers)
    start = time.monotonic()
    train(net, Text(codes[:cut], options.length), steps=options.steps, batch=options.batch, seed=0)
    with fl.no_grad():
        tested = [loss_of(net, *batch).item() for batch in DataLoader(Text(codes[cut:], options.length), 32)]
    bits = sum(tested) / len(tested) / math.log(2.0)
    print(f"{options.steps} steps in {time.monotonic() - start:.0f} s; on text not seen {bits:.2f} bits a character")
    print("".join(symbols[code] for code in write(net, codes[:8], options.write)))
    return bits


if __name__ == "__main__":
    main()
