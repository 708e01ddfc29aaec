"""Reading PyTorch's `.pt` and `.bin` files without running anything that they hold.

Such a file is a zip archive with one pickle and the bytes of each storage. The pickle is a program; here it may only
build dicts, lists, tuples, numbers, words and descriptions of tensors: its operations are checked against a list before
the first one runs, each name that it asks for must be one of a few, and these lead to functions of this file alone.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import re
import zipfile
from dataclasses import dataclass, replace
from typing import Any

import flambeau as fl
from flambeau import _core
from flambeau.arguments import explained

_DTYPES = {"FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
           "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32", "ShortStorage": "int16",
           "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool", "ComplexFloatStorage": "complex64",
           "ComplexDoubleStorage": "complex128"}
# A dtype by itself, under PyTorch's name; newer ones stand beside bytes whose storage knows no type.
_NAMED = {*_DTYPES.values(), "uint16", "uint32", "uint64"}
_OPERATIONS = {
    "PROTO", "STOP", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "APPEND", "APPENDS", "SETITEM", "SETITEMS", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2",
    "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "GLOBAL",
    "REDUCE", "BUILD", "BINPERSID",
}  # fmt: skip
_LARGEST_PICKLE = 100_000_000
_DEEPEST = 100
_WIDEST = 2**24  # elements of a tensor that repeats those of its storage


@dataclass(frozen=True)
class _Storage:
    """Which member of the archive holds the bytes, of what, and how many."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class _Described:
    """A tensor as the pickle tells it."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    conjugate: bool = False  # the storage holds the conjugates
    negative: bool = False   # ... or the negatives


@dataclass(frozen=True)
class _Kind:
    """A type of storage, by the dtype of its elements."""

    dtype: str


@dataclass(frozen=True)
class _Named(_Kind):
    """A dtype by itself."""


class _Dict(dict[Any, Any]):
    """What an OrderedDict becomes; attributes that the pickle sets on it are dropped."""

    def __setstate__(self, state: object) -> None:
        pass


@explained
def load_pt(path: str | os.PathLike[str]) -> Any:
    """What a file of torch.save holds: dicts, lists and tuples of tensors, numbers and words. No code of it runs.

    Raises: ValueError that says what is wrong, for anything else: modules and other objects, a file cut off, strides
    beyond a storage, the format from before PyTorch 1.6. OSError if it cannot be opened.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.pt"
    >>> _ = path.write_bytes(b"something else")
    >>> load_pt(path)
    Traceback (most recent call last):
    ValueError: load_pt: ...net.pt is not a zip archive; ...
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError(f"load_pt: {name} is not a zip archive; files from before PyTorch 1.6, and others, "
                                 "are not read: load it in PyTorch and save it again, or as safetensors")
            with zipfile.ZipFile(file) as archive:
                return _Reader(name, archive, os.fstat(file.fileno()).st_size).read()
        # NotImplementedError: what zipfile raises for versions and encryption that it does not know.
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RecursionError) as error:
            raise ValueError(f"load_pt: {name} is damaged: {error}") from error


