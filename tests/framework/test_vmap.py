"""vmap: a batch is its examples put together, for every op, for gradients, nested, and with random numbers."""

from __future__ import annotations

from itertools import product

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core
from flambeau.opcases import Case, arrays, cases, dtypes_of, values
from flambeau.optable import Row, rows
from hypothesis import given, settings
from hypothesis import strategies as st

BATCH = 2
MAPPED = [row for row in rows() if row.max_inputs != 0 and not row.in_place]
DIFFERENTIABLE = [row for row in MAPPED if row.differentiable and "float64" in dtypes_of(row)]


def rand(*shape, seed=0):
    return fl.tensor(np.random.default_rng(seed).standard_normal(shape))


def close(a, b, rtol=1e-9):
    np.testing.assert_allclose(values(a), values(b) if isinstance(b, fl.Tensor) else b, rtol=rtol, atol=1e-12)


def small(row: Row, dtype: str, most: int) -> list[Case]:
    return [case for case in cases(row, dtype, ("plain",)) if 0 < sum(x.size for x in arrays(case)) <= most]


def examples(case: Case) -> list[list[fl.Tensor]]:
    """For each input, BATCH tensors."""
    draws = [arrays(case, seed) for seed in range(BATCH)]
    kinds = [given.kind for given in case.sample.inputs]
    dtypes = [{"index": "int64", "bool": "bool", "int8": "int8"}.get(kind, case.dtype) for kind in kinds]
    return [[fl.tensor(draw[i], dtype=dtype) for draw in draws] for i, dtype in enumerate(dtypes)]


def outputs(case: Case, inputs: list[fl.Tensor]) -> list[fl.Tensor]:
    result = _core.apply(case.row.name, list(inputs), list(case.sample.attrs))
    return [result] if isinstance(result, fl.Tensor) else list(result)


@pytest.mark.parametrize("row", MAPPED, ids=lambda row: row.name)
def test_every_op_is_mapped(row: Row) -> None:
    dtype = next((wide for wide in ("float64", "complex128") if wide in dtypes_of(row)), dtypes_of(row)[0])
    for case in small(row, dtype, 60):
        each = examples(case)
        for batched in product([False, True], repeat=len(each)):
            if not any(batched):
                continue
            given = [fl.stack(one) if has else one[0] for one, has in zip(each, batched, strict=True)]
            axes = tuple(0 if has else None for has in batched)
            together = fl.vmap(lambda *inputs, case=case: outputs(case, list(inputs)), in_axes=axes)(*given)
            for i in range(BATCH):
                alone = outputs(case, [one[i] if has else one[0] for one, has in zip(each, batched, strict=True)])
                for whole, part in zip(together, alone, strict=True):
                    np.testing.assert_allclose(values(whole)[i], values(part), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.name)
def test_the_gradients_of_every_op_are_mapped(row: Row) -> None:
    """vmap of a vjp, and vjp of a vmap, against one vjp for each example."""
    for case in small(row, "float64", 40)[:3]:
        each = examples(case)
        places = [i for i, given in enumerate(case.sample.inputs) if given.kind in ("value", "definite")]

        def pulled(*inputs, case=case, places=places):
            def function(*live):
                full = list(inputs)
                for i, x in zip(places, live, strict=True):
                    full[i] = x
                return [out for out in outputs(case, full) if out.dtype == fl.float64]

            outs, pullback = fl.vjp(function, *(inputs[i] for i in places))
            return pullback([fl.full(out.shape, 1.5, dtype=fl.float64) for out in outs])

        if not outputs(case, [one[0] for one in each])[0].dtype.is_float:
            continue
        together = fl.vmap(pulled)(*(fl.stack(one) for one in each))
        for i in range(BATCH):
            alone = pulled(*(one[i] for one in each))
            for whole, part in zip(together, alone, strict=True):
                np.testing.assert_allclose(values(whole)[i], values(part), rtol=1e-9, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(-3, 2), st.integers(-2, 1), st.integers(0, 99))
