"""Every level of the CPU backend against the reference loops, through the C header, and the same bits on any number
of threads."""

from __future__ import annotations

import fcntl
import itertools
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 arrays need ml_dtypes")

from tests.csrc import emulated  # noqa: E402
from tests.csrc.emulated import Emulated  # noqa: E402
from tests.csrc.kernels import ROOT, Array, Device, library_path  # noqa: E402

pytestmark = pytest.mark.slow

LEVELS = ("v2", "v3", "v4", "aarch64") if platform.machine() in ("x86_64", "AMD64") else ("portable",)
BFLOAT16 = ml_dtypes.bfloat16
FLOATS = (np.float16, BFLOAT16, np.float32, np.float64)
NUMBERS = (np.int32, np.int64, *FLOATS)
ALL = (bool, *NUMBERS)
UNIT = {np.float16: 2.0**-10, BFLOAT16: 2.0**-7, np.float32: 2.0**-23, np.float64: 2.0**-52}
SMALLEST = {np.float16: 2.0**-24, BFLOAT16: 2.0**-133, np.float32: 2.0**-149, np.float64: 5e-324}
SHAPES = ((), (0,), (1,), (7,), (33,), (3, 5), (17, 40), (0, 4), (5, 3, 130), (1500, 3), (3, 1100))


@pytest.fixture(scope="session")
def harness() -> Path:
    """The kernels without the core; built if a compiler is there and it has not been, by one process at a time."""
    folder = ROOT / "build" / "harness"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # first of all: a file that another process still links is there already
        if library_path() is None:
            if not shutil.which("cmake") or not shutil.which("g++"):
                pytest.skip("the kernel harness is not built, and cmake or g++ is missing to build it")
            _build(folder)
    path = library_path()
    assert path is not None
    return path


def _build(folder: Path) -> None:
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(folder), "-DFLAMBEAU_OPENBLAS=OFF"],
        ["cmake", "--build", str(folder), "--target", "kernel_harness", "-j", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"the kernel harness could not be built: {done.stdout[-2000:]}{done.stderr[-2000:]}")


@pytest.fixture(scope="session")
def reference(harness: Path) -> Device:
    return Device("reference")


@pytest.fixture(scope="session", params=LEVELS)
def cpu(request: pytest.FixtureRequest, harness: Path) -> Iterator[Device | Emulated]:
    """The CPU backend at each level; `aarch64` is the portable one as another processor runs it, in an emulator."""
    if request.param == "aarch64":
        if lacking := emulated.missing():
            pytest.skip(f"no AArch64 here: {', '.join(lacking)} missing")
        device = emulated.Emulated("cpu")
        assert device.driver().startswith("level portable")
        yield device
        device.close()
        return
    try:
        device = Device("cpu", level=request.param)
    except RuntimeError as error:
        pytest.skip(f"level {request.param} does not run here: {error}")
    assert device.driver().startswith(f"level {request.param}")
    yield device


def random_array(seed: int, shape: tuple[int, ...], dtype: Any) -> Array:
    rng = np.random.default_rng(seed)
    if dtype is bool:
        return np.asarray(rng.random(shape) < 0.5)
    if dtype in (np.int32, np.int64):
        return rng.integers(-50, 50, shape).astype(dtype)
    return np.asarray(rng.normal(size=shape)).astype(dtype)


def layouts(x: Array) -> Iterator[Array]:
    """The same kind of values in other strides: turned, backwards, every second, repeated."""
    yield x
    if x.ndim >= 2:
        yield x.swapaxes(0, -1)
    if x.ndim >= 1 and x.size:
        yield x[..., ::-1]
        yield x[::2]
        yield np.broadcast_to(x[:1], x.shape)


def assert_within(actual: Array, expected: Array, *, ulp: float, at: float = 0.0) -> None:
    """Equal, or within `ulp` units in the last place at the expected value or at `at`, whichever is larger."""
    dtype = next(known for known in ALL if np.dtype(known) == actual.dtype)
    if dtype not in UNIT:
        np.testing.assert_array_equal(actual, expected)
        return
    a, e = actual.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.maximum(np.abs(e), at)
        units = np.ldexp(1.0, np.frexp(np.where(np.isfinite(size), size, 1.0))[1] - 1) * UNIT[dtype]
        near = np.abs(a - e) <= ulp * np.maximum(units, SMALLEST[dtype])
    wrong = ~(near | (a == e) | (np.isnan(a) & np.isnan(e)))
    assert not wrong.any(), f"{actual[wrong][:3]} instead of {expected[wrong][:3]}"


