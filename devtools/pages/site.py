"""The pages as a site, built strictly, which loads nothing from the internet.

The site is in build/site afterwards. Its pages open from there; with its search, and at
http://127.0.0.1:8000, by: python -m http.server 8000 --bind 127.0.0.1 --directory build/site
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build/site"

LOADS = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*\b(?:src|data)=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b(?![^>]*\brel=[\"']?(?:canonical|prev|next))[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|url\([\"']?(?:https?:)?//[^)]*\)"
    r"|@import\s+[\"'](?:https?:)?//[^\"']*"
    r"|class=[\"']?mermaid\b",
    re.IGNORECASE,
)
"""What a browser fetches by itself; the theme fetches Mermaid where a page has a diagram of its."""


def main() -> int:
    build()
    found = sorted(set(loads(SITE)))
    for line in found:
        print(f"loads from the internet: {line}")
    return len(found)


def build() -> None:
    # The theme's notice of its successor has nothing to do with these pages.
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    subprocess.run(command, cwd=ROOT, env=quiet, check=True)


def loads(site: Path) -> list[str]:
    """What the pages and styles of a site load from elsewhere, with the file that does so."""
    files = [path for path in site.rglob("*") if path.suffix in {".html", ".css"}]
    return [
        f"{path.relative_to(site).as_posix()}: {found[0][:120]}"
        for path in files
        for found in LOADS.finditer(path.read_text("utf-8"))
    ]
