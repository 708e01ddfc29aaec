"""Figures of reviews: how long changes wait and last, who carries the reviewing, and what waits now."""

from __future__ import annotations

from app import charts
from app.auth import current_directory
from app.contributions import queries
from app.contributions.figures.drawing import About, table
from app.contributions.figures.durations import spreads
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.flows import opened_and_closed
from app.contributions.figures.look import Look
from app.contributions.figures.unattributed import of_changes
from app.contributions.queries import Authors, Thing
from app.contributions.queries.health import backlog_over, coverage_over, longest_waiting
from app.contributions.turns import turns
from app.people.queries import shown_name
from app.wording import counted as how_many
from app.wording import day as written_day
from app.wording import share, span

WHERE = ("everything", "repository", "module", "organization")
OPTIONS: dict[str, tuple[str, ...]] = {"tier": ()}
_DRAWN = 10


def authors(look: Look) -> Authors:
    """Whose changes the address asks for."""
    return Authors(tier=look.options.get("tier") or None)


@figure("first-response-over-time", "Time to first response", "first-response", scopes=(*WHERE, "person"),
        options=OPTIONS)  # fmt: skip
def first_response(look: Look) -> Drawn:
    """Median, 75th and 90th percentile of the first response, by when the change was opened."""
    return spreads(look, Thing.CHANGES, "Time to first response", authors(look))


@figure("change-duration-over-time", "How long changes last", "change-duration", scopes=WHERE, options=OPTIONS)
def change_duration(look: Look) -> Drawn:
    """Median, 75th and 90th percentile until merged or closed, by when the change was opened."""
    return spreads(look, Thing.CHANGES, "How long changes last", authors(look), is_lasting=True)


@figure("closure-over-time", "Opened and closed", "closure-ratio", scopes=WHERE, options=OPTIONS)
def closure(look: Look) -> Drawn:
    """Changes opened and closed in each period, with their ratio."""
    return opened_and_closed(
        look, Thing.CHANGES, "Opened and closed", authors(look), ("closure ratio", "Ratio"),
        lambda opened, closed, _: round(closed / opened, 4) if opened else None,
    )  # fmt: skip


@figure("backlog-over-time", "Backlog", "backlog", scopes=WHERE, options=OPTIONS)
def backlog(look: Look) -> Drawn:
    """Changes that were open at the end of each period."""
    found = backlog_over(look.session, Thing.CHANGES, look.scope, look.window, authors=authors(look))
    series = [charts.Series("Open", [still for _, _, still in found])]
    rows = [(period.first.isoformat(), still) for period, (_, _, still) in zip(look.periods, found, strict=True)]
    has_any = any(still for _, _, still in found)
    return Drawn(("from", "open at its end"), rows if has_any else (),
                 charts.line("Backlog", look.labels, series, unit="open changes"),
                 charts.figures_table("Backlog", look.labels, series),
                 of_changes(look, authors=authors(look)), of="changes opened in these days")  # fmt: skip


@figure("review-coverage-over-time", "Review coverage", "review-coverage", scopes=WHERE, options=OPTIONS)
def coverage(look: Look) -> Drawn:
    """The share of merged changes that somebody had reviewed, period by period."""
    found = coverage_over(look.session, look.scope, look.window, authors=authors(look))
    values = [100 * one.reviewed / one.merged if one.merged else float("nan") for one in found]
    rows = [(period.first.isoformat(), one.merged, one.reviewed,
             round(one.reviewed / one.merged, 4) if one.merged else None,
             round(one.reviewers / one.merged, 2) if one.merged else None)
            for period, one in zip(look.periods, found, strict=True)]  # fmt: skip
    shown = [(*row[:4], f"{row[4]:.2f}" if row[4] is not None else "–") for row in rows]
    series = [charts.Series("Reviewed before the merge", values)]
    has_any = any(one.merged for one in found)
    return Drawn(("from", "merged", "reviewed", "coverage", "reviewers each"), rows if has_any else (),
                 charts.line("Review coverage", look.labels, series, unit="% of merged changes"),
                 table("Review coverage", ("From", "Merged", "Reviewed", "Coverage", "Reviewers each"), shown),
                 of_changes(look, authors=authors(look)), of="changes opened in these days")  # fmt: skip


