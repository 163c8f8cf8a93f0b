"""The two tasks of `pipeline`: from messages to messages, or from a text to a longer one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from edge_med import imaging
from edge_med.compat import places
from edge_med.compat.arguments import Few, refuse_unknown, say
from edge_med.compat.auto_model import Model
from edge_med.compat.auto_processor import Processor
from edge_med.compat.auto_tokenizer import Tokenizer
from edge_med.compat.generation_config import KNOWN, LENGTHS, settings_of
from edge_med.compat.inputs import Inputs
from edge_med.compat.streamers import failure_reported
from edge_med.compat.template_input import blind, check_asked
from edge_med.errors import PromptError
from edge_med.message_forms import reader, written_out
from edge_med.messages import Message, TextPart, check_named

NEW_TOKENS = 256
"""Of an answer whose length nobody says (transformers: `_default_generation_config` of both)."""

CALL = frozenset(
    [
        "return_full_text",
        "continue_final_message",
        "skip_special_tokens",
        "stop_sequence",
        "generate_kwargs",
    ]
)
"""Arguments of a call that aren't those of `generate`; they may be given to `pipeline` as well."""

CALL_WITHOUT_EFFECT = frozenset(
    ["batch_size", "num_workers", "padding", "truncation", "clean_up_tokenization_spaces"]
)
"""Prompts are answered one by one; nothing is padded, cut off or cleaned up."""

CALLS = CALL | CALL_WITHOUT_EFFECT | KNOWN
"""All arguments of a call."""


class Pipeline(Few):
    """What both tasks share.

    Attributes:
        task: its name.
        framework: `pt`, for tensors are torch's, or the stand-in's.
    """

    called = "A pipeline"
    task = ""
    framework = "pt"

    def __init__(self, model: Model, **calls: Any) -> None:
        """Of a loaded model; `calls` is what calls do where they don't say."""
        self.model = model
        self.tokenizer = Tokenizer(model.local)
        self._calls = calls

    @property
    def device(self) -> Any:
        """Where inputs belong."""
        return self.model.device

    def _each(self, given: Any, arguments: dict[str, Any], **beside: Any) -> list[Any]:
        """The records of one prompt, with its images, or of each prompt in a list."""
        refuse_unknown("The pipeline", arguments, CALLS)
        arguments = {**self._calls, **arguments}
        idle = {name for name in CALL_WITHOUT_EFFECT if arguments.pop(name, None) is not None}
        say(idle, "prompts are answered one by one, and nothing is padded or cut off")
        if isinstance(given, str) or _is_chat(given):
            return [self._asked(given, **beside, **arguments)]
        if isinstance(given, list | tuple) and given:
            return [[self._asked(one, **arguments)] for one in given]
        raise PromptError(
            "The pipeline got neither a text nor messages.",
            "Give messages: [{'role': 'user', 'content': …}, …].",
        )

    def _failure_reported(self, arguments: Mapping[str, Any]) -> AbstractContextManager[None]:
        """Reports whatever goes wrong to the streamer, which is read in another thread."""
        return failure_reported(arguments.get("streamer", self._calls.get("streamer")))

    def _asked(self, given: Any, **arguments: Any) -> dict[str, Any]:
        """The record of one prompt, if anything is asked."""
        if isinstance(given, str):
            written_out.check_text(given)
        check_asked([{"role": "user", "content": given}] if isinstance(given, str) else given)
        return self._record(given, **arguments)

    def _record(self, given: Any, **arguments: Any) -> dict[str, Any]:
        raise NotImplementedError

    def _answer(self, inputs: Inputs, arguments: Mapping[str, Any]) -> str:
        """The new text after a prompt."""
        ours = {name: value for name, value in arguments.items() if name not in CALL}
        asked = {**ours, **(arguments.get("generate_kwargs") or {})}
        if arguments.get("stop_sequence") is not None:
            asked["stop_strings"] = arguments["stop_sequence"]
        sources = (
            settings_of(self.model.generation_config),
            settings_of(asked.get("generation_config")),
            asked,
        )
        if all(source.get(name) is None for source in sources for name in LENGTHS):
            asked["max_new_tokens"] = NEW_TOKENS
        length = inputs["input_ids"].shape[-1]
        row = self.model.generate(**inputs, **asked)[0][length:]
        skip = arguments.get("skip_special_tokens")
        return str(self.tokenizer.decode(row, skip_special_tokens=skip is None or skip))


