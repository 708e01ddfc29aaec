"""Gradients: as functions of functions, in batches, with derivatives of one's own, and switched off."""

from __future__ import annotations

from . import hooks
from .modes import detect_anomaly, enable_grad, inference, no_grad
from .transforms import grad, value_and_grad

__all__ = [
    "Function",
    "autocast",
    "checkpoint",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hooks",
    "inference",
    "jacobian",
    "jvp",
    "no_grad",
    "once_differentiable",
    "value_and_grad",
    "vjp",
    "vmap",
]  # fmt: skip


# Imported at first use, so that `import flambeau` stays light.
_LATER = {
    "vjp": ".derivatives", "jvp": ".derivatives", "jacobian": ".derivatives", "hessian": ".derivatives",
    "vmap": ".batching", "Function": ".function", "once_differentiable": ".function", "checkpoint": ".recompute",
    "autocast": ".precision",
    "gradcheck": ".checking", "gradgradcheck": ".checking",
}  # fmt: skip


def __getattr__(name: str) -> object:
    import importlib

    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module 'flambeau.autograd' has no attribute '{name}'")
