"""What one process made and put on the shelf, every other finds: whole, under the same standing, and fresh."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import shelf as shelves
from app.shelf import Kept, Shelf

PAGE = Kept({"type": "text/html"}, b"<p>a page</p>\nof two lines\n")
OTHER_PROCESS = """
import sys
from pathlib import Path
from app.shelf import Kept, Shelf
shelf = Shelf(Path(sys.argv[1]))
found = shelf.find(("page", "/a"), (1, "head"), fresh_s=60)
print(found.words["type"], found.body)
shelf.keep(("page", "/b"), (1, "head"), Kept({}, b"from there"))
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_two_processes_find_what_the_other_put_there(shelf: Shelf):
    shelf.keep(("page", "/a"), (1, "head"), PAGE)
    told = subprocess.run([sys.executable, "-c", OTHER_PROCESS, str(shelf.folder)], check=True, capture_output=True,
                          text=True)  # fmt: skip
    assert told.stdout == f"text/html {PAGE.body!r}\n"
    assert shelf.find(("page", "/b"), (1, "head"), fresh_s=60) == Kept({}, b"from there")


def test_nothing_is_found_at_another_place_or_under_another_standing(shelf: Shelf):
    shelf.keep(("page", "/a"), (1, "head"), PAGE)
    assert shelf.find(("page", "/a"), (1, "head"), fresh_s=60) == PAGE
    for place, under in ((("page", "/b"), (1, "head")), (("page", "/a"), (2, "head")), (("page", "/a"), (1, "daeh"))):
        assert shelf.find(place, under, fresh_s=60) is None


def test_whoever_finds_it_old_makes_it_anew_and_meanwhile_the_others_are_given_it(shelf: Shelf):
    shelf.keep("a", 1, PAGE)
    (file,) = shelf.folder.iterdir()
    for wrong_by in (-61, 30):  # old, or from a clock that went back
        os.utime(file, (time.time() + wrong_by,) * 2)
        assert [shelf.find("a", 1, fresh_s=60) for _ in range(3)] == [None, PAGE, PAGE]


def test_a_file_that_somebody_broke_is_nothing(shelf: Shelf):
    shelf.keep("a", 1, PAGE)
    (file,) = shelf.folder.iterdir()
    whole = file.read_bytes()
    other = Shelf(shelf.folder, secret=b"of another portal")
    assert other.find("a", 1, fresh_s=60) is None
    words = whole.replace(b"text/html", b"text/path")
    for broken in (b"", b"\n", b"{}\n", b"[1]\n", whole[:20], b"\xff" + whole, whole[:-1], whole + b"x", words,
                   b"[" * 200_000 + b"\n", b'{"signed": ' + b"1" * 100_000):  # fmt: skip
        file.write_bytes(broken)
        assert shelf.find("a", 1, fresh_s=60) is None


def test_where_it_cannot_be_put_it_is_not_kept(tmp_path: Path):
    shelf = Shelf(tmp_path / "nowhere" / "pages")
    shelf.tidy()
    shelf.keep("a", 1, PAGE)
    assert shelf.find("a", 1, fresh_s=60) is None
    assert not list(tmp_path.iterdir())


def test_what_is_old_goes_and_the_oldest_where_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shelves, "_TIDY_EVERY_S", float("inf"))
    shelf = Shelf(tmp_path, most=5, most_bytes=1500)
    for number in range(8):
        shelf.keep(number, 1, Kept({}, b"x" * 100))
        os.utime(shelf._path(number), (time.time() - 1000 + number,) * 2)
    os.utime(shelf._path(7), (time.time() - shelves.OLDEST_S - 1,) * 2)
    (tmp_path / "draft-of-a-killed-process").touch()
    os.utime(tmp_path / "draft-of-a-killed-process", (0, 0))
    Shelf(tmp_path, most=5, most_bytes=1500).tidy()
    there = [number for number in range(8) if shelf._path(number).exists()]
    assert there == [2, 3, 4, 5, 6]
    assert len(list(tmp_path.iterdir())) == 5
    Shelf(tmp_path, most=5, most_bytes=600).tidy()
    assert sorted(path for path in tmp_path.iterdir()) == sorted(shelf._path(number) for number in (5, 6))
