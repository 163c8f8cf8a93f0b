"""Structured answers with Gemma 3's own vocabulary, whose tokens are long and many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from devtools.schemas import SCHEMAS
from edge_med import MedGemma, Options
from edge_med.engine.grammar.token_mask import Grammar
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import SchemaError
from tests.conftest import RealModels
from tests.engine.grammar.test_token_mask import GRAMMARS, Reference, comparable, fitting

pytestmark = pytest.mark.real

STATES = 12
"""Of each grammar; llama.cpp takes a quarter of a second for each."""


@pytest.fixture(scope="module")
def gemma(real_model: RealModels) -> Iterator[MedGemma]:
    with MedGemma.load(real_model("Q8_0"), context=2048) as opened:
        yield opened


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_fits_its_schema(name: str, gemma: MedGemma) -> None:
    options = Options(schema=SCHEMAS[name], max_new_tokens=600, stop_loops=False)
    answer = gemma.ask("A chest X-ray shows an opacity in the right lower lobe.\n", options=options)
    assert isinstance(answer.parsed, list if name == "boxes" else dict)


@pytest.mark.parametrize("name", SCHEMAS)  # the grammars have their names
def test_a_mask_is_that_of_llama_cpp(name: str, real_model: RealModels) -> None:
    random, text = np.random.default_rng(1), GRAMMARS[name]
    with TextModel(real_model("Q8_0")) as model:
        words, counted = model.vocabulary, comparable(model.vocabulary)
        ours, theirs = Grammar(words, text), Reference(words, text)
        for _ in range(STATES):
            mask = fitting(ours, words.size) & counted
            assert (mask == (theirs.fitting() & counted)).all()
            token = int(random.choice(np.flatnonzero(mask)))
            if words.ends(token):
                break
            ours.accept(token)
            theirs.accept(token)


def test_thirty_spaces_in_one_token_do_not_hang(real_model: RealModels) -> None:
    with TextModel(real_model("Q8_0")) as model:
        spaces = model.vocabulary.tokenize(" " * 31)
        grammar = Grammar(model.vocabulary, "root ::= ([ ] | [ -!]){1,30}")
        doubling = Grammar(model.vocabulary, 'root ::= " " root "a" | " " root "b" | " "')
        assert len(spaces) == 1
        assert not grammar.fits(spaces[0])
        with pytest.raises(SchemaError, match="too many ways"):
            doubling.fits(spaces[0])
