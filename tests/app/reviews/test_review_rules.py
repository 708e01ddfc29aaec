"""The two gates and whose turn it is, with plain values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reviews.rules import (
    CommitSeen,
    Opinion,
    Unsettled,
    Verdict,
    Whose,
    approval_gate,
    is_mine,
    nearest_approvers,
    sign_off_gate,
    whose_turn,
)
from app.rulebook import SingleMaintainer, Source, State, UnsettledAuthor, signers

RULE = SingleMaintainer("single-maintainer", 2, True, Source("charter.md", "7.4"))
TWO = signers(RULE, active=["ada", "bob"], stand_ins=["root"])
NONE = signers(RULE, active=[], stand_ins=["root"])
ADA = "Ada <ada@x.org>"
THREE = signers(RULE, active=["ada", "bob", "eve"], stand_ins=["root"])
STRANGER = Unsettled(("Kim <kim@x.org>",), UnsettledAuthor("unsettled-author", 1, Source("charter.md", "8.2")))
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


def test_where_an_older_commit_lacks_it_the_way_out_reaches_back_to_the_oldest_of_them():
    commits = [CommitSeen("c1" * 20, "One", ADA), CommitSeen("c2" * 20, "Two", ADA, (ADA,)),
               CommitSeen("c3" * 20, "Three", ADA, (ADA,))]  # fmt: skip
    failing = [reason for reason in sign_off_gate(commits).reasons if "lacks" in reason]
    assert len(failing) == 2
    assert all("`git rebase --signoff c2c2c2c2~1`" in reason for reason in failing)
    assert "--amend" in sign_off_gate([commits[0], commits[2]]).reasons[0]


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


def gate(who, words, unsettled=STRANGER, **values):
    return approval_gate({"ops": who}, words, head="h2", author=None, unsettled=unsettled, **values)


def test_one_approval_is_not_enough_while_an_author_is_nobody_known_and_the_gate_says_why():
    verdict = gate(TWO, [opinion("bob")])
    assert verdict.state is State.FAILING
    assert verdict.reasons[0] == (
        "ops: 1 of 2 approvals of this head. Kim <kim@x.org> is nobody that the portal knows, so whoever approves may "
        "have written it: rule unsettled-author (charter.md, clause 8.2) asks for 2 approvals, that one may come from "
        "somebody else. Staff settle who that is under People, “Enter a person”, or further maintainers approve."
    )
    assert whose_turn(SIGNED, verdict).modules == ("ops",)


def test_two_maintainers_approve_what_a_stranger_wrote_since_one_of_them_is_somebody_else():
    verdict = gate(TWO, [opinion("ada"), opinion("bob")])
    assert verdict.state is State.PASSING
    assert "2 maintainers approve" in verdict.reasons[0]


def test_a_known_author_and_an_old_head_and_a_stranger_do_not_make_the_number_up():
    words = [opinion("ada"), opinion("bob"), opinion("eve", head="h1"), opinion("mallory")]
    assert gate(THREE, words, co_authors=["ada"]).state is State.FAILING
    assert gate(THREE, [*words, opinion("eve")], co_authors=["ada"]).state is State.PASSING


def test_where_one_may_sign_alone_a_reason_is_needed_though_a_maintainer_approves():
    one = signers(RULE, active=["bob"], stand_ins=["root"])
    assert gate(one, [opinion("bob")]).state is State.FAILING
    assert "with a reason" in gate(one, [opinion("bob")]).reasons[0]
    assert gate(one, [opinion("bob", text="Nobody else is here.")]).state is State.PASSING
    assert gate(one, [opinion("bob"), opinion("root", text="I stand in.")]).state is State.PASSING


def test_more_strangers_than_maintainers_means_that_they_are_settled_first():
    both = Unsettled(("Kim <kim@x.org>", "Lee <lee@x.org>"), STRANGER.rule)
    verdict = gate(TWO, [opinion("ada"), opinion("bob")], both)
    assert verdict.state is State.FAILING
    assert "only 2 may approve, so that comes first" in verdict.reasons[0]
    assert gate(THREE, [opinion("ada"), opinion("bob"), opinion("eve")], both).state is State.PASSING


people = st.sampled_from(["ada", "bob", "eve", "kim", "lee", "root"])
approvals = st.lists(st.builds(opinion, people), max_size=6)


@given(st.sets(people, min_size=2), approvals, st.integers(1, 3), st.data())
def test_whoever_the_strangers_are_somebody_else_approved_what_passes(active, words, count, data):
    who = signers(RULE, active=active, stand_ins=["root"])
    unsettled = Unsettled(tuple(f"{number} <{number}@x.org>" for number in range(count)), STRANGER.rule)
    if gate(who, words, unsettled).lets_through:
        strangers = data.draw(st.sets(people, max_size=count))
        assert approval_gate({"ops": who}, words, head="h2", author=None, co_authors=strangers).lets_through


def test_who_approved_already_is_not_asked_again_and_enough_others_are_named():
    waiting = whose_turn(SIGNED, gate(TWO, [opinion("bob")]))
    assert is_mine(waiting, {"ops": TWO}, person="ada", author=None, approved=["bob"])
    assert not is_mine(waiting, {"ops": TWO}, person="bob", author=None, approved=["bob"])
    named = nearest_approvers({"ops": THREE, "nn": NONE}, ["ops", "nn"], author=None, approvals=2)
    assert dict(named) == {"ada": ("ops",), "bob": ("ops",), "root": ("nn",)}
