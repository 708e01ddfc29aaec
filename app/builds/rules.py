"""What is decided about builds without web or table: names of files, reports of conformance, cells of the grid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,199}")
CONFORMANCE_SCHEMA, CONFORMANCE_VERSION = "flambeau-conformance", 1
MOST_CASES = 2**31 - 1
LONGEST_S = 1e9


class ReportError(Exception):
    """A conformance report that cannot stand as evidence, with every reason."""


@dataclass(frozen=True)
class Conformance:
    """A conformance report, read as evidence."""

    device: str
    backend: str
    hardware: str
    driver: str
    conforms: bool
    passed: int
    failed: int
    unsupported: int
    not_run: int
    seconds: float


def is_filename(text: str) -> bool:
    """Whether this is a plain name for a file that a build hands over.

    >>> is_filename("flambeau-0.1.0.dev3-cp311-cp311-linux_x86_64.whl"), is_filename("../x"), is_filename(".bashrc")
    (True, False, False)
    """
    return _FILENAME.fullmatch(text) is not None


def read_conformance(data: bytes, *, version: str, commit: str, wheel_sha256: str) -> Conformance:
    """The report of one device, if it is about this wheel. Written and checked as docs/formats/ says.

    Raises: ReportError with every reason.
    """
    try:
        report = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"the conformance report is not JSON: {error}") from None
    if not isinstance(report, dict) or report.get("schema") != CONFORMANCE_SCHEMA:
        raise ReportError(f"the file is no conformance report: its schema is not {CONFORMANCE_SCHEMA!r}")
    if report.get("schema_version") != CONFORMANCE_VERSION:
        raise ReportError(
            f"the conformance report has version {report.get('schema_version')!r}; this portal reads "
            f"{CONFORMANCE_VERSION}"
        )
    problems: list[str] = []
    about = _part(report, "flambeau", problems)
    device = _part(report, "device", problems)
    counts = _part(report, "counts", problems)
    for key, wanted in (("version", version), ("commit", commit), ("wheel_sha256", wheel_sha256)):
        told = about.get(key)
        if told != wanted and not (told is None and key != "version"):
            problems.append(f"it is about {key} {told!r}, not {wanted!r}")
    numbers: dict[str, int] = {}
    for key in ("passed", "failed", "unsupported", "not_run"):
        value = counts.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_CASES:
            problems.append(f"its count {key} is {value!r}")
        else:
            numbers[key] = value
    name = device.get("name")
    if not isinstance(name, str) or not name or len(name) > 100:
        problems.append(f"its device is named {name!r}")
    if problems:
        raise ReportError("the conformance report cannot be used: " + "; ".join(problems))
    sound = numbers["failed"] == 0 and numbers["passed"] > 0
    if report.get("conforms") is not sound:
        raise ReportError(f"the conformance report says conforms {report.get('conforms')!r}; its counts say {sound}")
    seconds = report.get("seconds")
    return Conformance(
        device=str(name), backend=str(device.get("backend", ""))[:100], hardware=str(device.get("hardware", ""))[:300],
        driver=str(device.get("driver", ""))[:300], conforms=sound,
        seconds=float(seconds) if isinstance(seconds, int | float) and 0 <= seconds <= LONGEST_S else 0.0, **numbers,
    )  # fmt: skip


def is_of_device(device: str, target_device: str) -> bool:
    """Whether a reported device is the one a hardware target names; a number after a colon tells two alike apart.

    >>> is_of_device("webgpu:1", "webgpu"), is_of_device("cpu-emu", "cpu")
    (True, False)
    """
    return device.split(":", 1)[0] == target_device.split(":", 1)[0]


@dataclass(frozen=True)
class Cell:
    """One commit on one hardware target, as the grid shows it."""

    state: str
    text: str
    url: str | None = None


def _part(report: Mapping[str, Any], key: str, problems: list[str]) -> Mapping[str, Any]:
    value = report.get(key)
    if isinstance(value, dict):
        return value
    problems.append(f"its part {key} is missing")
    return {}
