"""A resolution of what hangs together with a few identities comes out as one of everybody."""

from __future__ import annotations

from contextlib import contextmanager

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.audit import Actor
from app.people import queries as people
from app.people.models import Identity, IdentityDecision, IdentityPerson, Person
from app.people.queries.decisions import DecisionError
from app.people.rules import DecisionKind

STAFF = Actor.system("staff")
WORDINGS = [
    ("git", "Ada", "ada@x.org", ""), ("git", "A. L.", "ada@x.org", ""), ("git", "Ada", "ada@home.org", ""),
    ("github", "", "", "AdaL"), ("github", "Ada", "ada@home.org", "adal"), ("git", "Ada", "noreply@x.org", ""),
    ("git", "Ada", "noreply@x.org", "l"), ("git", "Bob", "bob@x.org", ""), ("git", "Bo", "bo@y.org", ""),
    ("gitlab", "", "", "adal"), ("git", "bot", "bob@x.org", ""), ("git", "Cy", "cy@z.org", ""),
]  # fmt: skip
number = st.integers(0, len(WORDINGS) - 1)
steps = st.lists(
    st.tuples(st.sampled_from(["same", "apart", "bot", "person", "undo", "link", "claim", "intern"]), number, number),
    min_size=1, max_size=5,
)  # fmt: skip


@contextmanager
def undone(db):
    """A writing session whose work is undone at the end."""
    try:
        with db.write() as session:
            yield session
            raise InterruptedError
    except InterruptedError:
        pass


def standing(session):
    """Who is with whom, in what role; and whose row points on."""
    rows = session.execute(sa.select(IdentityPerson.identity_id, IdentityPerson.person_id, IdentityPerson.role)).all()
    merged = session.execute(sa.select(Person.id, Person.merged_into_id).where(Person.merged_into_id.is_not(None)))
    return sorted((one, person, role.value) for one, person, role in rows), sorted(tuple(row) for row in merged)


def take(session, ids, kind, one, other):
    """One step of a history; gives the identities that it touches."""
    left, right = session.get_one(Identity, ids[one]), session.get_one(Identity, ids[other])
    match kind:
        case "undo":
            decisions = list(session.scalars(sa.select(IdentityDecision).order_by(IdentityDecision.id)))
            if not decisions:
                return []
            chosen = decisions[one % len(decisions)]
            try:
                people.undo(session, chosen, actor=STAFF, reason="A test.")
            except DecisionError:
                return []
            return [chosen.identity_id]
        case "link":
            people.link_identities(session, f"mailmap:{one}", [(left.id, right.id)])
        case "claim":
            person = session.get_one(Person, session.get_one(IdentityPerson, left.id).home_person_id)
            person.claimed_at = session.info["flambeau_clock"].now()
        case "intern":
            people.intern_identities(session, [WORDINGS[one]])
        case _:
            kinds = {"same": DecisionKind.SAME_AS, "apart": DecisionKind.NOT_SAME_AS, "bot": DecisionKind.BOT,
                     "person": DecisionKind.PERSON}  # fmt: skip
            if kind in ("same", "apart") and left.id == right.id:
                return []
            people.decide(session, kinds[kind], left, other=right, actor=STAFF, reason="A test.")
    session.flush()
    return [left.id, right.id]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(number, min_size=4), steps)
def test_resolving_around_a_step_is_resolving_everybody(db, first, history):
    with undone(db) as session:
        ids = dict(zip(sorted(first), (people.intern_identities(session, [WORDINGS[n]])[WORDINGS[n]]
                                       for n in sorted(first)), strict=True))  # fmt: skip
        people.resolve(session)
        for kind, one, other in history:
            one, other = (sorted(ids)[n % len(ids)] for n in (one, other))
            touched = take(session, ids, kind, one, other)
            people.resolve(session, around=touched)
            after_a_part = standing(session)
            assert people.resolve(session).changed == frozenset()
            assert standing(session) == after_a_part


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_decisions_and_their_undoing_give_everybody_back_who_they_were(db, history):
    with undone(db) as session:
        ids = dict(enumerate(people.intern_identities(session, WORDINGS).values()))
        people.resolve(session)
        before, made = standing(session), []
        for kind, one, other in history:
            if kind in ("same", "apart", "bot", "person") and take(session, ids, kind, one, other):
                made.append(session.scalars(sa.select(IdentityDecision).order_by(IdentityDecision.id.desc())).first())
                people.resolve(session, around=[made[-1].identity_id])
        for decision in reversed(made):
            people.undo(session, decision, actor=STAFF, reason="Not so.")
        assert [row[:2] for row in standing(session)[0]] == [row[:2] for row in before[0]]
        # Whom a split made points on to the person from whom it parted.
        assert {one for one, _ in standing(session)[1]}.isdisjoint(person for _, person, _ in before[0])
