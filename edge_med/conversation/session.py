"""A conversation: turns that can be sent, written anew, changed and taken back."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_med.answer_hooks import Hook, answering
from edge_med.answers import Answer, End, Event, Notice, Tokens, whole
from edge_med.config import ANSWER_SHARE, Options
from edge_med.conversation import export, transcript
from edge_med.conversation.context_trim import Trimming
from edge_med.conversation.turn_edits import edited, questions, without_image
from edge_med.engine.service.client import Call
from edge_med.engine.service.connection import RESTARTED
from edge_med.engine.service.protocol import CountRequest
from edge_med.errors import BusyError, CancelledError, UsageError
from edge_med.messages import Message, TextPart, checked_text
from edge_med.protocols import Fitting, Service
from edge_med.provenance import IMAGE_DROPPED, Record, with_notice_from
from edge_med.question import Question, check_asked


class Conversation:
    """A conversation with a loaded model.

    The model computes only what changed: an earlier turn that stays costs nothing.

    One answer is written at a time. Whoever sends or changes something meanwhile, in any thread,
    gets a `BusyError`; a stream that was begun is at its end once it is exhausted or closed.
    """

    def __init__(
        self,
        model: Fitting,
        service: Service,
        system: str | None,
        options: Options,
        hook: Callable[[], Hook | None] = lambda: None,
    ) -> None:
        """Use `MedGemma.chat`."""
        self._hook = hook
        self._model = model
        self._service = service
        self._trimming = Trimming(model.info.options.context)
        self._options = options
        self._system = _system_messages(system)
        self._turns: tuple[Message, ...] = ()
        self._records: tuple[Record | None, ...] = ()  # of the answers among them
        self._engine: int | None = None  # that has read it
        self._busy = threading.Lock()

    def __repr__(self) -> str:
        return f"<Conversation of {len(self.messages)} messages>"

    @property
    def messages(self) -> tuple[Message, ...]:
        """System text and turns; the user's and the model's take turns."""
        return (*self._system, *self._turns)

    @property
    def records(self) -> tuple[Record | None, ...]:
        """What wrote each answer, and when; None where a file didn't say."""
        return self._records

    def send(
        self,
        text: str | Message,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        options: Options | None = None,
    ) -> Answer:
        """Send a turn, and wait for the answer.

        Args:
            text: text of the user's turn; or the turn as a message.
            image: image that is shown before the text, as in `MedGemma.ask`.
            images: several images.
            options: options of this answer, instead of the conversation's.

        Raises:
            UsageError: nothing is asked.
            BusyError: an answer of this conversation is being written.
            ContextOverflowError: it doesn't fit, even without the oldest turns.
            ImageError: an image can't be read, or the model can't see.
            CancelledError: as in `MedGemma.ask`.
            EngineError: llama.cpp failed.
        """
        return whole(self.stream(text, image=image, images=images, options=options))

    def stream(
        self,
        text: str | Message,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        options: Options | None = None,
    ) -> Iterator[Event]:
        """Send a turn, and get the answer while it is written; arguments are those of `send`.

        The turn counts once the stream has ended. A cancelled turn stays with the text that was
        written, and is removed if there is none; an answer that the model left empty stays.
        """
        chosen = options or self._options
        several: object = images  # an array, say, which has no truth of its own, is refused below
        given = image is not None or not isinstance(several, list | tuple) or bool(several)
        if isinstance(text, str) and not given and any(turn.pictures for turn in self._turns):
            text = Message("user", (TextPart(text),))  # it may name what was shown before
        asked = self._model.messages(text, image=image, images=images, options=chosen)
        if [message.role for message in asked] != ["user"]:
            raise UsageError(
                "A turn is one message of the user, and this is something else.",
                "Give a text; a whole conversation is for `MedGemma.ask`.",
            )
        check_asked(asked)
        return self._answered(lambda turns: (*turns, *asked), chosen)

    def regenerate(self, *, options: Options | None = None) -> Answer:
        """Have the last turn answered anew.

        Raises:
            UsageError: nothing was asked yet.
            EdgeMedError: as in `send`.
        """
        return whole(self.stream_regenerate(options=options))

    def stream_regenerate(self, *, options: Options | None = None) -> Iterator[Event]:
        """The same while it is written; one that is cancelled before a word changes nothing."""
        questions(self._turns, 1)
        return self._answered(
            lambda turns: turns[: questions(turns, 1)[-1] + 1], options or self._options
        )

    def edit(self, turn: int, text: str, *, options: Options | None = None) -> Answer:
        """Change the text of a user's turn; it keeps its images, and later turns are removed.

        Args:
            turn: number of the turn: 0 for the user's first, -1 for the last.
            text: new text of the turn.
            options: options of this answer.

        Raises:
            UsageError: there is no such turn.
            EdgeMedError: as in `send`.
        """
        return whole(self.stream_edit(turn, text, options=options))

    def stream_edit(
        self, turn: int, text: str, *, options: Options | None = None
    ) -> Iterator[Event]:
        """The same while it is written; one that is cancelled before a word changes nothing."""
        check_asked(self.edited(turn, text))
        change = functools.partial(edited, turn=turn, text=text)
        return self._answered(change, options or self._options)

    def edited(self, turn: int, text: str) -> list[Message]:
        """The turns that `edit` has answered, without changing anything; its errors are the same.

        The system text isn't among them.
        """
        return list(edited(self._turns, turn, text))

    def instruct(self, system: str | None) -> None:
        """Change the system text, or take it out; everything is read anew with the next turn.

        Raises:
            BusyError: an answer of this conversation is being written.
        """
        with self._alone():
            self._system = _system_messages(system)

    def drop_image(self, number: int) -> None:
        """Take an image, and a slice's label, out of its turn; what was answered to it stays.

        The records of these answers say so from then on, and what `save` and `export` write.

        Args:
            number: number of the image: 0 for the conversation's first.

        Raises:
            UsageError: there is no such image.
            BusyError: an answer of this conversation is being written.
        """
        with self._alone():
            left = without_image(self._turns, number)
            turn = next(n for n, was in enumerate(self._turns) if left[n] != was)
            self._records = with_notice_from(self._records, _answers(left[:turn]), IMAGE_DROPPED)
            self._turns = left

    def undo(self) -> None:
        """Take the last turn and its answer back.

        Raises:
            UsageError: nothing was asked yet.
            BusyError: an answer of this conversation is being written.
        """
        with self._alone():
            self._turns = self._turns[: questions(self._turns, 1)[-1]]
            self._records = self._records[: _answers(self._turns)]

    def save(self, path: str | Path, *, images: bool = False) -> None:
        """Write the conversation to a file that only its owner can read.

        Args:
            path: path of the file.
            images: whether the prepared images go into it, or only their hashes.

        Raises:
            InputError: the file can't be written.
        """
        transcript.save(Path(path), self.messages, self._records, images=images)

    def load(self, path: str | Path, *, images: Sequence[Any] = ()) -> None:
        """Continue a saved conversation instead of this one.

        Args:
            path: path of the file.
            images: images that the file has only as hashes.

        Raises:
            InputError: the file isn't a conversation, or an image is missing.
            BusyError: an answer of this conversation is being written.
        """
        pictures = [
            picture
            for fit in ("pad", "stretch")
            for image in images  # each has all of the room, as when it was shown alone
            for message in self._model.messages(
                "", images=[image], options=replace(self._options, fit=fit)
            )
            for picture in message.pictures
        ]
        messages, records = transcript.load(Path(path), pictures, self._model.side)
        with self._alone():
            self._system = [message for message in messages if message.role == "system"]
            self._turns = tuple(message for message in messages if message.role != "system")
            self._records = records
            self._trimming = Trimming(self._model.info.options.context)

    def export(self, path: str | Path) -> None:
        """Write the conversation for other readers, into a file that only its owner can read.

        Args:
            path: path of a new file, ending with .md, or with .json for Hugging Face's form.

        Raises:
            UsageError: the ending is another, or there is such a file.
            InputError: the file can't be written.
        """
        export.write(Path(path), self.messages, self._records)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A change of the conversation, or an answer of it: one at a time.

        Raises:
            BusyError: there is one already.
        """
        if not self._busy.acquire(blocking=False):
            raise BusyError(
                "An answer of this conversation is being written.",
                "Wait for its end; a stream ends once it is exhausted or closed.",
            )
        try:
            yield
        finally:
            self._busy.release()

    def _answered(
        self, change: Callable[[tuple[Message, ...]], tuple[Message, ...]], options: Options
    ) -> Iterator[Event]:
        """Stream an answer to changed turns, and take both over once it's there.

        Args:
            change: function that changes the turns, called when the first event is taken.
            options: options of this answer.
        """
        with self._alone():
            turns = change(self._turns)
            for event in self._events(turns, options):
                if isinstance(event, End):
                    answer = event.answer
                    if answer.text or answer.finish_reason != "cancelled":
                        record = Record.of(answer)
                        self._records = (*self._records[: _answers(turns)], record)
                        self._turns = (*turns, Message("assistant", (TextPart(answer.text),)))
                yield event

    def _events(self, turns: Sequence[Message], options: Options) -> Iterator[Event]:
        """Stream an answer to as many of the turns as fit; if some don't, a notice comes first."""
        with self._service.cancellable() as call:
            shown, trimmed = self._fitting(turns, options, call)
            first = tuple(filter(None, (self._restarted(), trimmed)))
            yield from first
            question = Question(tuple(shown), options)
            for event in answering(self._service, question, self._hook(), call):
                if isinstance(event, End) and first:
                    others = (one for one in event.answer.notices if one not in first)
                    yield End(replace(event.answer, notices=(*first, *others)))
                elif event not in first:
                    yield event

    def _restarted(self) -> Notice | None:
        """That the engine which had read the conversation is no more, once."""
        before, self._engine = self._engine, self._service.starts
        return RESTARTED if before not in (None, self._engine) else None

    def _fitting(
        self, turns: Sequence[Message], options: Options, call: Call
    ) -> tuple[list[Message], Notice | None]:
        """System text and turns without the oldest that don't fit; those with images stay."""

        def count(messages: Sequence[Message], how: Options = options) -> int:
            reply = self._service.reply(CountRequest(Question(tuple(messages), how)), call)
            assert isinstance(reply, Tokens)
            return reply.prompt

        plain = functools.partial(count, how=Options())
        share = self._model.info.options.context // ANSWER_SHARE
        reserved = min(options.max_new_tokens, share)
        reserved += min(options.think_budget, share) if options.think == "on" else 0
        try:
            shown, dropped = self._trimming.shown(self._system, turns, reserved, count, plain)
        except CancelledError:  # the engine says so again, with an answer that has ended
            return [*self._system, *turns], None
        text = f"The {dropped} oldest turns no longer fit the context and were left out."
        return shown, Notice("trimmed", text) if dropped else None


def _system_messages(system: str | None) -> list[Message]:
    return [] if system is None else [Message("system", (checked_text(system),))]


def _answers(turns: Sequence[Message]) -> int:
    """The number of turns that are the model's."""
    return sum(turn.role == "assistant" for turn in turns)
