"""Answers GraphQL from what the double remembers, and counts what a question costs as GitHub documents it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    execute_sync,
    parse,
    validate,
)

from tests.doubles.github.described import schema
from tests.doubles.github.state import Account, Happened, Repository, Thing

MOST_NODES = 500_000
MOST_A_PAGE = 100
_OLDEST_FIRST = {"field": "CREATED_AT", "direction": "ASC"}


@dataclass(frozen=True)
class Price:
    """What a question costs: points of the hour's budget, and how many nodes it may give."""

    points: int
    nodes: int
    problems: tuple[str, ...] = ()


def price(document: DocumentNode, variables: Mapping[str, Any]) -> Price:
    """One for each connection asked for, as often as what it stands in may come; by hundreds, at least one."""
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    problems: list[str] = []
    requests = nodes = 0

    def walk(selection: SelectionSetNode | None, times: int) -> None:
        nonlocal requests, nodes
        for one in selection.selections if selection else ():
            if isinstance(one, FragmentSpreadNode):
                walk(fragments[one.name.value].selection_set, times)
                continue
            inside = times
            if isinstance(one, FieldNode):
                given = {argument.name.value: argument.value for argument in one.arguments or ()}
                size = given.get("first") or given.get("last")
                if size is not None:
                    wanted = variables[size.name.value] if isinstance(size, VariableNode) else int(size.value)
                    if not 1 <= wanted <= MOST_A_PAGE:
                        problems.append(f"Requesting {wanted} records on the `{one.name.value}` connection exceeds the "
                                        f"`first` limit of {MOST_A_PAGE} records.")  # fmt: skip
                    requests += times
                    inside = times * wanted
                    nodes += inside
                elif one.selection_set and _lists(one.selection_set, fragments):
                    problems.append(f"You must provide a `first` or `last` value to properly paginate the "
                                    f"`{one.name.value}` connection.")  # fmt: skip
            walk(one.selection_set, inside)

    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            walk(definition.selection_set, 1)
    if nodes > MOST_NODES:
        problems.append(f"This query requests up to {nodes:,} possible nodes which exceeds the maximum limit of "
                        f"{MOST_NODES:,}.")  # fmt: skip
    return Price(max(1, round(requests / 100)), nodes, tuple(problems))


