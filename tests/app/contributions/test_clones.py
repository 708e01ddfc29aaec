"""What the portal reads of a repository is what plain git says of it, whatever the repository holds."""

from __future__ import annotations

import re
import tarfile
import time
from pathlib import Path

import pytest

from app.contributions import git
from app.contributions.clones import Clone, GitError, ask
from tests.app.contributions.conftest import BOB, Repository


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clones" / "r_1.git")


def numstat(repository: Repository, *arguments: str) -> list[tuple[str, str, str, str]]:
    raw = repository.git("log", "--reverse", "--topo-order", "--numstat", "--no-renames", "-z", "--format=%H",
                         *arguments).decode("utf-8", "backslashreplace")  # fmt: skip
    rows, sha = [], ""
    for token in raw.replace("\0\n", "\0").split("\0"):
        parts = token.split("\t", 2)
        if len(parts) == 3:
            rows.append((sha, *parts))
        elif token.strip():
            sha = token.strip()
    return sorted(rows)


def ours(clone: Clone, head: str = "main") -> list[tuple[str, str, str, str]]:
    shas = clone.list_commits([head])
    counted = [(one.sha, path) for one in clone.count_lines(shas) for path, _, _ in one.paths or []]
    assert sorted(counted) == sorted((one.sha, change.path) for one in clone.read_commits(shas)
                                     for change in one.changes)  # fmt: skip
    return sorted(
        (one.sha, "-" if added is None else str(added), "-" if deleted is None else str(deleted), path)
        for one in clone.count_lines(shas) for path, added, deleted in one.paths or []
    )  # fmt: skip


def test_commits_and_line_counts_equal_plain_git(repository: Repository, clone: Clone):
    repository.commit("one", {"a.txt": "1\n2\n3\n", "dir/b": "x\n"})
    repository.git("switch", "-qc", "side")
    repository.commit("rename", {"c": "1\n"}, author=BOB)
    repository.git("mv", "a.txt", "moved\ttab\nline.txt")
    repository.commit("moved")
    repository.git("switch", "-q", "main")
    repository.commit(b"bin\xe9ry", {"pic": b"\0\1\2"}, author=("J\udce9", "j@x"))
    repository.git("switch", "-qc", "third", "main~1")
    repository.commit("empty")
    repository.git("switch", "-q", "main")
    repository.merge("side", "third", message="an octopus")
    repository.git("tag", "main", "side")  # a name that is a branch and a tag
    clone.fetch(str(repository.path))

    assert ours(clone) == numstat(repository, "refs/heads/main")
    assert list(clone.list_commits(["main"])) == repository.text("rev-list", "--reverse", "--topo-order",
                                                           "refs/heads/main").split()  # fmt: skip
    assert clone.resolve("main") == repository.text("rev-parse", "refs/heads/main")
    assert len(clone.commit("main").parents) == 3


def test_names_and_messages_that_are_not_utf_8_stay_readable(repository: Repository, clone: Clone):
    repository.git("commit", "--quiet", "--allow-empty", "--file=-", given="Grüße\n".encode("latin-1"),
                   **repository.who(("Jos\udce9", "jose@x.example")))  # fmt: skip
    raw = repository.path / b"donn\xe9es".decode("utf-8", "surrogateescape")
    raw.write_text("1\n")
    repository.commit("path")
    clone.fetch(str(repository.path))

    first, second = clone.read_commits(clone.list_commits(["main"]))

    assert (first.author_name, first.message.strip()) == ("José", "Grüße")
    assert [change.path for change in second.changes] == ["donn\\xe9es"]


@pytest.mark.parametrize("path", ["commit 1", ":100644 100644", "1\t2\tx", "a\nb", "\n:", "  ", "-", "--all", "é"])
def test_a_path_cannot_pass_for_something_else(repository: Repository, clone: Clone, path: str):
    repository.commit("commit 0123\n\n:100644\n1\t1\tx", {path: "1\n", "z": "1\n2\n"})
    head = repository.commit("next", {path: "2\n"})
    clone.fetch(str(repository.path))

    entries = list(clone.read_commits(clone.list_commits(["main"])))

    assert ours(clone) == numstat(repository)
    assert {change.path for change in entries[0].changes} == {path, "z"}
    assert [(change.path, change.status) for change in entries[1].changes] == [(path, "M")]
    assert clone.read_file(head, path) == b"2\n"
    assert clone.diff(entries[0].sha, head).paths == (path,)


