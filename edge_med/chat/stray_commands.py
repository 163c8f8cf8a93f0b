"""Lines that other places take for commands: words for leaving and for help, and the shell's."""

from __future__ import annotations

import re

from edge_med.errors import UsageError
from edge_med.imaging.files.image_names import is_there
from edge_med.imaging.files.mentions import OPENING, PUNCTUATION, looks_like_file

_LEAVING = ("exit", "quit", "bye", "goodbye", "leave", "logout", "log out", "eof", "wq")
_HELP = ("help", "help me", "h")
_WORDS = {**dict.fromkeys(_LEAVING, "/quit"), **dict.fromkeys(_HELP, "/help")}
_WRITTEN = {
    ":q": "/quit",
    ":q!": "/quit",
    ":x": "/quit",
    "^d": "/quit",
    "^z": "/quit",
    "?": "/help",
}
"""Lines that are commands in other programs, with the commands for them here: by their words,
and as they are written."""

_STOPPING = frozenset(("stop", "cancel", "abort", "ciao", "close", "done", "end", "finish"))
"""Words that may mean an answer, or the chat: leaving would lose what isn't saved. `ciao` greets as
well."""

_AROUND = re.compile(
    r"^(?:please|pls)\s+|(?:\s+(?:please|pls|now|(?:the |this )?(?:chat|program)))+$"
)
"""What is said around such a word."""

_EDGE_MED = re.compile(
    r"(?:[$>%#]\s*)?(?:sudo\s+)?(?:python3?\s+-m\s+)?edge[-_]med(?=\s|$)", re.IGNORECASE
)
"""How a line begins that was meant for the shell."""

_SHELL = re.compile(
    r"(?:[$>%#]\s*)?(?:sudo\s+[a-z]\S*(?:\s.*)?|(?:ls|dir|pwd|cd|cls|whoami|top|nvidia-smi)|"
    r"(?:pip3?|conda|apt|apt-get|brew)\s+(?:install|update|upgrade|list|show)(?:\s.*)?|"
    r"git\s+(?:clone|pull|status|log)(?:\s.*)?)"
)
"""Commands of shells, in their small letters: `CD` and `LS` are words of a clinic."""

_ON_A_FILE = re.compile(
    r"(?:[$>%#]\s*)?(?:ls|dir|cd|cat|less|rm|del|cp|mv|mkdir|vim?|nano|grep|unzip|tar|python3?|curl|"
    r"wget|chmod)\s+(\S+)(?:\s.*)?"
)
"""Those that a path, an address or a flag follows."""


COMMAND = re.compile(r"\s*/[a-z?]+(?:[ \t][^\n]*)?\s*", re.IGNORECASE)
"""A line of the chat's; a text of several lines is none."""


def command_for(line: str) -> str:
    """The command for a word for leaving or for help; empty for another line."""
    return _WRITTEN.get(line.strip().lower()) or _WORDS.get(_bare(line), "")


def refuse_command(line: str) -> None:
    """Refuse what other places take for a command, and what may have been meant here as one.

    Raises:
        UsageError: it is one, or there is nothing to read in it.
    """
    if _bare(line) in _STOPPING or line.lower() == "^c":
        raise UsageError(
            f"{line} isn't a question.",
            f"Ctrl-C stops an answer, /quit leaves the chat. To ask it anyway: // {line}",
        )
    if "\n" not in line and _is_for_the_shell(line):
        raise UsageError(
            "That is a command of the shell, but this is the chat.",
            f"/quit leaves the chat, /help lists its commands. To ask it anyway: // {line}",
        )
    if not any(map(str.isalnum, line)):
        raise UsageError(f"{line} isn't a question.", "Ask in words; /help lists the commands.")


def replacement(line: str) -> str:
    """The text that is asked instead of another, without the slashes before what must have them.

    Raises:
        UsageError: it may have been meant as a command.
    """
    if line.startswith("//"):
        return line[2:].strip() if line[2:3].isspace() else line[1:]
    if command_for(line) or COMMAND.fullmatch(line):
        raise UsageError(
            f"{line.strip()} is a command, not a question. Nothing was changed.",
            f"To ask it anyway: // {line.strip()}",
        )
    refuse_command(line)
    return line


def _is_for_the_shell(line: str) -> bool:
    if _EDGE_MED.match(line) or _SHELL.fullmatch(line):
        return True
    found = _ON_A_FILE.fullmatch(line)
    on = found[1].strip("\"'") if found else ""
    known = on.startswith(("-", "http:", "https:")) or on in (".", "..", "~") or looks_like_file(on)
    return bool(on) and (known or is_there(on))


def _bare(line: str) -> str:
    """Without case, without brackets, quotes and the like around it, and without `please`."""
    words = " ".join(line.lower().split()).strip(f"{OPENING}{PUNCTUATION}-")
    return _AROUND.sub("", words).strip(f"{OPENING}{PUNCTUATION}-")
