"""Wheels and source distributions are looked into as if strangers had made them."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from app.index import distributions
from app.index.distributions import BadDistributionError, inspect
from tests.app.index import samples


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
    return member


def test_a_sound_wheel_tells_its_name_version_and_metadata(tmp_path: Path):
    path = samples.wheel(tmp_path)
    found = inspect(path, path.name)
    assert (found.kind, found.name, found.version, found.requires_python) == ("wheel", "flambeau", "0.1.0", ">=3.9")
    assert found.metadata.startswith(b"Metadata-Version")


def test_a_sound_sdist_tells_the_same(tmp_path: Path):
    links = [_member("flambeau-0.1.0/a/b"), _member("flambeau-0.1.0/a/link", tarfile.SYMTYPE, "../a/b")]
    path = samples.sdist(tmp_path, members=links)
    assert inspect(path, path.name).kind == "sdist"


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        ({"told": samples.metadata("numpy")}, "its metadata names 'numpy', its file name 'flambeau'"),
        ({"told": samples.metadata(version="9.9")}, "its metadata says version 9.9, its file name 0.1.0"),
        ({"told": "Metadata-Version: 2.1\n"}, "its metadata is not valid"),
        ({"unlisted": {"evil.py": b"x"}}, "'evil.py' is not in its RECORD"),
        ({"files": {"../evil.py": b"x"}}, "has a path that leaves the archive"),
        ({"files": {"/evil.py": b"x"}}, "has a path that is not plain"),
        ({"files": {"a\\evil.py": b"x"}}, "has a path that is not plain"),
        ({"files": {"FLAMBEAU.py": b"x"}}, "is there twice"),
        ({"files": {"other-1.dist-info/METADATA": b"x"}}, "it has 2 .dist-info folders"),
        ({"told_tag": "cp311-cp311-linux_x86_64"}, "its WHEEL file tells other tags"),
        ({"filename": "flambeau-0.1.0.whl"}, "Invalid wheel filename"),
        ({"filename": "numpy-0.1.0-py3-none-any.whl"}, "is of another project or version"),
        ({"filename": "flambeau-0.1.0.zip"}, "only wheels"),
    ],
)
def test_a_spoiled_wheel_is_refused_with_its_problem(tmp_path: Path, spoiled, why):
    path = samples.wheel(tmp_path, **spoiled)
    with pytest.raises(BadDistributionError) as caught:
        inspect(path, path.name)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("member", "why"),
    [
        (_member("flambeau-0.1.0/../../evil"), "leaves the archive"),
        (_member("/evil"), "not plain"),
        (_member("other/evil"), "lies outside flambeau-0.1.0/"),
        (_member("flambeau-0.1.0/link", tarfile.SYMTYPE, "/etc/passwd"), "is a link that leaves"),
        (_member("flambeau-0.1.0/link", tarfile.SYMTYPE, "../../etc"), "is a link that leaves"),
        (_member("flambeau-0.1.0/link", tarfile.LNKTYPE, "../evil"), "is a link that leaves"),
        (_member("flambeau-0.1.0/pipe", tarfile.FIFOTYPE), "neither file, folder nor link"),
    ],
)
def test_a_spoiled_sdist_is_refused_with_its_problem(tmp_path: Path, member, why):
    path = samples.sdist(tmp_path, members=[member])
    with pytest.raises(BadDistributionError) as caught:
        inspect(path, path.name)
    assert why in str(caught.value)


def test_bombs_are_refused_before_they_unfold(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(distributions, "MOST_BYTES_UNPACKED", 1 << 20)
    bomb = samples.wheel(tmp_path, files={"zeros": bytes(2 << 20)})
    with pytest.raises(BadDistributionError, match="unpacks to"):
        inspect(bomb, bomb.name)
    big = _member("flambeau-0.1.0/zeros")
    big.size = 2 << 20
    bomb = samples.sdist(tmp_path, members=[big])
    with pytest.raises(BadDistributionError, match="unpacks to more than"):
        inspect(bomb, bomb.name)


def test_a_wheel_that_lies_about_its_sizes_is_refused(tmp_path: Path):
    path = samples.wheel(tmp_path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        offset = archive.infolist()[0].header_offset
    data[offset + 40 : offset + 44] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(BadDistributionError):
        inspect(path, path.name)


@pytest.mark.parametrize("name", ["../a-1-py3-none-any.whl", "a/b-1-py3-none-any.whl", "a\x00-1-py3-none-any.whl"])
def test_a_file_name_with_a_path_in_it_is_refused(tmp_path: Path, name):
    with pytest.raises(BadDistributionError, match="not a plain file name"):
        inspect(samples.wheel(tmp_path), name)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04garbage", b"\x1f\x8bgarbage"])
@pytest.mark.parametrize("name", ["flambeau-0.1.0-py3-none-any.whl", "flambeau-0.1.0.tar.gz"])
def test_garbage_is_a_sentence_not_a_crash(tmp_path: Path, data, name):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadDistributionError, match="cannot be"):
        inspect(tmp_path / name, name)


def test_a_wheel_with_a_spoiled_stream_is_refused_with_a_sentence(tmp_path: Path):
    path = samples.wheel(tmp_path, files={"big.txt": bytes(range(256)) * 40})
    with zipfile.ZipFile(path) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("big.txt")
    start = info.header_offset + 30 + len("big.txt")
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    with pytest.raises(BadDistributionError, match="cannot be read"):
        inspect(path, path.name)


def test_a_wheel_packed_in_an_unheard_of_way_is_refused_with_a_sentence(tmp_path: Path):
    path = samples.wheel(tmp_path)
    data = path.read_bytes()
    # The method of packing, in each local header and each line of the directory.
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        parts = data.split(mark)
        data = mark.join([parts[0], *(part[: place - 4] + b"\x63\x00" + part[place - 2 :] for part in parts[1:])])
    path.write_bytes(data)
    with pytest.raises(BadDistributionError, match="cannot be read"):
        inspect(path, path.name)


def test_an_sdist_whose_header_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(distributions, "MOST_METADATA_BYTES", 4096)
    member = _member("flambeau-0.1.0/" + "a/" * 4000 + "b")
    path = samples.sdist(tmp_path, members=[member])
    with pytest.raises(BadDistributionError, match="the header of a member is larger than 4096 bytes"):
        inspect(path, path.name)
