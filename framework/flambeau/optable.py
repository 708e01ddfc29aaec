"""The op table as Python data; `python -m flambeau.optable --markdown` writes docs/ops.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from flambeau import _core

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
COMPLEX = ("complex64", "complex128")
DTYPES = ("bool", *INTEGERS, *FLOATS, *COMPLEX)

Value = bool | int | float | str | tuple[int, ...] | None


@dataclass(frozen=True)
class Attribute:
    """One argument of an op that is not a tensor."""

    name: str
    kind: Literal["bool", "int", "float", "ints", "dtype", "text"]
    keyword: str
    required: bool
    default: Value


@dataclass(frozen=True)
class SampleInput:
    """One input of a sample: values are drawn in [low, high) (an index as int64, a truth value as bool, int8 as that;
    definite: symmetric matrices with the number of their rows added to the diagonal)."""

    shape: tuple[int, ...]
    low: float
    high: float
    kind: Literal["value", "index", "bool", "definite", "int8"]


@dataclass(frozen=True)
class Sample:
    """Inputs and attributes that an op is tried with; an attribute that is None was not given."""

    inputs: tuple[SampleInput, ...]
    attrs: tuple[Value, ...]


@dataclass(frozen=True)
class Row:
    """What the table knows about an op. `max_inputs` and `output_count` are None for any number."""

    name: str
    summary: str
    version: int
    input_names: tuple[str, ...]
    min_inputs: int
    max_inputs: int | None
    output_count: int | None
    attrs: tuple[Attribute, ...]
    pointwise: bool
    promote_from: int
    promotes: bool
    dtypes: tuple[str, ...]
    composite: bool
    view: bool
    in_place: bool
    public: bool
    has_vjp: bool
    has_decomposition: bool
    has_batching: bool
    differentiable: bool
    differentiable_inputs: int
    saves_inputs: int
    saves_outputs: int
    autocast: Literal["keep", "lower", "float32"]
    ulp: dict[str, float]
    ulp_at: Literal["result", "largest"]
    ulp_note: str
    samples: tuple[Sample, ...]

    @property
    def signature(self) -> str:
        """How the op is called, for example `sum(x; axes, keepdims=False, dtype=None)`."""
        names = list(self.input_names[: self.min_inputs])
        names += [f"{name}?" for name in self.input_names[self.min_inputs :]]
        if self.max_inputs is None:
            names = [f"{self.input_names[0]}..."]
        attrs = [a.name if a.required else f"{a.name}={a.default}" for a in self.attrs]
        return f"{self.name}({', '.join(names)}{'; ' if attrs else ''}{', '.join(attrs)})"


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in the order of names."""
    return tuple(_row(plain) for plain in _core.op_table())


def row(name: str) -> Row:
    """The row of this name.

    >>> row("exp").ulp["float64"]
    2.0
    """
    for candidate in rows():
        if candidate.name == name:
            return candidate
    raise NotImplementedError(f"there is no op '{name}': python -m flambeau.optable lists them")


def _row(plain: dict[str, Any]) -> Row:
    fields = dict(plain)
    fields["input_names"] = tuple(plain["input_names"])
    fields["dtypes"] = tuple(plain["dtypes"])
    fields["attrs"] = tuple(Attribute(**attr) for attr in plain["attrs"])
    fields["samples"] = tuple(
        Sample(tuple(SampleInput(**given) for given in sample["inputs"]), tuple(sample["attrs"]))
        for sample in plain["samples"]
    )
    return Row(**fields)


def markdown() -> str:
    """The page docs/ops.md."""
    lines = [
        "# The op table",
        "",
        "Written by `python -m flambeau.optable --markdown > docs/ops.md`; a test compares. A call reads",
        "`name(tensors; attributes)`, and attributes stand in this order in the C header and in graphs.",
        "",
        "- *kind*: a **primitive** needs a kernel; a **composite** has a decomposition, which runs where a device",
        "  does not claim it; a **view** is another window on the same memory and never reaches a device; **in place**",
        "  writes into its inputs.",
        "- *gradient*: **rule** is a derivative of its own, **parts** goes through the decomposition.",
        "- *ulp*: largest distance from the exact value for float16 and bfloat16 / float32 / float64, in units in the",
        "  last place of the result, or (with *) of the largest value among inputs and result. Integers are exact.",
        "  After a comma those of complex64 / complex128, counted at the magnitude.",
        "- *autocast*: in [fl.autocast](precision.md) an op is **lower**ed to the half precision, gets **float32**, or",
        "  keeps the dtypes that it is given (empty).",
        "",
    ]
    for title, chosen in (
        ("In `flambeau` itself", [r for r in rows() if r.public]),
        ("Reached through methods, `flambeau.nn` and derivatives", [r for r in rows() if not r.public]),
    ):
        lines += [f"## {title}", ""]
        lines += ["| op | what it gives | kind | gradient | autocast | ulp | why |", "|---|---|---|---|---|---|---|"]
        lines += [_markdown_line(r) for r in chosen]
        lines.append("")
    return "\n".join(lines)


def _markdown_line(row: Row) -> str:
    kind = "view" if row.view else "in place" if row.in_place else "composite" if row.composite else "primitive"
    gradient = "none"
    if row.differentiable:
        gradient = "rule" if row.has_vjp else "parts"
    star = "*" if row.ulp_at == "largest" else ""
    ulp = " / ".join(f"{row.ulp[dtype]:g}" for dtype in ("float16", "float32", "float64")) + star
    if any(row.ulp[dtype] for dtype in COMPLEX):
        ulp += ", " + " / ".join(f"{row.ulp[dtype]:g}" for dtype in COMPLEX)
    summary, note = (text.replace("|", "\\|") for text in (row.summary, row.ulp_note))  # else they end the cell
    autocast = "" if row.autocast == "keep" else row.autocast
    return f"| `{row.signature}` | {summary} | {kind} | {gradient} | {autocast} | {ulp} | {note} |"


def main(arguments: Iterable[str] | None = None) -> int:
    """Print the table: names and signatures, or the documentation page."""
    parser = argparse.ArgumentParser(prog="python -m flambeau.optable", description="The ops of flambeau.")
    parser.add_argument("--markdown", action="store_true", help="the page docs/ops.md")
    parser.add_argument("--stubs", action="store_true", help="write the type stubs functions.pyi and __init__.pyi")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.stubs:
        from flambeau import stubs  # which asks this module for the rows

        sys.stdout.write("".join(f"{path}\n" for path in stubs.write()))
        return 0
    sys.stdout.write(markdown() if options.markdown else "".join(f"{r.signature}\n" for r in rows()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
