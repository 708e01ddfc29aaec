"""How long the search box takes over a generated foundation, and how long the index takes to make.

    FLAMBEAU_HOME=var/scale python -m app.demo.scale
    FLAMBEAU_HOME=var/scale python -m tests.speed.bench_search

DATABASE_URL names a database on PostgreSQL. What is due is indexed first and timed. Each question is asked `--rounds`
times, in turn with the others; printed are the first time (statements are put together), the median and the 95th
percentile of the others in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import Counter

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import load_slices
from app.contributions.models import Change
from app.db import Database
from app.people.models import Person
from app.search import queries
from app.search.models import SearchEntry, SearchPosting, SearchTerm
from app.search.rules import words_of
from app.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    if options.rounds < 3:
        parser.error("--rounds: three at least, of which the first is told apart")
    load_slices()
    db = Database(Settings.from_environment(os.environ).database_url)
    begun = time.perf_counter()
    due = queries.work_off(db)
    took = time.perf_counter() - begun
    with db.read() as session:
        sizes = [session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                 for table in (SearchEntry, SearchTerm, SearchPosting)]  # fmt: skip
        questions = _questions(session)
    entries, words, postings = sizes
    print(f"{db.dialect}, load {os.getloadavg()[0]:.1f}; {entries:,} entries, {words:,} words, {postings:,} postings")
    print(f"{due:,} things that were due indexed in {took:.1f} s")
    taken: dict[str, list[float]] = {name: [] for name in questions}
    hits: dict[str, int] = {}
    for _ in range(options.rounds):
        for name, text in questions.items():
            with db.read() as session:
                begun = time.perf_counter()
                found = queries.find(session, text)
                taken[name].append((time.perf_counter() - begun) * 1000)
                hits[name] = sum(map(len, found.hits.values()))
    for name, (first, *times) in taken.items():
        late = statistics.quantiles(times, n=20, method="inclusive")[-1]  # within what was seen
        said = f"{first:7.1f} {statistics.median(times):7.1f} {late:7.1f}"
        print(f"{name:32} {questions[name]!r:44} {said}   {hits[name]} hits")
    db.close()


def _questions(session: Session) -> dict[str, str]:
    """Questions of every kind, of words that are there."""
    of_two_long_words = Person.name.like("______% ______%")
    name = session.scalar(sa.select(Person.name).where(of_two_long_words).order_by(Person.id).limit(1))
    titles = list(session.scalars(sa.select(Change.title).order_by(Change.id.desc()).limit(500)))
    if name is None or not titles:
        raise SystemExit("there is nothing to find; run python -m app.demo.scale first")
    first, last = words_of(name)[:2]
    common = [word for word, _ in Counter(word for title in titles for word in words_of(title)).most_common(7)]
    title = max((words_of(title)[:6] for title in titles), key=len)
    return {
        "a name": f"{first} {last}",
        "the beginning of a name": f"{first[:3]} {last[:4]}",
        "the beginning of a word": last[:3],
        "one letter": last[0],
        "a slip": f"{first} {last[:2]}{last[3]}{last[2]}{last[4:]}",
        "a frequent word": common[0],
        "two frequent words": " ".join(common[:2]),
        "a title": " ".join(title),
        "frequent words of many titles": " ".join(common[1:7]),
        "a number": "#1234",
        "nothing": "qqqq zzzz",
    }


if __name__ == "__main__":
    main()
