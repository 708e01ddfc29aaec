"""int8 weights: what they lose, what they weigh, how they travel, and that layers beside them learn."""

from __future__ import annotations

import copy
from pathlib import Path

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core, nn, optim, quantization
from flambeau.quantization import Int8Embedding, Int8Linear, Int8WeightOnlyConfig, quantize_, quantize_weight
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 8, bias=False))


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(
        "float32",
        arrays.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9),
        elements=st.floats(-(2.0**100), 2.0**100, width=32),
    )
)
def test_each_value_is_off_by_half_a_step_of_its_row_at_most(weight: np.ndarray) -> None:
    steps, scale = quantize_weight(fl.tensor(weight))
    assert (steps.dtype, scale.dtype) == (fl.int8, fl.float32)
    found = steps.numpy().astype("float64") * scale.numpy()[:, None]
    # A scale below the smallest normal number has few bits of its own.
    slack = np.maximum(scale.numpy()[:, None] * 0.5 * (1 + 1e-5), 127 * 1.5e-45) + np.abs(weight) * 1e-6
    assert (np.abs(found - weight) <= slack).all()
    assert (np.abs(steps.numpy().astype(int)) <= 127).all()


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_values_that_are_not_finite_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="infinite values or NaNs"):
        quantize_weight(fl.tensor([[1.0, wrong]]))


def test_a_weight_has_rows_and_columns() -> None:
    with pytest.raises(fl.ShapeError, match=r"\(3,\); it must be \(rows, columns\)"):
        quantize_weight(fl.ones(3))


@pytest.mark.parametrize("dtype", [fl.float32, fl.float64, fl.bfloat16, fl.float16], ids=str)
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_a_layer_computes_with_the_weight_that_it_shows(dtype: fl.Tensor, rows: int) -> None:
    layer = Int8Linear.from_float(nn.Linear(20, 9))
    x = fl.random.normal((rows, 20)).astype(dtype)
    expected = nn.functional.linear(
        x.astype(fl.float64), layer.dequantize().astype(fl.float64), layer.bias.astype(fl.float64)
    )
    found = layer(x)
    assert found.dtype == fl.result_type(dtype, fl.float32)
    np.testing.assert_allclose(found.tolist(), expected.tolist(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [3, 50])
def test_a_layer_without_inputs_gives_its_bias(rows: int) -> None:
    layer = nn.Linear(0, 2)
    layer.bias = nn.Parameter(fl.tensor([1.5, -2.0]))
    assert Int8Linear.from_float(layer)(fl.zeros((rows, 0))).tolist() == [[1.5, -2.0]] * rows


def test_a_whole_model_in_bfloat16_stays_in_it() -> None:
    layer = Int8Linear.from_float(nn.Linear(20, 9)).to(fl.bfloat16)
    assert layer.weight.dtype == fl.int8
    assert layer(fl.ones((2, 20), dtype=fl.bfloat16)).dtype == fl.bfloat16


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 32, 33, 70])
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 1), (9, 15), (130, 1024), (300, 33)])
def test_products_of_every_size_are_those_of_the_widened_weight(rows: int, outputs: int, inputs: int) -> None:
    random = np.random.default_rng(rows * outputs)
    x, bias = (random.normal(size=shape).astype("float32") for shape in ((rows, inputs), (outputs,)))
    weight = random.integers(-127, 128, (outputs, inputs)).astype("int8")
    scale = random.uniform(0.001, 0.01, outputs).astype("float32")
    found = _core.ops["linear_int8"](*map(fl.tensor, (x, weight, scale, bias)))
    expected = x.astype("float64") @ (weight * scale[:, None].astype("float64")).T + bias
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5 * np.abs(expected).max())


def test_a_turned_weight_and_input_are_read_where_they_lie() -> None:
    random = np.random.default_rng(0)
    x, weight = random.normal(size=(7, 4)).astype("float32"), random.integers(-9, 9, (7, 5)).astype("int8")
    scale = np.full(5, 0.5, "float32")
    found = _core.ops["linear_int8"](fl.tensor(x).T, fl.tensor(weight).T, fl.tensor(scale), None)
    np.testing.assert_allclose(found.numpy(), x.T @ (weight * 0.5), rtol=1e-5, atol=1e-5)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    layer = Int8Linear.from_float(nn.Linear(1000, 1100))
    before = fl.get_num_threads()
    try:
        for rows in (1, 5, 100):
            x = fl.random.normal((rows, 1000))
            found = []
            for threads in (1, 2, 3, 8):
                fl.set_num_threads(threads)
                found.append(layer(x).tolist())
            assert found == found[:1] * 4
    finally:
        fl.set_num_threads(before)


def test_one_row_gives_the_bits_that_it_gives_among_others() -> None:
    layer = Int8Linear.from_float(nn.Linear(100, 37))
    x = fl.random.normal((7, 100))
    assert layer(x).tolist() == [layer(x[i : i + 1])[0].tolist() for i in range(7)]


def test_gradients_reach_what_goes_in_and_the_bias() -> None:
    layer = Int8Linear.from_float(nn.Linear(6, 4)).double()
    fl.gradcheck(
        lambda x, bias: _core.ops["linear_int8"](x, layer.weight, layer.scale, bias),
        [fl.random.normal((3, 6), dtype=fl.float64), fl.random.normal(4, dtype=fl.float64)],
    )
    assert [name for name, _ in layer.named_parameters()] == ["bias"]


