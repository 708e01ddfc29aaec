"""What Tensor has beside its native part: the op table's functions as methods, moves, copies, printing."""

from __future__ import annotations

from . import _core
from ._core import Tensor
from .arguments import explained, refuse
from .printing import format_tensor, tensor_text
from .torch_names import METHODS, Elsewhere

TYPE_CHECKING = False  # typing takes some milliseconds of the import and is for checkers alone
if TYPE_CHECKING:
    from typing import Never

_reshape_op, _permute_op, _cast_op, _copy_op = (_core.ops[name] for name in ("reshape", "permute_dims", "cast", "copy"))
# Rows whose Python form is written out in array_api.py, because the standard's arguments are not the row's.
_WRITTEN_OUT = {"reshape", "cast", "copy", "concat", "stack", "squeeze", "slice", "where"}


def table_functions() -> dict[str, object]:
    """The callables of the public rows by name."""
    return {name: _core.ops[name] for name in _core.public_ops if name not in _WRITTEN_OUT}


def _reshape(self: Tensor, *shape: object) -> Tensor:
    """The same elements in another shape: x.reshape(2, -1) or x.reshape((2, -1))."""
    return _reshape_op(self, shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape)


def _permute(self: Tensor, *axes: object) -> Tensor:
    """The axes in another order: x.permute_dims(1, 0) or x.permute_dims((1, 0))."""
    return _permute_op(self, axes[0] if len(axes) == 1 and isinstance(axes[0], list | tuple) else axes)


def _astype(self: Tensor, dtype: object, *, copy: bool = True, device: object = None) -> Tensor:
    """The values in another dtype; a copy even if it is the same, unless copy=False."""
    if not isinstance(dtype, _core.DType):
        dtype = _core.dtype(dtype)
    result = self
    if dtype != self.dtype:
        result = _cast_op(self, dtype)
    elif copy:
        result = _copy_op(self)
    return result if device is None else _core.to_device(result, device)


@explained
def _to(
    self: Tensor, target: object = None, *, dtype: object = None, device: object = None, **other: Never
) -> Tensor:
    """On another device or in another dtype, or both: x.to("cpu"), x.to(fl.float64), x.to(device=d, dtype=t).

    x itself where nothing changes.
    """
    if other:
        refuse("to", other)
    if isinstance(target, _core.DType):
        dtype = target
    elif target is not None:
        device = target
    if dtype is None or self.dtype == dtype:
        return self if device is None else _core.to_device(self, device)
    if device is None:
        return _cast_op(self, dtype)
    if self.dtype in _core.device(device).dtypes:
        return _cast_op(_core.to_device(self, device), dtype)
    return _core.to_device(_cast_op(self, dtype), device)  # the device does not store what it is now


def _to_device(self: Tensor, device: object, /, *, stream: object = None) -> Tensor:
    """On another device; x itself if it is there. Streams are the device's own affair here."""
    if stream is not None:
        raise ValueError(f"to_device: stream is {stream!r}, and no device here takes one; leave it out")
    return _core.to_device(self, device)


def _complex(self: Tensor) -> complex:
    if self.size != 1:
        raise ValueError(f"complex: the tensor has shape {self.shape} and must have one element; x.tolist() gives all")
    return complex(self.item())


def _numpy(self: Tensor) -> object:
    """A NumPy array on the same memory (bfloat16: raises, for NumPy has none; cast first)."""
    import numpy

    if self.requires_grad and _core.grad_enabled():
        raise RuntimeError("numpy(): the tensor requires a gradient, which NumPy would not see; use x.detach().numpy()")
    if not self.device.host_memory:
        raise _core.DeviceError(f"numpy(): the tensor is on {self.device}; use x.to('cpu').numpy()")
    if self.dtype == _core.bfloat16:
        raise _core.DTypeError("numpy(): NumPy has no bfloat16; use x.astype(fl.float32).numpy()")
    return numpy.asarray(memoryview(self))


def _array(self: Tensor, dtype: object = None, copy: bool | None = None) -> object:
    """What numpy.asarray(x) asks for."""
    array = _numpy(self)
    return array.astype(dtype) if dtype is not None else array.copy() if copy else array  # type: ignore[attr-defined]  # NumPy's


