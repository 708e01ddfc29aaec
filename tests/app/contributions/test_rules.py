"""What a commit message states, and what it only quotes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contributions.rules import (
    LONGEST_VALUE,
    MOST_TRAILERS,
    ContributorKind,
    TrailerKey,
    contribution_time,
    contributor_kind,
    is_noreply,
    is_signed_off,
    missing_sign_offs,
    read_message,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def stated(text: str) -> list[tuple[str, str]]:
    return [(trailer.key.value, trailer.email or trailer.login or trailer.name or trailer.value)
            for trailer in read_message(text).trailers]  # fmt: skip


@pytest.mark.parametrize(("line", "meant"), [
    ("Co-authored-by: Anne Arc <anne@arc.example>", [("co-authored-by", "anne@arc.example")]),
    ("co-Authored-By:Anne <anne@arc.example>", [("co-authored-by", "anne@arc.example")]),
    ('Co-authored-by: "Arc, Anne" <anne@arc.example>', [("co-authored-by", "anne@arc.example")]),
    ("Signed-off-by: Anne Arc <anne@arc.example>", [("signed-off-by", "anne@arc.example")]),
    ("Reviewed-by: Anne Arc <anne@arc.example>", [("reviewed-by", "anne@arc.example")]),
    ("Reviewed By: anne, bob-b", [("reviewed-by", "anne"), ("reviewed-by", "bob-b")]),
    ("Reviewed By: Anne Arc", [("reviewed-by", "Anne Arc")]),
    ("Approved by: https://github.com/anne, https://github.com/bob",
     [("approved-by", "anne"), ("approved-by", "bob")]),
    ("Approved by: https://evil.example/anne", []),
    ("Pull Request resolved: https://github.com/o/r/pull/77",
     [("pull-request-resolved", "https://github.com/o/r/pull/77")]),
    ("Differential Revision: [D123](https://x.example/D123)",
     [("differential-revision", "[D123](https://x.example/D123)")]),
    ("Assisted-by: SomeTool 2", [("assisted-by", "SomeTool 2")]),
    ("Fixes: everything", []), ("Signed-off-by:", []), ("Reviewed-by Anne", []), ("xReviewed-by: anne", []),
    ("> Signed-off-by: Anne <a@b>", []), ("    Reviewed-by: anne", []), ("\tReviewed-by: anne", []),
    ("Signed-off-by: Anne\n  <anne@arc.example>", [("signed-off-by", "anne@arc.example")]),
])  # fmt: skip
def test_a_trailer_is_one_of_a_closed_list_at_the_start_of_a_line(line: str, meant: list[tuple[str, str]]):
    assert stated(f"Title\n\nProse.\n\n{line}\n") == meant


def test_the_same_trailer_twice_counts_once():
    assert stated("t\n\nReviewed-by: A <a@b>\nReviewed-by: Other <A@B>\nTested-by: A <a@b>") == [
        ("reviewed-by", "a@b"), ("tested-by", "a@b")]  # fmt: skip


@pytest.mark.parametrize(("text", "title", "number"), [
    ("Add relu (#1234)", "Add relu", 1234), ("Add (#1) and (#2)", "Add (#1) and", 2), ("Add relu", "Add relu", None),
    ("Merge pull request #9 from a/b", "Merge pull request #9 from a/b", 9), ("(#7)", "(#7)", 7),
    ("Add\n\nPull Request resolved: https://github.com/o/r/pull/77", "Add", 77), ("", "", None),
    ("Add (#99999999999999999999)", "Add (#99999999999999999999)", None),
])  # fmt: skip
def test_squash_and_merge_subjects_name_their_pull_request(text: str, title: str, number: int | None):
    message = read_message(text)
    assert (message.title, message.pull_request) == (title, number)


@pytest.mark.parametrize(("body", "meant"), [
    ("This reverts commit 0123456789.\n\nSigned-off-by: R <r@x>", ["r@x"]),
    ("This reverts commit 0123456789.\n\nAdd relu\n\nCo-authored-by: B <b@x>\nReviewed-by: C <c@x>", []),
    ("This reverts commit 0123456789.\n\nAdd relu (#1)\n\nCo-authored-by: B <b@x>\n\nSigned-off-by: R <r@x>", ["r@x"]),
    ("It broke CI.\n\nReviewed-by: Z <z@x>\n\nOriginal commit message:\nAdd relu\n\nReviewed-by: C <c@x>", ["z@x"]),
    ("> Add relu\n> Co-authored-by: B <b@x>\n\nReviewed-by: Z <z@x>", ["z@x"]),
])  # fmt: skip
def test_a_revert_does_not_count_what_it_quotes(body: str, meant: list[str]):
    message = read_message(f'Revert "Add relu (#1)" (#2)\n\n{body}\n')
    assert message.is_revert
    assert [trailer.email for trailer in message.trailers] == meant


def test_a_revert_names_the_commits_that_it_takes_back():
    message = read_message('Revert "x"\n\nThis reverts commit abcdef0123.\nThis reverts commit 0123456789abcdef.\n')
    assert message.reverts == ("abcdef0123", "0123456789abcdef")


def test_a_sign_off_counts_only_if_it_is_the_authors():
    message = read_message("t\n\nCo-authored-by: B <b@x>\nSigned-off-by: Anne <ANNE@x>\nSigned-off-by: Boss <boss@x>")
    assert is_signed_off(message, "anne@x")
    assert not is_signed_off(message, "b@x")
    assert not is_signed_off(message, "")
    assert missing_sign_offs(message, "Anne", "anne@x") == ("B <b@x>",)


def test_a_tool_need_not_sign_off():
    message = read_message("t\n\nCo-authored-by: Claude <noreply@anthropic.com>\nSigned-off-by: Anne <anne@x>")
    assert missing_sign_offs(message, "Anne", "anne@x") == ()


def test_an_author_signs_off_whatever_the_name():
    assert missing_sign_offs(read_message("t"), "dependabot[bot]", "x@y.example") == ("dependabot[bot] <x@y.example>",)


@pytest.mark.parametrize(("name", "email", "kind"), [
    ("Anne Arc", "anne@arc.example", ContributorKind.PERSON), ("Jo Abbot", "abbot@x.example", ContributorKind.PERSON),
    ("Robot Lover", "r@x.example", ContributorKind.PERSON), ("Claude Monet", "monet@x.example", ContributorKind.PERSON),
    ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com", ContributorKind.BOT),
    ("PyTorch MergeBot", "pytorchmergebot@users.noreply.github.com", ContributorKind.PERSON),
    ("pytorchmergebot", "x@y.example", ContributorKind.BOT), ("Facebook Github Bot", "fb@x", ContributorKind.BOT),
    ("Copilot", "198982749+Copilot@users.noreply.github.com", ContributorKind.ASSISTANCE),
    ("Claude", "noreply@anthropic.com", ContributorKind.ASSISTANCE),
    ("aider (gpt-4)", "", ContributorKind.ASSISTANCE),
])  # fmt: skip
def test_bots_and_tools_are_told_from_people(name: str, email: str, kind: ContributorKind):
    assert contributor_kind(name, email) is kind


@pytest.mark.parametrize(("email", "says"), [
    ("1+a@users.noreply.github.com", True), ("noreply@github.com", True), ("root@localhost", True), ("", True),
    ("a@pc.local", True), ("a", True), ("anne@arc.example", False), ("reply@arc.example", False),
])  # fmt: skip
def test_an_address_without_a_mailbox_is_known(email: str, says: bool):
    assert is_noreply(email) is says


@pytest.mark.parametrize(("authored", "committed", "year"), [
    (1_700_000_000, 1_800_000_000, 2023), (0, 1_700_000_000, 2023), (None, 1_700_000_000, 2023),
    (10**18, 1_700_000_000, 2023), (-(10**18), None, 2026), (None, None, 2026), (10**12, 10**12, 2026),
    (100_000_000, None, 1973),
])  # fmt: skip
def test_absurd_dates_are_bounded(authored: int | None, committed: int | None, year: int):
    assert contribution_time(authored, committed, now=NOW).year == year


hostile = st.text() | st.lists(
    st.sampled_from(["Signed-off-by: ", "Approved by: ", "Reviewed By:", "<", ">", "a@b", "\n", "\r\n", "\n\n", " ",
                     ",", "Revert \"", "This reverts commit ", "0123456789", "(#1)", "\x00", "\u2028",
                     "https://github.com/", "Original message", "é", "\x85", "Co-authored-by: A <a@b>\n"])
).map("".join)  # fmt: skip


@given(hostile)
def test_any_message_is_read_into_bounded_single_lines(text: str):
    message = read_message(text)
    values = [message.subject, message.title]
    for trailer in message.trailers:
        values += [trailer.value, trailer.name, trailer.email, trailer.login]
    assert len(message.trailers) <= MOST_TRAILERS
    assert all(len(value) <= LONGEST_VALUE
               for value in values)  # fmt: skip
    assert not any(character in value for value in values for character in "\n\r\x00\u2028")


@given(hostile)
def test_a_quoted_message_states_nothing(text: str):
    quoted = "\n".join(f"> {line}" for line in text.splitlines())
    assert read_message(f"Subject\n\n{quoted}").trailers == ()


@given(st.integers() | st.none(), st.integers() | st.none())
def test_any_date_lands_between_1970_and_tomorrow(authored: int | None, committed: int | None):
    assert datetime(1970, 1, 1, tzinfo=UTC) < contribution_time(authored, committed, now=NOW) <= NOW + timedelta(days=1)


def test_a_thousand_trailers_are_cut():
    text = "t\n\n" + "\n".join(f"Reviewed-by: P <p{n}@x>" for n in range(1000))
    assert len(read_message(text).of(TrailerKey.REVIEWED)) == MOST_TRAILERS
