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
from edge_med.engine.grammar.form import Form
from edge_med.engine.grammar.json_schema import Schema, compile_schema
from edge_med.engine.grammar.schema_matcher import SchemaMatcher
from edge_med.engine.grammar.token_mask import Grammar
from edge_med.engine.llama.model import Model
from edge_med.engine.llama.vocabulary import Vocabulary
from edge_med.errors import SchemaError

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


def deep(levels: int, around: Callable[[Any], Any]) -> Any:
    value: Any = {"type": "string"}
    for _ in range(levels):
        value = around(value)
    return value


def text(pattern: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, **more}


def closed(*names: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in names},
        "required": [*names],
        "additionalProperties": False,
    }


SCHEMAS: dict[str, Any] = {
    "no schema": [],
    "no JSON": "{",
    "deep JSON": "[" * 100_000,
    "remote": {"$ref": "https://example.org/schema.json"},
    "remote part": {"properties": {"a": {"$ref": "http://example.org/#/a"}}},
    "file": {"$ref": "file:///etc/passwd"},
    "dynamic": {"$dynamicRef": "https://example.org/#a"},
    "itself": {"$ref": "#"},
    "nowhere": {"$ref": "#/$defs/none"},
    "reference to no schema": {"$ref": "#/type", "type": "string"},
    "circle": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "unknown type": {"type": "text"},
    "many items": {"type": "array", "items": {}, "minItems": 10**12},
    "many at most": {"type": "array", "items": {"type": "null"}, "maxItems": 10**12},
    "fewer than none": {"type": "array", "items": {}, "maxItems": -1},
    "long text": {"type": "string", "minLength": 10**9},
    "long at most": {"type": "string", "maxLength": 10**9},
    "thousands in thousands": deep(
        6, lambda v: {"type": "array", "items": v, "minItems": 900, "maxItems": 999}
    ),
    "deep": deep(500, lambda v: {"type": "array", "items": v}),
    "bad pattern": {"type": "string", "pattern": "^(a$"},
    "open pattern": {"type": "string", "pattern": "a"},
    "slow pattern": {"type": "string", "pattern": "^(a+)+$"},
    "slow choice": {"type": "string", "pattern": "^(a|a)*$"},
    "huge pattern": {"type": "string", "pattern": "^a{99999999}$"},
    "backwards pattern": {"type": "string", "pattern": "^a{9,2}$"},
    "half a repetition": {"type": "string", "pattern": "^a}$"},
    "half a set": {"type": "string", "pattern": "^a]$"},
    "reference back": {"type": "string", "pattern": r"^(a)\1$"},
    "looking ahead": {"type": "string", "pattern": "^(?=a)a$"},
    "slow names": {"type": "object", "patternProperties": {"(a+)+$": {}}},
    "many names": {"properties": {f"p{n}": {"type": "null"} for n in range(900)}},
    "odd names": {"properties": {'"\\\n\0\ud83d😀': {"const": '\\"\n\0😀'}}},
    "no choice": {"enum": []},
    "wide choice": {"enum": [f"value {n}" for n in range(3000)]},
    "doubling": {
        "$ref": "#/$defs/d0",
        "$defs": {
            **{f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)},
            "d40": {"properties": {"a": {"type": "null"}}},
        },
    },
    "choosing": {
        "$ref": "#/$defs/d0",
        "$defs": {
            **{f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)},
            "d40": {"type": "null"},
        },
    },
    "not a number": {"const": float("nan")},
    "reference into data": {
        "not": {"$ref": "#/default"},
        "default": {"type": "string", "pattern": "^(a+)+$"},
    },
    "half a pattern": {"type": "string", "pattern": "^(a$", "maxLength": 3},
    "large automaton": text(r"^(a|b)*a(a|b){60}$"),
    "large automaton of dots": text(r"^.*a.{200}b.*c.{200}$"),
    "counts in counts": text(r"^((a{1,50}){1,50}){1,50}$"),
    "many patterns at once": {"allOf": [text(f"^.*{c}.{{40}}$") for c in "abcdefghij"]},
    "letters of all scripts": text(r"^(\w{1,100}\W{1,100}){1,50}$"),
    "a pattern in a long text": text("^.*x.*$", maxLength=2000),
    "a million characters": {"type": "string", "minLength": 10**6},
    "a million repetitions": text("^(ab){1000000}$"),
    "two hundred patterns of names": {
        "type": "object",
        "patternProperties": {f"^.*{n}.*$": {"type": "integer"} for n in range(200)},
    },
    "2,000 names": {"properties": {f"key{n}": {"type": "integer"} for n in range(2000)}},
    "250 names": {"properties": {f"key{n}": {"type": "integer"} for n in range(250)}},
    "1,500 objects": {"anyOf": [closed(f"k{n}") for n in range(1500)]},
    "300 objects that begin alike": {"anyOf": [closed("kind", f"k{n}") for n in range(300)]},
    "a product of choices": {
        "allOf": [
            {"anyOf": [{"properties": {f"a{i}{j}": {"type": "integer"}}} for j in range(4)]}
            for i in range(10)
        ]
    },
    "multiples of a prime": {"type": "integer", "multipleOf": 999983},
    "multiples of a millionth": {
        "type": "number",
        "multipleOf": 1e-6,
        "minimum": 0.123456789,
        "maximum": 1e15,
    },
    "multiples of four primes": {
        "allOf": [{"type": "integer", "multipleOf": p} for p in (97, 101, 103, 107)]
    },
    "limits of 300 digits": {"type": "number", "minimum": 1e-300, "maximum": 1e300},
    "limits of 200 digits": {"type": "integer", "minimum": 10**200, "maximum": 10**201},
    "long choices": {"enum": [f"value {n} {'x' * 20}" for n in range(1500)]},
    "60 lists": deep(60, lambda v: {"type": "array", "items": v}),
    "60 objects": deep(60, lambda v: {"type": "object", "properties": {"a": v}}),
    "all of JSON": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {
                "anyOf": [
                    {"type": "array", "items": {"$ref": "#/$defs/a"}},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/a"}},
                    {"type": "integer"},
                ]
            }
        },
    },
    "all of itself": {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "object"}]}},
    },
    "all of each other": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {"allOf": [{"$ref": "#/$defs/b"}], "type": "object"},
            "b": {"allOf": [{"$ref": "#/$defs/a"}], "properties": {"x": {"type": "integer"}}},
        },
    },
    "growing": {
        "$ref": "#/$defs/a",
        "$defs": {
            "a": {
                "type": "object",
                "properties": {
                    "n": {
                        "allOf": [
                            {"$ref": "#/$defs/a"},
                            {"properties": {"m": {"$ref": "#/$defs/a"}}},
                        ]
                    }
                },
            }
        },
    },
    "settings of llguidance": {
        "x-guidance": {"whitespace_pattern": "(a|b)*a(a|b){60}"},
        "type": "integer",
    },
    "deep data": {"const": deep(400, lambda v: {"default": [v]})},
}


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


