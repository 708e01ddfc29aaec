"""Muon: matrices move by the nearest matrix whose rows or columns are perpendicular."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import flambeau as fl
from flambeau.optim.optimizer import Optimizer, Parameters, check_not_negative


class Muon(Optimizer):
    """Steps of matrices by their momentum made orthogonal; other shapes go to AdamW.

    adjust_lr_fn: "original" scales lr by sqrt(max(1, rows / columns)), "match_rms_adamw" by 0.2 sqrt(max(rows,
    columns)). The orthogonal matrix is found by Newton-Schulz steps, roughly: its singular values are between
    0.7 and 1.2; the steps run in float32, where PyTorch's run in bfloat16.
    Source: Jordan and others, 2024 (kellerjordan.github.io/posts/muon); Liu and others, arXiv:2502.16982.

    >>> x = fl.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    >>> optimizer = Muon([x], lr=0.1, weight_decay=0.0)
    >>> fl.sum(x * x).backward()
    >>> optimizer.step()
    >>> bool(x[0, 0] < 0.95), abs(x[0, 1].item()) < 0.01
    (True, True)
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov,
                                  "ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps,
                                  "adjust_lr_fn": adjust_lr_fn})

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Let these matrices be learned too. Raises: ShapeError for what is no matrix, and nothing is added."""
        given = group["params"]
        group = {**group, "params": [given] if isinstance(given, fl.Tensor) else list(given)}
        for number, parameter in enumerate(group["params"]):
            if isinstance(parameter, fl.Tensor) and parameter.ndim != 2:
                raise fl.ShapeError(f"Muon: parameter {number} is {tuple(parameter.shape)}; Muon steps matrices, give "
                                    "biases, gains and embeddings to AdamW")
        super().add_param_group(group)

    def _check(self, options: Mapping[str, Any]) -> None:
        check_not_negative("Muon", options, "lr", "weight_decay", "momentum", "eps")
        if options["adjust_lr_fn"] not in (None, "original", "match_rms_adamw"):
            raise ValueError(f'Muon: adjust_lr_fn is {options["adjust_lr_fn"]!r}; it is "original" or '
                             '"match_rms_adamw"')
        if not 0 < options["ns_steps"] < 100 or len(options["ns_coefficients"]) != 3:
            raise ValueError(f"Muon: ns_steps is {options['ns_steps']} and ns_coefficients "
                             f"{options['ns_coefficients']}; steps are from 1 to 99 and coefficients three")

    def _step_group(self, group: Mapping[str, Any]) -> None:
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None:
                continue
            gradient = gradient.detach()
            buffer = self.state.setdefault(parameter, {"momentum_buffer": fl.zeros_like(gradient)})["momentum_buffer"]
            buffer[...] = buffer + (gradient - buffer) * (1 - group["momentum"])
            update = gradient + (buffer - gradient) * group["momentum"] if group["nesterov"] else buffer
            update = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
            rows, columns = parameter.shape
            scale = (0.2 * math.sqrt(max(rows, columns)) if group["adjust_lr_fn"] == "match_rms_adamw"
                     else math.sqrt(max(1.0, rows / columns)))
            parameter[...] = (parameter * (1 - group["lr"] * group["weight_decay"])
                              - update.to(parameter.dtype) * (group["lr"] * scale))


def orthogonal(
    matrix: fl.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> fl.Tensor:
    """Roughly the nearest matrix with perpendicular rows or columns of length 1: a polynomial, repeated.

    Each step maps every singular value s to a s + b s^3 + c s^5.
    """
    a, b, c = coefficients
    x = matrix.to(fl.float32)
    turned = matrix.shape[0] > matrix.shape[1]
    if turned:
        x = x.mT
    x = x / fl.maximum(fl.sqrt(fl.sum(fl.square(x))), eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = x * a + (gram * b + (gram @ gram) * c) @ x
    return x.mT if turned else x
