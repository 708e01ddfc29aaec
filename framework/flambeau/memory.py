"""What tensors take on a device, and what is kept for the next ones, under the names of torch.cuda.

Freed memory is kept and given to the next tensor of its size class. Bytes are those of whole blocks: up to a fifth
more than the elements, and 64 at least.

>>> import flambeau as fl
>>> before = fl.memory.memory_allocated()
>>> x = fl.zeros(1000)
>>> fl.memory.memory_allocated() - before
4096
"""

from __future__ import annotations

from flambeau import _core
from flambeau._core import Device

DeviceLike = Device | str | None

__all__ = [
    "empty_cache", "max_memory_allocated", "max_memory_reserved", "memory_allocated", "memory_reserved",
    "memory_stats", "reset_peak_memory_stats", "summary",
]  # fmt: skip


def memory_stats(device: DeviceLike = None) -> dict[str, int]:
    """Every figure of a device (the CPU unless one is named), by PyTorch's names for them.

    allocation.all.* counts blocks in tensors and allocated_bytes.all.* their bytes; reserved_bytes.all.* adds what is
    kept for reuse; num_device_alloc and num_device_free count requests to the system, num_alloc_retries those that
    needed the kept memory back first, num_ooms those that failed.
    """
    f = _core.memory(device)
    requests = f["allocations"] + f["reuses"] - f["failures"]
    return {
        "allocation.all.current": f["blocks"],
        "allocation.all.peak": f["peak_blocks"],
        "allocation.all.allocated": requests,
        "allocation.all.freed": requests - f["blocks"],
        "allocated_bytes.all.current": f["used_bytes"],
        "allocated_bytes.all.peak": f["peak_bytes"],
        "allocated_bytes.all.allocated": f["total_bytes"],
        "allocated_bytes.all.freed": f["total_bytes"] - f["used_bytes"],
        "reserved_bytes.all.current": f["used_bytes"] + f["cached_bytes"],
        "reserved_bytes.all.peak": f["peak_reserved_bytes"],
        "num_alloc_retries": f["retries"],
        "num_ooms": f["failures"],
        "num_device_alloc": f["allocations"] - f["failures"],
        "num_device_free": f["returned_blocks"],
    }


def memory_allocated(device: DeviceLike = None) -> int:
    """Bytes in tensors now."""
    return _core.memory(device)["used_bytes"]


def max_memory_allocated(device: DeviceLike = None) -> int:
    """The most bytes that were in tensors at once, since the start or `reset_peak_memory_stats()`."""
    return _core.memory(device)["peak_bytes"]


def memory_reserved(device: DeviceLike = None) -> int:
    """Bytes in tensors and kept for reuse."""
    return memory_stats(device)["reserved_bytes.all.current"]


def max_memory_reserved(device: DeviceLike = None) -> int:
    """The most bytes that were in tensors and kept for reuse at once."""
    return _core.memory(device)["peak_reserved_bytes"]


def reset_peak_memory_stats(device: DeviceLike = None) -> None:
    """Let the peaks begin anew at what is there now."""
    _core.reset_memory_peaks(device)


def empty_cache(device: DeviceLike = None) -> int:
    """Give what is kept for reuse back to the system; the number of bytes."""
    return _core.trim_memory(device)


def summary(device: DeviceLike = None) -> str:
    """The figures as a table to read.

    >>> print(summary())  # doctest: +ELLIPSIS
    Memory of cpu             now        peak       total
    in tensors ...
    """
    f, name = memory_stats(device), str(_core.device(device))
    rows = [
        (f"Memory of {name}", "now", "peak", "total"),
        ("in tensors", *(bytes_text(f[f"allocated_bytes.all.{k}"]) for k in ("current", "peak", "allocated"))),
        ("in tensors and kept", *(bytes_text(f[f"reserved_bytes.all.{k}"]) for k in ("current", "peak")), ""),
        ("blocks of tensors", *(f"{f[f'allocation.all.{k}']:,}" for k in ("current", "peak", "allocated"))),
        ("blocks from the system", "", "", f"{f['num_device_alloc']:,}"),
        ("blocks given back", "", "", f"{f['num_device_free']:,}"),
        ("requests that failed", "", "", f"{f['num_ooms']:,}"),
    ]
    return "\n".join(f"{title:<24}{now:>12}{peak:>12}{total:>12}".rstrip() for title, now, peak, total in rows)


def bytes_text(count: int) -> str:
    """A number of bytes with its unit: 512 B, 3.91 KB, -1.20 MB (of 1024)."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
        if abs(count) >= 1024**power:
            return f"{count / 1024**power:.2f} {unit}"
    return f"{count} B"
