"""GitHub's objects as facts: what its three interfaces tell of one thing becomes one value."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contributions.metrics import EventKind
from app.contributions.models import ChangeState, IssueState
from app.github.mapping import Reading
from app.github.shapes import NonsenseError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
READING = Reading("r_1", NOON)
ADA = {"login": "ada", "id": 1, "type": "User"}
SHA, OTHER = "a" * 40, "b" * 40


def rest_pull(**changed: Any) -> dict[str, Any]:
    """A pull request as REST and webhooks have it."""
    return {
        "id": 900, "node_id": "PR_x", "number": 7, "title": "Add relu", "user": ADA, "state": "open", "draft": False,
        "created_at": "2026-01-05T09:00:00Z", "updated_at": "2026-01-05T10:00:00Z", "merged_at": None,
        "closed_at": None, "html_url": "https://github.com/o/r/pull/7",
        "url": "https://api.github.com/repos/o/r/pulls/7", "base": {"ref": "main", "sha": SHA, "repo": {"id": 5}},
        "head": {"ref": "relu", "sha": OTHER, "repo": {"id": 5}},
        "labels": [{"name": "bug"}, {"name": "cpu"}], "merged_by": None, "additions": 3, "deletions": 1,
        "changed_files": 2, **changed,
    }  # fmt: skip


def graphql_pull() -> dict[str, Any]:
    """The same as GraphQL has it."""
    return {
        "id": "PR_x", "databaseId": 900, "number": 7, "title": "Add relu", "state": "OPEN", "isDraft": False,
        "author": {"__typename": "User", "login": "ada"}, "createdAt": "2026-01-05T09:00:00Z",
        "updatedAt": "2026-01-05T10:00:00Z", "mergedAt": None, "closedAt": None,
        "url": "https://github.com/o/r/pull/7", "baseRefName": "main", "baseRefOid": SHA, "headRefName": "relu",
        "headRefOid": OTHER, "isCrossRepository": False, "labels": {"nodes": [{"name": "bug"}, None, {"name": "cpu"}]},
        "additions": 3, "deletions": 1, "changedFiles": 2, "mergedBy": None,
    }  # fmt: skip


def test_a_pull_request_is_the_same_through_rest_and_graphql() -> None:
    told = READING.pull_request(rest_pull())
    assert told == READING.pull_request(graphql_pull())
    assert (told.author, told.state, told.head_ref) == (("github", "", "", "ada"), ChangeState.OPEN, "relu")
    assert READING.opened(rest_pull()) == READING.opened(graphql_pull())


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"event": "commented", "id": 11, "user": ADA, "created_at": "2026-01-05T10:00:00Z"},
     {"__typename": "IssueComment", "id": "IC_q", "fullDatabaseId": "11", "author": {"login": "ada"},
      "createdAt": "2026-01-05T10:00:00Z"}),
    ({"event": "reviewed", "id": 12, "user": ADA, "submitted_at": "2026-01-05T10:00:00Z", "state": "approved",
      "commit_id": SHA},
     {"__typename": "PullRequestReview", "databaseId": 12, "author": {"login": "ada"}, "state": "APPROVED",
      "submittedAt": "2026-01-05T10:00:00Z", "commit": {"oid": SHA}}),
    ({"event": "labeled", "id": 1, "actor": ADA, "created_at": "2026-01-05T10:00:00Z", "label": {"name": "bug"}},
     {"__typename": "LabeledEvent", "id": "LE_1", "actor": {"login": "ada"}, "createdAt": "2026-01-05T10:00:00Z",
      "label": {"name": "bug"}}),
    ({"event": "closed", "id": 2, "actor": None, "created_at": "2026-01-05T10:00:00Z"},
     {"__typename": "ClosedEvent", "id": "CE_1", "actor": None, "createdAt": "2026-01-05T10:00:00Z"}),
    ({"event": "renamed", "actor": ADA, "created_at": "2026-01-05T10:00:00Z", "rename": {"from": "a", "to": "b"}},
     {"__typename": "RenamedTitleEvent", "actor": {"login": "ada"}, "createdAt": "2026-01-05T10:00:00Z",
      "previousTitle": "a", "currentTitle": "b"}),
    ({"event": "review_requested", "actor": ADA, "created_at": "2026-01-05T10:00:00Z",
      "requested_team": {"id": 3, "name": "Core team", "slug": "core"}},
     {"__typename": "ReviewRequestedEvent", "actor": {"login": "ada"}, "createdAt": "2026-01-05T10:00:00Z",
      "requestedReviewer": {"__typename": "Team", "slug": "core"}}),
    ({"event": "review_dismissed", "actor": ADA, "created_at": "2026-01-05T10:00:00Z",
      "dismissed_review": {"state": "approved", "review_id": 12, "dismissal_message": "old"}},
     {"__typename": "ReviewDismissedEvent", "actor": {"login": "ada"}, "createdAt": "2026-01-05T10:00:00Z",
      "review": {"databaseId": 12}}),
    ({"event": "head_ref_force_pushed", "actor": ADA, "created_at": "2026-01-05T10:00:00Z", "commit_id": SHA},
     {"__typename": "HeadRefForcePushedEvent", "actor": {"login": "ada"}, "createdAt": "2026-01-05T10:00:00Z",
      "afterCommit": {"oid": SHA}}),
    ({"event": "convert_to_draft", "actor": ADA, "created_at": "2026-01-05T10:00:00Z"},
     {"__typename": "ConvertToDraftEvent", "actor": {"login": "ada"}, "createdAt": "2026-01-05T10:00:00Z"}),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "graphql"), SAME, ids=[one["event"] for one, _ in SAME])
def test_an_item_of_a_timeline_is_the_same_through_rest_and_graphql(rest: Any, graphql: Any) -> None:
    told = READING.event(7, rest)
    assert told is not None
    assert told == READING.event(7, graphql)
    assert told.external_id.startswith("r_1/")


def test_what_is_no_event_of_ours_is_left() -> None:
    assert READING.event(7, {"event": "subscribed", "actor": ADA, "created_at": "2026-01-05T10:00:00Z"}) is None
    assert READING.event(7, {"__typename": "PullRequestCommit", "commit": {"oid": SHA}}) is None


@pytest.mark.parametrize("bot", [{"login": "tidy", "__typename": "Bot"}, {"login": "tidy[bot]", "type": "Bot"}])
def test_a_bot_has_one_login(bot: dict[str, str]) -> None:
    assert READING.pull_request(rest_pull(user=bot)).author == ("github", "", "", "tidy[bot]")


def test_a_ghost_is_nobody_and_a_gone_fork_is_no_branch_of_ours() -> None:
    told = READING.pull_request(rest_pull(user=None, head={"ref": "relu", "sha": OTHER, "repo": None}))
    assert (told.author, told.head_ref, told.head_sha) == (None, "", OTHER)
    assert READING.pull_request(rest_pull(user={"login": "ghost", "type": "User"})).author is None, "as REST has them"


def test_a_fork_s_branch_is_no_branch_of_ours() -> None:
    assert READING.pull_request(rest_pull(head={"ref": "relu", "sha": OTHER, "repo": {"id": 6}})).head_ref == ""


def test_a_list_tells_no_sizes() -> None:
    listed = {key: value for key, value in rest_pull().items()
              if key not in ("additions", "deletions", "changed_files", "merged_by")}  # fmt: skip
    told = READING.pull_request(listed)
    assert (told.additions, told.deletions, told.files) == (None, None, None)


def test_merged_is_more_than_closed() -> None:
    when = "2026-01-05T10:00:00Z"
    assert READING.pull_request(rest_pull(state="closed", closed_at=when, merged_at=when)).state is ChangeState.MERGED
    assert READING.pull_request(rest_pull(state="closed", closed_at=when)).state is ChangeState.CLOSED


def test_a_pull_request_among_issues_is_no_issue() -> None:
    issue = {"id": 3, "number": 2, "title": "Wrong", "user": ADA, "state": "closed", "labels": ["bug"],
             "created_at": "2026-01-05T09:00:00+01:00", "updated_at": "2026-01-05T10:00:00Z",
             "closed_at": None, "html_url": "https://github.com/o/r/issues/2"}  # fmt: skip
    told = READING.issue(issue)
    assert told is not None
    assert (told.external_id, told.state, told.closed_at) == ("3", IssueState.CLOSED, told.updated_at)
    assert told.opened_at == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert READING.issue({**issue, "pull_request": {"url": "https://api.github.com/repos/o/r/pulls/2"}}) is None


def test_a_draft_release_is_none_yet() -> None:
    release = {"id": 3, "tag_name": "v1", "name": None, "author": ADA, "draft": False, "prerelease": True,
               "published_at": "2026-01-05T09:00:00Z", "html_url": "https://github.com/o/r/releases/v1"}  # fmt: skip
    told = READING.release(release)
    assert told is not None
    assert (told.external_id, told.tag, told.is_prerelease) == ("3", "v1", True)
    assert READING.release({**release, "draft": True, "published_at": None}) is None


def test_a_pending_review_has_not_been_said_and_a_dismissed_one_keeps_its_word_where_it_is_told() -> None:
    review = {"id": 4, "user": ADA, "state": "PENDING", "commit_id": SHA}
    assert READING.review(review) is None
    dismissed = {**review, "state": "DISMISSED", "submitted_at": "2026-01-05T09:00:00Z"}
    told = [READING.review(dismissed, before=word) for word in ("", "APPROVED")]
    assert [one and one.kind for one in told] == [EventKind.REVIEWED, EventKind.APPROVED]


NONSENSE = [
    ({"created_at": 1557933565}, "created_at"), ({"created_at": "yesterday"}, "created_at"),
    ({"created_at": "2026-01-05T09:00:00"}, "time zone"), ({"created_at": "0001-01-01T00:00:00Z"}, "no day"),
    ({"updated_at": "2031-01-01T00:00:00Z"}, "2031-01-01"), ({"number": True}, "number"), ({"number": -1}, "number"),
    ({"number": 1 << 80}, "number"), ({"title": None}, "title"), ({"user": {"login": 5}}, "login"),
    ({"head": {"ref": "x", "sha": "not-a-sha"}}, "sha"), ({"labels": "bug"}, "labels"), ({"draft": "yes"}, "draft"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "named"), NONSENSE, ids=[f"{one}" for one, _ in NONSENSE])
def test_nonsense_is_refused_by_the_name_of_its_field(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(NonsenseError, match=r"pull request cannot be read") as error:
        READING.pull_request(rest_pull(**changed))
    assert named in str(error.value)
    assert len(str(error.value)) <= 500


def test_texts_are_cut_and_can_be_stored() -> None:
    told = READING.pull_request(rest_pull(title="a\x00\ud800" + "x" * 9000, html_url="javascript:alert(1)",
                                          labels=[{"name": "y" * 900}] * 300))  # fmt: skip
    assert told.title.startswith("a\ufffd?xxx")
    assert (len(told.title), told.url, len(told.labels), len(told.labels[0])) == (500, "", 100, 200)


def test_two_long_labels_are_two_events() -> None:
    marks = {
        READING.event(7, {"event": "labeled", "created_at": "2026-01-05T09:00:00Z", "label": {"name": "z" * 150 + end}})
        for end in ("1", "2")
    }
    assert len({one.external_id for one in marks if one}) == 2


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 1 << 70, 0.5, "", "\ud800", "2026-01-05T09:00:00Z", "x" * 3000, [], [None], {}, {"login": None},
     {"login": ""}, {"nodes": None}, {"nodes": [1]}, [{"name": {}}]]
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(sorted({*rest_pull(), *graphql_pull()})), ODD, max_size=6))
def test_whatever_comes_is_read_or_refused_and_nothing_else(changed: dict[str, Any]) -> None:
    for read in (READING.pull_request, READING.issue, READING.comment, READING.review, READING.release, READING.opened):
        with contextlib.suppress(NonsenseError):
            read({**rest_pull(), **changed})
