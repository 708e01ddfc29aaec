"""What a change needs before it may be merged, and whose turn it is; plain values in, plain values out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from app.rulebook import Atom, Gate, GateVerdict, Signers, UnsettledAuthor


class Verdict(Enum):
    """What a reviewer says of a change as it stands at one head commit."""

    APPROVE = "approve"
    REQUEST_CHANGES = "request_changes"
    COMMENT = "comment"


class Whose(Enum):
    """Who has to act next."""

    AUTHOR = "author"
    REVIEWERS = "reviewers"
    MERGER = "merger"
    NOBODY = "nobody"


@dataclass(frozen=True)
class CommitSeen:
    """What the sign-off gate looks at in one commit: who of its authors has not signed it off."""

    sha: str
    subject: str
    author: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opinion:
    """A verdict by one person at one head commit, with what they wrote."""

    person: str
    verdict: Verdict
    head: str
    text: str = ""


@dataclass(frozen=True)
class Unsettled:
    """Authors of a change who are nobody known, as they write themselves, and the written rule for them."""

    authors: tuple[str, ...]
    rule: UnsettledAuthor

    @property
    def needed(self) -> int:
        """How many approvals each module needs."""
        return self.rule.needed(len(self.authors))

    @property
    def because(self) -> str:
        """Why it is so many."""
        who, count = ", ".join(self.authors), len(self.authors)
        nobody = f"{who} is nobody" if count == 1 else f"{who} are {count} people, none of them one"
        return (
            f"{nobody} that the portal knows, so whoever approves may have written it: rule {self.rule.key} "
            f"({self.rule.source}) asks for {self.needed} approvals, that one may come from somebody else."
        )


@dataclass(frozen=True)
class Turn:
    """Whose turn it is and why; `modules` are those that still wait for an approval."""

    whose: Whose
    because: str
    modules: tuple[str, ...] = ()


def sign_off_gate(commits: Sequence[CommitSeen]) -> GateVerdict:
    """Every commit, the oldest first, carries a sign-off of its author and of each co-author.

    >>> sign_off_gate([CommitSeen("a1b2c3d4e5", "Fix it", "Ada <ada@x.org>", ("Ada <ada@x.org>",))]).reasons[0]
    'a1b2c3d4 "Fix it" lacks the sign-off of Ada <ada@x.org>. Add it with `git commit --amend --signoff`.'
    """
    how = _how_to_sign(commits)
    return Gate("sign-off", [_signed(commit, how) for commit in commits]).verdict()


def _how_to_sign(commits: Sequence[CommitSeen]) -> str:
    """What adds one's own sign-off to all that lack it: `--amend` reaches no further than the last commit."""
    oldest = next((commit for commit in commits if commit.missing), None)
    if oldest is None or oldest is commits[-1]:
        return "git commit --amend --signoff"
    return f"git rebase --signoff {oldest.sha[:8]}~1"


def _signed(commit: CommitSeen, how: str) -> Atom:
    name = f'{commit.sha[:8]} "{commit.subject}"'
    if not commit.missing:
        return Atom(commit.sha, True, f"{name} is signed off.")
    way_out = f"Add it with `{how}`."
    if commit.missing != (commit.author,):
        way_out = "Everyone who wrote it adds their own `Signed-off-by:` line."
    return Atom(commit.sha, False, f"{name} lacks the sign-off of {', '.join(commit.missing)}.", way_out)


def current(opinions: Sequence[Opinion], *, head: str) -> dict[str, Opinion]:
    """Each person's last word at this head: approvals of an earlier push have lapsed, and a comment changes nothing."""
    last: dict[str, Opinion] = {}
    for opinion in opinions:
        if opinion.head == head and opinion.verdict is not Verdict.COMMENT:
            last[opinion.person] = opinion
    return last


def approval_gate(
    modules: Mapping[str, Signers],
    opinions: Sequence[Opinion],
    *,
    head: str,
    author: str | None,
    co_authors: Collection[str] = (),
    unsettled: Unsettled | None = None,
    unowned: int = 0,
    too_long: str = "",
) -> GateVerdict:
    """A maintainer of every touched module approves this very head, and none of them asks for changes.

    Where an author is `unsettled`, one approval may be that author's own, so more are needed.

    `modules` says who may sign for each touched module; whoever wrote any of its commits (`author`, `co_authors`) does
    not approve it; `unowned` counts the touched files that no module owns;
    `too_long` says why not all of the change could be read, and then nobody can approve it whole.
    """
    words = current(opinions, head=head)
    authors = {author, *co_authors}
    atoms = [_approved(key, who, words, authors, unsettled) for key, who in sorted(modules.items())]
    atoms += [_contested(key, who, words) for key, who in sorted(modules.items()) if _objectors(who, words)]
    if too_long:
        way_out = "Push it again, as several changes if it is large."
        atoms.append(Atom("too-long", False, f"Not all of it was read: {too_long}.", way_out))
    if unowned:
        files = "1 file belongs" if unowned == 1 else f"{unowned} files belong"
        atoms.append(
            Atom("unowned", False, f"{files} to no module.", "Give the path an owner in governance/modules.yaml first.")
        )
    return Gate("module-approval", atoms).verdict()


