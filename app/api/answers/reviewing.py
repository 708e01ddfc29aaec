"""The review queue, and of one change its gates, whose approvals would open them, and its difference."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers.changes import ChangeAsked, ChangeLine, change_of, lines_of
from app.api.fields import Answer, Asked, PersonName
from app.api.operations import operation
from app.auth import ANONYMOUS
from app.pages import veiled
from app.reviews import difference, queries
from app.reviews.rules import Whose
from app.rulebook import GateVerdict, State
from app.settings import current_settings


class QueueLine(Answer):
    """An open change: whose turn it is and why, and the modules that it touches."""

    change: ChangeLine
    whose_turn: Whose
    because: str
    modules: list[str]


class Queue(Answer):
    """What waits for somebody, what moved last first (at most 100 of those that are open), and what was closed last."""

    open: Annotated[int, Field(description="How many changes are open.")]
    waiting: list[QueueLine]
    lately_closed: list[ChangeLine]


class AtomSeen(Answer):
    """One thing that a gate looks at."""

    key: str
    state: State
    sentence: str


class ReviewGate(Answer):
    """A gate: it lets through when nothing in it fails."""

    state: State
    reasons: list[str]
    atoms: list[AtomSeen]

    @classmethod
    def of(cls, verdict: GateVerdict) -> ReviewGate:
        """A verdict in words that name nobody who is hidden."""
        atoms = [AtomSeen(key=one.key, state=one.state, sentence=veiled(one.sentence)) for one in verdict.atoms]
        return cls(state=verdict.state, reasons=[veiled(text) for text in verdict.reasons], atoms=atoms)


class Approver(Answer):
    """Somebody whose approval would open a gate (null asked to be hidden), and of which modules."""

    person: PersonName | None
    modules: list[str]


class ReviewStanding(Answer):
    """Where a change stands now."""

    change: str
    head_sha: str
    whose_turn: Whose
    because: str
    modules: Annotated[list[str], Field(description="That it touches.")]
    sign_off: ReviewGate
    approval: ReviewGate
    nearest_approvers: Annotated[list[Approver], Field(description="The fewest approvals that would do.")]


class DifferenceLine(Answer):
    """A line, with its number on each side; null on the side that lacks it."""

    text: Annotated[str, Field(description="It begins with `+`, `-` or a space.")]
    old_number: int | None
    new_number: int | None


class DifferenceHunk(Answer):
    """A run of changed lines with its surroundings."""

    title: str
    lines: list[DifferenceLine]


class FileDifference(Answer):
    """A changed file; `note` says why lines of it are not there, where they are not."""

    path: str
    old_path: str
    status: str
    added: int
    deleted: int
    module: str | None
    note: str
    hunks: list[DifferenceHunk]


class ChangeDifference(Answer):
    """The difference from base to head."""

    change: str
    base_sha: str
    head_sha: str
    updated_at: datetime
    problem: Annotated[str, Field(description="Why it cannot be had now; empty where it is here.")]
    files: list[FileDifference]


class QueueAsked(Asked):
    """Nothing: there is one queue."""


@operation("/review-queue", subject="Changes")
def review_queue(session: Session, asked: QueueAsked) -> Queue:
    """What waits for review, each with whose turn it is and why.

    What is somebody's own turn stands on their page alone: an answer here is the same for everybody.
    """
    _mine, waiting = queries.queue(session, ANONYMOUS)
    closed = queries.lately_closed(session)
    lines = lines_of(session, [one.change for one in (*waiting, *closed)])
    turns = [(line, one.turn, one.modules) for line, one in zip(lines, waiting, strict=False)]
    return Queue(
        open=queries.open_count(session), lately_closed=lines[len(waiting) :],
        waiting=[QueueLine(change=line, whose_turn=turn.whose, because=veiled(turn.because), modules=list(touched))
                 for line, turn, touched in turns if turn is not None],
    )  # fmt: skip


@operation("/changes/{change}/standing", subject="Changes")
def change_standing(session: Session, asked: ChangeAsked) -> ReviewStanding:
    """Where a change stands: whose turn it is, both gates, and what would make it mergeable."""
    found = change_of(session, asked.change)
    standing = queries.standing_of(session, found)
    return ReviewStanding(
        change=found.public_id, head_sha=found.head_sha, whose_turn=standing.turn.whose,
        because=veiled(standing.turn.because), modules=list(standing.signers),
        sign_off=ReviewGate.of(standing.sign_off), approval=ReviewGate.of(standing.approval),
        nearest_approvers=[Approver(person=PersonName.of(person), modules=list(keys))
                           for person, keys in queries.nearest_of(session, standing)],
    )  # fmt: skip


@operation("/changes/{change}/difference", subject="Changes")
def change_difference(session: Session, asked: ChangeAsked) -> ChangeDifference:
    """The difference of a change, as far as its page shows it: of a file at most 1,500 lines."""
    found = change_of(session, asked.change)
    diff, problem = queries.difference_of(session, current_settings(), queries.repository_of(session, found), found)
    files = difference.show(diff, modules=queries.modules_of_paths(session, diff.paths), words=())
    return ChangeDifference(
        change=found.public_id, base_sha=found.base_sha, head_sha=found.head_sha, updated_at=found.updated_at,
        problem=problem, files=[FileDifference.model_validate(one) for one in files],
    )  # fmt: skip
