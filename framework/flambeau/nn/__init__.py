"""Layers and losses, with PyTorch's names, layouts and semantics: see docs/nn.md."""

from flambeau.nn import functional, init
from flambeau.nn.activations import GELU, Identity, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from flambeau.nn.containers import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from flambeau.nn.layers import Dropout, Flatten, Linear
from flambeau.nn.losses import CrossEntropyLoss, MSELoss
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter

__all__ = [
    "GELU",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
]
