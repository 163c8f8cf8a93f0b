"""Any change of a checkpoint's small files gives a plan or our own error, and never another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.conversion_plan import make_plan
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.errors import CheckpointError

FILES = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer_config.json",
    "tokenizer.json",
)
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2_000_000_000,
    1 << 70,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\ud800",
    [],
    [1],
    {},
    {"factor": 8.0, "rope_type": "linear"},
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny(TINY["multimodal"], tmp_path_factory.mktemp("sound") / "multimodal")
    (folder / "tokenizer.model").unlink()  # so that tokenizer.json counts
    return folder


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value can be changed; of long lists and objects only the first few."""
    yield path
    inside = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in [*inside][:40]:
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))
        else:
            yield (*path, key)


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = data.copy()
    copy[path[0]] = changed(data[path[0]], path[1:], value)
    return copy


@given(data=st.data())
@settings(max_examples=250)
def test_any_value_in_any_place(
    data: st.DataObject, sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "mutant"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
    name = data.draw(st.sampled_from(FILES))
    content = json.loads((sound / name).read_text("utf-8"))
    place = data.draw(st.sampled_from(list(places(content))))
    mutant = changed(content, place, data.draw(st.sampled_from(ODD)))
    (folder / name).write_text(json.dumps(mutant), "utf-8")
    try:
        make_plan(ConversionRequest(source=folder, folder=folder, quants=("Q8_0",)))
    except CheckpointError as error:
        assert error.hint


def test_chat_templates_that_are_no_templates_are_damage(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mutant"
    shutil.copytree(sound, folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**config, "chat_template": [1]}), "utf-8")
    with pytest.raises(CheckpointError, match="chat template"):
        make_plan(ConversionRequest(source=folder, folder=folder, quants=("Q8_0",)))
