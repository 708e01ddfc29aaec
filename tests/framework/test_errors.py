"""Mistakes are answered with a sentence: what came, what was needed, what to do; never with a crash."""

import gc
import os
import re
import subprocess
import sys
import threading

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core
from flambeau.nn import functional as losses


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda: fl.ones(3) + fl.ones(2), fl.ShapeError, "(3,) and (2,) do not broadcast"),
        (lambda: fl.matmul(fl.ones((16, 31)), fl.ones((32, 64))), fl.ShapeError, "31 must equal b's first 32"),
        (lambda: fl.ones(2).reshape(3), fl.ShapeError, "number of elements must stay the same"),
        (lambda: fl.sum(fl.ones(2), axis=1), IndexError, "axis 1 is out of range for 1 dimensions"),
        (lambda: fl.sum(fl.ones((2, 2)), axis=(0, 0)), ValueError, "stands twice"),
        (lambda: fl.max(fl.ones(0)), ValueError, "max"),
        (lambda: fl.sqrt(fl.arange(3)), fl.DTypeError, "cast with x.astype(fl.float32)"),
        (lambda: fl.where(fl.ones(2), 1, 2), fl.DTypeError, "condition is float32 and must be bool"),
        (lambda: fl.ones(2).to("toaster"), fl.DeviceError, "there is no device 'toaster'; this machine has cpu"),
        (lambda: fl.ones(2) + fl.ones(2, device="reference"), fl.DeviceError, "a is on cpu and b on reference"),
        (lambda: fl.add(fl.ones(2)), TypeError, "add takes 2 tensors, but 1 was given"),
        (lambda: fl.add(fl.ones(2), [1, 2]), TypeError, "b is list and must be a tensor"),
        (lambda: fl.add(1, 2), TypeError, "a is int and must be a tensor"),
        (lambda: fl.sum(fl.ones(2), axis="x"), TypeError, "an integer is needed, not str"),
        (lambda: fl.sum(fl.ones(2), keepdims=1), TypeError, "keepdims is int and must be True or False"),
        (lambda: fl.sum(fl.ones(2), axe=1), TypeError, "there is no argument 'axe'"),
        (lambda: fl.sum(fl.ones(2), x=fl.ones(2)), TypeError, "two values for 'x'"),
        (lambda: fl.einsum(["ij->ji"], fl.ones((2, 2))), TypeError, "the equation is list and comes first, a text"),
        (lambda: losses.binary_cross_entropy(fl.tensor([1.0000001]), fl.ones(1)), ValueError, "from 1.00000012 to"),
        (lambda: fl.concat(fl.ones(2)), TypeError, "a list of tensors is needed"),
        (lambda: fl.tensor([[1], [1, 2]]), fl.ShapeError, "must be rectangular"),
        (lambda: fl.tensor([[1], 2]), fl.ShapeError, "must be rectangular"),
        (lambda: fl.tensor("text"), TypeError, "cannot make a tensor of str"),
        (lambda: fl.tensor([None]), TypeError, "NoneType"),
        (lambda: fl.tensor(2**70), ValueError, "does not fit into int64"),
        (lambda: fl.tensor(float("nan"), dtype=fl.int32), ValueError, "nan cannot be int32"),
        (lambda: fl.tensor(np.array(["a"])), fl.DTypeError, "not known here"),
        (lambda: fl.arange(0, float("nan")), ValueError, "stop is nan and must be finite"),
        (lambda: fl.arange(0, 1, float("inf")), ValueError, "step is inf and must be finite"),
        (lambda: fl.arange(0, 1e30), fl.ShapeError, "more elements than any memory holds"),
        (lambda: fl.manual_seed("a"), TypeError, "an integer is needed, not str"),
        (lambda: fl.zeros(2, dtype="int7"), fl.DTypeError, "'int7' is none of the dtypes"),
        (lambda: fl.random.randint(0, 2**63, 4), ValueError, "high does not fit into int64"),
        (lambda: fl.zeros(-1), fl.ShapeError, "at least 0"),
        (lambda: fl.arange(0, 5, 0), ValueError, "step is 0"),
        (lambda: bool(fl.ones(2)), ValueError, "no single truth value"),
        (lambda: fl.ones(2).item(), ValueError, "must have one element"),
        (lambda: len(fl.tensor(1)), TypeError, "no length"),
        (lambda: fl.Tensor(), TypeError, "fl.tensor(data)"),
        (lambda: fl.ones((2, 2, 2)).T, fl.ShapeError, "use x.mT"),
        (lambda: _core.apply("nonsense", [], []), NotImplementedError, "no op 'nonsense'"),
        (lambda: _core.apply("ad", [], []), NotImplementedError, "did you mean"),
        (lambda: _core.apply("add", [fl.ones(1)], [1]), TypeError, "has 0 attributes"),
        (lambda: fl.take(fl.ones(3), fl.tensor([7]), axis=0), IndexError, "7"),
        (lambda: fl.ones(2) + "a", TypeError, "unsupported operand"),
        (lambda: fl.ones(2) + np.ones(2), TypeError, "make a tensor of it with fl.asarray"),
        (lambda: np.ones(2) * fl.ones(2), TypeError, "make a tensor of it with fl.asarray"),
        (lambda: fl.ones(2) @ 3, fl.ShapeError, "matmul"),
        (lambda: fl.devices.load("/nowhere/lib.so"), fl.DeviceError, "cannot open the backend"),
        (lambda: fl.tile(fl.ones(2), -1), ValueError, "tile: repetitions is -1 and must be at least 0"),
        (lambda: fl.fft.ifftshift(fl.ones(2), axes=1), IndexError, "ifftshift: axis 1"),
        (lambda: fl.nn.ParameterDict({"a": 1.0}), TypeError, "ParameterDict: 1.0 is not a tensor"),
        (
            lambda: losses.cross_entropy(fl.ones((1, 2)), fl.tensor([0]), fl.ones(3)),
            fl.ShapeError,
            "cross_entropy: weight is (3,)",
        ),
        (
            lambda: losses.triplet_margin_with_distance_loss(*[fl.ones((1, 2))] * 3, reduction="all"),
            ValueError,
            "triplet_margin_with_distance_loss: ",
        ),
        (
            lambda: losses.triplet_margin_loss(*[fl.ones((1, 2))] * 3, reduction="all"),
            ValueError,
            "triplet_margin_loss: ",
        ),
        (lambda: fl.fooo, AttributeError, "has no attribute 'fooo'"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(mistake, error, words):
    with pytest.raises(error) as caught:
        mistake()
    assert words in str(caught.value)


def test_errors_are_of_the_classes_that_python_knows():
    assert issubclass(fl.ShapeError, ValueError)
    assert issubclass(fl.DTypeError, TypeError)
    assert issubclass(fl.DeviceError, RuntimeError)


def test_a_library_that_is_no_backend_is_refused():
    with pytest.raises(fl.DeviceError, match="fl_backend_entry"):
        fl.devices.load(_core.__file__)


def test_a_level_that_is_not_there_is_refused_and_not_replaced_by_plain_loops():
    code = "import flambeau as fl\ntry: fl.ones(3)\nexcept fl.DeviceError as error: print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FLAMBEAU_CPU_LEVEL": "v9"},
    )
    assert done.stdout.startswith("cpu: FLAMBEAU_CPU_LEVEL is v9; this processor and build have ")


