"""What a terminal writes when a file is dragged into it: quoted, escaped, or as a URL."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from edge_med.imaging.addresses import from_url

_WINDOWS = re.compile(r"""^(?:&\s+)?["']?(?:[A-Za-z]:[\\/]|\\\\)""")
"""A drive or a share; PowerShell puts `&` before a quoted path. A backslash escapes nothing."""

_QUOTED = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')


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


def is_there(name: str) -> bool:
    """Whether there is a file of that name, or a folder, as of a CT.

    What can't be a name is none, nor is a folder at the very top: that may be meant as a command.
    """
    try:
        path = Path(name).expanduser()
        folder = path.is_dir() and not (path.is_absolute() and len(path.parts) < 3)
        return bool(name) and (folder or path.is_file())
    except (OSError, ValueError, RuntimeError):  # too long, with a NUL, of a user who isn't there
        return False
