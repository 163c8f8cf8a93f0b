"""Our files in llama.cpp's own programs: they say what they say with llama.cpp's own conversion.

The tiny models are noise, and so is their text; that it is the same noise is what counts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.reference import reference_files
from edge_med.artifacts.file_names import projector_file, text_file
from tests.conftest import Checkpoints, Models
from tests.reference.programs import Pair, Server, mtmd_cli, server

pytestmark = pytest.mark.reference

NAME, QUANT = "multimodal", "Q4_K_M"
TEXT = "The heart pumps blood through the"
QUESTION = "describe the image"

# A tiny model says its last token again and again. With each token allowed once, which ones follow
# and in which order is decided by the weights.
PENALTY = 100
GREEDY = {
    "temperature": 0,
    "presence_penalty": PENALTY,
    "ignore_eos": True,
    "seed": 1,
    "cache_prompt": False,
}
FLAGS = (
    *("--temp", "0", "--presence-penalty", str(PENALTY), "--ignore-eos"),
    *("--seed", "1", "-n", "16"),
)


@pytest.fixture(scope="module")
def ours(model: Models) -> Pair:
    folder = model(NAME, QUANT)
    return Pair(folder / text_file(NAME, QUANT), folder / projector_file(NAME, "F16"))


@pytest.fixture(scope="module")
def theirs(checkpoint: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("theirs")
    made = reference_files(checkpoint(NAME), folder, (QUANT,), ("F16",), bf16_source=True)
    return Pair(made[QUANT], made["mmproj-F16"])


@pytest.fixture(scope="module")
def our_server(ours: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(ours, tmp_path_factory.mktemp("our-server") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def their_server(theirs: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(theirs, tmp_path_factory.mktemp("their-server") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two pictures, wider than high: a slope of grey and a slope of colour."""
    folder = tmp_path_factory.mktemp("images")
    grey = bytes((x + y) % 256 for y in range(48) for x in range(64) for _ in "rgb")
    colour = bytes(value for y in range(48) for x in range(64) for value in (4 * x, 5 * y, 128))
    for name, pixels in (("grey", grey), ("colour", colour)):
        (folder / f"{name}.ppm").write_bytes(b"P6 64 48 255\n" + pixels)
    return folder / "grey.ppm", folder / "colour.ppm"


def test_llama_mtmd_cli_says_the_same_of_an_image(
    ours: Pair, theirs: Pair, images: tuple[Path, Path]
) -> None:
    said = mtmd_cli(ours, images[0], QUESTION, *FLAGS)
    assert said.strip()
    assert said == mtmd_cli(theirs, images[0], QUESTION, *FLAGS)


def test_llama_mtmd_cli_sees_the_image_through_our_projector(
    ours: Pair, images: tuple[Path, Path]
) -> None:
    grey, colour = (mtmd_cli(ours, image, QUESTION, *FLAGS) for image in images)
    assert grey != colour


def test_llama_server_continues_a_text_alike(our_server: Server, their_server: Server) -> None:
    written = continuation(our_server, TEXT)
    assert len(written["tokens"]) == 16
    assert written == continuation(their_server, TEXT)


def test_llama_server_answers_about_an_image_alike(
    our_server: Server, their_server: Server, images: tuple[Path, Path]
) -> None:
    written = answer(our_server, images[0])
    assert len(written["tokens"]) == 16
    assert written == answer(their_server, images[0])


def test_llama_server_sees_the_image_through_our_projector(
    our_server: Server, images: tuple[Path, Path]
) -> None:
    grey, colour = (answer(our_server, image)["tokens"] for image in images)
    assert grey != colour


@pytest.mark.real
def test_llama_server_continues_a_text_on_real_weights_alike(
    real_checkpoint: Path, tmp_path: Path
) -> None:
    folder = real_checkpoint.parent
    convert(ConversionRequest(source=real_checkpoint, folder=folder / "ours", quants=(QUANT,)))
    ours = Pair(folder / "ours" / text_file(real_checkpoint.name, QUANT))
    made = reference_files(real_checkpoint, folder / "theirs", (QUANT,), (), bf16_source=True)
    with server(ours, tmp_path / "ours") as running:
        written = continuation(running, TEXT, presence_penalty=0)
    assert len(written["tokens"]) == 16
    with server(Pair(made[QUANT]), tmp_path / "theirs") as running:
        assert written == continuation(running, TEXT, presence_penalty=0)


def continuation(running: Server, text: str, **settings: Any) -> dict[str, Any]:
    """The tokens with which a server goes on, and the probabilities that it tells of them."""
    question = {"prompt": text, "n_predict": 16, "n_probs": 10, "return_tokens": True}
    done = running.post("/completion", GREEDY | question | settings)
    return {"tokens": done["tokens"], "probabilities": done["completion_probabilities"]}


def answer(running: Server, image: Path) -> dict[str, Any]:
    """The tokens of a server's answer about an image, and the probabilities that it tells."""
    data = base64.b64encode(image.read_bytes()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/x-portable-pixmap;base64,{data}"}},
        {"type": "text", "text": QUESTION},
    ]
    question = {"messages": [{"role": "user", "content": content}], "max_tokens": 16}
    # Without `verbose` the answer is text, and tokens that aren't whole characters are lost in it.
    told = {"logprobs": True, "return_tokens": True, "verbose": True}
    done = running.post("/v1/chat/completions", GREEDY | question | told)
    (choice,) = done["choices"]
    return {"tokens": done["__verbose"]["tokens"], "probabilities": choice["logprobs"]}
