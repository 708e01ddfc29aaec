"""fl.linalg against NumPy and SciPy, its gradients against differences and PyTorch, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys

import flambeau as fl
import numpy as np
import pytest
import scipy.linalg
from flambeau.testing import gradcheck, gradgradcheck

linalg = fl.linalg
RANDOM = np.random.default_rng(7)
SQUARE = RANDOM.standard_normal((3, 4, 4)) + 3 * np.eye(4)
DEFINITE = SQUARE @ np.swapaxes(SQUARE, -1, -2)
TALL, WIDE = RANDOM.standard_normal((2, 5, 3)), RANDOM.standard_normal((2, 3, 5))


def close(ours, theirs, rtol=1e-9):
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=rtol, atol=1e-10)


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "eigvalsh", "svdvals", "matrix_norm", "trace", "diagonal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_of_a_definite_matrix_agree_with_numpy(name, dtype):
    x = DEFINITE.astype(dtype)
    expected = getattr(np.linalg, name)(DEFINITE)
    near = 1e-9 if dtype == "float64" else 1e-2
    np.testing.assert_allclose(getattr(linalg, name)(fl.asarray(x)).numpy(), expected, rtol=near)


MATRICES = [SQUARE, TALL, WIDE, SQUARE[0], np.zeros((0, 3)), np.zeros((3, 0))]


@pytest.mark.parametrize("x", MATRICES, ids=lambda x: str(x.shape))
def test_factors_multiply_to_the_matrix(x):
    t = fl.asarray(x)
    for mode in ("reduced", "complete"):
        q, r = linalg.qr(t, mode=mode)
        theirs = np.linalg.qr(x, mode=mode)
        assert (q.shape, r.shape) == (theirs.Q.shape, theirs.R.shape)
        close(q @ r, x)
        close(q.mT @ q, np.broadcast_to(np.eye(q.shape[-1]), (*x.shape[:-2], q.shape[-1], q.shape[-1])))
        close(fl.tril(r, k=-1), np.zeros(r.shape))
    for full in (False, True):
        u, s, vh = linalg.svd(t, full_matrices=full)
        shapes = np.linalg.svd(x, full_matrices=full)
        assert (u.shape, s.shape, vh.shape) == (shapes.U.shape, shapes.S.shape, shapes.Vh.shape)
        k = s.shape[-1]
        close((u[..., :, :k] * s[..., None, :]) @ vh[..., :k, :], x)
        close(s, shapes.S)
        close(vh @ vh.mT, np.broadcast_to(np.eye(vh.shape[-2]), (*x.shape[:-2], vh.shape[-2], vh.shape[-2])))


def test_eigenvectors_are_turned_so_that_their_largest_element_is_positive():
    w, v = linalg.eigh(fl.asarray(DEFINITE))
    close((v * w[..., None, :]) @ v.mT, DEFINITE)
    largest = np.take_along_axis(v.numpy(), np.abs(v.numpy()).argmax(axis=-2)[:, None], axis=-2)
    assert (largest > 0).all()
    on_reference = linalg.eigh(fl.asarray(DEFINITE).to("reference")).eigenvectors
    close(on_reference.to("cpu"), v.numpy(), rtol=1e-8)


EQUATION_SHAPES = [((4, 4), (4,)), ((4, 4), (4, 2)), ((3, 4, 4), (4, 2)), ((2, 1, 4, 4), (3, 4, 1)), ((0, 0), (0, 2))]


@pytest.mark.parametrize(("a", "b"), EQUATION_SHAPES)
def test_equations_are_solved_for_vectors_matrices_and_batches(a, b):
    x1 = RANDOM.standard_normal(a) + 3 * np.eye(a[-1])
    x2 = RANDOM.standard_normal(b)
    close(linalg.solve(fl.asarray(x1), fl.asarray(x2)), np.linalg.solve(x1, x2))


def test_a_matrix_read_through_strides_is_the_same_matrix():
    wide = RANDOM.standard_normal((8, 8)) + 5 * np.eye(8)
    t = fl.asarray(wide)[::-2, ::-2].mT
    close(linalg.inv(t), np.linalg.inv(wide[::-2, ::-2].T))


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_of_matrices_agree_with_numpy(ord):
    close(linalg.matrix_norm(fl.asarray(TALL), ord=ord), np.linalg.matrix_norm(TALL, ord=ord))
    kept = linalg.matrix_norm(fl.asarray(TALL), ord=ord, keepdims=True)
    assert kept.shape == (2, 1, 1)


@pytest.mark.parametrize("ord", [0, 1, 2, 3, 0.5, -1, -2, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [None, 0, (0, 2), -1])
def test_norms_of_vectors_agree_with_numpy(ord, axis):
    close(linalg.vector_norm(fl.asarray(TALL), ord=ord, axis=axis), np.linalg.vector_norm(TALL, ord=ord, axis=axis))


def test_a_length_neither_overflows_nor_has_a_gradient_of_nan_at_zero():
    assert linalg.vector_norm(fl.tensor([3e30, 4e30])).item() == pytest.approx(5e30)
    assert linalg.vector_norm(fl.tensor([float("inf"), 1.0])).item() == float("inf")
    assert np.isnan(linalg.vector_norm(fl.tensor([float("nan"), 1.0])).item())
    x = fl.zeros(3).requires_grad_()
    linalg.vector_norm(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_products_and_parts_agree_with_numpy():
    a, b = RANDOM.standard_normal((2, 3)), RANDOM.standard_normal((4, 2, 3))
    close(linalg.cross(fl.asarray(a), fl.asarray(b)), np.cross(a, b))
    close(linalg.outer(fl.asarray(a[0]), fl.asarray(b[0, 0])), np.outer(a[0], b[0, 0]))
    for offset in (-4, -2, -1, 0, 1, 4, 5):
        close(linalg.diagonal(fl.asarray(TALL), offset=offset), np.linalg.diagonal(TALL, offset=offset))
        close(linalg.trace(fl.asarray(WIDE), offset=offset), np.linalg.trace(WIDE, offset=offset))
    for n in (-3, 0, 1, 2, 7):
        close(linalg.matrix_power(fl.asarray(SQUARE), n), np.linalg.matrix_power(SQUARE, n), rtol=1e-8)
    assert linalg.trace(fl.asarray(np.eye(3, dtype="int32"))).dtype == fl.int64


def test_the_pseudoinverse_and_the_rank_agree_with_numpy():
    low = TALL[0] @ np.diag([1.0, 2.0, 0.0]) @ RANDOM.standard_normal((3, 3))
    for x in (TALL, WIDE, low):
        close(linalg.pinv(fl.asarray(x)), np.linalg.pinv(x, rcond=max(x.shape[-2:]) * 2.0**-52), rtol=1e-7)
        assert np.array_equal(linalg.matrix_rank(fl.asarray(x)).numpy(), np.linalg.matrix_rank(x))
    assert linalg.matrix_rank(fl.asarray(TALL[0]), rtol=10.0).item() == 0


def test_singular_matrices_and_indefinite_ones_are_named():
    flat = fl.asarray(np.stack([np.eye(2), np.ones((2, 2))]))
    for device in ("cpu", "reference"):
        with pytest.raises(ValueError, match=r"^inv: matrix 1 of the batch is singular.*linalg\.pinv"):
            linalg.inv(flat.to(device))
        with pytest.raises(ValueError, match="matrix 0 of the batch is not positive definite: its leading 1 by 1 part"):
            linalg.cholesky(-flat.to(device))
        with pytest.raises(ValueError, match="matrix 0 of the batch holds NaN or an infinity"):
            linalg.svd(fl.asarray(np.full((2, 2), np.nan)).to(device))
    sign, log = linalg.slogdet(flat)
    assert (sign.tolist(), log.tolist()) == ([1.0, 0.0], [0.0, -float("inf")])
    assert linalg.det(flat).tolist() == [1.0, 0.0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(fl.ShapeError, match=r"last two dimensions, 2 and 3, must be equal"):
        linalg.inv(fl.ones((2, 3)))
    with pytest.raises(fl.ShapeError, match="at least two dimensions"):
        linalg.qr(fl.ones(3))
    with pytest.raises(fl.ShapeError, match="x2 needs 2 rows"):
        linalg.solve(fl.ones((2, 2)), fl.ones(3))
    with pytest.raises(fl.DTypeError, match=r"x is int64.*cast"):
        linalg.inv(fl.ones((2, 2), dtype=fl.int64))
    with pytest.raises(ValueError, match="mode is 'raw' and must be 'reduced' or 'complete'"):
        linalg.qr(fl.ones((2, 2)), mode="raw")
    with pytest.raises(ValueError, match="ord is 'max' and must be"):
        linalg.matrix_norm(fl.ones((2, 2)), ord="max")


GRADIENTS = {
    "cholesky": (lambda x: linalg.cholesky(x @ x.mT), SQUARE[0]),
    "upper": (lambda x: linalg.cholesky(x @ x.mT, upper=True), SQUARE[0]),
    "eigh": (lambda x: list(linalg.eigh(x)), SQUARE[1]),
    "svd": (lambda x: list(linalg.svd(x, full_matrices=False)), TALL[0]),
    "qr": (lambda x: list(linalg.qr(x)), WIDE[0]),
    "slogdet": (lambda x: list(linalg.slogdet(x)), SQUARE[0]),
    "pinv": (linalg.pinv, TALL[0]),
    "nuc": (lambda x: linalg.matrix_norm(x, ord="nuc"), TALL[0]),
    "power": (lambda x: linalg.matrix_power(x, -2), SQUARE[0]),
    "norm": (lambda x: linalg.vector_norm(x, ord=3, axis=0), TALL[0]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_agree_with_differences(name):
    function, x = GRADIENTS[name]
    gradcheck(function, [fl.asarray(x)], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["cholesky", "eigh", "slogdet", "pinv"])
def test_second_derivatives_agree_with_differences(name):
    function, x = GRADIENTS[name]
    gradgradcheck(function, [fl.asarray(x[:3, :3])], rtol=1e-4, atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["cholesky", "eigvalsh", "inv", "det", "svdvals", "pinv"])
def test_gradients_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    there = torch.tensor(DEFINITE, requires_grad=True)
    out = getattr(torch.linalg, name)(there)
    weights = RANDOM.standard_normal(out.shape)
    (out * torch.tensor(weights)).sum().backward()
    here = fl.tensor(DEFINITE, requires_grad=True)
    (getattr(linalg, name)(here) * fl.asarray(weights)).sum().backward()
    expected = there.grad.numpy()
    if name in ("cholesky", "eigvalsh"):
        expected = (expected + np.swapaxes(expected, -1, -2)) / 2
    np.testing.assert_allclose(here.grad.numpy(), expected, rtol=1e-7, atol=1e-9)


def test_matrix_functions_of_larger_matrices_agree_with_scipy():
    x = RANDOM.standard_normal((120, 120))
    lu, piv = scipy.linalg.lu_factor(x)
    b = RANDOM.standard_normal(120)
    close(linalg.solve(fl.asarray(x), fl.asarray(b)), scipy.linalg.lu_solve((lu, piv), b), rtol=1e-7)
    close(linalg.svdvals(fl.asarray(x)), scipy.linalg.svdvals(x))


def test_without_lapack_the_error_names_the_way_out():
    code = (
        "import flambeau as fl\n"
        "try: fl.linalg.inv(fl.ones((1, 1)))\n"
        "except fl.DeviceError as error: print(error)\n"
        "print(fl.linalg.inv(fl.full((1, 1), 2.0).to('reference')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FLAMBEAU_OPENBLAS": "off"},
    )
    assert "x.to('reference')" in done.stdout
    assert "tensor([[0.5]]" in done.stdout


# ---- products over named axes ----

EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)), ("ii->i", (3, 3)),
    ("ii", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("i,j->ij", (2,), (3,)), ("ij,ij->i", (2, 3), (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (1, 3, 4)), ("i...,j...->ij...", (2, 4), (3, 4)),
    ("ab,bc,cd->ad", (2, 3), (3, 4), (4, 5)),
    ("abc,cd,da,b->ad", (2, 3, 4), (4, 5), (5, 2), (3,)), ("iij->j", (3, 3, 2)), ("ij,j", (2, 3), (3,)), ("ba", (2, 3)),
    ("ijk,ilm->jl", (2, 3, 4), (2, 5, 6)), (",ij->ij", (), (2, 3)), ("ij,jk->ik", (2, 0), (0, 3)),
    ("ij,ij->", (2, 3), (1, 3)), ("ij,ij->j", (4, 3), (4, 3)), ("ij,ij->j", (1, 3), (4, 3)),
    ("ij,ji->j", (2, 3), (3, 2)), ("kij,jki->k", (2, 3, 4), (4, 2, 3)), ("ij,ij->j", (0, 3), (0, 3)),
]  # fmt: skip


@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
def test_einsum_agrees_with_numpy(case):
    equation, *shapes = case
    arrays = [RANDOM.standard_normal(shape) for shape in shapes]
    ours = fl.einsum(equation, *map(fl.asarray, arrays))
    theirs = np.einsum(equation, *arrays)
    assert ours.shape == theirs.shape
    close(ours, theirs)


def test_einsum_has_gradients_and_is_recorded():
    a, b = fl.asarray(RANDOM.standard_normal((2, 3))), fl.asarray(RANDOM.standard_normal((3, 3)))
    gradcheck(lambda x, y: fl.einsum("ij,jj->i", x, y), [a, b])
    gradcheck(lambda x, y: fl.einsum("ij,ij->j", x, y), [a, a + 1])
    graph = fl.record(lambda x, y: fl.einsum("ij,jk->ki", x, y), a, b)
    close(graph.run(a, b), np.einsum("ij,jk->ki", a.numpy(), b.numpy()))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_einsum_of_halves_adds_up_in_single_precision(dtype):
    x = fl.full((4096, 2), 1.0, dtype=dtype)  # sums of ones stop at 2048 in float16 and at 256 in bfloat16
    assert fl.einsum("ij,ij->j", x, x).tolist() == [4096.0, 4096.0]
    tiny = fl.full((4, 2), 2.0**-13, dtype=dtype)
    assert fl.einsum("ij,ij->j", tiny, tiny).tolist() == [2.0**-24] * 2  # products of 2^-26 are none in float16


def test_einsum_of_halves_and_integers_does_not_overflow_on_the_way():
    whole, half = fl.tensor([[300], [300], [-300], [-300]]), fl.full((4, 1), 300.0, dtype="float16")
    assert fl.einsum("ij,ij->j", whole, half).tolist() == fl.einsum("ij,ij->j", half, whole).tolist() == [0.0]


@pytest.mark.parametrize("equation", ["ij,ij->i", "ij,ij->j", "ij,ij->", "ij,jk->ik"])
def test_einsum_in_autocast_gives_halves_whatever_is_summed(equation):
    x = fl.ones((3, 3))
    with fl.autocast(dtype=fl.bfloat16):
        assert fl.einsum(equation, x, x).dtype == fl.bfloat16


def test_einsum_of_rows_and_columns_makes_no_table_of_all_products():
    row, column = fl.ones((1, 2000)), fl.ones((2000, 1))
    fl.einsum("ij,ij->j", row, column)
    fl.memory.reset_peak_memory_stats()
    before = fl.memory.memory_allocated()
    assert fl.einsum("ij,ij->j", row, column)[0].item() == 2000.0
    assert fl.memory.max_memory_allocated() - before < 1_000_000  # 16 MB of products


@pytest.mark.parametrize(("equation", "error", "words"), [
    ("ij,jk->ik", ValueError, "names 2 operands, but 1 were given"),
    ("ijk", ValueError, "does not fit an operand of shape"),
    ("i1", ValueError, "'1' in 'i1' is no letter"),
    ("ij->iz", ValueError, "may have each of the operands' letters once"),
    ("ii", ValueError, "is both 2 and 3 long"),
])  # fmt: skip
def test_einsum_says_what_is_wrong(equation, error, words):
    with pytest.raises(error, match=words):
        fl.einsum(equation, fl.ones((2, 3)))


@pytest.mark.parametrize("axes", [0, 1, 2, ([0], [1]), ([1, 0], [0, 1]), ([-1], [0])])
def test_tensordot_agrees_with_numpy(axes):
    a, b = RANDOM.standard_normal((3, 3)), RANDOM.standard_normal((3, 3))
    close(fl.tensordot(fl.asarray(a), fl.asarray(b), axes=axes), np.tensordot(a, b, axes=axes))


@pytest.mark.parametrize(("a", "b"), [((2,), (3,)), ((2, 3), (4, 5)), ((2,), (3, 4)), ((2, 1, 2), (3, 2))])
def test_kron_agrees_with_numpy(a, b):
    x, y = RANDOM.standard_normal(a), RANDOM.standard_normal(b)
    close(fl.kron(fl.asarray(x), fl.asarray(y)), np.kron(x, y))
