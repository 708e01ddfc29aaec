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


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("bfloat16", 0.0, 1.0),
        ("float16", 0.0, 1.0),
        ("bfloat16", -3.0, 0.3),
        ("float16", 0.7, 100.0),
        ("float32", 1.0, 1.0000001),
        ("float32", -1.0, 1.0),
        ("float64", 1.0, 1.0 + 2**-52),
        ("float16", -2.0, -1.0),
    ],
)
def test_uniform_numbers_never_reach_the_end(dtype, low, high):
    x = Generator().manual_seed(0).uniform((100_000,), low=low, high=high, dtype=dtype)
    first, end = fl.tensor(low, dtype=dtype), fl.tensor(high, dtype=dtype)
    assert str(x.dtype) == dtype
    assert bool(fl.all(x >= first))
    assert bool(fl.all(x < end))
    assert x.max().item() == fl.nextafter(end, first).item() or (high - low) > 1
    assert fl.mean(x.astype("float64")).item() == pytest.approx((low + high) / 2, abs=0.01 * (high - low) + 1e-6)


def test_a_range_that_the_dtype_rounds_to_one_number_gives_that_number():
    x = fl.random.uniform(100, low=1.0, high=1.001, dtype="bfloat16")
    assert set(x.tolist()) == {1.0}
    assert set(fl.random.uniform(100, low=2.0, high=2.0).tolist()) == {2.0}


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("int8", 0, 1000),
        ("int8", -129, 0),
        ("uint8", -1, 3),
        ("uint8", 0, 257),
        ("int16", 0, 2**15 + 1),
        ("uint16", -1, 1),
        ("uint32", 0, 2**32 + 1),
        ("uint64", -5, 5),
    ],
)
def test_whole_numbers_beyond_the_dtype_are_refused(dtype, low, high):
    with pytest.raises(ValueError, match=f"do not fit into {dtype}, which holds "):
        fl.random.randint(low, high, 3, dtype=dtype)


@pytest.mark.parametrize(("dtype", "low", "high"), [("int8", -128, 128), ("uint8", 0, 256), ("uint64", 0, 2**62)])
def test_whole_numbers_fill_the_dtype(dtype, low, high):
    drawn = Generator().manual_seed(3).randint(low, high, 20_000, dtype=dtype).tolist()
    assert low <= min(drawn) < low + (high - low) // 100 + 1
    assert high > max(drawn) >= high - (high - low) // 100 - 1


def test_permutation_holds_each_number_once():
    assert sorted(fl.random.permutation(50).tolist()) == list(range(50))


def test_a_seed_out_of_range_is_refused():
    with pytest.raises(ValueError, match="64 bits"):
        fl.manual_seed(2**64)
    fl.manual_seed(2**64 - 1)
    fl.manual_seed(0)


def test_places_are_drawn_in_proportion_to_their_weights():
    g, weights = Generator().manual_seed(4), fl.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 2.0]])
    drawn = g.multinomial(weights, 40_000, replacement=True)
    assert (drawn.shape, drawn.dtype) == ((2, 40_000), fl.int64)
    shares = [[fl.mean((drawn[row] == place).astype(fl.float64)).item() for place in range(3)] for row in range(2)]
    assert shares[0] == pytest.approx([0.25, 0.0, 0.75], abs=0.01)
    assert shares[1] == pytest.approx([0.0, 0.5, 0.5], abs=0.01)


def test_without_replacement_the_heavier_place_comes_first_as_often_as_it_weighs():
    g = Generator().manual_seed(5)
    drawn = g.multinomial(fl.broadcast_to(fl.tensor([1.0, 0.0, 3.0]), (20_000, 3)), 2)
    assert fl.mean((drawn[:, 0] == 2).astype(fl.float64)).item() == pytest.approx(0.75, abs=0.01)
    assert bool(fl.all(drawn[:, 0] + drawn[:, 1] == 2))  # both that weigh something, each once


@pytest.mark.parametrize(("weights", "count", "replacement", "message"), [
    ([1.0, -0.5], 1, False, "a weight is -0.5"),
    ([1.0, float("nan")], 1, True, "a weight is nan"),
    ([1.0, float("inf")], 1, True, "a weight is inf"),
    ([0.0, 2.0, 1.0], 3, False, "num_samples is 3, and a row has 2 weights above 0; more than these need replacement"),
    ([0.0, 0.0], 1, True, "num_samples is 1, and a row has 0 weights above 0$"),
    ([1.0], -1, True, "num_samples is -1"),
    ([1.0], -1, False, "num_samples is -1 and cannot be negative$"),
    ([], 1, True, r"shape \(0,\)"),
    ([1, 2], 1, True, "weights are int64"),
])  # fmt: skip
def test_weights_that_cannot_be_drawn_from_are_refused(weights, count, replacement, message):
    with pytest.raises(ValueError, match=message):
        fl.random.multinomial(fl.tensor(weights), count, replacement)


def test_of_no_rows_nothing_is_drawn():
    assert fl.random.multinomial(fl.zeros((0, 3)), 2, replacement=True).shape == (0, 2)
    assert fl.random.multinomial(fl.ones((2, 3)), 0).shape == (2, 0)
