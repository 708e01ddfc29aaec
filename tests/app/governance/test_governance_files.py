"""The files of governance/ are checked as a whole, and every problem is named with file, key and line."""

from __future__ import annotations

import doctest
import importlib
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.governance_files import Governance, GovernanceError, read
from app.rulebook.paths import Glob, owners

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 11, 21)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(ROOT / "governance", tmp_path / "governance")


def change(folder, file, old, new):
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def problems(folder):
    return [str(problem) for problem in read(folder, today=TODAY).errors]


@pytest.mark.parametrize("name", ["governance_files.charter", "governance_files.yaml_lines", "rulebook.paths"])
def test_examples_in_the_docstrings_hold(name):
    result = doctest.testmod(importlib.import_module(f"app.{name}"))
    assert (result.failed, result.attempted > 0) == (0, True)


def test_our_own_files_have_no_problem():
    assert problems(ROOT / "governance") == []


def test_every_file_of_the_repository_belongs_to_exactly_one_module():
    governance = read(ROOT / "governance", today=TODAY).require()
    globs = {module.key: module.paths for module in governance.modules}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout, so its files cannot be listed")
    assert {path: keys for path in listed.stdout.splitlines() if len(keys := owners(path, globs)) != 1} == {}


def test_governance_reads_back_from_its_own_json():
    governance = read(ROOT / "governance", today=TODAY).require()
    assert Governance.model_validate_json(governance.model_dump_json(by_alias=True)) == governance


def test_a_module_without_maintainers_is_a_warning_and_stops_nothing(folder):
    reading = read(folder, today=TODAY)
    assert "single-maintainer applies" in str(reading.warnings[0])
    assert reading.governance is not None


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("bodies.yaml", '"tier:gold"', '"tier:bronze"', "seats[1].appointed_by: tiers.yaml has no tier 'bronze'"),
        ("bodies.yaml", '"tier:gold"', '"tier:associate"', "tier 'associate' gives no seat"),
        ("bodies.yaml", '"body:technical-council"', '"body:nobody"', "there is no body 'nobody'"),
        ("bodies.yaml", '"election:maintainers"', '"tier:platinum"', "no tier gives a technical right"),
        (
            "bodies.yaml",
            "quorum: board-quorum",
            "quorum: no-such-rule",
            "rules.quorum: rules.yaml has no rule 'no-such-rule'",
        ),
        (
            "bodies.yaml",
            "quorum: board-quorum",
            "quorum: council-quorum",
            "is of technical-council, not of governing-board",
        ),
        ("bodies.yaml", "key: outreach", "key: governing-board", "'governing-board' is there twice"),
        (
            "rules.yaml",
            'quorum: ">= 50% of all"',
            'quorum: "> 50% of all"',
            "clause 5.2 says 'at least 50%', but the rule says '> 50% of all'",
        ),
        (
            "rules.yaml",
            'meeting: ">= 2/3 of entire"',
            'meeting: ">= 3/4 of entire"',
            "clause 5.5 says 'at least two thirds'",
        ),
        ("rules.yaml", 'meeting: ">= 2/3 of entire"', 'meeting: "two thirds"', "is no threshold; write one like"),
        ("rules.yaml", 'clause: "5.5"', 'clause: "5.9"', "the charter has no clause 5.9"),
        ("rules.yaml", "body: technical-council", "body: moon-council", "bodies.yaml has no body 'moon-council'"),
        ("rules.yaml", 'body: "module:*"', 'body: "module:moon"', "modules.yaml has no module for 'module:moon'"),
        ("rules.yaml", "matter: budget", "matter: motion", "two rules for one matter contradict"),
        (
            "rules.yaml",
            'electronic: "> 1/2 of all"',
            'electronic: "> 1/2 of present"',
            "an electronic vote has nobody present",
        ),
        ("rules.yaml", "seat: administrator", "seat: emperor", "has no seat 'emperor' on a body 'administration'"),
        (
            "rules.yaml",
            "net_at_least: 3",
            "net_at_least: 0",
            "net_at_least: input should be greater than or equal to 1 (it says 0)",
        ),
        ("rules.yaml", "    net_at_least: 3\n", "", "asks for nothing"),
        ("rules.yaml", "    matter: budget\n", "    mater: budget\n", "rules[3].mater: no such key is known here"),
        ("rules.yaml", "    matter: budget\n", "", "rules[3].matter: this key is missing"),
        ("tiers.yaml", "until: 2024-12-31", "until: 2025-06-30", "starts on 2025-01-01 while 'Premier' still holds"),
        ("tiers.yaml", "until: 2024-12-31", "until: 2024-10-31", "nothing holds between 2024-10-31 and 2025-01-01"),
        ("foundation.yaml", "window_days: 90", "window_days: 30", "it is 30, but clause 3.3 says 90 days"),
        ("tiers.yaml", "{each_member: 1}", "{each_member: 1, one_per: 5}", "write either each_member, or one_per"),
        ("tiers.yaml", "annual_dues_usd: 100000", "annual_dues_usd: -5", "greater than or equal to 0 (it says -5)"),
        ("tiers.yaml", "from: 2023-01-01", "from: 2023-13-01", "cannot be read"),
        ("modules.yaml", '"csrc/ops/**"', '"csrc/**"', "claim the same paths"),
        ("modules.yaml", '"csrc/ops/**"', '"/etc/passwd"', "is no path below the repository"),
        ("modules.yaml", '"csrc/ops/**"', '"csrc/[a-z]"', "only * (within a folder) and **"),
        (
            "modules.yaml",
            "maintainers: []",
            "maintainers: [{name: A, email: nobody, since: 2026-01-01}]",
            "maintainers[0].email",
        ),
        ("hardware.yaml", "gate: required", "gate: tried", "no target is required"),
        (
            "hardware.yaml",
            "tests_wheel_of: linux-x86_64-cpu",
            "tests_wheel_of: windows",
            "no target 'windows' builds a wheel",
        ),
        ("foundation.yaml", "charter: charter.md", "charter: ../README.md", "is not a file of governance/ itself"),
        ("foundation.yaml", "charter: charter.md", "charter: none.md", "none.md: the file is missing"),
        (
            "foundation.yaml",
            "name: Flambeau Foundation",
            "name: Flambeau Foundation\nname: Other",
            "the key is there twice (first on line 2)",
        ),
        ("charter.md", "**5.6 Budget.**", "**5.5 Budget.**", "a clause with this number is there already"),
        ("rules.yaml", "rules:", "rules: [", "this is no YAML"),
    ],
)
def test_a_planted_mistake_is_named_with_its_file_and_key(folder, file, old, new, expected):
    change(folder, file, old, new)
    assert any(expected in text for text in problems(folder)), problems(folder)


