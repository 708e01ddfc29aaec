"""What is fuzzed: readers of files from strangers. Any bytes must give a value or a ValueError."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import flambeau as fl
from flambeau import safetensors

CORPUS = Path(__file__).parent / "corpus"
# Bytes of tensors behind a header or beside a pickle, so that small numbers in them can be right.
DATA = bytes(range(64))


def read_safetensors(data: bytes) -> None:
    """A whole file, in every way in which it can be read."""
    with _File(data) as path:
        _tried(lambda: fl.load(path))
        _tried(lambda: fl.load(path, mmap=True))
        _tried(lambda: _parts(path))


def read_safetensors_header(data: bytes) -> None:
    """A header behind its right length, which random bytes would seldom have."""
    read_safetensors(len(data).to_bytes(8, "little") + data + DATA)


def read_pt(data: bytes) -> None:
    """A whole archive of torch.save."""
    with _File(data) as path:
        _tried(lambda: fl.load_pt(path))


def read_pt_program(data: bytes) -> None:
    """A pickle in a sound archive, whose checksum random bytes would never have."""
    read_pt(_archive({"a/data.pkl": data, "a/data/0": DATA, "a/data/1": DATA[:4]}))


def read_npz(data: bytes) -> None:
    """A whole archive of numpy.savez."""
    with _File(data) as path:
        _tried(lambda: fl.load_npz(path))


def read_npz_member(data: bytes) -> None:
    """An array in a sound archive."""
    read_npz(_archive({"a.npy": data}))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "safetensors": read_safetensors,
    "safetensors_header": read_safetensors_header,
    "pt": read_pt,
    "pt_program": read_pt_program,
    "npz": read_npz,
    "npz_member": read_npz_member,
}


def _tried(read: Callable[[], object]) -> None:
    """Read; a ValueError is an answer too, every other error is a finding."""
    try:
        read()
    except ValueError as error:
        if not str(error):
            raise RuntimeError("an error that does not say what is wrong") from error


def _parts(path: Path) -> None:
    with safetensors.safe_open(path) as file:
        file.metadata()
        names = file.keys()
        for name in names:
            part = file.get_slice(name)
            if part.get_shape():
                part[:1]


def _archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


class _File:
    """Bytes as a file that lies in memory."""

    def __init__(self, data: bytes) -> None:
        self.descriptor = os.memfd_create("fuzzed")
        os.write(self.descriptor, data) if data else None

    def __enter__(self) -> Path:
        return Path(f"/proc/self/fd/{self.descriptor}")

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
