"""Parents and subsidiaries, and what the figures make of them: hand-computed, and as laws."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from app.audit import Actor
from app.contributions.metrics import Cell, Kind, count, grouped
from app.contributions.queries import Scope
from app.members import queries as members
from app.members.rules import OrganizationKind, group_of, is_owned_by

US = Actor.system("test")
DAY = date(2026, 1, 1)
owners = st.dictionaries(st.integers(1, 8), st.one_of(st.none(), st.integers(1, 8)), max_size=8)
cells = st.lists(
    st.builds(
        lambda organization, is_known, commits: Cell(
            DAY, Kind.COMMIT, 1, organization, is_known or organization is not None, commits
        ),
        st.one_of(st.none(), st.integers(1, 8)), st.booleans(), st.integers(1, 9),
    ),
    max_size=12,
)  # fmt: skip


def test_a_group_is_its_owner_and_all_that_it_owns(governed):
    with governed.write() as session:
        made = {}
        for name, parent in (("Holding", None), ("Works", "Holding"), ("Lab", "Works"), ("Other", None)):
            made[name] = members.create_organization(
                session, name, kind=OrganizationKind.COMPANY, actor=US, reason="A test.", parent=made.get(parent)
            )
        ids = {name: one.id for name, one in made.items()}
        assert members.groups(session) == {
            ids["Holding"]: ids["Holding"], ids["Works"]: ids["Holding"], ids["Lab"]: ids["Holding"],
            ids["Other"]: ids["Other"],
        }  # fmt: skip
        assert members.group_members(session, ids["Works"]) == {ids["Works"], ids["Lab"]}
        scope = Scope(organization=ids["Works"], with_owned=members.group_members(session, ids["Works"]))
        assert scope.organizations == tuple(sorted((ids["Works"], ids["Lab"])))


def test_a_companys_commits_count_for_its_group_and_the_independent_stay_apart():
    work = [Cell(DAY, Kind.COMMIT, 1, 2, True, 3), Cell(DAY, Kind.COMMIT, 2, 1, True, 4),
            Cell(DAY, Kind.COMMIT, 3, None, True, 5), Cell(DAY, Kind.COMMIT, 4, None, False, 6)]  # fmt: skip
    by = count(grouped(work, {1: 1, 2: 1}), lambda cell: (cell.organization, cell.is_known))
    assert by == {(1, True): 7, (None, True): 5, (None, False): 6}


@given(cells, owners)
def test_groups_with_the_independent_and_the_unattributed_are_the_total(work, parents):
    groups = {number: group_of(number, parents) for number in parents}
    found = grouped(work, groups)
    by = count(found, lambda cell: (cell.organization, cell.is_known))
    assert sum(by.values()) == sum(cell.commits for cell in work)
    for known in (True, False):
        before = count(work, lambda cell: (cell.organization, cell.is_known))
        assert by[None, known] == before[None, known]


@given(owners, st.integers(1, 8))
def test_everything_that_is_owned_is_in_the_group(parents, owner):
    owned = [number for number in parents if is_owned_by(number, owner, parents)]
    is_a_ring = any(parents.get(number) is not None and is_owned_by(parents[number], number, parents)
                    for number in parents)  # fmt: skip
    if not is_a_ring:
        assert {group_of(number, parents) for number in owned} <= {group_of(owner, parents)}
