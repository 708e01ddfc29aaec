"""What comes of a webhook: which rows it writes, takes back or asks for."""

from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa

from app.audit import AuditEntry
from app.clock import FixedClock
from app.contributions.metrics import EventKind
from app.contributions.models import (
    Change,
    ChangeEvent,
    ChangeMeasure,
    ChangeState,
    Issue,
    IssueEvent,
    IssueMeasure,
    Repository,
    RepositoryRelease,
)
from app.github import listening
from app.github.models import Delivery, DeliveryState, NumberDue
from app.jobs import Job
from app.people.models import Identity
from tests.app.github.conftest import Hooked, count, example

K = EventKind


def test_a_pull_request_from_its_opening_to_its_merge(hook_each: Hooked) -> None:
    hook, merged = hook_each, "2019-05-16T10:00:00Z"
    hook.hear("pull_request", example("pull_request", "opened"))
    hook.hear("pull_request_review", example("pull_request_review", "submitted", review__state="approved",
                                             review__user__login="octocat"))  # fmt: skip
    hook.hear("pull_request_review_comment", example("pull_request_review_comment", "created"))
    hook.hear("pull_request", example(
        "pull_request", "closed", pull_request__merged_at=merged, pull_request__closed_at=merged,
        pull_request__updated_at=merged, pull_request__merged_by={"login": "octocat", "type": "User"}))  # fmt: skip
    with hook.db.read() as session:
        change = session.scalars(sa.select(Change)).one()
        assert (change.number, change.state, change.additions) == (2, ChangeState.MERGED, 1)
        kinds = session.scalars(sa.select(ChangeEvent.kind).order_by(ChangeEvent.at, ChangeEvent.id)).all()
        assert Counter(kinds) == Counter([K.OPENED, K.APPROVED, K.COMMENTED, K.CLOSED, K.MERGED])
        assert session.scalars(sa.select(ChangeMeasure.reviewers)).all() == [1]
        assert set(session.scalars(sa.select(Identity.login).where(Identity.source == "github"))) == {
            "Codertocat", "octocat",
        }  # fmt: skip
        assert session.scalars(sa.select(NumberDue)).all() == []


def test_a_review_of_what_was_never_read_asks_for_it_and_waits(hook: Hooked) -> None:
    assert hook.hear("pull_request_review", example("pull_request_review", "submitted")) == {"waiting": 1}
    assert count(hook.db, Change) == count(hook.db, ChangeEvent) == 0
    with hook.db.read() as session:
        assert session.execute(sa.select(NumberDue.number, NumberDue.because)).all() == [(2, "it was never read")]
    # Once it is known (from the sync, or as here), what waited is written.
    assert hook.hear("pull_request", example("pull_request", "opened")) == {"handled": 2}
    with hook.db.read() as session:
        assert set(session.scalars(sa.select(ChangeEvent.kind))) == {K.OPENED, K.REVIEWED}


