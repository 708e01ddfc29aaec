"""Docstrings of Python's standard library and the modules they stand in: a data set that comes with Python.

`lora.py` learns from it.
"""

from __future__ import annotations

import ast
import sysconfig
from pathlib import Path

import numpy as np

MODULES = ["asyncio", "email", "http", "importlib", "logging", "mailbox", "multiprocessing", "tarfile", "unittest",
           "xml"]
Example = tuple[str, int]


def docstrings(each: int, seed: int) -> tuple[list[Example], list[Example]]:
    """First paragraphs of docstrings with their module's number, at most `each` of a module: to train, to test."""
    chance = np.random.default_rng(seed)
    found: dict[str, int] = {}
    for number, module in enumerate(MODULES):
        texts = sorted(_paragraphs(module) - found.keys())
        found |= {texts[i]: number for i in chance.permutation(len(texts))[:each]}
    examples = [list(found.items())[i] for i in chance.permutation(len(found))]
    cut = len(examples) * 3 // 4
    return examples[:cut], examples[cut:]


def _paragraphs(module: str) -> set[str]:
    library = Path(sysconfig.get_path("stdlib"))
    found = set()
    for file in [library / f"{module}.py", *(library / module).rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if file.exists() else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                paragraph = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
                if len(paragraph) >= 20:
                    found.add(paragraph)
    return found
