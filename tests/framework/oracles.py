"""What NumPy says that each op gives, for comparison with the table's cases; oracles_torch.py has PyTorch's say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from tests.framework import (
    oracles_activations,
    oracles_linalg,
    oracles_networks,
    oracles_optim,
    oracles_random,
    oracles_recurrent,
    oracles_sampling,
)

Array = np.ndarray[Any, np.dtype[Any]]
Attrs = tuple[Any, ...]
Oracle = Callable[[list[Array], Attrs], Any]


def numpy_result(op: str, inputs: list[Array], attrs: Attrs) -> list[Array] | None:
    """NumPy's results; floats are computed as float64. None where NumPy does not define the case."""
    wide = [x.astype({"f": np.float64, "c": np.complex128}.get(x.dtype.kind, x.dtype)) for x in inputs]
    with np.errstate(all="ignore"):
        result = NUMPY[op](wide, attrs)
    if result is None:
        return None
    return [np.asarray(one) for one in (result if isinstance(result, list) else [result])]


def _elementwise(function: Callable[..., Any]) -> Oracle:
    return lambda x, attrs: function(*x)


def _gelu(x: Array, approximate: bool) -> Array:
    if approximate:
        share = special.expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        return np.where(share == 0, 0.0, x * share)
    return np.where(np.isneginf(x), 0.0, x * special.ndtr(x))


def _gelu_grad(g: Array, x: Array, approximate: bool) -> Array:
    if approximate:
        k = np.sqrt(2 / np.pi)
        share = special.expit(2 * k * (x + 0.044715 * x**3))
        inner = share * (1 - share) * 2 * k * (1 + 3 * 0.044715 * x**2)
    else:
        share = special.ndtr(x)
        inner = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi)
    return g * (share + np.where(np.isinf(x), 0.0, x * inner))


def _pow(a: Array, b: Array) -> Any:
    if a.dtype.kind in "fcu":
        return np.power(a, b)
    # NumPy refuses negative integer exponents; Python's exact numbers do not.
    cut = [int(p) ** int(q) if q >= 0 else int(float(p) ** float(q)) if p else 0 for p, q in np.broadcast(a, b)]
    return np.array(cut, dtype=a.dtype).reshape(np.broadcast_shapes(a.shape, b.shape))


def _reduce(function: Callable[..., Any]) -> Oracle:
    return lambda x, attrs: function(x[0], axis=attrs[0], keepdims=attrs[1])


def _mean(x: list[Array], attrs: Attrs) -> Any:
    count = np.prod([x[0].shape[axis] for axis in attrs[0]])
    return np.sum(x[0], axis=attrs[0], keepdims=attrs[1]) / count


def _sum(x: list[Array], attrs: Attrs) -> Any:
    kind = x[0].dtype.kind
    dtype = attrs[2] if attrs[2] is not None or kind in "fc" else "uint64" if kind == "u" else "int64"
    return np.sum(x[0], axis=attrs[0], keepdims=attrs[1], dtype=dtype)


def _var(x: list[Array], attrs: Attrs) -> Any:
    count = np.prod([x[0].shape[axis] for axis in attrs[0]]) - attrs[2]
    away = x[0] - np.sum(x[0], axis=attrs[0], keepdims=True) / (count + attrs[2])
    return np.sum(away * away, axis=attrs[0], keepdims=attrs[1]) / count


def _position(function: Callable[..., Any]) -> Oracle:
    def oracle(x: list[Array], attrs: Attrs) -> Any:
        if len(attrs[0]) == 1:
            return function(x[0], axis=attrs[0][0], keepdims=attrs[1])
        return function(x[0], axis=None, keepdims=attrs[1])

    return oracle


def _slices(starts: Attrs, stops: Attrs, steps: Attrs) -> tuple[slice, ...]:
    parts = zip(starts, stops, steps, strict=True)
    return tuple(slice(start, None if step < 0 and stop < 0 else stop, step) for start, stop, step in parts)


def _slice_grad(x: list[Array], attrs: Attrs) -> Array:
    result = np.zeros(attrs[0], dtype=x[0].dtype)
    result[_slices(*attrs[1:])] = x[0]
    return result


def _slice_add(x: list[Array], attrs: Attrs) -> Array:
    result = x[0].copy()
    result[_slices(*attrs)] += x[1]
    return result


def _take_grad(x: list[Array], attrs: Attrs) -> Array:
    g, indices = x
    axis, size = attrs
    shape = (*g.shape[:axis], size, *g.shape[axis + indices.ndim :])
    result = np.zeros(shape, np.result_type(g, np.float64))
    np.add.at(result, (slice(None),) * axis + (indices,), g)
    return result


