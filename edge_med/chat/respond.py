"""One answer: the wait before it, its events as they come, and what is learnt from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from edge_med.answers import STAGES, Answer, End, Event, Notice, Piece, Progress
from edge_med.artifacts.chat_template import WORDS
from edge_med.chat.chat_state import ChatState, PendingAttachments
from edge_med.chat.ui import UI
from edge_med.engine.decode.notices import TOY
from edge_med.errors import CancelledError, EdgeMedError, EngineError
from edge_med.imaging import Picture, picture_notices
from edge_med.messages import Message
from edge_med.planner.latency import duration_text

LONG = 60.0
"""Seconds from which on a wait is begun only by a yes."""

WORTH_TELLING = 2.0
"""Seconds from which on a wait is announced."""

AT_THE_START = {"research_only", TOY.code, *(code for code, _ in WORDS.values())}
"""Codes of what the first lines have said: what it is not for, and what the model is."""

Stream = Callable[[], Iterator[Event]]


def ask(chat: ChatState, text: str, pictures: Sequence[Picture] = ()) -> Answer | None:
    """Ask, with everything that waits; it stays attached if no turn comes of it.

    Args:
        chat: the chat.
        text: text of the question.
        pictures: pictures besides the attached ones.
    """
    with retryable(chat, lambda: ask(chat, text, pictures)):
        return _asked(chat, text, pictures)


@contextmanager
def retryable(chat: ChatState, retry: Callable[[], object]) -> Iterator[None]:
    """If the engine fails at what is asked within, it waits to be asked again."""
    chat.retry = None
    try:
        yield
    except CancelledError:
        raise
    except EngineError:
        chat.retry = retry
        raise


def _asked(chat: ChatState, text: str, pictures: Sequence[Picture]) -> Answer | None:
    pending = chat.pending
    turn = pending.turn(text, pictures)
    whole = turn.question
    if whole != text:
        chat.attached_text[whole] = whole.removesuffix(text)
    before = len(chat.questions)
    answer = respond(
        chat,
        [*chat.conversation.messages, turn],
        lambda: chat.conversation.stream(
            whole if turn.pictures else turn,
            images=[*pictures, *pending.pictures],
            options=chat.options,
        ),
    )
    if len(chat.questions) > before:
        chat.sent[turn] = pending
        chat.pending = PendingAttachments()
    else:
        rest = f" {pending.phrase()} still attached to your next question." if pending else ""
        chat.ui.notice(f"Cancelled.{rest}")
    return answer


def respond(chat: ChatState, messages: Sequence[Message], stream: Stream) -> Answer | None:
    """Have messages answered, and show that; None if the user won't wait for it.

    Args:
        chat: the chat.
        messages: whole conversation for the model.
        stream: function that begins the answer.
    """
    new = len(_unseen(chat, messages))
    what = "Looking at this" if new else "Reading this"
    if not confirm_wait(chat.ui, wait(chat, messages), what, yes=chat.yes):
        return None
    answer: Answer | None = None
    shown: set[str] = set()
    encoded = 0
    with chat.ui.answering(chat.model.cancel):
        for event in stream():
            match event:
                case Progress():
                    encoded += event.stage == "encode" and event.done == event.total
                    chat.ui.progress(_progress_text(chat, event, encoded, new))
                case Piece():
                    _show(chat, event)
                case Notice():
                    _show_notice(chat, event, shown)
                case End():
                    answer = event.answer
    assert answer is not None
    _finish(chat, answer, shown)
    _learn(chat, answer, encoded)
    chat.seen = chat.conversation.messages
    _keep(chat)
    return answer


def wait(chat: ChatState, messages: Sequence[Message]) -> float:
    """Seconds, estimated, until the first word of an answer to messages."""
    same = 0
    while same < min(len(messages), len(chat.seen)) and messages[same] == chat.seen[same]:
        same += 1
    fresh = messages[same:]
    new = _unseen(chat, fresh)
    tokens = chat.model.count(fresh).prompt if fresh else 0
    projector = chat.model.info.projector
    seconds = chat.estimates.read(tokens)
    return seconds + (chat.estimates.encode(len(new), projector.size) if projector else 0.0)


def _unseen(chat: ChatState, messages: Sequence[Message]) -> set[str]:
    """Hashes of pictures that the model hasn't looked at yet."""
    seen = {picture.sha256 for message in chat.seen for picture in message.pictures}
    return {p.sha256 for message in messages for p in message.pictures} - seen


