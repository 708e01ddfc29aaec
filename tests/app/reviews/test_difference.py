"""The difference on a change's page: anchors that name lines, and words that stand beside them."""

from dataclasses import dataclass

import pytest

from app.contributions.diffs import Diff, FileDiff, Hunk, Line
from app.reviews.difference import SHOWN_LINES_A_FILE, Place, anchors, place_of, show

LINES = (Line(" ", "one", 1, 1), Line("-", "two", 2, None), Line("+", "zwei", None, 2), Line(" ", "three", 3, 3))
RENAMED = FileDiff("new.txt", "old.txt", "renamed", "100644", "100644", False, (Hunk(1, 1, "f()", LINES),))
DIFF = Diff((RENAMED,))


@dataclass(frozen=True)
class Word:
    place: Place | None


def test_every_line_has_an_anchor_that_leads_back_to_its_place():
    for place, anchor in anchors(DIFF).items():
        assert place_of(DIFF, anchor) == place
    assert place_of(DIFF, "0o2") == Place("old.txt", "old", 2)
    assert place_of(DIFF, "0n2") == Place("new.txt", "new", 2)


@pytest.mark.parametrize("anchor", ["", "0n99", "1n1", "0x1", "../0n1", "0o1", "9999999n1"])
def test_an_anchor_that_names_no_line_of_the_difference_is_no_place(anchor):
    assert place_of(DIFF, anchor) is None


def test_a_word_stands_at_its_line_and_nowhere_else():
    word = Word(Place("old.txt", "old", 2))
    lines = show(DIFF, modules={}, words=[word, Word(None)])[0].hunks[0].lines
    assert [len(line.words) for line in lines] == [0, 1, 0, 0]


def test_a_very_long_file_is_cut_and_says_so():
    many = tuple(Line("+", "x", None, n) for n in range(1, SHOWN_LINES_A_FILE + 100))
    file = FileDiff("a", "a", "added", "000000", "100644", False, (Hunk(0, 1, "", many),))
    shown = show(Diff((file,)), modules={}, words=[])[0]
    assert len(shown.hunks[0].lines) == SHOWN_LINES_A_FILE
    assert str(SHOWN_LINES_A_FILE) in shown.note
    assert not shown.is_open


def test_binary_files_submodules_and_mode_changes_say_what_they_are():
    def note(**changes):
        values = {"path": "a", "old_path": "a", "status": "modified", "old_mode": "100644", "new_mode": "100755",
                  "is_binary": False, "hunks": ()} | changes  # fmt: skip
        return show(Diff((FileDiff(**values),)), modules={}, words=[])[0].note

    assert "mode 100644 → 100755" in note()
    assert "binary" in note(is_binary=True)
    assert "submodule" in note(new_mode="160000")
