"""What a terminal writes when a file is dragged into it: quoted, escaped, or as a URL."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from edge_med.imaging.addresses import from_url

_WINDOWS = re.compile(r"""^(?:&\s+)?["']?(?:[A-Za-z]:[\\/]|\\\\)""")
"""A drive or a share; PowerShell puts `&` before a quoted path. A backslash escapes nothing."""

_QUOTED = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')


def files(line: str) -> list[Path]:
    """The files that a whole line names by absolute paths; none if it is anything else."""
    whole = Path(line.strip())
    paths = [whole] if _is_file(whole) else [Path(part) for part in split(line)]
    return paths if paths and all(map(_is_file, paths)) else []


def split(line: str) -> list[str]:
    """The paths in a line, relative ones too, without quotes, escapes and `file://`."""
    if _WINDOWS.match(line.strip()):
        found = _QUOTED.finditer(line.strip().removeprefix("&"))
        return [next(part for part in match.groups() if part is not None) for match in found]
    try:
        parts = shlex.split(line)
    except ValueError:  # an apostrophe in a sentence, or in a path that is given bare
        parts = line.split()
    return [from_url(part) for part in parts]


def _is_folder(path: Path) -> bool:
    """A folder, as of a CT; at the very top its name may be meant as a command."""
    return path.is_dir() and len(path.parts) > 2


def _is_file(path: Path) -> bool:
    try:
        return path.is_absolute() and (path.is_file() or _is_folder(path))
    except (OSError, ValueError):  # too long for a path, or with a NUL
        return False
