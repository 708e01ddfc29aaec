"""What PyTorch says that each op gives: see oracles.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

Attrs = tuple[Any, ...]
TorchOracle = Callable[..., Any]


def _torch_slices(x: Any, starts: Attrs, stops: Attrs, steps: Attrs) -> Any:
    for axis, part in enumerate(zip(starts, stops, steps, strict=True)):
        x = x.index_select(axis, _torch().tensor(list(range(*part)), dtype=_torch().int64))
    return x


def _torch() -> Any:
    import torch

    return torch


def _functional() -> Any:
    from torch.nn import functional

    return functional


def _torch_cross_entropy(logits: Any, target: Any, reduction: int, ignored: int, smoothing: float) -> Any:
    name = ("none", "mean", "sum")[reduction]
    loss = _functional().cross_entropy(logits, target, reduction=name, ignore_index=ignored, label_smoothing=smoothing)
    return loss, _functional().log_softmax(logits, dim=1)


def _torch_sum(x: Any, axes: Attrs, keepdims: bool, dtype: str | None) -> Any:
    wide = x.to(getattr(_torch(), dtype)) if dtype else x
    return _torch().sum(wide, dim=axes, keepdim=keepdims) if axes else wide + 0


def _torch_take(x: Any, i: Any, axis: int) -> Any:
    shape = (*x.shape[:axis], *i.shape, *x.shape[axis + 1 :])
    return x.index_select(axis, (i % x.shape[axis]).reshape(-1)).reshape(shape)


def _torch_over(name: str) -> TorchOracle:
    return lambda x, axes, keepdims: getattr(_torch(), name)(x, dim=axes, keepdim=keepdims) if axes else x


def _torch_spread(name: str, x: Any, axes: Attrs, keepdims: bool, correction: float) -> Any:
    if not axes:
        return x * 0
    if not x.numel():  # PyTorch warns of nothing to divide by
        return x.sum(dim=axes, keepdim=keepdims) * float("nan")
    return getattr(_torch(), name)(x, dim=axes, keepdim=keepdims, correction=correction)


def _torch_position(name: str) -> TorchOracle:
    def oracle(x: Any, axes: Attrs, keepdims: bool) -> Any:
        return getattr(_torch(), name)(x, dim=axes[0] if len(axes) == 1 else None, keepdim=keepdims)

    return oracle


def _torch_topk(x: Any, k: int, axis: int, largest: bool) -> Any:
    # torch.topk leaves the order of equal elements open; its stable sort does not.
    values, places = _torch().sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, k), places.narrow(axis, 0, k)


def _torch_scatter(x: Any, i: Any, values: Any, axis: int, reduce: str) -> Any:
    if reduce == "set":  # PyTorch gives a gradient to values that were overwritten too: only the result is compared
        return x.scatter(axis, i, values).detach()
    names = {"add": "sum", "multiply": "prod", "max": "amax", "min": "amin"}
    return x.scatter_reduce(axis, i, values, reduce=names[reduce])


# ---- networks ----


def _split(given: tuple[Any, ...], attrs: int, inputs: int) -> tuple[list[Any], tuple[Any, ...]]:
    """Tensors (those left out are None), then attributes."""
    tensors = list(given[:-attrs])
    return tensors + [None] * (inputs - len(tensors)), given[-attrs:]


def _torch_convolution(*given: Any) -> Any:
    (x, weight, bias), (stride, padding, dilation, groups) = _split(given, 4, 3)
    axes = len(stride)
    around = [n for axis in reversed(range(axes)) for n in (padding[axis], padding[axes + axis])]
    function = getattr(_functional(), f"conv{axes}d")
    return function(_functional().pad(x, around), weight, bias, stride, 0, dilation, groups)


def _torch_max_pool(x: Any, kernel: Attrs, stride: Attrs, padding: Attrs, dilation: Attrs, ceil_mode: bool) -> Any:
    function = getattr(_functional(), f"max_pool{len(kernel)}d")
    return function(x, kernel, stride, padding, dilation, ceil_mode)


def _torch_avg_pool(
    x: Any, kernel: Attrs, stride: Attrs, padding: Attrs, ceil_mode: bool, counts: bool, divisor: int
) -> Any:
    function = getattr(_functional(), f"avg_pool{len(kernel)}d")
    if len(kernel) == 1:
        return function(x, kernel, stride, padding, ceil_mode, counts)
    if len(kernel) == 3 and x.element_size() == 2:  # PyTorch has no such kernel
        return function(x.float(), kernel, stride, padding, ceil_mode, counts, divisor or None).to(x.dtype)
    return function(x, kernel, stride, padding, ceil_mode, counts, divisor or None)


def _torch_adaptive(x: Any, size: Attrs) -> Any:
    return getattr(_functional(), f"adaptive_avg_pool{len(size)}d")(x, size)


def _torch_layer_norm(*given: Any) -> Any:
    (x, weight, bias), (trailing, eps) = _split(given, 2, 3)
    return _functional().layer_norm(x, x.shape[x.ndim - trailing :], weight, bias, eps)


def _torch_rms_norm(*given: Any) -> Any:
    (x, weight), (trailing, eps) = _split(given, 2, 2)
    return _functional().rms_norm(x, x.shape[x.ndim - trailing :], weight, eps)


def _torch_group_norm(*given: Any) -> Any:
    (x, weight, bias), (groups, eps) = _split(given, 2, 3)
    return _functional().group_norm(x, groups, weight, bias, eps)


# Names of PyTorch's functions, or functions of (*tensors, *attributes); ops that PyTorch lacks are not here.
TORCH: dict[str, str | TorchOracle] = {
    "sign": "sgn",
    "sort": lambda x, axis, descending, stable: _torch().sort(x, dim=axis, descending=descending, stable=True)[0],
    "argsort": lambda x, axis, descending, stable: _torch().argsort(x, dim=axis, descending=descending, stable=True),
    "topk": lambda x, *attrs: _torch_topk(x, *attrs),
    "cumulative_sum": lambda x, axis: _torch().cumsum(x, dim=axis, dtype=x.dtype),
    "cumulative_prod": lambda x, axis: _torch().cumprod(x, dim=axis, dtype=x.dtype),
    "logsumexp": lambda x, axes, keepdims: _torch().logsumexp(x, dim=axes, keepdim=keepdims) if axes else x + 0,
    "scatter": lambda x, i, v, axis, reduce: _torch_scatter(x, i % x.shape[axis], v, axis, reduce),
    **{
        name: name
        for name in (
            *("negative", "abs", "floor", "square", "sqrt", "exp", "log", "tanh", "sigmoid", "relu", "isnan"),
            *("isfinite", "logical_not", "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "pow"),
            *("maximum", "minimum", "logical_and", "logical_or", "logical_xor", "where", "matmul"),
        )
    },
    **{"equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge"},
    "gelu": lambda x, approximate: _functional().gelu(x, approximate="tanh" if approximate else "none"),
    "cast": lambda x, dtype: x.to(getattr(_torch(), dtype)),
    "copy": lambda x: x.clone(),
    "sum": _torch_sum,
    "mean": _torch_over("mean"),
    "var": partial(_torch_spread, "var"),
    "std": partial(_torch_spread, "std"),
    "length": lambda x, axes, keepdims: _torch().linalg.vector_norm(x, dim=axes, keepdim=keepdims) if axes else x.abs(),
    "max": _torch_over("amax"),
    "min": _torch_over("amin"),
    "argmax": _torch_position("argmax"),
    "argmin": _torch_position("argmin"),
    "linear": lambda *x: _functional().linear(*x),
    "reshape": "reshape",
    "permute_dims": "permute",
    "broadcast_to": "broadcast_to",
    "slice": _torch_slices,
    "concat": lambda *x: _torch().concat(x[:-1], dim=x[-1]),
    "stack": lambda *x: _torch().stack(x[:-1], dim=x[-1]),
    "take": _torch_take,
    "take_along_axis": lambda x, i, axis: _torch().take_along_dim(x, i % x.shape[axis], dim=axis),
    "softmax": lambda x, axis: _torch().softmax(x, dim=axis),
    "log_softmax": lambda x, axis: _torch().log_softmax(x, dim=axis),
    "cross_entropy": _torch_cross_entropy,
    "convolution": _torch_convolution,
    "max_pool": _torch_max_pool,
    "avg_pool": _torch_avg_pool,
    "adaptive_avg_pool": _torch_adaptive,
    "layer_norm": _torch_layer_norm,
    "rms_norm": _torch_rms_norm,
    "group_norm": _torch_group_norm,
    "embedding": lambda weight, indices, padding: _functional().embedding(
        indices, weight, None if padding < 0 else padding
    ),
}


def torch_result(op: str, tensors: list[Any], attrs: Attrs) -> list[Any]:
    """PyTorch's results."""
    function = TORCH[op]
    result = getattr(_torch(), function)(*tensors, *attrs) if isinstance(function, str) else function(*tensors, *attrs)
    return list(result) if isinstance(result, tuple) else [result]
