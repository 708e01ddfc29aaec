"""The rulebook's promises: the facts of real foundations, and laws that hold for every threshold and count."""

from __future__ import annotations

import doctest
import importlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rulebook import (
    Abstentions,
    Atom,
    Base,
    Count,
    Gate,
    Mode,
    Override,
    Rule,
    RulebookError,
    SingleMaintainer,
    Source,
    State,
    Threshold,
    all_of,
    evaluate,
    needed_votes,
    second_person,
    signers,
)

SOURCE = Source("charter.md", "5.2")
BOARD = Rule(
    "board-motion", "A motion of the board", SOURCE,
    meeting=Threshold.parse("> 1/2 of present"), electronic=Threshold.parse("> 1/2 of all"),
    quorum=Threshold.parse(">= 1/2 of all"),
)  # fmt: skip
ALONE = SingleMaintainer("single-maintainer", 2, True, Source("charter.md", "7.4"))


def test_examples_in_the_docstrings_hold():
    names = ("thresholds", "gates", "signers")
    results = [doctest.testmod(importlib.import_module(f"app.rulebook.{name}")) for name in names]
    assert sum(result.failed for result in results) == 0
    assert all(result.attempted for result in results)


@pytest.mark.parametrize(
    ("rule", "seats", "needed"),
    [(">= 1/2", 20, 10), ("> 1/2", 20, 11), ("> 1/2", 21, 11), (">= 2/3", 21, 14), ("> 2/3", 21, 15), ("75%", 9, 7)],
)
def test_half_and_more_than_half_differ(rule, seats, needed):
    assert needed_votes(Threshold.parse(rule), Count(all=seats)) == needed


@pytest.mark.parametrize(
    ("text", "share", "strict", "base"),
    [
        (">= 1/2 of all", Fraction(1, 2), False, Base.ALL),
        ("> 50% of cast", Fraction(1, 2), True, Base.CAST),
        ("≥ 2/3 of entire", Fraction(2, 3), False, Base.ENTIRE),
        ("75%", Fraction(3, 4), False, Base.ALL),
        ("more than 50% of votes cast", Fraction(1, 2), True, Base.CAST),
        ("a majority of those present", Fraction(1, 2), True, Base.PRESENT),
        ("at least 66.5 % of present", Fraction(665, 1000), False, Base.PRESENT),
    ],
)
def test_a_threshold_reads_as_people_write_it(text, share, strict, base):
    assert Threshold.parse(text) == Threshold(share, strict, base)


@pytest.mark.parametrize(
    "text", ["", "half", ">= 1/0 of all", "> 100% of all", ">= 0% of cast", "3/2", "1/2 of members", "67", "> -1/2"]
)
def test_a_threshold_that_means_nothing_is_refused_with_the_way_out(text):
    with pytest.raises(RulebookError, match=r"write|taken of|take a share"):
        Threshold.parse(text)


def test_a_roster_of_21_gives_a_quorum_of_11_and_not_the_12_of_the_minutes():
    eleven = evaluate(BOARD, Count(yes=11, all=21))
    assert eleven.quorum_needed == 11
    assert eleven.quorum_met
    assert not evaluate(BOARD, Count(yes=10, all=21)).quorum_met


def test_seventeen_seats_are_present_when_twenty_one_names_are():
    with pytest.raises(RulebookError, match="count seats, not people"):
        Count(yes=21, present=21, all=17)
    assert evaluate(BOARD, Count(yes=9, no=8, present=17, all=21)).passes


def test_a_meeting_takes_a_majority_of_those_present_and_an_electronic_vote_of_all_seats():
    count = Count(yes=7, no=5, present=12, all=21)
    assert evaluate(BOARD, count).passes
    electronic = evaluate(BOARD, count, mode=Mode.ELECTRONIC)
    assert (electronic.passes, electronic.needed) == (False, 11)


def test_an_amendment_takes_two_thirds_of_the_entire_body_vacant_seats_included():
    amendment = Rule("amend", "An amendment", SOURCE, meeting=Threshold.parse(">= 2/3 of entire"))
    assert not evaluate(amendment, Count(yes=13, all=18, entire=21)).passes
    assert evaluate(amendment, Count(yes=14, all=18, entire=21)).passes