def _take_along_axis_grad(x: list[Array], attrs: Attrs) -> Array:
    g, indices = x
    axis, size = attrs
    shape = list(g.shape)
    shape[axis] = size
    result = np.zeros(shape, np.result_type(g, np.float64))
    places = list(np.indices(indices.shape))
    places[axis] = indices
    np.add.at(result, tuple(places), g)
    return result


def _axis(x: Array, axis: int) -> Any:
    return () if x.ndim == 0 else axis


def _softmax_grad(x: list[Array], attrs: Attrs) -> Array:
    g, y = x
    return y * (g - np.sum(g * y, axis=_axis(g, attrs[0]), keepdims=True))


def _log_softmax_grad(x: list[Array], attrs: Attrs) -> Array:
    g, y = x
    return g - np.exp(y) * np.sum(g, axis=_axis(g, attrs[0]), keepdims=True)


def _cross_entropy(x: list[Array], attrs: Attrs) -> list[Array]:
    logits, target = x
    reduction, ignored, smoothing = attrs
    logs = special.log_softmax(logits, axis=1) if logits.size else logits
    kept = target != ignored
    safe = np.where(kept, target, 0)
    rows = -(1 - smoothing) * np.take_along_axis(logs, safe[:, None], 1)[:, 0] - smoothing * logs.mean(axis=1)
    rows = np.where(kept, rows, 0.0)
    total = np.sum(rows)
    return [rows if reduction == 0 else total / kept.sum() if reduction == 1 else total, logs]


def _cross_entropy_grad(x: list[Array], attrs: Attrs) -> Array:
    g, logs, target = x
    reduction, ignored, smoothing = attrs
    kept = target != ignored
    wanted = np.full(logs.shape, smoothing / logs.shape[1])
    wanted[np.arange(len(target)), np.where(kept, target, 0)] += 1 - smoothing
    scale = g[:, None] if reduction == 0 else g / kept.sum() if reduction == 1 else g
    return np.where(kept[:, None], scale * (np.exp(logs) - wanted), 0.0)


def _nll_loss(x: list[Array], attrs: Attrs) -> Array:
    logs, target = x
    reduction, ignored = attrs
    kept = target != ignored
    rows = np.where(kept, -np.take_along_axis(logs, np.where(kept, target, 0)[:, None], 1)[:, 0], 0.0)
    return np.asarray(rows if reduction == 0 else rows.sum() / kept.sum() if reduction == 1 else rows.sum())


def _nll_loss_grad(x: list[Array], attrs: Attrs) -> Array:
    g, target = x
    reduction, ignored, classes = attrs
    kept = target != ignored
    share = np.where(kept, -(g / kept.sum() if reduction == 1 else g), 0.0)
    return share[:, None] * (np.where(kept, target, 0)[:, None] == np.arange(classes))


def _full(x: list[Array], attrs: Attrs) -> Array:
    shape, value, whole, dtype, imaginary = attrs
    value = complex(value, imaginary) if "complex" in dtype else value if "float" in dtype else whole
    return np.full(shape, value, dtype={"bfloat16": "float32", "complex64": "complex128"}.get(dtype, dtype))


def _arange(x: list[Array], attrs: Attrs) -> Array:
    start, step, count, dtype = attrs
    return (start + step * np.arange(count)).astype(
        "float64" if "float" in dtype else dtype.replace("64", "128") if "complex" in dtype else dtype
    )


# ---- order, running sums, writing at indices ----


def _argsort(x: list[Array], attrs: Attrs) -> Array:
    axis, descending, _ = attrs
    # Descending is the stable order of the reversed line, read backwards; so NaN comes first.
    if not descending:
        return np.argsort(x[0], axis=axis, kind="stable")
    back = np.argsort(np.flip(x[0], axis), axis=axis, kind="stable")
    return x[0].shape[axis] - 1 - np.flip(back, axis)


def _argtop(x: list[Array], attrs: Attrs) -> Array:
    k, axis, largest = attrs
    return np.take(_argsort(x, (axis, largest, True)), np.arange(k), axis=axis)


def _topk(x: list[Array], attrs: Attrs) -> list[Array]:
    places = _argtop(x, attrs)
    return [np.take_along_axis(x[0], places, axis=attrs[1]), places]


def _recurrence(x: list[Array], attrs: Attrs) -> Array:
    a, b = (np.moveaxis(one, attrs[0], 0) for one in x)
    out = np.zeros_like(b)
    for i in range(len(b)):
        out[i] = b[i] + (a[i] * out[i - 1] if i else 0)
    return np.moveaxis(out, 0, attrs[0])


