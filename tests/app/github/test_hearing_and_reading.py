"""What webhooks tell and what is read is one: each thing is one row, whichever of the two brings it, and when."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from app.clock import FixedClock
from app.contributions.models import Repository
from app.db import Database
from app.github.models import Delivery, DeliveryState, GithubConnection, NumberDue
from app.jobs import JobState
from app.settings import Settings
from tests.app.github.conftest import SECRET, Hooked
from tests.app.github.world import World, busy, world
from tests.doubles.github import GitHub, rest
from tests.doubles.github.state import Happened, Thing

Call = tuple[str, dict[str, Any]]


@pytest.fixture
def github(github: GitHub, clock: FixedClock) -> GitHub:
    """The double, in which a little happened."""
    busy(github, clock, pulls=3, issues=2)
    return github


@pytest.fixture
def hearing(settings: Settings) -> Settings:
    return settings.model_copy(update={"github_hook_secrets": (SecretStr(SECRET),)})


def calls(github: GitHub) -> list[Call]:
    """Everything that happened, as GitHub's webhooks told it."""
    (repository,) = github.repositories
    home = rest.repository(repository) | {"html_url": f"{github.url}/{repository.full_name}"}
    found: list[Call] = []

    def tell(event: str, action: str, who: Any = None, **parts: Any) -> None:
        found.append((event, {"action": action, "repository": home, "sender": rest.account(who), **parts}))

    for thing in repository.things.values():
        shown = _shown(thing)
        name, kind = ("pull_request", "pull_request") if thing.is_pull else ("issues", "issue")
        number = {"number": thing.number} if thing.is_pull else {}
        tell(name, "opened", thing.who, **number, **{kind: shown})
        for one in thing.timeline:
            match one.kind:
                case "IssueComment":
                    about = rest.issue(thing)
                    tell("issue_comment", "created", one.who, issue=about, comment=_said(one))
                case "PullRequestReview":
                    told = {"state": _verdict(thing, one).lower(), "commit_id": one.more["commit"],
                            "submitted_at": _said(one)["created_at"]}  # fmt: skip
                    tell("pull_request_review", "submitted", one.who, pull_request=shown, review=_said(one) | told)
                case "ClosedEvent":
                    tell(name, "closed", one.who, **number, **{kind: shown})
                case "LabeledEvent":
                    tell(name, "labeled", one.who, **number, **{kind: shown}, label={"name": one.more["label"]})
                case "ReviewDismissedEvent":
                    told = _said(one.more["review"]) | {
                        "state": "dismissed",
                        "submitted_at": None,
                        "commit_id": "a" * 40,
                    }
                    tell("pull_request_review", "dismissed", one.who, pull_request=shown, review=told)
        for line in thing.lines:
            tell("pull_request_review_comment", "created", line.who, pull_request=shown, comment=rest.line(line))
    for release in repository.releases:
        if release.published_at is not None:
            tell("release", "published", release.who, release=rest.release(release))
    return found


def _shown(thing: Thing) -> dict[str, Any]:
    if not thing.is_pull:
        return rest.issue(thing)
    merged = next((one.who for one in thing.timeline if one.kind == "MergedEvent"), None)
    return rest.pull(thing) | {"merged_by": rest.account(merged)}


