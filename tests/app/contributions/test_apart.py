"""Changes told apart side by side, on the table that is small enough to count by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.contributions.figures import Figure, read_figure
from app.contributions.figures.apart import BY
from app.contributions.measuring import measure_changes
from app.contributions.models import Change, ChangeFile, Repository
from app.contributions.queries import Folders, Scope
from app.contributions.windows import Window
from app.db import Database
from tests.app.contributions.test_timeline_queries import HOUR, told

NOW = datetime(2026, 12, 31, tzinfo=UTC)
DAYS = {"since": "2026-01-01", "until": "2026-12-31"}


def drawn(session: Session, key: str, **arguments: str) -> Figure:
    return read_figure(session, key, {**DAYS, **arguments}, now=NOW)


def test_waiting_by_organization_worked_out_by_hand(app: Flask, governed_each: Database):
    with governed_each.write() as session:
        told(session)
    with app.test_request_context(), governed_each.read() as session:
        found = drawn(session, "first-response-apart", apart="organization")
        # Ada of Acme: 2 h, 4 h, one that waits. Ben of Bell: 30 h, and two that got no word within a day.
        assert [(row[0], row[1], row[2], row[3], row[7]) for row in found.rows] == [
            ("Acme", 3, 2, 4 * HOUR, None), ("Bell", 3, 1, 30 * HOUR, 30 * HOUR),
            ("Independent", 1, 1, 6 * HOUR, 6 * HOUR), ("Unattributed", 1, 1, 8 * HOUR, 8 * HOUR)]  # fmt: skip
        assert "median 4.0 h, 75% " not in found.drawing  # a third still waits, so three quarters have no end yet
        assert "median 4.0 h, n\u00a0=\u00a03" in found.drawing
        assert found.table.count("This is wrong") == 2
        lasted = drawn(session, "change-duration-apart", apart="organization")
        assert [(row[0], row[1], row[2], row[3]) for row in lasted.rows[:2]] == [
            ("Acme", 3, 2, 20 * HOUR), ("Bell", 3, 2, 50 * HOUR)]  # fmt: skip


def test_openings_closings_and_coverage_worked_out_by_hand(app: Flask, governed_each: Database):
    with governed_each.write() as session:
        told(session)
    with app.test_request_context(), governed_each.read() as session:
        assert drawn(session, "closure-apart", apart="organization").rows == (
            ("Acme", 3, 2, 2, 0.6667, 1), ("Bell", 3, 2, 1, 0.6667, 1), ("Independent", 1, 1, 1, 1.0, 0),
            ("Unattributed", 1, 0, 0, 0.0, 1))  # fmt: skip
        assert drawn(session, "review-coverage-apart", apart="organization").rows == (
            ("Acme", 2, 2, 1.0, 1.5), ("Bell", 1, 1, 1.0, 1.0), ("Independent", 1, 1, 1.0, 1.0))  # fmt: skip
        tiers = drawn(session, "closure-apart", apart="tier").rows
        assert [(row[0], row[1]) for row in tiers] == [
            ("Silver", 3), ("No member’s", 3), ("Independent", 1), ("Unattributed", 1)]  # fmt: skip


@pytest.mark.parametrize("apart", [name for name in BY if name != "module"])
def test_what_is_told_apart_adds_up_to_the_whole(app: Flask, governed: Database, apart: str):
    with governed.write() as session:
        told(session)
    with app.test_request_context(), governed.read() as session:
        assert sum(row[1] for row in drawn(session, "first-response-apart", apart=apart).rows) == 8
        closed = drawn(session, "closure-apart", apart=apart).rows
        assert [sum(row[at] for row in closed) for at in (1, 2, 3, 5)] == [8, 5, 4, 3]


def test_a_change_is_in_every_module_that_it_touched(app: Flask, governed: Database):
    with governed.write() as session:
        _, ids = told(session)
        measure_changes(session, [ids[1]])  # its files are known now
    with app.test_request_context(), governed.read() as session:
        found = drawn(session, "first-response-apart", apart="module")
        assert [(row[1], row[3]) for row in found.rows] == [(1, 2 * HOUR)]
        assert "one that touches none is left out" in found.caption
        assert drawn(session, "closure-apart", apart="module").rows[0][1:4] == (1, 1, 1)


def test_the_page_puts_side_by_side_what_its_address_asks_for(client, app: Flask, governed: Database):
    with governed.write() as session:
        told(session)
    plain = client.get("/contributions/reviews?window=3y").text
    assert "first-response-apart" not in plain
    assert 'href="/contributions/reviews?window=3y&amp;apart=organization"' in plain
    found = client.get("/contributions/reviews?window=3y&apart=organization").text
    assert "first-response-apart.csv?window=3y&amp;apart=organization" in found
    assert client.get("/contributions/reviews?window=3y&apart=moon").status_code == 400


def touching(session: Session, ids: dict[int, int]) -> None:
    """The files of the table's changes, two of them in one folder; of the others none are known."""
    files = [(1, "csrc/ops/mul.cpp"), (1, "docs/ops.md"), (2, "csrc/backends/reference/mul.cpp"), (2, "README.md"),
             (4, "csrc/ops/simd/add.cpp"), (4, "csrc/ops_old.cpp"), (7, "docs/a/b/c.md"),
             (8, "csrc_old/add.cpp")]  # fmt: skip
    session.execute(sa.insert(ChangeFile), [{"change_id": ids[number], "path": path} for number, path in files])
    measure_changes(session, list(ids.values()))


