"""Claims: what is proved becomes a person's at once, and nobody gets what another proved or holds."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, AuditEntry
from app.db import Database
from app.people import queries as people
from app.people.models import Identity, IdentityPerson, Person, Proof
from app.people.queries import Proven
from app.people.queries.proofs import GITHUB, ProofError, source_of
from app.people.rules import DecisionKind, Named, assign, resolve

US = Actor.system("test")
ADA, OLD = "ada@acme.com", "ada@home.org"
WHY = "a test says so"


def github(number: int, login: str, name: str = "Ada") -> Proven:
    noreply = f"{number}+{login}@users.noreply.github.com"
    return Proven.login(GITHUB, str(number), login, name=name, noreply=noreply)


def seen(session: Session, *entries: tuple[str, str, str, str]) -> list[int]:
    """Identities as sources wrote them, resolved."""
    made = people.intern_identities(session, entries)
    people.resolve(session)
    return [made[entry] for entry in entries]


def whose(session: Session, identity: int) -> Person:
    return session.get_one(Person, session.get_one(IdentityPerson, identity).person_id)


def newcomer(session: Session, *proven: Proven) -> Person:
    person = people.arrive(session, "Ada")
    people.prove(session, person, proven, reason=WHY)
    return person


def git(name: str, email: str) -> tuple[str, str, str, str]:
    return ("git", name, email, "")


def test_commits_under_a_proved_address_are_theirs_at_once(db_each: Database) -> None:
    with db_each.write() as session:
        before, other = seen(session, git("A. Lovelace", "Ada@acme.com"), git("Eve", "eve@x.org"))
        ada = newcomer(session, Proven.address(ADA))
        (after,) = seen(session, git("ada", ADA))
        assert whose(session, before).id == whose(session, after).id == ada.id
        assert whose(session, other).id != ada.id
        assert people.owner_of(session, Proven.address("ADA@acme.com")) is ada


def test_the_same_address_cannot_be_proved_twice(db_each: Database) -> None:
    with db_each.write() as session:
        (commit,) = seen(session, git("Ada", ADA))
        ada, eve = newcomer(session, Proven.address(ADA)), people.arrive(session, "Eve")
        kept, contested = people.prove(session, eve, [Proven.address(ADA)], reason=WHY)
        again = people.prove(session, eve, [Proven.address(ADA)], reason=WHY)[1]
        assert (kept, again) == ([], contested)
        assert people.owner_of(session, Proven.address(ADA)) is ada
        assert whose(session, commit) is ada
        (dispute,) = people.disputes(session, limit=9)
        assert (dispute.newcomer, dispute.holder, dispute.proof) == (eve, ada, contested[0])


@pytest.mark.parametrize("is_theirs", [True, False])
def test_staff_settle_whose_an_address_is(db: Database, is_theirs: bool) -> None:
    with db.write() as session:
        (commit,) = seen(session, git("Ada", ADA))
        ada, eve = newcomer(session, Proven.address(ADA)), people.arrive(session, "Eve")
        proof = people.prove(session, eve, [Proven.address(ADA)], reason=WHY)[1][0]
        people.settle(session, proof, is_theirs=is_theirs, actor=US, reason=WHY)
        assert people.owner_of(session, Proven.address(ADA)) is (eve if is_theirs else ada)
        assert whose(session, commit) is (eve if is_theirs else ada)
        assert people.disputes(session, limit=9) == []
        with pytest.raises(ProofError, match="settled already"):
            people.settle(session, proof, is_theirs=True, actor=US, reason=WHY)


def test_a_dispute_ends_when_both_turn_out_to_be_one_person(db: Database) -> None:
    with db.write() as session:
        ada, again = newcomer(session, Proven.address(ADA)), newcomer(session, github(1, "ada"))
        people.prove(session, again, [Proven.address(ADA)], reason=WHY)
        people.merge(session, ada, again, actor=US, reason=WHY)
        assert people.disputes(session, limit=9) == []
        owners = {people.owner_of(session, what) for what in (Proven.address(ADA), github(1, "ada"))}
        assert owners == {ada}


def test_work_of_somebody_who_can_sign_in_stays_theirs_until_staff_decide(db: Database) -> None:
    with db.write() as session:
        (commit,) = seen(session, git("Grace", "grace@acme.com"))
        grace = whose(session, commit)
        grace.claimed_at = grace.created_at
        eve = newcomer(session, Proven.address("grace@acme.com"))
        assert whose(session, commit) is grace
        assert [{one, other} for one, other, _why in people.kept_apart(session, limit=9)] == [{grace, eve}]


def test_what_is_let_go_of_goes_back_and_the_next_may_prove_it(db_each: Database) -> None:
    with db_each.write() as session:
        (commit,) = seen(session, git("Ada", ADA))
        before = whose(session, commit)
        ada = newcomer(session, Proven.address(OLD), Proven.address(ADA))
        proof = next(one for one in people.proofs_of(session, ada.id) if one.subject == ADA)
        people.release(session, proof, actor=US, reason=WHY)
        assert whose(session, commit) is before
        assert people.owner_of(session, Proven.address(ADA)) is None
        assert people.was_let_go(session, ada, Proven.address(ADA))
        with pytest.raises(ProofError, match="let go of already"):
            people.release(session, proof, actor=US, reason=WHY)
        eve = newcomer(session, Proven.address(ADA))
        assert whose(session, commit) is eve
        assert ada.merged_into_id is None


def test_a_login_is_its_number_and_not_its_name(db: Database) -> None:
    with db.write() as session:
        newcomer(session, github(1, "ada"))
        assert people.owner_of(session, github(2, "ada")) is None
        assert people.owner_of(session, github(1, "renamed")) is not None


def test_a_renamed_login_keeps_its_work_and_the_names_next_owner_gets_none_of_it(db: Database) -> None:
    with db.write() as session:
        under_name, under_number = seen(
            session, ("github", "", "", "ada"), git("Ada", "1+ada@users.noreply.github.com")
        )
        ada = newcomer(session, github(1, "ada"))
        assert whose(session, under_name) is whose(session, under_number) is ada
        people.note_use(session, github(1, "countess"))
        assert [one.shown for one in people.proofs_of(session, ada.id)] == ["countess"]
        eve = newcomer(session, github(2, "ada", name="Eve"))
        assert whose(session, under_name) is whose(session, under_number) is ada
        assert people.owner_of(session, github(2, "ada")) is eve
        (later,) = seen(session, git("Ada", "1+countess@users.noreply.github.com"))
        assert whose(session, later) is ada


def test_the_same_login_of_two_issuers_is_two_logins(db: Database) -> None:
    with db.write() as session:
        here = Proven.login("https://one.example", "7", "ada", name="Ada")
        there = Proven.login("https://two.example", "7", "ada", name="Ada")
        assert newcomer(session, here) is not newcomer(session, there)
        assert people.kept_apart(session, limit=9) == []


def test_another_github_has_logins_of_its_own() -> None:
    assert source_of(GITHUB) == "github"
    assert source_of("https://ghe.acme.com") == "github:ghe.acme.com"


def test_a_mailmap_by_strangers_never_outdoes_a_proof(db: Database) -> None:
    with db.write() as session:
        mine, theirs = seen(session, git("Ada", ADA), git("Eve", "eve@x.org"))
        people.link_identities(session, "mailmap:repository", [(mine, theirs)])
        people.resolve(session)
        ada, eve = newcomer(session, Proven.address(ADA)), newcomer(session, Proven.address("eve@x.org"))
        assert (whose(session, mine), whose(session, theirs)) == (ada, eve)


def test_a_shared_address_signs_in_and_makes_nobodys_work_theirs(db: Database) -> None:
    with db.write() as session:
        (commit,) = seen(session, git("Somebody", "root@acme.com"))
        person = newcomer(session, Proven.address("root@acme.com"))
        assert people.owner_of(session, Proven.address("root@acme.com")) is person
        assert whose(session, commit) is not person


def test_whoever_asked_to_be_hidden_stays_hidden_when_they_come(db: Database) -> None:
    with db.write() as session:
        (commit,) = seen(session, git("Ada", ADA))
        people.hide(session, whose(session, commit), hidden=True, actor=US, reason=WHY)
        assert people.known_as(session, [Proven.address(ADA)]) == ""
        person = newcomer(session, Proven.address(ADA))
        assert person.hidden_at is not None
        told = sa.select(AuditEntry.thing).where(AuditEntry.action == "people.person.hide").order_by(AuditEntry.number)
        assert session.scalars(told).all()[-1] == person.public_id


def test_staffs_word_and_the_mailbox_together_are_enough(db: Database) -> None:
    with db.write() as session:
        grace = people.create_person(session, "Grace", "grace@acme.com")
        people.create_person(session, "Unclaimed", "other@acme.com", claimed=False)
        assert people.entered_for(session, "GRACE@acme.com") is grace
        assert people.entered_for(session, "other@acme.com") is None
        people.prove(session, grace, [Proven.address("grace@acme.com")], reason=WHY)
        (proof,) = people.proofs_of(session, grace.id)
        people.release(session, proof, actor=US, reason=WHY)
        assert people.entered_for(session, "grace@acme.com") is None, "the next holder of the mailbox is somebody else"


def test_who_was_taken_apart_again_is_opened_by_their_own_address_alone(db: Database) -> None:
    with db.write() as session:
        grace = people.create_person(session, "Grace", "grace@acme.com")
        people.create_person(session, "Grace", "grace@home.org")
        entered = [
            session.get_one(Identity, number)
            for number in session.scalars(sa.select(Identity.id).order_by(Identity.id))
        ]
        people.merge(session, grace, whose(session, entered[1].id), actor=US, reason=WHY)
        people.split(session, grace, [entered[0]], actor=US, reason=WHY)
        assert people.entered_for(session, "grace@acme.com") is whose(session, entered[0].id) is grace
        assert people.entered_for(session, "grace@home.org") is whose(session, entered[1].id) is not grace


def test_evidence_of_machines_and_the_mailbox_are_not_enough(db: Database) -> None:
    with db.write() as session:
        grace = people.create_person(session, "Grace", "grace@acme.com")
        (commit,) = seen(session, git("Grace", "eve@x.org"))
        entered = session.scalar(sa.select(Identity.id).where(Identity.source == "portal"))
        people.link_identities(session, "mailmap:hostile", [(commit, int(entered or 0))])
        people.resolve(session)
        assert whose(session, commit) is grace
        assert people.entered_for(session, "eve@x.org") is None


def test_an_account_stays_with_what_was_proved_whatever_else_is_split_off(db: Database) -> None:
    with db.write() as session:
        (oldest,) = seen(session, git("Ada", OLD))
        ada = newcomer(session, Proven.address(ADA))
        anchor = session.get_one(Identity, people.proofs_of(session, ada.id)[0].identity_id)
        first = session.get_one(Identity, oldest)
        people.decide(session, DecisionKind.SAME_AS, first, other=anchor, actor=US, reason=WHY)
        people.resolve(session)
        assert whose(session, oldest) is ada
        people.split(session, ada, [first], actor=US, reason=WHY)
        assert whose(session, oldest) is not ada
        assert whose(session, anchor.id) is ada


def test_two_accounts_that_were_merged_come_apart_whole(db: Database) -> None:
    with db.write() as session:
        ada, eve = newcomer(session, Proven.address(ADA)), newcomer(session, Proven.address("eve@x.org"))
        people.merge(session, ada, eve, actor=US, reason=WHY)
        assert people.canonical(session, eve) is ada
        (line, *_rest) = people.record_of(session, ada).decisions
        people.undo(session, line.decision, actor=US, reason=WHY)
        assert [people.owner_of(session, Proven.address(one)) for one in (ADA, "eve@x.org")] == [ada, eve]
        assert (ada.merged_into_id, eve.merged_into_id) == (None, None)


def test_a_merge_outlives_the_proofs_and_the_log_still_reads(db: Database) -> None:
    with db.write() as session:
        seen(session, ("github", "", "", "ada"))
        ada, eve = newcomer(session, github(1, "ada")), newcomer(session, Proven.address("eve@x.org"))
        people.note_use(session, github(1, "countess"))
        people.merge(session, ada, eve, actor=US, reason=WHY)
        for proof in people.proofs_of(session, ada.id):
            people.release(session, proof, actor=US, reason=WHY)
        assert people.canonical(session, eve) is ada, "staff made them one, whatever they let go of"
        lines = people.decisions_log(session)
        assert {line.sides[0].person for line in lines} == {ada}
        assert {people.whose(session, line.sides[0].identity.id) for line in lines} == {ada}


def test_resolving_around_a_proof_is_resolving_everybody(db: Database) -> None:
    with db.write() as session:
        numbered = [git(name, f"1+{name}@users.noreply.github.com") for name in ("old", "ada")]
        seen(session, git("Ada", ADA), *numbered, ("github", "", "", "ada"), git("Eve", "eve@x.org"))
        ada = newcomer(session, Proven.address(ADA), github(1, "ada"))
        newcomer(session, github(2, "ada"), Proven.address("eve@x.org"))

        def now() -> dict[int, int]:
            session.flush()
            return dict(session.execute(sa.select(IdentityPerson.identity_id, IdentityPerson.person_id)).all())  # type: ignore[arg-type]  # pairs

        around = now()
        people.resolve(session)
        assert now() == around
        for proof in people.proofs_of(session, ada.id):
            people.release(session, proof, actor=US, reason=WHY)
            around = now()
            people.resolve(session)
            assert now() == around


def test_each_claim_has_its_entry_and_the_log_keeps_no_address(db: Database) -> None:
    with db.write() as session:
        ada = newcomer(session, Proven.address(ADA))
        people.prove(session, people.arrive(session, "Eve"), [Proven.address(ADA)], reason=WHY)
        people.release(session, people.proofs_of(session, ada.id)[0], actor=US, reason=WHY)
        entries = list(session.scalars(sa.select(AuditEntry).order_by(AuditEntry.number)))
        assert [one.action.removeprefix("people.") for one in entries] == [
            "person.arrive", "proof.add", "person.arrive", "proof.contest", "proof.release",
        ]  # fmt: skip
        assert not any(ADA in f"{one.data}{one.personal}{one.reason}" for one in entries)


def test_the_database_itself_refuses_a_second_proof_in_force(db_each: Database) -> None:
    names = ("person_id", "identity_id", "kind", "issuer", "subject", "shown", "proved_by", "proved_at", "used_at")
    with db_each.write() as session:
        ada = newcomer(session, Proven.address(ADA))
        (proof,) = people.proofs_of(session, ada.id)
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.execute(
                sa.insert(Proof).values({name: getattr(proof, name) for name in names} | {"public_id": "k_2"})
            )


def test_the_rules_do_not_care_in_which_order_identities_come() -> None:
    named = [
        Named(1, "Ada", ADA),
        Named(2, "", ADA, "p_ada", "proof:mail", proved=7),
        Named(3, "Ada", "9+ada@users.noreply.github.com", home=4),
        Named(4, "Ada", "9+ada@users.noreply.github.com", "ada", "proof:github", proved=7),
    ]
    forwards, backwards = resolve(named, claimed=frozenset({7})), resolve(named[::-1], claimed=frozenset({7}))
    assert forwards == backwards
    assert [one.identities for one in forwards.groups] == [(1, 2, 3, 4)]
    assert assign(forwards.groups, {3: 4}, frozenset({7}), {2: 7, 4: 7}).merged == {4: 7}
