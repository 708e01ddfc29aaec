"""The libraries that are compared, each with the same words: given, work, gradients, and what rows compute.

A word that is not written here is the library's own; one that it lacks is an AttributeError, and the row "not run".
"""

from __future__ import annotations

from typing import Any


def library_of(rival: str, threads: int) -> Any:
    """The library behind a rival's name (torch+tcmalloc+compile: PyTorch with compile), on so many threads.

    What is preloaded (tcmalloc, mkl) was settled when the process began. Raises: ImportError where it is not installed.
    """
    name, *means = rival.split("+")
    if name == "numpy":
        from tests.speed.rivals.numpy import NumPy

        return NumPy()
    if name == "jax":
        from tests.speed.rivals.jax import Jax

        return Jax()
    if name == "torch":
        from tests.speed.rivals.torch import Torch

        return Torch(threads, {*means} - {"tcmalloc", "mkl"})
    from tests.speed.rivals.flambeau import Flambeau

    return Flambeau(threads)
