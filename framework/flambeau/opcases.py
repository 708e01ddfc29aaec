"""Cases of every op by shape class, drawn from the samples of its row: what tests and conformance run.

A case has NumPy inputs that its dtype holds exactly (bfloat16 stands in float32 arrays), so that any library can be
asked for the same values. Layouts: `plain`; `strided` (every second element of a larger tensor); `turned` (a
transposed tensor read backwards along its last axis); `special` (NaN, infinities, zeros of both signs among them).
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import flambeau as fl
from flambeau import _core
from flambeau.optable import COMPLEX, DTYPES, FLOATS, INTEGERS, Row, Sample, SampleInput

Array = np.ndarray[Any, np.dtype[Any]]

LAYOUTS = ("plain", "strided", "turned", "special")
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)
# Ops whose result for NaN and infinities is part of their meaning, beside the pointwise ones.
_SPECIAL_OPS = {
    "sum", "mean", "max", "min", "argmax", "argmin", "any", "all", "sort", "argsort", "topk", "argtop",
    "cumulative_sum", "cumulative_prod", "searchsorted",
}  # fmt: skip
_INTEGERS_TOO = {
    "sum", "matmul", "max", "min", "argmax", "argmin", "take", "take_along_axis", "sort", "argsort", "topk", "argtop",
    "searchsorted", "nonzero", "cumulative_sum", "cumulative_prod", "product", "put", "scatter",
}  # fmt: skip
_COMPLEX_TOO = {
    "sum", "mean", "matmul", "take", "take_along_axis", "take_grad", "take_along_axis_grad", "cumulative_sum",
    "cumulative_prod", "product", "product_grad", "linear_recurrence", "put", "scatter", "nonzero", "fft", "irfft",
    "solve", "inv", "det", "cofactors", "slogdet", "cholesky", "qr", "eigh", "svd", "eig",
}  # fmt: skip
_ANY_DTYPE = {"any", "all", "concat", "stack", "slice_grad", "triangle"}
# Those that share their loops with others are tried in two layouts; none of them holds a NaN.
_SHARED_LOOPS = {"int8", "int16", "uint8", "uint16", "uint32", "uint64"}


@dataclass(frozen=True)
class Case:
    """One call of an op."""

    row: Row
    dtype: str
    sample: Sample
    layout: str
    number: int

    @property
    def words(self) -> str:
        """Shapes, attributes and layout, for people."""
        shapes = ", ".join(str(given.shape) for given in self.sample.inputs) or "no inputs"
        given = zip(self.row.attrs, self.sample.attrs, strict=True)
        attrs = "".join(f", {spec.name}={value}" for spec, value in given if value is not None)
        return f"{shapes}{attrs}, {self.layout}"


def dtypes_of(row: Row) -> tuple[str, ...]:
    """The dtypes that the op is tried with; those made from attributes alone are tried once, as float32."""
    if row.max_inputs == 0:
        return ("float32",)
    if row.pointwise:
        return row.dtypes
    if row.view or row.name in _ANY_DTYPE:
        return DTYPES
    numbers = (*INTEGERS, *FLOATS) if row.name in _INTEGERS_TOO else FLOATS
    tried = (*numbers, *COMPLEX) if row.name in _COMPLEX_TOO else numbers
    return tuple(dtype for dtype in tried if dtype in row.dtypes)


def cases(row: Row, dtype: str, layouts: Sequence[str] = LAYOUTS) -> Iterator[Case]:
    """Every case of an op at a dtype."""
    number = 0
    for sample in row.samples:
        for layout in layouts:
            if _makes_sense(row, dtype, sample, layout):
                yield Case(row, dtype, sample, layout, number)
                number += 1


def _makes_sense(row: Row, dtype: str, sample: Sample, layout: str) -> bool:
    if dtype in COMPLEX and any(value in DTYPES and value not in (*COMPLEX, "bool") for value in sample.attrs):
        return False  # no cast, and no sum, takes the imaginary part away
    if dtype in COMPLEX and {"max", "min"} & {value for value in sample.attrs if isinstance(value, str)}:
        return False  # complex numbers have no order
    if dtype in _SHARED_LOOPS and layout not in ("plain", "strided"):
        return False
    if layout == "plain":
        return True
    if row.in_place or not any(given.shape for given in sample.inputs):
        return False
    if layout == "special":
        if dtype not in (*FLOATS, *_specials_of(row)) or not (row.pointwise or row.name in _SPECIAL_OPS):
            return False
        # What a NaN becomes as an integer is left open.
        return row.name != "cast" or sample.attrs[0] in (*FLOATS, *COMPLEX)
    return True


def _specials_of(row: Row) -> tuple[str, ...]:
    """Complex numbers with NaN and infinities have one meaning only where each part goes its own way."""
    parts = {"where", "cast", "copy", "equal", "not_equal", "isnan", "isinf", "isfinite", "real", "imag", "conj"}
    return COMPLEX if row.name in parts else ()


def arrays(case: Case, seed: int = 0) -> list[Array]:
    """The case's inputs, which cannot be written to; the same for the same case and seed on every machine."""
    return list(_arrays(case.row.name, case.dtype, case.sample, case.layout == "special", seed))


