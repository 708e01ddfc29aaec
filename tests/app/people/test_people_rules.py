"""Who is one person, and whom they worked for: laws of the two pure functions."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.people import domains
from app.people.domains import employer_hosts
from app.people.queries import basis
from app.people.queries import identities as interned
from app.people.rules import (
    Decided,
    DecisionKind,
    Group,
    Interval,
    Named,
    Role,
    Statement,
    StatementSource,
    assign,
    employer_on,
    employing,
    employment,
    identities,
    likeness,
    machines,
    resolve,
    spelling,
)

ADA, ADA_AT_HOME, BOB = Named(1, "Ada", "ada@acme.com"), Named(2, "ada", "ada@home.org"), Named(3, "Bob", "bob@blu.com")
SAME, APART, UNDO = DecisionKind.SAME_AS, DecisionKind.NOT_SAME_AS, DecisionKind.UNDO


def groups(*args, **kwargs):
    return [group.identities for group in resolve(*args, **kwargs).groups]


@pytest.mark.parametrize("module", [domains, employing, basis, identities, interned, likeness, machines, spelling])
def test_examples_in_the_docstrings_hold(module):
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_the_same_address_under_two_names_is_one_person():
    assert groups([ADA, Named(4, "A. Lovelace", "ada@acme.com"), BOB]) == [(1, 4), (3,)]


def test_the_same_name_under_two_addresses_is_two_people_until_somebody_decides():
    twins = [Named(1, "Ada", "ada@acme.com"), Named(2, "Ada", "ada@home.org")]
    assert groups(twins) == [(1,), (2,)]
    assert groups(twins, [Decided(1, SAME, 1, 2)]) == [(1, 2)]


@pytest.mark.parametrize("address", ["noreply@github.com", "root@localhost", "ada@laptop.local", "ci@acme.com", ""])
def test_an_address_that_many_share_makes_nobody_one_person(address):
    assert groups([Named(1, "Ada", address), Named(2, "Bob", address)]) == [(1,), (2,)]


def test_a_mailmap_joins_two_identities():
    assert groups([ADA, ADA_AT_HOME, BOB], links=[(2, 1)]) == [(1, 2), (3,)]


def test_a_login_of_one_source_is_one_person():
    one = Named(1, "Ada", "", "AdaL", "github")
    assert groups([one, Named(2, "A", "", "adal", "github"), Named(3, "X", "", "adal", "gitlab")]) == [(1, 2), (3,)]


def test_not_same_as_keeps_apart_what_a_machine_would_join():
    found = resolve([ADA, ADA_AT_HOME], [Decided(1, APART, 1, 2)], links=[(1, 2)])
    assert [group.identities for group in found.groups] == [(1,), (2,)]
    assert found.kept_apart == ((1, 2),)


def test_not_same_as_holds_through_a_third_identity():
    bridge = Named(4, "Ada", "ada@bridge.org")
    found = groups([ADA, ADA_AT_HOME, bridge], [Decided(1, APART, 1, 2)], links=[(1, 4), (2, 4)])
    assert found == [(1, 4), (2,)]


def test_a_machine_never_joins_two_people_who_can_sign_in():
    ada, bob = Named(1, "Ada", "ada@acme.com", home=10), Named(2, "Bob", "bob@blu.com", home=20)
    claimed = frozenset({10, 20})
    assert groups([ada, bob], links=[(1, 2)], claimed=claimed) == [(1,), (2,)]
    assert groups([ada, bob], [Decided(1, SAME, 1, 2)], claimed=claimed) == [(1, 2)]


def test_what_was_decided_of_one_name_of_a_bot_holds_for_all_its_names():
    found = resolve([ADA, Named(4, "merger", "ada@acme.com")], [Decided(1, DecisionKind.LANDING_BOT_FOR, 4)])
    assert set(found.roles.values()) == {Role.LANDING_BOT}


@pytest.mark.parametrize(
    ("identity", "role"),
    [
        (Named(1, "dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"), Role.BOT),
        (Named(1, "Claude", "noreply@anthropic.com"), Role.ASSISTANCE),
        (Named(1, "Abbot", "abbot@acme.com"), Role.PERSON),
    ],
)
def test_bots_and_tools_that_say_so_are_known_without_a_decision(identity, role):
    assert resolve([identity]).roles[1] is role


named = st.lists(
    st.builds(
        Named,
        id=st.integers(1, 12),
        name=st.sampled_from(["Ada", "Bob", "Cy"]),
        address=st.sampled_from(["", "a@x.org", "b@x.org", "c@y.org", "noreply@github.com"]),
        login=st.sampled_from(["", "a", "b"]),
    ),
    max_size=12,
    unique_by=lambda identity: identity.id,
)
decided = st.lists(
    st.tuples(st.sampled_from([SAME, APART, DecisionKind.BOT]), st.integers(1, 12), st.integers(1, 12)), max_size=6
).map(lambda rows: [Decided(number, *row) for number, row in enumerate(rows, start=1)])
linked = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), max_size=6)


@given(named, decided, linked)
def test_every_identity_is_in_exactly_one_group(people, decisions, links):
    members = [identity for group in resolve(people, decisions, links).groups for identity in group.identities]
    assert sorted(members) == sorted(identity.id for identity in people)


@given(named, decided, linked, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_read_does_not_matter(people, decisions, links, random):
    shuffled = [random.sample(items, len(items)) for items in (people, decisions, links)]
    assert resolve(*shuffled) == resolve(people, decisions, links)


@given(named, decided, linked)
def test_two_decided_to_be_apart_are_never_one(people, decisions, links):
    apart = [(one.identity, one.other) for one in decisions if one.kind is APART and one.identity != one.other]
    for group in resolve(people, decisions, links).groups:
        assert not any({left, right} <= set(group.identities) for left, right in apart)


@given(named, decided, linked, st.integers(0, 5))
def test_an_undone_decision_is_as_if_it_had_never_been(people, decisions, links, at):
    if at >= len(decisions):
        return
    undone = decisions[at]
    undo = Decided(99, UNDO, undone.identity, undoes=undone.id)
    without = [one for one in decisions if one is not undone]
    assert resolve(people, [*decisions, undo], links) == resolve(people, without, links)
    again = Decided(100, UNDO, undone.identity, undoes=99)
    assert resolve(people, [*decisions, undo, again], links) == resolve(people, decisions, links)


@given(named, decided, linked)
def test_merging_and_undoing_gives_everybody_back_who_they_were(people, decisions, links):
    before = resolve(people, (), ())
    homes = {i: 100 + number for number, group in enumerate(before.groups) for i in group.identities}
    assign(resolve(people, decisions, links).groups, homes)
    assert dict(assign(before.groups, homes).persons) == {group: homes[group.identities[0]] for group in before.groups}


@given(st.dictionaries(st.integers(1, 9), st.integers(100, 104)), st.integers(1, 9))
def test_nobody_is_two_groups(homes, cut):
    listed = sorted(homes)
    parts = [Group(tuple(part)) for part in (listed[:cut], listed[cut:]) if part]
    persons = [person for person in assign(parts, homes).persons.values() if person is not None]
    assert len(persons) == len(set(persons))


NEW_YEAR = date(2026, 1, 1)


def said(organization, start, end, source=StatementSource.STAFF, at=0, confidence=90):
    def day(number):
        return None if number is None else NEW_YEAR + timedelta(days=number)

    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=at)
    return Statement(organization, day(start), day(end), source, confidence, moment)


def test_a_persons_own_statement_outranks_a_later_one_of_staff():
    found = employment([said(1, 0, None, StatementSource.SELF, at=0), said(2, 0, None, StatementSource.STAFF, at=9)])
    assert [interval.organization for interval in found] == [1]


def test_the_later_of_two_equal_sources_replaces_the_earlier_from_its_first_day():
    found = employment([said(1, 0, None, at=0), said(2, 10, None, at=1)])
    expected = [(1, NEW_YEAR, NEW_YEAR + timedelta(days=9)), (2, NEW_YEAR + timedelta(days=10), None)]
    assert [(one.organization, one.starts_on, one.ends_on) for one in found] == expected


def test_both_days_of_a_statement_are_included():
    found = employment([said(1, 0, 5)])
    assert [employer_on(NEW_YEAR + timedelta(days=day), found) is not None for day in (-1, 0, 5, 6)] == [
        False, True, True, False,
    ]  # fmt: skip


def test_independent_is_known_and_a_day_without_evidence_is_not():
    found = employment([said(None, 0, 5)])
    assert found == [Interval(None, NEW_YEAR, NEW_YEAR + timedelta(days=5), StatementSource.STAFF, 90)]
    assert employer_on(NEW_YEAR + timedelta(days=6), found) is None


statements = st.lists(
    st.builds(
        lambda organization, start, length, source, at: said(
            organization, start, None if length > 25 else start + length, source, at
        ),
        st.sampled_from([None, 1, 2, 3]), st.integers(0, 30), st.integers(0, 30), st.sampled_from(StatementSource),
        st.integers(0, 5),
    ),
    max_size=7,
)  # fmt: skip


@given(statements)
def test_intervals_never_overlap_and_are_in_order(listed):
    found = employment(listed)
    for one, other in pairwise(found):
        assert one.ends_on is not None
        assert one.ends_on < other.starts_on


@given(statements, st.integers(0, 70))
def test_the_employer_of_a_day_is_said_by_the_strongest_statement_of_that_day(listed, number):
    day = NEW_YEAR + timedelta(days=number)
    holding = [one for one in listed if one.starts_on <= day and (one.ends_on is None or day <= one.ends_on)]
    found = employer_on(day, employment(listed))
    assert (found is None) == (not holding)
    if found is not None:
        best = max(one.rank for one in holding)
        assert found.organization in {one.organization for one in holding if one.rank == best}


@given(statements, st.randoms(use_true_random=False))
def test_employment_does_not_depend_on_the_order_of_statements(listed, random):
    assert employment(random.sample(listed, len(listed))) == employment(listed)


@pytest.mark.parametrize(
    "address",
    ["ada@gmail.com", "1+ada@users.noreply.github.com", "ada@ada.local", "ada@localhost", "ada", "ada@posteo.de", ""],
)
def test_such_an_address_is_never_an_employers(address):
    assert employer_hosts(address) == ()
