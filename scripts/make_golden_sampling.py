"""Store which tokens transformers would draw from, and how often: tests/golden/sampling.json.

python -m scripts.make_golden_sampling

Needs the [golden] extra. Logits are multiples of a power of two, which float32 holds exactly. Those
of the set `tied` are whole numbers, so that edges go through ties. Top-p isn't tried on them: it is
no rule which of equal tokens it leaves, since torch.sort isn't stable.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

PATH = Path(__file__).parents[1] / "tests/golden/sampling.json"
VOCABULARY = 50

LOGITS = {"peaked": (4.0, 65_536), "flat": (0.5, 65_536), "tied": (2.0, 1)}
"""Spread of the normal distribution, and steps a unit: so many that no two are equal, or few."""

SETTINGS: tuple[dict[str, Any], ...] = (
    {"temperature": 1.0},
    {"temperature": 0.25},
    {"temperature": 3.0},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_k": 7},
    {"temperature": 0.7, "top_k": 20},
    {"temperature": 1.0, "top_k": 50},
    {"temperature": 1.0, "top_k": 64},
    {"temperature": 1.0, "top_p": 0.0},
    {"temperature": 1.0, "top_p": 0.1},
    {"temperature": 1.0, "top_p": 0.5},
    {"temperature": 1.5, "top_p": 0.9},
    {"temperature": 0.8, "top_p": 0.999},
    {"temperature": 1.0, "min_p": 0.05},
    {"temperature": 2.0, "min_p": 0.2},
    {"temperature": 1.0, "min_p": 1.0},
    {"temperature": 1.0, "top_k": 64, "top_p": 0.95},
    {"temperature": 1.3, "top_k": 12, "top_p": 0.8},
    {"temperature": 1.3, "top_k": 12, "top_p": 0.8, "min_p": 0.1},
    {"temperature": 0.6, "top_p": 0.9, "min_p": 0.02},
    {"temperature": 1.0, "logit_bias": {3: 2.5, 11: -1.25, 49: 4.0}},
    {"temperature": 0.5, "top_k": 5, "logit_bias": {0: 6.0, 17: -20.0}},
    {"temperature": 1.2, "top_k": 10, "top_p": 0.7, "min_p": 0.1, "logit_bias": {8: 3.0}},
)


def main() -> None:
    random = np.random.Generator(np.random.PCG64(20_250_520))
    logits = {
        name: (random.normal(0.0, spread * steps, VOCABULARY).round() / steps).tolist()
        for name, (spread, steps) in LOGITS.items()
    }
    cases = [
        {"logits": name, "settings": settings, **distribution(logits[name], settings)}
        for name in LOGITS
        for settings in SETTINGS
        if not (name == "tied" and "top_p" in settings)
    ]
    tools = {package: version(package) for package in ("transformers", "torch", "numpy")}
    lines = ",\n".join(json.dumps(case) for case in cases)
    head = json.dumps({"made_with": tools, "logits": logits})
    PATH.write_text(f'{head[:-1]}, "cases": [\n{lines}\n]}}\n', "utf-8")
    print(f"{len(cases)} cases, {PATH.stat().st_size:,} bytes")


def distribution(logits: list[float], settings: dict[str, Any]) -> dict[str, Any]:
    """The tokens that are left, and their probabilities, in float64."""
    scores = torch.tensor([logits], dtype=torch.float64)
    no_tokens = torch.zeros((1, 0), dtype=torch.long)
    probabilities = processors(settings)(no_tokens, scores).softmax(-1)[0]
    ids = probabilities.nonzero()[:, 0]
    rounded = [round(value, 9) for value in probabilities[ids].tolist()]
    return {"ids": ids.tolist(), "probabilities": rounded}


def processors(settings: dict[str, Any]) -> Any:
    """Those that `generate` would use, in its order."""
    makers = {
        "logit_bias": lambda bias: SequenceBiasLogitsProcessor([[[i], b] for i, b in bias.items()]),
        "temperature": TemperatureLogitsWarper,
        "top_k": TopKLogitsWarper,
        "top_p": TopPLogitsWarper,
        "min_p": MinPLogitsWarper,
    }
    return LogitsProcessorList(
        make(settings[name]) for name, make in makers.items() if name in settings
    )


if __name__ == "__main__":
    main()
