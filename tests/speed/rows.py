"""What the bench measures and what each row owes: the table of targets is data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tests.speed.network_rows import convolution_operations

Rival = Literal["flambeau", "torch", "torch+tcmalloc", "numpy"]
RIVALS: tuple[Rival, ...] = ("flambeau", "torch", "torch+tcmalloc", "numpy")


@dataclass(frozen=True)
class Row:
    """One kind of work. `target`: how many times as fast as PyTorch eager we owe our users.

    `bytes_moved` or `operations` of one call, where the machine's limit can be told from them.
    """

    name: str
    title: str
    target: float
    threads: tuple[int, ...] = (1, 2)
    bytes_moved: float | None = None
    operations: float | None = None
    rivals: tuple[Rival, ...] = RIVALS


@dataclass(frozen=True)
class Ceiling:
    """A figure of ours alone that must stay under a bound."""

    name: str
    title: str
    unit: str
    bound: float


@dataclass(frozen=True)
class Measured:
    """Samples of one row, seconds a call (or the unit given), in the order of the rounds.

    `ours` and `against` name the rivals that are compared; `more_is_better` turns the ratio round (requests a second).
    """

    name: str
    title: str
    unit: str
    threads: int
    samples: dict[str, list[float]]
    ours: str
    against: str
    target: float | None = None
    more_is_better: bool = False
    limit: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


TEN_MILLION = 10_000_000
NETWORK_RIVALS: tuple[Rival, ...] = ("flambeau", "torch", "torch+tcmalloc")

ROWS = (
    Row("small_add", "a + b, 100 float32", 3.0, threads=(1,)),
    Row("small_backward", "sum(relu(a * b + c)) and its gradients, 100", 5.0, threads=(1,),
        rivals=("flambeau", "torch")),
    Row("add_10m", "add, 10 million float32", 3.0, bytes_moved=12.0 * TEN_MILLION),
    Row("exp_10m", "exp, 10 million float32", 3.0, bytes_moved=8.0 * TEN_MILLION),
    Row("matmul_1024", "float32 matmul 1024", 1.8, operations=2.0 * 1024**3),
    Row("digits_step", "digits MLP, one AdamW step, batch 128", 1.5, rivals=("flambeau", "torch", "torch+tcmalloc")),
    Row("conv_64", "conv2d 3x3, 64 channels at 56, batch 8", 0.95, operations=convolution_operations("conv_64"),
        rivals=NETWORK_RIVALS),
    Row("conv_64_last", "the same beside channels_last", 0.95, operations=convolution_operations("conv_64"),
        rivals=NETWORK_RIVALS),
    Row("conv_64_step", "the same with its gradients", 1.15, operations=3 * convolution_operations("conv_64"),
        rivals=NETWORK_RIVALS),
    Row("conv_64_step_last", "the same beside channels_last", 1.15, operations=3 * convolution_operations("conv_64"),
        rivals=NETWORK_RIVALS),
    Row("conv_256", "conv2d 3x3, 256 channels at 14, batch 8", 0.95, operations=convolution_operations("conv_256"),
        rivals=NETWORK_RIVALS),
    Row("conv_256_last", "the same beside channels_last", 0.95, operations=convolution_operations("conv_256"),
        rivals=NETWORK_RIVALS),
    Row("conv_256_step", "the same with its gradients", 1.15, operations=3 * convolution_operations("conv_256"),
        rivals=NETWORK_RIVALS),
    Row("conv_256_step_last", "the same beside channels_last", 1.15, operations=3 * convolution_operations("conv_256"),
        rivals=NETWORK_RIVALS),
    Row("conv_small_step", "conv2d 3x3, 1 to 32 channels at 28, batch 64, with its gradients", 2.0,
        rivals=NETWORK_RIVALS),
    Row("conv_small_step_last", "the same beside channels_last", 2.0, rivals=NETWORK_RIVALS),
    Row("layer_norm_10m", "layer_norm, 9,766 rows of 1,024", 0.95, bytes_moved=8.0 * TEN_MILLION,
        rivals=NETWORK_RIVALS),
    Row("batch_norm", "batch_norm while training, 16 x 64 x 56 x 56", 4.0, rivals=NETWORK_RIVALS),
    Row("batch_norm_step", "the same with its gradients", 4.0, rivals=NETWORK_RIVALS),
    Row("max_pool", "max_pool2d 2x2, 16 x 64 x 56 x 56", 4.0, rivals=NETWORK_RIVALS),
    Row("max_pool_step", "the same with its gradient", 4.0, rivals=NETWORK_RIVALS),
    Row("cnn_step", "CNN for 28 x 28, one SGD step, batch 64", 2.0, rivals=NETWORK_RIVALS),
    Row("cnn_step_last", "the same beside channels_last", 2.0, rivals=NETWORK_RIVALS),
)  # fmt: skip

CEILINGS = (
    Ceiling("import_time", "import flambeau", "ms", 60.0),
    Ceiling("import_memory", "resident memory after import", "MB", 40.0),
)
