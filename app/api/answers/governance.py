"""The charter and the rules taken from it, each to be tried with numbers, and the proof that no tier buys a right."""

from __future__ import annotations

from typing import Annotated

from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers.foundation import FoundationAsked, Rule
from app.api.fields import Answer, Asked, Key, Votes
from app.api.operations import example, operation
from app.api.problems import WrongParameters
from app.bodies import powers
from app.governance.queries import clauses_of, current, is_governed, rule_entry, rules_by_clause, version_in_force
from app.rulebook import Count, Mode, RulebookError, evaluate


class Clause(Answer):
    """A clause of the charter, with the keys of the rules that are taken from it."""

    number: str
    text: str
    rules: list[str]


class Charter(Answer):
    """The charter as synced."""

    governance_sha256: str
    clauses: list[Clause]


class Outcome(Answer):
    """How a vote comes out under the rule, step by step."""

    passes: bool
    needed: Annotated[int | None, Field(description="Votes; null where the rule knows no such vote.")]
    quorum_needed: Annotated[int | None, Field(description="Seats; null for a rule without quorum.")]
    quorum_met: bool
    derivation: list[str]


class RuleRecord(Rule):
    """A rule with the clauses that it is taken from, and how the vote comes out that was asked about."""

    clauses: list[Clause]
    outcome: Annotated[Outcome | None, Field(description="Null where no vote was asked about.")]


class GrantOfSeat(Answer):
    """What a seat lets its holder do beyond what everybody may."""

    body: str
    seat: str
    name: str
    appointed_by: str
    business: list[str]
    technical: list[str]


class TwoPowers(Answer):
    """Every seat tried against every permission, with those that would break the charter's clause 1.2."""

    holds: Annotated[bool, Field(description="No tier of membership maps to a technical permission.")]
    permissions: Annotated[dict[str, str], Field(description="Each with its nature, business or technical.")]
    everybody: Annotated[list[str], Field(description="What every signed-in person may.")]
    technical_seats_by_tier: Annotated[int, Field(description="As the query counts them among the rows.")]
    violations: list[GrantOfSeat]
    grants: list[GrantOfSeat]
    query: str
    appointments: Annotated[dict[str, int], Field(description="Now and ever, by the nature of their body.")]


class RuleAsked(Asked):
    """Which rule; with numbers, of which vote. What is left out follows from the rest."""

    rule: Key
    mode: Mode = Mode.MEETING
    yes: Votes | None = None
    no: Votes | None = None
    abstain: Votes | None = None
    present: Annotated[Votes | None, Field(description="Seats present.")] = None
    all: Annotated[Votes | None, Field(description="Seats held.")] = None
    entire: Annotated[Votes | None, Field(description="Seats in all, vacant too.")] = None


@operation("/governance/charter", subject="Governance")
def charter(session: Session, asked: FoundationAsked) -> Charter:
    """The charter's clauses, each with the rules that come from it."""
    governance = current(session)
    rules = rules_by_clause(governance)
    return Charter(
        governance_sha256=version_in_force(session).sha256,
        clauses=[Clause(number=number, text=text, rules=rules.get(number, []))
                 for number, text in governance.clauses.items()],
    )  # fmt: skip


@operation("/governance/rules/{rule}", subject="Governance")
def rule(session: Session, asked: RuleAsked) -> RuleRecord:
    """A rule with its clauses, and how a vote comes out under it.

    With numbers (`?yes=7&no=5&all=21`), `outcome` says whether it passes and why.
    """
    governance = current(session)
    entry = rule_entry(governance, asked.rule) or abort(404, f"There is no rule {asked.rule}.")
    rules = rules_by_clause(governance)
    numbers = asked.model_dump(exclude={"rule", "mode"}, exclude_none=True)
    try:
        verdict = evaluate(governance.rule(entry.key), Count(**numbers), mode=asked.mode) if numbers else None
    except RulebookError as error:
        raise WrongParameters([("present", str(error))]) from None
    return RuleRecord(
        **dict(Rule.of(entry)), outcome=Outcome.model_validate(verdict) if verdict else None,
        clauses=[Clause(number=number, text=text, rules=rules.get(number, []))
                 for number, text in clauses_of(governance, entry)],
    )  # fmt: skip


@operation("/governance/two-powers", subject="Governance")
def two_powers(session: Session, asked: FoundationAsked) -> TwoPowers:
    """That no tier of membership gives a technical right, by every seat tried against every permission."""
    proof = powers.prove(session)
    return TwoPowers(
        holds=proof.holds, permissions=dict(proof.permissions), everybody=list(proof.everybody),
        technical_seats_by_tier=proof.technical_seats_by_tier,
        violations=[GrantOfSeat.model_validate(one) for one in proof.violations],
        grants=[GrantOfSeat.model_validate(one) for one in proof.grants],
        query=powers.query_text(session), appointments=dict(powers.appointments_by_nature(session)),
    )  # fmt: skip


@example("rule")
def _a_rule(session: Session) -> str | None:
    return next((one.key for one in current(session).rules), None) if is_governed(session) else None
