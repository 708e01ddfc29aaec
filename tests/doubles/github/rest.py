"""What the double answers to REST: the description's own examples, with what it remembers written over them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.doubles.github.described import example
from tests.doubles.github.state import Account, Line, Release, Repository, Thing

API = "https://api.github.com"


def repository(one: Repository) -> dict[str, Any]:
    """GET /repos/{owner}/{repo}"""
    found: dict[str, Any] = example("full-repository-default-response")
    for forked_from in ("template_repository", "parent", "source"):
        found.pop(forked_from, None)
    # The example lacks the language, which the description asks for.
    return found | {"language": None, "has_issues": one.has_issues, "id": one.number, "node_id": f"R_{one.number}",
                    "has_pull_requests": one.has_pulls,
                    "name": one.name, "full_name": one.full_name, "private": one.is_private, "html_url": f"https://github.com/{one.full_name}",
                    "url": f"{API}/repos/{one.full_name}"}  # fmt: skip


def pull(thing: Thing) -> dict[str, Any]:
    """An item of GET /repos/{owner}/{repo}/pulls"""
    found: dict[str, Any] = example("pull-request-simple-items")[0]
    here = {"id": thing.repository.number, "full_name": thing.repository.full_name}
    found["base"]["repo"] |= here
    found["head"]["repo"] |= here | ({"id": thing.repository.number + 1} if thing.is_from_fork else {})
    # In the example a team lacks what the description asks of one.
    found |= {"requested_teams": []}
    found["base"] |= {"ref": "main", "sha": "b" * 40}
    found["head"] |= {"ref": f"topic-{thing.number}", "sha": thing.head}
    url = f"https://github.com/{thing.repository.full_name}/pull/{thing.number}"
    return found | _common(thing) | {"merged_at": _iso(thing.merged_at), "draft": thing.is_draft, "html_url": url}


def pull_alone(thing: Thing) -> dict[str, Any]:
    """GET /repos/{owner}/{repo}/pulls/{pull_number}"""
    found: dict[str, Any] = example("pull-request")
    mine = {key: value for key, value in pull(thing).items() if key in found and key not in ("base", "head")}
    # Here the description knows no null: who is gone is "ghost".
    return found | mine | {"user": account(thing.who or Account(10137, "ghost"))}


def issue(thing: Thing) -> dict[str, Any]:
    """An item of GET /repos/{owner}/{repo}/issues, where pull requests are issues too."""
    found: dict[str, Any] = example("issue-items")[0]
    if not thing.is_pull:
        del found["pull_request"]
    return found | _common(thing)


def line(one: Line) -> dict[str, Any]:
    """An item of GET /repos/{owner}/{repo}/pulls/comments"""
    found: dict[str, Any] = example("pull-request-review-comment-items")[0]
    url = f"{API}/repos/{one.thing.repository.full_name}/pulls/{one.thing.number}"
    found |= {"id": one.number, "node_id": f"PRRC_{one.number}", "pull_request_review_id": one.review,
              "pull_request_url": url, "created_at": _iso(one.at), "updated_at": _iso(one.updated_at)}  # fmt: skip
    found["_links"]["pull_request"]["href"] = url
    return found | {"user": account(one.who)}


def line_alone(one: Line) -> dict[str, Any]:
    """GET /repos/{owner}/{repo}/pulls/comments/{comment_id}"""
    found: dict[str, Any] = example("pull-request-review-comment-2")
    return found | line(one)


def release(one: Release) -> dict[str, Any]:
    """An item of GET /repos/{owner}/{repo}/releases"""
    found: dict[str, Any] = example("release-items")[0]
    return found | {"id": one.number, "node_id": f"RE_{one.number}", "tag_name": one.tag, "name": f"Tensor {one.tag}",
                    "draft": one.published_at is None, "prerelease": one.is_prerelease, "author": account(one.who),
                    "created_at": _iso(one.made_at), "published_at": _iso(one.published_at)}  # fmt: skip


def account(who: Account | None) -> dict[str, Any] | None:
    """A simple user; a bot's login ends in `[bot]` here."""
    if who is None:
        return None
    found: dict[str, Any] = example("issue-items")[0]["user"]
    login = f"{who.login}[bot]" if who.kind == "Bot" else who.login
    return found | {"login": login, "id": who.number, "node_id": f"U_{who.number}", "type": who.kind,
                    "html_url": f"https://github.com/{who.login}"}  # fmt: skip


def _common(thing: Thing) -> dict[str, Any]:
    labels = [
        {"id": number, "node_id": f"LA_{number}", "url": f"{API}/labels/{number}", "name": name, "description": "",
         "color": "f29513", "default": False}
        for number, name in enumerate(thing.labels, 1)
    ]  # fmt: skip
    return {
        "id": thing.key, "node_id": thing.node, "number": thing.number, "title": thing.title,
        "user": account(thing.who), "state": "open" if thing.state == "OPEN" else "closed", "labels": labels,
        "created_at": _iso(thing.opened_at), "updated_at": _iso(thing.updated_at), "closed_at": _iso(thing.closed_at),
    }  # fmt: skip


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")