def test_a_second_fetch_follows_rewritten_new_and_deleted_branches(repository: Repository, clone: Clone):
    first = repository.commit("one", {"a": "1\n"})
    repository.git("branch", "gone")
    repository.commit("two", {"a": "2\n"})
    clone.fetch(str(repository.path))
    repository.git("reset", "-q", "--hard", first)
    rewritten = repository.commit("two, written anew", {"a": "3\n"})
    repository.git("branch", "-D", "gone")
    repository.git("branch", "gone/below")  # the old name is now a folder

    clone.fetch(str(repository.path))

    assert clone.branches() == {"main": rewritten, "gone/below": rewritten}
    assert not clone.is_ancestor(rewritten, first)


def test_the_default_branch_is_the_sources_own(repository: Repository, clone: Clone, tmp_path: Path):
    repository.commit("one")
    repository.git("branch", "-m", "main", "stable")
    repository.git("branch", "main")
    repository.git("clone", "-q", "--bare", str(repository.path), str(tmp_path / "bare.git"))

    assert clone.fetch(str(tmp_path / "bare.git")).default_branch == "stable"
    assert clone.default_branch() == "stable"


def test_what_somebody_has_checked_out_is_no_default_branch(repository: Repository, clone: Clone):
    repository.commit("one")
    repository.git("switch", "-qc", "fix")

    assert clone.fetch(str(repository.path)).default_branch == "main"
    repository.git("branch", "-m", "main", "stable")
    assert clone.fetch(str(repository.path)).default_branch == "fix"
    assert clone.fetch(str(repository.path), keep="stable").default_branch == "stable"


def test_an_empty_repository_has_no_branches(repository: Repository, clone: Clone):
    answer = clone.fetch(str(repository.path))

    assert (answer.branches, answer.default_branch, clone.branches(), clone.default_branch()) == ({}, None, {}, None)


def test_a_repository_that_was_emptied_empties_the_clone(repository: Repository, clone: Clone):
    repository.commit("one")
    clone.fetch(str(repository.path))
    repository.git("update-ref", "-d", "refs/heads/main")

    clone.fetch(str(repository.path))

    assert clone.branches() == {}


def test_a_shallow_source_gives_what_it_has(repository: Repository, clone: Clone, tmp_path: Path):
    for number in range(5):
        repository.commit(f"commit {number}", {"a": f"{number}\n"})
    shallow = tmp_path / "shallow"
    repository.git("clone", "-q", "--depth=2", f"file://{repository.path}", str(shallow))
    clone.fetch(str(shallow))

    assert len(list(clone.read_commits(clone.list_commits(["main"])))) == 2


def test_a_partial_source_gives_commits_and_paths_without_line_counts(repository, clone, tmp_path):
    for number in range(5):
        repository.commit(f"commit {number}", {f"file {number}": f"{number}\n"})
    repository.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "par tial%20.git"
    repository.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{repository.path}", str(partial))
    repository.path.rename(tmp_path / "out of reach")
    clone.fetch(str(partial))

    entries = list(clone.read_commits(clone.list_commits(["main"])))

    clone.fetch(str(partial))
    assert clone.is_partial
    assert [entry.changes[0].path for entry in entries] == [f"file {number}" for number in range(5)]
    assert all(one.paths is None for one in clone.count_lines(clone.list_commits(["main"])))


def test_a_missing_blob_in_the_middle_costs_its_own_line_counts_alone(repository: Repository, clone: Clone):
    for number in range(6):
        repository.commit(f"commit {number}", {"a": f"{number}\n" * 3})
    clone.fetch(str(repository.path))
    lost = repository.text("rev-parse", "main~2:a")
    # A fetch this small is kept as loose objects.
    (clone.path / "objects" / lost[:2] / lost[2:]).unlink()

    entries = list(clone.read_commits(clone.list_commits(["main"])))

    assert [entry.message for entry in entries] == [f"commit {number}" for number in range(6)]
    counted = [one.paths is not None for one in clone.count_lines(clone.list_commits(["main"]))]
    assert counted == [True, True, True, False, False, True]
    assert all(entry.changes[0].path == "a" for entry in entries)


