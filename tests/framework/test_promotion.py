"""Which dtype comes out: one table for operators, functions, scalars."""

import itertools

import flambeau as fl
import numpy as np
import pytest
from flambeau.optable import COMPLEX, DTYPES, FLOATS, INTEGERS


def expected(a: str, b: str) -> str:
    """NumPy's answer within a kind; between kinds the higher one, with the width it has."""
    kinds = [("bool",), INTEGERS, FLOATS, COMPLEX]
    rank = {name: i for i, kind in enumerate(kinds) for name in kind}
    low, high = sorted((a, b), key=lambda name: rank[name])
    if rank[low] == rank[high]:
        if a != b and "bfloat16" in (a, b):
            return next((one for one in (a, b) if one in ("float32", "float64")), "float32")
        return str(np.result_type(a, b)) if a != b else a
    return "complex128" if high == "complex64" and low == "float64" else high


@pytest.mark.parametrize(("a", "b"), list(itertools.product(DTYPES, DTYPES)))
def test_two_dtypes_give_the_one_that_holds_both(a, b):
    assert str(fl.result_type(getattr(fl, a), getattr(fl, b))) == expected(a, b)
    x, y = fl.ones(2, dtype=a), fl.ones(2, dtype=b)
    if (a, b) != ("bool", "bool"):
        assert str((x * y).dtype) == expected(a, b)
    assert str(fl.where(fl.tensor(True), x, y).dtype) == expected(a, b)
    assert fl.can_cast(a, b) == (expected(a, b) == b)


@pytest.mark.parametrize(
    ("dtype", "scalar", "result"),
    [
        ("float32", 2, "float32"), ("float16", 2.5, "float16"), ("bfloat16", 1.0, "bfloat16"),
        ("float64", 2.5, "float64"),
        ("int32", 2, "int32"), ("int32", 2.5, "float32"), ("int64", 2.5, "float32"), ("int32", True, "int32"),
        ("bool", 2, "int64"), ("bool", 2.5, "float32"),
        ("uint8", 2, "uint8"), ("int8", 2.5, "float32"), ("complex64", 2, "complex64"),
        ("complex128", 2.5, "complex128"),
        ("float32", 2j, "complex64"), ("float64", 2j, "complex128"), ("int64", 2j, "complex64"),
    ],
)  # fmt: skip
def test_python_numbers_give_way_to_the_tensor(dtype, scalar, result):
    x = fl.ones(2, dtype=dtype)
    assert str((x * scalar).dtype) == result
    assert str((scalar + x).dtype) == result
    if "complex" not in result:
        assert str(fl.maximum(x, scalar).dtype) == result
    assert str(fl.result_type(x, scalar)) == result


@pytest.mark.parametrize(("a", "b"), list(itertools.product(("bool", *INTEGERS), ("bool", *INTEGERS))))
def test_integers_divide_as_floats(a, b):
    x, y = [0, 1, 0 if a == "bool" else 100], [1, 1, 1 if b == "bool" else 3]
    above, below = fl.asarray(x, dtype=a), fl.asarray(y, dtype=b)
    assert str((above / 3).dtype) == str((3 / below).dtype) == "float32"
    wide = fl.result_type(above, below) == fl.float64  # uint64 beside a signed integer
    assert str((above / below).dtype) == ("float64" if wide else "float32")
    number = np.float64 if wide else np.float32
    assert (above / below).tolist() == (number(x) / number(y)).tolist()


def test_a_quotient_of_integers_is_a_constant_to_gradients_and_what_follows_it_is_not():
    weight = fl.tensor([1.0, 2.0], requires_grad=True)
    fl.sum(weight * (fl.arange(2) / 4)).backward()
    assert weight.grad.tolist() == [0.0, 0.25]
    assert fl.vmap(lambda a: a / 2)(fl.arange(3)).tolist() == [0.0, 0.5, 1.0]
    assert np.isnan((fl.zeros(2, dtype="int8") / 0).numpy()).all()


def test_an_integer_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="does not fit into int32"):
        fl.ones(1, dtype=fl.int32) + 2**31
    with pytest.raises(ValueError, match="does not fit into int64"):
        fl.ones(1, dtype=fl.int64) + 2**63
    with pytest.raises(ValueError, match="-1 does not fit into uint8"):
        fl.ones(1, dtype=fl.uint8) + -1
    with pytest.raises(ValueError, match="256 does not fit into uint8"):
        fl.tensor([256], dtype=fl.uint8)
    assert (fl.ones(1, dtype=fl.uint64) * (2**64 - 1)).item() == 2**64 - 1


def test_large_integers_stay_exact():
    x = fl.tensor([2**53], dtype=fl.int64)
    assert (x + 1).item() == 2**53 + 1
    assert fl.full((), 2**53 + 1, dtype=fl.int64).item() == 2**53 + 1


def test_a_whole_number_stays_exact_as_a_float64():
    assert (fl.zeros(1, dtype=fl.float64) + (2**53 - 1)).item() == 2.0**53 - 1


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_finfo_holds(name):
    info = fl.finfo(name)
    one = fl.ones((), dtype=name)
    assert (one + info.eps).item() > 1
    assert (one + info.eps / 2).item() == 1
    assert fl.full((), info.max, dtype=name).item() == info.max
    assert (fl.full((), info.max, dtype=name) * 2).item() == float("inf")
    assert fl.full((), info.smallest_normal, dtype=name).item() == info.smallest_normal


def test_iinfo_holds():
    assert (fl.iinfo(fl.int32).max, fl.iinfo(fl.int64).min) == (2**31 - 1, -(2**63))
    for name in INTEGERS:
        info = fl.iinfo(name)
        assert (info.min, info.max) == (np.iinfo(name).min, np.iinfo(name).max)
        assert fl.tensor([info.min, info.max], dtype=name).tolist() == [info.min, info.max]
    with pytest.raises(fl.DTypeError, match="finfo"):
        fl.iinfo(fl.float32)


@pytest.mark.parametrize(
    ("dtype", "kind", "answer"),
    [
        ("int32", "integral", True), ("bool", "integral", False), ("float16", "real floating", True),
        ("float32", ("bool", "numeric"), True), ("bool", ("integral", "real floating"), False),
        ("int64", fl.int64, True),
    ],
)  # fmt: skip
def test_isdtype_answers(dtype, kind, answer):
    assert fl.isdtype(getattr(fl, dtype), kind) is answer


def test_halves_are_rounded_once_from_python_numbers():
    # 1 + 2**-11 lies halfway between two float16; the tiny rest must decide, and would be lost by way of float32.
    assert fl.tensor(1 + 2**-11 + 2**-40, dtype=fl.float16).item() == 1 + 2**-10
    assert fl.tensor(1 + 2**-11, dtype=fl.float16).item() == 1
    assert fl.tensor(65520.0, dtype=fl.float16).item() == float("inf")
    assert fl.tensor(2.0**-24, dtype=fl.float16).item() == 2.0**-24
