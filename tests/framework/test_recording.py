"""fl.record: the same ops written down, printed, parsed and run again with the same bits."""

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core


def bits(x):
    return np.asarray(x).tobytes()


def step(x, w):
    """A forward and backward pass by hand, with views, reductions, scalars and random-free ops."""
    h = fl.tanh(x @ w)
    p = fl.exp(h - fl.max(h, axis=1, keepdims=True))
    p = p / fl.sum(p, axis=1, keepdims=True)
    return p, (p[:, ::2] * 0.1 + x.reshape(-1)[:1]).sum(), fl.argmax(p, axis=1)


@pytest.fixture
def inputs():
    rng = np.random.default_rng(3)
    return [fl.tensor(rng.standard_normal(s), dtype=fl.float32) for s in ((4, 6), (6, 5))]


def test_a_graph_gives_the_bits_of_the_function(inputs):
    graph = fl.record(step, *inputs)
    for ours, theirs in zip(graph.run(*inputs), step(*inputs), strict=True):
        assert bits(ours) == bits(theirs)


def test_text_is_read_back_to_the_same_program(inputs):
    graph = fl.record(step, *inputs)
    again = fl.Graph.parse(graph.text)
    assert again.text == graph.text
    for ours, theirs in zip(again.run(*inputs), graph.run(*inputs), strict=True):
        assert bits(ours) == bits(theirs)


def test_nothing_runs_while_recording(inputs):
    before = fl.memory.memory_stats()["allocation.all.allocated"]
    fl.record(lambda x, w: fl.exp(x @ w) * 2.0, *inputs)
    after = fl.memory.memory_stats()["allocation.all.allocated"]
    assert after == before


def test_a_whole_training_step_is_one_graph():
    w = fl.tensor([[0.5], [-0.25]], requires_grad=True)

    def train(x, y):
        w.grad = None
        loss = fl.mean((x @ w - y) ** 2)
        loss.backward()
        return loss, w.grad

    x, y = fl.tensor([[1.0, 2.0], [3.0, 4.0]]), fl.tensor([[1.0], [2.0]])
    eager = [bits(v.detach()) for v in train(x, y)]
    graph = fl.record(train, x, y)
    w.grad = None
    assert [bits(v.detach()) for v in graph.run(x, y)] == eager
    assert graph.captures[0].tolist() == w.tolist()


def test_captured_tensors_are_seen_as_they_are_when_the_graph_runs():
    scale = fl.tensor([2.0])
    graph = fl.record(lambda x: x * scale, fl.ones(1))
    scale[0] = 5
    assert graph.run(fl.ones(1)).item() == 5
    with pytest.raises(ValueError, match="captured"):
        fl.Graph.parse(graph.text).run(fl.ones(1))
    assert fl.Graph.parse(graph.text, captures=[scale]).run(fl.ones(1)).item() == 5


def test_an_op_in_place_is_recorded_as_a_new_value():
    p, g = fl.tensor([1.0, 2.0]), fl.tensor([0.5, 0.5])
    attrs = [1, 0.1, 0.0, 0.0, 0.0, False, False, True]

    def update(gradient):
        _core.apply("sgd_step", [p, gradient], attrs)
        return p * 2

    graph = fl.record(update, g)
    assert p.tolist() == [1, 2]
    assert graph.run(g).tolist() == pytest.approx([1.9, 3.9])
    assert p.tolist() == pytest.approx([0.95, 1.95])


def test_reading_a_value_while_recording_names_the_ways_out():
    reads = [lambda x: bool(x.sum() > 0), lambda x: x.tolist(), lambda x: x.numpy(), lambda x: x[0].item()]
    for read in [*reads, lambda x: x[x > 0]]:
        with pytest.raises(RuntimeError, match=r"recorded.*fl\.where"):
            fl.record(lambda x, read=read: read(x), fl.ones(2))
    assert not fl.recording()


def test_a_value_that_escaped_says_what_it_is():
    escaped = []
    fl.record(lambda x: escaped.append(x * 2) or x, fl.ones(2))
    assert "recorded" in repr(escaped[0])
    with pytest.raises(RuntimeError, match="never got a value"):
        escaped[0] + 1
    with pytest.raises(RuntimeError, match="another recording"):
        fl.record(lambda x: x + escaped[0], fl.ones(2))


def test_an_error_inside_ends_the_recording():
    with pytest.raises(ZeroDivisionError):
        fl.record(lambda x: 1 / 0, fl.ones(1))
    assert (fl.ones(1) + 1).item() == 2


def test_random_numbers_inside_are_refused():
    with pytest.raises(RuntimeError, match="pass them in"):
        fl.record(lambda x: x + fl.random.uniform(2), fl.ones(2))


def test_ops_that_no_result_needs_are_left_out():
    graph = fl.record(lambda x: [fl.exp(x), x + 1][1], fl.ones(2))
    assert "exp" not in graph.ops


def test_a_graph_checks_its_arguments():
    graph = fl.record(lambda x: x * 2, fl.ones((2, 3)))
    with pytest.raises(fl.ShapeError, match=r"argument 0 has shape \(3, 2\)"):
        graph.run(fl.ones((3, 2)))
    with pytest.raises(fl.DTypeError, match="float64"):
        graph.run(fl.ones((2, 3), dtype=fl.float64))
    with pytest.raises(TypeError, match="takes 1"):
        graph.run()


