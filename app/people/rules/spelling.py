"""A name as it is compared: without accents, in Latin letters, its words in no order. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
# Letters that Unicode does not take apart, and the usual Latin spelling of Cyrillic and Greek.
_LETTERS = str.maketrans(
    dict(zip(
        "ßøłđðþæœıħŋ"
        "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґўјљњћђџ"
        "αβγδεζηθικλμνξοπρσςτυφχψω",
        ["ss", "o", "l", "d", "d", "th", "ae", "oe", "i", "h", "n",
         "a", "b", "v", "g", "d", "e", "zh", "z", "i", "i", "k", "l", "m", "n", "o", "p", "r", "s", "t", "u", "f", "kh",
         "ts", "ch", "sh", "shch", "", "y", "", "e", "yu", "ya", "e", "i", "i", "e", "g", "u", "j", "lj", "nj", "c",
         "dj", "dz",
         "a", "v", "g", "d", "e", "z", "i", "th", "i", "k", "l", "m", "n", "x", "o", "p", "r", "s", "s", "t", "y", "f",
         "ch", "ps", "o"],
        strict=True,
    ))
)  # fmt: skip
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa"})


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name in small Latin letters, initials left out, in alphabetical order.

    >>> words_of("Lovelace, Ada K."), words_of("Łukasz Żółć"), words_of("Сергей Иванов")
    (('ada', 'lovelace'), ('lukasz', 'zolc'), ('ivanov', 'sergei'))
    """
    return _words(name.casefold())


def spellings(name: str) -> frozenset[tuple[str, ...]]:
    """The ways in which a name of two words or more may be written elsewhere: with its umlauts as two letters, too.

    >>> sorted(spellings("Jörg Müller")), spellings("ada")
    ([('joerg', 'mueller'), ('jorg', 'muller')], frozenset())
    """
    plain = unicodedata.normalize("NFC", name).casefold()
    found = {_words(plain), _words(plain.translate(_UMLAUTS))}
    return frozenset(words for words in found if len(words) >= 2)


@lru_cache(maxsize=200_000)
def _words(text: str) -> tuple[str, ...]:
    latin = text.translate(_LETTERS)
    if not latin.isascii():
        # The letters of a syllabic script are one word each; where nothing is Latin, the text itself is compared.
        taken_apart = unicodedata.normalize("NFKD", latin)
        latin = "".join(letter for letter in taken_apart if not unicodedata.combining(letter)).translate(_LETTERS)
    found = _WORD.findall(latin)
    full = [word for word in found if len(word) > 1 or not word.isascii()]
    return tuple(sorted(full or found))
