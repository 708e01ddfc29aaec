"""What a profile wrote down, put in order: which event stands inside which, and to which layer it belongs."""

from __future__ import annotations

from dataclasses import dataclass, field

OP, BACKWARD, ACCUMULATE, WALK, SCOPE = range(5)  # csrc/core/profile.h, EventKind
_CATEGORIES = ("op", "backward", "backward", "backward", "user")

Input = tuple[str, tuple[int, ...]]  # dtype and shape
Plain = tuple[int, str, int, int, int, int, int, int, int, int, tuple[Input, ...], str]
PlainMemory = tuple[int, int, str]  # when, bytes, device


@dataclass(slots=True)
class Event:
    """One stretch of time in one thread. Times in nanoseconds from the profile's start, memory in bytes."""

    name: str  # "matmul"; "backward of matmul"; a layer's path; what record_function was given
    category: str  # op, backward, layer, user
    thread: int  # the system's number
    begin_ns: int
    duration_ns: int
    self_ns: int  # outside events inside
    allocated: int  # with events inside
    freed: int
    self_allocated: int
    self_freed: int
    node: int  # of the tape: that the op made, or that the walk ran; 0 for none
    inputs: tuple[Input, ...]  # of an op, with record_shapes
    line: str  # of the program, with with_stack: "train.py:12 in step"
    layer: str = ""  # the innermost layer around it; for a walk's, the layer whose op it is the derivative of
    depth: int = 0
    parent: Event | None = field(default=None, repr=False)
    in_walk: bool = False  # part of a walk backward


@dataclass(frozen=True)
class MemoryPoint:
    """What tensors of a device hold from a moment on."""

    at_ns: int
    device: str
    bytes: int


@dataclass(frozen=True)
class Record:
    """A finished profile."""

    events: list[Event]  # thread by thread, each before those inside it
    memory: list[MemoryPoint]  # in time
    loose_allocated: int  # outside every event, by Python itself
    loose_freed: int
    threads: dict[int, str]  # names by the system's numbers
    duration_ns: int


def arrange(thread: int, plain: list[Plain], start_ns: int, layer_names: set[str]) -> list[Event]:
    """The events of one thread with their parents and layers, each before those inside it."""
    # Events come in the order of their ends; of two with the same times the later one stands around the other.
    order = sorted(range(len(plain)), key=lambda i: (plain[i][2], -plain[i][3], -i))
    found: list[Event] = []
    around: list[tuple[int, Event]] = []
    for i in order:
        kind, name, begin, end, inner, allocated, freed, in_allocated, in_freed, node, inputs, line = plain[i]
        while around and around[-1][0] <= begin and around[-1][0] < end:
            around.pop()
        parent = around[-1][1] if around else None
        is_layer = kind == SCOPE and name in layer_names
        event = Event(
            f"backward of {name}" if kind == BACKWARD else name, "layer" if is_layer else _CATEGORIES[kind], thread,
            begin - start_ns, end - begin, end - begin - inner, allocated, freed, allocated - in_allocated,
            freed - in_freed, node, inputs, line,
            name if is_layer else parent.layer if parent else "",
            parent.depth + 1 if parent else 0, parent, kind == WALK or (parent is not None and parent.in_walk),
        )  # fmt: skip
        found.append(event)
        around.append((end, event))
    return found


def name_layers_of_walks(events: list[Event]) -> None:
    """Give what a walk ran the layer of the op that it belongs to."""
    layer_of = {event.node: event.layer for event in events if event.node and not event.in_walk and event.layer}
    for event in events:
        if not event.in_walk:
            continue
        if event.node and event.category == "backward":
            event.layer = layer_of.get(event.node, "")
        elif event.parent is not None and event.parent.in_walk and event.category == "op":
            event.layer = event.parent.layer


def memory_curve(points: list[PlainMemory], start_ns: int, used_at_end: dict[str, int]) -> list[MemoryPoint]:
    """What tensors held after each change, by device."""
    points = sorted(points)
    held = dict(used_at_end)
    for _, change, device in points:
        held[device] -= change
    curve = [MemoryPoint(0, device, held[device]) for device in sorted({device for _, _, device in points})]
    for at, change, device in points:
        held[device] += change
        curve.append(MemoryPoint(at - start_ns, device, held[device]))
    return curve