def test_mailmap_answers_as_git_does(repository: Repository, clone: Clone):
    head = repository.commit("one", {".mailmap": "Anne Arc <anne@arc.example> <old@x.example>\n<new@b> Bob <bob@b>\n"})
    clone.fetch(str(repository.path))

    mapped = clone.mailmap([("a", "old@x.example"), ("Bob", "bob@b"), ("", "e@e"), ("n", ""), ("Ünï", "x@y")],
                           commit=head)  # fmt: skip

    assert mapped == [("Anne Arc", "anne@arc.example"), ("Bob", "new@b"), ("", "e@e"), ("n", ""), ("Ünï", "x@y")]


def test_a_difference_is_read_into_files_and_numbered_lines(repository: Repository, clone: Clone):
    base = repository.commit("one", {"keep": "".join(f"{n}\n" for n in range(20)), "old": "same\n" * 9, "bin": b"\0"})
    repository.git("switch", "-qc", "fix")
    repository.git("mv", "old", 'new "name"')
    (repository.path / "bin").unlink()
    (repository.path / "bin").symlink_to("keep")
    text = "".join("changed\n" if n == 10 else f"{n}\n" for n in range(20)) + "no newline"
    head = repository.commit("two", {"keep": text, "diff --git a/x b/x": "--- a/x\n+++ b/x\n@@ -1 +1 @@\n"})
    repository.git("switch", "-q", "main")
    repository.commit("meanwhile", {"other": "1\n"})
    clone.fetch(str(repository.path))

    diff = clone.diff("main", "fix")

    assert {(file.status, file.old_path, file.path) for file in diff.files} == {
        ("renamed", "old", 'new "name"'), ("type changed", "bin", "bin"), ("modified", "keep", "keep"),
        ("added", "diff --git a/x b/x", "diff --git a/x b/x")}  # fmt: skip
    keep = next(file for file in diff.files if file.path == "keep")
    lines = [line for hunk in keep.hunks for line in hunk.lines if line.kind != " "]
    assert [(line.kind, line.text, line.old_number, line.new_number) for line in lines] == [
        ("-", "10", 11, None), ("+", "changed", None, 11), ("+", "no newline", None, 21)]  # fmt: skip
    assert lines[-1].ends_without_newline
    assert (keep.added, keep.deleted) == (2, 1)
    assert clone.merge_base("main", "fix") == base
    assert clone.is_ancestor(base, head)
    assert [entry.sha for entry in clone.log("main", "fix")] == [head]


def test_a_difference_that_is_too_long_is_cut_and_says_so(repository: Repository, clone: Clone):
    repository.commit("one")
    repository.git("switch", "-qc", "big")
    repository.commit("two", {"a": "line\n" * 5000, "b": "x\n"})
    clone.fetch(str(repository.path))

    diff = clone.diff("main", "big", limit_bytes=4000)

    assert diff.is_cut
    assert [file.path for file in diff.files] == ["a", "b"]
    assert 100 < diff.added < 5000


def test_histories_that_never_met_are_compared_from_nothing(repository: Repository, clone: Clone):
    repository.commit("one", {"a": "1\n"})
    repository.git("switch", "-q", "--orphan", "alone")
    repository.commit("other root", {"b": "1\n"})
    clone.fetch(str(repository.path))

    assert clone.merge_base("main", "alone") is None
    assert clone.diff("main", "alone").paths == ("b",)


def test_an_archive_holds_the_commits_files(repository: Repository, clone: Clone, tmp_path: Path):
    head = repository.commit("one", {"a": "1\n", "dir/b": "2\n"})
    clone.fetch(str(repository.path))

    with tarfile.open(clone.archive(head, tmp_path / "source.tar.gz", prefix="flambeau/")) as tar:
        assert {member.name for member in tar if member.isfile()} == {"flambeau/a", "flambeau/dir/b"}
    assert clone.archive(head, tmp_path / "again.tar.gz", prefix="flambeau/").read_bytes() == (
        tmp_path / "source.tar.gz").read_bytes()  # fmt: skip


