"""Order, distinct values, running sums and writing at indices, as users call them."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest
from flambeau.testing import gradcheck, gradgradcheck
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

FLOATS = hnp.arrays(
    "float64",
    hnp.array_shapes(max_dims=3, min_side=0, max_side=6),
    elements=st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 1.0, 2.5, np.inf, np.nan]),
)
WHOLE = hnp.arrays("int64", hnp.array_shapes(max_dims=3, min_side=0, max_side=6), elements=st.integers(-3, 3))


@settings(max_examples=100, deadline=None)
@given(x=FLOATS, axis=st.integers(-1, 0))
def test_sorting_agrees_with_numpy_with_nan_last(x, axis):
    assert np.array_equal(fl.sort(fl.asarray(x), axis=axis).numpy(), np.sort(x, axis=axis), equal_nan=True)
    assert np.array_equal(fl.argsort(fl.asarray(x), axis=axis).numpy(), np.argsort(x, axis=axis, kind="stable"))


@pytest.mark.parametrize("n", [511, 512, 5000])
@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64", "float16"])
def test_long_lines_sort_by_digits_as_short_ones_by_comparison(n, dtype):
    x = (np.random.default_rng(n).standard_normal(n) * 50).astype(dtype)
    t = fl.tensor(x)
    assert np.array_equal(t.sort().numpy(), np.sort(x))
    assert np.array_equal(t.argsort().numpy(), np.argsort(x, kind="stable"))
    assert np.array_equal(t.sort(descending=True).numpy(), np.sort(x)[::-1])


ORDERS = {
    "apart in high bits": lambda random: random.standard_normal(20000),
    "apart in low bits": lambda random: 1 + random.integers(0, 9000, 20000) * 2.0**-52,
    "apart in both": lambda random: (
        random.choice([-1e300, 1.0, 1e300], 20000) * (1 + random.integers(0, 9, 20000) * 2.0**-52)
    ),
    "all alike": lambda random: np.full(20000, 0.1),
    "far integers": lambda random: random.choice([-(2**62), 0, 2**62], 20000) + random.integers(0, 5, 20000),
}


@pytest.mark.parametrize("of", ORDERS.values(), ids=ORDERS)
def test_keys_of_64_bits_are_ordered_by_all_of_them(of):
    x = of(np.random.default_rng(1))
    t = fl.tensor(x)
    assert np.array_equal(t.sort().numpy(), np.sort(x))
    assert np.array_equal(t.argsort().numpy(), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [1, 2, 3, 1000, 4097])
def test_many_places_in_sorted_numbers_agree_with_numpy(side, n):
    random = np.random.default_rng(n)
    table, wanted = np.sort(random.integers(0, n, n)), random.integers(-1, n + 1, 3333)
    found = fl.searchsorted(fl.asarray(table), fl.asarray(wanted), side=side)
    assert np.array_equal(found.numpy(), np.searchsorted(table, wanted, side=side))


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_what_stands_among_many_is_found_as_numpy_finds_it(dtype):
    random = np.random.default_rng(0)
    x, among = (random.integers(0, 5000, n).astype(dtype) for n in (3000, 700))
    if dtype == "float32":
        x[:5], among[:3] = np.nan, np.nan
        x[5], among[3] = 1e9, np.inf
    assert np.array_equal(fl.isin(fl.asarray(x), fl.asarray(among)).numpy(), np.isin(x, among))


def test_a_descending_sort_keeps_equal_elements_in_order_and_puts_nan_first():
    x = fl.tensor([1.0, float("nan"), 1.0, 2.0])
    assert x.argsort(descending=True).tolist() == [1, 3, 0, 2]


def test_topk_gives_the_largest_with_their_places():
    values, places = fl.topk(fl.tensor([3.0, 1.0, 9.0, 9.0]), 3)
    assert (values.tolist(), places.tolist()) == ([9.0, 9.0, 3.0], [2, 3, 0])
    values, places = fl.topk(fl.tensor([3.0, 1.0, 9.0]), 2, largest=False)
    assert (values.tolist(), places.tolist()) == ([1.0, 3.0], [1, 0])
    with pytest.raises(ValueError, match=r"k is 4 and axis 0 of x .* has 3 elements"):
        fl.topk(fl.zeros(3), 4)


@settings(max_examples=100, deadline=None)
@given(x=WHOLE)
def test_distinct_values_agree_with_numpy(x):
    found = fl.unique_all(fl.asarray(x))
    expected = np.unique_all(x)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(ours.numpy(), theirs)
        assert ours.shape == theirs.shape
    assert np.array_equal(fl.unique_values(fl.asarray(x)).numpy(), expected.values)
    assert np.array_equal(fl.unique_counts(fl.asarray(x)).counts.numpy(), expected.counts)
    assert np.array_equal(fl.unique_inverse(fl.asarray(x)).inverse_indices.numpy(), expected.inverse_indices)


def test_every_nan_is_a_value_of_its_own_and_the_zeros_are_one():
    found = fl.unique_all(fl.tensor([float("nan"), 0.0, -0.0, float("nan")]))
    assert found.counts.tolist() == [2, 1, 1]
    assert found.inverse_indices.tolist() == [1, 0, 0, 2]


@settings(max_examples=100, deadline=None)
@given(x=WHOLE)
def test_places_that_are_not_zero_agree_with_numpy(x):
    assert np.array_equal(fl.argwhere(fl.asarray(x)).numpy(), np.argwhere(x))
    for ours, theirs in zip(fl.nonzero(fl.asarray(x)), np.nonzero(x), strict=True):
        assert np.array_equal(ours.numpy(), theirs)
    assert [p.tolist() for p in fl.where(fl.asarray(x) > 0)] == [p.tolist() for p in np.where(x > 0)]


def test_nonzero_while_recording_says_why_it_cannot_be():
    with pytest.raises(RuntimeError, match=r"unknown while a function is recorded; choose with fl.where"):
        fl.record(fl.nonzero, fl.ones(3))


@settings(max_examples=100, deadline=None)
@given(data=st.data(), side=st.sampled_from(["left", "right"]))
def test_places_in_sorted_numbers_agree_with_numpy(data, side):
    table = np.sort(data.draw(hnp.arrays("float64", st.integers(0, 9), elements=st.integers(-3, 3))))
    wanted = data.draw(hnp.arrays("float64", (5,), elements=st.sampled_from([-4.0, -1.0, -0.0, 0.5, 3.0, np.nan])))
    found = fl.searchsorted(fl.asarray(table), fl.asarray(wanted), side=side)
    assert np.array_equal(found.numpy(), np.searchsorted(table, wanted, side=side))


def test_an_unsorted_table_is_searched_through_its_sorter():
    table = fl.tensor([3.0, 1.0, 2.0])
    assert fl.searchsorted(table, fl.tensor([2.5]), sorter=fl.argsort(table)).tolist() == [2]
    assert fl.searchsorted(fl.tensor([1, 2, 3]), 2).item() == 1
    with pytest.raises(ValueError, match="side is 'up' and must be 'left' or 'right'"):
        fl.searchsorted(table, table, side="up")


@pytest.mark.parametrize("function", ["cumulative_sum", "cumulative_prod"])
@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_sums_and_products_agree_with_numpy(function, initial, axis):
    x = np.random.default_rng(3).standard_normal((4, 5))
    ours = getattr(fl, function)(fl.asarray(x), axis=axis, include_initial=initial)
    np.testing.assert_allclose(ours.numpy(), getattr(np, function)(x, axis=axis, include_initial=initial), rtol=1e-14)


def test_running_sums_of_bools_count_and_a_long_one_is_exact():
    assert fl.cumulative_sum(fl.tensor([True, False, True])).tolist() == [1, 1, 2]
    x = np.arange(100_003) % 7
    assert np.array_equal(fl.cumulative_sum(fl.asarray(x)).numpy(), np.cumsum(x))
    single = np.random.default_rng(1).standard_normal(100_003).astype("float32")
    np.testing.assert_allclose(
        fl.cumulative_sum(fl.asarray(single)).numpy(), np.cumsum(single, dtype="float64"), rtol=1e-6, atol=1e-5
    )
    with pytest.raises(ValueError, match="say which axis"):
        fl.cumulative_sum(fl.ones((2, 2)))


def test_a_running_product_has_gradients_through_zeros():
    for dtype, turn in ((fl.float64, 1.0), (fl.complex128, 1j)):
        x = fl.tensor([2.0, 0.0, 3.0 * turn, 0.0, 4.0 + turn], dtype=dtype)
        gradcheck(lambda t: fl.cumulative_prod(t), [x])
        gradgradcheck(lambda t: fl.cumulative_prod(t), [x], atol=1e-6)


def test_logsumexp_neither_overflows_nor_makes_nan_of_infinities():
    infinite = float("inf")
    assert fl.logsumexp(fl.tensor([1000.0, 1000.0])).item() == pytest.approx(1000 + np.log(2))
    assert fl.logsumexp(fl.tensor([-infinite, -infinite])).item() == -infinite
    assert fl.logsumexp(fl.tensor([infinite, 1.0])).item() == infinite
    x = fl.tensor([-infinite, -infinite], requires_grad=True)
    fl.logsumexp(x).backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_scatter_writes_in_the_order_of_the_values():
    zeros, places = fl.zeros(4), fl.tensor([0, 2, 2, -1])
    values = fl.tensor([1.0, 2.0, 3.0, 4.0])
    assert fl.scatter(zeros, places, values, axis=0).tolist() == [1.0, 0.0, 3.0, 4.0]
    assert fl.scatter(zeros, places, values, axis=0, reduce="max").tolist() == [1.0, 0.0, 3.0, 4.0]
    with pytest.raises(IndexError, match="index 4 is out of range for axis 0, which is 4 long"):
        fl.scatter(zeros, fl.tensor([4]), 1.0, axis=0)
    with pytest.raises(ValueError, match="reduce is 'mean' and must be"):
        fl.scatter(zeros, places, values, axis=0, reduce="mean")


def test_a_value_that_was_overwritten_has_no_gradient():
    values = fl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    fl.scatter(fl.zeros(2), fl.tensor([0, 1, 1]), values, axis=0).sum().backward()
    assert values.grad.tolist() == [1.0, 0.0, 1.0]


def test_a_product_has_gradients_where_one_of_the_values_is_zero():
    x = fl.tensor([2.0, 3.0, 5.0], dtype=fl.float64)
    places = fl.tensor([0, 0, 1, 1])
    values = fl.tensor([0.0, 4.0, 0.0, 0.0], dtype=fl.float64)
    for again in (places, places - fl.tensor([0, 3, 3, 0])):  # a negative index is the same element
        gradcheck(lambda a, v, i=again: fl.scatter(a, i, v, axis=0, reduce="multiply"), [x, values])
        gradgradcheck(lambda a, v, i=again: fl.scatter(a, i, v, axis=0, reduce="multiply"), [x, values])


def test_products_of_parts_and_of_complex_numbers_have_gradients():
    x = fl.reshape(fl.arange(12.0, dtype=fl.float64), (2, 3, 2))
    places = fl.tensor([[0, 2], [2, -3]])
    values = fl.reshape(fl.arange(-6.0, 10.0, dtype=fl.float64), (2, 2, 2, 2))
    put = fl._core.ops["put"]
    gradcheck(lambda a, v: put(a, places, v, 1, "multiply"), [x, values])
    gradgradcheck(lambda a, v: put(a, places, v, 1, "multiply"), [x, values])

    def product(real, imaginary):
        v = real + 1j * imaginary
        out = [fl.scatter(v[:2], fl.tensor([1, 1, 0]), v * 2, axis=0, reduce="multiply"), fl.cumulative_prod(v, axis=0)]
        return [part for one in out for part in (fl.real(one), fl.imag(one))]

    halves = [fl.tensor([1.0, 0.0, -2.0], dtype=fl.float64), fl.tensor([0.5, 0.0, 3.0], dtype=fl.float64)]
    gradcheck(product, halves)
    gradgradcheck(product, halves)


def test_counting_is_exact_beyond_what_floats_count():
    start = 2**53 + 1
    assert fl.arange(start, start + 5, 2).tolist() == [start, start + 2, start + 4]
    assert fl.arange(-(2**63), -(2**63) + 2).tolist() == [-(2**63), -(2**63) + 1]
    assert fl.arange(2**62, 2**62 - 3, -1).tolist() == [2**62, 2**62 - 1, 2**62 - 2]
    assert fl.arange(0, 2**60 * 3, 2**60).tolist() == [0, 2**60, 2**61]
