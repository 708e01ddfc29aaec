"""Flambeau: eager, differentiable tensors on any hardware, under the names of the Python Array API standard."""

# Written by `python -m flambeau.optable --stubs`.
from flambeau import _core as _core
from flambeau import random as random
from flambeau._core import DeviceError as DeviceError
from flambeau._core import DTypeError as DTypeError
from flambeau._core import Graph as Graph
from flambeau._core import ShapeError as ShapeError
from flambeau._core import Tensor as Tensor
from flambeau._core import bfloat16 as bfloat16
from flambeau._core import bool_ as bool_
from flambeau._core import complex64 as complex64
from flambeau._core import complex128 as complex128
from flambeau._core import float16 as float16
from flambeau._core import float32 as float32
from flambeau._core import float64 as float64
from flambeau._core import get_num_threads as get_num_threads
from flambeau._core import int8 as int8
from flambeau._core import int16 as int16
from flambeau._core import int32 as int32
from flambeau._core import int64 as int64
from flambeau._core import recording as recording
from flambeau._core import set_num_threads as set_num_threads
from flambeau._core import tensor as tensor
from flambeau._core import uint8 as uint8
from flambeau._core import uint16 as uint16
from flambeau._core import uint32 as uint32
from flambeau._core import uint64 as uint64
from flambeau._version import __version__ as __version__
from flambeau.array_api import *
from flambeau.array_api import __array_namespace_info__ as __array_namespace_info__
from flambeau.autograd import detect_anomaly as detect_anomaly
from flambeau.autograd import enable_grad as enable_grad
from flambeau.autograd import grad as grad
from flambeau.autograd import inference as inference
from flambeau.autograd import no_grad as no_grad
from flambeau.autograd import value_and_grad as value_and_grad
from flambeau.contraction import einsum as einsum
from flambeau.contraction import kron as kron
from flambeau.creation import *
from flambeau.devices import devices as devices
from flambeau.dtypes import can_cast as can_cast
from flambeau.dtypes import finfo as finfo
from flambeau.dtypes import iinfo as iinfo
from flambeau.dtypes import isdtype as isdtype
from flambeau.dtypes import result_type as result_type
from flambeau.functions import *
from flambeau.graph import record as record
from flambeau.printing import set_printoptions as set_printoptions
from flambeau.random import Generator as Generator
from flambeau.random import get_rng_state as get_rng_state
from flambeau.random import initial_seed as initial_seed
from flambeau.random import manual_seed as manual_seed
from flambeau.random import set_rng_state as set_rng_state
from flambeau.sorting import *
from flambeau.autograd import vjp as vjp
from flambeau.autograd import jvp as jvp
from flambeau.autograd import jacobian as jacobian
from flambeau.autograd import hessian as hessian
from flambeau.autograd import vmap as vmap
from flambeau.autograd import Function as Function
from flambeau.autograd import checkpoint as checkpoint
from flambeau.autograd import gradcheck as gradcheck
from flambeau.autograd import gradgradcheck as gradgradcheck
from flambeau.autograd import autocast as autocast
from flambeau import amp as amp
from flambeau import quantization as quantization
from flambeau import nn as nn
from flambeau import linalg as linalg
from flambeau import fft as fft
from flambeau import optim as optim
from flambeau import data as data
from flambeau import testing as testing
from flambeau import conformance as conformance
from flambeau import profiler as profiler
from flambeau import memory as memory
from flambeau.safetensors import save as save
from flambeau.safetensors import load as load
from flambeau import safetensors as safetensors
from flambeau.pickled import load_pt as load_pt
from flambeau.npz import save_npz as save_npz
from flambeau.npz import load_npz as load_npz

__array_api_version__: str
e: float
inf: float
nan: float
newaxis: None
pi: float
bool: _core.DType
