"""Store what transformers computes on sharp tiny checkpoints: tests/golden/numbers/*.json.

python -m scripts.make_golden_numbers [CHECKPOINT ...]

Needs the [golden] extra. Float32, eager attention, the PIL image processor; one pass over each
sequence, and of each tested position the 64 best log-probabilities. Run it again after a sharp
checkpoint or a case has changed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import Gemma3ForConditionalGeneration
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from devtools.checkpoints.tiny import Tiny, Vision, write_tiny
from devtools.checkpoints.tokenizer import tiny_tokenizer
from devtools.golden.numbers import CASES, CHECKPOINTS, CONTROLS, FOLDER, Case, pixels
from edge_med.imaging import Fit

KEPT = 64
"""Log-probabilities a position; the rest of the vocabulary counts as one more outcome."""

Steps = list[tuple[list[int], list[float]]]


@dataclass(frozen=True)
class Reference:
    """A checkpoint in transformers' hands."""

    model: Any
    vision: Vision
    processor: Any


@dataclass(frozen=True)
class Sequence:
    """What is read, and how."""

    items: tuple[int | str, ...]
    tested: tuple[int, ...]
    fit: Fit
    block_mask: bool = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", default=list(CASES))
    FOLDER.mkdir(parents=True, exist_ok=True)
    tools = {package: version(package) for package in ("transformers", "torch", "pillow")}
    setting = {"dtype": "float32", "attention": "eager", "image_processor": "PIL"}
    for name in parser.parse_args().checkpoints:
        reference = load(CHECKPOINTS[name])
        runs = {case: run(reference, name, case) for case in CASES[name]}
        write(FOLDER / f"{name}.json", tools | setting, runs)


def load(tiny: Tiny) -> Reference:
    """The checkpoint as transformers reads it from disk, with nothing missing or left over."""
    with tempfile.TemporaryDirectory() as folder:
        model, told = Gemma3ForConditionalGeneration.from_pretrained(
            write_tiny(tiny, Path(folder)),
            dtype=torch.float32,
            attn_implementation="eager",
            output_loading_info=True,
        )
        processor = Gemma3ImageProcessorPil.from_pretrained(folder)
    assert not any(told.values()), told
    assert tiny.vision is not None
    return Reference(model.eval(), tiny.vision, processor)


def run(reference: Reference, name: str, case_name: str) -> dict[str, Any]:
    """A case, and what would come of it if something went wrong."""
    case = CASES[name][case_name]
    read = Sequence(items(case, f"{name}/{case_name}"), case.tested, case.fit)
    steps, uncertainty = compute(reference, read)
    half = log(reference.model.config.text_config.vocab_size) / 2
    print(f"{name}, {case_name}: {len(read.items)} items, entropy up to {uncertainty:.2f} nats")
    assert uncertainty < half
    controls = [control for control, cases in CONTROLS.items() if (name, case_name) in cases]
    wrong = {control: go_wrong(reference, read, control) for control in controls}
    return {"items": read.items, "tested": read.tested, "steps": steps, "wrong": wrong}


def items(case: Case, name: str) -> tuple[int | str, ...]:
    """Noise for text; each picture between the tokens that Gemma 3's processor puts around it."""
    tokenizer = tiny_tokenizer()
    random = np.random.default_rng(zlib.crc32(name.encode()))
    open_image, close_image, line_breaks, bos = (
        tokenizer.id(text) for text in ("<start_of_image>", "<end_of_image>", "\n\n", "<bos>")
    )
    # Bytes and plain pieces of text; control tokens come before, image tokens after them.
    plain = (tokenizer.id("<0x00>"), tokenizer.id("\t"))
    out: list[int | str] = [bos]
    for part in case.parts:
        if isinstance(part, str):
            out += [line_breaks, open_image, part, close_image, line_breaks]
        else:
            out += random.integers(*plain, part).tolist()
    return tuple(out)


def go_wrong(reference: Reference, read: Sequence, control: str) -> Steps:
    """What transformers says to a sequence that is read wrongly."""
    match control:
        case "line breaks left out":
            breaks = tiny_tokenizer().id("\n\n")
            read = replace(read, items=tuple(item for item in read.items if item != breaks))
        case "image read causally":
            read = replace(read, block_mask=False)
        case "other fit":
            read = replace(read, fit="stretch" if read.fit == "pad" else "pad")
    by = {"window wider by one": 1, "window narrower by one": -1}.get(control, 0)
    with widened(reference.model.config.text_config, by):
        steps: Steps
        steps, _ = compute(reference, read)
        return steps


@contextmanager
def widened(config: Any, by: int) -> Iterator[None]:
    config.sliding_window += by
    yield
    config.sliding_window -= by


def compute(reference: Reference, read: Sequence) -> tuple[Steps, float]:
    """The best tokens after each tested item, and the largest entropy among them."""
    logprobs = log_probabilities(reference, read)
    best = logprobs.topk(KEPT)
    steps = [
        (ids, [round(value, 6) for value in values])
        for ids, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
    return steps, float(-(logprobs.exp() * logprobs).sum(-1).max())


@torch.no_grad()  # type: ignore[untyped-decorator]
def log_probabilities(reference: Reference, read: Sequence) -> torch.Tensor:
    """Of the token after each tested item: shape (tested, vocabulary)."""
    soft = reference.model.config.image_token_id
    width = reference.vision.image_tokens
    blocks = [[soft] * width if isinstance(item, str) else [item] for item in read.items]
    ids = torch.tensor([[token for block in blocks for token in block]])
    ends = np.cumsum([len(block) for block in blocks]) - 1
    images = [picture(reference, name, read.fit) for name in read.items if isinstance(name, str)]
    logits = reference.model(
        input_ids=ids,
        pixel_values=torch.cat(images) if images else None,
        token_type_ids=(ids == soft).long() if read.block_mask else None,
        logits_to_keep=torch.from_numpy(ends[list(read.tested)]),
        use_cache=False,
    ).logits[0]
    logprobs: torch.Tensor = logits.double().log_softmax(-1)
    return logprobs


def picture(reference: Reference, name: str, fit: Fit) -> torch.Tensor:
    """A picture's values of shape (1, 3, side, side); black is added to a square before `pad`."""
    image = Image.fromarray(pixels(name, reference.vision.image_size))
    if fit == "pad":
        across, down = ((max(image.size) - n) // 2 for n in image.size)
        image = ImageOps.expand(image, (across, down))
    values: torch.Tensor = reference.processor(image, return_tensors="pt")["pixel_values"]
    return values


def write(path: Path, made_with: dict[str, str], runs: dict[str, Any]) -> None:
    """One case a line."""
    lines = [
        f"{json.dumps(name)}:{json.dumps(run, separators=(',', ':'))}" for name, run in runs.items()
    ]
    body = ",\n".join(lines)
    path.write_text(f'{{"made_with":{json.dumps(made_with)},"runs":{{\n{body}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main()
