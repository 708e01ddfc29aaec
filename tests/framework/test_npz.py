"""NumPy's archives: there and back, nothing pickled, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import flambeau as fl
import numpy as np
import pytest


@pytest.mark.parametrize("compressed", [False, True])
def test_tensors_go_out_and_in_and_numpy_reads_them(compressed: bool, tmp_path: Path) -> None:
    tensors = {
        "file": fl.tensor([[1.5, -2.0]]),
        "a/b": fl.tensor([True, False]),
        "n": fl.tensor(7),
        "e": fl.zeros((0, 2)),
        "turned": fl.arange(6).reshape(2, 3).T,
        "h": fl.ones(2, dtype=fl.float16),
    }
    fl.save_npz(tensors, tmp_path / "a.npz", compressed=compressed)
    found = fl.load_npz(tmp_path / "a.npz")
    assert {name: (x.tolist(), x.dtype) for name, x in found.items()} == {
        name: (x.tolist(), x.dtype) for name, x in tensors.items()
    }
    with np.load(tmp_path / "a.npz") as archive:
        assert sorted(archive.files) == sorted(tensors)
    np.savez(tmp_path / "b.npz", x=np.arange(3))
    assert fl.load_npz(tmp_path / "b.npz")["x"].tolist() == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    fl.save_npz({"x": fl.ones(1)}, tmp_path / "a.npz")
    with pytest.raises(fl.DTypeError, match="no bfloat16"):
        fl.save_npz({"x": fl.ones(1, dtype=fl.bfloat16)}, tmp_path / "a.npz")
    with pytest.raises(TypeError, match="values tensors"):
        fl.save_npz({"x": 3}, tmp_path / "a.npz")  # type: ignore[dict-item]  # the mistake under test
    assert fl.load_npz(tmp_path / "a.npz")["x"].tolist() == [1.0]


def test_what_is_no_archive_of_arrays_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{1}], dtype=object))
    with pytest.raises(ValueError, match=r"load_npz: .* is not read: Object arrays"):
        fl.load_npz(path)
    fl.save_npz({"x": fl.ones(100)}, path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="load_npz: "):
            fl.load_npz(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="it is no archive of arrays"):  # not NumPy's advice to allow pickles
        fl.load_npz(path)
    with pytest.raises(FileNotFoundError):
        fl.load_npz(tmp_path / "none.npz")


def test_damaged_and_encrypted_members_are_value_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    fl.save_npz({"x": fl.arange(1000)}, path, compressed=True)
    whole = path.read_bytes()
    start = 30 + int.from_bytes(whole[26:28], "little") + int.from_bytes(whole[28:30], "little")
    path.write_bytes(whole[:start] + b"\xff" * 8 + whole[start + 8 :])
    with pytest.raises(ValueError, match=r"load_npz: .*decompressing"):
        fl.load_npz(path)
    flags = whole.index(b"PK\x01\x02") + 8  # of the member in the directory; the lowest says encrypted
    marked = bytearray(whole)
    for place in (6, flags):
        marked[place] |= 1
    path.write_bytes(marked)
    with pytest.raises(ValueError, match=r"load_npz: .*encrypted"):
        fl.load_npz(path)


def test_an_archive_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError("the disk is full")

    fl.save_npz({"x": fl.ones(1)}, tmp_path / "a.npz")
    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(OSError, match="the disk is full"):
        fl.save_npz({"x": fl.zeros(1)}, tmp_path / "a.npz")
    assert fl.load_npz(tmp_path / "a.npz")["x"].tolist() == [1.0]
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
