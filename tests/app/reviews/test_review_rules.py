"""The two gates and whose turn it is, with plain values."""

import pytest

from app.reviews.rules import (
    CommitSeen,
    Opinion,
    Verdict,
    Whose,
    approval_gate,
    is_mine,
    nearest_approvers,
    sign_off_gate,
    whose_turn,
)
from app.rulebook import SingleMaintainer, Source, State, signers

RULE = SingleMaintainer("single-maintainer", 2, True, Source("charter.md", "7.4"))
TWO = signers(RULE, active=["ada", "bob"], stand_ins=["root"])
NONE = signers(RULE, active=[], stand_ins=["root"])
ADA = "Ada <ada@x.org>"
SIGNED = sign_off_gate([CommitSeen("c1", "Fix", ADA)])


def opinion(person, verdict=Verdict.APPROVE, head="h2", text=""):
    return Opinion(person, verdict, head, text)


def test_a_commit_that_nobody_has_left_unsigned_passes():
    assert SIGNED.state is State.PASSING


@pytest.mark.parametrize(("missing", "way_out"), [((ADA,), "--signoff"), (("Bob <bob@x.org>",), "their own")])
def test_a_missing_sign_off_fails_and_names_who_and_how(missing, way_out):
    verdict = sign_off_gate([CommitSeen("c1", "Fix", ADA, missing)])
    assert verdict.state is State.FAILING
    assert missing[0] in verdict.reasons[0]
    assert way_out in verdict.reasons[0]


def test_a_change_without_commits_is_shown_nothing_and_stays_closed():
    assert sign_off_gate([]).state is State.FAILING


def test_a_maintainer_of_every_touched_module_approves():
    assert approval_gate({"ops": TWO}, [opinion("bob")], head="h2", author="ada").state is State.PASSING
    both = {"ops": TWO, "nn": NONE}
    assert approval_gate(both, [opinion("bob")], head="h2", author="ada").state is State.FAILING


def test_an_approval_lapses_with_a_new_push():
    assert approval_gate({"ops": TWO}, [opinion("bob", head="h1")], head="h2", author="ada").state is State.FAILING


def test_whoever_wrote_any_commit_of_a_change_does_not_approve_it():
    verdict = approval_gate({"ops": TWO}, [opinion("bob")], head="h2", author="ada", co_authors=["ada", "bob"])
    assert verdict.state is State.FAILING
    assert "An author does not approve their own change." in verdict.reasons[0]


def test_an_author_does_not_approve_their_own_change():
    verdict = approval_gate({"ops": TWO}, [opinion("ada")], head="h2", author="ada")
    assert verdict.state is State.FAILING
    assert "own change" in verdict.reasons[0]


def test_an_administrator_stands_in_for_a_module_without_maintainers_but_only_with_a_reason():
    assert approval_gate({"nn": NONE}, [opinion("root")], head="h2", author=None).state is State.FAILING
    with_reason = [opinion("root", text="Nobody else is here yet.")]
    assert approval_gate({"nn": NONE}, with_reason, head="h2", author=None).state is State.PASSING


def test_an_administrator_does_not_stand_in_where_two_maintainers_are_active():
    verdict = approval_gate({"ops": TWO}, [opinion("root", text="In a hurry.")], head="h2", author="ada")
    assert verdict.state is State.FAILING


def test_one_maintainer_asking_for_changes_holds_the_change_until_they_approve_or_a_new_push_comes():
    words = [opinion("ada"), opinion("bob", Verdict.REQUEST_CHANGES)]
    held = approval_gate({"ops": TWO}, words, head="h2", author="eve")
    assert held.state is State.FAILING
    assert whose_turn(SIGNED, held).whose is Whose.AUTHOR
    freed = approval_gate({"ops": TWO}, [*words, opinion("bob")], head="h2", author="eve")
    assert freed.state is State.PASSING


def test_a_comment_after_an_approval_does_not_withdraw_it():
    words = [opinion("bob"), opinion("bob", Verdict.COMMENT, text="Nice.")]
    assert approval_gate({"ops": TWO}, words, head="h2", author="ada").state is State.PASSING


def test_a_stranger_asking_for_changes_holds_nothing():
    words = [opinion("bob"), opinion("mallory", Verdict.REQUEST_CHANGES)]
    assert approval_gate({"ops": TWO}, words, head="h2", author="ada").state is State.PASSING


def test_files_that_no_module_owns_keep_the_gate_closed():
    verdict = approval_gate({"ops": TWO}, [opinion("bob")], head="h2", author="ada", unowned=2)
    assert verdict.state is State.FAILING
    assert "2 files belong to no module" in verdict.reasons[0]


def test_a_change_that_could_not_be_read_whole_is_approved_by_nobody():
    verdict = approval_gate({"ops": TWO}, [opinion("bob")], head="h2", author="ada", too_long="9,000 paths")
    assert verdict.state is State.FAILING
    assert whose_turn(SIGNED, verdict).whose is Whose.AUTHOR


def test_the_turn_goes_from_the_author_to_the_reviewers_to_the_one_who_merges():
    unsigned = sign_off_gate([CommitSeen("c1", "Fix", ADA, (ADA,))])
    waiting = approval_gate({"ops": TWO}, [], head="h2", author="ada")
    passing = approval_gate({"ops": TWO}, [opinion("bob")], head="h2", author="ada")
    assert whose_turn(unsigned, waiting).whose is Whose.AUTHOR
    assert whose_turn(SIGNED, waiting).whose is Whose.REVIEWERS
    assert whose_turn(SIGNED, waiting).modules == ("ops",)
    assert whose_turn(SIGNED, passing).whose is Whose.MERGER
    assert whose_turn(SIGNED, passing, is_open=False).whose is Whose.NOBODY


def test_my_queue_holds_what_i_can_move():
    waiting = whose_turn(SIGNED, approval_gate({"ops": TWO}, [], head="h2", author="ada"))
    assert is_mine(waiting, {"ops": TWO}, person="bob", author="ada")
    assert not is_mine(waiting, {"ops": TWO}, person="ada", author="ada")
    assert not is_mine(waiting, {"ops": TWO}, person="eve", author="ada")


def test_the_fewest_approvers_who_cover_every_module_are_named():
    rule = SingleMaintainer("single-maintainer", 1, True, RULE.source)
    modules = {
        "a": signers(rule, active=["ada", "bob"], stand_ins=[]),
        "b": signers(rule, active=["bob"], stand_ins=[]),
        "c": signers(rule, active=["eve"], stand_ins=[]),
    }
    assert nearest_approvers(modules, ["a", "b", "c"], author=None) == (("bob", ("a", "b")), ("eve", ("c",)))
    assert nearest_approvers(modules, ["b"], author="bob") == ()
