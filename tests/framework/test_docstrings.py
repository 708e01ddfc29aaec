"""The examples in the framework's docstrings say the truth."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import flambeau
import pytest

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(flambeau.__path__, "flambeau.")
    if not found.name.endswith(("__main__", "._core"))
)


@pytest.mark.parametrize("name", ["flambeau", *MODULES])
def test_the_examples_of_a_module_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
