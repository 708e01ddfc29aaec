"""Numbers that no memory holds end as errors: sizes that users write are never multiplied unseen."""

import flambeau as fl
import flambeau.nn.functional as F
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
