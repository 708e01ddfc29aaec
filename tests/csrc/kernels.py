"""Runs kernels of the built-in backends through the C header, without the core (see kernel_harness.cpp)."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ROOT = Path(__file__).resolve().parents[2]


class _Dtype(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("memory", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("ndim", ctypes.c_int32),
        ("dtype", _Dtype),
    )


class _Value(ctypes.Union):
    _fields_ = (
        ("i", ctypes.c_int64),
        ("f", ctypes.c_double),
        ("ints", ctypes.POINTER(ctypes.c_int64)),
        ("dtype", _Dtype),
        ("text", ctypes.c_char_p),
    )


class _Attr(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("count", ctypes.c_int32), ("value", _Value))


class _Call(ctypes.Structure):
    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("input_count", ctypes.c_int32),
        ("output_count", ctypes.c_int32),
        ("attr_count", ctypes.c_int32),
        ("inputs", ctypes.POINTER(_Tensor)),
        ("outputs", ctypes.POINTER(_Tensor)),
        ("attrs", ctypes.POINTER(_Attr)),
    )


DTYPES: dict[np.dtype[Any], tuple[int, int]] = {
    np.dtype(bool): (6, 8),
    np.dtype(np.int8): (0, 8),
    np.dtype(np.int32): (0, 32),
    np.dtype(np.int64): (0, 64),
    np.dtype(np.float16): (2, 16),
    np.dtype(ml_dtypes.bfloat16): (4, 16),
    np.dtype(np.float32): (2, 32),
    np.dtype(np.float64): (2, 64),
    np.dtype(np.complex64): (5, 64),
    np.dtype(np.complex128): (5, 128),
}
STATUS = {1: NotImplementedError, 2: MemoryError, 3: IndexError, 4: ValueError, 5: RuntimeError}


def library_path() -> Path | None:
    """The harness, if it has been built (ninja -C build/dev kernel_harness)."""
    built = (path for path in ROOT.glob("build/*/tests/csrc/libkernel_harness.so") if "aarch64" not in path.parts)
    places = [Path(os.environ.get("FLAMBEAU_KERNEL_HARNESS", "")), *built]
    return next((place for place in places if place.is_file()), None)


def _longs(values: tuple[int, ...] | list[int]) -> Any:
    return (ctypes.c_int64 * max(1, len(values)))(*values)


def _tensor(array: Array, keep: list[Any]) -> _Tensor:
    code, bits = DTYPES[array.dtype]
    shape = _longs(array.shape)
    strides = _longs([step // array.itemsize for step in array.strides])
    keep += [shape, strides, array]
    memory = array.ctypes.data if array.size else None
    return _Tensor(memory, 0, shape, strides, array.ndim, _Dtype(code, bits, 1))


def _attr(value: Any, keep: list[Any]) -> _Attr:
    if isinstance(value, bool):
        return _Attr(1, 0, _Value(i=int(value)))
    if isinstance(value, int):
        return _Attr(2, 0, _Value(i=value))
    if isinstance(value, float):
        return _Attr(3, 0, _Value(f=value))
    if isinstance(value, tuple | list):
        ints = _longs(list(value))
        keep.append(ints)
        return _Attr(4, len(value), _Value(ints=ctypes.cast(ints, ctypes.POINTER(ctypes.c_int64))))
    return _Attr(5, 0, _Value(dtype=_Dtype(*DTYPES[np.dtype(value)], 1)))


class Device:
    """One backend in its own copy of the library, so that its level of instructions can be chosen.

    >>> Device("cpu", level="v3").run("add", [np.ones(3), np.ones(3)], [np.empty(3)])  # doctest: +SKIP
    [array([2., 2., 2.])]
    """

    def __init__(self, name: str, *, level: str | None = None) -> None:
        source = library_path()
        if source is None:
            raise FileNotFoundError("the kernel harness is not built: ninja -C build/dev kernel_harness")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "harness.so"
            shutil.copy(source, copy)
            self.library = ctypes.CDLL(str(copy))
        for function in ("harness_backend", "harness_failure", "harness_driver", "harness_run", "harness_time"):
            getattr(self.library, function).argtypes = None
        self.library.harness_backend.restype = ctypes.c_void_p
        self.library.harness_failure.restype = ctypes.c_char_p
        self.library.harness_driver.restype = ctypes.c_char_p
        self.library.harness_time.restype = ctypes.c_double
        before = os.environ.get("FLAMBEAU_CPU_LEVEL")
        if level is not None:
            os.environ["FLAMBEAU_CPU_LEVEL"] = level
        try:
            backend = self.library.harness_backend(name.encode())
        finally:
            if level is not None:
                os.environ.pop("FLAMBEAU_CPU_LEVEL")
                if before is not None:
                    os.environ["FLAMBEAU_CPU_LEVEL"] = before
        if not backend:
            raise RuntimeError(self.failure())
        self.backend = ctypes.c_void_p(backend)

    def failure(self) -> str:
        """What the last call that failed said."""
        return bytes(self.library.harness_failure()).decode()

    def driver(self) -> str:
        """The device's driver in words: its level and its GEMM."""
        return bytes(self.library.harness_driver(self.backend)).decode()

    def threads(self, count: int) -> None:
        """Runs what follows on so many threads."""
        self.library.harness_threads(count)

    def run(
        self,
        op: str,
        inputs: list[Array],
        outputs: list[Array],
        *attrs: Any,
        repeated: bool = False,
        times: int = 0,
    ) -> Any:
        """Runs one op into `outputs` and gives them; with `times`, nanoseconds a call.

        Raises: NotImplementedError if the backend has no such kernel, else what the status stands for.
        """
        keep: list[Any] = []
        ins = (_Tensor * max(1, len(inputs)))(*[_tensor(x, keep) for x in inputs])
        outs = (_Tensor * max(1, len(outputs)))(*[_tensor(x, keep) for x in outputs])
        attributes = (_Attr * max(1, len(attrs)))(*[_attr(x, keep) for x in attrs])
        call = _Call(ctypes.sizeof(_Call), len(inputs), len(outputs), len(attrs), ins, outs, attributes)
        arrays = [*inputs[:1], *outputs[:1]] if repeated else [*inputs, *outputs]
        if repeated and (op.endswith("_step") or op == "unscale"):  # they write in place
            arrays = inputs[:1]
        dtypes = (_Dtype * max(1, len(arrays)))(*[_Dtype(*DTYPES[x.dtype], 1) for x in arrays])
        if times:
            elapsed = self.library.harness_time(
                self.backend, op.encode(), dtypes, len(arrays), ctypes.byref(call), times
            )
            return elapsed / times
        status = self.library.harness_run(self.backend, op.encode(), dtypes, len(arrays), ctypes.byref(call))
        if status < 0:
            raise NotImplementedError(f"{op} for {[x.dtype.name for x in arrays]}")
        if status:
            raise STATUS[status](self.failure())
        return outputs
