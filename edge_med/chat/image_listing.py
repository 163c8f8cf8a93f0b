"""The images of a conversation in words: which is which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_med.chat.chat_state import ChatState, counted
from edge_med.imaging import About, Contents, Picture, Study
from edge_med.imaging.volume.slice_selection import ranges, series_among


def lines(chat: ChatState) -> Iterator[str]:
    """A line for each image, or for the slices of a series; then those that wait."""
    number = 1
    for turn, question in enumerate(chat.questions, 1):
        for group, labels in series_among(question.pictures, question.labels):
            numbers = range(number, number + len(group))
            yield f"{number_range(numbers)}. {_of_group(chat, group, labels)}, in question {turn}"
            number = numbers.stop
    for numbers, image in pending(chat):
        which = f"{number_range(numbers)}. {describe(chat, image)}"
        yield f"{which}, will be sent with the next question"


def series(there: Contents) -> Iterator[str]:
    """A line for each series of a folder or a zip, and for each of its passes."""
    people = [*dict.fromkeys(one.slices[0].identity[0] for one in there.series)]
    for one in there.series:
        who = f"patient {people.index(one.slices[0].identity[0]) + 1}" if len(people) > 1 else ""
        stacks = [(one.name(stack), stack.slices, stack.part) for stack in one.stacks[:_MOST]]
        for number, slices, which in stacks or [(str(one.number), one.slices, "")]:
            first, images = slices[0], counted(len(slices), "image")
            kind = f"{first.modality or 'another modality'} {first.plane if stacks else ''}".strip()
            mm = "" if first.thickness is None else f"{first.thickness:g} mm"
            size, made = f"{first.columns} x {first.rows}", first.kernel or first.sequence or ""
            yield f"{number}. {_joined(kind, images, size, mm, made, which, who)}"
        if (left := len(one.stacks) - _MOST) > 0:
            yield f"{left} more of series {one.number}"


_MOST = 12
"""Passes of a series that have a line each; of more, as of a series over time, the first do."""


def pending(chat: ChatState) -> Iterator[tuple[range, Picture | Study]]:
    """The images that wait, with the numbers that they will have: a series has one a slice."""
    number = len(list(chat.pictures)) + 1
    for image in chat.pending.pictures:
        numbers = range(number, number + (len(image.pictures) if isinstance(image, Study) else 1))
        yield numbers, image
        number = numbers.stop


def number_range(numbers: range) -> str:
    """Numbers of images: 3, or 3-9."""
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


def describe(chat: ChatState, image: Picture | Study) -> str:
    """What an image is: its kind, its slices or its size, and the name it was given by."""
    if isinstance(image, Picture):
        return _of_group(chat, [image])
    plan, which = image.plan, ""
    if image.volume and len(plan.chosen) < plan.total:
        shown = len(plan.chosen)
        labels = range(1, shown + 1) if shown > 1 else ()
        which = f"slices {ranges(image.numbers)}{_label_note(image.numbers, labels)}"
    first = image.pictures[0]
    return _joined(
        _kind(image.about), str(plan), which, str(first.series_origin or ""), _name(chat, first)
    )


def _of_group(chat: ChatState, group: Sequence[Picture], labels: Sequence[int] = ()) -> str:
    first = group[0]
    width, height = first.original_size
    size = f"{width} x {height}"
    if first.slice is None:
        return _joined(_kind(first.about), size, _name(chat, first))
    numbers = [picture.slice[0] for picture in group if picture.slice]
    word = "slice" if len(numbers) == 1 else "slices"
    which = f"{word} {ranges(numbers)} of {first.slice[1]}{_label_note(numbers, labels)}"
    return _joined(
        _kind(first.about), which, str(first.series_origin or ""), size, _name(chat, first)
    )


def _label_note(numbers: Sequence[int], labels: Sequence[int]) -> str:
    """What answers call slices, where these are other numbers than theirs."""
    other = len(labels) == len(numbers) and [*labels] != [*numbers]
    return f" as SLICE {ranges(labels)}" if other else ""


def _kind(about: About) -> str:
    """What is known of an image, in a few words: CR HIP, right."""
    side = {"L": "left", "R": "right"}.get(about.laterality or "", "")
    words = " ".join(filter(None, (about.modality, about.body_part, about.view)))
    return _joined(words, side)


def _name(chat: ChatState, picture: Picture) -> str:
    source = chat.picture_origins.of(picture) if chat.ui.private else None
    return source.name if source else ""


def _joined(*parts: str) -> str:
    return ", ".join(filter(None, parts))
