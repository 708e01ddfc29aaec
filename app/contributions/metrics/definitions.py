"""The figures by their CHAOSS names: what each counts, by which version of its definition, and where CHAOSS says so."""

from __future__ import annotations

from dataclasses import dataclass

CHAOSS = "https://chaoss.community/kb/"


@dataclass(frozen=True)
class Metric:
    """A figure's name, what it counts, the version of that definition, and the page it follows ("": ours)."""

    key: str
    name: str
    definition: str
    version: int = 1
    page: str = ""

    @property
    def source(self) -> str:
        """The address of CHAOSS's definition; "" where the figure is ours."""
        return f"{CHAOSS}{self.page}/" if self.page else ""


_WORK = (
    Metric("commits", "Code Changes Commits",
           "Commits on the default branch, merges included, by people (bots and tools are counted apart). Each "
           "commit counts once, on its author's day in UTC, whatever number of repositories hold it.",
           page="metric-code-changes-commits"),
    Metric("headline", "Key figures",
           "The large figures over a page, each as defined under its own name, beside the window of the same length "
           "just before. As data, durations are whole seconds and shares parts of one."),
    Metric("lines", "Code Changes Lines",
           "Lines added and deleted by those commits, as git's --numstat says without looking for renames; binary "
           "files and merges have none.", page="metric-code-changes-lines"),
    Metric("files", "Code Changes Files",
           "Paths that those commits changed, once for each commit that changed them; a rename is two. Merges have "
           "none, and those of commits that a bot landed for somebody are left out."),
    Metric("contributors", "Contributors",
           "People who wrote, merged or co-authored a commit, or are named as its reviewer by a trailer. "
           "Identities joined by evidence or decision are one person; bots and tools are none.",
           page="metric-contributors"),
    Metric("new-contributors", "New Contributors",
           "Contributors whose first contribution of all time, within what the page looks at, lies in the window.",
           page="metric-new-contributors"),
    Metric("returning", "Returning Contributors",
           "Contributors of the window who had contributed before, but not in the window of the same length just "
           "before. With the new ones and those who stay they are all contributors of the window."),
    Metric("drifting", "Inactive Contributors",
           "Contributors of the window of the same length just before who did nothing in this one: who drifts away. "
           "In a window that ends today some of them may yet come back.", page="metric-inactive-contributors"),
    Metric("retention", "Contributor Retention",
           "Of the contributors of the window of the same length just before, the share who contributed again."),
    Metric("cohorts", "Retention by cohort",
           "Of the people whose first contribution lies in one quarter, the share who contributed in each quarter "
           "since. The quarter that has not ended is shown as what it is so far."),
    Metric("funnel", "What became of newcomers",
           "Of the people whose first contribution of all time, within what the page looks at, lies in one quarter: "
           "how many have contributed twice or more since, five times or more, in at least three different quarters "
           "(regular), how many have reviewed a change or are named by a commit as its reviewer, and how many have "
           "ever held a seat among the maintainers. One stage does not presuppose another. A quarter of which nobody "
           "can be regular yet says so instead of none; later quarters had less time for everything else, too."),
    Metric("turnover", "Who comes and who goes quiet",
           "Quarter by quarter: contributors whose first contribution lies in it (new), who had contributed in the "
           "quarter before (staying) or earlier (returning), and who had contributed in the quarter before and did "
           "nothing in this one (went quiet)."),
    Metric("module-work", "Modules side by side",
           "Commits by people that touched a path of each module; one that touches two counts in both. The smallest "
           "number of people who together made at least half of them, the smallest number of organizations whose "
           "people made at least half of what is attributed, and how many of the maintainers contributed or reviewed "
           "anything within the days that the foundation's rules call active."),
    Metric("paths", "Changes by path",
           "Commits that changed a path, month by month, once for each path that a commit changed. A folder has what "
           "lies below it. Merges change none."),
    Metric("path-knowers", "Who knows a path",
           "The authors of the commits that changed a path in the window (of a landing bot's, the first co-author), "
           "bots and tools left out: the smallest number of people who together made at least half of these changes, "
           "and who made most of them. Who wrote a thing before the window, or reviewed it, may know it as well.",
           version=2),
    Metric("absence-factor", "Contributor Absence Factor",
           "The smallest number of people who together made at least half of the commits.",
           page="metric-contributor-absence-factor"),
    Metric("elephant-factor", "Elephant Factor",
           "The smallest number of organizations whose people together made at least half of the commits that are "
           "attributed to an organization. What is not attributed is left out, and its share stands beside it.",
           page="metric-elephant-factor"),
    Metric("diversity", "Organizational Diversity",
           "Organizations with at least one commit by somebody who worked for them on that day.",
           page="metric-organizational-diversity"),
    Metric("unattributed", "Unattributed share",
           "Commits of people of whom nobody has said whom they worked for on that day, of all commits by people. "
           "Independent by their own word is an answer, and counts as one."),
    Metric("reviews", "Change Request Reviews",
           "Reviewers named by commits (Reviewed-by, Approved-by, Acked-by): a commit with two reviewers counts "
           "two. The author's own name does not count.", page="metric-change-request-reviews"),
    Metric("freshness", "How far each source is read",
           "When a repository was last read whole, the day of its newest commit, whether its source has a head that "
           "is not counted yet, and of how many commits the lines are counted."),
    Metric("identity-queue", "Questions of identity",
           "Proposals that two identities are one person, or that one is a bot or a tool, which nobody has answered: "
           "by kind and by how long ago they were found. Those put off are left out."),
    Metric("stated-by", "On what employers rest",
           "People whose employer is known on the last day of the window, by the strongest source that says so, and "
           "how sure those sources are on average. Independent by their own word counts."),
    Metric("bots", "Bot Activity",
           "Commits by bots, and commits that say a tool assisted (Assisted-by, or a tool as co-author): visible, "
           "and never mixed with people's.", page="metric-bot-activity"),
)  # fmt: skip