@pytest.mark.parametrize(("source", "said"), [
    ("", "no address"), ("--upload-pack=touch /tmp/x", "no address"), ("ext::sh -c id", "switched off"),
    ("git@host.example:a/b", "switched off"), ("ssh://host.example/a", "only https, http, file"),
    ("https://me:secret@host.example/a", "password"), ("a\nb", "no address"), ("/nowhere/at/all", "does not exist"),
    ("/" + "x" * 999, "cannot be opened"), ("~nobody-of-this-name/a", "is no folder"),
])  # fmt: skip
def test_a_source_that_is_none_is_refused_in_a_sentence(source: str, said: str):
    with pytest.raises(GitError, match=said):
        ask(source)


def test_a_folder_and_a_file_that_are_no_repository_are_refused(tmp_path: Path, clone: Clone):
    (tmp_path / "file").write_text("x")
    with pytest.raises(GitError, match="does not answer as a git repository"):
        clone.fetch(str(tmp_path))
    with pytest.raises(GitError, match="is a file"):
        ask(str(tmp_path / "file"))
    assert not clone.exists


@pytest.mark.parametrize("linked", ["clones/r_1.git", "clones"])
def test_a_clones_folder_that_is_a_link_to_nowhere_is_refused_in_a_sentence(
    repository: Repository, tmp_path: Path, linked: str
):
    repository.commit("one", {"a": "1\n"})
    place, link = tmp_path / "clones" / "r_1.git", tmp_path / linked
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "other disk")
    said = f"{link} is a link to {tmp_path / 'other disk'}, which is not there; make that folder"
    with pytest.raises(GitError, match=re.escape(said)):
        Clone(place).fetch(str(repository.path))
    assert link.is_symlink(), "it is somebody's"
    (tmp_path / "other disk").mkdir()
    Clone(place).fetch(str(repository.path))
    assert Clone(place).branches().keys() == {"main"}


@pytest.mark.parametrize("name", ["--all", "-x", "HEAD", "a..b", "main^", "main~1", "@{u}", "v1:f", "deadbeef^", ""])
def test_a_name_that_is_an_option_or_an_expression_never_reaches_git(repository: Repository, clone: Clone, name: str):
    repository.commit("one")
    clone.fetch(str(repository.path))
    with pytest.raises(GitError, match="neither a branch name nor a full commit hash"):
        clone.list_commits([name])


def test_hooks_and_configuration_of_the_machine_are_not_obeyed(
    repository: Repository, clone: Clone, monkeypatch, tmp_path
):
    marker = tmp_path / "ran"
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[core]\n\tsshCommand = touch {marker}\n[alias]\n\tlog = "!touch {marker}"\n'
                                     f"[core]\n\tpager = touch {marker}\n\tfsmonitor = touch {marker}\n")  # fmt: skip
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"touch {marker}")
    hook = repository.path / ".git" / "hooks" / "post-upload-pack"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    repository.commit("one", {"a": "1\n", ".gitattributes": "* diff=evil\n"})
    clone.fetch(str(repository.path))

    assert len(list(clone.read_commits(clone.list_commits(["main"])))) == 1
    assert not marker.exists()


def test_git_that_writes_or_lasts_too_long_is_stopped(repository: Repository, clone: Clone):
    repository.commit("one", {"a": "line\n" * 10_000})
    clone.fetch(str(repository.path))
    with pytest.raises(GitError, match="wrote more than 100 bytes"):
        git.run(["cat-file", "blob", f"{clone.resolve('main')}:a"], path=clone.path, limit_bytes=100)
    begun = time.monotonic()
    with pytest.raises(GitError, match="time-out of"):
        git.run(["-c", "alias.wait=!sleep 30", "wait"], timeout_s=0.3)
    assert time.monotonic() - begun < 10
    assert clone.read_file("main", "a", limit_bytes=100) == b"line\n" * 20
