"""Repositories from the command line: added, read and listed, with a sentence where it cannot be."""

from __future__ import annotations

from tests.app.contributions.conftest import Repository as Source


def test_a_repository_is_added_read_and_listed(app, db, repository: Source):
    repository.commit("one", {"a": "1\n"})
    run = app.test_cli_runner().invoke
    assert str(repository.path) in run(args=["contributions", "add", str(repository.path), "--name", "one"]).output
    assert "one: 1 commits counted" in run(args=["contributions", "read", "one"]).output
    assert "one\tready\t1 commits" in run(args=["contributions", "list"]).output


def test_what_is_no_repository_ends_with_a_sentence(app, db, tmp_path):
    run = app.test_cli_runner().invoke
    answer = run(args=["contributions", "add", str(tmp_path)])
    assert answer.exit_code == 1
    assert "does not appear to be a git repository" in answer.output
    answer = run(args=["contributions", "read", "none"])
    assert (answer.exit_code, "there is no repository 'none'" in answer.output) == (1, True)


def test_an_empty_portal_says_what_to_do(client):
    assert "No repository is counted yet" in client.get("/contributions/").text
