"""Commands about images and texts that go with a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_med import documents, imaging
from edge_med.chat import dropped_paths, image_listing
from edge_med.chat.chat_state import AttachedText, ChatState
from edge_med.chat.image_options import ImageOptions, with_flags
from edge_med.chat.input_lines import TEXTS
from edge_med.errors import LISTED, EdgeMedError, ImageError, UsageError, blind, too_long
from edge_med.imaging import Fit, Picture, SliceBudget, Study, picture_notices
from edge_med.imaging.files.image_names import is_there
from edge_med.imaging.volume.series_choice import choose
from edge_med.imaging.volume.slice_budget import free_budget, is_gpu
from edge_med.imaging.volume.study import all_pictures
from edge_med.imaging.volume.unused_options import USED, check_used, unused_windows
from edge_med.messages import Message, TextPart

MOST_FOLDERS = 3
"""That are named."""


def add(chat: ChatState, argument: str) -> None:
    """Let images wait for the next question; they are opened now, so that errors come now."""
    if argument.split()[-1:] == [LIST] and not is_there(argument):
        _list(chat, argument.removesuffix(LIST))
        return
    named, image_options = with_flags(argument, chat.image_options)
    paths = [Path(part).expanduser() for part in _paths(named)]
    if not paths:
        raise UsageError("Which image?", "Give its path: /image chest.png")
    open_all(chat, paths, image_options)


LIST = "--list"
"""Asks which series there are, at the end of a path."""


def _list(chat: ChatState, argument: str) -> None:
    """List the series of a folder or a zip, and what would be shown of it."""
    paths = _paths(argument.strip())
    if len(paths) != 1:
        raise UsageError("Give one folder or zip at a time.", "As in: /image disc --list")
    there = imaging.contents(Path(paths[0]).expanduser())
    chat.ui.say("\n".join(image_listing.series(there)))
    try:
        notices = choose(there).notices
    except ImageError as error:
        notices = (f"{error.message} Choose one, as in: /image PATH --series 1",)
    for notice in (*notices, *there.left_out):
        chat.ui.notice(notice)


def _in_chat(error: EdgeMedError) -> EdgeMedError:
    """An error whose next step is a command of the chat's."""
    if not error.hint or LISTED not in error.hint:
        return error
    return type(error)(error.message, error.hint.replace(LISTED, f"/image PATH {LIST} shows them"))


def attach_first(chat: ChatState, texts: Sequence[Path], images: Sequence[Path | bytes]) -> None:
    """Let what the chat was started with wait for the first question; errors are those of both."""
    for path in texts:
        _add_report(chat, path)
    if images:
        open_all(chat, images, chat.image_options)


def open_all(chat: ChatState, paths: Sequence[Path | bytes], image_options: ImageOptions) -> None:
    """Open images, say what they are, and let them wait.

    Raises:
        ImageError: one can't be read, or the model can't see.
        UsageError: there are no such slices or windows.
        ContextOverflowError: they don't fit.
    """
    if chat.model.info.projector is None:
        raise blind()
    fit, side = chat.options.fit, chat.model.side
    try:
        opened = imaging.open_all(
            paths, fit=fit, side=side, room=_room(chat), **image_options.open_arguments
        )
    except EdgeMedError as error:
        raise _in_chat(error) from None
    if image_options != chat.image_options:  # options for every image may not fit this one
        check_used(opened, **{name: image_options.open_arguments[name] for name in USED})
        if unused := unused_windows(opened, image_options.windows):
            chat.ui.notice(unused)
    before = [picture for _turn, picture in chat.pictures] + all_pictures(chat.pending.pictures)
    for path, image in zip(paths, opened, strict=True):
        chat.picture_origins.add(path, image, image_options)
        chat.pending.pictures.append(image)
        chat.pending.tagged += [image] if image_options.tags else []
        _show_added(chat, path, image)
    now = [*before, *all_pictures(opened)]
    for notice in {*picture_notices.together(now)} - {*picture_notices.together(before)}:
        chat.ui.notice(notice.text, always=True)


def _show_added(chat: ChatState, path: Path | bytes, image: Picture | Study) -> None:
    """What an image is, and what the user should know of it."""
    incomplete = isinstance(image, Study) and len(image.plan.chosen) < image.plan.total
    *_, (numbers, _image) = image_listing.pending(chat)
    for notice in _notices(image, numbers[0]):
        chat.ui.notice(notice)
    what = (
        f"{'Image' if len(numbers) == 1 else 'Images'} {image_listing.number_range(numbers)} added"
    )
    will = "It" if len(numbers) == 1 else "They"
    chat.ui.notice(
        f"{what}: {image_listing.describe(chat, image)}. "
        f"{will} will be sent with your next question.",
        always=incomplete,
    )
    if isinstance(image, Study) and isinstance(path, Path):
        _show_origin(chat, path, image)


def _notices(image: Picture | Study, first: int) -> Iterator[str]:
    """What the user should know of an image, or of a series and its slices, numbered from there."""
    yield from () if isinstance(image, Picture) else image.notices
    among = picture_notices.among(all_pictures([image]), first)
    yield from (notice.text for notice in among if notice.code != "series")


