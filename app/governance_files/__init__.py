"""governance/ as one checked value: every file read, every problem reported at once with file, key and line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from app.governance_files.charter import clauses
from app.governance_files.document import Document
from app.governance_files.documents import (
    Bodies,
    Body,
    Entitlement,
    Foundation,
    GateEntry,
    Governance,
    Hardware,
    Module,
    Modules,
    RuleEntry,
    Rules,
    SeatEntry,
    Target,
    Tier,
    Tiers,
    TierTerm,
)
from app.governance_files.linter import Files, lint
from app.governance_files.recipe import Recipe
from app.governance_files.yaml_lines import Lines, Problem, key_text, load

__all__ = [
    "Body",
    "Entitlement",
    "GateEntry",
    "Governance",
    "GovernanceError",
    "Module",
    "Problem",
    "Reading",
    "Recipe",
    "RuleEntry",
    "SeatEntry",
    "Target",
    "Tier",
    "TierTerm",
    "read",
]

_Kind = TypeVar("_Kind", bound=Document)
MAX_BYTES = 1_000_000


class GovernanceError(Exception):
    """The files cannot be used; the message lists every problem."""


@dataclass(frozen=True)
class Reading:
    """The files as one value (None if any problem is more than a warning), and all problems."""

    governance: Governance | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be mended."""
        return tuple(problem for problem in self.problems if not problem.is_warning)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What stops nothing."""
        return tuple(problem for problem in self.problems if problem.is_warning)

    def require(self) -> Governance:
        """The value. Raises: GovernanceError with every problem, one a line."""
        if self.governance is None:
            listed = "\n".join(f"  {problem}" for problem in self.errors)
            raise GovernanceError(f"governance/ has {len(self.errors)} problems, nothing was changed:\n{listed}")
        return self.governance


def read(directory: Path, *, today: date) -> Reading:
    """Read and check the folder as a whole; `today` decides which maintainers count as present."""
    problems: list[Problem] = []
    lines: dict[str, Lines] = {}

    def document(kind: type[_Kind], file: str) -> _Kind | None:
        text = _text(directory, file, problems)
        if text is None:
            return None
        values, lines[file], found = load(file, text)
        problems.extend(found)
        if values is None:
            return None
        try:
            return kind.model_validate(values)
        except ValidationError as error:
            problems.extend(_problem(file, lines[file], detail) for detail in error.errors())
            return None

    foundation = document(Foundation, "foundation.yaml")
    tiers = document(Tiers, "tiers.yaml")
    bodies = document(Bodies, "bodies.yaml")
    rules = document(Rules, "rules.yaml")
    modules = document(Modules, "modules.yaml")
    hardware = document(Hardware, "hardware.yaml")
    recipe = document(Recipe, "builds.yaml")
    charter = _text(directory, foundation.charter, problems) if foundation else None
    problems += lint(Files(foundation, tiers, bodies, rules, modules, hardware, charter, lines, today))
    governance = None
    if (
        foundation and tiers and bodies and rules and modules and hardware and recipe and charter is not None
        and all(problem.is_warning for problem in problems)
    ):  # fmt: skip
        governance = Governance(
            foundation=foundation,
            tiers=tiers.tiers,
            bodies=bodies.bodies,
            rules=rules.rules,
            gates=rules.gates,
            single_maintainer_entry=rules.single_maintainer,
            unsettled_author_entry=rules.unsettled_author,
            modules=modules.modules,
            targets=hardware.targets,
            recipe=recipe,
            clauses=clauses(charter),
        )
    return Reading(governance, tuple(problems))


def _text(directory: Path, file: str, problems: list[Problem]) -> str | None:
    path = directory / file
    if path.resolve().parent != directory.resolve():
        problems.append(Problem("foundation.yaml", "charter", 0, f"{file!r} is not a file of governance/ itself"))
        return None
    try:
        if path.stat().st_size > MAX_BYTES:
            problems.append(Problem(file, "", 0, f"the file is larger than {MAX_BYTES} bytes"))
            return None
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        problems.append(Problem(file, "", 0, f"the file is missing in {directory}"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(file, "", 0, f"the file cannot be read: {error}"))
    return None


def _problem(file: str, lines: Lines, detail: object) -> Problem:
    values = detail if isinstance(detail, dict) else {}
    path = tuple(part for part in values.get("loc", ()) if not str(part).startswith("function-"))
    text = str(values.get("msg", "")).removeprefix("Value error, ")
    if values.get("type") == "extra_forbidden":
        text = "no such key is known here; look for a misspelling"
    elif values.get("type") == "missing":
        text = "this key is missing"
    elif "input" in values and not isinstance(values["input"], dict | list):
        text = f"{text[:1].lower() + text[1:]} (it says {values['input']!r})"
    return Problem(file, key_text(path), lines.of(path), text)
