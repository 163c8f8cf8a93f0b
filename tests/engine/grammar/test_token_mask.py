"""What fits a grammar is what llama.cpp's own grammar lets through, token by token."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from llama_cpp import llama_cpp

from edge_med.config import Options
from edge_med.engine.decode.sampling import Sampler
from edge_med.engine.grammar.token_mask import Grammar
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import SchemaError
from tests.conftest import Models

GRAMMARS = {
    "sums": 'root ::= sum ("\\n" sum)*\nsum ::= term ([-+*/] term)* " = " [0-9]+\n'
    'term ::= [a-z] [a-z0-9]{0,4} | [0-9]+ | "(" sum ")"',
    "list": 'root ::= item+\nitem ::= "- " [^\\n\\r]+ "\\n"',
    "words": 'root ::= ("the" | "there" | "then" | "a") (" " root)?',
    "Chinese": 'root ::= ([\\u4e00-\\u9fff]+ | "é" | "\\U0001F600")+ "。"?',
    **{path.stem: path.read_text() for path in (Path(__file__).parent / "schemas").iterdir()},
}
STATES = 150
"""Of each grammar: more than a thousand in all."""


@pytest.fixture(scope="module")
def vocabulary(model: Models) -> Iterator[LlamaVocabulary]:
    with TextModel(model("text", "F32") / "text-F32.gguf") as opened:
        yield opened.vocabulary


class Reference:
    """llama.cpp's grammar, which ends the process if it is given what it hasn't allowed."""

    def __init__(self, vocabulary: LlamaVocabulary, text: str) -> None:
        self._api: Any = llama_cpp
        self._size = vocabulary.size
        handle = vocabulary._handle
        self._sampler = self._api.llama_sampler_init_grammar(handle, text.encode(), b"root")

    def fitting(self) -> npt.NDArray[np.bool_]:
        data = (self._api.llama_token_data * self._size)()
        for token in range(self._size):
            data[token].id = token
        array = self._api.llama_token_data_array(data, self._size, -1, False)
        self._api.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return np.array([one.logit == 0 for one in data])

    def accept(self, token: int) -> None:
        self._api.llama_sampler_accept(self._sampler, token)


def comparable(vocabulary: LlamaVocabulary) -> npt.NDArray[np.bool_]:
    """Tokens about which llama.cpp isn't knowingly wrong.

    It takes control tokens for text and `</s>` for an end, has no way to write U+0000, and judges
    parts of characters by other rules, such as that of overlong ones.
    """
    return np.array([vocabulary.ends(t) or whole(vocabulary, t) for t in range(vocabulary.size)])


def whole(vocabulary: LlamaVocabulary, token: int) -> bool:
    text = vocabulary.piece(token).decode("utf-8", "replace")
    return not (vocabulary.is_control(token) or {"\0", "\ufffd"} & {*text} or text == "</s>")


def fitting(grammar: Grammar, size: int) -> npt.NDArray[np.bool_]:
    return np.isfinite(grammar.mask(np.zeros(size, dtype=np.float32)))


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_mask_is_that_of_llama_cpp(name: str, vocabulary: LlamaVocabulary) -> None:
    random, counted = np.random.default_rng(1), comparable(vocabulary)
    ours, theirs = begin(vocabulary, name)
    for _ in range(STATES):
        mask = fitting(ours, vocabulary.size) & counted
        assert (mask == (theirs.fitting() & counted)).all()
        token = int(random.choice(np.flatnonzero(mask)))
        if vocabulary.ends(token):
            ours, theirs = begin(vocabulary, name)
        else:
            ours.accept(token)
            theirs.accept(token)


def begin(vocabulary: LlamaVocabulary, name: str) -> tuple[Grammar, Reference]:
    text = GRAMMARS[name]
    return Grammar(vocabulary, text), Reference(vocabulary, text)


@pytest.mark.parametrize("name", GRAMMARS)
def test_a_mask_is_what_fits_token_by_token(name: str, vocabulary: LlamaVocabulary) -> None:
    random, grammar = np.random.default_rng(2), Grammar(vocabulary, GRAMMARS[name])
    for _ in range(20):
        mask = fitting(grammar, vocabulary.size)
        assert mask.tolist() == [grammar.fits(token) for token in range(vocabulary.size)]
        token = int(random.choice(np.flatnonzero(mask)))
        grammar.accept(token)  # an end changes nothing


@pytest.mark.parametrize("name", GRAMMARS)
def test_the_greedy_choice_is_the_best_of_all_that_fit(
    name: str, vocabulary: LlamaVocabulary
) -> None:
    random, grammar = np.random.default_rng(3), Grammar(vocabulary, GRAMMARS[name])
    sampler = Sampler(Options(), vocabulary.size)
    for _ in range(STATES):
        logits = random.normal(0, 3, vocabulary.size).astype(np.float32)
        token = sampler.choose(logits, grammar)
        assert token == int(grammar.mask(logits).argmax())
        grammar.accept(token)
        if vocabulary.ends(token):
            grammar = Grammar(vocabulary, GRAMMARS[name])
    assert sampler.chosen == STATES
    assert sampler.rejected > 0


class Only:
    """A grammar that some tokens fit."""

    def __init__(self, *tokens: int) -> None:
        self.tokens = tokens

    def fits(self, token: int) -> bool:
        return token in self.tokens

    def mask(self, logits: Floats) -> Floats:
        masked = np.full_like(logits, -np.inf)
        masked[[*self.tokens]] = logits[[*self.tokens]]
        return masked


LOGITS = np.random.default_rng(4).normal(0, 1.5, 300).astype(np.float32)


@pytest.mark.parametrize(
    ("settings", "fits"),
    [
        ({}, (3, 50, 51, 120, 290)),
        ({"top_k": 40}, tuple(range(0, 300, 3))),
        ({"top_p": 0.8}, tuple(range(0, 300, 3))),
        ({}, tuple(int(token) for token in np.argsort(LOGITS)[:4])),  # none of 64 draws, mostly
        ({"top_k": 5}, tuple(int(token) for token in np.argsort(LOGITS)[100:105])),  # none in top-k
    ],
)
def test_tokens_that_fit_are_drawn_as_if_the_others_had_no_probability(
    settings: dict[str, Any], fits: tuple[int, ...]
) -> None:
    sampler = Sampler(Options(temperature=1.0, seed=1, **settings), LOGITS.size)
    ids, probabilities = sampler.distribution(LOGITS)
    kept = np.isin(ids, fits)
    if not kept.any():
        ids, probabilities = sampler.distribution(Only(*fits).mask(LOGITS))
        kept = np.isin(ids, fits)
    expected = 4000 * probabilities[kept] / probabilities[kept].sum()
    drawn = [sampler.choose(LOGITS, Only(*fits)) for _ in range(4000)]
    counts = np.bincount(drawn, minlength=LOGITS.size)
    often = expected > 5
    squares = (counts[ids[kept]] - expected)[often] ** 2 / expected[often]
    assert counts[ids[kept]].sum() == 4000
    # Pearson's chi-squared exceeds n + 4.5 √n + 6 about once in a thousand seeds, or more rarely.
    assert squares.sum() < often.sum() + 4.5 * often.sum() ** 0.5 + 6


def test_a_grammar_that_everything_fits_changes_no_draw() -> None:
    free, bound = (Sampler(Options(temperature=1.0, seed=9), LOGITS.size) for _ in range(2))
    everything = Only(*range(LOGITS.size))
    for _ in range(100):
        assert bound.choose(LOGITS, everything) == free.choose(LOGITS)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_banned_token_is_not_chosen_even_if_it_alone_fits(temperature: float) -> None:
    sampler = Sampler(Options(temperature=temperature, logit_bias={7: -np.inf}), LOGITS.size)
    with pytest.raises(SchemaError, match="no token fits"):
        sampler.choose(LOGITS, Only(7))


def test_a_control_token_never_fits_and_an_end_where_it_may_end(
    vocabulary: LlamaVocabulary,
) -> None:
    grammar = Grammar(vocabulary, 'root ::= "a" .*')
    end, start = vocabulary.required("<end_of_turn>"), vocabulary.required("<start_of_turn>")
    assert not grammar.fits(end)
    grammar.accept(vocabulary.tokenize("a")[-1])
    assert grammar.finished
    assert grammar.fits(end)
    assert not grammar.fits(start)


def test_a_character_may_come_in_parts(vocabulary: LlamaVocabulary) -> None:
    parts = [vocabulary.required(f"<0x{byte:02X}>") for byte in "😀".encode()]
    grammar = Grammar(vocabulary, 'root ::= "\\U0001F600"')
    for part in parts:
        assert not grammar.finished
        assert grammar.fits(part)
        grammar.accept(part)
    assert grammar.closed


def test_what_does_not_fit_is_refused_without_harm(vocabulary: LlamaVocabulary) -> None:
    grammar = Grammar(vocabulary, 'root ::= "x"')
    with pytest.raises(SchemaError, match="doesn't fit"):
        grammar.accept(vocabulary.tokenize("the")[0])
    assert not grammar.finished
