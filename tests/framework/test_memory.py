"""The caching allocator: freed memory serves the next tensor."""

import flambeau as fl
import pytest
from flambeau import _core


@pytest.mark.parametrize("count", [1, 100, 10_000, 3_000_000])
def test_freed_memory_is_used_again(count):
    x = fl.zeros(count)
    del x
    before = fl.devices.memory()
    y = fl.zeros(count)
    after = fl.devices.memory()
    assert after["reuses"] == before["reuses"] + 1
    assert after["allocations"] == before["allocations"]
    del y


def test_trim_gives_kept_memory_back():
    x = fl.zeros(1_000_000)
    used = fl.devices.memory()["used_bytes"]
    del x
    figures = fl.devices.memory()
    assert figures["used_bytes"] <= used - 4_000_000
    assert figures["cached_bytes"] >= 4_000_000
    assert fl.devices.trim() >= 4_000_000
    assert fl.devices.memory()["cached_bytes"] == 0


def test_size_classes_hold_what_is_asked_and_waste_a_fifth_at_most():
    for bytes_asked in [1, 63, 64, 65, 512, 513, 640, 641, 1000, 4096, 4097, 10**6, 2**20 + 1, 40_000_000, 2**40 + 7]:
        got = _core.size_class_bytes(bytes_asked)
        assert got >= bytes_asked
        assert got % 64 == 0
        assert got - bytes_asked < max(64, got / 5 + 1), bytes_asked


def test_peak_counts_what_was_there_at_once():
    before = fl.devices.memory()["used_bytes"]
    x = [fl.zeros(100_000) for _ in range(3)]
    del x
    assert fl.devices.memory()["peak_bytes"] >= before + 1_200_000


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