def test_vmap_is_the_stack_of_calls(size, n, in_axis, out_axis, seed):
    x = rand(size, n, 2, seed=seed)
    function = lambda v: fl.exp(v - fl.max(v, axis=0)).sum(axis=-1) * 2  # noqa: E731
    mapped = fl.vmap(function, in_axes=in_axis, out_axes=out_axis)(fl.moveaxis(x, 0, in_axis))
    close(mapped, fl.stack([function(x[i]) for i in range(size)], axis=out_axis))


def test_axes_are_said_for_trees_of_arguments_and_results():
    given = {"w": rand(2, 3), "pair": (rand(3, 2), rand(4))}
    axes = {"w": 1, "pair": (0, None)}

    def function(tree, number):
        return {"sum": tree["w"] + tree["pair"][0], "same": tree["pair"][1] * number, "rest": (tree["w"] * number,)}

    result = fl.vmap(function, in_axes=(axes, None), out_axes={"sum": 1, "same": None, "rest": 0})(given, 2.0)
    close(result["sum"], (given["w"].T + given["pair"][0]).T)
    close(result["same"], given["pair"][1] * 2)
    close(result["rest"][0], given["w"].T * 2)


def test_vmaps_nest():
    a, b = rand(3, 4), rand(5, 4)
    outer = fl.vmap(lambda x: fl.vmap(lambda y: (x * y).sum())(b))(a)
    close(outer, a @ b.T)
    close(fl.vmap(fl.vmap(fl.vmap(lambda x, y: x * y)))(rand(2, 3, 4), rand(2, 3, 4)), rand(2, 3, 4) ** 2)
    # What only the inner vmap maps stays the same for the outer one.
    close(fl.vmap(lambda x: fl.vmap(lambda y: y * 2)(b) + x.sum())(a)[0], b * 2 + a[0].sum())


def test_a_gradient_for_each_example():
    w, x = rand(4), rand(5, 4, seed=1)
    loss = lambda w, x: fl.tanh((w * x).sum())  # noqa: E731
    each = fl.vmap(fl.grad(loss), in_axes=(None, 0))(w, x)
    close(each, fl.stack([fl.grad(loss)(w, x[i]) for i in range(5)]))
    # The other way around: the gradient of a sum over the batch.
    close(fl.grad(lambda w: fl.vmap(lambda x: loss(w, x))(x).sum())(w), each.sum(axis=0))


def test_a_gradient_for_each_example_of_a_layer():
    layer, x = fl.nn.Linear(3, 2), rand(4, 3).astype(fl.float32)
    loss = lambda layer, x: fl.tanh(layer(x)).sum()  # noqa: E731
    each = fl.vmap(fl.grad(loss), in_axes=(None, 0))(layer, x)
    for i in range(4):
        loss(layer, x[i]).backward()
        close(each["weight"][i], layer.weight.grad, rtol=1e-5)
        close(each["bias"][i], layer.bias.grad, rtol=1e-5)
        layer.zero_grad()


def test_second_derivatives_inside_and_outside():
    f = lambda x: (x**3).sum() * x[0]  # noqa: E731
    x = rand(3, 2)
    close(fl.vmap(fl.hessian(f))(x), fl.stack([fl.hessian(f)(x[i]) for i in range(3)]))
    close(fl.hessian(lambda x: fl.vmap(f)(x).sum())(x)[0, :, 0], fl.hessian(f)(x[0]))
    push = lambda x: fl.jvp(f, (x,), (x,))[1]  # noqa: E731
    close(fl.vmap(push)(x), fl.stack([push(x[i]) for i in range(3)]))
    close(fl.jvp(fl.vmap(f), (x,), (x,))[1], fl.vmap(push)(x))


def test_gradients_flow_to_tensors_that_the_function_closes_over():
    w = rand(2).requires_grad_()
    fl.vmap(lambda x: (w * x).sum())(rand(3, 2, seed=1)).sum().backward()
    close(w.grad, rand(3, 2, seed=1).sum(axis=0))


