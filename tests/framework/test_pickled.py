"""Reading PyTorch's files: what it writes comes back, and nothing that a file holds is run or believed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flambeau as fl
import pytest
from flambeau import nn
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.framework.beside_torch import torch


@pytest.mark.torch
def test_a_state_dict_of_pytorch_is_read(tmp_path: Path) -> None:
    module = torch()
    net = module.nn.Sequential(module.nn.Linear(3, 4), module.nn.BatchNorm1d(4))
    module.save(net.state_dict(), tmp_path / "net.pt")
    found = fl.load_pt(tmp_path / "net.pt")
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in net.state_dict().items()
    }
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    assert repr(ours.load_state_dict(found)) == "<All keys matched successfully>"


@pytest.mark.torch
def test_every_dtype_views_and_nesting_come_back(tmp_path: Path) -> None:
    module = torch()
    base = module.arange(24.0).reshape(4, 6)
    saved = {
        "turned": base.T,
        "part": base[1:3, ::2],
        "empty": module.zeros(0, 3),
        "number": module.tensor(2.5),
        "parameter": module.nn.Parameter(base[0].clone()),
        "list": [1, 2.5, "word", None, True, (module.ones(1),)],
        **{
            str(dtype): module.tensor([0, 1, 3]).to(dtype)
            for dtype in (module.float16, module.bfloat16, module.float64, module.int64, module.int32, module.bool)
        },
    }
    numbers = module.tensor([1 + 2j, 3 - 1j])
    saved |= {
        "expanded": module.arange(3.0).expand(4, 3),
        "conjugates": numbers.conj(),
        "negatives": numbers.clone().conj().imag,
        **{str(dtype): module.tensor([0, 1, 3]).to(dtype) for dtype in (module.uint8, module.uint16, module.uint64)},
        "rest": [module.Size([2, 3]), module.float16, module.device("cpu"), Counter({3: 1})],
    }
    module.save(saved, tmp_path / "a.pt")
    found = fl.load_pt(tmp_path / "a.pt")
    assert found["rest"] == [(2, 3), fl.float16, "cpu", {3: 1}]
    assert list(found) == list(saved)
    for name, value in saved.items():
        if isinstance(value, module.Tensor):
            assert found[name].tolist() == value.tolist(), name
            assert str(value.dtype).removeprefix("torch.") == found[name].dtype.name
    assert found["list"][:5] == [1, 2.5, "word", None, True]
    assert found["list"][5][0].tolist() == [1.0]


def archive(path: Path, program: bytes, members: dict[str, bytes] | None = None, **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        file.writestr("a/data.pkl", program)
        for name, data in (members or {}).items():
            file.writestr(name, data)
    return path


class Storage:
    """Pickles as one of PyTorch's."""

    def __init__(self, key: Any = "0", count: Any = 4, kind: str = "FloatStorage") -> None:
        self.pid = ("storage", Named("torch", kind), key, "cpu", count)


class Named:
    """Pickles as a name in a module."""

    def __init__(self, module: str, name: str) -> None:
        self.told = module, name


