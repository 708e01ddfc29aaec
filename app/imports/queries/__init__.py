"""What others ask of imports: give a file, see what it would change, apply it, undo it."""

from app.imports.queries.applying import (
    CONFIDENCE,
    MOST_BYTES,
    ImportRefusedError,
    apply_import,
    give_file,
    plan_of,
    throw_away,
    undo_import,
)
from app.imports.queries.planning import Change, Plan, plan
from app.imports.queries.reading import import_by_public_id, imports, named_as_keepers

__all__ = [
    "CONFIDENCE",
    "MOST_BYTES",
    "Change",
    "ImportRefusedError",
    "Plan",
    "apply_import",
    "give_file",
    "import_by_public_id",
    "imports",
    "named_as_keepers",
    "plan",
    "plan_of",
    "throw_away",
    "undo_import",
]
