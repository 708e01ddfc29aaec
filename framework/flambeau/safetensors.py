"""Reading and writing tensors in the safetensors format, with nothing believed that the file says of itself.

A file is an 8-byte little-endian length, that many bytes of JSON, and the tensors' bytes. The JSON maps each name to
its dtype, shape and (begin, end) in the bytes; together the tensors cover them without overlap or gap.
"""

from __future__ import annotations

import json
import math
import mmap as maps
import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self

import flambeau as fl
from flambeau import _core, state_trees
from flambeau.arguments import explained
from flambeau.whole_files import written_whole

_DTYPES = {"BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64", "U8": "uint8", "U16": "uint16",
           "U32": "uint32", "U64": "uint64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
           "C64": "complex64"}
_CODES = {name: code for code, name in _DTYPES.items()}
_WIDTHS = {code: _core.dtype(name).itemsize for code, name in _DTYPES.items()}
_OTHERS = {"F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "F6_E3M2"}
_LARGEST_HEADER = 100_000_000  # what the format's own library accepts
_METADATA = "__metadata__"


@dataclass(frozen=True)
class _Entry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@explained
def save(tensors: Any, path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name, whole or not at all: a file that was there stays until the new one is complete.

    A state may be nested: dicts, lists and tuples that hold tensors, numbers, words and None, as the states of
    optimizers, schedulers, scalers and loaders are. `load` gives it back as it was, and other readers of the format
    see its tensors by their paths ("optimizer.state.0.exp_avg").

    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> save({"weight": fl.ones((2, 2))}, path, metadata={"made by": "an example"})
    >>> load(path)["weight"].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    >>> save({"epoch": 3, "net": {"weight": fl.ones(2)}, "rates": [0.1, 0.01]}, path)
    >>> load(path)
    {'epoch': 3, 'net': {'weight': tensor([1.0, 1.0])}, 'rates': [0.1, 0.01]}
    """
    metadata = {key: text for key, text in (metadata or {}).items() if key != state_trees.ENTRY}
    if not state_trees.is_flat(tensors):
        tensors, metadata[state_trees.ENTRY] = state_trees.taken_apart(tensors)
    header, ordered = _header(tensors, metadata)
    with written_whole(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for tensor in ordered:
            file.write(_core.bytes_of(tensor))


@explained
def load(path: str | os.PathLike[str], device: _core.Device | str | None = None, *,
         mmap: bool = False) -> Any:
    """All tensors of a file by name, in the order of their bytes; of a file of a nested state that state.

    Each is read into memory of its own, so that what happens to the file later changes nothing. With `mmap=True`
    tensors are the file's own pages, which the system reads when they are first touched and shares between
    processes: nothing is copied, what is written into such a tensor stays in this process, and the file must not be
    shortened meanwhile (the system ends a process that reads beyond a file's end). For one tensor of many, or a part
    of one: safe_open.

    Raises: ValueError with what is wrong and where, for every file that is not sound; OSError if it cannot be opened.

    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> save({"weight": fl.ones((2, 2))}, path)
    >>> load(path, mmap=True)["weight"].sum().item()
    4.0
    """
    with safe_open(path, device) as file:
        found = file._mapped() if mmap else {name: file.get_tensor(name) for name in file._entries}
        tree = file._metadata.get(state_trees.ENTRY)
    if tree is None:
        return found
    try:
        return state_trees.put_together(found, tree)
    except ValueError as error:
        raise _problem(path, str(error)) from None


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts that were saved beside the tensors."""
    with safe_open(path) as file:
        return file.metadata()


class safe_open:  # the name that the format's own library gives it
    """A file whose tensors are read by name, whole or in part, when they are asked for.

    Raises: ValueError with what is wrong and where, if the file is not sound; OSError if it cannot be opened.

    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> save({"table": fl.arange(1000).reshape((500, 2)), "bias": fl.zeros(2)}, path)
    >>> with safe_open(path) as file:
    ...     print(file.keys(), file.get_slice("table")[10:12].tolist())
    ['table', 'bias'] [[20, 21], [22, 23]]
    """

    def __init__(self, filename: str | os.PathLike[str], device: _core.Device | str | None = None) -> None:
        self._path = filename
        self._device = device
        self._file: BinaryIO = open(filename, "rb")  # noqa: SIM115  # __exit__ and close() close it
        try:
            self._start, entries, self._metadata = _read_header(filename, self._file)
        except BaseException:
            self._file.close()
            raise
        self._entries = {entry.name: entry for entry in entries}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; tensors that were read stay."""
        self._file.close()

    def keys(self) -> list[str]:
        """The names, in the order of the tensors' bytes."""
        return list(self._entries)

    def metadata(self) -> dict[str, str]:
        """The texts that were saved beside the tensors."""
        return dict(self._metadata)

    def get_tensor(self, name: str) -> fl.Tensor:
        """One tensor, in memory of its own.

        Raises: KeyError with the names that are near; ValueError if the file is closed.
        """
        entry = self._entry(name)
        return self._read(entry, entry.begin, entry.shape)

    def get_slice(self, name: str) -> Slice:
        """One tensor to take a part of: only the rows that the part touches are read."""
        return Slice(self, self._entry(name))

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            import difflib

            near = difflib.get_close_matches(str(name), self._entries, 5, 0.5) or self.keys()[:5]
            raise KeyError(f"{name!r} is not in {os.fspath(self._path)!r}; it has {len(self._entries)} tensors, "
                           f"near: {', '.join(near)}")
        return self._entries[name]

    def _read(self, entry: _Entry, begin: int, shape: tuple[int, ...]) -> fl.Tensor:
        if self._file.closed:
            raise ValueError(f"{entry.name}: {os.fspath(self._path)!r} is closed; read while it is open, inside `with`")
        try:
            tensor = _core.tensor_from_file(self._file.fileno(), self._start + begin, entry.dtype, shape)
        except ValueError as error:
            raise _problem(self._path, f"{entry.name}: {error}") from None
        return tensor if self._device is None else tensor.to(self._device)

    def _mapped(self) -> dict[str, fl.Tensor]:
        """All tensors, as the pages of the file."""
        found = {}
        # A private map: what is written goes into this process's own pages.
        with memoryview(maps.mmap(self._file.fileno(), 0, access=maps.ACCESS_COPY)) as view:
            for entry in self._entries.values():
                part = view[self._start + entry.begin : self._start + entry.end]
                try:
                    tensor = _core.tensor_over(part, entry.dtype, entry.shape)
                except ValueError as error:
                    raise _problem(self._path, f"{entry.name}: {error}") from None
                found[entry.name] = tensor if self._device is None else tensor.to(self._device)
        return found


class Slice:
    """A tensor of a file, of which an index takes a part."""

    def __init__(self, file: safe_open, entry: _Entry) -> None:
        self._file = file
        self._entry = entry

    def get_shape(self) -> list[int]:
        """The sizes of the whole tensor."""
        return list(self._entry.shape)

    def get_dtype(self) -> str:
        """The element type, as the format writes it: F32, BF16, ..."""
        return _CODES[self._entry.dtype]

    def __getitem__(self, index: Any) -> fl.Tensor:
        """The part, as the index would take it of the whole tensor; an index on the first axis bounds what is read."""
        entry = self._entry
        first, *rest = index if isinstance(index, tuple) and index else (index,)
        if not entry.shape or not isinstance(first, int | slice) or isinstance(first, bool):
            return self._file.get_tensor(entry.name)[index].copy()
        rows = range(entry.shape[0])
        if isinstance(first, slice):
            taken, inner = rows[first], (slice(None), *rest)
        elif -len(rows) <= first < len(rows):
            taken, inner = range(rows[first], rows[first] + 1), (0, *rest)
        else:
            raise IndexError(f"{entry.name}: index {first} is out of range for {len(rows)} rows")
        if not taken:
            return self._file._read(entry, entry.begin, (0, *entry.shape[1:]))[inner]
        low, high = min(taken), max(taken)
        row = (entry.end - entry.begin) // entry.shape[0]
        block = self._file._read(entry, entry.begin + low * row, (high - low + 1, *entry.shape[1:]))
        return block[:: taken.step][inner]


# ---- writing ----


def _header(tensors: Mapping[str, fl.Tensor], metadata: Mapping[str, str] | None) -> tuple[bytes, list[fl.Tensor]]:
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == _METADATA:
            raise ValueError(f"save: {name!r} is not a name for a tensor; names are text other than {_METADATA!r}")
        if not isinstance(tensor, fl.Tensor):
            raise TypeError(f"save: {name} is a {type(tensor).__name__}, not a tensor")
        if str(tensor.dtype) not in _CODES:
            raise fl.DTypeError(f"save: {name} is {tensor.dtype}, which the format does not have; it has "
                                f"{', '.join(_CODES)}")
    described: dict[str, Any] = {}
    if metadata:
        if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
            raise ValueError("save: metadata maps text to text")
        described[_METADATA] = dict(metadata)
    # Wide dtypes first: every tensor then begins at a multiple of its element's size.
    codes = {name: _CODES[str(tensor.dtype)] for name, tensor in tensors.items()}
    names = sorted(tensors, key=lambda name: (-_WIDTHS[codes[name]], name))
    begin = 0
    for name in names:
        tensor = tensors[name]
        end = begin + math.prod(tensor.shape) * _WIDTHS[codes[name]]
        described[name] = {"dtype": codes[name], "shape": list(tensor.shape), "data_offsets": [begin, end]}
        begin = end
    try:
        text = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"save: a name or text cannot be written as UTF-8: {error}") from None
    return text + b" " * (-len(text) % 8), [tensors[name] for name in names]


# ---- reading ----


def _problem(path: str | os.PathLike[str], text: str) -> ValueError:
    return ValueError(f"load: {os.fspath(path)} is not a sound safetensors file: {text}")


def _read_header(path: str | os.PathLike[str], file: BinaryIO) -> tuple[int, list[_Entry], dict[str, str]]:
    """Where the tensors' bytes begin, what lies there, and the texts."""
    size = os.fstat(file.fileno()).st_size
    if size < 8:
        raise _problem(path, f"it has {size} bytes, and even the length of the header takes 8")
    first = file.read(8)
    if first.startswith(b"PK\x03\x04"):
        raise _problem(path, "it is a zip archive; fl.load_pt reads those of torch.save, fl.load_npz those of NumPy")
    length = int.from_bytes(first, "little")
    if length > _LARGEST_HEADER:
        raise _problem(path, f"its header would have {length} bytes, more than the {_LARGEST_HEADER} allowed")
    if length > size - 8:
        raise _problem(path, f"its header would have {length} bytes, and {size - 8} are left; it was cut off")
    start = 8 + length
    header = _parse(path, file.read(length))
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _problem(path, f"{_METADATA} is not a map of text to text")
    entries = [_check_entry(path, name, entry, size - start) for name, entry in header.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    reached = 0
    for entry in entries:
        if entry.begin != reached:
            what = "overlaps the tensor before it" if entry.begin < reached else f"leaves a gap after byte {reached}"
            raise _problem(path, f"{entry.name} begins at byte {entry.begin} and {what}")
        reached = entry.end
    if reached != size - start:
        raise _problem(path, f"its tensors end at byte {reached} and {size - start} bytes are there")
    return start, entries, metadata


def _parse(path: str | os.PathLike[str], header: bytes) -> dict[str, Any]:
    refused: list[ValueError] = []

    def refusal(text: str) -> ValueError:
        refused.append(_problem(path, text))
        return refused[0]

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise refusal(f"{name!r} stands twice in its header")
            found[name] = value
        return found

    def no_constant(text: str) -> Any:
        raise refusal(f"its header has {text}, which is no JSON")

    try:
        parsed = json.loads(header.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise _problem(path, f"its header is not UTF-8 at byte {8 + error.start}") from None
    except RecursionError:
        raise _problem(path, "its header is nested too deeply") from None
    except ValueError as error:  # a refusal, JSONDecodeError, and numbers of more digits than Python reads
        if refused:
            raise
        raise _problem(path, f"its header is no JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise _problem(path, "its header is not a map of names")
    return parsed


def _check_entry(path: str | os.PathLike[str], name: str, entry: Any, available: int) -> _Entry:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _problem(path, f"{name} must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        known = isinstance(dtype, str) and dtype in _OTHERS
        raise _problem(path, f"{name} has dtype {dtype!r}, which " + (
            f"flambeau does not have; it has {', '.join(_DTYPES)}" if known else "the format does not have"))
    if not isinstance(shape, list) or not all(_is_size(size) for size in shape):
        raise _problem(path, f"{name} has shape {shape!r}; it must be a list of sizes that are not negative")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(_is_size(offset) for offset in offsets):
        raise _problem(path, f"{name} has data_offsets {offsets!r}; they must be two numbers that are not negative")
    begin, end = offsets
    if not begin <= end <= available:
        raise _problem(path, f"{name} lies at bytes {begin} to {end}, and {available} are there")
    needed = math.prod(shape) * _WIDTHS[dtype]
    if end - begin != needed:
        raise _problem(path, f"{name} is {dtype} of shape {shape}, which takes {needed} bytes, and has {end - begin}")
    return _Entry(name, _DTYPES[dtype], tuple(shape), begin, end)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63

