"""A profile as a file of Chrome's Trace Event format, which Perfetto (ui.perfetto.dev) opens.

Source: "Trace Event Format", Google, 2016: complete events (X), counters (C), flows (s, f), metadata (M).
"""

from __future__ import annotations

import json
import os
from typing import Any

from flambeau.profiler.events import Event, Record
from flambeau.whole_files import written_whole

_WALKS = 2**22  # Linux numbers threads below this: the walks backward of a thread get a track of their own


def trace(record: Record) -> dict[str, Any]:
    """The object of the file."""
    process = os.getpid()
    events: list[dict[str, Any]] = [_meta("process_name", process, 0, {"name": "flambeau"})]
    tracks = {(event.thread, event.in_walk) for event in record.events}
    for order, (thread, in_walk) in enumerate(sorted(tracks)):
        name = record.threads.get(thread, f"thread {thread}") + (" (backward)" if in_walk else "")
        track = _track(thread, in_walk)
        events.append(_meta("thread_name", process, track, {"name": name}))
        events.append(_meta("thread_sort_index", process, track, {"sort_index": order}))
    makers = {event.node: event for event in record.events if event.node and event.category == "op"}
    for event in record.events:
        place = {"pid": process, "tid": _track(event.thread, event.in_walk)}
        events.append({"ph": "X", "name": event.name, "cat": event.category, "ts": event.begin_ns / 1e3,
                       "dur": event.duration_ns / 1e3, **place, "args": _arguments(event)})
        maker = makers.get(event.node) if event.category == "backward" else None
        if maker is not None and maker.begin_ns <= event.begin_ns:
            flow = {"name": "gradient", "cat": "gradient", "id": event.node, "pid": process}
            start = {"ph": "s", "ts": maker.begin_ns / 1e3, "tid": _track(maker.thread, maker.in_walk)}
            events.append({**flow, **start})
            events.append({**flow, "ph": "f", "bp": "e", "ts": event.begin_ns / 1e3, "tid": place["tid"]})
    for point in record.memory:
        events.append({"ph": "C", "name": f"memory of tensors, {point.device}", "pid": process, "tid": 0,
                       "ts": point.at_ns / 1e3, "args": {"bytes": point.bytes}})
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def write_trace(record: Record, path: str | os.PathLike[str]) -> None:
    """Write the file whole or not at all."""
    with written_whole(path) as file:
        file.write(json.dumps(trace(record), separators=(",", ":")).encode())


def _track(thread: int, in_walk: bool) -> int:
    return thread + _WALKS if in_walk else thread


def _meta(name: str, process: int, track: int, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": process, "tid": track, "args": arguments}


def _arguments(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if event.layer and event.category != "layer":
        found["layer"] = event.layer
    if event.inputs:
        found["inputs"] = [f"{dtype}{list(shape)}" for dtype, shape in event.inputs]
    if event.line:
        found["line"] = event.line
    if event.allocated or event.freed:
        found["allocated bytes"] = event.allocated
        found["freed bytes"] = event.freed
    return found
