"""Webhooks as GitHub sends them: who may call, what is taken, and what is said to that."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from pydantic import SecretStr

from app.contributions.models import (
    Issue,
    IssueEvent,
)
from app.github import hooks
from app.github.hooks import HEARD, is_signed
from app.github.listening import Listener
from app.github.models import Delivery, DeliveryState
from app.jobs import Job, Worker
from app.settings import Settings, SettingsError
from tests.app.github.conftest import EXAMPLES, FORMER, SECRET, Hooked, count, example, signature

ROOT = Path(__file__).resolve().parents[3]


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


def test_what_is_longer_than_any_of_githubs_calls_is_refused_in_words(hook: Hooked) -> None:
    answer = hook.send("push", b"x" * (hooks.MOST_BYTES + 1))
    assert (answer.status_code, answer.json["detail"]) == (
        413, "This call has 26,214,401 bytes and GitHub's have 26,214,400 at most; nothing was taken.",
    )  # fmt: skip
    assert count(hook.db, Delivery) == 0


def big_push(size: int) -> bytes:
    """A push of many commits whose call has so many bytes."""
    body = example("push")
    file = {"id": "c" * 40, "message": "m", "added": [f"a/folder/and/file{number}.py" for number in range(1000)]}
    body["commits"] = [file] * (size // len(json.dumps(file)) - 5)
    body["padded"] = "x" * (size - len(json.dumps(body)) - len(', "padded": ""'))
    return json.dumps(body).encode()


def test_a_push_as_long_as_github_sends_any_is_taken_and_kept_small(hook: Hooked) -> None:
    body = big_push(25_000_000)
    assert len(body) == 25_000_000
    assert hook.send("push", body).status_code == 202
    with hook.db.read() as session:
        assert len(session.scalars(sa.select(Delivery.body)).one()) < 1_000_000
    assert hook.handle() == {"handled": 1}


@pytest.mark.slow
def test_behind_gunicorn_it_is_answered_in_words_and_not_cut_off(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "flambeau.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"FLAMBEAU_HOME": str(tmp_path), "DATABASE_URL": "", "WEB_CONCURRENCY": "1",
                        "PORT": str(port), "FLAMBEAU_GITHUB_WEBHOOK_SECRET": SECRET.replace(" ", "-")}  # fmt: skip
    server = subprocess.Popen([sys.executable, "-m", "gunicorn", "wsgi:create_app()"], cwd=ROOT, env=env)
    url, answers = f"http://127.0.0.1:{port}", []
    try:
        wait_for(f"{url}/healthz")
        for size in (24_000_000, 27_000_000):
            body = big_push(size)
            told = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "one", "Content-Type": "application/json",
                    "X-Hub-Signature-256": signature(body, SECRET.replace(" ", "-"))}  # fmt: skip
            answers.append(requests.post(f"{url}/api/github/hook", body, headers=told, timeout=120))
    finally:
        server.terminate()
        server.wait(timeout=30)
    assert [one.status_code for one in answers] == [200, 413]
    assert answers[0].json()["said"] == "Codertocat/Hello-World is not counted here and was left"
    assert answers[1].json()["detail"].startswith("This call has 27,000,000 bytes")


def wait_for(url: str) -> None:
    """Until somebody answers there."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"nobody answers at {url}")


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
