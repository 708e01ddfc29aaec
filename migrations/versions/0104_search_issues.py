"""Search: issues are found, too; triggers say what of them must be indexed anew."""

from __future__ import annotations

from alembic import op

revision = "0104"
down_revision = "0103"

_DUE = "INSERT INTO search_due (kind, ref)"
_OF_IDENTITY = f'{_DUE} SELECT 7, id FROM "issue" WHERE author_identity_id = {{row}}.identity_id;'  # noqa: S608 - our tables
_OF_REPOSITORY = f'{_DUE} SELECT 7, id FROM "issue" WHERE repository_id = NEW.id;'  # noqa: S608 - our tables
# (name, when, table, condition, deed): an issue is found by its repository's name, and a bot's stands behind others.
_TRIGGERS = (
    ("search_issue_made", "INSERT", "issue", "", f"{_DUE} VALUES (7, NEW.id);"),
    ("search_issue_gone", "DELETE", "issue", "", f"{_DUE} VALUES (7, OLD.id);"),
    ("search_issue_changed", "UPDATE OF title, number, opened_at, repository_id, author_identity_id", "issue",
     "OLD.title {differs} NEW.title OR OLD.number {differs} NEW.number OR OLD.opened_at {differs} NEW.opened_at "
     "OR OLD.repository_id {differs} NEW.repository_id OR OLD.author_identity_id {differs} NEW.author_identity_id",
     f"{_DUE} VALUES (7, NEW.id);"),
    ("search_issues_of_repository", "UPDATE OF name", "repository", "OLD.name {differs} NEW.name", _OF_REPOSITORY),
    ("search_issues_of_made", "INSERT", "identity_person", "NEW.role <> 'person'", _OF_IDENTITY.format(row="NEW")),
    ("search_issues_of_gone", "DELETE", "identity_person", "OLD.role <> 'person'", _OF_IDENTITY.format(row="OLD")),
    ("search_issues_of_changed", "UPDATE OF role", "identity_person", "OLD.role {differs} NEW.role",
     _OF_IDENTITY.format(row="NEW")),
)  # fmt: skip


def upgrade() -> None:
    """Make the triggers; all issues that are there are due."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, when, table, condition, deed in _TRIGGERS:
        if_so = condition.format(differs="IS NOT" if is_sqlite else "IS DISTINCT FROM")
        if is_sqlite:
            guard = f"WHEN {if_so} " if if_so else ""
            op.execute(f'CREATE TRIGGER {name} AFTER {when} ON "{table}" {guard}BEGIN {deed} END')
            continue
        guard = f"WHEN ({if_so}) " if if_so else ""
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ "
                   f"BEGIN {deed} RETURN NULL; END $$")  # fmt: skip
        op.execute(f'CREATE TRIGGER {name} AFTER {when} ON "{table}" FOR EACH ROW {guard}EXECUTE FUNCTION {name}()')
    op.execute(f'{_DUE} SELECT 7, id FROM "issue"')  # noqa: S608 - our tables
