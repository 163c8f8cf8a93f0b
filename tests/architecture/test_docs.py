"""What the documents name exists: files, headings, modules, commands and their flags."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest

from edge_med.cli import root

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")])

FENCE = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
MODULE = re.compile(r"\bpython3? -m ([\w.]+)")
PATH = re.compile(
    r"(?<![\w/.-])(?:benchmarks|converters|devtools|docs|edge_med|scripts|tests)/[\w./-]*\w"
)

ONLY_IN_THE_WHEEL = "edge_med/_models"
"""Where pyproject.toml puts `models/`."""

document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def code(path: Path) -> list[str]:
    """The lines of code in a document, fenced or between backticks; continued lines are joined."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    fenced = [line for block in FENCE.findall(text) for line in block.splitlines()]
    return fenced + INLINE.findall(FENCE.sub("", text))


def anchors(path: Path) -> set[str]:
    """The headings of a document as links write them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@document
def test_links_lead_somewhere(path: Path) -> None:
    links = LINK.findall(FENCE.sub("", path.read_text("utf-8")))
    for link in links:
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if "://" not in link:
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@document
def test_paths_exist(path: Path) -> None:
    named = {found for line in code(path) for found in PATH.findall(line)}
    there = {name for name in named if (ROOT / name).exists() or (ROOT / f"{name}.py").exists()}
    assert named - there <= {ONLY_IN_THE_WHEEL}


@document
def test_modules_can_be_run(path: Path) -> None:
    for name in {found for line in code(path) for found in MODULE.findall(line)}:
        spec = importlib.util.find_spec(name)
        assert spec is not None, name
        if spec.submodule_search_locations is not None:
            assert importlib.util.find_spec(f"{name}.__main__"), name


@document
def test_commands_have_these_flags(path: Path) -> None:
    context = click.Context(root)
    for line in (part.strip() for text in code(path) for part in text.split("&&")):
        call = re.match(r"(?:\$ )?edge-med (\w[\w-]*)(.*)", line)
        if call is None:
            continue
        command = root.get_command(context, call[1])
        assert command is not None, line
        known = {name for option in command.params for name in option.opts} | {"-h", "--help"}
        given = {part.strip("[]").partition("=")[0] for part in shlex.split(call[2], comments=True)}
        assert {flag for flag in given if flag.startswith("-")} <= known, line
