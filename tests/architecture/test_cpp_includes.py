"""The native core's walls: which folder of csrc/ may include which."""

import re
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
OURS = ("core", "ops", "autograd", "graph", "compile", "bindings", "backends")
MAY_INCLUDE = {
    "core": {"core"},
    "ops": {"ops", "core"},
    "autograd": {"autograd", "core", "ops"},
    "graph": {"graph", "core", "ops"},
    "compile": {"compile", "graph", "core", "ops"},
    "bindings": set(OURS) - {"backends"},
}
SOURCES = sorted(path for path in CSRC.rglob("*") if path.suffix in {".h", ".c", ".cpp", ".inc"})


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), flags=re.MULTILINE)


def room_of(path: Path) -> str:
    return path.relative_to(CSRC).parts[0]


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) in MAY_INCLUDE], ids=lambda p: p.name)
def test_a_room_includes_only_rooms_below_it(path):
    for name in includes(path):
        room = name.split("/")[0]
        if room in OURS:
            assert room in MAY_INCLUDE[room_of(path)], f"{path.relative_to(CSRC)} includes {name}"


@pytest.mark.parametrize("path", [p for p in SOURCES if room_of(p) == "backends"], ids=lambda p: p.name)
def test_a_backend_sees_the_public_header_and_itself(path):
    own = CSRC / "backends" / path.relative_to(CSRC).parts[1]
    for name in includes(path):
        if name == "flambeau/backend.h":
            continue
        assert name.split("/")[0] not in (*OURS, "flambeau"), f"{path.relative_to(CSRC)} includes {name}"
        if (path.parent / name).exists():
            assert (path.parent / name).resolve().is_relative_to(own), f"{path.relative_to(CSRC)} includes {name}"


def test_only_the_bindings_know_python():
    for path in SOURCES:
        knows = [n for n in includes(path) if n == "Python.h" or n.startswith("pybind11")]
        assert not knows or room_of(path) == "bindings", path


def test_the_public_header_is_plain_c_on_its_own():
    names = includes(CSRC / "include" / "flambeau" / "backend.h")
    assert set(names) == {"stddef.h", "stdint.h"}


def test_autograd_and_graph_name_no_device():
    for path in SOURCES:
        if room_of(path) in {"autograd", "graph", "ops"}:
            assert not re.search(r'"(cpu|reference|webgpu|cuda)[":]', path.read_text()), path
