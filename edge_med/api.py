"""The door: `MedGemma.load`, and what a loaded model can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Self, Unpack

from edge_med import scoring
from edge_med.answer_hooks import Hook, answering, measuring
from edge_med.answers import Answer, Choice, End, Event, Score, Tokens, checked_whole, whole
from edge_med.closing import Closeable
from edge_med.config import LOAD_DEFAULTS, Fit, LoadArguments, LoadOptions, Options
from edge_med.conversation.session import Conversation
from edge_med.engine.cache.ledger import Item
from edge_med.engine.service.client import Client, event_of
from edge_med.engine.service.isolation import prepared
from edge_med.engine.service.protocol import CountRequest, Reply, TokenIds, TokenizeRequest
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.engine.tasks.raw_generate import ContinueRequest
from edge_med.errors import PromptError, UsageError
from edge_med.imaging import Picture, SliceBudget
from edge_med.imaging.volume.slice_budget import free_budget, is_gpu
from edge_med.library import store
from edge_med.library.loaded_adapters import Wanted, find_adapters
from edge_med.load_model import Info, opened
from edge_med.messages import Message, Prompt
from edge_med.planner.latency import Estimates
from edge_med.question import (
    DEFAULTS,
    PromptArgs,
    Question,
    QuestionArgs,
    check_asked,
    check_names,
    composed,
    shows,
)


class MedGemma(Closeable):
    """A loaded model; close it, or use it in a `with`. All methods may be called in any thread.

    Attributes:
        on_answer: function that is called with the figures of each answer at its end; or None.
    """

    on_answer: Hook | None = None

    def __init__(self, client: Client, info: Info, estimates: Estimates) -> None:
        """Use `MedGemma.load`."""
        super().__init__()
        self._client = client
        self._info = info
        self._estimates = estimates

    @classmethod
    @shows(LoadArguments, LOAD_DEFAULTS)
    def load(
        cls,
        model: str | Path,
        *,
        projector: str | Path | None = None,
        adapters: Wanted = (),
        **load: Unpack[LoadArguments],
    ) -> Self:
        """Load a model.

        Args:
            model: path of a GGUF file; path of a folder with one model, of which the recommended
                quant is loaded (`edge_med.library.store.RECOMMENDED`); or the name of such a folder
                in EDGE_MED_HOME/models.
            projector: path of a GGUF file; by default the one in the model's folder that fits it.
            adapters: GGUF files of LoRA adapters, which calls name as the files without `.gguf`;
                or a mapping of other names to files.
            load: options of the load: `context`, `kv`, `threads`, `device`, `gpu_layers`,
                `tensor_split`, `tensor_overrides`, `projector_device`, `parallel`, `memory`,
                `isolation`, `python` and `mmap`, as in `LoadOptions`; `parallel` can only be 1.

        Raises:
            UsageError: an option isn't possible, such as a GPU that llama.cpp wasn't built for.
            ArtifactError: a file is missing, damaged or of another kind.
            PairingError: the projector or an adapter belongs to another model.
            MemoryShortError: the plan doesn't fit this machine.
            EngineError: llama.cpp can't load it.
        """
        check_names(load, LoadArguments)
        options = LoadOptions(**load)
        if options.parallel != 1:
            raise UsageError("parallel can only be 1 in this version.", "Leave parallel out.")
        with prepared(options) as starter:
            found = store.find(model, projector)
            applicable = find_adapters(adapters, found.header)
            client, info = opened(found, options, applicable, starter)
        return cls(client, info, Estimates(found.text, options.threads))

    @property
    def info(self) -> Info:
        """What was loaded."""
        status = self._client.status
        return replace(self._info, options=status.options, placement=status.usage)

    def __repr__(self) -> str:
        state = "closed, " if self.closed else ""
        sees = "sees images" if self._info.projector else "reads text only"
        context = self._info.options.context
        return f"<MedGemma {self._info.model.file}: {state}{sees}, context {context}>"

    @shows(QuestionArgs, DEFAULTS)
    def ask(self, prompt: Prompt, **given: Unpack[QuestionArgs]) -> Answer:
        """Ask, and wait for the whole answer.

        Args:
            prompt: a question, or a conversation in Hugging Face's form.
            given: `image` or `images`, a `system` text, and `options`; as in `question`.

        Raises:
            UsageError: nothing is asked.
            PromptError: the prompt can't be composed.
            ImageError: an image can't be read, or the model can't see.
            ContextOverflowError: it doesn't fit the context.
            CancelledError: it was cancelled before a word came, or before the form that its options
                ask for was complete; the error's `answer` has what there is.
            EngineError: llama.cpp failed.
        """
        return whole(self.stream(prompt, **given))

    @shows(QuestionArgs, DEFAULTS)
    def stream(self, prompt: Prompt, **given: Unpack[QuestionArgs]) -> Iterator[Event]:
        """Ask, and get the answer while it is written: pieces and progress, then one `End`.

        Nothing is computed before the first event is asked for, and leaving the iteration ends the
        answer. Arguments and errors are those of `ask`; those of the arguments come at once.
        """
        question = self.question(prompt, **given)
        check_asked(question.messages)
        return answering(self._client, question, self.on_answer)

    @shows(QuestionArgs, DEFAULTS)
    async def ask_async(self, prompt: Prompt, **given: Unpack[QuestionArgs]) -> Answer:
        """`ask` for asyncio; cancelling the task ends the answer."""
        async with aclosing(self.stream_async(prompt, **given)) as events:
            (answer,) = [event.answer async for event in events if isinstance(event, End)]
        return checked_whole(answer)

    @shows(QuestionArgs, DEFAULTS)
    def stream_async(
        self, prompt: Prompt, **given: Unpack[QuestionArgs]
    ) -> AsyncGenerator[Event, None]:
        """`stream` for asyncio."""
        check_names(given, QuestionArgs)
        return self._events_async(prompt, given)

    async def _events_async(
        self, prompt: Prompt, given: QuestionArgs
    ) -> AsyncGenerator[Event, None]:
        question = await asyncio.to_thread(self.question, prompt, **given)
        check_asked(question.messages)
        loop, replies = asyncio.get_running_loop(), asyncio.Queue[Reply]()

        def sink(reply: Reply) -> None:
            loop.call_soon_threadsafe(replies.put_nowait, reply)  # fails once the loop is closed

        with measuring(self.on_answer) as note, self._client.cancellable() as call:
            if not self._client.alive:
                await asyncio.to_thread(self._client.restart)
            number = self._client.submit(GenerateRequest(question), sink, call)
            try:
                while True:
                    event = event_of(await replies.get())
                    note(event)
                    yield event
                    if isinstance(event, End):
                        return
            finally:
                self._client.forget(number)

    @shows(QuestionArgs, DEFAULTS)
    def count(self, prompt: Prompt, **given: Unpack[QuestionArgs]) -> Tokens:
        """How many tokens a prompt has; arguments and errors are those of `ask`."""
        reply = self._client.reply(CountRequest(self.question(prompt, **given)))
        assert isinstance(reply, Tokens)
        return reply

    def tokenize(self, text: str) -> tuple[int, ...]:
        """The ids of a text, as the model reads it; control tokens spelled out in it stay text.

        Raises:
            PromptError: it is no text, or can't be tokenized.
            EngineError: llama.cpp failed.
        """
        if not isinstance(text, str):
            raise PromptError("Only a text can be tokenized.", "Give a text.")
        reply = self._client.reply(TokenizeRequest(text))
        assert isinstance(reply, TokenIds)
        return reply.ids

    @shows(PromptArgs, DEFAULTS)
    def score(
        self,
        prompt: Prompt,
        continuation: str,
        *,
        top: int = 0,
        fit: Fit = "pad",
        adapters: Mapping[str, float] | None = None,
        **shown: Unpack[PromptArgs],
    ) -> Score:
        """How probable it is that the model goes on with a text, exactly, token by token.

        The continuation is what the model would write: it stands where an answer begins, or, for a
        base model and for an assistant's last message, right after the text. It is tokenized by
        itself, so that a word after a text needs its space; control tokens that are spelled out in
        it are plain text, and the end of the turn isn't part of it.

        Args:
            prompt: question, or conversation in Hugging Face's form.
            continuation: text of one token or more.
            top: number of most probable tokens that are returned for each position.
            fit: way in which images are fitted to the model's square.
            adapters: scales of the loaded adapters that are applied, by name.
            shown: `image` or `images`, and a `system` text; as in `question`.

        Raises:
            PromptError: the prompt can't be composed, or the continuation is no text or empty.
            ImageError: an image can't be read, or the model can't see.
            ContextOverflowError: both don't fit the context.
            CancelledError: `cancel` was called.
            EngineError: llama.cpp failed.
        """
        check_names(shown, PromptArgs)
        scoring.check_top(top)
        options = Options(fit=fit, adapters=adapters or {})
        question = self.question(prompt, options=options, **shown)
        return scoring.score(self._client, question, continuation, top)

    @shows(PromptArgs, DEFAULTS)
    def choose(
        self,
        question: Prompt,
        options: Sequence[str],
        *,
        by_length: bool = False,
        fit: Fit = "pad",
        adapters: Mapping[str, float] | None = None,
        **shown: Unpack[PromptArgs],
    ) -> Choice:
        """The option that the model would most probably answer; the question is read once.

        Each option is a continuation, as in `score`. The best has the highest sum of its tokens'
        log-probabilities, which is `acc` of lm-evaluation-harness; with `by_length`, the highest
        sum divided by its number of characters, which is its `acc_norm`, so that long options
        aren't put at a disadvantage (`process_results` in lm_eval/api/task.py).

        Of equal options the first is chosen. `Choice.probabilities` are e to the power of the
        compared values, divided by their total.

        Args:
            question: question, or conversation in Hugging Face's form.
            options: two or more texts.
            by_length: whether sums are divided by the number of characters.
            fit: way in which images are fitted to the model's square.
            adapters: scales of the loaded adapters that are applied, by name.
            shown: `image` or `images`, and a `system` text; as in `question`.

        Raises:
            PromptError: there are fewer than two options, or one is no text or empty.
            EdgeMedError: whatever `score` raises.
        """
        check_names(shown, PromptArgs)
        texts = scoring.texts(options)
        how = Options(fit=fit, adapters=adapters or {})
        asked = self.question(question, options=how, **shown)
        return scoring.choose(self._client, asked, texts, by_length=by_length)

    def continue_ids(
        self, items: Sequence[Item], pictures: Mapping[str, Picture], options: Options
    ) -> Iterator[int]:
        """Continue a prompt of ids and image blocks; the token that ends it comes last.

        `pictures` has the blocks' keys; `stop_ids` in the options replace the model's own ends.
        Leaving the iteration ends it. Errors are those of `ask`.
        """
        return self._client.ids(ContinueRequest(tuple(items), pictures, options))

    def chat(self, system: str | None = None, options: Options = Options()) -> Conversation:  # noqa: B008
        """Begin a conversation, with options for all of its answers."""
        return Conversation(self, self._client, system, options, lambda: self.on_answer)

    @shows(QuestionArgs, DEFAULTS)
    def messages(self, prompt: Prompt, **given: Unpack[QuestionArgs]) -> tuple[Message, ...]:
        """A prompt as messages, with its images fitted to this model; errors as in `question`."""
        return self.question(prompt, **given).messages

    @shows(QuestionArgs, DEFAULTS)
    def question(self, prompt: Prompt, **given: Unpack[QuestionArgs]) -> Question:
        """What `ask` asks, as one value, with its images fitted to this model.

        Args:
            prompt: a question, or a conversation in Hugging Face's form.
            given: `image`: a path, bytes, an open file, an image of Pillow's, an array, or a
                `Picture`; `images`: several; `system`: a system text; `options`: how the answer is
                written.

        Raises:
            PromptError: the prompt can't be composed.
            ImageError: an image can't be read, or the model can't see.
            TypeError: there is no such argument.
        """
        check_names(given, QuestionArgs)
        sees = self.info.projector is not None
        return composed(prompt, given, side=self.side, budget=self.slice_budget, sees=sees)

    def slice_budget(self, options: Options = Options()) -> SliceBudget:  # noqa: B008 - frozen
        """The budget for the slices of a series, besides a question and its answer."""
        info = self.info
        return free_budget(
            info.options.context,
            options.max_new_tokens,
            seconds=self._estimates.encode(1, info.projector.size) if info.projector else None,
            image_tokens=info.vision.tokens,
            gpu=is_gpu(info.options.projector_device),
        )

    room = slice_budget  # its former name, which goes on working

    @property
    def side(self) -> int:
        """Side of the square that images are fitted to, in pixels."""
        return self.info.vision.side

    def cancel(self) -> bool:
        """End every answer that is being written or waited for; return whether there was one."""
        return self._client.cancel()

    def _free(self) -> None:
        self._client.close()
