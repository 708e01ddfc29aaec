"""Train an LSTM to write names of Python's modules, character by character: `python examples/lstm_characters.py`.

Names have different lengths: they are padded, packed, and read in one call. The names are those of the standard
library, so the data comes with Python.
"""

from __future__ import annotations

import argparse
import sys

import flambeau as fl
from flambeau import nn, optim
from flambeau.data import DataLoader
from flambeau.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from terminal import progress

END = 0  # the code before the first and after the last character of a name


class Writer(nn.Module):
    """Logits of the next character of each name."""

    def __init__(self, symbols: int, width: int) -> None:
        self.symbols = nn.Embedding(symbols, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True)
        self.head = nn.Linear(width, symbols)

    def __call__(self, codes: fl.Tensor, lengths: list[int]) -> fl.Tensor:
        packed = pack_padded_sequence(self.symbols(codes), lengths, batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.head(output)


def together(names: list[list[int]]) -> tuple[fl.Tensor, fl.Tensor, list[int]]:
    """Names begun and ended by END: what is read, what should follow, and the lengths; -100 is not counted."""
    read = pad_sequence([fl.tensor([END, *name]) for name in names], batch_first=True)
    following = pad_sequence([fl.tensor([*name, END]) for name in names], batch_first=True, padding_value=-100)
    return read, following, [len(name) + 1 for name in names]


def train(net: Writer, names: list[list[int]], *, epochs: int, seed: int) -> list[float]:
    """The mean loss of each epoch, in nats for each character."""
    loader = DataLoader(names, batch_size=32, shuffle=True, seed=seed, collate_fn=together)
    optimizer = optim.Adam(net.parameters(), lr=5e-3)
    loss_of = nn.CrossEntropyLoss()
    means = []
    bar = progress(range(epochs), "lstm")
    for _ in bar:
        losses = []
        for read, following, lengths in loader:
            logits = net(read, lengths)
            loss = loss_of(logits.permute_dims(0, 2, 1), following)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
        bar.note = f"loss {means[-1]:.2f}"
    return means


@fl.no_grad()
def write(net: Writer, longest: int = 20) -> list[int]:
    """One name, each character drawn from what the network holds likely; only the state goes from step to step."""
    codes, state = [END], None
    while len(codes) <= longest:
        output, state = net.lstm(net.symbols(fl.tensor([[codes[-1]]])), state)
        likely = nn.functional.softmax(net.head(output[0, 0]), dim=0)
        code = int(fl.random.multinomial(likely, 1).item())
        if code == END:
            break
        codes.append(code)
    return codes[1:]


def main(arguments: list[str] | None = None) -> list[float]:
    parser = argparse.ArgumentParser(description="Train an LSTM on the names of Python's modules.")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--width", type=int, default=64)
    options = parser.parse_args(arguments)
    words = sorted(name for name in sys.stdlib_module_names if not name.startswith("_"))
    symbols = ["", *sorted(set("".join(words)))]
    names = [[symbols.index(character) for character in word] for word in words]
    fl.manual_seed(0)
    net = Writer(len(symbols), options.width)
    losses = train(net, names, epochs=options.epochs, seed=0)
    print(f"{len(words)} names; loss {losses[0]:.2f}, after {options.epochs} epochs {losses[-1]:.2f}")
    print(*("".join(symbols[code] for code in write(net)) for _ in range(8)))
    return losses


if __name__ == "__main__":
    main()
