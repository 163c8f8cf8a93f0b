"""Commands about images and texts that go with a question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edge_med import _platform, documents, imaging
from edge_med.chat import dropped_paths, image_listing
from edge_med.chat.chat_state import AttachedText, ChatState
from edge_med.chat.image_options import Looking, with_flags
from edge_med.chat.input_lines import TEXTS
from edge_med.errors import LISTED, EdgeMedError, ImageError, UsageError, blind, too_long
from edge_med.imaging import Fit, Picture, SliceBudget, Study, picture_notices
from edge_med.imaging.files.image_names import is_there
from edge_med.imaging.volume.series_choice import choose
from edge_med.imaging.volume.slice_selection import QUESTION, is_gpu
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
    named, looking = with_flags(argument, chat.looking)
    paths = [Path(part).expanduser() for part in _paths(named)]
    if not paths:
        raise UsageError("Which image?", "Give its path: /image chest.png")
    open_all(chat, paths, looking)


LIST = "--list"
"""Asks which series there are, at the end of a path."""


def _list(chat: ChatState, argument: str) -> None:
    """List the series of a folder or a zip, and what would be shown of it."""
    paths = _paths(argument.strip())
    if len(paths) != 1:
        raise UsageError("One folder or zip is listed at a time.", "As in: /image disc --list")
    there = imaging.contents(Path(paths[0]).expanduser())
    chat.ui.say("\n".join(image_listing.series(there)))
    try:
        told = choose(there).notices
    except ImageError as error:
        told = (f"{error.message} Choose one, as in: /image PATH --series 1",)
    for notice in (*told, *there.left_out):
        chat.ui.notice(notice)


def _in_chat(error: EdgeMedError) -> EdgeMedError:
    """An error whose next step is a command of the chat's."""
    if not error.hint or LISTED not in error.hint:
        return error
    return type(error)(error.message, error.hint.replace(LISTED, f"/image PATH {LIST} shows them"))


def begin_with(chat: ChatState, texts: Sequence[Path], images: Sequence[Path | bytes]) -> None:
    """Let what the chat was started with wait for the first question; errors are those of both."""
    for path in texts:
        _add_report(chat, path)
    if images:
        open_all(chat, images, chat.looking)


def open_all(chat: ChatState, paths: Sequence[Path | bytes], looking: Looking) -> None:
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
        opened = imaging.open_all(paths, fit=fit, side=side, room=_room(chat), **looking.how)
    except EdgeMedError as error:
        raise _in_chat(error) from None
    if looking != chat.looking:  # what holds for every image needn't be for this one
        check_used(opened, **{name: looking.how[name] for name in USED})
        if told := unused_windows(opened, looking.windows):
            chat.ui.notice(told)
    before = [picture for _turn, picture in chat.pictures] + all_pictures(chat.waiting.pictures)
    for path, image in zip(paths, opened, strict=True):
        chat.sources.add(path, image, looking)
        chat.waiting.pictures.append(image)
        chat.waiting.tagged += [image] if looking.tags else []
        _tell(chat, path, image)
    now = [*before, *all_pictures(opened)]
    for notice in {*picture_notices.together(now)} - {*picture_notices.together(before)}:
        chat.ui.notice(notice.text, always=True)


def _tell(chat: ChatState, path: Path | bytes, image: Picture | Study) -> None:
    """What an image is, and what the user should know of it."""
    incomplete = isinstance(image, Study) and len(image.plan.chosen) < image.plan.total
    *_, (numbers, _image) = image_listing.waiting(chat)
    for notice in _notices(image, numbers[0]):
        chat.ui.notice(notice)
    what = f"{'Image' if len(numbers) == 1 else 'Images'} {image_listing.spoken(numbers)} added"
    will = "It" if len(numbers) == 1 else "They"
    chat.ui.notice(
        f"{what}: {image_listing.told(chat, image)}. {will} will be sent with your next question.",
        always=incomplete,
    )
    if isinstance(image, Study) and isinstance(path, Path):
        _tell_where(chat, path, image)


def _notices(image: Picture | Study, first: int) -> Iterator[str]:
    """What the user should know of an image, or of a series and its slices, numbered from there."""
    yield from () if isinstance(image, Picture) else image.notices
    among = picture_notices.among(all_pictures([image]), first)
    yield from (notice.text for notice in among if notice.code != "series")


def _tell_where(chat: ChatState, path: Path, study: Study) -> None:
    """Which slices are shown, if not all, and in which folder below the one that was given."""
    for told in filter(None, (study.plan.which, study.plan.more)):
        chat.ui.notice(told, always=True)
    folders = {Path(file).parent for file, _frame in study.origins if isinstance(file, str)}
    if path.is_dir() and folders and folders != {path.absolute()}:
        names = sorted({str(folder.relative_to(path.absolute())) for folder in folders})
        more = f" and {len(names) - MOST_FOLDERS} more" if len(names) > MOST_FOLDERS else ""
        chat.ui.notice(f"Its slices lie in {', '.join(names[:MOST_FOLDERS])}{more}.")


