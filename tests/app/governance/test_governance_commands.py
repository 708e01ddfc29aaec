"""`flask governance check` and `flask governance sync`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.audit import AuditEntry
from app.governance.models import GovernanceVersion

GOVERNANCE = Path(__file__).resolve().parents[3] / "governance"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(GOVERNANCE, tmp_path / "governance")


def run(app, *arguments):
    return app.test_cli_runner().invoke(args=["governance", *arguments])


def test_check_names_every_problem_and_fails(app, folder):
    file = folder / "rules.yaml"
    file.write_text(file.read_text().replace('quorum: ">= 50% of all"', 'quorum: "> 50% of all"'))
    result = run(app, "check", "--folder", str(folder))
    assert result.exit_code == 1
    assert "rules.yaml:" in result.output
    assert "says 'at least 50%'" in result.output


def test_check_of_our_own_files_succeeds(app):
    assert run(app, "check").exit_code == 0


def test_a_dry_run_prints_the_plan_and_changes_nothing(app, db):
    result = run(app, "sync", "--dry-run")
    assert "would sync body governing-board: make, with the seats platinum" in result.output
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(GovernanceVersion)) == 0


def test_a_sync_writes_everything_with_one_audit_entry_and_then_has_nothing_to_do(app, db):
    assert run(app, "sync").exit_code == 0
    assert "0 things changed" in run(app, "sync").output
    with db.read() as session:
        actions = session.scalars(sa.select(AuditEntry.action)).all()
    assert actions == ["governance.sync"]


def test_a_broken_file_changes_nothing_at_all(app, db, folder):
    (folder / "bodies.yaml").write_text("bodies: 7\n")
    result = run(app, "sync", "--folder", str(folder))
    assert result.exit_code == 1
    assert "bodies.yaml:1: bodies:" in result.output
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(GovernanceVersion)) == 0


def test_versions_are_kept_and_never_changed(governed_each):
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), governed_each.write() as session:
        session.execute(sa.text("DELETE FROM governance_version"))
