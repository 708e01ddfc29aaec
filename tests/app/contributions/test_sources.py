"""What a form may name reaches public addresses alone: not folders, not the private network, not after a redirect."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.contributions.clones import Clone, GitError, Limits, Reach, ask
from app.contributions.fetching import _ask
from app.contributions.git import manner_of, run
from app.contributions.sources import Target, check_source, is_public, target_of
from tests.app.contributions.conftest import Repository

PUBLIC, OTHER = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("source", [
    "/srv/git/tensor", "tensor", "../tensor", "~/tensor", "file:///srv/git/tensor", "ssh://git@example.org/a",
    "git@example.org:a", "ext::sh -c id", "git://example.org/a", "https://ada:secret@example.org/a", "--upload-pack=id",
    "https://example.org/a?b", "https://example.org/a#b", "https://exa\u200bmple.org/a", "https://\uff11\uff12\uff17.0.0.1/a",
    "https://example.org\\@127.0.0.1/a", "https:///a", "http://[::1/a", "https://example.org/a b", "",
    "https://example.org./a", "https://134744072/a", "https://0x08.8.8.8/a", "https://010.8.8.8/a", "https://8.8.2056/a",
    "https://example.org.7/a", "https://example.org.0x/a", f"https://example.org/{'a' * 1000}",
])  # fmt: skip
def test_a_form_can_name_nothing_but_a_plain_address(source: str):
    with pytest.raises(GitError):
        target_of(source, reach=Reach.PUBLIC, lookup=lambda _host, _port: [PUBLIC])


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::7f00:1",
    "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:7f00:1::",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "64:ff9b:1:808:8:800::", "192.0.0.8", "192.88.99.1", "2001:1::1", "3fff::1",
    "5f00::1", "100::1",
])  # fmt: skip
def test_an_address_that_is_not_everybodys_is_refused(address: str):
    assert not is_public(address)
    with pytest.raises(GitError, match="private network"):
        target_of("https://git.example.org/a", reach=Reach.PUBLIC, lookup=lambda _host, _port: [PUBLIC, address])


@pytest.mark.parametrize("source", [
    "http://127.0.0.1/a", "http://2130706433/a", "http://0x7f.1/a", "http://0177.0.0.1/a", "http://localhost/a",
    "http://[::1]:80/a", "http://[::ffff:10.0.0.1]/a", "http://169.254.169.254/latest/meta-data", "http://0/a",
])  # fmt: skip
def test_the_private_network_is_refused_in_each_spelling(source: str):
    with pytest.raises(GitError, match=r"private network|not found|no plain address"):
        target_of(source, reach=Reach.PUBLIC)


def test_the_command_line_may_name_folders_and_private_addresses(tmp_path: Path):
    assert target_of(str(tmp_path)).is_folder
    assert target_of("http://127.0.0.1:1/a").settings == ()


def test_git_is_pinned_to_the_addresses_that_were_looked_at_and_follows_no_redirect():
    target = target_of("https://git.example.org:8443/a.git", reach=Reach.PUBLIC,
                       lookup=lambda _host, _port: [OTHER, PUBLIC])  # fmt: skip

    assert f"http.curloptResolve=git.example.org:8443:[{OTHER}],{PUBLIC}" in [
        one.replace(f"{PUBLIC},[{OTHER}]", f"[{OTHER}],{PUBLIC}") for one in target.settings
    ]
    assert "http.followRedirects=false" in target.settings
    assert target.protocols == ("https", "http")


def test_a_git_that_cannot_be_pinned_is_not_given_a_strangers_address(monkeypatch):
    monkeypatch.setattr("app.contributions.git.version", lambda: (2, 30))
    target = target_of("https://git.example.org/a", reach=Reach.PUBLIC, lookup=lambda _host, _port: [PUBLIC])
    with pytest.raises(GitError, match=r"git 2\.30 cannot be held to .* install git 2\.37 or newer"), manner_of(target):
        pass
    with manner_of(target_of("https://git.example.org/a")) as manner:
        assert manner.settings == (), "whom the command line names is reached by any git"


def test_a_name_that_moves_into_the_private_network_is_refused_at_the_next_fetch():
    answers = iter([[PUBLIC], ["10.0.0.1"]])
    target_of("https://git.example.org/a", reach=Reach.PUBLIC, lookup=lambda _host, _port: next(answers))
    with pytest.raises(GitError, match="private network"):
        target_of("https://git.example.org/a", reach=Reach.PUBLIC, lookup=lambda _host, _port: next(answers))


@pytest.fixture
def served(repository: Repository, tmp_path: Path) -> Iterator[str]:
    """A repository over plain http, at the name of a host that no resolver knows."""
    repository.commit("one", {"a": "1\n"})
    bare = tmp_path / "web" / "a.git"
    repository.git("clone", "-q", "--bare", str(repository.path), str(bare))
    repository.git(f"--git-dir={bare}", "update-server-info")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:1/secret" + self.path.removeprefix("/moved"))
                self.end_headers()
                return
            super().do_GET()

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web")))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def pinned(served: str, path: str) -> Target:
    """What `target_of` gives for a public host, but pinned to the server of the test."""
    port = served.rpartition(":")[2]
    target = target_of(f"http://nowhere.invalid:{port}{path}", reach=Reach.PUBLIC, lookup=lambda _host, _port: [PUBLIC])
    return Target(target.location, tuple(one.replace(PUBLIC, "127.0.0.1") for one in target.settings), target.protocols)


def test_git_asks_the_pinned_address_and_no_resolver(served: str):
    assert list(_ask(pinned(served, "/a.git"), keep=None, timeout_s=20).branches) == ["main"]


def test_a_redirect_is_an_error(served: str):
    with pytest.raises(GitError, match="does not answer"):
        _ask(pinned(served, "/moved/a.git"), keep=None, timeout_s=20)


def test_a_public_target_cannot_be_made_to_read_files(repository: Repository):
    repository.commit("one")
    target = target_of("https://git.example.org/a", reach=Reach.PUBLIC, lookup=lambda _host, _port: [PUBLIC])
    with manner_of(target) as manner, pytest.raises(GitError, match="not allowed"):
        run(["ls-remote", "--", f"file://{repository.path}"], manner=manner)


def test_history_is_fetched_over_http(served: str, tmp_path: Path):
    clone = Clone(tmp_path / "clone.git")
    assert clone.fetch(f"http://{served}/a.git").default_branch == "main"
    assert len(clone.list_commits(["main"])) == 1


class Nonsense(BaseHTTPRequestHandler):
    """A web server that is no repository and paints the terminal."""

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>\x1b[31mhello\x1b]0;owned\x07</h1>\n" * 100)


def test_an_address_that_is_no_repository_says_so_in_harmless_words():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nonsense)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(GitError, match="does not answer as a git repository") as told:
            ask(f"http://127.0.0.1:{server.server_port}/a")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert str(told.value).isprintable()


def test_a_repository_over_its_limit_is_refused_and_leaves_nothing(repository: Repository, tmp_path: Path):
    repository.commit("one", {"a": bytes(range(256)) * 4000})
    clone = Clone(tmp_path / "clone.git")
    with pytest.raises(GitError, match="that a repository may take"):
        clone.fetch(str(repository.path), limits=Limits(clone_bytes=1000))
    assert not clone.path.exists()


def test_a_fetch_over_the_limit_leaves_the_clone_as_it_was(repository: Repository, tmp_path: Path):
    head = repository.commit("one")
    clone = Clone(tmp_path / "clone.git")
    clone.fetch(str(repository.path))
    repository.commit("two", {"a": "x" * 100})
    with pytest.raises(GitError, match="must stay free"):
        clone.fetch(str(repository.path), limits=Limits(free_bytes=1 << 60))
    assert clone.exists
    assert clone.has(head)
    clone.fetch(str(repository.path))
    assert len(clone.list_commits(["main"])) == 2


def test_what_a_killed_git_left_behind_does_not_stop_the_next_fetch(repository: Repository, tmp_path: Path):
    repository.commit("one")
    clone = Clone(tmp_path / "clone.git")
    clone.fetch(str(repository.path))
    head = repository.commit("two")
    for name in ("refs/heads/main.lock", "packed-refs.lock", "HEAD.lock", "shallow.lock", "objects/pack/tmp_pack_x"):
        (clone.path / name).write_text("")
    assert clone.fetch(str(repository.path)).branches == {"main": head}
    assert not list(clone.path.glob("objects/pack/tmp_*"))


def test_a_source_named_on_the_command_line_keeps_its_file_protocol(repository: Repository):
    repository.commit("one")
    assert check_source(f"file://{repository.path}") == f"file://{repository.path}"
    assert ask(f"file://{repository.path}").default_branch == "main"