def test_waiting_by_folder_worked_out_by_hand(app: Flask, governed_each: Database):
    with governed_each.write() as session:
        _, ids = told(session)
        touching(session, ids)
        repository = session.scalars(sa.select(Repository.public_id)).one()
    with app.test_request_context(), governed_each.read() as session:
        top = {"repository": repository, "apart": "folder"}
        # csrc: 2 h, 4 h, 30 h; docs: 2 h, 6 h; the top: 4 h; csrc_old: 8 h. Who touches two folders is in both.
        waited = drawn(session, "first-response-apart", **top)
        assert [(row[0], row[1], row[3]) for row in waited.rows] == [
            ("csrc/", 3, 4 * HOUR), ("docs/", 2, 2 * HOUR), ("files at the top", 1, 4 * HOUR),
            ("csrc_old/", 1, 8 * HOUR)]  # fmt: skip
        assert "A change counts in every folder" in waited.caption
        assert waited.table.count("This is wrong") == 4
        assert "path=csrc&amp;apart=folder" in waited.table or "apart=folder&amp;path=csrc" in waited.table
        lasted = drawn(session, "change-duration-apart", **top, path="csrc")
        # Below csrc: ops 10 h and 50 h, backends 20 h, and a file right there 50 h; csrc_old is another folder.
        assert [(row[0], row[1], row[2], row[3]) for row in lasted.rows] == [
            ("csrc/ops/", 2, 2, 10 * HOUR), ("files right in csrc/", 1, 1, 50 * HOUR),
            ("csrc/backends/", 1, 1, 20 * HOUR)]  # fmt: skip
        closed = {row[0]: row[1:4] for row in drawn(session, "closure-apart", **top).rows}
        assert closed == {"csrc/": (3, 3, 3), "docs/": (2, 2, 2), "files at the top": (1, 1, 1),
                          "csrc_old/": (1, 0, 0)}  # fmt: skip
        assert {row[0]: row[1] for row in drawn(session, "review-coverage-apart", **top).rows} == {
            "csrc/": 3, "docs/": 2, "files at the top": 1}  # fmt: skip


def test_a_modules_folders_are_those_in_which_its_paths_part(app: Flask, governed: Database):
    with governed.write() as session:
        _, ids = told(session)
        touching(session, ids)
    with app.test_request_context(), governed.read() as session:
        found = drawn(session, "first-response-apart", module="ops", apart="folder")
        assert {row[0]: row[1] for row in found.rows} == {"csrc/ops/": 2, "csrc/backends/": 1}
        deeper = drawn(session, "first-response-apart", module="ops", apart="folder", path="csrc/ops")
        assert {row[0]: row[1] for row in deeper.rows} == {"files right in csrc/ops/": 1, "csrc/ops/simd/": 1}


def test_folders_are_asked_of_a_repository_or_a_module(client, app: Flask, governed: Database):
    with governed.write() as session:
        _, ids = told(session)
        touching(session, ids)
        repository = session.scalars(sa.select(Repository.public_id)).one()
    page = client.get("/contributions/reviews?window=3y&apart=folder").text
    assert "Folders are a repository’s own." in page
    with app.test_request_context(), governed.read() as session:
        assert drawn(session, "first-response-apart", apart="folder").rows == ()
    page = client.get(f"/contributions/reviews?window=3y&apart=folder&repository={repository}&path=csrc").text
    assert '<span aria-current="location">csrc</span>' in page
    assert "csrc/ops/" in page
    assert "first-response-apart.csv?" in page
    page = client.get(f"/contributions/reviews?window=3y&apart=folder&repository={repository}&path=no%25such").text
    assert "Of no change in these days are the files known." in page


_NAMES = st.sampled_from(("a", "A", "b", "%", "_"))


@given(paths=st.lists(st.lists(_NAMES, min_size=1, max_size=4), min_size=1, max_size=12))
@example(paths=[["a", "b"], ["A", "b"]])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folders_in_sql_are_those_of_a_path_taken_apart(governed: Database, paths: list[list[str]]):
    with governed.write() as session:
        if session.scalar(sa.select(sa.func.count(Change.id))) == 0:
            told(session)
        ids = {number: key for number, key in session.execute(sa.select(Change.number, Change.id))}
        session.execute(sa.delete(ChangeFile))
        values = [{"change_id": ids[1 + at % 5], "path": "/".join(parts)} for at, parts in enumerate(paths)]
        session.execute(sa.insert(ChangeFile), values)
        for below in ("", "a", "%", "a/b"):
            rows = Folders(below, Scope(repository=1), Window(date(2026, 1, 1), date(2026, 12, 31))).rows
            found = {(row.change_id, row.folder) for row in session.execute(sa.select(rows.change_id, rows.folder))}
            inside = f"{below}/" if below else ""
            rest = [(one["change_id"], str(one["path"]).removeprefix(inside)) for one in values
                    if str(one["path"]).startswith(inside)]  # fmt: skip
            assert found == {(number, path.split("/")[0] if "/" in path else "") for number, path in rest}
