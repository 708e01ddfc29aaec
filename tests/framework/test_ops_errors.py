"""What a user reads when an op refuses its arguments."""

from __future__ import annotations

from collections.abc import Callable

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core


def ones(*shape: int, dtype: str = "float32") -> fl.Tensor:
    return fl.ones(shape, dtype=dtype)


def index(*values: int) -> fl.Tensor:
    return fl.tensor(list(values), dtype="int64")


def op(name: str, inputs: list[fl.Tensor], *attrs: object) -> Callable[[], object]:
    return lambda: _core.apply(name, inputs, list(attrs))


REFUSALS: list[tuple[Callable[[], object], type[Exception], str]] = [
    (
        lambda: fl.matmul(ones(16, 31), ones(32, 64)),
        fl.ShapeError,
        "matmul: a is (16, 31), b is (32, 64): a's last dimension 31 must equal b's first 32",
    ),
    (
        lambda: fl.matmul(ones(16, 31), ones(64, 31)),
        fl.ShapeError,
        "matmul: a is (16, 31), b is (64, 31): a's last dimension 31 must equal b's first 64; transpose b?",
    ),
    (
        lambda: fl.matmul(ones(2, 3, 4), ones(5, 4, 6)),
        fl.ShapeError,
        "matmul: a is (2, 3, 4), b is (5, 4, 6): the batch dimensions (2,) and (5,) must be equal or 1, counted from "
        "the right",
    ),
    (
        lambda: fl.matmul(ones(), ones(3)),
        fl.ShapeError,
        "matmul: a is (), b is (3,): each needs at least one dimension; multiply by a number with *",
    ),
    (
        op("linear", [ones(5, 4), ones(3, 5)]),
        fl.ShapeError,
        "linear: x is (5, 4), weight is (3, 5): x's last dimension must be 5, the weight's second",
    ),
    (
        op("linear", [ones(5, 4), ones(3, 4), ones(4)]),
        fl.ShapeError,
        "linear: bias is (4,), weight is (3, 4): bias must be (3,), one number for each output feature",
    ),
    (
        lambda: fl.mean(index(1, 2)),
        fl.DTypeError,
        "mean: x is int64 and a mean needs floats: cast it, for example to float32",
    ),
    (
        lambda: fl.max(ones(0, 3), axis=0),
        ValueError,
        "max: x is (0, 3), empty along axis (0,), where nothing is largest or smallest: give it at least one element",
    ),
    (
        lambda: fl.sum(ones(2), dtype="int64"),
        fl.DTypeError,
        "sum: x is float32 and dtype int64: a sum of floats is a float; cast x first to cut its fractions off",
    ),
    (
        lambda: fl.reshape(ones(3, 4), (5, -1)),
        fl.ShapeError,
        "reshape: x is (3, 4) with 12 elements, the new shape is (5, -1): -1 cannot be settled, the other sizes must "
        "divide the number of elements",
    ),
    (
        lambda: fl.reshape(ones(3, 4), (5, 2)),
        fl.ShapeError,
        "reshape: x is (3, 4) with 12 elements, the new shape is (5, 2): the number of elements must stay the same; -1 "
        "for one size lets it follow",
    ),
    (
        lambda: fl.permute_dims(ones(3, 4), (0,)),
        fl.ShapeError,
        "permute_dims: x is (3, 4), axes (0,): each of the 2 axes must come once",
    ),
    (
        lambda: fl.broadcast_to(ones(3, 4), (3, 5)),
        fl.ShapeError,
        "broadcast_to: x is (3, 4), the new shape (3, 5): counted from the right, a size must stay the same or grow "
        "from 1",
    ),
    (
        lambda: fl.squeeze(ones(3, 4), axis=0),
        ValueError,
        "squeeze: x is (3, 4), axis 0 is 3 long: only axes of length 1 can go",
    ),
    (
        lambda: fl.concat([ones(2, 3), ones(2, 4)], axis=0),
        fl.ShapeError,
        "concat: input 0 is (2, 3), input 1 is (2, 4): all sizes but that of axis 0 must be equal",
    ),
    (
        lambda: fl.stack([ones(2), ones(3)]),
        fl.ShapeError,
        "stack: input 0 is (2,), input 1 is (3,): they must be equal; concat() joins along an axis that is there",
    ),
    (
        lambda: fl.take(ones(3, 4), index(0, 3), axis=0),
        IndexError,
        "take: index 3 is out of range for axis 0, which is 3 long: indices go from -3 to 2",
    ),
    (
        lambda: fl.take(ones(3), ones(2), axis=0),
        fl.DTypeError,
        "take: indices are float32: they must be int32 or int64; cast them",
    ),
    (
        lambda: fl.take(ones(3, 4), index(0)),
        ValueError,
        "take: x is (3, 4): say which axis the indices are for, as in axis=0",
    ),
    (
        op("cross_entropy", [ones(2, 3), index(0, 3)], 1, -100, 0.0),
        IndexError,
        "cross_entropy: target 3 at row 1 is not a class: classes go from 0 to 2 (ignore_index is -100)",
    ),
    (
        op("cross_entropy", [ones(2, 3), index(0)], 1, -100, 0.0),
        fl.ShapeError,
        "cross_entropy: logits are (2, 3), target is (1,): target must be (2,), one class for each example",
    ),
    (
        op("cross_entropy", [ones(2, 3), index(0, 1)], 1, -100, 1.5),
        ValueError,
        "cross_entropy: label_smoothing is 1.5: it must be between 0 and 1",
    ),
    (
        op("randint", [], (3,), 5, 5, 0, 0, "int64"),
        ValueError,
        "randint: low is 5, high is 5: high must be larger",
    ),
    (
        op("sgd_step", [ones(2), ones(3)], 1, 0.1, 0.0, 0.0, 0.0, False, False, False),
        fl.ShapeError,
        "sgd_step: parameter 0 is (2,), its gradient or state is (3,): they must be equal",
    ),
]


@pytest.mark.parametrize(("call", "error", "sentence"), REFUSALS, ids=[text.split(",")[0] for *_, text in REFUSALS])
def test_a_refusal_names_what_came_what_was_needed_and_the_next_step(
    call: Callable[[], object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == sentence


@pytest.mark.parametrize("name", ["sqrt", "exp", "log", "tanh", "var", "std"])
def test_integers_are_refused_where_the_result_is_no_integer(name: str) -> None:
    with pytest.raises(fl.DTypeError, match=rf"^{name}: .*int64"):
        getattr(fl, name)(index(1, 2))


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_nothing_is_the_largest_of_nothing_even_where_nobody_asks(name: str) -> None:
    for shape in ((0, 0), (3, 0)):
        with pytest.raises(ValueError, match=rf"^{name}: x is \({shape[0]}, 0\), empty along axis \(1,\)"):
            getattr(fl, name)(fl.zeros(shape), axis=1)
        with pytest.raises(ValueError, match=r"zero-size|empty sequence"):
            getattr(np, name)(np.zeros(shape), axis=1)
    assert getattr(fl, name)(fl.zeros((0, 3)), axis=1).shape == (0,)
