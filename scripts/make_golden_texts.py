"""Store what transformers thinks along texts, on the real 270M: tests/golden/texts.json.gz.

python -m scripts.make_golden_texts CHECKPOINT

Needs the [golden] extra, and a checkpoint made by `python -m scripts.make_checkpoint real`.
Float32, eager attention; for every position the reference's best log-probabilities.
"""

from __future__ import annotations

import argparse
import gzip
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from devtools.golden.texts import PATH, SOURCES, Source

KEPT = 24
"""Log-probabilities a position; the rest of the vocabulary counts as one more outcome."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    checkpoint = parser.parse_args().checkpoint
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, attn_implementation="eager"
    )
    texts = [thoughts(model, tokenizer, source) for source in SOURCES]
    tools = {package: version(package) for package in ("transformers", "torch")}
    setting = {"dtype": "float32", "attention": "eager"}
    data = json.dumps({"made_with": tools | setting, "texts": texts}, separators=(",", ":"))
    with gzip.GzipFile(PATH, "wb", mtime=0) as file:
        file.write(data.encode())
    print(sum(len(text["ids"]) for text in texts), "tokens,", PATH.stat().st_size, "bytes")


def thoughts(model: Any, tokenizer: Any, source: Source) -> dict[str, Any]:
    """The ids of a text, and what the reference thought after each."""
    ids = tokenizer(source.text())["input_ids"][: source.tokens]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    best = logits.log_softmax(-1).topk(KEPT)
    return {
        "name": source.name,
        "ids": ids,
        "best": best.indices.tolist(),
        "logprobs": [[round(value, 5) for value in row] for row in best.values.tolist()],
    }


if __name__ == "__main__":
    main()
