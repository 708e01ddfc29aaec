"""Which modules a path belongs to, and who may sign for one."""

from __future__ import annotations

import doctest
from datetime import date, timedelta

import pytest

from app.audit import Actor
from app.bodies import queries as bodies
from app.modules import queries as modules
from app.modules import rules
from app.modules.rules import touched
from app.people import queries as people

STAFF = Actor.system("staff")
DAY = date(2026, 1, 15)


def maintainer(session, name, since=date(2020, 1, 1)):
    person = people.create_person(session, name, f"{name.lower()}@people.org")
    seat = bodies.seat_by_key(session, "module:core", "maintainer")
    bodies.appoint(session, seat, person, starts_on=since, actor=STAFF, reason="Chosen.")
    return person


@pytest.fixture
def seen(monkeypatch):
    last = {}
    monkeypatch.setattr(modules, "_last_seen", {"test": lambda _session, _persons: last})
    return last


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(rules).failed == 0


def test_a_change_touches_the_modules_that_own_its_paths(governed):
    with governed.read() as session:
        found = touched(["csrc/ops/add.h", "csrc/ops/mul.h", "README.md"], modules.paths(session))
    assert found == {"docs": ("README.md",), "ops": ("csrc/ops/add.h", "csrc/ops/mul.h")}


def test_every_module_has_a_body_for_its_maintainers(governed_each, governance):
    with governed_each.read() as session:
        keys = {body.module_key for body in bodies.bodies(session)} - {None}
    assert keys == {module.key for module in governance.modules}


def test_a_maintainer_who_was_not_seen_for_six_months_is_not_active(governed, seen):
    with governed.write() as session:
        ada, bob, new = maintainer(session, "Ada"), maintainer(session, "Bob"), maintainer(session, "New", since=DAY)
        seen.update({ada.id: DAY - timedelta(days=183), bob.id: DAY - timedelta(days=184)})
        assert modules.maintainers(session, "core", DAY) == {ada.id, new.id}


def test_without_active_maintainers_an_administrator_signs_and_must_say_why(governed):
    with governed.write() as session:
        bodies.first_administrator(session, "Root", "root.person@acme.com", "invited")
        (root,) = bodies.administrators(session, DAY)
        may = modules.maintainers_of(session, "core", DAY).signers
    assert not may.may_sign(str(root)).holds
    assert may.may_sign(str(root), reason="Nobody else yet.").holds
    assert "charter.md, clause 7.4" in may.because


def test_with_two_active_maintainers_an_administrator_does_not_sign(governed):
    with governed.write() as session:
        bodies.first_administrator(session, "Root", "root.person@acme.com", "invited")
        ada = maintainer(session, "Ada", since=DAY)
        maintainer(session, "Bob", since=DAY)
        (root,) = bodies.administrators(session, DAY)
        may = modules.maintainers_of(session, "core", DAY).signers
    assert not may.may_sign(str(root), reason="In a hurry.").holds
    assert may.may_sign(str(ada.id)).holds
