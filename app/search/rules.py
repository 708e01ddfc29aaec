"""Words as they are compared: folded, cut, and how far one is from another. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

LONGEST_WORD = 48
MOST_WORDS = 40
MOST_ASKED = 6
_WORD = re.compile(r"[^\W_]+")
# What Unicode does not take apart though readers do.
_ALIKE = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})


def folded(text: str) -> str:
    """A text without case, accents and variants of its letters.

    >>> folded("Ioana Nyström-Łukasz, ＡＢＣ, Straße")
    'ioana nystrom-lukasz, abc, strasse'
    """
    apart = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", plain.casefold()).translate(_ALIKE)


def words_of(text: str) -> list[str]:
    """The words of a text, each once, in its order.

    >>> words_of("Fix torch.compile on `AArch64` (#123), fix again")
    ['fix', 'torch', 'compile', 'on', 'aarch64', '123', 'again']
    """
    found = (word[:LONGEST_WORD] for word in _WORD.findall(folded(text)))
    return list(dict.fromkeys(found))[:MOST_WORDS]


def grams(word: str) -> frozenset[str]:
    """The parts of three letters of a word, its ends marked; none of a number, whose neighbours are other things.

    >>> sorted(grams("ada"))
    [' ad', 'ada', 'da ']
    """
    if len(word) < 3 or any(letter.isdigit() for letter in word):
        return frozenset()
    marked = f" {word} "
    return frozenset(marked[at : at + 3] for at in range(len(marked) - 2))


def allowed_slips(word: str) -> int:
    """How many slips of the finger a word of this length may hold: none up to three letters.

    >>> [allowed_slips(word) for word in ("ada", "jorn", "nystroem")]
    [0, 1, 2]
    """
    if any(letter.isdigit() for letter in word) or len(word) < 4:
        return 0
    return 1 if len(word) < 7 else 2


def slips(one: str, other: str, *, most: int) -> int:
    """Letters left out, put in, exchanged, or swapped with the next, from one word to another; at most `most` + 1.

    >>> slips("kernel", "kernle", most=2), slips("kernel", "colonel", most=2)
    (1, 3)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, against in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)


def nearest(word: str, candidates: Collection[str], *, most: int) -> list[str]:
    """The candidates within so many slips, the nearest first.

    >>> nearest("nystrm", ["nystrom", "nylon", "nystroem"], most=2)
    ['nystrom', 'nystroem']
    """
    found = [(slips(word, one, most=most), one) for one in candidates]
    return [one for far, one in sorted(found) if far <= most]


def closed(words: Collection[str]) -> str:
    """Words as an entry keeps them: each between two spaces, so that a whole word and the beginning of one are told.

    >>> closed(["fix", "cache"])
    ' fix cache '
    """
    return f" {' '.join(words)} "
