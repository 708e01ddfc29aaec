"""What is done to parameters and gradients as a whole."""

from flambeau.nn.utils import rnn
from flambeau.nn.utils.gradients import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from flambeau.nn.utils.spectral import remove_spectral_norm, spectral_norm
from flambeau.nn.utils.vectors import parameters_to_vector, vector_to_parameters
from flambeau.nn.utils.weights import remove_weight_norm, weight_norm

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
