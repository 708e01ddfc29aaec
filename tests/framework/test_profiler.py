"""The profiler: what it names, what it counts, in which thread, and the file it writes."""

from __future__ import annotations

import json
import os
import threading
import time

import flambeau as fl
import pytest
from flambeau import _core, nn
from flambeau.data import DataLoader, TensorDataset
from flambeau.profiler import profile, record_function, schedule


def rows(prof, **options):
    return {row.key: row for row in prof.key_averages(**options)}


def named(prof, name):
    return [event for event in prof.events() if event.name == name]


def test_ops_are_counted_by_name_and_nothing_is_written_down_outside():
    x = fl.ones(10)
    with profile() as prof:
        for _ in range(3):
            x = fl.exp(x) + 1
    fl.sin(x)
    found = rows(prof)
    assert (found["exp"].count, found["add"].count) == (3, 3)
    assert "sin" not in found
    assert not _core.profiling()


def test_self_times_leave_out_what_ran_inside_and_add_up_to_the_whole():
    with profile() as prof, record_function("outer"):
        time.sleep(0.02)
        with record_function("inner"):
            time.sleep(0.01)
    found = rows(prof)
    outer, inner = found["outer"], found["inner"]
    assert inner.cpu_time_total >= 10_000
    assert outer.cpu_time_total >= 30_000
    assert outer.self_cpu_time_total == pytest.approx(outer.cpu_time_total - inner.cpu_time_total, abs=1)
    assert prof.key_averages().self_cpu_time_total == pytest.approx(outer.cpu_time_total, abs=1)


def test_a_name_inside_itself_counts_its_time_once():
    def nested(depth):
        with record_function("again"):
            time.sleep(0.002)
            if depth:
                nested(depth - 1)

    with profile() as prof:
        nested(3)
    (event,) = [event for event in named(prof, "again") if event.parent is None]
    again = rows(prof)["again"]
    assert again.count == 4
    assert again.cpu_time_total == pytest.approx(event.duration_ns / 1e3)


def test_composites_hold_their_parts():
    with profile() as prof:
        fl.logsumexp(fl.ones((1, 3)))
    (exp,) = named(prof, "exp")
    assert exp.parent is not None
    assert exp.parent.name == "logsumexp"
    assert rows(prof)["logsumexp"].cpu_time_total > rows(prof)["logsumexp"].self_cpu_time_total
    with fl.no_grad(), profile() as prof:
        fl.ones(3) + fl.ones(3, dtype=fl.float64)
    (cast,) = named(prof, "cast")
    assert cast.parent is not None
    assert cast.parent.name == "add"


def test_nodes_of_a_walk_are_named_and_their_ops_stand_inside():
    x = fl.ones((4, 4)).requires_grad_()
    with profile() as prof:
        fl.tanh(x @ x).sum().backward()
    (node,) = named(prof, "backward of matmul")
    assert node.category == "backward"
    assert node.in_walk
    assert node.parent is not None
    assert node.parent.name == "backward"
    inside = [event for event in prof.events() if event.parent is node]
    assert [event.name for event in inside if event.name == "matmul"] == ["matmul", "matmul"]
    (forward,) = [event for event in named(prof, "matmul") if not event.in_walk]
    assert forward.node == node.node != 0
    assert len(named(prof, "accumulate gradient")) == 1


def test_functions_of_the_users_own_are_named_forward_and_backward():
    class Twice(fl.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2

    x = fl.ones(3).requires_grad_()
    with profile() as prof:
        Twice.apply(x).sum().backward()
    assert {"Twice", "backward of Twice"} <= set(rows(prof))


def small_net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 2)))


def test_layers_are_named_by_their_paths_as_errors_name_them():
    net = small_net()
    with profile() as prof:
        net(fl.ones((3, 4))).sum().backward()
    layers = {event.name for event in prof.events() if event.category == "layer"}
    expected = {"Sequential", "0: Linear(4, 8)", "2: Sequential", "2.0: Linear(8, 8)", "2.1: Linear(8, 2)"}
    assert expected < layers
    walk = {event.layer for event in named(prof, "backward of linear")}
    assert walk == {"0: Linear(4, 8)", "2.0: Linear(8, 8)", "2.1: Linear(8, 2)"}
    by_layer = [row for row in prof.key_averages(group_by_layer=True) if row.key == "linear"]
    assert sorted(row.layer for row in by_layer) == sorted(walk)


def test_layers_with_hooks_and_errors_inside_leave_the_profile_whole():
    net = small_net()
    seen = []
    net[0].register_forward_hook(lambda layer, args, output: seen.append(output.shape))
    with profile() as prof:
        net(fl.ones((3, 4)))
        with pytest.raises(fl.ShapeError):
            net(fl.ones((3, 5)))
        fl.exp(fl.ones(2))
    assert seen == [(3, 8)]
    assert len(named(prof, "0: Linear(4, 8)")) == 2
    assert named(prof, "exp")[0].parent is None


