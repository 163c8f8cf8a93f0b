"""What a terminal writes when a file is dragged into it: quoted, escaped, or as a URL."""

from __future__ import annotations

import re
import shlex

from edge_med.imaging.files.addresses import from_url

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
