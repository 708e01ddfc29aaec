"""The double of GitHub keeps to GitHub's own descriptions, and its prices are those that GitHub documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from graphql import parse, validate

from app.clock import FixedClock
from app.github import questions
from tests.doubles.github import GitHub, running
from tests.doubles.github.cut import asked
from tests.doubles.github.described import schema
from tests.doubles.github.graphql import price
from tests.doubles.github.server import TOKEN

PULLS = "/repos/acme/tensor/pulls?state=all&sort=updated&direction=desc&per_page=2"
VARIABLES = {"owner": "acme", "name": "tensor", "first": 2, "after": None}


@pytest.fixture
def github(clock: FixedClock) -> Iterator[GitHub]:
    with running(clock.now) as made:
        yield made


@pytest.fixture
def busy(github: GitHub, clock: FixedClock) -> GitHub:
    """Everything that can happen has happened."""
    ada, ben, bot = github.account("ada"), github.account("ben"), github.account("dependabot", "Bot")
    repository = github.repository("acme/tensor")
    one, two, three = (repository.pull(f"Change {number}", ada) for number in range(3))
    issue = repository.issue("It breaks", None)
    clock.advance(minutes=5)
    for thing in (one, issue):
        thing.comment(bot)
        thing.comment(None)
        thing.label("bug", ben)
        thing.label("bug", ben, off=True)
        thing.assign(ada, ben)
        thing.rename("A better title", ada)
        thing.close(ada)
        thing.reopen(ada)
    one.ask(github.account("core", "Team"), ada)
    one.ask(ben, ada)
    one.dismiss(one.review("APPROVED", ben, lines=3), ada)
    one.review("PENDING", ben)
    one.push(ada, force=True)
    one.draft(ada)
    one.draft(ada, off=True)
    clock.advance(minutes=5)
    two.merge(None)
    three.close(None)
    repository.release("v1.0", ada)
    repository.release("v2.0", ada, draft=True)
    return github


def ask(github: GitHub, query: str, **variables: Any) -> Any:
    answer = requests.post(f"{github.url}/api/graphql", json={"query": query, "variables": variables},
                           headers={"Authorization": f"bearer {TOKEN}"}, timeout=10)  # fmt: skip
    return answer.json()


def get(github: GitHub, path: str, **headers: str) -> requests.Response:
    known = {"Authorization": f"token {TOKEN}", **headers}
    return requests.get(f"{github.url}/api/v3{path}", headers=known, timeout=10)


def test_every_question_is_one_that_githubs_schema_allows() -> None:
    assert [validate(schema(), parse(text)) for text in asked()] == [[]] * 7


def test_what_graphql_answers_keeps_to_githubs_schema(busy: GitHub) -> None:
    pulls = ask(busy, questions.PULLS, **VARIABLES)["data"]["repository"]["page"]
    issues = ask(busy, questions.ISSUES, **VARIABLES)["data"]["repository"]["page"]

    assert [one["number"] for one in pulls["nodes"]] == [3, 2]
    assert pulls["pageInfo"]["hasNextPage"]
    assert [one["__typename"] for one in issues["nodes"][0]["timelineItems"]["nodes"]][:2] == ["IssueComment"] * 2
    assert busy.refusals == []


def test_a_cursor_goes_on_where_it_was_though_things_moved_meanwhile(busy: GitHub, clock: FixedClock) -> None:
    first = ask(busy, questions.PULLS, **VARIABLES)["data"]["repository"]["page"]
    clock.advance(minutes=1)
    busy.repositories[0].things[3].comment(busy.account("ada"))

    then = ask(busy, questions.PULLS, **VARIABLES | {"after": first["pageInfo"]["endCursor"]})

    assert [one["number"] for one in then["data"]["repository"]["page"]["nodes"]] == [1]


@pytest.mark.parametrize(
    "path",
    [
        "/repos/acme/tensor",
        PULLS,
        PULLS.replace("/pulls", "/issues"),
        "/repos/acme/tensor/pulls/comments?sort=updated&direction=asc&since=2026-01-15T00:00:00Z",
        "/repos/acme/tensor/releases?per_page=100",
    ],
)
def test_what_rest_answers_keeps_to_githubs_description(busy: GitHub, path: str) -> None:
    answer = get(busy, path)

    assert answer.status_code == 200
    assert busy.refusals == []


def test_what_the_description_refuses_is_found(busy: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    get(busy, PULLS + "&colour=red")
    monkeypatch.setattr("tests.doubles.github.rest._iso", lambda _at: "yesterday")
    get(busy, PULLS)

    assert "colour is no parameter" in busy.refusals[0]
    assert any("'yesterday' is not a 'date-time'" in one for one in busy.refusals[1:])


def test_an_unchanged_answer_costs_nothing(busy: GitHub, clock: FixedClock) -> None:
    etag = get(busy, PULLS).headers["ETag"]
    before = busy.core.used

    assert get(busy, PULLS, **{"If-None-Match": etag}).status_code == 304
    assert busy.core.used == before == 1
    clock.advance(seconds=1)
    busy.repositories[0].things[2].comment(None)
    assert get(busy, PULLS, **{"If-None-Match": etag}).status_code == 200


def test_pages_are_linked_and_deep_ones_refused(busy: GitHub) -> None:
    assert 'page=2>; rel="next"' in get(busy, PULLS).headers["Link"]
    assert "Link" not in get(busy, PULLS + "&page=2").headers
    assert get(busy, PULLS + "&page=101").status_code == 422
    assert busy.refusals == []


def test_an_old_name_leads_to_the_new_one(busy: GitHub) -> None:
    busy.repositories[0].rename("acme/flambeau")
    moved = requests.get(f"{busy.url}/api/v3{PULLS}", headers={"Authorization": f"token {TOKEN}"}, timeout=10,
                         allow_redirects=False)  # fmt: skip

    assert moved.status_code == 301
    assert moved.headers["Location"].startswith(f"{busy.url}/api/v3/repositories/")
    assert get(busy, PULLS).json()[0]["base"]["repo"]["full_name"] == "acme/flambeau"
    assert busy.refusals == []


@pytest.mark.parametrize(
    ("query", "points", "nodes"),
    [
        # The example in GitHub's documentation: 50 repositories, 20 pull requests each with 10 comments each, 20 issues
        # each with 10 comments each, and 10 followers.
        ("""{ viewer { repositories(first: 50) { nodes {
               pullRequests(first: 20) { nodes { comments(first: 10) { nodes { body } } } }
               issues(first: 20) { nodes { comments(first: 10) { nodes { body } } } } } }
             followers(first: 10) { nodes { login } } } }""", 21, 22_060),
        ("""{ viewer { repositories(first: 100) { nodes { issues(first: 50) { nodes {
               labels(first: 60) { nodes { name } } } } } } } }""", 51, 305_100),
    ],
)  # fmt: skip
def test_a_question_costs_what_githubs_documentation_says(query: str, points: int, nodes: int) -> None:
    found = price(parse(query), {})

    assert (found.points, found.nodes, found.problems) == (points, nodes, ())


def test_a_page_without_bounds_or_over_a_hundred_is_refused_as_github_does(busy: GitHub) -> None:
    over = ask(busy, questions.PULLS, **VARIABLES | {"first": 101})
    without = ask(busy, '{ repository(owner: "acme", name: "tensor") { pullRequests { nodes { id } } } }')

    assert "exceeds the `first` limit of 100" in over["errors"][0]["message"]
    assert "must provide a `first` or `last`" in without["errors"][0]["message"]
    assert len(busy.refusals) == 2
