"""Numbers that no memory holds end as errors: sizes that users write are never multiplied unseen."""

import flambeau as fl
import flambeau.nn.functional as F
import numpy as np
import pytest

X, KERNEL = fl.ones((1, 1, 8)), fl.ones((1, 1, 5))
CUBE, POINT = fl.ones((1, 1, 2, 2, 2)), fl.ones((1, 1, 1, 1, 1))


@pytest.mark.parametrize(("call", "error"), [
    (lambda: F.conv1d(X, KERNEL, dilation=2**62), fl.ShapeError),
    (lambda: F.conv1d(X, KERNEL, padding=2**62), fl.ShapeError),
    (lambda: F.conv1d(X, KERNEL, padding=2**58), MemoryError),
    (lambda: F.conv3d(CUBE, POINT, stride=2**31, padding=2**31), MemoryError),
    (lambda: F.max_pool1d(X, 2**62 + 1, 1, 0, 4), fl.ShapeError),
    (lambda: F.unfold(fl.ones((1, 1, 4, 4)), 2, dilation=2**62), fl.ShapeError),
])  # fmt: skip
def test_sizes_that_overflow_are_refused(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("call", [
    lambda: F.conv1d(X, KERNEL, stride=2**62), lambda: F.max_pool1d(X, 3, 2**62, ceil_mode=True),
    lambda: F.avg_pool1d(X, 3, 2**62, ceil_mode=True)])  # fmt: skip
def test_a_step_beyond_the_end_leaves_one_window(call):
    assert call().shape == (1, 1, 1)


@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("kernel", [2**33, 2**40, 2**62, 2**63 - 1])
@pytest.mark.parametrize(("pool", "mean_of"), [
    (lambda x, k: F.avg_pool2d(x, k, padding=k // 2, divisor_override=4), lambda _: 4.0),
    (lambda x, k: F.avg_pool2d(x, k, padding=k // 2), lambda k: float(k) ** 2),
    (lambda x, k: F.avg_pool2d(x, k, 1, k // 2, count_include_pad=False), lambda _: 16.0),
    (lambda x, k: F.max_pool2d(x, k, 1, k // 2), None),
    (lambda x, k: F.max_pool2d(x, k, k // 2 + 2, k // 2, ceil_mode=True), None),
])  # fmt: skip
def test_a_window_far_larger_than_the_image_costs_what_the_image_does(pool, mean_of, kernel, device):
    x = fl.asarray(np.arange(16, dtype="float32").reshape(1, 1, 4, 4)).to(device).requires_grad_()
    y = pool(x, kernel)  # every window holds the whole image
    y.sum().backward()
    value, slopes = (120 / mean_of(kernel), np.full(16, 1 / mean_of(kernel))) if mean_of else (15.0, np.eye(16)[15])
    np.testing.assert_allclose(y.detach().to("cpu").numpy(), np.full(y.shape, value), rtol=1e-6)
    np.testing.assert_allclose(x.grad.to("cpu").numpy().ravel(), slopes * y.size, rtol=1e-6)