def test_an_optimizers_step_is_named():
    net = small_net()
    optimizer = fl.optim.SGD(net.parameters(), lr=0.1)
    net(fl.ones((3, 4))).sum().backward()
    with profile() as prof:
        optimizer.step()
    assert named(prof, "sgd_step")[0].parent.name == "SGD.step"


def test_memory_is_what_ops_allocate_and_the_curve_ends_where_the_allocator_says():
    with profile(profile_memory=True) as prof:
        x = fl.ones(1_000_000)
        y = x + x
        del x
        with record_function("kept and dropped"):
            kept = y * y
            y - y
    found = rows(prof)
    block = _core.size_class_bytes(4_000_000)
    assert found["add"].self_cpu_memory_usage == found["add"].allocated == block
    assert found["kept and dropped"].cpu_memory_usage == block
    assert found["kept and dropped"].self_cpu_memory_usage == -block
    assert found["[memory]"].freed >= block
    curve = [point.bytes for point in prof._record.memory if point.device == "cpu"]
    assert max(curve) - curve[0] == 3 * block
    assert curve[-1] - curve[0] == 2 * block
    assert "CPU Mem" in prof.key_averages().table()
    del kept


def test_shapes_and_lines_group_what_has_one_name():
    with profile(record_shapes=True, with_stack=True) as prof:
        fl.ones((2, 3)) @ fl.ones((3, 4))
        fl.ones((5, 3), dtype=fl.float64) @ fl.ones((3, 4), dtype=fl.float64)
    shapes = [row.input_shapes for row in prof.key_averages(group_by_input_shape=True) if row.key == "matmul"]
    assert shapes == ["float32[2, 3], float32[3, 4]", "float64[5, 3], float64[3, 4]"]
    lines = [row.line for row in prof.key_averages(group_by_line=True) if row.key == "matmul"]
    assert len(lines) == 2
    assert all("test_profiler.py:" in line for line in lines)
    assert all(line.endswith("in test_shapes_and_lines_group_what_has_one_name") for line in lines)
    with profile() as plain:
        fl.ones(2)
    with pytest.raises(ValueError, match="record_shapes=True"):
        plain.key_averages(group_by_input_shape=True)


def test_every_thread_has_events_of_its_own_and_what_a_walk_there_runs():
    x = fl.ones((8, 8)).requires_grad_()

    def work(number):
        with record_function(f"worker {number}"):
            (x @ x).sum().backward()

    with profile() as prof:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({event.thread for event in prof.events()}) == 3
    for number in range(3):
        (scope,) = named(prof, f"worker {number}")
        inside = [event.name for event in prof.events() if event.thread == scope.thread]
        assert inside.count("backward of matmul") == 1
    assert rows(prof)["backward of matmul"].count == 3


def test_threads_that_work_while_it_starts_and_ends_are_no_trouble():
    stop = threading.Event()

    def work():
        x, net = fl.ones((2, 4)), small_net()
        while not stop.is_set():
            with record_function("busy"):
                net(fl.abs(x))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            with profile(profile_memory=True) as prof:
                time.sleep(0.005)
            events = prof.events()
            assert all(event.self_ns >= 0 and event.begin_ns >= 0 for event in events if event.category == "op")
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_loaders_threads_show_where_batches_come_from():
    data = TensorDataset(fl.random.uniform((32, 4)))
    with profile() as prof:
        for (batch,) in DataLoader(data, batch_size=8, num_workers=2):
            fl.exp(batch)
    assert len(named(prof, "DataLoader.load")) == 4
    assert len({event.thread for event in named(prof, "DataLoader.load")} | {threading.get_native_id()}) >= 2
    assert {event.thread for event in named(prof, "DataLoader.next")} == {threading.get_native_id()}


def test_a_scope_that_another_thread_ends_leaves_that_ones_own_open():
    tokens = []

    def begins():
        tokens.append(_core.begin_scope("here"))

    def ends():
        with record_function("there"):
            _core.end_scope(tokens[0])
            fl.exp(fl.ones(2))

    with profile() as prof:
        for body in (begins, ends):
            thread = threading.Thread(target=body)
            thread.start()
            thread.join()
    (event,) = named(prof, "exp")
    assert event.parent is not None
    assert event.parent.name == "there"


def test_two_profiles_at_once_are_refused_and_the_first_goes_on():
    with profile() as prof:
        with pytest.raises(RuntimeError, match="another profile is running in this process"), profile():
            pass
        fl.exp(fl.ones(2))
    assert "exp" in rows(prof)
    with pytest.raises(RuntimeError, match="not running"):
        prof.stop()
    with pytest.raises(RuntimeError, match="nothing is recorded yet"):
        profile().key_averages()


def test_an_error_inside_ends_the_profile():
    with pytest.raises(ZeroDivisionError), profile() as prof, record_function("fails"):
        1 / 0
    assert rows(prof)["fails"].count == 1
    with profile():
        pass


