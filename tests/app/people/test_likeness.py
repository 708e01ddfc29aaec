"""Who may be whom: cases reckoned by hand, and laws of the pure function."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.people.rules import Known, likenesses, looks_automatic
from app.people.rules.spelling import spellings


def only(*known, **more):
    found = likenesses(known, **more)
    assert len(found) <= 1
    return (found[0].confidence, found[0].reasons) if found else None


ADA = Known(1, "Ada Lovelace", "ada@acme.com", domain="acme.com")


@pytest.mark.parametrize(
    ("other", "confidence", "reason"),
    [
        (Known(2, "ada  lovelace", "lovelace@home.org", domain="home.org"), 45, "the same full name"),
        # 1 - (1 - .45)(1 - .70)
        (Known(2, "Ada Lovelace", "al@acme.com", domain="acme.com"), 84, "both write from acme.com"),
        (Known(2, "Lovelace, Ada K.", "al@acme.com", domain="acme.com"), 80, "both write from acme.com"),
        (Known(2, "", "", "ada", "github"), 50, "the login “ada” is what stands before the @ of the other’s address"),
        (Known(2, "Al", "ada.lovelace@home.org"), 40, "one’s address spells the other’s name"),
        (Known(2, "Bob", "bob@acme.com", domain="acme.com"), None, ""),
    ],
)
def test_each_reason_makes_it_so_sure(other, confidence, reason):
    found = only(ADA, other)
    assert (found and found[0]) == confidence
    assert found is None or reason in found[1]


def test_a_noreply_address_carries_login_and_account_number():
    first = Known(1, "x", "77+ada@users.noreply.github.com")
    assert only(first, Known(2, "y", "77+countess@users.noreply.github.com"))[0] == 97
    assert only(first, Known(2, "", "", "Ada", "github")) == (90, ("the noreply address carries the login “ada”",))
    assert only(first, Known(2, "", "", "ada", "phabricator"))[1] == ("“ada” at git and at phabricator",)


def test_the_same_employer_and_the_same_modules_add_to_the_same_name():
    one = Known(1, "Ada Lovelace", "ada@gmail.com", employers=frozenset({7}))
    other = Known(2, "Ada Lovelace", "al@posteo.de", employers=frozenset({7, 8}))
    assert only(one, other)[0] == 78  # 1 - .55 * .40
    assert only(one, other, areas_of=lambda ids: dict.fromkeys(ids, frozenset({"ops"})))[0] == 86  # ... * .65


def test_two_logins_of_one_source_speak_against_it():
    one, other = (Known(n, "Ada Lovelace", "", f"ada{n}", "github", employers=frozenset({7})) for n in (1, 2))
    assert only(one, other) is None
    assert only(one, Known(3, "Ada Lovelace", "", "ada9", "gitlab", employers=frozenset({7})))[0] == 78


def test_a_name_that_many_have_says_little():
    smiths = [Known(n, "John Smith", f"u{n}@h{n}.org") for n in range(30)]
    assert likenesses(smiths) == []


def test_a_thousand_of_one_name_make_no_million_pairs():
    many = [Known(n, "Wei Wang", f"u{n}@c{n % 3}.com", domain=f"c{n % 3}.com") for n in range(3000)]
    assert len(likenesses(many)) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [("Jörg Müller", "Joerg Mueller"), ("Сергей Иванов", "Sergei Ivanov"), ("Łukasz Żółć", "Lukasz Zolc"),
     ("José García", "jose garcia"), ("Νίκος Παππάς", "Nikos Pappas"), ("Ada K. Lovelace", "Lovelace, Ada")],
)  # fmt: skip
def test_one_name_in_two_spellings_is_found(one, other):
    assert spellings(one) & spellings(other)


@pytest.mark.parametrize(
    ("name", "address", "login", "kind"),
    [
        ("PyTorch MergeBot", "merge@x.org", "", "bot"), ("k8s-ci-robot", "", "", "bot"),
        ("Claude", "c@x.org", "", "assistance"), ("", "", "acme-bot", "bot"),
        ("Robot Smith", "rsmith@acme.com", "rsmith", None), ("Abbot", "abbot@acme.com", "", None),
        ("dependabot[bot]", "", "", None), ("Ada Lovelace", "ada@acme.com", "ada", None),
    ],
)  # fmt: skip
def test_what_looks_like_a_machine_is_proposed_and_what_is_one_needs_no_proposal(name, address, login, kind):
    found = looks_automatic(name, address, login)
    assert (found and found.kind) == kind


known = st.lists(
    st.builds(
        Known,
        id=st.integers(1, 15),
        name=st.sampled_from(["", "Ada", "Ada Lovelace", "Lovelace Ada", "Jörg Müller", "Joerg Mueller"]),
        address=st.sampled_from(["", "ada@x.org", "ada@y.org", "1+ada@users.noreply.github.com", "ada.lovelace@z.org"]),
        login=st.sampled_from(["", "ada", "lovelace"]),
        source=st.sampled_from(["git", "github", "phabricator"]),
    ),
    max_size=12, unique_by=lambda one: one.id,
)  # fmt: skip


@given(known, st.randoms(use_true_random=False))
def test_the_order_in_which_identities_come_does_not_matter(listed, random):
    assert likenesses(random.sample(listed, len(listed))) == likenesses(listed)


@given(known)
def test_no_pair_is_proposed_twice_and_every_one_has_a_reason(listed):
    found = likenesses(listed)
    assert len({(one.one, one.other) for one in found}) == len(found)
    assert all(one.one < one.other and one.reasons and 40 <= one.confidence <= 99 for one in found)