def test_of_too_many_that_wait_for_their_pull_request_the_latest_are_kept(
    hook_each: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_WAITING", 2)
    for number in range(1, 5):
        hook_each.hear("pull_request_review", example("pull_request_review", "submitted", review__id=number))
    with hook_each.db.read() as session:
        left = session.execute(sa.select(Delivery.id, Delivery.state).order_by(Delivery.id)).all()
        assert left == [(3, DeliveryState.WAITING), (4, DeliveryState.WAITING)]
        assert session.scalars(sa.select(NumberDue.number)).all() == [2], "it is read whole"


@pytest.mark.parametrize("action", ["labeled", "review_requested", "ready_for_review", "reopened", "assigned"])
def test_what_bears_no_time_of_its_own_is_shown_at_once_and_read_for_its_time(hook: Hooked, action: str) -> None:
    hook.hear("pull_request", example("pull_request", "opened"))
    hook.hear("pull_request", example("pull_request", action, number=2, pull_request__number=2,
                                      pull_request__updated_at="2026-01-01T00:00:00Z"))  # fmt: skip
    with hook.db.read() as session:
        assert session.execute(sa.select(NumberDue.number, NumberDue.because)).all() == [(2, action)]
        assert set(session.scalars(sa.select(ChangeEvent.kind))) == {K.OPENED}


def test_an_older_report_that_comes_late_changes_nothing(hook: Hooked) -> None:
    late = "2019-06-01T00:00:00Z"
    hook.hear(
        "pull_request", example("pull_request", "opened", pull_request__title="New", pull_request__updated_at=late)
    )
    hook.hear("pull_request", example("pull_request", "opened"))
    with hook.db.read() as session:
        assert session.scalars(sa.select(Change.title)).all() == ["New"]


def test_a_deleted_comment_is_gone_and_stays_gone(hook: Hooked) -> None:
    made, deleted = example("issue_comment", "created"), example("issue_comment", "deleted")
    deleted["comment"] = made["comment"]
    hook.hear("issue_comment", made)
    assert count(hook.db, IssueEvent) == 2
    hook.hear("issue_comment", deleted)
    made["sender"]["id"] = 5  # as if it came late
    hook.hear("issue_comment", made)
    with hook.db.read() as session:
        assert session.scalars(sa.select(IssueEvent.kind)).all() == [K.OPENED]


def test_a_deleted_issue_goes_with_all_that_was_said(hook_each: Hooked) -> None:
    hook = hook_each
    hook.hear("issues", example("issues", "opened"))
    hook.hear("issue_comment", example("issue_comment", "created"))
    hook.hear("issues", example("issues", "deleted"))
    assert count(hook.db, Issue) == count(hook.db, IssueEvent) == count(hook.db, IssueMeasure) == 0
    hook.hear("issues", example("issues", "edited"))
    assert count(hook.db, Issue) == 0


def test_an_issue_that_moved_to_another_repository_is_asked_for_there(hook: Hooked) -> None:
    moved = example("issues", "transferred", repository__private=False)
    home = moved["changes"]["new_repository"]
    home["full_name"], home["html_url"] = "octo-org/octo-repo", "https://github.com/octo-org/octo-repo"
    hook.hear("issues", moved)
    with hook.db.read() as session:
        place = session.scalars(sa.select(Repository.id).where(Repository.name == "r1")).one()
        assert session.execute(sa.select(NumberDue.repository_id, NumberDue.number)).all() == [
            (place, moved["changes"]["new_issue"]["number"])
        ]


def test_a_push_has_git_asked_at_once_and_once(hook: Hooked) -> None:
    hook.hear("push", example("push"))
    hook.hear("push", example("push", after="b" * 40))
    with hook.db.read() as session:
        asked = session.scalars(sa.select(Job.payload).where(Job.workflow == "ingest")).all()
    assert asked == [{"repository": "r_0000"}]


def test_a_renamed_repository_is_the_same_one_under_its_new_address(hook: Hooked) -> None:
    body = example("repository", "renamed", changes={"repository": {"name": {"from": "Hello-World"}}},
                   repository__full_name="Codertocat/Hello",
                   repository__html_url="https://github.com/Codertocat/Hello")  # fmt: skip
    hook.hear("repository", body)
    hook.hear("issues", example("issues", "opened", repository__full_name="Codertocat/Hello",
                                repository__html_url="https://github.com/Codertocat/Hello"))  # fmt: skip
    with hook.db.read() as session:
        assert session.get_one(Repository, 1).url == "https://github.com/Codertocat/Hello.git"
        assert session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.number.desc()).limit(1)).one() == (
            "contributions.repository.move"
        )


def test_a_repository_that_was_handed_over_is_found_by_whose_it_was(hook: Hooked) -> None:
    body = example("repository", "transferred", changes={"owner": {"from": {"organization": {"login": "octo-org"}}}},
                   repository__full_name="new-org/octo-repo",
                   repository__html_url="https://github.com/new-org/octo-repo")  # fmt: skip
    hook.hear("repository", body)
    with hook.db.read() as session:
        assert session.get_one(Repository, 2).url == "https://github.com/new-org/octo-repo.git"


def test_a_release_appears_changes_and_goes(hook: Hooked) -> None:
    hook.hear("release", example("release", "published"))
    hook.hear("release", example("release", "edited", release__name="Better", release__prerelease=False))
    with hook.db.read() as session:
        assert session.execute(sa.select(RepositoryRelease.tag, RepositoryRelease.name)).all() == [("0.0.1", "Better")]
        assert session.scalars(sa.select(NumberDue.number)).all() == [0]
    hook.hear("release", example("release", "deleted"))
    hook.hear("release", example("release", "created"))
    assert count(hook.db, RepositoryRelease) == 0


def test_a_release_that_is_unpublished_is_looked_for_in_the_list(hook: Hooked) -> None:
    hook.hear("release", example("release", "published"))
    assert count(hook.db, NumberDue) == 0
    hook.hear("release", example("release", "published") | {"action": "unpublished"})
    assert count(hook.db, NumberDue) == 1
    assert count(hook.db, RepositoryRelease) == 0


@pytest.mark.parametrize("advanced", [{"days": 29}, {"days": 31}])
def test_calls_are_remembered_for_a_month(hook: Hooked, clock: FixedClock, advanced: dict[str, int]) -> None:
    hook.hear("issues", example("issues", "opened"))
    hook.hear("pull_request_review", example("pull_request_review", "submitted"))
    clock.advance(**advanced)
    hook.handle()
    assert count(hook.db, Delivery) == (2 if advanced["days"] < 30 else 0)