def _lists(selection: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> bool:
    """Whether a connection's own items are asked for."""
    return any(
        (isinstance(one, FieldNode) and one.name.value in ("nodes", "edges"))
        or (isinstance(one, FragmentSpreadNode) and _lists(fragments[one.name.value].selection_set, fragments))
        for one in selection.selections
    )


@dataclass(frozen=True)
class Answer:
    """What GraphQL answers, what it cost, and what its schema refuses of question and answer."""

    data: dict[str, Any]
    points: int
    refused: tuple[str, ...]


def answer(body: Mapping[str, Any], root: Root) -> Answer:
    """Answer a question. One that GitHub would refuse gets GitHub's error."""
    document = parse(str(body["query"]))
    variables = dict(body.get("variables") or {})
    problems = [error.message for error in validate(schema(), document)]
    if problems:
        return Answer({"errors": [{"message": one} for one in problems]}, 1, tuple(problems))
    cost = price(document, variables)
    if cost.problems:
        return Answer({"errors": [{"message": one} for one in cost.problems]}, 1, cost.problems)
    root.cost = cost.points
    result = execute_sync(schema(), document, root_value=root, variable_values=variables)
    said = [_told(error) for error in result.errors or ()]
    strange = tuple(str(error) for error in result.errors or () if not isinstance(error.original_error, GoneError))
    data: dict[str, Any] = {"data": result.data}
    return Answer(data | ({"errors": said} if said else {}), cost.points, strange)


class GoneError(Exception):
    """What was asked for is not there, in GitHub's words."""

    kind = "NOT_FOUND"


class CursorError(GoneError):
    """A cursor that is none."""

    kind = "INVALID_CURSOR_ARGUMENTS"


def _told(error: GraphQLError) -> dict[str, Any]:
    kind = {"type": error.original_error.kind} if isinstance(error.original_error, GoneError) else {}
    return {**kind, "path": error.path, "message": error.message}


class Root:
    """The questions that begin everything."""

    cost = 1

    def __init__(self, find: Any, thing: Any, budget: Any) -> None:
        self._find, self._thing, self._budget = find, thing, budget

    def rateLimit(self, _info: Any, **_: Any) -> dict[str, Any]:
        left, resets_at = self._budget()
        return {"cost": self.cost, "remaining": left - self.cost, "resetAt": _iso(resets_at)}

    def repository(self, _info: Any, owner: str, name: str, followRenames: bool = True) -> Any:
        found = self._find(f"{owner}/{name}")
        if found is None:
            raise GoneError(f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return _Repository(found)

    def node(self, _info: Any, id: str) -> Any:
        found = self._thing(id)
        if found is None:
            raise GoneError(f"Could not resolve to a node with the global id of '{id}'")
        return _thing(found)


class _Repository:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def pullRequests(self, _info: Any, first: int, after: str | None = None, orderBy: Any = None) -> Any:
        if orderBy == _OLDEST_FIRST:
            return self._by_age(first, after, pulls=True)
        assert orderBy == {"field": "UPDATED_AT", "direction": "DESC"}, "the double knows no other order"
        return self._page(first, after, pulls=True)

    def issues(
        self, _info: Any, first: int, after: str | None = None, filterBy: Any = None, orderBy: Any = None
    ) -> Any:
        if orderBy == _OLDEST_FIRST:
            return self._by_age(first, after, pulls=False)
        assert orderBy == {"field": "UPDATED_AT", "direction": "DESC"}, "the double knows no other order"
        since = (filterBy or {}).get("since")
        return self._page(first, after, pulls=False, since=since and datetime.fromisoformat(since))

    def hasIssuesEnabled(self, _info: Any) -> bool:
        return self._repository.has_issues

    def _by_age(self, first: int, after: str | None, *, pulls: bool) -> dict[str, Any]:
        """As it was opened, by a cursor that stays good while things go."""
        start = int(_opened(after)[0]) if after else 0
        every = [one for number, one in sorted(self._repository.things.items()) if one.is_pull is pulls]
        rest = [one for one in every if one.number > start]
        chosen = rest[:first]
        return {"totalCount": len(every), "nodes": [_thing(one) for one in chosen],
                "pageInfo": {"hasNextPage": len(rest) > first,
                             "endCursor": _cursor(chosen[-1].number) if chosen else None}}  # fmt: skip

    def issueOrPullRequest(self, _info: Any, number: int) -> Any:
        found = self._repository.things.get(number)
        if found is None:
            raise GoneError(f"Could not resolve to an issue or pull request with the number of {number}.")
        return _thing(found)

    def _page(self, first: int, after: str | None, *, pulls: bool, since: datetime | None = None) -> dict[str, Any]:
        cursor = _opened(after) if after else None
        rest = self._repository.after((cursor[0], cursor[1]) if cursor else None, pulls=pulls, since=since)
        chosen = rest[:first]
        end = _cursor(chosen[-1].updated_at.isoformat(), chosen[-1].number) if chosen else None
        whole = self._repository.newest(pulls=pulls) if since is None else self._repository.after(
            None, pulls=pulls, since=since)  # fmt: skip
        return {"totalCount": len(whole), "pageInfo": {"hasNextPage": len(rest) > first, "endCursor": end},
                "nodes": [_thing(one) for one in chosen]}  # fmt: skip


_ITEMS = {
    "ISSUE_COMMENT": "IssueComment", "LABELED_EVENT": "LabeledEvent", "UNLABELED_EVENT": "UnlabeledEvent",
    "ASSIGNED_EVENT": "AssignedEvent", "RENAMED_TITLE_EVENT": "RenamedTitleEvent", "CLOSED_EVENT": "ClosedEvent",
    "REOPENED_EVENT": "ReopenedEvent", "PULL_REQUEST_REVIEW": "PullRequestReview",
    "HEAD_REF_FORCE_PUSHED_EVENT": "HeadRefForcePushedEvent", "READY_FOR_REVIEW_EVENT": "ReadyForReviewEvent",
    "CONVERT_TO_DRAFT_EVENT": "ConvertToDraftEvent", "REVIEW_REQUESTED_EVENT": "ReviewRequestedEvent",
    "REVIEW_DISMISSED_EVENT": "ReviewDismissedEvent", "MERGED_EVENT": "MergedEvent",
}  # fmt: skip


def _thing(thing: Thing) -> dict[str, Any]:
    def timeline(_info: Any, first: int, itemTypes: Sequence[str], after: str | None = None) -> Any:
        kinds = {_ITEMS[one] for one in itemTypes}
        # A review that is being written is shown to its author alone.
        items = [one for one in thing.timeline if one.kind in kinds and one.more.get("state") != "PENDING"]
        start = int(_opened(after)[0]) if after else 0
        end = min(start + first, len(items))
        return {"pageInfo": {"hasNextPage": end < len(items), "endCursor": _cursor(end)},
                "nodes": [_item(one) for one in items[start:end]]}  # fmt: skip

    kind = "pull" if thing.is_pull else "issues"
    return {
        "__typename": "PullRequest" if thing.is_pull else "Issue", "id": thing.node,
        "fullDatabaseId": str(thing.key), "number": thing.number, "title": thing.title,
        "url": f"https://github.com/{thing.repository.full_name}/{kind}/{thing.number}", "state": thing.state,
        "isDraft": thing.is_draft, "createdAt": _iso(thing.opened_at), "updatedAt": _iso(thing.updated_at),
        "mergedAt": _iso(thing.merged_at), "closedAt": _iso(thing.closed_at), "author": account(thing.who),
        "labels": lambda _info, first, **_: {"nodes": [{"name": one} for one in thing.labels[:first]]},
        "comments": {"totalCount": sum(one.kind == "IssueComment" for one in thing.timeline)},
        "timelineItems": timeline, "baseRefName": "main", "baseRefOid": "b" * 40,
        "headRefName": f"topic-{thing.number}", "headRefOid": thing.head, "isCrossRepository": thing.is_from_fork,
        "additions": 10, "deletions": 2, "changedFiles": 3,
    }  # fmt: skip


def _item(one: Happened) -> dict[str, Any]:
    who, more = account(one.who), one.more
    found = {
        "__typename": one.kind, "id": f"{one.kind}_{one.number}", "fullDatabaseId": str(one.number), "author": who,
        "actor": who, "createdAt": _iso(one.at), "submittedAt": _iso(one.at),
    }  # fmt: skip
    if one.kind == "PullRequestReview":
        found |= {"state": more["state"], "commit": {"oid": more["commit"]}}
    elif one.kind in ("LabeledEvent", "UnlabeledEvent"):
        found["label"] = {"name": more["label"]}
    elif one.kind == "AssignedEvent":
        found["assignee"] = account(more["assignee"])
    elif one.kind == "RenamedTitleEvent":
        found["currentTitle"] = more["title"]
    elif one.kind == "HeadRefForcePushedEvent":
        found["afterCommit"] = {"oid": more["after"]}
    elif one.kind == "ReviewRequestedEvent":
        found["requestedReviewer"] = account(more["asked"])
    elif one.kind == "ReviewDismissedEvent":
        found |= {"previousReviewState": more["before"], "review": {"fullDatabaseId": str(more["review"].number)}}
    return found


def account(who: Account | None) -> dict[str, Any] | None:
    """Somebody as GraphQL has them: no `[bot]` behind a bot's login, and nobody where the account is gone."""
    if who is None:
        return None
    name = {"slug": who.login} if who.kind == "Team" else {"login": who.login}
    return {"__typename": who.kind, "id": f"U_{who.number}", **name}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _cursor(*values: Any) -> str:
    return base64.b64encode(json.dumps(["v2", *values]).encode()).decode()


def _opened(cursor: str) -> list[Any]:
    try:
        version, *values = json.loads(base64.b64decode(cursor, validate=True))
    except ValueError:
        version, values = None, []
    if version != "v2":
        raise CursorError(f"`{cursor}` does not appear to be a valid cursor.")
    return values
