"""Flambeau: eager, differentiable tensors on any hardware, under the names of the Python Array API standard.

>>> import flambeau as fl
>>> x = fl.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2.0, 4.0, 6.0])
"""

from __future__ import annotations

from . import random
from . import torch_names as _torch_names
from ._core import (
    DeviceError,
    DTypeError,
    Graph,
    ShapeError,
    Tensor,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    get_num_threads,
    int8,
    int16,
    int32,
    int64,
    recording,
    set_num_threads,
    tensor,
    uint8,
    uint16,
    uint32,
    uint64,
)
from ._version import __version__
from .array_api import *
from .array_api import __array_namespace_info__
from .autograd import detect_anomaly, enable_grad, grad, inference, no_grad, value_and_grad
from .contraction import einsum, kron
from .creation import *
from .devices import devices
from .dtypes import can_cast, finfo, iinfo, isdtype, result_type
from .functions import *
from .graph import record
from .printing import set_printoptions
from .random import Generator, get_rng_state, initial_seed, manual_seed, set_rng_state
from .sorting import *

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__array_api_version__ = "2025.12"
e, inf, nan, newaxis, pi = 2.718281828459045, float("inf"), float("nan"), None, 3.141592653589793

bool = bool_  # the dtype: from here on this module means it by `bool`


def __getattr__(name: str) -> Any:
    """Larger parts are imported at first use, so that `import flambeau` stays light."""
    import importlib

    if name in _LAZY:
        module = importlib.import_module(_LAZY[name], __name__)
        return module if _LAZY[name] == "." + name else getattr(module, name)
    if said := _torch_names.told(_torch_names.FUNCTIONS, name):
        raise AttributeError(f"module 'flambeau' has no attribute '{name}'{said}")
    near = [known for known in globals() if not known.startswith("_") and known[:3] == name[:3]]
    hint = f"; near: {', '.join(sorted(near)[:5])}" if near else ""
    raise AttributeError(f"module 'flambeau' has no attribute '{name}'{hint}")


_LAZY = {
    "vjp": ".autograd", "jvp": ".autograd", "jacobian": ".autograd", "hessian": ".autograd", "vmap": ".autograd",
    "Function": ".autograd", "checkpoint": ".autograd", "gradcheck": ".autograd", "gradgradcheck": ".autograd",
    "autocast": ".autograd", "amp": ".amp", "quantization": ".quantization",
    "nn": ".nn", "linalg": ".linalg", "fft": ".fft",
    "optim": ".optim", "data": ".data", "testing": ".testing", "conformance": ".conformance",
    "profiler": ".profiler", "memory": ".memory",
    "save": ".safetensors", "load": ".safetensors", "safetensors": ".safetensors", "load_pt": ".pickled",
    "save_npz": ".npz", "load_npz": ".npz",
}  # fmt: skip
