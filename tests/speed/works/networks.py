"""Steps of training: a small CNN, ResNet-18, a GPT, an LSTM. Ours and PyTorch share the text, JAX has its own."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.speed.rows import Row, Work

SYMBOLS, LENGTH, WIDTH, HEADS, LAYERS, BATCH = 65, 128, 384, 6, 6, 8
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels and first stride of ResNet-18's, two blocks each


def _cnn_step(lib: Any) -> Work:
    if not hasattr(lib, "nn"):
        return lib.networks.cnn_step(lib)
    nn = lib.nn
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return lib.training(net, nn.CrossEntropyLoss(), lib.given(64, 1, 28, 28), lib.integers(10, 64), "SGD", lr=0.01)


def _resnet_step(lib: Any) -> Work:
    """ResNet-18. Source: He and others, arXiv:1512.03385, with the 7x7 stem."""
    if not hasattr(lib, "nn"):
        return lib.networks.resnet_step(lib)
    nn = lib.nn

    class Block(lib.Module):  # type: ignore[misc]  # of whichever library is given
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
            self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
            self.norm1, self.norm2, self.relu = nn.BatchNorm2d(out), nn.BatchNorm2d(out), nn.ReLU()
            short = [nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)]
            self.short = nn.Sequential(*short) if stride > 1 else nn.Identity()

        def forward(self, x: Any) -> Any:
            y = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
            return self.relu(y + self.short(x))

    blocks, channels = [], 64
    for out, stride in STAGES:
        blocks += [Block(channels, out, stride), Block(out, out, 1)]
        channels = out
    net = nn.Sequential(
        nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000),
    )  # fmt: skip
    images, classes = lib.given(8, 3, 64, 64), lib.integers(1000, 8)
    return lib.training(net, nn.CrossEntropyLoss(), images, classes, "SGD", lr=0.1, momentum=0.9)


def _gpt_step(lib: Any, autocast: str | None = None) -> Work:
    """GPT of 6 layers of 384, context 128, batch 8. Source: Radford and others, 2019."""
    if not hasattr(lib, "nn"):
        return lib.networks.gpt_step(lib)
    nn, attention = lib.nn, lib.functional.scaled_dot_product_attention

    class Block(lib.Module):  # type: ignore[misc]  # of whichever library is given
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.attend, self.project = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

        def forward(self, x: Any) -> Any:
            parts = self.attend(self.norm1(x)).reshape(BATCH, LENGTH, 3, HEADS, WIDTH // HEADS)
            query, key, value = (lib.permute(parts[:, :, i], 0, 2, 1, 3) for i in range(3))
            mixed = lib.permute(attention(query, key, value, is_causal=True), 0, 2, 1, 3)
            x = x + self.project(mixed.reshape(BATCH, LENGTH, WIDTH))
            return x + self.feed(self.norm2(x))

    class Gpt(lib.Module):  # type: ignore[misc]  # of whichever library is given
        def __init__(self) -> None:
            super().__init__()
            self.symbols, self.places = nn.Embedding(SYMBOLS, WIDTH), nn.Embedding(LENGTH, WIDTH)
            self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, SYMBOLS, bias=False)

        def forward(self, codes: Any) -> Any:
            x = self.symbols(codes) + self.places(lib.arange(LENGTH))
            return self.head(self.norm(self.blocks(x))).reshape(BATCH * LENGTH, SYMBOLS)

    codes = lib.integers(SYMBOLS, BATCH, LENGTH)
    following = codes.reshape(BATCH * LENGTH)
    return lib.training(Gpt(), nn.CrossEntropyLoss(), codes, following, "AdamW", lr=3e-4, autocast=autocast)


def _recurrent_step(lib: Any, kind: str = "LSTM") -> Work:
    """LSTM (or GRU) of 256 over 64 steps of 128, batch 32, and a classifier at its end."""
    if not hasattr(lib, "nn"):
        return lib.networks.lstm_step(lib)
    nn = lib.nn

    class Classifier(lib.Module):  # type: ignore[misc]  # of whichever library is given
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.head = getattr(nn, kind)(128, 256), nn.Linear(256, 10)

        def forward(self, x: Any) -> Any:
            y, _ = self.recurrent(x)
            return self.head(y[-1])

    net, loss_of = Classifier(), nn.CrossEntropyLoss()
    return lib.training(net, loss_of, lib.given(64, 32, 128), lib.integers(10, 32), "Adam", lr=1e-3)


# Multiplications and additions, forward and twice as many backward.
_GPT_OPERATIONS = 6.0 * BATCH * LENGTH * LAYERS * (12 * WIDTH**2 + 2 * LENGTH * WIDTH)
_GATE_OPERATIONS = 6.0 * 64 * 32 * 256 * (128 + 256)

ROWS = (
    Row("cnn_step", "CNN for 28 x 28, one SGD step, batch 64", _cnn_step, {"B": 2.0, "X": 1.5},
        means=("fused", "channels_last+fused"), peers=("jax",)),
    Row("resnet18_step", "ResNet-18 for 64 x 64, one SGD step, batch 8", _resnet_step, {"B": 1.5, "X": 1.2},
        means=("fused", "channels_last+fused"), peers=("jax",)),
    Row("gpt_step", "GPT 6 x 384, context 128, one AdamW step, batch 8", _gpt_step, {"B": 1.7, "X": 1.1},
        means=("fused", "compile+fused"), peers=("jax",), operations=_GPT_OPERATIONS),
    Row("gpt_bf16_step", "the GPT in bfloat16 (autocast)", partial(_gpt_step, autocast="bfloat16"),
        {"B": 1.1, "X": 1.1}, means=("fused", "compile+fused"), operations=_GPT_OPERATIONS, dtype="bfloat16"),
    Row("lstm_step", "LSTM 128 to 256, 64 steps, one Adam step, batch 32", _recurrent_step, {"B": 1.1, "X": 1.1},
        means=("fused",), peers=("jax",), operations=4 * _GATE_OPERATIONS),
    Row("gru_step", "GRU 128 to 256, 64 steps, one Adam step, batch 32", partial(_recurrent_step, kind="GRU"), {},
        means=("fused",), operations=3 * _GATE_OPERATIONS),
)  # fmt: skip
