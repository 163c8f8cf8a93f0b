"""The Python that processes of ours run in, where there is one.

A program that was frozen, or that has Python in it, isn't an interpreter, though `sys.executable`
may name it: whoever started that would start the whole program once more. So what is found is asked
first who it is.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

VARIABLE = "EDGE_MED_PYTHON"
"""Names the interpreter."""

CHILD = "EDGE_MED_CHILD"
"""Is set in processes of ours, so that none of them starts an engine's process itself."""

SECONDS = 2.0
"""An interpreter that takes longer to say who it is isn't used."""

ALONE = ("-I", "-S")
"""Nothing is imported from the folder that the program is in, and no start-up file is run; modules
are found where the program finds them."""

_WHO = "import sys; sys.stdout.write('Python %d.%d' % sys.version_info[:2])"
VERSION = "{}.{}".format(*sys.version_info[:2])
_SELF = f"Python {VERSION}"

NO_WINDOW = 0x08000000 if sys.platform == "win32" else 0
"""CREATE_NO_WINDOW (processthreadsapi.h)."""

_WANTED: str | None = None

_KNOWN: set[str] = set()
"""Interpreters that have said who they are."""

_NAMED = re.compile(r"(?i)(?:python|pypy)[\w.]*$")
_BINARY = ("python.exe",) if sys.platform == "win32" else ("bin", f"python{VERSION}")

OWN_COMMAND: str | None = None
"""The hidden subcommand of `edge-med` that calls a module's `main`; set where that runs."""

COMMAND, WHO = "_process", "who"


def is_child() -> bool:
    """Whether this is a process of ours."""
    return CHILD in os.environ


def starter(python: str | None = None) -> Sequence[str] | None:
    """What a command line begins with that runs Python code, after `-c`; None if there is nothing.

    Args:
        python: the interpreter that is wanted; else what EDGE_MED_PYTHON names, or this one.
    """
    global _WANTED  # noqa: PLW0603 - what a model was loaded with, images are decoded with
    wanted = python or os.environ.get(VARIABLE) or _WANTED
    for path in [wanted] if wanted else _here():
        if path and _is_python(path):
            _WANTED = python or _WANTED
            return [path, *ALONE, "-X", f"utf8={sys.flags.utf8_mode}"]
    return None


def frozen_command() -> str | None:
    """The executable of `edge-med` that a frozen program has, itself or in its folder."""
    if not getattr(sys, "frozen", False):
        return None
    if OWN_COMMAND is not None:
        return OWN_COMMAND
    own = Path(sys.executable).with_name("edge-med" + Path(sys.executable).suffix)
    return str(own) if own.is_file() and _says([str(own), COMMAND, WHO]) == _SELF else None


def call(what: str, *arguments: str) -> None:
    """What the hidden subcommand does: say who it is, or call a module's `main`."""
    if what == WHO:
        sys.stdout.write(_SELF)
        return
    (given,) = arguments
    importlib.import_module(what).main(**json.loads(given))


def _here() -> Iterator[str | None]:
    """What may be this Python; a program that has Python in it comes last, for it might start."""
    if getattr(sys, "frozen", False):
        return
    own = [sys.executable, getattr(sys, "_base_executable", None)]  # of a venv the other's
    yield from [path for path in own if path and _NAMED.search(path)]
    yield str(Path(sys.base_exec_prefix, *_BINARY))
    yield from own


def _is_python(path: str) -> bool:
    """Whether an executable is this Python; one that took too long is asked again next time."""
    if path not in _KNOWN and _says([path, *ALONE, "-c", _WHO]) == _SELF:
        _KNOWN.add(path)
    return path in _KNOWN


def _says(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter, or what might be one
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, CHILD: "1"},
            start_new_session=True,
            creationflags=NO_WINDOW,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip()
