"""What the element-wise functions and operators of the standard do at their edges."""

import operator

import flambeau as fl
import numpy as np
import pytest
from flambeau.optable import FLOATS, INTEGERS


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("op", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift])
def test_the_operators_of_bits_are_numpys(op, dtype):
    a, b = np.array([1, 5, 100, 0], dtype=dtype), np.array([3, 2, 1, 7], dtype=dtype)
    x, y = fl.tensor(a), fl.tensor(b)
    assert np.array_equal(np.asarray(op(x, y)), op(a, b))
    assert op(x, 2).tolist() == op(a, np.array(2, dtype)).tolist()
    assert op(2, y).tolist() == op(np.array(2, dtype), b).tolist()
    assert (~x).tolist() == (~a).tolist()
    assert op(x, y).dtype == x.dtype


def test_bits_of_truth_values_are_logic():
    a, b = fl.tensor([True, True, False]), fl.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]
    with pytest.raises(fl.DTypeError, match="bitwise_and: a is float32"):
        _ = fl.ones(2) & fl.ones(2)


def test_shifting_by_more_bits_than_there_are_leaves_nothing_or_the_sign():
    x = fl.tensor([-8, 8], dtype=fl.int8)
    assert (x << 8).tolist() == [0, 0]
    assert (x >> 100).tolist() == [-1, 0]
    assert (fl.tensor([8], dtype=fl.uint64) >> 64).tolist() == [0]
    assert (fl.tensor([2**63], dtype=fl.uint64) >> 1).tolist() == [2**62]


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_next_number_is_one_unit_away(dtype):
    x = fl.tensor([1.0, -1.0, 0.0, 2.0, float("inf"), 1.0], dtype=dtype)
    to = fl.tensor([2.0, 0.0, -1.0, 2.0, 0.0, float("nan")], dtype=dtype)
    for device in ("cpu", "reference"):
        up, down, below, same, largest, nan = fl.nextafter(x.to(device), to.to(device)).tolist()
        info = fl.finfo(dtype)
        assert up == 1.0 + info.eps
        assert down == -1.0 + info.eps / 2
        assert -1e-6 < below < 0
        assert same == 2.0
        assert largest == info.max
        assert nan != nan


def test_halves_round_to_the_even_number():
    assert fl.round(fl.tensor([0.5, 1.5, 2.5, -0.5, -1.5])).tolist() == [0.0, 2.0, 2.0, -0.0, -2.0]
    assert fl.round(fl.tensor([1.5 + 2.5j])).tolist() == [2 + 2j]
    assert fl.ceil(fl.tensor([3], dtype=fl.int16)).dtype == fl.int16


def test_parts_of_complex_numbers():
    x = fl.tensor([3 + 4j, -1j], dtype=fl.complex128)
    assert fl.real(x).tolist() == [3.0, 0.0]
    assert fl.imag(x).tolist() == [4.0, -1.0]
    assert fl.conj(x).tolist() == [3 - 4j, 1j]
    assert abs(x).tolist() == [5.0, 1.0]
    assert abs(x).dtype == fl.float64
    assert fl.signbit(fl.tensor([-0.0, 0.0])).tolist() == [True, False]


def test_a_complex_loss_goes_down_its_gradient():
    target = 2 - 3j
    z = fl.tensor([0j], requires_grad=True)
    for _ in range(60):
        z = z.detach().requires_grad_()
        loss = fl.sum(fl.square(abs(z - target)))
        loss.backward()
        z = z.detach() - 0.1 * z.grad
    assert abs(z.item() - target) < 1e-4


def test_small_numbers_keep_their_digits():
    x = fl.tensor([1e-10, -1e-10], dtype=fl.float64)
    assert np.allclose(np.asarray(fl.expm1(x)), [1e-10, -1e-10], rtol=1e-9, atol=0)
    assert np.allclose(np.asarray(fl.log1p(x)), [1e-10, -1e-10], rtol=1e-9, atol=0)
    z = fl.tensor([1e-10 + 1e-10j], dtype=fl.complex128)
    for function in (fl.expm1, fl.log1p):
        assert np.allclose(np.asarray(function(z)), [1e-10 + 1e-10j], rtol=1e-9, atol=0)
    huge = fl.tensor([1e30], dtype=fl.float32)
    assert fl.hypot(huge, huge).item() == pytest.approx(2**0.5 * 1e30)
    assert fl.logaddexp(huge, huge).item() == pytest.approx(1e30)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, 1.5])
