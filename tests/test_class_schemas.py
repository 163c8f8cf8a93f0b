"""Classes are given as schemas: what an answer has to have is what they say."""

from __future__ import annotations

import enum
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from pydantic import BaseModel, Field, TypeAdapter
from pydantic.dataclasses import dataclass as pydantic_dataclass

from edge_med.config import Options
from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.errors import UsageError


class Side(enum.Enum):
    LEFT = "left"
    RIGHT = "right"


class Finding(BaseModel):
    region: str = Field(max_length=40)
    side: Side | None = None
    confidence: float = Field(ge=0, le=1)


class Report(BaseModel):
    findings: list[Finding] = Field(min_length=1)
    taken: date
    dose: Decimal


class Clear(BaseModel):
    kind: Literal["clear"]


class Opaque(BaseModel):
    kind: Literal["opaque"]
    code: Annotated[str, Field(pattern="[A-Z]+")]


class Lungs(BaseModel):
    lungs: Clear | Opaque = Field(discriminator="kind")


@pydantic_dataclass
class Checked:
    count: Annotated[int, Field(gt=0, lt=10)]


@dataclass
class Plain:
    region: str
    side: Literal["left", "right"] = "left"
    marks: list[int] = field(default_factory=list)


class Typed(TypedDict):
    region: str


class Named(NamedTuple):
    region: str
    marks: int


class Struct(msgspec.Struct):
    count: Annotated[int, msgspec.Meta(ge=0, le=9)]


def given(schema: Any) -> Mapping[str, Any]:
    found = Options(schema=schema).schema
    assert isinstance(found, Mapping)
    return found


def test_a_model_of_pydantic_is_its_json_schema() -> None:
    assert given(Report) == Report.model_json_schema()


def test_an_adapter_of_pydantic_is_its_json_schema() -> None:
    adapter = TypeAdapter(list[Finding])
    assert given(adapter) == adapter.json_schema()
    assert given(list[Finding]) == adapter.json_schema()


def test_limits_of_fields_are_kept() -> None:
    assert given(Checked)["properties"]["count"] == {
        "exclusiveMaximum": 10,
        "exclusiveMinimum": 0,
        "title": "Count",
        "type": "integer",
    }


@pytest.mark.parametrize("kind", [Plain, Typed, Named, Struct, Side, Literal["a", "b"], int | None])
def test_types_of_python_are_schemas(kind: Any) -> None:
    schema = compile_schema(given(kind))
    assert schema.notices == ()


def test_a_union_that_a_field_tells_apart_is_kept_whole() -> None:
    schema = compile_schema(given(Lungs))
    assert schema.notices == ()
    assert schema.parse('{"lungs":{"kind":"opaque","code":"xA"}}')


def test_limits_of_msgspec_are_kept() -> None:
    assert given(Struct)["$defs"]["Struct"]["properties"]["count"]["maximum"] == 9


REPORT = '{"findings":[{"region":"lung","confidence":0.5}],"taken":"2026-01-31","dose":"1.5"}'


@pytest.mark.parametrize(("schema", "text"), [(Report, REPORT), (Plain, '{"region":"lung"}')])
def test_an_answer_by_a_class_is_read_by_it(schema: Any, text: str) -> None:
    value = compile_schema(given(schema)).parse(text)
    assert isinstance(TypeAdapter(schema).validate_python(value), schema)


def test_options_are_plain_values_whatever_was_given() -> None:
    assert Options(schema=Finding) == Options(schema=Finding.model_json_schema())


class Odd(BaseModel, arbitrary_types_allowed=True):
    what: object = None
    how: enum.EnumType


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (Odd, "Odd has no JSON schema"),
        ([Finding], "type list"),
        (3, "type int"),
        (Plain("lung"), "type Plain"),
    ],
    ids=["no schema", "a list", "a number", "a value"],
)
def test_what_has_no_schema_is_refused_by_its_name(schema: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Options(schema=schema)


WITHOUT_PYDANTIC = """
import sys
from dataclasses import dataclass
from typing import Annotated
from edge_med import Options
from edge_med.errors import UsageError

class AtLeast:
    def __init__(self, n): self.n = n

@dataclass
class Plain:
    region: str

@dataclass
class Bounded:
    count: Annotated[int, AtLeast(0)]

assert Options(schema=Plain).schema["$defs"]["Plain"]["required"] == ["region"]
try:
    Options(schema=Bounded)
except UsageError as error:
    print(error.message)
assert "pydantic" not in sys.modules
"""


def test_without_pydantic_dataclasses_are_schemas_and_no_limit_is_lost() -> None:
    command = [sys.executable, "-c", WITHOUT_PYDANTIC]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "annotated with AtLeast, which only pydantic reads" in done.stdout
