"""Commands that keep a conversation, and go on with one that was kept."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from edge_med.chat import dropped_paths
from edge_med.chat.chat_state import ChatState, counted
from edge_med.chat.commands import images
from edge_med.chat.commands.locate import free_name
from edge_med.chat.image_options import with_flags
from edge_med.errors import UsageError
from edge_med.imaging.files.image_names import is_there

NAME = "edge-med-chat-{}"

IMAGES = "--images"
"""Asks `save` to keep the images themselves, not only their hashes."""


def save(chat: ChatState, argument: str) -> None:
    """Write the conversation to a private file."""
    words = dropped_paths.split(argument)
    whole = IMAGES in words
    names = [word for word in words if word != IMAGES]
    path = _one_path(names, "Which file?", f"As in: /save chat.json, or with {IMAGES}")
    exists = os.path.lexists(path)
    if not _may_write(chat, path):
        chat.ui.notice(f"Nothing was saved: {path.name} is {_what(path)}.", always=True)
        return
    chat.conversation.save(path, images=whole)
    instead = ", in place of the earlier file" if exists and _is_foreign(chat, path) else ""
    chat.files.add(path.absolute())
    some = any(True for _picture in chat.pictures)
    content = (" with its images" if whole else " with the images' hashes only") if some else ""
    chat.ui.notice(f"Saved{content}{instead}; only you can read the file.")


def load(chat: ChatState, argument: str) -> None:
    """Go on with a saved conversation; images that it knows by their hashes are named after it."""
    named, image_options = with_flags(argument, chat.image_options)
    words = [named] if is_there(named) else dropped_paths.split(named)
    if not words:
        raise UsageError("Which file?", "As in: /load chat.json, or /load chat.json chest.png")
    path, *shown = (Path(word).expanduser() for word in words)
    opened = [
        (each, image) for each in shown for image in images.reopened(chat, each, image_options)
    ]
    chat.conversation.load(path, images=[image for _, image in opened])
    for each, image in opened:
        chat.picture_origins.add(each, image, image_options)
    start_new_file(chat)
    chat.files.add(path.absolute())
    chat.last = chat.retry = None
    counts = f"{counted(len(chat.questions), 'question')}, {counted(chat.used(), 'token')}"
    chat.ui.notice(
        f"Loaded: {counts}. Its last question and answer:"
        if chat.questions
        else f"Loaded: {counts}."
    )
    for message in chat.conversation.messages[-2:] if chat.questions else ():
        chat.ui.say(f"> {message.question}" if message.role == "user" else message.text)


def export(chat: ChatState, argument: str) -> None:
    """Write the conversation for other readers, under a neutral name or the one that is given."""
    form, *names = dropped_paths.split(argument) or [""]
    if form not in ("md", "json"):
        raise UsageError("Say which format: /export md or /export json.", "A name may follow it.")
    path = (
        _one_path(names, "Which file?", "As in: /export md report.md")
        if names
        else free_name(f"{NAME}.{form}")
    )
    if path.suffix.lower() != f".{form}":
        path = path.with_name(f"{path.name}.{form}")
    chat.conversation.export(path)
    chat.ui.notice(f"Exported to {path.name}; only you can read the file.")


def start_new_file(chat: ChatState) -> None:
    """The conversation is another one now: no file of the one before is replaced by it."""
    chat.files.clear()
    if chat.keep is not None and os.path.lexists(chat.keep):
        stem, suffix = re.sub(r"-\d+$", "", chat.keep.stem), chat.keep.suffix
        names = (chat.keep.with_name(f"{stem}-{number}{suffix}") for number in count(2))
        chat.keep = next(name for name in names if not os.path.lexists(name))
        chat.ui.notice(f"The new conversation is saved in {chat.keep.name}.")


def _one_path(names: Sequence[str], missing: str, example: str) -> Path:
    if not names:
        raise UsageError(missing, example)
    if len(names) > 1:
        raise UsageError(
            f"A path with spaces needs quotes: {len(names)} words were given.",
            f'As in: "{" ".join(names)}"',
        )
    return Path(names[0]).expanduser()


def _is_foreign(chat: ChatState, path: Path) -> bool:
    """Whether a file isn't of this conversation."""
    return path.absolute() not in chat.files


def _may_write(chat: ChatState, path: Path) -> bool:
    if not os.path.lexists(path) or not _is_foreign(chat, path) or chat.yes:
        return True
    return chat.ui.confirm(f"{path.name} is {_what(path)}. Replace it?", otherwise=False)


def _what(path: Path) -> str:
    return "another saved chat" if path.suffix == ".json" else "another file"
