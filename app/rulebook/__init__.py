"""One engine for every threshold of the foundation: quorums, votes, gates, and why each came out as it did.

Pure: plain values in, plain values out; no web, no database, no clock.
"""

from app.rulebook.employers import Counted, Counting, Named, Word, as_recorded, counting, strongest
from app.rulebook.gates import Atom, Gate, GateVerdict, Override, State, all_of
from app.rulebook.signers import Signers, SingleMaintainer, UnsettledAuthor, second_person, signers
from app.rulebook.thresholds import (
    Abstentions,
    Base,
    Count,
    Mode,
    Rule,
    RulebookError,
    Source,
    Threshold,
    Verdict,
    evaluate,
    needed_votes,
)

__all__ = [
    "Abstentions",
    "Atom",
    "Base",
    "Count",
    "Counted",
    "Counting",
    "Gate",
    "GateVerdict",
    "Mode",
    "Named",
    "Override",
    "Rule",
    "RulebookError",
    "Signers",
    "SingleMaintainer",
    "Source",
    "State",
    "Threshold",
    "UnsettledAuthor",
    "Verdict",
    "Word",
    "all_of",
    "as_recorded",
    "counting",
    "evaluate",
    "needed_votes",
    "second_person",
    "signers",
    "strongest",
]
