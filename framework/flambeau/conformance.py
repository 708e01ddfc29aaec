"""`python -m flambeau.conformance --device NAME --json FILE`: a device against the reference loops, op by op.

Every sample of every row runs on the device and on the reference, in every dtype that the device declares: values
(contiguous, strided, reversed and with NaN and infinities), gradients, and the op recorded and replayed. A vendor's
proof and the foundation's release gate read the same report: docs/formats/conformance-1.schema.json.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import platform
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

import flambeau as fl
from flambeau import _core, opcases, optable, testing

Mode = Literal["values", "gradients", "recorded"]
Result = Literal["passed", "failed", "unsupported", "not_run"]
MODES: tuple[Mode, ...] = ("values", "gradients", "recorded")
RESULTS: tuple[Result, ...] = ("passed", "failed", "unsupported", "not_run")

# A gradient is a handful of ops: as many roundings at the size of what goes into it.
_GRADIENT_ULP = 64.0


@dataclass(frozen=True)
class CaseResult:
    """One case in one mode, as the report has it."""

    op: str
    case: str
    dtype: str
    mode: Mode
    result: Result
    error_ulp: float | None = None
    bound_ulp: float | None = None
    detail: str = ""


def run(device: str, *, seed: int = 0, ops: Sequence[str] = (), reference: str = "reference") -> Iterator[CaseResult]:
    """Every case of the op table (or of some ops) on a device, compared with the reference."""
    found = _core.device(device)
    device, declared = found.name, {str(dtype) for dtype in found.dtypes}
    for row in optable.rows():
        if ops and row.name not in ops:
            continue
        for dtype in opcases.dtypes_of(row):
            if dtype in declared:
                yield from _run_dtype(row, dtype, declared, device, reference, seed)
            else:
                yield CaseResult(row.name, "every sample", dtype, "values", "not_run",
                                 detail=f"{device} does not declare {dtype}")


def _run_dtype(row: optable.Row, dtype: str, declared: set[str], device: str, reference: str,
               seed: int) -> Iterator[CaseResult]:
    for case in opcases.cases(row, dtype):
        blank = CaseResult(row.name, case.words, dtype, "values", "passed")
        missing = {str(value) for value in case.sample.attrs if str(value) in optable.DTYPES} - declared
        if missing:
            yield replace(blank, result="not_run", detail=f"{device} does not declare {', '.join(sorted(missing))}")
            continue
        yield _judge(blank, partial(_compare_values, case, device, reference, seed))
        if case.layout in ("plain", "turned") and row.differentiable and dtype in optable.FLOATS:
            yield _judge(replace(blank, mode="gradients"),
                         partial(_compare_gradients, case, device, reference, seed))
        # An op without inputs says nothing of a device in a graph, and is replayed on the CPU.
        if case.layout == "plain" and not row.in_place and (case.sample.inputs or device == "cpu"):
            yield _judge(replace(blank, mode="recorded"), partial(_compare_recorded, case, device, seed))


@dataclass(frozen=True)
class _Distance:
    error: float
    bound: float
    detail: str = ""


def _judge(blank: CaseResult, compare: Callable[[], _Distance]) -> CaseResult:
    """The case's result; what a device says that it cannot do is unsupported, any other error is a failure."""
    try:
        distance = compare()
    except (NotImplementedError, fl.DTypeError) as error:
        return replace(blank, result="unsupported", detail=str(error))
    except Exception as error:  # the one place where any failure of a device becomes a line of the report
        return replace(blank, result="failed", detail=f"{type(error).__name__}: {error}")
    # JSON has no infinity: the largest double stands for a number where a NaN should be.
    error_ulp = min(distance.error, sys.float_info.max)
    if distance.error <= distance.bound:
        return replace(blank, error_ulp=error_ulp, bound_ulp=distance.bound)
    return replace(blank, result="failed", error_ulp=error_ulp, bound_ulp=distance.bound, detail=distance.detail)


def _compare_values(case: opcases.Case, device: str, reference: str, seed: int) -> _Distance:
    expected = _call(case, opcases.tensors(case, reference, seed), reference)
    actual = _call(case, opcases.tensors(case, device, seed), device)
    return _largest(actual, expected, case.row.ulp, _inputs_of(case, seed) if case.row.ulp_at == "largest" else None)


def _compare_gradients(case: opcases.Case, device: str, reference: str, seed: int) -> _Distance:
    expected = _gradients(case, reference, seed)
    actual = _gradients(case, device, seed)
    bound = max(_GRADIENT_ULP, 4 * case.row.ulp[case.dtype])
    return _largest(actual, expected, dict.fromkeys(optable.FLOATS, bound), [*_inputs_of(case, seed), np.float64(1.5)])