_UFUNCS = {"add": np.add, "multiply": np.multiply, "max": np.maximum, "min": np.minimum}


def _put(x: list[Array], attrs: Attrs) -> Array:
    axis, reduce = attrs
    out, key = x[0].copy(), (slice(None),) * axis + (x[1],)
    if reduce == "set":
        out[key] = x[2]
    else:
        _UFUNCS[reduce].at(out, key, x[2])
    return out


def _scatter(x: list[Array], attrs: Attrs) -> Array:
    axis, reduce = attrs
    out = x[0].copy()
    for place in np.ndindex(*x[1].shape):
        to = (*place[:axis], x[1][place], *place[axis + 1 :])
        out[to] = x[2][place] if reduce == "set" else _UFUNCS[reduce](out[to], x[2][place])
    return out


def _triangle(x: list[Array], attrs: Attrs) -> Array:
    k, upper = attrs
    return (np.triu if upper else np.tril)(x[0], k)


def _product_grad(x: list[Array], attrs: Attrs) -> Array:
    g, lines = x
    others = [np.prod(np.delete(lines, i, axis=1), axis=1) for i in range(lines.shape[1])]
    return g[:, None] * np.conj(np.stack(others, axis=1)) if others else lines


def _logsumexp(x: list[Array], attrs: Attrs) -> Any:
    top = x[0].max(axis=attrs[0], keepdims=True, initial=-1e9)
    total = np.log(np.exp(x[0] - top).sum(axis=attrs[0], keepdims=True)) + top
    return total if attrs[1] else total.squeeze(attrs[0])


def _join(x: list[Array], attrs: Attrs) -> Array:
    wrapped = [i % size for i, size in zip(x, attrs[0], strict=True)]
    return np.ravel_multi_index(wrapped, attrs[0]) if x[0].size else x[0]


def _floor_divide(a: Array, b: Array) -> Array:
    """NumPy's, and where one is infinite what the standard prefers: the quotient."""
    if a.dtype.kind != "f":
        return np.asarray(np.floor_divide(a, b))
    return np.where(np.isinf(a) | np.isinf(b), np.divide(a, b), np.floor_divide(a, b))


