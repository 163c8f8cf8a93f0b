"""Store how transformers continues ten prompts on the real 270M: tests/golden/continuations.json.

python -m scripts.make_golden_continuations CHECKPOINT

Needs the [golden] extra, and a checkpoint made by `python -m scripts.make_checkpoint real`. Greedy,
float32, eager attention; for every token the reference's 64 best log-probabilities.
"""

from __future__ import annotations

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from devtools.golden.continuations import PATH

NEW_TOKENS = 32
KEPT = 64
"""Log-probabilities a token; the rest of the vocabulary counts as one more outcome."""

PROMPTS = (
    "The heart pumps blood through the",
    "Pneumonia is an infection of the lungs that",
    "The patient was admitted with chest pain, shortness of breath and",
    "Common side effects of ibuprofen include",
    "糖尿病是一种慢性疾病，患者的血糖",  # noqa: RUF001 - a Chinese comma
    "La radiographie du thorax montre",
    "Insulin was discovered in 1921 by",
    "Once upon a time, in a village by the sea,",
    "def blood_pressure(systolic, diastolic):\n    ",
    "Question: What is the largest organ of the human body?\nAnswer:",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    checkpoint = parser.parse_args().checkpoint
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForCausalLM.from_pretrained(
        checkpoint, dtype=torch.float32, attn_implementation="eager"
    )
    runs = [continuation(model, tokenizer, prompt) for prompt in PROMPTS]
    tools = {package: version(package) for package in ("transformers", "torch")}
    setting = {"dtype": "float32", "attention": "eager"}
    PATH.write_text(json.dumps({"made_with": tools | setting, "runs": runs}) + "\n", "utf-8")
    for run in runs:
        print(json.dumps(tokenizer.decode(run["tokens"]), ensure_ascii=False))


def continuation(model: Any, tokenizer: Any, prompt: str) -> dict[str, Any]:
    """One prompt, its greedy continuation, and what the reference thought of each token."""
    ids = tokenizer(prompt)["input_ids"]
    sequence, steps = list(ids), []
    for _ in range(NEW_TOKENS):
        with torch.no_grad():
            logits = model(torch.tensor([sequence])).logits[0, -1].double()
        best = logits.log_softmax(-1).topk(KEPT)
        steps.append(
            {
                "ids": best.indices.tolist(),
                "logprobs": [round(value, 6) for value in best.values.tolist()],
            }
        )
        sequence.append(steps[-1]["ids"][0])
    return {"prompt": prompt, "ids": ids, "tokens": sequence[len(ids) :], "steps": steps}


if __name__ == "__main__":
    main()