def _compare_recorded(case: opcases.Case, device: str, seed: int) -> _Distance:
    """Replayed from its text, the op gives the same bits as when it ran at once."""
    inputs = opcases.tensors(case, device, seed)
    eager = _call(case, inputs, device)
    graph = fl.record(lambda *given: tuple(_call(case, given, device)), *inputs)
    replayed = fl.Graph.parse(graph.text).run(*inputs)
    several = [replayed] if isinstance(replayed, fl.Tensor) else list(replayed)
    return _largest(several, eager, {}, None)


def _call(case: opcases.Case, inputs: Sequence[fl.Tensor], device: str) -> list[fl.Tensor]:
    return opcases.run(case, inputs, device)


def _inputs_of(case: opcases.Case, seed: int) -> list[Any]:
    return [values for values in opcases.arrays(case, seed) if values.dtype.kind in "fc"]


def _gradients(case: opcases.Case, device: str, seed: int) -> list[fl.Tensor]:
    inputs = opcases.tensors(case, device, seed)
    wanted = []
    for number, tensor in enumerate(inputs):
        if case.row.differentiable_inputs >> min(number, 31) & 1 and str(tensor.dtype) in optable.FLOATS:
            inputs[number] = tensor.detach()
            inputs[number].requires_grad = True
            wanted.append(inputs[number])
    outputs = [output for output in _call(case, inputs, device) if output.requires_grad]
    if not outputs or not wanted:
        return []
    random = np.random.default_rng(seed)
    weights = [fl.tensor(opcases.round_to(random.uniform(0.5, 1.5, output.shape), str(output.dtype)),
                         dtype=output.dtype, device=device) for output in outputs]
    found = _core.gradients(outputs, weights, wanted, False, False)
    return [gradient for gradient in found if gradient is not None]


def _largest(actual: Sequence[fl.Tensor], expected: Sequence[fl.Tensor], bounds: Mapping[str, float],
             inputs: Sequence[Any] | None) -> _Distance:
    """The element furthest from the reference, against its bound.

    Distances count at the reference's value, or, given `inputs`, at the largest value among these and the reference.
    """
    if len(actual) != len(expected):
        return _Distance(np.inf, 0.0, f"{len(actual)} results, and the reference gives {len(expected)}")
    worst = _Distance(0.0, max((bounds.get(str(tensor.dtype), 0.0) for tensor in expected), default=0.0))
    for number, (ours, theirs) in enumerate(zip(actual, expected, strict=True)):
        dtype = str(theirs.dtype)
        mine, reference = opcases.values(ours), opcases.values(theirs)
        # A place is counted in the device's own index type.
        same_dtype = str(ours.dtype) == dtype or {str(ours.dtype), dtype} in ({"int32", "int64"}, {"uint32", "uint64"})
        if not same_dtype or mine.shape != reference.shape:
            return _Distance(np.inf, worst.bound, f"result {number} is {ours.dtype} {mine.shape}, and the reference "
                                                  f"gives {dtype} {reference.shape}")
        if mine.size == 0 or (mine.dtype == reference.dtype and mine.tobytes() == reference.tobytes()):
            continue  # bit for bit, as most are: no distance to measure
        at = None if inputs is None else _largest_of([*inputs, reference])
        distances = np.broadcast_to(testing.ulp_distance(mine, reference, dtype, at=at), mine.shape)
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(distances)), mine.shape))
        error, bound = float(distances[place]), bounds.get(dtype, 0.0)
        if error > bound or error > worst.error:
            worst = _Distance(error, bound, f"result {number} at {place} is {mine[place].item()}, and the reference "
                                            f"gives {reference[place].item()}")
        if error > bound:
            break
    return worst


def _largest_of(arrays: Sequence[Any]) -> float:
    sizes = [np.abs(np.asarray(values, dtype=np.complex128)) for values in arrays]
    return max((float(values[np.isfinite(values)].max()) for values in sizes if np.isfinite(values).any()), default=0.0)


# ---- the report ----


def report(device: str, results: Sequence[CaseResult], *, seed: int, started: datetime.datetime, seconds: float,
           wheel: Path | None = None, commit: str | None = None) -> dict[str, Any]:
    """The report as docs/formats/conformance-1.schema.json describes it."""
    found = _core.device(device)
    counts = Counter(result.result for result in results)
    return {
        "schema": "flambeau-conformance",
        "schema_version": 1,
        "flambeau": {"version": fl.__version__, "wheel_sha256": _wheel_sha256(wheel), "commit": commit or _commit()},
        "device": {
            "name": found.name,
            "backend": found.backend,
            "backend_version": found.backend_version,
            "hardware": found.hardware,
            "driver": found.driver,
            "dtypes": [str(dtype) for dtype in found.dtypes],
            "index_dtype": str(found.index_dtype),
        },
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "platform": {"python": platform.python_version(), "system": platform.platform(), "machine": platform.machine()},
        "conforms": counts["failed"] == 0 and counts["passed"] > 0,
        "counts": {name: counts[name] for name in RESULTS},
        "cases": [dict(vars(result)) for result in results],
    }


