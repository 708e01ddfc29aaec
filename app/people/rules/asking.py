"""What is asked of people: proposals that a machine makes, answers to them, and what a reader says is wrong. Pure."""

from __future__ import annotations

from enum import Enum

POSTPONED_DAYS = 30
# The least confidence at which a person may say themselves that another, unclaimed identity is theirs (decision 0507).
OWN_WORD_FROM = 80


class ProposalKind(Enum):
    """What a machine proposes."""

    SAME_AS = "same-as"
    BOT = "bot"
    ASSISTANCE = "assistance"


class Verdict(Enum):
    """The answer to a proposal."""

    YES = "yes"
    NO = "no"
    LATER = "later"


class RemarkAbout(Enum):
    """What a reader's remark is about."""

    PERSON = "person"
    IDENTITY = "identity"
    EMPLOYER = "employer"
    ORGANIZATION = "organization"
    DOMAIN = "domain"
    MODULE = "module"
    REPOSITORY = "repository"
    FIGURE = "figure"

    @property
    def is_of_a_person(self) -> bool:
        """Whether it is about somebody, who reads it too."""
        return self in (RemarkAbout.PERSON, RemarkAbout.IDENTITY, RemarkAbout.EMPLOYER)