def test_an_ecosystem_project_fails_on_a_tie_and_a_hosted_project_passes_on_two_thirds():
    ecosystem = Rule("ecosystem", "Ecosystem project", SOURCE, meeting=Threshold.parse("> 50% of cast"))
    hosted = Rule("hosted", "Hosted project", SOURCE, meeting=Threshold.parse(">= 2/3 of cast"))
    assert not evaluate(ecosystem, Count(yes=4, no=4, all=9)).passes
    assert evaluate(hosted, Count(yes=6, no=3, all=9)).passes
    assert not evaluate(hosted, Count(yes=5, no=3, all=9)).passes


@pytest.mark.parametrize(("abstentions", "passes"), [(Abstentions.LEAVE_OUT, True), (Abstentions.COUNT, False)])
def test_an_abstention_weighs_like_a_no_only_where_the_rule_counts_it(abstentions, passes):
    rule = Rule("r", "R", SOURCE, meeting=Threshold.parse("> 1/2 of cast"), abstentions=abstentions)
    assert evaluate(rule, Count(yes=5, no=4, abstain=2, all=11)).passes is passes


def test_abstentions_count_toward_the_quorum():
    assert evaluate(BOARD, Count(yes=6, no=3, abstain=2, all=21)).quorum_met


def test_nobody_voting_carries_nothing():
    rule = Rule("r", "R", SOURCE, meeting=Threshold.parse(">= 1/2 of cast"))
    assert not evaluate(rule, Count(all=9)).passes


def test_three_net_approvals_are_counted_net():
    rule = Rule("merge", "Merge", SOURCE, net_at_least=3)
    assert evaluate(rule, Count(yes=4, no=1, all=9)).passes
    assert not evaluate(rule, Count(yes=4, no=2, all=9)).passes


def test_a_rule_without_an_electronic_variant_cannot_pass_electronically():
    rule = Rule("r", "R", SOURCE, meeting=Threshold.parse("> 1/2 of present"))
    verdict = evaluate(rule, Count(yes=9, all=9), mode=Mode.ELECTRONIC)
    assert not verdict.passes
    assert "no electronic vote" in verdict.derivation[1]


def test_the_derivation_shows_share_base_and_result():
    text = " ".join(evaluate(BOARD, Count(yes=7, no=5, all=21)).derivation)
    assert "charter.md, clause 5.2" in text
    assert "1/2 of 21 is 10.5, so 11; 12 present: reached" in text
    assert "more than 1/2 of seats present: 1/2 of 12 is 6, so 7 yes" in text


def test_a_rule_that_asks_for_nothing_is_refused():
    with pytest.raises(RulebookError, match="asks for nothing"):
        Rule("r", "R", SOURCE)


shares = st.fractions(min_value=Fraction(1, 100), max_value=Fraction(99, 100), max_denominator=100)
thresholds = st.builds(Threshold, shares, st.booleans(), st.sampled_from(Base))


@st.composite
def counts(draw):
    yes, no, abstain, absent, silent, vacant = (draw(st.integers(0, 30)) for _ in range(6))
    present = yes + no + abstain + silent
    return Count(yes, no, abstain, present, present + absent, present + absent + vacant)


@given(thresholds)
def test_a_threshold_written_out_reads_back_the_same(threshold):
    assert Threshold.parse(str(threshold)) == threshold


@given(thresholds, counts(), st.sampled_from(Abstentions))
def test_needed_votes_are_the_least_that_satisfy_the_share(threshold, count, abstentions):
    base, needed = count.of(threshold.base, abstentions), needed_votes(threshold, count, abstentions)

    def satisfies(votes):
        return votes > base * threshold.share if threshold.strict else votes >= base * threshold.share

    assert satisfies(needed)
    assert needed == 1 or not satisfies(needed - 1)


@given(thresholds, counts())
def test_one_more_yes_instead_of_a_no_never_loses_a_vote(threshold, count):
    if count.no == 0:
        return
    rule = Rule("r", "R", SOURCE, meeting=threshold)
    swapped = Count(count.yes + 1, count.no - 1, count.abstain, count.present, count.all, count.entire)
    assert evaluate(rule, swapped).passes >= evaluate(rule, count).passes