def test_a_power_by_one_number_is_that_by_many(dtype, exponent):
    rng = np.random.default_rng(3)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0]
    drawn = np.concatenate([rng.normal(size=500), np.exp(rng.normal(size=500) * 20), special])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        x = drawn.astype(dtype)
        exact = np.power(x.astype(np.longdouble), np.longdouble(exponent))
        if exponent == 0.5:  # the standard's, where NumPy takes the root's
            exact = np.where(x == -np.inf, np.inf, np.where(x == 0, 0.0, exact))
        expected = exact.astype(dtype)
    one = np.asarray(fl.tensor(x) ** exponent)
    many = np.asarray(fl.pow(fl.tensor(x), fl.full(x.shape, exponent, dtype=fl.tensor(x).dtype)))
    for result in (one, many):
        assert (np.isnan(result) == np.isnan(expected)).all()
        fine = np.isfinite(expected)
        assert (result[~fine & ~np.isnan(expected)] == expected[~fine & ~np.isnan(expected)]).all()
        assert (np.signbit(result[fine]) == np.signbit(expected[fine])).all()
        with np.errstate(over="ignore"):
            assert (np.abs(result[fine] - expected[fine]) <= np.spacing(np.abs(expected[fine]))).all()


@pytest.mark.parametrize("count", [100, 3000, 70_000])
def test_a_variance_within_float32_is_found_though_its_squares_add_up_beyond(count):
    x = np.random.default_rng(5).normal(size=(2, count)) * 3e18
    x = x.astype(np.float32)
    expected = np.var(x.astype(np.float64), axis=1)
    assert np.asarray(fl.var(fl.tensor(x), axis=1)) == pytest.approx(expected, rel=1e-5)
    assert fl.var(fl.full(count, 1e37)).item() == 0
    assert fl.isnan(fl.var(fl.tensor([1.0, np.inf])))


@pytest.mark.parametrize(("shape", "axis"), [((0,), None), ((2, 0), 0), ((2, 0), 1)])
def test_a_product_of_nothing_has_a_gradient_of_its_shape(shape, axis):
    x = fl.zeros(shape).requires_grad_()
    result = fl.prod(x, axis=axis)
    assert (np.asarray(result.detach()) == np.prod(np.zeros(shape), axis=axis)).all()
    fl.sum(result).backward()
    assert x.grad.shape == shape


def test_the_gradient_of_a_short_vector_of_float16_is_no_infinity():
    x = fl.tensor([0.0003, 0.0004], dtype=fl.float16).requires_grad_()
    (fl.linalg.vector_norm(x) * 1000).backward()
    assert np.asarray(x.grad) == pytest.approx([600, 800], rel=0.01)


@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((2, 0), 1), ((2, 0), 0), ((0,), None)])
def test_a_logsumexp_of_nothing_has_a_gradient_of_its_shape(shape, axis):
    x = fl.zeros(shape).requires_grad_()
    result = fl.logsumexp(x, axis=axis)
    assert (np.asarray(result.detach()) == -np.inf).all()
    fl.sum(result).backward()
    assert x.grad.shape == shape


def test_a_logsumexp_of_infinities_gives_finite_elements_no_share():
    inf = float("inf")
    x = fl.tensor([[inf, 1.0, -inf], [-inf, 2.0, 2.0], [-inf] * 3])
    share = fl.grad(lambda x: fl.sum(fl.logsumexp(x, axis=1)))(x)
    # What an infinite sum changes by is not known; of nothing but -inf (a row all masked) nothing has a share.
    assert np.array_equal(share, [[np.nan, 0, 0], [0, 0.5, 0.5], [0, 0, 0]], equal_nan=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_a_deviation_of_equal_elements_has_no_slope(dtype, correction):
    x = fl.tensor([[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]], dtype=dtype, requires_grad=True)
    fl.sum(fl.std(x, axis=1, correction=correction)).backward()
    slope = 1 / np.sqrt(6) if correction == 0 else 0.5
    np.testing.assert_allclose(np.asarray(x.grad.astype(fl.float64)), [[0, 0, 0], [-slope, 0, slope]], atol=4e-3)
    second = fl.grad(lambda x: fl.sum(fl.grad(lambda x: fl.sum(fl.std(x, axis=1)))(x) ** 2))(x.detach())
    assert (np.asarray(second.astype(fl.float64))[0] == 0).all()


def test_a_deviation_with_no_degree_of_freedom_has_no_gradient_to_tell():
    assert fl.isnan(fl.grad(lambda x: fl.std(x, correction=1.0))(fl.tensor([2.0]))).tolist() == [True]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 5000, 3_000_000])