def test_a_schedule_keeps_its_active_steps_alone():
    finished = []
    plan = schedule(wait=1, warmup=1, active=2, repeat=2)

    def keep(prof):
        finished.append([event.name for event in prof.events() if event.parent is None])

    with profile(schedule=plan, on_trace_ready=keep) as prof:
        for _ in range(10):
            fl.exp(fl.ones(2))
            prof.step()
    assert finished == [["ProfilerStep#2", "ProfilerStep#3"], ["ProfilerStep#6", "ProfilerStep#7"]]
    assert rows(prof)["exp"].count == 2
    assert [plan(i).name for i in (0, 1, 2, 3, 8)] == ["NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE", "NONE"]
    with pytest.raises(ValueError, match="active is 0"):
        schedule(wait=0, warmup=0, active=0)


def test_a_function_that_is_recorded_by_decoration_may_call_itself():
    @record_function("factorial")
    def factorial(n):
        return 1 if n == 0 else n * factorial(n - 1)

    with profile() as prof:
        assert factorial(4) == 24
    assert rows(prof)["factorial"].count == 5
    assert factorial(3) == 6


def test_scopes_that_end_in_another_order_do_not_break_what_is_around():
    first, second = record_function("first"), record_function("second")
    with profile() as prof:
        first.__enter__()
        second.__enter__()
        first.__exit__()
        second.__exit__()
        fl.exp(fl.ones(2))
    assert named(prof, "exp")[0].parent is None
    assert {"first", "second"} <= set(rows(prof))


def test_the_table_sorts_cuts_and_says_what_it_left_out():
    with profile() as prof:
        for _ in range(5):
            fl.exp(fl.ones(3))
        fl.ones((300, 300)) @ fl.ones((300, 300))
    table = prof.key_averages().table(sort_by="count", row_limit=1)
    assert "full" in table
    assert "matmul" not in table
    assert "more rows; row_limit=-1 shows all" in table
    assert "# of Calls" in table
    assert "Self CPU time total" in table
    assert prof.key_averages().sorted_by("self_cpu_time_total")[0].key == "matmul"
    with pytest.raises(ValueError, match="'time' is none of cpu_time"):
        prof.key_averages().table(sort_by="time")


def test_the_trace_is_what_perfetto_reads(tmp_path):
    net = small_net()
    with profile(profile_memory=True, record_shapes=True) as prof:
        thread = threading.Thread(target=lambda: fl.exp(fl.ones(3)))
        thread.start()
        thread.join()
        net(fl.ones((3, 4))).sum().backward()
    prof.export_chrome_trace(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    events = trace["traceEvents"]
    kinds = {kind: [event for event in events if event["ph"] == kind] for kind in "MXCsf"}
    assert len(events) == sum(map(len, kinds.values()))
    for event in kinds["X"]:
        assert event["dur"] >= 0
        assert event["ts"] >= 0
        assert {"name", "cat", "pid", "tid", "args"} <= set(event)
    # Slices of one track nest: none begins inside another and ends after it.
    for track in {event["tid"] for event in kinds["X"]}:
        ends = []
        for event in sorted((e for e in kinds["X"] if e["tid"] == track), key=lambda e: (e["ts"], -e["dur"])):
            while ends and ends[-1] <= event["ts"] + 1e-6:
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1] + 1e-6
            ends.append(event["ts"] + event["dur"])
    names = {event["tid"]: event["args"]["name"] for event in kinds["M"] if event["name"] == "thread_name"}
    assert {event["tid"] for event in kinds["X"]} == set(names)
    assert "MainThread" in names.values()
    assert "MainThread (backward)" in names.values()
    backward = {event["tid"] for event in kinds["X"] if event["cat"] == "backward"}
    assert {names[track] for track in backward} == {"MainThread (backward)"}
    # Arrows: each begins in a slice of the forward pass and ends in one of its walk.
    assert len(kinds["s"]) == len(kinds["f"]) >= 4
    for start, end in zip(kinds["s"], kinds["f"], strict=True):
        assert start["id"] == end["id"]
        assert end["bp"] == "e"
        assert start["ts"] <= end["ts"]
        assert (names[start["tid"]], names[end["tid"]]) == ("MainThread", "MainThread (backward)")
    assert all(event["args"]["bytes"] >= 0 for event in kinds["C"])
    assert kinds["C"]


def test_anomaly_mode_and_vmap_count_each_op_once():
    with profile() as prof:
        with fl.detect_anomaly():
            fl.exp(fl.ones(3))
        fl.vmap(fl.tanh)(fl.ones((2, 3)))
    found = rows(prof)
    assert (found["exp"].count, found["tanh"].count) == (1, 1)


def test_a_child_process_starts_without_its_parents_profile():
    with profile():
        fl.exp(fl.ones(3))
        pid = os.fork()
        if pid == 0:
            try:
                with profile() as own:
                    fl.exp(fl.ones(3))
                os._exit(0 if [e.thread for e in named(own, "exp")] == [threading.get_native_id()] else 1)
            finally:
                os._exit(2)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
