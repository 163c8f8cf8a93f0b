"""The loop: a line is a command, a file that was dropped, or a question."""

from __future__ import annotations

from edge_med.answers import DISCLAIMER
from edge_med.artifacts.chat_template import WORDS
from edge_med.chat import input_lines, respond, stray_commands
from edge_med.chat.chat_state import ChatState, counted
from edge_med.chat.commands import command_table, images
from edge_med.chat.ui import UI
from edge_med.engine.decode.notices import TOY
from edge_med.errors import CancelledError, EdgeMedError, UsageError

FIRST = (
    DISCLAIMER,
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
    sees = "reads images" if info.projector else "reads text only"
    chat.ui.notice(f"{info.model.file}, {sees}. /help lists commands, Ctrl-D leaves.")
    if info.model.toy:
        chat.ui.notice(TOY.text, always=True)
    if word := WORDS.get(info.model.turns or "gemma"):
        more = " /clear comes before another text." if info.model.turns == "none" else ""
        chat.ui.notice(f"{word[1]}{more}")


def run(chat: ChatState) -> None:
    """Run until the user leaves; errors are shown, and the chat continues."""
    while not chat.leaving:
        try:
            line = chat.ui.read(_prompt(chat), status=chat.status())
            if line is None:
                return
            handle_line(chat, line)
        except CancelledError:
            chat.ui.notice("Stopped.")
        except EdgeMedError as error:
            chat.ui.fail(error)
            if chat.retry:
                chat.ui.notice(
                    "Your question has no answer yet. Press Enter, or type /regen, to ask it again."
                )


def handle_line(chat: ChatState, line: str) -> None:
    """Do what one line asks for; errors are those of what it does."""
    text = stray_commands.command_for(line) or line.strip()
    if not text:
        if chat.retry:
            chat.retry()
    elif text.startswith("//"):
        _ask_as_it_is(chat, text.removeprefix("//"))
    elif command_table.is_one(text):
        _handle_rest(chat, command_table.run(chat, text))
    else:
        _ask(chat, text)


def _handle_rest(chat: ChatState, after: str) -> None:
    """Lines that were pasted below a command."""
    if after.strip():
        handle_line(chat, after)


def _ask_as_it_is(chat: ChatState, after: str) -> None:
    """Ask the text after two slashes; without a space after them the second is part of it."""
    if not after.strip("/ \t"):
        raise UsageError("There is no question after the slashes.", "As in: // exit")
    respond.ask(chat, after.strip() if after[0].isspace() else f"/{after}")


def _ask(chat: ChatState, text: str) -> None:
    """Ask a question, with the files before or after it; files may also come alone."""
    stray_commands.refuse_command(text)
    command_table.refuse_without_slash(text)
    paths, question = input_lines.files_and_question(text)
    images.attach_dropped(chat, paths)
    if question:
        respond.ask(chat, question)


def _prompt(chat: ChatState) -> str:
    """The number of the next question, and its attachments."""
    pending = chat.pending
    parts = [
        counted(len(some), name)
        for some, name in ((pending.pictures, "image"), (pending.reports, "text"))
        if some
    ]
    before = f"[{', '.join(parts)}] " if parts else ""
    return f"{before}{len(chat.questions) + 1}> "
