"""The machine's limits, measured in the same run: memory bandwidth by a copy, peaks by loops of multiply-adds; a chain
of operations, pools and batch norms as passes over memory and nothing else, of their rows' own sizes."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor

from tests.speed.compiled import shared_object

COPY_BYTES = 128 << 20
MULTIPLY_ADD_ROUNDS = 20_000_000
CHAIN_ELEMENTS = 1_000_000
LAYER_ELEMENTS = 16 * 64 * 56 * 56
RATES = {
    "bytes_per_s": ("copy_bandwidth", COPY_BYTES),
    "operations_per_s": ("multiply_add_rate", MULTIPLY_ADD_ROUNDS),
    "bfloat16_operations_per_s": ("bfloat16_dot_rate", MULTIPLY_ADD_ROUNDS),
    "chain_elements_per_s": ("chain_rate", CHAIN_ELEMENTS),  # of all threads together
    "chain_step_elements_per_s": ("chain_step_rate", CHAIN_ELEMENTS),
    "pool_elements_per_s": ("pool_rate", LAYER_ELEMENTS),
    "pool_step_elements_per_s": ("pool_step_rate", LAYER_ELEMENTS),
    "norm_elements_per_s": ("norm_rate", LAYER_ELEMENTS),
    "norm_step_elements_per_s": ("norm_step_rate", LAYER_ELEMENTS),
}


# What is done in vectors wider than the processor's is done in memory, and would be no limit.
FLAGS = "-O3", "-ffp-contract=fast", "-Wno-psabi", "-Werror=vector-operation-performance"


class Limits:
    """The compiled helper. Raises: RuntimeError without a C compiler."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(str(shared_object("limits.c", "-march=native", *FLAGS)))
        for name, _ in RATES.values():
            function = getattr(self._library, name)
            function.restype = ctypes.c_double
            function.argtypes = [ctypes.c_int64, ctypes.c_int]

    def measure(self, threads: int) -> dict[str, float]:
        """Bytes, operations and elements a second on so many threads at once; what the processor lacks is left out."""
        with ThreadPoolExecutor(threads) as pool:
            rates = {
                key: sum(pool.map(getattr(self._library, name), [amount] * threads, [threads] * threads))
                for key, (name, amount) in RATES.items()
            }
        return {key: rate for key, rate in rates.items() if rate > 0}
