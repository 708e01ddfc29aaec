"""What GitHub's GraphQL interface is asked, and how many at once: texts and numbers, nothing that runs.

A page of 100 pull requests with labels and timelines costs 2 points of the 5,000 an hour, whatever comes back
(decision 0609): GitHub counts one for the list and one for each connection inside it, and divides by 100.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST = 100
FEWEST = 5
TOGETHER = 25

_BOTH = "ISSUE_COMMENT LABELED_EVENT UNLABELED_EVENT ASSIGNED_EVENT RENAMED_TITLE_EVENT CLOSED_EVENT REOPENED_EVENT"
_PULL = f"""{_BOTH} PULL_REQUEST_REVIEW HEAD_REF_FORCE_PUSHED_EVENT READY_FOR_REVIEW_EVENT CONVERT_TO_DRAFT_EVENT
    REVIEW_REQUESTED_EVENT REVIEW_DISMISSED_EVENT MERGED_EVENT"""
_SPENT = "rateLimit { cost remaining resetAt }"
_WHO = """
fragment Who on Actor { __typename login }
"""
_ON_BOTH = """
    __typename
    ... on IssueComment { fullDatabaseId createdAt author { ...Who } }
    ... on LabeledEvent { createdAt actor { ...Who } label { name } }
    ... on UnlabeledEvent { createdAt actor { ...Who } label { name } }
    ... on AssignedEvent { createdAt actor { ...Who } assignee { ... on Actor { ...Who } } }
    ... on RenamedTitleEvent { createdAt actor { ...Who } currentTitle }
    ... on ClosedEvent { createdAt actor { ...Who } }
    ... on ReopenedEvent { createdAt actor { ...Who } }"""
_ON_PULL = f"""
fragment PullTimeline on PullRequestTimelineItemsConnection {{
  pageInfo {{ hasNextPage endCursor }}
  nodes {{{_ON_BOTH}
    ... on PullRequestReview {{ fullDatabaseId submittedAt state author {{ ...Who }} commit {{ oid }} }}
    ... on HeadRefForcePushedEvent {{ createdAt actor {{ ...Who }} afterCommit {{ oid }} }}
    ... on ReadyForReviewEvent {{ createdAt actor {{ ...Who }} }}
    ... on ConvertToDraftEvent {{ createdAt actor {{ ...Who }} }}
    ... on ReviewRequestedEvent {{
      createdAt actor {{ ...Who }}
      requestedReviewer {{ ... on Actor {{ ...Who }} ... on Team {{ slug }} }}
    }}
    ... on ReviewDismissedEvent {{ createdAt actor {{ ...Who }} previousReviewState review {{ fullDatabaseId }} }}
    ... on MergedEvent {{ createdAt actor {{ ...Who }} }}
  }}
}}
"""
_ON_ISSUE = f"""
fragment IssueTimeline on IssueTimelineItemsConnection {{
  pageInfo {{ hasNextPage endCursor }}
  nodes {{{_ON_BOTH}
  }}
}}
"""
_A_PULL = f"""
fragment Pull on PullRequest {{
  __typename id number title url state isDraft createdAt updatedAt mergedAt closedAt
  baseRefName baseRefOid headRefName headRefOid isCrossRepository additions deletions changedFiles
  author {{ ...Who }}
  labels(first: 100) {{ nodes {{ name }} }}
  timelineItems(first: 100, itemTypes: [{_PULL}]) {{ ...PullTimeline }}
}}
"""
_AN_ISSUE = f"""
fragment AnIssue on Issue {{
  __typename id fullDatabaseId number title url issueState: state createdAt updatedAt closedAt
  author {{ ...Who }}
  labels(first: 100) {{ nodes {{ name }} }}
  timelineItems(first: 100, itemTypes: [{_BOTH}]) {{ ...IssueTimeline }}
}}
"""

PULLS = f"""
query Pulls($owner: String!, $name: String!, $first: Int!, $after: String) {{
  {_SPENT}
  repository(owner: $owner, name: $name) {{
    page: pullRequests(first: $first, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
      totalCount
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ ...Pull }}
    }}
  }}
}}
{_WHO}{_ON_PULL}{_A_PULL}"""

ISSUES = f"""
query Issues($owner: String!, $name: String!, $first: Int!, $after: String) {{
  {_SPENT}
  repository(owner: $owner, name: $name) {{
    page: issues(first: $first, after: $after, orderBy: {{field: UPDATED_AT, direction: DESC}}) {{
      totalCount
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ ...AnIssue }}
    }}
  }}
}}
{_WHO}{_ON_ISSUE}{_AN_ISSUE}"""


def _again(list_of: str) -> str:
    return f"""
query Again($owner: String!, $name: String!, $first: Int!, $after: String) {{
  {_SPENT}
  repository(owner: $owner, name: $name) {{
    hasIssuesEnabled
    page: {list_of}(first: $first, after: $after, orderBy: {{field: CREATED_AT, direction: ASC}}) {{
      totalCount
      pageInfo {{ hasNextPage endCursor }}
      nodes {{ number createdAt state author {{ __typename }} comments {{ totalCount }} }}
    }}
  }}
}}
"""


PULLS_AGAIN, ISSUES_AGAIN = _again("pullRequests"), _again("issues")


def by_number(numbers: Sequence[int]) -> str:
    """The question after pull requests and issues by their numbers, in one request; answers are named `n7`, `n12`, ...

    >>> "n7: issueOrPullRequest(number: 7)" in by_number([7, 12])
    True
    """
    asked = "\n".join(f"    n{n}: issueOrPullRequest(number: {n}) {{ ...Pull ...AnIssue }}" for n in numbers)
    return (f"query Numbers($owner: String!, $name: String!) {{\n  {_SPENT}\n"
            f"  repository(owner: $owner, name: $name) {{\n{asked}\n  }}\n}}\n"
            f"{_WHO}{_ON_PULL}{_ON_ISSUE}{_A_PULL}{_AN_ISSUE}")  # fmt: skip


def rest_of_timelines(wanted: Sequence[tuple[str, str]], *, pulls: bool) -> tuple[str, dict[str, str]]:
    """The question after what did not fit: for each (id, cursor) the next hundred events, in one request.

    The answers are named `n0`, `n1`, ... in the order of `wanted`.

    >>> text, variables = rest_of_timelines([("I_1", "abc")], pulls=False)
    >>> "n0: node(id: $i0)" in text, variables
    (True, {'i0': 'I_1', 'c0': 'abc'})
    """
    thing, kinds, name = ("PullRequest", _PULL, "PullTimeline") if pulls else ("Issue", _BOTH, "IssueTimeline")
    given = " ".join(f"$i{n}: ID! $c{n}: String!" for n in range(len(wanted)))
    asked = "\n".join(
        f"  n{n}: node(id: $i{n}) {{ ... on {thing} {{ timelineItems(first: 100, after: $c{n}, itemTypes: [{kinds}]) "
        f"{{ ...{name} }} }} }}"
        for n in range(len(wanted))
    )
    text = f"query Rest({given}) {{\n  {_SPENT}\n{asked}\n}}\n{_WHO}{_ON_PULL if pulls else _ON_ISSUE}"
    variables = {f"i{n}": one for n, (one, _) in enumerate(wanted)}
    return text, variables | {f"c{n}": cursor for n, (_, cursor) in enumerate(wanted)}
