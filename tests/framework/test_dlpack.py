"""Tensors of other libraries, without a copy."""

import gc

import flambeau as fl
import numpy as np
import pytest


@pytest.fixture
def torch_module():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float16", "float32", "float64"])
def test_numpy_takes_and_gives(dtype):
    x = fl.tensor([[0, 1, 2], [3, 4, 5]]).astype(getattr(fl, dtype))
    array = np.from_dlpack(x)
    assert array.tolist() == x.tolist()
    assert fl.from_dlpack(array).tolist() == x.tolist()
    assert np.shares_memory(array, x.numpy())


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["int32", "int64", "float16", "bfloat16", "float32", "float64"])
def test_torch_takes_and_gives(dtype, torch_module):
    x = fl.tensor([[0, 1, 2], [3, 4, 5]]).astype(getattr(fl, dtype)).T
    there = torch_module.from_dlpack(x)
    assert there.tolist() == x.tolist()
    assert str(there.dtype) == f"torch.{dtype}"
    back = fl.from_dlpack(there)
    assert back.tolist() == x.tolist()
    there[0, 0] = 9
    assert x.tolist()[0][0] == 9
    assert fl.asarray(there).tolist() == x.tolist()


def test_memory_lives_as_long_as_either_side():
    x = fl.arange(1000)
    array = np.from_dlpack(x)
    del x
    gc.collect()
    fl.zeros(1000, dtype=fl.int64)
    assert array[999] == 999
    y = fl.from_dlpack(np.arange(1000))
    gc.collect()
    assert y[999].item() == 999


def test_copy_and_device_are_honoured():
    x = fl.arange(3)
    copied = fl.from_dlpack(np.from_dlpack(x), copy=True)
    x[0] = 7
    assert copied.tolist() == [0, 1, 2]
    assert str(fl.from_dlpack(np.arange(3), device="reference").device) == "reference"
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="copy=False forbids to bring the tensor from cpu to reference"):
        fl.from_dlpack(np.arange(3), device="reference", copy=False)


def test_a_capsule_is_used_once():
    capsule = fl.arange(3).__dlpack__()
    assert fl.from_dlpack(capsule).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="used already"):
        fl.from_dlpack(capsule)


def test_an_unused_capsule_lets_go():
    gc.collect()
    before = fl.memory.memory_allocated()
    capsule = fl.zeros(100_000).__dlpack__(max_version=(1, 0))
    assert fl.memory.memory_allocated() > before
    del capsule
    assert fl.memory.memory_allocated() <= before


def test_what_cannot_be_shared_is_refused_with_the_way_out():
    with pytest.raises(BufferError, match=r"detach"):
        fl.tensor([1.0], requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="not the host"):
        fl.ones(1).__dlpack__(dl_device=(2, 0))
    with pytest.raises(ValueError, match="stream"):
        fl.ones(1).__dlpack__(stream=1)


@pytest.mark.torch
def test_elements_that_are_unknown_here_are_refused():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    with pytest.raises(fl.DTypeError, match="8 bits are not known here; cast to"):
        fl.from_dlpack(torch.zeros(2).to(torch.float8_e4m3fn))


def test_read_only_arrays_stay_read_only():
    array = np.arange(3.0)
    array.flags.writeable = False
    x = fl.from_dlpack(array)
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1
