"""What a derivative needs is guarded: a value written after the forward pass had saved it is found, by every op."""

from __future__ import annotations

import flambeau as fl
import pytest
from flambeau.opcases import Case, arrays, cases, dtypes_of, run, tensors
from flambeau.optable import Row, row, rows

# Those whose derivative is written for the op itself; others are differentiated through their parts.
WITH_RULE = [row for row in rows() if row.differentiable and row.has_vjp]


def the_case(row: Row) -> Case | None:
    """A case whose inputs and outputs have elements, and some output may have a gradient."""
    dtype = "float64" if "float64" in dtypes_of(row) else "complex128"
    for case in cases(row, dtype, ("plain",)):
        given = arrays(case)
        if not given or not all(x.size for x in given):
            continue
        outputs = run(case, tensors(case, "cpu"))
        if all(out.size for out in outputs) and any(out.dtype.is_float or out.dtype.is_complex for out in outputs):
            return case
    return None


def forward(case: Case) -> tuple[list[fl.Tensor], list[fl.Tensor]]:
    """Inputs with memory of their own that want gradients, and the outputs."""
    inputs = [x.copy() for x in tensors(case, "cpu")]
    for i, x in enumerate(inputs):
        kind = case.sample.inputs[i].kind
        wants = kind in ("value", "definite") and bool(row(case.row.name).differentiable_inputs >> min(i, 31) & 1)
        if wants and (x.dtype.is_float or x.dtype.is_complex):
            x.requires_grad = True
    return inputs, list(run(case, inputs))


def walk(outputs: list[fl.Tensor]) -> None:
    live = [out for out in outputs if out.requires_grad]
    real = [fl.sum(fl.real(out) if out.dtype.is_complex else out) for out in live]
    sum(real[1:], real[0]).backward()


def write_into(x: fl.Tensor) -> None:
    with fl.no_grad():
        x.detach()[...] = x.detach().copy()


@pytest.mark.parametrize("row", WITH_RULE, ids=lambda row: row.name)
def test_a_write_into_what_was_saved_is_found_and_into_nothing_else(row: Row) -> None:
    case = the_case(row)
    assert case is not None, "no case can be written into"
    count = len(case.sample.inputs)
    for which in range(count + len(forward(case)[1])):
        inputs, outputs = forward(case)
        if not any(out.requires_grad for out in outputs):
            pytest.fail("no output wants a gradient")
        is_input = which < count
        place = which if is_input else which - count
        written = inputs[place] if is_input else outputs[place]
        saved = (row.saves_inputs if is_input else row.saves_outputs) >> min(place, 31) & 1
        if row.view and not is_input:
            continue  # an output that is a window on its input: what is saved of neither is free
        write_into(written)
        if saved:
            told = rf"backward of {row.name}: its (input|result) of shape .* was written in place"
            with pytest.raises(RuntimeError, match=told):
                walk(outputs)
        else:
            walk(outputs)


def test_the_error_names_the_users_line_in_anomaly_mode() -> None:
    x = fl.ones(3).requires_grad_()
    with fl.detect_anomaly():
        y = fl.exp(x)
        write_into(y)
        with pytest.raises(RuntimeError, match=r"of exp \(called at .*test_ops_saved.py:\d+ in test_the_error"):
            y.sum().backward()


def test_a_write_before_the_forward_pass_is_none_of_its_business() -> None:
    x = fl.ones(3).requires_grad_()
    write_into(x)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
