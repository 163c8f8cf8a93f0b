"""`AutoModelForCausalLM` and `AutoModelForImageTextToText`: a converted model that generates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from edge_med.compat import hub
from edge_med.compat import peft_model as loras
from edge_med.compat.arguments import CutWarning, Few, say, take_loading, warn
from edge_med.compat.generate_arguments import Generation, read_arguments
from edge_med.compat.generation_config import OF_A_MODEL, GenerationConfig
from edge_med.compat.inputs import PromptIds, as_prompt, only_row
from edge_med.compat.stopping import say_so
from edge_med.compat.streamers import failure_reported
from edge_med.compat.template_input import blind
from edge_med.compat.tensors import as_tensors, torch
from edge_med.compat.tokens import SOFT, open_texts
from edge_med.config import Options
from edge_med.engine.cache.ledger import length
from edge_med.errors import PromptError, UsageError
from edge_med.library.loaded_adapters import Wanted

OPTIONS = ("context", "kv", "threads", "memory")
"""Of `MedGemma.load`; the only arguments of ours among those of transformers."""


class AutoModelForCausalLM:
    """Loads models by a hub id, a folder's name or a path."""

    @staticmethod
    def from_pretrained(name: str | Path, **options: Any) -> Model:
        """Load a model.

        Args:
            name: the name of the model.
            options: `context`, `kv`, `threads`, `memory` and `adapters` of `MedGemma.load`, where
                each adapter is applied with the scale 1; and transformers', without effect.

        Raises:
            UsageError: there is no such model here, or an argument is unknown.
            ArtifactError: a file is damaged.
            MemoryShortError: the plan doesn't fit this machine.
            EngineError: llama.cpp can't load it.
        """
        return Model(hub.find(name), **options)


class AutoModelForImageTextToText:
    """Loads models that can see, by a hub id, a folder's name or a path."""

    @staticmethod
    def from_pretrained(name: str | Path, **options: Any) -> Model:
        """Load a model, as `AutoModelForCausalLM` does.

        Raises:
            ImageError: the model has no projector.
        """
        local = hub.find(name)
        if not local.sees:
            raise blind(local)
        return Model(local, **options)


Gemma3ForCausalLM = AutoModelForCausalLM
Gemma3ForConditionalGeneration = AutoModelForImageTextToText
"""The classes that MedGemma's checkpoints name."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a checkpoint's config.json calls the kind of model: `gemma3`, or `gemma3_text`."""

    model_type: str