def test_an_error_in_another_thread_is_told_there():
    caught = []

    def mistake():
        try:
            fl.ones(3) + fl.ones(2)
        except fl.ShapeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=mistake)
    thread.start()
    thread.join()
    assert "do not broadcast" in caught[0]


def test_comparison_with_other_things_is_python_s():
    x = fl.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
    assert x not in ([],)


def test_many_errors_leak_no_memory():
    gc.collect()
    before = fl.memory.memory_allocated()
    for _ in range(1000):
        with pytest.raises(fl.ShapeError):
            fl.ones(300) + fl.ones(299)
    gc.collect()
    assert fl.memory.memory_allocated() <= before


X = fl.ones((2, 3))
CALLS = [
    (lambda: fl.zeros(2, 3), r"the shape is one argument: fl.zeros((2, 3))"),
    (lambda: fl.full(2, 3, 1.0), "takes 2 positional arguments but 3 were given"),
    (lambda: fl.full(2, 3, 1.5), "the shape is one argument: fl.full((2, 3), 1.5)"),
    (lambda: fl.zeros(2, 3, dtype=fl.float64), "the shape is one argument: fl.zeros((2, 3))"),
    (lambda: fl.random.normal(2, 3, dtype=fl.float64), "the shape is one argument: fl.random.normal((2, 3))"),
    (lambda: fl.ones(2, device="cpu", requires_grad=True), "write fl.ones(...).requires_grad_()"),
    (lambda: fl.zeros((2, 3), fl.float64), "the others are written by name, as in dtype=fl.float32"),
    (lambda: fl.ones((2, 3), requires_grad=True), "write fl.ones(...).requires_grad_()"),
    (lambda: fl.std(X, dim=1), "'dim'; it is named axis here"),
    (lambda: fl.var(X, keepdim=True), "'keepdim'; it is named keepdims here"),
    (lambda: fl.std(X, unbiased=True), "correction=1 divides by one less"),
    (lambda: fl.triu(X, diagonal=1), "'diagonal'; it is named k here"),
    (lambda: fl.flip(X, 0), "what follows the tensor is written by name"),
    (lambda: fl.cumulative_sum(X, dim=1), "'dim'; it is named axis here"),
    (lambda: fl.tensor([np.ones(2), np.ones(2)]), "a list of numpy.ndarray; use fl.asarray(numpy.stack(arrays))"),
    (lambda: fl.grad(X.sum()), "grad: a function is differentiated, not a tensor: fl.grad(f)(x), or y.backward(inputs"),
    (lambda: fl.hessian(X), "jacobian: a function is differentiated, not a tensor"),
    (lambda: fl.value_and_grad(3.0), "value_and_grad: a function is differentiated, not float"),
    (lambda: fl.nn.Linear(3, 1).load_state_dict([1]), "from names to tensors, as state_dict() gives, not list"),
    (lambda: fl.nn.Linear(3, 1).load_state_dict({"weight": np.ones((1, 3))}), "weight is a numpy.ndarray: fl.asarray"),
    (lambda: losses.cross_entropy(X, fl.tensor([0.0, 1.0])), "class numbers are integers: target.astype(fl.int64)"),
]


