"""How parameters begin: the distributions of nn.init, and of each layer beside PyTorch's."""

from __future__ import annotations

import math
from collections.abc import Callable

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn import init

from tests.framework.beside_torch import same_beginnings, torch

SHAPE = (60, 20, 3)  # 60 inputs and 180 outputs of each


@pytest.mark.parametrize(
    ("fill", "low", "high", "deviation"),
    [
        (lambda x: init.kaiming_uniform_(x), -math.sqrt(2) * math.sqrt(3 / 60), math.sqrt(2) * math.sqrt(3 / 60), None),
        (lambda x: init.kaiming_uniform_(x, math.sqrt(5)), -1 / math.sqrt(60), 1 / math.sqrt(60), None),
        (
            lambda x: init.kaiming_uniform_(x, mode="fan_out", nonlinearity="tanh"),
            -5 / 3 * math.sqrt(3 / 180),
            5 / 3 * math.sqrt(3 / 180),
            None,
        ),
        (lambda x: init.xavier_uniform_(x, 2.0), -2 * math.sqrt(6 / 240), 2 * math.sqrt(6 / 240), None),
        (lambda x: init.kaiming_normal_(x, nonlinearity="relu"), None, None, math.sqrt(2 / 60)),
        (lambda x: init.xavier_normal_(x), None, None, math.sqrt(2 / 240)),
        (lambda x: init.normal_(x, 0.0, 0.3), None, None, 0.3),
        (lambda x: init.trunc_normal_(x, 0.0, 1.0, -1.0, 1.0), -1.0, 1.0, 0.5396),
    ],
)
def test_distributions_are_where_they_should_be(
    fill: Callable[[fl.Tensor], fl.Tensor], low: float | None, high: float | None, deviation: float | None
) -> None:
    fl.manual_seed(5)
    x = fl.zeros(SHAPE, dtype=fl.float64)
    assert fill(x) is x
    values = x.numpy().ravel()
    wanted = deviation if deviation is not None else (high - low) / math.sqrt(12)  # type: ignore[operator]  # both given
    assert abs(values.std() / wanted - 1) < 0.05
    assert abs(values.mean()) < 5 * wanted / math.sqrt(values.size)
    if low is not None and high is not None:
        assert low <= values.min() < low + (high - low) * 0.01
        assert high - (high - low) * 0.01 < values.max() <= high
    assert len(np.unique(values)) > 3590  # all digits are drawn, not float32's


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (4, 2, 2)])
def test_orthogonal_rows_or_columns_are_perpendicular(shape: tuple[int, ...]) -> None:
    x = init.orthogonal_(fl.zeros(shape, dtype=fl.float64), gain=2.0).numpy().reshape(shape[0], -1)
    product = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_constants_identities_and_sparse_columns() -> None:
    assert init.constant_(fl.zeros(2), 3.0).tolist() == [3.0, 3.0]
    assert init.ones_(fl.zeros(2)).tolist() == [1.0, 1.0]
    assert init.eye_(fl.zeros((2, 3))).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert init.dirac_(fl.zeros((4, 1, 3)), groups=4).tolist() == [[[0.0, 1.0, 0.0]]] * 4
    fl.manual_seed(0)
    assert (init.sparse_(fl.zeros((10, 6)), 0.25).numpy() == 0).sum(axis=0).tolist() == [3] * 6


def test_a_generator_of_your_own_is_drawn_from() -> None:
    found = [init.normal_(fl.zeros(3), generator=fl.random.Generator().manual_seed(4)).tolist() for _ in range(2)]
    assert found[0] == found[1]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("linear", None),
        ("tanh", None),
        ("relu", None),
        ("selu", None),
        ("leaky_relu", None),
        ("leaky_relu", 0.3),
        ("conv_transpose2d", None),
    ],
)
def test_gains_are_pytorchs(name: str, slope: float | None) -> None:
    assert init.calculate_gain(name, slope) == pytest.approx(torch().nn.init.calculate_gain(name, slope))


@pytest.mark.torch
@pytest.mark.parametrize(("name", "arguments"), [("Linear", (300, 80)), ("Bilinear", (30, 20, 10)), ("PReLU", (4,))])
def test_layers_begin_as_pytorchs(name: str, arguments: tuple[int, ...]) -> None:
    same_beginnings(lambda: getattr(nn, name)(*arguments), lambda: getattr(torch().nn, name)(*arguments))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: init.calculate_gain("swish"), "is not known"),
        (lambda: init.kaiming_normal_(fl.zeros(3)), "no inputs and outputs"),
        (lambda: init.kaiming_normal_(fl.zeros((3, 3)), mode="in"), "mode is 'in'"),
        (lambda: init.trunc_normal_(fl.zeros(3), mean=10.0), "lies between -2.0 and 2.0"),
        (lambda: init.eye_(fl.zeros(3)), "must be a matrix"),
        (lambda: init.dirac_(fl.zeros((3, 3))), "convolution's weight"),
        (lambda: init.sparse_(fl.zeros(3), 0.5), "must be a matrix"),
        (lambda: init.orthogonal_(fl.zeros(3)), r"must be \(out, in, ...\)"),
    ],
)
def test_what_cannot_be_filled_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
