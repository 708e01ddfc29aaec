"""The queue of proposals: answered by staff and by people of themselves, and every answer undone again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app import auth, sessions
from app.audit import Actor
from app.people import queries as people
from app.people.models import Identity, IdentityDecision, IdentityPerson, IdentityProposal, Person, Remark
from app.people.queries import Wanted
from app.people.queries.remarks import MOST_OF_ONE_SENDER
from app.people.rules import DecisionKind
from app.people.rules.asking import Verdict

GRACE = [("git", "Grace Hopper", "grace@acme.com", ""), ("git", "Grace Hopper", "ghopper@acme.com", ""),
         ("git", "Grace Hopper", "77+ghopper@users.noreply.github.com", ""), ("github", "", "", "ghopper"),
         ("git", "acme-bot", "auto@acme.com", "")]  # fmt: skip


SEAT = auth.HeldSeat(body="administration", seat="staff", kind="staff")


@pytest.fixture
def staff(client, signed_in):
    return signed_in(client, "p_staff", SEAT, name="Sam Staff")


def enter(app, db, person):
    """A browser in which this very person is signed in."""
    browser = app.test_client()
    with db.write() as session:
        token = sessions.start_session(session, person, "test")
    with browser.session_transaction() as cookie:
        cookie["token"] = token
    return browser


@pytest.fixture
def asked(governed):
    with governed.write() as session:
        ids = people.intern_identities(session, GRACE)
        people.resolve(session)
        people.refresh_proposals(session)
        return ids


def state(session):
    """All that answers may change, and nothing of the log itself."""
    proposals = session.execute(
        sa.select(IdentityProposal.id, IdentityProposal.is_open, IdentityProposal.postponed_until,
                  IdentityProposal.one_person_id, IdentityProposal.other_person_id)
    )  # fmt: skip
    persons = session.execute(sa.select(IdentityPerson.identity_id, IdentityPerson.person_id, IdentityPerson.role))
    return sorted(tuple(row) for row in proposals), sorted((a, b, c.value) for a, b, c in persons)


def first(governed, **wanted):
    with governed.read() as session:
        return people.questions(session, Wanted(**wanted))


@pytest.mark.parametrize("verdict", ["yes", "no", "later"])
def test_one_click_answers_and_the_log_undoes_it(staff, governed, asked, verdict):
    with governed.read() as session:
        before = state(session)
    for question in first(governed):
        form = {"proposal": question.proposal.public_id, "verdict": verdict, "reason": "Looked at both."}
        assert staff.post("/people/proposals/answer", data=form).status_code == 302
        page = staff.get("/people/decisions").text
        assert "Looked at both." in page
        with governed.read() as session:
            newest = session.scalars(sa.select(IdentityDecision).order_by(IdentityDecision.id.desc())).first()
            assert state(session) != before
        undone = staff.post(f"/people/decisions/{newest.public_id}/undo", data={"reason": "Wrong."})
        assert undone.status_code == 302
        with governed.read() as session:
            assert state(session) == before


def test_an_answer_without_a_reason_or_of_something_answered_is_refused(staff, governed, asked):
    question = first(governed)[0]
    form = {"proposal": question.proposal.public_id, "verdict": "no", "reason": ""}
    assert "Not decided" in staff.post("/people/proposals/answer", data=form, follow_redirects=True).text
    form["reason"] = "Two people."
    staff.post("/people/proposals/answer", data=form)
    assert "answered meanwhile" in staff.post("/people/proposals/answer", data=form, follow_redirects=True).text
    assert staff.post("/people/proposals/answer", data={**form, "verdict": "perhaps"}).status_code == 400


def test_all_about_one_person_is_answered_at_once(staff, governed, asked):
    with governed.read() as session:
        grace = session.get_one(Person, session.get_one(IdentityPerson, asked[GRACE[0]]).person_id).public_id
    page = staff.get(f"/people/proposals?person={grace}").text
    assert page.count('name="proposal"') == 2
    with governed.read() as session:
        number = session.scalar(sa.select(Person.id).where(Person.public_id == grace))
        keys = [one.proposal.public_id for one in people.questions(session, Wanted(person=number))]
    form = {"proposal": keys, "verdict": "yes", "reason": "One desk."}
    assert staff.post("/people/proposals/answer", data=form).status_code == 302
    with governed.read() as session:
        persons = {session.get_one(IdentityPerson, asked[wording]).person_id for wording in GRACE[:3]}
        assert len(persons) == 1


def test_the_queue_is_searched_and_filtered(governed, asked):
    assert {one.proposal.kind.value for one in first(governed)} == {"same-as", "bot"}
    assert [one.identity.name for one in first(governed, search="AUTO@acme")] == ["acme-bot"]
    assert all(one.proposal.confidence >= 80 for one in first(governed, least=80))
    assert first(governed, postponed=True) == []


def test_a_person_says_no_of_themselves_and_yes_only_to_strong_evidence_of_what_nobody_claimed(app, governed, asked):
    with governed.write() as session:
        grace = session.get_one(Person, session.get_one(IdentityPerson, asked[GRACE[0]]).person_id)
        grace.claimed_at = session.info["flambeau_clock"].now()
        key = grace.public_id
    browser = enter(app, governed, key)
    assert "Grace Hopper" in browser.get("/people/proposals/mine").text
    own = first(governed, person=grace.id)
    weak = next(one for one in own if one.proposal.confidence < 80)
    strong = next(one for one in own if one.proposal.confidence >= 80)

    def say(question, verdict):
        form = {"proposal": question.proposal.public_id, "verdict": verdict, "reason": "It is me."}
        return browser.post("/people/proposals/answer", data=form, follow_redirects=True)

    assert "needs proof" in say(weak, "yes").text
    assert "can be undone" in say(strong, "yes").text
    strangers = next(one for one in first(governed) if one.proposal.kind.value == "bot")
    assert say(strangers, "no").status_code == 403
    assert browser.get("/people/proposals").status_code == 403
    with governed.read() as session:
        assert session.scalars(sa.select(IdentityDecision.decided_by)).all() == [key]


def test_who_is_meant_is_looked_up_when_it_is_answered_not_when_it_was_proposed(app, governed, asked):
    """A long reading leaves the proposals as they were: meanwhile somebody with seats turned out to be the other."""
    with governed.write() as session:
        grace = session.get_one(Person, session.get_one(IdentityPerson, asked[GRACE[0]]).person_id)
        grace.claimed_at = session.info["flambeau_clock"].now()
        key = grace.public_id
        own = people.questions(session, Wanted(person=grace.id))
        strong = next(one for one in own if one.proposal.confidence >= 80)
        theirs = {strong.one.id, strong.other.id} - {grace.id}
        seated = people.create_person(session, "Rear Admiral", "admiral@navy.mil")
        moved = session.scalars(sa.select(IdentityPerson).where(IdentityPerson.person_id.in_(theirs))).all()
        number = session.scalar(sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id == seated.id))
        people.link_identities(session, "mailmap:x", [(number, one.identity_id) for one in moved])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("app.people.queries.resolution.tell", lambda *_: None)
            people.resolve(session)
    form = {"proposal": strong.proposal.public_id, "verdict": "yes", "reason": "It is me."}
    browser = enter(app, governed, key)
    assert "needs proof" in browser.post("/people/proposals/answer", data=form, follow_redirects=True).text
    with governed.read() as session:
        assert session.get_one(IdentityPerson, number).person_id == seated.id
        assert session.get_one(Person, seated.id).merged_into_id is None
        assert session.get_one(Person, grace.id).merged_into_id is None


def test_one_network_of_the_new_kind_is_one_sender(app, governed, asked):
    with governed.read() as session:
        person = session.scalars(sa.select(Person).order_by(Person.id)).first().public_id
    reader, url = app.test_client(), f"/people/wrong?about=person&thing={person}"
    answers = [reader.post(url, data={"text": "It is wrong."}, environ_base={"REMOTE_ADDR": f"2001:db8::{host}"})
               for host in range(1, MOST_OF_ONE_SENDER + 2)]  # fmt: skip
    assert [one.status_code for one in answers] == [302] * MOST_OF_ONE_SENDER + [429]


def test_a_hidden_person_is_in_no_queue(staff, governed, asked):
    with governed.write() as session:
        for person in session.scalars(sa.select(Person)):
            person.hidden_at = session.info["flambeau_clock"].now()
    assert "Nothing waits" in staff.get("/people/proposals").text


def test_figures_name_what_they_rest_on(governed, asked):
    with governed.write() as session:
        before = people.grounds(session)
        assert (before.identities, before.decisions) == (5, 0)
        people.resolve(session)
        assert people.grounds(session) == before
        question = people.questions(session, Wanted())[0]
        people.answer(session, [question.proposal], Verdict.LATER, actor=Actor.system("t"), reason="Later.")
        after = people.grounds(session)
        assert (after.number, after.decisions) == (before.number + 1, 1)
        assert after.entry > before.entry


HOSTILE = "<script>alert(1)</script> '; DROP TABLE remark; --\u202e"


def test_any_reader_says_that_a_row_is_wrong_and_staff_answer(app, staff, governed, asked):
    with governed.read() as session:
        person = session.scalars(sa.select(Person).order_by(Person.id)).first().public_id
    reader, url = app.test_client(), f"/people/wrong?about=employer&thing={person}&page=/people/{person}"
    assert "whom Grace Hopper works for" in reader.get(url).text
    assert reader.post(url, data={"text": " "}).status_code == 422
    assert reader.post(url, data={"text": HOSTILE}).headers["Location"] == f"/people/{person}"
    page = staff.get("/people/remarks").text
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    with governed.read() as session:
        remark = session.scalars(sa.select(Remark)).one()
    form = {"answer": "Put right.", "version": remark.version}
    assert staff.post(f"/people/remarks/{remark.public_id}", data=form).status_code == 302
    assert "Put right." in staff.get("/people/remarks?state=answered").text


def test_a_program_that_fills_every_field_is_thanked_and_forgotten_and_a_flood_is_stopped(app, governed, asked):
    with governed.read() as session:
        person = session.scalars(sa.select(Person).order_by(Person.id)).first().public_id
    reader, url = app.test_client(), f"/people/wrong?about=person&thing={person}"
    assert reader.post(url, data={"text": "Buy things", "website": "http://spam"}).status_code == 302
    for _ in range(MOST_OF_ONE_SENDER):
        assert reader.post(url, data={"text": "It is wrong."}).status_code == 302
    assert reader.post(url, data={"text": "It is wrong."}).status_code == 429
    with governed.read() as session:
        assert session.scalar(sa.select(sa.func.count(Remark.id))) == MOST_OF_ONE_SENDER


@pytest.mark.parametrize("address", ["employer&thing=p_nobody", "what&thing=p_x", "figure&thing=x", "domain&thing=<x>"])
def test_a_remark_about_nothing_is_not_taken(app, governed, address):
    assert app.test_client().get(f"/people/wrong?about={address}").status_code == 404


def test_whoever_is_hidden_is_named_on_no_page_of_the_audit_log(staff, client, governed, asked):
    with governed.write() as session:
        grace = session.get_one(Person, session.get_one(IdentityPerson, asked[GRACE[0]]).person_id)
        people.rename(session, grace, "Rear Admiral Hopper", actor=Actor.person(grace.public_id),
                      reason="grace hopper (grace@acme.com) asked for it")  # fmt: skip
        for person in session.scalars(sa.select(Person)).all():
            people.hide(session, person, hidden=True, actor=Actor.system("t"), reason="They ask for it.")
    page = client.get("/audit").text
    assert "asked for it" in page
    assert "a hidden person (a hidden person) asked" in page
    assert not any(text in page.lower() for text in ("grace", "hopper"))


def test_as_many_questions_are_counted_as_are_asked_whichever_of_two_a_proposal_names_first(governed_each):
    with governed_each.write() as session:
        people.intern_identities(session, GRACE)
        people.resolve(session)
        people.refresh_proposals(session)
        pairs = session.scalars(sa.select(IdentityProposal).where(
            IdentityProposal.one_person_id != IdentityProposal.other_person_id)).all()  # fmt: skip
        low, high = sorted((pairs[0].one_person_id, pairs[0].other_person_id))
        for at, one in enumerate(pairs):
            one.one_person_id, one.other_person_id = (low, high) if at % 2 else (high, low)
        session.flush()
        for wanted in (Wanted(), Wanted(least=60), Wanted(search="hopper"), Wanted(person=low), Wanted(postponed=True)):
            assert people.count_questions(session, wanted) == len(people.questions(session, wanted, limit=1000))
        assert people.count_questions(session, Wanted(search="hopper")) == 1 < len(pairs)


def test_the_queue_and_the_log_are_the_same_on_both_databases(governed_each):
    with governed_each.write() as session:
        people.intern_identities(session, [*GRACE, ("git", "Grace Hopper", "root@localhost", "")])
        people.resolve(session)
        assert people.refresh_proposals(session) == people.refresh_proposals(session)
        asked = people.questions(session, Wanted(search="hopper", least=60))
        assert people.count_questions(session, Wanted(search="hopper", least=60)) == len(asked) > 0
        before = state(session)
        for verdict in Verdict:
            people.answer(session, [asked[0].proposal], verdict, actor=Actor.system("t"), reason="A test.")
            line = people.decisions_log(session, limit=1)[0]
            assert (line.undone, people.resolve(session).changed) == (False, frozenset())
            people.undo(session, line.decision, actor=Actor.system("t"), reason="A test.")
            assert people.decisions_log(session)[1].undone
            assert state(session) == before


def test_whoever_is_hidden_is_named_on_nobody_elses_page_and_not_in_the_log_of_decisions(app, staff, governed, asked):
    with governed.write() as session:
        (ada,) = people.intern_identities(session, [("git", "Ada Lovelace", "ada@acme.com", "")]).values()
        people.resolve(session)
        pair = [session.get_one(Identity, number) for number in (asked[GRACE[0]], ada)]
        people.decide(session, DecisionKind.NOT_SAME_AS, pair[0], other=pair[1], actor=Actor.system("t"),
                      reason="Ada Lovelace sits elsewhere.")  # fmt: skip
        people.resolve(session)
        grace, hidden = (people.whose(session, one.id) for one in pair)
        people.hide(session, hidden, hidden=True, actor=Actor.system("t"), reason="They ask for it.")
        keys = [grace.public_id, hidden.public_id]
    pages = [app.test_client().get(f"/people/{keys[0]}").text, staff.get("/people/decisions").text]
    assert all("Grace Hopper" in page and "a hidden person" in page for page in pages)
    assert not any("Lovelace" in page for page in pages)
    assert "Ada Lovelace" in staff.get(f"/people/{keys[1]}").text
