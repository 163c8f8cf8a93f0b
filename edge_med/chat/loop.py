"""The loop: a line is a command, a file that was dropped, or a question."""

from __future__ import annotations

from edge_med.artifacts.turns import WORDS
from edge_med.chat import answering, commands, dropped, images
from edge_med.chat.state import Chat
from edge_med.chat.ui import UI
from edge_med.engine.decode.notices import TOY
from edge_med.errors import CancelledError, EdgeMedError
from edge_med.export import NOTICE

FIRST = (
    NOTICE,
    "It can be wrong, and sure of it: whoever relies on an answer has to check it.",
)
"""What it is not for."""


def greet(ui: UI) -> None:
    """The first lines, before anything is loaded."""
    for line in FIRST:
        ui.notice(line)


def introduce(chat: Chat) -> None:
    """What was loaded, and where help is."""
    info = chat.model.info
    sees = "sees images" if info.projector else "reads text only"
    chat.ui.notice(f"{info.model.file}, {sees}. /help lists commands, Ctrl-D leaves.")
    if info.model.toy:
        chat.ui.notice(TOY.text, always=True)
    if said := WORDS.get(info.model.turns or "gemma"):
        more = " /clear comes before another text." if info.model.turns == "none" else ""
        chat.ui.notice(f"{said[1]}{more}")


def run(chat: Chat) -> None:
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


def take(chat: Chat, line: str) -> None:
    """Do what one line asks for; errors are those of what it does."""
    text = line.strip()
    if not text:
        return
    word = text.split(None, 1)[0].removeprefix("/").lower()
    paths = [] if word in commands.BY_NAME else dropped.files(text)
    if paths:
        images.take_dropped(chat, paths)
    elif text.startswith("//"):
        answering.ask(chat, text[1:])
    elif text.startswith("/"):
        take(chat, commands.run(chat, text))
    else:
        answering.ask(chat, text)


def _prompt(chat: Chat) -> str:
    """The number of the next question, and what goes with it."""
    waiting = chat.waiting
    parts = [
        f"{len(some)} {name}{'s' if len(some) > 1 else ''}"
        for some, name in ((waiting.pictures, "image"), (waiting.reports, "text"))
        if some
    ]
    before = f"[{', '.join(parts)}] " if parts else ""
    return f"{before}{len(chat.questions) + 1}> "
