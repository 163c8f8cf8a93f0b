"""The commands of the chat: one table, which help and completion read as well."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge_med.chat.chat_state import ChatState
from edge_med.chat.commands import answer_settings, history, images, locate, saving
from edge_med.chat.input_lines import is_name
from edge_med.errors import UsageError
from edge_med.imaging.files.image_names import is_there
from edge_med.imaging.files.mentions import looks_like_file


@dataclass(frozen=True, slots=True)
class ChatCommand:
    """A command.

    Attributes:
        name: word after the slash.
        argument: description of the argument; empty for none.
        help: line of /help.
        run: function of the command.
        completes: completion of its argument: `path`, or a list of words.
        text: whether its argument is a text, of one line or several.
        others: names of the command in other programs.
    """

    name: str
    argument: str
    help: str
    run: Callable[[ChatState, str], None]
    completes: Literal["path"] | tuple[str, ...] = ()
    text: bool = False
    others: tuple[str, ...] = ()


def _help(chat: ChatState, _argument: str) -> None:
    calls = {f"/{command.name} {command.argument}".rstrip(): command for command in COMMANDS}
    width = max(map(len, calls))
    lines = [f"{call:<{width}}  {command.help}" for call, command in calls.items()]
    chat.ui.say("\n".join(lines))


_ANEW = ("regenerate", "retry")

COMMANDS = (
    ChatCommand(
        "image",
        "PATH…",
        "Send images, with flags such as --slices after them.",
        images.add,
        "path",
    ),
    ChatCommand("images", "", "List all images, those of the next question too.", images.show),
    ChatCommand(
        "drop",
        "N|file",
        "Remove image N, or the texts of the next question.",
        images.drop,
        ("file",),
    ),
    ChatCommand(
        "file", "PATH", "Send a text file with the next question.", images.add_file, "path"
    ),
    ChatCommand(
        "system",
        "[NAME|TEXT]",
        "Show or change the system text; none removes it.",
        answer_settings.system,
        (*answer_settings.PRESETS, "none"),
        text=True,
    ),
    ChatCommand(
        "think",
        "off|auto|on|show",
        "Choose whether the model thinks first; show its thoughts.",
        answer_settings.think,
        (*answer_settings.THINK, "show"),
    ),
    ChatCommand(
        "set",
        "[NAME VALUE]",
        "Show or change settings of the answers.",
        answer_settings.change,
        tuple(answer_settings.SET),
    ),
    ChatCommand(
        "locate",
        "[#N] WHAT",
        "Draw a box around WHAT in the last image, or in image N.",
        locate.locate,
    ),
    ChatCommand("regen", "", "Answer the last question again.", history.regenerate, others=_ANEW),
    ChatCommand(
        "edit", "N [TEXT]", "Change question N, and remove the later ones.", history.edit, text=True
    ),
    ChatCommand("undo", "", "Remove the last question and its answer.", history.undo),
    ChatCommand(
        "save",
        f"PATH [{saving.IMAGES}]",
        "Save the conversation, with images or only their hashes.",
        saving.save,
        "path",
    ),
    ChatCommand("load", "PATH [IMAGE…]", "Continue a saved conversation.", saving.load, "path"),
    ChatCommand(
        "export",
        "md|json [PATH]",
        "Export the conversation as Markdown or JSON.",
        saving.export,
        ("md", "json"),
    ),
    ChatCommand("stats", "", "Show memory, context, tokens and speed.", answer_settings.stats),
    ChatCommand(
        "clear",
        "",
        "Begin a new conversation.",
        history.clear,
        others=("new", "reset", "restart"),
    ),
    ChatCommand("help", "", "Show this list.", _help, others=("?", "h")),
    ChatCommand("quit", "", "Leave.", history.leave, others=("exit", "bye", "q")),
)

BY_NAME = {command.name: command for command in COMMANDS}
_KNOWN = BY_NAME | {other: command for command in COMMANDS for other in command.others}


def is_one(line: str) -> bool:
    """Whether a line is a command, a known one or not; a path may begin with a slash too."""
    name = line.split(None, 1)[0]
    known = name.removeprefix("/").lower() in _KNOWN
    return line.startswith("/") and (known or not (looks_like_file(name) or is_there(line)))


def refuse_without_slash(line: str) -> None:
    """Refuse a line that would be a command if it had a slash.

    Raises:
        UsageError: it would.
    """
    name, *rest = line.split()
    command = _KNOWN.get(name.lower())
    if command is None or "\n" in line:
        return
    argument = rest[0] if rest else ""
    if command.completes == "path":
        is_command = is_name(argument)
    elif command.text:  # of any length, after a number or alone
        alone = command.argument[0] != "N"
        is_command = argument.isdecimal() or (alone and not line.endswith("?"))
    else:
        is_command = argument in command.completes or argument.isdecimal()
        is_command &= len(rest) <= len(command.argument.split())
    if not rest or is_command:
        raise UsageError(
            f"Commands begin with a slash: /{line}", f"To ask it as a question: // {line}"
        )


def run(chat: ChatState, line: str) -> str:
    """Do what a line with a slash says.

    Returns:
        the lines after it, such as a question that was pasted with its command; none where the
        command takes them all.

    Raises:
        UsageError: there is no such command.
        EdgeMedError: it fails.
    """
    name, *rest = line.removeprefix("/").split(None, 1) or [""]
    command = _KNOWN.get(name.lower())
    if command is None:
        close = difflib.get_close_matches(name.lower(), _KNOWN, 1)
        raise UsageError(
            f"There is no command /{name}.",
            f"Did you mean /{close[0]}? /help lists all."
            if close
            else "/help lists all. A question that begins with a slash needs two: //",
        )
    argument = "".join(rest).strip()
    first, _, after = (argument, "", "") if command.text else argument.partition("\n")
    if first.strip() and not command.argument:
        raise UsageError(f"/{command.name} has no argument.", f"Type /{command.name} alone.")
    command.run(chat, first.strip())
    return after
