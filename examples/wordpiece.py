"""BERT's lower-case tokenizer: from a text to the codes of words and pieces of words. `minilm.py` reads with it.

Source: Devlin and others, arXiv:1810.04805; the vocabulary is a text file with one piece a line.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import flambeau as fl
from flambeau.nn.utils.rnn import pad_sequence

CHINESE = ((0x4E00, 0xA000), (0x3400, 0x4DC0), (0x20000, 0x2FA20), (0xF900, 0xFB00))


class WordPiece:
    """Words, then the longest known pieces of each word from its beginning; "##" begins what is not a beginning."""

    def __init__(self, vocabulary: Path, longest: int = 128) -> None:
        self.codes = {piece: code for code, piece in enumerate(vocabulary.read_text(encoding="utf-8").splitlines())}
        self.longest = longest

    def __call__(self, text: str) -> list[int]:
        """The codes of a text between those of [CLS] and [SEP], at most `longest`."""
        pieces = [code for word in words(text) for code in self.pieces(word)]
        return [self.codes["[CLS]"], *pieces[: self.longest - 2], self.codes["[SEP]"]]

    def pieces(self, word: str) -> list[int]:
        """The codes of one word; that of [UNK] alone where a part is unknown or the word has over 100 characters."""
        found: list[int] = []
        start = 0
        while start < len(word) <= 100:
            ends = range(len(word), start, -1)
            end = next((end for end in ends if ("##" if start else "") + word[start:end] in self.codes), None)
            if end is None:
                break
            found.append(self.codes[("##" if start else "") + word[start:end]])
            start = end
        return found if start == len(word) else [self.codes["[UNK]"]]

    def batch(self, texts: list[str]) -> fl.Tensor:
        """The codes of several texts (n, the longest of them), filled up with 0, the code of [PAD]."""
        return pad_sequence([fl.tensor(self(text)) for text in texts], batch_first=True)


def words(text: str) -> list[str]:
    """A text's words in lower case and without accents; signs and Chinese characters stand alone.

    >>> words("Naïve? It's 日本.")
    ['naive', '?', 'it', "'", 's', '日', '本', '.']
    """
    spread = []
    for character in unicodedata.normalize("NFD", text.lower()):
        kind, code = unicodedata.category(character), ord(character)
        sign = kind.startswith("P") or (code < 127 and kind.startswith("S"))
        if sign or any(first <= code < end for first, end in CHINESE):
            spread.append(f" {character} ")
        elif character in "\t\n\r" or not (kind[0] == "C" or kind == "Mn" or character == "\ufffd"):
            spread.append(character)
    return "".join(spread).split()