def test_low_rank_layers_learn_over_a_frozen_int8_base() -> None:
    fl.manual_seed(0)
    base = Int8Linear.from_float(nn.Linear(8, 8)).requires_grad_(False)
    down, up = nn.Linear(8, 2, bias=False), nn.Linear(2, 8, bias=False)
    nn.init.zeros_(up.weight)
    before = base.weight.tolist()
    optimizer = optim.Adam([*down.parameters(), *up.parameters()], lr=0.05)
    x, wanted = fl.random.normal((64, 8)), fl.random.normal((64, 1)) * fl.ones(8)
    losses = []
    for _ in range(60):
        inner = base(x)
        loss = nn.functional.mse_loss(base(inner) + up(down(inner)), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert base.weight.tolist() == before


def test_an_embedding_gives_the_rows_that_it_shows() -> None:
    table = Int8Embedding.from_float(nn.Embedding(10, 5))
    indices = fl.tensor([[1, 9], [0, 1]])
    assert table(indices).tolist() == fl.take(table.dequantize(), indices, axis=0).tolist()
    with pytest.raises(IndexError):
        table(fl.tensor([10]))


def test_every_linear_and_embedding_is_replaced() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.table = nn.Embedding(50, 16)
            self.block = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
            self.heads = nn.ModuleDict({"a": nn.Linear(16, 3)})

        def __call__(self, x: fl.Tensor) -> fl.Tensor:
            return self.heads["a"](self.block(self.table(x)))

    model = Model().eval()
    x = fl.tensor([[1, 2, 49]])
    expected = model(x)
    assert quantize_(model, Int8WeightOnlyConfig()) is model
    kinds = {type(layer).__name__ for layer in model.modules()}
    assert {"Int8Linear", "Int8Embedding"} <= kinds
    assert not {"Linear", "Embedding"} & kinds
    np.testing.assert_allclose(model(x).tolist(), expected.tolist(), atol=0.1)
    assert not model.block.linear1.training


def test_a_filter_chooses_and_names_have_paths() -> None:
    seen: list[str] = []
    net = nn.Sequential(nn.Sequential(nn.Linear(4, 4)), nn.Linear(4, 4))
    quantize_(net, filter_fn=lambda layer, path: bool(seen.append(path)) or path == "1")
    assert sorted(seen) == ["0.0", "1"]
    assert (type(net[0][0]).__name__, type(net[1]).__name__) == ("Linear", "Int8Linear")


def test_shared_layers_stay_one_and_shared_weights_stay_floats() -> None:
    twice = nn.Linear(4, 4)
    net = quantize_(nn.Sequential(twice, twice))
    assert net[0] is net[1]
    table, head = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False)
    head.weight = table.weight
    tied = quantize_(nn.ModuleList([table, head]))
    assert [type(layer).__name__ for layer in tied] == ["Embedding", "Linear"]


def test_what_cannot_be_replaced_is_refused() -> None:
    with pytest.raises(TypeError, match=r"use Int8Linear\.from_float\(layer\)"):
        quantize_(nn.Linear(2, 2))
    with pytest.raises(TypeError, match=r"there is Int8WeightOnlyConfig\(\)"):
        quantize_(_net(), "int8")  # type: ignore[arg-type]  # the mistake under test


def test_a_saved_state_is_a_quarter_and_loads_into_a_model_quantized_in_the_same_way(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(512, 512), nn.Linear(512, 512))
    fl.save(net.state_dict(), tmp_path / "float.safetensors")
    held = sum(x.nbytes for x in net.state_dict().values())
    quantize_(net)
    fl.save(net.state_dict(), tmp_path / "int8.safetensors")
    assert held / sum(x.nbytes for x in net.state_dict().values()) > 3.9
    assert (tmp_path / "float.safetensors").stat().st_size / (tmp_path / "int8.safetensors").stat().st_size > 3.9
    other = quantize_(nn.Sequential(nn.Linear(512, 512), nn.Linear(512, 512)))
    other.load_state_dict(fl.load(tmp_path / "int8.safetensors"))
    x = fl.random.normal((3, 512))
    assert other(x).tolist() == net(x).tolist()
    with pytest.raises(ValueError, match=r"0\.scale is missing"):
        quantize_(other).load_state_dict(fl.load(tmp_path / "float.safetensors"))


def test_the_error_of_each_layer_is_told_in_decibels() -> None:
    fl.manual_seed(0)
    net = _net()
    errors = quantization.compare(net, quantize_(copy.deepcopy(net)), fl.random.normal((64, 20)))
    assert [error.name for error in errors] == ["0", "2"]
    assert all(38 < error.weight_db < 60 and 35 < error.output_db < 60 for error in errors)
    assert net.training
    others = quantization.compare(net, quantize_(_net()), fl.ones((1, 20)))
    assert max(error.weight_db for error in others) < 10  # other weights altogether
    with pytest.raises(ValueError, match="0, 2 is no Linear"):
        quantization.compare(quantize_(_net()), quantize_(_net()), fl.ones((1, 20)))
    assert quantization.sqnr(fl.ones(3), fl.ones(3)) == float("inf")


def test_autocast_leaves_int8_layers_in_float32() -> None:
    net = quantize_(_net())
    x = fl.random.normal((4, 20))
    with fl.autocast():
        assert net(x).tolist() == net(x.astype(fl.float32)).tolist()


def test_a_batch_of_calls_is_one_call() -> None:
    layer = Int8Linear.from_float(nn.Linear(6, 4))
    x = fl.random.normal((5, 6))
    assert fl.vmap(layer)(x).tolist() == layer(x).tolist()
    with pytest.raises(fl.ShapeError, match="x's last dimension must be 6"):
        layer(fl.ones((2, 5)))
