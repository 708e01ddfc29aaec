"""What README promises, CI runs."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _verbs(text: str) -> set[str]:
    return set(re.findall(r"\bmake (?:-C (?:\"[^\"]*\"|\S+) )?([a-z]+)\b", text))


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.M)) - {"help"}


def test_the_makefile_has_the_ten_verbs_and_each_says_what_it_does():
    assert _targets() == {"serve", "demo", "test", "fast", "lint", "bench", "peers", "docs", "wheel", "clean"}


def test_the_readme_names_only_commands_that_exist():
    assert _verbs(re.sub(r"`[^`]*make`", "", (ROOT / "README.md").read_text())) <= _targets()


def test_ci_runs_the_commands_of_the_readme():
    ci = _verbs((ROOT / ".ci/run").read_text()) | _verbs((ROOT / "tests/system/newcomer.sh").read_text())
    assert {"serve", "test", "lint", "peers"} <= ci
    fenced = "".join(re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.S))
    assert _verbs(fenced) <= ci
