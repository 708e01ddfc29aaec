"""What is read of a branch under review, from real git repositories."""

import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from app.contributions.clones import Clone
from app.reviews.reading import from_json, read_change

ADA = ("Ada", "ada@x.example")


def git(path: Path, *arguments: str, author: tuple[str, str] = ADA) -> str:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": author[0], f"GIT_{role}_EMAIL": author[1]}
    done = subprocess.run(["git", *arguments], cwd=path, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    (path / "a.txt").write_text("one\ntwo\n")
    git(path, "add", ".")
    git(path, "commit", "-qsm", "Begin")
    git(path, "switch", "-qc", "fix")
    return path


def read(source: Path, tmp_path: Path):
    clone = Clone(tmp_path / "clone.git")
    clone.fetch(str(source))
    return read_change(clone, base_branch="main", head=clone.branches()["fix"])


def test_a_branch_is_read_as_its_commits_and_touched_paths(source, tmp_path):
    (source / "a.txt").write_text("one\nzwei\n")
    (source / "b.txt").write_text("new\n")
    git(source, "add", ".")
    git(source, "commit", "-qsm", "Say it in German")
    change = read(source, tmp_path)
    assert change.title == "Say it in German"
    assert change.paths == ["a.txt", "b.txt"]
    assert (change.additions, change.deletions) == (2, 1)
    assert [commit.missing_sign_offs for commit in change.commits] == [[]]
    assert from_json(json.loads(json.dumps(asdict(change)))) == change


def test_a_commit_without_the_authors_sign_off_names_who_is_missing(source, tmp_path):
    git(source, "commit", "-q", "--allow-empty", "-m", "Unsigned\n\nSigned-off-by: Eve <eve@x.example>")
    assert read(source, tmp_path).commits[0].missing_sign_offs == ["Ada <ada@x.example>"]


def test_a_rename_touches_both_paths_so_that_both_modules_are_asked(source, tmp_path):
    git(source, "mv", "a.txt", "c.txt")
    git(source, "commit", "-qsm", "Move")
    assert read(source, tmp_path).paths == ["a.txt", "c.txt"]


def test_what_main_gained_since_is_not_part_of_the_change(source, tmp_path):
    (source / "b.txt").write_text("new\n")
    git(source, "add", ".")
    git(source, "commit", "-qsm", "On the branch")
    git(source, "switch", "-q", "main")
    (source / "a.txt").write_text("changed on main\n")
    git(source, "commit", "-qsam", "On main")
    assert read(source, tmp_path).paths == ["b.txt"]


def test_a_merge_of_main_into_the_branch_needs_no_sign_off(source, tmp_path):
    git(source, "commit", "-qs", "--allow-empty", "-m", "On the branch")
    git(source, "switch", "-q", "main")
    git(source, "commit", "-qs", "--allow-empty", "-m", "On main")
    git(source, "switch", "-q", "fix")
    git(source, "merge", "-q", "--no-ff", "-m", "Merge main", "main")
    assert [commit.missing_sign_offs for commit in read(source, tmp_path).commits] == [[], []]


def test_a_branch_that_main_holds_already_is_no_change(source, tmp_path):
    assert read(source, tmp_path) is None