def schemas() -> st.SearchStrategy[Any]:
    """Schemas of common keywords, with values that they may not have."""
    number = st.one_of(st.integers(-2, 40), st.sampled_from([10**9, 1.5, True, None]))
    leaf: st.SearchStrategy[Any] = st.one_of(
        st.builds(
            lambda t: {"type": t},
            st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"]),
        ),
        st.builds(lambda v: {"const": v}, st.one_of(st.text(), st.integers(), st.none())),
        st.builds(lambda v: {"enum": v}, st.lists(st.text(max_size=5), max_size=5)),
        st.builds(
            lambda p: {"type": "string", "pattern": f"^{p}$"}, st.text("ab()[]{}*+?.|\\d-^,2")
        ),
        st.builds(
            lambda f: {"type": "string", "format": f}, st.sampled_from(["date", "uuid", "x"])
        ),
        st.builds(lambda a, b: {"type": "string", "minLength": a, "maxLength": b}, number, number),
        st.sampled_from([{}, {"$ref": "#/properties/a"}, {"$ref": "#/x"}, {"$ref": 3}, True, 7]),
    )
    return st.recursive(leaf, _around, max_leaves=12)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    number = st.one_of(st.integers(-2, 40), st.sampled_from([10**9, 1.5]))
    names = st.sampled_from(["a", "b", "string", "root", "a b", '"'])
    return st.one_of(
        st.builds(
            lambda p, r, m: {"properties": p, "required": r, "additionalProperties": m},
            st.dictionaries(names, inner, max_size=4),
            st.lists(names, max_size=3, unique=True),
            st.one_of(st.booleans(), inner),
        ),
        st.builds(
            lambda v, a, b: {"type": "array", "items": v, "minItems": a, "maxItems": b},
            inner,
            number,
            number,
        ),
        st.builds(
            lambda k, v: {k: v},
            st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems", "not", "items"]),
            st.lists(inner, max_size=4),
        ),
    )


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


def written(vocabulary: Vocabulary, grammar: Form) -> str:
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


def try_schema(vocabulary: Vocabulary, given: Any) -> None:
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
    with Model(Path(path)) as model:
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
