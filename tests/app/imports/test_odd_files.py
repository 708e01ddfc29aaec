"""Files with days, texts and blanks that none should have: each is a sentence with its line, none breaks a page."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from flask import Flask

from app.imports.formats import parse
from app.imports.rules import FileKind, Member, OwnsDomain

_NESTED = '{"companies": [{"company_name": "Acme", "domains": ["acme.com"], "users": [1]}], "users": [{"emails": []}]}'
_ONE_MEMBER = "landscape:\n- name: Our Members\n  subcategories:\n  - name: Gold\n    items:\n    - {name: Acme, %s}\n"


@pytest.mark.parametrize(("kind", "text", "line"), [
    (FileKind.GITDM_MAP, "blue.org Blue\nacme.com Acme < 99999999999999999999-1-1", 2),
    (FileKind.GITDM_MAP, "acme.com Acme < 0001-01-01", 1),
    (FileKind.CNCF_AFFILIATIONS, "Ada: ada!acme.com\n\tAcme until 0001-01-01", 2),
    (FileKind.STACKALYTICS, '{"users": [{"emails": ["a@b.c"], "companies": ['
     '{"company_name": "A", "end_date": "0001-01-01"}]}]}', 1),
    (FileKind.STACKALYTICS, '{"users": [' + "9" * 5000 + "]}", 1),
    (FileKind.STACKALYTICS, '{"companies": [\n{"company_name": "A\\u0000", "domains": []}]}', 2),
    (FileKind.STACKALYTICS, '{"companies": [\n{"company_name": "A\\ud800", "domains": []}]}', 2),
    (FileKind.LANDSCAPE, _ONE_MEMBER % '"homepage_url": "A\\0"', 1),
    (FileKind.OWNERS, 'approvers: ["a\\0b"]', 1),
    (FileKind.OWNERS, "approvers:\n" + "- " * 20_000 + "x", 1),
    (FileKind.LANDSCAPE, "landscape: " + "[" * 20_000 + "]" * 20_000, 1),
    (FileKind.LANDSCAPE, "landscape: " + "{a: " * 20_000 + "}" * 20_000, 1),
])  # fmt: skip
def test_what_no_database_takes_is_a_problem_with_its_line(kind: FileKind, text: str, line: int) -> None:
    assert [one.line for one in parse(kind, text).problems] == [line]


def test_a_list_of_the_same_name_further_up_is_not_mistaken_for_the_file_own() -> None:
    found = parse(FileKind.STACKALYTICS, _NESTED)
    assert found.problems == []
    assert [one.domain for one in found.claims if isinstance(one, OwnsDomain)] == ["acme.com"]


@pytest.mark.parametrize("website", ["javascript:alert(1)", "http://[", "acme.com", "https://a/" + "a" * 300])
def test_what_is_no_website_is_told_and_becomes_no_link(website: str) -> None:
    found = parse(FileKind.LANDSCAPE, _ONE_MEMBER % f'"homepage_url": "{website}"')
    assert ([one.line for one in found.notes], found.problems) == ([6], [])
    assert [one.website for one in found.claims if isinstance(one, Member)] == [""]


def test_a_day_with_a_time_of_day_is_that_day() -> None:
    (member,) = parse(FileKind.LANDSCAPE, _ONE_MEMBER % "joined: 2025-02-01T10:00:00Z").claims
    assert isinstance(member, Member)
    assert str(member.joined) == "2025-02-01"
    assert type(member.joined).__name__ == "date"


@pytest.mark.parametrize(("kind", "text"), [
    (FileKind.GITDM_MAP, "a " + " " * 100_000 + "<"),
    (FileKind.CNCF_AFFILIATIONS, "Ada: ada!acme.com\n\t" + "a from " * 20_000),
    (FileKind.GITDM_GROUP, "a" * 200_000),
])  # fmt: skip
def test_a_line_without_end_takes_no_time_without_end(kind: FileKind, text: str) -> None:
    began = time.process_time()
    parse(kind, text, organization="Acme, " * 20_000)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("file", ["/dev/zero", "folder"])
def test_a_file_without_end_or_that_cannot_be_read_is_refused_by_the_command(
    app: Flask, tmp_path: Path, file: str
) -> None:
    (tmp_path / "folder").mkdir()
    answer = app.test_cli_runner().invoke(args=["people", "import", str(tmp_path / file), "--kind", "mailmap"])
    assert answer.exit_code in (1, 2)
    assert "more than 2,048 KiB; give it in parts" in answer.output or "is a directory" in answer.output
