"""Commands about images and texts that go with a question."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edge_med import _platform, documents, imaging
from edge_med.chat import dropped
from edge_med.chat.state import Chat, Report
from edge_med.errors import UsageError, blind
from edge_med.imaging import Fit, Picture, Room, Study
from edge_med.imaging.slices import QUESTION
from edge_med.messages import Message, TextPart

TEXTS = {".txt", ".md", ".text"}
"""Endings of files that are dropped as texts; everything else is taken for an image."""


_SLICES = re.compile(r"""\s+--slices[\s=]+(["']?)([^\s"']+)\1\s*$""")


def add(chat: Chat, argument: str) -> None:
    """Let images wait for the next question; they are opened now, so that errors come now."""
    paths, wanted = _asked(argument)
    if chat.model.info.projector is None:
        raise blind()
    fit, side, room = chat.options.fit, chat.model.side, _room(chat)
    opened = imaging.open_all(paths, fit=fit, side=side, slices=wanted, room=room)
    for path, image in zip(paths, opened, strict=True):
        for notice in image.notices:
            chat.ui.notice(notice)
        chat.ui.notice(f"{_size(image)}, goes with the next question.")
        if image.about.burned_in:
            chat.ui.notice("Letters in its pixels are likely, names among them.")
        chat.waiting.pictures.append(image)
        chat.sources |= sources(path, image)


def _asked(argument: str) -> tuple[list[Path], str]:
    """The files that are named, and which slices of a series; a name that is there is a name."""
    named, wanted = with_slices(argument)
    paths = [Path(part).expanduser() for part in _paths(named)]
    if not paths:
        raise UsageError("No image is named.", "Give its path: /image chest.png")
    if any(str(path).startswith("--slices") and not path.exists() for path in paths):
        raise UsageError(
            "--slices stands last, and says which.", "As in: /image ct-folder --slices 2:10:2"
        )
    return paths, wanted


def with_slices(argument: str) -> tuple[str, str]:
    """What stands before `--slices`, and which they are."""
    asked = None if _is_there(argument) else _SLICES.search(argument)
    return (argument[: asked.start()], asked[2]) if asked else (argument, "auto")


def again(chat: Chat, path: Path, wanted: str) -> Iterator[Picture | Study]:
    """What a new conversation would be shown of a file, in each fit."""
    fits: tuple[Fit, ...] = ("pad", "stretch")
    for fit in fits:
        yield imaging.open(path, fit=fit, side=chat.model.side, slices=wanted, room=_free(chat))


def sources(path: Path, image: Picture | Study) -> dict[str, tuple[bytes | str | Path, int]]:
    """The file and frame that each picture is of."""
    if isinstance(image, Picture):
        return {image.sha256: (path.absolute(), 1)}
    pairs = zip(image.pictures, image.origins, strict=True)
    return {picture.sha256: origin for picture, origin in pairs}


def _room(chat: Chat) -> Room:
    """What there is for the slices of a series beside what was said already, and what waits."""
    said = chat.conversation.messages
    messages = (*said, chat.waiting.turn("")) if chat.waiting else said
    return _free(chat, chat.model.count(messages).prompt if chat.questions or chat.waiting else 0)


def _free(chat: Chat, used: int = 0) -> Room:
    """What there is beside so many tokens."""
    projector = chat.model.info.projector
    free = chat.model.info.options.context - used - chat.options.max_new_tokens - QUESTION
    room = Room(tokens=max(0, free), memory=_platform.available_memory())
    if projector is None:
        return room
    seconds = chat.estimates.encode(1, projector.size)
    return replace(room, seconds=seconds, image_tokens=projector.image_tokens or room.image_tokens)


def take_dropped(chat: Chat, paths: list[Path]) -> None:
    """Files that were dragged in: texts as texts, all others as images."""
    for path in paths:
        if path.suffix.lower() in TEXTS:
            _add_report(chat, path)
        else:
            add(chat, str(path))  # it is there, and so it is taken as it stands


def show(chat: Chat, _argument: str) -> None:
    """List the images of the conversation and those that wait."""
    lines = [f"{number}. {text}" for number, text in enumerate(_all(chat), 1)]
    lines += [f"A text of {report.tokens} tokens waits." for report in chat.waiting.reports]
    chat.ui.say("\n".join(lines) or "There are no images.")


def drop(chat: Chat, argument: str) -> None:
    """Take an image out, or the texts that wait."""
    if argument == "file":
        chat.waiting.reports.clear()
        chat.ui.notice("No text waits any more.")
        return
    given = len(list(chat.pictures))
    total = given + len(chat.waiting.pictures)
    if not argument.isdecimal() or not 1 <= int(argument) <= total:
        raise UsageError(
            f"There is no image {argument}." if argument else "No image is named.",
            "/images lists those that there are, by their numbers.",
        )
    number = int(argument) - 1
    if number >= given:
        del chat.waiting.pictures[number - given]
        chat.ui.notice(f"Image {argument} doesn't wait any more.")
        return
    chat.conversation.drop_image(number)
    chat.ui.notice(
        f"Image {argument} is out of the conversation. What was answered to it stays; /edit asks "
        "again without it."
    )


def add_file(chat: Chat, argument: str) -> None:
    """Let a text wait for the next question, and say how long it is."""
    paths = _paths(argument)
    if len(paths) != 1:
        raise UsageError("One text is given at a time.", "Give its path: /file report.txt")
    _add_report(chat, Path(paths[0]).expanduser())


def _add_report(chat: Chat, path: Path) -> None:
    text = documents.read(path)
    tokens = chat.model.count((Message("user", (TextPart(text),)),)).prompt
    room = chat.model.info.options.context
    if tokens >= room:
        raise UsageError(
            f"The text has {tokens} tokens, and the context takes {room}.",
            "Give a part of it, or begin with a larger --context.",
        )
    chat.waiting.reports.append(Report(text, tokens))
    chat.ui.notice(
        f"A text of {tokens} tokens (the context takes {room}), goes before the next question."
    )


def _all(chat: Chat) -> Iterator[str]:
    for turn, picture in chat.pictures:
        yield f"{_size(picture)}, in question {turn}"
    for image in chat.waiting.pictures:
        yield f"{_size(image)}, waits for the next question"


def _size(image: Picture | Study) -> str:
    if isinstance(image, Study):
        return f"A series, {image.plan}"
    width, height = image.original_size
    return f"An image of {width} x {height} pixels"


def _paths(argument: str) -> list[str]:
    """The paths of an argument; one with blanks in it needs no quotes if it is there."""
    return [argument] if _is_there(argument) else dropped.split(argument)


def _is_there(argument: str) -> bool:
    """Whether a whole argument is a path; what can't be one counts, and opening it says so."""
    try:
        return bool(argument) and Path(argument).expanduser().exists()
    except (OSError, ValueError):
        return True
