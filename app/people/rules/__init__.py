"""Who is one person, what is no person, who may be whom, and whom people worked for when: pure functions."""

from app.people.rules.employing import (
    EVER,
    Interval,
    Statement,
    StatementSource,
    employer_on,
    employment,
    side_employment,
)
from app.people.rules.identities import (
    Assignment,
    Decided,
    DecisionKind,
    Group,
    Named,
    Resolution,
    Role,
    assign,
    best_name,
    identifies_one_person,
    in_force,
    masked,
    own_role,
    resolve,
)
from app.people.rules.likeness import Known, Likeness, likenesses
from app.people.rules.machines import Automatic, known_machine, looks_automatic

__all__ = [
    "EVER",
    "Assignment",
    "Automatic",
    "Decided",
    "DecisionKind",
    "Group",
    "Interval",
    "Known",
    "Likeness",
    "Named",
    "Resolution",
    "Role",
    "Statement",
    "StatementSource",
    "assign",
    "best_name",
    "employer_on",
    "employment",
    "identifies_one_person",
    "in_force",
    "known_machine",
    "likenesses",
    "looks_automatic",
    "masked",
    "own_role",
    "resolve",
    "side_employment",
]
