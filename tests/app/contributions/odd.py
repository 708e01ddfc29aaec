"""A repository with everything odd that histories were seen to hold, and some that only an enemy would write."""

from __future__ import annotations

import os

from tests.app.contributions.conftest import ANNE, BOB, Repository

CY = ("Cy <Coy>, \"the\" 'other'", "cy@coy.example")
HOSTILE = '<script>alert(1)</script> \'; DROP TABLE "commit"; -- \u202egnp.exe\u202c \u2066x\u2069 \x1b[31mred\x07'
TRAILERS = (
    "Co-authored-by: Bob Bell <BOB@bell.example>\nco-Authored-By: Dee <d@d.example>\nReviewed-by: Eve <eve@e.example>",
    "Reviewed By: anne, @bob-b\n\nDifferential Revision: D123\n\nfbshipit-source-id: 00ff",
    "Approved by: https://github.com/ez, https://github.com/mal\nPull Request resolved: https://github.com/x/y/pull/12345",
    "Pull Request resolved:\n https://github.com/x/y/pull/77\nSigned-off-by: Anne Arc <ANNE@arc.example>",
    "Signed-off-by: Somebody Else <else@else.example>\nAcked-by: Bob\nTested-by: Bob <bob@bell.example>",
    "> Reviewed-by: Quoted <q@q.example>\n    Reviewed-by: Indented <i@i.example>\nnot Reviewed-by: Prose <p@p.xyz>",
    "Assisted-by: Claude\nCo-authored-by: Claude <noreply@anthropic.com>\nCo-authored-by: Copilot <copilot@github.com>",
    "Reviewed-by: Folded\n  Name <folded@f.example>\nReviewed-by:\nReviewed-by: \nCo-authored-by: no address",
    "Signed-off-by: A <a@a.example>\r\nReviewed-by: Windows <w@w.example>\r\n",
)  # fmt: skip
DATES = ("", "x", "0 +0000", "-62167219200 +0000", "1099511627776 +9999", "99999999999999999999 +0000",
         "1700000000 -9999", "1700000000 +2400", "1700000000")  # fmt: skip


def raw(repository: Repository, author: bytes, message: bytes, *, headers: bytes = b"", committer: bytes = b"") -> str:
    """A commit whose bytes are written as they stand, on top of what is checked out."""
    tree, head = repository.text("rev-parse", "HEAD^{tree}"), repository.text("rev-parse", "HEAD")
    body = (f"tree {tree}\nparent {head}\n".encode() + b"author " + author + b"\ncommitter " + (committer or author)
            + b"\n" + headers + b"\n" + message)  # fmt: skip
    sha = repository.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", given=body).decode().strip()
    repository.git("update-ref", "HEAD", sha)
    return sha


def make_odd(repository: Repository) -> Repository:
    """Write them all to `main`."""
    mailmap = "Anne Arc <anne@arc.example> <old@arc.example>\n<bob@bell.example> Rob <rob@x>\n"
    repository.commit("one", {"a": "1\n2\n3\n", "dir/b": "x\n" * 9, "kept": "k\n", ".mailmap": mailmap})
    repository.commit("old address", {"a": "1\n"}, author=("anne", "old@arc.example"))
    for number, trailers in enumerate(TRAILERS):
        said = f"change (#{number})\n\nText.\n\n{trailers}\n\nlast words: {number}"
        repository.commit(said, {"t": f"{number}\n" * 9})
        repository.commit(f"as git has it\n\n{trailers}\n", {"t": "x\n" * (number + 1)}, author=("Rob", "rob@x"))
    enemy = (HOSTILE.replace("<", "("), "h@h")
    repository.commit(HOSTILE + "\n\n" + HOSTILE, {"-": "1\n", "--all": "2\n"}, author=enemy)
    quoted = "change (#1)\n\nReviewed-by: Q <q@q>\n"
    repository.commit('Revert "change (#1)"\n\nThis reverts commit ' + "0" * 40 + ".\n\n" + quoted)
    repository.commit("", author=BOB)
    repository.commit("huge\n\n" + "word " * 100_000 + "\n\nReviewed-by: Too late <late@l>\n", author=BOB)
    folder = os.fsencode(repository.path)
    for name in (b"donn\xe9es", b"tab\tline\nend", b"\xf0\x9f\x90\x91", b"commit 1", b":100644", b"1\t2\tx"):
        with open(folder + b"/" + name, "wb") as file:
            file.write(name * 3 + b"\n")
    repository.commit("odd names", author=CY)
    (repository.path / "kept").unlink()
    (repository.path / "kept").symlink_to("a")
    (repository.path / "a").chmod(0o755)
    repository.commit("a link, a mode")
    repository.git("mv", "dir/b", "dir/c")
    repository.commit("binary and renamed", {"pic": b"\0\1\2", "empty": ""})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    repository.git("commit", "-qm", "a submodule", **repository.who(ANNE))
    repository.git("reset", "-q", "--hard")
    for side in ("one", "two", "three"):
        repository.git("switch", "-qc", side, "main~2")
        repository.commit(f"side {side}", {side: "1\n"}, author=BOB)
    repository.git("switch", "-q", "main")
    repository.merge("one", "two", "three", message="an octopus\n\nReviewed-by: Eve <eve@eve.example>")
    repository.git("switch", "-q", "--orphan", "alone")
    repository.commit("another root", {"root": "1\n"})
    repository.git("switch", "-q", "main")
    repository.git("merge", "-q", "--allow-unrelated-histories", "-m", "two roots", "alone", **repository.who(BOB))
    for date in DATES:
        raw(repository, b"Dora <dora@d.example> " + date.encode(), f"dated {date}\n".encode())
    raw(repository, b"Jos\xe9 <jose@x.example> 1700000100 +0100", "Grüße\n".encode("latin-1"))
    raw(repository, "Юрий <y@y.example> 1700000200 +0300".encode("iso-8859-5"), "Привет\n".encode("iso-8859-5"),
        headers=b"encoding ISO-8859-5\n")  # fmt: skip
    raw(repository, b"Nemo <nemo@n.example> 1700000300 +0000", b"\xff\xfe raw\n", headers=b"encoding nonsense-99\n")
    raw(repository, b"No address <> 1700000400 +0000", b"x\n", committer=b" <> 1700000400 +0000")
    raw(
        repository,
        b"Signed <s@s.example> 1700000500 +0000",
        b"x\n",
        headers=b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n nonsense\n -----END PGP SIGNATURE-----\nmergetag x\n",
    )
    repository.git("tag", "main", "one")  # a name that is a branch and a tag
    repository.git("branch", "refs/heads/main", "two")
    repository.git("branch", "feature/--output=x", "two")
    return repository
