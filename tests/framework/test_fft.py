"""fl.fft against NumPy for every size, norm and layout, and its gradients against differences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import flambeau as fl
import numpy as np
import pytest
from flambeau.testing import gradcheck, gradgradcheck
from hypothesis import given, settings
from hypothesis import strategies as st

RANDOM = np.random.default_rng(11)
NORMS = ["backward", "ortho", "forward"]


def pairs(*shape):
    return RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)


def close(ours, theirs):
    assert ours.shape == theirs.shape
    bound = {"float32": 1e-4, "complex64": 1e-4}.get(str(ours.dtype), 1e-10)
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=bound, atol=bound)


@pytest.mark.parametrize("n", [*range(1, 40), 64, 97, 100, 121, 127, 128, 210, 243, 256, 360, 1000, 1009, 1024, 2047])
def test_every_size_agrees_with_numpy(n):
    x = pairs(2, n)
    close(fl.fft.fft(fl.asarray(x)), np.fft.fft(x))
    close(fl.fft.ifft(fl.asarray(x)), np.fft.ifft(x))
    close(fl.fft.rfft(fl.asarray(x.real.copy())), np.fft.rfft(x.real))
    half = np.fft.rfft(x.real)
    close(fl.fft.irfft(fl.asarray(half), n=n), x.real)


@pytest.mark.parametrize("real", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("lines", [1, 3, 21])  # four steps, lanes half full, several vectors of lanes
@pytest.mark.parametrize("n", [60, 64, 99, 1009, 2310, 16384, 16807])
def test_long_and_many_lines_agree_with_numpy_along_any_axis(n, lines, real):
    x = pairs(lines, n)
    complexes, floats = x.astype(np.result_type(real, np.complex64)), x.real.astype(real)
    size = np.abs(np.fft.fft(x)).max()
    bound = size * np.log2(n) * np.finfo(real).eps
    for name, given_x in (("fft", complexes), ("ifft", complexes), ("rfft", floats), ("irfft", complexes)):
        expected = getattr(np.fft, name)(given_x.astype(x.dtype if given_x is complexes else np.float64))
        for ours in (given_x, np.ascontiguousarray(given_x.T).T):
            close_to = getattr(fl.fft, name)(fl.asarray(ours)).numpy()
            assert close_to.dtype.itemsize == expected.dtype.itemsize * np.dtype(real).itemsize // 8
            assert np.abs(close_to - expected).max() <= (bound if name in ("fft", "rfft") else bound / n * 2)
        turned = getattr(fl.fft, name)(fl.asarray(given_x).T, axis=0).numpy()
        assert np.abs(turned.T - expected).max() <= (bound if name in ("fft", "rfft") else bound / n * 2)


@pytest.mark.parametrize("shape", [(1, 65536), (3, 16384), (40, 1000), (5, 1009)])
def test_any_number_of_threads_gives_the_same_bits(shape):
    x = fl.asarray(pairs(*shape).astype(np.complex64))
    before = fl.get_num_threads()
    try:
        results = set()
        for threads in (1, 2, 3):
            fl.set_num_threads(threads)
            results.add(fl.fft.fft(x).numpy().tobytes())
        assert len(results) == 1
    finally:
        fl.set_num_threads(before)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 9),
    n=st.none() | st.integers(1, 12),
    axis=st.sampled_from([0, 1, -1, -2]),
    norm=st.sampled_from(NORMS),
    name=st.sampled_from(["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]),
)
def test_sizes_axes_and_norms_agree_with_numpy(size, n, axis, norm, name):
    x = pairs(size + 1, size + 1)
    if name in ("rfft", "ihfft"):
        x = x.real.copy()
    ours = getattr(fl.fft, name)(fl.asarray(x), n=n, axis=axis, norm=norm)
    close(ours, getattr(np.fft, name)(x, n=n, axis=axis, norm=norm))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("s", "axes"), [(None, None), (None, (0, 2)), ((4, 3), (1, 0)), ((2, 3, 8), (0, 1, 2))])
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_several_axes_agree_with_numpy(name, s, axes, norm):
    x = RANDOM.standard_normal((3, 4, 5)) if name == "rfftn" else pairs(3, 4, 5)
    ours = getattr(fl.fft, name)(fl.asarray(x), s=s, axes=axes, norm=norm)
    close(ours, getattr(np.fft, name)(x, s=s, axes=axes, norm=norm))


def test_single_precision_stays_single_and_real_input_becomes_complex():
    x = RANDOM.standard_normal(300).astype("float32")
    found = fl.fft.fft(fl.asarray(x))
    assert found.dtype == fl.complex64
    close(found, np.fft.fft(x))
    assert fl.fft.irfft(fl.fft.rfft(fl.asarray(x))).dtype == fl.float32


def test_views_with_any_strides_are_transformed():
    x = pairs(6, 8)
    close(fl.fft.fft(fl.asarray(x)[::-2, 1::3].mT, axis=0), np.fft.fft(x[::-2, 1::3].T, axis=0))
    wide = fl.broadcast_to(fl.asarray(x[0]), (3, 8))
    close(fl.fft.fft(wide), np.fft.fft(np.broadcast_to(x[0], (3, 8))))


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_frequencies_and_shifts_agree_with_numpy(n):
    close(fl.fft.fftfreq(n, d=0.5, dtype=fl.float64), np.fft.fftfreq(n, 0.5))
    close(fl.fft.rfftfreq(n, d=0.5, dtype=fl.float64), np.fft.rfftfreq(n, 0.5))
    x = RANDOM.standard_normal((n, 3))
    for axes in (None, 0, (0, 1)):
        close(fl.fft.fftshift(fl.asarray(x), axes=axes), np.fft.fftshift(x, axes))
        close(fl.fft.ifftshift(fl.asarray(x), axes=axes), np.fft.ifftshift(x, axes))


@pytest.mark.parametrize("n", [1, 5, 6])
def test_gradients_agree_with_differences(n):
    """From real numbers through a complex spectrum and back."""
    weights = fl.asarray(pairs(3, n // 2 + 1))

    def function(x):
        spectrum = fl.fft.fft(fl.fft.rfft(x, norm="ortho"), axis=0) * weights
        return fl.fft.irfft(fl.fft.ifft(spectrum * spectrum, axis=0), n=n)

    gradcheck(function, [fl.asarray(RANDOM.standard_normal((3, n)))], rtol=1e-5, atol=1e-6)
    gradgradcheck(function, [fl.asarray(RANDOM.standard_normal((3, n)))], rtol=1e-4, atol=1e-5)


def test_what_cannot_be_transformed_is_refused():
    with pytest.raises(fl.DTypeError, match=r"x is int64; cast it with x.astype\(fl.float32\)"):
        fl.fft.fft(fl.ones(3, dtype=fl.int64))
    with pytest.raises(fl.DTypeError, match="half a spectrum is that of real numbers"):
        fl.fft.rfft(fl.asarray(pairs(3)))
    with pytest.raises(ValueError, match=r"n is 0 for x of shape \(3,\)"):
        fl.fft.fft(fl.ones(3), n=0)
    with pytest.raises(ValueError, match="norm is 'unitary' and must be"):
        fl.fft.fft(fl.ones(3), norm="unitary")
    with pytest.raises(IndexError, match="axis 2 is out of range"):
        fl.fft.fft(fl.ones(3), axis=2)
    with pytest.raises(ValueError, match="s has 1 sizes and axes has 2"):
        fl.fft.fftn(fl.ones((3, 3)), s=(2,), axes=(0, 1))


MANY_LENGTHS = """
import flambeau as fl
def held():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * 4096
fl.fft.fft(fl.ones(8, dtype=fl.complex128))
before = held()
for more in range(14):
    fl.fft.fft(fl.ones(2**18 + more, dtype=fl.complex128))
