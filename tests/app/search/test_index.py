"""The index is what the rows say, however it came about; and nobody who is hidden is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app import backup
from app.contributions.facts import IssueTold, PullRequest, record_issues, record_pull_requests
from app.contributions.models import Change, ChangeState, IssueState, Repository, RepositoryState
from app.db import Database, clock_of
from app.members.models import Organization, OrganizationDomain
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Identity, IdentityPerson, Person
from app.people.queries.decisions import DecisionError
from app.people.rules import Role
from app.search import queries
from app.search.models import Kind, SearchDue, SearchEntry, SearchGram, SearchPosting, SearchTerm
from tests.app.api.conftest import US, Portal


def indexed(session: Session) -> tuple[Any, ...]:
    """The whole index by its words, which keep no number from one making to the next."""
    words = {row.id: row.text for row in session.execute(sa.select(SearchTerm.id, SearchTerm.text))}
    entries = session.execute(sa.select(SearchEntry.kind, SearchEntry.ref, SearchEntry.rank, SearchEntry.text))
    postings = session.execute(sa.select(SearchPosting.term_id, SearchPosting.kind, SearchPosting.rank,
                                         SearchPosting.ref))  # fmt: skip
    grams = session.execute(sa.select(SearchGram.gram, SearchGram.term_id))
    return (sorted(words.values()), sorted(map(tuple, entries)), sorted((words[row[0]], *row[1:]) for row in postings),
            sorted((gram, words[term]) for gram, term in grams))  # fmt: skip


def found(session: Session, text: str, kind: Kind) -> list[str]:
    return [hit.name for hit in queries.find(session, text, kinds=(kind,)).hits.get(kind, [])]


def names(session: Session) -> dict[str, Person]:
    """People by the first three letters of their names."""
    return {one.name[:3]: one for one in session.scalars(sa.select(Person).order_by(Person.id))}


def set_out(db: Database) -> None:
    """Three people, two organizations, a repository with three changes."""
    now = db.clock.now()
    with db.write() as session:
        place = Repository(name="kernels", url="/srv/kernels", state=RepositoryState.READY, added_at=now)
        session.add(place)
        session.add_all([Organization(name=name, slug=name.lower(), kind=OrganizationKind.COMPANY, created_at=now)
                         for name in ("Aldermoor", "Bellweather")])  # fmt: skip
        session.flush()
        ada, ben = ("github", "Ada Nyström", "", "ada-n"), ("github", "Ben Bell", "", "benbell")
        opened = PullRequest(number=1, title="Speed up the softmax", author=ada, state=ChangeState.OPEN,
                             opened_at=now - timedelta(days=9), updated_at=now)  # fmt: skip
        record_pull_requests(session, place.id, [
            opened, replace(opened, number=2, title="Fix the stride of a slice", author=ben),
            replace(opened, number=3, title="Softmax for empty rows"),
        ])  # fmt: skip
        asked = IssueTold("4", "Softmax is slow on small rows", ben, IssueState.OPEN, now - timedelta(days=3), now,
                          number=4)  # fmt: skip
        machine = ("github", "ci", "", "ci-runner")
        record_issues(session, place.id, "github", [
            asked, replace(asked, external_id="5", number=5, title="Nightly softmax failed", author=machine,
                           opened_at=now)])  # fmt: skip
        people.create_person(session, "Cleo Çelik", "cleo@celik.example")
        people.resolve(session)


def edits(session: Session) -> dict[str, Any]:
    """What may happen to rows, also past every function of ours."""
    crowd = names(session)
    alder = session.scalars(sa.select(Organization).order_by(Organization.id)).first()
    change = session.scalars(sa.select(Change).order_by(Change.id)).first()
    assert alder is not None and change is not None  # noqa: PT018 - for the type checker
    day = clock_of(session).now().date()
    return {
        "rename": lambda: people.rename(session, crowd["Ben"], "Benjamin Bell", actor=US, reason="so he says"),
        "hide": lambda: people.hide(session, crowd["Ada"], hidden=True, actor=US, reason="she asks"),
        "show": lambda: people.hide(session, crowd["Ada"], hidden=False, actor=US, reason="she asks"),
        "merge": lambda: people.merge(session, crowd["Cle"], crowd["Ben"], actor=US, reason="the same"),
        "organization": lambda: session.execute(sa.text("UPDATE organization SET name = 'Alder & Moor' WHERE id = 1")),
        "domain": lambda: session.add(OrganizationDomain(organization_id=alder.id, domain="alder.example",
                                                         starts_on=day)),
        "title": lambda: session.execute(sa.text("UPDATE change SET title = 'A kernel faster' WHERE number = 1")),
        "gone": lambda: session.execute(sa.delete(Change).where(Change.id == change.id)),
        "repository": lambda: session.execute(sa.text("UPDATE repository SET name = 'ops' WHERE id = 1")),
        "issue": lambda: session.execute(sa.text("UPDATE issue SET title = 'A row too many' WHERE number = 4")),
        "closed": lambda: session.execute(sa.text("DELETE FROM issue WHERE number = 5")),
        "bot": lambda: session.execute(sa.text("UPDATE identity_person SET role = 'bot' WHERE identity_id IN "
                                               "(SELECT id FROM identity WHERE login = 'ci-runner')")),
        "person": lambda: session.execute(sa.text("UPDATE identity_person SET role = 'person'")),
        "unresolved": lambda: session.execute(sa.text("DELETE FROM identity_person WHERE role = 'bot'")),
        "index": lambda: None,
    }  # fmt: skip


EDITS = ("rename", "hide", "show", "merge", "organization", "domain", "title", "gone", "repository", "issue",
         "closed", "bot", "person", "unresolved", "index")


def test_what_is_indexed_bit_by_bit_is_what_is_indexed_at_once(governed_each: Database) -> None:
    db = governed_each
    set_out(db)
    queries.work_off(db)
    for name in ("hide", "rename", "title", "organization", "domain", "bot", "index", "gone", "merge",
                 "show", "issue", "person", "repository"):
        apply(db, name)
    queries.work_off(db)
    queries.refresh_ranks(db)
    with db.read() as session:
        kept = indexed(session)
        assert session.scalar(sa.select(sa.func.count()).select_from(SearchDue)) == 0
    queries.rebuild(db)
    with db.read() as session:
        assert indexed(session) == kept
        assert len(kept[1]) > 10


def test_what_a_worker_of_before_took_off_the_list_unread_is_indexed_all_the_same(governed_each: Database) -> None:
    db = governed_each
    set_out(db)
    with db.write() as session:
        session.execute(sa.delete(SearchDue).where(SearchDue.kind == Kind.ISSUE))
        session.add(SearchDue(kind=99, ref=1))
    queries.work_off(db)
    with db.read() as session:
        assert found(session, "softmax", Kind.ISSUE) == []
    assert queries.ask_for_missing(db) == 2
    queries.work_off(db)
    with db.read() as session:
        assert len(found(session, "softmax", Kind.ISSUE)) == 2
        assert not queries.is_behind(session)
        assert session.scalars(sa.select(SearchDue.kind)).all() == [99], "another program's, and left to it"
    assert queries.ask_for_missing(db) == 0


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.sampled_from(EDITS), max_size=8))
def test_the_order_of_events_does_not_matter_to_the_index(governed: Database, order: list[str]) -> None:
    with governed.read() as session:
        is_new = not session.scalar(sa.select(sa.func.count()).select_from(Organization))
    if is_new:
        set_out(governed)
    for name in order:
        apply(governed, name)
    queries.work_off(governed)
    queries.refresh_ranks(governed)
    with governed.read() as session:
        kept = indexed(session)
    queries.rebuild(governed)
    with governed.read() as session:
        assert indexed(session) == kept


def apply(db: Database, name: str) -> None:
    if name == "index":
        queries.work_off(db)
        return
    with db.write() as session:
        if session.scalar(sa.select(sa.func.count()).select_from(Change)) == 0:
            return
        try:
            edits(session)[name]()
            session.flush()
        except (KeyError, DecisionError, sa.exc.IntegrityError):
            session.rollback()  # done already


def test_whoever_asks_to_be_hidden_leaves_the_index_in_the_same_transaction(governed_each: Database) -> None:
    set_out(governed_each)
    queries.work_off(governed_each)
    with governed_each.write() as session:
        assert found(session, "nystrom", Kind.PERSON) == ["Ada Nyström"]
        people.hide(session, names(session)["Ada"], hidden=True, actor=US, reason="she asks")
    with governed_each.read() as session:
        assert found(session, "nystrom", Kind.PERSON) == found(session, "ada-n", Kind.PERSON) == []
        kept = " ".join([*session.scalars(sa.select(SearchTerm.text)), *session.scalars(sa.select(SearchEntry.text))])
        assert "nystrom" not in kept
        assert session.scalar(sa.select(SearchGram.gram).where(SearchGram.gram == "yst")) is None


def told_changes(session: Session, titles: list[str], last: str) -> None:
    """A change by each of these titles, and one of the day before."""
    now = clock_of(session).now()
    told = [PullRequest(number=number, title=title, author=None, state=ChangeState.OPEN, opened_at=now, updated_at=now)
            for number, title in enumerate(titles, 91)]  # fmt: skip
    told.append(replace(told[0], number=90, title=last, opened_at=now - timedelta(days=1)))
    record_pull_requests(session, session.scalars(sa.select(Repository.id)).one(), told)


def told_issues(session: Session, titles: list[str], last: str) -> None:
    """The same of issues."""
    now = clock_of(session).now()
    told = [IssueTold(str(number), title, None, IssueState.OPEN, now, now, number=number)
            for number, title in enumerate(titles, 91)]  # fmt: skip
    told.append(replace(told[0], external_id="90", number=90, title=last, opened_at=now - timedelta(days=1)))
    record_issues(session, session.scalars(sa.select(Repository.id)).one(), "github", told)


@pytest.mark.parametrize(("kind", "tell"), [(Kind.CHANGE, told_changes), (Kind.ISSUE, told_issues)])
def test_a_change_or_issue_is_not_found_by_the_name_of_somebody_hidden_in_its_title(
    governed_each: Database, kind: Kind, tell: Callable[[Session, list[str], str], None]
) -> None:
    set_out(governed_each)
    with governed_each.write() as session:
        tell(session, ["Thanks to Ada Nyström for relu"] * 19, "Nyström method for kernels")
    queries.work_off(governed_each)
    with governed_each.write() as session:
        assert len(found(session, "nystrom", kind)) == 8
        people.hide(session, names(session)["Ada"], hidden=True, actor=US, reason="she asks")
    with governed_each.read() as session:
        assert found(session, "ada nystrom", kind) == found(session, "nystrom relu", kind) == []
        assert found(session, "nystrom", kind) == ["Nyström method for kernels"], "nobody is named by it"
        assert len(found(session, "thanks relu", kind)) == 8, "the other words find it"
        slipped = queries.find(session, "ada nystrm", kinds=(kind,))
        assert (slipped.is_empty, slipped.instead) == (True, {}), "nor is the name offered"


def test_a_bots_issues_come_behind_all_others(governed_each: Database) -> None:
    set_out(governed_each)
    queries.work_off(governed_each)
    with governed_each.write() as session:
        assert found(session, "softmax", Kind.ISSUE) == ["Nightly softmax failed", "Softmax is slow on small rows"]
        session.execute(sa.text("UPDATE identity_person SET role = 'bot' WHERE identity_id IN "
                                "(SELECT id FROM identity WHERE login = 'ci-runner')"))  # fmt: skip
    queries.work_off(governed_each)
    with governed_each.read() as session:
        assert found(session, "softmax", Kind.ISSUE) == ["Softmax is slow on small rows", "Nightly softmax failed"]
        assert found(session, "#5", Kind.ISSUE) == ["Nightly softmax failed"]


def test_who_was_hidden_past_every_function_is_not_shown_either(governed: Database) -> None:
    set_out(governed)
    queries.work_off(governed)
    with governed.write() as session:
        session.execute(sa.text("UPDATE person SET hidden_at = '2026-01-01 00:00:00' WHERE name = 'Ada Nyström'"))
        assert found(session, "nystrom", Kind.PERSON) == []


def test_a_login_that_somebody_proved_is_theirs_to_tell(governed: Database) -> None:
    with governed.write() as session:
        person = people.create_person(session, "Dora Dee", "")
        proved = people.intern_identities(session, [("proof:https://github.com", "", "", "secret-dora")])
        (number,) = proved.values()
        session.add(IdentityPerson(identity_id=number, person_id=person.id, home_person_id=person.id, role=Role.PERSON))
    queries.work_off(governed)
    with governed.read() as session:
        assert session.scalar(sa.select(Identity.login).where(Identity.login == "secret-dora"))
        assert found(session, "dora", Kind.PERSON) == ["Dora Dee"]
        assert found(session, "secret", Kind.PERSON) == []


WATCHED = ("change", "identity_person", "issue", "module", "organization", "organization_domain", "person", "release",
           "repository")  # fmt: skip


def test_every_table_whose_words_are_found_tells_of_each_change(db_each: Database) -> None:
    """A later migration that makes one of these tables anew loses its triggers: make them again there."""
    query = ("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'search_%'"
             if db_each.dialect == "sqlite" else
             "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'search_%'")  # fmt: skip
    with db_each.read() as session:
        there = set(session.scalars(sa.text(query)))
    assert {f"search_{table}_{what}" for table in WATCHED for what in ("made", "changed")} <= there


def test_a_backup_leaves_the_index_out_and_a_restored_portal_makes_it_again(own_portal: Portal, tmp_path: Any) -> None:
    backup.backup(own_portal.db, tmp_path, tmp_path / "whole.tar")
    (tmp_path / "other").mkdir()
    restored = Database(f"sqlite:///{tmp_path / 'other' / 'flambeau.db'}", clock=own_portal.db.clock)
    backup.restore(restored, tmp_path / "other", tmp_path / "whole.tar")
    queries.work_off(restored)
    with own_portal.db.read() as one, restored.read() as other:
        assert indexed(one) == indexed(other)
    restored.close()


def test_more_work_moves_somebody_up(portal: Portal) -> None:
    with portal.db.read() as session:
        ranks = dict(session.execute(sa.select(SearchEntry.ref, SearchEntry.rank)
                                     .where(SearchEntry.kind == Kind.PERSON)).all())  # fmt: skip
        work = dict(session.execute(sa.text("SELECT person_id, sum(commits) FROM rollup WHERE module_key IS NULL"
                                            " AND person_id IS NOT NULL GROUP BY person_id")).all())  # fmt: skip
    most, least = max(work, key=lambda one: work[one]), min(work, key=lambda one: work[one])
    assert ranks[most] > ranks[least]


@pytest.mark.parametrize("at", ["made", "changed", "gone"])
def test_what_changes_is_due_until_it_is_indexed(governed: Database, at: str) -> None:
    set_out(governed)
    queries.work_off(governed)
    statement = {
        "made": "INSERT INTO organization (public_id, name, slug, kind, website, description, created_at, version)"
                " VALUES ('o_new', 'Zebrawood', 'z', 'company', '', '', '2026-01-01', 1)",
        "changed": "UPDATE organization SET name = 'Zebrawood' WHERE id = 1",
        "gone": "DELETE FROM organization WHERE id = 1",
    }  # fmt: skip
    with governed.write() as session:
        session.execute(sa.text(statement[at]))
    with governed.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(SearchDue)) == 1
    assert queries.work_off(governed) == 1
    with governed.read() as session:
        assert found(session, "zebra", Kind.ORGANIZATION) == ([] if at == "gone" else ["Zebrawood"])
        assert found(session, "alder", Kind.ORGANIZATION) == (["Aldermoor"] if at == "made" else [])
