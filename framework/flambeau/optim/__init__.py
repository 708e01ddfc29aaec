"""Optimizers, with PyTorch's names and semantics; a step is one native call, but in Muon and LBFGS: see docs/nn.md."""

from flambeau.optim import lr_scheduler, swa_utils
from flambeau.optim.adam import Adam, AdamW
from flambeau.optim.lbfgs import LBFGS
from flambeau.optim.lion import Lion
from flambeau.optim.muon import Muon
from flambeau.optim.optimizer import Optimizer
from flambeau.optim.rmsprop import Adagrad, RMSprop
from flambeau.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "Muon",
    "Optimizer",
    "RMSprop",
    "lr_scheduler",
    "swa_utils",
]
