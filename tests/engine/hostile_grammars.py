"""Two thousand hostile schemas and grammars, for a process of its own: a crash must be seen.

Prints what wasn't refused as it should have been, then how many there were.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st

from edge_med.config import Options
from edge_med.engine.decode.sampling import Sampler
from edge_med.engine.grammar.form import AnswerForm
from edge_med.engine.grammar.json_schema import Schema, compile_schema
from edge_med.engine.grammar.schema_matcher import SchemaMatcher
from edge_med.engine.grammar.token_mask import Grammar
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import SchemaError
from tests.engine.hostile_schemas import SCHEMAS, schemas

LONGEST = 3.0
"""Seconds of processor time, for a grammar, an answer by it, and two checks together."""

TOKENS = 24
"""Of an answer that is begun by whatever was accepted."""

NAMES = [f"r{n}" for n in range(60)]
SPACES = " " * 31

REFUSED = {
    "nothing": "",
    "no root": 'a ::= "b"',
    "no rule": '"a"',
    "unfinished": 'root ::= "a',
    "undefined": "root ::= other",
    "twice": 'root ::= "a"\nroot ::= "b"',
    "left recursion": 'root ::= root "a" | "a"',
    "hidden left recursion": 'root ::= e root "a" | "b"\ne ::= f\nf ::= "x" | ""',
    "a circle": "root ::= a\na ::= b\nb ::= a",
    "empty for ever": 'root ::= ("a"?)*',
    "nothing repeated": "root ::= *",
    "backwards": 'root ::= "a"{5,2}',
    "many": 'root ::= "a"{999999999}',
    "long and many": f'root ::= "{"a" * 60_000}"{{2000}}',
    "deep": f"root ::= {'(' * 5000}{')' * 5000}",
    "large": f'root ::= "{"a" * 70_000}"',
    "open": 'root ::= ("a"',
    "closed": 'root ::= "a")',
    "escape": 'root ::= "\\q"',
    "half an escape": 'root ::= "\\u12"',
    "range backwards": "root ::= [z-a]",
    "empty set": "root ::= []",
    "token": "root ::= <end_of_turn>",
    "half a character": 'root ::= "\ud800"',
    "underscore": 'root ::= a_b\na_b ::= "c"',
    "many stacks": 'root ::= ("a"? "b"? "c"? "d"?){2000}',
}
"""Grammars that must be refused before anything is written."""

BOUNDED = {
    "many of many": 'root ::= (("a"{2000}){2000}){2000}',
    "shared": "root ::= r0\n"
    + "\n".join(f"r{n} ::= r{n + 1} | r{n + 1}" for n in range(59))
    + '\nr59 ::= "a"',
    "ambiguous": 'root ::= ([ ] | [ -!]){1,30} "x"',
    "all words of two": 'root ::= " " root "a" | " " root "b" | " "',
    "all words of three": "root ::= a | b | c\n"
    + "\n".join(f'{n} ::= " " root {n} | "-" root {n} | "a" | ""' for n in "abc"),
    "long chain": "root ::= r0\n"
    + "\n".join(f"r{n} ::= r{n + 1}" for n in range(2999))
    + '\nr2999 ::= "a"',
    "wide": "root ::= " + " | ".join(f'"{n}"' for n in range(6000)),
    "nothing fits": 'root ::= "\\U0010FFFF"',
    "nothing at all": 'root ::= ""',
    "zero": 'root ::= "\\x00"',
}
"""Grammars that may be refused at any time, but neither hang nor fill the memory."""


def grammars() -> st.SearchStrategy[str]:
    """Grammars of symbols in any order, many of them almost right."""
    name = st.sampled_from(["root", "a", "b", "c"])
    symbol = st.one_of(
        name,
        st.sampled_from(
            ['"x"', '" "', '""', "[a-z]", "[^a]", "[", "]", '"', ".", "(", ")", "|", "*", "+", "?"]
        ),
        st.sampled_from(["{2}", "{0,}", "{3,1}", "{,2}", "{2000}", "{0}", "<x>", "!", "\\", "::="]),
        st.text(max_size=3),
    )
    rule = st.builds(
        lambda n, parts: f"{n} ::= {' '.join(parts)}", name, st.lists(symbol, max_size=12)
    )
    right = st.just('\na ::= "x" b | "y"\nb ::= [a-z ] a?\nc ::= (a | b){1,3}')
    return st.builds(lambda rules, rest: "\n".join(rules) + rest, st.lists(rule, max_size=5), right)


def drawn(strategy: st.SearchStrategy[Any], count: int) -> Iterator[Any]:
    """As many different values."""
    found: list[Any] = []

    @hypothesis.seed(1)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    yield from found


def written(vocabulary: LlamaVocabulary, grammar: AnswerForm) -> str:
    """The beginning of an answer: spaces where they fit, else whatever does."""
    sampler, data = Sampler(Options(temperature=2.0, seed=1), vocabulary.size), b""
    spaces = vocabulary.tokenize(SPACES)[-1]
    for _ in range(TOKENS):
        grammar.fits(spaces)
        token = sampler.choose(np.zeros(vocabulary.size, dtype=np.float32), grammar)
        grammar.accept(token)
        if vocabulary.ends(token) or grammar.closed:
            break
        data += vocabulary.piece(token)
    return data.decode("utf-8", "replace")


def try_schema(vocabulary: LlamaVocabulary, given: Any) -> None:
    schema: Schema = compile_schema(given)
    text = written(vocabulary, SchemaMatcher(vocabulary, schema.grammar))
    for answer in (text, '{"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}'):
        try:
            schema.parse(answer)
        except SchemaError as error:
            if error.text != answer:
                raise AssertionError(error) from error


def complaint(attempt: Callable[[], object], *, must_fail: bool = False) -> str | None:
    """What is wrong with how an attempt went."""
    began = time.process_time()
    try:
        attempt()
        wrong = "was accepted" if must_fail else None
    except SchemaError:
        wrong = None
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        wrong = repr(error)
    seconds = time.process_time() - began
    return f"took {seconds:.1f} s" if seconds > LONGEST else wrong


def main(path: str, count: int) -> None:
    """Try everything with the vocabulary of a model."""
    tried = 0
    with TextModel(Path(path)) as model:
        words = model.vocabulary
        for name, text in REFUSED.items():
            report(name, complaint(lambda text=text: Grammar(words, text), must_fail=True))  # type: ignore[misc]
        texts = [*BOUNDED.values(), *islice(drawn(grammars(), count), count)]
        for text in texts:
            report(text, complaint(lambda text=text: written(words, Grammar(words, text))))  # type: ignore[misc]
        values = [*SCHEMAS.values(), *drawn(schemas(), count)]
        for value in values:
            report(value, complaint(lambda value=value: try_schema(words, value)))  # type: ignore[misc]
        tried = len(REFUSED) + len(texts) + len(values)
    print(json.dumps({"tried": tried}))


def report(what: object, wrong: str | None) -> None:
    if wrong is not None:
        print(f"{str(what)[:300]!r}: {wrong}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
