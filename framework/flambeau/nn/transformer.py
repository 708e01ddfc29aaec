"""Transformers: layers of attention and of two linear layers, with normalization around each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import flambeau as fl
from flambeau import _core
from flambeau.nn import functional, init
from flambeau.nn.attention import MultiheadAttention
from flambeau.nn.containers import ModuleList
from flambeau.nn.layers import Dropout, Linear
from flambeau.nn.module import Module
from flambeau.nn.normalization import LayerNorm

Activation = str | Callable[[fl.Tensor], fl.Tensor]
Layer = TypeVar("Layer", bound=Module)


class _TransformerLayer(Module):
    """What both layers share: two linear layers after attention, and the place of the normalization."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = functional.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self._attend_elsewhere(d_model, nhead, dropout, bias, batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias)
        self.norm_first = norm_first
        for number in range(1, self._parts + 1):
            setattr(self, f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias))
        for number in range(1, self._parts + 1):
            setattr(self, f"dropout{number}", Dropout(dropout))
        self.activation = _activation(activation)

    _parts = 2

    def _attend_elsewhere(self, d_model: int, nhead: int, dropout: float, bias: bool, batch_first: bool) -> None:
        """Set the attention to another sequence, where there is one."""

    def _around(self, number: int, x: fl.Tensor, part: Callable[[fl.Tensor], fl.Tensor]) -> fl.Tensor:
        """x and what a part makes of it, normalized before the part or after both."""
        norm, drop = getattr(self, f"norm{number}"), getattr(self, f"dropout{number}")
        if self.norm_first:
            return x + drop(part(norm(x)))
        return norm(x + drop(part(x)))

    def _feed_forward(self, x: fl.Tensor) -> fl.Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def extra_repr(self) -> str:
        return "norm_first=True" if self.norm_first else ""


class TransformerEncoderLayer(_TransformerLayer):
    """Attention of a sequence to itself, then two linear layers. Shapes and masks as of MultiheadAttention.

    is_causal is a hint about the mask, as there: ValueError without one.

    >>> TransformerEncoderLayer(8, 2, 16, batch_first=True)(fl.ones((3, 5, 8))).shape
    (3, 5, 8)
    """

    def __call__(
        self,
        src: fl.Tensor,
        src_mask: fl.Tensor | None = None,
        src_key_padding_mask: fl.Tensor | None = None,
        is_causal: bool = False,
    ) -> fl.Tensor:
        x = self._around(1, src, lambda x: self.self_attn(
            x, x, x, src_key_padding_mask, need_weights=False, attn_mask=src_mask, is_causal=is_causal)[0])
        return self._around(2, x, self._feed_forward)


class TransformerDecoderLayer(_TransformerLayer):
    """Attention of a sequence to itself, then to `memory`, then two linear layers. Masks as of the encoder's layer.

    >>> TransformerDecoderLayer(8, 2, 16)(fl.ones((5, 3, 8)), fl.ones((7, 3, 8))).shape
    (5, 3, 8)
    """

    _parts = 3

    def _attend_elsewhere(self, d_model: int, nhead: int, dropout: float, bias: bool, batch_first: bool) -> None:
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)

    def __call__(
        self,
        tgt: fl.Tensor,
        memory: fl.Tensor,
        tgt_mask: fl.Tensor | None = None,
        memory_mask: fl.Tensor | None = None,
        tgt_key_padding_mask: fl.Tensor | None = None,
        memory_key_padding_mask: fl.Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> fl.Tensor:
        x = self._around(1, tgt, lambda x: self.self_attn(
            x, x, x, tgt_key_padding_mask, need_weights=False, attn_mask=tgt_mask, is_causal=tgt_is_causal)[0])
        x = self._around(2, x, lambda x: self.multihead_attn(
            x, memory, memory, memory_key_padding_mask, need_weights=False, attn_mask=memory_mask,
            is_causal=memory_is_causal)[0])
        return self._around(3, x, self._feed_forward)


class TransformerEncoder(Module):
    """Copies of a TransformerEncoderLayer one after the other, then a normalization if there is one.

    enable_nested_tensor and mask_check are taken as from PyTorch, whose fast path they steer; they change nothing here.
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def __call__(
        self,
        src: fl.Tensor,
        mask: fl.Tensor | None = None,
        src_key_padding_mask: fl.Tensor | None = None,
        is_causal: bool | None = None,
    ) -> fl.Tensor:
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """Copies of a TransformerDecoderLayer one after the other, then a normalization if there is one."""

    def __init__(
        self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None
    ) -> None:
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def __call__(
        self,
        tgt: fl.Tensor,
        memory: fl.Tensor,
        tgt_mask: fl.Tensor | None = None,
        memory_mask: fl.Tensor | None = None,
        tgt_key_padding_mask: fl.Tensor | None = None,
        memory_key_padding_mask: fl.Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> fl.Tensor:
        for layer in self.layers:
            tgt = layer(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
                        bool(tgt_is_causal), memory_is_causal)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """An encoder of one sequence and a decoder of another that reads it. Source: Vaswani and others, arXiv:1706.03762.

    A custom_encoder or custom_decoder takes the place of those made of the other arguments.

    >>> Transformer(8, 2, 1, 1, 16)(fl.ones((7, 3, 8)), fl.ones((5, 3, 8))).shape
    (5, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = functional.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        self.encoder = custom_encoder if custom_encoder is not None else TransformerEncoder(
            TransformerEncoderLayer(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
                                    norm_first, bias),
            num_encoder_layers, LayerNorm(d_model, layer_norm_eps, bias=bias))
        self.decoder = custom_decoder if custom_decoder is not None else TransformerDecoder(
            TransformerDecoderLayer(d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
                                    norm_first, bias),
            num_decoder_layers, LayerNorm(d_model, layer_norm_eps, bias=bias))
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def __call__(
        self,
        src: fl.Tensor,
        tgt: fl.Tensor,
        src_mask: fl.Tensor | None = None,
        tgt_mask: fl.Tensor | None = None,
        memory_mask: fl.Tensor | None = None,
        src_key_padding_mask: fl.Tensor | None = None,
        tgt_key_padding_mask: fl.Tensor | None = None,
        memory_key_padding_mask: fl.Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> fl.Tensor:
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
                            tgt_key_padding_mask=tgt_key_padding_mask,
                            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
                            memory_is_causal=memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: str | None = None, dtype: _core.DType | None = None
    ) -> fl.Tensor:
        """-inf above the diagonal and 0 elsewhere: place i looks at 0 to i.

        >>> Transformer.generate_square_subsequent_mask(2).tolist()
        [[0.0, -inf], [0.0, 0.0]]
        """
        return fl.triu(fl.full((sz, sz), float("-inf"), dtype=dtype, device=device), k=1)


def _copies(layer: Layer, count: int) -> ModuleList:
    if count < 1:
        raise ValueError(f"transformer: there are {count} layers; at least one is needed")
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _activation(given: Activation) -> Callable[[fl.Tensor], fl.Tensor]:
    if callable(given):
        return given
    known = {"relu": functional.relu, "gelu": functional.gelu}
    if given not in known:
        raise ValueError(f'transformer: activation is {given!r}; it is "relu", "gelu" or a function')
    return known[given]
