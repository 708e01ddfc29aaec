"""What layers compute, as functions with PyTorch's names and keywords (`dim`, `keepdim`)."""

from flambeau.nn.functional.activation import gelu, leaky_relu, log_softmax, relu, sigmoid, silu, softmax, tanh
from flambeau.nn.functional.dropout import dropout
from flambeau.nn.functional.linear import flatten, linear, one_hot
from flambeau.nn.functional.loss import Reduction, cross_entropy, l1_loss, mse_loss, nll_loss

__all__ = [
    "Reduction",
    "cross_entropy",
    "dropout",
    "flatten",
    "gelu",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]
