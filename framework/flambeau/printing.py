"""Tensors as text: short, and numbers that read back."""

from __future__ import annotations

from . import _core
from ._core import Tensor

_MOST = 1000  # elements printed in full
_EDGE = 3  # elements at each end otherwise


def tensor_text(x: Tensor) -> str:
    """tensor([[1.0, 2.0]], dtype=..., device=..., requires_grad=True); the parts that are the default are left out.

    >>> import flambeau as fl
    >>> fl.tensor([1.5, 2.0])
    tensor([1.5, 2.0])
    """
    return f"tensor({', '.join([_values(x), *_notes(x)])})"


def format_tensor(x: Tensor, spec: str) -> str:
    """f"{x:.3f}" for a tensor of one element; others take no format."""
    if not spec:
        return tensor_text(x)
    if x.size != 1:
        raise TypeError(f"format: '{spec}' is for one number and the tensor has shape {x.shape}; format x.tolist()")
    return format(x.item(), spec)


def _notes(x: Tensor) -> list[str]:
    notes = []
    if x.dtype not in (_core.float32, _core.int64, _core.bool_, _core.complex64) or x.size == 0:
        notes.append(f"dtype={x.dtype}")
    if str(x.device) != "cpu":
        notes.append(f"device='{x.device}'")
    if x.requires_grad:
        notes.append("requires_grad=True" if x.is_leaf else f"made_by='{x.made_by}'")
    return notes


def _values(x: Tensor) -> str:
    if _core.is_batched(x):
        return f"<one example of a vmap>, shape={x.shape}"
    if not x._has_value:
        return f"<recorded, no value yet>, shape={x.shape}"
    if x.size == 0 and x.ndim > 1:
        return f"[], shape={x.shape}"
    with_edges = x.size > _MOST
    indent = " " * len("tensor(")
    return _nested(x.detach(), with_edges, indent)


def _nested(x: Tensor, with_edges: bool, indent: str) -> str:
    if x.ndim == 0:
        return _number(x.item())
    length = x.shape[0]
    short = with_edges and length > 2 * _EDGE
    head, tail = (x[:_EDGE], x[-_EDGE:]) if short else (x, x[:0])
    if x.ndim == 1:
        parts = [_number(v) for v in head.tolist()]
        if short:
            parts += ["...", *(_number(v) for v in tail.tolist())]
        return f"[{', '.join(parts)}]"
    parts = [_nested(head[i], with_edges, indent + " ") for i in range(head.shape[0])]
    if short:
        parts += ["...", *(_nested(tail[i], with_edges, indent + " ") for i in range(tail.shape[0]))]
    return f"[{(',' + chr(10) * (x.ndim - 1) + indent + ' ').join(parts)}]"


def _number(value: complex | float | int | bool) -> str:
    if isinstance(value, complex):
        return f"{value.real:.6g}{value.imag:+.6g}j"
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.6g}"
    return text if any(c in text for c in ".en") else text + ".0"
