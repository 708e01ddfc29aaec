"""The difference of a change as its page shows it: numbered files, lines with anchors, and who said what where."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.contributions.diffs import Diff, FileDiff, Hunk, Line

SHOWN_LINES_A_FILE = 1_500
OPEN_LINES = 4_000

_ANCHOR = re.compile(r"(\d{1,6})([on])(\d{1,8})")


@dataclass(frozen=True)
class Place:
    """A line of a difference: the path on that side, the side (old or new) and the line's number there."""

    path: str
    side: str
    line: int


class Placed(Protocol):
    """Something said at a place."""

    @property
    def place(self) -> Place | None: ...


@dataclass(frozen=True)
class ShownLine:
    css: str
    text: str
    old_number: int | None
    new_number: int | None
    anchor: str
    words: tuple[Placed, ...]


@dataclass(frozen=True)
class ShownHunk:
    title: str
    lines: tuple[ShownLine, ...]


@dataclass(frozen=True)
class ShownFile:
    """A file ready for the page; `note` says why its lines are not there, where they are not."""

    number: int
    path: str
    old_path: str
    status: str
    added: int
    deleted: int
    module: str | None
    is_open: bool
    note: str
    hunks: tuple[ShownHunk, ...]


def place_of(diff: Diff, anchor: str) -> Place | None:
    """The place that an anchor names; None unless that very line is in the difference."""
    match = _ANCHOR.fullmatch(anchor)
    if match is None or int(match[1]) >= len(diff.files):
        return None
    file, number = diff.files[int(match[1])], int(match[3])
    for hunk in file.hunks:
        for line in hunk.lines:
            if _side(line) == match[2] and _number(line) == number:
                return _place(file, line)
    return None


def anchors(diff: Diff) -> dict[Place, str]:
    """Each line's place with its anchor."""
    return {
        _place(file, line): _anchor(index, line)
        for index, file in enumerate(diff.files)
        for hunk in file.hunks
        for line in hunk.lines
    }


def show(diff: Diff, *, modules: Mapping[str, str | None], words: Iterable[Placed]) -> list[ShownFile]:
    """The files of a difference for the page; long ones are folded, very long ones cut."""
    said: dict[Place, list[Placed]] = defaultdict(list)
    for word in words:
        if word.place is not None:
            said[word.place].append(word)
    shown, total = [], 0
    for index, file in enumerate(diff.files):
        lines = sum(len(hunk.lines) for hunk in file.hunks)
        total += lines
        shown.append(
            ShownFile(
                number=index,
                path=file.path,
                old_path=file.old_path,
                status=file.status,
                added=file.added,
                deleted=file.deleted,
                module=modules.get(file.path),
                is_open=lines <= SHOWN_LINES_A_FILE // 3 and total <= OPEN_LINES,
                note=_note(file, lines, is_cut=diff.is_cut),
                hunks=_hunks(index, file, said),
            )
        )
    return shown


def _hunks(index: int, file: FileDiff, said: Mapping[Place, Sequence[Placed]]) -> tuple[ShownHunk, ...]:
    shown, room = [], SHOWN_LINES_A_FILE
    for hunk in file.hunks:
        if room <= 0:
            break
        lines = tuple(_line(index, file, line, said) for line in hunk.lines[:room])
        room -= len(lines)
        shown.append(ShownHunk(_title(hunk), lines))
    return tuple(shown)


def _line(index: int, file: FileDiff, line: Line, said: Mapping[Place, Sequence[Placed]]) -> ShownLine:
    css = {"+": "added", "-": "deleted"}.get(line.kind, "same")
    text = line.kind + line.text + ("  ⏎ missing at the end" if line.ends_without_newline else "")
    words = tuple(said.get(_place(file, line), ()))
    return ShownLine(css, text, line.old_number, line.new_number, _anchor(index, line), words)


def _title(hunk: Hunk) -> str:
    return f"@@ {hunk.old_start} → {hunk.new_start} @@ {hunk.section}".strip()


def _note(file: FileDiff, lines: int, *, is_cut: bool) -> str:
    if file.is_submodule:
        return "A submodule: it points at another commit of another repository."
    if file.is_binary:
        return "A binary file: its content is not shown."
    if lines > SHOWN_LINES_A_FILE:
        return f"{lines} lines of difference; the first {SHOWN_LINES_A_FILE} are shown."
    if not file.hunks and is_cut:
        return "The difference is too long to show; look at this file in a clone."
    if not file.hunks:
        return f"No line changed ({file.status}, mode {file.old_mode} → {file.new_mode})."
    return ""


def _side(line: Line) -> str:
    return "o" if line.kind == "-" else "n"


def _number(line: Line) -> int:
    return (line.old_number if line.kind == "-" else line.new_number) or 0


def _place(file: FileDiff, line: Line) -> Place:
    old = line.kind == "-"
    return Place(file.old_path if old else file.path, "old" if old else "new", _number(line))


def _anchor(index: int, line: Line) -> str:
    return f"{index}{_side(line)}{_number(line)}"