def test_chunks_give_the_same():
    x = rand(7, 3)
    function = lambda x: (x * 2, x.sum())  # noqa: E731
    for whole, chunked in zip(fl.vmap(function)(x), fl.vmap(function, chunk_size=3)(x), strict=True):
        close(whole, chunked)
    turned = fl.vmap(lambda x: x * 2, out_axes=-1, chunk_size=2)(x)
    close(turned, x.T * 2)


def test_random_numbers_follow_the_policy():
    x = fl.zeros((4, 3))
    noisy = lambda x: x + fl.random.uniform(3)  # noqa: E731
    with pytest.raises(RuntimeError, match="randomness='different'"):
        fl.vmap(noisy)(x)
    fl.manual_seed(1)
    same = fl.vmap(noisy, randomness="same")(x)
    assert len({tuple(row) for row in same.tolist()}) == 1
    different = fl.vmap(noisy, randomness="different")(x)
    assert len({tuple(row) for row in different.tolist()}) == 4
    both = fl.vmap(fl.vmap(noisy, randomness="same"), randomness="different")(fl.zeros((2, 5, 3)))
    assert [len({tuple(row) for row in part}) for part in both.tolist()] == [1, 1]
    assert both.tolist()[0] != both.tolist()[1]
    mask = fl.vmap(lambda x: fl.nn.functional.dropout(x, 0.5), randomness="different")(fl.ones((8, 16)))
    assert len({tuple(row) for row in mask.tolist()}) > 1


def test_indexing_by_what_differs_from_example_to_example():
    x, i = rand(5, 3), fl.tensor([0, 4, 2])
    close(fl.vmap(lambda i: x[i])(i), x[i])
    close(fl.vmap(lambda row, i: row[i])(x.T, i), fl.stack([x.T[k][i[k]] for k in range(3)]))
    with pytest.raises(IndexError):
        fl.vmap(lambda i: x[i])(fl.tensor([0, 7]))


def test_a_recorded_vmap_is_a_graph():
    graph = fl.record(fl.vmap(lambda x: (x * x).sum()), fl.ones((3, 2)))
    close(graph.run(fl.full((3, 2), 2.0)), [8, 8, 8])


def test_what_cannot_be_said_for_one_example_raises():
    x = rand(3, 2)
    with pytest.raises(RuntimeError, match=r"whole batch of 3.*fl\.where"):
        fl.vmap(lambda x: x if x.sum() > 0 else -x)(x)
    with pytest.raises(RuntimeError, match="whole batch"):
        fl.vmap(lambda x: x.sum().item())(x)

    def write(x):
        x[0] = 1
        return x

    with pytest.raises(RuntimeError, match=r"inside vmap another tensor looks into x's memory.*fl\.where"):
        fl.vmap(write)(x)
    held = fl.zeros(2, dtype=fl.float64)

    def leak(x):
        held[...] = x
        return x

    with pytest.raises(RuntimeError, match="inside vmap the result differs from example to example"):
        fl.vmap(leak)(x)
    with pytest.raises(RuntimeError, match=r"fl\.grad"):
        fl.vmap(lambda x: x.detach().requires_grad_())(x)
    w = rand(2).requires_grad_()
    with pytest.raises(RuntimeError, match=r"fl\.grad or fl\.vjp"):
        fl.vmap(lambda x: (x * w).sum().backward())(x)


def test_a_tensor_that_outlives_its_vmap_says_so():
    kept = []
    fl.vmap(lambda x: kept.append(x) or x)(rand(3, 2))
    assert "one example of a vmap" in repr(kept[0])
    with pytest.raises(RuntimeError, match="none after the vmap has ended"):
        kept[0] + 1
    with pytest.raises(RuntimeError, match="vmap that has ended"):
        fl.vmap(lambda x: x + kept[0])(rand(3, 2))


