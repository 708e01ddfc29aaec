"""Tables of contributions: what git history says, changes, issues and releases, and what follows from them."""

from app.contributions.models.changes import Change, ChangeCommit, ChangeFile, ChangeSource, ChangeState
from app.contributions.models.derived import (
    ChangeMeasure,
    ChangeModule,
    ChangeReviewer,
    FigureStamp,
    IssueMeasure,
    Measure,
    MeasureDue,
)
from app.contributions.models.facts import (
    ChangeEvent,
    Issue,
    IssueEvent,
    IssueState,
    RepositoryRelease,
    TimelineEvent,
)
from app.contributions.models.gone import GoneFact
from app.contributions.models.history import (
    Attribution,
    Branch,
    ChangePath,
    Commit,
    CommitModule,
    CommitTrailer,
    DerivedState,
    LineCountDue,
    Repository,
    RepositoryCommit,
    RepositoryState,
    Rollup,
    RollupDue,
)
from app.contributions.models.sums import Stretch, WorkSum

__all__ = [
    "Attribution",
    "Branch",
    "Change",
    "ChangeCommit",
    "ChangeEvent",
    "ChangeFile",
    "ChangeMeasure",
    "ChangeModule",
    "ChangePath",
    "ChangeReviewer",
    "ChangeSource",
    "ChangeState",
    "Commit",
    "CommitModule",
    "CommitTrailer",
    "DerivedState",
    "FigureStamp",
    "GoneFact",
    "Issue",
    "IssueEvent",
    "IssueMeasure",
    "IssueState",
    "LineCountDue",
    "Measure",
    "MeasureDue",
    "Repository",
    "RepositoryCommit",
    "RepositoryRelease",
    "RepositoryState",
    "Rollup",
    "RollupDue",
    "Stretch",
    "TimelineEvent",
    "WorkSum",
]