def confirm_wait(ui: UI, seconds: float, what: str, *, yes: bool) -> bool:
    """Whether the user wants to wait; asked only if it is long, and never with `yes`."""
    if seconds < WORTH_TELLING:
        return True
    text = f"{what} takes about {duration_text(seconds)} on this machine."
    if seconds < LONG:
        ui.progress(text)
        return True
    ui.notice(text)
    return yes or ui.confirm("Continue?", otherwise=True)


UNTRUE = frozenset(("no_image", "beyond_context", "damaged", "changed"))
"""Codes of answers that mean nothing, which is said even where no notices are wanted."""


def _show_notice(chat: ChatState, notice: Notice, shown: set[str]) -> None:
    """Each notice once; what is always so, and what images are like, was said before."""
    if notice.code in shown | AT_THE_START | picture_notices.CODES - picture_notices.DOUBTFUL:
        return
    if notice.code in picture_notices.DOUBTFUL:
        if notice.text in chat.shown_doubts:
            return
        chat.shown_doubts.add(notice.text)
    shown.add(notice.code)
    chat.ui.notice(notice.text, always=notice.code in picture_notices.DOUBTFUL | UNTRUE)


def _show(chat: ChatState, piece: Piece) -> None:
    if piece.kind == "answer" or chat.thoughts:
        chat.ui.piece(piece)
    else:
        chat.ui.progress("thinking")


def _progress_text(chat: ChatState, event: Progress, seen: int, new: int) -> str:
    """The stage before the first word, and the time that is left.

    Args:
        chat: the chat.
        event: progress so far.
        seen: number of images that were encoded.
        new: number of images to be encoded in all.
    """
    parts, left = [STAGES[event.stage]], event.seconds_left
    projector = chat.model.info.projector
    encoding = event.stage == "encode" or (seen < new and (event.stage == "read" or seen > 0))
    if encoding and projector:  # several are opened, looked at and read in turn: that is one stage
        at = min(seen + 1, new)
        parts = [STAGES["encode"] if new < 2 else f"looking at image {at} of {new}"]
        left = chat.estimates.encode(new - seen, projector.size) if seen < new else None
    elif event.total > 1:
        parts.append(f"{event.done} of {event.total} tokens")
    if left is not None and left >= 1:
        parts.append(f"{duration_text(left)} left")
    return ", ".join(parts)


ENDS = {
    "length": "The answer was cut off. Allow a longer one with /set max-new-tokens.",
    "cancelled": "Stopped. The answer so far is kept.",
    "thought_budget": "The thought used all its tokens, so there is no answer.",
}


def _finish(chat: ChatState, answer: Answer, shown: set[str]) -> None:
    """Say what hasn't been said yet."""
    chat.last = answer
    for notice in answer.notices:
        _show_notice(chat, notice, shown)
    if answer.finish_reason in ENDS and "context_full" not in shown:
        has_text = answer.text or answer.finish_reason != "cancelled"
        chat.ui.notice(ENDS[answer.finish_reason] if has_text else "Stopped before the first word.")
    elif not answer.text.strip():
        chat.ui.notice("The answer is empty.")


def _learn(chat: ChatState, answer: Answer, encoded: int) -> None:
    if answer.finish_reason == "cancelled" and not answer.text:
        return
    usage, timings = answer.usage, answer.timings
    chat.estimates.learn_encode(encoded, timings.encode)
    chat.estimates.learn_read(usage.prompt - usage.cached, timings.read)


def _keep(chat: ChatState) -> None:
    if chat.keep:
        try:
            chat.conversation.save(chat.keep)
        except EdgeMedError as error:
            chat.ui.fail(error)
