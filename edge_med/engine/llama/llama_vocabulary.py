"""Text to token ids and back; what a user types never becomes a control token."""

from __future__ import annotations

import ctypes
import functools
import itertools
import operator
import re
from collections.abc import Callable, Container, Iterable
from typing import Any

from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.signatures import CONTROL, USER_DEFINED
from edge_med.errors import LOOK, EngineError, PromptError

_NOT_GEMMA = "Convert the original checkpoint with edge-med convert."
_LONGEST_PIECE = 256  # bytes; Gemma's longest has 93

_SPACE = "\u2581"
_STRIKE_END = "</s>"
_APART = re.compile(f"({_SPACE}{{2,31}}|{_STRIKE_END})")
"""Texts that have a token for Hugging Face and, if they aren't tokenized apart, none for llama.cpp.

The vocabulary writes spaces as U+2581, and llama.cpp doesn't take the character itself for one. The
end of struck text, a token of markup like `</b>`, it takes for the end of other models' answers.
"""

_CONTROL_NAME = re.compile(
    r"<(?:bos|eos|pad|unk|mask|unused\d+|(?:start|end)_of_(?:turn|image)|image_soft_token)>"
)
"""Gemma's control tokens; a file that gives them another type doesn't make them text."""

_UNUSED = re.compile(r"<unused\d+>")


class LlamaVocabulary:
    """The tokens of an opened model."""

    def __init__(self, handle: Any, ends: Iterable[object] = ()) -> None:
        """Look at the vocabulary of llama.cpp's model `handle`.

        Args:
            handle: llama.cpp's pointer to the model.
            ends: tokens that end an answer besides those that llama.cpp finds.
        """
        self._ends = frozenset(ends)
        self._api = llama_cpp()
        self._handle = self._api.llama_model_get_vocab(handle)
        self._buffer = ctypes.create_string_buffer(_LONGEST_PIECE)
        self.size: int = self._api.llama_vocab_n_tokens(self._handle)
        self.is_control = functools.cache(self._find_is_control)
        self.control = functools.cache(self._find_control)

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text; control tokens that are spelled out in it stay plain text.

        Raises:
            PromptError: the text isn't Unicode, or can't be tokenized.
        """
        return [
            token
            for part in _APART.split(text)
            for token in (
                [self._strike_end]
                if part == _STRIKE_END and self._strike_end is not None
                else self._plain(part.replace(_SPACE, " "))
            )
        ]

    def required(self, name: str) -> int:
        """The id of a control token that the model must have.

        Raises:
            EngineError: the vocabulary has no such token.
        """
        token = self.control(name)
        if token is None:
            raise EngineError(f"The vocabulary has no {name}.", _NOT_GEMMA)
        return token

    def ends(self, token: int) -> bool:
        """Whether a token ends an answer: the end of the turn or of the text."""
        self.check(token)
        if token in self._ends:
            return True
        return token != self._strike_end and bool(self._api.llama_vocab_is_eog(self._handle, token))

    def piece(self, token: int) -> bytes:
        """What a token stands for, in UTF-8, maybe a part of a character; nothing if control."""
        self.check(token)
        size = self._api.llama_token_to_piece(
            self._handle, token, self._buffer, _LONGEST_PIECE, 0, token == self._strike_end
        )
        if size < 0:
            raise EngineError(f"The vocabulary has a piece of {-size} bytes.", _NOT_GEMMA)
        return self._buffer.raw[:size]

    @property
    def unused(self) -> Container[int]:
        """The tokens `<unusedNN>`, which have no meaning in an answer."""
        return _Unused(self.name)

    def _find_control(self, name: str) -> int | None:
        """The id of a control token by its name; None if the vocabulary hasn't got it."""
        ids = self._ids(name, special=True)
        found = ids[0] if len(ids) == 1 else None
        if found is not None and self.name(found) == name:
            return found
        return self._names.get(name)  # its type is another than Gemma's

    @functools.cached_property
    def _strike_end(self) -> int | None:
        """`</s>`, if the file calls it user-defined, even if llama.cpp takes it for control."""
        token = self.control(_STRIKE_END)
        return token if token is not None and self._attributes(token) & self._markup else None

    @functools.cached_property
    def _names(self) -> dict[str, int]:
        """Every token by its name; made only where it's needed, for it takes 0.2 s."""
        return {self.name(token): token for token in range(self.size)}

    @property
    def _markup(self) -> int:
        return USER_DEFINED

    def check(self, token: object) -> None:
        """Refuse what is no token: llama.cpp would end the process (std::out_of_range).

        Raises:
            PromptError: an id isn't one of this vocabulary.
        """
        if not 0 <= _index(token) < self.size:
            raise PromptError(
                f"{token!r} is no token of this model.", f"Its tokens are 0 to {self.size - 1}."
            )

    def _attributes(self, token: int) -> int:
        return int(self._api.llama_vocab_get_attr(self._handle, token))

    def name(self, token: int) -> str:
        """A token as the vocabulary writes it: with U+2581 for spaces, and bytes as `<0xNN>`.

        Raises:
            PromptError: there is no such token.
        """
        self.check(token)
        name: bytes = self._api.llama_vocab_get_text(self._handle, token)
        return name.decode("utf-8", "replace")

    def _find_is_control(self, token: int) -> bool:
        if _CONTROL_NAME.fullmatch(self.name(token)):
            return True
        attributes = self._attributes(token)
        control = attributes & CONTROL
        return bool(control) and not attributes & self._markup

    def _plain(self, text: str) -> list[int]:
        """Ids without control tokens: a text that gives some is cut inside each of their names."""
        ids = self._ids(text, special=False)
        names = {self.name(token) for token in ids if self.is_control(token)}
        if not names:
            return ids
        named = re.compile("|".join([_CONTROL_NAME.pattern, *map(re.escape, names)]))
        cuts = [0, *(found.start() + 1 for found in named.finditer(text)), len(text)]
        if len(cuts) == 2:
            raise PromptError(
                "A text can't be tokenized without control tokens.", "Leave odd characters out."
            )
        parts = (text[start:end] for start, end in itertools.pairwise(cuts))
        return [token for part in parts for token in self._plain(part)]

    def _ids(self, text: str, *, special: bool) -> list[int]:
        """What llama.cpp makes of a text, whose control tokens it heeds only if `special`."""
        try:
            data = text.encode()
        except UnicodeEncodeError:
            raise PromptError("A text holds half a character.", "Give it as UTF-8.") from None
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = self._api.llama_tokenize(self._handle, data, len(data), ids, room, False, special)
        if count < 0:
            raise EngineError("llama.cpp can't tokenize the prompt.", f"{LOOK}.")
        return list(ids[:count])


def _index(token: Any) -> int:
    """A token as a number; -1 for what is none. It is asked of all tokens, so it must be quick."""
    try:
        return operator.index(token)
    except TypeError:
        return -1


class _Unused(Container[int]):
    """Asks for a token's name when it comes, since naming all of them would take 0.2 s."""

    def __init__(self, name: Callable[[int], str]) -> None:
        self._name = name

    def __contains__(self, token: object) -> bool:
        return isinstance(token, int) and bool(_UNUSED.fullmatch(self._name(token)))
