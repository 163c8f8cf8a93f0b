"""A converted vocabulary splits texts as Hugging Face does: docs/evidence/tokenization.md."""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.golden.tokenizations import NOTICES, PATH, SPECIAL, Tokenization, tokenizations
from edge_med.artifacts.file_names import text_file
from edge_med.artifacts.gguf import read_header
from edge_med.engine.llama.text_model import TextModel
from tests.conftest import RealModels

pytestmark = pytest.mark.real

QUANT = "Q8_0"
"""Any would do: the vocabulary is the same in all."""

TOKENIZER_JSON = os.environ.get("EDGE_MED_TOKENIZER_JSON", "")
"""Read now: no test sees the machine's variables."""

KINDS = tuple(dict.fromkeys(t.kind for t in tokenizations()))

CONTROL, USER_DEFINED = 3, 4
IMAGE_MARKS = {
    "<start_of_image>": (USER_DEFINED, CONTROL),
    "<end_of_image>": (USER_DEFINED, CONTROL),
}
"""Types in the published file, and out of tokenizer.json, which has called them special since."""

Vocabulary = list[tuple[object, ...]]


@pytest.fixture(scope="module")
def json_model(real_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model converted from a checkpoint whose vocabulary is in tokenizer.json alone."""
    if not Path(TOKENIZER_JSON).is_file():
        pytest.fail(
            "EDGE_MED_TOKENIZER_JSON must be the path of Gemma 3's tokenizer.json; see"
            " docs/evidence/tokenization.md.",
            pytrace=False,
        )
    folder = tmp_path_factory.mktemp("json")
    source = shutil.copytree(real_checkpoint, folder / "gemma-3-270m", copy_function=os.link)
    for name in ("tokenizer.model", "tokenizer_config.json"):
        (source / name).unlink()
    shutil.copy(TOKENIZER_JSON, source / "tokenizer.json")
    convert(ConversionRequest(source=source, folder=folder, quants=(QUANT,)))
    return folder / text_file(source.name, QUANT)


@pytest.fixture(scope="module")
def gemma(real_model: RealModels) -> Iterator[TextModel]:
    """The model converted from a checkpoint with a tokenizer.model."""
    with TextModel(real_model(QUANT)) as model:
        yield model


def differing(model: TextModel, golden: Iterable[Tokenization]) -> dict[str, list[int]]:
    """The texts that the model's vocabulary splits in another way, and the ids they should have."""
    return {t.text: t.ids for t in golden if model.vocabulary.tokenize(t.text) != t.ids}


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_hugging_face(kind: str, gemma: TextModel) -> None:
    assert differing(gemma, [t for t in tokenizations() if t.kind == kind]) == {}


def test_ids_are_the_same_out_of_tokenizer_json_alone(json_model: Path) -> None:
    with TextModel(json_model) as model:
        assert differing(model, tokenizations()) == {}


def vocabulary(path: Path) -> Vocabulary:
    """Text, score and type of every token."""
    header = read_header(path)
    arrays = [header.array(f"tokenizer.ggml.{name}") for name in ("tokens", "scores", "token_type")]
    return list(zip(*(array.values() for array in arrays if array), strict=True))


def test_tokenizer_model_gives_the_published_vocabulary(
    real_model: RealModels, published_gguf: Path
) -> None:
    pairs = zip(vocabulary(published_gguf), vocabulary(real_model(QUANT)), strict=True)
    assert [pair for pair in pairs if pair[0] != pair[1]] == []


def test_tokenizer_json_gives_the_published_vocabulary(
    json_model: Path, published_gguf: Path
) -> None:
    pairs = zip(vocabulary(published_gguf), vocabulary(json_model), strict=True)
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    assert {text: (old, new) for (text, _, old), (_, _, new) in changed} == IMAGE_MARKS
    assert all(theirs[:2] == ours[:2] for theirs, ours in changed)


def test_the_texts_are_as_many_and_as_different_as_they_should_be() -> None:
    real = [t for t in tokenizations() if t.kind != SPECIAL]
    assert len(real) >= 1000
    assert len({t.kind for t in real if t.source == "django"}) >= 12
    found = Counter(name for name, sign in SIGNS.items() for t in real if sign.search(t.text))
    found["medical"] = sum(t.kind == "medical" for t in real)
    assert {name: count for name, count in LEAST.items() if found[name] < count} == {}


SIGNS = {
    "Chinese": re.compile("[\u4e00-\u9fff]"),
    "Arabic": re.compile("[\u0620-\u064a]"),
    "emoji": re.compile("[\U0001f1e6-\U0001faff]"),
    "joined emoji": re.compile("[\U0001f1e6-\U0001faff]\ufe0f?\u200d"),
    "flags": re.compile("[\U0001f1e6-\U0001f1ff]{2}"),
    "skin tones": re.compile("[\U0001f3fb-\U0001f3ff]"),
    "runs of whitespace": re.compile(r" {4}|\t|\n{2}"),
    "numbers": re.compile(r"\d"),
}
LEAST = {
    "Chinese": 100,
    "Arabic": 100,
    "medical": 150,
    "emoji": 60,
    "joined emoji": 10,
    "flags": 10,
    "skin tones": 10,
    "runs of whitespace": 60,
    "numbers": 60,
}


def test_the_licences_of_the_texts_go_along() -> None:
    notices = NOTICES.read_text("utf-8")
    sources = {t.source for t in tokenizations() if t.kind != SPECIAL}
    assert [name for name in sources if f"{name} " not in notices] == []
    assert PATH.stat().st_size < 400_000
