"""The hardware targets of governance/: which have a wheel of their own, and which are this machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from app.governance_files import Target

_PLATFORM_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}


def with_wheels(listed: Sequence[Target]) -> list[Target]:
    """The targets that have a wheel of their own; the others test the wheel of one of these."""
    return [target for target in listed if target.tests_wheel_of is None]


def of_this_machine(listed: Sequence[Target]) -> list[str]:
    """The keys of the targets whose wheel this machine can build; none if no target describes it."""
    system = platform.system().lower()
    machine = _PLATFORM_NAMES.get(platform.machine().lower(), platform.machine().lower())
    here = (system, machine)
    return [target.key for target in with_wheels(listed) if (target.platform.system, target.platform.machine) == here]
