"""A token's text, its log-probability and the best candidates of its position."""

from __future__ import annotations

from edge_med.answers import Candidate, Token
from edge_med.engine.decode.sampling import best, logprob
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary


def token_logprobs(vocabulary: LlamaVocabulary, token: int, logits: Floats, count: int) -> Token:
    """A token that came, or might have.

    Args:
        vocabulary: its texts.
        token: its id.
        logits: [vocabulary], of its position.
        count: number of the position's most probable tokens that come with it.

    Raises:
        EngineError: the best logit isn't finite.
    """
    ids, values = best(logits, count) if count else ([], [])
    top = tuple(
        Candidate(one, _text(vocabulary, one), value)
        for one, value in zip(ids, values, strict=True)
    )
    return Token(token, _text(vocabulary, token), logprob(logits, token), top)


def _text(vocabulary: LlamaVocabulary, token: int) -> str:
    return vocabulary.piece(token).decode("utf-8", "replace")
