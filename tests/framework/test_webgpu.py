"""WebGPU through wgpu-native: conformance, batches, copies of odd bytes, late errors, and libraries that do not fit."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core, conformance, nn, optable, optim, testing
from flambeau.nn import functional

from tests.framework.newer_ops import WITHOUT_KERNELS

ROOT = Path(__file__).resolve().parents[2]
DEVICE = "webgpu:0"
THERE = DEVICE in [device.name for device in fl.devices()]
needs_device = pytest.mark.skipif(not THERE, reason=fl.devices.missing().get("webgpu", "no WebGPU device"))


@needs_device
@pytest.mark.slow
def test_it_conforms() -> None:
    results = list(conformance.run(DEVICE))
    assert [result for result in results if result.result == "failed"] == []
    assert {result.op for result in results if result.result == "unsupported"} <= WITHOUT_KERNELS
    assert sum(result.result == "passed" for result in results) > 4000


@needs_device
@pytest.mark.slow
def test_the_digits_are_learned_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    monkeypatch.syspath_prepend(str(ROOT / "examples"))  # where it finds what stands beside it
    example = runpy.run_path(str(ROOT / "examples" / "digits_mlp.py"))
    data = example["digits"]()
    net = example["train"](data, seed=0, epochs=6, device=DEVICE)
    assert example["accuracy"](net, data, DEVICE) > 0.92


@needs_device
def test_a_network_with_batch_norms_is_moved_trained_and_loaded() -> None:
    fl.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 4))
    before = {name: fl.asarray(value, copy=True) for name, value in net.state_dict().items()}
    images = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype("float32")
    losses = []
    for device in ("cpu", DEVICE):
        net.to(device)
        net.load_state_dict(before)
        optimizer = optim.AdamW(net.parameters(), lr=0.01)
        classes = fl.tensor([0, 1, 2, 3, 1], dtype=fl.int32, device=device)
        for _ in range(3):
            loss = functional.cross_entropy(net(fl.tensor(images, device=device)), classes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert net[1].num_batches_tracked.dtype == fl.int32
    assert net[1].num_batches_tracked.item() == 3
    there = net.state_dict()
    assert nn.BatchNorm2d(3).load_state_dict({name[2:]: there[name] for name in there if name.startswith("1.")})


@needs_device
def test_what_it_does_not_store_is_cast_before_it_moves() -> None:
    assert fl.tensor([1, 2]).to(DEVICE, dtype=fl.int32).to("cpu").tolist() == [1, 2]
    assert fl.tensor([True], device=DEVICE).to("cpu", dtype=fl.float64).tolist() == [1.0]


# ---- what drivers do in their own ways: on NVIDIA's each of these was wrong once ----


@needs_device
def test_whole_numbers_divide_by_negative_ones() -> None:
    random = np.random.default_rng(0)
    for low, high in ((-9, 10), (-(2**31), 2**31)):
        x, y = (random.integers(low, high, 5000).astype("int32") for _ in range(2))
        y[y == 0] = 1
        there = [fl.tensor(values, device=DEVICE) for values in (x, y)]
        assert np.array_equal((there[0] // there[1]).to("cpu").numpy(), x // y)
        assert np.array_equal((there[0] % there[1]).to("cpu").numpy(), x % y)


@needs_device
def test_relu_keeps_a_nan() -> None:
    there = functional.relu(fl.tensor([np.nan, -1.0, 2.0], dtype=fl.float32, device=DEVICE)).to("cpu").numpy()
    assert np.array_equal(there, np.float32([np.nan, 0.0, 2.0]), equal_nan=True)


@needs_device
@pytest.mark.parametrize("op", ["divide", "floor_divide", "pow"])
def test_digits_are_kept_at_any_size_of_number(op: str) -> None:
    random = np.random.default_rng(1)
    n, row = 50_000, optable.row(op)
    x, y = (random.normal(size=n) * 10.0 ** random.uniform(-3, 2, n) for _ in range(2))
    if op == "pow":
        x = np.abs(x)
    else:
        x[::7], y[::7] = np.copysign(10.0 ** random.uniform(36, 38.5, (2, n))[:, ::7], (x[::7], y[::7]))
    x, y = x.astype("float32"), y.astype("float32")
    found = _core.apply(op, [fl.tensor(values, device=DEVICE) for values in (x, y)], []).to("cpu").numpy()
    wide = [fl.tensor(values.astype("float64"), device="reference") for values in (x, y)]
    exact = _core.apply(op, wide, []).to("cpu").numpy()
    # A number below 2^-126 may be zero there, and one that rounds to infinity may be the largest.
    normal = (np.abs(exact) < 3.4e38) & ((np.abs(exact) > 1.2e-38) | (exact == 0))
    assert testing.ulp_distance(found, exact, "float32")[normal].max() <= row.ulp["float32"]


@needs_device
def test_normals_are_within_two_units() -> None:
    fl.manual_seed(5)
    exact = fl.random.normal(400_001, device="reference").to("cpu").numpy()
    fl.manual_seed(5)
    there = fl.random.normal(400_001, device=DEVICE).to("cpu").numpy()
    assert testing.ulp_distance(there, exact, "float32").max() <= 2


@needs_device
def test_it_says_what_it_is_and_has() -> None:
    device = next(device for device in fl.devices() if device.name == DEVICE)
    assert device.driver.startswith("wgpu-native 29.")
    assert [str(dtype) for dtype in device.dtypes] == ["bool", "int32", "float32"]
    assert str(device.index_dtype) == "int32"
    assert not device.host_memory
    with pytest.raises((fl.DTypeError, fl.DeviceError), match="float64"):
        fl.tensor([1.0], dtype=fl.float64, device=DEVICE)


@needs_device
def test_its_name_may_leave_out_the_number() -> None:
    results = list(conformance.run("webgpu", ops=["add"]))
    assert {result.result for result in results} == {"passed", "not_run"}


@needs_device
def test_what_lies_there_is_saved(tmp_path: Path) -> None:
    fl.save({"a": fl.ones((2, 3), device=DEVICE), "b": fl.tensor([True], device=DEVICE)}, tmp_path / "a.safetensors")
    loaded = fl.load(tmp_path / "a.safetensors", device=DEVICE)
    assert [str(x.device) for x in loaded.values()] == [DEVICE, DEVICE]
    assert loaded["a"].tolist() == [[1.0] * 3] * 2


@needs_device
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 63, 1001])
def test_bools_of_any_number_cross_unharmed(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 2, count).astype(bool)
    there = fl.tensor(values, device=DEVICE)
    assert there.to("cpu").tolist() == values.tolist()
    assert fl.logical_not(there).to("cpu").tolist() == (~values).tolist()


@needs_device
def test_thousands_of_launches_go_in_batches() -> None:
    x = fl.zeros(5, device=DEVICE)
    for _ in range(2000):
        x = x + 1.0
    assert x.to("cpu").tolist() == [2000.0] * 5


@needs_device
def test_views_are_read_and_written_where_they_lie() -> None:
    values = np.arange(24, dtype="float32").reshape(4, 6)
    x = fl.tensor(values, device=DEVICE)
    assert (x.mT[1:5:2, ::-1] * 2.0).to("cpu").tolist() == (values.T[1:5:2, ::-1] * 2).tolist()
    x[1, ::2] = -1.0
    values[1, ::2] = -1.0
    assert x.to("cpu").tolist() == values.tolist()


@needs_device
@pytest.mark.parametrize("shape", [(1, 1, 1), (17, 33, 5), (16, 16, 16), (1, 100, 3), (70, 1, 70), (513, 37, 530)])
def test_products_that_do_not_fill_their_tiles(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    random = np.random.default_rng(m)
    a, b = random.normal(size=(m, k)).astype("float32"), random.normal(size=(k, n)).astype("float32")
    found = (fl.tensor(a, device=DEVICE) @ fl.tensor(b, device=DEVICE)).to("cpu").numpy()
    np.testing.assert_allclose(found, a @ b, rtol=1e-4, atol=1e-5)


@needs_device
def test_a_long_product_rounds_by_tiles() -> None:
    random = np.random.default_rng(3)
    a, b = random.normal(size=(8, 70_001)).astype("float32"), random.normal(size=(70_001, 8)).astype("float32")
    found = (fl.tensor(a, device=DEVICE) @ fl.tensor(b, device=DEVICE)).to("cpu").numpy()
    exact = a.astype("float64") @ b
    assert np.linalg.norm(found - exact) < 2e-6 * np.linalg.norm(exact)


@needs_device
@pytest.mark.parametrize(
    ("shape", "axis"), [((70_001,), 0), ((5, 9001), 1), ((9001, 5), 0), ((3, 70, 99), (0, 2)), ((30, 4097), 1)], ids=str
)
def test_parts_of_many_elements_are_joined(shape: tuple[int, ...], axis: int | tuple[int, ...]) -> None:
    random = np.random.default_rng(len(shape))
    whole = random.integers(-(2**31), 2**31, shape).astype("int32")
    few = random.integers(-50, 50, shape).astype("float32")  # the largest more than once
    there = fl.tensor(few, device=DEVICE)
    with np.errstate(over="ignore"):
        total = whole.sum(axis, dtype="int32")
    assert np.array_equal(fl.sum(fl.tensor(whole, device=DEVICE), axis=axis, dtype=fl.int32).to("cpu").numpy(), total)
    np.testing.assert_allclose(fl.mean(there, axis=axis).to("cpu").numpy(), few.mean(axis, dtype="float64"), rtol=1e-6)
    assert np.array_equal(fl.min(there, axis=axis).to("cpu").numpy(), few.min(axis))
    one = np.zeros(shape, bool)
    one.reshape(-1)[one.size * 3 // 4] = True
    assert np.array_equal(fl.any(fl.tensor(one, device=DEVICE), axis=axis).to("cpu").numpy(), one.any(axis))
    assert np.array_equal(fl.all(fl.tensor(~one, device=DEVICE), axis=axis).to("cpu").numpy(), (~one).all(axis))
    if isinstance(axis, int):
        assert np.array_equal(fl.argmax(there, axis=axis).to("cpu").numpy(), few.argmax(axis))
        few.reshape(-1)[:: few.size // 11] = np.nan
        assert np.array_equal(fl.argmin(fl.tensor(few, device=DEVICE), axis=axis).to("cpu").numpy(), few.argmin(axis))


@needs_device
def test_parts_of_several_threads_are_kept_apart() -> None:
    data = [fl.full(20_000, float(number), device=DEVICE) for number in range(4)]
    found: list[list[float]] = [[] for _ in data]

    def add(number: int) -> None:
        found[number] += [fl.sum(data[number]).item() for _ in range(50)]

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[20_000.0 * number] * 50 for number in range(4)]


@needs_device
def test_a_long_sum_keeps_its_digits() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 300_001).astype("float32")
    found = fl.sum(fl.tensor(values, device=DEVICE)).item()
    assert found == pytest.approx(values.astype("float64").sum(), rel=1e-6)


@needs_device
@pytest.mark.parametrize("size", [(3, 2), (9, 4), (1, 1)], ids=str)
def test_an_infinity_is_met_by_its_own_windows_of_an_adaptive_pool_alone(size: tuple[int, int]) -> None:
    x = np.random.default_rng(5).normal(size=(2, 3, 7, 5)).astype("float32")
    x[0, 0, 0, 0], x[1, 2, 6, 4], x[1, 0, 3, 2] = np.inf, -np.inf, np.nan
    g = np.random.default_rng(6).normal(size=(2, 3, *size)).astype("float32")
    g[0, 1, 0, 0] = np.inf
    results = []
    for device in ("cpu", DEVICE):
        given = fl.tensor(x, device=device, requires_grad=True)
        y = functional.adaptive_avg_pool2d(given, size)
        y.backward(fl.tensor(g, device=device))
        results.append([np.asarray(y.detach().to("cpu")), np.asarray(given.grad.to("cpu"))])
    for here, there in zip(*results, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)


@needs_device
def test_random_bits_are_the_cpus() -> None:
    fl.manual_seed(11)
    here = fl.random.uniform(1001)
    fl.manual_seed(11)
    assert fl.random.uniform(1001, device=DEVICE).to("cpu").tolist() == here.tolist()


@needs_device
def test_an_index_out_of_range_is_told_at_the_next_synchronize() -> None:
    x = fl.arange(3, dtype=fl.float32, device=DEVICE)
    fl.take(x, fl.tensor([1, 5], dtype=fl.int32, device=DEVICE))
    with pytest.raises(IndexError, match="take: index 5 is out of range for an axis of size 3"):
        x.device.synchronize()
    x.device.synchronize()
    assert fl.take(x, fl.tensor([-1], dtype=fl.int32, device=DEVICE)).to("cpu").tolist() == [2.0]


@needs_device
def test_more_memory_than_a_binding_holds_is_refused_with_the_limit() -> None:
    with pytest.raises((fl.DeviceError, MemoryError), match=r"larger than the \d+ that .* binds"):
        fl.zeros(2**32, device=DEVICE)


def missing(**environment: str) -> str:
    code = "import flambeau as fl; fl.devices(); print(fl.devices.missing().get('webgpu', 'there'))"
    place = {**os.environ, "PYTHONPATH": str(Path(fl.__file__).parents[1]), **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=place, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not os.environ.get("FLAMBEAU_WGPU_LIBRARY"), reason="the wgpu package is not installed")
def test_a_machine_without_a_driver_is_told_what_to_install() -> None:
    assert "no adapter; install a Vulkan driver" in missing(VK_ICD_FILENAMES="/nowhere/at/all.json")


def test_a_library_that_is_not_there_is_said() -> None:
    assert "FLAMBEAU_WGPU_LIBRARY does not open" in missing(FLAMBEAU_WGPU_LIBRARY="/nowhere/libwgpu.so")


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc to build another release with")
@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("0x1c000000u", "is release 28, this build is for release 29: pip install wgpu==0.32.0"),
        ("0x1d000000u", "has no function wgpuCreateInstance"),
    ],
)
def test_a_library_of_another_release_is_refused(tmp_path: Path, version: str, said: str) -> None:
    source, library = tmp_path / "other.c", tmp_path / "other.so"
    source.write_text(f"unsigned wgpuGetVersion(void) {{ return {version}; }}\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    assert said in missing(FLAMBEAU_WGPU_LIBRARY=str(library))
