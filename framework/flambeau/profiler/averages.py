"""Sums over the events of a profile that have one name, and their table."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import overload

from flambeau.memory import bytes_text
from flambeau.profiler.events import Event, Record

_SORTS = (
    "cpu_time", "cpu_time_total", "self_cpu_time_total", "cpu_memory_usage", "self_cpu_memory_usage", "count", "key",
)  # fmt: skip


@dataclass
class Average:
    """Events of one name. Times in microseconds, as PyTorch has them; memory in bytes, what stayed allocated."""

    key: str
    category: str
    count: int = 0
    cpu_time_total: float = 0.0  # with what ran inside; an event inside one of its own name counts once
    self_cpu_time_total: float = 0.0
    cpu_memory_usage: int = 0
    self_cpu_memory_usage: int = 0
    allocated: int = 0  # by these events themselves
    freed: int = 0
    input_shapes: str = ""
    layer: str = ""
    line: str = ""
    threads: set[int] = field(default_factory=set)

    @property
    def cpu_time(self) -> float:
        """The mean of one event, in microseconds."""
        return self.cpu_time_total / self.count if self.count else 0.0


class Averages(Sequence[Average]):
    """What `key_averages()` gives: rows to walk through, and `table()`."""

    def __init__(self, rows: list[Average], *, with_memory: bool) -> None:
        self._rows = rows
        self._with_memory = with_memory

    @overload
    def __getitem__(self, index: int) -> Average: ...
    @overload
    def __getitem__(self, index: slice) -> list[Average]: ...
    def __getitem__(self, index: int | slice) -> Average | list[Average]:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def self_cpu_time_total(self) -> float:
        """All time that was spent in events, in microseconds."""
        return sum(row.self_cpu_time_total for row in self._rows)

    def sorted_by(self, sort_by: str) -> list[Average]:
        """The rows, the largest first.

        Raises: ValueError if there is no such figure.
        """
        if sort_by not in _SORTS:
            raise ValueError(f"sort_by: {sort_by!r} is none of {', '.join(_SORTS)}")
        return sorted(self._rows, key=lambda row: getattr(row, sort_by), reverse=sort_by != "key")

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_name_column_width: int = 55) -> str:
        """The rows as text; without `sort_by` in the order in which they first ran.

        sort_by: cpu_time, cpu_time_total, self_cpu_time_total, cpu_memory_usage, self_cpu_memory_usage, count, key.
        row_limit: the most rows, -1 for all.
        """
        rows = self._rows if sort_by is None else self.sorted_by(sort_by)
        total = self.self_cpu_time_total or 1.0
        head = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"]
        head += ["CPU Mem", "Self CPU Mem"] if self._with_memory else []
        head.append("# of Calls")
        groups = (("Input Shapes", "input_shapes"), ("Layer", "layer"), ("Line", "line"))
        optional = [(title, name) for title, name in groups if any(getattr(row, name) for row in rows)]
        head += [title for title, _ in optional]
        lines = []
        for row in rows if row_limit < 0 else rows[:row_limit]:
            line = [_cut(row.key, max_name_column_width), f"{100 * row.self_cpu_time_total / total:.2f}%",
                    duration_text(row.self_cpu_time_total), f"{100 * row.cpu_time_total / total:.2f}%",
                    duration_text(row.cpu_time_total), duration_text(row.cpu_time)]
            if self._with_memory:
                line += [bytes_text(row.cpu_memory_usage), bytes_text(row.self_cpu_memory_usage)]
            lines.append([*line, str(row.count), *(_cut(getattr(row, name), 60) for _, name in optional)])
        footer = f"Self CPU time total: {duration_text(self.self_cpu_time_total)}"
        if len(lines) < len(rows):
            footer += f"\n{len(rows) - len(lines)} more rows; row_limit=-1 shows all"
        return _laid_out(head, lines, left={0, *range(len(head) - len(optional), len(head))}) + footer + "\n"

    def __str__(self) -> str:
        return self.table()


def averages(record: Record, *, by_shape: bool, by_layer: bool, by_line: bool, with_memory: bool) -> Averages:
    """The sums over events of one name, and of one shape, layer or line where that is asked for."""
    rows: dict[Hashable, Average] = {}
    for event in record.events:
        shapes = _shapes(event) if by_shape else ""
        layer, line = event.layer if by_layer else "", event.line if by_line else ""
        key = (event.name, event.category, shapes, layer, line)
        row = rows.get(key)
        if row is None:
            row = rows[key] = Average(event.name, event.category, input_shapes=shapes, layer=layer, line=line)
        row.count += 1
        row.self_cpu_time_total += event.self_ns / 1e3
        row.self_cpu_memory_usage += event.self_allocated - event.self_freed
        row.allocated += event.self_allocated
        row.freed += event.self_freed
        row.threads.add(event.thread)
        if not _inside_its_like(event):
            row.cpu_time_total += event.duration_ns / 1e3
            row.cpu_memory_usage += event.allocated - event.freed
    if with_memory and (record.loose_allocated or record.loose_freed):
        stays = record.loose_allocated - record.loose_freed
        rows["[memory]"] = Average("[memory]", "memory", 1, cpu_memory_usage=stays, self_cpu_memory_usage=stays,
                                   allocated=record.loose_allocated, freed=record.loose_freed)
    return Averages(list(rows.values()), with_memory=with_memory)


def _inside_its_like(event: Event) -> bool:
    outer = event.parent
    while outer is not None:
        if outer.name == event.name and outer.category == event.category:
            return True
        outer = outer.parent
    return False


def _shapes(event: Event) -> str:
    return ", ".join(f"{dtype}{list(shape)}" for dtype, shape in event.inputs)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def duration_text(microseconds: float) -> str:
    """A duration with its unit: 12.300us, 4.560ms, 1.200s."""
    for limit, unit in ((1e3, "us"), (1e6, "ms")):
        if abs(microseconds) < limit:
            return f"{microseconds / limit * 1e3:.3f}{unit}"
    return f"{microseconds / 1e6:.3f}s"


def _laid_out(head: list[str], lines: list[list[str]], left: set[int]) -> str:
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    rule = "  ".join("-" * width for width in widths)
    laid = ["  ".join(cell.ljust(width) if i in left else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(line, widths, strict=True))).rstrip()
            for line in [head, *lines]]
    return "\n".join([rule, laid[0], rule, *laid[1:], rule, ""])
