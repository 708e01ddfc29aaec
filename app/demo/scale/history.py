"""Ten years of a foundation's work as rows: changes with their timelines, commits, issues and releases.

Month by month: work grows, weekends and Decembers are quiet, who is active does as much as their pace, and what waits
waits log-normally (longer for outsiders and for first-timers, so that the figures have something to find).
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from math import exp

from app.demo.scale.foundation import Foundation, Scale
from app.demo.scale.sinks import Row, Sinks
from app.demo.scale.standing import Written

SOURCE = "synthetic"
# What of all events each is; a change comes to about 4.9 of them, an issue to 4.2.
_CHANGES, _ISSUES, _COMMITS = 0.52 / 4.9, 0.25 / 4.2, 0.225
_VERBS = ("Add", "Fix", "Speed up", "Test", "Document", "Simplify", "Extend", "Check")
_THINGS = ("shape rule", "broadcast path", "error text", "tile size", "cache key", "strided copy", "random stream",
           "empty tensor", "wheel tag", "page layout", "retry delay", "softmax backward", "link check")  # fmt: skip
_LABELS = ("bug", "docs", "performance", "good first issue", "needs triage")
_HOUR, _DAY = 3600, 86_400


@dataclass
class _Tables:
    """The lists that rows are appended to."""

    change: list[Row]
    change_file: list[Row]
    change_event: list[Row]
    commit: list[Row]
    repository_commit: list[Row]
    change_path: list[Row]
    commit_module: list[Row]
    commit_trailer: list[Row]
    issue: list[Row]
    issue_event: list[Row]
    release: list[Row]


def _declare(sinks: Sinks) -> _Tables:
    events = ("id", "source", "external_id", "kind", "at", "identity_id", "value")
    return _Tables(
        sinks.declare("change", "id", "public_id", "repository_id", "source_kind", "source_ref", "number", "url",
                      "base_ref", "base_sha", "head_sha", "title", "author_identity_id", "author_name", "author_email",
                      "state", "is_draft", "labels", "additions", "deletions", "files", "too_long", "opened_at",
                      "updated_at", "merged_at", "closed_at", "source_updated_at"),
        sinks.declare("change_file", "id", "change_id", "path"),
        sinks.declare("change_event", *events, "change_id"),
        sinks.declare("commit", "id", "sha", "author_identity_id", "committer_identity_id", "authored_at",
                      "committed_at", "day", "subject", "pull_request", "parents", "is_merge", "is_revert",
                      "is_signed_off", "paths", "added", "deleted"),
        sinks.declare("repository_commit", "repository_id", "commit_id", "day", "is_counted"),
        sinks.declare("change_path", "id", "commit_id", "path", "status", "added", "deleted"),
        sinks.declare("commit_module", "commit_id", "module_key", "added", "deleted"),
        sinks.declare("commit_trailer", "id", "commit_id", "key", "value", "identity_id"),
        sinks.declare("issue", "id", "public_id", "repository_id", "source", "external_id", "number", "title",
                      "author_identity_id", "state", "labels", "opened_at", "updated_at", "closed_at"),
        sinks.declare("issue_event", *events, "issue_id"),
        sinks.declare("repository_release", "id", "repository_id", "source", "external_id", "tag", "is_prerelease",
                      "published_at"),
    )  # fmt: skip


@dataclass
class _Month:
    """Who is active in a month (places, and how their paces add up), who reviews where, and which days it has."""

    active: list[int]
    paces: list[float]
    reviewers: dict[int, list[int]]
    anyone: list[int]
    days: list[int]
    weights: list[float]


class History:
    """Writes the history of a foundation; `owners` gives the modules of a path, `folders` where paths lie."""

    def __init__(
        self, sinks: Sinks, foundation: Foundation, scale: Scale, written: Written, *, seed: int,
        owners: Callable[[str], tuple[str, ...]], folders: Sequence[str],
    ) -> None:  # fmt: skip
        self.sinks, self.foundation, self.scale, self.written = sinks, foundation, scale, written
        self.chance = random.Random(seed + 1)  # noqa: S311 - must come out the same each time
        self.tables = _declare(sinks)
        self.begin = foundation.begins.toordinal()
        self.end_s = (foundation.today.toordinal() - self.begin) * _DAY
        self.days = [str(foundation.begins + timedelta(days=at)) for at in range(self.end_s // _DAY + 2)]
        self.times = [f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}.000000" for at in range(_DAY)]
        self.paths = [f"{folder}/part_{at}.{'py' if 'app' in folder or 'framework' in folder else 'cpp'}"
                      for at in range(40) for folder in folders]  # fmt: skip
        self.modules = [owners(path) for path in self.paths]
        self.popular = list(accumulate(1 / (at + 3) ** 0.8 for at in range(len(self.paths))))
        self.members = {place for place, one in enumerate(foundation.organizations)
                        if (foundation.organizations[one.owner] if one.owner is not None else one).tier}  # fmt: skip
        self.numbers = dict.fromkeys(("change", "event", "file", "commit", "path", "trailer", "issue", "issue_event",
                                      "release"), 0)  # fmt: skip
        self.merged: set[int] = set()

    def write(self, progress: Callable[[float], None]) -> int:
        """Write everything; gives how many events there are."""
        months = self.foundation.months
        growing = [(1 + 3 * at / len(months)) * (0.7 if day.month == 12 else 1.0) for at, day in enumerate(months)]
        done, total = 0.0, sum(growing)
        for at, first in enumerate(months):
            month = self._month(first)
            share = growing[at] / total * self.scale.events
            done += share
            if month.active:
                for _ in range(round(share * _CHANGES)):
                    self._change(month)
                for _ in range(round(share * _ISSUES)):
                    self._issue(month)
                while self.numbers["commit"] < done * _COMMITS:
                    self._direct(month)
            self.sinks.drain()
            progress((at + 1) / len(months))
        self._releases()
        return sum(self.numbers[name] for name in ("event", "commit", "issue_event", "release"))

    def _month(self, first: date) -> _Month:
        begins = first.toordinal() - self.begin
        last = min(begins + 27, self.end_s // _DAY - 1)
        last_day = first + timedelta(days=27)
        people = self.foundation.people
        active = [place for place, one in enumerate(people) if one.first <= last_day and one.last >= first]
        busiest = sorted((place for place in active if not people[place].is_bot and (first - people[place].first).days
                          > 120 and people[place].pace > 3), key=lambda place: -people[place].pace)  # fmt: skip
        reviewers: dict[int, list[int]] = {}
        for place in busiest:
            listed = reviewers.setdefault(people[place].repositories[0], [])
            if len(listed) < 12:
                listed.append(place)
        days = list(range(begins, max(last, begins) + 1))
        weights = list(accumulate(0.3 if (self.begin + day) % 7 in (6, 0) else 1.0 for day in days))
        return _Month(active, list(accumulate(people[place].pace for place in active)), reviewers,
                      busiest[:30] or active[:30], days, weights)  # fmt: skip

    def _stamp(self, at_s: int) -> str:
        return f"{self.days[at_s // _DAY]} {self.times[at_s % _DAY]}"

    def _someone(self, month: _Month) -> int:
        return month.active[bisect(month.paces, self.chance.random() * month.paces[-1], 0, len(month.active) - 1)]

    def _when(self, month: _Month) -> int:
        draw = self.chance.random
        day = month.days[bisect(month.weights, draw() * month.weights[-1], 0, len(month.days) - 1)]
        return min(self.end_s - 1, day * _DAY + int((7 + 8 * (draw() + draw())) * _HOUR))

    def _reviewer(self, month: _Month, repository: int, author: int) -> int:
        listed = month.reviewers.get(repository) or month.anyone
        draw = self.chance.random()
        found = listed[int(len(listed) * draw * draw)]
        return found if found != author else month.anyone[int(len(month.anyone) * draw)]

    def _slowness(self, author: int, at_s: int) -> float:
        """Outsiders wait half as long again, first-timers 1.4 times as long: what the comparison has to find."""
        job = self.foundation.people[author].employer(self.foundation.begins + timedelta(days=at_s // _DAY))
        outsider = job is not None and job.organization not in self.members
        return (1.5 if outsider else 1.0) * (1.4 if author not in self.merged else 1.0)

    def _tell(self, rows: list[Row], counter: str, kind: str, at_s: int, who: int | None, thing: int,
              value: str = "") -> None:  # fmt: skip
        if at_s < self.end_s:
            number = self.numbers[counter] = self.numbers[counter] + 1
            identity = self.written.forge[who] if who is not None else None
            rows.append((number, SOURCE, f"{counter}-{number}", kind, self._stamp(at_s), identity, value, thing))

    def _change(self, month: _Month) -> None:
        draw, chance = self.chance.random, self.chance
        number = self.numbers["change"] = self.numbers["change"] + 1
        author, opened_s = self._someone(month), self._when(month)
        person = self.foundation.people[author]
        repository = person.repositories[int(len(person.repositories) * draw() * draw())]
        reviewer = self._reviewer(month, repository, author)
        slow = self._slowness(author, opened_s)
        added = int(exp(chance.gauss(3.2, 1.4))) + 1
        deleted = int(added * draw())
        events = self.tables.change_event
        self._tell(events, "event", "opened", opened_s, author, number)
        starts_s = opened_s
        if draw() < 0.06:
            starts_s += int(draw() * 3 * _DAY)
            self._tell(events, "event", "ready", starts_s, author, number)
        if draw() < 0.5:
            self._tell(events, "event", "labeled", opened_s + 60, len(self.foundation.people) - 1, number,
                       _LABELS[int(draw() * 5)])  # fmt: skip
        at_s, was_answered = starts_s, draw() > 0.11
        if was_answered:
            at_s += int(exp(chance.gauss(10.2, 1.8)) * slow) + 60
            self._tell(events, "event", "commented" if draw() < 0.45 else "changes-requested", at_s, reviewer, number)
            while draw() < 0.42:
                at_s += int(exp(chance.gauss(10.4, 1.5))) + 30
                self._tell(events, "event", "pushed" if draw() < 0.6 else "commented", at_s, author, number)
        end = draw()
        is_merged, is_closed = end < (0.78 if was_answered else 0.2), end < 0.97
        if is_merged and was_answered and draw() < 0.85:
            at_s += int(exp(chance.gauss(9.8, 1.6))) + 30
            self._tell(events, "event", "approved", at_s, reviewer, number)
            if draw() < 0.25:
                self._tell(events, "event", "approved", at_s + _HOUR, self._reviewer(month, repository, author), number)
        end_s = at_s + int(exp(chance.gauss(9.6 if is_merged else 13.5, 1.6))) + 90
        is_over = is_closed and end_s < self.end_s
        state = "open" if not is_over else "merged" if is_merged else "closed"
        if is_over:
            closer = reviewer if is_merged or draw() < 0.4 else author
            self._tell(events, "event", state, end_s, closer, number)
        paths = {bisect(self.popular, draw() * self.popular[-1], 0, len(self.paths) - 1)
                 for _ in range(1 + int(draw() * 2.2))}  # fmt: skip
        closed = self._stamp(end_s) if is_over else None
        opened = self._stamp(opened_s)
        title = f"{_VERBS[int(draw() * 8)]} the {_THINGS[int(draw() * 13)]} ({number})"
        self.tables.change.append((
            number, f"c_{number:012d}", repository + 1, "pull_request", str(number), number, "", "main", "",
            f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:024x}", title, self.written.forge[author], person.name,
            "", state, 0, "[]", added, deleted, len(paths), "", opened, closed or opened,
            closed if state == "merged" else None, closed, closed or opened,
        ))  # fmt: skip
        for place in sorted(paths):
            row = self.numbers["file"] = self.numbers["file"] + 1
            self.tables.change_file.append((row, number, self.paths[place]))
        if state == "merged":
            self.merged.add(author)
            for _ in range(1 if draw() < 0.8 else 2):
                self._commit(author, repository, end_s, f"{title} (#{number})", number, sorted(paths), added, deleted,
                             reviewer if was_answered else None)  # fmt: skip

    def _direct(self, month: _Month) -> None:
        author, draw = self._someone(month), self.chance.random
        homes = self.foundation.people[author].repositories
        place = bisect(self.popular, draw() * self.popular[-1], 0, len(self.paths) - 1)
        added = int(exp(self.chance.gauss(2.6, 1.3))) + 1
        subject = f"{_VERBS[int(draw() * 8)]} the {_THINGS[int(draw() * 13)]}"
        self._commit(author, homes[int(len(homes) * draw() * draw())], self._when(month), subject, None, [place],
                     added, int(added * draw()), None)  # fmt: skip

    def _commit(
        self, author: int, repository: int, at_s: int, subject: str, request: int | None, paths: list[int],
        added: int, deleted: int, reviewer: int | None,
    ) -> None:  # fmt: skip
        draw = self.chance.random
        number = self.numbers["commit"] = self.numbers["commit"] + 1
        mine = self.written.git[author]
        identity = mine[int(len(mine) * draw())]
        at, day = self._stamp(at_s), self.days[at_s // _DAY]
        self.tables.commit.append((
            number, f"{number * 0xD1B54A32D192ED03 % 2**64:016x}{number:024x}", identity, identity, at, at, day,
            subject, request, "", 0, 0, 1, len(paths), added, deleted,
        ))  # fmt: skip
        self.tables.repository_commit.append((repository + 1, number, day, 1))
        modules: dict[str, list[int]] = {}
        for at_path, place in enumerate(paths):
            row = self.numbers["path"] = self.numbers["path"] + 1
            more, less = (added, deleted) if at_path == 0 else (0, 0)
            self.tables.change_path.append((row, number, self.paths[place], "M", more, less))
            for key in self.modules[place]:
                sums = modules.setdefault(key, [0, 0])
                sums[0] += more
                sums[1] += less
        for key, (more, less) in modules.items():
            self.tables.commit_module.append((number, key, more, less))
        for kind, who in (("reviewed-by", reviewer), ("co-authored-by", author + 1 if draw() < 0.05 else None)):
            if who is not None and who < len(self.written.git):
                row = self.numbers["trailer"] = self.numbers["trailer"] + 1
                self.tables.commit_trailer.append((row, number, kind, "", self.written.git[who][0]))

    def _issue(self, month: _Month) -> None:
        draw, chance = self.chance.random, self.chance
        number = self.numbers["issue"] = self.numbers["issue"] + 1
        author, opened_s = self._someone(month), self._when(month)
        homes = self.foundation.people[author].repositories
        repository = homes[int(len(homes) * draw() * draw())]
        reviewer = self._reviewer(month, repository, author)
        events, at_s = self.tables.issue_event, opened_s
        self._tell(events, "issue_event", "opened", opened_s, author, number)
        self._tell(events, "issue_event", "labeled", opened_s + 60, len(self.foundation.people) - 1, number,
                   _LABELS[int(draw() * 5)])  # fmt: skip
        if draw() < 0.8:
            at_s += int(exp(chance.gauss(10.8, 2.0)) * self._slowness(author, opened_s)) + 60
            self._tell(events, "issue_event", "commented", at_s, reviewer, number)
            while draw() < 0.45:
                at_s += int(exp(chance.gauss(11.0, 1.6))) + 30
                self._tell(events, "issue_event", "commented", at_s, author if draw() < 0.5 else reviewer, number)
        at_s += int(exp(chance.gauss(13.2, 2.0))) + 60
        is_over = draw() < 0.86 and at_s < self.end_s
        if is_over:
            self._tell(events, "issue_event", "closed", at_s, reviewer, number)
        opened, closed = self._stamp(opened_s), self._stamp(at_s) if is_over else None
        self.tables.issue.append((
            number, f"is_{number:012d}", repository + 1, SOURCE, str(number), number,
            f"The {_THINGS[int(draw() * 13)]} goes wrong ({number})", self.written.forge[author],
            "closed" if is_over else "open", "[]", opened, closed or opened, closed,
        ))  # fmt: skip

    def _releases(self) -> None:
        for place in range(len(self.foundation.repositories)):
            at_s, minor = int(self.chance.random() * 300 * _DAY), 0
            every = self.chance.uniform(20, 160)
            while at_s < self.end_s:
                number = self.numbers["release"] = self.numbers["release"] + 1
                is_early = self.chance.random() < 0.15
                minor += not is_early
                tag = f"v0.{minor}" + ("rc1" if is_early else "")
                self.tables.release.append((number, place + 1, SOURCE, str(number), tag, int(is_early),
                                            self._stamp(at_s)))  # fmt: skip
                at_s += int(self.chance.lognormvariate(0, 0.5) * every * _DAY) + _HOUR
