"""Questions about element types: their limits, what two of them give, which kinds there are."""

from __future__ import annotations

from collections import namedtuple

from . import _core
from ._core import DType, Tensor

finfo_result = namedtuple("finfo_result", ["bits", "eps", "max", "min", "smallest_normal", "dtype"])
iinfo_result = namedtuple("iinfo_result", ["bits", "max", "min", "dtype"])

# bits of the fraction, largest exponent
_FLOATS = {"float16": (10, 15), "bfloat16": (7, 127), "float32": (23, 127), "float64": (52, 1023)}
_SIGNED = {"int8", "int16", "int32", "int64"}
_UNSIGNED = {"uint8", "uint16", "uint32", "uint64"}
_COMPLEX = {"complex64": "float32", "complex128": "float64"}  # with the dtype of the parts
_KINDS = {
    "bool": {"bool"},
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": _SIGNED | _UNSIGNED,
    "real floating": set(_FLOATS),
    "complex floating": set(_COMPLEX),
    "numeric": {*_SIGNED, *_UNSIGNED, *_FLOATS, *_COMPLEX},
}


def finfo(dtype: DType | Tensor, /) -> finfo_result:
    """Limits of a floating-point dtype; of a complex one those of its parts.

    >>> import flambeau as fl
    >>> fl.finfo(fl.float16).max
    65504.0
    """
    dtype = _dtype_of(dtype)
    dtype = _core.dtype(_COMPLEX.get(dtype.name, dtype.name))
    if dtype.name not in _FLOATS:
        raise _core.DTypeError(f"finfo: {dtype} is no floating-point dtype; for integers there is fl.iinfo")
    fraction, exponent = _FLOATS[dtype.name]
    largest = (2.0 - 2.0**-fraction) * 2.0**exponent
    return finfo_result(dtype.itemsize * 8, 2.0**-fraction, largest, -largest, 2.0 ** (1 - exponent), dtype)


def iinfo(dtype: DType | Tensor, /) -> iinfo_result:
    """Limits of an integer dtype."""
    dtype = _dtype_of(dtype)
    if not dtype.is_integer:
        raise _core.DTypeError(f"iinfo: {dtype} is no integer dtype; for floats there is fl.finfo")
    bits = dtype.itemsize * 8
    if not dtype.is_signed:
        return iinfo_result(bits, 2**bits - 1, 0, dtype)
    return iinfo_result(bits, 2 ** (bits - 1) - 1, -(2 ** (bits - 1)), dtype)


def result_type(*arrays_and_dtypes: object) -> DType:
    """The dtype that an op over these gives. Python's numbers give way to dtypes of their kind or a higher one.

    >>> import flambeau as fl
    >>> fl.result_type(fl.int32, fl.float16, 2.0)
    flambeau.float16
    """
    typed = [_dtype_of(x) for x in arrays_and_dtypes if not isinstance(x, bool | int | float | complex)]
    numbers = [x for x in arrays_and_dtypes if isinstance(x, bool | int | float | complex)]
    if not typed:
        raise ValueError("result_type: at least one tensor or dtype is needed; Python's numbers have none of their own")
    result = typed[0]
    for other in typed[1:]:
        result = _core.promote(result, other)
    for number in numbers:
        if isinstance(number, complex):
            result = _core.promote(result, _core.complex64) if not result.is_integer else _core.complex64
        elif isinstance(number, float) and not (result.is_float or result.is_complex):
            result = _core.float32
        elif not isinstance(number, bool) and result == _core.bool_:
            result = _core.int64
    return result


def can_cast(from_: DType | Tensor, to: DType, /) -> bool:
    """Whether promotion may turn the first into the second."""
    from_, to = _dtype_of(from_), _dtype_of(to)
    return _core.promote(from_, to) == to


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> bool:
    """Whether a dtype is of a kind: a dtype, a word of the standard such as "real floating", or one of several."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueError(f"isdtype: '{kind}' is no kind; there are {', '.join(_KINDS)}")
        return dtype.name in _KINDS[kind]
    return dtype == kind


def _dtype_of(x: object) -> DType:
    return x.dtype if isinstance(x, Tensor) else _core.dtype(x)
