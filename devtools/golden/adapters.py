"""What transformers computes with adapters merged into its weights: cases, and the golden file.

Made by `python -m scripts.make_golden_adapters`.
"""

from __future__ import annotations

from devtools.checkpoints.adapters import Lora
from devtools.golden.numbers import CHECKPOINTS, FOLDER, Case

GOLDEN = FOLDER / "adapters.json"
"""Read by `devtools.golden.numbers.stored`; its runs are called after case and scales."""

CHECKPOINT = CHECKPOINTS["plain"]

ADAPTERS = {
    "chest": Lora(seed=31),
    "skin": Lora(seed=32, rank=3, alpha=1.5, modules=("self_attn.q_proj", "self_attn.v_proj")),
}
"""One of all weights, and one of few, with another rank."""

SCALES: dict[str, dict[str, float]] = {
    "none": {},
    "whole": {"chest": 1.0},
    "half": {"chest": 0.5},
    "other": {"skin": 1.0},
    "both": {"chest": 0.5, "skin": -1.0},
}

CASES = {"text": Case((64,)), "image": Case((16, "disc", 30))}