class _Reader:
    def __init__(self, name: str, archive: zipfile.ZipFile, length: int) -> None:
        self.name = name
        self.archive = archive
        self.length = length
        self.members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            if info.filename in self.members:
                raise self._wrong(f"two members are named {info.filename}")
            self.members[info.filename] = info
        pickles = [member for member in self.members if re.fullmatch(r"[^/]+/data\.pkl", member)]
        if len(pickles) != 1:
            raise self._wrong(f"it has {len(pickles)} members <name>/data.pkl; PyTorch writes one")
        self.root = pickles[0].removesuffix("data.pkl")
        self.storages: dict[str, fl.Tensor] = {}

    def read(self) -> Any:
        order = self.root + "byteorder"
        if order in self.members and self._bytes(order, 16) != b"little":
            raise self._wrong("its numbers are not little-endian")
        program = self._bytes(self.root + "data.pkl", _LARGEST_PICKLE)
        self._check(program)
        try:
            value = _Unpickler(program).load()
        except ValueError:
            raise
        except Exception as error:  # a program of allowed operations can still be senseless in any way
            raise self._wrong(f"its pickle makes no sense: {type(error).__name__}: {error}") from error
        return self._built(value, 0)

    def _check(self, program: bytes) -> None:
        """Raise ValueError unless every operation may run; large numbers of places in the memo would take memory."""
        count = 0
        try:
            for operation, argument, _ in pickletools.genops(program):
                count += 1
                if operation.name not in _OPERATIONS:
                    raise self._wrong(f"its pickle uses {operation.name}, which state dicts do not need")
                if operation.name.endswith("PUT") and (argument or 0) > count:
                    raise self._wrong(f"its pickle puts something at place {argument} after {count} operations")
        except ValueError as error:
            if str(error).startswith("load_pt: "):
                raise
            raise self._wrong(f"its pickle is damaged: {error}") from error
        except Exception as error:  # pickletools reads arguments without minding their ends
            raise self._wrong(f"its pickle is damaged: {error}") from error

    def _built(self, value: Any, depth: int) -> Any:
        """The value with tensors for their descriptions."""
        if depth > _DEEPEST:
            raise self._wrong(f"it is nested deeper than {_DEEPEST}")
        if isinstance(value, _Described):
            return self._tensor(value)
        if isinstance(value, _Named):
            return _core.dtype(value.dtype)
        if isinstance(value, dict):
            return {self._key(key): self._built(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._built(inner, depth + 1) for inner in value)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise self._wrong(f"it holds a {type(value).__name__.strip('_')} by itself")

    def _key(self, key: Any) -> Any:
        if isinstance(key, str | int | float | bool) or key is None:
            return key
        raise self._wrong(f"a dict has a key that is a {type(key).__name__.strip('_')}")

    def _tensor(self, told: _Described) -> fl.Tensor:
        if told.conjugate or told.negative:
            if told.storage.dtype == "bool":
                raise self._wrong("a tensor of bools is told to hold negatives or conjugates")
            plain = self._tensor(replace(told, conjugate=False, negative=False))
            return fl.conj(-plain if told.negative else plain) if told.conjugate else -plain
        storage, shape, strides = self._storage(told.storage), told.shape, told.strides
        size = math.prod(shape)
        if 0 in strides and told.storage.count < size <= _WIDEST:  # expand() was called: a view of what there is
            once = tuple(n if stride else 1 for n, stride in zip(shape, strides, strict=True))
            return fl.broadcast_to(self._tensor(replace(told, shape=once)), shape)
        if size > told.storage.count:
            raise self._wrong(f"a tensor of {shape} is larger than its storage of {told.storage.count} elements")
        last = told.offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if size and not last < told.storage.count:
            raise self._wrong(f"a tensor of {shape} with strides {strides} from {told.offset} goes beyond its storage "
                              f"of {told.storage.count} elements")
        if not size:
            return fl.zeros(shape, dtype=storage.dtype)
        row_by_row = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        if all(stride == usual for n, stride, usual in zip(shape, strides, row_by_row, strict=True) if n > 1):
            return storage[told.offset : told.offset + size].reshape(shape).copy()
        index = fl.full((), told.offset, dtype=fl.int64)
        for axis, (n, stride) in enumerate(zip(shape, strides, strict=True)):
            index = index + (fl.arange(n) * stride).reshape((n,) + (1,) * (len(shape) - axis - 1))
        return fl.take(storage, index.reshape(-1), axis=0).reshape(shape)

    def _storage(self, told: _Storage) -> fl.Tensor:
        if told.key not in self.storages:
            member = f"{self.root}data/{told.key}"
            dtype = _core.dtype(told.dtype)
            if member not in self.members:
                raise self._wrong(f"the storage {told.key} is missing")
            data = self._bytes(member, self.length)
            if len(data) != told.count * dtype.itemsize:
                raise self._wrong(f"the storage {told.key} has {len(data)} bytes, and {told.count} elements of "
                                  f"{told.dtype} need {told.count * dtype.itemsize}")
            self.storages[told.key] = _core.tensor_of_bytes(data, dtype, (told.count,))
        found = self.storages[told.key]
        if found.dtype != _core.dtype(told.dtype) or found.size != told.count:
            raise self._wrong(f"the storage {told.key} is told in two ways")
        return found

    def _bytes(self, member: str, most: int) -> bytes:
        info = self.members[member]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
            raise self._wrong(f"{member} is compressed or encrypted; PyTorch writes plain members")
        if info.file_size > min(most, self.length):
            raise self._wrong(f"{member} says that it has {info.file_size} bytes")
        return self.archive.read(info)

    def _wrong(self, what: str) -> ValueError:
        return ValueError(f"load_pt: {self.name}: {what}")


class _Unpickler(pickle.Unpickler):
    def __init__(self, program: bytes) -> None:
        super().__init__(io.BytesIO(program))

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return _Kind(_DTYPES[name])
        if module == "torch" and name in _NAMED:
            return _Named(name)
        if (module, name) == ("torch.storage", "UntypedStorage"):
            return _Kind("uint8")
        known = {("torch._utils", "_rebuild_tensor_v2"): _described, ("torch._utils", "_rebuild_parameter"): _parameter,
                 ("torch._utils", "_rebuild_tensor_v3"): _described_bytes, ("torch", "Size"): _sizes,
                 ("torch", "device"): _device, ("collections", "OrderedDict"): _ordered,
                 ("collections", "Counter"): _ordered}
        if (module, name) not in known:
            raise ValueError(f"load_pt: the pickle asks for {module}.{name}, which is not needed for tensors and "
                             "is not run; save a state_dict()")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        if not isinstance(pid, tuple) or len(pid) != 5 or pid[0] != "storage":
            raise ValueError("load_pt: the pickle refers to something that is no storage")
        _, kind, key, _, count = pid
        if not isinstance(kind, _Kind) or not isinstance(key, str) or not re.fullmatch(r"\w{1,40}", key):
            raise ValueError("load_pt: a storage has no type, or a name that is none")
        return _Storage(key, kind.dtype, _number(count))


def _described(
    storage: Any, offset: Any, size: Any, stride: Any, learned: object = False, hooks: object = None, flags: Any = None
) -> _Described:
    if not isinstance(storage, _Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise ValueError("load_pt: a tensor is told without storage, shape or strides")
    if len(size) != len(stride) or len(size) > 64:
        raise ValueError(f"load_pt: a tensor has {len(size)} sizes and {len(stride)} strides")
    if flags is not None and not isinstance(flags, dict):
        raise ValueError("load_pt: a tensor is told with flags that are none")
    flags = flags or {}
    if unknown := set(flags) - {"conj", "neg"}:
        raise ValueError(f"load_pt: a tensor has the flag {min(map(str, unknown)):.40}, which is not known here")
    return _Described(storage, _number(offset), tuple(map(_number, size)), tuple(map(_number, stride)),
                      bool(flags.get("conj")), bool(flags.get("neg")))


def _described_bytes(
    storage: Any, offset: Any, size: Any, stride: Any, learned: object, hooks: object, kind: Any, flags: Any = None
) -> _Described:
    if not isinstance(storage, _Storage) or not isinstance(kind, _Kind):
        raise ValueError("load_pt: a tensor of bytes is told without storage or dtype")
    typed = _Storage(storage.key, kind.dtype, storage.count // _core.dtype(kind.dtype).itemsize)
    return _described(typed, offset, size, stride, learned, hooks, flags)


def _sizes(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, tuple | list):
        raise ValueError("load_pt: a torch.Size is told without its sizes")
    return tuple(map(_number, sizes))


def _device(name: Any, *index: object) -> str:
    if not isinstance(name, str):
        raise ValueError("load_pt: a torch.device is told without its name")
    return name


def _parameter(data: Any, *rest: object) -> _Described:
    if not isinstance(data, _Described):
        raise ValueError("load_pt: a parameter is told without a tensor")
    return data


def _ordered(*pairs: Any) -> _Dict:
    return _Dict(*pairs)


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
        raise ValueError(f"load_pt: {value!r:.40} stands where a size is needed")
    return value
