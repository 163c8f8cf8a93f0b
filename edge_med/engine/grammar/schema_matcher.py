"""A JSON schema over tokens: which of them may come next, as llguidance says."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from edge_med.engine.grammar.token_mask import written_piece
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.errors import SchemaError

if TYPE_CHECKING:
    from llguidance import LLTokenizer


class SchemaMatcher:
    """What an answer by a schema may look like, and how much of it is written; see `Form`."""

    def __init__(self, vocabulary: LlamaVocabulary, grammar: str) -> None:
        """Begin an answer.

        Args:
            vocabulary: the vocabulary of the tokens that are judged.
            grammar: llguidance's form of the grammar, as `json_schema` makes it.

        Raises:
            SchemaError: it is too large.
        """
        from llguidance import LLMatcher, LLParserLimits

        self._vocabulary = vocabulary
        limits = LLParserLimits(verbose_errors=False)  # those that aren't quote the answer
        self._matcher = LLMatcher(_tokenizer(vocabulary), grammar, log_level=0, limits=limits)
        self._check()

    @property
    def finished(self) -> bool:
        """Whether the answer may end here."""
        return self._matcher.is_accepting()

    @property
    def closed(self) -> bool:
        """Whether it must end here."""
        return self.finished and self._matcher.is_stopped()

    def fits(self, token: int) -> bool:
        """Whether a token may come next.

        Raises:
            SchemaError: it would take too long to say.
        """
        if self._vocabulary.ends(token):
            return self.finished
        fits = self._matcher.validate_tokens([token]) == 1
        self._check()
        return fits

    def accept(self, token: int) -> None:
        """Write a token down that fits.

        Raises:
            SchemaError: it doesn't fit.
        """
        if not self.fits(token):
            raise SchemaError("The answer doesn't fit its schema.", "Ask without a schema.")
        if not self._vocabulary.ends(token):
            self._matcher.consume_token(token)
            self._check()

    def mask(self, logits: Floats) -> Floats:
        """A copy of the logits [vocabulary] that has -inf for every token that doesn't fit.

        Raises:
            SchemaError: it would take too long to say.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        fitting = np.unpackbits(bits, count=logits.size, bitorder="little").astype(np.bool_)
        return np.where(fitting, logits, np.float32(-np.inf))

    def _check(self) -> None:
        if self._matcher.is_error():
            reason = self._matcher.stop_reason()
            raise SchemaError(
                f"The schema takes too long to apply ({reason}).",
                "Ask for less: fewer choices, shorter lists, simpler patterns.",
            )


class _Words:
    """The tokens of a vocabulary as llguidance asks for them.

    It doesn't keep the vocabulary, which has to end with its model.
    """

    def __init__(self, vocabulary: LlamaVocabulary) -> None:
        every = range(vocabulary.size)
        self.tokens = [written_piece(vocabulary, token) for token in every]
        self.special_token_ids = [token for token in every if not self.tokens[token]]
        self.ends = [token for token in every if vocabulary.ends(token)]
        self.eos_token_id = self.ends[0]
        self.bos_token_id = None

    def __call__(self, _text: object) -> NoReturn:
        raise NotImplementedError  # nothing is tokenized where tokens are judged


_TOKENIZERS: weakref.WeakKeyDictionary[LlamaVocabulary, LLTokenizer] = weakref.WeakKeyDictionary()


def _tokenizer(vocabulary: LlamaVocabulary) -> LLTokenizer:
    """Made when it is needed first, for it takes two seconds with Gemma's vocabulary."""
    from llguidance import LLTokenizer, TokenizerWrapper

    if vocabulary not in _TOKENIZERS:
        words = _Words(vocabulary)
        _TOKENIZERS[vocabulary] = LLTokenizer(
            TokenizerWrapper(words),
            n_vocab=vocabulary.size,
            eos_token=words.ends,
            slices=[],  # they make a mask quicker, and this slower by 0.7 s
        )
    return _TOKENIZERS[vocabulary]