def _dlpack(
    self: Tensor,
    *,
    stream: object = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> object:
    """A DLPack capsule on the same memory (a copy of it with copy=True, or for a device that the host cannot read)."""
    if stream is not None:
        raise ValueError(f"__dlpack__: stream {stream!r}: host memory has no streams; leave it out")
    if dl_device is not None and tuple(map(int, dl_device)) != (1, 0):
        raise BufferError(f"__dlpack__: device {dl_device} is not the host's memory (1, 0)")
    crosses = not self.device.host_memory and dl_device is not None
    if crosses and copy is False:
        raise BufferError(f"__dlpack__: the tensor is on {self.device} and copy=False forbids to bring it to the host")
    return _core.to_dlpack(self, max_version is not None and max_version[0] >= 1, bool(copy) or crosses)


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """(1, 0), host memory. Raises: BufferError for a device whose memory no other library can open."""
    if not self.device.host_memory:
        raise BufferError(f"__dlpack_device__: no other library can open the memory of {self.device}; use x.to('cpu')")
    return (1, 0)


def _copy(self: Tensor) -> Tensor:
    """A tensor of its own memory with the same values, apart from autograd but with the same requires_grad."""
    return _copy_op(self.detach()).requires_grad_(self.requires_grad)


def _deepcopy(self: Tensor, memo: dict[int, object]) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError(f"deepcopy: this tensor is the result of {self.made_by}; copy x.detach() instead")
    copied = _copy(self)
    if self.grad is not None:
        copied.grad = _copy(self.grad)
    memo[id(self)] = copied
    return copied


def _iterate(self: Tensor) -> object:
    if self.ndim == 0:
        raise TypeError("a 0-d tensor cannot be walked through; x.item() gives its number")
    return (self[i] for i in range(len(self)))


def _refuse_pickle(self: Tensor, protocol: int) -> object:
    raise TypeError("tensors are not pickled, for a pickle can run any code when it is read; use fl.save and fl.load")


def _namespace(self: Tensor, /, *, api_version: str | None = None) -> object:
    """The module with the standard's functions, this package."""
    import flambeau

    spoken = flambeau.__array_api_version__
    if api_version is not None and api_version > spoken:
        raise ValueError(f"Array API {api_version} is newer than the {spoken} that is spoken here")
    return flambeau


def _transpose(self: Tensor) -> Tensor:
    if self.ndim != 2:
        raise _core.ShapeError(f"T: a matrix is needed and the shape is {self.shape}; use x.mT or permute_dims")
    return _permute_op(self, (1, 0))


def _matrix_transpose(self: Tensor) -> Tensor:
    if self.ndim < 2:
        raise _core.ShapeError(f"mT: at least two dimensions are needed and the shape is {self.shape}")
    return _permute_op(self, (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))


def _names(self: Tensor) -> list[str]:
    """What dir() lists: the names that only tell where PyTorch's went are left out."""
    return [name for name in object.__dir__(self) if name not in METHODS]


def own_methods() -> dict[str, object]:
    """What is written out here, by name; the table's methods of these names give way."""
    return {
        "reshape": _reshape, "permute_dims": _permute, "astype": _astype, "to": _to, "to_device": _to_device,
        "numpy": _numpy,
        "copy": _copy, "T": property(_transpose), "mT": property(_matrix_transpose),
        "__array__": _array, "__dlpack__": _dlpack, "__dlpack_device__": _dlpack_device,
        "__array_namespace__": _namespace, "__copy__": _copy, "__deepcopy__": _deepcopy, "__iter__": _iterate,
        "__reduce_ex__": _refuse_pickle, "__repr__": tensor_text, "__str__": tensor_text, "__format__": format_tensor,
        "__complex__": _complex, "__dir__": _names,
        "__array_ufunc__": None,  # NumPy's arrays then leave `array + tensor` to us, which refuses
    }  # fmt: skip


def _furnish() -> None:
    """Puts the methods on the native type; those of the table first."""
    for name in METHODS:
        setattr(Tensor, name, Elsewhere(name))
    for name, is_method in _core.public_ops.items():
        if is_method:
            setattr(Tensor, name, _core.ops[name])
    for name, method in own_methods().items():
        setattr(Tensor, name, method)
    Tensor.__module__ = "flambeau"


_furnish()
