"""PyTorch's names that are written otherwise here: each way named in an error gives what PyTorch's way gives."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau.torch_names import FUNCTIONS, METHODS, PLACES, markdown

from tests.framework.beside_torch import torch

ARRAYS = {
    "x": np.array([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]], dtype="float32"),
    "y": np.array([[1.0, 2.0, -0.5], [0.5, 4.0, -1.0]], dtype="float32"),
    "m": np.arange(9.0, dtype="float32").reshape(3, 3) - 3,
    "i": np.array([2, 0, 1]),
    "p": np.array([[1.0, 0.0], [0.0, 1.0]], dtype="float32"),  # drawn from, they are what they were
}
ROWS = [*METHODS.items(), *FUNCTIONS.items()]
# What is compared where the values differ each time.
COMPARED = {
    "rand": np.shape, "randn": np.shape, "rand_like": np.shape, "randn_like": np.shape, "normal_": np.shape,
    "uniform_": np.shape, "multinomial": np.shape, "new_empty": np.shape, "randperm": np.sort,
    "data_ptr": bool,
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize(("name", "ways"), ROWS, ids=[name for name, _ in ROWS])
def test_both_ways_give_the_same(name: str, ways: tuple[str, str]) -> None:
    theirs = _value(ways[0], written(ways[1]), {"torch": torch()} | {k: torch().tensor(a) for k, a in ARRAYS.items()})
    ours = _value(ways[1], written(ways[1]), {"fl": fl} | {k: fl.tensor(a) for k, a in ARRAYS.items()})
    if isinstance(ours, fl.Tensor):
        assert str(theirs.dtype).removeprefix("torch.") == ours.dtype.name
    compared = COMPARED.get(name, _array)
    np.testing.assert_allclose(compared(ours), compared(theirs), rtol=1e-6)


def written(way: str) -> str | None:
    """The tensor that a statement such as "x += 1" writes into; None for what gives a value."""
    found = re.match(r"([a-z])(\[.*\])? \S?= ", way)
    return found and found[1]


def _value(way: str, target: str | None, names: dict[str, Any]) -> Any:
    if target is None:
        return eval(way, names)
    before = names[target]
    exec(way, names)
    assert names[target] is before
    return before


def _array(value: Any) -> np.ndarray:
    if "bfloat16" in str(getattr(value, "dtype", "")):
        value = value.float() if hasattr(value, "float") else value.astype(fl.float32)
    return np.asarray(value, dtype="float64")


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_is_named_otherwise_says_how(name: str) -> None:
    x = fl.ones((2, 3))
    assert not hasattr(x, name)
    assert name not in dir(x)
    with pytest.raises(AttributeError) as caught:
        getattr(x, name)
    assert METHODS[name][1] in str(caught.value)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_is_named_otherwise_says_how(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(fl, name)
    assert FUNCTIONS[name][1] in str(caught.value)


@pytest.mark.parametrize("name", PLACES)
def test_a_name_that_programs_lead_with_says_what_stands_in_its_place(name: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(PLACES[name])):
        getattr(fl, name)
    for path in re.findall(r"fl\.([a-z_.0-9]*[a-z0-9])", PLACES[name]):
        assert functools.reduce(getattr, path.split("."), fl) is not None


def test_axes_that_are_not_neighbours_are_swapped_by_permute_dims() -> None:
    x = fl.reshape(fl.arange(24), (2, 3, 4))
    with pytest.raises(AttributeError, match=r"is x.permute_dims\(1, 0\) here"):
        x.transpose(0, 2)
    assert x.permute_dims(2, 1, 0).shape == (4, 3, 2)


def test_names_of_our_own_are_not_taken_for_pytorchs() -> None:
    assert not set(METHODS) & set(fl._core.public_ops)
    assert not (set(FUNCTIONS) | set(PLACES)) & set(vars(fl))
    assert not set(FUNCTIONS) & set(PLACES)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        fl.nonsense
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fl.ones(1).nonsense


def test_pytorchs_keywords_are_told_apart() -> None:
    with pytest.raises(TypeError, match="mean: there is no argument 'dim'; it is named axis here"):
        fl.mean(fl.ones((2, 3)), dim=1)
    with pytest.raises(TypeError, match="no argument 'keepdim'; it is named keepdims"):
        fl.ones((2, 3)).sum(axis=0, keepdim=True)


def test_the_page_shows_the_table() -> None:
    assert markdown() in (Path(__file__).parents[2] / "docs" / "from-pytorch.md").read_text()
