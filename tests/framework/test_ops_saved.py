"""What a derivative needs is guarded: a value written after the forward pass had saved it is found, by every op."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core
from flambeau.opcases import Case, arrays, cases, dtypes_of, run, tensors
from flambeau.optable import Row, row, rows

from tests.framework.beside_torch import torch

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


def wanted(case: Case) -> list[int]:
    """The inputs that may want gradients."""
    return [
        i
        for i, (x, given) in enumerate(zip(tensors(case, "cpu"), case.sample.inputs, strict=True))
        if given.kind in ("value", "definite") and (x.dtype.is_float or x.dtype.is_complex)
        if row(case.row.name).differentiable_inputs >> min(i, 31) & 1
    ]


def forward(case: Case, want: Sequence[int]) -> tuple[list[fl.Tensor], list[fl.Tensor]]:
    """Inputs with memory of their own, of which these want gradients, and the outputs."""
    inputs = [x.copy() for x in tensors(case, "cpu")]
    for i in want:
        inputs[i].requires_grad = True
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
    count, all_of_them = len(case.sample.inputs), wanted(case)
    # Those that want a gradient: each alone, and all.
    subsets = [[i] for i in all_of_them] + [all_of_them] * (len(all_of_them) > 1)
    for want, which in product(subsets, range(count + len(forward(case, [])[1]))):
        inputs, outputs = forward(case, want)
        if not any(out.requires_grad for out in outputs):
            pytest.fail("no output wants a gradient")
        is_input = which < count
        place = which if is_input else which - count
        written = inputs[place] if is_input else outputs[place]
        of_inputs, of_outputs = _core.saved_by(row.name, case.sample.attrs, sum(1 << min(i, 31) for i in want))
        saved = (of_inputs if is_input else of_outputs) >> min(place, 31) & 1
        if row.view and not is_input:
            continue  # an output that is a window on its input: what is saved of neither is free
        write_into(written)
        if saved:
            told = rf"backward of {row.name}: its (input|result) of shape .* was written in place"
            with pytest.raises(RuntimeError, match=told):
                walk(outputs)
        else:
            walk(outputs)


WITH_SEVERAL = [row for row in WITH_RULE if row.max_inputs != 1 and bin(row.differentiable_inputs).count("1") > 1]


@pytest.mark.parametrize("row", WITH_SEVERAL, ids=lambda row: row.name)
def test_a_gradient_is_the_same_whichever_other_inputs_want_one(row: Row) -> None:
    dtype = "float64" if "float64" in dtypes_of(row) else "complex128"
    for case in cases(row, dtype, ("plain",)):
        inputs, outputs = forward(case, wanted(case))
        if not any(out.requires_grad for out in outputs):
            continue
        walk(outputs)
        for i in wanted(case):
            alone, results = forward(case, [i])
            walk(results)
            assert str(alone[i].grad) == str(inputs[i].grad), (case.words, i)


# What x's gradient does not read of x, beside a factor that wants none: x may be written before the walk.
UNREAD = {
    "x * 0.5": lambda f, x, c: x * 0.5,
    "0.5 * x": lambda f, x, c: 0.5 * x,
    "x * c": lambda f, x, c: x * c,
    "x / 2": lambda f, x, c: x / 2.0,
    "x / c": lambda f, x, c: x / c,
    "x % 2": lambda f, x, c: x % 2.0,
    "x @ c": lambda f, x, c: x @ c,
    "c @ x": lambda f, x, c: c @ x,
    "where": lambda f, x, c: f.where(c > 0, x, -x),
    "linear": lambda f, x, c: f.nn.functional.linear(x, c, c[0]),
    "the sum of them": lambda f, x, c: (x * 2.0 + x / c).sum(),
}


@pytest.mark.parametrize("function", UNREAD.values(), ids=UNREAD)
def test_what_no_gradient_reads_may_be_written_before_the_walk_as_in_pytorch(function) -> None:
    def program(library, w, c):
        x = w * 1.5
        y = function(library, x, c)
        x += 1
        (y.sum() + (x * w).sum()).backward()
        return w.grad.numpy()

    w, c = [[0.5, -1.0, 2.0]] * 3, [[1.0, 2.0, 3.0], [-1.0, 1.0, 0.5], [2.0, 2.0, 1.0]]
    ours = program(fl, fl.tensor(w, requires_grad=True), fl.tensor(c))
    theirs = program(torch(), torch().tensor(w, requires_grad=True), torch().tensor(c))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize(
    "step", [lambda x: x * 0.5, lambda x: x / 2.0, lambda x: x % 3.0, lambda x: 1.0 - x, lambda x: x @ fl.eye(100)]
)
def test_the_tape_keeps_no_value_that_no_gradient_reads(step) -> None:
    w = fl.ones((500, 100)).requires_grad_()
    before = fl.memory.memory_allocated()
    x = step(w)
    one = fl.memory.memory_allocated() - before
    for _ in range(20):
        x = step(x)
    assert fl.memory.memory_allocated() - before < one + 20 * 50_000  # of a step the constant at most


def test_a_checkpoint_whose_inputs_want_other_gradients_the_second_time_says_so() -> None:
    w, c = fl.ones(3).requires_grad_(), fl.ones(3).requires_grad_()
    y = fl.checkpoint(lambda w: w * c, w)
    c.requires_grad = False
    with pytest.raises(RuntimeError, match="checkpoint: multiply had other inputs that want a gradient the first time"):
        y.sum().backward()


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
