"""A GitHub for tests: it remembers, answers REST and GraphQL, and is held to GitHub's own descriptions of both.

    with running(clock) as github:
        repository = github.repository("acme/tensor")
        pull = repository.pull("Add relu", github.account("ada"))
        pull.review("APPROVED", github.account("ben"))

Whatever its description refuses, asked or answered, stands in `github.refusals`; a test's fixture wants it empty.
"""

from tests.doubles.github.server import Asked, Fault, GitHub, running
from tests.doubles.github.state import Account, Repository, Thing

__all__ = ["Account", "Asked", "Fault", "GitHub", "Repository", "Thing", "running"]
