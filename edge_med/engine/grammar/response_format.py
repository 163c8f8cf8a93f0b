"""The form that an answer's options ask for: shown to the model, kept while it writes, and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge_med.answers import FinishReason, Notice
from edge_med.config import Options
from edge_med.engine.grammar.form import AnswerForm
from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.engine.grammar.schema_matcher import SchemaMatcher
from edge_med.engine.grammar.token_mask import Grammar
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.errors import TEXT, SchemaError
from edge_med.messages import Message, TextPart

_CUT = ("length", "loop")
"""Why an answer ended before the model would have ended it."""

_MORE: dict[FinishReason, str] = {
    "length": f"Raise `max_new_tokens`, or ask for less; {TEXT}.",
    "stop_string": f"Leave the stop text out; {TEXT}.",
}


class ResponseFormat:
    """What `Options.schema` or `Options.grammar` says; nothing, if there is neither."""

    def __init__(self, options: Options) -> None:
        """Read a schema.

        Raises:
            SchemaError: it can't be used.
        """
        self._schema = None if options.schema is None else compile_schema(options.schema)
        self._grammar = options.grammar

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What the user should know of it, before an answer is written."""
        return () if self._schema is None else self._schema.notices

    def shown(self, messages: Sequence[Message]) -> Sequence[Message]:
        """A conversation whose last question ends with the schema's instruction."""
        if self._schema is None:
            return messages
        last = max((n for n, one in enumerate(messages) if one.role == "user"), default=None)
        if last is None:
            return messages
        asked = _with_text(messages[last], self._schema.instruction)
        return (*messages[:last], asked, *messages[last + 1 :])

    def begun(self, vocabulary: LlamaVocabulary) -> AnswerForm | None:
        """The form of an answer of which nothing is written; None if it may have any.

        Raises:
            SchemaError: it can't be used.
        """
        if self._schema is not None:
            return SchemaMatcher(vocabulary, self._schema.grammar)
        return None if self._grammar is None else Grammar(vocabulary, self._grammar)

    def parsed(self, text: str, reason: FinishReason, written: AnswerForm | None) -> Any:
        """The value of a whole answer; None without a schema, or if the user stopped it.

        Args:
            text: the answer's text.
            reason: why it ended; after a stop text the rest is missing.
            written: the form as far as it was written.

        Raises:
            SchemaError: the answer was cut off, or doesn't fit the schema.
        """
        if written is None or reason == "cancelled":
            return None
        cut = reason == "stop_string" and self._schema is None
        # A number alone may end anywhere, so that one that could go on was cut off.
        cut = cut or (self._schema is not None and reason in _CUT and not written.closed)
        if cut or not (written.finished or reason == "stop_string"):
            raise SchemaError(
                f"The answer was cut off before its form was complete ({reason}).",
                _MORE.get(reason, f"Ask for less; {TEXT}."),
                text,
            )
        return None if self._schema is None else self._schema.parse(text)


def _with_text(message: Message, text: str) -> Message:
    """A message with a text after its own, below a blank line."""
    match message.parts:
        case (*before, TextPart(words)) if words.strip():
            return replace(message, parts=(*before, TextPart(f"{words.rstrip()}\n\n{text}")))
    return replace(message, parts=(*message.parts, TextPart(text)))
