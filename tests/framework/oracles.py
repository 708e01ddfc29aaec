"""What NumPy and PyTorch say that each op gives, for comparison with the table's cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from tests.framework import oracles_networks

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


def _full(x: list[Array], attrs: Attrs) -> Array:
    shape, value, whole, dtype, imaginary = attrs
    value = complex(value, imaginary) if "complex" in dtype else value if "float" in dtype else whole
    return np.full(shape, value, dtype={"bfloat16": "float32", "complex64": "complex128"}.get(dtype, dtype))


def _arange(x: list[Array], attrs: Attrs) -> Array:
    start, step, count, dtype = attrs
    return (start + step * np.arange(count)).astype("float64" if "float" in dtype else dtype.replace("64", "128")
                                                    if "complex" in dtype else dtype)


def _sgd(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, momentum, dampening, weight_decay, nesterov, maximize, first = attrs
    parameters, gradients, buffers = x[:count], x[count : 2 * count], x[2 * count :]
    steps = [(-g if maximize else g) + weight_decay * p for p, g in zip(parameters, gradients, strict=True)]
    if not buffers:
        return [p - lr * s for p, s in zip(parameters, steps, strict=True)]
    kept = [s if first else momentum * b + (1 - dampening) * s for b, s in zip(buffers, steps, strict=True)]
    used = [s + momentum * b if nesterov else b for s, b in zip(steps, kept, strict=True)]
    return [p - lr * s for p, s in zip(parameters, used, strict=True)] + kept


def _adamw(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, beta1, beta2, eps, weight_decay, step, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(4)]
    moved, means, squares = [], [], []
    for p, given, mean, square in zip(*groups, strict=True):
        g = -given if maximize else given
        means.append(beta1 * mean + (1 - beta1) * g)
        squares.append(beta2 * square + (1 - beta2) * g * g)
        root = np.sqrt(squares[-1] / (1 - beta2**step)) + eps
        moved.append(p * (1 - lr * weight_decay) - lr * means[-1] / (1 - beta1**step) / root)
    return moved + means + squares


def _adam(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, beta1, beta2, eps, weight_decay, step, decoupled, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(len(x) // count)]
    after: list[list[Array]] = [[] for _ in groups]
    for p, given, mean, square, *largest in zip(*groups, strict=True):
        g = (-given if maximize else given) + (0 if decoupled else weight_decay * p)
        mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g * g
        counted = np.maximum(square, largest[0]) if largest else square
        kept = p * (1 - lr * weight_decay) if decoupled else p
        moved = kept - lr * mean / (1 - beta1**step) / (np.sqrt(counted / (1 - beta2**step)) + eps)
        for part, value in zip(after, (moved, None, mean, square, counted), strict=False):
            part.append(value)
    return [value for part in (after[0], *after[2:]) for value in part]


def _rmsprop(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, alpha, eps, weight_decay, momentum, centered, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(len(x) // count)]
    after: list[list[Array]] = [[] for _ in groups]
    for p, given, square, *more in zip(*groups, strict=True):
        g = (-given if maximize else given) + weight_decay * p
        square = alpha * square + (1 - alpha) * g * g
        states = [square]
        if centered:
            states.append(alpha * more[0] + (1 - alpha) * g)
        step = g / (np.sqrt(square - states[1] ** 2 if centered else square) + eps)
        if momentum:
            step = momentum * more[-1] + step
            states.append(step)
        for part, value in zip(after, (p - lr * step, None, *states), strict=True):
            part.append(value)
    return [value for part in (after[0], *after[2:]) for value in part]


def _adagrad(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, eps, weight_decay, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(3)]
    moved, sums = [], []
    for p, given, total in zip(*groups, strict=True):
        g = (-given if maximize else given) + weight_decay * p
        sums.append(total + g * g)
        moved.append(p - lr * g / (np.sqrt(sums[-1]) + eps))
    return moved + sums


def _lion(x: list[Array], attrs: Attrs) -> list[Array]:
    count, lr, beta1, beta2, weight_decay, maximize = attrs
    groups = [x[i * count : (i + 1) * count] for i in range(3)]
    moved, means = [], []
    for p, given, mean in zip(*groups, strict=True):
        g = -given if maximize else given
        means.append(beta2 * mean + (1 - beta2) * g)
        moved.append(p * (1 - lr * weight_decay) - lr * np.sign(beta1 * mean + (1 - beta1) * g))
    return moved + means


# ---- random numbers: Philox4x32-10 in Python ----


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Four random words for a counter of four words and a key of two."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return tuple(c)


def _words(seed: int, offset: int, count: int) -> list[int]:
    words: list[int] = []
    key = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for block in range((count + 3) // 4):
        number = offset + block
        words += philox((number & 0xFFFFFFFF, (number >> 32) & 0xFFFFFFFF, 0, 0), key)
    return words


def _pairs(seed: int, offset: int, count: int) -> list[int]:
    words = _words(seed, offset, 4 * ((count + 1) // 2))
    return [low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True)][: max(count, 0)]


def _even(shape: tuple[int, ...], seed: int, offset: int, dtype: str, count: int) -> Array:
    if dtype == "float32":
        return np.array([(word >> 8) * 2.0**-24 for word in _words(seed, offset, count)][:count])
    return np.array([(pair >> 11) * 2.0**-53 for pair in _pairs(seed, offset, count)])


def _uniform(x: list[Array], attrs: Attrs) -> Array:
    shape = attrs[0]
    return _even(*attrs, int(np.prod(shape))).reshape(shape)


def _normal(x: list[Array], attrs: Attrs) -> Array:
    shape, dtype = attrs[0], attrs[3]
    count = int(np.prod(shape))
    even = _even(*attrs, count + count % 2)
    u, v = even[::2] + (2.0**-24 if dtype == "float32" else 2.0**-53), even[1::2]
    radius = np.sqrt(-2 * np.log(u))
    # Whole quarters of a turn are taken off first: the rest is exact, and so are the zeros.
    quarter = np.floor(4 * v + 0.5)
    angle = (v - quarter / 4) * 2 * np.pi
    number = quarter.astype(int) % 4
    cosine = np.choose(number, [np.cos(angle), -np.sin(angle), -np.cos(angle), np.sin(angle)])
    sine = np.choose(number, [np.sin(angle), np.cos(angle), -np.sin(angle), -np.cos(angle)])
    both = np.stack([radius * cosine, radius * sine], axis=1)
    return both.reshape(-1)[:count].reshape(shape)


def _randint(x: list[Array], attrs: Attrs) -> Array:
    shape, low, high, seed, offset, dtype = attrs
    pairs = _pairs(seed, offset, int(np.prod(shape)))
    return np.array([low + (pair * (high - low) >> 64) for pair in pairs], dtype=dtype).reshape(shape)


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


# ---- linear algebra ----


def _turns(v: Array) -> Array:
    """What makes the first nearly largest element of each column positive."""
    size = np.abs(v)
    first = np.argmax(size >= 0.999 * size.max(axis=-2, keepdims=True, initial=0), axis=-2)
    there = np.take_along_axis(v, first[..., None, :], axis=-2)
    return np.asarray(np.conj(there) / np.abs(there))


def _eigh(x: list[Array], attrs: Attrs) -> list[Array]:
    if not x[0].size:
        return [np.abs(x[0].sum(axis=-1)), x[0]]
    w, v = np.linalg.eigh(x[0])
    return [w, v * _turns(v)]


def _eig(x: list[Array], attrs: Attrs) -> list[Array]:
    kind = np.result_type(x[0], np.complex64)
    if not x[0].size:
        return [x[0].sum(axis=-1).astype(kind), x[0].astype(kind)]
    w, v = np.linalg.eig(x[0].astype(np.complex128))
    order = np.lexsort((-w.imag, np.round(w.real, 6)), axis=-1)
    v = np.take_along_axis(v, order[..., None, :], axis=-1)
    return [np.take_along_axis(w, order, axis=-1), v * _turns(v)]


def _svd(x: list[Array], attrs: Attrs) -> Any:
    if not x[0].size:
        return None
    u, s, vh = np.linalg.svd(x[0], full_matrices=attrs[0])
    turns = _turns(u)
    if u.shape[-1] == vh.shape[-2]:
        return [u * turns, s, vh * np.conj(np.swapaxes(turns, -1, -2))]
    return None


def _cofactors(x: list[Array], attrs: Attrs) -> Array:
    if not x[0].size:
        return x[0]
    inverse = np.linalg.inv(x[0].astype(np.result_type(x[0], np.float64)))
    return np.linalg.det(x[0])[..., None, None] * np.swapaxes(inverse, -1, -2)


def _solve(x: list[Array], attrs: Attrs) -> Array:
    return np.linalg.solve(*x) if x[1].size else x[1]


def _fft(x: list[Array], attrs: Attrs) -> Any:
    axis, inverse, scale = attrs
    size = x[0].shape[axis]
    return (np.fft.ifft(x[0], axis=axis) * size if inverse else np.fft.fft(x[0], axis=axis)) * scale


def _rfft(x: list[Array], attrs: Attrs) -> Any:
    found = np.fft.rfft(x[0], axis=attrs[0]) * attrs[2]
    return np.conj(found) if attrs[1] else found


def _irfft(x: list[Array], attrs: Attrs) -> Any:
    axis, n, inverse, scale = attrs
    return np.fft.irfft(x[0] if inverse else np.conj(x[0]), n=n, axis=axis) * n * scale


NUMPY: dict[str, Oracle] = {
    "fft": _fft,
    "rfft": _rfft,
    "irfft": _irfft,
    "solve": _solve,
    "inv": lambda x, attrs: np.linalg.inv(x[0]) if x[0].size else x[0],
    "det": lambda x, attrs: np.linalg.det(x[0]),
    "cofactors": _cofactors,
    "eig": _eig,
    "slogdet": lambda x, attrs: list(np.linalg.slogdet(x[0])),
    "cholesky": lambda x, attrs: np.linalg.cholesky(x[0]) if x[0].size else x[0],
    "qr": lambda x, attrs: list(np.linalg.qr(x[0], mode="complete" if attrs[0] else "reduced")),
    "eigh": _eigh,
    "svd": _svd,
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
    "var": _var,
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
    "full": _full,
    "arange": _arange,
    "eye": lambda x, attrs: np.eye(attrs[0], attrs[1], attrs[2]),
    "uniform": _uniform,
    "normal": _normal,
    "randint": _randint,
    "sgd_step": _sgd,
    "assign": lambda x, attrs: x[1],
    "adamw_step": _adamw,
    **oracles_networks.NUMPY,
    "dropout": oracles_networks.dropout_oracle(_uniform),
    "adam_step": _adam,
    "rmsprop_step": _rmsprop,
    "adagrad_step": _adagrad,
    "lion_step": _lion,
    "unscale": lambda x, attrs: [*[g * attrs[0] for g in x[:-1]], x[-1]],
}


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


def _torch_var(x: Any, axes: Attrs, keepdims: bool, correction: float) -> Any:
    if not axes:
        return x * 0
    if not x.numel():  # PyTorch warns of nothing to divide by
        return x.sum(dim=axes, keepdim=keepdims) * float("nan")
    return _torch().var(x, dim=axes, keepdim=keepdims, correction=correction)


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
    "var": _torch_var,
    "length": lambda x, axes, keepdims: (
        _torch().linalg.vector_norm(x, dim=axes, keepdim=keepdims) if axes else x.abs()),
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
    **oracles_networks.TORCH,
}


def torch_result(op: str, tensors: list[Any], attrs: Attrs) -> list[Any]:
    """PyTorch's results."""
    function = TORCH[op]
    result = getattr(_torch(), function)(*tensors, *attrs) if isinstance(function, str) else function(*tensors, *attrs)
    return list(result) if isinstance(result, tuple) else [result]
