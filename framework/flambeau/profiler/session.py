"""Turning the profiler on and off, by hand, for a `with`, or by a schedule of steps."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from enum import Enum

from flambeau import _core, scopes
from flambeau.profiler.averages import Averages, averages
from flambeau.profiler.events import Event, Record, arrange, memory_curve, name_layers_of_walks
from flambeau.profiler.trace import write_trace


class ProfilerAction(Enum):
    """What a schedule asks for in a step."""

    NONE = 0
    WARMUP = 1  # write down and throw away
    RECORD = 2
    RECORD_AND_SAVE = 3  # the last step of a record


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], ProfilerAction]:
    """A cycle of steps: `wait` without a profile, `warmup` thrown away, `active` kept; `repeat` cycles, 0 for ever.

    Raises: ValueError unless the numbers are non-negative and active is positive.

    >>> plan = schedule(wait=1, warmup=1, active=2, repeat=1)
    >>> [plan(step).name for step in range(5)]
    ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    numbers = {"wait": wait, "warmup": warmup, "active": active, "repeat": repeat, "skip_first": skip_first}
    for name, number in numbers.items():
        if not isinstance(number, int) or number < 0 or (name == "active" and number == 0):
            least = 1 if name == "active" else 0
            raise ValueError(f"schedule: {name} is {number!r} and must be an integer of at least {least}")
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step < 0 or (repeat and step >= repeat * cycle):
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if place == cycle - 1 else ProfilerAction.RECORD

    return action


class profile:
    """Write down what runs, in every thread: ops, walks backward, layers, and what `record_function` names.

    record_shapes: shapes and dtypes of each op's inputs. profile_memory: what each op allocates and frees, and the
    curve of what tensors hold. with_stack: the line of the program that called each op (the dearest of the three).
    schedule: which steps are kept, see `schedule`; call `step()` at the end of each. on_trace_ready: called with the
    profile whenever a record is finished.

    Times are those in the thread that calls: on a device that runs ahead (webgpu), of the launch.
    Raises: RuntimeError if another profile runs in this process.

    >>> import flambeau as fl
    >>> with profile(record_shapes=True) as prof:
    ...     y = fl.ones((4, 8)) @ fl.ones((8, 2))
    >>> [row.input_shapes for row in prof.key_averages(group_by_input_shape=True) if row.key == "matmul"]
    ['float32[4, 8], float32[8, 2]']
    """

    def __init__(
        self,
        *,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], object] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
    ) -> None:
        self._schedule = schedule
        self._ready = on_trace_ready
        self._shapes, self._memory, self._lines = record_shapes, profile_memory, with_stack
        self._action = ProfilerAction.NONE
        self._active = False
        self._began_ns = 0
        self._step_token = 0
        self._record: Record | None = None
        self.step_num = 0

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin. Leaving a `with` ends it, or `stop()`."""
        if self._active:
            raise RuntimeError("profile: this one has been started already; stop() it first")
        if _core.profiling():
            raise RuntimeError("profile: another profile is running in this process; end it first, or name parts of it "
                               "with fl.profiler.record_function(...)")
        self._active = True
        self.step_num = 0
        self._change_to(self._asked())

    def stop(self) -> None:
        """End, and make what was written down ready to be looked at."""
        if not self._active:
            raise RuntimeError("profile: it is not running; start() it, or use it in a `with`")
        self._change_to(ProfilerAction.NONE)
        self._active = False

    def step(self) -> None:
        """The end of a step of the program, for the schedule; steps stand in the trace as ProfilerStep#0, #1, ..."""
        if not self._active:
            raise RuntimeError("profile: step() belongs between start() and stop()")
        self.step_num += 1
        self._change_to(self._asked())

    def events(self) -> list[Event]:
        """Every event, thread by thread, each before those inside it."""
        return self._finished().events

    def key_averages(
        self, group_by_input_shape: bool = False, *, group_by_layer: bool = False, group_by_line: bool = False
    ) -> Averages:
        """Sums over the events of one name; and of one shape, layer or line where that is asked for.

        Raises: ValueError if the profile did not write down what they are grouped by.
        """
        needs = ((group_by_input_shape, self._shapes, "record_shapes"), (group_by_line, self._lines, "with_stack"))
        for asked, has, option in needs:
            if asked and not has:
                raise ValueError(f"key_averages: this profile did not write that down; make it with {option}=True")
        return averages(self._finished(), by_shape=group_by_input_shape, by_layer=group_by_layer, by_line=group_by_line,
                        with_memory=self._memory)

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write a file for ui.perfetto.dev or chrome://tracing.

        It has a track for each thread and one for its walks backward, arrows from ops to their derivatives, and with
        profile_memory what tensors hold.
        """
        write_trace(self._finished(), path)

    def _asked(self) -> ProfilerAction:
        return self._schedule(self.step_num) if self._schedule else ProfilerAction.RECORD

    def _finished(self) -> Record:
        if self._record is None:
            raise RuntimeError("profile: nothing is recorded yet; look after the `with`, or after stop(), and mind the "
                               "schedule")
        return self._record

    def _change_to(self, action: ProfilerAction) -> None:
        before, self._action = self._action, action
        records = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        _core.end_scope(self._step_token)
        ends = before is ProfilerAction.RECORD_AND_SAVE or (before is ProfilerAction.RECORD and action not in records)
        if ends:
            self._record = self._take()
        elif before is ProfilerAction.WARMUP and action is not ProfilerAction.WARMUP:
            self._take()
        if action is not ProfilerAction.NONE and not _core.profiling():
            scopes.layers = scopes.LayerNames()
            self._began_ns = time.monotonic_ns()
            _core.start_profile(self._memory, self._shapes, self._lines)
        self._step_token = _core.begin_scope(f"ProfilerStep#{self.step_num}") if self._schedule else 0
        if ends and self._ready is not None:
            self._ready(self)

    def _take(self) -> Record:
        plain = _core.stop_profile()
        ended_ns = time.monotonic_ns()
        names, scopes.layers = scopes.layers, None
        events = [event for thread, found, _ in plain
                  for event in arrange(thread, found, self._began_ns, names.known if names else set())]
        name_layers_of_walks(events)
        points = [point for _, _, found in plain for point in found]
        used = {device: _core.memory(device)["used_bytes"] for device in {device for _, _, device in points}}
        outermost = [event for event in events if event.parent is None]
        return Record(
            events, memory_curve(points, self._began_ns, used),
            sum(size for _, size, _ in points if size > 0) - sum(event.allocated for event in outermost),
            -sum(size for _, size, _ in points if size < 0) - sum(event.freed for event in outermost),
            {thread.native_id: thread.name for thread in threading.enumerate() if thread.native_id is not None},
            ended_ns - self._began_ns,
        )  # fmt: skip
