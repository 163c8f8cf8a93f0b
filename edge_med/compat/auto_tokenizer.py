"""`AutoTokenizer`: Gemma's tokenizer, out of a converted model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_med.compat import hub
from edge_med.compat import tokens as texts
from edge_med.compat.arguments import DoubledWarning, Few, refuse_unknown, say, take_loading, warn
from edge_med.compat.inputs import Inputs, as_inputs
from edge_med.compat.template_input import Turns, check_template, read_messages, tell_unseen
from edge_med.compat.tensors import as_lists
from edge_med.errors import PromptError

WITHOUT_EFFECT = frozenset(
    [
        "padding",
        "truncation",
        "max_length",
        "return_attention_mask",
        "clean_up_tokenization_spaces",
        "tokenizer_kwargs",
        "processor_kwargs",
        "do_pan_and_scan",
    ]
)
"""Nothing is padded or cut off: prompts come one by one, and one that is too long is an error."""


_DOUBLED = (
    "The text begins with <bos>, and has another one put before it, as in transformers: "
    "add_special_tokens=False leaves that out."
)


class AutoTokenizer:
    """Opens tokenizers by a hub id, a folder's name or a path."""

    @staticmethod
    def from_pretrained(name: str | Path, **ignored: Any) -> Tokenizer:
        """The tokenizer of a model; no weights are read.

        Raises:
            UsageError: there is no such model here, or an argument is unknown.
            ArtifactError: its file is damaged.
        """
        take_loading("from_pretrained", ignored)
        return Tokenizer(hub.find(name))


class Tokenizer(Few):
    """Texts and conversations to ids, and back."""

    called = "A tokenizer"
    padding_side = "left"
    bos_token, eos_token, pad_token, unk_token = texts.BOS, texts.EOS, texts.PAD, texts.UNKNOWN
    all_special_tokens = tuple(sorted(texts.SPECIAL))

    def __init__(self, local: hub.Local) -> None:
        """Open the vocabulary of a model."""
        self.local = local
        self.texts = texts.open_texts(local)
        self.name_or_path = local.name
        self.bos_token_id, self.eos_token_id, self.pad_token_id, self.unk_token_id = (
            self.texts.id(name)
            for name in (self.bos_token, self.eos_token, self.pad_token, self.unk_token)
        )

    def __len__(self) -> int:
        return self.texts.size

    def __call__(
        self,
        text: str,
        *,
        add_special_tokens: bool = True,
        return_tensors: str | None = None,
        **ignored: Any,
    ) -> Inputs:
        """The ids and the mask of a text; without `return_tensors`, of lists.

        Raises:
            PromptError: the argument isn't one text.
            UsageError: an argument is unknown.
        """
        take_without_effect("The tokenizer", ignored)
        ids = self.encode(text, add_special_tokens=add_special_tokens)
        tell_unseen(text, self.local)
        inputs = as_inputs(ids, return_tensors)
        if return_tensors is None:  # as with transformers, where one text makes no batch
            return Inputs({name: rows[0] for name, rows in inputs.items()})
        return inputs

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """The ids of a text; control tokens that it spells out count.

        Raises:
            PromptError: the argument isn't one text.
        """
        if not isinstance(text, str):
            raise PromptError("The tokenizer takes one text.", "Give several one by one.")
        start = [self.bos_token_id] if add_special_tokens and self.bos_token_id is not None else []
        ids = self.texts.ids(text)
        if start and ids[:1] == start:
            warn(_DOUBLED, DoubledWarning)
        return start + ids

    def apply_chat_template(
        self,
        conversation: Any,
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = True,
        return_dict: bool = True,
        return_tensors: str | None = None,
        **ignored: Any,
    ) -> Any:
        """A conversation as the model's prompt.

        Raises:
            PromptError: the argument is no conversation, or has images.
            UsageError: an argument is unknown.
        """
        take_without_effect("apply_chat_template", ignored)
        check_template(self.local)
        messages = read_messages(conversation, self.local, text_only=not tokenize)
        turns = Turns(messages, add_generation_prompt, continue_final_message)
        if not tokenize:
            return turns.text()
        if turns.pictures:
            raise PromptError("A tokenizer takes no images.", "Use AutoProcessor.")
        tell_unseen(messages, self.local)
        inputs = as_inputs(turns.ids(self.texts, self.local.image_tokens), return_tensors)
        if return_tensors is None:
            inputs = Inputs({name: rows[0] for name, rows in inputs.items()})
        return inputs if return_dict else inputs["input_ids"]

    def decode(self, ids: Any, skip_special_tokens: bool = False, **ignored: Any) -> Any:  # noqa: FBT001, FBT002 - as transformers has it
        """What ids say; of a batch, a list of texts.

        Raises:
            PromptError: one isn't the model's.
            UsageError: an argument is unknown.
        """
        take_without_effect("decode", ignored)
        rows = as_lists(ids)
        rows = [as_lists(row) for row in rows] if isinstance(rows, Sequence) else [rows]
        if rows and isinstance(rows[0], list | tuple):
            return [self.decode(row, skip_special_tokens) for row in rows]
        return self.texts.text(rows, skip_special=skip_special_tokens)

    def batch_decode(self, batch: Any, skip_special_tokens: bool = False, **ignored: Any) -> Any:  # noqa: FBT001, FBT002 - as transformers has it
        """What each row of ids says.

        Raises:
            UsageError: an argument is unknown.
        """
        return [self.decode(row, skip_special_tokens, **ignored) for row in as_lists(batch)]

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """The id of a control token by its name, or of each in a list; None for one unknown."""
        if isinstance(tokens, str):
            return self.texts.id(tokens)
        return [self.texts.id(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """The name of a token, or of each.

        Raises:
            PromptError: one isn't the model's.
        """
        rows = as_lists(ids)
        if not isinstance(rows, Sequence):
            return self.texts.names([rows])[0]
        return self.texts.names(map(as_lists, rows))


def take_without_effect(call: str, given: dict[str, Any]) -> None:
    """Accept what would pad or cut.

    Raises:
        UsageError: an argument is unknown.
    """
    refuse_unknown(call, given, WITHOUT_EFFECT)
    asked = {name for name, value in given.items() if value not in (None, False)}
    say(asked, "nothing is padded, cut off or cleaned up")
