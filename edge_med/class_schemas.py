"""JSON schemas of Python's own descriptions: pydantic's models, dataclasses, TypedDicts and others.

pydantic is no dependency: it is asked only where the program has imported it. msgspec, which is
one, knows dataclasses, TypedDicts, NamedTuples, enums and its own structs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, get_args, get_origin, get_type_hints

from edge_med.errors import UsageError

_OWN = ("model_json_schema", "json_schema")
"""Methods that give a schema: of pydantic's models and of its `TypeAdapter`."""


def as_given(schema: object) -> object:
    """The schema of a class or a type; a mapping, a text and what is no schema stay as they are.

    Raises:
        UsageError: it has none, or what its types say more would be lost.
    """
    if schema is None or isinstance(schema, Mapping | str | bool):
        return schema
    try:
        for make in (getattr(schema, name, None) for name in _OWN):
            if callable(make):
                return make()
        if isinstance(schema, type) or get_origin(schema) is not None:
            return _of_type(schema)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001 - the packages fail with whatever they meet
        first = str(error).partition("\n")[0]
        raise UsageError(
            f"{_name(schema)} has no JSON schema: {first}", "Give the schema as a mapping."
        ) from None
    raise UsageError(
        f"A schema can't be a value of type {type(schema).__name__}.",
        "Give a mapping, JSON as a text, a class of pydantic's, or a dataclass.",
    )


def _of_type(kind: Any) -> object:
    """The schema of a type, by the package that reads all that its annotations say."""
    import msgspec

    annotations = [one for one in _annotations(kind) if not isinstance(one, str)]
    for_msgspec = [one for one in annotations if isinstance(one, msgspec.Meta)]
    pydantic = sys.modules.get("pydantic")
    if pydantic and not (for_msgspec or _is_struct(kind)):
        try:
            return pydantic.TypeAdapter(kind).json_schema()
        except Exception:
            if annotations:
                raise  # else msgspec may know it: before Python 3.12 pydantic takes no TypedDict
    if lost := [one for one in annotations if one not in for_msgspec]:
        raise UsageError(
            f"{_name(kind)} is annotated with {type(lost[0]).__name__}, which only pydantic reads.",
            "Import pydantic, annotate with msgspec.Meta, or give the schema as a mapping.",
        )
    return msgspec.json.schema(kind)


def _is_struct(kind: object) -> bool:
    return hasattr(kind, "__struct_fields__")


def _annotations(kind: Any) -> Iterator[object]:
    """What `Annotated` says more, in a type and in the types that it is made of."""
    todo, seen = [kind], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield from getattr(one, "__metadata__", ())
        todo += get_args(one)
        if isinstance(one, type):
            with suppress(NameError, TypeError):  # what isn't there yet, pydantic or msgspec names
                todo += get_type_hints(one, include_extras=True).values()


def _name(kind: object) -> str:
    return getattr(kind, "__name__", None) or str(kind)
