"""What MkDocs needs besides docs/: pages that lie in the root, and links to files of the sources.

The repository's own view follows links such as `../../CONTRIBUTING.md`. The site has a page of each
document in `ROOT_PAGES`; of other files outside docs/ it shows the path as text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

ROOT_PAGES = {
    "CONTRIBUTING.md": "development/contributing.md",
    "SECURITY.md": "development/security.md",
    "CHANGELOG.md": "development/changelog.md",
}
"""Documents in the root, and where the site has them."""

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie in the root."""
    from mkdocs.structure.files import File

    for name, page in ROOT_PAGES.items():
        text = (ROOT / name).read_text("utf-8")
        files.append(File.generated(config, page, content=linked(text, "", page)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn links that leave docs/ into links of the site."""
    name = page.file.src_uri
    if name in ROOT_PAGES.values():
        return markdown
    return linked(markdown, posixpath.dirname(f"docs/{name}"), name)


def linked(text: str, folder: str, page: str) -> str:
    """A document's text with links as the site has them.

    Args:
        text: the document.
        folder: where it lies, from the root of the repository; its links begin there.
        page: where the site has it, from docs/.
    """

    def link(found: re.Match[str]) -> str:
        label, name, anchor = found[1], found[2], found[3] or ""
        if not name or "://" in name:
            return found[0]
        target = posixpath.normpath(posixpath.join(folder, name))
        inside = ROOT_PAGES.get(target) or target.removeprefix("docs/")
        if inside == target:
            return label if label.startswith("`") else f"{label} (`{target}`)"
        return f"[{label}]({posixpath.relpath(inside, posixpath.dirname(page) or '.')}{anchor})"

    # Every other part is a fence, which stays as it is.
    parts = re.split(f"({FENCE.pattern})", text, flags=FENCE.flags)
    return "".join(part if at % 2 else LINK.sub(link, part) for at, part in enumerate(parts))
