"""Activations, losses and distances: values and gradients as PyTorch's, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn import functional

from tests.framework.beside_torch import same, torch

RANDOM = np.random.default_rng(11)
X, Y, Z = RANDOM.normal(size=(3, 4, 6))
WIDE = np.concatenate([X.ravel() * 3, [0.0, 1e-9, -1e-9, 30.0, -30.0, 100.0, -100.0, 2.5, 7.0]])
POSITIVE = np.abs(X) + 0.1
UNIT = RANDOM.uniform(0.02, 0.98, size=(4, 6))
YES = (RANDOM.uniform(size=(4, 6)) > 0.5).astype(float)
SIGNS = np.where(RANDOM.uniform(size=(4, 6)) > 0.5, 1.0, -1.0)
CLASSES = np.array([0, 5, 2, 2])
MANY = RANDOM.normal(size=(2, 5, 3, 2))
MANY_CLASSES = np.array([[[1, 0], [4, -100], [2, 2]], [[3, 3], [0, 1], [-100, 2]]])
SHARES = RANDOM.dirichlet(np.ones(6), size=4)
WEIGHT = np.array([0.5, 1.0, 2.0, 0.1, 3.0, 1.0])
ROW_SIGNS = np.array([1.0, -1.0, 1.0, -1.0])
REDUCTIONS = ("none", "mean", "sum")

ACTIVATIONS = [
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "celu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "sigmoid",
    "logsigmoid",
    "tanh",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "hardshrink",
    "softshrink",
    "tanhshrink",
    "rrelu",
]

# PyTorch keeps 1 / 6 and 1 / alpha in float32.
ROUGH = {"hardsigmoid": 1e-7, "celu alpha": 1e-6}

# name: (call with functional and arrays, arrays)
CALLS: dict[str, tuple[Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "elu alpha": (lambda f, x: f.elu(x, 0.3), (WIDE,)),
    "celu alpha": (lambda f, x: f.celu(x, 0.3), (WIDE,)),
    "softplus beta": (lambda f, x: f.softplus(x, beta=2.0, threshold=5.0), (WIDE,)),
    "threshold": (lambda f, x: f.threshold(x, 0.1, 20.0), (WIDE,)),
    "glu": (lambda f, x: f.glu(x), (X,)),
    "glu first": (lambda f, x: f.glu(x, dim=0), (X,)),
    "softmin": (lambda f, x: f.softmin(x, dim=0), (X,)),
    "prelu one": (lambda f, x, w: f.prelu(x, w), (X, np.array([0.3]))),
    "prelu channels": (lambda f, x, w: f.prelu(x, w), (MANY, np.linspace(0.1, 0.5, 5))),
    "normalize": (lambda f, x: f.normalize(x, p=3.0, dim=1), (X,)),
    "cosine_similarity": (lambda f, x, y: f.cosine_similarity(x, y, dim=0), (X, Y)),
    "pairwise_distance": (lambda f, x, y: f.pairwise_distance(x, y, p=1.0, keepdim=True), (X, Y)),
    "pairwise_distance 2": (lambda f, x, y: f.pairwise_distance(x, y), (X, Y)),
    "bilinear": (lambda f, *x: f.bilinear(*x), (X, Y, RANDOM.normal(size=(3, 6, 6)), RANDOM.normal(size=3))),
    "kl batchmean": (lambda f, x, y: f.kl_div(x, y, reduction="batchmean"), (X, SHARES)),
    "kl log": (lambda f, x, y: f.kl_div(x, y, reduction="sum", log_target=True), (X, Y)),
}
for reduction in REDUCTIONS:
    CALLS |= {
        f"{name} {reduction}": (lambda f, *x, r=reduction, call=call: call(f, r, *x), arrays)
        for name, (call, arrays) in {
            "cross weights": (
                lambda f, r, x, y, w: f.cross_entropy(x, y, w.detach(), reduction=r, ignore_index=2),
                (X, CLASSES, WEIGHT),
            ),
            "cross weights smooth": (
                lambda f, r, x, y, w: f.cross_entropy(x, y, w.detach(), reduction=r, label_smoothing=0.2),
                (X, CLASSES, WEIGHT),
            ),
            "cross shares": (lambda f, r, x, y: f.cross_entropy(x, y, reduction=r, label_smoothing=0.1), (X, SHARES)),
            "cross shares weights": (lambda f, r, x, y, w: f.cross_entropy(x, y, w, reduction=r), (X, SHARES, WEIGHT)),
            "cross places": (
                lambda f, r, x, y: f.cross_entropy(x, y, reduction=r, label_smoothing=0.1),
                (MANY, MANY_CLASSES),
            ),
            "cross places weights": (
                lambda f, r, x, y, w: f.cross_entropy(x, y, w.detach()[:5], reduction=r, label_smoothing=0.1),
                (MANY, MANY_CLASSES, WEIGHT),
            ),
            "nll": (lambda f, r, x, y: f.nll_loss(x, y, reduction=r), (X, CLASSES)),
            "nll places": (
                lambda f, r, x, y, w: f.nll_loss(x, y, w.detach()[:5], reduction=r),
                (MANY, MANY_CLASSES, WEIGHT),
            ),
            "mse": (lambda f, r, x, y: f.mse_loss(x, y, reduction=r), (X, Y)),
            "l1": (lambda f, r, x, y: f.l1_loss(x, y, reduction=r), (X, Y)),
            "smooth l1": (lambda f, r, x, y: f.smooth_l1_loss(x, y, reduction=r, beta=0.7), (X, Y)),
            "huber": (lambda f, r, x, y: f.huber_loss(x, y, reduction=r, delta=0.7), (X, Y)),
            "kl": (lambda f, r, x, y: f.kl_div(x, y, reduction=r), (X, SHARES)),
            "bce": (lambda f, r, x, y, w: f.binary_cross_entropy(x, y, w.detach(), reduction=r), (UNIT, YES, POSITIVE)),
            "bce logits": (
                lambda f, r, x, y, w: f.binary_cross_entropy_with_logits(x, y, w.detach(), reduction=r),
                (X * 20, YES, POSITIVE),
            ),
            "bce logits ones": (
                lambda f, r, x, y, w: f.binary_cross_entropy_with_logits(x, y, pos_weight=w.detach(), reduction=r),
                (X, YES, WEIGHT),
            ),
            "soft margin": (lambda f, r, x, y: f.soft_margin_loss(x, y.detach(), reduction=r), (X, SIGNS)),
            "multilabel": (
                lambda f, r, x, y, w: f.multilabel_soft_margin_loss(x, y, w.detach(), reduction=r),
                (X, YES, WEIGHT),
            ),
            "multi margin": (
                lambda f, r, x, y, w: f.multi_margin_loss(x, y, p=2, weight=w.detach(), reduction=r),
                (X, CLASSES, WEIGHT),
            ),
            "hinge": (lambda f, r, x, y: f.hinge_embedding_loss(x, y, margin=0.5, reduction=r), (X, SIGNS)),
            "ranking": (
                lambda f, r, x, y, s: f.margin_ranking_loss(x, y, s.detach(), margin=0.5, reduction=r),
                (X, Y, SIGNS),
            ),
            "cosine": (
                lambda f, r, x, y, s: f.cosine_embedding_loss(x, y, s.detach(), margin=0.1, reduction=r),
                (X, Y, ROW_SIGNS),
            ),
            "triplet": (
                lambda f, r, x, y, z: f.triplet_margin_loss(x, y, z, swap=True, margin=2.0, reduction=r),
                (X, Y, Z),
            ),
            "poisson": (lambda f, r, x, y: f.poisson_nll_loss(x, y, full=True, reduction=r), (X, POSITIVE * 2)),
            "poisson plain": (
                lambda f, r, x, y: f.poisson_nll_loss(x, y, log_input=False, reduction=r),
                (POSITIVE, POSITIVE),
            ),
            "gaussian": (
                lambda f, r, x, y, v: f.gaussian_nll_loss(x, y, v, full=True, reduction=r),
                (X, Y, POSITIVE * UNIT),
            ),
        }.items()
    }


@pytest.mark.torch
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_and_their_gradients_are_pytorchs(name: str) -> None:
    theirs = getattr(torch().nn.functional, name)
    same(getattr(functional, name), theirs, WIDE, rtol=ROUGH.get(name, 1e-10))


@pytest.mark.torch
@pytest.mark.parametrize("name", [*ACTIVATIONS, "threshold"])
def test_activations_keep_nan_as_pytorchs_do(name: str) -> None:
    options = {"threshold": 0.5, "value": -2.0} if name == "threshold" else {}
    x = np.array([np.nan, 2.0, -2.0, np.inf, -np.nan, *[0.1] * 35])
    expected = getattr(torch().nn.functional, name)(torch().tensor(x), **options).numpy()
    assert np.isnan(expected[[0, 4]]).all()
    np.testing.assert_allclose(
        getattr(functional, name)(fl.tensor(x), **options).numpy(), expected, rtol=ROUGH.get(name, 1e-10)
    )


@pytest.mark.parametrize(
    "call",
    [functional.softshrink, functional.hardshrink, functional.hardtanh, lambda x: functional.threshold(x, 0.5, -2.0)],
)
def test_the_gradient_of_nan_goes_through(call: Callable[[fl.Tensor], fl.Tensor]) -> None:
    # As PyTorch's for three numbers; its vectors give 0 for some of these.
    x = fl.tensor([np.nan, 0.9, 0.1], requires_grad=True)
    call(x)[0].backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("count", [1, 8, 17, 64, 70])
@pytest.mark.parametrize("name", ["elu", "celu", "selu", "hardswish"])
def test_the_slope_at_nan_is_nan_wherever_it_stands(name: str, count: int) -> None:
    # PyTorch 2.13 gives NaN for whole vectors and 1 for what is left over.
    slope = fl.grad(lambda x: fl.sum(getattr(functional, name)(x)))(fl.full(count, np.nan))
    assert np.isnan(slope.numpy()).all()


@pytest.mark.parametrize(("call", "limits"), [
    (functional.gelu, (1, 0)), (functional.mish, (1, 0)), (functional.elu, (1, 0)),
    (fl.abs, (1, -1)), (fl.tanh, (0, 0)),
])  # fmt: skip
def test_the_slope_at_infinity_is_its_limit(call: Callable[[fl.Tensor], fl.Tensor], limits: tuple[int, int]) -> None:
    x = fl.tensor([np.inf, -np.inf] * 20)
    assert fl.grad(lambda x: fl.sum(call(x)))(x).tolist() == [*limits] * 20


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # PyTorch's advice about kl_div
@pytest.mark.parametrize("name", CALLS)
def test_functions_and_their_gradients_are_pytorchs(name: str) -> None:
    call, arrays = CALLS[name]
    theirs = torch().nn.functional
    same(lambda *x: call(functional, *x), lambda *x: call(theirs, *x), *arrays, rtol=ROUGH.get(name, 1e-10))


@pytest.mark.torch
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("blank", [0, 3])
def test_ctc_is_pytorchs(reduction: str, blank: int) -> None:
    module = torch()
    random = np.random.default_rng(0)
    logits = random.normal(size=(9, 3, 5))
    targets = np.array([[1, 1, 2, 4], [2, 4, 1, 1], [4, 1, 1, 1]])
    given = ([9, 7, 5], [4, 2, 0])
    for labels in (targets, np.concatenate([targets[0], targets[1, :2]])):
        same(
            lambda x, t=labels: functional.ctc_loss(
                functional.log_softmax(x, dim=-1), fl.tensor(t), *given, blank=blank, reduction=reduction
            ),
            lambda x, t=labels: module.nn.functional.ctc_loss(
                module.log_softmax(x, dim=-1),
                module.tensor(t),
                *map(module.tensor, given),
                blank=blank,
                reduction=reduction,
            ),
            logits,
        )


def test_a_target_that_does_not_fit_into_its_time_costs_everything_or_nothing() -> None:
    log_probs = functional.log_softmax(fl.zeros((2, 1, 3)), dim=-1)
    given = (log_probs, fl.tensor([[1, 1]]), [2], [2])  # needs a blank between the two
    assert functional.ctc_loss(*given).item() == float("inf")
    assert functional.ctc_loss(*given, zero_infinity=True).item() == 0.0


@pytest.mark.torch
@pytest.mark.parametrize(
    "name",
    [
        "ReLU6",
        "LeakyReLU",
        "PReLU",
        "ELU",
        "CELU",
        "SELU",
        "SiLU",
        "Mish",
        "Softplus",
        "Softsign",
        "LogSigmoid",
        "Hardtanh",
        "Hardsigmoid",
        "Hardswish",
        "Hardshrink",
        "Softshrink",
        "Tanhshrink",
        "GLU",
        "Softmax2d",
    ],
)
def test_activation_layers_have_pytorchs_defaults(name: str) -> None:
    theirs = getattr(torch().nn, name)().double()
    ours = getattr(nn, name)().double()
    same(ours, theirs, MANY, rtol=ROUGH.get(name.lower(), 1e-10))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "options", "arrays"),
    [
        ("CrossEntropyLoss", {"label_smoothing": 0.1}, (X, CLASSES)),
        ("NLLLoss", {}, (X, CLASSES)),
        ("L1Loss", {}, (X, Y)),
        ("SmoothL1Loss", {"beta": 0.5}, (X, Y)),
        ("HuberLoss", {"delta": 0.5}, (X, Y)),
        ("KLDivLoss", {"reduction": "batchmean"}, (X, SHARES)),
        ("BCELoss", {}, (UNIT, YES)),
        ("BCEWithLogitsLoss", {}, (X, YES)),
        ("SoftMarginLoss", {}, (X, SIGNS.astype("int64"))),
        ("MultiLabelSoftMarginLoss", {}, (X, YES)),
        ("MultiMarginLoss", {}, (X, CLASSES)),
        ("HingeEmbeddingLoss", {}, (X, SIGNS)),
        ("MarginRankingLoss", {"margin": 0.1}, (X, Y, SIGNS.astype("int64"))),
        ("CosineEmbeddingLoss", {}, (X, Y, ROW_SIGNS.astype("int64"))),
        ("TripletMarginLoss", {"p": 1.0}, (X, Y, Z)),
        ("TripletMarginWithDistanceLoss", {}, (X, Y, Z)),
        ("PoissonNLLLoss", {}, (X, POSITIVE)),
        ("GaussianNLLLoss", {}, (X, Y, POSITIVE)),
        ("CosineSimilarity", {}, (X, Y)),
        ("PairwiseDistance", {}, (X, Y)),
    ],
)
def test_loss_layers_have_pytorchs_defaults(name: str, options: dict[str, Any], arrays: tuple[np.ndarray, ...]) -> None:
    same(getattr(nn, name)(**options), getattr(torch().nn, name)(**options), *arrays)


def test_weights_of_a_loss_are_buffers_that_move_with_it() -> None:
    loss = nn.BCEWithLogitsLoss(pos_weight=fl.tensor([2.0, 3.0]))
    assert loss.double().pos_weight.dtype == fl.float64
    assert list(loss.state_dict()) == ["pos_weight"]


def test_small_results_keep_their_digits() -> None:
    x = fl.tensor([-40.0, -1e-12], dtype=fl.float64)
    np.testing.assert_allclose(functional.softplus(x)[:1].tolist(), [np.log1p(np.exp(-40.0))], rtol=1e-14)
    np.testing.assert_allclose(functional.logsigmoid(-x)[:1].tolist(), [-np.log1p(np.exp(-40.0))], rtol=1e-14)
    np.testing.assert_allclose(functional.elu(x).tolist(), np.expm1([-40.0, -1e-12]), rtol=1e-14)


def test_a_probability_that_cannot_be_wrong_costs_a_hundred_if_it_is() -> None:
    x = fl.tensor([1.0, 0.0, 1.0], requires_grad=True)
    losses = functional.binary_cross_entropy(x, fl.tensor([1.0, 1.0, 0.0]), reduction="none")
    assert losses.tolist() == [0.0, 100.0, 100.0]
    losses.sum().backward()
    assert x.grad is not None
    assert bool(fl.all(fl.isfinite(x.grad)))


def test_a_distance_from_itself_has_a_gradient() -> None:
    x = fl.tensor([[1.0, 2.0]], requires_grad=True)
    functional.pairwise_distance(x, x.detach(), eps=0.0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 0.0]]


def test_a_random_choice_is_a_choice_with_the_gradient_of_probabilities() -> None:
    fl.manual_seed(0)
    logits = fl.tensor(np.log(np.tile([0.7, 0.2, 0.1], (4000, 1))), requires_grad=True)
    chosen = functional.gumbel_softmax(logits, tau=0.5, hard=True)
    assert set(np.unique(chosen.detach().numpy().round(12))) == {0.0, 1.0}
    np.testing.assert_allclose(chosen.detach().numpy().mean(axis=0), [0.7, 0.2, 0.1], atol=0.03)
    chosen[:, 0].sum().backward()
    assert logits.grad is not None
    assert float(fl.max(fl.abs(logits.grad)).item()) > 0.01


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: functional.mse_loss(fl.zeros((3, 1)), fl.zeros(3)), r"input is \(3, 1\), target is \(3,\)"),
        (lambda: functional.l1_loss(fl.zeros(3), fl.zeros(3), weight=fl.ones(2)), r"input is \(3,\), weight is \(2,\)"),
        (lambda: functional.nll_loss(fl.zeros((2, 3)), fl.tensor([0, -2])), "nll_loss: target -2 at .* from 0 to 2"),
        (lambda: functional.multi_margin_loss(fl.zeros((1, 3)), fl.tensor([7])), "multi_margin_loss: target 7 is out"),
        (lambda: functional.nll_loss(fl.zeros((2, 3)), fl.tensor([0, -1])), "not a class"),
        (lambda: functional.nll_loss(fl.zeros((2, 3)), fl.tensor([0, 3])), "not a class"),
        (lambda: functional.nll_loss(fl.zeros((2, 3)), fl.tensor([0, 1, 2])), r"must be \(2,\)"),
        (lambda: functional.cross_entropy(fl.zeros((2, 3)), fl.tensor([0, 1]), fl.ones(2)), "one for each class"),
        (
            lambda: functional.cross_entropy(fl.zeros((2, 3)), fl.tensor([0, 3]), fl.ones(3)),
            "^cross_entropy: target 3 is out",
        ),
        (
            lambda: functional.scaled_dot_product_attention(*[fl.zeros((1, 4, 8))] * 3, fl.zeros((5, 5))),
            r"^scaled_dot_product_attention: attn_mask is \(5, 5\)",
        ),
        (lambda: functional.cross_entropy(fl.zeros((2, 3)), fl.zeros((2, 3)), label_smoothing=2.0), "between 0 and 1"),
        (lambda: functional.huber_loss(fl.zeros(2), fl.zeros(2), delta=0.0), "must be positive"),
        (lambda: functional.smooth_l1_loss(fl.zeros(2), fl.zeros(2), beta=-1.0), "cannot be negative"),
        (lambda: functional.l1_loss(fl.zeros(2), fl.zeros(2), reduction="avg"), "reduction is 'avg'"),
        (lambda: functional.glu(fl.zeros(3)), "has no halves"),
        (lambda: functional.glu(fl.zeros(4), dim=1), "out of range"),
        (lambda: functional.prelu(fl.zeros((2, 3)), fl.zeros(2)), "one for each channel"),
        (lambda: functional.celu(fl.zeros(2), alpha=0.0), "divided by it"),
        (lambda: functional.hardtanh(fl.zeros(2), 1.0, -1.0), "above max_val"),
        (lambda: functional.softshrink(fl.zeros(2), -1.0), "cannot be negative"),
        (lambda: functional.one_hot(fl.tensor([3]), 3), "from 0 to 2"),
        (lambda: functional.one_hot(fl.tensor([1.0])), "integers"),
        (lambda: functional.bilinear(fl.zeros(2), fl.zeros(3), fl.zeros((1, 3, 3))), r"must be \(out, 2, 3\)"),
        (lambda: functional.multi_margin_loss(fl.zeros((1, 2)), fl.tensor([0]), p=3), "it is 1 or 2"),
        (lambda: functional.normalize(fl.zeros((1, 2)), p=-1.0), "must be positive"),
        (lambda: functional.ctc_loss(fl.zeros((4, 1, 3)), fl.tensor([[0]]), [4], [1]), "must be another class"),
        (lambda: functional.ctc_loss(fl.zeros((4, 1, 3)), fl.tensor([[1]]), [5], [1]), "at most 4 steps"),
        (lambda: functional.ctc_loss(fl.zeros((4, 1, 3)), fl.tensor([1]), [4], [2]), "need 2 targets"),
        (lambda: nn.Softmax2d()(fl.zeros((2, 2))), r"it must be \(n, c, h, w\)"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises((ValueError, IndexError, TypeError), match=message):
        wrong()


@pytest.mark.parametrize(
    "name", ["elu", "selu", "celu", "softplus", "logsigmoid", "silu", "mish", "hardswish", "hardsigmoid"]
)
def test_an_activation_of_float32_keeps_its_digits_in_both_tails(name: str) -> None:
    small = np.exp(np.linspace(-60, 4, 500))
    x = np.concatenate([np.linspace(-90, 90, 4001), small, -small]).astype(np.float32)
    exact = getattr(functional, name)(fl.tensor(x.astype(np.float64)))
    rounded = np.asarray(exact).astype(np.float32)
    actual = np.asarray(getattr(functional, name)(fl.tensor(x)))
    assert (np.abs(actual - rounded) <= 4 * np.spacing(np.maximum(np.abs(rounded), np.float32(1e-35)))).all()
    leaf, wide = fl.tensor(x, requires_grad=True), fl.tensor(x.astype(np.float64), requires_grad=True)
    fl.sum(getattr(functional, name)(leaf)).backward()
    fl.sum(getattr(functional, name)(wide)).backward()
    assert (np.abs(np.asarray(leaf.grad) - np.asarray(wide.grad)) <= 8 * np.finfo(np.float32).eps).all()


def test_celu_of_a_negative_alpha_grows_beyond_all_bounds() -> None:
    x = np.array([-200.0, -95.0, -60.0, -3.0, -0.1, 0.0, 2.0], np.float32)
    leaf, theirs = fl.tensor(x, requires_grad=True), torch().tensor(x, requires_grad=True)
    result, expected = functional.celu(leaf, -1.0), torch().nn.functional.celu(theirs, -1.0)
    np.testing.assert_allclose(np.asarray(result.detach()), expected.detach().numpy(), rtol=1e-6)
    fl.sum(result).backward()
    expected.sum().backward()
    assert leaf.grad is not None
    np.testing.assert_allclose(np.asarray(leaf.grad), theirs.grad.numpy(), rtol=1e-6)


@pytest.mark.parametrize("dtype", [fl.float16, fl.bfloat16], ids=str)
def test_norms_of_halves_beside_wide_parameters_stay_halves_as_in_pytorch(dtype):
    fl.manual_seed(0)
    x, weight, bias = fl.random.normal((4, 6, 6)), fl.random.uniform(6), fl.random.uniform(6)
    half, mean, variance = x.astype(dtype), fl.zeros(6), fl.ones(6)
    for name, call in {
        "batch_norm": lambda x: functional.batch_norm(x, mean, variance, weight, bias, training=True),
        "eval": lambda x: functional.batch_norm(x, mean, variance, weight, bias),
        "group_norm": lambda x: functional.group_norm(x, 2, weight, bias),
        "instance_norm": lambda x: functional.instance_norm(x, weight=weight, bias=bias),
        "layer_norm": lambda x: functional.layer_norm(x, (6,), weight, bias),
        "rms_norm": lambda x: functional.rms_norm(x, (6,), weight, 1e-5),
    }.items():
        result = call(half)
        assert result.dtype == dtype, name
        wide = call(half.astype(fl.float32)).astype(dtype)
        assert float(fl.max(fl.abs(result.astype(fl.float32) - wide.astype(fl.float32)))) <= 0.02, name


def test_binary_cross_entropy_refuses_each_input_out_of_range_and_keeps_a_target_of_nan():
    for bad in (-0.25, 1.5, float("nan"), float("inf")):
        for reduction in ("mean", "sum", "none"):
            with pytest.raises(ValueError, match="probabilities, from 0 to 1"):
                functional.binary_cross_entropy(fl.tensor([0.5, bad]), fl.tensor([1.0, 0.0]), reduction=reduction)
    loss = functional.binary_cross_entropy(fl.tensor([0.0, 1.0, 0.5]), fl.tensor([1.0, 0.0, 0.5]), reduction="none")
    assert loss.tolist() == pytest.approx([100.0, 100.0, 0.693147], rel=1e-5)
    assert fl.isnan(functional.binary_cross_entropy(fl.tensor([0.5]), fl.tensor([float("nan")])))