def summary(written: Mapping[str, Any]) -> str:
    """The report for people: the counts, every op with failures and its first one, and what is unsupported."""
    device, counts, cases = written["device"], written["counts"], written["cases"]
    driver = f", {device['driver']}" if device["driver"] else ""
    lines = [
        f"{device['name']}: {device['hardware']}{driver}",
        f"flambeau {written['flambeau']['version']}, seed {written['seed']}, {written['seconds']:.0f} s",
        ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in RESULTS),
    ]
    failed = [case for case in cases if case["result"] == "failed"]
    for op, number in Counter(case["op"] for case in failed).items():
        first = next(case for case in failed if case["op"] == op)
        error = "" if first["error_ulp"] is None else f" ({first['error_ulp']:.3g} ulp, bound {first['bound_ulp']:.3g})"
        lines.append(f"FAILED {op}: {number} cases, first {first['case']} {first['dtype']} {first['mode']}{error}: "
                     f"{first['detail']}")
    unsupported = Counter(case["op"] for case in cases if case["result"] == "unsupported")
    if unsupported:
        lines.append("unsupported: " + ", ".join(f"{op} ({number})" for op, number in unsupported.items()))
    lines.append(f"{device['name']} conforms" if written["conforms"] else f"{device['name']} DOES NOT CONFORM")
    return "\n".join(lines)


def _wheel_sha256(wheel: Path | None) -> str | None:
    """Of the given wheel; else what pip noted when it installed from a file."""
    if wheel is not None:
        return hashlib.sha256(wheel.read_bytes()).hexdigest()
    try:
        noted = metadata.distribution("flambeau").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    archive = json.loads(noted or "{}").get("archive_info", {})
    sha256 = archive.get("hashes", {}).get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=")
    return sha256 if re.fullmatch("[0-9a-f]{64}", sha256) else None


def _commit() -> str | None:
    commit = getattr(fl._version, "__commit__", None)
    return commit if commit and re.fullmatch("[0-9a-f]{40}", commit) else None


def main(arguments: Iterable[str] | None = None) -> int:
    """Run, print the summary and write the report. 0: conforms; 1: it does not; 2: it could not be run."""
    parser = argparse.ArgumentParser(prog="python -m flambeau.conformance",
                                     description="Compare a device with the reference loops, op by op.")
    parser.add_argument("--device", required=True, help="its name, as fl.devices() lists it")
    parser.add_argument("--json", type=Path, help="where to write the report")
    parser.add_argument("--seed", type=int, default=0, help="of the values (default 0)")
    parser.add_argument("--ops", nargs="*", default=[], metavar="OP", help="only these ops")
    parser.add_argument("--wheel", type=Path, help="the wheel that is installed, for its hash in the report")
    parser.add_argument("--commit", help="the git commit that was built, for the report")
    options = parser.parse_args(None if arguments is None else list(arguments))
    problem = _problem(options)
    if problem:
        print(f"conformance: {problem}", file=sys.stderr)
        return 2
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    results = list(run(options.device, seed=options.seed, ops=options.ops))
    written = report(options.device, results, seed=options.seed, started=started, seconds=time.monotonic() - clock,
                     wheel=options.wheel, commit=options.commit)
    print(summary(written))
    if options.json:
        try:
            options.json.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            print(f"conformance: the report cannot be written: {error}", file=sys.stderr)
            return 2
    return 0 if written["conforms"] else 1


def _problem(options: argparse.Namespace) -> str | None:
    """What stands in the way of a run, if anything."""
    try:
        _core.device(options.device)
    except fl.DeviceError as error:
        return str(error)
    unknown = sorted(set(options.ops) - {row.name for row in optable.rows()})
    if unknown:
        return f"there is no op {', '.join(unknown)}; python -m flambeau.optable lists them"
    if options.seed < 0:
        return f"the seed is {options.seed}; it cannot be negative"
    if options.wheel and not options.wheel.is_file():
        return f"there is no wheel {options.wheel}"
    if options.commit and not re.fullmatch("[0-9a-f]{40}", options.commit):
        return f"{options.commit!r} is no git commit, which has 40 hexadecimal digits"
    return None


if __name__ == "__main__":
    raise SystemExit(main())