class Call:
    """Pickles as a call of a name."""

    def __init__(self, function: Named, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


def written(value: Any) -> bytes:
    """A pickle of protocol 2 in which the stand-ins above are what they say."""
    return b"\x80\x02" + _parts(value) + b"."


def _parts(value: Any) -> bytes:
    if isinstance(value, Named):
        return b"c" + "\n".join(value.told).encode() + b"\n"
    if isinstance(value, Storage):
        return _parts(value.pid) + b"Q"
    if isinstance(value, Call):
        return _parts(value.function) + _parts(value.arguments) + b"R"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_parts, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(_parts(key) + _parts(inner) for key, inner in value.items()) + b"u"
    return pickle.dumps(value, 2)[2:-1]


REBUILD = Named("torch._utils", "_rebuild_tensor_v2")


def tensor(storage: Any = None, offset: Any = 0, shape: Any = (4,), strides: Any = (1,)) -> Call:
    return Call(REBUILD, storage or Storage(), offset, shape, strides, False, None)


FOUR = {"a/data/0": bytes(16)}


def test_the_pickles_of_these_tests_are_read_when_they_are_good(tmp_path: Path) -> None:
    assert fl.load_pt(archive(tmp_path / "a.pt", written({"w": tensor()}), FOUR))["w"].tolist() == [0.0] * 4


HOSTILE = [
    (written(Call(Named("os", "system"), "touch hostile")), r"asks for os\.system, which is not needed"),
    (written(Call(Named("builtins", "eval"), "1")), r"asks for builtins\.eval"),
    (written(Call(Named("torch", "load"), "x")), r"asks for torch\.load"),
    (written({"w": tensor(shape=(5,))}), "larger than its storage of 4"),
    (written({"w": tensor(shape=(2,), strides=(4,))}), "goes beyond its storage"),
    (written({"w": tensor(offset=1)}), "goes beyond its storage"),
    (written({"w": tensor(offset=-1)}), "where a size is needed"),
    (written({"w": tensor(shape=(-1,))}), "where a size is needed"),
    (written({"w": tensor(shape=(2**70,))}), "where a size is needed"),
    (written({"w": tensor(shape=(2**40, 2**40), strides=(0, 0))}), "larger than its storage"),
    (written({"w": tensor(shape=(2, 2))}), "2 sizes and 1 strides"),
    (written({"w": tensor(storage=Storage(count=2**40))}), "16 bytes, and"),
    (written({"w": tensor(storage=Storage(key="../../etc/passwd"))}), "a name that is none"),
    (written({"w": tensor(storage=Storage(key="1"))}), "storage 1 is missing"),
    (written({"w": tensor(), "v": tensor(storage=Storage(kind="IntStorage"))}), "told in two ways"),
    (written({"w": Call(REBUILD, Storage(kind="BoolStorage", count=16), 0, (4,), (1,), False, None, {"neg": True})}),
     "bools is told to hold negatives"),
    (written({"w": Storage()}), "holds a Storage by itself"),
    (written({"w": Named("torch", "FloatStorage")}), "holds a Kind by itself"),
    (written({"w": Call(Named("torch._utils", "_rebuild_parameter"), 3, True, None)}), "without a tensor"),
    (written(Call(Named("collections", "OrderedDict"), 3)), "makes no sense"),
    (pickle.dumps({1, 2}, 4), "which state dicts do not need"),
    (b"\x80\x02K\x01r\xff\xff\xff\x7f.", "puts something at place"),
    (b"\x80\x02]q\x00h\x00a.", "nested deeper"),
    (b"\x80\x02" + b"(" * 100_000 + b".", "makes no sense"),
    (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "nested deeper"),
    (b"\x80\x02}(K\x01", "damaged"),
    (b"", "damaged"),
    (b"\xff\xff\xff", "damaged"),
]


@pytest.mark.parametrize(("program", "message"), HOSTILE)
def test_a_hostile_pickle_is_a_value_error_and_nothing_runs(program: bytes, message: str, tmp_path: Path) -> None:
    before = os.listdir(".")
    with pytest.raises(ValueError, match=message):
        fl.load_pt(archive(tmp_path / "a.pt", program, FOUR))
    assert os.listdir(".") == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"nothing"), "is not a zip archive"),
        (lambda path: archive(path, written({"w": tensor()}), FOUR, compression=zipfile.ZIP_DEFLATED), "compressed"),
        (lambda path: archive(path, written(1), {"b/data.pkl": b""}), "2 members"),
        (lambda path: archive(path, written(1), {"a/byteorder": b"big"}), "little-endian"),
    ],
)
def test_an_archive_that_is_not_pytorchs_is_a_value_error(
    make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    make(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=message):
        fl.load_pt(tmp_path / "a.pt")


def good() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a/data.pkl", written(OrderedDict({"w": tensor(), "n": (1, 2.5, "x")})))
        file.writestr("a/data/0", bytes(range(16)))
    return stream.getvalue()


GOOD = good()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.booleans())
def test_any_byte_may_be_wrong_or_the_file_end_anywhere(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, cut: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "spoiled.pt"
    path.write_bytes(GOOD[:place] if cut else GOOD[:place] + bytes([byte]) + GOOD[place + 1 :])
    try:
        fl.load_pt(path)
    except ValueError as error:
        told = str(error)
    else:
        told = "load_pt: it was still good"
    assert told.startswith("load_pt: ")


def test_a_file_that_cannot_be_opened_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"typo\.pt"):
        fl.load_pt(tmp_path / "typo.pt")
    with pytest.raises(IsADirectoryError):
        fl.load_pt(tmp_path)
