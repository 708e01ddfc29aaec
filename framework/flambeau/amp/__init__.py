"""Training in half precision, under PyTorch's names."""

from __future__ import annotations

from flambeau.autograd.precision import autocast

__all__ = ["autocast"]
