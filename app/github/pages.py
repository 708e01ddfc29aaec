"""Pages of GraphQL as facts: each thing with the whole of its timeline, of which the rest is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.contributions.facts import Event, IssueTold, PullRequest
from app.github.client import Client, TooMuchError
from app.github.mapping import Reading
from app.github.questions import TOGETHER, by_number, rest_of_timelines
from app.github.shapes import Count, NonsenseError, Shape, either

MOST_PAGES = 1000


class Cursor(Shape):
    """Where a page ends."""

    is_followed: bool = either("hasNextPage")
    end: str | None = either("endCursor")


class Connection(Shape):
    """A page of anything."""

    cursor: Cursor = either("pageInfo")
    nodes: list[dict[str, Any] | None] = either("nodes")


class Listing(Connection):
    """A page of things, and how many there are in all."""

    total: Count = either("totalCount")


class Told(Shape):
    """What a pull request and an issue have in common here."""

    node: str = either("id")
    kind: str = either("__typename")
    timeline: Connection = either("timelineItems")


@dataclass(frozen=True)
class Thing:
    """A pull request or an issue as a fact, with what happened to it."""

    told: PullRequest | IssueTold
    events: tuple[Event, ...]

    @property
    def updated_at(self) -> datetime:
        """When it last changed."""
        return self.told.updated_at


@dataclass(frozen=True)
class Page:
    """Things in their order, where they end (None: with the last of all), and how many there are in all."""

    things: tuple[Thing, ...]
    cursor: str | None
    total: int


def page(client: Client, question: str, reading: Reading, *, first: int, after: str) -> Page:
    """A page of pull requests or issues, newest change first, with whole timelines. Raises: as Client.ask."""
    data = client.ask(question, {"first": first, "after": after or None})
    listing = Listing.read((data.get("repository") or {}).get("page"), what="page")
    end = listing.cursor.end if listing.cursor.is_followed else None
    if listing.cursor.is_followed and not end:
        raise NonsenseError("GitHub's page cannot be read (more follows, but not where)")
    if end is not None and end == after:
        raise NonsenseError("GitHub's page cannot be read (it is followed by itself)")
    return Page(tuple(_things(client, reading, [one for one in listing.nodes if one])), end, listing.total)


def numbered(client: Client, reading: Reading, numbers: Sequence[int]) -> list[Thing]:
    """Pull requests and issues by number; those that are gone or are elsewhere now are left out. Raises: as ask."""
    found: list[Thing] = []
    for start in range(0, len(numbers), TOGETHER):
        found += _together(client, reading, numbers[start : start + TOGETHER])
    return found


def _together(client: Client, reading: Reading, numbers: Sequence[int]) -> list[Thing]:
    """These in one request, or in halves where that is too much at once."""
    try:
        data = client.ask(by_number(numbers), {})
    except TooMuchError:
        if len(numbers) == 1:
            raise
        half = len(numbers) // 2
        return [*_together(client, reading, numbers[:half]), *_together(client, reading, numbers[half:])]
    answers = data.get("repository")
    if not isinstance(answers, dict):
        raise NonsenseError("GitHub's answer about single numbers cannot be read (there is no repository in it)")
    found = _things(client, reading, [one for one in answers.values() if isinstance(one, dict)])
    # A number that was transferred may lead to where it went.
    return [one for one in found if one.told.number in numbers]


def _things(client: Client, reading: Reading, nodes: Sequence[dict[str, Any]]) -> list[Thing]:
    told = [Told.read(node, what="page") for node in nodes]
    items = [[one for one in thing.timeline.nodes if one] for thing in told]
    for pulls in (True, False):
        open_ends = {
            number: thing.timeline.cursor.end or ""
            for number, thing in enumerate(told)
            if thing.timeline.cursor.is_followed and (thing.kind == "PullRequest") is pulls
        }
        _follow(client, told, items, open_ends, pulls=pulls)
    return [_thing(reading, one, node, happened)
            for one, node, happened in zip(told, nodes, items, strict=True)]  # fmt: skip


def _follow(
    client: Client, told: Sequence[Told], items: Sequence[list[dict[str, Any]]], open_ends: dict[int, str], *,
    pulls: bool,
) -> None:  # fmt: skip
    """Ask for the rest of timelines until all are whole, many in one request."""
    for _ in range(MOST_PAGES):
        if not open_ends:
            return
        asked = sorted(open_ends)[:TOGETHER]
        text, variables = rest_of_timelines([(told[n].node, open_ends[n]) for n in asked], pulls=pulls)
        data = client.ask(text, variables)
        for place, number in enumerate(asked):
            del open_ends[number]
            answer = data.get(f"n{place}")
            if not isinstance(answer, dict):
                continue  # deleted in between
            more = Connection.read(answer.get("timelineItems"), what="timeline")
            items[number].extend(one for one in more.nodes if one)
            if more.cursor.is_followed:
                open_ends[number] = more.cursor.end or ""
    raise NonsenseError("GitHub's timelines have no end")


def _thing(reading: Reading, told: Told, node: dict[str, Any], items: Sequence[dict[str, Any]]) -> Thing:
    if told.kind == "PullRequest":
        pull = reading.pull_request(node)
        return Thing(pull, (reading.opened(node), *_events(reading, pull.number, items)))
    # GraphQL refuses one name for the state of both: their kinds differ.
    issue = reading.issue({**node, "state": node.get("issueState")})
    if told.kind != "Issue" or issue is None or issue.number is None:
        raise NonsenseError(f"GitHub's page cannot be read ({told.kind[:60]!r} is neither pull request nor issue)")
    return Thing(issue, (reading.opened(node), *_events(reading, issue.number, items)))


def _events(reading: Reading, number: int, items: Sequence[Mapping[str, Any]]) -> list[Event]:
    """A review that was taken back stands in the list as dismissed; what it had said is told by who took it back."""
    before = {
        str((one.get("review") or {}).get("fullDatabaseId")): str(one.get("previousReviewState") or "")
        for one in items
        if one.get("__typename") == "ReviewDismissedEvent"
    }
    found = [
        reading.review(one, before=before.get(str(one.get("fullDatabaseId")), "") if _is_dismissed(one) else "")
        if one.get("__typename") == "PullRequestReview" else reading.event(number, one)
        for one in items
    ]  # fmt: skip
    return [one for one in found if one is not None]


def _is_dismissed(item: Mapping[str, Any]) -> bool:
    return item.get("state") == "DISMISSED"
