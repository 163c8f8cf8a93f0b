"""Commands that keep a conversation, and go on with one that was kept."""

from __future__ import annotations

import os
from pathlib import Path

from edge_med.chat import dropped, images
from edge_med.chat.locate import free_name
from edge_med.chat.state import Chat
from edge_med.errors import UsageError

NAME = "edge-med-chat-{}"

IMAGES = "--images"
"""Asks `save` to keep the images themselves, not only their hashes."""


def save(chat: Chat, argument: str) -> None:
    """Write the conversation to a private file."""
    words = dropped.split(argument)
    whole = IMAGES in words
    names = [word for word in words if word != IMAGES]
    if len(names) != 1:
        raise UsageError("A file must be named.", f"As in: /save chat.json, or with {IMAGES}")
    path = Path(names[0]).expanduser()
    if not _may_write(chat, path):
        chat.ui.notice("Nothing was saved.")
        return
    chat.conversation.save(path, images=whole)
    chat.files.add(path.absolute())
    some = any(True for _picture in chat.pictures)
    kept = (" with its images" if whole else " with the images' hashes only") if some else ""
    chat.ui.notice(f"Saved{kept}; only you can read the file.")


def load(chat: Chat, argument: str) -> None:
    """Go on with a saved conversation; images that it knows by their hashes are named after it."""
    named, wanted = images.with_slices(argument)
    words = [Path(word).expanduser() for word in dropped.split(named)]
    if not words:
        raise UsageError(
            "A file must be named.", "As in: /load chat.json, or /load chat.json a.png"
        )
    path, *shown = words
    opened = [(each, image) for each in shown for image in images.again(chat, each, wanted)]
    chat.conversation.load(path, images=[image for _, image in opened])
    for each, image in opened:
        chat.sources |= images.sources(each, image)
    chat.files.add(path.absolute())
    chat.last = None
    chat.ui.notice(f"Loaded: {len(chat.questions)} questions, {chat.used()} tokens.")


def export(chat: Chat, argument: str) -> None:
    """Write the conversation for other readers, under a neutral name or the one that is given."""
    form, *names = dropped.split(argument) or [""]
    if form not in ("md", "json") or len(names) > 1:
        raise UsageError("A form must be named.", "As in: /export md, or /export json chat.json")
    path = Path(names[0]).expanduser() if names else free_name(f"{NAME}.{form}")
    if path.suffix.lower() != f".{form}":
        path = path.with_name(f"{path.name}.{form}")
    chat.conversation.export(path)
    chat.ui.notice(f"Exported to {path.name}; only you can read the file.")


def _may_write(chat: Chat, path: Path) -> bool:
    if not os.path.lexists(path) or path.absolute() in chat.files or chat.yes:
        return True
    return chat.ui.confirm("There is such a file. Replace it?", otherwise=False)
