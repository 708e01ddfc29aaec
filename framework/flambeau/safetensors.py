"""Reading and writing tensors in the safetensors format, with nothing believed that the file says of itself.

A file is an 8-byte little-endian length, that many bytes of JSON, and the tensors' bytes. The JSON maps each name to
its dtype, shape and (begin, end) in the bytes; together the tensors cover them without overlap or gap.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flambeau as fl
from flambeau import _core
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


def save(tensors: Mapping[str, fl.Tensor], path: str | os.PathLike[str],
         metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name, whole or not at all: a file that was there stays until the new one is complete.

    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> save({"weight": fl.ones((2, 2))}, path, metadata={"made by": "an example"})
    >>> load(path)["weight"].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    header, ordered = _header(tensors, metadata)
    with written_whole(path) as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for tensor in ordered:
            file.write(_core.bytes_of(tensor))


def load(path: str | os.PathLike[str], device: _core.Device | str | None = None) -> dict[str, fl.Tensor]:
    """Read all tensors of a file, in the order of their bytes.

    The file is mapped and each tensor copied out of it once, so that what happens to the file later changes nothing.

    Raises: ValueError with what is wrong and where, for every file that is not sound; OSError if it cannot be opened.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise _problem(path, f"it has {size} bytes, and even the length of the header takes 8")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            start, entries, _ = _read_header(path, view)
            return {entry.name: _read(path, view, start, entry, device) for entry in entries}


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts that were saved beside the tensors."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise _problem(path, f"it has {size} bytes, and even the length of the header takes 8")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            return _read_header(path, view)[2]


# ---- writing ----


def _header(tensors: Mapping[str, fl.Tensor], metadata: Mapping[str, str] | None) -> tuple[bytes, list[fl.Tensor]]:
    for name, tensor in tensors.items():
        if not isinstance(name, str) or name == _METADATA:
            raise ValueError(f"save: {name!r} is not a name for a tensor; names are text other than {_METADATA!r}")
        if not isinstance(tensor, fl.Tensor):
            raise TypeError(f"save: {name} is a {type(tensor).__name__}, not a tensor; wrap it in fl.tensor()")
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


class _SoundnessError(ValueError):
    """A file that is not what it says."""


def _problem(path: str | os.PathLike[str], text: str) -> ValueError:
    return _SoundnessError(f"load: {os.fspath(path)} is not a sound safetensors file: {text}")


def _read_header(path: str | os.PathLike[str], view: memoryview) -> tuple[int, list[_Entry], dict[str, str]]:
    length = int.from_bytes(view[:8], "little")
    if length > _LARGEST_HEADER:
        raise _problem(path, f"its header would have {length} bytes, more than the {_LARGEST_HEADER} allowed")
    if length > len(view) - 8:
        raise _problem(path, f"its header would have {length} bytes, and {len(view) - 8} are left; it was cut off")
    start = 8 + length
    header = _parse(path, bytes(view[8:start]))
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _problem(path, f"{_METADATA} is not a map of text to text")
    entries = [_check_entry(path, name, entry, len(view) - start) for name, entry in header.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    reached = 0
    for entry in entries:
        if entry.begin != reached:
            what = "overlaps the tensor before it" if entry.begin < reached else f"leaves a gap after byte {reached}"
            raise _problem(path, f"{entry.name} begins at byte {entry.begin} and {what}")
        reached = entry.end
    if reached != len(view) - start:
        raise _problem(path, f"its tensors end at byte {reached} and {len(view) - start} bytes are there")
    return start, entries, metadata


def _parse(path: str | os.PathLike[str], header: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise _problem(path, f"{name!r} stands twice in its header")
            found[name] = value
        return found

    def no_constant(text: str) -> Any:
        raise _problem(path, f"its header has {text}, which is no JSON")

    try:
        parsed = json.loads(header.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except UnicodeDecodeError as error:
        raise _problem(path, f"its header is not UTF-8 at byte {8 + error.start}") from None
    except RecursionError:
        raise _problem(path, "its header is nested too deeply") from None
    except _SoundnessError:
        raise
    except ValueError as error:  # JSONDecodeError, and numbers of more digits than Python reads
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


def _read(path: str | os.PathLike[str], view: memoryview, start: int, entry: _Entry,
          device: _core.Device | str | None) -> fl.Tensor:
    with view[start + entry.begin : start + entry.end] as part:
        if entry.dtype == "bool" and bytes(part).translate(None, b"\x00\x01"):
            raise _problem(path, f"{entry.name} is BOOL and has bytes other than 0 and 1")
        tensor = _core.tensor_of_bytes(part, entry.dtype, entry.shape)
    return tensor if device is None else tensor.to(device)
