"""The caching allocator: freed memory serves the next tensor."""

import flambeau as fl
import pytest
from flambeau import _core


@pytest.mark.parametrize("count", [1, 100, 10_000, 3_000_000])
def test_freed_memory_is_used_again(count):
    x = fl.zeros(count)
    del x
    before = fl.memory.memory_stats()
    y = fl.zeros(count)
    after = fl.memory.memory_stats()
    assert after["allocation.all.allocated"] == before["allocation.all.allocated"] + 1
    assert after["num_device_alloc"] == before["num_device_alloc"]
    del y


def test_emptying_the_cache_gives_kept_memory_back():
    x = fl.zeros(1_000_000)
    used = fl.memory.memory_allocated()
    del x
    assert fl.memory.memory_allocated() <= used - 4_000_000
    assert fl.memory.memory_reserved() >= fl.memory.memory_allocated() + 4_000_000
    returned = fl.memory.memory_stats()["num_device_free"]
    assert fl.memory.empty_cache() >= 4_000_000
    assert fl.memory.memory_reserved() == fl.memory.memory_allocated()
    assert fl.memory.memory_stats()["num_device_free"] > returned


def test_figures_add_up():
    f = fl.memory.memory_stats()
    assert f["allocated_bytes.all.allocated"] - f["allocated_bytes.all.freed"] == f["allocated_bytes.all.current"]
    assert f["allocation.all.allocated"] - f["allocation.all.freed"] == f["allocation.all.current"]
    assert f["allocated_bytes.all.current"] <= f["allocated_bytes.all.peak"] <= f["reserved_bytes.all.peak"]


def test_a_peak_begins_anew_where_it_is_told_to():
    x = fl.zeros(1_000_000)
    del x
    fl.memory.reset_peak_memory_stats()
    assert fl.memory.max_memory_allocated() == fl.memory.memory_allocated()
    y = fl.zeros(500_000)
    del y
    assert 2_000_000 <= fl.memory.max_memory_allocated() - fl.memory.memory_allocated() < 4_000_000


def test_a_failed_request_is_counted_and_holds_nothing():
    before = fl.memory.memory_stats()
    with pytest.raises(MemoryError):
        fl.zeros(2**50)
    after = fl.memory.memory_stats()
    assert after["num_ooms"] == before["num_ooms"] + 1
    for name in ("allocated_bytes.all.current", "allocation.all.current", "allocation.all.allocated"):
        assert after[name] == before[name], name


def test_the_summary_names_device_and_figures():
    x = fl.zeros(2**20)
    text = fl.memory.summary("cpu")
    assert text.startswith("Memory of cpu")
    assert "in tensors" in text
    assert " MB" in text
    with pytest.raises(fl.DeviceError, match="moon"):
        fl.memory.memory_stats("moon")
    del x


def test_size_classes_hold_what_is_asked_and_waste_a_fifth_at_most():
    for bytes_asked in [1, 63, 64, 65, 512, 513, 640, 641, 1000, 4096, 4097, 10**6, 2**20 + 1, 40_000_000, 2**40 + 7]:
        got = _core.size_class_bytes(bytes_asked)
        assert got >= bytes_asked
        assert got % 64 == 0
        assert got - bytes_asked < max(64, got / 5 + 1), bytes_asked


def test_peak_counts_what_was_there_at_once():
    before = fl.memory.memory_allocated()
    x = [fl.zeros(100_000) for _ in range(3)]
    del x
    assert fl.memory.max_memory_allocated() >= before + 1_200_000


def test_too_much_memory_is_an_error_and_not_the_end():
    with pytest.raises(MemoryError, match="no memory for"):
        fl.zeros(2**50)
    assert fl.ones(2).tolist() == [1, 1]
    with pytest.raises(fl.ShapeError, match="more elements"):
        fl.zeros((2**40, 2**40))


def test_views_keep_the_memory_of_their_base():
    x = fl.arange(100_000)
    row = x[50_000:50_003]
    del x
    y = fl.zeros(100_000, dtype=fl.int64)
    assert row.tolist() == [50_000, 50_001, 50_002]
    del y
