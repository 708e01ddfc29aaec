"""Webhooks as GitHub sends them: who may call, what is taken, what comes of it, in whatever order."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy.orm import Session

from app.audit import AuditEntry
from app.clock import FixedClock
from app.contributions.metrics import EventKind
from app.contributions.models import (
    Change,
    ChangeEvent,
    ChangeMeasure,
    ChangeState,
    GoneFact,
    Issue,
    IssueEvent,
    IssueMeasure,
    Repository,
    RepositoryRelease,
)
from app.db import Database
from app.github import hooks, listening
from app.github.hooks import HEARD, is_signed
from app.github.listening import Listener
from app.github.models import Delivery, DeliveryState, NumberDue
from app.jobs import Job, Worker
from app.people.models import Identity
from app.settings import Settings, SettingsError
from tests.app.github.conftest import FORMER, SECRET, Hooked
from tests.app.github.octokit.cut import examples

EXAMPLES = examples()
K = EventKind


def example(event: str, action: str = "", **changed: Any) -> dict[str, Any]:
    """GitHub's first example of an event, with parts of its object changed (`comment__id=5`)."""
    found = next(body for name, body in EXAMPLES if name == event and action in (body.get("action"), ""))
    found = copy.deepcopy(found)
    for path, value in changed.items():
        *into, last = path.split("__")
        place = found
        for name in into:
            place = place[name]
        place[last] = value
    return found


def count(db: Database, table: Any) -> int:
    with db.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


# --- who may call, and what is taken ---


def test_every_example_that_github_publishes_is_answered_and_handled(hook: Hooked) -> None:
    answers = Counter()
    for event, payload in EXAMPLES:
        answer = hook.send(event, payload)
        # Several examples are the same body: the second is known by then.
        assert answer.status_code in (200, 202), (event, answer.text)
        answers["stored" if answer.status_code == 202 else "left"] += 1
        assert (event in HEARD) or answer.status_code == 200
    assert answers == {"stored": 115, "left": 214}
    outcome = hook.handle()
    assert sum(outcome.values()) == 115
    with hook.db.read() as session:
        assert session.scalars(sa.select(Delivery.note).where(Delivery.state == DeliveryState.FAILED)).all() == []


@pytest.mark.parametrize("headers", [{"X_Hub_Signature_256": ""}, {"X_Hub_Signature_256": "sha256=" + "0" * 64},
                                     {"X_Hub_Signature_256": "sha256=é"}])  # fmt: skip
def test_a_call_that_is_not_signed_by_our_secret_writes_nothing(hook: Hooked, headers: dict[str, str]) -> None:
    answer = hook.send("issues", example("issues"), **headers)
    assert answer.status_code == 401
    assert "nothing was taken" in answer.json["detail"]
    assert count(hook.db, Delivery) == count(hook.db, Job) == 0


def test_whoever_calls_unsigned_all_the_time_is_sent_away(hook: Hooked) -> None:
    codes = [hook.send("ping", {}, secret="guessed").status_code for _ in range(32)]
    assert codes == [401] * 30 + [429] * 2
    # GitHub, from the same address, is still heard.
    assert hook.send("ping", example("ping")).status_code == 200


def test_while_the_secret_is_changed_both_are_good(hook: Hooked) -> None:
    assert hook.send("ping", example("ping"), secret=FORMER).json["said"].startswith("pong")
    assert hook.send("ping", example("ping"), secret="neither").status_code == 401


def test_a_body_that_was_signed_and_then_changed_is_refused() -> None:
    secrets = [SecretStr(SECRET)]
    assert not is_signed(secrets, b'{"a": 2}', "sha256=" + "f" * 64)
    assert not is_signed([], b"{}", "sha256=" + "f" * 64)


def test_without_a_secret_nothing_is_heard(app: Any) -> None:
    answer = app.test_client().post("/api/github/hook", json={})
    assert answer.status_code == 401
    assert "FLAMBEAU_GITHUB_WEBHOOK_SECRET" in answer.json["detail"]


