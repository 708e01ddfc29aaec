"""The charter linter: what is wrong between the files, although each is well formed by itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from app.governance_files.charter import clauses, stated, twice
from app.governance_files.documents import (
    Bodies,
    Foundation,
    Hardware,
    Modules,
    RuleEntry,
    Rules,
    Tier,
    Tiers,
)
from app.governance_files.yaml_lines import Lines, Path, Problem, key_text
from app.rulebook import Base, Threshold
from app.rulebook.paths import Glob


@dataclass(frozen=True)
class Files:
    """What could be read; a file that could not is None and its checks wait."""

    foundation: Foundation | None
    tiers: Tiers | None
    bodies: Bodies | None
    rules: Rules | None
    modules: Modules | None
    hardware: Hardware | None
    charter: str | None
    lines: dict[str, Lines]
    today: date

    def problem(self, file: str, path: Path, text: str, *, is_warning: bool = False) -> Problem:
        """A problem at a key of a file, with its line."""
        return Problem(file, key_text(path), self.lines.get(file, Lines()).of(path), text, is_warning)


Check = Callable[[Files], Iterator[Problem]]


def lint(files: Files) -> list[Problem]:
    """Every problem between the files, in the order of the files."""
    problems = [problem for check in _CHECKS for problem in check(files)]
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.key))


def _duplicated_keys(files: Files) -> Iterator[Problem]:
    listed: list[tuple[str, str, Iterable[str]]] = []
    if files.foundation:
        listed.append(("foundation.yaml", "projects", (project.key for project in files.foundation.projects)))
    if files.tiers:
        listed.append(("tiers.yaml", "tiers", (tier.key for tier in files.tiers.tiers)))
    if files.bodies:
        listed.append(("bodies.yaml", "bodies", (body.key for body in files.bodies.bodies)))
    if files.rules:
        listed.append(("rules.yaml", "rules", (rule.key for rule in files.rules.rules)))
        listed.append(("rules.yaml", "gates", (gate.key for gate in files.rules.gates)))
    if files.modules:
        listed.append(("modules.yaml", "modules", (module.key for module in files.modules.modules)))
    if files.hardware:
        listed.append(("hardware.yaml", "targets", (target.key for target in files.hardware.targets)))
    for file, name, keys in listed:
        yield from _twice(files, file, (name,), keys)
    for number, body in enumerate(files.bodies.bodies if files.bodies else ()):
        yield from _twice(files, "bodies.yaml", ("bodies", number, "seats"), (seat.key for seat in body.seats))


def _twice(files: Files, file: str, path: Path, keys: Iterable[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, key in enumerate(keys):
        if key in first:
            text = f"{key!r} is there twice; the first is {key_text((*path, first[key]))}"
            yield files.problem(file, (*path, number, "key"), text)
        first.setdefault(key, number)


def _tier_dates(files: Files) -> Iterator[Problem]:
    for number, tier in enumerate(files.tiers.tiers if files.tiers else ()):
        for index, (one, other) in enumerate(_neighbours(tier)):
            at = ("tiers", number, "terms", index + 1, "from")
            if one.ends_on is None or other.starts_on <= one.ends_on:
                end = "never ends" if one.ends_on is None else f"holds until {one.ends_on}"
                text = f"{other.name!r} starts on {other.starts_on} while {one.name!r} still holds ({end})"
                yield files.problem("tiers.yaml", at, text)
            elif other.starts_on > one.ends_on + timedelta(days=1):
                text = f"nothing holds between {one.ends_on} and {other.starts_on}; a tier has no gap"
                yield files.problem("tiers.yaml", at, text)


def _neighbours(tier: Tier) -> Iterator[tuple]:  # type: ignore[type-arg]  # pairs of TierTerm
    return zip(tier.terms, tier.terms[1:], strict=False)


def _bodies_point_somewhere(files: Files) -> Iterator[Problem]:
    if not files.bodies:
        return
    keys = {body.key for body in files.bodies.bodies}
    rules = {rule.key: rule for rule in files.rules.rules} if files.rules else None
    for number, body in enumerate(files.bodies.bodies):
        at: Path = ("bodies", number)
        for name in ("quorum", "motion"):
            key = getattr(body.rules, name)
            if key and rules is not None and key not in rules:
                yield files.problem("bodies.yaml", (*at, "rules", name), f"rules.yaml has no rule {key!r}")
            elif key and rules is not None and rules[key].body != body.key:
                text = f"rule {key!r} is of {rules[key].body}, not of {body.key}"
                yield files.problem("bodies.yaml", (*at, "rules", name), text)
        votes = sum(seat.votes for seat in body.seats)
        if (body.rules.quorum or body.rules.motion) and not votes:
            yield files.problem("bodies.yaml", (*at, "seats"), f"{body.key} votes under a rule, but no seat has a vote")
        for index, seat in enumerate(body.seats):
            place: Path = (*at, "seats", index, "appointed_by")
            kind, _, name = seat.appointed_by.partition(":")
            if kind == "tier":
                yield from _tier_seat(files, place, name, body.nature)
            elif kind == "body" and name not in keys:
                yield files.problem("bodies.yaml", place, f"there is no body {name!r}")
            elif kind == "project" and files.foundation and name not in {p.key for p in files.foundation.projects}:
                yield files.problem("bodies.yaml", place, f"foundation.yaml has no project {name!r}")


def _tier_seat(files: Files, place: Path, name: str, nature: str) -> Iterator[Problem]:
    if nature != "business":
        text = (
            f"a member of tier {name!r} would appoint to a {nature} body; no tier gives a technical right (charter 1.2)"
        )
        yield files.problem("bodies.yaml", place, text)
    if files.tiers is None:
        return
    tier = next((tier for tier in files.tiers.tiers if tier.key == name), None)
    if tier is None:
        yield files.problem("bodies.yaml", place, f"tiers.yaml has no tier {name!r}")
    elif not any(term.seats for term in tier.terms):
        yield files.problem("bodies.yaml", place, f"tier {name!r} gives no seat in any of its terms")


def _rules_point_somewhere(files: Files) -> Iterator[Problem]:
    if not files.rules:
        return
    known = clauses(files.charter) if files.charter is not None else None
    bodies = {body.key: body for body in files.bodies.bodies} if files.bodies else None
    modules = {f"module:{module.key}" for module in files.modules.modules} if files.modules else None
    for number, rule in enumerate(files.rules.rules):
        at: Path = ("rules", number)
        if rule.body.startswith("module:"):
            if modules is not None and rule.body != "module:*" and rule.body not in modules:
                yield files.problem("rules.yaml", (*at, "body"), f"modules.yaml has no module for {rule.body!r}")
        elif bodies is not None and rule.body not in bodies:
            yield files.problem("rules.yaml", (*at, "body"), f"bodies.yaml has no body {rule.body!r}")
        for name in ("clause", "electronic_clause", "quorum_clause"):
            yield from _clause_exists(files, "rules.yaml", (*at, name), getattr(rule, name), known)
    for number, gate in enumerate(files.rules.gates):
        yield from _clause_exists(files, "rules.yaml", ("gates", number, "clause"), gate.clause, known)
    single = files.rules.single_maintainer
    yield from _clause_exists(files, "rules.yaml", ("single_maintainer", "clause"), single.clause, known)
    unsettled = files.rules.unsettled_author
    yield from _clause_exists(files, "rules.yaml", ("unsettled_author", "clause"), unsettled.clause, known)
    if bodies is not None:
        body = bodies.get(single.stand_in.body)
        if body is None or single.stand_in.seat not in {seat.key for seat in body.seats}:
            text = f"bodies.yaml has no seat {single.stand_in.seat!r} on a body {single.stand_in.body!r}"
            yield files.problem("rules.yaml", ("single_maintainer", "stand_in"), text)
        for number, body in enumerate(files.bodies.bodies if files.bodies else ()):
            yield from _clause_exists(files, "bodies.yaml", ("bodies", number, "clause"), body.clause, known)


def _clause_exists(
    files: Files, file: str, path: Path, clause: str | None, known: dict[str, str] | None
) -> Iterator[Problem]:
    if clause is not None and known is not None and clause not in known:
        yield files.problem(file, path, f"the charter has no clause {clause}")


def _rules_say_what_the_charter_says(files: Files) -> Iterator[Problem]:
    if not files.rules or files.charter is None:
        return
    known = clauses(files.charter)
    for number, rule in enumerate(files.rules.rules):
        for field, clause in (
            ("meeting", rule.clause),
            ("electronic", rule.electronic_clause or rule.clause),
            ("quorum", rule.quorum_clause or rule.clause),
        ):
            text = getattr(rule, field)
            if text is None or clause not in known:
                continue
            said = stated(known[clause])
            threshold = Threshold.parse(text)
            if not said:
                note = f"clause {clause} states no share, but the rule says {text!r}; write it into the charter"
                yield files.problem("rules.yaml", ("rules", number, field), note)
            elif not any(one.agrees_with(threshold) for one in said):
                words = " and ".join(repr(one.words) for one in said)
                note = f"the charter's clause {clause} says {words}, but the rule says {text!r}"
                yield files.problem("rules.yaml", ("rules", number, field), note)


def _rules_do_not_contradict(files: Files) -> Iterator[Problem]:
    for (_, one), (second, other) in combinations(enumerate(files.rules.rules if files.rules else ()), 2):
        at: Path = ("rules", second)
        if one.body != other.body:
            continue
        if one.quorum and other.quorum and Threshold.parse(one.quorum) != Threshold.parse(other.quorum):
            text = (
                f"{other.key!r} has the quorum {other.quorum!r} where {one.key!r} of the same body has {one.quorum!r}"
            )
            yield files.problem("rules.yaml", (*at, "quorum"), text)
        if one.matter == other.matter:
            text = f"{one.key!r} already decides {other.matter!r} of {other.body}; two rules for one matter contradict"
            yield files.problem("rules.yaml", (*at, "matter"), text)


def _rules_can_pass(files: Files) -> Iterator[Problem]:
    """An electronic vote has no 'present': silence would lower the base until one vote carried everything."""
    for number, rule in enumerate(files.rules.rules if files.rules else ()):
        if rule.electronic and Threshold.parse(rule.electronic).base is Base.PRESENT:
            text = "an electronic vote has nobody present; take a share of all, entire or cast"
            yield files.problem("rules.yaml", ("rules", number, "electronic"), text)
        if _needs_no_quorum(rule):
            text = "a share of votes cast without a quorum: one vote could decide it; give it a quorum"
            yield files.problem("rules.yaml", ("rules", number, "meeting"), text, is_warning=True)


def _needs_no_quorum(rule: RuleEntry) -> bool:
    shares = [Threshold.parse(text) for text in (rule.meeting, rule.electronic) if text]
    by_cast = any(share.base is Base.CAST for share in shares)
    return by_cast and rule.quorum is None and not rule.body.startswith("module:")


def _module_paths(files: Files) -> Iterator[Problem]:
    if not files.modules:
        return
    listed = [
        (number, index, module.key, Glob(path))
        for number, module in enumerate(files.modules.modules)
        for index, path in enumerate(module.paths)
    ]
    for (_, _, one, left), (number, index, other, right) in combinations(listed, 2):
        if one != other and left.specificity == right.specificity and left.meets(right):
            text = f"{right.text!r} of {other} and {left.text!r} of {one} claim the same paths and neither says more"
            yield files.problem("modules.yaml", ("modules", number, "paths", index), text)


def _module_maintainers(files: Files) -> Iterator[Problem]:
    minimum = files.rules.single_maintainer.fewer_than if files.rules else 2
    for number, module in enumerate(files.modules.modules if files.modules else ()):
        at: Path = ("modules", number, "maintainers")
        emails = [person.email.casefold() for person in module.maintainers]
        for index, person in enumerate(module.maintainers):
            if person.until is not None and person.until < person.since:
                yield files.problem("modules.yaml", (*at, index, "until"), f"{person.until} is before {person.since}")
            if person.email.casefold() in emails[:index]:
                yield files.problem("modules.yaml", (*at, index), f"{person.email} is listed twice")
        held = [p for p in module.maintainers if p.since <= files.today and (p.until is None or files.today <= p.until)]
        if len(held) < minimum:
            count = "no maintainer" if not held else f"{len(held)} maintainer"
            text = f"{module.key} has {count}: the rule single-maintainer applies"
            yield files.problem("modules.yaml", at, text, is_warning=True)


def _targets(files: Files) -> Iterator[Problem]:
    targets = files.hardware.targets if files.hardware else ()
    own = {target.key for target in targets if target.tests_wheel_of is None}
    for number, target in enumerate(targets):
        if target.tests_wheel_of is not None and target.tests_wheel_of not in own:
            text = f"no target {target.tests_wheel_of!r} builds a wheel of its own"
            yield files.problem("hardware.yaml", ("targets", number, "tests_wheel_of"), text)
    if files.hardware and not any(target.gate == "required" for target in targets):
        text = "no target is required, so a release would be tested on nothing"
        yield files.problem("hardware.yaml", ("targets",), text)


def _charter(files: Files) -> Iterator[Problem]:
    if files.foundation is None or files.charter is None:
        return
    for number, line in twice(files.charter):
        yield Problem(files.foundation.charter, number, line, "a clause with this number is there already")


def _window_is_that_of_the_clause(files: Files) -> Iterator[Problem]:
    stated_days = re.search(r"\b(\d+) days\b", clauses(files.charter or "").get("3.3", ""))
    if files.foundation and stated_days and int(stated_days[1]) != files.foundation.statement_window_days:
        text = f"it is {files.foundation.statement_window_days}, but clause 3.3 says {stated_days[0]}"
        yield files.problem("foundation.yaml", ("statement_window_days",), text)


_CHECKS: tuple[Check, ...] = (
    _duplicated_keys,
    _tier_dates,
    _bodies_point_somewhere,
    _rules_point_somewhere,
    _rules_say_what_the_charter_says,
    _rules_do_not_contradict,
    _rules_can_pass,
    _module_paths,
    _module_maintainers,
    _targets,
    _charter,
    _window_is_that_of_the_clause,
)
