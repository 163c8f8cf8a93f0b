"""The loop: a line is a command, a file that was dropped, or a question."""

from __future__ import annotations

from edge_med.artifacts.chat_template import WORDS
from edge_med.chat import input_lines, respond, stray_commands
from edge_med.chat.chat_state import ChatState, counted
from edge_med.chat.commands import command_table, images
from edge_med.chat.ui import UI
from edge_med.engine.decode.notices import TOY
from edge_med.errors import CancelledError, EdgeMedError, UsageError
from edge_med.provenance import NOTICE

FIRST = (
    NOTICE,
    "It can be confidently wrong. Check every answer.",
)
"""What it is not for."""


def greet(ui: UI) -> None:
    """The first lines, before anything is loaded."""
    for line in FIRST:
        ui.notice(line)


def introduce(chat: ChatState) -> None:
    """What was loaded, and where help is."""
    info = chat.model.info
    sees = "sees images" if info.projector else "reads text only"
    chat.ui.notice(f"{info.model.file}, {sees}. /help lists commands, Ctrl-D leaves.")
    if info.model.toy:
        chat.ui.notice(TOY.text, always=True)
    if said := WORDS.get(info.model.turns or "gemma"):
        more = " /clear comes before another text." if info.model.turns == "none" else ""
        chat.ui.notice(f"{said[1]}{more}")


def run(chat: ChatState) -> None:
    """Go on until the user leaves; errors are told, and the chat goes on."""
    while not chat.leaving:
        try:
            line = chat.ui.read(_prompt(chat), status=chat.status())
            if line is None:
                return
            take(chat, line)
        except CancelledError:
            chat.ui.notice("Stopped.")
        except EdgeMedError as error:
            chat.ui.fail(error)
            if chat.again:
                chat.ui.notice("Your question waits: Enter or /regen asks it again.")


def take(chat: ChatState, line: str) -> None:
    """Do what one line asks for; errors are those of what it does."""
    text = stray_commands.meant(line) or line.strip()
    if not text:
        if chat.again:
            chat.again()
    elif text.startswith("//"):
        _ask_as_it_is(chat, text.removeprefix("//"))
    elif command_table.is_one(text):
        _go_on(chat, command_table.run(chat, text))
    else:
        _ask(chat, text)


def _go_on(chat: ChatState, after: str) -> None:
    """Lines that were pasted below a command."""
    if after.strip():
        take(chat, after)


def _ask_as_it_is(chat: ChatState, after: str) -> None:
    """Ask what stands behind two slashes; without a blank behind them the second is the text's."""
    if not after.strip("/ \t"):
        raise UsageError("Nothing stands behind the slashes.", "As in: // exit")
    respond.ask(chat, after.strip() if after[0].isspace() else f"/{after}")


def _ask(chat: ChatState, text: str) -> None:
    """Ask, and show the files that stand before or after a question; they may come alone."""
    stray_commands.refuse_command(text)
    command_table.refuse_without_slash(text)
    paths, question = input_lines.files_and_question(text)
    images.take_dropped(chat, paths)
    if question:
        respond.ask(chat, question)


def _prompt(chat: ChatState) -> str:
    """The number of the next question, and what goes with it."""
    waiting = chat.waiting
    parts = [
        counted(len(some), name)
        for some, name in ((waiting.pictures, "image"), (waiting.reports, "text"))
        if some
    ]
    before = f"[{', '.join(parts)}] " if parts else ""
    return f"{before}{len(chat.questions) + 1}> "