GOOD = "graph(%0: float32[2]) {\n  %1: float32[2] = exp.1(%0)\n  return %1\n}\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("exp.1", "expo.1", "line 2: there is no op 'expo'"),
        ("exp.1", "exp.9", "line 2: exp is at version 1 here and at 9"),
        ("(%0)\n", "(%7)\n", "line 2: %7 is used before it is made"),
        ("%1: float32", "%5: float32", "line 2: values are numbered in order"),
        ("float32[2] =", "float31[2] =", "'float31' is no dtype"),
        ("  return %1\n}", "  return %1\n", "'}' expected"),
        ("graph", "grph", "line 1: 'graph' expected"),
        ("}\n", "} x", "nothing may follow"),
    ],
)
def test_text_that_is_wrong_is_refused_with_its_line(old, new, words):
    fl.Graph.parse(GOOD)
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        fl.Graph.parse(GOOD.replace(old, new))


@pytest.mark.parametrize("value", [0.1, 1e-45, 3.4e38, float("inf"), -0.0, 1 / 3])
def test_constants_survive_as_text(value):
    graph = fl.record(lambda x: x * value, fl.ones(1, dtype=fl.float64))
    again = fl.Graph.parse(graph.text)
    assert bits(again.run(fl.ones(1, dtype=fl.float64))) == bits(fl.tensor([value], dtype=fl.float64))


def test_a_graph_runs_on_another_device(inputs):
    graph = fl.record(lambda x: x * 2 + 1, inputs[0])
    there = graph.run(inputs[0].to("reference"))
    assert str(there.device) == "reference"
    assert there.tolist() == (inputs[0] * 2 + 1).tolist()


def test_a_graph_is_differentiated_like_the_function():
    graph = fl.record(lambda x: (x * x).sum(), fl.ones(2))
    x = fl.tensor([3.0, 4.0], requires_grad=True)
    graph.run(x).backward()
    assert x.grad.tolist() == [6, 8]


def test_a_write_into_a_whole_tensor_is_recorded():
    kept, seen = fl.tensor([1.0, 2.0]), fl.tensor(0)

    def step(x):
        kept[...] = kept * 0.5 + x
        seen[...] = seen + 1
        return kept * 10

    graph = fl.record(step, fl.ones(2))
    assert (kept.tolist(), seen.item()) == ([1, 2], 0)
    assert graph.run(fl.ones(2)).tolist() == [15, 20]
    assert graph.run(fl.zeros(2)).tolist() == [7.5, 10]
    assert (kept.tolist(), seen.item()) == ([0.75, 1], 2)
    again = fl.Graph.parse(graph.text, captures=graph.captures)
    assert again.run(fl.zeros(2)).tolist() == [3.75, 5]


def test_a_recorded_write_takes_numbers_and_windows_on_itself():
    x = fl.reshape(fl.arange(4), (2, 2))

    def turn(y):
        x[...] = x.T
        x[...] = x * y
        return x + 0

    assert fl.record(turn, fl.tensor(2)).run(fl.tensor(2)).tolist() == x.tolist() == [[0, 4], [2, 6]]

    def fill(y):
        x[...] = 7
        return y

    fl.record(fill, fl.tensor(2)).run(fl.tensor(2))
    assert x.tolist() == [[7, 7], [7, 7]]


def test_a_recorded_function_writes_wherever_the_function_itself_would():
    for key in (0, fl.tensor([[True, False], [True, True]]), [1, 0], (slice(None), 1)):
        x, like = fl.ones((2, 2)), fl.ones((2, 2))
        graph = fl.record(lambda y, key=key, x=x: x.__setitem__(key, y) or x, fl.tensor(2.0))
        assert x.tolist() == [[1, 1], [1, 1]]
        like[key] = 5
        assert graph.run(fl.tensor(5.0)).tolist() == like.tolist() == x.tolist()
    x = fl.zeros((2, 3))
    window = x.T
    fl.record(lambda y: window.__setitem__(..., y) or y, fl.arange(2.0)).run(fl.arange(2.0))
    assert x.tolist() == [[0, 0, 0], [1, 1, 1]]


def test_a_recorded_write_by_a_mask_that_is_not_known_says_how_to():
    with pytest.raises(RuntimeError, match=r"recorded.*fl\.where"):
        fl.record(lambda y: y.__setitem__(y > 0, 1.0), fl.ones(2))


def test_batch_norm_in_training_is_recorded_with_its_running_statistics():
    def made():
        fl.manual_seed(0)
        return fl.nn.Sequential(fl.nn.Conv2d(1, 2, 3), fl.nn.BatchNorm2d(2))

    recorded, eager = made(), made()
    x = fl.random.normal((4, 1, 6, 6))
    graph = fl.record(lambda x: recorded(x), x)
    for _ in range(3):
        assert graph.run(x).tolist() == eager(x).tolist()
    for (name, ours), theirs in zip(recorded.state_dict().items(), eager.state_dict().values(), strict=True):
        assert ours.tolist() == theirs.tolist(), name
