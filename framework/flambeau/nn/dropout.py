"""Dropping whole channels, or elements in a way that keeps mean and variance, as layers."""

from __future__ import annotations

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.layers import Dropout


class Dropout1d(Dropout):
    """While training, makes each channel of (n, c, length) zero with probability p: see functional.dropout1d."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.dropout1d(x, self.p, training=self.training)


class Dropout2d(Dropout):
    """While training, makes each channel of (n, c, h, w) zero with probability p: see functional.dropout2d."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.dropout2d(x, self.p, training=self.training)


class Dropout3d(Dropout):
    """While training, makes each channel of (n, c, d, h, w) zero with probability p: see functional.dropout3d."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.dropout3d(x, self.p, training=self.training)


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for networks of SELU: see functional.alpha_dropout."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.alpha_dropout(x, self.p, training=self.training)
