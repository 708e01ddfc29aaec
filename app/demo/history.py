"""Three years of invented commits as streams for `git fast-import`: what the demo's repositories are made of.

They go through the same ingest as any repository, so a figure of the demo is counted and not written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from app.demo.cast import Cast, Person

BOT = ("tidy-updates[bot]", "tidy-updates[bot]@bots.example")
TOOL = "Scribe (synthetic assistant)"
_VERBS = ("Add", "Fix", "Speed up", "Test", "Document", "Simplify", "Extend", "Check", "Rename", "Refuse bad input in")
_WORDS = (
    "shape rule", "broadcast path", "dtype promotion", "error text", "tile size", "cache key", "strided copy",
    "reduction order", "worker count", "gradient of gather", "random stream", "scalar case", "empty tensor",
    "device query", "wheel tag", "page layout", "audit entry", "seat roster", "log stream", "retry delay",
    "kernel table", "softmax backward", "checkpoint header", "link check", "demo script",
)  # fmt: skip


@dataclass(frozen=True)
class Area:
    """A part of a repository that people know well: its folder and the endings of its files."""

    folder: str
    endings: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """One repository of the demo."""

    name: str
    areas: tuple[Area, ...]
    commits_a_week: float
    open_branches: int
    starts_after_days: int = 0


PLANS = (
    Plan("flambeau", (
        Area("csrc/core", ("cpp", "h")), Area("csrc/ops", ("cpp",)), Area("csrc/backends/cpu", ("cpp", "h")),
        Area("csrc/backends/webgpu", ("cpp", "wgsl")), Area("framework/flambeau/nn", ("py",)),
        Area("framework/flambeau/optim", ("py",)), Area("app/releases", ("py", "html")), Area("docs", ("md",)),
    ), 44, 5),
    Plan("flambeau-models", (
        Area("models/vision", ("py",)), Area("models/language", ("py",)), Area("recipes", ("yaml", "py")),
        Area("tests", ("py",)),
    ), 13, 2, 120),
    Plan("flambeau-hardware", (
        Area("boards", ("yaml",)), Area("passports", ("json", "md")), Area("tools", ("py",)),
    ), 7, 1, 400),
)  # fmt: skip


@dataclass
class _Writer:
    """Writes one repository's stream; remembers each file's lines so that changes look like edits."""

    chance: random.Random
    plan: Plan
    files: dict[str, list[str]] = field(default_factory=dict)
    mark: int = 0
    number: int = 100
    subjects: list[tuple[int, str]] = field(default_factory=list)

    def commit(
        self, branch: str, at: datetime, author: tuple[str, str], message: str, changes: dict[str, str | None],
        *, parents: tuple[int, ...] = (), committer: tuple[str, str] | None = None,
    ) -> bytes:  # fmt: skip
        self.mark += 1
        committer = committer or author
        seconds = int(at.timestamp())
        raw = message.encode()
        lines = [f"commit refs/heads/{branch}", f"mark :{self.mark}",
                 f"author {author[0]} <{author[1]}> {seconds} +0000",
                 f"committer {committer[0]} <{committer[1]}> {seconds + 60} +0000", f"data {len(raw)}"]  # fmt: skip
        out = ["\n".join(lines).encode() + b"\n" + raw + b"\n"]
        if parents:
            out.append(f"from :{parents[0]}\n".encode())
            out += [f"merge :{other}\n".encode() for other in parents[1:]]
        for path, content in changes.items():
            if content is None:
                out.append(f"D {path}\n".encode())
            else:
                blob = content.encode()
                out.append(f"M 100644 inline {path}\ndata {len(blob)}\n".encode() + blob + b"\n")
        return b"".join(out)

    def edit(self, area: Area) -> dict[str, str | None]:
        """A plausible change: mostly edits of a few lines, now and then a new or a deleted file."""
        changes: dict[str, str | None] = {}
        known = [path for path in self.files if path.startswith(area.folder + "/")]
        for _ in range(self.chance.choice((1, 1, 1, 2, 2, 3, 5))):
            roll = self.chance.random()
            if len(known) < 4 or roll < 0.06:
                stem = self.chance.choice(_WORDS).replace(" ", "_")
                path = f"{area.folder}/{stem}_{self.chance.randrange(40)}.{self.chance.choice(area.endings)}"
                self.files.setdefault(path, [f"{stem} line {n}" for n in range(self.chance.randrange(6, 40))])
                known.append(path)
            elif roll < 0.075 and len(known) > 8 and not changes:
                path = self.chance.choice(known)
                known.remove(path)
                del self.files[path]
                changes[path] = None
                continue
            else:
                path = self.chance.choice(known)
                lines = self.files[path]
                for _ in range(self.chance.randrange(1, 9)):
                    place = self.chance.randrange(len(lines) + 1)
                    lines[place : place + self.chance.choice((0, 1, 1))] = [f"step {self.chance.randrange(10**6)}"]
                del lines[70:]
            changes[path] = "\n".join(self.files[path]) + "\n"
        return changes


def stream(cast: Cast, plan: Plan, *, seed: int, today: date, years: int = 3) -> Iterator[bytes]:
    """The whole history of one repository for `git fast-import`: a main line with merges, then its open branches."""
    chance = random.Random(f"{seed}/{plan.name}")  # noqa: S311 - a demo must come out the same each time
    writer = _Writer(chance, plan)
    day = today - timedelta(days=365 * years - plan.starts_after_days)
    first = next(person for person in cast.people if person.is_active(day))
    yield writer.commit("main", _moment(chance, day), (first.name, first.email_on(day)), "Begin",
                        {"README.md": f"# {plan.name}\n\nSynthetic.\n", ".mailmap": _mailmap(cast)})  # fmt: skip
    head = writer.mark
    span = (today - day).days
    for offset in range(1, span):
        on = day + timedelta(days=offset)
        growth = 0.45 + 0.75 * offset / span
        quiet = 0.2 if on.weekday() >= 5 else 0.45 if (on.month, on.day) > (12, 22) else 1.0
        active = [person for person in cast.people if person.is_active(on)]
        for at in sorted(
            _moment(chance, on) for _ in range(_poisson(chance, plan.commits_a_week / 5.6 * growth * quiet))
        ):
            written, head = _one(writer, active, on, at, head)
            yield written
    maintainers = [person for person in cast.people if person.is_maintainer and person.is_active(today)]
    for index in range(plan.open_branches):
        yield _open_branch(writer, chance.choice(maintainers), today - timedelta(days=2 + 3 * index), head, index)
    yield b"done\n"


def _one(writer: _Writer, active: list[Person], on: date, at: datetime, head: int) -> tuple[bytes, int]:
    """One landing on the main line and its mark: mostly a squashed change, now and then a merge, revert or bot."""
    chance = writer.chance
    writer.number += chance.randrange(1, 4)
    roll = chance.random()
    if roll < 0.045:
        area = writer.plan.areas[-1]
        message = f"Update pinned packages (#{writer.number})\n\nSigned-off-by: {BOT[0]} <{BOT[1]}>\n"
        return writer.commit("main", at, BOT, message, writer.edit(area), parents=(head,)), writer.mark
    person = chance.choices(active, weights=[one.rate for one in active])[0]
    who = (person.name, person.email_on(on))
    if roll < 0.06 and writer.subjects:
        _, title = chance.choice(writer.subjects[-50:])
        message = (f'Revert "{title}" (#{writer.number})\n\nThis reverts commit {chance.getrandbits(160):040x}.\n\n'
                   f"It broke a backend.\n\nSigned-off-by: {who[0]} <{who[1]}>\n")  # fmt: skip
        return writer.commit("main", at, who, message, writer.edit(_area(writer, person)), parents=(head,)), writer.mark
    area = _area(writer, person)
    title = f"{chance.choice(_VERBS)} {chance.choice(_WORDS)}"
    message = f"{title} (#{writer.number})\n\n{_trailers(chance, active, person, who, on)}"
    if roll < 0.12:
        changes = writer.edit(area)
        side = writer.commit(f"merged/{writer.number}", at - timedelta(minutes=40), who, message, changes,
                             parents=(head,))  # fmt: skip
        joined = (head, writer.mark)
        text = f"Merge pull request #{writer.number} from {who[0].split()[0].lower()}/work\n\n{title}\n"
        merge = writer.commit("main", at, _reviewer(chance, active, on), text, changes, parents=joined)
        gone = f"reset refs/heads/merged/{writer.number}\nfrom {'0' * 40}\n\n".encode()
        return side + merge + gone, writer.mark
    writer.subjects.append((writer.number, title))
    return writer.commit("main", at, who, message, writer.edit(area), parents=(head,)), writer.mark


def _trailers(chance: random.Random, active: list[Person], person: Person, who: tuple[str, str], on: date) -> str:
    lines = []
    if chance.random() < 0.09:
        other = chance.choice(active)
        if other is not person:
            lines.append(f"Co-authored-by: {other.name} <{other.email_on(on)}>")
    if chance.random() < 0.05:
        lines.append(f"Assisted-by: {TOOL}")
    if chance.random() < 0.72:
        name, email = _reviewer(chance, active, on)
        if name != person.name:
            lines.append(f"Reviewed-by: {name} <{email}>")
    if chance.random() < 0.97:
        lines.append(f"Signed-off-by: {who[0]} <{who[1]}>")
    return "\n".join(lines) + "\n"


def _open_branch(writer: _Writer, person: Person, on: date, head: int, index: int) -> bytes:
    name = f"{writer.chance.choice(_WORDS).replace(' ', '-')}-{index + 1}"
    out, parent = b"", head
    for part in range(writer.chance.randrange(1, 4)):
        who = (person.name, person.email_on(on))
        signed = "" if part == 1 else f"\n\nSigned-off-by: {who[0]} <{who[1]}>\n"
        changes = writer.edit(_area(writer, person))
        at = _moment(writer.chance, on) + timedelta(hours=part)
        out += writer.commit(name, at, who, f"Propose {name.replace('-', ' ')}, part {part + 1}{signed}", changes,
                             parents=(parent,))  # fmt: skip
        parent = writer.mark
    return out


def _area(writer: _Writer, person: Person) -> Area:
    return writer.plan.areas[writer.chance.choice(person.areas) % len(writer.plan.areas)]


def _reviewer(chance: random.Random, active: list[Person], on: date) -> tuple[str, str]:
    reviewers = [person for person in active if person.is_maintainer] or active
    person = chance.choices(reviewers, weights=[one.rate for one in reviewers])[0]
    return person.name, person.email_on(on)


def _mailmap(cast: Cast) -> str:
    lines = [f"{person.name} <{person.emails[0]}> <{email}>" for person in cast.people
             for email in person.emails[1:] if email != person.emails[0]]  # fmt: skip
    # A real mailmap is never complete: every sixth line is missing.
    return "\n".join(line for index, line in enumerate(lines) if index % 6) + "\n"


def _moment(chance: random.Random, on: date) -> datetime:
    return datetime(on.year, on.month, on.day, tzinfo=UTC) + timedelta(seconds=chance.randrange(7 * 3600, 21 * 3600))


def _poisson(chance: random.Random, mean: float) -> int:
    left, count = chance.expovariate(1.0), 0
    while left < mean:
        left += chance.expovariate(1.0)
        count += 1
    return count