def _show_origin(chat: ChatState, path: Path, study: Study) -> None:
    """Which slices are shown, if not all, and in which folder below the one that was given."""
    for line in filter(None, (study.plan.which, study.plan.more)):
        chat.ui.notice(line, always=True)
    folders = {Path(file).parent for file, _frame in study.origins if isinstance(file, str)}
    if path.is_dir() and folders and folders != {path.absolute()}:
        names = sorted({str(folder.relative_to(path.absolute())) for folder in folders})
        more = f" and {len(names) - MOST_FOLDERS} more" if len(names) > MOST_FOLDERS else ""
        chat.ui.notice(f"Its slices are in {', '.join(names[:MOST_FOLDERS])}{more}.")


def reopened(chat: ChatState, path: Path, image_options: ImageOptions) -> Iterator[Picture | Study]:
    """What a new conversation would be shown of a file, in each fit."""
    fits: tuple[Fit, ...] = ("pad", "stretch")
    for fit in fits:
        yield imaging.open(
            path,
            fit=fit,
            side=chat.model.side,
            room=_room_left(chat),
            **image_options.open_arguments,
        )


def _room(chat: ChatState) -> SliceBudget:
    """The budget for the slices of a series, besides the conversation and the attachments."""
    shown = chat.conversation.messages
    messages = (*shown, chat.pending.turn("")) if chat.pending else shown
    return _room_left(
        chat, chat.model.count(messages).prompt if chat.questions or chat.pending else 0
    )


def _room_left(chat: ChatState, used: int = 0) -> SliceBudget:
    """The budget for slices, besides a number of used tokens."""
    info = chat.model.info
    return free_budget(
        info.options.context,
        used + chat.options.max_new_tokens,
        seconds=chat.estimates.encode(1, info.projector.size) if info.projector else None,
        image_tokens=info.vision.tokens,
        gpu=is_gpu(info.options.projector_device),
    )


def attach_dropped(chat: ChatState, paths: list[Path]) -> None:
    """Files that were dragged in: texts as texts, all others as images."""
    shown = [path for path in paths if path.suffix.lower() not in TEXTS]
    saved = [path for path in shown if path.suffix.lower() == ".json"]
    if saved:
        raise UsageError(
            f"{saved[0].name} isn't an image.", f"Open a saved chat with: /load {saved[0].name}"
        )
    for path in paths:
        if path.suffix.lower() in TEXTS:
            _add_report(chat, path)
    if shown:
        open_all(chat, shown, chat.image_options)


def show(chat: ChatState, _argument: str) -> None:
    """List the images of the conversation and those that wait."""
    lines = [*image_listing.lines(chat)]
    lines += [
        f"A text of {report.tokens} tokens will be sent with the next question."
        for report in chat.pending.reports
    ]
    chat.ui.say("\n".join(lines) or "There are no images.")


def drop(chat: ChatState, argument: str) -> None:
    """Take an image out, or the texts that wait."""
    if argument == "file":
        had_texts = bool(chat.pending.reports)
        chat.pending.reports.clear()
        chat.ui.notice("Text removed." if had_texts else "There was no text.")
        return
    sent = len(list(chat.pictures))
    pending = list(image_listing.pending(chat))
    total = pending[-1][0].stop - 1 if pending else sent
    if not argument.isdecimal() or not 1 <= int(argument) <= total:
        raise UsageError(
            f"There is no image {argument}." if argument else "Which image?",
            "Give its number, as in: /drop 2; /images shows the numbers.",
        )
    number = int(argument) - 1
    if number >= sent:
        place, numbers = next(
            (place, numbers)
            for place, (numbers, _) in enumerate(pending)
            if int(argument) in numbers
        )
        del chat.pending.pictures[place]
        several = "Image" if len(numbers) == 1 else "Images"
        chat.ui.notice(f"{several} {image_listing.number_range(numbers)} removed.")
        return
    chat.conversation.drop_image(number)
    chat.ui.notice(
        f"Image {argument} is removed from the conversation. Its answers stay; /edit asks "
        "again without it."
    )


def add_file(chat: ChatState, argument: str) -> None:
    """Let a text wait for the next question, and say how long it is."""
    paths = _paths(argument)
    if len(paths) != 1:
        raise UsageError(
            "Give one text at a time." if paths else "Which file?",
            "As in: /file report.txt",
        )
    _add_report(chat, Path(paths[0]).expanduser())


def _add_report(chat: ChatState, path: Path) -> None:
    text = documents.report(path)
    tokens = chat.model.count((Message("user", (TextPart(text),)),)).prompt
    room = chat.model.info.options.context
    if tokens >= room:
        raise too_long(f"The text has {tokens} tokens", tokens, room, "Give a part of it.")
    chat.pending.reports.append(AttachedText(text, tokens))
    chat.ui.notice(
        f"Text added: {tokens} of {room} tokens. It will be sent with your next question."
    )


def _paths(argument: str) -> list[str]:
    """The paths of an argument; one with blanks in it needs no quotes if it is there."""
    return [argument] if is_there(argument) else dropped_paths.split(argument)
