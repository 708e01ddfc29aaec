"""A call with a leading batch axis gives what the calls for each element give, whichever inputs have the axis."""

from __future__ import annotations

from itertools import product

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core
from flambeau.opcases import Case, arrays, cases, dtypes_of, values
from flambeau.optable import Row, rows

BATCH = 3
WITH_INPUTS = [row for row in rows() if row.max_inputs != 0 and not row.in_place]


def dtype_for(row: Row) -> str:
    return "float32" if "float32" in dtypes_of(row) else dtypes_of(row)[0]


def placed(case: Case, value: np.ndarray, i: int) -> fl.Tensor:
    kind = case.sample.inputs[i].kind
    return fl.tensor(value, dtype={"index": "int64", "bool": "bool", "int8": "int8"}.get(kind, case.dtype))


def outputs_of(result: fl.Tensor | tuple[fl.Tensor, ...]) -> list[fl.Tensor]:
    return [result] if isinstance(result, fl.Tensor) else list(result)


@pytest.mark.parametrize("row", WITH_INPUTS, ids=lambda row: row.name)
def test_a_batch_is_its_elements_put_together(row: Row) -> None:
    for case in cases(row, dtype_for(row), ("plain",)):
        if sum(x.size for x in arrays(case)) > 200:
            continue
        draws = [arrays(case, seed) for seed in range(BATCH)]
        for batched in product([False, True], repeat=len(draws[0])):
            if not any(batched):
                continue
            together, apart = [], [[] for _ in range(BATCH)]
            for i, has_axis in enumerate(batched):
                one = [draw[i] for draw in draws] if has_axis else [draws[0][i]] * BATCH
                together.append(placed(case, np.stack(one) if has_axis else one[0], i))
                for inputs, value in zip(apart, one, strict=True):
                    inputs.append(placed(case, value, i))
            attrs = list(case.sample.attrs)
            result = outputs_of(_core.apply(row.name, together, attrs, batched=list(batched)))
            expected = [outputs_of(_core.apply(row.name, inputs, attrs)) for inputs in apart]
            for k, out in enumerate(result):
                wanted = np.stack([values(one[k]) for one in expected])
                assert out.shape == wanted.shape, (case.words, batched)
                np.testing.assert_allclose(values(out), wanted, rtol=2e-5, atol=2e-6, err_msg=f"{case.words} {batched}")


@pytest.mark.parametrize("row", WITH_INPUTS, ids=lambda row: row.name)
def test_every_row_says_how_it_treats_a_batch(row: Row) -> None:
    assert row.has_batching


def test_what_writes_in_place_has_no_batches() -> None:
    x = fl.tensor([[1.0]])
    with pytest.raises(ValueError, match="sgd_step: what writes in place has no batches"):
        _core.apply("sgd_step", [x, x], [1, 0.1, 0.0, 0.0, 0.0, False, False, False], batched=[True, True])
