"""Attention with several heads, as a layer."""

from __future__ import annotations

import flambeau as fl
from flambeau.nn import functional, init
from flambeau.nn.functional.attention import attention_weights
from flambeau.nn.layers import Linear
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter


class MultiheadAttention(Module):
    """Attention of `num_heads` heads between learned projections; gives the output and the weights.

    Shapes: query (l, n, embed_dim), key (s, n, kdim), value (s, n, vdim) -> (l, n, embed_dim), with n first if
    batch_first, or without n; weights (n, l, s), the mean over heads, or (n, heads, l, s). Masks as in PyTorch: True is
    where *not* to look, floats are added; key_padding_mask (n, s), attn_mask (l, s) or (n heads, l, s).
    Source: Vaswani and others, arXiv:1706.03762.

    >>> layer = MultiheadAttention(8, 2, batch_first=True)
    >>> output, weights = layer(*[fl.ones((3, 5, 8))] * 3)
    >>> output.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: embed_dim is {embed_dim} and num_heads {num_heads}; both are "
                             "positive and the second divides the first")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.add_zero_attn = add_zero_attn
        self.batch_first = batch_first
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        sizes = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        self.in_proj_weight: Parameter | None = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = Parameter(fl.zeros((3 * embed_dim, embed_dim)))
        else:
            for name, size in sizes.items():
                setattr(self, f"{name}_proj_weight", Parameter(fl.zeros((embed_dim, size))))
        self.in_proj_bias = Parameter(fl.zeros(3 * embed_dim)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        self.bias_k = Parameter(fl.zeros((1, 1, embed_dim))) if add_bias_kv else None
        self.bias_v = Parameter(fl.zeros((1, 1, embed_dim))) if add_bias_kv else None
        for name, parameter in self.named_parameters(recurse=False):
            if name.endswith("weight"):
                init.xavier_uniform_(parameter)
            elif name.startswith("bias_"):
                init.xavier_normal_(parameter)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def __call__(
        self,
        query: fl.Tensor,
        key: fl.Tensor,
        value: fl.Tensor,
        key_padding_mask: fl.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: fl.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[fl.Tensor, fl.Tensor | None]:
        alone = query.ndim == 2
        if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
            raise fl.ShapeError(f"MultiheadAttention: query is {tuple(query.shape)}, key {tuple(key.shape)}, value "
                                f"{tuple(value.shape)}: all have two dimensions, or three with n")
        if is_causal and attn_mask is None:
            raise ValueError("MultiheadAttention: is_causal is a hint about attn_mask; pass the mask too")
        if alone:
            query, key, value = (fl.expand_dims(x, axis=0) for x in (query, key, value))
            if key_padding_mask is not None:
                key_padding_mask = fl.expand_dims(key_padding_mask, axis=0)
        elif not self.batch_first:
            query, key, value = (fl.permute_dims(x, (1, 0, 2)) for x in (query, key, value))
        q, k, v = self._projected(query, key, value)
        k, v, extra = self._extended(k, v)
        mask = self._mask(query.shape[0], query.shape[1], key.shape[1], extra, key_padding_mask, attn_mask)
        heads = [self._heads(x) for x in (q, k, v)]
        weights, seen = attention_weights(heads[0], heads[1], mask, False, None)
        dropped = functional.dropout(weights, self.dropout, self.training)
        mixed = dropped @ heads[2]
        if seen is not None:
            mixed = fl.where(seen, mixed, 0.0)
        joined = fl.reshape(fl.permute_dims(mixed, (0, 2, 1, 3)), (query.shape[0], query.shape[1], self.embed_dim))
        output = self.out_proj(joined)
        shown = (fl.mean(dropped, axis=1) if average_attn_weights else dropped) if need_weights else None
        if alone:
            return fl.squeeze(output, axis=0), None if shown is None else fl.squeeze(shown, axis=0)
        return output if self.batch_first else fl.permute_dims(output, (1, 0, 2)), shown

    def _projected(
        self, query: fl.Tensor, key: fl.Tensor, value: fl.Tensor
    ) -> tuple[fl.Tensor, fl.Tensor, fl.Tensor]:
        size, bias = self.embed_dim, self.in_proj_bias
        if self.in_proj_weight is not None and query is key and key is value:
            every = functional.linear(query, self.in_proj_weight, bias)
            return every[..., :size], every[..., size : 2 * size], every[..., 2 * size :]
        found = []
        for number, (name, x) in enumerate((("q", query), ("k", key), ("v", value))):
            rows = slice(number * size, (number + 1) * size)
            weight = getattr(self, f"{name}_proj_weight") if self.in_proj_weight is None else self.in_proj_weight[rows]
            found.append(functional.linear(x, weight, None if bias is None else bias[rows]))
        return found[0], found[1], found[2]

    def _extended(self, k: fl.Tensor, v: fl.Tensor) -> tuple[fl.Tensor, fl.Tensor, int]:
        """Keys and values with what is learned, or nothing at all, as further places; how many those are."""
        extra = 0
        if self.bias_k is not None and self.bias_v is not None:
            shape = (k.shape[0], 1, self.embed_dim)
            k = fl.concat([k, fl.broadcast_to(self.bias_k, shape)], axis=1)
            v = fl.concat([v, fl.broadcast_to(self.bias_v, shape)], axis=1)
            extra += 1
        if self.add_zero_attn:
            nothing = fl.zeros((k.shape[0], 1, self.embed_dim), dtype=k.dtype, device=k.device)
            k, v = fl.concat([k, nothing], axis=1), fl.concat([v, nothing], axis=1)
            extra += 1
        return k, v, extra

    def _heads(self, x: fl.Tensor) -> fl.Tensor:
        parts = fl.reshape(x, (*x.shape[:2], self.num_heads, self.embed_dim // self.num_heads))
        return fl.permute_dims(parts, (0, 2, 1, 3))

    def _mask(
        self, n: int, length: int, size: int, extra: int, padding: fl.Tensor | None, mask: fl.Tensor | None
    ) -> fl.Tensor | None:
        """Both masks as one that is added, (n or 1, heads or 1, l or 1, s)."""
        total = None
        if mask is not None:
            if tuple(mask.shape) not in ((length, size), (n * self.num_heads, length, size)):
                raise fl.ShapeError(f"MultiheadAttention: attn_mask is {tuple(mask.shape)}; it must be "
                                    f"{(length, size)} or {(n * self.num_heads, length, size)}")
            total = _added(mask)
            if mask.ndim == 3:
                total = fl.reshape(total, (n, self.num_heads, length, size))
            else:
                total = fl.reshape(total, (1, 1, length, size))
        if padding is not None:
            if tuple(padding.shape) != (n, size):
                raise fl.ShapeError(f"MultiheadAttention: key_padding_mask is {tuple(padding.shape)}; it must be "
                                    f"{(n, size)}")
            padded = fl.reshape(_added(padding), (n, 1, 1, size))
            total = padded if total is None else total + padded
        if total is not None and extra:
            seen = fl.zeros((*total.shape[:-1], extra), dtype=total.dtype, device=total.device)
            total = fl.concat([total, seen], axis=-1)
        return total

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}" + (", batch_first=True" if self.batch_first else "")


def _added(mask: fl.Tensor) -> fl.Tensor:
    """A mask of places not to look at as -inf there and 0 elsewhere; floats as they are."""
    return fl.where(mask, float("-inf"), fl.zeros((), device=mask.device)) if mask.dtype == fl.bool else mask