class Model(Few):
    """A loaded model. It is shared with whoever loads the same, and freed with the last of them.

    Its `generation_config` is its own: what is changed there changes nobody else's answers.

    Attributes:
        adapters: scales of the adapters that it answers with, by name; they can be changed.
    """

    called = "A model"

    def __init__(self, local: hub.Local, *, adapters: Wanted = (), **options: Any) -> None:
        """Load a model, or take it from who has it."""
        take_loading("from_pretrained", {k: v for k, v in options.items() if k not in OPTIONS})
        self.local = local
        self.name_or_path = local.name
        self._options = {k: v for k, v in options.items() if k in OPTIONS}
        self._load(loras.found(adapters, local))
        self.config = Config("gemma3" if local.sees else "gemma3_text")
        self.generation_config = GenerationConfig(**OF_A_MODEL)
        self.texts = open_texts(local)
        self._soft = self.texts.id(SOFT)

    @property
    def device(self) -> Any:
        """Where inputs belong."""
        return torch().device("cpu")

    @property
    def dtype(self) -> Any:
        """What pixel values are computed in."""
        return torch().float32

    def eval(self) -> Self:
        """It never trains."""
        return self

    def to(self, *_where: Any, **_named: Any) -> Self:
        """It stays where it is."""
        say(["device"], "the model stays where it was loaded")
        return self

    def load_adapter(
        self, peft_model_id: str | Path, adapter_name: str | None = None, **ignored: Any
    ) -> None:
        """Answer with an adapter from now on; the model is loaded again with it.

        Args:
            peft_model_id: the adapter's GGUF file.
            adapter_name: the name of the adapter; by default that of the file without `.gguf`.
            ignored: arguments about how PEFT would load it.

        Raises:
            UsageError: the model has one already, or there is no such file here.
            ArtifactError: the file is no adapter that can be applied.
            PairingError: the adapter is for a model of another shape.
        """
        loras.take_loading("load_adapter", ignored)
        if self.adapters:
            raise UsageError(
                f"The model has an adapter already: {', '.join(self.adapters)}.",
                "Load several together: from_pretrained(…, adapters={'first': 'PATH', …}).",
            )
        name = adapter_name or Path(peft_model_id).stem
        (path,) = loras.found(peft_model_id, self.local).values()
        del self.medgemma  # so that it isn't in memory twice
        try:
            self._load({name: path})
        except BaseException:  # Ctrl-C too leaves it as it was
            self._load({})
            raise

    def merge_and_unload(self, **_ignored: Any) -> Self:
        """It answers as if its adapters were merged into its weights, which stay as they are."""
        say(["merge_and_unload"], "adapters are applied while the model computes")
        return self

    def _load(self, adapters: dict[str, Path]) -> None:
        self.medgemma = hub.load(self.local, adapters, **self._options)
        self.adapters = dict.fromkeys(adapters, 1.0)

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        """Refused: it writes, and shows neither logits nor states.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "A model can't be called here: it gives no logits and no hidden states.",
            "Use generate; log-probabilities of a text are in model.medgemma.score(…).",
        )

    def generate(
        self,
        inputs: Any = None,
        *,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        pixel_values: Any = None,
        **arguments: Any,
    ) -> Any:
        """Continue a prompt.

        Args:
            inputs: the same as `input_ids`.
            input_ids: [1, tokens].
            attention_mask: all ones.
            token_type_ids: 1 where a token is of an image.
            pixel_values: [images, 3, side, side].
            arguments: docs/guide/compat.md lists them.

        Returns:
            A tensor [1, prompt and new tokens], the one that ended it included.

        Raises:
            PromptError: images and their places don't match, it isn't one prompt, or an id isn't
                the model's.
            ImageError: the values aren't those of pixels.
            UsageError: an argument is unknown, or can't be had.
            ContextOverflowError: the prompt doesn't fit the context.
            EngineError: llama.cpp failed.
        """
        with failure_reported(arguments.get("streamer")):
            ids = only_row("input_ids", inputs if input_ids is None else input_ids)
            self.texts.check(ids)
            self._check_mask("attention_mask", attention_mask, [1] * len(ids))
            types = [int(id == self._soft) for id in ids]
            self._check_mask("token_type_ids", token_type_ids, types)
            prompt = as_prompt(ids, pixel_values, soft=self._soft, local=self.local)
            if arguments.get("adapters") is None:
                arguments["adapters"] = self.adapters
            how = read_arguments(arguments, len(ids), self.generation_config)
            new = self._streamed(ids, prompt, how)
            return as_tensors(np.array([[*ids, *new]], np.int64), "pt")

    def _streamed(self, ids: list[int], prompt: PromptIds, how: Generation) -> Iterator[int]:
        """New tokens, also given to the streamer if there is one."""
        if how.streamer is not None:
            how.streamer.put(as_tensors(np.array([ids], np.int64), "pt"))
        for token in self._until_stopped(ids, prompt, how):
            if how.streamer is not None:
                how.streamer.put(as_tensors(np.array([token], np.int64), "pt"))
            yield token
        if how.streamer is not None:
            how.streamer.end()

    def _until_stopped(self, ids: list[int], prompt: PromptIds, how: Generation) -> Iterator[int]:
        """New tokens, up to the one that completes a text which ends it, or meets a criterion."""
        new: list[int] = []
        for token in self.medgemma.continue_ids(prompt.items, prompt.pictures, how.options):
            yield token
            new.append(token)
            text = self.texts.text(new, skip_special=False) if how.stop_strings else ""
            if any(stop in text for stop in how.stop_strings) or say_so(how.criteria, [*ids, *new]):
                return
        self._warn_if_cut(length(prompt.items), new, how.options)

    def _warn_if_cut(self, prompt: int, new: list[int], options: Options) -> None:
        """Say that an answer wanted to go on where the context is full."""
        context = self.medgemma.info.options.context
        if prompt + len(new) <= context or len(new) == options.max_new_tokens:
            return
        ended = new[-1] in options.stop_ids if options.stop_ids else self.texts.ends(new[-1])
        if not ended:
            warn(
                f"The answer was cut after {len(new)} tokens, where the context of {context} is "
                f"full: load the model with a larger one, as in context={2 * context}.",
                CutWarning,
            )

    @staticmethod
    def _check_mask(name: str, given: Any, wanted: list[int]) -> None:
        if given is not None and only_row(name, given) != wanted:
            raise PromptError(
                f"{name} doesn't fit input_ids; nothing may be padded or masked here.",
                "Give both as the processor made them, or input_ids alone.",
            )
