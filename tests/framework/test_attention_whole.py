"""Attention as one op: long sequences, odd sizes and strides, what it keeps, and its second derivatives."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest
from flambeau.autograd import gradgradcheck
from flambeau.nn import functional

from tests.framework.beside_torch import same, torch

RANDOM = np.random.default_rng(9)


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("heads", "groups", "length", "size", "width", "values", "mask"),
    [
        (3, 3, 70, 70, 16, 16, "causal"),
        (2, 2, 131, 300, 64, 64, None),
        (4, 2, 130, 220, 17, 33, "bool"),
        (2, 1, 150, 90, 8, 24, "rows"),
        (1, 1, 260, 900, 5, 3, "causal"),
        (2, 2, 5, 400, 32, 1, "bool"),
    ],
)
def test_long_and_odd_sequences_and_their_gradients_are_pytorchs(
    heads: int, groups: int, length: int, size: int, width: int, values: int, mask: str | None
) -> None:
    given = drawn(2, length, heads, width), drawn(2, size, groups, width), drawn(2, size, groups, values)
    where = {"bool": drawn(length, size) > -0.5, "rows": drawn(2, 1, 1, size)}.get(mask or "")
    if mask == "bool":
        assert where is not None
        where[1] = False  # a place that may look nowhere
    options = {"is_causal": mask == "causal", "enable_gqa": True}
    theirs = torch().nn.functional.scaled_dot_product_attention
    masks = [None if where is None else make(where) for make in (fl.tensor, torch().tensor)]
    ours = functional.scaled_dot_product_attention
    same(
        lambda *x: ours(*(y.permute_dims(0, 2, 1, 3) for y in x), masks[0], **options),
        lambda *x: theirs(*(y.transpose(1, 2) for y in x), masks[1], **options),
        *given,
    )


@pytest.mark.torch
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("bfloat16", 2e-2), ("float16", 3e-3)])
def test_short_floats_are_computed_in_float32(dtype: str, tolerance: float) -> None:
    given = [fl.tensor(drawn(2, 3, 200, 24)).to(getattr(fl, dtype)) for _ in range(4)]
    query, key, value = (x.detach() for x in given[:3])
    for x in (query, key, value):
        x.requires_grad = True
    result = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    result.backward(given[3])
    exact = [torch().tensor(x.detach().to(fl.float64).numpy(), requires_grad=True) for x in given[:3]]
    expected = torch().nn.functional.scaled_dot_product_attention(*exact, is_causal=True)
    expected.backward(torch().tensor(given[3].to(fl.float64).numpy()))
    results = [result, query.grad, key.grad, value.grad]
    for found, wanted in zip(results, [expected, *(x.grad for x in exact)], strict=True):
        assert found is not None
        assert str(found.dtype).endswith(dtype)
        numbers = wanted.detach().numpy()
        largest = np.abs(numbers).max()
        np.testing.assert_allclose(found.detach().to(fl.float64).numpy(), numbers, atol=tolerance * largest)


@pytest.mark.parametrize(
    "options",
    [{"is_causal": True}, {}, {"attn_mask": fl.tensor(drawn(5, 6) > -1.0)}],
    ids=["causal", "plain", "masked"],
)
def test_second_derivatives_are_those_of_the_formula(options: dict[str, object]) -> None:
    size = 5 if "is_causal" in options else 6
    given = tuple(fl.tensor(drawn(*shape), requires_grad=True) for shape in ((2, 5, 3), (2, size, 3), (2, size, 2)))
    gradgradcheck(lambda *x: functional.scaled_dot_product_attention(*x, **options), given)


def step(heads: int, length: int) -> list[bytes]:
    rng = np.random.default_rng(3)
    query, key, value, g = (fl.tensor(rng.normal(size=(1, heads, length, 40)), dtype=fl.float32) for _ in range(4))
    for x in (query, key, value):
        x.requires_grad = True
    result = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    result.backward(g)
    return [np.asarray(x.detach()).tobytes() for x in (result, query.grad, key.grad, value.grad)]


@pytest.mark.parametrize(("heads", "length"), [(1, 1000), (5, 140)])
def test_any_number_of_threads_gives_the_same_bits(heads: int, length: int) -> None:
    before = fl.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3, 8):
            fl.set_num_threads(threads)
            results.append(step(heads, length))
    finally:
        fl.set_num_threads(before)
    assert all(result == results[0] for result in results)


def test_the_weights_of_a_long_sequence_are_never_kept() -> None:
    length = 4096  # whose weights take 64 MiB
    query, key, value = (fl.tensor(drawn(length, 8), dtype=fl.float32, requires_grad=True) for _ in range(3))
    before = fl.memory.memory_allocated()
    result = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
    kept = fl.memory.memory_allocated() - before
    fl.sum(result).backward()
    assert kept < 2**20
    assert query.grad is not None


def test_a_batch_by_vmap_is_the_batch() -> None:
    query, key, value = (fl.tensor(drawn(3, 2, 9, 4)) for _ in range(3))
    attend = functional.scaled_dot_product_attention
    mapped = fl.vmap(lambda q, k, v: attend(q, k, v, is_causal=True))(query, key, value)
    np.testing.assert_allclose(mapped.numpy(), attend(query, key, value, is_causal=True).numpy(), rtol=1e-12)
    alone = fl.vmap(lambda q: attend(q, key[0], value[0]))(query)
    np.testing.assert_allclose(alone[2].numpy(), attend(query[2], key[0], value[0]).numpy(), rtol=1e-12)


@pytest.mark.parametrize("dtype", [fl.bfloat16, fl.float16], ids=str)
def test_a_query_with_one_key_gets_no_gradient_in_half_precision_either(dtype: fl.DType) -> None:
    # The weight is 1 whatever the score: products rounded before they are summed left 1e-2 here.
    rng = np.random.default_rng(0)
    lengths = (64, 1, 1, 64)
    query, key, value, g = (fl.asarray(rng.standard_normal((2, 1, length, 16))).astype(dtype) for length in lengths)
    leaves = [x.requires_grad_() for x in (query, key, value)]
    fl.nn.functional.scaled_dot_product_attention(*leaves).backward(g)
    for x in leaves[:2]:
        assert fl.max(fl.abs(x.grad.astype(fl.float32))).item() < 1e-5