def compare(
    cpu: Device | Emulated,
    reference: Device,
    op: str,
    inputs: list[Array],
    outputs: list[Array],
    *attrs: Any,
    ulp: float = 0.0,
    at: float = 0.0,
    repeated: bool = False,
) -> None:
    """Both devices give the same values, or refuse with the same error."""
    results: list[Any] = []
    for device in (cpu, reference):
        try:
            results.append(device.run(op, inputs, [np.ones_like(x) for x in outputs], *attrs, repeated=repeated))
        except (ValueError, IndexError, NotImplementedError) as error:
            results.append(error)
    if isinstance(results[0], Exception) or isinstance(results[1], Exception):
        assert (type(results[0]), str(results[0])) == (type(results[1]), str(results[1]))
        return
    for actual, expected in zip(*results, strict=True):
        try:
            assert_within(actual, expected, ulp=ulp, at=at)
        except AssertionError as error:
            described = [(x.dtype.name, x.shape, x.strides) for x in inputs]
            raise AssertionError(f"{op} of {described}, {attrs}: {error}") from None


def values_of_all_sizes(dtype: Any) -> Array:
    special = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 0.5, 2, 3, -3, 88.8, -88, -103.5, 0.625, 1e30]
    rng = np.random.default_rng(1)
    drawn = [rng.normal(size=2000), rng.normal(size=2000) * 20, np.exp(rng.normal(size=2000) * 20)]
    with np.errstate(over="ignore"):
        return np.concatenate([special, *drawn, rng.uniform(-1, 1, 1003)]).astype(dtype)


