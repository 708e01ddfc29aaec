"""Attention: each place of a sequence reads from the places that it is most like."""

from __future__ import annotations

import math

import flambeau as fl
from flambeau import _core
from flambeau.nn.functional.activation import softmax
from flambeau.nn.functional.dropout import dropout

_attention = _core.ops["attention"]


def scaled_dot_product_attention(
    query: fl.Tensor,
    key: fl.Tensor,
    value: fl.Tensor,
    attn_mask: fl.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> fl.Tensor:
    """softmax(query key^T scale + mask) value.

    Shapes: query (..., l, e), key (..., s, e), value (..., s, v) -> (..., l, v). attn_mask broadcasts to (..., l, s):
    bool says where to look, floats are added. is_causal: place i looks at 0 to i. scale is 1 / sqrt(e) by default.
    enable_gqa: keys and values have fewer heads (dimension -3), each read by as many heads of the query. A place that
    may look nowhere gets zeros. Dropout (of the weights) is on whenever dropout_p is above 0, as in PyTorch.
    Source: Vaswani and others, arXiv:1706.03762; grouped queries: Ainslie and others, arXiv:2305.13245.

    >>> x = fl.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0].tolist()
    [1.0, 0.0]
    """
    _check_shapes(query, key, value)
    if not dropout_p and _takes_whole(query, key, value, attn_mask, is_causal, enable_gqa):
        if attn_mask is not None and attn_mask.dtype != fl.bool:
            attn_mask = attn_mask.to(fl.float64 if query.dtype == fl.float64 else fl.float32)
        factor = 1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else float(scale)
        return _attention(query, key, value, attn_mask, is_causal, factor)[0]
    heads = None
    if enable_gqa:
        query, key, value, heads = _grouped(query, key, value)
        if attn_mask is not None and attn_mask.ndim > 2 and heads is not None:
            attn_mask = _grouped_mask(attn_mask, heads)
    weights, seen = attention_weights(query, key, attn_mask, is_causal, scale)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    result = weights @ value
    if seen is not None:
        result = fl.where(seen, result, 0.0)
    if heads is not None:
        result = fl.reshape(result, (*result.shape[:-4], heads[0] * heads[1], *result.shape[-2:]))
    return result


def _takes_whole(
    query: fl.Tensor, key: fl.Tensor, value: fl.Tensor, mask: fl.Tensor | None, is_causal: bool, grouped: bool
) -> bool:
    """Whether the op takes it, which never keeps the weights: without broadcasts, and without a mask that learns."""
    if not query.dtype == key.dtype == value.dtype or not fl.isdtype(query.dtype, "real floating"):
        return False
    if not query.ndim == key.ndim == value.ndim or not query.shape[:-3] == key.shape[:-3] == value.shape[:-3]:
        return False
    if query.ndim == 2 and grouped:
        return False
    if query.ndim > 2:
        heads, groups = query.shape[-3], key.shape[-3]
        fits = heads == groups or groups == 1 or (grouped and groups > 0 and heads % groups == 0)
        if value.shape[-3] != groups or not fits:
            return False
    if mask is None:
        return True
    if is_causal or mask.requires_grad or not (mask.dtype == fl.bool or fl.isdtype(mask.dtype, "real floating")):
        return False
    scores = (*query.shape[:-1], key.shape[-2])
    return mask.ndim <= len(scores) and all(
        own in (1, size) for own, size in zip(reversed(mask.shape), reversed(scores), strict=False))


def attention_weights(
    query: fl.Tensor, key: fl.Tensor, mask: fl.Tensor | None, is_causal: bool, scale: float | None
) -> tuple[fl.Tensor, fl.Tensor | None]:
    """The probabilities (..., l, s), and where a mask leaves places nothing to see: which do see (..., l or 1, 1)."""
    if is_causal and mask is not None:
        raise ValueError("scaled_dot_product_attention: is_causal=True and attn_mask exclude each other; put the "
                         "causal places into the mask")
    root = math.sqrt(1.0 / math.sqrt(max(query.shape[-1], 1)) if scale is None else abs(scale))
    sign = -1.0 if scale is not None and scale < 0 else 1.0
    # Half of the scale on each side, so that the products of float16 overflow later.
    scores = (query * (root * sign)) @ (key * root).mT
    length, size = scores.shape[-2:]
    if is_causal:
        places = fl.arange(size, device=scores.device) <= fl.arange(length, device=scores.device).reshape(length, 1)
        return softmax(fl.where(places, scores, float("-inf")), dim=-1), None
    if mask is None:
        return softmax(scores, dim=-1), None
    try:
        fl.broadcast_shapes(mask.shape, scores.shape)
    except ValueError:
        raise fl.ShapeError(f"scaled_dot_product_attention: attn_mask is {tuple(mask.shape)} and must broadcast to "
                            f"{tuple(scores.shape)}, (..., places that look, places looked at)") from None
    if mask.dtype == fl.bool:
        seen = fl.any(mask, axis=-1, keepdims=True)
        # Who sees nothing looks everywhere, and what comes of it is dropped: a row of -inf alone would be NaN.
        scores = fl.where(fl.logical_or(mask, fl.logical_not(seen)), scores, float("-inf"))
    else:
        seen = fl.any(mask.detach() > float("-inf"), axis=-1, keepdims=True)
        scores = scores + fl.where(seen, mask, 0.0).to(scores.dtype)
    return softmax(scores, dim=-1), seen


def _check_shapes(query: fl.Tensor, key: fl.Tensor, value: fl.Tensor) -> None:
    fits = (min(query.ndim, key.ndim, value.ndim) >= 2 and query.shape[-1] == key.shape[-1]
            and key.shape[-2] == value.shape[-2])
    if not fits:
        raise fl.ShapeError(f"scaled_dot_product_attention: query is {tuple(query.shape)}, key {tuple(key.shape)}, "
                            f"value {tuple(value.shape)}: they must be (..., l, e), (..., s, e) and (..., s, v)")


def _grouped(
    query: fl.Tensor, key: fl.Tensor, value: fl.Tensor
) -> tuple[fl.Tensor, fl.Tensor, fl.Tensor, tuple[int, int]]:
    """Heads as (groups, heads of a group); keys and values have one head for each group."""
    if min(query.ndim, key.ndim, value.ndim) < 3:
        raise fl.ShapeError("scaled_dot_product_attention: enable_gqa needs heads, dimension -3")
    heads, groups = query.shape[-3], key.shape[-3]
    if groups == 0 or heads % groups or value.shape[-3] != groups:
        raise fl.ShapeError(f"scaled_dot_product_attention: {heads} heads of the query, {groups} of the key and "
                            f"{value.shape[-3]} of the value: the last two must be equal and divide the first")
    parts = (groups, heads // groups)
    query = fl.reshape(query, (*query.shape[:-3], *parts, *query.shape[-2:]))
    return query, fl.expand_dims(key, axis=-3), fl.expand_dims(value, axis=-3), parts


def _grouped_mask(mask: fl.Tensor, parts: tuple[int, int]) -> fl.Tensor:
    if mask.shape[-3] == 1:
        return fl.expand_dims(mask, axis=-3)
    return fl.reshape(mask, (*mask.shape[:-3], *parts, *mask.shape[-2:]))