def test_a_failing_function_leaves_no_vmap_behind():
    with pytest.raises(ZeroDivisionError):
        fl.vmap(lambda x: 1 / 0)(rand(3))
    assert _core.vmap_depth() == 0


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fl.vmap(lambda a, b: a)(rand(2), rand(3)), fl.ShapeError, "2 examples and one of shape .3,. has 3"),
        (lambda: fl.vmap(lambda a: a, in_axes=None)(rand(2)), ValueError, "no argument has an axis"),
        (lambda: fl.vmap(lambda a: a, in_axes=1)(rand(2)), IndexError, "in_axes 1 is out of range"),
        (lambda: fl.vmap(lambda a: a, out_axes=2)(rand(2)), IndexError, "out_axes 2 is out of range"),
        (lambda: fl.vmap(lambda a: a, in_axes=(0, 0))(rand(2)), ValueError, "2 entries and 1 arguments"),
        (lambda: fl.vmap(lambda a, b: a)(rand(2), 3.0), TypeError, "give None for it"),
        (lambda: fl.vmap(lambda a: 3)(rand(2)), TypeError, "gave int"),
        (lambda: fl.vmap(lambda a: a, out_axes=None)(rand(2)), ValueError, "differs from example to example"),
        (lambda: fl.vmap(lambda a: a, in_axes="0")(rand(2)), TypeError, "integers and None"),
        (lambda: fl.vmap(lambda a: a, randomness="some"), ValueError, "randomness is 'some'"),
        (lambda: fl.vmap(lambda a: a, chunk_size=0), ValueError, "at least 1"),
    ],
)
def test_wrong_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("reduce", ["set", "add", "multiply", "max", "min"])
def test_writing_at_indices_of_each_example_is_one_call(reduce: str) -> None:
    x = fl.random.normal((5, 2, 7, 3))
    indices = fl.asarray(np.random.default_rng(3).integers(-7, 7, (5, 2, 2)))
    written = fl.random.normal((5, 2, 2, 2, 3))

    def put(a, i, v):
        return _core.apply("put", [a, i, v], [1, reduce])

    with fl.profiler.profile() as watched:
        together = fl.vmap(put)(x, indices, written)
    assert [event.name for event in watched.events()].count("scatter") == 1
    for k in range(5):
        assert together[k].tolist() == put(x[k], indices[k], written[k]).tolist()
    with pytest.raises(IndexError, match="7"):
        fl.vmap(put)(x, indices * 0 + 7, written)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("lengths", [None, [4, 2, 2]])
def test_batches_of_sequences_that_share_their_weights_are_one_call(cell, lengths):
    fl.manual_seed(0)
    layer = getattr(fl.nn, cell)(3, 5, num_layers=2, bidirectional=True).to(fl.float64)
    xs = rand(6, 4, 3, 3)

    def run(x):
        if lengths is None:
            return layer(x)[0]
        return layer(fl.nn.utils.rnn.pack_padded_sequence(x, lengths))[0].data

    with fl.profiler.profile() as prof:
        together = fl.vmap(run)(xs)
    close(together.detach(), fl.stack([run(x) for x in fl.unstack(xs)]).detach())
    assert sum(row.count for row in prof.key_averages() if row.key == cell.lower()) == 4  # two layers, two directions


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_recurrent_weights_have_a_gradient_for_each_example(cell, gates):
    weight, xs, h = rand(gates * 5, 5) * 0.3, rand(6, 8, gates * 5, seed=1), rand(2, 5, seed=2)
    options = [[2] * 4, False, *([False] if cell == "rnn" else [])]

    def loss(weight, x):
        result = _core.apply(cell, [x, weight, h, *([h] if cell == "lstm" else [])], options)
        return fl.sum((result if cell == "rnn" else result[0]) ** 2)

    together = fl.vmap(fl.grad(loss), in_axes=(None, 0))(weight, xs)
    close(together, fl.stack([fl.grad(loss)(weight, x) for x in fl.unstack(xs)]))
