"""assert_close: what passes, what does not, and what the error says; beside PyTorch's where it is installed."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest
from flambeau.testing import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st


def error_of(*arguments, **options) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_close(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "near", "far"),
    [("float16", 1e-3, 4e-3), ("bfloat16", 1e-2, 4e-2), ("float32", 1e-6, 1e-4), ("float64", 1e-7, 1e-6),
     ("complex64", 1e-6, 1e-4), ("complex128", 1e-7, 1e-6), ("int32", 0, 1)],
)  # fmt: skip
def test_each_dtype_has_its_own_tolerances(dtype, near, far):
    expected = fl.ones(3, dtype=dtype)
    assert_close(fl.asarray(np.full(3, 1 + near)).astype(dtype), expected)
    with pytest.raises(AssertionError, match="3 of 3 differ"):
        assert_close(fl.asarray(np.full(3, 1 + far)).astype(dtype), expected)


def test_the_report_names_worst_count_and_greatest_differences():
    told = error_of(fl.tensor([1.0, 2.5, 100.0]), fl.tensor([1.0, 2.0, 101.0]))
    assert told.splitlines() == [
        "values: 2 of 3 differ (66.7%); the worst at (2,): 100.0 instead of 101.0, off by 1, bound 0.0001413",
        "Greatest absolute difference: 1 at (2,) (up to 1e-05 allowed)",
        "Greatest relative difference: 0.25 at (1,) (up to 1.3e-06 allowed)",
    ]


def test_nan_equals_nothing_unless_it_is_told_to():
    x = fl.tensor([1.0, float("nan")])
    assert "1 of 2 differ" in error_of(x, x.copy())
    assert_close(x, x.copy(), equal_nan=True)
    assert "1 of 2 differ" in error_of(x, fl.tensor([1.0, 2.0]), equal_nan=True)


def test_infinities_are_near_their_like_alone():
    inf = float("inf")
    assert_close(fl.tensor([inf, -inf]), fl.tensor([inf, -inf]))
    assert "2 of 3 differ" in error_of(fl.tensor([inf, inf, 0.0]), fl.tensor([-inf, 1.0, 0.0]))


def test_dtypes_and_devices_of_two_tensors_must_agree():
    a = fl.ones(2)
    assert "float32 instead of float64" in error_of(a, a.astype(fl.float64))
    assert_close(a, a.astype(fl.float64), check_dtype=False)
    assert "on cpu instead of reference" in error_of(a, a.to("reference"))
    assert_close(a, a.to("reference"), check_device=False)
    assert_close(a, [1.0, 1.0])
    assert_close(a, np.ones(2))
    assert "shape (2,) instead of (3,)" in error_of(a, fl.ones(3))


def test_structures_are_compared_item_by_item():
    one, two = fl.ones(2), fl.full(2, 2.0)
    assert_close({"a": [one, two], "b": (one, 3.0)}, {"b": (one, 3.0), "a": [one, two]})
    assert error_of({"a": [one, two]}, {"a": [one, one]}).startswith("values['a'][1]: 2 of 2 differ")
    assert "missing ['b'], not expected ['c']" in error_of({"c": one}, {"b": one})
    assert "1 items instead of 2" in error_of([one], [one, one])
    assert "dict instead of list" in error_of({}, [one])
    assert_close([1.0, 2.0], [1.0, 2.0 + 1e-9])


def test_a_message_of_ones_own_or_made_of_ours():
    assert error_of(fl.ones(1), fl.zeros(1), msg="the weights moved") == "the weights moved"
    told = error_of(fl.ones(1), fl.zeros(1), msg=lambda text: f"step 3: {text}")
    assert told.startswith("step 3: values: 1 of 1 differ")


def test_bounds_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="rtol is -1 and cannot be negative"):
        assert_close(fl.ones(1), fl.ones(1), rtol=-1)
    with pytest.raises(ValueError, match="give one of them"):
        assert_close(fl.ones(1), fl.ones(1), rtol=1e-3, ulp=1)
    with pytest.raises(TypeError, match="must be numbers"):
        assert_close(fl.ones(1), ["a"])


def test_integers_beyond_float64_are_told_apart():
    big = 2**62
    assert_close(fl.tensor([big]), fl.tensor([big]))
    assert "1 of 1 differ" in error_of(fl.tensor([big]), fl.tensor([big + 1]))


def test_nothing_is_near_nothing_of_the_same_shape():
    assert_close(fl.zeros((0, 3)), fl.zeros((0, 3)))
    assert "shape" in error_of(fl.zeros((0, 3)), fl.zeros((3, 0)))


@pytest.mark.torch
@settings(deadline=None)  # the first example imports PyTorch
@given(
    st.lists(st.floats(width=32) | st.sampled_from([0.0, 1.0, float("nan")]), min_size=1, max_size=4),
    st.floats(0, 1e-3),
    st.booleans(),
)
def test_it_passes_what_pytorchs_passes(values, change, equal_nan):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    a = np.array(values, np.float32)
    with np.errstate(all="ignore"):
        b = (a * np.float32(1 + change)).astype(np.float32)

    def passes(check, *arguments):
        try:
            check(*arguments, equal_nan=equal_nan)
        except AssertionError:
            return False
        return True

    there = passes(torch.testing.assert_close, torch.tensor(a), torch.tensor(b))
    assert passes(assert_close, fl.asarray(a), fl.asarray(b)) == there