@pytest.mark.parametrize(("call", "message"), CALLS, ids=[message for _, message in CALLS])
def test_calls_as_pytorch_has_them_are_told_how_they_are_written(call, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        call()


def test_a_type_error_from_inside_a_function_comes_as_it_is():
    with pytest.raises(TypeError, match=r"^full: shape: an integer is needed, not float$"):
        fl.zeros(1.5)


@pytest.mark.parametrize("bad", [1.5, -0.25, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused_by_its_loss(bad):
    with pytest.raises(ValueError, match=f"goes from .*{bad:g}.* logits go to binary_cross_entropy_with_logits"):
        losses.binary_cross_entropy(fl.tensor([0.5, bad]), fl.ones(2))
    assert losses.binary_cross_entropy(fl.tensor([0.0, 1.0]), fl.tensor([0.0, 1.0])).item() == 0


def test_a_padding_that_is_none_is_refused_when_the_layer_is_made():
    with pytest.raises(ValueError, match="Conv2d: padding is 'sane'; it is numbers, 'same' or 'valid'"):
        fl.nn.Conv2d(1, 1, 3, padding="sane")


@pytest.mark.parametrize(("make", "message"), [
    (lambda: fl.zeros("3"), "an integer is needed, not str"),
    (lambda: fl.repeat(X, 1.5), "'float' object cannot be interpreted as an integer"),
    (lambda: fl.roll(X, 1.5), "'float' object cannot be interpreted as an integer"),
    (lambda: fl.nn.Linear("3", 2), "Linear: '3' inputs and 2 outputs; they are integers"),
    (lambda: fl.nn.Conv2d(1, 1, 1.5), "Conv2d: 1.5 is given where one integer, or 2, belongs"),
])  # fmt: skip
def test_sizes_that_are_no_integers_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_sizes_may_be_numpys_integers():
    three = np.int64(3)
    assert fl.zeros(three).shape == (3,)
    assert fl.repeat(X, three, axis=0).shape == (6, 3)
    assert fl.roll(fl.arange(4), three).tolist() == [1, 2, 3, 0]
    assert fl.nn.Conv2d(three, three, three)(fl.zeros((1, 3, 5, 5))).shape == (1, 3, 3, 3)


def test_classes_of_one_hot_are_named():
    with pytest.raises(IndexError, match=r"index -1 is out of range.* from 0 to 0"):
        losses.one_hot(fl.tensor([-1]))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: fl.from_dlpack(3), r"from_dlpack: int does not speak DLPack; fl.asarray\(x\)"),
    (lambda: fl.amp.GradScaler().unscale_(3), "GradScaler: 3 is no optimizer"),
    (lambda: fl.quantization.quantize_(3), "quantize_: 3 is no module"),
    (lambda: fl.tensor([1.0], requires_grad=True).register_hook(3), "register_hook: 3 cannot be called"),
])  # fmt: skip
def test_what_is_of_another_kind_is_named_where_it_is_given(make, message):
    with pytest.raises(TypeError, match=message):
        make()


def test_a_folder_that_is_not_there_is_named_when_a_file_is_saved(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder to write into") as caught:
        fl.save({"x": X}, tmp_path / "nowhere" / "x.safetensors")
    assert caught.value.filename == str(tmp_path / "nowhere")


def test_a_folder_in_place_of_a_file_is_named_when_a_file_is_saved(tmp_path):
    with pytest.raises(IsADirectoryError, match="This is a folder; name a file in it") as caught:
        fl.save({"x": X}, tmp_path)
    assert caught.value.filename == str(tmp_path)


def test_a_negative_norm_would_turn_gradients_around_and_is_refused():
    w = fl.tensor([1.0], requires_grad=True)
    w.sum().backward()
    with pytest.raises(ValueError, match="max_norm is -1 and cannot be negative"):
        fl.nn.utils.clip_grad_norm_([w], -1)
