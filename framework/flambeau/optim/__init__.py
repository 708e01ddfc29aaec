"""Optimizers, with PyTorch's names and semantics; each step is one native call: see docs/nn.md."""

from flambeau.optim.adamw import AdamW
from flambeau.optim.optimizer import Optimizer
from flambeau.optim.sgd import SGD

__all__ = ["SGD", "AdamW", "Optimizer"]