@functools.lru_cache(maxsize=2)  # one sample is asked for by each of its layouts, on both devices, in every mode
def _arrays(op: str, dtype: str, sample: Sample, special: bool, seed: int) -> tuple[Array, ...]:
    key = zlib.crc32(f"{op} {dtype} {sample}".encode())
    random = np.random.Generator(np.random.Philox(key=[seed, key]))
    made = tuple(np.asarray(_array(given, dtype, special, random)) for given in sample.inputs)
    for values in made:
        values.flags.writeable = False
    return made


def _array(given: SampleInput, dtype: str, special: bool, random: np.random.Generator) -> Array:
    if given.kind == "bool" or (given.kind == "value" and dtype == "bool"):
        return random.integers(0, 2, given.shape).astype(bool)
    if given.kind in ("index", "int8") or dtype in INTEGERS:
        low, high = int(np.floor(given.low)), int(np.ceil(given.high))
        if given.kind == "value" and dtype.startswith("u"):
            low, high = max(low, 0), max(high, 2)  # a sample below 0 has no meaning here
        values = random.integers(low, high, given.shape)
        return values.astype({"index": "int64", "int8": "int8"}.get(given.kind, dtype))
    if dtype in COMPLEX:
        half = "float32" if dtype == "complex64" else "float64"
        real, imaginary = (_array(given, half, special, random) for _ in range(2))
        if given.kind == "definite":  # with the conjugate on the other side of the diagonal
            imaginary = np.triu(imaginary, 1) / 2 - np.swapaxes(np.triu(imaginary, 1), -1, -2) / 2
        both = np.empty(given.shape, dtype)
        both.real, both.imag = real, imaginary
        return both
    values = np.asarray(random.uniform(given.low, given.high, given.shape))
    if given.kind == "definite":
        mirrored = (values + np.swapaxes(values, -1, -2)) / 2
        values = np.asarray(mirrored + given.shape[-1] * np.eye(given.shape[-1]))
    if special:
        flat = values.reshape(-1)
        places = random.permutation(flat.size)[: len(SPECIAL)]
        flat[places] = SPECIAL[: len(places)]
    return round_to(values, dtype)


def round_to(values: Array, dtype: str) -> Array:
    """Values as the dtype holds them, in an array of that type (float32 for bfloat16)."""
    if dtype != "bfloat16":
        return np.asarray(values).astype(dtype)
    bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
    return np.asarray(np.where(np.isnan(values), np.float32(np.nan), rounded), dtype=np.float32)


def tensors(case: Case, device: str, seed: int = 0) -> list[fl.Tensor]:
    """The case's inputs on a device, laid out in memory as the case says."""
    return [
        _place(values, given, case, device)
        for values, given in zip(arrays(case, seed), case.sample.inputs, strict=True)
    ]


def _place(values: Array, given: SampleInput, case: Case, device: str) -> fl.Tensor:
    dtype = {"index": "int64", "bool": "bool", "int8": "int8"}.get(given.kind, case.dtype)
    if given.kind == "index":
        held = _core.device(device)
        if dtype not in map(str, held.dtypes):
            dtype = str(held.index_dtype)
    if values.ndim == 0 or case.layout in ("plain", "special"):
        return fl.tensor(values, dtype=dtype, device=device)
    if case.layout == "strided":
        wide = np.repeat(values, 2, axis=-1)
        return _slice(fl.tensor(wide, dtype=dtype, device=device), -1, 0, wide.shape[-1], 2)
    backwards = values[..., ::-1]
    turned = fl.tensor(np.ascontiguousarray(backwards.T), dtype=dtype, device=device)
    order = tuple(reversed(range(values.ndim)))
    upright = _core.apply("permute_dims", [turned], [order])
    return _slice(upright, -1, values.shape[-1] - 1, -1, -1)


def _slice(x: fl.Tensor, axis: int, start: int, stop: int, step: int) -> fl.Tensor:
    starts, stops, steps = [0] * x.ndim, list(x.shape), [1] * x.ndim
    starts[axis], stops[axis], steps[axis] = start, stop, step
    return _core.apply("slice", [x], [tuple(starts), tuple(stops), tuple(steps)])


def run(case: Case, inputs: Sequence[fl.Tensor], device: str | None = None) -> list[fl.Tensor]:
    """The op's outputs; `device` is for ops without inputs."""
    outputs = _core.apply(case.row.name, list(inputs), list(case.sample.attrs), device)
    return [outputs] if isinstance(outputs, fl.Tensor) else list(outputs)


def values(x: fl.Tensor) -> Array:
    """A tensor of any dtype and device as a NumPy array; float16 and bfloat16 come as float32."""
    here = x.detach().to("cpu")
    if str(here.dtype) in ("float16", "bfloat16"):
        here = here.to(fl.float32)
    return np.array(here.numpy())