@given(shares, counts())
def test_a_larger_base_never_needs_fewer_votes(share, count):
    bases = (Base.CAST, Base.PRESENT, Base.ALL, Base.ENTIRE)
    needed = [needed_votes(Threshold(share, False, base), count) for base in bases]
    assert needed == sorted(needed)


@given(shares.filter(lambda share: share >= Fraction(1, 2)), counts())
def test_yes_and_no_never_both_carry_a_strict_majority(share, count):
    rule = Rule("r", "R", SOURCE, meeting=Threshold(share, True, Base.CAST))
    turned = Count(count.no, count.yes, count.abstain, count.present, count.all, count.entire)
    assert not (evaluate(rule, count).passes and evaluate(rule, turned).passes)


def test_a_gate_fails_with_what_fails_first_and_its_way_out():
    gate = Gate("g", (Atom("a", True, "A holds."), Atom("b", False, "B fails.", "Mend B.")))
    verdict = gate.verdict()
    assert (verdict.state, verdict.reasons) == (State.FAILING, ("B fails. Mend B.", "A holds."))
    assert not verdict.lets_through


def test_a_gate_that_was_shown_nothing_stays_closed():
    assert Gate("g", ()).verdict().state is State.FAILING


def test_an_override_lets_a_failing_atom_through_and_shows_who_and_why():
    atom = Atom("b", False, "B fails.", override=Override("Ada", "Trunk is down for all."))
    verdict = all_of([Gate("g", (atom,)).verdict(), Gate("h", (Atom("a", True, "A holds."),)).verdict()])
    assert verdict.state is State.OVERRIDDEN
    assert verdict.reasons[0] == "B fails. Overridden by Ada: Trunk is down for all."


def test_an_override_changes_nothing_that_holds():
    assert Atom("a", True, "A holds.", override=Override("Ada", "Why not.")).state is State.PASSING


@pytest.mark.parametrize("reason", ["", "   \n"])
def test_an_override_without_a_reason_is_refused(reason):
    with pytest.raises(RulebookError, match="needs a reason"):
        Override("Ada", reason)


@pytest.mark.parametrize(
    ("active", "person", "reason", "holds"),
    [
        ([], "root", "Nobody else yet.", True),
        ([], "root", "", False),
        (["ada"], "ada", "", True),
        (["ada"], "root", "Ada is away.", True),
        (["ada", "bob"], "root", "In a hurry.", False),
        (["ada", "bob"], "bob", "", True),
        (["ada"], "eve", "Let me.", False),
    ],
)
def test_an_administrator_stands_in_only_where_maintainers_are_too_few(active, person, reason, holds):
    assert signers(ALONE, active=active, stand_ins=["root"]).may_sign(person, reason=reason).holds is holds


def test_an_author_approves_their_own_change_only_under_the_rule_with_a_reason():
    alone = signers(ALONE, active=["ada"], stand_ins=["ada"])
    assert not alone.may_sign("ada", author="ada").holds
    assert alone.may_sign("ada", author="ada", reason="I am the only one.").holds
    two = signers(ALONE, active=["ada", "bob"], stand_ins=["ada"])
    assert not two.may_sign("ada", author="ada", reason="I am sure.").holds


@pytest.mark.parametrize(
    ("first", "person", "eligible", "reason", "holds"),
    [
        (["ada"], "bob", ["ada", "bob"], "", True),
        (["ada"], "ada", ["ada", "bob"], "Bob sleeps.", False),
        (["ada"], "ada", ["ada"], "I am alone.", True),
        (["ada"], "ada", ["ada"], " ", False),
        (["ada", "bob"], "ada", ["ada", "bob"], "", True),
        (["ada"], "eve", ["ada"], "Let me.", False),
    ],
)
def test_the_second_person_is_another_one_wherever_there_is_one(first, person, eligible, reason, holds):
    assert second_person(ALONE, first=first, person=person, eligible=eligible, reason=reason).holds is holds
