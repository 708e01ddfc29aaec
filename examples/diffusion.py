"""Draw handwritten digits by taking noise away, step by step: `python examples/diffusion.py`.

A small U-Net learns to see the noise that was added to an image (DDPM); sampling begins with noise alone and removes a
little in each step, toward the class that is wanted. A network trained on real digits (digits_mlp.py) judges in the
end: how often does it see that class? Sources: Ho and others, arXiv:2006.11239; Nichol and Dhariwal, arXiv:2102.09672
(the cosine schedule).
"""

from __future__ import annotations

import argparse
import math
import time

import flambeau as fl
from digits_mlp import accuracy, digits
from digits_mlp import train as train_judge
from flambeau import nn, optim
from flambeau.data import DataLoader, TensorDataset
from flambeau.nn import functional
from flambeau.optim.swa_utils import AveragedModel, get_ema_avg_fn
from terminal import pictures, progress

CLASSES, STEPS, FEATURES = 10, 100, 64


def kept() -> fl.Tensor:
    """How much of an image's variance is left after 0 to STEPS - 1 steps of noise: from nearly 1 to nearly 0."""
    angles = (fl.linspace(0.0, 1.0, STEPS + 1) + 0.008) / 1.008 * (math.pi / 2)
    return fl.clip(fl.cos(angles[1:]) ** 2 / fl.cos(angles[0]) ** 2, 1e-4, 1.0)


class Block(nn.Module):
    """Two convolutions around what step and class say; the input is added at the end."""

    def __init__(self, channels: int, out: int) -> None:
        self.norm1, self.norm2 = nn.GroupNorm(8, channels), nn.GroupNorm(8, out)
        self.conv1, self.conv2 = nn.Conv2d(channels, out, 3, padding=1), nn.Conv2d(out, out, 3, padding=1)
        self.told = nn.Linear(FEATURES, out)
        self.skip = nn.Conv2d(channels, out, 1)

    def __call__(self, x: fl.Tensor, features: fl.Tensor) -> fl.Tensor:
        h = self.conv1(functional.silu(self.norm1(x))) + self.told(features)[:, :, None, None]
        return self.skip(x) + self.conv2(functional.silu(self.norm2(h)))


class UNet(nn.Module):
    """images (n, 1, 8, 8), steps (n,), classes (n,) -> the noise in the images."""

    def __init__(self, width: int) -> None:
        self.steps, self.classes = nn.Linear(FEATURES, FEATURES), nn.Embedding(CLASSES, FEATURES)
        self.enter = nn.Conv2d(1, width, 3, padding=1)
        self.before = Block(width, width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.middle = Block(2 * width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.after = Block(2 * width, width)
        self.leave = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 1, 3, padding=1))

    def __call__(self, images: fl.Tensor, steps: fl.Tensor, classes: fl.Tensor) -> fl.Tensor:
        waves = steps[:, None] * fl.exp(fl.linspace(0.0, -6.0, FEATURES // 2))  # slow and fast ones tell any step
        told = self.steps(fl.concat([fl.sin(waves), fl.cos(waves)], axis=1)) + self.classes(classes)
        features = functional.silu(told)
        wide = self.before(self.enter(images), features)
        narrow = self.middle(self.down(wide), features)
        return self.leave(self.after(fl.concat([wide, self.up(narrow)], axis=1), features))


def train(images: fl.Tensor, classes: fl.Tensor, *, seed: int, epochs: int, width: int) -> nn.Module:
    """A network that has learned to see noise: the running average over its training."""
    fl.manual_seed(seed)
    net, share = UNet(width), kept()
    average = AveragedModel(net, avg_fn=get_ema_avg_fn(0.99))
    optimizer = optim.AdamW(net.parameters(), lr=2e-3)
    loader = DataLoader(TensorDataset(images, classes), 64, shuffle=True, drop_last=True, seed=seed)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    bar = progress(range(epochs), "diffusion")
    for _ in bar:
        for real, wanted in loader:
            steps, noise = fl.random.randint(0, STEPS, len(real)), fl.random.normal(real.shape)
            left = share[steps][:, None, None, None]
            noisy = fl.sqrt(left) * real + fl.sqrt(1.0 - left) * noise
            loss = functional.mse_loss(net(noisy, steps, wanted), noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(net)
        bar.note = f"loss {loss.item():.3f}"
    return average.eval()


@fl.no_grad()
def sample(net: nn.Module, classes: fl.Tensor) -> fl.Tensor:
    """An image for each class, between -1 and 1."""
    share = kept()
    x = fl.random.normal((len(classes), 1, 8, 8))
    for step in progress(range(STEPS - 1, -1, -1), "sampling"):
        left, less = share[step], share[step - 1] if step else fl.asarray(1.0)
        noise = net(x, fl.full(len(classes), step), classes)
        clean = fl.clip((x - fl.sqrt(1.0 - left) * noise) / fl.sqrt(left), -1.0, 1.0)
        step_kept = left / less
        mean = (fl.sqrt(less) * (1.0 - step_kept) * clean + fl.sqrt(step_kept) * (1.0 - less) * x) / (1.0 - left)
        x = mean + fl.sqrt((1.0 - step_kept) * (1.0 - less) / (1.0 - left)) * fl.random.normal(x.shape)
    return x


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description="Draw handwritten digits by diffusion.")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    data = digits()
    judge = train_judge(data, seed=0, epochs=30, device="cpu")
    start = time.monotonic()
    images = fl.tensor(data.train_images).reshape(-1, 1, 8, 8) * 2.0 - 1.0
    net = train(images, fl.tensor(data.train_classes), seed=options.seed, epochs=options.epochs, width=options.width)
    trained = time.monotonic()
    wanted = fl.arange(options.samples) % CLASSES
    drawn = (sample(net, wanted).reshape(-1, 64) + 1.0) / 2.0
    print(pictures(drawn.numpy()[:10].reshape(-1, 8, 8)))
    right = float(fl.mean((fl.argmax(judge(drawn), axis=1) == wanted).to(fl.float32)).item())
    print(f"{options.epochs} epochs in {trained - start:.0f} s, {options.samples} samples in "
          f"{time.monotonic() - trained:.0f} s: the judge, right on {accuracy(judge, data, 'cpu'):.1%} of real digits, "
          f"sees the wanted one in {right:.1%}")
    return right


if __name__ == "__main__":
    main()