def test_a_problem_has_the_line_of_its_key(folder):
    change(folder, "tiers.yaml", "annual_dues_usd: 50000", "annual_dues_usd: many")
    line = 1 + (folder / "tiers.yaml").read_text().split("many")[0].count("\n")
    assert problems(folder)[0].startswith(f"tiers.yaml:{line}: tiers[1].terms[0].annual_dues_usd:")


def test_all_problems_of_all_files_come_at_once(folder):
    change(folder, "tiers.yaml", "annual_dues_usd: 50000", "annual_dues_usd: many")
    change(folder, "bodies.yaml", '"body:technical-council"', '"body:nobody"')
    change(folder, "hardware.yaml", "gate: required", "gate: tried")
    (folder / "modules.yaml").unlink()
    reading = read(folder, today=TODAY)
    assert {problem.file for problem in reading.errors} >= {
        "tiers.yaml",
        "bodies.yaml",
        "hardware.yaml",
        "modules.yaml",
    }
    with pytest.raises(GovernanceError, match="nothing was changed"):
        reading.require()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(
        ["foundation.yaml", "tiers.yaml", "bodies.yaml", "rules.yaml", "modules.yaml", "hardware.yaml"]
    ),
    at=st.floats(0, 1),
    junk=st.text(alphabet=":-[]{}&*!|>'\"\n\t #%@`abc0\x00é", min_size=1, max_size=12),
)
def test_no_broken_file_breaks_the_reader(tmp_path_factory, file, at, junk):
    folder = shutil.copytree(ROOT / "governance", tmp_path_factory.mktemp("broken") / "governance")
    text = (folder / file).read_text()
    place = int(at * len(text))
    (folder / file).write_text(text[:place] + junk + text[place:])
    reading = read(folder, today=TODAY)
    assert (reading.governance is None) == bool(reading.errors)


def test_a_tier_keeps_its_key_when_its_name_changes():
    tier = read(ROOT / "governance", today=TODAY).require().tier("platinum")
    assert [tier.on(day).name for day in (date(2024, 12, 31), date(2025, 1, 1))] == ["Premier", "Platinum"]


@pytest.mark.parametrize(("members", "seats"), [(0, 0), (1, 1), (10, 1), (11, 2), (30, 3), (200, 3)])
def test_ten_general_members_share_a_seat_and_never_more_than_three(members, seats):
    term = read(ROOT / "governance", today=TODAY).require().tier("silver").on(date(2024, 1, 1))
    assert (term.name, term.seats.class_seats(members)) == ("General", seats)


def test_a_permission_that_nobody_listed_counts_as_technical():
    permissions = read(ROOT / "governance", today=TODAY).require().foundation.permissions
    assert [permissions.nature(name) for name in ("members.edit", "moon.fly")] == ["business", "technical"]


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("csrc/ops/add.h", ("ops",)),
        ("csrc/core/tensor.cpp", ("core",)),
        ("csrc/x.cpp", ("core",)),
        ("README.md", ("docs",)),
        ("docs/README.md", ()),
    ],
)
def test_the_most_specific_glob_owns_a_path(path, owner):
    globs = {"core": ["csrc/**"], "ops": ["csrc/ops/**"], "docs": ["*.md"]}
    assert owners(path, globs) == owner


pieces = st.lists(st.sampled_from(["a", "b", "/x", "*", "**", ".py"]), min_size=1, max_size=5).map("".join)


@given(pieces.filter(lambda text: "***" not in text), pieces.filter(lambda text: "***" not in text), pieces)
def test_two_globs_that_fit_one_path_are_found_to_meet(one, other, path):
    path = path.replace("*", "c")
    if Glob(one).matches(path) and Glob(other).matches(path):
        assert Glob(one).meets(Glob(other))
