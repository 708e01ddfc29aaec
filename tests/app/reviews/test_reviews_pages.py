"""A branch becomes a change, waits in the queue of those who can move it, and passes its two gates, over real git."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from app import audit, auth
from app.audit import AuditEntry
from app.contributions import measuring
from app.contributions.facts import PullRequest, record_pull_requests
from app.contributions.metrics import EventKind
from app.contributions.models import Change, ChangeEvent, ChangeMeasure, ChangeState
from app.people import queries as people
from app.reviews.models import Review

pytestmark = pytest.mark.slow
FIX = {"csrc/ops/add.cpp": "one\nzwei <b>&\nthree\n"}


@pytest.fixture
def opened(foundation):
    """A signed-off branch `fix` that touches the module ops, which Bob and Eve maintain."""
    foundation.bob, foundation.eve = foundation.maintainer("Bob", "ops"), foundation.maintainer("Eve", "ops")
    foundation.commit("Say two in German", FIX)
    foundation.read()
    return foundation


def page(client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text


def say(client, change: Change, verdict: str, text: str = "", **more: str):
    form = {"head": change.head_sha, "verdict": verdict, "text": text, **more}
    return client.post(f"/reviews/{change.public_id}/reviews", data=form)


def words(foundation) -> list[Review]:
    with foundation.db.read() as session:
        return list(session.scalars(sa.select(Review).order_by(Review.id)))


def test_an_empty_queue_says_how_to_make_a_change(foundation, client):
    assert "git switch -c fix" in page(client, "/reviews/")


def test_a_branch_is_a_change_with_its_module_and_its_size(opened, client):
    change = opened.change()
    text = page(client, "/reviews/")
    assert change.title == "Say two in German"
    assert f"/reviews/{change.public_id}" in text
    assert "ops" in text
    assert "+1" in text


def test_a_branch_is_in_the_log_before_it_is_measured_or_two_would_wait_for_each_other(foundation, monkeypatch):
    logged, orders = [], []
    record, take_turn = audit.record, measuring.take_turn
    monkeypatch.setattr(audit, "record", lambda session, **entry: logged.append(session) or record(session, **entry))
    monkeypatch.setattr(measuring, "take_turn", lambda *given: orders.append(given[0] in logged) or take_turn(*given))
    foundation.commit("Say two in German", FIX)
    foundation.read()
    foundation.git("switch", "-q", "main")
    foundation.git("branch", "-qD", "fix")
    foundation.read()
    assert orders == [True, True]  # opened, closed


def test_the_default_branch_and_a_branch_without_commits_of_its_own_are_no_changes(foundation, client):
    foundation.read()
    assert "git switch -c fix" in page(client, "/reviews/")


def test_the_page_shows_the_difference_escaped(opened, client):
    text = page(client, f"/reviews/{opened.change().public_id}")
    assert "+zwei &lt;b&gt;&amp;" in text
    assert "zwei <b>" not in text


def test_the_change_waits_in_the_queues_of_the_modules_maintainers_alone(opened, client, signed_in):
    signed_in(client, opened.bob)
    assert "Your turn" in page(client, "/reviews/")
    signed_in(client, opened.maintainer("Mallory", "nn"))
    assert "Your turn" not in page(client, "/reviews/")


def test_a_maintainers_approval_opens_the_gate_and_is_in_the_audit_log(opened, client, signed_in):
    change = opened.change()
    signed_in(client, opened.bob)
    assert say(client, change, "approve").status_code == 302
    text = page(client, f"/reviews/{change.public_id}")
    assert "Ready to merge." in text
    with opened.db.read() as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "reviews.approve")).one()
    assert (entry.actor_id, entry.thing) == (opened.bob, change.public_id)


def test_a_strangers_approval_counts_for_nothing(opened, client, signed_in):
    change = opened.change()
    signed_in(client, opened.maintainer("Mallory", "nn"))
    say(client, change, "approve")
    assert "The reviewers’ turn." in page(client, f"/reviews/{change.public_id}")


def test_a_new_push_makes_approvals_lapse_and_keeps_what_was_said(opened, client, signed_in):
    change = opened.change()
    signed_in(client, opened.bob)
    say(client, change, "approve", "Good as it is.")
    opened.commit("And three", {"csrc/ops/add.cpp": "one\nzwei\ndrei\n"})
    opened.read()
    text = page(client, f"/reviews/{change.public_id}")
    assert "The reviewers’ turn." in text
    assert "lapsed with a later push" in text
    assert "Good as it is." in text


def test_a_verdict_on_a_head_that_has_moved_is_refused_with_the_text_kept(opened, client, signed_in):
    change = opened.change()
    signed_in(client, opened.bob)
    opened.commit("And three", {"csrc/ops/add.cpp": "one\nzwei\ndrei\n"})
    opened.read()
    answer = say(client, change, "approve", "Looks right.")
    assert answer.status_code == 422
    assert "earlier push" in answer.text
    assert "Looks right." in answer.text
    assert words(opened) == []


@pytest.mark.parametrize(
    ("form", "problem"),
    [({"verdict": "merge"}, "must be comment"), ({"verdict": "comment"}, "is empty"),
     ({"verdict": "comment", "text": "x" * 20_001}, "at most"), ({"at": "9n9", "line_text": "x"}, "choose the line")],
)  # fmt: skip
def test_a_form_that_cannot_be_taken_says_why_and_loses_nothing(opened, client, signed_in, form, problem):
    change = opened.change()
    signed_in(client, opened.bob)
    answer = say(client, change, **{"verdict": "comment", **form})
    assert answer.status_code == 422
    assert problem in answer.text
    assert words(opened) == []


def test_a_comment_on_a_line_stands_at_that_line(opened, client, signed_in):
    change = opened.change()
    signed_in(client, opened.bob)
    text = page(client, f"/reviews/{change.public_id}?at=0n2")
    assert 'name="at" value="0n2"' in text
    assert say(client, change, "comment", at="0n2", line_text="Warum?").status_code == 302
    word = words(opened)[0]
    assert (word.path, word.side.value, word.line, word.text) == ("csrc/ops/add.cpp", "new", 2, "Warum?")
    text = page(client, f"/reviews/{change.public_id}")
    assert re.search(r'id="L0n2".*?Warum\?', text, re.S)


def test_nobody_says_anything_without_signing_in(opened, client):
    assert say(client, opened.change(), "approve").status_code in (302, 401, 403)
    assert words(opened) == []


def test_an_approval_by_who_wrote_an_earlier_commit_does_not_count(opened, client, signed_in):
    (opened.source / "csrc/ops/add.cpp").write_text("one\nzwei\ndrei\n")
    opened.git("commit", "-qasm", "Say three in German", author=("Bob", "bob@maintainer.example"))
    opened.commit("Say one in German", {"csrc/ops/add.cpp": "eins\nzwei\ndrei\n"})
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    assert "An author does not approve their own change." in page(client, f"/reviews/{change.public_id}")
    assert "Both gates let it through." not in page(client, f"/reviews/{change.public_id}")
    say(signed_in(client, opened.eve), change, "approve")
    assert "Both gates let it through." in page(client, f"/reviews/{change.public_id}")


def test_a_stranger_who_may_be_the_approver_needs_one_approval_more_until_staff_settle_who_it_is(
    opened, client, signed_in, app
):
    opened.git("commit", "-q", "--amend", "-s", "-m", "Say two", "--reset-author", author=("B", "b@home.example"))
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    text = page(client, f"/reviews/{change.public_id}")
    assert "1 of 2 approvals of this head. B &lt;b…@home.example&gt; is nobody that the portal knows" in text
    assert "The reviewers’ turn." in text
    assert "Your turn" not in page(client, "/reviews/")
    nearest = text.split("What would make this mergeable?")[1].split("</section>")[0]
    assert ("Eve" in nearest, "Bob" in nearest) == (True, False)
    staff = signed_in(app.test_client(), "p_staff", auth.HeldSeat("administration", "staff", "staff"))
    assert "b@home.example" not in text
    assert "/people/new?name=B&amp;email=b@home.example" in page(staff, f"/reviews/{change.public_id}")
    data = {"name": "B", "email": "b@home.example", "reason": "A first change."}
    assert staff.post("/people/new", data=data).status_code == 302
    assert "Ready to merge." in page(client, f"/reviews/{change.public_id}")


def test_a_stranger_who_turns_out_to_be_the_approver_has_approved_nothing(opened, client, signed_in, app):
    opened.git("commit", "-q", "--amend", "-s", "-m", "Say two", "--reset-author", author=("B", "b@home.example"))
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    root = signed_in(app.test_client(), "p_root", auth.HeldSeat("administration", "administrator", "administrator"))
    made = root.post("/people/new", data={"name": "B", "email": "b@home.example", "reason": "A first change."})
    assert root.post(f"{made.location}/merge", data={"other": opened.bob, "reason": "He told us."}).status_code == 302
    assert "An author does not approve their own change." in page(client, f"/reviews/{change.public_id}")
    say(signed_in(client, opened.eve), change, "approve")
    assert "Ready to merge." in page(client, f"/reviews/{change.public_id}")


def test_a_co_author_does_not_approve_either(opened, client, signed_in):
    named = "Say two\n\nCo-authored-by: Bob <bob@maintainer.example>\nCo-authored-by: Claude <noreply@anthropic.com>"
    opened.git("commit", "-q", "--amend", "-s", "-m", f"{named}\nSigned-off-by: Bob <bob@maintainer.example>")
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    text = page(client, f"/reviews/{change.public_id}")
    assert "An author does not approve their own change." in text
    assert "is nobody that the portal knows" not in text, "a tool is nobody who could approve"
    say(signed_in(client, opened.eve), change, "approve")
    assert "Ready to merge." in page(client, f"/reviews/{change.public_id}")


def test_a_co_author_whom_nobody_knows_may_be_the_approver(opened, client, signed_in):
    named = "Say two\n\nCo-authored-by: Kim <kim@home.example>\nCo-authored-by: Somebody"
    opened.git("commit", "-q", "--amend", "-s", "-m", named)
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    text = page(client, f"/reviews/{change.public_id}")
    assert "1 of 3 approvals of this head." in text
    assert "Kim &lt;k…@home.example&gt;" in text


def test_an_address_that_many_write_under_settles_nobody(opened, client, signed_in):
    with opened.db.write() as session:
        people.intern_identities(session, [("git", "Somebody", "root@build.local", "")])
        people.resolve(session)
    opened.git("commit", "-q", "--amend", "-s", "-m", "Say two", "--reset-author", author=("Me", "root@build.local"))
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    assert "1 of 2 approvals of this head." in page(client, f"/reviews/{change.public_id}")
    say(signed_in(client, opened.eve), change, "approve")
    assert "Ready to merge." in page(client, f"/reviews/{change.public_id}")


def test_two_names_under_an_address_that_many_write_under_are_two_strangers(opened, client, signed_in):
    for name in ("Me", "You"):
        opened.git("commit", "-q", "--allow-empty", "-s", "-m", f"By {name}", author=(name, "root@build.local"))
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    assert "1 of 3 approvals of this head." in page(client, f"/reviews/{change.public_id}")


def test_a_bot_that_is_known_settles_nobody(opened, client, signed_in):
    bot = ("dependabot[bot]", "dependabot@robots.example")
    with opened.db.write() as session:
        people.intern_identities(session, [("git", *bot, "")])
        people.resolve(session)
    opened.git("commit", "-q", "--amend", "-s", "-m", "Say two", "--reset-author", author=bot)
    opened.read()
    change = opened.change()
    say(signed_in(client, opened.bob), change, "approve")
    assert "1 of 2 approvals of this head." in page(client, f"/reviews/{change.public_id}")


def test_an_unsigned_commit_is_the_authors_turn(foundation, client):
    foundation.commit("Unsigned", FIX, sign=False)
    foundation.read()
    text = page(client, f"/reviews/{foundation.change().public_id}")
    assert "The author’s turn." in text
    assert "lacks the sign-off of Ada Author &lt;ada@author.example&gt;" in text


def test_a_merged_branch_is_merged_and_a_deleted_one_closed(opened, client):
    opened.git("switch", "-qc", "other", "main")
    opened.commit("Other", {"docs/ops.md": "more\n"})
    opened.read()
    opened.git("switch", "-q", "main")
    opened.git("merge", "-q", "--no-ff", "-m", "Merge fix", "fix")
    opened.git("branch", "-qD", "other")
    opened.read()
    assert opened.change("fix").state is ChangeState.MERGED
    assert opened.change("other").state is ChangeState.CLOSED
    assert "Lately closed" in page(client, "/reviews/")


def test_a_merged_branch_that_is_then_deleted_stays_merged_and_one_that_comes_back_opens_again(opened):
    opened.git("switch", "-q", "main")
    opened.git("merge", "-q", "--no-ff", "-m", "Merge fix", "fix")
    opened.git("branch", "-qD", "fix")
    opened.read()
    assert opened.change().state is ChangeState.MERGED
    opened.git("switch", "-qc", "fix")
    opened.commit("Again", {"csrc/ops/add.cpp": "uno\n"})
    opened.read()
    assert opened.change().state is ChangeState.OPEN


def test_what_happens_to_a_branch_and_what_is_said_of_it_are_events_of_one_timeline(opened, client, signed_in):
    change = opened.change()
    signed_in(client, opened.bob)
    say(client, change, "approve")
    opened.commit("And three", {"csrc/ops/add.cpp": "one\nzwei\ndrei\n"})
    opened.read()
    opened.git("switch", "-q", "main")
    opened.git("merge", "-q", "--no-ff", "-m", "Merge fix", "fix")
    for _ in range(2):  # reading again tells nothing new
        opened.read()
    with opened.db.read() as session:
        told = session.scalars(sa.select(ChangeEvent.kind).order_by(ChangeEvent.id)).all()
        found = session.get_one(ChangeMeasure, change.id)
    assert told == [EventKind.OPENED, EventKind.APPROVED, EventKind.PUSHED, EventKind.MERGED]
    assert (found.is_answered, found.reviewers, found.pushes, found.merged_at is not None) == (True, 1, 1, True)


def test_a_pull_request_from_a_branch_is_one_change_of_which_its_forge_says_whether_it_is_open(opened):
    before = opened.change()
    moment = before.updated_at
    request = PullRequest(7, "Say two in German, please", ("github", "Ada", "", "ada"), ChangeState.OPEN, moment,
                          moment, head_ref="fix")  # fmt: skip
    with opened.db.write() as session:
        record_pull_requests(session, before.repository_id, [request])
    opened.commit("And three", {"csrc/ops/add.cpp": "one\nzwei\ndrei\n"})
    opened.read()
    after = opened.change("7")
    assert (after.public_id, after.title) == (before.public_id, "Say two in German, please")
    assert after.head_sha != before.head_sha  # git says what its commits are
    opened.git("switch", "-q", "main")
    opened.git("branch", "-qD", "fix")
    opened.read()
    assert opened.change("7").state is ChangeState.OPEN


def test_a_queue_of_very_many_changes_shows_those_that_moved_last(opened, client, monkeypatch):
    monkeypatch.setattr("app.reviews.queries.OPEN_SHOWN", 1)
    opened.git("switch", "-qc", "other", "main")
    opened.commit("Other", {"docs/ops.md": "more\n"})
    opened.read()
    assert "Of 2 open changes the 1 that moved last are shown." in page(client, "/reviews/")


def test_a_rewritten_branch_stays_the_same_change(opened):
    before = opened.change()
    opened.git("commit", "-q", "--amend", "-s", "-m", "Say two in German, properly")
    opened.read()
    after = opened.change()
    assert (after.public_id, after.title) == (before.public_id, "Say two in German, properly")
    assert after.head_sha != before.head_sha


def test_a_hostile_branch_name_and_message_are_shown_as_text(foundation, client):
    foundation.git("switch", "-qc", 'x"><script>alert(1)</script>')
    foundation.commit("<img src=x onerror=alert(1)>", FIX)
    foundation.read()
    text = page(client, "/reviews/")
    assert "<img src=x" not in text
    assert "<script>alert" not in text
    assert "&lt;img src=x" in text
