"""YAML as plain values together with the line of every key, so that a problem can say where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """What is wrong in which file at which key (and line). A warning stops nothing."""

    file: str
    key: str
    line: int
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        at = f" {self.key}:" if self.key else ""
        return f"{place}:{at} {'warning: ' if self.is_warning else ''}{self.text}"


def key_text(path: Sequence[str | int]) -> str:
    """A path as people write it.

    >>> key_text(("rules", 2, "meeting"))
    'rules[2].meeting'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


class Lines:
    """Where each key stands; a key that is missing is looked for at its parent."""

    def __init__(self) -> None:
        self._lines: dict[Path, int] = {}

    def put(self, path: Path, line: int) -> None:
        """Remember the line of a key."""
        self._lines[path] = line

    def of(self, path: Sequence[str | int]) -> int:
        """The line of the key, or of the nearest thing that holds it; 0 if there is none."""
        at = tuple(path)
        while at and at not in self._lines:
            at = at[:-1]
        return self._lines.get(at, 0)


def load(file: str, text: str) -> tuple[Any, Lines, list[Problem]]:
    """The values of a YAML text, the line of each key, and problems: unreadable text, duplicated keys, aliases."""
    try:
        return _load(file, text)
    except RecursionError:
        return None, Lines(), [Problem(file, "", 1, "this is nested without end; write it flatter")]


def _load(file: str, text: str) -> tuple[Any, Lines, list[Problem]]:
    lines, problems = Lines(), []
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        problems.append(Problem(file, "", mark.line + 1 if mark else 0, f"this is no YAML: {error.problem}"))
        return None, lines, problems
    except yaml.YAMLError as error:
        problems.append(Problem(file, "", 0, f"this is no YAML: {error}"))
        return None, lines, problems
    if node is None:
        problems.append(Problem(file, "", 0, "the file is empty"))
        return None, lines, problems
    constructor = yaml.SafeLoader("")
    try:
        return _walk(node, (), file, lines, problems, constructor, set()), lines, problems
    finally:
        constructor.dispose()


def _walk(
    node: yaml.Node, path: Path, file: str, lines: Lines, problems: list[Problem], constructor: Any, seen: set[int]
) -> Any:
    line = node.start_mark.line + 1
    lines.put(path, line)
    if not isinstance(node, yaml.ScalarNode):
        if id(node) in seen:
            problems.append(Problem(file, key_text(path), line, "aliases (*name) are not used here; write it out"))
            return None
        seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [
            _walk(item, (*path, number), file, lines, problems, constructor, seen)
            for number, item in enumerate(node.value)
        ]
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(getattr(key_node, "value", "")) if isinstance(key_node, yaml.ScalarNode) else ""
            at = key_node.start_mark.line + 1
            if not key:
                problems.append(Problem(file, key_text(path), at, "a key is a plain word"))
                continue
            if key in values:
                first = lines.of((*path, key))
                problems.append(
                    Problem(file, key_text((*path, key)), at, f"the key is there twice (first on line {first})")
                )
                continue
            values[key] = _walk(value_node, (*path, key), file, lines, problems, constructor, seen)
            lines.put((*path, key), at)
        return values
    try:
        return constructor.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problems.append(Problem(file, key_text(path), line, f"{node.value!r} cannot be read: {error}"))
        return None
