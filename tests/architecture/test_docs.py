"""The examples in the documentation and in the portal's docstrings say the truth."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(app.__path__, "app.")
    if not found.name.startswith("app.runner") and not found.name.endswith("__main__")
)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path) -> None:
    blocks = [block for block in re.findall(r"```py\w*\n(.*?)```", page.read_text(), re.S) if ">>>" in block]
    text = "\n".join(blocks)
    if "flambeau" in text and not _is_core_built():
        pytest.skip("the framework's core is not built here: make wheel, or pip install -e .")
    test = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    report: list[str] = []
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def _is_core_built() -> bool:
    framework = find_spec("flambeau")
    folders = framework.submodule_search_locations if framework else None
    return any(found for folder in folders or () for found in Path(folder).glob("_core*.so"))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