@figure("reviewers-per-change", "Reviewers of a merged change", "reviewers", scopes=WHERE, options=OPTIONS)
def reviewers(look: Look) -> Drawn:
    """How many merged changes had no reviewer, one, or more."""
    found = queries.counts(look.session, Thing.CHANGES, look.scope, look.window, authors=authors(look))
    names = ("Nobody", "One person", "Two or more")
    rows = [(name, number, round(number / found.merged, 4)) for name, number in zip(names, found.reviewers, strict=True)
            if found.merged]  # fmt: skip
    bars = [charts.Bar(name, number, share(part), kind="rest" if name == names[0] else "known")
            for name, number, part in rows]  # fmt: skip
    mean = (f"{found.reviewers_each:.2f} reviewers of a merged change on average.",) if found.reviewers_each else ()
    return Drawn(("reviewers", "merged changes", "share"), rows, charts.bars("Reviewers of a merged change", bars),
                 table("Reviewers of a merged change", ("Reviewed by", "Merged changes", "Share"), rows),
                 of_changes(look, authors=authors(look)), of="changes opened in these days", notes=mean)  # fmt: skip


@figure("review-load", "Who carries the reviewing", "review-load", scopes=WHERE)
def review_load(look: Look) -> Drawn:
    """Who began to review how many changes, and on how few people half of it rests."""
    load = queries.review_load(look.session, look.scope, look.window)
    top = sorted(load.by_person.items(), key=lambda one: (-one[1], one[0]))[:15]
    persons = queries.persons(look.session, [person for person, _ in top])
    rows, bars, about = [], [], []
    for number, reviews in top:
        person, part = persons[number], reviews / load.reviews
        url = look.person_url(person)
        rows.append((shown_name(person), reviews, round(part, 4)))
        bars.append(charts.Bar(shown_name(person), reviews, share(part), url))
        about.append(About.person(person, url))
    who = "person" if load.rests_on == 1 else "people"
    said = f"Half of the {how_many(load.reviews, 'review')} rests on {load.rests_on} {who} of {len(load.by_person):,}."
    return Drawn(("person", "reviews", "share"), rows, charts.bars("Who carries the reviewing", bars),
                 table("Who carries the reviewing", ("Person", "Reviews", "Share"), rows, about),
                 notes=(said,) if load.reviews else ())  # fmt: skip


@figure("waiting-now", "Waiting longest", "waiting-now", scopes=WHERE, options=OPTIONS)
def waiting_now(look: Look) -> Drawn:
    """The open changes that wait longest for a first response, whatever the window."""
    found = longest_waiting(look.session, Thing.CHANGES, look.scope, authors=authors(look))
    persons = queries.persons(look.session, [one.author_id for one in found])
    turn = turns(look.session, [one.public_id for one in found[:_DRAWN]])
    veil = current_directory().veil_of(look.session)
    rows, bars, about = [], [], []
    for one in found:
        days = (look.as_of - one.since).total_seconds() / 86_400
        author = persons.get(one.author_id or 0)
        who = shown_name(author) if author else "somebody"
        label = veil(one.title) or "(no title)"
        if one.number and f"#{one.number})" not in label:
            label += f" (#{one.number})"
        rows.append((label, one.repository, who, one.since.isoformat(), round(days, 1)))
        note = ", ".join([one.repository, f"by {who}", *([veil(turn[one.public_id])] if one.public_id in turn else [])])
        bars.append(charts.Bar(label, days, note, f"/reviews/{one.public_id}", told=span(days * 86_400)))
        about.append(About.person(author, f"/reviews/{one.public_id}") if author else None)
    shown = [(label, repository, who, written_day(one.since.date()), int(days))
             for (label, repository, who, _, days), one in zip(rows, found, strict=True)]  # fmt: skip
    return Drawn(("change", "repository", "author", "since", "days"), rows,
                 charts.bars("Waiting longest", bars[:_DRAWN]),
                 table("Waiting longest", ("Change", "Repository", "Author", "Since", "Days"), shown, about),
                 of_changes(look, authors=authors(look)), of="changes opened in these days",
                 notes=("Of all that is open now, whatever the days above.",))  # fmt: skip
