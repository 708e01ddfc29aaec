"""Tensors of more elements than 32 bits count."""

from __future__ import annotations

from pathlib import Path

import flambeau as fl
import numpy as np
import pytest

SIZE = 2**31 + 1000
PLACES = {5: 200, 2**31 - 1: 1, 2**31: 3, SIZE - 1: 7}


def available_bytes() -> int:
    """What the machine could still give, by Linux's own account; 0 elsewhere."""
    meminfo = Path("/proc/meminfo")
    for line in meminfo.read_text().splitlines() if meminfo.exists() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


@pytest.mark.slow  # several seconds
@pytest.mark.skipif(available_bytes() < 7 << 30, reason="needs 7 GB of free memory")
def test_more_than_2_to_the_31_elements_are_read_written_and_computed_with() -> None:
    x = fl.zeros(SIZE, dtype=fl.uint8)
    x[5], x[2**31 - 1] = 200, 1
    x[[2**31, -1]] = fl.tensor([3, 7], dtype=fl.uint8)
    assert x.size == SIZE
    assert [x[place].item() for place in PLACES] == list(PLACES.values())
    assert fl.sum(x).item() == sum(PLACES.values())
    assert fl.max(x[6:]).item() == 7
    assert x[2**31 - 2 : 2**31 + 2].tolist() == [0, 1, 3, 0]
    assert x[2**31 - 2 : 2**31 + 4 : 2].tolist() == [0, 3, 0]
    assert x.reshape(2, -1)[1, 2**31 - SIZE // 2].item() == 3
    assert x[::-1][:2].tolist() == [7, 0]
    assert fl.take(x, fl.tensor([5, 2**31, SIZE - 1])).tolist() == [200, 3, 7]
    assert x[[-1, -1000, 0]].tolist() == [7, 3, 0]
    assert x[::1000][2**31 // 1000 :].shape == (2,)
    assert fl.count_nonzero(x[2**31 :]).item() == 2
    assert fl.nonzero(x)[0].tolist() == list(PLACES)
    doubled = x + x
    assert [doubled[place].item() for place in PLACES] == [144, 2, 6, 14]
    del doubled
    three = x == 3
    assert (three[2**31].item(), three[0].item(), fl.any(three).item()) == (True, False, True)
    assert int(three.numpy().sum()) == 1
    del three
    table = fl.reshape(x[: 2**31], (2**16, 2**15))
    assert fl.sum(table.mT[-1]).item() == 1
    assert fl.max(table, axis=1)[-1].item() == 1


def test_a_view_of_more_elements_than_32_bits_count_costs_nothing() -> None:
    wide = fl.broadcast_to(fl.tensor([1, 2, 3], dtype=fl.uint8), (2**40, 3))
    assert wide.size == 3 * 2**40
    assert wide[2**40 - 1].tolist() == [1, 2, 3]
    assert wide[-(2**39) : -(2**39) + 2, 1].tolist() == [2, 2]
    assert np.prod(wide.shape, dtype=object) == wide.size
    with pytest.raises(IndexError, match=str(2**40)):
        wide[2**40]