fl.memory.empty_cache()
print((held() - before) >> 20)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_the_roots_of_many_lengths_do_not_pile_up():
    # Half a gigabyte of roots in all, of which at most 64 MB are kept; the rest is what malloc has not given back.
    run = subprocess.run([sys.executable, "-c", MANY_LENGTHS], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 260


@pytest.mark.parametrize("n", [8, 10, 22, 64, 100, 1000])
@pytest.mark.parametrize(("lines", "axis"), [(1, 1), (5, 1), (37, 1), (37, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real_lines_of_even_length_are_transformed_each_for_itself(n, lines, axis, dtype):
    x = np.random.default_rng(n).normal(size=(lines, n)).astype(dtype)
    for each in (x, x[::-1, ::-1]):
        values = each if axis else np.ascontiguousarray(each.T)
        found = np.asarray(fl.fft.rfft(fl.tensor(values), axis=axis))
        expected = np.fft.rfft(values.astype(np.float64), axis=axis)
        np.testing.assert_allclose(found, expected, atol=20 * np.finfo(dtype).eps * np.abs(expected).max())
    if lines > 1 and axis:
        beside = np.asarray(fl.fft.rfft(fl.tensor(x)))
        x[2], x[4] = np.nan, x[4] * 1e20
        others = [i for i in range(lines) if i not in (2, 4)]
        assert np.array_equal(np.asarray(fl.fft.rfft(fl.tensor(x)))[others], beside[others])
