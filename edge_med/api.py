"""The door: `MedGemma.load`, and what a loaded model can be asked."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from edge_med import _platform
from edge_med.answers import Answer, End, Event, Tokens
from edge_med.artifacts.inspect import Facts, inspect
from edge_med.config import KV, LoadOptions, MemoryRule, Options
from edge_med.engine.continuation import Chosen, Continue, Ended
from edge_med.engine.generate import Source
from edge_med.engine.ledger import Item
from edge_med.engine.prompt import IMAGE_TOKENS
from edge_med.engine.worker import Ask, Count, Failed, Files, Reply, Request, Worker
from edge_med.errors import UsageError
from edge_med.imaging import Picture
from edge_med.messages import Message, Prompt, as_messages
from edge_med.models import memory as memory_plan
from edge_med.models import store
from edge_med.session import Conversation

MEDGEMMA_SIDE = 896
"""Pixels; what pictures are fitted to for a model without a projector, which refuses them later."""

_PATIENCE = 0.2
"""Seconds; on Windows a waiting thread hears of Ctrl-C only between two waits."""


@dataclass(frozen=True, slots=True)
class Info:
    """What was loaded.

    Attributes:
        model: facts of the text model's file.
        projector: facts of the projector's; None for a model that can't see.
        options: it was loaded with.
        plan: of the memory.
    """

    model: Facts
    projector: Facts | None
    options: LoadOptions
    plan: memory_plan.Plan


class MedGemma:
    """A loaded model; close it, or use it in a `with`. All methods may be called in any thread."""

    def __init__(self, worker: Worker, info: Info) -> None:
        """Use `MedGemma.load`."""
        self._worker = worker
        self._info = info

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        projector: str | Path | None = None,
        adapters: Sequence[str] = (),
        context: int = 8192,
        kv: KV = "f16",
        device: str = "auto",
        gpu_layers: int | Literal["auto"] = "auto",
        projector_device: str = "auto",
        parallel: int = 1,
        threads: int | None = None,
        memory: MemoryRule = "plan",
    ) -> Self:
        """Load a model.

        Args:
            model: a GGUF file, a folder with one model in it, or the name of one in EDGE_MED_HOME.
            projector: a GGUF file; by default the one beside the model that fits it.
            adapters: none can be applied yet.
            context: tokens that prompt and answer may have together.
            kv: type of the KV cache.
            device: `auto` or `cpu`; other devices come later.
            gpu_layers: `auto` or 0.
            projector_device: `auto` or `cpu`.
            parallel: 1; conversations take turns.
            threads: that compute; as many as there are usable performance cores if None.
            memory: what happens if the memory won't do: `plan` refuses, `warn`, `ignore`.

        Raises:
            UsageError: an option can't be had.
            ArtifactError: a file is missing, damaged or of another kind.
            PairingError: the projector belongs to another model.
            MemoryShortError: the plan doesn't fit this machine.
            EngineError: llama.cpp can't load it.
        """
        _only_today(
            adapters=(tuple(adapters), {()}),
            device=(device, {"auto", "cpu"}),
            gpu_layers=(gpu_layers, {"auto", 0}),
            projector_device=(projector_device, {"auto", "cpu"}),
            parallel=(parallel, {1}),
        )
        options = LoadOptions(context=context, kv=kv, threads=threads, memory=memory)
        return cls._open(store.find(model, projector), options)

    @classmethod
    def _open(cls, found: store.Found, options: LoadOptions) -> Self:
        eye = inspect(found.projector) if found.projector else None
        plan = memory_plan.plan(found.header, options, found.projector_header)
        memory_plan.check(plan, options.memory, _platform.available_memory())
        source = Source(
            model_sha256=found.model_sha256,
            projector_sha256=found.projector_sha256,
            quant=found.quant,
            image_tokens=(eye.image_tokens if eye else None) or IMAGE_TOKENS,
        )
        worker = Worker(Files(found.text, found.projector, source, options))
        return cls(worker, Info(inspect(found.text), eye, options, plan))

    @property
    def info(self) -> Info:
        """What was loaded."""
        return self._info

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> Answer:
        """Ask, and wait for the whole answer.

        Args:
            prompt: a question, or a conversation in Hugging Face's form.
            image: one image: a path, bytes, an image of Pillow's, an array, or a `Picture`.
            images: several.
            system: a system text.
            options: how the answer is written.

        Raises:
            PromptError: the prompt can't be composed.
            ImageError: an image can't be read, or the model can't see.
            ContextOverflowError: it doesn't fit the context.
            EngineError: llama.cpp failed.
        """
        events = self.stream(prompt, image=image, images=images, system=system, options=options)
        return whole(events)

    def stream(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> Iterator[Event]:
        """Ask, and get the answer while it is written: pieces and progress, then one `End`.

        Leaving the iteration ends the answer. Arguments and errors are those of `ask`.
        """
        messages = self.messages(prompt, image=image, images=images, system=system, options=options)
        return self._events(Ask(messages, options))

    async def ask_async(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> Answer:
        """`ask` for asyncio; cancelling the task ends the answer."""
        events = self.stream_async(
            prompt, image=image, images=images, system=system, options=options
        )
        async for event in events:
            if isinstance(event, End):
                return event.answer
        raise AssertionError("a stream ends with End")

    async def stream_async(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> AsyncIterator[Event]:
        """`stream` for asyncio."""
        messages = await asyncio.to_thread(
            self.messages, prompt, image=image, images=images, system=system, options=options
        )
        loop, replies = asyncio.get_running_loop(), asyncio.Queue[Reply]()

        def sink(reply: Reply) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(replies.put_nowait, reply)

        cancelled = self._worker.submit(Ask(messages, options), sink)
        try:
            while True:
                event = _event(await replies.get())
                yield event
                if isinstance(event, End):
                    return
        finally:
            cancelled.set()

    def count(
        self, prompt: Prompt, *, images: Sequence[Any] = (), system: str | None = None
    ) -> Tokens:
        """How many tokens a prompt has; arguments and errors are those of `ask`."""
        request = Count(self.messages(prompt, images=images, system=system))
        reply = _take(self._submit(request)[0])
        if isinstance(reply, Failed):
            raise reply.error
        assert isinstance(reply, Tokens)
        return reply

    def continue_ids(
        self, items: Sequence[Item], pictures: Mapping[str, Picture], options: Options
    ) -> Iterator[int]:
        """Continue a prompt of ids and image blocks; the token that ends it comes last.

        `pictures` are by the blocks' keys; `stop_ids` in the options replace the model's own ends.
        Leaving the iteration ends it. Errors are those of `ask`.
        """
        replies, cancelled = self._submit(Continue(tuple(items), pictures, options))
        try:
            while isinstance(reply := _take(replies), Chosen):
                yield reply.id
            if isinstance(reply, Failed):
                raise reply.error
        finally:
            cancelled.set()

    def chat(self, system: str | None = None, options: Options = Options()) -> Conversation:  # noqa: B008
        """Begin a conversation, with options for all of its answers."""
        return Conversation(self, system, options)

    def messages(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> tuple[Message, ...]:
        """A prompt as messages, with its images fitted to this model."""
        shown = [*([image] if image is not None else []), *images]
        eye = self.info.projector
        side = (eye.image_size if eye else None) or MEDGEMMA_SIDE
        return as_messages(prompt, images=shown, system=system, fit=options.fit, side=side)

    def cancel(self) -> None:
        """End every answer that is being written or waited for."""
        self._worker.cancel()

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        self._worker.close()

    def _submit(self, request: Request) -> tuple[queue.SimpleQueue[Reply], threading.Event]:
        replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        return replies, self._worker.submit(request, replies.put)

    def _events(self, request: Ask) -> Iterator[Event]:
        replies, cancelled = self._submit(request)
        return _until_end(replies, cancelled.set)


def whole(events: Iterator[Event]) -> Answer:
    """The answer at the end of a stream."""
    for event in events:
        if isinstance(event, End):
            return event.answer
    raise AssertionError("a stream ends with End")


def _until_end(replies: queue.SimpleQueue[Reply], cancel: Callable[[], None]) -> Iterator[Event]:
    try:
        while True:
            event = _event(_take(replies))
            yield event
            if isinstance(event, End):
                return
    finally:
        cancel()


def _take(replies: queue.SimpleQueue[Reply]) -> Reply:
    while True:
        try:
            return replies.get(timeout=_PATIENCE)
        except queue.Empty:
            continue


def _event(reply: Reply) -> Event:
    if isinstance(reply, Failed):
        raise reply.error
    assert not isinstance(reply, Tokens | Chosen | Ended)
    return reply


def _only_today(**asked: tuple[object, set[Any]]) -> None:
    for name, (value, possible) in asked.items():
        if value not in possible:
            raise UsageError(f"{name} can't be {value!r} in this version.", f"Leave {name} out.")