def _said(one: Happened) -> dict[str, Any]:
    return {"id": one.number, "user": rest.account(one.who), "created_at": one.at.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _verdict(thing: Thing, review: Happened) -> str:
    """What it said when it was sent, before anybody took it back."""
    taken_back = (one for one in thing.timeline if one.kind == "ReviewDismissedEvent" and one.more["review"] is review)
    return str(next((one.more["before"] for one in taken_back), review.more["state"]))


def test_what_was_read_and_is_heard_as_well_changes_no_row(
    github: GitHub, db: Database, clock: FixedClock, hearing: Settings
) -> None:
    made = world(github, db, clock, hearing)
    assert made.read().state is JobState.SUCCEEDED
    once, hooked = made.rows(), Hooked(made.app, db)
    for event, body in calls(github):
        assert hooked.send(event, body).status_code == 202
    assert set(hooked.handle()) == {"handled"}
    assert made.rows() == once


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_heard_before_anything_was_read_ends_as_what_is_read_alone(
    github: GitHub, db: Database, clock: FixedClock, hearing: Settings, sqlite_template: Path, tmp_path: Path, seed: int
) -> None:
    made, hooked = world(github, db, clock, hearing), Hooked(Any, db)
    hooked.app = made.app
    told = calls(github)
    random.Random(seed).shuffle(told)
    for event, body in told:
        assert hooked.send(event, body).status_code == 202
        if random.Random(len(body)).random() < 0.2:
            hooked.handle()
    # The job has what it tells too little of read at once, without being asked for it.
    made.worker.run_until_idle()
    with db.read() as session:
        assert session.scalars(sa.select(NumberDue)).all() == []
    assert made.read().state is JobState.SUCCEEDED
    hooked.handle()
    with db.read() as session:
        assert set(session.scalars(sa.select(Delivery.state))) == {DeliveryState.HANDLED}

    shutil.copy(sqlite_template, tmp_path / "alone.db")
    alone = Database(f"sqlite:///{tmp_path / 'alone.db'}", clock=clock)
    other: World = world(github, alone, clock, hearing)
    other.read()
    assert made.rows() == other.rows()
    alone.close()


def test_what_was_heard_late_of_a_release_is_set_right_though_the_list_is_the_same(
    github: GitHub, db: Database, clock: FixedClock, hearing: Settings
) -> None:
    made = world(github, db, clock, hearing)
    made.read()
    once, hooked = made.rows(), Hooked(made.app, db)
    assert once["releases"] != []
    event, body = next(one for one in calls(github) if one[0] == "release")
    # Later told than read, but it happened before: the release was a draft for a while.
    assert hooked.hear(event, body | {"action": "unpublished"}) == {"handled": 1}
    assert made.rows() != once
    made.clock.advance(hours=1)
    assert made.read().state is JobState.SUCCEEDED
    assert made.rows() == once


def test_a_name_that_another_of_ours_has_stops_neither_hearing_nor_reading(
    github: GitHub, db: Database, clock: FixedClock, hearing: Settings
) -> None:
    made = world(github, db, clock, hearing)
    made.read()
    hooked = Hooked(made.app, db)
    with db.write() as session:
        other = Repository(name="core", url="https://git.example/core", added_at=clock.now())
        session.add(other)
        session.flush()
        session.add(GithubConnection(repository_id=other.id, full_name="acme/core", connected_at=clock.now()))
    github.repositories[0].rename("acme/core")
    home = rest.repository(github.repositories[0]) | {"html_url": f"{github.url}/acme/core"}
    moved = {"action": "renamed", "repository": home, "changes": {"repository": {"name": {"from": "tensor"}}}}
    assert hooked.hear("repository", moved) == {"handled": 1}
    job = made.read()
    assert job.state is JobState.NEEDS_PERSON
    assert job.error == "acme/tensor is acme/core at GitHub, connected with core already; part one of them"


def test_a_repository_is_known_by_its_number_whatever_it_is_called(
    github: GitHub, db: Database, clock: FixedClock, hearing: Settings
) -> None:
    made = world(github, db, clock, hearing)
    made.read()
    hooked = Hooked(made.app, db)
    event, body = next(one for one in calls(github) if one[0] == "issues")
    renamed = body["repository"] | {
        "name": "tensors",
        "full_name": "acme/tensors",
        "html_url": f"{github.url}/acme/tensors",
    }
    assert hooked.send(event, body | {"repository": renamed}).status_code == 202
    moved = {"action": "renamed", "repository": renamed, "changes": {"repository": {"name": {"from": "tensor"}}}}
    assert hooked.hear("repository", moved) == {"handled": 2}
    with db.read() as session:
        assert session.scalars(sa.select(GithubConnection.full_name)).all() == ["acme/tensors"]
        assert session.scalars(sa.select(Repository.url)).one().endswith("/none"), "git fetches from a folder here"