def _approved(
    key: str, who: Signers, words: Mapping[str, Opinion], authors: Collection[str | None], unsettled: Unsettled | None
) -> Atom:
    tried = _tried(who, words, authors)
    good = [atom for atom in tried.values() if atom.holds]
    if unsettled:
        # What counts although it may be the author's own, the written rule lets through alone.
        alone = [atom for atom in _tried(who, words, words.keys()).values() if atom.holds]
        if not alone:
            return _approved_by_several(key, who, tried, unsettled)
        good = alone
    if good:
        return Atom(key, True, f"{key}: {good[0].because}")
    may = len(who.maintainers | who.stand_ins)
    way_out = "Ask one of its maintainers." if who.maintainers else "An administrator may approve, with a reason."
    if not may:
        way_out = "Nobody may approve it yet: name a maintainer in governance/modules.yaml."
    return Atom(key, False, f"{key}: no approval of this head that counts.{_refusals(tried)}", way_out)


def _approved_by_several(key: str, who: Signers, tried: Mapping[str, Atom], unsettled: Unsettled) -> Atom:
    good = sum(atom.holds for atom in tried.values())
    if good >= unsettled.needed:
        return Atom(key, True, f"{key}: {good} maintainers approve. {unsettled.because}")
    or_else = f"; only {len(who.maintainers)} may approve, so that comes first."
    if len(who.maintainers) >= unsettled.needed:
        or_else = ", or further maintainers approve."
    if who.stand_ins:
        or_else = ", or somebody approves with a reason."
    way_out = f"Staff settle who that is under People, “Enter a person”{or_else}"
    text = f"{key}: {good} of {unsettled.needed} approvals of this head.{_refusals(tried)} {unsettled.because}"
    return Atom(key, False, text, way_out)


def _tried(who: Signers, words: Mapping[str, Opinion], authors: Collection[str | None]) -> dict[str, Atom]:
    """Person -> whether their approval counts."""
    return {
        person: who.may_sign(person, reason=word.text, author=person if person in authors else None)
        for person, word in words.items()
        if word.verdict is Verdict.APPROVE
    }


def _refusals(tried: Mapping[str, Atom]) -> str:
    return "".join(f" {atom.because} {atom.way_out}".rstrip() for atom in tried.values() if not atom.holds)


def _objectors(who: Signers, words: Mapping[str, Opinion]) -> list[str]:
    may = who.maintainers | who.stand_ins
    return sorted(w.person for w in words.values() if w.verdict is Verdict.REQUEST_CHANGES and w.person in may)


def _contested(key: str, who: Signers, words: Mapping[str, Opinion]) -> Atom:
    count = len(_objectors(who, words))
    asks = "A maintainer asks" if count == 1 else f"{count} maintainers ask"
    return Atom(f"{key}:contested", False, f"{key}: {asks} for changes.", "Push the changes, or talk it through.")


def whose_turn(sign_off: GateVerdict, approval: GateVerdict, *, is_open: bool = True) -> Turn:
    """Who has to act next, from the two gates.

    The author, while a commit is unsigned or a maintainer asks for changes; then the reviewers; then who merges.
    """
    if not is_open:
        return Turn(Whose.NOBODY, "It is closed.")
    if not sign_off.lets_through:
        return Turn(Whose.AUTHOR, sign_off.reasons[0])
    authors_work = (":contested", "unowned", "too-long")
    contested = [atom for atom in approval.atoms if not atom.holds and atom.key.endswith(authors_work)]
    if contested:
        return Turn(Whose.AUTHOR, contested[0].sentence)
    waiting = tuple(atom.key for atom in approval.atoms if not atom.holds)
    if waiting:
        return Turn(Whose.REVIEWERS, f"It waits for an approval for {', '.join(waiting)}.", waiting)
    return Turn(Whose.MERGER, "Both gates let it through.")


def is_mine(
    turn: Turn,
    modules: Mapping[str, Signers],
    *,
    person: str,
    author: str | None,
    approved: Collection[str] = (),
) -> bool:
    """Whether this person can do what the change waits for; who `approved` this head has done their part."""
    if turn.whose is Whose.AUTHOR:
        return person == author
    if turn.whose is Whose.MERGER:
        return any(person in who.maintainers | who.stand_ins for who in modules.values())
    return person not in approved and any(
        person in modules[key].stand_ins or (person in modules[key].maintainers and person != author)
        for key in turn.modules
        if key in modules
    )


def nearest_approvers(
    modules: Mapping[str, Signers], waiting: Collection[str], *, author: str | None, approvals: int = 1
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """A small set of persons whose approvals would satisfy every waiting module, each with the modules they cover.

    `approvals`: how many each module needs; where somebody may stand in with a reason, one is enough. Greedy: whoever
    covers most of what is left comes first (ties by name), which is within ln(n) of the smallest set.
    """
    left = {key: 1 if modules[key].stand_ins else approvals for key in waiting if key in modules}
    chosen: dict[str, tuple[str, ...]] = {}
    while left:
        covers: dict[str, set[str]] = {}
        for key in left:
            who = modules[key]
            for person in (who.stand_ins | {m for m in who.maintainers if m != author}) - chosen.keys():
                covers.setdefault(person, set()).add(key)
        if not covers:
            break
        best = min(covers, key=lambda person: (-len(covers[person]), person))
        chosen[best] = tuple(sorted(covers[best]))
        left = {key: number - (key in covers[best]) for key, number in left.items() if number > (key in covers[best])}
    return tuple(chosen.items())
