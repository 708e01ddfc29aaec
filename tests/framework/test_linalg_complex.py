"""fl.linalg of complex matrices, eigenvalues of any: values against NumPy, derivatives against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau.testing import gradcheck, gradgradcheck

Array = np.ndarray[Any, np.dtype[Any]]
linalg = fl.linalg
RANDOM = np.random.default_rng(11)


def complex_numbers(*shape: int) -> Array:
    return np.asarray(RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape))


SQUARE = complex_numbers(3, 4, 4) + 3 * np.eye(4)
HERMITIAN = SQUARE @ np.conj(np.swapaxes(SQUARE, -1, -2))
TALL, WIDE = complex_numbers(2, 5, 3), complex_numbers(2, 3, 5)
REAL = RANDOM.standard_normal((3, 4, 4))


def adjoint(x: Array) -> Array:
    return np.conj(np.swapaxes(x, -1, -2))


def is_unitary(q: Array) -> None:
    product = adjoint(q) @ q
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(q.shape[-1]), product.shape), atol=1e-12)


def close(ours: fl.Tensor, theirs: Any, rtol: float = 1e-9) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=rtol, atol=1e-10 if rtol < 1e-6 else 1e-4)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "eigvalsh", "svdvals", "matrix_norm", "pinv", "trace"])
def test_functions_of_complex_matrices_agree_with_numpy(name: str, dtype: str) -> None:
    x = HERMITIAN if name in ("cholesky", "eigvalsh") else SQUARE
    expected = getattr(np.linalg, name)(x)
    found = getattr(linalg, name)(fl.asarray(x.astype(dtype)))
    assert found.dtype.is_complex == np.iscomplexobj(expected)
    assert found.dtype.itemsize == expected.dtype.itemsize // (2 if dtype == "complex64" else 1)
    close(found, expected, rtol=1e-9 if dtype == "complex128" else 1e-3)


def test_slogdet_of_a_complex_matrix_is_a_direction_and_a_logarithm() -> None:
    found, expected = linalg.slogdet(fl.asarray(SQUARE)), np.linalg.slogdet(SQUARE)
    close(found.sign, expected.sign)
    close(found.logabsdet, expected.logabsdet)
    sign, logarithm = linalg.slogdet(fl.asarray(np.array([[1j, 2.0], [2j, 4.0]])))
    assert (sign.item(), logarithm.item()) == (0j, -float("inf"))


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("x", [SQUARE, TALL, WIDE, np.zeros((0, 3), complex)], ids=lambda x: str(x.shape))
def test_complex_factors_are_unitary_and_multiply_to_the_matrix(x: Array, device: str) -> None:
    t = fl.asarray(x).to(device)
    for mode in ("reduced", "complete"):
        q, r = (part.to("cpu").numpy() for part in linalg.qr(t, mode=mode))
        np.testing.assert_allclose(q @ r, x, atol=1e-12)
        is_unitary(q)
        assert np.all(np.diagonal(r, axis1=-2, axis2=-1).imag == 0)
        np.testing.assert_allclose(np.tril(r, -1), 0, atol=1e-14)
    for full in (False, True):
        u, s, vh = (part.to("cpu").numpy() for part in linalg.svd(t, full_matrices=full))
        k = s.shape[-1]
        np.testing.assert_allclose((u[..., :, :k] * s[..., None, :]) @ vh[..., :k, :], x, atol=1e-12)
        np.testing.assert_allclose(s, np.linalg.svd(x, full_matrices=full).S, atol=1e-12)
        is_unitary(u)
        is_unitary(adjoint(vh))


EIGEN = {"real": REAL, "complex": SQUARE, "triangular": np.triu(REAL), "twice": np.diag([2.0, 1.0, 2.0])}


@pytest.mark.parametrize("x", EIGEN.values(), ids=EIGEN)
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_eigenvectors_are_stretched_by_their_eigenvalues(x: Array, device: str) -> None:
    w, v = (part.to("cpu").numpy() for part in linalg.eig(fl.asarray(x).to(device)))
    np.testing.assert_allclose(x @ v, v * w[..., None, :], atol=1e-11)
    np.testing.assert_allclose(np.linalg.norm(v, axis=-2), 1, rtol=1e-12)
    largest = np.take_along_axis(v, np.abs(v).argmax(axis=-2)[..., None, :], axis=-2)
    np.testing.assert_allclose(largest.imag, 0, atol=1e-12)
    assert (largest.real > 0).all()
    assert (np.diff(w.real, axis=-1) > -1e-3).all()
    both = (each.reshape(-1, w.shape[-1])[0] for each in (w, np.linalg.eigvals(x)))
    found, expected = (np.sort_complex(np.round(each, 9)) for each in both)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("turn", [1.0, 1.0j])
def test_single_precision_keeps_the_small_eigenvectors_of_graded_matrices(turn: complex) -> None:
    random = np.random.default_rng(8)
    for n in (3, 6, 12):
        drawn = (random.normal(size=(n, n)) + (turn - 1) * random.normal(size=(n, n))) * (0.1 ** np.arange(n))[:, None]
        x = drawn.astype("float32" if turn == 1.0 else "complex64")
        wanted, directions = np.linalg.eig(x.astype("complex128"))
        values, vectors = (np.asarray(part, dtype="complex128") for part in fl.linalg.eig(fl.asarray(x)))
        for value, vector in zip(values, vectors.T, strict=True):
            nearest = int(np.argmin(np.abs(wanted - value)))
            assert abs(wanted[nearest] - value) <= 1e-6 * abs(value)
            assert abs(np.vdot(directions[:, nearest], vector)) > 1 - 1e-6


def test_eigenvalues_are_complex_even_where_all_are_real() -> None:
    assert linalg.eigvals(fl.tensor([[3.0, 0.0], [0.0, 1.0]])).dtype == fl.complex64
    assert linalg.eigvals(fl.tensor([[3.0, 0.0], [0.0, 1.0]])).tolist() == [1 + 0j, 3 + 0j]
    assert linalg.eig(fl.zeros((2, 0, 0), dtype=fl.float64)).eigenvectors.dtype == fl.complex128
    with pytest.raises(ValueError, match="eig: matrix 0 of the batch holds NaN or an infinity"):
        linalg.eig(fl.full((2, 2), float("nan")))
    with pytest.raises(fl.DTypeError, match="int64"):
        linalg.eig(fl.ones((2, 2), dtype=fl.int64))


@pytest.mark.parametrize("ord", [0, 1, 2, 3, np.inf, -np.inf])
def test_norms_of_complex_vectors_agree_with_numpy(ord: float) -> None:
    close(linalg.vector_norm(fl.asarray(TALL), ord=ord, axis=(0, 2)), np.linalg.vector_norm(TALL, ord=ord, axis=(0, 2)))
    assert linalg.vector_norm(fl.asarray(TALL)).dtype == fl.float64


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_norms_of_complex_matrices_agree_with_numpy(ord: Any) -> None:
    close(linalg.matrix_norm(fl.asarray(TALL), ord=ord), np.linalg.matrix_norm(TALL, ord=ord))


def test_equations_and_powers_of_complex_matrices_agree_with_numpy() -> None:
    b = complex_numbers(4, 2)
    close(linalg.solve(fl.asarray(SQUARE), fl.asarray(b)), np.linalg.solve(SQUARE, b))
    close(linalg.solve(fl.asarray(SQUARE), fl.asarray(b.real)), np.linalg.solve(SQUARE, b.real))
    close(linalg.matrix_power(fl.asarray(SQUARE), -2), np.linalg.matrix_power(SQUARE, -2), rtol=1e-8)
    low = TALL[0] @ np.diag([1.0, 2.0, 0.0]) @ complex_numbers(3, 3)
    assert linalg.matrix_rank(fl.asarray(low)).item() == np.linalg.matrix_rank(low) == 2
    close(linalg.pinv(fl.asarray(low)), np.linalg.pinv(low, rcond=1e-14), rtol=1e-7)


# ---- derivatives ----

Function = Callable[[fl.Tensor], Any]


def parts(function: Function) -> Callable[[fl.Tensor, fl.Tensor], list[fl.Tensor]]:
    """The function of the real and the imaginary part, giving real and imaginary parts."""

    def apart(real: fl.Tensor, imaginary: fl.Tensor) -> list[fl.Tensor]:
        out = function(real + 1j * imaginary)
        several = [out] if isinstance(out, fl.Tensor) else list(out)
        return [half for one in several for half in ([fl.real(one), fl.imag(one)] if one.dtype.is_complex else [one])]

    return apart


FUNCTIONS: dict[str, tuple[Function, Array]] = {
    "solve": (lambda x: linalg.solve(x, x[..., :2] * 2), SQUARE[0, :3, :3]),
    "inv": (linalg.inv, SQUARE[0, :3, :3]),
    "det": (linalg.det, SQUARE[0, :3, :3]),
    "slogdet": (linalg.slogdet, SQUARE[0, :3, :3]),
    "cholesky": (linalg.cholesky, HERMITIAN[0, :3, :3]),
    "qr": (linalg.qr, TALL[0, :4]),
    "qr wide": (linalg.qr, WIDE[0, :2, :4]),
    "eigh": (linalg.eigh, HERMITIAN[0, :3, :3]),
    "svd": (lambda x: linalg.svd(x, full_matrices=False), TALL[0, :4]),
    "svd wide": (lambda x: linalg.svd(x, full_matrices=False), WIDE[0, :2, :4]),
    "left vectors": (lambda x: linalg.svd(x, full_matrices=False).U, SQUARE[0, :3, :3]),
    "right vectors": (lambda x: linalg.svd(x, full_matrices=False).Vh, SQUARE[0, :3, :3]),
    "singular values": (linalg.svdvals, TALL[0]),
    "pinv": (linalg.pinv, TALL[0, :4]),
    "eig": (linalg.eig, SQUARE[0, :3, :3]),
    "eigvals": (linalg.eigvals, SQUARE[1]),
    "norm": (lambda x: linalg.vector_norm(x, axis=0), TALL[0]),
    "nuc": (lambda x: linalg.matrix_norm(x, ord="nuc"), TALL[0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_complex_gradients_agree_with_differences(name: str) -> None:
    function, x = FUNCTIONS[name]
    gradcheck(parts(function), [fl.asarray(x.real.copy()), fl.asarray(x.imag.copy())], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "cholesky", "qr", "eigh", "svd", "eig"])
def test_complex_second_derivatives_agree_with_differences(name: str) -> None:
    function, x = FUNCTIONS[name]
    gradgradcheck(parts(function), [fl.asarray(x.real.copy()), fl.asarray(x.imag.copy())], rtol=1e-4, atol=1e-5)


def test_the_gradient_of_eigenvalues_of_a_real_matrix_is_real() -> None:
    def function(x: fl.Tensor) -> list[fl.Tensor]:
        w, v = linalg.eig(x)
        return [fl.real(w), fl.imag(w), fl.real(v), fl.imag(v)]

    gradcheck(function, [fl.asarray(REAL[0])], rtol=1e-5, atol=1e-6)
    gradgradcheck(function, [fl.asarray(REAL[0, :3, :3])], rtol=1e-4, atol=1e-5)


LOW = RANDOM.standard_normal((4, 3)) @ np.diag([1.0, 2.0, 0.5]) @ RANDOM.standard_normal((3, 4))
FLAT = {
    "zeros": np.zeros((3, 3)),
    "a number": np.zeros((1, 1)),
    "rank 1 of 2": np.array([[1.0, 2.0], [2.0, 4.0]]),
    "rank 1 of 3": np.outer([1.0, 2.0, 4.0], [2.0, 1.0, 0.5]),
    "rank 2 of 3": np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 1.0, 5.0]]),
    "a batch": np.stack([np.eye(3), np.diag([1.0, 0.0, 2.0]), np.diag([0.0, 0.0, 2.0])]),
}


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_the_determinant_of_a_singular_matrix_has_derivatives(name: str, device: str) -> None:
    x = fl.asarray(FLAT[name]).to(device)
    gradcheck(linalg.det, [x], rtol=1e-6, atol=1e-8)
    gradgradcheck(linalg.det, [x], rtol=1e-5, atol=1e-6)


def test_the_determinant_of_a_singular_complex_matrix_has_derivatives() -> None:
    x = np.array([[1.0, 2j, 1.0], [2.0, 4j, 2.0], [0.0, 1.0, 1j]])
    assert linalg.det(fl.asarray(x)).item() == 0
    halves = [fl.asarray(x.real.copy()), fl.asarray(x.imag.copy())]
    gradcheck(parts(linalg.det), halves, rtol=1e-6, atol=1e-8)
    gradgradcheck(parts(linalg.det), halves, rtol=1e-5, atol=1e-6)