def test_a_dot_product_of_any_length_keeps_its_digits(dtype, count):
    x = np.random.default_rng(count).uniform(0, 1, (2, count)).astype(dtype)
    found = fl.vecdot(*(fl.tensor(row) for row in x))
    assert found.dtype == getattr(fl, dtype)
    exact = np.dot(*x.astype(np.longdouble))
    assert abs(float(found) - exact) <= 8 * np.finfo(dtype).eps * exact


def test_a_dot_product_has_gradients_and_strides_and_batches():
    x = np.random.default_rng(0).normal(size=(3, 5000))
    a, b = (fl.tensor(x[i], requires_grad=True) for i in range(2))
    fl.vecdot(a[::2], b[::-2]).backward()
    wanted = np.zeros(5000)
    wanted[::2] = x[1][::-2]
    np.testing.assert_array_equal(np.asarray(a.grad), wanted)
    np.testing.assert_allclose(np.asarray(fl.vmap(fl.vecdot)(fl.tensor(x), fl.tensor(x))), (x * x).sum(1))


@pytest.mark.parametrize("wide", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("small", ["int8", "int16", "uint8", "uint16"])
def test_floats_become_the_nearest_small_integer_toward_zero(wide, small):
    edges = [0.5, 127, 127.5, 128, 255.9, 256, 32767.9, 32768, 65535.5, 65536, 3e38, np.inf]
    x = fl.tensor([*edges, *(-e for e in edges), np.nan, *np.linspace(-300, 300, 77)], dtype="float32")
    x = x.astype(getattr(fl, wide))
    values = np.nan_to_num(np.asarray(x.astype(fl.float64)), nan=0, posinf=np.inf, neginf=-np.inf)
    limits = np.iinfo(small)
    expected = np.clip(np.trunc(values), limits.min, limits.max).astype(small)
    assert np.array_equal(np.asarray(x.astype(getattr(fl, small))), expected)


@pytest.mark.parametrize("index", ["int8", "int32", "int64", "uint8", "uint64"])
def test_indices_of_any_integer_type_and_stride_choose_the_same(index):
    x = np.random.default_rng(3).normal(size=(7, 5, 3)).astype(np.float32)
    places = np.array([4, 0, 3, 1, 2, 4, 0, 1], index)
    i = fl.tensor(places)
    assert np.array_equal(np.asarray(fl.take(fl.tensor(x), i[::2], axis=1)), x[:, places[::2]])
    assert np.array_equal(np.asarray(fl.take(fl.tensor(x), i[::-1], axis=1)), x[:, places[::-1]])
    if not index.startswith("u"):
        assert np.array_equal(np.asarray(fl.take(fl.tensor(x), i - 5, axis=1)), x[:, places])
    with pytest.raises(IndexError, match="index 5 is out of range for axis 1, which is 5 long"):
        fl.take(fl.tensor(x), fl.tensor([1, 5], dtype=index), axis=1)


def test_an_index_beyond_int64_is_told_as_it_is():
    with pytest.raises(IndexError, match="index 18446744073709551615 is out of range for axis 0, which is 3 long"):
        fl.take(fl.ones(3), fl.asarray(np.array([2**64 - 1], np.uint64)), axis=0)


@pytest.mark.parametrize("shape", [(7,), (1, 70_001), (3, 5, 39), (2, 3, 100)])
@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "complex128"])
def test_zeros_around_a_tensor_are_numpys(shape, dtype):
    x = (np.arange(np.prod(shape)) % 100).reshape(shape).astype(dtype)
    wide = fl.nn.functional.pad(fl.tensor(x), (2, 1) * len(shape))
    assert np.array_equal(np.asarray(wide), np.pad(x, ((2, 1),) * len(shape)))
    if dtype == "float32":
        steps = tuple(slice(1, None, 2) for _ in shape)
        spread = np.asarray(fl.grad(lambda t: fl.sum(t[steps] * 3))(fl.tensor(x)))
        assert (spread[steps] == 3).all()
        assert spread.sum() == 3 * x[steps].size
