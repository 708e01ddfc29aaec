"""Two networks against each other draw handwritten digits: `python examples/gan.py`.

The generator makes an image of 8 by 8 from noise and the class that is wanted; the discriminator sees an image with a
class and says whether it is real. A network trained on real digits (digits_mlp.py) judges in the end: how often does
it see the class that was wanted, and do the images differ from each other as the real ones do? Sources: Goodfellow and
others, arXiv:1406.2661; Mirza and Osindero, arXiv:1411.1784 (classes).
"""

from __future__ import annotations

import argparse
import time

import flambeau as fl
import numpy as np
from digits_mlp import accuracy, digits
from digits_mlp import train as train_judge
from flambeau import nn, optim
from flambeau.data import DataLoader, TensorDataset
from flambeau.nn import functional
from terminal import pictures, progress

NOISE, CLASSES = 32, 10


class Generator(nn.Module):
    """noise (n, NOISE), classes (n,) -> images (n, 64) between 0 and 1."""

    def __init__(self, width: int) -> None:
        self.classes = nn.Embedding(CLASSES, NOISE)
        self.net = nn.Sequential(
            nn.Linear(2 * NOISE, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, 64), nn.Sigmoid(),
        )  # fmt: skip

    def __call__(self, noise: fl.Tensor, classes: fl.Tensor) -> fl.Tensor:
        return self.net(fl.concat([noise, self.classes(classes)], axis=1))


class Discriminator(nn.Module):
    """images (n, 64), classes (n,) -> logits (n,) of being real."""

    def __init__(self, width: int) -> None:
        self.classes = nn.Embedding(CLASSES, NOISE)
        self.net = nn.Sequential(
            nn.Linear(64 + NOISE, width), nn.LeakyReLU(0.2), nn.Dropout(0.3),
            nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Dropout(0.3),
            nn.Linear(width, 1),
        )  # fmt: skip

    def __call__(self, images: fl.Tensor, classes: fl.Tensor) -> fl.Tensor:
        return self.net(fl.concat([images, self.classes(classes)], axis=1))[:, 0]


def train(images: fl.Tensor, classes: fl.Tensor, *, seed: int, epochs: int, width: int = 256) -> Generator:
    """A generator that has learned to pass for these images."""
    fl.manual_seed(seed)
    generator, discriminator = Generator(width), Discriminator(width)
    makes = optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    tells = optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    loss_of = functional.binary_cross_entropy_with_logits
    loader = DataLoader(TensorDataset(images, classes), 64, shuffle=True, drop_last=True, seed=seed)
    bar = progress(range(epochs), "gan")
    for _ in bar:
        for real, wanted in loader:
            yes, no = fl.full(len(real), 0.9), fl.zeros(len(real))  # never quite sure: its gradients stay alive
            made = generator(fl.random.normal((len(real), NOISE)), wanted)
            told = loss_of(discriminator(real, wanted), yes) + loss_of(discriminator(made.detach(), wanted), no)
            tells.zero_grad()
            told.backward()
            tells.step()

            fooled = loss_of(discriminator(made, wanted), fl.ones(len(real)))
            makes.zero_grad()
            fooled.backward()
            makes.step()
        bar.note = f"discriminator {told.item():.2f}, generator {fooled.item():.2f}"
    return generator.eval()


def spread(images: np.ndarray, classes: np.ndarray) -> float:
    """How far images lie from the mean of their class."""
    return float(np.mean([images[classes == c].std(axis=0).mean() for c in range(CLASSES)]))


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    parser = argparse.ArgumentParser(description="Draw handwritten digits with two networks.")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    data = digits()
    judge = train_judge(data, seed=0, epochs=30, device="cpu")
    start = time.monotonic()
    generator = train(fl.tensor(data.train_images), fl.tensor(data.train_classes), seed=options.seed,
                      epochs=options.epochs)
    wanted = fl.arange(500) % CLASSES
    with fl.no_grad():
        images = generator(fl.random.normal((len(wanted), NOISE)), wanted)
        seen = fl.argmax(judge(images), axis=1)
    right = fl.mean((seen == wanted).to(fl.float32)).item()
    wide = spread(images.numpy(), wanted.numpy()) / spread(data.train_images, data.train_classes)
    print(pictures(images.numpy()[:10].reshape(-1, 8, 8)))
    print(f"{options.epochs} epochs in {time.monotonic() - start:.0f} s: the judge, right on "
          f"{accuracy(judge, data, 'cpu'):.1%} of real digits, sees the wanted one in {right:.1%}; they differ "
          f"{wide:.0%} as much as real ones")
    return right, wide


if __name__ == "__main__":
    main()
