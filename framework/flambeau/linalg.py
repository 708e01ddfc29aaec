"""Linear algebra on the matrices in the last two axes, under the names of the Array API standard.

Every function takes batches: the axes before the last two. Matrices are float32, float64, complex64 or complex128; the
factorizations run on LAPACK, which the bundled OpenBLAS brings along, and have gradients of any order. Eigenvectors and
singular vectors are fixed up to their direction, so that they are the same on every device: the first of the (nearly)
largest elements of an eigenvector, or of a left singular vector, is positive.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from . import _core
from ._core import DType, Tensor
from .arguments import explained
from .array_api import matrix_transpose, moveaxis, tensordot, vecdot
from .contraction import outer

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals",
    "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip

_op = _core.ops
matmul = _op["matmul"]
Axes = int | tuple[int, ...] | None


class EigResult(NamedTuple):
    """What `eig` gives."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Tensor
    S: Tensor
    Vh: Tensor


# ---- equations and factorizations ----


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The x with x1 @ x = x2.

    Shapes: x1 (..., n, n); x2 (n) or (..., n, k); batch dimensions broadcast.
    Raises: ValueError for a singular matrix, ShapeError for sizes that do not fit.

    >>> import flambeau as fl
    >>> fl.linalg.solve(fl.tensor([[2.0, 0.0], [0.0, 4.0]]), fl.tensor([2.0, 2.0]))
    tensor([1.0, 0.5])
    """
    _require_matrix("solve", x1)
    column = x2.reshape(-1, 1) if x2.ndim == 1 else x2
    if column.ndim < 2 or column.shape[-2] != x1.shape[-1]:
        raise _core.ShapeError(f"solve: x1 is {x1.shape} and x2 is {x2.shape}: x2 needs {x1.shape[-1]} rows")
    batch = _core.broadcast_shapes([x1.shape[:-2], column.shape[:-2]])
    a = _op["broadcast_to"](x1, (*batch, *x1.shape[-2:]))
    solution = _op["solve"](a, _op["broadcast_to"](column, (*batch, *column.shape[-2:])))
    return solution.squeeze(-1) if x2.ndim == 1 else solution


def inv(x: Tensor, /) -> Tensor:
    """The inverse of a square matrix. `solve(x, b)` is faster and nearer than `inv(x) @ b`.

    Raises: ValueError for a singular matrix.
    """
    return _op["inv"](x)


def det(x: Tensor, /) -> Tensor:
    """The determinant of a square matrix (..., n, n) -> (...), with a gradient for singular matrices too.

    >>> import flambeau as fl
    >>> fl.linalg.det(fl.tensor([[1.0, 2.0], [3.0, 5.0]]))
    tensor(-1.0)
    """
    return _op["det"](x)


def slogdet(x: Tensor, /) -> SlogdetResult:
    """The sign of the determinant and the logarithm of its absolute value; 0 and -inf for a singular matrix.

    The sign of a complex determinant is the number of size 1 in its direction.

    >>> import flambeau as fl
    >>> fl.linalg.slogdet(fl.tensor([[0.0, 1.0], [1.0, 0.0]]))
    SlogdetResult(sign=tensor(-1.0), logabsdet=tensor(0.0))
    """
    return SlogdetResult(*_op["slogdet"](x))


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The lower triangular matrix l with l @ l.mT = x (or the upper u with u.mT @ u = x); of complex l the conjugate.

    x is taken as symmetric (of complex numbers Hermitian): (x + x.mT) / 2. Raises: ValueError where it is not positive
    definite.

    >>> import flambeau as fl
    >>> fl.linalg.cholesky(fl.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2.0, 0.0],
            [1.0, 2.0]])
    """
    lower = _op["cholesky"](_symmetric("cholesky", x))
    return _adjoint(lower) if upper else lower


