"""Random tensors: the same seed, the same numbers."""

import flambeau as fl
import pytest
from flambeau.random import Generator


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_seed_gives_the_same_numbers(dtype):
    fl.manual_seed(3)
    a = [fl.random.uniform(7, dtype=dtype).tolist(), fl.random.normal((2, 3), dtype=dtype).tolist()]
    fl.manual_seed(3)
    assert [fl.random.uniform(7, dtype=dtype).tolist(), fl.random.normal((2, 3), dtype=dtype).tolist()] == a
    fl.manual_seed(4)
    assert fl.random.uniform(7, dtype=dtype).tolist() != a[0]


def test_no_number_is_drawn_twice():
    g = Generator().manual_seed(1)
    drawn = [v for n in (1, 2, 3, 5, 8, 100) for v in g.uniform(n, dtype=fl.float64).tolist()]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_devices_draw_the_same(device):
    here, there = Generator().manual_seed(5), Generator().manual_seed(5)
    assert here.uniform(100).tolist() == there.uniform(100, device=device).tolist()
    assert here.randint(-5, 5, 50).tolist() == there.randint(-5, 5, 50, device=device).tolist()


def test_distributions_are_what_they_say():
    g = Generator().manual_seed(2)
    u, n, i = g.uniform(200_000, low=2, high=4), g.normal(200_000, mean=1, std=3), g.randint(0, 10, 100_000)
    assert fl.min(u).item() >= 2
    assert fl.max(u).item() <= 4
    assert fl.mean(u).item() == pytest.approx(3, abs=0.01)
    assert fl.mean(n).item() == pytest.approx(1, abs=0.04)
    assert fl.std(n).item() == pytest.approx(3, abs=0.04)
    counts = [fl.count_nonzero(i == k).item() for k in range(10)]
    assert all(9_500 < c < 10_500 for c in counts)


def test_permutation_holds_each_number_once():
    assert sorted(fl.random.permutation(50).tolist()) == list(range(50))


def test_a_seed_out_of_range_is_refused():
    with pytest.raises(ValueError, match="64 bits"):
        fl.manual_seed(2**64)
    fl.manual_seed(2**64 - 1)
    fl.manual_seed(0)
