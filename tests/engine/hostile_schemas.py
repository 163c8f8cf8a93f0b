"""Schemas that ask too much of whoever keeps or checks them, or are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st


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
