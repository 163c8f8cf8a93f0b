"""Pages that are written out of the sources are current, and whole."""

from __future__ import annotations

import ast
from pathlib import Path

import click
import pytest

from devtools.pages import errors
from devtools.pages.errors import Scope, said
from devtools.pages.page import ROOT, cell, made
from devtools.pages.written import PAGES
from edge_med.cli import root


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_current(path: Path) -> None:
    assert made(path) == PAGES[path]().strip(), "run: python -m scripts.pages"


def test_every_command_and_flag_is_there() -> None:
    text = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        section = text.partition(f"## edge-med {name}\n")[2].partition("\n## ")[0]
        for flag in command.params:
            assert getattr(flag, "hidden", False) or all(
                opt in section for opt in flag.opts if opt.startswith("--")
            )


def test_every_kind_of_error_has_a_heading_and_most_places_a_row() -> None:
    rows = [row for path in errors.sources() for row in errors.found(path)]
    assert len(rows) > 400
    assert {row.kind for row in rows} <= set(errors.OURS)
    text = (ROOT / "docs/reference/errors.md").read_text("utf-8")
    for name in errors.OURS:
        assert f"\n## {name}\n" in text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("'There is no image.'", "There is no image."),
        ("f'There are {len(found)} images.'", "There are … images."),
        ("'One. ' + 'Two.'", "One. Two."),
        ("'Give a name.' if names else 'Give a path.'", "Give a name. Or: Give a path."),
        ("NEXT.get(key, 'Save it as PNG.')", "Save it as PNG."),
        ("f'See {WHERE}'", "See the log of llama.cpp."),
        ("found.words", "…"),
    ],
)
def test_a_message_is_read_as_far_as_the_sources_say_it(code: str, text: str) -> None:
    scope = Scope()
    scope.values["WHERE"].append(ast.Constant("the log of llama.cpp."))
    assert said(ast.parse(code, mode="eval").body, scope) == text


def test_nothing_in_a_cell_is_markdown_but_code() -> None:
    assert cell("a|b <c> *d* `e_f` g_h") == r"a\|b \<c> \*d\* `e_f` g_h"
