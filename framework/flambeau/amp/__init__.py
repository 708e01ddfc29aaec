"""Training in half precision, under PyTorch's names: autocast and the gradient scaler."""

from __future__ import annotations

from flambeau.amp.grad_scaler import GradScaler
from flambeau.autograd.precision import autocast

__all__ = ["GradScaler", "autocast"]
