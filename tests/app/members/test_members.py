"""Organizations, memberships, domains and groups of related companies."""

from __future__ import annotations

import doctest
from datetime import date

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app.audit import Actor, AuditEntry
from app.members import queries as members
from app.members import rules
from app.members.queries import MemberError
from app.members.rules import OrganizationKind, Span, first_overlap, group_of, members_by_tier

STAFF = Actor.system("staff")


def organization(session, name="Acme", **values):
    values = {"kind": OrganizationKind.COMPANY, "actor": STAFF, "reason": "New.", **values}
    return members.create_organization(session, name, **values)


def membership(session, owner, tier="platinum", starts_on=date(2025, 1, 1), **values):
    values = {"actor": STAFF, "reason": "They joined.", **values}
    return members.start_membership(session, owner, tier, starts_on=starts_on, **values)


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(rules).failed == 0


def test_dues_are_the_tiers_of_the_first_day_unless_others_were_agreed(governed_each):
    with governed_each.write() as session:
        acme = organization(session)
        first = membership(session, acme, starts_on=date(2024, 1, 1), ends_on=date(2024, 12, 31))
        second = membership(session, acme, starts_on=date(2025, 1, 1))
        other = membership(session, organization(session, "Blu"), tier="silver", dues_cents=1)
        assert [first.dues_cents, second.dues_cents, other.dues_cents] == [10_000_000, 15_000_000, 1]


def test_a_tier_has_the_name_of_its_day(governed_each):
    with governed_each.write() as session:
        membership(session, organization(session), starts_on=date(2024, 1, 1))
        named = [members.members_on(session, day)[0].tier.name for day in (date(2024, 6, 1), date(2026, 6, 1))]
    assert named == ["Premier", "Platinum"]


def test_two_memberships_never_overlap_and_all_that_is_wrong_is_said_at_once(governed):
    with governed.write() as session:
        acme = organization(session)
        membership(session, acme)
        with pytest.raises(MemberError) as caught:
            membership(session, acme, tier="bronze", starts_on=date(2026, 1, 1), dues_cents=-1)
        assert [field for field, _ in caught.value.problems] == ["tier", "starts_on", "dues_cents"]


def test_a_tier_cannot_be_joined_before_it_was_offered(governed):
    with governed.write() as session, pytest.raises(MemberError, match="was not offered on 2024-06-01"):
        membership(session, organization(session), tier="gold", starts_on=date(2024, 6, 1))


def test_an_ended_membership_leaves_room_for_the_next(governed):
    with governed.write() as session:
        acme = organization(session)
        first = membership(session, acme)
        members.end_membership(session, first, date(2025, 6, 30), actor=STAFF, reason="They moved tier.")
        membership(session, acme, tier="silver", starts_on=date(2025, 7, 1))
        with pytest.raises(MemberError, match="reaches into"):
            members.end_membership(session, first, date(2025, 7, 1), actor=STAFF, reason="One day more.")


@pytest.mark.parametrize("domain", ["gmail.com", "co.uk", "laptop.local", "users.noreply.github.com", "", "acme"])
def test_such_a_domain_is_nobodys(governed, domain):
    with governed.write() as session, pytest.raises(MemberError, match="nobody's employer"):
        members.add_domain(
            session, organization(session), domain, starts_on=date(2025, 1, 1), actor=STAFF, reason="Theirs."
        )


def test_a_domain_belongs_to_one_organization_at_a_time_and_may_be_sold(governed):
    with governed.write() as session:
        acme, blu = organization(session), organization(session, "Blu")
        first = members.add_domain(session, acme, "@Acme.com", starts_on=date(2024, 1, 1), actor=STAFF, reason="A.")
        with pytest.raises(MemberError, match="belongs to Acme from 2024-01-01"):
            members.add_domain(session, blu, "acme.com", starts_on=date(2025, 1, 1), actor=STAFF, reason="B.")
        members.end_domain(session, first, date(2024, 12, 31), actor=STAFF, reason="Sold.")
        members.add_domain(session, blu, "acme.com", starts_on=date(2025, 1, 1), actor=STAFF, reason="Bought.")


def test_a_later_end_of_a_domain_does_not_reach_into_its_next_owner(governed):
    with governed.write() as session:
        acme, blu = organization(session), organization(session, "Blu")
        first = members.add_domain(session, acme, "acme.com", starts_on=date(2024, 1, 1), actor=STAFF, reason="A.")
        members.end_domain(session, first, date(2024, 12, 31), actor=STAFF, reason="Sold.")
        members.add_domain(session, blu, "acme.com", starts_on=date(2025, 1, 1), actor=STAFF, reason="Bought.")
        with pytest.raises(MemberError, match="reaches into 2025-01-01, when the domain is Blu’s"):
            members.end_domain(session, first, date(2025, 1, 1), actor=STAFF, reason="One day more.")
        members.end_domain(session, first, date(2024, 11, 30), actor=STAFF, reason="It was sold earlier.")


def test_a_name_is_taken_whatever_its_case_and_an_owner_is_never_owned(governed):
    with governed.write() as session:
        acme = organization(session)
        child = organization(session, "Acme Labs", parent=acme)
        with pytest.raises(MemberError, match="is taken by Acme"):
            organization(session, " ACME ")
        values = {"kind": acme.kind, "website": "", "description": "", "actor": STAFF, "reason": "Bought."}
        with pytest.raises(MemberError, match="is owned by Acme itself"):
            members.change_organization(session, acme, name="Acme", parent=child, **values)


def test_related_companies_count_as_one_member(governed_each):
    with governed_each.write() as session:
        acme = organization(session)
        membership(session, acme)
        membership(session, organization(session, "Acme Labs", parent=acme), starts_on=date(2025, 2, 1))
        membership(session, organization(session, "Blu"))
        assert len(members.tiers_on(session, date(2026, 1, 1))["platinum"]) == 2


def test_each_decision_has_one_audit_entry(governed):
    with governed.write() as session:
        acme = organization(session)
        membership(session, acme)
        actions = session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.number)).all()
    assert actions[-2:] == ["members.organization.create", "members.membership.start"]


days = st.dates(date(2024, 1, 1), date(2026, 12, 31))
spans = st.builds(lambda start, end: Span(start, end if end is None or end >= start else start), days, st.none() | days)


@given(spans, spans, days)
def test_two_spans_that_hold_on_one_day_overlap(one, other, day):
    if one.holds_on(day) and other.holds_on(day):
        assert one.overlaps(other)
        assert other.overlaps(one)
    assert (first_overlap(one, [other]) is not None) == one.overlaps(other)


@given(st.dictionaries(st.integers(1, 6), st.none() | st.integers(1, 6)), st.integers(1, 6))
def test_a_ring_of_owners_never_hangs(parents, organization):
    assert group_of(organization, parents) in {organization, *parents.values()}


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["a", "b"]), spans), max_size=8), days)
def test_nobody_is_a_member_twice_on_one_day(listed, day):
    found = [organization for row in members_by_tier(day, listed, {}).values() for organization in row]
    assert len(found) == len(set(found))
    assert set(found) == {organization for organization, _, span in listed if span.holds_on(day)}
