"""Every template is used, every page has a title, and no page carries a style or script of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "app/templates"
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html"))


def test_every_template_is_used() -> None:
    python = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    markup = "".join((TEMPLATES / name).read_text() for name in NAMES)
    assert [name for name in NAMES if f'"{name}"' not in python + markup] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_no_style_script_or_handler_of_its_own(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    inline = re.findall(r"""\sstyle=|\son[a-z]+="|<style|<script(?! src="\{\{ asset)|javascript:""", text)
    assert inline == [], "the content policy refuses it; use the stylesheet or comfort.js"


@pytest.mark.parametrize("name", NAMES)
def test_a_form_that_sends_carries_its_token(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    for form in re.findall(r"<form\b.*?</form>", text, re.S):
        assert 'method="post"' not in form or "ui.csrf()" in form, form[:120]


def test_a_page_that_extends_the_base_has_a_title() -> None:
    pages = [name for name in NAMES if '{% extends "base.html"' in (TEMPLATES / name).read_text()]
    untitled = [name for name in pages if "{% block title %}" not in (TEMPLATES / name).read_text()]
    assert untitled == ["front.html"]


def test_nothing_from_outside_is_trusted_as_markup() -> None:
    trusting = [name for name in NAMES if re.search(r"\|\s*safe\b|autoescape", (TEMPLATES / name).read_text())]
    assert trusting == []