def test_a_form_is_read_as_json_is_and_is_the_same_call(hook: Hooked) -> None:
    assert hook.send("issues", example("issues"), form=True).status_code == 202
    assert hook.send("issues", example("issues")).json["said"].startswith("this was taken before")


@pytest.mark.parametrize(("event", "body", "headers", "status", "said"), [
    ("issues", b"{", {}, 400, "no JSON"),
    ("issues", b"[" * 100_000, {}, 400, "no JSON"),
    ("issues", b"[]", {}, 400, "no object"),
    ("issues", b"payload=[]&" * 999, {"Content_Type": "application/x-www-form-urlencoded"}, 400, "no object"),
    ("issues", b"other=1", {"Content_Type": "application/x-www-form-urlencoded"}, 400, "no JSON"),
    ("issues", b"{}", {"Content_Type": "text/plain"}, 415, "application/json"),
    ("issues", b"{}", {"Content_Type": ""}, 415, "no content type"),
    ("issues", b"{}", {}, 422, "does not hold what issues has"),
    ("Issues; drop", b"{}", {}, 400, "X-GitHub-Event"),
    ("issues", b"{}", {"X_GitHub_Delivery": "../.."}, 400, "X-GitHub-Delivery"),
    ("issues", b'{"issue": {"number": 1}, "repository": {"full_name": "a b", "html_url": ""}}', {}, 422, "full_name"),
    ("star", b"{}", {}, 200, "means nothing here"),
])  # fmt: skip
def test_what_cannot_be_taken_is_told_so(
    hook: Hooked, event: str, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = hook.send(event, body, **headers)
    assert (answer.status_code, said in answer.json["said"]) == (status, True), answer.text
    assert count(hook.db, Delivery) == 0


def test_a_body_without_end_is_refused_before_it_is_read(hook: Hooked) -> None:
    answer = hook.send("push", b"x" * (hooks.MOST_BYTES + 1))
    assert answer.status_code == 413


def test_a_repository_that_is_not_counted_is_left(hook: Hooked) -> None:
    body = example("issues", repository__html_url="https://github.com/else/where", repository__full_name="else/where")
    answer = hook.send("issues", body)
    assert (answer.status_code, answer.json["said"]) == (200, "else/where is not counted here and was left")
    assert count(hook.db, Delivery) == 0


def test_a_call_that_comes_again_does_nothing_whatever_its_headers_say(hook: Hooked) -> None:
    body = example("issue_comment", "deleted")
    assert hook.send("issue_comment", body, guid="one").status_code == 202
    for event, guid in (("issue_comment", "one"), ("issue_comment", "another")):
        answer = hook.send(event, body, guid=guid)
        assert (answer.status_code, answer.json["said"]) == (200, "this was taken before; nothing was done again")
    # The name of the event is not signed: a deleted comment must not be taken for a deleted issue.
    assert hook.send("issues", body, guid="third").status_code == 422
    assert count(hook.db, Delivery) == 1


def test_what_failed_is_handled_when_github_sends_it_again(hook: Hooked) -> None:
    body = example("issues", "opened", issue__title=None)
    assert hook.hear("issues", body) == {"failed": 1}
    with hook.db.read() as session:
        assert "title" in session.scalars(sa.select(Delivery.note)).one()
    assert hook.send("issues", body).status_code == 202


def test_when_too_many_wait_github_is_told_so(hook: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MOST_WAITING", 1)
    assert hook.send("issues", example("issues")).status_code == 202
    assert hook.send("push", example("push")).status_code == 503


def test_a_burst_asks_for_one_job_and_the_worker_empties_it(hook_each: Hooked) -> None:
    hook = hook_each
    for number in range(1, 41):
        body = example("issue_comment", "created", comment__id=number, comment__user__login=f"login-{number % 7}")
        assert hook.send("issue_comment", body).status_code == 202
    assert count(hook.db, Job) == 1
    Worker(hook.app).run_until_idle()
    assert count(hook.db, IssueEvent) == 41
    with hook.db.read() as session:
        left = session.execute(sa.select(Delivery.state, Delivery.body).distinct()).all()
    assert left == [(DeliveryState.HANDLED, None)]


def test_one_call_that_breaks_us_does_not_stop_the_others(hook: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.github import hearing

    def broken(_heard: Any) -> str:
        raise RuntimeError("a bug")

    monkeypatch.setitem(hearing._handlers, "release", broken)
    hook.send("release", example("release", "published"))
    hook.send("issues", example("issues", "opened"))
    for _ in range(3):
        with pytest.raises(RuntimeError, match="a bug"):
            hook.handle()
    assert hook.handle() == {"handled": 1}
    assert count(hook.db, Issue) == 1


def test_a_private_repository_is_not_shown_to_everybody_by_its_webhooks_either(hook: Hooked) -> None:
    body = example("issues", "opened", repository__private=True)
    answer = hook.send("issues", body)
    assert (answer.status_code, "is private" in answer.json["said"]) == (200, True)
    assert hook.send("repository", example("repository", "edited", repository__private=True)).status_code == 200
    assert count(hook.db, Delivery) == 0
    # That something was pushed says nothing of it; git reads what it was given to read.
    assert hook.send("push", example("push", repository__private=True)).status_code == 202


def test_two_workers_that_find_the_same_calls_handle_each_once(
    hook_each: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hook_each
    for number in (1, 2):
        hook.send("issue_comment", example("issue_comment", "created", comment__id=number))
    found, counted = Listener._next, []

    def next_with_another(self: Listener, state: DeliveryState) -> list[int]:
        numbers = found(self, state)
        if numbers and not counted:
            # Between our look and our turn another worker handles them all.
            monkeypatch.setattr(Listener, "_next", found)
            counted.append(hook.handle())
        return numbers

    monkeypatch.setattr(Listener, "_next", next_with_another)
    assert (hook.handle(), counted) == ({}, [{"handled": 2}])
    with hook.db.read() as session:
        assert set(session.execute(sa.select(Delivery.state, Delivery.tries))) == {(DeliveryState.HANDLED, 0)}


# --- what comes of it ---


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
    assert asked == [{"repository": "r_0"}]


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


HANDLED = [(event, body) for event, body in EXAMPLES if event in HEARD]
ODD = st.sampled_from([None, True, -1, 0.5, "", "x" * 5000, "\x00\ud800", "2026-01-05T09:00:00Z",
                       "9999-12-31T00:00:00Z", [], [None], {}, {"login": None}, {"from": 1}, 1 << 70])  # fmt: skip


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(HANDLED), st.data())
def test_whatever_is_signed_is_written_waits_or_fails_with_a_sentence(hook: Hooked, sent: Any, data: Any) -> None:
    event, body = copy.deepcopy(sent)
    place = body
    while True:
        name = data.draw(st.sampled_from(sorted(place)))
        if isinstance(place[name], dict) and place[name] and data.draw(st.booleans()):
            place = place[name]
            continue
        place[name] = data.draw(ODD)
        break
    assert hook.send(event, body).status_code in (200, 202, 422)
    hook.handle()
    with hook.db.read() as session:
        left = session.execute(sa.select(Delivery.note, Delivery.body).where(Delivery.state == DeliveryState.FAILED))
        assert all(note.startswith("GitHub's ") and packed is None for note, packed in left)


# --- in whatever order ---


def story() -> list[tuple[str, dict[str, Any]]]:
    """What happened to a pull request, an issue and a release, each call with its own time."""

    def hour(number: int) -> str:
        return f"2019-05-15T{number:02}:00:00Z"

    pull, review, issue, said = "pull_request", "pull_request_review", "issues", "issue_comment"
    told: list[tuple[str, dict[str, Any]]] = [
        (pull, example(pull, "opened", pull_request__updated_at=hour(16))),
        (pull, example(pull, "synchronize", pull_request__updated_at=hour(17), pull_request__head__sha="c" * 40)),
        (review, example(review, "submitted", review__state="changes_requested")),
        (pull, example(pull, "labeled", pull_request__updated_at=hour(18))),
        (pull, example(pull, "unlabeled", pull_request__updated_at=hour(18),
                       pull_request__labels=[{"name": "other"}])),
        ("pull_request_review_comment", example("pull_request_review_comment", "created")),
        ("pull_request_review_comment", example("pull_request_review_comment", "deleted")),
        (pull, example(pull, "closed", pull_request__updated_at=hour(20), pull_request__merged_at=hour(20),
                       pull_request__closed_at=hour(20))),
        (issue, example(issue, "opened")),
        (said, example(said, "created")),
        (said, example(said, "created", comment__id=77, issue__updated_at=hour(19), issue__title="Clearer")),
        (said, example(said, "deleted")),
        (issue, example(issue, "edited", issue__updated_at=hour(21), issue__title="Clearest")),
        ("release", example("release", "published")),
        ("release", example("release", "edited", release__name="Better")),
    ]  # fmt: skip
    for event, body in told:
        if event in (pull, review, "pull_request_review_comment"):
            body["pull_request"]["number"] = body["number"] = 2
            if event != pull:
                del body["number"]
        elif event in (issue, said):
            body["issue"]["number"], body["issue"]["id"] = 1, 444500041
    return told


def facts(session: Session) -> list[Any]:
    """Every row that hooks write, but for row numbers and the list of what is to be read."""
    people = {row.id: row.login for row in session.scalars(sa.select(Identity))}
    found: list[Any] = []
    for table in (Change, ChangeEvent, ChangeMeasure, Issue, IssueEvent, IssueMeasure, RepositoryRelease, GoneFact):
        hidden = {"id", "public_id", "change_id", "issue_id", "person_id"}
        for row in session.execute(sa.select(table.__table__)).mappings():
            values = {name: str(people.get(value, value) if name.endswith("identity_id") else value)
                      for name, value in row.items() if name not in hidden}  # fmt: skip
            found.append((table.__tablename__, sorted(values.items())))
    return sorted(found)


_IN_ORDER: list[Any] = []


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 10_000), twice=st.sets(st.integers(0, 14), max_size=4), together=st.booleans())
def test_the_order_in_which_calls_come_does_not_matter(
    hook: Hooked, seed: int, twice: set[int], together: bool
) -> None:
    told = story()
    if not _IN_ORDER:
        _IN_ORDER.append(_heard_by(hook, told, together=True))
    shuffled = [*told, *(told[number] for number in twice)]
    random.Random(seed).shuffle(shuffled)
    assert _heard_by(hook, shuffled, together=together) == _IN_ORDER[0]


def _heard_by(hook: Hooked, told: list[tuple[str, dict[str, Any]]], *, together: bool) -> list[Any]:
    with hook.db.write() as session:
        for table in (Delivery, NumberDue, GoneFact, Change, Issue, RepositoryRelease, Job):
            session.execute(sa.delete(table))
    for event, body in told:
        hook.send(event, body)
        if not together:
            hook.handle()
    hook.handle()
    with hook.db.read() as session:
        return facts(session)


# --- settings ---


@pytest.mark.parametrize(
    ("written", "problem"), [("short", "can be guessed"), (f"{'a' * 20} {'b' * 20} {'c' * 20}", "3 sec")]
)
def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Any, written: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Settings.from_environment({"FLAMBEAU_HOME": str(tmp_path), "FLAMBEAU_GITHUB_WEBHOOK_SECRET": written})


def test_the_secrets_are_read_from_a_file_a_line_each(tmp_path: Any) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{'n' * 20}\n{'o' * 20}\n")
    made = Settings.from_environment({"FLAMBEAU_HOME": str(tmp_path), "FLAMBEAU_GITHUB_WEBHOOK_SECRET_FILE": str(file)})
    assert [one.get_secret_value()[0] for one in made.github_hook_secrets] == ["n", "o"]
    assert "nnn" not in repr(made)


def test_the_examples_are_json_that_could_have_been_sent() -> None:
    assert len(EXAMPLES) == 329
    assert all(len(json.dumps(body)) < hooks.MOST_BYTES for _, body in EXAMPLES)
