"""Reads what `git diff -z --raw --patch` prints into files, hunks and numbered lines; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_STATUS = {"A": "added", "M": "modified", "D": "deleted", "R": "renamed", "C": "copied", "T": "type changed"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk: kind is " ", "+" or "-"; the number is None on the side that lacks the line."""

    kind: str
    text: str
    old_number: int | None
    new_number: int | None
    ends_without_newline: bool = False


@dataclass(frozen=True, slots=True)
class Hunk:
    """A run of changed lines with its surroundings; `section` is git's guess at the enclosing function."""

    old_start: int
    new_start: int
    section: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file's change; `old_path` differs from `path` where it was renamed or copied."""

    path: str
    old_path: str
    status: str
    old_mode: str
    new_mode: str
    is_binary: bool
    hunks: tuple[Hunk, ...]

    @property
    def added(self) -> int:
        return sum(line.kind == "+" for hunk in self.hunks for line in hunk.lines)

    @property
    def deleted(self) -> int:
        return sum(line.kind == "-" for hunk in self.hunks for line in hunk.lines)

    @property
    def is_submodule(self) -> bool:
        return "160000" in (self.old_mode, self.new_mode)


@dataclass(frozen=True, slots=True)
class Diff:
    """All files of a difference; `is_cut` says that it was too long and the last files lack their lines."""

    files: tuple[FileDiff, ...] = field(default=())
    is_cut: bool = False

    @property
    def added(self) -> int:
        return sum(file.added for file in self.files)

    @property
    def deleted(self) -> int:
        return sum(file.deleted for file in self.files)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that the difference touches, before and after."""
        return tuple(sorted({path for file in self.files for path in (file.path, file.old_path)}))


def read_diff(output: bytes, *, is_cut: bool = False) -> Diff:
    """Files and hunks of `git diff -z --raw --patch` (the raw part names the files, the patch has their lines)."""
    raws, patch = _split_raw(output)
    sections = _sections(patch)
    files, position = [], 0
    for modes, paths in raws:
        old_mode, new_mode, _, _, letter = modes.decode("ascii").lstrip(":").split(" ")
        # A change of type (a file that becomes a link) is printed as a deletion followed by a creation.
        count = 2 if letter[0] == "T" else 1
        own = sections[position : position + count]
        position += count
        names = [path.decode("utf-8", "backslashreplace") for path in paths]
        files.append(
            FileDiff(
                path=names[-1],
                old_path=names[0],
                status=_STATUS.get(letter[0], "modified"),
                old_mode=old_mode,
                new_mode=new_mode,
                is_binary=any(_is_binary(lines) for lines in own),
                hunks=tuple(hunk for lines in own for hunk in _hunks(lines)),
            )
        )
    return Diff(tuple(files), is_cut=is_cut)


def _split_raw(output: bytes) -> tuple[list[tuple[bytes, list[bytes]]], bytes]:
    raws: list[tuple[bytes, list[bytes]]] = []
    position = 0
    while output.startswith(b":", position):
        fields, position = [], position
        for _ in range(3 if _letter(output, position) in b"RC" else 2):
            end = output.find(b"\0", position)
            if end < 0:
                return raws, b""
            fields.append(output[position:end])
            position = end + 1
        raws.append((fields[0], fields[1:]))
    return raws, output[position:].lstrip(b"\0")


def _letter(output: bytes, position: int) -> bytes:
    end = output.find(b"\0", position)
    modes = output[position : end if end >= 0 else len(output)]
    return modes[modes.rindex(b" ") + 1 :][:1] or b"M"


def _sections(patch: bytes) -> list[list[bytes]]:
    # Within a hunk every line begins with a space, "+", "-" or "\", so this prefix only ever opens a file.
    sections: list[list[bytes]] = []
    for line in patch.split(b"\n"):
        if line.startswith(b"diff --git "):
            sections.append([])
        elif sections:
            sections[-1].append(line)
    return sections


def _is_binary(lines: list[bytes]) -> bool:
    head = next((index for index, line in enumerate(lines) if line.startswith(b"@@ ")), len(lines))
    return any(line.startswith((b"Binary files ", b"GIT binary patch")) for line in lines[:head])


def _hunks(lines: list[bytes]) -> list[Hunk]:
    hunks: list[Hunk] = []
    index = 0
    while index < len(lines):
        match = _HUNK.fullmatch(lines[index].rstrip(b"\r")) or _HUNK.match(lines[index])
        index += 1
        if match is None:
            continue
        old, old_left = int(match[1]), int(match[2] or 1)
        new, new_left = int(match[3]), int(match[4] or 1)
        start = (old, new)
        found: list[Line] = []
        while index < len(lines) and (old_left or new_left or lines[index].startswith(b"\\")):
            kind, text = lines[index][:1].decode("latin-1"), lines[index][1:].decode("utf-8", "replace")
            index += 1
            if kind not in (" ", "+", "-", "\\"):
                break  # the output was cut here
            if kind == "\\":
                found[-1] = Line(found[-1].kind, found[-1].text, found[-1].old_number, found[-1].new_number, True)
                continue
            found.append(Line(kind, text, old if kind != "+" else None, new if kind != "-" else None))
            old, old_left = (old + 1, old_left - 1) if kind != "+" else (old, old_left)
            new, new_left = (new + 1, new_left - 1) if kind != "-" else (new, new_left)
        hunks.append(Hunk(*start, match[5].decode("utf-8", "replace"), tuple(found)))
    return hunks
