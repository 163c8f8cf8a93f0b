"""The door: `MedGemma.load`, and what a loaded model can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge_med import _platform
from edge_med.answers import Answer, End, Event, Score, Tokens
from edge_med.artifacts.gguf import Header
from edge_med.artifacts.inspect import Facts, facts
from edge_med.config import KV, GpuLayers, LoadOptions, MemoryRule, Options
from edge_med.engine.cache.ledger import Item
from edge_med.engine.prompt import IMAGE_TOKENS
from edge_med.engine.service.inbox import Cancellation
from edge_med.engine.service.thread import Ask, Count, Files, Rate, Reply, Worker, event_of
from edge_med.engine.tasks.generate import Source
from edge_med.engine.tasks.raw_generate import Continue
from edge_med.errors import UsageError
from edge_med.imaging import Picture, Room
from edge_med.imaging.slices import QUESTION
from edge_med.loading import Info, decide
from edge_med.messages import Message, Prompt, as_messages, check_sizes
from edge_med.models import store
from edge_med.models.adapters import FoundAdapter, Wanted, find_adapters
from edge_med.models.estimates import Estimates
from edge_med.models.shares import Subject
from edge_med.scoring import Scoring
from edge_med.session import Conversation

MEDGEMMA_SIDE = 896
"""Pixels; what pictures are fitted to for a model without a projector, which refuses them later."""


class MedGemma(Scoring):
    """A loaded model; close it, or use it in a `with`. All methods may be called in any thread."""

    def __init__(self, worker: Worker, info: Info, estimates: Estimates) -> None:
        """Use `MedGemma.load`."""
        self._worker = worker
        self._info = info
        self._estimates = estimates

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        projector: str | Path | None = None,
        adapters: Wanted = (),
        context: int = 8192,
        kv: KV = "f16",
        device: str = "auto",
        gpu_layers: GpuLayers = "auto",
        tensor_split: Sequence[float] = (),
        tensor_overrides: Sequence[str] = (),
        projector_device: str = "auto",
        parallel: int = 1,
        threads: int | None = None,
        memory: MemoryRule = "plan",
    ) -> Self:
        """Load a model.

        Args:
            model: a GGUF file; a folder with one model in it, of which the recommended quant is
                taken (`edge_med.models.store.RECOMMENDED`); or such a folder's name in
                EDGE_MED_HOME/models.
            projector: a GGUF file; by default the one beside the model that fits it.
            adapters: GGUF files of LoRA adapters, which calls name as the files without `.gguf`;
                or a mapping of other names to files.
            context: tokens that prompt and answer may have together.
            kv: type of the KV cache.
            device: that computes: `auto`, `cpu`, or a device's name such as CUDA0 or Vulkan0.
            gpu_layers: on devices, the output head being one; `auto` for as many as fit.
            tensor_split: proportions by which devices share the layers; else each is filled up.
            tensor_overrides: REGEX=DEVICE each: tensors of layers that go to a device or to `cpu`.
            projector_device: as `device`, for the projector.
            parallel: 1; conversations take turns.
            threads: that compute; as many as there are usable performance cores if None.
            memory: what happens if the memory won't do: `plan` refuses, `warn`, `ignore`.

        Raises:
            UsageError: an option can't be had, such as a GPU that llama.cpp wasn't built for.
            ArtifactError: a file is missing, damaged or of another kind.
            PairingError: the projector or an adapter belongs to another model.
            MemoryShortError: the plan doesn't fit this machine.
            EngineError: llama.cpp can't load it.
        """
        _only_today(parallel=(parallel, {1}))
        options = LoadOptions(
            context=context,
            kv=kv,
            threads=threads,
            device=device,
            gpu_layers=gpu_layers,
            tensor_split=tensor_split,
            tensor_overrides=tensor_overrides,
            projector_device=projector_device,
            memory=memory,
        )
        found = store.find(model, projector)
        return cls._open(found, options, find_adapters(adapters, found.header))

    @classmethod
    def _open(
        cls, found: store.Found, options: LoadOptions, adapters: tuple[FoundAdapter, ...] = ()
    ) -> Self:
        eye = _facts(found.projector, found.projector_header)
        subject = Subject(found.text.stem, found.quant, found.header, found.projector_header)
        decided = decide(subject, options, [adapter.lora for adapter in adapters])
        source = Source(
            model_sha256=found.model_sha256,
            projector_sha256=found.projector_sha256,
            quant=found.quant,
            image_tokens=(eye.image_tokens if eye else None) or IMAGE_TOKENS,
            adapters={adapter.name: adapter.sha256 for adapter in adapters},
        )
        paths = {adapter.name: adapter.path for adapter in adapters}
        files = Files(found.text, found.projector, source, decided.options, paths, found.header)
        worker = Worker(replace(files, placements=decided.placements, notices=decided.notices))
        text = facts(found.text.name, found.header)
        info = Info(text, eye, options, decided.plan, (), decided.cpu_code, found.others, adapters)
        return cls(worker, info, Estimates(found.text, options.threads))

    @property
    def info(self) -> Info:
        """What was loaded."""
        seats = self._worker.seats
        return replace(self._info, options=seats.options, placement=seats.placed)

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

        Nothing is computed before the first event is asked for, and leaving the iteration ends the
        answer. Arguments and errors are those of `ask`; those of the arguments come at once.
        """
        messages = self.messages(prompt, image=image, images=images, system=system, options=options)
        return self._worker.events(Ask(messages, options))

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
        async with aclosing(events):
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
    ) -> AsyncGenerator[Event, None]:
        """`stream` for asyncio."""
        messages = await asyncio.to_thread(
            self.messages, prompt, image=image, images=images, system=system, options=options
        )
        loop, replies = asyncio.get_running_loop(), asyncio.Queue[Reply]()

        def sink(reply: Reply) -> None:
            loop.call_soon_threadsafe(replies.put_nowait, reply)  # fails once the loop is closed

        with self._worker.cancellable() as cancelled:
            self._worker.submit(Ask(messages, options), sink, cancelled)
            while True:
                event = event_of(await replies.get())
                yield event
                if isinstance(event, End):
                    return

    def count(
        self,
        prompt: Prompt,
        *,
        image: Any = None,
        images: Sequence[Any] = (),
        system: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> Tokens:
        """How many tokens a prompt has; arguments and errors are those of `ask`."""
        messages = self.messages(prompt, image=image, images=images, system=system, options=options)
        reply = self._reply(Count(messages, options))
        assert isinstance(reply, Tokens)
        return reply

    def continue_ids(
        self, items: Sequence[Item], pictures: Mapping[str, Picture], options: Options
    ) -> Iterator[int]:
        """Continue a prompt of ids and image blocks; the token that ends it comes last.

        `pictures` are by the blocks' keys; `stop_ids` in the options replace the model's own ends.
        Leaving the iteration ends it. Errors are those of `ask`.
        """
        return self._worker.ids(Continue(tuple(items), pictures, options))

    def chat(self, system: str | None = None, options: Options = Options()) -> Conversation:  # noqa: B008
        """Begin a conversation, with options for all of its answers."""
        return Conversation(self, self._worker, system, options)

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
        _check_kinds(options, images)
        shown = [*([image] if image is not None else []), *images]
        found = as_messages(
            prompt,
            images=shown,
            system=system,
            fit=options.fit,
            side=self.side,
            room=self.room(options),
        )
        if self.info.projector:
            check_sizes(found, self.side)
        return found

    def room(self, options: Options = Options()) -> Room:  # noqa: B008 - frozen
        """What there is for the slices of a series beside a question and its answer."""
        eye = self.info.projector
        return Room(
            seconds=self._estimates.encode(1, eye.size) if eye else None,
            tokens=max(0, self.info.options.context - options.max_new_tokens - QUESTION),
            memory=_platform.available_memory(),
            image_tokens=(eye.image_tokens if eye else None) or IMAGE_TOKENS,
        )

    @property
    def side(self) -> int:
        """Of the square that images are fitted to, in pixels."""
        eye = self.info.projector
        return (eye.image_size if eye else None) or MEDGEMMA_SIDE

    def cancel(self) -> bool:
        """End every answer that is being written or waited for; says whether there was one."""
        return self._worker.cancel()

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        self._worker.close()

    def _call(self) -> AbstractContextManager[Cancellation]:
        return self._worker.cancellable()

    def _reply(self, request: Count | Rate, call: Cancellation | None = None) -> Tokens | Score:
        return self._worker.reply(request, call)


def _facts(path: Path | None, header: Header | None) -> Facts | None:
    return None if path is None or header is None else facts(path.name, header)


def whole(events: Iterator[Event]) -> Answer:
    """The answer at the end of a stream."""
    for event in events:
        if isinstance(event, End):
            return event.answer
    raise AssertionError("a stream ends with End")


def _check_kinds(options: object, images: object) -> None:
    if not isinstance(options, Options):
        raise UsageError("The options aren't Options.", "Give options=Options(max_new_tokens=…).")
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise UsageError("images isn't a list.", "Give images=[…], or a single one as image=….")


def _only_today(**asked: tuple[object, set[Any]]) -> None:
    for name, (value, possible) in asked.items():
        if value not in possible:
            raise UsageError(f"{name} can't be {value!r} in this version.", f"Leave {name} out.")
