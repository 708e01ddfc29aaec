"""The devices of this machine: those built in, and those that installed wheels bring."""

from __future__ import annotations

import os

from . import _core
from ._core import Device

_GROUP = "flambeau.backends"
_failed: dict[str, str] = {}
_vendors_loaded = False


class _Devices:
    """`devices()` lists them; its methods are what can be asked of all.

    >>> import flambeau as fl
    >>> "cpu" in fl.devices()
    True
    """

    def __call__(self) -> list[Device]:
        """Every device, the CPU first."""
        load_vendors()
        found = _core.devices()
        return sorted(found, key=lambda d: d.name != "cpu")

    def missing(self) -> dict[str, str]:
        """Backends that are here but have no device, with the reason."""
        load_vendors()
        _core.devices()
        return dict(_core.missing_backends()) | _failed

    def load(self, path: str) -> list[str]:
        """Load a backend from a shared library; gives the names of its devices."""
        return _core.load_backend(str(path))

    def allow_fallback(self, allowed: bool = True) -> None:
        """Compute on the CPU what a device has no kernel for, and count it; off at the start."""
        _core.allow_fallback(allowed)

    def fallback_count(self) -> int:
        """How many ops the CPU has computed for other devices."""
        return _core.fallback_count()


devices = _Devices()


def load_vendors() -> None:
    """Open the backends of installed wheels, once. An entry point gives its library's path, or a function that does."""
    global _vendors_loaded
    if _vendors_loaded:
        return
    _vendors_loaded = True
    _point_to_wgpu()
    from importlib.metadata import entry_points

    for entry in entry_points(group=_GROUP):
        try:
            path = entry.load()
            _core.load_backend(str(path() if callable(path) else path))
        except Exception as error:  # a stranger's code: whatever it does, the other devices stay usable
            _failed[entry.name] = f"{type(error).__name__}: {error}"


def _point_to_wgpu() -> None:
    """Tell the WebGPU backend where the installed `wgpu` package has its library, unless the user named one."""
    if not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        # Mesa's layer that asks the compositor for the favourite GPU complains where there is no compositor.
        os.environ.setdefault("NODEVICE_SELECT", "1")
    if os.environ.get("FLAMBEAU_WGPU_LIBRARY"):
        return
    from importlib.util import find_spec
    from pathlib import Path

    found = find_spec("wgpu")
    for folder in found.submodule_search_locations or [] if found else []:
        for library in sorted(Path(folder, "resources").glob("libwgpu_native-release.*")):
            os.environ["FLAMBEAU_WGPU_LIBRARY"] = str(library)
