"""Attention and transformers beside PyTorch's: masks, heads, grouped queries, and the loss curve of a small GPT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn import functional

from tests.framework.beside_torch import same, same_beginnings, same_layer, torch

RANDOM = np.random.default_rng(6)
Q, K, V = RANDOM.normal(size=(2, 4, 5, 6)), RANDOM.normal(size=(2, 4, 7, 6)), RANDOM.normal(size=(2, 4, 7, 3))
FEW = RANDOM.normal(size=(2, 2, 7, 6)), RANDOM.normal(size=(2, 2, 7, 3))
LOOK = RANDOM.uniform(size=(5, 7)) > 0.4
LOOK[2] = False  # a place that may look nowhere
LOOK[3] = True
ADDED = np.where(RANDOM.uniform(size=(2, 1, 5, 7)) > 0.3, RANDOM.normal(size=(2, 1, 5, 7)), -np.inf)
ADDED[..., 0] = 0.5


@pytest.mark.torch
@pytest.mark.parametrize(
    ("options", "mask"),
    [({}, None), ({"is_causal": True}, None), ({"scale": 0.3}, None), ({"scale": -0.3}, None), ({}, LOOK), ({}, ADDED)],
)
def test_attention_and_its_gradients_are_pytorchs(options: dict[str, Any], mask: np.ndarray | None) -> None:
    theirs = torch().nn.functional.scaled_dot_product_attention
    masks = [None if mask is None else make(mask) for make in (fl.tensor, torch().tensor)]
    same(
        lambda *x: functional.scaled_dot_product_attention(*x, masks[0], **options),
        lambda *x: theirs(*x, masks[1], **options),
        Q,
        K,
        V,
    )
    same(
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, masks[0], enable_gqa=True, **options),
        lambda q, k, v: theirs(q, k, v, masks[1], enable_gqa=True, **options),
        Q,
        *FEW,
    )


FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "other sizes": {"kdim": 5, "vdim": 3},
    "batch first": {"batch_first": True},
    "further places": {"add_bias_kv": True, "add_zero_attn": True},
}


@pytest.mark.torch
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("masked", [False, True])
def test_heads_and_their_gradients_are_pytorchs(form: str, masked: bool) -> None:
    options = FORMS[form]
    ours, theirs = nn.MultiheadAttention(8, 2, **options), torch().nn.MultiheadAttention(8, 2, **options)
    sizes = (8, options.get("kdim", 8), options.get("vdim", 8))
    given = [RANDOM.normal(size=(length, 3, size)) for length, size in zip((4, 6, 6), sizes, strict=True)]
    if options.get("batch_first"):
        given = [x.transpose(1, 0, 2) for x in given]
    padding = np.zeros((3, 6), bool)
    padding[1, 4:] = True
    mask = np.triu(np.ones((4, 6), bool), 3)

    def call(layer: Any, q: Any, k: Any, v: Any) -> Any:
        make = fl.tensor if isinstance(q, fl.Tensor) else torch().tensor
        masks = {"key_padding_mask": make(padding), "attn_mask": make(mask)} if masked else {}
        each = layer(q, k, v, average_attn_weights=False, **masks)
        return [*layer(q, k, v, **masks), *each, layer(q, k, v, need_weights=False, **masks)[0]]

    same_layer(ours, theirs, *given, call=call)


@pytest.mark.torch
def test_attention_of_one_sequence_to_itself_and_a_mask_for_each_head_are_pytorchs() -> None:
    ours, theirs = nn.MultiheadAttention(8, 2), torch().nn.MultiheadAttention(8, 2)
    x = RANDOM.normal(size=(5, 8))
    same_layer(ours, theirs, x, call=lambda layer, x: layer(x, x, x))
    x, mask = RANDOM.normal(size=(5, 3, 8)), RANDOM.normal(size=(6, 5, 5))
    same_layer(ours, theirs, x, mask, call=lambda layer, x, m: layer(x, x, x, attn_mask=m))
    same_beginnings(
        lambda: nn.MultiheadAttention(40, 2, add_bias_kv=True),
        lambda: torch().nn.MultiheadAttention(40, 2, add_bias_kv=True),
    )


@pytest.mark.torch
@pytest.mark.parametrize(
    "options", [{}, {"norm_first": True, "activation": "gelu"}, {"batch_first": True, "bias": False}]
)
def test_transformer_layers_are_pytorchs(options: dict[str, Any]) -> None:
    module = torch()
    given: dict[str, Any] = {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0, **options}
    x, memory = RANDOM.normal(size=(4, 4, 8)), RANDOM.normal(size=(4, 4, 8))
    causal = np.where(np.triu(np.ones((4, 4)), 1) > 0, -np.inf, 0.0)

    def masked(layer: Any, *x: Any) -> Any:
        make = fl.tensor if isinstance(x[0], fl.Tensor) else module.tensor
        return layer(*x, make(causal))

    same_layer(nn.TransformerEncoderLayer(**given), module.nn.TransformerEncoderLayer(**given), x, call=masked)
    same_layer(nn.TransformerDecoderLayer(**given), module.nn.TransformerDecoderLayer(**given), x, memory, call=masked)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
def test_whole_transformers_are_pytorchs() -> None:
    module = torch()
    given: dict[str, Any] = {
        "d_model": 8,
        "nhead": 2,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "dim_feedforward": 12,
        "dropout": 0.0,
    }
    same_layer(
        nn.Transformer(**given),
        module.nn.Transformer(**given),
        RANDOM.normal(size=(5, 2, 8)),
        RANDOM.normal(size=(3, 2, 8)),
    )
    mask = module.nn.Transformer.generate_square_subsequent_mask(4).tolist()
    assert nn.Transformer.generate_square_subsequent_mask(4).tolist() == mask


def test_weights_are_dropped_while_training_alone() -> None:
    fl.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, dropout=0.5)
    x = fl.random.normal((5, 2, 8))
    assert layer(x, x, x)[0].tolist() != layer(x, x, x)[0].tolist()
    layer.eval()
    assert layer(x, x, x)[0].tolist() == layer(x, x, x)[0].tolist()
    assert functional.scaled_dot_product_attention(x, x, x, dropout_p=1.0).tolist() == (x * 0).tolist()


def heads(**options: Any) -> Any:
    x = fl.zeros((5, 2, 8))
    return nn.MultiheadAttention(8, 2)(x, x, x, **options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: nn.MultiheadAttention(8, 3), "divides the first"),
        (lambda: nn.MultiheadAttention(8, 2)(*[fl.zeros(8)] * 3), "two dimensions, or three"),
        (lambda: heads(attn_mask=fl.zeros((4, 5))), r"it must be \(5, 5\) or \(4, 5, 5\)"),
        (lambda: heads(key_padding_mask=fl.zeros((5, 2))), r"it must be \(2, 5\)"),
        (lambda: heads(is_causal=True), "pass the mask too"),
        (lambda: functional.scaled_dot_product_attention(*[fl.zeros((2, 3))] * 2, fl.zeros((1, 3))), "they must be"),
        (
            lambda: functional.scaled_dot_product_attention(*[fl.zeros((2, 3))] * 3, fl.zeros((3, 3))),
            "must broadcast to",
        ),
        (
            lambda: functional.scaled_dot_product_attention(*[fl.zeros((2, 3))] * 3, fl.zeros((2, 2)), is_causal=True),
            "exclude each other",
        ),
        (lambda: functional.scaled_dot_product_attention(*[fl.zeros((2, 3))] * 3, enable_gqa=True), "needs heads"),
        (
            lambda: functional.scaled_dot_product_attention(
                fl.zeros((3, 2, 3)), *[fl.zeros((2, 2, 3))] * 2, enable_gqa=True
            ),
            "divide the first",
        ),
        (lambda: nn.TransformerEncoderLayer(8, 2)(fl.zeros((5, 8)), is_causal=True), "pass the mask too"),
        (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 1)(fl.zeros((5, 8)), is_causal=True),
            "pass the mask too",
        ),
        *[
            (
                lambda option=option: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2), 1)(
                    *[fl.zeros((5, 8))] * 2, **{option: True}
                ),
                "pass the mask too",
            )
            for option in ("tgt_is_causal", "memory_is_causal")
        ],
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="sin"), 'it is "relu"'),
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 0), "at least one"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
