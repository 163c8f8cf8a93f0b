"""The pages of docs/reference with lists that are made out of the sources."""

from __future__ import annotations

from devtools.pages import commands, errors
from devtools.pages.page import ROOT, renew

PAGES = {
    ROOT / "docs/reference/errors.md": errors.listed,
    ROOT / "docs/reference/commands.md": commands.listed,
}


def main() -> None:
    for path, listed in PAGES.items():
        renew(path, listed())
