"""Identities interned, resolved, decided about; employment derived: on both databases."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from app.audit import Actor, AuditEntry, verify
from app.members import queries as members
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Employment, Identity, IdentityDecision, IdentityPerson, Person
from app.people.queries.decisions import DecisionError, identities_of
from app.people.rules import DecisionKind, Role, StatementSource

ADA = ("git", "Ada Lovelace", "ada@acme.com", "")
ADA_HOME = ("git", "ada", "ada@home.org", "")
BOB = ("git", "Bob", "bob@blu.com", "")
STAFF = Actor.system("staff")


def person_of(session, ids, wording):
    row = session.get_one(IdentityPerson, ids[wording])
    return session.get_one(Person, row.person_id)


def intern(session, *wordings):
    ids = people.intern_identities(session, wordings)
    people.resolve(session)
    return ids


def test_an_identity_is_interned_once_and_a_thousand_at_a_time(db_each):
    many = [("git", f"Name {number}", f"n{number}@acme.com", "") for number in range(1200)]
    with db_each.write() as session:
        first = people.intern_identities(session, [*many, many[0]])
        assert people.intern_identities(session, many) == first
        assert session.scalar(sa.select(sa.func.count()).select_from(Identity)) == 1200
        assert len(people.resolve(session).changed) == 1200
        assert people.resolve(session).changed == frozenset()


@pytest.mark.parametrize("name", ["nul\x00byte", "broken \udc80 surrogate", "x" * 5000, "", "Ünïcödé 名前"])
def test_no_name_that_git_can_hold_is_refused(db_each, name):
    with db_each.write() as session:
        ids = people.intern_identities(session, [("git", name, f"{name}@acme.com", "")])
        assert len(people.resolve(session).changed) == len(ids) == 1


def test_both_databases_refuse_to_change_an_identity_or_a_decision(db_each):
    with db_each.write() as session:
        ids = intern(session, ADA)
        people.decide(session, DecisionKind.BOT, session.get_one(Identity, ids[ADA]), actor=STAFF, reason="It is one.")
    for statement in ("UPDATE identity SET name = 'x'", "DELETE FROM identity_decision"):
        with pytest.raises(sa.exc.DBAPIError, match=r"never changed|only grows"), db_each.write() as session:
            session.execute(sa.text(statement))


def test_a_person_is_made_for_each_unambiguous_identity(db):
    with db.write() as session:
        ids = intern(session, ADA, ("git", "A. L.", "Ada@ACME.com", ""), BOB)
        assert [person.name for person in session.scalars(sa.select(Person).order_by(Person.id))] == [
            "Ada Lovelace",
            "Bob",
        ]
        assert person_of(session, ids, ADA).name == "Ada Lovelace"


def test_a_merge_points_on_and_its_undo_gives_both_back(db_each):
    with db_each.write() as session:
        ids = intern(session, ADA, ADA_HOME)
        one, other = person_of(session, ids, ADA), person_of(session, ids, ADA_HOME)
        changed = people.merge(session, one, other, actor=STAFF, reason="She says so.").changed
        assert changed == {one.id, other.id}
        assert people.canonical(session, other) is one
        decision = session.scalars(sa.select(IdentityDecision)).one()
        people.undo(session, decision, actor=STAFF, reason="It was another Ada.")
        assert person_of(session, ids, ADA_HOME) is other
        assert people.canonical(session, other) is other
        with pytest.raises(DecisionError, match="undone already"):
            people.undo(session, decision, actor=STAFF, reason="Again.")


def test_a_split_makes_a_person_of_its_own_who_stays_the_same_when_repeated(db):
    with db.write() as session:
        shared = ("git", "Team", "ada@acme.com", "")
        ids = intern(session, ADA, shared)
        ada = person_of(session, ids, ADA)
        people.split(session, ada, [session.get_one(Identity, ids[shared])], actor=STAFF, reason="A shared address.")
        team = person_of(session, ids, shared)
        assert (team.name, team is ada) == ("Team", False)
        people.resolve(session)
        assert person_of(session, ids, shared) is team


def test_a_split_of_all_or_none_is_refused(db):
    with db.write() as session:
        ids = intern(session, ADA)
        ada = person_of(session, ids, ADA)
        with pytest.raises(DecisionError, match="at least one stays"):
            people.split(session, ada, identities_of(session, ada), actor=STAFF, reason="All of it.")


def test_a_merge_against_a_standing_decision_is_refused(db):
    with db.write() as session:
        ids = intern(session, ADA, BOB)
        one, other = (session.get_one(Identity, ids[wording]) for wording in (ADA, BOB))
        people.decide(session, DecisionKind.NOT_SAME_AS, one, other=other, actor=STAFF, reason="Two people.")
        ada, bob = person_of(session, ids, ADA), person_of(session, ids, BOB)
        with pytest.raises(DecisionError, match="undo that one first"):
            people.merge(session, ada, bob, actor=STAFF, reason="One person.")


def test_a_mailmap_of_a_repository_never_gives_one_persons_seats_to_another(db):
    with db.write() as session:
        root = people.create_person(session, "Root", "root.person@acme.com")
        eve = people.create_person(session, "Eve", "eve@evil.org")
        people.resolve(session)
        entries = [("git", "Root", "root.person@acme.com", ""), ("git", "Eve", "eve@evil.org", "")]
        ids = people.intern_identities(session, entries)
        people.link_identities(session, "mailmap:r_evil", [tuple(ids.values())])
        resolved = people.resolve(session)
        assert len(resolved.kept_apart) == 1
        assert people.canonical_id(session, eve.id) != people.canonical_id(session, root.id)


def test_links_of_a_source_are_replaced_as_a_whole(db):
    with db.write() as session:
        ids = intern(session, ADA, ADA_HOME)
        assert people.link_identities(session, "mailmap:r1", [(ids[ADA], ids[ADA_HOME])])
        people.resolve(session)
        assert person_of(session, ids, ADA_HOME) is person_of(session, ids, ADA)
        assert people.link_identities(session, "mailmap:r1", [])
        people.resolve(session)
        assert person_of(session, ids, ADA_HOME) is not person_of(session, ids, ADA)


def test_a_decision_that_something_is_a_bot_shows_in_its_role(db):
    with db.write() as session:
        ids = intern(session, BOB)
        identity = session.get_one(Identity, ids[BOB])
        people.decide(session, DecisionKind.LANDING_BOT_FOR, identity, actor=STAFF, reason="Lands.", landing_for="x")
        people.resolve(session)
        assert session.get_one(IdentityPerson, identity.id).role is Role.LANDING_BOT


def test_a_decision_leaves_an_audit_entry_without_any_name_in_it(db):
    with db.write() as session:
        ids = intern(session, ADA, ADA_HOME)
        one, other = person_of(session, ids, ADA), person_of(session, ids, ADA_HOME)
        people.merge(session, one, other, actor=STAFF, reason="Same desk.")
        entry = session.scalars(sa.select(AuditEntry).order_by(AuditEntry.number.desc())).first()
        assert entry.action == "people.identity.same-as"
        assert "ada" not in entry.data.lower()
        assert verify(session).ok


@pytest.fixture
def acme(governed_each):
    with governed_each.write() as session:
        made = members.create_organization(
            session, "Acme", kind=OrganizationKind.COMPANY, actor=STAFF, reason="A new member."
        )
        members.add_domain(session, made, "acme.com", starts_on=date(2024, 1, 1), actor=STAFF, reason="Theirs.")
        return made.id


def employments(session, person):
    rows = session.scalars(
        sa.select(Employment).where(Employment.person_id == person.id).order_by(Employment.starts_on)
    )
    return [(row.organization_id, row.starts_on, row.ends_on, row.source) for row in rows]


def test_an_address_at_a_members_domain_counts_from_the_first_day_it_was_seen_to_the_last(governed_each, acme):
    with governed_each.write() as session:
        ids = people.intern_identities(session, [ADA])
        people.note_activity(session, {ids[ADA]: (date(2025, 3, 1), date(2025, 6, 1))})
        people.note_activity(session, {ids[ADA]: (date(2025, 2, 1), date(2025, 5, 1))})
        people.resolve(session)
        ada = person_of(session, ids, ADA)
        assert employments(session, ada) == [(acme, date(2025, 2, 1), date(2025, 6, 1), StatementSource.EMAIL_DOMAIN)]


def test_a_persons_own_statement_replaces_the_domains_word_at_once_and_its_withdrawal_restores_it(governed_each, acme):
    with governed_each.write() as session:
        ids = intern(session, ADA)
        ada = person_of(session, ids, ADA)
        said = people.state(
            session,
            ada,
            None,
            starts_on=date(2025, 1, 1),
            source=StatementSource.SELF,
            actor=STAFF,
            reason="I am free.",
        )
        assert employments(session, ada) == [
            (acme, date(2024, 1, 1), date(2024, 12, 31), StatementSource.EMAIL_DOMAIN),
            (None, date(2025, 1, 1), None, StatementSource.SELF),
        ]
        people.withdraw(session, said, actor=STAFF, reason="Not any more.")
        assert employments(session, ada) == [(acme, date(2024, 1, 1), None, StatementSource.EMAIL_DOMAIN)]


def test_what_was_said_of_a_merged_person_holds_for_whom_they_became(governed_each, acme):
    with governed_each.write() as session:
        ids = intern(session, BOB, ADA_HOME)
        bob, home = person_of(session, ids, BOB), person_of(session, ids, ADA_HOME)
        people.state(session, home, acme, starts_on=date(2025, 1, 1), source=StatementSource.STAFF, actor=STAFF)
        resolved = people.merge(session, bob, home, actor=STAFF, reason="One person.")
        assert bob.id in resolved.changed
        assert [row[0] for row in employments(session, bob)] == [acme]
        assert employments(session, home) == []


def test_a_bots_address_says_nothing_about_employment(governed_each, acme):
    with governed_each.write() as session:
        wording = ("git", "release[bot]", "release@acme.com", "")
        ids = intern(session, wording)
        assert employments(session, person_of(session, ids, wording)) == []


def test_one_employer_gets_the_days_work_and_a_part_stands_beside_it_and_counts_in_caps(governed_each, acme):
    with governed_each.write() as session:
        blue = members.create_organization(session, "Blue", kind=OrganizationKind.COMPANY, actor=STAFF, reason="New.")
        ids = intern(session, BOB)
        bob = person_of(session, ids, BOB)
        for organization, is_part in ((acme, False), (blue.id, True)):
            people.state(session, bob, organization, starts_on=date(2025, 1, 1), source=StatementSource.SELF,
                         actor=STAFF, is_part=is_part)  # fmt: skip
        assert [row[0] for row in employments(session, bob)] == [acme]
        beside = people.people_beside(session, blue.id, date(2025, 6, 1), limit=9)
        assert [person.id for person, _ in beside] == [bob.id]
        counted = people.counted_employers(session, [bob.id], date(2026, 6, 1), window_days=90)
        assert set(counted[bob.id].employers) == {acme, blue.id}