# float32, float64. Where the result may cancel, units are counted at 1.
UNARY_ULP = {
    "exp": (1, 1),
    "log": (1, 1),
    "tanh": (2, 2),
    "sigmoid": (2, 2),
    "expm1": (1, 2),
    "log1p": (1, 2),
    "log2": (1, 1),
    "log10": (1, 2),
    "sin": (1, 1),
    "cos": (1, 1),
    "tan": (1, 2),
    "asin": (1, 3),
    "acos": (1, 2),
    "atan": (1, 2),
    "sinh": (1, 3),
    "cosh": (1, 2),
    "asinh": (1, 3),
    "acosh": (1, 3),
    "atanh": (1, 3),
    "erf": (2, 2),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_functions_of_one_value_stay_within_their_bounds(cpu, reference, dtype):
    x = values_of_all_sizes(dtype)
    with np.errstate(over="ignore"):
        turns = np.concatenate([np.arange(1, 200) * np.pi / 2, [1e5, 999999.9, 1e6 + 1, 1e22, 3e38, 1e300, 1.7e308]])
        x = np.concatenate([x, turns.astype(dtype), (1 + np.arange(-99, 99) * 1e-3).astype(dtype)])
    for op in ("negative", "abs", "sign", "square", "sqrt", "relu", "floor", *UNARY_ULP):
        bound = UNARY_ULP.get(op, (0, 0))[dtype is np.float64]
        compare(cpu, reference, op, [x], [np.empty_like(x)], ulp=min(bound, 1) if x.itemsize == 2 else bound)
    for op in ("isnan", "isfinite"):
        compare(cpu, reference, op, [x], [np.empty(x.shape, bool)])


@pytest.mark.parametrize("approximate", [False, True], ids=["erf", "tanh"])
def test_gelu_keeps_its_digits_in_the_tail(cpu, approximate):
    x = np.concatenate([np.linspace(-13, 8, 4001), [-np.inf, np.inf, np.nan, 0.0, -200.0, 1e30]]).astype(np.float32)
    # The reference in double at float32's inputs is the exact value here.
    exact = Device("reference").run("gelu", [x.astype(np.float64)], [np.empty(x.shape)], approximate)[0]
    actual = cpu.run("gelu", [x], [np.empty_like(x)], approximate)[0]
    assert_within(actual, exact.astype(np.float32), ulp=3)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_functions_of_two_floats_agree_with_the_reference(cpu, reference, dtype):
    x = values_of_all_sizes(dtype)
    y = x[np.random.default_rng(2).permutation(x.size)]
    for op in (
        "add",
        "subtract",
        "multiply",
        "divide",
        "maximum",
        "minimum",
        "remainder",
        "floor_divide",
        "pow",
        "atan2",
        "hypot",
    ):
        bound = {"remainder": 1, "floor_divide": 1, "pow": 1, "atan2": 2, "hypot": 1}.get(op, 0)
        compare(cpu, reference, op, [x, y], [np.empty_like(x)], ulp=bound)
    compare(cpu, reference, "logaddexp", [x, y], [np.empty_like(x)], ulp=4, at=1)
    for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        compare(cpu, reference, op, [x, y], [np.empty(x.shape, bool)])
    one = np.ones_like(x)
    with np.errstate(invalid="ignore"):
        inside = y[np.abs(y) <= 1].repeat(x.size)[: x.size]
    compare(cpu, reference, "relu_grad", [x, y], [np.empty_like(x)])
    for op in ("tanh_grad", "sigmoid_grad"):
        compare(cpu, reference, op, [one, inside], [np.empty_like(x)], ulp=4, at=1)
    for approximate in (False, True):
        compare(cpu, reference, "gelu_grad", [one, y], [np.empty_like(x)], approximate, ulp=8, at=1)


@pytest.mark.parametrize("dtype", [bool, np.int32, np.int64], ids=lambda d: np.dtype(d).name)
def test_whole_numbers_and_truth_agree_with_the_reference(cpu, reference, dtype):
    edges = np.array([0, 1, -1, 2, 3, -3, 7, 2**31 - 1, -(2**31)], np.int64).astype(dtype)
    x, y = (np.ascontiguousarray(part.ravel()) for part in np.meshgrid(edges, edges))
    ops = ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
    if dtype is bool:
        for op in (*ops, "logical_and", "logical_or", "logical_xor"):
            compare(cpu, reference, op, [x, y], [np.empty(x.shape, bool)])
        compare(cpu, reference, "logical_not", [x], [np.empty(x.shape, bool)])
        return
    for op in ops:
        compare(cpu, reference, op, [x, y], [np.empty(x.shape, bool)])
    for op in ("add", "subtract", "multiply", "floor_divide", "remainder", "pow", "maximum", "minimum"):
        compare(cpu, reference, op, [x, y], [np.empty_like(x)])
    for op in ("negative", "abs", "sign", "square", "relu", "floor"):
        compare(cpu, reference, op, [x], [np.empty_like(x)])


def test_casts_round_once_and_saturate(cpu, reference):
    floats = np.array(
        [0, -0.0, 1.5, -1.5, np.nan, np.inf, -np.inf, 1e10, -1e10, 3e38, 1e300, 65504, 65519, 65520, 2**31, 2**63,
         -(2**63), 1e-45, 6e-8, 3e-8, 2.9e-8, 1 + 2**-11, 1 + 2**-8, 1 + 2**-11 + 2**-40, 2**53 + 2.0]
    )  # fmt: skip
    whole = np.array([2**62 + 1, 2**53 + 1, -(2**53) - 1, 2**24 + 1, 257 * 2**40 + 1, -(2**62) - 3, 65535], np.int64)
    with np.errstate(over="ignore"):
        given = [floats.astype(d) for d in FLOATS]
    for x in (*given, whole, whole.astype(np.int32), whole > 0):
        for to in ALL:
            compare(cpu, reference, "cast", [x], [np.empty(x.shape, to)], to)


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: np.dtype(d).name)
def test_any_strides_reduce_and_move_as_in_the_reference(cpu, reference, dtype):
    cpu.threads(3)
    for shape in SHAPES:
        for x in layouts(random_array(3, shape, dtype)):
            total = float(np.abs(x.astype(np.float64)).sum())
            compare(cpu, reference, "copy", [x], [np.empty(x.shape, dtype)])
            y = random_array(4, x.shape, dtype)
            compare(cpu, reference, "where", [random_array(5, x.shape, bool), x, y], [np.empty(x.shape, dtype)])
            if dtype is not bool:
                compare(cpu, reference, "add", [x, y], [np.empty(x.shape, dtype)])
            for count in range(x.ndim + 1):
                for axes in itertools.combinations(range(x.ndim), count):
                    out = tuple(1 if d in axes else size for d, size in enumerate(x.shape))
                    kept = [list(axes), True]
                    summed = dtype if dtype in FLOATS else np.int64
                    bound = {"ulp": 256 if dtype is np.float64 else 2, "at": total}
                    compare(cpu, reference, "sum", [x], [np.empty(out, summed)], *kept, summed, **bound)
                    compare(cpu, reference, "any", [x], [np.empty(out, bool)], *kept)
                    compare(cpu, reference, "all", [x], [np.empty(out, bool)], *kept)
                    if dtype in FLOATS:
                        compare(cpu, reference, "mean", [x], [np.empty(out, dtype)], *kept, **bound)
                    if dtype is bool:
                        continue
                    compare(cpu, reference, "max", [x], [np.empty(out, dtype)], *kept)
                    compare(cpu, reference, "min", [x], [np.empty(out, dtype)], *kept)
                    if count == 1 or count == x.ndim:
                        compare(cpu, reference, "argmax", [x], [np.empty(out, np.int64)], *kept)
                        compare(cpu, reference, "argmin", [x], [np.empty(out, np.int64)], *kept)
    cpu.threads(1)


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: np.dtype(d).name)
def test_indexing_and_joining_agree_with_the_reference(cpu, reference, dtype):
    rng = np.random.default_rng(6)
    for shape in ((7,), (3, 5), (17, 40), (5, 3, 130), (0, 4)):
        for x, axis in itertools.product(layouts(random_array(7, shape, dtype)), range(len(shape))):
            n = x.shape[axis]
            y = random_array(8, x.shape, dtype)
            joined = np.empty(np.concatenate([x, y], axis).shape, dtype)
            compare(cpu, reference, "concat", [x, y], [joined], axis, repeated=True)
            if n == 0:
                continue
            for index_dtype in (np.int32, np.int64):
                indices = rng.integers(-n, n, (3, 2)).astype(index_dtype)
                taken = np.empty((*x.shape[:axis], 3, 2, *x.shape[axis + 1 :]), dtype)
                compare(cpu, reference, "take", [x, indices], [taken], axis)
                along = rng.integers(-n, n, (*x.shape[:axis], 2, *x.shape[axis + 1 :])).astype(index_dtype)
                compare(cpu, reference, "take_along_axis", [x, along], [np.empty(along.shape, dtype)], axis)
                if dtype in FLOATS:
                    g, h = random_array(9, taken.shape, dtype), random_array(9, along.shape, dtype)
                    out = [np.empty(x.shape, dtype)]
                    compare(cpu, reference, "take_grad", [g, indices], out, axis, n, ulp=4, at=8)
                    compare(cpu, reference, "take_along_axis_grad", [h, along], out, axis, n, ulp=4, at=8)
            out_of_range = np.array([n])
            compare(cpu, reference, "take", [x, out_of_range], [x.take([0], axis)], axis)
            starts = [size - 1 if d % 2 else 0 for d, size in enumerate(x.shape)]
            steps = [-1 if d % 2 else 2 for d in range(x.ndim)]
            part = random_array(
                10, tuple(s if p < 0 else (s + 1) // 2 for s, p in zip(x.shape, steps, strict=True)), dtype
            )
            attrs = (list(x.shape), starts, [0] * x.ndim, steps)
            compare(cpu, reference, "slice_grad", [part], [np.empty(x.shape, dtype)], *attrs)


MATRICES = [(1, 1, 1), (3, 4, 5), (1, 64, 64), (64, 1, 64), (13, 33, 7), (5, 7, 0), (1, 7, 100), (40, 50, 60),
            (2, 200, 300), (1, 1000, 70), (130, 70, 65), (200, 180, 190)]  # fmt: skip


@pytest.mark.parametrize("dtype", NUMBERS, ids=lambda d: np.dtype(d).name)
def test_products_of_any_size_and_layout_agree_with_the_reference(cpu, reference, dtype):
    cpu.threads(2)
    for (m, n, k), turn_a, turn_b in itertools.product(MATRICES, (False, True), (False, True)):
        if m * n * k > 1_000_000 and dtype not in (np.float32, np.int32):
            continue
        a = random_array(11, (k, m), dtype).T if turn_a else random_array(11, (m, k), dtype)
        b = random_array(12, (n, k), dtype).T if turn_b else random_array(12, (k, n), dtype)
        bound = {"ulp": 16.0, "at": 4 * k**0.5}
        compare(cpu, reference, "matmul", [a, b], [np.empty((m, n), dtype)], **bound)
        if dtype in FLOATS and k and m * n * k < 200_000:
            compare(cpu, reference, "matmul", [a[:, ::-1], b], [np.empty((m, n), dtype)], **bound)
            shift = np.full((n,), 2, dtype)
            shifted = cpu.run("linear", [a, b.T, shift], [np.empty((m, n), dtype)])[0]
            plain = reference.run("matmul", [a, b], [np.empty((m, n), dtype)])[0]
            assert_within(shifted, (plain.astype(np.float64) + 2).astype(dtype), ulp=16, at=4 * k**0.5)
    a, b = random_array(13, (4, 1, 6, 5), dtype), random_array(14, (1, 3, 5, 9), dtype)
    a, b = np.broadcast_to(a, (4, 3, 6, 5)), np.broadcast_to(b, (4, 3, 5, 9))
    compare(cpu, reference, "matmul", [a, b], [np.empty((4, 3, 6, 9), dtype)], ulp=8, at=10)
    cpu.threads(1)


# Edges of tiles, panels, stretches of k, tasks; rows in two bands, few rows, few columns.
LARGE = [(513, 75, 530), (640, 130, 66), (37, 1100, 113), (300, 17, 1030), (525, 1, 600), (601, 310, 1043),
         (5000, 9, 101), (170, 165, 160)]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_large_products_have_the_same_right_bits_on_any_number_of_threads(cpu, dtype):
    for (m, n, k), turn_a, turn_b in itertools.product(LARGE, (False, True), (False, True)):
        if isinstance(cpu, Emulated) and (m * n * k > 10_000_000 or turn_a != turn_b):
            continue
        a = random_array(15, (k, m), dtype).T if turn_a else random_array(15, (m, k), dtype)
        b = random_array(16, (n, k), dtype).T if turn_b else random_array(16, (k, n), dtype)
        shift = random_array(17, (n,), dtype)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        for left, right, expected in ((a, b, exact), (a[::-1], b[:, ::-1], exact[::-1, ::-1])):
            product, shifted = set(), set()
            for threads in (1, 2, 3, 8):
                cpu.threads(threads)
                product.add(cpu.run("matmul", [left, right], [np.empty((m, n), dtype)])[0].tobytes())
                shifted.add(cpu.run("linear", [left, right.T, shift], [np.empty((m, n), dtype)])[0].tobytes())
            assert len(product) == len(shifted) == 1, f"{(m, n, k)}"
            found = np.frombuffer(product.pop(), dtype).reshape(m, n)
            assert_within(found, expected.astype(dtype), ulp=16, at=4 * k**0.5)
            found = np.frombuffer(shifted.pop(), dtype).reshape(m, n)
            assert_within(found, (expected + shift).astype(dtype), ulp=16, at=4 * k**0.5)
    cpu.threads(1)


def test_what_is_not_finite_spreads_in_large_products_to_its_row_and_column_alone(cpu):
    a, b = random_array(18, (530, 300), np.float32), random_array(19, (300, 70), np.float32)
    a[7, 299], a[529, 0], b[0, 69] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = a.astype(np.float64) @ b.astype(np.float64)
    for left in (a, np.asfortranarray(a)):
        found = cpu.run("matmul", [left, b], [np.empty((530, 70), np.float32)])[0]
        assert_within(found, expected.astype(np.float32), ulp=16, at=40)
    one = np.broadcast_to(a[:1], (530, 300))  # all rows are one
    found = cpu.run("matmul", [one, b[:, :69]], [np.empty((530, 69), np.float32)])[0]
    assert (found == found[0]).all()
    assert_within(found, (one.astype(np.float64) @ b[:, :69]).astype(np.float32), ulp=16, at=40)


def test_int8_weights_give_the_product_of_what_they_stand_for(cpu):
    """Up to 32 rows they are widened in registers, beyond in panels; the same bits for any number of threads."""
    random = np.random.default_rng(3)
    for rows, outputs, inputs in ((1, 9, 70), (7, 37, 16), (32, 600, 33), (33, 5, 65), (40, 300, 130)):
        x, bias = (random.normal(size=shape).astype("float32") for shape in ((rows, inputs), (outputs,)))
        weight = random.integers(-127, 128, (outputs, inputs)).astype("int8")
        scale = random.uniform(0.001, 0.01, outputs).astype("float32")
        found = []
        for threads in (1, 2, 3, 8):
            cpu.threads(threads)
            found.append(cpu.run("linear_int8", [x, weight, scale, bias], [np.empty((rows, outputs), "float32")])[0])
        cpu.threads(1)
        assert len({one.tobytes() for one in found}) == 1
        expected = x.astype("float64") @ (weight * scale[:, None].astype("float64")).T + bias
        assert_within(found[0], expected.astype("float32"), ulp=16, at=float(np.abs(expected).max()))


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_unscaling_finds_what_is_not_finite(cpu, dtype):
    for bad, size in itertools.product((None, np.inf, -np.inf, np.nan), (1, 31, 1000)):
        gradients = [np.ones((3, 5), dtype).T, np.full(size, 3, dtype)]
        if bad is not None:
            gradients[1][size // 2] = bad
        inputs = [*gradients, np.zeros((), dtype)]
        expected = [x * dtype(0.5) for x in gradients]
        cpu.run("unscale", inputs, inputs, 0.5, repeated=True)
        assert inputs[2] == (bad is not None)
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(inputs, expected, strict=False))


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_softmax_and_cross_entropy_agree_with_the_reference(cpu, reference, dtype):
    many = 64 if dtype is np.float64 else 4
    for shape in ((), (7,), (3, 5), (5, 3, 130), (1500, 3), (3, 1100)):
        for x, axis in itertools.product(layouts(random_array(15, shape, dtype)), range(max(1, len(shape)))):
            out = [np.empty(x.shape, dtype)]
            compare(cpu, reference, "softmax", [x], out, axis, ulp=many + 2)
            compare(cpu, reference, "log_softmax", [x], out, axis, ulp=many, at=5)
            y = np.asarray(reference.run("softmax", [x], [np.empty(x.shape, dtype)], axis)[0])
            log_y = np.asarray(reference.run("log_softmax", [x], [np.empty(x.shape, dtype)], axis)[0])
            g = random_array(16, x.shape, dtype)
            compare(cpu, reference, "softmax_grad", [g, y], out, axis, ulp=many, at=4)
            compare(cpu, reference, "log_softmax_grad", [g, log_y], out, axis, ulp=many, at=40)
    for reduction, smoothing, (rows, classes) in itertools.product((0, 1, 2), (0.0, 0.1), ((6, 10), (40, 3), (1, 700))):
        logits = random_array(17, (rows, classes), dtype)
        target = np.random.default_rng(18).integers(0, classes, rows)
        target[rows // 2] = -100 if rows > 1 else target[0]
        loss_shape = (rows,) if reduction == 0 else ()
        for t in (target, target.astype(np.int32)):
            outs = [np.empty(loss_shape, dtype), np.empty((rows, classes), dtype)]
            compare(
                cpu, reference, "cross_entropy", [logits, t], outs, reduction, -100, smoothing, ulp=many, at=8 * rows
            )
            saved = reference.run("log_softmax", [logits], [np.empty_like(logits)], 1)[0]
            g = random_array(19, loss_shape, dtype)
            inputs = [g, saved, t]
            compare(cpu, reference, "cross_entropy_grad", inputs, [outs[1]], reduction, -100, smoothing, ulp=many, at=2)
    bad = [np.empty((), dtype), np.empty((2, 3), dtype)]
    compare(cpu, reference, "cross_entropy", [random_array(1, (2, 3), dtype), np.array([0, 3])], bad, 1, -100, 0.0)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("turned", [False, True], ids=["plain", "turned"])
def test_optimizer_steps_agree_with_the_reference(cpu, reference, dtype, turned):
    def group(seed: int) -> list[Array]:
        arrays = [random_array(seed + i, (30, 40), dtype) for i in range(3)]
        return [x.T for x in arrays] if turned else arrays

    def same_after(op: str, groups: list[list[Array]], *attrs: Any) -> None:
        after = []
        for device in (cpu, reference):
            own = [[x.copy(order="K") for x in part] for part in groups]
            inputs = [x for part in own for x in part]
            device.run(op, inputs, own[0] + [x for part in own[2:] for x in part], 3, *attrs, repeated=True)
            after.append(inputs)
        for actual, expected in zip(*after, strict=True):
            assert_within(actual, expected, ulp=4, at=4)

    for momentum, dampening, decay in itertools.product((0.0, 0.9), (0.0, 0.1), (0.0, 0.01)):
        for nesterov, maximize, first in itertools.product((False, True), repeat=3):
            groups = [group(20), group(30), *([group(40)] if momentum else [])]
            same_after("sgd_step", groups, 0.1, momentum, dampening, decay, nesterov, maximize, first)
    for step, decay, maximize in itertools.product((1, 10), (0.0, 0.1), (False, True)):
        states = [group(20), group(30), group(40), [np.abs(x) for x in group(50)]]
        same_after("adamw_step", states, 0.01, 0.9, 0.999, 1e-8, decay, step, maximize)
        squares = [np.abs(x) for x in group(60)]
        for decoupled, largest in itertools.product((False, True), ([], [squares])):
            same_after("adam_step", states + largest, 0.01, 0.9, 0.999, 1e-3, decay, step, decoupled, maximize)
        same_after("adagrad_step", [*states[:2], squares], 0.1, 1e-3, decay, maximize)
        same_after("lion_step", states[:3], 0.01, 0.9, 0.99, decay, maximize)
        wide = [x + dtype(40) for x in squares]  # squares stay above the square of the mean
        for momentum, centered in itertools.product((0.0, 0.9), (False, True)):
            more = [states[2]] * (centered + (momentum != 0))
            same_after("rmsprop_step", [*states[:2], wide, *more], 0.1, 0.9, 1e-3, decay, momentum, centered, maximize)


def test_random_numbers_are_those_of_the_reference(cpu, reference):
    cpu.threads(3)
    for dtype, n in itertools.product((np.float32, np.float64), (1, 2, 3, 1000, 1025, 40001)):
        out = [np.empty(n, dtype)]
        compare(cpu, reference, "uniform", [], out, [n], 1234567890123, 77, dtype)
        compare(cpu, reference, "normal", [], out, [n], -5, 2**33, dtype, ulp=2 if dtype is np.float32 else 8)
    for dtype, (low, high) in itertools.product((np.int32, np.int64), ((-10, 1000), (-(2**31), 2**31 - 1))):
        compare(cpu, reference, "randint", [], [np.empty(5000, dtype)], [5000], low, high, 99, 3, dtype)
    for dtype in ALL:
        compare(cpu, reference, "full", [], [np.empty((7, 1000), dtype)], [7, 1000], 1.25, 3, dtype)
        if dtype is not bool:
            compare(cpu, reference, "arange", [], [np.empty(1000, dtype)], -3.0, 2.0, 1000, dtype)
    cpu.threads(1)


def test_any_number_of_threads_gives_the_same_bits(cpu):
    big = random_array(21, (300_007,), np.float32)
    wide, tall = random_array(22, (70, 5000), np.float32), random_array(23, (90_001, 4), np.float32)
    a, b = random_array(24, (700, 300), np.float32), random_array(25, (300, 520), np.float32)
    half = random_array(26, (200_003,), np.float16)
    calls: list[tuple[Any, ...]] = [
        ("exp", [big], [np.empty_like(big)]),
        ("sum", [big], [np.empty(1, np.float32)], [0], True, np.float32),
        ("sum", [half], [np.empty(1, np.float16)], [0], True, np.float16),
        *(("sum", [x], [np.empty((1, x.shape[1]), np.float32)], [0], True, np.float32) for x in (wide, tall)),
        *(("mean", [x], [np.empty((x.shape[0], 1), np.float32)], [1], True) for x in (wide, tall)),
        ("matmul", [a, b], [np.empty((700, 520), np.float32)]),
        ("matmul", [a[:1], b], [np.empty((1, 520), np.float32)]),
        ("matmul", [a.astype(np.int32), b.astype(np.int32)], [np.empty((700, 520), np.int32)]),
        ("softmax", [wide], [np.empty_like(wide)], 1),
        ("softmax", [tall], [np.empty_like(tall)], 0),
        *(("var", [x], [np.empty((x.shape[0], 1), np.float32)], [1], True, 1.0) for x in (wide, tall)),
        ("var", [big], [np.empty(1, np.float32)], [0], True, 0.0),
        ("argmax", [big], [np.empty(1, np.int64)], [0], True),
        ("cumulative_sum", [big], [np.empty_like(big)], 0),
        ("cumulative_sum", [tall], [np.empty_like(tall)], 1),
        ("normal", [], [np.empty(100_001, np.float32)], [100_001], 7, 0, np.float32),
    ]
    for op, inputs, outputs, *attrs in calls:
        results = []
        for threads in (1, 2, 3, 8):
            cpu.threads(threads)
            results.append(cpu.run(op, inputs, [np.empty_like(x) for x in outputs], *attrs)[0].tobytes())
        assert len(set(results)) == 1, f"{op} of {[x.shape for x in inputs]}"
    cpu.threads(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: np.dtype(d).name)
def test_rows_of_whole_vectors_are_right_and_the_same_on_any_number_of_threads(cpu, dtype):
    """Such rows go together in one loop; those of the last shape leave past the caches where memory is aligned."""
    shapes = [(3, 64)] if isinstance(cpu, Emulated) else [(1, 64), (2, 64), (37, 192), (9, 1040), (2080, 1024)]
    for shape in shapes:
        x = random_array(41, shape, dtype)
        x[0, 3], x[-1, -1] = 4, -np.inf
        exact = x.astype(np.float64)
        powers = np.exp(exact - exact.max(1, keepdims=True))
        total = powers.sum(1, keepdims=True)
        memory = np.empty(x.size + 16, dtype)
        offset = -memory.ctypes.data % 64 // memory.itemsize
        for start in (offset, (offset + 1) % 16):
            found: dict[str, set[bytes]] = {"softmax": set(), "log_softmax": set(), "layer_norm": set()}
            out = memory[start : start + x.size].reshape(shape)
            for threads in (1, 2, 3, 8):
                cpu.threads(threads)
                for op in ("softmax", "log_softmax"):
                    found[op].add(cpu.run(op, [x], [out], 1)[0].tobytes())
                finite = np.where(np.isfinite(x), x, 0).astype(dtype)
                weight, bias = finite[0] + 2, finite[-1]
                found["layer_norm"].add(cpu.run("layer_norm", [finite, weight, bias], [out], 1, 1e-5)[0].tobytes())
            assert {op: len(bits) for op, bits in found.items()} == dict.fromkeys(found, 1)
            actual = {op: np.frombuffer(bits.pop(), dtype).reshape(shape) for op, bits in found.items()}
            many = 64 if dtype is np.float64 else 8
            assert_within(actual["softmax"], (powers / total).astype(dtype), ulp=2 * many)
            with np.errstate(divide="ignore"):
                assert_within(actual["log_softmax"], (np.log(powers) - np.log(total)).astype(dtype), ulp=many, at=40)
            wide = finite.astype(np.float64)
            mean, variance = wide.mean(1, keepdims=True), wide.var(1, keepdims=True)
            normal = (wide - mean) / np.sqrt(variance + 1e-5) * weight + bias
            assert_within(actual["layer_norm"], normal.astype(dtype), ulp=many, at=40)
    cpu.threads(1)


def test_pairs_of_bfloat16_are_multiplied_as_the_reference_does_on_any_number_of_threads(harness, reference):
    try:
        cpu = Device("cpu", level="v4-bf16")
    except RuntimeError as error:
        pytest.skip(f"level v4-bf16 does not run here: {error}")
    sizes = [(40, 50, 60), (33, 65, 2), (1, 70, 700), (300, 1, 77), (1, 600, 33), (400, 515, 1027), (13, 33, 514),
             (530, 90, 1101), (525, 17, 300)]  # fmt: skip
    for (m, n, k), turn_a, turn_b in itertools.product(sizes, (False, True), (False, True)):
        a = random_array(31, (k, m), BFLOAT16).T if turn_a else random_array(31, (m, k), BFLOAT16)
        b = random_array(32, (n, k), BFLOAT16).T if turn_b else random_array(32, (k, n), BFLOAT16)
        shift = random_array(33, (n,), BFLOAT16)
        product, shifted = set(), set()
        for threads in (1, 2, 3, 8):
            cpu.threads(threads)
            product.add(cpu.run("matmul", [a, b], [np.empty((m, n), BFLOAT16)])[0].tobytes())
            shifted.add(cpu.run("linear", [a, b.T, shift], [np.empty((m, n), BFLOAT16)])[0].tobytes())
        assert len(product) == len(shifted) == 1, f"{(m, n, k)}"
        expected = a.astype(np.float32) @ b.astype(np.float32)
        found = np.frombuffer(product.pop(), BFLOAT16).reshape(m, n)
        assert_within(found, expected.astype(BFLOAT16), ulp=2, at=k**0.5)
        found = np.frombuffer(shifted.pop(), BFLOAT16).reshape(m, n)
        assert_within(found, (expected + shift.astype(np.float32)).astype(BFLOAT16), ulp=2, at=k**0.5)
    cpu.threads(1)
    extremes = np.array([[np.inf, 1, 3e38, np.nan], [0, -0.0, 3e38, 1]] * 20, BFLOAT16)
    ones = np.ones((4, 500), BFLOAT16)
    found = cpu.run("matmul", [extremes, ones], [np.empty((40, 500), BFLOAT16)])[0].astype(np.float32)
    assert np.isnan(found[0]).all()
    assert (found[1] == np.float32(BFLOAT16(3e38))).all()
    odd = random_array(34, (40, 33), BFLOAT16)  # what lies beside a row's odd last element is the next row's
    odd[5, 0] = np.nan
    found = cpu.run("matmul", [odd, np.ones((33, 40), BFLOAT16)], [np.empty((40, 40), BFLOAT16)])[0].astype(np.float32)
    assert (np.isnan(found).any(axis=1) == (np.arange(40) == 5)).all()
    assert cpu.driver().startswith("level v4-bf16")


def test_an_unknown_level_is_refused_with_those_there_are(harness):
    with pytest.raises(RuntimeError, match="FLAMBEAU_CPU_LEVEL is v9; this processor and build have"):
        Device("cpu", level="v9")