NUMPY: dict[str, Oracle] = {
    "argsort": _argsort,
    "sort": lambda x, attrs: np.take_along_axis(x[0], _argsort(x, attrs), axis=attrs[0]),
    "argtop": _argtop,
    "topk": _topk,
    "searchsorted": lambda x, attrs: np.searchsorted(x[0], x[1], side=attrs[0]),
    "nonzero": lambda x, attrs: np.flatnonzero(x[0])[: attrs[0]],
    "cumulative_sum": lambda x, attrs: np.cumsum(x[0], axis=attrs[0], dtype=x[0].dtype),
    "cumulative_prod": lambda x, attrs: np.cumprod(x[0], axis=attrs[0], dtype=x[0].dtype),
    "linear_recurrence": _recurrence,
    "logsumexp": _logsumexp,
    "one_hot": lambda x, attrs: x[0][..., None] == np.arange(attrs[0]),
    "triangle": _triangle,
    "product_grad": _product_grad,
    "prelu": _elementwise(lambda x, slope: np.where(x > 0, x, x * slope)),
    "prelu_grad": _elementwise(lambda g, x, slope: np.where(x > 0, g, g * slope)),
    "prelu_slope_grad": _elementwise(lambda g, x: np.where(x > 0, 0, g * x)),
    "put": _put,
    "scatter": _scatter,
    "join_indices": _join,
    "negative": _elementwise(np.negative),
    "abs": _elementwise(np.abs),
    "sign": _elementwise(np.sign),
    "floor": _elementwise(np.floor),
    "square": _elementwise(np.square),
    "sqrt": _elementwise(np.sqrt),
    "exp": _elementwise(np.exp),
    **{
        name: _elementwise(getattr(np, name))
        for name in (
            *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "expm1", "log1p"),
            *("log2", "log10", "reciprocal", "ceil", "trunc", "round", "isinf", "signbit", "conj", "real", "imag"),
            *("atan2", "hypot", "copysign", "logaddexp", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert"),
            *("bitwise_left_shift", "bitwise_right_shift"),
        )
    },
    "erf": _elementwise(special.erf),
    "nextafter": lambda x, attrs: None,  # of doubles, and there is no next one of a rounded result: see test_functions
    "log": _elementwise(np.log),
    "tanh": _elementwise(np.tanh),
    "sigmoid": _elementwise(special.expit),
    "relu": _elementwise(lambda x: np.where(x <= 0, 0, x)),
    "gelu": lambda x, attrs: _gelu(x[0], attrs[0]),
    **oracles_activations.NUMPY,
    "isnan": _elementwise(np.isnan),
    "isfinite": _elementwise(np.isfinite),
    "logical_not": _elementwise(np.logical_not),
    "relu_grad": _elementwise(lambda g, y: np.where(y <= 0, 0, g)),
    "tanh_grad": _elementwise(lambda g, y: g * (1 - y * y)),
    "sigmoid_grad": _elementwise(lambda g, y: g * (1 - y) * y),
    "gelu_grad": lambda x, attrs: _gelu_grad(*x, attrs[0]),
    "add": _elementwise(np.add),
    "subtract": _elementwise(np.subtract),
    "multiply": _elementwise(np.multiply),
    "divide": _elementwise(np.divide),
    "floor_divide": _elementwise(_floor_divide),
    "remainder": _elementwise(np.remainder),
    "pow": _elementwise(_pow),
    "maximum": _elementwise(np.maximum),
    "minimum": _elementwise(np.minimum),
    "equal": _elementwise(np.equal),
    "not_equal": _elementwise(np.not_equal),
    "less": _elementwise(np.less),
    "less_equal": _elementwise(np.less_equal),
    "greater": _elementwise(np.greater),
    "greater_equal": _elementwise(np.greater_equal),
    "logical_and": _elementwise(np.logical_and),
    "logical_or": _elementwise(np.logical_or),
    "logical_xor": _elementwise(np.logical_xor),
    "where": _elementwise(np.where),
    "cast": lambda x, attrs: x[0] if "float" in attrs[0] or "complex" in attrs[0] else x[0].astype(attrs[0]),
    "copy": lambda x, attrs: x[0],
    "to_device": lambda x, attrs: x[0],
    "sum": _sum,
    "mean": _mean,
    "product": _reduce(np.prod),
    "var": _var,
    "std": lambda x, attrs: np.sqrt(_var(x, attrs)),
    "length": lambda x, attrs: np.sqrt(np.sum(np.square(x[0]), axis=attrs[0], keepdims=attrs[1])),
    "max": _reduce(np.max),
    "min": _reduce(np.min),
    "any": _reduce(np.any),
    "all": _reduce(np.all),
    "argmax": _position(np.argmax),
    "argmin": _position(np.argmin),
    "matmul": _elementwise(np.matmul),
    "linear": _elementwise(lambda x, w, b=0.0: x @ w.T + b),
    "linear_int8": _elementwise(lambda x, w, scale, b=0.0: x @ (w * np.expand_dims(scale, 1)).T + b),
    "reshape": lambda x, attrs: x[0].reshape(attrs[0]),
    "permute_dims": lambda x, attrs: x[0].transpose(attrs[0]),
    "broadcast_to": lambda x, attrs: np.broadcast_to(x[0], attrs[0]),
    "expand_dims": lambda x, attrs: np.expand_dims(x[0], attrs[0]),
    "squeeze": lambda x, attrs: np.squeeze(x[0], attrs[0]),
    "slice": lambda x, attrs: x[0][_slices(*attrs)],
    "slice_grad": _slice_grad,
    "slice_add": _slice_add,
    "concat": lambda x, attrs: np.concatenate(x, axis=attrs[0]),
    "stack": lambda x, attrs: np.stack(x, axis=attrs[0]),
    "take": lambda x, attrs: np.take(x[0], x[1], axis=attrs[0]),
    "take_grad": _take_grad,
    "take_along_axis": lambda x, attrs: np.take_along_axis(x[0], x[1], axis=attrs[0]),
    "take_along_axis_grad": _take_along_axis_grad,
    "softmax": lambda x, attrs: special.softmax(x[0], axis=_axis(x[0], attrs[0])) if x[0].size else x[0],
    "log_softmax": lambda x, attrs: special.log_softmax(x[0], axis=_axis(x[0], attrs[0])) if x[0].size else x[0],
    "softmax_grad": _softmax_grad,
    "log_softmax_grad": _log_softmax_grad,
    "cross_entropy": _cross_entropy,
    "cross_entropy_grad": _cross_entropy_grad,
    "nll_loss": _nll_loss,
    "nll_loss_grad": _nll_loss_grad,
    "full": _full,
    "arange": _arange,
    "eye": lambda x, attrs: np.eye(attrs[0], attrs[1], attrs[2]),
    "assign": lambda x, attrs: x[1],
    **oracles_linalg.NUMPY,
    **oracles_networks.NUMPY,
    **oracles_optim.NUMPY,
    **oracles_random.NUMPY,
    **oracles_recurrent.NUMPY,
    **oracles_sampling.NUMPY,
}
