"""The command that asks where something is, and draws what the model answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from edge_med.chat import respond
from edge_med.chat.chat_state import ChatState
from edge_med.errors import UsageError
from edge_med.imaging import Picture, Study, boxes

NAME = "edge-med-box-{}.png"
"""Names nothing of the patient's, nor of the picture's file."""


_NUMBERED = re.compile(r"#(\d{1,6})(?:\s+(.*))?", re.DOTALL)


def locate(chat: ChatState, argument: str) -> None:
    """Ask where something is in an image, the last one or `#N`, and save it with its box."""
    numbered = _NUMBERED.fullmatch(argument)
    if argument.startswith("#") and not numbered:
        raise UsageError("There is no image with that number.", "As in: /locate #2 right lung")
    number, what = (int(numbered[1]), numbered[2] or "") if numbered else (None, argument)
    prompt = boxes.locate_prompt(what)
    picture, shown_again = _last_picture(chat) if number is None else _picture(chat, number)
    answer = respond.ask(chat, prompt, [picture] if shown_again else [])
    if answer is None:
        return
    parsed = boxes.parse(answer.text)
    for quirk in parsed.remarks:
        chat.ui.notice(f"In the model's answer: {quirk}.")
    if not parsed.boxes:
        chat.ui.notice(boxes.NOTHING, always=True)
        return
    if other := boxes.other_than(what, parsed.boxes):
        chat.ui.notice(other, always=True)
    _draw(chat, picture, parsed.boxes)


def _last_picture(chat: ChatState) -> tuple[Picture, bool]:
    """The picture to search, and whether it must be sent again to be the last one."""
    if chat.pending.pictures:
        last = chat.pending.pictures[-1]
        if isinstance(last, Study) and len(last.pictures) > 1:
            raise UsageError(
                "Boxes are drawn in one image, but a series goes with the next question.",
                "Give one slice (/image PATH --slices 12:12); or ask first, and then type "
                "/locate #N.",
            )
        return (last.pictures[0] if isinstance(last, Study) else last), False
    sent = [picture for _turn, picture in chat.pictures]
    if not sent:
        raise UsageError("There is no image yet.", "Give one first: /image chest.png")
    return sent[-1], len(sent) > 1


def _picture(chat: ChatState, number: int) -> tuple[Picture, bool]:
    """The same of an image by its number in `/images`."""
    sent = [picture for _turn, picture in chat.pictures]
    if chat.pending.pictures:
        raise UsageError(
            "An image goes with the next question.",
            "Ask something first, or remove the image with /drop.",
        )
    if not 1 <= number <= len(sent):
        raise UsageError(f"There is no image {number}.", "/images lists the images.")
    return sent[number - 1], len(sent) > 1


def _draw(chat: ChatState, picture: Picture, found: Sequence[boxes.Box]) -> None:
    path = free_name(NAME)
    source = chat.picture_origins.of(picture)
    if source and (isinstance(source.file, bytes) or Path(source.file).exists()):
        pixel_boxes = [boxes.place(box, picture) for box in found]
        boxes.save(source.file, pixel_boxes, path, frame=source.frame, windows=source.windows)
    else:
        chat.ui.notice(
            "The image's file isn't known, so the box is drawn on the image as the model saw it."
        )
        square = replace(picture, original_size=picture.pixels.shape[1::-1], fit="stretch")
        pixel_boxes = [boxes.place(box, square) for box in found]
        boxes.save(picture.pixels, pixel_boxes, path)
    lines = [
        f"{box.label or 'box'}: x {box.x0:.0f} to {box.x1:.0f}, y {box.y0:.0f} to {box.y1:.0f} px"
        for box in pixel_boxes
    ]
    name = f", on {source.name}" if source and source.name and chat.ui.private else ""
    chat.ui.say("\n".join([*lines, f"Drawn in {path.name}{name}"]))


def free_name(pattern: str) -> Path:
    """The first name of a pattern that the current folder hasn't got."""
    return next(path for number in count(1) if not (path := Path(pattern.format(number))).exists())
