"""The pages as a site: what would be loaded from the internet is found, and the API is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import edge_med
from devtools.pages.hooks import ROOT_PAGES, linked
from devtools.pages.site import loads
from tests.examples import ROOT


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example/css">',
        "<link href=//fonts.example/css rel=stylesheet>",
        '<img alt="" src="http://elsewhere.example/x.png">',
        "a { background: url(https://elsewhere.example/x.png) }",
        '@import "https://elsewhere.example/x.css";',
        '<pre class="mermaid"><code>',
    ],
)
def test_what_a_browser_would_load_is_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(text)
    assert len(loads(tmp_path)) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<a href="https://elsewhere.example">read there</a>',
        '<link rel="canonical" href="https://elsewhere.example">',
        '<script src="assets/javascripts/bundle.js"></script>',
        '<img src="../pictures/chat.svg" alt="https://elsewhere.example">',
    ],
)
def test_links_and_own_files_are_no_loads(text: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(text)
    assert loads(tmp_path) == []


def test_the_page_of_the_api_has_every_public_name() -> None:
    page = (ROOT / "docs/reference/api.md").read_text("utf-8")
    described = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)}
    errors = {name for name in edge_med.__all__ if name.endswith("Error")}
    assert set(edge_med.__all__) - errors - {"errors", "Event"} <= described
    assert set(edge_med.imaging.__all__) - described <= {
        *("About", "Contents", "FITS", "Fit", "Pixels", "Room", "Source", "loaded")
    }


def test_pages_in_the_root_are_linked_as_the_site_has_them() -> None:
    there = "[it](../../CONTRIBUTING.md#tests), [code](../../edge_med/api.py), [here](chat.md)\n"
    fence = "```text\n[a](../../CONTRIBUTING.md)\n```\n"
    assert linked(there + fence, "docs/guide", "guide/x.md") == (
        "[it](../development/contributing.md#tests), code (`edge_med/api.py`),"
        f" [here](chat.md)\n{fence}"
    )


PAGES = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}


def test_every_page_is_in_the_menu_and_on_the_first_page() -> None:
    menu = set(
        re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    )
    first = set(re.findall(r"\]\(([\w/-]+\.md)\)", (ROOT / "docs/index.md").read_text("utf-8")))
    assert menu - set(ROOT_PAGES.values()) == PAGES
    assert first == PAGES - {"index.md"}