_WAITING = (
    "Durations are whole seconds; medians and percentiles stand with n beside them. One that has not ended counts as "
    "at least so long (Kaplan and Meier), so that what is slow is not left out; a percentile is the smallest duration "
    "within which that share has ended, and is not given while fewer have. Over more than 5,000 durations each is "
    "first rounded down to one of 32 steps to a doubling, at most 2.2% shorter."
)

_CHANGES = (
    Metric("change-requests", "Change Requests",
           "Changes opened in the window: branches beside the default branch and pull requests, by people; bots' are "
           "counted apart. A change belongs to the organization that its author worked for on the day of opening.",
           page="metric-change-requests"),
    Metric("accepted", "Change Request Acceptance Ratio",
           "Of the changes by people that were closed in the window, the share that was merged."),
    Metric("first-response", "Time to First Response",
           "From the opening of a change (or from when it was first marked ready, if it was opened as a draft) until "
           "somebody other than its author, and no bot, comments, reviews, merges or closes it. Of changes opened in "
           "the window by people. Labels and assignments are no response, nor is what was said while it was still the "
           "draft that it was opened as. A change that was closed without one had waited at least until then; a draft "
           "that was never ready waits for nobody. " + _WAITING,
           page="metric-time-to-first-response"),
    Metric("change-duration", "Change Request Duration",
           "From the opening of a change until it was merged or closed, of changes opened in the window by people; "
           "CHAOSS takes the merged ones alone, which leaves out what is still waiting. " + _WAITING,
           page="metric-change-requests-duration"),
    Metric("closure-ratio", "Change Request Closure Ratio",
           "Changes closed (merged or not) in the window, by changes opened in it: near or above 1, the project keeps "
           "up. By people; of whoever opened the change.", page="metric-change-request-closure-ratio"),
    Metric("backlog", "Backlog",
           "Changes by people that were open at the end of a day: opened on it or before, and closed after it or not "
           "at all."),
    Metric("review-coverage", "Review coverage",
           "Of the changes by people that were merged in the window, the share that at least one person other than "
           "the author had reviewed before the merge (approved, asked for changes, or commented as a review)."),
    Metric("reviewers", "Reviewers per change",
           "Of the changes by people that were merged in the window, how many people other than the author had "
           "reviewed each before the merge: mean, and how many had none, one, two or more."),
    Metric("review-load", "Review load",
           "Changes that each person began to review in the window (bots' changes, and after the merge, too), and the "
           "smallest number of people who together began at least half of these reviews: on how few it rests."),
    Metric("review-exchange", "Reviews given and received",
           "Reviews that people of an organization (or one person) began in the window, by whom the change's author "
           "worked for on the day of opening (given); and reviews of their changes, by whom the reviewer worked for on "
           "that day (received). One reviewer of one change is one review; bots' changes stand apart. The time to "
           "their first review runs from the change's opening, or from when it was first marked ready."),
    Metric("comparison", "Beside others",
           "The figures of several organizations in the same days, each as defined for itself. The median of a tier is "
           "the middle value of its members on the last of these days: related companies count as one member, and who "
           "did nothing counts as 0 (of waiting times, as none)."),
    Metric("waiting-now", "Waiting for a first response",
           "Open changes and issues by people to which nobody but their author, and no bot, has responded, since when "
           "they wait. Drafts that were never ready wait for nobody."),
    Metric("outsiders", "Do outsiders wait longer?",
           "Time to First Response of changes by people who worked for no member on the day of opening, beside those "
           "by people of members; and of first-timers (none of whose changes had been merged when this one was "
           "opened) beside the others. People of whom nobody knows for whom they work stand apart. n, median with "
           "its 95% bounds (Brookmeyer and Crowley), and the log-rank test, from 20 answered on each side. It tells "
           "a difference from chance, not its cause: what they change differs, too."),
)  # fmt: skip

_ISSUES = (
    Metric("issues-new", "Issues New", "Issues opened in the window by people.", page="metric-issues-new"),
    Metric("issues-closed", "Issues Closed", "Issues closed in the window that people had opened.",
           page="metric-issues-closed"),
    Metric("issue-response", "Issue Response Time",
           "From the opening of an issue until somebody other than its author, and no bot, comments on it or closes "
           "it. Of issues opened in the window by people. " + _WAITING, page="metric-issue-response-time"),
    Metric("issue-resolution", "Issue Resolution Duration",
           "From the opening of an issue until it was closed, of issues opened in the window by people. One that was "
           "opened again lasts until its last closing. " + _WAITING, page="metric-issue-resolution-duration"),
    Metric("releases", "Release Frequency",
           "Releases that repositories published in the window, pre-releases apart, and the median of the days from "
           "one release of a repository to its next.", page="metric-release-frequency"),
)  # fmt: skip

METRICS = {metric.key: metric for metric in (*_WORK, *_CHANGES, *_ISSUES)}