def again(chat: ChatState, path: Path, looking: Looking) -> Iterator[Picture | Study]:
    """What a new conversation would be shown of a file, in each fit."""
    fits: tuple[Fit, ...] = ("pad", "stretch")
    for fit in fits:
        yield imaging.open(path, fit=fit, side=chat.model.side, room=_free(chat), **looking.how)


def _room(chat: ChatState) -> SliceBudget:
    """What there is for the slices of a series beside what was said already, and what waits."""
    said = chat.conversation.messages
    messages = (*said, chat.waiting.turn("")) if chat.waiting else said
    return _free(chat, chat.model.count(messages).prompt if chat.questions or chat.waiting else 0)


def _free(chat: ChatState, used: int = 0) -> SliceBudget:
    """What there is beside so many tokens."""
    projector, options = chat.model.info.projector, chat.model.info.options
    beside = used + chat.options.max_new_tokens + QUESTION
    room = SliceBudget(
        tokens=max(0, options.context - beside),
        memory=_platform.available_memory(),
        gpu=is_gpu(options.projector_device),
        beside=beside,
    )
    if projector is None:
        return room
    seconds = chat.estimates.encode(1, projector.size)
    return replace(room, seconds=seconds, image_tokens=projector.image_tokens or room.image_tokens)


def take_dropped(chat: ChatState, paths: list[Path]) -> None:
    """Files that were dragged in: texts as texts, all others as images."""
    shown = [path for path in paths if path.suffix.lower() not in TEXTS]
    saved = [path for path in shown if path.suffix.lower() == ".json"]
    if saved:
        raise UsageError(
            f"{saved[0].name} is no image.", f"A saved chat is opened by: /load {saved[0].name}"
        )
    for path in paths:
        if path.suffix.lower() in TEXTS:
            _add_report(chat, path)
    if shown:
        open_all(chat, shown, chat.looking)


def show(chat: ChatState, _argument: str) -> None:
    """List the images of the conversation and those that wait."""
    lines = [*image_listing.lines(chat)]
    lines += [f"A text of {report.tokens} tokens waits." for report in chat.waiting.reports]
    chat.ui.say("\n".join(lines) or "There are no images.")


def drop(chat: ChatState, argument: str) -> None:
    """Take an image out, or the texts that wait."""
    if argument == "file":
        had = bool(chat.waiting.reports)
        chat.waiting.reports.clear()
        chat.ui.notice("Text removed." if had else "There was no text.")
        return
    given = len(list(chat.pictures))
    waiting = list(image_listing.waiting(chat))
    total = waiting[-1][0].stop - 1 if waiting else given
    if not argument.isdecimal() or not 1 <= int(argument) <= total:
        raise UsageError(
            f"There is no image {argument}." if argument else "Which image?",
            "Give its number, as in: /drop 2; /images shows the numbers.",
        )
    number = int(argument) - 1
    if number >= given:
        place, numbers = next(
            (place, numbers)
            for place, (numbers, _) in enumerate(waiting)
            if int(argument) in numbers
        )
        del chat.waiting.pictures[place]
        several = "Image" if len(numbers) == 1 else "Images"
        chat.ui.notice(f"{several} {image_listing.spoken(numbers)} removed.")
        return
    chat.conversation.drop_image(number)
    chat.ui.notice(
        f"Image {argument} is out of the conversation. What was answered to it stays; /edit asks "
        "again without it."
    )


def add_file(chat: ChatState, argument: str) -> None:
    """Let a text wait for the next question, and say how long it is."""
    paths = _paths(argument)
    if len(paths) != 1:
        raise UsageError(
            "One text is given at a time." if paths else "Which file?",
            "As in: /file report.txt",
        )
    _add_report(chat, Path(paths[0]).expanduser())


def _add_report(chat: ChatState, path: Path) -> None:
    text = documents.report(path)
    tokens = chat.model.count((Message("user", (TextPart(text),)),)).prompt
    room = chat.model.info.options.context
    if tokens >= room:
        raise too_long(f"The text has {tokens} tokens", tokens, room, "Give a part of it.")
    chat.waiting.reports.append(AttachedText(text, tokens))
    chat.ui.notice(
        f"Text added: {tokens} of {room} tokens. It will be sent with your next question."
    )


def _paths(argument: str) -> list[str]:
    """The paths of an argument; one with blanks in it needs no quotes if it is there."""
    return [argument] if is_there(argument) else dropped_paths.split(argument)
