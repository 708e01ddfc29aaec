"""Tells other slices that a branch moved; they register at import and never need to be known here."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from app.contributions.models import Branch, Repository

OnBranch = Callable[[Session, Repository, Branch, str | None, str], None]
_listeners: dict[str, OnBranch] = {}


def on_branch(function: OnBranch) -> OnBranch:
    """Register (as a decorator) what to do when a branch is new or has a new head.

    It is called as `(session, repository, branch, old_sha, new_sha)`, in the transaction that records the head:
    what it writes or enqueues stands or falls with it. `old_sha` is None for a new branch; `branch.is_protected`
    is true for the default branch. The clone holds the new head already; the commits' rows come a little later.
    """
    _listeners[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def branch_moved(session: Session, repository: Repository, branch: Branch, old_sha: str | None, new_sha: str) -> None:
    """Call everyone registered, in the order of their names."""
    for _name, function in sorted(_listeners.items()):
        function(session, repository, branch, old_sha, new_sha)


OnBranchGone = Callable[[Session, Repository, Branch], None]
_mourners: dict[str, OnBranchGone] = {}


def on_branch_gone(function: OnBranchGone) -> OnBranchGone:
    """Register (as a decorator) what to do when a branch was deleted: `(session, repository, branch)`, as above."""
    _mourners[f"{function.__module__}.{function.__qualname__}"] = function
    return function


def branch_gone(session: Session, repository: Repository, branch: Branch) -> None:
    """Call everyone registered, in the order of their names; the branch's row is still there."""
    for _name, function in sorted(_mourners.items()):
        function(session, repository, branch)
