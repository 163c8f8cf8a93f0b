"""Texts to ids and back as Hugging Face's tokenizer for Gemma does it.

Only the vocabulary of a model is opened. Conversations become prompts by the engine's rules, so
that what a user types in one never becomes a control token; a bare text is the programmer's own,
and its control tokens count, as with Hugging Face.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Iterable, Sequence
from itertools import groupby

from edge_med.compat.hub import Local, shared
from edge_med.engine.cache.ledger import ImageBlock, Item
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.prompt import compose
from edge_med.messages import Message

BOS, EOS, PAD, UNKNOWN = "<bos>", "<eos>", "<pad>", "<unk>"
START_OF_TURN, END_OF_TURN = "<start_of_turn>", "<end_of_turn>"
START_OF_IMAGE, END_OF_IMAGE, SOFT = "<start_of_image>", "<end_of_image>", "<image_soft_token>"

_TURNS = (START_OF_TURN, END_OF_TURN)
_IMAGES = (START_OF_IMAGE, END_OF_IMAGE, SOFT)
SPECIAL = frozenset((BOS, EOS, PAD, UNKNOWN, "<mask>", *_TURNS, *_IMAGES))
"""What `skip_special_tokens` leaves out; the tokens around a thought, `<unused94>` and the like,
aren't special for Hugging Face, and code written for MedGemma splits its answers at them."""

_SPELLED = re.compile(f"({'|'.join(map(re.escape, sorted(SPECIAL)))}|<unused[0-9]+>)")
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_PADDING = re.compile(r"\[PAD[0-9]+\]")
"""What a conversion calls ids that the tokenizer hasn't got."""

_SPACE = "\u2581"


class Texts:
    """The vocabulary of a model on this machine; any thread may use it."""

    def __init__(self, local: Local) -> None:
        """Open the vocabulary, without weights.

        Raises:
            ArtifactError: the file is damaged.
            EngineError: llama.cpp can't open it.
        """
        self._model = TextModel(local.text, vocabulary_only=True)
        self._lock = threading.Lock()
        weakref.finalize(self, self._model.close)

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return self._model.vocabulary.size

    def id(self, name: str) -> int | None:
        """The id of a token by its name; None if there is none."""
        with self._lock:
            return self._model.vocabulary.control(name)

    def check(self, ids: Iterable[int]) -> None:
        """Refuse ids that are no tokens.

        Raises:
            PromptError: there is one.
        """
        with self._lock:
            for token in ids:
                self._model.vocabulary.check(token)

    def ends(self, token: int) -> bool:
        """Whether a token ends an answer of itself."""
        with self._lock:
            return self._model.vocabulary.ends(token)

    def names(self, ids: Iterable[int]) -> list[str]:
        """Tokens as the vocabulary writes them; errors are those of `check`."""
        with self._lock:
            return [self._model.vocabulary.name(token) for token in ids]

    def ids(self, text: str) -> list[int]:
        """The ids of a text, control tokens that it spells out included.

        Raises:
            PromptError: the text isn't Unicode.
        """
        with self._lock:
            return [token for part in _SPELLED.split(text) for token in self._part(part)]

    def prompt(self, messages: Sequence[Message], image_tokens: int) -> list[int]:
        """The ids of a conversation, up to where the model goes on.

        Raises:
            PromptError: the messages make no conversation.
        """
        with self._lock:
            items = compose(self._model, messages, image_tokens)
            return [token for item in items for token in self._tokens(item)]

    def text(self, ids: Iterable[int], *, skip_special: bool) -> str:
        """What ids say. Bytes that make no characters become one mark each, as with tokenizers."""
        left_out = SPECIAL if skip_special else frozenset()
        names = (n for n in self.names(ids) if n not in left_out and not _PADDING.fullmatch(n))
        return "".join(_run(list(run)) for _, run in groupby(names, _is_byte))

    def _tokens(self, item: Item) -> list[int]:
        if isinstance(item, ImageBlock):
            return [self._model.vocabulary.required(SOFT)] * item.tokens
        return [item]

    def _part(self, part: str) -> list[int]:
        token = self._model.vocabulary.control(part) if _SPELLED.fullmatch(part) else None
        return [token] if token is not None else self._model.vocabulary.tokenize(part)


def _is_byte(name: str) -> bool:
    return _BYTE.fullmatch(name) is not None


def _run(names: Sequence[str]) -> str:
    """The text of tokens that are all bytes, or none."""
    if not _is_byte(names[0]):
        return "".join(names).replace(_SPACE, " ")
    try:
        return bytes.fromhex("".join(name[3:5] for name in names)).decode()
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}" * len(names)


def open_texts(local: Local) -> Texts:
    """The vocabulary of a model, opened once for everybody."""
    return shared(_opened, str(local.text.resolve()), lambda: Texts(local))


_opened: weakref.WeakValueDictionary[str, Texts] = weakref.WeakValueDictionary()
