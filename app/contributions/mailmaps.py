"""A repository's `.mailmap` as evidence of who is who: each of its lines links two identities, as long as it stands."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.clones import Clone
from app.contributions.models import Commit, Repository, RepositoryCommit
from app.people.models import Identity
from app.people.queries import intern_identities, link_identities


def read_mailmap(session: Session, repository: Repository, clone: Clone) -> int:
    """Link each identity of the repository to what git's mailmap makes of it; gives how many it changes.

    The links of this repository's mailmap are replaced as a whole, so that a deleted line is forgotten.
    """
    source = f"mailmap:{repository.public_id}"
    if repository.head_sha is None or clone.read_file(repository.head_sha, ".mailmap") is None:
        link_identities(session, source, [])
        return 0
    identities = _identities(session, repository.id)
    asked = [(identity.name, identity.email) for identity in identities]
    mapped = clone.mailmap(asked, commit=repository.head_sha)
    pairs = [(identity, ("git", *after, "")) for identity, before, after in zip(identities, asked, mapped, strict=True)
             if before != after]  # fmt: skip
    proper = intern_identities(session, [wording for _identity, wording in pairs])
    link_identities(session, source, [(identity.id, proper[wording]) for identity, wording in pairs])
    return len(pairs)


def _identities(session: Session, repository_id: int) -> list[Identity]:
    held = sa.select(RepositoryCommit.commit_id).where(RepositoryCommit.repository_id == repository_id)
    authors = sa.select(Commit.author_identity_id).where(Commit.id.in_(held))
    committers = sa.select(Commit.committer_identity_id).where(Commit.id.in_(held))
    query = sa.select(Identity).where(Identity.id.in_(sa.union(authors, committers))).order_by(Identity.id)
    return [one for one in session.scalars(query) if not any(mark in one.name + one.email for mark in "<>\n")]
