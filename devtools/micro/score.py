"""Hold micro to its exam, and tell what its quantizations lose: two files `micro-scores.json`.

python -m devtools.micro.score CHECKPOINT WORK

CHECKPOINT is a folder like models/micro. It is read by transformers in float32 as it is (the
[golden] extra has it), and by edge-med in five types, which are converted into WORK. What
transformers answers is written into tests/golden, what edge-med scores into tests/snapshots.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from devtools.micro.exam import Item, exam, overlap, right
from edge_med import MedGemma, Options
from edge_med.answers import Score

TESTS = Path(__file__).parents[2] / "tests"
THEIRS, OURS = TESTS / "golden/micro-scores.json", TESTS / "snapshots/micro-scores.json"
QUANTS = ("BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M")
LONGEST = 96
"""Tokens of an answer; the longest right one has about forty, after a thought of as many."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--quick", action="store_true", help="BF16 through edge-med alone")
    options = parser.parse_args()
    items = exam()
    quants = QUANTS[:1] if options.quick else QUANTS
    files = convert(options.checkpoint, options.work, quants)
    said = {quant: answers_of(file, items) for quant, file in files.items()}
    report = {quant: summary(items, texts) for quant, texts in said.items()}
    report["BF16"]["swapped"] = swapped(items, answers_of(files["BF16"], items, swapped=True))
    if not options.quick:
        texts = transformers_answers(options.checkpoint, items)
        for quant in quants:
            same = sum(a == b for a, b in zip(said[quant], texts, strict=True))
            report[quant]["same_as_transformers"] = same
            report[quant] |= loss(files["BF16"], files[quant], items)
        theirs = {"transformers": summary(items, texts)}
        how = {"dtype": "float32", "attention": "eager", "image_processor": "PIL"}
        store(THEIRS, made_with("transformers", "torch") | how, scores=theirs, answers=texts)
        store(OURS, made_with("llama-cpp-python"), scores=report)
        report |= theirs
    print(json.dumps(report, indent=1))


def store(path: Path, tools: dict[str, str], **found: Any) -> None:
    path.write_text(json.dumps({"made_with": tools, **found}, indent=1) + "\n", "utf-8")


def made_with(*packages: str) -> dict[str, str]:
    return {package: version(package) for package in packages}


def convert(checkpoint: Path, work: Path, quants: Sequence[str]) -> dict[str, Path]:
    """The checkpoint in several types, one projector beside them."""
    flags = [part for quant in quants for part in ("--quant", quant)]
    command = ["edge_med", "convert", str(checkpoint), "--out", str(work), "--name", "micro"]
    subprocess.run([sys.executable, "-m", *command, *flags, "--force", "--quiet"], check=True)
    return {quant: work / f"micro-{quant}.gguf" for quant in quants}


def answers_of(file: Path, items: Iterable[Item], *, swapped: bool = False) -> list[str]:
    """What a file answers through edge-med."""
    with MedGemma.load(file, context=1024) as model:
        return [answer(model, item, swapped=swapped) for item in items]


def answer(model: MedGemma, item: Item, *, swapped: bool = False) -> str:
    """One answer, greedily, without its thought."""
    plain = Options(max_new_tokens=LONGEST)
    options = replace(plain, think="on") if item.kind == "thought" else plain
    return model.ask(item.messages(swapped=swapped), options=options).text


def summary(items: Sequence[Item], said: Sequence[str]) -> dict[str, Any]:
    """Shares of right answers, by kind and of all, and how well boxes lie."""
    pairs = list(zip(items, said, strict=True))
    kinds = dict.fromkeys(item.kind for item in items)
    by_kind = {
        kind: _share(right(i, text) for i, text in pairs if i.kind == kind) for kind in kinds
    }
    boxes = [overlap(i, text) for i, text in pairs if i.kind == "locate" and i.answer != "[]"]
    return {
        "right": sum(right(item, text) for item, text in pairs),
        "kinds": by_kind,
        "overlap": round(float(np.mean(boxes)), 3),
    }


def swapped(items: Sequence[Item], said: Sequence[str]) -> dict[str, float]:
    """How often image questions are right with another picture, and how often by chance."""
    pairs = [(item, text) for item, text in zip(items, said, strict=True) if item.kind != "fact"]
    return {
        "right": _share(right(item, text) for item, text in pairs),
        "chance": _share(right(item, item.elsewhere) for item, _ in pairs),
    }


def _share(hits: Iterable[bool]) -> float:
    return round(float(np.mean([bool(hit) for hit in hits])), 4)


def loss(base: Path, other: Path, items: Sequence[Item], count: int = 200) -> dict[str, float]:
    """Along the right answers: how far the other's next-token distributions are from the base's."""
    pairs = zip(_rated(base, items[:count]), _rated(other, items[:count]), strict=True)
    positions = [
        (_divergence(a.top, b.top), a.top[0].id == b.top[0].id)
        for one, two in pairs
        for a, b in zip(one.tokens, two.tokens, strict=True)
    ]
    divergences, same = zip(*positions, strict=True)
    return {"divergence": round(float(np.mean(divergences)), 6), "same_top": _share(same)}


def _rated(file: Path, items: Sequence[Item]) -> list[Score]:
    with MedGemma.load(file, context=1024) as model:
        return [model.score(item.messages(), item.answer, top=1000) for item in items]


def _divergence(base: Sequence[Any], other: Sequence[Any]) -> float:
    theirs = {candidate.id: candidate.logprob for candidate in other}
    floor = min(theirs.values())
    terms = (math.exp(mine.logprob) * (mine.logprob - theirs.get(mine.id, floor)) for mine in base)
    return float(sum(terms))


def transformers_answers(checkpoint: Path, items: Sequence[Item]) -> list[str]:
    """What transformers answers from the checkpoint, prompts and pixels by its own processor."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(checkpoint, backend="pil")
    model = AutoModelForImageTextToText.from_pretrained(
        checkpoint, dtype=torch.float32, attn_implementation="eager"
    )
    generate: Callable[..., Any] = model.generate
    end = processor.tokenizer.convert_tokens_to_ids("<end_of_turn>")
    said = []
    for item in items:
        inputs = processor.apply_chat_template(
            with_instruction(item),
            chat_template=processor.tokenizer.chat_template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        with torch.inference_mode():
            ids = generate(**inputs, max_new_tokens=LONGEST, do_sample=False, eos_token_id=end)[0]
        new = ids[inputs["input_ids"].shape[1] :]
        text = processor.decode(new, skip_special_tokens=False)
        said.append(text.partition("<end_of_turn>")[0].rpartition("<unused95>")[2])
    return said


def with_instruction(item: Item) -> list[dict[str, Any]]:
    """The conversation, with the instruction to think where one is asked for."""
    from edge_med.engine.decode.thinking import INSTRUCTION

    messages = item.messages()
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image":
                from PIL import Image

                part["image"] = Image.fromarray(part["image"])
    if item.kind != "thought":
        return messages
    system = f"{INSTRUCTION} {item.system}" if item.system else INSTRUCTION
    rest = messages[1:] if item.system else messages
    return [{"role": "system", "content": system}, *rest]


if __name__ == "__main__":
    main()
