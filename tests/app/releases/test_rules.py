"""The gates of a release on plain values: nothing goes out that was not built, proved, signed and decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.releases import rules
from app.rulebook import SingleMaintainer, Source, State, signers

RULE = SingleMaintainer("single-maintainer", 2, True, Source("charter.md", "7.4"))
ALL = ("built", "tests-passed", "conformance-on-required-targets", "sign-off-of-each-module", "second-person")


def _module(key: str, *active: str, stand_ins: tuple[str, ...] = ("root",)) -> rules.ModuleSigners:
    return rules.ModuleSigners(key, key.title(), signers(RULE, active=active, stand_ins=stand_ins))


def _signed(module: str, person: str, reason: str = "") -> rules.Signature:
    return rules.Signature(module, person, person.title(), reason)


GOOD = rules.Matter(
    builds=(rules.BuildEvidence("cpu", "succeeded", frozenset({"sdist", "wheel", "conformance", "tests"})),),
    devices=(rules.DeviceEvidence("cpu", "cpu", conforms=True, passed=900),),
    modules=(_module("core", "ada", "bob"), _module("nn", "cyd")),
    signatures=(_signed("core", "ada"), _signed("nn", "cyd", "the only one here")),
    single_maintainer=RULE,
    may_publish=frozenset({"ada", "bob", "cyd", "root"}),
    publication=rules.Publication("bob", "Bob", ""),
)


def _state(matter: rules.Matter) -> State:
    return rules.gate("all", "All", "8", ALL, matter).verdict.state


def test_a_release_with_everything_in_order_goes_out():
    assert _state(GOOD) is State.PASSING


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"builds": ()}, "There is nothing that shows 'built'."),
        ({"builds": (rules.BuildEvidence("cpu", "running", frozenset({"sdist"})),)}, "its build is running"),
        ({"builds": (replace(GOOD.builds[0], problems=("it is numpy",)),)}, "cannot be published: it is numpy"),
        ({"builds": (replace(GOOD.builds[0], steps_done=frozenset({"sdist", "wheel"})),)}, "tests for cpu have"),
        ({"devices": ()}, "There is nothing that shows 'conformance-on-required-targets'."),
        ({"devices": (rules.DeviceEvidence("cpu", "cpu", None),)}, "Conformance has not run on cpu"),
        ({"devices": (rules.DeviceEvidence("cpu", "cpu", False, 9, 1),)}, "1 of 10 conformance cases fail on cpu"),
        ({"signatures": (_signed("core", "ada"),)}, "Nn: not signed yet."),
        ({"signatures": (_signed("core", "eve"), _signed("nn", "cyd", "alone"))}, "signature of Eve does not count"),
        ({"signatures": (_signed("core", "root", "hurry"), _signed("nn", "cyd", "alone"))}, "of Root does not count"),
        ({"publication": None}, "Nobody has decided to publish it yet."),
        ({"publication": rules.Publication("ada", "Ada", "because")}, "The same person signed it."),
        ({"publication": rules.Publication("eve", "Eve", "because")}, "This person may not do it."),
        ({"modules": ()}, "There is nothing that shows 'sign-off-of-each-module'."),
    ],
)  # fmt: skip
def test_one_thing_missing_keeps_it_in_and_says_which(change, reason):
    verdict = rules.gate("all", "All", "8", ALL, replace(GOOD, **change)).verdict
    assert verdict.state is State.FAILING
    assert any(reason in one for one in verdict.reasons), verdict.reasons


def test_one_person_alone_may_do_all_of_it_under_the_written_rule_with_a_reason():
    alone = replace(
        GOOD,
        modules=(_module("core"), _module("nn")),
        signatures=(_signed("core", "root", "local"), _signed("nn", "root", "local")),
        may_publish=frozenset({"root"}),
        publication=rules.Publication("root", "Root", "local"),
    )
    assert _state(alone) is State.PASSING
    assert _state(replace(alone, publication=rules.Publication("root", "Root", " "))) is State.FAILING
    assert _state(replace(alone, may_publish=frozenset({"root", "ada"}))) is State.FAILING


def test_a_need_that_nobody_can_check_keeps_the_gate_closed():
    verdict = rules.gate("odd", "Odd", "9", ["built", "blessed-by-the-moon"], GOOD).verdict
    assert verdict.state is State.FAILING
    assert "does not know how to check 'blessed-by-the-moon'" in verdict.reasons[0]
