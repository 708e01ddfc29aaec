"""Calls with PyTorch's keywords say how the call is written here, wherever they are made."""

from __future__ import annotations

import re
from typing import Any

import flambeau as fl
import pytest
from flambeau import data, nn, optim

X = fl.ones((2, 3))
CALLS = {
    "fl.concat([X, X], dim=1)": "it is named axis here",
    "fl.stack([X], dim=0)": "it is named axis here",
    "fl.linalg.vector_norm(X, keepdim=True)": "it is named keepdims here",
    "fl.nonzero(X, as_tuple=True)": "fl.argwhere one matrix",
    "fl.random.normal(size=(2, 3))": "fl.random.normal((2, 3))",
    "fl.random.randint(0, 5, size=(2, 3))": "it is named shape here",
    "fl.concat([X, X], 1)": "the others are written by name, as in axis=0",
    "fl.triu(X, 1)": "what follows the tensor is written by name, as in k=...",
    "fl.arange(3, requires_grad=True)": "write fl.arange(...).requires_grad_()",
    "X.to('cpu', non_blocking=True)": "a copy is done when the call returns, so leave it out",
    "X.to('cpu', copy=True)": "to: there is no argument 'copy'; x.copy() is one",
    "nn.Linear(2, 3).to('cpu', non_blocking=True)": "to: there is no argument 'non_blocking'; a copy is done when the",
    "fl.tensor([1.0], pin_memory=True)": "tensor: there is no argument 'pin_memory'; memory needs no pinning",
    "fl.asarray([1.0], layout=None)": "asarray: there is no argument 'layout'; a tensor has strides",
    "fl.tensor([1.0], shape=1)": "tensor: there is no argument 'shape'",
    "nn.functional.softmax(X, axis=1)": "missing 1 required positional argument: 'dim'",
    "nn.functional.softmax(X, 0, axis=1)": "softmax: there is no argument 'axis'; it is named dim in fl.nn",
    "nn.functional.normalize(X, axis=1)": "normalize: there is no argument 'axis'; it is named dim in fl.nn",
    "nn.functional.cosine_similarity(X, X, axis=1)": "it is named dim in fl.nn",
    "nn.Softmax(axis=1)": "Softmax: there is no argument 'axis'; it is named dim in fl.nn",
    "fl.add(X, X, alpha=2)": "multiply first: x + 2 * y",
    "fl.matmul(X, X.T, out=X)": "x[...] = fl.matmul(...) writes it into x",
    "nn.functional.relu(X, inplace=True)": "a function gives a new tensor; x[...] = f(x) writes",
    "fl.vmap(abs, in_dims=0)": "it is named in_axes",
    "fl.checkpoint(abs, X, use_reentrant=False)": "one kind of checkpoint",
    "fl.load('nowhere', map_location='cpu')": "net.to(device) moves",
    "data.DataLoader([1], pin_memory=True)": "DataLoader: there is no argument 'pin_memory'; memory needs no pinning",
    "nn.Linear(2, 3, device='cpu')": "Linear(...).to(device)",
    "nn.Conv2d(1, 1, 3, dtype=fl.float64)": "Conv2d(...).to(fl.float64)",
    "nn.CrossEntropyLoss(size_average=True)": "reduction='mean', 'sum' or 'none' says it",
    "optim.SGD([X], lr=0.1, fused=True)": "a step is one native call",
    "optim.AdamW([X], learning_rate=0.1)": "it is named lr",
    "optim.lr_scheduler.StepLR(None, 1, verbose=True)": "schedule.get_last_lr()",
    "fl.autocast(device_type='cpu')": "it is for every device",
    "fl.amp.GradScaler(device='cuda')": "it is for every device",
}


@pytest.mark.parametrize("call", CALLS)
def test_pytorchs_keyword_is_answered_by_the_way_it_is_written_here(call: str) -> None:
    with pytest.raises(TypeError, match=re.escape(CALLS[call])):
        eval(call, {"fl": fl, "nn": nn, "data": data, "optim": optim, "X": X})


def test_a_keyword_that_means_another_thing_in_nn_gets_no_advice() -> None:
    for keyword in ("alpha", "dim", "size"):
        with pytest.raises(TypeError, match=rf"leaky_relu: there is no argument '{keyword}'$"):
            nn.functional.leaky_relu(X, **{keyword: 1})


def test_a_class_of_ones_own_may_take_such_a_keyword() -> None:
    class Placed(nn.Module):
        def __init__(self, device: str) -> None:
            self.device = device

    class Open(nn.Module):
        def __init__(self, **options: Any) -> None:
            self.options = options

    assert Placed(device="cpu").device == "cpu"
    assert Open(device="cpu").options == {"device": "cpu"}


def test_a_layer_says_how_it_is_called_and_moved() -> None:
    net: Any = nn.Linear(2, 2)
    with pytest.raises(AttributeError, match=r"call the layer itself, net\(x\)"):
        net.forward(X)
    with pytest.raises(AttributeError, match=r"net.to\('cuda'\) moves it"):
        net.cuda()
    assert fl.zeros(2).requires_grad_(requires_grad=False).requires_grad is False