def qr(x: Tensor, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """Orthonormal columns Q and an upper triangular R with Q @ R = x; Q is square in mode "complete".

    Shapes: x (..., m, n) -> Q (..., m, k), R (..., k, n) with k = min(m, n), or m in mode "complete".
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode is '{mode}' and must be 'reduced' or 'complete'")
    return QRResult(*_op["qr"](x, mode == "complete"))


def eig(x: Tensor, /) -> EigResult:
    """The eigenvalues of any square matrix and its eigenvectors, columns of length 1; both are complex, of real x too.

    Ordered by their real parts, (nearly) equal ones by falling imaginary parts. The first of an eigenvector's (nearly)
    largest elements is positive. The gradient of the vectors needs eigenvalues that differ.
    Raises: ValueError for NaN and infinities.

    >>> import flambeau as fl
    >>> fl.linalg.eig(fl.tensor([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues
    tensor([0+1j, 0-1j])
    """
    return EigResult(*_op["eig"](x))


def eigvals(x: Tensor, /) -> Tensor:
    """The eigenvalues of any square matrix, complex and in the order of `eig`."""
    return eig(x).eigenvalues


def eigh(x: Tensor, /) -> EighResult:
    """The eigenvalues of a symmetric or Hermitian matrix in ascending order, and its eigenvectors as columns.

    x is taken as symmetric, (x + x.mT) / 2, of complex numbers with the conjugate. The eigenvalues are real. The
    gradient of the vectors needs eigenvalues that differ.
    Raises: ValueError for NaN and infinities.

    >>> import flambeau as fl
    >>> fl.linalg.eigh(fl.tensor([[1.0, 0.0], [0.0, 3.0]])).eigenvalues
    tensor([1.0, 3.0])
    """
    return EighResult(*_op["eigh"](_symmetric("eigh", x)))


def eigvalsh(x: Tensor, /) -> Tensor:
    """The eigenvalues of a symmetric or Hermitian matrix in ascending order; see `eigh`."""
    return eigh(x).eigenvalues


@explained
def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """U, S and Vh with U @ diag(S) @ Vh = x: orthonormal columns, singular values in descending order, and
    orthonormal rows.

    Shapes: x (..., m, n) -> U (..., m, k), S (..., k), Vh (..., k, n) with k = min(m, n); U and Vh are square with
    full_matrices. The gradient needs full_matrices=False (or a square x), and that of the vectors singular values that
    differ. Raises: ValueError for NaN and infinities.
    """
    return SVDResult(*_op["svd"](x, full_matrices))


def svdvals(x: Tensor, /) -> Tensor:
    """The singular values in descending order.

    >>> import flambeau as fl
    >>> fl.linalg.svdvals(fl.tensor([[3.0, 0.0], [0.0, -5.0]]))
    tensor([5.0, 3.0])
    """
    return svd(x, full_matrices=False).S


def pinv(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """The Moore-Penrose inverse (..., m, n) -> (..., n, m), which gives solutions of least squares.

    Singular values up to rtol times the largest count as zero; by default max(m, n) times the dtype's epsilon.
    """
    _require_matrix("pinv", x)
    u, s, vh = svd(x, full_matrices=False)
    kept = s > _cutoff(x, s, rtol)
    scale = _op["where"](kept, 1.0 / _op["where"](kept, s, 1.0), 0.0)
    return matmul(_adjoint(vh) * _op["expand_dims"](scale, -2), _adjoint(u))


def matrix_rank(x: Tensor, /, *, rtol: float | Tensor | None = None) -> Tensor:
    """How many singular values exceed rtol times the largest; rtol is max(m, n) times the dtype's epsilon if not given.

    >>> import flambeau as fl
    >>> fl.linalg.matrix_rank(fl.ones((3, 3)))
    tensor(1)
    """
    _require_matrix("matrix_rank", x)
    s = svdvals(x.detach())
    return _op["sum"]((s > _cutoff(x, s, rtol)).astype(_core.int64), -1)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """x multiplied with itself n times; its inverse for a negative n, the identity for 0.

    >>> import flambeau as fl
    >>> fl.linalg.matrix_power(fl.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1.0, 5.0],
            [0.0, 1.0]])
    """
    _require_square("matrix_power", x)
    if n < 0:
        x, n = inv(x), -n
    size = x.shape[-1]
    result = _op["broadcast_to"](_core.apply("eye", [], [size, size, 0, x.dtype], x.device), x.shape)
    while n:  # by squaring
        if n % 2:
            result = matmul(result, x)
        n //= 2
        if n:
            x = matmul(x, x)
    return result


# ---- norms ----


@explained
def vector_norm(x: Tensor, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm of the vectors along `axis` (of all elements if not given): (sum(|x| ** ord)) ** (1 / ord).

    ord inf and -inf: the largest and smallest absolute value; 0: how many elements are not 0.

    >>> import flambeau as fl
    >>> fl.linalg.vector_norm(fl.tensor([3.0, 4.0]))
    tensor(5.0)
    """
    if ord == 2:
        return _length(_require_float("vector_norm", x), axis, keepdims)
    size = abs(_require_float("vector_norm", x))
    if ord == math.inf:
        return _op["max"](size, axis, keepdims)
    if ord == -math.inf:
        return _op["min"](size, axis, keepdims)
    if ord == 0:
        return _op["sum"]((x != 0).astype(size.dtype), axis, keepdims)
    if ord == 1:
        return _op["sum"](size, axis, keepdims)
    return _op["pow"](_op["sum"](_op["pow"](size, ord), axis, keepdims), 1.0 / ord)


@explained
def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: float | Literal["fro", "nuc"] | None = "fro") -> Tensor:
    """The norm of the matrices in the last two axes.

    ord "fro": the root of the sum of squares; "nuc": the sum of the singular values; 2 and -2: the largest and the
    smallest singular value; 1 and -1: the largest and smallest sum of absolute values of a column; inf and -inf: of a
    row.
    """
    _require_matrix("matrix_norm", _require_float("matrix_norm", x))
    if ord is None or ord == "fro":
        return _length(x, (-2, -1), keepdims)
    if ord in ("nuc", 2, -2):
        s = svdvals(x)
        result = _op["sum"](s, -1) if ord == "nuc" else _op["max" if ord == 2 else "min"](s, -1)
    elif ord in (1, -1, math.inf, -math.inf):
        along = _op["sum"](abs(x), -2 if ord in (1, -1) else -1)
        result = _op["max" if ord in (1, math.inf) else "min"](along, -1)
    else:
        raise ValueError(f"matrix_norm: ord is {ord!r} and must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    return _op["expand_dims"](result, (-2, -1)) if keepdims else result


# ---- parts and products ----


@explained
def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of three elements along an axis; the other axes broadcast.

    >>> import flambeau as fl
    >>> fl.linalg.cross(fl.tensor([1.0, 0.0, 0.0]), fl.tensor([0.0, 1.0, 0.0]))
    tensor([0.0, 0.0, 1.0])
    """
    shape = _core.broadcast_shapes([x1.shape, x2.shape])
    if not -min(x1.ndim, x2.ndim) <= axis < len(shape) or x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise _core.ShapeError(f"cross: x1 is {x1.shape}, x2 is {x2.shape}: both need 3 elements along axis {axis}")
    a, b = (moveaxis(_op["broadcast_to"](x, shape), axis, 0) for x in (x1, x2))
    parts = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    return _op["stack"](parts, axis)


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonal of the last two axes; a positive offset counts to the right, a negative one down.

    >>> import flambeau as fl
    >>> fl.linalg.diagonal(fl.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    _require_matrix("diagonal", x)
    rows, columns = x.shape[-2:]
    start = offset if offset >= 0 else -offset * columns
    length = max(0, min(columns - offset, rows) if offset >= 0 else min(rows + offset, columns))
    flat = x.reshape(*x.shape[:-2], rows * columns)
    if length == 0:
        return flat[..., :0]
    return flat[..., start : start + (length - 1) * (columns + 1) + 1 : columns + 1]


def trace(x: Tensor, /, *, offset: int = 0, dtype: DType | None = None) -> Tensor:
    """The sum of the diagonal of the last two axes."""
    return _op["sum"](diagonal(x, offset=offset), -1, False, dtype)


# ---- what they share ----


def _length(x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    """The root of the sum of squared sizes, scaled by the largest so that no square overflows or vanishes."""
    if not x.dtype.is_complex:
        return _core.apply("length", [x], [(axis,) if isinstance(axis, int) else axis, keepdims])
    if x.size == 0:
        return _op["sum"](abs(x), axis, keepdims)
    top = _op["max"](abs(x.detach()), axis, True)
    scale = _op["where"](_op["logical_and"](top > 0, _op["isfinite"](top)), top, 1.0)
    scaled = x / scale
    square = _op["sum"](_op["square"](abs(scaled)), axis, True)
    # A vector of zeros has no direction: its gradient is zero, not NaN.
    length = _op["where"](square > 0, _op["sqrt"](_op["where"](square > 0, square, 1.0)), square) * scale
    if keepdims:
        return length
    return length.reshape(()) if axis is None else _op["squeeze"](length, axis)


def _cutoff(x: Tensor, s: Tensor, rtol: float | Tensor | None) -> Tensor:
    if s.shape[-1] == 0:
        return s.detach()
    relative = max(x.shape[-2:]) * _epsilon(x.dtype) if rtol is None else rtol
    if isinstance(relative, Tensor):
        relative = _op["expand_dims"](relative, -1)
    return _op["max"](s.detach(), -1, True) * relative


def _epsilon(dtype: DType) -> float:
    return 2.0**-52 if dtype in (_core.float64, _core.complex128) else 2.0**-23


def _adjoint(x: Tensor) -> Tensor:
    return _op["conj"](x.mT) if x.dtype.is_complex else x.mT


def _symmetric(op: str, x: Tensor) -> Tensor:
    _require_square(op, x)
    _require_float(op, x)
    return (x + _adjoint(x)) * 0.5


def _require_float(op: str, x: Tensor) -> Tensor:
    if not (x.dtype.is_float or x.dtype.is_complex):
        raise _core.DTypeError(f"{op}: x is {x.dtype}; cast it with x.astype(fl.float32)")
    return x


def _require_matrix(op: str, x: Tensor) -> None:
    if x.ndim < 2:
        raise _core.ShapeError(f"{op}: x is {x.shape}: a matrix needs at least two dimensions")


def _require_square(op: str, x: Tensor) -> None:
    _require_matrix(op, x)
    if x.shape[-1] != x.shape[-2]:
        raise _core.ShapeError(f"{op}: x is {x.shape}: its last two dimensions must be equal")
