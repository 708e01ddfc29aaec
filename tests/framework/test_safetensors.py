"""safetensors: files that others read and write, and files that lie about themselves."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import flambeau as fl
import numpy as np
import pytest
from flambeau import safetensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

theirs = pytest.importorskip("safetensors.numpy", reason="the safetensors package is not installed")


def tensors() -> dict[str, fl.Tensor]:
    return {
        "bool": fl.tensor([[True, False, True]]),
        "int32": fl.tensor([1, -2], dtype=fl.int32),
        "int64": fl.tensor([[2**40], [-3]]),
        **{name: fl.tensor([0, 1, 127], dtype=name) for name in ("int8", "int16", "uint8", "uint16")},
        **{name: fl.tensor([0, 2**32 - 1], dtype=name) for name in ("uint32", "uint64")},
        "complex64": fl.tensor([1.5 - 2j, 3j]),
        "float16": fl.tensor([1.5, -2.25, 65504.0], dtype=fl.float16),
        "bfloat16": fl.tensor([1.5, -3.0], dtype=fl.bfloat16),
        "float32": fl.tensor([[0.1, float("nan")], [float("inf"), -0.0]]),
        "float64": fl.tensor(3.141592653589793, dtype=fl.float64),
        "empty": fl.zeros((0, 3)),
        "größe ünd 名": fl.ones((2, 1, 2)),
    }


def test_what_is_saved_comes_back_with_dtype_shape_and_bits(tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    saved = tensors()
    fl.save(saved, path)
    loaded = fl.load(path)
    assert set(loaded) == set(saved)
    for name, tensor in saved.items():
        assert loaded[name].dtype == tensor.dtype, name
        assert loaded[name].shape == tensor.shape, name
        assert fl._core.bytes_of(loaded[name]) == fl._core.bytes_of(tensor), name


def test_the_safetensors_package_reads_our_files(tmp_path: Path) -> None:
    path = tmp_path / "ours.safetensors"
    saved = {name: tensor for name, tensor in tensors().items() if name != "bfloat16"}
    fl.save(saved, path)
    for name, array in theirs.load_file(path).items():
        np.testing.assert_array_equal(array, saved[name].numpy())


def test_we_read_the_safetensors_packages_files(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    arrays = {
        "a": np.arange(6, dtype="float64").reshape(2, 3),
        "b": np.array([True, False]),
        "c": np.array(7, dtype="int64"),
    }
    theirs.save_file(arrays, path, metadata={"made by": "them"})
    loaded = fl.load(path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name].numpy(), array)
    assert safetensors.load_metadata(path) == {"made by": "them"}


def test_views_and_transposes_are_saved_by_value(tmp_path: Path) -> None:
    x = fl.tensor([[1.0, 2.0], [3.0, 4.0]])
    fl.save({"turned": x.mT, "part": x[:, 1]}, tmp_path / "views.safetensors")
    loaded = fl.load(tmp_path / "views.safetensors")
    assert loaded["turned"].tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert loaded["part"].tolist() == [2.0, 4.0]


def test_a_loaded_tensor_is_its_own_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    fl.save({"a": fl.ones(3)}, path)
    loaded = fl.load(path)["a"]
    path.write_bytes(b"")
    assert loaded.tolist() == [1.0, 1.0, 1.0]


def test_mapped_tensors_are_the_files_pages_and_what_is_written_into_them_stays_here(tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    saved = tensors()
    fl.save(saved, path)
    before = path.read_bytes()
    mapped = fl.load(path, mmap=True)
    assert set(mapped) == set(saved)
    for name, tensor in saved.items():
        assert mapped[name].dtype == tensor.dtype, name
        assert fl._core.bytes_of(mapped[name]) == fl._core.bytes_of(tensor), name
    mapped["float32"][0, 0] = 7.0
    assert (mapped["float32"] * 2)[0, 0].item() == 14.0
    assert path.read_bytes() == before
    path.unlink()  # the pages stay as long as a tensor looks into them
    kept = mapped.pop("float64")
    del mapped
    assert kept.item() == 3.141592653589793


def test_mapping_a_large_file_takes_no_memory_until_it_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    fl.save({"large": fl.zeros((50_000_000,), dtype=fl.uint8)}, path)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    mapped = fl.load(path, mmap=True)["large"]
    assert resident() - before < 10_000_000
    assert mapped[-1].item() == 0


def test_elements_that_do_not_lie_at_a_multiple_of_their_size_are_copied_when_mapped(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(
        file_of(
            {"a": entry("U8", (1,), (0, 1)), "b": entry("F32", (2,), (1, 9))}, b"\x05" + struct.pack("<2f", 1.5, -2.0)
        )
    )
    mapped = fl.load(path, mmap=True)
    assert (mapped["a"].tolist(), mapped["b"].tolist()) == ([5], [1.5, -2.0])


def test_one_tensor_of_many_is_read_by_name(tmp_path: Path) -> None:
    path = tmp_path / "all.safetensors"
    saved = tensors()
    fl.save(saved, path, metadata={"step": "7"})
    with safetensors.safe_open(path) as file, theirs.safe_open(path, "numpy") as reference:
        assert sorted(file.keys()) == sorted(reference.keys())
        assert file.metadata() == reference.metadata() == {"step": "7"}
        assert file.get_tensor("int64").tolist() == [[2**40], [-3]]
        assert file.get_slice("float32").get_shape() == reference.get_slice("float32").get_shape() == [2, 2]
        assert file.get_slice("bfloat16").get_dtype() == "BF16"
        with pytest.raises(KeyError, match=r"'float23' is not in .*; it has 16 tensors, near: float32"):
            file.get_tensor("float23")
    with pytest.raises(ValueError, match="is closed"):
        file.get_tensor("int64")


INDICES = (
    3,
    -1,
    slice(2, 5),
    slice(None, None, 3),
    slice(6, 1, -2),
    slice(4, 2),
    ...,
    (slice(1, 4), 2),
    (0, slice(1, 3)),
    (slice(2, None, 2), slice(None), -1),
    (slice(None), slice(0, 1)),
    ([0, 2],),
)


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_a_part_of_a_tensor_is_what_the_index_takes_of_the_whole(tmp_path: Path, index: object) -> None:
    whole = np.arange(7 * 4 * 3, dtype="int32").reshape(7, 4, 3)
    path = tmp_path / "a.safetensors"
    fl.save({"before": fl.ones(3), "a": fl.asarray(whole)}, path)
    with safetensors.safe_open(path) as file:
        np.testing.assert_array_equal(file.get_slice("a")[index].numpy(), whole[index])


def test_a_part_beyond_the_tensor_is_an_index_error(tmp_path: Path) -> None:
    fl.save({"a": fl.ones((3, 2)), "number": fl.tensor(2.5)}, tmp_path / "a.safetensors")
    with safetensors.safe_open(tmp_path / "a.safetensors") as file:
        with pytest.raises(IndexError, match="index 3 is out of range for 3 rows"):
            file.get_slice("a")[3]
        assert file.get_slice("number")[()].item() == 2.5


def test_a_file_that_another_program_shortens_is_refused_and_never_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    fl.save({"a": fl.ones(100_000)}, path)
    with safetensors.safe_open(path) as file:
        os.truncate(path, 1000)
        with pytest.raises(ValueError, match=r"a: the file ended .* bytes early; another program shortens it"):
            file.get_tensor("a")


def test_a_failed_save_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    fl.save({"a": fl.ones(2)}, path)
    before = path.read_bytes()
    with pytest.raises(TypeError, match="b is a set; tensors, numbers, words"):
        fl.save({"a": fl.zeros(2), "b": {1.0}}, path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_the_name_that_the_format_keeps_for_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a name for a tensor"):
        fl.save({"__metadata__": fl.ones(1)}, tmp_path / "x")


def file_of(header: object, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8), **more: object) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


BAD = {
    "nothing at all": (b"", "even the length of the header takes 8"),
    "seven bytes": (b"1234567", "even the length of the header takes 8"),
    "a header longer than the file": (file_of({}, length=1000), "it was cut off"),
    "a header of exabytes": (file_of({}, length=2**63), "more than the 100000000 allowed"),
    "no JSON": (file_of(b"{'a': 1}"), "is no JSON"),
    "not UTF-8": (file_of(b'{"\xff": 1}'), "not UTF-8 at byte 10"),
    "a list": (file_of([]), "not a map of names"),
    "NaN": (file_of(b'{"a": NaN}'), "NaN, which is no JSON"),
    "deep nesting": (file_of(b"[" * 200_000), "nested too deeply|no JSON"),
    "a name twice": (file_of(b'{"a": {}, "a": {}}'), "'a' stands twice"),
    "a key twice in an entry": (file_of(b'{"a": {"dtype": "F32", "dtype": "F64"}}'), "'dtype' stands twice"),
    "data cut off": (file_of({"a": entry()}, bytes(7)), "lies at bytes 0 to 8, and 7 are there"),
    "data left over": (file_of({"a": entry()}, bytes(9)), "end at byte 8 and 9 bytes are there"),
    "overlap": (file_of({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "b begins at byte 4 and overlaps"),
    "the same bytes twice": (file_of({"a": entry(), "b": entry()}, bytes(8)), "overlaps"),
    "a gap": (file_of({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)), "leaves a gap after byte 8"),
    "negative offsets": (file_of({"a": entry(offsets=(-8, 0))}, bytes(8)), "not negative"),
    "offsets in reverse": (file_of({"a": entry(offsets=(8, 0))}, bytes(8)), "lies at bytes 8 to 0"),
    "three offsets": (file_of({"a": entry(offsets=(0, 4, 8))}, bytes(8)), "two numbers"),
    "offsets that are no numbers": (file_of({"a": entry(offsets=("0", "8"))}, bytes(8)), "two numbers"),
    "a negative size": (file_of({"a": entry(shape=(-2,))}, bytes(8)), "sizes that are not negative"),
    "a size that is true": (file_of({"a": entry(shape=(True, 2))}, bytes(8)), "sizes that are not negative"),
    "a huge shape": (file_of({"a": entry(shape=(2**62, 2**62))}, bytes(8)), "which takes"),
    "a shape beyond 64 bits": (file_of({"a": entry(shape=(2**64,))}, bytes(8)), "sizes that are not negative"),
    "a number of 5,000 digits": (file_of(b'{"a": ' + b"9" * 5000 + b"}"), "no JSON|must have dtype"),
    "shape and bytes differ": (file_of({"a": entry(shape=(3,))}, bytes(8)), "takes 12 bytes, and has 8"),
    "an unknown dtype": (file_of({"a": entry("F31")}, bytes(8)), "which the format does not have"),
    "a dtype of others": (file_of({"a": entry("F8_E4M3", (8,))}, bytes(8)), "which flambeau does not have"),
    "a dtype that is no text": (file_of({"a": entry(["F32"])}, bytes(8)), "which the format does not have"),
    "an extra key": (file_of({"a": entry(more=1)}, bytes(8)), "and nothing else"),
    "an entry that is no map": (file_of({"a": 3}), "must have dtype"),
    "metadata of numbers": (file_of({"__metadata__": {"a": 1}}), "not a map of text to text"),
    "bool bytes of 2": (file_of({"a": entry("BOOL", (8,))}, b"\0\1\2\0\0\0\0\0"), "the byte 2; a bool is 0 or 1"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_is_not_sound_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    content, reason = BAD[case]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    for mmap in (False, True):
        with pytest.raises(ValueError, match=reason) as caught:
            fl.load(path, mmap=mmap)
        assert "bad.safetensors" in str(caught.value)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_gives_tensors_or_a_value_error(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "damaged.safetensors"
    fl.save({"a": fl.ones((2, 3)), "b": fl.tensor([True])}, path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        loaded = fl.load(path)
    except ValueError:
        return
    assert all(isinstance(tensor, fl.Tensor) for tensor in loaded.values())


def test_a_missing_file_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        fl.load("/nowhere/at/all.safetensors")


@pytest.mark.parametrize("index", [slice(0, 0), slice(3, 1), (slice(0, 0), 1), slice(0, 2), 1])
def test_parts_and_empty_parts_come_to_the_device_that_was_asked_for(tmp_path: Path, index: object) -> None:
    path = tmp_path / "x.safetensors"
    x = fl.arange(12).reshape((4, 3))
    fl.save({"x": x}, path)
    with safetensors.safe_open(path, device="reference") as file:
        part = file.get_slice("x")[index]
    assert (str(part.device), part.dtype) == ("reference", x.dtype)
    assert (part.shape, part.tolist()) == (x[index].shape, x[index].tolist())


def test_a_closed_file_says_that_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    fl.save({"x": fl.ones((2, 2))}, path)
    with safetensors.safe_open(path) as file:
        part = file.get_slice("x")
    for read in (lambda: file.get_tensor("x"), lambda: part[0], lambda: part[0:0], lambda: part[[0]]):
        with pytest.raises(ValueError, match=r"x\.safetensors' is closed"):
            read()
    assert (file.keys(), part.get_shape()) == (["x"], [2, 2])