class TextGeneration(Pipeline):
    """Texts only, as `text-generation`."""

    task = "text-generation"

    def __call__(self, text_inputs: Any = None, *, text: Any = None, **arguments: Any) -> list[Any]:
        """Continue texts or conversations.

        Args:
            text_inputs: a text, messages, or a list of them.
            text: the same.
            arguments: arguments of `generate`, and return_full_text, continue_final_message,
                stop_sequence, skip_special_tokens.

        Returns:
            `[{"generated_text": messages and the answer}]`, for a list a list of these.

        Raises:
            PromptError: the prompt is no conversation.
            UsageError: an argument is unknown, or can't be had.
            ContextOverflowError: the prompt doesn't fit the context.
            EngineError: llama.cpp failed.
        """
        with self._failure_reported(arguments):
            return self._each(text if text_inputs is None else text_inputs, arguments)

    def _record(self, given: Any, **arguments: Any) -> dict[str, Any]:
        goes_on = _continues(given, arguments)
        if isinstance(given, str):
            inputs = self.tokenizer(given, return_tensors="pt")
        else:
            inputs = self.tokenizer.apply_chat_template(
                given,
                add_generation_prompt=not goes_on,
                continue_final_message=goes_on,
                return_tensors="pt",
            )
        return {"generated_text": _full(given, self._answer(inputs, arguments), arguments)}


class ImageTextToText(Pipeline):
    """Texts and images, as `image-text-to-text`."""

    task = "image-text-to-text"

    def __init__(self, model: Model, **calls: Any) -> None:
        """Of a loaded model that can see."""
        if not model.local.sees:
            raise blind(model.local)
        super().__init__(model, **calls)
        self.processor = Processor(model.local)

    def __call__(self, images: Any = None, text: Any = None, **arguments: Any) -> list[Any]:
        """Answer conversations with images in them, or a text with images.

        Args:
            images: one or several, for a text with as many `<start_of_image>`, or for messages
                with as many parts `{"type": "image"}` that name none; or the messages alone.
            text: a text, messages, or a list of them.
            arguments: the arguments of `text-generation`.

        Returns:
            `[{"input_text": messages, "generated_text": messages and the answer}]`, for a list a
            list of these.

        Raises:
            PromptError: the prompt is no conversation, or has more or fewer places than images.
            ImageError: an image can't be read.
            UsageError: an argument is unknown, or can't be had.
            ContextOverflowError: the prompt doesn't fit the context.
            EngineError: llama.cpp failed.
        """
        if text is None and not isinstance(images, str):
            text, images = images, None
        with self._failure_reported(arguments):
            if images is None:
                return self._each(text, arguments)
            if _is_chat(text):
                several = images if isinstance(images, list | tuple) else [images]
                return self._each(places.filled(text, several), arguments)
            if isinstance(text, str):
                return self._each(text, arguments, images=images)
            raise PromptError(
                "Images as an argument go with one text or one conversation.",
                "Put them into the messages.",
            )

    def _record(self, given: Any, images: Any = None, **arguments: Any) -> dict[str, Any]:
        goes_on = _continues(given, arguments)
        if isinstance(given, str):
            check_named([] if images else [Message("user", (TextPart(given),))])
            inputs = self.processor(images=_loaded(images), text=given, return_tensors="pt")
        else:
            inputs = self.processor.apply_chat_template(
                given,
                add_generation_prompt=not goes_on,
                continue_final_message=goes_on,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
        full = _full(given, self._answer(inputs, arguments), arguments)
        return {"input_text": given, "generated_text": full}


def _loaded(images: Any) -> Any:
    """Images of a text as transformers' pipeline loads them, in lists and lists of these."""
    several = isinstance(images, list | tuple)
    return [_loaded(image) for image in images] if several else imaging.loaded(images)


TASKS: dict[str, type[TextGeneration | ImageTextToText]] = {
    "text-generation": TextGeneration,
    "image-text-to-text": ImageTextToText,
}


def _is_chat(given: Any) -> bool:
    return isinstance(given, list | tuple) and bool(given) and isinstance(given[0], Mapping)


def _continues(given: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether the last message is continued: if it is the assistant's, and nobody says no."""
    asked = arguments.get("continue_final_message")
    if asked is None:
        return not isinstance(given, str) and given[-1].get("role") == "assistant"
    return bool(asked)


def _full(given: Any, answer: str, arguments: Mapping[str, Any]) -> Any:
    """The answer with what came before it, unless `return_full_text` is false."""
    if arguments.get("return_full_text") is False:
        return answer
    if isinstance(given, str):
        return given + answer
    if not _continues(given, arguments):
        return [*given, {"role": "assistant", "content": answer}]
    *before, last = given
    key = reader.content_key(last)
    return [*before, {**last, key: _longer(last[key], answer)}]


def _longer(content: Any, answer: str) -> Any:
    """A text, a part or a list of parts, with more at its end."""
    if isinstance(content, str):
        return content + answer
    if isinstance(content, Mapping):
        return {**content, "text": content["text"] + answer}
    *before, last = content
    return [*before, _longer(last, answer)]
